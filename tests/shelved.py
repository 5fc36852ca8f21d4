"""A shelf of a dict, and an engine of memory with one: what outlives a broker, without a disk."""

from __future__ import annotations

import json
import threading
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from decouple.capabilities import MEMORY, Capabilities
from decouple.queue import Queue

__all__ = ["DictShelf", "Shelved"]


class Shop:
    """What the shelves of several processes share."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.kept: dict[tuple[str, str], tuple[str, object]] = {}  # the JSON text, and the shelf it belongs to
        self.living: set[object] = set()
        self.revision = 0


class DictShelf:
    """One process's shelf; `DictShelf(other.shop)` is another process's. `die` ends it as kill -9 would."""

    def __init__(self, shop: Shop | None = None) -> None:
        self.shared = shop is not None
        self.shop = shop or Shop()
        self.shop.living.add(self)

    @property
    def revision(self) -> int:
        return self.shop.revision

    def die(self) -> None:
        self.shop.living.discard(self)

    def put(self, kind: str, key: str, value: Any) -> None:
        with self.shop.lock:
            self.shop.kept[kind, key] = (json.dumps(value, allow_nan=False), self)
            self.shop.revision += 1

    def drop(self, kind: str, key: str) -> None:
        with self.shop.lock:
            self.shop.kept.pop((kind, key), None)
            self.shop.revision += 1

    def get(self, kind: str, key: str) -> Any:
        with self.shop.lock:
            kept = self.shop.kept.get((kind, key))
            return None if kept is None else json.loads(kept[0])

    def items(self, kind: str) -> dict[str, Any]:
        with self.shop.lock:
            return {key: json.loads(text) for (one, key), (text, _) in self.shop.kept.items() if one == kind}

    def adopt(self, kind: str) -> dict[str, Any]:
        with self.shop.lock:
            taken = {
                key: text
                for (one, key), (text, owner) in self.shop.kept.items()
                if one == kind and owner not in self.shop.living
            }
            for key, text in taken.items():
                self.shop.kept[kind, key] = (text, self)
            return {key: json.loads(text) for key, text in taken.items()}

    def swap(self, kind: str, key: str, old: Any, new: Any) -> bool:
        with self.shop.lock:
            if self.get(kind, key) != old:
                return False
            self.drop(kind, key) if new is None else self.put(kind, key, new)
            return True

    def together(self) -> AbstractContextManager[None]:
        return nullcontext()


class Shelved:
    """An engine whose queues end with it, and whose shelf does not: `Broker(Shelved(shelf))`, again and again."""

    capabilities: Capabilities = MEMORY._replace(survives="process")

    def __init__(self, shelf: DictShelf) -> None:
        self.shelf = shelf

    def queue(self, name: str, **settings: Any) -> Queue[Any]:
        return Queue(name, **settings)

    def restored(self) -> None:
        pass

    def forget(self, queue: Queue[Any]) -> None:
        pass

    def joining(self, connection: Any) -> AbstractContextManager[None]:
        raise ValueError("no transactions here")

    def close(self) -> None:
        pass
