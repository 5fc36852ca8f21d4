"""The linter's rules about topics and subscriptions: what is published and reaches nobody, and what is given up too soon.

A topic that is closed is left alone: so is everything once its broker is. The rules' form is that of lint.py.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from decouple.core.records import PLAIN, Record
from decouple.core.settings import SECOND
from decouple.envelopes import envelope_of
from decouple.findings import Finding, Rules
from decouple.notification import Notification, Publication
from decouple.queue_at import there

if TYPE_CHECKING:
    from decouple.core.backoff import Schedule
    from decouple.queue import Queue
    from decouple.subscription import Subscription, SubscriptionStats
    from decouple.topic import Topic, TopicStats

__all__ = ["SUBSCRIPTION_RULES", "TOPIC_RULES", "lint_topics", "where"]

ENOUGH_PUBLICATIONS = 100
"""Below this many publications a filter may just not have met what it waits for."""
SOON = 600 * SECOND
"""An outage or a deployment of an endpoint may well take this long."""
ENOUGH_ATTEMPTS = 1_000


class TopicView(NamedTuple):
    """A topic as the rules see it."""

    topic: Topic
    stats: TopicStats


class View(NamedTuple):
    """A subscription as the rules see it, taken once so that they agree. `queues`: the broker's."""

    subscription: Subscription
    stats: SubscriptionStats
    queues: frozenset[Queue[Any]]

    @property
    def used(self) -> list[tuple[str, Any]]:
        """The queues it puts messages into, in words and as they are."""
        both = (("the queue", self.subscription.queue), ("its dead-letter queue", there(self.subscription.dead_letter)))
        return [(words, queue) for words, queue in both if queue is not None]


TOPIC_RULES: Rules[TopicView] = Rules()
SUBSCRIPTION_RULES: Rules[View] = Rules()


def lint_topics(queues: Sequence[Queue[Any]], topics: Iterable[Topic], ignored: Container[str]) -> Iterator[Finding]:
    """The findings about each topic that is open, by name, and its subscriptions."""
    own = frozenset(queues)
    for topic in sorted(topics, key=lambda topic: topic.name):
        if topic.closed:
            continue
        yield from TOPIC_RULES.findings(topic.name, TopicView(topic, topic.stats()), ignored)
        for one in sorted(topic.subscriptions, key=where):
            yield from SUBSCRIPTION_RULES.findings(where(one), View(one, one.stats(), own), ignored)


def where(subscription: Subscription) -> str:
    """A subscription as a finding names it."""
    return f"{subscription.topic.name} -> {subscription.name}"


# -- what the terms say --------------------------------------------------------------------------------------------

PUBLISHING = "SNS developer guide, What is Amazon SNS"
DEAD_LETTERS = "SNS developer guide, Amazon SNS dead-letter queues"
RETRIES = "SNS developer guide, Amazon SNS message delivery retries"
CONFIRMING = "SNS API, ConfirmSubscription"
FILTERS = "SNS developer guide, Amazon SNS message filtering"


@TOPIC_RULES.rule("warning", PUBLISHING)
def topic_without_subscriptions(view: TopicView) -> str | None:
    """Somebody is subscribed to a topic, or it has an archive from which late subscribers can be served."""
    if view.stats.subscriptions or view.topic.settings.get("archive") is not None:
        return None
    gone = f"; {view.stats.published:,} publications are gone already" if view.stats.published else ""
    return f"nothing is subscribed to it, so what is published reaches nobody{gone}: subscribe to it, or delete it"


@SUBSCRIPTION_RULES.rule("error", "SNS developer guide, Fanout to Amazon SQS queues")
def delivers_to_a_closed_queue(view: View) -> str | None:
    """The queue of a subscription, and its dead-letter queue, take messages: deleting a queue cancels no subscription."""
    for words, queue in view.used:
        if queue.closed:
            return (
                f"{words} {queue.name!r} is closed or deleted and takes nothing: cancel() the subscription, or subscribe "
                f"again with a queue that is open"
            )
    return None


@SUBSCRIPTION_RULES.rule("warning", "decouple: Broker.check, Broker.close")
def delivers_to_a_queue_elsewhere(view: View) -> str | None:
    """The queue of a subscription, and its dead-letter queue, are the broker's, so that check, close and describe know them."""
    for words, queue in view.used:
        if not queue.closed and queue not in view.queues:
            return (
                f"{words} {queue.name!r} is not this broker's, so check() and close() leave it out, and describe() fails: "
                f"make it with broker.queue({queue.name!r})"
            )
    return None


@SUBSCRIPTION_RULES.rule("error", "SNS developer guide, Amazon SNS raw message delivery")
def envelope_does_not_decode(view: View) -> str | None:
    """A typed queue gets its bodies without an envelope, unless its type is one."""
    if not view.subscription.envelope:
        return None
    for words, queue in view.used:
        if queue._codec is not None and not any(decodes(queue, text) for text in samples(view.subscription)):
            mend = "subscribe with envelope=False" if queue is view.subscription.queue else "declare it without body="
            return (
                f"{words} {queue.name!r} reads {queue.body_type.__name__} and is given SNS's JSON around it, which does "
                f"not decode: {mend}"
            )
    return None


