"""Mishaps: the faults that strike handlers. Its process dies, begins again, is paused; it is slow; a store it asks fails.

A crash is raised where the handler is to die: before it was called, after one of its effects (effects.py; of an async
handler each await is one, too), or when it has returned. From then on it is dead: what it still does, in a `finally`,
say, it does not do. Nothing is acknowledged or given back: its message comes again when its time in flight is over.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from contextvars import Token
from threading import get_ident
from typing import TYPE_CHECKING, Any, NamedTuple

from decouple.callers import WORK
from decouple.calls import is_async
from decouple.clock import SECOND, VirtualClock
from decouple.core.changes import Change
from decouple.errors import StoreFailed
from decouple.mishaps.effects import EFFECTS, WATCHED, WATCHER, Crash, Driven, Watcher
from decouple.mishaps.restarting import Maker, made_on_purpose, maker_of
from decouple.waiter import Waiter

if TYPE_CHECKING:
    from types import TracebackType

    from decouple.clock import Clock
    from decouple.core.records import Record
    from decouple.desk import Desk
    from decouple.function import Function
    from decouple.message import Message
    from decouple.testing.faults import Injection, Struck

__all__ = [
    "Case",
    "Mishaps",
    "befall",
    "case_of",
    "message_store_fault",
    "mishaps_of",
    "note",
    "pause_after_receives",
    "queue_store_fault",
]

STRIKING = ("crash", "restart", "slow", "clock_jump", "store_error")


class Case(NamedTuple):
    """What a handler is given: a message, or the event of a function.

    tell: makes the record of a fault; restarted: what else there is to do when the handler was made anew.
    """

    record: Record | None
    id: str | None
    receives: int
    tell: Callable[[str], object]
    restarted: Callable[[Callable[..., Any]], object]


class Mishaps:
    """The faults of one handler, which strike by `name`: its queue's, or its function's. handler: the one of now."""

    def __init__(
        self, faults: Injection, clock: Clock, name: str, handler: Callable[..., Any], what: str, make: Maker | None
    ) -> None:
        self.handler = handler
        self.faults = faults
        self.name = name
        self.what = what
        self._clock = clock
        self._make = make
        self.awaits = is_async(handler)
        self._most = 1  # effects of a run, as far as we have seen
        WATCHED[:] = (True,)

    def run(self, case: Case, call: Callable[[Callable[..., Any]], Any]) -> Any:
        """What `call(handler)` returns, in this thread. Raises Crash, and what it raises."""
        life = self._begin(case)
        with life:
            answer = call(self.handler)
            if (until := life.slow()) is not None:
                self._wait(until)
            return answer

    async def arun(self, case: Case, call: Callable[[Callable[..., Any]], Any]) -> Any:
        """The same in this task, where a coroutine that `call` returns is awaited."""
        life = self._begin(case)
        with life:
            answer = call(self.handler)
            if inspect.iscoroutine(answer):
                answer = await Driven(answer, life.waits)
            elif self.awaits:
                answer = await answer
            if (until := life.slow()) is not None:
                await self._await(until)
            return answer

    # -- before it is called -----------------------------------------------------------------------------------

    def strike(self, kind: str, case: Case, name: str | None = None) -> Struck | None:
        """The fault of this kind that strikes now."""
        return self.faults.strike(kind, name or self.name, case.record, id=case.id, receives=case.receives)

    def _begin(self, case: Case) -> Life:
        if (jump := self.strike("clock_jump", case)) is not None:
            leap(self._clock, jump, case.tell)
        if self.strike("restart", case) is not None:
            case.tell("restart: the handler was made anew, without what it kept in memory")
            self._restart(case)
        crash = self.strike("crash", case)
        life = Life(self, case, crash)
        if crash is not None and crash.at == "before effect":
            self.forget(case)
            case.tell("crash: before effect, when it was received")
            raise Crash("it was received")
        return life

    def _restart(self, case: Case) -> None:
        if self._make is not None:
            self.handler = self._make()
            case.restarted(self.handler)

    def forget(self, case: Case) -> None:
        """A dead process has no memory: where that is asked for, for a module anew is without a test's patches."""
        if made_on_purpose(self.handler) is not None or self.faults.may("restart", self.name):
            self._restart(case)

    def target(self, crash: Struck) -> int:
        """After how many effects it dies, one more than there are for after its return."""
        return crash.chance.randint(1, self._most + 1)

    def learn(self, points: int) -> None:
        """So many effects there are."""
        self._most = max(self._most, points)

    # -- slowness ----------------------------------------------------------------------------------------------

    def _wait(self, until: int) -> None:
        clock = self._clock
        if isinstance(clock, VirtualClock) and (clock.loop is not None or not clock.mine):
            clock.pass_to(until)  # it blocks the simulation's loop, or time is another thread's
            return
        waiter = Waiter(f"{self.what} is slow")
        while clock.now() < until:
            clock.sleep(waiter, until)

    async def _await(self, until: int) -> None:
        import asyncio

        clock, loop = self._clock, asyncio.get_running_loop()
        if not isinstance(clock, VirtualClock) or not clock.by_hand:
            await asyncio.sleep((until - clock.now()) / SECOND)
            return
        if clock._mover != get_ident():  # nobody moves time for this task
            clock.pass_to(until)
            return
        future: asyncio.Future[None] = loop.create_future()
        timer = clock.call_at(loop, until, lambda: future.set_result(None), future.set_exception, lambda: self.what)
        try:
            await future
        finally:
            timer.cancel()


