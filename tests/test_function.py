"""Function: a handler run as Lambda runs it, for a caller who waits."""

from __future__ import annotations

import asyncio
import gc
import os
import re
import signal
import sys
import threading
import time
import traceback
import weakref
from collections.abc import Callable, Iterator
from contextlib import suppress
from contextvars import ContextVar
from typing import Any

import pytest
from test_interrupts import Tracer, interrupt

from decouple import Broker
from decouple.errors import (
    BrokenOff,
    DecoupleError,
    FunctionExists,
    FunctionFailed,
    FunctionNotFound,
    FunctionTimedOut,
    InvalidName,
    NeedsBroker,
    RecursionStopped,
    ResultNotJSON,
    Throttled,
)
from decouple.function import Function
from decouple.invocation import Outcome
from decouple.lineage import LINEAGE
from decouple.testing import Ledger, VirtualClock

needs_signals = pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="needs signals to one thread")


def echo(event: Any, context: Any) -> Any:
    return event


async def echo_async(event: Any, context: Any) -> Any:
    await asyncio.sleep(0)
    return event


@pytest.fixture
def real() -> Iterator[Broker]:
    """A broker whose threads are at work, on real time."""
    with Broker() as broker:
        yield broker


def until(condition: Callable[[], bool], seconds: float = 5) -> None:
    """Look again and again, for at most so many real seconds."""
    end, pause = time.monotonic() + seconds, threading.Event()
    while not condition():
        assert time.monotonic() < end, "it did not come true"
        pause.wait(0.001)


def begin(function: Function, event: Any = None) -> tuple[Any, list[Outcome]]:
    """A run that has its place and is not begun, and where its outcome will be."""
    outcomes: list[Outcome] = []
    return function.begin(event, outcomes.append), outcomes


# -- declaring ---------------------------------------------------------------------------------------------------------


def test_a_function_is_declared_by_a_bare_decorator_by_one_with_settings_and_by_a_call(broker: Broker) -> None:
    @broker.function
    def first(event: Any, context: Any) -> Any:
        return "first"

    @broker.function(timeout=10, name="2nd")
    def second(event: Any, context: Any) -> Any:
        return "second"

    third = broker.function(echo, timeout=7)

    assert [function.name for function in (first, second, third)] == ["first", "2nd", "echo"]
    assert [function.timeout for function in (first, second, third)] == [3, 10, 7]
    assert dict(broker.functions) == {"first": first, "2nd": second, "echo": third}


def test_calling_a_function_is_calling_the_plain_handler(broker: Broker) -> None:
    shared = {"a": 1}

    function = broker.function(echo)

    assert function(shared, None) is shared
    assert function.stats().invocations == 0


def test_the_same_handler_declared_again_is_the_same_function(broker: Broker) -> None:
    function = broker.function(echo, timeout=5)

    assert broker.function(echo) is function
    assert broker.function(echo, timeout=5.0) is function


def test_another_setting_or_another_handler_under_the_name_is_an_error_that_says_which(broker: Broker) -> None:
    broker.function(echo, timeout=5)

    with pytest.raises(FunctionExists, match="timeout="):
        broker.function(echo, timeout=6)
    with pytest.raises(FunctionExists, match="handler="):
        broker.function(echo_async, name="echo")


def test_a_deleted_function_frees_its_name_and_is_deleted_once(broker: Broker) -> None:
    function = broker.function(echo)

    broker.delete(function)

    assert dict(broker.functions) == {}
    with pytest.raises(FunctionNotFound):
        broker.delete(function)
    assert broker.function(echo_async, name="echo") is not function


def test_a_closed_broker_declares_no_function(clock: VirtualClock) -> None:
    with Broker(clock=clock) as broker:
        pass

    with pytest.raises(DecoupleError, match="the broker is closed"):
        broker.function(echo)


