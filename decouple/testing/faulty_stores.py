"""Stores that fail where a plan of faults has it, by themselves: for programs that ask them outside of any handler."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from decouple.callers import caller
from decouple.core.changes import Change
from decouple.errors import StoreFailed
from decouple.reporting import Observer, tell

if TYPE_CHECKING:
    from decouple.clock import Clock
    from decouple.testing.faults import Injection

__all__ = ["FaultyStore"]

ASKED = ("begin", "complete", "get", "put")
"""What may fail. To free or delete something never does: nobody waits for it."""


class FaultyStore:
    """A store as it is, but for its failures."""

    __decouple_faulty__ = True  # so that nobody else lets it fail

    def __init__(self, store: Any, faults: Injection, clock: Clock, observers: tuple[Observer, ...]) -> None:
        self._store = store
        self._faults = faults
        self._clock = clock
        self._observers = observers

    def __repr__(self) -> str:
        return f"<{self._store!r}, which fails>"

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._store, name)
        return partial(self._ask, found, name) if name in ASKED else found

    def _ask(self, call: Callable[..., Any], operation: str, *arguments: Any) -> Any:
        name = type(self._store).__name__
        if self._faults.strike("store_error", name) is None:
            return call(*arguments)
        at = self._clock.now() + self._clock.epoch
        change = Change("fault", "", at, reason=f"store_error: {name} failed to {operation}", who=caller())
        for observer in self._observers:
            tell(observer, change)
        raise StoreFailed(name, operation=operation)
