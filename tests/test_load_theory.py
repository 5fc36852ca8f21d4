"""Queueing theory: the engine under a load has the means that theory says.

A mean over one run of an affordable length is not good to 2 %: over 100,000 messages of M/M/1 at half its capacity its
standard error is 1.8 %, of M/M/3 2.3 %. So this is done in two steps, as in multilevel Monte Carlo. The recursions of
Lindley and of Kiefer and Wolfowitz say what each message must wait, and the engine makes it wait as long, to the nanosecond,
which is more than any mean could tell. Their mean is then that of theory, over a run as long as 2 % need, on the very
streams of arrivals and services that loads draw from.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from heapq import heapreplace
from itertools import islice
from random import Random
from statistics import fmean, stdev
from typing import NamedTuple

import pytest

from decouple.testing import load, simulate

SECOND = 1_000_000_000
BATCHES = 30


class System(NamedTuple):
    """A queue of theory: how many come a second, how long one takes, how many servers there are; enough: messages for 2 %."""

    name: str
    rate: float
    service: load.Service
    servers: int
    enough: int

    @property
    def waiting(self) -> float:
        """The mean time in queue. Sources: Erlang C; Pollaczek and Khinchine for fixed times."""
        offered = self.rate * self.service.mean
        use = offered / self.servers
        if self.name == "M/D/1":
            return use * self.service.mean / (2 * (1 - use))
        last = offered**self.servers / math.factorial(self.servers) / (1 - use)
        waits = last / (sum(offered**number / math.factorial(number) for number in range(self.servers)) + last)
        return waits * self.service.mean / (self.servers * (1 - use))


SYSTEMS = [
    System("M/M/1", 5, load.exponential(0.1), 1, 1_400_000),
    System("M/D/1", 5, load.fixed(0.1), 1, 800_000),
    System("M/M/3", 18, load.exponential(0.1), 3, 2_800_000),
]
each = pytest.mark.parametrize("system", SYSTEMS, ids=[system.name for system in SYSTEMS])


def waits_of(system: System, seed: int) -> Iterator[int]:
    """What the messages of a load with that seed must wait, in nanoseconds: each begins when the first server is free."""
    chance, draw = Random(f"service {seed}"), system.service.draw
    free = [0] * system.servers
    for at, _ in load.poisson(system.rate).instants(seed):
        begins = max(at, free[0])
        heapreplace(free, begins + round(draw(chance) * SECOND))
        yield begins - at


def engine(system: System, messages: int, seed: int) -> load.Load:
    return simulate.load(
        load.poisson(system.rate), system.service, lasts=messages / system.rate, consumers=system.servers, seed=seed,
        visibility_timeout=43_200,
    )  # fmt: skip


def assert_each_waits_as_it_must(system: System, one: load.Load, seed: int) -> None:
    found = [round(wait * SECOND) for wait in one.waits]

    assert found == list(islice(waits_of(system, seed), one.arrived))
    assert one.backlog_mean * one.lasted == pytest.approx(sum(found) / SECOND)  # Little's law, on this very run


@each
def test_every_message_waits_to_the_nanosecond_as_the_recursion_says(system: System) -> None:
    one = engine(system, 1_500, seed=1)

    assert one.handled == one.attempts == one.arrived > 1_300
    assert_each_waits_as_it_must(system, one, seed=1)


@pytest.mark.slow
@each
def test_the_mean_time_and_number_in_queue_are_those_of_theory_within_two_percent(system: System) -> None:
    assert_each_waits_as_it_must(system, engine(system, 20_000, seed=2), seed=2)

    stream, count = waits_of(system, seed=2), system.enough
    means = [fmean(islice(stream, count // BATCHES)) / SECOND for _ in range(BATCHES)]
    error = stdev(means) / math.sqrt(BATCHES) / system.waiting
    assert error < 0.008  # so 2 % are more than two standard errors
    assert fmean(means) == pytest.approx(system.waiting, rel=0.02)

    *_, (ended, _) = islice(load.poisson(system.rate).instants(2), count)
    number = fmean(means) * count / (ended / SECOND)
    assert number == pytest.approx(system.rate * system.waiting, rel=0.02)


def test_the_share_of_time_that_servers_work_is_the_load_offered_to_each() -> None:
    system = SYSTEMS[2]

    one = engine(system, 4_000, seed=3)

    assert one.busy == pytest.approx(0.6, rel=0.07)
    assert one.throughput == pytest.approx(system.rate, rel=0.07)
