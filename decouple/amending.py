"""What was agreed, changed while messages go through: the terms of a subscription, a replay, the settings of a topic.

Each change is one step under the topic's lock: a publication goes by the old terms or by the new ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from decouple.core.archive import Archive
from decouple.core.records import details_of
from decouple.publish_steps import whole
from decouple.subscribers import body_fields
from decouple.terms import DEFAULTS, terms_of
from decouple.topic_settings import TopicSettings, read_topic_settings, shown_topic_setting

if TYPE_CHECKING:
    from decouple.notification import Publication
    from decouple.subscribing import Subscribing
    from decouple.subscription import Replay, Subscription, Terms

__all__ = ["amend", "archived", "change_settings", "replay_again", "send_again"]

# What of Terms is said by another name at the door.
FIELDS = {"retry": "schedule", "max_rate": "gap"}


def amend(topic: Subscribing, subscription: Subscription, given: Mapping[str, Any]) -> None:
    """See Subscription.configure."""
    unknown = [name for name in given if name not in DEFAULTS]
    if unknown:
        raise TypeError(f"{unknown[0]!r} is not a term of a subscription; there are {', '.join(DEFAULTS)}")
    asked = terms_of(DEFAULTS | filter_as_it_is(subscription, given), subscription.sink, topic)
    with topic._together(), topic._lock:
        was, terms = subscription.active, changed(subscription.terms, asked, given)
        whole(lambda: put_in_place(topic, subscription, terms, active=was))
        words = {name: getattr(value, "name", value) for name, value in given.items()}
        if {"filter", "filter_scope"} & given.keys():
            policy = terms.filter
            words |= {"filter": policy and policy.text, "filter_scope": policy and policy.scope}
        topic._note("configured", subscription=subscription.name, settings=words)
    if topic._kept is not None:
        topic._kept.keep(subscription)
    topic._reporter.report()


def filter_as_it_is(subscription: Subscription, given: Mapping[str, Any]) -> dict[str, Any]:
    """A scope alone is one for the policy there is, and a policy alone has the scope there is."""
    policy = subscription.terms.filter
    if policy is None or not {"filter", "filter_scope"} & given.keys():
        return dict(given)
    from json import loads  # here, because most subscriptions have no filter

    return {"filter": loads(policy.text), "filter_scope": policy.scope, **given}


def changed(terms: Terms, asked: Terms, given: Mapping[str, Any]) -> Terms:
    """The terms with what is given of those asked for."""
    fields = {FIELDS.get(name, name) for name in given}
    if "filter_scope" in fields:
        fields = fields - {"filter_scope"} | {"filter"}
    if "dead_letter" in fields and "on_full" not in fields and terms.on_full != "block":
        fields |= {"on_full"}  # where there are dead letters, what finds no room is one
    return terms._replace(**{field: getattr(asked, field) for field in fields})


def put_in_place(topic: Subscribing, subscription: Subscription, terms: Terms, *, active: bool) -> None:
    """Under the lock; may be begun anew after an interrupt."""
    topic._subscribers.deactivate(subscription)
    subscription.adopt(terms, topic._published)
    topic._share(subscription)
    if active and not subscription.active:
        topic._subscribers.activate(subscription)
    topic._subscribers.reroute()


# -- replay ----------------------------------------------------------------------------------------------------------


def replay_again(topic: Subscribing, subscription: Subscription, replay: Replay) -> None:
    """See Subscription.replay_from. Nothing published meanwhile comes in between."""
    start, end = replay
    missed: list[tuple[Publication, Exception]] = []
    with topic._together(), topic._lock:
        topic._subscribers.deactivate(subscription)
        subscription.finish(topic._published)
        subscription.replay = replay
        try:
            if start is not None:
                send_again(topic, subscription, start, end, missed)
        finally:
            topic._activate(subscription)
    if subscription.queue is not None:
        subscription.queue._follow_up()
    for publication, error in missed:
        subscription.missed(publication, error)
    if topic._kept is not None:
        topic._kept.keep(subscription)
    topic._reporter.report()


def send_again(
    topic: Subscribing,
    subscription: Subscription,
    start: int,
    end: int | None,
    missed: list[tuple[Publication, Exception]],
) -> None:
    """Under the lock: what the archive has, in order, before anything new; what the queue did not take is `missed`."""
    assert topic._archive is not None
    policy = subscription.terms.filter
    for publication in topic._archive.between(topic.clock.now(), start, end):
        record = publication.record
        seen: Any = details_of(record).attributes
        if policy is not None and policy.scope == "body":
            seen = body_fields(record[0])
        subscription._offered += 1
        if policy is None or policy.matches(seen):
            subscription._passed += 1
            replayed = publication._replace(replayed=True)
            error = subscription.send(replayed)
            if error is not None:
                missed.append((replayed, error))


# -- a topic's settings ----------------------------------------------------------------------------------------------


def change_settings(topic: Subscribing, given: Mapping[str, Any]) -> None:
    """See Topic.configure."""
    with topic._lock:
        current = {name: shown_topic_setting(name, value) for name, value in topic._settings._asdict().items()}
        settings = read_topic_settings(topic, {**current, **given})
        archive = archived(topic._archive, settings)
        topic._note("configured", settings=dict(given))
        # commit
        topic._settings = settings
        topic._archive = archive
    if topic._kept is not None:
        topic._kept.keep_topic()
    topic._reporter.report()


def archived(archive: Archive[Publication] | None, settings: TopicSettings) -> Archive[Publication] | None:
    """The archive that the settings ask for, with what there is in it."""
    if settings.archive is None:
        return None
    if archive is None:
        return Archive(settings.archive)
    archive.retention = settings.archive
    return archive
