"""Messages for workers: a receive that waits in a queue's line without a thread or a task of its own.

Whoever makes a message visible fills it, as every parked receive, and its wake puts a job for the broker's runner: nothing
polls. What happens in the queue by itself (a lease or a delay ends) is an alarm in the runner's heap, kept by the newest
of those who wait there.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from decouple.core.deadlines import FAR
from decouple.errors import QueueClosed
from decouple.parking import Park

if TYPE_CHECKING:
    from decouple.message import Message
    from decouple.queue import Queue
    from decouple.runner import Runner

__all__ = ["Intake"]


class JobPark(Park):
    """A receive that waits for workers: who fills it puts its job."""

    __slots__ = ("_place", "_put")

    def __init__(self, queue: str, most: int, lease: int, place: Any, put: Callable[[], None]) -> None:
        super().__init__(queue, most, lease, FAR)
        self._place = place
        self._put = put

    @property
    def place(self) -> Any:
        return self._place

    def wake(self) -> bool:
        self._put()
        return True


class Intake:
    """A receive of up to `most` messages, and the job that has them: `take` is called with them in a worker.

    One receive at a time; `begin` again for the next, also from `take`. With `awaits`, take is a coroutine function and
    awaited on the loop. `closed` is called instead, once, when the queue or the broker is closed. lease: nanoseconds,
    None = the queue's visibility timeout.
    """

    def __init__(
        self,
        queue: Queue[Any],
        runner: Runner,
        most: int,
        take: Callable[[list[Message[Any]]], Any],
        *,
        lease: int | None = None,
        awaits: bool = False,
        closed: Callable[[], object] = lambda: None,
        what: str = "a receive",
    ) -> None:
        self.queue = queue
        self.runner = runner
        self.most = most
        self.lease = lease
        self.awaits = awaits
        self.take = take
        self.closed = closed
        self.what = what
        self.alarm_at = FAR
        # The park that waits, if one does. Whoever takes it out, in one call, has it: a worker, or `stop`.
        self._parked: deque[JobPark] = deque()
        self.begun = False

    @property
    def over(self) -> bool:
        """Whether nothing waits: it was taken, stopped, or not begun."""
        return not self._parked

    def begin(self) -> None:
        """Join the line; what is visible by now is taken at once, by a worker. Raises QueueClosed."""
        lease = self.queue._core.lease if self.lease is None else self.lease
        park = JobPark(self.queue.name, self.most, lease, self.runner, self._put)
        self._parked.append(park)
        self.begun = True
        try:
            until = self.queue._lobby.enter(park)
        except QueueClosed:
            self._parked.clear()
            raise
        if until is not None:
            self._set_alarm(until)

    def stop(self) -> bool:
        """Leave the line, giving back what was on its way; False if it was taken already."""
        try:
            park = self._parked.pop()
        except IndexError:
            return False
        self.queue._lobby.abandon(park)
        return True

    # -- the runner's job ----------------------------------------------------------------------------------------

    def run(self) -> None:
        """Take what has come, or go on waiting."""
        messages = self._have()
        if messages:
            self.take(messages)

    async def arun(self) -> None:
        """The same, awaited."""
        messages = self._have()
        if messages:
            await self.take(messages)

    def abandon(self) -> None:
        """The broker closes."""
        if self.stop():
            self.closed()

    def describe(self) -> str:
        return f"{self.what} waits for queue {self.queue.name!r}"

    def _put(self) -> None:
        self.runner.put(self)

    def _have(self) -> list[Message[Any]]:
        """The messages, once; [] while there are none. Interrupted, it gives them back and waits again."""
        try:
            park = self._parked[0]
        except IndexError:
            return []
        try:
            return self._came(park)
        except BaseException:
            self._wait_again(park)
            raise

    def _came(self, park: JobPark) -> list[Message[Any]]:
        until = self.queue._lobby.alarm_for(park)
        if until is not None:
            self._set_alarm(until)
            return []
        try:
            self._parked.remove(park)
        except ValueError:  # another worker was told as well, or it was stopped meanwhile
            return []
        try:
            good = self.queue._decodable(self.queue._lobby.outcome(park))
            if not good:  # dead letters, all of them
                self.begin()
        except QueueClosed:
            self.closed()
            return []
        return good

    def _wait_again(self, park: JobPark) -> None:
        """Back into the line, giving back what was on its way."""
        with suppress(ValueError):
            self._parked.remove(park)
        self.queue._lobby.abandon(park)
        try:
            self.begin()
        except QueueClosed:
            self.closed()

    def _set_alarm(self, until: int) -> None:
        """Look again at that instant, if nothing earlier is set."""
        if until < self.alarm_at and until < FAR:
            self.alarm_at = until
            self.runner.put(Alarm(self, until), until)


class Alarm:
    """The runner's job at the queue's next deadline. It outlives the receive it was set for, and serves the next one."""

    awaits = False

    def __init__(self, intake: Intake, at: int) -> None:
        self.intake = intake
        self.at = at

    def run(self) -> None:
        """Let the intake look: what is due happens, and may fill it, whose wake puts its own job."""
        intake = self.intake
        if self.at > intake.alarm_at:
            return
        intake.alarm_at = FAR
        try:
            park = intake._parked[0]
        except IndexError:
            return
        until = intake.queue._lobby.alarm_for(park)
        if until is not None:
            intake._set_alarm(until)

    async def arun(self) -> None:
        self.run()

    def abandon(self) -> None:
        """The broker closes."""
        self.intake.abandon()

    def describe(self) -> str:
        return self.intake.describe()
