"""Dead letters: when a message goes, what it keeps, what is recorded with it, and when the target says no."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from decouple import Broker, Change, Failure, NotInFlight, Queue
from decouple.testing import Ledger, VirtualClock


@pytest.fixture
def dead(broker: Broker) -> Queue:
    return broker.queue("dead")


@pytest.fixture
def orders(broker: Broker, dead: Queue) -> Queue:
    return broker.queue("orders", dead_letter=dead, max_receives=2)


def test_a_message_moves_at_the_receive_after_the_last_allowed_one(
    orders: Queue, dead: Queue, clock: VirtualClock
) -> None:
    """SQS: that attempt does not return it; expiry alone moves nothing."""
    orders.send("x")
    for _ in range(2):
        assert len(orders.receive()) == 1
        clock.advance(30)
    assert (orders.stats().visible, dead.stats().visible) == (1, 0)

    assert orders.receive() == []

    assert (orders.stats().visible, dead.stats().visible) == (0, 1)
    assert (orders.stats().moved_out, dead.stats().moved_in) == (1, 1)


@pytest.mark.parametrize("most", [1, 10])
def test_with_one_receive_allowed_the_second_moves(broker: Broker, dead: Queue, clock: VirtualClock, most: int) -> None:
    """SQS: with maxReceiveCount=1 the first receive delivers, the second moves."""
    orders = broker.queue("orders", dead_letter=dead, max_receives=1)
    orders.send("x")
    orders.receive(max_messages=most)[0].nack()

    assert orders.receive(max_messages=most) == []
    assert dead.stats().visible == 1


def test_a_receive_passes_over_what_it_moves_and_gives_the_next_message(
    broker: Broker, dead: Queue, clock: VirtualClock
) -> None:
    orders = broker.queue("orders", dead_letter=dead, max_receives=1)
    orders.send("poison")
    orders.receive()
    clock.advance(30)
    orders.send("good")

    assert [message.body for message in orders.receive()] == ["good"]
    assert dead.stats().visible == 1


def test_a_receive_with_a_visibility_timeout_of_0_counts(orders: Queue, dead: Queue) -> None:
    """SQS: a receive with timeout 0 counts."""
    orders.send("x")

    received = [len(orders.receive(visibility_timeout=0)) for _ in range(3)]

    assert received == [1, 1, 0]
    assert dead.stats().visible == 1


def test_a_dead_letter_keeps_what_it_was_and_says_where_it_came_from(
    orders: Queue, dead: Queue, clock: VirtualClock
) -> None:
    """SQS: id, body, attributes, trace header and enqueue time are kept, the count continues; the receipt is new."""
    clock.advance(5)
    sent = orders.send("x", attributes={"n": 1}, group="g", system={"AWSTraceHeader": "t"})
    clock.advance(5)
    receipts = set()
    for _ in range(2):
        [message] = orders.receive()
        receipts.add(message.receipt)
        clock.advance(30)
    assert orders.receive() == []

    [letter] = dead.receive()

    assert (letter.id, letter.body, letter.attributes) == (sent.id, "x", {"n": 1})
    assert (letter.group, letter.system) == ("g", {"AWSTraceHeader": "t"})
    assert letter.receive_count == 3
    assert letter.sent_at == datetime(2026, 1, 1, 0, 0, 5, tzinfo=UTC)
    assert letter.first_received_at == datetime(2026, 1, 1, 0, 0, 10, tzinfo=UTC)
    assert letter.source is orders
    assert letter.receipt not in receipts


def test_a_message_nobody_complained_about_was_received_too_often(
    orders: Queue, dead: Queue, clock: VirtualClock
) -> None:
    orders.send("x")
    for _ in range(3):
        orders.receive()
        clock.advance(30)

    assert dead.receive()[0].failure == Failure("TooManyReceives", "received 2 times and not deleted", "", 2)


def test_a_dead_letter_carries_the_last_error_of_its_handlers(orders: Queue, dead: Queue) -> None:
    orders.send("x")
    for text in ("first", "last"):
        with pytest.raises(ZeroDivisionError), orders.receive()[0]:
            raise ZeroDivisionError(text)
    orders.receive()

    failure = dead.receive()[0].failure
    assert failure is not None
    assert (failure.error, failure.text, failure.attempts) == ("ZeroDivisionError", "last", 2)
    assert "ZeroDivisionError: last" in failure.traceback


def test_a_dead_letter_queue_alone_takes_only_what_is_rejected(broker: Broker, dead: Queue) -> None:
    orders = broker.queue("patient", dead_letter=dead)
    orders.send("x")
    for _ in range(20):
        orders.receive(visibility_timeout=0)

    assert (orders.stats().visible, dead.stats().visible) == (1, 0)


def test_a_message_of_the_dead_letter_queue_itself_has_no_source(orders: Queue, dead: Queue) -> None:
    dead.send("sent here")

    [message] = dead.receive()

    assert (message.source, message.failure) == (None, None)


def test_a_dead_letter_may_be_larger_than_its_new_queue_takes(broker: Broker, clock: VirtualClock) -> None:
    narrow = broker.queue("narrow", max_message_size=1)
    orders = broker.queue("orders", dead_letter=narrow)
    orders.send("larger")
    orders.receive()[0].reject("no")

    assert narrow.receive()[0].body == "larger"


def test_a_waiting_receive_gets_a_dead_letter_the_instant_it_arrives(
    orders: Queue, dead: Queue, clock: VirtualClock
) -> None:
    orders.send("x")
    [message] = orders.receive()
    message.reject("no")

    [letter] = dead.receive(wait=20)

    assert letter.id == message.id
    assert clock.time == datetime(2026, 1, 1, tzinfo=UTC)


def test_raising_the_receives_allowed_keeps_a_message_that_was_due_to_move(
    orders: Queue, dead: Queue, clock: VirtualClock
) -> None:
    orders.send("x")
    for _ in range(2):
        orders.receive(visibility_timeout=0)

    orders.configure(max_receives=3)

    assert orders.receive()[0].receive_count == 3


# -- reject ----------------------------------------------------------------------------------------------------


def test_a_rejected_message_moves_at_once_with_the_reason(orders: Queue, dead: Queue) -> None:
    sent = orders.send("x", attributes={"n": 1})
    [message] = orders.receive()

    message.reject("no such customer")

    [letter] = dead.receive()
    assert (letter.id, letter.attributes, letter.receive_count, letter.source) == (sent.id, {"n": 1}, 2, orders)
    assert letter.failure == Failure("Rejected", "no such customer", "", 1)
    assert orders.stats().in_flight == 0


def test_a_late_reject_moves_the_message_that_is_visible_again(orders: Queue, dead: Queue, clock: VirtualClock) -> None:
    orders.send("x")
    [message] = orders.receive()
    clock.advance(30)

    message.reject("too late, but no")

    assert (orders.receive(), dead.stats().visible) == ([], 1)


def test_a_rejected_message_without_a_dead_letter_queue_is_gone_and_recorded(broker: Broker, ledger: Ledger) -> None:
    queue = broker.queue("alone")
    queue.send("x")
    [message] = queue.receive()

    message.reject("no such customer")

    assert (queue.stats().rejected, queue.stats().in_flight) == (1, 0)
    last = ledger.history(message.id)[-1]
    assert (last.cause, last.reason) == ("rejected", "no such customer")


def test_a_message_is_rejected_once(orders: Queue, dead: Queue) -> None:
    orders.send("x")
    [message] = orders.receive()
    message.reject("no")

    with pytest.raises(NotInFlight) as caught:
        message.reject("no")

    assert caught.value.id == message.id
    assert dead.stats().visible == 1


@pytest.mark.parametrize("reason", ["", None, 7])
def test_a_reject_must_say_why(orders: Queue, reason: Any) -> None:
    orders.send("x")
    [message] = orders.receive()
    before = orders.stats()

    with pytest.raises(ValueError, match="reason must say why"):
        message.reject(reason)

    assert orders.stats() == before


def test_acknowledging_a_message_that_moved_leaves_the_dead_letter(orders: Queue, dead: Queue) -> None:
    orders.send("x")
    [message] = orders.receive()
    message.reject("no")

    message.ack()

    assert (orders.stats().deleted, dead.stats().visible) == (0, 1)


# -- chains ----------------------------------------------------------------------------------------------------


def test_a_message_goes_down_a_chain_of_dead_letter_queues_and_names_the_last_source(
    broker: Broker, clock: VirtualClock
) -> None:
    last = broker.queue("last")
    middle = broker.queue("middle", dead_letter=last, max_receives=2)
    first = broker.queue("first", dead_letter=middle, max_receives=1)
    sent = first.send("x")
    first.receive(visibility_timeout=0)
    assert first.receive() == []

    delivered = 0
    while batch := middle.receive(visibility_timeout=0):
        delivered += len(batch)

    [letter] = last.receive()
    assert delivered >= 1
    assert (letter.id, letter.source) == (sent.id, middle)
    assert letter.receive_count == 1 + delivered + 1
    assert letter.failure is not None
    assert letter.failure.attempts == 1 + delivered


def test_a_rejected_message_goes_one_queue_further_at_a_time(broker: Broker) -> None:
    last = broker.queue("last")
    middle = broker.queue("middle", dead_letter=last)
    first = broker.queue("first", dead_letter=middle)
    first.send("x")

    first.receive()[0].reject("not for me")
    middle.receive()[0].reject("nor for me")

    [letter] = last.receive()
    assert (letter.source, letter.receive_count) == (middle, 3)
    assert letter.failure == Failure("Rejected", "nor for me", "", 2)


# -- a target that refuses -------------------------------------------------------------------------------------


def test_a_dead_letter_that_its_target_refuses_stays_in_flight_and_the_refusal_is_recorded(
    orders: Queue, dead: Queue, clock: VirtualClock, ledger: Ledger
) -> None:
    """The move is undone: in flight for another visibility timeout, its count as it was."""
    id = orders.send("x").id
    for _ in range(2):
        orders.receive(visibility_timeout=0)
    dead.close()

    assert orders.receive() == []

    assert (orders.stats().in_flight, orders.stats().refused, orders.stats().moved_out) == (1, 1, 0)
    moving, refused = ledger.history(id)[-2:]
    assert (moving.cause, moving.other, moving.receives) == ("moving", "dead", 2)
    assert (refused.cause, refused.other) == ("refused", "dead")
    assert refused.until == refused.at + 30_000_000_000
    assert "closed" in (refused.reason or "")


def test_a_refused_dead_letter_is_tried_again_after_another_visibility_timeout(
    orders: Queue, dead: Queue, broker: Broker, clock: VirtualClock
) -> None:
    sent = orders.send("x")
    for _ in range(2):
        orders.receive(visibility_timeout=0)
    dead.close()
    orders.receive()
    other = broker.queue("other-dead")
    orders.configure(dead_letter=other)

    clock.advance(30)
    assert orders.receive() == []

    [letter] = other.receive()
    assert (letter.id, letter.receive_count) == (sent.id, 3)


def test_a_refused_reject_leaves_the_message_to_its_receiver(orders: Queue, dead: Queue, clock: VirtualClock) -> None:
    orders.send("x")
    [message] = orders.receive()
    dead.close()

    message.reject("no")
    assert (orders.stats().in_flight, orders.stats().refused) == (1, 1)

    message.ack()
    assert orders.stats().deleted == 1


def test_a_refusal_by_the_target_of_a_queue_without_a_visibility_timeout_does_not_spin(
    broker: Broker, dead: Queue, clock: VirtualClock
) -> None:
    orders = broker.queue("orders", dead_letter=dead, max_receives=1, visibility_timeout=0)
    orders.send("x")
    orders.receive()
    dead.close()

    assert orders.receive(wait=10) == []

    assert 1 <= orders.stats().refused <= 11


def test_a_move_interrupted_after_its_arrival_is_finished_by_the_next_operation_and_gives_nothing_twice(
    clock: VirtualClock,
) -> None:
    heard: list[str] = []

    def interrupt_once(change: Change) -> None:
        heard.append(change.cause)
        if heard.count("moved in") == 1 and change.cause == "moved in":
            raise KeyboardInterrupt

    broker = Broker(clock=clock, observers=[interrupt_once])
    dead = broker.queue("dead")
    orders = broker.queue("orders", dead_letter=dead)
    orders.send("x")
    [message] = orders.receive()

    with pytest.raises(KeyboardInterrupt):
        message.reject("no")
    assert broker.check()["accepted"] == 2

    assert (orders.stats().moving, orders.stats().moved_out) == (0, 1)
    assert [letter.body for letter in dead.receive(max_messages=10)] == ["x"]
