"""Amazon EventBridge Scheduler on the wire: schedules and their groups, above those of the broker."""

from __future__ import annotations

from decouple.aws.service import Service

__all__ = ["SCHEDULER"]

SCHEDULER = Service(
    "scheduler",
    "Amazon EventBridge Scheduler",
    modules=(
        "decouple.aws.scheduler.schedules",
        "decouple.aws.scheduler.groups",
    ),
    errors={"NotImplemented": ("NotImplemented", 501)},
)
