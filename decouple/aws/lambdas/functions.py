"""CreateFunction, GetFunction, GetFunctionConfiguration, DeleteFunction, ListFunctions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from decouple.aws.lambdas import LAMBDA
from decouple.aws.lambdas.code import Code, no_images, read_code, runnable
from decouple.aws.lambdas.configuration import (
    check_limits,
    configuration,
    dead_letter_of,
    kept_config,
    layers_of,
    out_of_range,
    shown,
)
from decouple.aws.lambdas.names import LATEST, Named, find, invalid, named
from decouple.aws.lambdas.pages import page
from decouple.aws.lambdas.publishing import publish
from decouple.aws.lambdas.records import Deployed, Functions, part
from decouple.aws.lambdas.tagging import check_tags

if TYPE_CHECKING:
    from decouple.aws.service import Answer, Given
    from decouple.aws.world import Call, Place
    from decouple.function import Function

__all__: list[str] = []

LONGEST_NAME = 64
MOST_LISTED = 50
CREATING = {
    "State": "Pending",
    "StateReason": "The function is being created.",
    "StateReasonCode": "Creating",
}


@LAMBDA.operation(
    "CreateFunction",
    note="registered Python callables, and zips with a Python runtime in processes, whose SDKs reach the mock or the server; "
    "no S3, images or layers",
)
def create_function(call: Call, given: Given) -> Answer:
    """Declare a function on the caller's broker."""
    asked = check_name(call, given["FunctionName"])
    if given.get("PackageType") == "Image":
        raise no_images()
    if not given.get("Runtime") or not given.get("Handler"):
        raise invalid("Runtime and Handler are mandatory parameters for functions created with deployment packages.")
    check_limits(given)
    tags = check_tags({}, part(given, "Tags"))
    config, place = config_of(call.place, given), call.place
    if asked.name in place.broker.functions:
        raise LAMBDA.error("ResourceConflictException", f"Function already exist: {asked.name}")
    code = read_code(place, given["Code"], given["Handler"], given["Runtime"], "CreateFunction")
    function = declare(place, asked.name, config, given, code)
    deployed = Deployed(config | code.facts, place.now(), archive=code.archive, code=code.unpacked, tags=tags)
    place.keep(Functions).keep(function, deployed)
    made = publish(place, function, deployed, None) if given.get("Publish") else shown(place, function, deployed)
    del made["LastUpdateStatus"]
    return made | CREATING


def check_name(call: Call, text: str) -> Named:
    """The name of a function to be. Raises ServiceError."""
    asked = named(call, text)
    if asked.account != call.account:
        raise LAMBDA.error(
            "AccessDeniedException",
            f"User: {call.principal} is not authorized to perform: lambda:CreateFunction on resource: {asked.arn}",
        )
    if len(asked.name) > LONGEST_NAME:
        raise out_of_range("functionName", text, f"Member must have length less than or equal to {LONGEST_NAME}")
    return asked


def config_of(place: Place, given: Mapping[str, Any]) -> dict[str, Any]:
    config = kept_config(given, layers_of(given, given["Handler"] in place.world.handlers))
    return {"Description": "", **config}


def declare(place: Place, name: str, config: Mapping[str, Any], given: Mapping[str, Any], code: Code) -> Function:
    memory: int = given.get("MemorySize") or 128
    try:
        return place.broker.function(
            runnable(place, name, config, memory, code),
            name=name,
            timeout=given.get("Timeout") or 3,
            memory=memory,
            dead_letter=dead_letter_of(place, given),
        )
    except BaseException as error:
        if code.unpacked is not None:
            code.unpacked.close()
        if isinstance(error, ValueError):  # no processes on this system
            raise invalid(str(error)) from error
        raise


@LAMBDA.operation("GetFunction", note="the code's location leads nowhere")
def get_function(call: Call, given: Given) -> Answer:
    """Its configuration, tags and reserved concurrency."""
    found = find(call, given["FunctionName"], given.get("Qualifier"), action="lambda:GetFunction")
    config = configuration(found)
    place, deployed = found.place, found.deployed
    where = f"https://awslambda-{place.region}-tasks.s3.{place.region}.amazonaws.com/snapshots/{place.account}"
    answer: Answer = {
        "Configuration": config,
        "Code": {"RepositoryType": "S3", "Location": f"{where}/{found.function.name}-{deployed.revision}"},
    }
    if deployed.tags:
        answer["Tags"] = dict(deployed.tags)
    reserved = found.function.settings["concurrency"]
    if reserved is not None:
        answer["Concurrency"] = {"ReservedConcurrentExecutions": reserved}
    return answer


@LAMBDA.operation("GetFunctionConfiguration")
def get_function_configuration(call: Call, given: Given) -> Answer:
    """The configuration of $LATEST, a version or an alias."""
    found = find(call, given["FunctionName"], given.get("Qualifier"), action="lambda:GetFunctionConfiguration")
    return configuration(found)


@LAMBDA.operation("DeleteFunction")
def delete_function(call: Call, given: Given) -> Answer:
    """End a function, or forget a version of it."""
    found = find(call, given["FunctionName"], given.get("Qualifier"), action="lambda:DeleteFunction")
    if found.qualifier == LATEST:
        raise invalid("$LATEST version cannot be deleted without deleting the function.")
    if found.qualifier is None:
        found.place.broker.delete(found.function)
        found.place.keep(Functions).forget(found.function)
        return {"StatusCode": 204}
    if found.qualifier in found.deployed.aliases:
        raise invalid("Deletion of aliases is not currently supported.")
    users = [one["Name"] for one in found.deployed.aliases.values() if one["FunctionVersion"] == found.qualifier]
    if users:
        raise LAMBDA.error(
            "ResourceConflictException",
            f"Function version {found.qualifier} is used by an alias: {', '.join(users)}",
        )
    found.deployed.versions.pop(found.qualifier, None)
    found.deployed.forget(found.qualifier)
    return {"StatusCode": 204}


@LAMBDA.operation("ListFunctions", note="50 a page")
def list_functions(call: Call, given: Given) -> Answer:
    """Functions in the order of their names, with all their versions if asked."""
    place, functions = call.place, call.place.keep(Functions)
    listed: dict[str, Answer] = {}
    for name, function in sorted(place.broker.functions.items()):
        deployed = functions.of(function, place)
        latest = shown(place, function, deployed)
        if given.get("FunctionVersion") != "ALL":
            listed[name] = in_list(latest)
            continue
        listed[f"{name}:{LATEST}"] = in_list(latest | {"FunctionArn": f"{function.arn}:{LATEST}"})
        for version, config in deployed.versions.items():
            listed[f"{name}:{version}"] = in_list(config)
    return page("Functions", listed, given, MOST_LISTED)


def in_list(config: Answer) -> Answer:
    """Lists show no states."""
    left_out = ("State", "StateReason", "StateReasonCode", "LastUpdateStatus", "RuntimeVersionConfig")
    return {name: value for name, value in config.items() if name not in left_out}
