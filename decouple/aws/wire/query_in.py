"""Parameters of Query requests: from "Entry.1.Id" and its like to what the API calls them.

Each shape is turned once into a function of what stands at its place in the form: a text, or a branch of further names.
Lists go by their numbers, in order, with gaps; a number that is none is refused.
"""

from __future__ import annotations

import re
from binascii import Error as BinasciiError
from binascii import a2b_base64
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, TypeAlias

from decouple.aws.model import Member, Shape
from decouple.aws.wire.dates import read_moment
from decouple.aws.wire.forms import Node, malformed_input, whole
from decouple.aws.wire.names import Names

__all__ = ["Read", "reader"]

Read: TypeAlias = Callable[[Node], Any]

INDEX = re.compile("[0-9]{1,9}")


def reader(shape: Shape, names: Names) -> Read:
    """What reads a structure's members from a branch of the form; it raises ServiceError."""
    table = {
        name: (member.name, of_member(member, flattened, names))
        for member in shape.members.values()
        for name, flattened in (names.member(member),)
    }

    def read(node: Node) -> dict[str, Any]:
        given: dict[str, Any] = {}
        for wire, inner in branch(node).items():
            known = table.get(wire)
            if known is not None:
                given[known[0]] = known[1](inner)
        return given

    return read


def branch(node: Node) -> dict[str, Node]:
    """The names under this place; nothing at all may be said by an empty text."""
    if isinstance(node, str):
        if node:
            raise malformed_input("Start of list found where not expected")
        return {}
    return node


def of_member(member: Member, flattened: bool, names: Names) -> Read:
    """For one member, an element or a value."""
    shape = member.shape
    if shape.type == "structure":
        return reader(shape, names)
    if shape.type == "list":
        return of_list(shape, flattened, names)
    return of_map(shape, flattened, names) if shape.type == "map" else scalar(shape)


def scalar(shape: Shape) -> Read:
    """For what is one text in the form."""
    convert = SCALARS[shape.type]

    def read(node: Node) -> Any:
        if not isinstance(node, str):
            raise malformed_input("Unexpected complex element termination")
        return convert(node)

    return read


def of_list(shape: Shape, flattened: bool, names: Names) -> Read:
    """For a list: its elements by number."""
    inner = of_member(shape.element, False, names)
    around = None if flattened else shape.element.wire_name
    return lambda node: [inner(each) for each in numbered(node, around)]


def of_map(shape: Shape, flattened: bool, names: Names) -> Read:
    """For a map: its entries by number, each with its key and its value."""
    key_name, value_name = names.entry(shape)
    key, value = of_member(shape.key, False, names), of_member(shape.value, False, names)
    around = None if flattened else "entry"

    def read(node: Node) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for each in numbered(node, around):
            entry = branch(each)
            if key_name not in entry:
                raise malformed_input("Key may not be null")
            found[key(entry[key_name])] = value(entry.get(value_name, ""))
        return found

    return read


def numbered(node: Node, around: str | None) -> Iterator[Node]:
    """What stands under 1, 2 and so on; around: the name before the numbers. Raises ServiceError."""
    inner = branch(node)
    if around is not None and inner:
        if inner.keys() != {around}:
            raise malformed_input("Unexpected list element termination")
        inner = branch(inner[around])
    if any(INDEX.fullmatch(number) is None for number in inner):
        raise malformed_input("Unexpected list element termination")
    return (inner[number] for number in sorted(inner, key=int))


def read_integer(text: str) -> int:
    """A whole number. Raises ServiceError."""
    number = whole(text)
    if number is None:
        raise malformed_input(f"{text[:100]} is not a valid integer")
    return number


def read_boolean(text: str) -> bool:
    """True or false. Raises ServiceError."""
    lower = text.lower()
    if lower not in ("true", "false"):
        raise malformed_input(f"{text[:100]} is not a valid boolean")
    return lower == "true"


def read_bytes(text: str) -> bytes:
    """What a base64 text holds. Raises ServiceError."""
    try:
        return a2b_base64(text, strict_mode=True)
    except (BinasciiError, ValueError):
        raise malformed_input("Invalid base64 content") from None


def read_timestamp(text: str) -> datetime:
    """A moment in ISO 8601. Raises ServiceError."""
    try:
        return read_moment(text, "iso8601")
    except ValueError:
        raise malformed_input("timestamp must follow ISO8601") from None


SCALARS: dict[str, Callable[[str], Any]] = {
    "string": str,
    "integer": read_integer,
    "long": read_integer,
    "boolean": read_boolean,
    "blob": read_bytes,
    "timestamp": read_timestamp,
}
