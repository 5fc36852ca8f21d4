"""Calls: what handlers were called with by the workers of a broker that records, and what came of it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from decouple.clock import datetime_at
from decouple.core.deadlines import FAR
from decouple.errors import NotRecorded

if TYPE_CHECKING:
    from decouple.invocation import Invocation, Outcome
    from decouple.reporting import Observer

__all__ = ["Call", "Calls"]


class Call(NamedTuple):
    """A call of a handler that has ended.

    argument: what it was called with: a message or its body, or a function's event, as it was before the handler had it;
    result: what it returned; error: what it raised, or why it was ended; id: of the message or the request, as
    broker.explain() takes it; ended_at: an aware UTC datetime; seconds: how long it took, on the broker's clock.
    """

    argument: Any
    result: Any
    error: BaseException | None
    id: str
    ended_at: datetime
    seconds: float


class Calls:
    """The newest calls of one handler, as many as the recorder of its broker keeps changes. Cost: 1 us a call."""

    __slots__ = ("_kept", "_what")

    def __init__(self, what: str) -> None:
        self._what = what
        self._kept: deque[Call] = deque()

    def keep(self, observers: Iterable[Observer], call: Call) -> None:
        """Keep it if somebody records."""
        from decouple.recorder import recorder_among  # here, and below, because most programs record nothing

        recorder = recorder_among(observers)
        if recorder is not None:
            self._kept.append(call)
            while recorder.most is not None and len(self._kept) > recorder.most:
                self._kept.popleft()

    def keep_run(self, invocation: Invocation, outcome: Outcome) -> None:
        """Keep a run of a function, if it was begun."""
        function = invocation.function
        if invocation.deadline < FAR:
            ended_at = datetime_at(function.clock, function.clock.now())
            request = invocation.request_id
            call = Call(invocation.given, outcome.result, outcome.error, request, ended_at, outcome.seconds)
            self.keep(function._reporter.observers, call)

    def so_far(self, observers: Iterable[Observer]) -> list[Call]:
        """All that are kept, in the order of their ends. Raises NotRecorded."""
        from decouple.recorder import recorder_among

        if recorder_among(observers) is None:
            raise NotRecorded(self._what, kept=0, dropped=0, most=0)
        return list(self._kept)
