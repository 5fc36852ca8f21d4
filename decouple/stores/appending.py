"""The end of a log that is appended to: the memory of its newest segment, and the next one made ahead.

What is written to that memory is the system's at once, whatever becomes of the process, and takes no call into it. Here
is the order in which one segment follows another, such that a kill between any two lines leaves a log that opens, and an
exception at any call one that goes on.

Locks are taken in this order: `lock`, which whoever appends holds, then the one of who makes a segment.
"""

from __future__ import annotations

import errno
import os
import secrets
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from mmap import mmap
from pathlib import Path
from typing import Literal, cast

from decouple.errors import NotKept, StorageError
from decouple.stores.frames import HEADER, LONGEST, OVERHEAD, Header, frame, packed
from decouple.stores.owner import why_of
from decouple.stores.segments import Made, boot_of, made_at, opened, settle_file, settle_folder

__all__ = ["Appending"]

FULL = (errno.ENOSPC, errno.EDQUOT)


class Appending:
    """What a log writes with. See Log for what is public here."""

    mem: mmap
    lock: threading.Lock

    def __init__(self, path: Path, durability: Literal["process", "disk"], segment_bytes: int) -> None:
        self.path = path
        self.durability: Literal["process", "disk"] = durability
        self.segment_bytes = segment_bytes
        self.lock = threading.Lock()
        self.mem = cast("mmap", b"")  # as nothing may be written there yet: `room` is 0
        self.at = self.room = self.salt = self.base = self.number = 0
        self.wants_segment = False
        self.full: NotKept | None = None
        self.broken: StorageError | None = None
        self._state: Literal["new", "read", "open", "closed"] = "new"
        self._end = 0  # of the segment; `room` is only its first half, until the next one is wanted
        self._current: Made | None = None
        self._spare: Made | None = None
        self._older: dict[int, int] = {}  # the bytes of each, oldest first
        self._unsynced: dict[int, Path] = {}
        self._folder_synced = False
        self._preparing = threading.Lock()

    @property
    def position(self) -> int:
        """How many bytes there were ever before what comes next: `base + at`."""
        return self.base + self.at

    @property
    def left(self) -> int:
        """Bytes until the end of the segment that is appended to."""
        return self._end - self.at

    def append(self, payload: bytes) -> None:
        """Write a payload of at least one byte; `lock` is held. Raises NotKept, StorageError: then nothing was written."""
        record = frame(payload, self.salt)
        end = self.at + len(record)
        if end > self.room or not payload:
            self._append(payload, frame)
            return
        self.mem[self.at : end] = record
        self.at = end

    def reserve(self, needed: int) -> None:
        """Have room for so many bytes of records; `lock` is held. Raises NotKept, StorageError: then nothing was changed."""
        if self.at + needed > self.room:
            self._check()
            self._make_room(needed)

    def _append(self, payload: bytes, framed: Callable[[bytes, int], bytes]) -> None:
        """The same where there may be no room."""
        if not 0 < len(payload) <= LONGEST:
            raise ValueError(f"a payload must have from 1 to {LONGEST:,} bytes, not {len(payload):,}")
        self._check()
        self._make_room(OVERHEAD + len(payload))
        record = framed(payload, self.salt)  # now, as another segment has another salt
        end = self.at + len(record)
        self.mem[self.at : end] = record
        self.at = end

    def _make_room(self, needed: int) -> None:
        """Have `room` for so many bytes. Raises NotKept."""
        if self.at + needed > self.room:
            self.room = self._end
            self.wants_segment = self._spare is None
        if self.at + needed > self.room:
            try:
                self._roll(HEADER + needed)
            except OSError as error:
                self.full = self._not_kept(error)
                raise self.full from None

    def _roll(self, size: int) -> None:
        """Go on in the next segment, of at least that size. Raises OSError, NotKept, and then goes on in this one."""
        spare = self._spare or self._spare_now(max(size, self.segment_bytes))
        if spare.size < size:  # a record larger than a segment has one for itself
            self._spare, small = opened(spare.path, spare.number, size), spare
            let_go(small)
            spare = self._spare
        old, at = self._current, self.at
        assert old is not None
        if self.durability == "disk":  # or a loss of power could leave the next segment and not the end of this one
            self._settle(old.file)
        header = self._header(spare.number, self.base + at)
        spare.memory[:HEADER] = packed(header)
        self._enter(spare, header, HEADER)
        with suppress(OSError):  # its rest is no more than zeros
            os.ftruncate(old.file, at)
        let_go(old)

    def _spare_now(self, size: int) -> Made:
        with self._preparing:
            if self._spare is None:
                self._spare = self._made(self.number + 1, size)
            return self._spare

    def _enter(self, made: Made, header: Header, at: int) -> None:
        """Append to this one from here on: all of it is changed in one step, which no signal comes between."""
        older, unsynced = dict(self._older), dict(self._unsynced)
        if self._current is not None:
            older[self.number] = self.at
            unsynced[self.number] = self._current.path
        vars(self).update(
            mem=made.memory,
            at=at,
            room=max(at, made.size // 2),
            salt=header.salt,
            base=header.base,
            number=made.number,
            wants_segment=False,
            full=None,
            _end=made.size,
            _current=made,
            _spare=None,
            _older=older,
            _unsynced=unsynced,
        )

    def _header(self, number: int, base: int) -> Header:
        return Header(number, base, secrets.randbits(32), time.time_ns(), boot_of(), self.durability == "disk")

    def _made(self, number: int, size: int) -> Made:
        self._folder_synced = False
        return made_at(self.path, number, size)

    def prepare(self) -> None:
        """Make the next segment if `wants_segment`; `lock` is not held. If the disk is full, `full` says so from then on.

        It is tried again by the next call, and `full` is None when that works. Cost: about 1 ms, once a segment.
        """
        with self._preparing:
            if self._spare is not None:
                self.wants_segment = False
            if not self.wants_segment or self._state != "open" or self.broken is not None:
                return
            try:
                spare = self._made(self.number + 1, self.segment_bytes)
            except OSError as error:
                self.full = self._not_kept(error)
                return
            if self.durability == "disk":
                self._folder_synced = True  # before it is, as another may be made meanwhile
                self._settle_folder()
            vars(self).update(_spare=spare, wants_segment=False, full=None)

    def _settle(self, file: int) -> None:
        """Sync a file. Raises NotKept, and then the log is broken: nothing can be said of what was written before."""
        try:
            settle_file(file)
        except OSError as error:
            raise self._break(error) from error

    def _settle_folder(self) -> None:
        try:
            settle_folder(self.path)
        except OSError as error:
            raise self._break(error) from error

    def _break(self, error: OSError) -> NotKept:
        why = f"the disk failed ({why_of(error)}), so what was written last may not be there: open the broker anew"
        broken = NotKept(self.path, why=why)
        vars(self).update(room=0, broken=broken)
        return broken

    def _not_kept(self, error: OSError) -> NotKept:
        why = "the disk is full" if error.errno in FULL else why_of(error)
        return NotKept(self.path, why=why)

    def _check(self) -> None:
        """Raise where nothing may be appended."""
        if self.broken is not None:
            raise self.broken
        if self._state != "open":
            closed = "closed: settle messages before their broker is closed, or in the next one by their receipts"
            state = closed if self._state == "closed" else "not read yet: replay() comes first"
            raise StorageError(self.path, f"the log in {str(self.path)!r} is {state}")


def let_go(made: Made) -> None:
    """Close a segment's file, which stays."""
    made.memory.close()
    os.close(made.file)
