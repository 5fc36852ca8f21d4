"""The clock of a simulation: what happens next on it, and to whom. Its loop (loop.py) lets the time pass."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable
from datetime import datetime
from functools import partial
from heapq import heapify, heappop, heappush, heapreplace
from operator import attrgetter
from typing import NoReturn

from decouple.clock import NEW_YEAR, Calm, Timed, VirtualClock, Waiter
from decouple.core.deadlines import FAR
from decouple.errors import BlockingCall

__all__ = ["SimulatedClock", "Wait"]

STALE = 100


class Wait:
    """A task that waits on the clock, for the list of who waits for what. Whoever ends the wait wakes the task."""

    __slots__ = ("_waits", "who")

    def __init__(self, waits: dict[Wait, None], who: Callable[[], str]) -> None:
        self._waits = waits
        self.who = who
        waits[self] = None

    def cancel(self) -> None:
        """It is over."""
        self._waits.pop(self, None)


class Reader:
    """Whoever reads the time before each change; `calm_until`: nothing happens to it before, unless it has read since."""

    __slots__ = ("calm_until", "number", "timed")

    def __init__(self, timed: weakref.ref[Calm], number: int) -> None:
        self.timed = timed
        self.number = number
        self.calm_until = FAR


class SimulatedClock(VirtualClock):
    """The time of a simulation: its loop lets it pass, and nobody else.

    What happens next is not asked of every queue each time, because there may be thousands: only of those that read the
    time since, and of the others when their calm is over.
    """

    def __init__(self, start: datetime = NEW_YEAR) -> None:
        super().__init__(start)
        self.waits: dict[Wait, None] = {}
        self._readers: dict[int, Reader] = {}  # by number
        self._others: dict[int, weakref.ref[Timed]] = {}  # by number
        self._have_read: dict[Reader, None] = {}
        self._calm: list[tuple[int, int]] = []  # a heap of when a reader's calm ends, with its number; some are stale
        # In C, and without counting: it is read several times for each message, and signs of life are for threads.
        self.now = partial(attrgetter("_now"), self)  # type: ignore[method-assign]

    def advance(self, seconds: object) -> NoReturn:
        """Refused."""
        raise RuntimeError(
            "time passes by itself in a simulation: await asyncio.sleep(seconds), or step it from outside"
        )

    def advance_to_next(self) -> NoReturn:
        """Refused."""
        self.advance(0)

    def sleep(self, waiter: Waiter, until: int) -> NoReturn:
        """Refused: there is one thread, and all others would wait for this one."""
        raise BlockingCall(waiter.describe(), "await it with .aio in an async def, or take what is there without wait=")

    def call_at(
        self,
        loop: asyncio.AbstractEventLoop,
        until: int,
        wake: Callable[[], object],
        fail: Callable[[Exception], None],
        who: Callable[[], str],
    ) -> Wait:
        return Wait(self.waits, who)

    def attach(self, timed: Timed) -> None:
        super().attach(timed)
        if not hasattr(timed, "calm_until"):
            number, others = self._count, self._others
            others[number] = weakref.ref(timed, lambda _: others.pop(number, None))

    def now_for(self, timed: Calm) -> Callable[[], int]:
        self._count += 1
        number, readers, have_read = self._count, self._readers, self._have_read
        readers[number] = reader = Reader(weakref.ref(timed, lambda _: readers.pop(number, None)), number)

        def now() -> int:
            have_read[reader] = None
            return self._now

        return now

    def _soonest(self, by: int = FAR - 1) -> tuple[int, Timed | None]:
        """What happens next, and to whom, if it is by that instant; of two at the same, who was made first."""
        if self._have_read:
            self._look_again()
        best, first = FAR, 0
        whose: Timed | None = None
        calm, readers = self._calm, self._readers
        while calm and calm[0][0] <= by and whose is None:
            at, number = calm[0]
            reader = readers.get(number)
            timed = reader.timed() if reader is not None and reader.calm_until == at else None
            if reader is None or timed is None:
                heappop(calm)
            elif (until := timed.next_at()) > at:
                reader.calm_until = until
                heapreplace(calm, (until, number))
            else:
                best, first, whose = at, number, timed
        for number, reference in list(self._others.items()):
            other = reference()
            if other is not None and (other.next_at(), number) < (best, first):
                best, first, whose = other.next_at(), number, other
        return best, whose

    def _look_again(self) -> None:
        """Ask those who read the time until when they are calm now."""
        for reader in self._have_read:
            timed = reader.timed()
            if timed is not None and (until := timed.calm_until()) < reader.calm_until:
                reader.calm_until = until
                heappush(self._calm, (until, reader.number))
        self._have_read.clear()
        if len(self._calm) > STALE + 2 * len(self._readers):
            self._calm = [(reader.calm_until, number) for number, reader in self._readers.items()]
            heapify(self._calm)
