"""Function: a handler as Lambda runs it: with a timeout, a place among so many at a time, retries and destinations.

Calling a function calls its plain handler. `invoke` runs it as Lambda would and waits for the result; `send` hands the
event over and returns, and the broker's workers see to it (asynchronous.py). A trigger invokes it for a queue's batches.
"""

from __future__ import annotations

import itertools
import threading
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple, Unpack

from decouple.arns import ACCOUNT, REGION, arn_of
from decouple.callers import caller, handled
from decouple.calling import AsyncFunction, call_and_wait, result_of
from decouple.clock import Clock, Seconds, default_clock, random_bytes
from decouple.core.changes import Cause, Change
from decouple.core.deadlines import FAR
from decouple.core.histogram import Histogram
from decouple.core.settings import SECOND
from decouple.errors import BrokenOff, FunctionTimedOut, NeedsBroker, RecursionStopped, Throttled
from decouple.expecting.spying import Call, Calls
from decouple.function_settings import (
    COLD,
    FunctionSettings,
    GivenFunctionSettings,
    changed_settings,
    check_function_name,
    check_handler,
    in_words,
    read_function_settings,
)
from decouple.invocation import Environment, Invocation, Outcome
from decouple.lineage import LINEAGE, MOST_TURNS, NO_LINEAGE, TRACE, Lineage, mark_of, read_lineage
from decouple.mishaps.injecting import begun, suffer
from decouple.reporting import Observer, Reporter
from decouple.runtimes import Runtime, runtime_for

if TYPE_CHECKING:
    from decouple.keeping_events import KeptEvents
    from decouple.limits import Limit
    from decouple.mishaps.handlers import Mishaps
    from decouple.notification import Notification
    from decouple.runner import Runner
    from decouple.testing.faults import Injection

__all__ = ["Function", "FunctionStats"]


class FunctionStats(NamedTuple):
    """A function's numbers; durations in seconds, None before the first.

    invocations = those that ended well + errors + timeouts + running; throttles: refused for want of room; late: results
    that came after the timeout, discarded; pending: events of `send` not seen through yet.
    """

    invocations: int
    errors: int
    timeouts: int
    throttles: int
    late: int
    running: int
    peak: int
    cold_starts: int
    warm_starts: int
    pending: int
    p50: float | None
    p90: float | None
    p99: float | None
    longest: float | None


