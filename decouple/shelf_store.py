"""Keys of idempotent handlers on a shelf: they outlive the process, and processes that share the shelf share them.

Each step is one swap of the key's record, so of two processes one has the key. What has expired is dropped a few at each
`begin`, by a heap of what this process has put and has found at its start; nothing ticks, and nothing is scanned twice.
"""

from __future__ import annotations

import threading
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Any

from decouple.clock import Clock
from decouple.idempotent import PRUNED_AT_A_BEGIN, Claim

if TYPE_CHECKING:
    from decouple.shelves import Shelf

__all__ = ["ShelfStore"]

KIND = "idempotency"


class ShelfStore:
    """An IdempotencyStore as durable as its broker's engine. Cost: a read and a write a call."""

    def __init__(self, shelf: Shelf, clock: Clock) -> None:
        self._shelf = shelf
        self._clock = clock
        self._lock = threading.Lock()
        self._deadlines: list[tuple[int, str]] = []
        self._expires_at: dict[str, int] = {}
        for key, held in shelf.items(KIND).items():
            if held is not None:
                self._remember(key, held)

    def __repr__(self) -> str:
        return f"<ShelfStore of {self._shelf!r}>"

    def begin(self, key: str, token: str, lease: int) -> Claim:
        """See IdempotencyStore. Raises StorageError, as all of these do."""
        now = self._now()
        self._sweep(now)
        while True:
            held = self._shelf.get(KIND, key)
            if held is not None and held["expires_at"] > now:
                result = held["result"]
                return Claim(result=result, remaining=0 if result is not None else held["expires_at"] - now)
            if self._swap(key, held, {"expires_at": now + lease, "token": token, "result": None}):
                return Claim(mine=True)

    def complete(self, key: str, token: str, result: str, ttl: int) -> bool:
        while True:
            now = self._now()
            held = self._shelf.get(KIND, key)
            if held is not None and held["token"] != token and held["expires_at"] > now:
                return False
            if self._swap(key, held, {"expires_at": now + ttl, "token": token, "result": result}):
                return True

    def release(self, key: str, token: str) -> None:
        while True:
            held = self._shelf.get(KIND, key)
            if held is None or held["token"] != token or held["result"] is not None:
                return
            if self._shelf.swap(KIND, key, held, None):
                return

    def _now(self) -> int:
        """Nanoseconds since 1970: what a clock counts from means nothing to the next process."""
        return self._clock.now() + self._clock.epoch

    def _swap(self, key: str, old: Any, new: dict[str, Any]) -> bool:
        if not self._shelf.swap(KIND, key, old, new):
            return False
        self._remember(key, new)
        return True

    def _remember(self, key: str, held: dict[str, Any]) -> None:
        with self._lock:
            self._expires_at[key] = held["expires_at"]
            heappush(self._deadlines, (held["expires_at"], key))

    def _sweep(self, now: int) -> None:
        """Drop some of what has expired: more than one call can add."""
        for _ in range(PRUNED_AT_A_BEGIN):
            with self._lock:
                if not self._deadlines or self._deadlines[0][0] > now:
                    return
                expires_at, key = heappop(self._deadlines)
                if self._expires_at.get(key) != expires_at:
                    continue  # it was prolonged since
                del self._expires_at[key]
            held = self._shelf.get(KIND, key)
            if held is not None and held["expires_at"] <= now:
                self._shelf.swap(KIND, key, held, None)  # unless somebody has taken it meanwhile