class Life:
    """A handler at work on one case, and when it dies. It is the watcher of its effects."""

    def __init__(self, mishaps: Mishaps, case: Case, crash: Struck | None) -> None:
        self.crash: Crash | None = None
        self._mishaps = mishaps
        self._case = case
        self._point = None if crash is None else crash.at
        self._target = mishaps.target(crash) if crash is not None and crash.at == "after effect" else 0
        self._points = self._awaits = 0
        self._over = False
        self._work = WORK.get()
        self._tokens: tuple[Token[Watcher | None], Token[Callable[[str], object] | None]] | None = None

    def __enter__(self) -> Life:
        self._tokens = WATCHER.set(self), EFFECTS.set(self.done)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over = True
        if self._tokens is not None and kind is not GeneratorExit:  # which may come in another context
            WATCHER.reset(self._tokens[0])
            EFFECTS.reset(self._tokens[1])
        self._mishaps.learn(self._points)
        if self._point is not None and self.crash is None and (error is None or isinstance(error, Exception)):
            how = "it returned" if error is None else f"it raised {type(error).__name__}"
            self._die(f"{self._point}, when {how}", how)
        if self.crash is not None and error is not self.crash and not isinstance(error, KeyboardInterrupt):
            raise self.crash from None  # whatever the dead made of it

    def _die(self, words: str, point: str) -> None:
        self.crash = Crash(point)
        self._mishaps.forget(self._case)
        self._case.tell(f"crash: {words}")

    # -- its effects -------------------------------------------------------------------------------------------

    @property
    def _mine(self) -> bool:
        """Whether it is the handler itself: what it put for others to do has its context, too."""
        return WORK.get() is self._work

    def about(self, what: str) -> None:
        if self.crash is not None and self._mine:
            raise self.crash

    def done(self, what: str) -> None:
        if not self._mine:
            return
        if self.crash is None and not self._over:
            self._points += 1
            if self._points == self._target:
                self._die(f"after effect, {what}", what)
        if self.crash is not None:
            raise self.crash

    def waits(self, coroutine: object) -> None:
        """Its coroutine waits for something."""
        self._awaits += 1
        self.done(f"await {self._awaits}")

    def asking(self, store: object, operation: str) -> None:
        self.about(operation)
        if self._mine and not hasattr(store, "__decouple_faulty__"):
            name = type(store).__name__
            if self._mishaps.strike("store_error", self._case, name) is not None:
                fail(name, operation, self._case.tell)

    def slow(self) -> int | None:
        """Until when it is at work still; None: it is as fast as it is."""
        strike = self._mishaps.strike("slow", self._case)
        if strike is None:
            return None
        longer = strike.nanoseconds or 0
        self._case.tell(f"slow: the handler took {longer / SECOND:.6g} s longer")
        return self._mishaps._clock.now() + longer


