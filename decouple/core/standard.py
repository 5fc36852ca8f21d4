"""The standard queue as a state machine: every transition is a method that takes `now`.

Nothing here waits, locks, reads a clock or calls anybody back; core/places.py says what the state is and how a
transition commits. What happens by itself (a lease or a delay ends, a message outlives its retention) is settled by the
next operation, in bounded steps, at the instant it was due.

Order is a courtesy: oldest visible first. The promise is at least once, in any order (SQS, standard queues).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

from decouple.core.changes import Change
from decouple.core.due import ENOUGH
from decouple.core.fair import Fair
from decouple.core.machine import why_dead
from decouple.core.places import PAGE
from decouple.core.records import NOTHING, Delivery, Details, Record, new_delivery

__all__ = ["Standard"]


class Standard(Fair):
    """One standard queue. Callers hold its lock, but for the two doors of core/places.py."""

    fresh: deque[Record]

    # -- sending -----------------------------------------------------------------------------------------------

    def send(self, now: int, text: str, details: Details | None, delay: int) -> int:
        """Accept one message; its seq. Visible after `delay`. Cost: O(1), with a delay O(log delayed)."""
        return self.send_all(now, [(text, details, delay)])[0]

    def send_all(
        self, now: int, entries: list[tuple[str, Details | None, int]], words: Mapping[str, Any] = NOTHING
    ) -> list[int]:
        """Accept many messages at one instant, all or none; their seqs; see Machine."""
        seqs: list[int] = []
        records: list[Record] = []
        waiting: dict[int, Delivery] = {}
        changes: list[Change] = []
        shown: dict[int, Delivery] = {}
        if self.grouped:
            self._look_sometimes(now)
            self.deadlines.set_aside(self.in_flight + len(self.again) + len(self.delayed))
        for text, details, delay in entries:
            seq, until = self.next_seq(), now + delay
            record: Record = (text, now, seq) if details is None else (text, now, seq, details)
            changes += (
                self._note("sent", now, record, until=until if delay else None, **words) if self.listening else ()
            )
            if delay:
                self._at(min(until, now + self.retention), seq, one_of_many=True)
                waiting[seq] = self._new(record, now, until, (-1, None, False))
            elif details is not None and details.group:
                self._at(now + self.retention, seq, one_of_many=True)
                shown[seq] = self._new(record, now, now, (-1, None, True))
            else:
                records.append(record)
            if details is not None and details.group:
                self._group()
            seqs.append(seq)
        if self.grouped:
            self.touched += [one.record for one in shown.values()]
        aside = self.counts.sent_aside + len(waiting) + len(shown)
        # commit
        self.fresh += records
        self.delayed |= waiting
        self.again |= shown
        self.counts.sent_aside = aside
        self.log += changes
        return seqs

    # -- receiving ---------------------------------------------------------------------------------------------

    def receive(self, now: int, most: int, out: list[Delivery]) -> bool:
        """Put up to `most` visible messages into `out`, in flight for the queue's own visibility timeout.

        True when that was all there was to do; False when changes, moves or wakes may wait to be seen to.
        Cost: O(1) a message here; `receive_for` when anything is out of the ordinary.
        """
        try:
            self.quick = False
            fresh, due = self.fresh, now + self.lease
            if now < self.due and not fresh:
                return True
            if now < self.due and self.taken + most <= self.ceiling and due >= self.lane_end and not self.listening:
                leased, make, owner = self.leased, self.make, self.owner
                self.lane_end = due
                while fresh and most:
                    delivery = make()
                    delivery.owner = owner
                    delivery.record = record = fresh[0]
                    delivery.received_at = now
                    delivery.due = due
                    delivery.past = None
                    delivery.settled = False
                    out.append(delivery)
                    # commit
                    del fresh[0]
                    leased[record[2]] = delivery
                    self.taken += 1
                    most -= 1
                return True
            self._receive(now, most, self.lease, out)
            return not (self.log or self.outgoing)
        finally:
            self.quick = self.plain

    def _receive(self, now: int, asked: int, lease: int, out: list[Delivery]) -> None:
        """A receive in any circumstance; the door is shut."""
        if not self.rescheduled:
            self._reschedule()
        short = lease == self.lease > 0 and not self.listening and not self.closed and not self.grouped
        if short and not self.again and self._heap_at() > now:
            self._renew(now, asked, out)
            if len(out) == asked and self.taken + self.counts.redelivered - self.page_at < PAGE:
                return  # more may be due, so `due` can stay as it is
        if len(out) < asked:
            self._settle(now, ENOUGH)
        most = min(asked, len(out) + self.max_receivable())
        if short:
            self._retake(now, most, out)
        shown: list[Delivery] = []
        while len(out) < most:
            delivery = self._take(now, lease, out)
            if delivery is None:
                break
            if not lease:
                shown.append(delivery)
        for delivery in shown:
            # A visibility of 0 shows the message and leaves it visible, one receive older (SQS).
            self.show(now, delivery, "nacked")
        if self.grouped:
            self._tidy(now)
        self._look_again(now)

    def _renew(self, now: int, most: int, out: list[Delivery]) -> None:
        """The short path of a redelivery while all that is visible are leases that ran out: they are leased again at once."""
        fresh, counts, make, owner = self.fresh, self.counts, self.make, self.owner
        due, limited = now + self.lease, self.settings.max_receives is not None
        if due < self.lane_end:
            return
        page, oldest = self._oldest(most)
        for seq in oldest:
            old = page.get(seq)
            if old is None:
                continue
            record, past, at = old.record, old.past, old.due
            if at > now or (fresh and fresh[0][1] < at) or record[1] + self.retention < due:
                return
            if limited and self._poisonous(old):
                return
            delivery = make()
            delivery.owner = owner
            delivery.record = record
            delivery.received_at = now
            delivery.due = due
            delivery.past = (1, old.received_at, False) if past is None else (past[0] + 1, old.first_received, past[2])
            delivery.settled = False
            out.append(delivery)
            # commit
            del page[seq]
            self.leased[seq] = delivery
            self.lane_end = due
            counts.expired += 1
            counts.redelivered += 1

    def _retake(self, now: int, most: int, out: list[Delivery]) -> None:
        """The short path of a redelivery of what is visible again, until something is out of the ordinary."""
        again, due = self.again, now + self.lease
        while len(out) < most and due >= self.lane_end:
            old = next(iter(again.values()), None)
            if old is None or (self.fresh and old.due > self.fresh[0][1]) or not self._may_go_on(old, due):
                return
            count = old.times_received
            delivery = self._new(old.record, now, due, (count, old.first_received if count else None, True))
            out.append(delivery)
            # commit
            del again[old.record[2]]
            self.leased[old.record[2]] = delivery
            self.lane_end = due
            self.counts.redelivered += 1

    def _may_go_on(self, old: Delivery, due: int) -> bool:
        """Whether it may be in flight until `due`: it is no dead letter, and does not outlive its retention."""
        return old.record[1] + self.retention >= due and not self._poisonous(old)

    def _take(self, now: int, lease: int, out: list[Delivery]) -> Delivery | None:
        """Put the next visible message in flight and into `out`; dead letters and the too old leave on the way."""
        while (found := self._next_visible(now)) is not None:
            record = found if isinstance(found, tuple) else found.record
            if record[1] + self.retention <= now:
                self._retain_out(record, None if isinstance(found, tuple) else found)
            elif isinstance(found, tuple):
                return self._lease(now, lease, record, None, out)
            elif self._poisonous(found):
                self.depart(now, found, self.settings.dead_letter, failure=why_dead(found))
            else:
                count = found.times_received
                return self._lease(
                    now, lease, record, (count, found.first_received if count else None, found.kept), out
                )
        return None

    def _next_visible(self, now: int) -> Record | Delivery | None:
        """The message that became visible first, left where it is. Settles on until one is found or nothing is due."""
        if self.grouped:
            self._tidy(now)
        while not self.fresh and not self.again and not self.closed:
            if self._next_at() > now:
                return None
            self._settle(now, ENOUGH)
        if self.grouped:
            return self._fairest(now)
        for delivery in self.again.values():
            if not self.fresh or delivery.due <= self.fresh[0][1]:
                return delivery
            break
        return self.fresh[0] if self.fresh else None

    # -- parked receives ---------------------------------------------------------------------------------------

    def hand_over(self, now: int, record: Record) -> bool:
        """The short path of a send while somebody waits: straight to the first in line. False where there is more to it."""
        if not (self.parked and self.plain and now < self.due) or self.fresh or self.settings.delay:
            return False
        receiver, due = self.parked[0], now + self.lease
        ready = not (receiver.done or receiver.gone or receiver.messages) and receiver.lease == self.lease
        if not ready or due < self.lane_end or self.taken >= self.ceiling:
            return False
        delivery = new_delivery(self.make, self.owner, record, now, due, None)
        # commit
        receiver.messages += (delivery,)
        receiver.done = True
        del self.parked[0]
        self.quick_send = not (self.parked or self.held or self.closed)
        self.filled += (receiver,)
        self.leased[record[2]] = delivery
        self.lane_end = due
        self.taken += 1
        return True
