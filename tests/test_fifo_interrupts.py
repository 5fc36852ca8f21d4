"""Ctrl-C and thread switches everywhere in a FIFO queue: nothing is lost, doubled or out of order, and no group stands still.

The points are those of test_interrupts.py. After each, all that is there is received and acknowledged, group by group, and
every group is used once more: so a group that lost its turn, or has a stranger in its line, is found.
"""

from __future__ import annotations

import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any

import attrs
import pytest
from test_interrupts import LONG, Once, Seat, Tracer, at_each_point, interrupt, points_of, unlocked

import decouple
from decouple import Broker, Entry, Message, MoveTaskRunning, NotInFlight, Queue, QueueClosed, ReceiptExpired
from decouple.testing import Ledger, VirtualClock

GROUPS = ("one", "two", "three", "four", "new")
EITHER = pytest.mark.parametrize("observed", [False, True], ids=["plain", "observed"])


@attrs.define(eq=False)
class World:
    """A FIFO queue and its dead-letter queue with messages in every state, and what must come out of them."""

    clock: VirtualClock
    queue: Queue
    dead: Queue
    ledger: Ledger
    held: list[Message] = attrs.field(factory=list)
    sure: set[str] = attrs.field(factory=set)
    maybe: set[str] = attrs.field(factory=set)
    original: dict[str, int] = attrs.field(factory=dict)
    got: list[list[Message]] = attrs.field(factory=list)

    def send(self, group: str, *bodies: str) -> None:
        """Messages that must come out, in this order."""
        for body in bodies:
            sent = self.queue.send(body, group=group)
            self.original[sent.id] = len(self.original)
            self.sure.add(body)

    def names(self, count: int) -> list[str]:
        """Bodies that may come out of it from now on."""
        names = [f"new {number}" for number in range(len(self.maybe), len(self.maybe) + count)]
        self.maybe.update(names)
        return names

    def give_up(self, *bodies: str) -> None:
        """These may be gone from now on."""
        self.sure -= set(bodies)
        self.maybe |= set(bodies)


def empty_world(observed: bool, **settings: object) -> World:
    clock, ledger = VirtualClock(), Once()
    broker = Broker(clock=clock, observers=[ledger] if observed else [])
    dead = broker.queue("dead.fifo", content_based_deduplication=True)
    given = {"dead_letter": dead, "max_receives": 3, "content_based_deduplication": True, **settings}
    return World(clock, broker.queue("work.fifo", **given), dead, ledger)  # type: ignore[arg-type]


def calm_world(observed: bool) -> World:
    """Heads in flight of a line (a) and of a single message (d), and fresh messages: the short paths are open."""
    world = empty_world(observed)
    world.send("one", "a", "b", "c")
    world.send("two", "d")
    world.held = [*world.queue.receive(), *world.queue.receive()]
    world.send("three", "e", "f")
    world.send("four", "g")
    assert observed or not world.queue._core.touched
    return world


def busy_world(observed: bool) -> World:
    """a and b of group one in flight, c behind; d of group two received too often, e behind; f to h fresh; two dead letters."""
    world = empty_world(observed)
    world.send("four", "x", "y")
    for message in world.queue.receive(max_messages=2):
        message.reject("no good")
    world.send("one", "a", "b")
    world.held = world.queue.receive(max_messages=2)
    world.send("two", "d")
    for _ in range(3):
        world.queue.receive()[0].nack()
    world.send("two", "e")
    world.send("one", "c")
    world.send("three", "f", "g")
    world.send("four", "h")
    return world


def parked_world(observed: bool) -> World:
    """Group one is set aside: its first message, a, was received too often."""
    world = empty_world(observed, on_poison="park", dead_letter=None, max_receives=1)
    world.send("one", "a", "b")
    world.queue.receive()[0].nack()
    assert world.queue.receive() == []
    world.send("two", "c", "d")
    world.send("three", "e")
    world.held = world.queue.receive()
    return world


# -- what must hold afterwards -----------------------------------------------------------------------------------


