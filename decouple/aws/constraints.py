"""What a model asks of one value beyond its kind: length, range, the values of an enumeration, a pattern.

Each constraint is a test and AWS's words for it. The order is that of AWS's texts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from math import inf
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from decouple.aws.model import Shape

__all__ = ["ALL", "Constraint", "Kind", "constraints_of"]

# "members": what is required of structures within the parameters; what is required of the request always is.
Kind: TypeAlias = Literal["members", "length", "range", "enum", "pattern"]
ALL: Final[frozenset[Kind]] = frozenset(("members", "length", "range", "enum", "pattern"))

NUMBERS = ("integer", "long", "double", "float")
SIZED = ("string", "blob", "list", "map")
# Java's letters, blanks and numbers, which stand beside "_" wherever the models use them.
LETTERS = r"\p{L}\p{Z}\p{N}_"
OURS = "\\w \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
# EventBridge's patterns for header texts take exponential time on a row of blanks: they are not tried.
SLOW = r"^[ \t]*"


class Constraint(NamedTuple):
    """One of them. met: whether a value meets it; text: what AWS says when not."""

    met: Callable[[Any], bool]
    text: str


def constraints_of(shape: Shape, kinds: frozenset[Kind]) -> tuple[Constraint, ...]:
    """Those of a shape, only of these kinds."""
    return tuple(find(shape, kinds))


def find(shape: Shape, kinds: frozenset[Kind]) -> Iterator[Constraint]:
    """One by one."""
    if "length" in kinds and shape.type in SIZED:
        yield from of_size(shape, len, "length")
    if "range" in kinds and shape.type in NUMBERS:
        yield from of_size(shape, itself, "value")
    if "enum" in kinds and "enum" in shape.raw:
        values: list[str] = shape.raw["enum"]
        yield Constraint(frozenset(values).__contains__, f"Member must satisfy enum value set: [{', '.join(values)}]")
    if "pattern" in kinds and "pattern" in shape.raw and not shape.raw["pattern"].startswith(SLOW):
        yield of_pattern(shape.raw["pattern"])


def itself(value: float) -> float:
    """The size of a number."""
    return value


def of_size(shape: Shape, size: Callable[[Any], float], word: str) -> Iterator[Constraint]:
    """Its bounds."""

    def at_most(value: Any) -> bool:
        return size(value) <= most

    def at_least(value: Any) -> bool:
        return size(value) >= least

    most: float = shape.raw.get("max", inf)
    least: float = shape.raw.get("min", -inf)
    if most != inf:
        yield Constraint(at_most, f"Member must have {word} less than or equal to {most}")
    if least != -inf:
        yield Constraint(at_least, f"Member must have {word} greater than or equal to {least}")


def of_pattern(pattern: str) -> Constraint:
    """Its pattern, which must match the whole value."""
    fullmatch = compile_java(pattern).fullmatch

    def matches(value: str) -> bool:
        return fullmatch(value) is not None

    return Constraint(matches, f"Member must satisfy regular expression pattern: {pattern}")


def compile_java(pattern: str) -> re.Pattern[str]:
    """The model's pattern, which is Java's: its classes are ASCII unless they say otherwise."""
    if LETTERS in pattern:
        return re.compile(pattern.replace(LETTERS, OURS))
    return re.compile(pattern, re.ASCII)
