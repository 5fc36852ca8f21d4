"""Lives of a program on one shelf: each a broker on a new clock, which begins when the one before has ended or was killed."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from decouple import Broker, VirtualClock
from decouple.clock import datetime_at
from tests.shelved import DictShelf, Shelved

__all__ = ["Lives"]


class Lives:
    """One program after the other, as on a journal; with `shared`, processes side by side, as on a database."""

    def __init__(self, *, shared: bool = False, start: datetime | None = None) -> None:
        self.shop = DictShelf().shop
        self.shop.living.clear()
        self.shared = shared
        self.clock = VirtualClock() if start is None else VirtualClock(start=start)
        self.alive: dict[Any, DictShelf] = {}

    def begin(self, **settings: Any) -> Broker:
        """Another process. On the clock of the others, where they live side by side."""
        shelf = DictShelf(self.shop)
        shelf.shared = self.shared
        if not self.shared:
            self.clock = VirtualClock(start=datetime_at(self.clock, self.clock.now()))
        url: Any = Shelved(shelf)
        broker = Broker(url, clock=self.clock, **settings)
        self.alive[broker] = shelf
        return broker

    def kill(self, broker: Broker) -> None:
        """As kill -9 does: nothing more is done there, and nothing was."""
        shelf = self.alive.pop(broker)
        shelf.die()
        shelf.shop = DictShelf().shop  # the dead write nothing
        if broker._staff is not None:
            broker._staff.runner._backlog.closed = True

    def end(self, broker: Broker) -> None:
        """As a deploy does."""
        broker.close()
        self.alive.pop(broker).die()

    def kept(self, kind: str) -> dict[str, Any]:
        """What the shelf has of a kind."""
        return DictShelf(self.shop).items(kind)
