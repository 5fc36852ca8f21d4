"""The first page: what a user does first."""

from __future__ import annotations

from decouple import Queue
from decouple.testing import VirtualClock


def test_a_message_not_deleted_is_delivered_again_after_its_visibility_timeout(
    queue: Queue, clock: VirtualClock
) -> None:
    """SQS: the timeout runs from the receive, not from the send."""
    queue.send("order 7")
    clock.advance(100)
    [first] = queue.receive()

    clock.advance(29.999)
    assert queue.receive() == []

    clock.advance(0.001)
    [again] = queue.receive()
    assert (again.id, again.receive_count) == (first.id, 2)
    assert again.receipt != first.receipt
