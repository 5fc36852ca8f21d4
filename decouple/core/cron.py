"""AWS's cron: which minutes of the wall clock an expression names, and the next one.

    mornings = cron("0 9 ? * MON-FRI *")              # the text between the brackets of cron(...)
    mornings.next_after(now, ZoneInfo("Europe/Berlin"))

Six fields: minutes hours day-of-month month day-of-week year. A field is `*`, or a list of numbers or names (JAN-DEC,
SUN-SAT; 1 is SUN), ranges `a-b` and steps `*/n`, `a/n`, `a-b/n`. A range may go over the end (FRI-MON, 22-2), except of
years. One of the two day fields, exactly, is `?`. Alone in day-of-month: `L` the last day, `LW` the last weekday, `15W` the
weekday nearest to the 15th in the same month; alone in day-of-week: `L` Saturday, `6L` the last Friday, `3#2` the second
Tuesday. A month without such a day (31, 31W, 6#5) is left out.

A minute that the zone's clocks skip in spring is left out; one that they show twice in autumn counts the first time only, so
`cron(*/5 * * * ? *)` rests for that hour, and a rate does not.

Sources: EventBridge user guide, "Cron expressions"; Scheduler user guide, "Schedule types" (daylight saving time). Where they
are silent (ranges over the end, the greatest step, names before L, L and W alone in their field) Quartz's CronExpression,
whose notation it is; of 31W in a short month it says nothing either. Different from AWS, as far as is known: case does not
matter, and an expression without any date, such as the 31st of February, is refused.
"""

from __future__ import annotations

import calendar
from bisect import bisect_left
from collections.abc import Callable, Sequence
from datetime import date, tzinfo
from functools import lru_cache
from typing import Literal, NamedTuple, TypeAlias, TypeVar

import attrs

from decouple.core.settings import SECOND
from decouple.core.walls import instant_of, wall_of
from decouple.errors import InvalidSchedule

__all__ = ["FIRST_YEAR", "LAST_YEAR", "Cron", "cron"]

FIRST_YEAR, LAST_YEAR = 1970, 2199
DAY_ZERO = date(1970, 1, 1).toordinal()
# Of any zone's year 1970 and 2199, in nanoseconds: a clock may lie anywhere, datetimes only from year 1 to 9999.
EARLIEST = -2 * 86_400 * SECOND
LATEST = (date(LAST_YEAR + 1, 1, 3).toordinal() - DAY_ZERO) * 86_400 * SECOND
MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
WEEKDAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
SATURDAY = 7


class Field(NamedTuple):
    """A place in an expression, and the numbers it can have. names: what may stand for them, from `least` on."""

    name: str
    least: int
    most: int
    names: Sequence[str] = ()
    wraps: bool = True

    @property
    def every(self) -> range:
        return range(self.least, self.most + 1)


MINUTES = Field("minutes", 0, 59)
HOURS = Field("hours", 0, 23)
DAY_OF_MONTH = Field("day-of-month", 1, 31)
MONTH = Field("month", 1, 12, MONTHS)
DAY_OF_WEEK = Field("day-of-week", 1, 7, WEEKDAYS)
YEAR = Field("year", FIRST_YEAR, LAST_YEAR, wraps=False)
FIELDS = (MINUTES, HOURS, DAY_OF_MONTH, MONTH, DAY_OF_WEEK, YEAR)


# -- which days of a month -------------------------------------------------------------------------------------------

Kind: TypeAlias = Literal[
    "days", "last day", "last weekday", "nearest weekday", "weekdays", "nth weekday", "final weekday"
]


class Days(NamedTuple):
    """What a day field says. values: days for "days" and "nearest weekday"; else weekdays, and for "nth" its n after it."""

    kind: Kind
    values: tuple[int, ...] = ()

    def of(self, first: int, length: int) -> list[int]:
        """The days that match, in order, in a month of that length whose first day is that weekday (1 is SUN)."""
        match self.kind:
            case "days":
                return [day for day in self.values if day <= length]
            case "last day":
                return [length]
            case "last weekday":
                return [nearest_weekday(length, first, length)]
            case "nearest weekday":
                return [nearest_weekday(day, first, length) for day in self.values if day <= length]
            case "weekdays":
                return [day for day in range(1, length + 1) if weekday(day, first) in self.values]
            case "nth weekday":
                wanted, nth = self.values
                day = 1 + (wanted - first) % 7 + 7 * (nth - 1)
                return [day] if day <= length else []
            case "final weekday":
                return [length - (weekday(length, first) - self.values[0]) % 7]


