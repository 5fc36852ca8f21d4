"""An event loop without a selector: time is the clock's, and the order of what is ready is a seed's.

When nothing is ready, time jumps to what comes next: a timer of the loop, or what happens by itself on the clock (a lease
ends, a wait is over). What is ready together is done in turns, as asyncio does it. In each turn the seed puts the steps of
tasks, and jobs of workers, in another order, because no program may rely on that order; what was given to `call_soon` stays
in its place, and no step passes it, because that order is asyncio's promise (to the callbacks of one future, say).

A run is the same in another process: nothing here follows addresses or hashes of text. Tasks hash by their number, so
that sets of tasks, such as `asyncio.wait` gives, have the same order, too. Sets of bare futures have not.
"""

from __future__ import annotations

import asyncio
import gc
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextvars import Context, copy_context
from heapq import heapify, heappop, heappush
from random import Random
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVarTuple
from weakref import ref

from decouple.clock import SECOND
from decouple.core.deadlines import FAR
from decouple.errors import BlockingCall, EndlessWork
from decouple.mishaps.effects import Crash
from decouple.testing.simulated_clock import SimulatedClock

__all__ = ["Nothing", "SimulatedLoop", "Task"]

Ts = TypeVarTuple("Ts")
Step: TypeAlias = tuple[Callable[..., object], tuple[Any, ...], Context]

STEPS = (None, "task_wakeup", "__step", "__wakeup")
"""What asyncio calls that of a task which it gives to `call_soon`."""
STALE = 100
MANY_TASKS = 1_000
LONGEST_INSTANT = 10_000_000
"""Steps in a row without time passing: more are taken for endless."""


class Nothing(Exception):  # it never leaves this package
    """Nothing is ready, and nothing ever will be."""


class Timer(asyncio.TimerHandle):
    """What call_later gives, made and cancelled in half the time: nobody debugs it, and it is not compared."""

    __slots__ = ()
    _loop: SimulatedLoop
    if TYPE_CHECKING:
        _callback: Any
        _args: Any

    def __init__(
        self, at: int, callback: Callable[..., object], args: tuple[Any, ...], loop: SimulatedLoop, context: Context
    ) -> None:
        self._when = at / SECOND
        self._callback = callback
        self._args = args
        self._loop = loop
        self._context = context
        self._cancelled = False
        self._scheduled = True
        self._repr = None
        self._source_traceback = None

    def cancel(self) -> None:
        if not self._cancelled:
            self._cancelled = True
            self._callback = self._args = None
            if self._scheduled:
                self._loop._one_cancelled()


class Task(asyncio.Task[Any]):
    """A task with a number, by which it hashes."""

    def __init__(self, number: int, coro: Any, **more: Any) -> None:
        self.number = number  # first: asyncio puts it into a set
        super().__init__(coro, **more)

    def __hash__(self) -> int:
        return self.number