def drained(world: World) -> Iterator[Message]:
    """Every message there is, from both queues, each acknowledged."""
    world.clock.advance(LONG)
    for group in world.queue.groups():
        if group.parked:
            world.queue.release(group.group)
    world.queue.configure(max_receives=None, on_poison=None, delay=0)
    for queue in (world.queue, world.dead):
        while batch := queue.receive(max_messages=3, visibility_timeout=100):
            for message in batch:
                yield message
                message.ack()


def check_world(world: World, where: str) -> None:
    assert unlocked(world.queue, world.dead), f"a lock is held after {where}"
    try:
        world.queue.check()
        world.dead.check()
        messages = list(drained(world))
        numbers = world.queue.check(), world.dead.check()
        world.ledger.check()
    except decouple.LawBroken as error:
        raise AssertionError(f"after {where}: {error}") from error
    bodies = [message.body for message in messages]
    assert sorted(bodies) == sorted(set(bodies)), f"doubled after {where}"
    assert world.sure <= set(bodies) <= world.sure | world.maybe, f"lost or made up after {where}: {bodies}"
    for law in numbers:
        assert (law["moving"], law["visible"], law["in_flight"], law["delayed"]) == (0, 0, 0, 0), f"left after {where}"
    check_order(world, messages, where)
    for group in GROUPS:
        world.queue.send(f"last of {group}", group=group)
    last = {message.body for message in world.queue.receive(max_messages=10)}
    assert last == {f"last of {group}" for group in GROUPS}, f"a group stands still after {where}"


def check_order(world: World, messages: list[Message], where: str) -> None:
    """Within a group of a queue the sequence numbers rise, and what never left it is in the order it was sent in."""
    for queue in (world.queue, world.dead):
        for group in GROUPS:
            line = [message for message in messages if message.owner is queue and message.group == group]
            sequences = [message.sequence for message in line]
            assert sequences == sorted(sequences), f"out of order after {where}"
            if queue is world.queue:
                sent = [world.original[message.id] for message in line if message.id in world.original]
                assert sent == sorted(sent), f"out of the order of sending after {where}"


# -- what is interrupted -----------------------------------------------------------------------------------------


def sends(world: World) -> None:
    """To a group of one, and to one that waits; the second time each is a duplicate."""
    one, two = world.names(2)
    for _ in range(2):
        world.queue.send(one, group="two")
        world.queue.send(two, group="one")


def sends_to_a_new_group(world: World) -> None:
    [name] = world.names(1)
    world.queue.send(name, group="new")
    world.queue.send(name, group="newer")


def sends_with_attributes(world: World) -> None:
    [name] = world.names(1)
    world.queue.send(name, group="three", attributes={"kind": "x"}, deduplication_id="given")


def sends_a_batch(world: World) -> None:
    names = world.names(3)
    world.queue.send_batch([Entry(name, group=group) for name, group in zip(names, GROUPS[1:], strict=False)])


def receives(world: World) -> None:
    world.got.append(world.queue.receive())
    world.got.append(world.queue.receive())


def receives_ten(world: World) -> None:
    world.got.append(world.queue.receive(max_messages=10))


def receives_with_a_visibility_of_its_own(world: World) -> None:
    world.got.append(world.queue.receive(max_messages=10, visibility_timeout=7))


def receives_with_a_visibility_of_0(world: World) -> None:
    world.queue.receive(max_messages=10, visibility_timeout=0)


def receives_by_attempt(world: World) -> None:
    world.queue.receive(max_messages=2, attempt_id="try")
    world.queue.receive(max_messages=2, attempt_id="try")


def acks(world: World) -> None:
    """Of a line, then of a single message, or the second of two first."""
    world.give_up(*(message.body for message in world.held))
    for message in reversed(world.held):
        message.ack()


def acks_what_it_received(world: World) -> None:
    for message in world.queue.receive(max_messages=3):
        world.give_up(message.body)
        message.ack()


