"""A queue's policy: setting it, the statements that grant and revoke, and asking it.

The policy says who may do what, as in AWS (core/policy.py). Each refusal is an AccessDenied and a `denied` change.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from decouple.core.changes import Cause, Change
from decouple.core.patterns import as_list
from decouple.core.policy import Decision, Policy, Request, decide, read_policy
from decouple.core.principals import Principal, is_service, principal_arn
from decouple.core.settings import SECOND
from decouple.errors import AccessDenied, InvalidPolicy

if TYPE_CHECKING:
    from decouple.core.patterns import Context
    from decouple.queue import Queue

__all__ = ["access", "check_access", "grant", "revoke", "set_policy"]

ACTIONS = (
    "SendMessage",
    "ReceiveMessage",
    "DeleteMessage",
    "ChangeMessageVisibility",
    "GetQueueAttributes",
    "GetQueueUrl",
    "PurgeQueue",
    "ListDeadLetterSourceQueues",
)
"""What can be granted. The batch forms need the permission of the single one."""
OWNER_ONLY = frozenset(
    {
        "AddPermission",
        "RemovePermission",
        "CreateQueue",
        "DeleteQueue",
        "ListQueues",
        "ListQueueTags",
        "SetQueueAttributes",
        "TagQueue",
        "UntagQueue",
        "StartMessageMoveTask",
        "CancelMessageMoveTask",
        "ListMessageMoveTasks",
    }
)
"""What no policy can give to another account."""
LABEL = re.compile(r"[A-Za-z0-9_-]{1,80}", re.ASCII)


# -- the policy of a queue -------------------------------------------------------------------------------------------


def set_policy(queue: Queue[Any], given: Mapping[str, Any] | str | None) -> None:
    """See Queue.policy."""
    policy = None if given is None or given == "" else read_policy(given, resource=queue.arn, service="sqs")
    change_policy(queue, lambda _: policy)


def change_policy(queue: Queue[Any], change: Callable[[Policy | None], Policy | None]) -> None:
    """Put in the place of the queue's policy what `change` makes of it, in one step."""
    core = queue._core
    try:
        with queue._lock:
            policy = change(queue._policy)
            changes = noted(queue, "configured", settings={"policy": None if policy is None else policy.document()})
            # commit
            queue._policy = policy
            core.log += changes
    finally:
        queue._follow_up()
    queue._keep()


def noted(queue: Queue[Any], cause: Cause, **more: Any) -> tuple[Change, ...]:
    """A change of the queue itself, to be added to its log; nothing when nobody listens. The lock is held."""
    core = queue._core
    return (Change(cause, queue.name, queue._now() + core.epoch, **more),) if core.listening else ()


def grant(queue: Queue[Any], label: str, principals: str | Iterable[str], actions: str | Iterable[str]) -> None:
    """See Queue.grant."""
    if not isinstance(label, str) or not LABEL.fullmatch(label):
        raise ValueError(f"label must be 1 to 80 letters, digits, '-' and '_', not {label!r:.100}")
    statement = {
        "Sid": label,
        "Effect": "Allow",
        "Principal": principal_element(listed("principals", principals)),
        "Action": one_or_list([f"SQS:{action_named(action)}" for action in listed("actions", actions)]),
        "Resource": queue.arn,
    }

    def change(policy: Policy | None) -> Policy:
        if policy is not None and any(one.sid == label for one in policy.statements):
            raise InvalidPolicy(queue.arn, statement=f"statement {label!r}", why="it is there already: revoke it first")
        document: dict[str, Any] = {"Version": "2008-10-17", "Id": f"{queue.arn}/SQSDefaultPolicy", "Statement": []}
        if policy is not None:
            document = policy.document()
        document["Statement"] = [*as_list(document["Statement"]), statement]
        return read_policy(document, resource=queue.arn, service="sqs")

    change_policy(queue, change)


