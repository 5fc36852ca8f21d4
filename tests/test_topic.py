"""Publishing to a topic: what is accepted, who has it afterwards, and what is refused with nothing delivered."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from decouple import Broker, InvalidBatch, InvalidName, MessageTooLarge, NeedsBroker, Queue, TopicClosed, TopicExists
from decouple.attributes import Attribute
from decouple.errors import NotDelivered
from decouple.publishing import Publish
from decouple.testing import Ledger, VirtualClock
from decouple.topic import Topic


@pytest.fixture
def topic(clock: VirtualClock) -> Topic:
    return Topic("events", clock=clock)


def bodies(queue: Queue[Any]) -> list[str]:
    return [message.text for message in queue.receive(max_messages=100)]


# -- who has it -----------------------------------------------------------------------------------------------------


def test_every_subscribed_queue_has_the_message_when_publish_returns(topic, clock):
    """SNS: a topic is a fan-out; SQS endpoints are confirmed at once."""
    queues = [Queue(f"q{number}", clock=clock) for number in range(5)]
    for queue in queues:
        topic.subscribe(queue)

    topic.publish("order 7")

    assert [queue.stats().visible for queue in queues] == [1] * 5
    assert [bodies(queue) for queue in queues] == [["order 7"]] * 5


def test_a_topic_without_subscriptions_accepts_and_keeps_nothing(topic, clock):
    """SNS: there is no recall, and who subscribes later does not get it."""
    topic.publish("to nobody")
    late = Queue("late", clock=clock)
    topic.subscribe(late)

    assert bodies(late) == []
    assert topic.stats().published == 1


def test_each_publish_has_an_id_of_its_own(topic):
    assert len({topic.publish("x").id for _ in range(1_000)}) == 1_000


@pytest.mark.parametrize(
    ("body", "text"), [({"id": 7}, '{"id":7}'), ([1, 2], "[1,2]"), (7, "7"), (True, "true"), (None, "null"), ("é", "é")]
)
def test_what_is_no_text_becomes_json_text(topic, queue, body, text):
    topic.subscribe(queue)

    topic.publish(body)

    assert [one.replace(": ", ":").replace(", ", ",") for one in bodies(queue)] == [text]


def test_raw_delivery_carries_the_attributes_with_their_types(topic, queue):
    """SNS: raw delivery maps message attributes to SQS message attributes with identical types."""
    topic.subscribe(queue)

    topic.publish(
        "x",
        attributes={
            "text": "a",
            "number": Decimal("99.12"),
            "bytes": b"\x00",
            "list": ["a", 1],
            "own": Attribute("String.x", "b"),
        },
    )

    [message] = queue.receive()
    assert message.attributes == {
        "text": "a",
        "number": Decimal("99.12"),
        "bytes": b"\x00",
        "list": ["a", 1],
        "own": Attribute("String.x", "b"),
    }


def test_a_standard_topic_passes_the_group_on_as_the_tenant(topic, queue):
    """SNS: MessageGroupId is allowed on standard topics, and forwarded to standard SQS queues (fair queues)."""
    topic.subscribe(queue)

    topic.publish("x", group="tenant-1")

    assert queue.receive()[0].group == "tenant-1"


def test_the_trace_header_passes_through(topic, queue):
    """SNS: the X-Ray header goes through to the SQS system attribute AWSTraceHeader; it is not counted in the size."""
    topic.subscribe(queue)

    topic.publish("x" * 262_144, system={"AWSTraceHeader": "Root=1-5759e988-bd862e3fe1be46a994272793"})

    assert queue.receive()[0].system["AWSTraceHeader"].startswith("Root=1-")


def test_the_order_of_subscribing_does_not_change_who_has_it(topic, clock):
    plain, filtered, wrapped = (Queue(name, clock=clock) for name in ("plain", "filtered", "wrapped"))
    topic.subscribe(wrapped, envelope=True)
    topic.subscribe(filtered, filter={"type": ["a"]})
    topic.subscribe(plain)

    topic.publish("1", attributes={"type": "a"})
    topic.publish("2", attributes={"type": "b"})

    assert [queue.stats().visible for queue in (plain, filtered, wrapped)] == [2, 1, 2]


# -- the envelope ---------------------------------------------------------------------------------------------------


def test_the_envelope_is_the_json_of_sns_with_its_keys_in_order(topic, queue):
    """SNS, "Parsing message formats": Type, MessageId, TopicArn, Subject, Message, Timestamp, UnsubscribeURL, attributes."""
    subscription = topic.subscribe(queue, envelope=True)

    sent = topic.publish("hello", subject="S", attributes={"n": 1, "raw": b"\x01"})

    [message] = queue.receive()
    found = json.loads(message.text)
    assert list(found) == [
        *("Type", "MessageId", "TopicArn", "Subject", "Message", "Timestamp", "UnsubscribeURL", "MessageAttributes")
    ]
    assert found == {
        "Type": "Notification",
        "MessageId": sent.id,
        "TopicArn": "arn:aws:sns:us-east-1:000000000000:events",
        "Subject": "S",
        "Message": "hello",
        "Timestamp": "2026-01-01T00:00:00.000Z",
        "UnsubscribeURL": "https://sns.us-east-1.amazonaws.com/?Action=Unsubscribe&SubscriptionArn=" + subscription.arn,
        "MessageAttributes": {"n": {"Type": "Number", "Value": "1"}, "raw": {"Type": "Binary", "Value": "AQ=="}},
    }
    assert message.attributes == {}  # SNS: not raw = no SQS attributes


def test_the_envelope_leaves_out_what_was_not_given(topic, queue):
    """SNS: Subject and MessageAttributes are there only if the publisher gave them."""
    topic.subscribe(queue, envelope=True)

    topic.publish("hello")

    assert {"Subject", "MessageAttributes"}.isdisjoint(json.loads(bodies(queue)[0]))


def test_an_envelope_has_room_for_any_number_of_attributes(topic, queue):
    """SNS: any number of attributes; only raw delivery to SQS is limited to ten."""
    topic.subscribe(queue, envelope=True)

    topic.publish("x", attributes={f"a{number}": number for number in range(30)})

    assert len(json.loads(bodies(queue)[0])["MessageAttributes"]) == 30


def test_every_protocol_may_have_a_text_of_its_own(topic, clock):
    """SNS, MessageStructure=json: the key is the protocol, "default" is for all others, unknown keys are ignored."""
    raw, wrapped = Queue("raw", clock=clock), Queue("wrapped", clock=clock)
    topic.subscribe(raw)
    topic.subscribe(wrapped, envelope=True)

    topic.publish(per_protocol={"default": "for all", "sqs": "for queues", "fax": "?"})
    topic.publish("for all", per_protocol={"email": "for people"})

    assert bodies(raw) == ["for queues", "for all"]
    assert [json.loads(text)["Message"] for text in bodies(wrapped)] == ["for queues", "for all"]


def test_an_empty_text_for_queues_is_refused_by_the_queue_alone(topic, queue):
    """SNS allows empty texts for single protocols; SQS takes no empty message."""
    topic.subscribe(queue)

    with pytest.raises(NotDelivered, match="empty"):
        topic.publish("x", per_protocol={"sqs": ""})

    assert queue.stats().visible == 0


# -- bad input: one clear error each, and nothing delivered ----------------------------------------------------------

BAD: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    "no body": ({}, TypeError, "body is missing"),
    "an empty body": ({"body": ""}, ValueError, "empty|1 character"),
    "bytes": ({"body": b"x"}, TypeError, "bytes"),
    "a set": ({"body": {1}}, TypeError, "set"),
    "not a number": ({"body": {"x": float("nan")}}, ValueError, "nan|JSON"),
    "half a character": ({"body": "\ud800"}, ValueError, "UTF-8|surrogate"),
    "too long": ({"body": "x" * 262_145}, MessageTooLarge, "262145 bytes is over the 262144 bytes topic"),
    "too long in bytes": ({"body": "é" * 131_073}, MessageTooLarge, "262146"),
    "too long with attributes": ({"body": "x" * 262_136, "attributes": {"a": "bc"}}, MessageTooLarge, "262145"),
    "too long for one protocol": ({"body": "x", "per_protocol": {"sms": "x" * 262_145}}, MessageTooLarge, "262145"),
    "an empty subject": ({"body": "x", "subject": ""}, ValueError, "1 to 99 characters"),
    "a long subject": ({"body": "x", "subject": "s" * 100}, ValueError, "1 to 99 characters"),
    "a subject of two lines": ({"body": "x", "subject": "a\nb"}, ValueError, "one line"),
    "a subject with a control character": ({"body": "x", "subject": "a\x07b"}, ValueError, "control characters"),
    "a subject that is no text": ({"body": "x", "subject": 7}, TypeError, "subject must be text"),
    "a bool attribute": ({"body": "x", "attributes": {"a": True}}, TypeError, "bool|True"),
    "an empty attribute": ({"body": "x", "attributes": {"a": ""}}, ValueError, "'a'"),
    "an attribute name with a space": ({"body": "x", "attributes": {"a b": "1"}}, ValueError, "'a b'"),
    "an attribute name with two dots": ({"body": "x", "attributes": {"a..b": "1"}}, ValueError, r"'a\.\.b'"),
    "an attribute name that begins with a dot": ({"body": "x", "attributes": {".a": "1"}}, ValueError, r"'\.a'"),
    "an attribute name of 257": ({"body": "x", "attributes": {"a" * 257: "1"}}, ValueError, "256|255"),
    "attributes in a list": ({"body": "x", "attributes": ["a"]}, TypeError, "attributes"),
    "a group with a space": ({"body": "x", "group": "a b"}, ValueError, "group"),
    "an empty group": ({"body": "x", "group": ""}, ValueError, "group"),
    "a deduplication id": ({"body": "x", "deduplication_id": "1"}, ValueError, "is for FIFO topics"),
    "per_protocol as text": ({"body": "x", "per_protocol": "{}"}, TypeError, "per_protocol must be a mapping"),
    "per_protocol without default": ({"per_protocol": {"sms": "x"}}, TypeError, "body is missing"),
    "per_protocol with a number": ({"body": "x", "per_protocol": {"sms": 7}}, TypeError, "texts by protocol"),
    "body and default": ({"body": "x", "per_protocol": {"default": "y"}}, TypeError, "same thing"),
    "a system attribute that is no text": ({"body": "x", "system": {"AWSTraceHeader": 7}}, TypeError, "7"),
}


@pytest.mark.parametrize(("given", "kind", "words"), BAD.values(), ids=BAD)
def test_bad_input_is_one_clear_error_and_nothing_is_delivered(topic, queue, given, kind, words):
    topic.subscribe(queue)

    with pytest.raises(kind, match=words):
        topic.publish(**given)

    assert queue.stats().visible == 0
    assert topic.stats().published == 0


def test_a_message_may_be_exactly_as_large_as_the_limit(topic, queue):
    """SNS: body and attributes (name, type, value) of 262,144 bytes."""
    topic.subscribe(queue)

    topic.publish("x" * (262_144 - len("aStringbc")), attributes={"a": "bc"})

    assert queue.stats().visible == 1


def test_a_topic_may_take_up_to_a_mebibyte(clock, queue):
    """SNS: MaximumMessageSize from 1,024 to 1,048,576."""
    topic = Topic("large", clock=clock, max_message_size=1_048_576)
    topic.subscribe(queue)

    topic.publish("x" * 1_048_576)
    with pytest.raises(MessageTooLarge):
        topic.publish("x" * 1_048_577)

    assert queue.stats().visible == 1


@pytest.mark.parametrize("size", [1_023, 1_048_577, 0, -1])
def test_a_limit_out_of_range_is_refused(clock, size):
    with pytest.raises(ValueError, match="1,024 to 1,048,576"):
        Topic("t", clock=clock, max_message_size=size)


@pytest.mark.parametrize("name", ["", "a b", "x" * 257, "ü", "a.b", ".fifo", "a.fifo.fifo", None, 7])
def test_a_name_aws_would_refuse_is_refused(clock, name):
    """SNS: 1 to 256 letters, digits, - and _, then perhaps .fifo."""
    with pytest.raises(InvalidName, match="cannot name a topic"):
        Topic(name, clock=clock)


@pytest.mark.parametrize(
    ("setting", "value"),
    [("content_based_deduplication", True), ("deduplication_scope", "messageGroup"), ("archive", 60)],
)
def test_settings_of_fifo_topics_are_refused_for_a_standard_one(clock, setting, value):
    with pytest.raises(ValueError, match=f"{setting} is for FIFO topics"):
        Topic("standard", clock=clock, **{setting: value})


# -- a queue that does not take it -----------------------------------------------------------------------------------


def test_a_closed_queue_is_named_and_all_others_have_the_message(topic, clock):
    queues = [Queue(f"q{number}", clock=clock) for number in range(3)]
    for queue in queues:
        topic.subscribe(queue)
    queues[1].close()

    with pytest.raises(NotDelivered, match=r"queue 'q1': .*closed") as caught:
        topic.publish("x")

    assert list(caught.value.failures) == ["queue 'q1'"]
    assert caught.value.published.id
    assert [bodies(queue) for queue in (queues[0], queues[2])] == [["x"], ["x"]]


def test_what_a_queue_does_not_take_goes_to_the_dead_letter_queue_at_once(topic, clock):
    """SNS: client errors are not retried; for a deleted SQS endpoint the move to the dead-letter queue is immediate."""
    gone, dead = Queue("gone", clock=clock), Queue("dead", clock=clock)
    subscription = topic.subscribe(gone, dead_letter=dead)
    gone.close()

    topic.publish("x", attributes={"a": "1"})

    [letter] = dead.receive()
    assert (letter.text, letter.attributes, letter.failure.attempts) == ("x", {"a": "1"}, 1)
    assert letter.failure.error == "decouple.errors.QueueClosed"
    assert subscription.stats()[:6] == (1, 0, 0, 1, 1, 0)


def test_a_dead_letter_queue_that_is_closed_too_is_in_the_error(topic, clock, caplog):
    gone, dead = Queue("gone", clock=clock), Queue("dead", clock=clock)
    subscription = topic.subscribe(gone, dead_letter=dead)
    gone.close()
    dead.close()

    with pytest.raises(NotDelivered):
        topic.publish("x")

    assert "dead-letter queue 'dead' did not take it" in caplog.text
    assert subscription.stats().dropped == 1


def test_more_than_ten_attributes_are_refused_by_raw_queues(topic, clock):
    """SNS: raw delivery to SQS takes at most ten; a message with more is a client error (discarded, or dead-lettered)."""
    raw, lucky, dead = (Queue(name, clock=clock) for name in ("raw", "lucky", "dead"))
    topic.subscribe(raw)
    topic.subscribe(lucky, dead_letter=dead)
    many = {f"a{number}": number for number in range(11)}

    with pytest.raises(NotDelivered, match="11 attributes has more than the 10") as caught:
        topic.publish("x", attributes=many)

    assert list(caught.value.failures) == ["queue 'raw'"]
    assert (raw.stats().visible, lucky.stats().visible) == (0, 0)
    [letter] = dead.receive()
    assert set(json.loads(letter.text)["MessageAttributes"]) == set(many)


def test_a_message_too_large_for_one_queue_reaches_the_others(topic, clock):
    small, large = Queue("small", clock=clock, max_message_size=1_024), Queue("large", clock=clock)
    topic.subscribe(small)
    topic.subscribe(large)

    with pytest.raises(NotDelivered, match="queue 'small'"):
        topic.publish("x" * 1_025)

    assert (small.stats().visible, large.stats().visible) == (0, 1)


# -- batches ---------------------------------------------------------------------------------------------------------


def test_a_batch_is_published_in_order(topic, queue):
    topic.subscribe(queue)

    sent = topic.publish_batch(["a", {"b": 1}, Publish("c", attributes={"n": 1}, subject="S")])

    assert [one.replace(" ", "") for one in bodies(queue)] == ["a", '{"b":1}', "c"]
    assert len({one.id for one in sent}) == 3


def test_a_batch_with_a_wrong_entry_publishes_nothing(topic, queue):
    topic.subscribe(queue)

    with pytest.raises(InvalidBatch, match=r"2 of 3 entries for topic 'events' are wrong") as caught:
        topic.publish_batch(["a", "", Publish("c", subject="")])

    assert sorted(caught.value.errors) == [1, 2]
    assert (queue.stats().visible, topic.stats().published) == (0, 0)


@pytest.mark.parametrize("entries", ["abc", b"abc", {"a": 1}, Publish("a")])
def test_a_batch_is_a_list(topic, entries):
    with pytest.raises(TypeError, match=r"use publish\(\.\.\.\)"):
        topic.publish_batch(entries)


def test_a_batch_of_any_number_of_messages(topic, queue):
    """The limit of ten is the AWS wire's."""
    topic.subscribe(queue)

    topic.publish_batch(str(number) for number in range(100))

    assert queue.stats().visible == 100
    assert topic.publish_batch([]) == []