def deletes_together(world: World) -> None:
    world.give_up(*(message.body for message in world.held))
    world.queue.delete(*(message.receipt for message in world.held))


def nacks(world: World) -> None:
    for number, message in enumerate(world.held):
        message.nack(5 * number)


def extends(world: World) -> None:
    world.held[0].extend(100)


def rejects(world: World) -> None:
    world.give_up(*(message.body for message in world.held))  # they are gone where there is no dead-letter queue
    world.held[0].reject("no good")


def fails_in_a_block(world: World) -> None:
    with pytest.raises(ZeroDivisionError), world.held[0]:
        raise ZeroDivisionError


def expires(world: World) -> None:
    world.clock.advance(31)
    world.queue.receive(max_messages=10)


def moves_dead_letters(world: World) -> None:
    """d is received too often in the busy world: the receive that meets it moves it, and takes e."""
    world.queue.receive()


def redrives(world: World) -> None:
    with suppress(MoveTaskRunning):  # where the other is at it already
        world.dead.redrive()


def redrives_from_nowhere(world: World) -> None:
    world.queue.redrive()


def releases(world: World) -> None:
    with suppress(ValueError):
        world.queue.release("one")


def configures(world: World) -> None:
    world.queue.configure(
        retention=100_000, visibility_timeout=50, max_in_flight=100, deduplication_scope="messageGroup"
    )


def configures_a_delay(world: World) -> None:
    world.queue.configure(delay=3)
    world.clock.advance(1)
    world.queue.configure(delay=0)


def purges(world: World) -> None:
    world.give_up(*world.sure)
    world.queue.purge()


def looks(world: World) -> None:
    world.queue.groups()
    world.queue.stats()
    world.queue.peek(3)
    world.queue.check()


def time_passes(world: World) -> None:
    world.clock.advance(11)
    world.queue.stats()


def outlives_retention(world: World) -> None:
    world.give_up(*world.sure)
    world.clock.advance(345_600)


OPERATIONS = [
    sends,
    sends_to_a_new_group,
    sends_with_attributes,
    sends_a_batch,
    receives,
    receives_ten,
    receives_with_a_visibility_of_its_own,
    receives_with_a_visibility_of_0,
    receives_by_attempt,
    acks,
    acks_what_it_received,
    deletes_together,
    nacks,
    extends,
    rejects,
    fails_in_a_block,
    expires,
    moves_dead_letters,
    redrives,
    redrives_from_nowhere,
    releases,
    configures,
    configures_a_delay,
    purges,
    looks,
    outlives_retention,
]


WITH_A_GROUP_SET_ASIDE = [sends, receives_ten, acks_what_it_received, releases, redrives_from_nowhere, purges, looks]
CASES = [
    *((operation, make) for operation in OPERATIONS for make in (calm_world, busy_world)),
    *((operation, parked_world) for operation in WITH_A_GROUP_SET_ASIDE),
]


@pytest.mark.parametrize(("operation", "make"), CASES, ids=lambda one: one.__name__)
def test_an_interrupt_at_any_point_loses_nothing_and_stops_no_group(
    operation: Callable[[World], None], make: Callable[[bool], World]
) -> None:
    at_each_point(partial(make, False), operation, check_world, most=12)  # type: ignore[arg-type]


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.__name__)
def test_nor_does_it_where_every_change_is_recorded(operation: Callable[[World], None]) -> None:
    at_each_point(partial(busy_world, True), operation, check_world, most=12)  # type: ignore[arg-type]


@EITHER
def test_a_send_asked_for_again_after_an_interrupt_is_enqueued_once(observed: bool) -> None:
    """Queue: a message and the memory of its id are committed together."""

    def again(world: World, where: str) -> None:
        operation(world)
        bodies = Counter(message.body for message in drained(world))
        assert {name: bodies[name] for name in world.maybe} == dict.fromkeys(world.maybe, 1), f"after {where}"

    def operation(world: World) -> None:
        world.maybe = {"first", "second", "third"}
        world.queue.send("first", group="new")
        world.queue.send("second", group="two")
        world.queue.send_batch([Entry("third", group="two"), Entry("first", group="one")])

    at_each_point(partial(calm_world, observed), operation, again, most=12)  # type: ignore[arg-type]
    at_each_point(partial(busy_world, observed), operation, again, most=12)  # type: ignore[arg-type]


