"""Who owns a journal: the one process that holds the lock on the file `owner` in its folder, which has its pid.

The system lets go of the lock however that process ends, so nothing is left behind that somebody has to remove.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from decouple.errors import StorageError, StorageInUse

__all__ = ["Owner", "owned_by", "why_of"]

try:
    import fcntl as locking
except ModuleNotFoundError:  # pragma: no cover - Windows
    import msvcrt as locking  # type: ignore[import-not-found, no-redef, unused-ignore]

LOCKS: Any = locking
FAR_OFF = 1 << 30
"""Where Windows locks a byte: those with the pid stay readable for others."""


class Owner:
    """The lock on a folder, from when it is made to `release`. Raises StorageInUse, StorageError."""

    def __init__(self, folder: Path) -> None:
        try:
            self.file = os.open(folder / "owner", os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
        except OSError as error:
            raise StorageError(folder, f"{str(folder)!r} cannot be opened: {why_of(error)}") from None
        try:
            seize(self.file, tries=3)
        except OSError:
            os.close(self.file)
            raise StorageInUse(folder, pid=pid_in(folder)) from None
        try:
            # As long as any other, over which it is written: a file that is cut and written may be flushed when it is closed.
            os.write(self.file, f"{os.getpid():<19}\n".encode())
        except OSError as error:
            os.close(self.file)
            raise StorageError(folder, f"{str(folder)!r} cannot be opened: {why_of(error)}") from None

    def release(self) -> None:
        """Let go of it. Twice is no error."""
        file, self.file = self.file, -1
        if file >= 0:
            os.close(file)


def seize(file: int, tries: int = 1) -> None:
    """Raises OSError where another has it, also a little later: a tool may be looking whether anybody has."""
    while True:
        try:
            lock(file)
            return
        except OSError:
            if not (tries := tries - 1):
                raise
        time.sleep(0.003)


def lock(file: int) -> None:
    if hasattr(LOCKS, "flock"):
        LOCKS.flock(file, LOCKS.LOCK_EX | LOCKS.LOCK_NB)
    else:  # pragma: no cover - Windows
        os.lseek(file, FAR_OFF, os.SEEK_SET)
        LOCKS.locking(file, LOCKS.LK_NBLCK, 1)
        os.lseek(file, 0, os.SEEK_SET)


def owned_by(folder: Path) -> int | None:
    """The pid of the process that owns a journal now, None if nobody does, or it cannot be told."""
    try:
        file = os.open(folder / "owner", os.O_RDONLY)
    except OSError:
        return None
    try:
        lock(file)
    except OSError:
        return pid_in(folder)
    finally:
        os.close(file)
    return None


def pid_in(folder: Path) -> int:
    """Who wrote its pid there; 0 if nobody did in a moment's time."""
    for _ in range(20):
        text = (folder / "owner").read_bytes().strip()
        if text.isdigit():
            return int(text)
        time.sleep(0.001)  # it has the lock, and is about to write
    return 0


def why_of(error: OSError) -> str:
    """What the system said, for a sentence."""
    return f"{(error.strerror or str(error)).lower()}{f' ({error.filename})' if error.filename else ''}"
