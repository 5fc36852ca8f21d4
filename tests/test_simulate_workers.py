"""In a simulation the workers of a broker are its tasks: consumers, triggers, functions, schedules, heartbeats, pushes."""

from __future__ import annotations

import asyncio
import functools
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from random import Random
from typing import Any

import pytest

from decouple import BlockingCall, Broker, EndlessWork, Queue, Retry
from decouple.clock import VirtualClock
from decouple.core.deadlines import FAR
from decouple.resilience import retry
from decouple.testing import Ledger, Stopped, simulate
from decouple.testing.simulated_clock import SimulatedClock


def now() -> float:
    return asyncio.get_running_loop().time()


def test_async_handlers_work_at_the_same_time_as_many_as_the_concurrency() -> None:
    async def main() -> list[tuple[str, float]]:
        ended: list[tuple[str, float]] = []
        async with Broker() as broker:
            orders = broker.queue("orders")

            @functools.partial(orders.consume, concurrency=2)
            async def handle(body: str) -> None:
                await asyncio.sleep(10)
                ended.append((body, now()))

            orders.send_batch(["a", "b", "c"])
            await asyncio.sleep(60)
        return ended

    assert sorted(simulate(main)) == [("a", 10), ("b", 10), ("c", 20)]


@pytest.mark.parametrize("entered", ["async with", "with", "start"])
def test_a_broker_is_started_in_any_way(entered: str) -> None:
    async def main() -> list[str]:
        handled: list[str] = []
        broker = Broker()
        orders = broker.queue("orders")
        orders.consume(lambda message: handled.append(message.body))
        orders.send("before")
        if entered == "start":
            broker.start()
            await asyncio.sleep(1)
            await broker.aclose()
        elif entered == "with":
            with broker:
                await asyncio.sleep(1)
        else:
            async with broker:
                await asyncio.sleep(1)
        return handled

    assert simulate(main) == ["before"]


def test_before_it_is_started_nothing_is_done() -> None:
    async def main() -> int:
        broker = Broker()
        orders = broker.queue("orders")
        orders.consume(lambda message: None)
        orders.send("a")
        await asyncio.sleep(1_000)
        return orders.stats().visible + orders.stats().in_flight

    assert simulate(main) == 1


@pytest.mark.parametrize("awaits", [False, True])
def test_a_message_that_fails_for_ever_at_one_instant_ends_the_simulation(awaits: bool) -> None:
    tries: list[float] = []

    async def main() -> None:
        def fails(order: str) -> None:
            tries.append(now())
            raise ValueError("no funds")

        async def fails_later(order: str) -> None:
            fails(order)

        async with Broker() as broker:
            orders = broker.queue("orders")
            orders.consume(fails_later if awaits else fails)
            await asyncio.sleep(5)
            orders.send("order 7")
            await asyncio.sleep(1_000)

    with pytest.raises(
        EndlessWork, match=r"fails.* 1,000 times .* \(ValueError: no funds\): give the queue a dead_letter"
    ):
        simulate(main)
    assert tries.count(5.0) == 1_000  # and a few later ones, while the broker is closed


def test_def_handlers_take_no_time_and_an_error_is_retried_at_its_delay() -> None:
    async def main() -> list[tuple[int, float]]:
        tries: list[tuple[int, float]] = []
        async with Broker() as broker:
            orders = broker.queue("orders")

            @orders.consume
            def handle(message: Any) -> None:
                tries.append((message.receive_count, now()))
                if message.receive_count < 3:
                    raise Retry(delay=40)

            orders.send("a")
            await asyncio.sleep(100)
        return tries

    assert simulate(main) == [(1, 0), (2, 40), (3, 80)]


def test_a_heartbeat_keeps_a_message_in_flight_for_as_long_as_its_handler_takes() -> None:
    async def main() -> list[int]:
        counts: list[int] = []
        async with Broker() as broker:
            orders = broker.queue("orders", visibility_timeout=30)

            @functools.partial(orders.consume, concurrency=3, heartbeat=10)
            async def handle(message: Any) -> None:
                counts.append(message.receive_count)
                await asyncio.sleep(200)

            orders.send("a")
            await asyncio.sleep(500)
        return counts

    assert simulate(main) == [1]


def test_without_a_heartbeat_it_comes_again_while_its_handler_is_at_work() -> None:
    async def main() -> list[tuple[int, float]]:
        begun: list[tuple[int, float]] = []
        async with Broker() as broker:
            orders = broker.queue("orders", visibility_timeout=30)

            @functools.partial(orders.consume, concurrency=3)
            async def handle(message: Any) -> None:
                begun.append((message.receive_count, now()))
                await asyncio.sleep(45)

            orders.send("a")
            await asyncio.sleep(200)
        return begun

    assert simulate(main) == [(1, 0), (2, 30)]


