"""One batch of messages on its way to another broker, so that whoever is killed in between can go on.

First a note on the target's shelf says which messages come, then they are put there, then the note says that they arrived,
and only then are they taken from the source. Where the target has transactions, the three are one. Whoever goes on reads the
note: those that arrived are taken from the source and not brought again; of those that were on their way, the target is
asked which it has.

The source's queue is locked all along, so nobody receives there what is gone already. That is the one place where two queue
locks are held: they are of two brokers, and nobody ever copies back at the same time but to a deadlock of his own making.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from decouple.core.copies import Standing
from decouple.errors import QueueClosed
from decouple.large_bodies import FolderStore, LargeBodies, Pointer, bring_in

if TYPE_CHECKING:
    from decouple.queue import Queue
    from decouple.shelves import Shelf

__all__ = ["KIND", "Passage"]

KIND = "copy"
"""Of notes on a shelf: whose key is "from", the source's identity, and others, the queues that are being copied."""


class Passage:
    """The way of one queue's messages into its counterpart at the target. key: of the note."""

    def __init__(self, source: Queue[Any], target: Queue[Any], shelf: Shelf | None, key: str) -> None:
        self.source = source
        self.target = target
        self.shelf = shelf
        self.key = key

    def go_on(self) -> int:
        """Take from the source what an attempt before this one brought; how many. Before anything else is brought."""
        there = self.arrived()
        if not there:
            return 0
        try:
            with self.source._lock:
                core, now = self.source._core, self.source._now()
                here = core.all_numbers(now)
                gone = [number for number in here for one in core.as_they_stand(now, [number]) if one.id in there]
                core.take_away(now, gone)
        finally:
            self.source._follow_up()
        return len(gone)

    def arrived(self) -> set[str]:
        """The ids of messages that the target has, or had, from an attempt before."""
        note = None if self.shelf is None else self.shelf.get(KIND, self.key)
        if note is not None and note["arrived"]:
            return set(note["ids"])
        if note is None and self.shelf is not None:
            return set()
        with self.target._lock:
            here = self.target._core.ids(self.target._now())
        return here if note is None else here.intersection(note["ids"])

    def numbers(self) -> list[int]:
        """The messages that are to be brought, by number."""
        self.source._follow_up()  # dead letters on their way are brought there first
        with self.source._lock:
            return self.source._core.all_numbers(self.source._now())

    def bring(self, numbers: Sequence[int]) -> int:
        """Bring a batch; how many there were. Raises QueueClosed, NotKept: then the rest is where it was."""
        try:
            with self.source._lock:
                core, now = self.source._core, self.source._now()
                batch = core.as_they_stand(now, numbers)
                coming = [self.at_target(one) for one in batch]
                if coming:
                    self.put(coming)
                core.take_away(now, numbers)
        finally:
            self.source._follow_up()
        for one, there in zip(batch, coming, strict=True):
            if isinstance(one.text, Pointer) and there.text is not one.text:
                one.text.remove()  # the target keeps the body in a place of its own
        return len(batch)

    def put(self, batch: list[Standing]) -> None:
        """See to it that the target has them, and that it is known. Where it fails, large bodies of its own may be left."""
        if self.shelf is None:
            self.deliver(batch)
            return
        ids = [one.id for one in batch]
        with self.shelf.together():
            self.shelf.put(KIND, self.key, {"ids": ids, "arrived": False})
            self.deliver(batch)
            # What a shelf takes comes after the messages, so where a put is on the disk, they are.
            self.shelf.put(KIND, self.key, {"ids": ids, "arrived": True})

    def deliver(self, batch: list[Standing]) -> None:
        queue = self.target
        pointers = [one.text for one in batch if isinstance(one.text, Pointer)]
        if pointers:
            bring_in(queue, pointers)
        try:
            with queue._lock:
                if queue.closed:
                    raise QueueClosed(queue.name)
                now = queue._now()
                for one in batch:
                    queue._core.bring(now, one)
                queue._lobby.serve(now)
        finally:
            queue._follow_up()

    def at_target(self, one: Standing) -> Standing:
        """The same by the target's clock, and with its queues."""
        ahead = self.source.clock.epoch - self.target.clock.epoch
        details = one.details
        if details.source is not None:
            details = details._replace(source=self.counterpart(details.source.name))
        first = None if one.first is None else one.first + ahead
        text = self.kept_there(one.text)
        return one._replace(text=text, sent_at=one.sent_at + ahead, due=one.due + ahead, first=first, details=details)

    def kept_there(self, text: str) -> str:
        """A body that is kept elsewhere as the target has it: where it is, in the target's own store, or in the queue."""
        if not isinstance(text, Pointer):
            return text
        large: LargeBodies | None = self.target._core.settings.large_bodies
        if large is None:
            return text.fetch(self.source.name)
        return text if place_of(large) == place_of(text.bodies) else large.pointer(text.fetch(self.source.name))

    def counterpart(self, name: str) -> Any:
        """The target's queue of that name; None if it has none."""
        employer: Any = self.target._employer
        return employer.queues.get(name)

    def finish(self) -> None:
        """All is brought, and gone from the source: forget the note."""
        if self.shelf is not None:
            self.shelf.drop(KIND, self.key)


def place_of(large: LargeBodies) -> object:
    """Where bodies are kept: two that are equal are one place."""
    return large.store.folder if isinstance(large.store, FolderStore) else large.store
