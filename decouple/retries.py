"""A consumer's retry policy: how long a message waits after its handler failed, by what it failed with."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, TypeAlias

from decouple.core.backoff import Chance, Schedule
from decouple.message import Message

__all__ = ["Retries", "RetryPolicy", "read_retry"]

RetryPolicy: TypeAlias = Schedule | Mapping[type[BaseException], Schedule | None] | None
"""None: at once; a schedule of core/backoff.py; or by class of exception, of which the most derived one counts."""

REMEMBERED = 10_000
MOST_AT_ONCE = 1_000
"""Failures of one message at one instant: only where time stands still, and there without an end."""


class Retries:
    """The delays. What a schedule answered last is remembered for the 10,000 messages that failed last."""

    def __init__(self, schedules: Mapping[type[BaseException], Schedule | None], chance: Chance, name: str) -> None:
        self._schedules = schedules
        self._chance = chance
        self._name = name
        self._previous: OrderedDict[int, int] = OrderedDict()
        self._instant = -1
        self._failures: dict[int, int] = {}  # at that instant, by message

    def delay(self, message: Message[Any], error: BaseException, now: int, lease: int) -> int | None:
        """Nanoseconds until it may be received again, 0 = at once; None: give up.

        A schedule of somebody's own that fails, or answers nonsense, leaves the message to its visibility timeout.
        """
        schedule = next((self._schedules[kind] for kind in type(error).__mro__ if kind in self._schedules), None)
        if schedule is None:
            return 0
        seq, age = message.record[2], now - message.first_received
        previous = self._previous.pop(seq, 0)
        try:
            delay = schedule.after(message.times_received, age=age, previous=previous, chance=self._chance)
            delay = None if delay is None else max(0, int(delay))
        except Exception:
            import logging  # here, because most programs never need it

            logging.getLogger("decouple").exception("the retry schedule of %s failed", self._name)
            return lease
        if delay is not None:
            self._previous[seq] = delay
            while len(self._previous) > REMEMBERED:
                self._previous.popitem(last=False)
        return delay

    def endless(self, message: Message[Any], now: int) -> bool:
        """Whether a message that goes back at once has done so too often while time stood still, as on a virtual clock."""
        if now != self._instant:
            self._instant, self._failures = now, {}
        seq = message.record[2]
        self._failures[seq] = times = self._failures.get(seq, 0) + 1
        return times >= MOST_AT_ONCE


def read_retry(retry: RetryPolicy) -> dict[type[BaseException], Schedule | None]:
    """The policy by class of exception. Raises TypeError."""
    if retry is None or callable(getattr(retry, "after", None)):
        return {BaseException: retry}  # type: ignore[dict-item]
    if not isinstance(retry, Mapping):
        raise TypeError(
            f"retry must be a schedule such as decouple.resilience.exponential(1, 300), or one by exception class, not {retry!r}"
        )
    for kind, schedule in retry.items():
        if not (isinstance(kind, type) and issubclass(kind, BaseException)):
            raise TypeError(f"retry must be schedules by exception class, not by {kind!r}")
        if schedule is not None and not callable(getattr(schedule, "after", None)):
            raise TypeError(f"retry[{kind.__name__}] must be a schedule such as exponential(1, 300), not {schedule!r}")
    return dict(retry)
