"""FIFO topics: order within each group, each publish once, and an archive that can be replayed."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

import pytest

from decouple import Broker, Queue
from decouple.errors import NotDelivered, SubscriptionExists, TopicExists
from decouple.testing import Ledger, VirtualClock
from decouple.topic import Topic

WINDOW = 300 * 10**9


@pytest.fixture
def topic(clock: VirtualClock) -> Topic:
    return Topic("events.fifo", clock=clock, archive=86_400)


@pytest.fixture
def fifo(clock: VirtualClock) -> Queue[str]:
    return Queue("orders.fifo", clock=clock)


def publish(topic: Topic, *texts: str, group: str = "g", **more: Any) -> list[Any]:
    return [topic.publish(text, group=group, deduplication_id=text, **more) for text in texts]


def texts(queue: Queue[Any]) -> list[str]:
    return [message.text for message in queue.receive(max_messages=100)]


# -- order and numbers ------------------------------------------------------------------------------------------------


def test_each_group_is_delivered_in_the_order_of_publishing(topic, fifo):
    """SNS: messages are delivered in the order they were published within each group."""
    topic.subscribe(fifo)
    for number in range(20):
        topic.publish(f"{number}", group=f"g{number % 3}", deduplication_id=f"{number}")

    seen: dict[str, list[int]] = {}
    while batch := fifo.receive(max_messages=10):
        for message in batch:
            seen.setdefault(message.group, []).append(int(message.text))
            message.ack()

    assert seen == {f"g{group}": list(range(group, 20, 3)) for group in range(3)}


def test_every_publish_has_a_sequence_number_of_20_digits_that_grows(topic):
    """SNS: Publish to a FIFO topic answers with a SequenceNumber of 20 digits."""
    numbers = [sent.sequence for sent in publish(topic, "a", "b", "c")]

    assert all(len(number) == 20 and number.isdigit() for number in numbers)
    assert numbers == sorted(set(numbers))


def test_the_envelope_of_a_fifo_topic_has_the_sequence_number(topic, fifo):
    """SNS: Type, MessageId, SequenceNumber, TopicArn, ... and no signature."""
    topic.subscribe(fifo, envelope=True)

    [sent] = publish(topic, "a", subject="S")

    found = json.loads(texts(fifo)[0])
    assert list(found)[:5] == ["Type", "MessageId", "SequenceNumber", "TopicArn", "Subject"]
    assert (found["SequenceNumber"], found["MessageId"]) == (sent.sequence, sent.id)
    assert "Signature" not in found


def test_queues_get_the_publishers_group_and_deduplication_id(topic, fifo):
    topic.subscribe(fifo)

    topic.publish("a", group="g", deduplication_id="d")

    [message] = fifo.receive()
    assert (message.group, message.deduplication_id) == ("g", "d")


def test_with_content_based_deduplication_the_id_is_the_hash_of_the_published_message(clock, fifo):
    """SNS: the id is the SHA-256 hex of the published message, so the queue needs no content-based deduplication."""
    topic = Topic("events.fifo", clock=clock, content_based_deduplication=True)
    topic.subscribe(fifo, envelope=True)

    topic.publish("a", group="g")

    assert fifo.receive()[0].deduplication_id == sha256(b"a").hexdigest()


def test_a_standard_queue_may_subscribe_and_gets_no_group(topic, queue):
    """SNS: standard queues may subscribe to FIFO topics; they get no group and deduplication attributes."""
    topic.subscribe(queue)

    publish(topic, "a", "b")

    messages = queue.receive(max_messages=10)
    assert [message.text for message in messages] == ["a", "b"]
    assert {(message.group, message.deduplication_id) for message in messages} == {(None, None)}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"deduplication_id": "d"}, "group is missing"),
        ({"group": "g"}, "deduplication_id is missing"),
        ({"group": "g g", "deduplication_id": "d"}, "group"),
        ({"group": "g", "deduplication_id": "d" * 129}, "deduplication_id"),
    ],
)
def test_a_group_and_a_deduplication_id_are_needed(topic, fifo, given, words):
    """SNS: MessageGroupId is required; ContentBasedDeduplication, or MessageDeduplicationId provided explicitly."""
    topic.subscribe(fifo)

    with pytest.raises(ValueError, match=words):
        topic.publish("a", **given)

    assert (texts(fifo), topic.stats().published) == ([], 0)


@pytest.mark.parametrize("target", [print, "https://example.com/x"])
def test_a_fifo_topic_delivers_to_queues_only(topic, target):
    with pytest.raises(ValueError, match="delivers to queues only"):
        topic.subscribe(target)


def test_the_dead_letter_queue_of_a_fifo_topic_is_fifo(topic, fifo, queue):
    """SNS: must use a FIFO queue as DLQ for a FIFO Subscription to a FIFO Topic."""
    with pytest.raises(ValueError, match="must be FIFO"):
        topic.subscribe(fifo, dead_letter=queue)


def test_dead_letters_of_a_fifo_topic_keep_their_group(topic, fifo, clock):
    dead = Queue("dead.fifo", clock=clock)
    topic.subscribe(fifo, dead_letter=dead)
    fifo.close()

    publish(topic, "a", "b")

    letters = dead.receive(max_messages=10)
    assert [(one.text, one.group, one.failure.attempts) for one in letters] == [("a", "g", 1), ("b", "g", 1)]


def test_a_queue_that_does_not_take_it_is_named_and_the_publish_counts(topic, fifo, queue):
    topic.subscribe(fifo)
    topic.subscribe(queue)
    fifo.close()

    with pytest.raises(NotDelivered, match=r"orders\.fifo"):
        topic.publish("a", group="g", deduplication_id="d")

    assert texts(queue) == ["a"]
    topic.publish("a", group="g", deduplication_id="d")
    assert topic.stats()[:2] == (1, 1)


# -- once ---------------------------------------------------------------------------------------------------------------


def test_a_deduplication_id_counts_for_five_minutes_to_the_nanosecond(topic, queue, clock):
    """SNS: a duplicate within the interval of 5 minutes is accepted and not delivered."""
    topic.subscribe(queue)
    [first] = publish(topic, "a")

    clock._run(WINDOW - 1)
    [second] = publish(topic, "a")
    assert (second.id, second.sequence) == (first.id, first.sequence)

    clock._run(WINDOW)
    [third] = publish(topic, "a")

    assert third.id != first.id
    assert len(texts(queue)) == 2
    assert topic.stats()[:2] == (2, 1)


def test_a_duplicate_does_not_prolong_the_window(topic, queue, clock):
    topic.subscribe(queue)
    publish(topic, "a")
    for _ in range(4):
        clock.advance(75)
        publish(topic, "a")

    assert topic.stats()[:2] == (2, 3)


def test_the_window_runs_from_the_last_time_it_was_published(topic, clock):
    for seconds in (0, 300, 299, 1):
        clock.advance(seconds)
        publish(topic, "a")

    assert topic.stats()[:2] == (3, 1)


def test_duplicates_are_told_by_the_id_also_when_the_text_differs(topic, queue):
    topic.subscribe(queue)

    topic.publish("a", group="g", deduplication_id="same")
    topic.publish("b", group="h", deduplication_id="same")

    assert texts(queue) == ["a"]


def test_deduplication_by_group_tells_groups_apart(clock, queue):
    """SNS: FifoThroughputScope MessageGroup deduplicates within each group."""
    topic = Topic("t.fifo", clock=clock, deduplication_scope="messageGroup")
    topic.subscribe(queue)

    for group in ("g", "h", "g"):
        topic.publish(group, group=group, deduplication_id="same")

    assert texts(queue) == ["g", "h"]


def test_deduplication_works_before_the_fan_out(topic, queue, clock):
    """SNS: who subscribed in between does not get the duplicate either."""
    publish(topic, "a")
    topic.subscribe(queue)

    publish(topic, "a")

    assert texts(queue) == []


def test_old_ids_are_forgotten(topic, clock):
    for number in range(1_000):
        publish(topic, f"{number}")
    clock.advance(300)
    for number in range(100):
        publish(topic, f"new-{number}")

    assert len(topic._once) <= 100


# -- archive and replay ----------------------------------------------------------------------------------------------


def test_the_archive_is_replayed_before_anything_new(topic, fifo, clock):
    publish(topic, "a", "b")
    clock.advance(10)

    topic.subscribe(fifo, replay_from=clock.time - timedelta(10))
    publish(topic, "c")

    messages = fifo.receive(max_messages=10)
    assert [message.text for message in messages] == ["a", "b", "c"]
    assert [message.attributes for message in messages] == [{"Replayed": "true"}, {"Replayed": "true"}, {}]


def test_a_replay_is_from_and_until_both_included(topic, fifo, clock):
    instants: list[datetime] = []
    for text in "abcde":
        instants.append(clock.time)
        publish(topic, text)
        clock.advance(1)

    topic.subscribe(fifo, replay_from=instants[1], replay_until=instants[3])

    assert texts(fifo) == ["b", "c", "d"]


def test_after_the_end_of_a_replay_nothing_newer_comes(topic, fifo, clock):
    """SNS: with an EndingPoint the subscription gets no newer messages after completing."""
    publish(topic, "a")
    subscription = topic.subscribe(fifo, replay_from=clock.time, replay_until=clock.time + timedelta(seconds=10))
    clock.advance(10)
    publish(topic, "b")
    clock.advance(0.000_001)
    publish(topic, "c")

    assert texts(fifo) == ["a", "b"]
    assert subscription.stats() == (2, 0, 2, 0, 0, 0, 0)
    assert subscription.state == "confirmed"


def test_a_replayed_message_keeps_id_text_and_time(topic, queue, clock):
    """SNS: replayed messages keep MessageId, Message and Timestamp, and carry a Replayed attribute."""
    [sent] = publish(topic, "a")
    clock.advance(3_600)

    topic.subscribe(queue, envelope=True, replay_from=clock.time - timedelta(days=1))

    found = json.loads(texts(queue)[0])
    assert (found["MessageId"], found["Message"], found["Replayed"]) == (sent.id, "a", "true")
    assert found["Timestamp"] == "2026-01-01T00:00:00.000Z"


def test_filters_apply_to_a_replay(topic, clock):
    """SNS: filter policies apply to replayed messages."""
    by_attribute, by_body = Queue("a.fifo", clock=clock), Queue("b.fifo", clock=clock)
    publish(topic, '{"n":1}', attributes={"type": "x"})
    publish(topic, '{"n":2}', attributes={"type": "y"})

    one = topic.subscribe(by_attribute, filter={"type": ["x"]}, replay_from=clock.time)
    other = topic.subscribe(by_body, filter={"n": [2]}, filter_scope="body", replay_from=clock.time)

    assert (texts(by_attribute), texts(by_body)) == (['{"n":1}'], ['{"n":2}'])
    assert one.stats()[:3] == other.stats()[:3] == (1, 1, 1)


def test_the_archive_keeps_for_its_retention_to_the_nanosecond(clock, queue):
    topic = Topic("t.fifo", clock=clock, archive=60)
    publish(topic, "a")
    clock.advance(1)
    publish(topic, "b")

    clock._run(60 * 10**9 - 1)
    assert (topic.stats().archived, topic.archived_since) == (2, clock.time.replace(second=0, minute=0, microsecond=0))
    clock._run(60 * 10**9)

    assert topic.stats().archived == 1
    topic.subscribe(queue, replay_from=clock.time - timedelta(days=9))
    assert texts(queue) == ["b"]


def test_a_replay_from_the_instant_shown_includes_the_message(queue):
    """On a real clock too: instants are shown to the microsecond, and kept to the nanosecond."""
    for _ in range(50):
        topic = Topic("t.fifo", archive=60)
        publish(topic, "a")
        late = Queue("late")

        topic.subscribe(late, replay_from=topic.archived_since)

        assert texts(late) == ["a"]


def test_what_a_queue_does_not_take_of_a_replay_goes_to_the_dead_letters(topic, clock):
    small, dead = Queue("small.fifo", clock=clock, max_message_size=1_024), Queue("dead.fifo", clock=clock)
    topic.publish("a" * 2_000, group="g", deduplication_id="1")
    publish(topic, "b")

    subscription = topic.subscribe(small, dead_letter=dead, replay_from=clock.time)
    publish(topic, "c")

    assert (texts(small), len(texts(dead))) == (["b", "c"], 1)
    assert subscription.stats() == (3, 0, 2, 1, 1, 0, 0)


def test_the_mark_of_a_replay_gives_way_to_ten_attributes(topic, fifo, clock):
    publish(topic, "a", attributes={f"a{number}": "x" for number in range(10)})

    topic.subscribe(fifo, replay_from=clock.time)

    [message] = fifo.receive()
    assert set(message.attributes) == {f"a{number}" for number in range(10)}


def test_a_replay_for_who_is_subscribed_already_is_an_error(topic, fifo, clock):
    """It would be silence otherwise. The same replay again is the same subscription, and replays nothing twice."""
    publish(topic, "a")
    start = clock.time
    first = topic.subscribe(fifo, replay_from=start)

    assert topic.subscribe(fifo) is topic.subscribe(fifo, replay_from=start) is first
    with pytest.raises(SubscriptionExists, match="replay_from"):
        topic.subscribe(fifo, replay_from=start + timedelta(1))
    assert texts(fifo) == ["a"]


@pytest.mark.parametrize(
    ("start", "end", "kind", "words"),
    [
        ("2026-01-01", None, TypeError, "replay_from must be an aware datetime"),
        (datetime(2026, 1, 1), None, TypeError, "replay_from must be an aware datetime"),
        (None, timedelta(1), ValueError, "replay_until ends what an earlier replay_from begins"),
        (timedelta(2), timedelta(1), ValueError, "replay_until ends what an earlier replay_from begins"),
    ],
)
def test_a_replay_needs_a_beginning_before_its_end(topic, fifo, clock, start, end, kind, words):
    given = [clock.time + one if isinstance(one, timedelta) else one for one in (start, end)]

    with pytest.raises(kind, match=words):
        topic.subscribe(fifo, replay_from=given[0], replay_until=given[1])

    assert topic.subscriptions == []


def test_a_replay_needs_an_archive(clock, fifo):
    with pytest.raises(ValueError, match="archive=seconds"):
        Topic("t.fifo", clock=clock).subscribe(fifo, replay_from=clock.time)


def test_a_duplicate_is_archived_once(topic):
    publish(topic, "a", "a")

    assert topic.stats().archived == 1


def test_the_settings_of_a_fifo_topic_are_compared_when_it_is_declared_again(broker):
    topic = broker.topic("t.fifo", archive=60, deduplication_scope="messageGroup")

    assert topic.settings["archive"] == 60
    assert broker.topic("t.fifo", archive=timedelta(minutes=1)) is topic
    with pytest.raises(TopicExists, match="archive"):
        broker.topic("t.fifo", archive=61)


def test_two_subscriptions_may_share_a_fifo_dead_letter_queue(broker):
    """Each has its letter: under the publisher's deduplication id the second one would be swallowed."""
    topic, dead = broker.topic("t.fifo"), broker.queue("dead.fifo")
    for name in ("small.fifo", "little.fifo"):
        topic.subscribe(broker.queue(name, max_message_size=1_024), dead_letter=dead)

    topic.publish("x" * 2_000, group="g", deduplication_id="1")

    assert [one.stats().dead_lettered for one in topic.subscriptions] == [1, 1]
    assert dead.stats().visible == 2


def test_a_duplicate_is_delivered_to_nobody_and_leaves_a_record(broker: Broker, ledger: Ledger) -> None:
    topic, queue = broker.topic("orders.fifo"), broker.queue("billing.fifo")
    topic.subscribe(queue)
    first = topic.publish("tea", group="g", deduplication_id="7")

    again = topic.publish("more tea", group="g", deduplication_id="7")

    [change] = [change for change in ledger.changes if change.cause == "duplicate"]
    assert (change.topic, change.queue, change.text) == ("orders.fifo", "", "more tea")
    assert change.reason == f"deduplication id '7' was that of {first.id}"
    assert (again.id, queue.stats().visible) == (first.id, 1)
