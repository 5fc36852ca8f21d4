"""What a schedule does when it is due: its payload goes to the target, again after a while if that did not take it.

A queue, a topic and a function have it when their `send` or `publish` returns; a callable is called by the workers. What
no attempt brought there goes to the schedule's dead-letter queue with the reason, or it is gone, with a record and a line
in the log.
Sources: EventBridge Scheduler user guide, "Configuring a dead-letter queue" and "Adding context attributes".
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from decouple.attempt import cut_short, reason_of, words_of
from decouple.bodies import text_of
from decouple.callers import WORK
from decouple.calls import answer_of, is_async
from decouple.core.records import Details, Failure
from decouple.errors import (
    DecoupleError,
    DeliveryFailed,
    DeliveryRefused,
    NeedsBroker,
    NotDelivered,
    QueueClosed,
    TopicClosed,
)
from decouple.fanout import put
from decouple.function import Function
from decouple.jsontext import json_text
from decouple.message import Entry
from decouple.publishing import Publish, checked
from decouple.queue import Queue
from decouple.settings import same_time
from decouple.topic import Topic

if TYPE_CHECKING:
    from contextvars import Token

    from decouple.clock import Clock
    from decouple.schedules import Schedule

__all__ = ["Firing", "Outlet", "Payload", "outlet_of", "payload_of"]

ARN = "<aws.scheduler.schedule-arn>"
TIME = "<aws.scheduler.scheduled-time>"
EXECUTION = "<aws.scheduler.execution-id>"
ATTEMPT = "<aws.scheduler.attempt-number>"
PLACEHOLDERS = (ARN, TIME, EXECUTION, ATTEMPT)
LONGEST_REASON = 200
LONGEST_ATTRIBUTE = 1_024
SAMPLE = "0" * 36
"""As long as the id of an execution."""


# -- what is handed over ---------------------------------------------------------------------------------------------


class Payload(NamedTuple):
    """The text of a payload. coded: it is the JSON of a value; open: the placeholders in it."""

    text: str
    coded: bool
    open: tuple[str, ...]

    def __repr__(self) -> str:
        return self.text if self.coded else repr(self.text)


def payload_of(value: Any, target: Any, account: str, region: str) -> Payload:
    """Text as it is, anything else as its JSON, or as the body of a typed queue; None is AWS's scheduled event.

    Raises TypeError, ValueError.
    """
    codec = target._codec if isinstance(target, Queue) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    if codec is not None:
        text: str = codec.text_of(value)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        return Payload(text, True, ())  # pyright: ignore[reportUnknownArgumentType]
    if isinstance(value, str):
        text, coded = text_of(value), False
    else:
        said = scheduled_event(account, region) if value is None else value
        text, coded = json_text(said, "a payload must be text or JSON"), True
    return Payload(text, coded, tuple(one for one in PLACEHOLDERS if one in text))


def scheduled_event(account: str, region: str) -> dict[str, Any]:
    """What a schedule without a payload says."""
    return {
        "version": "0",
        "id": EXECUTION,
        "detail-type": "Scheduled Event",
        "source": "aws.scheduler",
        "account": account,
        "time": TIME,
        "region": region,
        "resources": [ARN],
        "detail": "{}",
    }


class Outlet(NamedTuple):
    """How a target is given a payload. final: errors after which another attempt is no use.

    called: it is a callable, for a worker to call.
    """

    hand_over: Callable[[Firing, str], Any]
    awaits: bool
    called: bool
    final: tuple[type[BaseException], ...]
    name: str
    arn: str


def outlet_of(target: Any, payload: Payload, group: str | None, clock: Clock) -> Outlet:
    """The way into that target, checked as far as can be known before. Raises TypeError, ValueError, NeedsBroker."""
    if isinstance(target, (Queue, Topic, Function)):
        if not same_time(target.clock, clock):  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
            raise ValueError(
                f"target {target.name!r} is on another clock than the broker: make both with the same clock="
            )
        if isinstance(target, Function):
            return into_function(target, payload, group)
        ordered = target.fifo
        if ordered and group is None:
            raise ValueError(f"group is missing: FIFO target {target.name!r} keeps the order within each group")
        if isinstance(target, Topic):
            return into_topic(target, payload, group)
        return into_queue(target, payload, group)  # pyright: ignore[reportUnknownArgumentType]
    if not callable(target) or isinstance(target, type):
        raise TypeError(f"a schedule's target must be a Queue, Topic, Function or callable, not {target!r:.80}")
    check_no_group(group)
    named = name_of(target)
    awaits = is_async(target)

    def call(firing: Firing, text: str) -> Any:
        answer = target(json.loads(text) if payload.coded else text)
        return answer if awaits else answer_of(answer, named)

    return Outlet(call, awaits, True, (DeliveryRefused,), named, named)


def name_of(target: Callable[..., Any]) -> str:
    """A callable's own ARN, if it stands for something that has one; or where it is defined."""
    arn = getattr(target, "arn", None)
    if isinstance(arn, str):
        return arn
    return f"{getattr(target, '__module__', '')}.{getattr(target, '__qualname__', type(target).__qualname__)}"


