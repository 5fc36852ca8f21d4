"""What every kind of queue does, whatever it gives first: put in flight, purge, serve the line, change, close, and keep books.

Standard and Fifo say what is sent where (`send_all`) and which visible message comes next (`_receive`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from decouple.core.books import faults_of, numbers_of, oldest_sent
from decouple.core.changes import Change
from decouple.core.copies import Copies
from decouple.core.due import ENOUGH
from decouple.core.places import Receiver
from decouple.core.records import NOTHING, Delivery, Details, Failure, Past, Record, details_of
from decouple.core.settings import Settings

__all__ = ["Machine", "why_dead"]


class Machine(Copies):
    """A queue's state machine but for its order. Callers hold its lock, but for the two doors of core/places.py."""

    ordered = False  # whether it is a FIFO queue's

    def __init__(self, name: str, settings: Settings, **more: Any) -> None:
        """Make an empty queue; see Places."""
        super().__init__(name, settings, **more)
        self._open()

    def send_all(
        self, now: int, entries: list[tuple[str, Details | None, int]], words: Mapping[str, Any] = NOTHING
    ) -> list[int]:
        """Accept many messages at one instant, all or none; their seqs. Each entry: text, details, delay.

        words: what else the records of it are to say.
        """
        raise NotImplementedError

    def receive(self, now: int, most: int, out: list[Delivery]) -> bool:
        """Put up to `most` visible messages into `out`, in flight for the queue's own visibility timeout.

        True when that was all there was to do; False when changes, moves or wakes may wait to be seen to.
        """
        self.receive_for(now, most, self.lease, out)
        return not (self.log or self.outgoing)

    def receive_for(self, now: int, most: int, lease: int, out: list[Delivery]) -> None:
        """`receive` for any visibility timeout. Cost: O(log in flight) a message."""
        try:
            self.quick = False
            self._receive(now, most, lease, out)
        finally:
            self.quick = self.plain

    def _receive(self, now: int, asked: int, lease: int, out: list[Delivery]) -> None:
        """A receive in any circumstance; the door is shut."""
        raise NotImplementedError

    # -- putting in flight -------------------------------------------------------------------------------------

    def _lease(self, now: int, lease: int, record: Record, past: Past | None, out: list[Delivery]) -> Delivery:
        # A visibility of 0 is one of 1 ns until the receive is complete, lest it finds the same message twice.
        seq, due = record[2], now + (lease or 1)
        delivery = self._new(record, now, due, past)
        in_lane = lease == self.lease and due >= self.lane_end and due <= record[1] + self.retention
        if not in_lane:
            self._at(min(due, record[1] + self.retention), seq)
        changes = self._note("received", now, record, delivery, until=now + lease) if self.listening else ()
        key = self._fresh_key(record)
        if self.grouped:
            self.touched.append(record)
        out.append(delivery)
        # commit
        if past is None:
            del self.fresh[key]
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
            while (record := self._eldest()) is not None:
                key = self._fresh_key(record)
                changes = self._note("purged", now, record) if self.listening else ()
                if self.grouped:
                    self.touched.append(record)
                # commit
                del self.fresh[key]
                self.taken += 1
                self.counts.fresh_gone += 1
                self.counts.purged += 1
                self.log += changes
                gone += 1
            for _, place in self.places():
                for seq, delivery in list(place.items()):
                    changes = self._note("purged", now, delivery.record, delivery) if self.listening else ()
                    if self.grouped:
                        self.touched.append(delivery.record)
                    # commit
                    del place[seq]
                    self.counts.purged += 1
                    self.log += changes
                    gone += 1
            self.deadlines.prune()
            self._emptied()
            return gone
        finally:
            self._open()

    def _emptied(self) -> None:
        """What else a kind of queue forgets at a purge."""

    def unfold(self, now: int) -> None:
        """Give every fresh message a state of its own, so that it can be moved. Cost: O(fresh * log), O(1) where none is."""
        self._shut()
        try:
            if self._eldest() is None:
                return  # a copy asks for each of its batches, and `again` is in line already
            while (record := self._eldest()) is not None:
                key = self._fresh_key(record)
                unfolded = self._new(record, now, record[1], (-1, None, True))
                self._at(record[1] + self.retention, record[2])
                if self.grouped:
                    self.touched.append(record)
                # commit
                del self.fresh[key]
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
                try:
                    self.taker = receiver if self.listening else None
                    if receiver.lease == self.lease:
                        self.receive(now, receiver.most, receiver.messages)
                    else:
                        self.receive_for(now, receiver.most, receiver.lease, receiver.messages)
                finally:
                    self.taker = None
                if not receiver.messages:
                    break
            # commit
            del self.parked[0]
            receiver.done = True
            self.filled += (receiver,)
        self._open()

    def hand_over(self, now: int, record: Record) -> bool:
        """The short path of a send while somebody waits, where this kind of queue has one."""
        return False

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

    def ignore(self) -> None:
        """Nobody listens any more."""
        # commit
        self.listening = False
        self._open()

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
