"""AddPermission and RemovePermission: statements of a queue's policy by their labels."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from decouple.aws.sqs import SQS
from decouple.aws.sqs.kept import kept_of
from decouple.aws.sqs.urls import find_queue, place_of
from decouple.core.patterns import as_list
from decouple.errors import InvalidPolicy

if TYPE_CHECKING:
    from decouple.aws.service import Answer, Given
    from decouple.aws.world import Call
    from decouple.queue import Queue

__all__ = ["add_permission", "remove_permission"]

LABEL = re.compile(r"[A-Za-z0-9_-]{1,80}", re.ASCII)
ACCOUNT = re.compile(r"[0-9]{12}", re.ASCII)
MOST_ACTIONS = 7


@SQS.operation("AddPermission")
def add_permission(call: Call, given: Given) -> Answer:
    """The actions are those of the single forms, which stand for the batches too."""
    queue = find_queue(call, given["QueueUrl"], "AddPermission")
    label, accounts, actions = given["Label"], given["AWSAccountIds"], given["Actions"]
    if not LABEL.fullmatch(label):
        reason = "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length"
        raise SQS.wrong_value(label, "Label", reason)
    for parameter in ("AWSAccountIds", "Actions"):
        if not given[parameter]:
            raise SQS.missing(parameter)
    if len(actions) > MOST_ACTIONS:
        raise SQS.error("OverLimit", f"{len(actions)} Actions were found, maximum allowed is {MOST_ACTIONS}.")
    for account in accounts:
        if not ACCOUNT.fullmatch(account):
            raise SQS.wrong_value(f"[{account}]", "PrincipalId", "Unable to verify.")
    if label in labels_of(queue):
        raise SQS.wrong_value(label, "Label", "Already exists.")
    grant(queue, label, accounts, actions)
    changed(queue, call)
    return {}


def grant(queue: Queue[Any], label: str, accounts: list[str], actions: list[str]) -> None:
    try:
        queue.grant(label, accounts, actions)
    except InvalidPolicy as error:  # over a quota: its label is new
        raise SQS.error("OverLimit", str(error)) from error
    except ValueError as error:
        reason = "Please refer to the appropriate WSDL for a list of valid actions."
        raise SQS.wrong_value(", ".join(f"SQS:{action}" for action in actions), "ActionName", reason) from error


def labels_of(queue: Queue[Any]) -> list[Any]:
    return [statement.get("Sid") for statement in as_list((queue.policy or {"Statement": []})["Statement"])]


@SQS.operation("RemovePermission")
def remove_permission(call: Call, given: Given) -> Answer:
    """With the last statement goes the policy."""
    queue = find_queue(call, given["QueueUrl"], "RemovePermission")
    try:
        queue.revoke(given["Label"])
    except InvalidPolicy as error:
        raise SQS.wrong_value(given["Label"], "Label", "can't find label.") from error
    changed(queue, call)
    return {}


def changed(queue: Queue[Any], call: Call) -> None:
    place = place_of(queue, call.world)
    kept_of(queue, place).modified = place.now()
