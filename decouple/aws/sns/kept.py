"""What the wire keeps of SNS in one place, because the engine has no word for it: by the object, made when first seen.

A topic or subscription declared natively has the same record as one made over the wire, with nothing in it. Records go with
their objects.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from decouple.aws.world import Place
from decouple.subscription import Subscription
from decouple.topic import Topic

if TYPE_CHECKING:
    from decouple.core.policy import Policy

__all__ = ["Application", "Device", "Kept", "SandboxNumber", "SubscriptionRecord", "TopicRecord", "kept"]


class TopicRecord:
    """attributes: those that were set, as they were given; protection: the data protection policy; deleted: how many
    subscriptions were; policy: the one of the attribute, compiled; archived_at: when the archive was begun; lock: for who
    changes what is there.
    """

    def __init__(self) -> None:
        self.attributes: dict[str, str] = {}
        self.tags: dict[str, str] = {}
        self.protection: str | None = None
        self.deleted = 0
        self.policy: Policy | None = None
        self.archived_at: float | None = None
        self.lock = threading.Lock()


class SubscriptionRecord:
    """attributes: those that were set, as they were given; owner: an account; principal: who subscribed.

    authenticated: whether who confirmed it had signed; guarded: whether who ends it must.
    """

    def __init__(self, owner: str, principal: str) -> None:
        self.attributes: dict[str, str] = {}
        self.owner = owner
        self.principal = principal
        self.authenticated = False
        self.guarded = False


class Device:
    """An endpoint of a platform application: one app on one device."""

    def __init__(self, arn: str, application: Application, attributes: dict[str, str]) -> None:
        self.arn = arn
        self.application = application
        self.attributes = attributes


class Application:
    """A platform application and its endpoints by ARN."""

    def __init__(self, arn: str, attributes: dict[str, str]) -> None:
        self.arn = arn
        self.attributes = attributes
        self.devices: dict[str, Device] = {}
        self.by_token: dict[str, Device] = {}

    @property
    def enabled(self) -> bool:
        """Whether anything is sent to its devices."""
        return self.attributes["Enabled"] == "true"


class SandboxNumber:
    """A number of the SMS sandbox. code: what verifies it."""

    def __init__(self, code: str) -> None:
        self.code = code
        self.verified = False


class Kept:
    """The records of one account in one region."""

    def __init__(self) -> None:
        self.topics: WeakKeyDictionary[Topic, TopicRecord] = WeakKeyDictionary()
        self.subscriptions: WeakKeyDictionary[Subscription, SubscriptionRecord] = WeakKeyDictionary()
        self.applications: dict[str, Application] = {}
        self.sms: dict[str, str] = {}
        self.opted_out: dict[str, None] = {}
        self.sandbox: dict[str, SandboxNumber] = {}

    def topic(self, topic: Topic) -> TopicRecord:
        """The record of a topic."""
        found = self.topics.get(topic)
        # Whoever is first: two threads that see a topic for the first time keep one record.
        return self.topics.setdefault(topic, TopicRecord()) if found is None else found

    def subscription(self, subscription: Subscription) -> SubscriptionRecord:
        """The record of a subscription; of one made natively the topic's owner is the subscriber."""
        found = self.subscriptions.get(subscription)
        if found is not None:
            return found
        owner = subscription.way.topic_arn.split(":")[4]
        made = SubscriptionRecord(owner, f"arn:aws:iam::{owner}:root")
        # Nobody has to confirm what is of the same account: it counts as authenticated.
        made.authenticated = subscription.way.protocol in ("sqs", "lambda", "sms", "application", "firehose")
        return self.subscriptions.setdefault(subscription, made)


def kept(place: Place) -> Kept:
    """The records of a place."""
    return place.keep(Kept)
