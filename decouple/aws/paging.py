"""Lists in pages: a token says which item the next page begins with.

So nothing is left out when what was shown is deleted before the next page is asked for, as those do who clear up.
"""

from __future__ import annotations

from base64 import b64decode, urlsafe_b64encode
from collections.abc import Mapping
from typing import Any, NamedTuple, TypeVar

from decouple.aws.service import Service

__all__ = ["Page", "page", "page_by_name"]

T = TypeVar("T")
MOST = 100


class Page(NamedTuple):
    """Some of a list, and the token for the next of it, if there are more."""

    items: list[Any]
    token: str | None

    @property
    def more(self) -> dict[str, str]:
        """What to answer beside the items."""
        return {"NextToken": self.token} if self.token else {}


def page(items: Mapping[str, T], *, most: int, token: str | None) -> Page:
    """The next `most` of the items, in their order. Raises ValueError for a token that is none. Cost: O(items)."""
    pairs = list(items.items())  # at once: other threads may change what is listed
    start = beginning(pairs, token) if token else 0
    end = start + most
    return Page([item for _, item in pairs[start:end]], write(end, pairs[end][0]) if end < len(pairs) else None)


def page_by_name(service: Service, items: Mapping[str, T], *, limit: int | None, token: str | None) -> Page:
    """The items in the order of their names, at most 100. Raises ServiceError for a token that is none."""
    try:
        return page(dict(sorted(items.items())), most=min(limit or MOST, MOST), token=token)
    except ValueError:
        raise service.error("ValidationException", "The NextToken is not valid.") from None


def write(position: int, key: str) -> str:
    return urlsafe_b64encode(f"{position}:{key}".encode()).decode()


def beginning(pairs: list[tuple[str, Any]], token: str) -> int:
    """Where the item of the token is, or, if it was deleted itself, was."""
    position, _, key = b64decode(token.encode("ascii"), altchars=b"-_", validate=True).decode().partition(":")
    was = max(0, int(position))
    return next((at for at, (name, _) in enumerate(pairs) if name == key), was)
