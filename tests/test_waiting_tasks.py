"""Long polls in asyncio tasks: the same line as for threads, on any number of loops, and nothing left behind by a loop.

Each test runs its own loop. Tasks never jump a virtual clock; `advance` in the same thread wakes them.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

import pytest

from decouple import Broker, ClockStuck, Message, Queue, QueueClosed
from decouple.core.changes import Change
from decouple.testing import VirtualClock

T = TypeVar("T")


async def parked(queue: Queue, count: int = 1) -> None:
    """Let the other tasks run until so many receives are parked."""
    for _ in range(10_000):
        if len(queue._core.parked) == count:
            break
        await asyncio.sleep(0)
    assert len(queue._core.parked) == count
    await settled()


async def settled() -> None:
    """Let everything that is ready run."""
    for _ in range(5):
        await asyncio.sleep(0)


def bodies(messages: list[Message]) -> list[str]:
    return [message.body for message in messages]


def started(function: Callable[[], T]) -> Future[T]:
    """The outcome of a call made in a thread of its own."""
    outcome: Future[T] = Future()

    def run() -> None:
        try:
            outcome.set_result(function())
        except BaseException as error:  # the test looks at it
            outcome.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return outcome


def until(condition: Callable[[], bool], seconds: float = 5) -> None:
    """Look again and again, for at most so many real seconds."""
    end, pause = time.monotonic() + seconds, threading.Event()
    while not condition():
        assert time.monotonic() < end, "it did not come true"
        pause.wait(0.001)
    pause.wait(0.02)


# -- on the virtual clock --------------------------------------------------------------------------------------


def test_waiting_tasks_are_served_in_the_order_they_came(queue: Queue) -> None:
    async def main() -> None:
        waits = [asyncio.create_task(queue.aio.receive(wait=20)) for _ in range(3)]
        await parked(queue, 3)

        queue.send("first")
        await queue.aio.send("second")
        await settled()

        assert [wait.done() for wait in waits] == [True, True, False]
        assert [bodies(wait.result()) for wait in waits[:2]] == [["first"], ["second"]]
        await queue.aio.send_batch(["third"])
        assert bodies(await waits[2]) == ["third"]

    asyncio.run(main())


def test_an_expiring_lease_wakes_the_waiting_task_at_that_instant(queue: Queue, clock: VirtualClock) -> None:
    async def main() -> None:
        queue.send("x")
        queue.receive()
        wait = asyncio.create_task(queue.aio.receive(wait=60))
        await parked(queue)

        clock.advance(29.999)
        await settled()
        assert not wait.done()
        clock.advance(0.001)

        [message] = await wait
        assert message.receive_count == 2

    asyncio.run(main())


@pytest.mark.parametrize(
    ("makes_visible", "text"),
    [
        (lambda queue, held: held.nack(), "held"),
        (lambda queue, held: queue.change_visibility(held, 0), "held"),
        (lambda queue, held: queue.configure(max_in_flight=2), "next"),
        (lambda queue, held: held.ack(), "next"),
        (lambda queue, held: held.reject("no"), "next"),
        (lambda queue, held: queue.clock.advance(30), "held"),
    ],
    ids=["nack", "change_visibility", "configure", "ack", "reject", "expiry"],
)
def test_whatever_makes_a_message_deliverable_wakes_the_waiting_task(
    queue: Queue, makes_visible: Callable[[Queue, Message], object], text: str
) -> None:
    async def main() -> None:
        queue.configure(max_in_flight=1)
        queue.send("held")
        [held] = queue.receive()
        if text == "next":
            queue.send("next")
        wait = asyncio.create_task(queue.aio.receive(wait=60))
        await parked(queue)

        makes_visible(queue, held)

        assert bodies(await asyncio.wait_for(wait, 2)) == [text]

    asyncio.run(main())


def test_a_delayed_message_reaches_the_waiting_task_when_its_delay_ends(queue: Queue, clock: VirtualClock) -> None:
    async def main() -> None:
        waits = [asyncio.create_task(queue.aio.receive(wait=60)) for _ in range(2)]
        await parked(queue, 2)
        await queue.aio.send("later", delay=10)

        clock.advance(9.999)
        await settled()
        assert not waits[0].done()
        clock.advance(0.001)

        assert bodies(await waits[0]) == ["later"]
        assert not waits[1].done()
        await queue.aio.close()
        with pytest.raises(QueueClosed):
            await waits[1]

    asyncio.run(main())


def test_a_task_s_wait_ends_empty_at_its_deadline(queue: Queue, clock: VirtualClock) -> None:
    async def main() -> None:
        wait = asyncio.create_task(queue.aio.receive(wait=20))
        await parked(queue)

        clock.advance(20)

        assert await wait == []
        assert queue.stats().parked == 0

    asyncio.run(main())


def test_close_ends_every_task_s_wait_with_queue_closed(queue: Queue) -> None:
    async def main() -> None:
        waits = [asyncio.create_task(queue.aio.receive(wait=20)) for _ in range(3)]
        await parked(queue, 3)

        queue.close()

        ends = await asyncio.gather(*waits, return_exceptions=True)
        assert [type(end) for end in ends] == [QueueClosed] * 3
        assert queue.stats().parked == 0

    asyncio.run(main())


@pytest.mark.slow
def test_a_task_on_a_clock_that_nobody_moves_is_told_who_waits_for_what(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("decouple.clock.STUCK_AFTER", 0.1)

    async def main() -> None:
        wait = asyncio.create_task(queue.aio.receive(wait=20), name="poller")
        with pytest.raises(ClockStuck, match="task 'poller' waits for a message in queue 'orders'"):
            await asyncio.wait_for(wait, 3)

    asyncio.run(main())
    assert queue.stats().parked == 0


@pytest.mark.slow
def test_two_tasks_that_wait_do_not_keep_each_other_from_being_told(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("decouple.clock.STUCK_AFTER", 0.1)

    async def main() -> None:
        first = asyncio.create_task(queue.aio.receive(wait=20))
        await asyncio.sleep(0.05)
        second = asyncio.create_task(queue.aio.receive(wait=20))

        ends = await asyncio.wait_for(asyncio.gather(first, second, return_exceptions=True), 2)

        assert [type(end) for end in ends] == [ClockStuck, ClockStuck]

    asyncio.run(main())


# -- cancelling ------------------------------------------------------------------------------------------------


def test_a_cancelled_wait_leaves_nothing_parked(queue: Queue) -> None:
    async def main() -> None:
        wait = asyncio.create_task(queue.aio.receive(wait=20))
        await parked(queue)

        wait.cancel()
        with pytest.raises(asyncio.CancelledError):
            await wait

        assert queue.stats().parked == 0
        queue.send("x")
        [message] = await queue.aio.receive()
        assert message.receive_count == 1

    asyncio.run(main())


def test_a_wait_cancelled_after_its_messages_were_handed_over_puts_them_back_at_the_front(queue: Queue) -> None:
    async def main() -> None:
        wait = asyncio.create_task(queue.aio.receive(wait=20, max_messages=2))
        await parked(queue)

        queue.send_batch(["first", "second", "third"])
        assert queue.stats().in_flight == 2
        wait.cancel()
        with pytest.raises(asyncio.CancelledError):
            await wait

        assert queue.stats().given_back == 2
        messages = queue.receive(max_messages=10)
        assert [(one.body, one.receive_count) for one in messages] == [("first", 1), ("second", 1), ("third", 1)]

    asyncio.run(main())


def test_what_a_cancelled_task_gives_back_goes_to_the_next_who_waits(queue: Queue) -> None:
    async def main() -> None:
        first, second = (asyncio.create_task(queue.aio.receive(wait=20)) for _ in range(2))
        await parked(queue, 2)

        queue.send("x")
        first.cancel()

        [message] = await second
        assert (message.body, message.receive_count) == ("x", 1)
        assert first.cancelled()

    asyncio.run(main())


def test_a_redelivered_message_given_back_keeps_its_former_count(queue: Queue) -> None:
    async def main() -> None:
        queue.send("x")
        [first] = queue.receive()
        wait = asyncio.create_task(queue.aio.receive(wait=20))
        await parked(queue)

        first.nack()
        wait.cancel()
        with pytest.raises(asyncio.CancelledError):
            await wait

        [again] = queue.receive()
        assert (again.receive_count, again.first_received_at) == (2, first.first_received_at)

    asyncio.run(main())


@pytest.mark.slow
def test_a_timeout_around_a_wait_leaves_nothing_behind() -> None:
    queue = Queue("orders")

    async def main() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(queue.aio.receive(wait=20), 0.05)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await queue.aio.receive(wait=20)

    asyncio.run(main())

    assert queue.stats().parked == 0
    queue.send("x")
    assert bodies(queue.receive()) == ["x"]
    queue.check()


def test_cancelling_at_every_step_of_a_hand_over_loses_nothing(clock: VirtualClock) -> None:
    async def main(steps: int) -> None:
        queue = Queue("orders", clock=clock)
        wait = asyncio.create_task(queue.aio.receive(wait=20))
        for step in range(12):
            if step == 6:
                queue.send("x")
            if step == steps:
                wait.cancel()
            await asyncio.sleep(0)
        await asyncio.wait([wait], timeout=1)
        wait.cancel()
        await asyncio.gather(wait, return_exceptions=True)

        law = queue.check()
        given = 0 if wait.cancelled() else len(wait.result())
        assert (law["in_flight"], law["visible"]) == (given, 1 - given)
        assert queue.stats().parked == 0

    for steps in range(12):
        asyncio.run(main(steps))


# -- loops that end ---------------------------------------------------------------------------------------------


def closed_while_waiting(queue: Queue, *, wait: float = 20) -> Coroutine[Any, Any, Any]:
    """The coroutine of a receive whose loop was closed under it."""
    loop = asyncio.new_event_loop()
    receive = queue.aio.receive(wait=wait)
    loop.create_task(receive)._log_destroy_pending = False  # type: ignore[attr-defined]
    loop.run_until_complete(asyncio.sleep(0))
    loop.run_until_complete(asyncio.sleep(0))
    assert len(queue._core.parked) >= 1
    loop.close()
    return receive


def test_a_loop_closed_while_its_task_waits_leaves_nothing_parked_and_loses_nothing(queue: Queue) -> None:
    receive = closed_while_waiting(queue)

    queue.send("x")

    assert queue.stats().parked == 0
    [message] = queue.receive()
    assert (message.body, message.receive_count) == ("x", 1)
    receive.close()


def test_the_stats_after_a_loop_was_closed_count_no_parked_receive(queue: Queue) -> None:
    receive = closed_while_waiting(queue)

    assert queue.stats().parked == 0
    receive.close()


def test_a_loop_closed_just_after_its_task_was_served_loses_nothing(clock: VirtualClock) -> None:
    """The loop ends between serving under the lock and the wake after it; here an observer ends it then."""
    loop = asyncio.new_event_loop()

    def close_it(change: Change) -> None:
        if change.cause == "received" and not loop.is_closed():
            loop.close()

    queue = Broker(clock=clock, observers=[close_it]).queue("orders")
    receive = queue.aio.receive(wait=20)
    loop.create_task(receive)._log_destroy_pending = False  # type: ignore[attr-defined]
    loop.run_until_complete(asyncio.sleep(0))

    queue.send("x")

    assert queue.stats().parked == 0
    [message] = queue.receive()
    assert (message.body, message.receive_count) == ("x", 1)
    receive.close()
    queue.check()


@pytest.mark.slow
def test_a_loop_closed_while_its_task_has_the_watch_does_not_keep_others_from_their_deadlines() -> None:
    queue = Queue("orders")
    thread = started(lambda: queue.receive(wait=5))
    until(lambda: len(queue._core.parked) == 1)
    receive = closed_while_waiting(queue)
    loop_less = time.monotonic()

    queue.send("later", delay=0.2)

    assert bodies(thread.result(8)) == ["later"]
    assert time.monotonic() - loop_less < 2
    receive.close()


@pytest.mark.slow
def test_a_loop_closed_after_the_send_does_not_keep_others_from_their_deadlines() -> None:
    queue = Queue("orders")
    thread = started(lambda: queue.receive(wait=3))
    until(lambda: len(queue._core.parked) == 1)
    loop = asyncio.new_event_loop()
    receive = queue.aio.receive(wait=20)
    loop.create_task(receive)._log_destroy_pending = False  # type: ignore[attr-defined]
    loop.run_until_complete(asyncio.sleep(0))
    queue.send("later", delay=0.3)
    start = time.monotonic()
    loop.run_until_complete(asyncio.sleep(0.05))
    loop.close()

    assert bodies(thread.result(5)) == ["later"]
    assert time.monotonic() - start < 1.5
    receive.close()


@pytest.mark.slow
def test_a_loop_that_is_busy_does_not_keep_threads_from_their_deadlines() -> None:
    """A parked receive is woken when its message is there, whatever another loop is doing."""
    queue = Queue("orders")
    thread = started(lambda: (bodies(queue.receive(wait=20)), time.monotonic()))
    until(lambda: len(queue._core.parked) == 1)

    async def main() -> float:
        wait = asyncio.create_task(queue.aio.receive(wait=20))
        await parked(queue, 2)
        queue.send("later", delay=0.2)
        await asyncio.sleep(0.05)
        start = time.monotonic()
        threading.Event().wait(1.5)  # a handler that blocks its loop
        wait.cancel()
        return start

    start = asyncio.run(main())

    texts, at = thread.result(5)
    assert texts == ["later"]
    assert at - start < 1


@pytest.mark.slow
def test_garbage_collected_while_the_lock_is_held_a_waiting_task_does_not_block_the_queue() -> None:
    """A garbage collection may run at any allocation, so also where the queue's lock is held."""
    queue = Queue("orders")
    logging.getLogger("asyncio").disabled = True

    def drop() -> None:
        loop = asyncio.new_event_loop()
        task = loop.create_task(queue.aio.receive(wait=20))
        task._log_destroy_pending = False  # type: ignore[attr-defined]
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()

    def collect() -> None:
        gc.disable()
        try:
            drop()
            queue.stats()  # takes the receive out of the line
            assert queue.receive(wait=0.01) == []  # takes over the watch: nothing but its own cycle holds the other now
            with queue._lock:
                gc.collect()
        finally:
            gc.enable()

    try:
        started(collect).result(3)
    finally:
        logging.getLogger("asyncio").disabled = False
        if queue._lock.locked():
            queue._lock.release()  # lets the blocked thread end


