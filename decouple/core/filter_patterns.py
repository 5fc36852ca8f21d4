"""The values a filter policy lists for a key: what each matches, and why SNS refuses what it does not understand.

A pattern tests one plain value (an atom of core/fields.py). Its kind and operand are what an index needs to find it
without testing: `equal` a value, `fold` a text in folded case, `prefix` a beginning, `suffix` a beginning of the text
reversed, `cidr` a beginning of an address in bits, `range` two positions on the number line; `exists` and `missing` ask for
the key itself; `but` is what only a test can tell, and nearly everything matches.

Source: SNS developer guide, "Filter policy constraints" and the pages on each operator; recorded refusals.
"""

# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# What JSON holds is known when it is looked at, not before.

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, TypeAlias

from decouple.core.fields import Atom, Literal, atom
from decouple.errors import InvalidFilter
from decouple.jsontext import json_text

if TYPE_CHECKING:
    from decimal import Decimal

__all__ = [
    "OPERATORS",
    "Compiled",
    "Operators",
    "Pattern",
    "address_bits",
    "anything_but",
    "pattern",
    "position",
    "prefix",
    "refuse",
    "suffix",
    "text",
]

HIGHEST = 1_000_000_000
STEPS = 100_000
"""Numbers of a `numeric` have five digits after the decimal point."""
BEYOND = 4 * HIGHEST * STEPS

Test: TypeAlias = Callable[[Atom], bool]
Range: TypeAlias = "tuple[int | None, int | None]"


class Pattern(NamedTuple):
    """One compiled value of a policy. text: the value as the policy has it, in JSON."""

    kind: str
    operand: Any
    test: Test
    text: str


def pattern(value: Any, path: str, operators: Operators | None = None) -> Pattern:
    """The pattern for one value listed at `path`; operators: those there are, SNS's by default. Raises InvalidFilter."""
    if isinstance(value, dict):
        given: dict[Any, Any] = value
        kind, operand, test = expression(given, path, OPERATORS if operators is None else operators)
    else:
        wanted = plain(value, path)
        kind, operand, test = equal(wanted)
    return Pattern(kind, operand, test, shown(value, path))


def refuse(path: str, reason: str) -> NoReturn:
    """Raise InvalidFilter."""
    raise InvalidFilter(path, reason=reason)


Compiled: TypeAlias = tuple[str, Any, Test]
Operators: TypeAlias = Mapping[str, Callable[[Any, str], Compiled]]


def expression(value: dict[Any, Any], path: str, operators: Operators) -> Compiled:
    """A match expression: an object with one key, the operator."""
    if len(value) != 1:
        refuse(path, "Only one key allowed in match expression")
    [(operator, operand)] = value.items()
    if operator not in operators:
        refuse(path, f"Unrecognized match type {operator}")
    return operators[operator](operand, f"{path}.{operator}")


def shown(value: Any, path: str) -> str:
    try:
        return json_text(value, "a filter policy must be what JSON holds")
    except (TypeError, ValueError) as error:
        refuse(path, str(error))


def equal(wanted: Atom) -> Compiled:
    return "equal", wanted, lambda value: value == wanted


def plain(value: Any, path: str) -> Atom:
    found = atom(value) if value is None or isinstance(value, (str, int, float)) else Literal.BROKEN
    if found is Literal.BROKEN:
        refuse(path, "Match value must be String, number, true, false, or null")
    return found


def text(value: Any, path: str, operator: str) -> str:
    """The operand of an operator that takes text. Raises InvalidFilter."""
    if not isinstance(value, str):
        refuse(path, f"{operator} match pattern must be a string")
    return value


def prefix(operand: Any, path: str) -> Compiled:
    """A text with that beginning."""
    start = text(operand, path, "prefix")
    return "prefix", start, lambda value: isinstance(value, str) and value.startswith(start)


def suffix(operand: Any, path: str) -> Compiled:
    """A text with that end."""
    end = text(operand, path, "suffix")
    return "suffix", end[::-1], lambda value: isinstance(value, str) and value.endswith(end)


def ignore_case(operand: Any, path: str) -> Compiled:
    folded = text(operand, path, "equals-ignore-case").casefold()
    return "fold", folded, lambda value: isinstance(value, str) and value.casefold() == folded


def exists(operand: Any, path: str) -> Compiled:
    if not isinstance(operand, bool):
        refuse(path, "exists match pattern must be either true or false.")
    if operand:
        return "exists", None, lambda value: value is not Literal.BROKEN
    return "missing", None, lambda _: False


# -- anything-but ----------------------------------------------------------------------------------------------------


def anything_but(operand: Any, path: str) -> Compiled:
    """Any value but these: a text or number, a list of texts or of numbers, or a prefix. Never a missing key."""
    if isinstance(operand, dict):
        given: dict[Any, Any] = operand
        start = unwanted_prefix(given, path)
        return (
            "but",
            None,
            lambda value: value is not Literal.BROKEN and not (isinstance(value, str) and value.startswith(start)),
        )
    unwanted = frozenset(unwanted_values(operand, path))
    return "but", None, lambda value: value not in unwanted and value is not Literal.BROKEN


def unwanted_prefix(operand: dict[Any, Any], path: str) -> str:
    for operator in operand:
        if operator != "prefix":
            refuse(path, f"Unsupported anything-but pattern: {operator}")
    start = text(operand.get("prefix"), path, "prefix")
    if not start:
        refuse(path, "Null prefix/suffix not allowed")
    return start


