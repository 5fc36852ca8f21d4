"""A database's messages on their way to another broker, or from one: see core/copies.py."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from decouple.core.copies import Standing
from decouple.core.records import Details, details_of
from decouple.engines.rows import more_of
from decouple.engines.schema import AGAIN, DELAYED, FLYING, MASK, MOVED
from decouple.engines.transitions import INSERT, Transitions

__all__ = ["Copied"]

STATES = {"visible": AGAIN, "in flight": FLYING, "delayed": DELAYED}


class Copied(Transitions):
    """What both kinds of queue do with a message that another broker has, or had."""

    def all_numbers(self, now: int) -> list[int]:
        self.settle_all(now)
        order = "id" if self.in_sequence else "visible_at, state, count, brought, id"
        rows = self.database.sql(f"SELECT id FROM messages WHERE queue = ? ORDER BY {order}", (self.number,)).fetchall()
        return [row[0] & MASK for row in rows]

    def _stands(self, number: int) -> Standing | None:
        row = self._row(number)
        if row is None:
            return None
        record, base = self._record(row), self.base
        hidden = row[1] > self._moment()
        place: Literal["visible", "in flight", "delayed"] = "visible"
        if hidden:
            place = "in flight" if row[2] == FLYING else "delayed"
        first = None if row[6] is None or not row[4] else row[6] - base
        return Standing(
            self.id_of(record), record[0], record[1], details_of(record), place, row[1] - base, row[4], first
        )

    def bring(self, now: int, one: Standing) -> None:
        now = self._begin(now)
        last = (self._last() or (0, 0))[0] + 1
        details, state = one.details._replace(id=one.id), STATES[one.place]
        due = (min(now, one.due) if state == AGAIN else one.due) + self.base
        number, line = self._room_for(last, details, due)
        self._bringing(now, number, one)
        first = None if one.first is None else one.first + self.base
        self.database.sql(
            INSERT,
            (
                self.first | number, self.number, due, state, one.sent_at + self.base, one.received, first, first,
                details.brought, line, details.group, details.deduplication_id, more_of(details, one.text), str(one.text),
            ),
        )  # fmt: skip
        self._turn(now, line)
        self._count_gone(last, moved_in=1, received=details.brought - one.received)  # it was not received here
        if self.listening:
            brought = self._delivery(self._row(number) or ())
            until = brought.due if state == DELAYED else None
            self.log += self._note("moved in", now, brought.record, brought, until=until, other=self.name)
            if state == FLYING:
                self.log += self._note("visibility changed", now, brought.record, brought, until=brought.due)

    def _room_for(self, last: int, details: Details, due: int) -> tuple[int, int | None]:
        """Its number, and its group's line."""
        return last | MOVED if details.brought else last, None

    def take_away(self, now: int, numbers: Iterable[int]) -> None:
        now = self._begin(now)
        for number in numbers:
            row = self._row(number)
            if row is None:
                continue
            if self.listening:
                delivery = self._delivery(row)
                self.log += self._note("moved", now, delivery.record, delivery, other=self.name)
            self._remove(now, row)
            self._count(moved_out=1)
