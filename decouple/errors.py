"""Every error a caller can meet, as one tree.

    DecoupleError
    |-- QueueError                 .queue: the queue's name
    |   |-- QueueNotFound          no queue of that name
    |   |-- QueueExists            declared again with another setting (.setting, .current, .asked)
    |   |-- QueueClosed            closed or deleted: no more sends and receives
    |   |-- TooManyInFlight        .in_flight of .limit
    |   |-- MessageTooLarge        .size over .limit bytes
    |   |-- NotInFlight            .id: gone, or never received through this handle
    |   |-- ReceiptExpired         .receipts: of a FIFO queue, their time in flight is over
    |   |-- ReceiptInvalid         .receipt: not one that this queue gave out
    |   |-- VisibilityTooLong      .total over .limit seconds since the receive
    |   |-- MoveTaskRunning        .task, .moved, .remaining: the redrive that runs already
    |   |-- InvalidBatch           .errors: {position: error}; nothing was sent
    |   |-- TriggerExists          .function: the queue triggers it already
    |   |-- BodyNotDecoded         .text, .wanted: the body is not what the queue's type asks
    |   `-- BodyMissing            .key, .size: a large body is not in its store any more
    |-- TopicError                 .topic: the topic's name
    |   |-- TopicNotFound          no topic of that name
    |   |-- TopicExists            declared again with another setting (.setting, .current, .asked)
    |   |-- TopicClosed            closed or deleted: nothing is published any more
    |   |-- BacklogFull            .subscription, .limit: no room for another notification
    |   |-- NotDelivered           .published, .failures: published, and some queues did not take it
    |   |-- SubscriptionExists     .endpoint: subscribed already, with another .setting
    |   `-- SubscriptionNotFound   .wanted: no subscription has this ARN or token
    |-- FunctionError              .function: the function's name
    |   |-- FunctionNotFound       no function of that name
    |   |-- FunctionExists         declared again with another setting (.setting, .current, .asked)
    |   |-- FunctionTimedOut       .seconds, .request_id: the handler took longer than the timeout
    |   |-- FunctionFailed         .error_type, .text, .stack: an error of the handler's that cannot be raised here as it is
    |   |-- FunctionOutOfMemory    .memory: the handler's process needed more MB than it may have
    |   |-- ProcessDied            .status: the handler's process ended in the middle of a run
    |   |-- ResultNotJSON          .why: the handler returned what JSON cannot hold
    |   |-- RecursionStopped       .turns: functions that start each other for ever
    |   |-- BrokenOff              the broker was closed before the run was begun
    |   `-- Throttled              .running of .limit at a time: no room for another run
    |-- ScheduleExists             .schedule: declared again with another term (.setting, .current, .asked)
    |-- DeliveryFailed             .endpoint, .status, .code: an endpoint did not take a notification; tried again
    |   `-- DeliveryRefused        it never will
    |-- StorageError               .path: where a durable engine keeps what it has
    |   |-- NotKept                .why: it could not be written, so it was refused rather than forgotten
    |   |-- StorageInUse           .pid: another process owns the journal
    |   |-- StorageDamaged         .offset, .why: what is there is not what was written
    |   |-- StorageTooNew          .version over .known: written by a newer version of this library
    |   `-- ClockBehind            .seconds: the machine's clock is before what was written last
    |-- NeedsBroker                .what: done by a broker's workers, and there is no broker
    |-- InvalidName                .name
    |-- InvalidPolicy              .resource, .statement: not a policy that can be evaluated; nothing was changed
    |-- InvalidFilter              .path, .reason: not a filter policy SNS would take; nothing was changed
    |-- InvalidSchedule            .expression, .field, .reason: not a rate, cron or at that AWS would take
    |-- AccessDenied               .principal may not do .action on .resource
    |-- InvalidPackage             .fault: code that cannot be unpacked
    |-- InvalidDescription         .path: where the description of a broker is wrong
    |-- NotInstalled               .wanted: a package or program of an extra that is not on this machine
    |-- CallRefused                .name: a breaker, bulkhead or rate limiter did not let a call in; it was not begun
    |   |-- CircuitOpen            .seconds, .retry_at: until the circuit is tried again
    |   |-- BulkheadFull           .limit calls are inside, .waited seconds for one to end
    |   `-- RateLimited            .retry_after: seconds until there is room for one more
    |-- StoreFailed                .store, .operation: a store did not do what it was asked to: a fault of a test
    |-- InProgress                 .key, .seconds: another run of an idempotent handler has the key
    |-- EndlessWork                .what, .links: jobs that put each other for ever at one instant
    |-- LawBroken                  .numbers: the books do not balance; or .id, .story, .seed: of a law that a test watches over
    |-- NotConformant              .failures, .report: behaviours that an engine does not have, or has undeclared
    |-- NotIdempotent              .steps, .expected, .found, .seed: a handler that does more for two deliveries than for one
    |-- NotDeterministic           .differences: a handler that does not do the same twice from the same beginning
    |-- NotExhausted               .runs, .states: more orders than were allowed, and none of them failed yet
    |-- NotRepeatable              .choice: a program that does something else when it is run again by the same choices
    |-- NotRecorded                .id, .kept of .most: nothing is recorded of what was to be explained
    |-- InvalidRecording           .path, .line: a file that is no recording, or one of another version
    |-- ClockStuck                 waiting on a virtual clock that nobody moves
    |-- Deadlock                   .waiting: in a simulation all wait for what cannot come
    `-- BlockingCall               .call: what would block a simulation, or belongs to real time

A wrong argument is a plain ValueError or TypeError. Errors about one queue name it; numbers are attributes, so
no program needs to read the sentence.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datetime import datetime

__all__ = [
    "AccessDenied",
    "BacklogFull",
    "BlockingCall",
    "BodyMissing",
    "BodyNotDecoded",
    "BrokenOff",
    "BulkheadFull",
    "CallRefused",
    "CircuitOpen",
    "ClockBehind",
    "ClockStuck",
    "Deadlock",
    "DecoupleError",
    "DeliveryFailed",
    "DeliveryRefused",
    "EndlessWork",
    "FunctionError",
    "FunctionExists",
    "FunctionFailed",
    "FunctionNotFound",
    "FunctionOutOfMemory",
    "FunctionTimedOut",
    "InProgress",
    "InvalidBatch",
    "InvalidDescription",
    "InvalidFilter",
    "InvalidName",
    "InvalidPackage",
    "InvalidPolicy",
    "InvalidRecording",
    "InvalidSchedule",
    "LawBroken",
    "MessageTooLarge",
    "MoveTaskRunning",
    "NeedsBroker",
    "NotConformant",
    "NotDelivered",
    "NotDeterministic",
    "NotExhausted",
    "NotIdempotent",
    "NotInFlight",
    "NotInstalled",
    "NotKept",
    "NotRecorded",
    "NotRepeatable",
    "ProcessDied",
    "QueueClosed",
    "QueueError",
    "QueueExists",
    "QueueNotFound",
    "RateLimited",
    "ReceiptExpired",
    "ReceiptInvalid",
    "RecursionStopped",
    "ResultNotJSON",
    "ScheduleExists",
    "StorageDamaged",
    "StorageError",
    "StorageInUse",
    "StorageTooNew",
    "StoreFailed",
    "SubscriptionExists",
    "SubscriptionNotFound",
    "Throttled",
    "TooManyInFlight",
    "TopicClosed",
    "TopicError",
    "TopicExists",
    "TopicNotFound",
    "TriggerExists",
    "VisibilityTooLong",
]


class DecoupleError(Exception):
    """The root of all errors of this library. They survive pickle, as long as what their attributes hold does."""

    def __reduce__(self) -> tuple[Any, ...]:
        # An exception's own way calls __init__ with `args`, which is the sentence and not what __init__ takes.
        return without_init, (type(self), *self.args), self.__dict__


def without_init(kind: type[DecoupleError], *args: object) -> DecoupleError:
    """An error of that class with these `args`; its attributes are for the caller to fill."""
    return kind.__new__(kind, *args)


class QueueError(DecoupleError):
    """An error about one queue, named by `queue`."""

    def __init__(self, sentence: str, *, queue: str) -> None:
        super().__init__(sentence)
        self.queue = queue


class QueueNotFound(QueueError):
    """No queue of this name is declared."""

    def __init__(self, queue: str, *, declared: int) -> None:
        super().__init__(
            f"no queue {queue!r} is declared among the broker's {declared}: declare it with broker.queue({queue!r})",
            queue=queue,
        )


class QueueExists(QueueError):
    """A queue was declared again and a setting differs from what it has now."""

    def __init__(self, queue: str, *, setting: str, current: object, asked: object) -> None:
        change = {
            "fifo": "declare it under another name",
            "body": "declare it under another name",
            "tags": "change them with queue.tag(...) and queue.untag(...)",
        }.get(setting, f"change it with queue.configure({setting}=...)")
        super().__init__(
            f"queue {queue!r} exists with {setting}={current!r}, not {asked!r}: leave it out, or {change}", queue=queue
        )
        self.setting = setting
        self.current = current
        self.asked = asked


class QueueClosed(QueueError):
    """The queue was closed or deleted. Messages in flight can still be settled."""

    def __init__(self, queue: str) -> None:
        super().__init__(f"queue {queue!r} is closed: it takes and gives no more messages", queue=queue)


class TooManyInFlight(QueueError):
    """The queue has as many messages in flight as it allows (AWS: OverLimit)."""

    def __init__(self, queue: str, *, in_flight: int, limit: int) -> None:
        super().__init__(
            f"queue {queue!r} has {in_flight} of at most {limit} messages in flight: "
            f"settle some, or raise it with configure(max_in_flight=...)",
            queue=queue,
        )
        self.in_flight = in_flight
        self.limit = limit


class MessageTooLarge(QueueError):
    """Body and attributes are over the limit of the queue or topic named by `queue`, counted in UTF-8 bytes."""

    def __init__(self, queue: str, *, size: int, limit: int, kind: str = "queue") -> None:
        keep = "keep such bodies in a folder with large_bodies=LargeBodies(folder), or " if kind == "queue" else ""
        super().__init__(
            f"a message of {size} bytes is over the {limit} bytes {kind} {queue!r} takes (body and attributes in UTF-8): "
            f"{keep}raise max_message_size",
            queue=queue,
        )
        self.size = size
        self.limit = limit


class NotInFlight(QueueError):
    """The message is gone, or this handle never received it, so its visibility cannot change."""

    def __init__(self, queue: str, *, id: str, why: str) -> None:
        super().__init__(f"message {id!r} is not in flight in queue {queue!r}: {why}", queue=queue)
        self.id = id


class ReceiptInvalid(QueueError, ValueError):
    """The receipt is malformed, of another queue, or one this queue never gave out."""

    def __init__(self, queue: str, *, receipt: object, why: str) -> None:
        super().__init__(
            f"{receipt!r} is not a receipt of queue {queue!r}: {why}; use message.receipt as it came", queue=queue
        )
        self.receipt = receipt


class ReceiptExpired(QueueError, ValueError):
    """A message of a FIFO queue was no longer in flight by this receipt, so it stays (AWS: the receipt handle has expired)."""

    def __init__(self, queue: str, *, receipts: Iterable[str]) -> None:
        self.receipts = tuple(receipts)
        super().__init__(
            f"{len(self.receipts)} receipt(s) of FIFO queue {queue!r} expired before they were used, the first "
            f"{self.receipts[0]!r}: the message comes or came again; extend() in time, or raise visibility_timeout",
            queue=queue,
        )


class VisibilityTooLong(QueueError, ValueError):
    """A visibility change would keep the message in flight for over 12 hours since its receive."""

    def __init__(self, queue: str, *, total: float, limit: float) -> None:
        super().__init__(
            f"the message would be in flight for {total:g} s since its receive, over the {limit:g} s queue {queue!r} "
            f"allows: ask for {total - limit:g} s less, or give it back with nack()",
            queue=queue,
        )
        self.total = total
        self.limit = limit


class MoveTaskRunning(QueueError):
    """The queue is being redriven already; it has one move task at a time (AWS: one active task per source)."""

    def __init__(self, queue: str, *, task: str, moved: int, remaining: int) -> None:
        super().__init__(
            f"queue {queue!r} is being redriven already by {task}: "
            f"wait for it with queue.move_tasks[0].wait(), or end it with .cancel()",
            queue=queue,
        )
        self.task = task
        self.moved = moved
        self.remaining = remaining


class InvalidBatch(QueueError, ValueError):
    """Some entries of a batch for the queue or topic named by `queue` are wrong, each with its error; nothing was sent."""

    def __init__(self, queue: str, *, errors: Mapping[int, Exception], entries: int, kind: str = "queue") -> None:
        shown = "; ".join(f"[{position}] {error}" for position, error in list(errors.items())[:3])
        more = f"; and {len(errors) - 3} more" if len(errors) > 3 else ""
        super().__init__(
            f"{len(errors)} of {entries} entries for {kind} {queue!r} are wrong and nothing was sent: {shown}{more}",
            queue=queue,
        )
        self.errors = dict(errors)


class TriggerExists(QueueError):
    """A queue has one trigger for a function."""

    def __init__(self, queue: str, *, function: str) -> None:
        super().__init__(
            f"queue {queue!r} has a trigger for function {function!r} already: close() that one to declare another",
            queue=queue,
        )
        self.function = function


class BodyNotDecoded(QueueError):
    """The text of a body is not what the queue's type asks for."""

    def __init__(self, queue: str, *, text: str, wanted: str, why: str) -> None:
        super().__init__(
            f"a body in queue {queue!r} is not {wanted}: {why}; message.text has it as it came ({len(text)} characters)",
            queue=queue,
        )
        self.text = text
        self.wanted = wanted