def test_a_batch_that_one_queue_does_not_take_is_published_to_all_others(topic, clock):
    gone, other = Queue("gone", clock=clock), Queue("other", clock=clock)
    topic.subscribe(gone)
    topic.subscribe(other)
    gone.close()

    with pytest.raises(NotDelivered) as caught:
        topic.publish_batch(["a", "b"])

    assert len(caught.value.published) == 2
    assert other.stats().visible == 2


# -- the end, and records --------------------------------------------------------------------------------------------


def test_a_closed_topic_publishes_nothing(topic, queue):
    topic.subscribe(queue)
    topic.close()
    topic.close()

    for publish in (lambda: topic.publish("x"), lambda: topic.publish_batch(["x"])):
        with pytest.raises(TopicClosed):
            publish()
    with pytest.raises(TopicClosed):
        topic.subscribe(queue)

    assert queue.stats().visible == 0


def test_every_step_of_a_message_through_a_topic_is_recorded(broker, ledger, clock):
    topic, orders, dead = broker.topic("events"), broker.queue("orders"), broker.queue("dead")
    taken: list[str] = []

    def fails(_: object) -> None:
        raise ValueError("no")

    topic.subscribe(orders)
    topic.subscribe(lambda notification: taken.append(notification.text))
    failing = topic.subscribe(fails, dead_letter=dead, retry={"numRetries": 1})

    sent = topic.publish("x", attributes={"a": "1"})
    broker.run_until_idle(budget=60, errors="collect")
    failing.cancel()
    broker.delete(topic)

    mine = [change for change in ledger.changes if change.topic == "events"]
    assert [change.cause for change in mine] == [
        *("subscribed", "subscribed", "subscribed", "published", "delivered", "delivery failed", "undelivered"),
        *("unsubscribed", "topic closed", "unsubscribed", "unsubscribed"),
    ]
    published, delivered, failed, undelivered = mine[3:7]
    assert {one.id for one in (published, delivered, failed, undelivered)} == {sent.id}
    assert (published.text, published.attributes) == ("x", {"a": "1"})
    assert (failed.receives, failed.reason, failed.until - failed.at) == (1, "ValueError: no", 20 * 10**9)
    assert (undelivered.receives, undelivered.reason, undelivered.other) == (2, "ValueError: no", "dead")
    assert undelivered.at - published.at == 20 * 10**9


