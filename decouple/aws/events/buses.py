"""Buses: making, changing, ending, describing and listing them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from decouple.aws.events import EVENTS
from decouple.aws.events.bus import DEFAULT, Bus, buses_of, now_of
from decouple.aws.events.naming import bus_of, known_bus, name_of_bus
from decouple.aws.events.rules import forget
from decouple.aws.events.tagging import tags_given
from decouple.aws.paging import page_by_name

if TYPE_CHECKING:
    from decouple.aws.service import Answer, Given
    from decouple.aws.world import Call

__all__: list[str] = []  # the table of operations has them

KEPT = ("Description", "KmsKeyIdentifier", "DeadLetterConfig", "LogConfig")


@EVENTS.operation("CreateEventBus", note="keys, logs and the bus's own dead letters are kept, without effect")
def create_event_bus(call: Call, given: Given) -> Answer:
    name: str = given["Name"]
    if given.get("EventSourceName"):
        text = f"Event source {given['EventSourceName']} does not exist."
        raise EVENTS.error("ResourceNotFoundException", text)
    if "/" in name:
        raise EVENTS.error("ValidationException", "Event bus name must not contain '/'.")
    now = now_of(call.place)
    made = Bus(name, call.place, now, now, kept(given), tags=tags_given(given))
    if buses_of(call.place).setdefault(name, made) is not made:
        raise EVENTS.error("ResourceAlreadyExistsException", f"Event bus {name} already exists.")
    return {"EventBusArn": made.arn, **made.given}


def kept(given: Given) -> dict[str, object]:
    return {key: given[key] for key in KEPT if given.get(key)}


@EVENTS.operation("UpdateEventBus", note="as CreateEventBus")
def update_event_bus(call: Call, given: Given) -> Answer:
    bus = bus_of(call, given.get("Name"))
    bus.given.update(kept(given))
    bus.changed = now_of(call.place)
    return {"Arn": bus.arn, "Name": bus.name, **bus.given}


@EVENTS.operation("DeleteEventBus", note="with its rules")
def delete_event_bus(call: Call, given: Given) -> Answer:
    """A bus that is not there is no error."""
    if name_of_bus(given["Name"]) == DEFAULT:
        raise EVENTS.error("ValidationException", "Cannot delete event bus default.")
    bus = known_bus(call, given["Name"])
    if bus is not None:
        buses_of(call.place).pop(bus.name, None)
        for rule in list(bus.rules.values()):
            forget(rule)
    return {}


@EVENTS.operation("DescribeEventBus")
def describe_event_bus(call: Call, given: Given) -> Answer:
    bus = bus_of(call, given.get("Name"))
    return {**summary(bus), **bus.given}


@EVENTS.operation("ListEventBuses")
def list_event_buses(call: Call, given: Given) -> Answer:
    prefix = given.get("NamePrefix") or ""
    buses = {name: bus for name, bus in list(buses_of(call.place).items()) if name.startswith(prefix)}
    some = page_by_name(EVENTS, buses, limit=given.get("Limit"), token=given.get("NextToken"))
    return {"EventBuses": [summary(bus) for bus in some.items], **some.more}


def summary(bus: Bus) -> Answer:
    words = {"Description": bus.given["Description"]} if "Description" in bus.given else {}
    return {"Name": bus.name, "Arn": bus.arn, **words, "CreationTime": bus.made, "LastModifiedTime": bus.changed}