class Function:
    """A handler, `def` or `async def`, called with (event, context) as on Lambda.

    timeout: 1 to 900 s by AWS, here any over 0 (3); memory: MB, what the context tells, enforced with isolation="process"
    (128); concurrency: at most so many runs at a time, 0 = none, None = no limit of its own; retries: of `send` after an
    error, 0 to 2; max_age: seconds after which an event of `send` is given up, 60 to 21,600; on_success, on_failure: a
    Queue, Topic, Function or callable for the record of how it ended; dead_letter: a Queue or Topic for the event itself;
    isolation: "thread", "task" (an async handler's, cancelled at the timeout) or "process" (killed at the timeout, and at
    more memory than `memory`); on_init: called at each cold start; recursion: "stop" begins no run to which 16 runs of this
    function led, one after the other, "allow" does. Source: Lambda developer guide.
    """

    def __init__(
        self,
        handler: Callable[..., Any],
        *,
        name: str | None = None,
        timeout: Seconds = 3,
        memory: int = 128,
        concurrency: int | None = None,
        retries: int = 2,
        max_age: Seconds = 21_600,
        on_success: Any = None,
        on_failure: Any = None,
        dead_letter: Any = None,
        isolation: str | None = None,
        on_init: Callable[[], object] | None = None,
        recursion: str = "stop",
        clock: Clock | None = None,
    ) -> None:
        self.handler: Callable[..., Any] = check_handler(handler)
        self.name = check_function_name(getattr(handler, "__name__", "") if name is None else name)
        self.mark = mark_of(self.name)
        self.clock: Clock = clock or default_clock()
        given = {
            "timeout": timeout,
            "memory": memory,
            "concurrency": concurrency,
            "retries": retries,
            "max_age": max_age,
            "on_success": on_success,
            "on_failure": on_failure,
            "dead_letter": dead_letter,
            "isolation": isolation,
            "on_init": on_init,
            "recursion": recursion,
        }
        self._settings: FunctionSettings = read_function_settings(handler, given)
        self._timeout = self._settings.timeout
        self._runtime: Runtime = runtime_for(self.name, handler, self._settings)
        self.awaits: bool = self._runtime.awaits
        self._in_tasks: bool = self.awaits  # whether a run is a job that awaits
        self._mishaps: Mishaps | None = None
        self._faults: Injection | None = None
        self._lock = threading.Lock()
        self._runner: Runner | None = None
        self._limit: Limit | None = None
        self._idle: list[Environment] = []
        self._watching = False
        self._bell = threading.Lock()
        self._waiting: deque[Callable[[], object]] = deque()
        self._stem = random_bytes(8).hex()
        self._numbers = itertools.count(1)
        self._live: dict[Invocation, None] = {}
        self._durations = Histogram()
        self._calls = Calls(f"function {self.name}")
        self._ended = self._errors = self._timeouts = self._throttles = self._late = 0
        self._peak = self._cold = self._warm = self._pending = 0
        self._log: deque[Change] = deque()
        self._reporter = Reporter(self._log, threading.Lock())
        suffer(self, begun(None, self.clock, None, ambient=clock is None))

    def __repr__(self) -> str:
        return f"<Function {self.name!r}: {len(self._live)} running>"

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        """The plain handler."""
        return self.handler(*arguments, **named)

    # -- settings ------------------------------------------------------------------------------------------------

    _kept: KeptEvents | None = None  # where its events outlive the process
    _account: str = ACCOUNT
    _region: str = REGION

    @property
    def arn(self) -> str:
        """Its Amazon resource name: arn:aws:lambda:us-east-1:000000000000:function:resize."""
        return arn_of("lambda", f"function:{self.name}", account=self._account, region=self._region)

    @property
    def timeout(self) -> float:
        """Seconds after which a run is ended or abandoned."""
        return self._timeout / SECOND

    @property
    def memory(self) -> int:
        """MB."""
        return self._settings.memory

    @property
    def settings(self) -> dict[str, Any]:
        """Its settings by name as Function takes them, times in seconds; a copy."""
        return in_words(self._settings)

    def configure(
        self, handler: Callable[..., Any] | None = None, /, **settings: Unpack[GivenFunctionSettings]
    ) -> None:
        """Change a live function, also what it runs. Raises TypeError, ValueError; then nothing is changed.

        Runs under way end as they began. Another handler, memory, isolation or on_init is begun cold. A plain function
        stays plain, an async one async. Source: Lambda API, UpdateFunctionCode and UpdateFunctionConfiguration.
        """
        handler = check_handler(self.handler if handler is None else handler)
        read = read_function_settings(handler, changed_settings(self, handler, settings))
        cold = handler is not self.handler or any(getattr(self._settings, one) != getattr(read, one) for one in COLD)
        runtime = runtime_for(self.name, handler, read) if cold else self._runtime
        if runtime.awaits != self.awaits:
            raise ValueError(f"function {self.name!r} stays {'async' if self.awaits else 'plain'}: declare another one")
        with self._lock:
            self.handler, self._settings, self._timeout, self._runtime = handler, read, read.timeout, runtime
            idle, self._idle = self._idle, [] if cold else self._idle
        suffer(self, self._faults)
        del idle  # not under the lock: the processes of what was kept warm end here
        self.wake()

    # -- running -------------------------------------------------------------------------------------------------

    def invoke(self, event: Any = None) -> Any:
        """Run it now and wait: what the handler returns, as JSON decodes it. Raises what the handler raises, with its traceback.

        event: what JSON holds; the handler gets a copy of its own. On real time the handler runs in a worker's thread, or
        on the loop if it is async; on a VirtualClock here, and the timeout is looked at afterwards. An exit or another
        error that is no Exception is raised as FunctionFailed. Raises TypeError, ValueError, FunctionTimedOut, Throttled,
        ResultNotJSON, RecursionStopped, BrokenOff; in a process ProcessDied, FunctionOutOfMemory, and FunctionFailed for an error
        whose class cannot be had here. Source: Lambda API, Invoke, RequestResponse.
        """
        return result_of(call_and_wait(self, event))

    def attempt(
        self, event: Any = None, *, request_id: str | None = None, client_context: Mapping[str, Any] | None = None
    ) -> Outcome:
        """Run it now and wait, as invoke does: how it ended, also where it failed.

        request_id, client_context: for the handler's context. Raises what kept it from being begun, as invoke does.
        """
        return call_and_wait(self, event, request_id, client_context)

    @property
    def aio(self) -> AsyncFunction:
        """`await function.aio.invoke(event)`: the same for a task, which does not block its loop."""
        return AsyncFunction(self)

    def begin(
        self,
        event: Any,
        ended: Callable[[Outcome], object],
        request_id: str | None = None,
        lineage: Lineage = NO_LINEAGE,
    ) -> Invocation:
        """Take a place among the concurrent runs: the job that is to be done in it.

        event: the handler's own, as JSON decodes it; ended: called once, with the outcome; lineage: of the event.
        Raises Throttled, RecursionStopped, BrokenOff.
        """
        invocation = Invocation(self, event, ended, request_id or self.new_request_id(), lineage)
        self.admit(invocation)
        return invocation

    def admit(self, invocation: Invocation) -> None:
        """Give it a place, if there is room. Raises Throttled, RecursionStopped, BrokenOff."""
        if self._runner is not None and self._runner._backlog.closed:
            raise BrokenOff(self.name)
        if self.loops(invocation.lineage[self.mark]):
            raise RecursionStopped(self.name, turns=MOST_TURNS)
        most = self._settings.concurrency
        with self._lock:
            full = most is not None and len(self._live) >= most
            if full or (self._limit is not None and not self._limit.take(invocation)):
                self._throttles += 1
                limit = most if full or self._limit is None else self._limit.most
                raise Throttled(self.name, running=len(self._live), limit=limit or 0)
            self._place(invocation)
            self._live[invocation] = None  # commit: an interrupt before it leaves nothing that is not given back
            self._peak = max(self._peak, len(self._live))

    def give_back(self, invocation: Invocation, error: BaseException) -> None:
        """Its caller was interrupted, or there is no room: what was taken is given back, and a run under way abandoned."""
        seconds = (self.clock.now() - invocation.started_at) / SECOND
        invocation.break_off(Outcome(None, error, seconds))
        if self._limit is not None:
            self._limit.give(invocation)

    def loops(self, turn: int) -> bool:
        """Whether a run that is this turn of its lineage is not to be begun."""
        return turn > MOST_TURNS and self._settings.recursion == "stop"

    def _place(self, invocation: Invocation) -> None:
        """Under the lock: the environment used last, which is warm; or a new one, cold."""
        while self._idle:
            environment = self._idle[-1]
            usable = self._runtime.usable(environment)
            if usable:
                invocation.environment = environment
            del self._idle[-1]
            if usable:
                self._warm += 1
                return
        self._cold += 1
        invocation.environment = Environment(self._cold, self._runtime)

    def warm_up(self, environment: Environment) -> None:
        """Once for each environment, where it runs: `on_init`."""
        if not environment.ready and self._settings.on_init is not None:
            self._settings.on_init()
        environment.ready = True

    def new_request_id(self) -> str:
        stem = self._stem
        return f"{stem[:8]}-{stem[8:12]}-4{stem[12:15]}-8{stem[13:16]}-{next(self._numbers):012x}"

    def _look(self) -> int:
        """End the runs that are past their deadlines; when the next one will be."""
        now = self.clock.now()
        with self._lock:
            late = [one for one in self._live if one.deadline <= now]
            until = min((one.deadline for one in self._live if one.deadline > now), default=FAR)
            self._watching = until < FAR
        for invocation in late:
            try:
                invocation.time_out()
            except Exception:
                import logging  # here, because most programs never need it

                logging.getLogger("decouple").exception("%s timed out, and to tell so failed", invocation.describe())
        return until

    def settle(self, invocation: Invocation, outcome: Outcome, *, late: bool) -> bool:
        """A run has ended this way; False if it had ended before. late: by the handler itself, so then this is a late result."""
        with self._lock:
            first = invocation in self._live
            if first:
                del self._live[invocation]  # commit
                invocation.over = True
                self._count(invocation, outcome, late)
            else:
                self._late += late and invocation.over
        if first:
            self._make_room(invocation)
            if self._reporter.observers:
                self._calls.keep_run(invocation, outcome)
            self._tell_end(invocation, outcome.error)
        elif late and invocation.over:
            self.tell("late result", id=invocation.request_id, reason=f"{self.timeout:g} s were over")
        return first

    def _count(self, invocation: Invocation, outcome: Outcome, in_order: bool) -> None:
        """Under the lock. An environment in which something may still go on is not used again."""
        error = outcome.error
        timed_out = isinstance(error, FunctionTimedOut) and error.request_id == invocation.request_id
        self._ended += 1
        self._timeouts += timed_out
        self._errors += error is not None and not timed_out
        self._durations.add(round(outcome.seconds * SECOND))
        if in_order and invocation.environment.ready and invocation.environment.runtime is self._runtime:
            self._idle.append(invocation.environment)

    def _make_room(self, invocation: Invocation) -> None:
        if self._limit is not None:
            self._limit.give(invocation)
        if self._waiting:
            self.wake()

    def _tell_end(self, invocation: Invocation, error: BaseException | None) -> None:
        if self._reporter.observers:
            cause: Cause = "invoked" if error is None else "invocation failed"
            reason = None if error is None else f"{type(error).__name__}: {error}"[:500]
            self.tell(cause, id=invocation.request_id, reason=reason)

    def when_free(self, call: Callable[[], object]) -> None:
        """Call it, in whatever thread, when there may be room for another run; for those who met Throttled."""
        self._waiting.append(call)
        if self._limit is not None:
            self._limit.waiting[self] = None
        self.wake()  # a run may have ended meanwhile

    def wake(self) -> None:
        """Call those who wait, if there is room."""
        most = self._settings.concurrency
        if self._limit is not None and self._limit.full:
            if self._waiting:
                self._limit.waiting[self] = None
            return
        if most is None or len(self._live) < most:
            for _ in range(len(self._waiting)):
                with suppress(IndexError):
                    self._waiting.popleft()()

    # -- events that are seen to later ---------------------------------------------------------------------------

    def send(self, event: Any = None, *, request_id: str | None = None) -> str:
        """Hand an event over: its request id, new unless given. As durable as queues are; run at least once.

        An error is retried after one minute and then two, at most `retries` times; for want of room it is tried for up to
        max_age. Raises TypeError, ValueError, NeedsBroker. Source: Lambda API, Invoke, Event.
        """
        return self._send(event, LINEAGE.get(), request_id)

    def _send(self, event: Any, lineage: Lineage, request_id: str | None = None) -> str:
        if self._runner is None:
            raise NeedsBroker(f"an event for function {self.name!r}")
        from decouple.asynchronous import accept  # here, because not every function is sent events

        return accept(self, self._runner, event, lineage, request_id or self.new_request_id())

    def deliver(self, notification: Notification) -> str:
        """Take a notification of a topic it is subscribed to, as Lambda does from SNS: an event of one record, sent.

        Raises NeedsBroker. Source: Lambda developer guide, "Invoking Lambda functions with Amazon SNS notifications".
        """
        from decouple.lambda_records import topic_record  # here, because few functions are subscribed

        # The context is that of whoever began to push: the lineage came with the notification.
        lineage = read_lineage(notification.system.get(TRACE))
        return self._send({"Records": [topic_record(notification)]}, lineage)

    # -- looking -------------------------------------------------------------------------------------------------

    @property
    def calls(self) -> list[Call]:
        """The newest runs that have ended, as many as the broker keeps changes, oldest first; see Consumer.calls."""
        return self._calls.so_far(self._reporter.observers)

    def stats(self) -> FunctionStats:
        """Its numbers now."""
        with self._lock:
            shares = [self._durations.percentile(share) for share in (0.5, 0.9, 0.99, 1.0)]
            p50, p90, p99, longest = (None if one is None else one / SECOND for one in shares)
            return FunctionStats(
                invocations=self._ended + len(self._live),
                errors=self._errors,
                timeouts=self._timeouts,
                throttles=self._throttles,
                late=self._late,
                running=len(self._live),
                peak=self._peak,
                cold_starts=self._cold,
                warm_starts=self._warm,
                pending=self._pending,
                p50=p50,
                p90=p90,
                p99=p99,
                longest=longest,
            )

    def close(self) -> None:
        """Let go of what was kept warm."""
        with self._lock:
            self._idle.clear()
        self._runtime.close()
        with suppress(RuntimeError):  # rung already
            self._bell.release()

    def _employ(self, runner: Runner, limit: Limit | None, observers: tuple[Observer, ...]) -> None:
        self._runner, self._limit = runner, limit
        self._reporter.observers = observers

    def tell(self, cause: Cause, **more: Any) -> None:
        """Record what happened."""
        if self._reporter.observers:
            at, who = self.clock.now() + self.clock.epoch, caller()
            if cause == "event accepted":
                more["during"] = handled()
            self._log.append(Change(cause, "", at, function=self.name, who=who, **more))
            self._reporter.report()
