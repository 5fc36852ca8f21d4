"""MoveTask: a redrive under way, all at once or so many messages a second.

One letter after the other moves, each in the three steps of moving.py; with a rate the n-th n/rate seconds after the start.
Nothing ticks: whoever uses the queue, waits for the task, looks at it or moves a virtual clock makes the moves that are
due. One at a time does so; whoever finds another at it leaves it to that one. An interrupt leaves the move in hand, and
the next one goes on with it.
"""

from __future__ import annotations

import threading
from collections import deque
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

from decouple.clock import Seconds, nanoseconds
from decouple.core.deadlines import FAR
from decouple.core.places import Move
from decouple.core.records import Details
from decouple.core.settings import SECOND
from decouple.errors import DecoupleError
from decouple.message import Message
from decouple.moving import bring
from decouple.parking import Park, TaskPark, ThreadPark

if TYPE_CHECKING:
    from decouple.keeping_moves import KeptTask
    from decouple.queue import Queue

__all__ = ["AsyncMoveTask", "Letter", "MoveTask"]

Status: TypeAlias = Literal["running", "completed", "cancelling", "cancelled", "failed"]

LONGEST = 36 * 3600 * SECOND
REMEMBERED = 10
BUSY = 0.01
"""Real seconds between two looks at a move that another thread has in hand."""


class Letter(NamedTuple):
    """A message to be moved: its number here, where it goes, and as what, when it was edited."""

    seq: int
    target: Queue[Any]
    entry: tuple[str, Details | None, int] | None
    refusal: Exception | None


