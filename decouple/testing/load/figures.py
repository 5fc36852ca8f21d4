"""Figures at the door of a load: rates and shares that make sense, and files of numbers, one a line.

A file may have empty lines and lines that begin with `#`. What is wrong in it is said with the number of its line.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from numbers import Real
from os import PathLike, fspath
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

__all__ = ["Source", "as_number", "number", "read", "shown"]

T = TypeVar("T")
Source: TypeAlias = "str | PathLike[str] | Iterable[T]"


def number(value: Any, name: str, *, least: float = 0, most: float = math.inf, over: bool = False) -> float:
    """The value as a float from `least` (with `over`: above it) to `most`. Raises TypeError, ValueError."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a number, not {value!r:.80}")
    figure = float(value)
    if not (least < figure if over else least <= figure) or not figure <= most or math.isinf(figure):
        bounds = f"over {least:g}" if over else f"at least {least:g}"
        bounds += "" if math.isinf(most) else f" and at most {most:,}"
        raise ValueError(f"{name} must be {bounds}, not {value!r}")
    return figure


def as_number(value: Any) -> Any:
    """Text as the number it says; anything else as it is."""
    if not isinstance(value, str):
        return value
    try:
        return float(value)
    except ValueError:
        raise ValueError(f"{value!r:.80} is not a number") from None


def read(source: Source[Any], parse: Callable[[Any], T]) -> list[T]:
    """What is in a file, or in an iterable, one after the other. parse: raises ValueError for what it cannot read."""
    values = [parsed(parse, value, where) for where, value in placed(source)]
    if not values:
        raise ValueError(f"there is nothing in {source_name(source)}: a number a line is wanted")
    return values


def placed(source: Source[Any]) -> Iterator[tuple[str, Any]]:
    """Each value, and where it stands."""
    if not isinstance(source, (str, PathLike)):
        yield from ((f"number {at} of {source_name(source)}", value) for at, value in enumerate(source, 1))
        return
    text = Path(source).read_text(encoding="utf-8-sig")
    for at, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.lstrip().startswith("#"):
            yield f"line {at} of {source_name(source)}", line.strip()


def parsed(parse: Callable[[Any], T], value: Any, where: str) -> T:
    try:
        return parse(value)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{where}: {error}") from None


def source_name(source: Source[Any]) -> str:
    return repr(fspath(source)) if isinstance(source, (str, PathLike)) else f"the {type(source).__name__}"


def shown(seconds: float) -> str:
    """A duration as one reads it: 12 ms, 1.5 s, 3 min, 2.1 h; "-" for nan, where there is none."""
    size = abs(seconds)
    if size != size:
        return "-"
    if size < 1e-3:
        return f"{seconds * 1e6:.3g} µs" if size else "0 s"
    for unit, most, factor in (("ms", 1.0, 1e3), ("s", 120.0, 1.0), ("min", 7_200.0, 1 / 60)):
        if size < most:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds / 3_600:.4g} h"
