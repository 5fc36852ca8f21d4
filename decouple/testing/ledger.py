"""Ledger: an observer that keeps what happened to every message, and proves from the records alone that none was lost."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Literal, TypeAlias

from decouple.core.changes import Cause, Change
from decouple.errors import LawBroken

__all__ = ["Ledger"]

State: TypeAlias = Literal["visible", "in flight", "delayed", "moving", "gone"]

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


class Ledger:
    """Give it to `Broker(observers=[ledger])`. Thread-safe. Cost: one list entry a change; for tests, not for months.

    history(id): the changes of one message, over all queues; counts: how many of each cause; check(): every
    message went step by step from one state to the next, and none twice.
    """

    def __init__(self) -> None:
        self.changes: list[Change] = []
        self._lock = threading.Lock()
        self._last: dict[str, Change] = {}

    def __call__(self, change: Change) -> None:
        with self._lock:
            # An interrupt may have come between telling us and noting that we were told: then it is told again.
            if self._last.get(change.queue) is not change:
                # commit
                self.changes += (change,)
                self._last[change.queue] = change

    @property
    def counts(self) -> Counter[Cause]:
        """How often each cause was recorded."""
        return Counter(change.cause for change in list(self.changes))

    def history(self, id: str) -> list[Change]:
        """What happened to the message with this id, in every queue it was in, as it was recorded."""
        return [change for change in list(self.changes) if change.id == id]

    def check(self) -> dict[State, int]:
        """How many messages are in which state by the records; LawBroken where the records contradict themselves."""
        states: dict[tuple[str, str, int | None], State] = {}
        for change in list(self.changes):
            if change.id is None or not change.queue:
                continue
            key = (change.queue, change.id, change.seq)  # a message may come back under its id, as another seq
            before = states.get(key)
            if change.cause in ("sent", "moved in"):
                allowed, after = (before is None), after_arrival(change)
            else:
                froms, after = STEPS[change.cause]
                allowed = before in froms
            if change.cause == "refused" and change.until is not None and change.until <= change.at:
                after = "visible"
            if not allowed:
                raise LawBroken(
                    f"message {change.id} in queue {change.queue!r} was {before or 'unknown'} when it was {change.cause}",
                    numbers={"changes": len(self.changes)},
                )
            states[key] = after
        counted = Counter(states.values())
        return {state: counted[state] for state in ("visible", "in flight", "delayed", "moving", "gone")}


def after_arrival(change: Change) -> State:
    return "delayed" if change.until is not None else "visible"
