"""The lobby of a queue: the line of parked receives, and who of them wakes for the queue's next deadline.

Whoever makes a message visible calls `serve` under the queue's lock; those served are woken by `wake`, after it. There
is no timer while nobody waits. While somebody does, one of those parked, the watcher, wakes for the queue's own
deadlines (a lease or a delay ends); the others sleep until their own end. The newest is the watcher, because it is
served last; when it leaves, or an earlier deadline comes up, another one is woken to take over.

A thread and a task wait by the same four steps: enter, then alarm_for and sleep until done, then outcome; and abandon
when its caller is gone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, cast

from decouple.core.deadlines import FAR
from decouple.errors import QueueClosed

if TYPE_CHECKING:
    import threading

    from decouple.core.records import Delivery
    from decouple.core.standard import Standard
    from decouple.parking import Park

__all__ = ["Lobby"]


class Lobby:
    """The parked receives of one queue. `follow_up` is what the queue does after each transition, without its lock."""

    __slots__ = ("_alarm_at", "_core", "_follow_up", "_lock", "_now", "_watcher")

    def __init__(
        self, core: Standard, lock: threading.Lock, now: Callable[[], int], follow_up: Callable[[], None]
    ) -> None:
        self._core = core
        self._lock = lock
        self._now = now
        self._follow_up = follow_up
        self._watcher: Park | None = None
        self._alarm_at = FAR

    # -- those who wait ------------------------------------------------------------------------------------------

    def enter(self, park: Park) -> None:
        """Join the line; what is visible by now is served at once. Raises QueueClosed."""
        try:
            with self._lock:
                if self._core.closed:
                    raise QueueClosed(self._core.name)
                self._core.park(park)
                self.serve(self._now())
        finally:
            self._follow_up()

    def alarm_for(self, park: Park) -> int | None:
        """Until when it may sleep before it asks again; None when its waiting is over."""
        core = self._core
        try:
            with self._lock:
                now = self._now()
                if not park.done and now < park.until:
                    core.settle(now)
                    self._watch(park)
                elif not park.done:
                    core.leave(park)
                self.serve(now)
                if park.done:
                    return None
                return min(park.until, self._alarm_at) if self._watcher is park else park.until
        finally:
            self._follow_up()

    def _watch(self, park: Park) -> None:
        """Under the lock: take over the watch, unless an older park has it and this is not the newest."""
        watcher = self._watcher
        if watcher is None or watcher is park or watcher.done or self._core.parked[-1] is park:
            self._watcher = park
            self._alarm_at = self._core.next_at()

    def outcome(self, park: Park) -> list[Delivery]:
        """What the wait brought. Raises QueueClosed."""
        if not park.messages and self._core.closed:
            raise QueueClosed(self._core.name)
        if not park.messages:
            self._core.counts.empty_receives += 1
        return park.messages

    def abandon(self, park: Park) -> None:
        """Its caller is gone: leave the line, and give back what was on its way."""
        self.give_back(park.messages, park)

    def give_back(self, deliveries: Iterable[Delivery], park: Park | None = None) -> None:
        """A receive was interrupted before its caller had the answer: first in line again, counts restored."""
        with self._lock:
            now = self._now()
            if park is not None:
                self._core.leave(park)
            for delivery in reversed(list(deliveries)):
                self._core.give_back(now, delivery)
            self.serve(now)
        self._follow_up()

    # -- those who let them -----------------------------------------------------------------------------------------

    def serve(self, now: int) -> None:
        """Under the lock: serve the line, and see that one of those left wakes for the next deadline. O(1) if it is empty."""
        core = self._core
        if not core.parked:
            core.reopen()
            return
        self.drop_gone()
        core.serve(now)
        watcher = self._watcher
        if core.parked and (watcher is None or watcher.done or core.next_at() < self._alarm_at):
            self._watcher = None
            core.filled.append(core.parked[-1])

    def end(self, now: int) -> None:
        """Under the lock: end the waits whose time is over, for a clock that is moved by hand."""
        for park in [park for park in self._core.parked if park.until <= now]:
            self._core.filled.append(park)
            self._core.leave(park)

    def drop_gone(self) -> None:
        """Under the lock: take out of the line the tasks whose loop was closed under them, and whose leaving was interrupted."""
        for park in [park for park in self._core.parked if park.done or cast("Park", park).gone]:
            self._core.leave(park)

    def wake(self) -> None:
        """Without the lock: tell those who were served to look. Whoever cannot be told any more has gone."""
        filled = self._core.filled
        while filled:
            try:
                # commit
                park = filled[0]
                del filled[0]
            except IndexError:
                return  # another thread wakes them too
            try:
                told = cast("Park", park).wake()
            except BaseException:
                filled.appendleft(park)
                raise
            if not told:
                self.abandon(cast("Park", park))