def samples(subscription: Subscription) -> Iterator[str]:
    """Envelopes as they may come: with nothing more than always, and with everything."""
    sequence = "1" if subscription.topic.fifo else None
    records: tuple[Record, Record] = ("", 0, 0), ("", 0, 0, PLAIN._replace(attributes={"name": "value"}))
    for record, subject in zip(records, (None, "subject"), strict=True):
        yield envelope_of(Notification(Publication("id", record, subject, None, sequence), subscription.way))


def decodes(queue: Any, text: str) -> bool:
    try:
        queue._codec.decode(text)
    except Exception:  # whatever a user's type raises on what it does not know
        return False
    return True


@SUBSCRIPTION_RULES.rule("warning", "SQS API, SetQueueAttributes: MaximumMessageSize")
def larger_than_its_queue(view: View) -> str | None:
    """The queue of a subscription takes messages as large as the topic does."""
    queue: Any = view.subscription.queue
    most = view.subscription.topic._settings.max_message_size
    if queue is None or queue.settings.get("large_bodies") is not None:
        return None
    limit = queue.settings["max_message_size"]
    if most <= limit:
        return None
    return (
        f"the topic takes messages of up to {most:,} bytes and the queue {limit:,}, so it refuses the larger ones: raise "
        f"max_message_size of the queue, or lower that of the topic"
    )


@SUBSCRIPTION_RULES.rule("warning", RETRIES)
def gives_up_soon(view: View) -> str | None:
    """What is pushed is tried for ten minutes at least, or has a dead-letter queue: endpoints are restarted."""
    end = None if kept(view) else patience(view.subscription.terms.schedule)
    if end is None:
        return None
    attempts, age = end
    return (
        f"a notification is lost after {attempts:,} failed attempts in {age / SECOND:,.10g} s, which a restart of the "
        f"target may well take: subscribe with dead_letter=, or with a longer retry="
    )


@SUBSCRIPTION_RULES.rule("info", DEAD_LETTERS)
def no_dead_letters_of_pushes(view: View) -> str | None:
    """What is pushed has a dead-letter queue, for what the target refuses or the end of the broker cuts off."""
    if kept(view) or patience(view.subscription.terms.schedule) is not None:
        return None
    return (
        "without a dead-letter queue what its target refuses is lost, and so is what waits for another attempt when the "
        "broker is closed: subscribe with dead_letter="
    )


def kept(view: View) -> bool:
    """Whether what cannot be delivered is not lost."""
    return view.subscription.queue is not None or view.subscription.dead_letter is not None


class Most:
    """Chance that always draws the longest delay."""

    def uniform(self, a: float, b: float, /) -> float:
        return b


def patience(schedule: Schedule) -> tuple[int, int] | None:
    """The attempts, and the nanoseconds from the first to the last of them; None: so many or so long that it is not soon."""
    age = previous = 0
    for failures in range(1, ENOUGH_ATTEMPTS):
        delay = schedule.after(failures, age=age, previous=previous, chance=Most())
        if delay is None:
            return failures, age
        age, previous = age + delay, delay
        if age >= SOON:
            break
    return None


# -- what the counts say -------------------------------------------------------------------------------------------


@SUBSCRIPTION_RULES.rule("warning", CONFIRMING)
def nobody_confirmed(view: View) -> str | None:
    """A subscription is confirmed before anything is published."""
    one = view.subscription
    missed = one.topic._published - one._before
    if one.state != "pending" or missed == 0:
        return None
    return (
        f"it waits for its endpoint to confirm, and {missed:,} publications have passed it by: open the link it was sent "
        f"(broker.open_link), or subscribe with confirm=False if the endpoint is your own"
    )


@SUBSCRIPTION_RULES.rule("warning", DEAD_LETTERS)
def notifications_were_lost(view: View) -> str | None:
    """Nothing is given up that no dead-letter queue has."""
    lost, one = view.stats.dropped, view.subscription
    if lost == 0:
        return None
    mend = "subscribe with dead_letter="
    if one.dead_letter is not None:
        mend = f"the log says why its dead-letter queue {one.dead_letter.name!r} did not get them"
    return f"{lost:,} of {view.stats.accepted:,} notifications could not be delivered and are lost: {mend}"


@SUBSCRIPTION_RULES.rule("info", FILTERS)
def nothing_passed_its_filter(view: View) -> str | None:
    """A filter lets something pass, and looks where the publisher writes: at the attributes or at the body."""
    one, passed_by = view.subscription, view.stats.filtered_out
    policy = one.filter
    if policy is None or one._passed or one.state != "confirmed" or passed_by < ENOUGH_PUBLICATIONS:
        return None
    other = "body" if policy.scope == "attributes" else "attributes"
    return (
        f"none of {passed_by:,} publications passed its filter, which looks at the {policy.scope}: see "
        f"subscription.explain(message), or is filter_scope={other!r} meant?"
    )
