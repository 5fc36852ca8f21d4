"""What a shelf writes into a journal: b"P", a value is put, and b"D", it is dropped."""

from __future__ import annotations

from struct import Struct
from typing import NamedTuple

__all__ = ["DROP", "PUT", "Dropped", "Put", "dropped", "put", "read", "shown"]

PUT, DROP = b"P", b"D"
HEAD = Struct("<cQHI")
"""What it is; the place in the order of those that were put first; the bytes of the kind and of the key."""
SURROGATES = "surrogatepass"
"""Any str is a key, also one that is no Unicode."""


class Put(NamedTuple):
    """text: the value as JSON; place: among all that were ever put for the first time."""

    kind: str
    key: str
    place: int
    text: bytes


class Dropped(NamedTuple):
    """It is forgotten."""

    kind: str
    key: str


def put(kind: str, key: str, place: int, text: bytes) -> bytes:
    """The payload of a value that is put."""
    return b"".join((*head(PUT, kind, key, place), text))


def dropped(kind: str, key: str) -> bytes:
    """The payload of one that is dropped."""
    return b"".join(head(DROP, kind, key, 0))


def head(what: bytes, kind: str, key: str, place: int) -> tuple[bytes, bytes, bytes]:
    one, two = kind.encode("utf-8", SURROGATES), key.encode("utf-8", SURROGATES)
    return HEAD.pack(what, place, len(one), len(two)), one, two


def read(payload: bytes) -> Put | Dropped:
    """What such a payload says. Raises ValueError for another."""
    if payload[:1] not in (PUT, DROP) or len(payload) < HEAD.size:
        raise ValueError(f"not a shelf's: {payload[:20]!r}")
    what, place, one, two = HEAD.unpack_from(payload)
    middle = HEAD.size + one
    end = middle + two
    kind = payload[HEAD.size : middle].decode("utf-8", SURROGATES)
    key = payload[middle:end].decode("utf-8", SURROGATES)
    return Put(kind, key, place, payload[end:]) if what == PUT else Dropped(kind, key)


def shown(payload: bytes) -> str:
    """The same for people, in one line."""
    record = read(payload)
    if isinstance(record, Dropped):
        return f"drop {record.kind} {record.key!r}"
    text = record.text.decode("utf-8", "replace")
    return (
        f"put {record.kind} {record.key!r} {text if len(text) <= 200 else f'{text[:200]}... {len(text):,} characters'}"
    )
