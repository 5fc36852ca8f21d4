"""Arrivals: when the messages of a load come, and of which groups (tenants) they are.

    poisson(5)                                    five a second, independent of each other
    every(0.2)                                    evenly, the first at once
    spike(base=2, peak=40, at=60, lasts=30)       Poisson, with another rate for a while
    diurnal(mean=50, swing=0.8)                   Poisson, whose rate follows a day
    trace("requests.txt")                         as it happened
    poisson(5) + every(60, groups={"cron": 1})    both

They are drawn from a stream of the seed's own, so that one seed has the same arrivals whatever works at them. What
they are is data: a load asks them for instants.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from functools import partial
from heapq import merge
from itertools import accumulate, count
from operator import itemgetter
from random import Random
from typing import Any, NamedTuple, TypeAlias

from decouple.clock import SECOND, TOO_LONG, Seconds, nanoseconds
from decouple.numbers import whole
from decouple.testing.load.figures import Source, as_number, number, read, shown

__all__ = ["Arrivals", "diurnal", "every", "poisson", "spike", "trace"]

MOST_A_SECOND = 1_000_000
DAY = 86_400
Groups: TypeAlias = "int | Mapping[str, float] | None"


class Part(NamedTuple):
    """One kind of them. draw: seconds since the start, never falling; ends: of the last, None where they never end."""

    words: str
    draw: Callable[[Random], Iterator[float]]
    ends: float | None
    groups: tuple[str, ...]
    weights: tuple[float, ...]


class Arrivals:
    """When messages come: made by poisson, every, spike, diurnal and trace; the sum of two is both."""

    __slots__ = ("_parts",)

    def __init__(self, parts: tuple[Part, ...]) -> None:
        self._parts = parts

    def __add__(self, other: Arrivals) -> Arrivals:
        return Arrivals(self._parts + other._parts) if isinstance(other, Arrivals) else NotImplemented

    def __str__(self) -> str:
        return " + ".join(part.words for part in self._parts)

    def __repr__(self) -> str:
        return f"<Arrivals: {self}>"

    @property
    def ends(self) -> float | None:
        """Seconds until the last of them; None if they never end."""
        ends = [part.ends for part in self._parts]
        return None if None in ends else max(one for one in ends if one is not None)

    @property
    def grouped(self) -> bool:
        """Whether every message is of a group."""
        return all(part.groups for part in self._parts)

    def instants(self, seed: int) -> Iterator[tuple[int, str | None]]:
        """Nanoseconds since the start, and the group, in order of time; the same for the same seed."""
        streams = [part_instants(part, f"{seed} {place}") for place, part in enumerate(self._parts)]
        return streams[0] if len(streams) == 1 else merge(*streams, key=itemgetter(0))


def part_instants(part: Part, seed: str) -> Iterator[tuple[int, str | None]]:
    chance, groups = Random(f"arrivals {seed}"), Random(f"groups {seed}")
    weights = tuple(accumulate(part.weights))
    for at in part.draw(chance):
        group = groups.choices(part.groups, cum_weights=weights)[0] if part.groups else None
        yield round(at * SECOND), group


def made(words: str, draw: Callable[[Random], Iterator[float]], groups: Groups, ends: float | None = None) -> Arrivals:
    weights = read_groups(groups)
    return Arrivals((Part(words, draw, ends, tuple(weights), tuple(weights.values())),))


def read_groups(groups: Groups) -> dict[str, float]:
    """The weights by name. Raises TypeError, ValueError."""
    if groups is None:
        return {}
    if isinstance(groups, int):
        return {f"g{number}": 1.0 for number in range(1, 1 + whole(groups, "groups", 1, 1_000_000))}
    if not isinstance(groups, Mapping):
        raise TypeError(f"groups must be how many there are, or their weights by name, not {groups!r:.80}")
    if not groups:
        raise ValueError("groups must name at least one group; None is for messages of no group")
    return {name: number(weight, f"the weight of group {name!r}", over=True) for name, weight in groups.items()}


# -- independent of each other -----------------------------------------------------------------------------------------


def poisson(rate: float, *, groups: Groups = None) -> Arrivals:
    """Messages that come independently of each other, `rate` of them a second on average.

    groups: how many groups they are of, all as often as the others, or their weights by name. Raises ValueError, TypeError.
    """
    rate = number(rate, "rate", over=True, most=MOST_A_SECOND)
    return made(f"Poisson, {rate:g}/s", partial(poisson_instants, rate), groups)


def poisson_instants(rate: float, chance: Random) -> Iterator[float]:
    return accumulate(chance.expovariate(rate) for _ in count())


def spike(base: float, peak: float, *, at: Seconds, lasts: Seconds, groups: Groups = None) -> Arrivals:
    """Poisson arrivals, `base` a second, and `peak` a second from `at` on, for as long as it lasts."""
    base, peak = number(base, "base", most=MOST_A_SECOND), number(peak, "peak", over=True, most=MOST_A_SECOND)
    begins, length = nanoseconds(at, "at") / SECOND, nanoseconds(lasts, "lasts") / SECOND
    if not length:
        raise ValueError("lasts must be over 0 seconds: without a spike it is poisson(base)")
    words = f"{base:g}/s, and {peak:g}/s from {shown(begins)} for {shown(length)}"
    return made(words, partial(spike_instants, base, peak, begins, begins + length), groups)


def spike_instants(base: float, peak: float, begins: float, over: float, chance: Random) -> Iterator[float]:
    """By the work that the rates have done: it grows by an exponential from one message to the next."""
    before, within = base * begins, peak * (over - begins)
    for work in poisson_instants(1.0, chance):
        if work <= before:
            yield work / base
        elif work <= before + within:
            yield begins + (work - before) / peak
        elif base:
            yield over + (work - before - within) / base
        else:
            return


def diurnal(mean: float, swing: float, *, period: Seconds = DAY, groups: Groups = None) -> Arrivals:
    """Poisson arrivals whose rate follows a day: least at the start, most at half of the period.

    mean: a second, over a period; swing: by how much of it the rate falls and rises, 0 to 1.
    """
    mean, swing = number(mean, "mean", over=True, most=MOST_A_SECOND), number(swing, "swing", most=1)
    length = nanoseconds(period, "period", least=1) / SECOND
    words = f"{mean * (1 - swing):g} to {mean * (1 + swing):g}/s in {shown(length)}"
    return made(words, partial(diurnal_instants, mean, swing, length), groups)


def diurnal_instants(mean: float, swing: float, period: float, chance: Random) -> Iterator[float]:
    """By thinning: of those at the highest rate, as many stay as the rate of the instant says."""
    most = mean * (1 + swing)
    for at in poisson_instants(most, chance):
        if chance.random() * most < mean * (1 - swing * math.cos(math.tau * at / period)):
            yield at


# -- given -------------------------------------------------------------------------------------------------------------


def every(seconds: Seconds, *, groups: Groups = None) -> Arrivals:
    """One message each so many seconds, the first at once."""
    step = nanoseconds(seconds, "seconds", least=1 / MOST_A_SECOND) / SECOND
    return made(f"one each {shown(step)}", partial(even_instants, step), groups)


def even_instants(step: float, _: Random) -> Iterator[float]:
    return (number * step for number in count())


def trace(source: Source[float | datetime | str], *, gaps: bool = False, groups: Groups = None) -> Arrivals:
    """Messages that come as they once did: a file with an instant a line, or an iterable of instants.

    Instants are seconds, or dates and times in ISO 8601 (datetimes), never falling, and count from the first of them.
    gaps: they are the seconds between one message and the next, and the first comes at once. Empty lines of a file, and
    those that begin with #, do not count. Raises ValueError with the number of the line, OSError.
    """
    if gaps:
        steps = read(source, read_gap)
        instants = list(accumulate(steps, initial=0.0))
    else:
        instants = from_first(read(source, Instants().read))
    if instants[-1] > TOO_LONG:
        raise ValueError(f"the trace must be under {TOO_LONG:,} seconds long, not {instants[-1]:,.0f}")
    words = f"a trace of {len(instants):,} in {shown(instants[-1])}"
    return made(words, partial(given_instants, tuple(instants)), groups, ends=instants[-1])


def given_instants(instants: tuple[float, ...], _: Random) -> Iterator[float]:
    return iter(instants)


def read_gap(value: Any) -> float:
    return number(as_number(value), "a gap", most=TOO_LONG)


class Instants:
    """Reads instants one after the other: all of them numbers, or all of them datetimes."""

    def __init__(self) -> None:
        self._last: float | datetime | None = None

    def read(self, value: Any) -> float | datetime:
        instant, last = as_instant(value), self._last
        if last is not None and isinstance(instant, datetime) != isinstance(last, datetime):
            raise ValueError(f"{value!r:.80} is of another kind than those before it")
        if last is not None and instant < last:  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
            raise ValueError(f"{value!r:.80} is before the one before it; gaps=True is for times between messages")
        self._last = instant
        return instant


def as_instant(value: Any) -> float | datetime:
    if isinstance(value, datetime):
        return value
    try:
        plain = as_number(value)
    except ValueError:
        return as_datetime(value)
    return number(plain, "an instant", least=-math.inf)


def as_datetime(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r:.80} is neither a number of seconds nor a date and time") from None


def from_first(instants: list[float | datetime]) -> list[float]:
    """Seconds since the first."""
    first = instants[0]
    if isinstance(first, datetime):
        return [(at - first).total_seconds() for at in instants if isinstance(at, datetime)]
    return [at - first for at in instants if not isinstance(at, datetime)]
