"""Looking into a journal without opening it, and copying what is whole of one that is damaged.

Nothing here writes into the folder it reads, nor needs to own it: files are copied to memory one by one, as the process
that owns them may shorten one meanwhile. What such a process is writing just now looks torn, and is no damage.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from decouple.errors import StorageDamaged, StorageError, StorageInUse, StorageTooNew
from decouple.stores import records, shelf_records
from decouple.stores.frames import (
    HEADER,
    VERSION,
    Ending,
    Header,
    Mark,
    blank,
    next_whole,
    scan,
    unpacked,
    written_until,
)
from decouple.stores.log import Log
from decouple.stores.opening import parted, replayed, told
from decouple.stores.owner import owned_by, why_of
from decouple.stores.segments import NAME, Found, found_in

__all__ = [
    "Line",
    "Lost",
    "Record",
    "Salvaged",
    "Verdict",
    "described",
    "inspect",
    "salvage",
    "size_of",
    "verify",
    "walk",
]

Seen = Callable[[int], object]
"""Is told how many bytes were looked at."""


class Record(NamedTuple):
    """A whole record. ours: a mark of the log itself."""

    segment: int
    offset: int
    payload: bytes
    ours: bool


class Lost(NamedTuple):
    """Bytes that are not what was written, and where they end; 0 and 0: all of a segment that is not there.

    torn: nothing whole is behind them, at the end of it all: what somebody was writing when he was killed, or is writing.
    """

    segment: int
    offset: int
    end: int
    why: str
    torn: bool = False


class Line(NamedTuple):
    """One record in words."""

    segment: int
    offset: int
    what: str


class Verdict(NamedTuple):
    """What opening a journal would say of it. owner: the pid of a process that has it open; torn: bytes that would be cut."""

    records: int
    segments: int
    bytes: int
    torn: int
    owner: int | None
    damage: StorageDamaged | None


class Salvaged(NamedTuple):
    """How many records were copied, and what could not be."""

    records: int
    lost: list[Lost]


def size_of(folder: Path) -> int:
    """Bytes of a journal's files. Raises StorageError where there is none."""
    try:
        sizes = [path.stat().st_size for path in folder.iterdir() if NAME.fullmatch(path.name)]
    except OSError as error:
        raise StorageError(folder, f"{str(folder)!r} cannot be read: {why_of(error)}") from None
    if not sizes:
        raise StorageError(
            folder, f"{str(folder)!r} has no journal in it: its files are named segment-00000001 and so on"
        )
    return sum(sizes)


@contextmanager
def copied(path: Path) -> Generator[bytes]:
    """A file as it is now. Raises OSError."""
    yield path.read_bytes()


def verify(folder: Path, seen: Seen = int) -> Verdict:
    """Read all of a journal as opening it would, and change nothing. Raises StorageTooNew, StorageError."""
    size_of(folder)
    owner = owned_by(folder)
    ends: list[int] = []
    count, torn, damage = 0, 0, None
    used: list[Found] = []

    def ended(at: int) -> None:
        ends.append(at)
        seen(sum(ends))

    try:
        used, _, least = parted(found_in(folder))
        payloads = replayed(folder, used, least, seen=ended, reading=copied)
        while True:
            next(payloads)
            count += 1
    except StopIteration as over:
        torn = 0 if over.value is None else over.value.torn - over.value.at
    except StorageDamaged as error:
        damage = error
    except FileNotFoundError:
        raise StorageError(folder, f"{str(folder)!r} was cleaned by its owner meanwhile: try again") from None
    except OSError as error:
        raise StorageError(folder, f"{str(folder)!r} cannot be read: {why_of(error)}") from None
    return Verdict(count, len(used), sum(ends), torn, owner, damage)


def inspect(folder: Path, *, segment: int | None = None) -> Iterator[Line]:
    """Every record in words, oldest first, and what is damaged among them. Raises StorageTooNew, StorageError."""
    size_of(folder)
    numbers = [int(match[1]) for path in folder.iterdir() if (match := NAME.fullmatch(path.name))]
    if segment is not None and not min(numbers) <= segment <= max(numbers):
        there = f"from {min(numbers)} to {max(numbers)}"
        raise StorageError(folder, f"{str(folder)!r} has no segment {segment}: they are {there}")
    for one in walk(folder, segment=segment):
        if isinstance(one, Record):
            yield Line(one.segment, one.offset, told(one.payload) if one.ours else described(one.payload))
        else:
            yield Line(one.segment, one.offset, f"LOST {one.end - one.offset} bytes: {one.why}")


