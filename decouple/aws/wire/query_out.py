"""Answers of the Query protocol: from what the API calls its members to XML elements.

Each shape is turned once into a function that writes a value's elements. What the model does not know is left out, and
so is None.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from decouple.aws.model import Member, Shape
from decouple.aws.wire.dates import write_moment
from decouple.aws.wire.jsonshapes import write_blob
from decouple.aws.wire.names import Names
from decouple.aws.wire.xml import element, escape

__all__ = ["Write", "members"]

Write: TypeAlias = Callable[[Any], str]


def members(shape: Shape, names: Names) -> Write:
    """What writes a structure's members, without an element around them."""
    table = {member.name: member_elements(member, names) for member in shape.members.values()}
    return lambda answer: "".join(
        table[name](value) for name, value in answer.items() if value is not None and name in table
    )


def member_elements(member: Member, names: Names) -> Write:
    """What writes one member: an element, or of a flattened list or map one for each in it."""
    name, flattened = names.member(member)
    shape = member.shape
    if shape.type == "list":
        return of_list(name, shape, flattened, names)
    if shape.type == "map":
        return of_map(name, shape, flattened, names)
    return wrapped(name, shape, names)


def wrapped(name: str, shape: Shape, names: Names) -> Write:
    """One element around a scalar, a structure, or a list or map in a list or map."""
    if shape.type in ("list", "map"):
        return (of_list if shape.type == "list" else of_map)(name, shape, False, names)
    inner = members(shape, names) if shape.type == "structure" else SCALARS.get(shape.type, write_text)
    return lambda value: element(name, inner(value))


def of_list(name: str, shape: Shape, flattened: bool, names: Names) -> Write:
    """For a list."""
    each = wrapped(name if flattened else shape.element.wire_name, shape.element.shape, names)
    if flattened:
        return lambda values: "".join(map(each, values))
    return lambda values: element(name, "".join(map(each, values)))


def of_map(name: str, shape: Shape, flattened: bool, names: Names) -> Write:
    """For a map."""
    key_name, value_name = names.entry(shape)
    key, value = wrapped(key_name, shape.key.shape, names), wrapped(value_name, shape.value.shape, names)
    entry = name if flattened else "entry"

    def entries(found: dict[str, Any]) -> str:
        return "".join(element(entry, key(each) + value(held)) for each, held in found.items())

    return entries if flattened else lambda found: element(name, entries(found))


def write_text(value: Any) -> str:
    """For texts, and for numbers that stand for themselves."""
    return escape(value if isinstance(value, str) else str(value))


SCALARS: dict[str, Write] = {
    "boolean": lambda value: "true" if value else "false",
    "blob": write_blob,
    "timestamp": lambda value: write_moment(value, "iso8601"),
}
