"""The whole harness of benchmarks/survival.py in one process, on a memory broker in virtual time, with a defect planted in it.

What a faulty engine would do at a restart is done to the state of the queues by hand, in the midst of the load: the
ledger must condemn it, and by the right law. Without a defect it has nothing to say.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from typing import Any

import pytest
import surviving_path  # noqa: F401
from surviving.facts import Fact
from surviving.ledger import judge
from surviving.load import PLAN, Backlog, Teller, Worker, declare

from decouple import Broker
from decouple.core.records import details_of, new_delivery
from decouple.testing import VirtualClock

LEASE = 0.4


class Load:
    """Three workers on one broker, taking turns; at each turn up to 4 ms go by."""

    def __init__(self, seed: int) -> None:
        self.clock = VirtualClock()
        self.broker = Broker(clock=self.clock)
        self.facts: list[Fact] = []
        self.chance = random.Random(seed)
        declare(self.broker, LEASE)
        ticks, backlog = itertools.count(), Backlog()
        self.workers = [
            Worker(
                self.broker,
                Teller(f"1.{at}", lambda *fact: self.facts.append([*fact]), lambda: self.clock.now() + next(ticks)),
                f"{seed} {at}",
                f"{at}",
                LEASE,
                backlog,
            )
            for at in range(3)
        ]

    def turns(self, count: int) -> None:
        for _ in range(count):
            self.chance.choice(self.workers).step()
            self.clock.advance(self.chance.random() * 0.004)

    def laws(self) -> set[str]:
        """Drain it: the laws that are broken then."""
        self.workers[0].drain(60, self.clock.advance)
        return {verdict.law for verdict in judge(self.facts, PLAN).verdicts}


@pytest.mark.parametrize("seed", range(4))
def test_without_a_defect_the_ledger_has_nothing_to_say(seed):
    load = Load(seed)

    load.turns(500)

    assert load.laws() == set()
    load.broker.check()


# -- defects: each is done to the core of a queue, and says whether there was an occasion --------------------------


def loses_the_last_one(core: Any, load: Load) -> bool:
    if not core.fresh:
        return False
    if isinstance(core.fresh, dict):
        core.touched += [core.fresh.popitem()[1]]
    else:
        core.fresh.pop()
    return True


def loses_one_in_flight(core: Any, load: Load) -> bool:
    return bool(core.leased) and core.leased.popitem() is not None


def forgets_a_lease(core: Any, load: Load) -> bool:
    if not core.leased:
        return False
    seq = next(reversed(core.leased))  # the one whose lease is the newest
    core.show(load.clock.now(), core.leased[seq], "expired")
    return True


def forgets_the_counts(core: Any, load: Load) -> bool:
    counted = [delivery for delivery in core.again.values() if delivery.times_received > 0]
    for delivery in counted:
        delivery.past = (-1, None, True)
    return bool(counted)


def swaps_two_in_a_group(core: Any, load: Load) -> bool:
    for group in core.groups.values():
        if not isinstance(group, int) and all(seq in core.fresh for seq in group.line[group.head :][:2]):
            at = group.head
            if len(group.line) > at + 1:
                group.line[at], group.line[at + 1] = group.line[at + 1], group.line[at]
                return True
    return False


def ends_the_delays(core: Any, load: Load) -> bool:
    early = [one for one in core.delayed.values() if one.due - load.clock.now() > 50_000_000]
    for delivery in early:
        core.show(load.clock.now(), delivery, "delay ended")
        core.again.move_to_end(delivery.record[2], last=False)
        delivery.due = 0  # before all that are fresh
    return bool(early)


def doubles_a_message(core: Any, load: Load) -> bool:
    if not core.fresh or isinstance(core.fresh, dict):
        return False
    text, at, _, *details = core.fresh[-1]
    core.fresh.append((text, at, core.next_seq(), *details))
    return True


def moves_a_message_too_soon(core: Any, load: Load) -> bool:
    fresh = next(
        (one for one in core.leased.values() if one.times_received == 1 and not one.record[0].endswith("!")), None
    )
    if fresh is None:
        return False
    core.depart(load.clock.now(), fresh, core.settings.dead_letter)
    core.owner._follow_up()
    return True


def resurrects_a_delete(core: Any, load: Load) -> bool:
    gone = [fact[5][0] for fact in load.facts if fact[3:5] == ["delete", core.name]]
    if not gone or isinstance(core.fresh, dict):
        return False
    tag, identity, _ = gone[-1]
    record = (tag, load.clock.now(), int(identity[-12:], 16))
    core.again[record[2]] = new_delivery(core.make, core.owner, record, -1, load.clock.now(), (0, None, True))
    return True


def forgets_deduplication_ids(core: Any, load: Load) -> bool:
    if len(core.seen) < 40:
        return False
    core.seen.clear()
    core.window.clear()
    return True


def keeps_what_has_moved(core: Any, load: Load) -> bool:
    dead = load.broker.queues[PLAN.dead[core.name]]
    letters = [one for one in dead.peek(50) if details_of(one.record).id is not None]
    for letter in letters[:1]:
        record = (letter.text, load.clock.now(), seq := int(letter.id[-12:], 16))
        core.again[seq] = new_delivery(core.make, core.owner, record, -1, load.clock.now(), (0, None, True))
    return bool(letters)


Defect = Callable[[Any, Load], bool]


@pytest.mark.parametrize(
    ("defect", "queue", "law"),
    [
        (loses_the_last_one, "work", "lost"),
        (loses_the_last_one, "copies-b", "lost"),
        (loses_the_last_one, "orders.fifo", "lost"),
        (loses_one_in_flight, "work", "lost"),
        (forgets_a_lease, "work", "twice"),
        (forgets_a_lease, "orders.fifo", "twice"),
        (forgets_the_counts, "work", "count"),
        (forgets_the_counts, "orders.fifo", "count"),
        (swaps_two_in_a_group, "orders.fifo", "order"),
        (ends_the_delays, "work", "early"),
        (doubles_a_message, "work", "doubled"),
        (moves_a_message_too_soon, "work", "dead"),
        (resurrects_a_delete, "work", "resurrected"),
        (resurrects_a_delete, "copies-a", "resurrected"),
        (forgets_deduplication_ids, "orders.fifo", "doubled"),
        (keeps_what_has_moved, "work", "resurrected"),
    ],
)
def test_a_defect_is_condemned(defect: Defect, queue: str, law: str):
    load = Load(7)
    load.turns(200)

    occasions = 0
    for _ in range(500):
        load.turns(1)
        occasions += defect(load.broker.queues[queue]._core, load)
        if occasions == 5:
            break
    load.turns(120)

    assert occasions
    assert law in load.laws()
