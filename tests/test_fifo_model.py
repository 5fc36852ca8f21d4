"""A FIFO queue and its dead-letter queue against a naive list of messages, by random transitions.

The model knows nothing of lines, rings and doors: it has all messages in the order of sending, and what was sent when under
which id. SQS leaves the order between groups open, so the model takes any, and asks that groups take turns: none is served
again before every other that has been available all the while.
"""

from __future__ import annotations

import itertools
from hashlib import sha256
from random import Random

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

from decouple import Broker, Entry, Message, NotInFlight, Queue, ReceiptExpired, Sent
from decouple.clock import Timed
from decouple.testing import Ledger, VirtualClock

SECOND = 10**9
WINDOW = 300 * SECOND
WHOLE_LIFE = 40_000 * SECOND
"""Nearly the 12 hours for which one delivery may be kept; older handles are left alone here."""

GROUPS = st.sampled_from("AAABBCD")
LEASES = st.sampled_from([None, None, None, 0, 1, 30, 100])
MOST = st.sampled_from([1, 1, 1, 2, 3, 5, 10])
# What a send is counted under: its body, one of two ids, or what an earlier one was counted under.
IDENTITIES = st.sampled_from(["body", "body", "body", "d0", "d1", "body again", "hash of a body", "id of a message"])


@attrs.define(eq=False)
class Naive:
    """One message as the model sees it. at: since when it is visible, or until when it is not."""

    id: str
    body: str
    group: str
    identity: str
    sent: int
    state: str
    at: int
    received: int = -1
    count: int = 0
    brought: int = 0


@attrs.define(eq=False)
class Remembered:
    """One send that was enqueued: until its time is over, others with its id are not."""

    identity: str
    group: str
    whole_queue: bool
    at: int
    id: str


@attrs.define(eq=False)
class Held:
    """A handle, and which receive of which message it is from."""

    message: Message
    one: Naive
    count: int


@attrs.define(eq=False)
class NaiveFifo:
    """All messages of one queue in the order of sending."""

    visibility: int = 30 * SECOND
    retention: int = 345_600 * SECOND
    delay: int = 0
    cap: int = 120_000
    most: int | None = None
    on_poison: str | None = None
    scope: str = "queue"
    all: list[Naive] = attrs.field(factory=list)
    memory: list[Remembered] = attrs.field(factory=list)
    duplicates: int = 0
    set_aside: set[str] = attrs.field(factory=set)
    # by group: at which step it was served last, and since which it has been available
    served: dict[str, int] = attrs.field(factory=dict)
    since: dict[str, int] = attrs.field(factory=dict)
    step: int = 0

    def settle(self, now: int) -> None:
        for one in self.all:
            if one.state != "visible" and one.at <= now:
                one.state = "visible"
        self.all = [one for one in self.all if one.sent + self.retention > now]
        self.look()

    def look(self) -> None:
        """Note which groups are available."""
        self.step += 1
        groups = self.groups()
        self.set_aside &= set(groups)
        available = {group for group, line in groups.items() if line[0].state == "visible"} - self.set_aside
        self.since = {group: self.since.get(group, self.step) for group in available}

    def groups(self) -> dict[str, list[Naive]]:
        lines: dict[str, list[Naive]] = {}
        for one in self.all:
            lines.setdefault(one.group, []).append(one)
        return lines

    def having(self, state: str) -> list[Naive]:
        return [one for one in self.all if one.state == state]

    def next_at(self) -> list[int]:
        waiting = [one.at for one in self.all if one.state != "visible"]
        return waiting + [one.sent + self.retention for one in self.all]

    # -- one send counted once ---------------------------------------------------------------------------------

    def firsts_of(self, now: int, identity: str, group: str) -> list[str]:
        """The ids of the sends of which this one is a duplicate; two where the scope was changed in between."""
        recent = [one for one in self.memory if one.identity == identity and now - one.at < WINDOW]
        return [one.id for one in recent if one.whole_queue or one.group == group]

    def remember(self, now: int, identity: str, group: str, id: str) -> None:
        self.memory.append(Remembered(identity, group, self.scope == "queue", now, id))

    # -- what a group gives ------------------------------------------------------------------------------------

    def poisonous(self, one: Naive) -> bool:
        return self.most is not None and one.count - one.brought >= self.most and self.on_poison != "block"

    def gives(self, group: str, room: int) -> tuple[list[Naive], list[Naive], bool]:
        """What of a group a receive with so much room takes, which messages are dead, and whether it is set aside."""
        given: list[Naive] = []
        dying: list[Naive] = []
        for one in self.groups().get(group, []):
            if len(given) == room or one.state != "visible":
                break
            if not self.poisonous(one):
                given.append(one)
            elif self.on_poison == "park":
                return given, dying, True
            else:
                dying.append(one)
        return given, dying, False


