"""simulate.load: the real queue and its workers under a load, and the figures of it; simulate.sweep: over settings."""

from __future__ import annotations

import asyncio
import json
import logging
import math
import os
import subprocess
import sys
import types
from pathlib import Path
from random import Random
from typing import Any

import pytest

from decouple import NotInstalled
from decouple.resilience import exponential as backoff
from decouple.testing import load, simulate

ROOT = Path(__file__).resolve().parent.parent
ONCE = load.trace([0.0])
SHORT: dict[str, Any] = {"lasts": 30, "consumers": 2}


def lengths_of(one: load.Load) -> list[float]:
    """How long each message was worked at."""
    return [round(total - wait, 9) for total, wait in zip(one.totals, one.waits, strict=True)]


def assert_all_are_accounted_for(one: load.Load) -> None:
    """Of consumers, which delete messages one by one."""
    assert one.arrived == one.requests.deletes + one.dead + one.expired + one.left


# -- what a queue makes of it ------------------------------------------------------------------------------------------


def test_messages_that_come_faster_than_they_are_handled_wait_for_each_other() -> None:
    one = simulate.load(load.trace([0, 0, 0, 10]), 2, consumers=1)

    assert list(one.waits) == [0, 2, 4, 0]
    assert list(one.totals) == [2, 4, 6, 2]
    assert (one.arrived, one.handled, one.attempts, one.duplicates, one.lasted) == (4, 4, 4, 0, 12)
    assert (one.backlog_peak, one.backlog_mean, one.peak) == (2, 6 / 12, 1)
    assert one.busy == pytest.approx(8 / 12)
    assert one.total == load.Latency(4, 3.5, 2, 6, 6, 6)


def test_a_message_whose_time_in_flight_ends_too_early_is_handled_again() -> None:
    """It comes again at 2 and at 4 s; at 5 s the first handler deletes it."""
    one = simulate.load(load.every(10), 5, lasts=30, consumers=3, visibility_timeout=2)

    assert (one.arrived, one.handled, one.attempts, one.duplicates) == (3, 3, 9, 6)
    assert list(one.totals) == [5, 5, 5]
    assert (one.requests.receives - one.requests.empty_receives, one.requests.deletes) == (9, 3)


def test_a_heartbeat_keeps_a_message_from_coming_again() -> None:
    one = simulate.load(load.every(10), 5, lasts=30, consumers=3, visibility_timeout=2, heartbeat=1)

    assert (one.attempts, one.duplicates) == (3, 0)
    assert one.requests.changes == 12


def test_a_delay_is_part_of_the_waiting() -> None:
    one = simulate.load(load.every(1), 0.5, lasts=5, consumers=2, delay=3)

    assert list(one.waits) == [3] * 5
    assert max(sample.delayed for sample in one.samples) == 3


def test_what_fails_at_every_attempt_is_dead_after_as_many_as_are_allowed() -> None:
    one = simulate.load(load.every(1), 0.1, lasts=10, consumers=1, max_receives=3, failures=1.0)

    assert (one.handled, one.dead, one.attempts, one.failed) == (0, 10, 30, 30)
    assert one.reasons == {"Failed": 10}
    assert math.isnan(one.total.p99)
    assert_all_are_accounted_for(one)


def test_some_messages_fail_always_and_some_attempts_by_chance() -> None:
    failures = (load.Failure(0.1, of="messages"), load.Failure(0.2))

    one = simulate.load(load.every(0.1), 0.01, lasts=100, consumers=1, max_receives=6, failures=failures)

    assert one.dead == pytest.approx(100, rel=0.3)
    assert one.failed - 6 * one.dead == pytest.approx(0.25 * one.handled, rel=0.2)
    assert_all_are_accounted_for(one)


def test_what_hangs_is_broken_off_by_the_timeout_and_given_back() -> None:
    one = simulate.load(
        ONCE,
        1,
        consumers=1,
        timeout=4,
        max_receives=2,
        failures=load.Failure(1, kind="time out"),
        retry=backoff(10, 10, jitter="none"),
    )

    assert (one.dead, one.failed, one.reasons) == (1, 2, {"TimeoutError": 1})
    assert one.lasted == 4 + 10 + 4


