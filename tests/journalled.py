"""A journal's process that ends as by kill -9, within this one."""

from __future__ import annotations

from decouple import Broker, VirtualClock
from decouple.stores.journal import Journal, open_journal

__all__ = ["journal_of", "kill", "opened"]

SMALL = 64 << 10


def opened(path: str, clock: VirtualClock, *, segment_bytes: int = SMALL) -> Broker:
    """A broker on the folder, on small segments."""
    return Broker(open_journal(path, clock, segment_bytes=segment_bytes), clock=clock)


def journal_of(broker: Broker) -> Journal:
    """Its engine."""
    engine = broker._engine
    assert isinstance(engine, Journal)
    return engine


def kill(broker: Broker) -> str:
    """End its process: nobody says goodbye, only the lock on the folder is gone; the folder."""
    journal = journal_of(broker)
    journal.log.close()
    for queue in journal.queues.values():
        queue._core.ignore()  # what is left of it in this process says nothing any more
        queue._core.log.clear()
        attached = getattr(journal.clock, "_attached", {})
        for key in [key for key, one in attached.items() if one() is queue]:
            del attached[key]
    return str(journal.log.path)
