"""The lobby of a queue: the line of parked receives, and who of them wakes for the queue's next deadline.

Whoever makes a message visible calls `serve` under the queue's lock; those served are woken by `wake`, after it. There
is no timer while nobody waits. While somebody does, a watcher wakes for the queue's own deadlines (a lease or a delay
ends); the others sleep until their own end. There is one watcher among the threads and one on each loop, because a loop
that is busy or closed must not keep the others from what is due. It is the newest, which is served last; when it leaves, or
an earlier deadline comes up, the newest that is left is woken to take over.

A thread and a task wait by the same steps: enter, then sleep and ask for the alarm again until done, then the outcome;
and abandon when the caller is gone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, cast

from decouple.errors import QueueClosed

if TYPE_CHECKING:
    import threading

    from decouple.core.machine import Machine
    from decouple.core.records import Delivery
    from decouple.parking import Park

__all__ = ["Lobby"]


class Lobby:
    """The parked receives of one queue. `follow_up` is what the queue does after each transition, without its lock."""

    __slots__ = ("_core", "_follow_up", "_lock", "_now", "_watch", "left")

    def __init__(
        self, core: Machine, lock: threading.Lock, now: Callable[[], int], follow_up: Callable[[], None]
    ) -> None:
        self._core = core
        self._lock = lock
        self._now = now
        self._follow_up = follow_up
        # by where they wait: the watcher, and the instant for which it wakes
        self._watch: dict[Any, tuple[Park, int]] = {}
        # Parks whose task was garbage-collected, perhaps by a thread that held the lock: whoever holds it next sees to them.
        self.left: deque[Park] = deque()

    # -- those who wait ------------------------------------------------------------------------------------------

    def enter(self, park: Park) -> int | None:
        """Join the line; what is visible by now is served at once. Until when to sleep; None: no need. Raises QueueClosed."""
        try:
            with self._lock:
                if self._core.closed:
                    raise QueueClosed(self._core.name)
                self._core.park(park)
                return self._alarm(park)
        finally:
            self._follow_up()

    def alarm_for(self, park: Park) -> int | None:
        """Until when it may sleep before it asks again; None when its waiting is over."""
        try:
            with self._lock:
                return self._alarm(park)
        finally:
            self._follow_up()

    def _alarm(self, park: Park) -> int | None:
        """Under the lock: serve what is due by now, and let the park go if its own time is over."""
        core, now = self._core, self._now()
        if not park.done:
            if now >= core.due:
                core.settle(now)
                self.serve(now, awake=park)
            elif core.fresh or core.again or self.left:
                self.serve(now, awake=park)
            if not park.done and now >= park.until:
                core.leave(park)
                self.serve(now)
        if park.done:
            return None
        watching = self._watch.get(park.place)
        if watching is None or watching[0] is park or watching[0].done or core.parked[-1] is park:
            watching = self._watch[park.place] = (park, core.next_at())
        return min(park.until, watching[1]) if watching[0] is park else park.until

    def outcome(self, park: Park) -> list[Delivery]:
        """What the wait brought. Raises QueueClosed."""
        if not park.messages:
            if self._core.closed:
                raise QueueClosed(self._core.name)
            self._core.counts.empty_receives += 1
        return park.messages

    def abandon(self, park: Park) -> None:
        """Its caller is gone: leave the line, and give back what was on its way."""
        self.left.append(park)
        with self._lock:
            self.serve(self._now())
        self._follow_up()

    def give_back(self, deliveries: Iterable[Delivery]) -> None:
        """A receive was interrupted before its caller had the answer: first in line again, counts restored."""
        with self._lock:
            now = self._now()
            for delivery in reversed(list(deliveries)):
                self._core.give_back(now, delivery)
            self.serve(now)
        self._follow_up()

    # -- those who let them -----------------------------------------------------------------------------------------

    def serve(self, now: int, awake: Park | None = None) -> None:
        """Under the lock: serve the line, and see that one of those left wakes for the next deadline. O(1) if it is empty.

        awake: a park that is about to see to that itself.
        """
        core = self._core
        if self.left:
            self._see_off(now)
        if not core.parked:
            self._watch.clear()
            core.reopen()
            return
        while core.parked and (core.parked[0].done or cast("Park", core.parked[0]).gone):
            core.leave(core.parked[0])
        core.serve(now)
        if core.parked and self._watch:
            self._appoint(awake)

    def handed_over(self, now: int) -> None:
        """Under the lock: the first in line was served, and nothing else is visible."""
        if self._core.parked or self.left:
            self.serve(now)
        else:
            self._watch.clear()

    def _appoint(self, awake: Park | None) -> None:
        """Under the lock: wake somebody to watch wherever the watcher is gone, or would wake too late."""
        at = self._core.next_at()
        for place, (watcher, alarm_at) in list(self._watch.items()):
            if watcher.done or watcher.gone or at < alarm_at:
                newest = next((park for park in reversed(self._core.parked) if cast("Park", park).place is place), None)
                if newest is None:
                    del self._watch[place]
                else:
                    self._watch[place] = (cast("Park", newest), at)
                    if newest is not awake:
                        self._core.filled.append(newest)

    def _see_off(self, now: int) -> None:
        """Under the lock: take those who left out of the line, and give back what was on its way to them."""
        while self.left:
            park = self.left[0]
            self._core.leave(park)
            for delivery in reversed(park.messages):
                self._core.give_back(now, delivery)
            del self.left[0]

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
                park: Any = filled[0]
                del filled[0]
            except IndexError:
                return  # another thread wakes them too
            try:
                told = park.wake()
            except BaseException:
                filled.appendleft(park)
                raise
            if not told:
                self.abandon(park)
