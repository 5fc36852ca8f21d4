"""A queue of a database: the Queue of every engine, on a state machine that is there."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from decouple.core.machine import Machine
from decouple.core.records import Delivery, new_delivery
from decouple.core.settings import Settings
from decouple.engines.fifo_table import FifoTable
from decouple.engines.schema import MASK
from decouple.engines.standard_table import StandardTable
from decouple.engines.table import Table
from decouple.entries import plain
from decouple.errors import QueueExists
from decouple.generic import T
from decouple.large_bodies import watch_from_now_on
from decouple.lineage import LINEAGE, RUNS
from decouple.message import Message, Sent, new_sent
from decouple.mishaps.effects import WATCHED
from decouple.parking import ThreadPark
from decouple.queue import Queue
from decouple.receipts import new_stem

if TYPE_CHECKING:
    from decouple.engines.sqlite import SqliteEngine

__all__ = ["SqliteQueue"]


def looked_at() -> bool:
    """Whether what is sent is to be recorded as part of something."""
    return bool(WATCHED or (RUNS and LINEAGE.get()))


class SqliteQueue(Queue[T]):
    """A queue whose messages other processes have, too."""

    def __init__(self, engine: SqliteEngine, name: str, **settings: Any) -> None:
        self._engine = engine
        self._home = engine
        super().__init__(name, **settings)

    def _make_lock(self) -> Any:
        return self._engine.database.gate

    def _make_reporter(self) -> Any:
        return self._engine.voice(self.name)

    def _make_core(self, settings: Settings, **terms: Any) -> Machine:
        if self._faults is not None:
            raise ValueError("faults= are for queues in memory: a database has those of its machine")
        kind: type[Table] = FifoTable if self.fifo else StandardTable
        engine = self._engine
        core = kind(
            self.name,
            settings,
            database=engine.database,
            queue=self._found(),
            found=engine.found,
            stale=engine.noticed,
            waits=engine.waits,
            **terms,
        )
        core.survives = engine.capabilities.survives
        return core

    def _found(self) -> tuple[int, str, int]:
        """Its number, the stem of its ids and the version of its settings: as they are, or made now."""
        database = self._engine.database
        text = "SELECT number, stem, version, fifo FROM queues WHERE name = ?"
        with database.gate:
            row = database.one(text, (self.name,))
            if row is None:
                database.write()
                database.sql(
                    "INSERT OR IGNORE INTO queues(name, stem, fifo) VALUES (?, ?, ?)",
                    (self.name, new_stem(), int(self.fifo)),
                )
                row = database.one(text, (self.name,))
        if bool(row[3]) != self.fifo:
            raise QueueExists(self.name, setting="fifo", current=bool(row[3]), asked=self.fifo)
        return row[0], row[1], row[2]

    def _is_gone(self) -> bool:
        core: Any = self._core
        with self._lock:
            return core._state() is None

    _plain = -1  # the most characters of a body that need no second look

    def _adopt(self, settings: Settings) -> None:
        super()._adopt(settings)
        most, large = settings.max_message_size, settings.large_bodies
        most = most if large is None else large.limit(most)
        self._plain = -1 if self.fifo or self._codec is not None or settings.delay else most
        if settings.large_bodies is not None:  # what is here already may have been sent by another process
            watch_from_now_on(self)

    # -- short paths, where nobody listens or waits ----------------------------------------------------------------

    def send(self, body: Any, **more: Any) -> Sent:
        core: Any = self._core
        if more or body.__class__ is not str or core.listening or core.parked or core.closed or looked_at():
            return super().send(body, **more)
        if 0 < len(body) <= self._plain and body.isascii():
            with self._lock:
                seq = core.send_one(self._now(), body)
            if self._engine.busy or seq == 0:
                self._follow_up()
            if seq:
                return new_sent(Sent, core.stem, seq)
        return super().send(body, **more)

    def send_batch(self, entries: Iterable[Any]) -> list[Sent]:
        given: Any = entries
        if given.__class__ is list and plain(given, self._plain) and not looked_at():
            return self._send([(text, None, 0) for text in given])
        return super().send_batch(entries)

    def _take_one(self) -> Any:
        core: Any = self._core
        if core.listening or core.parked or core.closed or self._codec is not None or self._task is not None:
            return None
        message: Any = self._make()
        message.owner = self
        message.past = None
        message.settled = False
        row: Any = None
        try:
            with self._lock:
                message.received_at = now = self._now()
                message.due = now + core.lease
                row = core.receive_one(now)
                if row is None:
                    return None
                id, sent_at, group, details, text = row
                if group is None and details is None:
                    message.record = (text, sent_at - core.base, id & MASK)
                else:
                    record, since = core.record_of(id & MASK), message.received_at
                    message = new_delivery(self._make, self, record, since, message.due, None)
        except BaseException:
            if row is not None:
                message.record = ("", 0, row[0] & MASK)
                self._lobby.give_back([message])
            raise
        if self._engine.busy:
            self._follow_up()
        return message

    def delete(self, *messages_or_receipts: Message[T] | str) -> None:
        core: Any = self._core
        if len(messages_or_receipts) == 1 and not (self.fifo or core.listening or core.parked or WATCHED):
            message: Any = messages_or_receipts[0]
            if message.__class__ is self._make and message.owner is self and message.received_at >= 0:
                with self._lock:
                    deleted = core.delete_one(self._now(), message)
                if self._engine.busy or not deleted:
                    self._follow_up()
                if deleted:
                    message.settled = True
                    return
        super().delete(*messages_or_receipts)

    def _delete(self, seqs: list[int], handles: Iterable[Message[T] | str]) -> None:
        core: Any = self._core
        if self.fifo or core.listening or WATCHED:
            super()._delete(seqs, handles)
            return
        try:
            with self._lock:
                now = self._now()
                core.delete_many(now, seqs)
                if core.parked:
                    self._lobby.serve(now)
        finally:
            self._follow_up()
        for handle in handles:
            if isinstance(handle, Message):
                handle.settled = True

    # -- within a span -------------------------------------------------------------------------------------------

    def _follow_up(self) -> None:
        gate = self._engine.database.gate
        if gate.mine:
            if gate.spans:
                self._engine.later[self.name] = self
                return
            gate.mend()
        super()._follow_up()
        self._engine.follow_up(self)

    def _look(self) -> None:
        """Serve those who wait here with what came from elsewhere."""
        try:
            with self._lock:
                self._lobby.serve(self._now())
        finally:
            super()._follow_up()

    def _wait(self, park: ThreadPark) -> list[Delivery]:
        gate = self._engine.database.gate
        if gate.mine and gate.spans:  # nobody else could send anything meanwhile
            return self._receive_now(park.most, park.lease)
        return super()._wait(park)

    def _holds(self, message: Message[T]) -> bool:
        core: Any = self._core
        with self._lock:
            held: bool = core.holds(message, self._now())
            return held
