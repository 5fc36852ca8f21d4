"""The workers of a simulation: its loop. Each job is a step of it, and one that awaits is a task.

They stand where threads stand on real time, as the inbox of a backlog and as those who work at it. A job that is due is
handed to the loop when it is put, so that its place among the steps of all tasks is the loop's to choose; what is due later
is in the backlog's heap, and a timer of the loop wakes for the first of it. Nothing here blocks.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextvars import copy_context
from heapq import heappop, heappush
from queue import Empty
from typing import TYPE_CHECKING, Protocol

from decouple.backlog import Backlog, Entry, Mark
from decouple.core.deadlines import FAR

if TYPE_CHECKING:
    import asyncio

__all__ = ["LoopWorkers", "Stage"]


class Stage(Protocol):
    """What a simulation's loop does besides being one."""

    def call_step(self, callback: Callable[[Entry], object], entry: Entry) -> object:
        """Call it like a step of a task: soon, in an order of the loop's own."""
        ...

    def call_at_instant(self, at: int, callback: Callable[[], object]) -> object:
        """Call it at that instant of the clock."""
        ...

    def judge(self, error: BaseException) -> object:
        """Told of the error of each job, which may be one of the whole program."""
        ...

    @property
    def ending(self) -> bool:
        """Whether nothing more is to be begun."""
        ...


class LoopWorkers:
    """As many as there are jobs, in one thread. begin_task: begins a job that awaits, as a task of the loop."""

    def __init__(self, backlog: Backlog, stage: Stage, begin_task: Callable[[Entry], None]) -> None:
        self.done = 0
        self._backlog = backlog
        self._stage = stage
        self._begin_task = begin_task
        self._due: dict[int, Entry] = {}
        self._wakes_at = FAR
        self._waiters: list[asyncio.Future[None]] = []

    def start(self) -> None:
        """Take over what was put before."""
        backlog = self._backlog
        backlog.sort()
        before, backlog.later = sorted(backlog.later), []
        backlog.inbox, backlog.judge = self, self._stage.judge
        for entry in before:
            self.put(entry)

    # -- as the inbox ------------------------------------------------------------------------------------------

    def put(self, entry: Entry) -> None:
        """Have that job done when it is due."""
        backlog = self._backlog
        if backlog.closed or self._stage.ending:
            self._due[entry[1]] = entry  # for whoever abandons it
        elif entry[0] > backlog.now():
            heappush(backlog.later, entry)
            self._watch_time()
        elif entry[2].awaits:
            self._begin_task(entry)
        else:
            self._due[entry[1]] = entry
            self._stage.call_step(self._do, entry)

    def get_nowait(self) -> Entry:
        """Take out the oldest that was not begun. Raises Empty."""
        for number in self._due:
            return self._due.pop(number)
        raise Empty

    def empty(self) -> bool:
        """Whether nothing is due that was not begun."""
        return not self._due

    # -- at work -----------------------------------------------------------------------------------------------

    def _do(self, entry: Entry) -> None:
        if self._backlog.closed or self._stage.ending or self._due.pop(entry[1], None) is None:
            return
        error: BaseException | None = None
        try:
            entry[3].run(entry[2].run)
        except KeyboardInterrupt:
            raise
        except BaseException as caught:  # the job has dealt with it, also with an exit: a worker has none
            error = caught
        self.done += 1
        self._backlog.tell(error)

    def _watch_time(self) -> None:
        later = self._backlog.later
        if later and later[0][0] < self._wakes_at:
            self._wakes_at = later[0][0]
            self._stage.call_at_instant(self._wakes_at, self._look)

    def _look(self) -> None:
        backlog = self._backlog
        self._wakes_at = FAR
        while not backlog.closed and backlog.later and backlog.later[0][0] <= backlog.now():
            self.put(heappop(backlog.later))
        self._watch_time()

    # -- the end -----------------------------------------------------------------------------------------------

    def _told(self) -> None:
        """A job has ended: let those look who wait for it."""
        self._backlog.listener = None
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def finish(self, done: Callable[[], bool], timeout: float | None) -> None:
        """Until all that was put by now has been begun, and `done`, looked at after each job; at most so many seconds."""
        import asyncio

        loop = asyncio.get_running_loop()
        mark = Mark()
        self.put((0, next(self._backlog.order), mark, copy_context()))
        try:
            async with asyncio.timeout(timeout):
                while not (mark.passed and done()):
                    waiter = loop.create_future()
                    self._waiters.append(waiter)
                    self._backlog.listener = self._told
                    await waiter
        except TimeoutError:
            pass

    def __contains__(self, thread: threading.Thread) -> bool:
        """No thread is a worker."""
        return False

    @property
    def busy(self) -> bool:
        """Whether a job is due that was not begun."""
        return bool(self._due)

    def join(self, deadline: float | None) -> list[str]:
        """Nobody is left at work between two steps."""
        return []
