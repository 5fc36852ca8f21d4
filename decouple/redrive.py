"""Redrive: sends back what is dead, once its cause is mended.

What is to be moved is chosen at the start, while no lock is held, because `where` and `edit` are the user's; movetask.py
moves it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from decouple.core.records import details_of
from decouple.errors import DecoupleError, MoveTaskRunning
from decouple.large_bodies import another
from decouple.message import Entry, Message
from decouple.movetask import Letter, MoveTask
from decouple.moving import check_target, entry_for

if TYPE_CHECKING:
    from decouple.queue import Queue

__all__ = ["redrive"]


def redrive(
    queue: Queue[Any],
    to: Queue[Any] | None,
    where: Callable[[Message[Any]], object] | None,
    edit: Callable[[Message[Any]], Any] | None,
    max_per_second: float | None,
    *,
    dry_run: bool,
    keep: bool,
) -> MoveTask:
    """See Queue.redrive."""
    if to is not None:
        check_target(queue, to, "redriven")
        if to.fifo != queue.fifo:
            raise ValueError(
                f"queue {queue.name!r} is redriven to a queue of its kind, FIFO or standard, unlike {to.name!r}: "
                f"message.move(to, group=...) goes from one to the other"
            )
    for name, function in (("where", where), ("edit", edit)):
        if function is not None and not callable(function):
            raise TypeError(f"{name} must be a callable that takes a Message, not {function!r}")
    if max_per_second is not None:
        check_rate(max_per_second)
    queue._check_open()
    task = MoveTask(queue, to, max_per_second, keep)
    try:
        if not dry_run:
            occupy(queue, task)
        chosen = [
            (message, letter_for(message, target, edit, keep=keep)) for message, target in choose(queue, to, where)
        ]
        # What `edit` failed for comes first, because it waits for no instant.
        bad = [letter for _, letter in chosen if letter.refusal is not None]
        good = [letter for _, letter in chosen if letter.refusal is None]
        task.targets = dict(Counter(letter.target.name for letter in good))
        if dry_run:
            task.messages = [message for message, letter in chosen if letter.refusal is None]
            task._pretend(good, bad)
        else:
            if queue._shelf is not None and chosen:
                from decouple.keeping_moves import keep_task  # here, because in memory nothing outlives its process

                own = [word for word, asked in (("where", where), ("edit", edit), ("keep", keep)) if asked]
                keep_task(queue._shelf, task, bad + good, own)
            task._start(bad + good)
    except BaseException:
        task._abandon()
        raise
    return task


def occupy(queue: Queue[Any], task: MoveTask) -> None:
    """Become the queue's task. Raises MoveTaskRunning."""
    while True:
        running = queue._task
        if running is not None:
            running.settle()
        with queue._lock:
            if queue._task is None:
                queue._task = task
                return
        if running is not None and not running.over:
            raise MoveTaskRunning(queue.name, task=repr(running), moved=running._moved, remaining=len(running._todo))


def choose(
    queue: Queue[Any], to: Queue[Any] | None, where: Callable[[Message[Any]], object] | None
) -> list[tuple[Message[Any], Queue[Any]]]:
    """The visible messages for which `where` is true, in order, and where each goes; those that came from nowhere stay."""
    queue._unfold()
    letters = [letter for letter in queue.peek(queue.stats().visible) if where is None or where(letter)]
    targets = [(letter, letter.source if to is None else to) for letter in letters]
    return [(letter, target) for letter, target in targets if target is not None]


def check_rate(rate: object) -> None:
    """Messages a second: any positive number. Raises TypeError, ValueError."""
    if isinstance(rate, bool) or not isinstance(rate, (int, float)):
        raise TypeError(f"max_per_second must be an int or float, not {rate!r}")
    if not 0 < rate < float("inf"):
        raise ValueError(f"max_per_second must be over 0 and finite, not {rate!r}")


def letter_for(
    message: Message[Any], target: Queue[Any], edit: Callable[[Message[Any]], Any] | None, *, keep: bool
) -> Letter:
    """The message as it is to be moved; its refusal, if `edit` raised or the target does not take what it made."""
    seq = message.record[2]
    if edit is None and not keep:
        return Letter(seq, target, None, None)
    try:
        if edit is None:
            details = details_of(message.record)._replace(id=None, source=None, failure=None, brought=0)
            return Letter(seq, target, (another(message.record[0]), details, 0), None)
        # Neither a redrive nor a dead letter waits for the target's delay.
        return Letter(seq, target, entry_for(message, target, Entry(edit(message), 0)), None)
    except DecoupleError as error:
        return Letter(seq, target, None, error)
    except Exception as error:
        return Letter(seq, target, None, ValueError(f"edit failed: {type(error).__name__}: {error}"))
