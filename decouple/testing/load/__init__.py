"""Loads: what a queue, its settings and its workers make of the messages that come. The real engine, in simulated time.

    from decouple.testing import load, simulate

    result = simulate.load(load.poisson(5), load.exponential(0.15), lasts=3600, consumers=1)
    print(result)                                       # backlog, age, latencies, duplicates, dead letters, requests, cost

    sweep = simulate.sweep(
        load.spike(base=2, peak=40, at=60, lasts=30), load.lognormal(median=0.4, sigma=1),
        lasts=600, visibility_timeout=[2, 5, 30], consumers=[2, 4, 8],
    )
    sweep.save("capacity.svg")

Arrivals, services and failures are drawn from streams of their own, which follow from the seed: every load of a sweep has
the same messages, so what differs is due to the settings.
"""

from __future__ import annotations

from decouple.testing.load.arrivals import Arrivals, diurnal, every, poisson, spike, trace
from decouple.testing.load.prices import Cost, Prices, Requests
from decouple.testing.load.result import Latency, Load, Sample
from decouple.testing.load.service import Failure, Service, exponential, fixed, lognormal, samples, uniform
from decouple.testing.load.sweeping import Sweep

# In reading order: what comes, what it takes, what fails, what it costs, what you get.
__all__ = [  # noqa: RUF022
    "Arrivals",
    "poisson",
    "every",
    "spike",
    "diurnal",
    "trace",
    "Service",
    "exponential",
    "lognormal",
    "uniform",
    "fixed",
    "samples",
    "Failure",
    "Prices",
    "Cost",
    "Requests",
    "Load",
    "Sweep",
    "Latency",
    "Sample",
]
