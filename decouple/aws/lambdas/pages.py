"""Lists in pages: MaxItems and Marker."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from decouple.aws.lambdas.names import invalid
from decouple.aws.paging import page as page_of

__all__ = ["page"]


def page(name: str, listed: Mapping[str, Any], given: Mapping[str, Any], most: int) -> dict[str, Any]:
    """One page of what is listed by key, and the marker of the next. Raises ServiceError."""
    try:
        some = page_of(listed, most=min(given.get("MaxItems") or most, most), token=given.get("Marker"))
    except ValueError as error:
        raise invalid("Invalid value for Marker.") from error
    return {name: some.items} | ({"NextMarker": some.token} if some.token else {})
