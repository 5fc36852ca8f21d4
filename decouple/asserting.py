"""What tests ask of queues and topics: was this sent, is it empty, wait until. A failure says what was there instead.

All of them raise a plain AssertionError, so they serve unittest and pytest alike. What was sent is read from the records of
the broker (`Broker(record=...)`), so it is also known of messages that are gone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import EllipsisType
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from decouple.clock import Seconds
from decouple.generic import T

if TYPE_CHECKING:
    from decouple.attributes import Value
    from decouple.core.changes import Change
    from decouple.generic import Json
    from decouple.queue import Queue
    from decouple.topic import Topic

__all__ = ["AssertingQueue", "AssertingTopic"]

R = TypeVar("R")


class AssertingQueue(Generic[T]):
    """The asserting part of a Queue."""

    _asserted: frozenset[str] = frozenset()  # ids of messages that a test has asserted

    def assert_sent(
        self,
        body: T | Json | EllipsisType = ...,
        *,
        attributes: Mapping[str, Value] | None = None,
        group: str | None = None,
        count: int | None = None,
    ) -> list[Change]:
        """That such a message came here, by a send, a topic or as a dead letter: the records of all such, oldest first.

        body: text, what JSON or the queue's type holds, or anything with an == of its own, such as unittest.mock.ANY, also
        within; ... = any; attributes: those it must have at least; group: of it; count: so many, None = at least one.
        Raises AssertionError, which tells the nearest ones and how they differ; NotRecorded. Cost: O(changes).
        """
        from decouple.expectations import assert_sent  # here, and so below, because only tests assert

        __tracebackhide__ = True
        return assert_sent(cast("Queue[Any]", self), body, attributes, group, count)

    def assert_empty(self) -> None:
        """That nothing is here: visible, in flight, delayed or on its way to another queue. Cost: O(messages).

        Raises AssertionError, which lists what is.
        """
        from decouple.expectations import assert_empty

        __tracebackhide__ = True
        assert_empty(cast("Queue[Any]", self))

    def wait_for(self, predicate: Callable[[], R], timeout: Seconds = 5) -> R:
        """Wait until predicate() is true, and give what it gives; an AssertionError of its own counts as not yet.

        On a VirtualClock of this thread time jumps, and due work is done. It is looked at again whenever anything happens
        in the queue's broker (alone, in the queue), and whenever something is due in the queue; other causes are not seen
        before the timeout, in seconds of the queue's clock. Raises AssertionError then; what it raises; ClockStuck.
        """
        from decouple.conditions import wait_for

        __tracebackhide__ = True
        return wait_for(cast("Queue[Any]", self), predicate, timeout)


class AssertingTopic:
    """The asserting part of a Topic."""

    def assert_published(
        self,
        body: Json | EllipsisType = ...,
        *,
        subject: str | None = None,
        attributes: Mapping[str, Value] | None = None,
        group: str | None = None,
        count: int | None = None,
    ) -> list[Change]:
        """That such a message was published here, whoever is subscribed: the records of all such, oldest first.

        subject: of it, None = any; the rest as in Queue.assert_sent. Raises AssertionError, NotRecorded.
        """
        from decouple.expectations import assert_published

        __tracebackhide__ = True
        return assert_published(cast("Topic", self), body, subject, attributes, group, count)
