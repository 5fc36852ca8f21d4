"""Retry schedules: SNS's phases with their limits and defaults, exponential delays with jitter, and giving up."""

from __future__ import annotations

import random
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decouple.core.backoff import (
    AWS_MANAGED,
    CUSTOMER_MANAGED,
    FUNCTIONS,
    HTTP,
    JITTERS,
    Exponential,
    Phases,
    Schedule,
    delivery_policy,
    exponential,
    until,
)

SECOND = 10**9
DAY = 86_400 * SECOND


def delays(schedule: Schedule, *, seed: int = 0, most: int = 200_000) -> list[float]:
    """The seconds before each retry, until the schedule gives up."""
    chance = random.Random(seed)
    waited: list[float] = []
    age = previous = 0
    for failures in range(1, most + 1):
        delay = schedule.after(failures, age=age, previous=previous, chance=chance)
        if delay is None:
            break
        age, previous = age + delay, delay
        waited.append(delay / SECOND)
    return waited


# -- SNS's phases ----------------------------------------------------------------------------------------------------


def test_an_endpoint_without_a_policy_is_retried_three_times_twenty_seconds_apart() -> None:
    """SNS developer guide, "Message delivery retries": the default policy of HTTP/S."""
    assert delays(HTTP) == [20, 20, 20]
    assert delivery_policy({}) == HTTP


def test_queues_and_functions_are_retried_for_23_days() -> None:
    """SNS developer guide, same page: 3 at once, 2 after 1 s, 10 from 1 to 20 s, then 100,000 every 20 s."""
    waited = delays(AWS_MANAGED)

    assert (len(waited), AWS_MANAGED.retries) == (100_015, 100_015)
    assert waited[:5] == [0, 0, 0, 1, 1]
    assert (waited[5], waited[14], set(waited[15:])) == (1, 20, {20})
    assert AWS_MANAGED.total // DAY == 23


def test_mail_and_text_messages_are_retried_for_over_six_hours() -> None:
    """SNS developer guide, same page: 2 after 10 s, 10 from 10 to 600 s, then 38 every 600 s."""
    waited = delays(CUSTOMER_MANAGED)

    assert (len(waited), waited[:3], waited[11], set(waited[12:])) == (50, [10, 10, 10], 600, {600})
    assert 6 * 3600 < sum(waited) < 9 * 3600


def test_the_phases_come_in_order() -> None:
    policy = {
        "numRetries": 10, "numNoDelayRetries": 2, "numMinDelayRetries": 2, "numMaxDelayRetries": 3,
        "minDelayTarget": 5, "maxDelayTarget": 25,
    }  # fmt: skip

    assert delays(delivery_policy(policy)) == [0, 0, 5, 5, 5, 15, 25, 25, 25, 25]


@pytest.mark.parametrize(
    ("function", "seconds"),
    [
        ("linear", [1, 2, 3, 4, 5]),
        ("arithmetic", [1, 1.4, 2.2, 3.4, 5]),
        ("geometric", [1, 1 + 4 / 15, 1.8, 1 + 28 / 15, 5]),
        ("exponential", [1, 5**0.25, 5**0.5, 5**0.75, 5]),
    ],
)
def test_each_backoff_function_grows_in_its_own_way(function: str, seconds: list[float]) -> None:
    policy = {"numRetries": 5, "minDelayTarget": 1, "maxDelayTarget": 5, "backoffFunction": function}

    assert delays(delivery_policy(policy)) == pytest.approx(seconds)


@given(st.integers(1, 100), st.integers(1, 3_600), st.integers(0, 3_600), st.sampled_from(FUNCTIONS))
def test_a_backoff_begins_at_the_shortest_never_falls_and_ends_at_the_longest(
    retries: int, shortest: int, more: int, function: str
) -> None:
    phases = Phases(0, 0, retries, 0, shortest * SECOND, (shortest + more) * SECOND, function)

    waited = delays(phases)

    assert (len(waited), waited[0]) == (retries, shortest)
    assert waited == sorted(waited)
    if retries > 1:
        assert waited[-1] == shortest + more
    assert phases.total == sum(round(one * SECOND) for one in waited)


