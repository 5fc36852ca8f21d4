"""The threads of a runner: they wait in the inbox of one backlog, and grow in number only while all of them are busy.

An idle worker costs nothing: it is blocked in the inbox. What is not due yet goes to the heap, and a timekeeper, a
thread that is started when the first such job comes, sleeps until the first of it is due and puts it at the end of the
inbox: so the order is that of falling due, whoever is busy.

The workers themselves cannot wait with a timeout: where several threads wait in a SimpleQueue, CPython's get(timeout)
may block for ever (3.11: one woken in vain after its time goes on with a negative timeout, which means none).
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from heapq import heappop, heappush

from decouple.backlog import LOOK, Backlog, Entry, give_up

__all__ = ["Workers", "seconds_until"]

SECOND = 1_000_000_000
DAY = 86_400.0


class Hand(deque[Entry]):
    """What one worker is at: at most one entry. It comes out of the inbox and in here within one C call.

    So whoever finds the inbox empty, and then all hands, has overlooked nothing.
    """

    def __init__(self, work: Callable[[Hand], None], number: int) -> None:
        super().__init__()
        self.done = 0
        # A daemon: a program that forgets close() ends nevertheless. One that calls it loses nothing by that.
        self.thread = threading.Thread(target=work, args=(self,), name=f"decouple-worker-{number}", daemon=True)


class Workers:
    """Up to `limit` threads that do the work of `backlog`; async jobs are handed to `begin_task`.

    They know nothing of who made them: a runner that is dropped without close can be collected, and dismisses them.
    """

    def __init__(self, backlog: Backlog, limit: int, begin_task: Callable[[Entry], None]) -> None:
        self._backlog = backlog
        self._limit = limit
        self._begin_task = begin_task
        self._hands: list[Hand] = []
        self._timekeeper: threading.Thread | None = None

    def start(self) -> None:
        """Start the first worker; the others are started by workers, so that whoever puts work never pays for a thread."""
        self._hire()
        with self._backlog.lock:
            if self._backlog.later:
                self._watch_time()

    def _hire(self) -> None:
        """Add a worker, unless one is idle."""
        with self._backlog.lock:
            if self._backlog.closed or len(self._hands) >= self._limit or not all(self._hands):
                return
            hand = Hand(self._work, len(self._hands) + 1)
            # No more threads on this machine, or the interpreter ends: those at hand do the work.
            with suppress(RuntimeError):
                hand.thread.start()
                self._hands.append(hand)

    # -- one worker -------------------------------------------------------------------------------------------

    def _work(self, hand: Hand) -> None:
        backlog = self._backlog
        get = backlog.threads_inbox.get
        while not backlog.closed:
            hand.extend(map(get, (True,)))
            if not backlog.closed:
                error = self._see_to(hand)
                hand.clear()
                backlog.tell(error)
                del error
        try:
            while hand:
                give_up(hand)
        finally:
            backlog.inbox.put(LOOK)  # the next one is to leave as well

    def _see_to(self, hand: Hand) -> BaseException | None:
        if hand[0][0] > self._backlog.now():
            self._postpone(hand)
            return None
        return self._begin(hand)

    def _begin(self, hand: Hand) -> BaseException | None:
        """See the job in hand through; its error, with which it has dealt, also an exit: a thread has none."""
        if len(self._hands) < self._limit and all(self._hands):
            self._hire()
        _, number, job, context = hand[0]
        if job.awaits:
            self._begin_task(hand[0])
            self._backlog.unfinished.pop(number, None)
            return None
        try:
            context.run(job.run)
        except BaseException as error:
            return error
        finally:
            hand.done += 1  # before it is forgotten: see Runner._idle
            self._backlog.unfinished.pop(number, None)
        return None

    # -- what is not due yet ----------------------------------------------------------------------------------

    def _postpone(self, hand: Hand) -> None:
        backlog = self._backlog
        with backlog.lock:
            if not backlog.closed:
                heappush(backlog.later, hand[0])
                if backlog.later[0] is hand[0]:
                    self._watch_time()
                return
        give_up(deque(hand))

    def _watch_time(self) -> None:
        """Under the lock: the first of the heap is another one."""
        if self._timekeeper is None:
            timekeeper = threading.Thread(target=self._keep_time, name="decouple-timekeeper", daemon=True)
            timekeeper.start()
            self._timekeeper = timekeeper
        self._backlog.ring()

    def _keep_time(self) -> None:
        backlog = self._backlog
        while not backlog.closed:
            with backlog.lock:
                now = backlog.now()
                while backlog.later and backlog.later[0][0] <= now:
                    backlog.inbox.put(heappop(backlog.later))
                seconds = seconds_until(backlog.later[0][0], now) if backlog.later else -1
            backlog.gate.acquire(timeout=seconds)

    # -- all of them ------------------------------------------------------------------------------------------

    def __contains__(self, thread: threading.Thread) -> bool:
        return any(hand.thread is thread for hand in self._hands)

    @property
    def busy(self) -> bool:
        return len(self._backlog.unfinished) > len(self._backlog.later) or any(self._hands)

    @property
    def done(self) -> int:
        """The jobs that have ended."""
        return sum(hand.done for hand in self._hands)

    def join(self, deadline: float | None) -> list[str]:
        """Wait for the end of all workers but the one that asks; the jobs that are still running at the deadline."""
        me = threading.current_thread()
        others = [hand for hand in list(self._hands) if hand.thread is not me]
        for hand in others:
            hand.thread.join(None if deadline is None else max(0.0, deadline - time.monotonic()))
        if self._timekeeper is not None:
            self._timekeeper.join()  # which is at nothing that takes time
        alive = [hand for hand in others if hand.thread.is_alive()]
        # What awaits is in hand only on its way to the loop, which tells of it.
        return [job.describe() for hand in alive for at, _, job, _ in tuple(hand) if at >= 0 and not job.awaits]


def seconds_until(at: int, now: int) -> float:
    """Real seconds, at most a day: locks refuse to wait for centuries."""
    return min(max(0, at - now) / SECOND, DAY)
