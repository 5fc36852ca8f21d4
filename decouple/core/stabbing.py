"""Which of many prefixes does a text begin with, which of many ranges hold a number? Answered without trying each.

Both hold one item for each key and give the items that a value meets; the others are not looked at. Prefixes are grouped by
length: one look-up for each length there is. Ranges are grouped by magnitude: one of length s to 2s begins in one cell of
width s, covers at most one, and ends in another. In its first cell it holds what is not below it, in its last what is not
above it, so one sorted list of beginnings and one of ends per cell answer, and each look-up ends at the first miss.

Rejected: one dict of all elementary segments (10,000 nested ranges make 50 million entries), and a balanced interval
tree (nodes in Python cost more than the memory moved by inserting into a list of 100,000).
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator
from typing import Generic, TypeAlias, TypeVar

__all__ = ["Prefixes", "Ranges"]

T = TypeVar("T")

INFINITE = 1 << 62
ENDLESS = 61
Cell: TypeAlias = tuple[int, int]
Span: TypeAlias = tuple[int, int]


class Prefixes(Generic[T]):
    """Items by prefix."""

    __slots__ = ("_lengths",)

    def __init__(self) -> None:
        self._lengths: dict[int, dict[str, T]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._lengths.values()))

    def get(self, prefix: str) -> T | None:
        """The item of exactly this prefix."""
        return self._lengths.get(len(prefix), {}).get(prefix)

    def add(self, prefix: str, item: T) -> None:
        """Keep the item. Cost: O(1)."""
        self._lengths.setdefault(len(prefix), {})[prefix] = item

    def remove(self, prefix: str) -> None:
        """Forget the item of this prefix. Cost: O(1)."""
        items = self._lengths[len(prefix)]
        del items[prefix]
        if not items:
            del self._lengths[len(prefix)]

    def met(self, text: str) -> Iterator[T]:
        """The items whose prefix the text begins with. Cost: O(different lengths of prefixes)."""
        for length, items in self._lengths.items():
            if length <= len(text) and (prefix := text[:length]) in items:
                yield items[prefix]


class Ranges(Generic[T]):
    """Items by range: lowest and highest whole number, both within; None is without end.

    An interrupted `add` is undone by `remove`, and an interrupted `remove` by another: what stands in a list has its item.
    """

    __slots__ = ("_begin", "_cover", "_end", "_items")

    def __init__(self) -> None:
        self._items: dict[int, dict[Span, T]] = {}
        self._begin: dict[Cell, list[Span]] = {}
        self._end: dict[Cell, list[Span]] = {}
        self._cover: dict[Cell, list[Span]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._items.values()))

    def get(self, low: int | None, high: int | None) -> T | None:
        """The item of exactly this range."""
        level, span = placed(low, high)
        return self._items.get(level, {}).get(span)

    def add(self, low: int | None, high: int | None, item: T) -> None:
        """Keep the item. Cost: O(log n), and the insertion into one to three lists."""
        level, span = placed(low, high)
        self._items.setdefault(level, {})[span] = item
        for cells, cell, entry in self._places(level, span):
            insort(cells.setdefault(cell, []), entry)

    def remove(self, low: int | None, high: int | None) -> None:
        """Forget the item of this range. Cost: as adding it."""
        level, span = placed(low, high)
        for cells, cell, entry in self._places(level, span):
            entries = cells.get(cell, [])
            at = bisect_left(entries, entry)
            if entries[at : at + 1] == [entry]:
                del entries[at]
            if not entries:
                cells.pop(cell, None)
        items = self._items[level]
        del items[span]
        if not items:
            del self._items[level]

    def met(self, number: int) -> Iterator[T]:
        """The items whose range holds the number. Cost: O(magnitudes of ranges + items met)."""
        for level, items in self._items.items():
            cell = (level, number >> level)
            for span in self._begin.get(cell, ()):
                if span[0] > number:
                    break
                yield items[span]
            for high, low in reversed(self._end.get(cell, ())):
                if high < number:
                    break
                yield items[low, high]
            for span in self._cover.get(cell, ()):
                yield items[span]

    def _places(self, level: int, span: Span) -> Iterator[tuple[dict[Cell, list[Span]], Cell, Span]]:
        """Where a range stands, and as what: (end, beginning) where it ends."""
        low, high = span
        first, last = low >> level, high >> level
        if first == last:  # a single number
            yield self._cover, (level, first), span
            return
        if low > -INFINITE:
            yield self._begin, (level, first), span
        if high < INFINITE:
            yield self._end, (level, last), (high, low)
        for between in range(first + 1, last):
            yield self._cover, (level, between), span


def placed(low: int | None, high: int | None) -> tuple[int, Span]:
    """The level of a range, whose cells are 2**level wide, and its ends. One without an end ends in a cell beyond all numbers."""
    if low is None or high is None:
        return ENDLESS, (-INFINITE if low is None else low, INFINITE if high is None else high)
    return max(0, (high - low).bit_length() - 1), (low, high)