@pytest.mark.parametrize("asynchronous", [False, True], ids=["def", "async def"])
def test_a_queue_triggers_a_function_in_batches(asynchronous: bool) -> None:
    async def main() -> list[tuple[int, float]]:
        batches: list[tuple[int, float]] = []
        async with Broker() as broker:
            orders = broker.queue("orders")

            def plain(event: Any, context: Any) -> None:
                batches.append((len(event["Records"]), now()))

            async def awaited(event: Any, context: Any) -> None:
                await asyncio.sleep(0)
                plain(event, context)

            orders.trigger(broker.function(awaited if asynchronous else plain), batch_size=3, batch_window=5)
            for _ in range(4):
                orders.send("a")
                await asyncio.sleep(1)
            await asyncio.sleep(30)
        return batches

    assert simulate(main) == [(3, 2), (1, 8)]


def test_an_async_function_is_ended_at_its_timeout() -> None:
    async def main() -> list[Any]:
        ended: list[Any] = []
        async with Broker() as broker:

            @broker.function(timeout=4, retries=1)
            async def slow(event: Any, context: Any) -> None:
                try:
                    await asyncio.sleep(100)
                except asyncio.CancelledError:
                    ended.append(("cancelled", now()))
                    raise

            slow.send({})
            await asyncio.sleep(200)
            return [*ended, slow.stats().timeouts]

    assert simulate(main) == [("cancelled", 4), ("cancelled", 68), 2]


def test_a_function_is_invoked_by_await_and_a_plain_one_also_without() -> None:
    async def main() -> list[Any]:
        async with Broker() as broker:

            @broker.function(timeout=30)
            async def slow(event: Any, context: Any) -> Any:
                await asyncio.sleep(10)
                return event

            @broker.function
            def plain(event: Any, context: Any) -> Any:
                return event

            with pytest.raises(RuntimeError, match=r"await slow\.aio\.invoke"):
                slow.invoke({})
            return [await slow.aio.invoke("a"), now(), plain.invoke("b"), await plain.aio.invoke("c"), now()]

    assert simulate(main) == ["a", 10, "b", "c", 10]


def test_schedules_fire_at_their_instants() -> None:
    async def main() -> list[float]:
        fired: list[float] = []
        async with Broker() as broker:
            broker.schedule(
                "rate(1 hour)", lambda payload: fired.append(now()), start=datetime(2026, 1, 1, 6, tzinfo=UTC)
            )
            await asyncio.sleep(8.5 * 3_600)
        return fired

    assert simulate(main) == [6 * 3_600, 7 * 3_600, 8 * 3_600]


def test_a_topic_pushes_to_async_subscribers_with_their_retries() -> None:
    async def main() -> list[float]:
        tries: list[float] = []
        async with Broker() as broker:
            events = broker.topic("events")

            async def subscriber(notification: Any) -> None:
                tries.append(now())
                if len(tries) < 3:
                    raise OSError("not yet")

            events.subscribe(subscriber)
            events.publish("a")
            await asyncio.sleep(7_200)
        return tries

    first, *others = simulate(main)

    assert first == 0
    assert len(others) == 2


def test_guards_made_inside_wait_on_the_simulations_clock() -> None:
    async def main() -> tuple[int, bool]:
        calls = 0

        @retry(max_attempts=4)
        async def call() -> None:
            nonlocal calls
            calls += 1
            if calls < 4:
                raise OSError

        await call()
        return calls, now() > 0

    assert simulate(main) == (4, True)


def test_closing_waits_for_handlers_in_virtual_time_and_gives_up_at_its_timeout() -> None:
    async def main() -> tuple[list[str], float]:
        broker = Broker()
        orders = broker.queue("orders")
        broker.start()

        @orders.consume
        async def handle(message: Any) -> None:
            await asyncio.sleep(100)

        orders.send("a")
        await asyncio.sleep(1)
        late = await broker.aclose(timeout=20)
        return [line.partition(" ")[0] for line in late], now()

    assert simulate(main) == (["consumer"], 21)


def test_closing_waits_as_long_as_it_takes_without_a_timeout() -> None:
    async def main() -> tuple[int, float]:
        async with Broker() as broker:
            orders = broker.queue("orders")

            @orders.consume
            async def handle(message: Any) -> None:
                await asyncio.sleep(100)

            orders.send("a")
            await asyncio.sleep(1)
        return orders.stats().visible + orders.stats().in_flight, now()

    assert simulate(main) == (0, 100)


