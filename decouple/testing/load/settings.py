"""The settings of a load at the door: named, checked, and told apart by whom they are for.

Either consumers work, as `queue.consume` declares them, or a Lambda function does, as `queue.trigger` starts it. What a queue,
a consumer, a trigger or a function checks of its own settings is left to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypedDict, TypeVar

import attrs

from decouple.clock import SECOND, Seconds, nanoseconds
from decouple.numbers import whole
from decouple.retries import RetryPolicy
from decouple.testing.faults import Faults
from decouple.testing.load.arrivals import Arrivals
from decouple.testing.load.prices import Prices
from decouple.testing.load.service import Failure, Service, service_of

__all__ = ["LoadSettings", "Plan", "SweepSettings", "plan_of"]

T = TypeVar("T")
Failures = float | Failure | tuple[Failure, ...]


class LoadSettings(TypedDict, total=False):
    """What `simulate.load` takes by name; see there. Durations in seconds."""

    lasts: Seconds
    drain: Seconds
    seed: int
    faults: Faults | None
    failures: Failures
    timeout: Seconds
    prices: Prices
    progress: bool | None
    # the queue
    fifo: bool
    visibility_timeout: Seconds
    delay: Seconds
    retention: Seconds
    max_receives: int | None
    max_in_flight: int
    # consumers
    consumers: int
    retry: RetryPolicy
    heartbeat: Seconds | None
    # a function
    scaling: Literal["aws"] | None
    pollers: tuple[int, int] | None
    batch_size: int
    batch_window: Seconds
    max_concurrency: int | None
    partial_failures: bool
    concurrency: int | None
    memory: int


class SweepSettings(TypedDict, total=False):
    """What `simulate.sweep` takes by name: the same, and a list of what each is to be, one after the other."""

    lasts: Seconds | list[Seconds]
    drain: Seconds
    seed: int | list[int]
    faults: Faults | None
    failures: Failures | list[Failures]
    timeout: Seconds | list[Seconds]
    prices: Prices
    progress: bool | None
    fifo: bool | list[bool]
    visibility_timeout: Seconds | list[Seconds]
    delay: Seconds | list[Seconds]
    retention: Seconds | list[Seconds]
    max_receives: int | list[int | None] | None
    max_in_flight: int | list[int]
    consumers: int | list[int]
    retry: RetryPolicy | list[RetryPolicy]
    heartbeat: Seconds | list[Seconds | None] | None
    scaling: Literal["aws"] | None
    pollers: tuple[int, int] | list[tuple[int, int] | None] | None
    batch_size: int | list[int]
    batch_window: Seconds | list[Seconds]
    max_concurrency: int | list[int | None] | None
    partial_failures: bool | list[bool]
    concurrency: int | list[int | None] | None
    memory: int | list[int]


QUEUE = ("visibility_timeout", "delay", "retention", "max_receives", "max_in_flight")
CONSUMER = ("consumers", "retry", "heartbeat")
TRIGGER = ("scaling", "pollers", "batch_size", "batch_window", "max_concurrency", "partial_failures")
FUNCTION = ("concurrency", "memory")
OWN = ("lasts", "drain", "seed", "faults", "failures", "timeout", "prices", "progress", "fifo")
NAMES = (*OWN, *QUEUE, *CONSUMER, *TRIGGER, *FUNCTION)
HOUR = 3_600


@attrs.frozen(kw_only=True)
class Plan:
    """A load that is to be run. lasts, drain, timeout, heartbeat: nanoseconds; given: all settings as they were given.

    consumers: how many; None where a function works. queue, consumer, trigger, function: what those are declared with.
    """

    arrivals: Arrivals
    service: Service
    lasts: int
    drain: int
    seed: int
    faults: Faults | None
    failures: tuple[Failure, ...]
    timeout: int | None
    heartbeat: int | None
    prices: Prices
    fifo: bool
    consumers: int | None
    queue: Mapping[str, Any]
    consumer: Mapping[str, Any]
    trigger: Mapping[str, Any]
    function: Mapping[str, Any]
    given: Mapping[str, Any]


def plan_of(arrivals: Arrivals, service: Service | Seconds, settings: Mapping[str, Any]) -> Plan:
    """What is to be run. Raises TypeError, ValueError."""
    check_names(arrivals, settings)
    consumers = read_workers(settings)
    timeout, heartbeat = settings.get("timeout"), settings.get("heartbeat")
    fifo = settings.get("fifo", False)
    if fifo and not arrivals.grouped:
        raise ValueError("fifo=True needs messages of groups, such as poisson(5, groups=10)")
    plan = Plan(
        arrivals=arrivals,
        service=service_of(service),
        lasts=read_length(arrivals, settings),
        drain=nanoseconds(settings.get("drain", HOUR), "drain"),
        seed=read_seed(settings.get("seed", 0)),
        faults=settings.get("faults"),
        failures=read_failures(settings.get("failures", ())),
        timeout=None if timeout is None else nanoseconds(timeout, "timeout", least=0.001),
        heartbeat=None if heartbeat is None else nanoseconds(heartbeat, "heartbeat"),
        prices=settings.get("prices") or Prices(),
        fifo=bool(fifo),
        consumers=consumers,
        queue=some(settings, QUEUE),
        consumer=some(settings, CONSUMER[1:]),
        trigger=some(settings, TRIGGER),
        function=some(settings, (*FUNCTION, "timeout")),
        given={"arrivals": str(arrivals), "service": str(service_of(service)), **settings},
    )
    if consumers and timeout is None and any(failure.kind == "time out" for failure in plan.failures):
        raise ValueError("failures that time out need a timeout, in seconds: without one a consumer's handler has none")
    return plan


def check_names(arrivals: object, settings: Mapping[str, Any]) -> None:
    if not isinstance(arrivals, Arrivals):
        raise TypeError(f"arrivals must be made by poisson, every, spike, diurnal or trace, not {arrivals!r:.80}")
    for name, value in settings.items():
        if name not in NAMES:
            raise TypeError(f"{name!r} is not a setting of a load; there are {', '.join(NAMES)}")
        if isinstance(value, list):
            raise TypeError(f"{name} is a list: simulate.sweep runs a load for each value of a list, simulate.load one")
    prices = settings.get("prices")
    if prices is not None and not isinstance(prices, Prices):
        raise TypeError(f"prices must be Prices(...), not {prices!r:.80}")


def read_workers(settings: Mapping[str, Any]) -> int | None:
    """How many consumers; None for a function. Raises ValueError, TypeError."""
    lambdas = [name for name in (*TRIGGER, *FUNCTION) if name in settings]
    if "consumers" in settings:
        if lambdas:
            raise ValueError(f"consumers and {lambdas[0]} exclude each other: {lambdas[0]} is for a Lambda function")
        return whole(settings["consumers"], "consumers", 1, 100_000)
    if settings.get("scaling") is None and settings.get("pollers") is None:
        raise ValueError(
            "nobody works: give consumers=, or scaling='aws' or pollers=(least, most) for a Lambda function"
        )
    others = [name for name in CONSUMER if name in settings]
    if others:
        raise ValueError(f"{others[0]} is for consumers: a function's messages come again after the visibility timeout")
    return None


def read_length(arrivals: Arrivals, settings: Mapping[str, Any]) -> int:
    """Nanoseconds during which messages come. Raises ValueError, TypeError."""
    ends = None if arrivals.ends is None else round(arrivals.ends * SECOND) + 1
    if settings.get("lasts") is not None:
        lasts = nanoseconds(settings["lasts"], "lasts", least=0.001)
        return lasts if ends is None else min(lasts, ends)
    if ends is None:
        raise ValueError("lasts must say for how many seconds messages come: by themselves these never end")
    return ends


def read_seed(seed: Any) -> int:
    if isinstance(seed, bool) or not isinstance(seed, int):
        raise TypeError(f"seed must be an int, not {seed!r}")
    return seed


def read_failures(given: Any) -> tuple[Failure, ...]:
    """All of them. Raises TypeError, ValueError."""
    if isinstance(given, Failure):
        return (given,)
    if not isinstance(given, tuple):
        return (Failure(given),)
    for one in given:  # pyright: ignore[reportUnknownVariableType]
        if not isinstance(one, Failure):
            raise TypeError(f"failures must be a share, a Failure(...) or a tuple of those, not {given!r:.80}")
    return given  # pyright: ignore[reportUnknownVariableType]


def some(settings: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    """Those that were given."""
    return {name: settings[name] for name in names if name in settings}
