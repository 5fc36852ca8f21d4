"""Events of buckets: what S3 tells a function about an object."""

from __future__ import annotations

from datetime import datetime
from hashlib import md5
from typing import Any, NotRequired, TypedDict, cast
from urllib.parse import quote_plus

from decouple.testing.events.defaults import NEW_YEAR, REGION, SOURCE_IP, encoded, hex_of, iso, milliseconds

__all__ = ["S3Event", "s3"]


class S3Object(TypedDict):
    """The object: its key is URL-encoded, with + for a space; one that was deleted has neither size nor eTag."""

    key: str
    size: NotRequired[int]
    eTag: NotRequired[str]
    versionId: NotRequired[str]
    sequencer: str


class S3Bucket(TypedDict):
    """The bucket the object is in."""

    name: str
    ownerIdentity: dict[str, str]
    arn: str


class S3Entity(TypedDict):
    """The object and its bucket."""

    s3SchemaVersion: str
    configurationId: str
    bucket: S3Bucket
    object: S3Object


class S3Record(TypedDict):
    """What happened to one object."""

    eventVersion: str
    eventSource: str
    awsRegion: str
    eventTime: str
    eventName: str
    userIdentity: dict[str, str]
    requestParameters: dict[str, str]
    responseElements: dict[str, str]
    s3: S3Entity


class S3Event(TypedDict):
    """A notification of S3, as a function gets it."""

    Records: list[S3Record]


def s3(
    key: str,
    *,
    bucket: str = "bucket",
    event: str = "ObjectCreated:Put",
    body: bytes | str = b"",
    size: int | None = None,
    version: str | None = None,
    at: datetime = NEW_YEAR,
    region: str = REGION,
) -> S3Event:
    """The event for one object: `s3("in/a file.csv", body=b"...")`, `s3("old.csv", event="ObjectRemoved:Delete")`.

    key: as the object is called; in the event it is URL-encoded, as S3 does it. Size and eTag are the body's; `size` is for one
    that is too large to make. version: of an object in a bucket with versioning.
    Source: S3 user guide, "Event message structure".
    """
    if not isinstance(key, str) or not 1 <= len(key.encode()) <= 1_024:
        raise ValueError(f"a key must be text of 1 to 1,024 bytes, not {key!r:.80}")
    family, _, way = event.partition(":")
    if not family.startswith(("Object", "Lifecycle")) or not way:
        raise ValueError(f"event must be a type such as 'ObjectCreated:Put' or 'ObjectRemoved:Delete', not {event!r}")
    content = body.encode() if isinstance(body, str) else body
    record: S3Record = {
        "eventVersion": "2.1" if family in ("ObjectCreated", "ObjectRemoved") else "2.3",
        "eventSource": "aws:s3",
        "awsRegion": region,
        "eventTime": iso(at),
        "eventName": event,
        "userIdentity": {"principalId": "AWS:AIDAIENQZJOLO23YVJ4VO"},
        "requestParameters": {"sourceIPAddress": SOURCE_IP},
        "responseElements": {
            "x-amz-request-id": hex_of(bucket, key, event, digits=16).upper(),
            "x-amz-id-2": encoded(bytes.fromhex(hex_of(bucket, key, event, digits=64)) * 2)[:76],
        },
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": "decouple",
            "bucket": {
                "name": bucket,
                "ownerIdentity": {"principalId": "A3NL1KOZZKExample"},
                "arn": f"arn:aws:s3:::{bucket}",
            },
            "object": object_of(key, event, content, len(content) if size is None else size, version, at),
        },
    }
    return {"Records": [record]}


def object_of(key: str, event: str, content: bytes, size: int, version: str | None, at: datetime) -> S3Object:
    """What S3 says of the object: its content only while it has one."""
    shown: dict[str, Any] = {"key": quote_plus(key, safe="/")}
    if not event.startswith(("ObjectRemoved:", "LifecycleExpiration:")):
        shown |= {"size": size, "eTag": md5(content, usedforsecurity=False).hexdigest()}
    elif event.endswith(":DeleteMarkerCreated"):
        shown["eTag"] = md5(usedforsecurity=False).hexdigest()  # a marker is an object, without content
    if version is not None:
        shown["versionId"] = version
    shown["sequencer"] = f"00{milliseconds(at):016X}"
    return cast("S3Object", shown)
