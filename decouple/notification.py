"""What a topic delivers: a publication, made once and shared by all copies, and the notification a subscriber sees of it.

A publication is the record that raw queues hold too, with what only topics have beside it. A notification is that
publication on its way through one subscription: which attempt it is, and how its text reads for that protocol.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple, TypeAlias

from decouple.attributes import shown_value
from decouple.core.records import EPOCH, Record, details_of

__all__ = ["Kind", "Notification", "Publication", "Way"]

Kind: TypeAlias = Literal["Notification", "SubscriptionConfirmation", "UnsubscribeConfirmation"]


class Publication(NamedTuple):
    """What was published. id: of the publication, not of its copies; bodies: texts for single protocols."""

    id: str
    record: Record
    subject: str | None = None
    bodies: Mapping[str, str] | None = None
    sequence: str | None = None
    replayed: bool = False


class Way(NamedTuple):
    """The subscription a notification comes through, as far as it shows.

    service: where links lead; sign: SignatureVersion, Signature and SigningCertURL of a notification, nothing where there
    are none.
    """

    topic: str
    topic_arn: str
    subscription_arn: str
    protocol: str
    service: str
    epoch: int = 0
    fifo: bool = False
    sign: Callable[[Notification], Mapping[str, str]] | None = None


class Notification:
    """A message published to a topic, as one subscriber gets it. attempt: 1 at the first delivery.

    kind: "Notification", or for an endpoint that is asked to confirm "SubscriptionConfirmation", with a `token`; or
    "UnsubscribeConfirmation".
    """

    __slots__ = ("attempt", "envelope", "kind", "publication", "token", "way")

    def __init__(
        self,
        publication: Publication,
        way: Way,
        *,
        envelope: bool = False,
        attempt: int = 1,
        kind: Kind = "Notification",
        token: str | None = None,
    ) -> None:
        self.publication = publication
        self.way = way
        self.envelope = envelope
        self.attempt = attempt
        self.kind: Kind = kind
        self.token = token

    def __repr__(self) -> str:
        return f"<{self.kind} {self.id} of {self.topic!r}: attempt {self.attempt}, {self.text!r:.60}>"

    @property
    def id(self) -> str:
        """The publication's id, the same for every subscriber and attempt."""
        return self.publication.id

    @property
    def topic(self) -> str:
        """The topic's name."""
        return self.way.topic

    @property
    def text(self) -> str:
        """The message as text: the one for this protocol where the publisher gave one."""
        bodies = self.publication.bodies
        text: str = self.publication.record[0]
        return text if bodies is None else bodies.get(self.way.protocol, text)

    @property
    def body(self) -> str:
        """The same as `text`."""
        return self.text

    def json(self) -> Any:
        """The message decoded as JSON. Raises ValueError (json.JSONDecodeError)."""
        import json

        return json.loads(self.text)

    @property
    def subject(self) -> str | None:
        """What the publisher gave as a subject."""
        return self.publication.subject

    @property
    def attributes(self) -> dict[str, Any]:
        """The message attributes by name, as the publisher gave them. Cost: a new dict each time."""
        return {name: shown_value(value) for name, value in details_of(self.publication.record).attributes.items()}

    @property
    def system(self) -> dict[str, str]:
        """The system attributes, such as a trace header."""
        return dict(details_of(self.publication.record).system)

    @property
    def group(self) -> str | None:
        """The message group, if the publisher gave one."""
        return details_of(self.publication.record).group

    @property
    def deduplication_id(self) -> str | None:
        """The deduplication id of a message of a FIFO topic."""
        return details_of(self.publication.record).deduplication_id

    @property
    def sequence(self) -> str | None:
        """The sequence number a FIFO topic gave: 20 digits."""
        return self.publication.sequence

    @property
    def replayed(self) -> bool:
        """Whether it comes from the topic's archive."""
        return self.publication.replayed

    @property
    def published_at(self) -> datetime:
        """When it was published; also at a retry or a replay."""
        return EPOCH + timedelta(microseconds=(self.way.epoch + self.publication.record[1]) // 1_000)

    @property
    def signature(self) -> Mapping[str, str]:
        """SignatureVersion, Signature and SigningCertURL; empty where nothing signs. A FIFO topic's have none (SNS)."""
        sign = self.way.sign
        return {} if sign is None or self.sequence is not None else sign(self)

    @property
    def unsubscribe_url(self) -> str:
        """The link that ends the subscription when it is opened (`broker.open_link(url)`)."""
        return f"{self.way.service}/?Action=Unsubscribe&SubscriptionArn={self.way.subscription_arn}"

    @property
    def subscribe_url(self) -> str:
        """The link that confirms the subscription when it is opened."""
        return f"{self.way.service}/?Action=ConfirmSubscription&TopicArn={self.way.topic_arn}&Token={self.token}"
