"""Long polls in threads: who waits is served in the order of arrival, at the instant its message is there.

Threads of the tests below never own the virtual clock: only the test's own thread does, so its `advance` is what wakes them.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

import pytest

from decouple import Broker, ClockStuck, Message, Queue, QueueClosed
from decouple.core.changes import Change
from decouple.testing import Ledger, VirtualClock

T = TypeVar("T")

needs_signals = pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="needs signals to one thread")


def started(function: Callable[..., T], *args: Any, **options: Any) -> Future[T]:
    """The outcome of a call made in a thread of its own, which no failing test has to wait for."""
    outcome: Future[T] = Future()

    def run() -> None:
        try:
            outcome.set_result(function(*args, **options))
        except BaseException as error:  # the test looks at it
            outcome.set_exception(error)

    threading.Thread(target=run, daemon=True, name=str(options.pop("thread", "waiter"))).start()
    return outcome


def until(condition: Callable[[], bool], seconds: float = 5) -> None:
    """Look again and again, for at most so many real seconds."""
    end, pause = time.monotonic() + seconds, threading.Event()
    while not condition():
        assert time.monotonic() < end, "it did not come true"
        pause.wait(0.001)


def parked(queue: Queue, count: int = 1) -> None:
    """Come back when so many receives are parked and blocked."""
    until(lambda: len(queue._core.parked) == count)
    # In line is not yet asleep: a parked thread first looks once more, which takes the lock and reads the clock.
    threading.Event().wait(0.02)


def bodies(outcome: Future[list[Message]], seconds: float = 5) -> list[str]:
    return [message.body for message in outcome.result(seconds)]


# -- on the virtual clock --------------------------------------------------------------------------------------


def test_parked_receives_are_served_in_the_order_they_came(queue: Queue) -> None:
    waits = []
    for number in range(3):
        waits.append(started(queue.receive, wait=20))
        parked(queue, number + 1)

    queue.send("first")
    queue.send("second")
    assert bodies(waits[0]) == ["first"]
    assert bodies(waits[1]) == ["second"]
    assert not waits[2].done()

    queue.send("third")
    assert bodies(waits[2]) == ["third"]


def test_a_newcomer_does_not_overtake_those_who_wait(queue: Queue) -> None:
    first = started(queue.receive, wait=20)
    parked(queue)

    queue.send("one")
    assert queue.receive() == []
    assert bodies(first) == ["one"]


def test_a_batch_goes_to_those_who_wait_as_far_as_each_asked(queue: Queue) -> None:
    two = started(queue.receive, wait=20, max_messages=2)
    parked(queue)
    ten = started(queue.receive, wait=20, max_messages=10)
    parked(queue, 2)

    queue.send_batch(["a", "b", "c"])

    assert bodies(two) == ["a", "b"]
    assert bodies(ten) == ["c"]


def test_an_expiring_lease_wakes_the_parked_receive_at_that_instant(queue: Queue, clock: VirtualClock) -> None:
    queue.send("x")
    queue.receive()
    wait = started(queue.receive, wait=60)
    parked(queue)

    clock.advance(29.999_999_999)
    assert not wait.done()
    clock.advance(0.000_000_001)

    [message] = wait.result(5)
    assert message.receive_count == 2


def test_every_wake_happens_at_its_own_instant_within_one_long_advance(
    broker: Broker, ledger: Ledger, clock: VirtualClock
) -> None:
    """The lease taken at 30 s counts from there, not from where the advance ends."""
    queue = broker.queue("orders")
    queue.send("x")
    queue.receive()
    wait = started(queue.receive, wait=100)
    parked(queue)

    clock.advance(45)

    [message] = wait.result(5)
    received = [change.at - clock.epoch for change in ledger.history(message.id) if change.cause == "received"]
    assert received == [0, 30 * 10**9]
    clock.advance(15)
    assert queue.stats().visible == 1


def test_a_nack_wakes_the_parked_receive(queue: Queue) -> None:
    queue.send("x")
    [message] = queue.receive()
    wait = started(queue.receive, wait=60)
    parked(queue)

    message.nack()

    assert bodies(wait) == ["x"]


def test_a_nack_with_a_delay_wakes_the_parked_receive_when_it_ends(queue: Queue, clock: VirtualClock) -> None:
    queue.send("x")
    [message] = queue.receive()
    wait = started(queue.receive, wait=60)
    parked(queue)

    message.nack(5)
    clock.advance(4.999)
    assert not wait.done()
    clock.advance(0.001)

    assert bodies(wait) == ["x"]


def test_a_changed_visibility_moves_the_instant_of_the_wake(queue: Queue, clock: VirtualClock) -> None:
    queue.send("x")
    [message] = queue.receive()
    wait = started(queue.receive, wait=60)
    parked(queue)

    message.extend(40)
    clock.advance(39)
    assert not wait.done()
    queue.change_visibility(message, 0)

    assert bodies(wait) == ["x"]


def test_a_failing_block_wakes_the_parked_receive(queue: Queue) -> None:
    queue.send("x")
    [message] = queue.receive()
    wait = started(queue.receive, wait=60)
    parked(queue)

    with pytest.raises(ValueError, match="bad"), message:
        raise ValueError("bad")

    assert bodies(wait) == ["x"]


def test_a_delay_that_ends_wakes_the_parked_receive_at_that_instant(queue: Queue, clock: VirtualClock) -> None:
    queue.send("later", delay=10)
    wait = started(queue.receive, wait=60)
    parked(queue)

    clock.advance(9.999)
    assert not wait.done()
    clock.advance(0.001)

    assert bodies(wait) == ["later"]


def test_a_delayed_message_sent_while_others_are_parked_reaches_the_first_of_them(
    queue: Queue, clock: VirtualClock
) -> None:
    first = started(queue.receive, wait=60)
    parked(queue)
    second = started(queue.receive, wait=60)
    parked(queue, 2)

    queue.send("later", delay=10)
    clock.advance(9.999)
    assert not first.done()
    clock.advance(0.001)

    assert bodies(first) == ["later"]
    assert not second.done()
    queue.close()


def full(queue: Queue) -> tuple[Message, Future[list[Message]]]:
    """A queue that may have one message in flight, and has; another is visible, and a receive is parked for it."""
    queue.configure(max_in_flight=1)
    queue.send_batch(["held", "next"])
    [held] = queue.receive()
    wait = started(queue.receive, wait=20)
    parked(queue)
    return held, wait


def test_raising_max_in_flight_wakes_the_parked_receive(queue: Queue) -> None:
    _, wait = full(queue)

    queue.configure(max_in_flight=2)

    assert bodies(wait) == ["next"]


@pytest.mark.parametrize(
    "settle",
    [
        lambda queue, held: held.ack(),
        lambda queue, held: queue.delete(held),
        lambda queue, held: queue.delete(held.receipt),
        lambda queue, held: held.reject("no good"),
    ],
    ids=["ack", "delete", "delete by receipt", "reject"],
)
def test_room_made_by_settling_wakes_the_parked_receive(
    queue: Queue, settle: Callable[[Queue, Message], object]
) -> None:
    """A receive never waits while a deliverable message exists."""
    held, wait = full(queue)

    settle(queue, held)

    assert bodies(wait) == ["next"]


def test_room_made_by_settling_is_seen_when_nothing_is_recorded_and_when_everything_is(broker: Broker) -> None:
    queue = broker.queue("orders")
    held, wait = full(queue)

    held.ack()

    assert bodies(wait) == ["next"]


def test_a_wait_ends_empty_at_its_deadline(queue: Queue, clock: VirtualClock) -> None:
    wait = started(queue.receive, wait=20)
    parked(queue)

    clock.advance(19.999)
    assert not wait.done()
    clock.advance(0.001)

    assert wait.result(5) == []
    assert queue.stats().parked == 0


def test_a_message_at_the_very_end_of_a_wait_is_received(queue: Queue, clock: VirtualClock) -> None:
    queue.send("x", delay=20)
    wait = started(queue.receive, wait=20)
    parked(queue)

    clock.advance(20)

    assert bodies(wait) == ["x"]


def test_the_first_to_leave_does_not_keep_the_others_from_their_deadlines(queue: Queue, clock: VirtualClock) -> None:
    queue.send("x")
    queue.receive()
    long = started(queue.receive, wait=100)
    parked(queue)
    short = started(queue.receive, wait=5)
    parked(queue, 2)

    clock.advance(5)
    assert short.result(5) == []
    clock.advance(25)

    assert bodies(long) == ["x"]


def test_close_ends_every_wait_with_queue_closed(queue: Queue) -> None:
    waits = []
    for number in range(3):
        waits.append(started(queue.receive, wait=20))
        parked(queue, number + 1)

    queue.close()

    assert [type(wait.exception(5)) for wait in waits] == [QueueClosed] * 3
    assert queue.stats().parked == 0


def test_the_broker_s_close_ends_every_wait(broker: Broker) -> None:
    queue = broker.queue("orders")
    wait = started(queue.receive, wait=20)
    parked(queue)

    broker.close()

    with pytest.raises(QueueClosed):
        wait.result(5)


def test_messages_yields_every_message_until_the_queue_is_closed(queue: Queue) -> None:
    seen = threading.Semaphore(0)

    def all_of_them() -> list[str]:
        texts = []
        for message in queue.messages(wait=20):
            texts.append(message.body)
            message.ack()
            seen.release()
        return texts

    reader = started(all_of_them)
    for text in ("a", "b", "c"):
        queue.send(text)
        assert seen.acquire(timeout=5)
    parked(queue)
    queue.close()

    assert reader.result(5) == ["a", "b", "c"]


# -- the thread that owns the clock jumps -----------------------------------------------------------------------


def test_the_owner_s_wait_jumps_to_its_message(queue: Queue, clock: VirtualClock) -> None:
    start = clock.time
    queue.send("later", delay=10)

    [message] = queue.receive(wait=20)

    assert message.body == "later"
    assert (clock.time - start).total_seconds() == 10


def test_the_owner_s_wait_jumps_to_its_end_when_nothing_comes(queue: Queue, clock: VirtualClock) -> None:
    start = clock.time

    assert queue.receive(wait=20) == []

    assert (clock.time - start).total_seconds() == 20
    assert queue.stats().parked == 0


def test_the_owner_s_wait_lets_other_queues_have_their_due_work_in_order_of_time(clock: VirtualClock) -> None:
    seen: list[tuple[str, str, float]] = []

    def observe(change: Change) -> None:
        if change.cause in ("expired", "delay ended"):
            seen.append((change.queue, change.cause, (change.at - clock.epoch) / 10**9))

    broker = Broker(clock=clock, observers=[observe])
    a, b, mine = broker.queue("a", visibility_timeout=7), broker.queue("b"), broker.queue("mine")
    a.send("x")
    a.receive()
    b.send("y", delay=3)
    b.send("z", delay=12)
    mine.send("m", delay=10)

    [message] = mine.receive(wait=60)

    assert message.body == "m"
    assert seen == [("b", "delay ended", 3), ("a", "expired", 7), ("mine", "delay ended", 10)]


def test_a_message_sent_by_due_work_ends_the_owner_s_wait_at_that_instant(clock: VirtualClock) -> None:
    def forward(change: Change) -> None:
        if change.queue == "a" and change.cause == "delay ended":
            mine.send("because of a")

    broker = Broker(clock=clock, observers=[forward])
    a, mine = broker.queue("a"), broker.queue("mine")
    a.send("x", delay=4)
    start = clock.time

    [message] = mine.receive(wait=60)

    assert message.body == "because of a"
    assert (clock.time - start).total_seconds() == 4


def test_adopt_makes_another_thread_the_one_that_jumps(queue: Queue, clock: VirtualClock) -> None:
    start = clock.time

    def adopt_and_wait() -> list[Message]:
        clock.adopt()
        return queue.receive(wait=20)

    assert started(adopt_and_wait).result(5) == []
    assert (clock.time - start).total_seconds() == 20


@pytest.mark.slow
def test_the_former_owner_no_longer_jumps(queue: Queue, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("decouple.clock.STUCK_AFTER", 0.05)
    started(clock.adopt).result(5)
    start = clock.time

    with pytest.raises(ClockStuck):
        queue.receive(wait=20)

    assert clock.time == start


@pytest.mark.slow
def test_an_owner_who_waits_while_another_thread_moves_the_clock_still_jumps(
    clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The owner's synchronous wait jumps: it may have to let the other thread's advance end first."""
    monkeypatch.setattr("decouple.clock.STUCK_AFTER", 0.5)
    moving, go_on = threading.Event(), threading.Event()

    def slow(change: Change) -> None:
        if change.cause == "delay ended":
            moving.set()
            assert go_on.wait(5)

    broker = Broker(clock=clock, observers=[slow])
    busy, mine = broker.queue("busy"), Queue("mine", clock=clock)
    busy.send("x", delay=1)
    other = started(clock.advance, 2)
    assert moving.wait(5)
    threading.Timer(0.1, go_on.set).start()
    start = clock.time

    assert mine.receive(wait=20) == []

    other.result(5)
    assert (clock.time - start).total_seconds() >= 19


