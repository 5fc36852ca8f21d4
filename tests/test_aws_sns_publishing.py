"""Publish and PublishBatch over the wire. Texts as recorded (shared facts)."""

from __future__ import annotations

import json
from base64 import b64encode
from hashlib import sha256
from typing import Any

import pytest
from sns_caller import ACCOUNT, Caller, bodies

from decouple.aws import World
from decouple.testing import VirtualClock

FIFO_QUEUE = f"arn:aws:sqs:us-east-1:{ACCOUNT}:orders.fifo"


@pytest.fixture
def sns() -> Caller:
    return Caller(World(clock=VirtualClock(), account=ACCOUNT))


@pytest.fixture
def topic(sns: Caller) -> str:
    return sns.topic()


@pytest.fixture
def queue(sns: Caller, topic: str) -> Any:
    queue = sns.broker.queue("orders")
    sns.subscribe(topic, queue.arn, RawMessageDelivery="true")
    return queue


def text(value: str, kind: str = "String") -> dict[str, str]:
    return {"DataType": kind, "StringValue": value}


# -- answers and forms -----------------------------------------------------------------------------------------------


def test_a_publish_answers_the_messages_id_alone(sns, topic, queue):
    answer = sns("Publish", TopicArn=topic, Message="hello")

    assert list(answer) == ["MessageId"]
    assert bodies(queue) == ["hello"]


def test_an_envelope_has_awss_keys_in_awss_order(sns, topic):
    queue = sns.broker.queue("orders")
    arn = sns.subscribe(topic, queue.arn)
    attributes = {"n": text("99.12", "Number"), "b": {"DataType": "Binary", "BinaryValue": b"\x00\xff"}}

    sent = sns("Publish", TopicArn=topic, Message="hello", Subject="s", MessageAttributes=attributes)

    [message] = queue.receive()
    envelope = message.json()
    assert list(envelope) == [
        "Type",
        "MessageId",
        "TopicArn",
        "Subject",
        "Message",
        "Timestamp",
        "SignatureVersion",
        "Signature",
        "SigningCertURL",
        "UnsubscribeURL",
        "MessageAttributes",
    ]
    assert (envelope["MessageId"], envelope["Timestamp"]) == (sent["MessageId"], "2026-01-01T00:00:00.000Z")
    assert envelope["MessageAttributes"] == {
        "n": {"Type": "Number", "Value": "99.12"},
        "b": {"Type": "Binary", "Value": b64encode(b"\x00\xff").decode()},
    }
    assert envelope["UnsubscribeURL"].endswith(f"/?Action=Unsubscribe&SubscriptionArn={arn}")
    assert message.attributes == {}


def test_raw_delivery_gives_the_queue_the_attributes_with_identical_types(sns, topic, queue):
    attributes = {"n": text("007", "Number.int"), "a": text('["x"]', "String.Array"), "s": text("x")}

    sns("Publish", TopicArn=topic, Message="hello", MessageAttributes=attributes)

    [message] = queue.receive()
    found = {
        name: (value.type, value.value) if not isinstance(value, str) else value
        for name, value in message.attributes.items()
    }
    assert found == {"n": ("Number.int", "007"), "a": ("String.Array", '["x"]'), "s": "x"}


def test_more_than_ten_attributes_are_too_many_for_raw_delivery(sns, topic, queue):
    dead = sns.broker.queue("dead")
    [subscription] = sns("ListSubscriptions")["Subscriptions"]
    sns(
        "SetSubscriptionAttributes",
        SubscriptionArn=subscription["SubscriptionArn"],
        AttributeName="RedrivePolicy",
        AttributeValue=json.dumps({"deadLetterTargetArn": dead.arn}),
    )

    sns("Publish", TopicArn=topic, Message="x", MessageAttributes={f"a{number}": text("1") for number in range(11)})

    assert (bodies(queue), len(json.loads(bodies(dead)[0])["MessageAttributes"])) == ([], 11)


def test_a_publish_that_no_queue_took_is_none_the_less_one(sns, topic, queue):
    sns.broker.delete(queue)

    assert "MessageId" in sns("Publish", TopicArn=topic, Message="hello")


