"""Envelopes: SNS's JSON around a message, for queues that ask for it."""

from __future__ import annotations

import json
from typing import Any

from decouple.errors import NotDelivered
from decouple.testing.conformance.behaviour import behaviour
from decouple.testing.conformance.bench import Bench
from decouple.testing.conformance.expecting import equal, holds, refused


def enveloped(bench: Bench, *args: Any, **given: Any) -> tuple[dict[str, Any], Any, Any]:
    """The JSON of a publication, the message it is the body of, and what the publication answered."""
    topic, queue = bench.topic(), bench.queue()
    topic.subscribe(queue, envelope=True)
    sent = topic.publish(*args, **given)
    message = bench.one(queue)
    return json.loads(message.text), message, sent


@behaviour()
def an_envelope_says_what_the_message_is(bench: Bench) -> None:
    """It is JSON with Type, MessageId, TopicArn, Message, Timestamp and UnsubscribeURL."""
    found, _, sent = enveloped(bench, "hello")

    equal(
        (found["Type"], found["MessageId"], found["Message"]), ("Notification", sent.id, "hello"), "type, id, message"
    )
    holds(found["TopicArn"].endswith(":events"), f"the topic's ARN is {found['TopicArn']!r}")
    holds(found["Timestamp"].endswith("Z") and "T" in found["Timestamp"], f"the timestamp is {found['Timestamp']!r}")
    holds("Unsubscribe" in found["UnsubscribeURL"], f"the link to unsubscribe is {found['UnsubscribeURL']!r}")


@behaviour()
def an_envelope_has_subject_and_attributes_where_they_were_given(bench: Bench) -> None:
    """Subject and MessageAttributes, with types and values as text, binary in base64; the queue's message has none."""
    found, message, _ = enveloped(bench, "x", subject="S", attributes={"n": 1, "raw": b"\x01"})

    wanted = {"n": {"Type": "Number", "Value": "1"}, "raw": {"Type": "Binary", "Value": "AQ=="}}
    equal((found.get("Subject"), found.get("MessageAttributes")), ("S", wanted), "subject and attributes")
    equal(message.attributes, {}, "the attributes of the message itself")


@behaviour()
def an_envelope_leaves_out_what_was_not_given(bench: Bench) -> None:
    """Without a subject or attributes it has no such keys."""
    found, _, _ = enveloped(bench, "x")

    equal(sorted({"Subject", "MessageAttributes"} & set(found)), [], "keys of what was not given")


@behaviour()
def an_envelope_has_room_for_any_number_of_attributes(bench: Bench) -> None:
    """More than ten attributes go through in an envelope."""
    found, _, _ = enveloped(bench, "x", attributes={f"a{number}": number for number in range(12)})

    equal(len(found["MessageAttributes"]), 12, "attributes in the envelope")


@behaviour()
def more_than_ten_attributes_are_refused_by_a_queue_without_an_envelope(bench: Bench) -> None:
    """A message as it is has at most ten: the queue does not take it, and NotDelivered says so."""
    topic, queue = bench.topic(), bench.queue()
    topic.subscribe(queue)

    with refused(NotDelivered, "eleven attributes"):
        topic.publish("x", attributes={f"a{number}": number for number in range(11)})

    bench.nothing(queue, "with eleven attributes")


@behaviour()
def each_subscription_has_the_form_it_asked_for(bench: Bench) -> None:
    """One publication arrives as it is in one queue and in an envelope in another."""
    topic, raw, wrapped = bench.topic(), bench.queue("raw"), bench.queue("wrapped")
    topic.subscribe(wrapped, envelope=True)
    topic.subscribe(raw)

    topic.publish({"id": 7})

    equal(bench.one(raw).json(), {"id": 7}, "the message as it is")
    equal(json.loads(bench.one(wrapped).json()["Message"]), {"id": 7}, "the message in the envelope")
