"""One run of a handler: begun where there is room, ended once, by its result, its error or its timeout.

A handler runs in the thread, or as the task, of whoever takes the invocation as a job; its time begins there. Its end is
told to `ended` by whichever comes first, the handler or the watch over the function's deadlines; what comes later is
discarded, with a record. An environment is what Lambda starts for one run at a time: made at a cold start, kept for the next.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Sequence
from contextvars import copy_context
from math import isfinite
from typing import TYPE_CHECKING, Any, NamedTuple

from decouple.callers import WORK
from decouple.context import Context
from decouple.core.deadlines import FAR
from decouple.effects import Crash
from decouple.errors import BrokenOff, FunctionFailed, FunctionTimedOut, ProcessDied, ResultNotJSON
from decouple.jsontext import json_text
from decouple.lineage import LINEAGE, NO_LINEAGE, Lineage, after
from decouple.stacks import stack_of, user_frames
from decouple.watching import watch

if TYPE_CHECKING:
    from decouple.function import Function
    from decouple.message import Message
    from decouple.mishaps import Case
    from decouple.runtimes import Runtime

__all__ = ["BrokenOff", "Environment", "Invocation", "Outcome", "copied", "interrupts", "own_copy", "stay"]

ATOMS = frozenset({str, int, bool, type(None)})
STRAYED = 70  # EX_SOFTWARE
KILLED = -9


class Outcome(NamedTuple):
    """How a run ended. error: None where it ended well; seconds: how long it took, on the function's clock."""

    result: Any
    error: BaseException | None
    seconds: float


class Environment:
    """Where one run at a time takes place, and what runs it. `number` counts cold starts; `process`: of isolation by process."""

    __slots__ = ("number", "process", "ready", "runtime")

    def __init__(self, number: int, runtime: Runtime) -> None:
        self.number = number
        self.runtime = runtime
        self.ready = False
        self.process: Any = None

    @property
    def stream(self) -> str:
        """The name of its log, as Lambda has one for each."""
        return f"[$LATEST]{self.number:032x}"


