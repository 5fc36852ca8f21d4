"""What an ARN in a request leads to, with AWS's words where it leads nowhere, and whether the caller may go there."""

from __future__ import annotations

from typing import NamedTuple

from decouple.aws.sns.access import check_access, signed
from decouple.aws.sns.kept import SubscriptionRecord, TopicRecord, kept
from decouple.aws.sns.service import invalid, not_found
from decouple.aws.world import Call, Place
from decouple.errors import SubscriptionNotFound
from decouple.subscription import Subscription
from decouple.topic import Topic

__all__ = ["FoundSubscription", "FoundTopic", "elements", "find_subscription", "find_topic", "topic_named"]


class FoundTopic(NamedTuple):
    """A topic and where it is, which may be another account than the caller's."""

    topic: Topic
    place: Place

    @property
    def record(self) -> TopicRecord:
        """What the wire keeps of it."""
        return kept(self.place).topic(self.topic)


class FoundSubscription(NamedTuple):
    """A subscription and where its topic is."""

    subscription: Subscription
    place: Place

    @property
    def record(self) -> SubscriptionRecord:
        """What the wire keeps of it."""
        return kept(self.place).subscription(self.subscription)


def elements(arn: str, parameter: str) -> list[str]:
    """An ARN's parts, six or more. Raises ServiceError."""
    parts = arn.split(":")
    if len(parts) < 6:
        raise invalid(f"{parameter} Reason: An ARN must have at least 6 elements, not {len(parts)}")
    return parts


def find_topic(call: Call, arn: str, action: str, parameter: str = "TopicArn") -> FoundTopic:
    """The topic with this ARN, for an SNS action. Raises ServiceError."""
    parts = elements(arn, parameter)
    # Who opens a link says no region but the one in it.
    if parts[2] != "sns" or (parts[3] != call.region and signed(call)):
        raise invalid(parameter)
    found = topic_named(call, parts)
    if found is None:
        raise not_found("Topic")
    check_access(call, found.place, found.topic, action)
    return found


def topic_named(call: Call, parts: list[str]) -> FoundTopic | None:
    """The topic of an ARN's parts, in whichever account and region."""
    account, region = parts[4], parts[3]
    if account == call.account and region == call.region:
        place: Place | None = call.place
    else:
        place = call.world.known(account, region)
    topic = None if place is None else place.broker.topics.get(parts[5])
    return None if topic is None or place is None else FoundTopic(topic, place)


def find_subscription(call: Call, arn: str, action: str) -> FoundSubscription:
    """The subscription with this ARN, for an SNS action. Raises ServiceError."""
    parts = elements(arn, "SubscriptionArn")
    if parts[2] != "sns" or (parts[3] != call.region and signed(call)):
        raise invalid("SubscriptionArn")
    found = topic_named(call, parts)
    if found is None:
        raise not_found("Subscription")
    try:
        one = FoundSubscription(found.topic.subscription(arn), found.place)
    except SubscriptionNotFound:
        raise not_found("Subscription") from None
    if one.record.owner != call.account:
        check_access(call, found.place, found.topic, action)
    return one