def test_a_retry_policy_says_when_a_message_comes_again() -> None:
    at_once = simulate.load(load.every(20), 1, lasts=100, consumers=1, failures=0.5)
    later = simulate.load(load.every(20), 1, lasts=100, consumers=1, failures=0.5, retry=backoff(4, 4, jitter="none"))

    again = [attempts for attempts in lengths_of(at_once) if attempts > 1]
    assert again
    assert [1 + (length - 1) * 5 for length in lengths_of(at_once)] == lengths_of(later)


def test_messages_older_than_the_retention_expire() -> None:
    one = simulate.load(load.every(1), 30, lasts=100, consumers=1, visibility_timeout=40, retention=60)

    assert one.expired > 50
    assert_all_are_accounted_for(one)


def test_what_is_not_gone_when_the_time_to_drain_is_over_is_left() -> None:
    one = simulate.load(load.every(1), 10, lasts=100, consumers=1, drain=55)

    assert (one.arrived, one.handled, one.lasted) == (100, 15, 155)
    assert one.left == 85
    assert_all_are_accounted_for(one)


def test_a_group_of_a_fifo_queue_is_handled_one_by_one_whatever_the_consumers() -> None:
    one = simulate.load(load.every(1, groups=1), 2, lasts=20, consumers=4, fifo=True)

    assert one.peak == 1
    assert list(one.waits) == [float(number) for number in range(20)]
    assert one.cost.requests == pytest.approx(one.requests.total * 0.50 / 1e6)


def test_a_quiet_tenant_does_not_wait_behind_a_noisy_one() -> None:
    arrivals = load.poisson(15, groups={"noisy": 1}) + load.every(10, groups={"quiet": 1})

    one = simulate.load(arrivals, 0.2, lasts=60, consumers=2)

    assert one.groups["noisy"].p50 > 5
    assert one.groups["quiet"].max < 1


def test_the_samples_tell_of_the_whole_time_in_even_steps() -> None:
    one = simulate.load(load.spike(1, 30, at=10, lasts=10), 0.2, lasts=40, consumers=2)

    at = [sample.at for sample in one.samples]
    assert at[0] == 0
    assert at[-1] >= one.lasted - 0.2
    assert 300 < len(at) <= 801
    assert max(sample.visible for sample in one.samples) == pytest.approx(one.backlog_peak, abs=8)
    assert one.oldest_peak == pytest.approx(one.waiting.max, rel=0.1)


# -- a function --------------------------------------------------------------------------------------------------------


def test_a_function_handles_the_messages_of_a_batch_one_after_the_other() -> None:
    one = simulate.load(load.trace([0] * 8), 1, scaling="aws", batch_size=4, batch_window=1, timeout=10, memory=1024)

    assert sorted(one.totals) == [1, 1, 2, 2, 3, 3, 4, 4]
    assert (one.runs, one.peak, one.cold_starts) == (2, 2, 2)
    assert one.gb_seconds == 8
    assert one.cost.compute == pytest.approx(8 * 0.0000166667)
    assert one.cost.invocations == pytest.approx(2 * 0.20 / 1e6)
    assert one.busy is None


def test_a_function_scales_as_aws_does_by_300_a_minute() -> None:
    one = simulate.load(
        load.trace([0] * 1_200), 30, scaling="aws", batch_size=1, timeout=60, visibility_timeout=360, memory=128
    )

    at_work = {sample.at: sample.at_work for sample in one.samples}
    assert one.peak > 305
    assert max(number for at, number in at_work.items() if at < 1) <= 10
    assert max(number for at, number in at_work.items() if at < 30) <= 5 + 150
    assert max(number for at, number in at_work.items() if 59 < at < 60) == pytest.approx(305, abs=5)


def test_a_run_that_hangs_ends_with_the_timeout_and_its_whole_batch_comes_again() -> None:
    failures = load.Failure(1, kind="time out")

    one = simulate.load(
        load.trace([0, 0]), 1, scaling="aws", batch_size=2, timeout=3, visibility_timeout=18, max_receives=2,
        failures=failures, memory=1024,
    )  # fmt: skip

    assert (one.dead, one.runs, one.gb_seconds) == (2, 4 if one.peak == 2 else 2, 3 * one.runs)


