"""The archive of a FIFO topic: what was published, in order, for as long as it is kept, to be replayed.

Source: SNS developer guide, "Message archiving and replay for FIFO topics".
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Generic, TypeVar

__all__ = ["Archive"]

P = TypeVar("P")


class Archive(Generic[P]):
    """Items with the instant they were published at, kept for `retention` nanoseconds. The caller holds the lock."""

    __slots__ = ("_kept", "retention")

    def __init__(self, retention: int) -> None:
        self.retention = retention
        self._kept: deque[tuple[int, P]] = deque()

    def __len__(self) -> int:
        return len(self._kept)

    def add(self, now: int, item: P) -> None:
        """Keep an item, the latest; once, also when told again. Cost: O(1), and what is too old goes."""
        self.prune(now)
        if not self._kept or self._kept[-1][1] is not item:
            self._kept.append((now, item))

    def prune(self, now: int) -> None:
        """Let go of what is older than the retention."""
        while self._kept and now - self._kept[0][0] >= self.retention:
            self._kept.popleft()

    def between(self, now: int, start: int, end: int | None) -> Iterator[P]:
        """What was published from `start` to `end`, both included, in order; None: up to now. Cost: O(kept)."""
        self.prune(now)
        for at, item in self._kept:
            if end is not None and at > end:
                return
            if at >= start:
                yield item

    def begins(self, now: int) -> int | None:
        """When the oldest item was published; None while there is none."""
        self.prune(now)
        return self._kept[0][0] if self._kept else None
