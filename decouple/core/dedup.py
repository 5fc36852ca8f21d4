"""One send counted once: which ids were used in the last five minutes, in a queue or in each of its groups.

An id is remembered from the first send on, whatever becomes of that message. Ids too old to count are let go a few at a
time, by later sends, so a million of them stall nobody.
"""

from __future__ import annotations

from collections import deque
from typing import Any, TypeAlias

from decouple.core.copies import Standing
from decouple.core.groups import Groups
from decouple.core.places import Move
from decouple.core.records import Details
from decouple.core.settings import SECOND, Settings

__all__ = ["WINDOW", "Deduplication", "Key", "Seen"]

WINDOW = 300 * SECOND
"""For so long a deduplication id, and the id of a receive attempt, is remembered."""

Key: TypeAlias = str | tuple[str | None, str]
# when it was first sent, the number of that message, and under what it is remembered
Seen: TypeAlias = tuple[int, int, Key]


class Deduplication(Groups):
    """What a FIFO queue remembers of its sends. Memory: about 250 bytes an id, and the id."""

    def __init__(self, name: str, settings: Settings, **more: Any) -> None:
        """Make an empty queue; see Places."""
        self.seen: dict[Key, Seen] = {}
        self.window: deque[Seen] = deque()  # the same, in the order of sending
        self.former_scope_until = 0  # what was sent under another scope counts until then
        self.by_queue = True
        super().__init__(name, settings, **more)

    def _first_of(self, now: int, keys: tuple[Key, ...]) -> Seen | None:
        """The send that makes this one a duplicate."""
        for key in keys:
            first = self.seen.get(key)
            if first is not None and now - first[0] < WINDOW:
                return first
        return None

    def _keys(self, now: int, details: Details) -> tuple[Key, ...]:
        """Under what the send is remembered; for a while after a change of scope also what it was before."""
        identity = details.deduplication_id or ""
        keys: tuple[Key, ...] = (identity, (details.group, identity))
        if self.settings.deduplication_scope != "queue":
            keys = keys[::-1]
        return keys if now < self.former_scope_until else keys[:1]

    def _forget(self, now: int, most: int) -> None:
        """Let go of up to `most` ids that are too old to count."""
        while most > 0 and self.window and now - self.window[0][0] >= WINDOW:
            old = self.window[0]
            if self.seen.get(old[2]) is old:
                del self.seen[old[2]]
            del self.window[0]
            most -= 1

    def _arriving(self, now: int, move: Move, sent_at: int, seq: int, details: Details) -> tuple[int, Details]:
        """A message from another queue is never a duplicate, but its id is taken from now on.

        A dead letter's deduplication id is its message id, lest two of them are taken for one; and it is as old as the
        move, not as the message (SQS).
        """
        if not move.as_new and move.entry is None:
            sent_at, details = now, details._replace(deduplication_id=details.id)
        if details.deduplication_id is None:
            details = details._replace(deduplication_id=f"{self.stem}{seq:012x}")
        keys = self._keys(now, details)
        if self._first_of(now, keys) is None:
            seen: Seen = (now, seq, key := keys[0])
            # commit
            self.seen[key] = seen
            self.window += (seen,)
        return sent_at, details

    def _bringing(self, now: int, number: int, one: Standing) -> None:
        """Its deduplication id counts here for as long as it would have there."""
        keys = self._keys(now, one.details)
        if now - one.sent_at < WINDOW and self._first_of(now, keys) is None:
            seen: Seen = (one.sent_at, number, key := keys[0])
            # commit
            self.seen[key] = seen
            self.window += (seen,)
