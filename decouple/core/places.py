"""What a queue holds and where: every message is in exactly one place, so counting is `len` and loss can be proved absent.

    fresh     visible, never received: records in the order of sending
    again     visible once more (expired, nacked, moved in, delay over), in the order they became so
    leased    in flight for the queue's own visibility timeout: deadlines come in order, so the first is the soonest;
              `older` holds the earlier ones in pages, because a dict of 100,000 takes 5 ms to grow once
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
from collections.abc import Callable, Iterator, Mapping
from heapq import merge
from itertools import islice
from operator import itemgetter
from typing import Any, Protocol

from decouple.core.changes import BY_ITSELF, Cause, Change
from decouple.core.counts import Counts
from decouple.core.deadlines import FAR, Deadlines
from decouple.core.records import Delivery, Details, Failure, Make, Past, Record, details_of, new_delivery
from decouple.core.settings import Settings

__all__ = ["PAGE", "SHARED", "Move", "Places", "Receiver"]

PAGE = 4_096
"""So many leases go into one dict before the next one is begun: growing it takes under 0.2 ms."""

SHARED = 1 << 46
"""Where the numbers of records begin that several queues hold: no queue gives out so many of its own."""


class Receiver(Protocol):
    """A parked receive, as far as the queue's state needs to know it (parking.py has both kinds)."""

    most: int
    lease: int
    until: int
    messages: list[Delivery]
    done: bool

    @property
    def gone(self) -> bool: ...

    @property
    def who(self) -> str: ...


class Move:
    """A message on its way to another queue: taken here, given there, then finished or undone.

    as_new: the message gets a new id and time of sending there (redrive), else it keeps both and its count (dead
    letters); claimed: somebody is carrying it; arrived: the target has it, so carrying it again gives nothing twice.
    entry: text, details and delay, where the message is to be another one there, sent as it arrives; refusal: why it is
    not to arrive; id, seq: what it is called there, and its number, once it has arrived.
    """

    __slots__ = (
        "arrived",
        "as_new",
        "claimed",
        "delivery",
        "entry",
        "failure",
        "id",
        "refusal",
        "seq",
        "source",
        "target",
    )

    def __init__(
        self,
        delivery: Delivery,
        target: Any,
        source: Any,
        failure: Failure | None = None,
        as_new: bool = False,
        entry: tuple[str, Details | None, int] | None = None,
        refusal: Exception | None = None,
    ) -> None:
        self.delivery = delivery
        self.target = target
        self.source = source
        self.failure = failure
        self.as_new = as_new
        self.entry = entry
        self.refusal = refusal
        self.claimed = False
        self.arrived = False
        self.id: str | None = None
        self.seq = 0


