"""A change as what JSON holds, and back: all of it, but that a queue stands there by its name."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, get_args

from decouple.attributes import ArrayText, Attribute
from decouple.core.changes import Cause, Change
from decouple.core.records import Details, Failure, Record

__all__ = ["change_from", "change_to", "details_to"]

CAUSES = frozenset(get_args(Cause))


def change_to(change: Change) -> dict[str, Any]:
    """What differs from an empty one, by name."""
    empty = Change._field_defaults
    found = {name: value for name, value in change._asdict().items() if name not in empty or value != empty[name]}
    if change.record is not None:
        found["record"] = record_to(change.record)
    if change.settings is not None:
        found["settings"] = dict(change.settings)
    return found


def change_from(given: Mapping[str, Any]) -> Change:
    """The change again. Raises KeyError, TypeError, ValueError."""
    if given["cause"] not in CAUSES:
        raise ValueError(f"nothing changes by {given['cause']!r}")
    record = given.get("record")
    found: dict[str, Any] = {**given, "record": None if record is None else record_from(record)}
    return Change(**found)


def record_to(record: Record) -> list[Any]:
    if len(record) == 4:
        return [*record[:3], details_to(record[3])]
    return [str(record[0]), *record[1:]]


def record_from(given: list[Any]) -> Record:
    text, sent_at, seq, *more = given
    if not more:
        return text, sent_at, seq
    if len(more) == 2:
        return text, sent_at, seq, more[0], more[1]
    return text, sent_at, seq, details_from(more[0])


def details_to(details: Details) -> dict[str, Any]:
    """What a message has beyond its body, where it has it."""
    found = {name: value for name, value in details._asdict().items() if value not in (None, 0) and value != {}}
    if details.attributes:
        found["attributes"] = {name: value_to(value) for name, value in details.attributes.items()}
    if details.system:
        found["system"] = dict(details.system)
    if details.source is not None:
        found["source"] = getattr(details.source, "name", details.source)
    return found


def details_from(given: Mapping[str, Any]) -> Details:
    found = dict(given)
    if "attributes" in found:
        found["attributes"] = {name: value_from(value) for name, value in found["attributes"].items()}
    if "failure" in found:
        found["failure"] = Failure(*found["failure"])
    return Details(**found)


# -- attributes: text as it is, all else with its type -----------------------------------------------------------------


def value_to(value: Any) -> Any:
    if isinstance(value, ArrayText):
        return {"list": str(value)}
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return {"bytes": b64encode(value).decode()}
    if isinstance(value, Attribute):
        return {"type": value.type, "value": value_to(value.value)}
    return {type(value).__name__: str(value)}


READ: dict[str, Callable[[str], Any]] = {
    "list": ArrayText,
    "bytes": b64decode,
    "int": int,
    "float": float,
    "Decimal": Decimal,
}


def value_from(given: Any) -> Any:
    if isinstance(given, str):
        return given
    if "type" in given:
        return Attribute(given["type"], value_from(given["value"]))
    [(kind, text)] = given.items()
    return READ[kind](text)