def test_of_a_batch_only_those_that_failed_come_again_unless_that_is_not_said() -> None:
    settings: dict[str, Any] = {"scaling": "aws", "timeout": 30, "visibility_timeout": 180, "failures": 0.1}

    partly = simulate.load(load.trace([0] * 200), 0.1, **settings)
    wholly = simulate.load(load.trace([0] * 200), 0.1, partial_failures=False, **settings)

    assert (partly.handled, partly.duplicates) == (200, 0)
    assert wholly.handled == 200
    assert wholly.duplicates > 40


# -- what it costs -----------------------------------------------------------------------------------------------------


def test_a_consumer_that_waits_pays_for_a_receive_each_20_seconds() -> None:
    """A message a minute, one second of work: 59 s of waiting each time, that is two receives in vain."""
    one = simulate.load(load.every(60), 1, lasts=600, consumers=1, prices=load.Prices(worker_hour=6))

    assert one.requests == load.Requests(sends=10, receives=10 + 20, empty_receives=20, deletes=10, changes=0)
    assert one.cost.requests == pytest.approx(50 * 0.40 / 1e6)
    assert one.cost.workers == pytest.approx(1.0)
    assert one.cost.total == pytest.approx(one.cost.requests + one.cost.workers)
    assert one.cost_per_million == pytest.approx(one.cost.total / 10 * 1e6)


def test_a_function_pays_for_five_pollers_that_are_always_there() -> None:
    one = simulate.load(load.every(100), 1, lasts=200, scaling="aws")

    assert (one.requests.receives, one.requests.deletes) == (2 + one.requests.empty_receives, 2)
    assert one.requests.empty_receives == pytest.approx(5 * 200 / 20, abs=5)


# -- one seed, one result ----------------------------------------------------------------------------------------------

PROGRAM = """
import hashlib
from decouple.testing import load, simulate
one = simulate.load(load.poisson(5, groups=3), load.lognormal(0.3, 1), lasts=100, consumers=2, failures=0.1,
                    visibility_timeout=1, max_receives=4, seed=3)
print(hashlib.sha256(one.json().encode()).hexdigest())
"""


def test_one_seed_is_one_result_also_in_another_process() -> None:
    found = set()
    for hashes in ("1", "2"):
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": hashes}
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM], capture_output=True, text=True, env=environment, check=True
        )
        found.add(done.stdout)

    assert len(found) == 1


def test_another_seed_is_another_load() -> None:
    one, other = (simulate.load(load.poisson(5), load.exponential(0.1), seed=seed, **SHORT) for seed in (1, 2))

    assert list(one.waits) != list(other.waits)


def test_all_loads_of_a_sweep_have_the_same_messages() -> None:
    sweep = simulate.sweep(
        load.poisson(5), load.exponential(0.3), lasts=60, consumers=[1, 2, 4], visibility_timeout=[60, 90]
    )

    first, *others = map(lengths_of, sweep)
    assert all(lengths == first for lengths in others)
    assert len({tuple(one.waits) for one in sweep}) == 3


def test_failures_do_not_change_what_comes_and_how_long_it_takes() -> None:
    without = simulate.load(load.poisson(5), load.exponential(0.1), **SHORT)
    some = simulate.load(load.poisson(5), load.exponential(0.1), failures=0.2, **SHORT)

    pairs = list(zip(lengths_of(without), lengths_of(some), strict=True))
    assert sum(one == other for one, other in pairs) > 0.7 * len(pairs)


# -- sweeps ------------------------------------------------------------------------------------------------------------


def test_a_sweep_runs_each_combination_the_last_one_changing_fastest() -> None:
    sweep = simulate.sweep(load.every(1), [0.5, load.fixed(3)], lasts=20, consumers=[1, 2, 4])

    assert sweep.axes == {"service": ("0.5", "3 s each"), "consumers": ("1", "2", "4")}
    assert [one.settings["consumers"] for one in sweep] == [1, 2, 4] * 2
    assert [row[:2] for row in sweep.rows][:4] == [("0.5", "1"), ("0.5", "2"), ("0.5", "4"), ("3 s each", "1")]
    assert [one.total.max for one in sweep.loads[:3]] == [0.5] * 3
    assert len(sweep) == 6


