"""The record of what a guard did with a call, or with its own state."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Literal, NamedTuple, TypeAlias

from decouple.core.records import EPOCH

__all__ = ["ResilienceEvent", "Watcher", "What"]

What: TypeAlias = Literal[
    "retried",  # the attempt failed; the next one is at `until`
    "gave up",  # it failed, and there is no next one
    "refused",  # the call was not let in
    "fell back",  # the fallback answered instead
    "opened",  # the circuit lets nobody in until `until`
    "half-opened",  # it lets probes in
    "closed",  # it lets everybody in
]


class ResilienceEvent(NamedTuple):
    """One thing that happened. Made only when somebody listens.

    what: see What; name: the guard's; at, until: nanoseconds since 1970; reason: words, of an error its type and text;
    attempt: of a retry, which one failed, from 1 on.
    """

    what: What
    name: str
    at: int
    reason: str
    until: int | None = None
    attempt: int = 0

    @property
    def happened_at(self) -> datetime:
        """The instant as an aware UTC datetime, to the microsecond."""
        return EPOCH + timedelta(microseconds=self.at // 1_000)

    @property
    def headline(self) -> str:
        """What happened, in a few words."""
        return f"{self.name!r} {self.what}"


Watcher: TypeAlias = Callable[[ResilienceEvent], object]
