"""What a schedule does when it is due: its payload goes to the target, again after a while if that did not take it.

What no attempt brought there goes to the schedule's dead-letter queue with the reason, or it is gone, with a record and a
line in the log. Source: EventBridge Scheduler user guide, "Configuring a dead-letter queue".
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

from decouple.attempt import cut_short, reason_of, words_of
from decouple.callers import WORK
from decouple.core.records import Details, Failure
from decouple.core.settings import SECOND
from decouple.errors import DecoupleError, DeliveryFailed, StorageError
from decouple.fanout import put
from decouple.outlets import ARN, EXECUTION, TIME

if TYPE_CHECKING:
    from contextvars import Token

    from decouple.schedules import Schedule

__all__ = ["Firing", "LeaseLostError"]

LONGEST_REASON = 200
LONGEST_ATTRIBUTE = 1_024


class LeaseLostError(Exception):
    """Another process has taken over what was to be delivered: undo it."""


class Firing:
    """One time the schedule was due, until its payload is with the target or given up. It is the runner's job.

    due: the instant planned, nanoseconds since 1970; attempt: which one it is, 1 at first; failures: those that did. Where it
    outlives the process: at: when it is to be begun; token: the number of its lease; ready: it is kept as begun already; cut:
    its process has died at it.
    """

    __slots__ = (
        "at", "attempt", "awaits", "cut", "due", "failures", "first_at", "number", "previous", "ready", "schedule", "token",
    )  # fmt: skip

    def __init__(self, schedule: Schedule, due: int, number: int) -> None:
        self.schedule = schedule
        self.awaits = schedule._outlet.awaits
        self.due = due
        self.number = number
        self.attempt = 1
        self.failures = 0
        self.previous = 0
        self.first_at: int | None = None
        self.at = self.token = 0
        self.ready = self.cut = False

    @property
    def id(self) -> str:
        """The execution's, in the form of a UUID."""
        stem = self.schedule._stem
        return f"{stem[:8]}-{stem[8:12]}-4{stem[12:15]}-8{stem[13:16]}-{self.number:012x}"

    @property
    def text(self) -> str:
        """The payload of this attempt."""
        text, _, placeholders = self.schedule._payload
        for placeholder in placeholders:
            text = text.replace(placeholder, self._filled_in(placeholder))
        return text

    def _filled_in(self, placeholder: str) -> str:
        if placeholder == ARN:
            return self.schedule.arn
        if placeholder == TIME:
            return f"{self.schedule._datetime(self.due):%Y-%m-%dT%H:%M:%SZ}"
        return self.id if placeholder == EXECUTION else str(self.attempt)

    # -- the runner's job ----------------------------------------------------------------------------------------

    def run(self) -> None:
        """One attempt. Raises what the target raised, after it was seen to."""
        work: Token[object] | None = None
        try:
            try:
                work = WORK.set(self)
                if not self._begin():
                    return
                self._hand_over()
            except LeaseLostError:
                self._lose()
                return
            except BaseException as error:
                self._ended_by(error)
                raise
            self._took()
        finally:
            if work is not None:
                WORK.reset(work)

    async def arun(self) -> None:
        """The same for an async callable."""
        try:
            WORK.set(self)  # for this job, whose context variables are its own
            if not self._begin():
                return
            await self.schedule._outlet.hand_over(self, self.text)
            self._end_late()
        except BaseException as error:
            self._ended_by(error)
            raise
        self._took()

    def _hand_over(self) -> None:
        kept, outlet = self.schedule._kept, self.schedule._outlet
        if kept is None:
            outlet.hand_over(self, self.text)
        elif outlet.called:  # which may take its time: no transaction waits for it
            outlet.hand_over(self, self.text)
            self._end_late()
        else:
            with kept.together():
                outlet.hand_over(self, self.text)
                self._end()

    def _end(self) -> None:
        """Where it outlives the process: it is dealt with. Raises LeaseLostError where it was not ours to deal with."""
        kept = self.schedule._kept
        if kept is not None:
            if not kept.end(self):
                raise LeaseLostError
            kept.held.pop(self.number, None)

    def _end_late(self) -> None:
        """A callable has returned."""
        kept = self.schedule._kept
        if kept is not None and not kept.end(self):
            import logging  # here, because most programs never need it

            logging.getLogger("decouple").warning(
                "what schedule %r had due at %s was taken over, and may have been done twice",
                self.schedule.name,
                self._shown,
            )

    def abandon(self) -> None:
        """The broker closes before this attempt was begun."""
        if self.schedule._kept is not None:
            self.schedule._release(self)
        elif self._begin():
            self.give_up(Failure("BrokerClosed", "the broker was closed before it was delivered", "", 0))

    def __str__(self) -> str:
        return f"schedule {self.schedule.name!r}"

    def describe(self) -> str:
        return f"attempt {self.failures + 1} of what schedule {self.schedule.name!r} had due at {self._shown}"

    @property
    def _shown(self) -> str:
        return self.schedule._datetime(self.due).isoformat(timespec="seconds")

    def _begin(self) -> bool:
        """False if it was given up while it waited."""
        schedule = self.schedule
        with schedule._lock:
            if self not in schedule._resting:
                return False
            del schedule._resting[self]
        if schedule._kept is not None and not schedule._kept.begin(self):
            self._lose()
            return False
        if self.first_at is None:
            self.first_at = schedule.clock.now()
        self.attempt = self.failures + 1
        if self.cut and self._delay() is None:
            self.give_up(Failure("ProcessDied", "the process ended while it was delivered", "", 0))
            return False
        self.cut = False
        return True

    def _lose(self) -> None:
        """Another process has it: it is nothing to this one any more."""
        schedule = self.schedule
        with schedule._lock:
            schedule._resting.pop(self, None)
            schedule._fired -= 1
        if schedule._kept is not None:
            schedule._kept.held.pop(self.number, None)

    # -- what became of it ---------------------------------------------------------------------------------------

    def _took(self) -> None:
        with self.schedule._lock:
            self.schedule._delivered += 1
        if self.schedule._kept is not None:
            self.schedule._kept.held.pop(self.number, None)
        self.schedule._tell("fired", self, receives=self.attempt)

    def _ended_by(self, error: BaseException) -> None:
        """The attempt failed: another one after the delay of the schedule, or none."""
        schedule = self.schedule
        if cut_short(error, self.awaits):
            schedule._rest(self, schedule.clock.now())
            return
        self.failures += 1
        with schedule._lock:
            schedule._failed += 1
        delay = None if isinstance(error, schedule._outlet.final) else self._delay()
        if delay is None or (schedule.state == "closed" and not schedule._left):
            failure = reason_of(error, self.failures)
            code = error.code if isinstance(error, DeliveryFailed) else None
            self.give_up(failure if code is None else failure._replace(error=code))
            return
        self.previous = delay
        until = schedule.clock.now() + delay
        shown = f"{type(error).__name__}: {words_of(error)}"[:LONGEST_REASON]
        ends = until + schedule.clock.epoch
        schedule._tell("firing failed", self, receives=self.failures, reason=shown, until=ends)
        schedule._rest(self, until)

    def _delay(self) -> int | None:
        """What the retry schedule says, which may be somebody's own: one that fails ends the attempts."""
        schedule = self.schedule
        age = 0 if self.first_at is None else schedule.clock.now() - self.first_at
        try:
            delay = schedule._terms.retry.after(self.failures, age=age, previous=self.previous, chance=schedule._chance)
            return None if delay is None else max(0, int(delay))
        except Exception:
            import logging  # here, because most programs never need it

            logging.getLogger("decouple").exception(
                "the retry schedule of schedule %r failed: no other attempt", schedule.name
            )
            return None

    def give_up(self, failure: Failure) -> None:
        """No other attempt: to the dead-letter queue, or gone with a record."""
        schedule = self.schedule
        failure = failure._replace(attempts=self.failures)
        try:
            with nullcontext() if schedule._kept is None else schedule._kept.together():
                buried = self._bury(failure)
                self._end()
        except LeaseLostError:
            self._lose()
            return
        except StorageError:  # such as a full disk, of which the log tells, too
            schedule._rest(self, schedule.clock.now() + SECOND)
            return
        with schedule._lock:
            schedule._dead_lettered += buried
            schedule._dropped += not buried
        queue = schedule._terms.dead_letter
        reason = f"{failure.error}: {failure.text}"[:LONGEST_REASON]
        other = queue.name if buried and queue is not None else None
        schedule._tell("firing given up", self, receives=self.failures, reason=reason, other=other)
        if not buried:
            import logging  # here, because most programs never need it

            logging.getLogger("decouple").warning(
                "what schedule %r had due at %s was given up, and no dead-letter queue has it: %s",
                schedule.name, self._shown, reason,
            )  # fmt: skip

    def _bury(self, failure: Failure) -> bool:
        queue = self.schedule._terms.dead_letter
        if queue is None:
            return False
        attributes = {
            "SCHEDULE_ARN": self.schedule.arn,
            "TARGET_ARN": self.schedule._outlet.arn,
            "ERROR_CODE": failure.error,
            "ERROR_MESSAGE": failure.text[:LONGEST_ATTRIBUTE] or failure.error,
            "RETRY_ATTEMPTS": str(max(0, self.failures - 1)),
        }
        try:
            put(queue, self.text, Details(attributes, failure=failure))
            queue._follow_up()
        except (DecoupleError, ValueError) as error:
            import logging  # here, because most programs never need it

            logging.getLogger("decouple").warning(
                "the dead-letter queue %r of schedule %r did not take what it was given: %s",
                queue.name, self.schedule.name, error,
            )  # fmt: skip
            return False
        return True
