"""Queuing chain: three stages, once calling each other and once with queues between; the middle one fails for a minute.

    python examples/queuing_chain.py [--outage SECONDS] [--tries N] [--seed N] [--plot FILE]

Four orders a second are taken, charged and shipped, by four workers a stage. The same orders, with the same work in them,
go through both designs on a virtual clock. Where the stages call each other, a client that is refused waits 1, 2, 4, ...
seconds (give or take half) and calls again, from the start; after its last try the order is lost. That is the kindest
outage there is: it answers at once, where most let the caller wait as well. With queues between them (AWS calls it the
queuing chain pattern) a stage hands its result on by `message.move`: acknowledged here and sent there, in one step. A stage
that fails says nothing; the visibility timeout gives the order back. What it shows: which orders were lost, what the others
paid in time, and how often the first stage did its work.
"""

from __future__ import annotations

import argparse
import sys
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Sequence
from heapq import heappop, heappush
from importlib.util import find_spec
from itertools import count
from random import Random
from typing import Any, NamedTuple

from decouple import Broker, Message, VirtualClock

STAGES = {"take": 0.2, "charge": 0.3, "ship": 0.2}  # mean seconds of work; a worker does one order at a time
MIDDLE, LAST = 1, 2
WORKERS = 4  # a stage
RATE = 4.0  # orders a second
SECONDS = 240
BEGIN = 60.0  # of the outage
VISIBILITY_TIMEOUT = 5.0


class Order(NamedTuple):
    """When a client has it, and how long each stage will work on it."""

    at: float
    work: tuple[float, ...]


class Setting(NamedTuple):
    """What both designs are given."""

    orders: list[Order]
    outage: float
    tries: int
    seed: int


class Design(ABC):
    """Stages with workers on a virtual clock, and what became of the orders, by number."""

    def __init__(self, setting: Setting) -> None:
        self.setting, self.clock = setting, VirtualClock()
        self.start, self.events, self.numbers = self.clock.now(), list[Any](), count()
        self.idle = [WORKERS] * len(STAGES)
        self.handled = [0] * len(STAGES)
        self.latency: dict[int, float] = {}
        self.lost: list[int] = []

    def run(self) -> None:
        """Return when nothing happens any more."""
        for number, order in enumerate(self.setting.orders):
            self.later(order.at, self.arrive, number)
        while self.events:
            at, _, act, arguments = heappop(self.events)
            self.clock.advance(max(0.0, at - self.now()))
            act(*arguments)

    def later(self, seconds: float, act: Callable[..., None], *arguments: object) -> None:
        heappush(self.events, (self.now() + seconds, next(self.numbers), act, arguments))

    def now(self) -> float:
        return (self.clock.now() - self.start) / 1e9

    def down(self, stage: int) -> bool:
        return stage == MIDDLE and BEGIN <= self.now() < BEGIN + self.setting.outage

    def done(self, number: int) -> None:
        self.latency[number] = self.now() - self.setting.orders[number].at

    @abstractmethod
    def arrive(self, number: int) -> None:
        """A client has an order."""


class Calls(Design):
    """Each stage calls the next one, and its worker waits for the answer."""

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        self.lines: list[deque[int]] = [deque() for _ in STAGES]
        self.tried = [0] * len(setting.orders)
        self.random = Random(setting.seed)

    def arrive(self, number: int) -> None:
        self.tried[number] += 1
        self.call(0, number)

    def call(self, stage: int, number: int) -> None:
        self.lines[stage].append(number)
        self.begin(stage)

    def begin(self, stage: int) -> None:
        while self.idle[stage] and self.lines[stage]:
            self.idle[stage] -= 1
            number = self.lines[stage].popleft()
            if self.down(stage):
                self.refuse(stage, number)
            else:
                self.later(self.setting.orders[number].work[stage], self.end, stage, number)

    def end(self, stage: int, number: int) -> None:
        if self.down(stage):  # it fell while it worked
            return self.refuse(stage, number)
        self.handled[stage] += 1
        if stage < LAST:
            return self.call(stage + 1, number)
        self.done(number)
        return self.answer(stage)

    def refuse(self, stage: int, number: int) -> None:
        tried = self.tried[number]
        if tried < self.setting.tries:
            self.later(2 ** (tried - 1) * self.random.uniform(0.5, 1.5), self.arrive, number)
        else:
            self.lost.append(number)
        self.answer(stage)

    def answer(self, stage: int) -> None:
        """The workers that waited for this call, one in each stage before it, go on with the next ones."""
        for one in range(stage + 1):
            self.idle[one] += 1
        for one in range(stage + 1):
            self.begin(one)


class Queues(Design):
    """A queue before each stage: its workers take from their own and move to the next."""

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        self.broker = Broker(clock=self.clock)
        self.queues = [self.broker.queue(name, visibility_timeout=VISIBILITY_TIMEOUT) for name in STAGES]

    def arrive(self, number: int) -> None:
        self.queues[0].send(str(number))
        self.begin(0)

    def begin(self, stage: int) -> None:
        while self.idle[stage] and (messages := self.queues[stage].receive()):
            self.idle[stage] -= 1
            work = self.setting.orders[int(messages[0].body)].work[stage]
            self.later(0.0 if self.down(stage) else work, self.end, stage, messages[0])

    def end(self, stage: int, message: Message) -> None:
        self.idle[stage] += 1
        if self.down(stage):  # and nobody is left to give the message back: it comes back by itself
            self.later(VISIBILITY_TIMEOUT, self.begin, stage)
        else:
            self.finish(stage, message)
        self.begin(stage)

    def finish(self, stage: int, message: Message) -> None:
        self.handled[stage] += 1
        if stage < LAST:
            message.move(self.queues[stage + 1])
            self.begin(stage + 1)
        else:
            message.ack()
            self.done(int(message.body))


