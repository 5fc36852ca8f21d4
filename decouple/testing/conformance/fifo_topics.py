"""FIFO topics: order within each group, each publication once, and an archive that can be replayed."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from decouple.queue import Queue
from decouple.testing.conformance.behaviour import behaviour
from decouple.testing.conformance.bench import Bench
from decouple.testing.conformance.expecting import equal, refused
from decouple.topic import Topic

WINDOW = 300


def ordered(bench: Bench, **settings: Any) -> tuple[Topic, Queue[Any]]:
    """A FIFO topic and a FIFO queue that is subscribed to it."""
    topic, queue = bench.topic("events.fifo", **settings), bench.fifo()
    topic.subscribe(queue)
    return topic, queue


def publish(topic: Topic, *texts: str, group: str = "a") -> None:
    """Each under its text as the deduplication id."""
    for text in texts:
        topic.publish(text, group=group, deduplication_id=text)


def in_turn(bench: Bench, queue: Queue[Any], count: int) -> list[str]:
    """The texts of so many messages, each deleted before the next is received."""
    seen: list[str] = []
    for _ in range(count):
        message = bench.one(queue)
        seen.append(message.text)
        message.ack()
    return seen


@behaviour("fifo")
def each_group_is_delivered_in_the_order_of_publishing(bench: Bench) -> None:
    """The messages of a group are received in the order they were published."""
    topic, queue = ordered(bench)
    publish(topic, *(f"{number}" for number in range(6)))

    equal(in_turn(bench, queue, 6), [f"{number}" for number in range(6)], "the order")


@behaviour("fifo")
def a_copy_has_the_group_and_deduplication_id_of_the_publication(bench: Bench) -> None:
    """A FIFO queue has the publisher's; sequence numbers that publications answer rise."""
    topic, queue = ordered(bench)
    answers = [topic.publish(text, group="a", deduplication_id=text).sequence for text in "xyz"]

    message = bench.one(queue)

    equal(message.group, "a", "the group")
    if bench.traits.dedup:
        equal(message.deduplication_id, "x", "the deduplication id")
    numbers = [int(answer or "-1") for answer in answers]
    equal(numbers, sorted(set(numbers)), "the sequence numbers, rising")


@behaviour("fifo")
def a_standard_queue_at_a_fifo_topic_gets_no_group(bench: Bench) -> None:
    """It may subscribe, and gets text alone."""
    topic, queue = bench.topic("events.fifo"), bench.queue()
    topic.subscribe(queue)
    publish(topic, "x")

    message = bench.one(queue)

    equal((message.text, message.group, message.deduplication_id), ("x", None, None), "text, group, deduplication id")


@behaviour("fifo")
def a_fifo_queue_cannot_subscribe_to_a_standard_topic(bench: Bench) -> None:
    """A standard topic promises no order, so it is a ValueError."""
    topic, queue = bench.topic(), bench.fifo()

    with refused(ValueError, "a FIFO queue at a standard topic"):
        topic.subscribe(queue)


@behaviour("fifo")
def a_publication_to_a_fifo_topic_needs_a_group_and_an_id(bench: Bench) -> None:
    """Without a group, or without a deduplication id where none is made, it is a ValueError, and nothing is delivered."""
    topic, queue = ordered(bench)

    with refused(ValueError, "a publication without a group"):
        topic.publish("x", deduplication_id="d")
    with refused(ValueError, "a publication without a deduplication id"):
        topic.publish("x", group="a")
    for wrong in ("a b", "x" * 129):
        with refused(ValueError, f"the group {wrong[:9]!r}"):
            topic.publish("x", group=wrong, deduplication_id="d")

    bench.nothing(queue, "after refused publications")


@behaviour("fifo")
def the_envelope_of_a_fifo_topic_has_the_sequence_number(bench: Bench) -> None:
    """SequenceNumber is the one that the publication answered."""
    topic, queue = bench.topic("events.fifo"), bench.fifo()
    topic.subscribe(queue, envelope=True)

    sent = topic.publish("x", group="a", deduplication_id="d")

    found = bench.one(queue).json()
    equal((found.get("SequenceNumber"), found.get("MessageId")), (sent.sequence, sent.id), "sequence number and id")


@behaviour("fifo")
def the_dead_letters_of_a_fifo_topic_keep_their_order(bench: Bench) -> None:
    """What a closed FIFO queue does not take is in the FIFO dead-letter queue, in order and group; a standard one is refused."""
    topic, gone, dead = bench.topic("events.fifo"), bench.fifo("gone.fifo"), bench.fifo("dead.fifo")
    with refused(ValueError, "a standard queue for the dead letters of a FIFO topic"):
        topic.subscribe(gone, dead_letter=bench.queue())
    topic.subscribe(gone, dead_letter=dead)
    gone.close()

    publish(topic, "x", "y")

    letter = bench.one(dead)
    equal((letter.text, letter.group), ("x", "a"), "text and group of the first dead letter")
    letter.ack()
    equal(bench.one(dead).text, "y", "the second dead letter")


