"""The broker's post office: what its targets share. Senders by protocol, the outbox of what had none, one HTTP client."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["Post"]


class Post:
    """senders: what takes mail, text messages and mobile push; what has no sender is kept in `outbox`."""

    def __init__(self, senders: Mapping[str, Callable[[Any], Any]]) -> None:
        self.senders = dict(senders)
        self.outbox: deque[Any] = deque()
