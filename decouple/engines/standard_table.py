"""A standard queue in a database: oldest visible first, at least once."""

from __future__ import annotations

from collections.abc import Mapping
from sqlite3 import IntegrityError
from typing import Any

from decouple.core.machine import why_dead
from decouple.core.places import Move
from decouple.core.records import NOTHING, PLAIN, Delivery, Details, Past, Record
from decouple.engines.copied import Copied
from decouple.engines.rows import COLUMNS, more_of
from decouple.engines.schema import AGAIN, DELAYED, FLYING, FRESH, LINE, MASK, MOVED
from decouple.engines.table import Row
from decouple.engines.transitions import INSERT
from decouple.errors import QueueClosed

__all__ = ["StandardTable"]

PLAIN_INSERT = "INSERT INTO messages(id, queue, visible_at, state, sent_at, body) VALUES (?,?,?,?,?,?)"
NEXT = f"SELECT {COLUMNS} FROM messages WHERE queue = ? AND visible_at <= ? ORDER BY {LINE} LIMIT ?"
LEASE = (
    "UPDATE messages SET visible_at = ?, state = 0, count = count + 1, received_at = ?, "
    "first_at = coalesce(first_at, ?) WHERE id = ?"
)
PROCESSES = 16
QUICK_SEND = f"""INSERT INTO messages(id, queue, visible_at, state, sent_at, body) SELECT ?, number, ?, {FRESH}, ?, ?
    FROM queues WHERE number = ? AND version = ? AND last < ?"""
QUICK_RECEIVE = f"""UPDATE messages SET visible_at = ?, state = 0, count = 1, received_at = ?, first_at = ?
    WHERE id = (SELECT id FROM messages WHERE queue = ? AND visible_at <= ? ORDER BY {LINE} LIMIT 1)
    AND state = {FRESH} AND sent_at > ? AND (SELECT version FROM queues WHERE number = ?) = ?
    RETURNING id, sent_at, grp, more, body"""
QUICK_DELETE = f"""DELETE FROM messages
    WHERE id = ? AND state = {FLYING} AND count = ? AND visible_at > ? AND sent_at > ?"""
DELETED = "UPDATE queues SET received = received + ?, deleted = deleted + 1, last = max(last, ?) WHERE number = ?"
LEASE_MANY = (
    "UPDATE messages SET visible_at = ?, state = 0, count = count + 1, received_at = ?, "
    "first_at = coalesce(first_at, ?) WHERE id IN (SELECT value FROM json_each(?))"
)