def unwanted_values(operand: Any, path: str) -> list[Atom]:
    if not isinstance(operand, (list, tuple)):
        if isinstance(operand, bool) or not isinstance(operand, (str, int, float)):
            refuse(path, "Value of anything-but must be an array or single string/number value.")
        return [plain(operand, path)]
    values: list[Any] = list(operand)
    if not values:
        refuse(path, "Empty arrays are not allowed")
    if any(isinstance(value, bool) or not isinstance(value, (str, int, float)) for value in values):
        refuse(path, "Inside anything but list, start|null|boolean is not supported.")
    if len({isinstance(value, str) for value in values}) > 1:
        refuse(path, "Inside anything but list, either all values are number or string, mixed type is not supported")
    return [plain(value, path) for value in values]


# -- numeric ---------------------------------------------------------------------------------------------------------


def numeric(operand: Any, path: str) -> Compiled:
    """`["=", n]`, or one bound, or a lower and then an upper bound."""
    if not isinstance(operand, (list, tuple)):
        refuse(path, "Value of numeric must be an array.")
    terms: list[Any] = list(operand)
    operator = terms[0] if terms else "]"
    if not terms or not isinstance(operator, str):
        refuse(path, f"Invalid member in numeric match: {operator}")
    if operator not in ("=", "<", "<=", ">", ">="):
        refuse(path, f"Unrecognized numeric range operator: {operator}")
    bound = limit(terms, 1, "equals" if operator == "=" else operator, path)
    if operator == "=":
        at_most(terms, 2, path, "Too many elements in numeric expression")
        return equal(bound)
    at = position(bound)
    if operator in ("<", "<="):
        at_most(terms, 2, path, "Too many elements in numeric expression")
        return within(None, at - (operator == "<"))
    lowest = at + (operator == ">")
    return within(lowest, None if len(terms) == 2 else upper(terms, bound, path))


def upper(terms: list[Any], bottom: int | Decimal, path: str) -> int:
    """The highest position of a range whose lower bound is read."""
    operator = terms[2]
    if not isinstance(operator, str):
        refuse(path, f"Bad value in numeric range: {operator}")
    if operator not in ("<", "<="):
        refuse(path, f"Bad numeric range operator: {operator}")
    top = limit(terms, 3, operator, path)
    at_most(terms, 4, path, "Too many terms in numeric range expression")
    if top <= bottom:
        refuse(path, "Bottom must be less than top")
    return position(top) - (operator == "<")


def at_most(terms: list[Any], count: int, path: str, reason: str) -> None:
    if len(terms) > count:
        refuse(path, reason)


def limit(terms: list[Any], at: int, name: str, path: str) -> int | Decimal:
    value = terms[at] if len(terms) > at else None
    found = atom(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else Literal.BROKEN
    if isinstance(found, (str, Literal)):
        refuse(path, f"Value of {name} must be numeric")
    if not -HIGHEST <= found <= HIGHEST:
        refuse(path, "Value must be between -1.0E9 and 1.0E9, inclusive")
    if position(found) % 2:
        refuse(path, f"Value of {name} may have five digits after the decimal point")
    return found


def within(lowest: int | None, highest: int | None) -> Compiled:
    low, high = -BEYOND if lowest is None else lowest, BEYOND if highest is None else highest

    def test(value: Atom) -> bool:
        return not isinstance(value, (str, Literal)) and low <= position(value) <= high

    return "range", (lowest, highest), test


def position(number: int | Decimal) -> int:
    """Where a number stands on a line of whole numbers: even at each multiple of 0.00001, odd anywhere between two.

    So every range of a policy, open or closed, is from one whole number to another, and comparing is exact.
    """
    if isinstance(number, int):
        return max(-BEYOND, min(BEYOND, number * 2 * STEPS))
    if not number:
        return 0
    exponent = number.adjusted()
    # A ratio of 1e999999 has a million digits, and it is beyond (or next to zero) anyway.
    if abs(exponent) > 20:
        return (1 if number > 0 else -1) * (BEYOND if exponent > 0 else 1)
    numerator, denominator = number.as_integer_ratio()
    whole, rest = divmod(numerator * STEPS, denominator)
    return max(-BEYOND, min(BEYOND, 2 * whole + (rest > 0)))


# -- addresses -------------------------------------------------------------------------------------------------------

INTEGER = re.compile(r"[+-]?[0-9]+")


def cidr(operand: Any, path: str) -> Compiled:
    if not isinstance(operand, str):
        refuse(path, "prefix match pattern must be a string")  # as recorded
    parts = operand.split("/")
    if len(parts) != 2:
        refuse(path, "Malformed CIDR, one '/' required")
    if not INTEGER.fullmatch(parts[1]):
        refuse(path, "Malformed CIDR, mask bits must be an integer")
    bits = address_bits(parts[0])
    if bits is None:
        refuse(path, f"Nonstandard IP address: {parts[0]}")
    length = int(parts[1])
    if length < 0:
        refuse(path, "Malformed CIDR, mask bits must not be negative")
    if length > len(bits) - 1:
        refuse(path, f"IPv{bits[0]} mask bits must be at most {len(bits) - 1}")
    start = bits[: 1 + length]
    return "cidr", start, lambda value: isinstance(value, str) and (address_bits(value) or "").startswith(start)


def address_bits(value: str) -> str | None:
    """An IP address as its version and its bits, so that a network is a beginning; None where it is no address."""
    from ipaddress import ip_address  # here, because few policies have one

    try:
        address = ip_address(value)
    except ValueError:
        return None
    return f"{address.version}{int(address):0{address.max_prefixlen}b}"


OPERATORS: Operators = {
    "anything-but": anything_but,
    "cidr": cidr,
    "equals-ignore-case": ignore_case,
    "exists": exists,
    "numeric": numeric,
    "prefix": prefix,
    "suffix": suffix,
}
