"""A database file as one process has it open: its connection, its gate, and instants that all processes share.

The connection is opened when it is needed, and again in a child process: SQLite forbids to carry one through a fork.
"""

from __future__ import annotations

import os
import sqlite3
import time
import weakref
from typing import Any

from decouple.clock import Clock
from decouple.engines.gate import Gate
from decouple.engines.schema import migrate
from decouple.errors import NotKept, StorageDamaged

__all__ = ["Database"]

PATIENCE = 5.0
"""Seconds that a change waits for those of other processes."""
SHORTEST_PAUSE, LONGEST_PAUSE, SPINS = 0.000_05, 0.002, 5

INHERITED: list[sqlite3.Connection] = []
"""Of the parent process: never used here, and never closed, which would undo its locks."""


class Database:
    """An open database. Nothing of it may be used but within its gate, unless a method says so."""

    def __init__(self, path: str, clock: Clock, synchronous: str) -> None:
        self.path = os.path.abspath(path)
        self.clock = clock
        self.synchronous = synchronous
        self.has_connection = False
        self.gate = Gate(self)
        self.generation = 0  # how often the process was forked since
        self._connection: sqlite3.Connection | None = None
        self._own: Any = None
        self._execute: Any = None
        self.patience = PATIENCE
        self.sql: Any = self._first_sql
        with self.gate:
            self.connect()
        self.epoch = clock.epoch if not clock.threaded else self._common_epoch()
        OPEN.add(self)

    def connect(self) -> None:
        """Open the file, and bring it to the present version. Raises NotKept, StorageDamaged, StorageTooNew."""
        connection: sqlite3.Connection | None = None
        try:
            connection = sqlite3.connect(
                self.path, timeout=PATIENCE, isolation_level=None, check_same_thread=False, cached_statements=256
            )
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(f"PRAGMA synchronous = {self.synchronous}")
            connection.execute("PRAGMA wal_autocheckpoint = 4000")
            migrate(connection, self.path)
        except BaseException as error:
            if connection is not None:
                connection.close()
            if isinstance(error, sqlite3.OperationalError):
                raise NotKept(self.path, why=str(error)) from error
            if isinstance(error, sqlite3.DatabaseError):
                mend = "restore a copy, or use another file"
                raise StorageDamaged(self.path, why=str(error), mend=mend) from error
            raise
        connection.execute("PRAGMA busy_timeout = 0")  # see _insist
        self._use(connection)

    def _use(self, connection: sqlite3.Connection) -> None:
        own = connection.cursor()
        own.row_factory = None
        # All in one step, which no signal comes between.
        vars(self).update(_connection=connection, _own=own, _execute=own.execute, sql=self._sql, has_connection=True)

    def _sql(self, text: str, values: Any = ()) -> Any:
        """Execute one statement. Waits for other processes' changes to end."""
        try:
            return self._execute(text, values)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or self.connection.in_transaction:
                raise
            return self._insist(text, values)

    def _insist(self, text: str, values: Any) -> Any:
        """Try again until it is our turn.

        SQLite's own patience sleeps for 1 to 100 ms at a time, and a change takes 0.1 ms: processes that share a queue would
        sleep most of the time.
        """
        end, pause, tries = time.monotonic() + self.patience, SHORTEST_PAUSE, 0
        while True:
            tries += 1
            time.sleep(pause if tries > SPINS else 0)
            try:
                return self._execute(text, values)
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                    raise
            pause = min(pause * 1.2, LONGEST_PAUSE)

    @property
    def connection(self) -> sqlite3.Connection:
        """The connection; of the application itself while it lets us join its transaction."""
        if self._connection is None:
            self.connect()
            assert self._connection is not None
        return self._connection

    def _first_sql(self, text: str, values: Any = ()) -> Any:
        """`sql` before there is a connection."""
        if not self.has_connection:  # who holds this since before may have had one opened meanwhile
            self.connect()
        return self._sql(text, values)

    def many(self, text: str, rows: list[tuple[Any, ...]]) -> None:
        """The same statement for many rows."""
        self.connection.executemany(text, rows)

    def one(self, text: str, values: Any = ()) -> Any:
        """The first row, None if there is none."""
        return self.sql(text, values).fetchone()

    def rest(self) -> None:
        """End a statement that was interrupted before all of its answer was fetched: it would keep its lock."""
        interrupted = self._own
        self._use(self.connection)
        interrupted.close()

    def write(self) -> None:
        """Begin a transaction, if none is begun."""
        self.gate.write()

    def lend(self, connection: sqlite3.Connection) -> tuple[Any, ...]:
        """Use the application's connection from now on; what to give `restore`."""
        before = self._connection
        self._use(connection)
        return (before,)

    def restore(self, before: tuple[Any, ...]) -> None:
        """Use our own again."""
        if before[0] is not None:
            self._use(before[0])
        else:
            self._connection, self.has_connection, self.sql = None, False, self._first_sql

    def close(self) -> None:
        """Let go of the file; used again, it is opened again."""
        with self.gate:
            connection, self._connection = self._connection, None
            self.has_connection = False
            self.sql = self._first_sql
            if connection is not None:
                connection.close()

    def forked(self) -> None:
        """In a child process: leave the parent's connection alone."""
        if self._connection is not None:
            INHERITED.append(self._connection)
        self._connection = None
        self.has_connection = False
        self.sql = self._first_sql
        self.generation += 1
        self.gate.reset()

    def _common_epoch(self) -> int:
        """What to add to the machine's monotonic clock: the same for all processes until it is booted again.

        So nobody's instants depend on when the process was started, and on what the wall clock was set to since.
        """
        try:
            with open("/proc/sys/kernel/random/boot_id") as file:
                boot = file.read().strip()
        except OSError:
            return self.clock.epoch
        with self.gate:
            known = self.one("SELECT value FROM meta WHERE name = ?", (f"epoch of {boot}",))
            if known is None:
                self.write()
                epoch = time.time_ns() - time.monotonic_ns()
                self.sql("DELETE FROM meta WHERE name LIKE 'epoch of %'")
                self.sql("INSERT INTO meta VALUES (?, ?)", (f"epoch of {boot}", epoch))
                known = (epoch,)
        return int(known[0])


OPEN: weakref.WeakSet[Database] = weakref.WeakSet()


def after_fork() -> None:
    """In the child: every database is another process's."""
    for database in list(OPEN):
        database.forked()


os.register_at_fork(after_in_child=after_fork)
