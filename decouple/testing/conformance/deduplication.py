"""Deduplication: what counts as the same send, for how long, and where."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from decouple.message import Entry
from decouple.queue import Queue
from decouple.testing.conformance.behaviour import behaviour
from decouple.testing.conformance.bench import Bench
from decouple.testing.conformance.expecting import equal, refused

WINDOW = 300


def plain(bench: Bench, **settings: Any) -> Queue[Any]:
    """A FIFO queue in which each send brings its deduplication id."""
    return bench.fifo(content_based_deduplication=False, **settings)


def by_content(bench: Bench) -> Queue[Any]:
    """One that makes the ids of the bodies."""
    return bench.fifo(content_based_deduplication=True)


def only(bench: Bench, queue: Queue[Any], *texts: str) -> None:
    """These come, and no more."""
    found: list[str] = []
    for _ in texts:
        message = bench.one(queue)
        found.append(message.text)
        message.ack()
    equal(sorted(found), sorted(texts), "what was enqueued")
    bench.nothing(queue, "a duplicate")


@behaviour("fifo", "dedup")
def a_second_send_with_the_same_id_is_accepted_and_not_enqueued(bench: Bench) -> None:
    """Its answer has an id, and the message is received once, as it was sent first."""
    queue = plain(bench)
    queue.send("first", group="a", deduplication_id="d")

    again = queue.send("second", group="a", deduplication_id="d")

    equal(bool(again.id), True, "that the answer has an id")
    only(bench, queue, "first")


@behaviour("fifo", "dedup")
def an_id_counts_after_its_message_was_deleted(bench: Bench) -> None:
    """A duplicate of a message that was received and deleted is not enqueued."""
    queue = plain(bench)
    queue.send("x", group="a", deduplication_id="d")
    bench.one(queue).ack()

    queue.send("x", group="a", deduplication_id="d")

    bench.nothing(queue, "a duplicate of a deleted message")


@behaviour("fifo", "dedup")
def other_ids_are_other_messages(bench: Bench) -> None:
    """Equal bodies with different ids are different messages; equal ids are one."""
    queue = plain(bench)

    for id in ("1", "2", "1"):
        queue.send("x", group="a", deduplication_id=id)

    only(bench, queue, "x", "x")


@behaviour("fifo", "dedup", seconds=305)
def an_id_counts_for_five_minutes_from_the_first_send(bench: Bench) -> None:
    """A duplicate within five minutes is dropped and does not prolong them; after them the id is new."""
    queue = plain(bench)
    queue.send("first", group="a", deduplication_id="d")
    bench.after(WINDOW - 100)
    queue.send("second", group="a", deduplication_id="d")
    only(bench, queue, "first")

    bench.after(101)
    queue.send("third", group="a", deduplication_id="d")

    only(bench, queue, "third")


@behaviour("fifo", "dedup", seconds=305)
def an_id_counts_to_the_end_of_five_minutes(bench: Bench) -> None:
    """It still counts shortly before five minutes are over."""
    queue = plain(bench)
    queue.send("first", group="a", deduplication_id="d")

    bench.after(WINDOW - (1e-9 if bench.moved is not None else 5))
    queue.send("second", group="a", deduplication_id="d")

    only(bench, queue, "first")


@behaviour("fifo", "dedup")
def by_default_an_id_counts_for_the_whole_queue(bench: Bench) -> None:
    """The same id in another group is a duplicate."""
    queue = plain(bench)
    queue.send("first", group="a", deduplication_id="d")

    queue.send("second", group="b", deduplication_id="d")

    only(bench, queue, "first")


@behaviour("fifo", "dedup")
def an_id_may_count_for_its_group_only(bench: Bench) -> None:
    """With deduplication_scope="messageGroup" the same id in another group is a message of its own."""
    queue = plain(bench, deduplication_scope="messageGroup")
    for group, text in (("a", "first"), ("b", "other"), ("a", "again")):
        queue.send(text, group=group, deduplication_id="d")

    only(bench, queue, "first", "other")


@behaviour("fifo", "dedup")
def ids_of_one_queue_count_in_no_other(bench: Bench) -> None:
    """Two queues do not know each other's ids, each its own."""
    one, other = (bench.fifo(f"{name}.fifo", content_based_deduplication=False) for name in ("one", "other"))
    for queue in (one, other, one, other):
        queue.send("x", group="a", deduplication_id="d")

    only(bench, one, "x")
    only(bench, other, "x")


