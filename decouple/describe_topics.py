"""The topics of a description: their settings, and who is subscribed on which terms, as JSON types, and back.

    "topics": {"events": {"fifo": false, "max_message_size": 262144, "subscriptions": [
        {"target": {"queue": "bills"}, "filter": {"type": ["paid"]}, "filter_scope": "attributes", ...}]}}

Subscriptions are in the order of their texts, because the one in which they were made means nothing. Terms that queues do
not have are left out of theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeAlias

from decouple.core.settings import SECOND
from decouple.describe_targets import Targets, schedule_data, schedule_of, target_data, target_of
from decouple.documents import Section, an_object, check_keys
from decouple.errors import DecoupleError, InvalidDescription, TopicError
from decouple.queue import Queue
from decouple.queue_at import QueueAt, there
from decouple.subscription import Subscription
from decouple.terms import DEFAULTS, PUSHED, key_of, sink_of, terms_of
from decouple.topic import Topic
from decouple.topic_settings import TopicSettings

__all__ = ["TOPIC_KEYS", "subscribe_all", "topic_entry"]

SETTINGS = ("fifo", *TopicSettings._fields)
TOPIC_KEYS = (*SETTINGS, "subscriptions")
TERMS = ("filter_scope", "filter", "envelope", "dead_letter", *PUSHED)
"""What is agreed at a subscription. A term stands after those that it needs."""
SUBSCRIPTION_KEYS = ("target", *TERMS, "confirmed")

Queues: TypeAlias = Mapping[str, Queue[Any]]


# -- writing -------------------------------------------------------------------------------------------------------


def topic_entry(topic: Topic, queues: Queues) -> dict[str, Any]:
    """A topic with its subscriptions. Raises TopicError."""
    from json import dumps, loads  # here, because `import decouple` does without

    entries = [subscription_entry(one, topic, queues, loads) for one in topic.subscriptions]
    return {"fifo": topic.fifo, **topic.settings, "subscriptions": sorted(entries, key=dumps)}


def subscription_entry(
    subscription: Subscription, topic: Topic, queues: Queues, loads: Callable[[str], Any]
) -> dict[str, Any]:
    terms, dead = subscription.terms, subscription.terms.dead_letter
    sink = subscription.sink if isinstance(subscription.sink, QueueAt) else subscription.queue
    for queue, use in ((sink, "delivers to"), (dead, "has dead letters in")):
        if queue is not None and (queue.name not in queues or queues[queue.name] is not there(queue)):
            raise TopicError(
                f"topic {topic.name!r} {use} queue {queue.name!r}, which is not this broker's, so no description holds "
                f"both: make it with broker.queue({queue.name!r}), or cancel that subscription",
                topic=topic.name,
            )
    entry: dict[str, Any] = {
        "target": target_data(subscription),
        "filter": None if terms.filter is None else in_order(loads(terms.filter.text)),
        "filter_scope": "attributes" if terms.filter is None else terms.filter.scope,
        "envelope": terms.envelope,
        "dead_letter": None if dead is None else dead.name,
    }
    if sink is None:
        entry |= {
            "retry": schedule_data(terms.schedule),
            "concurrency": terms.concurrency,
            "max_rate": rate_of(terms.gap),
            "max_backlog": terms.max_backlog,
            "on_full": terms.on_full,
            "confirmed": subscription.state == "confirmed",
        }
    return entry


def in_order(policy: Any) -> Any:
    """A filter policy with its keys in order; of a list the order is kept, for operators have their operands there."""
    if isinstance(policy, dict):
        return {key: in_order(policy[key]) for key in sorted(policy)}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    return [in_order(one) for one in policy] if isinstance(policy, list) else policy  # pyright: ignore[reportUnknownVariableType]


def rate_of(gap: int) -> int | float | None:
    """Deliveries a second: the shortest number that means these nanoseconds between two of them."""
    if gap == 0:
        return None
    candidates = (float(f"{SECOND / gap:.{digits}g}") for digits in range(1, 18))
    rate = next((rate for rate in candidates if round(SECOND / rate) == gap), SECOND / gap)
    return int(rate) if rate.is_integer() else rate


# -- reading -------------------------------------------------------------------------------------------------------


class Wanted(NamedTuple):
    """A subscription that was checked and not made yet."""

    topic: Topic
    target: Any
    given: dict[str, Any]


def subscribe_all(topic: Callable[..., Topic], entries: Section, queues: Queues, targets: Targets) -> None:
    """Declare with `topic` what the section holds, then subscribe: all of it is checked before anybody hears of it."""
    wanted: list[Wanted] = []
    for name, entry in entries.items():
        made = declared(topic, name, entry)
        wanted += subscriptions_of(made, entry.get("subscriptions", []), queues, targets)
    check_used(targets, entries)
    for one in wanted:
        one.topic.subscribe(one.target, **one.given)


def check_used(targets: Targets, entries: Section) -> None:
    """A target given for nothing is a name written wrong."""
    everyone = [one["target"] for entry in entries.values() for one in entry.get("subscriptions", [])]
    words = {target.get("handler") or target.get("function") or target.get("url") for target in everyone}
    for word in targets:
        if word not in words:
            raise InvalidDescription(
                "topics", why=f"targets has {word!r:.80}, and no subscription has that handler or url"
            )


def declared(topic: Callable[..., Topic], name: str, entry: Mapping[str, Any]) -> Topic:
    given = {key: entry[key] for key in SETTINGS if key in entry}
    try:
        return topic(name, **given)
    except (TypeError, ValueError, DecoupleError) as error:
        wrong = culprit(lambda tried: Topic(name, **tried), {}, given)
        raise InvalidDescription(f"topics.{name}{wrong and f'.{wrong}'}", why=str(error)) from error


def subscriptions_of(topic: Topic, given: Any, queues: Queues, targets: Targets) -> list[Wanted]:
    """The subscriptions of one topic, all to different targets."""
    wanted: list[Wanted] = []
    seen: dict[Any, str] = {}
    for number, entry in enumerate(listed(given, f"topics.{topic.name}.subscriptions")):
        path = f"topics.{topic.name}.subscriptions[{number}]"
        check_keys(an_object(entry, path), SUBSCRIPTION_KEYS, f"{path}.")
        target = target_of(entry.get("target"), f"{path}.target", queues, targets)
        try:
            key = key_of(target, sink_of(target, topic))
        except (TypeError, ValueError, DecoupleError) as error:
            raise InvalidDescription(f"{path}.target", why=str(error)) from error
        if (first := seen.setdefault(key, path)) != path:
            raise InvalidDescription(
                f"{path}.target", why=f"it is the same as that of {first}, and a target subscribes once"
            )
        wanted.append(Wanted(topic, target, terms_given(topic, target, entry, path, queues)))
    return wanted


def terms_given(topic: Topic, target: Any, entry: Mapping[str, Any], path: str, queues: Queues) -> dict[str, Any]:
    """What to subscribe the target with."""
    given = {name: entry[name] for name in TERMS if name in entry}
    if given.get("dead_letter") is not None:
        name = given["dead_letter"]
        if not isinstance(name, str) or name not in queues:
            raise InvalidDescription(f"{path}.dead_letter", why=f"there is no queue {name!r:.80} in the description")
        given["dead_letter"] = queues[name]
    if given.get("retry") is not None:
        given["retry"] = schedule_of(given["retry"], f"{path}.retry")
    check_terms(topic, target, given, path)
    confirmed = entry.get("confirmed", False)
    if not isinstance(confirmed, bool):
        raise InvalidDescription(f"{path}.confirmed", why=f"it must be true or false, not {confirmed!r:.60}")
    return given | {"confirm": not confirmed}


def check_terms(topic: Topic, target: Any, given: dict[str, Any], path: str) -> None:
    try:
        sink = sink_of(target, topic)
    except (TypeError, ValueError) as error:
        raise InvalidDescription(f"{path}.target", why=str(error)) from error
    try:
        terms_of(DEFAULTS | given, sink, topic)
    except (TypeError, ValueError, DecoupleError) as error:
        wrong = culprit(lambda tried: terms_of(tried, sink, topic), DEFAULTS, given)
        raise InvalidDescription(f"{path}.{wrong}" if wrong else path, why=str(error)) from error


def culprit(make: Callable[[dict[str, Any]], object], tried: Mapping[str, Any], given: Mapping[str, Any]) -> str:
    """The first of what is given that makes it fail; "" if it is none of them, as with a wrong name."""
    tried = dict(tried)
    for key in ("", *given):
        tried |= {key: given[key]} if key else {}
        try:
            make(tried)
        except (TypeError, ValueError, DecoupleError):
            return key
    return ""


def listed(given: Any, path: str) -> list[Any]:
    if not isinstance(given, (list, tuple)):
        raise InvalidDescription(path, why=f"it must be a list, not {given!r:.60}")
    return list(given)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