def test_a_target_may_be_a_topic(sns, topic, queue):
    sns("Publish", TargetArn=topic, Message="hello")

    assert bodies(queue) == ["hello"]


def test_a_trace_goes_through_to_the_queue(sns, topic, queue):
    traced = sns.with_headers(x_amzn_trace_id="Root=1-67891233-abcdef012345678912345678")

    traced("Publish", TopicArn=topic, Message="hello")

    [message] = queue.receive()
    assert message.system["AWSTraceHeader"] == "Root=1-67891233-abcdef012345678912345678"


def test_a_group_on_a_standard_topic_goes_to_standard_queues(sns, topic, queue):
    sns("Publish", TopicArn=topic, Message="hello", MessageGroupId="tenant")

    [message] = queue.receive()
    assert message.group == "tenant"


# -- json structure --------------------------------------------------------------------------------------------------


def test_each_protocol_has_its_own_text(sns, topic, queue):
    body = {"default": "all", "sqs": "queues", "email": 7, "unknown": "x"}
    sns("Publish", TopicArn=topic, Message=json.dumps(body), MessageStructure="json")
    sns("Publish", TopicArn=topic, Message=json.dumps({"default": "all", "sqs": 7}), MessageStructure="json")

    assert bodies(queue) == ["queues", "all"]


def test_a_default_may_be_empty(sns, topic):
    queue = sns.broker.queue("orders")
    sns.subscribe(topic, queue.arn)

    sns("Publish", TopicArn=topic, Message='{"default": ""}', MessageStructure="json")

    assert json.loads(bodies(queue)[0])["Message"] == ""


STRUCTURES = {
    "no JSON": ("{", "JSON message body failed to parse"),
    "deep": ("[" * 100_000, "JSON message body failed to parse"),
    "no default": ('{"sqs": "x"}', "No default entry in JSON message body"),
    "a default that is no text": ('{"default": {}}', "No default entry in JSON message body"),
}


@pytest.mark.parametrize(("message", "words"), STRUCTURES.values(), ids=STRUCTURES)
def test_a_structure_that_cannot_be_is_refused(sns, topic, message, words):
    refused = sns.error("Publish", TopicArn=topic, Message=message, MessageStructure="json")

    assert refused == ("InvalidParameter", f"Invalid parameter: Message Structure - {words}")


# -- refused ---------------------------------------------------------------------------------------------------------

REFUSED = {
    "no message": ({"Message": ""}, "Empty message"),
    "an empty subject": ({"Subject": ""}, "Subject"),
    "a long subject": ({"Subject": "x" * 100}, "Subject"),
    "two lines": ({"Subject": "a\nb"}, "Subject"),
    "too long": ({"Message": "x" * 262_145}, "Message too long"),
    "too long with attributes": (
        {"Message": "x" * 262_140, "MessageAttributes": {"a": text("b")}},
        "Message too long",
    ),
    "a deduplication id": (
        {"MessageDeduplicationId": "1"},
        (
            "MessageDeduplicationId Reason: The request includes MessageDeduplicationId parameter that is not valid for this "
            "topic type"
        ),
    ),
    "a group with a space": ({"MessageGroupId": "a b"}, "MessageGroupId"),
}


@pytest.mark.parametrize(("given", "words"), REFUSED.values(), ids=REFUSED)
def test_a_message_that_cannot_be_is_refused(sns, topic, queue, given, words):
    refused = sns.error("Publish", **{"TopicArn": topic, "Message": "x", **given})

    assert refused == ("InvalidParameter", f"Invalid parameter: {words}")
    assert bodies(queue) == []


def test_the_largest_message_counts_its_attributes(sns, topic, queue):
    attributes = {"a": text("b")}  # 1 + 6 + 1

    sns("Publish", TopicArn=topic, Message="x" * 262_136, MessageAttributes=attributes)

    assert len(bodies(queue)[0]) == 262_136


def test_a_message_goes_somewhere(sns):
    words = "Invalid parameter: TopicArn or TargetArn Reason: no value for required parameter"

    assert sns.error("Publish", Message="x") == ("InvalidParameter", words)


