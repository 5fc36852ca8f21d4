"""Visibility: how long a received message is hidden, and how that is changed."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from decouple import Message, NotInFlight, Queue, QueueError, VisibilityTooLong
from decouple.testing import VirtualClock

TWELVE_HOURS = 43_200


@pytest.mark.parametrize("timeout", [1, 0.000_000_001, 45.5, timedelta(minutes=3), TWELVE_HOURS])
def test_a_receive_may_have_a_visibility_timeout_of_its_own(queue: Queue, clock: VirtualClock, timeout: Any) -> None:
    """SQS: VisibilityTimeout of ReceiveMessage, 0 to 43,200 s; the queue's stays what it was."""
    queue.send("x")
    queue.receive(visibility_timeout=timeout)
    whole = timeout if isinstance(timeout, timedelta) else timedelta(seconds=timeout)
    seconds = whole.total_seconds() or 0.000_000_001

    clock.advance(seconds - min(0.000_000_001, seconds / 2) if seconds > 0.000_000_001 else 0)
    assert queue.receive() == []
    clock.advance(0.000_000_001)

    [again] = queue.receive()
    clock.advance(29.9)
    assert queue.receive() == []
    assert again.receive_count == 2


@pytest.mark.parametrize("most", [1, 10])
def test_a_visibility_timeout_of_0_shows_the_message_and_leaves_it_visible(queue: Queue, most: int) -> None:
    """SQS: VisibilityTimeout=0 returns the message and leaves it visible; the count still rises."""
    queue.send("x")

    counts = [queue.receive(max_messages=most, visibility_timeout=0)[0].receive_count for _ in range(3)]

    assert counts == [1, 2, 3]
    assert (queue.stats().visible, queue.stats().in_flight) == (1, 0)


def test_a_visibility_timeout_of_0_shows_each_message_once_in_one_receive(clock: VirtualClock) -> None:
    queue = Queue("shown", visibility_timeout=0, clock=clock)
    queue.send_batch(["one", "two"])

    assert [message.body for message in queue.receive(max_messages=10)] == ["one", "two"]
    assert [message.receive_count for message in queue.receive(max_messages=10)] == [2, 2]


def test_messages_received_for_different_times_come_back_in_the_order_of_their_deadlines(
    queue: Queue, clock: VirtualClock
) -> None:
    queue.send_batch(["long", "short", "default"])
    queue.receive(visibility_timeout=100)
    queue.receive(visibility_timeout=10)
    queue.receive()

    clock.advance(200)

    assert [message.body for message in queue.receive(max_messages=10)] == ["short", "default", "long"]


@pytest.mark.parametrize("before", [30, 300])
def test_a_changed_visibility_timeout_holds_for_later_receives_only(clock: VirtualClock, before: int) -> None:
    """SQS: SetQueueAttributes, VisibilityTimeout."""
    queue = Queue("orders", visibility_timeout=before, clock=clock)
    queue.send_batch(["one", "two"])
    queue.receive()

    queue.configure(visibility_timeout=100)
    queue.receive()

    clock.advance(min(before, 100))
    assert [message.body for message in queue.receive(visibility_timeout=1_000)] == ["one" if before < 100 else "two"]
    clock.advance(max(before, 100) - min(before, 100))
    assert [message.body for message in queue.receive()] == ["two" if before < 100 else "one"]


# -- changing it -----------------------------------------------------------------------------------------------

Change = Callable[[Queue, Message, Any], None]
CHANGES: dict[str, Change] = {
    "extend": lambda queue, message, seconds: message.extend(seconds),
    "nack": lambda queue, message, seconds: message.nack(seconds),
    "handle": lambda queue, message, seconds: queue.change_visibility(message, seconds),
    "receipt": lambda queue, message, seconds: queue.change_visibility(message.receipt, seconds),
}
every_way = pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())


@every_way
@pytest.mark.parametrize("seconds", [5, 100, timedelta(seconds=5)])
def test_a_new_visibility_timeout_counts_from_the_call_and_may_shorten(
    queue: Queue, clock: VirtualClock, change: Change, seconds: Any
) -> None:
    """SQS: ChangeMessageVisibility counts from the call, not from the receive."""
    queue.send("x")
    [message] = queue.receive()
    clock.advance(20)

    change(queue, message, seconds)

    left = seconds.total_seconds() if isinstance(seconds, timedelta) else seconds
    clock.advance(left - 0.001)
    assert queue.receive() == []
    clock.advance(0.001)
    assert queue.receive()[0].receive_count == 2


@every_way
def test_a_visibility_timeout_of_0_makes_the_message_visible_at_once(queue: Queue, change: Change) -> None:
    """SQS: ChangeMessageVisibility to 0."""
    queue.send("x")
    [message] = queue.receive()

    change(queue, message, 0)

    assert queue.receive()[0].receive_count == 2


def test_a_nack_without_a_delay_gives_the_message_back_at_once(queue: Queue) -> None:
    queue.send("x")
    queue.receive()[0].nack()

    assert queue.receive()[0].receive_count == 2
    assert queue.stats().nacked == 1


@every_way
def test_the_change_is_not_remembered_for_the_next_receive(queue: Queue, clock: VirtualClock, change: Change) -> None:
    """SQS: the new timeout is not remembered for the next receive."""
    queue.send("x")
    change(queue, queue.receive()[0], 5)
    clock.advance(5)
    queue.receive()

    clock.advance(29)
    assert queue.receive() == []
    clock.advance(1)
    assert len(queue.receive()) == 1


