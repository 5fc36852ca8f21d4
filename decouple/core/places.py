"""What a queue holds and where: every message is in exactly one place, so counting is `len` and loss can be proved absent.

    fresh     visible, never received: records in the order of sending
    again     visible once more (expired, nacked, moved in, delay over), in the order they became so
    leased    in flight for the queue's own visibility timeout: deadlines come in order, so the first is the soonest
    odd       in flight with any other deadline, which waits in the heap
    delayed   not visible yet; the end of the delay waits in the heap
    moving    on its way to another queue

The heap also holds when each message that came back outlives the queue's retention; `fresh` is in that order anyway.

How a transition commits. CPython answers a Ctrl-C and switches threads only after a call, at a loop's jump or on
entering a function. So each transition first makes all it needs, and then commits in lines without a call, marked
`# commit`: they happen together or not at all. Callers hold one lock. On builds with a GIL the same property lets the
three calls of the hot path do without it, which saves 280 ns each (the lock costs more than the queue): through the
door `quick_send` a sender appends to `fresh`; through the door `quick` a receiver moves the first of `fresh` to the end
of `leased`, and whoever acknowledges deletes from `leased`. Whatever must not meet them shuts the door first, and it
stays shut where every change is recorded. Builds without a GIL never open them.
"""

from __future__ import annotations

import itertools
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from heapq import merge
from itertools import islice
from operator import itemgetter
from typing import Any, Protocol

import attrs

from decouple.core.changes import Cause, Change
from decouple.core.deadlines import FAR, Deadlines
from decouple.core.records import Delivery, Failure, Make, Past, Record, details_of, new_delivery
from decouple.core.settings import Settings

__all__ = ["Counts", "Move", "Places", "Receiver"]


# How many leases are read into the lane at once: 1,024 take about 0.1 ms.
LOOK = 1_024


class Receiver(Protocol):
    """A parked receive, as far as the queue's state needs to know it (parking.py has both kinds)."""

    most: int
    lease: int
    until: int
    messages: list[Delivery]
    done: bool


@attrs.define(eq=False)
class Move:
    """A message on its way to another queue: taken here, given there, then finished or undone.

    as_new: the message gets a new id and time of sending there (redrive), else it keeps both and its count (dead
    letters); claimed: somebody is carrying it; arrived: the target has it, so carrying it again gives nothing twice.
    """

    delivery: Delivery
    target: Any
    source: Any
    failure: Failure | None = None
    as_new: bool = False
    claimed: bool = False
    arrived: bool = False


@attrs.define
class Counts:
    """Lifetime totals of one queue: how many messages came, went, and why. `taken` and `deleted` of the machine are two more."""

    sent_aside: int = 0
    moved_in: int = 0
    redelivered: int = 0
    given_back: int = 0
    expired: int = 0
    nacked: int = 0
    deleted: int = 0
    retained_out: int = 0
    purged: int = 0
    rejected: int = 0
    moved_out: int = 0
    refused: int = 0
    empty_receives: int = 0
    fresh_gone: int = 0


