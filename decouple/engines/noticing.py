"""What happens by itself to messages in a database, as time passes: core/due.py as SQL.

It needs no change to be so: a message is visible when its instant has come. Only who keeps books or tells observers sees to
it that it is noticed, each at its own instant, in the order of these.
"""

from __future__ import annotations

from decouple.engines.rows import COLUMNS
from decouple.engines.schema import AGAIN, FLYING, FRESH, LINE, MOVED
from decouple.engines.table import Row, Table

__all__ = ["Noticing"]

AT_ONCE = 256


class Noticing(Table):
    """A queue that notices what is due."""

    def _turn(self, now: int, line: int | None) -> None:
        """Something happened to a message of this group."""

    # -- by itself -----------------------------------------------------------------------------------------------

    def settle(self, now: int) -> None:
        self.settle_all(now)

    def settle_all(self, now: int) -> None:
        """Notice all that is due, at its instants. Without anything due, nothing is begun."""
        if self.next_at() > now:
            self.noticed = max(self.noticed, now + self.base)
            return
        now = self._begin(now)
        self._notice(now)

    def _notice(self, now: int) -> None:
        moment = now + self.base
        events: list[tuple[int, int, Row]] = [(self._retired(row), 1, row) for row in self._old(moment)]
        due = self.database.sql(
            f"SELECT {COLUMNS} FROM messages WHERE queue = ? AND visible_at > ? AND visible_at <= ? AND state IN (0, 2) "
            f"ORDER BY {LINE}",
            (self.number, self.noticed, moment),
        ).fetchall()
        events += [(row[1], 0, row) for row in due if row[1] < self._retired(row)]
        events.sort(key=lambda event: event[0])
        for at, gone, row in events:
            if gone:
                self._retain_row(row, at)
            else:
                self._show_row(row, at - self.base)
        before, self.noticed = self.noticed, max(self.noticed, moment)
        self.database.gate.undo.append((self._forget_notice, (before,)))

    def _forget_notice(self, before: int) -> None:
        self.noticed = before

    def _old(self, moment: int) -> list[Row]:
        """The messages that have outlived the retention."""
        found: list[Row] = []
        limit, after = moment - self.retention, self.first - 1
        native = f"SELECT {COLUMNS} FROM messages WHERE id > ? AND id < ? ORDER BY id LIMIT {AT_ONCE}"
        while True:
            rows = self.database.sql(native, (after, self.first | MOVED)).fetchall()
            old = [row for row in rows if row[3] <= limit]
            found += old
            if len(old) < AT_ONCE:
                break
            after = rows[-1][0]
        moved = f"SELECT {COLUMNS} FROM messages WHERE queue = ? AND brought > 0 AND sent_at <= ? AND id >= ?"
        found += self.database.sql(moved, (self.number, limit, self.first | MOVED)).fetchall()
        return found

    def _show_row(self, row: Row, at: int) -> None:
        """Its time in flight, or its delay, ended."""
        expired = row[2] == FLYING
        if self.listening:
            self.log += self._note("expired" if expired else "delay ended", at, self._record(row), self._delivery(row))
        self.database.sql("UPDATE messages SET state = 1 WHERE id = ?", (row[0],))
        if expired:
            self._count(expired=1)

    def _retain_row(self, row: Row, retired: int) -> None:
        """Let a message go that has outlived the retention."""
        at = max(retired - self.base, self.kept_since)
        if row[2] == AGAIN:
            at = max(at, row[1] - self.base)
        if self.listening:
            delivery = None if row[2] == FRESH else self._delivery(row)
            self.log += self._note("retained out", at, self._record(row), delivery)
        self.database.sql("DELETE FROM messages WHERE id = ?", (row[0],))
        self._count_gone(row[0], retained_out=1, received=row[4] - row[7])
        self._turn(at, row[8])

    def _present(self, now: int, seq: int) -> Row | None:
        """The row of a message that was received, after what has happened to it by itself; None if it is gone."""
        row = self._row(seq)
        if row is None or not row[4]:
            return None
        moment, retired = now + self.base, self._retired(row)
        shown = row[2] == FLYING and row[1] <= min(moment, retired - 1)
        if shown:
            self._show_row(row, row[1] - self.base)
        if retired <= moment:
            self._retain_row(row, retired)
            return None
        return (*row[:2], AGAIN, *row[3:]) if shown else row
