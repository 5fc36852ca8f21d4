"""A bus: rules by name, each with a pattern or a schedule, and the targets that an event goes to.

This is all that is kept, per place; nothing of it is the engine's, but for the schedule of a rule.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeAlias

import attrs

from decouple.arns import arn_of
from decouple.aws.errands import Envoy, compact, hand_over, send, service_of
from decouple.aws.events.inputs import said
from decouple.errors import DeliveryRefused

if TYPE_CHECKING:
    from decouple.aws.world import Place, World
    from decouple.core.filters import Filter
    from decouple.schedules import Schedule

__all__ = ["DEFAULT", "Bus", "Buses", "Event", "Rule", "bus_at", "buses_of", "now_of", "offer"]

DEFAULT = "default"
PRINCIPAL = "events.amazonaws.com"
LONGEST_ATTRIBUTE = 1_024

Event: TypeAlias = dict[str, Any]
"""As targets see it: version, id, detail-type, source, account, time, region, resources, detail."""


@attrs.define(eq=False)
class Rule:
    """given: PutRule's parameters, and the state; since: what its rate counts from."""

    bus: Bus
    name: str
    given: dict[str, Any]
    since: datetime
    pattern: Filter | None = None
    schedule: Schedule | None = None
    targets: dict[str, dict[str, Any]] = attrs.field(factory=dict)
    tags: dict[str, str] = attrs.field(factory=dict)

    @property
    def arn(self) -> str:
        """arn:aws:events:us-east-1:000000000000:rule/night, with the bus before the name if it is not the default one."""
        path = self.name if self.bus.name == DEFAULT else f"{self.bus.name}/{self.name}"
        return arn_of("events", f"rule/{path}", account=self.bus.place.account, region=self.bus.place.region)

    @property
    def enabled(self) -> bool:
        """Whether it looks at events, and at the time."""
        state: str = self.given["State"]
        return state != "DISABLED"

    def wants(self, event: Event) -> bool:
        """Whether the event is for its targets."""
        return self.enabled and self.pattern is not None and self.pattern.matches(event)

    def deliver(self, event: Event, passed: tuple[Bus, ...] = ()) -> None:
        """Give it to every target, or to the target's dead-letter queue. passed: buses it came by."""
        for target in list(self.targets.values()):
            try:
                self._give(target, event, passed)
            except DeliveryRefused as error:
                self._bury(target, event, error)

    def _give(self, target: Mapping[str, Any], event: Event, passed: tuple[Bus, ...]) -> None:
        arn: str = target["Arn"]
        if service_of(arn) == "events":
            self._pass_on(arn, event, passed)
            return
        text = said(target, event, self.arn, self.name, now_of(self.bus.place))
        group: str | None = target.get("SqsParameters", {}).get("MessageGroupId")
        hand_over(self._envoy, arn, text, group)

    def _pass_on(self, arn: str, event: Event, passed: tuple[Bus, ...]) -> None:
        bus = bus_at(self.bus.place.world, arn)
        if bus is None:
            raise DeliveryRefused(arn, why="it does not exist", code="NO_RESOURCE")
        if bus.place is not self.bus.place:
            raise DeliveryRefused(arn, why="it is of another account or region", code="NO_PERMISSIONS")
        if bus is not self.bus and bus not in passed:  # else it would go round for ever
            offer(bus, event, (*passed, self.bus))

    @property
    def _envoy(self) -> Envoy:
        world = self.bus.place.world
        return Envoy(world, PRINCIPAL, self.arn, self.bus.place.account, not world.strict)

    def _bury(self, target: Mapping[str, Any], event: Event, error: DeliveryRefused) -> None:
        code = error.code or "UNKNOWN"
        attributes = {
            "RULE_ARN": self.arn,
            "TARGET_ARN": target["Arn"],
            "ERROR_CODE": code,
            "ERROR_MESSAGE": str(error)[:LONGEST_ATTRIBUTE],
            "RETRY_ATTEMPTS": "0",
        }
        dead_letter: str | None = target.get("DeadLetterConfig", {}).get("Arn")
        why = f"{code}: {error}"
        if dead_letter is not None:
            try:
                send(self._envoy, dead_letter, compact(event), attributes=attributes)
            except DeliveryRefused as fault:
                why = f"{why}; {fault}"
            else:
                return
        logging.getLogger("decouple").warning(
            "an event of rule %r was given up, and no dead-letter queue has it: %s", self.name, why
        )


@attrs.define(eq=False)
class Bus:
    """given: CreateEventBus's parameters; made, changed: when."""

    name: str
    place: Place
    made: datetime
    changed: datetime
    given: dict[str, Any] = attrs.field(factory=dict)
    rules: dict[str, Rule] = attrs.field(factory=dict)
    tags: dict[str, str] = attrs.field(factory=dict)

    @property
    def arn(self) -> str:
        """arn:aws:events:us-east-1:000000000000:event-bus/default."""
        return arn_of("events", f"event-bus/{self.name}", account=self.place.account, region=self.place.region)


class Buses:
    """The buses of a place, by name."""

    def __init__(self) -> None:
        self.by_name: dict[str, Bus] = {}


def buses_of(place: Place) -> dict[str, Bus]:
    """By name; the default one is always there."""
    by_name = place.keep(Buses).by_name
    if DEFAULT not in by_name:
        now = now_of(place)
        by_name.setdefault(DEFAULT, Bus(DEFAULT, place, now, now))
    return by_name


def bus_at(world: World, arn: str) -> Bus | None:
    """The bus with this ARN, in whichever account and region there is anything."""
    _, _, _, region, account, path = arn.split(":", 5)
    place = world.known(account, region)
    return None if place is None else buses_of(place).get(path.removeprefix("event-bus/"))


def offer(bus: Bus, event: Event, passed: tuple[Bus, ...] = ()) -> None:
    """Let every rule of the bus have a look at an event."""
    for rule in list(bus.rules.values()):
        if rule.wants(event):
            rule.deliver(event, passed)


def now_of(place: Place) -> datetime:
    """The present, to the second."""
    return datetime.fromtimestamp(int(place.now()), UTC)
