"""The FIFO queue as a state machine: order within a group, one send counted once, the same transitions and records.

A group gives from its head up to its first message in flight, and waits behind that. Messages of a group that waits count
as visible. Sends with an id that was used in the last five minutes are accepted and not enqueued, also when the first one
was received, deleted or moved by then. Source: SQS developer guide, FIFO queues; core/groups.py has the lines and turns.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from decouple.core.changes import Change
from decouple.core.deadlines import FAR
from decouple.core.dedup import WINDOW, Deduplication, Key, Seen
from decouple.core.groups import Group
from decouple.core.machine import why_dead
from decouple.core.places import PAGE
from decouple.core.records import NOTHING, Delivery, Details, Record, details_of, with_details
from decouple.core.settings import Settings

__all__ = ["Fifo", "GroupView"]

FORGOTTEN_AT_ONCE = 1_024


class GroupView(NamedTuple):
    """One group as it is now: instants of the clock, `blocker` the message it waits behind."""

    id: str
    visible: int
    in_flight: int
    parked: bool
    blocker: Delivery | None


class Fifo(Deduplication):
    """One FIFO queue. Callers hold its lock."""

    ordered = True

    def __init__(self, name: str, settings: Settings, **more: Any) -> None:
        """Make an empty queue; see Places."""
        # when, and of each message the number, the receive's number and its deadline: no message is kept here
        self.attempts: OrderedDict[str, tuple[int, list[tuple[int, int, int]]]] = OrderedDict()
        self.reckoned = 0  # how many were taken when ids were let go last
        super().__init__(name, settings, **more)

    # -- sending -----------------------------------------------------------------------------------------------

    def send_all(
        self, now: int, entries: list[tuple[str, Details | None, int]], words: Mapping[str, Any] = NOTHING
    ) -> list[int]:
        """Accept many messages at one instant, all or none; their seqs, or those of the first ones for duplicates."""
        self.quick_send = False
        try:
            return self._send_all(now, entries, words)
        finally:
            self._open()

    def _send_all(
        self, now: int, entries: list[tuple[str, Details | None, int]], words: Mapping[str, Any]
    ) -> list[int]:
        seqs: list[int] = []
        fresh: dict[int, Record] = {}
        waiting: dict[int, Delivery] = {}
        seen: dict[Key, Seen] = {}
        records: list[Record] = []
        changes: list[Change] = []
        duplicates = 0
        for text, details, delay in entries:
            assert details is not None
            keys = self._keys(now, details)
            key = keys[0]
            first = self._first_of(now, keys) or seen.get(key)
            if first is not None:
                changes += self._duplicate(now, text, details, first[1], words)
                duplicates += 1
                seqs.append(first[1])
                continue
            seq, until = self.next_seq(), now + delay
            record: Record = (text, now, seq, details)
            changes += self._note("sent", now, record, until=until if delay else None, **words)
            if delay:
                self._at(min(until, now + self.retention), seq, one_of_many=True)
                waiting[seq] = self._new(record, now, until, (-1, None, False))
            else:
                fresh[seq] = record
            seen[key] = (now, seq, key)
            records.append(record)
            seqs.append(seq)
        numbers = list(fresh)
        aside, news = self.counts.sent_aside + len(waiting), list(seen.values())
        # commit
        self.fresh |= fresh
        self.oldest += numbers
        self.delayed |= waiting
        self.seen |= seen
        self.window += news
        self.touched += records
        self.counts.sent_aside = aside
        self.counts.duplicates += duplicates
        self.log += changes
        self._tidy()
        self._forget(now, FORGOTTEN_AT_ONCE + len(entries))
        if now >= self.former_scope_until:
            self.former_scope_until = 0
        return seqs

    # -- receiving ---------------------------------------------------------------------------------------------

    def receive(self, now: int, most: int, out: list[Delivery]) -> bool:
        """Put up to `most` visible messages into `out`, group by group; see Machine. Cost: O(1) a message here."""
        due = now + self.lease
        if now >= self.due or self.touched or not self.plain or self.taken + most > self.ceiling or due < self.lane_end:
            return super().receive(now, most, out)
        self._shut()
        try:
            self.lane_end = due
            return self._receive_plain(now, due, most, out)
        finally:
            self._open()

    def _receive_plain(self, now: int, due: int, most: int, out: list[Delivery]) -> bool:
        ring, fresh, leased, make, owner = self.ring, self.fresh, self.leased, self.make, self.owner
        while ring and most:
            group = self._group(ring[0])
            if group is None or group.head >= len(group.line):
                self._skip()
                continue
            line, at = group.line, group.head
            record = None if group.parked else fresh.get(line[at])
            if record is None:
                self._receive(now, most, self.lease, out)
                return False
            while record is not None and most:
                seq = record[2]
                delivery = make()
                delivery.owner = owner
                delivery.record = record
                delivery.received_at = now
                delivery.due = due
                delivery.past = None
                delivery.settled = False
                out.append(delivery)
                at += 1
                most -= 1
                # commit
                if group.ready:
                    del ring[0]
                    group.ready = False
                del fresh[seq]
                leased[seq] = delivery
                self.taken += 1
                record = fresh.get(line[at]) if at < len(line) else None
            if most and at < len(line) and line[at] in self.again:
                return self._go_on(now, group, at, out, len(out) + most)
        return True

    def _go_on(self, now: int, group: Group, at: int, out: list[Delivery], most: int) -> bool:
        """The short path met a message that had been here before: the rest of its group first, then the others."""
        self._take_from(now, group, at, self.lease, most, out)
        if len(out) < most:
            self._receive(now, most - len(out), self.lease, out)
        return False

    def _receive(self, now: int, asked: int, lease: int, out: list[Delivery]) -> None:
        if not self.rescheduled:
            self._reschedule()
        self._settle(now, FAR)
        self._tidy()
        before = len(out)
        most = before + min(asked, self.max_receivable())
        while len(out) < most and not self.closed:
            if self.ring:
                group = self._group(self.ring[0])
                if group is not None and self._available(group):
                    self._take_from(now, group, group.head, lease, most, out)
                else:
                    self._skip()
            elif self._next_at() <= now:
                self._settle(now, FAR)
            else:
                break
            self._tidy()
        if not lease:
            for delivery in out[before:]:
                # A visibility of 0 shows the message and leaves it visible, one receive older (SQS).
                self.show(now, delivery, "nacked")
            self._tidy()
        # The short paths forget nothing: so this makes up for all they have taken, in up to a page of receives.
        gone, self.reckoned = self.taken - self.reckoned, self.taken
        self._forget(now, FORGOTTEN_AT_ONCE + 2 * gone)
        if len(self.oldest) > 2 * len(self.fresh) + PAGE:
            self.oldest = deque(self.fresh)
        self._look_again(now)

    def _take_from(self, now: int, group: Group, at: int, lease: int, most: int, out: list[Delivery]) -> None:
        """Put the visible messages of a group from its place `at` on in flight; the dead and the too old leave on the way."""
        line = group.line
        while len(out) < most and at < len(line):
            seq = line[at]
            at += 1
            found: Record | Delivery | None = self.fresh.get(seq) or self.again.get(seq)
            if found is None:
                found = self._place_of(seq).get(seq)
                if found is None:
                    continue  # gone
                until = min(found.due, found.record[1] + self.retention)
                if until > now:
                    break
                if until == found.due:  # nobody settled that yet
                    self.show(until, found, "delay ended" if seq in self.delayed else "expired")
            record, old = (found, None) if isinstance(found, tuple) else (found.record, found)
            self.touched.append(record)  # whatever happens, the group is looked at again
            if group.ready:
                # commit
                del self.ring[0]
                group.ready = False
            if record[1] + self.retention <= now:
                self._retain_out(record, old)
            elif old is None:
                self._lease(now, lease, record, None, out)
            elif self._poisonous(old) and self.settings.on_poison != "block":
                if self.settings.on_poison == "park":
                    self._park(now, group, old)
                    break
                self.depart(now, old, self.settings.dead_letter, failure=why_dead(old))
            else:
                count = old.times_received
                self._lease(now, lease, record, (count, old.first_received if count else None, old.kept), out)
        self._tidy()

    def receive_for(self, now: int, most: int, lease: int, out: list[Delivery]) -> None:
        """`receive` for any visibility timeout. Cost: O(log in flight) a message."""
        self._shut()
        try:
            self._receive(now, most, lease, out)
        finally:
            self._open()

    def _open(self) -> None:
        self.by_queue = self.settings.deduplication_scope == "queue"
        self.held = self.former_scope_until > 0
        self._shut()
        super()._open()

    # -- settling ----------------------------------------------------------------------------------------------

    def expired(self, now: int, seq: int, count: int) -> bool:
        """Whether a receipt, of the message's receive number `count`, is over: the message is here, but not in flight by it."""
        latest = self._current(now, seq)
        return latest is not None and (seq in self.again or latest.times_received != count)

    # -- the same receive once more ----------------------------------------------------------------------------

    def attempted(self, now: int, attempt: str, lease: int, out: list[Delivery]) -> bool:
        """Give what the receive of this name got, in flight for `lease` from now; False if it is not all as it was then."""
        at, given = self.attempts.get(attempt, (now - WINDOW, []))
        if now - at >= WINDOW or not given:
            return False
        self.settle_all(now)
        found: list[Delivery] = []
        for seq, count, due in given:
            delivery = self.find(seq)
            if delivery is None or seq in self.again or (delivery.times_received, delivery.due) != (count, due):
                return False
            found.append(delivery)
        self.attempts[attempt] = (at, [(seq, count, now + lease) for seq, count, _ in given])
        for delivery in found:
            self.change_visibility(now, delivery.record[2], lease)
            out.append(delivery)
        return True

    def remember_attempt(self, now: int, attempt: str, given: Sequence[Delivery]) -> None:
        """What the receive of this name got, for five minutes."""
        while self.attempts and now - next(iter(self.attempts.values()))[0] >= WINDOW:
            del self.attempts[next(iter(self.attempts))]
        self.attempts.pop(attempt, None)
        self.attempts[attempt] = (now, [(one.record[2], one.times_received, one.due) for one in given])

    # -- groups whose first message keeps failing --------------------------------------------------------------

    def _poisonous(self, delivery: Delivery) -> bool:
        most = self.settings.max_receives
        return most is not None and delivery.times_received - details_of(delivery.record).brought >= most

    def _park(self, now: int, group: Group, head: Delivery) -> None:
        """Set a group aside until it is released."""
        changes = self._about("group parked", now, group.id)
        # commit
        group.parked = True
        self.log += changes

    def release(self, now: int, name: str) -> bool:
        """Give a parked group again, its messages with a new number of tries; False if it is not parked."""
        self._shut()
        try:
            self._settle_all(now)
            self._tidy()
            group = self._group(name)
            if group is None or not group.parked:
                return False
            seq = group.line[group.head]
            changes = self._about("group released", now, name)
            for one in [self.again[each] for each in group.line[group.head :] if each in self.again]:
                one.record = with_details(one.record, brought=one.times_received)
            if self._shows(seq):
                self.touched.append(self.again[seq].record if seq in self.again else self.fresh[seq])
            # commit
            group.parked = False
            self.log += changes
            self._tidy()
            return True
        finally:
            self._open()

    def _about(self, cause: Any, now: int, group: str) -> tuple[Change, ...]:
        return (Change(cause=cause, queue=self.name, at=now + self.epoch, reason=group),) if self.listening else ()

    def views(self, now: int) -> list[GroupView]:
        """Each group, in the order in which they came. Cost: O(messages)."""
        self.settle_all(now)
        self._shut()
        try:
            self._tidy()
            return list(self._views())
        finally:
            self._open()

    def _views(self) -> Iterator[GroupView]:
        fresh, again, delayed = self.fresh, self.again, self.delayed
        # Looked up here once: each look of its own goes through all pages of leases.
        held = {seq: one for name, place in self.places() if name != "again" for seq, one in place.items()}
        for name, one in self.groups.items():
            # A single message stays a number: looking must not make the queue larger.
            group = Group(name, [one], False) if isinstance(one, int) else one
            line = [seq for seq in group.line[group.head :] if seq in held or seq in fresh or seq in again]
            if line:
                hidden = [seq for seq in line if seq in held]
                flying = len([seq for seq in hidden if seq not in delayed])
                blocker = held.get(line[0]) or (again.get(line[0]) if group.parked else None)
                if blocker is not None and line[0] in again and not blocker.times_received:
                    blocker = None  # what the group was parked for is gone
                yield GroupView(name, len(line) - len(hidden), flying, group.parked, blocker)

    # -- all at once -------------------------------------------------------------------------------------------

    def _emptied(self) -> None:
        """After a purge: nothing is left of the groups, and the deduplication ids are forgotten too."""
        for memory in (self.seen, self.window, self.attempts, self.oldest, self.groups, self.ring, self.touched):
            memory.clear()  # what all of them have; `touched`, which closes the doors, last

    def configure(self, now: int, changed: Mapping[str, Any], words: Mapping[str, Any]) -> None:
        """Change settings; see Machine. A delay holds for what is stored and was not received yet (SQS, FIFO queues)."""
        scope = self.settings.deduplication_scope
        super().configure(now, changed, words)
        if self.settings.deduplication_scope != scope:
            # What was sent before is recognized by what it was remembered under.
            self.former_scope_until = now + WINDOW
            self._open()
        if "delay" in changed:
            self._delay_again(now)

    def _delay_again(self, now: int) -> None:
        """Let the queue's delay hold for what was not received yet. Cost: O(delayed + again + fresh * log)."""
        self._shut()
        try:
            for record in reversed(self._fresh_records()):
                until = record[1] + self.settings.delay
                if until <= now:
                    break
                self._put_off(now, record, self._new(record, record[1], until, (-1, None, False)), until)
            for delivery in [*self.delayed.values(), *self.again.values()]:
                record = delivery.record
                until = max(now, record[1] + self.settings.delay)
                late = until > now if record[2] in self.again else until != delivery.due
                if late and not delivery.times_received:
                    self._put_off(now, record, delivery, until)
            self._settle_all(now)
            self._tidy()
        finally:
            self._open()

    def _put_off(self, now: int, record: Record, delivery: Delivery, until: int) -> None:
        seq = record[2]
        changes = self._note("delay changed", now, record, delivery, until=until)
        self._at(min(until, record[1] + self.retention), seq)
        self.touched.append(record)
        key = self._fresh_key(record)
        # commit
        if key in self.fresh:
            del self.fresh[key]
            self.taken += 1
            self.counts.fresh_gone += 1
        if key in self.again:
            del self.again[key]
        delivery.due = until
        self.delayed[seq] = delivery
        self.log += changes
