"""The engine of `Broker("file:///folder")`: queues in memory, and under them a journal of all that happens to them.

The memory is the truth while the process lives, the journal when it does not: reading it back gives the queues as they
were, to the last call that returned. durability="process": a record is in the page cache, which outlives the process but
not a loss of power. durability="disk": a send returns when its record is on the disk; receives and deletes are not waited
for, so a loss of power may undo the last of those, as at-least-once permits.

Only the oldest segment is ever removed, and only after what is live in it was written again and synced: so no deletion is
forgotten before what it deletes.
"""

from __future__ import annotations

import gc
import logging
import math
from collections.abc import Generator, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any, Literal

from decouple.capabilities import MEMORY, Capabilities
from decouple.clock import SECOND, Clock
from decouple.core.changes import Change
from decouple.core.dedup import WINDOW
from decouple.core.fifo import Fifo
from decouple.core.records import Delivery, Record, details_of
from decouple.core.restoring import Standing, remember, restore
from decouple.errors import ClockBehind, NotKept
from decouple.large_bodies import Pointer, watch
from decouple.queue import Queue
from decouple.receipts import new_stem
from decouple.stores.log import Log
from decouple.stores.queues import JournalQueue, room_for
from decouple.stores.records import CODES, EVENT, FIFO, GONE, HEAD, MESSAGE, QUEUE, SENT, event, message, queue_head
from decouple.stores.replay import Past, QueuePast
from decouple.stores.shelf import JournalShelf
from decouple.stores.short_paths import OVERHEAD

if TYPE_CHECKING:
    from decouple.engine import Engine

__all__ = ["Journal", "open_journal"]

LOGGER = logging.getLogger("decouple")
SEGMENT = 8 << 20
PATIENCE = 60 * SECOND
"""So far a clock may go back between two processes: leases last that much longer, and nothing else is wrong."""
AT_ONCE = 64
SLACK = 32 << 20
HEAVY = 512
"""What a message that is written again may have beyond one that was sent, at most."""
KINDS = frozenset((SENT, FIFO, MESSAGE, EVENT, QUEUE))


def open_journal(
    path: str,
    clock: Clock,
    durability: Literal["process", "disk"] = "process",
    segment_bytes: int = SEGMENT,
    slack_bytes: int = SLACK,
) -> Engine:
    """The journal in a folder, which is made if there is none. Raises StorageError and its kinds, ValueError.

    slack_bytes: so much beyond 2.2 times what is live is let be before segments are cleaned.
    """
    if durability not in ("process", "disk"):
        raise ValueError(f"durability must be 'process' or 'disk', not {durability!r}")
    return Journal(path, clock, durability, segment_bytes, slack_bytes)


