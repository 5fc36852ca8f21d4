"""How the brokers of a run are opened, and what else can go wrong in their processes."""

import os
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
    """A journal in small segments, so that many are begun and cleaned."""

    def make(folder: Path) -> Broker:
        from decouple.clock import SystemClock
        from decouple.stores.journal import open_journal

        clock = SystemClock()
        engine: Any = open_journal(str(folder / "journal"), clock, segment_bytes=segment_bytes)
        return Broker(engine, clock=clock)

    return make


def full(broker: Broker) -> None:
    """From now on the disk is full at every other attempt to make a file larger."""
    allocate, count = os.posix_fallocate, iter(range(1 << 30))

    def refuse(*args: Any) -> None:
        if next(count) % 2:
            raise OSError(28, "No space left on device")
        allocate(*args)

    os.posix_fallocate = refuse


TROUBLES: dict[str, Callable[[Broker], object]] = {"full": full}
