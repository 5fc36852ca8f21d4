"""Notifications on their way to a target that is no queue: one line for each subscription, worked off by the broker's runner.

A line is the runner's job: each time it is put there it may deliver one notification, and then goes to the end. So a
subscription has at most `concurrency` deliveries under way, and a slow or failing target delays no other. What was not
taken waits for its next attempt in the runner's own heap; after the last one it goes to the subscription's dead-letter queue
with the reason, or it is gone, with a record and a line in the log.
"""

from __future__ import annotations

import sys
import threading
from collections import deque
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple

from decouple.core.deadlines import FAR
from decouple.core.records import Failure
from decouple.errors import BacklogFull, DeliveryRefused
from decouple.message import failure_of
from decouple.notification import Kind, Notification, Publication

if TYPE_CHECKING:
    from decouple.core.backoff import Chance
    from decouple.post import Post
    from decouple.runner import Runner
    from decouple.subscription import Subscription
    from decouple.targets import Target

__all__ = ["CANCELLED", "Line", "Staff"]

CLOSED = Failure("BrokerClosed", "the broker was closed before it was delivered", "", 0)
CANCELLED = Failure("Unsubscribed", "the subscription was cancelled before it was delivered", "", 0)
FULL = Failure("BacklogFull", "the backlog of {} is full", "", 0)


class Staff(NamedTuple):
    """What a broker lends its topics: who works, what targets share, and where jitter comes from."""

    runner: Runner
    post: Post
    chance: Chance


class Pending:
    """One notification on its way. failures: attempts so far; first_at: when the first one began."""

    __slots__ = ("awaits", "failures", "first_at", "kind", "line", "previous", "publication", "token")

    def __init__(self, line: Line, publication: Publication, kind: Kind, token: str | None) -> None:
        self.line = line
        self.awaits = line.awaits
        self.publication = publication
        self.kind: Kind = kind
        self.token = token
        self.failures = 0
        self.first_at: int | None = None
        self.previous = 0

    def run(self) -> None:
        """The runner's job when the next attempt is due."""
        if self.line.back(self):
            self.line.deliver(self)

    async def arun(self) -> None:
        if self.line.back(self):
            await self.line.adeliver(self)

    def abandon(self) -> None:
        """The broker closes: there will be no other attempt."""
        self.line.give_up(self, CLOSED)

    def describe(self) -> str:
        return f"attempt {self.failures + 1} to deliver {self.publication.id} to {self.line.name}"