@pytest.mark.parametrize("name", ["", "a b", "ä", "x" * 65, "a.b", None, 7])
def test_a_name_that_lambda_would_refuse_is_refused(name: Any) -> None:
    handler = type("Nameless", (), {"__call__": lambda self, event, context: None})()

    with pytest.raises(InvalidName, match="name="):
        Function(handler, name=name)


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"timeout": 0}, ValueError, "timeout"),
        ({"timeout": "3"}, TypeError, "timeout"),
        ({"timeout": float("nan")}, ValueError, "timeout"),
        ({"memory": 127}, ValueError, "128 to 10,240"),
        ({"memory": 128.0}, TypeError, "memory"),
        ({"concurrency": -1}, ValueError, "concurrency"),
        ({"concurrency": True}, TypeError, "concurrency"),
        ({"retries": 3}, ValueError, "0 to 2"),
        ({"retries": None}, TypeError, "retries"),
        ({"max_age": 59}, ValueError, "60 to 21,600"),
        ({"max_age": 21_601}, ValueError, "60 to 21,600"),
        ({"isolation": "fork"}, ValueError, "'thread', 'task', 'process'"),
        ({"isolation": "task"}, ValueError, "async def"),
        ({"on_init": 3}, TypeError, "on_init"),
        ({"on_success": 3}, TypeError, "on_success must be a Queue"),
        ({"on_failure": echo_async}, TypeError, "plain def"),
        ({"dead_letter": print}, TypeError, "on_failure takes callables"),
        ({"recursion": "never"}, ValueError, "'stop' or 'allow'"),
    ],
)
def test_a_wrong_setting_is_refused_with_what_it_may_be(
    settings: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=re.escape(words)):
        Function(echo, **settings)


def test_a_handler_must_be_callable_and_an_async_one_runs_as_a_task() -> None:
    with pytest.raises(TypeError, match="callable"):
        Function("echo")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="leave isolation='thread' out"):
        Function(echo_async, isolation="thread")


@pytest.mark.parametrize("name", ["on_success", "on_failure", "dead_letter"])
def test_a_fifo_queue_or_topic_is_no_destination(broker: Broker, name: str) -> None:
    """Lambda: FIFO targets are not supported."""
    for target in (broker.queue("q.fifo"), broker.topic("t.fifo")):
        with pytest.raises(ValueError, match="must be a standard queue or topic"):
            Function(echo, **{name: target})


# -- invoke ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("handler", [echo, echo_async])
def test_invoke_returns_what_the_handler_returns(broker: Broker, real: Broker, handler: Any) -> None:
    for function in (Function(handler), broker.function(handler), real.function(handler)):
        assert function.invoke({"id": 7}) == {"id": 7}
        assert function.invoke() is None


@pytest.mark.parametrize("handler", [echo, echo_async])
def test_a_task_invokes_without_blocking_its_loop(broker: Broker, real: Broker, handler: Any) -> None:
    async def main() -> list[Any]:
        functions = [Function(handler), broker.function(handler), real.function(handler)]
        return await asyncio.gather(*(function.aio.invoke([number]) for number, function in enumerate(functions)))

    assert asyncio.run(main()) == [[0], [1], [2]]


def test_the_handler_has_a_copy_of_its_own_of_the_event_and_the_caller_one_of_the_result(broker: Broker) -> None:
    kept: list[Any] = []

    @broker.function
    def keep(event: Any, context: Any) -> Any:
        event["list"].append(2)
        kept.append(event)
        return event

    event = {"list": [1]}
    result = keep.invoke(event)
    result["list"].append(3)

    assert event == {"list": [1]}
    assert kept == [{"list": [1, 2]}]


@pytest.mark.parametrize("event", [{1}, b"x", {1: 2}, float("nan"), object()])
def test_an_event_that_json_cannot_hold_is_refused(broker: Broker, event: Any) -> None:
    function = broker.function(echo)

    with pytest.raises((TypeError, ValueError), match="an event of function 'echo' must be JSON"):
        function.invoke(event)
    assert function.stats().invocations == 0


@pytest.mark.parametrize("handler", [lambda event, context: {1}, lambda event, context: iter([])])
def test_a_result_that_json_cannot_hold_is_one_clear_error(broker: Broker, handler: Any) -> None:
    """Lambda: Runtime.MarshalError."""
    function = broker.function(handler, name="odd")

    with pytest.raises(ResultNotJSON, match=r"function 'odd' must return what JSON holds: .* is not JSON serializable"):
        function.invoke()
    assert (function.stats().errors, function.stats().running) == (1, 0)


