"""The circuit breaker: it opens by rate and by slow calls, refuses with numbers, tries again, and counts only what happened."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from test_interrupts import Tracer, interrupt

from decouple.resilience import CircuitBreaker, CircuitOpen, ResilienceEvent
from decouple.testing import VirtualClock


def fine() -> str:
    return "fine"


def bad() -> str:
    raise OSError("no network")


def calls(breaker: CircuitBreaker, pattern: str) -> None:
    """Call it: x fails, o works."""
    for one in pattern:
        with suppress(OSError):
            breaker.call(bad if one == "x" else fine)


@pytest.fixture
def breaker(clock: VirtualClock) -> CircuitBreaker:
    return CircuitBreaker(failure_rate=0.5, window=4, minimum_calls=4, open_for=30, name="pay", clock=clock)


def test_it_opens_when_the_share_of_failures_is_reached(breaker: CircuitBreaker) -> None:
    """resilience4j: "equal or greater than the threshold"."""
    calls(breaker, "oxo")
    assert breaker.state == "closed"

    calls(breaker, "x")
    assert breaker.state == "open"


def test_too_few_calls_open_nothing(breaker: CircuitBreaker) -> None:
    calls(breaker, "xxx")
    assert breaker.state == "closed"


def test_only_the_last_calls_count(breaker: CircuitBreaker) -> None:
    calls(breaker, "xooooxo")
    assert breaker.state == "closed"
    assert breaker.stats()[:4] == ("closed", 4, 1, 0)


def test_slow_calls_open_it_though_they_work(clock: VirtualClock) -> None:
    breaker = CircuitBreaker(slow_call=2, slow_rate=0.5, window=4, minimum_calls=2, clock=clock)

    breaker.call(clock.advance, 1.999)
    breaker.call(clock.advance, 2)

    assert breaker.state == "open"


def test_open_it_refuses_and_says_until_when(breaker: CircuitBreaker, clock: VirtualClock) -> None:
    calls(breaker, "xxxx")
    clock.advance(10)

    with pytest.raises(CircuitOpen, match="'pay' is open for 20 s more, until 00:00:30 UTC") as caught:
        breaker.call(fine)

    assert (caught.value.name, caught.value.seconds) == ("pay", 20)
    assert caught.value.retry_at == datetime(2026, 1, 1, 0, 0, 30, tzinfo=UTC) == breaker.stats().retry_at


@pytest.mark.parametrize(("probe", "state"), [("o", "closed"), ("x", "open")])
def test_half_open_one_probe_decides(breaker: CircuitBreaker, clock: VirtualClock, probe: str, state: str) -> None:
    calls(breaker, "xxxx")

    clock.advance(29.999)
    assert breaker.state == "open"
    clock.advance(0.001)
    assert breaker.state == "half-open"

    calls(breaker, probe)
    assert breaker.state == state
    assert breaker.stats().calls == 0


def test_of_several_probes_the_rate_decides_when_all_have_ended(clock: VirtualClock) -> None:
    breaker = CircuitBreaker(window=2, half_open_calls=5, open_for=1, clock=clock)
    calls(breaker, "xx")
    clock.advance(1)

    calls(breaker, "xxoo")
    assert breaker.state == "half-open"
    calls(breaker, "o")
    assert breaker.state == "closed"


def test_while_the_probe_is_under_way_nobody_else_is_let_in(breaker: CircuitBreaker, clock: VirtualClock) -> None:
    calls(breaker, "xxxx")
    clock.advance(30)

    def probe() -> None:
        with pytest.raises(CircuitOpen, match="half-open and its probe calls are under way") as caught:
            breaker.call(fine)
        assert (caught.value.seconds, caught.value.retry_at) == (0, None)

    breaker.call(probe)
    assert breaker.call(fine) == "fine"


@pytest.mark.parametrize("error", [KeyboardInterrupt, asyncio.CancelledError])
def test_an_interrupted_probe_frees_its_place_and_counts_as_nothing(
    breaker: CircuitBreaker, clock: VirtualClock, error: type[BaseException]
) -> None:
    def interrupted() -> None:
        raise error

    calls(breaker, "xxxx")
    clock.advance(30)
    for _ in range(3):
        with pytest.raises(error):
            breaker.call(interrupted)

    assert breaker.state == "half-open"
    calls(breaker, "o")
    assert breaker.state == "closed"


def test_a_cancelled_task_frees_the_probe(breaker: CircuitBreaker, clock: VirtualClock) -> None:
    calls(breaker, "xxxx")
    clock.advance(30)

    async def main() -> None:
        task = asyncio.ensure_future(breaker.call(asyncio.sleep, 60))
        await asyncio.sleep(0)
        with pytest.raises(CircuitOpen):
            breaker.call(fine)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert breaker.call(fine) == "fine"

    asyncio.run(main())


def test_a_call_that_began_before_it_opened_says_nothing_about_the_time_after(
    breaker: CircuitBreaker, clock: VirtualClock
) -> None:
    def long_ago() -> None:
        calls(breaker, "xxxx")
        clock.advance(30)
        assert breaker.state == "half-open"

    breaker.call(long_ago)
    assert breaker.state == "half-open"
    assert breaker.stats().calls == 0


def test_other_errors_are_answers_like_any_other(clock: VirtualClock) -> None:
    """resilience4j: what is not recorded as a failure counts as a success."""
    breaker = CircuitBreaker(on=(ValueError, KeyError), window=2, clock=clock)

    for _ in range(3):
        with pytest.raises(OSError, match="no network"):
            breaker.call(bad)

    assert breaker.stats()[:3] == ("closed", 2, 0)


def test_a_fallback_answers_for_failures_and_refusals_and_each_leaves_a_record(clock: VirtualClock) -> None:
    events: list[ResilienceEvent] = []
    breaker = CircuitBreaker(
        window=2, open_for=5, fallback=lambda: "cached", name="pay", clock=clock, observers=[events.append]
    )

    assert [breaker.call(bad) for _ in range(3)] == ["cached"] * 3
    clock.advance(7)
    assert breaker.call(fine) == "fine"

    assert [(event.what, event.happened_at.second) for event in events] == [
        ("fell back", 0),
        ("opened", 0),
        ("fell back", 0),
        ("refused", 0),
        ("fell back", 0),
        ("half-opened", 5),
        ("closed", 7),
    ]
    assert "2 of 2 calls failed" in events[1].reason
    assert events[1].until == events[5].at
    stats = breaker.stats()
    assert (stats.opened, stats.refused, stats.fell_back) == (1, 1, 3)


def test_a_fallback_does_not_stand_in_for_errors_that_are_no_failures(clock: VirtualClock) -> None:
    breaker = CircuitBreaker(on=ValueError, fallback="cached", clock=clock)

    with pytest.raises(OSError, match="no network"):
        breaker.call(bad)


def test_reset_closes_it(breaker: CircuitBreaker) -> None:
    calls(breaker, "xxxx")
    breaker.reset()
    assert breaker.call(fine) == "fine"
    assert breaker.stats()[:2] == ("closed", 1)


def test_it_serves_async_functions_and_threads_together(breaker: CircuitBreaker) -> None:
    @breaker
    async def fetch(order: int) -> int:
        raise OSError(order)

    async def main() -> None:
        for order in range(4):
            with pytest.raises(OSError, match=str(order)):
                await fetch(order)
        with pytest.raises(CircuitOpen):
            await fetch(5)

    asyncio.run(main())
    with pytest.raises(CircuitOpen):
        breaker.call(fine)


@pytest.mark.parametrize("probe", [fine, bad])
def test_an_interrupt_at_any_point_leaves_no_probe_taken(clock: VirtualClock, probe: Callable[[], str]) -> None:
    at = 0
    while True:
        at += 1
        breaker = CircuitBreaker(window=2, open_for=30, clock=clock)
        calls(breaker, "xx")
        clock.advance(30)
        tracer = Tracer(at, interrupt)
        with suppress(KeyboardInterrupt, OSError):
            tracer.run(lambda breaker=breaker: breaker.call(probe))
        if not tracer.fired:
            break
        if breaker.state == "open":
            clock.advance(30)
        assert breaker.call(fine) == "fine", tracer.where
        assert breaker.state == "closed", tracer.where
    assert at > 8


def test_of_many_threads_one_is_the_probe(breaker: CircuitBreaker, clock: VirtualClock) -> None:
    inside, most, lock = 0, 0, threading.Lock()
    go = threading.Barrier(8)

    def probe() -> None:
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)
        threading.Event().wait(0.001)
        with lock:
            inside -= 1
        raise OSError

    def race() -> None:
        go.wait()
        with suppress(OSError, CircuitOpen):
            breaker.call(probe)

    with ThreadPoolExecutor(8) as pool:
        for _ in range(20):
            breaker.reset()
            calls(breaker, "xxxx")
            clock.advance(30)
            most = 0
            for future in [pool.submit(race) for _ in range(8)]:
                future.result()
            assert most == 1
            assert breaker.state == "open"


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"failure_rate": 0}, ValueError, "failure_rate must be a share of calls, over 0 and at most 1, not 0"),
        ({"failure_rate": 50}, ValueError, "failure_rate must be a share of calls, over 0 and at most 1, not 50"),
        ({"failure_rate": "0.5"}, TypeError, "failure_rate must be a share of calls as int or float"),
        ({"slow_rate": float("nan")}, ValueError, "slow_rate must be"),
        ({"window": 0}, ValueError, "window must be 1 or more"),
        ({"window": 5, "minimum_calls": 6}, ValueError, "minimum_calls must be 1 to 5, not 6"),
        ({"half_open_calls": 0}, ValueError, "half_open_calls must be 1 or more"),
        ({"open_for": 0}, ValueError, "open_for must be at least"),
        ({"slow_call": -1}, ValueError, "slow_call must be at least"),
    ],
)
def test_a_wrong_argument_is_one_clear_error(arguments: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        CircuitBreaker(**arguments)
