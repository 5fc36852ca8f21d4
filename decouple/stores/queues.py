"""A queue whose every change is written down before the call that made it returns.

The machine is the one of memory, and it records every change. What is plain (send a text, receive it, acknowledge it) has a
short path that makes no Change: it writes its record and commits, under the lock. Everything else goes the general way, and
`_write_down` writes the changes it left in the log. Whoever is interrupted in between leaves them there: the next operation
of any kind writes them first, so the journal is in the order of what happened.

The record is written into the page cache, by a copy into a mapped file of 0.2 us a KiB, and that under the queue's lock: it
is what makes the order in the journal that of the queue, and it waits for no disk. A sync to the disk never holds the lock.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Mapping
from struct import Struct
from typing import TYPE_CHECKING, Any
from zlib import crc32

from decouple.aio import AsyncQueue
from decouple.attributes import Value
from decouple.clock import Seconds
from decouple.core.changes import Cause, Change
from decouple.core.machine import Machine
from decouple.core.records import NOTHING, Delivery, Details, Record, details_of
from decouple.generic import Json, T
from decouple.lineage import LINEAGE, RUNS
from decouple.message import Entry, Message, Sent
from decouple.queue import Queue
from decouple.reporting import Reporter
from decouple.stores.records import CODES, GONE, HEAD, SENT, STEP, STEP_HEAD, encode, event, sent, step

if TYPE_CHECKING:
    from decouple.core.places import Move
    from decouple.stores.journal import Journal
    from decouple.stores.log import Log

__all__ = ["JournalQueue"]

RECEIVED, DELETED = CODES["received"], CODES["deleted"]
FRAME = Struct("<II")
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


class JournalQueue(Queue[T]):
    """See Queue. Made by a broker on file://."""

    def __init__(self, journal: Journal, number: int, stem: str, name: str, **settings: Any) -> None:
        self._journal = journal
        self._number = number
        self._stem = stem
        self._files = journal.log
        self._disk = journal.durability == "disk"
        self._told: deque[Change] = deque()  # written down, and to be told to observers
        super().__init__(name, **settings)
        core = self._core
        core.stem = stem
        core.survives = journal.durability
        core.listen()
        self._reporter = Reporter(self._told, self._lock)
        self._see()
        self.__dict__.pop("_take_one", None)  # what a FIFO queue of memory has in its place
        self.aio = AsyncJournalQueue(self)

    def _make_lock(self) -> threading.Lock:
        # One for all queues of the journal: nothing ever holds two of them, and the order of the records is theirs.
        return self._files.lock

    # -- the short paths ---------------------------------------------------------------------------------------

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
        answer = self._put(body, delay, attributes, group, deduplication_id, system)
        if self._disk:
            self._files.sync(self._files.position)
        return answer

    def _put(self, body: Any, delay: Any, attributes: Any, group: Any, identity: Any, system: Any) -> Sent:
        if (
            body.__class__ is str
            and body.isascii()
            and delay is None
            and attributes is None
            and group is None
            and identity is None
            and system is None
            and not (self.fifo or (RUNS and LINEAGE.get()))
            and (answer := self._append(body)) is not None
        ):
            return answer
        return Queue.send(
            self, body, delay=delay, attributes=attributes, group=group, deduplication_id=identity, system=system
        )

    def _append(self, body: str) -> Sent | None:
        """Send a text where there is nothing to do but to write it down and append it; None where there is more to it."""
        core, files = self._core, self._files
        text = body.encode()
        if not 0 < len(text) <= core.longest:
            return None
        with self._lock:  # numbers are given under it, so that `fresh` is in their order
            if core.log or core.parked or core.held or core.closed or core.settings.delay or self._reporter.observers:
                return None
            seq, now = core.next_seq(), self._now()
            payload = HEAD.pack(SENT, self._number, seq, now + core.epoch) + text
            frame = FRAME.pack(len(payload), crc32(payload, files.salt)) + payload
            answer = Sent()
            answer._stem = core.stem
            answer._seq = seq
            record = (body, now, seq)
            at = files.at
            end = at + len(frame)
            if end > files.room or files.full is not None:
                return None
            # commit
            files.mem[at:end] = frame
            files.at = end
            core.fresh += (record,)
            self._journal.live += len(text) + OVERHEAD
            return answer

    def _take_one(self) -> Any:
        """The next message, or None, where nothing is out of the ordinary; see Receiving."""
        core, files = self._core, self._files
        if self.fifo or self._codec is not None:
            return None
        with self._lock:
            fresh, now = core.fresh, self._now()
            due = now + core.lease
            plain = core.calm and now < core.due and fresh and not (core.log or core.closed or self._reporter.observers)
            if not plain or due < core.lane_end or core.taken >= core.ceiling or not core.lease:
                return None
            record = fresh[0]
            seq = record[2]
            message: Any = self._make()
            message.owner = self
            message.record = record
            message.received_at = now
            message.due = due
            message.past = None
            message.settled = False
            at = now + core.epoch
            if not write(files, STEP_HEAD.pack(STEP, self._number, seq, at, RECEIVED, due + core.epoch, 1)):
                return None
            # commit
            del fresh[0]
            core.leased[seq] = message
            core.taken += 1
            core.lane_end = due
            return message

    def delete(self, *messages_or_receipts: Message[T] | str) -> None:
        """Acknowledge messages; see Queue.delete. Written down when it returns, but never waited for on the disk.

        A loss of power may bring back, in "disk" mode too, what was deleted in the last moments before it.
        """
        if len(messages_or_receipts) == 1 and not self.fifo:
            given: Any = messages_or_receipts[0]
            if given.__class__ is self._make and given.owner is self and given.received_at >= 0 and self._remove(given):
                given.settled = True
                return
        super().delete(*messages_or_receipts)

    def _remove(self, message: Message[T]) -> bool:
        """Delete a message that is in flight for the queue's own timeout, as most are; False if there is more to it."""
        core, record = self._core, message.record
        seq = record[2]
        with self._lock:
            calm = core.calm and not (core.log or self._reporter.observers) and seq in core.leased
            at = self._now() + core.epoch
            if not (calm and write(self._files, STEP_HEAD.pack(STEP, self._number, seq, at, DELETED, 0, 1))):
                return False
            # commit
            del core.leased[seq]
            core.deleted += 1
            self._journal.live -= len(record[0]) + OVERHEAD
            return True

    # -- the general way ---------------------------------------------------------------------------------------

    def send_batch(self, entries: Iterable[T | Json | Entry]) -> list[Sent]:
        """Add any number of messages, all or none; written down, and in "disk" mode on the disk, when this returns."""
        answers = self._put_all(entries)
        if self._disk:
            self._files.sync(self._files.position)
        return answers

    def _put_all(self, entries: Iterable[T | Json | Entry]) -> list[Sent]:
        return super().send_batch(entries)

    def _accept(self, entries: list[tuple[str, Details | None, int]], words: Mapping[str, Any] = NOTHING) -> list[int]:
        self._journal.check_room()
        return super()._accept(entries, words)

    def deliver(self, move: Move) -> None:
        """Take a message that another queue moves here. Raises QueueClosed, NotKept."""
        self._journal.check_room()
        super().deliver(move)

    def purge(self) -> int:
        """Remove every message; see Queue.purge."""
        if self.fifo:
            with self._lock:
                self._journal.append(event(self._number, ["forgotten"]))
        return super().purge()

    def _write_down(self) -> None:
        """Write every change that waits in the log, in order. Interrupted in between, they are written once more: no harm."""
        with self._lock:
            self._write_all()

    def _write_all(self) -> None:
        """`_write_down`, under the lock."""
        log: deque[Any] = self._core.log
        journal, number, epoch = self._journal, self._number, self._core.epoch
        while log:
            change = log[0]
            payload = change if change.__class__ is bytes else encode(number, epoch, change)
            if payload is not None:
                journal.append(payload)
            if change.__class__ is not bytes:
                journal.weigh(change)
                if self._reporter.observers:
                    self._told.append(change)
            del log[0]

    def _note(
        self, cause: Cause, at: int, record: Record, delivery: Delivery | None = None, **more: Any
    ) -> tuple[Any, ...]:
        """What the machine leaves in its log where the journal alone listens: what is to be written, at once.

        A Change costs 5 us, and what is plain needs none.
        """
        core = self._core
        code = CODES.get(cause)
        if code is not None:
            count = 0 if delivery is None else delivery.times_received
            until = more.get("until")
            if code >= GONE:
                self._journal.live -= len(record[0]) + OVERHEAD
            elif delivery is not None and len(record) == 4 and record[3].failure is not None:
                return (
                    step(
                        self._number, record[2], at + core.epoch, code, until_at(until, core.epoch), count, kept(record)
                    ),
                )
            return (step(self._number, record[2], at + core.epoch, code, until_at(until, core.epoch), count),)
        if cause in ("sent", "moved in"):
            self._journal.live += len(record[0]) + OVERHEAD
        if cause == "sent" and "until" in more and more["until"] is None and len(record) == 3:
            return (sent(self._number, record[2], at + core.epoch, record[0]),)
        [change] = Machine._note(core, cause, at, record, delivery, **more)
        payload = encode(self._number, core.epoch, change)
        return () if payload is None else (payload,)

    def _tell(self) -> None:
        self._write_down()
        if self._told:
            self._reporter.report()

    def _follow_up(self) -> None:
        super()._follow_up()
        if self._told:
            self._reporter.report()
        if self._files.wants_segment:
            self._journal.tidy()

    def _observe(self, observers: Iterable[Any]) -> None:
        with self._lock:
            self._reporter.observers = (*self._reporter.observers, *observers)
            self._see()

    def _unobserve(self, observer: Any) -> None:
        with self._lock:
            self._reporter.observers = tuple(one for one in self._reporter.observers if one is not observer)
            self._see()

    def _see(self) -> None:
        """Under the lock: whether somebody besides the journal wants to know what changes."""
        if self._reporter.observers:
            self._core.__dict__.pop("_note", None)
        else:
            self._core._note = self._note  # type: ignore[method-assign]


