"""Deliveries: how a handler is called with one event, as it would be in a program, and again with the same one.

An event is what the handler takes: any value, an AWS event, or a Message. Each delivery has a copy of its own; one of a
Message comes from a queue that is made for it, always under the same id, and counts as one receive more.
"""

# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
# What a user's handler and effects hold is known when it is looked at, not before.

from __future__ import annotations

import copy
import inspect
import re
from collections.abc import Callable, Iterable
from typing import Any, get_origin

from decouple.calls import is_async
from decouple.consumer import Consumer
from decouple.context import Context
from decouple.core.records import PLAIN, Details
from decouple.function import Function
from decouple.message import Entry, Message
from decouple.queue import Queue

__all__ = ["Deliveries", "awaits", "plain_handler"]

MOST_SHOWN = 120
SECOND = 1_000_000_000


def plain_handler(handler: Any) -> Callable[..., Any]:
    """What is to be called. Raises TypeError."""
    found = handler.handler if isinstance(handler, (Function, Consumer)) else handler
    if not callable(found):
        raise TypeError(f"handler must be a callable that takes one event, not {handler!r:.80}")
    return found


class Deliveries:
    """The events, to be handled by one handler. index: an event's place among them."""

    def __init__(self, handler: Any, events: Iterable[Any]) -> None:
        self._handler = handler
        self.events: list[Any] = [entry_of(event) for event in events]
        self._wants_message = isinstance(handler, Consumer) or wants_message(handler, self.events)
        self._context = isinstance(handler, Function) or takes_context(handler)
        self.begin()

    def begin(self) -> None:
        """Nothing was delivered yet: a queue on the clock of here and now."""
        body: Any = self._handler.queue.body_type if isinstance(self._handler, Consumer) else str
        self._queue: Queue[Any] | None = Queue("events", body=body) if self._wants_message else None
        self._counts = [0] * len(self.events)

    def describe(self, index: int) -> str:
        """An event in a few words."""
        event = self.events[index]
        shown = repr(event.body if isinstance(event, Entry) else event)
        return shown if len(shown) <= MOST_SHOWN else f"{shown[:MOST_SHOWN]}..."

    def arguments(self, index: int) -> tuple[tuple[Any, ...], Message[Any] | None]:
        """What the handler is to be called with this time; and the message that is to be settled, if there is one."""
        event = self.events[index]
        self._counts[index] += 1
        if self._queue is not None:
            message = self._message(self._queue, index, event)
            return (self._wanted(message),), message
        given = copy.deepcopy(event.body if isinstance(event, Entry) else event)
        return ((given, self._lambda_context(index)) if self._context else (given,)), None

    def _message(self, queue: Queue[Any], index: int, event: Any) -> Message[Any]:
        """The message, for as many times as it was delivered by now."""
        queue.purge()
        text, details, _ = queue._checked(event if isinstance(event, Entry) else Entry(copy.deepcopy(event)))
        named: Details = (details or PLAIN)._replace(id=f"{index + 1:08x}-0000-4000-8000-{index + 1:012x}")
        queue._send([(text, named, 0)])
        for _ in range(self._counts[index] - 1):
            queue.receive()[0].nack()
        return queue.receive()[0]

    def _wanted(self, message: Message[Any]) -> Any:
        if not isinstance(self._handler, Consumer):
            return message
        wanted = self._handler._wanted
        if wanted.type is None:
            return message
        return message.body if wanted.type is message.owner.body_type else wanted.decode(message.text)

    def _lambda_context(self, index: int) -> Context:
        """A request's id is the same at each of its attempts."""
        id = f"{index + 1:08x}-0000-4000-8000-{index + 1:012x}"
        if isinstance(self._handler, Function):
            made = self._handler
            seconds, memory, arn, name = made.timeout, made.memory, made.arn, made.name
        else:
            name = getattr(self._handler, "__name__", "handler")
            seconds, memory, arn = 3.0, 128, f"arn:aws:lambda:us-east-1:000000000000:function:{name}"
        return Context(name, arn, memory, id, "proof", lambda: 0, round(seconds * SECOND))


def entry_of(event: Any) -> Any:
    """The event; of a Message what it was sent with, for its queue is not to be touched."""
    if not isinstance(event, Message):
        return event
    message = event
    return Entry(message.text, None, message.attributes or None, message.group)


def wants_message(handler: Any, events: list[Any]) -> bool:
    """Whether its annotation says so, or what it is to be called with."""
    if isinstance(handler, Function):
        return False
    if any(isinstance(event, Entry) for event in events):
        return True
    annotation = next((one.annotation for one in parameters_of(handler)), None)
    if isinstance(annotation, str):
        return re.fullmatch(r"([\w.]+\.)?Message(\[.*\])?", annotation) is not None
    origin = get_origin(annotation) or annotation
    return isinstance(origin, type) and issubclass(origin, Message)


def takes_context(handler: Any) -> bool:
    """Whether it takes (event, context), as on Lambda."""
    needed = [one for one in parameters_of(handler) if one.default is one.empty and one.kind in POSITIONAL]
    return len(needed) == 2


POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def parameters_of(handler: Any) -> list[inspect.Parameter]:
    """Of a class those of its objects' __call__; none of a builtin, which says nothing about them."""
    try:
        if isinstance(handler, type):
            return list(inspect.signature(handler.__call__).parameters.values())[1:]
        return list(inspect.signature(plain_handler(handler)).parameters.values())
    except ValueError:
        return []


def awaits(handler: Any) -> bool:
    """Whether it is to be awaited."""
    if isinstance(handler, type):
        return inspect.iscoroutinefunction(handler.__call__)
    return is_async(plain_handler(handler))
