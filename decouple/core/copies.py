"""Taking messages to another broker: as they are, with who they are, where they stand and what they have been through.

A move within a broker (core/moves.py) is something that happens to a message; this is not. It arrives in the same state, at
the same instants: visible, in flight or delayed, with its id, its count, its failure and its deduplication id. What is new is
its number, and with it the sequence number of a FIFO queue. Numbers are given in the order in which messages are brought,
so the order of `all_numbers` is kept, and with it that of every group.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple

from decouple.core.changes import Change
from decouple.core.due import Due
from decouple.core.records import PLAIN, Details, Past, Record, details_of

__all__ = ["Copies", "Standing"]


class Standing(NamedTuple):
    """A message and where it stands. Instants are those of the queue's clock.

    due: since when it is visible, or when its time in flight or its delay ends; received: how often, and first: when that
    was for the first time.
    """

    id: str
    text: str
    sent_at: int
    details: Details
    place: Literal["visible", "in flight", "delayed"]
    due: int
    received: int
    first: int | None


class Copies(Due):
    """The state of a queue whose messages go to another broker, or come from one."""

    def unfold(self, now: int) -> None:
        """Give every fresh message a state of its own."""
        raise NotImplementedError

    def all_numbers(self, now: int) -> list[int]:
        """Every message that is here, in the order in which to bring them. Cost: O(messages * log)."""
        self.settle_all(now)
        self.unfold(now)
        visible = [record[2] for _, record, _ in self.in_line()]
        held = [one for where, place in self.places() if where != "again" for one in place.values()]
        numbers = visible + [one.record[2] for one in sorted(held, key=lambda one: (one.due, one.record[2]))]
        return sorted(numbers) if self.in_sequence else numbers

    @property
    def in_sequence(self) -> bool:
        """Whether the order of sending is that of the messages, whether they can be had now or not."""
        return False

    def ids(self, now: int) -> set[str]:
        """The ids of the messages that are here. Cost: O(messages)."""
        return {one.id for one in self.as_they_stand(now, self.all_numbers(now))}

    def as_they_stand(self, now: int, numbers: Iterable[int]) -> list[Standing]:
        """Those of these messages that are here still. `all_numbers` was asked before. Cost: O(1) each."""
        self.settle_all(now)
        self.unfold(now)
        return [one for number in numbers if (one := self._stands(number)) is not None]

    def _stands(self, number: int) -> Standing | None:
        delivery = self._place_of(number).get(number)
        if delivery is None:
            return None
        record, count = delivery.record, delivery.times_received
        place: Literal["visible", "in flight", "delayed"] = "in flight"
        if number in self.again or number in self.delayed:
            place = "visible" if number in self.again else "delayed"
        first = delivery.first_received if count else None
        return Standing(self.id_of(record), record[0], record[1], details_of(record), place, delivery.due, count, first)

    def bring(self, now: int, one: Standing) -> None:
        """Take in a message from another broker, as it stands. Cost: O(log messages not fresh)."""
        number, details = self.next_seq(), one.details._replace(id=one.id)
        self._bringing(now, number, one)
        record: Record = (one.text, one.sent_at, number, PLAIN if details == PLAIN else details)
        past: Past = (one.received - 1, one.first, True)
        visible, delayed = one.place == "visible", one.place == "delayed"
        due = now if visible else one.due
        brought = self._new(record, now if one.first is None else one.first, due, past)
        changes: tuple[Change, ...] = ()
        if self.listening:
            until = due if delayed else None
            changes = self._note("moved in", now, record, brought, until=until, other=self.name)
            if not (visible or delayed):
                changes += self._note("visibility changed", now, record, brought, until=due)
        retired = one.sent_at + self.retention
        self._at(retired, number, one_of_many=not visible)
        if not visible:
            self._at(min(due, retired), number)
        place = self.again if visible else self.delayed if delayed else self.odd
        if self.grouped:
            self.touched.append(record)
        # commit
        place[number] = brought
        self.counts.moved_in += 1
        self.due = 0
        self.log += changes

    def _bringing(self, now: int, number: int, one: Standing) -> None:
        """What else a kind of queue has to know of it."""

    def take_away(self, now: int, numbers: Iterable[int]) -> None:
        """Let these messages go: another broker has them. Cost: O(1) each."""
        for number in numbers:
            place = self._place_of(number)
            delivery = place.get(number)
            if delivery is None:
                continue
            changes = self._note("moved", now, delivery.record, delivery, other=self.name)
            if self.grouped:
                self.touched.append(delivery.record)
            # commit
            if number in place:
                del place[number]
                self.counts.moved_out += 1
                self.due = 0
                self.log += changes
