"""A rate limiter: so many calls a second, with bursts, by a token bucket."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, NamedTuple

from decouple.clock import SECOND, Clock, Seconds
from decouple.core.backoff import whole_number
from decouple.core.breaker import Visit
from decouple.core.bucket import Bucket
from decouple.errors import CallRefused, RateLimited
from decouple.resilience.events import Watcher
from decouple.resilience.gate import Door
from decouple.resilience.guard import RAISE, positive

__all__ = ["LimiterStats", "RateLimiter"]


class LimiterStats(NamedTuple):
    """tokens: how many calls may come at once now; `waiting` wait; since it was made, admitted, refused and fell back."""

    tokens: float
    waiting: int
    admitted: int
    refused: int
    fell_back: int


class RateLimiter(Door):
    """At most `burst` calls at once and `rate` a second on average, of all functions that it guards together.

    rate: calls a second, over 0, also less than 1; burst: how many may come at once after a quiet time, by default what
    comes in a second, at least 1. In any t seconds at most burst + rate * t calls are let in. wait: for how many seconds a
    call waits for its turn, first come, first served; one that would have to wait longer is refused at once. fallback:
    what answers a call that is refused: a value, or a callable that takes the same arguments. A call that is cancelled
    while it waits takes nothing; one that began has taken its token. Raises RateLimited. Cost: about 4 us a call.
    """

    kind = "rate limiter"

    def __init__(
        self,
        rate: float,
        *,
        burst: int | None = None,
        wait: Seconds = 0,
        fallback: Any = RAISE,
        name: str | None = None,
        observers: Iterable[Watcher] = (),
        clock: Clock | None = None,
    ) -> None:
        self.rate = positive(rate, "rate", "calls a second", SECOND)
        self.burst = max(1, math.floor(rate)) if burst is None else whole_number(burst, "burst", 1, math.inf)
        super().__init__(name, fallback, observers, clock, wait)
        self._bucket = Bucket(rate, self.burst, self.clock.now())

    def __repr__(self) -> str:
        return f"<RateLimiter {self.name!r}: {self.rate:g} calls a second>"

    def stats(self) -> LimiterStats:
        """Numbers of this moment, and since it was made."""
        with self._lock:
            tokens = self._bucket.tokens(self.clock.now())
        line = self._line
        return LimiterStats(tokens, len(line), line.admitted, self._count("refused"), self._count("fell back"))

    def _let_in(self, now: int, visit: Visit) -> bool:
        return self._bucket.take(now)

    def _ready_at(self, now: int, ahead: int) -> int:
        return self._bucket.ready_at(now, ahead)

    def _refusal(self, ready_at: int, waited: int) -> CallRefused:
        return RateLimited(self.name, retry_after=max(0, ready_at - self.clock.now()) / SECOND)
