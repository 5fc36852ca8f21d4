"""What an engine is: the place where a broker's queues live, behind the same Queue and Topic.

Memory is the engine of most programs: the state machines of core/ called directly, and nothing kept. The others make queues
of their own kind, and have a shelf for all that is no message. A broker picks one by the scheme of its url.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any, Literal, Protocol, TypedDict

from decouple.capabilities import MEMORY, Capabilities
from decouple.clock import Clock
from decouple.queue import Queue
from decouple.shelves import Shelf

__all__ = ["Engine", "EngineOptions", "Memory", "engine_of"]

SCHEMES = "'memory://', 'file:///folder' (one process) or 'sqlite:///file.db' (processes of one machine)"


class EngineOptions(TypedDict, total=False):
    """What can be said about an engine beside its url, or in it: sqlite:///jobs.db?synchronous=FULL."""

    durability: Literal["process", "disk"]
    synchronous: Literal["NORMAL", "FULL"]


class Engine(Protocol):
    """What makes and keeps the queues of one broker."""

    @property
    def capabilities(self) -> Capabilities:
        """What it can do."""
        ...

    @property
    def shelf(self) -> Shelf | None:
        """Where all is kept that is no message; None where nothing is kept."""
        ...

    def queue(self, name: str, **settings: Any) -> Queue[Any]:
        """A queue with what the engine has of it by that name, settings as Queue takes them."""
        ...

    def restored(self) -> None:
        """All queues that were kept are declared again, with their settings."""
        ...

    def forget(self, queue: Queue[Any]) -> None:
        """The queue was deleted, and is empty."""
        ...

    def joining(self, connection: Any) -> AbstractContextManager[None]:
        """See Broker.joining."""
        ...

    def close(self) -> None:
        """The broker ends: let go of files and connections. Twice is no error."""
        ...


class Memory:
    """Nothing is kept: what the process knows is all there is."""

    capabilities = MEMORY
    shelf: Shelf | None = None

    def queue(self, name: str, **settings: Any) -> Queue[Any]:
        return Queue(name, **settings)

    def restored(self) -> None:
        pass

    def forget(self, queue: Queue[Any]) -> None:
        pass

    def joining(self, connection: Any) -> AbstractContextManager[None]:
        raise ValueError("memory:// has no transactions to join: Broker('sqlite:///file.db') has")

    def close(self) -> None:
        pass


def engine_of(url: Any, clock: Clock, options: Mapping[str, Any]) -> Engine:
    """The engine a url names, `options` being those that were given. Raises ValueError, TypeError, and what opening it does."""
    if not isinstance(url, str):
        if not hasattr(url, "shelf"):
            raise TypeError(f"url must be text, {SCHEMES}, not {url!r:.80}")
        engine: Engine = url
        return engine
    if url == "memory://" and not options:
        return Memory()
    from urllib.parse import parse_qsl, urlsplit  # here, because most brokers are of memory

    parts = urlsplit(url)
    words: dict[str, Any] = dict(parse_qsl(parts.query, keep_blank_values=True)) | dict(options)
    if parts.scheme == "memory":
        refuse(url, words, ())
        return Memory()
    if parts.scheme == "file":
        from decouple.stores.journal import open_journal

        refuse(url, words, ("durability",))
        journal: Engine = open_journal(path_of(url), clock, **words)
        return journal
    if parts.scheme == "sqlite":
        from decouple.engines.sqlite import open_database

        refuse(url, words, ("synchronous",))
        database: Engine = open_database(path_of(url), clock, **words)
        return database
    raise ValueError(f"url must be {SCHEMES}, not {url!r}")


def refuse(url: str, words: Mapping[str, Any], known: tuple[str, ...]) -> None:
    """Raise ValueError for an option that this engine has not."""
    for word in words:
        if word not in known:
            has = f"it has {' and '.join(known)}" if known else "it has none"
            raise ValueError(f"{url!r} has no option {word!r}: {has}")


def path_of(url: str) -> str:
    """The path in a url, as SQLAlchemy has it: sqlite:///jobs.db is relative, sqlite:////srv/jobs.db is not.

    The folder of a journal is the same by one rule more: file:///srv/queues is absolute, as everywhere.
    """
    from urllib.parse import unquote, urlsplit

    parts = urlsplit(url)
    path = unquote(parts.path)
    if parts.netloc:
        path = f"{parts.netloc}{path}"
    elif parts.scheme == "sqlite":
        path = path.removeprefix("/")
    if not path or path == "/":
        raise ValueError(f"{url!r} names no path: write {parts.scheme}:///path")
    if parts.fragment or url.endswith("#"):
        raise ValueError(f"{url!r} has a '#', which ends the path of a url: write %23 for one in a name")
    if path == ":memory:":
        raise ValueError(f"{url!r} would be kept nowhere: Broker() is in memory, 'sqlite:///file.db' in a file")
    return path