ATTRIBUTES: dict[str, tuple[dict[str, Any], str]] = {
    "empty text": (
        {"a": text("")},
        "The message attribute 'a' must contain non-empty message attribute value for message attribute type 'String'.",
    ),
    "no value": (
        {"a": {"DataType": "String"}},
        "The message attribute 'a' must contain non-empty message attribute value for message attribute type 'String'.",
    ),
    "text as Binary": (
        {"a": text("x", "Binary")},
        "The message attribute 'a' with type 'Binary' must use field 'Binary'.",
    ),
    "bytes as Number": (
        {"a": {"DataType": "Number", "BinaryValue": b"1"}},
        "The message attribute 'a' with type 'Number' must use field 'String'.",
    ),
    "an unknown type": (
        {"a": text("x", "Text")},
        (
            "The message attribute 'a' has an invalid message attribute type, the set of supported type prefixes is Binary, "
            "Number, and String."
        ),
    ),
    "no number": ({"a": text("x", "Number")}, "Could not cast message attribute 'a' value to number."),
    "a long name": ({"a" * 257: text("x")}, "Length of message attribute name must be less than 256 bytes."),
    "a dot before": ({".a": text("x")}, "Invalid message attribute name starting with character '.' was found."),
    "a dot after": ({"a.": text("x")}, "Invalid message attribute name ending with character '.' was found."),
    "two dots": ({"a..b": text("x")}, "Message attribute name can not have successive '.' character."),
    "a sign": (
        {"a^b": text("x")},
        (
            "Invalid non-alphanumeric character '#x5E' was found in the message attribute name. Can only include alphanumeric "
            "characters, hyphens, underscores, or dots."
        ),
    ),
}


@pytest.mark.parametrize(("attributes", "words"), ATTRIBUTES.values(), ids=ATTRIBUTES)
def test_an_attribute_that_cannot_be_has_a_code_of_its_own(sns, topic, queue, attributes, words):
    refused = sns.error("Publish", TopicArn=topic, Message="x", MessageAttributes=attributes)

    assert refused == ("ParameterValueInvalid", words)
    assert bodies(queue) == []


def test_an_attribute_without_a_type_is_the_models_error(sns, topic):
    path = "messageAttributes.a.member.dataType"
    words = f"1 validation error detected: Value null at '{path}' failed to satisfy constraint: Member must not be null"

    refused = sns.error("Publish", TopicArn=topic, Message="x", MessageAttributes={"a": {"StringValue": "x"}})

    assert refused == ("ValidationError", words)


# -- FIFO ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def fifo(sns: Caller) -> str:
    return sns.topic("events.fifo")


def test_a_fifo_publish_has_a_sequence_number_and_its_envelope_no_signature(sns, fifo):
    queue = sns.broker.queue("orders.fifo")
    sns.subscribe(fifo, queue.arn)

    sent = sns("Publish", TopicArn=fifo, Message="x", MessageGroupId="g", MessageDeduplicationId="1")

    [message] = queue.receive()
    envelope = message.json()
    assert (len(sent["SequenceNumber"]), envelope["SequenceNumber"]) == (20, sent["SequenceNumber"])
    assert list(envelope) == [
        "Type",
        "MessageId",
        "SequenceNumber",
        "TopicArn",
        "Message",
        "Timestamp",
        "UnsubscribeURL",
    ]
    assert (message.group, message.deduplication_id) == ("g", "1")


def test_content_makes_the_id_that_the_queue_needs(sns):
    topic = sns.topic("events.fifo", ContentBasedDeduplication="true")
    queue = sns.broker.queue("orders.fifo")
    sns.subscribe(topic, queue.arn)

    sns("Publish", TopicArn=topic, Message="x", MessageGroupId="g")

    [message] = queue.receive()
    assert message.deduplication_id == sha256(b"x").hexdigest()


def test_a_duplicate_has_an_id_and_is_delivered_to_nobody(sns, fifo):
    queue = sns.broker.queue("orders.fifo")
    sns.subscribe(fifo, queue.arn, RawMessageDelivery="true")
    given = {"TopicArn": fifo, "Message": "x", "MessageGroupId": "g", "MessageDeduplicationId": "1"}

    assert "MessageId" in sns("Publish", **given)
    assert "MessageId" in sns("Publish", **given)

    assert bodies(queue) == ["x"]


