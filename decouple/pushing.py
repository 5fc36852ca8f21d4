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
from typing import TYPE_CHECKING, Any

from decouple.attempt import Attempt, reason_of, words_of
from decouple.core.deadlines import FAR
from decouple.core.records import Failure
from decouple.errors import BacklogFull, DeliveryRefused
from decouple.notification import Kind, Publication

if TYPE_CHECKING:
    from decouple.staff import Staff
    from decouple.subscription import Subscription
    from decouple.targets import Target

__all__ = ["CANCELLED", "Line"]

CLOSED = Failure("BrokerClosed", "the broker was closed before it was delivered", "", 0)
CANCELLED = Failure("Unsubscribed", "the subscription was cancelled before it was delivered", "", 0)
FULL = Failure("BacklogFull", "the backlog of {} is full", "", 0)


class Pending:
    """One notification on its way. failures: attempts so far; first_at: when the first one began.

    counted: it was published; a question for confirmation was not, and counts nowhere.
    """

    __slots__ = ("awaits", "counted", "failures", "first_at", "kind", "line", "previous", "publication", "token")

    def __init__(self, line: Line, publication: Publication, kind: Kind, token: str | None) -> None:
        self.line = line
        self.awaits = line.awaits
        self.publication = publication
        self.kind: Kind = kind
        self.counted = kind == "Notification"
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
        if self.line.awake(self):
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
        self.resting: set[Pending] = set()  # between two attempts
        self.reserved = 0
        self.turns = 0
        self.free_at = 0
        self.closed = False
        self.accepted = self.delivered = self.failed = self.dead_lettered = self.dropped = 0
        self._lock = threading.Lock()
        self._room: deque[Waiter] = deque()

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
        return "more places were given back than taken" if self.reserved < 0 else ""

    # -- coming in ---------------------------------------------------------------------------------------------

    def reserve(self, held: dict[Line, None]) -> None:
        """Wait for room, where the subscription blocks its publishers, and hold it. Raises BacklogFull, ClockStuck."""
        topic, most = self.subscription.topic, self.subscription.terms.max_backlog
        while True:
            with self._lock:
                if self._has_room() or self.closed:
                    # commit
                    self.reserved += 1
                    held[self] = None
                    return
                if on_a_loop():
                    raise BacklogFull(topic.name, subscription=self.name, limit=most)
                waiter = Waiter(f"a publish to topic {topic.name!r} waits for room in {self.name}")
                self._room.append(waiter)
            try:
                topic.clock.sleep(waiter, FAR)
            except BaseException:
                with self._lock:
                    if waiter in self._room:
                        self._room.remove(waiter)
                    else:
                        self._let_in()  # it was told, and will not come
                raise

    def unreserve(self, held: dict[Line, None]) -> None:
        """Give back a place that was not used."""
        with self._lock:
            # commit
            self.reserved -= 1
            del held[self]
            self._let_in()

    def add(
        self,
        publication: Publication,
        *,
        kind: Kind = "Notification",
        token: str | None = None,
        held: dict[Line, None] | None = None,
    ) -> None:
        """Take a notification; when the backlog is full, the subscription's terms say what becomes of it.

        held: places this publisher has; the one it has here is used.
        """
        pending = Pending(self, publication, kind, token)
        terms = self.subscription.terms
        turn = full = False
        try:
            with self._lock:
                # A publisher that blocks has waited; one that came while this subscription was made goes over the bound.
                full = pending.counted and terms.on_full != "block" and not self._has_room()
                counted = {pending} if pending.counted else set[Pending]()
                lined_up = () if full else (pending,)
                more = not full and self.turns < terms.concurrency
                # commit
                self.accepted += pending.counted
                self.pending |= counted
                self.waiting += lined_up
                self.turns += more
                turn = more
                if held and self in held:
                    self.reserved -= 1
                    del held[self]
        finally:
            if turn:
                self._take_turn()
        if full:
            full_up = FULL._replace(text=FULL.text.format(terms.max_backlog))
            self.give_up(pending, full_up, to_dead_letters=terms.on_full != "drop")

    def _take_turn(self) -> None:
        """Have the runner come by. Interrupted, it may come twice for one turn, which does no harm; never not at all."""
        try:
            self.staff.runner.put(self)
        except BaseException:
            self.staff.runner.put(self)
            raise

    def awake(self, pending: Pending) -> bool:
        """The rest of a notification is over; False if it was given up meanwhile."""
        with self._lock:
            rested = pending in self.resting
            self.resting.discard(pending)
        return rested

    def back(self, pending: Pending) -> bool:
        """Another attempt is due: True when it may begin at once, else it lines up."""
        now = self.subscription.topic.clock.now()
        terms = self.subscription.terms
        turn = False
        with self._lock:
            if pending not in self.resting:
                return False
            self.resting.discard(pending)
            if not self.waiting and self.turns < terms.concurrency and now >= self.free_at:
                self.turns += 1
                self.free_at = now + terms.gap
                return True
            self.waiting.append(pending)
            turn = self.turns < terms.concurrency
            self.turns += turn
        if turn:
            self._take_turn()
        return False

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
            self._end_turn()
        self._clear(CLOSED)

    def describe(self) -> str:
        return f"{len(self.waiting)} notifications for {self.name}"

    def _next(self) -> Pending | None:
        """What to deliver in this turn; None ends or postpones it."""
        now = self.subscription.topic.clock.now()
        gap = self.subscription.terms.gap
        with self._lock:
            if not self.waiting:
                self._end_turn()
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
            if not more:
                self._end_turn()
        if more:
            self._take_turn()

    def _end_turn(self) -> None:
        self.turns -= self.turns > 0

    # -- what became of it -------------------------------------------------------------------------------------

    def took(self, pending: Pending, answer: Any) -> None:
        """The target has it."""
        with self._lock:
            self.delivered += pending.counted
            self.pending.discard(pending)
            self._let_in()
        reason = None if answer is None else words_of(answer)[:200]
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
        delay = None if isinstance(error, DeliveryRefused) else self._delay(pending, now)
        with self._lock:
            # Only who is asked whether it wants to come back is still tried after the end.
            over = delay is None or (self.closed and pending.kind != "UnsubscribeConfirmation")
            if not over:
                self.resting.add(pending)
        if over or delay is None:
            self.give_up(pending, reason_of(error, pending.failures))
            return
        pending.previous = delay
        shown = f"{type(error).__name__}: {words_of(error)}"[:200]
        until = now + delay + self.subscription.topic.clock.epoch
        self.subscription.tell(
            "delivery failed", pending.publication, receives=pending.failures, reason=shown, until=until
        )
        self.staff.runner.put(pending, now + delay)

    def _delay(self, pending: Pending, now: int) -> int | None:
        """What the schedule says, which may be somebody's own: one that fails, or answers nonsense, ends the attempts."""
        first_at = now if pending.first_at is None else pending.first_at
        ask = self.subscription.terms.schedule.after
        try:
            delay = ask(pending.failures, age=now - first_at, previous=pending.previous, chance=self.staff.chance)
            return None if delay is None else max(0, int(delay))
        except Exception:
            import logging  # here, because most programs never need it

            logging.getLogger("decouple").exception("the retry schedule of %s failed: no other attempt", self.name)
            return None

    def give_up(self, pending: Pending, failure: Failure, *, to_dead_letters: bool = True) -> None:
        """No other attempt: to the dead-letter queue, or gone with a record."""
        failure = failure._replace(attempts=pending.failures)
        buried = pending.counted and self.subscription.bury(pending.publication, failure, to_dead_letters)
        with self._lock:
            self.dead_lettered += buried
            self.dropped += pending.counted and not buried
            self.pending.discard(pending)
            self._let_in()

    def _clear(self, failure: Failure) -> None:
        """Give up all that waits in line."""
        while True:
            with self._lock:
                if not self.waiting:
                    return
                pending = self.waiting.popleft()
            self.give_up(pending, failure)

    def close(self, failure: Failure) -> None:
        """Nothing more is tried: what waits, for its turn or for another attempt, is given up now."""
        with self._lock:
            self.closed = True  # an attempt under way that fails is the last one
            self.waiting += self.resting
            self.resting.clear()
        self._clear(failure)
        with self._lock:
            while self._room:
                self._room.popleft().wake()


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
