"""Subscription: one line from a topic to what it delivers to, with a filter, a form, and an end for what fails.

A queue has its copy before the publish returns; every other target is pushed to by the broker's runner (pushing.py). What
a subscription may be asked and told from outside is here; what is published reaches it through its topic.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

from decouple.attributes import MOST_ATTRIBUTES, check_attributes
from decouple.core.backoff import Schedule
from decouple.core.filters import Explanation, Filter
from decouple.core.records import NOTHING, Failure, details_of
from decouple.entries import sha256
from decouple.envelopes import envelope_of
from decouple.errors import StorageError
from decouple.fanout import details_for, put
from decouple.message import Message, failure_of
from decouple.notification import Notification, Publication, Way
from decouple.pushing import CANCELLED, Line
from decouple.queue_at import QueueAt
from decouple.sending import Sending

if TYPE_CHECKING:
    from datetime import datetime

    from decouple.core.changes import Cause
    from decouple.core.places import Places
    from decouple.subscribing import Subscribing
    from decouple.targets import Target

__all__ = ["Replay", "State", "Subscription", "SubscriptionStats", "Terms"]

State: TypeAlias = Literal["pending", "confirmed", "cancelled"]
Replay: TypeAlias = "tuple[int | None, int | None]"
"""The first and the last instant of what comes out of the archive; after the second nothing is delivered."""


class Terms(NamedTuple):
    """What was agreed at the subscription. gap: nanoseconds between the beginnings of two deliveries."""

    filter: Filter | None
    envelope: bool
    dead_letter: Sending[Any] | QueueAt | None
    schedule: Schedule
    concurrency: int
    gap: int
    max_backlog: int
    on_full: str


class SubscriptionStats(NamedTuple):
    """One subscription's numbers. accepted = delivered + dead_lettered + dropped + backlog.

    accepted: publications that passed the filter; filtered_out: those that did not; failed: attempts that did, each
    time; dropped: given up without a dead-letter queue, each with a record and a line in the log; backlog: not delivered
    yet.
    """

    accepted: int
    filtered_out: int
    delivered: int
    failed: int
    dead_lettered: int
    dropped: int
    backlog: int


class Subscription:
    """What `topic.subscribe` answers. arn: its name in AWS's form; name: what it delivers to, for people.

    state: "confirmed", or "pending" until the endpoint has confirmed it, or "cancelled".
    """

    def __init__(
        self, topic: Subscribing, arn: str, sink: Sending[Any] | QueueAt | Target, target: Any, terms: Terms
    ) -> None:
        self.topic = topic
        self.arn = arn
        self.sink = sink
        self.target = target
        self.terms = terms
        self.queue: Sending[Any] | None = sink if isinstance(sink, Sending) else None
        self.name: str = f"queue {sink.name!r}" if isinstance(sink, Sending) else sink.endpoint
        protocol = "sqs" if isinstance(sink, Sending) else sink.protocol
        self.way = Way(topic.name, topic.arn, arn, protocol, topic._service, topic.clock.epoch, topic.fifo, topic._sign)
        self.state: State = "confirmed"
        self.line: Line | None = None
        self.active = False  # gets what is published
        self.core: Places | None = None  # the engine of a queue that may hold the topic's own records
        self.token: str | None = None  # the last one its endpoint was sent
        self.replay: Replay = (None, None)
        self._offered = 0  # publications of the times before this one, when it was confirmed again, and those replayed
        self._since: int | None = None  # where its topic's count stood when it began
        self._before = topic._published  # when it was made
        self._passed = 0  # publications that matched the filter; without one it is all
        self._withheld = 0  # those that earlier filters kept back, while there is none
        self._failed = self._dead_lettered = self._dropped = 0

    def __repr__(self) -> str:
        waits = "" if self.attached else ", waiting for its handler"
        return f"<Subscription of {self.name} to {self.topic.name!r}: {self.state}{waits}>"

    @property
    def attached(self) -> bool:
        """Whether what it delivers to is there. A handler of an earlier process is not, until it is subscribed again in
        this one, or a function until it is declared: what is published for it meanwhile is kept.
        """
        return self.line is None or not self.line.held

    @property
    def filter(self) -> Filter | None:
        """The compiled filter policy; None: everything is delivered."""
        return self.terms.filter

    @property
    def dead_letter(self) -> Any:
        """The queue for what could not be delivered."""
        return self.terms.dead_letter

    @property
    def envelope(self) -> bool:
        """Whether SNS's JSON is delivered, or the message as it is."""
        return self.terms.envelope

    def cancel(self) -> None:
        """End it: nothing published from now on is delivered. What waits goes to the dead-letter queue, or with a record.

        Twice is no error. A delivery under way comes to its end. Source: SNS API, Unsubscribe.
        """
        self.topic._cancel(self, "cancelled")

    def confirm(self) -> None:
        """Confirm it as its endpoint would, without the token: for endpoints of one's own."""
        self.topic._confirm(self)

    def ask(self) -> None:
        """Send an endpoint that has not confirmed another token, for two more days; the first one stays good for its own."""
        if self.state == "pending":
            self.topic._ask(self, "SubscriptionConfirmation")

    def configure(self, **terms: Any) -> None:
        """Change the terms for what is published from now on: filter, filter_scope, envelope, dead_letter, and of pushed
        targets retry, concurrency, max_rate, max_backlog, on_full, as in `subscribe`; what is left out stays as it is.

        Raises TypeError, ValueError, InvalidFilter; then nothing is changed. Source: SNS API, SetSubscriptionAttributes.
        """
        self.topic._amend(self, terms)

    def replay_from(self, start: datetime | None, until: datetime | None = None) -> None:
        """Send again what the topic's archive has from `start` on, and after `until` nothing; see `subscribe`.

        None: nothing again, and from now on everything.

        Raises TypeError, ValueError. Source: SNS API, SetSubscriptionAttributes, ReplayPolicy.
        """
        self.topic._replay_to(self, start, until)

    def explain(self, message: Any) -> Explanation:
        """Why its filter lets the message pass or not, for each key of the policy; str() of it reads as a text.

        message: a Message, a Notification, or what the filter's scope looks at: attributes by name, or a body (text or
        what JSON holds).
        """
        policy = self.terms.filter
        if policy is None:
            return Explanation(True, (), "the subscription has no filter")
        return policy.explain(seen_by(policy, message))

    def stats(self) -> SubscriptionStats:
        """Its numbers now."""
        with self.topic._lock:
            offered = self._offered + (0 if self._since is None else self.topic._published - self._since)
            accepted = self._accepted(offered)
        if self.line is not None:
            numbers = self.line.numbers()
            return SubscriptionStats(
                numbers["accepted"],
                offered - accepted,
                numbers["delivered"],
                self.line.failed,
                numbers["dead_lettered"],
                numbers["dropped"],
                numbers["pending"],
            )
        lost = self._dead_lettered + self._dropped
        return SubscriptionStats(
            accepted, offered - accepted, accepted - lost, self._failed, self._dead_lettered, self._dropped, 0
        )

    # -- what the topic does with it -----------------------------------------------------------------------------

    def _accepted(self, offered: int) -> int:
        return offered - self._withheld if self.terms.filter is None else self._passed

    def adopt(self, terms: Terms, published: int) -> None:
        """Under the topic's lock: other terms. Those that were counted stay counted. May be begun anew."""
        offered = self._offered + (0 if self._since is None else published - self._since)
        accepted = self._accepted(offered)
        # commit
        self._passed, self._withheld = accepted, offered - accepted
        self.terms = terms

    def begin(self, published: int) -> None:
        """Count what is published from now on."""
        self._since = published

    def finish(self, published: int) -> None:
        """Count nothing more."""
        if self._since is not None:
            self._offered += published - self._since
            self._since = None

    def send(self, publication: Publication) -> Exception | None:
        """Give a queue its copy, but for what follows from it; the error of a queue that did not take it."""
        try:
            queue = self._found(self.sink) if isinstance(self.sink, QueueAt) else self.queue
            assert queue is not None
            self._put(queue, publication, self.terms.envelope)
        except Exception as error:  # also that of a store for large bodies
            return error
        return None

    def _found(self, place: QueueAt) -> Sending[Any]:
        """The queue that is there now, which is this subscription's from now on."""
        queue = place.find()
        if queue is not self.queue:
            self.topic._settle_on(self, queue)
        return queue

    def _put(
        self, queue: Sending[Any], publication: Publication, envelope: bool, failure: Failure | None = None
    ) -> None:
        notification = Notification(publication, self.way)
        details = details_for(queue, publication.record, self.topic.fifo, envelope)
        # A mark is not worth the message, where there is no room for both.
        if publication.replayed and not envelope and len(details.attributes) < MOST_ATTRIBUTES:
            details = details._replace(attributes={**details.attributes, "Replayed": "true"})
        text = envelope_of(notification) if envelope else notification.text
        if failure is not None:
            details = details._replace(failure=failure)
            if queue.fifo:  # under the publisher's id, the letters of two subscriptions would count as one message
                identity = sha256()(f"{publication.id} {self.arn}".encode()).hexdigest()
                details = details._replace(deduplication_id=identity)
        listened = queue._core.listening
        put(queue, text, details, {"origin": publication.id, "subscription": self.name} if listened else NOTHING)

    def missed(self, publication: Publication, error: Exception) -> bool:
        """Its queue did not take it, and never will: to the dead-letter queue; False if there is none, or it neither.

        Where nothing can be kept just now, no dead letter can: False, and the publisher tries again.
        """
        failure = failure_of(error, 1)
        try:
            if isinstance(error, StorageError):
                raise error
            buried = self.bury(publication, failure)
        except StorageError as full:
            self._lost(publication, failure, f"{failure.error}: {full}")
            buried = False
        with self.topic._lock:
            self._failed += 1
            if buried:
                self._dead_lettered += 1
            else:
                self._dropped += 1
        return buried

    def bury(self, publication: Publication, failure: Failure, to_dead_letters: bool = True) -> bool:
        """Put what cannot be delivered into the dead-letter queue; False if there is none, or it did not take it, or is not to.

        Also then there is a record with the cause, and a line in the log. Raises StorageError where it could not be kept.
        """
        queue = self.terms.dead_letter if to_dead_letters else None
        why = f"{failure.error}: {failure.text}"
        if queue is None:
            self._lost(publication, failure, why)
            return False
        # A queue takes ten attributes; in an envelope there may be any number.
        many = len(details_of(publication.record).attributes) > MOST_ATTRIBUTES
        try:
            queue = queue.find() if isinstance(queue, QueueAt) else queue
            self._put(queue, publication, self.terms.envelope or many, failure)
        except StorageError:
            raise  # what is on a shelf stays there
        except Exception as error:
            self._lost(publication, failure, f"{why}; and dead-letter queue {queue.name!r} did not take it: {error}")
            return False
        queue._follow_up()
        self.tell("undelivered", publication, receives=failure.attempts, reason=why[:500], other=queue.name)
        return True

    def _lost(self, publication: Publication, failure: Failure, why: str) -> None:
        import logging  # here, because most programs never need it

        logging.getLogger("decouple").warning(
            "publication %s of topic %r was not delivered to %s, and no dead-letter queue has it: %s",
            publication.id,
            self.topic.name,
            self.name,
            why,
        )
        self.tell("undelivered", publication, receives=failure.attempts, reason=why[:500])

    def end(self) -> None:
        """Nothing more is delivered."""
        if self.line is not None:
            self.line.close(CANCELLED)

    def tell(self, cause: Cause, publication: Publication | None = None, **more: Any) -> None:
        """Record what happened to a notification, or to the subscription itself."""
        self.topic._tell(cause, publication, subscription=self.name, **more)


def seen_by(policy: Filter, message: Any) -> Any:
    """What a policy looks at."""
    import json

    if isinstance(message, (Message, Notification)):
        record = message.record if isinstance(message, Message) else message.publication.record
        if policy.scope == "attributes":
            return details_of(record).attributes
        message = message.text
    if policy.scope == "attributes":
        return check_attributes(message, float("inf"))
    if isinstance(message, str):
        try:
            return json.loads(message)
        except ValueError:
            return None
    return message
