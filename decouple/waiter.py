"""A thread that waits for one thing: room in a backlog, or the end of a run. Parked receives have their own (parking.py)."""

from __future__ import annotations

import threading

__all__ = ["Waiter"]


class Waiter:
    """Blocked on a lock that whoever ends the wait releases, once. what: who waits for what, for ClockStuck."""

    __slots__ = ("_gate", "_what", "done")

    def __init__(self, what: str) -> None:
        self._what = what
        self.done = False
        self._gate = threading.Lock()
        self._gate.acquire()

    def block(self, seconds: float) -> bool:
        """Wait to be woken, for at most so many real seconds; whether it was."""
        return self._gate.acquire(timeout=seconds)

    def wake(self) -> None:
        """End the wait."""
        self.done = True
        self._gate.release()

    def describe(self) -> str:
        return self._what
