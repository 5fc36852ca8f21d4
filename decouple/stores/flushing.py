"""Tasks that wait for the disk: one thread syncs for all that wait, and tells each loop once a round."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import NamedTuple

__all__ = ["Flusher"]


class Wait(NamedTuple):
    """One task that waits for all up to `position`."""

    position: int
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[None]


class Flusher:
    """Calls `sync` for tasks, in a thread that begins with the first of them and ends with `close`."""

    def __init__(self, sync: Callable[[int], None]) -> None:
        self._sync = sync
        self._lock = threading.Lock()
        self._bell = threading.Event()
        self._waiting: list[Wait] = []
        self._thread: threading.Thread | None = None
        self._closed = False

    async def flushed(self, position: int) -> None:
        """Return when it is synced. Raises what `sync` does."""
        wait = Wait(position, loop := asyncio.get_running_loop(), loop.create_future())
        if self._join(wait):
            await wait.future
        else:
            self._sync(position)

    def _join(self, wait: Wait) -> bool:
        """Let it wait for the next round; False if there is none any more."""
        with self._lock:
            if self._closed:
                return False
            self._waiting.append(wait)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="decouple-journal", daemon=True)
                self._thread.start()
            self._bell.set()
            return True

    def _run(self) -> None:
        over = False
        while not over:
            self._bell.wait()
            self._bell.clear()
            with self._lock:
                batch, self._waiting = self._waiting, []
                over = self._closed
            if batch:
                self._serve(batch)

    def _serve(self, batch: list[Wait]) -> None:
        failure: BaseException | None = None
        try:
            self._sync(max(wait.position for wait in batch))
        except BaseException as error:
            failure = error
        by_loop: dict[asyncio.AbstractEventLoop, list[asyncio.Future[None]]] = {}
        for wait in batch:
            by_loop.setdefault(wait.loop, []).append(wait.future)
        for loop, futures in by_loop.items():
            try:
                loop.call_soon_threadsafe(answer, futures, failure)
            except RuntimeError:  # the loop is closed, and with it whoever waited
                continue

    def close(self) -> None:
        """Answer those that wait, and end the thread. Twice is no error."""
        with self._lock:
            self._closed = True
            thread = self._thread
            self._bell.set()
        if thread is not None and thread is not threading.current_thread():
            thread.join()


def answer(futures: list[asyncio.Future[None]], failure: BaseException | None) -> None:
    for future in futures:
        if future.done():
            continue
        if failure is None:
            future.set_result(None)
        else:
            future.set_exception(failure)
