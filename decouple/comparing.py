"""How what was found differs from what was expected, a sentence for each place, for failures of assertions.

What was expected may hold matchers: anything with an == of its own, such as unittest.mock.ANY or pytest.approx.
"""

# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false
# What is compared is known when it is looked at, not before.

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

__all__ = ["distance", "shown", "unlike"]

LONGEST = 100
AROUND = 30
COMPARED = 400  # characters of a text: the time of SequenceMatcher grows with their square


def unlike(where: str, expected: Any, found: Any) -> Iterator[str]:
    """Each place in which they differ, named by the way to it from `where`; nothing if they are equal."""
    if isinstance(expected, Mapping) and isinstance(found, Mapping):
        yield from unlike_mappings(where, expected, found)
    elif isinstance(expected, (list, tuple)) and isinstance(found, (list, tuple)):
        yield from unlike_lists(where, expected, found)
    elif isinstance(expected, bool) is not isinstance(found, bool) and isinstance(expected, (bool, int, float)):
        yield f"{where} is {shown(found)}, not {shown(expected)}"  # to Python 1 == True, to JSON it is not
    elif not equal(expected, found):
        if isinstance(expected, str) and isinstance(found, str):
            found, expected = excerpts(found, expected)
            yield f"{where} is {found}, not {expected}"
        else:
            yield f"{where} is {shown(found)}, not {shown(expected)}"


def unlike_mappings(where: str, expected: Mapping[Any, Any], found: Mapping[Any, Any]) -> Iterator[str]:
    for key, value in expected.items():
        if key in found:
            yield from unlike(f"{where}[{key!r}]", value, found[key])
        else:
            yield f"{where}[{key!r}] is missing, not {shown(value)}"
    for key, value in found.items():
        if key not in expected:
            yield f"{where}[{key!r}] is {shown(value)}, and was not expected"


def unlike_lists(where: str, expected: Sequence[Any], found: Sequence[Any]) -> Iterator[str]:
    for number, (mine, other) in enumerate(zip(expected, found, strict=False)):
        yield from unlike(f"{where}[{number}]", mine, other)
    if len(expected) != len(found):
        yield f"{where} has {len(found)} items, not {len(expected)}"


def equal(expected: Any, found: Any) -> bool:
    return bool(expected == found)


def excerpts(found: str, expected: str) -> tuple[str, str]:
    """Both as they are if they are short, or from a little before where they begin to differ."""
    if max(len(found), len(expected)) <= LONGEST:
        return repr(found), repr(expected)
    pairs = zip(found, expected, strict=False)
    at = next((at for at, (mine, other) in enumerate(pairs) if mine != other), min(len(found), len(expected)))
    begin = max(0, at - AROUND)
    one, two = (f"{'...' if begin else ''}{shown(text[begin:])}" for text in (found, expected))
    return f"{one} from character {begin} on", two


def shown(value: Any) -> str:
    """A value in a line."""
    text = repr(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}... ({len(text)} characters)"


def distance(expected: str, found: str) -> float:
    """How much two texts differ: 0 if they are equal, up to 1. Of long ones the beginnings count."""
    from difflib import SequenceMatcher  # here, because only failures need it

    return 1 - SequenceMatcher(None, expected[:COMPARED], found[:COMPARED], autojunk=False).ratio()
