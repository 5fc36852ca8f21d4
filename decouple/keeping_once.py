"""The deduplication ids of a FIFO topic on a shelf: each kept for five minutes, once the copies it stands for are made.

A publisher that had no answer tries again: then either the id is kept, and all queues have their copy, or it is not, and
those that lack it get theirs now; FIFO queues that have it drop the double by its id.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Hashable
from typing import TYPE_CHECKING

from decouple.core.once import FORGOTTEN_AT_ONCE, WINDOW, Once

if TYPE_CHECKING:
    from decouple.shelves import Shelf

__all__ = ["KeptOnce"]


class KeptOnce(Once):
    """As Once, on a shelf. epoch: of the clock whose instants it is told; those kept are since 1970.

    Where others publish, too, the shelf is asked each time; else what it had is known from the beginning. failure: why the last
    one could not be kept.
    """

    __slots__ = ("_epoch", "_kind", "_old", "_shelf", "failure")

    def __init__(self, shelf: Shelf, topic: str, epoch: int, now: int) -> None:
        super().__init__()
        self._shelf = shelf
        self._kind = f"once {topic}"
        self._epoch = epoch
        self._old: deque[tuple[int, str]] = deque()
        self.failure: Exception | None = None
        kept = sorted(shelf.items(self._kind).items(), key=lambda one: one[1])
        for text, (at, number) in kept:
            super().remember(at - epoch, key_of(text), number)
            self._old.append((at - epoch, text))
        if not shelf.shared:  # else writing may have to wait for others
            self._forget(now, len(kept))

    def first(self, now: int, key: Hashable) -> int | None:
        """As Once.first. Cost: where several processes publish, one read."""
        if not self._shelf.shared:
            return super().first(now, key)
        kept = self._shelf.get(self._kind, json.dumps(key))
        return None if kept is None or now + self._epoch - kept[0] >= WINDOW else int(kept[1])

    def remember(self, now: int, key: Hashable, number: int) -> None:
        """As Once.remember, all copies being made; raises nothing: what went wrong is in `failure`. Cost: one write."""
        text = json.dumps(key)
        try:
            self._shelf.put(self._kind, text, [now + self._epoch, number])
            self._old.append((now, text))
            self._forget(now, FORGOTTEN_AT_ONCE)
        except Exception as error:  # raised by who publishes, once no copy is half made
            self.failure = error
            return
        super().remember(now, key, number)

    def _forget(self, now: int, most: int) -> None:
        """Let go of a few that are too old to count, unless they were used again."""
        for _ in range(most):
            if not self._old or now - self._old[0][0] < WINDOW:
                return
            at, text = self._old[0]
            with self._shelf.together():
                kept = self._shelf.get(self._kind, text)
                if kept is not None and kept[0] <= at + self._epoch:
                    self._shelf.drop(self._kind, text)
            self._old.popleft()


def key_of(text: str) -> Hashable:
    key = json.loads(text)
    return tuple(key) if isinstance(key, list) else key  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
