"""Function: a handler as Lambda runs it: with a timeout, a place among so many at a time, retries and destinations.

Calling a function calls its plain handler. `invoke` runs it as Lambda would and waits for the result; `send` hands the
event over and returns, and the broker's workers see to it (asynchronous.py). A trigger invokes it for a queue's batches.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from decouple.arns import ACCOUNT, REGION, arn_of
from decouple.calls import is_async
from decouple.clock import Clock, Seconds, SystemClock, VirtualClock
from decouple.core.changes import Cause, Change
from decouple.core.deadlines import FAR
from decouple.core.histogram import Histogram
from decouple.core.settings import SECOND
from decouple.errors import FunctionTimedOut, NeedsBroker, Throttled
from decouple.function_settings import FunctionSettings, check_function_name, read_function_settings
from decouple.invocation import Environment, Invocation, Outcome, own_copy
from decouple.reporting import Observer, Reporter
from decouple.runtimes import Runtime, Tasks, Threads
from decouple.tasks import here_or_elsewhere

if TYPE_CHECKING:
    from decouple.limits import Limit
    from decouple.runner import Runner

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
    isolation: "thread", "task" (an async handler's, cancelled at the timeout) or "process"; on_init: called at each cold
    start. Source: Lambda developer guide.
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
        clock: Clock | None = None,
    ) -> None:
        if not callable(handler):
            raise TypeError(f"a function's handler must be callable with (event, context), not {handler!r:.80}")
        self.handler = handler
        self.name = check_function_name(getattr(handler, "__name__", "") if name is None else name)
        self.clock: Clock = clock or SystemClock()
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
        }
        self._settings: FunctionSettings = read_function_settings(self, given, is_async(handler))
        self._timeout = self._settings.timeout
        self._runtime: Runtime = self._make_runtime()
        self.awaits: bool = self._runtime.awaits
        self._lock = threading.Lock()
        self._runner: Runner | None = None
        self._limit: Limit | None = None
        self._idle: list[Environment] = []
        self._watched: deque[Invocation] = deque()
        self._watching = False
        self._waiting: deque[Callable[[], object]] = deque()
        self._stem = os.urandom(8).hex()
        self._numbers = 0
        self._durations = Histogram()
        self._ended = self._errors = self._timeouts = self._throttles = self._late = 0
        self._running = self._peak = self._cold = self._warm = 0
        self._pending = 0
        self._log: deque[Change] = deque()
        self._reporter = Reporter(self._log, threading.Lock())

    def __repr__(self) -> str:
        return f"<Function {self.name!r}: {self._running} running>"

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        """The plain handler."""
        return self.handler(*arguments, **named)

    def _make_runtime(self) -> Runtime:
        if self._settings.isolation == "task":
            return Tasks()
        if self._settings.isolation == "thread":
            return Threads()
        from decouple.processes import Processes  # here, because few functions have processes of their own

        return Processes(self)

    # -- settings ------------------------------------------------------------------------------------------------

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

    # -- running -------------------------------------------------------------------------------------------------

    def invoke(self, event: Any = None) -> Any:
        """Run it now and wait: what the handler returns. Raises what the handler raises, with its traceback.

        event: what JSON holds; the handler gets a copy of its own. On real time the handler runs in a worker's thread, or
        on the loop if it is async; on a VirtualClock here, and the timeout is looked at afterwards. Raises TypeError,
        ValueError, FunctionTimedOut, Throttled. Source: Lambda API, Invoke, RequestResponse.
        """
        outcomes: list[Outcome] = []
        waiter = Answered(f"invoke waits for function {self.name!r}")

        def ended(outcome: Outcome) -> None:
            outcomes.append(outcome)
            waiter.wake()

        invocation = self.begin(own_copy(event, self.name), ended)
        if isinstance(self.clock, VirtualClock):
            run_here(invocation)
        else:
            self._run_elsewhere(invocation)
            while not waiter.done and self.clock.now() < invocation.deadline:
                self.clock.sleep(waiter, invocation.deadline)
            invocation.time_out()
        return result_of(outcomes[0])

    def _run_elsewhere(self, invocation: Invocation) -> None:
        if self._runner is not None and self._runner.started:
            self._runner.put(invocation)
            return
        threading.Thread(target=run_here, args=(invocation,), name=f"decouple-{self.name}", daemon=True).start()

    def begin(self, event: Any, ended: Callable[[Outcome], object], request_id: str | None = None) -> Invocation:
        """Take a place among the concurrent runs: the job that is to be done in it. Raises Throttled.

        event: the handler's own, as JSON decodes it; ended: called once, with the outcome.
        """
        most = self._settings.concurrency
        with self._lock:
            full = most is not None and self._running >= most
            if full or (self._limit is not None and not self._limit.take()):
                self._throttles += 1
                limit = most if full or self._limit is None else self._limit.most
                raise Throttled(self.name, running=self._running, limit=limit or 0)
            self._running += 1
            self._numbers += 1
            self._peak = max(self._peak, self._running)
            environment = self._environment()
            number = self._numbers
            identity = request_id or self._request_id(number)
            invocation = Invocation(self, event, environment, number, identity, ended)
            watch = self._watch(invocation)
        if watch and self._runner is not None:
            self._runner.put(Watch(self), invocation.deadline)
        return invocation

    def _environment(self) -> Environment:
        """Under the lock: the environment used last, which is warm; or a new one, cold."""
        if self._idle:
            self._warm += 1
            return self._idle.pop()
        self._cold += 1
        return Environment(self._cold)

    def warm_up(self, environment: Environment) -> None:
        """Once for each environment, where it runs: `on_init`."""
        if not environment.ready:
            if self._settings.on_init is not None:
                self._settings.on_init()
            environment.ready = True

    def _request_id(self, number: int) -> str:
        stem = self._stem
        return f"{stem[:8]}-{stem[8:12]}-4{stem[12:15]}-8{stem[13:16]}-{number:012x}"

    def _watch(self, invocation: Invocation) -> bool:
        """Under the lock: keep an eye on its deadline; whether a job must be put for that."""
        if self._runner is None or isinstance(self.clock, VirtualClock):
            return False  # nobody could look while it runs
        self._watched.append(invocation)
        watch, self._watching = not self._watching, True
        return watch

    def look(self) -> None:
        """End the runs that are past their deadlines, and look again at the next one."""
        now = self.clock.now()
        late: list[Invocation] = []
        with self._lock:
            while self._watched and (self._watched[0].over or self._watched[0].deadline <= now):
                late.append(self._watched.popleft())
            next_at = self._watched[0].deadline if self._watched else FAR
            self._watching = bool(self._watched)
        if next_at < FAR and self._runner is not None:
            self._runner.put(Watch(self), next_at)
        for invocation in late:
            if not invocation.over:
                invocation.time_out()

    def _settle(self, invocation: Invocation, outcome: Outcome) -> bool:
        """A run has ended this way; False if it had ended before, and this is late."""
        timed_out = isinstance(outcome.error, FunctionTimedOut)
        with self._lock:
            if invocation.over:
                if timed_out:
                    return False
                self._late += 1
                late = True
            else:
                late = False
                invocation.over = True
                self._running -= 1
                self._ended += 1
                self._timeouts += timed_out
                self._errors += outcome.error is not None and not timed_out
                self._durations.add(round(outcome.seconds * SECOND))
                if not timed_out and invocation.environment.ready:
                    self._idle.append(invocation.environment)
                waiting = self._waiting.popleft() if self._waiting else None
        if late:
            self.tell("late result", id=invocation.request_id, reason=f"{self.timeout:g} s were over")
            return False
        if self._limit is not None:
            self._limit.give()
        if waiting is not None:
            waiting()
        error = outcome.error
        cause: Cause = "invoked" if error is None else "invocation failed"
        reason = None if error is None else f"{type(error).__name__}: {error}"[:500]
        self.tell(cause, id=invocation.request_id, reason=reason)
        return True

    def when_free(self, call: Callable[[], object]) -> None:
        """Call it, in whatever thread, when a run has ended; for those who met Throttled."""
        with self._lock:
            self._waiting.append(call)

    # -- events that are seen to later ---------------------------------------------------------------------------

    def send(self, event: Any = None) -> str:
        """Hand an event over: its request id. At least once, retried after errors, then to the destinations.

        An error is retried after one minute and then two, at most `retries` times; for want of room it is tried for up to
        max_age. Raises TypeError, ValueError, NeedsBroker. Source: Lambda API, Invoke, Event.
        """
        if self._runner is None:
            raise NeedsBroker(f"an event for function {self.name!r}")
        from decouple.asynchronous import accept  # here, because not every function is sent events

        return accept(self, self._runner, event)

    # -- looking -------------------------------------------------------------------------------------------------

    def stats(self) -> FunctionStats:
        """Its numbers now."""
        with self._lock:
            shares = [self._durations.percentile(share) for share in (0.5, 0.9, 0.99, 1.0)]
            p50, p90, p99, longest = (None if one is None else one / SECOND for one in shares)
            return FunctionStats(
                invocations=self._ended + self._running,
                errors=self._errors,
                timeouts=self._timeouts,
                throttles=self._throttles,
                late=self._late,
                running=self._running,
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
        self._runtime.close()

    def _employ(self, runner: Runner, limit: Limit | None, observers: tuple[Observer, ...]) -> None:
        self._runner = runner
        self._limit = limit
        self._reporter.observers = observers

    def tell(self, cause: Cause, **more: Any) -> None:
        """Record what happened."""
        if not self._reporter.observers:
            return
        at = self.clock.now() + self.clock.epoch
        self._log.append(Change(cause=cause, queue="", at=at, function=self.name, **more))
        self._reporter.report()


class Watch:
    """The runner's job at the deadline of a run."""

    awaits = False

    def __init__(self, function: Function) -> None:
        self.function = function

    def run(self) -> None:
        self.function.look()

    async def arun(self) -> None:
        self.run()

    def abandon(self) -> None:
        """The broker closes, and with it ends the patience."""

    def describe(self) -> str:
        return f"the timeout of function {self.function.name!r}"


class Answered:
    """A caller that waits for an answer: blocked on a lock that is released once."""

    __slots__ = ("_gate", "_what", "done")

    def __init__(self, what: str) -> None:
        self._what = what
        self.done = False
        self._gate = threading.Lock()
        self._gate.acquire()

    def block(self, seconds: float) -> bool:
        return self._gate.acquire(timeout=seconds)

    def wake(self) -> None:
        self.done = True
        self._gate.release()

    def describe(self) -> str:
        return self._what


def run_here(invocation: Invocation) -> None:
    """Run it in this thread; what the handler raises is in its outcome."""
    try:
        if invocation.awaits:
            import asyncio

            here_or_elsewhere(lambda: asyncio.run(invocation.arun()))
        else:
            invocation.run()
    except Exception:
        pass  # the outcome has it


def result_of(outcome: Outcome) -> Any:
    """The result, or the error raised."""
    if outcome.error is not None:
        raise outcome.error
    return outcome.result
