"""Load levelling: a burst of ten times the consumers' speed goes into a queue, and comes out at their own pace.

    python examples/load_levelling.py [--real] [--plot FILE]

Ten threads handle ten messages a second; for ten seconds a hundred a second are sent. What it shows: the backlog gives
way, the consumers do not notice. And it shows one program on two clocks: on a VirtualClock the hundred seconds pass in
a fraction of one, and come out the same every time; with --real they pass on the system's clock, twenty in a second. Only
`pass_second` knows the difference.
"""

from __future__ import annotations

import argparse
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from itertools import count, pairwise
from typing import NamedTuple

from decouple import Broker, SystemClock, VirtualClock

CONSUMERS = 10  # each handles one message a second
BURST = 10  # seconds
ARRIVING = 100  # messages a second, while the burst lasts


class Sample(NamedTuple):
    """The queue at one instant."""

    at: float
    sent: int
    handled: int
    visible: int
    in_flight: int
    oldest: float


class Levelling:
    """The queue `work` between a burst and its consumers, watched every second."""

    def __init__(self, clock: SystemClock | VirtualClock, second: float) -> None:
        self.clock, self.second = clock, second
        self.broker = Broker(clock=clock)
        self.work = self.broker.queue("work")
        self.pauses = self.broker.queue("pauses")
        self.samples: list[Sample] = []

    def run(self) -> None:
        """Return when all has been sent and handled."""
        # The broker is left first: closing it ends all waits, and with them the threads that the pool then joins.
        with ThreadPoolExecutor(CONSUMERS) as pool, self.broker:
            for _ in range(CONSUMERS):
                pool.submit(self.consume)
            start = self.clock.now()
            for second in count():
                self.watch(start)
                if second < BURST:
                    self.work.send_batch([f"order {second * ARRIVING + n}" for n in range(ARRIVING)])
                elif self.samples[-1].handled == BURST * ARRIVING:
                    break
                self.pass_second()

    def consume(self) -> None:
        for message in self.work.messages():
            with message:
                self.pauses.receive(wait=self.second)  # nothing ever comes: a pause of a second, on any clock

    def watch(self, start: int) -> None:
        now, stats = self.clock.now(), self.work.stats()
        at, oldest = (now - start) / 1e9 / self.second, (stats.oldest_age or 0) / self.second
        self.samples.append(Sample(at, stats.sent, stats.deleted, stats.visible, stats.in_flight, oldest))

    def pass_second(self) -> None:
        """Real time passes by itself. Virtual time is moved, and never while a consumer is still at this instant."""
        if isinstance(self.clock, VirtualClock):
            self.let_consumers_act()
            self.clock.advance(self.second)
            self.let_consumers_act()
        else:
            time.sleep(self.second)

    def let_consumers_act(self) -> None:
        while self.work.stats().parked + self.pauses.stats().parked < CONSUMERS:
            time.sleep(0)


def print_chart(rows: list[Sample], width: int = 56) -> None:
    """The rates since the row before, and the backlog as a bar."""
    scale = width / max(1, *(row.visible for row in rows))
    print("  time  sent/s  handled/s  oldest  backlog: █ visible + ░ in flight")
    for before, row in pairwise(rows):
        sent, handled = rates(before, row)
        bar = "█" * round(row.visible * scale) + "░" * min(row.in_flight, 1)
        print(f"{row.at:>4.0f} s{sent:>8.0f}{handled:>11.0f}{row.oldest:>6.0f} s", end="  ")
        print(f"{bar} {row.visible} + {row.in_flight}")


def rates(before: Sample, after: Sample) -> tuple[float, float]:
    """Messages sent and handled a second between two samples."""
    passed = after.at - before.at
    return (after.sent - before.sent) / passed, (after.handled - before.handled) / passed


def print_summary(samples: list[Sample], took: float) -> None:
    peak, end = max(sample.visible + sample.in_flight for sample in samples), samples[-1]
    print(f"\n{end.handled:,} of {end.sent:,} were handled in {end.at:.0f} s, the backlog was up to {peak:,}.", end=" ")
    print(f"This took {took:.1f} s.")


def draw(samples: list[Sample], rows: list[Sample], file: str) -> None:
    """Rates above, backlog below, on one axis of time."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    orange, blue, grey = "#d1642e", "#1f6f9f", "#c9d8e2"
    pyplot.rcParams.update({"axes.titlelocation": "left", "svg.hashsalt": "the same file every time"})
    figure, (above, below) = pyplot.subplots(2, sharex=True, figsize=(8, 5.2), layout="constrained")
    edges, steps = [row.at for row in rows], [rates(*pair) for pair in pairwise(rows)]
    above.stairs([sent for sent, _ in steps], edges, color=orange, alpha=0.6, fill=True, label="sent")
    above.stairs([handled for _, handled in steps], edges, color=blue, fill=True, label="handled")
    above.set(title="A burst of ten times the consumers' speed ...", ylabel="messages a second")
    at, in_flight, visible = ([getattr(one, name) for one in samples] for name in ("at", "in_flight", "visible"))
    below.stackplot(at, in_flight, visible, colors=(blue, grey), labels=("in flight", "visible"))
    below.set(title="... waits in the queue and leaves it at their pace", ylabel="messages", xlabel="seconds")
    for axes in (above, below):
        axes.set(xlim=0, ylim=0)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", alpha=0.3)
        axes.legend(frameon=False, reverse=axes is below)
    figure.savefig(file, metadata={"Date": None} if file.endswith(".svg") else None)


def main() -> int:
    parser = argparse.ArgumentParser(description="A burst goes through a queue.")
    parser.add_argument("--real", action="store_true", help="on the system's clock, 20 seconds in one")
    parser.add_argument("--plot", metavar="FILE", help="draw it as well, as SVG, PNG or PDF")
    options = parser.parse_args()
    if options.plot and not find_spec("matplotlib"):
        parser.exit(2, "--plot needs matplotlib: pip install 'decouple-messaging[plot]'\n")

    began, status = time.perf_counter(), 0
    levelling = Levelling(SystemClock(), 0.05) if options.real else Levelling(VirtualClock(), 1.0)
    try:
        levelling.run()
    except KeyboardInterrupt:
        print("interrupted; so far:")
        status = 130
    samples = levelling.samples
    rows = [*samples[:-1:5], *samples[-1:]]
    if len(rows) > 1:
        print_chart(rows)
        print_summary(samples, time.perf_counter() - began)
        if options.plot:
            draw(samples, rows, options.plot)
    levelling.broker.check()
    return status


if __name__ == "__main__":
    sys.exit(main())
