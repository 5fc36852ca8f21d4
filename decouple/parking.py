"""Parked receives: how a waiting caller is told that its messages are here.

A receive that finds nothing leaves a park in the queue's state. Whoever makes a message visible (a sender, a nack,
an expiry) fills parks in the order they came, under the queue's lock, and calls `wake` after releasing it. A thread's
wake releases a lock; a task's completes a future on its own loop. A wake is a hint: whoever is woken looks at `done`
under the lock, so waking twice, or for nothing, does no harm.

Nothing here reads the clock; patience alone is in real seconds. asyncio is imported when the first task waits, so
synchronous programs do not pay for it.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from decouple.core.records import Delivery

if TYPE_CHECKING:
    import asyncio

__all__ = ["Park", "TaskPark", "ThreadPark"]


class Park:
    """A receive that waits: for up to `most` messages, until an instant, each then in flight for `lease`."""

    __slots__ = ("done", "lease", "messages", "most", "queue", "until", "work")

    def __init__(self, queue: str, most: int, lease: int, until: int) -> None:
        self.queue = queue
        self.most = most
        self.lease = lease
        self.until = until
        self.messages: list[Delivery] = []
        self.done = False
        self.work: object = None  # what the wait is a part of, for the records, where somebody listens

    @property
    def place(self) -> Any:
        """Where it waits: the loop of a task, None for all threads."""
        return None

    @property
    def gone(self) -> bool:
        """Whether nobody can be told any more."""
        return False

    @property
    def who(self) -> str:
        """Who waits, for the records."""
        return "?"

    def wake(self) -> bool:
        """Tell whoever waits to look. False when nobody is left to be told."""
        raise NotImplementedError

    def give_up(self) -> None:
        """Its time is over at the next look, whatever the clock says; what came by then is still had."""
        self.until = 0


class ThreadPark(Park):
    """A waiting thread: blocked on a lock that the waker releases. patience: as for `receive`."""

    __slots__ = ("_gate", "_name", "_patient_until")

    def __init__(self, queue: str, most: int, lease: int, until: int, patience: float | None = None) -> None:
        super().__init__(queue, most, lease, until)
        self._name = threading.current_thread().name
        self._gate = threading.Lock()
        self._patient_until = None if patience is None else time.monotonic() + patience

    def arm(self) -> None:
        """From now on a wake is remembered until the next `block`."""
        self._gate.acquire(blocking=False)

    def block(self, seconds: float) -> bool:
        """Wait to be woken, for at most so many real seconds; whether it is to look."""
        if self._patient_until is None:
            return self._gate.acquire(timeout=seconds)
        if not self._gate.acquire(timeout=max(0.0, min(seconds, self._patient_until - time.monotonic()))):
            self.give_up()
        return True

    def wake(self) -> bool:
        try:  # noqa: SIM105  # suppress() would cost a hand-off 1 us
            self._gate.release()
        except RuntimeError:
            pass  # woken already, and not yet looked: one wake is enough
        return True

    @property
    def who(self) -> str:
        return f"thread {self._name}" if self.work is None else str(self.work)

    def describe(self) -> str:
        return f"thread {self._name!r} waits for a message in queue {self.queue!r}"


class TaskPark(Park):
    """A waiting asyncio task: suspended on a future of its loop that the waker completes."""

    __slots__ = ("_running", "_task", "future", "loop")

    def __init__(self, queue: str, most: int, lease: int, until: int) -> None:
        import asyncio

        super().__init__(queue, most, lease, until)
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[None] = self.loop.create_future()
        self._running: Any = asyncio._get_running_loop
        self._task = asyncio.current_task()

    def arm(self) -> None:
        """From now on a wake is remembered until the future is next awaited."""
        if self.future.done():
            self.future = self.loop.create_future()

    @property
    def place(self) -> Any:
        return self.loop

    @property
    def gone(self) -> bool:
        return self.loop.is_closed()

    def wake(self) -> bool:
        if self._running() is self.loop:
            self.look()
            return True
        try:
            self.loop.call_soon_threadsafe(self.look)
        except RuntimeError:  # the loop was closed under its task
            return False
        return True

    def look(self) -> None:
        """On the loop: let the task go on."""
        if not self.future.done():
            self.future.set_result(None)

    def fail(self, error: Exception) -> None:
        """On the loop: let the task go on with this error."""
        if not self.future.done():
            self.future.set_exception(error)

    def give_up(self) -> None:
        super().give_up()
        self.look()

    @property
    def who(self) -> str:
        return (
            f"task {self._task.get_name() if self._task is not None else '?'}" if self.work is None else str(self.work)
        )

    def describe(self) -> str:
        name = self._task.get_name() if self._task is not None else "?"
        return f"task {name!r} waits for a message in queue {self.queue!r}"
