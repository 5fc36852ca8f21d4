"""A histogram of durations: percentiles to within 3 % in constant memory, whatever the number of them.

Buckets grow by powers of two, each in 32 equal steps. The caller holds the lock.
"""

from __future__ import annotations

__all__ = ["Histogram"]

STEPS = 32
SHIFT = 5


class Histogram:
    """Counts of whole numbers of 0 or more, such as nanoseconds."""

    __slots__ = ("_counts", "count", "most")

    def __init__(self) -> None:
        self._counts: dict[int, int] = {}
        self.count = 0
        self.most = 0

    def add(self, value: int) -> None:
        """Count one. Cost: O(1)."""
        exponent = value.bit_length() - SHIFT - 1
        if exponent < 0:
            exponent = 0
        bucket = (exponent << SHIFT << 1) + (value >> exponent)
        self._counts[bucket] = self._counts.get(bucket, 0) + 1
        self.count += 1
        if value > self.most:
            self.most = value

    def percentile(self, share: float) -> int | None:
        """The value under or at which that share of them lies (0 to 1), rounded up within its bucket; None without any."""
        if not self.count:
            return None
        rank, seen = max(1, -(-int(self.count * share * 1_000_000) // 1_000_000)), 0
        for bucket in sorted(self._counts):
            seen += self._counts[bucket]
            if seen >= rank:
                exponent, head = bucket >> SHIFT >> 1, bucket & (2 * STEPS - 1)
                return min(self.most, ((head + 1) << exponent) - 1)
        return self.most
