"""Wall clocks: what the clocks of a time zone show at an instant, and which instant they mean.

Both are numbers: an instant is nanoseconds since 1970 in UTC, and a wall is the seconds since 1970 that the clocks show (so
wall // 86_400 is a date). Twice a year this is not one to one: in spring the walls of an hour are skipped, in autumn those of
an hour come twice. A wall that comes twice means the first time here, so a later wall always is a later instant.
"""

from __future__ import annotations

from datetime import datetime, timedelta, tzinfo

from decouple.core.records import EPOCH
from decouple.core.settings import SECOND

__all__ = ["ONE_SECOND", "instant_of", "wall_of"]

ONE_SECOND = timedelta(seconds=1)


def wall_of(instant: int, zone: tzinfo) -> int:
    """What clocks in the zone show."""
    return instant // SECOND + offset_at(instant // SECOND, zone)


def instant_of(wall: int, zone: tzinfo) -> int | None:
    """When clocks in the zone show this for the first time; None: never, they skip it."""
    # Sums of datetimes stay within a zone: this one is on its clocks, not so much later.
    shown = datetime(1970, 1, 1, tzinfo=zone) + timedelta(seconds=wall)
    seconds = wall - offset_of(shown)
    return seconds * SECOND if seconds + offset_at(seconds, zone) == wall else None


def offset_at(seconds: int, zone: tzinfo) -> int:
    return offset_of((EPOCH + timedelta(seconds=seconds)).astimezone(zone))


def offset_of(shown: datetime) -> int:
    """How many whole seconds the zone is ahead of UTC then."""
    offset = shown.utcoffset()
    return 0 if offset is None else offset // ONE_SECOND
