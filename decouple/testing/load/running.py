"""Running loads: one, or one for each combination of settings."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from functools import partial
from itertools import product
from typing import Any

from decouple.broker import Broker
from decouple.clock import Seconds, VirtualClock
from decouple.testing.load.arrivals import Arrivals
from decouple.testing.load.progress import progress_of
from decouple.testing.load.result import Load
from decouple.testing.load.scene import Scene
from decouple.testing.load.service import Service
from decouple.testing.load.settings import Plan, plan_of
from decouple.testing.load.sweeping import Sweep
from decouple.testing.simulation import simulate

__all__ = ["load", "sweep"]


def load(arrivals: Arrivals, service: Service | Seconds, settings: Mapping[str, Any]) -> Load:
    """See simulate.load."""
    plan = checked(arrivals, service, settings)
    with progress_of("load", 1, plan.given.get("progress")) as progress:
        return run(plan, progress)


def sweep(
    arrivals: Arrivals | list[Arrivals],
    service: Service | Seconds | list[Service | Seconds],
    settings: Mapping[str, Any],
) -> Sweep:
    """See simulate.sweep."""
    every: dict[str, Any] = {"arrivals": arrivals, "service": service, **settings}
    axes: dict[str, list[Any]] = {name: value for name, value in every.items() if isinstance(value, list)}
    if not axes:
        raise ValueError("nothing is swept: give a list for at least one setting, such as consumers=[1, 2, 4]")
    for name, values in axes.items():
        if not values:
            raise ValueError(f"{name} is an empty list: there is nothing to run")
    plans = [plan_for({**every, **dict(zip(axes, values, strict=True))}) for values in product(*axes.values())]
    with progress_of("sweep", len(plans), settings.get("progress")) as progress:
        loads = tuple(run(plan, partial(further, progress, done)) for done, plan in enumerate(plans))
    return Sweep({name: tuple(map(label, values)) for name, values in axes.items()}, loads)


def label(value: Any) -> str:
    """A value as a table shows it."""
    return f"{value:g}" if isinstance(value, float) else str(value)


def further(progress: Callable[[float], None], done: int, share: float) -> None:
    """So many are done, and that share of the next."""
    progress(done + share)


def plan_for(settings: Mapping[str, Any]) -> Plan:
    others = {name: value for name, value in settings.items() if name not in ("arrivals", "service")}
    return checked(settings["arrivals"], settings["service"], others)


def checked(arrivals: Arrivals, service: Service | Seconds, settings: Mapping[str, Any]) -> Plan:
    """The plan, once it is sure that it can be declared. Raises what queues, consumers, functions and triggers raise."""
    plan = plan_of(arrivals, service, settings)
    Scene(plan, Broker(clock=VirtualClock()))
    return plan


def run(plan: Plan, progress: Callable[[float], None]) -> Load:
    async def main() -> Load:
        with quiet():
            async with Broker() as broker:
                return await Scene(plan, broker).run(progress)

    return simulate(main, seed=plan.seed, faults=plan.faults)


@contextmanager
def quiet() -> Generator[None]:
    """Without the warnings of this thread: of an overloaded queue there are thousands, and the result counts what they say."""
    logger, here = logging.getLogger("decouple"), threading.get_ident()

    def of_others(record: logging.LogRecord) -> bool:
        return record.thread != here

    logger.addFilter(of_others)
    try:
        yield
    finally:
        logger.removeFilter(of_others)
