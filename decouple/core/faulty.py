"""Queues to which happens what may happen to the real ones: the same state machines, with faults where they are told to.

Somebody else says when (`Striker`); here is what. A standard queue delivers a copy, in another order, early or late, samples
some of its servers, or keeps what was deleted: SQS promises at least once, in any order. A FIFO queue is exact: it is only
late, or samples. Each fault is one record, cause "fault", that begins with its kind; what it leads to is recorded as ever.
Source: SQS developer guide, at-least-once delivery, short polling.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from decouple.core.changes import Change
from decouple.core.fifo import Fifo
from decouple.core.machine import Machine
from decouple.core.records import NOTHING, Delivery, Details, Past, Record, details_of
from decouple.core.settings import SECOND
from decouple.core.standard import Standard

if TYPE_CHECKING:
    from random import Random

__all__ = ["FaultyFifo", "FaultyStandard", "Strike", "Striker", "afflict"]


class Strike(Protocol):
    """A fault that is to happen now. nanoseconds: how long, None = as the kind has it; share: of servers that answer."""

    @property
    def nanoseconds(self) -> int | None: ...
    @property
    def share(self) -> float: ...
    @property
    def chance(self) -> Random: ...


class Striker(Protocol):
    """Says whether a fault happens."""

    def strike(
        self,
        kind: str,
        name: str,
        record: Record | None = None,
        *,
        at: int = 0,
        id: str | None = None,
        receives: int = 0,
    ) -> Strike | None:
        """The fault of this kind that strikes the queue of that name, or this message there; None for most."""
        ...


class Faulty(Machine):
    """What both kinds have."""

    def __init__(self, name: str, settings: Any, *, faults: Striker, **more: Any) -> None:
        """Make an empty queue; see Places. Its doors stay shut."""
        self._suffer(faults)
        super().__init__(name, settings, **{**more, "express": False})

    def _suffer(self, faults: Striker) -> None:
        """What there is only with faults, at its beginning."""
        self.faults = faults
        self.serving = False

    def _strike(self, kind: str, now: int, record: Record | None = None, receives: int = 0) -> Strike | None:
        id = None if record is None else self.id_of(record)
        return self.faults.strike(kind, self.name, record, at=now, id=id, receives=receives)

    def _tell(self, now: int, record: Record, words: str, delivery: Delivery | None = None, **more: Any) -> None:
        self.log += self._note("fault", now, record, delivery, reason=words, **more)

    # -- sending: later than it was asked for ------------------------------------------------------------------

    def send_all(
        self, now: int, entries: list[tuple[str, Details | None, int]], words: Mapping[str, Any] = NOTHING
    ) -> list[int]:
        """Accept many messages; some are visible later."""
        late = [self._late(now, entry) for entry in entries]
        longer = [(text, details, delay + more) for (text, details, delay), more in zip(entries, late, strict=True)]
        seqs = super().send_all(now, longer, words)
        for seq, more, (_, _, delay) in zip(seqs, late, entries, strict=True):
            held = self.delayed.get(seq)
            if more and held is not None:  # on record with the instant that was asked for
                self._tell(now, held.record, f"delay: visible {more / SECOND:.6g} s later", held, until=now + delay)
        return seqs

    def _late(self, now: int, entry: tuple[str, Details | None, int]) -> int:
        text, details, _ = entry
        record: Record = (text, now, 0) if details is None else (text, now, 0, details)
        strike = self.faults.strike("delay", self.name, record, at=now)
        return 0 if strike is None else strike.nanoseconds or 0

    # -- receiving: some of the servers answer -----------------------------------------------------------------

    def receive(self, now: int, most: int, out: list[Delivery]) -> bool:
        """As `receive_for` when the line is served; nothing on the short path, so that the general one is taken."""
        if self.serving:
            super().receive_for(now, most, self.lease, out)
        return not (self.log or self.outgoing)

    def receive_for(self, now: int, most: int, lease: int, out: list[Delivery]) -> None:
        """Put some of the visible messages into `out`: who does not wait asks a sample of the servers."""
        seen = most if self.serving else self._sampled(now, most)
        if seen:
            super().receive_for(now, seen, lease, out)

    def _sampled(self, now: int, most: int) -> int:
        self.settle_all(now)
        there = min(most, self.visible)
        strike = self._strike("short_poll", now) if there else None
        if strike is None:
            return most
        seen = sum(strike.chance.random() < strike.share for _ in range(there))
        if seen < there and self.listening:
            words = f"short_poll: {seen} of {there} messages were seen, {strike.share:.0%} of the servers asked"
            self.log += (Change("fault", self.name, now + self.epoch, reason=words, who=self.who()),)
        return seen if seen < there else most

    def serve(self, now: int) -> None:
        """Give to the parked receives, which ask all servers."""
        try:
            self.serving = True
            super().serve(now)
        finally:
            self.serving = False


class FaultyStandard(Faulty, Standard):
    """A standard queue with faults. early: when messages in flight are visible again without their receivers' knowledge."""

    def _suffer(self, faults: Striker) -> None:
        self.early: dict[int, int] = {}
        super()._suffer(faults)

    def send_all(
        self, now: int, entries: list[tuple[str, Details | None, int]], words: Mapping[str, Any] = NOTHING
    ) -> list[int]:
        """Accept many messages, some of them twice."""
        seqs = super().send_all(now, entries, words)
        for seq, (text, details, _) in zip(seqs, entries, strict=True):
            record: Record = (text, now, seq) if details is None else (text, now, seq, details)
            strike = self._strike("duplicate", now, record)
            if strike is not None:
                self._copy(now, record, strike)
        return seqs

    def _copy(self, now: int, record: Record, strike: Strike) -> None:
        """One more message with the same id, visible some time later."""
        later = strike.nanoseconds
        if later is None:  # at once, or while the first one is in flight, or after it
            later = 0 if strike.chance.random() < 0.5 else int(strike.chance.random() * 2 * self.lease)
        seq, until = self.next_seq(), now + later
        copy: Record = (record[0], now, seq, details_of(record)._replace(id=self.id_of(record)))
        held = self._new(copy, now, until, (-1, None, False))
        changes = self._note("fault", now, copy, reason="duplicate: one more copy of it", until=until)
        self._at(min(until, now + self.retention), seq)
        # commit
        self.delayed[seq] = held
        self.counts.injected += 1
        self.log += changes

    def _lease(self, now: int, lease: int, record: Record, past: Past | None, out: list[Delivery]) -> Delivery:
        """In flight for as long as the receiver is told, or, without a word to it, for less."""
        delivery = super()._lease(now, lease, record, past, out)
        strike = self._strike("redeliver_early", now, record, 0 if past is None else past[0]) if lease else None
        if strike is not None:
            given = int(strike.chance.random() * lease) if strike.nanoseconds is None else strike.nanoseconds
            short = max(1, min(given, lease))
            self.early[record[2]] = now + short
            self._at(now + short, record[2])
            words = f"redeliver_early: visible again after {short / SECOND:.6g} s of {lease / SECOND:g} s"
            self._tell(now, record, words, delivery)
        return delivery

    def _live(self, at: int, seq: int) -> bool:
        return super()._live(at, seq) or (self.early.get(seq) == at and self._flies(seq))

    def _flies(self, seq: int) -> bool:
        """Whether it is in flight still, by the receive that is to end early."""
        place = self._place_of(seq)
        flies = seq in place and place is not self.again and place is not self.delayed
        if not flies:
            del self.early[seq]
        return flies

    def show(self, at: int, delivery: Delivery, cause: Any, receipt: int | None = None) -> None:
        """Make a message visible, with which an early end of its time in flight is over too."""
        self.early.pop(delivery.record[2], None)
        super().show(at, delivery, cause, receipt)

    def change_visibility(self, now: int, seq: int, timeout: int, receipt: int | None = None) -> Delivery | None:
        """In flight for `timeout` from now, which counts."""
        self.early.pop(seq, None)
        return super().change_visibility(now, seq, timeout, receipt)

    def _next_visible(self, now: int) -> Record | Delivery | None:
        found = super()._next_visible(now)
        if found is None or self.grouped or self.visible < 2:
            return found
        record, held = (found, None) if isinstance(found, tuple) else (found.record, found)
        if self._strike("reorder", now, record, 0 if held is None else held.times_received) is None:
            return found
        self._put_behind(now, record, held)
        return super()._next_visible(now)

    def _put_behind(self, now: int, record: Record, held: Delivery | None) -> None:
        """It comes after all that are visible now."""
        seq = record[2]
        behind = self._new(record, now, now, (-1, None, True)) if held is None else held
        if held is None:
            self._at(record[1] + self.retention, seq)
        self._tell(now, record, "reorder: others are first", behind)
        # commit
        if held is None:
            del self.fresh[0]
            self.taken += 1
            self.counts.fresh_gone += 1
        else:
            del self.again[seq]
        behind.due = now + 1  # also after what was sent at this instant
        self.again[seq] = behind
        self.due = 0

    def _renew(self, now: int, most: int, out: list[Delivery]) -> None:
        """No short path."""

    def _retake(self, now: int, most: int, out: list[Delivery]) -> None:
        """No short path."""

    def hand_over(self, now: int, record: Record) -> bool:
        return False

    def delete(self, now: int, seq: int, reason: str | None = None, receipt: int | None = None) -> bool:
        """Acknowledge, or seem to."""
        delivery = self._current(now, seq) if reason is None else None
        if delivery is None:
            return super().delete(now, seq, reason, receipt)
        if self._strike("lose_ack", now, delivery.record, delivery.times_received) is None:
            return super().delete(now, seq, reason, receipt)
        self._tell(now, delivery.record, "lose_ack: its acknowledgement was lost", delivery, receipt=receipt)
        return True


class FaultyFifo(Faulty, Fifo):
    """A FIFO queue with the faults that leave it exact."""


def afflict(core: Machine, faults: Striker) -> None:
    """Let a queue have these faults from now on, also one that was made without any. The lock is the caller's to hold."""
    if isinstance(core, Faulty):
        core.faults = faults
        return
    core._shut()
    core.express = False
    # The same state with other transitions: a copy of it would leave everybody behind who holds the old one.
    suffering: Any = core
    suffering.__class__ = FaultyFifo if isinstance(core, Fifo) else FaultyStandard
    suffering._suffer(faults)
    core.deadlines._live = core._live
    core._open()
