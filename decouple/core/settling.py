"""Settling: what becomes of a message once it has been received.

One path for everybody: an acknowledgement, a nack, an expiry and a visibility change are the same transitions whoever asks,
a thread, a task or time itself.
"""

from __future__ import annotations

from decouple.core.changes import Cause, Change
from decouple.core.moves import Moves
from decouple.core.records import Delivery, Failure, Past, Record, with_details

__all__ = ["Settling"]


class Settling(Moves):
    """The transitions of a message that is in flight, or was."""

    def _current(self, now: int, seq: int) -> Delivery | None:
        """The message's latest delivery, after what has happened to it by itself until now; None if it is gone."""
        delivery = self.find(seq)
        if delivery is None:
            return None
        retired = delivery.record[1] + self.retention
        if seq not in self.again and delivery.due <= min(now, retired - 1):
            self.show(delivery.due, delivery, "expired")
        if retired <= now:
            self._retain_out(delivery.record, delivery)
            return None
        return delivery

    def delete(self, now: int, seq: int, reason: str | None = None, receipt: int | None = None) -> bool:
        """Acknowledge: the message is gone, also by an old receipt. False if it was gone before. Cost: O(1).

        reason: why nobody was to handle it, for the record; receipt: of which receive the receipt is, for the record.
        """
        delivery = self._current(now, seq)
        if delivery is None:
            return False
        changes: tuple[Change, ...] = ()
        if self.listening:
            changes = self._note("deleted", now, delivery.record, delivery, reason=reason, receipt=receipt)
        place = self._place_of(seq)
        if self.grouped:
            self.touched.append(delivery.record)
        # commit
        if seq in place:
            del place[seq]
            self.deleted += 1
            self.log += changes
        return True

    def change_visibility(self, now: int, seq: int, timeout: int, receipt: int | None = None) -> Delivery | None:
        """In flight for `timeout` from now, whatever it was before; 0 makes it visible. None if it is gone.

        Works on an expired message too: it is hidden again (SQS, standard queues). Cost: O(log odd deadlines).
        """
        delivery = self._current(now, seq)
        if delivery is None:
            return None
        if not timeout:
            if seq not in self.again:
                self.show(now, delivery, "nacked", receipt)
            return delivery
        record, due = delivery.record, now + timeout
        changes = self._note("visibility changed", now, record, delivery, until=due, receipt=receipt)
        if delivery.due != due or seq not in self.odd:
            self._at(min(due, record[1] + self.retention), seq)
        place = self._place_of(seq)
        if self.grouped:
            self.touched.append(delivery.record)
        # commit
        if seq in place:
            del place[seq]
            delivery.due = due
            self.odd[seq] = delivery
            self.log += changes
        return delivery

    def show(self, at: int, delivery: Delivery, cause: Cause, receipt: int | None = None) -> None:
        """Make a message that is in flight or delayed visible, at the back of the line. Cost: O(log n)."""
        seq, record = delivery.record[2], delivery.record
        changes = self._note(cause, at, record, delivery, receipt=receipt) if self.listening else ()
        self._keep(delivery)
        place, counts = self._place_of(seq), self.counts
        if self.grouped:
            self.touched.append(delivery.record)
        # commit
        if seq in place:
            del place[seq]
            delivery.due = at
            self.again[seq] = delivery
            self.due = 0
            if cause == "nacked":
                counts.nacked += 1
            elif cause == "expired":
                counts.expired += 1
            self.log += changes

    def remember(self, delivery: Delivery, failure: Failure) -> None:
        """Keep with the message why its handler gave it back; a dead letter carries the last one."""
        delivery.record = with_details(delivery.record, failure=failure)

    def reject(self, now: int, seq: int, failure: Failure) -> bool:
        """Give up on a message: to the dead-letter queue, or gone with a record where there is none."""
        delivery = self._current(now, seq)
        if delivery is None:
            return False
        if self.settings.dead_letter is not None:
            self.depart(now, delivery, self.settings.dead_letter, failure=failure)
            return True
        changes = self._note("rejected", now, delivery.record, delivery, reason=failure.text)
        place = self._place_of(seq)
        if self.grouped:
            self.touched.append(delivery.record)
        # commit
        if seq in place:
            del place[seq]
            self.counts.rejected += 1
            self.log += changes
        return True

    def give_back(self, now: int, delivery: Delivery) -> None:
        """Undo a receive nobody got the answer of: first in line again, its count restored. Cost: O(log n)."""
        seq, past = delivery.record[2], delivery.past
        place = self._place_of(seq)
        if place.get(seq) is not delivery or place is self.again:
            return
        self._keep(delivery)
        restored: Past = (-1, None, True) if past is None else (past[0] - 1, past[1], True)
        back = self._new(delivery.record, now, delivery.record[1], restored)
        changes = self._note("given back", now, back.record, back)
        if self.grouped:
            self.touched.append(delivery.record)
        # commit
        if seq in place:
            del place[seq]
            self.again[seq] = back
            self.counts.given_back += 1
            self.due = 0
            self.log += changes
        if seq in self.again:
            self.again.move_to_end(seq, last=False)

    def _retain_out(self, record: Record, delivery: Delivery | None) -> None:
        """Let a message go that has outlived the queue's retention; without a delivery it is in `fresh`."""
        seq, at = record[2], max(record[1] + self.retention, self.kept_since)
        if seq in self.again and delivery is not None:
            at = max(at, delivery.due)  # moved in when it was too old already: it cannot be gone before it came
        changes = self._note("retained out", at, record, delivery) if self.listening else ()
        place = {} if delivery is None else self._place_of(seq)
        key = self._fresh_key(record)
        if self.grouped:
            self.touched.append(record)
        # commit
        if delivery is None:
            del self.fresh[key]
            self.taken += 1
            self.counts.fresh_gone += 1
        elif seq in place:
            del place[seq]
        else:
            return
        self.counts.retained_out += 1
        self.log += changes
