"""A notification on its way to a target that is no queue, and what one turn of a line has in hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from decouple.core.records import Failure
from decouple.publish_steps import whole

if TYPE_CHECKING:
    from decouple.notification import Kind, Publication
    from decouple.pushing import Line

__all__ = ["CLOSED", "Hand", "Pending"]

CLOSED = Failure("BrokerClosed", "the broker was closed before it was delivered", "", 0)

Hand: TypeAlias = "list[Pending | None]"
"""What one turn is at, in a list of one: None between two notifications; empty once the turn is over.

So whoever interrupts it (Ctrl-C) leaves behind what has still to be done: see `Line.put_right`.
"""


class Pending:
    """One notification on its way. failures: attempts so far; first_at: when the first one began.

    counted: it was published; a question for confirmation was not, and counts nowhere.
    """

    __slots__ = ("awaits", "counted", "failures", "first_at", "kind", "line", "previous", "publication", "token")

    def __init__(self, line: Line, publication: Publication, kind: Kind, token: str | None) -> None:
        self.line = line
        self.awaits = line.awaits
        self.publication = publication
        self.kind: Kind = kind
        self.counted = kind == "Notification"
        self.token = token
        self.failures = 0
        self.first_at: int | None = None
        self.previous = 0

    def run(self) -> None:
        """The runner's job when the next attempt is due."""
        hand: Hand = [self]
        try:
            if self.line.back(hand):
                self.line.deliver(hand)
        finally:
            if hand:
                whole(lambda: self.line.put_right(hand))

    async def arun(self) -> None:
        hand: Hand = [self]
        try:
            if self.line.back(hand):
                await self.line.adeliver(hand)
        finally:
            if hand:
                whole(lambda: self.line.put_right(hand))

    def abandon(self) -> None:
        """The broker closes: there will be no other attempt."""
        if self.line.awake(self):
            self.line.give_up(self, CLOSED)

    def describe(self) -> str:
        return f"attempt {self.failures + 1} to deliver {self.publication.id} to {self.line.name}"
