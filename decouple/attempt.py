"""One attempt to deliver a notification: begun, and whatever comes of it, ended in exactly one way.

A target may raise anything, also what is no Exception, and what cannot even be shown as text. Here it is told apart
who ended the attempt: the target, which has then failed, or somebody from outside, after which it is made again.
"""

from __future__ import annotations

import threading
from types import TracebackType
from typing import TYPE_CHECKING, Any

from decouple.callers import WORK
from decouple.core.records import Failure
from decouple.errors import DeliveryFailed
from decouple.message import failure_of
from decouple.notification import Notification

if TYPE_CHECKING:
    from decouple.pending import Hand
    from decouple.pushing import Line
    from decouple.testing.faults import Injection

__all__ = ["Attempt", "reason_of", "words_of"]


class Attempt:
    """One delivery: whatever comes of it, the notification is in one place afterwards and the line goes on."""

    __slots__ = ("answer", "hand", "line", "notification", "struck")

    def __init__(self, line: Line, hand: Hand) -> None:
        pending = hand[0]
        assert pending is not None
        self.line = line
        self.hand = hand
        self.answer: Any = None
        self.struck = False
        self.notification = Notification(
            pending.publication,
            line.subscription.way,
            envelope=line.subscription.terms.envelope,
            attempt=pending.failures + 1,
            kind=pending.kind,
            token=pending.token,
        )

    def __enter__(self) -> Attempt:
        WORK.set(self.line)  # for this job, whose context variables are its own
        return self

    def suffer(self, faults: Injection) -> None:
        """Fail in place of the target, where a fault is to make it. Raises DeliveryFailed, which is no error of a job."""
        here, pending = self.line.subscription, self.hand[0]
        assert pending is not None
        publication, before = pending.publication, pending.failures
        if pending.counted:
            self.struck = None is not faults.strike(
                "fail_target", here.topic.name, publication.record, id=publication.id, receives=before
            )
        if self.struck:
            here.tell("fault", publication, receives=before + 1, reason=f"fail_target: {here.name} was made to fail")
            raise DeliveryFailed(here.name, why="a fault made it fail")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        try:
            if error is None:
                self.line.took(self.hand, self.answer)
            elif cut_short(error, self.line.awaits):
                self.line.give_back(self.hand)
            else:
                self.line.refused(self.hand, error)
        finally:
            if self.hand[0] is None:  # else it was interrupted, and is put right
                self.line.again(self.hand)
        return self.struck and isinstance(error, DeliveryFailed)


def cut_short(error: BaseException, awaited: bool) -> bool:
    """Whether somebody ended the attempt from outside, rather than the target: a Ctrl-C, or who cancelled its task."""
    if isinstance(error, KeyboardInterrupt):
        return threading.current_thread() is threading.main_thread()  # no other thread is told of a Ctrl-C
    if not awaited or isinstance(error, Exception):
        return False
    import asyncio

    if isinstance(error, asyncio.CancelledError):
        task = asyncio.current_task()
        return task is not None and task.cancelling() > 0
    return isinstance(error, GeneratorExit)


def words_of(what: object) -> str:
    """It as text, whatever its own words do."""
    try:
        return str(what)
    except Exception as fault:
        return f"<{type(what).__qualname__} whose str() raises {type(fault).__name__}>"


def reason_of(error: BaseException, attempts: int) -> Failure:
    """Why it is dead."""
    try:
        return failure_of(error, attempts)
    except Exception:
        return Failure(type(error).__qualname__, words_of(error), "", attempts)