@EITHER
def test_an_interrupted_batch_is_accepted_whole_or_not_at_all(observed: bool) -> None:
    def whole(world: World, where: str) -> None:
        found = [message.body for message in drained(world) if message.body in world.maybe]
        assert len(found) in (0, 3), f"only {found} after {where}"

    at_each_point(partial(calm_world, observed), sends_a_batch, whole)  # type: ignore[arg-type]


@EITHER
@pytest.mark.parametrize("opens", ["ack", "nack", "delete", "expiry", "release", "send"])
def test_who_waits_is_served_by_the_next_operation_at_the_latest(opens: str, observed: bool) -> None:
    """A receive is parked while all groups wait; whatever opens one is interrupted, and any later call serves it."""
    seats: list[Seat] = []

    def one_waits() -> World:
        if opens == "release":
            world = parked_world(observed)
            world.queue.receive(max_messages=10)
        else:
            world = empty_world(observed)
            world.send("one", "a", "b")
            world.held = world.queue.receive()
        seats[:] = [Seat("work.fifo")]
        world.queue._lobby.enter(seats[0])
        assert not seats[0].done
        return world

    def act(world: World) -> object:
        return {
            "ack": lambda: world.held[0].ack(),
            "nack": lambda: world.held[0].nack(),
            "delete": lambda: world.queue.delete(world.held[0].receipt),
            "expiry": lambda: world.clock.advance(30),
            "release": lambda: world.queue.release("one"),
            "send": lambda: world.queue.send("new", group="two"),
        }[opens]()

    def served(world: World, where: str) -> None:
        with suppress(NotInFlight, ReceiptExpired, ValueError):
            act(world)  # whoever was interrupted asks again
        world.queue.stats()
        assert seats[0].done, f"not served after {where}"
        assert seats[0].woken, f"not woken after {where}"
        world.queue.check()

    at_each_point(one_waits, act, served)  # type: ignore[arg-type]


# -- the same points, with another thread's operation in between -----------------------------------------------


def somebody_parks(world: World) -> None:
    world.queue._lobby.enter(Seat("work.fifo", most=2))


BETWEEN = [
    *(one for one in OPERATIONS if one not in (fails_in_a_block, outlives_retention)),
    somebody_parks,
    time_passes,
]
MEANWHILE = (NotInFlight, ReceiptExpired, QueueClosed)


def untraced(operation: Callable[[World], None], world: World) -> None:
    trace = sys.gettrace()
    sys.settrace(None)
    try:
        with suppress(*MEANWHILE):
            operation(world)
    finally:
        sys.settrace(trace)


def free(world: World) -> bool:
    return unlocked(world.queue, world.dead) and not world.ledger._lock.locked()


@pytest.mark.parametrize(
    ("make", "observed"), [(calm_world, False), (busy_world, True)], ids=["calm", "busy, observed"]
)
@pytest.mark.parametrize(
    "operation",
    [sends, sends_a_batch, receives, receives_ten, acks, acks_what_it_received, deletes_together, nacks, redrives],
    ids=lambda operation: operation.__name__,
)
def test_whatever_another_thread_does_in_between_loses_nothing_and_stops_no_group(
    operation: Callable[[World], None], make: Callable[[bool], World], observed: bool
) -> None:
    points = points_of(partial(make, observed), operation, interrupt, only=free, most=4)  # type: ignore[arg-type]
    for number, other in enumerate(BETWEEN):
        for at in points[number % 4 :: 4]:
            this = make(observed)
            tracer = Tracer(at, partial(untraced, other, this), only=partial(free, this))
            with suppress(*MEANWHILE):
                tracer.run(partial(operation, this))
            for park in list(this.queue._core.parked):
                this.queue._lobby.abandon(park)
            check_world(this, f"{other.__name__} at {tracer.where}")


