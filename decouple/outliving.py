"""What of a broker outlives the process, beside its queues' messages: who restores and keeps it, where the engine has a shelf.

In memory nothing here does anything, and nothing of it is loaded.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from decouple.clock import Clock

if TYPE_CHECKING:
    from decouple.adopting import Adopting
    from decouple.core.changes import Change
    from decouple.declaring_schedules import Shelved
    from decouple.engine import Engine
    from decouple.idempotent import IdempotencyStore
    from decouple.keeping_topics import KeptTopics
    from decouple.notification import Notification
    from decouple.queue import Queue
    from decouple.shelves import Shelf
    from decouple.staff import Staff
    from decouple.topic import Topic

__all__ = ["Outliving"]


NOTHING_KEPT = nullcontext()


class Outliving:
    """The state of a broker, as far as it is needed here."""

    clock: Clock
    _observers: tuple[Callable[[Change], object], ...]
    _engine: Engine
    _queues: dict[str, Queue[Any]]
    _restored: set[str]  # the names of queues that were there before this process, and not declared in it yet
    _topics: dict[str, Topic]
    _functions: dict[str, Any]
    _kept_topics: KeptTopics | None = None
    _kept_schedules: Shelved | None = None
    _adopting: Adopting | None = None
    _idempotency: IdempotencyStore | None = None
    _numbers: Iterator[int]
    _staff: Staff | None
    _started: bool
    _closed: bool
    _lock: threading.Lock
    account: str
    region: str
    _links: str | None = None
    _sign: Callable[[Notification], Mapping[str, str]] | None = None

    def joining(self, connection: Any) -> AbstractContextManager[None]:
        """Let what this thread sends, publishes and settles join the transaction of your own connection to the same database.

        >>> with broker.joining(connection), connection:
        ...     connection.execute("INSERT INTO orders VALUES (7)")
        ...     orders.send({"id": 7})

        Committed with it, or undone with it; who waits is woken when it is committed. connection: an sqlite3.Connection to
        the file of a sqlite:// broker. Raises ValueError on another engine, or where it is to another file.
        """
        return self._engine.joining(connection)

    def _employed(self) -> Staff:
        """The workers."""
        raise NotImplementedError

    def _settle_in(self, thing: Any) -> None:
        """Its ARN says whose it is."""
        raise NotImplementedError

    def _look(self) -> None:
        """Have the queues that other processes have declared."""
        raise NotImplementedError

    def _make_queue(self, name: str, **settings: Any) -> Queue[Any]:
        """Under the lock: a queue that knows its broker."""
        raise NotImplementedError

    def _make_topic(self, name: str, fifo: bool | None, **settings: Any) -> Topic:
        """A topic that knows its broker; under the lock, unless there are workers already."""
        from decouple.topic import Topic

        topic = Topic(name, fifo=fifo, clock=self.clock, **settings)
        self._settle_in(topic)
        topic._employ(self._employed(), self._numbers, self._observers)
        topic._write_as(self._links, self._sign)
        return topic

    @property
    def _shelved(self) -> Shelved:
        """The schedules that outlive the process, where the engine has a shelf."""
        raise NotImplementedError

    def _together(self) -> AbstractContextManager[object]:
        """What is to be taken before the broker's lock by who then uses the shelf: an application's own transaction has it,
        and may declare within.
        """
        shelf = self._engine.shelf
        return NOTHING_KEPT if shelf is None else shelf.together()

    def _keep_topics(self) -> KeptTopics | None:
        """What keeps topics where they outlive the process, having looked what other processes declared."""
        kept = self._kept_topics
        if self._engine.shelf is None or self._closed:
            return kept
        if kept is None or (self._started and not kept.begun):
            with self._together(), self._lock:
                kept = self._kept_here(self._engine.shelf)
                if self._started:
                    kept.begin()
        kept.look()
        return kept

    def _kept_here(self, shelf: Shelf) -> KeptTopics:
        """Under the lock."""
        self._employed()  # restored topics need workers; where those begin just now, they come by here
        if self._kept_topics is None:
            from decouple.keeping_topics import KeptTopics

            self._kept_topics = KeptTopics(self, shelf)
        return self._kept_topics

    def _see_topics(self) -> KeptTopics | None:
        """The same where there are topics, or may be of other processes."""
        shelf = self._engine.shelf
        there = shelf is not None and (shelf.shared or self._kept_topics is not None)
        return self._keep_topics() if there else None

    def _look_after(self) -> None:
        """Under the lock: the workers begin, also with what other processes leave behind."""
        shelf = self._engine.shelf
        if shelf is not None and shelf.shared:
            self._kept_here(shelf).begin()

    def _looking(self) -> Adopting:
        """Under the lock: what takes over the work of processes that are gone, where the engine has a shelf."""
        if self._adopting is None:
            from decouple.adopting import Adopting  # here, because in memory nothing outlives its process
            from decouple.resuming_moves import adopt_tasks

            shelf = self._engine.shelf
            assert shelf is not None
            self._adopting = Adopting(shelf, self._employed().runner, self.clock)
            adopt_tasks(self, self._adopting, later=True)
        return self._adopting

    @property
    def idempotency(self) -> IdempotencyStore:
        """The store for idempotent(...) whose keys survive what its queues survive; processes that share them share it."""
        from decouple.idempotent import MemoryStore
        from decouple.shelf_store import ShelfStore

        with self._lock:
            if self._idempotency is None:
                shelf = self._engine.shelf
                self._idempotency = MemoryStore(clock=self.clock) if shelf is None else ShelfStore(shelf, self.clock)
            return self._idempotency

    def _looks(self) -> Adopting:
        """The same without the lock."""
        with self._lock:
            return self._looking()

    def _restore(self, shelf: Shelf) -> None:
        """Declare what was there before this process."""
        from decouple.keeping import restore  # here, because in memory nothing is kept
        from decouple.keeping_numbers import Numbers

        restore(self)
        if not shelf.shared:
            self._numbers = Numbers(shelf)
        if shelf.items("topic"):
            self._keep_topics()
        if shelf.items("move task"):
            from decouple.resuming_moves import adopt_tasks

            adopt_tasks(self, self._looks())
        if shelf.items("schedule"):
            self._shelved.restore()
