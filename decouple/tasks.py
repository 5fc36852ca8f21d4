"""Async jobs: tasks of one event loop, the user's own or one that is kept for them.

A kept loop lives until it is closed, so that clients bound to it go on working from job to job. It runs in a thread of
its own while workers run; on a virtual clock, and where nothing was started, in the thread that does the work,
for one job at a time. asyncio is imported when the first async job is begun.
"""

from __future__ import annotations

import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import suppress
from contextvars import Context
from functools import partial
from typing import TYPE_CHECKING, Any

from decouple.backlog import Backlog, Entry, Job, give_up

if TYPE_CHECKING:
    import asyncio

__all__ = ["KeptLoop", "Tasks", "running_loop"]

LAST_WORDS = 1.0
"""Seconds that a job has to end when it was cancelled at close."""


class Begun:
    """A job that was handed to the loop; `started` once its first instruction has run."""

    __slots__ = ("cancelled", "context", "job", "number", "started", "task")

    def __init__(self, number: int, job: Job, context: Context) -> None:
        self.number = number
        self.job = job
        self.context = context
        self.started = False
        self.cancelled = False
        self.task: asyncio.Task[None] | None = None

    async def run(self) -> None:
        import asyncio

        task = self.task = asyncio.current_task()
        if task is not None and self.cancelled:
            task.cancel()
        self.started = True
        await self.job.arun()
        if task is not None and task.cancelling():  # it saw to its cancellation: an interrupt must not be lost by that
            raise asyncio.CancelledError


class Tasks:
    """Async jobs as tasks of `loop`, which is run by somebody else. `begun` keeps them alive."""

    def __init__(self, backlog: Backlog, loop: asyncio.AbstractEventLoop | None = None) -> None:
        self.loop = loop
        self.begun: dict[int, Begun] = {}
        self.done = 0
        self.closed = False
        self._backlog = backlog
        self._arrived: deque[Begun] = deque()
        self._called = False
        self._finishing: asyncio.Task[list[str]] | None = None

    def begin(self, entry: Entry) -> None:
        """From any thread: let the loop begin that job. One wake of the loop serves all that come before it looks."""
        _, number, job, context = entry
        begun = self.begun[number] = Begun(number, job, context)
        self._arrived.append(begun)
        if not self._called:
            self._called = True
            try:
                self.open().call_soon_threadsafe(self._arrive)
            except RuntimeError:  # the user closed the loop
                self._called = False
                self._turn_away()

    def open(self) -> asyncio.AbstractEventLoop:
        """The loop, running."""
        assert self.loop is not None
        return self.loop

    def _arrive(self) -> None:
        self._called = False
        while self._arrived:
            begun = self._arrived.popleft()
            if self.closed:
                self._end(begun, None)
                continue
            self._begin(begun)

    def begin_here(self, entry: Entry) -> None:
        """On the loop: begin that job."""
        _, number, job, context = entry
        begun = self.begun[number] = Begun(number, job, context)
        self._begin(begun)

    def _begin(self, begun: Begun) -> None:
        begun.task = self.open().create_task(begun.run(), context=begun.context)
        begun.task.add_done_callback(partial(self._task_ended, begun))

    def _turn_away(self) -> None:
        while self._arrived:
            self._end(self._arrived.popleft(), None)

    def _task_ended(self, begun: Begun, task: asyncio.Task[None]) -> None:
        import asyncio

        self._end(begun, asyncio.CancelledError() if task.cancelled() else task.exception())

    def _end(self, begun: Begun, error: BaseException | None) -> None:
        if begun.started:
            self.done += 1  # before it is forgotten: see Runner._idle
        else:
            give_up(deque([(0, begun.number, begun.job, begun.context)]))
        del self.begun[begun.number]
        self._backlog.tell(error)

    # -- the end ------------------------------------------------------------------------------------------------

    async def finish(self, timeout: float | None) -> list[str]:
        """On the loop: wait for all tasks but the one that asks, then cancel them; those who had to be cancelled."""
        import asyncio

        self._arrive()
        me = asyncio.current_task()
        tasks = {begun.task: begun for begun in self.begun.values() if begun.task and begun.task is not me}
        late: set[asyncio.Task[None]] = set(tasks)
        try:
            if tasks:
                _, late = await asyncio.wait(tasks, timeout=timeout)
        finally:  # also when whoever waits is cancelled
            for task in late:
                task.cancel()
        if late:
            await asyncio.wait(late, timeout=LAST_WORDS)
        return [tasks[task].job.describe() for task in late]

    @property
    def mine(self) -> bool:
        """Whether the task that asks is one of them."""
        import asyncio

        me = asyncio.current_task() if running_loop() is self.loop else None
        return me is not None and any(begun.task is me for begun in self.begun.values())

    def leave(self, timeout: float | None) -> list[str]:
        """On the loop: let the end go on by itself; those still running."""
        if self.loop is not None and self.begun and not self.loop.is_closed():
            self._finishing = self.loop.create_task(self.finish(timeout))
        return self._still_running()

    def close(self, deadline: float | None) -> list[str]:
        """The same from any thread. On the loop itself nobody can wait for it: there the end goes on by itself."""
        if not self.begun or self.loop is None:
            return []
        if not self._runs:
            return self._still_running()
        import asyncio
        from concurrent.futures import CancelledError

        timeout = None if deadline is None else max(0.0, deadline - time.monotonic())
        if running_loop() is self.loop:
            return self.leave(timeout)
        finishing = asyncio.run_coroutine_threadsafe(self.finish(timeout), self.loop)
        try:
            return finishing.result(None if timeout is None else timeout + 2 * LAST_WORDS)
        except (TimeoutError, CancelledError):  # it hangs in a job that does not await, or was closed meanwhile
            return self._still_running()

    @property
    def _runs(self) -> bool:
        return self.loop is not None and self.loop.is_running()

    def _still_running(self) -> list[str]:
        import asyncio

        me = asyncio.current_task() if running_loop() else None
        return [begun.job.describe() for begun in list(self.begun.values()) if me is None or begun.task is not me]


