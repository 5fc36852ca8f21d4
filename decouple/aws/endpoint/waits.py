"""Long polls over HTTP: one that waits ends when its client has left, and all do when the server is to end.

A receive that is answered at once costs nothing of this. One that waits is cancelled when its connection closes, and the
queue takes back what was on its way.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Literal

from decouple.aws.endpoint.exchange import ClientGone, Receive

__all__ = ["Waits"]


class Waits:
    """The long polls of one server that wait now."""

    def __init__(self) -> None:
        self.waiting: set[Watch] = set()
        self.ending = False

    def __len__(self) -> int:
        return len(self.waiting)

    def end(self) -> None:
        """Let all of them answer at once that nothing came."""
        self.ending = True
        for watch in list(self.waiting):
            watch.cut("ending")

    async def watched(self, operation: Coroutine[Any, Any, dict[str, Any]], receive: Receive) -> dict[str, Any]:
        """The operation's answer; {} if the server ended before. Raises ClientGone."""
        loop = asyncio.get_running_loop()
        watch = Watch(receive, self)
        # Not before the operation has waited for a turn of the loop: most are answered by then.
        beginning = loop.call_soon(watch.begin)
        try:
            return await operation
        except asyncio.CancelledError:
            if watch.why is None:
                raise
            watch.task.uncancel()
        finally:
            beginning.cancel()
            watch.close()
        if watch.why == "gone":
            raise ClientGone
        return {}


class Watch:
    """Over one wait. why: what cut it short."""

    def __init__(self, receive: Receive, waits: Waits) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.task = task
        self.why: Literal["gone", "ending"] | None = None
        self._receive = receive
        self._waits = waits
        self._watcher: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """The operation waits indeed."""
        self._waits.waiting.add(self)
        if self._waits.ending:
            self.cut("ending")
        else:
            self._watcher = self.task.get_loop().create_task(self._look())

    async def _look(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.cut("gone")

    def cut(self, why: Literal["gone", "ending"]) -> None:
        """End the wait."""
        if self.why is None:
            self.why = why
            self.task.cancel()

    def close(self) -> None:
        """The wait is over."""
        self._waits.waiting.discard(self)
        if self._watcher is not None:
            self._watcher.cancel()
