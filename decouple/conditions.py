"""Waiting for a condition: a thread or a task sleeps until something happens that may have made it true.

What rings are the changes of the queue's broker, and what falls due in the queue itself; nothing polls. Whoever waits looks
at the condition itself, so it is called in no other thread.
"""

from __future__ import annotations

import linecache
import os
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from decouple.clock import SECOND, Clock, Seconds, nanoseconds
from decouple.core.changes import Change
from decouple.core.deadlines import FAR
from decouple.parking import TaskPark

if TYPE_CHECKING:
    from decouple.queue import Queue

__all__ = ["wait_for", "wait_for_as_task"]

R = TypeVar("R")
SHORTEST = 1_000_000  # nanoseconds between two looks, lest a deadline that nobody can settle keeps us busy
LONGEST_LINE = 100


class Condition(Generic[R]):
    """What is waited for, until an instant of the clock. Its own AssertionError is why it does not hold yet."""

    def __init__(self, queue: Queue[Any], predicate: Callable[[], R], timeout: Seconds) -> None:
        if not callable(predicate):
            raise TypeError(
                f"wait_for takes a function without arguments that says whether to go on, not {predicate!r:.80}"
            )
        self.queue = queue
        self.predicate = predicate
        self.timeout = nanoseconds(timeout, "timeout", least=0)
        self.until = queue.clock.now() + self.timeout
        self.why: AssertionError | None = None
        self.answer: R

    def holds(self) -> bool:
        """Look at it, with what is due in the queue settled."""
        self.queue.settle()
        try:
            self.answer = self.predicate()
        except AssertionError as error:
            self.why = error
            return False
        self.why = None
        answer: Any = self.answer
        if hasattr(answer, "__await__"):
            if hasattr(answer, "close"):
                answer.close()  # nobody is going to await it, and that is said here
            raise TypeError(f"the condition at {self.place} is asynchronous: give a plain function")
        return bool(self.answer)

    @property
    def place(self) -> str:
        """Where its author wrote it, with the line."""
        code = getattr(self.predicate, "__code__", None)
        if code is None:
            return repr(self.predicate)[:LONGEST_LINE]
        line = linecache.getline(code.co_filename, code.co_firstlineno).strip()[:LONGEST_LINE]
        return f"{os.path.basename(code.co_filename)}:{code.co_firstlineno}{line and f': {line}'}"

    def describe(self, who: str) -> str:
        """For the list of those who wait."""
        return f"{who} waits for a condition, of queue {self.queue.name!r}, at {self.place}"

    def check_time(self) -> None:
        """Raises AssertionError when the time is over."""
        __tracebackhide__ = True
        if self.queue.clock.now() >= self.until:
            why = "" if self.why is None else f"\n{self.why}"
            waited = f"waited {self.timeout / SECOND:g} s in vain for the condition at {self.place}"
            raise AssertionError(f"{waited}\n{self.queue!r}{why}") from self.why

    def next_look(self) -> int:
        """When to look again though nothing rings: on real time nobody notices that something is due, unless he looks."""
        if not self.queue.clock.threaded:
            return self.until
        return min(self.until, max(self.queue.next_at(), self.queue.clock.now() + SHORTEST))


class Bell:
    """Rung by every change, and by a virtual clock at the instant `until`."""

    def __init__(self, clock: Clock, until: int, wake: Callable[[], object]) -> None:
        self._until = until
        self._wake = wake
        clock.attach(self)

    def __call__(self, change: Change) -> None:
        self._wake()

    def next_at(self) -> int:
        """For the clock."""
        return self._until

    def settle(self) -> None:
        """For the clock: it is that time."""
        self._until = FAR
        self._wake()


@contextmanager
def rung(queue: Queue[Any], bell: Bell) -> Generator[None]:
    """While the bell is told of all that happens."""
    broker = queue._employer
    if broker is None:
        queue._observe([bell])
    else:
        broker.observe(bell)
    try:
        yield
    finally:
        if broker is None:
            queue._unobserve(bell)
        else:
            broker.unobserve(bell)


# -- as a thread -------------------------------------------------------------------------------------------------------


class Thread:
    """A thread that waits for a condition, as a clock knows it."""

    def __init__(self, condition: Condition[Any]) -> None:
        self._condition = condition
        self._rung = threading.Event()
        self.wake = self._rung.set
        self.arm = self._rung.clear

    @property
    def done(self) -> bool:
        """Asked by a virtual clock before each step."""
        return self._condition.holds()

    def block(self, seconds: float) -> bool:
        """Wait to be woken, for at most so many real seconds; whether it was."""
        return self._rung.wait(seconds)

    def describe(self) -> str:
        return self._condition.describe(f"thread {threading.current_thread().name!r}")


def wait_for(queue: Queue[Any], predicate: Callable[[], R], timeout: Seconds) -> R:
    """See Queue.wait_for."""
    __tracebackhide__ = True
    condition = Condition(queue, predicate, timeout)
    thread, clock = Thread(condition), queue.clock
    bell = Bell(clock, condition.until, thread.wake)
    with rung(queue, bell):
        while True:
            thread.arm()  # first: what comes from now on is not missed
            if condition.holds():
                return condition.answer
            condition.check_time()
            clock.sleep(thread, condition.next_look())


# -- as a task ---------------------------------------------------------------------------------------------------------


class Task(TaskPark):
    """A task that waits for a condition."""

    def __init__(self, condition: Condition[Any]) -> None:
        super().__init__(condition.queue.name, 0, 0, condition.until)
        self._condition = condition

    def describe(self) -> str:
        return self._condition.describe(f"task {self._task.get_name()!r}" if self._task is not None else "a task")


async def wait_for_as_task(queue: Queue[Any], predicate: Callable[[], R], timeout: Seconds) -> R:
    """See AsyncQueue.wait_for."""
    __tracebackhide__ = True
    condition = Condition(queue, predicate, timeout)
    task, clock = Task(condition), queue.clock
    bell = Bell(clock, condition.until, task.wake)
    with rung(queue, bell):
        while True:
            task.arm()
            if condition.holds():
                return condition.answer
            condition.check_time()
            timer = clock.call_at(task.loop, condition.next_look(), task.look, task.fail, task.describe)
            try:
                await task.future
            finally:
                timer.cancel()
