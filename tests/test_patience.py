"""Patience: a long poll that blocks for at most so much real time, on a clock that somebody else moves, or nobody."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from decouple import Message, Queue
from decouple.testing import VirtualClock


def test_a_thread_s_wait_ends_with_its_patience_and_time_has_not_moved(queue: Queue, clock: VirtualClock) -> None:
    before, began = clock.time, time.monotonic()

    with ThreadPoolExecutor(1) as threads:
        messages = threads.submit(queue.receive, wait=20, patience=0.02).result(5)

    assert messages == []
    assert clock.time == before
    assert time.monotonic() - began >= 0.02
    assert queue.stats().parked == 0


def test_a_task_s_wait_ends_with_its_patience_and_time_has_not_moved(queue: Queue, clock: VirtualClock) -> None:
    before = clock.time

    messages = asyncio.run(queue.aio.receive(wait=20, patience=0.02))

    assert messages == []
    assert clock.time == before
    assert queue.stats().parked == 0


def test_a_message_ends_a_patient_wait_at_once(queue: Queue) -> None:
    async def main() -> list[Message]:
        receiving = asyncio.create_task(queue.aio.receive(wait=20, patience=60))
        await asyncio.sleep(0)
        queue.send("here")
        return await receiving

    assert [message.body for message in asyncio.run(main())] == ["here"]


def test_in_the_clock_s_own_thread_a_wait_jumps_whatever_the_patience(queue: Queue, clock: VirtualClock) -> None:
    queue.send("later", delay=7)
    before = clock.now()

    [message] = queue.receive(wait=20, patience=0)

    assert (message.body, clock.now() - before) == ("later", 7_000_000_000)


@pytest.mark.parametrize("attempt", ["once", None])
def test_a_receive_that_can_be_repeated_is_as_patient(clock: VirtualClock, attempt: str | None) -> None:
    ordered = Queue("orders.fifo", clock=clock)

    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(ordered.receive, wait=20, attempt_id=attempt, patience=0.01)
        assert waiting.result(5) == []
    assert asyncio.run(ordered.aio.receive(wait=20, attempt_id=attempt, patience=0.01)) == []


def test_a_message_that_comes_as_patience_ends_is_received_or_stays(clock: VirtualClock) -> None:
    """Whoever gives up looks once more under the queue's lock: what came by then is in the answer."""
    queue = Queue("orders", clock=clock)
    received: list[str] = []
    with ThreadPoolExecutor(2) as threads:
        for number in range(200):
            door = threading.Barrier(2)

            def receive(door: threading.Barrier = door) -> list[Message]:
                door.wait(5)
                return queue.receive(wait=20, patience=0.000_2)

            waiting = threads.submit(receive)
            door.wait(5)
            queue.send(str(number))
            received += [message.body for message in waiting.result(5)]

    stats = queue.stats()
    assert (len(received) + stats.visible, stats.in_flight) == (200, len(received))
    queue.check()


def test_a_message_that_comes_as_a_task_s_patience_ends_is_received_or_stays(clock: VirtualClock) -> None:
    queue = Queue("orders", clock=clock)

    async def once(number: int) -> int:
        receiving = asyncio.create_task(queue.aio.receive(wait=20, patience=0))
        for _ in range(number % 4):
            await asyncio.sleep(0)
        queue.send(str(number))
        return len(await receiving)

    async def main() -> int:
        return sum([await once(number) for number in range(100)])

    received = asyncio.run(main())

    stats = queue.stats()
    assert (received + stats.visible, stats.in_flight) == (100, received)
    queue.check()
