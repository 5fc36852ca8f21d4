"""Terms and settings that change while messages go through."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from decouple import Broker, InvalidFilter
from decouple.clock import datetime_at
from decouple.core.backoff import exponential


def bodies(queue: Any) -> list[str]:
    return [message.text for message in queue.peek(100)]


def published(broker: Broker, *kinds: str) -> None:
    for kind in kinds:
        broker.topics["events"].publish(kind, attributes={"kind": kind})


def test_a_filter_holds_from_the_change_on(broker):
    queue = broker.queue("orders")
    subscription = broker.topic("events").subscribe(queue)
    published(broker, "a", "b")

    subscription.configure(filter={"kind": ["b"]})
    published(broker, "a", "b")
    subscription.configure(filter=None)
    published(broker, "a")

    assert bodies(queue) == ["a", "b", "b", "a"]
    assert (subscription.stats().accepted, subscription.stats().filtered_out) == (4, 1)


def test_a_scope_alone_is_one_for_the_filter_there_is(broker):
    queue = broker.queue("orders")
    subscription = broker.topic("events").subscribe(queue, filter={"kind": ["b"]})

    subscription.configure(filter_scope="body")
    broker.topics["events"].publish({"kind": "b"})
    published(broker, "b")

    assert bodies(queue) == ['{"kind": "b"}']


def test_an_envelope_can_be_put_around_later_ones(broker):
    queue = broker.queue("orders")
    subscription = broker.topic("events").subscribe(queue)
    published(broker, "plain")

    subscription.configure(envelope=True)
    published(broker, "wrapped")

    assert [body[0] for body in bodies(queue)] == ["p", "{"]


def test_dead_letters_can_be_named_later(broker):
    queue, dead = broker.queue("orders"), broker.queue("dead")
    subscription = broker.topic("events").subscribe(queue)
    subscription.configure(dead_letter=dead)
    queue.close()

    published(broker, "a")

    assert bodies(dead) == ["a"]


def test_a_schedule_of_retries_is_that_of_the_next_failure(broker, clock):
    calls: list[int] = []

    def fails(notification: Any) -> None:
        calls.append(notification.attempt)
        raise ValueError("not today")

    subscription = broker.topic("events").subscribe(fails)
    subscription.configure(retry=exponential(10, 10, jitter="none"))
    published(broker, "a")

    broker.run_until_idle(errors="collect")
    clock.advance(9.9)
    assert calls == [1]

    clock.advance(0.1)
    assert calls == [1, 2]


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ({"filter": {"a": "b"}}, InvalidFilter),
        ({"colour": 1}, TypeError),
        ({"retry": {}}, ValueError),
        ({"envelope": "x"}, TypeError),
    ],
    ids=["filter", "unknown", "retry of a queue", "envelope"],
)
def test_what_is_wrong_changes_nothing(broker, given, kind):
    subscription = broker.topic("events").subscribe(broker.queue("orders"), filter={"kind": ["b"]})
    before = subscription.terms

    with pytest.raises(kind):
        subscription.configure(**given)

    assert subscription.terms is before
    published(broker, "a", "b")
    assert subscription.stats().accepted == 1


# -- a topic ---------------------------------------------------------------------------------------------------------


def test_a_topic_may_take_larger_messages_from_now_on(broker):
    topic = broker.topic("events", max_message_size=1_024)

    topic.configure(max_message_size=2_048)

    topic.publish("x" * 2_048)
    assert topic.max_message_size == 2_048


def test_a_fifo_topic_may_begin_to_make_its_deduplication_ids(broker):
    topic = broker.topic("events.fifo")
    with pytest.raises(ValueError, match="deduplication_id is missing"):
        topic.publish("x", group="g")

    topic.configure(content_based_deduplication=True)

    assert topic.publish("x", group="g").id == topic.publish("x", group="g").id


def test_settings_that_are_wrong_change_nothing(broker):
    topic = broker.topic("events")

    with pytest.raises(ValueError, match="is for FIFO topics"):
        topic.configure(archive=60)

    assert topic.settings == {"max_message_size": 262_144}


# -- an archive ------------------------------------------------------------------------------------------------------


def test_a_subscription_can_have_the_archive_again(broker, clock):
    topic = broker.topic("events.fifo", content_based_deduplication=True)
    queue = broker.queue("orders.fifo")
    subscription = topic.subscribe(queue)
    topic.configure(archive=86_400)
    start = datetime_at(clock, clock.now())
    topic.publish("a", group="g")
    clock.advance(400)  # the queue would count it as a duplicate of itself
    queue.purge()

    subscription.replay_from(start)
    topic.publish("b", group="g")

    assert bodies(queue) == ["a", "b"]


def test_a_replay_with_an_end_is_followed_by_nothing(broker, clock):
    topic = broker.topic("events.fifo", content_based_deduplication=True, archive=86_400)
    queue = broker.queue("orders.fifo")
    subscription = topic.subscribe(queue)
    topic.publish("a", group="g")
    clock.advance(400)
    queue.purge()

    subscription.replay_from(datetime_at(clock, clock.now()) - timedelta(seconds=500), datetime_at(clock, clock.now()))
    clock.advance(1)
    topic.publish("b", group="g")

    assert bodies(queue) == ["a"]


def test_an_archive_given_up_is_forgotten(broker):
    topic = broker.topic("events.fifo", content_based_deduplication=True, archive=86_400)
    topic.publish("a", group="g")

    topic.configure(archive=None)

    assert topic.stats().archived == 0


def test_an_archive_kept_for_less_time_lets_go(broker, clock):
    topic = broker.topic("events.fifo", content_based_deduplication=True, archive=86_400)
    topic.publish("a", group="g")
    clock.advance(60)

    topic.configure(archive=60)

    assert topic.stats().archived == 0


def test_what_a_queue_does_not_take_of_a_replay_is_a_dead_letter(broker, clock):
    topic = broker.topic("events.fifo", content_based_deduplication=True, archive=86_400)
    queue, dead = broker.queue("orders.fifo", max_message_size=1_024), broker.queue("dead.fifo")
    subscription = topic.subscribe(queue, dead_letter=dead)
    start = datetime_at(clock, clock.now())
    topic.publish("x" * 2_000, group="g")

    subscription.replay_from(start)

    assert bodies(dead) == ["x" * 2_000]  # the second one is a duplicate of the first
    assert subscription.stats().dead_lettered == 2


# -- what stands in envelopes, and messages without a topic ----------------------------------------------------------


def test_a_broker_says_where_links_lead_and_what_signs_also_for_what_it_has(broker):
    topic, queue = broker.topic("events"), broker.queue("orders")
    topic.subscribe(queue, envelope=True)
    signature = {"SignatureVersion": "1", "Signature": "abc=", "SigningCertURL": "http://localhost/cert.pem"}

    broker.write_as("http://localhost:4566", lambda notification: signature)
    topic.publish("x")

    [message] = queue.receive()
    found = message.json()
    assert {name: found[name] for name in signature} == signature
    assert found["UnsubscribeURL"].startswith("http://localhost:4566/?Action=Unsubscribe&SubscriptionArn=arn:aws:sns:")


def test_one_message_can_go_to_one_target_without_a_topic(broker):
    from decouple import SMS

    broker.notify(SMS("+15550100"), "your code is 7")
    broker.run_until_idle()

    assert [(one.to, one.body) for one in broker.outbox] == [("+15550100", "your code is 7")]
    assert broker.topics == {}


def test_a_topic_may_be_given_an_empty_text_for_all_protocols(broker):
    topic, queue = broker.topic("events"), broker.queue("orders")
    topic.subscribe(queue)

    topic.publish(per_protocol={"default": "", "sqs": "for queues"})

    assert bodies(queue) == ["for queues"]


def test_attributes_that_tell_sns_how_to_deliver_are_not_reserved_for_a_topic(broker):
    topic, queue = broker.topic("events"), broker.queue("orders")
    topic.subscribe(queue)

    topic.publish("x", attributes={"AWS.SNS.SMS.SMSType": "Transactional"})

    assert queue.stats().visible == 1
    with pytest.raises(ValueError, match="reserved"):
        queue.send("x", attributes={"AWS.SNS.SMS.SMSType": "Transactional"})