def test_a_redrive_at_a_rate_takes_its_time() -> None:
    async def main() -> tuple[int, float]:
        broker = Broker()
        dead = broker.queue("dead")
        orders = broker.queue("orders", dead_letter=dead)
        for number in range(10):
            orders.send(f"{number}")
            orders.receive()[0].reject("no")
        task = await dead.aio.redrive(max_per_second=2)
        await task.aio.wait()
        return task.moved, now()

    moved, ended = simulate(main)

    assert moved == 10
    assert 4.5 <= ended <= 5


def test_a_day_of_a_shop_is_over_in_a_moment_and_nothing_is_lost() -> None:
    ledger = Ledger()

    async def main() -> int:
        handled = 0
        async with Broker(observers=[ledger]) as broker:
            orders = broker.queue("orders", visibility_timeout=60)

            @functools.partial(orders.consume, concurrency=4)
            async def handle(message: Any) -> None:
                nonlocal handled
                await asyncio.sleep(7)
                handled += 1

            for number in range(2_880):
                orders.send(f"{number}")
                await asyncio.sleep(30)
            broker.check()
        return handled

    began = time.monotonic()

    assert simulate(main) == 2_880
    assert time.monotonic() - began < 30
    ledger.check()


def test_two_runs_have_the_same_records() -> None:
    async def main() -> None:
        async with Broker() as broker:
            dead = broker.queue("dead")
            orders = broker.queue("orders", visibility_timeout=20, dead_letter=dead, max_receives=2)
            events = broker.topic("events")
            events.subscribe(orders)

            @functools.partial(orders.consume, concurrency=3)
            async def handle(message: Any) -> None:
                await asyncio.sleep(int(message.body))
                if int(message.body) % 3 == 0:
                    raise ValueError(message.body)

            for number in range(60):
                events.publish(f"{number % 7}")
                await asyncio.sleep(1)
            await asyncio.sleep(100)

    def records(seed: int) -> list[str]:
        told: list[str] = []
        simulate(main, seed=seed, observers=[lambda change: told.append(repr(change))])
        return told

    assert records(1) == records(1)
    assert records(1) != records(2)


# -- what would block ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wait", "words"),
    [
        (lambda queue, broker: queue.receive(wait=5), r"waits for a message in queue 'orders'.*await it with \.aio"),
        (lambda queue, broker: broker.run_until_idle(), "the workers work meanwhile"),
        (lambda queue, broker: broker.run(), "use `async with broker:`"),
        (lambda queue, broker: broker.clock.advance(5), r"await asyncio\.sleep\(seconds\)"),
        (lambda queue, broker: Queue("outside").receive(wait=1), "waits for a message"),
    ],
    ids=["receive", "run_until_idle", "run", "advance", "standalone"],
)
def test_waits_that_are_not_awaited_are_refused(wait: Callable[[Queue, Any], object], words: str) -> None:
    async def main() -> None:
        broker = Broker()
        wait(broker.queue("orders"), broker)

    with pytest.raises((BlockingCall, RuntimeError), match=words):
        simulate(main)


def test_a_receive_that_finds_a_message_does_not_wait_and_is_not_refused() -> None:
    async def main() -> list[str]:
        queue = Queue("orders")
        queue.send("a")
        return [message.body for message in queue.receive(wait=20)]

    assert simulate(main) == ["a"]


def test_a_queue_of_real_time_cannot_be_waited_for() -> None:
    outside = Queue("outside")

    async def main() -> None:
        await outside.aio.receive(wait=5)

    with pytest.raises(BlockingCall, match=r"queue 'outside' on real time.*give it clock="):
        simulate(main)


# -- when it ends -------------------------------------------------------------------------------------------------------


def test_a_broker_that_was_not_closed_ends_with_the_simulation() -> None:
    held: list[Queue] = []

    async def main() -> int:
        broker = Broker().start()
        held.append(orders := broker.queue("orders"))

        @functools.partial(orders.consume, concurrency=2)
        async def handle(message: Any) -> None:
            await asyncio.sleep(3_600)

        orders.send_batch(["a", "b", "c"])
        await asyncio.sleep(1)
        return orders.stats().in_flight

    assert simulate(main) == 2
    held[0].send("after the end")
    stats = held[0].stats()
    assert stats.visible + stats.in_flight == 4


def test_stopped_in_the_midst_a_broker_is_closed_and_its_handlers_may_finish() -> None:
    ended: list[float] = []

    async def main() -> None:
        async with Broker() as broker:
            orders = broker.queue("orders")

            @orders.consume
            async def handle(message: Any) -> None:
                await asyncio.sleep(60)
                ended.append(now())

            orders.send("a")
            await asyncio.Event().wait()

    assert isinstance(simulate(main, until=30), Stopped)
    assert ended == [60]


