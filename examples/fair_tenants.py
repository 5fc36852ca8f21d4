"""Fair queues: one tenant sends a flood, and the others hardly notice.

    python examples/fair_tenants.py [--tenants N] [--seed N] [--plot FILE]

Twenty workers, one second a message, serve quiet tenants that keep them four fifths busy. After a minute another tenant
sends 900 messages in half a minute, more than all workers can do. The same arrivals are played three times on a virtual
clock: without the flood, with it, and with it while each message names its tenant (`group=`), which is all it takes. What
counts is how long the messages of the quiet tenants are in the queue, from being sent to being done. While the flood lasts all
workers are busy, so each message waits for the next of them, a twentieth of a second; more than that nobody has to.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from heapq import heappop, heappush
from importlib.util import find_spec
from itertools import count
from random import Random
from typing import NamedTuple

from decouple import Message, Queue, VirtualClock

WORKERS = 20
HANDLING = 1.0  # seconds a message
QUIET = 16.0  # messages a second, of all quiet tenants together
SECONDS = 240
FLOOD = (60, 90, 30.0)  # from, until, messages a second
NOISY = "noisy"


class Arrival(NamedTuple):
    """A message that is going to be sent."""

    at: float
    tenant: str


class Waited(NamedTuple):
    """A message of a quiet tenant: when it was sent, and how long it waited for a worker."""

    sent: float
    seconds: float


def arrivals(seed: int, tenants: int, *, flood: bool) -> list[Arrival]:
    """The same quiet tenants for the same seed, with the flood or without it."""
    quiet = list(poisson(Random(seed), QUIET, 0, SECONDS, [f"tenant-{n}" for n in range(tenants)]))
    return sorted(quiet + (list(poisson(Random(seed + 1), FLOOD[2], *FLOOD[:2], [NOISY])) if flood else []))


def poisson(random: Random, rate: float, start: float, end: float, tenants: list[str]) -> Iterator[Arrival]:
    at = start + random.expovariate(rate)
    while at < end:
        yield Arrival(at, random.choice(tenants))
        at += random.expovariate(rate)


def play(plan: list[Arrival], *, groups: bool) -> list[Waited]:
    """Send as planned, let the workers work, and tell how long the quiet tenants' messages waited."""
    clock = VirtualClock()
    queue, start, idle, numbers = Queue("work", clock=clock), clock.now(), WORKERS, count()
    events: list[tuple[float, int, Arrival | Message]] = [(one.at, next(numbers), one) for one in plan]
    waited: list[Waited] = []
    while events:
        at, _, event = heappop(events)
        clock.advance(max(0.0, at - (clock.now() - start) / 1e9))
        if isinstance(event, Message):
            event.ack()
            idle += 1
        else:
            tenant = event.tenant
            queue.send(tenant, attributes={"at": event.at}, group=tenant if groups else None)
        for message in queue.receive(max_messages=idle) if idle else []:
            idle -= 1
            heappush(events, (at + HANDLING, next(numbers), message))
            if message.body != NOISY:
                sent = message.attributes["at"]
                waited.append(Waited(sent, at - sent))
    queue.check()
    return sorted(waited)


def mean(waits: list[Waited], start: float = 0, end: float = SECONDS) -> float:
    chosen = [one.seconds for one in waits if start <= one.sent < end]
    return sum(chosen) / len(chosen) if chosen else 0.0


def quantile(waits: list[Waited], share: float) -> float:
    return sorted(one.seconds for one in waits)[int(len(waits) * share)] if waits else 0.0


def three_runs(seed: int, tenants: int) -> dict[str, list[Waited]]:
    """By name: without the flood, with it, and with it on a fair queue."""
    calm, flooded = arrivals(seed, tenants, flood=False), arrivals(seed, tenants, flood=True)
    return {
        "no flood": play(calm, groups=True),
        "flood": play(flooded, groups=False),
        "flood, fair": play(flooded, groups=True),
    }


def draw(runs: dict[str, list[Waited]], file: str) -> None:
    """How long the quiet tenants' messages waited, by when they were sent."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    pyplot.rcParams.update({"axes.titlelocation": "left", "svg.hashsalt": "the same file every time"})
    figure, axes = pyplot.subplots(figsize=(8, 3.6), layout="constrained")
    step = 3
    for (name, waits), color in zip(runs.items(), ("#7a8b99", "#d1642e", "#1f6f9f"), strict=True):
        times = range(0, SECONDS, step)
        axes.plot(
            times,
            [mean(waits, at, at + step) for at in times],
            color=color,
            label=f"{name}: {mean(waits):.2f} s on average",
        )
    axes.axvspan(*FLOOD[:2], color="#d1642e", alpha=0.08, lw=0)
    axes.set(
        title="One tenant floods the queue: how long the others wait", ylabel="seconds", xlabel="second of sending"
    )
    axes.set(xlim=(0, SECONDS), ylim=0)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", alpha=0.3)
    axes.legend(frameon=False)
    figure.savefig(file, metadata={"Date": None} if file.endswith(".svg") else None)


def main() -> int:
    parser = argparse.ArgumentParser(description="One tenant floods a queue; how long do the others wait?")
    parser.add_argument("--tenants", type=int, default=50, help="how many quiet ones (50)")
    parser.add_argument("--seed", type=int, default=1, help="of the arrivals (1)")
    parser.add_argument("--plot", metavar="FILE", help="draw it as well, as SVG, PNG or PDF")
    options = parser.parse_args()
    if options.tenants < 1:
        parser.error("--tenants must be at least 1")
    if options.plot and not find_spec("matplotlib"):
        parser.exit(2, "--plot needs matplotlib: pip install 'decouple-messaging[plot]'\n")
    try:
        runs = three_runs(options.seed, options.tenants)
    except KeyboardInterrupt:
        print("interrupted")
        return 130
    print("the quiet tenants' messages    waited, mean      95 %   longest   in the queue, mean")
    still = HANDLING + mean(runs["no flood"])
    for name, waits in runs.items():
        longest, here = max((one.seconds for one in waits), default=0.0), HANDLING + mean(waits)
        print(f"{name:<30}{mean(waits):>11.3f} s{quantile(waits, 0.95):>8.2f} s{longest:>8.2f} s", end="")
        print(f"{here:>12.2f} s = {here / still:.2f} x")
    if options.plot:
        draw(runs, options.plot)
    return 0


if __name__ == "__main__":
    sys.exit(main())