def orders_for(seed: int) -> list[Order]:
    random, orders = Random(seed), list[Order]()
    at = random.expovariate(RATE)
    while at < SECONDS:
        orders.append(Order(at, tuple(mean * random.uniform(0.5, 1.5) for mean in STAGES.values())))
        at += random.expovariate(RATE)
    return orders


def played(setting: Setting) -> dict[str, Design]:
    """Both designs after their run, by what there is between the stages."""
    calls, queues = Calls(setting), Queues(setting)
    calls.run()
    queues.run()
    queues.broker.check()
    return {"calls": calls, "queues": queues}


# -- what is shown -------------------------------------------------------------------------------------------------


def print_table(designs: dict[str, Design]) -> None:
    print("between stages    orders    done    lost    latency, mean      95 %   longest    taken, per order")
    for name, design in designs.items():
        orders, latencies = len(design.setting.orders), sorted(design.latency.values())
        print(f"{name:<14}{orders:>10,}{len(latencies):>8,}{len(design.lost):>8,}", end="")
        print(
            f"{mean(latencies):>15.2f} s{latencies[int(len(latencies) * 0.95)]:>8.2f} s{latencies[-1]:>8.2f} s", end=""
        )
        print(f"{design.handled[0] / orders:>15.2f} times")


def mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else float("nan")


def draw(designs: dict[str, Design], file: str, step: int = 3) -> None:
    """Above how many were lost, below how long the others took, by when they were sent."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    pyplot.rcParams.update({"axes.titlelocation": "left", "svg.hashsalt": "the same file every time"})
    figure, (above, below) = pyplot.subplots(2, sharex=True, figsize=(8, 5.2), layout="constrained")
    edges, end = list(range(0, SECONDS + 1, step)), BEGIN + designs["calls"].setting.outage
    for (name, design), color in zip(designs.items(), ("#d1642e", "#1f6f9f"), strict=True):
        lost, latencies = by_time(design, step)
        label = f"{name}: {len(design.lost):,} of {len(design.setting.orders):,} lost"
        above.stairs([number / step for number in lost], edges, color=color, fill=True, label=label)
        middles = [edge + step / 2 for edge in edges[:-1]]
        label = f"{name}: {mean(list(design.latency.values())):.1f} s on average, of those that arrived"
        below.plot(middles, [mean(some) for some in latencies], color=color, label=label)
    above.set(title="The middle stage fails for a while: orders lost ...", ylabel="lost, a second")
    below.set(title="... and how long the others took", ylabel="seconds", xlabel="second of sending")
    for axes in (above, below):
        axes.axvspan(BEGIN, end, color="#7a8b99", alpha=0.15, lw=0, zorder=0, label="outage" if axes is above else None)
        axes.set(xlim=(0, SECONDS), ylim=0)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", alpha=0.3)
        axes.legend(frameon=False)
    figure.savefig(file, metadata={"Date": None} if file.endswith(".svg") else None)


def by_time(design: Design, step: int) -> tuple[list[int], list[list[float]]]:
    """How many of the orders sent in each `step` seconds were lost, and the latencies of the others."""
    lost, latencies = [0] * (SECONDS // step), [list[float]() for _ in range(SECONDS // step)]
    for number, order in enumerate(design.setting.orders):
        if number in design.latency:
            latencies[int(order.at / step)].append(design.latency[number])
        else:
            lost[int(order.at / step)] += 1
    return lost, latencies


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Three stages, with calls and with queues between them.")
    parser.add_argument(
        "--outage", type=float, default=60, metavar="SECONDS", help="of the middle stage, 0 to 120 (60)"
    )
    parser.add_argument("--tries", type=int, default=4, metavar="N", help="of a client that calls, 1 to 10 (4)")
    parser.add_argument("--seed", type=int, default=1, help="of the orders and their work (1)")
    parser.add_argument("--plot", metavar="FILE", help="draw it as well, as SVG, PNG or PDF")
    options = parser.parse_args(arguments)
    if not 0 <= options.outage <= 120:
        parser.exit(2, f"--outage must be from 0 to 120 seconds, not {options.outage:g}\n")
    if not 1 <= options.tries <= 10:
        parser.exit(2, f"--tries must be from 1 to 10, not {options.tries}\n")
    if options.plot and not find_spec("matplotlib"):
        parser.exit(2, "--plot needs matplotlib: pip install 'decouple-messaging[plot]'\n")
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    options = parsed(arguments)
    try:
        designs = played(Setting(orders_for(options.seed), options.outage, options.tries, options.seed))
    except KeyboardInterrupt:
        print("interrupted")
        return 130
    print_table(designs)
    if options.plot:
        try:
            draw(designs, options.plot)
        except (OSError, ValueError) as error:
            print(f"{options.plot!r} cannot be drawn: {error}", file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