class BodyMissing(QueueError):
    """A large body is not in its store any more: somebody else removed it."""

    def __init__(self, queue: str, *, key: str, size: int) -> None:
        super().__init__(
            f"a body of {size} bytes in queue {queue!r} is not in its store under the key {key!r}: put it back there, "
            f"or reject() the message; only the queue, or a sweep() older than its retention, may remove it",
            queue=queue,
        )
        self.key = key
        self.size = size


class TopicError(DecoupleError):
    """An error about one topic, named by `topic`."""

    def __init__(self, sentence: str, *, topic: str) -> None:
        super().__init__(sentence)
        self.topic = topic


class TopicNotFound(TopicError):
    """No topic of this name is declared."""

    def __init__(self, topic: str, *, declared: int) -> None:
        super().__init__(
            f"no topic {topic!r} is declared among the broker's {declared}: declare it with broker.topic({topic!r})",
            topic=topic,
        )


class TopicExists(TopicError):
    """A topic was declared again and a setting differs from what it has now."""

    def __init__(self, topic: str, *, setting: str, current: object, asked: object) -> None:
        super().__init__(
            f"topic {topic!r} exists with {setting}={current!r}, not {asked!r}: leave it out, or declare another topic",
            topic=topic,
        )
        self.setting = setting
        self.current = current
        self.asked = asked


