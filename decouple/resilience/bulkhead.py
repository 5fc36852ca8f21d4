"""A bulkhead: so many calls at a time, so that one slow dependency does not take all threads and tasks with it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from decouple.clock import SECOND, Clock, Seconds
from decouple.core.backoff import whole_number
from decouple.core.breaker import Visit
from decouple.errors import BulkheadFull, CallRefused
from decouple.resilience.events import Watcher
from decouple.resilience.gate import Door
from decouple.resilience.guard import RAISE

__all__ = ["Bulkhead", "BulkheadStats"]


class BulkheadStats(NamedTuple):
    """inside of limit calls run now, `waiting` wait; since it was made, so many were admitted, refused and fell back."""

    limit: int
    inside: int
    waiting: int
    admitted: int
    refused: int
    fell_back: int


class Bulkhead(Door):
    """At most `limit` calls at a time, of all functions that it guards, in threads and tasks together.

    wait: for how many seconds a call waits for a place, first come, first served. fallback: what answers a call that is
    refused: a value, or a callable that takes the same arguments. Raises BulkheadFull. Cost: about 3 us a call.
    A call that calls through the same bulkhead holds two places.
    """

    kind = "bulkhead"

    def __init__(
        self,
        limit: int,
        *,
        wait: Seconds = 0,
        fallback: Any = RAISE,
        name: str | None = None,
        observers: Iterable[Watcher] = (),
        clock: Clock | None = None,
    ) -> None:
        self.limit = whole_number(limit, "limit", 1, float("inf"))
        super().__init__(name, fallback, observers, clock, wait)

    def __repr__(self) -> str:
        return f"<Bulkhead {self.name!r}: {len(self._inside)} of {self.limit} inside>"

    def stats(self) -> BulkheadStats:
        """Numbers of this moment, and since it was made."""
        line = self._line
        counted = self._count("refused"), self._count("fell back")
        return BulkheadStats(self.limit, len(self._inside), len(line), line.admitted, *counted)

    def _let_in(self, now: int, visit: Visit) -> bool:
        if len(self._inside) >= self.limit:
            return False
        self._inside[visit] = None
        return True

    def _left(self) -> None:
        self._line.look()

    def _refusal(self, ready_at: int, waited: int) -> CallRefused:
        return BulkheadFull(self.name, limit=self.limit, waited=waited / SECOND)
