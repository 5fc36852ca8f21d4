"""W1, W2, W8: send, receive and acknowledge; one by one, in tens, and in an event loop."""

import asyncio
import queue as stdlib
from collections import deque
from collections.abc import Callable
from itertools import repeat
from typing import Any

from common import BODY, Figures, new_queue, us
from floor import Floor
from measure import ratio, side_by_side


def put_get(put: Callable[[str], object], get: Callable[[], object]) -> Callable[[int], None]:
    def run(count: int) -> None:
        for _ in repeat(None, count):
            put(BODY)
            get()

    return run


def w1(full: bool) -> Figures:
    ours, floor, locked, simple, ends = new_queue(), Floor(60.0), stdlib.Queue(), stdlib.SimpleQueue(), deque()

    def run_ours(count: int, send: Any = ours.send, receive: Any = ours.receive) -> None:
        for _ in repeat(None, count):
            send(BODY)
            receive()[0].ack()

    def run_floor(count: int, send: Any = floor.send, receive: Any = floor.receive, ack: Any = floor.ack) -> None:
        for _ in repeat(None, count):
            send(BODY)
            ack(receive())

    runs = {
        "decouple": run_ours,
        "FLOOR": run_floor,
        "Queue": put_get(locked.put, locked.get),
        "Simple": put_get(simple.put, simple.get),
        "deque": put_get(ends.append, ends.popleft),
    }
    times = side_by_side(runs, slices=41 if full else 9)
    return {
        "w1.floor": (ratio(times, "FLOOR"), us(times["decouple"])),
        "w1.queue": (ratio(times, "Queue"), ""),
        "w1.simple": (ratio(times, "Simple"), ""),
        "w1.deque": (ratio(times, "deque"), ""),
    }


def w2(full: bool) -> Figures:
    ours, floor, locked, simple = new_queue(), Floor(60.0), stdlib.Queue(), stdlib.SimpleQueue()
    ten = [BODY] * 10

    def run_ours(count: int) -> None:
        for _ in repeat(None, count // 10):
            ours.send_batch(ten)
            ours.delete(*ours.receive(max_messages=10))

    def run_floor(count: int) -> None:
        for _ in repeat(None, count // 10):
            floor.send_many(ten)
            floor.ack_many(floor.receive_many(10))

    runs = {
        "decouple": run_ours,
        "FLOOR": run_floor,
        "Queue": put_get(locked.put, locked.get),
        "Simple": put_get(simple.put, simple.get),
    }
    times = side_by_side(runs, slices=41 if full else 9, per=10)
    return {
        "w2.floor": (ratio(times, "FLOOR"), us(times["decouple"])),
        "w2.queue": (ratio(times, "Queue"), "no batches: ten puts, ten gets"),
        "w2.simple": (ratio(times, "Simple"), "no batches: ten puts, ten gets"),
    }


def w8(full: bool) -> Figures:
    aio, theirs, loop = new_queue().aio, asyncio.Queue[str](), asyncio.new_event_loop()

    async def cycles(count: int) -> None:
        for _ in repeat(None, count):
            await aio.send(BODY)
            (await aio.receive(wait=20))[0].ack()

    async def puts(count: int) -> None:
        for _ in repeat(None, count):
            await theirs.put(BODY)
            await theirs.get()

    runs = {
        "decouple": lambda count: loop.run_until_complete(cycles(count)),
        "asyncio": lambda count: loop.run_until_complete(puts(count)),
    }
    times = side_by_side(runs, slices=41 if full else 9)
    loop.close()
    return {"w8.asyncio": (ratio(times, "asyncio"), us(times["decouple"]))}
