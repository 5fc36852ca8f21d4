"""How many batches of one queue Lambda works on at a time: where it begins, how fast it grows, where it ends.

A level that moves in time: up while every place is taken and more is waiting, back to where it began while the queue is
quiet, and held in between. Errors halve it. AWS says how fast it rises and not how fast it falls, nor how far an error
takes it down: here it falls as fast as it rises, and errors within ten seconds count as one.

Source: Lambda developer guide, "Configuring scaling behavior for SQS event source mappings" (2026), "Provisioned mode".
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["INVOKES", "STANDARD", "Law", "Scaling", "provisioned"]

MINUTE = 60_000_000_000
REST = 10_000_000_000
INVOKES = 10
"""Of each provisioned poller, at a time."""


class Law(NamedTuple):
    """start, most: batches at a time; per_minute: how many more of them in a minute."""

    start: int
    most: int
    per_minute: int


STANDARD = Law(start=5, most=1_250, per_minute=300)


def provisioned(minimum: int, maximum: int) -> Law:
    """The law of so many event pollers."""
    return Law(minimum * INVOKES, maximum * INVOKES, 1_000)


class Scaling:
    """The level of one queue's mapping. `now`: nanoseconds, never going back. Every call is O(1)."""

    def __init__(self, law: Law = STANDARD) -> None:
        self.law = law
        self._level = law.start * MINUTE  # in places times nanoseconds of a minute, so that every step is exact
        self._rising = self._falling = False
        self._at = 0
        self._failed_at = -REST

    def allowed(self, now: int) -> int:
        """How many batches may be at work."""
        self._move(now)
        return max(1, self._level // MINUTE)

    def press(self, now: int) -> None:
        """Every place is taken, and more is waiting."""
        self._move(now)
        self._rising, self._falling = True, False

    def hold(self, now: int) -> None:
        """There is work, and room for it."""
        self._move(now)
        self._rising = self._falling = False

    def ease(self, now: int) -> None:
        """The queue is quiet."""
        self._move(now)
        self._rising, self._falling = False, True

    def fail(self, now: int) -> None:
        """The function failed."""
        self._move(now)
        if now - self._failed_at >= REST:
            self._failed_at = now
            self._level = max(MINUTE, self._level // 2)

    def reaches(self, now: int, places: int) -> int | None:
        """When so many are allowed if it goes on rising; None if it does not, or never gets there."""
        self._move(now)
        missing = places * MINUTE - self._level
        if missing <= 0:
            return now
        if not self._rising or places > self.law.most:
            return None
        return now - -missing // self.law.per_minute

    def _move(self, now: int) -> None:
        step, start = (now - self._at) * self.law.per_minute, self.law.start * MINUTE
        self._at = now
        if self._rising:
            self._level = min(self.law.most * MINUTE, self._level + step)
        elif self._falling and self._level > start:
            self._level = max(start, self._level - step)
        elif self._falling:
            self._level = min(start, self._level + step)
