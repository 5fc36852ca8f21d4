"""Retries: a call that fails is made again, after the delays of a schedule."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from decouple.calls import answer_of
from decouple.clock import Clock, Seconds, nanoseconds, seed_or_ambient
from decouple.core.backoff import Schedule, exponential, until
from decouple.core.breaker import Visit
from decouple.resilience.events import Watcher, What
from decouple.resilience.guard import RAISE, Errors, Guard, matcher
from decouple.resilience.line import Line

__all__ = ["RetryStats", "Retrying", "retry"]


class RetryStats(NamedTuple):
    """Since it was made: how many failed attempts were retried, calls given up and fallen back; `waiting` wait to be retried."""

    retried: int
    gave_up: int
    fell_back: int
    waiting: int


class Course:
    """One call and its attempts. began, delay: nanoseconds; covered: whether its last error is one to be retried."""

    __slots__ = ("began", "covered", "delay", "failures", "visit")

    def __init__(self, began: int) -> None:
        self.began = began
        self.delay = 0
        self.failures = 0
        self.covered = False
        self.visit = Visit()


class Retrying(Guard):
    """A guard that calls again what failed: made by retry(...)."""

    kind = "retry"

    def __init__(
        self,
        schedule: Schedule,
        on: Errors,
        fallback: Any,
        name: str | None,
        observers: Iterable[Watcher],
        clock: Clock | None,
        seed: int | None,
    ) -> None:
        from random import Random  # here, because it takes its time to import

        super().__init__(name, fallback, observers, clock)
        self._schedule = schedule
        self._matches = matcher(on)
        self._chance = Random(seed_or_ambient(seed))
        self._line = Line(self.clock, self._lock, "the next attempt of a retry")

    def __repr__(self) -> str:
        return f"<Retrying {self.name!r}: {self._schedule}>"

    def stats(self) -> RetryStats:
        """Numbers of this moment, and since it was made."""
        return RetryStats(self._count("retried"), self._count("gave up"), self._count("fell back"), len(self._line))

    def _in_a_thread(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        course = Course(self.clock.now())
        while True:
            try:
                answer = function(*args, **kwargs)
            except Exception as error:
                next_at = self._failed(course, error)
                if next_at is None:
                    if self._fallback is RAISE or not course.covered:
                        raise
                    return self._stand_in(error, args, kwargs)
            else:
                return answer if not hasattr(answer, "__await__") else answer_of(answer, repr(function))
            if course.delay:
                self._line.wait(course.visit, next_at)

    async def _in_a_task(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        course = Course(self.clock.now())
        while True:
            try:
                return await function(*args, **kwargs)
            except Exception as error:
                next_at = self._failed(course, error)
                if next_at is None:
                    if self._fallback is RAISE or not course.covered:
                        raise
                    return await self._stand_in_task(error, args, kwargs)
            if course.delay:
                await self._line.wait_in_task(course.visit, next_at)

    def _failed(self, course: Course, error: Exception) -> int | None:
        """An attempt failed: when the next one is, or None."""
        course.covered = self._matches(error)
        if not course.covered:
            return None
        now, course.failures = self.clock.now(), course.failures + 1
        delay = self._schedule.after(
            course.failures, age=now - course.began, previous=course.delay, chance=self._chance
        )
        next_at = None if delay is None else now + delay
        what: What = "gave up" if next_at is None else "retried"
        self._record(what, f"{type(error).__name__}: {error}", until=next_at, attempt=course.failures)
        course.delay = delay or 0
        return next_at


def retry(
    schedule: Schedule | None = None,
    *,
    max_attempts: int | None = 3,
    max_age: Seconds | None = None,
    on: Errors = Exception,
    fallback: Any = RAISE,
    name: str | None = None,
    observers: Iterable[Watcher] = (),
    clock: Clock | None = None,
    seed: int | None = None,
) -> Retrying:
    """A guard that calls again what raised: `@retry(exponential(0.2, 10), max_attempts=5)`, or `retry(...).call(f, x)`.

    schedule: the delays, by default 0.2 s doubling up to 10 s with full jitter; any of decouple.core.backoff, SNS's phases
    too. max_attempts: how many calls at most, the first included; None: as many as the schedule has. max_age: no attempt
    begins later than so many seconds after the first did. on: which errors are tried again: a class, several, or a callable
    that answers yes or no; others are raised at once. fallback: what answers when it gives up: a value, or a callable that
    takes the same arguments. seed: makes the jitter repeatable. When it gives up, the last error is raised as it is.
    """
    if isinstance(schedule, type) or (schedule is not None and not callable(getattr(schedule, "after", None))):
        raise TypeError(
            f"schedule must be a schedule such as exponential(0.2, 10), not {schedule!r}: write @retry(...)"
        )
    age = None if max_age is None else nanoseconds(max_age, "max_age") / 1e9
    ends = until(schedule or DEFAULT, max_attempts=max_attempts, max_age=age)
    return Retrying(ends, on, fallback, name, observers, clock, seed)


DEFAULT = exponential(0.2, 10)