class TopicClosed(TopicError):
    """The topic was closed or deleted."""

    def __init__(self, topic: str) -> None:
        super().__init__(f"topic {topic!r} is closed: nothing is published to it any more", topic=topic)


class BacklogFull(TopicError):
    """A subscription that blocks its publishers has no room, and this one must not wait. Nothing was published."""

    def __init__(self, topic: str, *, subscription: str, limit: int) -> None:
        super().__init__(
            f"the backlog of {limit} of {subscription} is full, and waiting for room would block the event loop of this "
            f"thread: publish to topic {topic!r} from another one (asyncio.to_thread), or subscribe with another on_full",
            topic=topic,
        )
        self.subscription = subscription
        self.limit = limit


class NotDelivered(TopicError):
    """It was published, and some of the topic's queues did not take it; all other subscribers have it or get it.

    published: the answer of the publish; failures: the error by the name of each subscription. Publishing again would
    give the others a second copy: a subscription with a `dead_letter` keeps such messages instead.
    """

    def __init__(self, topic: str, *, published: Any, failures: Mapping[str, Exception]) -> None:
        shown = "; ".join(f"{name}: {error}" for name, error in list(failures.items())[:3])
        more = f"; and {len(failures) - 3} more" if len(failures) > 3 else ""
        super().__init__(
            f"published to topic {topic!r}, but {len(failures)} queue(s) did not take it: {shown}{more}; all others have "
            f"it; cancel() those subscriptions, or give them a dead_letter queue",
            topic=topic,
        )
        self.published = published
        self.failures = dict(failures)


