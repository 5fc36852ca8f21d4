"""UpdateFunctionCode and UpdateFunctionConfiguration. The function stays the same one: its triggers and subscriptions too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from decouple.aws.lambdas import LAMBDA
from decouple.aws.lambdas.code import Code, read_code, runnable
from decouple.aws.lambdas.configuration import check_limits, dead_letter_of, kept_config, layers_of, shown
from decouple.aws.lambdas.names import Found, find, invalid
from decouple.aws.lambdas.publishing import publish

if TYPE_CHECKING:
    from decouple.aws.service import Answer, Given
    from decouple.aws.world import Call

__all__ = ["check_revision"]

UPDATING = {
    "LastUpdateStatus": "InProgress",
    "LastUpdateStatusReason": "The function is being created.",
    "LastUpdateStatusReasonCode": "Creating",
}


@LAMBDA.operation("UpdateFunctionCode", note="as CreateFunction")
def update_function_code(call: Call, given: Given) -> Answer:
    """Another zip, or a registered callable again. Runs under way end with the old code."""
    found = find(call, given["FunctionName"], action="lambda:UpdateFunctionCode")
    check_revision(found.deployed.revision, given)
    place, function, deployed = found.place, found.function, found.deployed
    code = read_code(place, given, deployed.config["Handler"], deployed.config["Runtime"], "UpdateFunctionCode")
    config = deployed.config | code.facts
    if given.get("Architectures"):
        config["Architectures"] = given["Architectures"]
    if given.get("DryRun"):
        if code.unpacked is not None:
            code.unpacked.close()
        return shown(place, function, deployed) | config
    configure(found, config, code)
    deployed.archive, deployed.code = code.archive, code.unpacked
    return changed(found, config, publishing=bool(given.get("Publish")))


@LAMBDA.operation("UpdateFunctionConfiguration", note="VPC, tracing, logging, file systems and storage are stored only")
def update_function_configuration(call: Call, given: Given) -> Answer:
    """What is given is changed, the rest stays."""
    found = find(call, given["FunctionName"], action="lambda:UpdateFunctionConfiguration")
    check_revision(found.deployed.revision, given)
    check_limits(given)
    deployed = found.deployed
    handler = given.get("Handler") or deployed.config["Handler"]
    registered = handler in found.place.world.handlers or (deployed.code is None and not deployed.archive)
    config = deployed.config | kept_config(given, layers_of(given, registered))
    if not config.get("Layers", True):
        del config["Layers"]
    settings: dict[str, Any] = {}
    if given.get("Timeout") is not None:
        settings["timeout"] = given["Timeout"]
    if given.get("MemorySize") is not None:
        settings["memory"] = given["MemorySize"]
    if given.get("DeadLetterConfig") is not None:
        settings["dead_letter"] = dead_letter_of(found.place, given)
    configure(found, config, Code(deployed.archive, deployed.code), **settings)
    return changed(found, config)


def check_revision(revision: str, given: Mapping[str, Any], operation: str = "GetFunction/GetAlias") -> None:
    """A request may name the revision it is based on. Raises ServiceError."""
    if given.get("RevisionId") not in (None, revision):
        raise LAMBDA.error(
            "PreconditionFailedException",
            f"The Revision Id provided does not match the latest Revision Id. Call the {operation} API to retrieve the "
            "latest Revision Id",
        )


def configure(found: Found, config: dict[str, Any], code: Code, **settings: Any) -> None:
    """Tell the engine. A function that was declared natively keeps its handler, unless another one is asked for."""
    place, function, deployed = found.place, found.function, found.deployed
    memory: int = settings.get("memory", function.memory)
    native = not code.archive and code.unpacked is None and config["Handler"] == deployed.config["Handler"]
    native = native and config["Handler"] not in place.world.handlers
    if code.unpacked is None and code.archive and config["Handler"] not in place.world.handlers:
        code = read_code(place, {"ZipFile": code.archive}, config["Handler"], config["Runtime"], "UpdateFunctionCode")
        deployed.code = code.unpacked
    try:
        handler = None if native else runnable(place, function.name, config, memory, code)
        function.configure(handler, **settings)
    except ValueError as error:
        raise invalid(str(error)) from error


def changed(found: Found, config: dict[str, Any], *, publishing: bool = False) -> Answer:
    place, function, deployed = found.place, found.function, found.deployed
    deployed.config = config
    deployed.change(place.now())
    if publishing:
        return publish(place, function, deployed, None)
    return shown(place, function, deployed) | UPDATING
