"""The outbox: mail, text messages and mobile push for which a broker has no sender, kept for tests and development to read."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple, overload

if TYPE_CHECKING:
    from decouple.notification import Notification

__all__ = ["Outbox", "Outgoing"]

MOST_KEPT = 10_000


class Outgoing(NamedTuple):
    """One mail, text message or mobile push on its way out: what a sender is called with and what the outbox holds.

    protocol: "email", "email-json", "sms" or "application"; to: the address, number or endpoint; subject: None where there
    is none; body: text, as it is to arrive; notification: whence it comes, with its id, topic, attributes and attempt.
    """

    protocol: str
    to: str
    subject: str | None
    body: str
    notification: Notification


class Outbox(Sequence[Outgoing]):
    """What had no sender, oldest first: at most 10,000, then the oldest go and `dropped` counts them. Safe between threads."""

    def __init__(self) -> None:
        self._kept: deque[Outgoing] = deque()
        self._lock = threading.Lock()
        self.dropped = 0

    def append(self, outgoing: Outgoing) -> None:
        """Keep it, as the newest."""
        with self._lock:
            self._kept.append(outgoing)
            if len(self._kept) > MOST_KEPT:
                self._kept.popleft()
                self.dropped += 1

    def clear(self) -> None:
        """Forget them all, and how many were dropped."""
        with self._lock:
            self._kept.clear()
            self.dropped = 0

    def __len__(self) -> int:
        return len(self._kept)

    def __iter__(self) -> Iterator[Outgoing]:
        with self._lock:
            return iter(tuple(self._kept))

    @overload
    def __getitem__(self, index: int) -> Outgoing: ...
    @overload
    def __getitem__(self, index: slice) -> list[Outgoing]: ...
    def __getitem__(self, index: int | slice) -> Outgoing | list[Outgoing]:
        with self._lock:
            return list(self._kept)[index] if isinstance(index, slice) else self._kept[index]

    def __repr__(self) -> str:
        return f"<Outbox: {len(self)} kept, {self.dropped} dropped>"
