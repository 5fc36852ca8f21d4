"""The settings of a trigger at the door, checked as AWS checks an event source mapping; and its numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

from decouple.clock import Seconds, nanoseconds
from decouple.core.event_patterns import Patterns, read_patterns
from decouple.core.scaling import INVOKES, STANDARD, Law, provisioned
from decouple.core.settings import SECOND
from decouple.numbers import whole

if TYPE_CHECKING:
    from decouple.function import Function
    from decouple.queue import Queue

__all__ = ["State", "TriggerSettings", "TriggerStats", "check_times", "in_words", "read_trigger_settings"]

State: TypeAlias = Literal["enabled", "paused", "closed"]

MOST_IN_FIFO = 10
MOST_IN_BATCH = 10_000
MOST_CONCURRENT = 1_000
MOST_POLLERS = 10_000


class TriggerStats(NamedTuple):
    """A trigger's numbers. received = succeeded + failed + filtered + let_go + waiting + those in a running batch.

    received: messages taken from the queue and not given back; succeeded: deleted, or too late for that (`late`, FIFO);
    failed: left to come again, or rejected as part of a loop; filtered: deleted because they match no pattern; let_go:
    their time in flight ended before there was room for them; waiting: in a batch that is not begun; invocations: runs;
    errors: those of them in which the whole batch failed; throttles: refused for want of room; running, peak: batches at
    work, now and at most.
    """

    state: State
    invocations: int
    errors: int
    throttles: int
    received: int
    succeeded: int
    failed: int
    filtered: int
    let_go: int
    late: int
    waiting: int
    running: int
    peak: int


class TriggerSettings(NamedTuple):
    """batch_window: nanoseconds; law: None where the batches at a time are not to follow AWS's law."""

    batch_size: int
    batch_window: int
    max_concurrency: int | None
    patterns: Patterns | None
    partial_failures: bool
    law: Law | None


def read_trigger_settings(
    queue: Queue[Any],
    *,
    batch_size: int,
    batch_window: Seconds,
    max_concurrency: int | None,
    filter: Any,
    partial_failures: bool,
    scaling: str | None,
    pollers: tuple[int, int] | None,
) -> TriggerSettings:
    """The settings in the engine's terms. Raises TypeError, ValueError, InvalidFilter."""
    window = nanoseconds(batch_window, "batch_window", most=300)
    whole(batch_size, "batch_size", 1, MOST_IN_FIFO if queue.fifo else MOST_IN_BATCH)
    if queue.fifo and window:
        raise ValueError("batch_window must be 0 for a FIFO queue (Lambda): leave it out")
    if batch_size > MOST_IN_FIFO and not window:
        raise ValueError(
            f"batch_window must be greater than 0 if batch_size is greater than 10 (Lambda), and batch_size is {batch_size}"
        )
    if max_concurrency is not None:
        whole(max_concurrency, "max_concurrency", 1, MOST_CONCURRENT)
    if not isinstance(partial_failures, bool):
        raise TypeError(f"partial_failures must be True or False, not {partial_failures!r}")
    return TriggerSettings(
        batch_size,
        window,
        max_concurrency,
        None if filter is None else read_patterns(filter),
        partial_failures,
        read_law(scaling, pollers, max_concurrency),
    )


def in_words(settings: TriggerSettings) -> dict[str, Any]:
    """The settings as users say them."""
    law, patterns = settings.law, settings.patterns
    mode = None if law is None or law == STANDARD else (law.start // INVOKES, law.most // INVOKES)
    return {
        "batch_size": settings.batch_size,
        "batch_window": settings.batch_window / SECOND,
        "max_concurrency": settings.max_concurrency,
        "filter": None if patterns is None else list(patterns.given),
        "partial_failures": settings.partial_failures,
        "scaling": "aws" if law == STANDARD else None,
        "pollers": mode,
    }


def read_law(scaling: str | None, pollers: tuple[int, int] | None, max_concurrency: int | None) -> Law | None:
    """By which law the batches at a time grow; None: as many as there are workers."""
    if scaling not in (None, "aws"):
        raise ValueError(f"scaling must be 'aws' or None, not {scaling!r}")
    if pollers is None:
        return STANDARD if scaling else None
    if max_concurrency is not None:
        raise ValueError("max_concurrency and pollers exclude each other (Lambda): leave one of them out")
    if not isinstance(pollers, tuple) or len(pollers) != 2:
        raise TypeError(f"pollers must be a tuple (least, most), not {pollers!r}")
    least = whole(pollers[0], "the least of pollers", 1, MOST_POLLERS)
    return provisioned(least, whole(pollers[1], "the most of pollers", least, MOST_POLLERS))


def check_times(queue: Queue[Any], function: Function) -> None:
    """A message must not come again while the function may run. Raises ValueError."""
    if queue._core.lease < function._timeout:
        raise ValueError(
            f"queue {queue.name!r} has a visibility timeout of {queue._core.lease / SECOND:g} s, less than the timeout of "
            f"function {function.name!r}, {function.timeout:g} s (Lambda): its messages would come again while it runs; "
            f"queue.configure(visibility_timeout={6 * function.timeout:g}) is what AWS advises"
        )