def sends_to(group: str, world: World) -> None:
    world.queue.send(*world.names(1), group=group)


def sends_everywhere(world: World) -> None:
    for group in GROUPS:
        sends_to(group, world)


def receives_one(world: World) -> None:
    world.got.append(world.queue.receive())


def acks_one(at: int, world: World) -> None:
    world.give_up(world.held[at].body)
    world.held[at].ack()


def receives_and_acks_one(world: World) -> None:
    for message in world.queue.receive():
        world.give_up(message.body)
        message.ack()


def expires_and_is_received_again(world: World) -> None:
    world.clock.advance(31)
    receives_one(world)


SHORT = {
    "send to a line": partial(sends_to, "three"),
    "send to a group of one": partial(sends_to, "four"),
    "send behind one in flight": partial(sends_to, "two"),
    "send to a line in flight": partial(sends_to, "one"),
    "send to a new group": partial(sends_to, "new"),
    "receive": receives_one,
    "ack of a line": partial(acks_one, 0),
    "ack of a single message": partial(acks_one, 1),
}
OTHERS = [
    sends_everywhere,
    sends_to_a_new_group,
    sends_a_batch,
    receives_one,
    receives_ten,
    receives_and_acks_one,
    acks,
    nacks,
    rejects,
    deletes_together,
    expires,
    expires_and_is_received_again,
    redrives_from_nowhere,
    configures,
    configures_a_delay,
    purges,
    somebody_parks,
]


@pytest.mark.parametrize("operation", SHORT.values(), ids=SHORT)
def test_the_short_paths_notice_whatever_another_thread_did_in_between(operation: Callable[[World], None]) -> None:
    """They take no lock, so they look again just before they commit: at each of their points, all is tried."""
    make = partial(calm_world, False)
    for at in points_of(make, operation, interrupt, only=free, most=100):  # type: ignore[arg-type]
        for other in OTHERS:
            this = make()
            tracer = Tracer(at, partial(untraced, other, this), only=partial(free, this))
            with suppress(*MEANWHILE):
                tracer.run(partial(operation, this))
            for park in list(this.queue._core.parked):
                this.queue._lobby.abandon(park)
            check_world(this, f"{other.__name__} at {tracer.where}")


def without_the_lock(world: World, act: Callable[[], object]) -> None:
    """What the short paths do while another thread holds the lock: where they are closed, nothing."""
    queue: Any = world.queue
    queue.delete = queue._send = lambda *_: [None]
    try:
        act()
    finally:
        del queue.delete, queue._send


def short_sends(world: World) -> None:
    def act() -> None:
        for group in GROUPS:
            [name] = world.names(1)
            if world.queue.send(name, group=group) is None:
                world.maybe.remove(name)
                world.maybe.add(f"{name} not sent")

    without_the_lock(world, act)


def short_receives(world: World) -> None:
    for _ in range(3):
        message = world.queue._take_one()
        if message is not None:
            world.held.append(message)


def short_receives_and_acks(world: World) -> None:
    def act() -> None:
        for message in world.held:
            message.ack()
            if message.settled:
                world.give_up(message.body)

    without_the_lock(world, act)
    short_receives(world)
    without_the_lock(world, act)


UNDER_THE_LOCK = [
    sends_with_attributes,
    sends_a_batch,
    receives_ten,
    receives_with_a_visibility_of_its_own,
    receives_by_attempt,
    deletes_together,
    nacks,
    extends,
    rejects,
    expires,
    moves_dead_letters,
    redrives,
    redrives_from_nowhere,
    configures,
    configures_a_delay,
    purges,
    looks,
]