def into_queue(queue: Queue[Any], payload: Payload, group: str | None) -> Outlet:
    """Send: as the queue's own message, with the execution as the deduplication id where there is order."""
    if queue._codec is None:
        queue._checked(Entry(payload.text, group=group, deduplication_id=SAMPLE if queue.fifo else None))

    def send(firing: Firing, text: str) -> None:
        identity = firing.id if queue.fifo else None
        if queue._codec is None:
            queue.send(text, group=group, deduplication_id=identity)
        else:
            put(queue, text, Details(group=group, deduplication_id=identity))
            queue._follow_up()

    return Outlet(send, False, False, (QueueClosed,), queue.name, queue.arn)


def into_topic(topic: Topic, payload: Payload, group: str | None) -> Outlet:
    """Publish: to every subscription that wants it."""
    checked(Publish(payload.text, group=group, deduplication_id=SAMPLE if topic.fifo else None), topic)

    def publish(firing: Firing, text: str) -> None:
        topic.publish(text, group=group, deduplication_id=firing.id if topic.fifo else None)

    # Of NotDelivered: publishing again would give the others a second copy.
    return Outlet(publish, False, False, (TopicClosed, NotDelivered), topic.name, topic.arn)


def into_function(function: Function, payload: Payload, group: str | None) -> Outlet:
    """Hand over as an event, which the function sees through by its own retries and destinations."""
    if function._runner is None:
        raise NeedsBroker(f"an event for function {function.name!r}")
    check_no_group(group)

    def send(firing: Firing, text: str) -> None:
        function.send(json.loads(text) if payload.coded else text)

    return Outlet(send, False, False, (NeedsBroker,), function.name, function.arn)


def check_no_group(group: str | None) -> None:
    if group is not None:
        raise ValueError(f"group is for queues and topics, not {group!r}: leave it out")


# -- one time --------------------------------------------------------------------------------------------------------


class Firing:
    """One time the schedule was due, until its payload is with the target or given up. It is the runner's job.

    due: the instant planned, nanoseconds since 1970; attempt: which one it is, 1 at first; failures: those that did.
    """

    __slots__ = ("attempt", "awaits", "due", "failures", "first_at", "number", "previous", "schedule")

    def __init__(self, schedule: Schedule, due: int, number: int) -> None:
        self.schedule = schedule
        self.awaits = schedule._outlet.awaits
        self.due = due
        self.number = number
        self.attempt = 1
        self.failures = 0
        self.previous = 0
        self.first_at: int | None = None

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
                self.schedule._outlet.hand_over(self, self.text)
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
        except BaseException as error:
            self._ended_by(error)
            raise
        self._took()

    def abandon(self) -> None:
        """The broker closes before this attempt was begun."""
        if self._begin():
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
        if self.first_at is None:
            self.first_at = schedule.clock.now()
        self.attempt = self.failures + 1
        return True

    # -- what became of it ---------------------------------------------------------------------------------------

    def _took(self) -> None:
        with self.schedule._lock:
            self.schedule._delivered += 1
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
        if delay is None or schedule.state == "closed":
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
        buried = self._bury(failure)
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
