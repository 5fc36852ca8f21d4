"""Checked by mypy --strict and a strict pyright, never run: a decorated handler keeps its type."""

from __future__ import annotations

from typing import Any, assert_type
from unittest.mock import ANY

import attrs

from decouple import Change, Message, Queue, Reject, Retry, Topic
from decouple.autoscale import Autoscaler
from decouple.consumer import Consumer, ConsumerStats
from decouple.core.backoff import exponential, until
from decouple.testing import Call


@attrs.frozen
class Order:
    id: int


async def a_consumer_is_called_as_its_handler(orders: Queue) -> None:
    @orders.consume
    def bare(message: Message) -> int:
        return message.receive_count

    @orders.consume(concurrency=4, heartbeat=10, retry=exponential(1, 300))
    def full(order: Order, *, dry: bool = False) -> str:
        if dry:
            raise Retry(delay=5)
        raise Reject("why")

    @orders.consume(retry={ValueError: until(exponential(), max_attempts=3), OSError: None})
    async def awaited(body: dict[str, Any]) -> bytes:
        return b""

    assert_type(bare(orders.receive()[0]), int)
    assert_type(full(Order(7), dry=True), str)
    assert_type(await awaited({}), bytes)
    assert_type(bare.stats(), ConsumerStats)
    assert_type(orders.autoscale(full, latency=60), Autoscaler)
    assert_type(bare.calls, list[Call])
    assert_type(orders.wait_for(lambda: bare.calls, timeout=60), list[Call])
    assert_type(await orders.aio.wait_for(lambda: bare.stats()), ConsumerStats)


def a_call_gives_the_same(orders: Queue[Order]) -> None:
    def handle(order: Order) -> None: ...

    consumer = orders.consume(handle, concurrency=2)
    consumer(Order(1))
    kept: Consumer[..., None] = consumer
    kept.pause()


def what_was_sent_is_asserted_by_type_json_or_matcher(orders: Queue[Order], events: Topic) -> None:
    assert_type(orders.assert_sent(Order(1), attributes={"n": 1}, count=2), list[Change])
    orders.assert_sent({"id": ANY})
    orders.assert_sent(ANY)
    events.assert_published({"id": 1}, subject="news")
