"""Request and response: the same jobs, asked for by calls that wait, and through a queue; a burst is more than the workers do.

    python examples/request_response.py [--burst N] [--workers N] [--patience SECONDS] [--seed N] [--plot FILE]

Four requests a second come, and for twenty seconds so many more. A worker does one at a time, in half a second; both
designs have as many, and the same work to do, on a virtual clock. In the first a client waits for its answer, in line for
a worker, and gives up when its patience is over. That is the kindest server there is: it turns nobody away, and begins no
work for who has left; what it has begun it ends, also for nobody. In the second the front puts the job into a queue and
says "accepted"; workers take it from there, and the client comes by each second, in its own time, until its answer is
there. What it shows: who got no answer, and how much work was done for nobody; and what the queue costs, a longer wait for
those whom the calls failed, and for those behind them.
"""

from __future__ import annotations

import argparse
import math
import sys
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Sequence
from heapq import heappop, heappush
from importlib.util import find_spec
from itertools import count
from random import Random
from typing import Any, NamedTuple, NoReturn

from decouple import Broker, Message, VirtualClock

RATE = 4.0  # requests a second, without the burst
BEGIN, END = 30.0, 50.0  # of the burst
SECONDS = 240
WORK = 0.5  # mean seconds
FRONT = 0.02  # seconds to accept a job, or to ask for its answer
FETCH = 1.0  # seconds between two of a client's visits
VISIBILITY_TIMEOUT = 30.0


class Request(NamedTuple):
    """When a client has it, and how long a worker needs."""

    at: float
    work: float


class Setting(NamedTuple):
    """What both designs are given."""

    requests: list[Request]
    workers: int
    patience: float


class Design(ABC):
    """Workers on a virtual clock, and what became of the requests, by number."""

    def __init__(self, setting: Setting) -> None:
        self.setting, self.clock = setting, VirtualClock()
        self.start, self.events, self.numbers = self.clock.now(), list[Any](), count()
        self.idle = setting.workers
        self.first: dict[int, float] = {}  # seconds until the client heard anything
        self.latency: dict[int, float] = {}  # until it had its answer
        self.failed: dict[int, float] = {}  # until it gave up
        self.wasted = 0

    def run(self) -> None:
        """Return when nothing happens any more."""
        for number, request in enumerate(self.setting.requests):
            self.later(request.at, self.arrive, number)
        while self.events:
            at, _, act, arguments = heappop(self.events)
            self.clock.advance(max(0.0, at - self.now()))
            act(*arguments)

    def later(self, seconds: float, act: Callable[..., None], *arguments: object) -> None:
        heappush(self.events, (self.now() + seconds, next(self.numbers), act, arguments))

    def now(self) -> float:
        return (self.clock.now() - self.start) / 1e9

    def waited(self, number: int) -> float:
        return self.now() - self.setting.requests[number].at

    @abstractmethod
    def arrive(self, number: int) -> None:
        """A client has a request."""


class Calls(Design):
    """A client waits in line for a worker, and then for its answer."""

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        self.line: deque[int] = deque()

    def arrive(self, number: int) -> None:
        self.line.append(number)
        self.later(self.setting.patience, self.give_up, number)
        self.begin()

    def begin(self) -> None:
        while self.idle and self.line:
            number = self.line.popleft()
            if number not in self.failed:
                self.idle -= 1
                self.later(self.setting.requests[number].work, self.end, number)

    def end(self, number: int) -> None:
        self.idle += 1
        if number in self.failed:
            self.wasted += 1
        else:
            self.first[number] = self.latency[number] = self.waited(number)
        self.begin()

    def give_up(self, number: int) -> None:
        if number not in self.latency:
            self.failed[number] = self.waited(number)


class Queues(Design):
    """A client is told that its job was accepted, and comes for the answer later."""

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        self.broker = Broker(clock=self.clock)
        self.jobs = self.broker.queue("jobs", visibility_timeout=VISIBILITY_TIMEOUT)

    def arrive(self, number: int) -> None:
        self.jobs.send(str(number))
        self.first[number] = FRONT
        self.begin()

    def begin(self) -> None:
        while self.idle and (messages := self.jobs.receive()):
            self.idle -= 1
            self.later(self.setting.requests[int(messages[0].body)].work, self.end, messages[0])

    def end(self, message: Message) -> None:
        self.idle += 1
        number = int(message.body)
        self.latency[number] = fetched(self.waited(number))  # the answer is there before the job is gone
        message.ack()
        self.begin()


def fetched(ready: float) -> float:
    """When the client has an answer that was there so many seconds after its request: at its next visit."""
    return FRONT + max(1, math.ceil((ready - FRONT) / FETCH)) * FETCH + FRONT


def requests_for(burst: float, seed: int) -> list[Request]:
    """The usual requests all the time, and `burst` a second more while that lasts."""
    random, requests = Random(seed), list[Request]()
    for rate, at, end in ((RATE, 0.0, SECONDS), (burst, BEGIN, END)):
        while rate and (at := at + random.expovariate(rate)) < end:
            requests.append(Request(at, WORK * random.uniform(0.5, 1.5)))
    return sorted(requests)


def played(setting: Setting) -> dict[str, Design]:
    """Both designs after their run, by how they are asked."""
    calls, queues = Calls(setting), Queues(setting)
    calls.run()
    queues.run()
    queues.broker.check()
    return {"call": calls, "queue": queues}


# -- what is shown -------------------------------------------------------------------------------------------------


