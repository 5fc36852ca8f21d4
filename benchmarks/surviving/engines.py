"""How the brokers of a run are opened, and what else can go wrong in their processes."""

import errno
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from decouple import Broker

Make = Callable[[Path], Broker]


def journal(folder: Path) -> Broker:
    return Broker(f"file://{folder}/journal")


def sqlite(folder: Path) -> Broker:
    return Broker(f"sqlite:///{folder}/jobs.db")


def memory(folder: Path) -> Broker:
    """What keeps nothing, to see that the ledger notices."""
    return Broker()


ENGINES: dict[str, Make] = {"journal": journal, "sqlite": sqlite, "memory": memory}


def small(segment_bytes: int) -> Make:
    """A journal in small segments that lets little waste be, so that many are begun and cleaned."""

    def make(folder: Path) -> Broker:
        from decouple.clock import SystemClock
        from decouple.stores.journal import open_journal

        clock = SystemClock()
        slack = 2 * segment_bytes
        engine: Any = open_journal(str(folder / "journal"), clock, segment_bytes=segment_bytes, slack_bytes=slack)
        return Broker(engine, clock=clock)

    return make


def full(broker: Broker) -> None:
    """From now on the disk is full for every other tenth of a second: no file can be made larger then."""
    allocate = os.posix_fallocate

    def refuse(file: int, offset: int, length: int) -> None:
        if time.monotonic_ns() // 100_000_000 % 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        allocate(file, offset, length)

    os.posix_fallocate = refuse


TROUBLES: dict[str, Callable[[Broker], object]] = {"full": full}