@attrs.define(eq=False)
class Places:
    """The state of one queue, and what can be asked of it without changing anything.

    stem: what ids start with; epoch: nanoseconds from 1970 to the clock's zero; make, owner: how a handle is made;
    express: whether the two doors may open at all; listening: whether changes are recorded in `log`.
    due: until then a receive need not settle, and 0 while it must take the general path anyway (somebody listens,
    `again` holds messages, the queue is closed); ceiling: up to how many `taken` the cap on messages in flight is no
    concern; lane_end: the last deadline in `leased`; taken: how many left `fresh`; plain: whether `quick` may
    be open; kept_since: when the retention was set; rescheduled: whether every deadline follows from it.
    """

    name: str
    settings: Settings
    stem: str = ""
    epoch: int = 0
    make: Make = Delivery
    owner: Any = None
    express: bool = False

    listening: bool = attrs.field(default=False, init=False)
    closed: bool = attrs.field(default=False, init=False)
    plain: bool = attrs.field(default=False, init=False)
    quick: bool = attrs.field(default=False, init=False)
    quick_send: bool = attrs.field(default=False, init=False)

    fresh: deque[Record] = attrs.field(factory=deque, init=False)
    again: OrderedDict[int, Delivery] = attrs.field(factory=OrderedDict, init=False)
    leased: dict[int, Delivery] = attrs.field(factory=dict, init=False)
    lane: deque[tuple[int, int]] = attrs.field(factory=deque, init=False)
    odd: dict[int, Delivery] = attrs.field(factory=dict, init=False)
    delayed: dict[int, Delivery] = attrs.field(factory=dict, init=False)
    moving: dict[int, Move] = attrs.field(factory=dict, init=False)

    outgoing: deque[Move] = attrs.field(factory=deque, init=False)
    parked: deque[Receiver] = attrs.field(factory=deque, init=False)
    filled: deque[Receiver] = attrs.field(factory=deque, init=False)
    log: deque[Change] = attrs.field(factory=deque, init=False)

    counts: Counts = attrs.field(factory=Counts, init=False)
    taken: int = attrs.field(default=0, init=False)
    deleted: int = attrs.field(default=0, init=False)

    due: int = attrs.field(default=0, init=False)
    ceiling: int = attrs.field(default=0, init=False)
    lane_end: int = attrs.field(default=0, init=False)
    lease: int = attrs.field(default=0, init=False)
    retention: int = attrs.field(default=0, init=False)
    kept_since: int = attrs.field(default=0, init=False)
    rescheduled: bool = attrs.field(default=True, init=False)
    deadlines: Deadlines = attrs.field(init=False)
    seqs: itertools.count[int] = attrs.field(factory=lambda: itertools.count(1), init=False)
    next_seq: Callable[[], int] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.deadlines = Deadlines(self._live)
        self.next_seq = self.seqs.__next__

    @property
    def visible(self) -> int:
        """Messages a receive could have now, as far as settled."""
        return len(self.fresh) + len(self.again)

    @property
    def in_flight(self) -> int:
        """Messages received and neither settled nor expired, as far as settled."""
        return len(self.leased) + len(self.odd)

    def id_of(self, record: Record) -> str:
        """The message's id: its own, or the one it kept when it was moved here."""
        return details_of(record).id or f"{self.stem}{record[2]:012x}"

    def find(self, seq: int) -> Delivery | None:
        """The message's latest delivery, wherever it is now; None when it is gone, moving or was never received."""
        return self.leased.get(seq) or self.odd.get(seq) or self.again.get(seq)

    def next_at(self) -> int:
        """The next instant at which anything happens by itself; FAR if nothing will. Cost: O(1), and stale entries."""
        try:
            self.quick = False
            return self._next_at()
        finally:
            self.quick = self.plain

    def _next_at(self) -> int:
        if not self.rescheduled:
            return self.kept_since
        soonest = self._lane_at()
        if self.fresh:
            soonest = min(soonest, self.fresh[0][1] + self.retention)
        while (entry := self.deadlines.first()) is not None:
            if self._live(*entry):
                return min(soonest, entry[0])
            self.deadlines.drop(entry)
        return soonest

    def _lane_at(self) -> int:
        """When the first lease in the lane ends; the door is shut.

        A dict keeps the order of leases for nothing, but finds its first one only by passing the gaps before it. So the
        oldest are read into `lane` some at a time, each once, and a dict that is mostly gaps is made anew.
        """
        lane = self.lane
        while self.leased:
            while lane:
                due, seq = lane[0]
                delivery = self.leased.get(seq)
                if delivery is not None and delivery.due == due:
                    return due
                del lane[0]
            if self.leased.__sizeof__() > 4_096 + 256 * len(self.leased):
                self.leased = dict(self.leased)
            lane += [(delivery.due, seq) for seq, delivery in islice(self.leased.items(), LOOK)]
        lane.clear()
        return FAR

    def in_line(self) -> Iterator[tuple[int, Record, Past]]:
        """The visible messages as they would be received: since when, what, and how often received before."""
        again = (
            (one.due, one.record, (one.times_received - 1, one.first_received if one.times_received else None))
            for one in self.again.values()
        )
        fresh = ((record[1], record, (-1, None)) for record in list(self.fresh))
        return merge(again, fresh, key=itemgetter(0))

    def max_receivable(self) -> int:
        """How many more messages may be in flight."""
        return self.settings.max_in_flight - self.in_flight

    def _place_of(self, seq: int) -> dict[int, Delivery]:
        for place in (self.leased, self.odd, self.again):
            if seq in place:
                return place
        return self.delayed

    def _live(self, at: int, seq: int) -> bool:
        """Whether something happens to message `seq` at that instant."""
        delivery = self.find(seq) or self.delayed.get(seq)
        if delivery is None:
            return False
        if at == delivery.record[1] + self.retention:
            return True
        return at == delivery.due and (seq in self.odd or seq in self.delayed)

    # -- what every transition uses ----------------------------------------------------------------------------

    def _new(self, record: Record, received_at: int, due: int, past: Past | None) -> Delivery:
        return new_delivery(self.make, self.owner, record, received_at, due, past)

    def _at(self, at: int, seq: int, *, one_of_many: bool = False) -> None:
        """See to message `seq` at that instant. Comes before the commit, lest an interrupt forgets a deadline.

        one_of_many: another deadline follows before the commit; the heap must not prune what does not live yet.
        """
        live = FAR if one_of_many else len(self.leased) + len(self.odd) + len(self.again) + len(self.delayed)
        self.deadlines.push(at, seq, live=live)
        if at < self.due:
            self.due = at

    def _shut(self) -> None:
        """Nobody changes anything without the lock until `_open`."""
        self.quick_send = False
        self.quick = False

    def issued(self) -> int:
        """The number the next message will get: every smaller one was given out. Read from the counter's own text."""
        return int(repr(self.seqs)[6:-1])

    def reopen(self) -> None:
        """Open the doors again after an interrupt left them shut."""
        if not self.quick_send:
            self._open()

    def _open(self) -> None:
        """Open the doors as far as things are plain: nobody listens, and no parked receive waits for room to take more."""
        self.plain = self.express and not self.listening and not (self.parked and self.visible)
        self.quick = self.plain
        self.quick_send = self.plain and not self.closed and not self.parked and not self.settings.delay

    def _note(
        self, cause: Cause, at: int, record: Record, delivery: Delivery | None = None, **more: Any
    ) -> tuple[Change, ...]:
        """The change as a record, to be added to the log when it commits; nothing when nobody listens."""
        if not self.listening:
            return ()
        until = more.pop("until", None)
        return (
            Change(
                cause=cause,
                queue=self.name,
                at=at + self.epoch,
                seq=record[2],
                id=self.id_of(record),
                receives=0 if delivery is None else delivery.times_received,
                record=record,
                until=None if until is None else until + self.epoch,
                **more,
            ),
        )
