"""Waiting and sharing: threads and asyncio tasks on one queue, none of them overlooked and no message given twice."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any, TypeVar

from decouple.errors import QueueClosed
from decouple.message import Message
from decouple.queue import Queue
from decouple.testing.conformance.behaviour import behaviour
from decouple.testing.conformance.bench import ENOUGH, Bench
from decouple.testing.conformance.expecting import equal, fail, holds, refused

T = TypeVar("T")

WORKERS, EACH = 4, 15


async def a_while() -> None:
    """Let the tasks that are ready run."""
    for _ in range(20):
        await asyncio.sleep(0)


async def soon(awaited: Coroutine[Any, Any, T] | asyncio.Task[T]) -> T:
    """Its result. Raises AssertionError when it does not come within a few real seconds."""
    try:
        return await asyncio.wait_for(awaited, ENOUGH)
    except TimeoutError:
        raise AssertionError(f"a task was still waiting after {ENOUGH:g} real seconds") from None


def drained(queue: Queue[Any], everything: int, seen: list[str]) -> None:
    """Receive and delete, beside others, until all of them together have everything, or it takes too long."""
    end = time.monotonic() + 2 * ENOUGH
    while len(seen) < everything and time.monotonic() < end:
        for message in queue.receive(max_messages=3):
            seen.append(message.text)  # before the ack, so that what is doubled shows
            message.ack()


@behaviour()
def a_waiting_thread_is_given_what_another_sends(bench: Bench) -> None:
    """A receive that waits in one thread has the message that another thread sends, long before its wait is over."""
    queue = bench.queue()
    waiting = bench.waiting(queue)

    queue.send("x")

    equal([message.text for message in waiting.result()], ["x"], "what the waiting thread was given")


@behaviour()
def threads_that_wait_are_given_one_message_each(bench: Bench) -> None:
    """Of several receives that wait each gets a message of its own."""
    queue = bench.queue()
    waits = [bench.waiting(queue) for _ in range(3)]

    for number in range(3):
        queue.send(f"{number}")

    given = sorted(message.text for wait in waits for message in wait.result())
    equal(given, ["0", "1", "2"], "what the waiting threads were given")


@behaviour()
def a_nack_wakes_a_thread_that_waits(bench: Bench) -> None:
    """What is given back goes to a receive that waits."""
    queue = bench.queue()
    queue.send("x")
    held = bench.one(queue)
    waiting = bench.waiting(queue)

    held.nack()

    equal([message.receive_count for message in waiting.result()], [2], "the receive counts")


@behaviour()
def threads_share_a_queue_without_losing_or_doubling(bench: Bench) -> None:
    """Threads that send and threads that receive at once: every message is received exactly once."""
    queue, seen = bench.queue(), list[str]()

    def send(worker: int) -> None:
        for number in range(EACH):
            queue.send(f"{worker}-{number}")

    senders = [bench.start(partial(send, worker)) for worker in range(WORKERS)]
    for sender in senders:
        sender.result()
    receivers = [bench.start(lambda: drained(queue, WORKERS * EACH, seen)) for _ in range(WORKERS)]
    for receiver in receivers:
        receiver.result(4 * ENOUGH)

    wanted = sorted(f"{worker}-{number}" for worker in range(WORKERS) for number in range(EACH))
    equal(sorted(seen), wanted, "what the threads received")


@behaviour()
def the_awaitable_face_is_the_same_queue(bench: Bench) -> None:
    """`queue.aio` sends, receives, changes, deletes and purges the same messages."""
    queue = bench.queue()

    async def main() -> None:
        sent = await queue.aio.send("a", attributes={"n": 1})
        batch = await queue.aio.receive(max_messages=10, wait=bench.traits.resolution)
        equal([(one.id, one.attributes) for one in batch], [(sent.id, {"n": 1})], "what a task received")
        bench.nothing(queue, "while a task has it")
        await queue.aio.change_visibility(batch[0], 0)
        again = await queue.aio.receive(wait=bench.traits.resolution)
        equal([one.receive_count for one in again], [2], "the receive counts after a change to 0")
        await queue.aio.delete(*again)
        equal(len(await queue.aio.send_batch(["b", "c"])), 2, "the answers to a batch")
        await queue.aio.purge()

    asyncio.run(main())

    bench.nothing(queue, "after a delete and a purge by tasks")


@behaviour()
def a_waiting_task_is_given_what_is_sent(bench: Bench) -> None:
    """A receive that waits in a task has what another task sends, and what a thread sends."""
    queue = bench.queue()

    async def main() -> None:
        async def send_from_a_thread(text: str) -> None:
            await asyncio.to_thread(queue.send, text)

        senders: tuple[Callable[[str], Awaitable[object]], ...] = (queue.aio.send, send_from_a_thread)
        for send in senders:
            wait = asyncio.create_task(queue.aio.receive(wait=20))
            await a_while()
            holds(not wait.done(), "a wait on an empty queue was over")
            await send("x")
            batch = await soon(wait)
            equal([message.text for message in batch], ["x"], "what the waiting task was given")
            await queue.aio.delete(*batch)

    asyncio.run(main())


@behaviour()
def a_waiting_task_ends_empty_at_its_deadline(bench: Bench) -> None:
    """A task's wait on an empty queue answers [] when its time is over."""
    queue = bench.queue()

    async def main() -> None:
        wait = asyncio.create_task(queue.aio.receive(wait=bench.ticks(2)))
        await a_while()
        holds(not wait.done(), "the wait was over before its time")
        bench.later(3)
        equal(await soon(wait), [], "what the wait gave")

    asyncio.run(main())