class FifoMachine(RuleBasedStateMachine):
    """Every verb of a FIFO queue, in any order."""

    observed = False
    every = 1  # so often all numbers are compared

    def __init__(self) -> None:
        super().__init__()
        self.clock, self.ledger = self.new_clock(), Ledger()
        broker = Broker(clock=self.clock, observers=[self.ledger] if self.observed else [])
        self.dead_queue: Queue = broker.queue("dead.fifo")
        self.queue: Queue = broker.queue(
            "work.fifo", dead_letter=self.dead_queue, max_receives=3, content_based_deduplication=True
        )
        self.work, self.dead = NaiveFifo(most=3), NaiveFifo()
        self.held: list[Held] = []
        self.dead_held: list[Held] = []
        self.attempts: dict[str, tuple[int, list[tuple[Held, int]]]] = {}
        self.bodies: list[str] = []
        self.ids: list[str] = []
        self.steps = 0

    def new_clock(self) -> VirtualClock:
        return VirtualClock()

    @property
    def now(self) -> int:
        return self.clock.now()

    def settle(self) -> None:
        self.work.settle(self.now)
        self.dead.settle(self.now)

    def pick(self, held: list[Held], number: int) -> Held | None:
        """One of the handles so far, current or old, of a message that may be in any state."""
        young = [one for one in held if self.now - one.message.received_at < WHOLE_LIFE]
        return young[number % len(young)] if young else None

    # -- sending -----------------------------------------------------------------------------------------------

    def new_body(self) -> str:
        self.bodies.append(f"m{len(self.bodies)}")
        return self.bodies[-1]

    def wanted(self, identity: str, number: int) -> tuple[str, str | None]:
        """A body and a deduplication id to send it with."""
        if identity == "body again" and self.bodies:
            return self.bodies[number % len(self.bodies)], None
        if identity == "hash of a body" and self.bodies:
            return self.new_body(), digest(self.bodies[number % len(self.bodies)])
        if identity == "id of a message" and self.ids:
            return self.new_body(), self.ids[number % len(self.ids)]
        return self.new_body(), identity if identity in ("d0", "d1") else None

    @initialize(groups=st.lists(GROUPS, max_size=6))
    def begins_with(self, groups: list[str]) -> None:
        for group in groups:
            self.send(group, "body", 0, plain=True)

    @rule(group=GROUPS, identity=IDENTITIES, number=st.integers(0, 30), plain=st.booleans())
    def send(self, group: str, identity: str, number: int, plain: bool) -> None:
        self.settle()
        body, given = self.wanted(identity, number)
        attributes = None if plain else {"n": 1}
        sent = self.queue.send(body, group=group, deduplication_id=given, attributes=attributes)
        self.accept(sent, body, group, given)

    @rule(entries=st.lists(st.tuples(GROUPS, IDENTITIES, st.integers(0, 30)), max_size=5))
    def send_batch(self, entries: list[tuple[str, str, int]]) -> None:
        self.settle()
        bodies = [(group, *self.wanted(identity, number)) for group, identity, number in entries]
        answers = self.queue.send_batch(
            [Entry(body, group=group, deduplication_id=given) for group, body, given in bodies]
        )
        for (group, body, given), sent in zip(bodies, answers, strict=True):
            self.accept(sent, body, group, given)

    def accept(self, sent: Sent, body: str, group: str, given: str | None) -> None:
        identity = given or digest(body)
        if firsts := self.work.firsts_of(self.now, identity, group):
            assert sent.id in firsts, "a duplicate was enqueued, or is answered as another"
            self.work.duplicates += 1
            return
        assert sent.id not in self.ids, "what is no duplicate was taken for one"
        self.ids.append(sent.id)
        state = "delayed" if self.work.delay else "visible"
        self.work.all.append(Naive(sent.id, body, group, identity, self.now, state, self.now + self.work.delay))
        self.work.remember(self.now, identity, group, sent.id)

    # -- receiving ---------------------------------------------------------------------------------------------

    @rule(most=MOST, visibility=LEASES)
    def receive(self, most: int, visibility: int | None) -> None:
        self.settle()
        room = self.work.cap - len(self.work.having("in flight"))
        got = self.queue.receive(max_messages=most, visibility_timeout=visibility)
        self.held += self.follow(got, min(most, room), self.lease(visibility))

    def lease(self, visibility: int | None) -> int:
        return self.work.visibility if visibility is None else visibility * SECOND

    def follow(self, got: list[Message], wanted: int, lease: int) -> list[Held]:
        """Check what a receive gave, and do the same in the model."""
        work, now = self.work, self.now
        aside: set[str] = set()
        dead_now: list[str] = []
        if work.most is not None:
            aside = {group.group for group in self.queue.groups() if group.parked} - work.set_aside
            dead_before = {one.id for one in self.dead.all}
            dead_now = [message.id for message in self.dead_queue.peek(1000) if message.id not in dead_before]
        available = {group: since for group, since in work.since.items() if group not in work.set_aside}
        turns = [group for group, _ in itertools.groupby(got, key=lambda message: message.group)]
        assert len(set(turns)) == len(turns), "more of a group after another group"
        given, dying, parks = [], [], set()
        for group in turns:
            assert group in available, "of a group that is not available"
            for other, since in available.items():
                if other not in turns[: turns.index(group)] and work.gives(other, 1)[0]:
                    assert since >= work.served.get(group, 0) or other == group, f"{group} before {other}'s turn"
            some, dead, parked = work.gives(group, wanted - len(given))
            given += some
            dying += dead
            parks |= {group} if parked else set()
        assert [message.id for message in got] == [one.id for one in given], (
            "not the longest visible prefix of each group"
        )
        for group in available:
            if group not in turns:
                some, dead, parked = work.gives(group, 1)
                assert not some or len(given) >= wanted, "something was left behind"
                looked_at = group in aside or any(one.id in dead_now for one in dead)
                if looked_at or len(given) < wanted:
                    assert not some, "looked at and not given"
                    dying += dead
                    parks |= {group} if parked else set()
        assert aside == parks
        assert sorted(one.id for one in dying) == sorted(dead_now)
        dying.sort(key=lambda one: dead_now.index(one.id))
        for group in {one.group for one in dying}:
            ids = [one.id for one in dying if one.group == group]
            assert ids == [one.id for one in work.all if one.id in ids], "moved in another order than sent"
        for one in dying:
            self.bury(one)
        work.set_aside |= parks
        for one, message in zip(given, got, strict=True):
            one.count += 1
            one.received = now
            one.state, one.at = ("in flight", now + lease) if lease else ("visible", now)
            self.same(one, message)
        work.look()
        for group in turns:
            work.served[group] = work.step
            if group in work.since:
                work.since[group] = work.step
        return [Held(message, one, one.count) for one, message in zip(given, got, strict=True)]

    def same(self, one: Naive, message: Message) -> None:
        """Whether the message has all that it was sent with."""
        assert (message.body, message.group) == (one.body, one.group)
        assert (message.deduplication_id, message.receive_count) == (one.identity, one.count)

    def bury(self, one: Naive) -> None:
        self.work.all.remove(one)
        identity = one.id  # lest two dead letters are taken for one
        self.dead.all.append(
            Naive(one.id, one.body, one.group, identity, self.now, "visible", self.now, -1, one.count, one.count)
        )

    @rule(most=MOST, visibility=LEASES, name=st.sampled_from(["t0", "t1"]))
    def attempt(self, most: int, visibility: int | None, name: str) -> None:
        self.settle()
        lease = self.lease(visibility)
        at, before = self.attempts.get(name, (self.now - WINDOW, []))
        untouched = all(self.current(held) and held.one.at == due for held, due in before)
        room = self.work.cap - len(self.work.having("in flight"))
        got = self.queue.receive(max_messages=most, visibility_timeout=visibility, attempt_id=name)
        if self.now - at < WINDOW and before and untouched:
            assert [message.receipt for message in got] == [held.message.receipt for held, _ in before]
            for held, _ in before:
                held.one.state, held.one.at = ("in flight" if lease else "visible"), self.now + lease
            self.attempts[name] = (at, [(held, self.now + lease) for held, _ in before])
            return
        given = self.follow(got, min(most, room), lease)
        self.held += given
        self.attempts[name] = (self.now, [(held, self.now + lease) for held in given])

    @rule(most=st.integers(1, 3), how=st.sampled_from(["ack", "nack", "leave"]))
    def receive_dead_letters(self, most: int, how: str) -> None:
        self.settle()
        got = self.dead_queue.receive(max_messages=most)
        taken = 0
        for group, messages in itertools.groupby(got, key=lambda message: message.group):
            given, _, _ = self.dead.gives(group, most - taken)
            assert [message.id for message in messages] == [one.id for one in given]
            taken += len(given)
            for one in given:
                one.count += 1
                one.state, one.at = "in flight", self.now + 30 * SECOND
        assert taken == most or not any(self.dead.gives(group, 1)[0] for group in self.dead.groups())
        for message in got:
            [one] = [one for one in self.dead.all if one.id == message.id]
            self.same(one, message)
            assert message.source is self.queue
            if how == "ack":
                message.ack()
                self.dead.all.remove(one)
            elif how == "nack":
                message.nack()
                one.state, one.at = "visible", self.now

    # -- settling ----------------------------------------------------------------------------------------------

    def here(self, held: Held) -> bool:
        return held.one in self.work.all

    def current(self, held: Held) -> bool:
        """Whether the message is in flight by that very receive."""
        return self.here(held) and held.one.state == "in flight" and held.one.count == held.count

    @rule(number=st.integers(0, 50), how=st.sampled_from(["ack", "ack", "delete", "receipt", "block"]))
    def acknowledge(self, number: int, how: str) -> None:
        if (held := self.pick(self.held, number)) is None:
            return
        self.settle()
        message = held.message
        if how == "block" and message.settled:
            with message:
                return
        if self.here(held) and not self.current(held):
            with pytest.raises(ReceiptExpired):
                self.settle_by(message, how)
            return
        self.settle_by(message, how)
        if self.here(held):
            self.work.all.remove(held.one)

    def settle_by(self, message: Message, how: str) -> None:
        if how == "ack":
            message.ack()
        elif how == "block":
            with message:
                pass
        else:
            self.queue.delete(message if how == "delete" else message.receipt)

    @rule(numbers=st.lists(st.integers(0, 50), min_size=1, max_size=4))
    def delete_many(self, numbers: list[int]) -> None:
        """Those whose receipts expired are named; the others are deleted."""
        self.settle()
        chosen = [held for number in numbers if (held := self.pick(self.held, number)) is not None]
        late: list[str] = []
        for held in chosen:
            if self.current(held):
                self.work.all.remove(held.one)
            elif self.here(held):
                late.append(held.message.receipt)
        told: list[str] = []
        try:
            self.queue.delete(*(held.message.receipt for held in chosen))
        except ReceiptExpired as error:
            told += error.receipts
        assert told == late

    @rule(
        number=st.integers(0, 50),
        timeout=st.sampled_from([0, 0, 1, 5, 100]),
        verb=st.sampled_from(["nack", "nack", "extend", "fail"]),
    )
    def change_visibility(self, number: int, timeout: int, verb: str) -> None:
        if (held := self.pick(self.held, number)) is None:
            return
        self.settle()
        message = held.message
        if verb == "fail":
            settled = message.settled
            with pytest.raises(ZeroDivisionError), message:
                raise ZeroDivisionError
            timeout = 0
            if settled or not self.current(held):
                return
        elif not self.current(held):
            with pytest.raises(ReceiptExpired if self.here(held) else NotInFlight):
                getattr(message, verb)(timeout)
            return
        else:
            getattr(message, verb)(timeout)
        held.one.state, held.one.at = ("in flight" if timeout else "visible"), self.now + timeout * SECOND

    @rule(number=st.integers(0, 50))
    def reject(self, number: int) -> None:
        if (held := self.pick(self.held, number)) is None:
            return
        self.settle()
        if not self.current(held):
            with pytest.raises(ReceiptExpired if self.here(held) else NotInFlight):
                held.message.reject("no good")
            return
        held.message.reject("no good")
        self.bury(held.one)

    # -- time --------------------------------------------------------------------------------------------------

    @rule(seconds=st.sampled_from([0, 0.1, 0.1, 1, 5, 29.9, 30, 60, 299.9, 1000, 100_000]))
    def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule(number=st.integers(0, 20), off=st.sampled_from([0, 0, 0, -1, 1]))
    def advance_onto_a_deadline(self, number: int, off: int) -> None:
        self.settle()
        windows = [one.at + WINDOW for one in self.work.memory] + [at + WINDOW for at, _ in self.attempts.values()]
        deadlines = self.work.next_at() + self.dead.next_at() + windows
        if ahead := sorted({at for at in deadlines if at > self.now + 1}):
            self.clock.advance((ahead[number % len(ahead)] + off - self.now) / SECOND)

    # -- the rest ----------------------------------------------------------------------------------------------

    @precondition(lambda self: len(self.work.all) > 5)
    @rule()
    def purge(self) -> None:
        self.settle()
        assert self.queue.purge() == len(self.work.all)
        self.work.all, self.work.memory, self.attempts = [], [], {}

    @rule(seconds=st.sampled_from([0, 3, 30, 200]))
    def configure_visibility(self, seconds: int) -> None:
        self.queue.configure(visibility_timeout=seconds)
        self.work.visibility = seconds * SECOND

    @rule(seconds=st.sampled_from([60, 1_000, 345_600]))
    def configure_retention(self, seconds: int) -> None:
        self.queue.stats()  # what outlived the old retention, and was not settled, would live on under a longer one
        self.queue.configure(retention=seconds)
        self.work.retention = seconds * SECOND

    @rule(seconds=st.sampled_from([0, 0, 7, 60]))
    def configure_delay(self, seconds: int) -> None:
        """On FIFO it holds for what is stored and was not received yet too."""
        self.settle()
        self.queue.configure(delay=seconds)
        self.work.delay = seconds * SECOND
        for one in self.work.all:
            if one.count == 0:
                one.at = one.sent + self.work.delay
                one.state = "delayed" if one.at > self.now else "visible"

    @rule(cap=st.sampled_from([1, 3, 120_000]))
    def configure_max_in_flight(self, cap: int) -> None:
        self.queue.configure(max_in_flight=cap)
        self.work.cap = cap

    @rule(most=st.sampled_from([1, 2, 3]), on_poison=st.sampled_from([None, "dead_letter", "park", "park", "block"]))
    def configure_poison(self, most: int | None, on_poison: str | None) -> None:
        self.queue.configure(max_receives=most, on_poison=on_poison)
        self.work.most, self.work.on_poison = most, on_poison

    @rule(scope=st.sampled_from(["queue", "messageGroup"]))
    def configure_scope(self, scope: str) -> None:
        self.queue.configure(deduplication_scope=scope)
        self.work.scope = scope

    @rule(group=GROUPS)
    def release(self, group: str) -> None:
        self.settle()
        if group not in self.work.set_aside:
            with pytest.raises(ValueError, match="not parked"):
                self.queue.release(group)
            return
        self.queue.release(group)
        self.work.set_aside.remove(group)
        for one in self.work.groups()[group]:
            if one.state == "visible":
                one.brought = one.count

    @rule(even=st.booleans())
    def redrive(self, even: bool) -> None:
        self.settle()

        def chosen(body: str) -> bool:
            return not even or int(body[1:]) % 2 == 0

        going = [one for one in self.dead.having("visible") if chosen(one.body)]
        task = self.dead_queue.redrive(where=lambda message: chosen(message.body))
        assert (task.moved, task.failed) == (len(going), 0)
        arrived = self.queue.peek(1000)[-len(going) :] if going else []
        for one, message in zip(going, arrived, strict=True):
            assert message.id not in self.ids, "a redriven message is a new one"
            self.ids.append(message.id)
            self.dead.all.remove(one)
            new = Naive(message.id, one.body, one.group, one.identity, self.now, "visible", self.now)
            self.same(new, message)
            self.work.all.append(new)
            if not self.work.firsts_of(self.now, new.identity, new.group):
                self.work.remember(self.now, new.identity, new.group, new.id)

    @rule()
    def redrive_what_came_from_nowhere(self) -> None:
        """A redrive of the working queue moves nothing: its messages have no source. Their order stays."""
        assert self.queue.redrive().moved == 0

    @rule(n=st.integers(1, 5))
    def peek(self, n: int) -> None:
        self.settle()
        assert [look.id for look in self.queue.peek(n)] == [one.id for one in self.work.having("visible")[:n]]

    # -- after every step ----------------------------------------------------------------------------------------

    @invariant()
    def time_goes_by(self) -> None:
        self.settle()
        self.steps += 1
        if self.steps % self.every == 0:
            self.the_queue_and_the_list_agree()

    def the_queue_and_the_list_agree(self) -> None:
        for queue, naive in ((self.queue, self.work), (self.dead_queue, self.dead)):
            law, stats = queue.check(), queue.stats()
            counted = {state: len(naive.having(state)) for state in ("visible", "in flight", "delayed")}
            told = {"visible": stats.visible, "in flight": stats.in_flight, "delayed": stats.delayed}
            assert told == counted, f"{queue.name} counts {told}, not {counted}"
            assert (law["moving"], stats.parked, stats.duplicates) == (0, 0, naive.duplicates)
            oldest = min((one.sent for one in naive.all), default=None)
            assert stats.oldest_age == (None if oldest is None else (self.now - oldest) / SECOND)
            looks = [(look.id, look.receive_count, look.body) for look in queue.peek(1000)]
            visible = [(one.id, one.count, one.body) for one in naive.having("visible")]
            assert looks == visible, f"peek shows {looks}, not {visible}"
            self.the_groups_agree(queue, naive)
        if self.observed:
            records = self.ledger.check()
            both = self.work.all + self.dead.all
            for state in ("visible", "in flight", "delayed"):
                assert records[state] == sum(one.state == state for one in both), f"the ledger counts another {state}"
            assert self.ledger.counts["duplicate"] == self.work.duplicates

    def the_groups_agree(self, queue: Queue, naive: NaiveFifo) -> None:
        expected = {}
        for group, line in naive.groups().items():
            states = [one.state for one in line]
            first = line[0]
            parked = first.received if group in naive.set_aside and first.count else None
            since = {"visible": parked, "in flight": first.received, "delayed": first.sent}[first.state]
            expected[group] = (
                states.count("visible"),
                states.count("in flight"),
                group in naive.set_aside,
                None if since is None else first.id,
                None if since is None or naive is self.dead else (self.now - since) / SECOND,
            )
        told = {
            one.group: (
                one.visible,
                one.in_flight,
                one.parked,
                one.blocker,
                None if naive is self.dead else one.blocked_for,
            )
            for one in queue.groups()
        }
        assert told == expected, f"groups() of {queue.name}: {told}, not {expected}"

    def teardown(self) -> None:
        """Nothing was lost, and every group makes progress: all come out, of each group in the order of sending."""
        self.settle()
        self.the_queue_and_the_list_agree()
        self.queue.configure(max_in_flight=120_000, on_poison="block")
        for group in self.work.set_aside:
            self.queue.release(group)
        self.clock.advance(900 if self.work.retention > 900 * SECOND else 0)
        self.settle()
        left = {group: [one.id for one in line] for group, line in self.work.groups().items()}
        given: dict[str, list[str]] = {group: [] for group in left}
        while batch := self.queue.receive(max_messages=3, visibility_timeout=100):
            for message in batch:
                given[message.group or ""].append(message.id)
                message.ack()
        waiting = {one.group for one in self.work.all if one.state != "visible"}
        for group, ids in left.items():
            assert given[group] == ids or (group in waiting and ids[: len(given[group])] == given[group])
        self.queue.check()


