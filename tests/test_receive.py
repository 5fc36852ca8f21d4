"""Receiving: order, counts, receipts, limits, and settling what was received."""

from __future__ import annotations

import asyncio
import math
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from decouple import Message, NotInFlight, Queue, QueueError, ReceiptInvalid, TooManyInFlight
from decouple.testing import VirtualClock


def test_a_receive_from_an_empty_queue_is_an_empty_list(queue: Queue) -> None:
    """SQS: an empty receive is no error."""
    assert queue.receive() == []
    assert queue.receive(max_messages=10) == []


def test_messages_come_oldest_visible_first_in_calm_times(queue: Queue, clock: VirtualClock) -> None:
    """SQS, standard queues: best-effort order; here by the instant a message became visible."""
    queue.send("delayed", delay=5)
    queue.send("expires at 30")
    queue.receive()
    clock.advance(20)
    queue.send("sent at 20")
    clock.advance(20)
    queue.send("sent at 40")

    order = [message.body for message in queue.receive(max_messages=10)]

    assert order == ["delayed", "sent at 20", "expires at 30", "sent at 40"]


def test_every_receive_has_its_own_receipt_and_count_and_keeps_the_first_instant(
    queue: Queue, clock: VirtualClock
) -> None:
    """SQS: a new ReceiptHandle at every receive; ApproximateFirstReceiveTimestamp stays."""
    queue.send("x")
    receipts, counts, firsts = set(), [], set()
    for _ in range(4):
        [message] = queue.receive()
        receipts.add(message.receipt)
        counts.append(message.receive_count)
        firsts.add(message.first_received_at)
        clock.advance(30)

    assert counts == [1, 2, 3, 4]
    assert len(receipts) == 4
    assert max(map(len, receipts)) <= 1024
    assert firsts == {datetime(2026, 1, 1, tzinfo=UTC)}


def test_an_older_handle_keeps_its_own_receipt_and_count(queue: Queue, clock: VirtualClock) -> None:
    queue.send("x")
    [first] = queue.receive()
    receipt = first.receipt
    clock.advance(30)
    [second] = queue.receive()

    assert (first.receipt, first.receive_count) == (receipt, 1)
    assert second.receive_count == 2


def test_a_long_poll_jumps_to_the_message_and_returns_at_once(queue: Queue, clock: VirtualClock) -> None:
    """SQS: a long poll returns as soon as one message is there; it does not wait to fill the batch."""
    queue.send("one", delay=3)
    queue.send("two", delay=4)

    [message] = queue.receive(max_messages=10, wait=20)

    assert message.body == "one"
    assert clock.time == datetime(2026, 1, 1, 0, 0, 3, tzinfo=UTC)


@pytest.mark.parametrize("wait", [20, 20.0, timedelta(seconds=20)])
def test_a_long_poll_without_a_message_ends_at_its_deadline(queue: Queue, clock: VirtualClock, wait: Any) -> None:
    assert queue.receive(wait=wait) == []

    assert clock.time == datetime(2026, 1, 1, 0, 0, 20, tzinfo=UTC)


def test_without_a_wait_of_its_own_a_receive_waits_as_long_as_the_queue_says(clock: VirtualClock) -> None:
    """SQS: ReceiveMessageWaitTimeSeconds is the default of WaitTimeSeconds."""
    queue = Queue("patient", wait=7, clock=clock)

    assert queue.receive(wait=0) == []
    assert clock.time == datetime(2026, 1, 1, tzinfo=UTC)
    assert queue.receive() == []
    assert clock.time == datetime(2026, 1, 1, 0, 0, 7, tzinfo=UTC)