class Line:
    """The notifications of one subscription that are not delivered yet, and the job that delivers them.

    accepted = delivered + dead_lettered + dropped + pending; those pending wait, are under way, or are to be tried again.
    """

    def __init__(self, subscription: Subscription, target: Target, staff: Staff) -> None:
        self.subscription = subscription
        self.target = target
        self.awaits: bool = staff.post.awaits(target)
        self.staff = staff
        self.waiting: deque[Pending] = deque()
        self.pending: set[Pending] = set()
        self.reserved = 0
        self.turns = 0
        self.free_at = 0
        self.closed = False
        self.accepted = self.delivered = self.failed = self.dead_lettered = self.dropped = 0
        self._lock = threading.Lock()
        self._room: deque[Waiter] = deque()

    def anew(self) -> Line:
        """A line to the same target, with the same numbers, after this one was closed."""
        line = Line(self.subscription, self.target, self.staff)
        with self._lock:
            line.accepted, line.delivered, line.failed = self.accepted, self.delivered, self.failed
            line.dead_lettered, line.dropped = self.dead_lettered, self.dropped
        return line

    @property
    def name(self) -> str:
        """As records and stats show it."""
        return self.subscription.name

    def numbers(self) -> dict[str, int]:
        """The law's numbers."""
        with self._lock:
            return {
                "accepted": self.accepted,
                "delivered": self.delivered,
                "dead_lettered": self.dead_lettered,
                "dropped": self.dropped,
                "pending": len(self.pending),
            }

    def faults(self) -> str:
        """What contradicts itself, in words; "" if nothing does."""
        numbers = self.numbers()
        if numbers["accepted"] != sum(numbers.values()) - numbers["accepted"]:
            return "notifications do not add up"
        return "more wait than are pending" if len(self.waiting) > len(self.pending) else ""

    # -- coming in ---------------------------------------------------------------------------------------------

    def reserve(self) -> None:
        """Wait for room, where the subscription blocks its publishers. Raises BacklogFull, ClockStuck."""
        terms = self.subscription.terms
        while True:
            with self._lock:
                if self._has_room() or self.closed:
                    self.reserved += 1
                    return
                waiter = Waiter(f"a publish to topic {self.subscription.topic.name!r} waits for room in {self.name}")
                self._room.append(waiter)
            try:
                if on_a_loop():
                    raise BacklogFull(self.subscription.topic.name, subscription=self.name, limit=terms.max_backlog)
                self.subscription.topic.clock.sleep(waiter, FAR)
            finally:
                with self._lock:
                    if waiter in self._room:
                        self._room.remove(waiter)

    def unreserve(self) -> None:
        """Give back a place that was not used."""
        with self._lock:
            self.reserved -= 1
            self._let_in()

    def add(
        self, publication: Publication, *, kind: Kind = "Notification", token: str | None = None, reserved: bool = False
    ) -> None:
        """Take a notification; when the backlog is full, the subscription's terms say what becomes of it."""
        pending = Pending(self, publication, kind, token)
        terms = self.subscription.terms
        with self._lock:
            # A publisher that blocks has waited; one that came while this subscription was made goes over the bound.
            full = terms.on_full != "block" and not self._has_room()
            self.reserved -= reserved
            self.accepted += 1
            self.pending.add(pending)
            turn = not full and self._line_up(pending)
        if full:
            self.give_up(pending, FULL._replace(text=FULL.text.format(terms.max_backlog)))
        elif turn:
            self.staff.runner.put(self)

    def back(self, pending: Pending) -> bool:
        """Another attempt is due: True when it may begin at once, else it lines up."""
        now = self.subscription.topic.clock.now()
        terms = self.subscription.terms
        with self._lock:
            if not self.waiting and self.turns < terms.concurrency and now >= self.free_at:
                self.turns += 1
                self.free_at = now + terms.gap
                return True
            turn = self._line_up(pending)
        if turn:
            self.staff.runner.put(self)
        return False

    def _line_up(self, pending: Pending) -> bool:
        """Under the lock; whether the line gets another turn."""
        self.waiting.append(pending)
        turn = self.turns < self.subscription.terms.concurrency
        self.turns += turn
        return turn

    def _has_room(self) -> bool:
        return len(self.pending) + self.reserved < self.subscription.terms.max_backlog

    def _let_in(self) -> None:
        """Under the lock: whoever waits longest for room may look again."""
        if self._room and self._has_room():
            self._room.popleft().wake()

    # -- the runner's job --------------------------------------------------------------------------------------

    def run(self) -> None:
        """Deliver one notification; raises what the target raised, after it was seen to."""
        pending = self._next()
        if pending is not None:
            self.deliver(pending)

    async def arun(self) -> None:
        """The same for a target that is awaited."""
        pending = self._next()
        if pending is not None:
            await self.adeliver(pending)

    def deliver(self, pending: Pending) -> None:
        """One attempt."""
        with Attempt(self, pending) as attempt:
            attempt.answer = self.target.deliver(attempt.notification, self.staff.post)

    async def adeliver(self, pending: Pending) -> None:
        """One attempt of a target that is awaited."""
        with Attempt(self, pending) as attempt:
            attempt.answer = await self.target.deliver(attempt.notification, self.staff.post)

    def abandon(self) -> None:
        """The broker closes before this turn was begun: what waits is given up."""
        with self._lock:
            self.turns -= 1
        self.clear(CLOSED)

    def describe(self) -> str:
        return f"{len(self.waiting)} notifications for {self.name}"

    def _next(self) -> Pending | None:
        """What to deliver in this turn; None ends or postpones it."""
        now = self.subscription.topic.clock.now()
        gap = self.subscription.terms.gap
        with self._lock:
            if not self.waiting:
                self.turns -= 1
                return None
            if now >= self.free_at:
                self.free_at = now + gap
                pending = self.waiting.popleft()
                if pending.first_at is None:
                    pending.first_at = now
                return pending
            at = self.free_at
        self.staff.runner.put(self, at)
        return None

    def again(self) -> None:
        """After a turn: another one, at the end of the runner's queue, if anything waits."""
        with self._lock:
            more = bool(self.waiting)
            self.turns -= not more
        if more:
            self.staff.runner.put(self)

    # -- what became of it -------------------------------------------------------------------------------------

    def took(self, pending: Pending, answer: Any) -> None:
        """The target has it."""
        with self._lock:
            self.delivered += 1
            self.pending.discard(pending)
            self._let_in()
        reason = None if answer is None else str(answer)[:200]
        self.subscription.tell("delivered", pending.publication, receives=pending.failures + 1, reason=reason)

    def give_back(self, pending: Pending) -> None:
        """The attempt was cut short, and nobody knows how far it came: it is made again."""
        with self._lock:
            self.waiting.appendleft(pending)

    def refused(self, pending: Pending, error: BaseException) -> None:
        """The attempt failed: another one after the delay of the schedule, or none."""
        now = self.subscription.topic.clock.now()
        pending.failures += 1
        with self._lock:
            self.failed += 1
        delay = None
        if not isinstance(error, DeliveryRefused) and not self.closed:
            delay = self.subscription.terms.schedule.after(
                pending.failures,
                age=now - (pending.first_at or now),
                previous=pending.previous,
                chance=self.staff.chance,
            )
        if delay is None:
            self.give_up(pending, failure_of(error, pending.failures))
            return
        pending.previous = delay
        shown = f"{type(error).__name__}: {error}"[:200]
        self.subscription.tell(
            "delivery failed", pending.publication, receives=pending.failures, reason=shown, until=now + delay
        )
        self.staff.runner.put(pending, now + delay)

    def give_up(self, pending: Pending, failure: Failure) -> None:
        """No other attempt: to the dead-letter queue, or gone with a record."""
        buried = pending.kind == "Notification" and self.subscription.bury(
            pending.publication, failure._replace(attempts=pending.failures)
        )
        with self._lock:
            if buried:
                self.dead_lettered += 1
            else:
                self.dropped += 1
            self.pending.discard(pending)
            self._let_in()

    def clear(self, failure: Failure) -> None:
        """Give up all that waits in line."""
        while True:
            with self._lock:
                if not self.waiting:
                    return
                pending = self.waiting.popleft()
            self.give_up(pending, failure)

    def close(self, failure: Failure) -> None:
        """Nothing more is tried: what waits is given up now, what is to be tried again when that is due."""
        self.closed = True  # an attempt under way that fails is the last one
        self.clear(failure)
        with self._lock:
            while self._room:
                self._room.popleft().wake()


