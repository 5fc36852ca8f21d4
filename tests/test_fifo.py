"""FIFO queues: order within a group, groups in turn, one send counted once, receipts that end in time, groups set aside."""

from __future__ import annotations

import asyncio
import dataclasses
import string
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from hashlib import sha256
from typing import Any

import pytest

from decouple import (
    Broker,
    Entry,
    InvalidBatch,
    InvalidName,
    Message,
    NotInFlight,
    Queue,
    QueueClosed,
    QueueExists,
    ReceiptExpired,
)
from decouple.testing import Ledger, VirtualClock

FIVE_MINUTES = 300
NANOSECOND = 0.000_000_001
PUNCTUATION = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"


@pytest.fixture
def fifo(clock: VirtualClock) -> Iterator[Queue]:
    """A FIFO queue whose deduplication ids are made from the bodies; at the end its books must balance."""
    queue = Queue("orders.fifo", content_based_deduplication=True, clock=clock)
    yield queue
    queue.check()


@pytest.fixture
def dead(clock: VirtualClock) -> Iterator[Queue]:
    queue = Queue("dead.fifo", clock=clock)
    yield queue
    queue.check()


@pytest.fixture
def mortal(clock: VirtualClock, dead: Queue) -> Iterator[Queue]:
    """A FIFO queue whose messages are dead letters after one receive."""
    queue = Queue("orders.fifo", content_based_deduplication=True, dead_letter=dead, max_receives=1, clock=clock)
    yield queue
    queue.check()


def send(queue: Queue, *messages: str) -> None:
    """Messages named for their groups: "a1" is of group a."""
    for message in messages:
        queue.send(message, group=message[0])


def bodies(messages: list[Message]) -> list[str]:
    return [message.body for message in messages]


def received(queue: Queue, most: int = 10, **options: Any) -> list[str]:
    return bodies(queue.receive(max_messages=most, **options))


# -- order within a group --------------------------------------------------------------------------------------


def test_the_messages_of_a_group_come_in_the_order_of_sending(fifo: Queue) -> None:
    send(fifo, "a1", "a2", "a3", "a4")

    assert received(fifo, 3) == ["a1", "a2", "a3"]


def test_a_group_gives_nothing_more_while_its_first_message_is_in_flight(fifo: Queue) -> None:
    """SQS, recorded: 2 of 4 received from one group close it; the next receive comes from another."""
    send(fifo, "a1", "a2", "a3", "a4", "b1", "b2")

    assert received(fifo, 2) == ["a1", "a2"]
    assert received(fifo, 2) == ["b1", "b2"]
    assert received(fifo) == []


def test_a_message_sent_to_a_group_in_flight_stays_hidden(fifo: Queue) -> None:
    send(fifo, "a1")
    [first] = fifo.receive()

    send(fifo, "a2")
    assert fifo.receive() == []

    first.ack()
    assert received(fifo) == ["a2"]


@pytest.mark.parametrize("settle", [Queue.delete, lambda _, *handles: [one.ack() for one in handles]])
def test_a_group_opens_once_all_that_was_received_is_deleted(fifo: Queue, settle: Callable[..., object]) -> None:
    send(fifo, "a1", "a2", "a3")
    first, second = fifo.receive(max_messages=2)

    settle(fifo, second)
    assert fifo.receive() == []

    settle(fifo, first)
    assert received(fifo) == ["a3"]


def test_a_first_message_shown_again_is_given_alone(fifo: Queue) -> None:
    """SQS, recorded: the first of two in flight set to 0 makes only that one deliverable."""
    send(fifo, "a1", "a2", "a3")
    first, second = fifo.receive(max_messages=2)

    first.nack()
    assert received(fifo) == ["a1"]

    second.nack()
    assert received(fifo) == []


@pytest.mark.parametrize(
    ("extended", "given"),
    [(0, []), (1, ["a1"]), (2, ["a1", "a2"])],
    ids=["the first", "the second", "the third"],
)
def test_an_extended_message_holds_back_what_is_behind_it(
    fifo: Queue, clock: VirtualClock, extended: int, given: list[str]
) -> None:
    """SQS, recorded, with three messages received from one group."""
    send(fifo, "a1", "a2", "a3", "a4")
    fifo.receive(max_messages=3)[extended].extend(100)

    clock.advance(30)

    assert received(fifo) == given


def test_what_expired_comes_again_in_the_order_of_sending(fifo: Queue, clock: VirtualClock) -> None:
    send(fifo, "a1", "a2", "a3")
    first, second, third = fifo.receive(max_messages=3)
    third.nack()
    first.extend(20)
    second.extend(10)

    clock.advance(20)

    assert received(fifo) == ["a1", "a2", "a3"]


class Unattached(VirtualClock):
    """Time that moves and settles nothing, as a real clock's does: the queue itself must see to what is due."""

    def attach(self, timed: object) -> None:
        """Do not tell the queue."""


def test_what_expired_comes_as_a_whole_however_much_it_is() -> None:
    """A queue settles what is due in steps: a receive must not take a step's end for the end of what is visible."""
    clock = Unattached()
    queue = Queue("many.fifo", content_based_deduplication=True, clock=clock)
    queue.send_batch([Entry(f"{number}", group="a") for number in range(100)])
    queue.receive(max_messages=100)

    clock.advance(30)

    assert received(queue, 100) == [f"{number}" for number in range(100)]


def test_what_was_never_received_does_not_end_what_a_group_gives(mortal: Queue, dead: Queue) -> None:
    """Behind a message never received there may be one that has come from elsewhere: both are visible."""
    send(mortal, "a1")
    mortal.receive()[0].reject("not yet")
    send(mortal, "b1", "a2")
    dead.redrive()
    assert received(mortal, 1) == ["b1"]

    assert received(mortal) == ["a2", "a1"]


def test_a_receive_with_a_visibility_of_0_leaves_its_group_available(fifo: Queue) -> None:
    send(fifo, "a1", "a2")

    assert received(fifo, 2, visibility_timeout=0) == ["a1", "a2"]
    again = fifo.receive(max_messages=2)

    assert [(message.body, message.receive_count) for message in again] == [("a1", 2), ("a2", 2)]


def test_a_batch_keeps_its_order(fifo: Queue) -> None:
    fifo.send_batch([Entry("a1", group="a"), Entry("b1", group="b"), Entry("a2", group="a")])

    assert received(fifo) == ["a1", "a2", "b1"]


def test_a_message_behind_one_in_flight_that_outlives_its_retention_comes(clock: VirtualClock) -> None:
    """SQS: retention runs from the sending, also while in flight."""
    queue = Queue("short.fifo", content_based_deduplication=True, retention=60, clock=clock)
    send(queue, "a1")
    clock.advance(50)
    send(queue, "a2")
    queue.receive(visibility_timeout=1000)

    clock.advance(10)

    assert received(queue) == ["a2"]
    assert queue.check()["retained_out"] == 1


