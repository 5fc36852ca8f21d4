"""Whole numbers at the door: what counts, sizes and limits may be."""

from __future__ import annotations

import math
from typing import Any

__all__ = ["whole"]


def whole(value: Any, name: str, least: int, most: float = math.inf, unit: str = "") -> int:
    """The value, an int from `least` to `most`; `name` is the argument's, for the error. Raises TypeError, ValueError."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be an int, not {value!r}")
    if not least <= value <= most:
        bounds = f"at least {least:,}" if most == math.inf else f"from {least:,} to {most:,}"
        raise ValueError(f"{name} must be {bounds}{unit}, not {value!r}")
    return value
