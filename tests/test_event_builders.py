"""The builders of Lambda events: each has the keys, the order and the types of AWS's documentation."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import struct
import urllib.parse
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from decouple import Attribute, Queue
from decouple.clock import NEW_YEAR
from decouple.core.records import details_of
from decouple.digests import md5_of_attributes, md5_of_text
from decouple.lambda_records import queue_record, system_attributes
from decouple.testing import VirtualClock, events
from decouple.testing.events import ItemChange, KinesisItem, SqsMessage

EVERY: dict[str, Callable[[], Any]] = {
    "sqs": lambda: events.sqs(["a", {"id": 7}, SqsMessage("b", {"n": 1, "raw": b"\x00"})]),
    "sqs fifo": lambda: events.sqs(["a", SqsMessage("b", group="g")], queue="orders.fifo"),
    "sns": lambda: events.sns("hello", attributes={"n": 1}),
    "schedule": lambda: events.schedule("nightly"),
    "eventbridge": lambda: events.eventbridge({"id": 7}, detail_type="order placed", source="shop"),
    "s3": lambda: events.s3("in/a file.csv", body="x"),
    "kinesis": lambda: events.kinesis([b"\x00", {"id": 7}]),
    "dynamodb": lambda: events.dynamodb_stream([{"id": 7}, ItemChange(old={"id": 8}, expired=True)]),
    "logs": lambda: events.cloudwatch_logs(["one", {"level": "ERROR"}]),
    "alarm": lambda: events.cloudwatch_alarm("backlog", reason_data={"version": "1.0"}),
    "ses": lambda: events.ses("Order 7"),
    "cognito": lambda: events.cognito("TokenGeneration_HostedAuth"),
    "rest": lambda: events.api_gateway(
        "POST", "/orders/7", route="/orders/{id}", body={"n": 1}, query={"a": ["1", "2"]}
    ),
    "http": lambda: events.api_gateway("POST", "/orders", version="2.0", body=b"\xff"),
    "connect": lambda: events.websocket("$connect", query={"room": "7"}),
    "message": lambda: events.websocket("say", {"text": "hi"}),
    "disconnect": lambda: events.websocket("$disconnect"),
}


def mutable(value: Any) -> list[int]:
    """The identities of all dicts and lists inside."""
    if isinstance(value, dict):
        return [id(value), *(one for inner in value.values() for one in mutable(inner))]
    if isinstance(value, list):
        return [id(value), *(one for inner in value for one in mutable(inner))]
    return []


@pytest.mark.parametrize("name", EVERY)
def test_two_events_built_alike_are_equal_plain_and_share_nothing(name: str) -> None:
    first, second = EVERY[name](), EVERY[name]()

    assert first == second
    assert json.loads(json.dumps(first, allow_nan=False)) == first
    parts = mutable(first) + mutable(second)
    assert len(parts) == len(set(parts))


# -- queues ----------------------------------------------------------------------------------------------------


def test_a_message_of_a_standard_queue_has_the_keys_of_aws_in_their_order() -> None:
    """Lambda developer guide, "Using Lambda with Amazon SQS", example of a standard queue's message event."""
    event = events.sqs(["Test message."], queue="my-queue", account="123456789012", region="us-east-2")

    [record] = event["Records"]
    assert list(record.items()) == [
        ("messageId", record["messageId"]),
        ("receiptHandle", record["receiptHandle"]),
        ("body", "Test message."),
        (
            "attributes",
            {
                "ApproximateReceiveCount": "1",
                "SentTimestamp": "1767225600000",
                "SenderId": "AIDAIENQZJOLO23YVJ4VO",
                "ApproximateFirstReceiveTimestamp": "1767225600000",
            },
        ),
        ("messageAttributes", {}),
        ("md5OfBody", "e4e68fb7bd0e697a0ae8f1bb342846b3"),  # the digest in AWS's own example
        ("eventSource", "aws:sqs"),
        ("eventSourceARN", "arn:aws:sqs:us-east-2:123456789012:my-queue"),
        ("awsRegion", "us-east-2"),
    ]


def test_a_message_of_a_fifo_queue_has_group_deduplication_id_and_increasing_sequence() -> None:
    """Lambda developer guide, the same page, example of a FIFO queue's message event."""
    event = events.sqs(["a", SqsMessage("b", group="g", deduplication_id="7")], queue="fifo.fifo")

    first, second = (record["attributes"] for record in event["Records"])
    assert list(first) == [
        "ApproximateReceiveCount",
        "SentTimestamp",
        "SequenceNumber",
        "MessageGroupId",
        "SenderId",
        "MessageDeduplicationId",
        "ApproximateFirstReceiveTimestamp",
    ]
    assert first["MessageDeduplicationId"] == hashlib.sha256(b"a").hexdigest()
    assert (second["MessageGroupId"], second["MessageDeduplicationId"]) == ("g", "7")
    assert first["SequenceNumber"] < second["SequenceNumber"]
    assert len(first["SequenceNumber"]) == 20