class Invocation:
    """A run that has its place among the function's concurrent ones. It is a job: `run`, or `arun` for an async handler.

    event: as the handler gets it, its own; ended: told once how it ended, in whatever thread notices it; lineage: of
    the event; given: the event again, where somebody records; messages: of a trigger's batch. deadline: FAR until the run
    begins. killed: its end was brought about, so what comes of it is no late result. quiet: its error is raised by whoever
    waits, and not for the runner's report, too (two threads would write into its traceback). client: what the caller says
    of itself, for the context.
    """

    __slots__ = (
        "awaits", "client", "deadline", "ended", "environment", "event", "function", "given", "killed", "lineage", "messages",
        "over", "quiet", "request_id", "started_at", "task",
    )  # fmt: skip

    environment: Environment  # from when it has its place

    def __init__(
        self,
        function: Function,
        event: Any,
        ended: Callable[[Outcome], object],
        request_id: str,
        lineage: Lineage = NO_LINEAGE,
    ) -> None:
        self.function = function
        self.event = event
        self.given: Any = None
        self.request_id = request_id
        self.ended = ended
        self.awaits: bool = function.awaits
        self.over = False
        self.killed = False
        self.quiet = False
        self.client: Any = None
        self.messages: Sequence[Message[Any]] = ()
        self.task: Any = None
        self.lineage = after(lineage, function.mark)
        self.started_at = function.clock.now()
        self.deadline = FAR

    def __str__(self) -> str:
        return f"function {self.function.name!r}, request {self.request_id}"

    @property
    def handles(self) -> str:
        """Of what the handler is at work."""
        return self.request_id

    @property
    def context(self) -> Context:
        """What the handler is told of it."""
        function = self.function
        return Context(
            function.name,
            function.arn,
            function.memory,
            self.request_id,
            self.environment.stream,
            function.clock.now,
            self.deadline,
            self.client,
        )

    def started(self) -> None:
        """From now on its time runs."""
        self.started_at = self.function.clock.now()
        self.deadline = self.started_at + self.function._timeout

    # -- the runner's job ----------------------------------------------------------------------------------------

    def run(self) -> None:
        """The handler, in this thread. What it raises is told to `ended`, and raised again for the runner's report."""
        if self.over:
            return
        self._begin()
        token, work, me = LINEAGE.set(self.lineage), WORK.set(self), os.getpid()
        try:
            result = self._result()
        except BaseException as error:
            stay(me, self.function.name)
            self._raised(error)
        else:
            stay(me, self.function.name)
            self._returned(result)
        finally:
            LINEAGE.reset(token)
            WORK.reset(work)

    async def arun(self) -> None:
        """The handler, in this task."""
        if self.over:
            return
        import asyncio

        self.task = asyncio.current_task()
        self._begin()
        token, work, me = LINEAGE.set(self.lineage), WORK.set(self), os.getpid()
        try:
            result = await self._aresult()
        except BaseException as error:
            stay(me, self.function.name)
            self._raised(error)
        else:
            stay(me, self.function.name)
            self._returned(result)
        finally:
            LINEAGE.reset(token)
            WORK.reset(work)

    def _result(self) -> Any:
        runtime, mishaps = self.environment.runtime, self.function._mishaps
        if mishaps is None:
            return runtime.run(self)
        return mishaps.run(self._case(), lambda handler: runtime.run(self))

    async def _aresult(self) -> Any:
        runtime, mishaps = self.environment.runtime, self.function._mishaps
        if mishaps is None:
            return await runtime.arun(self)
        return await mishaps.arun(self._case(), lambda handler: runtime.arun(self))

    def _begin(self) -> None:
        self.started()
        if self.function._reporter.observers:
            self.given = own_copy(self.event, self.function.name)  # for the calls: the handler may change its own
        watch(self.function, self.environment.runtime)

    def abandon(self) -> None:
        """The broker closes before it was begun."""
        self.finish(Outcome(None, BrokenOff(self.function.name), 0.0))

    def describe(self) -> str:
        return f"function {self.function.name!r}, request {self.request_id}"

    # -- its end -------------------------------------------------------------------------------------------------

    def _returned(self, result: Any) -> None:
        error: BaseException | None = None
        try:
            result = own_result(result, self.function.name)
        except ResultNotJSON as wrong:
            result, error = None, wrong
        self._finish_in_time(result, error)
        if error is not None and not self.quiet:
            raise error

    def _case(self) -> Case:
        """For the faults that may strike it: the first message of its batch, or the event."""
        from decouple.mishaps import Case, note

        def tell(reason: str) -> None:
            for message in self.messages:
                note(message, reason, function=self.function.name)
            if not self.messages:
                self.function.tell("fault", id=self.request_id, reason=reason)

        def restarted(handler: object) -> None:
            self._end_environment()

        if self.messages:
            first = self.messages[0]
            return Case(first.record, first.id, first.times_received, tell, restarted)
        record = (json_text(self.event, ""), self.started_at, 0)
        return Case(record, self.request_id, 0, tell, restarted)

    def _end_environment(self) -> None:
        """By a fault: what takes place there from now on begins cold."""
        self.environment.ready = False
        process, self.environment.process = self.environment.process, None
        if process is not None:
            process.end()

    def _crashed(self, crash: Crash) -> None:
        """By a fault: the environment died, as Lambda says it."""
        self._end_environment()
        error = ProcessDied(self.function.name, status=KILLED, request_id=self.request_id)
        error.__cause__ = crash
        self._finish_in_time(None, error)

    def _raised(self, error: BaseException) -> None:
        if isinstance(error, Crash):
            self._crashed(error)
            return
        shown = presentable(error, self.function.name)
        self._finish_in_time(None, shown)
        if cancelled(error):
            raise error  # asyncio must see it
        if not self.quiet or interrupts(error):
            raise shown

    def _finish_in_time(self, result: Any, error: BaseException | None) -> None:
        """The handler has come to its end. On a VirtualClock nobody could look while it ran: only now."""
        now = self.function.clock.now()
        if now > self.deadline and self.function.settle(self, self._timed_out, late=False):
            self._tell(self._timed_out)
        self.finish(Outcome(result, error, (now - self.started_at) / 1e9))

    @property
    def _timed_out(self) -> Outcome:
        seconds = self.function.timeout
        error = FunctionTimedOut(self.function.name, seconds=seconds, request_id=self.request_id)
        return Outcome(None, error, seconds)

    def time_out(self) -> None:
        """It is past its deadline: end it, or abandon it."""
        self.break_off(self._timed_out)

    def break_off(self, outcome: Outcome) -> None:
        """End it from outside, unless it has ended."""
        if self.function.settle(self, outcome, late=False):
            self.environment.runtime.kill(self)
            self._tell(outcome)

    def finish(self, outcome: Outcome) -> None:
        """End it, unless it has ended: then this is late, and recorded as such."""
        if self.function.settle(self, outcome, late=not self.killed):
            self._tell(outcome)

    def _tell(self, outcome: Outcome) -> None:
        """With its lineage, so that the destinations of a loop of functions carry it on."""
        # In a context of its own, so that an interrupt does not leave the lineage with whoever waits for the end.
        copy_context().run(self._tell_here, outcome)

    def _tell_here(self, outcome: Outcome) -> None:
        LINEAGE.set(self.lineage)
        self.ended(outcome)