class Journal:
    """The journal of one broker."""

    def __init__(
        self, path: str, clock: Clock, durability: Literal["process", "disk"], segment_bytes: int, slack_bytes: int
    ) -> None:
        self.clock = clock
        self.durability = durability
        self.capabilities = self.traits(durability)
        self.live = 0  # bytes of the messages that are here, about
        self.scale = 1.0  # how much more they were, when that was seen last
        self.closed = False
        self.queues: dict[int, JournalQueue[Any]] = {}
        self.unfilled: list[tuple[JournalQueue[Any], QueuePast]] = []
        self.complete = False  # whether the queues that were kept are there
        self.cleaner: object | None = None
        self.slack = slack_bytes
        self.heavy = math.inf  # what was needed when no old segment could be removed for want of room
        self.log = Log(path, durability=durability, segment_bytes=segment_bytes)
        try:
            self.shelf = JournalShelf(self.log)
            with no_collections():  # a million of records that stay: each collection would look at all of them
                self.past = self.read()
        except BaseException:
            self.log.close()
            raise

    @staticmethod
    def traits(durability: Literal["process", "disk"]) -> Capabilities:
        """What this engine can do."""
        return MEMORY._replace(survives=durability)

    def read(self) -> dict[str, QueuePast]:
        """What the journal has of each queue, by name. Raises ClockBehind."""
        past, shelf = Past(self.clock.epoch), self.shelf
        for segment, payload in self.log.replay():
            if not past.apply(payload):
                shelf.apply(segment, payload)
        past.settle()
        behind = past.last_at - self.clock.epoch - self.clock.now()
        if behind > PATIENCE:
            raise ClockBehind(self.log.path, seconds=behind / SECOND)
        self.number = max(past.queues, default=-1) + 1
        return {one.name or f"?{one.number}": one for one in past.queues.values()}  # nameless where its head was lost

    # -- queues --------------------------------------------------------------------------------------------------

    def queue(self, name: str, **settings: Any) -> Queue[Any]:
        """The queue of this name with what is left in it, or a new one."""
        past = self.past.get(name)  # it stays there until it is filled, so that nothing of it is cleaned meanwhile
        if past is None:
            past = QueuePast(self.number)
            past.name, past.stem = name, new_stem()
            self.number += 1
            with self.log.lock:
                self.append(queue_head(past.number, {"name": name, "stem": past.stem, "next": past.next}))
        queue: JournalQueue[Any] = JournalQueue(self, past.number, past.stem, name, **settings)
        self.queues[past.number] = queue
        self.unfilled.append((queue, past))
        if self.complete:
            self.restored()
        return queue

    def restored(self) -> None:
        """All queues that were kept are there with their settings: now put back what they held."""
        self.complete = True
        while self.unfilled:
            self.fill(*self.unfilled[0])
            del self.unfilled[0]

    def forget(self, queue: Queue[Any]) -> None:
        """The queue was deleted, and is empty."""
        assert isinstance(queue, JournalQueue)
        with self.log.lock:
            self.append(event(queue._number, ["deleted"]))
            self.queues.pop(queue._number, None)

    def fill(self, queue: JournalQueue[Any], past: QueuePast) -> None:
        """Put back what the queue held."""
        core, epoch = queue._core, self.clock.epoch
        fresh: list[Record] = list(past.fresh.values())
        fresh += [(text, at - epoch, seq, group, identity) for seq, (text, at, group, identity) in past.lined.items()]
        standing: list[Standing] = []
        for seq, held in past.held.items():
            source = held.details.source
            details = held.details if source is None else held.details._replace(source=self.named(source))
            record: Record = (held.text, held.sent_at - epoch, seq, details)
            if held.place == "fresh":
                fresh.append(record)
            else:
                first = None if held.first is None else held.first - epoch
                due = held.due - epoch
                standing.append(Standing(record, held.place, due, held.count, held.at - epoch, first))
        fresh.sort(key=lambda record: record[2])
        self.live += sum(len(record[0]) + OVERHEAD for record in fresh)
        self.live += sum(len(one.record[0]) + OVERHEAD for one in standing)
        if any(isinstance(held.text, Pointer) for held in past.held.values()):  # a plain message has none
            watch(queue)
        with queue._lock:
            restore(core, fresh, standing, next_seq=past.next)
            if isinstance(core, Fifo):
                self.fill_order(core, past)
        self.past.pop(past.name, None)

    def fill_order(self, core: Fifo, past: QueuePast) -> None:
        """What a FIFO queue remembers beside its messages."""
        oldest = self.clock.now() - WINDOW
        by_queue, epoch = core.by_queue, self.clock.epoch
        seen = [
            (at - epoch, seq, identity if by_queue else (group, identity))
            for at, seq, group, identity in sorted(past.seen)
            if at - epoch > oldest
        ]
        remember(core, seen)
        for name in past.parked:
            if (group := core._group(name)) is not None:
                group.parked = True
        core._tidy()

    def named(self, name: str) -> Any:
        """The queue a dead letter came from."""
        return next((one for one in self.queues.values() if one.name == name), None)

    # -- writing -------------------------------------------------------------------------------------------------

    def append(self, payload: bytes) -> None:
        """Under the lock: write one record. Raises NotKept."""
        self.log.append(payload)

    def weigh(self, change: Change) -> None:
        """Under the lock: keep account of how much of the journal is needed."""
        if CODES.get(change.cause, -1) >= GONE:
            self.live -= OVERHEAD + (0 if change.record is None else len(change.record[0]))
        elif change.record is not None and change.cause in ("sent", "moved in"):
            self.live += OVERHEAD + len(change.record[0])

    def check_room(self) -> None:
        """Raise NotKept while there is no room for another segment: what is here already can still be received and deleted."""
        if self.log.full is not None:
            self.log.prepare()
            if self.log.full is not None:
                raise self.log.full

    def tidy(self) -> None:
        """Without the lock: make the next segment ready, and clean old ones when more than half of the journal is of no use."""
        me = object()
        try:
            with self.log.lock:
                if self.cleaner is not None:
                    return
                self.cleaner = me
            self.log.prepare()
            if self.log.full is not None:
                self.give_room()
            self.clean_up()
        except NotKept as error:  # nothing was removed, and whoever writes next is told, too
            LOGGER.warning("%s: old segments stay for now: %s", self.log.path, error)
        finally:
            if self.cleaner is me:
                self.cleaner = None

    def clean_up(self) -> None:
        """Clean old segments while too much is of no use, each once at most.

        What is left when all were is what is live: so the estimate of that is put right, and nothing is rewritten for ever.
        """
        last = self.log.segments()[-1].number
        while self.log.full is None and self.log.total_bytes > 2.2 * self.scale * self.needed + self.slack:
            if self.log.segments()[0].number >= last or not self.clean():
                self.scale = max(1.0, self.log.total_bytes / (self.needed + self.log.segment_bytes))
                return

    def give_room(self) -> None:
        """Where the disk is full: remove old segments of which so little is live that it fits in what is left of the last.

        Or it would stay full whatever is received and deleted. To look costs a reading of the segment: so it is done again
        when something was taken out.
        """
        if self.needed > self.heavy - min(self.heavy, self.log.segment_bytes) / 8:
            return
        last = self.log.segments()[-1].number
        while self.log.full is not None and self.log.segments()[0].number < last:
            if self.weight() > self.log.left / 2 or not self.clean():
                self.heavy = self.needed
                return
            self.log.prepare()
        self.heavy = math.inf

    def weight(self) -> int:
        """Bytes to write again before the oldest segment can be removed, by a high estimate."""
        oldest = self.log.segments()[0].number
        weight = self.shelf.weight(oldest)
        for number, found in self.contents(oldest).items():
            weight += HEAVY + sum(64 + 2 * (len(group or "") + len(identity)) for _, _, group, identity in found.seen)
            if (queue := self.queues.get(number)) is not None:
                core, seqs = queue._core, sorted(found.seqs)
                with self.log.lock:
                    fresh = dict(core.fresh) if queue.fifo else {one[2]: one for one in up_to(core.fresh, seqs)}
                    for seq in seqs:
                        record = fresh.get(seq)
                        if record is None and (delivery := place_of(core, seq)[1]) is not None:
                            record = delivery.record
                        if record is not None:
                            weight += HEAVY + room_for(record[0], details_of(record))
        return weight

    @property
    def needed(self) -> int:
        """Bytes of what is live, by estimate: of a message its body and a little."""
        return self.live + self.shelf.live_bytes

    def compact(self) -> None:
        """Write what is live again and remove all that was before. Cost: O(journal)."""
        last = self.log.segments()[-1].number
        while self.log.segments()[0].number < last and self.clean():
            pass

    # -- cleaning ------------------------------------------------------------------------------------------------

    def clean(self) -> bool:
        """Remove the oldest segment, after what is live in it was written again; False if there is no other.

        Also where messages are of queues that nobody has declared yet: they are in no queue that could write them again.
        """
        waiting = {past.number: past for past in list(self.past.values())}
        undeclared = any(past.fresh or past.lined or past.held for past in waiting.values())
        if len(self.log.segments()) < 2 or not self.complete or undeclared:
            return False
        oldest = self.log.segments()[0].number
        for number, found in self.contents(oldest).items():
            if (queue := self.queues.get(number)) is not None:
                self.rewrite(queue, found)
            elif (past := waiting.get(number)) is not None and past.name:
                with self.log.lock:
                    head = {"name": past.name, "stem": past.stem, "next": past.next, "seen": past.seen}
                    self.append(queue_head(number, head))
        self.shelf.again(oldest)
        self.log.remove_oldest(oldest)
        return True

    def contents(self, segment: int) -> dict[int, Contents]:
        """What a segment has of each queue."""
        young = self.clock.now() + self.clock.epoch - WINDOW
        found: dict[int, Contents] = {}
        known, add = -1, found.setdefault(-1, Contents()).seqs.add
        for payload in self.log.read(segment):
            kind = payload[0]
            if kind == SENT:  # most of them
                _, number, seq, _ = HEAD.unpack_from(payload)
                if number != known:
                    known, add = number, found.setdefault(number, Contents()).seqs.add
                add(seq)
            elif kind in KINDS:
                number = int.from_bytes(payload[1:5], "little")
                found.setdefault(number, Contents()).add(payload, young)
        return found

    def rewrite(self, queue: JournalQueue[Any], found: Contents) -> None:
        """Write again what is live of it, a few at a time: nobody waits long for the lock."""
        core = queue._core
        if found.head:
            with self.log.lock:
                parked = [group.id for group in getattr(core, "groups", {}).values() if getattr(group, "parked", False)]
                head = {"name": queue.name, "stem": core.stem, "next": int(repr(core.seqs)[6:-1])}
                self.append(queue_head(queue._number, head | {"parked": parked, "seen": found.seen}))
        seqs = sorted(found.seqs)
        with self.log.lock:
            fresh = {} if queue.fifo else {record[2]: record for record in up_to(core.fresh, seqs)}
        for start in range(0, len(seqs), AT_ONCE):
            with self.log.lock:
                queue._write_all()
                for seq in seqs[start : start + AT_ONCE]:
                    self.write_again(queue, seq, fresh.get(seq))

    def write_again(self, queue: JournalQueue[Any], seq: int, record: Record | None) -> None:
        """Under the lock: write one message as it is now, if it is here. record: what it was when it was visible before."""
        core = queue._core
        if queue.fifo:
            record = core.fresh.get(seq)
        elif record is not None and not (core.fresh and core.fresh[0][2] <= seq):
            record = None  # it was taken meanwhile
        if record is not None:
            self.append(message(queue._number, self.terms_of(queue, record), record[0], details_of(record)))
            return
        place, delivery = place_of(core, seq)
        if delivery is None:
            return
        if place == "moving" and core.moving[seq].arrived:
            # Written behind its arrival it would be on its way once more.
            core.moving[seq].target._write_all()
            return
        terms = self.terms_of(queue, delivery.record) | {"place": place, "count": delivery.times_received}
        epoch = core.epoch
        terms |= {"until": delivery.due + epoch, "received": delivery.received_at + epoch}
        if delivery.times_received:
            terms["first"] = delivery.first_received + epoch
        self.append(message(queue._number, terms, delivery.record[0], details_of(delivery.record)))

    def terms_of(self, queue: JournalQueue[Any], record: Record) -> dict[str, Any]:
        sent_at = record[1] + queue._core.epoch
        return {"seq": record[2], "sent": sent_at, "at": sent_at, "kept": True}

    # -- life ----------------------------------------------------------------------------------------------------

    def joining(self, connection: Any) -> AbstractContextManager[None]:
        """There is no transaction to join."""
        raise ValueError("a journal has no transactions to join: Broker('sqlite:///file.db') has")

    def close(self) -> None:
        """Let go of the folder; what is in flight may be settled until then."""
        for queue in list(self.queues.values()):
            queue._follow_up()
        self.closed = True
        self.log.close()


