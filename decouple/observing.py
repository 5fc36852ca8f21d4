"""The observing half of a Broker: who is told of its changes, and what is recorded of them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from decouple.clock import Clock
from decouple.core.changes import Change
from decouple.errors import NotRecorded
from decouple.numbers import whole

if TYPE_CHECKING:
    from decouple.function import Function
    from decouple.queue import Queue
    from decouple.schedules import Schedule
    from decouple.stories.recorder import Recorder
    from decouple.stories.recording import Recording
    from decouple.stories.story import Story
    from decouple.topic import Topic

__all__ = ["Observing"]


class Observing:
    """Fills `_observers`, from which all that is declared takes its own."""

    clock: Clock
    _observers: tuple[Callable[[Change], object], ...]
    _recorder: Recorder | None = None
    _record_since: int = 0
    seed: int | None  # what chance begins with
    _queues: dict[str, Queue[Any]]
    _topics: dict[str, Topic]
    _functions: dict[str, Function]
    _schedules: dict[str, Schedule]
    _lock: threading.Lock

    def _record(self, most: int) -> None:
        """Before anything is declared: keep the newest `most` changes."""
        if whole(most, "record", 0):
            from decouple.stories.recorder import (
                Recorder,
            )  # here, and so in other places below, because most programs keep none

            self._recorder = Recorder(most)
            self._record_since = self.clock.now() + self.clock.epoch
            self._observers = (self._recorder, *self._observers)

    def observe(self, observer: Callable[[Change], object]) -> None:
        """Tell it of every change from now on, as `observers` of the broker are. Cost: O(what is declared)."""
        if not callable(observer):
            raise TypeError(f"an observer must be a callable that takes a Change, not {observer!r}")
        with self._lock:
            self._observers = (*self._observers, observer)
            queues, others = self._told()
        for queue in queues:
            queue._observe([observer])
        for other in others:
            other._reporter.observers = (*other._reporter.observers, observer)

    def unobserve(self, observer: Callable[[Change], object]) -> None:
        """Tell it no more. One that was not told is no error."""
        with self._lock:
            self._observers = tuple(one for one in self._observers if one is not observer)
            queues, others = self._told()
        for queue in queues:
            queue._unobserve(observer)
        for other in others:
            other._reporter.observers = tuple(one for one in other._reporter.observers if one is not observer)

    def _told(self) -> tuple[list[Queue[Any]], list[Topic | Function | Schedule]]:
        others: list[Topic | Function | Schedule] = [
            *self._topics.values(),
            *self._functions.values(),
            *self._schedules.values(),
        ]
        return list(self._queues.values()), others

    def explain(self, message_id: str) -> Story:
        """Everything that is recorded of a message, publication or request: through all queues, with causes, and why.

        str() of it is a table, `.json()` and `.html()` are for others. Raises NotRecorded, also where the broker records
        nothing: Broker(record=100_000) keeps so many changes. Cost: O(changes).
        """
        if self._recorder is None:
            raise NotRecorded(message_id, kept=0, dropped=0, most=0)
        return self.recording().explain(message_id)

    def recording(self) -> Recording:
        """What is recorded up to now, as a value: to be saved, compared with another run, or played again.

        Raises NotRecorded where the broker records nothing. Cost: O(changes).
        """
        if self._recorder is None:
            raise NotRecorded("this broker", kept=0, dropped=0, most=0)
        ended = self.clock.now() + self.clock.epoch
        return self._recorder.recording(started=self._record_since, ended=ended, seed=self.seed)
