"""The family of a message, and each change of it in words.

A message is followed through queues, where it keeps its id as a dead letter and gets a new one by a redrive, back to the
publication it is a copy of, and on to its own copies; a publication to the run of the function that had it.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from datetime import timedelta

from decouple.core.changes import Cause, Change
from decouple.core.records import EPOCH, Failure, details_of

__all__ = ["complaint", "family", "instant", "moment", "phrase", "place"]


def family(changes: Sequence[Change], id: str) -> tuple[list[Change], list[str]]:
    """What happened to the message with this id, in the order of the instants, and all ids it had. Cost: O(changes)."""
    parents: dict[str, Change] = {}
    children: dict[str, list[str]] = {}
    for change in changes:
        source = change.origin or change.during
        if source is not None and change.id is not None:
            parents.setdefault(change.id, change)
            children.setdefault(source, []).append(change.id)
        elif change.cause == "delivered" and change.id is not None and change.reason is not None:
            children.setdefault(change.id, []).append(change.reason)  # a function answers with the request's id
    before, ways = ancestors(parents, id)
    after = dict.fromkeys([id, *descendants(children, id)])
    mine = [change for change in changes if belongs(change, before, ways, after)]
    numbers = {(change.queue, change.topic, change.seq) for change in mine if change.seq is not None}
    groups = {(change.queue, group) for change in mine if (group := group_in(change))}
    mine = [
        change
        for change in changes
        if belongs(change, before, ways, after)
        or (change.cause == "duplicate" and change.record and (change.queue, change.topic, change.record[2]) in numbers)
        or (change.cause in ("group parked", "group released") and (change.queue, change.reason) in groups)
    ]
    said = {change.id or change.origin for change in mine}
    ids = [one for one in [*reversed(before), *after] if one in said]
    return in_time(mine), ids


def in_time(changes: list[Change]) -> list[Change]:
    """In the order of the instants, and a publication before its copies: its topic tells of it when these are sent."""
    places = {id(change): place for place, change in enumerate(changes)}
    copies: dict[str | None, int] = {}
    for place, change in enumerate(changes):
        copies.setdefault(change.origin, place)

    def key(change: Change) -> tuple[int, int, bool]:
        place, published = places[id(change)], change.cause == "published"
        return change.at, min(place, copies.get(change.id, place)) if published else place, not published

    return sorted(changes, key=key)


def ancestors(parents: dict[str, Change], id: str) -> tuple[list[str], set[str]]:
    """The ids it had before, latest first, and the subscriptions by which it came."""
    found: list[str] = []
    ways: set[str] = set()
    while (change := parents.get(id)) is not None and (source := change.origin or change.during) not in (None, *found):
        found.append(id := str(source))
        ways |= {change.subscription} if change.subscription else set()
    return found, ways


def descendants(children: dict[str, list[str]], id: str) -> list[str]:
    """The ids of what became of it."""
    found, seen = [id], {id}
    for one in found:
        new = [child for child in dict.fromkeys(children.get(one, ())) if child not in seen]
        found += new
        seen.update(new)
    return found[1:]


def belongs(change: Change, before: list[str], ways: set[str], after: Container[str]) -> bool:
    """Whether it is of the family; of a publication it came from, only what led to it."""
    if change.id is None:
        return change.origin is not None and change.origin in after
    if change.id in before:
        return change.subscription is None or change.subscription in ways
    return change.id in after


def group_in(change: Change) -> str | None:
    return None if change.record is None else details_of(change.record).group


# -- in words ----------------------------------------------------------------------------------------------------------


def instant(at: int) -> str:
    """An instant as text, UTC, to the millisecond."""
    return (EPOCH + timedelta(microseconds=at // 1_000)).isoformat(sep=" ", timespec="milliseconds")[:23]


def moment(at: int) -> str:
    """The same without the day."""
    return instant(at)[11:]


def place(change: Change) -> str:
    """Where it happened."""
    if change.queue:
        return f"queue {change.queue}"
    if change.subscription:
        return f"topic {change.topic}, {change.subscription}"
    for kind in ("topic", "function", "schedule"):
        if (name := getattr(change, kind)) is not None:
            return f"{kind} {name}"
    return ""


def complaint(change: Change) -> Failure | None:
    """Why the handler of the receive that just ended gave the message back, if it said."""
    failure = None if change.record is None else details_of(change.record).failure
    return failure if failure is not None and failure.attempts == change.receives else None


def phrase(change: Change) -> str:
    """What happened, in words."""
    words = WORDS.get(change.cause)
    said = change.cause if words is None else words(change)
    if change.reason is None or change.cause in UNSAID:
        return said
    return f"{said}: {change.reason}"


def sent(change: Change) -> str:
    copy = "" if change.origin is None else f", a copy for the subscription of {change.subscription}"
    cause = "" if change.during is None or copy else ", by the handler of another message"
    return f"sent{copy}{cause}" + ("" if change.until is None else f", visible at {moment(change.until)}")


def received(change: Change) -> str:
    until = "" if change.until is None else f", in flight until {moment(change.until)}"
    return f"received (receive {change.receives}){until}"


def returned(change: Change) -> str:
    failure = complaint(change)
    why = "" if failure is None else f": {failure.error}: {failure.text}"
    how = "given back" if change.cause == "nacked" else "its time in flight ran out"
    return f"{how} (receive {change.receives}){why}"


def deleted(change: Change) -> str:
    if change.receipt is not None and change.receipt != change.receives:
        return f"deleted, by the receipt of receive {change.receipt}"
    return "deleted"


def moved_in(change: Change) -> str:
    renamed = "" if change.origin is None else f", as {change.id}"
    return f"came from queue {change.other!r}{renamed}"


def undelivered(change: Change) -> str:
    where = "no dead-letter queue has it" if change.other is None else f"it is in dead-letter queue {change.other!r}"
    return f"given up after {change.receives} attempts, {where}"


WORDS: dict[Cause, Callable[[Change], str]] = {
    "sent": sent,
    "received": received,
    "nacked": returned,
    "expired": returned,
    "deleted": deleted,
    "moved in": moved_in,
    "undelivered": undelivered,
    "fault": lambda change: "fault",
    "too late": lambda change: f"the receipt of receive {change.receipt} was refused: it came too late",
    "duplicate": lambda change: "sent again, and not enqueued",
    "delay ended": lambda change: "visible: its delay is over",
    "visibility changed": lambda change: f"in flight until {moment(change.until or change.at)} instead",
    "moving": lambda change: f"on its way to queue {change.other!r}",
    "moved": lambda change: f"gone to queue {change.other!r}",
    "refused": lambda change: f"queue {change.other!r} did not take it",
    "given back": lambda change: "back, as if not received: the receive was interrupted",
    "retained out": lambda change: "gone: older than the queue's retention",
    "purged": lambda change: "gone: purged",
    "rejected": lambda change: "gone: rejected, and there is no dead-letter queue",
    "delivered": lambda change: f"delivered, at attempt {change.receives}",
    "delivery failed": lambda change: (
        f"attempt {change.receives} failed, the next at {moment(change.until or change.at)}"
    ),
}
UNSAID: frozenset[Cause] = frozenset({"delivered"})
"""Whose reason is not for readers: the answer of the target."""
