"""What a filter policy sees of a message: its fields by name, each with the plain values found there.

Attributes have flat names and one value, a String.Array as many as it has elements; Binary is not there for a filter. A
body is a JSON object: objects give dotted names (`order.total`, however the dots were spelled), arrays give all their
elements. An empty array, and an object where a value is looked for, count as missing.

Numbers are exact: a float is the decimal it prints as, which is what its sender meant and what the wire carries.
`places` says of each value of a body in which elements of arrays of objects it stands, because keys below one array must
hold in the same element. Source: SNS developer guide, "Message filtering"; the README of Event Ruler, "Matching arrays".
"""

# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# What JSON holds is known when it is looked at, not before.

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import TYPE_CHECKING, Any, TypeAlias

from decouple.attributes import ArrayText, Attribute, is_decimal

if TYPE_CHECKING:
    from decimal import Decimal

__all__ = [
    "LITERALS",
    "Atom",
    "Fields",
    "Literal",
    "Place",
    "atom",
    "number",
    "parsed",
    "read_attributes",
    "read_body",
    "refused",
]


class Literal(Enum):
    """Values that are neither text nor number. BROKEN: a value nobody can read, which no condition meets.

    In Python True equals 1; for a filter it must not.
    """

    TRUE = "true"
    FALSE = "false"
    NULL = "null"
    BROKEN = "unreadable"


LITERALS: dict[Any, Literal] = {True: Literal.TRUE, False: Literal.FALSE, None: Literal.NULL}

Atom: TypeAlias = "str | int | Decimal | Literal"
Place: TypeAlias = "tuple[tuple[int, int], ...]"
"""The way to a value through arrays of objects, outermost first: (which array, which element)."""


class Fields:
    """The values of a message by field. places: the same shape, None where no array holds objects."""

    __slots__ = ("places", "values")

    def __init__(self, values: dict[str, list[Atom]], places: dict[str, list[Place]] | None = None) -> None:
        self.values = values
        self.places = places


def read_attributes(attributes: Mapping[str, Any] | None) -> Fields:
    """The fields of a message's attributes, as the queue keeps them. Cost: O(their size)."""
    values: dict[str, list[Atom]] = {}
    for name, value in (attributes or {}).items():
        kind: type = type(value)
        if kind is str or kind is int:
            values[name] = [value]
        elif found := typed(value):
            values[name] = found
    return Fields(values)


def typed(value: Any) -> list[Atom]:
    """The atoms of an attribute that is not plain text or a plain integer."""
    if isinstance(value, Attribute):
        if value.type == "String.Array":
            return elements(str(value.value))
        base = value.type.partition(".")[0]
        return [] if base == "Binary" else [number(value.value) if base == "Number" else value.value]  # type: ignore[list-item]  # pyright: ignore[reportReturnType]  # only Binary is bytes
    if isinstance(value, (ArrayText, list)):
        array: str | list[Any] = value
        return elements(array)
    return [] if isinstance(value, bytes) else [atom(value)]


def elements(array: str | list[Any]) -> list[Atom]:
    """The values of a String.Array, those of arrays within it too. A text that is no JSON array is BROKEN."""
    waiting = parsed(array) if isinstance(array, str) else array
    if not isinstance(waiting, list):
        return [Literal.BROKEN]
    found: list[Atom] = []
    waiting = waiting[::-1]
    while waiting:
        value: Any = waiting.pop()
        if isinstance(value, list):
            waiting += value[::-1]
        elif not isinstance(value, dict):
            found.append(atom(value))
    return found


def read_body(body: Any) -> Fields | None:
    """The fields of a body parsed from JSON; None where it is not an object. Cost: O(its size), without recursion."""
    if not isinstance(body, dict):
        return None
    values: dict[str, list[Atom]] = {}
    places: dict[str, list[Place]] = {}
    arrays = 0
    nested = False
    waiting: list[tuple[str, Any, Place]] = [("", body, ())]
    while waiting:
        path, value, place = waiting.pop()
        if isinstance(value, dict):
            inner: dict[str, Any] = value
            below = path + "." if path else ""
            waiting += [(below + key, one, place) for key, one in reversed(list(inner.items()))]
        elif isinstance(value, list):
            array: list[Any] = value
            arrays += 1
            for position in range(len(array) - 1, -1, -1):
                one = array[position]
                deeper = isinstance(one, (dict, list))
                nested = nested or deeper
                waiting.append((path, one, (*place, (arrays, position)) if deeper else place))
        else:
            values.setdefault(path, []).append(atom(value))
            places.setdefault(path, []).append(place)
    return Fields(values, places if nested else None)


def atom(value: Any) -> Atom:
    """A value as filters compare it."""
    if isinstance(value, str):
        return str(value)
    if value is None or isinstance(value, bool):
        return LITERALS[value]
    if isinstance(value, int):
        return int(value)
    return number(value)


def number(value: Any) -> Atom:
    """An exact number of an int, float, Decimal or the text of one; BROKEN where there is none."""
    from decimal import Decimal  # here, because few filters and messages need it, and it takes 5 ms

    try:
        exact = value if is_decimal(value) else Decimal(repr(value) if isinstance(value, float) else str(value))
    except ArithmeticError:  # no number, or an exponent of twenty digits
        return Literal.BROKEN
    return exact if exact.is_finite() else Literal.BROKEN


def parsed(text: str) -> Any:
    """What JSON text says, with numbers as they are written; None where it is none."""
    import json
    from decimal import Decimal

    try:
        return json.loads(text, parse_float=Decimal, parse_constant=refused)
    except (ValueError, ArithmeticError, RecursionError):  # a body is whatever its sender wrote
        return None


def refused(constant: str) -> Any:
    """For json.loads: NaN and Infinity, which Python reads and JSON has not."""
    raise ValueError(f"JSON has no {constant}")
