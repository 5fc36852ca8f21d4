"""Ledger: an observer that keeps what happened to every message, and proves from the records alone that none was lost."""

from __future__ import annotations

from collections import Counter
from typing import Literal, TypeAlias

from decouple.core.changes import Cause, Change
from decouple.errors import LawBroken
from decouple.stories.recorder import Recorder

__all__ = ["Ledger", "State", "Steps"]

State: TypeAlias = Literal["visible", "in flight", "delayed", "moving", "gone"]
Place: TypeAlias = tuple[str, str, int | None]
"""A message in a queue: a message may come back under its id, as another seq."""

STATES: tuple[State, ...] = ("visible", "in flight", "delayed", "moving", "gone")
# What a message may be before a change, and what it is after it. "sent" and "moved in" make it.
STEPS: dict[Cause, tuple[tuple[State, ...], State]] = {
    "delay ended": (("delayed",), "visible"),
    "delay changed": (("visible", "delayed"), "delayed"),
    "received": (("visible",), "in flight"),
    "given back": (("in flight",), "visible"),
    "visibility changed": (("in flight", "visible"), "in flight"),
    "nacked": (("in flight",), "visible"),
    "expired": (("in flight",), "visible"),
    "moving": (("in flight", "visible"), "moving"),
    "refused": (("moving",), "in flight"),
    "moved": (("moving",), "gone"),
    "rejected": (("in flight", "visible"), "gone"),
    "deleted": (("in flight", "visible"), "gone"),
    "retained out": (("in flight", "visible", "delayed"), "gone"),
    "purged": (("in flight", "visible", "delayed"), "gone"),
}


class Steps:
    """What state each message is in by the changes so far. whole: nothing happened before them."""

    def __init__(self, *, whole: bool = True) -> None:
        self.states: dict[Place, State] = {}
        self.whole = whole

    def take(self, change: Change) -> str | None:
        """Go on by one change; in words, what is wrong with it."""
        if change.id is None or not change.queue:
            return None
        place = (change.queue, change.id, change.seq)
        before = self.states.get(place)
        if change.cause in ("sent", "moved in") or change.injects:
            allowed, after = before is None, after_arrival(change)
        elif change.cause in STEPS:
            froms, after = STEPS[change.cause]
            allowed = before in froms or (before is None and not self.whole)
        else:
            return None
        if change.cause == "refused" and change.until is not None and change.until <= change.at:
            after = "visible"
        self.states[place] = after
        if allowed:
            return None
        return f"message {change.id} in queue {change.queue!r} was {before or 'unknown'} when it was {change.cause}"

    def counts(self) -> dict[State, int]:
        """How many messages are in which state."""
        counted = Counter(self.states.values())
        return {state: counted[state] for state in STATES}


class Ledger(Recorder):
    """Give it to `Broker(observers=[ledger])`. Thread-safe. Cost: one list entry a change; for tests, not for months.

    history(id): the changes of one message, over all queues; counts: how many of each cause; check(): every
    message went step by step from one state to the next, and none twice; recording(): all of it as a Recording, that
    explains and compares.
    """

    changes: list[Change]  # pyright: ignore[reportIncompatibleVariableOverride]  # nothing is dropped

    def __init__(self) -> None:
        super().__init__()

    def check(self) -> dict[State, int]:
        """How many messages are in which state by the records; LawBroken where the records contradict themselves."""
        return balance(list(self.changes))


def balance(changes: list[Change]) -> dict[State, int]:
    """See Ledger.check."""
    steps = Steps()
    for change in changes:
        if (wrong := steps.take(change)) is not None:
            raise LawBroken(wrong, numbers={"changes": len(changes)}, id=change.id)
    return steps.counts()


def after_arrival(change: Change) -> State:
    return "delayed" if change.until is not None else "visible"