# -- several loops, and threads ---------------------------------------------------------------------------------


@pytest.mark.slow
def test_tasks_of_two_loops_and_threads_share_one_line() -> None:
    queue = Queue("orders")
    served: list[str] = []

    def waits(name: str) -> Callable[[], None]:
        def thread() -> None:
            served.extend(f"{name} {message.body}" for message in queue.receive(wait=10))

        return thread

    async def task(name: str) -> None:
        served.extend(f"{name} {message.body}" for message in await queue.aio.receive(wait=10))

    runs = []
    for number, run in enumerate(
        [
            waits("thread 1"),
            lambda: asyncio.run(task("loop 1")),
            waits("thread 2"),
            lambda: asyncio.run(task("loop 2")),
        ]
    ):
        runs.append(started(run))
        until(lambda number=number: len(queue._core.parked) == number + 1)

    for number, run in enumerate(runs):
        queue.send(f"message {number}")
        run.result(5)

    assert served == ["thread 1 message 0", "loop 1 message 1", "thread 2 message 2", "loop 2 message 3"]
    queue.check()


@pytest.mark.slow
def test_on_real_time_a_delay_that_ends_wakes_the_waiting_task() -> None:
    queue = Queue("orders")

    async def main() -> float:
        queue.send("later", delay=0.15)
        start = time.monotonic()
        assert bodies(await queue.aio.receive(wait=10)) == ["later"]
        return time.monotonic() - start

    assert 0.13 <= asyncio.run(main()) < 1.2


