"""Numbers that no process gives out twice: where queues and topics outlive the process, their next number must, too.

One process takes a thousand at a time from the shelf, so a number costs no write; those it did not use are left out. The
sequence numbers of a FIFO topic that several processes publish to are taken one by one: they say who came first.
"""

from __future__ import annotations

from collections.abc import Iterator
from operator import length_hint
from typing import TYPE_CHECKING

from decouple.core.places import SHARED

if TYPE_CHECKING:
    from decouple.shelves import Shelf

__all__ = ["InTurn", "Numbers"]

BLOCK = 1_000


class Numbers:
    """Ascending numbers, from a shelf of one process. Any thread may ask; needs no lock of its own."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._end = SHARED
        self._block = iter(range(0))

    def __repr__(self) -> str:
        """As an itertools.count: queues that hold these numbers read there which one comes next (Places.issued)."""
        return f"count({self._end - length_hint(self._block)})"

    def __iter__(self) -> Iterator[int]:
        return self

    def __next__(self) -> int:
        """The next one. Raises NotKept. Cost: one write in a thousand."""
        while True:
            for number in self._block:  # one step in C: two threads never get the same
                return number
            taken = self._reserve()
            # commit
            self._end = taken.stop
            self._block = iter(taken)

    def _reserve(self) -> range:
        while True:
            mark = self._shelf.get("numbers", "shared")
            first = SHARED if mark is None else mark
            if self._shelf.swap("numbers", "shared", mark, first + BLOCK):
                return range(first, first + BLOCK)


class InTurn:
    """The sequence numbers of one FIFO topic, over all processes that publish to it."""

    def __init__(self, shelf: Shelf, topic: str) -> None:
        self._shelf = shelf
        self._topic = topic

    def __iter__(self) -> Iterator[int]:
        return self

    def __next__(self) -> int:
        """The next one. Raises NotKept. Cost: one write."""
        while True:
            last = self._shelf.get("sequence", self._topic)
            number = SHARED if last is None else last + 1
            if self._shelf.swap("sequence", self._topic, last, number):
                return number
