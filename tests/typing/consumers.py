"""Checked by mypy --strict and a strict pyright, never run: a decorated handler keeps its type."""

from __future__ import annotations

from typing import Any, assert_type

import attrs

from decouple import Message, Queue, Reject, Retry
from decouple.autoscale import Autoscaler
from decouple.consumer import Consumer, ConsumerStats
from decouple.core.backoff import exponential, until


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


def a_call_gives_the_same(orders: Queue[Order]) -> None:
    def handle(order: Order) -> None: ...

    consumer = orders.consume(handle, concurrency=2)
    consumer(Order(1))
    kept: Consumer[..., None] = consumer
    kept.pause()