@behaviour("fifo", "dedup")
def the_same_body_is_a_duplicate_where_the_content_counts(bench: Bench) -> None:
    """With content-based deduplication equal bodies are one message, whatever their attributes."""
    queue = by_content(bench)
    queue.send("x", group="a", attributes={"n": 1})

    queue.send("x", group="a", attributes={"n": 2})
    queue.send("y", group="a")

    only(bench, queue, "x", "y")


@behaviour("fifo", "dedup")
def an_explicit_id_wins_over_the_content(bench: Bench) -> None:
    """Where the content counts, an id given with the send counts instead."""
    queue = by_content(bench)
    queue.send("x", group="a", deduplication_id="1")

    queue.send("x", group="a", deduplication_id="2")
    queue.send("y", group="a", deduplication_id="1")

    only(bench, queue, "x", "x")


@behaviour("fifo", "dedup")
def the_id_made_from_the_content_is_the_sha_256_of_the_body(bench: Bench) -> None:
    """An explicit id equal to that hash is a duplicate, and the message has it as its `deduplication_id`."""
    queue = by_content(bench)
    queue.send("grüße", group="a")
    id = sha256("grüße".encode()).hexdigest()

    queue.send("other", group="a", deduplication_id=id)

    message = bench.one(queue)
    equal((message.text, message.deduplication_id), ("grüße", id), "text and deduplication id")
    message.ack()
    bench.nothing(queue, "a duplicate")


@behaviour("fifo", "dedup")
def a_message_has_the_deduplication_id_it_was_sent_with(bench: Bench) -> None:
    """It arrives with the message."""
    queue = plain(bench)
    queue.send("x", group="a", deduplication_id="d-1")

    equal(bench.one(queue).deduplication_id, "d-1", "the deduplication id")


@behaviour("fifo", "dedup")
def a_batch_counts_each_id_once(bench: Bench) -> None:
    """Of two entries of a batch with the same id one is enqueued, and both are answered."""
    queue = plain(bench)

    answers = queue.send_batch([Entry(text, group="a", deduplication_id="d") for text in ("first", "second")])

    equal(len(answers), 2, "answers")
    only(bench, queue, "first")


@behaviour("fifo", "dedup")
def a_purge_forgets_the_ids(bench: Bench) -> None:
    """After a purge an id that was used before is new."""
    queue = plain(bench)
    for _ in range(2):
        queue.send("x", group="a", deduplication_id="d")
    only(bench, queue, "x")

    queue.purge()
    queue.send("again", group="a", deduplication_id="d")

    only(bench, queue, "again")


@behaviour("fifo", "dedup")
def a_deduplication_id_is_needed_where_none_is_made(bench: Bench) -> None:
    """Without content-based deduplication a send without an id is a ValueError, a batch too; nothing is sent."""
    queue = plain(bench)

    with refused(ValueError, "a send without a deduplication id"):
        queue.send("x", group="a")
    with refused(ValueError, "a batch without a deduplication id"):
        queue.send_batch([Entry("x", group="a", deduplication_id="1"), Entry("y", group="a")])

    bench.nothing(queue, "after refused sends")


@behaviour("fifo", "dedup")
def a_wrong_deduplication_id_is_refused(bench: Bench) -> None:
    """It has 1 to 128 letters, digits and punctuation marks."""
    queue = plain(bench)

    for id in ("", "a b", "x" * 129, "grüße"):
        with refused(ValueError, f"the deduplication id {id[:9]!r}"):
            queue.send("x", group="a", deduplication_id=id)

    bench.nothing(queue, "after refused sends")


@behaviour("fifo", "dedup", "books")
def the_stats_count_duplicates(bench: Bench) -> None:
    """`stats().duplicates` counts sends that were not enqueued; they are not among those sent."""
    queue = plain(bench)
    for _ in range(3):
        queue.send("x", group="a", deduplication_id="d")

    stats = queue.stats()

    equal((stats.sent, stats.duplicates), (1, 2), "sent and duplicates")