class SubscriptionExists(TopicError):
    """The target is subscribed already, with another setting (AWS: Subscription already exists with different attributes)."""

    def __init__(self, topic: str, *, endpoint: str, setting: str, current: object, asked: object) -> None:
        super().__init__(
            f"{endpoint} is subscribed to topic {topic!r} with {setting}={current!r}, not {asked!r}: cancel() that "
            f"subscription first, or subscribe it as it is",
            topic=topic,
        )
        self.endpoint = endpoint
        self.setting = setting
        self.current = current
        self.asked = asked


class SubscriptionNotFound(TopicError):
    """No subscription has this ARN, or waits for this token; a token is good for two days."""

    def __init__(self, topic: str, *, wanted: str) -> None:
        super().__init__(
            f"no subscription of topic {topic!r} has {wanted!r}: it was cancelled, or never confirmed within two days; "
            f"subscribe again",
            topic=topic,
        )
        self.wanted = wanted


class FunctionError(DecoupleError):
    """An error about one function, named by `function`."""

    def __init__(self, sentence: str, *, function: str) -> None:
        super().__init__(sentence)
        self.function = function


class FunctionNotFound(FunctionError):
    """No function of this name is declared."""

    def __init__(self, function: str, *, declared: int) -> None:
        super().__init__(
            f"no function {function!r} is declared among the broker's {declared}: declare it with broker.function(...)",
            function=function,
        )


class FunctionExists(FunctionError):
    """A function was declared again and a setting differs from what it has now."""

    def __init__(self, function: str, *, setting: str, current: object, asked: object) -> None:
        super().__init__(
            f"function {function!r} exists with {setting}={current!r}, not {asked!r}: leave it out, or give the other "
            f"one another name=",
            function=function,
        )
        self.setting = setting
        self.current = current
        self.asked = asked


