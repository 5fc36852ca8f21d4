"""What becomes of messages in a database: the transitions of core/settling.py and core/moves.py as SQL.

A message that is moved leaves one queue and comes to the other in one transaction, so nobody ever carries it.
"""

from __future__ import annotations

from typing import Any

from decouple.core.changes import Cause, Change
from decouple.core.moves import carried
from decouple.core.places import Move, Receiver
from decouple.core.records import PLAIN, Delivery, Details, Failure, details_of, with_details
from decouple.core.settings import SECOND
from decouple.engines.noticing import Noticing
from decouple.engines.rows import more_of, with_failure
from decouple.engines.schema import AGAIN, DELAYED, FLYING, FRESH, MASK, MOVED
from decouple.engines.table import Row
from decouple.errors import QueueClosed

__all__ = ["INSERT", "Transitions"]

INSERT = (
    "INSERT INTO messages(id, queue, visible_at, state, sent_at, count, received_at, first_at, brought, line, grp, dedup, "
    "more, body) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?)"
)
DELETE_MANY = (
    "DELETE FROM messages WHERE id IN (SELECT value FROM json_each(?)) AND count > 0 "
    "RETURNING id, state, visible_at, sent_at, count - brought"
)
SHOW = "UPDATE messages SET visible_at = ?, state = 1 WHERE id = ?"


