"""What a subscription delivers to, but for queues: handlers, and whatever has `deliver(notification)`.

Web endpoints are in http_target.py; mail, text messages and mobile push in senders.py. A target is told one
notification at a time and raises when it did not take it: DeliveryRefused when another attempt would be no use, anything
else when it might. What it returns is kept as the answer in the delivery's record.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from decouple.calls import answer_of, is_async
from decouple.core.backoff import AWS_MANAGED, Schedule

if TYPE_CHECKING:
    from decouple.notification import Notification
    from decouple.post import Post

__all__ = ["Handler", "Target"]


class Target(Protocol):
    """Where pushed notifications go.

    protocol: SNS's word for it, under which a publisher may give it a body of its own; endpoint: how it is shown; awaits:
    `deliver` is a coroutine; confirms: it is sent nothing but a token until somebody confirms; envelope: it gets SNS's
    JSON unless the subscription says otherwise; schedule: the retries it has unless the subscription says otherwise.
    """

    protocol: str
    endpoint: str
    awaits: bool
    confirms: bool
    envelope: bool
    schedule: Schedule

    def deliver(self, notification: Notification, post: Post) -> Any:
        """Hand it over, or raise. `post` has what a broker's targets share."""
        ...


class Handler:
    """A callable, called with the notification; or an object's `deliver`."""

    protocol = "lambda"  # a function's; so `per_protocol` may have a body for it
    confirms = False
    envelope = False
    schedule: Schedule = AWS_MANAGED

    def __init__(self, call: Callable[[Notification], Any], endpoint: str) -> None:
        self.call = call
        self.endpoint = endpoint
        self.awaits = is_async(call)

    def deliver(self, notification: Notification, post: Post) -> Any:
        answer = self.call(notification)
        return answer if self.awaits else answer_of(answer, self.endpoint)
