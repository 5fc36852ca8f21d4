"""What all parts of a queue's surface stand on: the engine, its lock, its clock, and what follows a transition."""

from __future__ import annotations

import threading
from collections.abc import Callable
from operator import attrgetter
from typing import TYPE_CHECKING, Generic

from decouple.clock import Clock
from decouple.core.fifo import Fifo
from decouple.core.machine import Machine
from decouple.errors import QueueClosed
from decouple.generic import T

if TYPE_CHECKING:
    from decouple.codecs import Codec
    from decouple.core.changes import Change
    from decouple.intake import Alarm
    from decouple.lobby import Lobby
    from decouple.message import Message
    from decouple.movetask import MoveTask
    from decouple.reporting import Reporter
    from decouple.testing.faults import Injection

__all__ = ["Desk"]

UNTIL = attrgetter("until")


class Desk(Generic[T]):
    """The state of a queue object; Queue fills it, Sending, Receiving and Settling work on it."""

    name: str
    fifo: bool
    clock: Clock
    _lock: threading.Lock
    _now: Callable[[], int]
    _core: Machine
    _order: Fifo | None  # the engine again, if it is a FIFO queue's
    _codec: Codec[T] | None  # of a typed queue
    _make: Callable[[], Message[T]]
    _lobby: Lobby
    _reporter: Reporter[Change]
    _task: MoveTask | None  # the redrive under way
    _alarm: Alarm | None = None  # for workers who wait for messages
    _faults: Injection | None  # what goes wrong here, for tests

    @property
    def closed(self) -> bool:
        """Whether it takes and gives no more."""
        return self._core.closed

    def _check_open(self) -> None:
        if self._core.closed:
            raise QueueClosed(self.name)

    def _in_order(self, what: str) -> Fifo:
        if self._order is None:
            raise ValueError(f"{what} is for FIFO queues, and {self.name!r} is a standard queue")
        return self._order

    def _follow_up(self) -> None:
        """Without the lock: what is to be done after a transition."""
        raise NotImplementedError

    def _see(self) -> None:
        """Under the lock: who is told of changes may be others now."""

    # -- for the clock -----------------------------------------------------------------------------------------

    def next_at(self) -> int:
        """The next instant at which something happens here by itself."""
        with self._lock:
            soonest = self._core.next_at() if self._task is None else min(self._core.next_at(), self._task.next_at())
            return min([soonest, *(park.until for park in self._core.parked)])

    def calm_until(self) -> int:
        """In a simulation: nothing happens here by itself before then. Without the lock: O(parked) at most."""
        core = self._core
        if not core.due or self._task is not None:
            return self.next_at()
        return min(core.due, *map(UNTIL, core.parked)) if core.parked else core.due
