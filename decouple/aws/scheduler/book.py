"""The book of a place: its groups, and of every schedule what CreateSchedule was given.

The broker's schedules are those that are enabled and due some day; here are the others, too. A schedule that was declared
on the broker is entered when it is first seen, and one that was closed there is struck out.
"""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeAlias

import attrs

from decouple.arns import arn_of
from decouple.aws.scheduler import SCHEDULER

if TYPE_CHECKING:
    from decouple.aws.world import Place
    from decouple.schedules import Schedule, Terms

__all__ = ["DEFAULT", "FEW", "RESERVED", "RETRIES", "Book", "Entry", "Group", "Key", "book_of"]

DEFAULT = "default"
RESERVED = "aws.events"
"""The group in which the broker has the schedules of EventBridge's rules."""

RETRIES = {"MaximumEventAgeInSeconds": 86_400, "MaximumRetryAttempts": 185}
"""The RetryPolicy of whoever gives none."""

FEW = 128
"""How many schedules a book may have before it looks which are over."""

Key: TypeAlias = tuple[str, str]
"""A group's name and a schedule's."""


@attrs.define(eq=False)
class Group:
    """made, changed: when."""

    name: str
    made: datetime
    changed: datetime
    tags: dict[str, str] = attrs.field(factory=dict)
    token: str | None = None


@attrs.define(eq=False)
class Entry:
    """given: CreateSchedule's parameters, defaults filled in; schedule: the broker's, None if it is disabled or over."""

    group: str
    name: str
    number: int
    made: datetime
    changed: datetime
    given: dict[str, Any]
    schedule: Schedule | None = None
    native: bool = False
    token: str | None = None

    @property
    def over(self) -> bool:
        """Whether nothing of it is left: closed on the broker, or completed and to be deleted then."""
        schedule = self.schedule
        if schedule is None:
            return False
        if schedule.state == "closed":
            return True
        done = schedule.state == "ended" and schedule.stats().pending == 0
        return done and (self.native or self.given["ActionAfterCompletion"] == "DELETE")

    @property
    def state(self) -> str:
        """ENABLED, or DISABLED, also by `pause`."""
        paused = self.schedule is not None and self.schedule.state == "paused"
        return "DISABLED" if paused else str(self.given["State"])


class Book:
    """What is kept of a place. Whoever changes it or asks for more than one thing holds the lock."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.place: Place
        self.groups: dict[str, Group] = {}
        self.entries: dict[Key, Entry] = {}
        self._numbers = 0
        self._look_again_at = FEW

    def group(self, name: str) -> Group:
        """The group of that name. Raises ServiceError: ResourceNotFoundException."""
        group = self.groups.get(name)
        if group is None:
            raise SCHEDULER.error("ResourceNotFoundException", f"Schedule group {name} does not exist.")
        return group

    def entry(self, group: str, name: str) -> Entry:
        """The schedule of that name. Raises ServiceError: ResourceNotFoundException."""
        self.look_at(group, name)
        self.group(group)
        entry = self.entries.get((group, name))
        if entry is None:
            raise SCHEDULER.error("ResourceNotFoundException", f"Schedule {name} does not exist.")
        return entry

    def enter(self, group: str, name: str, given: dict[str, Any], *, native: bool = False) -> Entry:
        """A new schedule."""
        if len(self.entries) >= self._look_again_at:
            self._let_go()
        now = self.now()
        self._numbers += 1
        entry = self.entries[group, name] = Entry(group, name, self._numbers, now, now, given, native=native)
        return entry

    def _let_go(self) -> None:
        """Of those that deleted themselves, so that a book that nobody reads does not grow with them."""
        self.entries = {key: entry for key, entry in self.entries.items() if not entry.over}
        self._look_again_at = max(FEW, 2 * len(self.entries))

    def strike_out(self, entry: Entry) -> None:
        """End it, here and on the broker."""
        if entry.schedule is not None:
            entry.schedule.close()
        self.entries.pop((entry.group, entry.name), None)

    def now(self) -> datetime:
        """The present."""
        return datetime.fromtimestamp(self.place.now(), UTC)

    def arn(self, kind: str, path: str) -> str:
        """Of a schedule ("default/nightly") or a schedule-group."""
        return arn_of("scheduler", f"{kind}/{path}", account=self.place.account, region=self.place.region)

    def look(self) -> None:
        """Take notice of what became of schedules, and of those that were declared on the broker."""
        names = [name.rpartition("/") for name in list(self.place.broker.schedules)]
        for group, name in {*self.entries, *((group or DEFAULT, name) for group, _, name in names)}:
            self.look_at(group, name)

    def look_at(self, group: str, name: str) -> None:
        """The same for one."""
        entry = self.entries.get((group, name))
        if entry is not None and entry.over:
            del self.entries[group, name]
        schedule = self.place.broker.schedules.get(name if group == DEFAULT else f"{group}/{name}")
        if group == RESERVED or schedule is None or (entry is not None and entry.schedule is schedule):
            return
        self.found(group)
        self.enter(group, name, self.declared(schedule), native=True).schedule = schedule

    def declared(self, schedule: Schedule) -> dict[str, Any]:
        """What CreateSchedule would have been given for a schedule of the broker."""
        terms = schedule.terms
        window = {"Mode": "OFF"} if not terms.window else {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": minutes(terms)}
        given: dict[str, Any] = {
            "ScheduleExpression": terms.expression,
            "ScheduleExpressionTimezone": terms.timezone,
            "FlexibleTimeWindow": window,
            "State": "ENABLED",
            "Target": self.target_of(terms),
            "ActionAfterCompletion": "DELETE",
        }
        dates = {"StartDate": terms.start, "EndDate": terms.end}
        return given | {name: value for name, value in dates.items() if value is not None}

    def target_of(self, terms: Terms) -> dict[str, Any]:
        """The same of its target. A callable without an ARN has its name for one; no role is needed, and one is shown."""
        role = f"arn:aws:iam::{self.place.account}:role/decouple"
        arn = getattr(terms.target, "arn", None) or getattr(
            terms.target, "__qualname__", type(terms.target).__qualname__
        )
        target: dict[str, Any] = {
            "Arn": arn,
            "RoleArn": role,
            "Input": terms.payload.text,
            "RetryPolicy": dict(RETRIES),
        }
        if terms.dead_letter is not None:
            target["DeadLetterConfig"] = {"Arn": terms.dead_letter.arn}
        if terms.group is not None:
            target["SqsParameters"] = {"MessageGroupId": terms.group}
        return target

    def found(self, group: str) -> Group:
        """The group of that name, made now if there is none."""
        if group not in self.groups:
            now = self.now()
            self.groups[group] = Group(group, now, now)
        return self.groups[group]


def minutes(terms: Terms) -> int:
    return max(1, round(terms.window / 60))


def book_of(place: Place) -> Book:
    """The book, with its default group."""
    book = place.keep(Book)
    with book.lock:
        book.place = place
        book.found(DEFAULT)
    return book