@behaviour()
def a_cancelled_wait_loses_nothing(bench: Bench) -> None:
    """A receive that is cancelled takes no message with it, not even one that was sent at that moment."""
    queue = bench.queue(visibility_timeout=bench.ticks(2))

    async def main() -> None:
        for send_first in (False, True):
            wait = asyncio.create_task(queue.aio.receive(wait=20))
            await a_while()
            if send_first:
                queue.send("x")
            wait.cancel()
            await asyncio.gather(wait, return_exceptions=True)

    asyncio.run(main())

    bench.later(2.5)
    equal(bench.one(queue).text, "x", "after two cancelled waits")
    bench.nothing(queue, "after it came once")


@behaviour()
def tasks_share_a_queue_without_losing_or_doubling(bench: Bench) -> None:
    """Tasks that send and tasks that receive at once: every message is received exactly once."""
    queue, seen = bench.queue(), list[str]()
    everything = WORKERS * EACH

    async def send(worker: int) -> None:
        for number in range(EACH):
            await queue.aio.send(f"{worker}-{number}")
            await asyncio.sleep(0)

    async def receive() -> None:
        while len(seen) < everything:
            for message in await queue.aio.receive(max_messages=3):
                seen.append(message.text)
                await asyncio.sleep(0)  # another task's turn, which must not be given the same
                message.ack()
            await asyncio.sleep(0)

    async def main() -> None:
        await asyncio.gather(*(send(worker) for worker in range(WORKERS)), *(receive() for _ in range(WORKERS)))

    asyncio.run(soon(main()))

    wanted = sorted(f"{worker}-{number}" for worker in range(WORKERS) for number in range(EACH))
    equal(sorted(seen), wanted, "what the tasks received")


@behaviour()
def an_async_with_block_settles_as_a_with_block(bench: Bench) -> None:
    """`async with message:` acknowledges at its end, and gives the message back when the block raises."""
    queue = bench.queue(visibility_timeout=bench.ticks(1))
    queue.send("x")
    message = bench.one(queue)

    async def broken(message: Message[Any]) -> None:
        async with message:
            fail()

    async def end(message: Message[Any]) -> None:
        async with message:
            pass

    with refused(ZeroDivisionError, "an error in the block"):
        asyncio.run(broken(message))
    again = bench.one(queue)
    equal(again.receive_count, 2, "the receive count of what came again")
    asyncio.run(end(again))

    bench.later(1.5)
    bench.nothing(queue, "after a block that ended well")


@behaviour()
def iteration_gives_every_message_until_the_queue_is_closed(bench: Bench) -> None:
    """`queue.messages()` gives each message as it comes, and ends without an error when the queue is closed."""
    queue = bench.queue()
    queue.send_batch(["a", "b"])
    seen: list[str] = []

    def iterate() -> None:
        for message in queue.messages(wait=20):
            message.ack()
            seen.append(message.text)
            if len(seen) == 2:
                queue.close()

    bench.start(iterate).result()

    equal(sorted(seen), ["a", "b"], "what the iteration gave")


@behaviour()
def asynchronous_iteration_gives_every_message_until_the_queue_is_closed(bench: Bench) -> None:
    """`queue.aio.messages()` does the same for a task."""
    queue = bench.queue()
    queue.send_batch(["a", "b"])
    seen: list[str] = []

    async def main() -> None:
        async for message in queue.aio.messages():
            message.ack()
            seen.append(message.text)
            if len(seen) == 2:
                await queue.aio.close()

    asyncio.run(soon(main()))

    equal(sorted(seen), ["a", "b"], "what the iteration gave")


@behaviour()
def closing_ends_the_waits_of_threads_and_tasks(bench: Bench) -> None:
    """A receive that waits when its queue is closed raises QueueClosed at once."""
    queue = bench.queue()
    waiting = bench.waiting(queue)

    async def main() -> None:
        wait = asyncio.create_task(queue.aio.receive(wait=20))
        await a_while()
        queue.close()
        with refused(QueueClosed, "a task's wait on a queue that is closed"):
            await soon(wait)

    asyncio.run(main())

    with refused(QueueClosed, "a thread's wait on a queue that is closed"):
        waiting.result()
