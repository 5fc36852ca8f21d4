"""The awaitable face of a queue: the same methods on the same queue, for tasks of any loop.

Only waiting differs between a thread and a task, so only `receive` has anything of its own.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar, Unpack

from decouple.errors import QueueClosed
from decouple.generic import T

if TYPE_CHECKING:
    from decouple.attributes import Value
    from decouple.clock import Seconds
    from decouple.core.records import Delivery
    from decouple.generic import Json
    from decouple.message import Entry, Message, Sent
    from decouple.movetask import MoveTask
    from decouple.parking import TaskPark
    from decouple.queue import Queue
    from decouple.settings import QueueSettings
    from decouple.stats import GroupStats, QueueStats
    from decouple.tags import Tags

__all__ = ["AsyncQueue"]

R = TypeVar("R")


class AsyncQueue(Generic[T]):
    """A queue's methods as coroutines: `await queue.aio.receive(wait=20)`. See Queue for what each does and costs."""

    __slots__ = ("_queue", "_send")

    def __init__(self, queue: Queue[T]) -> None:
        self._queue = queue
        self._send = queue.send

    async def send(
        self,
        body: T | Json,
        *,
        delay: Seconds | None = None,
        attributes: Mapping[str, Value] | None = None,
        group: str | None = None,
        deduplication_id: str | None = None,
        system: Mapping[str, str] | None = None,
    ) -> Sent:
        """Add a message; never suspends. See Queue.send."""
        if delay is None and attributes is None and group is None and deduplication_id is None and system is None:
            return self._send(body)
        return self._send(
            body, delay=delay, attributes=attributes, group=group, deduplication_id=deduplication_id, system=system
        )

    async def send_batch(self, entries: Iterable[T | Json | Entry]) -> list[Sent]:
        """Add any number of messages, all or none; never suspends. See Queue.send_batch."""
        return self._queue.send_batch(entries)

    async def receive(
        self,
        *,
        max_messages: int = 1,
        wait: Seconds | None = None,
        visibility_timeout: Seconds | None = None,
        attempt_id: str | None = None,
        patience: float | None = None,
    ) -> list[Message[T]]:
        """Take up to `max_messages`; suspends only when there are none and it may wait. See Queue.receive.

        Cancelled while a message was on its way, it puts the message back at the front, its count restored.
        """
        queue = self._queue
        given: Any = wait
        one = visibility_timeout is None and attempt_id is None and max_messages == 1 and max_messages.__class__ is int
        plain = given is None or (given.__class__ is int and 0 <= given < 1_000_000)
        if one and plain and (message := queue._take_one()) is not None:
            return [message]
        if attempt_id is not None:
            batch = queue._attempted(max_messages, wait, visibility_timeout, attempt_id)
            if batch is None:
                batch = await self.receive(
                    max_messages=max_messages, wait=wait, visibility_timeout=visibility_timeout, patience=patience
                )
                queue._remember(attempt_id, batch)
            return batch
        most, lease, until = queue._asked(max_messages, wait, visibility_timeout)
        while True:
            if until is None:
                out = queue._receive_now(most, lease)
            else:
                out = await self._wait_patiently(queue._task_park(most, lease, until), patience)
            good = queue._decodable(out)
            if good or not out:
                return good

    async def _wait_patiently(self, park: TaskPark, patience: float | None) -> list[Delivery]:
        if patience is None:
            return await self._wait(park)
        hurry = park.loop.call_later(patience, park.give_up)
        try:
            return await self._wait(park)
        finally:
            hurry.cancel()

    async def _wait(self, park: TaskPark) -> list[Delivery]:
        """Stay parked until messages come or the time is over; Queue._wait for a task."""
        lobby, clock = self._queue._lobby, self._queue.clock
        try:
            until = lobby.enter(park)
            while until is not None and not park.done:
                timer = clock.call_at(park.loop, until, park.look, park.fail, park.describe)
                try:
                    await park.future
                finally:
                    timer.cancel()
                if not park.done:
                    park.arm()
                    until = lobby.alarm_for(park)
            return lobby.outcome(park)
        except GeneratorExit:
            # The task is being garbage-collected, perhaps while this very thread holds the queue's lock.
            lobby.left.append(park)
            raise
        except BaseException:
            lobby.abandon(park)
            raise

    async def wait_for(self, predicate: Callable[[], R], timeout: Seconds = 5) -> R:
        """Suspend until predicate(), a plain function, is true, and give what it gives. See Queue.wait_for."""
        from decouple.conditions import wait_for_as_task  # here, because only tests wait for conditions

        __tracebackhide__ = True
        return await wait_for_as_task(self._queue, predicate, timeout)

    async def messages(self, wait: Seconds = 20) -> AsyncIterator[Message[T]]:
        """Every message as it comes, one at a time, until the queue is closed."""
        while True:
            try:
                batch = await self.receive(wait=wait)
            except QueueClosed:
                return
            for message in batch:
                yield message

    async def delete(self, *messages_or_receipts: Message[T] | str) -> None:
        """Acknowledge messages; never suspends. See Queue.delete."""
        self._queue.delete(*messages_or_receipts)

    async def change_visibility(self, message_or_receipt: Message[T] | str, timeout: Seconds) -> None:
        """Keep a message in flight for longer or shorter; never suspends. See Queue.change_visibility."""
        self._queue.change_visibility(message_or_receipt, timeout)

    async def purge(self) -> int:
        """Remove every message; never suspends. See Queue.purge."""
        return self._queue.purge()

    async def peek(self, n: int = 10) -> list[Message[T]]:
        """The next visible messages, left as they are; never suspends. See Queue.peek."""
        return self._queue.peek(n)

    async def stats(self) -> QueueStats:
        """Counts and totals; never suspends. See Queue.stats."""
        return self._queue.stats()

    async def groups(self) -> list[GroupStats]:
        """The groups of a FIFO queue and what each waits behind; never suspends. See Queue.groups."""
        return self._queue.groups()

    async def release(self, group: str) -> None:
        """Give the messages of a parked group again; never suspends. See Queue.release."""
        self._queue.release(group)

    async def check(self) -> dict[str, int]:
        """Prove that nothing was lost; never suspends. See Queue.check."""
        return self._queue.check()

    async def sources(self) -> list[Queue[Any]]:
        """The queues whose dead-letter queue this is; never suspends. See Queue.sources."""
        return self._queue.sources()

    async def redrive(
        self,
        to: Queue[Any] | None = None,
        *,
        where: Callable[[Message[T]], object] | None = None,
        edit: Callable[[Message[T]], Any] | None = None,
        max_per_second: float | None = None,
        dry_run: bool = False,
        keep: bool = False,
    ) -> MoveTask:
        """Move dead letters back; never suspends: `await task.aio.wait()` waits for the rest. See Queue.redrive."""
        return self._queue.redrive(
            to, where=where, edit=edit, max_per_second=max_per_second, dry_run=dry_run, keep=keep
        )

    async def configure(self, **settings: Unpack[QueueSettings]) -> None:
        """Change a live queue; never suspends. See Queue.configure."""
        self._queue.configure(**settings)

    async def tag(self, tags: Tags | None = None, /, **named: str) -> None:
        """Add or overwrite tags; never suspends. See Queue.tag."""
        self._queue.tag(tags, **named)

    async def untag(self, *keys: str) -> None:
        """Remove tags; never suspends. See Queue.untag."""
        self._queue.untag(*keys)

    async def grant(self, label: str, principals: str | Iterable[str], actions: str | Iterable[str]) -> None:
        """Add a statement to the policy; never suspends. See Queue.grant."""
        self._queue.grant(label, principals, actions)

    async def revoke(self, label: str) -> None:
        """Remove a statement of the policy; never suspends. See Queue.revoke."""
        self._queue.revoke(label)

    async def close(self) -> None:
        """End every wait; never suspends. See Queue.close."""
        self._queue.close()