class StandardTable(Copied):
    """One standard queue."""

    # -- sending -------------------------------------------------------------------------------------------------

    def send(self, now: int, text: str, details: Details | None, delay: int) -> int:
        return self.send_all(now, [(text, details, delay)])[0]

    def send_all(
        self, now: int, entries: list[tuple[str, Details | None, int]], words: Mapping[str, Any] = NOTHING
    ) -> list[int]:
        now = self._begin(now)
        if not entries:
            return []
        seqs = self._numbers_for(len(entries))
        moment, first, number = now + self.base, self.first, self.number
        plain: list[Row] = []
        rich: list[Row] = []
        for seq, (text, details, delay) in zip(seqs, entries, strict=True):
            if details is None and text.__class__ is str:
                plain.append((first | seq, number, moment + delay, DELAYED if delay else FRESH, moment, text))
            else:
                rich.append(self._new_row(seq, moment, delay, text, details or PLAIN, None))
        self._insert(PLAIN_INSERT, plain)
        self._insert(INSERT, rich)
        if self.listening:
            for seq, (text, details, delay) in zip(seqs, entries, strict=True):
                record: Record = (text, now, seq) if details is None else (text, now, seq, details)
                self.log += self._note("sent", now, record, until=now + delay if delay else None, **words)
        return seqs

    def _numbers_for(self, count: int) -> list[int]:
        """The numbers of so many messages. Raises QueueClosed where another process has deleted the queue."""
        row = self._last()
        if row is None:
            self._vanish()
            raise QueueClosed(self.name)
        last, version = row
        if version != self.version:
            self._state()
        return list(range(last + 1, last + 1 + count))

    def _new_row(self, seq: int, moment: int, delay: int, text: str, details: Details, line: int | None) -> Row:
        return (
            self.first | seq, self.number, moment + delay, DELAYED if delay else FRESH, moment, 0, None, None,
            details.brought, line, details.group, details.deduplication_id, more_of(details, text), str(text),
        )  # fmt: skip

    def _insert(self, text: str, rows: list[Row]) -> None:
        if len(rows) == 1:
            self.database.sql(text, rows[0])
        elif rows:
            self.database.many(text, rows)

    # -- receiving -----------------------------------------------------------------------------------------------

    def _receive(self, now: int, asked: int, lease: int, out: list[Delivery]) -> None:
        begun = self._begin_receive(now, lease, out)
        if begun is None:
            return
        now, lease = begun
        room = self._room(asked)
        taken: list[tuple[Row, Delivery]] = []
        while room > len(taken):
            rows = self.database.sql(NEXT, (self.number, now + self.base, room - len(taken))).fetchall()
            if not rows:
                break
            leased = [row for row in rows if not self._leaves(now, row)]
            taken += self._lease_rows(now, lease, leased)
        out += [delivery for _, delivery in taken]
        if not lease:
            for row, _ in taken:
                # A visibility of 0 shows the message and leaves it visible, one receive older (SQS).
                self._show(now, self._row(row[0] & MASK) or row, "nacked")

    def _begin_receive(self, now: int, lease: int, out: list[Delivery]) -> tuple[int, int] | None:
        """The present instant and the lease; None if there is nothing to be had. Raises QueueClosed."""
        if not self.database.gate.begun and not self.listening and not self.deliverable:
            if self._state() is None:
                raise QueueClosed(self.name)
            return None
        queues_own = lease == self.lease
        now = self._begin(now)
        if self._state() is None:
            raise QueueClosed(self.name)
        if self.listening:
            self.settle_all(now)
        self.database.gate.undo.append((out.clear, ()))
        return now, self.lease if queues_own else lease  # another process may have changed it

    # -- the short paths: few statements, and none that returns what nobody needs ---------------------------------

    def send_one(self, now: int, text: str) -> int:
        """The number of a message that was sent; 0 where there is more to it."""
        self.database.gate.single()
        seq = self._try_to_send(now, text)
        if not seq:
            last = self._last()
            if last is None or last[1] != self.version:
                return 0
            self.newest = last[0]
            seq = self._try_to_send(now, text)
        return seq

    def _try_to_send(self, now: int, text: str) -> int:
        """The number of a message that was sent; 0 if the next number is another one than this process knew."""
        moment, seq = now + self.base, self.newest + 1
        values = (self.first | seq, moment, moment, text, self.number, self.version, seq)
        try:
            if not self.database.sql(QUICK_SEND, values).rowcount:
                return 0
        except IntegrityError:  # another process has given it out
            return 0
        self.newest = 0 if self.database.gate.spans else seq  # what is taken back leaves no gap in the numbers
        return seq

    def receive_one(self, now: int) -> Row | None:
        """Of the first in line, which was never received before, and is in flight now: its id, when it was sent, and the rest."""
        if not self.ample or not self.lease:
            return None
        self.database.gate.single()
        moment, number = now + self.base, self.number
        row: Row | None = self.database.sql(
            QUICK_RECEIVE,
            (moment + self.lease, moment, moment, number, moment, moment - self.retention, number, self.version),
        ).fetchone()
        if row is not None:
            self.ample -= 1
        return row

    def delete_one(self, now: int, delivery: Delivery) -> bool:
        """Delete a message that is in flight by this delivery; False where there is more to it."""
        gate, sql = self.database.gate, self.database.sql
        gate.write()
        moment, seq, count, record = now + self.base, delivery.record[2], delivery.times_received, delivery.record
        if not sql(QUICK_DELETE, (self.first | seq, count, moment, moment - self.retention)).rowcount:
            return False
        brought = record[3].brought if len(record) == 4 else 0
        sql(DELETED, (count - brought, seq & (MOVED - 1), self.number))
        return True

    @property
    def crowded(self) -> bool:
        return self._room(1) < 1

    def _room(self, asked: int) -> int:
        """How many of those asked for may be in flight, too.

        Counting them takes time where they are many. So it is done again when a part of the room that was found is used up:
        a sixteenth, because other processes take from it as well. Close to the limit it is done each time.
        """
        if asked > self.ample:
            room = max(0, self.max_receivable())
            self.ample = room // PROCESSES
            if asked > self.ample:
                return min(asked, room)
        self.ample -= asked
        return asked

    def _leaves(self, now: int, row: Row) -> bool:
        """Whether a visible message is not to be given: it is too old, or dead."""
        retired = self._retired(row)
        if retired <= now + self.base:
            self._retain_row(row, retired)
            return True
        limit = self.settings.max_receives
        if limit is None or self.settings.dead_letter is None or row[4] - row[7] < limit:
            return False
        if row[2] == FLYING:  # nobody has noticed yet
            self._count(expired=1)
            row = (*row[:2], AGAIN, *row[3:])
            self.database.sql("UPDATE messages SET state = 1 WHERE id = ?", (row[0],))
        delivery = self._delivery(row)
        self._depart(now, row, Move(delivery, self.settings.dead_letter, self, why_dead(delivery)))
        return True

    def _lease_rows(self, now: int, lease: int, rows: list[Row]) -> list[tuple[Row, Delivery]]:
        """Put these in flight."""
        if not rows:
            return []
        moment, due, base = now + self.base, now + (lease or 1), self.base
        if len(rows) == 1:
            self.database.sql(LEASE, (due + base, moment, moment, rows[0][0]))
        else:
            ids = f"[{','.join([str(row[0]) for row in rows])}]"
            self.database.sql(LEASE_MANY, (due + base, moment, moment, ids))
        late = sum(1 for row in rows if row[2] == FLYING)
        if late:
            self._count(expired=late)
        owner = self.owner
        taken: list[tuple[Row, Delivery]] = []
        for row in rows:
            count = row[4]
            past: Past | None = (count, None if row[6] is None else row[6] - base, True) if count else None
            record = self._record(row)
            delivery = self.make()
            delivery.owner = owner
            delivery.record = record
            delivery.received_at = now
            delivery.due = due
            delivery.past = past
            delivery.settled = False
            taken.append((row, delivery))
            if self.listening:
                self.log += self._note("received", now, delivery.record, delivery, until=now + lease)
        return taken