@pytest.mark.slow
def test_on_real_time_a_task_s_wait_ends_empty_in_time() -> None:
    async def main() -> float:
        start = time.monotonic()
        assert await Queue("orders").aio.receive(wait=0.15) == []
        return time.monotonic() - start

    assert 0.14 <= asyncio.run(main()) < 1.2


@pytest.mark.slow
def test_a_send_from_a_thread_wakes_a_task_and_the_other_way_round() -> None:
    there, back = Queue("there"), Queue("back")

    async def echo() -> None:
        for _ in range(50):
            [message] = await there.aio.receive(wait=10)
            await back.aio.send(message.body.upper())
            message.ack()

    loop = started(lambda: asyncio.run(echo()))
    for number in range(50):
        there.send(f"m{number}")
        [answer] = back.receive(wait=10)
        assert answer.body == f"M{number}"
        answer.ack()
    loop.result(5)
    there.check()
    back.check()


def test_a_synchronous_receive_in_a_task_does_not_starve_the_line(queue: Queue) -> None:
    async def main() -> None:
        wait = asyncio.create_task(queue.aio.receive(wait=20))
        await parked(queue)
        queue.send("x")
        assert queue.receive() == []
        assert bodies(await wait) == ["x"]

    asyncio.run(main())


# -- the same verbs, awaitable ----------------------------------------------------------------------------------


