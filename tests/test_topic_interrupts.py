"""Ctrl-C everywhere in a publish: either nothing was published, or every queue has it, and the topic stays usable.

The points are those of test_interrupts.py. Only a copy that is no shared record (a FIFO queue's, one in an envelope) may
be missing, and of those only the one that was being made at that very moment.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import attrs
import pytest
from test_interrupts import Once, Tracer, interrupt

from decouple import Broker, Queue
from decouple.testing import Ledger, VirtualClock
from decouple.topic import Topic

OBSERVED = pytest.mark.parametrize("observed", [False, True], ids=["plain", "observed"])


@attrs.define(eq=False)
class World:
    """A topic, queues that share its records, others that do not, and handlers with what they got."""

    broker: Broker
    topic: Topic
    ledger: Ledger
    sharing: list[Queue[Any]]
    others: list[Queue[Any]] = attrs.field(factory=list)
    got: list[str] = attrs.field(factory=list)
    gate: list[str] = attrs.field(factory=list)


def standard_world(observed: bool) -> World:
    ledger = Once()
    broker = Broker(clock=VirtualClock(), observers=[ledger] if observed else [])
    topic = broker.topic("t")
    queues = [Queue(f"q{number}", clock=broker.clock) for number in range(4)]
    world = World(broker, topic, ledger, queues)
    for queue in queues[:2]:
        topic.subscribe(queue)
    for queue in queues[2:]:
        topic.subscribe(queue, filter={"a": ["1"]})
    world.others = [Queue(f"o{number}", clock=broker.clock) for number in range(2)]
    for queue in world.others:
        topic.subscribe(queue, envelope=True)
    topic.subscribe(lambda one: world.got.append(one.text), concurrency=1)
    topic.subscribe(lambda one: world.gate.append(one.text), concurrency=1, max_backlog=5, on_full="block")
    return world


def fifo_world(observed: bool) -> World:
    ledger = Once()
    broker = Broker(clock=VirtualClock(), observers=[ledger] if observed else [])
    topic = broker.topic("t.fifo", archive=1_000)
    others = [Queue(f"o{number}.fifo", clock=broker.clock) for number in range(3)]
    for position, queue in enumerate(others):
        topic.subscribe(queue, filter={"a": ["1"]} if position else None)
    return World(broker, topic, ledger, [], others)


def publish(world: World, text: str) -> None:
    more = {"group": "g", "deduplication_id": text} if world.topic.fifo else {}
    world.topic.publish(text, attributes={"a": "1"}, **more)


def points(world: World) -> int:
    tracer = Tracer(0, interrupt)
    tracer.run(lambda: publish(world, "x"))
    return tracer.seen


def counts(queues: list[Queue[Any]]) -> list[int]:
    return [queue.stats().visible for queue in queues]


def check(world: World, where: str) -> None:
    assert not world.topic._lock.locked(), where
    published = world.topic.stats().published
    assert counts(world.sharing) == [published] * len(world.sharing), f"half a fan-out after {where}"
    missing = len(world.others) * published - sum(counts(world.others))
    assert 0 <= missing <= 1, f"{missing} copies are missing after {where}"
    for subscription in world.topic.subscriptions:
        stats = subscription.stats()
        assert (stats.accepted, stats.filtered_out) == (published, 0) or subscription.line, f"{stats} after {where}"
        assert subscription.line is None or subscription.line.reserved == 0, f"a place is held after {where}"
    publish(world, "x")  # again: by its id, a FIFO topic knows whether it was published
    publish(world, "last")
    world.broker.run_until_idle()
    total = world.topic.stats().published
    assert total == (2 if world.topic.fifo else 2 + published), f"lost by deduplication after {where}"
    assert counts(world.sharing) == [total] * len(world.sharing), where
    assert total * len(world.others) - sum(counts(world.others)) == missing, where
    for got in (world.got, world.gate):
        assert not world.sharing or total - 1 <= len(got) <= total, f"{got} of {total} pushed after {where}"
        assert not world.sharing or got[-1] == "last", f"a line stands still after {where}"
    if published and world.topic.fifo:
        assert world.topic.stats().archived == 2, f"archived wrongly after {where}"
    world.broker.check()
    for queue in (*world.sharing, *world.others):
        queue.check()
    for subscription in world.topic.subscriptions:
        assert subscription.stats().backlog == 0, f"a notification is stuck after {where}"


@OBSERVED
@pytest.mark.parametrize("make", [standard_world, fifo_world])
@pytest.mark.parametrize("tried", [30, pytest.param(1_000, marks=pytest.mark.slow)])
def test_an_interrupted_publish_is_whole_or_nothing(make, observed, tried):
    outcomes = set()
    warm = make(observed)
    publish(warm, "w")
    most = points(make(observed))
    assert most > 30
    for at in range(1, most + 1, 1 + most // tried):
        world = make(observed)
        tracer = Tracer(at, interrupt)
        with suppress(KeyboardInterrupt):
            tracer.run(lambda world=world: publish(world, "x"))
        outcomes.add(world.topic.stats().published)
        check(world, f"an interrupt at {tracer.where}")

    assert outcomes == {0, 1}


def test_what_was_recorded_is_what_was_published():
    for at in range(1, points(standard_world(True)) + 1, 7):
        world = standard_world(True)
        with suppress(KeyboardInterrupt):
            Tracer(at, interrupt).run(lambda world=world: publish(world, "x"))
        publish(world, "last")

        assert world.ledger.counts["published"] == world.topic.stats().published
