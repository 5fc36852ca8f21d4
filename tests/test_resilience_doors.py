"""Bulkhead and rate limiter: limits that hold, a line that is fair, and places that always come back."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest
from test_interrupts import Tracer, interrupt
from test_waiting_threads import started, until

from decouple import SystemClock
from decouple.resilience import Bulkhead, BulkheadFull, CallRefused, RateLimited, RateLimiter, ResilienceEvent
from decouple.testing import VirtualClock

SECOND = 10**9


async def settled() -> None:
    """Let everything that is ready run."""
    for _ in range(5):
        await asyncio.sleep(0)


# -- the bulkhead ----------------------------------------------------------------------------------------------------


def test_a_full_bulkhead_refuses_and_says_how_to_mend_it(clock: VirtualClock) -> None:
    bulkhead = Bulkhead(2, name="pay", clock=clock)

    def deeper(levels: int) -> int:
        return levels and bulkhead.call(deeper, levels - 1)

    assert bulkhead.call(deeper, 1) == 0
    with pytest.raises(BulkheadFull, match="'pay' has 2 of 2 calls inside: call again later") as caught:
        bulkhead.call(deeper, 2)
    assert (caught.value.name, caught.value.limit, caught.value.waited) == ("pay", 2, 0)
    assert bulkhead.stats() == (2, 0, 0, 4, 1, 0)


def test_a_call_waits_for_a_place_as_long_as_it_may(clock: VirtualClock) -> None:
    bulkhead = Bulkhead(1, wait=5, clock=clock)

    with pytest.raises(BulkheadFull, match="none ended in 5 s"):
        bulkhead.call(bulkhead.call, len, "x")

    assert clock.now() == 5 * SECOND
    assert bulkhead.call(len, "x") == 1


def test_places_are_given_in_the_order_of_arrival(clock: VirtualClock) -> None:
    bulkhead = Bulkhead(2, wait=60, clock=clock)
    ends: list[asyncio.Future[None]] = []
    order: list[int] = []

    @bulkhead
    async def work(number: int) -> None:
        order.append(number)
        ends.append(asyncio.get_running_loop().create_future())
        await ends[-1]

    async def main() -> None:
        tasks = [asyncio.create_task(work(number)) for number in range(5)]
        await settled()
        assert (order, bulkhead.stats().waiting) == ([0, 1], 3)

        tasks[3].cancel()
        ends[1].set_result(None)
        await settled()
        assert order == [0, 1, 2]

        late = asyncio.create_task(work(5))
        ends[0].set_result(None)
        await settled()
        assert (order, bulkhead.stats().waiting) == ([0, 1, 2, 4], 1)
        for _ in range(5):
            for end in ends:
                if not end.done():
                    end.set_result(None)
            await settled()
        await asyncio.gather(*tasks, late, return_exceptions=True)

    asyncio.run(main())
    assert order == [0, 1, 2, 4, 5]
    assert bulkhead.stats()[:3] == (2, 0, 0)


def test_the_wait_of_a_task_ends_at_its_instant(clock: VirtualClock) -> None:
    bulkhead = Bulkhead(1, wait=5, clock=clock)

    async def main() -> None:
        blocker = asyncio.ensure_future(bulkhead.call(asyncio.sleep, 60))
        await settled()
        waiting = asyncio.ensure_future(bulkhead.call(asyncio.sleep, 0))
        await settled()
        clock.advance(4.999)
        await settled()
        assert not waiting.done()
        clock.advance(0.001)
        with pytest.raises(BulkheadFull):
            await waiting
        blocker.cancel()

    asyncio.run(main())


def test_a_place_goes_from_a_thread_to_a_task_and_back(clock: VirtualClock) -> None:
    bulkhead = Bulkhead(1, wait=60, clock=clock)
    gate = threading.Event()
    holding = started(bulkhead.call, gate.wait, 5)
    until(lambda: bulkhead.stats().inside == 1)

    async def main() -> None:
        task = asyncio.ensure_future(bulkhead.call(asyncio.sleep, 0.01))
        await settled()
        after = started(bulkhead.call, threading.get_ident)
        while bulkhead.stats().waiting < 2:
            await asyncio.sleep(0.001)
        gate.set()
        await task
        assert isinstance(await asyncio.wrap_future(after), int)

    asyncio.run(main())
    assert holding.result(5) is True
    assert bulkhead.stats()[:3] == (1, 0, 0)


def test_a_loop_that_is_closed_under_its_tasks_holds_no_place_and_no_turn(clock: VirtualClock) -> None:
    bulkhead = Bulkhead(1, wait=60, clock=clock)
    loop = asyncio.new_event_loop()
    loop.set_exception_handler(lambda *_: None)
    tasks = [loop.create_task(bulkhead.call(asyncio.sleep, 60)) for _ in range(3)]
    loop.run_until_complete(settled())
    assert bulkhead.stats()[:3] == (1, 1, 2)
    waiting = started(bulkhead.call, lambda: "in")
    until(lambda: bulkhead.stats().waiting == 3)

    for task in tasks:
        task._log_destroy_pending = False  # type: ignore[attr-defined]
    del task, tasks
    loop.close()
    gc.collect()

    assert started(bulkhead.call, lambda: "in too").result(5) == "in too"
    assert waiting.result(5) == "in"
    assert bulkhead.stats()[:3] == (1, 0, 0)


def test_a_fallback_answers_for_a_refusal_only(clock: VirtualClock) -> None:
    events: list[ResilienceEvent] = []
    bulkhead = Bulkhead(1, fallback=lambda text: f"busy: {text}", clock=clock, observers=[events.append])
    shout = bulkhead(str.upper)

    assert shout("a") == "A"
    assert bulkhead.call(lambda text: shout(text), "b") == "busy: b"
    with pytest.raises(TypeError):
        shout(3)

    assert [event.what for event in events] == ["refused", "fell back"]


# -- the rate limiter --------------------------------------------------------------------------------------------------


def test_after_the_burst_calls_are_refused_until_there_is_a_token(clock: VirtualClock) -> None:
    limiter = RateLimiter(2, burst=3, name="api", clock=clock)

    for _ in range(3):
        limiter.call(len, "")
    with pytest.raises(RateLimited, match=r"'api' has no room for another 0\.5 s") as caught:
        limiter.call(len, "")
    assert (caught.value.name, caught.value.retry_after) == ("api", 0.5)

    clock.advance(caught.value.retry_after)
    limiter.call(len, "")
    assert limiter.stats() == (0, 0, 4, 1, 0)


def test_a_second_of_calls_is_the_burst_if_nothing_else_is_said(clock: VirtualClock) -> None:
    assert [RateLimiter(rate, clock=clock).burst for rate in (0.1, 1, 2.9, 100)] == [1, 1, 2, 100]


def test_calls_that_wait_go_one_by_one_at_the_rate(clock: VirtualClock) -> None:
    limiter = RateLimiter(3, burst=1, wait=10, clock=clock)

    times = [limiter.call(clock.now) for _ in range(4)]

    assert times == [0, 333_333_334, 666_666_668, 1_000_000_002]


def test_tasks_get_their_tokens_within_one_long_advance_each_at_its_instant(clock: VirtualClock) -> None:
    limiter = RateLimiter(1, wait=60, clock=clock)

    async def main() -> None:
        tasks = [asyncio.ensure_future(limiter.call(asyncio.sleep, 0)) for _ in range(4)]
        await settled()
        assert limiter.stats().waiting == 3
        clock.advance(1.5)
        assert limiter.stats().waiting == 2
        clock.advance(10)
        await asyncio.gather(*tasks)

    asyncio.run(main())
    assert limiter.stats()[1:3] == (0, 4)


def test_a_call_that_would_wait_too_long_is_refused_at_once(clock: VirtualClock) -> None:
    limiter = RateLimiter(1, wait=2, clock=clock)

    async def main() -> None:
        tasks = [asyncio.ensure_future(limiter.call(asyncio.sleep, 0)) for _ in range(4)]
        await settled()
        with pytest.raises(RateLimited) as caught:
            await tasks[3]
        assert caught.value.retry_after == 3
        clock.advance(2)
        await asyncio.gather(*tasks[:3])

    asyncio.run(main())


def test_when_one_who_waits_is_cancelled_those_behind_move_up(clock: VirtualClock) -> None:
    limiter = RateLimiter(1, wait=60, clock=clock)

    async def main() -> None:
        tasks = [asyncio.ensure_future(limiter.call(asyncio.sleep, 0)) for _ in range(4)]
        await settled()
        tasks[1].cancel()
        await settled()
        clock.advance(1)
        await settled()
        assert [task.done() for task in tasks] == [True, True, True, False]
        clock.advance(1)
        await settled()
        assert tasks[3].done()

    asyncio.run(main())


def test_on_real_time_each_waiter_is_its_own_timer() -> None:
    limiter = RateLimiter(200, burst=1, wait=5)
    began = time.monotonic()

    with ThreadPoolExecutor(4) as pool:
        for future in [pool.submit(limiter.call, len, "") for _ in range(10)]:
            future.result(5)

    assert time.monotonic() - began >= 9 / 200
    assert asyncio.run(limiter.call(asyncio.sleep, 0, "slept")) == "slept"


# -- for both ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: Bulkhead(0), ValueError, "limit must be 1 or more, not 0"),
        (lambda: Bulkhead(len), TypeError, "limit must be a whole number"),  # type: ignore[arg-type]
        (lambda: Bulkhead(1, wait=-1), ValueError, "wait must be at least 0 seconds"),
        (lambda: Bulkhead(1, wait=None), TypeError, "wait must be seconds"),  # type: ignore[arg-type]
        (lambda: RateLimiter(0), ValueError, "rate must be calls a second, over 0"),
        (lambda: RateLimiter(float("inf")), ValueError, "rate must be calls a second"),
        (lambda: RateLimiter(True), TypeError, "rate must be calls a second as int or float"),
        (lambda: RateLimiter(1, burst=0), ValueError, "burst must be 1 or more"),
        (lambda: RateLimiter(1, clock=object()), TypeError, "clock must be a Clock"),  # type: ignore[arg-type]
    ],
)
def test_a_wrong_argument_is_one_clear_error(make: Callable[[], Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        make()


def test_threads_and_tasks_never_exceed_a_bulkhead_and_none_is_lost() -> None:
    bulkhead, lock = Bulkhead(3, wait=20), threading.Lock()
    inside = most = done = 0

    def come() -> None:
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)

    def go() -> None:
        nonlocal inside, done
        with lock:
            inside -= 1
            done += 1

    @bulkhead
    def work() -> None:
        come()
        time.sleep(0)
        go()

    @bulkhead
    async def work_async() -> None:
        come()
        try:
            await asyncio.sleep(0)
        finally:
            go()

    async def loop() -> int:
        cancelled = 0
        for round in range(60):
            tasks = [asyncio.create_task(work_async()) for _ in range(4)]
            await asyncio.sleep(0)
            tasks[round % 4].cancel()
            for outcome in await asyncio.gather(*tasks, return_exceptions=True):
                cancelled += isinstance(outcome, asyncio.CancelledError)
        return cancelled

    with ThreadPoolExecutor(8) as pool:
        loops = [pool.submit(asyncio.run, loop()) for _ in range(2)]
        threads = [pool.submit(lambda: [work() for _ in range(150)]) for _ in range(6)]
        for thread in threads:
            thread.result(60)
        for one in loops:
            one.result(60)

    assert most <= 3
    assert inside == 0
    assert done >= 6 * 150 + 2 * 60 * 3
    assert bulkhead.stats()[:3] == (3, 0, 0)


def test_threads_never_exceed_a_rate() -> None:
    clock, burst, rate = SystemClock(), 5, 2_000
    limiter = RateLimiter(rate, burst=burst, wait=20, clock=clock)
    refusing = RateLimiter(rate, burst=burst, clock=clock)

    def hammer() -> None:
        for _ in range(50):
            limiter.call(len, "")
            with suppress(RateLimited):
                refusing.call(len, "")

    began = clock.now()
    with ThreadPoolExecutor(8) as pool:
        for future in [pool.submit(hammer) for _ in range(8)]:
            future.result(60)
    took = (clock.now() - began) / SECOND

    assert limiter.stats().admitted == 400 <= burst + rate * took
    stats = refusing.stats()
    assert stats.admitted + stats.refused == 400
    assert stats.admitted <= burst + rate * took


@pytest.mark.parametrize("held", [False, True])
def test_an_interrupt_at_any_point_leaves_no_place_taken(held: bool) -> None:
    at, lost = 0, []
    while True:
        at += 1
        clock = VirtualClock()
        bulkhead = Bulkhead(1, wait=5, clock=clock)

        def call(bulkhead: Bulkhead = bulkhead) -> object:
            return bulkhead.call(bulkhead.call, len, "x") if held else bulkhead.call(len, "x")

        tracer = Tracer(at, interrupt)
        with suppress(KeyboardInterrupt, CallRefused):
            tracer.run(call)
        if not tracer.fired:
            break
        try:
            assert bulkhead.call(len, "x") == 1
        except BulkheadFull:
            lost.append(tracer.where)
        assert bulkhead.stats()[1:3] == (0, 0), tracer.where
    assert at > 8
    assert lost == []
