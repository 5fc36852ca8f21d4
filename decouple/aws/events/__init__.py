"""Amazon EventBridge on the wire: buses, rules with patterns or schedules, and their targets.

The engine matches patterns and knows when a schedule is due; a bus is what the wire keeps of who wants which event.
"""

from __future__ import annotations

from decouple.aws.service import Service

__all__ = ["EVENTS"]

EVENTS = Service(
    "events",
    "Amazon EventBridge",
    modules=(
        "decouple.aws.events.putting",
        "decouple.aws.events.buses",
        "decouple.aws.events.rules",
        "decouple.aws.events.targets",
        "decouple.aws.events.tagging",
        "decouple.aws.events.refusals",
    ),
    errors={"NotImplemented": ("NotImplemented", 501)},
)
