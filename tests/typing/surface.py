"""Checked by mypy --strict and a strict pyright, never run: what an editor tells a user about our types."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any, TypedDict, assert_type

import attrs

from decouple import (
    Broker,
    Change,
    Entry,
    LargeBodies,
    MemoryStore,
    Message,
    MoveTask,
    Queue,
    QueueStats,
    Sent,
    SharedQueue,
    VirtualClock,
    idempotent,
)


@attrs.frozen
class Order:
    id: int


class Line(TypedDict):
    sku: str


def a_queue_is_of_text_unless_told_otherwise(broker: Broker) -> None:
    assert_type(Queue("a"), Queue[str])
    assert_type(broker.queue("a"), Queue[str])
    assert_type(Queue("a", body=Order), Queue[Order])
    assert_type(broker.queue("a", body=Order, visibility_timeout=5), Queue[Order])
    assert_type(broker.queue("a", body=Line), Queue[Line])
    assert_type(broker.queue("a", large_bodies=LargeBodies("folder", threshold=0)), Queue[str])


def messages_carry_the_type_of_their_queue(texts: Queue, orders: Queue[Order]) -> None:
    assert_type(texts.receive(), list[Message[str]])
    for message in orders.receive(max_messages=10, wait=20):
        with message as entered:
            assert_type(entered, Message[Order])
            assert_type(message.body.id, int)
            assert_type(message.sent_at, datetime)
            assert_type(message.json(), Any)


def dead_letters_go_back_and_messages_go_on(texts: Queue, orders: Queue[Order]) -> None:
    assert_type(orders.redrive(texts, edit=lambda letter: letter.body.id, max_per_second=0.5), MoveTask)
    assert_type(texts.redrive(where=lambda letter: letter.body.isascii()).wait(5).moved, int)
    assert_type(texts.receive()[0].move(orders, body=Order(1)), Sent)


def sends_take_what_json_holds(texts: Queue, orders: Queue[Order]) -> None:
    assert_type(texts.send({"id": 7, "lines": [1, None]}, attributes={"n": 1, "b": b"x"}), Sent)
    assert_type(orders.send(Order(1)), Sent)
    assert_type(texts.send_batch(["a", Entry("b", delay=5)]), list[Sent])
    texts.send(b"bytes")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    texts.configure(visibility=5)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


async def the_awaitable_face_has_the_same_types(orders: Queue[Order]) -> None:
    assert_type(await orders.aio.receive(wait=1), list[Message[Order]])
    assert_type(await orders.aio.stats(), QueueStats)
    async for message in orders.aio.messages():
        async with message:
            assert_type(message.body, Order)


def a_shared_queue_has_the_type_of_its_queue(orders: Queue[Order]) -> None:
    orders.policy = {"Statement": []}
    orders.policy = "{}"
    orders.policy = None
    assert_type(Queue("a").policy, dict[str, Any] | None)
    shared = orders.as_principal("111122223333", context={"aws:SourceIp": ["10.0.0.1"], "k": True})
    assert_type(shared, SharedQueue[Order])
    assert_type(shared.receive(), list[Message[Order]])


def order_of(message: Message[Order]) -> int:
    return message.body.id


@idempotent(MemoryStore(), key=order_of, ttl=3600)
def ship(message: Message[Order]) -> int:
    return message.body.id


@idempotent(MemoryStore())
async def ship_in_a_task(message: Message[Order]) -> bool:
    return bool(message.id)


async def an_idempotent_handler_keeps_its_type(message: Message[Order]) -> None:
    assert_type(ship(message), int)
    assert_type(await ship_in_a_task(message), bool)
    ship("order 7")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def observers_are_plain_callables(seen: list[Change]) -> None:
    with Broker(observers=[seen.append], clock=VirtualClock()) as broker:
        assert_type(broker.check(), dict[str, int])
    asyncio.run(the_awaitable_face_has_the_same_types(Queue("a", body=Order)))
