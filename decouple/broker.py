"""Broker: names, one clock, observers and a life cycle for queues that belong together.

A broker is a value: no default one, nothing shared between two, thousands side by side. Everything it holds also works
alone; what it adds is that a name means one queue, that all of them live on one clock, tell the same observers and end
together, and that the books can be checked over all of them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Any, Self, Unpack, cast

from decouple.clock import Clock, SystemClock
from decouple.core.changes import Change
from decouple.errors import DecoupleError, QueueExists, QueueNotFound
from decouple.generic import T
from decouple.queue import Queue
from decouple.settings import QueueSettings, check_queue_name, read_settings, shown_setting
from decouple.stats import QueueStats
from decouple.tags import Tags, check_tags

if TYPE_CHECKING:
    from os import PathLike

    from decouple.findings import Finding
    from decouple.lint_handlers import Handlers

__all__ = ["Broker"]


class Broker:
    """The owner of a program's queues.

    clock: what time all of them live on, SystemClock() by default; observers: callables that are told of every Change,
    in order for each queue, by the thread that caused it; their errors are shown and undo nothing.

    >>> with Broker() as broker:
    ...     orders = broker.queue("orders", visibility_timeout=30)
    ...     sent = orders.send({"id": 7})
    ...     for message in orders.receive():
    ...         with message:
    ...             print(message.json()["id"])
    7
    """

    def __init__(
        self,
        url: str = "memory://",
        *,
        clock: Clock | None = None,
        observers: Iterable[Callable[[Change], object]] = (),
    ) -> None:
        if url != "memory://":
            raise ValueError(f"url must be 'memory://', the only engine of this version, not {url!r}")
        self.clock: Clock = clock or SystemClock()
        self._observers = tuple(observers)
        for observer in self._observers:
            if not callable(observer):
                raise TypeError(f"observers must be callables that take a Change, not {observer!r}")
        self._queues: dict[str, Queue[Any]] = {}
        self._lock = threading.Lock()
        self._closed = False

    def __repr__(self) -> str:
        return f"<Broker: {len(self._queues)} queues{', closed' if self._closed else ''}>"

    @property
    def queues(self) -> Mapping[str, Queue[Any]]:
        """The declared queues by name, read-only."""
        return MappingProxyType(self._queues)

    def queue(
        self,
        name: str,
        *,
        fifo: bool | None = None,
        body: type[T] = str,  # type: ignore[assignment]  # pyright: ignore[reportArgumentType]  # T is str by default
        tags: Tags | None = None,
        **settings: Unpack[QueueSettings],
    ) -> Queue[T]:
        """Declare a queue. Declared again, it is the same one; QueueExists if a setting given differs from what it has.

        Settings as in Queue. Works before the broker is started. Raises InvalidName, ValueError, TypeError.
        """
        check_queue_name(name, fifo)
        with self._lock:
            if self._closed:
                raise DecoupleError(f"the broker is closed: declare queue {name!r} before, or with another broker")
            queue = self._queues.get(name)
            if queue is None:
                queue = Queue(name, fifo=fifo, body=body, tags=tags, clock=self.clock, **settings)
                queue._observe(self._observers)
                self._queues[name] = queue
                return queue
        if fifo is not None and fifo != queue.fifo:
            raise QueueExists(name, setting="fifo", current=queue.fifo, asked=fifo)
        self._compare(queue, body, tags, settings)
        return cast("Queue[T]", queue)

    def _compare(self, queue: Queue[Any], body: type[Any], tags: Tags | None, settings: Mapping[str, Any]) -> None:
        """A declaration again: only what is given is compared, with the current settings (SQS, CreateQueue)."""
        if body is not queue.body_type and body is not str:
            raise QueueExists(queue.name, setting="body", current=queue.body_type.__name__, asked=body.__name__)
        current = queue._core.settings
        for setting, value in read_settings(settings, current, queue).items():
            if getattr(current, setting) != value:
                now, asked = (shown_setting(setting, one) for one in (getattr(current, setting), value))
                raise QueueExists(queue.name, setting=setting, current=now, asked=asked)
        if tags is not None and check_tags(tags) != queue.tags:
            raise QueueExists(queue.name, setting="tags", current=dict(queue.tags), asked=dict(tags))

    def delete(self, queue: Queue[Any]) -> None:
        """End a queue: its waits end with QueueClosed, its messages are purged with a record each, its name is free."""
        if not isinstance(queue, Queue):
            raise TypeError(f"expected a Queue, not {queue!r}: broker.queues[name] has it")
        with self._lock:
            if self._queues.get(queue.name) is not queue:
                raise QueueNotFound(queue.name, declared=len(self._queues))
            users = [other.name for other in self._queues.values() if other.dead_letter is queue]
            if users:
                raise ValueError(
                    f"queue {queue.name!r} is the dead-letter queue of {', '.join(users)}: configure those first"
                )
            del self._queues[queue.name]
        queue.close()
        queue.purge()

    # -- life --------------------------------------------------------------------------------------------------

    def start(self) -> Self:
        """Start what runs by itself; with queues alone nothing does, so this is for symmetry with close()."""
        if self._closed:
            raise DecoupleError("the broker is closed: make another one")
        return self

    def close(self) -> None:
        """Close every queue: waits end with QueueClosed. What is in flight can still be settled; twice is no error."""
        with self._lock:
            self._closed = True
            queues = list(self._queues.values())
        for queue in queues:
            queue.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self.start()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # -- the architecture as data ------------------------------------------------------------------------------

    def describe(self) -> dict[str, Any]:
        """What is declared, as a document of JSON types: every queue by name with every setting, its body type and tags.

        Durations in seconds; dead letters and body types by name; names in order, so equal brokers give equal documents.
        Raises QueueError for a dead-letter queue that is not the broker's. Cost: O(queues).
        """
        from decouple.describe import describe

        return describe(self._declared())

    @classmethod
    def from_description(
        cls,
        description: Mapping[str, Any] | str,
        *,
        types: Mapping[str, type[Any]] | None = None,
        clock: Clock | None = None,
        observers: Iterable[Callable[[Change], object]] = (),
    ) -> Self:
        """A broker with everything a description (a mapping, or its JSON text) holds; settings left out have defaults.

        types: the body type of each typed queue, by the queue's name. Raises InvalidDescription; then nothing was made.
        """
        from decouple.describe import declare

        broker = cls(clock=clock, observers=observers)
        declare(broker.queue, description, types or {})
        return broker

    def diagram(self, path: str | PathLike[str] | None = None) -> str:
        """The queues and where their dead letters go, as Mermaid text; at `path`, a .svg or .png file, also as a picture.

        The text is the same for equal brokers. The picture needs the extra `diagram` and Graphviz's program dot: without
        them it raises NotInstalled. Raises ValueError, QueueError as describe().
        """
        from decouple.diagram import draw, mermaid

        description = self.describe()
        if path is not None:
            draw(description, path)
        return mermaid(description)

    def lint(self, *, ignore: Iterable[str] = (), handlers: Handlers = ()) -> list[Finding]:
        """What is wrong or risky about the architecture as it is now, worst first, each with how to mend it.

        ignore: names of rules (`Finding.rule`) to leave out; handlers: functions, modules, Python files or folders to read
        for stages that send and acknowledge apart. Cost: O(queues), and for the counts that of stats().
        """
        from decouple.lint import lint

        return lint(list(self._declared().values()), ignore=ignore, handlers=handlers)

    def _declared(self) -> dict[str, Queue[Any]]:
        with self._lock:
            return dict(self._queues)

    # -- looking -----------------------------------------------------------------------------------------------

    def stats(self) -> dict[str, QueueStats]:
        """The counts and totals of every queue, by name."""
        return {name: queue.stats() for name, queue in list(self._queues.items())}

    def check(self) -> dict[str, int]:
        """Prove that nothing was lost, also while threads run; the numbers of the law over all queues. Raises LawBroken.

        accepted = deleted + retained_out + purged + rejected + moved_out + moving + visible + in_flight + delayed, in every
        queue and so in all together, and every internal invariant. Cost: O(messages).
        """
        total: dict[str, int] = {}
        for queue in list(self._queues.values()):
            for name, value in queue.check().items():
                total[name] = total.get(name, 0) + value
        return total