def test_a_result_that_holds_itself_is_one_clear_error(broker: Broker) -> None:
    endless: list[Any] = []
    endless.append(endless)

    with pytest.raises(ResultNotJSON, match="holds itself"):
        broker.function(lambda event, context: endless, name="endless").invoke()


def test_a_coroutine_from_a_plain_def_is_one_clear_error_and_no_warning(broker: Broker) -> None:
    function = broker.function(lambda event, context: echo_async(event, context), name="odd")

    with pytest.raises(TypeError, match="declare it async def"):
        function.invoke()


@pytest.mark.parametrize("where", ["virtual", "real"])
def test_invoke_raises_the_handlers_error_and_its_traceback_goes_on_in_the_handler(
    broker: Broker, real: Broker, where: str
) -> None:
    def fail(event: Any, context: Any) -> Any:
        raise LookupError(event)

    function = {"virtual": broker, "real": real}[where].function(fail)

    with pytest.raises(LookupError) as caught:
        function.invoke(7)

    frames = [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
    assert frames[0] == test_invoke_raises_the_handlers_error_and_its_traceback_goes_on_in_the_handler.__name__
    assert frames[-2:] == ["result_of", "fail"]


def test_an_exit_in_a_handler_ends_the_run_and_not_the_program(broker: Broker, real: Broker) -> None:
    """Lambda: Runtime.ExitError."""
    for function in (
        broker.function(lambda event, context: sys.exit(3), name="leave"),
        real.function(lambda event, context: sys.exit(3), name="leave"),
    ):
        with pytest.raises(FunctionFailed, match="function 'leave' failed: SystemExit: 3") as caught:
            function.invoke()

        assert isinstance(caught.value.__cause__, SystemExit)
        assert (function.stats().errors, function.stats().running) == (1, 0)


@pytest.mark.parametrize("kind", [GeneratorExit, KeyboardInterrupt, asyncio.CancelledError])
def test_what_is_no_exception_is_an_error_of_the_run_in_a_worker(real: Broker, kind: type[BaseException]) -> None:
    def fail(event: Any, context: Any) -> Any:
        raise kind("no")

    async def fail_async(event: Any, context: Any) -> Any:
        raise kind("no")

    for function in (real.function(fail), real.function(fail_async)):
        with pytest.raises(FunctionFailed) as caught:
            function.invoke()
        assert caught.value.error_type == kind.__name__
    assert real.function(echo).invoke(1) == 1


def test_a_missing_parameter_is_said_by_python(broker: Broker) -> None:
    function = broker.function(lambda event: event, name="short")

    with pytest.raises(TypeError, match="takes 1 positional argument but 2 were given"):
        function.invoke()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.slow
def test_the_child_of_a_handler_that_forks_and_returns_is_ended(capfd: pytest.CaptureFixture[str]) -> None:
    children = []

    def split(event: Any, context: Any) -> Any:
        children.append(os.fork())
        return "the parent's"

    result = Function(split, clock=VirtualClock()).invoke()
    _, status = os.waitpid(children[0], 0)

    assert (result, os.waitstatus_to_exitcode(status)) == ("the parent's", 70)
    assert "its handler forked, and the child returned" in capfd.readouterr().err


# -- context -----------------------------------------------------------------------------------------------------------


def test_the_context_has_the_fields_of_lambdas(broker: Broker) -> None:
    """Lambda: the context object in Python."""
    seen = []
    function = broker.function(lambda event, context: seen.append(context), name="look", memory=256, timeout=5)

    function.invoke()
    function.invoke()

    first, second = seen
    assert first.function_name == "look"
    assert first.function_version == "$LATEST"
    assert first.invoked_function_arn == "arn:aws:lambda:us-east-1:000000000000:function:look" == function.arn
    assert first.memory_limit_in_mb == "256"
    assert first.log_group_name == "/aws/lambda/look"
    assert re.fullmatch(r"\[\$LATEST\][0-9a-f]{32}", first.log_stream_name)
    assert first.log_stream_name == second.log_stream_name  # the same environment, warm
    assert (first.identity, first.client_context) == (None, None)
    uuid = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
    assert re.fullmatch(uuid, first.aws_request_id)
    assert first.aws_request_id != second.aws_request_id


def test_the_remaining_time_runs_on_the_brokers_clock_and_ends_at_zero(broker: Broker, clock: VirtualClock) -> None:
    @broker.function(timeout=5)
    def count(event: Any, context: Any) -> Any:
        left = [context.get_remaining_time_in_millis()]
        for seconds in (1.2345, 3, 60):
            clock.advance(seconds)
            left.append(context.get_remaining_time_in_millis())
        seen.extend(left)

    seen: list[int] = []
    with pytest.raises(FunctionTimedOut):
        count.invoke()

    assert seen == [5_000, 3_765, 765, 0]


def test_context_variables_of_the_caller_reach_the_handler(real: Broker) -> None:
    variable: ContextVar[str] = ContextVar("variable", default="none")
    function = real.function(lambda event, context: variable.get(), name="look")

    variable.set("mine")

    assert function.invoke() == "mine"
    assert Function(function.handler, name="alone").invoke() == "mine"


# -- timeouts ----------------------------------------------------------------------------------------------------------


def test_on_a_virtual_clock_a_run_that_took_longer_than_its_timeout_has_timed_out(
    broker: Broker, clock: VirtualClock, ledger: Ledger
) -> None:
    @broker.function(timeout=5)
    def work(event: Any, context: Any) -> Any:
        clock.advance(event)
        return "done"

    assert work.invoke(5) == "done"
    with pytest.raises(FunctionTimedOut, match=r"timed out after 5\.00 seconds") as caught:
        work.invoke(5.001)

    assert (caught.value.function, caught.value.seconds) == ("work", 5)
    stats = work.stats()
    assert (stats.invocations, stats.errors, stats.timeouts, stats.late, stats.running) == (2, 0, 1, 1, 0)
    assert [change.cause for change in ledger.changes] == ["invoked", "invocation failed", "late result"]


def test_a_thread_past_its_timeout_is_abandoned_and_its_result_discarded(real: Broker) -> None:
    go = threading.Event()
    function = real.function(lambda event, context: go.wait(5), name="hang", timeout=0.05)

    with pytest.raises(FunctionTimedOut):
        function.invoke()
    assert (function.stats().timeouts, function.stats().running, function.stats().late) == (1, 0, 0)

    go.set()
    until(lambda: function.stats().late == 1)
    assert (function.stats().invocations, function.stats().errors) == (1, 0)


def test_where_an_abandoned_handler_goes_on_no_other_run_takes_place(real: Broker) -> None:
    go = threading.Event()
    function = real.function(lambda event, context: event and go.wait(5), name="hang", timeout=0.05)

    with pytest.raises(FunctionTimedOut):
        function.invoke(True)
    function.invoke(False)
    go.set()

    assert (function.stats().cold_starts, function.stats().warm_starts) == (2, 0)


def test_a_task_is_cancelled_at_the_timeout(real: Broker) -> None:
    seen = []

    async def hang(event: Any, context: Any) -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    function = real.function(hang, timeout=0.05)

    with pytest.raises(FunctionTimedOut):
        function.invoke()

    until(lambda: seen == ["cancelled"])
    assert (function.stats().timeouts, function.stats().late, function.stats().errors) == (1, 0, 0)


def test_a_task_that_invokes_is_told_of_the_timeout_and_its_own_cancellation_ends_the_run() -> None:
    seen = []

    async def hang(event: Any, context: Any) -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    async def main() -> Function:
        function = Function(hang, timeout=0.05)
        with pytest.raises(FunctionTimedOut):
            await function.aio.invoke()
        waiting = asyncio.create_task(function.aio.invoke())
        await asyncio.sleep(0.01)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return function

    stats = asyncio.run(main()).stats()

    assert seen == ["cancelled", "cancelled"]
    assert (stats.timeouts, stats.errors, stats.running, stats.late) == (1, 1, 0, 0)


def test_the_time_of_a_run_begins_when_a_worker_takes_it_not_when_it_has_its_place(clock: VirtualClock) -> None:
    with Broker(clock=clock) as broker:
        function = broker.function(lambda event, context: context.get_remaining_time_in_millis(), name="look")
        invocation, outcomes = begin(function)

        clock.advance(60)
        invocation.run()

    assert outcomes == [Outcome(3_000, None, 0.0)]


def test_a_timeout_within_the_handler_is_an_error_of_the_handler_not_its_own_timeout(
    broker: Broker, clock: VirtualClock
) -> None:
    inner = broker.function(lambda event, context: clock.advance(5), name="inner", timeout=3)
    outer = broker.function(lambda event, context: inner.invoke(), name="outer", timeout=30)

    with pytest.raises(FunctionTimedOut, match="'inner'"):
        outer.invoke()

    assert (outer.stats().timeouts, outer.stats().errors) == (0, 1)


# -- concurrency -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("most", [1, 3])
def test_no_more_run_at_a_time_than_the_concurrency_says(broker: Broker, most: int) -> None:
    """Lambda: reserved concurrency; 429 TooManyRequestsException."""
    function = broker.function(echo, concurrency=most)
    runs = [begin(function)[0] for _ in range(most)]

    with pytest.raises(Throttled, match="at a time") as caught:
        function.invoke()
    runs[0].run()
    function.invoke()

    assert (caught.value.running, caught.value.limit) == (most, most)
    assert (function.stats().throttles, function.stats().peak, function.stats().running) == (1, most, most - 1)


def test_a_concurrency_of_zero_lets_nothing_run(broker: Broker) -> None:
    with pytest.raises(Throttled, match="0 of at most 0"):
        broker.function(echo, concurrency=0).invoke()


def test_a_brokers_limit_holds_over_all_its_functions(clock: VirtualClock) -> None:
    with Broker(clock=clock, concurrency=2) as broker:
        first, second = broker.function(echo), broker.function(echo, name="second")
        runs = [begin(first)[0], begin(second)[0]]

        with pytest.raises(Throttled, match="at most 2"):
            first.invoke()

        runs[1].run()
        assert first.invoke(7) == 7
        runs[0].run()


def test_those_who_met_no_room_are_called_when_there_may_be_some(clock: VirtualClock) -> None:
    called = []
    with Broker(clock=clock, concurrency=1) as broker:
        first, second = broker.function(echo), broker.function(echo, name="second")
        run, _ = begin(first)
        second.when_free(lambda: called.append("second"))
        first.when_free(lambda: called.append("first"))
        assert called == []

        run.run()
        assert sorted(called) == ["first", "second"]

        second.when_free(lambda: called.append("at once"))
        assert called[2:] == ["at once"]


def test_a_run_that_is_never_begun_gives_its_place_back(broker: Broker) -> None:
    function = broker.function(echo, concurrency=1)
    invocation, outcomes = begin(function)

    invocation.abandon()
    invocation.run()

    assert isinstance(outcomes[0].error, BrokenOff)
    assert len(outcomes) == 1
    assert function.stats().running == 0


def test_a_function_that_is_too_busy_for_its_workers_still_ends_every_invoke() -> None:
    """The 32 workers of a broker are all at a handler that invokes another run: those get threads of their own."""
    with Broker() as broker:

        @broker.function(timeout=30, recursion="allow")
        def down(event: Any, context: Any) -> Any:
            return 0 if event == 0 else 1 + down.invoke(event - 1)

        assert down.invoke(50) == 50


# -- functions that invoke themselves ----------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["virtual", "real"])
def test_a_function_may_invoke_itself(broker: Broker, real: Broker, where: str) -> None:
    @{"virtual": broker, "real": real}[where].function
    def factorial(event: Any, context: Any) -> Any:
        return 1 if event == 0 else event * factorial.invoke(event - 1)

    @{"virtual": broker, "real": real}[where].function
    async def factorial_async(event: Any, context: Any) -> Any:
        return 1 if event == 0 else event * await factorial_async.aio.invoke(event - 1)

    assert factorial.invoke(10) == factorial_async.invoke(10) == 3_628_800
    assert factorial.stats().peak == 11


@pytest.mark.parametrize("where", ["virtual", "real"])
def test_a_function_that_invokes_itself_for_ever_is_stopped_after_16_runs(
    broker: Broker, real: Broker, where: str
) -> None:
    """Lambda: recursive loop detection, RecursiveInvocationException."""

    @{"virtual": broker, "real": real}[where].function
    def loop(event: Any, context: Any) -> Any:
        runs.append(1)
        return loop.invoke()

    runs: list[int] = []
    with pytest.raises(RecursionStopped, match="'loop'"):
        loop.invoke()

    assert len(runs) == 16
    runs.clear()
    with pytest.raises(RecursionStopped):  # what the caller does next is no part of the loop
        loop.invoke()
    assert len(runs) == 16


def test_a_chain_of_many_functions_is_no_loop(broker: Broker) -> None:
    functions: list[Function] = []
    for number in range(40):
        function = broker.function(
            lambda event, context: event if event == 39 else functions[event + 1].invoke(event + 1), name=f"f{number}"
        )
        functions.append(function)

    assert functions[0].invoke(0) == 39


def test_an_async_handler_cannot_be_waited_for_on_the_loop_that_is_to_run_it() -> None:
    async def main() -> None:
        async with Broker() as broker:
            function = broker.function(echo_async)
            with pytest.raises(RuntimeError, match=r"await echo_async\.aio\.invoke"):
                function.invoke(1)
            assert await function.aio.invoke(1) == await asyncio.to_thread(function.invoke, 1) == 1
            assert broker.function(echo).invoke(2) == 2

    asyncio.run(main())


# -- environments and numbers ------------------------------------------------------------------------------------------


def test_on_init_runs_at_each_cold_start_and_a_warm_environment_is_used_again(broker: Broker) -> None:
    """Lambda: one execution environment for each concurrent run."""
    inits: list[int] = []
    function = broker.function(echo, on_init=lambda: inits.append(1))

    function.invoke()
    function.invoke()
    runs = [begin(function)[0] for _ in range(3)]
    for run in runs:
        run.run()

    assert len(inits) == 3
    assert (function.stats().cold_starts, function.stats().warm_starts) == (3, 2)


def test_an_init_that_fails_is_the_error_of_the_run_and_is_tried_again_at_the_next(broker: Broker) -> None:
    inits = [OSError("no database"), None]

    def init() -> None:
        if error := inits.pop(0):
            raise error

    function = broker.function(echo, on_init=init)

    with pytest.raises(OSError, match="no database"):
        function.invoke(1)
    assert function.invoke(1) == 1
    assert (function.stats().cold_starts, function.stats().errors) == (2, 1)


def test_stats_have_percentiles_of_the_durations(broker: Broker, clock: VirtualClock) -> None:
    function = broker.function(lambda event, context: clock.advance(event), name="work", timeout=200)
    assert (function.stats().p50, function.stats().longest) == (None, None)

    for seconds in range(1, 101):
        function.invoke(seconds)

    stats = function.stats()
    assert stats.p50 == pytest.approx(50, rel=0.04)
    assert stats.p90 == pytest.approx(90, rel=0.04)
    assert stats.p99 == pytest.approx(99, rel=0.04)
    assert stats.longest == 100


def test_invocations_are_those_that_ended_well_or_not_and_those_that_run(broker: Broker, clock: VirtualClock) -> None:
    @broker.function(timeout=5)
    def work(event: Any, context: Any) -> Any:
        if event == "fail":
            raise ValueError
        if event == "slow":
            clock.advance(6)

    work.invoke("well")
    with pytest.raises(ValueError):  # noqa: PT011
        work.invoke("fail")
    with pytest.raises(FunctionTimedOut):
        work.invoke("slow")
    run, _ = begin(work, "well")

    stats = work.stats()
    assert (stats.invocations, stats.errors, stats.timeouts, stats.running) == (4, 1, 1, 1)
    run.run()
    assert work.stats().running == 0


# -- alone, at the end, interrupted ------------------------------------------------------------------------------------


def test_a_function_without_a_broker_is_invoked_and_sent_nothing() -> None:
    function = Function(echo, timeout=0.5)

    assert function.invoke(1) == 1
    with pytest.raises(NeedsBroker, match="an event for function 'echo'"):
        function.send(1)


@pytest.mark.parametrize("handler", [echo, echo_async])
def test_after_close_a_function_is_not_begun(handler: Any) -> None:
    for clock in (None, VirtualClock()):
        with Broker(clock=clock) as broker:
            function = broker.function(handler)
            function.invoke()

        with pytest.raises(BrokenOff, match=r"closed before function 'echo(_async)?' was begun"):
            function.invoke()
        with pytest.raises(BrokenOff):
            asyncio.run(function.aio.invoke())
        assert (function.stats().running, function.stats().invocations) == (0, 1)


@needs_signals
def test_a_ctrl_c_while_invoke_waits_abandons_the_run_and_gives_its_place_back(real: Broker) -> None:
    inside, go = threading.Event(), threading.Event()

    def hang(event: Any, context: Any) -> None:
        inside.set()
        go.wait(5)

    function = real.function(hang, timeout=60, concurrency=1)
    main = threading.main_thread().ident
    assert main is not None

    def interrupt() -> None:
        inside.wait(5)
        signal.pthread_kill(main, signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        function.invoke()

    assert (function.stats().running, function.stats().errors) == (0, 1)
    go.set()
    until(lambda: function.stats().late == 1)
    assert real.function(echo).invoke(1) == 1


@needs_signals
def test_a_ctrl_c_in_a_handler_on_a_virtual_clock_is_raised_and_gives_the_place_back(broker: Broker) -> None:
    def interrupted(event: Any, context: Any) -> None:
        signal.raise_signal(signal.SIGINT)

    function = broker.function(interrupted, concurrency=1)

    with pytest.raises(KeyboardInterrupt):
        function.invoke()
    assert function.stats().running == 0


@pytest.mark.parametrize("where", ["virtual", "real"])
def test_wherever_a_ctrl_c_comes_in_invoke_no_place_is_lost(where: str) -> None:
    """The points are those of test_interrupts.py."""
    with Broker(clock=VirtualClock() if where == "virtual" else None, concurrency=1) as broker:
        function = broker.function(echo, concurrency=1)
        count = points(lambda: function.invoke(1))
        for number in range(1, count + 1):
            with suppress(KeyboardInterrupt):
                Tracer(number, interrupt).run(lambda: function.invoke(1))

            until(lambda: function.stats().running == 0)
            until(lambda: not broker._limit or not broker._limit.full)
            assert not function._lock.locked(), number
            assert LINEAGE.get() == {}, number
            assert function.invoke(7) == 7, number
            assert not LINEAGE.get(), number  # or what this thread sends would be part of a loop


def points(operation: Callable[[], object]) -> int:
    tracer = Tracer(0, interrupt)
    tracer.run(operation)
    return tracer.seen


# -- when all workers hang ---------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_timeouts_are_noticed_while_all_workers_hang_in_handlers() -> None:
    go = threading.Event()
    with Broker() as broker:
        orders = broker.queue("orders")
        function = broker.function(lambda event, context: go.wait(20), name="hang", timeout=0.2)
        orders.trigger(function, batch_size=1)
        for number in range(40):
            orders.send(f"order {number}")

        until(lambda: function.stats().timeouts == 32)  # as many as there are workers
        assert function.stats().running == 0
        go.set()


def test_runs_that_are_over_leave_nothing_behind_until_their_deadline() -> None:
    with Broker() as broker:
        function = broker.function(echo, timeout=900)
        function.invoke(1)
        event = Payload()
        seen = weakref.ref(event)

        function.begin(event, lambda outcome: None).run()
        del event

        gc.collect()
        assert seen() is None


class Payload(list[int]):
    """A list that can be referred to weakly."""
