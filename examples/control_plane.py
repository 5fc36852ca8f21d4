"""Control plane: ten servers know what a thousand machines need to work, and all thousand come back at once.

    python examples/control_plane.py [--machines N] [--pause SECONDS] [--seed N] [--out FILE]

The small side is the control plane: a server takes about 50 ms for the configuration of one machine, so all ten do 200 a
second. The large side is its fleet: each machine has its configuration made anew every ten seconds, which is half of what
the servers can do. After ten seconds the power fails, and a machine that starts has no configuration. Five designs play the
same forty seconds, in simulated time:

    calls    a machine calls at once, gives up after a second, pauses for another, give or take half, and calls again. A
             server does not see that nobody waits any more: soon all its work is for callers who have left, and it stays so
    queue    a machine puts its wish into a queue and waits for the answer in its own: the servers take what they can
    pushes   the call turned round: the servers go from machine to machine, at their own pace
    store    the servers write it all where the fleet can read it, such as S3, each second; the store is as large as the fleet
    polls    calls again, but each machine has its own moment in the ten seconds, keeps to it after a start, and tries again
             ten seconds later: constant work, whatever happens

What it shows: a small service survives a large one when the small one sets the pace, or when the pace never changes.
Source: Amazon Builders' Library, "Avoiding overload in distributed systems by putting the smaller service in control" and
"Reliability, constant work, and a good cup of coffee".
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from abc import ABC, abstractmethod
from bisect import bisect
from collections.abc import Sequence
from importlib.util import find_spec
from itertools import count, cycle
from random import Random
from typing import NamedTuple, NoReturn

from decouple import Broker
from decouple.testing import simulate

WORK = 0.05  # mean seconds of a server for one machine
PERIOD = 10.0  # seconds between two configurations of a machine
TIMEOUT = 1.0  # of a caller
RESTART, SECONDS = 10, 40


class Setting(NamedTuple):
    """What all designs are given; pause: of a caller between two tries."""

    machines: int
    pause: float
    seed: int

    @property
    def servers(self) -> int:
        return self.machines // 100

    @property
    def capacity(self) -> float:
        """Machines a second."""
        return self.servers / WORK


class Design(ABC):
    """One way from the servers to the fleet, and what became of it."""

    def __init__(self, setting: Setting) -> None:
        self.setting, self.random = setting, Random(setting.seed)
        self.load = [0] * (SECONDS + 1)  # what reaches the servers, by second
        self.done = [0] * (SECONDS + 1)
        self.useful = [0] * (SECONDS + 1)  # done while somebody waited for it
        self.ready: dict[int, float] = {}  # when a machine was configured first since its start

    async def run(self) -> None:
        """A quiet fleet, then one that starts all at once."""
        async with Broker() as broker:
            servers = self.open(broker)
            await self.fleet(RESTART, spread=PERIOD)
            self.ready.clear()
            await self.fleet(SECONDS - RESTART, spread=0)
            for server in servers:
                server.cancel()

    async def fleet(self, seconds: float, spread: float) -> None:
        """All machines, which start within `spread` seconds, until their power fails."""
        starts = [self.random.uniform(0, spread) for _ in range(self.setting.machines)]
        machines = [asyncio.create_task(self.node(number, start)) for number, start in enumerate(starts)]
        await asyncio.sleep(seconds)
        for machine in machines:
            machine.cancel()

    @abstractmethod
    def open(self, broker: Broker) -> list[asyncio.Task[None]]:
        """Start the servers; the tasks that are to be ended."""

    @abstractmethod
    async def node(self, number: int, start: float) -> None:
        """A machine of the fleet, which starts in so many seconds."""

    async def work(self) -> None:
        await asyncio.sleep(WORK * self.random.uniform(0.5, 1.5))
        self.done[int(now())] += 1

    def configured(self, number: int) -> None:
        self.ready.setdefault(number, now() - RESTART)


class Calls(Design):
    """Callers wait in line for a server. The line is a queue as well; what it lacks is callers who trust it."""

    def open(self, broker: Broker) -> list[asyncio.Task[None]]:
        self.calls, self.waiting = count(), dict[str, asyncio.Future[None]]()
        self.line = broker.queue("line")
        self.line.consume(self.serve, concurrency=self.setting.servers)
        return []

    async def serve(self, call: str) -> None:
        await self.work()
        if call in self.waiting:
            self.waiting[call].set_result(None)
            self.useful[int(now())] += 1

    async def call(self) -> bool:
        """Whether the answer came in time."""
        call, answer = str(next(self.calls)), asyncio.get_running_loop().create_future()
        self.waiting[call] = answer
        self.load[int(now())] += 1
        self.line.send(call)
        try:
            async with asyncio.timeout(TIMEOUT):
                await answer
        except TimeoutError:
            return False
        finally:
            del self.waiting[call]
        return True

    async def node(self, number: int, start: float) -> None:
        await asyncio.sleep(start)
        while True:
            while not await self.call():
                await asyncio.sleep(self.setting.pause * self.random.uniform(0.5, 1.5))
            self.configured(number)
            await asyncio.sleep(PERIOD)


class Polls(Calls):
    """The same calls, but nothing makes a machine call sooner, or more often."""

    async def node(self, number: int, start: float) -> None:
        at = now() + self.random.uniform(0, PERIOD)
        while True:
            await asyncio.sleep(at - now())
            if await self.call():
                self.configured(number)
            at += PERIOD


class Queued(Design):
    """A queue in between: what is asked waits there, and nobody has to ask twice."""

    def open(self, broker: Broker) -> list[asyncio.Task[None]]:
        self.inboxes = [broker.queue(f"machine-{number}") for number in range(self.setting.machines)]
        self.wishes = broker.queue("wishes")
        self.wishes.consume(self.serve, concurrency=self.setting.servers)
        return []

    async def serve(self, number: str) -> None:
        self.load[int(now())] += 1
        await self.work()
        self.inboxes[int(number)].send("configuration")
        self.useful[int(now())] += 1

    async def node(self, number: int, start: float) -> None:
        await asyncio.sleep(start)
        while True:
            self.wishes.send(str(number))
            await self.receive(number)
            await asyncio.sleep(PERIOD)

    async def receive(self, number: int) -> None:
        for message in await self.inboxes[number].aio.receive(wait=3_600):
            message.ack()
            self.configured(number)


class Pushes(Queued):
    """The small side calls: half of its servers go round, which takes them ten seconds."""

    def open(self, broker: Broker) -> list[asyncio.Task[None]]:
        self.inboxes = [broker.queue(f"machine-{number}") for number in range(self.setting.machines)]
        rounds = cycle(range(self.setting.machines))
        return [asyncio.create_task(self.go_round(rounds)) for _ in range(self.setting.servers // 2)]

    async def go_round(self, rounds: cycle[int]) -> None:
        for number in rounds:
            await self.serve(str(number))

    async def node(self, number: int, start: float) -> None:
        while True:
            await self.receive(number)


class Stored(Design):
    """The small side writes, the large one reads, and they never meet."""

    def open(self, broker: Broker) -> list[asyncio.Task[None]]:
        self.stored = False
        return [asyncio.create_task(self.write())]

    async def write(self) -> None:
        while True:
            self.load[int(now())] += 1
            await self.work()
            self.stored = True
            self.useful[int(now())] += 1
            await asyncio.sleep(1)

    async def node(self, number: int, start: float) -> None:
        await asyncio.sleep(start)
        while True:
            await asyncio.sleep(0.03 * self.random.uniform(0.5, 3))  # a read, however many others read
            if self.stored:
                self.configured(number)
            await asyncio.sleep(PERIOD)


def now() -> float:
    """Seconds since the simulation began."""
    return asyncio.get_running_loop().time()


def played(setting: Setting) -> dict[str, Design]:
    """All five after their forty seconds, by name."""
    kinds = {"calls": Calls, "queue": Queued, "pushes": Pushes, "store": Stored, "polls": Polls}
    designs = {name: kind(setting) for name, kind in kinds.items()}
    for design in designs.values():
        simulate(design.run, seed=setting.seed)
    return designs


# -- what is shown -------------------------------------------------------------------------------------------------


def print_table(designs: dict[str, Design]) -> None:
    print("          reaches the servers, a second      of their work     machines configured after the start")
    print(
        f"            before      peak after           for nobody          in {SECONDS - RESTART} s       half        all"
    )
    for name, design in designs.items():
        before, after = sum(design.load[:RESTART]) / RESTART, design.load[RESTART:SECONDS]
        for_nobody = 1 - sum(design.useful[RESTART:]) / sum(design.done[RESTART:])
        print(f"{name:<8}{before:>10.0f}{max(after):>16,}{for_nobody:>21.0%}", end="")
        print(f"{len(design.ready):>15,}{shown(recovery(design, 0.5)):>11}{shown(recovery(design, 1)):>11}")


def recovery(design: Design, share: float) -> float | None:
    """Seconds until so large a share of the fleet was configured; None if that did not happen."""
    wanted, times = round(design.setting.machines * share), sorted(design.ready.values())
    return times[wanted - 1] if len(times) >= wanted else None


def shown(seconds: float | None) -> str:
    return "never" if seconds is None else f"{seconds:.1f} s"


def draw(setting: Setting, designs: dict[str, Design], file: str) -> None:
    """A row for each: the load of the servers, and how much of the fleet is configured."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    pyplot.rcParams.update({"axes.titlelocation": "left", "svg.hashsalt": "the same file every time"})
    orange, blue, grey = "#d1642e", "#1f6f9f", "#7a8b99"
    figure, rows = pyplot.subplots(len(designs), 2, sharex=True, sharey="col", figsize=(9, 8), layout="constrained")
    edges, instants = list(range(SECONDS + 1)), [at / 5 for at in range(5 * SECONDS + 1)]
    for (left, right), (name, design) in zip(rows, designs.items(), strict=True):
        left.stairs(design.load[:SECONDS], edges, color=orange, fill=True, label="reaches the servers")
        left.stairs(design.useful[:SECONDS], edges, color=blue, fill=True, label="done while somebody waited for it")
        left.axhline(setting.capacity, color="black", lw=1, ls="--", label="all that the servers can do")
        left.set(
            title=f"{name}: at most {max(design.load):,} a second", ylabel="a second", ylim=(0, 1.1 * setting.machines)
        )
        times = sorted(design.ready.values())
        shares = [100 if at < RESTART else 100 * bisect(times, at - RESTART) / setting.machines for at in instants]
        right.plot(instants, shares, color=blue)
        right.set(title=f"all configured after: {shown(recovery(design, 1))}", ylabel="% of the fleet", ylim=(0, 105))
        for axes in (left, right):
            axes.axvline(RESTART, color=grey, lw=1)
            axes.set(xlim=(0, SECONDS))
            axes.spines[["top", "right"]].set_visible(False)
            axes.grid(axis="y", alpha=0.3)
    figure.legend(*rows[0][0].get_legend_handles_labels(), loc="outside upper center", ncols=3, frameon=False)
    for axes in rows[-1]:
        axes.set(xlabel=f"second; the fleet starts at {RESTART}")
    figure.savefig(file, metadata={"Date": None} if file.endswith(".svg") else None)