def revoke(queue: Queue[Any], label: str) -> None:
    """See Queue.revoke."""

    def change(policy: Policy | None) -> Policy | None:
        sids = [] if policy is None else [one.sid for one in policy.statements if one.sid is not None]
        if policy is None or label not in sids:
            there = f"the labels are {', '.join(map(repr, sids))}" if sids else "no statement has a label"
            raise InvalidPolicy(queue.arn, statement=f"statement {label!r}", why=f"there is none: {there}")
        document = policy.document()
        document["Statement"] = [one for one in as_list(document["Statement"]) if one.get("Sid") != label]
        if not document["Statement"]:
            return None
        return read_policy(document, resource=queue.arn, service="sqs")

    change_policy(queue, change)


def listed(what: str, given: str | Iterable[str]) -> list[str]:
    many: Any = [given] if isinstance(given, str) else given
    found: list[Any] = list(many) if isinstance(many, Iterable) else []  # pyright: ignore[reportUnknownArgumentType]
    if not found or not all(isinstance(text, str) for text in found):
        raise TypeError(f"{what} must be text or several texts, not {given!r:.80}")
    return found


def one_or_list(texts: list[str]) -> str | list[str]:
    return texts[0] if len(texts) == 1 else texts


def principal_element(principals: list[str]) -> dict[str, Any]:
    """A Principal element as AddPermission writes it: account ids as their roots."""
    kinds: dict[str, list[str]] = {}
    for text in principals:
        if is_service(text):
            kinds.setdefault("Service", []).append(text)
        else:
            kinds.setdefault("AWS", []).append("*" if text == "*" else principal_arn(text))
    return {kind: one_or_list(texts) for kind, texts in kinds.items()}


def action_named(given: str) -> str:
    """The action as AWS spells it; `sqs:` before it and its case do not matter."""
    prefix, colon, rest = given.rpartition(":")
    wanted = rest.lower()
    for action in ("*", *ACTIONS):
        if wanted == action.lower() and (not colon or prefix.lower() == "sqs"):
            return action
    raise ValueError(
        f"{given!r:.80} cannot be granted: there are '*', {', '.join(ACTIONS)}; the rest is the owner's alone"
    )


# -- asking it -------------------------------------------------------------------------------------------------------


def access(queue: Queue[Any], who: Principal, operation: str, context: Context) -> Decision:
    """Whether the principal may do an SQS operation, and why. Cost: O(statements)."""
    now = queue.clock.now()
    facts = {
        "aws:currenttime": (queue._shown(now).isoformat().replace("+00:00", "Z"),),
        "aws:epochtime": (str((queue.clock.epoch + now) // SECOND),),
        "aws:securetransport": ("true",),  # what leaves no process is not overheard
        "aws:requestedregion": (queue._region,),
        "aws:resourceaccount": (queue._account,),
        **who.facts,
        **context,
    }
    request = Request(who, f"sqs:{operation.removesuffix('Batch')}", queue.arn, facts)
    return decide(queue._policy, request, owner=queue._account, owner_only=OWNER_ONLY)


def check_access(queue: Queue[Any], who: Principal, operation: str, context: Context) -> None:
    """Raises AccessDenied, with a `denied` change, where the principal may not do an SQS operation."""
    decision = access(queue, who, operation, context)
    if decision.allowed:
        return
    action = f"sqs:{operation.removesuffix('Batch')}"
    try:
        with queue._lock:
            queue._core.log += noted(queue, "denied", reason=f"{who.text} may not {action}: {decision.why}")
    finally:
        queue._follow_up()
    why = f"{decision.why}; {how_to_mend(who, operation, decision)}"
    raise AccessDenied(principal=who.text, action=action, resource=queue.arn, why=why)


def how_to_mend(who: Principal, operation: str, decision: Decision) -> str:
    if decision.by is not None:
        return "change or revoke that statement"
    if operation in OWNER_ONLY:
        return "let a principal of that account do it"
    name = "*" if not who.names else who.text
    return f"allow it with queue.grant(label, {name!r}, {operation.removesuffix('Batch')!r})"
