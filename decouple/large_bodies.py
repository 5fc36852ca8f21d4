"""Large bodies: kept outside the queue in a store, with a pointer in the queue where the body would be (a claim check).

    orders = Queue("orders", large_bodies=LargeBodies("/var/tmp/orders"))

A send over the limit first puts the body into the store, under a new random key. The pointer is JSON text with that key and
the size, and it is of a class of its own, which no sender can hand in: a body that only reads like a pointer is a body. The
pointer knows its store, so any queue it is moved to (dead letters, redrive) can fetch the body, and whichever queue lets the
message go removes it: once it is deleted, purged, rejected or older than the retention.

A receive brings the bodies with it, so that a message may be acknowledged first and read then. While a message waits, its
body is in the store only. From its first large body on a queue records every change, to know what goes, so its sends,
receives and acks take the general path from then on. The store's calls block, also in a task, and no lock is held meanwhile.

Source: the Amazon SQS Extended Client Library, which keeps such bodies in S3.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Container, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Generic, Protocol, cast

from decouple.clock import Seconds, nanoseconds, random_bytes
from decouple.errors import BodyMissing, BodyNotDecoded
from decouple.generic import T
from decouple.message import TypedMessage

if TYPE_CHECKING:
    from decouple.core.changes import Change
    from decouple.desk import Desk

__all__ = [
    "BodyStore",
    "FolderStore",
    "LargeBodies",
    "LargeMessage",
    "Pointer",
    "another",
    "bring_in",
    "remove_all",
    "unreadable",
    "watch",
]

SECOND = 1_000_000_000
KEY = re.compile(r"[0-9a-f]{32}")
GONE = ("deleted", "purged", "rejected", "retained out", "duplicate")
BACK = ("nacked", "expired")


class BodyStore(Protocol):
    """Where large bodies are kept, shared by all who may receive them. Keys are 32 hexadecimal digits, never used again."""

    def put(self, key: str, text: str) -> None:
        """Keep the text, whole or not at all."""
        ...

    def get(self, key: str) -> str:
        """The text. Raises KeyError when there is none."""
        ...

    def delete(self, key: str) -> None:
        """Forget the text; also twice."""
        ...


class FolderStore:
    """Bodies as files of a folder, one each, UTF-8, readable by their owner only. The folder is made when there is none."""

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = os.path.abspath(folder)
        os.makedirs(self.folder, exist_ok=True)

    def __repr__(self) -> str:
        return f"FolderStore({self.folder!r})"

    def put(self, key: str, text: str) -> None:
        part, path = os.path.join(self.folder, f"{key}.part"), self._path(key)
        try:
            with open(part, "xb", opener=for_the_owner) as file:
                file.write(text.encode())
            os.replace(part, path)  # whole, or not there: no reader sees half of it
        except BaseException:
            with suppress(FileNotFoundError):
                os.unlink(part)
            raise

    def get(self, key: str) -> str:
        try:
            with open(self._path(key), "rb") as file:
                return file.read().decode()
        except FileNotFoundError:
            raise KeyError(key) from None

    def delete(self, key: str) -> None:
        with suppress(FileNotFoundError):
            os.unlink(self._path(key))

    def sweep(self, older_than: float, keep: Container[str]) -> int:
        """Remove what was put over so many seconds ago, but for the keys in `keep`; how many. Other files are left alone."""
        removed = 0
        before = time.time() - older_than  # the file system's time is real, whatever the queues live on
        for name in os.listdir(self.folder):
            key, kind = os.path.splitext(name)
            path = os.path.join(self.folder, name)
            if kind in (".txt", ".part") and KEY.fullmatch(key) and key not in keep:
                with suppress(FileNotFoundError):  # somebody else was faster
                    if os.path.getmtime(path) <= before:
                        os.unlink(path)
                        removed += 1
        return removed

    def _path(self, key: str) -> str:
        return os.path.join(self.folder, f"{key}.txt")


def for_the_owner(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


class LargeBodies:
    """A queue's setting: bodies over the limit are kept in a folder, or in any store with put, get and delete.

    threshold: bytes of body and attributes above which a body goes there, 0 for every body; by default, and at most, the
    queue's max_message_size, which pointer and attributes must keep to. A body may have any size the store takes. Queues may
    share one; a dead-letter queue needs none. A sender meets the store's own errors, and then nothing was sent.
    """

    def __init__(self, store: str | os.PathLike[str] | BodyStore, *, threshold: int | None = None) -> None:
        if threshold is not None and (isinstance(threshold, bool) or not isinstance(threshold, int)):
            raise TypeError(f"threshold must be an int or None, not {threshold!r}")
        if threshold is not None and threshold < 0:
            raise ValueError(f"threshold must be at least 0, not {threshold!r}")
        if isinstance(store, (str, os.PathLike)):
            self.store: BodyStore = FolderStore(store)
        elif all(callable(getattr(store, method, None)) for method in ("put", "get", "delete")):
            self.store = store
        else:
            raise TypeError(f"store must be a folder's path, or have put, get and delete, not {store!r}")
        self.threshold = threshold
        self.here: set[str] = set()  # the keys of what was put here and not removed yet

    def __repr__(self) -> str:
        return f"LargeBodies({self.store!r})"

    def limit(self, most: int) -> int:
        """Above so many bytes a body goes to the store, in a queue that takes `most`."""
        return most if self.threshold is None else min(most, self.threshold)

    def pointer(self, text: str) -> Pointer:
        """What stands in the queue for this body, which is not put yet."""
        key = random_bytes(16).hex()
        size = len(text) if text.isascii() else len(text.encode())
        pointer = Pointer(f'{{"large_body": "{key}", "bytes": {size}}}')
        pointer.bodies = self
        pointer.key = key
        pointer.size = size
        pointer.text = text
        return pointer

    def sweep(self, *, older_than: Seconds) -> int:
        """Remove bodies put over so many seconds ago that no message of this object has; how many.

        A process leaves its bodies behind when it ends with messages in memory, and so may a send that is interrupted. Where
        others use the same folder, `older_than` must be over the longest retention of their messages, dead letters
        included; else 0 at the start of the program will do. Raises TypeError when the store has no `sweep(seconds, keep)`
        of its own, as a folder has.
        """
        seconds = nanoseconds(older_than, "older_than") / SECOND
        sweep: Callable[[float, Container[str]], int] | None = getattr(self.store, "sweep", None)
        if sweep is None:
            raise TypeError(
                f"{self.store!r} has no sweep(seconds, keep): use its own means, as S3 has life-cycle rules"
            )
        return sweep(seconds, self.here)


class Pointer(str):
    """The text that stands in a queue for a body kept elsewhere. `text` is the body until it is put, then empty."""

    __slots__ = ("bodies", "key", "size", "text")

    bodies: LargeBodies
    key: str
    size: int
    text: str

    def put(self) -> None:
        """Put the body into its store, unless it is there."""
        if self.text:
            self.bodies.here.add(self.key)
            self.bodies.store.put(self.key, self.text)
            self.text = ""

    def fetch(self, queue: str) -> str:
        """The body from its store. Raises BodyMissing, and what the store raises."""
        try:
            return self.bodies.store.get(self.key)
        except KeyError:
            raise BodyMissing(queue, key=self.key, size=self.size) from None

    def remove(self) -> None:
        """Remove the body from its store; also twice."""
        self.bodies.store.delete(self.key)
        self.bodies.here.discard(self.key)


class LargeMessage(TypedMessage[T]):
    """A message of a queue that has large bodies: its own is fetched once a delivery."""

    __slots__ = ("_text",)

    _text: str

    @property
    def text(self) -> str:
        """The body as text, as it was sent. Raises BodyMissing, and what the store raises."""
        text = self.record[0]
        if not isinstance(text, Pointer):
            return text
        try:
            return self._text
        except AttributeError:
            if self.owner._faults is not None:
                from decouple.mishaps.handlers import message_store_fault  # here, because only tests have faults

                message_store_fault(self, text.bodies.store, "get")
            self._text = text.fetch(self.owner.name)
            return self._text

    @property
    def body(self) -> T:
        try:
            return self._body
        except AttributeError:
            self._body = self.owner._decode(self.text)
            return self._body

    def json(self) -> Any:
        import json

        return json.loads(self.text)

    def forget(self) -> None:
        """Let go of a body that was fetched: it is in the store."""
        for name in ("_text", "_body"):
            with suppress(AttributeError):
                delattr(self, name)


class Keeper(Generic[T]):
    """An observer of one queue: removes the body of a message that is gone, lets go of the body of one that waits again."""

    __slots__ = ("_queue",)

    def __init__(self, queue: Desk[T]) -> None:
        self._queue = queue

    def __repr__(self) -> str:
        return f"<the keeper of the large bodies of {self._queue.name!r}>"

    def __call__(self, change: Change) -> None:
        if change.record is None or not isinstance(change.record[0], Pointer):
            return
        if change.cause in GONE:
            change.record[0].remove()
        elif change.cause in BACK and change.seq is not None:
            with self._queue._lock:
                waiting = self._queue._core.standing(change.seq)
                if isinstance(waiting, LargeMessage):
                    cast("LargeMessage[T]", waiting).forget()


def watch(queue: Desk[Any]) -> None:
    """Before the first pointer comes to a queue: its messages fetch bodies from now on, and every change is recorded."""
    with queue._lock:
        watch_from_now_on(queue)


def watch_from_now_on(queue: Desk[Any]) -> None:
    """The same for who holds the lock."""
    if queue._make is not LargeMessage:
        others = tuple(one for one in queue._reporter.observers if not isinstance(one, Keeper))
        queue._reporter.observers = (Keeper(queue), *others)
        queue._core.listen()
        queue._core.make = LargeMessage
        queue._make = LargeMessage
        queue._see()


def pointer_at(text: str, bodies: LargeBodies) -> Pointer:
    """The pointer that a queue kept as this text."""
    import json

    found = json.loads(text)
    pointer = Pointer(text)
    pointer.bodies, pointer.key, pointer.size, pointer.text = bodies, found["large_body"], found["bytes"], ""
    return pointer


def bring_in(queue: Desk[Any], pointers: list[Pointer]) -> None:
    """Put those of these bodies into their store that are not there, or none, and have the queue ready for all."""
    watch(queue)
    new = [pointer for pointer in pointers if pointer.text]
    try:
        for pointer in new:
            if queue._faults is not None:
                from decouple.mishaps.handlers import queue_store_fault  # here, because only tests have faults

                queue_store_fault(queue, pointer.bodies.store, "put")
            pointer.put()
    except BaseException:
        remove_all(new)
        raise


def another(text: str) -> str:
    """What a copy of a message has for a body: if it is kept elsewhere, a body of its own there."""
    return text.bodies.pointer(text.fetch("")) if isinstance(text, Pointer) else text


def remove_all(pointers: Iterable[Pointer]) -> None:
    """Remove the bodies of messages that were not sent."""
    for pointer in pointers:
        pointer.remove()


def unreadable(message: Any) -> Exception | None:
    """Fetch and decode a message's body; why that will never work, or None when it did, or may another time."""
    try:
        message.body  # noqa: B018  # decoded once, and kept
    except (BodyNotDecoded, BodyMissing) as error:
        return error
    except Exception:
        return None  # the store failed: whoever reads the body asks it again, and meets the error if it still does
    return None
