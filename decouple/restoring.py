"""What is there at the start of a process, on an engine that outlives it: each kind of thing after those it speaks of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from decouple.keeping import restore as restore_queues

if TYPE_CHECKING:
    from decouple.broker import Broker

__all__ = ["restore"]


def restore(broker: Broker) -> None:
    """Go on with what is on the shelf of a broker's engine, and needs nothing of the program's."""
    shelf = broker._engine.shelf
    assert shelf is not None
    restore_queues(broker)
    if shelf.items("move task"):
        broker._looks()
    if shelf.items("schedule"):  # few programs have any
        broker._shelved.restore()
