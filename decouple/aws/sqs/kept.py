"""What the wire keeps beside the queues of a place: what the engine has no word for.

Queues that were declared natively have a record from when they are first seen here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from decouple.aws.world import Place
    from decouple.movetask import MoveTask
    from decouple.queue import Queue

__all__ = ["Kept", "Shelf", "kept_of"]


class Kept:
    """What is kept of one queue. Instants in seconds since 1970.

    sse, kms_key, kms_period, throughput: attributes without effect, as they are shown; allow: a RedriveAllowPolicy as it
    was given, and what it is for the engine; lost: ARN and maxReceiveCount of a RedrivePolicy whose queue was deleted.
    """

    __slots__ = (
        "allow", "created", "kms_key", "kms_period", "lost", "modified", "purged", "sse", "throughput",
    )  # fmt: skip

    def __init__(self, now: float) -> None:
        self.created = self.modified = now
        self.purged: float | None = None
        self.sse = "true"
        self.kms_key: str | None = None
        self.kms_period: str | None = None
        self.throughput = "perQueue"
        self.allow: tuple[str | tuple[str, ...], str] | None = None
        self.lost: tuple[str, int | None] | None = None


class Shelf:
    """What is kept in one place. deleted: when which name was; missed: ARNs of deleted queues that others sent their dead
    letters to; of the tasks, the ids by which the wire knows them.
    """

    def __init__(self) -> None:
        self.queues: WeakKeyDictionary[Queue[Any], Kept] = WeakKeyDictionary()
        self.deleted: dict[str, float] = {}
        self.missed: set[str] = set()
        self._tasks: WeakKeyDictionary[MoveTask, str] = WeakKeyDictionary()

    def id_of(self, task: MoveTask) -> str:
        """A move task's id, given when first asked for."""
        return self._tasks.setdefault(task, str(uuid4()))


def kept_of(queue: Queue[Any], place: Place) -> Kept:
    """The record of a queue."""
    queues = place.keep(Shelf).queues
    kept = queues.get(queue)
    return queues.setdefault(queue, Kept(place.now())) if kept is None else kept
