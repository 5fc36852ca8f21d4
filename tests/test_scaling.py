"""AWS's law of how many batches of one queue are at work at a time."""

from __future__ import annotations

from decouple.core.scaling import STANDARD, Scaling, provisioned

SECOND = 1_000_000_000
MINUTE = 60 * SECOND


def test_a_mapping_starts_with_five_batches() -> None:
    scaling = Scaling()

    assert scaling.allowed(0) == 5
    assert scaling.allowed(10 * MINUTE) == 5


def test_under_load_it_grows_by_three_hundred_a_minute() -> None:
    scaling = Scaling()
    scaling.press(0)

    assert scaling.allowed(MINUTE // 300 - 1) == 5
    assert scaling.allowed(MINUTE // 300) == 6
    assert scaling.allowed(MINUTE) == 305
    assert scaling.allowed(2 * MINUTE) == 605


def test_it_ends_at_twelve_hundred_and_fifty() -> None:
    scaling = Scaling()
    scaling.press(0)

    assert scaling.allowed(100 * MINUTE) == 1_250
    assert scaling.reaches(100 * MINUTE, 1_251) is None


def test_it_keeps_its_level_while_there_is_room() -> None:
    scaling = Scaling()
    scaling.press(0)
    scaling.hold(MINUTE)

    assert scaling.allowed(5 * MINUTE) == 305


def test_while_the_queue_is_quiet_it_goes_back_to_five() -> None:
    scaling = Scaling()
    scaling.press(0)
    scaling.ease(MINUTE)

    assert scaling.allowed(MINUTE + MINUTE // 2) == 155
    assert scaling.allowed(10 * MINUTE) == 5


def test_errors_halve_it_and_those_within_ten_seconds_count_as_one() -> None:
    scaling = Scaling()
    scaling.press(0)
    scaling.hold(MINUTE)

    scaling.fail(MINUTE)
    scaling.fail(MINUTE + 9 * SECOND)
    assert scaling.allowed(MINUTE + 9 * SECOND) == 152

    scaling.fail(MINUTE + 10 * SECOND)
    assert scaling.allowed(MINUTE + 10 * SECOND) == 76


def test_errors_leave_one_and_a_quiet_queue_brings_it_back_to_five() -> None:
    scaling = Scaling()
    for number in range(10):
        scaling.fail(number * 10 * SECOND)
    assert scaling.allowed(100 * SECOND) == 1

    scaling.ease(100 * SECOND)
    assert scaling.allowed(100 * SECOND + MINUTE) == 5


def test_it_says_when_it_will_allow_one_more() -> None:
    scaling = Scaling()
    assert scaling.reaches(0, 6) is None
    assert scaling.reaches(0, 5) == 0

    scaling.press(0)
    at = scaling.reaches(0, 6)

    assert at == MINUTE // 300
    assert scaling.allowed(at - 1) == 5
    assert scaling.allowed(at) == 6


def test_provisioned_pollers_have_ten_batches_each_and_grow_by_a_thousand_a_minute() -> None:
    scaling = Scaling(provisioned(2, 200))
    assert scaling.allowed(0) == 20

    scaling.press(0)
    assert scaling.allowed(MINUTE) == 1_020
    assert scaling.allowed(10 * MINUTE) == 2_000


def test_the_standard_law_is_aws_s_of_2026() -> None:
    assert STANDARD == (5, 1_250, 300)
