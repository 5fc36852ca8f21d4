"""simulate: what a queue event and a day cost in virtual time, beside the same program on asyncio's own loop.

Programs of tasks that send, receive and acknowledge through queue.aio. A day of 100 messages a second, with a consumer of a
broker: a hundred at each second, or one each 10 ms, where time is moved and the consumer woken for every single message.
The quick run does an hour of the day and the full one all of it; a day with one each 10 ms is always reckoned from an hour.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any

from common import BODY, Figures
from measure import median, ratio, side_by_side

from decouple import Broker, Queue
from decouple.testing import simulate

HOUR = 3_600
DAY = 24 * HOUR
PAIRS = 4
EVENTS = 3  # sent, received, deleted


def pairs(each: int, burst: int) -> Callable[[], Coroutine[Any, Any, None]]:
    """Four tasks send, `burst` messages at a time, and four receive and acknowledge them."""

    async def main() -> None:
        aio = Queue("bench", visibility_timeout=60).aio

        async def produce() -> None:
            for number in range(each):
                await aio.send(BODY)
                if number % burst == 0:
                    await asyncio.sleep(0)

        async def consume() -> None:
            for _ in range(each):
                (await aio.receive(wait=20))[0].ack()

        async with asyncio.TaskGroup() as group:
            for _ in range(PAIRS):
                group.create_task(consume())
                group.create_task(produce())

    return main


def day(seconds: int, at_once: int) -> float:
    """CPU seconds of a simulated time with 100 messages a second and a consumer."""
    handled = 0

    def handle(body: str) -> None:
        nonlocal handled
        handled += 1

    async def main() -> None:
        async with Broker() as broker:
            orders = broker.queue("orders")
            orders.consume(handle)
            for _ in range(seconds * 100 // at_once):
                for _ in range(at_once):
                    orders.send(BODY)
                await asyncio.sleep(at_once / 100)

    began = time.process_time()
    simulate(main)
    took = time.process_time() - began
    assert handled == seconds * 100
    return took


def simulated(full: bool) -> Figures:
    def run(loop: Callable[..., Any], burst: int) -> Callable[[int], None]:
        return lambda count: loop(pairs(max(1, count // PAIRS), burst))

    def real(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
        asyncio.run(main())

    runs = {
        "tens": run(simulate, 10),
        "ones": run(simulate, 1),
        "tens, asyncio": run(real, 10),
        "ones, asyncio": run(real, 1),
    }
    times = side_by_side(runs, slices=21 if full else 5, per=40)
    tens, ones = (median(times[name]) / EVENTS / 1e3 for name in ("tens", "ones"))
    whole = day(DAY if full else HOUR, 100) * (1 if full else 24)
    even = day(HOUR if full else HOUR // 12, 1) * (24 if full else 24 * 12)
    return {
        "simulate.event": (tens, f"{1e6 / tens:,.0f} events a second of a core"),
        "simulate.tens": (ratio(times, "tens, asyncio", "tens"), ""),
        "simulate.handoff": (
            ratio(times, "ones, asyncio", "ones"),
            f"{1e6 / ones:,.0f} events a second",
        ),
        "simulate.day": (whole, "" if full else "an hour, times 24"),
        "simulate.even": (even, "an hour, times 24" if full else "5 minutes, times 288"),
    }
