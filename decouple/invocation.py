"""One run of a handler: begun where there is room, ended once, by its result, its error or its timeout.

A handler runs in the thread, or as the task, of whoever takes the invocation as a job. Its end is told to `ended` by
whichever comes first, the handler or the watch over the function's deadlines; what comes later is discarded, with a
record. An environment is what Lambda starts for one run at a time: made at a cold start, kept for the next.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from decouple.context import Context
from decouple.errors import FunctionTimedOut
from decouple.jsontext import json_text

if TYPE_CHECKING:
    from decouple.function import Function

__all__ = ["Environment", "Invocation", "Outcome"]


class Outcome(NamedTuple):
    """How a run ended. error: None where it ended well; seconds: how long it took, on the function's clock."""

    result: Any
    error: BaseException | None
    seconds: float


class Environment:
    """Where one run at a time takes place. `number` counts cold starts; `process`: of isolation by process."""

    __slots__ = ("number", "process", "ready")

    def __init__(self, number: int) -> None:
        self.number = number
        self.ready = False
        self.process: Any = None

    @property
    def stream(self) -> str:
        """The name of its log, as Lambda has one for each."""
        return f"[$LATEST]{self.number:032x}"


class Invocation:
    """A run that has its place among the function's concurrent ones. It is a job: `run`, or `arun` for an async handler.

    event: as the handler gets it, its own; ended: told once how it ended, in whatever thread notices it.
    """

    __slots__ = (
        "awaits", "deadline", "ended", "environment", "event", "function", "number", "over", "request_id", "started_at",
        "task",
    )  # fmt: skip

    def __init__(
        self,
        function: Function,
        event: Any,
        environment: Environment,
        number: int,
        request_id: str,
        ended: Callable[[Outcome], object],
    ) -> None:
        self.function = function
        self.event = event
        self.environment = environment
        self.number = number
        self.request_id = request_id
        self.ended = ended
        self.awaits: bool = function.awaits
        self.over = False
        self.task: Any = None
        self.started_at = function.clock.now()
        self.deadline = self.started_at + function._timeout

    @property
    def context(self) -> Context:
        """What the handler is told of it."""
        function = self.function
        return Context(
            function.name,
            function.arn,
            function.memory,
            self.request_id,
            self.environment.stream,
            function.clock,
            self.deadline,
        )

    def run(self) -> None:
        """The handler, in this thread. What it raises is told to `ended`, and raised again for the runner's report."""
        try:
            result = self.function._runtime.run(self)
        except BaseException as error:
            self._raised(error)
            raise
        self._returned(result)

    async def arun(self) -> None:
        """The handler, in this task."""
        import asyncio

        self.task = asyncio.current_task()
        try:
            result = await self.function._runtime.arun(self)
        except BaseException as error:
            self._raised(error)
            raise
        self._returned(result)

    def abandon(self) -> None:
        """The broker closes before it was begun."""
        self.finish(Outcome(None, BrokenOff(self.function.name), 0.0))

    def describe(self) -> str:
        return f"function {self.function.name!r}, request {self.request_id}"

    def _returned(self, result: Any) -> None:
        error: BaseException | None = None
        if result is not None:
            try:
                json_text(result, f"function {self.function.name!r} must return what JSON holds")
            except (TypeError, ValueError) as wrong:
                result, error = None, wrong
        self.finish(self._outcome(result, error))

    def _raised(self, error: BaseException) -> None:
        self.finish(self._outcome(None, error))

    def _outcome(self, result: Any, error: BaseException | None) -> Outcome:
        seconds = (self.function.clock.now() - self.started_at) / 1e9
        if self.function.clock.now() > self.deadline:
            late = FunctionTimedOut(self.function.name, seconds=self.function.timeout, request_id=self.request_id)
            return Outcome(None, late, self.function.timeout)
        return Outcome(result, error, seconds)

    def time_out(self) -> None:
        """The watch found it past its deadline."""
        seconds = self.function.timeout
        self.finish(
            Outcome(None, FunctionTimedOut(self.function.name, seconds=seconds, request_id=self.request_id), seconds)
        )
        self.function._runtime.kill(self)

    def finish(self, outcome: Outcome) -> None:
        """End it, unless it has ended: then this is late, and recorded as such."""
        if self.function._settle(self, outcome):
            self.ended(outcome)


class BrokenOff(Exception):
    """A run that was never begun, because its broker was closed."""

    def __init__(self, function: str) -> None:
        super().__init__(f"the broker was closed before function {function!r} was begun")


def own_copy(event: Any, name: str) -> Any:
    """The event as the handler gets it: decoded from JSON, so that sender and handler share nothing."""
    return json.loads(json_text(event, f"an event of function {name!r} must be JSON"))
