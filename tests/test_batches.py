"""Batches: all or none, every wrong entry named by its position."""

from __future__ import annotations

from typing import Any

import pytest

from decouple import DecoupleError, Entry, InvalidBatch, MessageTooLarge, Queue, ReceiptInvalid
from decouple.testing import VirtualClock


def test_a_batch_of_plain_bodies_is_sent_in_order(queue: Queue) -> None:
    sent = queue.send_batch(["one", "two", "three"])

    messages = queue.receive(max_messages=10)

    assert [message.body for message in messages] == ["one", "two", "three"]
    assert [message.id for message in messages] == [answer.id for answer in sent]


def test_entries_and_bodies_may_be_mixed_and_a_dict_is_always_a_body(queue: Queue, clock: VirtualClock) -> None:
    sent = queue.send_batch(
        [
            "text",
            {"body": "not an entry", "delay": 9},
            ["a", "list"],
            Entry("all", attributes={"n": 1}, group="g", system={"AWSTraceHeader": "t"}),
            Entry("late", delay=5),
        ]
    )

    text, mapping, row, entry = queue.receive(max_messages=10)
    assert [text.body, mapping.json(), row.json()] == ["text", {"body": "not an entry", "delay": 9}, ["a", "list"]]
    assert (entry.attributes, entry.group, entry.system) == ({"n": 1}, "g", {"AWSTraceHeader": "t"})

    clock.advance(5)
    [late] = queue.receive()
    assert late.id == sent[4].id


@pytest.mark.parametrize("size", [0, 1, 11, 1_000])
def test_a_batch_may_have_any_number_of_entries_from_any_iterable(queue: Queue, size: int) -> None:
    """SQS allows 1 to 10 a request; here any number."""
    sent = queue.send_batch(str(number) for number in range(size))

    assert len({answer.id for answer in sent}) == size
    assert queue.stats().visible == size


def test_a_wrong_batch_lists_every_wrong_entry_and_sends_nothing(clock: VirtualClock) -> None:
    queue = Queue("small", max_message_size=10, clock=clock)
    before = queue.stats()

    with pytest.raises(
        InvalidBatch, match=r"5 of 7 entries for queue 'small' are wrong and nothing was sent"
    ) as caught:
        queue.send_batch(
            ["fine", b"bytes", "", "x" * 11, Entry("x", delay=-1), Entry("fine"), Entry("x", attributes={"b": True})]  # type: ignore[list-item]
        )

    kinds = {position: type(error) for position, error in caught.value.errors.items()}
    assert kinds == {1: TypeError, 2: ValueError, 3: MessageTooLarge, 4: ValueError, 6: TypeError}
    assert caught.value.queue == "small"
    assert isinstance(caught.value, DecoupleError)
    assert isinstance(caught.value, ValueError)
    assert "[1]" in str(caught.value)
    assert "and 2 more" in str(caught.value)
    assert queue.stats() == before


def test_up_to_three_wrong_entries_are_all_in_the_sentence(queue: Queue) -> None:
    with pytest.raises(InvalidBatch) as caught:
        queue.send_batch(["", "fine", ""])

    assert "[0] a body must not be empty" in str(caught.value)
    assert "[2] a body must not be empty" in str(caught.value)
    assert "more" not in str(caught.value)


@pytest.mark.parametrize("entries", ["text", b"bytes", bytearray(b"bytes"), {"a": 1}, 7, None])
def test_what_is_not_a_list_of_bodies_is_a_type_error_and_sends_nothing(queue: Queue, entries: Any) -> None:
    before = queue.stats()

    with pytest.raises(TypeError):
        queue.send_batch(entries)

    assert queue.stats() == before


def test_an_iterable_that_raises_half_way_sends_nothing(queue: Queue) -> None:
    def bodies() -> Any:
        yield "one"
        raise LookupError("no more")

    with pytest.raises(LookupError):
        queue.send_batch(bodies())

    assert queue.stats().sent == 0


def test_a_receive_takes_any_number_of_messages_and_never_more_than_asked(queue: Queue) -> None:
    """SQS allows 1 to 10; here any number."""
    queue.send_batch([str(number) for number in range(30)])

    assert len(queue.receive(max_messages=25)) == 25
    assert [message.body for message in queue.receive(max_messages=25)] == ["25", "26", "27", "28", "29"]


def test_several_messages_are_deleted_at_once_by_handle_or_receipt(queue: Queue) -> None:
    """SQS: DeleteMessageBatch."""
    queue.send_batch(["one", "two", "three"])
    one, two, three = queue.receive(max_messages=10)

    queue.delete(one, two.receipt)
    assert queue.stats().deleted == 2
    queue.delete(one, two, three)

    assert (queue.stats().deleted, queue.stats().in_flight) == (3, 0)


def test_deleting_nothing_is_no_error(queue: Queue) -> None:
    queue.delete()

    assert queue.stats().deleted == 0


@pytest.mark.parametrize("wrong", ["nonsense", 7, None])
def test_one_wrong_handle_in_a_delete_deletes_nothing(queue: Queue, wrong: Any) -> None:
    queue.send_batch(["one", "two"])
    one, two = queue.receive(max_messages=2)
    before = queue.stats()

    with pytest.raises(TypeError if wrong != "nonsense" else ReceiptInvalid):
        queue.delete(one, wrong, two)

    assert queue.stats() == before
