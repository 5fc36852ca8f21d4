"""The engine of `Broker("sqlite:///jobs.db")`: the database is the truth, and processes of one machine share it.

What each process has of it is small: its connection, its parked receives, and who listens. What a transaction of this
process makes visible is given to those who wait here at once; for other processes there is a watcher (watcher.py).
"""

from __future__ import annotations

import sqlite3
import weakref
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any

from decouple.capabilities import MEMORY, Capabilities
from decouple.clock import Clock
from decouple.engines.database import Database
from decouple.engines.joined import Joined, check_connection
from decouple.engines.queues import SqliteQueue
from decouple.engines.shelf import SqliteShelf
from decouple.engines.table import Table
from decouple.engines.voices import Voice, Voices
from decouple.engines.watcher import Watcher
from decouple.keeping import who_may
from decouple.queue import Queue

if TYPE_CHECKING:
    from decouple.engine import Engine

__all__ = ["SqliteEngine", "open_database"]

LEVELS = {"NORMAL": "process", "FULL": "disk"}


def open_database(path: str, clock: Clock, *, synchronous: str = "NORMAL") -> Engine:
    """The engine on that file, which is made if it is not there. Raises ValueError, NotKept, StorageDamaged, StorageTooNew."""
    if synchronous not in LEVELS:
        raise ValueError(f"synchronous must be 'NORMAL' or 'FULL', not {synchronous!r}")
    return SqliteEngine(path, clock, synchronous)


