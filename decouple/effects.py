"""Effects: where a test may let a handler die, as the handler's author marks it; and what such a death is.

    charge(card)
    effect("charged the card")

Nothing happens at a mark outside of a test that asks for it. To a plan of faults with crashes, each send, publish and
settling on a queue or topic of this library is such a point, too. The short paths of a queue tell nothing: with faults it
has none.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Protocol

__all__ = ["EFFECTS", "WATCHED", "WATCHER", "Crash", "Watcher", "about", "asking", "done", "effect"]

EFFECTS: ContextVar[Callable[[str], object] | None] = ContextVar("decouple effects", default=None)
"""Who is told of the marks, and may raise Crash."""


class Crash(BaseException):
    """The death of a process, in a test. It is no Exception, so that no handler takes it for an error of its own.

    point: where it died; left: what it had taken and did not give back, to be called when that is over.
    """

    def __init__(self, point: str) -> None:
        super().__init__(f"crashed after {point}")
        self.point = point
        self.left: list[Callable[[], object]] = []


def effect(name: str) -> None:
    """Mark that something was done that cannot be undone, in a few words: "charged the card".

    There `prove_idempotent` lets the handler crash once, and so may `Faults(crash=...)`. Cost: under 0.1 us.
    """
    told = EFFECTS.get()
    if told is not None:
        told(name)


# -- what this library does for a handler ------------------------------------------------------------------------------


class Watcher(Protocol):
    """Who is asked and told of what a handler does with this library."""

    def about(self, what: str) -> None:
        """The handler is about to have this effect. Raises Crash where it is dead: then it does not have it."""
        ...

    def done(self, what: str) -> None:
        """It had this effect. Raises Crash where it dies of it."""
        ...

    def asking(self, store: object, operation: str) -> None:
        """It is about to ask a store. Raises Crash where it is dead, StoreFailed where the store is to fail."""
        ...


WATCHER: ContextVar[Watcher | None] = ContextVar("decouple watcher", default=None)
"""Of the handler whose context this is."""
WATCHED: list[bool] = []
"""Not empty once any handler was watched: who has an effect asks for its watcher only then."""


def about(what: str) -> None:
    """Ask the watcher, if there is one."""
    watcher = WATCHER.get()
    if watcher is not None:
        watcher.about(what)


def done(what: str) -> None:
    """Tell the watcher, if there is one."""
    watcher = WATCHER.get()
    if watcher is not None:
        watcher.done(what)


def asking(store: object, operation: str) -> bool:
    """Ask the watcher; False if there is none."""
    watcher = WATCHER.get()
    if watcher is not None:
        watcher.asking(store, operation)
    return watcher is not None
