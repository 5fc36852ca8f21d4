"""What asynchronous invocation does with an event that fails, and where its record goes.

What was put for the function, or for $LATEST, is the engine's retries, max_age, on_success and on_failure; what was put
for a version or an alias is stored only. A function declared natively with other values than Lambda's has a configuration.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from decouple.aws.lambdas import LAMBDA
from decouple.aws.lambdas.configuration import arn_of_target
from decouple.aws.lambdas.names import LATEST, Found, find, invalid
from decouple.aws.lambdas.pages import page
from decouple.aws.lambdas.records import part
from decouple.aws.lambdas.targets import Destination, check_destination

if TYPE_CHECKING:
    from decouple.aws.errors import ServiceError
    from decouple.aws.service import Answer, Given
    from decouple.aws.world import Call

__all__: list[str] = []

RETRIES, AGE, TARGETS = "MaximumRetryAttempts", "MaximumEventAgeInSeconds", "DestinationConfig"
DEFAULTS = {RETRIES: 2, AGE: 21_600}
MOST_LISTED = 50
NOTE = "destinations: queues, topics, functions, event buses; of versions and aliases stored only"


@LAMBDA.operation("PutFunctionEventInvokeConfig", note=NOTE)
def put_function_event_invoke_config(call: Call, given: Given) -> Answer:
    """Set it; what is not given is as by default."""
    found = find(call, given["FunctionName"], given.get("Qualifier"), action="lambda:PutFunctionEventInvokeConfig")
    return set_config(found, {}, given)


@LAMBDA.operation("UpdateFunctionEventInvokeConfig", note=NOTE)
def update_function_event_invoke_config(call: Call, given: Given) -> Answer:
    """Change what is given."""
    found = find(call, given["FunctionName"], given.get("Qualifier"), action="lambda:UpdateFunctionEventInvokeConfig")
    return set_config(found, config_of(found, key_of(found)), given)


@LAMBDA.operation("GetFunctionEventInvokeConfig", note=NOTE)
def get_function_event_invoke_config(call: Call, given: Given) -> Answer:
    """What was put, or declared."""
    found = find(call, given["FunctionName"], given.get("Qualifier"), action="lambda:GetFunctionEventInvokeConfig")
    return shown(found, key_of(found), config_of(found, key_of(found)))


@LAMBDA.operation("DeleteFunctionEventInvokeConfig", note=NOTE)
def delete_function_event_invoke_config(call: Call, given: Given) -> Answer:
    """As by default again."""
    found = find(call, given["FunctionName"], given.get("Qualifier"), action="lambda:DeleteFunctionEventInvokeConfig")
    key = key_of(found)
    config_of(found, key)
    found.deployed.invoke_configs.pop(key, None)
    if key == LATEST:
        found.function.configure(retries=2, max_age=21_600, on_success=None, on_failure=None)
    return {}


@LAMBDA.operation("ListFunctionEventInvokeConfigs", note=NOTE)
def list_function_event_invoke_configs(call: Call, given: Given) -> Answer:
    """Those of the function, its versions and aliases."""
    found = find(call, given["FunctionName"], action="lambda:ListFunctionEventInvokeConfigs")
    keys = {LATEST, *found.deployed.invoke_configs}
    configs = {key: config for key in sorted(keys) if (config := kept(found, key)) is not None}
    listed = {key: shown(found, key, config) for key, config in configs.items()}
    return page("FunctionEventInvokeConfigs", listed, given, MOST_LISTED)


def key_of(found: Found) -> str:
    """What it is for. Raises ServiceError for a version that does not exist."""
    _ = found.version
    return found.qualifier or LATEST


def set_config(found: Found, before: Mapping[str, Any], given: Given) -> Answer:
    key = key_of(found)
    config = {
        name: value for name in (RETRIES, AGE, TARGETS) if (value := given.get(name, before.get(name))) is not None
    }
    if not any(given.get(name) is not None for name in (RETRIES, AGE, TARGETS)):
        raise invalid("You must specify at least one of error handling or destination setting.")
    config[TARGETS] = targets_of(found, part(config, TARGETS))
    config["LastModified"] = found.place.now()
    if key == LATEST:
        apply(found, config)
    found.deployed.invoke_configs[key] = config
    return shown(found, key, config)


def targets_of(found: Found, given: Mapping[str, Any]) -> dict[str, Any]:
    """The destinations, those without an ARN left out. Raises ServiceError."""
    arns = {name: part(given, name).get("Destination") for name in ("OnSuccess", "OnFailure")}
    return {
        name: {"Destination": check_destination(arn, found.function.arn, successes=name == "OnSuccess")} if arn else {}
        for name, arn in arns.items()
    }


def apply(found: Found, config: Mapping[str, Any]) -> None:
    """Tell the engine. A destination that it has already stays the same object."""
    settings = found.function.settings
    targets: dict[str, Any] = {}
    for name, setting in (("OnSuccess", "on_success"), ("OnFailure", "on_failure")):
        arn = config[TARGETS][name].get("Destination")
        same = arn is not None and arn_of_target(settings[setting]) == arn
        targets[setting] = settings[setting] if same else None if arn is None else Destination(found.place, arn)
    try:
        found.function.configure(
            retries=config.get(RETRIES, DEFAULTS[RETRIES]), max_age=config.get(AGE, DEFAULTS[AGE]), **targets
        )
    except ValueError as error:
        raise invalid(str(error)) from error


def kept(found: Found, key: str) -> dict[str, Any] | None:
    """What is configured: put on the wire, or declared with other values than the defaults."""
    put = found.deployed.invoke_configs.get(key)
    if put is not None or key != LATEST:
        return put
    settings = found.function.settings
    arns = {"OnSuccess": arn_of_target(settings["on_success"]), "OnFailure": arn_of_target(settings["on_failure"])}
    if (settings["retries"], settings["max_age"]) == (2, 21_600) and not any(arns.values()):
        return None
    return {
        RETRIES: settings["retries"],
        AGE: round(settings["max_age"]),
        TARGETS: {name: {"Destination": arn} if arn else {} for name, arn in arns.items()},
        "LastModified": found.deployed.modified,
    }


def config_of(found: Found, key: str) -> dict[str, Any]:
    config = kept(found, key)
    if config is None:
        raise none_there(f"{found.function.arn}:{key}")
    return config


def none_there(arn: str) -> ServiceError:
    return LAMBDA.error("ResourceNotFoundException", f"The function {arn} doesn't have an EventInvokeConfig")


def shown(found: Found, key: str, config: Mapping[str, Any]) -> Answer:
    return {
        **config,
        "FunctionArn": f"{found.function.arn}:{key}",
        "LastModified": datetime.fromtimestamp(config["LastModified"], UTC),
    }
