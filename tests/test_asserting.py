"""What tests assert of queues, topics and handlers: failures tell what was there instead, and need no test framework."""

from __future__ import annotations

import asyncio
import threading
import unittest
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import pytest

from decouple import Attribute, Broker, LargeBodies, Message, NotRecorded, Queue
from decouple.testing import Ledger, VirtualClock, simulate


@pytest.fixture
def broker(clock: VirtualClock) -> Broker:
    return Broker(clock=clock, record=1_000)


@pytest.fixture
def orders(broker: Broker) -> Queue:
    return broker.queue("orders", dead_letter=broker.queue("dead"), max_receives=2)


def failure(check: Callable[..., object], *given: Any, **named: Any) -> list[str]:
    """The lines of the AssertionError that this call ends with."""
    with pytest.raises(AssertionError) as caught:
        check(*given, **named)
    assert type(caught.value) is AssertionError
    return str(caught.value).splitlines()


# -- what was sent -----------------------------------------------------------------------------------------------------


def test_what_was_sent_is_found_by_body_attributes_and_group_also_when_it_is_gone(orders: Queue) -> None:
    first = orders.send({"id": 7, "at": "noon"}, attributes={"type": "created", "n": 1})
    orders.send("plain", group="a")
    for message in orders.receive(max_messages=2):
        message.ack()

    assert [one.id for one in orders.assert_sent({"id": 7, "at": "noon"})] == [first.id]
    orders.assert_sent({"id": 7, "at": ANY}, attributes={"type": "created"}, count=1)
    orders.assert_sent(attributes={"n": Attribute("Number", "1")})
    orders.assert_sent("plain", group="a")
    orders.assert_sent(ANY, count=2)
    orders.assert_sent("never", count=0)


def test_a_failure_lists_what_was_sent_instead_nearest_first_and_every_difference(orders: Queue) -> None:
    orders.send("hello")
    orders.send({"id": 8, "items": [1, True], "new": None})
    orders.send({"id": 7, "items": [1, 1]}, attributes={"type": "created"}, group="b")

    expected = "body {'id': 7, 'items': [1, 2, 3]}, attributes {'type': 'made', 'n': 1}, group 'a'"
    lines = failure(orders.assert_sent, {"id": 7, "items": [1, 2, 3]}, attributes={"type": "made", "n": 1}, group="a")

    assert lines == [
        f"no message was sent to queue 'orders' with {expected}",
        "sent instead, nearest first:",
        """  00:00:00.000  '{"id": 7, "items": [1, 1]}', attributes {'type': 'created'}, group 'b'""",
        "      body['items'][1] is 1, not 2",
        "      body['items'] has 2 items, not 3",
        "      attributes['type'] is 'created', not 'made'",
        "      attributes['n'] is missing, not 1",
        "      group is 'b', not 'a'",
        """  00:00:00.000  '{"id": 8, "items": [1, true], "new": null}'""",
        "      body['id'] is 8, not 7",
        "      body['items'][1] is True, not 2",
        "      body['items'] has 2 items, not 3",
        "      body['new'] is None, and was not expected",
        "      attributes['type'] is missing, not 'made'",
        "      attributes['n'] is missing, not 1",
        "      group is None, not 'a'",
        "  00:00:00.000  'hello'",
        "      body is 'hello', not {'id': 7, 'items': [1, 2, 3]}",
        "      attributes['type'] is missing, not 'made'",
        "      attributes['n'] is missing, not 1",
        "      group is None, not 'a'",
    ]


def test_a_wrong_number_of_them_lists_those_that_were_meant(broker: Broker, orders: Queue) -> None:
    for _ in range(7):
        orders.send("again")

    assert failure(orders.assert_sent, "again", count=1)[:2] == [
        "7 messages were sent to queue 'orders' with body 'again', and not 1",
        "  00:00:00.000  'again'",
    ]
    assert failure(orders.assert_sent, "other")[-1] == "  and 2 more"
    assert failure(broker.queue("other").assert_sent, "again") == [
        "no message was sent to queue 'other' with body 'again'",
        "nothing else was sent",
    ]


def test_long_texts_are_shown_from_where_they_begin_to_differ(orders: Queue) -> None:
    orders.send("x" * 500 + "one")

    lines = failure(orders.assert_sent, "x" * 500 + "two")

    assert lines[-1].strip() == f"body is ...'{'x' * 30}one' from character 470 on, not ...'{'x' * 30}two'"


def test_true_is_not_one_as_in_json(orders: Queue) -> None:
    orders.send([True, 0])

    assert failure(orders.assert_sent, [1, False])[-2:] == [
        "      body[0] is True, not 1",
        "      body[1] is 0, not False",
    ]


def test_a_dead_letter_counts_as_sent_to_its_queue_and_what_comes_back_does_not(
    orders: Queue, clock: VirtualClock
) -> None:
    orders.send("poison")
    for _ in range(3):
        for message in orders.receive():
            message.nack()
    dead = orders.dead_letter
    assert dead is not None

    dead.assert_sent("poison", count=1)
    dead.redrive()

    orders.assert_sent("poison", count=1)