def test_the_table_of_a_sweep_leaves_out_what_never_happened() -> None:
    sweep = simulate.sweep(load.every(1), 0.5, lasts=20, consumers=[1, 2])

    lines = str(sweep).splitlines()
    assert lines[0] == "arrivals (one each 1 s), service (500 ms each), lasts 20"
    assert lines[2].split("  ")[0] == "consumers"
    assert "dead" not in lines[2]
    assert "total p99" in lines[2]
    assert len(lines) == 5


def test_a_sweep_as_json_has_all_loads() -> None:
    document = json.loads(simulate.sweep(load.every(1), 0.5, lasts=5, consumers=[1, 2]).json())

    assert document["axes"] == {"consumers": ["1", "2"]}
    assert [one["settings"]["consumers"] for one in document["loads"]] == [1, 2]
    assert "samples" not in document["loads"][0]


# -- how it shows itself -----------------------------------------------------------------------------------------------


def test_a_load_prints_as_a_table() -> None:
    one = simulate.load(load.every(1), 0.1, lasts=10, consumers=1, max_receives=2, failures=1.0)

    lines = str(one).splitlines()
    assert (
        lines[0]
        == "arrivals (one each 1 s), service (100 ms each), lasts 10, consumers 1, max_receives 2, failures (1.0)"
    )
    assert lines[2] == "messages  10 in 10 s: 0 handled, 10 dead; 0/s"
    assert "attempts  20, of which 20 failed and 0 were duplicates" in lines
    assert "dead      10 by Failed" in lines
    assert "total     p50 -, p90 -, p99 -, max -, mean -" in lines


def test_json_has_no_nan() -> None:
    one = simulate.load(load.every(1), 0.1, lasts=3, consumers=1, max_receives=1, failures=1.0)

    document = json.loads(one.json(), parse_constant=lambda word: pytest.fail(word))

    assert document["total"] == {"messages": 0, "mean": None, "p50": None, "p90": None, "p99": None, "max": None}
    assert document["requests"]["sends"] == 3
    assert document["samples"][0]["at"] == 0


def test_a_notebook_shows_table_and_picture() -> None:
    pytest.importorskip("matplotlib")
    one = simulate.load(load.every(1, groups={"<b>": 1}), 0.1, lasts=10, consumers=1)

    assert "<td>messages</td>" in one._repr_html_()
    assert "&lt;b&gt;" in one._repr_html_()
    assert "<svg" in one._repr_html_()
    assert one._repr_svg_() == one.svg() == one.svg()


@pytest.mark.parametrize("settings", [{"consumers": [1, 2]}, {"consumers": [1, 2], "visibility_timeout": [5, 9]}])
def test_a_sweep_draws_lines_or_a_grid(settings: dict[str, Any]) -> None:
    pytest.importorskip("matplotlib")
    sweep = simulate.sweep(load.every(1), 1.5, lasts=10, **settings)

    assert sweep.svg("total p99", "cost").count("<!-- cost -->") == 1
    assert "consumers" in sweep.svg()
    assert "<th>" in sweep._repr_html_()
    with pytest.raises(ValueError, match="'p99' is not a measure of a sweep; there are handled, dead, "):
        sweep.svg("p99")