@behaviour("fifo")
def filters_hold_for_fifo_topics(bench: Bench) -> None:
    """What does not pass is not delivered, and what does keeps its order."""
    topic, queue = bench.topic("events.fifo"), bench.fifo()
    topic.subscribe(queue, filter={"type": ["a"]})
    for text, kind in (("1", "a"), ("2", "b"), ("3", "a")):
        topic.publish(text, group="g", deduplication_id=text, attributes={"type": kind})

    equal(in_turn(bench, queue, 2), ["1", "3"], "what passes, in order")
    bench.nothing(queue, "of what does not pass")


# -- once ------------------------------------------------------------------------------------------------------------


@behaviour("fifo", "dedup")
def a_second_publication_with_the_same_id_is_accepted_and_not_delivered(bench: Bench) -> None:
    """It is answered with an id and reaches no subscription, standard queues neither, also in another group."""
    topic, queue = ordered(bench)
    plain = bench.queue()
    topic.subscribe(plain)

    topic.publish("first", group="a", deduplication_id="d")
    again = [topic.publish(text, group=group, deduplication_id="d") for text, group in (("same", "a"), ("other", "b"))]

    equal([bool(sent.id) for sent in again], [True, True], "that the answers have ids")
    for one in (queue, plain):
        equal(bench.one(one).text, "first", f"what queue {one.name!r} has")
        bench.nothing(one, "a duplicate")


@behaviour("fifo", "dedup", seconds=600)
def the_id_of_a_publication_counts_for_five_minutes(bench: Bench) -> None:
    """It counts to the end of five minutes after the first, also when a duplicate came meanwhile, and then it is new."""
    topic, queue = ordered(bench)
    for text in ("first", "second"):
        topic.publish(text, group="a", deduplication_id="d")
        bench.after(WINDOW - 5)
    equal(in_turn(bench, queue, 1), ["first"], "what is delivered within five minutes")
    bench.nothing(queue, "a duplicate")

    topic.publish("third", group="a", deduplication_id="d")

    equal(bench.one(queue).text, "third", "what is delivered after them")


@behaviour("fifo", "dedup")
def the_id_of_a_publication_may_count_for_its_group_only(bench: Bench) -> None:
    """With deduplication_scope="messageGroup" the same id in another group is delivered to standard queues."""
    topic, queue = bench.topic("events.fifo", deduplication_scope="messageGroup"), bench.queue()
    topic.subscribe(queue)

    for text, group in (("first", "a"), ("other", "b"), ("again", "a")):
        topic.publish(text, group=group, deduplication_id="d")

    equal(sorted(bench.texts(queue, 2)), ["first", "other"], "what is delivered")
    bench.nothing(queue, "a duplicate")


@behaviour("fifo", "dedup")
def a_topic_may_make_the_id_of_the_content(bench: Bench) -> None:
    """The id is the SHA-256 of what was published, also in an envelope, and equal publications are one."""
    topic, queue = bench.topic("events.fifo", content_based_deduplication=True), bench.fifo()
    topic.subscribe(queue, envelope=True)

    topic.publish("x", group="a")
    topic.publish("x", group="a", subject="again")

    message = bench.one(queue)
    equal(message.deduplication_id, sha256(b"x").hexdigest(), "the deduplication id")
    message.ack()
    bench.nothing(queue, "a duplicate")


# -- the archive -----------------------------------------------------------------------------------------------------


@behaviour("fifo", "replays")
def an_archive_is_replayed_before_anything_new(bench: Bench) -> None:
    """A subscription with `replay_from` gets what was published since then, in order, with its id, and then what is new."""
    topic, queue = bench.topic("events.fifo", archive=86_400), bench.fifo()
    publish(topic, "old")
    bench.later(2)
    since = bench.date()
    bench.later(2)
    publish(topic, "1", "2")

    topic.subscribe(queue, replay_from=since)
    publish(topic, "3")

    equal(in_turn(bench, queue, 3), ["1", "2", "3"], "the order")
    bench.nothing(queue, "from before the replay")


@behaviour("fifo", "replays")
def a_replay_may_end(bench: Bench) -> None:
    """With `replay_until` nothing published after that instant comes."""
    topic, queue = bench.topic("events.fifo", archive=86_400), bench.fifo()
    since = bench.date()
    publish(topic, "1")
    bench.later(2)
    end = bench.date()
    bench.later(2)
    publish(topic, "2")

    topic.subscribe(queue, replay_from=since, replay_until=end)
    publish(topic, "3")

    equal(in_turn(bench, queue, 1), ["1"], "what is replayed")
    bench.nothing(queue, "after the end of the replay")


@behaviour("fifo", "replays")
def a_replay_needs_an_archive(bench: Bench) -> None:
    """Without one `replay_from` is a ValueError; with one it is not."""
    topic, queue = bench.topic("events.fifo"), bench.fifo()

    with refused(ValueError, "a replay without an archive"):
        topic.subscribe(queue, replay_from=bench.date())
    bench.topic("kept.fifo", archive=3_600).subscribe(queue, replay_from=bench.date())
