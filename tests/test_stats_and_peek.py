"""Looking without touching: stats, peek, purge's count, and the books of one queue."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

import pytest

from decouple import LawBroken, NotInFlight, Queue
from decouple.core.places import Move
from decouple.message import FifoMessage
from decouple.parking import ThreadPark
from decouple.testing import VirtualClock

NOTHING = {
    "visible": 0,
    "in_flight": 0,
    "delayed": 0,
    "moving": 0,
    "oldest_age": None,
    "parked": 0,
    "sent": 0,
    "received": 0,
    "deleted": 0,
    "expired": 0,
    "nacked": 0,
    "given_back": 0,
    "retained_out": 0,
    "purged": 0,
    "rejected": 0,
    "moved_in": 0,
    "moved_out": 0,
    "refused": 0,
    "empty_receives": 0,
    "duplicates": 0,
    "injected": 0,
}


def stats_of(queue: Queue) -> dict[str, Any]:
    stats = queue.stats()._asdict()
    assert stats.pop("survives") == "nothing"
    return stats


def test_a_new_queue_has_nothing_but_zeros(queue: Queue) -> None:
    assert stats_of(queue) == NOTHING


def test_the_stats_count_where_messages_are_and_what_happened(queue: Queue, clock: VirtualClock) -> None:
    """SQS: visible, not visible and delayed are three separate counts."""
    queue.send_batch(["acked", "nacked", "expired", "rejected", "in flight"])
    queue.send("delayed", delay=500)
    acked, nacked, _, rejected = queue.receive(max_messages=4)
    acked.ack()
    nacked.nack()
    rejected.reject("no")
    clock.advance(30)
    queue.send("fresh")
    queue.receive(visibility_timeout=100)

    assert stats_of(queue) == NOTHING | {
        "visible": 3,
        "in_flight": 1,
        "delayed": 1,
        "oldest_age": 30.0,
        "sent": 7,
        "received": 5,
        "deleted": 1,
        "expired": 1,
        "nacked": 1,
        "rejected": 1,
    }


@pytest.mark.parametrize("most", [1, 10])
@pytest.mark.parametrize("wait", [0, 20])
def test_an_empty_receive_counts_once(queue: Queue, most: int, wait: int) -> None:
    """SQS, NumberOfEmptyReceives: ReceiveMessage calls that returned nothing."""
    for _ in range(3):
        assert queue.receive(max_messages=most, wait=wait) == []

    assert queue.stats().empty_receives == 3


@pytest.mark.parametrize("most", [1, 10])
def test_a_long_poll_that_got_a_message_is_no_empty_receive(queue: Queue, most: int) -> None:
    """SQS, NumberOfEmptyReceives: ReceiveMessage calls that returned nothing."""
    queue.send("x", delay=3)

    assert len(queue.receive(max_messages=most, wait=20)) == 1
    assert queue.stats().empty_receives == 0


@pytest.mark.parametrize("state", ["fresh", "in flight", "in flight for long", "visible again", "delayed"])
def test_the_oldest_age_is_since_the_send_of_the_oldest_message_in_any_state(
    queue: Queue, clock: VirtualClock, state: str
) -> None:
    """CloudWatch, ApproximateAgeOfOldestMessage: the age of the oldest undeleted message, in seconds."""
    clock.advance(10)
    queue.send("x", delay=500 if state == "delayed" else None)
    if state in ("in flight", "visible again"):
        queue.receive()
    elif state == "in flight for long":
        queue.receive(visibility_timeout=500)
    if state == "visible again":
        clock.advance(30)
    clock.advance(12.5)
    queue.send("younger")

    assert queue.stats().oldest_age == (42.5 if state == "visible again" else 12.5)


def test_the_stats_see_what_is_due_by_now(queue: Queue, clock: VirtualClock) -> None:
    queue.send("x")
    queue.receive()

    clock.advance(30)

    assert (queue.stats().visible, queue.stats().expired) == (1, 1)


def test_many_leases_that_end_at_once_are_all_counted(queue: Queue, clock: VirtualClock) -> None:
    queue.send_batch(["x"] * 1_000)
    queue.receive(max_messages=1_000)

    clock.advance(30)

    assert (queue.stats().visible, queue.stats().expired) == (1_000, 1_000)
    assert len(queue.receive(max_messages=1_000)) == 1_000


# -- peek ------------------------------------------------------------------------------------------------------


def test_a_peek_shows_the_next_messages_and_changes_nothing(queue: Queue, clock: VirtualClock) -> None:
    queue.send_batch([str(number) for number in range(12)])
    queue.receive()
    clock.advance(30)
    before = queue.stats()

    looks = queue.peek()

    assert [look.body for look in looks] == [str(number) for number in range(1, 11)]
    assert [look.body for look in queue.peek(100)] == [*(str(number) for number in range(1, 12)), "0"]
    assert (queue.stats(), queue.peek(1)[0].id) == (before, looks[0].id)


def test_a_peek_shows_the_messages_in_the_order_they_would_be_received(queue: Queue, clock: VirtualClock) -> None:
    queue.send("delayed", delay=5)
    queue.send("expires")
    queue.receive()
    clock.advance(20)
    queue.send("sent at 20")
    clock.advance(20)
    queue.send("sent at 40")

    shown = [look.body for look in queue.peek()]

    assert shown == [message.body for message in queue.receive(max_messages=10)]


def test_a_peek_shows_how_often_and_when_a_message_was_received(queue: Queue, clock: VirtualClock) -> None:
    queue.send("received", attributes={"n": 1})
    queue.send("not received")
    [message] = queue.receive(visibility_timeout=0)

    not_received, received = sorted(queue.peek(), key=lambda look: look.receive_count)

    assert (not_received.receive_count, not_received.first_received_at) == (0, None)
    assert (received.receive_count, received.first_received_at) == (1, message.first_received_at)
    assert (received.id, received.attributes) == (message.id, {"n": 1})


def test_a_peek_shows_neither_what_is_in_flight_nor_what_is_delayed(queue: Queue) -> None:
    queue.send_batch(["one", "two"])
    queue.send("later", delay=5)
    queue.receive()

    assert [look.body for look in queue.peek()] == ["two"]


SETTLE: dict[str, Callable[[Queue, Any], object]] = {
    "ack": lambda queue, look: look.ack(),
    "nack": lambda queue, look: look.nack(),
    "extend": lambda queue, look: look.extend(5),
    "reject": lambda queue, look: look.reject("no"),
    "delete": lambda queue, look: queue.delete(look),
    "change_visibility": lambda queue, look: queue.change_visibility(look, 5),
}


@pytest.mark.parametrize("state", ["fresh", "again", "in flight since"])
@pytest.mark.parametrize("settle", SETTLE.values(), ids=SETTLE.keys())
def test_a_message_only_looked_at_cannot_be_settled(
    queue: Queue, settle: Callable[[Queue, Any], object], state: str
) -> None:
    """Also not when somebody else has received it meanwhile."""
    queue.send("x")
    if state == "again":
        queue.receive(visibility_timeout=0)
    [look] = queue.peek()
    if state == "in flight since":
        queue.receive()
    before = queue.stats()

    with pytest.raises(NotInFlight, match="only looked at") as caught:
        settle(queue, look)

    assert caught.value.id == look.id
    assert queue.stats() == before


def test_a_with_block_around_a_message_only_looked_at_is_an_error_at_its_end(queue: Queue) -> None:
    queue.send("x")
    [look] = queue.peek()

    with pytest.raises(NotInFlight, match="only looked at"), look:
        pass

    assert queue.stats().visible == 1


@pytest.mark.parametrize("n", [-1, True, 1.0, "1", None])
def test_a_peek_at_what_is_no_number_of_messages_is_refused(queue: Queue, n: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="n must be"):
        queue.peek(n)


# -- purge -----------------------------------------------------------------------------------------------------


def test_a_purge_removes_visible_in_flight_and_delayed_messages(queue: Queue, clock: VirtualClock) -> None:
    """SQS: PurgeQueue removes visible, in-flight and delayed messages; those sent later survive."""
    queue.send_batch(["visible", "in flight", "in flight for long", "visible again"])
    queue.send("delayed", delay=5)
    queue.receive()
    queue.receive(visibility_timeout=500)
    queue.receive(visibility_timeout=0)

    assert queue.purge() == 5

    queue.send("after")
    clock.advance(1_000)
    assert [message.body for message in queue.receive(max_messages=10)] == ["after"]
    assert (queue.stats().purged, queue.stats().expired) == (5, 0)


def test_a_purge_of_an_empty_queue_removes_nothing(queue: Queue) -> None:
    assert queue.purge() == 0


# -- check -----------------------------------------------------------------------------------------------------


def test_a_check_answers_with_the_numbers_of_the_law(queue: Queue, clock: VirtualClock) -> None:
    queue.send_batch(["acked", "in flight", "visible"])
    queue.receive()[0].ack()
    queue.receive()

    numbers = queue.check()

    assert numbers["accepted"] == 3
    assert (numbers["deleted"], numbers["in_flight"], numbers["visible"]) == (1, 1, 1)
    assert sum(numbers.values()) == 2 * numbers["accepted"]


def lose(queue: Queue) -> None:
    queue._core.leased.popitem()


def double_fresh(queue: Queue) -> None:
    queue._core.fresh.append(queue._core.fresh[0])


def two_places(queue: Queue) -> None:
    queue._core.odd[4] = queue._core.leased[4]


def misfiled(queue: Queue) -> None:
    queue._core.leased[99] = queue._core.leased[4]


def out_of_order(queue: Queue) -> None:
    leased = queue._core.leased
    first = next(iter(leased))
    leased[first] = leased.pop(first)


def beyond_the_lane(queue: Queue) -> None:
    queue._core.lane_end = 0


def overslept(queue: Queue) -> None:
    queue._core.due = 1 << 60


def moving_and_here(queue: Queue) -> None:
    queue._core.moving[4] = Move(queue._core.leased[4], None, None)


def forgotten(queue: Queue) -> None:
    queue._core.deadlines._heap.clear()


@pytest.mark.parametrize(
    ("tamper", "words"),
    [
        (lose, "what came is not what went"),
        (double_fresh, "a record is twice in fresh"),
        (two_places, "message 4 is in leased and in odd"),
        (misfiled, "message 4 is filed as 99 in leased"),
        (out_of_order, "the deadlines in the lane are out of order"),
        (beyond_the_lane, "later than the lane's end"),
        (overslept, "is later than the next deadline"),
        (moving_and_here, "message 4 is moving and in leased"),
        (forgotten, "message 2 in odd has no deadline in the heap"),
        (forgotten, "message 3 in again has no retention in the heap"),
        (forgotten, "message 1 in delayed has no deadline in the heap"),
    ],
)
def test_a_check_finds_every_invariant_that_does_not_hold(
    clock: VirtualClock, tamper: Callable[[Queue], None], words: str
) -> None:
    queue = Queue("tampered", clock=clock)
    queue.send("delayed", delay=20)
    queue.send_batch(["odd", "again", "leased", "leased too", "fresh"])
    clock.advance(1)
    queue.receive(visibility_timeout=500)
    queue.receive(visibility_timeout=0)
    queue.receive()
    clock.advance(1)
    queue.receive(visibility_timeout=30)
    queue.check()

    tamper(queue)

    with pytest.raises(LawBroken, match=words):
        queue.check()


def test_a_receive_that_is_parked_in_vain_is_found_by_the_audit(queue: Queue) -> None:
    """`check` itself serves the line first, so only the engine's own audit can see it."""
    queue.send("here")
    queue._core.parked.append(ThreadPark("orders", 1, 30, 1 << 60))

    _, faults = queue._core.audit(0)

    assert faults == ["1 receives are parked while 1 messages are visible"]
    queue._core.parked.clear()


