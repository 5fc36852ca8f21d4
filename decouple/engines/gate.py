"""The gate of a database: one lock for all queues of a broker, and one transaction each time it is held.

Nothing is begun before the first change (`write`). At the end of a `with` all is committed, or nothing is: then what was
changed in memory meanwhile is taken back too (`undo`), and what there is to tell is forgotten. Within a `span` (several
operations of one thread that are one transaction) each operation is a savepoint.

A Ctrl-C may leave a `with` without its end having run. So the gate knows in whose frame it is held: who finds it held by its
own thread, in a frame that is no longer there, takes back what was begun, and goes on.
"""

from __future__ import annotations

import sqlite3
import sys
import threading
from collections import deque
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any

from decouple.core.changes import Change
from decouple.errors import DecoupleError, NotKept, StorageError

if TYPE_CHECKING:
    from decouple.engines.database import Database

__all__ = ["Gate", "Log"]


class Log:
    """The changes of all queues of a broker: `told` are to be told, those of an open transaction wait in `staged`."""

    __slots__ = ("staged", "told")

    def __init__(self) -> None:
        self.told: deque[Change] = deque()
        self.staged: list[Change] = []

    def __iadd__(self, changes: tuple[Change, ...] | list[Change]) -> Log:
        self.staged += changes
        return self

    def __bool__(self) -> bool:
        return bool(self.told)

    def __len__(self) -> int:
        return len(self.told)


def refuses(error: BaseException) -> bool:
    """Whether an operation says no by it, and what it noticed until then is so."""
    return isinstance(error, DecoupleError) and not isinstance(error, StorageError)


def left(frame: FrameType) -> bool:
    """Whether the exception that is being handled, or one before it, came out of what this frame had begun."""
    error = sys.exc_info()[1]
    while error is not None:
        trace = error.__traceback__
        while trace is not None:
            if trace.tb_frame is frame:
                return True
            trace = trace.tb_next
        error = error.__context__
    return False


