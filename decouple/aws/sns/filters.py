"""Filter policies as requests have them: JSON text, with AWS's words for what is wrong with it and where.

The engine knows what is wrong and at which value (`InvalidFilter.path`); AWS says besides at which character its parser
was then, for everything but the limits.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from json import loads
from typing import Any

from decouple.aws.sns.service import invalid
from decouple.core.filters import Scope, compile
from decouple.errors import InvalidFilter

__all__ = ["SCOPES", "read_filter"]

SCOPES: dict[str, Scope] = {"MessageAttributes": "attributes", "MessageBody": "body"}

# What AWS finds out once the text is read: without a place.
WITHOUT_PLACE = (
    "Filter policy can not have more than",
    "Filter policy is too complex",
    "Filter policy scope MessageAttributes does not support nested filter policy",
)
NESTED = WITHOUT_PLACE[2]


def read_filter(text: str, scope: Scope, prefix: str) -> dict[str, Any] | None:
    """The policy; None for one that lets everything pass. prefix: "Attributes Reason: " on Subscribe. Raises ServiceError."""
    policy: Any
    try:
        policy = loads(text or "{}", parse_constant=refuse_constant)
    except (ValueError, RecursionError):
        raise invalid(f"{prefix}FilterPolicy: failed to parse JSON.") from None
    if not isinstance(policy, dict):
        raise invalid(f"{prefix}FilterPolicy: Filter is not an object{place_in(text, '')}")
    wanted: dict[str, Any] = policy  # pyright: ignore[reportUnknownVariableType]  # JSON
    try:
        compile(wanted, scope)
    except InvalidFilter as error:
        if error.reason == NESTED:
            raise invalid(NESTED) from error
        placed = not error.reason.startswith(WITHOUT_PLACE)
        where = place_in(text, error.path) if placed else ""
        raise invalid(f"{prefix}FilterPolicy: {error.reason}{where}") from error
    return wanted or None


def refuse_constant(constant: str) -> Any:
    raise ValueError(f"JSON has no {constant}")


# -- where in the text ---------------------------------------------------------------------------------------------

SPACE = re.compile(r"[ \t\r\n]*")
REST = re.compile(r"[^ \t\r\n,\]}]*")
STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)


def place_in(text: str, path: str) -> str:
    """AWS's words for the place of a value. Its parser has then read a bracket or quote, or the whole of anything else."""
    at = next((end for way, end in values(text) if way == path), len(text))
    line = text.count("\n", 0, at) + 1
    column = at - (text.rfind("\n", 0, at) + 1) + 1
    return f'\n at [Source: (String)"{text}"; line: {line}, column: {column}]'


def values(text: str) -> Iterator[tuple[str, int]]:
    """Every value of a JSON text that can be read, as the engine names its way, and where its first token ends."""
    ways: list[list[Any]] = []  # of what is open: way, number of the next element or None, and whether a key comes next
    way, at = "", skip(text, 0)
    while at < len(text):
        sign = text[at]
        if sign in "{[":
            yield way, at + 1
            ways.append([way, None if sign == "{" else 0])
            at += 1
        elif sign == '"':
            yield way, at + 1
            at = past(STRING, text, at)
        elif sign in "]}":
            ways.pop()
            at += 1
        elif sign != ",":
            end = past(REST, text, at)
            yield way, end
            at = max(end, at + 1)
        else:
            at += 1
        at = skip(text, at)
        if not ways or at >= len(text) or text[at] in "]},":
            continue
        above, number = ways[-1]
        if number is None:
            end = past(STRING, text, at)
            key = loads(text[at:end], strict=False)
            way, at = f"{above}.{key}" if above else key, skip(text, skip(text, end) + 1)
        else:
            way, ways[-1][1] = f"{above}[{number}]", number + 1


def skip(text: str, at: int) -> int:
    return past(SPACE, text, at)


def past(what: re.Pattern[str], text: str, at: int) -> int:
    """Where it ends; of a text that was read, so it is there."""
    found = what.match(text, at)
    assert found is not None
    return found.end()
