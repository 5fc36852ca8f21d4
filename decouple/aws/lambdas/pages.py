"""Lists in pages: MaxItems and Marker."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from decouple.aws.lambdas.names import invalid

__all__ = ["page"]


def page(name: str, listed: Mapping[str, Any], given: Mapping[str, Any], most: int) -> dict[str, Any]:
    """One page of what is listed by key, and the marker of the next. Raises ServiceError."""
    keys = list(listed)
    begin = first_after(keys, given.get("Marker"))
    end = begin + min(given.get("MaxItems") or most, most)
    answer: dict[str, Any] = {name: [listed[key] for key in keys[begin:end]]}
    if end < len(keys):
        answer["NextMarker"] = base64.urlsafe_b64encode(f"{end}:{keys[end - 1]}".encode()).decode()
    return answer


def first_after(keys: list[str], marker: str | None) -> int:
    """Where the next page begins: behind the last one shown, or where that was if it is gone."""
    if not marker:
        return 0
    try:
        position, _, last = base64.urlsafe_b64decode(marker.encode()).decode().partition(":")
        return keys.index(last) + 1 if last in keys else max(0, int(position) - 1)
    except (binascii.Error, ValueError) as error:
        raise invalid("Invalid value for Marker.") from error
