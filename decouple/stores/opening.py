"""Reading a journal from its first record to its last, and the verdict on how it ends.

What a process was writing when it was killed may be torn: it is the last thing in the last segment, nobody was told that it
is kept, and it may be cut. All else that is not whole is damage: a bad record with whole ones behind it, or a segment that
does not reach to where the next begins. Damage is for a person to look at, so opening refuses it and changes nothing.

One thing looks like damage and is none: when the power fails, pages of the last moment reach the disk in any order, or not
at all. The log notes what it has synced ("disk"), and everything behind the last such note was promised to nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager
from pathlib import Path
from struct import Struct
from typing import NamedTuple

from decouple.errors import StorageDamaged
from decouple.stores.frames import (
    HEADER,
    Buffer,
    Ending,
    Header,
    Mark,
    blank,
    next_whole,
    scan,
    unpacked,
    written_until,
)
from decouple.stores.segments import MEND, Found, boot_of, mapped, path_of

__all__ = ["OPENED", "REMOVED", "SYNCED", "Tail", "parted", "read_back", "replayed", "told"]

OPENED = Struct("<c16s?IQ")
"""b"O", the machine's boot, whether durability is "disk", the pid, nanoseconds since 1970."""
SYNCED = Struct("<cQ")
"""b"S", the position up to which all was on the disk."""
REMOVED = Struct("<cQ")
"""b"R", the number of a segment that is no more needed."""

PATIENCE = 1 << 31
FAR = 1 << 63


class Tail(NamedTuple):
    """Where a journal ends: the last segment, the end of its records, and that of what is torn behind them."""

    path: Path
    header: Header
    size: int
    at: int
    torn: int


def parted(found: list[Found]) -> tuple[list[Found], list[Found], int]:
    """Segments with something in them, those behind that were made ahead, and the position that the former must reach."""
    used, ahead, least = list(found), list[Found](), 0
    while used and (used[-1].header is None or (len(used) > 1 and empty(used[-1]))):
        last = used.pop()
        ahead.append(last)
        least = 0 if last.header is None else last.header.base
    return used, ahead, least


def empty(segment: Found) -> bool:
    with segment.path.open("rb") as file:  # not as memory, as its owner may shorten it while a tool reads
        file.seek(HEADER)
        while part := file.read(1 << 16):
            if not blank(part, 0, len(part)):
                return False
    return True


def replayed(
    folder: Path,
    used: list[Found],
    least: int,
    *,
    seen: Callable[[int], object] | None = None,
    reading: Callable[[Path], AbstractContextManager[Buffer]] = mapped,
) -> Generator[tuple[int, bytes], None, Tail | None]:
    """Every payload with the number of its segment, oldest first; returns how it ends, None if there is nothing.

    seen: is told the end of each segment's records; reading: how a segment is looked at. Raises StorageDamaged, OSError.
    """
    marks: list[Mark] = []
    removed, tail = 0, None
    for place, listed in enumerate(used):
        header, last = listed.header, place == len(used) - 1
        assert header is not None
        with reading(listed.path) as memory:
            segment = listed._replace(size=len(memory))
            marks.clear()
            records = scan(memory, HEADER, segment.size, header.salt, marks)
            number = segment.number
            try:
                while True:
                    yield number, next(records)[1]
            except StopIteration as over:
                ending: Ending = over.value
            if last:
                torn = torn_in(segment, memory, ending, marks)
                tail = Tail(segment.path, header, segment.size, ending.at, torn)
                check_end(segment, ending.at, least, exact=False)
            else:
                following = used[place + 1].header
                assert following is not None
                check_end(segment, ending.at, following.base, exact=True)
                if not ending.clean:
                    raise damaged(segment, ending.at, "behind the last record there is something else")
        if seen is not None:
            seen(ending.at)
        removed = max([removed, *(REMOVED.unpack(m.payload)[1] for m in marks if m.payload[:1] == b"R")])
    if used and used[0].number > removed + 1:
        raise StorageDamaged(folder, why=f"{path_of(folder, removed + 1).name} is missing", mend=MEND.format(folder))
    return tail


def read_back(path: Path, number: int, end: int) -> Generator[bytes]:
    """The payloads of one segment, whose records end there. Raises StorageDamaged, OSError."""
    with mapped(path) as memory:
        header, _ = unpacked(memory[:HEADER])
        segment = Found(number, path, end, header)
        if header is None:
            raise damaged(segment, 0, "its header is not what was written")
        records = scan(memory, HEADER, end, header.salt)
        try:
            while True:
                yield next(records)[1]
        except StopIteration as over:
            if over.value.at != end:
                raise damaged(segment, over.value.at, "the record there is not what was written") from None


def check_end(segment: Found, at: int, next_base: int, *, exact: bool) -> None:
    """Raise StorageDamaged where records end before those of the next segment began."""
    assert segment.header is not None
    reached = segment.header.base + at
    if reached < next_base or (exact and reached != next_base):
        raise damaged(segment, at, "the record there is not whole, and there are later ones")


def torn_in(segment: Found, memory: Buffer, ending: Ending, marks: list[Mark]) -> int:
    """Where the torn rest of the last segment ends: at `ending.at` if there is none. Raises StorageDamaged."""
    if ending.clean:
        return ending.at
    assert segment.header is not None
    salt, size = segment.header.salt, segment.size
    follows = next_whole(memory, ending.at + 1, size, salt, PATIENCE)
    if follows is None:
        return written_until(memory, ending.at, size)
    opened = [OPENED.unpack(one.payload) for one in marks if one.payload[:1] == b"O"]
    boot, disk = opened[-1][1:3] if opened else (segment.header.boot, segment.header.disk)
    restarted = any(boot) and boot != boot_of()
    if follows < 0 or not restarted:
        raise damaged(segment, ending.at, "the record there is not whole, and whole ones are behind it")
    if not disk:
        lost = "the machine was started anew since, and durability='process' survives no loss of power"
        raise damaged(segment, ending.at, f"the record there is not whole, and whole ones are behind it; {lost}")
    if promised(memory, follows, size, salt) > segment.header.base + ending.at:
        raise damaged(segment, ending.at, "the record there is not whole, and was synced")
    return written_until(memory, ending.at, size)


def promised(memory: Buffer, at: int | None, end: int, salt: int) -> int:
    """The furthest position that was noted as synced, from `at` on."""
    marks: list[Mark] = []
    while at is not None:
        records = scan(memory, at, end, salt, marks)
        try:
            while True:
                next(records)
        except StopIteration as over:
            at = next_whole(memory, over.value.at + 1, end, salt, PATIENCE)
            if at == -1:
                return FAR
    return max((SYNCED.unpack(one.payload)[1] for one in marks if one.payload[:1] == b"S"), default=0)


def damaged(segment: Found, at: int, why: str) -> StorageDamaged:
    return StorageDamaged(segment.path, why=why, offset=at, mend=MEND.format(segment.path.parent))


def told(payload: bytes) -> str:
    """A mark in words."""
    kind = payload[:1]
    if kind == b"O" and len(payload) == OPENED.size:
        _, _, disk, pid, at = OPENED.unpack(payload)
        return f"opened by process {pid}, durability={'disk' if disk else 'process'!r}, at {at / 1e9:.3f}"
    if kind == b"S" and len(payload) == SYNCED.size:
        return f"synced up to {SYNCED.unpack(payload)[1]}"
    if kind == b"R" and len(payload) == REMOVED.size:
        return f"segment {REMOVED.unpack(payload)[1]} removed"
    return f"a mark of {len(payload)} bytes"
