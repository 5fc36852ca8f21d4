"""ReceiveMessage, for threads and for event loops.

A long poll waits as the world's clock says: on real time for as long as it was asked to; on a virtual clock it jumps in the
clock's own thread. Everybody else (other threads, tasks, HTTP) has nobody who would move time for them: they wait for
PATIENCE of real time and are answered empty, with the clock where it was. While other threads poll, too, the clock's own
gives them as long before it jumps: what it waits for may be their answer.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from decouple.attributes import wire_parts
from decouple.aws.sqs import SQS
from decouple.aws.sqs.attributes import QUEUE_ATTRIBUTES, unknown
from decouple.aws.sqs.contents import check_id
from decouple.aws.sqs.sending import NOT_THIS_TYPE
from decouple.aws.sqs.urls import find_queue
from decouple.clock import VirtualClock
from decouple.core.records import Details, details_of
from decouple.digests import md5_of_attributes, md5_of_text
from decouple.errors import QueueClosed, TooManyInFlight
from decouple.lambda_records import system_attributes

if TYPE_CHECKING:
    from decouple.aws.service import Answer, Given
    from decouple.aws.world import Call
    from decouple.message import Message
    from decouple.queue import Queue

__all__ = ["PATIENCE", "areceive_message", "receive_message"]

PATIENCE = 0.1
"""Real seconds that a long poll waits on a clock that nobody moves for it."""
LONGEST_WAIT = 20
LONGEST_LEASE = 43_200
SYSTEM = frozenset(
    {
        "AWSTraceHeader",
        "ApproximateFirstReceiveTimestamp",
        "ApproximateReceiveCount",
        "DeadLetterQueueSourceArn",
        "MessageDeduplicationId",
        "MessageGroupId",
        "SenderId",
        "SentTimestamp",
        "SequenceNumber",
    }
)
NOTHING: frozenset[str] = frozenset()


class Asked(NamedTuple):
    """A receive as the engine takes it, and which attributes of what it brings are to be shown."""

    most: int
    wait: int | None
    lease: int | None
    attempt: str | None
    patience: float | None
    system: frozenset[str]
    names: tuple[str, ...]


class Pollers:
    """The threads that have polled in a world whose clock is another's; kept in its default place."""

    def __init__(self) -> None:
        self._threads: set[int] = set()

    def note(self) -> None:
        """The calling thread is one."""
        self._threads.add(threading.get_ident())

    def __bool__(self) -> bool:
        """Whether one of them is alive."""
        return any(one.ident in self._threads for one in threading.enumerate()) if self._threads else False


# -- the operation ---------------------------------------------------------------------------------------------------


@SQS.operation("ReceiveMessage")
def receive_message(call: Call, given: Given) -> Answer:
    """In a thread."""
    queue = find_queue(call, given["QueueUrl"], "ReceiveMessage")
    asked = read_receive(call, queue, given)
    try:
        messages = receive_after_others(call, queue, asked)
    except (QueueClosed, TooManyInFlight) as error:
        raise refusal(call, error) from error
    return answer_for(queue, messages, asked)


def receive_after_others(call: Call, queue: Queue[Any], asked: Asked) -> list[Message[Any]]:
    """Where time would jump and other threads poll, too, as one of them first."""
    clock = call.world.clock
    if asked.wait and isinstance(clock, VirtualClock):
        others = call.world.place().keep(Pollers)
        if not clock.mine:
            others.note()
        elif others:
            with ThreadPoolExecutor(1, "decouple-poll") as helper:
                messages = helper.submit(receive, queue, asked).result()
            if messages:
                return messages
    return receive(queue, asked)


def receive(queue: Queue[Any], asked: Asked) -> list[Message[Any]]:
    return queue.receive(
        max_messages=asked.most,
        wait=asked.wait,
        visibility_timeout=asked.lease,
        attempt_id=asked.attempt,
        patience=asked.patience,
    )


@SQS.operation("ReceiveMessage")
async def areceive_message(call: Call, given: Given) -> Answer:
    """In a task, which lets others run while it waits."""
    queue = find_queue(call, given["QueueUrl"], "ReceiveMessage")
    asked = read_receive(call, queue, given)
    try:
        messages = await queue.aio.receive(
            max_messages=asked.most,
            wait=asked.wait,
            visibility_timeout=asked.lease,
            attempt_id=asked.attempt,
            patience=asked.patience,
        )
    except (QueueClosed, TooManyInFlight) as error:
        raise refusal(call, error) from error
    return answer_for(queue, messages, asked)


@SQS.unless_waiting("ReceiveMessage")
def receive_at_once(call: Call, given: Given) -> Answer | None:
    """What is here now; None where a long poll would have to wait, or an attempt might be one of before."""
    queue = find_queue(call, given["QueueUrl"], "ReceiveMessage")
    asked = read_receive(call, queue, given)
    if asked.attempt is not None or (queue._faults is not None and waits(queue, asked)):
        return None  # under faults a receive that does not wait sees less than a long poll
    try:
        messages = queue.receive(max_messages=asked.most, wait=0, visibility_timeout=asked.lease)
    except QueueClosed as error:
        raise refusal(call, error) from error
    except TooManyInFlight as error:
        if waits(queue, asked):
            return None
        raise refusal(call, error) from error
    return answer_for(queue, messages, asked) if messages or not waits(queue, asked) else None


