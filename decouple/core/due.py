"""What happens by itself as time passes: leases and delays end, messages outlive their retention.

Nothing ticks. The next operation settles what is due, in bounded steps and in the order of the instants, and records each
at the instant it was due.
"""

from __future__ import annotations

from decouple.core.deadlines import FAR
from decouple.core.settling import Settling

__all__ = ["Due"]

# What one operation settles on its way: 64 expiries take about 40 us, so no call pays for 100,000 of them.
STEPS = 64


class Due(Settling):
    """The transitions that nobody asks for."""

    __slots__ = ()

    def settle(self, now: int) -> None:
        """Let some of what is due happen. Cost: O(STEPS * log n)."""
        self._shut()
        try:
            self._settle(now)
        finally:
            self._open()

    def settle_all(self, now: int) -> None:
        """Let everything that is due happen."""
        self._shut()
        try:
            while self._next_at() <= now:
                self._settle(now)
        finally:
            self._open()

    def _settle(self, now: int) -> None:
        """Let up to STEPS things that are due happen, in the order of their instants; the door is shut."""
        steps = STEPS
        if not self.rescheduled:
            self._reschedule()
        while steps > 0:
            lane_at, heap_at = self._lane_at(), self._heap_at()
            fresh_at = self.fresh[0][1] + self.retention if self.fresh else FAR
            if min(lane_at, heap_at, fresh_at) > now:
                break
            if lane_at <= heap_at and lane_at <= fresh_at:
                steps -= self._expire_lane(min(now, heap_at, fresh_at), steps)
            elif heap_at <= fresh_at:
                self._ring()
                steps -= 1
            else:
                self._retain_out(self.fresh[0], None)
                steps -= 1
        self._look_again(now)

    def _heap_at(self) -> int:
        entry = self.deadlines.first()
        return FAR if entry is None else entry[0]

    def _expire_lane(self, limit: int, steps: int) -> int:
        """Expire what is due in the lane up to `limit`; how many."""
        again, lane, counts, listening = self.again, self.lane, self.counts, self.listening
        done = 0
        while done < steps and self._lane_at() <= limit:
            at, seq = lane[0]
            delivery = self.leased[seq]
            changes = self._note("expired", at, delivery.record, delivery) if listening else ()
            if delivery.past is None:
                # Only the first return needs it: the heap then knows this message's retention for as long as it lives.
                self._at(delivery.record[1] + self.retention, seq)
            # commit
            del self.leased[seq]
            del lane[0]
            again[seq] = delivery
            counts.expired += 1
            self.log += changes
            done += 1
        return done

    def _ring(self) -> None:
        """Handle the soonest entry of the heap, then drop it: an interrupt between the two loses nothing."""
        entry = self.deadlines.first()
        assert entry is not None
        at, seq = entry
        delivery = self.find(seq) or self.delayed.get(seq)
        if delivery is not None and self._live(at, seq):
            if delivery.record[1] + self.retention <= at:
                self._retain_out(delivery.record, delivery)
            elif seq in self.delayed:
                self.show(at, delivery, "delay ended")
            else:
                self.show(at, delivery, "expired")
        self.deadlines.drop(entry)

    def _look_again(self, now: int) -> None:
        """Recompute what the short paths rely on; the door is shut.

        due: until then a receive need not settle, because nothing happens, and no message taken from `fresh` outlives its
        retention while in flight; ceiling: up to how many `taken` the cap on messages in flight is no concern.
        """
        self.ceiling = self.taken + self.max_receivable()
        if self.listening or self.closed or self.again or self.outgoing:
            self.due = 0
            return
        # Whatever is leased or sent from now on ends later than this, so a plain send or receive need not touch `due`.
        later = now + min(self.lease, self.retention // 2, self.retention - self.lease)
        fresh_at = self.fresh[0][1] + self.retention - self.lease if self.fresh else FAR
        self.due = min(self._lane_at(), self._heap_at(), fresh_at, later)

    def _reschedule(self) -> None:
        """Put every deadline right after the retention changed. Cost: O(messages not fresh * log)."""
        for seq, delivery in list(self.leased.items()):
            if delivery.due > delivery.record[1] + self.retention:
                # commit
                del self.leased[seq]
                self.odd[seq] = delivery
        for place in (self.odd, self.again, self.delayed, self.leased):
            for seq, delivery in place.items():
                retired = delivery.record[1] + self.retention
                settled_later = place is self.again or place is self.leased
                self._at(retired if settled_later else min(delivery.due, retired), seq)
        self.deadlines.prune()
        self.rescheduled = True
