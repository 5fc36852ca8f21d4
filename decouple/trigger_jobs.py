"""What a trigger has the broker's runner do: take what is visible, look at what waits, take one batch more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from decouple.core.deadlines import FAR

if TYPE_CHECKING:
    from decouple.batch import Batch
    from decouple.trigger import Trigger

__all__ = ["Look", "Rise", "Timer"]


class Timer:
    """The runner's job when the time of a batch that waits has come."""

    awaits = False

    def __init__(self, trigger: Trigger, at: int) -> None:
        self.trigger = trigger
        self.at = at

    def run(self) -> None:
        """See to the batches that wait, unless an earlier timer took over."""
        if self.at <= self.trigger._timer_at:
            self.trigger._timer_at = FAR
            self.trigger._look_at_waiting()

    async def arun(self) -> None:
        self.run()

    def abandon(self) -> None:
        """The broker closes."""
        self.trigger.close()

    def describe(self) -> str:
        waiting = self.trigger._unbegun()[:1]
        return waiting[0].describe() if waiting else self.trigger._intake.describe()


class Look:
    """The runner's job of taking what is visible already."""

    def __init__(self, trigger: Trigger) -> None:
        self.trigger = trigger
        self.awaits = trigger.function.awaits

    def run(self) -> None:
        """Begin a batch of what is there, or join the line."""
        batch = self._batch()
        if batch is not None:
            batch.go()

    async def arun(self) -> None:
        """The same, awaited."""
        batch = self._batch()
        if batch is not None:
            await batch.ago()

    def _batch(self) -> Batch | None:
        trigger = self.trigger
        if trigger._state != "enabled":
            trigger._stay_away()
            return None
        queue = trigger.queue
        messages = queue._take(trigger._settings.batch_size, 0)
        if not messages:
            trigger._wait()
            return None
        return trigger._gather(messages, queue.clock.now())

    def abandon(self) -> None:
        """The broker closes."""
        self.trigger.close()

    def describe(self) -> str:
        return self.trigger._intake.describe()


class Rise:
    """The runner's job when the law of scaling allows one more batch at a time."""

    awaits = False

    def __init__(self, trigger: Trigger) -> None:
        self.trigger = trigger

    def run(self) -> None:
        """Take it, if there is one."""
        self.trigger._rising = False
        self.trigger._more()

    async def arun(self) -> None:
        self.run()

    def abandon(self) -> None:
        """The broker closes."""
        self.trigger.close()

    def describe(self) -> str:
        return f"{self.trigger._intake.what} may work on one batch more"
