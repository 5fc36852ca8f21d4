"""Recorder: an observer that keeps the newest changes, as many as it was given room for.

What falls out at the old end is forgotten, but for what a later story needs of it: who was subscribed on which terms.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable, MutableSequence

from decouple.core.changes import Cause, Change
from decouple.recording import Recording
from decouple.subscribed import Known, fold

__all__ = ["Recorder", "recorder_among"]


class Recorder:
    """Keeps the newest `most` changes, None = all. Thread-safe. Cost: under 1 us a change, and its text.

    changes: those that are kept, oldest first; dropped: how many were forgotten.
    """

    changes: MutableSequence[Change]

    def __init__(self, most: int | None = None) -> None:
        self.changes = [] if most is None else deque(maxlen=most)
        self.most = most
        self._told = 0
        self._before: Known = {}  # what was forgotten of subscriptions
        self._lock = threading.Lock()
        self._last: dict[tuple[str | None, ...], Change] = {}

    def __call__(self, change: Change) -> None:
        source = (change.queue, change.topic, change.function, change.schedule)
        with self._lock:
            # An interrupt may have come between telling us and noting that we were told: then it is told again.
            if self._last.get(source) is not change:
                if len(self.changes) == self.most:
                    fold(self._before, self.changes[0])
                # commit
                self.changes += (change,)
                self._told += 1
                self._last[source] = change

    @property
    def dropped(self) -> int:
        """How many changes were forgotten."""
        return max(0, self._told - len(self.changes))

    @property
    def counts(self) -> Counter[Cause]:
        """How often each cause was recorded."""
        return Counter(change.cause for change in list(self.changes))

    def history(self, id: str) -> list[Change]:
        """What happened to the message with this id, in every queue it was in, as it was recorded."""
        return [change for change in list(self.changes) if change.id == id]

    def recording(
        self, *, started: int | None = None, ended: int | None = None, seed: int | None = None, whole: bool = True
    ) -> Recording:
        """What is kept now. started, ended: nanoseconds since 1970, None = as the changes say; see Recording."""
        with self._lock:
            changes, dropped, before = tuple(self.changes), self.dropped, tuple(self._before.values())
        instants = [change.at for change in changes] or [started or ended or 0]
        return Recording(
            changes,
            before=before,
            dropped=dropped,
            most=self.most,
            seed=seed,
            started=min(instants) if started is None else started,
            ended=max(instants) if ended is None else ended,
            whole=whole and not dropped,
        )


def recorder_among(observers: Iterable[Callable[[Change], object]]) -> Recorder | None:
    """Who of them keeps what it is told, the first one."""
    return next((observer for observer in observers if isinstance(observer, Recorder)), None)
