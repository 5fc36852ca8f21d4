"""Effects: where a test may let a handler die, as the handler's author marks it; and what such a death is.

    charge(card)
    effect("charged the card")

Nothing happens at a mark outside of a test that asks for it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar

__all__ = ["EFFECTS", "Crash", "effect"]

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

    There `prove_idempotent` lets the handler crash once. Cost: under 0.1 us.
    """
    told = EFFECTS.get()
    if told is not None:
        told(name)
