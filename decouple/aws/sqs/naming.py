"""Names of queues, as SQS wants them."""

from __future__ import annotations

import re

from decouple.aws.sqs import SQS

__all__ = ["check_name", "is_queue_name"]

NAME = re.compile(r"[A-Za-z0-9_-]{1,80}", re.ASCII)
FIFO_NAME = re.compile(r"[A-Za-z0-9_-]{1,75}\.fifo", re.ASCII)


def is_queue_name(name: str) -> bool:
    """Whether a queue of either kind could be called that."""
    return (FIFO_NAME if name.endswith(".fifo") else NAME).fullmatch(name) is not None


def check_name(name: str, fifo: bool) -> None:
    """A name for a new queue. Raises ServiceError."""
    if fifo and not FIFO_NAME.fullmatch(name):
        raise SQS.wrong(
            "The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores, must end with "
            ".fifo suffix and be 1 to 80 in length"
        )
    if not fifo and not NAME.fullmatch(name):
        raise SQS.wrong("Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length")