def waits(queue: Queue[Any], asked: Asked) -> bool:
    return bool(queue.settings["wait"] if asked.wait is None else asked.wait)


def refusal(call: Call, error: Exception) -> Exception:
    """A queue that was deleted meanwhile, or one with too many messages in flight."""
    if isinstance(error, QueueClosed):
        return SQS.no_queue(call.protocol)
    return SQS.error("OverLimit", "Too many messages are in flight: delete those that have been received.")


def read_receive(call: Call, queue: Queue[Any], given: Given) -> Asked:
    """Raises ServiceError."""
    asks = given.get
    most, wait, lease = asks("MaxNumberOfMessages"), asks("WaitTimeSeconds"), asks("VisibilityTimeout")
    if most is not None and not 1 <= most <= 10:
        raise SQS.wrong_value(most, "MaxNumberOfMessages", "Must be between 1 and 10, if provided.")
    if wait is not None and not 0 <= wait <= LONGEST_WAIT:
        raise SQS.wrong_value(wait, "WaitTimeSeconds", f"Must be >= 0 and <= {LONGEST_WAIT}, if provided.")
    if lease is not None and not 0 <= lease <= LONGEST_LEASE:
        raise SQS.wrong_value(lease, "VisibilityTimeout", f"Must be >= 0 and <= {LONGEST_LEASE}, if provided.")
    patience = PATIENCE if isinstance(call.world.clock, VirtualClock) else None
    attempt: str | None = check_id(asks("ReceiveRequestAttemptId"), "ReceiveRequestAttemptId")
    if attempt is not None and not queue.fifo:
        raise SQS.wrong_value(attempt, "ReceiveRequestAttemptId", NOT_THIS_TYPE)
    old, new = asks("AttributeNames"), asks("MessageSystemAttributeNames")
    system = system_names(tuple(old or ()), tuple(new or ())) if old or new else NOTHING
    return Asked(most or 1, wait, lease, attempt, patience, system, tuple(asks("MessageAttributeNames") or ()))


@lru_cache(maxsize=256)  # a program asks for the same ones each time
def system_names(old: tuple[str, ...], new: tuple[str, ...]) -> frozenset[str]:
    """The system attributes asked for under either name of the parameter. Raises ServiceError."""
    names = {*old, *new}
    for name in names:
        if name not in SYSTEM and name not in QUEUE_ATTRIBUTES:  # those of queues are allowed, and never there
            raise unknown(name)
    return SYSTEM if "All" in names else SYSTEM & names


# -- messages as they are shown --------------------------------------------------------------------------------------


def answer_for(queue: Queue[Any], messages: list[Message[Any]], asked: Asked) -> Answer:
    return {"Messages": [shown(queue, message, asked) for message in messages]} if messages else {}


def shown(queue: Queue[Any], message: Message[Any], asked: Asked) -> dict[str, Any]:
    text = message.text
    found: dict[str, Any] = {
        "MessageId": message.id,
        "ReceiptHandle": message.receipt,
        "MD5OfBody": md5_of_text(text),
        "Body": text,
    }
    if not asked.system and not asked.names:
        return found
    details = details_of(message.record)
    if asked.system and (said := system_of(queue, message, details, asked.system)):
        found["Attributes"] = said
    if asked.names and (attributes := wanted(details.attributes, asked.names)):
        found["MD5OfMessageAttributes"] = md5_of_attributes(attributes)
        found["MessageAttributes"] = {name: wire_attribute(value) for name, value in attributes.items()}
    return found


def system_of(queue: Queue[Any], message: Message[Any], details: Details, names: frozenset[str]) -> dict[str, str]:
    """What SQS says about the message, as far as it was asked for."""
    epoch = queue.clock.epoch
    attributes = system_attributes(
        receive_count=message.receive_count,
        sent_at=(epoch + message.record[1]) // 1_000_000,
        first_received_at=(epoch + message.first_received) // 1_000_000,
        trace=details.system.get("AWSTraceHeader"),
        sequence=message.sequence,
        group=details.group,
        sender=details.system.get("SenderId"),
        deduplication_id=message.deduplication_id,
        source=getattr(details.source, "arn", None),
    )
    return {name: text for name, text in attributes.items() if name in names and isinstance(text, str)}


def wanted(attributes: Mapping[str, Any], names: tuple[str, ...]) -> Mapping[str, Any]:
    """The message attributes asked for: all, by name, or by the beginning of it ("ab.*", whose dot means nothing)."""
    if not attributes:
        return attributes
    if not {"All", ".*", "*"}.isdisjoint(names):
        return attributes
    beginnings = tuple(name.removesuffix(".*") for name in names if name.endswith(".*"))
    return {name: value for name, value in attributes.items() if name in names or name.startswith(beginnings)}


def wire_attribute(value: Any) -> dict[str, Any]:
    kind, data = wire_parts(value)
    return {"StringValue" if isinstance(data, str) else "BinaryValue": data, "DataType": kind}
