"""Redrives that a process which is gone has left: gone on with, or shown as failed, with the reason."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from decouple.errors import MoveTaskRunning
from decouple.keeping_moves import KIND, KeptTask, tell
from decouple.movetask import MoveTask
from decouple.redrive import choose, letter_for, occupy

if TYPE_CHECKING:
    from decouple.adopting import Adopting
    from decouple.outliving import Outliving
    from decouple.queue import Queue

__all__ = ["adopt_tasks"]


def adopt_tasks(broker: Outliving, adopting: Adopting, *, later: bool = False) -> None:
    """Go on with the tasks of processes that are gone; later: from the next look on."""

    def take(key: str, record: dict[str, Any]) -> None:
        queue = broker._queues.get(record["queue"])
        kept = KeptTask(adopting.shelf, key, record, adopting.clock.now())
        if queue is not None:
            go_on(broker, queue, kept)
        elif adopting.shelf.get("queue", record["queue"]) is None:
            kept.drop()  # the queue was deleted

    adopting.adopt(KIND, take, later=later)


def go_on(broker: Outliving, queue: Queue[Any], kept: KeptTask) -> None:
    """Make the moves that are left, or say why not."""
    record = kept.record
    to = broker._queues.get(record["to"])
    task = MoveTask(queue, to, record["rate"], False)
    task._kept, task._moved, task._failed = kept, record["moved"], record["failed"]
    if record["own"]:
        fail(task, f"its process ended, and what {' and '.join(record['own'])} said is not known in another one")
    elif record["to"] is not None and to is None:
        fail(task, f"queue {record['to']!r} is not there any more")
    else:
        begin_again(broker, task, record)


def begin_again(broker: Outliving, task: MoveTask, record: dict[str, Any]) -> None:
    queue = task._queue
    try:
        occupy(queue, task)
    except MoveTaskRunning as error:
        fail(task, f"its process ended, and here another one runs: {error}")
        return
    chosen = [(letter, target) for letter, target in choose(queue, task.to, None) if letter.record[2] <= record["last"]]
    letters = [letter_for(letter, target, None, keep=False) for letter, target in chosen]
    task.targets = dict(Counter(letter.target.name for letter in letters))
    try:
        task._start(letters)
    except BaseException:  # interrupted: whoever uses the queue goes on
        task._mover = None
        raise
    task._started = record["started"] - queue.clock.epoch
    if queue.clock.threaded and not task.over:
        broker._employed().runner.put(GoOn(task), task._at())


def fail(task: MoveTask, why: str) -> None:
    """End it, where move_tasks shows it; its messages stay where they are."""
    queue = task._queue
    with queue._lock:
        queue._tasks = (task, *queue._tasks)
    assert task._kept is not None
    task._left, task._mover = task._kept.record["left"], None
    task._end("failed", why)
    tell(f"the redrive of queue {queue.name!r} has failed, and {task._left} messages stay: {why}")


class GoOn:
    """The runner's job at each instant of a task that nobody here began, so that nobody waits for it."""

    awaits = False

    def __init__(self, task: MoveTask) -> None:
        self.task = task

    def run(self) -> None:
        self.task.settle()
        runner = None if self.task.over else self.task._queue._employer
        if runner is not None:
            runner._workers().put(self, self.task._at())

    async def arun(self) -> None:
        self.run()

    def abandon(self) -> None:
        """The broker closes: the next process goes on."""

    def describe(self) -> str:
        return f"the redrive of queue {self.task._queue.name!r}"
