"""What a durable engine's shelf has of topics: how each was declared, and who is subscribed, so that all is there again.

A topic or subscription that was there before is, at its first declaration in this process, changed to what is given, as a
deploy means it; what is not given stays as it was. From then on a declaration again is compared, as ever. So a program that
subscribes at every start has one subscription, with one ARN.

Where several processes share the shelf, each looks, before it publishes or declares, whether another one has changed
something, and then takes that over. What is published goes by what was known then.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from decouple.amending import archived, put_in_place
from decouple.clock import random_bytes
from decouple.expiry import Expiry
from decouple.keeping_numbers import InTurn
from decouple.keeping_once import KeptOnce
from decouple.keeping_pushes import KeptLine
from decouple.keeping_subscriptions import KeptTopic, SharedSubscribers, attach, finish
from decouple.keeping_terms import sink_from, terms_from
from decouple.publish_steps import whole
from decouple.terms import key_of, sink_of
from decouple.topic_settings import TopicSettings

if TYPE_CHECKING:
    from decouple.function import Function
    from decouple.outliving import Outliving
    from decouple.shelves import Shelf
    from decouple.subscribing import Subscribing
    from decouple.subscription import Subscription
    from decouple.topic import Topic

__all__ = ["KeptTopics"]


class KeptTopics:
    """The topics of a broker whose engine has a shelf.

    rows: subscriptions as the shelf has them, by key; keys: their keys by ARN; everyone: by ARN, also who was cancelled and
    may come back with a token; restored: topics of other processes that this one has not declared yet; fresh: keys of this
    process's that the others cannot see yet.
    """

    def __init__(self, broker: Outliving, shelf: Shelf) -> None:
        self.broker = broker
        self.shelf = shelf
        self.rows: dict[str, Any] = {}
        self.keys: dict[str, str] = {}
        self.everyone: dict[str, Subscription] = {}
        self.restored: set[str] = set()
        self.fresh: set[str] = set()
        self._declared: dict[str, Any] = {}
        self._tokens: set[str] = set()
        self._revision: int | None = None
        self._version: Any = ""
        self.begun = False
        self._lock = threading.Lock()

    # -- looking -------------------------------------------------------------------------------------------------

    def look(self) -> None:
        """Take over what other processes declared, changed or ended. Cost: where nothing was, that of `revision`."""
        if self._revision is not None and (not self.shelf.shared or self.shelf.revision == self._revision):
            return
        then: list[Callable[[], object]] = []
        if self.shelf.get("version", "topics") != self._version:
            self._find_queues()
        # The shelf first: whoever is within a transaction of several steps has it, and looks here as one of them.
        with self.shelf.together(), self._lock:
            revision = self.shelf.revision
            version = self.shelf.get("version", "topics")
            if version != self._version:
                self._load(then)
                self._version = version
            self._revision = revision
        for call in then:  # without the lock: who ends a subscription writes
            call()

    def changed(self) -> None:
        """Let the others know."""
        if self.shelf.shared:
            self.shelf.put("version", "topics", random_bytes(8).hex())

    def stale(self) -> None:
        """Another process was first: look again."""
        self._revision, self._version = None, ""

    def _find_queues(self) -> None:
        """Without a lock: the broker's is taken before the shelf's."""
        rows = self.shelf.items("subscription").values()
        queues = {name for row in rows for name in (row["target"].get("queue"), row["terms"]["dead_letter"])}
        if not queues - {None} <= self.broker._queues.keys():
            self.broker._look()

    def _load(self, then: list[Callable[[], object]]) -> None:
        topics, rows, tokens = (self.shelf.items(kind) for kind in ("topic", "subscription", "token"))
        for name, row in topics.items():
            self._restore_topic(name, row)
        for key, row in rows.items():
            if self.rows.get(key) != row and row["topic"] in self.broker._topics:
                self._restore_subscription(key, row, then)
        for key in [key for key in list(self.rows) if key not in rows]:
            # What this process has just put may have come after `rows`, or not be committed yet.
            if key not in self.fresh and self.shelf.get("subscription", key) is None:
                self._end(key, then)
        for token, row in tokens.items():
            self._restore_token(token, row, then)
        for name in [name for name in list(self._declared) if name not in topics]:
            if self.shelf.get("topic", name) is not None:
                continue
            topic = self.broker._topics.pop(name, None)
            del self._declared[name]
            if topic is not None:
                then.append(topic.close)

    def _restore_topic(self, name: str, row: Mapping[str, Any]) -> None:
        known, self._declared[name] = self._declared.get(name), row
        topic = self.broker._topics.get(name)
        if topic is None:
            made = self.broker._make_topic(name, row["fifo"])
            self._take_in(made, row)
            self.restored.add(name)
            topic = self.broker._topics.setdefault(name, made)  # another thread may be declaring it
        elif known == row:
            return
        settings = TopicSettings(**row["settings"])
        with topic._lock:
            archive = archived(topic._archive, settings)
            # commit
            topic._settings = settings
            topic._archive = archive

    def _take_in(self, topic: Topic, row: Mapping[str, Any]) -> None:
        """Let the topic outlive the process."""
        topic._kept = KeptTopic(self, topic)
        if self.shelf.shared:
            topic._subscribers = SharedSubscribers()
        if topic.fifo:  # its ids are told again to who publishes twice
            topic._stem = row["stem"]
            topic._once = KeptOnce(self.shelf, topic.name, topic.clock.epoch, topic.clock.now())
            if self.shelf.shared:
                topic._numbers = InTurn(self.shelf, topic.name)

    # -- subscriptions of other processes ------------------------------------------------------------------------

    def _restore_subscription(self, key: str, row: Mapping[str, Any], then: list[Callable[[], object]]) -> None:
        topic = self.broker._topics[row["topic"]]
        arn, state = row["arn"], row["state"]
        known = self.everyone.get(arn)
        if known is None:
            known = self._made(topic, row)
        elif known.state != "cancelled" and state == "cancelled":
            then.append(self._removal(known, "cancelled in another process"))
        elif self.rows.get(key, {}).get("terms") != row["terms"]:
            terms = terms_from(row["terms"], known.sink, topic, self.broker)
            with topic._lock:
                put_in_place(topic, known, terms, active=known.active)
        self.rows[key], self.keys[arn], self.everyone[arn] = row, key, known
        with topic._lock:
            self._enter(topic, known, state)
        line = known.line
        if isinstance(line, KeptLine) and (line.able or not self.shelf.shared):
            then.append(line.gather if state != "cancelled" else lambda: finish(line))
        self._find_function(known, row["target"])

    def _made(self, topic: Topic, row: Mapping[str, Any]) -> Subscription:
        """As it was in the process that made it; nobody knows it yet."""
        epoch = topic.clock.epoch
        sink, target = sink_from(row["target"], row, self.broker)
        start, end = (None if instant is None else instant - epoch for instant in row["replay"])
        made = topic._made(sink, target, terms_from(row["terms"], sink, topic, self.broker), (start, end), row["arn"])
        made.state = "cancelled"
        if topic._kept is not None and row["state"] != "cancelled":
            topic._kept.unclaimed[made.arn] = made
        return made

    def _enter(self, topic: Topic, subscription: Subscription, state: str) -> None:
        """Under the topic's lock: known, and given what is published, as its state says. No change, so no record."""
        if state == "cancelled":
            return
        topic._subscribers.by_target.setdefault(key_of(subscription.target, subscription.sink), subscription)
        topic._subscribers.by_arn[subscription.arn] = subscription
        if subscription.line is not None:
            subscription.line.closed = False
        if state == "confirmed" and not subscription.active:
            topic._activate(subscription)
        subscription.state = "pending" if state == "pending" else "confirmed"

    def _end(self, key: str, then: list[Callable[[], object]]) -> None:
        """It is on the shelf no more."""
        arn = self.rows.pop(key)["arn"]
        self.keys.pop(arn, None)
        subscription = self.everyone.pop(arn, None)
        if subscription is not None and subscription.state != "cancelled":
            then.append(self._removal(subscription, "cancelled in another process"))

    def _removal(self, subscription: Subscription, why: str) -> Callable[[], None]:
        topic = subscription.topic

        def remove() -> None:
            with topic._lock:
                whole(lambda: topic._remove(subscription, why))
            if topic._kept is not None:
                topic._kept.unclaimed.pop(subscription.arn, None)
            subscription.end()
            topic._reporter.report()

        return remove

    def _restore_token(self, token: str, row: Mapping[str, Any], then: list[Callable[[], object]]) -> None:
        subscription = self.everyone.get(row["arn"])
        if token in self._tokens:
            return
        clock, staff = self.broker.clock, self.broker._staff
        if subscription is None or staff is None:
            if row["until"] < clock.now() + clock.epoch:  # what it was for is gone
                then.append(lambda: self.shelf.drop("token", token))
            return
        self._tokens.add(token)
        topic = subscription.topic
        with topic._lock:
            subscription.token = token
            topic._subscribers.by_token[token] = subscription
        staff.runner.put(Expiry(topic, subscription.name, token), row["until"] - clock.epoch)

    # -- functions -----------------------------------------------------------------------------------------------

    def declared(self, function: Function) -> None:
        """The function of that name is here: it gets what waits for it."""
        for subscription in list(self.everyone.values()):
            key = self.keys.get(subscription.arn, "")
            if not subscription.attached and self.rows[key]["target"].get("function") == function.name:
                self._find_function(subscription, self.rows[key]["target"])

    def _find_function(self, subscription: Subscription, row: Mapping[str, Any]) -> None:
        function = self.broker._functions.get(row.get("function", ""))
        if function is not None and not subscription.attached:
            attach(subscription, function, sink_of(function, subscription.topic))

    # -- topics of this process ----------------------------------------------------------------------------------

    def enter(self, topic: Topic) -> bool:
        """Keep a new topic; False if another process was first. The broker's lock is held."""
        row = topic_row(topic)
        if not self.shelf.swap("topic", topic.name, None, row):
            self.stale()
            return False
        self._take_in(topic, row)
        self._declared[topic.name] = row
        self.changed()
        return True

    def anew(self, topic: Topic, settings: Mapping[str, Any]) -> bool:
        """The first declaration in this process of a topic that was there before it: it takes what is given."""
        if topic.name not in self.restored:
            return False
        current = topic.settings
        given: Any = {
            name: value for name, value in settings.items() if topic.fifo or value != NOT_FIFO.get(name, value)
        }
        if any(current.get(name) != value for name, value in given.items()):
            topic.configure(**given)
        self.restored.discard(topic.name)
        return True

    def keep_topic(self, topic: Subscribing) -> None:
        """Put it as it is declared now."""
        row = self._declared[topic.name] = topic_row(topic)
        self.shelf.put("topic", topic.name, row)
        self.changed()

    def forget(self, topic: Topic) -> None:
        """It was deleted, and its subscriptions are cancelled."""
        with self.shelf.together():
            self.shelf.drop("topic", topic.name)
            self.shelf.drop("sequence", topic.name)
            for key in self.shelf.items(f"once {topic.name}"):
                self.shelf.drop(f"once {topic.name}", key)
            self._declared.pop(topic.name, None)
            self.restored.discard(topic.name)
            self.changed()

    # -- work of other processes ---------------------------------------------------------------------------------

    def begin(self) -> None:
        """The workers have begun: where other processes may leave work behind, look after it. The broker's lock is held."""
        if self.begun:
            return
        self.begun = True
        # Where time is moved by hand, the others' time does not pass with it: run_until_idle looks instead.
        if self.shelf.shared and self.broker.clock.threaded:
            self.broker._looking().watch("topics", self.gather)

    def gather(self, *, working: bool = False) -> None:
        """Take over what processes that are gone had still to push, and what others handed over; working: the caller will."""
        if not self.shelf.shared:
            return
        self.look()
        for topic in list(self.broker._topics.values()):
            for subscription in topic.subscriptions:
                line = subscription.line
                if isinstance(line, KeptLine) and not line.held and (working or line.able):
                    line.gather()


NOT_FIFO = {"content_based_deduplication": False, "deduplication_scope": "topic", "archive": None}
"""What a standard topic may be told without a meaning."""


def topic_row(topic: Subscribing) -> dict[str, Any]:
    """How it is declared, and what its ids begin with."""
    return {"fifo": topic.fifo, "settings": topic._settings._asdict(), "stem": topic._stem}