class Transitions(Noticing):
    """What both kinds of queue do with a message."""

    def _current(self, now: int, seq: int) -> Delivery | None:
        self._begin(now)
        row = self._present(now, seq)
        return None if row is None else self._delivery(row)

    # -- settling ------------------------------------------------------------------------------------------------

    def delete(self, now: int, seq: int, reason: str | None = None, receipt: int | None = None) -> bool:
        now = self._begin(now)
        if self.listening:
            row = self._present(now, seq)
            if row is None:
                return False
            self.log += self._note(
                "deleted", now, self._record(row), self._delivery(row), reason=reason, receipt=receipt
            )
        row = self.database.one(
            "DELETE FROM messages WHERE id = ? AND count > 0 RETURNING state, visible_at, sent_at, line, count - brought",
            (self.first | seq,),
        )
        if row is None:
            return False
        state, visible_at, sent_at, line, received = row
        moment, retired = now + self.base, sent_at + self.retention
        expired = state == FLYING and visible_at <= min(moment, retired - 1)
        gone = retired <= moment
        if expired:
            self._count(expired=1)
        self._count_gone(seq, received=received, **{"retained_out" if gone else "deleted": 1})
        if line is not None:
            self._turn(now, line)
        return not gone

    def delete_many(self, now: int, seqs: list[int]) -> None:
        """`delete` of many messages, where nobody listens."""
        now = self._begin(now)
        ids = f"[{','.join([str(self.first | seq) for seq in seqs])}]"
        rows = self.database.sql(DELETE_MANY, (ids,)).fetchall()
        if not rows:
            return
        moment = now + self.base
        expired = retained = received = last = 0
        for id, state, visible_at, sent_at, receives in rows:
            retired = sent_at + self.retention
            expired += state == FLYING and visible_at <= min(moment, retired - 1)
            retained += retired <= moment
            received += receives
            last = max(last, id & (MOVED - 1))
        more = {"expired": expired, "retained_out": retained}
        self._count_gone(
            last,
            received=received,
            deleted=len(rows) - retained,
            **{name: count for name, count in more.items() if count},
        )

    def change_visibility(self, now: int, seq: int, timeout: int, receipt: int | None = None) -> Delivery | None:
        now = self._begin(now)
        row = self._present(now, seq)
        if row is None:
            return None
        delivery = self._delivery(row)
        if not timeout:
            if row[2] != AGAIN:
                self._show(now, row, "nacked", receipt)
            return delivery
        record, due = delivery.record, now + timeout
        self.log += self._note("visibility changed", now, record, delivery, until=due, receipt=receipt)
        self.database.sql("UPDATE messages SET visible_at = ?, state = 0 WHERE id = ?", (due + self.base, row[0]))
        self._turn(now, row[8])
        delivery.due = due
        return delivery

    def _show(self, now: int, row: Row, cause: Cause, receipt: int | None = None) -> None:
        """Make a message visible that is in flight."""
        if self.listening:
            self.log += self._note(cause, now, self._record(row), self._delivery(row), receipt=receipt)
        self.database.sql(SHOW, (now + self.base, row[0]))
        self._count(nacked=1)
        self._turn(now, row[8])

    def remember(self, delivery: Delivery, failure: Failure) -> None:
        seq = delivery.record[2]
        self.database.write()
        row = self.database.one("SELECT more FROM messages WHERE id = ?", (self.first | seq,))
        if row is not None:
            more = with_failure(row[0], failure)
            self.database.sql("UPDATE messages SET more = ? WHERE id = ?", (more, self.first | seq))
            delivery.record = with_details(delivery.record, failure=failure)

    def reject(self, now: int, seq: int, failure: Failure) -> bool:
        now = self._begin(now)
        row = self._present(now, seq)
        if row is None:
            return False
        delivery = self._delivery(row)
        if self.settings.dead_letter is not None:
            self._depart(now, row, Move(delivery, self.settings.dead_letter, self, failure))
            return True
        self.log += self._note("rejected", now, delivery.record, delivery, reason=failure.text)
        self._remove(now, row)
        self._count(rejected=1)
        return True

    def _remove(self, now: int, row: Row) -> None:
        self.database.sql("DELETE FROM messages WHERE id = ?", (row[0],))
        self._count_gone(row[0], received=row[4] - row[7])
        self._turn(now, row[8])

    def give_back(self, now: int, delivery: Delivery) -> None:
        """Undo a receive nobody got the answer of, if the message is still in flight by it: first in line again."""
        now = self._begin(now)
        row = self._row(delivery.record[2])
        if (
            row is None
            or row[2] != FLYING
            or (row[4], row[5])
            != (
                delivery.times_received,
                delivery.received_at + self.base,
            )
        ):
            return
        [soonest] = self.database.one("SELECT min(visible_at) FROM messages WHERE queue = ?", (self.number,))
        self.database.sql(
            "UPDATE messages SET visible_at = ?, state = 1, count = count - 1, "
            "first_at = CASE WHEN count = 1 THEN NULL ELSE first_at END WHERE id = ?",
            (min(row[3], soonest - 1), row[0]),
        )
        self._count(given_back=1, received=1)
        self._turn(now, row[8])
        if self.listening and (back := self._row(delivery.record[2])) is not None:
            record = self._record(back)
            past = None if back[4] == 1 else (back[4] - 1, None, True)
            self.log += self._note("given back", now, record, self._new(record, now, record[1], past))

    def purge(self, now: int) -> int:
        now = self._begin(now)
        self.settle_all(now)
        if self.listening:
            for row in sorted(self._all_rows(), key=lambda row: row[2] != FRESH):
                delivery = None if row[2] == FRESH else self._delivery(row)
                self.log += self._note("purged", now, self._record(row), delivery)
        ids = (self.first, self.first | MASK)
        [last, _] = self._last() or (0, 0)
        received = self._number("SELECT coalesce(sum(count - brought), 0) FROM messages WHERE queue = ?", self.number)
        gone: int = self.database.sql("DELETE FROM messages WHERE id BETWEEN ? AND ?", ids).rowcount
        self._count_gone(last, purged=gone, received=received)
        self._emptied()
        return gone

    def unfold(self, now: int) -> None:
        """Every message has a state of its own."""

    # -- moves: here and there in one transaction ----------------------------------------------------------------

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
        """Move a message, or keep it as its target's refusal says; `finish` or `undo` only hear of it."""
        now = self._begin(now)
        seq = delivery.record[2]
        move = Move(delivery, target, self, failure, as_new, entry, refusal)
        row = self._row(seq)
        if row is not None:
            self._depart(now, row, move)
            self.moving[seq] = move
            self.database.gate.undo.append((self.moving.pop, (seq, None)))
        return move

    def _depart(self, now: int, row: Row, move: Move) -> None:
        delivery, target = move.delivery, move.target
        reason = None if move.failure is None else move.failure.text
        self.log += self._note("moving", now, delivery.record, delivery, other=target.name, reason=reason)
        if move.refusal is None and target._core.gone():
            move.refusal = QueueClosed(target.name)
        if move.refusal is not None:
            self._refuse(now, row, move)
            return
        self._remove(now, row)
        target._core.accept(now, move)
        self._count(moved_out=1)
        self.log += self._note("moved", now, delivery.record, delivery, other=target.name)

    def gone(self) -> bool:
        """Whether it takes nothing any more."""
        return self.closed or self._state() is None

    def _refuse(self, now: int, row: Row, move: Move) -> None:
        delivery, due = move.delivery, now if move.as_new else now + max(self.lease, SECOND)
        self.log += self._note(
            "refused", now, delivery.record, delivery, until=due, other=move.target.name, reason=str(move.refusal)
        )
        state = AGAIN if move.as_new else FLYING
        self.database.sql(
            "UPDATE messages SET visible_at = ?, state = ? WHERE id = ?", (due + self.base, state, row[0])
        )
        self._count(refused=1)
        self._turn(now, row[8])
        delivery.due = due

    def finish(self, now: int, move: Move) -> None:
        self.moving.pop(move.delivery.record[2], None)

    def undo(self, now: int, move: Move, why: str) -> None:
        self.moving.pop(move.delivery.record[2], None)

    def next_move(self) -> Move | None:
        return None

    def accept(self, now: int, move: Move) -> None:
        now = self._begin(now)
        delivery, record = move.delivery, move.delivery.record
        text, sent_at, details, delay, count = record[0], now, details_of(record), 0, 0
        if move.entry is not None:
            text, handed_on, delay = move.entry
            details = handed_on or PLAIN
        else:
            details = carried(move)
            if not move.as_new:
                count, sent_at = delivery.times_received, record[1]
        last = (self._last() or (0, 0))[0] + 1
        self._count_gone(last)
        sent_at, details, line, seq = self._place(now, move, sent_at, details, last)
        first_at = delivery.first_received + self.base if count else None
        until = now + delay
        self.database.sql(
            INSERT,
            (
                self.first | seq, self.number, until + self.base, DELAYED if delay else AGAIN, sent_at + self.base, count,
                None, first_at, details.brought, line, details.group, details.deduplication_id, more_of(details, text), str(text),
            ),
        )  # fmt: skip
        self._turn(now, line)
        self._count(moved_in=1)
        arrived = self._delivery(self._row(seq) or ())
        move.arrived, move.seq, move.id = True, seq, self.id_of(arrived.record)
        origin = move.source.id_of(record)
        self.log += self._note(
            "moved in",
            now,
            arrived.record,
            arrived,
            until=until if delay else None,
            other=move.source.name,
            origin=None if move.id == origin else origin,
        )

    def _place(
        self, now: int, move: Move, sent_at: int, details: Details, last: int
    ) -> tuple[int, Details, int | None, int]:
        """Since when the message counts as sent, what it has beyond its body, its group's line, and its number."""
        return sent_at, details, None, last | MOVED if details.brought else last

    # -- those who wait ------------------------------------------------------------------------------------------

    def serve(self, now: int) -> None:
        gate = self.database.gate
        while self.parked:
            receiver = self.parked[0]
            if not receiver.messages and not receiver.done:
                if not gate.begun and not self.deliverable:
                    self._state()  # another process may have deleted the queue: then nobody waits any more
                    return
                try:
                    self.taker = receiver if self.listening else None
                    self.receive_for(now, receiver.most, receiver.lease, receiver.messages)
                finally:
                    self.taker = None
                if not receiver.messages:
                    return
                gate.undo.append((self._take_back, (receiver,)))
            # commit
            del self.parked[0]
            receiver.done = True
            self.filled += (receiver,)

    def _take_back(self, receiver: Receiver) -> None:
        """What it was served was not committed: it waits again, first in line."""
        receiver.messages.clear()
        receiver.done = False
        if receiver not in self.parked:
            self.parked.appendleft(receiver)

    def _close_waits(self) -> None:
        while self.parked:
            receiver = self.parked[0]
            # commit
            del self.parked[0]
            receiver.done = True
            self.filled += (receiver,)

    # -- settings ------------------------------------------------------------------------------------------------

    def configure(self, now: int, changed: Any, words: Any) -> None:
        before = self.settings
        if self.listening:
            self.log += (Change(cause="configured", queue=self.name, at=now + self.epoch, settings=dict(words)),)
        self._adopt(before._replace(**changed))
        self.database.gate.undo.append((self._adopt, (before,)))
        if "retention" in changed:
            self.kept_since = now
            self.settle_all(now)
