"""A queue and its dead-letter queue against a naive list of messages, by random transitions.

The model knows nothing of lanes, heaps and doors: a message has a state, an instant and a count. Where SQS leaves the order
open (messages that became visible at the same instant), the model accepts any and follows what the queue did.
"""

from __future__ import annotations

import attrs
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from decouple import Broker, Entry, Message, NotInFlight, Queue, TooManyInFlight
from decouple.testing import Ledger, VirtualClock

SECOND = 10**9
WHOLE_LIFE = 40_000 * SECOND
"""Nearly the 12 hours for which one delivery may be kept; older handles are left alone here."""


@attrs.define(eq=False)
class Naive:
    """One message as the model sees it. at: since when it is visible, or until when it is not."""

    body: str
    sent: int
    state: str
    at: int
    count: int = 0
    received: int = -1
    source: bool = False
    id: str = ""
    attributes: dict[str, int] = attrs.field(factory=dict)


@attrs.define(eq=False)
class NaiveQueue:
    """All messages of one queue in a list."""

    visibility: int = 30 * SECOND
    retention: int = 345_600 * SECOND
    delay: int = 0
    cap: int = 120_000
    most: int | None = None
    all: list[Naive] = attrs.field(factory=list)

    def settle(self, now: int) -> None:
        for one in self.all:
            if one.state != "visible" and one.at <= now:
                one.state = "visible"
        self.all = [one for one in self.all if one.sent + self.retention > now]

    def having(self, state: str) -> list[Naive]:
        return [one for one in self.all if one.state == state]

    def find(self, body: str) -> Naive | None:
        return next((one for one in self.all if one.body == body), None)

    def next_at(self) -> list[int]:
        waiting = [one.at for one in self.all if one.state != "visible"]
        return waiting + [one.sent + self.retention for one in self.all]


