"""Resilience for handlers: retry, circuit breaker, bulkhead, rate limiter, each with a fallback.

    from decouple.resilience import CircuitBreaker, exponential, retry

    payments = CircuitBreaker(failure_rate=0.5, open_for=30, name="payments", clock=broker.clock)

    @retry(exponential(0.2, 10), max_attempts=5, on=OSError, clock=broker.clock)
    @payments
    def charge(order): ...

    payments.call(refund, order)

All guard any callable, `def` or `async def`, as a decorator or for one call; threads and tasks of any loop share them.
Delays and waits are on the clock they are given, SystemClock() by default: on a VirtualClock a test of a minute's
backoff takes no time. Each tells `observers` of every ResilienceEvent, and has `stats()`.

Guards nest like functions; the outermost decides last. The usual order, from outside: retry, circuit breaker, rate limiter,
bulkhead, so that a retry is limited and judged like any call. A bulkhead or a limiter that is to count a retried call
once stands outside of its retry.

No library serves underneath: of tenacity, stamina, pybreaker, purgatory, aiobreaker, circuitbreaker, hyx, aiolimiter,
limits and pyrate-limiter none can wait on a clock that it is given, for threads and tasks alike: they read
time.monotonic(), datetime.now() or loop.time(), and sleep by themselves.
"""

from __future__ import annotations

from decouple.core.backoff import delivery_policy, exponential, until
from decouple.errors import BulkheadFull, CallRefused, CircuitOpen, RateLimited
from decouple.resilience.bulkhead import Bulkhead, BulkheadStats
from decouple.resilience.circuit import BreakerStats, CircuitBreaker
from decouple.resilience.events import ResilienceEvent
from decouple.resilience.limiter import LimiterStats, RateLimiter
from decouple.resilience.retrying import Retrying, RetryStats, retry

# In reading order: what you make, what it may take, what you see, what can go wrong.
__all__ = [  # noqa: RUF022
    "retry",
    "CircuitBreaker",
    "Bulkhead",
    "RateLimiter",
    "exponential",
    "delivery_policy",
    "until",
    "Retrying",
    "ResilienceEvent",
    "RetryStats",
    "BreakerStats",
    "BulkheadStats",
    "LimiterStats",
    "CallRefused",
    "CircuitOpen",
    "BulkheadFull",
    "RateLimited",
]
