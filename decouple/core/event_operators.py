"""What patterns of EventBridge say and filter policies of SNS may not: wildcards, case ignored at an end, and anything but these.

    {"key": [{"wildcard": "photos/*.jpg"}]}           {"state": [{"anything-but": {"suffix": ["ing", "ed"]}}]}
    {"name": [{"prefix": {"equals-ignore-case": "ab"}}]}

A `*` is any text, the empty one too; `\\*` and `\\\\` are the characters themselves. None of this has a way into an index:
their kind is `but`, what only a test can tell. The rest EventBridge has in common with SNS (core/filter_patterns.py).

Source: EventBridge user guide, "Comparison operators for use in event patterns"; the README of Event Ruler, which both use.
Where it says no text of a refusal, that of the operator next to it stands here.
"""

# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# What JSON holds is known when it is looked at, not before.

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeAlias

from decouple.core.fields import Atom, Literal
from decouple.core.filter_patterns import OPERATORS, Compiled, anything_but, prefix, refuse, suffix, text
from decouple.core.patterns import Piece, expression

__all__ = ["EVENT_OPERATORS"]

MOST_STARS = 5
"""In one wildcard. AWS says when it is too many, and not how many they are."""
TOO_COMPLEX = (
    "Rule is too complex - try using fewer wildcard characters or fewer repeating character sequences "
    "after a wildcard character"
)
FOLDED = "equals-ignore-case"

Words: TypeAlias = Callable[[str], bool]


def of_text(kind: str, test: Words) -> Compiled:
    return kind, None, lambda value: isinstance(value, str) and test(value)


# -- ends of a text --------------------------------------------------------------------------------------------------


def any_prefix(operand: Any, path: str) -> Compiled:
    """A beginning as it is, or `{"equals-ignore-case": ...}`."""
    if not isinstance(operand, dict):
        return prefix(operand, path)
    start = folded_end(operand, path, "prefix")
    return of_text("but", lambda value: value.casefold().startswith(start))


def any_suffix(operand: Any, path: str) -> Compiled:
    """An end as it is, or `{"equals-ignore-case": ...}`."""
    if not isinstance(operand, dict):
        return suffix(operand, path)
    end = folded_end(operand, path, "suffix")
    return of_text("but", lambda value: value.casefold().endswith(end))


def folded_end(operand: dict[Any, Any], path: str, operator: str) -> str:
    return text(only_operand(operand, path, (FOLDED,), operator), path, FOLDED).casefold()


def only_operand(operand: dict[Any, Any], path: str, allowed: tuple[str, ...], operator: str) -> Any:
    """The operand of the one operator within another."""
    for inner in operand:
        if inner not in allowed:
            refuse(path, f"Unsupported {operator} pattern: {inner}")
    if len(operand) != 1:
        refuse(path, "Only one key allowed in match expression")
    return next(iter(operand.values()))


# -- wildcards -------------------------------------------------------------------------------------------------------


def wildcard(operand: Any, path: str) -> Compiled:
    return of_text("but", like(text(operand, path, "wildcard"), path))


def like(given: str, path: str) -> Words:
    """Whether a whole text is like that."""
    pieces = pieces_of(given, path)
    if sum(kind == "wild" for _, kind in pieces) > MOST_STARS:
        refuse(path, TOO_COMPLEX)
    fits = re.compile(expression(pieces, arn=False), re.DOTALL).fullmatch
    return lambda value: fits(value) is not None


def pieces_of(given: str, path: str) -> list[Piece]:
    pieces: list[Piece] = []
    at = 0
    while at < len(given):
        character, after = given[at], given[at + 1 : at + 2]
        if character == "*" == after:
            refuse(path, f"Consecutive wildcard characters at pos {position_of(given, at)}")
        if character == "\\" and after not in ("*", "\\"):
            refuse(path, f"Invalid escape character at pos {position_of(given, at)}")
        at += 2 if character == "\\" else 1
        pieces.append(("*", "wild") if character == "*" else (after if character == "\\" else character, "fixed"))
    return pieces


def position_of(given: str, at: int) -> int:
    """As AWS counts: the UTF-8 bytes before it, and the quotation mark."""
    return len(given[:at].encode(errors="surrogatepass")) + 1


# -- anything-but ----------------------------------------------------------------------------------------------------


def any_but(operand: Any, path: str) -> Compiled:
    """Any value but these, or none that has such a beginning, end, likeness or spelling. Never a missing key."""
    if not isinstance(operand, dict):
        return anything_but(operand, path)
    unwanted = only_operand(operand, path, tuple(WITHIN), "anything-but")
    [operator] = operand
    tests = [WITHIN[operator](one, path) for one in texts(unwanted, path, operator)]

    def test(value: Atom) -> bool:
        if isinstance(value, str):
            return not any(one(value) for one in tests)
        return value is not Literal.BROKEN

    return "but", None, test


def texts(operand: Any, path: str, operator: str) -> list[str]:
    """One text, or a list of them; empty ones only where they could be equal."""
    if not isinstance(operand, (list, tuple)):
        given: list[Any] = [text(operand, path, operator)]
    else:
        given = list(operand)
        if not given:
            refuse(path, "Empty arrays are not allowed")
        if not all(isinstance(one, str) for one in given):
            named = "anything-but/ignore-case" if operator == FOLDED else "anything but"
            refuse(path, f"Inside {named} list, number|start|null|boolean is not supported.")
    if operator != FOLDED and not all(given):
        refuse(path, "Null prefix/suffix not allowed")
    return given


def starting(start: str, _: str) -> Words:
    return lambda value: value.startswith(start)


def ending(end: str, _: str) -> Words:
    return lambda value: value.endswith(end)


def spelled(given: str, _: str) -> Words:
    folded = given.casefold()
    return lambda value: value.casefold() == folded


WITHIN: dict[str, Callable[[str, str], Words]] = {
    "prefix": starting,
    "suffix": ending,
    "wildcard": like,
    FOLDED: spelled,
}

EVENT_OPERATORS: dict[str, Callable[[Any, str], Compiled]] = {
    **OPERATORS,
    "anything-but": any_but,
    "prefix": any_prefix,
    "suffix": any_suffix,
    "wildcard": wildcard,
}
