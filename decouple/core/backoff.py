"""Retry schedules: how long to wait after each failed attempt, and when to give up.

    `Exponential`  doubling from a base to a cap, plain or with one of three jitters
    `Phases`       SNS's delivery policy: at once, then at the shortest delay, then growing, then at the longest

A schedule keeps nothing between calls: `after(failures, ...)` is asked with how many attempts have failed, and answers in
nanoseconds, or None to give up. `Until` gives up earlier, by count or by age. Chance comes from outside, as an object with
`uniform`, such as a seeded random.Random, so a schedule can be repeated.

Sources: AWS Architecture Blog, "Exponential Backoff and Jitter"; SNS developer guide, "Message delivery retries". SNS draws
its backoff functions but does not publish formulae; these begin at the shortest delay, never fall, and end at the longest.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

from decouple.core.settings import SECOND

__all__ = [
    "AWS_MANAGED",
    "CUSTOMER_MANAGED",
    "FUNCTIONS",
    "HTTP",
    "JITTERS",
    "Chance",
    "Exponential",
    "Phases",
    "Schedule",
    "Until",
    "delivery_policy",
    "exponential",
    "until",
]


class Chance(Protocol):
    """Where jitter comes from: a random.Random, seeded by whoever wants to see the same again."""

    def uniform(self, a: float, b: float, /) -> float:
        """A number from a to b."""
        ...


class Schedule(Protocol):
    """What decides about the next attempt."""

    def after(self, failures: int, *, age: int = 0, previous: int = 0, chance: Chance | None = None) -> int | None:
        """Nanoseconds to wait after so many failed attempts, at least one; None: give up.

        age: nanoseconds since the first attempt; previous: what the call before this one answered, 0 at the first.
        """
        ...


# -- exponential -----------------------------------------------------------------------------------------------------

JITTERS = ("none", "full", "equal", "decorrelated")


class Exponential(NamedTuple):
    """Doubling delays. base, cap: nanoseconds; jitter: "none"; "full": anywhere from 0 to the delay; "equal": half of it
    and anywhere in the other half; "decorrelated": anywhere from the base to three times the previous delay.
    """

    base: int
    cap: int
    jitter: str = "full"

    def after(self, failures: int, *, age: int = 0, previous: int = 0, chance: Chance | None = None) -> int | None:
        # Shifting by a thousand failures would make a number of a thousand bits, to be capped anyway.
        whole = min(self.cap, self.base << min(failures - 1, 64))
        if self.jitter == "none":
            return whole
        if chance is None:
            raise TypeError(f"{self.jitter} jitter needs chance=, such as a random.Random(seed)")
        if self.jitter == "full":
            return between(0, whole, chance)
        if self.jitter == "equal":
            return between(whole // 2, whole, chance)
        return min(self.cap, between(self.base, max(self.base, 3 * (previous or self.base)), chance))


def between(low: int, high: int, chance: Chance) -> int:
    return min(high, max(low, round(chance.uniform(low, high))))


def exponential(base: float = 1, cap: float = 300, *, jitter: str = "full") -> Exponential:
    """The schedule of delays base, 2 * base, 4 * base ... cap, in seconds, with `jitter`. Raises TypeError, ValueError."""
    shortest = duration(base, "base")
    longest = duration(cap, "cap")
    if not 0 < shortest <= longest:
        raise ValueError(f"base must be over 0 seconds and at most cap, not {base!r} with cap {cap!r}")
    if jitter not in JITTERS:
        raise ValueError(f"jitter must be one of {', '.join(JITTERS)}, not {jitter!r}")
    return Exponential(shortest, longest, jitter)


# -- giving up -------------------------------------------------------------------------------------------------------


class Until(NamedTuple):
    """A schedule that also ends by count or age. max_attempts: with the first one; max_age: nanoseconds; None: no end."""

    schedule: Schedule
    max_attempts: int | None = None
    max_age: int | None = None

    def after(self, failures: int, *, age: int = 0, previous: int = 0, chance: Chance | None = None) -> int | None:
        if self.max_attempts is not None and failures >= self.max_attempts:
            return None
        delay = self.schedule.after(failures, age=age, previous=previous, chance=chance)
        if delay is not None and self.max_age is not None and age + delay > self.max_age:
            return None  # the next attempt would come too late
        return delay


def until(schedule: Schedule, *, max_attempts: int | None = None, max_age: float | None = None) -> Until:
    """The schedule with an end: so many attempts, or none later than `max_age` seconds after the first.

    Raises TypeError, ValueError.
    """
    if max_attempts is not None:
        whole_number(max_attempts, "max_attempts", 1, math.inf)
    return Until(schedule, max_attempts, None if max_age is None else duration(max_age, "max_age"))


# -- SNS delivery policies -------------------------------------------------------------------------------------------

FUNCTIONS = ("linear", "arithmetic", "geometric", "exponential")
MOST_RETRIES = 100
LONGEST_DELAY = 3_600
LONGEST_POLICY = 3_600


class Phases(NamedTuple):
    """SNS's four phases of retries, in this order; shortest, longest: nanoseconds.

    immediate: retries without a delay; pre_backoff: at the shortest; backoff: growing from the shortest to the longest by
    `function`; post_backoff: at the longest.
    """

    immediate: int
    pre_backoff: int
    backoff: int
    post_backoff: int
    shortest: int
    longest: int
    function: str = "linear"

    @property
    def retries(self) -> int:
        """All phases together: attempts after the first."""
        return self.immediate + self.pre_backoff + self.backoff + self.post_backoff

    @property
    def total(self) -> int:
        """Nanoseconds from the first attempt to the last, if attempts take no time."""
        return (
            self.pre_backoff * self.shortest
            + sum(self.grown(step) for step in range(self.backoff))
            + self.post_backoff * self.longest
        )

    def after(self, failures: int, *, age: int = 0, previous: int = 0, chance: Chance | None = None) -> int | None:
        retry = failures - 1
        if retry < self.immediate:
            return 0
        retry -= self.immediate
        if retry < self.pre_backoff:
            return self.shortest
        retry -= self.pre_backoff
        if retry < self.backoff:
            return self.grown(retry)
        return self.longest if retry < self.backoff + self.post_backoff else None

    def grown(self, step: int) -> int:
        """The delay of a step of the backoff, from 0 on."""
        last = self.backoff - 1
        if step == 0 or self.shortest == self.longest:
            return self.shortest
        if self.function == "exponential":
            return round(self.shortest * math.pow(self.longest / self.shortest, step / last))
        way, whole = {  # exact, in whole numbers
            "linear": (step, last),
            "arithmetic": (step * (step + 1), last * (last + 1)),  # each increase is greater by the same
            "geometric": ((1 << step) - 1, (1 << last) - 1),  # each increase is twice the one before
        }[self.function]
        return self.shortest + (self.longest - self.shortest) * way // whole


HTTP = Phases(0, 0, 3, 0, 20 * SECOND, 20 * SECOND)
"""For http and https endpoints without a delivery policy: three retries, 20 seconds apart."""
AWS_MANAGED = Phases(3, 2, 10, 100_000, 1 * SECOND, 20 * SECOND, "exponential")
"""For queues, functions and Firehose: 100,015 retries over 23 days."""
CUSTOMER_MANAGED = Phases(0, 2, 10, 38, 10 * SECOND, 600 * SECOND, "exponential")
"""For mail, text messages and mobile push: 50 retries over more than six hours."""

# name in a policy: (default, least, most)
FIELDS: dict[str, tuple[int, int, float]] = {
    "minDelayTarget": (20, 1, LONGEST_DELAY),
    "maxDelayTarget": (20, 1, LONGEST_DELAY),
    "numRetries": (3, 0, MOST_RETRIES),
    "numNoDelayRetries": (0, 0, MOST_RETRIES),
    "numMinDelayRetries": (0, 0, MOST_RETRIES),
    "numMaxDelayRetries": (0, 0, MOST_RETRIES),
}


def delivery_policy(policy: Mapping[str, Any]) -> Phases:
    """The phases of a `healthyRetryPolicy`, in AWS's names and seconds; what is absent or None has its default.

    1 to 3,600 s a delay, at most 100 retries in all phases together, at most 3,600 s in all. Raises TypeError, ValueError.
    """
    if not isinstance(policy, Mapping):
        raise TypeError(f"a retry policy must be a mapping, not {policy!r:.80}")
    given = {name: value for name, value in policy.items() if value is not None}
    if unknown := [name for name in given if name not in FIELDS and name != "backoffFunction"]:
        raise ValueError(f"a retry policy has no {unknown[0]!r}: there are {', '.join(FIELDS)}, backoffFunction")
    shortest, longest, retries, immediate, before, after = (
        whole_number(given.get(name, default), name, least, most) for name, (default, least, most) in FIELDS.items()
    )
    function = given.get("backoffFunction", "linear")
    if function not in FUNCTIONS:
        raise ValueError(f"backoffFunction must be one of {', '.join(FUNCTIONS)}, not {function!r}")
    if longest < shortest:
        raise ValueError(f"maxDelayTarget must be at least minDelayTarget, {shortest} s, not {longest} s")
    growing = retries - immediate - before - after
    if growing < 0:
        raise ValueError(
            f"numRetries counts all phases, so it must be at least {immediate + before + after}, not {retries}"
        )
    phases = Phases(immediate, before, growing, after, shortest * SECOND, longest * SECOND, function)
    if phases.total > LONGEST_POLICY * SECOND:
        raise ValueError(
            f"a retry policy may take {LONGEST_POLICY} s in all, not {phases.total / SECOND:g} s: "
            f"retry less often, or lower maxDelayTarget"
        )
    return phases


def whole_number(value: Any, name: str, least: int, most: float) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be a whole number, not {value!r}")
    if not least <= value <= most:
        raise ValueError(f"{name} must be {least} {'or more' if most == math.inf else f'to {most}'}, not {value!r}")
    return value


def duration(value: Any, name: str) -> int:
    """Seconds as nanoseconds."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name} must be seconds as int or float, not {value!r}")
    if not 0 <= value < math.inf:
        raise ValueError(f"{name} must be 0 seconds or more, not {value!r}")
    return value * SECOND if isinstance(value, int) else round(value * SECOND)