# -- the command ---------------------------------------------------------------------------------------------------


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one sentence, without the usage."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{message}\n")


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = Parser(description="A small control plane and a fleet a hundred times its size that starts all at once.")
    parser.add_argument(
        "--machines", type=int, default=1_000, metavar="N", help="with a server for each hundred (1,000)"
    )
    parser.add_argument("--pause", type=float, default=1, metavar="SECONDS", help="of a caller between two tries (1)")
    parser.add_argument("--seed", type=int, default=1, help="of the machines and the work for them (1)")
    parser.add_argument("--out", metavar="FILE", help="draw it as well, as SVG, PNG or PDF")
    options = parser.parse_args(arguments)
    if not 200 <= options.machines <= 10_000:
        parser.error(f"--machines must be from 200 to 10,000, not {options.machines:,}")
    if not 0 <= options.pause <= 60:
        parser.error(f"--pause must be from 0 to 60 seconds, not {options.pause:g}")
    if options.out and not find_spec("matplotlib"):
        parser.error("--out needs matplotlib: pip install 'decouple-messaging[plot]'")
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    options = parsed(arguments)
    setting = Setting(options.machines, options.pause, options.seed)
    try:
        designs = played(setting)
    except KeyboardInterrupt:
        print("interrupted")
        return 130
    print_table(designs)
    if options.out:
        try:
            draw(setting, designs, options.out)
        except (OSError, ValueError) as error:
            print(f"{options.out!r} cannot be drawn: {error}", file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
