"""The line before a guard: calls that wait for their turn, or for an instant.

Whoever is first in line goes first; a newcomer never overtakes. On real time each waiter is its own timer: it sleeps until
its turn may have come, looks, and lets in whoever is due, itself or others. On a virtual clock the clock looks. There is
no thread and no tick.

A call that is gone (cancelled, interrupted, collected with its loop) marks its visit as over before anything else. That
and the step after, taking itself out of `inside`, need no lock, so no interrupt comes between and a garbage collection
in the middle of a look does no harm; who lets a visit in looks at the mark afterwards.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Callable
from contextlib import suppress
from typing import TypeAlias

from decouple.clock import Clock
from decouple.core.breaker import Visit
from decouple.core.deadlines import FAR
from decouple.parking import TaskPark, ThreadPark

__all__ = ["Line"]


class ThreadSeat(ThreadPark):
    """A thread in line."""

    __slots__ = ("at", "granted", "visit")

    def __init__(self, what: str, visit: Visit, until: int) -> None:
        super().__init__(what, 0, 0, until)
        self.visit = visit
        self.granted = False
        self.at = FAR

    def describe(self) -> str:
        return f"thread {self._name!r} waits for {self.queue}"


class TaskSeat(TaskPark):
    """An asyncio task in line."""

    __slots__ = ("at", "granted", "visit")

    def __init__(self, what: str, visit: Visit, until: int) -> None:
        super().__init__(what, 0, 0, until)
        self.visit = visit
        self.granted = False
        self.at = FAR

    def describe(self) -> str:
        name = self._task.get_name() if self._task is not None else "?"
        return f"task {name!r} waits for {self.queue}"


Seat: TypeAlias = ThreadSeat | TaskSeat


def nobody(now: int, visit: Visit) -> bool:
    """Let in nobody: for those who only wait for an instant."""
    return False


def never(now: int, ahead: int) -> int:
    """No instant is known at which somebody is let in."""
    return FAR


class Line:
    """The waiting calls of one guard.

    what: what they wait for, in words. let_in: under the lock, whether the visit is let in now; ready_at: when whoever has
    so many ahead can be. inside: the visits that are in, where that matters.
    """

    __slots__ = (
        "__weakref__",
        "_clock",
        "_let_in",
        "_lock",
        "_ready_at",
        "_seats",
        "_woken",
        "admitted",
        "inside",
        "what",
    )

    def __init__(
        self,
        clock: Clock,
        lock: threading.Lock,
        what: str,
        let_in: Callable[[int, Visit], bool] = nobody,
        ready_at: Callable[[int, int], int] = never,
    ) -> None:
        self.what = what
        self.inside: dict[Visit, None] = {}
        self.admitted = 0
        self._clock = clock
        self._lock = lock
        self._let_in = let_in
        self._ready_at = ready_at
        self._seats: OrderedDict[Seat, None] = OrderedDict()
        self._woken: deque[Seat] = deque()
        clock.attach(self)

    def __len__(self) -> int:
        return len(self._seats)

    # -- those who come ---------------------------------------------------------------------------------------------

    def enter(self, visit: Visit) -> int | None:
        """None: it is in. Otherwise when it can be, as far as that is known."""
        try:
            with self._lock:
                now = self._clock.now()
                self._serve(now)
                if not self._seats and self._admit(now, visit):
                    return None
                return self._ready_at(now, len(self._seats))
        finally:
            self._wake()

    def wait(self, visit: Visit, until: int) -> bool:
        """Wait in this thread until it is let in, or until that instant; whether it was."""
        seat = ThreadSeat(self.what, visit, until)
        try:
            while (alarm := self._look(seat)) is not None:
                self._clock.sleep(seat, alarm)
        except BaseException:
            self._leave(seat)
            raise
        return seat.granted

    async def wait_in_task(self, visit: Visit, until: int) -> bool:
        """The same in a task."""
        seat = TaskSeat(self.what, visit, until)
        try:
            while (alarm := self._look(seat)) is not None:
                timer = self._clock.call_at(seat.loop, alarm, seat.look, seat.fail, seat.describe)
                try:
                    await seat.future
                finally:
                    timer.cancel()
        except GeneratorExit:
            raise  # collected, perhaps by a thread that holds the lock: the next to look finds the visit over
        except BaseException:
            self._leave(seat)
            raise
        return seat.granted

    def _look(self, seat: Seat) -> int | None:
        """Until when it may sleep before it looks again; None when its waiting is over."""
        seat.arm()
        try:
            with self._lock:
                now = self._clock.now()
                if not seat.done and seat not in self._seats:
                    seat.at = self._ready_at(now, len(self._seats))
                    self._seats[seat] = None
                self._serve(now)
                return self._alarm(seat, now)
        finally:
            self._wake()

    def _alarm(self, seat: Seat, now: int) -> int | None:
        if not seat.done and now >= seat.until:
            self._remove(seat)
            self._plan(now)
        if seat.done:
            return None
        if seat.at <= now:
            self._plan(now)
        return min(seat.until, seat.at)

    def _leave(self, seat: Seat) -> None:
        """Its caller is gone: those behind move up."""
        seat.visit.over = True
        with self._lock:
            if seat in self._seats:
                self._remove(seat)
                self._plan(self._clock.now())
        self._wake()

    def ready_at(self) -> int:
        """When a newcomer can be let in, as far as that is known."""
        with self._lock:
            return self._ready_at(self._clock.now(), len(self._seats))

    # -- those who let them in ----------------------------------------------------------------------------------------

    def look(self) -> None:
        """Let in whoever can be now."""
        if self._seats:
            with self._lock:
                self._serve(self._clock.now())
            self._wake()

    def next_at(self) -> int:
        """When something happens in line by itself, FAR if nothing does. For the clock, as settle()."""
        with self._lock:
            return min((min(seat.until, seat.at) for seat in self._seats), default=FAR)

    def settle(self) -> None:
        """Let in whoever can be now, and end the waits that are over."""
        with self._lock:
            now = self._clock.now()
            self._serve(now)
            for seat in [seat for seat in self._seats if seat.until <= now]:
                self._remove(seat)
                self._woken.append(seat)
            self._plan(now)
        self._wake()

    def _serve(self, now: int) -> None:
        """Under the lock: let in the first, as long as there is room, and forget those who are gone."""
        seats = self._seats
        while seats:
            seat = next(iter(seats))
            if not (seat.visit.over or seat.gone):
                if not self._admit(now, seat.visit):
                    return
                seat.granted = True
                self._woken.append(seat)
            self._remove(seat)

    def _admit(self, now: int, visit: Visit) -> bool:
        if not self._let_in(now, visit):
            return False
        self.admitted += 1
        if visit.over:
            self.inside.pop(visit, None)
        return True

    def _remove(self, seat: Seat) -> None:
        # commit
        seat.done = True
        del self._seats[seat]

    def _plan(self, now: int) -> None:
        """Under the lock: say when each may come in, as the line is now; whoever may sooner is woken to hear it."""
        for ahead, seat in enumerate(self._seats):
            at = self._ready_at(now, ahead)
            if at < seat.at:
                self._woken.append(seat)
            seat.at = at

    def _wake(self) -> None:
        """Without the lock: tell them to look. Interrupted, the next who comes by goes on."""
        while self._woken:
            try:
                seat = self._woken[0]
            except IndexError:
                return  # another thread wakes them too
            if not seat.wake() and seat.granted:
                seat.visit.over = True
                self.inside.pop(seat.visit, None)
                self.look()
            with suppress(ValueError):
                self._woken.remove(seat)
