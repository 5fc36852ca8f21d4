"""What happens by itself as time passes: leases and delays end, messages outlive their retention.

Nothing ticks. The next operation settles what is due, in bounded steps and in the order of the instants, and records each
at the instant it was due.
"""

from __future__ import annotations

from decouple.core.deadlines import FAR
from decouple.core.places import PAGE
from decouple.core.settling import Settling

__all__ = ["ENOUGH", "Due"]

# What one operation settles on its way: 64 expiries take about 60 us, so no call pays for 100,000 of them.
STEPS = 64
# So many that are visible again are enough: more expire when those are received.
ENOUGH = 1_024


class Due(Settling):
    """The transitions that nobody asks for."""

    def settle(self, now: int) -> None:
        """Let some of what is due happen. Cost: O(STEPS * log n)."""
        self._shut()
        try:
            self._settle(now, ENOUGH)
        finally:
            self._open()

    def settle_all(self, now: int) -> None:
        """Let everything that is due happen."""
        self._shut()
        try:
            self._settle_all(now)
        finally:
            self._open()

    def _settle_all(self, now: int) -> None:
        while self._next_at() <= now:
            self._settle(now, FAR)

    def _settle(self, now: int, enough: int) -> None:
        """Let up to STEPS things that are due happen, in the order of their instants; the door is shut.

        Leases stop expiring when `enough` messages are visible again.
        """
        steps = STEPS
        if not self.rescheduled:
            self._reschedule()
        while steps > 0:
            lane_at, heap_at = self._lane_at(), self._heap_at()
            eldest, fresh_at = self._eldest(), self._fresh_at()
            if min(lane_at, heap_at, fresh_at) > now:
                break
            if lane_at <= heap_at and lane_at <= fresh_at:
                if len(self.again) >= enough:
                    break
                steps -= self._expire_lane(min(now, heap_at, fresh_at), steps)
            elif heap_at <= fresh_at:
                self._ring()
                steps -= 1
            else:
                assert eldest is not None
                self._retain_out(eldest, None)
                steps -= 1
        self._look_again(now)

    def _heap_at(self) -> int:
        entry = self.deadlines.first()
        return FAR if entry is None else entry[0]

    def _expire_lane(self, limit: int, steps: int) -> int:
        """Expire what is due up to `limit` on the lane's first page; how many."""
        again, counts, listening, (page, oldest) = self.again, self.counts, self.listening, self._oldest(steps)
        done, grouped = 0, self.grouped
        for seq in oldest:
            delivery = page.get(seq)
            if delivery is None:
                continue
            at = delivery.due
            if at > limit:
                break
            changes = self._note("expired", at, delivery.record, delivery) if listening else ()
            self._keep(delivery)
            if grouped:
                self.touched.append(delivery.record)
            # commit
            del page[seq]
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
        delivery = self._place_of(seq).get(seq)
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
        retention while in flight; 0 sends every receive on the general path. ceiling: up to how many `taken` neither the
        cap on messages in flight nor the size of a page is a concern.
        """
        inserted = self.taken + self.counts.redelivered
        if inserted - self.page_at >= PAGE:
            self._turn_page()
            self.page_at = inserted
        self.ceiling = self.taken + min(self.max_receivable(), PAGE - (inserted - self.page_at))
        if self.closed or self.outgoing or self._in_doubt():
            self.due = 0
            return
        # Whatever is leased or sent from now on ends later than this, so a plain send or receive need not touch `due`.
        later = now + min(self.lease, self.retention // 2, self.retention - self.lease)
        self.due = min(self._lane_at(), self._heap_at(), self._fresh_at() - self.lease, later)

    def _in_doubt(self) -> bool:
        """Whether the next receive has to choose between messages that wait in different places."""
        return bool(self.again)

    def _turn_page(self) -> None:
        """Begin a new page of leases; what is left of the last one is joined to its neighbour, or copied without its gaps."""
        joined = bool(self.older) and len(self.older[-1]) + len(self.leased) <= PAGE // 2
        page = self.older[-1] | self.leased if joined else dict(self.leased)
        # commit
        if joined:
            self.older[-1] = page
        else:
            self.older += (page,)
        self.leased = {}
        for _ in range(len(self.older)):  # pages that were emptied are of no use
            if self.older[0]:
                self.older.rotate(-1)
            else:
                del self.older[0]

    def _reschedule(self) -> None:
        """Put every deadline right after the retention changed. Cost: O(messages not fresh * log)."""
        for where, place in self.places():
            for seq, delivery in list(place.items()):
                retired = delivery.record[1] + self.retention
                if delivery.kept:
                    self._at(retired, seq)
                if where in ("odd", "delayed") or (where == "leased" and delivery.due > retired):
                    self._at(min(delivery.due, retired), seq)
                if where == "leased" and delivery.due > retired:
                    # commit
                    del place[seq]
                    self.odd[seq] = delivery
        self.deadlines.prune()
        self.rescheduled = True
