"""The priority heap of deadlines against a sorted list, and the bound on what it keeps of the past."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sortedcontainers import SortedList

from decouple import Entry, Queue
from decouple.core.deadlines import Deadlines
from decouple.testing import VirtualClock

instants = st.integers(min_value=0, max_value=30)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("push"), instants),
        st.tuples(st.just("end"), st.integers(min_value=0, max_value=1000)),
        st.tuples(st.just("pop"), st.just(0)),
        st.tuples(st.just("prune"), st.just(0)),
    ),
    max_size=400,
)


class Book:
    """The deadlines that still mean something, as a sorted list, beside the heap that should hold them."""

    def __init__(self) -> None:
        self.live: SortedList[tuple[int, int]] = SortedList()
        self.heap = Deadlines(lambda at, key: (at, key) in self.live)
        self.next_key = 0

    def push(self, at: int) -> None:
        self.next_key += 1
        self.live.add((at, self.next_key))
        self.heap.push(at, self.next_key, live=len(self.live))

    def soonest(self) -> tuple[int, int] | None:
        """The soonest live entry, the stale ones before it dropped, as the queue does."""
        while (entry := self.heap.first()) is not None:
            if entry in self.live:
                return entry
            self.heap.drop(entry)
        return None


@settings(max_examples=150, deadline=None)
@given(steps)
def test_the_soonest_live_deadline_is_that_of_a_sorted_list(steps: list[tuple[str, int]]) -> None:
    book = Book()

    for step, number in steps:
        if step == "push":
            book.push(number)
        elif step == "end" and book.live:
            del book.live[number % len(book.live)]
        elif step == "pop" and (entry := book.soonest()) is not None:
            book.live.remove(entry)
            book.heap.drop(entry)
        elif step == "prune":
            book.heap.prune()
        assert book.soonest() == (book.live[0] if book.live else None)
        assert set(book.live) <= book.heap.entries()

    drained = []
    while (entry := book.soonest()) is not None:
        drained.append(entry)
        book.live.remove(entry)
        book.heap.drop(entry)
    assert drained == sorted(drained)
    assert len(book.live) == 0


@settings(max_examples=50, deadline=None)
@given(st.lists(instants, max_size=200), st.lists(st.integers(min_value=0, max_value=10**6), max_size=200))
def test_prune_keeps_the_live_entries_and_nothing_else(starts: list[int], ends: list[int]) -> None:
    book = Book()
    for at in starts:
        book.push(at)
    for number in ends:
        if book.live:
            del book.live[number % len(book.live)]

    book.heap.prune()
    book.heap.prune()

    assert book.heap.entries() == set(book.live)
    assert len(book.heap) == len(book.live)


@settings(max_examples=60, deadline=None)
@given(st.integers(min_value=0, max_value=40), st.randoms(use_true_random=False))
def test_stale_entries_never_exceed_the_live_ones_plus_a_constant(standing: int, random: object) -> None:
    """Each message is replaced by the next, so one entry in `standing` + 1 is live; the others must not pile up."""
    book = Book()
    for at in range(standing):
        book.push(1_000_000 + at)

    most = 0
    for at in range(1_500):
        book.push(at)
        book.live.remove((at, book.next_key))
        most = max(most, len(book.heap) - len(book.live))

    # The heap set aside shrinks by eight entries at each push of one.
    assert most <= 1.25 * (standing + 64) + 16


def test_no_single_push_carries_more_than_a_few_entries() -> None:
    """A rebuild in one go would stall one call: the cost of pruning is spread over the pushes."""
    asked = 0

    def live(at: int, key: int) -> bool:
        nonlocal asked
        asked += 1
        return key % 2 == 0

    heap, most = Deadlines(live), 0
    for key in range(20_000):
        asked = 0
        heap.push(key, key, live=key // 8)
        most = max(most, asked)

    assert 0 < most <= 8


def test_dropping_an_entry_that_is_not_the_soonest_changes_nothing() -> None:
    heap = Deadlines(lambda at, key: True)
    heap.push(2, 1, live=1)
    later = heap.first()
    heap.push(1, 2, live=2)
    assert later is not None

    heap.drop(later)

    assert heap.entries() == {(1, 2), (2, 1)}


# -- the same bound, seen from a queue --------------------------------------------------------------------------


def test_a_message_given_back_a_thousand_times_leaves_no_trail(queue: Queue) -> None:
    queue.send("x")

    for _ in range(1_000):
        [message] = queue.receive()
        message.nack()

    assert len(queue._core.deadlines) <= 200


def test_a_message_extended_a_thousand_times_leaves_no_trail(queue: Queue, clock: VirtualClock) -> None:
    queue.send("x")
    [message] = queue.receive()

    for _ in range(1_000):
        clock.advance(1)
        message.extend(30)

    assert len(queue._core.deadlines) <= 200


def test_a_message_extended_a_thousand_times_at_one_instant_leaves_no_trail(queue: Queue) -> None:
    queue.send("x")
    [message] = queue.receive()

    for _ in range(1_000):
        message.extend(30)

    assert len(queue._core.deadlines) <= 200


def test_a_message_that_expires_a_thousand_times_leaves_no_trail(queue: Queue, clock: VirtualClock) -> None:
    queue.send("x")

    for seconds in range(1_000):
        assert len(queue.receive(visibility_timeout=5 + seconds % 3)) == 1
        clock.advance(10)

    assert len(queue._core.deadlines) <= 200


def test_messages_received_for_12_hours_and_deleted_leave_no_trail(queue: Queue) -> None:
    for number in range(3_000):
        queue.send(f"m{number}")
        [message] = queue.receive(visibility_timeout=43_200 - number)
        message.ack()

    assert len(queue._core.deadlines) <= 200


def test_delayed_messages_purged_leave_no_trail(queue: Queue) -> None:
    for round_ in range(20):
        for number in range(100):
            queue.send(f"m{number}", delay=900 - round_)
        queue.purge()

    assert len(queue._core.deadlines) <= 500


@pytest.mark.parametrize("at_once", [1, 10])
def test_a_fair_queue_keeps_no_deadline_of_messages_long_gone(clock: VirtualClock, at_once: int) -> None:
    """A message with a group waits with its retention in the heap, and leaves it there when it is acknowledged."""
    queue = Queue("jobs", clock=clock)

    for number in range(5_000 // at_once):
        queue.send_batch([Entry("x", group=f"tenant-{number % 7}")] * at_once)
        queue.delete(*queue.receive(max_messages=at_once))

    assert len(queue._core.deadlines) <= 200