def mishaps_of(
    faults: Injection, clock: Clock, name: str, handler: Callable[..., Any], what: str, *, apart: bool = False
) -> Mishaps | None:
    """What may befall this handler; None where nothing does. apart: it is in a process of its own, which is made anew.

    Raises ValueError where it is to be restarted, and cannot be made anew.
    """
    if not (faults.has("store_error") or any(faults.may(kind, name) for kind in STRIKING)):
        return None
    make = (lambda: handler) if apart else maker_of(handler)
    if make is None and faults.may("restart", name):
        raise ValueError(
            f"{what} is to be restarted by a fault, and its handler {handler!r:.80} cannot be made anew: give it as "
            f"decouple.testing.restartable(make), where make() makes the handler with all it keeps in memory"
        )
    return Mishaps(faults, clock, name, handler, what, make)


def mishaps_of_function(function: Function, faults: Injection) -> Mishaps | None:
    """See `mishaps_of`."""
    words, apart = f"function {function.name!r}", function._settings.isolation == "process"
    return mishaps_of(faults, function.clock, function.name, function.handler, words, apart=apart)


def befall(function: Function, faults: Injection) -> None:
    """These befall that function from now on. Raises ValueError."""
    function._mishaps = mishaps_of_function(function, faults)
    # In a simulation only tasks take time, as a slow handler does.
    function._in_tasks = function.awaits or (function._mishaps is not None and function.clock.loop is not None)


def case_of(message: Message[Any], restarted: Callable[[Callable[..., Any]], object] = lambda handler: None) -> Case:
    """A message that a handler is given."""

    def tell(reason: str) -> None:
        note(message, reason)

    return Case(message.record, message.id, message.times_received, tell, restarted)


def note(message: Message[Any], reason: str, **more: Any) -> None:
    """Record that a fault struck while somebody had this message."""
    queue = message.owner
    if queue._core.listening:
        with queue._lock:
            queue._core.log += queue._core._note("fault", queue._now(), message.record, message, reason=reason, **more)
        queue._follow_up()


def leap(clock: Clock, jump: Struck, tell: Callable[[str], object]) -> None:
    """It is later at once."""
    assert isinstance(clock, VirtualClock)
    longer = jump.nanoseconds or 0
    clock.pass_to(clock.now() + longer)
    tell(f"clock_jump: it was {longer / SECOND:.6g} s later at once")


def pause_after_receives(queue: Any, faults: Injection) -> None:
    """After a receive time may jump, where it is no worker's: for these it jumps before their handler is called."""
    if not faults.may("clock_jump", queue.name):
        return
    decodable: Callable[[list[Any]], list[Message[Any]]] = queue._decodable

    def received(deliveries: list[Any]) -> list[Message[Any]]:
        messages = decodable(deliveries)
        if messages and WORK.get() is None:
            case = case_of(messages[0])
            jump = faults.strike("clock_jump", queue.name, case.record, id=case.id, receives=case.receives)
            if jump is not None:
                leap(queue.clock, jump, case.tell)
        return messages

    queue._decodable = received


def message_store_fault(message: Message[Any], store: object, operation: str) -> None:
    """Raise StoreFailed, where a fault makes this store fail for a message of a queue with faults."""
    faults, case, name = message.owner._faults, case_of(message), type(store).__name__
    if faults is None or hasattr(store, "__decouple_faulty__"):
        return
    if faults.strike("store_error", name, case.record, id=case.id, receives=case.receives) is not None:
        fail(name, operation, case.tell)


def queue_store_fault(queue: Desk[Any], store: object, operation: str) -> None:
    """The same before there is a message."""
    faults, name, core = queue._faults, type(store).__name__, queue._core
    if faults is None or hasattr(store, "__decouple_faulty__") or faults.strike("store_error", name) is None:
        return

    def tell(reason: str) -> None:
        if core.listening:
            with queue._lock:
                core.log += (Change("fault", queue.name, queue._now() + core.epoch, reason=reason, who=core.who()),)
            queue._follow_up()

    fail(name, operation, tell)


def fail(store: str, operation: str, tell: Callable[[str], object]) -> None:
    """Raises StoreFailed."""
    tell(f"store_error: {store} failed to {operation}")
    raise StoreFailed(store, operation=operation)
