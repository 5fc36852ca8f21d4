"""A queue's state in a database: what can be asked of it, and its books.

The same questions as core/places.py answers, asked of tables; the places of memory stay empty and its doors shut. Callers
hold the gate, so that what they ask and what they then change is one transaction. Instants are the clock's own here, as
everywhere in the library, and nanoseconds since 1970 in the tables: `base` lies between.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from decouple.core.deadlines import FAR
from decouple.core.machine import Machine
from decouple.core.places import Receiver
from decouple.core.records import Delivery, Past, Record
from decouple.core.settings import Settings
from decouple.engines.rows import COLUMNS, record_in
from decouple.engines.schema import AGAIN, DELAYED, FLYING, FRESH, LINE, MASK, MOVED, WIDTH
from decouple.large_bodies import Pointer, watch_from_now_on

if TYPE_CHECKING:
    from decouple.engines.database import Database

__all__ = ["Row", "Table"]

Row = tuple[Any, ...]

COUNTED = (
    "received", "deleted", "expired", "nacked", "given_back", "retained_out", "purged", "rejected",
    "moved_in", "moved_out", "refused", "duplicates",
)  # fmt: skip
STATE = "SELECT version, former_scope_until FROM queues WHERE number = ?"
BOOKS = f"SELECT {', '.join(COUNTED)} FROM queues WHERE number = ?"
LAST = f"""max(last, coalesce(
    (SELECT id & {MASK} FROM messages WHERE id BETWEEN ? AND ? ORDER BY id DESC LIMIT 1), 0))"""
LAST_NUMBER = f"SELECT {LAST}, version FROM queues WHERE number = ?"
TALLIES: dict[tuple[str, ...], str] = {}
HERE = (
    "SELECT CASE WHEN visible_at <= ? THEN 1 WHEN state = 2 THEN 2 ELSE 0 END, count(*), sum(count - brought) "
    "FROM messages WHERE queue = ? GROUP BY 1"
)
SHOWN = {FLYING: "leased", AGAIN: "again", DELAYED: "delayed", FRESH: "fresh"}
NOTHING: Mapping[Any, Any] = MappingProxyType({})


class Table(Machine):
    """What Standard and Fifo have in common in a database."""

    # What the short paths of memory look at: nothing is ever there.
    ring: Any = ()
    groups: Any = NOTHING
    seen: Any = NOTHING
    touched: Any = ()
    longest = property(lambda _: -1, lambda _, __: None)

    def __init__(
        self,
        name: str,
        settings: Settings,
        *,
        database: Database,
        queue: tuple[int, str, int],
        found: Callable[[str], Any],
        stale: Callable[[Table], None],
        waits: Callable[[Table], None],
        **more: Any,
    ) -> None:
        """queue: its number, the stem of its ids and the version of its settings; found: a queue by its name;
        stale: is told that another process has changed the settings; waits: that a receive is parked here."""
        self.database = database
        self.base = database.epoch
        self.number, stem, self.version = queue
        self.first = self.number << WIDTH
        self.found = found
        self.stale = stale
        self.waits = waits
        self.noticed = -FAR  # all that was due until then has been seen to
        self.tally: dict[str, int] = {}
        self.newest = 0  # a number that was given out, the last one as far as this process knows
        self.ample = 0  # so many may be put in flight before those that are have to be counted
        super().__init__(name, settings, **{**more, "stem": stem, "express": False})
        self.log: Any = database.gate.log

    # -- transactions --------------------------------------------------------------------------------------------

    def _begin(self, now: int) -> int:
        """What follows is a change. The present instant: another process's may have taken its time."""
        self.database.write()
        return max(now, self.database.clock.now())

    def _state(self) -> Row | None:
        """Version, and until when a former scope counts; None if another process has deleted the queue.

        Its settings are those of the database now.
        """
        row: Row | None = self.database.one(STATE, (self.number,))
        if row is None:
            self._vanish()
        elif row[0] != self.version:
            self.version = row[0]
            self.stale(self)
        return row

    def _adopt(self, settings: Settings) -> None:
        super()._adopt(settings)
        self.ample = 0  # it was of another limit

    def park(self, receiver: Receiver) -> None:
        if self.database.gate.spans:
            raise RuntimeError("a receive cannot wait within a transaction: nobody could send anything meanwhile")
        super().park(receiver)
        self.waits(self)

    def _vanish(self) -> None:
        """Another process has deleted the queue."""
        self.closed = True
        while self.parked:
            receiver = self.parked.popleft()
            receiver.done = True
            self.filled.append(receiver)

    def _count(self, **more: int) -> None:
        """Add to the books, when the transaction ends."""
        tally = self.tally
        if not tally:
            self.database.gate.tallies.append(self._write_tally)
            self.database.gate.undo.append((tally.clear, ()))
        for name, value in more.items():
            tally[name] = tally.get(name, 0) + value

    def _count_gone(self, id: int, **more: int) -> None:
        """The same, for a message that is no more: its number was given out."""
        self._count(**more)
        self.tally["last"] = max(self.tally.get("last", 0), id & (MOVED - 1))

    def _write_tally(self) -> None:
        tally = self.tally
        names = tuple(tally)
        text = TALLIES.get(names)
        if text is None:
            changes = ", ".join("last = max(last, ?)" if name == "last" else f"{name} = {name} + ?" for name in names)
            text = TALLIES[names] = f"UPDATE queues SET {changes} WHERE number = ?"
        self.database.sql(text, (*tally.values(), self.number))
        tally.clear()

    def _last(self) -> tuple[int, int] | None:
        """The number that was given out last, and the version of the settings; None if the queue was deleted.

        It is that of the newest message, or of a newer one that is gone: so a send changes messages alone.
        """
        found: tuple[int, int] | None = self._ask(LAST_NUMBER, (self.first, self.first | (MOVED - 1), self.number))
        # What this transaction gave out already is not in the table yet.
        return None if found is None else (max(found[0], self.tally.get("last", 0)), found[1])

    def _ask(self, text: str, values: Any) -> Any:
        """The first row of an answer, also for who does not hold the gate."""
        gate = self.database.gate
        if gate.mine:
            return self.database.one(text, values)
        with gate:
            return self.database.one(text, values)

    # -- rows ----------------------------------------------------------------------------------------------------

    def _row(self, seq: int) -> Row | None:
        row: Row | None = self._ask(f"SELECT {COLUMNS} FROM messages WHERE id = ?", (self.first | seq,))
        return row

    def _record(self, row: Row) -> Record:
        record = record_in(row, row[0] & MASK, self.base, self._source, self.settings.large_bodies)
        if isinstance(record[0], Pointer):  # it may have come from another queue, and been sent by another process
            watch_from_now_on(self.owner)
        return record

    def record_of(self, seq: int) -> Record:
        """What there is of a message that is here."""
        row = self._row(seq)
        assert row is not None
        return self._record(row)

    def _source(self, name: str) -> Any:
        return self.found(name)

    def _delivery(self, row: Row, record: Record | None = None) -> Delivery:
        """The message's latest delivery."""
        count, received_at, first_at = row[4], row[5], row[6]
        past: Past | None = None
        if count != 1:
            past = (count - 1, None if first_at is None else first_at - self.base, True)
        since = row[3] if received_at is None else received_at
        return self._new(record or self._record(row), since - self.base, row[1] - self.base, past)

    def _retired(self, row: Row) -> int:
        """When it outlives the retention, in the table's time."""
        retired: int = row[3] + self.retention
        return retired

    # -- asking --------------------------------------------------------------------------------------------------

    def _number(self, text: str, *values: Any) -> int:
        found: int = self._ask(text, values)[0]
        return found

    def _moment(self) -> int:
        return self.database.clock.now() + self.base

    @property
    def visible(self) -> int:
        return self._number(
            "SELECT count(*) FROM messages WHERE queue = ? AND visible_at <= ?", self.number, self._moment()
        )

    @property
    def in_flight(self) -> int:
        return self._number(
            f"SELECT count(*) FROM messages WHERE queue = ? AND visible_at > ? AND state = {FLYING}",
            self.number,
            self._moment(),
        )

    @property
    def deliverable(self) -> bool:
        return bool(
            self._number(
                "SELECT EXISTS(SELECT 1 FROM messages WHERE queue = ? AND visible_at <= ?)", self.number, self._moment()
            )
        )

    def find(self, seq: int) -> Delivery | None:
        row = self._row(seq)
        return None if row is None or not row[4] else self._delivery(row)

    def is_latest(self, delivery: Delivery) -> bool:
        row = self._ask(
            "SELECT count, received_at, state FROM messages WHERE id = ?", (self.first | delivery.record[2],)
        )
        return row is not None and tuple(row[:2]) == (delivery.times_received, delivery.received_at + self.base)

    def holds(self, delivery: Delivery, now: int) -> bool:
        row = self._ask(
            f"SELECT count, received_at FROM messages WHERE id = ? AND state = {FLYING} AND visible_at > ?",
            (self.first | delivery.record[2], now + self.base),
        )
        return row is not None and tuple(row) == (delivery.times_received, delivery.received_at + self.base)

    def standing(self, seq: int) -> Delivery | None:
        self.database.write()  # who asks moves it: so no other process may take it in between
        row = self._row(seq)
        return None if row is None or row[1] > self._moment() else self._delivery(row)

    def issued(self, seq: int) -> bool:
        last = self._last()
        return last is not None and 0 < seq & ~MOVED <= last[0]

    def in_line(self) -> Iterator[tuple[int, Record, Past]]:
        cursor = self.database.connection.cursor()
        cursor.row_factory = None
        try:
            for row in cursor.execute(self._line_text, (self.number, self._moment())):
                delivery = self._delivery(row)
                count = row[4]
                yield delivery.due, delivery.record, (count - 1, delivery.first_received if count else None, True)
        finally:
            cursor.close()

    _line_text = f"SELECT {COLUMNS} FROM messages WHERE queue = ? AND visible_at <= ? ORDER BY {LINE}"

    def places(self) -> list[tuple[str, dict[int, Delivery]]]:
        found: dict[str, dict[int, Delivery]] = {"leased": {}, "again": {}, "delayed": {}}
        for row in self._all_rows():
            if row[2] != FRESH:
                found[SHOWN[row[2]]][row[0] & MASK] = self._delivery(row)
        return list(found.items())

    def _fresh_records(self) -> list[Record]:
        return [self._record(row) for row in self._all_rows() if row[2] == FRESH]

    def _all_rows(self) -> list[Row]:
        text = f"SELECT {COLUMNS} FROM messages WHERE id BETWEEN ? AND ? ORDER BY id"
        rows: list[Row] = self.database.sql(text, (self.first, self.first | MASK)).fetchall()
        return rows

    def next_at(self) -> int:
        """The next instant at which anything happens by itself; FAR if nothing will. Cost: three searches."""
        row = self._ask(
            "SELECT visible_at FROM messages WHERE queue = ? AND visible_at > ? AND state IN (0, 2) "
            "ORDER BY visible_at LIMIT 1",
            (self.number, self.noticed),
        )
        ends = FAR if row is None else row[0] - self.base
        oldest = self._oldest_sent()
        return min(ends, FAR if oldest is None else oldest + self.retention - self.base)

    def _next_at(self) -> int:
        return self.next_at()

    def _oldest_sent(self) -> int | None:
        """When the oldest message here was sent, in the table's time."""
        native = self._ask(
            "SELECT sent_at FROM messages WHERE id BETWEEN ? AND ? ORDER BY id LIMIT 1",
            (self.first, self.first | (MOVED - 1)),
        )
        moved = self._ask("SELECT min(sent_at) FROM messages WHERE queue = ? AND brought > 0", (self.number,))[0]
        return min([sent for sent in (native and native[0], moved) if sent is not None], default=None)

    # -- the books -----------------------------------------------------------------------------------------------

    def balance(self, now: int) -> tuple[dict[str, int], int | None]:
        self.settle_all(now)
        oldest = self._oldest_sent()
        return self._numbers(), None if oldest is None else oldest - self.base

    def audit(self, now: int) -> tuple[dict[str, int], list[str]]:
        self._begin(now)
        self.settle_all(now)
        return self._numbers(), list(self._faults())

    def _numbers(self) -> dict[str, int]:
        self.database.gate.flush()
        books = self._ask(BOOKS, (self.number,)) or [0] * len(COUNTED)
        last = self._last()
        state = dict(zip(COUNTED, books, strict=True))
        here: dict[int, int] = {}
        received = state["received"]
        for place, messages, receives in self.database.sql(HERE, (self._moment(), self.number)).fetchall():
            here[place] = messages
            received += receives
        for name in COUNTED[2:]:
            if name in type(self.counts).__slots__:
                setattr(self.counts, name, state[name])
        self.taken, self.deleted = received, state["deleted"]
        return {
            "accepted": 0 if last is None else last[0],
            **{name: state[name] for name in ("deleted", "retained_out", "purged", "rejected", "moved_out")},
            "moving": 0,
            "visible": here.get(AGAIN, 0),
            "in_flight": here.get(FLYING, 0),
            "delayed": here.get(DELAYED, 0),
        }

    def _faults(self) -> Iterator[str]:
        """What contradicts itself, in words. Cost: O(messages)."""
        strays = self._number(
            "SELECT count(*) FROM messages WHERE queue = ? AND NOT id BETWEEN ? AND ?",
            self.number,
            self.first,
            self.first | MASK,
        )
        if strays:
            yield f"{strays} messages have numbers of another queue"
        if self._number(
            f"SELECT count(*) FROM messages WHERE queue = ? AND (state = {FRESH}) AND count > 0", self.number
        ):
            yield "a message that was received counts as never received"
        yield from self.own_faults()
