"""How a publisher waits for room in a backlog that blocks its publishers."""

from __future__ import annotations

import sys
import threading

__all__ = ["Waiter", "on_a_loop"]


class Waiter:
    """A publisher that waits for room: blocked on a lock that whoever makes room releases."""

    __slots__ = ("_gate", "_what", "done")

    def __init__(self, what: str) -> None:
        self._what = what
        self.done = False
        self._gate = threading.Lock()
        self._gate.acquire()

    def block(self, seconds: float) -> bool:
        return self._gate.acquire(timeout=seconds)

    def wake(self) -> None:
        self.done = True
        self._gate.release()

    def describe(self) -> str:
        return self._what


def on_a_loop() -> bool:
    """Whether this thread runs an event loop, which must not be blocked: what makes room may be a task of it."""
    asyncio = sys.modules.get("asyncio")
    return asyncio is not None and asyncio._get_running_loop() is not None
