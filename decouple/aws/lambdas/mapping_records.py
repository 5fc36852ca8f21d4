"""What the wire keeps of event source mappings: their UUIDs, and what of them the engine's triggers have no word for.

A trigger that was declared natively has a mapping as soon as it is looked at, for as long as it is not closed. A mapping
of the wire stays when its queue or function is gone, Disabled, until it is deleted.
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from attrs import define, field

from decouple.aws.lambdas import LAMBDA

if TYPE_CHECKING:
    from decouple.aws.errors import ServiceError
    from decouple.aws.world import Place
    from decouple.trigger import Trigger

__all__ = ["Mapping", "Mappings", "no_mapping"]

STATES = {"enabled": "Enabled", "paused": "Disabled", "closed": "Disabled"}


def new_uuid() -> str:
    return str(uuid.uuid4())


@define(eq=False)
class Mapping:
    """One mapping. function: its ARN as it was asked for, with a qualifier; terms: by AWS's names, as they are shown."""

    trigger: Trigger
    source: str
    function: str
    name: str
    terms: dict[str, Any]
    modified: float
    native: bool = False
    uuid: str = field(factory=new_uuid)
    tags: dict[str, str] = field(factory=dict[str, str])

    def shown(self, place: Place, state: str | None = None) -> dict[str, Any]:
        """As the API shows it. state: the one it is just going through."""
        return {
            "UUID": self.uuid,
            "EventSourceMappingArn": f"arn:aws:lambda:{place.region}:{place.account}:event-source-mapping:{self.uuid}",
            "EventSourceArn": self.source,
            "FunctionArn": self.function,
            "LastModified": datetime.fromtimestamp(self.modified, UTC),
            "State": state or STATES[self.trigger.state],
            "StateTransitionReason": "USER_INITIATED",
            **self.terms,
        }


class Mappings:
    """What is kept in one place, by UUID."""

    def __init__(self) -> None:
        self._kept: dict[str, Mapping] = {}

    def all(self, place: Place) -> list[Mapping]:
        """Every mapping, those of native triggers too, in the order they were first seen."""
        self._look(place)
        return list(self._kept.values())

    def find(self, place: Place, uuid: str) -> Mapping:
        """Raises ServiceError."""
        self._look(place)
        found = self._kept.get(uuid)
        if found is None:
            raise no_mapping()
        return found

    def keep(self, mapping: Mapping) -> None:
        """From its creation on."""
        self._kept[mapping.uuid] = mapping

    def forget(self, mapping: Mapping) -> None:
        """It is deleted."""
        self._kept.pop(mapping.uuid, None)

    def _look(self, place: Place) -> None:
        known = {id(one.trigger) for one in self._kept.values()}
        for mapping in list(self._kept.values()):
            if mapping.native and mapping.trigger.state == "closed":
                self.forget(mapping)
        for queue in list(place.broker.queues.values()):
            for name, trigger in queue.triggers.items():
                if id(trigger) not in known:
                    arn = trigger.function.arn
                    self.keep(Mapping(trigger, queue.arn, arn, name, terms_of(trigger), place.now(), native=True))


def terms_of(trigger: Trigger) -> dict[str, Any]:
    """The settings of a native trigger in AWS's names."""
    import json  # here, because filters are rare

    settings = trigger.settings
    terms: dict[str, Any] = {
        "BatchSize": settings["batch_size"],
        "MaximumBatchingWindowInSeconds": round(settings["batch_window"]),
        "FunctionResponseTypes": ["ReportBatchItemFailures"] if settings["partial_failures"] else [],
    }
    if settings["max_concurrency"] is not None:
        terms["ScalingConfig"] = {"MaximumConcurrency": settings["max_concurrency"]}
    if settings["pollers"] is not None:
        least, most = settings["pollers"]
        terms["ProvisionedPollerConfig"] = {"MinimumPollers": least, "MaximumPollers": most}
    if settings["filter"] is not None:
        terms["FilterCriteria"] = {"Filters": [{"Pattern": json.dumps(one)} for one in settings["filter"]]}
    return terms


def no_mapping() -> ServiceError:
    """The error for a UUID that there is not."""
    return LAMBDA.error("ResourceNotFoundException", "The resource you requested does not exist.")
