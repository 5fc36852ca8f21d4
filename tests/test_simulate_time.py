"""How time passes in a simulation with many queues: each thing at its instant, and nothing asked of who is calm."""

from __future__ import annotations

import asyncio
import gc
from random import Random
from typing import Any

import pytest

from decouple import Broker, Queue
from decouple.clock import SECOND
from decouple.core.changes import Change
from decouple.testing import Simulation, simulate


def test_leases_of_many_queues_end_each_at_its_instant() -> None:
    random = Random(1)
    leases = [random.randrange(1, 400) for _ in range(200)]
    ended: list[tuple[str, float]] = []

    def observe(change: Change) -> None:
        if change.cause == "expired":
            ended.append((change.queue, change.at))

    async def main() -> int:
        started = 0
        for number, lease in enumerate(leases):
            queue = Queue(f"q-{number}", visibility_timeout=lease)
            started = queue.clock.now() + queue.clock.epoch
            queues.append(queue)
            queue.send("a")
            queue.receive()
        await asyncio.sleep(400)
        return started

    queues: list[Queue] = []

    started = simulate(main, observers=[observe])

    in_order = sorted(enumerate(leases), key=lambda one: one[1])
    assert ended == [(f"q-{number}", started + lease * SECOND) for number, lease in in_order]


def test_a_message_that_comes_back_wakes_whoever_waits_for_it_also_when_nobody_listens() -> None:
    async def main() -> list[float]:
        queues = [Queue(f"q-{number}", visibility_timeout=10 + number) for number in range(20)]
        loop, came = asyncio.get_running_loop(), list[float]()

        async def wait(queue: Queue) -> None:
            queue.send("a")
            queue.receive()
            [again] = await queue.aio.receive(wait=100)
            came.append(loop.time())
            again.ack()

        await asyncio.gather(*map(wait, queues))
        return came

    assert simulate(main) == [10.0 + number for number in range(20)]


def test_a_lease_made_shorter_ends_then_and_one_made_longer_not_before() -> None:
    async def main() -> list[float]:
        short, long = (Queue(name, visibility_timeout=30) for name in ("short", "long"))
        loop, came = asyncio.get_running_loop(), list[float]()

        async def wait(queue: Queue, other: float) -> None:
            queue.send("a")
            [message] = queue.receive()
            await asyncio.sleep(5)
            message.extend(other)
            await queue.aio.receive(wait=1_000)
            came.append(loop.time())

        await asyncio.gather(wait(short, 2), wait(long, 600))
        return came

    assert simulate(main) == [7.0, 605.0]


def test_time_that_passes_asks_nothing_of_idle_queues(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = 0
    calm_until, next_at = Queue.calm_until, Queue.next_at

    def counted(ask: Any) -> Any:
        def count(self: Queue) -> int:
            nonlocal asked
            asked += 1
            return int(ask(self))

        return count

    async def main() -> int:
        broker = Broker()
        queues = [broker.queue(f"q-{number}") for number in range(500)]
        for queue in queues[:100]:
            queue.send("a")
        await asyncio.sleep(1)
        before = asked
        for _ in range(1_000):
            await asyncio.sleep(0.01)
        return asked - before

    monkeypatch.setattr(Queue, "calm_until", counted(calm_until))
    monkeypatch.setattr(Queue, "next_at", counted(next_at))

    assert simulate(main) == 0


def test_queues_that_are_gone_leave_nothing_behind() -> None:
    async def main() -> None:
        for number in range(300):
            queue = Queue(f"q-{number}", visibility_timeout=1)
            queue.send("a")
            queue.receive()
            del queue
            await asyncio.sleep(0.1)

    with Simulation(main) as simulation:
        simulation.run()
        gc.collect()

        assert simulation.clock.attached() == []
        assert len(simulation.clock._readers) == 0
        assert len(simulation.clock._calm) < 200


def test_a_queue_whose_end_of_calm_moves_on_again_and_again_is_remembered_once() -> None:
    async def main() -> None:
        queue = Queue("orders", visibility_timeout=30)
        for _ in range(1_000):
            queue.send("a")
            [message] = await queue.aio.receive(wait=20)
            await asyncio.sleep(20)
            message.ack()

    with Simulation(main) as simulation:
        simulation.run()

        assert len(simulation.clock._calm) < 200


def test_a_redrive_that_is_cancelled_ends_at_that_instant() -> None:
    async def main() -> tuple[str, int, float]:
        dead, orders = Queue("dead"), Queue("orders")
        for number in range(10):
            dead.send(f"{number}")
        task = dead.redrive(orders, max_per_second=1)
        await asyncio.sleep(2.5)
        task.cancel()
        await asyncio.sleep(0.001)
        return task.status, task.moved, asyncio.get_running_loop().time()

    assert simulate(main) == ("cancelled", 3, 2.501)
