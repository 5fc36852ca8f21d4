"""Sending: what is accepted, what is refused and why, delay and size."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from decouple import Broker, Entry, MessageTooLarge, Queue, QueueClosed, QueueError
from decouple.testing import VirtualClock

EVERY_KIND_OF_DELAY = [2, 2.0, timedelta(seconds=2)]


def test_a_sent_message_is_received_with_its_id_and_the_instant_of_sending(queue: Queue, clock: VirtualClock) -> None:
    """SQS: SentTimestamp, ApproximateFirstReceiveTimestamp, ApproximateReceiveCount."""
    clock.advance(1.5)
    sent = queue.send("order 7")

    clock.advance(10)
    [message] = queue.receive()

    assert (message.id, message.body, message.text) == (sent.id, "order 7", "order 7")
    assert message.sent_at == datetime(2026, 1, 1, 0, 0, 1, 500_000, tzinfo=UTC)
    assert message.first_received_at == datetime(2026, 1, 1, 0, 0, 11, 500_000, tzinfo=UTC)
    assert message.receive_count == 1


def test_ids_have_a_uuids_shape_and_differ_between_messages_and_queues(clock: VirtualClock) -> None:
    """SQS: a MessageId is UUID text and unique."""
    queues = [Queue("same-name", clock=clock), Queue("same-name", clock=clock)]
    ids = [queue.send("x").id for queue in queues for _ in range(3)]

    assert len(set(ids)) == 6
    assert all([len(part) for part in id.split("-")] == [8, 4, 4, 4, 12] for id in ids)


def test_a_standard_queue_has_neither_sequence_numbers_nor_deduplication_ids(queue: Queue) -> None:
    """SQS: SequenceNumber and MessageDeduplicationId are for FIFO queues."""
    sent = queue.send("x")
    [message] = queue.receive()

    assert (sent.sequence, message.sequence, message.deduplication_id) == (None, None, None)
    assert repr(sent) == f"Sent(id={sent.id!r})"


def test_a_plain_message_has_no_attributes_no_group_no_source_and_no_failure(queue: Queue) -> None:
    queue.send("x")
    [message] = queue.receive()

    assert (message.attributes, message.system) == ({}, {})
    assert (message.group, message.source, message.failure) == (None, None, None)


def test_group_and_system_attributes_arrive_with_the_message(queue: Queue) -> None:
    """SQS: MessageGroupId on a standard queue is the tenant; AWSTraceHeader travels along."""
    queue.send("x", group="tenant-1", system={"AWSTraceHeader": "Root=1-2"})
    [message] = queue.receive()

    assert (message.group, message.system) == ("tenant-1", {"AWSTraceHeader": "Root=1-2"})


@pytest.mark.parametrize("delay", EVERY_KIND_OF_DELAY)
def test_a_delayed_message_is_visible_exactly_when_its_delay_is_over(
    queue: Queue, clock: VirtualClock, delay: Any
) -> None:
    """SQS: DelaySeconds; a delayed message counts as delayed, not as visible."""
    queue.send("later", delay=delay)
    assert (queue.stats().delayed, queue.stats().visible) == (1, 0)

    clock.advance(1.999_999_999)
    assert queue.receive() == []

    clock.advance(0.000_000_001)
    [message] = queue.receive()
    assert (message.body, message.receive_count) == ("later", 1)
    assert message.sent_at == datetime(2026, 1, 1, tzinfo=UTC)


def test_ten_small_steps_of_time_reach_a_delay_of_one_second_exactly(queue: Queue, clock: VirtualClock) -> None:
    queue.send("later", delay=1)

    for _ in range(10):
        assert queue.receive() == []
        clock.advance(0.1)

    assert len(queue.receive()) == 1


def test_a_delay_of_0_overrides_the_delay_of_the_queue(clock: VirtualClock) -> None:
    """SQS, standard queues: a per-message DelaySeconds of 0 wins over the queue's."""
    queue = Queue("slow", delay=10, clock=clock)
    queue.send("queue's delay")
    queue.send("at once", delay=0)

    assert [message.body for message in queue.receive(max_messages=10)] == ["at once"]
    clock.advance(10)
    assert [message.body for message in queue.receive(max_messages=10)] == ["queue's delay"]


def test_the_delay_of_the_queue_holds_for_plain_sends_and_batches_alike(clock: VirtualClock) -> None:
    queue = Queue("slow", delay=10, clock=clock)
    queue.send("one")
    queue.send_batch(["two", Entry("three"), Entry("now", delay=0)])

    assert (queue.stats().delayed, queue.stats().visible) == (3, 1)


def test_changing_the_delay_of_a_queue_changes_it_for_later_messages_only(queue: Queue, clock: VirtualClock) -> None:
    """SQS developer guide, delay queues: on a standard queue the change is not retroactive."""
    queue.send("before", delay=None)
    queue.configure(delay=20)
    queue.send("after")
    assert [message.body for message in queue.receive(max_messages=10)] == ["before"]

    queue.configure(delay=0)
    clock.advance(19)
    assert queue.stats().delayed == 1


@pytest.mark.parametrize("delay", [0, 900, 899.999_999_999, timedelta(minutes=15)])
def test_delays_from_0_to_900_seconds_are_accepted(queue: Queue, delay: Any) -> None:
    """SQS: DelaySeconds 0-900."""
    assert queue.send("x", delay=delay).id


# -- size ------------------------------------------------------------------------------------------------------


