"""A token bucket: so many a second, with a burst, in whole numbers.

The bucket gains `rate` tokens a second up to `burst`, and each call takes one. So in any stretch of t seconds at most
burst + rate * t are taken. Sums are exact: the level is kept in fractions of a token so small that each nanosecond adds a
whole number of them; only an instant is rounded, up to the next nanosecond.
"""

from __future__ import annotations

from decouple.core.settings import SECOND

__all__ = ["Bucket"]


class Bucket:
    """A bucket that is full at the instant `now`. rate: tokens a second, over 0; burst: tokens it holds, at least 1."""

    __slots__ = ("_at", "_full", "_gain", "_level", "_token")

    def __init__(self, rate: float, burst: int, now: int) -> None:
        self._gain, per = rate.as_integer_ratio()  # of the smallest parts, a nanosecond
        self._token = per * SECOND
        self._full = self._level = burst * self._token
        self._at = now

    def take(self, now: int) -> bool:
        """Take a token if there is one."""
        level = self._level_at(now)
        if level < self._token:
            return False
        # commit
        self._level = level - self._token
        self._at = max(now, self._at)
        return True

    def ready_at(self, now: int, ahead: int = 0) -> int:
        """When there is a token for whoever comes after so many others that wait; `now` or later."""
        missing = (ahead + 1) * self._token - self._level_at(now)
        return now + max(0, -(-missing // self._gain))

    def tokens(self, now: int) -> float:
        """How many tokens there are."""
        return self._level_at(now) / self._token

    def _level_at(self, now: int) -> int:
        return min(self._full, self._level + max(0, now - self._at) * self._gain)
