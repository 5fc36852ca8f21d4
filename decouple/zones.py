"""Time zones by name, from the system's database or the package tzdata."""

from __future__ import annotations

from datetime import UTC, timezone, tzinfo
from difflib import get_close_matches

from decouple.errors import NotInstalled

__all__ = ["zone"]


def zone(name: str | tzinfo) -> tzinfo:
    """The time zone of an IANA name such as "Europe/Berlin"; a ZoneInfo or datetime.timezone is itself.

    Raises ValueError, TypeError, NotInstalled where the machine has no time zones at all.
    """
    if name == "UTC":  # which needs no database
        return UTC
    from zoneinfo import ZoneInfo  # here, because few programs have schedules in other zones

    if isinstance(name, (ZoneInfo, timezone)):
        return name
    if not isinstance(name, str):
        # Zones of pytz are tzinfos, too, and half an hour wrong when used as one.
        raise TypeError(f"a time zone must be a name such as 'Europe/Berlin', or a ZoneInfo, not {name!r:.80}")
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # not there, not a name, a folder
        raise unknown(name) from None


def unknown(name: str) -> Exception:
    """The error about a name that no zone has."""
    from zoneinfo import available_timezones

    known: dict[str, str] = {one.casefold(): one for one in available_timezones()}
    if not known:
        install = "pip install tzdata"
        return NotInstalled("a time zone database", purpose=f"the time zone {name!r}", install=install)
    close = get_close_matches(name.casefold(), known, n=1)
    right = known[close[0]] if close else "Europe/Berlin"
    return ValueError(f"no time zone is named {name!r}: take an IANA name such as {right!r}")