class SqliteEngine:
    """What makes and keeps the queues of one broker in a database."""

    def __init__(self, path: str, clock: Clock, synchronous: str) -> None:
        survives: Any = LEVELS[synchronous]
        self.capabilities: Capabilities = MEMORY._replace(survives=survives, shared="machine", fair=False)
        self.clock = clock
        self.database = Database(path, clock, synchronous)
        self.voices = Voices(self.database.gate)
        self.shelf = SqliteShelf(self.database, self.span, self.then)
        self.queues: weakref.WeakValueDictionary[str, SqliteQueue[Any]] = weakref.WeakValueDictionary()
        self.waiting: set[Table] = set()  # the queues where receives are parked
        self.later: dict[str, SqliteQueue[Any]] = {}  # whose steps come after the span
        self.calls: list[Callable[[], object]] = []  # what is to be called after the span
        self.changed_elsewhere: list[str] = []  # whose settings another process has changed
        self._watcher = Watcher(self)
        self.beside: weakref.WeakSet[SqliteEngine] = BESIDE.setdefault(self.database.path, weakref.WeakSet())
        self.beside.add(self)
        self.crowd = len(self.beside) > 1  # whether there are others of this process on the file
        for engine in list(self.beside):
            engine.crowd = self.crowd

    # -- queues --------------------------------------------------------------------------------------------------

    def queue(self, name: str, **settings: Any) -> Queue[Any]:
        queue: SqliteQueue[Any] = SqliteQueue(self, name, **settings)
        self.queues[name] = queue
        return queue

    def voice(self, name: str) -> Voice:
        """Who listens to the queue of that name."""
        return self.voices.of(name)

    def found(self, name: str) -> Any:
        """The queue of that name, None where this process does not know it."""
        return self.queues.get(name)

    def restored(self) -> None:
        """What the queues hold is in the database."""

    def forget(self, queue: Queue[Any]) -> None:
        core: Any = queue._core
        database = self.database
        try:
            with database.gate:
                database.write()
                core.purge(queue._now())  # what another process has sent since: it leaves with a record, too
                for table in ("groups", "seen", "attempts"):
                    database.sql(f"DELETE FROM {table} WHERE queue = ?", (core.number,))
                database.sql("DELETE FROM queues WHERE number = ?", (core.number,))
        finally:
            queue._follow_up()
        self.queues.pop(queue.name, None)

    def close(self) -> None:
        self._watcher.stop()
        self.shelf.close()
        self.database.close()

    # -- what follows a transaction ------------------------------------------------------------------------------

    def waits(self, table: Table) -> None:
        """A receive is parked there: other processes must be watched. Under the gate."""
        self.waiting.add(table)
        if self.clock.threaded:
            self._watcher.start()

    def noticed(self, table: Table) -> None:
        """Another process has changed the settings: those of now hold from now on. Under the gate."""
        terms = self.shelf.value("queue", table.name)
        if terms is None:
            return
        settings: dict[str, Any] = {name: value for name, value in terms["settings"].items() if name != "large_bodies"}
        target = settings["dead_letter"]
        settings["dead_letter"] = None if target is None else self.found(target) or table.settings.dead_letter
        settings["redrive_allow"] = who_may(settings["redrive_allow"])
        table._adopt(table.settings._replace(**settings))
        self.changed_elsewhere.append(table.name)

    @property
    def busy(self) -> bool:
        """Whether something may have to follow a transaction."""
        return bool(
            self.waiting
            or self.crowd
            or self.changed_elsewhere
            or self.database.gate.spans
            or self.voices.log.told
            or self.later
            or self.calls
        )

    def follow_up(self, queue: SqliteQueue[Any]) -> None:
        """Without the gate: serve those who wait elsewhere for what the last transactions made visible."""
        while self.changed_elsewhere:
            self._set_up(self.changed_elsewhere.pop())
        gate = self.database.gate
        if not gate.changed:
            return
        gate.changed = False
        if self.waiting:
            self.look(queue)
        if self.crowd:
            for engine in list(self.beside):
                if engine is not self and engine.waiting and engine.clock is self.clock:
                    engine.look()

    def look(self, but: SqliteQueue[Any] | None = None) -> None:
        """Without the gate: serve all who wait here."""
        for table in list(self.waiting):
            queue: SqliteQueue[Any] = table.owner
            if not table.parked:
                self.waiting.discard(table)
            elif queue is not but:
                queue._look()

    def _set_up(self, name: str) -> None:
        """Have all that another process has declared about a queue: what is no setting, too."""
        queue = self.found(name)
        broker = None if queue is None else queue._employer
        if broker is not None:
            broker._look()
            terms = self.shelf.get("queue", name)
            if queue is not None and terms is not None:
                from decouple.keeping import settle

                settle(broker, queue, terms)

    # -- several operations --------------------------------------------------------------------------------------

    @contextmanager
    def span(self) -> Generator[None]:
        """What this thread does within is one transaction."""
        gate = self.database.gate
        gate.enter_span()
        try:
            yield
        except BaseException as error:
            self.ended()
            gate.exit_span(error)
            raise
        else:
            calls = self.ended()
            gate.exit_span(None)
        finally:
            if not gate.mine:
                self.after_span()
        for call in calls:
            call()

    def then(self, call: Callable[[], object]) -> None:
        """Call it after the span this thread is in, if that is kept; at once where there is none."""
        gate = self.database.gate
        if not (gate.mine and gate.spans):
            call()
            return
        gate.undo.append((self.calls.remove, (call,)))
        self.calls.append(call)

    def ended(self) -> list[Callable[[], object]]:
        """What is to be called if all is kept, at the end of the outermost span. Under the gate."""
        if self.database.gate.spans > 1:
            return []
        calls, self.calls = self.calls, []
        return calls

    def after_span(self) -> None:
        """Without the gate: do what each operation within would have done after it."""
        while self.later:
            _, queue = self.later.popitem()
            queue._follow_up()

    def joining(self, connection: Any) -> AbstractContextManager[None]:
        check_connection(connection, self.database.path)
        given: sqlite3.Connection = connection
        return Joined(self, given)


BESIDE: weakref.WeakValueDictionary[str, weakref.WeakSet[SqliteEngine]] = weakref.WeakValueDictionary()
"""The engines of this process on each file, as long as there are any."""
