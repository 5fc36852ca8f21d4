"""Notifications on their way to a target that is no queue: one line for each subscription, worked off by the broker's runner.

A line is the runner's job: each time it is put there it may deliver one notification, and then goes to the end. So a
subscription has at most `concurrency` deliveries under way, and a slow or failing target delays no other. What was not
taken waits for its next attempt in the runner's own heap; after the last one it goes to the subscription's dead-letter queue
with the reason, or it is gone, with a record and a line in the log.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Any

from decouple.attempt import Attempt, reason_of, words_of
from decouple.core.deadlines import FAR
from decouple.core.records import Failure
from decouple.errors import BacklogFull, DeliveryRefused
from decouple.pending import CLOSED, Hand, Pending
from decouple.publish_steps import whole
from decouple.tasks import running_loop
from decouple.waiter import Waiter

if TYPE_CHECKING:
    from decouple.notification import Kind, Publication
    from decouple.staff import Staff
    from decouple.subscription import Subscription
    from decouple.targets import Target

__all__ = ["CANCELLED", "Line"]

CANCELLED = Failure("Unsubscribed", "the subscription was cancelled before it was delivered", "", 0)
FULL = Failure("BacklogFull", "the backlog of {} is full", "", 0)


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
    def held(self) -> bool:
        """Whether its target is one of an earlier process, and not there yet."""
        return False

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

    @property
    def last(self) -> Pending | None:
        """The notification that has waited least."""
        with self._lock:
            return self.waiting[-1] if self.waiting else None

    def keeps(self, pending: Pending) -> bool:
        """Whether that one waits still, and for nothing but its turn: a rate that is not over yet is no such thing."""
        now = self.subscription.topic.clock.now()
        with self._lock:
            return pending in self.waiting and now >= self.free_at

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
                if running_loop() is not None:  # it must not be blocked: what makes room may be a task of it
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
    ) -> Exception | None:
        """Take a notification; when the backlog is full, the subscription's terms say what becomes of it.

        held: places this publisher has; the one it has here is used. The answer says why it could not be kept, where it is.
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
        return None

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

    def back(self, hand: Hand) -> bool:
        """Another attempt of what is in hand is due: True when it may begin at once, else it lines up."""
        now = self.subscription.topic.clock.now()
        terms = self.subscription.terms
        with self._lock:
            pending = hand[0]
            free = self.turns < terms.concurrency
            if pending is None or pending not in self.resting:
                hand.clear()
                return False
            ended = {pending}
            if free and not self.waiting and now >= self.free_at:
                # commit
                self.resting -= ended
                self.turns += 1
                self.free_at = now + terms.gap
                return True
            # commit
            self.resting -= ended
            self.waiting += (pending,)
            self.turns += free
            hand[0] = None
        if free:
            self._take_turn()
        hand.clear()
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
        hand: Hand = [None]
        try:
            if self._next(hand):
                self.deliver(hand)
        finally:
            if hand:
                whole(lambda: self.put_right(hand))

    async def arun(self) -> None:
        """The same for a target that is awaited."""
        hand: Hand = [None]
        try:
            if self._next(hand):
                await self.adeliver(hand)
        finally:
            if hand:
                whole(lambda: self.put_right(hand))

    def deliver(self, hand: Hand) -> None:
        """One attempt."""
        with Attempt(self, hand) as attempt:
            if self.staff.faults is not None:
                attempt.suffer(self.staff.faults)
            attempt.answer = self.target.deliver(attempt.notification, self.staff.post)

    async def adeliver(self, hand: Hand) -> None:
        """One attempt of a target that is awaited."""
        with Attempt(self, hand) as attempt:
            if self.staff.faults is not None:
                attempt.suffer(self.staff.faults)
            attempt.answer = await self.target.deliver(attempt.notification, self.staff.post)

    def put_right(self, hand: Hand) -> None:
        """An interrupt came in between: what is in hand still is delivered again, rather than not, and the line goes on."""
        pending = hand[0] if hand else None
        if pending is not None:
            with self._lock:
                ended = {pending}
                kept = (pending,) if pending in self.pending or not pending.counted else ()
                # commit
                self.resting -= ended
                self.waiting += kept
                hand[0] = None
        self.again(hand)

    def abandon(self) -> None:
        """The broker closes before this turn was begun: what waits is given up."""
        with self._lock:
            self.turns -= self.turns > 0
        self._clear(CLOSED)

    def __str__(self) -> str:
        return f"subscription of {self.name} to topic {self.subscription.topic.name!r}"

    def describe(self) -> str:
        return f"{len(self.pending)} notifications for {self.name}"

    def _next(self, hand: Hand) -> bool:
        """Whether there is something to deliver in this turn, which is then in hand; else it ends, or is postponed."""
        now = self.subscription.topic.clock.now()
        gap = self.subscription.terms.gap
        with self._lock:
            if not self.waiting:
                # commit
                self.turns -= self.turns > 0
                del hand[:]
                return False
            if now >= self.free_at:
                pending = self.waiting[0]
                first_at = now if pending.first_at is None else pending.first_at
                # commit
                self.free_at = now + gap
                del self.waiting[0]
                pending.first_at = first_at
                hand[0] = pending
                return True
            at = self.free_at
        self.staff.runner.put(self, at)
        hand.clear()
        return False

    def again(self, hand: Hand) -> None:
        """After a turn: another one, at the end of the runner's queue, if anything waits."""
        with self._lock:
            if not self.waiting:
                # commit
                self.turns -= self.turns > 0
                del hand[:]
                return
        self._take_turn()
        hand.clear()

    # -- what became of it -------------------------------------------------------------------------------------

    def took(self, hand: Hand, answer: Any) -> None:
        """The target has it."""
        pending = hand[0]
        assert pending is not None
        with self._lock:
            ended = {pending}
            # commit
            self.delivered += pending.counted
            self.pending -= ended
            hand[0] = None
            self._let_in()
        reason = None if answer is None else words_of(answer)[:200]
        self.subscription.tell("delivered", pending.publication, receives=pending.failures + 1, reason=reason)

    def give_back(self, hand: Hand) -> None:
        """The attempt was cut short, and nobody knows how far it came: it is made again."""
        with self._lock:
            pending = hand[0]
            assert pending is not None
            self.waiting.appendleft(pending)
            hand[0] = None

    def refused(self, hand: Hand, error: BaseException) -> None:
        """The attempt failed: another one after the delay of the schedule, or none."""
        pending = hand[0]
        assert pending is not None
        now = self.subscription.topic.clock.now()
        pending.failures += 1
        with self._lock:
            self.failed += 1
        delay = None if isinstance(error, DeliveryRefused) else self._delay(pending, now)
        with self._lock:
            over = delay is None or self._ended(pending)
            if not over:
                self.resting.add(pending)
        if over or delay is None:
            self.give_up(pending, reason_of(error, pending.failures))
            hand[0] = None
            return
        pending.previous = delay
        shown = f"{type(error).__name__}: {words_of(error)}"[:200]
        until = now + delay + self.subscription.topic.clock.epoch
        self.subscription.tell(
            "delivery failed", pending.publication, receives=pending.failures, reason=shown, until=until
        )
        self._keep(pending, now + delay)
        self.staff.runner.put(pending, now + delay)
        hand[0] = None

    def _ended(self, pending: Pending) -> bool:
        """Whether nothing is tried again: but for who is asked whether it wants to come back."""
        return self.closed and pending.kind != "UnsubscribeConfirmation"

    def _keep(self, pending: Pending, due: int) -> None:
        """Where it outlives the process: keep how often it failed, and when the next attempt is due."""

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
            ended = {pending}
            if pending in self.pending:
                # commit
                self.dead_lettered += buried
                self.dropped += not buried
                self.pending -= ended
            self._let_in()

    def _clear(self, failure: Failure) -> None:
        """Give up all that waits in line; also when interrupted, though one may then be given up twice."""
        hand: Hand = []
        whole(lambda: self._give_up_all(failure, hand))

    def _give_up_all(self, failure: Failure, hand: Hand) -> None:
        while True:
            with self._lock:
                if not hand and not self.waiting:
                    return
                if not hand:
                    one = (self.waiting[0],)
                    # commit
                    del self.waiting[0]
                    hand += one
            pending = hand[0]
            if pending is not None and (pending in self.pending or not pending.counted):
                self.give_up(pending, failure)
            hand.clear()

    def close(self, failure: Failure) -> None:
        """Nothing more is tried: what waits, for its turn or for another attempt, is given up now. Also again."""
        with self._lock:
            # commit
            self.closed = True  # an attempt under way that fails is the last one
            self.waiting += sorted(self.resting, key=lambda one: one.publication.id)
            self.resting = set()
        self._clear(failure)
        with self._lock:
            while self._room:
                self._room.popleft().wake()