class SimulatedLoop(asyncio.BaseEventLoop):
    """The loop of one simulation, which lets the time of `clock` pass.

    stopping: set, it ends the run after the step under way; limit: an instant to which time may pass; steps: how many were
    done; lost: errors that nobody awaited, as asyncio's exception handlers are told of them; closing: the run is over;
    ending: workers begin no more.
    """

    if TYPE_CHECKING:  # asyncio's own, which its stubs leave out
        _task_factory: Any
        _thread_id: int | None

        def _check_closed(self) -> None: ...

    def __init__(self, clock: SimulatedClock, seed: int) -> None:
        super().__init__()
        clock.loop = self
        self.clock = clock
        self.limit = FAR
        self.limited = False
        self.steps = 0
        self.lost: list[dict[str, Any]] = []
        self.closing = False
        self.ending = False
        self._failure: BaseException | None = None
        self._random = Random(seed).random
        self._ready: deque[Step | asyncio.Handle] = deque()
        self._turn: deque[Step | asyncio.Handle] = deque()
        self._timers: list[tuple[int, int, Timer]] = []
        self._stale = 0
        self._numbers = 0
        self._tasks_made = 0
        self._tasks: list[ref[Task]] = []
        self._many_tasks = MANY_TASKS
        self._too_many = LONGEST_INSTANT
        self._bare = Context()
        self._stopping = False

    def time(self) -> float:
        """Seconds since the start of the simulation."""
        return self.clock._now / SECOND

    # -- what is to be done ------------------------------------------------------------------------------------

    def call_soon(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        """As in asyncio. Steps of tasks come through here, too; asyncio does not look at what it gets for them."""
        task = getattr(callback, "__self__", None)
        if isinstance(task, asyncio.Task) and getattr(callback, "__name__", None) in STEPS and context is not None:
            self._ready.append((callback, args, context))
            return None  # type: ignore[return-value]  # pyright: ignore[reportReturnType]
        self._check_closed()
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def call_step(self, callback: Callable[..., object], entry: Any) -> None:
        """Call it soon, in an order of the seed's among the steps of tasks."""
        self._ready.append((callback, (entry,), self._bare))

    def judge(self, error: BaseException) -> None:
        """Of a worker's job, which no retry mends: it ends the run."""
        if isinstance(error, (BlockingCall, EndlessWork)) and not self.closing:
            self._failure = error

    def call_first(self, callback: Callable[[], object]) -> None:
        """Call it before all else. For the handler of a signal, which may come between any two instructions."""
        self._turn.appendleft((callback, (), self._bare))

    def call_soon_threadsafe(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        """As in asyncio, but from the simulation's own thread only."""
        if self._thread_id not in (None, threading.get_ident()):
            raise BlockingCall("waiting for another thread", "do its work in a task")
        return self.call_soon(callback, *args, context=context)

    def call_later(
        self, delay: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> Timer:
        """As in asyncio, to the nanosecond."""
        nanos = delay * SECOND
        at = self.clock._now + round(nanos) if nanos < FAR else FAR
        return self._call_at_instant(at, callback, args, context)

    def call_at(
        self, when: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> Timer:
        """As in asyncio, to the nanosecond."""
        return self._call_at_instant(instant_of(when), callback, args, context)

    def call_at_instant(self, at: int, callback: Callable[[], object]) -> Timer:
        """Call it at that instant of the clock."""
        return self._call_at_instant(at, callback, (), None)

    def _call_at_instant(
        self, at: int, callback: Callable[..., object], args: tuple[Any, ...], context: Context | None
    ) -> Timer:
        timer = Timer(at, callback, args, self, copy_context() if context is None else context)
        self._numbers = number = self._numbers + 1
        heappush(self._timers, (at, number, timer))
        return timer

    def _one_cancelled(self) -> None:
        self._stale += 1
        if self._stale > STALE and self._stale * 2 > len(self._timers):
            self._timers = [timer for timer in self._timers if not timer[2]._cancelled]
            heapify(self._timers)
            self._stale = 0

    def create_task(self, coro: Any, *, name: Any = None, context: Context | None = None, **more: Any) -> Any:
        """As in asyncio; a task without a name has its number's in this simulation."""
        self._check_closed()
        if self._task_factory is not None:
            return super().create_task(coro, name=name, context=context, **more)
        self._tasks_made += 1
        number = self._tasks_made
        task = Task(number, coro, loop=self, name=name or f"task-{number}", context=context, **more)
        self._tasks.append(ref(task))
        if len(self._tasks) > self._many_tasks:
            self._tasks = [one for one in self._tasks if one() is not None]
            self._many_tasks = MANY_TASKS + 2 * len(self._tasks)
        return task

    # -- doing it ----------------------------------------------------------------------------------------------

    def _run_once(self) -> None:
        """All that there is to do, until somebody says stop. Raises Nothing, EndlessWork, BlockingCall of a worker's job."""
        turn: Any = self._turn
        item: Any = None
        callback = args = context = None
        try:
            while not self._stopping:
                if turn:
                    item = turn.popleft()
                    self.steps += 1
                    if item.__class__ is tuple:
                        callback, args, context = item
                        context.run(callback, *args)
                    elif not item._cancelled:
                        item._run()
                elif self._ready:
                    turn = self._begin_turn()
                else:
                    self._pass_time()
        finally:
            # The traceback of an error in a step leads to this frame, which must not hold the last step's task.
            item = callback = args = context = None

    def _begin_turn(self) -> deque[Step | asyncio.Handle]:
        """All that is ready, steps in an order of the seed's between the callbacks, which stay where they are."""
        turn, self._ready, self._turn = self._ready, self._turn, self._ready
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure
        if self.steps >= self._too_many:
            self._too_many = self.steps + LONGEST_INSTANT
            raise EndlessWork(f"what is ready at {self.clock.time.isoformat()}", links=LONGEST_INSTANT)
        if len(turn) > 1:
            self._shuffle(turn)
        return turn

    def _shuffle(self, turn: deque[Step | asyncio.Handle]) -> None:
        random = self._random
        steps: list[Any] = []
        for _ in range(len(turn)):
            item = turn.popleft()
            if item.__class__ is tuple:
                steps.append(item)
                continue
            steps.sort(key=lambda _: random())
            turn += steps
            steps.clear()
            turn.append(item)
        steps.sort(key=lambda _: random())
        turn += steps

    def _pass_time(self) -> None:
        """To the next instant at which something happens, or to the limit."""
        clock, timers = self.clock, self._timers
        while timers and timers[0][2]._cancelled:
            heappop(timers)
            self._stale -= 1
        self._too_many = self.steps + LONGEST_INSTANT
        timer_at = timers[0][0] if timers else FAR
        at, timed = clock._soonest(min(timer_at, FAR - 1))
        if at > self.limit < timer_at:
            clock.pass_to(self.limit)
            self.limited = self._stopping = True
        elif at <= timer_at and timed is not None:
            clock._let(at, timed)
        elif timer_at < FAR:
            clock.pass_to(timer_at)
            self._run_timers()
        else:
            raise Nothing

    def _run_timers(self) -> None:
        """Those that are due, here and now, which is the same as soon: nothing else is ready."""
        now = self.clock._now
        while self._timers and self._timers[0][0] <= now:
            timer = heappop(self._timers)[2]
            timer._scheduled = False
            if timer._cancelled:
                self._stale -= 1
            else:
                timer._run()

    def default_exception_handler(self, context: dict[str, Any]) -> None:
        """Keep the errors that nobody awaited."""
        error = context.get("exception")
        if isinstance(error, (KeyboardInterrupt, SystemExit, Crash)):
            return  # it is raised as itself, or of the task of a handler that is dead
        if self.is_closed() or not isinstance(error, Exception):
            super().default_exception_handler(context)
        else:
            self.lost.append(context)

    def find_lost(self, *, held: bool) -> None:
        """Put among the lost what tasks raised that nobody can await; with `held` also of those that something still holds.

        asyncio tells of it when such a task is freed, and when a circle of references is, chance decides.
        """
        if held:
            for task in self._failed():
                words = "a task failed, and nobody awaited it"
                self.call_exception_handler({"message": words, "exception": task.exception(), "task": task})
        elif any(True for _ in self._failed()):
            gc.collect()

    def _failed(self) -> Iterator[Task]:
        """Tasks whose errors nobody has seen."""
        for one in self._tasks:
            task = one()
            if task is not None and task.done() and task._log_traceback:
                yield task

    def close(self) -> None:
        """Forget what there was to do."""
        self.ending = True
        if not self.is_closed():
            self._turn.clear()
            self._timers.clear()
            super().close()

    def __del__(self) -> None:
        """Unclosed it holds nothing but memory."""

    # -- what an ordinary loop does outside its thread -----------------------------------------------------------

    def _write_to_self(self) -> None:
        """It never waits, so it need not be woken."""

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        """There is none."""


def instant_of(seconds: float) -> int:
    """As a clock's instant; FAR for what never comes."""
    nanos = seconds * SECOND
    return round(nanos) if nanos < FAR else FAR


def refusal(name: str, call: str, advice: str) -> Callable[..., Any]:
    """A method of the loop that nothing in a simulation may use."""

    def refuse(self: SimulatedLoop, *args: object, **named: object) -> Any:
        raise BlockingCall(call, advice)

    refuse.__name__ = refuse.__qualname__ = name
    return refuse


SOCKETS = ("a socket or a pipe", "put a fake in its place that awaits asyncio.sleep(...)")
THREADS = ("work in another thread (run_in_executor, to_thread)", "call it directly, or put a fake in its place")
PROCESSES = ("a process", "put a fake in its place that awaits asyncio.sleep(...)")
REFUSED = {
    "run_in_executor": THREADS,
    "set_default_executor": THREADS,
    "subprocess_exec": PROCESSES,
    "subprocess_shell": PROCESSES,
    "add_signal_handler": ("a signal", "call what it would call"),
} | dict.fromkeys(
    (
        "add_reader", "add_writer", "remove_reader", "remove_writer", "create_connection", "create_server",
        "create_unix_connection", "create_unix_server", "create_datagram_endpoint", "connect_accepted_socket",
        "connect_read_pipe", "connect_write_pipe", "getaddrinfo", "getnameinfo", "sendfile", "start_tls", "sock_accept",
        "sock_connect", "sock_recv", "sock_recv_into", "sock_recvfrom", "sock_recvfrom_into", "sock_sendall",
        "sock_sendfile", "sock_sendto",
    ),
    SOCKETS,
)  # fmt: skip
for _name, (_call, _advice) in REFUSED.items():
    setattr(SimulatedLoop, _name, refusal(_name, _call, _advice))
