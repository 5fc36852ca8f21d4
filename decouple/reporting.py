"""Telling observers what happened: every change, in order, without any lock of the queue.

The engine leaves changes in its log under the queue's lock; whoever comes by afterwards tells them. One thread does so at
a time, so the order is that of the changes; an observer may itself use the queue. Only an interrupt in the middle of a
telling (Ctrl-C) tells the same Change object again, rather than not at all.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import TypeAlias

from decouple.core.changes import Change

__all__ = ["Observer", "Reporter"]

Observer: TypeAlias = Callable[[Change], object]


class Reporter:
    """Tells `observers` what is in `log`."""

    __slots__ = ("_lock", "_log", "_reporting", "observers")

    def __init__(self, log: deque[Change]) -> None:
        self.observers: tuple[Observer, ...] = ()
        self._log = log
        self._lock = threading.Lock()
        self._reporting: int | None = None

    def report(self) -> None:
        """Tell what is there to tell, also if another thread left it. Interrupted, the next one goes on."""
        me = threading.get_ident()
        if self._reporting == me:
            return  # an observer uses the queue: the loop that called it goes on
        log = self._log
        with self._lock:
            try:
                self._reporting = me
                while log:
                    for observer in self.observers:
                        tell(observer, log[0])
                    del log[0]
            finally:
                self._reporting = None


def tell(observer: Observer, change: Change) -> None:
    """An observer's error must not undo what happened: it is logged, by default to stderr, and the next one is told."""
    try:
        observer(change)
    except Exception:
        import logging  # here, because most programs never need it

        logging.getLogger("decouple").exception(
            "observer %r failed when told that a message was %s in queue %r", observer, change.cause, change.queue
        )
