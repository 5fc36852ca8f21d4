"""Redrive: dead letters go back where they came from, or elsewhere, as new messages."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from decouple import Broker, MoveTask, Queue
from decouple.testing import Ledger, VirtualClock


@pytest.fixture
def dead(broker: Broker) -> Queue:
    return broker.queue("dead")


@pytest.fixture
def orders(broker: Broker, dead: Queue) -> Queue:
    return broker.queue("orders", dead_letter=dead, max_receives=2)


def bury(queue: Queue, *bodies: str) -> None:
    for body in bodies:
        queue.send(body, attributes={"n": 1}, group="g")
        [message] = queue.receive()
        message.reject("not now")


def test_a_redriven_message_is_a_new_message_in_the_queue_it_came_from(
    orders: Queue, dead: Queue, clock: VirtualClock
) -> None:
    """SQS developer guide, redrive: a new MessageId, enqueue time and retention."""
    bury(orders, "x")
    [old] = dead.peek()
    clock.advance(100)

    assert dead.redrive() == MoveTask(moved=1, failed=0, remaining=0)

    [message] = orders.receive()
    assert message.id != old.id
    assert (message.body, message.attributes, message.group) == ("x", {"n": 1}, "g")
    assert (message.receive_count, message.source, message.failure) == (1, None, None)
    assert message.sent_at == message.first_received_at == datetime(2026, 1, 1, 0, 1, 40, tzinfo=UTC)
    assert (dead.stats().moved_out, orders.stats().moved_in) == (1, 1)


def test_a_redriven_message_has_all_its_receives_again(orders: Queue, dead: Queue) -> None:
    bury(orders, "x")
    dead.redrive()

    assert [len(orders.receive(visibility_timeout=0)) for _ in range(3)] == [1, 1, 0]
    assert dead.stats().visible == 1


def test_each_message_goes_back_to_its_own_source(broker: Broker, orders: Queue, dead: Queue) -> None:
    """SQS: without a destination each message goes to its own original source, also with several sources."""
    bills = broker.queue("bills", dead_letter=dead)
    bury(orders, "order")
    bury(bills, "bill")

    assert dead.redrive().moved == 2

    assert orders.receive()[0].body == "order"
    assert bills.receive()[0].body == "bill"


def test_messages_go_to_another_queue_where_one_is_given(broker: Broker, orders: Queue, dead: Queue) -> None:
    """SQS: DestinationArn."""
    other = broker.queue("other")
    bury(orders, "letter")
    dead.send("came from nowhere")

    assert dead.redrive(other) == MoveTask(moved=2, failed=0, remaining=0)

    assert {message.body for message in other.receive(max_messages=10)} == {"letter", "came from nowhere"}


def test_a_message_that_came_from_nowhere_stays_without_a_destination(orders: Queue, dead: Queue) -> None:
    bury(orders, "letter")
    dead.send("came from nowhere")

    assert dead.redrive() == MoveTask(moved=1, failed=0, remaining=1)

    assert [message.body for message in dead.receive(max_messages=10)] == ["came from nowhere"]


def test_only_those_move_for_which_where_is_true(orders: Queue, dead: Queue) -> None:
    bury(orders, "a1", "b", "a2")

    task = dead.redrive(where=lambda letter: letter.body.startswith("a"))

    assert task == MoveTask(moved=2, failed=0, remaining=1)
    assert [message.body for message in orders.receive(max_messages=10)] == ["a1", "a2"]


def test_where_sees_the_letter_with_its_failure_and_source(orders: Queue, dead: Queue) -> None:
    bury(orders, "x")
    seen: list[Any] = []

    dead.redrive(where=lambda letter: seen.append((letter.source, letter.failure and letter.failure.text)))

    assert seen == [(orders, "not now")]
    assert dead.stats().visible == 1


def test_dead_letters_in_flight_and_delayed_stay(orders: Queue, dead: Queue) -> None:
    bury(orders, "taken", "free")
    dead.receive()
    dead.send("later", delay=10)

    assert dead.redrive(orders) == MoveTask(moved=1, failed=0, remaining=0)

    assert (dead.stats().in_flight, dead.stats().delayed) == (1, 1)


def test_a_letter_received_before_it_was_redriven_is_moved_too(orders: Queue, dead: Queue) -> None:
    bury(orders, "x")
    dead.receive()[0].nack()

    assert dead.redrive().moved == 1
    assert orders.receive()[0].receive_count == 1


def test_what_the_target_refuses_stays_visible_and_counts_as_failed(orders: Queue, dead: Queue, ledger: Ledger) -> None:
    bury(orders, "one", "two")
    orders.close()

    assert dead.redrive() == MoveTask(moved=0, failed=2, remaining=2)

    letters = dead.receive(max_messages=10)
    assert [letter.body for letter in letters] == ["one", "two"]
    assert all(letter.source is orders and letter.receive_count == 2 for letter in letters)
    assert dead.stats().refused == 2
    [refused] = [change for change in ledger.history(letters[0].id) if change.cause == "refused"]
    assert (refused.other, refused.until) == ("orders", refused.at)


def test_letters_of_a_deleted_queue_can_go_elsewhere(broker: Broker, orders: Queue, dead: Queue) -> None:
    bury(orders, "x")
    broker.delete(orders)
    assert dead.redrive() == MoveTask(moved=0, failed=1, remaining=1)

    again = broker.queue("orders")
    assert dead.redrive(again).moved == 1
    assert again.receive()[0].body == "x"


def test_a_redrive_of_an_empty_queue_moves_nothing(dead: Queue) -> None:
    task = dead.redrive()

    assert task == MoveTask(moved=0, failed=0, remaining=0)
    assert (task.wait(), task.cancel()) == (task, 0)


def test_where_may_use_the_queue_itself(orders: Queue, dead: Queue) -> None:
    """The user's code runs while no lock is held."""
    bury(orders, "one", "two")

    task = dead.redrive(where=lambda letter: dead.stats().visible > 0 and orders.send("note"))

    assert task.moved == 2
    assert orders.stats().visible == 4


@pytest.mark.parametrize("to", ["orders", 7, object()])
def test_a_destination_that_is_no_queue_is_a_type_error(dead: Queue, to: Any) -> None:
    with pytest.raises(TypeError, match="to must be a Queue"):
        dead.redrive(to)


def test_a_queue_is_not_redriven_to_itself(orders: Queue, dead: Queue) -> None:
    bury(orders, "x")
    before = dead.stats()

    with pytest.raises(ValueError, match="'dead' cannot be redriven to itself"):
        dead.redrive(dead)

    assert dead.stats() == before


@pytest.mark.parametrize("where", [7, "text", True])
def test_a_where_that_cannot_be_called_is_a_type_error_also_on_an_empty_queue(
    orders: Queue, dead: Queue, where: Any
) -> None:
    with pytest.raises(TypeError):
        dead.redrive(where=where)

    bury(orders, "x")
    before = dead.stats()
    with pytest.raises(TypeError):
        dead.redrive(where=where)
    assert dead.stats() == before


def test_a_letter_taken_while_where_looked_at_it_is_not_moved(orders: Queue, dead: Queue) -> None:
    bury(orders, "x")

    task = dead.redrive(where=lambda letter: dead.receive())

    assert task == MoveTask(moved=0, failed=0, remaining=0)
    assert dead.stats().in_flight == 1