def test_iteration_gives_every_message_as_it_comes_until_the_queue_is_closed(queue: Queue, clock: VirtualClock) -> None:
    queue.send("one")
    queue.send("two", delay=50)
    seen = []

    for message in queue.messages(wait=20):
        seen.append(message.body)
        message.ack()
        if len(seen) == 2:
            queue.close()

    assert seen == ["one", "two"]
    assert clock.time == datetime(2026, 1, 1, 0, 0, 50, tzinfo=UTC)


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"max_messages": 0}, ValueError, "max_messages must be at least 1, not 0"),
        ({"max_messages": -3}, ValueError, "max_messages must be at least 1"),
        ({"max_messages": True}, TypeError, "max_messages must be an int"),
        ({"max_messages": 2.0}, TypeError, "max_messages must be an int"),
        ({"max_messages": None}, TypeError, "max_messages must be an int"),
        ({"wait": -1}, ValueError, "wait must be at least 0 seconds, not -1"),
        ({"wait": math.nan}, ValueError, "wait must be a finite"),
        ({"wait": math.inf}, ValueError, "wait must be a finite"),
        ({"wait": True}, TypeError, "wait must be seconds"),
        ({"wait": "20"}, TypeError, "wait must be seconds"),
        ({"wait": 10**12}, ValueError, "wait must be under"),
        pytest.param({"wait": 10**400}, ValueError, "wait must be", id="more than a float holds"),
        ({"wait": 1e308}, ValueError, "wait must be"),
        ({"visibility_timeout": -1}, ValueError, "visibility_timeout must be from 0 to 43,200"),
        ({"visibility_timeout": 43_201}, ValueError, "visibility_timeout must be from 0 to 43,200"),
        ({"visibility_timeout": math.nan}, ValueError, "visibility_timeout must be a finite"),
        ({"visibility_timeout": False}, TypeError, "visibility_timeout must be seconds"),
        ({"attempt_id": "a"}, ValueError, "attempt_id is for FIFO queues"),
    ],
)
def test_a_wrong_argument_of_receive_is_one_clear_error_and_takes_nothing(
    queue: Queue, arguments: dict[str, Any], error: type[Exception], text: str
) -> None:
    queue.send_batch(["one", "two"])
    before = queue.stats()

    with pytest.raises(error, match=text):
        queue.receive(**arguments)

    assert queue.stats() == before


# -- in flight at once -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("most", [1, 10])
def test_a_receive_beyond_the_cap_on_messages_in_flight_is_an_error(clock: VirtualClock, most: int) -> None:
    """SQS: OverLimit when a standard queue has too many messages in flight."""
    queue = Queue("narrow", max_in_flight=2, clock=clock)
    queue.send_batch(["one", "two", "three"])
    assert len(queue.receive(max_messages=10)) == 2

    with pytest.raises(TooManyInFlight, match="'narrow' has 2 of at most 2 messages in flight") as caught:
        queue.receive(max_messages=most)

    assert (caught.value.queue, caught.value.in_flight, caught.value.limit) == ("narrow", 2, 2)
    assert isinstance(caught.value, QueueError)
    assert (queue.stats().visible, queue.stats().in_flight) == (1, 2)


def test_a_long_poll_beyond_the_cap_waits_until_there_is_room(clock: VirtualClock) -> None:
    """SQS developer guide, visibility timeout: with a long poll there is no error, just no messages."""
    queue = Queue("narrow", max_in_flight=1, visibility_timeout=30, clock=clock)
    queue.send_batch(["one", "two"])
    queue.receive()

    assert queue.receive(wait=20) == []
    [message] = queue.receive(wait=20)

    assert message.body in ("one", "two")
    assert clock.time == datetime(2026, 1, 1, 0, 0, 30, tzinfo=UTC)


@pytest.mark.parametrize("settle", ["ack", "nack", "delete", "reject"])
def test_settling_makes_room_below_the_cap(clock: VirtualClock, settle: str) -> None:
    queue = Queue("narrow", max_in_flight=1, clock=clock)
    queue.send_batch(["one", "two"])
    [message] = queue.receive()

    match settle:
        case "ack":
            message.ack()
        case "nack":
            message.nack()
        case "delete":
            queue.delete(message.receipt)
        case _:
            message.reject("no")

    assert len(queue.receive(max_messages=10)) == 1


@pytest.mark.parametrize("settle", ["ack", "delete", "receipt", "reject", "purge"])
def test_a_parked_receive_gets_the_room_that_settling_made_at_once(clock: VirtualClock, settle: str) -> None:
    """No receive answers [] while a deliverable message exists."""
    queue = Queue("narrow", max_in_flight=1, clock=clock)
    queue.send_batch(["one", "two"])
    [message] = queue.receive()

    async def main() -> list[str]:
        parked = asyncio.create_task(queue.aio.receive(wait=20))
        await asyncio.sleep(0)
        assert queue.stats().parked == 1
        match settle:
            case "ack":
                message.ack()
            case "delete":
                queue.delete(message)
            case "receipt":
                queue.delete(message.receipt)
            case "reject":
                message.reject("no")
            case _:
                queue.purge()
                queue.send("two")
        return [received.body for received in await asyncio.wait_for(parked, 1)]

    assert asyncio.run(main()) == ["two"]