def test_a_picture_is_saved_as_its_name_ends(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    one = simulate.load(ONCE, 1, consumers=1)

    one.save(tmp_path / "one.svg")
    one.save(str(tmp_path / "one.png"))

    assert (tmp_path / "one.svg").read_text(encoding="utf-8").startswith("<?xml")
    assert (tmp_path / "one.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(ValueError, match=r"path must end in \.svg, \.png or \.pdf, not 'one\.gif'"):
        one.save("one.gif")


def test_without_matplotlib_there_is_a_table_and_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    one = simulate.load(ONCE, 1, consumers=1)

    with pytest.raises(
        NotInstalled, match=r"matplotlib, which is not installed: pip install 'decouple-messaging\[plot\]'"
    ):
        one.svg()
    assert "<svg" not in one._repr_html_()
    assert one._repr_svg_() is None


def test_even_nothing_can_be_shown() -> None:
    one = simulate.load(load.poisson(0.001), 1, lasts=1, consumers=1)

    assert (one.arrived, one.handled, one.lasted, one.throughput, one.cost_per_million) == (0, 0, 1, 0, 0)
    assert "0 in 1 s: 0 handled; 0/s" in str(one)
    if one._repr_svg_() is not None:
        assert "<svg" in one.svg()


# -- progress and interrupts -------------------------------------------------------------------------------------------


class Bar:
    """What tqdm would show."""

    made: list[Bar]

    def __init__(self, total: float, **more: object) -> None:
        self.total, self.more, self.n = total, more, 0.0
        self.closed = False
        Bar.made.append(self)

    def update(self, more: float) -> None:
        self.n += more

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *_: object) -> None:
        self.closed = True


@pytest.fixture
def bars(monkeypatch: pytest.MonkeyPatch) -> list[Bar]:
    fake: Any = types.ModuleType("tqdm")
    fake.tqdm = Bar
    monkeypatch.setitem(sys.modules, "tqdm", fake)
    fake.__spec__ = object()
    Bar.made = []
    return Bar.made


def test_a_bar_comes_after_two_seconds_and_only_where_somebody_looks(
    bars: list[Bar], monkeypatch: pytest.MonkeyPatch
) -> None:
    simulate.load(ONCE, 1, consumers=1)
    assert bars == []

    simulate.sweep(ONCE, 1, consumers=[1, 2], progress=True)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    simulate.load(ONCE, 1, consumers=1)
    simulate.load(ONCE, 1, consumers=1, progress=False)

    assert [(bar.total, bar.n, bar.more["delay"]) for bar in bars] == [(2, 2, 2), (1, 1, 2)]


def test_progress_without_tqdm_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tqdm", None)

    assert simulate.load(ONCE, 1, consumers=1).handled == 1
    with pytest.raises(NotInstalled, match=r"progress=True needs .* pip install 'decouple-messaging\[progress\]'"):
        simulate.load(ONCE, 1, consumers=1, progress=True)


def test_a_ctrl_c_ends_a_sweep_and_leaves_nothing_behind(bars: list[Bar]) -> None:
    drawn = 0

    def interrupted(chance: Random) -> float:
        nonlocal drawn
        drawn += 1
        if drawn == 150:
            raise KeyboardInterrupt
        return 0.1

    with pytest.raises(KeyboardInterrupt):
        simulate.sweep(
            load.every(1),
            load.Service("until a Ctrl-C", 0.1, interrupted),
            lasts=100,
            consumers=[1, 2, 3],
            progress=True,
        )

    assert drawn == 150
    assert 1 < bars[0].n < 2
    assert bars[0].closed
    assert logging.getLogger("decouple").filters == []
    assert simulate.load(ONCE, 1, consumers=1).handled == 1


def test_what_an_overloaded_queue_would_warn_of_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    one = simulate.load(
        load.every(1, groups=1), 3, lasts=5, consumers=2, fifo=True, visibility_timeout=1, max_receives=2
    )

    assert one.duplicates
    assert caplog.records == []


def test_it_runs_where_a_loop_runs_as_in_a_notebook_but_not_in_a_simulation() -> None:
    async def cell() -> load.Load:
        return simulate.load(ONCE, 1, consumers=1)

    assert asyncio.run(cell()).handled == 1
    with pytest.raises(RuntimeError, match="a simulation inside a simulation"):
        simulate(cell)


# -- at the door -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "error", "sentence"),
    [
        ({}, ValueError, "nobody works: give consumers=, or scaling='aws' or pollers="),
        ({"consumers": 1}, ValueError, "lasts must say for how many seconds messages come"),
        ({"consumers": 0, "lasts": 1}, ValueError, "consumers must be from 1 to 100,000, not 0"),
        ({"consumers": 1, "lasts": 0}, ValueError, "lasts must be at least 0.001 seconds, not 0"),
        ({"consumers": 1, "lasts": -1}, ValueError, "lasts must be at least 0.001 seconds, not -1"),
        ({"consumers": 1, "batch_size": 5}, ValueError, "consumers and batch_size exclude each other"),
        ({"consumers": 1, "scaling": "aws"}, ValueError, "consumers and scaling exclude each other"),
        ({"scaling": "aws", "retry": None}, ValueError, "retry is for consumers: a function's messages come again"),
        ({"scaling": "ours"}, ValueError, "scaling must be 'aws' or None, not 'ours'"),
        ({"consumer": 1}, TypeError, "'consumer' is not a setting of a load; there are lasts, drain, "),
        ({"consumers": [1, 2]}, TypeError, "consumers is a list: simulate.sweep runs a load for each value"),
        ({"consumers": 1, "max_receives": 0}, ValueError, "max_receives must be"),
        ({"consumers": 1, "visibility_timeout": -1}, ValueError, "visibility_timeout must be from 0 to 43,200 seconds"),
        ({"consumers": 1, "heartbeat": 60}, ValueError, "heartbeat must be over 0 s and under the visibility timeout"),
        ({"scaling": "aws", "timeout": 60}, ValueError, "a visibility timeout of 30 s, less than the timeout of"),
        ({"scaling": "aws", "batch_size": 100}, ValueError, "batch_window must be greater than 0"),
        ({"scaling": "aws", "memory": 64}, ValueError, "memory must be from 128 to 10,240, not 64"),
        ({"consumers": 1, "fifo": True}, ValueError, "fifo=True needs messages of groups"),
        (
            {"consumers": 1, "failures": 1.5},
            ValueError,
            "the rate of a failure must be at least 0 and at most 1, not 1.5",
        ),
        ({"consumers": 1, "failures": (0.1, 0.2)}, TypeError, "failures must be a share, a Failure"),
        ({"consumers": 1, "failures": load.Failure(0.1, kind="time out")}, ValueError, "need a timeout, in seconds"),
        ({"consumers": 1, "seed": 1.5}, TypeError, "seed must be an int, not 1.5"),
        ({"consumers": 1, "prices": 0.4}, TypeError, r"prices must be Prices\(...\), not 0.4"),
    ],
)
def test_a_wrong_setting_is_one_sentence(settings: dict[str, Any], error: type[Exception], sentence: str) -> None:
    if settings != {"consumers": 1}:
        settings = {"lasts": 10, **settings}

    with pytest.raises(error, match=sentence):
        simulate.load(load.poisson(1), 0.1, **settings)