class QueueMachine(RuleBasedStateMachine):
    """Every verb of a queue, in any order."""

    observed = False

    def __init__(self) -> None:
        super().__init__()
        self.clock, self.ledger = VirtualClock(), Ledger()
        broker = Broker(clock=self.clock, observers=[self.ledger] if self.observed else [])
        self.dead_queue: Queue = broker.queue("dead")
        self.queue: Queue = broker.queue("work", dead_letter=self.dead_queue, max_receives=3)
        self.work, self.dead = NaiveQueue(most=3), NaiveQueue()
        self.handles: list[Message] = []
        self.dead_handles: list[Message] = []
        self.sent = 0

    @property
    def now(self) -> int:
        return self.clock.now()

    def settle(self) -> None:
        self.work.settle(self.now)
        self.dead.settle(self.now)

    def body(self) -> str:
        self.sent += 1
        return f"m{self.sent}"

    def handle(self, number: int) -> Message | None:
        """One of the handles so far, current or old, of a message that may be in any state."""
        handles = [one for one in self.handles if self.now - one.received_at < WHOLE_LIFE]
        return handles[number % len(handles)] if handles else None

    # -- sending -----------------------------------------------------------------------------------------------

    @initialize(count=st.integers(0, 5))
    def begins_with(self, count: int) -> None:
        for _ in range(count):
            self.send(None, False)

    @rule(delay=st.sampled_from([None, None, None, 0, 1, 7, 30, 900]), attributes=st.booleans())
    def send(self, delay: int | None, attributes: bool) -> None:
        body, given = self.body(), {"n": self.sent} if attributes else {}
        self.queue.send(body, delay=delay, attributes=given or None)
        self.accept(body, delay, given)

    @rule(entries=st.lists(st.sampled_from([None, None, None, 0, 5]), max_size=6), plain=st.booleans())
    def send_batch(self, entries: list[int | None], plain: bool) -> None:
        bodies = [self.body() for _ in entries]
        delays = [None if plain else delay for delay in entries]
        answers = self.queue.send_batch(
            [body if delay is None else Entry(body, delay=delay) for body, delay in zip(bodies, delays, strict=True)]
        )
        assert len({answer.id for answer in answers}) == len(bodies)
        for body, delay in zip(bodies, delays, strict=True):
            self.accept(body, delay, {})

    def accept(self, body: str, delay: int | None, attributes: dict[str, int]) -> None:
        wait = self.work.delay if delay is None else delay * SECOND
        state = "delayed" if wait else "visible"
        self.work.all.append(Naive(body, self.now, state, self.now + wait, attributes=attributes))

    # -- receiving ---------------------------------------------------------------------------------------------

    @rule(most=st.sampled_from([1, 1, 1, 2, 3, 10]), visibility=st.sampled_from([None, None, None, 0, 1, 30, 100]))
    def receive(self, most: int, visibility: int | None) -> None:
        self.settle()
        room = self.work.cap - len(self.work.having("in flight"))
        try:
            got = self.queue.receive(max_messages=most, visibility_timeout=visibility)
        except TooManyInFlight:
            assert room <= 0
            return
        assert room > 0
        self.follow(got, min(most, room), self.work.visibility if visibility is None else visibility * SECOND)
        self.handles += got

    def follow(self, got: list[Message], wanted: int, lease: int) -> None:
        """Check what a receive gave, and do the same in the model."""
        visible = sorted(self.work.having("visible"), key=lambda one: one.at)
        dying = [one for one in visible if self.work.most is not None and one.count >= self.work.most]
        living = [one for one in visible if one not in dying]
        names = [message.body for message in got]
        assert len(set(names)) == len(names), "one message twice in one receive"
        given = [one for name in names for one in living if one.body == name]
        assert [one.body for one in given] == names, "not visible, or dead"
        assert [one.at for one in given] == [one.at for one in living[: len(given)]], "not the oldest visible first"
        assert len(given) == min(wanted, len(living))

        dead_now = {message.body for message in self.dead_queue.peek(1000)} if dying else set()
        last = given[-1].at if len(given) == wanted else None
        for one in dying:
            moved = one.body in dead_now or one.sent + self.dead.retention <= self.now
            if last is None or one.at < last:
                assert moved, "too often received and not moved"
            elif one.at > last:
                assert not moved, "moved before its turn"
            if moved:
                self.bury(one)
        for one, message in zip(given, got, strict=True):
            one.count += 1
            one.id = message.id
            one.received = self.now
            one.at = self.now + lease
            one.state = "in flight" if lease else "visible"
            assert message.receive_count == one.count
            assert message.attributes == one.attributes

    def bury(self, one: Naive) -> None:
        self.work.all.remove(one)
        one.state, one.at, one.source = "visible", self.now, True
        self.dead.all.append(one)
        self.dead.settle(self.now)

    @rule(most=st.integers(1, 3), ack=st.booleans())
    def receive_dead_letters(self, most: int, ack: bool) -> None:
        self.settle()
        visible = sorted(self.dead.having("visible"), key=lambda one: one.at)
        got = self.dead_queue.receive(max_messages=most)
        given = [one for message in got for one in visible if one.body == message.body]
        assert len(given) == len(got) == min(most, len(visible))
        assert [one.at for one in given] == [one.at for one in visible[: len(given)]]
        for one, message in zip(given, got, strict=True):
            one.count += 1
            one.id = message.id
            one.state, one.at = "in flight", self.now + 30 * SECOND
            assert (message.receive_count, message.source) == (one.count, self.queue)
            if ack:
                message.ack()
                self.dead.all.remove(one)

    # -- settling ----------------------------------------------------------------------------------------------

    @rule(number=st.integers(0, 50), how=st.sampled_from(["ack", "ack", "delete", "receipt", "block"]))
    def acknowledge(self, number: int, how: str) -> None:
        if (message := self.handle(number)) is None:
            return
        self.settle()
        one, settled = self.work.find(message.body), message.settled
        if how == "ack":
            message.ack()
        elif how == "block":
            with message:
                pass
        else:
            self.queue.delete(message if how == "delete" else message.receipt)
        if one is not None and self.same(message, one) and not (how == "block" and settled):
            self.work.all.remove(one)

    def same(self, message: Message, one: Naive) -> bool:
        """Whether a handle stands for that message, and not for the one that redrive made of it."""
        return message.id == one.id

    @rule(
        number=st.integers(0, 50), timeout=st.sampled_from([0, 0, 1, 5, 100]), verb=st.sampled_from(["nack", "extend"])
    )
    def change_visibility(self, number: int, timeout: int, verb: str) -> None:
        if (message := self.handle(number)) is None:
            return
        self.settle()
        one = self.work.find(message.body)
        if one is None or not self.same(message, one):
            with pytest.raises(NotInFlight):
                getattr(message, verb)(timeout)
            return
        getattr(message, verb)(timeout)
        if timeout:
            one.state, one.at = "in flight", self.now + timeout * SECOND
        elif one.state == "in flight":
            one.state, one.at = "visible", self.now

    @rule(number=st.integers(0, 50))
    def reject(self, number: int) -> None:
        if (message := self.handle(number)) is None:
            return
        self.settle()
        one = self.work.find(message.body)
        if one is None or not self.same(message, one):
            with pytest.raises(NotInFlight):
                message.reject("no good")
            return
        message.reject("no good")
        self.bury(one)

    # -- time --------------------------------------------------------------------------------------------------

    @rule(seconds=st.sampled_from([0, 0.1, 0.1, 1, 5, 29.9, 30, 60, 1000, 100_000]))
    def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule(number=st.integers(0, 20), off=st.sampled_from([0, 0, 0, -1, 1]))
    def advance_onto_a_deadline(self, number: int, off: int) -> None:
        self.settle()
        ahead = sorted({at for at in self.work.next_at() + self.dead.next_at() if at > self.now + 1})
        if ahead:
            self.clock.advance((ahead[number % len(ahead)] + off - self.now) / SECOND)

    @rule()
    def advance_to_next(self) -> None:
        self.settle()
        ahead, before = self.work.next_at() + self.dead.next_at(), self.now

        moved = self.clock.advance_to_next()

        if ahead:
            assert self.now == min(ahead)
            assert moved == (self.now - before) / SECOND
        else:
            assert moved is None

    # -- the rest ----------------------------------------------------------------------------------------------

    @precondition(lambda self: len(self.work.all) > 3)
    @rule()
    def purge(self) -> None:
        self.settle()
        assert self.queue.purge() == len(self.work.all)
        self.work.all = []

    @rule(seconds=st.sampled_from([0, 3, 30, 200]))
    def configure_visibility(self, seconds: int) -> None:
        self.queue.configure(visibility_timeout=seconds)
        self.work.visibility = seconds * SECOND

    @rule(seconds=st.sampled_from([60, 1_000, 345_600]))
    def configure_retention(self, seconds: int) -> None:
        self.queue.configure(retention=seconds)
        self.work.retention = seconds * SECOND

    @rule(seconds=st.sampled_from([0, 0, 7]))
    def configure_delay(self, seconds: int) -> None:
        self.queue.configure(delay=seconds)
        self.work.delay = seconds * SECOND

    @rule(cap=st.sampled_from([1, 3, 120_000]))
    def configure_max_in_flight(self, cap: int) -> None:
        self.queue.configure(max_in_flight=cap)
        self.work.cap = cap

    @rule(most=st.sampled_from([None, 1, 2, 5]))
    def configure_max_receives(self, most: int | None) -> None:
        self.queue.configure(max_receives=most)
        self.work.most = most

    @rule(even=st.booleans())
    def redrive(self, even: bool) -> None:
        self.settle()

        def chosen(body: str) -> bool:
            return not even or int(body[1:]) % 2 == 0

        going = [one for one in self.dead.having("visible") if chosen(one.body)]
        task = self.dead_queue.redrive(where=lambda message: chosen(message.body))
        assert (task.moved, task.failed) == (len(going), 0)
        for one in going:
            self.dead.all.remove(one)
            self.work.all.append(Naive(one.body, self.now, "visible", self.now, attributes=one.attributes))

    @rule()
    def redrive_what_came_from_nowhere(self) -> None:
        """A redrive of the working queue moves nothing: its messages have no source. Their order stays."""
        assert self.queue.redrive().moved == 0

    @rule(n=st.integers(1, 5))
    def peek(self, n: int) -> None:
        self.settle()
        visible = sorted(self.work.having("visible"), key=lambda one: one.at)
        looks = self.queue.peek(n)
        seen = [one for look in looks for one in visible if one.body == look.body]
        assert [one.at for one in seen] == [one.at for one in visible[:n]]
        assert [look.receive_count for look in looks] == [one.count for one in seen]

    # -- after every step ----------------------------------------------------------------------------------------

    @invariant()
    def the_queue_and_the_list_agree(self) -> None:
        self.settle()
        for queue, naive in ((self.queue, self.work), (self.dead_queue, self.dead)):
            law, stats = queue.check(), queue.stats()
            counted = {state: len(naive.having(state)) for state in ("visible", "in flight", "delayed")}
            assert counted == {"visible": stats.visible, "in flight": stats.in_flight, "delayed": stats.delayed}
            assert (law["moving"], stats.parked) == (0, 0)
            oldest = min((one.sent for one in naive.all), default=None)
            assert stats.oldest_age == (None if oldest is None else (self.now - oldest) / SECOND)
            looks = {look.body: look.receive_count for look in queue.peek(1000)}
            assert looks == {one.body: one.count for one in naive.having("visible")}
        if self.observed:
            told = self.ledger.check()
            both = self.work.all + self.dead.all
            for state in ("visible", "in flight", "delayed"):
                assert told[state] == sum(one.state == state for one in both), f"the ledger counts another {state}"


class ObservedQueueMachine(QueueMachine):
    """The same with every change recorded."""

    observed = True


@pytest.mark.parametrize("machine", [QueueMachine, ObservedQueueMachine], ids=["plain", "observed"])
def test_a_queue_behaves_as_a_plain_list_of_messages_does(machine: type[QueueMachine]) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=80,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
