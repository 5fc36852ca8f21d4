"""A circuit breaker as a state machine: closed, open, half-open.

Closed, it lets every call in and remembers how the last `window` of them ended. When at least `minimum_calls` are
remembered and too large a share of them failed, or was slow, it opens and lets nobody in for `open_for`. Then it is
half-open: it lets in `half_open_calls` probes, and when all of them have ended their shares decide whether it closes or
opens again. A call counts only in the state in which it was let in: what was begun before the circuit opened says
nothing about the time after.

Source: resilience4j, "CircuitBreaker" (count-based sliding window, slow calls, permitted calls in half-open state).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Literal, NamedTuple, TypeAlias

__all__ = ["Breaker", "Limits", "State", "Visit"]

State: TypeAlias = Literal["closed", "open", "half-open"]

FAILED = 1
SLOW = 2


class Limits(NamedTuple):
    """What a breaker tolerates. slow_call, open_for: nanoseconds; the rates are shares, over 0 and at most 1."""

    failure_rate: float
    window: int
    minimum_calls: int
    slow_call: int | None
    slow_rate: float
    open_for: int
    half_open_calls: int


class Visit:
    """One call at a gate. at: when it was let in; era: of a breaker, in which of its states.

    refused: it was not let in; over: its caller is gone.
    """

    __slots__ = ("at", "era", "over", "refused")

    def __init__(self) -> None:
        self.at = 0
        self.era: int | None = None
        self.refused = False
        self.over = False


class Breaker:
    """The machine. `turned` is told of each change of state: the new one, the instant it was due, and why."""

    __slots__ = ("era", "failed", "limits", "probes", "slow", "state", "turned", "until", "window")

    def __init__(self, limits: Limits, turned: Callable[[State, int, str], object]) -> None:
        self.limits = limits
        self.turned = turned
        self.state: State = "closed"
        self.era = 0
        self.until = 0  # while open: when it will be half-open
        self.failed = 0
        self.slow = 0
        self.window: deque[int] = deque(maxlen=limits.window)
        # Those let in while half-open that have not ended. Whoever leaves takes himself out, at any time and twice if need be.
        self.probes: dict[Visit, None] = {}

    def settle(self, now: int) -> None:
        """Become half-open if that is due, and decide what an interrupt left undecided: no more probes would come."""
        if self.state == "open" and now >= self.until:
            self._turn("half-open", self.until, f"open for {self.limits.open_for / 1e9:g} s")
        elif self.state == "half-open":
            self._decide(now)

    def admit(self, visit: Visit, now: int) -> bool:
        """Let a call in, or not."""
        self.settle(now)
        if self.state == "open":
            return False
        if self.state == "half-open":
            if len(self.probes) + len(self.window) >= self.limits.half_open_calls:
                return False
            self.probes[visit] = None
        # commit
        visit.at = now
        visit.era = self.era
        return True

    def judge(self, visit: Visit, now: int, *, failed: bool) -> None:
        """A call that was let in has ended, well or not."""
        self.probes.pop(visit, None)
        self.settle(now)
        if visit.era != self.era:
            return
        visit.era = None
        self._remember(failed, slow=self.limits.slow_call is not None and now - visit.at >= self.limits.slow_call)
        self._decide(now)

    def close(self, now: int) -> None:
        """Let calls in again, and forget how the last ones ended."""
        self._turn("closed", now, "reset")

    def _decide(self, now: int) -> None:
        """Open or close, if enough is known for it."""
        enough = self.limits.half_open_calls if self.state == "half-open" else self.limits.minimum_calls
        if len(self.window) < enough:
            return
        why = self._too_much()
        if why is not None:
            self._turn("open", now, why)
        elif self.state == "half-open":
            self._turn("closed", now, f"{len(self.window)} probe calls went well enough")

    def _remember(self, failed: bool, slow: bool) -> None:
        window = self.window
        new = FAILED * failed | SLOW * slow
        old = window[0] if len(window) == window.maxlen else 0
        failures, slows = self.failed + (new & FAILED) - (old & FAILED), self.slow + (new // SLOW) - (old // SLOW)
        # commit: the last step alone is a call, after which an interrupt may come
        self.failed = failures
        self.slow = slows
        window.append(new)

    def _too_much(self) -> str | None:
        """Why it should open, if so. Divided, not multiplied: 7 / 10 is 0.7, and 0.7 * 10 is over 7."""
        calls, limits = len(self.window), self.limits
        if self.failed / calls >= limits.failure_rate:
            return f"{self.failed} of {calls} calls failed, and {limits.failure_rate:g} of them is too much"
        if limits.slow_call is not None and self.slow / calls >= limits.slow_rate:
            return f"{self.slow} of {calls} calls were slow, and {limits.slow_rate:g} of them is too much"
        return None

    def _turn(self, state: State, at: int, why: str) -> None:
        limits = self.limits
        window: deque[int] = deque(maxlen=limits.half_open_calls if state == "half-open" else limits.window)
        # commit: the one call is the last step, but for telling
        self.state = state
        self.era += 1
        self.until = at + limits.open_for
        self.failed = 0
        self.slow = 0
        self.window = window
        self.probes.clear()
        self.turned(state, at, why)
