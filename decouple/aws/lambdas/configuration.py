"""A function's configuration as the API shows it, and what may be put into one."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil
from typing import TYPE_CHECKING, Any

from decouple.arns import arn_of
from decouple.aws.lambdas import LAMBDA
from decouple.aws.lambdas.code import check_environment
from decouple.aws.lambdas.names import LATEST, invalid
from decouple.aws.lambdas.records import part

if TYPE_CHECKING:
    from decouple.aws.errors import ServiceError
    from decouple.aws.lambdas.names import Found
    from decouple.aws.lambdas.records import Deployed
    from decouple.aws.world import Place
    from decouple.function import Function

__all__ = ["arn_of_target", "check_limits", "configuration", "dead_letter_of", "kept_config", "layers_of", "shown"]

STORED = (
    "Runtime",
    "Role",
    "Handler",
    "Description",
    "KMSKeyArn",
    "Environment",
    "EphemeralStorage",
    "SnapStart",
    "LoggingConfig",
    "TracingConfig",
    "VpcConfig",
    "FileSystemConfigs",
    "Architectures",
)
"""What is kept as it is given."""
REFUSED = {
    "CapacityProviderConfig": "Lambda Managed Instances",
    "DurableConfig": "Durable functions",
    "TenancyConfig": "Tenant isolation",
    "CodeSigningConfigArn": "Code signing",
    "ImageConfig": "Container images",
}
MOST_SECONDS, MOST_MEGABYTES, MOST_LAYERS = 900, 10_240, 5
RUNTIME_VERSION = "8eeff65f6809a3ce81507fe733fe09b835899b99481ba22fd75b5a7338290ec1"


def shown(place: Place, function: Function, deployed: Deployed) -> dict[str, Any]:
    """The configuration of $LATEST."""
    settings, config = function.settings, deployed.config
    answer: dict[str, Any] = {
        "FunctionName": function.name,
        "FunctionArn": function.arn,
        "Timeout": max(1, ceil(function.timeout)),
        "MemorySize": function.memory,
        "LastModified": deployed.last_modified,
        "RevisionId": deployed.revision,
        "Version": LATEST,
        "State": "Active",
        "LastUpdateStatus": "Successful",
        "PackageType": "Zip",
        "Architectures": ["x86_64"],
        "TracingConfig": {"Mode": "PassThrough"},
        "EphemeralStorage": {"Size": 512},
        "RuntimeVersionConfig": {
            "RuntimeVersionArn": f"arn:aws:lambda:{place.region}::runtime:{RUNTIME_VERSION}",
        },
        **config,
        "LoggingConfig": {
            "LogFormat": "Text",
            "LogGroup": f"/aws/lambda/{function.name}",
            **part(config, "LoggingConfig"),
        },
        "SnapStart": {
            "ApplyOn": part(config, "SnapStart").get("ApplyOn", "None"),
            "OptimizationStatus": "Off",
        },
    }
    if config.get("VpcConfig"):
        answer["VpcConfig"] = {"SubnetIds": [], "SecurityGroupIds": [], "VpcId": "", **config["VpcConfig"]}
    dead_letter = arn_of_target(settings["dead_letter"])
    if dead_letter:
        answer["DeadLetterConfig"] = {"TargetArn": dead_letter}
    return answer


def configuration(found: Found) -> dict[str, Any]:
    """The configuration of what was asked for: $LATEST, a version or the version of an alias. Raises ServiceError."""
    version = found.version
    if version == LATEST:
        answer = shown(found.place, found.function, found.deployed)
        return answer | {"FunctionArn": found.arn}
    return found.deployed.versions[version] | {"FunctionArn": found.arn}


def arn_of_target(target: Any) -> str | None:
    """The ARN of a queue, topic or function that the engine has as a destination; None for a callable."""
    arn = getattr(target, "arn", None)
    return arn if isinstance(arn, str) else None


def kept_config(given: Mapping[str, Any], layers: list[dict[str, Any]] | None) -> dict[str, Any]:
    """Of a request what is kept as it is given. Raises ServiceError for what is not to be had here."""
    for name, what in REFUSED.items():
        if given.get(name):
            raise invalid(f"{what} ({name}) are not to be had here: leave it out")
    check_environment(given)
    kept = {name: given[name] for name in STORED if given.get(name) is not None}
    if layers is not None:
        kept["Layers"] = layers
    return kept


def layers_of(given: Mapping[str, Any], registered: bool) -> list[dict[str, Any]] | None:
    """Layers as configurations show them: of registered callables, whose imports are this program's own."""
    arns: list[str] | None = given.get("Layers")
    if arns and not registered:
        raise invalid("Layers are not to be had here: put what is in them into the zip")
    if arns and len(arns) > MOST_LAYERS:
        raise invalid(f"Cannot reference more than {MOST_LAYERS} layers.")
    return None if arns is None else [{"Arn": arn, "CodeSize": 0} for arn in arns]


def check_limits(given: Mapping[str, Any]) -> None:
    """Timeout and memory, whose ranges in the model are those of managed instances. Raises ServiceError."""
    for name, least, most in (("Timeout", 1, MOST_SECONDS), ("MemorySize", 128, MOST_MEGABYTES)):
        value = given.get(name)
        if value is not None and not least <= value <= most:
            edge = f"less than or equal to {most}" if value > most else f"greater than or equal to {least}"
            raise out_of_range(name[:1].lower() + name[1:], value, f"Member must have value {edge}")


def out_of_range(name: str, value: object, rule: str) -> ServiceError:
    return LAMBDA.error(
        "ValidationException",
        f"1 validation error detected: Value '{value}' at '{name}' failed to satisfy constraint: {rule}",
    )


def dead_letter_of(place: Place, given: Mapping[str, Any]) -> Any:
    """The queue or topic of a DeadLetterConfig, None for none. Raises ServiceError."""
    arn: str = part(given, "DeadLetterConfig").get("TargetArn") or ""
    if not arn:
        return None
    service, name = [*arn.split(":", 5), "", "", ""][2], arn.rpartition(":")[2]
    if service not in ("sqs", "sns"):
        raise invalid(f"The dead-letter target {arn} is neither a queue of SQS nor a topic of SNS")
    broker = place.broker
    found: Any = broker.queues.get(name) if service == "sqs" else broker.topics.get(name)
    if found is None or arn != arn_of(service, name, account=place.account, region=place.region):
        raise invalid(f"The dead-letter target {arn} does not exist")
    if found.fifo:
        raise invalid(f"The dead-letter target {arn} is FIFO, and Lambda takes standard queues and topics only")
    return found
