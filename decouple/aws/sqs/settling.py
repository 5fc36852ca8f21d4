"""What becomes of received messages: DeleteMessage, ChangeMessageVisibility, and their batches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from decouple.aws.sqs import SQS
from decouple.aws.sqs.batches import check_entries, each
from decouple.aws.sqs.urls import find_queue
from decouple.errors import NotInFlight, QueueError, ReceiptExpired, ReceiptInvalid

if TYPE_CHECKING:
    from decouple.aws.errors import ServiceError
    from decouple.aws.service import Answer, Given
    from decouple.aws.world import Call
    from decouple.queue import Queue

__all__ = [
    "change_message_visibility",
    "change_message_visibility_batch",
    "delete_message",
    "delete_message_batch",
]

LONGEST = 43_200


@SQS.operation("DeleteMessage")
def delete_message(call: Call, given: Given) -> Answer:
    """Also late, but on a FIFO queue; also twice."""
    delete(find_queue(call, given["QueueUrl"], "DeleteMessage"), given)
    return {}


@SQS.operation("DeleteMessageBatch")
def delete_message_batch(call: Call, given: Given) -> Answer:
    """Entries fail one by one."""
    queue = find_queue(call, given["QueueUrl"], "DeleteMessageBatch")
    return each(check_entries(given["Entries"], "DeleteMessageBatch"), lambda entry: delete(queue, entry))


def delete(queue: Queue[Any], given: dict[str, Any]) -> None:
    receipt = receipt_in(given)
    try:
        queue.delete(receipt)
    except (ReceiptInvalid, ReceiptExpired) as error:
        raise refusal(receipt, error) from error


@SQS.operation("ChangeMessageVisibility")
def change_message_visibility(call: Call, given: Given) -> Answer:
    """From now, not from the receive; on a standard queue also when it is visible again."""
    change(find_queue(call, given["QueueUrl"], "ChangeMessageVisibility"), given)
    return {}


@SQS.operation("ChangeMessageVisibilityBatch")
def change_message_visibility_batch(call: Call, given: Given) -> Answer:
    """Entries fail one by one."""
    queue = find_queue(call, given["QueueUrl"], "ChangeMessageVisibilityBatch")
    return each(check_entries(given["Entries"], "ChangeMessageVisibilityBatch"), lambda entry: change(queue, entry))


def change(queue: Queue[Any], given: dict[str, Any]) -> None:
    receipt, timeout = receipt_in(given), given.get("VisibilityTimeout")
    if timeout is None:
        raise SQS.missing("VisibilityTimeout")
    SQS.within(timeout, "VisibilityTimeout", 0, LONGEST, f"Must be >= 0 and <= {LONGEST}, if provided.")
    try:
        queue.change_visibility(receipt, timeout)
    except (ReceiptInvalid, ReceiptExpired, NotInFlight) as error:
        raise refusal(receipt, error) from error
    except ValueError as error:  # over 12 hours since the receive
        reason = f"Total VisibilityTimeout for the message is beyond the limit [{LONGEST} seconds]"
        raise SQS.wrong_value(timeout, "VisibilityTimeout", reason) from error


def receipt_in(given: dict[str, Any]) -> str:
    receipt: str | None = given.get("ReceiptHandle")
    if not receipt:
        raise SQS.missing("ReceiptHandle")
    return receipt


def refusal(receipt: str, error: QueueError) -> ServiceError:
    """Why a receipt is of no use."""
    if isinstance(error, ReceiptInvalid):
        text = f'The input receipt handle "{receipt}" is not a valid receipt handle.'
        return SQS.error("ReceiptHandleIsInvalid", text)
    reason = "The receipt handle has expired."
    if isinstance(error, NotInFlight):
        reason = "Message does not exist or is not available for visibility timeout change."
    return SQS.wrong_value(receipt, "ReceiptHandle", reason)
