"""Who was subscribed to a topic, on which terms, as the changes say: so a story can say why somebody got nothing."""

from __future__ import annotations

import json
from typing import Any, TypeAlias

from decouple.core.changes import Change
from decouple.core.filters import Explanation, compile
from decouple.core.records import details_of

__all__ = ["Known", "fold", "judged"]

Known: TypeAlias = dict[tuple[str, str], Change]
"""By topic and subscription, of each that is not over: its `subscribed`, with the terms as they stand."""

TERMS = ("state", "filter", "filter_scope")


def fold(known: Known, change: Change) -> None:
    """Take in what a change says of a subscription. Twice does no harm."""
    if change.topic is None or change.subscription is None:
        return
    key = (change.topic, change.subscription)
    if change.cause == "subscribed":
        known[key] = change
    elif change.cause == "unsubscribed":
        known.pop(key, None)
    elif change.cause in ("confirmed", "configured") and key in known:
        news: dict[str, Any] = {"state": "confirmed"} if change.cause == "confirmed" else dict(change.settings or {})
        terms = {name: news[name] for name in TERMS if name in news}
        known[key] = known[key]._replace(settings={**(known[key].settings or {}), **terms})


def judged(subscribed: Change, published: Change) -> Explanation | None:
    """What the subscription's filter says of a publication; None where it has no filter."""
    terms = subscribed.settings or {}
    if not terms.get("filter") or published.record is None:
        return None
    scope = terms.get("filter_scope", "attributes")
    policy = compile(json.loads(terms["filter"]), scope)
    seen: Any = details_of(published.record).attributes
    if scope == "body":
        try:
            seen = json.loads(published.record[0])
        except ValueError:
            seen = None
    return policy.explain(seen)
