"""Schedules as EventBridge Scheduler has them: from an expression to the next instant.

    plan("rate(5 minutes)", start=now)
    plan("cron(0 9 ? * MON-FRI *)", zone=ZoneInfo("Europe/Berlin"), start=now, window=15 * MINUTE)
    plan("at(2026-12-24T18:00:00)", start=now).next_after(now)

Instants are nanoseconds since 1970. A plan keeps nothing between calls: it is asked for the next instant after one, so who
slept asks for what is due, does it once, and asks again from the time it is now. A rate's first instant is its start, and
its days have 24 hours. A time of the wall clock that does not exist when clocks go forward is left out of a cron, and
refused in an at(); one that comes twice when they go back is meant the first time.

Sources: EventBridge Scheduler user guide, "Schedule types" and "Setting flexible time windows"; API reference,
CreateSchedule. Different from AWS: instants are exact, where AWS runs a schedule within the minute; a flexible window need
not be whole minutes; nothing is due after 2199.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, tzinfo
from typing import NamedTuple, TypeAlias

from decouple.core.backoff import Chance, between
from decouple.core.cron import FIRST_YEAR, LAST_YEAR, LATEST, Cron, cron
from decouple.core.records import EPOCH
from decouple.core.settings import SECOND
from decouple.core.walls import ONE_SECOND, instant_of
from decouple.errors import InvalidSchedule

__all__ = ["LONGEST_WINDOW", "At", "Cron", "Expression", "Plan", "Rate", "parse", "plan"]

UNITS = {"minute": 60 * SECOND, "hour": 3_600 * SECOND, "day": 86_400 * SECOND}
LONGEST_EXPRESSION = 256
LONGEST_WINDOW = 1_440 * 60 * SECOND
FORMS = "rate(5 minutes), cron(0 9 ? * MON-FRI *) or at(2026-12-24T18:00:00)"
AT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", re.ASCII)


class Rate(NamedTuple):
    """Again and again after the same time. period: nanoseconds."""

    period: int

    def next_after(self, after: int, *, start: int) -> int | None:
        """The first instant later than `after` of those that are whole periods from `start`."""
        due = start + ((after - start) // self.period + 1) * self.period
        return due if due <= LATEST else None


class At(NamedTuple):
    """Once. wall: what the clocks show then, as in decouple.core.walls."""

    wall: int

    def next_after(self, after: int, zone: tzinfo) -> int | None:
        """The instant, if it is later than `after`."""
        due = instant_of(self.wall, zone)
        return due if due is not None and due > after else None


Expression: TypeAlias = Rate | Cron | At


# -- reading ---------------------------------------------------------------------------------------------------------


def parse(expression: str) -> Expression:
    """What a schedule expression says; at most 256 characters. Raises InvalidSchedule, TypeError."""
    if not isinstance(expression, str):
        raise TypeError(f"a schedule expression must be text such as {FORMS}, not {expression!r:.80}")
    if len(expression) > LONGEST_EXPRESSION:
        reason = f"it must be at most {LONGEST_EXPRESSION} characters, not {len(expression):,}"
        raise InvalidSchedule(f"{expression[:40]}...", field="", reason=reason)
    form, bracket, inner = expression.removesuffix(")").partition("(")
    if not bracket or not expression.endswith(")") or form not in ("rate", "cron", "at"):
        raise InvalidSchedule(expression, field="", reason=f"it must be like {FORMS}, without blanks around it")
    if form == "cron":
        return cron(inner, expression=expression)
    return rate(inner, expression) if form == "rate" else at(inner, expression)


def rate(inner: str, expression: str) -> Rate:
    value, blank, unit = inner.partition(" ")
    if not blank:
        raise InvalidSchedule(
            expression, field="", reason="a rate is a value, one blank and a unit, as in rate(5 minutes)"
        )
    if not (value.isascii() and value.isdigit()) or int(value) == 0:
        raise InvalidSchedule(expression, field="value", reason=f"must be a whole number, 1 or more, not {value!r}")
    single = unit.removesuffix("s")
    if single not in UNITS:
        reason = f"must be minute, minutes, hour, hours, day or days, not {unit!r}"
        raise InvalidSchedule(expression, field="unit", reason=reason)
    right = single if int(value) == 1 else f"{single}s"
    if unit != right:
        raise InvalidSchedule(expression, field="unit", reason=f"with {value} it must be {right!r}, not {unit!r}")
    return Rate(int(value) * UNITS[single])


def at(inner: str, expression: str) -> At:
    if not AT.fullmatch(inner):
        reason = "it must be at(yyyy-mm-ddThh:mm:ss), in the schedule's time zone, without an offset or Z"
        raise InvalidSchedule(expression, field="", reason=reason)
    try:
        shown = datetime.fromisoformat(f"{inner}+00:00")
    except ValueError as error:
        raise InvalidSchedule(expression, field="", reason=f"there is no such time: {error}") from None
    if not FIRST_YEAR <= shown.year <= LAST_YEAR:
        reason = f"{shown.year} is not from {FIRST_YEAR} to {LAST_YEAR}"
        raise InvalidSchedule(expression, field="year", reason=reason)
    return At((shown - EPOCH) // ONE_SECOND)


# -- with a zone, a start and an end ---------------------------------------------------------------------------------


class Plan(NamedTuple):
    """When a schedule is due. start, end: instants, both included, that an at() ignores; window: nanoseconds.

    start is the instant a rate counts from: the start the user gave, or else that of the schedule's making.
    """

    expression: Expression
    zone: tzinfo
    start: int
    end: int | None = None
    window: int = 0

    def next_after(self, after: int) -> int | None:
        """The first instant later than `after` at which the schedule is due; None: never again."""
        if isinstance(self.expression, At):
            return self.expression.next_after(after, self.zone)
        after = max(after, self.start - 1)
        if isinstance(self.expression, Rate):
            due = self.expression.next_after(after, start=self.start)
        else:
            due = self.expression.next_after(after, self.zone)
        return due if due is not None and (self.end is None or due <= self.end) else None

    def occurrences(self, after: int) -> Iterator[int]:
        """All instants later than `after` at which the schedule is due, in order."""
        due = self.next_after(after)
        while due is not None:
            yield due
            due = self.next_after(due)

    def delay(self, chance: Chance) -> int:
        """How long after an instant to run, in nanoseconds: anywhere in the flexible window."""
        return between(0, self.window, chance) if self.window else 0


def plan(expression: str, *, zone: tzinfo = UTC, start: int, end: int | None = None, window: int = 0) -> Plan:
    """The plan of an expression: instants in nanoseconds since 1970, the window at most a day of them.

    Raises InvalidSchedule, also for an at() that the zone's clocks skip; ValueError for an end before the start, or a
    window that is too long; TypeError.
    """
    parsed = parse(expression)
    if isinstance(parsed, At) and instant_of(parsed.wall, zone) is None:
        reason = f"clocks in {zone} go forward over this time: take one before or after"
        raise InvalidSchedule(expression, field="", reason=reason)
    if end is not None and end < start:
        raise ValueError(f"end must not be before start, and is {(start - end) / SECOND:g} s before it")
    if not 0 <= window <= LONGEST_WINDOW:
        raise ValueError(f"the flexible window must be 0 to 86400 seconds, not {window / SECOND:g}")
    return Plan(parsed, zone, start, end, window)
