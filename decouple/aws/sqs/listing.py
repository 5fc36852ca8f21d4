"""Lists of queues: an account's, and those that send their dead letters to one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from decouple.aws.sqs import SQS
from decouple.aws.sqs.pages import page_of
from decouple.aws.sqs.urls import find_queue, url_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from decouple.aws.service import Answer, Given
    from decouple.aws.world import Call
    from decouple.queue import Queue

__all__ = ["list_dead_letter_source_queues", "list_queues"]


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
    by_arn = {queue.arn: queue for queue in queues}
    page, token = page_of(sorted(by_arn), given)
    answer: Answer = {key: [url_of(by_arn[arn], call.world) for arn in page]} if page else {}
    return answer | ({"NextToken": token} if token else {})
