"""Lists of queues: an account's, and those that send their dead letters to one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from decouple.aws.paging import page
from decouple.aws.sqs import SQS
from decouple.aws.sqs.urls import find_queue, url_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from decouple.aws.service import Answer, Given
    from decouple.aws.world import Call
    from decouple.queue import Queue

__all__ = ["list_dead_letter_source_queues", "list_queues"]

MOST = 1_000


@SQS.operation("ListQueues")
def list_queues(call: Call, given: Given) -> Answer:
    """Those of the caller, by name."""
    prefix = given.get("QueueNamePrefix") or ""
    queues = list(call.place.broker.queues.values())
    return urls("QueueUrls", (one for one in queues if one.name.startswith(prefix) and not one.closed), call, given)


@SQS.operation("ListDeadLetterSourceQueues")
def list_dead_letter_source_queues(call: Call, given: Given) -> Answer:
    """Its key is the only one in SQS that begins with a small letter."""
    queue = find_queue(call, given["QueueUrl"], "ListDeadLetterSourceQueues")
    return urls("queueUrls", queue.sources(), call, given)


def urls(key: str, queues: Iterable[Queue[Any]], call: Call, given: Given) -> Answer:
    """Without MaxResults there are at most 1,000, and no token (SQS)."""
    reason = f"MaxResults must be an integer between 1 and {MOST}."
    asked = SQS.within(given.get("MaxResults"), "MaxResults", 1, MOST, reason)
    by_arn = dict(sorted((queue.arn, queue) for queue in queues))
    try:
        some = page(by_arn, most=asked or MOST, token=given.get("NextToken"))
    except ValueError as error:
        raise SQS.wrong("Invalid or expired next token.") from error
    answer: Answer = {key: [url_of(queue, call.world) for queue in some.items]} if some.items else {}
    return answer | (some.more if asked else {})
