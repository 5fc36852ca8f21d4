"""For each law a program that breaks it, but not under every seed, and a right one that no seed accuses.

Each planted program is caught within the number of seeds that stands beside it, and runs well under others: what breaks it is
who comes first, which the seed decides. The right program keeps all the laws at once, over 1,000 seeds.
"""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from decouple import Broker, Change, LawBroken, MemoryStore, Message, Recording, Reject, idempotent
from decouple.clock import AMBIENCE
from decouple.testing import Faults, laws, simulate

ROOT = Path(__file__).resolve().parent.parent


def text(change: Change) -> str | None:
    return change.text


def number(change: Change) -> int:
    return int(change.text or 0)


# -- planted: programs -------------------------------------------------------------------------------------------------


async def at_the_same_time(*work: Awaitable[object]) -> None:
    """In an order of the seed's."""
    await asyncio.gather(*(asyncio.ensure_future(one) for one in work))


async def charges_twice(broker: Broker) -> None:
    """Who has it asks whether it was charged before; the bank takes its time; and the message comes to the other one.

    The slow worker is over its visibility timeout. If it began first, the fast one charges while it waits for the bank.
    """
    orders, charges = broker.queue("orders", visibility_timeout=5), broker.queue("charges")
    charged: set[str] = set()
    orders.send("card 7")

    async def work(seconds: float) -> None:
        for message in await orders.aio.receive(wait=10):
            if message.body not in charged:
                await asyncio.sleep(seconds)
                charges.send(message.body)
                charged.add(message.body)
            message.ack()

    await at_the_same_time(work(1), work(8))


async def overtakes(broker: Broker) -> None:
    """Two workers, one of them slow, at a queue whose messages have an order."""
    entries = broker.queue("entries")
    entries.send_batch(["1", "2"])

    async def work(seconds: float) -> None:
        [message] = await entries.aio.receive(wait=10)
        await asyncio.sleep(seconds)
        message.ack()

    await at_the_same_time(work(1), work(2))


async def dies_without_a_word(broker: Broker) -> None:
    """If the slow worker has it, nobody complains, and it is dead all the same."""
    dead = broker.queue("dead")
    orders = broker.queue("orders", visibility_timeout=5, dead_letter=dead, max_receives=1)
    orders.send("order 7")

    async def work(seconds: float) -> None:
        for message in await orders.aio.receive(wait=10):
            await asyncio.sleep(seconds)
            message.ack()

    await at_the_same_time(work(1), work(8))


async def leaves_one(broker: Broker) -> None:
    """A worker goes home when it finds nothing. What fails at the slow one comes back when all are gone."""
    orders = broker.queue("orders")
    orders.send_batch(["fails once", "b"])

    async def work(seconds: float) -> None:
        while messages := orders.receive():
            await asyncio.sleep(seconds)
            if messages[0].body == "fails once" and messages[0].receive_count == 1:
                messages[0].nack(delay=3)
            else:
                messages[0].ack()

    await at_the_same_time(work(1), work(5))


async def waits_behind_short_ones(broker: Broker) -> None:
    """Two workers; if the long job is sent last, it begins when the short ones are done."""
    jobs = broker.queue("jobs")

    async def send(seconds: str) -> None:
        await jobs.aio.send(seconds)

    async def work() -> None:
        while messages := await jobs.aio.receive(wait=1):
            await asyncio.sleep(float(messages[0].body))
            messages[0].ack()

    await at_the_same_time(send("4"), send("2"), send("2"), work(), work())


# -- planted: engines --------------------------------------------------------------------------------------------------


class Toy:
    """A FIFO queue as one writes it in an afternoon, with the records a real one makes, and with a bug or without.

    frees: an acknowledgement frees the group, also where the message has gone to somebody else meanwhile;
    deletes: it deletes whatever had that number; forgets: nothing is said of a message that is given up.
    """

    def __init__(self, bug: str) -> None:
        ambience = AMBIENCE.get()
        assert ambience is not None
        self._tell = ambience.observers
        self._clock = ambience.clock
        self._bug = bug
        self._waiting: list[int] = []
        self._held: dict[int, int] = {}
        self._busy = False
        self._receives = 0

    def _note(self, cause: Any, seq: int, queue: str = "toy.fifo", **more: Any) -> None:
        at = self._clock.now() + self._clock.epoch
        record = (f"{seq}", 0, seq, "g", f"{seq}")
        for observer in self._tell:
            observer(Change(cause, queue, at, seq, f"m-{seq}", record=record, **more))

    def send(self, seq: int) -> None:
        self._waiting.append(seq)
        self._note("sent", seq)

    def receive(self) -> tuple[int, int] | None:
        """The next one with its receipt, if nobody has one."""
        if self._busy or not self._waiting:
            return None
        self._busy = True
        seq = self._waiting.pop(0)
        self._receives += 1
        self._held[seq] = self._receives
        self._note("received", seq)
        return seq, self._receives

    def expire(self, seq: int, receipt: int) -> None:
        if self._held.get(seq) == receipt:
            del self._held[seq]
            self._waiting.insert(0, seq)
            self._busy = False
            self._note("expired", seq)

    def ack(self, seq: int, receipt: int) -> None:
        mine = self._held.get(seq) == receipt
        if mine:
            del self._held[seq]
        if mine or self._bug == "deletes":
            self._note("deleted", seq)
        if mine or self._bug == "frees":
            self._busy = False


