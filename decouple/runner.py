"""The runner of a broker: what is to be done, and who does it when.

One queue of due work, not one thread per object: whoever has something to do puts a job, now or for an instant. On real
time threads take the jobs, and tasks of an event loop those that await. On a virtual clock nothing is ever started: due
jobs run in the thread that moves the clock, in order of time with everything else that happens on it; in a simulation
all of them are steps and tasks of its loop.

A runner knows nothing of what its jobs do, retries nothing and logs no error of theirs: a job has dealt with it.
"""

from __future__ import annotations

import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context, copy_context
from typing import TYPE_CHECKING, Any, Literal

from decouple.backlog import LOOK, Aside, Backlog, Entry, Job, Mark, Report, Waiting, entered
from decouple.clock import Clock, Seconds, datetime_at, moved_by_hand, nanoseconds
from decouple.core.deadlines import FAR
from decouple.errors import DecoupleError, EndlessWork
from decouple.generic import T
from decouple.loop_workers import LoopWorkers
from decouple.tasks import KeptLoop, Tasks, running_loop
from decouple.workers import Workers, seconds_until

if TYPE_CHECKING:
    import asyncio

__all__ = ["Job", "Report", "Runner", "Waiting"]

LONGEST_CHAIN = 1_000_000
"""Links of a chain of jobs, each put by the one before, at one instant: more are taken for endless."""


