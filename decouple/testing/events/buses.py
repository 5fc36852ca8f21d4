"""Events of event buses: what a rule of EventBridge sends to a function, for an event or for a schedule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from json import loads
from typing import Any, TypedDict

from decouple.arns import arn_of
from decouple.jsontext import json_text
from decouple.testing.events.defaults import ACCOUNT, NEW_YEAR, REGION, iso, sequence, uuid_of

__all__ = ["EventBridgeEvent", "eventbridge", "schedule"]

EventBridgeEvent = TypedDict(
    "EventBridgeEvent",
    {
        "version": str,
        "id": str,
        "detail-type": str,
        "source": str,
        "account": str,
        "time": str,
        "region": str,
        "resources": list[str],
        "detail": dict[str, Any],
    },
)
"""An event, as a rule sends it to its targets."""


def eventbridge(
    detail: Mapping[str, Any],
    *,
    detail_type: str,
    source: str,
    resources: Sequence[str] = (),
    id: str | None = None,
    at: datetime = NEW_YEAR,
    account: str = ACCOUNT,
    region: str = REGION,
) -> EventBridgeEvent:
    """The event for an entry of PutEvents: `eventbridge({"id": 7}, detail_type="order placed", source="shop")`.

    The detail is copied by way of JSON. Raises TypeError, ValueError when it is no JSON object.
    Source: EventBridge user guide, "Events".
    """
    if not isinstance(detail, Mapping):
        raise TypeError(f"a detail must be a JSON object, not {detail!r:.80}")
    for name, text in (("detail_type", detail_type), ("source", source)):
        if not isinstance(text, str) or not text:
            raise ValueError(f"{name} must be text that is not empty, not {text!r}")
    copy = json_text(dict(detail), "a detail must be a JSON object")
    return {
        "version": "0",
        "id": id or uuid_of(source, detail_type, copy),
        "detail-type": detail_type,
        "source": source,
        "account": account,
        "time": iso(at, "seconds"),
        "region": region,
        "resources": list(sequence(resources, "resources")),
        "detail": loads(copy),
    }


def schedule(
    rule: str = "schedule",
    *,
    at: datetime = NEW_YEAR,
    id: str | None = None,
    account: str = ACCOUNT,
    region: str = REGION,
) -> EventBridgeEvent:
    """The event of a rule with a schedule, at the time it is for: `schedule("nightly", at=clock.time)`.

    Source: EventBridge user guide, "Creating an EventBridge rule that runs on a schedule".
    """
    arn = arn_of("events", f"rule/{rule}", account=account, region=region)
    id = id or uuid_of(arn, iso(at, "seconds"))
    return eventbridge(
        {},
        detail_type="Scheduled Event",
        source="aws.events",
        resources=[arn],
        id=id,
        at=at,
        account=account,
        region=region,
    )
