"""Time as something you hold: real, or moved by hand.

Inside, an instant is one integer: nanoseconds on the clock's own monotone scale, so sums are exact and NTP steps
move no deadline. `epoch` says where that scale's zero lies in nanoseconds since 1970; it is fixed when the clock is
made. Users give durations in seconds and are shown aware UTC datetimes.

A clock is also what waits: only it knows whether waiting means sleeping (SystemClock) or moving time (VirtualClock).
Nobody else in this library sleeps, and nothing here ticks. It also answers who does what there is to do: threads (real
time), whoever moves it (a VirtualClock), or the loop of a simulation.

One value is ambient: inside simulate() what is made without a clock takes the simulation's.
"""

from __future__ import annotations

import math
import os
import threading
import time
import weakref
from collections.abc import Callable
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias

from decouple.core.deadlines import FAR
from decouple.core.records import EPOCH
from decouple.errors import BlockingCall, ClockStuck
from decouple.leap import Leap

if TYPE_CHECKING:
    import asyncio
    from random import Random

    from decouple.core.changes import Change

__all__ = [
    "AMBIENCE",
    "Ambience",
    "Clock",
    "Seconds",
    "SystemClock",
    "Timed",
    "VirtualClock",
    "Waiter",
    "default_clock",
    "nanoseconds",
    "random_bytes",
    "seed_or_ambient",
]

Seconds: TypeAlias = int | float | timedelta

SECOND = 1_000_000_000
STUCK_AFTER = 5.0
TOO_LONG = 2**30
"""34 years in seconds, more than any wait; so instants stay far below FAR."""
NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)


def nanoseconds(value: Seconds, name: str, *, least: float = 0, most: float = math.inf) -> int:
    """A duration in seconds as whole nanoseconds; `name` is the argument's, for the error. Raises ValueError, TypeError."""
    if isinstance(value, timedelta):
        nanos = (value.days * 86_400 + value.seconds) * SECOND + value.microseconds * 1_000
    elif isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name} must be seconds as int, float or timedelta, not {value!r}")
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{name} must be a finite number of seconds, not {value!r}")
    elif not -TOO_LONG < value < TOO_LONG:
        raise ValueError(f"{name} must be under {min(most, TOO_LONG):,} seconds, not {value!r:.40}")
    else:
        nanos = value * SECOND if isinstance(value, int) else round(value * SECOND)
    if not least * SECOND <= nanos <= most * SECOND:
        bounds = f"at least {least:,g}" if math.isinf(most) else f"from {least:,g} to {most:,g}"
        raise ValueError(f"{name} must be {bounds} seconds, not {value!r}")
    return nanos


class Timer(Protocol):
    """What `call_at` started, to be cancelled."""

    def cancel(self) -> None: ...


class Waiter(Protocol):
    """A parked thread, as far as a clock needs to know it."""

    @property
    def done(self) -> bool: ...

    def block(self, seconds: float) -> bool: ...

    def describe(self) -> str: ...


class Timed(Protocol):
    """Something on a virtual clock to which things happen by themselves."""

    def next_at(self) -> int: ...

    def settle(self) -> None: ...


class Clock(Protocol):
    """What a queue asks of time. `now` is read once per operation."""

    epoch: int

    @property
    def loop(self) -> asyncio.AbstractEventLoop | None:
        """The loop of a simulation, whose tasks do all there is to do; None elsewhere."""
        ...

    @property
    def by_hand(self) -> bool:
        """Whether time stands still until somebody moves it, who then does what is due: nobody else works or looks."""
        ...

    @property
    def threaded(self) -> bool:
        """Whether threads may work, wait and look: only on real time."""
        ...

    def now(self) -> int:
        """The present instant."""
        ...

    def attach(self, timed: Timed) -> None:
        """Let the clock settle `timed` when it is moved, as long as `timed` lives."""
        ...

    def sleep(self, waiter: Waiter, until: int) -> None:
        """Block this thread until the waiter is woken or that instant has come (it may return earlier)."""
        ...

    def call_at(
        self,
        loop: asyncio.AbstractEventLoop,
        until: int,
        wake: Callable[[], object],
        fail: Callable[[Exception], None],
        who: Callable[[], str],
    ) -> Timer:
        """Call `wake` on the loop at that instant, or `fail` with the reason why it will not come."""
        ...


class SystemClock:
    """Real time: the monotonic clock, anchored to the wall clock when made."""

    __slots__ = ("epoch",)

    loop = None
    by_hand = False
    threaded = True

    # The builtin itself, not a method around it: read on every send and receive (a method costs 60 ns more).
    now = staticmethod(time.monotonic_ns)

    def __init__(self) -> None:
        self.epoch = time.time_ns() - time.monotonic_ns()

    def __repr__(self) -> str:
        return f"SystemClock({shown(self, self.now())})"

    def attach(self, timed: Timed) -> None:
        """Nothing to do: nobody moves real time, and a waiting thread or task is its own timer."""

    def sleep(self, waiter: Waiter, until: int) -> None:
        refuse_real_time(waiter.describe)
        seconds = (until - self.now()) / SECOND
        if seconds > 0:
            waiter.block(min(seconds, threading.TIMEOUT_MAX))

    def call_at(
        self,
        loop: asyncio.AbstractEventLoop,
        until: int,
        wake: Callable[[], object],
        fail: Callable[[Exception], None],
        who: Callable[[], str],
    ) -> Timer:
        refuse_real_time(who)
        return loop.call_later(max(0.0, min((until - self.now()) / SECOND, 86_400.0)), wake)


