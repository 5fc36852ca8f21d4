"""One topic where it outlives the process: how it publishes, and how its subscriptions are kept and found again.

Handlers are known by their module and name. Several of one name are taken in the order in which they were subscribed, so
those that are to be told apart have a `name` of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count
from typing import TYPE_CHECKING, Any

from decouple.errors import NotDelivered, StorageError, SubscriptionExists
from decouple.keeping_once import KeptOnce
from decouple.keeping_pushes import KeptLine
from decouple.keeping_terms import identity_of, target_row, terms_row
from decouple.pushing import CANCELLED
from decouple.sending import Sending
from decouple.shelves import afterwards
from decouple.subscribers import Subscribers
from decouple.subscription import Subscription
from decouple.terms import compare, key_of, said

if TYPE_CHECKING:
    from decouple.keeping_topics import KeptTopics
    from decouple.message import Sent
    from decouple.publishing import Checked
    from decouple.queue_at import QueueAt
    from decouple.staff import Staff
    from decouple.subscription import Terms
    from decouple.targets import Target
    from decouple.topic import Topic

__all__ = ["KeptTopic", "SharedSubscribers", "attach", "finish"]


class SharedSubscribers(Subscribers):
    """Those of a topic that others may change: no publish may go without a look."""

    __slots__ = ()

    @property
    def plain(self) -> bool:
        return False


class KeptTopic:
    """One topic, as far as it outlives the process. unclaimed: subscriptions of other processes, not made in this one yet."""

    def __init__(self, topics: KeptTopics, topic: Topic) -> None:
        self.topics = topics
        self.topic = topic
        self.shelf = topics.shelf
        self.unclaimed: dict[str, Subscription] = {}

    # -- publishing ----------------------------------------------------------------------------------------------

    def publish(self, one: Checked) -> Sent:
        """All copies and what is to be pushed, in one transaction where the engine has those."""
        self.topics.look()
        with self.shelf.together():
            try:
                return self.topic._send_out(one)
            except NotDelivered as error:
                # Those who have it keep it, unless it is the engine itself that could not.
                if any(isinstance(why, StorageError) for why in error.failures.values()):
                    raise
                failed = error
        raise failed

    def check_remembered(self) -> None:
        """Raise what kept a deduplication id from being kept: then the publisher is to try again."""
        once = self.topic._once
        if isinstance(once, KeptOnce) and once.failure is not None:
            failure, once.failure = once.failure, None
            raise failure

    # -- subscriptions -------------------------------------------------------------------------------------------

    def line(self, subscription: Subscription, target: Target, staff: Staff) -> KeptLine:
        """Where its notifications wait."""
        return KeptLine(subscription, target, staff, self.shelf)

    def again(
        self, target: Any, sink: Sending[Any] | QueueAt | Target, given: Mapping[str, Any], terms: Terms
    ) -> Subscription | None:
        """The subscription of this target from before this process, when it is made anew for the first time: with the
        terms that are given. None if there is none. Raises ValueError for what cannot be kept.
        """
        self.topics.look()
        identity = identity_of(target_row(target, sink, self.topics.broker))
        with self.topic._lock:
            known = self.topic._subscribers.by_target.get(key_of(target, sink))
        if known is None:
            same = (one for one in list(self.unclaimed.values()) if self.identity(one) == identity)
            known = next(same, None)
        if known is None or self.unclaimed.pop(known.arn, None) is None:
            return None
        attach(known, target, sink)
        asked = said(given)
        try:
            compare(known, asked, terms)
        except SubscriptionExists:
            known.configure(**asked)
        if isinstance(known.line, KeptLine) and (known.line.able and self.shelf.shared):
            known.line.gather()
        return known

    def identity(self, subscription: Subscription) -> str:
        return identity_of(self.topics.rows[self.topics.keys[subscription.arn]]["target"])

    def enter(self, subscription: Subscription) -> bool:
        """Keep a new one; False if another process was first to subscribe that target. The topic's lock is held."""
        row = self.row(subscription)
        name = f"{self.topic.name} {identity_of(row['target'])}"
        # Handlers may share a name; of an address there is one.
        key = next(key for number in count(1) if (key := f"{name} #{number}") not in self.topics.rows)
        self.topics.fresh.add(key)
        self.topics.everyone[subscription.arn] = subscription
        if not self.shelf.swap("subscription", key, None, row):
            del self.topics.everyone[subscription.arn]
            self.topics.fresh.discard(key)
            self.topics.stale()
            return False
        self._note(subscription, key, row)
        afterwards(self.shelf, lambda: self.topics.fresh.discard(key))
        return True

    def keep(self, subscription: Subscription) -> None:
        """Put it as it is now."""
        key = self.topics.keys.get(subscription.arn)
        if key is not None:
            row = self.row(subscription)
            self.shelf.put("subscription", key, row)
            self._note(subscription, key, row)

    def _note(self, subscription: Subscription, key: str, row: dict[str, Any]) -> None:
        self.topics.rows[key] = row
        self.topics.keys[subscription.arn] = key
        self.topics.everyone[subscription.arn] = subscription
        self.topics.changed()

    def row(self, subscription: Subscription) -> dict[str, Any]:
        """All that is known of it, as JSON."""
        epoch = self.topic.clock.epoch
        return {
            "topic": self.topic.name,
            "arn": subscription.arn,
            "name": subscription.name,
            "protocol": subscription.way.protocol,
            "target": target_row(subscription.target, subscription.sink, self.topics.broker),
            "terms": terms_row(subscription),
            "state": subscription.state,
            "replay": [None if instant is None else instant + epoch for instant in subscription.replay],
        }

    def keep_topic(self) -> None:
        """Put the topic as it is declared now."""
        self.topics.keep_topic(self.topic)

    # -- tokens, and the end -------------------------------------------------------------------------------------

    def asked(self, subscription: Subscription, token: str, until: int) -> None:
        """Its endpoint is to be sent a token."""
        self.topics._tokens.add(token)
        row = {"arn": subscription.arn, "until": until + self.topic.clock.epoch}
        self.shelf.put("token", token, row)
        self.topics.changed()

    def expired(self, token: str, subscription: Subscription | None) -> None:
        """Two days are over."""
        self.shelf.drop("token", token)
        self.topics._tokens.discard(token)
        if subscription is not None and subscription.state == "cancelled":
            self.ended(subscription)

    def ending(self, subscription: Subscription) -> None:
        """It is to be cancelled; what others have of it to be pushed goes the way of what is here."""
        key = self.topics.keys.get(subscription.arn)
        if key is None:
            return
        self.unclaimed.pop(subscription.arn, None)
        row = {**self.topics.rows[key], "state": "cancelled"}
        self.shelf.put("subscription", key, row)
        self._note(subscription, key, row)
        if isinstance(subscription.line, KeptLine) and self.shelf.shared:
            subscription.line.gather()

    def ended(self, subscription: Subscription) -> None:
        """It is cancelled, and forgotten unless a token may bring it back."""
        key = self.topics.keys.get(subscription.arn)
        with self.topic._lock:
            tokens = list(self.topic._subscribers.by_token.values())
        if key is None or subscription in tokens or subscription.state != "cancelled":
            return
        self.shelf.drop("subscription", key)
        self.topics.rows.pop(key, None)
        self.topics.keys.pop(subscription.arn, None)
        self.topics.everyone.pop(subscription.arn, None)
        self.topics.changed()


def attach(subscription: Subscription, target: Any, sink: Sending[Any] | QueueAt | Target) -> None:
    """What it delivers to is here, as this process has it."""
    topic = subscription.topic
    with topic._together(), topic._lock:
        by_target, old = topic._subscribers.by_target, key_of(subscription.target, subscription.sink)
        if by_target.get(old) is subscription:
            del by_target[old]
        by_target[key_of(target, sink)] = subscription
        subscription.target, subscription.sink = target, sink
        if isinstance(sink, Sending):
            subscription.queue = sink
            topic._share(subscription)
            topic._subscribers.reroute()
    if isinstance(subscription.line, KeptLine) and not isinstance(sink, Sending):
        subscription.line.attach(sink)  # type: ignore[arg-type]  # a QueueAt has no line


def finish(line: KeptLine) -> None:
    """It was cancelled, and the process ended before all that waited was given up."""
    line.gather()
    line.close(CANCELLED)
