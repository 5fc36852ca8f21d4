"""Mail, text messages and mobile push as targets of a topic: `Email`, `SMS`, `Push`.

Each says how a notification reads there, and gives it as an Outgoing to whatever the broker has as a sender of that
protocol, `Broker(senders={"email": SMTP(...), "sms": function})`. Without one it lands in `broker.outbox`. Here nothing
goes over a network; smtp.py is a sender that does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from decouple.addresses import check_address, check_number
from decouple.core.backoff import CUSTOMER_MANAGED, Schedule
from decouple.envelopes import envelope_of
from decouple.errors import DeliveryRefused
from decouple.outbox import Outgoing

if TYPE_CHECKING:
    from decouple.notification import Notification
    from decouple.post import Post

__all__ = ["SMS", "Email", "Push"]

LONGEST_SMS = 1_600


class Addressed:
    """What the three share. They never change, and two of a kind with the same endpoint are equal."""

    __slots__ = ("endpoint", "envelope", "protocol")

    awaits = False  # unless the broker's sender is an async def: see Post.awaits
    confirms = False
    schedule: Schedule = CUSTOMER_MANAGED

    protocol: str
    endpoint: str
    envelope: bool

    def __init__(self, protocol: str, endpoint: str, *, envelope: bool = False) -> None:
        object.__setattr__(self, "protocol", protocol)
        object.__setattr__(self, "endpoint", endpoint)
        object.__setattr__(self, "envelope", envelope)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"{self!r} never changes, so {name!r} cannot be set: make another one")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"{self!r} never changes, so {name!r} cannot be deleted: make another one")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Addressed):
            return NotImplemented
        return (self.protocol, self.endpoint) == (other.protocol, other.endpoint)

    def __hash__(self) -> int:
        return hash((self.protocol, self.endpoint))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.endpoint!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.endpoint,)

    def deliver(self, notification: Notification, post: Post) -> Any:
        subject, body = self.written(notification)
        return post.send(Outgoing(self.protocol, self.endpoint, subject, body, notification))

    def written(self, notification: Notification) -> tuple[str | None, str]:
        """The subject and the text as they arrive there."""
        raise NotImplementedError


class Email(Addressed):
    """A mail address: gets the message as text with a link to unsubscribe, or, with json=True, SNS's JSON.

    address: local@domain, at most 254 bytes, also international; SNS's protocols "email" and "email-json". It must confirm
    before it gets messages, through the link in its first mail. Raises TypeError, ValueError.
    Source: SNS developer guide, "Email subscription setup and management".
    """

    __slots__ = ()
    confirms = True

    def __init__(self, address: str, *, json: bool = False) -> None:
        super().__init__("email-json" if json else "email", check_address(address), envelope=json)

    @property
    def address(self) -> str:
        """Where the mail goes."""
        return self.endpoint

    @property
    def json(self) -> bool:
        """Whether it gets SNS's JSON."""
        return self.envelope

    def __repr__(self) -> str:
        return f"Email({self.address!r}{', json=True' if self.json else ''})"

    def __reduce__(self) -> tuple[Any, ...]:
        return restored, (self.address, self.json)

    def written(self, notification: Notification) -> tuple[str, str]:
        return subject_of(notification), envelope_of(notification) if self.json else mail_text(notification)


def restored(address: str, json: bool) -> Email:
    """An Email from a pickle, which keeps no keyword arguments."""
    return Email(address, json=json)


def subject_of(notification: Notification) -> str:
    if notification.kind == "SubscriptionConfirmation":
        return "AWS Notification - Subscription Confirmation"
    if notification.kind == "UnsubscribeConfirmation":
        return "AWS Notification - Unsubscribe Confirmation"
    return notification.subject or "AWS Notification Message"


def mail_text(notification: Notification) -> str:
    """A mail as SNS words it, but for its last line: nobody at AWS could help."""
    if notification.kind == "SubscriptionConfirmation":
        return (
            f"You have chosen to subscribe to the topic:\n{notification.way.topic_arn}\n\n"
            "To confirm this subscription, click or visit the link below (If this was in error no action is necessary):\n"
            f"{notification.subscribe_url}\n"
        )
    if notification.kind == "UnsubscribeConfirmation":
        return (
            f"Your subscription to the topic below has been deactivated:\n{notification.way.topic_arn}\n\n"
            f"If this was in error, click or visit the link below to resubscribe:\n{notification.subscribe_url}\n"
        )
    return (
        f"{notification.text}\n\n--\n"
        "If you wish to stop receiving notifications from this topic, please click or visit the link below to "
        f"unsubscribe:\n{notification.unsubscribe_url}\n\n"
        "Please do not reply directly to this email.\n"
    )


class SMS(Addressed):
    """A telephone that gets messages as text, at most 1,600 characters: a longer one is refused and not tried again.

    number: E.164, such as "+15550100"; spaces and `-./` in it are left out. Raises TypeError, ValueError.
    Source: SNS API, Publish, PhoneNumber; SNS developer guide, "Publishing to a mobile phone".
    """

    __slots__ = ()

    def __init__(self, number: str) -> None:
        super().__init__("sms", check_number(number))

    @property
    def number(self) -> str:
        """The number, `+` and digits."""
        return self.endpoint

    def written(self, notification: Notification) -> tuple[None, str]:
        text = notification.text
        if len(text) > LONGEST_SMS:
            raise DeliveryRefused(
                self.number,
                why=f"a text message has at most {LONGEST_SMS:,} characters, not {len(text):,}: publish a shorter text for "
                f"it with per_protocol={{'sms': ...}}",
            )
        return None, text


class Push(Addressed):
    """A mobile app's endpoint: an ARN such as arn:aws:sns:...:endpoint/GCM/app/id, or the token of a push service.

    It gets the text published for its platform (GCM, APNS, ADM ...; by AWS's keys), for the protocol "application", or for
    all. Raises TypeError, ValueError.
    Source: SNS developer guide, "Sending platform-specific payloads to mobile devices".
    """

    __slots__ = ()

    def __init__(self, endpoint: str) -> None:
        if not isinstance(endpoint, str):
            raise TypeError(f"a mobile endpoint is text, not {endpoint!r}")
        if not endpoint.strip():
            raise ValueError(f"a mobile endpoint is an ARN or a token, not {endpoint!r}")
        super().__init__("application", endpoint)

    def written(self, notification: Notification) -> tuple[str | None, str]:
        bodies = notification.publication.bodies or {}
        return notification.subject, bodies.get(self.platform, notification.text)

    @property
    def platform(self) -> str:
        """The push service by an ARN's word, such as "GCM"; "" for a token."""
        head, _, tail = self.endpoint.partition(":endpoint/")
        return tail.partition("/")[0] if head.startswith("arn:") else ""