def described(payload: bytes) -> str:
    """What a payload means, in a line."""
    if payload[:1] in (shelf_records.PUT, shelf_records.DROP):
        return shelf_records.shown(payload)
    try:
        return records.shown(payload)
    except (ValueError, LookupError, struct.error):  # nothing that this version of the library has written
        return f"{payload[:60]!r} of {len(payload)} bytes"


def walk(folder: Path, *, segment: int | None = None, seen: Seen = int) -> Iterator[Record | Lost]:
    """All that is whole in a journal, and between it what is not; of one segment only, if asked.

    Raises StorageTooNew, StorageError.
    """
    paths = sorted((int(match[1]), path) for path in folder.iterdir() if (match := NAME.fullmatch(path.name)))
    done = 0
    for place, (number, path) in enumerate(paths):
        before = paths[place - 1][0] if place else number - 1
        for missing in range(before + 1, number):
            yield Lost(missing, 0, 0, "the segment is missing")
        if segment in (None, number):
            try:
                data, following = path.read_bytes(), next_header(paths, place)
            except OSError as error:
                raise StorageError(path, f"{str(path)!r} cannot be read: {why_of(error)}") from None
            yield from walk_one(number, path, data, following)
            seen(done := done + len(data))


def next_header(paths: list[tuple[int, Path]], place: int) -> Header | None:
    """That of the next segment, if it has one and there is nothing between."""
    if place + 1 == len(paths) or paths[place + 1][0] != paths[place][0] + 1:
        return None
    with paths[place + 1][1].open("rb") as file:
        return unpacked(file.read(HEADER))[0]


def walk_one(number: int, path: Path, data: bytes, following: Header | None) -> Iterator[Record | Lost]:
    """The same of one segment."""
    header, whole = unpacked(data[:HEADER])
    size = len(data)
    if header is None:
        if not blank(data, 0, size):
            yield Lost(number, 0, size, "no copy of its header is whole, and without it no record can be checked")
        return
    if header.version > VERSION:
        raise StorageTooNew(path, version=header.version, known=VERSION)
    if not whole:
        yield Lost(
            number, 0, HEADER, "one copy of its header is not whole, and the other is: no record is lost by that"
        )
    end = 0 if following is None else following.base - header.base
    at: int | None = HEADER
    while at is not None:
        ending = yield from records_of(number, data, at, header.salt)
        if ending.clean:
            if ending.at < end:
                yield Lost(number, ending.at, end, "it ends before the next segment began")
            return
        at = next_whole(data, ending.at + 1, size, header.salt)
        until = max(written_until(data, ending.at, size), end) if at is None else at
        torn = at is None and following is None
        why = "the last record is not whole" if torn else "it is not what was written"
        yield Lost(number, ending.at, until, why, torn)


def records_of(number: int, data: bytes, at: int, salt: int) -> Generator[Record, None, Ending]:
    """Those from `at` to the next that is not whole, with the log's own between them."""
    marks: list[Mark] = []
    found = scan(data, at, len(data), salt, marks)
    while True:
        try:
            offset, payload = next(found)
        except StopIteration as over:
            yield from (Record(number, one.at, one.payload, True) for one in marks)
            ending: Ending = over.value
            return ending
        yield from (Record(number, one.at, one.payload, True) for one in marks)
        marks.clear()
        yield Record(number, offset, payload, False)


def salvage(folder: Path, target: Path, seen: Seen = int) -> Salvaged:
    """Copy every whole record into a new journal in `target`, which must not be there yet, and say what was lost.

    It is made under another name first, so that what has that name is complete. Raises StorageError, NotKept.
    """
    size_of(folder)
    if (pid := owned_by(folder)) is not None:
        raise StorageInUse(folder, pid=pid)
    part = target.with_name(f"{target.name}.part")
    for path in (target, part):
        if path.exists():
            raise StorageError(path, f"{str(path)!r} is there already: name a folder that is not, or remove it")
    count, lost = 0, list[Lost]()
    log = Log(part, durability="disk")
    try:
        for _ in log.replay():
            raise AssertionError("a new log has something in it")
        for one in walk(folder, seen=seen):
            if isinstance(one, Lost):
                lost.append(one)
            elif not one.ours:
                count += 1
                with log.lock:
                    log.append(one.payload)
                if log.wants_segment:
                    log.prepare()
    finally:
        log.close()
    os.rename(part, target)
    return Salvaged(count, lost)
