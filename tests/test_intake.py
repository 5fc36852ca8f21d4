"""Intakes: a receive that waits in the queue's line for the broker's workers, without a thread or a task of its own."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import attrs
import pytest
from test_interrupts import Tracer, interrupt

from decouple import Broker, Message, Queue, QueueClosed
from decouple.intake import Intake
from decouple.testing import VirtualClock


@attrs.frozen
class Order:
    id: int


@pytest.fixture
def orders(broker: Broker) -> Queue:
    return broker.queue("orders")


def intake(queue: Queue[Any], got: list[list[str]], most: int = 10, **more: Any) -> Intake:
    """One that keeps the texts of what it was given."""

    def take(messages: list[Message]) -> None:
        got.append([message.text for message in messages])

    return Intake(queue, queue._runner("a test"), most, take, **more)


def test_it_takes_what_is_there_up_to_so_many_once(broker: Broker, orders: Queue) -> None:
    got: list[list[str]] = []
    orders.send_batch(["a", "b", "c"])

    intake(orders, got, most=2).begin()
    broker.run_until_idle()

    assert got == [["a", "b"]]
    assert (orders.stats().in_flight, orders.stats().visible) == (2, 1)


def test_it_waits_for_what_becomes_visible_by_itself(broker: Broker, orders: Queue, clock: VirtualClock) -> None:
    got: list[list[str]] = []
    orders.send("a", delay=40)

    waiting = intake(orders, got)
    waiting.begin()
    assert [one.what for one in broker.run_until_idle().waiting_for] == ["a receive waits for queue 'orders'"]
    assert not waiting.over

    broker.run_until_idle(budget=60)
    assert (got, clock.time.second, waiting.over) == ([["a"]], 40, True)


def test_an_async_take_is_awaited(broker: Broker, orders: Queue) -> None:
    got: list[str] = []

    async def take(messages: list[Message]) -> None:
        got.extend(message.body for message in messages)

    Intake(orders, orders._runner("a test"), 10, take, awaits=True).begin()
    orders.send("a")
    broker.run_until_idle()

    assert got == ["a"]


def test_stopped_it_gives_back_what_was_on_its_way(broker: Broker, orders: Queue) -> None:
    got: list[list[str]] = []
    waiting = intake(orders, got)
    waiting.begin()
    orders.send("a")

    assert waiting.stop()
    assert not waiting.stop()
    broker.run_until_idle()

    [back] = orders.peek()
    assert (got, back.receive_count) == ([], 0)


def test_its_lease_is_its_own(broker: Broker, orders: Queue, clock: VirtualClock) -> None:
    intake(orders, [], lease=5_000_000_000).begin()
    orders.send("a")
    broker.run_until_idle()

    clock.advance(4.9)
    assert orders.stats().in_flight == 1
    clock.advance(0.1)
    assert orders.stats().visible == 1


def test_it_hears_once_that_the_queue_is_closed(broker: Broker, orders: Queue) -> None:
    closed: list[str] = []
    waiting = intake(orders, [], closed=lambda: closed.append("closed"))
    waiting.begin()

    orders.close()
    broker.run_until_idle()

    assert closed == ["closed"]
    with pytest.raises(QueueClosed):
        intake(orders, []).begin()


def test_it_waits_again_when_nothing_that_came_could_be_decoded(broker: Broker) -> None:
    orders = broker.queue("typed", body=Order, dead_letter=broker.queue("dead"))
    got: list[list[str]] = []
    intake(orders, got).begin()

    orders._core.send_all(orders._now(), [("no order", None, 0)])
    broker.run_until_idle()
    assert got == []

    orders.send(Order(1))
    broker.run_until_idle()
    assert got == [['{"id": 1}']]
    assert broker.queues["dead"].stats().visible == 1


def test_all_who_wait_share_one_alarm(broker: Broker, orders: Queue) -> None:
    orders.send("in flight")
    assert orders.receive()

    for _ in range(100):
        waiting = intake(orders, [])
        waiting.begin()
        broker.run_until_idle()
        waiting.stop()

    assert len(broker.run_until_idle().waiting_for) == 1


def test_interrupted_anywhere_it_loses_nothing_and_waits_again() -> None:
    def world() -> tuple[Broker, Queue, list[list[str]]]:
        broker = Broker(clock=VirtualClock())
        orders = broker.queue("orders")
        got: list[list[str]] = []
        orders.send("a")
        intake(orders, got).begin()
        return broker, orders, got

    broker, _, _ = world()
    tracer = Tracer(0, interrupt)
    tracer.run(broker.run_until_idle)

    lost: list[str] = []
    for at in range(1, tracer.seen + 1):
        broker, orders, got = world()
        tracer_at = Tracer(at, interrupt)
        with suppress(KeyboardInterrupt):
            tracer_at.run(broker.run_until_idle)
        broker.run_until_idle()
        broker.check()
        if got != [["a"]] and tracer_at.where.partition(":")[0] != "Intake.run":  # on the way to take: it is in flight
            lost.append(tracer_at.where)
        assert orders.stats().in_flight == 1
    assert lost == []