class FunctionTimedOut(FunctionError):
    """The handler took longer than the function's timeout (Lambda: Sandbox.Timedout)."""

    def __init__(self, function: str, *, seconds: float, request_id: str) -> None:
        super().__init__(
            f"function {function!r} timed out after {seconds:.2f} seconds (request {request_id}): "
            f"let it do less at a time, or raise timeout=",
            function=function,
        )
        self.seconds = seconds
        self.request_id = request_id


class FunctionFailed(FunctionError):
    """A handler's error that cannot be raised here as it is: it would end the program, or stayed in another process.

    error_type: its class by name; text: its message; stack: lines of its traceback, as Python prints them.
    """

    def __init__(
        self, function: str, *, error_type: str, text: str, stack: Iterable[str] = (), where: str = ""
    ) -> None:
        super().__init__(f"function {function!r} failed{where}: {error_type}: {text}", function=function)
        self.error_type = error_type
        self.text = text
        self.stack = tuple(stack)


class FunctionOutOfMemory(FunctionError):
    """The handler's process needed more memory than the function may have (Lambda: Runtime.OutOfMemory)."""

    def __init__(self, function: str, *, memory: int, request_id: str) -> None:
        super().__init__(
            f"function {function!r} ran out of its memory of {memory} MB (request {request_id}): "
            f"let it hold less at a time, or raise memory=",
            function=function,
        )
        self.memory = memory
        self.request_id = request_id


class ProcessDied(FunctionError):
    """The handler's process ended in the middle of a run (Lambda: Runtime.ExitError). `status`: as of subprocess."""

    def __init__(self, function: str, *, status: int, request_id: str) -> None:
        how = f"was killed by signal {-status}" if status < 0 else f"ended with exit status {status}"
        super().__init__(
            f"the process of function {function!r} {how} in the middle of request {request_id}: "
            f"the next run has a new one",
            function=function,
        )
        self.status = status
        self.request_id = request_id


class ResultNotJSON(FunctionError):
    """The handler returned what JSON cannot hold (Lambda: Runtime.MarshalError)."""

    def __init__(self, function: str, *, why: str) -> None:
        super().__init__(f"function {function!r} must return what JSON holds: {why}", function=function)
        self.why = why


class RecursionStopped(FunctionError):
    """Functions start each other, over queues and topics or directly, in a loop (Lambda: RecursiveInvocationException)."""

    def __init__(self, function: str, *, turns: int) -> None:
        super().__init__(
            f"function {function!r} was not begun: {turns} runs of functions led to this event, one after the other, "
            f"which is taken for a loop; let the last of them send to somewhere else",
            function=function,
        )
        self.turns = turns


class BrokenOff(FunctionError):
    """A run that was never begun, because its broker was closed."""

    def __init__(self, function: str) -> None:
        super().__init__(f"the broker was closed before function {function!r} was begun", function=function)


class Throttled(FunctionError):
    """As many runs as are allowed at a time are under way (Lambda: TooManyRequestsException, 429)."""

    def __init__(self, function: str, *, running: int, limit: int) -> None:
        super().__init__(
            f"function {function!r} runs {running} of at most {limit} at a time: try again later, or raise concurrency=",
            function=function,
        )
        self.running = running
        self.limit = limit


class ScheduleExists(DecoupleError):
    """A schedule was declared again and a term differs from what it has."""

    def __init__(self, schedule: str, *, setting: str, current: object, asked: object) -> None:
        super().__init__(
            f"schedule {schedule!r} exists with {setting}={current!r}, not {asked!r}: close() it first, or give the "
            f"other one another name="
        )
        self.schedule = schedule
        self.setting = setting
        self.current = current
        self.asked = asked


class DeliveryFailed(DecoupleError):
    """An endpoint did not take a notification this time.

    status: what it answered, None where it did not; code: AWS's word for the reason, None where it has none.
    """

    def __init__(self, endpoint: str, *, why: str, status: int | None = None, code: str | None = None) -> None:
        super().__init__(f"{endpoint} did not take the notification: {why}")
        self.endpoint = endpoint
        self.status = status
        self.code = code


class DeliveryRefused(DeliveryFailed):
    """An endpoint did not take a notification, and another attempt would be no use (SNS: a client error)."""