def toy(bug: str) -> Callable[[Broker], Awaitable[None]]:
    """Two workers at a Toy, and one who begins at once or not at all, and is over its visibility timeout."""

    async def main(_: Broker) -> None:
        queue, loop = Toy(bug), asyncio.get_running_loop()
        queue.send(1)
        queue.send(2)

        async def work(seconds: float, until: float) -> None:
            while True:
                taken = queue.receive()
                if taken is not None:
                    loop.call_later(5, queue.expire, *taken)
                    await asyncio.sleep(seconds)
                    queue.ack(*taken)
                if loop.time() >= until:
                    return
                await asyncio.sleep(0.5)

        await at_the_same_time(work(4, 20), work(4, 20), work(7, 0))

    return main


# -- each law catches its own ------------------------------------------------------------------------------------------


class Planted(NamedTuple):
    """A program, the law it breaks, in which words, and within how many seeds."""

    program: Callable[[Broker], Awaitable[None]]
    law: laws.Law
    words: str
    within: int


PLANTED = {
    "conserved": Planted(toy("deletes"), laws.conserved(), "was gone when it was deleted", 10),
    "in_order, of the engine": Planted(toy("frees"), laws.in_order(), "while an earlier one was in flight", 10),
    "in_order, of the program": Planted(overtakes, laws.in_order(number), "number 1, was done .* after number 2", 10),
    "once": Planted(charges_twice, laws.once(text, cause="sent", queue="charges"), "'card 7' was sent twice", 10),
    "reasons": Planted(dies_without_a_word, laws.reasons(), "what is said of it is only", 10),
    "drained": Planted(leaves_one, laws.drained(), "is still in queue 'orders'", 10),
    "latency": Planted(waits_behind_short_ones, laws.latency(5), "took 6 s in queue 'jobs', over the 5 s", 10),
}


def recorded(program: Callable[[Broker], Awaitable[None]], seed: int, faults: Faults | None = None) -> Recording:
    """A run of a program under one seed."""
    changes: list[Change] = []

    async def main() -> int:
        async with Broker() as broker:
            await program(broker)
            broker.check()
            changes_there.append(len(changes))  # without what follows from closing it
            return broker.clock.now() + broker.clock.epoch

    changes_there: list[int] = []
    ended = simulate(main, seed=seed, faults=faults, observers=[changes.append])
    return Recording(changes[: changes_there[0]], seed=seed, ended=ended)


def accused(
    program: Callable[[Broker], Awaitable[None]], law: laws.Law, seeds: range, faults: Faults | None = None
) -> list[LawBroken]:
    """What this law, and those that always hold, say of a program under these seeds."""
    found: list[LawBroken] = []
    for seed in seeds:
        try:
            laws.check(recorded(program, seed, faults), law)
        except LawBroken as broken:
            found.append(broken)
    return found


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_bug_is_caught_within_the_stated_number_of_seeds_and_not_by_each(name: str) -> None:
    planted = PLANTED[name]

    found = accused(planted.program, planted.law, range(40))

    assert found[0].seed is not None
    assert found[0].seed < planted.within
    assert len(found) < 36
    assert all(re.search(planted.words, str(one)) for one in found)
    assert found[0].story is not None


@pytest.mark.parametrize("name", PLANTED)
def test_the_same_seed_breaks_it_again_at_the_same_message(name: str) -> None:
    planted = PLANTED[name]
    [first, *_] = accused(planted.program, planted.law, range(planted.within))
    assert first.seed is not None

    [again] = accused(planted.program, planted.law, range(first.seed, first.seed + 1))

    assert str(again) == str(first)


# -- with faults -------------------------------------------------------------------------------------------------------