def test_what_is_wrong_in_any_combination_of_a_sweep_is_said_before_the_first_runs() -> None:
    def never(chance: Random) -> float:
        raise AssertionError("it runs")

    service = load.Service("never", 1, never)
    with pytest.raises(ValueError, match="visibility_timeout must be"):
        simulate.sweep(load.every(1), service, lasts=10, consumers=[1, 2], visibility_timeout=[30, -1])
    with pytest.raises(ValueError, match="nothing is swept: give a list for at least one setting"):
        simulate.sweep(load.every(1), service, lasts=10, consumers=1)
    with pytest.raises(ValueError, match="consumers is an empty list"):
        simulate.sweep(load.every(1), service, lasts=10, consumers=[])


def test_arrivals_and_services_must_be_such() -> None:
    wrong: Any = 5
    with pytest.raises(TypeError, match="arrivals must be made by poisson, every, spike, diurnal or trace, not 5"):
        simulate.load(wrong, 0.1, lasts=1, consumers=1)
    with pytest.raises(ValueError, match="service must be at least 0 seconds, not -1"):
        simulate.load(ONCE, -1, consumers=1)
    with pytest.raises(ValueError, match="gb_second must be at least 0, not -1"):
        load.Prices(gb_second=-1)
    with pytest.raises(ValueError, match="kind must be 'raise' or 'time out', not 'crash'"):
        load.Failure(0.1, kind="crash")  # type: ignore[arg-type]