def test_a_raised_cap_lets_more_in_flight_and_a_lowered_one_fewer(clock: VirtualClock) -> None:
    queue = Queue("narrow", max_in_flight=1, clock=clock)
    queue.send_batch(["one", "two", "three"])
    queue.receive()

    queue.configure(max_in_flight=2)
    assert len(queue.receive(max_messages=5)) == 1

    queue.configure(max_in_flight=1)
    with pytest.raises(TooManyInFlight):
        queue.receive()


# -- deleting --------------------------------------------------------------------------------------------------


def test_a_deleted_message_never_comes_back(queue: Queue, clock: VirtualClock) -> None:
    """SQS: DeleteMessage."""
    queue.send("x")
    [message] = queue.receive()

    message.ack()
    clock.advance(100)

    assert queue.receive() == []
    assert queue.stats().deleted == 1


@pytest.mark.parametrize("by", ["ack", "handle", "receipt"])
def test_deleting_twice_is_no_error_and_counts_once(queue: Queue, by: str) -> None:
    """SQS, standard queues: deleting twice answers 200 each time."""
    queue.send("x")
    [message] = queue.receive()

    for _ in range(2):
        message.ack() if by == "ack" else queue.delete(message if by == "handle" else message.receipt)

    assert queue.stats().deleted == 1


@pytest.mark.parametrize("by", ["ack", "handle", "receipt"])
def test_a_late_acknowledgement_deletes_the_message_that_is_visible_again(
    queue: Queue, clock: VirtualClock, by: str
) -> None:
    """SQS, standard queues: after the timeout expired DeleteMessage still deletes."""
    queue.send("x")
    [message] = queue.receive()
    clock.advance(31)
    assert queue.stats().visible == 1

    message.ack() if by == "ack" else queue.delete(message if by == "handle" else message.receipt)

    assert (queue.receive(), queue.stats().deleted) == ([], 1)


@pytest.mark.parametrize("by", ["ack", "handle", "receipt"])
def test_an_old_receipt_deletes_also_when_the_message_was_received_again(
    queue: Queue, clock: VirtualClock, by: str
) -> None:
    """SQS, standard queues: an old handle still works after the message was received again."""
    queue.send("x")
    [old] = queue.receive()
    clock.advance(30)
    [new] = queue.receive()

    old.ack() if by == "ack" else queue.delete(old if by == "handle" else old.receipt)

    assert (queue.stats().in_flight, queue.stats().deleted) == (0, 1)
    new.ack()
    assert queue.stats().deleted == 1


def test_deleting_what_retention_removed_is_no_error(clock: VirtualClock) -> None:
    """SQS: deleting a message that retention already removed answers 200."""
    queue = Queue("brief", retention=60, clock=clock)
    queue.send("x")
    [message] = queue.receive()
    clock.advance(60)

    message.ack()

    assert (queue.stats().deleted, queue.stats().retained_out) == (0, 1)


# -- receipts and handles that are not this queue's ------------------------------------------------------------


@pytest.mark.parametrize("verb", ["delete", "change_visibility"])
@pytest.mark.parametrize(
    "receipt", ["", "nonsense", ".", "{id}", "{id}.", "{id}.x", "{id}.-1", "{id}.0", "x{id}.1", "{far}.1", "{none}.1"]
)
def test_a_receipt_that_the_queue_never_gave_out_is_refused_however_often_it_is_shown(
    queue: Queue, verb: str, receipt: str
) -> None:
    """SQS: ReceiptHandleIsInvalid."""
    id = queue.send("x").id
    [message] = queue.receive()
    message.nack()
    wrong = receipt.format(id=id, far=id[:-12] + "0" * 10 + "05", none=id[:-12] + "0" * 12)
    before = queue.stats()

    for _ in range(8):
        with pytest.raises(ReceiptInvalid, match="is not a receipt of queue 'orders'") as caught:
            queue.delete(wrong) if verb == "delete" else queue.change_visibility(wrong, 5)
        assert (caught.value.receipt, caught.value.queue) == (wrong, "orders")
        assert isinstance(caught.value, ValueError)

    assert queue.stats() == before


