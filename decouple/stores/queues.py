"""A queue whose every change is written down before the call that made it returns.

The machine is the one of memory, and it records every change. What is plain has a short path (stores/short_paths.py);
everything else goes the general way, and `_write_down` writes the changes it left in the log. Whoever is interrupted in
between leaves them there: the next operation of any kind writes them first, so the journal is in the order of what happened.

The record is written into the page cache, by a copy into a mapped file of 0.2 us a KiB, and that under the queue's lock: it
is what makes the order in the journal that of the queue, and it waits for no disk. A sync to the disk never holds the lock.
"""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from decouple.aio import AsyncQueue
from decouple.attributes import Value
from decouple.clock import Seconds
from decouple.core.changes import Cause, Change
from decouple.core.machine import Machine
from decouple.core.records import NOTHING, Delivery, Details, Record, details_of
from decouple.generic import Json, T
from decouple.message import Entry, Sent
from decouple.reporting import Reporter
from decouple.stores.records import CODES, GONE, STEP, STEP_HEAD, encode, event, sent, step
from decouple.stores.short_paths import OVERHEAD, ShortPaths
from decouple.stories.change_json import details_to

if TYPE_CHECKING:
    from decouple.core.places import Move
    from decouple.stores.journal import Journal

__all__ = ["JournalQueue"]

ROOM = 512
"""More than a record of a send has beside its text and details."""
TIMES = frozenset(CODES[cause] for cause in ("expired", "delay ended", "retained out"))


class JournalQueue(ShortPaths[T]):
    """See Queue. Made by a broker on file://."""

    def __init__(self, journal: Journal, number: int, stem: str, name: str, **settings: Any) -> None:
        self._journal = journal
        self._number = number
        self._files = journal.log
        self._disk = journal.durability == "disk"
        self._told: deque[Change] = deque()  # written down, and to be told to observers
        super().__init__(name, **settings)
        core = self._core
        core.stem = stem
        core.survives = journal.durability
        self._send_all = core.send_all
        core.send_all = self._send_where_there_is_room  # type: ignore[method-assign]
        core.listen()
        self._reporter = Reporter(self._told, self._lock)
        self._see()
        self.__dict__.pop("_take_one", None)  # what a FIFO queue of memory has in its place
        self.aio = AsyncJournalQueue(self)

    def _make_lock(self) -> threading.Lock:
        # One for all queues of the journal: nothing ever holds two of them, and the order of the records is theirs.
        return self._files.lock

    # -- the general way ---------------------------------------------------------------------------------------

    def _accept(self, entries: list[tuple[str, Details | None, int]], words: Mapping[str, Any] = NOTHING) -> list[int]:
        self._journal.check_room()
        return super()._accept(entries, words)

    def _send_where_there_is_room(
        self, now: int, entries: list[tuple[str, Details | None, int]], words: Mapping[str, Any] = NOTHING
    ) -> list[int]:
        """The machine's `send_all`, once there is room to write all of it down: what raises NotKept was not sent."""
        self._write_all()
        self._files.reserve(sum(room_for(text, details) for text, details, _ in entries))
        seqs = self._send_all(now, entries, words)
        self._write_all()
        return seqs

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
            if payload is not None and not (journal.closed and by_itself(payload)):
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


def room_for(text: str, details: Details | None) -> int:
    """How many bytes a message takes in the journal when it is sent, at most."""
    size = (len(text) if text.isascii() else 4 * len(text)) + ROOM
    if details is None:
        return size
    size += 12 * (len(details.group or "") + len(details.deduplication_id or ""))  # what JSON makes of a character
    if details.attributes or details.system:
        size += len(json.dumps(details_to(details)))
    return size


def kept(record: Record) -> dict[str, Any]:
    """What else is kept of a step: why the last handler gave the message back."""
    return {"failure": list(details_of(record).failure or ())}


def by_itself(payload: bytes) -> bool:
    """Whether it is what time did, which the next process will notice as well."""
    return payload[0] == STEP and STEP_HEAD.unpack_from(payload)[4] in TIMES


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
        answer, position = queue._put(body, delay, attributes, group, deduplication_id, system)
        if queue._disk:
            await queue._files.asynced(position)
        return answer

    async def send_batch(self, entries: Iterable[T | Json | Entry]) -> list[Sent]:
        """Add any number of messages, all or none; suspends only in "disk" mode. See Queue.send_batch."""
        queue = self._queue
        answers, position = queue._put_all(entries)
        if queue._disk:
            await queue._files.asynced(position)
        return answers