def test_typed_queues_take_their_type_or_json_and_large_bodies_are_read_where_they_are(
    broker: Broker, tmp_path: Path
) -> None:
    typed = broker.queue("typed", body=Order)
    typed.send(Order(7, "new"))
    large = broker.queue("large", large_bodies=LargeBodies(tmp_path, threshold=1_024))
    large.send("y" * 2_000)

    typed.assert_sent(Order(7, "new"))
    typed.assert_sent({"id": 7, "state": ANY})  # type: ignore[arg-type]
    assert failure(typed.assert_sent, Order(8, "new"))[-1] == "      body['id'] is 7, not 8"
    large.assert_sent("y" * 2_000)


@dataclass
class Order:
    id: int
    state: str


def test_what_a_topic_published_is_found_though_nobody_is_subscribed(broker: Broker) -> None:
    events = broker.topic("events")
    sent = events.publish({"id": 7}, subject="news", attributes={"type": "created"})

    assert [one.id for one in events.assert_published({"id": 7}, subject="news", count=1)] == [sent.id]
    assert failure(events.assert_published, {"id": 7}, subject="olds", attributes={"type": "made"}) == [
        "no message was published to topic 'events' with body {'id': 7}, attributes {'type': 'made'}, subject 'olds'",
        "published instead:",
        """  00:00:00.000  '{"id": 7}', attributes {'type': 'created'}, subject 'news'""",
        "      attributes['type'] is 'created', not 'made'",
        "      subject is 'news', not 'olds'",
    ]


def test_a_ledger_serves_too_and_without_any_records_it_is_said_what_to_set() -> None:
    told = Broker(observers=[Ledger()]).queue("orders")
    told.send("x")
    silent = Broker()
    handler = silent.queue("orders").consume(print)

    told.assert_sent("x")
    for ask in (silent.queue("orders").assert_sent, silent.topic("t").assert_published, lambda: handler.calls):
        with pytest.raises(NotRecorded, match=r"make it with Broker\(record=100_000\)"):
            ask()


def test_what_is_not_recorded_any_more_is_said(clock: VirtualClock) -> None:
    orders = Broker(clock=clock, record=2).queue("orders")
    for number in range(5):
        orders.send(str(number))

    assert failure(orders.assert_sent, "0")[-1] == "(3 older changes are not recorded any more)"


def test_arguments_are_checked(orders: Queue) -> None:
    with pytest.raises(ValueError, match="count must be at least 0"):
        orders.assert_sent(count=-1)
    with pytest.raises(TypeError, match="wait_for takes a function"):
        orders.wait_for("x")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="timeout must be"):
        orders.wait_for(bool, timeout=-1)

    with pytest.raises(TypeError, match=r"test_asserting.py:\d+: async def later.* is asynchronous"):
        orders.wait_for(later)


async def later() -> bool:
    """What is no condition."""
    return True


# -- what is there -----------------------------------------------------------------------------------------------------


def test_a_queue_that_is_not_empty_lists_what_is_in_it(broker: Broker, orders: Queue, clock: VirtualClock) -> None:
    orders.assert_empty()
    orders.send("first")
    orders.send("second")
    orders.send("later", delay=60)
    orders.receive()

    assert failure(orders.assert_empty) == [
        "queue 'orders' is not empty, but has 3 messages:",
        "  visible, never received: 'second'",
        "  in flight, received once: 'first'",
        "  delayed, never received: 'later'",
    ]

    clock.advance(30)
    for _ in range(2):
        orders.receive(max_messages=2)
        clock.advance(30)
    orders.receive()

    dead = broker.queues["dead"]
    assert failure(dead.assert_empty)[1] == "  visible, a dead letter, received 2 times: 'first'"


# -- waiting -----------------------------------------------------------------------------------------------------------


def test_on_virtual_time_a_wait_jumps_and_does_the_work_that_is_due(
    broker: Broker, orders: Queue, clock: VirtualClock
) -> None:
    seen: list[str] = []
    orders.consume(lambda message: seen.append(message.text))
    orders.send("soon", delay=40)

    assert orders.wait_for(lambda: seen, timeout=60) == ["soon"]
    assert clock.now() == 40e9


def test_a_wait_in_vain_says_for_what_and_what_the_condition_asserted(orders: Queue, clock: VirtualClock) -> None:
    orders.send("other")

    lines = failure(orders.wait_for, lambda: orders.assert_sent("never"), timeout=7)

    assert lines[0].startswith("waited 7 s in vain for the condition at test_asserting.py:")
    assert lines[1:3] == [
        "<Queue 'orders': 1 visible, 0 in flight, 0 delayed>",
        "no message was sent to queue 'orders' with body 'never'",
    ]
    assert clock.now() == 7e9


def test_in_real_time_a_change_anywhere_in_the_broker_ends_the_wait() -> None:
    with Broker(record=100) as broker:
        orders, shipped = broker.queue("orders"), broker.queue("shipped")
        orders.consume(lambda message: shipped.send(message.text))
        threading.Timer(0.01, orders.send, ["order 7"]).start()

        assert orders.wait_for(lambda: shipped.peek(), timeout=10)[0].text == "order 7"


