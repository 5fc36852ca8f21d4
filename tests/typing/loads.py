"""Checked by mypy --strict and a strict pyright, never run: loads and sweeps, and that `simulate` is still a function."""

from __future__ import annotations

from typing import assert_type

from decouple.resilience import exponential
from decouple.testing import Stopped, load, simulate


async def main() -> int:
    return 7


def a_program_gives_what_it_returns_and_a_stopped_one_may_not_have() -> None:
    assert_type(simulate(main, seed=3), int)
    assert_type(simulate(main, until=30), int | Stopped)
    simulate(main, sed=3)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]


def a_load_takes_one_value_for_each_setting() -> None:
    one = simulate.load(load.poisson(5), 0.1, lasts=60, consumers=2, retry=exponential(1, 300), failures=0.01)
    assert_type(one, load.Load)
    assert_type(one.total.p99, float)
    assert_type(one.waits[0], float)
    assert_type(one.busy, float | None)
    simulate.load(load.poisson(5), 0.1, lasts=60, consumer=2)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    simulate.load(load.poisson(5), 0.1, consumers="2")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def a_sweep_takes_lists() -> None:
    sweep = simulate.sweep(
        load.poisson(5), [0.1, load.fixed(1)], lasts=60, scaling="aws", batch_size=[1, 10], max_concurrency=[2, None]
    )
    assert_type(sweep, load.Sweep)
    assert_type([one.cost.total for one in sweep], list[float])