def test_async_iteration_yields_every_message_until_the_queue_is_closed(queue: Queue) -> None:
    async def main() -> list[str]:
        texts = []
        queue.send_batch(["a", "b"])

        async def feed() -> None:
            await parked(queue)
            await queue.aio.send("c")
            await parked(queue)
            await queue.aio.close()

        feeding = asyncio.create_task(feed())
        async for message in queue.aio.messages():
            async with message:
                texts.append(message.body)
        await feeding
        return texts

    assert asyncio.run(main()) == ["a", "b", "c"]
    assert queue.stats().deleted == 3


def test_async_with_acknowledges_at_the_end_and_gives_back_on_an_error(queue: Queue) -> None:
    async def main() -> None:
        queue.send("good")
        [message] = await queue.aio.receive()
        async with message:
            pass
        assert queue.stats().deleted == 1

        queue.send("bad")
        [message] = await queue.aio.receive()
        with pytest.raises(ValueError, match="no"):
            async with message:
                raise ValueError("no")
        assert (await queue.aio.stats()).visible == 1

    asyncio.run(main())


def test_a_task_cancelled_in_its_block_gives_the_message_back_without_a_failure(queue: Queue) -> None:
    async def main() -> None:
        queue.send("x")

        async def work() -> None:
            [message] = await queue.aio.receive()
            async with message:
                await asyncio.sleep(60)

        working = asyncio.create_task(work())
        await settled()
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)

        [again] = queue.receive()
        assert (again.receive_count, again.failure) == (2, None)

    asyncio.run(main())


