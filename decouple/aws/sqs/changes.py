"""Changes: what one or several attributes of a queue ask for, checked and not yet done."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from decouple.aws.world import Place

__all__ = ["Change", "Scope", "compact", "object_in"]

NOTHING: Mapping[str, Any] = {}


class Scope(NamedTuple):
    """The queue that attributes are for, which may not be there yet."""

    place: Place
    name: str
    fifo: bool
    arn: str


class Change(NamedTuple):
    """What an attribute asks for: its text as it will be shown ("" for none), settings of the engine, and what is kept.

    Only a Policy is neither: it has its text alone.
    """

    text: str
    settings: Mapping[str, Any] = NOTHING
    kept: Mapping[str, Any] = NOTHING


def compact(document: Any) -> str:
    """JSON without spaces, as SQS shows it."""
    return json.dumps(document, separators=(",", ":"))


def object_in(text: str) -> dict[str, Any] | None:
    """The JSON object that the text is; None if it is none."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None  # pyright: ignore[reportUnknownVariableType]  # JSON
