"""The standard queue as a state machine: every transition is a method that takes `now`.

Nothing here waits, locks, reads a clock or calls anybody back; core/places.py says what the state is and how a
transition commits. What happens by itself (a lease or a delay ends, a message outlives its retention) is settled by the
next operation, in bounded steps, at the instant it was due.

Order is a courtesy: oldest visible first. The promise is at least once, in any order (SQS, standard queues).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from decouple.core.books import faults_of, numbers_of, oldest_sent
from decouple.core.changes import Change
from decouple.core.due import ENOUGH, Due
from decouple.core.places import PAGE, Receiver
from decouple.core.records import Delivery, Details, Failure, Past, Record, details_of
from decouple.core.settings import Settings

__all__ = ["Standard"]


class Standard(Due):
    """One standard queue. Callers hold its lock, but for the two doors of core/places.py."""

    def __init__(self, name: str, settings: Settings, **more: Any) -> None:
        """Make an empty queue; see Places."""
        super().__init__(name, settings, **more)
        self._open()

    # -- sending -----------------------------------------------------------------------------------------------

    def send(self, now: int, text: str, details: Details | None, delay: int) -> int:
        """Accept one message; its seq. Visible after `delay`. Cost: O(1), with a delay O(log delayed)."""
        return self.send_all(now, [(text, details, delay)])[0]

    def send_all(self, now: int, entries: list[tuple[str, Details | None, int]]) -> list[int]:
        """Accept many messages at one instant, all or none; their seqs. Each entry: text, details, delay."""
        seqs: list[int] = []
        records: list[Record] = []
        waiting: dict[int, Delivery] = {}
        changes: list[Change] = []
        for text, details, delay in entries:
            seq, until = self.next_seq(), now + delay
            record: Record = (text, now, seq) if details is None else (text, now, seq, details)
            changes += self._note("sent", now, record, until=until if delay else None) if self.listening else ()
            if delay:
                self._at(min(until, now + self.retention), seq, one_of_many=True)
                waiting[seq] = self._new(record, now, until, (-1, None, False))
            else:
                records.append(record)
            seqs.append(seq)
        aside = self.counts.sent_aside + len(waiting)
        # commit
        self.fresh += records
        self.delayed |= waiting
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
            if now < self.due and self.taken + most <= self.ceiling and due >= self.lane_end:
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

    def receive_for(self, now: int, most: int, lease: int, out: list[Delivery]) -> None:
        """`receive` for any visibility timeout. Cost: O(log in flight) a message."""
        try:
            self.quick = False
            self._receive(now, most, lease, out)
        finally:
            self.quick = self.plain

    def _receive(self, now: int, asked: int, lease: int, out: list[Delivery]) -> None:
        """A receive in any circumstance; the door is shut."""
        if not self.rescheduled:
            self._reschedule()
        short = lease == self.lease > 0 and not self.listening and not self.closed
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
        while not self.fresh and not self.again and not self.closed:
            if self._next_at() > now:
                return None
            self._settle(now, ENOUGH)
        for delivery in self.again.values():
            if not self.fresh or delivery.due <= self.fresh[0][1]:
                return delivery
            break
        return self.fresh[0] if self.fresh else None

    def _lease(self, now: int, lease: int, record: Record, past: Past | None, out: list[Delivery]) -> Delivery:
        # A visibility of 0 is one of 1 ns until the receive is complete, lest it finds the same message twice.
        seq, due = record[2], now + (lease or 1)
        delivery = self._new(record, now, due, past)
        in_lane = lease == self.lease and due >= self.lane_end and due <= record[1] + self.retention
        if not in_lane:
            self._at(min(due, record[1] + self.retention), seq)
        changes = self._note("received", now, record, delivery, until=now + lease) if self.listening else ()
        out.append(delivery)
        # commit
        if past is None:
            del self.fresh[0]
            self.taken += 1
        else:
            del self.again[seq]
            self.counts.redelivered += 1
        if in_lane:
            self.leased[seq] = delivery
            self.lane_end = due
        else:
            self.odd[seq] = delivery
        self.log += changes
        return delivery

    def _poisonous(self, delivery: Delivery) -> bool:
        most = self.settings.max_receives
        if most is None or self.settings.dead_letter is None:
            return False
        # In a chain of dead-letter queues the count goes on, but each queue gives its own number of tries.
        return delivery.times_received - details_of(delivery.record).brought >= most

    # -- all at once -------------------------------------------------------------------------------------------

    def purge(self, now: int) -> int:
        """Remove every message but those already moving; how many. Cost: O(messages)."""
        self._shut()
        try:
            self._settle_all(now)
            gone = 0
            while self.fresh:
                record = self.fresh[0]
                changes = self._note("purged", now, record) if self.listening else ()
                # commit
                del self.fresh[0]
                self.taken += 1
                self.counts.fresh_gone += 1
                self.counts.purged += 1
                self.log += changes
                gone += 1
            for _, place in self.places():
                for seq, delivery in list(place.items()):
                    changes = self._note("purged", now, delivery.record, delivery) if self.listening else ()
                    # commit
                    del place[seq]
                    self.counts.purged += 1
                    self.log += changes
                    gone += 1
            self.deadlines.prune()
            return gone
        finally:
            self._open()

    def unfold(self, now: int) -> None:
        """Give every fresh message a state of its own, so that it can be moved. Cost: O(fresh * log)."""
        self._shut()
        try:
            while self.fresh:
                record = self.fresh[0]
                unfolded = self._new(record, now, record[1], (-1, None, True))
                self._at(record[1] + self.retention, record[2])
                # commit
                del self.fresh[0]
                self.taken += 1
                self.counts.fresh_gone += 1
                self.again[record[2]] = unfolded
                self.due = 0
            for seq, _ in sorted(self.again.items(), key=lambda item: item[1].due):
                self.again.move_to_end(seq)
        finally:
            self._open()

    # -- parked receives -----------------------------------------------------------------------------------------

    def park(self, receiver: Receiver) -> None:
        """Let a receive that found nothing wait in line."""
        self.quick_send = False
        self.parked.append(receiver)

    def serve(self, now: int) -> None:
        """Give what is visible to the parked receives, in the order they came; those served go to `filled`."""
        while self.parked:
            receiver = self.parked[0]
            if not receiver.messages and not receiver.done:
                if receiver.lease == self.lease:
                    self.receive(now, receiver.most, receiver.messages)
                else:
                    self.receive_for(now, receiver.most, receiver.lease, receiver.messages)
                if not receiver.messages:
                    break
            # commit
            del self.parked[0]
            receiver.done = True
            self.filled += (receiver,)
        self._open()

    def hand_over(self, now: int, record: Record) -> bool:
        """The short path of a send while somebody waits: straight to the first in line. False where there is more to it."""
        if not (self.parked and self.plain and now < self.due) or self.fresh or self.settings.delay:
            return False
        receiver, due = self.parked[0], now + self.lease
        ready = not (receiver.done or receiver.gone or receiver.messages) and receiver.lease == self.lease
        if not ready or due < self.lane_end or self.taken >= self.ceiling:
            return False
        delivery = self._new(record, now, due, None)
        # commit
        receiver.messages += (delivery,)
        receiver.done = True
        del self.parked[0]
        self.filled += (receiver,)
        self.leased[record[2]] = delivery
        self.lane_end = due
        self.taken += 1
        return True

    def leave(self, receiver: Receiver) -> None:
        """Take a receiver out of the line: its time is over, or its caller is gone."""
        receiver.done = True  # first, so that an interrupt in between leaves nobody in line who is gone
        if receiver in self.parked:
            self.parked.remove(receiver)
        self._open()

    # -- life ----------------------------------------------------------------------------------------------------

    def configure(self, now: int, changed: Mapping[str, Any], words: Mapping[str, Any]) -> None:
        """Change settings; `words` are the changes as the user sees them. Retention applies to what is stored too."""
        settings = self.settings._replace(**changed)
        changes: tuple[Change, ...] = ()
        if self.listening:
            changes = (Change(cause="configured", queue=self.name, at=now + self.epoch, settings=dict(words)),)
        self._shut()
        try:
            self._adopt(settings)
            if "retention" in changed:
                # commit
                self.kept_since = now
                self.rescheduled = False
            self.log += changes
            self._settle(now, ENOUGH)
        finally:
            self._open()

    def _adopt(self, settings: Settings) -> None:
        # commit
        self.settings = settings
        self.lease = settings.visibility_timeout
        self.retention = settings.retention
        self.due = 0

    def close(self, now: int) -> None:
        """Give no more: every parked receive ends. Messages stay, and those in flight can still be settled."""
        changes: tuple[Change, ...] = ()
        if self.listening and not self.closed:
            changes = (Change(cause="closed", queue=self.name, at=now + self.epoch),)
        # commit
        self.closed = True
        self.quick_send = False
        self.due = 0
        self.log += changes
        while self.parked:
            receiver = self.parked[0]
            # commit
            del self.parked[0]
            receiver.done = True
            self.filled += (receiver,)

    def listen(self) -> None:
        """Record every change in `log` from now on."""
        # commit
        self.listening = True
        self.quick_send = False
        self.quick = False
        self.due = 0

    # -- the books ---------------------------------------------------------------------------------------------

    def balance(self, now: int) -> tuple[dict[str, int], int | None]:
        """Every message that came and where it is, `accepted` being the sum of the others; and when the oldest was sent."""
        self.settle_all(now)
        self._shut()
        try:
            return numbers_of(self), oldest_sent(self)
        finally:
            self._open()

    def audit(self, now: int) -> tuple[dict[str, int], list[str]]:
        """The same numbers, and each internal invariant that does not hold, in words. Cost: O(messages)."""
        self.settle_all(now)
        self._shut()
        try:
            return numbers_of(self), list(faults_of(self))
        finally:
            self._open()


def why_dead(delivery: Delivery) -> Failure:
    """What its last handler complained about; without a complaint, that it was received too often."""
    count, failure = delivery.times_received, details_of(delivery.record).failure
    if failure is not None and failure.error != "TooManyReceives":
        return failure
    return Failure("TooManyReceives", f"received {count} times and not deleted", "", count)
