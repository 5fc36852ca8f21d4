"""Ctrl-C everywhere in what a trigger does: no place is kept, no message waits for its visibility for nothing, work goes on.

The points are those of test_interrupts.py. A batch whose handler was begun may be handled twice; one that was not is given
back with its receive count restored.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import attrs
import pytest
from test_interrupts import Tracer, interrupt

from decouple import Broker, Queue
from decouple.function import Function
from decouple.testing import VirtualClock
from decouple.trigger import Trigger

BODIES = ["a", "b", "c"]
KINDS: dict[str, dict[str, Any]] = {
    "plain": {},
    "window": {"batch_window": 1},
    "one at a time": {"max_concurrency": 1},
    "throttled": {"concurrency": 1, "max_concurrency": 2},
    "by AWS's law": {"scaling": "aws"},
    "failing": {"failing": True},
}


@attrs.define(eq=False)
class World:
    """A queue of three messages and a function that takes two at a time; `failing`: its first run fails."""

    broker: Broker
    queue: Queue[str]
    function: Function
    trigger: Trigger
    got: Counter[str]

    @classmethod
    def of(cls, *, failing: bool = False, concurrency: int | None = None, **settings: Any) -> World:
        broker = Broker(clock=VirtualClock(), seed=1)
        queue = broker.queue("q", visibility_timeout=30)
        got: Counter[str] = Counter()

        def handle(event: Any, context: Any) -> None:
            first = not got
            got.update(record["body"] for record in event["Records"])
            if failing and first:
                raise OSError("no")

        function = broker.function(handle, concurrency=concurrency)
        trigger = queue.trigger(function, batch_size=2, **settings)
        queue.send_batch(BODIES)
        return cls(broker, queue, function, trigger, got)

    def work(self, budget: float = 3) -> None:
        self.broker.run_until_idle(budget=budget, errors="collect")


MOST_POINTS = 600
"""Of a longer piece of work every second, third, ... point is taken."""


def interrupted(settings: dict[str, Any]) -> Iterator[tuple[World, str]]:
    """Worlds whose work was interrupted, each at another point, and where."""
    tracer = Tracer(0, interrupt)
    tracer.run(World.of(**settings).work)
    for at in range(1, tracer.seen + 1, 1 + tracer.seen // MOST_POINTS):
        world, tracer = World.of(**settings), Tracer(at, interrupt)
        with suppress(KeyboardInterrupt):
            tracer.run(world.work)
        yield world, tracer.where


@pytest.mark.parametrize("kind", KINDS)
def test_a_trigger_interrupted_anywhere_keeps_no_place_and_goes_on(kind: str) -> None:
    for world, where in interrupted(KINDS[kind]):
        world.work(100)
        world.queue.send("after")
        world.work(100)

        assert set(world.got) == {*BODIES, "after"}, where
        numbers = world.trigger.stats()
        assert (numbers.running, numbers.waiting, world.function.stats().running) == (0, 0, 0), where
        counts = world.queue.stats()
        assert (counts.visible, counts.in_flight) == (0, 0), where
        world.broker.check()


def test_what_was_not_begun_is_handled_at_once() -> None:
    early = 0
    for world, where in interrupted({}):
        if world.trigger.stats().failed or world.got:
            continue  # its handler may have been called
        world.work(0)

        assert world.got == Counter(BODIES), where
        early += 1

    assert early > 50