class MoveTask:
    """A redrive: what it has moved, and what is left to do. Reading it makes the moves that are due.

    status: "running", "completed", "cancelling", "cancelled" or "failed", and then `failure` says why; moved, failed:
    how many arrived, how many were refused and stay; remaining: how many were chosen and are neither; targets: how many
    can go to each queue, by its name; messages: with dry_run, those that would be moved; errors: the first ten
    refusals. Messages that somebody receives or deletes meanwhile are passed over.
    """

    def __init__(self, queue: Queue[Any], to: Queue[Any] | None, max_per_second: float | None, keep: bool) -> None:
        self.to = to
        self.max_per_second = max_per_second
        self.keep = keep
        self.targets: dict[str, int] = {}
        self.messages: list[Message[Any]] = []
        self.errors: list[Exception] = []
        self.aio = AsyncMoveTask(self)
        self._queue = queue
        self._kept: KeptTask | None = None  # where it outlives the process
        self._status: Status = "running"
        self._failure: str | None = None
        self._moved = 0
        self._failed = 0
        self._left = 0  # letters it was ended without
        self._todo: deque[Letter] = deque()
        self._hand: Move | None = None
        self._slots = 0  # how many instants of the rate are used up
        self._ratio = None if max_per_second is None else max_per_second.as_integer_ratio()
        self._started = self._zero = queue._now()
        self._lock = threading.Lock()
        self._starter = (threading.get_ident(),)
        self._mover: tuple[int] | None = self._starter
        self._watchers: list[Park] = []

    def __repr__(self) -> str:
        return (
            f"<MoveTask of {self._queue.name!r}: {self._status}, {self._moved} moved, "
            f"{self._failed} failed, {self._left + len(self._todo)} remaining>"
        )

    @property
    def status(self) -> Status:
        """Whether it runs, or how it ended."""
        self.settle()
        return self._status

    @property
    def failure(self) -> str | None:
        """Why it failed: the target or the queue was closed, or it ran for 36 hours."""
        self.settle()
        return self._failure

    @property
    def moved(self) -> int:
        """How many messages have arrived."""
        self.settle()
        return self._moved

    @property
    def failed(self) -> int:
        """How many were refused by their target or by `edit`, and stay."""
        self.settle()
        return self._failed

    @property
    def remaining(self) -> int:
        """How many are still to be moved, or were when it was cancelled or failed."""
        self.settle()
        return self._left + len(self._todo)

    @property
    def started_at(self) -> datetime:
        """When it was started."""
        return self._queue._shown(self._started)

    def cancel(self) -> int:
        """End it; how many were moved. Those stay where they are. No error when it is over. Source: CancelMessageMoveTask."""
        with self._lock:
            if self._status == "running":
                self._status = "cancelling"
                self._queue._now()  # as before every change: what happens next there is not what it was
        return self.moved

    def wait(self, timeout: Seconds | None = None) -> MoveTask:
        """Itself, once it is over or `timeout` seconds have passed. On real time this thread makes the moves."""
        park = WaitingThread(self._queue.name, 1, 0, self._wait_until(timeout))
        try:
            self._watchers.append(park)
            while not self._ended(park):
                if self._busy():
                    park.block(BUSY)
                else:
                    self._queue.clock.sleep(park, min(park.until, self._at()))
            return self
        finally:
            self._forget(park)

    # -- time --------------------------------------------------------------------------------------------------

    @property
    def over(self) -> bool:
        """Whether it has ended, one way or another, as far as settled."""
        return self._status not in ("running", "cancelling")

    def _at(self) -> int:
        """When there is something to do next. The n-th move is not before n/rate, to the nanosecond."""
        if not self._todo or self._ratio is None or self._status == "cancelling":
            return self._zero
        count, seconds = self._ratio
        return min(self._zero - (-self._slots * SECOND * seconds // count), self._started + LONGEST)

    def _busy(self) -> bool:
        """Whether somebody is at it just now."""
        return self._mover is not None or (self._hand is not None and self._hand.claimed)

    def _due(self) -> bool:
        return not self.over and (self._queue.closed or self._queue._now() >= self._at())

    def next_at(self) -> int:
        """For the clock: when it moves the next message, or a wait for it is over."""
        ends = [park.until for park in list(self._watchers) if not park.done]
        # Whoever is at it looks at the clock again before he leaves.
        return min([FAR if self.over or self._busy() else self._at(), *ends])

    def _wait_until(self, timeout: Seconds | None) -> int:
        mover = self._mover
        if mover is not None and mover[0] == threading.get_ident():
            raise RuntimeError(f"{self!r} would wait for itself: this thread is making its moves")
        return FAR if timeout is None else self._queue._now() + nanoseconds(timeout, "timeout")

    # -- the moves ---------------------------------------------------------------------------------------------

    def settle(self) -> None:
        """Make the moves that are due, and end the waits that are over."""
        while self._due() and self._advance():
            pass
        if self.over:
            self._leave()
        elif self._watchers:
            now = self._queue._now()
            for park in [park for park in list(self._watchers) if park.until <= now]:
                self._tell(park)

    def _advance(self) -> bool:
        """Make moves as long as they are due; False if somebody else is at it."""
        me = (threading.get_ident(),)
        try:
            with self._lock:
                if self._mover is not None:
                    return False
                self._mover = me
            return self._make_moves()
        finally:
            if self._mover is me:
                self._mover = None

    def _make_moves(self) -> bool:
        while self._due():
            if not self._step():
                return False
        return True

    def _step(self) -> bool:
        """The next thing to do; False if another thread has the move in hand."""
        if self._hand is not None:
            return self._move()
        if self._status == "cancelling":
            self._end("cancelled")
        elif self._queue.closed:
            self._end("failed", f"queue {self._queue.name!r} is closed")
        elif not self._todo:
            self._end("completed" if self._failure is None else "failed", self._failure)
        elif (now := self._queue._now()) >= self._started + LONGEST:
            self._end("failed", f"it ran for {LONGEST // SECOND // 3600} hours, the longest a redrive may")
        else:
            # Late by more than a second (nobody looked): the moves missed meanwhile do not come in one burst.
            self._zero += max(0, now - self._at() - SECOND)
            return self._move()
        return True

    def _move(self) -> bool:
        """Move the first letter, or go on with it; False if another thread has it in hand."""
        queue, seq = self._queue, self._todo[0].seq
        try:
            if self.keep:
                self._copy()
            else:
                bring(queue, self._pick)
            move = self._hand
            if move is not None and queue._core.moving.get(seq) is move:
                return False
            self._count(move)
            return True
        finally:
            queue._follow_up()

    def _pick(self, now: int) -> Move | None:
        """Under the queue's lock: the move in hand, if nobody carries it, or else the first letter's, if it is visible."""
        core, move, letter = self._queue._core, self._hand, self._todo[0]
        if move is not None:
            return move if core.moving.get(letter.seq) is move and not move.claimed else None
        delivery = core.standing(letter.seq)
        if delivery is not None:
            self._hand = move = core.depart(
                now, delivery, letter.target, as_new=True, entry=letter.entry, refusal=letter.refusal
            )
        return move

    def _copy(self) -> None:
        """Deliver the letter without its leaving."""
        core, letter = self._queue._core, self._todo[0]
        if self._hand is None:
            with self._queue._lock:
                delivery = core.standing(letter.seq)
                if delivery is not None:
                    self._hand = Move(delivery, letter.target, core, None, True, letter.entry, letter.refusal)
        move = self._hand
        if move is not None and not move.arrived and move.refusal is None:
            try:
                move.target.deliver(move)
            except DecoupleError as error:
                move.refusal = error

    def _count(self, move: Move | None) -> None:
        """The first letter has arrived, was refused, or (None) was gone. A closed queue takes none of the others either."""
        if move is not None and move.refusal is not None and len(self.errors) < REMEMBERED:
            self.errors += (move.refusal,)
        if move is not None and not move.arrived and move.target.closed:
            rest = deque(letter for letter in self._todo if letter.target is not move.target)
            failed, why = self._failed + len(self._todo) - len(rest), str(move.refusal)
            # commit
            self._todo = rest
            self._hand = None
            self._failed = failed
            self._failure = why
            return
        tried = self._todo[0].refusal is None
        # commit
        del self._todo[0]
        self._hand = None
        if move is not None:
            self._slots += tried
            self._moved += move.arrived
            self._failed += not move.arrived
        if self._kept is not None:
            self._kept.moved(self)

    # -- begin and end -----------------------------------------------------------------------------------------

    def _start(self, letters: list[Letter]) -> None:
        """Make the first moves; without a rate all of them."""
        queue = self._queue
        now = queue._now()
        with queue._lock:
            queue._tasks = (self, *queue._tasks[: REMEMBERED - 1])
        self._todo = deque(letters)
        self._started = self._zero = now
        self._make_moves()
        self._mover = None
        self.settle()
        if self.max_per_second is None:
            self.wait()

    def _pretend(self, good: list[Letter], bad: list[Letter]) -> None:
        """Say what would be moved, and be over."""
        self._left, self._failed = len(good), len(bad)
        self.errors = [letter.refusal for letter in bad[:REMEMBERED] if letter.refusal is not None]
        self._mover = None
        self._end("completed")

    def _end(self, status: Status, failure: str | None = None) -> None:
        left = self._left + len(self._todo)
        nothing: deque[Letter] = deque()
        # commit
        self._status = status
        self._failure = failure
        self._left = left
        self._todo = nothing
        if self._kept is not None and not self._queue.closed:
            self._kept.drop()
        self._leave()

    def _abandon(self) -> None:
        """Whoever started it never got it."""
        if self._mover is self._starter:
            self._mover = None
        self.cancel()

    def _leave(self) -> None:
        """It is over: wake those who wait, and make room for another task."""
        for park in list(self._watchers):
            self._tell(park)
        if self._queue._task is self:
            with self._queue._lock:
                if self._queue._task is self:
                    self._queue._task = None

    def _tell(self, park: Park) -> None:
        park.done = True
        park.wake()

    def _ended(self, park: ThreadPark | TaskPark) -> bool:
        """Whether a wait for it is over, after a look; a wake from here on is remembered."""
        park.arm()
        self.settle()
        return park.done

    def _forget(self, park: Park) -> None:
        if park in self._watchers:
            self._watchers.remove(park)


class AsyncMoveTask:
    """The awaitable face of a MoveTask: `await task.aio.wait()`."""

    __slots__ = ("_task",)

    def __init__(self, task: MoveTask) -> None:
        self._task = task

    async def wait(self, timeout: Seconds | None = None) -> MoveTask:
        """The task, once it is over or `timeout` seconds have passed. On real time this coroutine makes the moves."""
        import asyncio

        task = self._task
        park = WaitingTask(task._queue.name, 1, 0, task._wait_until(timeout))
        try:
            task._watchers.append(park)
            while not task._ended(park):
                if task._busy():
                    await asyncio.sleep(BUSY)
                    continue
                at = min(park.until, task._at())
                timer = task._queue.clock.call_at(park.loop, at, park.look, park.fail, park.describe)
                try:
                    await park.future
                finally:
                    timer.cancel()
            return task
        finally:
            task._forget(park)


class WaitingThread(ThreadPark):
    """A thread that waits for a task to end."""

    __slots__ = ()

    def describe(self) -> str:
        return f"thread {self._name!r} waits for the redrive of queue {self.queue!r}"


class WaitingTask(TaskPark):
    """An asyncio task that waits for a move task to end."""

    __slots__ = ()

    def describe(self) -> str:
        return super().describe().replace("waits for a message in", "waits for the redrive of")
