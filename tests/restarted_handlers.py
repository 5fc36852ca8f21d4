"""Handlers at the top of a module, which a restart executes anew. They print what they remember."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from decouple import Message

seen: list[str] = []


def handle(message: Message[str]) -> None:
    """Remember in memory alone."""
    seen.append(message.body)
    print(seen)


def run(event: dict[str, Any], context: object) -> None:
    """The same for a function."""
    seen.append(event["id"])
    print(seen)


@dataclass
class Order:
    """What a body holds."""

    id: int


def take(order: Order) -> None:
    """The class it knows is that of its own module."""
    print(isinstance(order, Order), order)


class Keeping:
    """An object that keeps what it was given."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def handle(self, message: Message[str]) -> None:
        self.seen.append(message.body)
        print(self.seen)


class Made:
    """One that cannot be made of nothing."""

    def __init__(self, limit: int) -> None:
        self.limit = limit

    def handle(self, message: Message[str]) -> None:
        raise NotImplementedError
