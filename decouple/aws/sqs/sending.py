"""SendMessage and SendMessageBatch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from decouple.aws.errors import ServiceError
from decouple.aws.sqs import SQS
from decouple.aws.sqs.batches import check_entries, failure, results
from decouple.aws.sqs.contents import TRACE, check_body, check_id, read_attributes, read_system, size_of
from decouple.aws.sqs.urls import find_queue
from decouple.digests import md5_of_attributes, md5_of_text
from decouple.errors import BodyNotDecoded, InvalidBatch, MessageTooLarge, QueueClosed
from decouple.message import Entry

if TYPE_CHECKING:
    from collections.abc import Mapping

    from decouple.aws.service import Answer, Given
    from decouple.aws.world import Call
    from decouple.message import Sent
    from decouple.queue import Queue

__all__ = ["send_message", "send_message_batch"]

MOST_BYTES = 1_048_576
LONGEST_DELAY = 900
NOT_THIS_TYPE = "The request include parameter that is not valid for this queue type."
NO_DEDUPLICATION = (
    "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly"
)
TRACE_HEADER = "x-amzn-trace-id"


# -- one -------------------------------------------------------------------------------------------------------------


@SQS.operation("SendMessage")
def send_message(call: Call, given: Given) -> Answer:
    """A duplicate on a FIFO queue is answered like the first, and not enqueued."""
    queue = find_queue(call, given["QueueUrl"], "SendMessage")
    entry = read_entry(queue, given)
    if queue.fifo and entry.group is None:
        raise SQS.missing("MessageGroupId")
    try:
        sent = queue.send(
            entry.body,
            delay=entry.delay,
            attributes=entry.attributes,
            group=entry.group,
            deduplication_id=entry.deduplication_id,
            system=with_origin(call, queue, entry.system, call.headers.get(TRACE_HEADER)),
        )
    except QueueClosed as error:
        raise SQS.no_queue(call.protocol) from error
    except MessageTooLarge as error:
        limit = f"Message must be shorter than {error.limit} bytes."
        raise SQS.wrong(f"One or more parameters are invalid. Reason: {limit}") from error
    except ValueError as error:  # all else was checked
        raise SQS.wrong(NO_DEDUPLICATION) from error
    return answer_for(given, entry, sent)


def read_entry(queue: Queue[Any], given: Given) -> Entry:
    """A message as the engine takes it, checked but for its size. Raises ServiceError."""
    body: Any = check_body(given.get("MessageBody"))
    if queue.body_type is not str:
        body = typed(queue, body)
    if len(given) == 2:  # the body, and where it goes
        return Entry(body)
    return Entry(
        body,
        read_delay(queue, given.get("DelaySeconds")),
        read_attributes(given.get("MessageAttributes")),
        check_id(given.get("MessageGroupId"), "MessageGroupId"),
        read_deduplication_id(queue, given.get("MessageDeduplicationId")),
        read_system(given.get("MessageSystemAttributes")),
    )


def typed(queue: Queue[Any], body: str) -> Any:
    """The body of a queue that was declared with a type. Raises ServiceError."""
    try:
        return queue._decode(body)
    except BodyNotDecoded as error:
        raise SQS.error("InvalidMessageContents", str(error)) from error


def read_delay(queue: Queue[Any], delay: int | None) -> int | None:
    reason = f"DelaySeconds must be >= 0 and <= {LONGEST_DELAY}."
    SQS.within(delay, "DelaySeconds", 0, LONGEST_DELAY, reason)
    if delay and queue.fifo:
        raise SQS.wrong_value(delay, "DelaySeconds", NOT_THIS_TYPE)
    return delay


def read_deduplication_id(queue: Queue[Any], value: str | None) -> str | None:
    if value is not None and not queue.fifo:
        raise SQS.wrong_value(value, "MessageDeduplicationId", NOT_THIS_TYPE)
    return check_id(value, "MessageDeduplicationId")


def with_origin(
    call: Call, queue: Queue[Any], system: Mapping[str, str] | None, trace: str | None
) -> Mapping[str, str] | None:
    """What is said beside the message, and by the request: its trace, and its account, where it is not the owner's."""
    more: dict[str, str] = {}
    if trace and trace.isprintable():
        more[TRACE] = trace
    if call.account != queue._account:
        more["SenderId"] = call.account
    return {**more, **(system or {})} if more else system


def answer_for(given: Given, entry: Entry, sent: Sent) -> Answer:
    answer: Answer = {"MD5OfMessageBody": md5_of_text(given["MessageBody"]), "MessageId": sent.id}
    if entry.attributes:
        answer["MD5OfMessageAttributes"] = md5_of_attributes(entry.attributes)
    if entry.system:
        answer["MD5OfMessageSystemAttributes"] = md5_of_attributes(entry.system)
    if sent.sequence is not None:
        answer["SequenceNumber"] = sent.sequence
    return answer


# -- several ---------------------------------------------------------------------------------------------------------


@SQS.operation("SendMessageBatch")
def send_message_batch(call: Call, given: Given) -> Answer:
    """Entries fail one by one, but a FIFO queue takes none where one of them has no group or deduplication id."""
    queue = find_queue(call, given["QueueUrl"], "SendMessageBatch")
    entries = check_entries(given["Entries"], "SendMessageBatch")
    size = sum(map(size_of, entries))
    if size > MOST_BYTES:
        text = f"Batch requests cannot be longer than {MOST_BYTES} bytes. You have sent {size} bytes."
        raise SQS.error("BatchRequestTooLong", text)
    if queue.fifo and any(entry.get("MessageGroupId") is None for entry in entries):
        raise SQS.wrong("The request must contain the parameter MessageGroupId.")
    failed: list[dict[str, Any]] = []
    good: list[tuple[dict[str, Any], Entry]] = []
    for one in entries:
        try:
            good.append((one, read_entry(queue, one)))
        except ServiceError as error:
            failed.append(failure(one, error))
    done = send_all(call, queue, good, failed)
    order = [one["Id"] for one in entries]
    return results(done, sorted(failed, key=lambda one: order.index(one["Id"])))


def send_all(
    call: Call, queue: Queue[Any], good: list[tuple[dict[str, Any], Entry]], failed: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Send those that are not too large, in one step and in order; the others fail."""
    bodies = [
        entry._replace(system=system)
        if (system := with_origin(call, queue, entry.system, None)) or len(one) > 2
        else entry.body
        for one, entry in good
    ]
    try:
        sent = queue.send_batch(bodies) if bodies else []
    except QueueClosed as error:
        raise SQS.no_queue(call.protocol) from error
    except InvalidBatch as error:
        failed += [failure(good[position][0], too_large(why)) for position, why in error.errors.items()]
        return send_all(call, queue, [one for at, one in enumerate(good) if at not in error.errors], failed)
    return [
        {"Id": one["Id"], **answer_for(one, entry, answer)} for (one, entry), answer in zip(good, sent, strict=True)
    ]


def too_large(why: Exception) -> ServiceError:
    """Why the engine does not take an entry. Raises ServiceError where none is to be taken."""
    if not isinstance(why, MessageTooLarge):
        raise SQS.wrong(NO_DEDUPLICATION) from why
    limit = f"Message must be shorter than {why.limit} bytes."
    return SQS.wrong(f"One or more parameters cannot be validated. Reason: {limit}")
