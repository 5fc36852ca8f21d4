"""Simulated programs: an ordinary async program in virtual time, where one seed is one run.

All of it happens in one thread, on a loop of its own (loop.py): tasks, timeouts, long polls, consumers, triggers, functions
and schedules. When all of them wait, time jumps to what comes next. `def` handlers run as one step, so only what is
awaited takes time; what would block the thread is refused with BlockingCall. Where a loop runs in the caller's thread already,
as in a notebook, the simulation has a thread of its own, for which the caller waits.

Not simulated: real clocks (time.time, datetime.now), random numbers of the program's own, and the order of sets of str.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import threading
from collections import deque
from collections.abc import Callable, Coroutine, Iterable
from contextlib import suppress
from contextvars import copy_context
from datetime import datetime, timedelta
from random import Random
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, Self, TypeVar, overload

from decouple.clock import AMBIENCE, NEW_YEAR, SECOND, Ambience, Seconds, nanoseconds
from decouple.core.changes import Change
from decouple.core.deadlines import FAR
from decouple.core.records import EPOCH
from decouple.errors import Deadlock
from decouple.mishaps.injecting import check_plan
from decouple.tasks import Begun
from decouple.testing.guards import guarded
from decouple.testing.loop import Nothing, SimulatedLoop
from decouple.testing.lost import lost_error, noted, raise_lost
from decouple.testing.simulated_clock import SimulatedClock
from decouple.testing.waiting import tasks_of, who_waits

if TYPE_CHECKING:
    from decouple.testing.faults import Faults

__all__ = ["Simulation", "Stopped", "simulate"]

T = TypeVar("T")
log = logging.getLogger("decouple")
ROUNDS = 3
LONGEST_END = 3_600 * SECOND
"""For so long what was cancelled may see to its end, before it is cancelled again."""


class Stopped(NamedTuple):
    """Where a simulation was stopped before its program ended. change: the one that `stop_when` was waiting for."""

    at: datetime
    change: Change | None = None


class Simulation(Generic[T]):
    """A program in virtual time, to be run step by step. See `simulate` for what it runs and how.

    record: how many of the last changes to keep in `changes`; observers: callables that are told of every Change. Both see
    what brokers and queues do that are made inside, without a clock. The program begins at the first step.

    >>> with Simulation(main) as simulation:
    ...     simulation.advance(30)
    ...     answer = simulation.run()
    """

    def __init__(
        self,
        main: Callable[[], Coroutine[Any, Any, T]],
        *,
        seed: int = 0,
        faults: Faults | None = None,
        start: datetime | None = None,
        observers: Iterable[Callable[[Change], object]] = (),
        record: int = 100_000,
    ) -> None:
        check_main(main)
        if isinstance(seed, bool) or not isinstance(seed, int):
            raise TypeError(f"seed must be an int, not {seed!r}")
        if isinstance(record, bool) or not isinstance(record, int) or record < 0:
            raise ValueError(f"record must be a number of changes, at least 0, not {record!r}")
        check_plan(faults)
        observers = check_observers(observers)
        if AMBIENCE.get() is not None:
            raise RuntimeError("a simulation inside a simulation: await the other program's main() instead")
        self.seed = seed
        self.clock = SimulatedClock(NEW_YEAR if start is None else start)
        self.changes: deque[Change] = deque(maxlen=record)
        self._main = main
        self._observers = tuple(observers)
        self._loop = SimulatedLoop(self.clock, seed)
        self._task: asyncio.Task[T] | None = None
        self._stop_when: Callable[[Change], object] | None = None
        self._found: Change | None = None
        self._failed: BaseException | None = None
        told = (self._hear,) if record or self._observers else ()
        self._ambience = Ambience(self.clock, seed, faults, Random(f"decouple {seed}"), told)
        self._context = copy_context()
        self._context.run(AMBIENCE.set, self._ambience)

    def __repr__(self) -> str:
        state = "ended" if self.done else "not begun" if self._task is None else "running"
        return f"<Simulation with seed {self.seed}: {state}, at {self.time.isoformat()}>"

    # -- looking -----------------------------------------------------------------------------------------------

    @property
    def time(self) -> datetime:
        """The present instant."""
        return self.clock.time

    @property
    def done(self) -> bool:
        """Whether the program has ended."""
        return self._task is not None and self._task.done()

    def waiting(self) -> list[str]:
        """Who waits for what now: every task that has not ended, and the receives of consumers and triggers."""
        return who_waits(self._loop)

    # -- steps -------------------------------------------------------------------------------------------------

    def run(
        self, *, until: Seconds | datetime | None = None, stop_when: Callable[[Change], object] | None = None
    ) -> T | Stopped:
        """Go on to the program's end: what main returns; or to that instant, or to the first change that satisfies.

        until: seconds since the start, or an aware datetime; stop_when is asked at every Change, and the step that made it
        goes on to its next await. Both give Stopped, and the run can go on. Raises what main raises; Deadlock, without
        `until`; BlockingCall; what tasks raised that nobody awaited: at the stop as far as nobody can any more.
        """
        return self._run(FAR if until is None else self._instant(until), stop_when)

    def advance(self, seconds: Seconds) -> None:
        """Let so much time pass, also where nothing happens; less if the program ends. Raises as run does."""
        self._run(self.clock._now + nanoseconds(seconds, "seconds"), None)

    def _instant(self, until: Seconds | datetime) -> int:
        if not isinstance(until, datetime):
            return nanoseconds(until, "until")
        if until.tzinfo is None:
            raise ValueError(f"until must be an aware datetime, not the naive {until!r}: give it tzinfo=timezone.utc")
        return (until - EPOCH) // timedelta(microseconds=1) * 1_000 - self.clock.epoch

    def _run(self, limit: int, stop_when: Callable[[Change], object] | None) -> T | Stopped:
        if stop_when is not None and not callable(stop_when):
            raise TypeError(f"stop_when must be a callable that takes a Change, not {stop_when!r:.80}")
        if stop_when is not None and not self._ambience.observers:
            raise ValueError("stop_when needs a simulation that records: make it with record=1 or more")
        if self._loop.is_closed():
            raise RuntimeError("the simulation is closed: make another one")
        self._check_outside()
        loop = self._loop
        loop.limit, loop.limited = max(limit, self.clock._now), False
        self._stop_when, self._found, self._failed = stop_when, None, None
        task = self._begin()
        if not task.done():
            try:
                self._go()
            except Nothing:
                raise self._deadlock() from None
        if self._failed is not None:
            raise self._failed
        if self._found is not None or not task.done():
            loop.find_lost(held=False)
            raise_lost(self._take_lost())
            return Stopped(self.time, self._found)
        return self._result(task)

    def _check_outside(self) -> None:
        if self._loop.is_running():
            raise RuntimeError("the simulation is running: its steps are made from outside, not by its own tasks")

    def _deadlock(self) -> Deadlock:
        """All wait for ever; perhaps for a task that failed."""
        self._loop.find_lost(held=True)
        return noted(Deadlock(self.waiting(), since=self.time), self._take_lost())

    def _begin(self) -> asyncio.Task[T]:
        task = self._task
        if task is None:
            coroutine = self._context.run(self._main)
            if not inspect.iscoroutine(coroutine):
                raise TypeError(f"simulate takes an async function, and {self._main!r:.80} returned {coroutine!r:.80}")
            self._task = task = self._loop.create_task(coroutine, name="main", context=self._context)
            task.add_done_callback(self._stop)
        return task

    def _stop(self, _: object) -> None:
        self._loop.stop()

    def _interrupt(self) -> None:
        """From another thread: a Ctrl-C came there."""
        self._failed = KeyboardInterrupt()
        self._loop.stop()

    def _go(self) -> None:
        if asyncio._get_running_loop() is None:
            self._let_run()
        else:
            in_a_thread(self._let_run, self._interrupt)

    def _let_run(self) -> None:
        with guarded(self._loop):
            self._loop.run_forever()

    def _hear(self, change: Change) -> None:
        """Of every change inside."""
        self.changes.append(change)
        for observer in self._observers:
            observer(change)
        try:
            if self._stop_when is not None and self._found is None and self._stop_when(change):
                self._found = change
                self._loop.stop()
        except BaseException as error:  # raised by run: in an observer it would be shown and lost
            self._failed = error
            self._loop.stop()

    def _result(self, task: asyncio.Task[T]) -> T:
        """What main returned, or the errors that nobody awaited. Raises."""
        error = None if task.cancelled() else task.exception()
        self._end()
        lost = self._take_lost()
        if error is not None:
            raise noted(error, lost)
        raise_lost(lost)
        return task.result()

    def _take_lost(self) -> list[Exception]:
        lost = [lost_error(context) for context in self._loop.lost]
        self._loop.lost.clear()
        return lost

    # -- the end -----------------------------------------------------------------------------------------------

    def close(self) -> None:
        """End: what has not ended is cancelled, and may see to that. Twice is no error."""
        self._end()
        for error in self._take_lost():
            log.error("nobody awaited %s: %s", type(error).__name__, error, exc_info=error)

    def _end(self) -> None:
        loop = self._loop
        if loop.is_closed():
            return
        self._check_outside()
        try:
            if self._task is not None:
                self._cancel()
            loop.find_lost(held=True)
        finally:
            loop.close()

    def _cancel(self) -> None:
        loop = self._loop
        loop.closing = True
        ending: asyncio.Task[None] = loop.create_task(end(loop), name="the end", context=self._context)
        ending.add_done_callback(self._stop)
        for _ in range(ROUNDS):
            loop.limit, loop.limited = self.clock._now + LONGEST_END, False
            with suppress(Nothing):  # they wait for each other: now the workers, too
                while not (ending.done() or loop.limited):
                    self._go()
            if ending.done():
                return
            cancel([task for task in tasks_of(loop) if task is not ending])
        ending._log_destroy_pending = False  # type: ignore[attr-defined]  # it waits for them in vain
        log.warning("some did not end when they were cancelled at the end of the simulation:\n%s", self.waiting())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def check_main(main: object) -> None:
    """A function for a program. Raises TypeError."""
    if inspect.iscoroutine(main):
        main.close()  # else Python warns, besides, that nobody awaited it
        name = main.__name__
        raise TypeError(
            f"simulate takes the async function itself, simulate({name}), not what calling it gives: {name}()"
        )
    if not callable(main):
        raise TypeError(f"simulate takes an async function that takes nothing, not {main!r:.80}")


def check_observers(observers: Any) -> tuple[Callable[[Change], object], ...]:
    """Callables. Raises TypeError."""
    given: tuple[Any, ...] = tuple(observers) if hasattr(observers, "__iter__") else (None,)
    if not all(map(callable, given)):
        raise TypeError(f"observers must be callables that take a Change, [one] or more, not {observers!r:.80}")
    return given


async def end(loop: SimulatedLoop) -> None:
    """Cancel the program's tasks, while workers still work (for a broker that is closed now), then the workers'."""
    me = asyncio.current_task()
    while tasks := [task for task in tasks_of(loop) if task is not me and not is_workers(task)]:
        await ended(loop, tasks)
    loop.ending = True
    while tasks := [task for task in tasks_of(loop) if task is not me]:
        await ended(loop, tasks)
    await loop.shutdown_asyncgens()


async def ended(loop: SimulatedLoop, tasks: list[asyncio.Task[Any]]) -> None:
    """Cancel them, and wait for their ends."""
    cancel(tasks)
    for task in tasks:
        await asyncio.wait([task])
        error = None if task.cancelled() else task.exception()
        if error is not None and not is_workers(task):
            words = "it failed when it was cancelled at the end"
            loop.call_exception_handler({"message": words, "exception": error, "task": task})


def cancel(tasks: list[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()


def is_workers(task: asyncio.Task[Any]) -> bool:
    """Whether it is the job of a broker's worker, which deals with its errors itself."""
    return getattr(task.get_coro(), "cr_code", None) is Begun.run.__code__