class VirtualClock:
    """Time that stands still until it is moved: by `advance`, or by a wait in the thread that made it.

    A synchronous wait in the clock's own thread jumps: what is due happens in order of time, until a message comes or
    the wait is over. A wait in the midst of due work (a handler that waits, `def` or `async def`) jumps too: what is due
    meanwhile happens, except to whatever runs that work, and time may end up later than it was to be moved. Waits of
    other threads and of tasks end by a message, by `advance` or by close; when nothing has happened on the clock for
    5 real seconds meanwhile, they raise ClockStuck. Due work runs in the thread that moves the clock.

    >>> clock = VirtualClock()
    >>> clock.advance(0.1)
    >>> clock.time
    datetime.datetime(2026, 1, 1, 0, 0, 0, 100000, tzinfo=datetime.timezone.utc)
    """

    loop: asyncio.AbstractEventLoop | None = None
    threaded = False

    def __init__(self, start: datetime = NEW_YEAR) -> None:
        if not isinstance(start, datetime):
            raise TypeError(f"start must be an aware datetime, not {start!r}")
        if start.tzinfo is None:
            raise ValueError(f"start must be an aware datetime, not the naive {start!r}: give it tzinfo=timezone.utc")
        self.epoch = (start - EPOCH) // timedelta(microseconds=1) * 1_000
        self._now = 0
        self._reads = 0
        self._owner = threading.get_ident()
        self._mover: int | None = None
        self._moving = threading.Lock()
        self._lock = threading.Lock()
        self._attached: dict[int, weakref.ref[Timed]] = {}
        self._count = 0
        self._settling: tuple[Timed, ...] = ()

    def __repr__(self) -> str:
        return f"VirtualClock({shown(self, self._now)})"

    @property
    def time(self) -> datetime:
        """The present instant as an aware UTC datetime, to the microsecond."""
        return datetime_at(self, self._now)

    @property
    def by_hand(self) -> bool:
        """Whether nothing happens until somebody moves it: but in a simulation, where its loop does."""
        return self.loop is None

    @property
    def moving(self) -> bool:
        """Whether somebody is moving it: then what falls due is being done, perhaps by the caller."""
        return self._mover is not None

    def now(self) -> int:
        """The present instant: nanoseconds since the clock's start."""
        self._reads += 1  # a sign of life for those who wait: whoever uses the clock reads it
        return self._now

    @property
    def due(self) -> bool:
        """Whether something would happen now, with time as it is: `advance(0)` lets it. Cost: O(queues on the clock)."""
        return self._soonest()[0] <= self._now

    @property
    def mine(self) -> bool:
        """Whether the calling thread's synchronous waits jump: it is the clock's own, or moves it just now."""
        return threading.get_ident() in (self._owner, self._mover)

    def adopt(self) -> None:
        """Make the calling thread the clock's own: its synchronous waits jump."""
        self._owner = threading.get_ident()

    def advance(self, seconds: Seconds) -> None:
        """Move time on; all that falls due on the way happens at its instant, in order, in this thread.

        Raises ValueError for a negative duration. Cost: O(queues on the clock) for each instant at which something happens.
        """
        self._run(self._now + nanoseconds(seconds, "seconds"))

    def advance_to_next(self) -> float | None:
        """Move time to the next instant at which something happens; the seconds moved, or None if nothing ever will."""
        before = self._now
        soonest, _ = self._soonest()
        if soonest >= FAR:
            return None
        self._run(max(soonest, before))
        return (self._now - before) / SECOND

    def pass_to(self, instant: int) -> None:
        """Let it be that instant, if it is not over; nothing happens on the way."""
        self._now = max(self._now, instant)

    def attach(self, timed: Timed) -> None:
        with self._lock:
            self._count += 1
            number = self._count
            # Bound to the dict, not to the clock: a queue's end must not keep the clock alive.
            attached = self._attached
            attached[number] = weakref.ref(timed, lambda _: attached.pop(number, None))

    def attached(self) -> list[Timed]:
        """All to whom things happen on it, in the order they were made."""
        return [timed for reference in list(self._attached.values()) if (timed := reference()) is not None]

    def sleep(self, waiter: Waiter, until: int) -> None:
        if self.mine:
            move = self._move if self._mover == threading.get_ident() else self._run
            move(until, lambda: waiter.done)
            if until >= FAR and not waiter.done:
                raise ClockStuck(waiter.describe(), seconds=0)
            return
        seen = self._reads
        while not waiter.block(STUCK_AFTER):
            if self._reads == seen:
                raise ClockStuck(waiter.describe(), seconds=STUCK_AFTER)
            seen = self._reads

    def call_at(
        self,
        loop: asyncio.AbstractEventLoop,
        until: int,
        wake: Callable[[], object],
        fail: Callable[[Exception], None],
        who: Callable[[], str],
    ) -> Timer:
        if self._mover == threading.get_ident():
            return Leap(
                loop, lambda: self._step(until), wake if until < FAR else lambda: fail(ClockStuck(who(), seconds=0))
            )
        return Lookout(loop, lambda: self._reads, lambda: fail(ClockStuck(who(), seconds=STUCK_AFTER)))

    def _run(self, target: int, stop: Callable[[], bool] = lambda: False) -> None:
        me = threading.get_ident()
        if self._mover == me:
            raise RuntimeError("the clock is being moved already: due work must not call advance()")
        with self._moving:
            try:
                self._mover = me
                self._reads += 1
                self._move(target, stop)
            finally:
                self._mover = None

    def _move(self, target: int, stop: Callable[[], bool]) -> None:
        while not (stop() or self._step(target)):
            pass

    def _step(self, target: int) -> bool:
        """Let what is due next happen, if that is by `target`; True if it is not, and time has come to its end."""
        at, timed = self._soonest()
        if timed is None or at > target:
            if target < FAR:  # whoever waits for ever waits for work, and there is none: time stays
                self._now = max(self._now, target)
            return True
        self._let(at, timed)
        return False

    def _let(self, at: int, timed: Timed) -> None:
        """It is that instant now: let happen what is due to it."""
        self._now = max(self._now, at)
        outer = self._settling
        try:
            self._settling = (*outer, timed)
            timed.settle()
        finally:
            self._settling = outer

    def _soonest(self) -> tuple[int, Timed | None]:
        """What happens next, and to whom; of two at the same instant, who was made first.

        Not to those whose due work is waiting: they are in the middle of a settle.
        """
        best, whose, settling = FAR, None, self._settling
        for reference in list(self._attached.values()):
            timed = reference()
            if timed is None or (settling and any(timed is one for one in settling)):
                continue
            if (at := timed.next_at()) < best:
                best, whose = at, timed
        return best, whose