@given(st.integers(3, 100), st.integers(1, 3_600), st.integers(1, 3_600))
def test_a_linear_backoff_has_equal_steps(retries: int, shortest: int, more: int) -> None:
    waited = delays(Phases(0, 0, retries, 0, shortest * SECOND, (shortest + more) * SECOND))

    steps = [second - first for first, second in pairwise(waited)]
    assert max(steps) - min(steps) < 1e-6


def test_a_missing_field_and_one_that_is_none_have_the_default() -> None:
    assert delivery_policy({"numRetries": None, "minDelayTarget": 10}) == Phases(0, 0, 3, 0, 10 * SECOND, 20 * SECOND)


@pytest.mark.parametrize(
    ("policy", "error", "sentence"),
    [
        ({"minDelayTarget": 0}, ValueError, "minDelayTarget must be 1 to 3600, not 0"),
        ({"maxDelayTarget": 3601}, ValueError, "maxDelayTarget must be 1 to 3600, not 3601"),
        ({"minDelayTarget": 30}, ValueError, "maxDelayTarget must be at least minDelayTarget, 30 s, not 20 s"),
        ({"numRetries": 101}, ValueError, "numRetries must be 0 to 100, not 101"),
        ({"numRetries": -1}, ValueError, "numRetries must be 0 to 100, not -1"),
        ({"numNoDelayRetries": -1}, ValueError, "numNoDelayRetries must be 0 to 100, not -1"),
        ({"numMinDelayRetries": 2.0}, TypeError, "numMinDelayRetries must be a whole number, not 2.0"),
        ({"numRetries": True}, TypeError, "numRetries must be a whole number, not True"),
        (
            {"numNoDelayRetries": 2, "numMaxDelayRetries": 2},
            ValueError,
            "numRetries counts all phases, so it must be at least 4, not 3",
        ),
        ({"backoffFunction": "cubic"}, ValueError, "backoffFunction must be one of linear, arithmetic, geometric, "),
        ({"numberOfRetries": 3}, ValueError, "a retry policy has no 'numberOfRetries': there are minDelayTarget, "),
        ({"numRetries": 100, "maxDelayTarget": 60}, ValueError, "may take 3600 s in all, not 4000 s: retry less"),
        (["numRetries"], TypeError, "a retry policy must be a mapping"),
    ],
)
def test_a_policy_over_a_limit_is_refused(policy: Mapping[str, Any], error: type[Exception], sentence: str) -> None:
    """SNS developer guide, "Message delivery retries": delays to 3,600 s, 100 retries, 3,600 s in all."""
    with pytest.raises(error) as raised:
        delivery_policy(policy)

    assert sentence in str(raised.value)


def test_a_policy_may_take_exactly_an_hour() -> None:
    assert delivery_policy({"numRetries": 60, "minDelayTarget": 60, "maxDelayTarget": 60}).total == 3_600 * SECOND


# -- exponential -----------------------------------------------------------------------------------------------------


def test_plain_exponential_doubles_up_to_its_cap() -> None:
    schedule = exponential(0.5, 10, jitter="none")

    assert delays(schedule, most=7) == [0.5, 1, 2, 4, 8, 10, 10]
    assert schedule.after(1_000_000) == 10 * SECOND


@given(st.integers(0, 1_000), st.sampled_from(JITTERS))
def test_jitter_stays_within_its_bounds(seed: int, jitter: str) -> None:
    """AWS Architecture Blog, "Exponential Backoff and Jitter"."""
    whole = delays(exponential(1, 60, jitter="none"), most=12)

    waited = delays(exponential(1, 60, jitter=jitter), seed=seed, most=12)

    for number, (delay, most) in enumerate(zip(waited, whole, strict=True)):
        previous = waited[number - 1] if number else 1
        least, most = {
            "none": (most, most),
            "full": (0, most),
            "equal": (most / 2, most),
            "decorrelated": (1, min(60, 3 * previous + 1e-9)),
        }[jitter]
        assert least <= delay <= most


