"""A limit on how many runs of functions there may be at a time, over all of a broker's."""

from __future__ import annotations

import threading

__all__ = ["Limit"]


class Limit:
    """How many may run at a time, over several functions."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.running = 0
        self._lock = threading.Lock()

    def take(self) -> bool:
        """Begin one; False if there is no room."""
        with self._lock:
            room = self.running < self.most
            self.running += room
            return room

    def give(self) -> None:
        """One has ended."""
        with self._lock:
            self.running -= 1