@pytest.mark.parametrize("most", [1, 3], ids=["one by one", "in batches"])
def test_a_line_of_thousands_is_kept_in_order_and_forgets_what_is_gone(fifo: Queue, most: int) -> None:
    total = 4_000  # less than a page of receives, after which the queue looks at everything anyway
    fifo.send_batch([Entry(f"{number}", group="a") for number in range(total)])

    given: list[str] = []
    while len(given) < total - 200:
        for message in fifo.receive(max_messages=most):
            given.append(message.body)
            message.ack()

    assert given == [f"{number}" for number in range(len(given))]
    assert len(fifo._core.groups["a"].line) < 1_000  # type: ignore[attr-defined]
    fifo.check()
    assert received(fifo, total) == [f"{number}" for number in range(len(given), total)]


# -- groups in turn --------------------------------------------------------------------------------------------


def test_a_receive_takes_what_it_can_of_one_group_before_the_next(fifo: Queue) -> None:
    send(fifo, "a1", "b1", "a2", "b2", "a3")

    assert received(fifo, 4) == ["a1", "a2", "a3", "b1"]


@pytest.mark.parametrize("most", [1, 2])
def test_a_group_just_served_stands_behind_the_others(fifo: Queue, most: int) -> None:
    send(fifo, *(f"{group}{number}" for number in range(4) for group in "abc"))

    turns: list[str] = []
    while batch := fifo.receive(max_messages=most):
        turns.append(batch[0].body[0])
        for message in batch:
            message.ack()

    assert turns == ["a", "b", "c"] * (4 // most)


def test_a_group_that_emptied_and_came_again_has_one_turn(clock: VirtualClock) -> None:
    """Its only message left by age while the group stood in line behind another; then more came."""
    queue = Queue("short.fifo", content_based_deduplication=True, retention=100, clock=clock)
    send(queue, "a1")
    clock.advance(10)
    send(queue, "x1")
    clock.advance(80)
    send(queue, "a2")
    clock.advance(20)
    send(queue, "x2", "x3", "b1", "b2")

    turns: list[str] = []
    while batch := queue.receive():
        turns += bodies(batch)
        batch[0].ack()

    assert turns == ["a2", "x2", "b1", "x3", "b2"]


def test_an_available_group_keeps_its_place_while_others_empty(clock: VirtualClock) -> None:
    """Several messages outlive their retention at once, that of a group behind which another one waits among them."""
    queue = Queue("short.fifo", content_based_deduplication=True, retention=100, clock=clock)
    send(queue, "d1", "a1", "b1")
    queue.receive()[0].nack()
    clock.advance(50)
    send(queue, "a2", "b2")
    queue.receive()[0].nack()

    clock.advance(50)

    assert received(queue, 1) == ["b2"]
    assert received(queue, 1) == ["a2"]


def test_thousands_of_groups_that_came_and_went_leave_nothing_behind(mortal: Queue, dead: Queue) -> None:
    """A dead-letter queue is emptied by redrive, never received from; one letter stays at the head of it."""
    for number in range(4_000):
        mortal.send("x" if number else "stays", group=f"g{number}", deduplication_id=f"{number}")
        mortal.receive()[0].reject("no good")
        dead.redrive(where=lambda message: message.body == "x")
        for message in mortal.receive(max_messages=10):
            message.ack()

    assert len(dead._core.groups) < 3_000  # type: ignore[attr-defined]
    assert received(dead) == ["stays"]


def test_visible_counts_what_waits_behind_messages_in_flight(fifo: Queue) -> None:
    """SQS: ApproximateNumberOfMessages includes the messages of blocked groups."""
    send(fifo, "a1", "a2", "a3", "b1", "b2")
    received(fifo, 1)
    received(fifo, 1)

    stats = fifo.stats()

    assert (stats.visible, stats.in_flight) == (3, 2)
    assert bodies(fifo.peek()) == ["a2", "a3", "b2"]


def test_at_the_cap_a_receive_is_empty_and_no_error(clock: VirtualClock) -> None:
    """SQS, FIFO queues: too many in flight is no error, there are just no messages."""
    queue = Queue("capped.fifo", content_based_deduplication=True, max_in_flight=2, clock=clock)
    send(queue, "a1", "b1", "c1")

    assert received(queue, 10) == ["a1", "b1"]
    assert received(queue, 10) == []
    assert received(queue, 1, visibility_timeout=5) == []


def test_peek_shows_the_order_of_sending_and_takes_nothing(fifo: Queue, clock: VirtualClock) -> None:
    send(fifo, "a1", "b1", "a2")
    fifo.receive()[0].nack()

    assert bodies(fifo.peek(2)) == ["a1", "b1"]
    assert fifo.peek(3)[2].group == "a"
    assert fifo.stats().in_flight == 0


# -- one send counted once -------------------------------------------------------------------------------------


def test_a_second_send_with_the_same_id_is_accepted_and_not_enqueued(clock: VirtualClock) -> None:
    """SQS: the answer is that of the first."""
    queue = Queue("orders.fifo", clock=clock)

    first = queue.send("one", group="a", deduplication_id="id")
    second = queue.send("two", group="a", deduplication_id="id")

    assert (second.id, second.sequence) == (first.id, first.sequence)
    assert received(queue) == ["one"]
    assert (queue.stats().sent, queue.stats().duplicates) == (1, 1)


def test_a_duplicate_is_told_to_observers(broker: Broker, ledger: Ledger) -> None:
    queue = broker.queue("orders.fifo", content_based_deduplication=True)
    sent = queue.send("x", group="a")
    queue.send("x", group="a")

    [change] = [change for change in ledger.changes if change.cause == "duplicate"]

    assert change.queue == "orders.fifo"
    assert sent.id in str(change.reason)
    assert sha256(b"x").hexdigest() in str(change.reason)


def test_the_id_made_from_the_content_is_the_sha_256_of_the_body(fifo: Queue) -> None:
    fifo.send("grüße", group="a")

    [message] = fifo.receive()

    assert message.deduplication_id == sha256("grüße".encode()).hexdigest()


def test_attributes_do_not_count_for_the_id_made_from_the_content(fifo: Queue) -> None:
    fifo.send("x", group="a", attributes={"n": 1})
    fifo.send("x", group="a", attributes={"n": 2})

    [message] = fifo.receive(max_messages=10)

    assert message.attributes == {"n": 1}


def test_an_explicit_id_wins_over_the_content(fifo: Queue) -> None:
    fifo.send("x", group="a")
    fifo.send("x", group="a", deduplication_id="another")
    fifo.send("y", group="a", deduplication_id="another")

    assert [message.deduplication_id for message in fifo.receive(max_messages=10)] == [
        sha256(b"x").hexdigest(),
        "another",
    ]


def test_an_explicit_id_equal_to_the_hash_is_a_duplicate(fifo: Queue) -> None:
    fifo.send("x", group="a")
    fifo.send("y", group="a", deduplication_id=sha256(b"x").hexdigest())

    assert received(fifo) == ["x"]


@pytest.mark.parametrize("attributes", [None, {"n": 1}], ids=["short path", "general path"])
def test_an_id_counts_for_five_minutes_to_the_nanosecond(fifo: Queue, clock: VirtualClock, attributes: Any) -> None:
    fifo.send("x", group="a", attributes=attributes)

    clock.advance(FIVE_MINUTES - NANOSECOND)
    fifo.send("x", group="a", attributes=attributes)
    assert fifo.stats().duplicates == 1

    clock.advance(NANOSECOND)
    fifo.send("x", group="a", attributes=attributes)

    assert received(fifo) == ["x", "x"]
    assert fifo.stats().duplicates == 1


def test_a_duplicate_does_not_prolong_the_five_minutes(fifo: Queue, clock: VirtualClock) -> None:
    """SQS: the window runs from the first accepted send."""
    fifo.send("x", group="a")
    clock.advance(299)
    fifo.send("x", group="a")

    clock.advance(1)
    fifo.send("x", group="a")

    assert received(fifo) == ["x", "x"]


@pytest.mark.parametrize("fate", ["received", "deleted", "moved", "outlived"])
def test_an_id_counts_whatever_became_of_the_first_send(clock: VirtualClock, dead: Queue, fate: str) -> None:
    """SQS, recorded: still a duplicate after the first was received and deleted."""
    queue = Queue(
        "orders.fifo", content_based_deduplication=True, dead_letter=dead, max_receives=1, retention=60, clock=clock
    )
    queue.send("x", group="a")
    [message] = queue.receive()
    if fate == "deleted":
        message.ack()
    elif fate == "moved":
        message.nack()
        assert queue.receive() == []
    clock.advance(60 if fate == "outlived" else 1)

    queue.send("x", group="a")

    assert queue.stats().duplicates == 1
    assert queue.check()["accepted"] == 1


def test_by_default_an_id_counts_for_the_whole_queue(fifo: Queue) -> None:
    """SQS, recorded: the same id in another group is a duplicate (scope queue)."""
    fifo.send("x", group="a")
    fifo.send("x", group="b")

    assert fifo.stats().visible == 1


@pytest.mark.parametrize("spelling", ["messageGroup", "message_group"])
def test_an_id_may_count_for_its_group_only(clock: VirtualClock, spelling: str) -> None:
    queue = Queue("q.fifo", content_based_deduplication=True, deduplication_scope=spelling, clock=clock)
    queue.send("x", group="a")
    queue.send("x", group="b")
    queue.send("x", group="a")

    assert (queue.stats().visible, queue.stats().duplicates) == (2, 1)
    assert queue.settings["deduplication_scope"] == "messageGroup"


@pytest.mark.parametrize(
    ("before", "after", "group", "duplicate"),
    [
        ("queue", "messageGroup", "a", True),
        ("queue", "messageGroup", "b", True),
        ("messageGroup", "queue", "a", True),
        ("messageGroup", "queue", "b", False),
    ],
)
def test_what_was_sent_under_another_scope_counts_as_it_did_then(
    clock: VirtualClock, before: str, after: str, group: str, duplicate: bool
) -> None:
    """SQS, recorded: a change of scope changes nothing for sends right afterwards; nor does it for five minutes here."""
    queue = Queue("q.fifo", content_based_deduplication=True, deduplication_scope=before, clock=clock)
    queue.send("x", group="a")
    queue.configure(deduplication_scope=after)

    clock.advance(FIVE_MINUTES - NANOSECOND)
    queue.send("x", group=group)

    assert queue.stats().duplicates == duplicate


def test_a_new_scope_holds_for_what_is_sent_from_then_on(fifo: Queue, clock: VirtualClock) -> None:
    fifo.configure(deduplication_scope="messageGroup")
    fifo.send("x", group="a")
    fifo.send("x", group="b")
    assert fifo.stats().duplicates == 0

    clock.advance(FIVE_MINUTES)
    fifo.send("y", group="a")
    fifo.send("y", group="b")

    assert (fifo.stats().visible, fifo.stats().duplicates) == (4, 0)


def test_a_purge_forgets_the_ids(fifo: Queue) -> None:
    """SQS, recorded: PurgeQueue clears the deduplication memory too."""
    send(fifo, "a1", "b1", "a2")
    received(fifo, 1)

    assert fifo.purge() == 3
    send(fifo, "a1", "b1")

    assert received(fifo) == ["a1", "b1"]


def test_a_batch_counts_each_id_once(fifo: Queue) -> None:
    first = fifo.send("x", group="a")

    answers = fifo.send_batch([Entry("y", group="a"), Entry("x", group="a"), Entry("y", group="b")])

    assert [answer.id == first.id for answer in answers] == [False, True, False]
    assert answers[0].id == answers[2].id
    assert received(fifo) == ["x", "y"]


def test_old_ids_are_let_go_as_fast_as_new_ones_come(clock: VirtualClock) -> None:
    """A queue in steady use remembers five minutes, not its whole life."""
    queue = Queue("busy.fifo", clock=clock)

    for number in range(12_000):
        queue.send("x", group="a", deduplication_id=f"{number}")
        queue.receive()[0].ack()
        clock.advance(0.3)

    assert len(queue._core.seen) < 2 * FIVE_MINUTES / 0.3  # type: ignore[attr-defined]
    assert len(queue._core.window) < 2 * FIVE_MINUTES / 0.3  # type: ignore[attr-defined]


# -- ids at the door -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [1, 128])
def test_ids_are_letters_digits_and_punctuation_up_to_128(clock: VirtualClock, length: int) -> None:
    queue = Queue("q.fifo", clock=clock)
    alphabet = string.ascii_letters + string.digits + PUNCTUATION

    for number, character in enumerate(alphabet):
        queue.send("x", group=character * length, deduplication_id=(character * length))
        assert queue.stats().visible == number + 1
    [message] = queue.receive()

    assert (message.group, message.deduplication_id) == ("a" * length, "a" * length)


@pytest.mark.parametrize("how", ["send", "send with attributes"])
@pytest.mark.parametrize("which", ["group", "deduplication_id", "attempt_id"])
@pytest.mark.parametrize(
    ("value", "error"),
    [
        ("", ValueError),
        (" ", ValueError),
        ("a b", ValueError),
        ("x" * 129, ValueError),
        ("grüße", ValueError),
        ("a\n", ValueError),
        ("\x7f", ValueError),
        (7, TypeError),
        (b"a", TypeError),
    ],
    ids=repr,
)
def test_any_other_id_is_refused_and_nothing_is_sent(
    fifo: Queue, which: str, value: Any, error: type[Exception], how: str
) -> None:
    attributes = {"n": 1} if how == "send with attributes" else None

    def act() -> None:
        if which == "attempt_id":
            fifo.receive(attempt_id=value)
        else:
            fifo.send("x", attributes=attributes, **{"group": "a", which: value})

    with pytest.raises(error, match=which):
        act()

    assert fifo.check()["accepted"] == 0
    assert fifo.stats().duplicates == 0
    assert fifo.groups() == []


def test_a_group_is_needed(fifo: Queue) -> None:
    with pytest.raises(ValueError, match="group is missing"):
        fifo.send("x")
    with pytest.raises(InvalidBatch, match="group is missing"):
        fifo.send_batch([Entry("x", group="a"), "y"])

    assert fifo.check()["accepted"] == 0


def test_a_deduplication_id_is_needed_where_the_queue_makes_none(clock: VirtualClock) -> None:
    queue = Queue("q.fifo", clock=clock)

    with pytest.raises(ValueError, match="content_based_deduplication=True"):
        queue.send("x", group="a")
    with pytest.raises(InvalidBatch, match="deduplication_id is missing"):
        queue.send_batch([Entry("x", group="a", deduplication_id="1"), Entry("y", group="a")])
    assert queue.check()["accepted"] == 0

    queue.configure(content_based_deduplication=True)
    queue.send("x", group="a")
    assert received(queue) == ["x"]


def test_a_message_has_no_delay_of_its_own_but_0_is_taken_for_the_queues(clock: VirtualClock) -> None:
    """SQS, recorded: DelaySeconds 0 is accepted on FIFO and the queue's delay still applies; more is an error."""
    queue = Queue("late.fifo", content_based_deduplication=True, delay=10, clock=clock)
    with pytest.raises(ValueError, match="no delay of its own"):
        queue.send("x", group="a", delay=5)
    with pytest.raises(InvalidBatch, match="no delay of its own"):
        queue.send_batch([Entry("x", group="a", delay=5)])

    queue.send("x", group="a", delay=0)

    assert (queue.stats().visible, queue.stats().delayed) == (0, 1)
    clock.advance(10)
    assert received(queue) == ["x"]


@pytest.mark.parametrize("verb", ["groups", "release", "attempt_id"])
def test_what_only_fifo_queues_have_is_refused_elsewhere(queue: Queue, verb: str) -> None:
    calls = {
        "groups": queue.groups,
        "release": lambda: queue.release("a"),
        "attempt_id": lambda: queue.receive(attempt_id="x"),
    }
    with pytest.raises(ValueError, match="'orders' is a standard queue"):
        calls[verb]()


def test_a_deduplication_id_is_refused_on_a_standard_queue(queue: Queue) -> None:
    with pytest.raises(ValueError, match="for FIFO queues"):
        queue.send("x", deduplication_id="id")
    with pytest.raises(ValueError, match="for FIFO queues"):
        queue.send("x", group="a", deduplication_id="id")

    assert queue.stats().visible == 0


# -- settings --------------------------------------------------------------------------------------------------


def test_a_name_that_ends_in_fifo_makes_a_fifo_queue(clock: VirtualClock) -> None:
    assert Queue("q.fifo", clock=clock).fifo
    assert Queue("q", fifo=True, clock=clock).fifo
    assert not Queue("q", clock=clock).fifo
    with pytest.raises(InvalidName, match=r"ends in \.fifo"):
        Queue("q.fifo", fifo=False, clock=clock)
    with pytest.raises(TypeError, match="fifo must be"):
        Queue("q", fifo=1, clock=clock)  # type: ignore[arg-type]


def test_the_suffix_counts_in_the_80_characters_of_a_name(clock: VirtualClock) -> None:
    assert Queue("q" * 75 + ".fifo", clock=clock).fifo
    with pytest.raises(InvalidName):
        Queue("q" * 76 + ".fifo", clock=clock)


@pytest.mark.parametrize(
    ("setting", "value"),
    [("content_based_deduplication", True), ("deduplication_scope", "messageGroup"), ("on_poison", "block")],
)
def test_settings_of_fifo_queues_are_refused_on_standard_ones(clock: VirtualClock, setting: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"{setting} is for FIFO queues, and 'q' is a standard queue"):
        Queue("q", clock=clock, **{setting: value})
    queue = Queue("q", clock=clock)
    with pytest.raises(ValueError, match=f"{setting} is for FIFO queues"):
        queue.configure(**{setting: value})

    assert setting not in queue.settings
    assert setting in Queue("q.fifo", clock=clock).settings


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("content_based_deduplication", 1),
        ("content_based_deduplication", "true"),
        ("deduplication_scope", "group"),
        ("deduplication_scope", None),
        ("on_poison", "drop"),
        ("on_poison", True),
    ],
)
def test_settings_of_fifo_queues_are_one_of_a_few(fifo: Queue, setting: str, value: Any) -> None:
    before = fifo.settings
    with pytest.raises(ValueError, match=f"{setting} must be one of"):
        fifo.configure(**{setting: value})

    assert fifo.settings == before


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"on_poison": "park"}, "needs max_receives"),
        ({"on_poison": "dead_letter"}, "needs max_receives"),
        ({"on_poison": "dead_letter", "max_receives": 3}, "needs a dead_letter queue"),
        ({"max_receives": 3}, "needs a dead_letter queue"),
    ],
)
def test_what_becomes_of_a_poisonous_message_must_be_possible(
    clock: VirtualClock, given: dict[str, Any], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        Queue("q.fifo", clock=clock, **given)
    queue = Queue("q.fifo", clock=clock)
    with pytest.raises(ValueError, match=words):
        queue.configure(**given)

    assert (queue.settings["on_poison"], queue.settings["max_receives"]) == (None, None)


@pytest.mark.parametrize(("name", "other"), [("q.fifo", "dead"), ("q", "dead.fifo")])
def test_a_dead_letter_queue_is_of_the_same_kind(clock: VirtualClock, name: str, other: str) -> None:
    target = Queue(other, clock=clock)

    with pytest.raises(ValueError, match="must be one too"):
        Queue(name, dead_letter=target, max_receives=3, clock=clock)
    with pytest.raises(ValueError, match="must be one too"):
        Queue(name, clock=clock).configure(dead_letter=target)


def test_a_broker_declares_fifo_queues_by_name(broker: Broker) -> None:
    queue = broker.queue("orders.fifo", content_based_deduplication=True)
    send(queue, "a1", "b1")
    queue.receive()

    assert broker.queue("orders.fifo") is queue
    assert broker.queue("orders.fifo", content_based_deduplication=True) is queue
    assert repr(queue) == "<Queue 'orders.fifo': FIFO, 1 visible, 1 in flight, 0 delayed>"
    with pytest.raises(QueueExists, match="deduplication_scope"):
        broker.queue("orders.fifo", deduplication_scope="messageGroup")


@pytest.mark.parametrize(("before", "after"), [(None, True), (True, False)])
def test_a_broker_does_not_take_a_queue_for_one_of_the_other_kind(
    broker: Broker, before: bool | None, after: bool
) -> None:
    queue = broker.queue("orders", fifo=before)
    assert broker.queue("orders") is queue

    with pytest.raises(QueueExists, match="fifo"):
        broker.queue("orders", fifo=after)


def test_a_changed_delay_holds_for_what_is_stored_and_was_not_received(fifo: Queue, clock: VirtualClock) -> None:
    """SQS, delay queues: on FIFO a new delay affects messages already in the queue."""
    send(fifo, "a1", "b1")
    fifo.receive()[0].nack()
    clock.advance(5)

    fifo.configure(delay=20)
    assert (fifo.stats().visible, fifo.stats().delayed) == (1, 1)

    clock.advance(15 - NANOSECOND)
    assert received(fifo, visibility_timeout=0) == ["a1"]
    clock.advance(NANOSECOND)
    assert received(fifo) == ["a1", "b1"]


def test_a_longer_delay_holds_for_what_was_delayed_before(clock: VirtualClock) -> None:
    queue = Queue("late.fifo", content_based_deduplication=True, delay=10, clock=clock)
    send(queue, "a1")
    clock.advance(11)

    queue.configure(delay=20)

    assert queue.receive() == []
    assert [group.blocked_for for group in queue.groups()] == [11]
    clock.advance(9)
    assert received(queue) == ["a1"]
    queue.check()


def test_a_shorter_delay_shows_what_is_stored_at_once(clock: VirtualClock) -> None:
    queue = Queue("late.fifo", content_based_deduplication=True, delay=100, clock=clock)
    send(queue, "a1", "a2")

    queue.configure(delay=0)

    assert received(queue) == ["a1", "a2"]


# -- sequence numbers and what a message has -------------------------------------------------------------------


def test_sequence_numbers_have_20_digits_and_rise(fifo: Queue) -> None:
    answers = [fifo.send("a1", group="a"), *fifo.send_batch([Entry("b1", group="b"), Entry("a2", group="a")])]

    numbers = [answer.sequence for answer in answers]

    assert numbers == sorted(set(numbers), key=str)
    assert [len(str(number)) for number in numbers] == [20, 20, 20]
    assert {str(number).isdigit() for number in numbers} == {True}
    by_body = {message.body: message.sequence for message in fifo.receive(max_messages=10)}
    assert [by_body[body] for body in ("a1", "b1", "a2")] == numbers


def test_a_standard_queue_has_no_sequence_numbers(queue: Queue) -> None:
    assert queue.send("x").sequence is None
    [message] = queue.receive()
    assert (message.sequence, message.deduplication_id, message.group) == (None, None, None)


@pytest.mark.parametrize("attributes", [None, {"n": 1}], ids=["plain", "with attributes"])
def test_a_message_has_its_group_and_deduplication_id_at_every_receive(fifo: Queue, attributes: Any) -> None:
    sent = fifo.send("x", group="a", deduplication_id="id", attributes=attributes)

    for count in (1, 2):
        [message] = fifo.receive()
        assert (message.id, message.group, message.deduplication_id) == (sent.id, "a", "id")
        assert (message.receive_count, message.attributes) == (count, attributes or {})
        message.nack()


@dataclasses.dataclass
class Order:
    number: int


def test_typed_bodies_come_in_order_and_once(clock: VirtualClock) -> None:
    queue = Queue("orders.fifo", body=Order, content_based_deduplication=True, clock=clock)
    for number in (1, 2, 2, 3):
        queue.send(Order(number), group="a")

    batch = queue.receive(max_messages=10)

    assert [message.body for message in batch] == [Order(1), Order(2), Order(3)]
    batch[0].ack()
    assert queue.receive() == []
    for message in batch[1:]:
        message.ack()
    assert queue.check()["deleted"] == 3


def test_a_body_that_does_not_decode_does_not_stop_its_group(clock: VirtualClock, dead: Queue) -> None:
    queue = Queue("orders.fifo", body=Order, content_based_deduplication=True, dead_letter=dead, clock=clock)
    dead.send("nonsense", group="a", deduplication_id="1")
    dead.redrive(to=queue)
    queue.send(Order(2), group="a")

    [message] = queue.receive(max_messages=10)

    assert message.body == Order(2)
    assert bodies(dead.peek()) == ["nonsense"]


# -- receipts end in time --------------------------------------------------------------------------------------

VERBS: dict[str, Callable[[Queue, Message], object]] = {
    "ack": lambda queue, message: message.ack(),
    "delete": lambda queue, message: queue.delete(message),
    "delete by receipt": lambda queue, message: queue.delete(message.receipt),
    "nack": lambda queue, message: message.nack(),
    "extend": lambda queue, message: message.extend(10),
    "change_visibility": lambda queue, message: queue.change_visibility(message.receipt, 10),
    "reject": lambda queue, message: message.reject("no good"),
    "with": lambda queue, message: message.__enter__().__exit__(None, None, None),
}
EACH_VERB = pytest.mark.parametrize("verb", VERBS.values(), ids=VERBS)


@EACH_VERB
def test_an_expired_receipt_changes_nothing_and_says_so(
    fifo: Queue, clock: VirtualClock, verb: Callable[[Queue, Message], object]
) -> None:
    """SQS, recorded: on FIFO a delete after the visibility ran out fails; on a standard queue it works."""
    send(fifo, "a1", "a2")
    [message] = fifo.receive()
    clock.advance(30)

    with pytest.raises(ReceiptExpired, match="expired before they were used") as caught:
        verb(fifo, message)

    assert caught.value.receipts == (message.receipt,)
    assert not message.settled
    assert received(fifo) == ["a1", "a2"]


@EACH_VERB
def test_the_receipt_of_an_earlier_receive_is_expired(
    fifo: Queue, clock: VirtualClock, verb: Callable[[Queue, Message], object]
) -> None:
    send(fifo, "a1")
    [first] = fifo.receive()
    clock.advance(30)
    [second] = fifo.receive()

    with pytest.raises(ReceiptExpired):
        verb(fifo, first)

    assert fifo.stats().in_flight == 1
    second.ack()
    assert fifo.check()["deleted"] == 1


def test_an_extension_before_the_end_keeps_the_receipt_good(fifo: Queue, clock: VirtualClock) -> None:
    send(fifo, "a1")
    [message] = fifo.receive()
    message.extend(100)

    clock.advance(100 - NANOSECOND)
    message.ack()

    assert fifo.check()["deleted"] == 1


def test_a_receipt_is_good_to_the_last_nanosecond(fifo: Queue, clock: VirtualClock) -> None:
    send(fifo, "a1", "b1")
    [first], [second] = fifo.receive(), fifo.receive()

    clock.advance(30 - NANOSECOND)
    first.ack()
    clock.advance(NANOSECOND)

    with pytest.raises(ReceiptExpired):
        second.ack()


def test_a_receipt_ends_by_itself_before_anything_is_settled() -> None:
    clock = Unattached()
    queue = Queue("orders.fifo", content_based_deduplication=True, clock=clock)
    send(queue, "a1")
    [message] = queue.receive()

    clock.advance(30)

    with pytest.raises(ReceiptExpired):
        message.ack()
    assert received(queue) == ["a1"]


def test_a_message_given_back_is_not_deleted_by_its_old_handle(fifo: Queue) -> None:
    send(fifo, "a1")
    [message] = fifo.receive()
    message.nack()

    with pytest.raises(ReceiptExpired):
        message.ack()

    assert received(fifo) == ["a1"]


def test_deleting_what_is_gone_is_no_error(fifo: Queue, clock: VirtualClock) -> None:
    """SQS, recorded: deleting twice, or what retention removed, is answered with 200."""
    fifo.configure(retention=60)
    send(fifo, "a1", "b1")
    first, second = fifo.receive(max_messages=2)
    first.ack()

    first.ack()
    fifo.delete(first, first.receipt)
    clock.advance(60)
    second.ack()

    assert (fifo.check()["deleted"], fifo.check()["retained_out"]) == (1, 1)
    with pytest.raises(NotInFlight):
        first.nack()


def test_of_many_receipts_the_expired_ones_are_named_and_the_others_deleted(fifo: Queue, clock: VirtualClock) -> None:
    send(fifo, "a1", "b1", "c1")
    batch = fifo.receive(max_messages=3)
    batch[1].extend(100)
    clock.advance(30)

    with pytest.raises(ReceiptExpired) as caught:
        fifo.delete(batch[0], batch[1], batch[2].receipt)

    assert caught.value.receipts == (batch[0].receipt, batch[2].receipt)
    assert [message.settled for message in batch] == [False, True, False]
    assert received(fifo) == ["a1", "c1"]


def test_a_block_that_raises_after_the_end_of_its_time_shows_its_own_error(fifo: Queue, clock: VirtualClock) -> None:
    send(fifo, "a1")
    [message] = fifo.receive()

    def work() -> None:
        with message:
            clock.advance(30)
            fifo.receive()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        work()

    assert fifo.stats().in_flight == 1


# -- the same receive once more --------------------------------------------------------------------------------


def test_a_receive_asked_for_again_gives_the_same_messages_and_receipts(fifo: Queue, clock: VirtualClock) -> None:
    """SQS, ReceiveRequestAttemptId: the timeouts begin again; any other receive sees the groups closed."""
    send(fifo, "a1", "a2", "b1")
    first = fifo.receive(max_messages=2, attempt_id="try-1")
    clock.advance(20)

    again = fifo.receive(max_messages=2, attempt_id="try-1")

    assert bodies(again) == ["a1", "a2"]
    assert [one.receipt for one in again] == [one.receipt for one in first]
    assert received(fifo, attempt_id="try-2") == ["b1"]
    clock.advance(29)
    assert fifo.receive() == []
    fifo.delete(*first)
    assert fifo.check()["deleted"] == 2


def test_an_attempt_may_give_another_timeout(fifo: Queue, clock: VirtualClock) -> None:
    send(fifo, "a1")
    fifo.receive(attempt_id="try")
    fifo.receive(attempt_id="try", visibility_timeout=100)

    clock.advance(99)
    assert fifo.receive() == []
    clock.advance(1)

    assert received(fifo) == ["a1"]


@pytest.mark.parametrize("touch", ["ack", "nack", "extend", "expiry", "reject"])
def test_an_attempt_is_an_ordinary_receive_once_one_of_its_messages_went_on(
    fifo: Queue, clock: VirtualClock, touch: str
) -> None:
    """SQS: provided none was deleted or had its visibility changed."""
    send(fifo, "a1", "b1", "c1")
    batch = fifo.receive(max_messages=2, attempt_id="try")
    if touch == "expiry":
        clock.advance(30)
    elif touch == "extend":
        batch[0].extend(5)
    elif touch == "reject":
        batch[0].reject("no good")
    else:
        getattr(batch[0], touch)()

    again = received(fifo, attempt_id="try")

    assert "c1" in again
    assert ("b1" in again) == (touch == "expiry")


def test_an_attempt_is_remembered_for_five_minutes(fifo: Queue, clock: VirtualClock) -> None:
    send(fifo, "a1")
    fifo.receive(attempt_id="try", visibility_timeout=1000)

    clock.advance(FIVE_MINUTES - NANOSECOND)
    assert received(fifo, attempt_id="try", visibility_timeout=1000) == ["a1"]
    clock.advance(NANOSECOND)

    assert received(fifo, attempt_id="try") == []


def test_an_attempt_that_brought_nothing_is_made_again(fifo: Queue) -> None:
    assert received(fifo, attempt_id="try") == []
    send(fifo, "a1")

    assert received(fifo, attempt_id="try") == ["a1"]


# -- dead letters ----------------------------------------------------------------------------------------------


def test_a_dead_letter_leaves_its_group_usable(mortal: Queue, dead: Queue) -> None:
    """SQS: moved at the receive after the last allowed one; the same receive goes on in the group."""
    send(mortal, "a1", "a2")
    mortal.receive()[0].nack()

    assert received(mortal, 1) == ["a2"]
    assert bodies(dead.peek()) == ["a1"]


def test_a_poisonous_message_blocks_its_group_until_it_is_moved(mortal: Queue, clock: VirtualClock) -> None:
    send(mortal, "a1", "a2", "b1")
    mortal.receive()

    assert received(mortal, 1) == ["b1"]
    assert received(mortal, 1) == []
    clock.advance(30)
    assert received(mortal, 1) == ["a2"]


def test_a_dead_letter_keeps_what_it_is_and_begins_anew_where_it_arrives(
    mortal: Queue, dead: Queue, clock: VirtualClock
) -> None:
    """SQS: id, body, group, attributes and count stay; on FIFO the time of sending is that of the move."""
    sent = mortal.send("a1", group="a", attributes={"n": 1})
    mortal.receive()[0].nack()
    clock.advance(50)
    moved_at = clock.time
    mortal.receive()
    clock.advance(5)

    [letter] = dead.receive()

    assert (letter.id, letter.body, letter.group, letter.attributes) == (sent.id, "a1", "a", {"n": 1})
    assert (letter.receive_count, letter.source, letter.sent_at) == (2, mortal, moved_at)
    assert letter.failure is not None
    assert letter.failure.error == "TooManyReceives"


def test_the_deduplication_id_of_a_dead_letter_is_its_id(mortal: Queue, dead: Queue, clock: VirtualClock) -> None:
    """SQS, dead-letter queue redrive: so that the dead-letter queue cannot take two letters for one."""
    first = mortal.send("x", group="a")
    mortal.receive()[0].reject("no good")
    clock.advance(FIVE_MINUTES)
    mortal.configure(deduplication_scope="messageGroup")
    second = mortal.send("x", group="a")
    third = mortal.send("x", group="b")
    for message in mortal.receive(max_messages=2):
        message.reject("no good")

    letters = dead.receive(max_messages=10)

    assert {letter.id for letter in letters} == {first.id, second.id, third.id}
    assert all(letter.deduplication_id == letter.id for letter in letters)


def test_dead_letters_keep_the_order_of_their_group(mortal: Queue, dead: Queue) -> None:
    send(mortal, "a1", "a2", "a3")
    for message in mortal.receive(max_messages=3):
        message.nack()

    assert mortal.receive(max_messages=10) == []
    assert received(dead, 2) == ["a1", "a2"]
    assert dead.receive() == []


def test_a_redrive_makes_new_messages_at_the_end_of_their_groups(mortal: Queue, dead: Queue) -> None:
    """SQS, StartMessageMoveTask: new id, count and time of sending; the group stays."""
    sent = [mortal.send(body, group="a") for body in ("a1", "a2")]
    for message in mortal.receive(max_messages=2):
        message.reject("not yet")
    send(mortal, "a3")

    task = dead.redrive()

    assert (task.moved, task.remaining) == (2, 0)
    batch = mortal.receive(max_messages=10)
    assert bodies(batch) == ["a3", "a1", "a2"]
    assert {message.receive_count for message in batch} == {1}
    assert {message.source for message in batch} == {None}
    assert not {message.id for message in batch} & {one.id for one in sent}
    assert [message.sequence for message in batch] == sorted(str(message.sequence) for message in batch)


def test_a_redriven_message_is_never_taken_for_a_duplicate(mortal: Queue, dead: Queue) -> None:
    """The id it was first sent with is remembered for five minutes; it comes back all the same."""
    send(mortal, "a1")
    mortal.receive()[0].reject("not yet")

    assert dead.redrive().moved == 1
    send(mortal, "a1")

    assert received(mortal) == ["a1"]
    assert mortal.stats().duplicates == 1


def test_the_id_of_a_redriven_message_is_taken_from_then_on(mortal: Queue, dead: Queue, clock: VirtualClock) -> None:
    """Also where that id was used over five minutes ago and nothing has forgotten it yet."""
    sent = mortal.send("x", group="a")
    mortal.receive()[0].reject("not yet")
    mortal.send("y", group="a", deduplication_id=sent.id)
    clock.advance(FIVE_MINUTES)

    dead.redrive()
    mortal.send("z", group="a", deduplication_id=sent.id)

    assert received(mortal) == ["y", "x"]


def test_what_came_from_nowhere_stays_usable_after_a_redrive(fifo: Queue) -> None:
    send(fifo, "a1", "b1", "a2")

    assert fifo.redrive().moved == 0
    fifo.check()

    assert received(fifo) == ["a1", "a2", "b1"]


@pytest.mark.parametrize(("name", "other"), [("q.fifo", "to"), ("q", "to.fifo")])
def test_a_redrive_goes_to_a_queue_of_the_same_kind(clock: VirtualClock, name: str, other: str) -> None:
    """SQS: source and destination are both FIFO or both standard."""
    queue, target = Queue(name, clock=clock), Queue(other, clock=clock)

    with pytest.raises(ValueError, match="FIFO"):
        queue.redrive(to=target)


def test_a_refused_dead_letter_stays_in_its_group(mortal: Queue, dead: Queue, clock: VirtualClock) -> None:
    send(mortal, "a1", "b1")
    dead.close()
    mortal.receive()[0].nack()

    assert received(mortal) == ["b1"]
    assert mortal.stats().in_flight == 2
    mortal.configure(max_receives=None)
    clock.advance(30)
    assert sorted(received(mortal)) == ["a1", "b1"]


# -- groups whose first message keeps failing ------------------------------------------------------------------


def failing(clock: VirtualClock, on_poison: str | None, **settings: Any) -> Queue:
    """A queue whose group a begins with a message that failed once, which is once too often; b1 is in group b."""
    given = {"max_receives": 1, "on_poison": on_poison, "content_based_deduplication": True, **settings}
    queue = Queue("orders.fifo", clock=clock, **given)
    send(queue, "a1", "a2", "b1")
    queue.receive()[0].nack()
    return queue


@pytest.mark.parametrize("on_poison", [None, "dead_letter"])
def test_where_there_is_a_dead_letter_queue_the_message_goes_there(
    clock: VirtualClock, dead: Queue, on_poison: str | None
) -> None:
    queue = failing(clock, on_poison, dead_letter=dead)

    assert sorted(received(queue)) == ["a2", "b1"]
    assert bodies(dead.peek()) == ["a1"]


def test_a_group_may_be_blocked_behind_it(clock: VirtualClock) -> None:
    """As on AWS without a dead-letter queue: the message comes again and again, and nothing behind it without it."""
    queue = failing(clock, "block")
    [b1] = queue.receive()
    assert b1.body == "b1"

    for count in (2, 3, 4):
        [message] = queue.receive()
        assert (message.body, message.receive_count) == ("a1", count)
        assert queue.receive() == []
        message.nack()


def test_block_keeps_messages_from_the_dead_letter_queue(clock: VirtualClock, dead: Queue) -> None:
    queue = failing(clock, "block", dead_letter=dead)

    assert sorted(received(queue)) == ["a1", "a2", "b1"]
    assert dead.stats().visible == 0


def test_a_group_may_be_set_aside_until_it_is_released(clock: VirtualClock) -> None:
    queue = failing(clock, "park")

    assert received(queue) == ["b1"]
    assert {group.group: (group.parked, group.visible) for group in queue.groups()} == {"a": (True, 2), "b": (False, 0)}
    clock.advance(29)
    send(queue, "a3")
    assert received(queue) == []

    queue.release("a")

    assert received(queue) == ["a1", "a2", "a3"]
    queue.check()


def test_a_released_message_has_a_new_number_of_tries(clock: VirtualClock) -> None:
    queue = failing(clock, "park", max_receives=2)
    queue.receive()[0].ack()
    queue.receive()[0].nack()
    assert queue.receive() == []
    queue.release("a")

    for count in (3, 4):
        [message] = queue.receive()
        assert message.receive_count == count
        message.nack()

    assert queue.receive() == []
    assert queue.groups()[0].parked


def test_a_released_group_has_its_turn_whatever_its_first_message_is_by_then(clock: VirtualClock) -> None:
    """The message that failed outlived its retention while the group was set aside."""
    queue = Queue(
        "q.fifo", content_based_deduplication=True, on_poison="park", max_receives=1, retention=100, clock=clock
    )
    send(queue, "a1")
    queue.receive()[0].nack()
    assert queue.receive() == []
    clock.advance(50)
    send(queue, "a2")
    clock.advance(50)
    assert queue.receive() == []

    queue.release("a")

    assert received(queue) == ["a2"]
    queue.check()


def test_a_group_set_aside_is_told_to_observers(broker: Broker, ledger: Ledger) -> None:
    queue = broker.queue("q.fifo", content_based_deduplication=True, on_poison="park", max_receives=1)
    send(queue, "a1")
    queue.receive()[0].nack()
    queue.receive()
    queue.release("a")

    told = [(change.cause, change.reason) for change in ledger.changes if change.cause.startswith("group")]

    assert told == [("group parked", "a"), ("group released", "a")]


@pytest.mark.parametrize("group", ["b", "unknown"])
def test_only_a_parked_group_can_be_released(clock: VirtualClock, group: str) -> None:
    queue = failing(clock, "park")
    received(queue)

    with pytest.raises(ValueError, match=f"group '{group}' of queue 'orders.fifo' is not parked"):
        queue.release(group)


def test_a_purge_forgets_that_a_group_was_set_aside(clock: VirtualClock) -> None:
    queue = failing(clock, "park")
    received(queue)
    queue.purge()

    send(queue, "a9")

    assert received(queue) == ["a9"]


def test_groups_tells_who_waits_behind_what_and_for_how_long(fifo: Queue, clock: VirtualClock) -> None:
    """GroupStats: those blocked for longest come first."""
    send(fifo, "a1", "a2", "b1", "c1", "c2", "c3")
    [a1] = fifo.receive()
    clock.advance(7)
    [b1] = fifo.receive()
    clock.advance(3)

    a, b, c = fifo.groups()

    assert (a.group, a.visible, a.in_flight, a.blocker, a.blocked_for, a.receives) == ("a", 1, 1, a1.id, 10, 1)
    assert (b.group, b.visible, b.in_flight, b.blocker, b.blocked_for, b.receives) == ("b", 0, 1, b1.id, 3, 1)
    assert (c.group, c.visible, c.in_flight, c.blocker, c.blocked_for, c.receives) == ("c", 3, 0, None, None, 0)
    fifo.purge()
    assert fifo.groups() == []


# -- waiting for a group to open -------------------------------------------------------------------------------

OPENERS: dict[str, Callable[[Queue, Message, VirtualClock], object]] = {
    "ack": lambda queue, message, clock: message.ack(),
    "delete": lambda queue, message, clock: queue.delete(message.receipt),
    "nack": lambda queue, message, clock: message.nack(),
    "expiry": lambda queue, message, clock: clock.advance(30),
    "reject": lambda queue, message, clock: message.reject("no good"),
    "retention": lambda queue, message, clock: queue.configure(retention=60),
    "purge and send": lambda queue, message, clock: (queue.purge(), send(queue, "a3")),
}
OPENED = {"nack": ["a1"], "expiry": ["a1"], "purge and send": ["a3"]}
EACH_OPENER = pytest.mark.parametrize("opener", OPENERS)


def blocked(queue: Queue, clock: VirtualClock, opener: str) -> Message:
    """Group a, with a1 in flight and a2 behind it."""
    send(queue, "a1")
    clock.advance(50 if opener == "retention" else 0)
    send(queue, "a2")
    clock.advance(10 if opener == "retention" else 0)
    return queue.receive(visibility_timeout=1000 if opener == "retention" else None)[0]


def started(function: Callable[[], Any]) -> Future[Any]:
    """The outcome of a call made in a thread of its own."""
    outcome: Future[Any] = Future()

    def run() -> None:
        try:
            outcome.set_result(function())
        except BaseException as error:  # the test looks at it
            outcome.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return outcome


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < end, "it did not come true"
        threading.Event().wait(0.001)


@EACH_OPENER
def test_a_waiting_thread_is_served_when_a_group_opens(fifo: Queue, clock: VirtualClock, opener: str) -> None:
    message = blocked(fifo, clock, opener)
    outcome = started(lambda: fifo.receive(max_messages=1, wait=10_000))
    wait_for(lambda: len(fifo._core.parked) == 1)

    OPENERS[opener](fifo, message, clock)

    assert bodies(outcome.result(5)) == OPENED.get(opener, ["a2"])


@EACH_OPENER
def test_a_waiting_task_is_served_when_a_group_opens(fifo: Queue, clock: VirtualClock, opener: str) -> None:
    async def story() -> list[Message]:
        message = blocked(fifo, clock, opener)
        task = asyncio.create_task(fifo.aio.receive(wait=10_000))
        while not fifo._core.parked:
            await asyncio.sleep(0)
        OPENERS[opener](fifo, message, clock)
        return await asyncio.wait_for(task, 5)

    assert bodies(asyncio.run(story())) == OPENED.get(opener, ["a2"])


def test_a_waiting_receive_is_served_when_a_group_is_released(clock: VirtualClock) -> None:
    queue = failing(clock, "park")
    received(queue)
    outcome = started(lambda: queue.receive(wait=10_000))
    wait_for(lambda: len(queue._core.parked) == 1)

    queue.release("a")

    assert bodies(outcome.result(5)) == ["a1"]


def test_those_who_wait_are_served_each_from_another_group(fifo: Queue) -> None:
    outcomes = []
    for number in (1, 2):
        outcomes.append(started(lambda: fifo.receive(max_messages=10, wait=10_000)))
        wait_for(lambda number=number: len(fifo._core.parked) == number)

    fifo.send_batch([Entry("a1", group="a"), Entry("a2", group="a"), Entry("a3", group="a")])
    send(fifo, "b1")

    assert [bodies(outcome.result(5)) for outcome in outcomes] == [["a1", "a2", "a3"], ["b1"]]


def test_what_was_on_its_way_to_a_cancelled_task_is_first_in_its_group_again(fifo: Queue) -> None:
    async def story() -> None:
        task = asyncio.create_task(fifo.aio.receive(max_messages=2, wait=10_000))
        while not fifo._core.parked:
            await asyncio.sleep(0)
        fifo.send_batch([Entry("a1", group="a"), Entry("a2", group="a"), Entry("a3", group="a")])
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(story())

    batch = fifo.receive(max_messages=10)
    assert [(message.body, message.receive_count) for message in batch] == [("a1", 1), ("a2", 1), ("a3", 1)]


def test_the_awaitable_face_has_the_same_queue(fifo: Queue, clock: VirtualClock) -> None:
    async def story() -> None:
        await fifo.aio.send("a1", group="a")
        await fifo.aio.send("a1", group="a")
        await fifo.aio.send_batch([Entry("a2", group="a")])
        first = await fifo.aio.receive(max_messages=2, attempt_id="try")
        assert bodies(first) == ["a1", "a2"]
        again = await fifo.aio.receive(max_messages=2, attempt_id="try", wait=5)
        assert [one.receipt for one in again] == [one.receipt for one in first]
        assert await fifo.aio.receive() == []
        await fifo.aio.delete(first[0])
        clock.advance(30)
        with pytest.raises(ReceiptExpired):
            await fifo.aio.delete(first[1])
        with pytest.raises(ValueError, match="attempt_id"):
            await fifo.aio.receive(attempt_id="not good")
        async with (await fifo.aio.receive())[0] as message:
            assert message.body == "a2"
        await fifo.aio.close()
        with pytest.raises(QueueClosed):
            await fifo.aio.send("a3", group="a")

    asyncio.run(story())

    assert (fifo.check()["deleted"], fifo.stats().duplicates) == (2, 1)


@pytest.mark.parametrize("most", [1, 4])
def test_tasks_that_share_a_queue_keep_the_order_of_each_group(most: int) -> None:
    """Four producers, four consumers, five groups each, in one loop: within a group all come in order, once."""
    queue = Queue("tasks.fifo")
    each, groups = 30, [[f"{producer}.{number}" for number in range(5)] for producer in range(4)]
    done: dict[str, list[int]] = {group: [] for names in groups for group in names}

    async def produce(names: list[str]) -> None:
        for number in range(each):
            for group in names:
                await queue.aio.send(str(number), group=group, deduplication_id=f"{group}-{number}")
            await asyncio.sleep(0)

    async def consume() -> None:
        while sum(map(len, done.values())) < each * len(done):
            for message in await queue.aio.receive(max_messages=most, wait=0.01):
                async with message:
                    await asyncio.sleep(0)
                    done[message.group or ""].append(int(message.body))

    async def story() -> None:
        await asyncio.gather(*map(produce, groups), *(consume() for _ in range(4)))

    asyncio.run(asyncio.wait_for(story(), 30))

    assert done == {group: list(range(each)) for group in done}
    assert queue.check()["deleted"] == each * len(done)


def test_a_parked_group_says_for_which_message_and_release_renews_all_of_it(clock: VirtualClock) -> None:
    queue = Queue("x.fifo", max_receives=1, on_poison="park", clock=clock)
    for number in range(3):
        queue.send(str(number), group="a", deduplication_id=str(number))
    first, *_ = queue.receive(max_messages=3)
    clock.advance(30)
    assert queue.receive() == []

    [group] = queue.groups()
    queue.release("a")

    assert (group.parked, group.blocker, group.blocked_for, group.receives) == (True, first.id, 30.0, 1)
    assert [message.body for message in queue.receive(max_messages=3)] == ["0", "1", "2"]
