"""Amazon SQS on the wire: its 23 operations above the public surface of Queue and Broker.

Texts and codes are those the service was recorded to answer; each module has the operations of one idea, and none of them
anything that the engine knows better.
"""

from __future__ import annotations

from decouple.aws.sqs.errors import ERRORS, SqsService

__all__ = ["SQS"]

SQS = SqsService(
    "sqs",
    "Amazon SQS",
    modules=(
        "decouple.aws.sqs.queues",
        "decouple.aws.sqs.listing",
        "decouple.aws.sqs.tagging",
        "decouple.aws.sqs.permissions",
        "decouple.aws.sqs.sending",
        "decouple.aws.sqs.receiving",
        "decouple.aws.sqs.settling",
        "decouple.aws.sqs.moves",
    ),
    errors=ERRORS,
    checks=(),
)
