"""Waiting for other processes: a thread that looks whether the database was changed, while somebody waits here.

SQLite counts the commits of others for each connection (PRAGMA data_version), which costs 4 us to read and takes no lock.
The thread looks every millisecond while things happen and every five when nothing does, and ends when nobody waits.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
import weakref
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from decouple.engines.sqlite import SqliteEngine

__all__ = ["Watcher"]

BUSY, IDLE = 0.001, 0.005
CALM_AFTER = 0.05
CALM_DOWN = 1.0
LINGERS = 0.5
"""Seconds without anybody who waits after which it ends: who receives in a loop parks again soon."""


class Watcher:
    """See the module. Nothing is left of it when the engine is gone."""

    def __init__(self, engine: SqliteEngine) -> None:
        self._engine = weakref.ref(engine)
        self._thread: threading.Thread | None = None
        self._generation = -1
        self._over = False

    def start(self) -> None:
        """See to it that somebody watches. Under the gate."""
        engine = self._engine()
        if engine is None:
            return
        thread, generation = self._thread, engine.database.generation
        if thread is not None and not self._over and generation == self._generation and thread.is_alive():
            return
        self._over = False
        self._generation = generation
        name = f"decouple-watcher-{engine.database.path}"
        self._thread = threading.Thread(target=watch, args=(self._engine, self), name=name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End it, for good."""
        self._over = True
        thread = self._thread
        if thread is not None and thread is not threading.current_thread() and thread.is_alive():
            thread.join()
        self._thread = None

    @property
    def over(self) -> bool:
        """Whether it is to end."""
        return self._over

    def leave(self, engine: SqliteEngine) -> bool:
        """End if nobody waits; whether it does. Whoever parks next finds it ended, and starts another."""
        with engine.database.gate:
            if not any(table.parked for table in engine.waiting):
                self._over = True
        return self._over


def watch(reference: weakref.ref[SqliteEngine], watcher: Watcher) -> None:
    engine = reference()
    if engine is None:
        return
    connection = sqlite3.connect(engine.database.path, isolation_level=None, check_same_thread=False)
    try:
        seen, changed_at, waited_at = -1, 0.0, time.monotonic()
        while not watcher.over:
            (version,) = connection.execute("PRAGMA data_version").fetchone()
            now = time.monotonic()
            if any(table.parked for table in tuple(engine.waiting)):
                waited_at = now
            if version != seen:
                seen, changed_at = version if look(engine) else -1, now
            elif now - waited_at > LINGERS and watcher.leave(engine):
                return
            engine = None
            time.sleep(BUSY if now - changed_at < CALM_AFTER else IDLE)
            engine = reference()
            if engine is None:
                return
    finally:
        connection.close()


def look(engine: SqliteEngine) -> bool:
    """Serve who waits; False if that went wrong: it is shown, and tried again."""
    try:
        engine.look()
    except Exception:
        logging.getLogger("decouple").exception("looking for messages in %r failed", engine.database.path)
        time.sleep(CALM_DOWN)
        return False
    return True
