"""Lists in pages of 100, with a NextToken only where there is more."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from decouple.aws.paging import page as page_of
from decouple.aws.sns.service import invalid

__all__ = ["page"]

T = TypeVar("T")

PAGE = 100


def page(
    every: Mapping[str, T],
    token: str | None,
    name: str,
    shown: Callable[[T], Any],
    *,
    most: int = PAGE,
    next: str = "NextToken",
) -> dict[str, Any]:
    """The answer of a list operation: a page of `every` under `name`. Raises ServiceError."""
    try:
        some = page_of(every, most=most, token=token)
    except ValueError as error:
        raise invalid(f"{next} Reason: it is not one that this list gave") from error
    answer: dict[str, Any] = {name: [shown(one) for one in some.items]}
    return answer | ({next: some.token} if some.token else {})
