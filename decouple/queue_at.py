"""A queue by its ARN: a subscription's queue, or its dead-letter queue, that is looked up when there is something for it.

So it may be declared later, or deleted and declared anew, as in SNS, whose subscriptions know endpoints and no queues. What
finds it may also say no, for one that the topic must not send to: that is an error like the missing queue's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from decouple.core.backoff import AWS_MANAGED, Schedule

if TYPE_CHECKING:
    from decouple.sending import Sending

__all__ = ["QueueAt", "there"]


class QueueAt:
    """Where a queue is. find: gives the queue that is there now, or raises; asked whenever it is not known to be there.

    always: ask at every delivery, because the answer may change while the queue stays. Two of the same ARN are equal.
    """

    __slots__ = ("always", "arn", "find")

    # As of a Target, but that nothing is pushed: it has its copy before publish returns.
    protocol = "sqs"
    envelope = False
    schedule: Schedule = AWS_MANAGED

    def __init__(self, arn: str, find: Callable[[], Sending[Any]], *, always: bool = False) -> None:
        self.arn = arn
        self.find = find
        self.always = always

    @property
    def name(self) -> str:
        """The queue's name."""
        return self.arn.rpartition(":")[2]

    @property
    def endpoint(self) -> str:
        """As it is shown."""
        return f"queue {self.name!r}"

    @property
    def fifo(self) -> bool:
        """Whether it is a FIFO queue, by its name."""
        return self.arn.endswith(".fifo")

    def __eq__(self, other: object) -> bool:
        return self.arn == other.arn if isinstance(other, QueueAt) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.arn)

    def __repr__(self) -> str:
        return f"QueueAt({self.arn!r})"


def there(queue: Any) -> Any:
    """The queue itself; of a QueueAt what is there now, None if nothing is."""
    if not isinstance(queue, QueueAt):
        return queue
    try:
        return queue.find()
    except Exception:  # whatever keeps the topic from sending: there is no queue for it
        return None
