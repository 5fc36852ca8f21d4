"""A circuit breaker: when too many calls fail or are slow, the next ones fail at once, and the callee can recover."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

from decouple.clock import SECOND, Clock, Seconds, datetime_at, nanoseconds
from decouple.core.backoff import whole_number
from decouple.core.breaker import Breaker, Limits, State, Visit
from decouple.errors import CircuitOpen
from decouple.resilience.events import Watcher, What
from decouple.resilience.gate import Gate
from decouple.resilience.guard import RAISE, Errors, matcher, positive

__all__ = ["BreakerStats", "CircuitBreaker"]

TURNS: dict[State, What] = {"open": "opened", "half-open": "half-opened", "closed": "closed"}


class BreakerStats(NamedTuple):
    """state; calls remembered in it, and how many of them failed and were slow; retry_at: while open, when it will try again.

    Since it was made, it opened, refused and fell back so often.
    """

    state: State
    calls: int
    failed: int
    slow: int
    opened: int
    refused: int
    fell_back: int
    retry_at: datetime | None


class CircuitBreaker(Gate):
    """Closed, it lets calls in; open, it refuses them; half-open, it tries some. All functions that it guards share it.

    It opens when at least `minimum_calls` of the last `window` calls are known (by default all, at most 10 of them) and the
    share that failed is at least `failure_rate`, or the share that took `slow_call` seconds or more is at least
    `slow_rate`. It stays open for `open_for` seconds; then `half_open_calls` calls are let in, and when all of them have
    ended, the same rates decide. A call counts only in the state in which it began; one that is cancelled or interrupted
    does not count and makes room for another probe. A probe that never ends keeps the others out: give calls a timeout.

    on: which errors are failures: a class, several, or a callable that answers yes or no; others are answers like any other.
    fallback: what answers a call that is refused or fails: a value, or a callable that takes the same arguments.
    Raises CircuitOpen. Cost: about 5 us a call. Source: resilience4j, "CircuitBreaker".
    """

    kind = "circuit breaker"

    def __init__(
        self,
        *,
        failure_rate: float = 0.5,
        window: int = 20,
        minimum_calls: int | None = None,
        slow_call: Seconds | None = None,
        slow_rate: float = 1.0,
        open_for: Seconds = 30,
        half_open_calls: int = 1,
        on: Errors = Exception,
        fallback: Any = RAISE,
        name: str | None = None,
        observers: Iterable[Watcher] = (),
        clock: Clock | None = None,
    ) -> None:
        super().__init__(name, fallback, observers, clock)
        whole_number(window, "window", 1, float("inf"))
        limits = Limits(
            failure_rate=positive(failure_rate, "failure_rate", "a share of calls", 1),
            window=window,
            minimum_calls=min(10, window)
            if minimum_calls is None
            else whole_number(minimum_calls, "minimum_calls", 1, window),
            slow_call=None if slow_call is None else nanoseconds(slow_call, "slow_call", least=1e-9),
            slow_rate=positive(slow_rate, "slow_rate", "a share of calls", 1),
            open_for=nanoseconds(open_for, "open_for", least=1e-9),
            half_open_calls=whole_number(half_open_calls, "half_open_calls", 1, float("inf")),
        )
        self._fails = matcher(on)
        self._machine = Breaker(limits, self._turned)
        self._inside = self._machine.probes

    def __repr__(self) -> str:
        return f"<CircuitBreaker {self.name!r}: {self.state}>"

    @property
    def state(self) -> State:
        """What it is at this moment: closed, open or half-open."""
        return self.stats().state

    def stats(self) -> BreakerStats:
        """Numbers of this moment, and since it was made."""
        with self._lock:
            machine = self._machine
            machine.settle(self.clock.now())
            retry_at = datetime_at(self.clock, machine.until) if machine.state == "open" else None
            numbers = machine.state, len(machine.window), machine.failed, machine.slow
        self._reporter.report()
        return BreakerStats(*numbers, self._count("opened"), self._count("refused"), self._count("fell back"), retry_at)

    def reset(self) -> None:
        """Close it, and forget how the last calls ended."""
        with self._lock:
            self._machine.close(self.clock.now())
        self._reporter.report()

    def _admit(self, visit: Visit) -> int | None:
        with self._lock:
            machine, now = self._machine, self.clock.now()
            let_in = machine.admit(visit, now)
            until = machine.until if machine.state == "open" else None
        if self._log:
            self._reporter.report()
        if not let_in:
            at = None if until is None else datetime_at(self.clock, until)
            seconds = 0 if until is None else (until - now) / SECOND
            self._refuse(visit, CircuitOpen(self.name, seconds=seconds, retry_at=at))
        return None

    def _judge(self, visit: Visit, error: Exception | None) -> None:
        if visit.refused:
            return
        failed = error is not None and self._fails(error)
        with self._lock:
            self._machine.judge(visit, self.clock.now(), failed=failed)
        if self._log:
            self._reporter.report()

    def _covers(self, visit: Visit, error: Exception) -> bool:
        return visit.refused or self._fails(error)

    def _turned(self, state: State, at: int, why: str) -> None:
        self._note(TURNS[state], at, why, until=self._machine.until if state == "open" else None)
