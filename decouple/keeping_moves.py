"""What a shelf has of a redrive under way: where from and to, how fast, and up to which message.

The messages left to move are in the queue itself: in the next process those are chosen that are visible, and were there
when it began. What `where`, `edit` and `keep` say cannot be known there, so a redrive with those has failed. How many were
moved is written down once a second, so after a kill it may say too few. Instants are nanoseconds since 1970.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from decouple.clock import random_bytes
from decouple.core.settings import SECOND
from decouple.errors import StorageError
from decouple.movetask import Letter, MoveTask

if TYPE_CHECKING:
    from decouple.shelves import Shelf

__all__ = ["KIND", "KeptTask", "keep_task", "tell"]

KIND = "move task"


def keep_task(shelf: Shelf, task: MoveTask, letters: list[Letter], own: list[str]) -> None:
    """Keep a task that is about to begin; own: what of it no other process can know. Raises StorageError."""
    queue = task._queue
    record = {
        "queue": queue.name,
        "to": None if task.to is None else task.to.name,
        "rate": task.max_per_second,
        "started": queue._now() + queue.clock.epoch,
        "last": max(letter.seq for letter in letters),
        "left": len(letters),
        "moved": 0,
        "failed": 0,
        "own": own,
    }
    kept = KeptTask(shelf, f"{queue.name}#{random_bytes(8).hex()}", record, queue._now())
    shelf.put(KIND, kept.key, record)
    task._kept = kept


class KeptTask:
    """The record of one task. told: when it was written last, by the clock."""

    def __init__(self, shelf: Shelf, key: str, record: dict[str, Any], told: int) -> None:
        self.shelf = shelf
        self.key = key
        self.record = record
        self.told = told

    def moved(self, task: MoveTask) -> None:
        """Write down how far it is, at most once a second."""
        now = task._queue._now()
        if now < self.told + SECOND:
            return
        self.told = now
        self.record |= {"moved": task._moved, "failed": task._failed, "left": len(task._todo)}
        try:
            self.shelf.put(KIND, self.key, self.record)
        except StorageError as error:
            tell(f"how far the redrive of queue {task._queue.name!r} is could not be kept: {error}")

    def drop(self) -> None:
        """It is over."""
        try:
            self.shelf.drop(KIND, self.key)
        except StorageError as error:
            tell(f"that a redrive is over could not be kept, so after a restart it goes on: {error}")


def tell(sentence: str) -> None:
    """Say aloud what nobody else would hear of."""
    import logging  # here, because most programs never need it

    logging.getLogger("decouple").warning("%s", sentence)