def test_the_awaitable_face_has_the_same_methods_and_meaning(queue: Queue, clock: VirtualClock) -> None:
    async def main() -> None:
        await queue.aio.send("a", attributes={"n": 1})
        await queue.aio.send_batch(["b", "c", "d"])
        assert bodies(await queue.aio.peek(2)) == ["a", "b"]
        a, b = await queue.aio.receive(max_messages=2)
        await queue.aio.delete(a)
        await queue.aio.change_visibility(b, 5)
        clock.advance(5)
        assert bodies(await queue.aio.receive(max_messages=10, visibility_timeout=1)) == ["c", "d", "b"]
        await queue.aio.configure(delay=3)
        assert queue.settings["delay"] == 3
        assert await queue.aio.purge() == 3
        assert (await queue.aio.redrive()).moved == 0
        await queue.aio.close()
        with pytest.raises(QueueClosed):
            await queue.aio.receive()

    asyncio.run(main())


def test_a_broker_works_as_an_asynchronous_block(clock: VirtualClock) -> None:
    async def main() -> None:
        async with Broker(clock=clock) as broker:
            queue = broker.queue("orders")
            wait = asyncio.create_task(queue.aio.receive(wait=20))
            await parked(queue)
        with pytest.raises(QueueClosed):
            await wait

    asyncio.run(main())


def test_synchronous_use_does_not_import_asyncio() -> None:
    script = """
        import sys
        from decouple import Broker
        queue = Broker().queue("orders")
        queue.send("x")
        for message in queue.receive(wait=1):
            with message:
                pass
        assert queue.receive(wait=0.01) == []
        queue.check()
        print("asyncio" in sys.modules)
    """
    ran = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, timeout=20, check=True
    )

    assert ran.stdout == "False\n"


# -- the rest of the queue, for tasks --------------------------------------------------------------------------


def test_a_task_looks_at_groups_and_releases_one(clock: VirtualClock) -> None:
    queue = Queue("orders.fifo", on_poison="park", max_receives=1, clock=clock)

    async def main() -> None:
        await queue.aio.send("a1", group="a", deduplication_id="1")
        [message] = await queue.aio.receive()
        message.nack()
        assert await queue.aio.receive() == []
        assert [(group.group, group.parked) for group in await queue.aio.groups()] == [("a", True)]

        await queue.aio.release("a")

        assert [message.body for message in await queue.aio.receive()] == ["a1"]
        assert (await queue.aio.check())["in_flight"] == 1

    asyncio.run(main())


def test_a_task_changes_tags_and_policy_and_sees_whose_dead_letters_come(clock: VirtualClock) -> None:
    dead = Queue("dead", clock=clock)
    queue = Queue("orders", dead_letter=dead, max_receives=3)

    async def main() -> None:
        await queue.aio.tag({"team": "shop"}, stage="test")
        await queue.aio.untag("stage")
        await queue.aio.grant("workers", "111122223333", "SendMessage")
        assert queue.policy is not None
        await queue.aio.revoke("workers")
        assert await dead.aio.sources() == [queue]

    asyncio.run(main())

    assert (dict(queue.tags), queue.policy) == ({"team": "shop"}, None)


def test_what_is_no_group_cannot_be_released(clock: VirtualClock) -> None:
    queue: Any = Queue("orders.fifo", clock=clock)

    with pytest.raises(TypeError, match="group must be text"):
        queue.release(["a"])
