"""What a subscriber hands in, checked: targets of every kind, and the terms of delivery."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from decouple.core.backoff import AWS_MANAGED, Schedule, delivery_policy
from decouple.core.settings import SECOND
from decouple.errors import SubscriptionExists
from decouple.numbers import whole
from decouple.queue_at import QueueAt
from decouple.sending import Sending
from decouple.settings import same_time
from decouple.subscription import Terms
from decouple.targets import Handler

if TYPE_CHECKING:
    from decouple.core.filters import Filter, Scope
    from decouple.subscribing import Subscribing
    from decouple.subscription import Subscription
    from decouple.targets import Target

__all__ = ["DEFAULTS", "compare", "key_of", "said", "scoped", "sink_of", "terms_of"]

MOST_BACKLOG = 100_000
CONCURRENCY = 4
LEAST_RATE = 1 / 86_400
WHEN_FULL = ("dead_letter", "drop", "block")
# of pushed targets only
PUSHED: dict[str, Any] = {"retry": None, "concurrency": None, "max_rate": None, "max_backlog": None, "on_full": None}
DEFAULTS: dict[str, Any] = {
    "filter": None,
    "filter_scope": "attributes",
    "envelope": None,
    "dead_letter": None,
    **PUSHED,
}


def sink_of(target: Any, topic: Subscribing) -> Sending[Any] | QueueAt | Target:
    """What the topic delivers to. Raises TypeError, ValueError, NotInstalled."""
    if isinstance(target, Sending):
        queue: Sending[Any] = target  # pyright: ignore[reportUnknownVariableType]  # a class cannot be tested with its Any
        return check_queue(queue, topic)
    if isinstance(target, QueueAt):
        check_kind(target, topic)
        return target
    if topic.fifo:
        raise ValueError(f"FIFO topic {topic.name!r} delivers to queues only (SNS), not to {target!r:.80}")
    if isinstance(target, str):
        return endpoint_of(target)
    if isinstance(target, type) and hasattr(target, "deliver"):
        raise TypeError(f"{target!r} is a class: subscribe an instance of it")
    if is_target(target):
        return target  # type: ignore[no-any-return]
    deliver = getattr(target, "deliver", None)
    call = deliver if callable(deliver) else target
    if not callable(call):
        raise TypeError(
            f"a topic delivers to a Queue, a callable, an http(s):// URL, Email, SMS, Push or what has deliver(...), "
            f"not to {target!r:.80}"
        )
    return Handler(call, name_of(target))


def is_target(target: Any) -> bool:
    """Whether it says all that a Target says; something that answers to every name, such as a Mock, is a callable."""
    named = all(isinstance(getattr(target, name, None), str) for name in ("protocol", "endpoint"))
    return named and all(hasattr(target, name) for name in ("awaits", "schedule", "deliver"))


def check_queue(queue: Sending[Any], topic: Subscribing) -> Sending[Any]:
    """A queue on the same time; a FIFO queue is for FIFO topics."""
    check_kind(queue, topic)
    check_time(queue, topic, "queue")
    return queue


def check_kind(queue: Sending[Any] | QueueAt, topic: Subscribing) -> None:
    if queue.fifo and not topic.fifo:
        raise ValueError(
            f"FIFO queue {queue.name!r} cannot be subscribed to standard topic {topic.name!r}, which has no order (SNS): "
            f"declare the topic as {topic.name + '.fifo'!r}"
        )


def check_time(queue: Sending[Any], topic: Subscribing, what: str) -> None:
    if not same_time(queue.clock, topic.clock):
        raise ValueError(
            f"{what} {queue.name!r} is on another clock than topic {topic.name!r}: make both with the same clock="
        )


def endpoint_of(url: str) -> Target:
    """The endpoint of a URL."""
    if not url.lower().startswith(("http://", "https://")):
        raise ValueError(
            f"text as a target is an http:// or https:// URL, not {url!r:.80}: "
            f"there are Email(...), SMS(...) and Push(...) for the rest"
        )
    from decouple.http_target import HTTP  # here, because it needs an extra

    return HTTP(url)


def name_of(target: Any) -> str:
    """A callable as people know it."""
    name, module = getattr(target, "__qualname__", None), getattr(target, "__module__", None)
    if not isinstance(name, str):
        named = getattr(target, "name", None)
        kind = type(target).__qualname__
        return f"{kind.lower()} {named!r}" if isinstance(named, str) else f"a {kind}"
    return f"{module}.{name}" if isinstance(module, str) else name


def key_of(target: Any, sink: Sending[Any] | QueueAt | Target) -> Any:
    """By what a target is known to be subscribed already; a URL is the endpoint it is read as."""
    key = target if isinstance(sink, Handler) else sink
    try:
        hash(key)
    except TypeError:
        return id(key)
    return key


def terms_of(given: Mapping[str, Any], sink: Sending[Any] | QueueAt | Target, topic: Subscribing) -> Terms:
    """The terms of a subscription, defaults filled in. Raises TypeError, ValueError, InvalidFilter."""
    if isinstance(sink, (Sending, QueueAt)):
        wrong = [name for name in PUSHED if given[name] is not None]
        if wrong:
            raise ValueError(
                f"{wrong[0]} is for targets that are pushed to, and queue {sink.name!r} has its copy before publish "
                f"returns: leave it out"
            )
    schedule = AWS_MANAGED if isinstance(sink, Sending) else sink.schedule
    dead_letter = check_dead_letter(given["dead_letter"], topic)
    return Terms(
        filter=read_filter(given["filter"], given["filter_scope"]),
        envelope=read_envelope(given["envelope"], False if isinstance(sink, Sending) else sink.envelope),
        dead_letter=dead_letter,
        schedule=schedule if given["retry"] is None else read_retry(given["retry"]),
        concurrency=number(given["concurrency"], "concurrency", CONCURRENCY),
        gap=read_rate(given["max_rate"]),
        max_backlog=number(given["max_backlog"], "max_backlog", MOST_BACKLOG),
        on_full=read_on_full(given["on_full"], dead_letter),
    )


def read_filter(policy: Any, scope: str) -> Filter | None:
    """The compiled policy; None and the empty one let everything pass."""
    if scope not in ("attributes", "body"):
        raise ValueError(f"filter_scope must be 'attributes' or 'body', not {scope!r}")
    if policy is None:
        return None
    from decouple.core.filters import compile  # here, because most subscriptions have none

    found = compile(policy, "body" if scope == "body" else "attributes")
    return found if policy else None


def read_envelope(envelope: Any, default: bool) -> bool:
    if envelope is None:
        return default
    if not isinstance(envelope, bool):
        raise TypeError(f"envelope must be True, False or None, not {envelope!r}")
    return envelope


def read_retry(retry: Any) -> Schedule:
    """A schedule such as exponential(1, 300), or a retry policy in SNS's names."""
    if isinstance(retry, Mapping):
        return delivery_policy(retry)  # pyright: ignore[reportUnknownArgumentType]  # checked there
    if not callable(getattr(retry, "after", None)):
        raise TypeError(
            f"retry must be a schedule such as exponential(1, 300), or a mapping with SNS's numRetries and so on, "
            f"not {retry!r:.80}"
        )
    return retry  # type: ignore[no-any-return]