def weekday(day: int, first: int) -> int:
    """The weekday of a day of a month whose first day is the weekday `first`; 1 is SUN."""
    return 1 + (first + day - 2) % 7


def nearest_weekday(day: int, first: int, length: int) -> int:
    """The day itself, or the Monday to Friday next to it in the same month."""
    match weekday(day, first):
        case 7:
            return day - 1 if day > 1 else 3
        case 1:
            return day + 1 if day < length else day - 2
        case _:
            return day


@lru_cache(maxsize=512)  # a month has one of 28 shapes, so a year of firings asks for the same few again and again
def days_in(days: Days, year: int, month: int) -> tuple[int, ...]:
    first, length = calendar.monthrange(year, month)  # where 0 is Monday
    return tuple(days.of((first + 1) % 7 + 1, length))


# -- when ------------------------------------------------------------------------------------------------------------


@attrs.frozen
class Cron:
    """A cron expression. text: its six fields as they came."""

    text: str
    minutes: tuple[int, ...] = attrs.field(repr=False)
    hours: tuple[int, ...] = attrs.field(repr=False)
    days: Days = attrs.field(repr=False)
    months: tuple[int, ...] = attrs.field(repr=False)
    years: tuple[int, ...] = attrs.field(repr=False)

    def next_after(self, after: int, zone: tzinfo) -> int | None:
        """The first instant later than `after`, both nanoseconds since 1970; None: there is none until the end of 2199.

        Cost: a look at each month that the field `month` names, until there is a date: up to eight years for 29 FEB.
        """
        if after > LATEST:
            return None
        wall = wall_of(max(after, EARLIEST), zone)
        found = self.first_from(wall - wall % 60 + 60)
        while found is not None:
            instant = instant_of(found, zone)
            if instant is not None and instant > after:
                return instant
            found = self.first_from(found + 60)  # it is skipped in spring, or was shown before in autumn
        return None

    def first_from(self, wall: int) -> int | None:
        """The first wall that matches, at or after a whole minute; both seconds, as in decouple.core.walls."""
        days, second = divmod(wall, 86_400)
        today = date.fromordinal(DAY_ZERO + days)
        day = self.date_from(today)
        if day == today:
            if (minute := self.minute_from(second // 60)) is not None:
                return days * 86_400 + minute * 60
            day = self.date_from(date.fromordinal(DAY_ZERO + days + 1))
        return (day.toordinal() - DAY_ZERO) * 86_400 + (self.hours[0] * 60 + self.minutes[0]) * 60 if day else None

    def minute_from(self, start: int) -> int | None:
        """The first minute of a day, of 1,440, that matches at or after `start`."""
        hour, minute = divmod(start, 60)
        place = bisect_left(self.hours, hour)
        if place < len(self.hours) and self.hours[place] == hour:
            later = bisect_left(self.minutes, minute)
            if later < len(self.minutes):
                return hour * 60 + self.minutes[later]
            place += 1
        return self.hours[place] * 60 + self.minutes[0] if place < len(self.hours) else None

    def date_from(self, start: date) -> date | None:
        """The first date that matches at or after `start`."""
        for year in self.years[bisect_left(self.years, start.year) :]:
            this = year == start.year
            for month in self.months[bisect_left(self.months, start.month) :] if this else self.months:
                days = days_in(self.days, year, month)
                place = bisect_left(days, start.day) if this and month == start.month else 0
                if place < len(days):
                    return date(year, month, days[place])
        return None


# -- reading ---------------------------------------------------------------------------------------------------------


def cron(text: str, *, expression: str | None = None) -> Cron:
    """Read six fields, with one blank between two. expression: the whole, for the error. Raises InvalidSchedule."""
    whole = expression or text
    fields = text.upper().split(" ")
    if "" in fields and text:
        reason = "there must be one blank between two fields, and none around them"
        raise InvalidSchedule(whole, field="", reason=reason)
    if len(fields) != len(FIELDS):
        names = " ".join(field.name for field in FIELDS)
        raise InvalidSchedule(whole, field="", reason=f"a cron has six fields ({names}), not {len(text.split())}")
    found = Cron(text, *read(whole, fields))
    if found.date_from(date(FIRST_YEAR, 1, 1)) is None:
        raise InvalidSchedule(whole, field="", reason=f"no date from {FIRST_YEAR} to {LAST_YEAR} is like this")
    return found


Values: TypeAlias = tuple[int, ...]
T = TypeVar("T")


def read(whole: str, fields: Sequence[str]) -> tuple[Values, Values, Days, Values, Values]:
    """What the fields say, in the order of Cron."""
    minutes, hours, of_month, months, of_week, years = fields
    if (of_month == "?") == (of_week == "?"):
        reason = f"one of day-of-month and day-of-week, and only one, must be ?, not {of_month!r} and {of_week!r}"
        raise InvalidSchedule(whole, field=DAY_OF_MONTH.name, reason=reason)
    return (
        part(whole, MINUTES, minutes, values),
        part(whole, HOURS, hours, values),
        part(whole, DAY_OF_MONTH, of_month, days_of_month)
        if of_week == "?"
        else part(whole, DAY_OF_WEEK, of_week, days_of_week),
        part(whole, MONTH, months, values),
        part(whole, YEAR, years, values),
    )


def part(whole: str, field: Field, text: str, reader: Callable[[Field, str], T]) -> T:
    """What one field says, by a reader that raises ValueError with the reason."""
    try:
        return reader(field, text)
    except ValueError as error:
        raise InvalidSchedule(whole, field=field.name, reason=str(error)) from None


def days_of_month(field: Field, text: str) -> Days:
    if text == "L":
        return Days("last day")
    if text == "LW":
        return Days("last weekday")
    if text.endswith("W"):
        return Days("nearest weekday", (number(field, alone(text, "W")),))
    return Days("days", values(field, text))


def days_of_week(field: Field, text: str) -> Days:
    if text == "L":
        return Days("weekdays", (SATURDAY,))
    if "#" in text:
        day, _, nth = alone(text, "#").partition("#")
        if nth not in ("1", "2", "3", "4", "5"):
            raise ValueError(f"after # comes which of the month, 1 to 5, not {nth!r}")
        return Days("nth weekday", (number(field, day), int(nth)))
    if text.endswith("L"):
        return Days("final weekday", (number(field, alone(text, "L")),))
    return Days("weekdays", values(field, text))


def alone(text: str, mark: str) -> str:
    """The text, without the mark at its end, if it is about one day."""
    if "," in text or "-" in text or "/" in text:
        raise ValueError(f"{mark} is for one day alone, not for a list, range or step, as in {text!r}")
    return text.removesuffix(mark)


@lru_cache(maxsize=128)  # thousands of schedules share their "*", and its 230 years
def values(field: Field, text: str) -> tuple[int, ...]:
    """All numbers of a list, in order. Raises ValueError."""
    return tuple(sorted({value for entry in text.split(",") for value in entry_of(field, entry)}))


def entry_of(field: Field, text: str) -> Sequence[int]:
    """The numbers of an entry: a number, a range, a step."""
    body, slash, by = text.partition("/")
    step = step_of(field, by) if slash else 1
    if body == "*":
        return field.every[::step]
    low, dash, high = body.partition("-")
    first = number(field, low)
    if not dash:
        return range(first, field.most + 1 if slash else first + 1, step)
    last = number(field, high)
    if first <= last:
        return range(first, last + 1, step)
    if not field.wraps:
        raise ValueError(f"a range of years goes up, so {body!r} should be '{high}-{low}'")
    count = len(field.every)
    return [field.least + (value - field.least) % count for value in range(first, last + count + 1, step)]


def number(field: Field, text: str) -> int:
    if text in field.names:
        return field.least + field.names.index(text)
    if not (text.isascii() and text.isdigit()):
        what = f"a number or one of {', '.join(field.names)}" if field.names else "a number"
        raise ValueError(f"{text!r} is not {what}")
    if not field.least <= int(text) <= field.most:
        raise ValueError(f"{int(text)} is not from {field.least} to {field.most}")
    return int(text)


def step_of(field: Field, text: str) -> int:
    """What follows a slash: at most what the field can be, since a greater step would never be taken."""
    most = min(field.most, len(field.every))
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= most):
        raise ValueError(f"after / comes a step from 1 to {most}, not {text!r}")
    return int(text)