class NeedsBroker(DecoupleError):
    """What was asked is done by a broker's workers."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"{what} needs the workers of a broker: declare it there, with Broker().topic(...) and the like"
        )
        self.what = what


class InvalidName(DecoupleError, ValueError):
    """A name that AWS would refuse too."""

    def __init__(self, name: object, *, kind: str, rule: str) -> None:
        super().__init__(f"{name!r} cannot name a {kind}: {rule}")
        self.name = name


class InvalidPolicy(DecoupleError, ValueError):
    """A resource policy, or a change of one, that makes no sense. `statement` is None where the fault is in no one statement."""

    def __init__(self, resource: str, *, statement: str | None, why: str) -> None:
        where = "" if statement is None else f"{statement}: "
        super().__init__(f"the policy of {resource} cannot be this: {where}{why}; nothing was changed")
        self.resource = resource
        self.statement = statement


class InvalidFilter(DecoupleError, ValueError):
    """A filter policy that SNS would refuse. `path` is "" for the policy as a whole; `reason` is AWS's text where it is known."""

    def __init__(self, path: str, *, reason: str) -> None:
        super().__init__(f"the filter policy is wrong{path and f' at {path}'}: {reason}; nothing was changed")
        self.path = path
        self.reason = reason


class InvalidSchedule(DecoupleError, ValueError):
    """A schedule expression that EventBridge would refuse. `field` is "" where the fault is in no one field of it."""

    def __init__(self, expression: str, *, field: str, reason: str) -> None:
        super().__init__(f"invalid schedule expression {expression!r}: {field and f'{field}: '}{reason}")
        self.expression = expression
        self.field = field
        self.reason = reason


class AccessDenied(DecoupleError):
    """The resource's policy does not let the principal do this (AWS: AccessDenied, 403)."""

    def __init__(self, *, principal: str, action: str, resource: str, why: str) -> None:
        super().__init__(f"{principal} may not {action} on {resource}: {why}")
        self.principal = principal
        self.action = action
        self.resource = resource


class InvalidPackage(DecoupleError, ValueError):
    """Code that cannot be unpacked. `fault`: "broken", "empty" or "too large"."""

    def __init__(self, fault: str, *, why: str) -> None:
        super().__init__(f"the package of code is {fault}: {why}")
        self.fault = fault


class InvalidDescription(DecoupleError, ValueError):
    """A description from which no broker can be made; nothing was made. `path` is "" for the document as a whole."""

    def __init__(self, path: str, *, why: str) -> None:
        super().__init__(f"the description is wrong{path and f' at {path}'}: {why}")
        self.path = path


class NotInstalled(DecoupleError):
    """What only an extra needs is not on this machine."""

    def __init__(self, wanted: str, *, purpose: str, install: str) -> None:
        super().__init__(f"{purpose} needs {wanted}, which is not installed: {install}")
        self.wanted = wanted


class StoreFailed(DecoupleError):
    """A store of results or large bodies did not do what it was asked to, as a plan of faults wanted. `operation`: which."""

    def __init__(self, store: str, *, operation: str) -> None:
        super().__init__(f"{store} failed to {operation}: a fault, made by the plan of this test")
        self.store = store
        self.operation = operation


class InProgress(DecoupleError):
    """Another run of an idempotent handler has the same key, so this one was not begun."""

    def __init__(self, key: str, *, seconds: float) -> None:
        super().__init__(
            f"key {key!r} is in progress elsewhere, for up to {seconds:g} s more: "
            f"give the message back and try again then, or lower lease= if runs end sooner"
        )
        self.key = key
        self.seconds = seconds


class CallRefused(DecoupleError):
    """A guard, named by `name`, did not let a call in. The function was not begun, so calling again does nothing twice."""

    def __init__(self, sentence: str, *, name: str) -> None:
        super().__init__(sentence)
        self.name = name


class CircuitOpen(CallRefused):
    """Too many calls failed or were slow. `seconds`, `retry_at`: when the next is let in, 0 and None if a probe decides."""

    def __init__(self, name: str, *, seconds: float, retry_at: datetime | None) -> None:
        if retry_at is None:
            state = "half-open and its probe calls are under way: call again when they have ended"
        else:
            state = f"open for {seconds:g} s more, until {retry_at:%H:%M:%S} UTC: call again then"
        super().__init__(
            f"circuit breaker {name!r} is {state}, give it a fallback=, or close it with reset()", name=name
        )
        self.seconds = seconds
        self.retry_at = retry_at


class BulkheadFull(CallRefused):
    """As many calls as are allowed at a time were inside, for all the `waited` seconds this one would wait."""

    def __init__(self, name: str, *, limit: int, waited: float) -> None:
        after = f" and none ended in {waited:g} s" if waited else ""
        super().__init__(
            f"bulkhead {name!r} has {limit} of {limit} calls inside{after}: call again later, or give it a larger limit=, "
            f"a longer wait= or a fallback=",
            name=name,
        )
        self.limit = limit
        self.waited = waited