@pytest.mark.parametrize("verb", ["delete", "change_visibility"])
@pytest.mark.parametrize("by", ["handle", "receipt"])
def test_a_receipt_or_handle_of_another_queue_is_refused(queue: Queue, clock: VirtualClock, verb: str, by: str) -> None:
    other = Queue("orders", clock=clock)
    other.send("x")
    queue.send("x")
    [mine], [foreign] = queue.receive(), other.receive()
    handle = foreign if by == "handle" else foreign.receipt
    before = queue.stats(), other.stats()

    with pytest.raises(ReceiptInvalid) as caught:
        queue.delete(mine, handle) if verb == "delete" else queue.change_visibility(handle, 5)

    assert caught.value.receipt == foreign.receipt
    assert (queue.stats(), other.stats()) == before


@pytest.mark.parametrize("handle", [None, 7, b"receipt", ["receipt"], object()])
def test_what_is_neither_a_message_nor_a_receipt_is_a_type_error(queue: Queue, handle: Any) -> None:
    with pytest.raises(TypeError, match="expected a Message or its receipt"):
        queue.delete(handle)
    with pytest.raises(TypeError, match="expected a Message or its receipt"):
        queue.change_visibility(handle, 5)


# -- with message ----------------------------------------------------------------------------------------------


def test_a_with_block_acknowledges_at_its_end(queue: Queue) -> None:
    queue.send("x")
    for message in queue.receive():
        with message as same:
            assert same is message

    assert queue.stats().deleted == 1


def test_a_with_block_that_raises_gives_the_message_back_at_once_with_the_reason(queue: Queue) -> None:
    queue.send("x")
    [message] = queue.receive()

    with pytest.raises(LookupError, match="no such order"), message:
        raise LookupError("no such order")

    [again] = queue.receive()
    assert again.receive_count == 2
    assert again.failure is not None
    assert (again.failure.error, again.failure.text, again.failure.attempts) == ("LookupError", "no such order", 1)
    assert 'raise LookupError("no such order")' in again.failure.traceback


def test_a_failure_names_the_module_of_an_error_that_is_not_built_in(queue: Queue) -> None:
    queue.send("x")
    [message] = queue.receive()

    with pytest.raises(NotInFlight), message:
        raise NotInFlight("elsewhere", id="m", why="gone")

    [again] = queue.receive()
    assert again.failure is not None
    assert again.failure.error == "decouple.errors.NotInFlight"


def test_a_with_block_left_by_an_interrupt_gives_the_message_back_without_a_reason(queue: Queue) -> None:
    queue.send("x")
    [message] = queue.receive()

    with pytest.raises(KeyboardInterrupt), message:
        raise KeyboardInterrupt

    [again] = queue.receive()
    assert (again.receive_count, again.failure) == (2, None)


@pytest.mark.parametrize("raises", [False, True])
@pytest.mark.parametrize("settle", ["ack", "nack", "reject", "delete"])
def test_a_with_block_that_settled_its_message_does_not_settle_it_again(
    queue: Queue, settle: str, raises: bool
) -> None:
    queue.send("x")
    [message] = queue.receive()

    try:
        with message:
            match settle:
                case "ack":
                    message.ack()
                case "nack":
                    message.nack(delay=5)
                case "delete":
                    queue.delete(message)
                case _:
                    message.reject("no")
            if raises:
                raise LookupError
    except LookupError:
        pass

    stats = queue.stats()
    wanted = {"ack": (1, 0, 0), "delete": (1, 0, 0), "nack": (0, 1, 0), "reject": (0, 0, 1)}[settle]
    assert (stats.deleted, stats.in_flight, stats.rejected) == wanted


def test_a_with_block_that_fails_late_leaves_alone_the_message_another_one_has(
    queue: Queue, clock: VirtualClock
) -> None:
    queue.send("x")
    [slow] = queue.receive()
    others: list[Message] = []

    def handle() -> None:
        with slow:
            clock.advance(30)
            others.extend(queue.receive())
            raise LookupError

    with pytest.raises(LookupError):
        handle()

    assert queue.stats().in_flight == 1
    others[0].ack()
    assert queue.stats().deleted == 1


def test_a_message_shows_what_it_is(queue: Queue) -> None:
    queue.send("x" * 100)
    [message] = queue.receive()

    assert repr(message).startswith(f"<Message {message.id} of 'orders': receive 1, 'xxx")
    assert len(repr(message)) < 140
    assert repr(queue) == "<Queue 'orders': 0 visible, 1 in flight, 0 delayed>"
