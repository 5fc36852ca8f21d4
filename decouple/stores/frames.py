"""What a journal looks like on disk: a segment is a header, records one behind the other, and zeros that wait for more.

A record is its length, the checksum of its payload, and the payload. The checksum begins with the segment's salt, so that
a record of another segment never passes for one of this. A length of zero is what is not written yet. The highest bit of a
length tells marks, which are the log's own, from what it was given.

The header is there twice: without its salt no record of the segment could be read. Its size, and the place of its version
and checksum, are the same in all versions to come.

Everything here is bytes in and bytes out, and whatever the bytes are, the answer is a verdict and no exception.
"""

from __future__ import annotations

import re
from collections.abc import Generator
from mmap import mmap
from struct import Struct
from typing import NamedTuple, TypeAlias
from zlib import crc32

__all__ = [
    "HEADER",
    "LONGEST",
    "OVERHEAD",
    "VERSION",
    "Buffer",
    "Ending",
    "Header",
    "Mark",
    "blank",
    "frame",
    "mark",
    "next_whole",
    "packed",
    "scan",
    "unpacked",
    "written_until",
]

Buffer: TypeAlias = mmap | bytes

VERSION = 1
MAGIC = b"decouple"
LAYOUT = Struct("<8sHHIQQQ16s4x")  # and a checksum of these 60 bytes
COPY = LAYOUT.size + 4
HEADER = 2 * COPY
"""Bytes before the first record of a segment."""

WORDS = Struct("<II")
OVERHEAD = WORDS.size
"""Bytes of a record beside its payload."""
OURS = 0x8000_0000
OTHER = 0xFFFF_FFFF
"""A mark has a salt of its own, or one bit more in its length would make a mark of a record."""
LONGEST = OURS - 1
"""Bytes of the largest payload."""

ZEROS = bytes(1 << 16)
LIKELY = re.compile(rb"[\x00\x80]")
"""The highest byte of a length under 16 MiB."""
ANY = re.compile(rb"[\s\S]")


class Header(NamedTuple):
    """How a segment begins. base: bytes of all the segments before it, ever; made: nanoseconds since 1970.

    boot: 16 bytes, of this run of the machine; disk: whether its records are synced before anybody is told of them.
    """

    number: int
    base: int
    salt: int
    made: int
    boot: bytes
    disk: bool = False
    version: int = VERSION


class Mark(NamedTuple):
    """What the log notes for itself."""

    at: int
    payload: bytes


class Ending(NamedTuple):
    """Where the records of a segment end. clean: nothing but zeros is behind them."""

    at: int
    clean: bool


def packed(header: Header) -> bytes:
    """A header as it is written, twice."""
    number, base, salt, made, boot, disk, version = header
    fields = LAYOUT.pack(MAGIC, version, disk, salt, number, base, made, boot)
    return 2 * (fields + crc32(fields).to_bytes(4, "little"))


def unpacked(data: bytes) -> tuple[Header | None, bool]:
    """The header in the first bytes of a segment, None if no copy of it is whole; and whether both are."""
    copies = [one_copy(data[at : at + COPY]) for at in (0, COPY)]
    return copies[0] or copies[1], copies[0] is not None and copies[0] == copies[1]


def one_copy(data: bytes) -> Header | None:
    fields, check = data[: LAYOUT.size], data[LAYOUT.size :]
    if len(data) != COPY or crc32(fields) != int.from_bytes(check, "little") or not fields.startswith(MAGIC):
        return None
    _, version, flags, salt, number, base, made, boot = LAYOUT.unpack(fields)
    return Header(number, base, salt, made, boot, bool(flags & 1), version)


def frame(payload: bytes, salt: int) -> bytes:
    """A payload of 1 to LONGEST bytes as a record."""
    return WORDS.pack(len(payload), crc32(payload, salt)) + payload


def mark(payload: bytes, salt: int) -> bytes:
    """The same for what the log notes for itself."""
    return WORDS.pack(len(payload) | OURS, crc32(payload, salt ^ OTHER)) + payload


def scan(
    memory: Buffer, at: int, end: int, salt: int, marks: list[Mark] | None = None
) -> Generator[tuple[int, bytes], None, Ending]:
    """The records from `at` to the first that is not whole: (offset, payload) of each. Returns how they ended.

    marks: takes the log's own, which are not among them.
    """
    words, check, last = WORDS.unpack_from, crc32, end - OVERHEAD
    while at < last:
        length, checksum = words(memory, at)
        start = at + 8
        stop = start + length
        if stop <= end and length:
            payload = memory[start:stop]
            if check(payload, salt) != checksum:
                break
            yield at, payload
        else:
            stop = start + (length & LONGEST)
            payload = memory[start:stop]
            if length <= OURS or stop > end or check(payload, salt ^ OTHER) != checksum:
                break
            if marks is not None:
                marks.append(Mark(at, payload))
        at = stop
    return Ending(at, blank(memory, at, end))


def blank(memory: Buffer, at: int, end: int) -> bool:
    """Whether there are only zeros. Cost: 0.1 ms per MiB."""
    step = len(ZEROS)
    return all(ZEROS.startswith(memory[one : min(one + step, end)]) for one in range(at, end, step))


def written_until(memory: Buffer, at: int, end: int) -> int:
    """Behind the last byte that is not zero."""
    step = len(ZEROS)
    while end > at and ZEROS.startswith(memory[max(at, end - step) : end]):
        end = max(at, end - step)
    return max(at, end - step) + len(memory[max(at, end - step) : end].rstrip(b"\0"))


def next_whole(memory: Buffer, at: int, end: int, salt: int, patience: int | None = None) -> int | None:
    """The offset of the first whole record, or mark, that begins at `at` or behind it; None: there is none.

    It may begin anywhere, as the length of the one before it may be what is wrong. patience: how many bytes may be
    summed up in the search, which random ones make long: -1 is the answer when that is over. Cost: 0.1 us a byte.
    """
    likely = LIKELY if end - at < 1 << 24 else ANY
    left = -1 if patience is None else patience
    last = min(written_until(memory, at, end), end - OVERHEAD)
    for window in range(at, last, len(ZEROS)):  # a copy of a part, as an expression holds on to what it searches
        for match in likely.finditer(memory[window + 3 : min(window + len(ZEROS), last) + 3]):
            one = window + match.start()
            length, checksum = WORDS.unpack_from(memory, one)
            seed = salt ^ OTHER if length & OURS else salt
            length &= LONGEST
            if not 0 < length <= end - one - OVERHEAD:
                continue
            if crc32(memory[one + OVERHEAD : one + OVERHEAD + length], seed) == checksum:
                return one
            if patience is not None and (left := left - length) < 0:
                return -1
    return None