class KeptLoop(Tasks):
    """Async jobs on a loop of our own: in a thread of its own (`begin`), or in the caller's, one at a time (`complete`)."""

    def __init__(self, backlog: Backlog) -> None:
        super().__init__(backlog)
        self._runner: asyncio.Runner | None = None
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._left: asyncio.Future[None] | None = None
        self._ended = False
        self.refused = False

    def _keep(self) -> asyncio.Runner:
        import asyncio

        if self._runner is None:
            self._runner = asyncio.Runner(loop_factory=asyncio.new_event_loop)
            self.loop = self._runner.get_loop()
        return self._runner

    def open(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            loop = self._keep().get_loop()
            if self._thread is None:
                self._left = loop.create_future()
                thread = threading.Thread(target=self._serve, name="decouple-loop", daemon=True)
                thread.start()
                self._thread = thread
        return loop

    def _serve(self) -> None:
        with self._keep() as runner:
            loop, left = runner.get_loop(), self._left
            while left is not None and not left.done():
                # An exit ends the task that asked for it, which holds it as its error: the others go on.
                with suppress(KeyboardInterrupt, SystemExit):
                    loop.run_until_complete(left)

    def _leave(self) -> None:
        if self._left is not None and not self._left.done():
            self._left.set_result(None)

    def _end(self, begun: Begun, error: BaseException | None) -> None:
        super()._end(begun, error)
        if self._ended:
            self.stop()

    @property
    def _runs(self) -> bool:
        return self._thread is not None

    # -- in the caller's thread ---------------------------------------------------------------------------------

    def complete(self, job: Job, context: Context) -> None:
        """Await that job here and now; in another thread if a loop runs in this one, which is blocked meanwhile.

        Raises what the job raises, and KeyboardInterrupt; then `refused` says whether it came before the job was begun.
        """
        begun = Begun(0, job, context)
        try:
            here_or_elsewhere(partial(self._complete, begun), partial(self._interrupt, begun))
        finally:
            self.refused = not begun.started
            if self._ended:
                here_or_elsewhere(self._keep().close)

    def _complete(self, begun: Begun) -> None:
        coroutine: Coroutine[Any, Any, None] = begun.run()
        try:
            # asyncio's own runner: a Ctrl-C cancels the job, and is raised when it has seen to that.
            self._keep().run(coroutine, context=begun.context)
        finally:
            if not begun.started:
                coroutine.close()

    def _interrupt(self, begun: Begun) -> None:
        """From another thread than its own: cancel that job."""
        begun.cancelled = True
        if begun.task is not None and self.loop is not None:
            self.loop.call_soon_threadsafe(begun.task.cancel)

    # -- the end ------------------------------------------------------------------------------------------------

    def close(self, deadline: float | None) -> list[str]:
        late = [] if self._ended else super().close(deadline)
        self.stop()
        if self._runner is None or self.loop is None:
            return late
        if self._thread is None:
            if not self.loop.is_running():  # else a job of its own closes it: `complete` does it afterwards
                here_or_elsewhere(self._runner.close)
        elif self._thread is not threading.current_thread():
            self._thread.join(None if deadline is None else max(0.0, deadline - time.monotonic()) + LAST_WORDS)
            return late or self._still_running()
        return late

    def stop(self) -> None:
        """Let the thread end as soon as nothing runs; from any thread."""
        self._ended = True
        if self._thread is not None and self.loop is not None and not self.begun:
            with suppress(RuntimeError):  # it has ended
                self.loop.call_soon_threadsafe(self._leave)

    def drop(self) -> None:
        """Its runner was dropped without close: for a finalizer, which may come in anywhere."""
        self.stop()
        if self._thread is None and self.loop is not None and not self.loop.is_running():
            self.loop.close()


def running_loop() -> asyncio.AbstractEventLoop | None:
    """The loop that runs in this thread, if any. Imports nothing for it."""
    if "asyncio" not in sys.modules:
        return None
    import asyncio

    return asyncio._get_running_loop()


def here_or_elsewhere(work: Callable[[], object], interrupt: Callable[[], object] = lambda: None) -> None:
    """Do work that runs a loop: in this thread, or, if another loop runs here, in a thread that this one waits for.

    interrupt: makes the other thread end soon, when this one is told to stop waiting (Ctrl-C).
    """
    if running_loop() is None:
        work()
        return
    errors: list[BaseException] = []
    done = threading.Event()

    def run() -> None:
        try:
            work()
        except BaseException as error:  # raised by the thread that waits
            errors.append(error)
        finally:
            done.set()

    thread = threading.Thread(target=run, name="decouple-loop", daemon=True)
    try:
        thread.start()
        done.wait()
    except BaseException:
        interrupt()
        while not done.wait(LAST_WORDS) and thread.ident is not None:
            pass  # without an ident it was interrupted before the thread was made
        raise
    for error in errors:
        raise error