def test_handlers_that_wait_for_what_cannot_come_are_cancelled_at_the_end() -> None:
    ended: list[str] = []

    async def main() -> None:
        async with Broker() as broker:
            orders = broker.queue("orders")

            @orders.consume
            async def handle(message: Any) -> None:
                try:
                    await asyncio.Event().wait()
                finally:
                    ended.append("handler")

            orders.send("a")
            await asyncio.sleep(1_000)
            ended.append("main")

    assert isinstance(simulate(main, until=30), Stopped)
    assert ended == ["handler"]


# -- a function at a FIFO queue ----------------------------------------------------------------------------------------


def test_by_the_law_of_aws_each_group_of_a_fifo_queue_has_one_batch_at_work_and_a_new_group_need_not_wait() -> None:
    """Lambda: "concurrency is at most the number of active message groups"; here the law alone would allow five."""
    began: list[tuple[str, float]] = []

    async def main() -> None:
        async with Broker() as broker:
            orders = broker.queue("orders.fifo", content_based_deduplication=True)

            async def handle(event: dict[str, Any], context: Any) -> None:
                began.extend((record["body"], now()) for record in event["Records"])
                await asyncio.sleep(2)

            orders.trigger(handle, batch_size=1, scaling="aws")
            for body in ("a1", "a2"):
                orders.send(body, group="a")
            await asyncio.sleep(1)
            orders.send("b1", group="b")
            await asyncio.sleep(9)

    simulate(main)

    assert began == [("a1", 0), ("b1", 1), ("a2", 2)]


# -- what happens next -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_asking_only_the_queues_that_are_not_quiet_finds_what_happens_next(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Leases, delays, retention, waits, dead letters and moves of eight queues: each time as if all of them were asked."""
    asked, soonest, chance = Counter[bool](), SimulatedClock._soonest, Random(seed)

    def compared(clock: SimulatedClock, by: int = FAR - 1) -> Any:
        at, whose = VirtualClock._soonest(clock)  # asks each of them
        found = soonest(clock, by)
        asked[at <= by] += 1
        assert found == (at, whose) if at <= by else found[0] > by
        return found

    async def use(queue: Queue[str]) -> None:
        for _ in range(100):
            await asyncio.sleep(chance.choice((0, 0.1, 1, 7, 40)))
            match chance.randrange(6):
                case 0 | 1:
                    queue.send(
                        str(chance.random()),
                        delay=None if queue.fifo else chance.choice((None, 0, 3)),
                        group="g" if queue.fifo else None,
                    )
                case 2:
                    queue.receive(max_messages=2, visibility_timeout=chance.choice((None, 2, 50)))
                case 3:
                    for message in await queue.aio.receive(wait=chance.choice((0, 2, 30))):
                        message.nack(chance.choice((0, 5)))
                case 4:
                    for message in queue.receive():
                        message.ack()
                case _:
                    queue.configure(visibility_timeout=chance.choice((5, 30)), retention=chance.choice((60, 600)))

    async def main() -> None:
        dead, late = Queue("dead"), Queue("late.fifo", content_based_deduplication=True)
        queues = [Queue(f"q{number}", dead_letter=dead, max_receives=2, retention=60) for number in range(5)]
        async with asyncio.TaskGroup() as group:
            for queue in (*queues, late, dead):
                group.create_task(use(queue))
        dead.redrive(max_per_second=2)
        await asyncio.sleep(100)
        for queue in (*queues, late, dead):
            queue.check()

    monkeypatch.setattr(SimulatedClock, "_soonest", compared)
    simulate(main, seed=seed)

    assert min(asked[True], asked[False]) > 100


@pytest.mark.parametrize("simulated", [True, False], ids=["simulated", "by hand"])
@pytest.mark.parametrize("awaits", [False, True], ids=["def", "async def"])
def test_a_message_that_fails_for_ever_at_one_instant_is_found(simulated: bool, awaits: bool) -> None:
    """Without a dead-letter queue and without a delay."""

    def fail(text: str) -> None:
        raise ValueError(text)

    async def afail(text: str) -> None:
        raise ValueError(text)

    def poisoned(broker: Broker) -> None:
        orders = broker.queue("orders")
        orders.consume(afail if awaits else fail)
        orders.send("poison")

    async def main() -> None:
        async with Broker() as broker:
            poisoned(broker)
            await asyncio.sleep(100)

    def by_hand() -> None:
        broker = Broker(clock=VirtualClock())
        poisoned(broker)
        broker.run_until_idle()

    with pytest.raises(EndlessWork, match=r"consumer .* has failed 1,000 times at the same instant with message"):
        simulate(main) if simulated else by_hand()
