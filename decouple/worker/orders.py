"""What a worker process is told at its start, and what may be said there."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["GRACE", "Orders", "check_name"]

GRACE = 3.0
"""So many seconds after its patience with handlers a process that has not ended is killed."""


class Orders(NamedTuple):
    """What a worker process is told at its start. timeout: how long handlers under way may take at its end, in seconds."""

    broker: str
    alone: bool
    timeout: float
    level: str
    lifeline: int
    report: int


def check_name(name: str) -> str:
    """The name, if it has the form. Raises ValueError."""
    module, _, what = name.partition(":")
    if not module or not what or not all(part.isidentifier() for part in [*module.split("."), *what.split(".")]):
        raise ValueError(f"name the broker as module:broker, such as shop.jobs:broker, not {name!r:.100}")
    return name