def test_a_message_only_looked_at_is_refused_where_its_block_begins(queue: Queue) -> None:
    """At its end the refusal would stand in place of the block's own error."""
    queue.send("here")
    [look] = queue.peek()

    with pytest.raises(NotInFlight, match="only looked at"), look:
        pytest.fail("the block must not begin")
    assert queue.stats().visible == 1


def test_groups_shows_what_is_delayed_in_flight_and_visible_of_each(clock: VirtualClock) -> None:
    queue = Queue("orders.fifo", delay=5, clock=clock)
    for number, group in enumerate(["a", "a", "a", "b"]):
        queue.send(f"{group}{number}", group=group, deduplication_id=f"{number}")
    clock.advance(5)
    [first, second] = queue.receive(max_messages=2)
    second.extend(100)
    queue.send("late", group="late", deduplication_id="late")

    groups = {group.group: group for group in queue.groups()}

    assert (groups["a"].visible, groups["a"].in_flight, groups["a"].blocker) == (1, 2, first.id)
    assert (groups["b"].visible, groups["b"].in_flight, groups["b"].blocker) == (1, 0, None)
    assert (groups["late"].visible, groups["late"].in_flight, groups["late"].blocked_for) == (0, 0, 0)
    assert groups["late"].blocker is not None
    queue.check()


def test_looking_at_groups_makes_nothing_larger(clock: VirtualClock) -> None:
    queue = Queue("orders.fifo", clock=clock)
    for number in range(10):
        queue.send("x", group=f"g{number}", deduplication_id=f"{number}")
    core: Any = queue._core

    assert len(queue.groups()) == 10

    assert all(isinstance(group, int) for group in core.groups.values())


def test_an_attempt_that_can_be_repeated_keeps_no_message_alive(clock: VirtualClock) -> None:
    queue = Queue("orders.fifo", clock=clock)
    queue.send("x", group="g", deduplication_id="1")
    [message] = queue.receive(attempt_id="again")

    message.ack()
    queue.stats()
    del message
    gc.collect()

    assert [one for one in gc.get_objects() if type(one) is FifoMessage and one.owner is queue] == []