class Attempt:
    """One delivery: whatever comes of it, the notification is in one place afterwards and the line goes on."""

    __slots__ = ("answer", "line", "notification", "pending")

    def __init__(self, line: Line, pending: Pending) -> None:
        self.line = line
        self.pending = pending
        self.answer: Any = None
        self.notification = Notification(
            pending.publication,
            line.subscription.way,
            envelope=line.subscription.terms.envelope,
            attempt=pending.failures + 1,
            kind=pending.kind,
            token=pending.token,
        )

    def __enter__(self) -> Attempt:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self.line.took(self.pending, self.answer)
            elif cut_short(error):
                self.line.give_back(self.pending)
            else:
                self.line.refused(self.pending, error)
        finally:
            self.line.again()


class Waiter:
    """A publisher that waits for room: blocked on a lock that whoever makes room releases."""

    __slots__ = ("_gate", "_what", "done")

    def __init__(self, what: str) -> None:
        self._what = what
        self.done = False
        self._gate = threading.Lock()
        self._gate.acquire()

    def block(self, seconds: float) -> bool:
        return self._gate.acquire(timeout=seconds)

    def wake(self) -> None:
        self.done = True
        self._gate.release()

    def describe(self) -> str:
        return self._what


def on_a_loop() -> bool:
    """Whether this thread runs an event loop, which must not be blocked: what makes room may be a task of it."""
    asyncio = sys.modules.get("asyncio")
    return asyncio is not None and asyncio._get_running_loop() is not None


def cut_short(error: BaseException) -> bool:
    """Whether somebody ended the attempt from outside, rather than the target."""
    if isinstance(error, (KeyboardInterrupt, GeneratorExit)):
        return True
    asyncio = sys.modules.get("asyncio")
    return asyncio is not None and isinstance(error, asyncio.CancelledError)
