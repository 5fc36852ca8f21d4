"""Records as Lambda gives them to a function: one for a message of a queue, one for a notification of a topic.

Keys, their order, their types and their spelling are AWS's; numbers and times in `attributes` are text. They are made here
and nowhere else, for triggers and for the builders of events in decouple.testing.
Source: Lambda developer guide, "Using Lambda with Amazon SQS" and "Invoking Lambda functions with Amazon SNS notifications".
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from hashlib import md5
from typing import TYPE_CHECKING, Any, Literal, NotRequired, TypedDict, cast

from decouple.attributes import wire_parts
from decouple.core.records import details_of
from decouple.digests import md5_of_attributes, md5_of_text
from decouple.envelopes import attribute_of, timestamp_of

if TYPE_CHECKING:
    from decouple.notification import Notification

__all__ = ["SnsRecord", "SqsRecord", "plain_record", "queue_record", "system_attributes", "topic_record"]

NOTHING: Mapping[str, str] = {}
SENDER = "AIDAIENQZJOLO23YVJ4VO"
"""The id of whoever sent a message that says nothing about it."""


class SqsAttributes(TypedDict):
    """What SQS says about a message. Times are milliseconds since 1970."""

    ApproximateReceiveCount: str
    AWSTraceHeader: NotRequired[str]
    SentTimestamp: str
    SequenceNumber: NotRequired[str]
    MessageGroupId: NotRequired[str]
    SenderId: str
    MessageDeduplicationId: NotRequired[str]
    ApproximateFirstReceiveTimestamp: str
    DeadLetterQueueSourceArn: NotRequired[str]


class SqsMessageAttribute(TypedDict):
    """What the sender said about a message; a binaryValue is base64."""

    stringValue: NotRequired[str]
    binaryValue: NotRequired[str]
    stringListValues: list[str]
    binaryListValues: list[str]
    dataType: str


class SqsRecord(TypedDict):
    """One message of a queue in a function's event."""

    messageId: str
    receiptHandle: str
    body: str
    attributes: SqsAttributes
    messageAttributes: dict[str, SqsMessageAttribute]
    md5OfMessageAttributes: NotRequired[str]
    md5OfBody: str
    eventSource: Literal["aws:sqs"]
    eventSourceARN: str
    awsRegion: str


class SnsAttribute(TypedDict):
    """What the publisher said about a message; a Binary value is base64."""

    Type: str
    Value: str


class SnsNotification(TypedDict):
    """A notification in a function's event. Only functions get Url for URL, and a Subject that may be null."""

    Type: Literal["Notification"]
    MessageId: str
    TopicArn: str
    Subject: str | None
    Message: str
    Timestamp: str
    SignatureVersion: str
    Signature: str
    SigningCertUrl: str
    UnsubscribeUrl: str
    MessageAttributes: dict[str, SnsAttribute]


class SnsRecord(TypedDict):
    """The one notification in a function's event."""

    EventSource: Literal["aws:sns"]
    EventVersion: str
    EventSubscriptionArn: str
    Sns: SnsNotification


def queue_record(
    *,
    id: str,
    receipt: str,
    body: str,
    system: SqsAttributes,
    arn: str,
    region: str,
    attributes: Mapping[str, Any] = NOTHING,
) -> SqsRecord:
    """A message as a function gets it. `attributes`: as they are stored; `system`: from `system_attributes`."""
    digest = {"md5OfMessageAttributes": md5_of_attributes(attributes)} if attributes else NOTHING
    record = {
        "messageId": id,
        "receiptHandle": receipt,
        "body": body,
        "attributes": system,
        "messageAttributes": {name: message_attribute(value) for name, value in attributes.items()},
        **digest,
        "md5OfBody": md5_of_text(body),
        "eventSource": "aws:sqs",
        "eventSourceARN": arn,
        "awsRegion": region,
    }
    return cast("SqsRecord", record)  # in AWS's order, what may be missing in between


def plain_record(
    id: str, receipt: str, body: str, receive_count: int, sent_at: int, first_received_at: int, arn: str, region: str
) -> SqsRecord:
    """The same for a message that has nothing but a body, in a third of the time; half of what is left is the MD5."""
    return {
        "messageId": id,
        "receiptHandle": receipt,
        "body": body,
        "attributes": {
            "ApproximateReceiveCount": str(receive_count),
            "SentTimestamp": str(sent_at),
            "SenderId": SENDER,
            "ApproximateFirstReceiveTimestamp": str(first_received_at),
        },
        "messageAttributes": {},
        "md5OfBody": md5(body.encode(), usedforsecurity=False).hexdigest(),
        "eventSource": "aws:sqs",
        "eventSourceARN": arn,
        "awsRegion": region,
    }


def system_attributes(
    *,
    receive_count: int,
    sent_at: int,
    first_received_at: int,
    trace: str | None = None,
    sequence: str | None = None,
    group: str | None = None,
    sender: str | None = None,
    deduplication_id: str | None = None,
    source: str | None = None,
) -> SqsAttributes:
    """What SQS says about a message, without what is None. Times are milliseconds since 1970.

    trace: the message's AWSTraceHeader; source: the ARN of the queue it died in.
    """
    shown = {
        "ApproximateReceiveCount": str(receive_count),
        "AWSTraceHeader": trace,
        "SentTimestamp": str(sent_at),
        "SequenceNumber": sequence,
        "MessageGroupId": group,
        "SenderId": sender or SENDER,
        "MessageDeduplicationId": deduplication_id,
        "ApproximateFirstReceiveTimestamp": str(first_received_at),
        "DeadLetterQueueSourceArn": source,
    }
    return cast("SqsAttributes", {name: text for name, text in shown.items() if text is not None})


def message_attribute(value: Any) -> SqsMessageAttribute:
    """A stored attribute as a function gets it."""
    kind, shown = wire_parts(value)
    # The lists are always there, and always empty: SQS has never had values of that kind.
    if isinstance(shown, str):
        return {"stringValue": shown, "stringListValues": [], "binaryListValues": [], "dataType": kind}
    binary = b64encode(shown).decode()
    return {"binaryValue": binary, "stringListValues": [], "binaryListValues": [], "dataType": kind}


def topic_record(notification: Notification) -> SnsRecord:
    """A notification as a function gets it. Where nothing signs, its signature is a placeholder."""
    attributes = details_of(notification.publication.record).attributes
    signature = notification.signature or placeholder(notification)
    return {
        "EventSource": "aws:sns",
        "EventVersion": "1.0",
        "EventSubscriptionArn": notification.way.subscription_arn,
        "Sns": {
            "Type": "Notification",
            "MessageId": notification.id,
            "TopicArn": notification.way.topic_arn,
            "Subject": notification.subject,
            "Message": notification.text,
            "Timestamp": timestamp_of(notification),
            "SignatureVersion": signature["SignatureVersion"],
            "Signature": signature["Signature"],
            "SigningCertUrl": signature["SigningCertURL"],
            "UnsubscribeUrl": notification.unsubscribe_url,
            "MessageAttributes": {
                name: cast("SnsAttribute", attribute_of(value)) for name, value in attributes.items()
            },
        },
    }


def placeholder(notification: Notification) -> dict[str, str]:
    """A signature that nobody can verify: functions look for the keys."""
    return {
        "SignatureVersion": "1",
        "Signature": "EXAMPLE",
        "SigningCertURL": f"{notification.way.service}/SimpleNotificationService-{'0' * 32}.pem",
    }
