"""Ctrl-C everywhere in subscribing, cancelling, pushing and closing: nothing stays half, and what was interrupted can go on.

The points are those of test_interrupts.py. What an interrupt came into is done again rather than not: a delivery, or a
copy for the dead-letter queue, may be made twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import attrs
import pytest
from test_interrupts import Tracer, interrupt

from decouple import Broker, Email, Queue, Subscription
from decouple.testing import VirtualClock
from decouple.topic import Topic

RETRY = {"numRetries": 1, "minDelayTarget": 1, "maxDelayTarget": 1}


@attrs.define(eq=False)
class World:
    """A topic, a queue, and a handler that fails `failing` times for each message."""

    failing: int = 0
    broker: Broker = attrs.field(factory=lambda: Broker(clock=VirtualClock(), seed=1))
    got: Counter[str] = attrs.field(factory=Counter)

    @property
    def topic(self) -> Topic:
        return self.broker.topic("t")

    @property
    def queue(self) -> Queue[str]:
        return self.broker.queue("q")

    @property
    def dead(self) -> Queue[str]:
        return self.broker.queue("dead")

    def handle(self, notification: Any) -> None:
        self.got[notification.text] += 1
        if self.got[notification.text] <= self.failing:
            raise OSError("no")

    def subscribe_handler(self) -> Subscription:
        return self.topic.subscribe(self.handle, retry=RETRY, dead_letter=self.dead, concurrency=1)

    def work(self) -> None:
        self.broker.run_until_idle(budget=10, errors="collect")


def interrupted(make: Callable[[], World], act: Callable[[World], object]) -> Iterator[tuple[World, str]]:
    """Worlds in each of which `act` was interrupted at another point, and where."""
    tracer = Tracer(0, interrupt)
    world = make()
    tracer.run(lambda: act(world))
    assert tracer.seen > 5
    for at in range(1, tracer.seen + 1):
        world, tracer = make(), Tracer(at, interrupt)
        with suppress(KeyboardInterrupt):
            tracer.run(lambda world=world: act(world))
        yield world, tracer.where


@pytest.mark.parametrize("policy", [None, {"a": ["1"]}], ids=["plain", "filtered"])
def test_an_interrupted_subscribe_can_be_done_again(policy):
    def subscribe(world: World) -> Subscription:
        return world.topic.subscribe(world.queue, filter=policy)

    for world, where in interrupted(World, subscribe):
        subscription = subscribe(world)
        world.topic.publish("x", attributes={"a": "1"})
        assert world.queue.stats().visible == 1, where
        assert subscription.stats()[:3] == (1, 0, 1), where

        subscription.cancel()
        world.topic.publish("y", attributes={"a": "1"})
        assert world.queue.stats().visible == 1, where
        assert world.topic.subscriptions == [], where


def test_who_is_to_confirm_is_asked_also_after_an_interrupted_subscribe():
    def subscribe(world: World) -> Subscription:
        return world.topic.subscribe(Email("a@b.de"))

    for world, where in interrupted(World, subscribe):
        subscription = subscribe(world)
        world.work()
        assert subscription.state == "pending", where
        token = world.broker.outbox[-1].notification.token
        assert token is not None
        assert world.topic.confirm(token) is subscription, where


def test_an_interrupted_cancel_has_cancelled_or_can_be_done_again():
    def make() -> World:
        world = World()
        world.topic.subscribe(world.queue)
        world.topic.subscribe(world.broker.queue("filtered"), filter={"a": ["1"]})
        world.subscribe_handler()
        world.topic.publish("before", attributes={"a": "1"})
        return world

    subscriptions: list[Subscription] = []

    def cancel(world: World) -> None:
        for one in subscriptions:
            one.cancel()

    def make_and_note() -> World:
        world = make()
        subscriptions[:] = world.topic.subscriptions
        return world

    for world, where in interrupted(make_and_note, cancel):
        cancel(world)
        world.topic.publish("after", attributes={"a": "1"})
        world.work()
        assert [world.queue.stats().visible, world.broker.queue("filtered").stats().visible] == [1, 1], where
        assert (world.got, world.topic.subscriptions) == (Counter(), []), where
        assert {one.state for one in subscriptions} == {"cancelled"}, where
        assert 1 <= world.dead.stats().visible <= 2, where
        assert subscriptions[-1].stats().backlog == 0, where


@pytest.mark.parametrize("failing", [0, 1, 9], ids=["taken", "retried", "dead"])
def test_interrupted_work_goes_on_with_the_next_run(failing):
    def make() -> World:
        world = World(failing)
        world.subscribe_handler()
        for text in ("a", "b", "c"):
            world.topic.publish(text)
        return world

    for world, where in interrupted(make, World.work):
        world.work()
        world.work()
        [subscription] = world.topic.subscriptions
        stats = subscription.stats()
        assert stats.backlog == 0, f"{stats} after {where}"
        assert (stats.dead_lettered if failing == 9 else stats.delivered) == 3, f"{stats} after {where}"
        assert stats.dead_lettered <= world.dead.stats().visible <= stats.dead_lettered + 1, where
        assert subscription.line is not None
        assert subscription.line.turns == 0, where
        world.broker.check()

        world.topic.publish("last")
        world.work()
        assert world.got["last"], f"the line stands still after {where}"


def test_an_interrupted_close_can_be_done_again():
    def make() -> World:
        world = World()
        world.subscribe_handler()
        for text in ("a", "b", "c"):
            world.topic.publish(text)
        return world

    for world, where in interrupted(make, lambda world: world.broker.close()):
        [subscription] = world.broker.topics["t"].subscriptions
        world.broker.close()
        assert subscription.stats().backlog == 0, where
        assert 3 <= world.broker.queues["dead"].stats().visible <= 4, where


def test_of_a_fifo_publish_only_the_copy_at_hand_misses_its_dead_letter_queue():
    """The others follow, also when the interrupt came before any of them was seen to."""

    def make() -> World:
        world = World()
        for number in range(3):
            small = world.broker.queue(f"small{number}.fifo", max_message_size=1_024)
            world.broker.topic("t.fifo").subscribe(small, dead_letter=world.broker.queue(f"dead{number}.fifo"))
        return world

    def publish(world: World) -> None:
        world.broker.topics["t.fifo"].publish("x" * 2_000, group="g", deduplication_id="1")

    for world, where in interrupted(make, publish):
        published = world.broker.topics["t.fifo"].stats().published
        buried = sum(world.broker.queues[f"dead{number}.fifo"].stats().visible for number in range(3))
        assert buried in ((2, 3) if published else (0,)), where