@every_way
def test_a_late_change_hides_an_expired_message_again(queue: Queue, clock: VirtualClock, change: Change) -> None:
    """SQS, standard queues: after the expiry the change answers 200 and hides the unreceived message again."""
    queue.send("x")
    [message] = queue.receive()
    clock.advance(40)

    change(queue, message, 10)

    assert queue.receive() == []
    clock.advance(10)
    assert queue.receive()[0].receive_count == 2


@every_way
def test_an_old_receipt_changes_the_visibility_of_the_delivery_after_it(
    queue: Queue, clock: VirtualClock, change: Change
) -> None:
    """SQS, standard queues: a change to 0 with the first handle made the message visible."""
    queue.send("x")
    [first] = queue.receive()
    clock.advance(30)
    queue.receive()

    change(queue, first, 0)

    assert queue.receive()[0].receive_count == 3


@every_way
def test_a_late_change_to_0_leaves_a_visible_message_as_it_is(
    queue: Queue, clock: VirtualClock, change: Change
) -> None:
    queue.send("x")
    [message] = queue.receive()
    clock.advance(30)
    before = queue.stats()

    change(queue, message, 0)

    assert queue.stats() == before


# -- twelve hours ----------------------------------------------------------------------------------------------


@every_way
def test_a_message_is_in_flight_for_twelve_hours_at_most_since_its_receive(
    queue: Queue, clock: VirtualClock, change: Change
) -> None:
    """SQS developer guide, visibility timeout: 12 h from the receive; more is an error and nothing is clipped."""
    queue.send("x")
    [message] = queue.receive()
    clock.advance(20)

    with pytest.raises(VisibilityTooLong, match=r"43201 s since its receive.* ask for 1 s less") as caught:
        change(queue, message, TWELVE_HOURS - 19)
    assert (caught.value.queue, caught.value.total, caught.value.limit) == ("orders", 43_201, 43_200)
    assert isinstance(caught.value, QueueError)
    assert isinstance(caught.value, ValueError)
    clock.advance(10)
    assert queue.stats().visible == 1

    change(queue, message, TWELVE_HOURS - 30)
    assert queue.stats().in_flight == 1


def test_a_receipt_without_its_handle_has_the_twelve_hours_of_the_latest_receive(
    queue: Queue, clock: VirtualClock
) -> None:
    """SQS: the sum counts since this delivery's receive."""
    queue.send("x")
    receipt = queue.receive()[0].receipt
    clock.advance(3_600)
    queue.receive()

    queue.change_visibility(receipt, TWELVE_HOURS)

    clock.advance(TWELVE_HOURS - 1)
    assert queue.receive() == []


@every_way
def test_giving_back_is_never_too_late_however_long_ago_the_receive_was(
    queue: Queue, clock: VirtualClock, change: Change
) -> None:
    """VisibilityTooLong tells its caller to nack, so a nack must not raise it."""
    queue.send("x")
    [message] = queue.receive()
    clock.advance(TWELVE_HOURS + 1)

    change(queue, message, 0)

    assert queue.stats().visible == 1


# -- what is refused -------------------------------------------------------------------------------------------


@every_way
@pytest.mark.parametrize(
    ("seconds", "error"),
    [
        (-1, ValueError),
        (43_200.1, ValueError),
        (math.nan, ValueError),
        (math.inf, ValueError),
        pytest.param(10**400, ValueError, id="more than a float holds"),
        (True, TypeError),
        ("5", TypeError),
        (None, TypeError),
        (timedelta(days=1), ValueError),
    ],
)
def test_a_wrong_visibility_timeout_is_refused_and_changes_nothing(
    queue: Queue, change: Change, seconds: Any, error: type[Exception]
) -> None:
    queue.send("x")
    [message] = queue.receive()
    before = queue.stats()

    with pytest.raises(error, match="timeout must be"):
        change(queue, message, seconds)

    assert queue.stats() == before


def gone_by_delete(queue: Queue, message: Message, clock: VirtualClock) -> None:
    message.ack()


def gone_by_purge(queue: Queue, message: Message, clock: VirtualClock) -> None:
    queue.purge()


def gone_by_retention(queue: Queue, message: Message, clock: VirtualClock) -> None:
    clock.advance(345_600)


def gone_by_reject(queue: Queue, message: Message, clock: VirtualClock) -> None:
    message.reject("no")


@every_way
@pytest.mark.parametrize("go", [gone_by_delete, gone_by_purge, gone_by_retention, gone_by_reject])
def test_the_visibility_of_a_message_that_is_gone_cannot_change(
    queue: Queue, clock: VirtualClock, change: Change, go: Callable[[Queue, Message, VirtualClock], None]
) -> None:
    """SQS: MessageNotInflight."""
    queue.send("x")
    [message] = queue.receive()
    go(queue, message, clock)
    before = queue.stats()

    with pytest.raises(NotInFlight, match=f"message '{message.id}' is not in flight in queue 'orders'") as caught:
        change(queue, message, 10)

    assert (caught.value.id, caught.value.queue) == (message.id, "orders")
    assert queue.stats() == before


def test_a_reject_after_the_message_is_gone_is_an_error(queue: Queue) -> None:
    queue.send("x")
    [message] = queue.receive()
    message.ack()

    with pytest.raises(NotInFlight):
        message.reject("no")
