"""What can be set about a queue, in the engine's own terms."""

from __future__ import annotations

from typing import Any, NamedTuple

__all__ = ["LONGEST_IN_FLIGHT", "SECOND", "Settings"]

SECOND = 1_000_000_000
LONGEST_IN_FLIGHT = 12 * 3600 * SECOND


class Settings(NamedTuple):
    """What `configure` can change. Durations in nanoseconds; `dead_letter` is whatever takes a Move.

    redrive_allow: "all", "none", or the names of the queues that may have this one as their dead-letter queue.
    """

    visibility_timeout: int = 30 * SECOND
    delay: int = 0
    retention: int = 345_600 * SECOND
    wait: int = 0
    max_message_size: int = 1_048_576
    dead_letter: Any = None
    max_receives: int | None = None
    max_in_flight: int = 120_000
    content_based_deduplication: bool = False
    deduplication_scope: str = "queue"
    on_poison: str | None = None
    large_bodies: Any = None
    redrive_allow: str | tuple[str, ...] = "all"