def presentable(error: BaseException, function: str) -> BaseException:
    """The handler's error as others may raise it, beginning in the handler: an exit must not end the program."""
    trace = user_frames(error.__traceback__)
    if isinstance(error, Exception) or interrupts(error):
        return error.with_traceback(trace)
    failed = FunctionFailed(function, error_type=type(error).__name__, text=str(error), stack=stack_of(error))
    failed.__cause__ = error
    return failed.with_traceback(trace)


def interrupts(error: BaseException) -> bool:
    """Whether it is a Ctrl-C, which comes to the main thread alone, rather than a handler's own doing."""
    return isinstance(error, KeyboardInterrupt) and threading.current_thread() is threading.main_thread()


def cancelled(error: BaseException) -> bool:
    if "asyncio" not in sys.modules:
        return False
    from asyncio import CancelledError

    return isinstance(error, CancelledError)


def stay(process: int, function: str) -> None:
    """End this process if it is the child of a handler that forked and let it return: its parent has the answer."""
    if os.getpid() != process:
        sentence = f"function {function!r}: its handler forked, and the child returned: end it with os._exit()\n"
        os.write(2, sentence.encode())
        os._exit(STRAYED)


def own_copy(event: Any, name: str) -> Any:
    """The event as the handler gets it: as if decoded from JSON, so that sender and handler share nothing."""
    try:
        return plain_copy(event)
    except (NotPlainError, RecursionError):
        return copied(json_text(event, f"an event of function {name!r} must be JSON"))


def own_result(result: Any, name: str) -> Any:
    """What the handler returned, as its caller gets it. Raises ResultNotJSON."""
    try:
        return plain_copy(result)
    except (NotPlainError, RecursionError):
        pass
    try:
        text = json_text(result, "")
    except (TypeError, ValueError) as error:
        raise ResultNotJSON(name, why=str(error).removeprefix(": ")) from None
    return copied(text)


def plain_copy(value: Any) -> Any:
    """The same as JSON there and back, in less time (small ones: 1 us for 9), for what JSON gives back as it was.

    Raises NotPlainError, RecursionError.
    """
    kind = value.__class__
    if kind in ATOMS or (kind is float and isfinite(value)):
        return value
    if kind is dict:
        if not all(key.__class__ is str for key in value):
            raise NotPlainError
        return {key: plain_copy(inner) for key, inner in value.items()}
    if kind is list:
        return [plain_copy(inner) for inner in value]
    raise NotPlainError


class NotPlainError(Exception):
    """There is something else than dict, list, str, int, float, bool and None, which JSON changes or refuses."""


def copied(text: str) -> Any:
    """A new object each time."""
    import json  # here, because most programs have no functions

    return json.loads(text)
