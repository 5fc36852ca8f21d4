"""Schedule expressions: rate, cron and at as EventBridge Scheduler reads them, in time zones, through both changes of clocks."""

from __future__ import annotations

import calendar
import pickle
import random
import sys
import zoneinfo
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from itertools import islice
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from decouple.core.cron import cron
from decouple.core.schedule import Plan, parse, plan
from decouple.errors import InvalidSchedule, NotInstalled
from decouple.zones import zone

SECOND = 10**9
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
WEEKDAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")


def instant(text: str, name: str = "UTC") -> int:
    """Nanoseconds since 1970 of what the clocks of a zone show."""
    return round(datetime.fromisoformat(text).replace(tzinfo=zone(name)).timestamp()) * SECOND


def shown(instant: int, name: str = "UTC") -> str:
    return datetime.fromtimestamp(instant // SECOND, zone(name)).strftime("%Y-%m-%d %H:%M")


def firings(expression: str, start: str, *, name: str = "UTC", most: int = 5, **more: Any) -> list[str]:
    """What the clocks show at the first firings from a start on."""
    first = instant(start, name)
    due = plan(expression, zone=zone(name), start=first, **more)
    return [shown(each, name) for each in islice(due.occurrences(first - 1), most)]


# -- rate ------------------------------------------------------------------------------------------------------------


def test_a_rate_is_due_at_its_start_and_then_after_each_period() -> None:
    """Scheduler user guide, "Rate-based schedules": without a start date it begins at once."""
    assert firings("rate(5 minutes)", "2026-01-01 09:02", most=3) == [
        "2026-01-01 09:02",
        "2026-01-01 09:07",
        "2026-01-01 09:12",
    ]


@pytest.mark.parametrize(
    ("expression", "seconds"),
    [
        ("rate(1 minute)", 60),
        ("rate(5 minutes)", 300),
        ("rate(1 hour)", 3_600),
        ("rate(12 hours)", 43_200),
        ("rate(1 day)", 86_400),
        ("rate(7 days)", 604_800),
    ],
)
def test_a_rate_has_minutes_hours_or_days(expression: str, seconds: int) -> None:
    """EventBridge user guide, "Rate expressions"."""
    due = plan(expression, start=0)

    assert list(islice(due.occurrences(0), 2)) == [seconds * SECOND, 2 * seconds * SECOND]


def test_a_rate_stays_on_the_grid_of_its_start_whenever_it_is_asked() -> None:
    due = plan("rate(5 minutes)", start=instant("2026-01-01 09:02"))

    assert due.next_after(0) == instant("2026-01-01 09:02")
    assert due.next_after(instant("2026-01-01 09:02") - 1) == instant("2026-01-01 09:02")
    assert due.next_after(instant("2026-01-01 09:02")) == instant("2026-01-01 09:07")
    assert due.next_after(instant("2026-01-03 00:00")) == instant("2026-01-03 00:02")


def test_the_days_of_a_rate_have_24_hours_when_clocks_change() -> None:
    """Scheduler user guide, "Daylight saving time": rates are not affected."""
    assert firings("rate(1 day)", "2026-03-07 09:00", name="America/New_York", most=3) == [
        "2026-03-07 09:00",
        "2026-03-08 10:00",
        "2026-03-09 10:00",
    ]


def test_a_rate_ends_with_the_year_2199() -> None:
    due = plan(f"rate({'9' * 200} days)", start=0)

    assert list(due.occurrences(-1)) == [0]


# -- at --------------------------------------------------------------------------------------------------------------


def test_at_is_due_once() -> None:
    assert firings("at(2026-12-24T18:00:00)", "2026-01-01 00:00") == ["2026-12-24 18:00"]
    assert firings("at(2026-12-24T18:00:00)", "2026-12-24 18:01") == []


def test_at_is_in_the_schedules_time_zone() -> None:
    """Scheduler user guide, "One-time schedules"."""
    due = plan("at(2026-12-24T18:00:00)", zone=zone("Asia/Kolkata"), start=0)

    assert due.next_after(0) == instant("2026-12-24 12:30")


def test_at_ignores_start_and_end() -> None:
    """Scheduler API reference, CreateSchedule: StartDate and EndDate are ignored for one-time schedules."""
    due = plan("at(2026-12-24T18:00:00)", start=instant("2027-01-01 00:00"), end=instant("2027-02-01 00:00"))

    assert due.next_after(0) == instant("2026-12-24 18:00")


def test_at_a_time_that_clocks_skip_is_refused() -> None:
    with pytest.raises(InvalidSchedule, match="clocks in America/New_York go forward over this time: take one before"):
        plan("at(2026-03-08T02:30:00)", zone=zone("America/New_York"), start=0)


def test_at_a_time_that_clocks_show_twice_is_the_first() -> None:
    due = plan("at(2026-11-01T01:30:00)", zone=zone("America/New_York"), start=0)

    assert due.next_after(0) == instant("2026-11-01 05:30")
    assert due.next_after(instant("2026-11-01 05:30")) is None


# -- cron: examples --------------------------------------------------------------------------------------------------

EXAMPLES = {
    # after those of the EventBridge user guide, "Cron expressions"; 2026-01-01 is a Thursday
    "cron(15 12 * * ? *)": ["2026-01-01 12:15", "2026-01-02 12:15", "2026-01-03 12:15"],
    "cron(0 18 ? * MON-FRI *)": ["2026-01-01 18:00", "2026-01-02 18:00", "2026-01-05 18:00"],
    "cron(0 8 1 * ? *)": ["2026-01-01 08:00", "2026-02-01 08:00", "2026-03-01 08:00"],
    "cron(0/10 * ? * MON-FRI *)": ["2026-01-01 00:00", "2026-01-01 00:10", "2026-01-01 00:20"],
    "cron(0/5 8-17 ? * MON-FRI *)": ["2026-01-01 08:00", "2026-01-01 08:05", "2026-01-01 08:10"],
    "cron(0 9 ? * 2#1 *)": ["2026-01-05 09:00", "2026-02-02 09:00", "2026-03-02 09:00"],
    "cron(0 0 ? * 3#2 *)": ["2026-01-13 00:00", "2026-02-10 00:00", "2026-03-10 00:00"],
    "cron(15 10 ? * 6L 2026-2030)": ["2026-01-30 10:15", "2026-02-27 10:15", "2026-03-27 10:15"],
    "cron(0 7 ? * 1 *)": ["2026-01-04 07:00", "2026-01-11 07:00", "2026-01-18 07:00"],
    "cron(0 0 3W * ? *)": ["2026-01-02 00:00", "2026-02-03 00:00", "2026-03-03 00:00"],
    "cron(0 0 L * ? *)": ["2026-01-31 00:00", "2026-02-28 00:00", "2026-03-31 00:00"],
    "cron(0 0 LW * ? *)": ["2026-01-30 00:00", "2026-02-27 00:00", "2026-03-31 00:00"],
    # each of the wildcards once more
    "cron(5,35 14 * * ? *)": ["2026-01-01 14:05", "2026-01-01 14:35", "2026-01-02 14:05"],
    "cron(0 0 ? JAN,JUN MON *)": ["2026-01-05 00:00", "2026-01-12 00:00", "2026-01-19 00:00"],
    "cron(0 0 1-31/30 * ? *)": ["2026-01-01 00:00", "2026-01-31 00:00", "2026-02-01 00:00"],
    "cron(*/15 3 1 */6 ? *)": ["2026-01-01 03:00", "2026-01-01 03:15", "2026-01-01 03:30"],
    "cron(0 0 ? * L *)": ["2026-01-03 00:00", "2026-01-10 00:00", "2026-01-17 00:00"],
    "cron(0 0 ? * FRIL *)": ["2026-01-30 00:00", "2026-02-27 00:00", "2026-03-27 00:00"],
    "cron(0 0 ? * sun#5 *)": ["2026-03-29 00:00", "2026-05-31 00:00", "2026-08-30 00:00"],
    "cron(0 0 1 1 ? 2030/50)": ["2030-01-01 00:00", "2080-01-01 00:00", "2130-01-01 00:00"],
    "cron(0 5 1 7-7 ? *)": ["2026-07-01 05:00", "2027-07-01 05:00", "2028-07-01 05:00"],
    # ranges that go over the end
    "cron(0 22-2/2 5 * ? *)": ["2026-01-05 00:00", "2026-01-05 02:00", "2026-01-05 22:00"],
    "cron(0 0 ? * SAT-SUN *)": ["2026-01-03 00:00", "2026-01-04 00:00", "2026-01-10 00:00"],
    "cron(0 0 1 NOV-FEB ? *)": ["2026-01-01 00:00", "2026-02-01 00:00", "2026-11-01 00:00"],
}


@pytest.mark.parametrize("expression", EXAMPLES)
def test_a_cron_is_due_when_its_six_fields_match(expression: str) -> None:
    assert firings(expression, "2026-01-01 00:00", most=3) == EXAMPLES[expression]


@pytest.mark.parametrize(
    ("day", "month", "weekday"),
    [
        ("1W", "2026-08", "2026-08-03"),  # the 1st is a Saturday, and the Friday before is in July
        ("31W", "2026-05", "2026-05-29"),  # the 31st is a Sunday, and the Monday after is in June
        ("15W", "2026-08", "2026-08-14"),
        ("15W", "2026-02", "2026-02-16"),
        ("15W", "2026-01", "2026-01-15"),
    ],
)
def test_the_nearest_weekday_is_in_the_same_month(day: str, month: str, weekday: str) -> None:
    assert firings(f"cron(0 0 {day} * ? *)", f"{month}-01 00:00", most=1) == [f"{weekday} 00:00"]


@pytest.mark.parametrize("day", ["31", "31W"])
def test_a_month_without_the_day_is_left_out(day: str) -> None:
    months = [each[5:7] for each in firings(f"cron(0 0 {day} * ? *)", "2026-01-01 00:00", most=7)]

    assert months == ["01", "03", "05", "07", "08", "10", "12"]


def test_the_29th_of_february_is_found_over_a_century_without_one() -> None:
    assert firings("cron(0 0 29 2 ? *)", "2096-01-01 00:00", most=2) == ["2096-02-29 00:00", "2104-02-29 00:00"]


def test_a_cron_ends_with_the_year_2199() -> None:
    assert firings("cron(59 23 31 12 ? *)", "2198-06-01 00:00") == ["2198-12-31 23:59", "2199-12-31 23:59"]
    assert firings("cron(0 0 1 1 ? 2020-2024)", "2026-01-01 00:00") == []
    assert cron("* * * * ? *").next_after(1 << 80, UTC) is None


def test_a_cron_begins_with_the_year_1970() -> None:
    due = cron("* * * * ? *")

    assert due.next_after(-(1 << 80), UTC) == 0
    assert due.next_after(-(1 << 80), zone("Asia/Kolkata")) == -330 * MINUTE


def test_a_cron_is_due_after_an_instant_and_never_at_it() -> None:
    due = cron("0 9 * * ? *")
    nine = instant("2026-01-01 09:00")

    assert due.next_after(nine - 1, UTC) == nine
    assert due.next_after(nine, UTC) == nine + DAY
    assert due.next_after(nine + 1, UTC) == nine + DAY


# -- cron: changes of clocks -----------------------------------------------------------------------------------------


def test_a_time_that_clocks_skip_in_spring_is_left_out() -> None:
    """Scheduler user guide, "Daylight saving time": the invocation is skipped."""
    assert firings("cron(30 2 * * ? *)", "2026-03-07 00:00", name="America/New_York", most=3) == [
        "2026-03-07 02:30",
        "2026-03-09 02:30",
        "2026-03-10 02:30",
    ]


def test_a_time_that_clocks_show_twice_in_autumn_is_due_once() -> None:
    """Scheduler user guide, "Daylight saving time": the schedule runs once and is not repeated."""
    due = plan("cron(30 1 * * ? *)", zone=zone("America/New_York"), start=instant("2026-10-31 12:00"))

    assert list(islice(due.occurrences(0), 2)) == [instant("2026-11-01 05:30"), instant("2026-11-02 06:30")]


@pytest.mark.parametrize("asked", ["2026-11-01 06:00", "2026-11-01 06:29", "2026-11-01 06:30", "2026-11-01 06:59"])
def test_who_asks_in_the_hour_shown_twice_gets_what_follows_it(asked: str) -> None:
    due = cron("*/10 * * * ? *")

    assert due.next_after(instant(asked), zone("America/New_York")) == instant("2026-11-01 07:00")


def test_a_change_of_half_an_hour_is_as_good_as_one_of_an_hour() -> None:
    assert firings("cron(0/15 2 ? 10 SUN#1 *)", "2026-10-01 00:00", name="Australia/Lord_Howe", most=3) == [
        "2026-10-04 02:30",
        "2026-10-04 02:45",
        "2027-10-03 02:30",
    ]


def test_a_day_that_a_zone_skipped_is_left_out() -> None:
    """Samoa went from the 29th to the 31st of December 2011."""
    assert firings("cron(0 12 * * ? *)", "2011-12-29 00:00", name="Pacific/Apia", most=2) == [
        "2011-12-29 12:00",
        "2011-12-31 12:00",
    ]


def test_a_cron_that_only_names_skipped_times_is_never_due() -> None:
    assert firings("cron(30 2 ? 3 SUN#2 *)", "2026-01-01 00:00", name="America/New_York") == []


# -- start, end, window ----------------------------------------------------------------------------------------------


def test_a_cron_is_due_from_its_start_to_its_end_and_at_both() -> None:
    """Scheduler API reference, CreateSchedule: "might occur on, or after" the start and "on, or before" the end."""
    due = plan("cron(0 9 * * ? *)", start=instant("2026-01-02 09:00"), end=instant("2026-01-04 09:00"))

    assert [shown(each) for each in due.occurrences(0)] == ["2026-01-02 09:00", "2026-01-03 09:00", "2026-01-04 09:00"]


def test_a_rate_ends_at_its_end() -> None:
    due = plan("rate(2 hours)", start=0, end=5 * HOUR)

    assert list(due.occurrences(-1)) == [0, 2 * HOUR, 4 * HOUR]


def test_what_was_due_while_a_process_slept_is_one_question_and_one_firing() -> None:
    """The last firing was at nine, and it is five past noon: one is due, and the next is the one after now."""
    due = plan("rate(10 minutes)", start=instant("2026-01-01 09:00"))
    now = instant("2026-01-01 12:05")

    missed = due.next_after(instant("2026-01-01 09:00"))
    following = due.next_after(now)

    assert (missed, following) == (instant("2026-01-01 09:10"), instant("2026-01-01 12:10"))


def test_a_flexible_window_delays_by_anything_up_to_its_length() -> None:
    """Scheduler user guide, "Setting flexible time windows"."""
    due = plan("rate(1 hour)", start=0, window=15 * MINUTE)
    chance = random.Random(7)

    delays = [due.delay(chance) for _ in range(1_000)]

    assert (min(delays) < MINUTE, max(delays) > 14 * MINUTE, max(delays) <= 15 * MINUTE) == (True, True, True)
    assert delays[:3] == [due.delay(again) for again in [random.Random(7)] for _ in range(3)]


def test_without_a_window_there_is_no_delay_and_no_chance() -> None:
    class NoChance:
        def uniform(self, a: float, b: float, /) -> float:
            raise AssertionError("chance was asked")

    assert plan("rate(1 hour)", start=0).delay(NoChance()) == 0


@pytest.mark.parametrize(
    ("terms", "words"),
    [
        ({"start": 2 * SECOND, "end": SECOND}, "end must not be before start, and is 1 s before it"),
        ({"start": 0, "window": DAY + 1}, "the flexible window must be 0 to 86400 seconds"),
        ({"start": 0, "window": -SECOND}, "the flexible window must be 0 to 86400 seconds, not -1"),
    ],
)
def test_a_plan_that_cannot_be_is_refused(terms: dict[str, int], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        plan("rate(1 hour)", **terms)


def test_a_plan_can_be_compared_and_kept() -> None:
    due = plan("cron(0 9 ? * MON-FRI *)", zone=zone("Europe/Berlin"), start=0)

    assert due == plan("cron(0 9 ? * MON-FRI *)", zone=zone("Europe/Berlin"), start=0)
    assert pickle.loads(pickle.dumps(due)) == due
    assert repr(due.expression) == "Cron(text='0 9 ? * MON-FRI *')"


# -- what is refused -------------------------------------------------------------------------------------------------

REFUSED = [
    # the expression, its field, words of the reason
    ("", "", "must be like rate"),
    ("every 5 minutes", "", "must be like rate"),
    (" rate(5 minutes)", "", "without blanks around it"),
    ("rate(5 minutes) ", "", "without blanks around it"),
    ("RATE(5 minutes)", "", "must be like rate"),
    ("rate(5 minutes", "", "must be like rate"),
    ("rate()", "", "a rate is a value, one blank and a unit"),
    ("rate(5)", "", "a rate is a value, one blank and a unit"),
    ("rate(5minutes)", "", "a rate is a value, one blank and a unit"),
    ("rate( 5 minutes)", "value", "must be a whole number, 1 or more, not ''"),
    ("rate(5  minutes)", "unit", "not ' minutes'"),
    ("rate(0 minutes)", "value", "not '0'"),
    ("rate(-5 minutes)", "value", "not '-5'"),
    ("rate(1.5 hours)", "value", "not '1.5'"),
    ("rate(\N{ARABIC-INDIC DIGIT FIVE} minutes)", "value", "must be a whole number"),
    ("rate(10 seconds)", "unit", "must be minute, minutes, hour, hours, day or days, not 'seconds'"),
    ("rate(10 years)", "unit", "not 'years'"),
    ("rate(1 minutes)", "unit", "with 1 it must be 'minute', not 'minutes'"),
    ("rate(5 minute)", "unit", "with 5 it must be 'minutes', not 'minute'"),
    ("rate(5 minutess)", "unit", "not 'minutess'"),
    ("at()", "", "at(yyyy-mm-ddThh:mm:ss)"),
    ("at(2026-12-24)", "", "at(yyyy-mm-ddThh:mm:ss)"),
    ("at(2026-12-24T18:00:00Z)", "", "without an offset or Z"),
    ("at(2026-12-24 18:00:00)", "", "at(yyyy-mm-ddThh:mm:ss)"),
    ("at(2026-02-30T18:00:00)", "", "there is no such time: day is out of range for month"),
    ("at(2026-02-28T24:00:00)", "", "there is no such time"),
    ("at(9999-12-31T23:59:59)", "year", "9999 is not from 1970 to 2199"),
    ("cron()", "", "six fields (minutes hours day-of-month month day-of-week year), not 0"),
    ("cron(0 9 * * MON)", "", "six fields (minutes hours day-of-month month day-of-week year), not 5"),
    ("cron(0 0 9 ? * MON *)", "", "not 7"),
    ("cron(0  9 ? * MON *)", "", "one blank between two fields"),
    ("cron( 0 9 ? * MON *)", "", "one blank between two fields"),
    ("cron(0 9 * * * *)", "day-of-month", "one of day-of-month and day-of-week, and only one, must be ?"),
    ("cron(0 9 ? * ? *)", "day-of-month", "one of day-of-month and day-of-week, and only one, must be ?"),
    ("cron(71 8 1 * ? *)", "minutes", "71 is not from 0 to 59"),
    ("cron(-5 8 1 * ? *)", "minutes", "'' is not a number"),
    ("cron(? 8 1 * ? *)", "minutes", "'?' is not a number"),
    ("cron(5, 8 1 * ? *)", "minutes", "'' is not a number"),
    ("cron(*-5 8 1 * ? *)", "minutes", "'*' is not a number"),
    ("cron(1-2-3 8 1 * ? *)", "minutes", "'2-3' is not a number"),
    ("cron(0/0 8 1 * ? *)", "minutes", "after / comes a step from 1 to 59, not '0'"),
    ("cron(*/60 8 1 * ? *)", "minutes", "after / comes a step from 1 to 59, not '60'"),
    ("cron(0/ 8 1 * ? *)", "minutes", "after / comes a step from 1 to 59, not ''"),
    ("cron(/5 8 1 * ? *)", "minutes", "'' is not a number"),
    ("cron(0 24 1 * ? *)", "hours", "24 is not from 0 to 23"),
    ("cron(0 dummy ? * MON-FRI *)", "hours", "'DUMMY' is not a number"),
    ("cron(0 8 0 * ? *)", "day-of-month", "0 is not from 1 to 31"),
    ("cron(0 8 32W * ? *)", "day-of-month", "32 is not from 1 to 31"),
    ("cron(0 8 W * ? *)", "day-of-month", "'' is not a number"),
    ("cron(0 8 1-5W * ? *)", "day-of-month", "W is for one day alone"),
    ("cron(0 8 1,LW * ? *)", "day-of-month", "W is for one day alone"),
    ("cron(0 8 1,L * ? *)", "day-of-month", "'L' is not a number"),
    ("cron(0 8 1#2 * ? *)", "day-of-month", "'1#2' is not a number"),
    ("cron(0 8 1 13 ? *)", "month", "13 is not from 1 to 12"),
    ("cron(0 8 1 MAI ? *)", "month", "'MAI' is not a number or one of JAN, FEB, MAR"),
    ("cron(7 20 ? * NOT *)", "day-of-week", "'NOT' is not a number or one of SUN, MON"),
    ("cron(0 8 ? * 0 *)", "day-of-week", "0 is not from 1 to 7"),
    ("cron(0 8 ? * 8L *)", "day-of-week", "8 is not from 1 to 7"),
    ("cron(0 8 ? * 3#6 *)", "day-of-week", "after # comes which of the month, 1 to 5, not '6'"),
    ("cron(0 8 ? * 3# *)", "day-of-week", "after # comes which of the month, 1 to 5, not ''"),
    ("cron(0 8 ? * 3#1,6#3 *)", "day-of-week", "# is for one day alone"),
    ("cron(0 8 ? * 2,6L *)", "day-of-week", "L is for one day alone"),
    ("cron(0 8 ? * 3W *)", "day-of-week", "'3W' is not a number"),
    ("cron(0 8 1 * ? 1969)", "year", "1969 is not from 1970 to 2199"),
    ("cron(0 8 1 * ? 2200)", "year", "2200 is not from 1970 to 2199"),
    ("cron(0 8 1 * ? 2030-2026)", "year", "a range of years goes up, so '2030-2026' should be '2026-2030'"),
    ("cron(0 0 31 2 ? *)", "", "no date from 1970 to 2199 is like this"),
    ("cron(0 0 31W 4,6,9,11 ? *)", "", "no date from 1970 to 2199 is like this"),
    ("cron(0 0 29 2 ? 2100)", "", "no date from 1970 to 2199 is like this"),
]


@pytest.mark.parametrize(("expression", "field", "words"), REFUSED)
def test_what_aws_would_refuse_is_refused_with_the_reason(expression: str, field: str, words: str) -> None:
    """Scheduler: ValidationException, "Invalid Schedule Expression", and no more than that."""
    with pytest.raises(InvalidSchedule) as raised:
        parse(expression)

    assert (raised.value.expression, raised.value.field) == (expression, field)
    assert words in raised.value.reason


def test_an_expression_has_at_most_256_characters() -> None:
    """Scheduler API reference, CreateSchedule: ScheduleExpression."""
    longest = f"cron({','.join(['10'] * 79)},0 0 1 1 ? *)"
    assert len(longest) == 254

    parse(longest)
    with pytest.raises(InvalidSchedule, match="at most 256 characters, not 257"):
        parse(longest.replace("cron(", "cron(00,"))


def test_an_expression_is_text() -> None:
    with pytest.raises(TypeError, match=r"must be text such as rate\(5 minutes\), .*, not 300"):
        parse(300)  # type: ignore[arg-type]


@given(st.text("0123456789*,-/?LW# JANSUMOrateconv()T:", max_size=40))
def test_any_text_is_a_schedule_or_refused(text: str) -> None:
    for expression in (text, f"cron({text})", f"rate({text})", f"at({text})"):
        try:
            assert plan(expression, start=0) is not None
        except InvalidSchedule as error:
            assert error.reason  # noqa: PT017 - most are refused, and that is right


# -- zones -----------------------------------------------------------------------------------------------------------


def test_a_zone_has_an_iana_name_or_is_itself() -> None:
    assert zone("UTC") is UTC
    assert str(zone("Europe/Berlin")) == "Europe/Berlin"
    for each in (zone("Europe/Berlin"), timezone(timedelta(hours=2)), UTC):
        assert zone(each) is each


@pytest.mark.parametrize("name", ["Europe", "../../etc/passwd", "/etc/passwd", "", "a\0b", "Mars/Olympus"])
def test_a_name_that_no_zone_has_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"no time zone is named .*: take an IANA name such as '[A-Z]"):
        zone(name)


@pytest.mark.parametrize(
    ("name", "meant"), [("europe/berlin", "Europe/Berlin"), ("America/New York", "America/New_York")]
)
def test_a_misspelt_zone_is_told_the_nearest(name: str, meant: str) -> None:
    with pytest.raises(ValueError, match=f"such as '{meant}'"):
        zone(name)


def test_a_zone_that_is_neither_a_name_nor_known_to_be_right_is_refused() -> None:
    class OfPytz(tzinfo):
        pass

    for wrong in (None, 2, OfPytz()):
        with pytest.raises(TypeError, match="a time zone must be a name such as 'Europe/Berlin', or a ZoneInfo"):
            zone(wrong)  # type: ignore[arg-type]


def test_without_a_database_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("tzdata", "tzdata.zoneinfo", "tzdata.zoneinfo.Asia"):
        monkeypatch.setitem(sys.modules, package, None)
    zoneinfo.ZoneInfo.clear_cache()
    zoneinfo.reset_tzpath(to=[])
    try:
        with pytest.raises(NotInstalled, match=r"the time zone 'Asia/Tokyo' needs .*: pip install tzdata"):
            zone("Asia/Tokyo")
        assert zone("UTC") is UTC
    finally:
        zoneinfo.reset_tzpath()
        zoneinfo.ZoneInfo.clear_cache()


# -- against a naive model -------------------------------------------------------------------------------------------

ZONES = ["UTC", "America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "Asia/Kolkata", "Pacific/Apia"]
CHANGES = {
    "America/New_York": ["2026-03-08 07:00", "2026-11-01 06:00", "2099-03-08 07:00"],
    "Europe/Berlin": ["2026-03-29 01:00", "2026-10-25 01:00", "2150-10-25 01:00"],
    "Australia/Lord_Howe": ["2026-04-04 15:00", "2026-10-03 15:30"],
    "Pacific/Apia": ["2011-12-30 10:00", "2012-03-31 14:00"],
}
Matches = Callable[[int], bool]
OnDate = Callable[[date], bool]
EVERY: tuple[str, Matches] = ("*", lambda value: True)
EVERY_DAY: tuple[str, str, OnDate] = ("*", "?", lambda day: True)


@st.composite
def entries(draw: st.DrawFn, least: int, most: int, *, wraps: bool = True) -> tuple[str, Matches]:
    """An entry of a field as text, and whether a value is in it."""
    first, last = draw(st.integers(least, most)), draw(st.integers(least, most))
    step = draw(st.integers(1, min(most, most - least + 1)))
    if not wraps:
        first, last = min(first, last), max(first, last)
    span = (last - first) % (most - least + 1)

    def over(value: int) -> int:
        return (value - first) % (most - least + 1)

    found: tuple[str, Matches] = draw(
        st.sampled_from(
            [
                EVERY,
                (f"{first}", lambda value: value == first),
                (f"{first}-{last}", lambda value: over(value) <= span),
                (f"*/{step}", lambda value: (value - least) % step == 0),
                (f"{first}/{step}", lambda value: value >= first and (value - first) % step == 0),
                (f"{first}-{last}/{step}", lambda value: over(value) <= span and over(value) % step == 0),
            ]
        )
    )
    return found


@st.composite
def fields(draw: st.DrawFn, least: int, most: int, *, wraps: bool = True) -> tuple[str, Matches]:
    """One to three entries."""
    drawn = draw(st.lists(entries(least, most, wraps=wraps), min_size=1, max_size=3))
    return ",".join(text for text, _ in drawn), lambda value: any(matches(value) for _, matches in drawn)


@st.composite
def day_fields(draw: st.DrawFn) -> tuple[str, str, OnDate]:
    """Day-of-month, day-of-week, and whether a date is one of theirs."""
    if draw(st.booleans()):
        text, matches = draw(fields(1, 31))
        return text, "?", lambda day: matches(day.day)
    if draw(st.booleans()):
        text, matches = draw(fields(1, 7))
        return "?", text, lambda day: matches(day.isoweekday() % 7 + 1)
    number, nth = draw(st.integers(1, 31)), draw(st.integers(1, 5))
    name = draw(st.sampled_from(WEEKDAYS))
    found: tuple[str, str, OnDate] = draw(
        st.sampled_from(
            [
                ("L", "?", lambda day: day.day == last_of(day)),
                ("LW", "?", lambda day: day == max(weekdays_of(day))),
                (f"{number}W", "?", lambda day: number <= last_of(day) and day == nearest(day, number)),
                ("?", "L", lambda day: day.weekday() == 5),
                ("?", f"{name}L", lambda day: named(day, name) and day.day > last_of(day) - 7),
                ("?", f"{name}#{nth}", lambda day: named(day, name) and (day.day + 6) // 7 == nth),
            ]
        )
    )
    return found


def last_of(day: date) -> int:
    return calendar.monthrange(day.year, day.month)[1]


def named(day: date, name: str) -> bool:
    return WEEKDAYS[day.weekday()] == name


def weekdays_of(day: date) -> list[date]:
    days = [day.replace(day=number) for number in range(1, last_of(day) + 1)]
    return [each for each in days if each.weekday() < 5]


def nearest(day: date, number: int) -> date:
    """The nearest weekday of the month: there never are two as near, since weekends have two days."""
    return min(weekdays_of(day), key=lambda each: abs(each.day - number))


@st.composite
def moments(draw: st.DrawFn) -> tuple[str, int]:
    """A zone and an instant, often near a change of its clocks."""
    name = draw(st.sampled_from(ZONES))
    around = draw(st.sampled_from([*CHANGES.get(name, []), "2028-02-28 12:00", "2026-12-31 00:00"]))
    return name, instant(around) + draw(st.integers(-2 * DAY, 2 * HOUR))


def minute_by_minute(first: int, last: int, name: str, due: Callable[[datetime], bool]) -> Iterator[int]:
    """The whole minutes after `first`, up to `last`, whose wall is due and is shown for the first time."""
    for each in range(first - first % MINUTE + MINUTE, last + 1, MINUTE):
        wall = datetime.fromtimestamp(each // SECOND, zone(name))
        if wall.fold == 0 and due(wall):
            yield each


@settings(deadline=None)
@given(
    moment=moments(),
    minutes=fields(0, 59),
    hours=st.just(EVERY) | fields(0, 23),
    days=st.just(EVERY_DAY) | day_fields(),
    months=st.just(EVERY) | fields(1, 12),
)
@example(("America/New_York", instant("2026-11-01 05:15")), EVERY, EVERY, EVERY_DAY, EVERY)
def test_a_cron_is_due_when_walking_minute_by_minute_says_so(
    moment: tuple[str, int],
    minutes: tuple[str, Matches],
    hours: tuple[str, Matches],
    days: tuple[str, str, OnDate],
    months: tuple[str, Matches],
) -> None:
    (name, start), (of_month, of_week, on) = moment, days
    try:
        due = plan(
            f"cron({minutes[0]} {hours[0]} {of_month} {months[0]} {of_week} *)",
            zone=zone(name),
            start=start + 1,
            end=start + 2 * DAY + 12 * HOUR,
        )
    except InvalidSchedule as error:
        assert "no date" in error.reason  # noqa: PT017 - such as the 30th of February, which the other test checks
        return

    walked = minute_by_minute(
        start,
        start + 2 * DAY + 12 * HOUR,
        name,
        lambda wall: minutes[1](wall.minute) and hours[1](wall.hour) and months[1](wall.month) and on(wall.date()),
    )

    assert list(due.occurrences(start)) == list(walked)


@settings(deadline=None)
@given(
    days=day_fields(),
    months=fields(1, 12),
    years=fields(1970, 2199, wraps=False),
    start=st.dates(date(1970, 1, 1), date(2199, 12, 31)),
)
def test_a_date_is_due_when_walking_day_by_day_says_so(
    days: tuple[str, str, OnDate], months: tuple[str, Matches], years: tuple[str, Matches], start: date
) -> None:
    of_month, of_week, on = days
    walk = [
        day
        for day in (start + timedelta(days=passed) for passed in range(800))
        if day.year < 2200 and years[1](day.year) and months[1](day.month) and on(day)
    ]
    try:
        due = cron(f"0 0 {of_month} {months[0]} {of_week} {years[0]}")
    except InvalidSchedule:
        assert walk == []
        return

    found: list[date] = []
    day = due.date_from(start)
    while day is not None and day < start + timedelta(days=800):
        found.append(day)
        day = due.date_from(day + timedelta(days=1))

    assert found == walk


@given(moments(), st.integers(1, 2_000), st.integers(0, 3 * DAY))
def test_a_rate_is_due_at_whole_periods_from_its_start(moment: tuple[str, int], count: int, passed: int) -> None:
    name, start = moment
    due = plan(f"rate({count} {'minute' if count == 1 else 'minutes'})", zone=zone(name), start=start)

    found = due.next_after(start + passed)

    assert found is not None
    assert (found - start) % (count * MINUTE) == 0
    assert 0 < found - (start + passed) <= count * MINUTE


# -- a year ----------------------------------------------------------------------------------------------------------


def year(expression: str, name: str = "UTC") -> Plan:
    """A plan of the year 2026, which has 105,120 times five minutes."""
    end = instant("2027-01-01 00:00", name) - 1
    return plan(expression, zone=zone(name), start=instant("2026-01-01 00:00", name), end=end)


@pytest.mark.parametrize(
    ("expression", "name", "count"),
    [
        ("rate(5 minutes)", "UTC", 105_120),
        ("rate(5 minutes)", "Europe/Berlin", 105_120),
        ("cron(*/5 * * * ? *)", "Europe/Berlin", 105_120 - 12),  # the hour shown twice counts once
    ],
)
def test_a_year_of_five_minutes_is_walked_through(expression: str, name: str, count: int) -> None:
    assert sum(1 for _ in year(expression, name).occurrences(0)) == count


def test_the_next_date_is_found_by_months_and_not_by_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    looked = 0
    days_in = sys.modules["decouple.core.cron"].days_in  # type: ignore[attr-defined]

    def counted(*arguments: Any) -> Any:
        nonlocal looked
        looked += 1
        return days_in(*arguments)

    due = cron("0 0 29 2 ? *")
    monkeypatch.setattr("decouple.core.cron.days_in", counted)

    assert due.next_after(instant("2096-03-01 00:00"), UTC) == instant("2104-02-29 00:00")
    assert looked == 8