# -- moving the clock ------------------------------------------------------------------------------------------


def test_ten_times_a_tenth_of_a_second_reach_a_deadline_of_one_second_exactly(
    queue: Queue, clock: VirtualClock
) -> None:
    queue.send("x")
    queue.receive(visibility_timeout=1)
    wait = started(queue.receive, wait=60)
    parked(queue)

    for _ in range(9):
        clock.advance(0.1)
    assert not wait.done()
    clock.advance(0.1)

    assert bodies(wait) == ["x"]


def test_advance_to_next_moves_from_deadline_to_deadline(queue: Queue, clock: VirtualClock) -> None:
    queue.send("x", delay=2)
    queue.send("y", delay=3.5)

    assert clock.advance_to_next() == 2
    assert queue.stats().visible == 1
    assert clock.advance_to_next() == 1.5
    assert queue.stats().visible == 2


def test_advance_to_next_counts_the_end_of_a_wait(queue: Queue, clock: VirtualClock) -> None:
    wait = started(queue.receive, wait=20)
    parked(queue)

    assert clock.advance_to_next() == 20

    assert wait.result(5) == []
    assert clock.advance_to_next() is None


def test_due_work_must_not_move_the_clock(clock: VirtualClock) -> None:
    errors: list[RuntimeError] = []

    def meddle(change: Change) -> None:
        if change.cause == "delay ended":
            with pytest.raises(RuntimeError, match="advance") as caught:
                clock.advance(1)
            errors.append(caught.value)

    queue = Broker(clock=clock, observers=[meddle]).queue("orders")
    queue.send("x", delay=1)
    start = clock.time

    clock.advance(5)

    assert len(errors) == 1
    assert (clock.time - start).total_seconds() == 5
    clock.advance(1)


