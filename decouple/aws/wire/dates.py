"""Moments in AWS's three notations: seconds since 1970, ISO 8601, and the dates of HTTP headers.

A request's moments become datetimes in UTC; an answer may hold datetimes (naive ones are UTC) or seconds since 1970.
Reading raises ValueError for what is no moment, also for those beyond what a datetime holds.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TypeAlias

__all__ = ["Moment", "read_epoch", "read_moment", "write_epoch", "write_moment"]

Moment: TypeAlias = datetime | float

BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


def read_epoch(seconds: float) -> datetime:
    """The moment so many seconds after 1970. Raises ValueError."""
    try:
        return BEGINNING + timedelta(seconds=seconds)
    except OverflowError:
        raise ValueError(f"{seconds!r} seconds after 1970 is no date") from None


def read_moment(text: str, notation: str) -> datetime:
    """The moment a text names. notation: "iso8601", "rfc822" or "unixTimestamp". Raises ValueError."""
    if notation == "rfc822":
        from email.utils import parsedate_to_datetime  # here, because dates in headers are rare

        return utc(parsedate_to_datetime(text))
    return utc(datetime.fromisoformat(text)) if notation == "iso8601" else read_epoch(float(text))


def write_epoch(moment: Moment) -> float:
    """Seconds since 1970, to the millisecond; without a fraction where there is none."""
    seconds = round(utc(moment).timestamp() if isinstance(moment, datetime) else moment, 3)
    return int(seconds) if seconds == int(seconds) else seconds


def write_moment(moment: Moment, notation: str) -> str:
    """The moment as text. notation: "iso8601", "rfc822" or "unixTimestamp"."""
    if notation == "unixTimestamp":
        return str(write_epoch(moment))
    at = utc(moment if isinstance(moment, datetime) else read_epoch(moment))
    if notation == "rfc822":
        from email.utils import format_datetime  # here, because dates in headers are rare

        return format_datetime(at, usegmt=True)
    precision = "milliseconds" if at.microsecond >= 1000 else "seconds"
    return at.replace(tzinfo=None).isoformat(timespec=precision) + "Z"


def utc(moment: datetime) -> datetime:
    """The same moment in UTC; one without a zone is UTC already. Raises ValueError."""
    try:
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"{moment.isoformat()} is no date in UTC") from None
