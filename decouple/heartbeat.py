"""Heartbeats: what keeps a message in flight for as long as its handler runs.

One heart for each consumer, which beats for all its messages: on real time a thread, which lives only while there is one
to beat for, because the broker's workers may all be busy with the very handlers that need it; on a virtual clock as one of
those to whom things happen when it is moved, so also while a handler waits on it.
"""

from __future__ import annotations

import threading
import time
from itertools import takewhile
from typing import Protocol

from decouple.clock import SECOND, Clock
from decouple.core.deadlines import FAR

__all__ = ["Beating", "Heart"]


class Beating(Protocol):
    """What is kept by a heart."""

    def beat(self) -> bool:
        """Keep it longer; whether to go on with that."""
        ...


class Heart:
    """Beats for each message every `interval` nanoseconds, from its `add` to its `remove`."""

    def __init__(self, clock: Clock, interval: int, name: str) -> None:
        self._now = clock.now
        self._interval = interval
        self._name = name
        # by message: when the next beat is; in order, as all have the same interval
        self._next: dict[Beating, int] = {}
        self._lock = threading.Lock()
        self._threaded = clock.threaded
        self._beats = False
        if not self._threaded:
            clock.attach(self)

    def add(self, beating: Beating) -> None:
        """Keep a message from now on. Cost: O(1); a thread where none beats."""
        with self._lock:
            self._next[beating] = self._now() + self._interval
            if self._threaded and not self._beats:
                thread = threading.Thread(target=self._live, name=f"decouple-heart-{self._name}", daemon=True)
                thread.start()
                self._beats = True

    def remove(self, beating: Beating) -> None:
        """Its handler has ended."""
        with self._lock:
            self._next.pop(beating, None)

    def next_at(self) -> int:
        """When the next beat is due; FAR if none is."""
        with self._lock:
            return next(iter(self._next.values()), FAR)

    def settle(self) -> None:
        """Beat for those for whom it is due."""
        now = self._now()
        with self._lock:
            due = [one for one, _ in takewhile(lambda entry: entry[1] <= now, self._next.items())]
        for beating in due:
            again = beating.beat()
            with self._lock:
                # Only who is still there comes again: its handler may have ended meanwhile.
                if self._next.pop(beating, None) is not None and again:
                    self._next[beating] = now + self._interval

    def _live(self) -> None:
        while True:
            with self._lock:
                at = next(iter(self._next.values()), FAR)
                if at == FAR:
                    self._beats = False
                    return
            # Nobody needs to wake it earlier: who comes later is due later.
            time.sleep(max(0, at - self._now()) / SECOND)
            self.settle()