class Runner:
    """Does the jobs that are put, each once, when they are due.

    clock: what time they are due on; workers: most threads at a time for jobs that do not await, started one by one
    when all others are busy. Before it is started it keeps what is put.
    """

    def __init__(self, clock: Clock, *, workers: int = 32) -> None:
        if isinstance(workers, bool) or not isinstance(workers, int):
            raise TypeError(f"workers must be a number of threads, not {workers!r}")
        if workers < 1:
            raise ValueError(f"workers must be at least 1, not {workers!r}")
        self._clock = clock
        self._now = clock.now
        self._limit = workers
        self._backlog = Backlog(clock.now)
        self._inbox = self._backlog.inbox
        self._order = self._backlog.order
        self._unfinished = self._backlog.unfinished
        self._simulated = clock.loop is not None
        self._hand: deque[Entry] = deque()
        self._handled = 0
        self._mover: int | None = None
        self._links = 0
        self._instant = -1
        self._kept = KeptLoop(self._backlog)
        self._tasks: Tasks = self._kept
        self._workers: Workers | LoopWorkers | None = None
        if clock.loop is None:
            clock.attach(self)

    def __repr__(self) -> str:
        state = "closed" if self._backlog.closed else "started" if self._workers else "not started"
        return f"<Runner: {state}>"

    def __del__(self) -> None:
        # Dropped without close: nothing is left to do, or a job would hold its broker, and that its runner. Threads may end.
        if hasattr(self, "_kept"):
            self._backlog.closed = True
            self._inbox.put(LOOK)
            self._backlog.ring()
            self._kept.drop()

    def put(self, job: Job, at: int = 0, context: Context | None = None) -> None:
        """Let that job be done, at that instant of the clock or, if it is over, now; after all that was put before.

        From any thread, also from a signal handler or a finalizer: it takes no lock. The job runs in that context, or
        with a copy of the caller's variables. After close it is told at once that it will not be begun. Cost: O(1), under 1 us.
        """
        now, number = self._now(), next(self._order)
        entry = (at if at > now else now, number, job, copy_context() if context is None else context)
        if self._simulated:
            self._inbox.put(entry)
        else:
            try:
                self._unfinished[number] = None
                self._inbox.put(entry)
            except BaseException:  # interrupted: who waits for the end of all work must not wait for ever
                self._unfinished.pop(number, None)
                raise
        if self._backlog.closed:
            self._backlog.abandon()

    @property
    def started(self) -> bool:
        """Whether threads do the work."""
        return self._workers is not None

    @property
    def closed(self) -> bool:
        """Whether it begins nothing more."""
        return self._backlog.closed

    # -- life ---------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Let threads do the work, and a loop in a thread of its own what awaits. On a virtual clock: nothing."""
        self._start(None)

    def start_tasks(self, loop: asyncio.AbstractEventLoop) -> None:
        """Let threads do the work, and tasks of that loop what awaits. On a virtual clock: nothing."""
        self._start(loop)

    def _start(self, loop: asyncio.AbstractEventLoop | None) -> None:
        if self._backlog.closed:
            raise DecoupleError("the runner is closed: make another one")
        if self._workers is not None or self._clock.by_hand:
            return
        self._take_back()
        stage: Any = self._clock.loop
        if stage is not None:
            self._tasks = Tasks(self._backlog, stage)
            self._workers = LoopWorkers(self._backlog, stage, self._tasks.begin_here)
        else:
            self._tasks = self._kept if loop is None else Tasks(self._backlog, loop)
            self._workers = Workers(self._backlog, self._limit, self._tasks.begin)
        self._workers.start()
        self._inbox = self._backlog.inbox

    @property
    def closing(self) -> bool:
        """Whether it is about to end: nothing more is to be taken on."""
        return self._backlog.closing or self._backlog.closed

    def finish(self, done: Callable[[], bool], timeout: float | None) -> None:
        """Before close: let all begin that was put by now and is due, and go on until `done`, looked at after each job.

        timeout: real seconds at most, None = as long as it takes. Where nothing was started, and in a job or a loop, at once.
        """
        self._backlog.closing = True
        workers = self._workers
        if workers is None or self.closed or threading.current_thread() in workers or running_loop() is not None:
            return
        deadline = None if timeout is None else time.monotonic() + timeout
        mark = Mark()
        self.put(mark)
        with self._backlog.changed:
            self._backlog.watchers += 1
            try:
                while not (mark.passed and done()):
                    left = None if deadline is None else deadline - time.monotonic()
                    if left is not None and left <= 0:
                        return
                    self._backlog.changed.wait(left)
            finally:
                self._backlog.watchers -= 1

    def close(self, timeout: float | None = None) -> list[str]:
        """End: jobs not begun are abandoned, those begun may end; what had not ended by the timeout, as described.

        timeout: real seconds, None = as long as it takes. Tasks are cancelled then; a thread goes on until its job ends.
        Called by a job, it waits for all others. Twice is no error.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        self._refuse()
        if self._clock.loop is not None:
            return self._tasks.leave(timeout)
        late = self._workers.join(deadline) if self._workers else []
        if self._tasks is not self._kept:
            late += self._tasks.close(deadline)
        return late + self._kept.close(deadline)

    async def aclose(self, timeout: float | None = None) -> list[str]:
        """Like close(), while the loop of the caller goes on."""
        tasks, workers = self._tasks, self._workers
        if workers is None or tasks.loop is not running_loop():
            return await elsewhere(lambda: self.close(timeout))
        deadline = None if timeout is None else time.monotonic() + timeout
        self._refuse()
        joined = elsewhere(lambda: workers.join(deadline))
        late = await tasks.finish(timeout)
        if tasks is self._kept:
            self._kept.stop()
        else:
            await elsewhere(lambda: self._kept.close(deadline))
        return await joined + late

    async def end(self, done: Callable[[], bool], timeout: float | None) -> list[str]:
        """Finish and close, while the loop of the caller goes on; both together within the timeout."""
        loop, workers = self._clock.loop, self._workers
        if loop is None:
            began = time.monotonic()
            await elsewhere(lambda: self.finish(done, timeout))
            return await self.aclose(rest_of(timeout, time.monotonic() - began))
        began = loop.time()
        self._backlog.closing = True
        if isinstance(workers, LoopWorkers) and not self.closed and not self._tasks.mine:
            await workers.finish(done, timeout)
        self._refuse()
        return await self._tasks.finish(rest_of(timeout, loop.time() - began))

    def _refuse(self) -> None:
        """From now on take nothing, and begin nothing of what is here."""
        with self._backlog.lock:
            self._backlog.closed = self._tasks.closed = True
        self._take_back()
        self._backlog.abandon()
        self._backlog.ring()
        self._backlog.tell(None)

    def _take_back(self) -> None:
        """What an interrupt kept from being begun goes back into the inbox."""
        if self._mover is None:
            with suppress(IndexError):
                any(map(self._inbox.put, iter(self._hand.popleft, None)))

    # -- work in the caller's thread ----------------------------------------------------------------------------

    def next_at(self) -> int:
        """When the next job is due, FAR if none ever will be. For the clock, as settle()."""
        if self._backlog.closed:
            return FAR
        if self._hand:
            return self._hand[0][0]
        self._backlog.sort()
        return self._backlog.next_at()

    def settle(self) -> None:
        """Do what is due now, here, but not yet what follows from it. Raises EndlessWork."""
        now = self._now()
        self._links = self._links + 1 if now == self._instant else 0
        self._instant = now
        self._do_due(now)

    def _do_due(self, now: int) -> None:
        if self._mover is not None:
            raise RuntimeError("another thread is at work in run_until_idle(): start() makes threads share the work")
        self._mover = threading.get_ident()
        try:
            while self._hand or self._backlog.next_at() <= now:
                if not self._hand:
                    self._backlog.take(self._hand)
                    continue
                if self._links > LONGEST_CHAIN:
                    self._links = 0
                    raise EndlessWork(self._hand[0][2].describe(), links=LONGEST_CHAIN)
                self._begin(*self._hand[0])
        finally:
            self._mover = None

    def _begin(self, at: int, number: int, job: Job, context: Context) -> None:
        """See the job in hand through. Interrupted before its first instruction, it stays in hand."""
        error: BaseException | None = None
        self._unfinished.pop(number, None)  # no other thread waits for it
        try:
            if job.awaits:
                self._kept.complete(job, context)
            else:
                context.run(job.run)
        except BaseException as caught:
            self._hand.clear()
            if not isinstance(caught, Exception) and not was_cancelled(caught):
                if self._kept.refused if job.awaits else not entered(caught):
                    self._hand.append((at, number, job, context))
                raise
            error = caught
        else:
            self._hand.clear()
        self._handled += 1
        if error is not None:
            self._backlog.tell(error)
        if isinstance(error, EndlessWork):
            raise error

    @property
    def idle(self) -> bool:
        """Whether nothing is due now; once started, also that nothing is under way."""
        if self._workers is None:
            return self.next_at() > self._now()
        with self._backlog.lock:
            return self._idle(self._now(), self._workers)

    # -- until nothing is left to do ----------------------------------------------------------------------------

    def run_until_idle(self, *, budget: Seconds = 0, errors: Literal["raise", "collect"] = "raise") -> Report:
        """Do all work that is due now and what follows from it at once; with a budget, up to so many seconds further.

        On a virtual clock time jumps from one instant to the next, and stays at that of the last work done. On real time
        it is waited for; once started, others do the work, and this ends when they have nothing to do. What is due
        later is no error: it is in the report. Raises the error of a job when all is done, several as an
        ExceptionGroup, or with errors="collect" none; RuntimeError in a job; EndlessWork. Cost: that of the work.
        """
        if errors not in ("raise", "collect"):
            raise ValueError(f"errors must be 'raise' or 'collect', not {errors!r}")
        target = self._now() + nanoseconds(budget, "budget")
        self._check_outside()
        heard, before = self._backlog.hear(), self._done
        self._work_until(target)
        report = Report(self._done - before, tuple(heard), self._waiting())
        if heard and errors == "raise":
            raise heard[0] if len(heard) == 1 else BaseExceptionGroup(f"{len(heard)} jobs failed", heard)
        return report

    @property
    def inside(self) -> bool:
        """Whether the caller is part of the work, such as a handler: it cannot wait for the work's end."""
        return self._at_work or self._on_loop

    @property
    def _at_work(self) -> bool:
        working = self._workers is not None and threading.current_thread() in self._workers
        return working or self._mover == threading.get_ident()

    @property
    def _on_loop(self) -> bool:
        loop = running_loop()
        return loop is not None and loop in (self._tasks.loop, self._kept.loop)

    def _check_outside(self) -> None:
        if self._clock.loop is not None:
            raise RuntimeError(
                "run_until_idle() would move time under the tasks of the simulation: await what you wait for, such as "
                "asyncio.sleep(seconds), and the workers work meanwhile"
            )
        if self._at_work:
            raise RuntimeError("a job must not call run_until_idle(): let it put what follows from it")
        if self._on_loop:
            raise RuntimeError(
                "run_until_idle() would block the event loop that does the work: await asyncio.to_thread(...) with it"
            )

    def _work_until(self, target: int) -> None:
        if self._workers is not None:
            self._watch_until(target, self._workers)
        elif (clock := moved_by_hand(self._clock)) is not None:
            while self.next_at() <= target:
                clock.advance_to_next()
        else:
            self._work_here_until(target)

    def _work_here_until(self, target: int) -> None:
        self._links = 0
        while (at := self.next_at()) <= max(target, now := self._now()):
            if at <= now:
                self._links += 1
                self._do_due(now)
            else:
                self._links = 0
                self._backlog.wait(seconds_until(at, now))

    def _watch_until(self, target: int, workers: Workers | LoopWorkers) -> None:
        backlog = self._backlog
        with backlog.changed:
            backlog.watchers += 1
            try:
                while not (backlog.closed or self._idle(target, workers)):
                    backlog.changed.wait()
            finally:
                backlog.watchers -= 1

    def _idle(self, target: int, workers: Workers | LoopWorkers) -> bool:
        """Under the lock: whether nothing is to be done until that instant.

        Work goes from the inbox to a hand and on to the tasks or the heap: looking in this order misses none. A job that
        ended meanwhile may have put another one where it was looked already; then `done` has changed.
        """
        before = self._done
        if not self._inbox.empty() or workers.busy or self._tasks.begun:
            return False
        return self._backlog.next_at() > max(target, self._now()) and before == self._done

    @property
    def _done(self) -> int:
        done = self._handled + self._kept.done + (self._workers.done if self._workers else 0)
        return done if self._tasks is self._kept else done + self._tasks.done

    def _waiting(self) -> tuple[Waiting, ...]:
        if self._workers is None and not self._backlog.closed:
            self._backlog.sort()
        waiting = [(at, job) for at, _, job, _ in self._backlog.waiting() if not isinstance(job, Aside)]
        return tuple(Waiting(datetime_at(self._clock, at), job.describe()) for at, job in waiting)


def was_cancelled(error: BaseException) -> bool:
    """Whether it is how a task ends that was cancelled by others than us: an error of its job."""
    if "asyncio" not in sys.modules:
        return False
    from asyncio import CancelledError

    return isinstance(error, CancelledError)


def elsewhere(work: Callable[[], T]) -> asyncio.Future[T]:
    """The outcome of work that blocks, done in a thread of its own: the loop's executor may be busy for ever."""
    import asyncio
    from concurrent.futures import Future

    outcome: Future[T] = Future()
    outcome.set_running_or_notify_cancel()

    def run() -> None:
        try:
            outcome.set_result(work())
        except BaseException as error:  # raised by whoever awaits it
            outcome.set_exception(error)

    threading.Thread(target=run, name="decouple-close", daemon=True).start()
    return asyncio.wrap_future(outcome)


def rest_of(timeout: float | None, spent: float) -> float | None:
    """What is left of so many seconds."""
    return None if timeout is None else max(0.0, timeout - spent)