@pytest.mark.parametrize(("jitter", "mean"), [("full", 32), ("equal", 48), ("decorrelated", 20)])
def test_jitter_spreads_evenly_over_its_bounds(jitter: str, mean: float) -> None:
    """After seven failures with base 1 and cap 64; decorrelated after a delay of 13: from 1 to 39."""
    schedule, chance = exponential(1, 64, jitter=jitter), random.Random(7)

    found = [schedule.after(7, previous=13 * SECOND, chance=chance) or 0 for _ in range(4_000)]

    assert sum(found) / len(found) / SECOND == pytest.approx(mean, rel=0.03)


def test_the_same_seed_gives_the_same_delays_and_another_others() -> None:
    schedule = exponential(1, 60)

    assert delays(schedule, seed=3, most=20) == delays(schedule, seed=3, most=20)
    assert delays(schedule, seed=3, most=20) != delays(schedule, seed=4, most=20)


def test_jitter_without_chance_is_an_error() -> None:
    with pytest.raises(TypeError, match=r"full jitter needs chance=, such as a random.Random\(seed\)"):
        Exponential(SECOND, SECOND).after(1)


@pytest.mark.parametrize(
    ("arguments", "error", "sentence"),
    [
        ({"base": 0}, ValueError, "base must be over 0 seconds and at most cap, not 0 with cap 300"),
        ({"base": 2, "cap": 1}, ValueError, "base must be over 0 seconds and at most cap, not 2 with cap 1"),
        ({"base": -1}, ValueError, "base must be 0 seconds or more, not -1"),
        ({"cap": float("inf")}, ValueError, "cap must be 0 seconds or more, not inf"),
        ({"cap": float("nan")}, ValueError, "cap must be 0 seconds or more, not nan"),
        ({"base": "1"}, TypeError, "base must be seconds as int or float, not '1'"),
        ({"base": True}, TypeError, "base must be seconds as int or float, not True"),
        ({"jitter": "some"}, ValueError, "jitter must be one of none, full, equal, decorrelated, not 'some'"),
    ],
)
def test_a_schedule_that_makes_no_sense_is_refused(
    arguments: dict[str, Any], error: type[Exception], sentence: str
) -> None:
    with pytest.raises(error) as raised:
        exponential(**arguments)

    assert sentence in str(raised.value)


# -- giving up -------------------------------------------------------------------------------------------------------


def test_max_attempts_counts_the_first_one() -> None:
    assert delays(until(exponential(jitter="none"), max_attempts=3)) == [1, 2]
    assert delays(until(exponential(jitter="none"), max_attempts=1)) == []


def test_no_attempt_is_later_than_max_age() -> None:
    assert delays(until(exponential(jitter="none"), max_age=7)) == [1, 2, 4]
    assert delays(until(exponential(jitter="none"), max_age=6.999)) == [1, 2]
    assert delays(until(exponential(jitter="none"), max_age=0)) == []


def test_an_end_shortens_phases_but_does_not_prolong_them() -> None:
    assert delays(until(HTTP, max_age=45)) == [20, 20]
    assert delays(until(HTTP, max_attempts=100)) == [20, 20, 20]


def test_jitter_goes_through_an_end() -> None:
    assert delays(until(exponential(1, 60), max_attempts=9), seed=5) == delays(exponential(1, 60), seed=5, most=8)


@pytest.mark.parametrize(
    ("end", "error", "sentence"),
    [
        ({"max_attempts": 0}, ValueError, "max_attempts must be 1 or more, not 0"),
        ({"max_attempts": 1.5}, TypeError, "max_attempts must be a whole number, not 1.5"),
        ({"max_age": -1}, ValueError, "max_age must be 0 seconds or more, not -1"),
    ],
)
def test_an_end_that_makes_no_sense_is_refused(end: dict[str, Any], error: type[Exception], sentence: str) -> None:
    with pytest.raises(error) as raised:
        until(HTTP, **end)

    assert sentence in str(raised.value)
