"""Moves between queues: mark a message here, deliver it there, then finish, or undo when the target refuses.

Three steps, because nothing may hold two queue locks. In between the message is `moving`: nobody can have it, it counts
in no other place, and whoever carries it can be interrupted: the move stays in `outgoing` and anybody may carry it on.
"""

from __future__ import annotations

from typing import Any

from decouple.core.places import Move, Places
from decouple.core.records import PLAIN, Delivery, Details, Failure, Past, details_of
from decouple.core.settings import SECOND

__all__ = ["Moves", "carried"]


def carried(move: Move) -> Details:
    """What a message that goes on as it is has beyond its body, where it arrives."""
    delivery, details = move.delivery, details_of(move.delivery.record)
    if move.as_new:
        return details._replace(id=None, source=None, failure=None, brought=0)
    return details._replace(
        id=move.source.id_of(delivery.record),
        source=move.source.owner,
        failure=move.failure or details.failure,
        brought=delivery.times_received,
    )


class Moves(Places):
    """What a queue does with messages that come from another one, or go to one."""

    def accept(self, now: int, move: Move) -> None:
        """Take a message that another queue moves here. Cost: O(log messages not fresh)."""
        delivery, seq, delay = move.delivery, self.next_seq(), 0
        text, sent_at, details = delivery.record[0], delivery.record[1], details_of(delivery.record)
        past: Past = (-1, None, True)
        if move.entry is not None:
            sent_at, (text, handed_on, delay) = now, move.entry
            details = handed_on or PLAIN
            past = (-1, None, not delay)
        elif move.as_new:
            sent_at, details = now, carried(move)
        else:
            past = (delivery.times_received - 1, delivery.first_received if delivery.times_received else None, True)
            details = carried(move)
        sent_at, details = self._arriving(now, move, sent_at, seq, details)
        until, retired = now + delay, sent_at + self.retention
        arrived = self._new((text, sent_at, seq, details), now, until, past)
        id, origin = self.id_of(arrived.record), move.source.id_of(delivery.record)
        changes = self._note(
            "moved in",
            now,
            arrived.record,
            arrived,
            until=until if delay else None,
            other=move.source.name,
            origin=None if id == origin else origin,
        )
        self._at(min(until, retired) if delay else retired, seq)
        place = self.delayed if delay else self.again
        if self.grouped:
            self.touched.append(arrived.record)
        # commit
        place[seq] = arrived
        self.counts.moved_in += 1
        self.due = 0
        move.arrived = True
        move.id = id
        move.seq = seq
        self.log += changes

    def _arriving(self, now: int, move: Move, sent_at: int, seq: int, details: Details) -> tuple[int, Details]:
        """Since when the message counts as sent here, and what it has beyond its body."""
        return sent_at, details

    def depart(
        self,
        now: int,
        delivery: Delivery,
        target: Any,
        *,
        failure: Failure | None = None,
        as_new: bool = False,
        entry: tuple[str, Details | None, int] | None = None,
        refusal: Exception | None = None,
    ) -> Move:
        """Mark a message as moving; the caller carries it, holding no lock, and then says finish or undo."""
        seq = delivery.record[2]
        move = Move(delivery, target, self, failure, as_new, entry, refusal)
        reason = None if failure is None else failure.text
        changes = self._note("moving", now, delivery.record, delivery, other=target.name, reason=reason)
        place = self._place_of(seq)
        if self.grouped:
            self.touched.append(delivery.record)
        # commit
        if seq in place:
            del place[seq]
            self.moving[seq] = move
            self.outgoing += (move,)
            self.due = 0
            self.log += changes
        return move

    def finish(self, now: int, move: Move) -> None:
        """The target has it."""
        seq = move.delivery.record[2]
        changes = self._note("moved", now, move.delivery.record, move.delivery, other=move.target.name)
        # commit
        if seq in self.moving:
            del self.moving[seq]
            self.counts.moved_out += 1
            self.log += changes
        self._landed(move)

    def undo(self, now: int, move: Move, why: str) -> None:
        """The target refused: a dead letter is in flight here for another visibility timeout, others are visible."""
        delivery, record = move.delivery, move.delivery.record
        seq, due = record[2], now if move.as_new else now + max(self.lease, SECOND)
        changes = self._note("refused", now, record, delivery, until=due, other=move.target.name, reason=why)
        retired = record[1] + self.retention
        if retired <= now or not move.as_new:
            self._at(min(retired, due) if due > now else retired, seq)
        place = self.again if move.as_new else self.odd
        if self.grouped:
            self.touched.append(record)
        # commit
        if seq in self.moving:
            del self.moving[seq]
            delivery.due = due
            place[seq] = delivery
            self.counts.refused += 1
            self.due = 0
            self.log += changes
        self._landed(move)

    def _landed(self, move: Move) -> None:
        """The move is over, one way or the other."""
        if move in self.outgoing:
            self.outgoing.remove(move)

    def next_move(self) -> Move | None:
        """A move that nobody carries yet; the caller claims it."""
        while self.outgoing and self.moving.get(self.outgoing[0].delivery.record[2]) is not self.outgoing[0]:
            del self.outgoing[0]  # whoever carried it was interrupted at the very end
        return next((move for move in self.outgoing if not move.claimed), None)
