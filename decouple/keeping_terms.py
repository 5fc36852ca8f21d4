"""Subscriptions as a shelf has them: what they deliver to and on which terms, as JSON types, and back.

Unlike a description's, all of it is meant for the same program in its next process: what a web endpoint keeps to itself (a
password, what its headers say) is written as it is. A handler is code, so it is known by its name until it is subscribed
again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from decouple.core.filters import compile as compile_policy
from decouple.core.settings import SECOND
from decouple.describe_targets import schedule_data, schedule_of, seconds, word_of
from decouple.errors import DeliveryRefused
from decouple.function import Function
from decouple.http_target import HTTP
from decouple.keeping_pushes import Waited
from decouple.queue_at import QueueAt
from decouple.senders import SMS, Email, Push
from decouple.sending import Sending
from decouple.subscription import Terms
from decouple.terms import is_target

if TYPE_CHECKING:
    from decouple.outliving import Outliving
    from decouple.subscription import Subscription
    from decouple.targets import Target
    from decouple.topic import Topic

__all__ = ["finding", "identity_of", "sink_from", "target_row", "terms_from", "terms_row"]


# -- targets ---------------------------------------------------------------------------------------------------------


def target_row(target: Any, sink: Any, broker: Outliving) -> dict[str, Any]:
    """What is delivered to. Raises ValueError for a queue that the next process could not find."""
    if isinstance(sink, Waited):
        return dict(sink.data)
    if isinstance(sink, Sending):
        queue: Sending[Any] = sink  # pyright: ignore[reportUnknownVariableType]
        if broker._queues.get(queue.name) is not queue:
            raise ValueError(
                f"queue {queue.name!r} is not of this broker, whose topics outlive the process, and the next one could not "
                f"find it: declare it with broker.queue({queue.name!r})"
            )
        return {"queue": queue.name}
    if isinstance(sink, QueueAt):
        return {"queue_at": sink.arn} if sink.always or not own(sink.arn, broker) else {"queue": sink.name}
    return endpoint_row(sink) or code_row(target, sink, broker)


def endpoint_row(sink: Any) -> dict[str, Any]:
    """A target that is named by its address; {} for another one."""
    if isinstance(sink, HTTP):
        url, _, headers, _, _ = sink._key
        return {
            "url": url,
            "timeout": seconds(round(sink.timeout * SECOND)),
            "headers": dict(headers),
            "content_type": sink.content_type,
            "allow_link_local": sink.allow_link_local,
        }
    if isinstance(sink, Email):
        return {"email": sink.address, "json": sink.json}
    if isinstance(sink, SMS):
        return {"sms": sink.number}
    return {"push": sink.endpoint} if isinstance(sink, Push) else {}


def code_row(target: Any, sink: Target, broker: Outliving) -> dict[str, Any]:
    """A handler, by the name under which the next process subscribes it."""
    if isinstance(target, Function):
        return {"function": target.name}
    arn = getattr(sink, "arn", None)
    if sink.protocol == "lambda" and isinstance(arn, str) and own(arn, broker):
        return {"function": arn.rpartition(":")[2]}
    name = sink.endpoint if is_target(target) else getattr(target, "name", None)
    return {"handler": word_of(target), "name": name if isinstance(name, str) else None}


def own(arn: str, broker: Outliving) -> bool:
    return arn.split(":")[3:5] == [broker.region, broker.account]


def identity_of(row: Mapping[str, Any]) -> str:
    """By what a target is known to be the same one in another process."""
    kind = next(iter(row))
    more = row.get("json") or row.get("name")
    return f"{kind} {row[kind]}{f' {more}' if more else ''}"


def sink_from(row: Mapping[str, Any], kept: Mapping[str, Any], broker: Outliving) -> tuple[Any, Any]:
    """The target, and what is delivered to. kept: of a handler that is not there, what else is known."""
    found: Any
    if "queue" in row:
        queue = broker._queues.get(row["queue"])
        place = QueueAt(f"arn:aws:sqs:{broker.region}:{broker.account}:{row['queue']}", finding(broker, row["queue"]))
        found = place if queue is None else queue
    elif "queue_at" in row:
        arn = row["queue_at"]
        found = QueueAt(arn, finding(broker, arn.rpartition(":")[2] if own(arn, broker) else arn), always=True)
    elif "url" in row:
        found = HTTP(row["url"], **{name: value for name, value in row.items() if name != "url"})
    elif "email" in row:
        found = Email(row["email"], json=row["json"])
    elif "sms" in row:
        found = SMS(row["sms"])
    elif "push" in row:
        found = Push(row["push"])
    else:
        found = Waited(row, kept["protocol"], kept["name"], envelope=kept["terms"]["envelope"])
    return found, found


def finding(broker: Outliving, name: str) -> Callable[[], Sending[Any]]:
    """How a queue that is not there now is looked up when there is something for it."""

    def find() -> Sending[Any]:
        queue = broker._queues.get(name)
        if queue is None:
            raise DeliveryRefused(name, why="there is no queue of that name")
        return queue

    return find


# -- terms -----------------------------------------------------------------------------------------------------------


def terms_row(subscription: Subscription) -> dict[str, Any]:
    """What was agreed."""
    terms = subscription.terms
    policy, dead = terms.filter, terms.dead_letter
    return {
        "filter": None if policy is None else {"policy": json.loads(policy.text), "scope": policy.scope},
        "envelope": terms.envelope,
        "dead_letter": None if dead is None else dead.name,
        "retry": schedule_data(terms.schedule),
        "concurrency": terms.concurrency,
        "gap": terms.gap,
        "max_backlog": terms.max_backlog,
        "on_full": terms.on_full,
    }


def terms_from(row: Mapping[str, Any], sink: Any, topic: Topic, broker: Outliving) -> Terms:
    """The terms again. A schedule of somebody's own making is the target's until the program says it again."""
    policy, dead = row["filter"], row["dead_letter"]
    schedule = sink.schedule if not isinstance(sink, Sending) else QueueAt.schedule
    if dead is not None:
        arn = f"arn:aws:sqs:{broker.region}:{broker.account}:{dead}"
        dead = broker._queues.get(dead) or QueueAt(arn, finding(broker, dead))
    return Terms(
        filter=None if policy is None else compile_policy(policy["policy"], policy["scope"]),
        envelope=row["envelope"],
        dead_letter=dead,
        schedule=schedule if "own" in row["retry"] else schedule_of(row["retry"], f"topic {topic.name!r}"),
        concurrency=row["concurrency"],
        gap=row["gap"],
        max_backlog=row["max_backlog"],
        on_full=row["on_full"],
    )