@overload
def simulate(
    main: Callable[[], Coroutine[Any, Any, T]],
    *,
    seed: int = 0,
    faults: Faults | None = None,
    start: datetime | None = None,
    observers: Iterable[Callable[[Change], object]] = (),
) -> T: ...
@overload
def simulate(
    main: Callable[[], Coroutine[Any, Any, T]],
    *,
    seed: int = 0,
    faults: Faults | None = None,
    start: datetime | None = None,
    until: Seconds | datetime | None = None,
    stop_when: Callable[[Change], object] | None = None,
    observers: Iterable[Callable[[Change], object]] = (),
) -> T | Stopped: ...
def simulate(
    main: Callable[[], Coroutine[Any, Any, T]],
    *,
    seed: int = 0,
    faults: Faults | None = None,
    start: datetime | None = None,
    until: Seconds | datetime | None = None,
    stop_when: Callable[[Change], object] | None = None,
    observers: Iterable[Callable[[Change], object]] = (),
) -> T | Stopped:
    """Run an ordinary async program in virtual time, as asyncio.run does in real time: what main returns.

    main: an async function that takes nothing. What it makes without a clock (brokers, queues, topics, functions, guards)
    takes the simulation's, and brokers its seed and faults. seed: one is one run, exactly, also in another process; another
    is another order of whatever is ready at the same time. start: an aware datetime, 2026-01-01T00:00Z by default.

    until: seconds since the start, or an instant, at which to stop; stop_when: stops at the first Change for which it is
    true; both give Stopped. observers: told of every Change. Raises what main raises; what tasks raised that nobody
    awaited; Deadlock, with a list of who waits for what, when nothing will ever happen again; BlockingCall for what would
    block the thread, or be on real time; RuntimeError inside a simulation.
    """
    record = 0 if stop_when is None else 1
    simulation = Simulation(main, seed=seed, faults=faults, start=start, observers=observers, record=record)

    def work() -> T | Stopped:
        with simulation:
            return simulation.run(until=until, stop_when=stop_when)

    return work() if asyncio._get_running_loop() is None else in_a_thread(work, simulation._interrupt)


def in_a_thread(work: Callable[[], T], interrupt: Callable[[], object]) -> T:
    """Done in a thread of its own, for which this one waits: a loop runs here already, as in a notebook."""
    answers: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            answers.append(work())
        except BaseException as error:  # raised by the thread that waits
            errors.append(error)

    thread = threading.Thread(target=copy_context().run, args=(run,), name="decouple-simulation", daemon=True)
    thread.start()
    try:
        thread.join()
    except BaseException:
        interrupt()
        thread.join()
        raise
    for error in errors:
        raise error
    return answers[0]
