"""What all guards of calls have in common: decorating, calling, falling back, and being watched.

A guard stands around any callable, `def` or `async def`. It holds no lock while the callable, a fallback or an observer
runs. Only an Exception is a failure: a cancelled task or a Ctrl-C says nothing about the function that was called.
"""

from __future__ import annotations

import functools
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from enum import Enum
from typing import Any, Literal, ParamSpec, TypeAlias, TypeVar, cast

from decouple.calls import answer_of, is_async
from decouple.clock import Clock, default_clock
from decouple.reporting import Reporter
from decouple.resilience.events import ResilienceEvent, Watcher, What

__all__ = ["RAISE", "Errors", "Guard", "Raise", "matcher", "positive"]

Handler = TypeVar("Handler", bound=Callable[..., Any])
P = ParamSpec("P")
R = TypeVar("R")


class Raise(Enum):
    """No fallback: errors are raised."""

    RAISE = "RAISE"

    def __repr__(self) -> str:
        return self.value


RAISE: Literal[Raise.RAISE] = Raise.RAISE

Errors: TypeAlias = type[Exception] | tuple[type[Exception], ...] | Callable[[Exception], bool]


class Guard:
    """A guard of calls. As a decorator it guards a function; `call` guards one call."""

    kind = "guard"

    def __init__(self, name: str | None, fallback: Any, observers: Iterable[Watcher], clock: Clock | None) -> None:
        if name is not None and not isinstance(name, str):
            raise TypeError(f"name must be a str, not {name!r}")
        if clock is not None and not all(callable(getattr(clock, part, None)) for part in ("now", "sleep", "call_at")):
            raise TypeError(f"clock must be a Clock, SystemClock() or VirtualClock(), not {clock!r}")
        watchers = tuple(observers) if isinstance(observers, Iterable) else (observers,)
        for observer in watchers:
            if not callable(observer):
                raise TypeError(f"observers must be callables that take a ResilienceEvent, not {observer!r}")
        self._name = name
        self.clock: Clock = clock or default_clock()
        self._fallback = fallback
        self._lock = threading.Lock()
        self._counts: dict[What, int] = {}
        self._log: deque[ResilienceEvent] = deque()
        self._reporter = Reporter(self._log, self._lock)
        self._reporter.observers = watchers

    @property
    def name(self) -> str:
        """What it is called in errors and events: as given, else after the first function it decorated, else its kind."""
        return self._name or self.kind

    def __call__(self, function: Handler) -> Handler:
        """Decorate a function, `def` or `async def`. All functions that one guard decorates share it."""
        awaits = self._check(function)
        if self._name is None:
            self._name = getattr(function, "__qualname__", None)
        if awaits:

            @functools.wraps(function)
            async def in_a_task(*args: Any, **kwargs: Any) -> Any:
                return await self._in_a_task(function, args, kwargs)

            return cast("Handler", in_a_task)

        @functools.wraps(function)
        def in_a_thread(*args: Any, **kwargs: Any) -> Any:
            return self._in_a_thread(function, args, kwargs)

        return cast("Handler", in_a_thread)

    def call(self, function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the function with these arguments; of an `async def` the answer is to be awaited.

        Cost: about 6 us more than a decorated function, which is looked at once.
        """
        if self._check(function):
            return cast("R", self._in_a_task(function, args, kwargs))
        return cast("R", self._in_a_thread(function, args, kwargs))

    def _check(self, function: Any) -> bool:
        """Whether it is to be awaited. Raises TypeError for what cannot be guarded."""
        import inspect  # here, because it takes longer to import than all the rest

        if not callable(function):
            raise TypeError(f"a {self.kind} guards a function, not {function!r}")
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise TypeError(
                f"{function!r} is a generator, which does its work after the call: guard what it calls instead"
            )
        awaits = is_async(function)
        if not awaits and callable(self._fallback) and is_async(self._fallback):
            raise TypeError(f"fallback {self._fallback!r} is to be awaited and {function!r} is not: make both def")
        return awaits

    def _in_a_thread(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        raise NotImplementedError

    async def _in_a_task(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        raise NotImplementedError

    # -- falling back -------------------------------------------------------------------------------------------------

    def _stand_in(self, error: Exception, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The fallback's answer. It is called where the error is being handled, so sys.exception() has it."""
        answer = self._fallback
        if callable(answer):
            answer = answer_of(answer(*args, **kwargs), f"fallback {answer!r}")
        self._record("fell back", f"{type(error).__name__}: {error}")
        return answer

    async def _stand_in_task(self, error: Exception, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The same for an `async def`, whose fallback may be one too."""
        if not (callable(self._fallback) and is_async(self._fallback)):
            return self._stand_in(error, args, kwargs)
        answer = await cast("Awaitable[Any]", self._fallback(*args, **kwargs))
        self._record("fell back", f"{type(error).__name__}: {error}")
        return answer

    # -- being watched --------------------------------------------------------------------------------------------------

    def _record(self, what: What, reason: str, *, until: int | None = None, attempt: int = 0) -> None:
        with self._lock:
            self._note(what, self.clock.now(), reason, until=until, attempt=attempt)
        self._reporter.report()

    def _note(self, what: What, at: int, reason: str, *, until: int | None = None, attempt: int = 0) -> None:
        """Under the lock: count it, and leave a record for the observers. Instants are the clock's."""
        self._counts[what] = self._counts.get(what, 0) + 1
        if self._reporter.observers:
            epoch = self.clock.epoch
            ends = None if until is None else epoch + until
            self._log.append(ResilienceEvent(what, self.name, epoch + at, reason, ends, attempt))

    def _count(self, what: What) -> int:
        return self._counts.get(what, 0)


# -- arguments --------------------------------------------------------------------------------------------------------


def matcher(on: Any) -> Callable[[Exception], bool]:
    """What tells the errors that `on` means: a class, a tuple of them, or a callable that answers yes or no."""
    kinds: tuple[Any, ...] = (*on,) if isinstance(on, tuple) else (on,)  # pyright: ignore[reportUnknownVariableType]
    if kinds and all(isinstance(kind, type) for kind in kinds):
        for kind in kinds:
            if not issubclass(kind, Exception):
                raise ValueError(
                    f"on must be classes of Exception, not {kind!r}: an interrupt or a cancellation is no failure"
                )
        return lambda error: isinstance(error, kinds)
    if isinstance(on, tuple) or not callable(on):
        raise TypeError(
            f"on must be a class of Exception, a tuple of them or a callable that takes an error, not {kinds!r}"
        )
    return cast("Callable[[Exception], bool]", on)


def positive(value: Any, name: str, unit: str, most: float) -> float:
    """A number over 0. Raises TypeError, ValueError."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name} must be {unit} as int or float, not {value!r}")
    if not 0 < value <= most:
        raise ValueError(f"{name} must be {unit}, over 0 and at most {most:,g}, not {value!r}")
    return value