AT_LEAST_ONCE = Faults(duplicate=0.1, reorder=0.1, delay=0.1, lose_ack=0.1, redeliver_early=0.1, short_poll=0.5)


def shop(*, remembers: bool) -> Callable[[Broker], Awaitable[None]]:
    """Orders are charged once, entries booked in their order, and what cannot be done is dead for a reason."""

    async def main(broker: Broker) -> None:
        dead, charges = broker.queue("dead"), broker.queue("charges")
        orders = broker.queue("orders", visibility_timeout=10, dead_letter=dead, max_receives=9)
        entries = broker.queue("entries.fifo", visibility_timeout=10)

        async def pay(message: Message) -> None:
            if message.body == "order 1":
                raise Reject("no such card")
            await asyncio.sleep(1)
            charges.send(message.body)

        async def book(message: Message) -> None:
            if message.receive_count == 1 and message.body == "2":
                raise LookupError("not yet")
            await asyncio.sleep(0.5)

        by_order = idempotent(MemoryStore(), key=lambda message: message.body, ttl=86_400)
        orders.consume(by_order(pay) if remembers else pay, concurrency=2)
        entries.consume(book, concurrency=2)

        async def enter() -> None:
            for number in range(3):
                await entries.aio.send(f"{number}", group=f"g{number % 2}", deduplication_id=f"{number}")

        sales = (orders.aio.send(f"order {number}") for number in range(2))
        await at_the_same_time(*sales, enter())
        await asyncio.sleep(600)

    return main


KEPT: dict[str, laws.Law] = {
    "once": laws.once(text, cause="sent", queue="charges"),
    "in order": laws.in_order(number, queue="entries.fifo"),
    "drained": laws.drained("orders", "entries.fifo"),
}
PROMPT: dict[str, laws.Law] = {"reasons": laws.reasons(), "latency": laws.latency(15, queue="orders")}


@pytest.mark.slow
def test_a_right_program_is_not_accused_by_any_law_over_a_thousand_seeds() -> None:
    """Measured: 3 ms a seed."""
    for seed in range(1_000):
        laws.check(recorded(shop(remembers=True), seed), *KEPT.values(), *PROMPT.values())


def test_a_right_program_is_not_accused_either_of_what_faults_do_to_it() -> None:
    """Who suffers faults may be late, and die of that without a complaint; else it keeps its laws."""
    for seed in range(100):
        laws.check(recorded(shop(remembers=True), seed, AT_LEAST_ONCE), *KEPT.values())


def test_a_right_engine_is_not_accused() -> None:
    for seed in range(100):
        laws.check(recorded(toy("none"), seed))


def test_a_program_that_only_faults_break_is_caught_within_ten_seeds_of_them() -> None:
    assert accused(shop(remembers=False), KEPT["once"], range(20)) == []

    found = accused(shop(remembers=False), KEPT["once"], range(10), AT_LEAST_ONCE)

    assert "was sent twice in queue 'charges'" in str(found[0])
    assert "fault" in str(found[0].story)


# -- the same suite twice ----------------------------------------------------------------------------------------------


def suite(folder: Path) -> None:
    """A small suite of programs under a few seeds each; their recordings in files."""
    programs = {
        **{name.replace(" ", "_"): (planted.program, None) for name, planted in PLANTED.items()},
        "shop": (shop(remembers=True), None),
        "shop_with_faults": (shop(remembers=False), AT_LEAST_ONCE),
    }
    for name, (program, faults) in programs.items():
        for seed in range(3):
            recorded(program, seed, faults).save(folder / f"{name}-{seed}.jsonl")


def test_the_same_suite_has_the_same_recordings_twice_also_in_another_process(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    for folder in (here, there):
        folder.mkdir()

    suite(here)
    program = "import sys, pathlib; from tests.test_laws_planted import suite; suite(pathlib.Path(sys.argv[1]))"
    environment = {**os.environ, "PYTHONHASHSEED": "4711"}
    subprocess.run([sys.executable, "-c", program, str(there)], cwd=ROOT, env=environment, check=True)

    names = sorted(path.name for path in here.iterdir())
    assert len(names) == 3 * (len(PLANTED) + 2)
    for name in names:
        difference = Recording.load(here / name).diff(Recording.load(there / name))
        assert not difference, f"{name}: {difference}"
        assert (here / name).read_text() == (there / name).read_text()  # also the ids, and who did what
    assert Recording.load(here / "shop-0.jsonl").diff(Recording.load(here / "shop-1.jsonl"))
