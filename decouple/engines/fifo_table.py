"""A FIFO queue in a database: order within each group, whoever receives, and one send counted once.

A group's messages are in its line by their numbers. Its row says which is the first, and since when that is visible: in the
future while it is in flight anywhere. So the group whose turn it is, is found by one search, and a group that waits is
never looked at.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from decouple.core.changes import Change
from decouple.core.copies import Standing
from decouple.core.dedup import WINDOW
from decouple.core.fifo import GroupView
from decouple.core.places import Move
from decouple.core.records import NOTHING, Delivery, Details, Record
from decouple.engines.rows import COLUMNS
from decouple.engines.schema import FLYING, MASK
from decouple.engines.standard_table import StandardTable
from decouple.engines.table import Row
from decouple.engines.transitions import INSERT
from decouple.errors import QueueClosed

__all__ = ["FifoTable"]

FORGOTTEN_AT_ONCE = 1_024
LINE = f"SELECT {COLUMNS} FROM messages WHERE line = ? AND id > ? ORDER BY id LIMIT ?"
HEAD = "SELECT id, visible_at FROM messages WHERE line = ? ORDER BY id LIMIT 1"
NEXT_GROUP = "SELECT line, name FROM groups WHERE queue = ? AND parked = 0 AND since <= ? ORDER BY since, turn LIMIT 1"


class FifoTable(StandardTable):
    """One FIFO queue."""

    ordered = True
    by_queue = True
    _line_text = f"SELECT {COLUMNS} FROM messages WHERE queue = ? AND visible_at <= ? ORDER BY id"

    @property
    def deliverable(self) -> bool:
        return (
            self._ask(
                "SELECT 1 FROM groups WHERE queue = ? AND parked = 0 AND since <= ? LIMIT 1",
                (self.number, self._moment()),
            )
            is not None
        )

    # -- sending -------------------------------------------------------------------------------------------------

    def send_all(
        self, now: int, entries: list[tuple[str, Details | None, int]], words: Mapping[str, Any] = NOTHING
    ) -> list[int]:
        now = self._begin(now)
        state = self._state()
        if state is None:
            raise QueueClosed(self.name)
        firsts: list[int | None] = []
        batch: dict[str, int] = {}
        fresh: list[str] = []
        for _, details, _ in entries:
            assert details is not None
            keys = self._keys(now, details, state[1])
            first = self._first_of(now, keys)
            if first is None and keys[0] in batch:
                first = -batch[keys[0]] - 1  # of this very batch: its number is not known yet
            if first is None:
                batch[keys[0]] = len(fresh)
                fresh.append(keys[0])
            firsts.append(first)
        return self._enqueue(now, entries, firsts, fresh, words)

    def _enqueue(
        self,
        now: int,
        entries: list[tuple[str, Details | None, int]],
        firsts: list[int | None],
        keys: list[str],
        words: Mapping[str, Any],
    ) -> list[int]:
        """Accept those that are no duplicates; the numbers of all."""
        seqs: list[int] = []
        rows: list[Row] = []
        moment, duplicates = now + self.base, 0
        start = (self._last() or (0, 0))[0] + 1
        seq = start
        for (text, details, delay), first in zip(entries, firsts, strict=True):
            assert details is not None
            if first is not None:
                first = start - first - 1 if first < 0 else first
                duplicates += 1
                self.log += self._duplicate(now, text, details, first, words)
                seqs.append(first)
                continue
            line = self._line_for(details.group or "", self.first | seq, moment + delay)
            rows.append(self._new_row(seq, moment, delay, text, details, line))
            record: Record = (text, now, seq, details)
            self.log += self._note("sent", now, record, until=now + delay if delay else None, **words)
            seqs.append(seq)
            seq += 1
        self._insert(INSERT, rows)
        for at, key in enumerate(keys):
            self._remember(now, key, start + at)
        self._count(duplicates=duplicates)
        self._forget(now, FORGOTTEN_AT_ONCE + len(entries))
        return seqs

    def _keys(self, now: int, details: Details, former_until: int) -> tuple[str, ...]:
        """Under what the send is remembered; for a while after a change of scope also what it was before."""
        identity = details.deduplication_id or ""
        keys = (identity, f"{details.group}\t{identity}")
        if self.settings.deduplication_scope != "queue":
            keys = keys[::-1]
        return keys if now + self.base < former_until else keys[:1]

    def _first_of(self, now: int, keys: tuple[str, ...]) -> int | None:
        for key in keys:
            row = self.database.one(
                "SELECT seq FROM seen WHERE queue = ? AND key = ? AND at > ?",
                (self.number, key, now + self.base - WINDOW),
            )
            if row is not None:
                found: int = row[0]
                return found
        return None

    def _remember(self, now: int, key: str, seq: int) -> None:
        self.database.sql(
            "INSERT INTO seen(queue, key, at, seq) VALUES (?, ?, ?, ?) "
            "ON CONFLICT(queue, key) DO UPDATE SET at = excluded.at, seq = excluded.seq",
            (self.number, key, now + self.base, seq),
        )

    def _forget(self, now: int, most: int) -> None:
        self.database.sql(
            "DELETE FROM seen WHERE number IN (SELECT number FROM seen WHERE queue = ? AND at <= ? LIMIT ?)",
            (self.number, now + self.base - WINDOW, most),
        )

    # -- lines and turns -----------------------------------------------------------------------------------------

    def _line_for(self, name: str, message: int, since: int) -> int:
        """The line of a group; a new one begins with this message."""
        row = self.database.one("SELECT line FROM groups WHERE queue = ? AND name = ?", (self.number, name))
        if row is None:
            row = self.database.one(
                "INSERT INTO groups(queue, name, head, since, turn) VALUES (?, ?, ?, ?, ?) RETURNING line",
                (self.number, name, message, since, self._next_turn()),
            )
        line: int = row[0]
        return line

    def _next_turn(self) -> int:
        text = "UPDATE queues SET turns = turns + 1 WHERE number = ? RETURNING turns"
        return self._number(text, self.number)

    def _turn(self, now: int, line: int | None) -> None:
        """See who is first in the line now, and let the group join the others' end if that is news."""
        if line is None:
            return
        head, moment = self.database.one(HEAD, (line,)), now + self.base
        if head is None:
            self.database.sql("DELETE FROM groups WHERE line = ?", (line,))
            return
        known = self.database.one("SELECT head, since FROM groups WHERE line = ?", (line,))
        if known is None or known == head:
            return
        if max(known[1], head[1]) <= moment:  # it keeps its place among those that can be received
            self.database.sql("UPDATE groups SET head = ? WHERE line = ?", (head[0], line))
            return
        self.database.sql(
            "UPDATE groups SET head = ?, since = ?, turn = ? WHERE line = ?",
            (head[0], max(head[1], moment), self._next_turn(), line),
        )

    # -- receiving -----------------------------------------------------------------------------------------------

    def _receive(self, now: int, asked: int, lease: int, out: list[Delivery]) -> None:
        begun = self._begin_receive(now, lease, out)
        if begun is None:
            return
        now, lease = begun
        room = self._room(asked)
        taken: list[tuple[Row, Delivery]] = []
        while room > len(taken) and not self.closed:
            group = self.database.one(NEXT_GROUP, (self.number, now + self.base))
            if group is None:
                break
            taken += self._take_from(now, lease, group, room - len(taken))
        out += [delivery for _, delivery in taken]
        if not lease:
            for row, _ in taken:
                # A visibility of 0 shows the message and leaves it visible, one receive older (SQS).
                self._show(now, self._row(row[0] & MASK) or row, "nacked")
        if taken:
            self._forget(now, FORGOTTEN_AT_ONCE)

    def _take_from(self, now: int, lease: int, group: Row, most: int) -> list[tuple[Row, Delivery]]:
        """Put the visible messages of a group on in flight; the dead and the too old leave on the way."""
        line, name = group
        leased: list[Row] = []
        after, moment, open_ = 0, now + self.base, True
        while open_ and len(leased) < most:
            rows = self.database.sql(LINE, (line, after, most - len(leased))).fetchall()
            if not rows:
                break
            after = rows[-1][0]
            for row in rows:
                if row[1] > moment:
                    open_ = False
                    break
                if self._parks(now, row, line, name):
                    open_ = False
                    break
                if not self._leaves(now, row):
                    leased.append(row)
        taken = self._lease_rows(now, lease, leased)
        self._turn(now, line)
        return taken

    def _parks(self, now: int, row: Row, line: int, name: str) -> bool:
        """Whether the message keeps failing, and its group is set aside for it."""
        limit = self.settings.max_receives
        if self.settings.on_poison != "park" or limit is None or row[4] - row[7] < limit:
            return False
        if self._retired(row) <= now + self.base:
            return False
        self.database.sql("UPDATE groups SET parked = 1 WHERE line = ?", (line,))
        self.log += self._about("group parked", now, name)
        return True

    def _leaves(self, now: int, row: Row) -> bool:
        if self.settings.on_poison in ("block", "park") and self._retired(row) > now + self.base:
            return False
        return super()._leaves(now, row)

    # -- settling ------------------------------------------------------------------------------------------------

    def expired(self, now: int, seq: int, count: int) -> bool:
        """Whether a receipt, of the message's receive number `count`, is over: the message is here, but not in flight by it."""
        now = self._begin(now)
        row = self._present(now, seq)
        return row is not None and (row[2] != FLYING or row[4] != count)

    # -- the same receive once more ------------------------------------------------------------------------------

    def attempted(self, now: int, attempt: str, lease: int, out: list[Delivery]) -> bool:
        """Give what the receive of this name got, in flight for `lease` from now; False if it is not all as it was then."""
        now = self._begin(now)
        row = self.database.one("SELECT at, given FROM attempts WHERE queue = ? AND name = ?", (self.number, attempt))
        given: list[tuple[int, int, int]] = [] if row is None else json.loads(row[1])
        if row is None or now + self.base - row[0] >= WINDOW or not given:
            return False
        self.settle_all(now)
        found: list[int] = []
        for seq, count, due in given:
            one = self._row(seq)
            if one is None or one[2] != FLYING or (one[4], one[1]) != (count, due):
                return False
            found.append(seq)
        self._keep_attempt(row[0], attempt, [(seq, count, now + lease + self.base) for seq, count, _ in given])
        for seq in found:
            delivery = self.change_visibility(now, seq, lease)
            if delivery is not None:
                out.append(delivery)
        return True

    def remember_attempt(self, now: int, attempt: str, given: Sequence[Delivery]) -> None:
        """What the receive of this name got, for five minutes."""
        now = self._begin(now)
        self.database.sql("DELETE FROM attempts WHERE queue = ? AND at <= ?", (self.number, now + self.base - WINDOW))
        found = [(one.record[2], one.times_received, one.due + self.base) for one in given]
        self._keep_attempt(now + self.base, attempt, found)

    def _keep_attempt(self, at: int, attempt: str, given: list[tuple[int, int, int]]) -> None:
        self.database.sql(
            "INSERT OR REPLACE INTO attempts VALUES (?, ?, ?, ?)", (self.number, attempt, at, json.dumps(given))
        )

    # -- groups --------------------------------------------------------------------------------------------------

    def release(self, now: int, name: str) -> bool:
        """Give a parked group again, its messages with a new number of tries; False if it is not parked."""
        now = self._begin(now)
        self.settle_all(now)
        row = self.database.one(
            "SELECT line FROM groups WHERE queue = ? AND name = ? AND parked = 1", (self.number, name)
        )
        if row is None:
            return False
        received = "SELECT coalesce(sum(count - brought), 0) FROM messages WHERE line = ? AND visible_at <= ?"
        self._count(received=self._number(received, row[0], now + self.base))
        self.database.sql(
            "UPDATE messages SET brought = count WHERE line = ? AND visible_at <= ?", (row[0], now + self.base)
        )
        self.database.sql(
            "UPDATE groups SET parked = 0, since = max(since, ?), turn = ? WHERE line = ?",
            (now + self.base, self._next_turn(), row[0]),
        )
        self.log += self._about("group released", now, name)
        return True

    def _about(self, cause: Any, now: int, group: str) -> tuple[Change, ...]:
        return (Change(cause=cause, queue=self.name, at=now + self.epoch, reason=group),) if self.listening else ()

    def views(self, now: int) -> list[GroupView]:
        """Each group, in the order in which they came. Cost: O(messages)."""
        self.settle_all(now)
        lines: dict[int, list[Row]] = {}
        moment = now + self.base
        for row in self._all_rows():
            lines.setdefault(row[8], []).append(row)
        groups = self.database.sql(
            "SELECT line, name, parked FROM groups WHERE queue = ? ORDER BY line", (self.number,)
        ).fetchall()
        return [self._view(moment, lines[line], name, parked=bool(parked)) for line, name, parked in groups]

    def _view(self, moment: int, line: list[Row], name: str, *, parked: bool) -> GroupView:
        hidden = [row for row in line if row[1] > moment]
        flying = sum(1 for row in hidden if row[2] == FLYING)
        head = line[0]
        blocks = head[1] > moment or (parked and head[4])
        return GroupView(name, len(line) - len(hidden), flying, parked, self._delivery(head) if blocks else None)

    def _emptied(self) -> None:
        for table in ("groups", "seen", "attempts"):
            self.database.sql(f"DELETE FROM {table} WHERE queue = ?", (self.number,))

    def own_faults(self) -> Any:
        wrong = self.database.sql(
            "SELECT name FROM groups g WHERE queue = ? AND head IS NOT (SELECT min(id) FROM messages WHERE line = g.line)",
            (self.number,),
        ).fetchall()
        for (name,) in wrong:
            yield f"group {name!r} does not know its first message"
        late = self.database.sql(
            "SELECT name FROM groups g JOIN messages m ON m.id = g.head "
            "WHERE g.queue = ? AND g.parked = 0 AND m.visible_at > g.since",
            (self.number,),
        ).fetchall()
        for (name,) in late:
            yield f"group {name!r} has a turn while its first message is in flight"

    # -- moved in, and changed -----------------------------------------------------------------------------------

    def _place(
        self, now: int, move: Move, sent_at: int, details: Details, last: int
    ) -> tuple[int, Details, int | None, int]:
        """A message from another queue is never a duplicate, but its id is taken from now on; it is as old as the move."""
        if not move.as_new and move.entry is None:
            sent_at, details = now, details._replace(deduplication_id=details.id)
        if details.deduplication_id is None:
            details = details._replace(deduplication_id=f"{self.stem}{last:012x}")
        state = self._state()
        keys = self._keys(now, details, 0 if state is None else state[1])
        if self._first_of(now, keys) is None:
            self._remember(now, keys[0], last)
        delay = 0 if move.entry is None else move.entry[2]
        line = self._line_for(details.group or "", self.first | last, now + delay + self.base)
        return sent_at, details, line, last

    @property
    def in_sequence(self) -> bool:
        return True

    def _room_for(self, last: int, details: Details, due: int) -> tuple[int, int | None]:
        return last, self._line_for(details.group or "", self.first | last, due)

    def _bringing(self, now: int, number: int, one: Standing) -> None:
        state = self._state()
        keys = self._keys(now, one.details, 0 if state is None else state[1])
        if now - one.sent_at < WINDOW and self._first_of(now, keys) is None:
            self._remember(one.sent_at, keys[0], number)

    def configure(self, now: int, changed: Any, words: Any) -> None:
        scope = self.settings.deduplication_scope
        super().configure(now, changed, words)
        if self.settings.deduplication_scope != scope:
            self._begin(now)
            until = now + self.base + WINDOW
            self.database.sql("UPDATE queues SET former_scope_until = ? WHERE number = ?", (until, self.number))
        if "delay" in changed:
            self._delay_again(now)

    def _delay_again(self, now: int) -> None:
        """Let the queue's delay hold for what was not received yet. Cost: O(messages)."""
        now = self._begin(now)
        for row in self._all_rows():
            until = max(now + self.base, row[3] + self.settings.delay)
            shown = row[1] <= now + self.base
            if row[4] or (until == row[1] if not shown else until <= now + self.base):
                continue
            delivery = self._delivery(row)
            self.log += self._note("delay changed", now, delivery.record, delivery, until=until - self.base)
            self.database.sql("UPDATE messages SET visible_at = ?, state = 2 WHERE id = ?", (until, row[0]))
            self._turn(now, row[8])
        self.noticed = min(self.noticed, now + self.base - 1)
        self.settle_all(now)