class ObservedFifoMachine(FifoMachine):
    """The same with every change recorded."""

    observed = True


class Unattached(VirtualClock):
    """Time that moves and settles nothing: the queue itself must see to what is due, as on a real clock."""

    def attach(self, timed: Timed) -> None:
        """Do not tell the queue."""


class UnattendedFifoMachine(FifoMachine):
    """The same where nobody settles what is due and looks at all numbers only now and then."""

    every = 7

    def new_clock(self) -> VirtualClock:
        return Unattached()


def digest(body: str) -> str:
    return sha256(body.encode()).hexdigest()


@pytest.mark.parametrize(
    "machine",
    [FifoMachine, ObservedFifoMachine, UnattendedFifoMachine],
    ids=["plain", "observed", "unattended"],
)
def test_a_fifo_queue_behaves_as_a_plain_list_of_messages_does(machine: type[FifoMachine]) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=50,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.parametrize("seed", range(6))
def test_so_it_does_over_a_long_calm_day(seed: int) -> None:
    """Send, receive, acknowledge, and little else: what goes by the short paths, which all else closes for a while."""
    random = Random(seed)
    machine = UnattendedFifoMachine()
    machine.every = 41
    machine.queue.configure(max_receives=None)
    machine.work.most = None
    few = seed % 2

    for _ in range(600):
        verb = random.choices(
            ["send", "again", "receive", "ack", "late ack", "nack", "pass"], [9, 1, 9, 9, 0.3, 0.3, 0.4]
        )[0]
        if verb == "send" or verb == "again":
            identity = "body" if verb == "send" else "body again"
            machine.send(random.choice("AB" if few else "ABCDEFGH"), identity, random.randrange(50), plain=True)
        elif verb == "receive":
            machine.receive(random.choice([1, 1, 1, 1, 3]), None)
        elif verb == "pass":
            machine.advance(random.choice([0.5, 5, 30, 40]))
        elif machine.held:
            at = 0 if verb == "late ack" else random.randrange(-min(2, len(machine.held)), 0) % len(machine.held)
            if verb == "nack":
                machine.change_visibility(at, 0, "nack")
            else:
                machine.acknowledge(at, "ack")
            if random.random() < 0.9:
                del machine.held[at]
        machine.time_goes_by()
    machine.teardown()
