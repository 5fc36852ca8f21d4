"""A log: payloads appended to segments in a folder, read again by the next process that opens it.

What a payload means is others' affair, and so is when a segment is needed no more; only the oldest is ever removed.
A log is one process's: a second one is refused, and in a child of its process it is of no use.
"""

from __future__ import annotations

import logging
import os
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Literal, NamedTuple

from decouple.errors import StorageError, StorageInUse
from decouple.stores.appending import Appending, let_go
from decouple.stores.flushing import Flusher
from decouple.stores.frames import HEADER, OVERHEAD, mark, packed
from decouple.stores.opening import OPENED, REMOVED, SYNCED, Tail, parted, read_back, replayed
from decouple.stores.owner import Owner, why_of
from decouple.stores.segments import LINUX, boot_of, found_in, opened, path_of, set_aside, settle_folder

__all__ = ["Log", "Segment"]

SEGMENT = 8 * 1024 * 1024
LEAST = 4096
LOGGER = logging.getLogger("decouple")


class Segment(NamedTuple):
    """One of a log's files. bytes: of its header and records."""

    number: int
    bytes: int


class Log(Appending):
    """The log in a folder, which is made if need be; this process owns it until `close`. `replay` comes first.

    durability: "process" or "disk", noted so that the next process knows what was promised; to wait for the disk is what
    `sync` is for. segment_bytes: the size of new segments. Raises StorageInUse, StorageDamaged, StorageTooNew, StorageError.

    Under `lock` a record (frames.frame, with `salt`) may be written without a call, in a third of the time: to `mem` at
    `at` if it ends by `room`, and then `at` is that end. `number` is the segment's, `position` is `base + at`. Whoever
    sees `wants_segment` calls `prepare` without the lock; `full` is what to raise for what can be refused.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        durability: Literal["process", "disk"] = "process",
        segment_bytes: int = SEGMENT,
    ) -> None:
        if durability not in ("process", "disk"):
            raise ValueError(f"durability must be 'process' or 'disk', not {durability!r}")
        if isinstance(segment_bytes, bool) or not isinstance(segment_bytes, int) or segment_bytes < LEAST:
            raise ValueError(f"segment_bytes must be an int of at least {LEAST:,}, not {segment_bytes!r}")
        super().__init__(Path(path), durability, segment_bytes)
        self.synced = 0
        self._marked = 0
        self._syncing = threading.Lock()
        self._gate = threading.Event()
        self._flusher = Flusher(self.sync)
        self._pid = os.getpid()
        make_folder(self.path)
        self._owner = Owner(self.path)
        try:
            self._found = found_in(self.path)
        except OSError as error:
            self._owner.release()
            raise unreadable(self.path, error) from None
        except BaseException:
            self._owner.release()
            raise
        LOGS.add(self)

    def __repr__(self) -> str:
        return f"<Log {str(self.path)!r}: {self._state}, {self.total_bytes:,} bytes>"

    def replay(self) -> Iterator[tuple[int, bytes]]:
        """Every payload with the number of its segment, oldest first, once; when all are read, the log can be appended to.

        A record torn by the end of the last process is cut, and its bytes kept beside, with a warning. Where reading ends
        early or this raises, nothing was changed: close the log then. Raises StorageDamaged, StorageError, NotKept.
        Cost: 2 to 3 us a record of 1 KiB.
        """
        if self._state != "new":
            raise ValueError(f"the log in {str(self.path)!r} was read already: it is read once, and then appended to")
        self._state = "read"
        used, ahead, least = parted(self._found)
        ends: list[int] = []
        try:
            tail = yield from replayed(self.path, used, least, seen=ends.append)
        except OSError as error:
            raise unreadable(self.path, error) from None
        with self.lock:
            self._older = {one.number: end for one, end in zip(used[:-1], ends, strict=False)}
            self._unsynced = {one.number: one.path for one in used[:-1]}  # nobody knows whether they are
            try:
                for one in ahead:
                    one.path.unlink()
                self._begin(tail, ahead[-1].number if ahead and not used else 1)
            except OSError as error:
                raise self._not_kept(error) from None

    def _begin(self, tail: Tail | None, number: int) -> None:
        """Make the end that is appended to. Raises OSError."""
        if tail is None:
            made, header = self._made(number, self.segment_bytes), self._header(number, 0)
            made.memory[:HEADER] = packed(header)
            self._enter(made, header, HEADER)
        else:
            if tail.torn > tail.at:
                self._cut(tail)
            made = opened(tail.path, tail.header.number, max(tail.size, self.segment_bytes))
            self._enter(made, tail.header, tail.at)
        self._state = "open"
        self._append(OPENED.pack(b"O", boot_of(), self.durability == "disk", os.getpid(), time.time_ns()), mark)

    def _cut(self, tail: Tail) -> None:
        """Keep what is torn beside, and take it off. Raises OSError."""
        with tail.path.open("rb") as file:
            file.seek(tail.at)
            kept = set_aside(self.path, tail.header.number, tail.at, file.read(tail.torn - tail.at))
        os.truncate(tail.path, tail.at)
        why = "the last record is not whole, as its writer ended in the midst of it"
        LOGGER.warning("%s: %s: %d bytes are now in %s", tail.path, why, tail.torn - tail.at, kept.name)

    def segments(self) -> list[Segment]:
        """What there is, oldest first; the last is the one that is appended to."""
        with self.lock:
            return [Segment(*one) for one in self._sizes().items()]

    def _sizes(self) -> dict[int, int]:
        return {**self._older, self.number: self.at} if self.number else {}

    @property
    def total_bytes(self) -> int:
        """Bytes of all segments. Cost: O(segments)."""
        return sum(self._older.copy().values()) + self.at

    def read(self, number: int) -> Iterator[bytes]:
        """The payloads of a segment, oldest first. Raises LookupError, StorageDamaged, StorageError."""
        with self.lock:
            self._check()
            end = self._sizes()[number]
        try:
            yield from read_back(path_of(self.path, number), number, end)
        except OSError as error:
            raise unreadable(self.path, error) from None

    def remove_oldest(self, number: int) -> None:
        """Remove a segment of which nothing is needed, or all that is was appended again; it syncs that first.

        Raises ValueError for another than the oldest, or the only one; NotKept, StorageError.
        """
        with self.lock:
            self._check()
            oldest = next(iter(self._older), None)
            if number != oldest:
                raise ValueError(f"only the oldest segment but the last can be removed: {oldest}, not {number!r}")
            self._append(REMOVED.pack(b"R", number), mark)  # so that one that vanishes otherwise is missed
        self.sync()
        try:
            path_of(self.path, number).unlink(missing_ok=True)
        except OSError as error:
            raise self._not_kept(error) from None
        with self.lock:
            self._older.pop(number, None)
            self._unsynced.pop(number, None)
        self._settle_folder()

    def sync(self, position: int | None = None) -> None:
        """Return when all up to `position`, by default all there is, is on the disk; one waits for all that wait.

        When the disk fails once, nothing can be said of what was written before, so the log is broken until it is opened
        anew. Raises NotKept, StorageError. Cost: one fdatasync, 0.05 to 5 ms, or none.
        """
        if position is None:
            with self.lock:
                position = self.base + self.at
        while self.synced < position:
            gate = self._gate
            if self._syncing.locked():
                # Not for the lock: whoever's bytes were synced by the one who has it shall go on at once, and not when
                # the next has synced too. The second is for a leader who was interrupted before it opened the gate.
                gate.wait(1)
                continue
            try:
                with self._syncing:
                    if self.synced < position:
                        self._flush()
            finally:
                gate, self._gate = self._gate, threading.Event()
                gate.set()

    def _flush(self) -> None:
        with self.lock:
            self._check()
            assert self._current is not None
            if not LINUX:
                self.mem.flush()
            self._note_synced()
            reach, unsynced = self.base + self.at, dict(self._unsynced)
            file = os.dup(self._current.file)  # its own, as the segment may be left meanwhile
        try:
            for path in unsynced.values():
                self._settle_path(path)
            self._settle(file)
        finally:
            os.close(file)
        if not self._folder_synced:
            self._folder_synced = True  # before it is, as another segment may be made meanwhile
            self._settle_folder()
        with self.lock:
            for number in unsynced:
                self._unsynced.pop(number, None)
        self.synced = reach

    def _note_synced(self) -> None:
        """Write down what was synced, where that is promised to somebody: see `opening`."""
        room = self.at + OVERHEAD + SYNCED.size <= self._end
        if self.durability == "disk" and self.synced > self._marked and room:
            self._append(SYNCED.pack(b"S", self.synced), mark)
            self._marked = self.synced

    def _settle_path(self, path: Path) -> None:
        try:
            file = os.open(path, os.O_RDWR)
        except FileNotFoundError:  # it was not needed any more
            return
        except OSError as error:
            raise self._break(error) from error
        try:
            self._settle(file)
        finally:
            os.close(file)

    async def asynced(self, position: int) -> None:
        """The same for a task: those of any loops wait for one thread, and that for the disk once for all of them."""
        if self.synced < position:
            self._check()
            await self._flusher.flushed(position)

    def close(self) -> None:
        """Sync what was promised to be, and give back the folder and what of it was not used. Twice is no error."""
        self._flusher.close()
        try:
            if self._state == "open" and self.durability == "disk" and self.broken is None:
                self.sync()
        finally:
            with self.lock, self._preparing:
                self._state, self.room, self.wants_segment = "closed", 0, False
                self._release()

    def __del__(self) -> None:
        """Nobody has it any more and nobody closed it: the folder is free, as it would be at the end of the process."""
        if "_owner" in vars(self):
            self._release()

    def _release(self) -> None:
        # What is not done here, whoever opens the log next finds: a segment that is not used, and zeros behind the last
        # record of another. So a disk that refuses it is no reason to fail.
        if (spare := self._spare) is not None:
            self._spare = None
            let_go(spare)
            with suppress(OSError):
                spare.path.unlink()
        if (current := self._current) is not None:
            self._current = None
            with suppress(OSError):
                if self.broken is None:
                    os.ftruncate(current.file, self.at)
            let_go(current)
        self._owner.release()
        LOGS.discard(self)

    def _disown(self) -> None:
        """In a child of the process: this log is its parent's, and so is the lock, which lasts as long as anybody has it."""
        for lock in (self.lock, self._preparing, self._syncing):
            lock._at_fork_reinit()  # type: ignore[attr-defined]  # as in threading and logging: nobody here holds it
        self.room, self.wants_segment, self._state = 0, False, "closed"
        self.broken = StorageInUse(self.path, pid=self._pid)
        for made in (self._current, self._spare):
            if made is not None:
                let_go(made)
        self._current = self._spare = None
        self._owner.release()


LOGS: weakref.WeakSet[Log] = weakref.WeakSet()


def disown() -> None:
    """Take every log from a child of the process that owns it."""
    for log in list(LOGS):
        log._disown()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=disown)


def make_folder(path: Path) -> None:
    """Make a folder that only its owner can read, if it is not there. Raises StorageError."""
    try:
        made = [one for one in (path, *path.parents) if not one.exists()]
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        for one in made:
            with suppress(PermissionError):  # of who may make a folder there and not read it
                settle_folder(one.parent)
    except OSError as error:
        raise StorageError(path, f"{str(path)!r} cannot be made a folder: {why_of(error)}") from None


def unreadable(path: Path, error: OSError) -> StorageError:
    return StorageError(path, f"{str(path)!r} cannot be read: {why_of(error)}")
