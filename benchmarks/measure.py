"""How a number is taken: slices side by side, CPU time, medians of ratios, resident memory."""

import gc
import os
import statistics
import time
from collections.abc import Callable, Mapping

median = statistics.median
cpu = time.process_time_ns

Run = Callable[[int], object]
Clock = Callable[[], int]


def side_by_side(
    runs: Mapping[str, Run], *, slices: int, per: int = 1, target: float = 40e6, clock: Clock = cpu
) -> dict[str, list[float]]:
    """Nanoseconds a message of each run, slice by slice; slice i of one is next to slice i of every other.

    Of CPU, or by another clock: time.perf_counter_ns for what waits for a disk.
    """
    sizes = {name: calibrated(run, target, per, clock) for name, run in runs.items()}
    settle_memory()
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(slices):
        for name, run in runs.items():
            times[name].append(timed(run, sizes[name], clock) / sizes[name])
    return times


def timed(run: Run, count: int, clock: Clock = cpu) -> int:
    start = clock()
    run(count)
    return clock() - start


def calibrated(run: Run, target: float, per: int, clock: Clock = cpu) -> int:
    """How many messages, a multiple of `per`, take about `target` nanoseconds."""
    count = per * max(1, 100 // per)
    while (took := timed(run, count, clock)) < target / 8:
        count *= 4
    return max(per, int(count * target / took) // per * per)


def ratio(times: Mapping[str, list[float]], control: str, subject: str = "decouple") -> float:
    """The median over slices of subject / control."""
    return median(ours / theirs for ours, theirs in zip(times[subject], times[control], strict=True))


def settle_memory() -> None:
    """Collect, and keep what is there now out of later collections."""
    gc.collect()
    gc.freeze()


def resident() -> int:
    """Resident bytes of this process."""
    gc.collect()
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
