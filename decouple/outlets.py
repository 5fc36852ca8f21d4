"""Where a schedule's payload goes: the way into a queue, a topic, a function or a callable, and what is handed over.

A queue, a topic and a function have it when their `send` or `publish` returns; a callable is called by the workers.
Source: EventBridge Scheduler user guide, "Adding context attributes".
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from decouple.bodies import text_of
from decouple.calls import answer_of, is_async
from decouple.core.records import Details
from decouple.errors import DeliveryRefused, NeedsBroker, NotDelivered, QueueClosed, TopicClosed
from decouple.fanout import put
from decouple.function import Function
from decouple.jsontext import json_text
from decouple.message import Entry
from decouple.publishing import Publish, checked
from decouple.queue import Queue
from decouple.settings import same_time
from decouple.topic import Topic

if TYPE_CHECKING:
    from decouple.clock import Clock
    from decouple.firing import Firing

__all__ = ["ARN", "EXECUTION", "TIME", "Outlet", "Payload", "name_of", "outlet_of", "payload_of"]

ARN = "<aws.scheduler.schedule-arn>"
TIME = "<aws.scheduler.scheduled-time>"
EXECUTION = "<aws.scheduler.execution-id>"
ATTEMPT = "<aws.scheduler.attempt-number>"
PLACEHOLDERS = (ARN, TIME, EXECUTION, ATTEMPT)
SAMPLE = "0" * 36
"""As long as the id of an execution."""


class Payload(NamedTuple):
    """The text of a payload. coded: it is the JSON of a value; open: the placeholders in it."""

    text: str
    coded: bool
    open: tuple[str, ...]

    def __repr__(self) -> str:
        return self.text if self.coded else repr(self.text)


def payload_of(value: Any, target: Any, account: str, region: str) -> Payload:
    """Text as it is, anything else as its JSON, or as the body of a typed queue; None is AWS's scheduled event.

    Raises TypeError, ValueError.
    """
    codec = target._codec if isinstance(target, Queue) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    if codec is not None:
        text: str = codec.text_of(value)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        return Payload(text, True, ())  # pyright: ignore[reportUnknownArgumentType]
    if isinstance(value, str):
        text, coded = text_of(value), False
    else:
        said = scheduled_event(account, region) if value is None else value
        text, coded = json_text(said, "a payload must be text or JSON"), True
    return Payload(text, coded, tuple(one for one in PLACEHOLDERS if one in text))


def scheduled_event(account: str, region: str) -> dict[str, Any]:
    """What a schedule without a payload says."""
    return {
        "version": "0",
        "id": EXECUTION,
        "detail-type": "Scheduled Event",
        "source": "aws.scheduler",
        "account": account,
        "time": TIME,
        "region": region,
        "resources": [ARN],
        "detail": "{}",
    }


class Outlet(NamedTuple):
    """How a target is given a payload. final: errors after which another attempt is no use.

    called: it is a callable, for a worker to call.
    """

    hand_over: Callable[[Firing, str], Any]
    awaits: bool
    called: bool
    final: tuple[type[BaseException], ...]
    name: str
    arn: str


def outlet_of(target: Any, payload: Payload, group: str | None, clock: Clock) -> Outlet:
    """The way into that target, checked as far as can be known before. Raises TypeError, ValueError, NeedsBroker."""
    if isinstance(target, (Queue, Topic, Function)):
        if not same_time(target.clock, clock):  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
            raise ValueError(
                f"target {target.name!r} is on another clock than the broker: make both with the same clock="
            )
        if isinstance(target, Function):
            return into_function(target, payload, group)
        ordered = target.fifo
        if ordered and group is None:
            raise ValueError(f"group is missing: FIFO target {target.name!r} keeps the order within each group")
        if isinstance(target, Topic):
            return into_topic(target, payload, group)
        return into_queue(target, payload, group)  # pyright: ignore[reportUnknownArgumentType]
    if not callable(target) or isinstance(target, type):
        raise TypeError(f"a schedule's target must be a Queue, Topic, Function or callable, not {target!r:.80}")
    check_no_group(group)
    named = name_of(target)
    awaits = is_async(target)

    def call(firing: Firing, text: str) -> Any:
        answer = target(json.loads(text) if payload.coded else text)
        return answer if awaits else answer_of(answer, named)

    return Outlet(call, awaits, True, (DeliveryRefused,), named, named)


def name_of(target: Callable[..., Any]) -> str:
    """A callable's own ARN, if it stands for something that has one; or where it is defined."""
    arn = getattr(target, "arn", None)
    if isinstance(arn, str):
        return arn
    return f"{getattr(target, '__module__', '')}.{getattr(target, '__qualname__', type(target).__qualname__)}"


def into_queue(queue: Queue[Any], payload: Payload, group: str | None) -> Outlet:
    """Send: as the queue's own message, with the execution as the deduplication id where there is order."""
    if queue._codec is None:
        queue._checked(Entry(payload.text, group=group, deduplication_id=SAMPLE if queue.fifo else None))

    def send(firing: Firing, text: str) -> None:
        identity = firing.id if queue.fifo else None
        if queue._codec is None:
            queue.send(text, group=group, deduplication_id=identity)
        else:
            put(queue, text, Details(group=group, deduplication_id=identity))
            queue._follow_up()

    return Outlet(send, False, False, (QueueClosed,), queue.name, queue.arn)


def into_topic(topic: Topic, payload: Payload, group: str | None) -> Outlet:
    """Publish: to every subscription that wants it."""
    checked(Publish(payload.text, group=group, deduplication_id=SAMPLE if topic.fifo else None), topic)

    def publish(firing: Firing, text: str) -> None:
        topic.publish(text, group=group, deduplication_id=firing.id if topic.fifo else None)

    # Of NotDelivered: publishing again would give the others a second copy.
    return Outlet(publish, False, False, (TopicClosed, NotDelivered), topic.name, topic.arn)


def into_function(function: Function, payload: Payload, group: str | None) -> Outlet:
    """Hand over as an event, which the function sees through by its own retries and destinations."""
    if function._runner is None:
        raise NeedsBroker(f"an event for function {function.name!r}")
    check_no_group(group)

    def send(firing: Firing, text: str) -> None:
        function.send(json.loads(text) if payload.coded else text)

    return Outlet(send, False, False, (NeedsBroker,), function.name, function.arn)


def check_no_group(group: str | None) -> None:
    if group is not None:
        raise ValueError(f"group is for queues and topics, not {group!r}: leave it out")
