"""Service: how long a message is worked at, and how often that fails.

    exponential(0.5)          lognormal(median=0.2, sigma=1)          uniform(0.1, 0.3)          fixed(2)
    samples("durations.txt")                                          as it was measured

Times are drawn in the order in which messages arrive, from a stream of the seed's own: message 7 takes as long whoever
works at it, and when. Another attempt at it is drawn anew, and is the same in every run with that seed, too.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from random import Random
from typing import Any, Literal

import attrs

from decouple.clock import SECOND, TOO_LONG, Seconds, nanoseconds
from decouple.testing.load.figures import Source, as_number, number, read, shown

__all__ = ["Failure", "Service", "exponential", "fixed", "lognormal", "samples", "service_of", "uniform"]


class Service:
    """How long messages are worked at, in seconds. mean: of all that may be drawn."""

    __slots__ = ("_words", "draw", "mean")

    def __init__(self, words: str, mean: float, draw: Callable[[Random], float]) -> None:
        self._words = words
        self.mean = mean
        self.draw = draw

    def __str__(self) -> str:
        return self._words

    def __repr__(self) -> str:
        return f"<Service: {self}>"


def service_of(given: Service | Seconds) -> Service:
    """A service; seconds are a fixed one. Raises TypeError, ValueError."""
    return given if isinstance(given, Service) else fixed(given)


def fixed(seconds: Seconds) -> Service:
    """As long each time."""
    length = nanoseconds(seconds, "service") / SECOND
    return Service(f"{shown(length)} each", length, partial(given_length, length))


def given_length(length: float, _: Random) -> float:
    return length


def exponential(mean: Seconds) -> Service:
    """Exponentially distributed: mostly short, now and then long. Not the schedule of retries of that name."""
    length = positive(mean, "mean")
    return Service(f"exponential, mean {shown(length)}", length, partial(exponential_length, 1 / length))


def exponential_length(rate: float, chance: Random) -> float:
    return chance.expovariate(rate)


def uniform(least: Seconds, most: Seconds) -> Service:
    """Anything between two bounds, as often as anything else."""
    low, high = nanoseconds(least, "least") / SECOND, nanoseconds(most, "most") / SECOND
    if high < low:
        raise ValueError(f"most must be at least {low:g} seconds, which is `least`, not {most!r}")
    return Service(f"uniform, {shown(low)} to {shown(high)}", (low + high) / 2, partial(uniform_length, low, high))


def uniform_length(low: float, high: float, chance: Random) -> float:
    return low + (high - low) * chance.random()


def lognormal(median: Seconds, sigma: float) -> Service:
    """As services mostly are: half of them under the median, some much longer.

    sigma: of the logarithm, 0 to 5: at 1, one in six is over 2.7 medians, and one in a hundred over 10.
    """
    length, sigma = positive(median, "median"), number(sigma, "sigma", most=5)
    words = f"lognormal, median {shown(length)}, sigma {sigma:g}"
    return Service(words, length * math.exp(sigma**2 / 2), partial(lognormal_length, math.log(length), sigma))


def lognormal_length(mu: float, sigma: float, chance: Random) -> float:
    return chance.lognormvariate(mu, sigma)


def samples(source: Source[float]) -> Service:
    """As it was measured: any of these seconds, each as often. A file with a number a line, or an iterable of numbers.

    Raises ValueError with the number of the line, OSError.
    """
    lengths = read(source, read_length)
    words = f"one of {len(lengths):,} samples, mean {shown(sum(lengths) / len(lengths))}"
    return Service(words, sum(lengths) / len(lengths), partial(sampled_length, tuple(lengths)))


def sampled_length(lengths: tuple[float, ...], chance: Random) -> float:
    return lengths[int(chance.random() * len(lengths))]


def read_length(value: Any) -> float:
    return number(as_number(value), "a time", most=TOO_LONG)


def positive(seconds: Seconds, name: str) -> float:
    length = nanoseconds(seconds, name)
    if not length:
        raise ValueError(f"{name} must be over 0 seconds, not {seconds!r}")
    return length / SECOND


# -- what fails --------------------------------------------------------------------------------------------------------

KINDS = ("raise", "time out")
COUNTED = ("attempts", "messages")


@attrs.frozen
class Failure:
    """What goes wrong, how often.

    rate: a share, 0 to 1; of: "attempts", each by itself, or "messages": those fail at every attempt; kind: "raise", at the
    end of its time, or "time out": it never ends by itself, until the timeout does.
    """

    rate: float
    kind: Literal["raise", "time out"] = attrs.field(default="raise", kw_only=True)
    of: Literal["attempts", "messages"] = attrs.field(default="attempts", kw_only=True)

    def __attrs_post_init__(self) -> None:
        number(self.rate, "the rate of a failure", most=1)
        for name, value, choices in (("kind", self.kind, KINDS), ("of", self.of, COUNTED)):
            if value not in choices:
                raise ValueError(f"{name} must be {' or '.join(map(repr, choices))}, not {value!r}")

    def __str__(self) -> str:
        return f"{self.rate:.3g} of {self.of} {self.kind}"
