"""Lists in pages, with a NextToken only where there is more."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from decouple.aws.sns.service import invalid

__all__ = ["page"]

T = TypeVar("T")

PAGE = 100


def page(
    every: Sequence[T],
    token: str | None,
    name: str,
    shown: Callable[[T], Any],
    *,
    most: int = PAGE,
    next: str = "NextToken",
) -> dict[str, Any]:
    """The answer of a list operation: a page of `every` under `name`. Cost: O(page)."""
    start = 0 if token is None else read_token(token, next)
    answer: dict[str, Any] = {name: [shown(one) for one in every[start : start + most]]}
    if start + most < len(every):
        answer[next] = urlsafe_b64encode(f"after:{start + most}".encode()).decode()
    return answer


def read_token(token: str, name: str) -> int:
    try:
        word, _, number = urlsafe_b64decode(token.encode()).decode().partition(":")
        if word == "after" and number.isascii() and number.isdigit() and len(number) < 10:
            return int(number)
    except ValueError:
        pass
    raise invalid(f"{name} Reason: it is not one that this list gave")
