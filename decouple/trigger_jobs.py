"""What a trigger has the broker's runner do: take what is visible or came, look at what waits, take one batch more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from decouple.batch import Step
from decouple.callers import WORK
from decouple.core.deadlines import FAR
from decouple.intake import Intake

if TYPE_CHECKING:
    from decouple.trigger import Trigger

__all__ = ["Arrival", "Look", "Rise", "Timer"]


class Arrival(Intake):
    """Waits in the queue's line, and is the job that begins a batch with what came."""

    def __init__(self, trigger: Trigger) -> None:
        super().__init__(
            trigger.queue,
            trigger._runner,
            trigger._settings.batch_size,
            lambda _: None,
            awaits=trigger.function._in_tasks,
            closed=trigger.close,
            what=f"the trigger of function {trigger.function.name!r}",
        )
        self.trigger = trigger

    def run(self) -> None:
        """Begin a batch with what has come, or go on waiting."""
        with Step(self.trigger) as step:
            self._fill(step)
            if step.batch is not None:
                step.batch.go()

    async def arun(self) -> None:
        """The same, awaited."""
        with Step(self.trigger) as step:
            self._fill(step)
            if step.batch is not None:
                await step.batch.ago()

    def _fill(self, step: Step) -> None:
        WORK.set(self.what)  # for this job, whose context variables are its own
        step.messages = self._have()
        if step.messages:
            step.batch = self.trigger._came(step.messages)


class Timer:
    """The runner's job when the time of a batch that waits has come."""

    awaits = False

    def __init__(self, trigger: Trigger, at: int) -> None:
        self.trigger = trigger
        self.at = at

    def run(self) -> None:
        """See to the batches that wait, unless an earlier timer took over."""
        if self.at > self.trigger._timer_at:
            return
        try:
            self.trigger._timer_at = FAR
            self.trigger._look_at_waiting()
        except BaseException:  # interrupted: looking twice does no harm
            self.trigger._put(Timer(self.trigger, 0))
            raise

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
        self.awaits = trigger.function._in_tasks

    def run(self) -> None:
        """Begin a batch of what is there, or join the line."""
        if self.trigger._look is self:
            with Step(self.trigger) as step:
                self._fill(step)
                if step.batch is not None:
                    step.batch.go()

    async def arun(self) -> None:
        """The same, awaited."""
        if self.trigger._look is self:
            with Step(self.trigger) as step:
                self._fill(step)
                if step.batch is not None:
                    await step.batch.ago()

    def _fill(self, step: Step) -> None:
        trigger = self.trigger
        WORK.set(trigger._intake.what)  # for this job, whose context variables are its own
        if trigger._state != "enabled":
            trigger._stay_away()
            return
        queue = trigger.queue
        step.messages = queue._take(trigger._settings.batch_size, 0)
        if step.messages:
            step.batch = trigger._gather(step.messages, queue.clock.now())
        else:
            trigger._wait()

    def abandon(self) -> None:
        """The broker closes."""
        self.trigger.close()

    def describe(self) -> str:
        return self.trigger._intake.describe()


class Rise:
    """The runner's job when the law of scaling allows one more batch at a time, and after an interrupt."""

    awaits = False

    def __init__(self, trigger: Trigger) -> None:
        self.trigger = trigger

    def run(self) -> None:
        """Take it, if there is one."""
        self.trigger._rising = False
        self.trigger._try_held()
        self.trigger._more()

    async def arun(self) -> None:
        self.run()

    def abandon(self) -> None:
        """The broker closes."""
        self.trigger.close()

    def describe(self) -> str:
        return f"{self.trigger._intake.what} may work on one batch more"
