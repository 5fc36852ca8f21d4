"""Closing: every wait ends, no more is taken or given, what is in flight can still be settled."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import pytest

from decouple import Broker, Queue, QueueClosed, QueueError
from decouple.testing import Ledger, VirtualClock

CALLS: dict[str, Callable[[Queue], object]] = {
    "send": lambda queue: queue.send("x"),
    "send with more": lambda queue: queue.send("x", delay=1, attributes={"n": 1}),
    "send_batch": lambda queue: queue.send_batch(["x", "y"]),
    "receive": lambda queue: queue.receive(),
    "receive ten": lambda queue: queue.receive(max_messages=10),
    "receive for a time": lambda queue: queue.receive(visibility_timeout=5),
    "receive and wait": lambda queue: queue.receive(wait=20),
    "receive ten and wait": lambda queue: queue.receive(max_messages=10, wait=20),
    "await send": lambda queue: asyncio.run(queue.aio.send("x")),
    "await receive": lambda queue: asyncio.run(queue.aio.receive()),
    "await receive ten": lambda queue: asyncio.run(queue.aio.receive(max_messages=10)),
    "await receive and wait": lambda queue: asyncio.run(queue.aio.receive(wait=20)),
}


@pytest.mark.parametrize("holds", [0, 3])
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
def test_a_closed_queue_takes_and_gives_no_more(queue: Queue, call: Callable[[Queue], object], holds: int) -> None:
    queue.send_batch(["x"] * holds)
    queue.close()
    before = queue.stats()

    with pytest.raises(QueueClosed, match="queue 'orders' is closed") as caught:
        call(queue)

    assert caught.value.queue == "orders"
    assert isinstance(caught.value, QueueError)
    assert queue.stats() == before


@pytest.mark.parametrize("most", [1, 10])
def test_messages_that_became_visible_again_are_not_given_after_the_close(
    queue: Queue, clock: VirtualClock, most: int
) -> None:
    queue.send("x")
    queue.receive()
    queue.close()
    clock.advance(30)

    with pytest.raises(QueueClosed):
        queue.receive(max_messages=most)
    assert queue.stats().visible == 1


def test_what_is_in_flight_can_still_be_settled(queue: Queue, clock: VirtualClock) -> None:
    """design.md: settling stays allowed after close."""
    queue.send_batch(["ack", "delete", "nack", "extend", "reject", "with"])
    acked, deleted, nacked, extended, rejected, held = queue.receive(max_messages=10)
    queue.close()

    acked.ack()
    queue.delete(deleted.receipt)
    nacked.nack()
    extended.extend(100)
    rejected.reject("no")
    with held:
        pass

    stats = queue.stats()
    assert (stats.deleted, stats.visible, stats.in_flight, stats.rejected) == (3, 1, 1, 1)


def test_a_reject_after_the_close_still_reaches_the_dead_letter_queue(queue: Queue, clock: VirtualClock) -> None:
    dead = Queue("dead", clock=clock)
    queue.configure(dead_letter=dead)
    queue.send("x")
    [message] = queue.receive()
    queue.close()

    message.reject("no")

    assert dead.receive()[0].source is queue


def test_closing_twice_is_no_error(queue: Queue) -> None:
    assert not queue.closed
    queue.close()
    queue.close()

    assert queue.closed
    assert repr(queue) == "<Queue 'orders': closed, 0 visible, 0 in flight, 0 delayed>"


def test_a_closed_queue_can_be_looked_at_and_purged(queue: Queue, clock: VirtualClock) -> None:
    queue.send_batch(["one", "two"])
    queue.receive()
    queue.close()
    clock.advance(30)

    assert [look.body for look in queue.peek()] == ["two", "one"]
    assert queue.stats().visible == 2
    assert queue.purge() == 2


def test_retention_goes_on_after_the_close(queue: Queue, clock: VirtualClock) -> None:
    queue.send("x")
    queue.close()

    clock.advance(345_600)

    assert queue.check()["retained_out"] == 1


def test_configuring_a_closed_queue_does_not_open_it(queue: Queue) -> None:
    queue.send("x")
    queue.close()
    queue.configure(delay=0, visibility_timeout=5)

    for call in (lambda: queue.send("x"), lambda: queue.receive(), lambda: queue.receive(max_messages=5)):
        with pytest.raises(QueueClosed):
            call()


def test_closing_ends_the_wait_of_a_thread(queue: Queue) -> None:
    errors: list[BaseException] = []

    def wait() -> None:
        try:
            queue.receive(wait=20)
        except QueueClosed as error:
            errors.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    while not queue.stats().parked:
        assert thread.is_alive()
    queue.close()
    thread.join(5)

    assert [type(error) for error in errors] == [QueueClosed]
    assert queue.stats().parked == 0


def test_closing_ends_the_waits_of_tasks(queue: Queue) -> None:
    async def main() -> list[object]:
        tasks = [asyncio.create_task(queue.aio.receive(wait=20)) for _ in range(3)]
        await asyncio.sleep(0)
        assert queue.stats().parked == 3
        await queue.aio.close()
        return await asyncio.gather(*tasks, return_exceptions=True)

    assert [type(answer) for answer in asyncio.run(main())] == [QueueClosed] * 3
    assert queue.stats().parked == 0


def test_a_wait_that_already_has_its_message_keeps_it_when_the_queue_is_closed(queue: Queue) -> None:
    async def main() -> list[str]:
        task = asyncio.create_task(queue.aio.receive(wait=20))
        await asyncio.sleep(0)
        assert queue.stats().parked == 1
        queue.send("x")
        queue.close()
        return [message.body for message in await task]

    assert asyncio.run(main()) == ["x"]


def test_deleting_a_queue_ends_its_waits(broker: Broker, ledger: Ledger) -> None:
    orders = broker.queue("orders")

    async def main() -> list[object]:
        task = asyncio.create_task(orders.aio.receive(wait=20))
        await asyncio.sleep(0)
        assert orders.stats().parked == 1
        broker.delete(orders)
        return await asyncio.gather(task, return_exceptions=True)

    assert [type(answer) for answer in asyncio.run(main())] == [QueueClosed]
    assert ledger.counts == {"closed": 1}


def test_iterations_end_without_an_error_when_the_queue_is_closed(queue: Queue) -> None:
    queue.send_batch(["one", "two"])

    async def main() -> list[str]:
        seen = []
        async for message in queue.aio.messages():
            seen.append(message.body)
            message.ack()
            if len(seen) == 2:
                queue.close()
        return seen

    assert asyncio.run(main()) == ["one", "two"]
    assert list(queue.messages()) == []
