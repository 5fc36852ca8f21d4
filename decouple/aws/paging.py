"""Lists in pages: a token says after which name the next one begins, so what is deleted between two pages does no harm."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any, NamedTuple, TypeVar

from decouple.aws.service import Service

__all__ = ["Page", "page"]

T = TypeVar("T")
MOST = 100


class Page(NamedTuple):
    """Some of a list, and what to answer beside them where there are more: {"NextToken": ...}."""

    items: list[Any]
    token: dict[str, str]


def page(service: Service, items: Mapping[str, T], *, limit: int | None, token: str | None) -> Page:
    """The items by name, in the order of their names; at most 100. Raises ServiceError for a token that is none."""
    after = None if token is None else read(service, token)
    names = sorted(name for name in items if after is None or name > after)
    most = min(limit or MOST, MOST)
    some = names[:most]
    more = {"NextToken": base64.urlsafe_b64encode(some[-1].encode()).decode()} if len(names) > most else {}
    return Page([items[name] for name in some], more)


def read(service: Service, token: str) -> str:
    try:
        return base64.b64decode(token.encode("ascii"), altchars=b"-_", validate=True).decode()
    except (ValueError, binascii.Error):
        raise service.error("ValidationException", "The NextToken is not valid.") from None
