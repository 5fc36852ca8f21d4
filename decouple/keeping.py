"""What a durable engine's shelf has of queues: how each was declared, so that it is there again in the next process.

A queue that was restored and is declared in this process for the first time takes the settings given then, as a deploy
with other settings means it; what is not given stays as it was. From then on a declaration again is compared, as ever.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from decouple.errors import QueueExists
from decouple.large_bodies import FolderStore, LargeBodies
from decouple.settings import FIFO

if TYPE_CHECKING:
    from decouple.outliving import Outliving
    from decouple.queue import Queue
    from decouple.shelves import Shelf

__all__ = ["catch_up", "declare_anew", "keep", "restore", "who_may"]


def keep(shelf: Shelf, queue: Queue[Any]) -> None:
    """Put a queue on the shelf as it is declared now."""
    shelf.put("queue", queue.name, terms_of(queue))


def terms_of(queue: Queue[Any]) -> dict[str, Any]:
    """Everything that is declared about a queue, as JSON has it. Raises ValueError for what cannot be kept."""
    settings = queue._core.settings._asdict()
    if settings["dead_letter"] is not None:
        settings["dead_letter"] = settings["dead_letter"].name
    large = settings.pop("large_bodies")
    if large is not None:
        settings["large_bodies"] = kept_folder(queue, large)
    return {"fifo": queue.fifo, "settings": settings, "tags": dict(queue.tags), "policy": queue.policy}


def kept_folder(queue: Queue[Any], large: LargeBodies) -> dict[str, Any]:
    if not isinstance(large.store, FolderStore):
        raise ValueError(
            f"queue {queue.name!r} outlives this process, and the next one cannot know its large_bodies store "
            f"{large.store!r}: use LargeBodies(folder)"
        )
    return {"folder": large.store.folder, "threshold": large.threshold}


def restore(broker: Outliving) -> None:
    """Declare the queues that are on the shelf of a broker's engine, as they were."""
    shelf = broker._engine.shelf
    assert shelf is not None
    kept = {name: terms for name, terms in shelf.items("queue").items() if name not in broker._queues}
    for name, terms in kept.items():
        broker._queues[name] = broker._make_queue(name, fifo=terms["fifo"], tags=terms["tags"])
        broker._restored.add(name)
    for name, terms in kept.items():  # when all are there: some are dead-letter queues of others
        settle(broker, broker._queues[name], terms)
    broker._engine.restored()


def catch_up(broker: Outliving) -> None:
    """Have the queues that other processes have declared by now, and let go of those that they have deleted."""
    shelf = broker._engine.shelf
    assert shelf is not None
    kept = shelf.items("queue")
    for name in [name for name, queue in broker._queues.items() if name not in kept or queue._is_gone()]:
        broker._queues.pop(name).close()
        broker._restored.discard(name)
    restore(broker)


def settle(broker: Outliving, queue: Queue[Any], terms: Mapping[str, Any]) -> None:
    """Give a queue the settings, tags and policy that it was kept with: no change, so it makes no record."""
    settings = dict(terms["settings"])
    if settings["dead_letter"] is not None:
        settings["dead_letter"] = broker._queues.get(settings["dead_letter"])
    if (large := settings.get("large_bodies")) is not None:
        settings["large_bodies"] = LargeBodies(large["folder"], threshold=large["threshold"])
    settings["redrive_allow"] = who_may(settings["redrive_allow"])
    queue._set_up(queue._core.settings._replace(**settings), terms["tags"], terms["policy"])


def who_may(kept: Any) -> str | tuple[str, ...]:
    """The setting redrive_allow, which as JSON has lists for tuples."""
    return kept if isinstance(kept, str) else tuple(map(str, kept))


def declare_anew(
    queue: Queue[Any], fifo: bool | None, body: type[Any], tags: Mapping[str, str] | None, settings: Mapping[str, Any]
) -> Queue[Any]:
    """The first declaration in this process of a queue that was there before it."""
    if fifo is not None and fifo != queue.fifo:
        raise QueueExists(queue.name, setting="fifo", current=queue.fifo, asked=fifo)
    if queue.fifo is False:
        settings = {name: value for name, value in settings.items() if name not in FIFO or value}
    if settings:
        queue.configure(**settings)
    if tags is not None:
        queue.untag(*(key for key in queue.tags if key not in tags))
        queue.tag(tags)
    if body is not str:
        queue._type(body)
    return queue
