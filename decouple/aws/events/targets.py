"""Targets of rules: queues, topics, functions and other buses, and what each is given of an event."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from decouple.aws.errands import TARGETS, has_form_of_arn, is_json, service_of
from decouple.aws.events import EVENTS
from decouple.aws.events.inputs import placeholders, read_path
from decouple.aws.events.naming import rule_of
from decouple.aws.paging import page_by_name

if TYPE_CHECKING:
    from decouple.aws.errors import ServiceError
    from decouple.aws.service import Answer, Given
    from decouple.aws.world import Call

__all__: list[str] = []  # the table of operations has them

MOST = 5
INPUTS = ("Input", "InputPath", "InputTransformer")


@EVENTS.operation(
    "PutTargets",
    note="queues, topics, functions and buses; RetryPolicy is kept: what fails here would fail again, so it goes to the "
    "dead-letter queue at once",
)
def put_targets(call: Call, given: Given) -> Answer:
    targets: list[dict[str, Any]] = given["Targets"]
    for target in targets:
        check(target)
    rule = rule_of(call, given, given["Rule"])
    if len(rule.targets.keys() | {target["Id"] for target in targets}) > MOST:
        raise EVENTS.error("LimitExceededException", "The requested resource exceeds the maximum number allowed.")
    for target in targets:
        rule.targets[target["Id"]] = dict(target)
    return {"FailedEntryCount": 0, "FailedEntries": []}


def check(target: Mapping[str, Any]) -> None:
    """Raises ServiceError for a target that no event could be handed to."""
    identity, arn = target["Id"], target["Arn"]
    if not has_form_of_arn(arn):
        raise invalid(f"Parameter {arn} is not valid. Reason: Provided Arn is not in correct format.")
    if service_of(arn) not in (*TARGETS, "events"):
        text = (
            f"Targets of {service_of(arn)!r} are not part of decouple: queues, topics, functions and event buses are "
            f"(target {identity})"
        )
        raise EVENTS.error("NotImplemented", text)
    if service_of(arn) == "sqs" and arn.endswith(".fifo") and not target.get("SqsParameters"):
        raise invalid(f"Parameter(s) SqsParameters must be specified for target: {identity}.")
    if sum(target.get(name) is not None for name in INPUTS) > 1:
        raise invalid(f"Only one of Input, InputPath, or InputTransformer must be provided for target {identity}.")
    check_input(target, identity)


def check_input(target: Mapping[str, Any], identity: str) -> None:
    constant, path, transformer = (target.get(name) for name in INPUTS)
    if constant is not None and not is_json(constant):
        raise invalid(f"JSON syntax error in input for target {identity}.")
    if path is not None and read_path(path) is None:
        raise invalid(f"InputPath for target {identity} is invalid.")
    if transformer is None:
        return
    paths: Mapping[str, str] = transformer.get("InputPathsMap") or {}
    for name, one in paths.items():
        if read_path(one) is None:
            raise invalid(f"InputPathsMap for target {identity} is invalid: {name}.")
    unknown = {
        name for name in placeholders(transformer["InputTemplate"]) if not name.startswith("aws.")
    } - paths.keys()
    if unknown:
        raise invalid(f"InputTemplate for target {identity} contains invalid placeholder {min(unknown)}.")


def invalid(text: str) -> ServiceError:
    return EVENTS.error("ValidationException", text)


@EVENTS.operation("RemoveTargets")
def remove_targets(call: Call, given: Given) -> Answer:
    rule = rule_of(call, given, given["Rule"])
    failed = [
        {
            "TargetId": identity,
            "ErrorCode": "ResourceNotFoundException",
            "ErrorMessage": f"Rule {rule.name} does not have a target with the Id {identity}.",
        }
        for identity in given["Ids"]
        if rule.targets.pop(identity, None) is None
    ]
    return {"FailedEntryCount": len(failed), "FailedEntries": failed}


@EVENTS.operation("ListTargetsByRule")
def list_targets_by_rule(call: Call, given: Given) -> Answer:
    rule = rule_of(call, given, given["Rule"])
    some = page_by_name(EVENTS, dict(rule.targets), limit=given.get("Limit"), token=given.get("NextToken"))
    return {"Targets": [dict(target) for target in some.items], **some.more}
