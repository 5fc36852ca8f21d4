"""Sharing a queue: the queue as one principal may use it.

`SharedQueue` asks the queue's policy (permissions.py) before every call, and so do the messages received through it. This
models permissions, so that they can be tested and lived with; it guards nothing from code of the same process, which
can reach the queue itself.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, TypeAlias

from decouple.core.records import Delivery
from decouple.errors import AccessDenied, QueueClosed
from decouple.generic import T
from decouple.message import Message

if TYPE_CHECKING:
    from decouple.attributes import Value
    from decouple.clock import Seconds
    from decouple.core.principals import Principal
    from decouple.generic import Json
    from decouple.message import Entry, Sent
    from decouple.queue import Queue
    from decouple.stats import QueueStats

__all__ = ["Context", "SharedMessage", "SharedQueue", "shared"]

ContextValue: TypeAlias = str | int | float | bool | datetime
Context: TypeAlias = Mapping[str, ContextValue | Iterable[ContextValue]]
"""What conditions may ask of a request, by key: {"aws:SourceArn": ...}."""


def shared(queue: Queue[T], who: str | None, context: Context | None) -> SharedQueue[T]:
    """See Queue.as_principal."""
    from decouple.core.principals import principal  # here, as all of policies, because most queues are not shared

    return SharedQueue(queue, principal(who), {} if context is None else read_context(context))


def read_context(context: Context) -> dict[str, tuple[str, ...]]:
    from decouple.core.conditions import context_values

    if not isinstance(context, Mapping) or not all(isinstance(key, str) for key in context):
        raise TypeError(f"context must be a dict of condition keys and their values, not {context!r:.80}")
    return {key.lower(): context_values(value) for key, value in context.items()}


class SharedQueue(Generic[T]):
    """A queue as one principal may use it: each call is checked against the policy as it is then.

    The methods are the queue's; what they need is in brackets. A call that is refused raises AccessDenied, does nothing and is
    recorded as `denied`. Messages received here are checked too: `ack` and `reject` need DeleteMessage, `nack` and
    `extend` ChangeMessageVisibility. A receive that waits is checked when it begins.
    """

    __slots__ = ("_context", "_queue", "_who", "aio")

    def __init__(self, queue: Queue[T], who: Principal, context: Mapping[str, tuple[str, ...]]) -> None:
        self._queue = queue
        self._who = who
        self._context = context
        self.aio: AsyncSharedQueue[T] = AsyncSharedQueue(self)

    def __repr__(self) -> str:
        return f"<{self._queue!r} as {self._who.text}>"

    @property
    def name(self) -> str:
        """The queue's name."""
        return self._queue.name

    @property
    def arn(self) -> str:
        """The queue's ARN."""
        return self._queue.arn

    @property
    def principal(self) -> str:
        """Who uses it here: an ARN, a service, or `anonymous`."""
        return self._who.text

    def may(self, operation: str) -> bool:
        """Whether the policy allows an SQS operation, such as "SendMessage", now. Records nothing."""
        from decouple.permissions import access

        return access(self._queue, self._who, operation, self._context).allowed

    def send(
        self,
        body: T | Json,
        *,
        delay: Seconds | None = None,
        attributes: Mapping[str, Value] | None = None,
        group: str | None = None,
        deduplication_id: str | None = None,
        system: Mapping[str, str] | None = None,
    ) -> Sent:
        """Queue.send [SendMessage]."""
        self._check("SendMessage")
        return self._queue.send(
            body, delay=delay, attributes=attributes, group=group, deduplication_id=deduplication_id, system=system
        )

    def send_batch(self, entries: Iterable[T | Json | Entry]) -> list[Sent]:
        """Queue.send_batch [SendMessage]."""
        self._check("SendMessage")
        return self._queue.send_batch(entries)

    def receive(
        self,
        *,
        max_messages: int = 1,
        wait: Seconds | None = None,
        visibility_timeout: Seconds | None = None,
        attempt_id: str | None = None,
    ) -> list[Message[T]]:
        """Queue.receive [ReceiveMessage]."""
        self._check("ReceiveMessage")
        return self._bound(
            self._queue.receive(
                max_messages=max_messages, wait=wait, visibility_timeout=visibility_timeout, attempt_id=attempt_id
            )
        )

    def messages(self, wait: Seconds = 20) -> Iterator[Message[T]]:
        """Queue.messages [ReceiveMessage]."""
        while True:
            try:
                batch = self.receive(wait=wait)
            except QueueClosed:
                return
            yield from batch

    def delete(self, *messages_or_receipts: Message[T] | str) -> None:
        """Queue.delete [DeleteMessage]."""
        self._check("DeleteMessage")
        self._queue.delete(*messages_or_receipts)

    def change_visibility(self, message_or_receipt: Message[T] | str, timeout: Seconds) -> None:
        """Queue.change_visibility [ChangeMessageVisibility]."""
        self._check("ChangeMessageVisibility")
        self._queue.change_visibility(message_or_receipt, timeout)

    def purge(self) -> int:
        """Queue.purge [PurgeQueue]."""
        self._check("PurgeQueue")
        return self._queue.purge()

    def stats(self) -> QueueStats:
        """Queue.stats [GetQueueAttributes]."""
        self._check("GetQueueAttributes")
        return self._queue.stats()

    def peek(self, n: int = 10) -> list[Message[T]]:
        """Queue.peek [ReceiveMessage: SQS has nothing like it, and it shows the same bodies]."""
        self._check("ReceiveMessage")
        return self._queue.peek(n)

    def _check(self, operation: str) -> None:
        from decouple.permissions import check_access

        check_access(self._queue, self._who, operation, self._context)

    def _bound(self, messages: list[Message[T]]) -> list[Message[T]]:
        """The messages as this principal may settle them. Interrupted, they are first in line again."""
        try:
            return [bound(message, self) for message in messages]
        except BaseException:
            self._queue._lobby.give_back(messages)
            raise


