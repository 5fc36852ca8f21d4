"""Joining an application's own transaction: its connection takes the place of ours, in one thread, for a while."""

from __future__ import annotations

import os
import sqlite3
from types import TracebackType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from decouple.engines.sqlite import SqliteEngine

__all__ = ["Joined", "check_connection"]


def check_connection(connection: Any, path: str) -> None:
    """Whether it is to the same file. Raises TypeError, ValueError."""
    if not isinstance(connection, sqlite3.Connection):
        raise TypeError(f"connection must be an sqlite3.Connection, not {connection!r:.80}")
    cursor = connection.cursor()
    cursor.row_factory = None
    files = [row[2] for row in cursor.execute("PRAGMA database_list").fetchall() if row[1] == "main"]
    file = files[0] if files else ""
    if isinstance(file, bytes) or connection.text_factory is not str:
        raise ValueError("connection must give text as str: leave its text_factory as it is")
    if not file or not os.path.samefile(file, path):
        raise ValueError(f"connection must be to {path!r}, where the queues are, not to {file or ':memory:'!r}")


class Joined:
    """What the thread does within is done by the application's connection, which commits it or takes it back."""

    def __init__(self, engine: SqliteEngine, connection: sqlite3.Connection) -> None:
        self._engine = engine
        self._connection = connection
        self._before: tuple[Any, ...] = ()

    def __enter__(self) -> None:
        gate = self._engine.database.gate
        if gate.mine and gate.spans:
            raise ValueError("joining() is for one transaction at a time: this thread is within another one")
        gate.enter_span()
        try:
            self._before = self._engine.database.lend(self._connection)
        except BaseException:
            gate.leave_joined(self._before, ValueError())
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        calls = self._engine.ended()
        try:
            self._engine.database.gate.leave_joined(self._before, error)
        finally:
            if not self._engine.database.gate.mine:
                self._engine.after_span()
        if error is None:
            for call in calls:
                call()