class Ambience(NamedTuple):
    """What holds inside a simulation for all that is made there and not told otherwise. Set by simulate() alone.

    chance: where random bytes come from; observers: told of every Change of what is made there.
    """

    clock: Clock
    seed: int
    faults: Any
    chance: Random
    observers: tuple[Callable[[Change], object], ...]


AMBIENCE: ContextVar[Ambience | None] = ContextVar("decouple", default=None)


def default_clock() -> Clock:
    """For what is made without a clock: that of the simulation it is made in, or else a new one of real time."""
    ambience = AMBIENCE.get()
    return SystemClock() if ambience is None else ambience.clock


def seed_or_ambient(seed: int | None) -> int | None:
    """The seed given; without one that of the simulation, or None where there is none."""
    ambience = AMBIENCE.get() if seed is None else None
    return seed if ambience is None else ambience.seed


def random_bytes(count: int) -> bytes:
    """For ids that nobody else has; in a simulation they follow from its seed, so that a run can be repeated."""
    ambience = AMBIENCE.get()
    return os.urandom(count) if ambience is None else ambience.chance.randbytes(count)


def refuse_real_time(who: Callable[[], str]) -> None:
    """Raises BlockingCall in a simulation: real time does not pass there."""
    if AMBIENCE.get() is not None:
        raise BlockingCall(
            f"{who()} on real time",
            "make it inside the simulation, where it takes the simulation's clock, or give it clock=",
        )


class Lookout:
    """For a waiting task on a virtual clock: calls `stuck` when `signs` have been the same for five real seconds.

    The message, the advance or the close that ends the wait wakes the task by itself.
    """

    __slots__ = ("_handle", "_loop", "_seen", "_signs", "_stuck")

    def __init__(self, loop: asyncio.AbstractEventLoop, signs: Callable[[], int], stuck: Callable[[], None]) -> None:
        self._loop = loop
        self._signs = signs
        self._stuck = stuck
        self._seen = signs()
        self._handle = loop.call_later(STUCK_AFTER, self._look)

    def _look(self) -> None:
        signs = self._signs()
        if signs == self._seen:
            self._stuck()
        else:
            self._seen = signs
            self._handle = self._loop.call_later(STUCK_AFTER, self._look)

    def cancel(self) -> None:
        """Stop looking."""
        self._handle.cancel()


def datetime_at(clock: Clock, instant: int) -> datetime:
    """An instant of that clock as an aware UTC datetime, to the microsecond."""
    return EPOCH + timedelta(microseconds=(clock.epoch + instant) // 1_000)


def shown(clock: Clock, instant: int) -> str:
    return datetime_at(clock, instant).isoformat(timespec="milliseconds")