def test_in_real_time_what_falls_due_in_the_queue_ends_the_wait() -> None:
    orders = Queue("orders", visibility_timeout=0.02)
    orders.send("x")
    orders.receive()

    orders.wait_for(lambda: orders.stats().visible, timeout=10)


def test_a_thread_that_does_not_own_the_clock_waits_until_that_is_moved(orders: Queue, clock: VirtualClock) -> None:
    failures: list[str] = []
    waits = threading.Event()

    def wait() -> None:
        failures.extend(failure(orders.wait_for, lambda: waits.set() or orders.stats().visible, timeout=9))

    thread = threading.Thread(target=wait)
    thread.start()
    waits.wait()
    clock.advance(9)
    thread.join()

    assert failures[0].startswith("waited 9 s in vain")


def test_a_task_waits_without_blocking_its_loop_in_real_and_in_simulated_time() -> None:
    async def main() -> tuple[list[Any], float]:
        async with Broker(record=100) as broker:
            orders = broker.queue("orders")

            @orders.consume
            async def handle(message: Message) -> str:
                await asyncio.sleep(0.01)
                return message.text

            asyncio.get_running_loop().call_later(0.01, orders.send, "x")
            before = broker.clock.now()
            calls = await orders.aio.wait_for(lambda: handle.calls)
            return calls, (broker.clock.now() - before) / 1e9

    [call], took = simulate(main)
    [real], _ = asyncio.run(main())

    assert (call.result, real.result) == ("x", "x")
    assert took == 0.02


def test_a_task_waits_in_vain_up_to_the_timeout(clock: VirtualClock) -> None:
    async def main() -> tuple[str, float]:
        orders = Queue("orders")
        with pytest.raises(AssertionError) as caught:
            await orders.aio.wait_for(lambda: orders.stats().visible, timeout=3_600)
        return str(caught.value), orders.clock.now() / 1e9

    said, now = simulate(main)

    assert said.startswith("waited 3600 s in vain for the condition at test_asserting.py:")
    assert now == 3_600


def test_nobody_listens_any_more_once_a_wait_is_over(orders: Queue) -> None:
    alone = Queue("alone", clock=orders.clock)

    for queue in (orders, alone):
        queue.wait_for(lambda: True)

    assert not alone._core.listening
    assert len(orders._reporter.observers) == 1


# -- calls -------------------------------------------------------------------------------------------------------------


def test_a_consumer_s_calls_are_what_it_was_called_with_and_what_came_of_it(broker: Broker, orders: Queue) -> None:
    @orders.consume
    def handle(body: dict[str, int]) -> int:
        return 10 // body["id"]

    sent = [orders.send({"id": 5}), orders.send({"id": 0})]
    broker.run_until_idle(errors="collect")

    first, second, third = handle.calls
    assert (first.argument, first.result, first.error, first.id) == ({"id": 5}, 2, None, sent[0].id)
    assert (second.argument, second.result, second.id) == ({"id": 0}, None, sent[1].id)
    assert isinstance(second.error, ZeroDivisionError)
    assert third.id == second.id
    assert handle({"id": 1}) == 10
    assert len(handle.calls) == 3


def test_a_function_s_calls_are_its_runs_with_the_event_as_it_came(broker: Broker, orders: Queue) -> None:
    @broker.function
    def resize(event: Any, context: Any) -> Any:
        return event.pop("size")

    @broker.function
    async def fail(event: Any, context: Any) -> None:
        raise ValueError("no")

    resize.invoke({"size": 3})
    fail.send({"id": 7})
    broker.run_until_idle(errors="collect", budget=600)
    orders.trigger(resize)
    orders.send("x")
    broker.run_until_idle(errors="collect")

    first, batch = resize.calls
    assert (first.argument, first.result, first.error) == ({"size": 3}, 3, None)
    assert batch.argument["Records"][0]["body"] == "x"
    assert isinstance(batch.error, KeyError)
    assert [call.argument for call in fail.calls] == [{"id": 7}] * 3
    assert broker.explain(fail.calls[0].id)


def test_as_many_calls_are_kept_as_changes(clock: VirtualClock) -> None:
    broker = Broker(clock=clock, record=4)
    orders = broker.queue("orders")
    handle = orders.consume(lambda message: message.text)
    for number in range(9):
        orders.send(str(number))
    broker.run_until_idle()

    assert [call.result for call in handle.calls] == ["5", "6", "7", "8"]


# -- with unittest -----------------------------------------------------------------------------------------------------


class ShopTest(unittest.TestCase):
    """As a program without pytest would test."""

    def setUp(self) -> None:
        self.broker = Broker(clock=VirtualClock(), record=10_000)
        self.addCleanup(self.broker.check)
        self.orders = self.broker.queue("orders")
        self.shipped = self.broker.queue("shipped")

    def test_an_order_is_shipped(self) -> None:
        @self.orders.consume
        def ship(order: dict[str, int]) -> None:
            self.shipped.send({"order": order["id"]})

        self.orders.send({"id": 7})
        self.orders.wait_for(lambda: ship.calls)

        self.shipped.assert_sent({"order": 7}, count=1)
        self.orders.assert_empty()
