"""What loads are made of: arrivals, service times and failures, each drawn from a stream that follows from the seed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from itertools import islice, pairwise, takewhile
from pathlib import Path
from random import Random
from statistics import fmean, median, quantiles
from typing import Any

import pytest

from decouple.testing import load


def instants(arrivals: load.Arrivals, until: float, seed: int = 0) -> list[float]:
    """Seconds, before `until`."""
    return list(takewhile(lambda at: at < until, (at / 1e9 for at, _ in arrivals.instants(seed))))


def drawn(service: load.Service, count: int = 20_000) -> list[float]:
    chance = Random(1)
    return [service.draw(chance) for _ in range(count)]


# -- arrivals ----------------------------------------------------------------------------------------------------------


def test_poisson_arrivals_are_independent_of_each_other() -> None:
    at = instants(load.poisson(5), 4_000)

    gaps = [after - before for before, after in pairwise(at)]
    assert fmean(gaps) == pytest.approx(0.2, rel=0.03)
    assert fmean(gap**2 for gap in gaps) == pytest.approx(2 * 0.2**2, rel=0.06)
    assert at == instants(load.poisson(5), 4_000) != instants(load.poisson(5), 4_000, seed=1)


def test_even_arrivals_begin_at_once() -> None:
    assert instants(load.every(0.5), 2) == [0, 0.5, 1, 1.5]


def test_a_spike_is_another_rate_for_a_while() -> None:
    at = instants(load.spike(2, 40, at=1_000, lasts=100), 3_000)

    assert sum(one < 1_000 for one in at) == pytest.approx(2_000, rel=0.1)
    assert sum(1_000 <= one < 1_100 for one in at) == pytest.approx(4_000, rel=0.1)
    assert sum(one >= 1_100 for one in at) == pytest.approx(3_800, rel=0.1)
    assert at == sorted(at)


def test_a_spike_out_of_nothing_ends() -> None:
    at = [one / 1e9 for one, _ in load.spike(0, 40, at=10, lasts=5).instants(0)]

    assert 10 <= min(at) < max(at) < 15
    assert len(at) == pytest.approx(200, rel=0.3)


def test_a_day_has_fewest_messages_at_its_start_and_most_at_noon() -> None:
    arrivals = load.diurnal(10, 0.8, period=1_000)

    at = [one % 1_000 for one in instants(arrivals, 20_000)]

    assert len(at) == pytest.approx(200_000, rel=0.03)
    by_tenth = Counter(int(one // 100) for one in at)
    assert by_tenth[0] == pytest.approx(20_000 * 0.25, rel=0.1)
    assert by_tenth[5] == pytest.approx(20_000 * 1.75, rel=0.1)


def test_the_sum_of_two_is_both_in_order() -> None:
    both = load.every(3, groups={"a": 1}) + load.every(2, groups={"b": 1})

    assert [(at // 10**9, group) for at, group in islice(both.instants(0), 5)] == [
        (0, "a"), (0, "b"), (2, "b"), (3, "a"), (4, "b"),
    ]  # fmt: skip
    assert str(both) == "one each 3 s + one each 2 s"


def test_groups_come_by_their_weights() -> None:
    count = Counter(group for _, group in islice(load.poisson(1, groups={"big": 9, "small": 1}).instants(0), 10_000))

    assert count["small"] == pytest.approx(1_000, rel=0.15)
    assert {group for _, group in islice(load.every(1, groups=3).instants(0), 100)} == {"g1", "g2", "g3"}


NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "source",
    [
        [5, 5, 6.5],
        (one for one in (5.0, 5.0, 6.5)),
        [NOON, NOON, NOON.replace(second=1, microsecond=500_000)],
        ["2026-01-01T12:00:00Z", "2026-01-01T13:00:00+01:00", "2026-01-01T12:00:01.5Z"],
    ],
)
def test_a_trace_counts_from_its_first_instant(source: Iterable[Any]) -> None:
    arrivals = load.trace(source)

    assert instants(arrivals, 100) == [0, 0, 1.5]
    assert arrivals.ends == 1.5


def test_a_trace_may_be_a_file_with_a_number_a_line(tmp_path: Path) -> None:
    file = tmp_path / "trace.txt"
    file.write_text("# from the log\n\n10\n 11.5 \n12\n", encoding="utf-8")

    assert instants(load.trace(file), 100) == instants(load.trace(str(file)), 100) == [0, 1.5, 2]


def test_a_trace_may_tell_the_times_between_messages() -> None:
    assert instants(load.trace([1, 0, 2.5], gaps=True), 100) == [0, 1, 1, 3.5]


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ("1\n2\nthree\n", "line 3 of '.*': 'three' is neither a number of seconds nor a date and time"),
        ("# a\n\n2\n1\n", "line 4 of '.*': '1' is before the one before it; gaps=True is for times between messages"),
        ("1\nnan\n", "line 2 of '.*': an instant must be"),
        ("1\n2026-01-01\n", "line 2 of '.*': '2026-01-01' is of another kind than those before it"),
        ("2026-01-01T00:00\n2026-01-02T00:00Z\n", "line 2 of '.*': can't compare"),
        ("# nothing\n", "there is nothing in '.*': a number a line is wanted"),
    ],
)
def test_a_bad_line_of_a_trace_is_named(tmp_path: Path, lines: str, sentence: str) -> None:
    file = tmp_path / "trace.txt"
    file.write_text(lines, encoding="utf-8")

    with pytest.raises(ValueError, match=sentence):
        load.trace(file)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: load.poisson(0), "rate must be over 0 and at most 1,000,000, not 0"),
        (lambda: load.poisson(-1), "rate must be over 0"),
        (lambda: load.poisson(float("nan")), "rate must be over 0"),
        (lambda: load.every(0), "seconds must be at least 1e-06 seconds, not 0"),
        (lambda: load.spike(1, 0, at=1, lasts=1), "peak must be over 0"),
        (lambda: load.spike(1, 2, at=1, lasts=0), "lasts must be over 0 seconds"),
        (lambda: load.spike(1, 2, at=-1, lasts=1), "at must be at least 0 seconds"),
        (lambda: load.diurnal(1, 1.5), "swing must be at least 0 and at most 1, not 1.5"),
        (lambda: load.trace([]), "there is nothing in the list"),
        (lambda: load.trace([1, -1], gaps=True), "number 2 of the list: a gap must be at least 0"),
        (lambda: load.poisson(1, groups={}), "groups must name at least one group"),
        (lambda: load.poisson(1, groups={"a": 0}), "the weight of group 'a' must be over 0, not 0"),
        (lambda: load.poisson(1, groups=0), "groups must be from 1 to 1,000,000, not 0"),
        (lambda: load.exponential(0), "mean must be over 0 seconds, not 0"),
        (lambda: load.lognormal(1, 9), "sigma must be at least 0 and at most 5, not 9"),
        (lambda: load.uniform(2, 1), "most must be at least 2 seconds, which is `least`, not 1"),
        (lambda: load.fixed(-1), "service must be at least 0 seconds, not -1"),
        (lambda: load.samples([1, -1]), "number 2 of the list: a time must be at least 0"),
        (lambda: load.samples([]), "there is nothing in the list"),
    ],
)
def test_what_makes_no_sense_is_refused(make: Callable[[], object], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        make()


# -- service -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "service",
    [load.exponential(2), load.fixed(2), load.lognormal(1, 0.8), load.uniform(1, 3), load.samples([1, 1, 4])],
    ids=str,
)
def test_services_take_as_long_on_average_as_they_say(service: load.Service) -> None:
    assert fmean(drawn(service)) == pytest.approx(service.mean, rel=0.03)


def test_half_of_a_lognormal_service_is_under_its_median_and_one_percent_over_ten() -> None:
    times = drawn(load.lognormal(0.5, 1))

    assert median(times) == pytest.approx(0.5, rel=0.03)
    assert quantiles(times, n=100)[-1] == pytest.approx(5, rel=0.15)


def test_samples_are_those_that_were_measured(tmp_path: Path) -> None:
    file = tmp_path / "times.txt"
    file.write_text("0.1\n0.2\n# slow\n3\n", encoding="utf-8")

    assert set(drawn(load.samples(file), 100)) == {0.1, 0.2, 3}
