"""Pages of a list: a token says where the next one begins, so it stays right while the list changes."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from bisect import bisect_right
from typing import TYPE_CHECKING

from decouple.aws.sqs import SQS

if TYPE_CHECKING:
    from decouple.aws.service import Given

__all__ = ["page_of"]

MOST = 1_000


def page_of(names: list[str], given: Given) -> tuple[list[str], str | None]:
    """Those of the sorted names that are asked for, and the token for the next. Raises ServiceError.

    Without MaxResults there are at most 1,000 and no token (SQS).
    """
    reason = f"MaxResults must be an integer between 1 and {MOST}."
    asked = SQS.within(given.get("MaxResults"), "MaxResults", 1, MOST, reason)
    start = bisect_right(names, last_in(given["NextToken"])) if given.get("NextToken") else 0
    page = names[start : start + (asked or MOST)]
    more = asked is not None and start + len(page) < len(names)
    return page, urlsafe_b64encode(page[-1].encode()).decode() if more else None


def last_in(token: str) -> str:
    try:
        return urlsafe_b64decode(token.encode("ascii")).decode()
    except ValueError as error:
        raise SQS.wrong("Invalid or expired next token.") from error
