"""Running the suites: all of it, some of it, or one behaviour after the other in a test of one's own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from decouple.capabilities import MEMORY, Capabilities
from decouple.errors import NotConformant
from decouple.numbers import whole
from decouple.testing.conformance import (
    batches,
    bodies,
    closing,
    dead_letters,
    deduplication,
    envelopes,
    fifo,
    fifo_failures,
    fifo_receipts,
    fifo_topics,
    filters,
    looking,
    publishing,
    receiving,
    redrive,
    sending,
    settling,
    subscriptions,
    visibility,
    waiting,
)
from decouple.testing.conformance.behaviour import PATIENCE, Behaviour, Verdict, Worlds, check_traits, found_in
from decouple.testing.conformance.report import Conformance
from decouple.testing.simulation import in_a_thread

if TYPE_CHECKING:
    from decouple.broker import Broker
    from decouple.testing.conformance.bench import World

__all__ = ["behaviours_of_queues", "behaviours_of_topics", "check_queue", "check_topic"]

QUEUES = (
    sending, bodies, batches, receiving, visibility, settling, waiting, dead_letters, redrive, looking, closing, fifo,
    fifo_failures, fifo_receipts, deduplication,
)  # fmt: skip
TOPICS = (publishing, envelopes, subscriptions, filters, fifo_topics)


def behaviours_of_queues(traits: Capabilities = MEMORY) -> list[Behaviour]:
    """What a queue of an engine with these abilities does, each to be tried alone with `.check(make)`.

    >>> [one.name for one in behaviours_of_queues()][0]
    'a_sent_message_is_received_with_its_id_and_body'
    """
    return [one for one in found_in(QUEUES, check_traits(traits)) if not one.idle]


def behaviours_of_topics(traits: Capabilities = MEMORY) -> list[Behaviour]:
    """The same of a topic, whose queues are the engine's."""
    return [one for one in found_in(TOPICS, check_traits(traits)) if not one.idle]


def check_queue(
    make: Callable[[], World],
    traits: Capabilities,
    *,
    only: str | Iterable[str] | None = None,
    reopen: Callable[[Broker], World] | None = None,
    join: Callable[[Broker], World] | None = None,
    patience: float = PATIENCE,
    workers: int = 1,
) -> Conformance:
    """Hold the queues of an engine to the specification, and to what it declares.

    make: called for every behaviour, gives a new and empty world: a Broker, or a context manager that enters as one and
    cleans up. On a VirtualClock time is moved, otherwise it passes. traits: what the engine can do; what it does not declare
    must not be there. only: names of behaviours, * for anything. reopen: ends the broker it is given as a crash would and
    gives the same world again; join: opens the same world beside it; needed where `survives` or `shared` is declared. What
    `disk`, `replica` and `network` add cannot be seen from inside, and is not tried.

    patience: a behaviour that waits longer in real seconds is skipped (retention waits 60 s, deduplication 300); what fails
    on real time is tried again five times slower. workers: threads that try behaviours side by side. Raises NotConformant
    with all that failed, TypeError, ValueError.
    """
    behaviours = found_in(QUEUES, check_traits(traits))
    return check("queue", behaviours, traits, Worlds(make, reopen, join), only, patience, workers)


def check_topic(
    make: Callable[[], World],
    traits: Capabilities,
    *,
    only: str | Iterable[str] | None = None,
    patience: float = PATIENCE,
    workers: int = 1,
) -> Conformance:
    """The same for the topics of an engine, with queues of it as their targets."""
    return check("topic", found_in(TOPICS, check_traits(traits)), traits, Worlds(make), only, patience, workers)


def check(
    kind: str,
    behaviours: list[Behaviour],
    traits: Capabilities,
    worlds: Worlds,
    only: str | Iterable[str] | None,
    patience: float,
    workers: int,
) -> Conformance:
    check_worlds(worlds, traits)
    whole(workers, "workers", 1)
    chosen = behaviours if only is None else choose(behaviours, [only] if isinstance(only, str) else list(only))
    stopped = threading.Event()

    def judge(one: Behaviour) -> Verdict:
        return Verdict("skipped", "interrupted") if stopped.is_set() else one.judge(worlds, patience)

    def work() -> list[Verdict]:
        return [judge(one) for one in chosen] if workers == 1 else side_by_side(judge, chosen, workers)

    verdicts = work() if asyncio._get_running_loop() is None else in_a_thread(work, stopped.set)
    report = Conformance(kind, traits, dict(zip(chosen, verdicts, strict=True)))
    if report.failed:
        raise NotConformant(report.failed, of=len(chosen), sentences=report.sentences, report=report)
    return report


def side_by_side(judge: Callable[[Behaviour], Verdict], chosen: list[Behaviour], workers: int) -> list[Verdict]:
    from concurrent.futures import ThreadPoolExecutor  # here, because only few ask for it

    with ThreadPoolExecutor(workers, "decouple-conformance") as pool:
        return list(pool.map(judge, chosen))


def check_worlds(worlds: Worlds, traits: Capabilities) -> None:
    """Raises TypeError, ValueError."""
    given: dict[str, Any] = worlds._asdict()
    for name, function in given.items():
        if not callable(function) and (function is not None or name == "make"):
            raise TypeError(f"{name} must be a callable that gives a Broker, not {function!r:.80}")
    if traits.survives != "nothing" and worlds.reopen is None:
        raise ValueError(f"survives={traits.survives!r} is declared, so reopen= must open a world again")
    if traits.shared != "process" and worlds.join is None:
        raise ValueError(f"shared={traits.shared!r} is declared, so join= must open a world a second time")


def choose(behaviours: list[Behaviour], only: list[str]) -> list[Behaviour]:
    """Those that match. Raises ValueError for what matches none."""
    for pattern in only:
        if not any(fnmatchcase(one.name, pattern) for one in behaviours):
            from difflib import get_close_matches

            near = get_close_matches(pattern, [one.name for one in behaviours], 1, 0)
            raise ValueError(f"no behaviour is named {pattern!r}; the nearest is {near[0]!r}")
    return [one for one in behaviours if any(fnmatchcase(one.name, pattern) for pattern in only)]
