"""What was published once: the ids of the last five minutes, each with the number of the first message that had it."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable

from decouple.core.settings import SECOND

__all__ = ["Once"]

WINDOW = 300 * SECOND
FORGOTTEN_AT_ONCE = 16


class Once:
    """A memory of keys. The caller holds the lock. Cost: O(1); about 250 bytes a key, for the window or until the next use."""

    __slots__ = ("_seen", "_window")

    def __init__(self) -> None:
        self._seen: dict[Hashable, tuple[int, int]] = {}
        self._window: deque[tuple[int, Hashable]] = deque()

    def __len__(self) -> int:
        return len(self._seen)

    def first(self, now: int, key: Hashable) -> int | None:
        """The number under which this key was remembered in the window; None if it was not."""
        at, number = self._seen.get(key, (now - WINDOW, 0))
        return number if now - at < WINDOW else None

    def remember(self, now: int, key: Hashable, number: int) -> None:
        """Remember the key from now on, also again; and let go of a few that are too old to count."""
        for _ in range(FORGOTTEN_AT_ONCE):
            if not self._window or now - self._window[0][0] < WINDOW:
                break
            at, old = self._window.popleft()
            if self._seen.get(old, (None, 0))[0] == at:
                del self._seen[old]
        self._seen[key] = (now, number)
        self._window.append((now, key))
