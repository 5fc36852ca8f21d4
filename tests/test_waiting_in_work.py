"""Waits in the midst of due work on a virtual clock: a handler that waits takes time, and nobody has to move it."""

from __future__ import annotations

import pytest

from decouple import Broker, ClockStuck, Message
from decouple.core.deadlines import FAR
from decouple.parking import ThreadPark
from decouple.testing import VirtualClock


def test_a_handler_that_waits_gets_its_message_at_that_instant(broker: Broker, clock: VirtualClock) -> None:
    news, replies = broker.topic("news"), broker.queue("replies")
    got: list[tuple[str, int]] = []

    def ask(_: object) -> None:
        replies.send("yes", delay=5)
        got.extend((message.body, clock.time.second) for message in replies.receive(wait=20))
        assert replies.receive(wait=20) == []

    news.subscribe(ask)
    news.publish("hello")
    broker.run_until_idle()

    assert got == [("yes", 5)]
    assert clock.time.second == 25


def test_an_async_handler_that_waits_gets_its_message_at_that_instant(broker: Broker, clock: VirtualClock) -> None:
    news, replies = broker.topic("news"), broker.queue("replies")
    got: list[tuple[str, int]] = []

    async def ask(_: object) -> None:
        replies.send("yes", delay=5)
        messages: list[Message] = await replies.aio.receive(wait=20)
        got.extend((message.body, clock.time.second) for message in messages)
        assert await replies.aio.receive(wait=20) == []

    news.subscribe(ask)
    news.publish("hello")
    broker.run_until_idle()

    assert got == [("yes", 5)]
    assert clock.time.second == 25


def test_time_goes_on_from_where_the_handler_left_it(broker: Broker, clock: VirtualClock) -> None:
    news, replies = broker.topic("news"), broker.queue("replies")
    news.subscribe(lambda _: replies.receive(wait=30))
    news.publish("hello")

    clock.advance(10)
    assert clock.time.second == 30

    clock.advance(10)
    assert clock.time.second == 40


def test_a_handler_that_waits_for_ever_is_told_so_at_once(broker: Broker, clock: VirtualClock) -> None:
    news = broker.topic("news")
    stuck: list[ClockStuck] = []

    def wait(_: object) -> None:
        with pytest.raises(ClockStuck) as caught:
            clock.sleep(ThreadPark("never", 1, 0, FAR), FAR)
        stuck.append(caught.value)

    news.subscribe(wait)
    news.publish("hello")
    broker.run_until_idle()

    assert [error.seconds for error in stuck] == [0]


def test_a_clock_says_that_it_is_being_moved_to_whoever_works_meanwhile(broker: Broker, clock: VirtualClock) -> None:
    news = broker.topic("news")
    seen: list[bool] = []
    news.subscribe(lambda _: seen.append(clock.moving))
    news.publish("hello")
    assert not clock.moving

    broker.run_until_idle()

    assert seen == [True]
    assert not clock.moving