class RateLimited(CallRefused):
    """Calls come faster than the limiter's rate. `retry_after`: seconds until there is room for one more."""

    def __init__(self, name: str, *, retry_after: float) -> None:
        super().__init__(
            f"rate limiter {name!r} has no room for another {retry_after:g} s: call again then, or give it a higher rate=, "
            f"a longer wait= or a fallback=",
            name=name,
        )
        self.retry_after = retry_after


class EndlessWork(DecoupleError):
    """So many jobs at one instant, each the next one's cause, that there would be no end. why: if more is known."""

    def __init__(self, what: str, *, links: int, why: str | None = None) -> None:
        super().__init__(
            why
            or f"{what} is still to be done at the same instant, after a chain of {links:,} jobs that each put the next: "
            f"let it stop, or put the next one for a later instant"
        )
        self.what = what
        self.links = links


class LawBroken(DecoupleError):
    """A conservation law or an internal invariant does not hold, a fault in this library; or a law that a test watches over.

    id, story, seed: of the message, where there is one, and of the run.
    """

    def __init__(
        self,
        sentence: str,
        *,
        numbers: Mapping[str, int],
        id: str | None = None,
        story: object = None,
        seed: int | None = None,
    ) -> None:
        parts = [f"{name} {value}" for name, value in numbers.items()] + ([] if seed is None else [f"seed {seed}"])
        told = "" if story is None else f"\n\n{story}"
        super().__init__(f"{sentence}{': ' if parts else ''}{', '.join(parts)}{told}")
        self.numbers = dict(numbers)
        self.id = id
        self.story = story
        self.seed = seed


class NotConformant(DecoupleError):
    """An engine is not as it is specified and declared. failures: what is wrong, by the name of the behaviour; report: all."""

    def __init__(
        self, failures: Mapping[str, str], *, of: int, sentences: Mapping[str, str], report: object = None
    ) -> None:
        listed = "".join(f"\n\n  {name}\n    {sentences[name]}\n    {why}" for name, why in failures.items())
        super().__init__(f"{len(failures)} of {of} behaviours are not as they should be:{listed}")
        self.failures = dict(failures)
        self.report = report


class NotIdempotent(DecoupleError):
    """A handler's effects are not those of each event once, when one comes again or its process died in the midst of it.

    events: in words, by their numbers; steps: what happened; expected, found: the effects; differences: between these.
    """

    def __init__(
        self,
        *,
        events: Mapping[int, str],
        steps: Iterable[str],
        expected: object,
        found: object,
        differences: Iterable[str],
        cases: int,
        seed: int,
    ) -> None:
        self.events, self.steps, self.differences = dict(events), tuple(steps), tuple(differences)
        self.expected, self.found = expected, found
        self.cases, self.seed = cases, seed
        parts = [
            [f"event {number}: {words}" for number, words in self.events.items()],
            [f"{number}. {words}" for number, words in enumerate(self.steps, 1)],
            [*self.differences, f"once:  {expected!r:.400}", f"found: {found!r:.400}"],
        ]
        listed = "\n\n".join("\n".join(f"  {line}" for line in part) for part in parts)
        super().__init__(f"not idempotent, as case {cases} shows, seed {seed}:\n\n{listed}")


class NotDeterministic(DecoupleError):
    """A handler's effects differ where it was given the same events twice, once each, from the same beginning."""

    def __init__(self, differences: Iterable[str]) -> None:
        self.differences = tuple(differences)
        super().__init__(
            f"the same events, once each, had other effects the second time ({'; '.join(self.differences)}): ignore= takes the "
            f"names of what differs by itself, such as times and ids; or something is not put back, which reset= can do"
        )


class NotExhausted(DecoupleError):
    """A program has more orders than it was allowed runs; none of those that were run failed."""

    def __init__(self, runs: int, states: int, *, opaque: Iterable[str] = ()) -> None:
        self.runs, self.states, self.opaque = runs, states, tuple(opaque)
        held = f"nothing was compared that holds {', '.join(self.opaque)}, so give state=; or " if self.opaque else ""
        super().__init__(
            f"{runs:,} runs and {states:,} states were not all there are: {held}take fewer messages, processes or steps, "
            f"allow more runs with most=, or take what there is with errors='collect'"
        )


