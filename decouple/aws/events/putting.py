"""PutEvents: each entry is an event for the rules of its bus, or is refused by itself."""

# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
# What JSON holds is known when it is looked at, not before.

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from decouple.aws.errands import compact
from decouple.aws.events import EVENTS
from decouple.aws.events.bus import now_of, offer
from decouple.aws.events.inputs import iso
from decouple.aws.events.naming import elsewhere, known_bus, name_of_bus
from decouple.core.fields import refused

if TYPE_CHECKING:
    from decouple.aws.events.bus import Event
    from decouple.aws.service import Answer, Given
    from decouple.aws.world import Call

__all__: list[str] = []  # the table of operations has them

MOST_BYTES = 1_048_576
BYTES_OF_A_TIME = 14
DEEPEST = 500
"""Of a detail; AWS has 1,000, which are more than the stack of a thread is sure to hold."""
REQUIRED = ("Source", "DetailType", "Detail")


class Malformed(Exception):
    """An entry that is refused. code, message: what its answer says."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@EVENTS.operation("PutEvents")
def put_events(call: Call, given: Given) -> Answer:
    entries: list[dict[str, Any]] = given["Entries"]
    if given.get("EndpointId") is not None:
        raise EVENTS.error("ValidationException", "EndpointId is not part of decouple: there are no global endpoints")
    if sum(map(size_of, entries)) >= MOST_BYTES:
        raise EVENTS.error("ValidationException", "Total size of the entries in the request is over the limit.")
    answers = [answer_to(call, entry) for entry in entries]
    return {"FailedEntryCount": sum("ErrorCode" in one for one in answers), "Entries": answers}


def size_of(entry: Mapping[str, Any]) -> int:
    """As EventBridge counts an entry. Source: its user guide, "Calculating event entry size"."""
    texts = [entry.get(name) or "" for name in REQUIRED] + [one or "" for one in entry.get("Resources") or ()]
    return BYTES_OF_A_TIME * (entry.get("Time") is not None) + sum(len(one.encode(errors="replace")) for one in texts)


def answer_to(call: Call, entry: Mapping[str, Any]) -> dict[str, str]:
    try:
        check_bus(call, entry.get("EventBusName"))
        event = event_of(call, entry)
    except Malformed as error:
        return {"ErrorCode": error.code, "ErrorMessage": error.message}
    bus = known_bus(call, entry.get("EventBusName"))
    if bus is not None:  # AWS takes events for a bus that is not there, too, and drops them
        offer(bus, event)
    return {"EventId": event["id"]}


def check_bus(call: Call, named: str | None) -> None:
    if elsewhere(call, named):
        text = f"User: {call.principal} is not authorized to perform: events:PutEvents on resource: {named}"
        raise Malformed("AccessDeniedException", text)
    if "/" in name_of_bus(named):
        raise Malformed("InvalidArgument", "Parameter EventBusName is not valid.")


def event_of(call: Call, entry: Mapping[str, Any]) -> Event:
    """The event of an entry. Raises Malformed."""
    for name in REQUIRED:
        if not entry.get(name):
            text = f"Parameter {name} is not valid. Reason: {name} is a required argument."
            raise Malformed("InvalidArgument", text)
    source: str = entry["Source"]
    if source.startswith("aws."):
        raise Malformed("NotAuthorizedForSourceException", "Not authorized for the source.")
    return {
        "version": "0",
        "id": str(uuid4()),
        "detail-type": entry["DetailType"],
        "source": source,
        "account": call.account,
        "time": iso(time_of(call, entry.get("Time"))),
        "region": call.region,
        "resources": list(entry.get("Resources") or ()),
        "detail": detail_of(entry["Detail"]),
    }


def time_of(call: Call, moment: datetime | None) -> datetime:
    if moment is None:
        return now_of(call.place)
    try:
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError:
        raise Malformed("InvalidArgument", "Parameter Time is not valid.") from None


def detail_of(text: str) -> dict[str, Any]:
    try:
        detail: Any = json.loads(text, parse_constant=refused)
        compact(detail)
    except (ValueError, RecursionError):
        raise malformed() from None
    if not isinstance(detail, dict) or deeper_than(DEEPEST, detail):
        raise malformed()
    return detail


def deeper_than(levels: int, value: Any) -> bool:
    level: list[Any] = [value]
    for _ in range(levels):
        level = [inner for one in level for inner in inside(one)]
        if not level:
            return False
    return True


def inside(one: Any) -> list[Any]:
    if isinstance(one, dict):
        return list(one.values())
    return one if isinstance(one, list) else []


def malformed() -> Malformed:
    return Malformed("MalformedDetail", "Detail is malformed.")
