"""Which bus and rule a request means: by name or ARN, of the caller's own account and region."""

from __future__ import annotations

from typing import TYPE_CHECKING

from decouple.aws.events import EVENTS
from decouple.aws.events.bus import DEFAULT, buses_of

if TYPE_CHECKING:
    from decouple.aws.events.bus import Bus, Rule
    from decouple.aws.service import Given
    from decouple.aws.world import Call

__all__ = ["bus_of", "elsewhere", "known_bus", "name_of_bus", "rule_of"]


def name_of_bus(named: str | None) -> str:
    """The name in a name or an ARN; without either that of the default bus."""
    if not named:
        return DEFAULT
    return named.split(":", 5)[-1].removeprefix("event-bus/") if named.startswith("arn:") else named


def elsewhere(call: Call, named: str | None) -> bool:
    """Whether it is the ARN of a bus of another account or region."""
    if not named or not named.startswith("arn:"):
        return False
    return named.split(":")[3:5] != [call.region, call.account]


def known_bus(call: Call, named: str | None) -> Bus | None:
    """The bus that is meant, if there is one and the caller has access to it."""
    return None if elsewhere(call, named) else buses_of(call.place).get(name_of_bus(named))


def bus_of(call: Call, named: str | None) -> Bus:
    """The same. Raises ServiceError: ResourceNotFoundException."""
    bus = known_bus(call, named)
    if bus is None:
        raise EVENTS.error("ResourceNotFoundException", f"Event bus {name_of_bus(named)} does not exist.")
    return bus


def rule_of(call: Call, given: Given, name: str) -> Rule:
    """The rule of that name on the bus that a request names. Raises ServiceError: ResourceNotFoundException."""
    bus = bus_of(call, given.get("EventBusName"))
    rule = bus.rules.get(name)
    if rule is None:
        text = f"Rule {name} does not exist on EventBus {bus.name}."
        raise EVENTS.error("ResourceNotFoundException", text)
    return rule