class NotRepeatable(DecoupleError):
    """A program did something else when it was run again by the same choices, so its orders cannot be gone through."""

    def __init__(self, choice: int, *, expected: int, found: int) -> None:
        self.choice, self.expected, self.found = choice, expected, found
        super().__init__(
            f"run again by the same choices, the program had {found} ways to go on at choice {choice} and not {expected}: "
            f"what it remembers belongs into what make() returns; chance, real time and the order of sets are not repeated"
        )


class NotRecorded(DecoupleError, LookupError):
    """Nothing is recorded of what was to be explained."""

    def __init__(self, id: str, *, kept: int, dropped: int, most: int | None, maker: str = "Broker") -> None:
        if most == 0:
            why = f"the {maker.lower()} records nothing: make it with {maker}(record=100_000)"
        elif dropped:
            why = (
                f"the newest {kept:,} changes are kept and {dropped:,} older ones are not: "
                f"Broker(record={10 * kept:_}) keeps more"
            )
        else:
            why = f"all {kept:,} changes so far are kept, and none is of it: it is another broker's, or mistyped"
        super().__init__(f"nothing is recorded of {id!r}: {why}")
        self.id = id
        self.kept = kept
        self.dropped = dropped
        self.most = most


class InvalidRecording(DecoupleError, ValueError):
    """A file that is no recording, or one of another version."""

    def __init__(self, path: str, *, line: int | None, why: str) -> None:
        super().__init__(f"{path} is not a recording to be read{'' if line is None else f', line {line}'}: {why}")
        self.path = path
        self.line = line
        self.why = why


class StorageError(DecoupleError):
    """A durable engine cannot do what it promises."""

    def __init__(self, path: object, sentence: str) -> None:
        super().__init__(sentence)
        self.path = str(path)


class NotKept(StorageError):
    """It could not be written down, so it was refused rather than forgotten; the next call tries anew."""

    def __init__(self, path: object, *, why: str) -> None:
        super().__init__(
            path, f"{str(path)!r} cannot keep this: {why}; nothing was lost, try again when that is mended"
        )
        self.why = why


class StorageInUse(StorageError):
    """Another process owns the journal: its queues are in that process's memory."""

    def __init__(self, path: object, *, pid: int) -> None:
        process = f"process {pid}" if pid != os.getpid() else f"process {pid}, this one, by a broker that is not closed"
        super().__init__(
            path,
            f"{str(path)!r} is open in {process}: a journal has one owner; for queues that several processes share, "
            f"use Broker('sqlite:///jobs.db')",
        )
        self.pid = pid


class StorageDamaged(StorageError):
    """What is there is not what was written: somebody or something else changed it."""

    def __init__(self, path: object, *, why: str, offset: int | None = None, mend: str) -> None:
        where = "" if offset is None else f" at byte {offset}"
        super().__init__(path, f"{str(path)!r} is damaged{where}: {why}; nothing was changed, {mend}")
        self.why = why
        self.offset = offset


class StorageTooNew(StorageError):
    """It was written by a newer version of this library, which this one would misread."""

    def __init__(self, path: object, *, version: int, known: int) -> None:
        super().__init__(
            path,
            f"{str(path)!r} was written in format {version}, and this version of decouple knows {known}: "
            f"pip install --upgrade decouple-messaging",
        )
        self.version = version
        self.known = known


class ClockBehind(StorageError):
    """The machine's clock stands before the last instant that was written: leases and delays would last too long."""

    def __init__(self, path: object, *, seconds: float) -> None:
        super().__init__(
            path,
            f"the clock is {seconds:g} s before the last record of {str(path)!r}: set the machine's clock; nothing was changed",
        )
        self.seconds = seconds


class ClockStuck(DecoupleError):
    """Somebody waits on a virtual clock, and for seconds of real time nothing has moved it."""

    def __init__(self, waiting: str, *, seconds: float) -> None:
        super().__init__(
            f"{waiting}, and nothing has happened on this virtual clock for {seconds:g} real seconds: "
            f"call clock.advance(...), send a message, close the queue, or wait in the clock's own thread"
        )
        self.waiting = waiting
        self.seconds = seconds


class Deadlock(DecoupleError):
    """In a simulation all wait for what cannot come: nothing is due any more, ever."""

    def __init__(self, waiting: Iterable[str], *, since: datetime) -> None:
        self.waiting = tuple(waiting)
        self.since = since
        listed = "".join(f"\n  {one}" for one in self.waiting)
        super().__init__(f"nothing will ever happen again in this simulation, since {since.isoformat()}:{listed}")


class BlockingCall(DecoupleError):
    """Something in a simulation would block the thread that all of it runs in, or belongs to real time."""

    def __init__(self, call: str, advice: str) -> None:
        super().__init__(f"{call} would block this simulation, in which no real time passes: {advice}")
        self.call = call
        self.advice = advice
