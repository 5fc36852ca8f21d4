"""Ctrl-C everywhere while events of `send` and schedules are seen to: none is lost, no place is kept, the next one comes.

The points are those of test_interrupts.py. What an interrupt came into is done again rather than not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from test_interrupts import Tracer, interrupt

from decouple import Broker
from decouple.testing import VirtualClock

MOST_POINTS = 600
"""Of a longer piece of work every second, third, ... point is taken."""


@pytest.fixture
def new() -> Callable[[], Broker]:
    return lambda: Broker(clock=VirtualClock(), seed=1)


def interrupted(make: Callable[[], Broker], budget: float) -> Iterator[tuple[Broker, str]]:
    """Brokers whose work was interrupted, each at another point, and where."""

    def work(broker: Broker) -> Callable[[], object]:
        return lambda: broker.run_until_idle(budget=budget, errors="collect")

    tracer = Tracer(0, interrupt)
    tracer.run(work(make()))
    for at in range(1, tracer.seen + 1, 1 + tracer.seen // MOST_POINTS):
        broker, tracer = make(), Tracer(at, interrupt)
        with suppress(KeyboardInterrupt):
            tracer.run(work(broker))
        yield broker, tracer.where


@pytest.mark.parametrize("failing", [0, 1, 9])
def test_an_event_that_was_accepted_is_seen_through(new: Callable[[], Broker], failing: int) -> None:
    def made() -> Broker:
        broker, runs = new(), Counter[str]()

        def handle(event: str, context: Any) -> None:
            runs[event] += 1
            if runs[event] <= failing:
                raise OSError("no")

        ends = broker.queue("ends")
        function = broker.function(handle, concurrency=1, on_success=ends, on_failure=ends)
        function.send("a")
        function.send("b")
        return broker

    for broker, where in interrupted(made, 400):
        broker.run_until_idle(budget=4_000, errors="collect")

        told = {letter.json()["requestPayload"] for letter in broker.queues["ends"].receive(max_messages=10)}
        assert told == {"a", "b"}, where
        numbers = broker.functions["handle"].stats()
        assert (numbers.running, numbers.pending) == (0, 0), where


@pytest.mark.parametrize("target", ["queue", "callable"])
def test_a_schedule_goes_on_and_loses_no_time_it_was_due(new: Callable[[], Broker], target: str) -> None:
    calls: list[str] = []

    def made() -> Broker:
        broker, queue = new(), None
        calls.clear()
        queue = broker.queue("reports")
        broker.schedule("rate(1 minute)", queue if target == "queue" else calls.append, payload="report", name="s")
        return broker

    for broker, where in interrupted(made, 130):
        broker.run_until_idle(budget=0, errors="collect")
        broker.run_until_idle(budget=300, errors="collect")

        numbers = broker.schedules["s"].stats()
        assert (numbers.pending, numbers.dropped) == (0, 0), where
        assert numbers.fired >= 5, where
        assert broker.queues["reports"].stats().visible + len(calls) >= numbers.fired, where
