"""Patterns of policies: `*` is any text, `?` any character, `${key}` what the request's context says of that key.

A pattern is compiled once; one with variables is completed at each request, where the values put in are literal text.
An ARN pattern is matched part by part: a wildcard in one of its first five parts stays within that part.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

__all__ = ["Context", "Match", "Piece", "as_list", "expression", "one_of", "pattern"]

Context: TypeAlias = Mapping[str, tuple[str, ...]]
"""What is known of a request: values by key, keys in lower case."""
Match: TypeAlias = Callable[[str, Context], bool]
"""Whether a text of the request is what the policy says."""

TOKEN = re.compile(r"\$\{(?P<variable>[^{}]*)\}|(?P<wild>[*?])")
VARIABLE = re.compile(r"\s*([^\s,]+)\s*(?:,\s*'(.*)'\s*)?", re.DOTALL)
COLONS_OF_AN_ARN = 5

# what stands there, and which it is: "fixed" text, a "wild" character, or a "variable"
Piece: TypeAlias = tuple[str, str]


def as_list(value: Any) -> list[Any]:
    """Where JSON may have one thing or a list of them: the list."""
    return value if isinstance(value, list) else [value]  # pyright: ignore[reportUnknownVariableType]


def pattern(text: str, *, wild: bool = True, variables: bool = False, arn: bool = False, fold: bool = False) -> Match:
    """Whether a whole text is like `text`. wild: `*` and `?` are wildcards; fold: upper and lower case are the same.

    Raises ValueError for an ARN pattern without the six parts of an ARN.
    """
    pieces = list(pieces_of(text, wild, variables))
    flags = re.DOTALL | (re.IGNORECASE if fold else 0)
    if any(kind == "variable" for _, kind in pieces):
        return completed_later(pieces, arn, flags)
    if arn and text.count(":") < COLONS_OF_AN_ARN:
        raise ValueError(f"{text!r} is not like an ARN, which has six parts, such as arn:aws:sns:*:*:*: write them all")
    fits = re.compile(expression(pieces, arn), flags).fullmatch
    return lambda value, _: fits(value) is not None


def one_of(matches: list[Match]) -> Match:
    """Whether one of them matches."""
    return lambda value, context: any(match(value, context) for match in matches)


def completed_later(pieces: list[Piece], arn: bool, flags: int) -> Match:
    def match(value: str, context: Context) -> bool:
        known: list[Piece] = []
        for text, kind in pieces:
            if kind == "variable":
                found = looked_up(text, context)
                if found is None:
                    return False
                known.append((found, "fixed"))
            else:
                known.append((text, kind))
        return re.fullmatch(expression(known, arn), value, flags) is not None

    return match


def pieces_of(text: str, wild: bool, variables: bool) -> list[Piece]:
    pieces: list[Piece] = []
    at = 0
    for token in TOKEN.finditer(text):
        if token["wild"] and wild:
            piece = (token["wild"], "wild")
        elif token["variable"] in ("*", "?", "$") and variables:
            piece = (token["variable"], "fixed")
        elif token["variable"] is not None and variables:
            if not VARIABLE.fullmatch(token["variable"]):
                raise ValueError(f"{token[0]!r} is not a policy variable: write ${{key}} or ${{key, 'default'}}")
            piece = (token["variable"], "variable")
        else:
            continue
        pieces += [(text[at : token.start()], "fixed"), piece]
        at = token.end()
    return [*pieces, (text[at:], "fixed")]


def looked_up(variable: str, context: Context) -> str | None:
    """The one value of a variable's key, or its default."""
    match = VARIABLE.fullmatch(variable)
    assert match is not None  # seen to by pieces_of
    values = context.get(match[1].lower(), ())
    if not values:
        default: str | None = match[2]
        return default
    return values[0] if len(values) == 1 else None


def expression(pieces: list[Piece], arn: bool) -> str:
    """The regular expression for those pieces.

    Between two `*` the first match will do, so it is not tried again (the atomic groups): time grows with the lengths of
    pattern and text multiplied, and no policy can make it explode.
    """
    runs, stars, colons = [""], [""], 0
    for text, kind in pieces:
        any_character = "[^:]" if arn and colons < COLONS_OF_AN_ARN else "."
        if kind == "fixed":
            runs[-1] += re.escape(text)
            colons += text.count(":")
        elif text == "?":
            runs[-1] += any_character
        else:
            runs.append("")
            stars.append(any_character + "*")
    if len(runs) == 1:
        return runs[0]
    between = "".join(f"(?>{star}?{run})" for star, run in zip(stars[1:-1], runs[1:-1], strict=True))
    return f"{runs[0]}{between}{stars[-1]}{runs[-1]}"
