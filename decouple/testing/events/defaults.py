"""What an event has that nobody gave: instants, ids and hosts, always the same for the same arguments.

Nothing here is random and nothing reads the time, so two events built alike are equal, and a test that compares whole events
stays green. Ids have AWS's shapes, made from what they stand for.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, cast

from decouple.arns import ACCOUNT, REGION
from decouple.clock import NEW_YEAR
from decouple.core.records import EPOCH
from decouple.jsontext import json_text

__all__ = [
    "ACCOUNT",
    "NEW_YEAR",
    "REGION",
    "SOURCE_IP",
    "USER_AGENT",
    "encoded",
    "hex_of",
    "iso",
    "log_time",
    "member",
    "milliseconds",
    "payload_of",
    "present",
    "sequence",
    "uuid_of",
]

SOURCE_IP = "192.0.2.1"
USER_AGENT = "decouple"
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def hex_of(*parts: object, digits: int = 32) -> str:
    """Up to 64 hexadecimal digits that stand for the parts."""
    return sha256(repr(parts).encode("utf-8", "surrogatepass")).hexdigest()[:digits]


def uuid_of(*parts: object) -> str:
    """A UUID that stands for the parts."""
    digits = hex_of(*parts)
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-8{digits[17:20]}-{digits[20:]}"


def milliseconds(at: datetime) -> int:
    """Since 1970. Raises TypeError, ValueError for what is no aware datetime."""
    if not isinstance(at, datetime):
        raise TypeError(f"a time must be an aware datetime, not {at!r}")
    if at.tzinfo is None:
        raise ValueError(f"a time must be an aware datetime, not the naive {at!r}: give it tzinfo=timezone.utc")
    passed = at - EPOCH
    return (passed.days * 86_400 + passed.seconds) * 1_000 + passed.microseconds // 1_000


def iso(at: datetime, unit: str = "milliseconds") -> str:
    """ISO 8601 in UTC: 2026-01-01T00:00:00.000Z, or without the thousandths for "seconds"."""
    milliseconds(at)
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec=unit) + "Z"


def log_time(at: datetime) -> str:
    """As web servers log it, in UTC and English: 01/Jan/2026:00:00:00 +0000."""
    milliseconds(at)
    at = at.astimezone(UTC)
    return f"{at.day:02}/{MONTHS[at.month - 1]}/{at.year}:{at:%H:%M:%S} +0000"


def payload_of(data: object, what: str) -> bytes:
    """Bytes as they are, text as UTF-8, everything else as JSON."""
    if isinstance(data, (bytes, bytearray, memoryview)):
        return bytes(cast("bytes", data))
    return (data if isinstance(data, str) else json_text(data, f"{what} must be bytes, text or JSON")).encode()


def encoded(data: bytes) -> str:
    """In base64."""
    return b64encode(data).decode()


def sequence(values: object, what: str) -> Sequence[Any]:
    """The values, when they are several: a single text, dict or message is what people mean to wrap. Raises TypeError."""
    single = isinstance(values, (str, bytes, bytearray, Mapping)) or is_record(values)
    if single or not isinstance(values, Sequence):
        raise TypeError(f"{what} must be a list, not {values!r:.80}: wrap it in [...]")
    return values  # pyright: ignore[reportUnknownVariableType]


def is_record(values: object) -> bool:
    """Whether it is a tuple with names, such as one message: one thing, though it has a length."""
    return hasattr(values, "_fields")


def member(value: object, allowed: Sequence[str], what: str) -> None:
    """Nothing for one of those allowed. Raises ValueError."""
    if value not in allowed:
        raise ValueError(f"{what} must be one of {', '.join(map(repr, allowed))}, not {value!r}")


def present(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values there are: without those that are None."""
    return {name: value for name, value in values.items() if value is not None}
