"""A priority heap of deadlines: (instant, key), soonest first, with lazy deletion in bounded steps.

Nothing is removed from the middle of the heap. Who pops a key asks its owner whether the deadline still means
something. Stale entries are pruned when they exceed the live ones plus a constant, and never in one go, because a
rebuild of 100,000 entries would stall one call for 10 ms: the heap is set aside and its entries are carried over
to a new one, a few at each push. A heap cut short at its end is still a heap, so the one set aside keeps its order.

Not the place for deadlines that come in order: leases of one length wait in an ordered dict (core/standard.py).
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from typing import TypeAlias

__all__ = ["FAR", "Deadlines"]

FAR = 1 << 62
"""An instant after all others: 146 years from the clock's zero."""

SLACK = 64
CARRIED_AT_A_PUSH = 8

Entry: TypeAlias = tuple[int, int]


class Deadlines:
    """Instants with the key of what is due then. `live(at, key)` tells whether an entry still means something."""

    __slots__ = ("_aside", "_entries", "_heap", "_live")

    def __init__(self, live: Callable[[int, int], bool]) -> None:
        self._live = live
        self._heap: list[Entry] = []
        self._aside: list[Entry] = []
        self._entries: set[Entry] = set()

    def __len__(self) -> int:
        return len(self._heap) + len(self._aside)

    def push(self, at: int, key: int, *, live: int) -> None:
        """Add a deadline, once. `live`: how many are live, at least. Cost: O(log n), and a few entries of pruning."""
        entry = (at, key)
        if entry in self._entries:
            return
        heappush(self._heap, entry)
        self._entries.add(entry)
        if self._aside:
            self._carry(CARRIED_AT_A_PUSH)
        else:
            self.set_aside(live)

    def set_aside(self, live: int) -> None:
        """Begin to prune if most entries are stale; the next pushes go on with it. For who pushes what does not live yet."""
        if not self._aside and len(self._heap) > 2 * live + SLACK:
            self._aside, self._heap = self._heap, self._aside

    def first(self) -> Entry | None:
        """The soonest entry, live or not. Cost: O(1)."""
        heap, aside = self._heap, self._aside
        if not aside:
            return heap[0] if heap else None
        return aside[0] if not heap or aside[0] < heap[0] else heap[0]

    def drop(self, entry: Entry) -> None:
        """Remove `entry` if it is (still) the soonest: handle it first, then drop it, so an interrupt loses nothing."""
        for heap in (self._heap, self._aside):
            if heap and heap[0] is entry:
                self._entries.discard(entry)
                heappop(heap)
                return

    def entries(self) -> set[Entry]:
        """All entries, live or not."""
        return {*self._heap, *self._aside}

    def prune(self) -> None:
        """Drop every stale entry at once. Cost: O(n log n)."""
        if not self._aside:
            self._aside, self._heap = self._heap, self._aside
        self._carry(len(self._aside))

    def _carry(self, most: int) -> None:
        # An entry is on both sides between the push and the pop: handled twice does no harm, not at all would.
        heap, aside = self._heap, self._aside
        for _ in range(min(most, len(aside))):
            entry = aside[-1]
            if self._live(*entry):
                heappush(heap, entry)
            else:
                self._entries.discard(entry)
            del aside[-1]
