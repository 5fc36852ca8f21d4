"""Shapes of a model as JSON holds them: base64 for blobs, seconds for moments, the wire's names for members.

Each shape is turned once into a function that converts its values, or into None where JSON's values are the API's
already: most shapes are, and cost nothing. Kinds that need no conversion are not looked at here: the door does that.
"""

# pyright: reportUnknownVariableType=false, reportUnknownLambdaType=false, reportUnknownMemberType=false
# What JSON holds is known when it is looked at, not before.

from __future__ import annotations

from binascii import Error as BinasciiError
from binascii import a2b_base64, b2a_base64
from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeAlias

from decouple.aws.kinds import malformed, wrong_kind
from decouple.aws.model import Shape
from decouple.aws.wire.dates import read_epoch, read_moment, write_epoch, write_moment

__all__ = ["Convert", "read_blob", "reader", "write_blob", "writer"]

Convert: TypeAlias = Callable[[Any], Any]


def read_blob(value: Any) -> bytes:
    """The bytes that a base64 text holds. Raises ServiceError."""
    if type(value) is not str:
        raise wrong_kind(value, "blob")
    try:
        return a2b_base64(value, strict_mode=True)
    except (BinasciiError, ValueError):
        raise malformed("Base64 encoded string is expected but the value is not valid base64") from None


def write_blob(value: bytes | str) -> str:
    """The bytes as base64; text is taken as UTF-8."""
    return b2a_base64(value.encode() if isinstance(value, str) else value, newline=False).decode("ascii")


def read_date(value: Any) -> datetime:
    """The moment a JSON number holds. Raises ServiceError."""
    if type(value) is not int and type(value) is not float:
        raise wrong_kind(value, "timestamp")
    try:
        return read_epoch(value)
    except (ValueError, OverflowError):
        raise wrong_kind(value, "timestamp") from None


def reader(shape: Shape) -> Convert | None:
    """What turns a JSON value of this shape into the API's, in place; None: nothing does. It raises ServiceError."""
    return compile_shape(shape, read_scalar, read_members, {})


def writer(shape: Shape) -> Convert | None:
    """What turns an answer of this shape into JSON's values, in a copy; None: nothing does."""
    return compile_shape(shape, write_scalar, write_members, {})


Scalar: TypeAlias = Callable[[Shape], Convert | None]
Members: TypeAlias = Callable[[dict[str, tuple[str, Convert | None]]], Convert | None]


def compile_shape(shape: Shape, scalar: Scalar, members: Members, known: dict[str, Convert | None]) -> Convert | None:
    """The function for one shape, from those for what is in it."""
    if shape.name in known:
        return known[shape.name]
    # A shape that holds itself finds this entry, which asks for the finished function when it is used.
    known[shape.name] = lambda value: again(value) if (again := known[shape.name]) is not None else value
    made: Convert | None
    if shape.type == "structure":
        table = {
            name: (member.wire_name, compile_shape(member.shape, scalar, members, known))
            for name, member in shape.members.items()
        }
        made = members(table)
    elif shape.type == "list":
        made = each(compile_shape(shape.element.shape, scalar, members, known))
    elif shape.type == "map":
        made = each_value(compile_shape(shape.value.shape, scalar, members, known))
    else:
        made = scalar(shape)
    known[shape.name] = made
    return made


def read_scalar(shape: Shape) -> Convert | None:
    """JSON -> API."""
    if shape.type == "blob":
        return read_blob
    if shape.type != "timestamp":
        return None
    notation: str = shape.raw.get("timestampFormat", "unixTimestamp")
    return read_date if notation == "unixTimestamp" else lambda value: read_text_date(value, notation)


def read_text_date(value: Any, notation: str) -> datetime:
    """The moment a JSON string holds. Raises ServiceError."""
    if type(value) is not str:
        raise wrong_kind(value, "timestamp")
    try:
        return read_moment(value, notation)
    except ValueError:
        raise wrong_kind(value, "timestamp") from None


def write_scalar(shape: Shape) -> Convert | None:
    """API -> JSON."""
    if shape.type == "blob":
        return write_blob
    if shape.type != "timestamp":
        return None
    notation: str = shape.raw.get("timestampFormat", "unixTimestamp")
    return write_epoch if notation == "unixTimestamp" else lambda value: write_moment(value, notation)


def each(convert: Convert | None) -> Convert | None:
    """For lists."""
    if convert is None:
        return None
    return lambda values: [convert(value) for value in values] if isinstance(values, list) else values


def each_value(convert: Convert | None) -> Convert | None:
    """For maps."""
    if convert is None:
        return None
    return lambda found: {key: convert(value) for key, value in found.items()} if isinstance(found, dict) else found


def read_members(table: dict[str, tuple[str, Convert | None]]) -> Convert | None:
    """For structures, in place: what was read belongs to nobody else yet."""
    work = [(name, wire, convert) for name, (wire, convert) in table.items() if convert is not None or wire != name]
    if not work:
        return None

    def read(found: Any) -> Any:
        if type(found) is dict:
            for name, wire, convert in work:
                if wire in found:
                    value = found.pop(wire) if wire != name else found[wire]
                    found[name] = value if convert is None else convert(value)
        return found

    return read


def write_members(table: dict[str, tuple[str, Convert | None]]) -> Convert | None:
    """For structures, in a copy: an answer may share what the operation keeps."""
    work = {name: (wire, convert) for name, (wire, convert) in table.items() if convert is not None or wire != name}
    if not work:
        return None

    def write(answer: dict[str, Any]) -> dict[str, Any]:
        if work.keys().isdisjoint(answer):
            return answer
        written: dict[str, Any] = {}
        for name, value in answer.items():
            wire, convert = work.get(name, (name, None))
            written[wire] = value if convert is None else convert(value)
        return written

    return write