class Places:
    """The state of one queue, and what can be asked of it without changing anything."""

    survives = "nothing"
    """What its messages survive the loss of; see Capabilities."""

    # What every send and receive looks at lies together in the object: with a thousand queues, one line of the cache each.
    __slots__ = (
        "__dict__",
        "__weakref__",
        "ceiling",
        "deleted",
        "due",
        "fresh",
        "lane_end",
        "leased",
        "longest",
        "next_seq",
        "parked",
        "quick",
        "quick_send",
        "stem",
        "taken",
    )

    def __init__(
        self,
        name: str,
        settings: Settings,
        *,
        stem: str = "",
        epoch: int = 0,
        make: Make = Delivery,
        owner: Any = None,
        express: bool = False,
        who: Callable[[], str | None] = lambda: None,
        handled: Callable[[], str | None] = lambda: None,
    ) -> None:
        """Make an empty queue.

        stem: what ids start with; epoch: nanoseconds from 1970 to the clock's zero; make, owner: how a handle is made;
        express: whether the two doors may open at all; who, handled: tell who is at it and of what, for the records.
        """
        self.name = name
        self.settings = settings
        self.stem = stem
        self.epoch = epoch
        self.make = make
        self.owner = owner
        self.express = express
        self.who = who
        self.handled = handled
        self.taker: Receiver | None = None  # whom the line is being served to just now
        self.listening = False  # every change is recorded in `log`
        self.closed = False

        self.fresh: Any = deque()  # of records; a FIFO queue's is an OrderedDict by seq
        self.again: OrderedDict[int, Delivery] = OrderedDict()
        self.leased: dict[int, Delivery] = {}
        self.older: deque[dict[int, Delivery]] = deque()
        self.front: deque[int] = deque()
        self.front_of: dict[int, Delivery] | None = None
        self.odd: dict[int, Delivery] = {}
        self.delayed: dict[int, Delivery] = {}
        self.moving: dict[int, Move] = {}
        self.deadlines = Deadlines(self._live)
        self.grouped = False  # messages have groups that must hear of every step: `touched`
        self.touched: deque[Record] = deque()
        self.choosy = False  # which visible message comes next is not for the short paths to say
        self.held = False  # what may be sent is not for the short path to say

        self.outgoing: deque[Move] = deque()  # moves to be carried
        self.parked: deque[Receiver] = deque()  # receives that wait
        self.filled: deque[Receiver] = deque()  # those to be woken
        self.log: deque[Change] = deque()  # changes to be told

        self.counts = Counts()
        self.taken: int = 0  # how many left `fresh`
        self.deleted: int = 0
        self.seqs = itertools.count(1)
        self.next_seq = self.seqs.__next__
        self.shared: Iterator[int] | None = None  # where the numbers of shared records come from

        # What the short paths rely on; `_look_again` says what it means.
        self.due = 0
        self.ceiling = 0
        self.page_at = 0
        self.lane_end = 0  # the last deadline in `leased`
        self.calm = False  # whether nothing is out of the ordinary, for a short path that makes its own record
        self.plain = False  # whether `quick` may be open
        self.quick = False
        self.quick_send = False
        self.longest = -1  # the most bytes that need no second look

        self.lease = settings.visibility_timeout
        self.retention = settings.retention
        self.kept_since = 0  # when the retention was set
        self.rescheduled = True  # whether every deadline follows from it

    # -- asking ------------------------------------------------------------------------------------------------

    @property
    def visible(self) -> int:
        """Messages a receive could have now, as far as settled."""
        return len(self.fresh) + len(self.again)

    @property
    def deliverable(self) -> bool:
        """Whether a receive would get something now, as far as settled and but for the cap."""
        return self.visible > 0

    def own_faults(self) -> Iterator[str]:
        """What contradicts itself in the state that only this kind of queue has, in words."""
        return iter(())

    @property
    def in_flight(self) -> int:
        """Messages received and neither settled nor expired, as far as settled. Cost: O(pages)."""
        return len(self.leased) + sum(map(len, self.older)) + len(self.odd)

    def max_receivable(self) -> int:
        """How many more messages may be in flight."""
        return self.settings.max_in_flight - self.in_flight

    @property
    def crowded(self) -> bool:
        """Whether no more messages may be in flight, as far as settled."""
        return self.max_receivable() <= 0

    def id_of(self, record: Record) -> str:
        """The message's id: its own, or the one it kept when it was moved here."""
        return details_of(record).id or f"{self.stem}{record[2]:012x}"

    def issued(self, seq: int) -> bool:
        """Whether a message has or may have this number. What comes next is read from the counter's own text."""
        numbers = self.seqs if seq < SHARED else self.shared
        return numbers is not None and 0 < seq < int(repr(numbers)[6:-1])

    def find(self, seq: int) -> Delivery | None:
        """The message's latest delivery, wherever it is now; None when it is gone, moving or was never received."""
        return self._place_of(seq).get(seq) if seq not in self.delayed else None

    def is_latest(self, delivery: Delivery) -> bool:
        """Whether it is the message's latest delivery, and the message is here."""
        return self.find(delivery.record[2]) is delivery

    def standing(self, seq: int) -> Delivery | None:
        """The message, if it is visible and has a state of its own: it can be moved."""
        return self.again.get(seq)

    def _place_of(self, seq: int) -> dict[int, Delivery]:
        """The place that has the message; if none has, one that has not. Cost: O(pages)."""
        for place in (self.leased, self.odd, self.again):
            if seq in place:
                return place
        for page in self.older:
            if seq in page:
                return page
        return self.delayed

    def places(self) -> list[tuple[str, dict[int, Delivery]]]:
        """Every dict of deliveries with the name of the place it belongs to."""
        pages = [("leased", page) for page in (*self.older, self.leased)]
        return [*pages, ("odd", self.odd), ("again", self.again), ("delayed", self.delayed)]

    def in_line(self) -> Iterator[tuple[int, Record, Past]]:
        """The visible messages as they would be received: since when, what, and what was before."""
        again = (
            (one.due, one.record, (one.times_received - 1, one.first_received if one.times_received else None, True))
            for one in self.again.values()
        )
        fresh = ((record[1], record, (-1, None, False)) for record in self._fresh_records())
        return merge(again, fresh, key=itemgetter(0))

    def next_at(self) -> int:
        """The next instant at which anything happens by itself; FAR if nothing will. Cost: O(1), and stale entries."""
        if not (self.fresh or self.leased or self.again or self.older or self.odd or self.delayed or self.moving):
            return FAR  # what a receive that begins to wait mostly finds
        try:
            self.quick = False
            return self._next_at()
        finally:
            self.quick = self.plain

    def _next_at(self) -> int:
        if not self.rescheduled:
            return self.kept_since
        soonest = min(self._lane_at(), self._fresh_at())
        while (entry := self.deadlines.first()) is not None:
            if self._live(*entry):
                return min(soonest, entry[0])
            self.deadlines.drop(entry)
        return soonest

    def _eldest(self) -> Record | None:
        """The message of `fresh` that was sent first."""
        return self.fresh[0] if self.fresh else None

    def _fresh_at(self) -> int:
        """When the first of `fresh` outlives the retention."""
        eldest = self._eldest()
        return FAR if eldest is None else eldest[1] + self.retention

    def _fresh_key(self, record: Record) -> int:
        """Under which key `fresh` has the record; in a deque only the first can be meant."""
        return 0

    def _fresh_records(self) -> list[Record]:
        """What is in `fresh`, in the order of sending. Cost: O(fresh)."""
        return list(self.fresh)

    def _lane(self) -> dict[int, Delivery]:
        """The page with the oldest leases; the door is shut.

        A dict finds its first entry only by passing the gaps before it, so the keys of an older page, to which nothing is
        added any more, are read once into `front`.
        """
        while self.older:
            page = self.older[0]
            if page:
                if self.front_of is not page:
                    self.front_of, self.front = page, deque(page)
                while self.front[0] not in page:
                    del self.front[0]
                return page
            del self.older[0]
        self.front_of = None
        return self.leased

    def _lane_at(self) -> int:
        """When the first lease in the lane ends; the door is shut."""
        page = self._lane()
        if page is self.front_of:
            return page[self.front[0]].due
        for delivery in page.values():
            return delivery.due
        return FAR

    def _oldest(self, most: int) -> tuple[dict[int, Delivery], list[int]]:
        """The page with the oldest leases, and up to `most` of their seqs in order (some may be gone); the door is shut."""
        page = self._lane()
        return page, list(islice(self.front if page is self.front_of else page, most))

    def _live(self, at: int, seq: int) -> bool:
        """Whether something happens to message `seq` at that instant."""
        move = self.moving.get(seq)
        delivery = self._place_of(seq).get(seq) if move is None else move.delivery
        if delivery is None:
            return False
        ends = at == delivery.due and (seq in self.odd or seq in self.delayed)
        return ends or at == delivery.record[1] + self.retention

    # -- what every transition uses ----------------------------------------------------------------------------

    def _new(self, record: Record, received_at: int, due: int, past: Past | None) -> Delivery:
        return new_delivery(self.make, self.owner, record, received_at, due, past)

    def _keep(self, delivery: Delivery) -> None:
        """See to it that a message that comes back leaves when its retention is over: once, for as long as it lives."""
        if not delivery.kept:
            self._at(delivery.record[1] + self.retention, delivery.record[2])
            count = delivery.times_received
            delivery.past = (count - 1, delivery.first_received if count else None, True)

    def _at(self, at: int, seq: int, *, one_of_many: bool = False) -> None:
        """See to message `seq` at that instant. Comes before the commit, lest an interrupt forgets a deadline.

        one_of_many: another deadline follows before the commit; the heap must not prune what does not live yet.
        """
        live = FAR if one_of_many else self.in_flight + len(self.again) + len(self.delayed)
        self.deadlines.push(at, seq, live=live)
        if at < self.due:
            self.due = at

    def _shut(self) -> None:
        """Nobody changes anything without the lock until `_open`."""
        self.calm = False
        self.quick_send = False
        self.quick = False

    def quick_delete_older(self, seq: int) -> bool:
        """Through the door `quick`: delete a lease that is not on the newest page. Cost: O(pages)."""
        try:
            for page in self.older:
                if seq in page and self.quick:
                    # commit
                    del page[seq]
                    self.deleted += 1
                    return True
        except RuntimeError:
            pass  # another thread begins a page: the general path will do
        return False

    def reopen(self) -> None:
        """Open the doors again after an interrupt left them shut."""
        if not self.quick_send:
            self._open()

    def _open(self) -> None:
        """Open the doors as far as things are plain: nobody listens, and no parked receive waits for room to take more."""
        self.calm = self.express and not (self.choosy or (self.parked and self.deliverable))
        self.plain = self.calm and not self.listening
        self.quick = self.plain
        self.quick_send = self.plain and not (self.held or self.closed or self.parked or self.settings.delay)

    def _note(
        self, cause: Cause, at: int, record: Record, delivery: Delivery | None = None, **more: Any
    ) -> tuple[Change, ...]:
        """The change as a record, to be added to the log when it commits; nothing when nobody listens."""
        if not self.listening:
            return ()
        until = more.pop("until", None)
        if cause not in BY_ITSELF:
            more["who"] = self.who() if self.taker is None else self.taker.who
        if cause == "sent":
            more["during"] = self.handled()
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

    def _duplicate(
        self, now: int, text: str, details: Details, first: int, words: Mapping[str, Any]
    ) -> tuple[Change, ...]:
        """The record of a send that counts as the one with the number `first`."""
        if not self.listening:
            return ()
        reason = f"deduplication id {details.deduplication_id!r} was that of {self.stem}{first:012x}"
        record: Record = (text, now, first, details)
        at, who = now + self.epoch, self.who()
        return (Change(cause="duplicate", queue=self.name, at=at, record=record, reason=reason, who=who, **words),)
