"""Message.move: acknowledged here and sent there in one step, for chains of queues."""

from __future__ import annotations

import dataclasses
import threading
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest

from decouple import (
    BodyNotDecoded,
    Broker,
    MessageTooLarge,
    NotInFlight,
    Queue,
    QueueClosed,
    SystemClock,
)
from decouple.testing import Ledger, VirtualClock


@dataclasses.dataclass
class Parcel:
    weight: int


@pytest.fixture
def orders(broker: Broker) -> Queue:
    return broker.queue("orders")


@pytest.fixture
def bills(broker: Broker) -> Queue:
    return broker.queue("bills")


def test_a_moved_message_is_gone_here_and_visible_there_under_its_id(
    orders: Queue, bills: Queue, clock: VirtualClock
) -> None:
    orders.send("x", attributes={"n": 1, "tags": ["a"]}, group="g", system={"AWSTraceHeader": "t"})
    clock.advance(5)
    [message] = orders.receive()

    sent = message.move(bills)

    assert (orders.stats().in_flight, orders.stats().moved_out, bills.stats().moved_in) == (0, 1, 1)
    [moved] = bills.receive()
    assert sent.id == moved.id == message.id
    assert (moved.body, moved.attributes, moved.group) == ("x", {"n": 1, "tags": ["a"]}, "g")
    assert moved.system == {"AWSTraceHeader": "t"}


def test_its_life_starts_anew(orders: Queue, bills: Queue, clock: VirtualClock) -> None:
    """Time of sending, receive count, source and failure are those of a message just sent."""
    orders.send("x")
    with pytest.raises(ZeroDivisionError), orders.receive()[0]:
        raise ZeroDivisionError
    clock.advance(7)

    orders.receive()[0].move(bills)

    [moved] = bills.receive()
    assert moved.sent_at == moved.first_received_at == datetime(2026, 1, 1, 0, 0, 7, tzinfo=UTC)
    assert (moved.receive_count, moved.source, moved.failure) == (1, None, None)


def test_a_message_can_become_another_on_the_way(orders: Queue, bills: Queue) -> None:
    orders.send("x", attributes={"n": 1}, group="g")

    orders.receive()[0].move(bills, body={"total": 7}, attributes={"m": 2}, group="h")

    [moved] = bills.receive()
    assert (moved.json(), moved.attributes, moved.group) == ({"total": 7}, {"m": 2}, "h")


def test_none_is_a_body_and_no_attributes_are_none(orders: Queue, bills: Queue) -> None:
    orders.send("x", attributes={"n": 1})

    orders.receive()[0].move(bills, body=None, attributes={})

    [moved] = bills.receive()
    assert (moved.text, moved.attributes) == ("null", {})


def test_the_history_follows_the_message_through_the_stages(
    broker: Broker, orders: Queue, bills: Queue, ledger: Ledger
) -> None:
    last = broker.queue("last")
    sent = orders.send("x")
    for here, there in ((orders, bills), (bills, last)):
        here.receive()[0].move(there)
    last.receive()[0].ack()

    steps = [(change.queue, change.cause, change.other) for change in ledger.history(sent.id)]

    assert steps == [
        ("orders", "sent", None),
        ("orders", "received", None),
        ("orders", "moving", "bills"),
        ("bills", "moved in", "orders"),
        ("orders", "moved", "bills"),
        ("bills", "received", None),
        ("bills", "moving", "last"),
        ("last", "moved in", "bills"),
        ("bills", "moved", "last"),
        ("last", "received", None),
        ("last", "deleted", None),
    ]


def test_with_a_new_id_the_record_names_the_old_one(orders: Queue, bills: Queue, ledger: Ledger) -> None:
    orders.send("x")
    [message] = orders.receive()

    sent = message.move(bills, keep_id=False)

    assert sent.id == bills.peek()[0].id != message.id
    [arrived] = ledger.history(sent.id)
    assert (arrived.cause, arrived.other, arrived.origin) == ("moved in", "orders", message.id)


def test_a_message_may_come_back_under_its_id(orders: Queue, bills: Queue, ledger: Ledger) -> None:
    sent = orders.send("x")

    for _ in range(3):
        orders.receive()[0].move(bills)
        bills.receive()[0].move(orders)

    assert orders.receive()[0].id == sent.id
    ledger.check()


def test_the_delay_of_the_next_queue_applies(broker: Broker, orders: Queue, clock: VirtualClock) -> None:
    later = broker.queue("later", delay=5)
    orders.send("x")

    orders.receive()[0].move(later)

    assert (later.stats().delayed, later.receive()) == (1, [])
    later.check()
    clock.advance(5)
    assert later.receive()[0].receive_count == 1


@pytest.mark.parametrize("delay", [0, 5, 900])
def test_a_moved_message_outlives_its_retention_there_like_any_other(
    broker: Broker, orders: Queue, clock: VirtualClock, delay: int
) -> None:
    short = broker.queue("short", retention=60, delay=delay)
    orders.send("x")
    clock.advance(1000)
    orders.receive()[0].move(short)

    clock.advance(59)
    assert short.stats().retained_out == 0

    clock.advance(1)
    assert short.stats().retained_out == 1


def test_a_waiting_receive_gets_it(orders: Queue, bills: Queue, clock: VirtualClock) -> None:
    got: list[str] = []
    thread = threading.Thread(target=lambda: got.extend(message.body for message in bills.receive(wait=20)))
    thread.start()
    while not bills.stats().parked:
        pass
    orders.send("x")

    orders.receive()[0].move(bills)

    thread.join(5)
    assert got == ["x"]