def until_at(until: int | None, epoch: int) -> int:
    return 0 if until is None else until + epoch


def kept(record: Record) -> dict[str, Any]:
    """What else is kept of a step: why the last handler gave the message back."""
    return {"failure": list(details_of(record).failure or ())}


class AsyncJournalQueue(AsyncQueue[T]):
    """See AsyncQueue. In "disk" mode a send waits for its sync without holding up the loop, and shares it with others."""

    __slots__ = ()

    _queue: JournalQueue[T]

    async def send(
        self,
        body: T | Json,
        *,
        delay: Seconds | None = None,
        attributes: Mapping[str, Value] | None = None,
        group: str | None = None,
        deduplication_id: str | None = None,
        system: Mapping[str, str] | None = None,
    ) -> Sent:
        """Add a message; suspends only in "disk" mode. See Queue.send."""
        queue = self._queue
        answer = queue._put(body, delay, attributes, group, deduplication_id, system)
        if queue._disk:
            await queue._files.asynced(queue._files.position)
        return answer

    async def send_batch(self, entries: Iterable[T | Json | Entry]) -> list[Sent]:
        """Add any number of messages, all or none; suspends only in "disk" mode. See Queue.send_batch."""
        queue = self._queue
        answers = queue._put_all(entries)
        if queue._disk:
            await queue._files.asynced(queue._files.position)
        return answers
