"""Schedule expressions: rate, cron and at, due at least once."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import cache

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from decouple.clock import NEW_YEAR
from decouple.core.cron import (
    DAY_OF_MONTH,
    DAY_OF_WEEK,
    HOURS,
    LAST_YEAR,
    MINUTES,
    MONTH,
    YEAR,
    Field,
    cron,
)
from decouple.errors import InvalidSchedule

__all__ = ["schedules"]

LONGEST_RATE = {"minute": 525_600, "hour": 8_760, "day": 365}


def schedules(*, start: datetime = NEW_YEAR) -> SearchStrategy[str]:
    """What `broker.schedule` takes: "rate(1 minute)", "cron(0 9 ? * MON-FRI *)", "at(2026-12-24T18:00:00)".

    start: an aware datetime, the clock's start by default: at() comes after it, and no cron is over by then (in UTC; in a
    zone whose clocks skip a time, an at() of that very time is refused).
    """
    if start.tzinfo is None:
        raise ValueError(f"start must be an aware datetime, not the naive {start!r}: give it tzinfo=timezone.utc")
    shown = start.astimezone(UTC).replace(tzinfo=None, microsecond=0)
    return rates() | ats(shown) | crons(shown.year)


@cache
def rates() -> SearchStrategy[str]:
    def rate(unit: str, most: int) -> SearchStrategy[str]:
        return st.integers(1, most).map(lambda n: f"rate({n} {unit}{'' if n == 1 else 's'})")

    return st.one_of([rate(unit, most) for unit, most in LONGEST_RATE.items()])


def ats(start: datetime) -> SearchStrategy[str]:
    last = datetime(LAST_YEAR, 12, 31, 23, 59, 59)
    seconds = int((last - start).total_seconds())
    return st.integers(1, seconds).map(lambda n: f"at({(start + timedelta(seconds=n)).isoformat()})")


# -- cron --------------------------------------------------------------------------------------------------------------


@st.composite
def crons(draw: DrawFn, year: int) -> str:
    """Six fields; where they leave no date, such as the 31st of February, of any month and year."""
    by_week = draw(st.booleans())
    of_month = "?" if by_week else draw(listed(DAY_OF_MONTH) | days_of_month())
    of_week = draw(listed(DAY_OF_WEEK) | days_of_week()) if by_week else "?"
    month, years = draw(listed(MONTH)), draw(st.just("*") | listed(YEAR._replace(least=year + 1)))
    minutes, hours = draw(listed(MINUTES)), draw(listed(HOURS))
    fields = f"{minutes} {hours} {of_month} {month} {of_week} {years}"
    return f"cron({fields if comes(fields, year) else f'{minutes} {hours} {of_month} * {of_week} *'})"


def comes(fields: str, year: int) -> bool:
    """Whether there is such a date after that year."""
    try:
        return cron(fields).date_from(date(year + 1, 1, 1)) is not None
    except InvalidSchedule:
        return False


def listed(field: Field) -> SearchStrategy[str]:
    """`*`, or up to three numbers, names, ranges and steps."""
    return st.just("*") | st.lists(entry(field), min_size=1, max_size=3).map(",".join)


@st.composite
def entry(draw: DrawFn, field: Field) -> str:
    first = draw(value(field))
    kind = draw(st.sampled_from(["one", "range", "steps", "steps in a range"]))
    if "range" in kind:
        last = draw(value(field if field.wraps else field._replace(least=int(first))))
        first = f"{first}-{last}"
    if "steps" in kind:
        start = draw(st.sampled_from(["*", first])) if kind == "steps" else first
        first = f"{start}/{draw(st.integers(1, min(field.most, len(field.every))))}"
    return first


def value(field: Field) -> SearchStrategy[str]:
    number = st.integers(field.least, field.most).map(str)
    return number | st.sampled_from(field.names) if field.names else number


@cache
def days_of_month() -> SearchStrategy[str]:
    return st.sampled_from(["L", "LW"]) | value(DAY_OF_MONTH).map(lambda day: f"{day}W")


@cache
def days_of_week() -> SearchStrategy[str]:
    day = value(DAY_OF_WEEK)
    return st.just("L") | day.map(lambda one: f"{one}L") | st.builds("{}#{}".format, day, st.integers(1, 5))