def test_with_no_observer_nothing_is_recorded(clock, queue):
    broker = Broker(clock=clock)
    topic = broker.topic("events")
    subscription = topic.subscribe(queue)
    topic.subscribe(print).cancel()

    topic.publish("x")
    subscription.cancel()

    assert len(topic._log) == 0


def test_an_observer_that_publishes_again_is_not_locked_out(clock):
    broker: Broker

    def again(change: Any) -> None:
        if change.cause == "published" and change.text == "first":
            broker.topics["events"].publish("second")

    broker = Broker(clock=clock, observers=[again])
    queue = broker.queue("q")
    broker.topic("events").subscribe(queue)

    broker.topic("events").publish("first")

    assert bodies(queue) == ["first", "second"]


def test_a_topic_alone_needs_a_broker_for_all_but_queues(topic):
    with pytest.raises(NeedsBroker):
        topic.subscribe(print)

    assert topic.subscriptions == []


def test_declaring_a_topic_again_is_the_same_topic_unless_a_setting_differs(broker):
    """SNS: CreateTopic is idempotent; other attributes are an error."""
    topic = broker.topic("events", max_message_size=2_048)

    assert broker.topic("events") is topic
    assert broker.topic("events", max_message_size=2_048) is topic
    with pytest.raises(TopicExists, match="max_message_size"):
        broker.topic("events", max_message_size=4_096)


def test_the_numbers_of_a_topic(topic, clock):
    topic.subscribe(Queue("a", clock=clock))
    topic.subscribe(Queue("b", clock=clock), filter={"x": [{"anything-but": ["a"]}]})
    topic.publish("1")

    stats = topic.stats()

    assert (stats.published, stats.subscriptions, stats.pending, stats.duplicates) == (1, 2, 0, 0)
    assert stats.unindexed in (0, 1)


def test_a_ledger_agrees_with_the_books(broker, ledger: Ledger):
    topic, queue = broker.topic("events"), broker.queue("q")
    topic.subscribe(queue)

    topic.publish_batch(["a", "b"])
    queue.receive()[0].ack()

    assert ledger.check()["visible"] == queue.stats().visible == 1