def print_table(designs: dict[str, Design]) -> None:
    print("asked by   requests  answered  failed  worked for nobody    first word, 95 %", end="")
    print("    answer, mean       95 %    longest")
    for name, design in designs.items():
        first, latencies = (list(some.values()) for some in (design.first, design.latency))
        print(f"{name:<9}{len(design.setting.requests):>10,}{len(latencies):>10,}{len(design.failed):>8,}", end="")
        print(f"{design.wasted:>13,} times{at_most(first, 0.95):>18.2f} s{mean(latencies):>14.2f} s", end="")
        print(f"{at_most(latencies, 0.95):>9.2f} s{at_most(latencies, 1):>9.2f} s")


def mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else float("nan")


def at_most(values: Sequence[float], share: float) -> float:
    """What so large a share of the values does not exceed."""
    return sorted(values)[max(0, math.ceil(len(values) * share) - 1)] if values else float("nan")


def draw(setting: Setting, designs: dict[str, Design], file: str, step: int = 3) -> None:
    """Above what became of the requests, below how long an answer took, both by when they were sent."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    orange, blue, light = "#d1642e", "#1f6f9f", "#7fb2cf"
    pyplot.rcParams.update({"axes.titlelocation": "left", "svg.hashsalt": "the same file every time"})
    figure, (above, below) = pyplot.subplots(2, sharex=True, figsize=(8, 5.2), layout="constrained")
    calls, queues = designs["call"], designs["queue"]
    edges = list(range(0, SECONDS + 1, step))
    everything, number = dict.fromkeys(range(len(setting.requests)), 1.0), f"{len(setting.requests):,}"
    above.stairs(
        rates(setting, everything, step), edges, color="#7a8b99", alpha=0.3, fill=True, label=f"sent: {number}"
    )
    for design, color, name in ((calls, orange, "call"), (queues, blue, "queue")):
        label = f"{name}: {len(design.failed):,} of {number} failed"
        above.stairs(rates(setting, design.failed, step), edges, color=color, fill=design is calls, lw=1.5, label=label)
    curves = (
        (calls.latency, orange, "-", "call: answer, of those that got one"),
        (queues.latency, blue, "-", "queue: answer fetched"),
        (queues.first, light, "--", "queue: accepted"),
    )
    for seconds, color, line, label in curves:
        below.plot(
            [edge + step / 2 for edge in edges[:-1]], means(setting, seconds, step), line, color=color, label=label
        )
    above.set(title=f"A burst, and {setting.workers} workers: requests that failed ...", ylabel="requests a second")
    below.set(title="... and how long the others took", ylabel="seconds", xlabel="second of sending", yscale="log")
    for axes in (above, below):
        axes.axvspan(BEGIN, END, color="#7a8b99", alpha=0.15, lw=0, zorder=0)
        axes.set(xlim=(0, SECONDS))
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", alpha=0.3)
    above.set(ylim=0)
    above.legend(frameon=False)
    below.set(ylim=FRONT / 2)
    below.yaxis.set_major_formatter("{x:g}")
    below.legend(frameon=False, loc="lower right", bbox_to_anchor=(1, 0.06), labelspacing=0.2)
    figure.savefig(file, metadata={"Date": None} if file.endswith(".svg") else None)


def by_time(setting: Setting, values: dict[int, float], step: int) -> list[list[float]]:
    """The values of the requests sent in each `step` seconds."""
    found = [list[float]() for _ in range(SECONDS // step)]
    for number, value in values.items():
        found[int(setting.requests[number].at / step)].append(value)
    return found


def rates(setting: Setting, values: dict[int, float], step: int) -> list[float]:
    return [len(some) / step for some in by_time(setting, values, step)]


def means(setting: Setting, values: dict[int, float], step: int) -> list[float]:
    return [mean(some) for some in by_time(setting, values, step)]


# -- the command ---------------------------------------------------------------------------------------------------


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one sentence, without the usage."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{message}\n")


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = Parser(description="The same jobs by calls that wait, and through a queue.")
    parser.add_argument("--burst", type=float, default=25, metavar="N", help="requests a second more, 0 to 100 (25)")
    parser.add_argument("--workers", type=int, default=4, metavar="N", help="each does 2 a second (4)")
    parser.add_argument("--patience", type=float, default=10, metavar="SECONDS", help="of a client that waits (10)")
    parser.add_argument("--seed", type=int, default=1, help="of the requests and their work (1)")
    parser.add_argument("--plot", metavar="FILE", help="draw it as well, as SVG, PNG or PDF")
    options = parser.parse_args(arguments)
    if not 0 <= options.burst <= 100:
        parser.error(f"--burst must be from 0 to 100 requests a second, not {options.burst:g}")
    if not 1 <= options.workers <= 1_000:
        parser.error(f"--workers must be from 1 to 1,000, not {options.workers}")
    if not 0 < options.patience <= 3_600:
        parser.error(f"--patience must be over 0 and at most 3,600 seconds, not {options.patience:g}")
    if options.plot and not find_spec("matplotlib"):
        parser.error("--plot needs matplotlib: pip install 'decouple-messaging[plot]'")
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    options = parsed(arguments)
    setting = Setting(requests_for(options.burst, options.seed), options.workers, options.patience)
    try:
        designs = played(setting)
    except KeyboardInterrupt:
        print("interrupted")
        return 130
    print_table(designs)
    if options.plot:
        try:
            draw(setting, designs, options.plot)
        except (OSError, ValueError) as error:
            print(f"{options.plot!r} cannot be drawn: {error}", file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
