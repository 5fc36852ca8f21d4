"""A queue of a database: the Queue of every engine, on a state machine that is there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from decouple.core.machine import Machine
from decouple.core.records import Delivery
from decouple.core.settings import Settings
from decouple.engines.fifo_table import FifoTable
from decouple.engines.standard_table import StandardTable
from decouple.engines.table import Table
from decouple.errors import QueueExists
from decouple.generic import T
from decouple.message import Message
from decouple.parking import ThreadPark
from decouple.queue import Queue
from decouple.receipts import new_stem

if TYPE_CHECKING:
    from decouple.engines.sqlite import SqliteEngine

__all__ = ["SqliteQueue"]


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
        return kind(
            self.name,
            settings,
            database=engine.database,
            queue=self._found(),
            found=engine.found,
            stale=engine.noticed,
            waits=engine.waits,
            **terms,
        )

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