class Gate:
    """Held with `with`. Nobody but the thread that holds it touches what it holds."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.log = Log()
        self.undo: list[tuple[Callable[..., object], tuple[Any, ...]]] = []
        self.tallies: list[Callable[[], object]] = []  # what is written before a transaction ends
        self.begun = False
        self.committed = False
        self.spans = 0  # how many spans are open, all of the thread that holds it
        self.points: list[tuple[int, int]] = []  # of operations within a span: what was to undo and to tell before
        self.saved = False  # whether the operation within a span has a savepoint
        self.changed = False  # whether something was committed since somebody asked
        self._make_lock()

    def _make_lock(self) -> None:
        lock: Any = threading.RLock()
        self._owned, self._acquire, self._release = lock._is_owned, lock.acquire, lock.release
        self._holder: FrameType | None = None

    def reset(self) -> None:
        """In a child process: nothing of it is held here."""
        self._make_lock()
        self.begun = self.saved = False
        self.spans = 0
        self.undo.clear()
        self.points.clear()
        self.tallies.clear()
        self.log.staged.clear()

    @property
    def mine(self) -> bool:
        """Whether this thread holds it."""
        return bool(self._owned())

    # -- one operation -------------------------------------------------------------------------------------------

    def __enter__(self) -> None:
        if self._owned():
            if self.spans:
                self._enter_within()
                return
            self.mend(sys._getframe(1))
        self._acquire()
        self._holder = sys._getframe(1)
        if self.begun:  # an interrupt came while an earlier one was dealt with
            self._take_back()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.spans:
            self._exit_within(error)
            return
        try:
            if self.begun or error is not None or self.undo or self.log.staged:
                self.finish(error)
        finally:
            self._holder = None
            self._release()

    def mend(self, frame: FrameType | None = None) -> None:
        """Let go of it where an interrupt left it held by this thread; `frame`: who asks, if it may be held with right."""
        while frame is not None:
            if frame is self._holder and not left(frame):
                raise RuntimeError("a queue is used within an operation of its own, as by a signal's handler")
            frame = frame.f_back
        self._take_back()
        self._holder = None
        while self.mine:
            self._release()

    # -- transactions --------------------------------------------------------------------------------------------

    def write(self) -> None:
        """From now on what is done is one transaction. Waits for another process's to end. Raises sqlite3.Error."""
        database = self.database
        if self.spans:
            if not self.begun:
                if not database.connection.in_transaction:
                    database.sql("BEGIN IMMEDIATE")
                self.begun = True
            self.check_whole()
            if self.points and not self.saved:
                database.sql("SAVEPOINT decouple")
                self.saved = True
        elif not self.begun:
            if database.connection.in_transaction:  # an interrupt left it
                database.sql("ROLLBACK")
            database.sql("BEGIN IMMEDIATE")
            self.begun = True

    def single(self) -> None:
        """What follows is one statement, and so a transaction of its own, but within a span."""
        if self.spans or self.begun:
            self.write()
        elif self.database.has_connection and self.database.connection.in_transaction:
            self.database.sql("ROLLBACK")  # an interrupt left it
        self.changed = True

    def finish(self, error: BaseException | None) -> None:
        """Commit, or take back. Raises NotKept."""
        try:
            if error is None or refuses(error):
                self._commit()
                return
        except BaseException as failed:
            ended = self.begun and not self.database.connection.in_transaction
            if self.committed or (ended and not isinstance(failed, sqlite3.Error)):
                self._apply()  # interrupted after the commit
                raise
            error = failed
            self._take_back()
            if isinstance(failed, sqlite3.Error):
                raise self.refusal(failed) from failed
            raise
        self._take_back()
        if isinstance(error, sqlite3.Error):
            raise self.refusal(error) from error

    def _commit(self) -> None:
        if self.begun:
            self.check_whole()
            self.flush()
            self.database.sql("COMMIT")
        self._apply()

    def check_whole(self) -> None:
        """Raise where an error of SQLite's ended the transaction: a full disk undoes all of it, not one statement."""
        if not self.database.connection.in_transaction:
            raise sqlite3.OperationalError("an earlier step of this transaction failed, and all of it was undone")

    def flush(self) -> None:
        """Write what is counted."""
        while self.tallies:
            self.tallies[-1]()
            self.tallies.pop()

    def _apply(self) -> None:
        """It is committed: what happened in memory stays, and can be told. Interrupted, it is begun again."""
        self.committed = True
        self.undo.clear()
        if self.begun:
            self.changed = True
        self.begun = False
        self.log.told += self.log.staged
        self.log.staged.clear()
        self.committed = False

    def _take_back(self) -> None:
        database = self.database
        self.tallies.clear()
        if database.has_connection:
            database.rest()
            if database.connection.in_transaction:
                database.sql("ROLLBACK")
        self.begun = self.saved = False
        self._undo_to(0)
        self.log.staged.clear()

    def _undo_to(self, mark: int) -> None:
        while len(self.undo) > mark:
            function, arguments = self.undo[-1]
            function(*arguments)
            self.undo.pop()

    def refusal(self, error: sqlite3.Error) -> Exception:
        """What an error of SQLite's means to who called."""
        name = getattr(error, "sqlite_errorname", "") or ""
        known = name.startswith(
            ("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_FULL", "SQLITE_READONLY", "SQLITE_IOERR", "SQLITE_CANTOPEN")
        )
        if not known and not isinstance(error, sqlite3.OperationalError):
            return error
        why = "another process keeps it locked" if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")) else str(error)
        return NotKept(self.database.path, why=why)

    # -- several operations --------------------------------------------------------------------------------------

    def _enter_within(self) -> None:
        self.points.append((len(self.undo), len(self.log.staged)))

    def _exit_within(self, error: BaseException | None) -> None:
        undone, told = self.points.pop()
        if error is not None and refuses(error):
            error = None
        nested = bool(self.points)
        try:
            if error is None:
                self.flush()
            elif not nested:
                self.tallies.clear()
        finally:
            if not nested and self.saved:
                self.saved = False
                if error is not None and self.database.connection.in_transaction:
                    self.database.sql("ROLLBACK TO decouple")
                if self.database.connection.in_transaction:
                    self.database.sql("RELEASE decouple")
            if error is not None:
                self._undo_to(undone)
                del self.log.staged[told:]
        if isinstance(error, sqlite3.Error):
            raise self.refusal(error) from error

    def enter_span(self) -> None:
        """Hold it until `exit_span`."""
        if self.mine and not self.spans:
            self.mend(sys._getframe(1))
        self._acquire()
        if self.begun and not self.spans:
            self._take_back()
        self.spans += 1

    def exit_span(self, error: BaseException | None) -> None:
        """The end of the outermost span ends the transaction."""
        try:
            if self.spans == 1:
                self.finish(error)
        finally:
            self.spans -= 1
            self._release()

    def leave_joined(self, before: tuple[Any, ...], error: BaseException | None) -> None:
        """The end of a span on the application's connection, whose transaction is its own to end."""
        try:
            if before:
                self.database.restore(before)
            if error is None:
                self._apply()
            else:
                self.begun = self.saved = False
                self.tallies.clear()
                self._undo_to(0)
                self.log.staged.clear()
        finally:
            self.spans -= 1
            self._release()
