"""One record in many queues: each queue behaves as if the message were its own."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

import pytest

from decouple import Broker, LargeBodies, Queue
from decouple.errors import NotDelivered
from decouple.testing import Ledger, VirtualClock
from decouple.topic import Topic


@pytest.fixture
def topic(clock: VirtualClock) -> Topic:
    return Topic("events", clock=clock)


@dataclass
class Counted:
    a: int


def queues(topic: Topic, count: int) -> list[Queue[Any]]:
    made = [Queue(f"q{number}", clock=topic.clock) for number in range(count)]
    for queue in made:
        topic.subscribe(queue)
    return made


def texts(queue: Queue[Any]) -> list[str]:
    return [message.text for message in queue.receive(max_messages=100)]


def test_all_queues_hold_the_very_same_record(topic):
    """A copy is one pointer."""
    made = queues(topic, 10)

    topic.publish("x", attributes={"a": "1"})
    topic.publish("y")

    for position in range(2):
        assert len({id(queue._core.fresh[position]) for queue in made}) == 1


def test_queues_with_a_filter_hold_the_same_record_too(topic, clock):
    plain, filtered = Queue("plain", clock=clock), Queue("filtered", clock=clock)
    topic.subscribe(plain)
    topic.subscribe(filtered, filter={"a": ["1"]})

    topic.publish("x", attributes={"a": "1"})

    assert plain._core.fresh[0] is filtered._core.fresh[0]


def test_ids_and_receipts_are_unique_within_a_queue_and_across(topic):
    made = queues(topic, 3)
    for number in range(5):
        topic.publish(f"{number}")
        made[0].send(f"own {number}")

    messages = [message for queue in made for message in queue.receive(max_messages=100)]

    assert len(messages) == 5 + 3 * 5
    assert len({message.id for message in messages}) == len({message.receipt for message in messages}) == 20


def test_a_shared_message_is_settled_in_each_queue_alone(topic, clock):
    first, second = queues(topic, 2)
    topic.publish("x")

    [one] = first.receive()
    first.delete(one.receipt)
    [other] = second.receive()
    other.nack()
    clock.advance(31)

    [again] = second.receive()
    assert (again.id, again.receive_count) == (other.id, 2)
    assert texts(first) == []
    first.check()
    second.check()


def test_changing_what_was_received_changes_nothing_elsewhere(topic):
    first, second = queues(topic, 2)
    topic.publish("x", attributes={"list": ["a"], "n": 1})

    [one] = first.receive()
    one.attributes["list"].append("b")
    one.attributes["n"] = 2

    assert second.receive()[0].attributes == {"list": ["a"], "n": 1}


def test_a_queue_may_be_in_topics_of_two_brokers_and_in_one_that_stands_alone(clock, queue):
    topics = [
        Broker(clock=clock).topic("a"),
        Broker(clock=clock).topic("b"),
        Topic("c", clock=clock),
        Topic("d", clock=clock),
    ]
    for topic in topics:
        topic.subscribe(queue)

    for number in range(3):
        for topic in topics:
            topic.publish(f"{topic.name}{number}")
    queue.send("own")

    messages = queue.receive(max_messages=100)
    assert sorted(message.text for message in messages) == sorted(
        [f"{name}{number}" for name in "abcd" for number in range(3)] + ["own"]
    )
    assert len({message.id for message in messages}) == 13
    for message in messages:
        queue.delete(message.receipt)
    assert queue.check()["deleted"] == 13


def test_topics_of_one_broker_share_their_numbers(broker):
    queue = broker.queue("q")
    for name in "ab":
        broker.topic(name).subscribe(queue)
    for _ in range(5):
        for name in "ab":
            broker.topic(name).publish(name)

    assert len({message.id for message in queue.receive(max_messages=100)}) == 10


def test_a_dead_letter_meets_the_copy_its_new_queue_has_of_its_own(clock):
    """Both are there, under ids of their own."""
    topic, dead = Topic("t", clock=clock), Queue("dead", clock=clock)
    orders = Queue("orders", clock=clock, dead_letter=dead, max_receives=1)
    topic.subscribe(orders)
    topic.subscribe(dead)
    topic.publish("x")

    orders.receive()[0].nack()
    assert texts(orders) == []

    letters = dead.receive(max_messages=10)
    assert [letter.text for letter in letters] == ["x", "x"]
    assert len({letter.id for letter in letters}) == len({letter.receipt for letter in letters}) == 2
    for letter in letters:
        letter.ack()
    orders.check()
    assert dead.check()["deleted"] == 2


def test_shared_messages_go_through_redrive_and_back(clock):
    topic, dead = Topic("t", clock=clock), Queue("dead", clock=clock)
    orders = Queue("orders", clock=clock, dead_letter=dead, max_receives=1)
    topic.subscribe(orders)
    topic.publish_batch(["a", "b"])
    for message in orders.receive(max_messages=10):
        message.reject("no")

    dead.redrive()
    clock.advance(60)

    assert sorted(texts(orders)) == ["a", "b"]
    assert dead.stats().visible == 0
    orders.check()
    dead.check()


def test_looking_and_purging(topic, clock):
    first, second = queues(topic, 2)
    topic.publish_batch(["a", "b", "c"])

    assert [message.text for message in first.peek(2)] == ["a", "b"]
    assert first.stats().visible == 3
    first.purge()

    assert (first.stats().visible, second.stats().visible) == (0, 3)
    assert first.check()["purged"] == 3
    topic.publish("d")
    assert texts(first) == ["d"]


def test_shared_messages_end_with_each_queues_retention(topic, clock):
    short, long = Queue("short", clock=clock, retention=60), Queue("long", clock=clock)
    topic.subscribe(short)
    topic.subscribe(long)
    topic.publish("x")

    clock.advance(60)

    assert (texts(short), texts(long)) == ([], ["x"])
    assert short.check()["retained_out"] == 1


def test_oldest_first_among_shared_and_own(topic, clock):
    [queue] = queues(topic, 1)
    for number in range(6):
        (topic.publish if number % 2 else queue.send)(str(number))
        clock.advance(1)

    assert texts(queue) == list("012345")


# -- queues with more to do ------------------------------------------------------------------------------------------------


def test_a_queue_with_a_delay_delays_what_is_published(topic, clock):
    queue = Queue("slow", clock=clock, delay=10)
    topic.subscribe(queue)

    topic.publish("x")
    assert texts(queue) == []
    clock.advance(10)

    assert texts(queue) == ["x"]
    queue.check()


def test_a_queue_that_is_observed_records_what_is_published(broker: Broker, ledger: Ledger):
    queue = broker.queue("q")
    broker.topic("t").subscribe(queue)

    broker.topic("t").publish("x")

    assert sorted(change.cause for change in ledger.changes) == ["published", "sent", "subscribed"]


def test_a_typed_queue_decodes_what_is_published(topic, clock):
    numbers = Queue("numbers", clock=clock, body=Counted)
    dead = Queue("dead", clock=clock)
    picky = Queue("picky", clock=clock, body=Counted, dead_letter=dead, max_receives=3)
    topic.subscribe(numbers)
    topic.subscribe(picky)

    topic.publish({"a": 1})
    topic.publish("no json")

    assert numbers.receive()[0].body == Counted(1)
    assert [message.body for message in picky.receive(max_messages=10)] == [Counted(1)]
    assert texts(dead) == ["no json"]


def test_a_queue_for_large_bodies_keeps_them_in_its_folder(topic, clock, tmp_path):
    folder = tmp_path / "bodies"
    queue = Queue("large", clock=clock, max_message_size=1_024, large_bodies=LargeBodies(folder))
    topic.subscribe(queue)

    topic.publish("x" * 5_000)

    [message] = queue.receive()
    assert message.text == "x" * 5_000
    message.ack()


def test_a_parked_receiver_is_handed_what_is_published():
    topic, queue = Topic("t"), Queue("q")
    topic.subscribe(queue)
    got: list[str] = []
    thread = threading.Thread(target=lambda: got.extend(m.text for m in queue.receive(wait=10)))
    thread.start()
    while not queue.stats().parked:
        pass

    topic.publish("x")
    thread.join(10)

    assert got == ["x"]
    queue.check()


def test_a_fair_queue_shares_no_record_and_loses_none(topic, clock):
    fair, plain = Queue("fair", clock=clock), Queue("plain", clock=clock)
    topic.subscribe(fair)
    topic.subscribe(plain)
    for number in range(10):
        topic.publish(f"{number}", group="loud" if number < 8 else "quiet")
    topic.publish("of nobody")

    assert len(texts(fair)) == len(texts(plain)) == 11
    fair.check()
    plain.check()


def test_what_a_queue_becomes_later_counts(topic, clock):
    """Settings are looked at when it is published, not when it was subscribed."""
    queue = Queue("q", clock=clock)
    topic.subscribe(queue)
    queue.configure(max_message_size=1_024, delay=5)

    with pytest.raises(NotDelivered, match="1024"):
        topic.publish("x" * 1_025)
    topic.publish("y")
    assert texts(queue) == []
    clock.advance(5)
    assert texts(queue) == ["y"]

    queue.close()
    with pytest.raises(NotDelivered, match="closed"):
        topic.publish("z")


def test_moving_to_another_queue_that_has_the_same_record(topic, clock):
    first, second = queues(topic, 2)
    topic.publish("x")

    first.redrive(to=second)
    clock.advance(60)

    messages = second.receive(max_messages=10)
    assert [message.text for message in messages] == ["x", "x"]
    assert len({message.id for message in messages}) == 2
    first.check()
    second.check()


def test_a_thousand_queues_balance_after_a_publish(clock):
    broker = Broker(clock=clock)
    topic = broker.topic("t")
    made = [broker.queue(f"q{number}") for number in range(1_000)]
    for queue in made:
        topic.subscribe(queue)

    topic.publish("x")

    law = broker.check()
    assert (law["accepted"], law["visible"]) == (1_000, 1_000)
    assert len({id(queue._core.fresh[0]) for queue in made}) == 1
    assert topic.stats()[:3] == (1, 0, 1_000)