@contextmanager
def no_collections() -> Generator[None]:
    """Let the garbage collector wait."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


class Contents:
    """What one segment has of one queue: numbers of messages, whether there is a head to it, ids that still count."""

    def __init__(self) -> None:
        self.seqs: set[int] = set()
        self.head = False
        self.seen: list[tuple[int, int, str, str]] = []

    def add(self, payload: bytes, young: int) -> None:
        kind = payload[0]
        if kind in (EVENT, QUEUE):
            self.head = True
        alone = QueuePast(0)
        past = Past()
        past.queues[int.from_bytes(payload[1:5], "little")] = alone
        past.apply(payload)
        self.seqs |= {*alone.fresh, *alone.lined, *alone.held}
        seen = [one for one in alone.seen if one[0] > young]
        self.seen += seen
        self.head |= bool(seen)


def place_of(core: Any, seq: int) -> tuple[str, Delivery | None]:
    """Where a message is, and as what."""
    move = core.moving.get(seq)
    if move is not None:
        return "moving", move.delivery
    if seq in core.delayed:
        return "delayed", core.delayed[seq]
    return "again" if seq in core.again else "leased", core._place_of(seq).get(seq)


def up_to(fresh: Any, seqs: list[int]) -> Iterator[Record]:
    """Those of `fresh`, which is in order, that can be among `seqs`."""
    for record in fresh:
        if not seqs or record[2] > seqs[-1]:
            return
        yield record
