"""Messages for workers: a receive that waits in a queue's line without a thread or a task of its own.

Whoever makes a message visible fills it, as every parked receive, and its wake puts a job for the broker's runner: nothing
polls. What happens in the queue by itself (a lease or a delay ends) is an alarm in the runner's heap: one for all who
wait there, whoever they are by then, so that those who came and went leave nothing behind.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context, copy_context
from typing import TYPE_CHECKING, Any, cast

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

    __slots__ = ("intake",)

    def __init__(self, intake: Intake, lease: int) -> None:
        super().__init__(intake.queue.name, intake.most, lease, FAR)
        self.intake = intake

    @property
    def place(self) -> Any:
        return self.intake.runner

    @property
    def who(self) -> str:
        return self.intake.what

    def wake(self) -> bool:
        # Not as part of what the sender, or the handler before, is at.
        self.intake.runner.put(self.intake, context=self.intake.context.copy())
        return True

    def describe(self) -> str:
        return self.intake.describe()


class Intake:
    """A receive of up to `most` messages, and the job that has them: `take` is called with them in a worker.

    One receive at a time; `begin` again for the next, also from `take`. With `awaits`, take is a coroutine function and
    awaited on the loop. `closed` is called instead, once, when the queue or the broker is closed. lease: nanoseconds,
    None = the queue's visibility timeout; context: the variables that take sees, None = those of now. Interrupted before
    `take` has them, it gives the messages back and waits again; so it does when none of them could be decoded.
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
        context: Context | None = None,
    ) -> None:
        self.queue = queue
        self.runner = runner
        self.most = most
        self.lease = lease
        self.awaits = awaits
        self.take = take
        self.closed = closed
        self.what = what
        self.context = copy_context() if context is None else context
        # The park that waits, if one does. Whoever takes it out, in one call, has it: a worker, or `stop`.
        self._parked: deque[JobPark] = deque()
        self.begun = False

    @property
    def over(self) -> bool:
        """Whether nothing waits: it was taken, stopped, or not begun."""
        return not self._parked

    def begin(self) -> None:
        """Join the line; what is visible by now is taken at once, by a worker. Raises QueueClosed."""
        park = JobPark(self, self.queue._core.lease if self.lease is None else self.lease)
        self._parked.append(park)
        self.begun = True
        try:
            until = self.queue._lobby.enter(park)
        except QueueClosed:
            self._parked.clear()
            raise
        if until is not None:
            alarm_of(self).set(until)

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

    def _have(self) -> list[Message[Any]]:
        """The messages, once; [] while there are none, and for all but the first who asks."""
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
        if self.runner.closing:
            self.abandon()
            return []
        until = None if park.done else self.queue._lobby.alarm_for(park)
        if until is not None:
            alarm_of(self).set(until)
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


class Alarm:
    """When to look again at a queue for which somebody waits: the soonest instant that was set, and a job in the heap for it."""

    def __init__(self, queue: Queue[Any], runner: Runner) -> None:
        self.queue = queue
        self.runner = runner
        self.at = FAR

    @property
    def watcher(self) -> JobPark | None:
        """Who of those waiting is to look; None if nobody waits."""
        watching = self.queue._lobby._watch.get(self.runner)
        return cast("JobPark", watching[0]) if watching else None

    def set(self, until: int) -> None:
        """Look again at that instant, if nothing earlier is set."""
        if until < self.at:
            self.at = until
            try:
                self.runner.put(Ring(self, until), until)
            except BaseException:  # interrupted: twice does no harm, never would
                self.runner.put(Ring(self, until), until)
                raise

    def ring(self, at: int) -> None:
        """Let what is due happen: it may fill those who wait, whose wakes put their own jobs."""
        if at > self.at:
            return  # another one is set, and due earlier
        self.at = FAR
        watcher = self.watcher
        until = None if watcher is None else self.queue._lobby.alarm_for(watcher)
        if until is not None:
            self.set(until)


class Ring:
    """The runner's job at the instant of an alarm."""

    awaits = False

    def __init__(self, alarm: Alarm, at: int) -> None:
        self.alarm = alarm
        self.at = at

    def run(self) -> None:
        self.alarm.ring(self.at)

    async def arun(self) -> None:
        self.run()

    def abandon(self) -> None:
        """The broker closes, and so does the queue, of which those who wait hear."""

    def describe(self) -> str:
        watcher = self.alarm.watcher
        return f"a look at queue {self.alarm.queue.name!r}" if watcher is None else watcher.intake.describe()


def alarm_of(intake: Intake) -> Alarm:
    """The one of its queue."""
    queue = intake.queue
    if queue._alarm is None:
        queue._alarm = Alarm(queue, intake.runner)  # two threads may make two: each does its work
    return queue._alarm
