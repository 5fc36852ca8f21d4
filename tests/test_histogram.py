"""Histogram: percentiles in constant memory, close to those of the sorted list."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as some

from decouple.core.histogram import Histogram

VALUES = some.lists(some.integers(0, 900 * 10**9) | some.integers(0, 200), min_size=1, max_size=200)
SHARES = some.sampled_from([0.0, 0.01, 0.25, 0.5, 0.9, 0.99, 0.999, 1.0])


@given(VALUES, SHARES)
def test_a_percentile_is_that_of_the_sorted_list_or_up_to_a_thirtysecond_more(values: list[int], share: float) -> None:
    histogram = Histogram()
    for value in values:
        histogram.add(value)
    exact = sorted(values)[max(1, math.ceil(round(len(values) * share, 6))) - 1]

    told = histogram.percentile(share)

    assert told is not None
    assert exact <= told <= exact + exact // 32
    assert told <= max(values)


@given(some.lists(some.integers(0, 63), min_size=1), SHARES)
def test_small_numbers_are_exact(values: list[int], share: float) -> None:
    histogram = Histogram()
    for value in values:
        histogram.add(value)

    assert histogram.percentile(share) in values


@given(VALUES)
def test_the_order_of_adding_does_not_matter_and_percentiles_rise_with_their_share(values: list[int]) -> None:
    forth, back = Histogram(), Histogram()
    for value in values:
        forth.add(value)
    for value in reversed(values):
        back.add(value)
    shares = [number / 20 for number in range(21)]

    told = [forth.percentile(share) for share in shares]

    assert told == sorted(told, key=lambda one: one or 0)
    assert told == [back.percentile(share) for share in shares]
    assert (forth.percentile(1.0), forth.count) == (max(values), len(values))


def test_without_values_there_is_no_percentile() -> None:
    assert Histogram().percentile(0.5) is None


def test_a_million_durations_from_a_microsecond_to_an_hour_take_under_1200_counters() -> None:
    histogram = Histogram()
    value = 1_000.0
    while value < 3_600e9:
        histogram.add(int(value))
        value *= 1.001

    assert len(histogram._counts) < 1_200


@pytest.mark.parametrize("value", [0, 1, 63, 64, 65, 2**40 - 1, 2**40, 2**62])
def test_one_value_is_every_percentile(value: int) -> None:
    histogram = Histogram()
    histogram.add(value)

    assert [histogram.percentile(share) for share in (0.0, 0.5, 1.0)] == [value] * 3