def test_everything_a_test_varies_is_in_the_record() -> None:
    message = SqsMessage(
        {"id": 7},
        message_id="m-1",
        receive_count=3,
        group="tenant",
        sent_at=NEW_YEAR - timedelta(seconds=90),
        first_received_at=NEW_YEAR - timedelta(seconds=60),
        sender="AROA:ann",
        trace="Root=1-5759e988",
        source="orders",
    )

    [record] = events.sqs([message], queue="orders-dlq")["Records"]

    assert (record["messageId"], record["body"]) == ("m-1", '{"id": 7}')
    assert record["attributes"] == {
        "ApproximateReceiveCount": "3",
        "AWSTraceHeader": "Root=1-5759e988",
        "SentTimestamp": "1767225510000",
        "MessageGroupId": "tenant",
        "SenderId": "AROA:ann",
        "ApproximateFirstReceiveTimestamp": "1767225540000",
        "DeadLetterQueueSourceArn": "arn:aws:sqs:us-east-1:000000000000:orders",
    }


def test_message_attributes_are_text_or_base64_with_their_type_and_digest() -> None:
    attributes = {"n": Attribute("Number.int", "42"), "blob": b"\x00\x01\xff"}

    [record] = events.sqs([SqsMessage("x", attributes)])["Records"]

    assert list(record)[4:7] == ["messageAttributes", "md5OfMessageAttributes", "md5OfBody"]
    assert record["messageAttributes"] == {
        "n": {"stringValue": "42", "stringListValues": [], "binaryListValues": [], "dataType": "Number.int"},
        "blob": {"binaryValue": "AAH/", "stringListValues": [], "binaryListValues": [], "dataType": "Binary"},
    }
    assert record["md5OfMessageAttributes"] == "2aefcce42fea8a6d03f10998bf532c7c"


@pytest.mark.parametrize(
    ("attributes", "digest"),
    [
        ({"colour": "red"}, "0410de28095c8c9ede883953e14dac6c"),
        ({"n": Attribute("Number.int", "42"), "blob": b"\x00\x01\xff"}, "2aefcce42fea8a6d03f10998bf532c7c"),
        ({"b": "é", "A": Attribute("String.tag", "x")}, "f1c44c86eaf9fb11dd8f65f2093a037d"),
    ],
)
def test_the_digest_of_attributes_is_that_of_sqs(attributes: dict[str, Any], digest: str) -> None:
    """SQS developer guide, "Calculating the MD5 message digest for message attributes", in another implementation."""
    packed = b""
    for name, value in sorted(attributes.items()):
        kind, data = ("Binary", value) if isinstance(value, bytes) else ("String", value)
        if isinstance(value, Attribute):
            kind, data = value.type, value.value
        content = data if isinstance(data, bytes) else data.encode()
        for field in (name.encode(), kind.encode()):
            packed += struct.pack("!I", len(field)) + field
        packed += struct.pack("!bI", 2 if kind.startswith("Binary") else 1, len(content)) + content

    assert md5_of_attributes(attributes) == hashlib.md5(packed).hexdigest() == digest


def test_the_digest_of_a_body_is_of_its_utf8() -> None:
    assert md5_of_text("héllo") == "be50e8478cf24ff3595bc7307fb91b50"


def test_equal_bodies_in_one_event_are_different_messages_and_each_receive_has_its_receipt() -> None:
    one, two = events.sqs(["same", "same"])["Records"]
    [again] = events.sqs([SqsMessage("same", receive_count=2)])["Records"]

    assert one["messageId"] != two["messageId"]
    assert (one["messageId"], one["receiptHandle"]) != (again["messageId"], again["receiptHandle"])
    assert one["messageId"] == again["messageId"]


def test_a_message_received_from_a_queue_makes_the_same_record(clock: VirtualClock) -> None:
    """What a trigger delivers is what the builder builds."""
    queue = Queue("orders.fifo", clock=clock, content_based_deduplication=True)
    queue.send({"id": 7}, attributes={"tags": ["a", 1], "price": Decimal("1.10")}, group="g")
    [message] = queue.receive()

    record = queue_record(
        id=message.id,
        receipt=message.receipt,
        body=message.text,
        attributes=details_of(message.record).attributes,
        system=system_attributes(
            receive_count=message.receive_count,
            sent_at=int(message.sent_at.timestamp() * 1_000),
            first_received_at=int(message.sent_at.timestamp() * 1_000),
            sequence=message.sequence,
            group=message.group,
            deduplication_id=message.deduplication_id,
        ),
        arn=queue.arn,
        region="us-east-1",
    )

    built = SqsMessage({"id": 7}, {"tags": ["a", 1], "price": Decimal("1.10")}, message_id=message.id, group="g")
    [expected] = events.sqs([built], queue="orders.fifo")["Records"]
    expected["receiptHandle"] = message.receipt
    expected["attributes"]["SequenceNumber"] = message.sequence or ""
    assert list(record.items()) == list(expected.items())
    assert list(record["attributes"]) == list(expected["attributes"])


