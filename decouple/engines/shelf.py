"""The shelf of a database: a table, and for each process a locked file that says that it lives.

The lock goes with the process however it ends, so what belonged to it can be adopted at once.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from decouple.errors import NotKept

if TYPE_CHECKING:
    from decouple.engines.database import Database

__all__ = ["SqliteShelf"]

PUT = (
    "INSERT INTO shelf(kind, key, value, owner) VALUES (?, ?, ?, ?) "
    "ON CONFLICT(kind, key) DO UPDATE SET value = excluded.value, owner = excluded.owner"
)


class SqliteShelf:
    """See Shelf in shelves.py."""

    shared = True

    def __init__(
        self,
        database: Database,
        span: Callable[[], AbstractContextManager[None]],
        then: Callable[[Callable[[], object]], None],
    ) -> None:
        self._database = database
        self._span = span
        self.then = then
        self._folder = f"{database.path}-processes"
        self._owner = ""
        self._file = -1
        self._generation = database.generation
        self._own = 0  # how often this process changed something

    @property
    def owner(self) -> str:
        """The name under which this process owns what it puts. Its file is locked as long as the process lives."""
        if not self._owner or self._generation != self._database.generation:
            self._generation = self._database.generation
            name = os.urandom(8).hex()
            try:
                os.makedirs(self._folder, exist_ok=True)
                self._file = os.open(os.path.join(self._folder, name), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
                fcntl.flock(self._file, fcntl.LOCK_EX)
            except OSError as error:
                raise NotKept(self._folder, why=str(error)) from error
            self._owner = name
        return self._owner

    @property
    def revision(self) -> int:
        with self._database.gate:
            found: int = self._database.one("SELECT value FROM meta WHERE name = 'revision'")[0]
            return found - self._own

    def put(self, kind: str, key: str, value: Any) -> None:
        owner, text = self.owner, json.dumps(value, allow_nan=False)
        with self._database.gate:
            self._database.write()
            self._put(kind, key, text, owner)

    def _put(self, kind: str, key: str, text: str, owner: str) -> None:
        self._database.sql(PUT, (kind, key, text, owner))
        self._change(kind, key)

    def _change(self, kind: str, key: str) -> None:
        self._database.sql("UPDATE meta SET value = value + 1 WHERE name = 'revision'")
        if kind == "queue":
            self._database.sql("UPDATE queues SET version = version + 1 WHERE name = ?", (key,))
        self._own += 1
        self._database.gate.undo.append((self._uncount, ()))

    def _uncount(self) -> None:
        self._own -= 1

    def drop(self, kind: str, key: str) -> None:
        with self._database.gate:
            self._database.write()
            self._drop(kind, key)

    def _drop(self, kind: str, key: str) -> None:
        if self._database.sql("DELETE FROM shelf WHERE kind = ? AND key = ?", (kind, key)).rowcount:
            self._change(kind, key)

    def get(self, kind: str, key: str) -> Any:
        with self._database.gate:
            return self.value(kind, key)

    def value(self, kind: str, key: str) -> Any:
        """`get` for who holds the gate."""
        row = self._database.one("SELECT value FROM shelf WHERE kind = ? AND key = ?", (kind, key))
        return None if row is None else json.loads(row[0])

    def items(self, kind: str) -> dict[str, Any]:
        with self._database.gate:
            rows = self._database.sql("SELECT key, value FROM shelf WHERE kind = ? ORDER BY number", (kind,)).fetchall()
        return {key: json.loads(value) for key, value in rows}

    def adopt(self, kind: str) -> dict[str, Any]:
        me = self.owner
        with self._database.gate:
            owners = self._database.sql("SELECT DISTINCT owner FROM shelf WHERE kind = ?", (kind,)).fetchall()
            dead = [owner for (owner,) in owners if owner != me and not self._lives(owner)]
            if not dead:
                return {}
            self._database.write()
            marks = ", ".join("?" * len(dead))
            rows = self._database.sql(
                f"SELECT key, value FROM shelf WHERE kind = ? AND owner IN ({marks}) ORDER BY number", (kind, *dead)
            ).fetchall()
            self._database.sql(f"UPDATE shelf SET owner = ? WHERE kind = ? AND owner IN ({marks})", (me, kind, *dead))
            return {key: json.loads(value) for key, value in rows}

    def _lives(self, owner: str) -> bool:
        """Whether the process of that name has not ended. A file that nobody locks is removed."""
        path = os.path.join(self._folder, owner)
        try:
            file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.unlink(path)
        except BlockingIOError:
            return True
        finally:
            os.close(file)
        return False

    def swap(self, kind: str, key: str, old: Any, new: Any) -> bool:
        owner, text = self.owner, json.dumps(new, allow_nan=False)
        with self._database.gate:
            self._database.write()
            if self.value(kind, key) != old:
                return False
            if new is None:
                self._drop(kind, key)
            else:
                self._put(kind, key, text, owner)
            return True

    def together(self) -> AbstractContextManager[None]:
        return self._span()

    def close(self) -> None:
        """This process owns nothing any more."""
        if self._file >= 0:
            if self._generation == self._database.generation:
                path = os.path.join(self._folder, self._owner)
                if os.path.exists(path):
                    os.unlink(path)
            os.close(self._file)
        self._file, self._owner = -1, ""
