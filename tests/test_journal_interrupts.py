"""A process that ends in the middle of an operation, at any of its points: what it had accepted is there in the next one.

An interrupt stops the operation; then the folder is opened again as it is, as after kill -9, and once more after the next
operation has put right what was left half done.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from journalled import kill, opened
from test_interrupts import OPERATIONS, Once, World, at_each_point, check_world, drained

from decouple import Broker, Queue, VirtualClock


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def journalled(folder: Path) -> World:
    """The world of test_interrupts, in a new folder."""
    clock = VirtualClock()
    broker = opened(tempfile.mkdtemp(dir=folder), clock)
    dead = broker.queue("dead")
    queue = broker.queue("work", dead_letter=dead, max_receives=3)
    queue.send_batch(["a", "b", "c", "d"])
    held = queue.receive(max_messages=4)
    held[2].nack()
    for _ in range(2):
        [again] = queue.receive()
        again.nack()
    held[3].nack()
    queue.send("e", delay=10)
    queue.send_batch(["f", "g", "h"])
    return World(clock, queue, dead, Once(), held, set("abcdefgh"))


def killed(world: World) -> str:
    """End its process; the folder is left as it is."""
    broker = world.queue._employer
    assert isinstance(broker, Broker)
    return kill(broker)


def check_after_kill(world: World, where: str) -> None:
    path = killed(world)
    broker = opened(path, world.clock)
    again = World(world.clock, broker.queue("work"), broker.queue("dead"), world.ledger, [], world.sure, world.maybe)
    check_world(again, where)
    killed(again)


def check_later(world: World, where: str) -> None:
    """The next operation writes what was left; what is in memory then is what is there after a kill."""
    here(world.queue, world.dead)  # which goes on with a redrive that was interrupted
    before = here(world.queue, world.dead)
    broker = opened(killed(world), world.clock)
    queue, dead = broker.queue("work"), broker.queue("dead")
    assert here(queue, dead) == before, f"not written after an interrupt at {where}"
    again = World(world.clock, queue, dead, world.ledger, [], world.sure, world.maybe)
    assert set(drained(again)) >= world.sure
    killed(again)


def here(*queues: Queue) -> tuple[int, int, int]:
    """How many messages are there in all: a redrive that goes on may have moved some from one to the other."""
    stats = [queue.stats() for queue in queues]
    return sum(one.visible for one in stats), sum(one.in_flight for one in stats), sum(one.delayed for one in stats)


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("after", [check_after_kill, check_later])
def test_what_was_accepted_is_there_after_an_interrupt_anywhere(
    operation: Callable[[World], object], after: Callable[[World, str], None], folder: Path
) -> None:
    assert at_each_point(lambda: journalled(folder), operation, after, most=12) > 1
