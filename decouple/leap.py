"""What ends a task's wait on a virtual clock: its own steps, if due work awaits it, or the news that nothing happens."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio

__all__ = ["Leap", "Lookout"]


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


class Lookout:
    """For a waiting task on a virtual clock: calls `stuck` when `signs` have been the same for so many real seconds.

    The message, the advance or the close that ends the wait wakes the task by itself.
    """

    __slots__ = ("_handle", "_loop", "_seconds", "_seen", "_signs", "_stuck")

    def __init__(
        self, loop: asyncio.AbstractEventLoop, seconds: float, signs: Callable[[], int], stuck: Callable[[], None]
    ) -> None:
        self._loop = loop
        self._seconds = seconds
        self._signs = signs
        self._stuck = stuck
        self._seen = signs()
        self._handle = loop.call_later(self._seconds, self._look)

    def _look(self) -> None:
        signs = self._signs()
        if signs == self._seen:
            self._stuck()
        else:
            self._seen = signs
            self._handle = self._loop.call_later(self._seconds, self._look)

    def cancel(self) -> None:
        """Stop looking."""
        self._handle.cancel()
