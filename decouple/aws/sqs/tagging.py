"""Tags of queues."""

from __future__ import annotations

from typing import TYPE_CHECKING

from decouple.aws.sqs import SQS
from decouple.aws.sqs.urls import find_queue

if TYPE_CHECKING:
    from decouple.aws.service import Answer, Given
    from decouple.aws.world import Call

__all__ = ["list_queue_tags", "tag_queue", "untag_queue"]


@SQS.operation("ListQueueTags")
def list_queue_tags(call: Call, given: Given) -> Answer:
    """Without the key where there are none."""
    tags = find_queue(call, given["QueueUrl"], "ListQueueTags").tags
    return {"Tags": dict(tags)} if tags else {}


@SQS.operation("TagQueue")
def tag_queue(call: Call, given: Given) -> Answer:
    """Tags of the same key are overwritten."""
    queue = find_queue(call, given["QueueUrl"], "TagQueue")
    try:
        queue.tag(given["Tags"])
    except ValueError as error:
        raise SQS.wrong(str(error)) from error
    return {}


@SQS.operation("UntagQueue")
def untag_queue(call: Call, given: Given) -> Answer:
    """Keys that are not there are no error."""
    find_queue(call, given["QueueUrl"], "UntagQueue").untag(*given["TagKeys"])
    return {}
