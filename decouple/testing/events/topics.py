"""Events of topics: what a function subscribed to an SNS topic gets."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeAlias, TypedDict

from decouple.arns import arn_of
from decouple.attributes import Value, check_attributes
from decouple.bodies import text_of
from decouple.core.records import Details
from decouple.envelopes import envelope_of
from decouple.lambda_records import SnsRecord, topic_record
from decouple.notification import Notification, Publication, Way
from decouple.testing.events.defaults import ACCOUNT, NEW_YEAR, REGION, milliseconds, uuid_of

__all__ = ["SnsEvent", "sns", "sns_envelope"]

FIRST_SEQUENCE = "10000000000000000000"
Message: TypeAlias = "str | dict[str, Any] | list[Any] | int | float | None"


class SnsEvent(TypedDict):
    """A notification, as a function gets it: always exactly one record."""

    Records: list[SnsRecord]


def sns(
    message: Message,
    *,
    topic: str = "topic",
    subject: str | None = None,
    attributes: Mapping[str, Value] | None = None,
    message_id: str | None = None,
    at: datetime = NEW_YEAR,
    account: str = ACCOUNT,
    region: str = REGION,
) -> SnsEvent:
    """The event for one notification: `sns({"id": 7}, topic="orders", attributes={"type": "created"})`.

    message: text, or what becomes JSON text. The signature is a placeholder. Raises TypeError, ValueError for what SNS would
    not have taken. Source: Lambda developer guide, "Invoking Lambda functions with Amazon SNS notifications".
    """
    if topic.endswith(".fifo"):
        raise ValueError(f"topic {topic!r} is a FIFO topic, and SNS delivers those to queues only: use sqs([...])")
    arn = arn_of("sns", topic, account=account, region=region)
    return {"Records": [topic_record(made(message, arn, region, subject, attributes, message_id, at))]}


def sns_envelope(
    message: Message,
    *,
    topic: str = "topic",
    subject: str | None = None,
    attributes: Mapping[str, Value] | None = None,
    message_id: str | None = None,
    at: datetime = NEW_YEAR,
    account: str = ACCOUNT,
    region: str = REGION,
) -> str:
    """The body a queue gets from a topic without raw delivery: `sqs([sns_envelope({"id": 7}, topic="orders")])`.

    It is JSON text. A topic whose name ends in .fifo gives a sequence number and no signature.
    Source: SNS developer guide, "Parsing message formats".
    """
    arn = arn_of("sns", topic, account=account, region=region)
    notification = made(message, arn, region, subject, attributes, message_id, at)
    certificate = f"{notification.way.service}/SimpleNotificationService-{'0' * 32}.pem"
    return envelope_of(notification, {"SignatureVersion": "1", "Signature": "EXAMPLE", "SigningCertURL": certificate})


def made(
    message: Message,
    arn: str,
    region: str,
    subject: str | None,
    attributes: Mapping[str, Value] | None,
    id: str | None,
    at: datetime,
) -> Notification:
    """The notification a topic would make of it."""
    text = text_of(message)
    details = Details(check_attributes(attributes or {}, most=float("inf")))
    record = (text, milliseconds(at) * 1_000_000, 0, details)
    sequence = FIRST_SEQUENCE if arn.endswith(".fifo") else None
    publication = Publication(id or uuid_of(arn, subject, text), record, subject, sequence=sequence)
    return Notification(
        publication,
        Way(arn.rpartition(":")[2], arn, f"{arn}:{uuid_of(arn)}", "lambda", f"https://sns.{region}.amazonaws.com"),
    )