@pytest.mark.slow
def test_who_waits_on_a_clock_that_nobody_moves_is_told_who_waits_for_what(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("decouple.clock.STUCK_AFTER", 0.1)

    wait = started(queue.receive, wait=20)

    with pytest.raises(ClockStuck, match="thread 'waiter' waits for a message in queue 'orders'") as caught:
        wait.result(5)
    assert caught.value.seconds == 0.1
    assert queue.stats().parked == 0


@pytest.mark.slow
def test_two_threads_that_wait_do_not_keep_each_other_from_being_told(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("decouple.clock.STUCK_AFTER", 0.1)

    first = started(queue.receive, wait=20)
    parked(queue)
    second = started(queue.receive, wait=20)

    assert isinstance(first.exception(5), ClockStuck)
    assert isinstance(second.exception(5), ClockStuck)


@pytest.mark.slow
def test_a_clock_in_use_is_not_stuck(queue: Queue, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("decouple.clock.STUCK_AFTER", 0.2)
    wait = started(queue.receive, wait=20)
    parked(queue)

    for _ in range(10):
        clock.advance(1)
        threading.Event().wait(0.05)
    assert not wait.done()

    queue.send("at last")
    assert bodies(wait) == ["at last"]


# -- on real time ----------------------------------------------------------------------------------------------


def took(function: Callable[[], T]) -> tuple[T, float]:
    start = time.monotonic()
    result = function()
    return result, time.monotonic() - start


@pytest.mark.slow
@pytest.mark.parametrize("delay", [0.1, 0.25])
def test_on_real_time_a_delay_that_ends_wakes_the_parked_receive(delay: float) -> None:
    queue = Queue("orders")
    queue.send("later", delay=delay)

    messages, seconds = took(lambda: queue.receive(wait=10))

    assert [message.body for message in messages] == ["later"]
    assert delay * 0.9 <= seconds < delay + 1


@pytest.mark.slow
def test_on_real_time_an_expiring_lease_wakes_the_parked_receive() -> None:
    queue = Queue("orders", visibility_timeout=0.15)
    queue.send("x")
    queue.receive()

    [message], seconds = took(lambda: queue.receive(wait=10))

    assert message.receive_count == 2
    assert seconds < 1.2


@pytest.mark.slow
def test_on_real_time_a_delayed_message_sent_while_several_are_parked_comes_in_time() -> None:
    queue = Queue("orders")
    waits = []
    for number in range(3):
        waits.append(started(queue.receive, wait=10))
        parked(queue, number + 1)

    _, seconds = took(lambda: (queue.send("later", delay=0.1), waits[0].result(5)))

    assert seconds < 1.2
    queue.close()
    assert all(isinstance(wait.exception(5), QueueClosed) for wait in waits[1:])


@pytest.mark.slow
def test_on_real_time_the_watch_is_handed_on_when_the_newest_waiter_leaves() -> None:
    queue = Queue("orders")
    long = started(queue.receive, wait=10)
    parked(queue)
    short = started(queue.receive, wait=0.1)
    parked(queue, 2)
    queue.send("later", delay=0.4)

    assert short.result(5) == []
    _, seconds = took(lambda: long.result(5))

    assert seconds < 1.5


@pytest.mark.slow
@pytest.mark.parametrize("settle", [Message.ack, lambda message: message.reject("no")], ids=["ack", "reject"])
def test_on_real_time_room_made_by_settling_wakes_at_once(settle: Callable[[Message], object]) -> None:
    held, wait = full(queue := Queue("orders"))

    _, seconds = took(lambda: (settle(held), wait.result(5)))

    assert seconds < 1
    queue.check()


@pytest.mark.slow
def test_on_real_time_a_wait_ends_empty_in_time() -> None:
    messages, seconds = took(lambda: Queue("orders").receive(wait=0.2))

    assert messages == []
    assert 0.19 <= seconds < 1.2


# -- interrupts in a wait --------------------------------------------------------------------------------------


@pytest.mark.slow
@needs_signals
def test_an_interrupt_in_a_wait_leaves_nothing_parked() -> None:
    queue = Queue("orders")
    # Sent to the thread itself: only that wakes it from its lock, as a Ctrl-C does.
    main = threading.main_thread().ident
    threading.Timer(0.1, signal.pthread_kill, (main, signal.SIGINT)).start()

    with pytest.raises(KeyboardInterrupt):
        queue.receive(wait=20)

    assert queue.stats().parked == 0
    queue.send("x")
    [message] = queue.receive()
    assert message.receive_count == 1
    queue.check()


@pytest.mark.slow
@needs_signals
def test_an_interrupt_ends_a_child_that_waits() -> None:
    script = """
        import signal, threading
        from decouple import Queue
        queue = Queue("orders")
        threading.Timer(0.2, signal.pthread_kill, (threading.main_thread().ident, signal.SIGINT)).start()
        try:
            queue.receive(wait=60)
        except KeyboardInterrupt:
            print("interrupted", queue.stats().parked, queue.check()["accepted"])
    """
    ran = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, timeout=20, check=True
    )

    assert ran.stdout == "interrupted 0 0\n"


def test_an_interrupt_when_the_message_was_on_its_way_puts_it_back_at_the_front_with_its_count_restored(
    queue: Queue, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(park: Any, until: int) -> None:
        queue.send_batch(["first", "second", "third"])
        assert queue.stats().in_flight == 2
        raise KeyboardInterrupt

    monkeypatch.setattr(clock, "sleep", interrupted)

    with pytest.raises(KeyboardInterrupt):
        queue.receive(wait=20, max_messages=2)

    assert queue.stats().parked == 0
    assert queue.stats().given_back == 2
    messages = queue.receive(max_messages=10)
    assert [(message.body, message.receive_count) for message in messages] == [
        ("first", 1),
        ("second", 1),
        ("third", 1),
    ]


def test_what_is_given_back_goes_to_the_next_who_waits(
    queue: Queue, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    others: list[Future[list[Message]]] = []

    def interrupted(park: Any, until: int) -> None:
        monkeypatch.undo()
        others.append(started(queue.receive, wait=20))
        parked(queue, 2)
        queue.send("x")
        raise KeyboardInterrupt

    monkeypatch.setattr(clock, "sleep", interrupted)

    with pytest.raises(KeyboardInterrupt):
        queue.receive(wait=20)

    [message] = others[0].result(5)
    assert (message.body, message.receive_count) == ("x", 1)


def test_a_message_redelivered_before_is_given_back_with_its_former_count(
    queue: Queue, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue.send("x")
    [first] = queue.receive()

    def interrupted(park: Any, until: int) -> None:
        first.nack()
        raise KeyboardInterrupt

    monkeypatch.setattr(clock, "sleep", interrupted)

    with pytest.raises(KeyboardInterrupt):
        queue.receive(wait=20)

    [again] = queue.receive()
    assert (again.receive_count, again.first_received_at) == (2, first.first_received_at)


# -- observers of two queues ------------------------------------------------------------------------------------


@pytest.mark.slow
def test_observers_that_use_the_other_queue_do_not_block_each_other() -> None:
    """No observer runs under a lock: two threads, each telling of its queue, may both use the other's."""
    both = threading.Barrier(2)

    def cross(change: Change) -> None:
        if change.cause == "sent" and change.text == "start":
            both.wait(5)
            {"a": b, "b": a}[change.queue].send("answer")

    broker = Broker(observers=[cross])
    a, b = broker.queue("a"), broker.queue("b")

    waits = [started(a.send, "start"), started(b.send, "start")]

    for wait in waits:
        wait.result(3)
    assert (a.stats().visible, b.stats().visible) == (2, 2)


@pytest.mark.slow
def test_a_slow_observer_does_not_keep_other_threads_from_the_queue() -> None:
    told, go_on = threading.Event(), threading.Event()

    def slow(change: Change) -> None:
        if change.text == "slow":
            told.set()
            go_on.wait(5)

    queue = Broker(observers=[slow]).queue("orders")
    first = started(queue.send, "slow")
    assert told.wait(5)

    second = started(queue.send, "quick")
    try:
        second.result(2)
    finally:
        go_on.set()
    first.result(5)
