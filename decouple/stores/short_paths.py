"""Sending, receiving and acknowledging what is plain, one or many: written down and committed in one step, under the lock.

No Change is made and nothing is looked at twice. Each step first makes all it needs and then commits in lines without a
call, as everywhere in the engine (core/places.py): the record is in the journal and the message in its place, or neither.
Where anything is out of the ordinary the general way does it: another listener, parked receives, tenants, a segment that is
full. What was measured is in benchmarks/durable.txt: a cycle of 1 KiB takes about 10 us here, 40 the general way.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice, repeat
from struct import Struct
from typing import TYPE_CHECKING, Any
from zlib import crc32

from decouple.attributes import Value
from decouple.clock import Seconds
from decouple.core.records import Record
from decouple.entries import plain
from decouple.generic import Json, T
from decouple.lineage import LINEAGE, RUNS
from decouple.message import Entry, Message, Sent, new_sent
from decouple.queue import Queue
from decouple.stores.records import CODES, HEAD, SENT, STEP, STEP_HEAD

if TYPE_CHECKING:
    from decouple.stores.journal import Journal
    from decouple.stores.log import Log

__all__ = ["OVERHEAD", "ShortPaths", "write"]

RECEIVED, DELETED = CODES["received"], CODES["deleted"]
FRAME = Struct("<II")
STEP_SIZE = FRAME.size + STEP_HEAD.size
OVERHEAD = 64
"""Bytes a message takes in the journal beside its body, about."""


def write(files: Log, payload: bytes) -> bool:
    """Under the lock: append a record where there is room in the segment; False, and nothing done, where there is none."""
    frame = FRAME.pack(len(payload), crc32(payload, files.salt)) + payload
    at = files.at
    end = at + len(frame)
    if end > files.room:
        return False
    # commit
    files.mem[at:end] = frame
    files.at = end
    return True


class ShortPaths(Queue[T]):
    """The part of a JournalQueue that need not be general."""

    _journal: Journal
    _files: Log
    _number: int
    _disk: bool

    # -- sending -----------------------------------------------------------------------------------------------

    def send(
        self,
        body: T | Json,
        *,
        delay: Seconds | None = None,
        attributes: Mapping[str, Value] | None = None,
        group: str | None = None,
        deduplication_id: str | None = None,
        system: Mapping[str, str] | None = None,
    ) -> Sent:
        """Add a message; it is written down, and in "disk" mode on the disk, when this returns. See Queue.send.

        Raises NotKept, too: then nothing was sent.
        """
        answer, position = self._put(body, delay, attributes, group, deduplication_id, system)
        if self._disk:
            self._files.sync(position)
        return answer

    def send_batch(self, entries: Iterable[T | Json | Entry]) -> list[Sent]:
        """Add any number of messages, all or none; see `send` and Queue.send_batch."""
        answers, position = self._put_all(entries)
        if self._disk:
            self._files.sync(position)
        return answers

    def _put(self, body: Any, delay: Any, attributes: Any, group: Any, identity: Any, system: Any) -> tuple[Sent, int]:
        """Send; the answer, and what position of the log it is safe with."""
        if (
            body.__class__ is str
            and body.isascii()
            and delay is None
            and attributes is None
            and group is None
            and identity is None
            and system is None
            and not (self.fifo or (RUNS and LINEAGE.get()))
            and (done := self._append(body)) is not None
        ):
            return done
        answer = super().send(
            body, delay=delay, attributes=attributes, group=group, deduplication_id=identity, system=system
        )
        return answer, self._files.position

    def _put_all(self, entries: Iterable[T | Json | Entry]) -> tuple[list[Sent], int]:
        given: Any = entries
        if given.__class__ is list and not self.fifo and plain(given, self._core.longest):
            done = None if RUNS and LINEAGE.get() else self._append_all(given)
            if done is not None:
                return done
        return super().send_batch(given), self._files.position

    def _append(self, body: str) -> tuple[Sent, int] | None:
        core, files = self._core, self._files
        text = body.encode()
        if not 0 < len(text) <= core.longest:
            return None
        with self._lock:  # numbers are given under it, so that `fresh` is in their order
            if (
                core.log
                or core.parked
                or core.held
                or core.closed
                or core.settings.delay
                or self._reporter.observers
                or files.full is not None
            ):
                return None
            seq, now = core.next_seq(), self._now()
            payload = HEAD.pack(SENT, self._number, seq, now + core.epoch) + text
            frame = FRAME.pack(len(payload), crc32(payload, files.salt)) + payload
            record = (body, now, seq)
            answer = Sent()
            answer._stem = core.stem
            answer._seq = seq
            at = files.at
            end = at + len(frame)
            if end > files.room:
                return None
            # commit
            files.mem[at:end] = frame
            files.at = end
            core.fresh += (record,)
            self._journal.live += len(text) + OVERHEAD
            return answer, files.base + end

    def _append_all(self, bodies: list[str]) -> tuple[list[Sent], int] | None:
        core, files, number = self._core, self._files, self._number
        texts = list(map(str.encode, bodies))
        size = sum(map(len, texts))
        with self._lock:
            at = files.at
            end = at + size + len(texts) * (HEAD.size + FRAME.size)
            if end > files.room or core.parked or core.held or core.closed or core.settings.delay:
                return None
            if core.log or self._reporter.observers or files.full is not None:
                return None
            seqs = list(islice(core.seqs, len(bodies)))
            now, salt, parts = self._now(), files.salt, list[bytes]()
            for seq, text in zip(seqs, texts, strict=True):
                payload = HEAD.pack(SENT, number, seq, now + core.epoch) + text
                parts += (FRAME.pack(len(payload), crc32(payload, salt)), payload)
            frames = b"".join(parts)
            records: list[Record] = list(zip(bodies, repeat(now), seqs))
            weight = size + len(texts) * OVERHEAD
            # commit
            files.mem[at:end] = frames
            files.at = end
            core.fresh += records
            self._journal.live += weight
            position = files.base + end
        stem = core.stem
        return [new_sent(Sent, stem, seq) for seq in seqs], position

    # -- receiving ---------------------------------------------------------------------------------------------

    def _may_receive(self, now: int, most: int) -> bool:
        """Under the lock: whether the first `most` of `fresh` can be in flight for the queue's own timeout, and no more to it."""
        core = self._core
        due = now + core.lease
        ordinary = core.calm and now < core.due and due >= core.lane_end and core.taken + most <= core.ceiling
        return ordinary and core.lease > 0 and not (core.log or core.closed or self._reporter.observers)

    def _take_one(self) -> Any:
        """The next message, or None, where nothing is out of the ordinary; see Receiving."""
        core, files = self._core, self._files
        if self.fifo or self._codec is not None:
            return None
        with self._lock:
            fresh, now = core.fresh, self._now()
            if not (fresh and self._may_receive(now, 1)):
                return None
            record, due = fresh[0], now + core.lease
            message, seq = self._taken(record, now, due), record[2]
            if not write(
                files, STEP_HEAD.pack(STEP, self._number, seq, now + core.epoch, RECEIVED, due + core.epoch, 1)
            ):
                return None
            # commit
            del fresh[0]
            core.leased[seq] = message
            core.taken += 1
            core.lane_end = due
            return message

    def _take_many(self, most: int) -> list[Message[T]]:
        """The next messages in the common case; [] when there are none, or there is more to it."""
        out: list[Any] = []
        if self.fifo or self._codec is not None:
            return super()._take_many(most)
        try:
            self._take_some(most, out)
        except BaseException:
            self._lobby.give_back(out)
            raise
        return out or super()._take_many(most)

    def _take_some(self, most: int, out: list[Any]) -> None:
        core, files, number = self._core, self._files, self._number
        with self._lock:
            fresh, now, at = core.fresh, self._now(), files.at
            room = at + most * STEP_SIZE <= files.room
            if not (fresh and room and self._may_receive(now, most)):
                return
            due, epoch, leased = now + core.lease, core.epoch, core.leased
            records: list[Record] = list(islice(fresh, most))
            for record in records:
                message, seq = self._taken(record, now, due), record[2]
                payload = STEP_HEAD.pack(STEP, number, seq, now + epoch, RECEIVED, due + epoch, 1)
                frame = FRAME.pack(STEP_HEAD.size, crc32(payload, files.salt)) + payload
                end = at + STEP_SIZE
                out.append(message)
                # commit
                files.mem[at:end] = frame
                files.at = at = end
                del fresh[0]
                leased[seq] = message
                core.taken += 1
                core.lane_end = due

    def _taken(self, record: Record, now: int, due: int) -> Any:
        message: Any = self._make()
        message.owner = self
        message.record = record
        message.received_at = now
        message.due = due
        message.past = None
        message.settled = False
        return message

    # -- acknowledging -----------------------------------------------------------------------------------------

    def delete(self, *messages_or_receipts: Message[T] | str) -> None:
        """Acknowledge messages; see Queue.delete. Written down when it returns, but never waited for on the disk.

        A loss of power may bring back, in "disk" mode too, what was deleted in the last moments before it.
        """
        if self.fifo or not self._remove(messages_or_receipts):
            super().delete(*messages_or_receipts)

    def _remove(self, handles: tuple[Any, ...]) -> bool:
        """Delete messages that are in flight for the queue's own timeout, as most are; False if there is more to any."""
        make = self._make
        for one in handles:
            if one.__class__ is not make or one.owner is not self or one.received_at < 0:
                return False
        core, files, journal = self._core, self._files, self._journal
        with self._lock:
            leased, at = core.leased, files.at
            room = at + len(handles) * STEP_SIZE <= files.room
            if not (room and core.calm) or core.log or self._reporter.observers:
                return False
            now, number = self._now() + core.epoch, self._number
            for message in handles:
                record: Record = message.record
                seq = record[2]
                if seq not in leased:
                    return False  # the general way does all of them: to be deleted twice is no error
                payload = STEP_HEAD.pack(STEP, number, seq, now, DELETED, 0, 1)
                frame = FRAME.pack(STEP_HEAD.size, crc32(payload, files.salt)) + payload
                end = at + STEP_SIZE
                live = journal.live - len(record[0]) - OVERHEAD
                # commit
                files.mem[at:end] = frame
                files.at = at = end
                del leased[seq]
                core.deleted += 1
                journal.live = live
                message.settled = True
            return True