class AsyncSharedQueue(Generic[T]):
    """The methods of a SharedQueue as coroutines; only `receive` ever suspends. See AsyncQueue."""

    __slots__ = ("_shared",)

    def __init__(self, shared: SharedQueue[T]) -> None:
        self._shared = shared

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
        """Queue.send [SendMessage]."""
        return self._shared.send(
            body, delay=delay, attributes=attributes, group=group, deduplication_id=deduplication_id, system=system
        )

    async def send_batch(self, entries: Iterable[T | Json | Entry]) -> list[Sent]:
        """Queue.send_batch [SendMessage]."""
        return self._shared.send_batch(entries)

    async def receive(
        self,
        *,
        max_messages: int = 1,
        wait: Seconds | None = None,
        visibility_timeout: Seconds | None = None,
        attempt_id: str | None = None,
    ) -> list[Message[T]]:
        """Queue.receive [ReceiveMessage]."""
        shared = self._shared
        shared._check("ReceiveMessage")
        return shared._bound(
            await shared._queue.aio.receive(
                max_messages=max_messages, wait=wait, visibility_timeout=visibility_timeout, attempt_id=attempt_id
            )
        )

    async def messages(self, wait: Seconds = 20) -> AsyncIterator[Message[T]]:
        """Queue.messages [ReceiveMessage]."""
        while True:
            try:
                batch = await self.receive(wait=wait)
            except QueueClosed:
                return
            for message in batch:
                yield message

    async def delete(self, *messages_or_receipts: Message[T] | str) -> None:
        """Queue.delete [DeleteMessage]."""
        self._shared.delete(*messages_or_receipts)

    async def change_visibility(self, message_or_receipt: Message[T] | str, timeout: Seconds) -> None:
        """Queue.change_visibility [ChangeMessageVisibility]."""
        self._shared.change_visibility(message_or_receipt, timeout)

    async def purge(self) -> int:
        """Queue.purge [PurgeQueue]."""
        return self._shared.purge()

    async def stats(self) -> QueueStats:
        """Queue.stats [GetQueueAttributes]."""
        return self._shared.stats()

    async def peek(self, n: int = 10) -> list[Message[T]]:
        """Queue.peek [ReceiveMessage]."""
        return self._shared.peek(n)


# -- its messages ----------------------------------------------------------------------------------------------------


class SharedMessage(Message[T]):
    """A message received through a SharedQueue: the delivery's double, which asks before it settles the delivery."""

    __slots__ = ("_original", "_view")

    _original: Message[T]
    _view: SharedQueue[T]

    @property
    def body(self) -> T:
        return self._original.body

    @property
    def text(self) -> str:
        return self._original.text

    def json(self) -> Any:
        return self._original.json()

    def ack(self) -> None:
        self._view._check("DeleteMessage")
        self._original.ack()
        self.settled = True

    def nack(self, delay: Seconds = 0) -> None:
        self._view._check("ChangeMessageVisibility")
        self._original.nack(delay)
        self.settled = True

    def extend(self, seconds: Seconds) -> None:
        self._view._check("ChangeMessageVisibility")
        self._original.extend(seconds)

    def reject(self, reason: str) -> None:
        self._view._check("DeleteMessage")
        self._original.reject(reason)
        self.settled = True

    def move(self, to: Queue[Any], **changes: Any) -> Sent:
        self._view._check("DeleteMessage")
        sent = self._original.move(to, **changes)
        self.settled = True
        return sent

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """As of a Message. Who may not change the visibility cannot give back: then it returns after its timeout."""
        if self.settled:
            return
        if error is None:
            self.ack()
            return
        self.settled = True
        try:
            self._view._check("ChangeMessageVisibility")
        except AccessDenied:
            return  # it is recorded, and must not hide the block's own error
        self._original.__exit__(kind, error, trace)


def bound(original: Message[T], view: SharedQueue[T]) -> SharedMessage[T]:
    """A message that settles as `view` may."""
    message: SharedMessage[T] = SharedMessage()
    for slot in Delivery.__slots__:
        setattr(message, slot, getattr(original, slot))
    message._original = original
    message._view = view
    return message
