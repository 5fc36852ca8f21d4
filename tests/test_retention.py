"""Retention: how long a message is kept, whatever state it is in."""

from __future__ import annotations

import pytest

from decouple import Broker, NotInFlight, Queue
from decouple.testing import Ledger, VirtualClock


@pytest.fixture
def brief(clock: VirtualClock) -> Queue:
    return Queue("brief", retention=60, clock=clock)


def test_a_message_nobody_receives_is_gone_after_its_retention(brief: Queue, clock: VirtualClock) -> None:
    """SQS: MessageRetentionPeriod, measured from the enqueue time."""
    brief.send("x")

    clock.advance(59.999)
    assert brief.stats().visible == 1

    clock.advance(0.001)
    assert brief.receive() == []
    assert brief.stats().retained_out == 1


def test_the_default_retention_is_four_days(queue: Queue, clock: VirtualClock) -> None:
    """SQS: MessageRetentionPeriod is 345,600 by default."""
    queue.send("x")

    clock.advance(345_599)
    assert queue.stats().visible == 1
    clock.advance(1)
    assert queue.stats().visible == 0


@pytest.mark.parametrize("timeout", [None, 61, 600])
def test_a_message_in_flight_is_gone_at_its_retention_too(
    brief: Queue, clock: VirtualClock, timeout: int | None
) -> None:
    """SQS: an in-flight message vanishes at its retention."""
    brief.send("x")
    clock.advance(45)
    [message] = brief.receive(visibility_timeout=timeout)

    clock.advance(14.999)
    assert brief.stats().in_flight == 1

    clock.advance(0.001)
    assert (brief.stats().in_flight, brief.stats().retained_out) == (0, 1)
    with pytest.raises(NotInFlight):
        message.extend(10)


def test_retention_counts_from_the_send_also_after_receives(brief: Queue, clock: VirtualClock) -> None:
    """SQS: the enqueue time never changes on a standard queue."""
    brief.send("x")
    brief.receive()
    clock.advance(30)
    brief.receive()[0].nack()
    clock.advance(29)
    assert brief.stats().visible == 1

    clock.advance(1)
    assert brief.receive() == []


def test_an_extension_does_not_outlive_the_retention(brief: Queue, clock: VirtualClock) -> None:
    brief.send("x")
    brief.receive()[0].extend(1_000)

    clock.advance(60)

    assert brief.stats().retained_out == 1


def test_a_delayed_message_is_gone_at_its_retention_before_its_delay_is_over(brief: Queue, clock: VirtualClock) -> None:
    brief.send("x", delay=900)

    clock.advance(60)

    assert (brief.stats().delayed, brief.stats().retained_out) == (0, 1)


def test_a_timeout_that_ends_with_the_retention_gives_the_message_to_nobody(brief: Queue, clock: VirtualClock) -> None:
    brief.send("x")
    clock.advance(30)
    brief.receive()

    clock.advance(30)

    assert brief.receive() == []
    assert brief.stats().retained_out == 1


def test_a_visibility_timeout_longer_than_the_retention_is_allowed(clock: VirtualClock) -> None:
    queue = Queue("odd", visibility_timeout=3_600, retention=60, clock=clock)
    queue.send_batch(["one", "two"])
    assert len(queue.receive(max_messages=10)) == 2

    clock.advance(60)

    assert queue.check()["retained_out"] == 2


def test_a_shorter_retention_applies_to_the_messages_stored_in_every_state(queue: Queue, clock: VirtualClock) -> None:
    """SQS: a changed MessageRetentionPeriod applies to messages already stored."""
    queue.send_batch(["in flight", "in flight for long", "visible again", "visible"])
    queue.send("delayed", delay=900)
    queue.receive()
    queue.receive(visibility_timeout=5_000)
    queue.receive(visibility_timeout=0)
    clock.advance(10)

    queue.configure(retention=60)

    clock.advance(49.999)
    assert queue.check()["retained_out"] == 0
    clock.advance(0.001)
    assert queue.check()["retained_out"] == 5


def test_a_shorter_retention_removes_at_once_what_is_older_already(queue: Queue, clock: VirtualClock) -> None:
    queue.send("old")
    clock.advance(100)
    queue.send("new")

    queue.configure(retention=60)

    assert [message.body for message in queue.receive(max_messages=10)] == ["new"]
    assert queue.stats().retained_out == 1


def test_a_shorter_retention_ends_a_lease_that_would_outlive_it(queue: Queue, clock: VirtualClock) -> None:
    """SQS: a changed MessageRetentionPeriod applies to messages already stored, in flight too."""
    queue.send("x")
    clock.advance(40)
    queue.receive()

    queue.configure(retention=60)

    clock.advance(19.999)
    assert queue.check()["in_flight"] == 1
    clock.advance(0.001)
    assert queue.check()["retained_out"] == 1


def test_a_longer_retention_keeps_the_messages_stored_in_every_state(brief: Queue, clock: VirtualClock) -> None:
    """SQS: a changed MessageRetentionPeriod applies to messages already stored."""
    brief.send_batch(["in flight", "in flight for long", "visible again", "visible"])
    brief.send("delayed", delay=900)
    brief.receive()
    brief.receive(visibility_timeout=5_000)
    brief.receive(visibility_timeout=0)
    clock.advance(59)

    brief.configure(retention=6_000)
    brief.check()

    clock.advance(5_940)
    assert brief.check()["retained_out"] == 0
    assert sorted(message.body for message in brief.receive(max_messages=10)) == [
        "delayed",
        "in flight",
        "in flight for long",
        "visible",
        "visible again",
    ]
    clock.advance(1)
    assert brief.check()["retained_out"] == 5


def test_what_a_shorter_retention_removes_is_recorded_when_it_was_shortened(
    broker: Broker, clock: VirtualClock, ledger: Ledger
) -> None:
    """Before that instant nothing was due: the message could still be received."""
    queue = broker.queue("orders")
    id = queue.send("old").id
    clock.advance(100)

    queue.configure(retention=60)
    assert queue.receive() == []

    [sent, gone] = ledger.history(id)
    assert (gone.cause, gone.at - sent.at) == ("retained out", 100_000_000_000)


def test_a_dead_letter_is_kept_for_the_retention_of_its_new_queue_since_the_first_send(
    broker: Broker, clock: VirtualClock
) -> None:
    """SQS developer guide, dead-letter queue retention: the enqueue timestamp is unchanged on standard queues."""
    dead = broker.queue("dead", retention=100)
    queue = broker.queue("orders", dead_letter=dead)
    queue.send("x")
    clock.advance(40)
    queue.receive()[0].reject("no")

    clock.advance(59)
    assert dead.stats().visible == 1
    clock.advance(1)
    assert (dead.stats().visible, dead.stats().retained_out) == (0, 1)


def test_a_dead_letter_older_than_its_new_queue_keeps_messages_goes_as_it_comes(
    broker: Broker, clock: VirtualClock, ledger: Ledger
) -> None:
    """It cannot be gone before it came: both are recorded at the instant of the move."""
    dead = broker.queue("dead", retention=60)
    queue = broker.queue("orders", dead_letter=dead)
    queue.send("x")
    clock.advance(100)
    [message] = queue.receive()
    message.reject("no")

    assert dead.receive() == []
    came, gone = [change for change in ledger.history(message.id) if change.queue == "dead"]
    assert (came.cause, gone.cause) == ("moved in", "retained out")
    assert gone.at == came.at
