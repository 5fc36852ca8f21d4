"""Schedules of a broker: a queue, topic, function or callable that is given a payload at the instants of an expression.

A schedule has one job with the broker's workers, for its next instant: nothing ticks. Whoever does the work late, because
the process slept or nobody did any, does it once, and the schedule goes on from then; on a virtual clock that is moved,
everything on the way happens. What is due is one Firing (firing.py), which may wait for its place in the flexible window or
for another attempt, while the schedule goes on.

Where the broker's engine outlives the process, so do they (keeping_schedules.py).

Source: EventBridge Scheduler user guide. Different from AWS: an ended schedule is forgotten (ActionAfterCompletion is
DELETE); instants are exact (see core/schedule.py).
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from decouple.arns import ACCOUNT, REGION, arn_of
from decouple.callers import caller
from decouple.clock import Clock, random_bytes
from decouple.core.changes import Cause, Change
from decouple.core.records import EPOCH, Failure
from decouple.core.schedule import Plan
from decouple.errors import DecoupleError, ScheduleExists
from decouple.firing import Firing
from decouple.outlets import Outlet, outlet_of
from decouple.reporting import Observer, Reporter
from decouple.schedule_terms import DEFAULT_GROUP, Terms

if TYPE_CHECKING:
    from decouple.keeping_schedules import KeptSchedule
    from decouple.staff import Staff

__all__ = ["Schedule", "ScheduleStats", "Terms"]

CLOSED = "the broker was closed"
CANCELLED = Failure("ScheduleClosed", "the schedule was closed before it was delivered", "", 0)


class ScheduleStats(NamedTuple):
    """A schedule's numbers. fired = delivered + dead_lettered + dropped + pending.

    fired: instants that were due; failed: attempts that did, each time; dropped: given up without a dead-letter queue, each
    with a record and a line in the log; pending: in the flexible window, under way or waiting for another attempt.
    """

    fired: int
    delivered: int
    failed: int
    dead_lettered: int
    dropped: int
    pending: int


class Schedule:
    """What `broker.schedule` declares.

    state: "enabled"; "paused"; "ended", when it is never due again; "closed", by `close` or with its broker.
    """

    def __init__(
        self,
        name: str,
        terms: Terms,
        planned: Plan,
        since: int,
        clock: Clock,
        staff: Staff,
        observers: tuple[Observer, ...],
        forget: Callable[[Schedule], object],
    ) -> None:
        self.name = name
        self.clock = clock
        self.state = "enabled"
        self._terms = terms
        self._plan = planned
        self._payload = terms.payload
        self._outlet: Outlet = outlet_of(terms.target, terms.payload, terms.group, clock)
        self._runner = staff.runner
        self._chance = staff.chance
        self._forget = forget
        self._lock = threading.Lock()
        self._last = since - 1  # what is due at the instant of the declaration is still to come
        self._next = planned.next_after(self._last)
        self._tick = Tick(self)
        self._ticking = False
        self._resting: dict[Firing, None] = {}
        self._stem = random_bytes(8).hex()
        self._fired = self._delivered = self._failed = self._dead_lettered = self._dropped = 0
        self._log: deque[Change] = deque()
        self._reporter = Reporter(self._log, threading.Lock())
        self._reporter.observers = observers

    def __repr__(self) -> str:
        due = self.next_at
        when = self.state if due is None else f"next at {due.isoformat(timespec='seconds')}"
        return f"<Schedule {self.name!r}: {self.expression} to {self._outlet.name}, {when}>"

    @property
    def expression(self) -> str:
        """As it was declared."""
        return self._terms.expression

    @property
    def target(self) -> Any:
        """What is given the payload."""
        return self._terms.target

    @property
    def timezone(self) -> str:
        """The name of the zone whose clocks a cron() and an at() mean."""
        return self._terms.timezone

    @property
    def terms(self) -> Terms:
        """All that was declared."""
        return self._terms

    _kept: KeptSchedule | None = None  # where it outlives the process
    _restored = False  # it was there before this process, and is not declared in it yet
    _left = False  # others may go on with it
    _over = False  # its end was told
    _account: str = ACCOUNT
    _region: str = REGION

    @property
    def arn(self) -> str:
        """Its Amazon resource name: arn:aws:scheduler:us-east-1:000000000000:schedule/default/nightly."""
        path = self.name if "/" in self.name else f"{DEFAULT_GROUP}/{self.name}"
        return arn_of("scheduler", f"schedule/{path}", account=self._account, region=self._region)

    @property
    def next_at(self) -> datetime | None:
        """When it is due next, an aware UTC datetime; in a flexible window, when that begins. None: never, or paused."""
        due = self._next
        return None if due is None else self._datetime(due)

    def stats(self) -> ScheduleStats:
        """Its numbers now."""
        with self._lock:
            over = self._delivered + self._dead_lettered + self._dropped
            return ScheduleStats(
                fired=self._fired,
                delivered=self._delivered,
                failed=self._failed,
                dead_lettered=self._dead_lettered,
                dropped=self._dropped,
                pending=self._fired - over,
            )

    # -- life ----------------------------------------------------------------------------------------------------

    def pause(self) -> None:
        """Let it not be due until `resume`; what was due is still delivered. Twice is no error. Raises DecoupleError."""
        self._check_going()
        if self._kept is not None:
            self._kept.pause(True, self._wall())
            return
        with self._lock:
            self._check_going()
            self.state, self._next = "paused", None

    def resume(self) -> None:
        """Go on with the next instant from now; what fell into the pause is left out. Raises DecoupleError at its end."""
        self._check_going()
        if self._kept is not None:
            self._kept.pause(False, self._wall())
        with self._lock:
            if self.state == "paused" and self._kept is None:
                self._next = self._plan.next_after(max(self._last, self._wall() - 1))
                self.state = "ended" if self._next is None else "enabled"
        self._go_on()

    def close(self) -> None:
        """End it: its name is free, and what was due and is not delivered yet is given up. Twice is no error."""
        if self._kept is not None and self._runner.closed:
            self._leave(CLOSED)
            return
        if self._kept is not None:
            self._kept.gather(self._wall())
        self._close(CANCELLED, "it was closed")
        if self._kept is not None:
            self._kept.remove()

    def _close(self, why: Failure, reason: str) -> None:
        with self._lock:
            if self.state == "closed":
                return
            told, self.state, self._next = self.state == "ended", "closed", None
            resting = list(self._resting)
            self._resting.clear()
            self._tick.schedule = None  # which may stay in the runner's heap for years
        for firing in resting:
            firing.give_up(why)
        self._forget(self)
        if not told:
            self._tell("schedule ended", reason=reason)

    def _leave(self, reason: str) -> None:
        """It ends in this process alone."""
        with self._lock:
            if self.state == "closed":
                return
            told, self.state, self._next = self.state == "ended", "closed", None
            self._left = True
            self._tick.schedule = None
            resting = list(self._resting)
        for firing in resting:
            self._release(firing)
        self._forget(self)
        if not told:
            self._tell("schedule ended", reason=f"{reason}; it is kept")

    def _release(self, firing: Firing) -> None:
        """Let another process deliver it."""
        with self._lock:
            if firing not in self._resting:
                return
            del self._resting[firing]
            self._fired -= 1
        if self._kept is not None:
            self._kept.held.pop(firing.number, None)
            self._kept.rest(firing, firing.at)

    def _check_going(self) -> None:
        if self.state in ("ended", "closed"):
            raise DecoupleError(f"schedule {self.name!r} has {self.state}: declare it again")

    def compare(self, other: Schedule) -> None:
        """Declared again: raises ScheduleExists if a term differs."""
        for field, now, asked in zip(Terms._fields, self._terms, other._terms, strict=True):
            if now != asked:
                raise ScheduleExists(self.name, setting=field, current=now, asked=asked)

    # -- being due -----------------------------------------------------------------------------------------------

    def _go_on(self) -> None:
        """See that there is one tick, for the next instant; or tell the end."""
        mine, due = False, None
        try:
            with self._lock:
                due, ended = self._next, self.state == "ended"
                if due is not None:
                    if self._ticking:
                        return  # it comes by no later than that
                    self._ticking = mine = True
            if due is not None:
                self._runner.put(self._tick, due - self.clock.epoch)
        except BaseException:  # interrupted: twice does no harm, never would
            if mine and due is not None:
                self._runner.put(self._tick, due - self.clock.epoch)
            raise
        if due is None and ended and not self._over:
            self._over = True
            self._forget(self)
            self._tell("schedule ended", reason="it is never due again")

    def _come_by(self) -> None:
        """The tick's instant has come: fire once, however long ago that was, and go on from now."""
        taken: list[Firing] = []
        try:
            try:
                self._take(self._wall(), taken)
            finally:
                self._go_on()
            for firing in taken:
                self._fire(firing)
        except BaseException as error:
            for firing in taken:
                if firing in self._resting and not isinstance(error, Exception):
                    self._runner.put(firing)  # interrupted before its target was given anything
            raise

    def _take(self, now: int, taken: list[Firing]) -> None:
        if self._kept is not None:
            taken += self._kept.take_due(now)
            return
        with self._lock:
            self._ticking = False
            due = self._next
            if due is None or due > now:
                return
            following, firing = self._plan.next_after(now), Firing(self, due, self._fired + 1)
            # commit
            self._last, self._next = now, following
            if following is None:
                self.state = "ended"
            self._fired += 1
            taken += (firing,)
            self._resting[firing] = None

    def _fire(self, firing: Firing) -> None:
        now = self.clock.now()
        at = firing.at
        if self._kept is None:
            at = max(now, firing.due - self.clock.epoch + self._plan.delay(self._chance))
        if at > now or self._outlet.called:
            self._runner.put(firing, at)
        else:
            firing.run()

    def _rest(self, firing: Firing, until: int) -> None:
        """Let it be tried again at that instant."""
        firing.at = until
        if self._kept is not None and not self._kept.rest(firing, until):
            firing._lose()
            return
        with self._lock:
            self._resting[firing] = None
        self._runner.put(firing, until)

    def _wall(self) -> int:
        return self.clock.now() + self.clock.epoch

    @staticmethod
    def _datetime(due: int) -> datetime:
        return EPOCH + timedelta(microseconds=due // 1_000)

    def _tell(self, cause: Cause, firing: Firing | None = None, **more: Any) -> None:
        if self._reporter.observers:
            id = None if firing is None else firing.id
            self._log.append(
                Change(cause=cause, queue="", at=self._wall(), id=id, schedule=self.name, who=caller(), **more)
            )
            self._reporter.report()


class Tick:
    """The runner's job at the next instant of a schedule; of a closed one there is nothing left to do."""

    awaits = False

    def __init__(self, schedule: Schedule) -> None:
        self.schedule: Schedule | None = schedule

    def run(self) -> None:
        if self.schedule is not None:
            self.schedule._come_by()

    async def arun(self) -> None:
        self.run()

    def abandon(self) -> None:
        """The broker closes."""
        if self.schedule is not None and self.schedule._kept is not None:
            self.schedule._leave(CLOSED)
        elif self.schedule is not None:
            reason = CLOSED
            self.schedule._close(Failure("BrokerClosed", f"{reason} before it was delivered", "", 0), reason)

    def describe(self) -> str:
        return "a closed schedule" if self.schedule is None else f"schedule {self.schedule.name!r}"