def test_a_block_around_a_message_that_was_moved_leaves_it_alone(orders: Queue, bills: Queue) -> None:
    orders.send("x")

    with suppress(ZeroDivisionError), orders.receive()[0] as message:
        message.move(bills)
        raise ZeroDivisionError

    assert (orders.stats().visible, bills.stats().visible) == (0, 1)


# -- gone --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("gone", ["acked", "moved", "rejected", "purged", "retained out"])
def test_a_message_that_is_gone_is_not_moved(orders: Queue, bills: Queue, clock: VirtualClock, gone: str) -> None:
    orders.send("x")
    [message] = orders.receive()
    {
        "acked": message.ack,
        "moved": lambda: message.move(Queue("elsewhere", clock=clock)),
        "rejected": lambda: message.reject("no"),
        "purged": orders.purge,
        "retained out": lambda: clock.advance(345_600),
    }[gone]()

    with pytest.raises(NotInFlight, match="it was deleted or moved, or outlived"):
        message.move(bills)

    assert bills.stats().moved_in == 0


def test_of_two_receivers_of_a_message_only_the_first_moves_it(
    orders: Queue, bills: Queue, clock: VirtualClock
) -> None:
    """Standard queues: any receipt settles, also late; but never twice."""
    orders.send("x")
    [late] = orders.receive()
    clock.advance(30)
    [current] = orders.receive()

    late.move(bills)

    with pytest.raises(NotInFlight):
        current.move(bills)
    assert bills.stats().visible == 1


def test_a_message_only_looked_at_is_not_moved(orders: Queue, bills: Queue) -> None:
    orders.send("x")

    with pytest.raises(NotInFlight, match="only looked at"):
        orders.peek()[0].move(bills)

    assert orders.stats().visible == 1


# -- the target's door -------------------------------------------------------------------------------------------


def test_what_the_target_does_not_take_stays_in_flight_as_it_was(broker: Broker, orders: Queue, ledger: Ledger) -> None:
    small = broker.queue("small", max_message_size=3)
    closed = broker.queue("closed")
    closed.close()
    typed = broker.queue("typed", body=Parcel)
    orders.send("long", attributes={})
    [message] = orders.receive()
    before = (orders.stats(), len(ledger.changes))

    for target, changes, error in [
        (small, {}, MessageTooLarge),
        (closed, {}, QueueClosed),
        (typed, {}, BodyNotDecoded),
        (typed, {"body": "text"}, TypeError),
        (small, {"body": b"x"}, TypeError),
        (small, {"body": ""}, ValueError),
        (small, {"body": "x", "group": "two words"}, ValueError),
        (small, {"body": "x", "attributes": {"": 1}}, ValueError),
        (small, {"body": "x", "deduplication_id": "d"}, ValueError),
        (orders, {}, ValueError),
        ("small", {}, TypeError),
        (Queue("far", clock=VirtualClock()), {}, ValueError),
        (Queue("real", clock=SystemClock()), {}, ValueError),
    ]:
        wrong: Any = target
        with pytest.raises(error):
            message.move(wrong, **changes)

    assert (orders.stats(), len(ledger.changes), message.settled) == (before[0], before[1], False)
    message.ack()
    assert orders.stats().deleted == 1


def test_typed_queues_hand_on_the_type_of_the_next(broker: Broker) -> None:
    texts, parcels, more = (
        broker.queue("texts"),
        broker.queue("parcels", body=Parcel),
        broker.queue("more", body=Parcel),
    )
    texts.send("7")

    texts.receive()[0].move(parcels, body=Parcel(7))
    [parcel] = parcels.receive()
    parcel.move(more)

    assert more.receive()[0].body == Parcel(7)


def test_a_target_closed_at_the_last_moment_leaves_it_in_flight(broker: Broker, ledger: Ledger) -> None:
    """Undone: in flight for another visibility timeout, still its receiver's to settle."""
    orders, bills = broker.queue("orders"), broker.queue("bills")
    orders._observe([lambda change: bills.close() if change.cause == "moving" else None])
    orders.send("x")
    [message] = orders.receive()

    with pytest.raises(QueueClosed, match="'bills'"):
        message.move(bills)

    assert (orders.stats().in_flight, orders.stats().refused, bills.stats().moved_in) == (1, 1, 0)
    assert not message.settled
    message.ack()
    assert orders.stats().in_flight == 0


def test_a_closed_queue_still_hands_on_what_is_in_flight(orders: Queue, bills: Queue) -> None:
    """Settling stays allowed after close."""
    orders.send("x")
    [message] = orders.receive()
    orders.close()

    message.move(bills)

    assert bills.stats().visible == 1


# -- together ----------------------------------------------------------------------------------------------------


def test_threads_that_hand_on_through_a_chain_lose_and_double_nothing() -> None:
    first = Queue("first", visibility_timeout=600)
    second, third = (Queue(name, visibility_timeout=600) for name in ("second", "third"))
    count = 400
    first.send_batch([str(number) for number in range(count)])

    def hands_on(here: Queue, there: Queue) -> None:
        while there.stats().moved_in < count:
            for message in here.receive(max_messages=3):
                message.move(there)

    stages = [(first, second), (second, third)]
    threads = [threading.Thread(target=hands_on, args=stage) for stage in stages * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert sorted(int(message.body) for message in third.receive(max_messages=count + 1)) == list(range(count))
    for queue in (first, second, third):
        assert queue.check()["moving"] == 0
