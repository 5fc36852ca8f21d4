"""Events of queues: what a function gets from an SQS event source mapping."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any, NamedTuple, TypeAlias, TypedDict

from decouple.arns import arn_of
from decouple.attributes import Value, check_attributes
from decouple.bodies import text_of
from decouple.lambda_records import SqsRecord, queue_record, system_attributes
from decouple.testing.events.defaults import ACCOUNT, NEW_YEAR, REGION, hex_of, milliseconds, sequence, uuid_of

__all__ = ["SqsEvent", "SqsMessage", "sqs"]

FIRST_SEQUENCE = 18_849_496_460_467_696_128
GROUP = "default"


class SqsEvent(TypedDict):
    """A batch of messages, as a function gets it."""

    Records: list[SqsRecord]


class SqsMessage(NamedTuple):
    """One message of an event, where it needs more than a body.

    body: text, or what becomes JSON text; attributes: up to ten, as `Queue.send` takes them; group: on a standard queue the
    tenant; deduplication_id: FIFO queues only, the body's SHA-256 unless given; sent_at, first_received_at: the event's `at`
    unless given; trace: an X-Ray header; source: the queue this dead letter came from.
    """

    body: Any
    attributes: Mapping[str, Value] | None = None
    message_id: str | None = None
    receive_count: int = 1
    group: str | None = None
    deduplication_id: str | None = None
    sent_at: datetime | None = None
    first_received_at: datetime | None = None
    sender: str | None = None
    trace: str | None = None
    source: str | None = None


Body: TypeAlias = "str | dict[str, Any] | list[Any] | int | float | SqsMessage | None"


def sqs(
    messages: Sequence[Body],
    *,
    queue: str = "queue",
    at: datetime = NEW_YEAR,
    account: str = ACCOUNT,
    region: str = REGION,
) -> SqsEvent:
    """The event for a batch of messages: `sqs(["a", {"id": 7}, SqsMessage("b", receive_count=2)], queue="orders")`.

    Digests are the true ones. A queue whose name ends in .fifo gives groups ("default" unless given), deduplication ids and
    increasing sequence numbers. Raises TypeError, ValueError for what SQS would not have taken.
    Source: Lambda developer guide, "Using Lambda with Amazon SQS".
    """
    place = Place(queue, arn_of("sqs", queue, account=account, region=region), account, region, at)
    return {"Records": [record_of(one, number, place) for number, one in enumerate(sequence(messages, "messages"))]}


class Place(NamedTuple):
    """Where and when the messages of an event were received."""

    queue: str
    arn: str
    account: str
    region: str
    at: datetime

    @property
    def fifo(self) -> bool:
        """By its name, as in AWS."""
        return self.queue.endswith(".fifo")


def record_of(body: Body, number: int, place: Place) -> SqsRecord:
    """One message; `number`: its place in the event."""
    message = body if isinstance(body, SqsMessage) else SqsMessage(body)
    check(message, place)
    text = text_of(message.body)
    sent_at = milliseconds(message.sent_at or place.at)
    received_at = milliseconds(message.first_received_at or message.sent_at or place.at)
    source = (
        None if message.source is None else arn_of("sqs", message.source, account=place.account, region=place.region)
    )
    return queue_record(
        id=message.message_id or uuid_of(place.arn, number, text),
        receipt=receipt_of(place.arn, number, text, message.receive_count),
        body=text,
        attributes=check_attributes(message.attributes or {}),
        system=system_attributes(
            receive_count=message.receive_count,
            sent_at=sent_at,
            first_received_at=received_at,
            trace=message.trace,
            sender=message.sender,
            source=source,
            **ordering(message, number, text, place),
        ),
        arn=place.arn,
        region=place.region,
    )


def check(message: SqsMessage, place: Place) -> None:
    """What the queue would not have delivered. Raises TypeError, ValueError."""
    count = message.receive_count
    if isinstance(count, bool) or not isinstance(count, int):
        raise TypeError(f"receive_count must be an int, not {count!r}")
    if count < 1:
        raise ValueError(f"receive_count must be at least 1, not {count!r}: whoever has the message has received it")
    if message.deduplication_id is not None and not place.fifo:
        raise ValueError(
            f"queue {place.queue!r} is a standard queue, without deduplication ids such as {message.deduplication_id!r}: "
            "end its name in '.fifo', or leave the id out"
        )


def ordering(message: SqsMessage, number: int, text: str, place: Place) -> dict[str, str | None]:
    """What a FIFO queue adds; of that, a standard queue has the group alone, if any."""
    if not place.fifo:
        return {"group": message.group}
    return {
        "group": message.group or GROUP,
        "deduplication_id": message.deduplication_id or sha256(text.encode()).hexdigest(),
        "sequence": str(FIRST_SEQUENCE + 256 * number),
    }


def receipt_of(*parts: object) -> str:
    """A handle of AWS's looks and length, another one for each receive."""
    return "AQEB" + b64encode(bytes.fromhex(hex_of(*parts, digits=64)) * 9).decode()