def read_rate(rate: Any) -> int:
    """Deliveries a second, as the nanoseconds between two of them."""
    if rate is None:
        return 0
    if isinstance(rate, bool) or not isinstance(rate, (int, float)):
        raise TypeError(f"max_rate must be deliveries a second, not {rate!r}")
    if not LEAST_RATE <= rate < float("inf"):
        raise ValueError(f"max_rate must be at least {LEAST_RATE:.7f} deliveries a second (one a day), not {rate!r}")
    return round(SECOND / rate)


def number(value: Any, name: str, default: int) -> int:
    return default if value is None else whole(value, name, 1)


def read_on_full(on_full: Any, dead_letter: Any) -> str:
    if on_full is None:
        return "drop" if dead_letter is None else "dead_letter"
    if on_full not in WHEN_FULL:
        raise ValueError(f"on_full must be one of {', '.join(map(repr, WHEN_FULL))}, not {on_full!r}")
    if on_full == "dead_letter" and dead_letter is None:
        raise ValueError("on_full='dead_letter' needs a dead_letter queue")
    return str(on_full)


def check_dead_letter(queue: Any, topic: Subscribing) -> Sending[Any] | QueueAt | None:
    """A queue of the topic's kind, on the same time."""
    if queue is None:
        return None
    if isinstance(queue, QueueAt):
        check_kind(queue, topic)  # a FIFO topic may have standard queues, and those standard dead letters
        return queue
    if not isinstance(queue, Sending):
        raise TypeError(f"dead_letter must be a Queue, not {queue!r}")
    if queue.fifo != topic.fifo:
        kinds = ["FIFO" if fifo else "standard" for fifo in (topic.fifo, queue.fifo)]
        raise ValueError(
            f"the dead-letter queue of a subscription to {kinds[0]} topic {topic.name!r} must be {kinds[0]}, "
            f"and {queue.name!r} is {kinds[1]}"  # pyright: ignore[reportUnknownMemberType]
        )
    check_time(queue, topic, "dead_letter queue")  # pyright: ignore[reportUnknownArgumentType]
    return queue  # pyright: ignore[reportUnknownVariableType]


# -- a subscription again --------------------------------------------------------------------------------------------


def said(given: Mapping[str, Any]) -> dict[str, Any]:
    """The terms that were given, without those left out."""
    return {name: it for name, it in given.items() if it != DEFAULTS[name]}


def compare(known: Subscription, given: Mapping[str, Any], terms: Terms) -> None:
    """Only what is given is compared (SNS: the same ARN if attributes are equal or fewer). Raises SubscriptionExists."""
    for setting in given:
        if setting == "filter_scope" and "filter" not in given:
            terms = terms._replace(filter=scoped(known.terms.filter, given[setting]))
        field = {"filter_scope": "filter", "retry": "schedule", "max_rate": "gap"}.get(setting, setting)
        now, asked = getattr(known.terms, field), getattr(terms, field)
        if field == "filter":
            now, asked = ((None if one is None else (one.scope, one.text)) for one in (now, asked))
        if now != asked:
            raise SubscriptionExists(
                known.topic.name, endpoint=known.name, setting=setting, current=now, asked=given[setting]
            )


def scoped(policy: Filter | None, scope: Scope) -> Filter | None:
    """The policy, where its scope is this one."""
    return policy if policy is None or policy.scope == scope else None
