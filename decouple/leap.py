"""How a task that due work awaits moves the clock on: a step in each turn of its loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio

__all__ = ["Leap"]


class Leap:
    """For a task that due work awaits. Nobody else can move the clock meanwhile, so each turn of the task's loop is a step."""

    __slots__ = ("_end", "_handle", "_loop", "_step")

    def __init__(self, loop: asyncio.AbstractEventLoop, step: Callable[[], bool], end: Callable[[], object]) -> None:
        self._loop = loop
        self._step = step
        self._end = end
        self._handle = loop.call_soon(self._go)

    def _go(self) -> None:
        if self._step():
            self._end()
        else:
            self._handle = self._loop.call_soon(self._go)

    def cancel(self) -> None:
        """Stay."""
        self._handle.cancel()