def test_a_body_of_exactly_the_limit_is_accepted_and_a_byte_more_is_not(clock: VirtualClock) -> None:
    """SQS: the size is counted in UTF-8; exactly the limit is accepted."""
    queue = Queue("small", max_message_size=10, clock=clock)
    queue.send("é" * 5)
    queue.send("a" * 10)

    for body, size in (("a" * 11, 11), ("é" * 5 + "a", 11), ("😀" * 3, 12)):
        with pytest.raises(MessageTooLarge, match=f"{size} bytes is over the 10 bytes") as caught:
            queue.send(body)
        assert (caught.value.queue, caught.value.size, caught.value.limit) == ("small", size, 10)
    assert queue.stats().sent == 2


def test_the_size_counts_name_type_and_value_of_every_attribute(clock: VirtualClock) -> None:
    """SQS: body + name + data type + value; here 1 + (1 + 6 + 2) + (1 + 6 + 3) + (1 + 6 + 4) + (1 + 12 + 3)."""
    attributes = {"s": "é", "n": 1.5, "b": b"1234", "l": [1]}
    size = 1 + (1 + 6 + 2) + (1 + 6 + 3) + (1 + 6 + 4) + (1 + 12 + 3)
    queue = Queue("small", max_message_size=size, clock=clock)

    queue.send("x", attributes=attributes)

    with pytest.raises(MessageTooLarge) as caught:
        queue.send("xy", attributes=attributes)
    assert (caught.value.size, caught.value.limit) == (size + 1, size)


def test_system_attributes_and_the_group_do_not_count_in_the_size(clock: VirtualClock) -> None:
    """SQS: message system attributes do not count."""
    queue = Queue("small", max_message_size=1, clock=clock)

    assert queue.send("x", system={"AWSTraceHeader": "Root=" + "1" * 100}, group="tenant").id


def test_the_default_limit_is_one_mebibyte(queue: Queue) -> None:
    """SQS: MaximumMessageSize is 1,048,576 by default."""
    queue.send("a" * 1_048_576)

    with pytest.raises(MessageTooLarge):
        queue.send("a" * 1_048_577)


# -- what is refused -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"delay": -1}, ValueError, "delay must be from 0 to 900 seconds, not -1"),
        ({"delay": 900.001}, ValueError, "delay must be from 0 to 900"),
        ({"delay": math.nan}, ValueError, "delay must be a finite"),
        ({"delay": math.inf}, ValueError, "delay must be a finite"),
        ({"delay": True}, TypeError, "delay must be seconds"),
        ({"delay": "3"}, TypeError, "delay must be seconds"),
        ({"delay": timedelta(seconds=-1)}, ValueError, "delay must be from 0"),
        pytest.param({"delay": 10**400}, ValueError, "delay must be", id="more than a float holds"),
        ({"group": ""}, ValueError, "group must be 1 to 128"),
        ({"group": "a b"}, ValueError, "group must be 1 to 128"),
        ({"group": "é"}, ValueError, "group must be 1 to 128"),
        ({"group": "g" * 129}, ValueError, "group must be 1 to 128"),
        ({"group": 7}, TypeError, "group must be text"),
        ({"deduplication_id": "d"}, ValueError, "deduplication_id is for FIFO queues"),
        ({"system": {"AWSTraceHeader": ""}}, ValueError, "must not be empty"),
        ({"system": {"": "x"}}, ValueError, "must not be empty"),
        ({"system": {"AWSTraceHeader": 1}}, TypeError, "system attributes are text"),
        ({"system": {1: "x"}}, TypeError, "system attributes are text"),
        ({"system": []}, TypeError, "system"),
        ({"system": "trace"}, TypeError, "system"),
    ],
)
def test_a_wrong_argument_of_send_is_one_clear_error_and_sends_nothing(
    queue: Queue, arguments: dict[str, Any], error: type[Exception], text: str
) -> None:
    before = queue.stats()

    with pytest.raises(error, match=text):
        queue.send("x", **arguments)

    assert queue.stats() == before


def test_the_longest_group_is_accepted(queue: Queue) -> None:
    """SQS: MessageGroupId has 1 to 128 characters, alphanumeric and punctuation."""
    group = "!~" * 64
    queue.send("x", group=group)

    assert queue.receive()[0].group == group


def test_a_send_to_a_closed_queue_is_refused(queue: Queue) -> None:
    queue.close()

    for send in (lambda: queue.send("x"), lambda: queue.send("é"), lambda: queue.send_batch(["x"])):
        with pytest.raises(QueueClosed, match="'orders' is closed") as caught:
            send()
        assert isinstance(caught.value, QueueError)
        assert caught.value.queue == "orders"
    assert queue.stats().sent == 0


def test_sending_works_the_same_while_somebody_observes(broker: Broker) -> None:
    queue = broker.queue("orders")
    queue.send("one")
    queue.send("two", delay=5)
    queue.send_batch(["three", "four"])

    assert [message.body for message in queue.receive(max_messages=10)] == ["one", "three", "four"]
    assert queue.stats().delayed == 1


@pytest.mark.parametrize("wrong", [7, b"g", ["g"], object()])
@pytest.mark.parametrize("which", ["group", "deduplication_id"])
def test_ids_of_a_fifo_queue_that_are_no_text_are_refused(clock: VirtualClock, which: str, wrong: Any) -> None:
    queue = Queue("orders.fifo", clock=clock)
    ids: dict[str, Any] = {"group": "g", "deduplication_id": "d"} | {which: wrong}

    with pytest.raises(TypeError, match=f"{which} must be text"):
        queue.send("x", **ids)

    assert queue.check()["accepted"] == 0
