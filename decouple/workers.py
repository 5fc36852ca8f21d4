"""The threads of a runner: they wait in the inbox of one backlog, and grow in number only while all of them are busy.

An idle worker costs nothing: it is blocked in the inbox. When something waits in the heap, one idle worker is the lookout,
whose wait ends when the first of it is due; it then puts what is due at the end of the inbox, so that the order
is that of falling due, whoever is busy. A lookout that begins a job leaves a LOOK in the inbox for another.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from heapq import heappop, heappush
from queue import Empty

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
        self._lookout: Hand | None = None
        self._until = 0
        self._called = False

    def start(self) -> None:
        """Start the first worker; the others are started by workers, so that whoever puts work never pays for a thread."""
        self._hire()

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
        while not (backlog.closed and hand):
            self._fetch(hand)
            if hand and not backlog.closed:
                self._see_to(hand)
        try:
            give_up(hand)
        finally:
            backlog.inbox.put(LOOK)  # the next one is to leave as well

    def _see_to(self, hand: Hand) -> None:
        at = hand[0][0]
        error = None
        if at > self._backlog.now():
            self._postpone(hand)
        elif at < 0:
            self._called = False
        else:
            error = self._begin(hand)
        hand.clear()
        self._backlog.tell(error)

    def _begin(self, hand: Hand) -> BaseException | None:
        """See the job in hand through; its error, with which it has dealt, also an exit: a thread has none."""
        if len(self._hands) < self._limit and all(self._hands):
            self._hire()
        if self._backlog.later and (self._lookout is None or self._lookout is hand):
            self._resign()
        _, _, job, context = hand[0]
        if job.awaits:
            self._begin_task(hand[0])
            return None
        try:
            context.run(job.run)
        except BaseException as error:
            return error
        finally:
            hand.done += 1  # before the hand is empty: see Runner._idle
        return None

    def _fetch(self, hand: Hand) -> None:
        """Wait for the next entry, or for when the lookout is to look."""
        backlog = self._backlog
        seconds = None
        if backlog.later:
            # Under load the lock is left alone: a worker that lost the GIL while it held it would stop all others.
            busy = not backlog.inbox.empty() and backlog.next_at() > backlog.now()
            seconds = 0.0 if busy else self._keep_lookout(hand)
        try:  # noqa: SIM105  # suppress() would cost each job 0.5 us
            hand.extend(map(backlog.inbox.get, (True,), (seconds,)))
        except Empty:
            pass

    def _keep_lookout(self, hand: Hand) -> float | None:
        """Put what is due into the inbox; how long to wait then, None for those who need not look."""
        backlog = self._backlog
        with backlog.lock:
            now = backlog.now()
            while backlog.later and backlog.later[0][0] <= now:
                backlog.inbox.put(heappop(backlog.later))
            if not backlog.inbox.empty():
                return 0.0
            if not backlog.later:
                return None
            at = backlog.later[0][0]
            # One whose alarm is set too late stays asleep: it finds out when it goes off.
            if self._lookout is None or self._lookout is hand or at < self._until:
                self._lookout, self._until = hand, at
                return seconds_until(at, now)
        return None

    def _resign(self) -> None:
        """About to be busy: another one is to look out. Without the lock: at worst two do."""
        self._lookout = None
        if not self._called:
            self._called = True
            self._backlog.inbox.put(LOOK)

    def _postpone(self, hand: Hand) -> None:
        backlog = self._backlog
        with backlog.lock:
            if not backlog.closed:
                heappush(backlog.later, hand[0])
                return
        give_up(deque(hand))

    # -- all of them ------------------------------------------------------------------------------------------

    def __contains__(self, thread: threading.Thread) -> bool:
        return any(hand.thread is thread for hand in self._hands)

    @property
    def busy(self) -> bool:
        return any(self._hands)

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
        alive = [hand for hand in others if hand.thread.is_alive()]
        return [job.describe() for hand in alive for at, _, job, _ in tuple(hand) if at >= 0]


def seconds_until(at: int, now: int) -> float:
    """Real seconds, at most a day: locks refuse to wait for centuries."""
    return min(max(0, at - now) / SECOND, DAY)