@pytest.mark.parametrize(
    ("build", "error", "words"),
    [
        (lambda: events.sqs("a"), TypeError, "messages must be a list, not 'a': wrap it"),
        (lambda: events.sqs({"id": 7}), TypeError, "messages must be a list"),
        (lambda: events.sqs(SqsMessage("a")), TypeError, "messages must be a list"),
        (lambda: events.sqs([""]), ValueError, "a body must not be empty"),
        (lambda: events.sqs([object()]), TypeError, "a body is str"),
        (lambda: events.sqs([SqsMessage("a", receive_count=0)]), ValueError, "receive_count must be at least 1, not 0"),
        (lambda: events.sqs([SqsMessage("a", receive_count="2")]), TypeError, "receive_count must be an int, not '2'"),
        (lambda: events.sqs([SqsMessage("a", deduplication_id="7")]), ValueError, "is a standard queue"),
        (lambda: events.sqs([SqsMessage("a", {"AWS.x": "y"})]), ValueError, "reserved"),
        (lambda: events.sqs(["a"], at=datetime(2026, 1, 1)), ValueError, "naive"),
        (lambda: events.sqs(["a"], at="now"), TypeError, "a time must be an aware datetime, not 'now'"),
        (lambda: events.sns("a", topic="t.fifo"), ValueError, "FIFO topic"),
        (lambda: events.eventbridge([1], detail_type="a", source="b"), TypeError, "a detail must be a JSON object"),
        (lambda: events.eventbridge({}, detail_type="", source="b"), ValueError, "detail_type must be text"),
        (lambda: events.eventbridge({"a": {1}}, detail_type="a", source="b"), TypeError, "must be a JSON object"),
        (lambda: events.s3(""), ValueError, "a key must be text of 1 to 1,024 bytes"),
        (lambda: events.s3("k", event="created"), ValueError, "event must be a type such as"),
        (lambda: events.kinesis(b"raw"), TypeError, "items must be a list"),
        (lambda: events.kinesis([{1}]), TypeError, "data must be bytes, text or JSON"),
        (lambda: events.kinesis([KinesisItem("a", key="")]), ValueError, "a partition key"),
        (lambda: events.dynamodb_stream({"id": 1}), TypeError, "changes must be a list"),
        (lambda: events.dynamodb_stream([{"id": 1}], view="NEW"), ValueError, "view must be one of"),
        (lambda: events.dynamodb_stream([{"pk": 1}]), ValueError, "lacks the key 'id'"),
        (lambda: events.dynamodb_stream([ItemChange()]), ValueError, "needs the item"),
        (lambda: events.dynamodb_stream([7]), TypeError, "an item must be a dict"),
        (lambda: events.dynamodb_stream([ItemChange({"id": 1}, {"id": 2})]), ValueError, "different items"),
        (lambda: events.dynamodb_stream([ItemChange({"id": 1}, expired=True)]), ValueError, "only what is removed"),
        (lambda: events.dynamodb_stream([{"id": 1, "x": set()}]), ValueError, "a set must hold"),
        (lambda: events.dynamodb_stream([{"id": 1, "x": {1, "a"}}]), ValueError, "a set must hold"),
        (lambda: events.dynamodb_stream([{"id": 1, "x": 10**39 + 1}]), ValueError, "38 digits"),
        (lambda: events.dynamodb_stream([{"id": 1, "x": float("nan")}]), ValueError, "finite"),
        (lambda: events.dynamodb_stream([{"id": 1, "x": {1: 2}}]), TypeError, "names in a map must be text"),
        (lambda: events.dynamodb_stream([{"id": 1, "x": object()}]), TypeError, "DynamoDB has no type"),
        (lambda: events.cloudwatch_logs("line"), TypeError, "lines must be a list"),
        (lambda: events.cloudwatch_alarm(state="BAD"), ValueError, "state must be one of 'OK', 'ALARM'"),
        (lambda: events.ses(verdicts={"spam": "BAD"}), ValueError, "the verdict of 'spam'"),
        (lambda: events.ses(verdicts={"looks": "PASS"}), ValueError, "a check in verdicts"),
        (lambda: events.ses(recipients="a@b.c"), TypeError, "recipients must be a list"),
        (lambda: events.cognito("SignUp"), ValueError, "PreSignUp_..."),
        (lambda: events.cognito("PreSignUp_Other"), ValueError, "PreSignUp_AdminCreateUser"),
        (lambda: events.cognito("PreSignUp_SignUp", version="2"), ValueError, "version must be"),
        (lambda: events.api_gateway("FETCH", "/"), ValueError, "method must be one of 'GET'"),
        (lambda: events.api_gateway("GET", "/", version="3.0"), ValueError, "version must be one of"),
        (lambda: events.api_gateway("GET", "orders"), ValueError, "a path starts with '/'"),
        (lambda: events.api_gateway("GET", "/a?b=c"), ValueError, "give the rest as query"),
        (lambda: events.api_gateway("GET", "/a", route="/b/{id}"), ValueError, "does not match route"),
        (lambda: events.api_gateway("GET", "/", query={"a": 1}), TypeError, "query must have text, or lists of texts"),
        (lambda: events.api_gateway("GET", "/", body=7), TypeError, "a body is text, bytes, a dict or a list"),
        (lambda: events.api_gateway("GET", "/", claims={}, authorizer={}), ValueError, "not both"),
        (lambda: events.websocket("$connect", "hi"), ValueError, r"\$connect has no body"),
        (lambda: events.websocket("say", "hi", query={"a": "b"}), ValueError, r"only \$connect has headers"),
    ],
)
def test_what_aws_would_not_send_is_one_clear_error(
    build: Callable[[], Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        build()


# -- topics and buses ------------------------------------------------------------------------------------------


def test_a_notification_has_the_spelling_that_only_functions_see() -> None:
    """Recorded: ...Url for URL, a Subject of null, MessageAttributes also when there are none."""
    [record] = events.sns("Hello from SNS!", topic="sns-lambda")["Records"]

    subscription = record["EventSubscriptionArn"]
    assert subscription.startswith("arn:aws:sns:us-east-1:000000000000:sns-lambda:")
    assert list(record["Sns"].items()) == [
        ("Type", "Notification"),
        ("MessageId", record["Sns"]["MessageId"]),
        ("TopicArn", "arn:aws:sns:us-east-1:000000000000:sns-lambda"),
        ("Subject", None),
        ("Message", "Hello from SNS!"),
        ("Timestamp", "2026-01-01T00:00:00.000Z"),
        ("SignatureVersion", "1"),
        ("Signature", "EXAMPLE"),
        ("SigningCertUrl", record["Sns"]["SigningCertUrl"]),
        ("UnsubscribeUrl", f"https://sns.us-east-1.amazonaws.com/?Action=Unsubscribe&SubscriptionArn={subscription}"),
        ("MessageAttributes", {}),
    ]
    assert list(record) == ["EventSource", "EventVersion", "EventSubscriptionArn", "Sns"]


def test_a_notification_carries_subject_attributes_and_json() -> None:
    event = events.sns({"id": 7}, subject="New", attributes={"price": 99.12, "raw": b"\x00"}, message_id="m-1")

    sns = event["Records"][0]["Sns"]
    assert (sns["MessageId"], sns["Subject"], sns["Message"]) == ("m-1", "New", '{"id": 7}')
    assert sns["MessageAttributes"] == {
        "price": {"Type": "Number", "Value": "99.12"},
        "raw": {"Type": "Binary", "Value": "AA=="},
    }


def test_the_body_a_queue_gets_from_a_fifo_topic_is_numbered_and_not_signed() -> None:
    body = json.loads(events.sns_envelope("hello", topic="news.fifo"))

    assert body["SequenceNumber"] == "10000000000000000000"
    assert not {"Signature", "SignatureVersion", "SigningCertURL"} & set(body)


def test_an_event_of_a_bus_is_the_entry_with_where_and_when() -> None:
    """EventBridge user guide, "Events", structure of an event."""
    event = events.eventbridge(
        {"id": 7}, detail_type="order placed", source="shop", resources=["arn:aws:s3:::a"], at=NEW_YEAR
    )

    assert list(event.items()) == [
        ("version", "0"),
        ("id", event["id"]),
        ("detail-type", "order placed"),
        ("source", "shop"),
        ("account", "000000000000"),
        ("time", "2026-01-01T00:00:00Z"),
        ("region", "us-east-1"),
        ("resources", ["arn:aws:s3:::a"]),
        ("detail", {"id": 7}),
    ]


def test_a_schedule_names_its_rule_and_its_time_in_utc() -> None:
    """Lambda developer guide, "Using Lambda with scheduled events"."""
    event = events.schedule("nightly", at=datetime(2026, 3, 1, 4, tzinfo=timezone(timedelta(hours=1))))

    assert event["resources"] == ["arn:aws:events:us-east-1:000000000000:rule/nightly"]
    assert (event["detail-type"], event["source"], event["detail"]) == ("Scheduled Event", "aws.events", {})
    assert event["time"] == "2026-03-01T03:00:00Z"


# -- buckets, streams and tables -------------------------------------------------------------------------------


def test_an_object_created_has_its_encoded_key_size_and_digest() -> None:
    """S3 user guide, "Event message structure"."""
    key = "in/a file+é&x=y.csv"

    [record] = events.s3(key, bucket="inbox", body="hello", version="v1")["Records"]

    assert list(record) == [
        "eventVersion",
        "eventSource",
        "awsRegion",
        "eventTime",
        "eventName",
        "userIdentity",
        "requestParameters",
        "responseElements",
        "s3",
    ]
    assert (record["eventVersion"], record["eventTime"]) == ("2.1", "2026-01-01T00:00:00.000Z")
    assert record["s3"]["bucket"]["arn"] == "arn:aws:s3:::inbox"
    assert record["s3"]["object"] == {
        "key": "in/a+file%2B%C3%A9%26x%3Dy.csv",
        "size": 5,
        "eTag": "5d41402abc4b2a76b9719d911017c592",
        "versionId": "v1",
        "sequencer": record["s3"]["object"]["sequencer"],
    }
    assert urllib.parse.unquote_plus(record["s3"]["object"]["key"]) == key


@pytest.mark.parametrize(
    ("event", "keys", "version"),
    [
        ("ObjectCreated:Copy", {"key", "size", "eTag", "sequencer"}, "2.1"),
        ("ObjectRemoved:Delete", {"key", "sequencer"}, "2.1"),
        ("ObjectRemoved:DeleteMarkerCreated", {"key", "eTag", "sequencer"}, "2.1"),
        ("LifecycleExpiration:Delete", {"key", "sequencer"}, "2.3"),
        ("ObjectTagging:Put", {"key", "size", "eTag", "sequencer"}, "2.3"),
    ],
)
def test_what_is_said_of_an_object_depends_on_what_happened(event: str, keys: set[str], version: str) -> None:
    [record] = events.s3("k", event=event)["Records"]

    assert (record["eventName"], record["eventVersion"]) == (event, version)
    assert set(record["s3"]["object"]) == keys


def test_records_of_a_stream_are_base64_with_increasing_numbers() -> None:
    """Lambda developer guide, "Using Lambda with Amazon Kinesis", example event."""
    later = NEW_YEAR + timedelta(milliseconds=987)
    event = events.kinesis(
        ["Hello, this is a test.", KinesisItem(b"\xff", key="k", arrived_at=later), {"id": 7}],
        stream="lambda-stream",
        shard=6,
        account="123456789012",
        region="us-east-2",
    )

    first, second, third = event["Records"]
    number = first["kinesis"]["sequenceNumber"]
    assert list(first.items()) == [
        (
            "kinesis",
            {
                "kinesisSchemaVersion": "1.0",
                "partitionKey": "1",
                "sequenceNumber": "49590338271490256608559692538361571095921575989136588898",
                "data": "SGVsbG8sIHRoaXMgaXMgYSB0ZXN0Lg==",
                "approximateArrivalTimestamp": 1767225600.0,
            },
        ),
        ("eventSource", "aws:kinesis"),
        ("eventVersion", "1.0"),
        ("eventID", f"shardId-000000000006:{number}"),
        ("eventName", "aws:kinesis:record"),
        ("invokeIdentityArn", "arn:aws:iam::123456789012:role/lambda-role"),
        ("awsRegion", "us-east-2"),
        ("eventSourceARN", "arn:aws:kinesis:us-east-2:123456789012:stream/lambda-stream"),
    ]
    assert second["kinesis"]["approximateArrivalTimestamp"] == 1767225600.987
    assert base64.b64decode(third["kinesis"]["data"]) == b'{"id": 7}'
    assert first["kinesis"]["sequenceNumber"] < second["kinesis"]["sequenceNumber"] < third["kinesis"]["sequenceNumber"]


def test_changes_of_a_table_are_those_of_awss_example() -> None:
    """Lambda developer guide, "Using AWS Lambda with Amazon DynamoDB", example event, sizes included."""
    new, changed = {"Message": "New item!", "Id": 101}, {"Message": "This item has changed", "Id": 101}

    event = events.dynamodb_stream([new, ItemChange(new=changed, old=new), ItemChange(old=changed)], keys=["Id"])

    insert, modify, remove = event["Records"]
    assert list(insert) == [
        "eventID",
        "eventName",
        "eventVersion",
        "eventSource",
        "awsRegion",
        "dynamodb",
        "eventSourceARN",
    ]
    assert [record["eventName"] for record in event["Records"]] == ["INSERT", "MODIFY", "REMOVE"]
    assert insert["dynamodb"] == {
        "ApproximateCreationDateTime": 1767225600,
        "Keys": {"Id": {"N": "101"}},
        "NewImage": {"Message": {"S": "New item!"}, "Id": {"N": "101"}},
        "SequenceNumber": "111100000000000000000000",
        "SizeBytes": 26,
        "StreamViewType": "NEW_AND_OLD_IMAGES",
    }
    assert [record["dynamodb"]["SizeBytes"] for record in event["Records"]] == [26, 59, 38]
    assert modify["dynamodb"]["OldImage"] == insert["dynamodb"]["NewImage"]
    assert "NewImage" not in remove["dynamodb"]


@pytest.mark.parametrize(
    ("view", "images"),
    [
        ("NEW_AND_OLD_IMAGES", {"NewImage", "OldImage"}),
        ("NEW_IMAGE", {"NewImage"}),
        ("OLD_IMAGE", {"OldImage"}),
        ("KEYS_ONLY", set()),
    ],
)
def test_a_stream_holds_the_images_of_its_view(view: events.View, images: set[str]) -> None:
    event = events.dynamodb_stream([ItemChange(new={"id": 1, "n": 2}, old={"id": 1, "n": 1})], view=view)

    assert set(event["Records"][0]["dynamodb"]) & {"NewImage", "OldImage"} == images


def test_an_item_whose_time_to_live_was_over_was_removed_by_the_service() -> None:
    """DynamoDB developer guide, "DynamoDB Streams and Time to Live"."""
    [record] = events.dynamodb_stream([ItemChange(old={"id": 1}, expired=True)])["Records"]

    assert record["eventName"] == "REMOVE"
    assert record["userIdentity"] == {"type": "Service", "principalId": "dynamodb.amazonaws.com"}


@pytest.mark.parametrize(
    ("value", "typed", "size"),
    [
        ("é", {"S": "é"}, 2),
        (7, {"N": "7"}, 2),
        (-1.50, {"N": "-1.5"}, 3),
        (Decimal("100"), {"N": "100"}, 2),
        (1e20, {"N": "100000000000000000000"}, 2),
        (Decimal("0.001"), {"N": "0.001"}, 2),
        (True, {"BOOL": True}, 1),
        (None, {"NULL": True}, 1),
        (b"\x00\x01", {"B": "AAE="}, 2),
        ([1, "a"], {"L": [{"N": "1"}, {"S": "a"}]}, 8),
        ((), {"L": []}, 3),
        ({"a": {"b": None}}, {"M": {"a": {"M": {"b": {"NULL": True}}}}}, 11),
        ({"b", "a"}, {"SS": ["a", "b"]}, 2),
        (frozenset({2, 1}), {"NS": ["1", "2"]}, 4),
        ({b"\x00"}, {"BS": ["AA=="]}, 1),
    ],
)
def test_plain_values_have_dynamodbs_types_and_sizes(value: Any, typed: dict[str, Any], size: int) -> None:
    """DynamoDB developer guide, "Data types" and "DynamoDB item sizes and formats"."""
    [record] = events.dynamodb_stream([{"id": "k", "v": value}])["Records"]

    assert record["dynamodb"]["NewImage"]["v"] == typed
    assert record["dynamodb"]["SizeBytes"] == 3 + 3 + 1 + size


# -- logs, alarms, mail and users ------------------------------------------------------------------------------


def test_log_lines_are_compressed_json() -> None:
    """Lambda developer guide, "Using Lambda with CloudWatch Logs"."""
    event = events.cloudwatch_logs(["START", {"level": "ERROR"}], group="/aws/lambda/orders", account="123456789012")

    content = json.loads(gzip.decompress(base64.b64decode(event["awslogs"]["data"])))
    assert list(content) == ["messageType", "owner", "logGroup", "logStream", "subscriptionFilters", "logEvents"]
    assert (content["messageType"], content["owner"]) == ("DATA_MESSAGE", "123456789012")
    assert content["logStream"].startswith("2026/01/01/[$LATEST]")
    assert [line["message"] for line in content["logEvents"]] == ["START", '{"level": "ERROR"}']
    assert all(line["timestamp"] == 1767225600000 and len(line["id"]) == 56 for line in content["logEvents"])


def test_an_alarm_tells_its_states_and_what_it_watches() -> None:
    """CloudWatch user guide, "Invoke a Lambda function from an alarm", sample event of a metric alarm."""
    event = events.cloudwatch_alarm(
        "backlog", dimensions={"QueueName": "orders"}, description="too old", reason_data={"threshold": 5.0}
    )

    assert list(event) == ["source", "alarmArn", "accountId", "time", "region", "alarmData"]
    assert event["alarmArn"] == "arn:aws:cloudwatch:us-east-1:000000000000:alarm:backlog"
    assert event["time"] == "2026-01-01T00:00:00.000+0000"
    data = event["alarmData"]
    assert list(data) == ["alarmName", "state", "previousState", "configuration"]
    assert list(data["state"]) == ["value", "reason", "reasonData", "timestamp"]
    assert (data["previousState"]["value"], data["previousState"]["timestamp"]) == (
        "OK",
        "2025-12-31T23:59:00.000+0000",
    )
    assert data["configuration"] == {
        "description": "too old",
        "metrics": [
            {
                "id": data["configuration"]["metrics"][0]["id"],
                "metricStat": {
                    "metric": {
                        "namespace": "AWS/SQS",
                        "name": "ApproximateAgeOfOldestMessage",
                        "dimensions": {"QueueName": "orders"},
                    },
                    "period": 60,
                    "stat": "Average",
                },
                "returnData": True,
            }
        ],
    }


def test_a_mail_has_its_headers_and_verdicts() -> None:
    """SES developer guide, "Contents of notifications for Amazon SES email receiving"."""
    event = events.ses(
        "Order 7",
        sender="Ann <ann@example.com>",
        recipients=["orders@example.com"],
        headers={"X-Shop": "1"},
        verdicts={"spam": "FAIL"},
    )

    [record] = event["Records"]
    mail, receipt = record["ses"]["mail"], record["ses"]["receipt"]
    assert (record["eventSource"], record["eventVersion"]) == ("aws:ses", "1.0")
    assert list(mail) == [
        "timestamp",
        "source",
        "messageId",
        "destination",
        "headersTruncated",
        "headers",
        "commonHeaders",
    ]
    assert (mail["source"], mail["destination"]) == ("ann@example.com", ["orders@example.com"])
    assert mail["commonHeaders"]["date"] == "Thu, 01 Jan 2026 00:00:00 +0000"
    assert mail["commonHeaders"]["from"] == ["Ann <ann@example.com>"]
    assert mail["headers"][-1] == {"name": "X-Shop", "value": "1"}
    assert (receipt["spamVerdict"], receipt["dkimVerdict"]) == ({"status": "FAIL"}, {"status": "PASS"})
    assert receipt["action"] == {
        "type": "Lambda",
        "functionArn": "arn:aws:lambda:us-east-1:000000000000:function:function",
        "invocationType": "Event",
    }


def test_a_trigger_of_a_user_pool_has_its_question_and_the_empty_answer() -> None:
    """Cognito developer guide, "Customizing user pool workflows with Lambda triggers"."""
    event = events.cognito("PreSignUp_SignUp", user="ann", attributes={"email": "ann@example.com"})

    assert list(event.items()) == [
        ("version", "1"),
        ("region", "us-east-1"),
        ("userPoolId", "us-east-1_EXAMPLE"),
        ("userName", "ann"),
        ("callerContext", {"awsSdkVersion": "aws-sdk-unknown-unknown", "clientId": "1example23456789"}),
        ("triggerSource", "PreSignUp_SignUp"),
        ("request", {"userAttributes": {"email": "ann@example.com"}, "validationData": None}),
        ("response", {"autoConfirmUser": False, "autoVerifyEmail": False, "autoVerifyPhone": False}),
    ]


def test_a_trigger_can_ask_more_and_tokens_have_newer_versions() -> None:
    older = events.cognito("TokenGeneration_HostedAuth", request={"clientMetadata": {"a": "b"}})
    newer = events.cognito("TokenGeneration_HostedAuth", version="2", request={"scopes": ["openid"]})
    unknown = events.cognito("UserMigration_Authentication", request={"password": "secret"})

    assert older["request"]["clientMetadata"] == {"a": "b"}
    assert older["response"] == {"claimsOverrideDetails": None}
    assert newer["request"]["scopes"] == ["openid"]
    assert newer["response"] == {"claimsAndScopeOverrideDetails": None}
    assert unknown["request"] == {"password": "secret", "validationData": None}


# -- requests and sockets --------------------------------------------------------------------------------------


def test_a_request_to_a_rest_api_has_plain_and_multiple_values() -> None:
    """API Gateway developer guide, "Set up Lambda proxy integrations", input format."""
    event = events.api_gateway(
        "POST",
        "/orders/7/items/a/b",
        route="/orders/{id}/items/{rest+}",
        query={"tag": ["x", "y"], "page": "2"},
        headers={"Accept": ["text/html", "text/plain"], "user-agent": "curl"},
        body={"n": 1},
        claims={"sub": "ann"},
    )

    assert list(event) == [
        "resource",
        "path",
        "httpMethod",
        "headers",
        "multiValueHeaders",
        "queryStringParameters",
        "multiValueQueryStringParameters",
        "pathParameters",
        "stageVariables",
        "requestContext",
        "body",
        "isBase64Encoded",
    ]
    assert (event["resource"], event["path"]) == ("/orders/{id}/items/{rest+}", "/orders/7/items/a/b")
    assert event["pathParameters"] == {"id": "7", "rest": "a/b"}
    assert event["queryStringParameters"] == {"tag": "y", "page": "2"}
    assert event["multiValueQueryStringParameters"] == {"tag": ["x", "y"], "page": ["2"]}
    assert (event["headers"]["Accept"], event["headers"]["Content-Type"]) == ("text/plain", "application/json")
    assert event["multiValueHeaders"]["Accept"] == ["text/html", "text/plain"]
    assert "User-Agent" not in event["headers"]
    assert (event["body"], event["isBase64Encoded"]) == ('{"n": 1}', False)
    context = event["requestContext"]
    assert context["authorizer"] == {"claims": {"sub": "ann"}}
    assert (context["path"], context["stage"]) == ("/prod/orders/7/items/a/b", "prod")
    assert (context["requestTime"], context["requestTimeEpoch"]) == ("01/Jan/2026:00:00:00 +0000", 1767225600000)
    assert (context["identity"]["sourceIp"], context["identity"]["userAgent"]) == ("192.0.2.1", "curl")
    assert context["identity"]["user"] is None


def test_what_a_request_to_a_rest_api_lacks_is_null_and_to_an_http_api_is_left_out() -> None:
    rest = events.api_gateway("GET", "/")
    http = events.api_gateway("GET", "/", version="2.0")

    missing = {"queryStringParameters", "pathParameters", "stageVariables", "body"}
    assert {name for name, value in rest.items() if value is None} == missing | {"multiValueQueryStringParameters"}
    assert missing.isdisjoint(http)
    assert "cookies" not in http


def test_a_request_to_an_http_api_joins_values_and_lowers_header_names() -> None:
    """API Gateway developer guide, "AWS Lambda proxy integrations for HTTP APIs", payload format 2.0."""
    event = events.api_gateway(
        "PUT",
        "/orders/7",
        version="2.0",
        route="/orders/{id}",
        query={"tag": ["x", "y z"], "a": "1"},
        headers={"Accept": ["text/html", "text/plain"], "Cookie": "a=1; b=2"},
        body=b"\xff",
        authorizer={"tenant": "t"},
        stage="v1",
        stage_variables={"colour": "blue"},
    )

    assert list(event) == [
        "version",
        "routeKey",
        "rawPath",
        "rawQueryString",
        "cookies",
        "headers",
        "queryStringParameters",
        "requestContext",
        "pathParameters",
        "stageVariables",
        "body",
        "isBase64Encoded",
    ]
    assert (event["routeKey"], event["rawPath"]) == ("PUT /orders/{id}", "/v1/orders/7")
    assert event["rawQueryString"] == "tag=x&tag=y+z&a=1"
    assert event["cookies"] == ["a=1", "b=2"]
    assert event["queryStringParameters"] == {"tag": "x,y z", "a": "1"}
    assert event["headers"]["accept"] == "text/html,text/plain"
    assert "cookie" not in event["headers"]
    assert (event["body"], event["isBase64Encoded"]) == ("/w==", True)
    assert event["requestContext"]["authorizer"] == {"lambda": {"tenant": "t"}}
    assert list(event["requestContext"]["http"]) == ["method", "path", "protocol", "sourceIp", "userAgent"]


def test_claims_are_where_each_kind_of_api_has_them() -> None:
    claims = {"sub": "ann"}

    rest = events.api_gateway("GET", "/", claims=claims)
    context = events.api_gateway("GET", "/", authorizer={"principalId": "ann"})
    http = events.api_gateway("GET", "/", version="2.0", claims=claims, route="$default")

    assert rest["requestContext"]["authorizer"] == {"claims": claims}
    assert context["requestContext"]["authorizer"] == {"principalId": "ann"}
    assert http["requestContext"]["authorizer"] == {"jwt": {"claims": claims, "scopes": None}}
    assert http["routeKey"] == "$default"


def test_a_connection_opens_speaks_and_ends() -> None:
    """API Gateway developer guide, "WebSocket APIs"; the keys of each kind are recorded."""
    opening = events.websocket(
        "$connect", headers={"Origin": "a"}, query={"room": "7"}, authorizer={"principalId": "u"}
    )
    speaking = events.websocket("say", {"text": "hi"}, connected_at=NEW_YEAR - timedelta(seconds=9))
    closing = events.websocket("$disconnect", reason="Going away", status=1001)

    assert [event["requestContext"]["eventType"] for event in (opening, speaking, closing)] == [
        "CONNECT",
        "MESSAGE",
        "DISCONNECT",
    ]
    assert (opening["headers"]["Origin"], opening["queryStringParameters"]) == ("a", {"room": "7"})
    assert opening["requestContext"]["authorizer"] == {"principalId": "u"}
    assert list(speaking) == ["requestContext", "body", "isBase64Encoded"]
    assert speaking["body"] == '{"text": "hi"}'
    assert speaking["requestContext"]["connectedAt"] == 1767225591000
    assert list(closing["headers"]) == ["Host", "x-api-key", "X-Forwarded-For", "x-restapi"]
    assert closing["requestContext"]["disconnectStatusCode"] == 1001
    assert closing["requestContext"]["disconnectReason"] == "Going away"
    assert len({event["requestContext"]["connectionId"] for event in (opening, speaking, closing)}) == 1


def test_the_time_of_every_event_can_be_given() -> None:
    at = datetime(2030, 2, 3, 4, 5, 6, 789_000, tzinfo=UTC)
    bus = {"detail_type": "a", "source": "b"}

    for event in (
        events.sqs(["a"], at=at),
        events.sns("a", at=at),
        events.schedule(at=at),
        events.eventbridge({}, **bus, at=at),
        events.s3("k", at=at),
        events.kinesis(["a"], at=at),
        events.dynamodb_stream([{"id": 1}], at=at),
        events.cloudwatch_alarm(at=at),
        events.ses(at=at),
        events.api_gateway("GET", "/", at=at),
        events.websocket(at=at),
    ):
        text = json.dumps(event)
        assert "2030-02-03T04:05:06" in text or "1896321906" in text