def test_a_standard_queue_on_a_fifo_topic_gets_no_ids(sns, fifo):
    queue = sns.broker.queue("orders")
    sns.subscribe(fifo, queue.arn, RawMessageDelivery="true")

    sns("Publish", TopicArn=fifo, Message="x", MessageGroupId="g", MessageDeduplicationId="1")

    [message] = queue.receive()
    assert (message.group, message.deduplication_id) == (None, None)


NO_ID = (
    "Invalid parameter: The topic should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided "
    "explicitly"
)
INCOMPLETE = {
    "group": ({}, "Invalid parameter: The MessageGroupId parameter is required for FIFO topics"),
    "deduplication id": ({"MessageGroupId": "g"}, NO_ID),
}


@pytest.mark.parametrize(("given", "words"), INCOMPLETE.values(), ids=INCOMPLETE)
def test_a_fifo_message_needs_its_ids_also_in_a_batch(sns, fifo, given, words):
    assert sns.error("Publish", TopicArn=fifo, Message="x", **given) == ("InvalidParameter", words)

    good = {"Id": "1", "Message": "x", "MessageGroupId": "g", "MessageDeduplicationId": "1"}
    entries = [good, {"Id": "2", "Message": "x", **given}]
    assert sns.error("PublishBatch", TopicArn=fifo, PublishBatchRequestEntries=entries) == ("InvalidParameter", words)
    assert sns.broker.topics["events.fifo"].stats().published == 0


# -- batches ---------------------------------------------------------------------------------------------------------


def test_a_batch_answers_both_lists(sns, topic, queue):
    entries = [{"Id": "a", "Message": "1"}, {"Id": "b", "Message": "2", "Subject": "s"}]

    answer = sns("PublishBatch", TopicArn=topic, PublishBatchRequestEntries=entries)

    assert answer["Failed"] == []
    assert [one["Id"] for one in answer["Successful"]] == ["a", "b"]
    assert all(set(one) == {"Id", "MessageId"} for one in answer["Successful"])
    assert bodies(queue) == ["1", "2"]


def entries(*ids: str, message: str = "x") -> list[dict[str, str]]:
    return [{"Id": identity, "Message": message} for identity in ids]


LONG = "a" * 81
BATCHES = {
    "none": ([], "EmptyBatchRequest", None),
    "eleven": (
        entries(*map(str, range(11))),
        "TooManyEntriesInBatchRequest",
        "The batch request contains more entries than permissible.",
    ),
    "an id twice": (
        entries("a", "a"),
        "BatchEntryIdsNotDistinct",
        "Two or more batch entries in the request have the same Id.",
    ),
    "an id with a space": (
        entries("a b"),
        "InvalidBatchEntryId",
        "The Id of a batch entry in the batch request contains an impermissible character: a b",
    ),
    "a long id": (
        entries(LONG),
        "InvalidBatchEntryId",
        f"The Id of a batch entry in the batch request is too long: {LONG}",
    ),
    "too long together": (
        entries("a", "b", message="x" * 131_073),
        "BatchRequestTooLong",
        "The length of all the messages put together is more than the limit.",
    ),
}


@pytest.mark.parametrize(("given", "code", "words"), BATCHES.values(), ids=BATCHES)
def test_a_batch_that_cannot_be_is_refused_as_a_whole(sns, topic, queue, given, code, words):
    refused = sns.error("PublishBatch", TopicArn=topic, PublishBatchRequestEntries=given)

    assert refused[0] == code
    assert words is None or refused[1] == words
    assert bodies(queue) == []


def test_an_attribute_in_a_batch_is_named_by_its_entry(sns, topic):
    entry = {"Id": "a", "Message": "x", "MessageAttributes": {"n": {"StringValue": "1"}}}

    _, words = sns.error("PublishBatch", TopicArn=topic, PublishBatchRequestEntries=[entry])

    assert "'publishBatchRequestEntries.1.member.messageAttributes.n.member.dataType'" in words