@pytest.mark.parametrize("make", [calm_world, busy_world])
@pytest.mark.parametrize("operation", UNDER_THE_LOCK, ids=lambda operation: operation.__name__)
def test_the_short_paths_are_closed_where_they_would_meet_who_holds_the_lock(
    operation: Callable[[World], None], make: Callable[[bool], World]
) -> None:
    world = partial(make, False)
    for other in (short_sends, short_receives, short_receives_and_acks):
        for at in points_of(world, operation, interrupt, most=20):  # type: ignore[arg-type]
            this = world()
            tracer = Tracer(at, partial(untraced, other, this))
            with suppress(*MEANWHILE):
                tracer.run(partial(operation, this))
            check_world(this, f"{other.__name__} at {tracer.where}")


@EITHER
@pytest.mark.parametrize("other", [receives, receives_ten, receives_with_a_visibility_of_its_own])
@pytest.mark.parametrize("one", [receives, receives_ten, receives_with_a_visibility_of_its_own])
def test_two_receives_at_once_never_share_a_group(
    one: Callable[[World], None], other: Callable[[World], None], observed: bool
) -> None:
    """A group whose first message is in flight gives nothing to another, whoever takes it first."""
    make = partial(calm_world, observed)
    for at in points_of(make, one, interrupt, only=free):  # type: ignore[arg-type]
        this = make()
        tracer = Tracer(at, partial(untraced, other, this), only=partial(free, this))
        tracer.run(partial(one, this))
        groups = [{message.group for message in batch} for batch in this.got]
        assert sum(map(len, groups)) == len(set().union(*groups)), f"{groups} at {tracer.where}"
        firsts = {batch_group(batch, group)[0] for batch in this.got for group in {one.group for one in batch}}
        assert firsts <= {"e", "g"}, f"{firsts} at {tracer.where}"


def batch_group(batch: list[Message], group: str | None) -> list[str]:
    return [message.body for message in batch if message.group == group]


# -- real threads -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("observed", [False, True], ids=["plain", "observed"])
@pytest.mark.parametrize("most", [1, 3])
def test_threads_that_send_and_receive_keep_the_order_of_each_group(most: int, observed: bool) -> None:
    """Four producers of five groups each, four consumers that fail now and then: all come in order, and none is lost."""
    ledger = Ledger()
    broker = Broker(observers=[ledger] if observed else [])
    queue = broker.queue("work.fifo", deduplication_scope="messageGroup")
    each, groups = 40, [[f"{producer}.{number}" for number in range(5)] for producer in range(4)]
    done: dict[str, list[int]] = {group: [] for names in groups for group in names}
    errors: list[BaseException] = []
    expected = each * len(done)
    usual = sys.getswitchinterval()

    def produce(names: list[str]) -> None:
        for number in range(each):
            for group in names:
                for _ in range(1 + (number % 7 == 0)):  # some twice
                    queue.send(str(number), group=group, deduplication_id=str(number))

    def consume(seed: int) -> None:
        turn = seed
        while sum(map(len, done.values())) < expected:
            batch = queue.receive(max_messages=most, wait=0.05)
            for at, message in enumerate(batch):
                turn += 1
                if turn % 11 == 0:
                    for one in reversed(batch[at:]):
                        one.nack()
                    break
                done[message.group or ""].append(int(message.body))
                message.ack()
            if turn % 50 == 0:
                queue.check()

    def guarded(work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:  # raised again in the test's own thread
            errors.append(error)

    works = [partial(produce, names) for names in groups] + [partial(consume, seed) for seed in range(4)]
    threads = [threading.Thread(target=guarded, args=(work,), daemon=True) for work in works]
    sys.setswitchinterval(1e-5)
    try:
        for thread in threads:
            thread.start()
        until = time.monotonic() + 30
        for thread in threads:
            thread.join(max(0, until - time.monotonic()))
    finally:
        sys.setswitchinterval(usual)

    assert errors == []
    assert not any(thread.is_alive() for thread in threads), f"{sum(map(len, done.values()))} of {expected}"
    assert done == {group: list(range(each)) for group in done}
    law = queue.check()
    assert (law["accepted"], law["deleted"]) == (expected, expected)
    if observed:
        ledger.check()
