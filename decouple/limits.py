"""A limit on how many runs of functions there may be at a time, over all of a broker's."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from decouple.function import Function
    from decouple.invocation import Invocation

__all__ = ["Limit"]


class Limit:
    """How many may run at a time, over several functions. waiting: those whose callers met it full."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.waiting: dict[Function, None] = {}  # a dict, for its order
        self._running: set[Invocation] = set()
        self._lock = threading.Lock()

    @property
    def full(self) -> bool:
        return len(self._running) >= self.most

    def take(self, invocation: Invocation) -> bool:
        """Begin one; False if there is no room."""
        with self._lock:
            if self.full:
                return False
            self._running.add(invocation)
            return True

    def give(self, invocation: Invocation) -> None:
        """It has ended; to say so twice is no error."""
        self._running.discard(invocation)
        for function in list(self.waiting):
            self.waiting.pop(function, None)
            function.wake()
