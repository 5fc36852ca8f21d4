"""The MD5 digests by which a receiver of SQS checks that body and attributes came through as they were sent.

They guard against damage, not against anybody: hence MD5, also where it is barred as a means of security.
Source: SQS developer guide, "Calculating the MD5 message digest for message attributes".
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import md5
from typing import Any

from decouple.attributes import wire_parts

__all__ = ["md5_of_attributes", "md5_of_text"]

# Lists are sent as text, too: what the types in front of the values say is the transport, not the meaning.
TEXT, BINARY = b"\x01", b"\x02"


def md5_of_text(text: str) -> str:
    """The digest of a body: hexadecimal, of its UTF-8."""
    return md5(text.encode(), usedforsecurity=False).hexdigest()


def md5_of_attributes(attributes: Mapping[str, Any]) -> str:
    """The digest of stored attributes: each one's name, type and value, with their lengths, in order of the names."""
    digest = md5(usedforsecurity=False)
    for name in sorted(attributes):
        kind, value = wire_parts(attributes[name])
        transport = TEXT if isinstance(value, str) else BINARY
        data = value.encode() if isinstance(value, str) else value
        digest.update(measured(name.encode()) + measured(kind.encode()) + transport + measured(data))
    return digest.hexdigest()


def measured(data: bytes) -> bytes:
    """The bytes after their number in four."""
    return len(data).to_bytes(4, "big") + data
