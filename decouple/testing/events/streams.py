"""Events of Kinesis streams."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal, NamedTuple, TypeAlias, TypedDict

from decouple.arns import arn_of
from decouple.testing.events.defaults import ACCOUNT, NEW_YEAR, REGION, encoded, milliseconds, payload_of, sequence

__all__ = ["KinesisEvent", "KinesisItem", "kinesis"]

FIRST_SEQUENCE = 49_590_338_271_490_256_608_559_692_538_361_571_095_921_575_989_136_588_898


class KinesisData(TypedDict):
    """What the stream holds. data: base64; approximateArrivalTimestamp: seconds since 1970."""

    kinesisSchemaVersion: str
    partitionKey: str
    sequenceNumber: str
    data: str
    approximateArrivalTimestamp: float


class KinesisRecord(TypedDict):
    """One record of a stream in a function's event."""

    kinesis: KinesisData
    eventSource: Literal["aws:kinesis"]
    eventVersion: str
    eventID: str
    eventName: Literal["aws:kinesis:record"]
    invokeIdentityArn: str
    awsRegion: str
    eventSourceARN: str


class KinesisEvent(TypedDict):
    """A batch of one shard, as a function gets it."""

    Records: list[KinesisRecord]


class KinesisItem(NamedTuple):
    """One record of an event, where it needs more than data. arrived_at: the event's `at` unless given."""

    data: Any
    key: str = "1"
    sequence_number: str | None = None
    arrived_at: datetime | None = None


Data: TypeAlias = "bytes | str | dict[str, Any] | list[Any] | int | float | KinesisItem | None"


def kinesis(
    items: Sequence[Data],
    *,
    stream: str = "stream",
    shard: int = 0,
    at: datetime = NEW_YEAR,
    account: str = ACCOUNT,
    region: str = REGION,
) -> KinesisEvent:
    """The event for a batch of records: `kinesis([b"raw", {"id": 7}, KinesisItem("text", key="tenant-3")])`.

    Bytes are taken as they are, text as UTF-8, everything else as JSON. Sequence numbers increase.
    Source: Lambda developer guide, "Using Lambda with Amazon Kinesis".
    """
    found: list[KinesisRecord] = []
    arn = arn_of("kinesis", f"stream/{stream}", account=account, region=region)
    for number, one in enumerate(sequence(items, "items")):
        item = one if isinstance(one, KinesisItem) else KinesisItem(one)
        data = data_of(item, number, at)
        found.append(
            {
                "kinesis": data,
                "eventSource": "aws:kinesis",
                "eventVersion": "1.0",
                "eventID": f"shardId-{shard:012}:{data['sequenceNumber']}",
                "eventName": "aws:kinesis:record",
                "invokeIdentityArn": f"arn:aws:iam::{account}:role/lambda-role",
                "awsRegion": region,
                "eventSourceARN": arn,
            }
        )
    return {"Records": found}


def data_of(item: KinesisItem, number: int, at: datetime) -> KinesisData:
    """What the stream holds of an item; `number`: its place in the event."""
    if not isinstance(item.key, str) or not 1 <= len(item.key) <= 256:
        raise ValueError(f"a partition key must be text of 1 to 256 characters, not {item.key!r:.80}")
    return {
        "kinesisSchemaVersion": "1.0",
        "partitionKey": item.key,
        "sequenceNumber": item.sequence_number or str(FIRST_SEQUENCE + number),
        "data": encoded(payload_of(item.data, "data")),
        "approximateArrivalTimestamp": milliseconds(item.arrived_at or at) / 1_000,
    }
