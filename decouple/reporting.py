"""Telling observers what happened: every change, in order, without any lock of the queue.

The engine leaves changes in its log under the queue's lock; whoever comes by afterwards tells them. One thread does so at
a time, so the order is that of the changes; an observer may itself use the queue. Only an interrupt in the middle of a
telling (Ctrl-C) tells the same Change object again, rather than not at all.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, Protocol, TypeAlias, TypeVar

from decouple.core.changes import Change

__all__ = ["Observer", "Reporter"]

Observer: TypeAlias = Callable[[Change], object]


class News(Protocol):
    """What observers are told of: a Change, or what happened to the calls of a handler."""

    @property
    def headline(self) -> str:
        """What happened, in a few words."""
        ...


Told = TypeVar("Told", bound=News)


class Reporter(Generic[Told]):
    """Tells `observers` what is in `log`. `lock` is the queue's, held only to say who is telling."""

    __slots__ = ("_lock", "_log", "_teller", "observers")

    def __init__(self, log: deque[Told], lock: threading.Lock) -> None:
        self.observers: tuple[Callable[[Told], object], ...] = ()
        self._log = log
        self._lock = lock
        self._teller: object | None = None

    def report(self) -> None:
        """Tell what is there to tell. Whoever finds another thread (or itself, in an observer) at it leaves it to that one.

        So nobody waits for somebody else's observer, and two queues whose observers use each other cannot block.
        """
        while self._log and self._tell_all():
            pass  # what came after the last look, before the telling was over

    def _tell_all(self) -> bool:
        """Tell until the log is empty; False if somebody else is at it. Interrupted, the next one goes on."""
        log, me = self._log, object()
        try:
            with self._lock:
                if self._teller is not None:
                    return False
                self._teller = me
            while log:
                for observer in self.observers:
                    tell(observer, log[0])
                del log[0]
            return True
        finally:
            if self._teller is me:
                self._teller = None


def tell(observer: Callable[[Told], object], news: Told) -> None:
    """An observer's error must not undo what happened: it is logged, by default to stderr, and the next one is told."""
    try:
        observer(news)
    except Exception:
        import logging  # here, because most programs never need it

        logging.getLogger("decouple").exception("observer %r failed when told that %s", observer, news.headline)
