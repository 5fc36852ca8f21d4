"""Time that clients move, and the work that is due because of it: all in one thread of its own.

Work on a virtual clock runs where the clock is moved. It is not the event loop's thread: a Lambda function or a web
endpoint that is called by this work may call this very server before it answers.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from queue import SimpleQueue
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from decouple.clock import VirtualClock

__all__ = ["Mover"]

logger = logging.getLogger("decouple.aws")


class Mover:
    """Moves that clock, one move at a time. Used on one event loop."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self._moves: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._moving = 0

    async def settle(self) -> None:
        """Do all work that is due now; its errors are in the log. Where work is under way, nothing: its end sees to the rest.

        To wait for others' work would be to wait for oneself, where that work makes this very call.
        """
        try:
            while not self._moving and self._clock.due:
                await self._move(0)
        except Exception:
            logger.exception("work that was due on the virtual clock could not be done")

    async def advance(self, seconds: float) -> None:
        """Move time on, after all moves under way, and do what falls due. Raises what the clock's `advance` raises."""
        await self._move(seconds)
        await self.settle()

    def close(self) -> None:
        """Let the thread end when it has nothing to do."""
        self._moves.put(None)
        self._thread = None

    async def _move(self, seconds: float) -> None:
        self._moving += 1
        try:
            await self._handed_over(seconds)
        finally:
            self._moving -= 1

    async def _handed_over(self, seconds: float) -> None:
        if self._thread is None:
            # A daemon: the work may be somebody's code that never ends.
            self._thread = threading.Thread(target=self._serve, name="decouple-clock", daemon=True)
            self._thread.start()
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()

        def tell(error: Exception | None) -> None:
            if done.done():  # whoever asked has left
                return
            if error is None:
                done.set_result(None)
            else:
                done.set_exception(error)

        def move() -> None:
            caught: Exception | None = None
            try:
                self._clock.advance(seconds)
            except Exception as error:
                caught = error
            if not loop.is_closed():
                loop.call_soon_threadsafe(tell, caught)

        self._moves.put(move)
        await done

    def _serve(self) -> None:
        self._clock.adopt()
        while (move := self._moves.get()) is not None:
            move()
