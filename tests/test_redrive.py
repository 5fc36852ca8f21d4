"""Redrive: dead letters go back where they came from, or elsewhere, as new messages."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import math
import threading
import time
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decouple import (
    Broker,
    Change,
    ClockStuck,
    MessageTooLarge,
    MoveTask,
    MoveTaskRunning,
    Queue,
    QueueClosed,
    SystemClock,
)
from decouple.testing import Ledger, VirtualClock


@pytest.fixture
def dead(broker: Broker) -> Queue:
    return broker.queue("dead")


@pytest.fixture
def orders(broker: Broker, dead: Queue) -> Queue:
    return broker.queue("orders", dead_letter=dead, max_receives=2)


def numbers(task: MoveTask) -> tuple[int, int, int]:
    return task.moved, task.failed, task.remaining


def bury(queue: Queue, *bodies: str) -> None:
    for body in bodies:
        queue.send(body, attributes={"n": 1}, group="g")
        [message] = queue.receive()
        message.reject("not now")


def test_a_redriven_message_is_a_new_message_in_the_queue_it_came_from(
    orders: Queue, dead: Queue, clock: VirtualClock
) -> None:
    """SQS developer guide, redrive: a new MessageId, enqueue time and retention."""
    bury(orders, "x")
    [old] = dead.peek()
    clock.advance(100)

    assert numbers(dead.redrive()) == (1, 0, 0)

    [message] = orders.receive()
    assert message.id != old.id
    assert (message.body, message.attributes, message.group) == ("x", {"n": 1}, "g")
    assert (message.receive_count, message.source, message.failure) == (1, None, None)
    assert message.sent_at == message.first_received_at == datetime(2026, 1, 1, 0, 1, 40, tzinfo=UTC)
    assert (dead.stats().moved_out, orders.stats().moved_in) == (1, 1)


def test_a_redriven_message_has_all_its_receives_again(orders: Queue, dead: Queue) -> None:
    bury(orders, "x")
    dead.redrive()

    assert [len(orders.receive(visibility_timeout=0)) for _ in range(3)] == [1, 1, 0]
    assert dead.stats().visible == 1


def test_each_message_goes_back_to_its_own_source(broker: Broker, orders: Queue, dead: Queue) -> None:
    """SQS: without a destination each message goes to its own original source, also with several sources."""
    bills = broker.queue("bills", dead_letter=dead)
    bury(orders, "order")
    bury(bills, "bill")

    assert dead.redrive().moved == 2

    assert orders.receive()[0].body == "order"
    assert bills.receive()[0].body == "bill"


def test_messages_go_to_another_queue_where_one_is_given(broker: Broker, orders: Queue, dead: Queue) -> None:
    """SQS: DestinationArn."""
    other = broker.queue("other")
    bury(orders, "letter")
    dead.send("came from nowhere")

    assert numbers(dead.redrive(other)) == (2, 0, 0)

    assert {message.body for message in other.receive(max_messages=10)} == {"letter", "came from nowhere"}


def test_a_message_that_came_from_nowhere_stays_without_a_destination(orders: Queue, dead: Queue) -> None:
    bury(orders, "letter")
    dead.send("came from nowhere")

    assert numbers(dead.redrive()) == (1, 0, 0)

    assert [message.body for message in dead.receive(max_messages=10)] == ["came from nowhere"]


def test_only_those_move_for_which_where_is_true(orders: Queue, dead: Queue) -> None:
    bury(orders, "a1", "b", "a2")

    task = dead.redrive(where=lambda letter: letter.body.startswith("a"))

    assert numbers(task) == (2, 0, 0)
    assert [message.body for message in orders.receive(max_messages=10)] == ["a1", "a2"]


def test_where_sees_the_letter_with_its_failure_and_source(orders: Queue, dead: Queue) -> None:
    bury(orders, "x")
    seen: list[Any] = []

    dead.redrive(where=lambda letter: seen.append((letter.source, letter.failure and letter.failure.text)))

    assert seen == [(orders, "not now")]
    assert dead.stats().visible == 1


def test_dead_letters_in_flight_and_delayed_stay(orders: Queue, dead: Queue) -> None:
    bury(orders, "taken", "free")
    dead.receive()
    dead.send("later", delay=10)

    assert numbers(dead.redrive(orders)) == (1, 0, 0)

    assert (dead.stats().in_flight, dead.stats().delayed) == (1, 1)


def test_a_letter_received_before_it_was_redriven_is_moved_too(orders: Queue, dead: Queue) -> None:
    bury(orders, "x")
    dead.receive()[0].nack()

    assert dead.redrive().moved == 1
    assert orders.receive()[0].receive_count == 1


def test_what_a_closed_target_refuses_stays_visible_and_the_task_has_failed(
    orders: Queue, dead: Queue, ledger: Ledger
) -> None:
    """SQS: FAILED, with NonExistentQueue; the first refusal is enough to know that it takes no other."""
    bury(orders, "one", "two")
    orders.close()

    task = dead.redrive()

    assert (task.status, task.failure) == ("failed", str(QueueClosed("orders")))
    assert (task.moved, task.failed, task.remaining, [type(error) for error in task.errors]) == (0, 2, 0, [QueueClosed])
    letters = dead.receive(max_messages=10)
    assert {letter.body for letter in letters} == {"one", "two"}
    assert all(letter.source is orders and letter.receive_count == 2 for letter in letters)
    assert dead.stats().refused == 1
    [refused] = [change for change in ledger.changes if change.cause == "refused"]
    assert (refused.other, refused.until) == ("orders", refused.at)


def test_a_closed_source_keeps_no_other_from_getting_its_letters_back(
    broker: Broker, orders: Queue, dead: Queue
) -> None:
    bills = broker.queue("bills", dead_letter=dead)
    bury(orders, "order 1")
    bury(bills, "bill")
    bury(orders, "order 2")
    orders.close()

    task = dead.redrive()

    assert (numbers(task), task.status) == ((1, 2, 0), "failed")
    assert bills.receive()[0].body == "bill"


def test_letters_of_a_deleted_queue_can_go_elsewhere(broker: Broker, orders: Queue, dead: Queue) -> None:
    bury(orders, "x")
    broker.delete(orders)
    assert numbers(dead.redrive()) == (0, 1, 0)

    again = broker.queue("orders")
    assert dead.redrive(again).moved == 1
    assert again.receive()[0].body == "x"


def test_a_redrive_of_an_empty_queue_moves_nothing(dead: Queue) -> None:
    task = dead.redrive()

    assert numbers(task) == (0, 0, 0)
    assert (task.wait(), task.cancel()) == (task, 0)


def test_where_may_use_the_queue_itself(orders: Queue, dead: Queue) -> None:
    """The user's code runs while no lock is held."""
    bury(orders, "one", "two")

    task = dead.redrive(where=lambda letter: dead.stats().visible > 0 and orders.send("note"))

    assert task.moved == 2
    assert orders.stats().visible == 4


@pytest.mark.parametrize("to", ["orders", 7, object()])
def test_a_destination_that_is_no_queue_is_a_type_error(dead: Queue, to: Any) -> None:
    with pytest.raises(TypeError, match="to must be a Queue"):
        dead.redrive(to)


def test_a_queue_is_not_redriven_to_itself(orders: Queue, dead: Queue) -> None:
    bury(orders, "x")
    before = dead.stats()

    with pytest.raises(ValueError, match="'dead' cannot be redriven to itself"):
        dead.redrive(dead)

    assert dead.stats() == before


@pytest.mark.parametrize("where", [7, "text", True])
def test_a_where_that_cannot_be_called_is_a_type_error_also_on_an_empty_queue(
    orders: Queue, dead: Queue, where: Any
) -> None:
    with pytest.raises(TypeError):
        dead.redrive(where=where)

    bury(orders, "x")
    before = dead.stats()
    with pytest.raises(TypeError):
        dead.redrive(where=where)
    assert dead.stats() == before


def test_a_letter_taken_while_where_looked_at_it_is_not_moved(orders: Queue, dead: Queue) -> None:
    bury(orders, "x")

    task = dead.redrive(where=lambda letter: dead.receive())

    assert numbers(task) == (0, 0, 0)
    assert dead.stats().in_flight == 1


# -- at a rate -------------------------------------------------------------------------------------------------


def arrivals(ledger: Ledger) -> list[float]:
    """Seconds from the clock's start at which messages were moved in anywhere but to the dead-letter queue."""
    start = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
    times = [change.at / 10**9 - start for change in ledger.changes if change.cause == "moved in"]
    queues = [change.queue for change in ledger.changes if change.cause == "moved in"]
    return [round(time, 6) for time, queue in zip(times, queues, strict=True) if queue != "dead"]


def test_with_a_rate_the_first_moves_now_and_the_others_at_their_instants(
    orders: Queue, dead: Queue, clock: VirtualClock, ledger: Ledger
) -> None:
    """SQS: MaxNumberOfMessagesPerSecond."""
    bury(orders, "a", "b", "c", "d")

    task = dead.redrive(max_per_second=2)
    assert (numbers(task), task.status) == ((1, 0, 3), "running")

    clock.advance(0.499)
    assert numbers(task) == (1, 0, 3)
    clock.advance(0.501)
    assert numbers(task) == (3, 0, 1)
    clock.advance(100)
    assert (numbers(task), task.status, task.failure) == ((4, 0, 0), "completed", None)
    assert arrivals(ledger) == [0, 0.5, 1, 1.5]
    assert [message.body for message in orders.receive(max_messages=10)] == ["a", "b", "c", "d"]


@given(
    rate=st.one_of(st.integers(1, 500), st.floats(0.01, 500), st.fractions(0.01, 10).map(float)),
    steps=st.lists(st.integers(1, 5 * 10**9), max_size=6),
    count=st.integers(0, 12),
)
@settings(max_examples=60, deadline=None)
def test_the_nth_message_moves_n_over_rate_seconds_after_the_start(rate: float, steps: list[int], count: int) -> None:
    """A naive model: the instants k / rate, rounded up to the nanosecond, however time is moved."""
    clock, ledger = VirtualClock(), Ledger()
    broker = Broker(clock=clock, observers=[ledger])
    dead = broker.queue("dead")
    orders = broker.queue("orders", dead_letter=dead)
    bury(orders, *map(str, range(count)))
    due = [math.ceil(Fraction(number * 10**9) / Fraction(rate)) for number in range(count)]

    task = dead.redrive(max_per_second=rate)
    for step in steps:
        clock.advance(step / 10**9)
        assert task.moved == sum(at <= clock.now() for at in due)
        assert task.moved <= rate * clock.now() / 10**9 + 1
    task.wait()

    assert task.moved == count
    moved = [
        change.at - clock.epoch for change in ledger.changes if change.cause == "moved in" and change.queue != "dead"
    ]
    assert moved == due
    broker.check()
    ledger.check()


def test_a_wait_in_the_clocks_own_thread_jumps_to_the_end(orders: Queue, dead: Queue, clock: VirtualClock) -> None:
    bury(orders, "a", "b", "c")
    task = dead.redrive(max_per_second=0.1)

    assert task.wait() is task

    assert (task.status, task.moved) == ("completed", 3)
    assert clock.time == datetime(2026, 1, 1, 0, 0, 20, tzinfo=UTC)


def test_a_wait_ends_after_its_timeout(orders: Queue, dead: Queue, clock: VirtualClock) -> None:
    bury(orders, "a", "b", "c")
    task = dead.redrive(max_per_second=0.1)

    assert task.wait(12) is task

    assert (task.status, task.moved) == ("running", 2)
    assert clock.time == datetime(2026, 1, 1, 0, 0, 12, tzinfo=UTC)


def test_on_real_time_whoever_waits_makes_the_moves_no_faster_than_the_rate() -> None:
    dead = Queue("dead")
    orders = Queue("orders", dead_letter=dead)
    bury(orders, *"abcde")
    before = time.monotonic()

    task = dead.redrive(max_per_second=50).wait()

    assert time.monotonic() - before >= 4 / 50
    assert numbers(task) == (5, 0, 0)


def test_on_real_time_using_the_queue_makes_the_moves_that_are_due() -> None:
    dead = Queue("dead")
    orders = Queue("orders", dead_letter=dead)
    bury(orders, *"abc")
    task = dead.redrive(max_per_second=200)

    time.sleep(0.05)
    dead.stats()

    assert dead.stats().visible == 0
    assert orders.stats().moved_in == 3
    assert task.status == "completed"


class HandClock(SystemClock):
    """Real time in kind, but moved by the test and settled by nobody."""

    def __init__(self) -> None:
        self.epoch = 0
        self.instant = 0

    def now(self) -> int:  # type: ignore[override]
        return self.instant


def test_moves_missed_while_nobody_looked_do_not_come_in_one_burst() -> None:
    """A rate protects the target: after an idle hour at most a second's worth comes at once."""
    clock = HandClock()
    dead = Queue("dead", clock=clock)
    orders = Queue("orders", dead_letter=dead)
    bury(orders, *map(str, range(100)))
    task = dead.redrive(max_per_second=10)

    clock.instant += 3600 * 10**9

    assert task.moved == 12
    clock.instant += 10**9
    assert task.moved == 22


def test_a_receive_of_many_makes_the_moves_that_are_due_too() -> None:
    clock = HandClock()
    dead = Queue("dead", clock=clock)
    orders = Queue("orders", dead_letter=dead)
    bury(orders, *"abcd")
    dead.redrive(max_per_second=1)

    clock.instant += 10**9
    assert len(dead.receive(max_messages=2)) == 2

    assert orders.stats().moved_in == 2


def test_threads_that_wait_are_woken_when_it_is_over(orders: Queue, dead: Queue, clock: VirtualClock) -> None:
    bury(orders, "a", "b")
    task = dead.redrive(max_per_second=1)
    ended: list[str] = []
    threads = [threading.Thread(target=lambda: ended.append(task.wait().status)) for _ in range(2)]
    short = threading.Thread(target=lambda: ended.append(task.wait(0.5).status))
    for thread in (*threads, short):
        thread.start()
    while len(task._watchers) < 3:
        time.sleep(0.001)

    clock.advance(0.6)
    short.join(5)
    assert ended == ["running"]

    clock.advance(0.4)
    for thread in threads:
        thread.join(5)
    assert ended == ["running", "completed", "completed"]
    assert task._watchers == []


def test_a_task_of_asyncio_can_wait_for_it(orders: Queue, dead: Queue, clock: VirtualClock) -> None:
    bury(orders, "a", "b")

    async def main() -> list[str]:
        task = await dead.aio.redrive(max_per_second=1)
        short, long = asyncio.create_task(task.aio.wait(0.5)), asyncio.create_task(task.aio.wait())
        await asyncio.sleep(0)
        clock.advance(0.5)
        found = [(await short).status]
        clock.advance(0.5)
        return [*found, (await long).status]

    assert asyncio.run(main()) == ["running", "completed"]


def test_on_real_time_a_task_of_asyncio_makes_the_moves_while_it_waits() -> None:
    dead = Queue("dead")
    orders = Queue("orders", dead_letter=dead)
    bury(orders, *"abcde")

    async def main() -> MoveTask:
        return await dead.redrive(max_per_second=100).aio.wait()

    assert numbers(asyncio.run(main())) == (5, 0, 0)


def test_a_wait_that_nobody_will_end_is_a_clock_stuck(
    orders: Queue, dead: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("decouple.clock.STUCK_AFTER", 0.05)
    bury(orders, "a", "b")
    task = dead.redrive(max_per_second=1)
    errors: list[Exception] = []

    def waits() -> None:
        try:
            task.wait()
        except ClockStuck as error:
            errors.append(error)

    thread = threading.Thread(target=waits, name="redriver")
    thread.start()
    thread.join(5)

    assert "thread 'redriver' waits for the redrive of queue 'dead'" in str(errors[0])


def test_a_task_of_asyncio_that_nobody_will_wake_is_a_clock_stuck(
    orders: Queue, dead: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("decouple.clock.STUCK_AFTER", 0.05)
    bury(orders, "a", "b")
    task = dead.redrive(max_per_second=1)

    with pytest.raises(ClockStuck, match=r"task '.*' waits for the redrive of queue 'dead'"):
        asyncio.run(task.aio.wait())


def test_an_observer_that_waits_for_the_moves_it_is_told_of_is_told_so(clock: VirtualClock) -> None:
    errors: list[Exception] = []

    def observer(change: Change) -> None:
        if change.cause == "moving" and dead.move_tasks:
            try:
                dead.move_tasks[0].wait()
            except RuntimeError as error:
                errors.append(error)

    broker = Broker(clock=clock, observers=[observer])
    dead = broker.queue("dead")
    orders = broker.queue("orders", dead_letter=dead)
    bury(orders, "a")

    dead.redrive()

    assert "would wait for itself" in str(errors[0])


def test_an_observer_that_moves_the_clock_during_a_move_does_not_hang(clock: VirtualClock) -> None:
    def observer(change: Change) -> None:
        if change.cause == "moved in" and change.queue == "orders":
            clock.advance(1)

    broker = Broker(clock=clock, observers=[observer])
    dead = broker.queue("dead")
    orders = broker.queue("orders", dead_letter=dead)
    bury(orders, "a", "b", "c")

    assert dead.redrive(max_per_second=1).moved == 3


# -- its course ------------------------------------------------------------------------------------------------


def test_a_cancelled_redrive_keeps_what_was_moved_and_leaves_the_rest(
    orders: Queue, dead: Queue, clock: VirtualClock
) -> None:
    """SQS, CancelMessageMoveTask: the number moved; no rollback."""
    bury(orders, "a", "b", "c")
    task = dead.redrive(max_per_second=1)
    clock.advance(1)

    assert task.cancel() == 2

    clock.advance(100)
    assert (task.status, numbers(task)) == ("cancelled", (2, 0, 1))
    assert (task.cancel(), task.status) == (2, "cancelled")
    assert (dead.stats().visible, orders.stats().visible) == (1, 2)


def test_an_observer_may_cancel_the_redrive_it_is_told_of(clock: VirtualClock) -> None:
    statuses: list[str] = []

    def observer(change: Change) -> None:
        if change.cause == "moved" and dead.move_tasks:
            dead.move_tasks[0].cancel()
            statuses.append(dead.move_tasks[0].status)

    broker = Broker(clock=clock, observers=[observer])
    dead = broker.queue("dead")
    orders = broker.queue("orders", dead_letter=dead)
    bury(orders, "a", "b", "c")

    task = dead.redrive()

    assert (task.status, numbers(task)) == ("cancelled", (1, 0, 2))
    assert statuses[0] == "cancelling"


def test_a_queue_has_one_running_redrive_at_a_time(orders: Queue, dead: Queue, clock: VirtualClock) -> None:
    """SQS: one active task per source."""
    bury(orders, "a", "b")
    task = dead.redrive(max_per_second=1)

    with pytest.raises(MoveTaskRunning, match=r"being redriven already by <MoveTask of 'dead': running") as caught:
        dead.redrive()
    assert (caught.value.moved, caught.value.remaining) == (1, 1)

    task.wait()
    assert dead.redrive().status == "completed"


def test_a_dry_run_is_allowed_beside_a_running_redrive(orders: Queue, dead: Queue) -> None:
    bury(orders, "a", "b")
    dead.redrive(max_per_second=1)

    assert len(dead.redrive(dry_run=True).messages) == 1


def test_messages_that_come_after_the_start_stay(orders: Queue, dead: Queue, clock: VirtualClock) -> None:
    bury(orders, "a", "b")
    task = dead.redrive(max_per_second=1)
    dead.send("late")

    clock.advance(100)

    assert (task.status, task.moved) == ("completed", 2)
    assert [letter.body for letter in dead.receive(max_messages=10)] == ["late"]


def test_letters_taken_meanwhile_are_passed_over_without_using_up_an_instant(
    orders: Queue, dead: Queue, clock: VirtualClock, ledger: Ledger
) -> None:
    bury(orders, "a", "b", "c", "d")
    task = dead.redrive(max_per_second=1)
    dead.receive()[0].ack()
    dead.receive()

    clock.advance(100)

    assert (task.status, numbers(task)) == ("completed", (2, 0, 0))
    assert arrivals(ledger) == [0, 1]
    dead.check()


def test_a_destination_closed_meanwhile_fails_the_task_and_the_rest_stays(
    broker: Broker, orders: Queue, dead: Queue, clock: VirtualClock
) -> None:
    """SQS: FAILED, AWS.SimpleQueueService.NonExistentQueue."""
    bury(orders, "a", "b", "c")
    other = broker.queue("other")
    task = dead.redrive(other, max_per_second=1)
    broker.delete(other)

    clock.advance(1)

    assert (task.status, task.failure) == ("failed", str(QueueClosed("other")))
    assert numbers(task) == (1, 2, 0)
    assert dead.stats().visible == 2
    assert dead.redrive().moved == 2


def test_a_queue_closed_meanwhile_fails_its_task(orders: Queue, dead: Queue, clock: VirtualClock) -> None:
    bury(orders, "a", "b")
    task = dead.redrive(max_per_second=1)

    dead.close()

    assert (task.status, task.failure, numbers(task)) == ("failed", "queue 'dead' is closed", (1, 0, 1))


def test_a_redrive_runs_for_36_hours_at_most(orders: Queue, dead: Queue, clock: VirtualClock) -> None:
    bury(orders, "a", "b", "c")
    task = dead.redrive(max_per_second=1 / 100_000)

    clock.advance(36 * 3600 - 1)
    assert (task.status, task.moved) == ("running", 2)

    clock.advance(1)
    assert (task.status, numbers(task)) == ("failed", (2, 0, 1))
    assert "36 hours" in (task.failure or "")


def test_the_last_ten_redrives_are_remembered_newest_first(orders: Queue, dead: Queue) -> None:
    """SQS, ListMessageMoveTasks: newest first, at most 10."""
    tasks = [dead.redrive() for _ in range(12)]

    assert dead.move_tasks == tasks[:1:-1]


def test_a_redrive_says_when_it_was_started(dead: Queue, clock: VirtualClock) -> None:
    clock.advance(7)

    task = dead.redrive(max_per_second=3)

    assert task.started_at == datetime(2026, 1, 1, 0, 0, 7, tzinfo=UTC)
    assert (task.to, task.max_per_second, task.keep) == (None, 3, False)


def test_an_error_in_where_is_the_callers_and_moves_nothing(orders: Queue, dead: Queue) -> None:
    bury(orders, "a", "b")

    with pytest.raises(KeyError, match="b"):
        dead.redrive(where=lambda letter: {"a": True}[letter.body], max_per_second=1)

    assert (dead.stats().visible, dead.move_tasks) == (2, [])
    assert dead.redrive().moved == 2


@pytest.mark.parametrize("rate", [0, -1, 0.0, float("nan"), float("inf")])
def test_a_rate_that_is_not_positive_and_finite_is_a_value_error(dead: Queue, rate: float) -> None:
    with pytest.raises(ValueError, match="max_per_second must be over 0 and finite"):
        dead.redrive(max_per_second=rate)


@pytest.mark.parametrize("rate", [True, "5"])
def test_a_rate_that_is_no_number_is_a_type_error(dead: Queue, rate: Any) -> None:
    with pytest.raises(TypeError, match="max_per_second must be an int or float"):
        dead.redrive(max_per_second=rate)


def test_a_destination_on_another_clock_is_refused(orders: Queue, dead: Queue) -> None:
    bury(orders, "a")

    with pytest.raises(ValueError, match="on another clock"):
        dead.redrive(Queue("far", clock=VirtualClock()))

    assert dead.stats().visible == 1


# -- edited, copied, only looked at --------------------------------------------------------------------------------


def test_an_edited_letter_arrives_with_the_new_body_and_the_old_attributes(orders: Queue, dead: Queue) -> None:
    bury(orders, "x")

    dead.redrive(edit=lambda letter: {"was": letter.body})

    [message] = orders.receive()
    assert (message.json(), message.attributes, message.group) == ({"was": "x"}, {"n": 1}, "g")
    assert (message.receive_count, message.source, message.failure) == (1, None, None)


def test_what_edit_fails_for_stays_with_the_reason_in_its_record(orders: Queue, dead: Queue, ledger: Ledger) -> None:
    bury(orders, "bad", "wrong type", "good")

    task = dead.redrive(edit=lambda letter: {"good": "better", "wrong type": b"bytes"}[letter.body])

    assert (task.status, numbers(task)) == ("completed", (1, 2, 0))
    assert orders.receive()[0].body == "better"
    reasons = [change.reason or "" for change in ledger.changes if change.cause == "refused"]
    assert ["edit failed: KeyError" in reasons[0], "edit failed: TypeError" in reasons[1]] == [True, True]
    assert len(task.errors) == 2
    assert {letter.body for letter in dead.receive(max_messages=10)} == {"bad", "wrong type"}


def test_an_edited_body_is_checked_at_the_targets_door(broker: Broker, orders: Queue, dead: Queue) -> None:
    small = broker.queue("small", max_message_size=10)
    bury(orders, "x")

    task = dead.redrive(small, edit=lambda letter: "y" * 11)

    assert (numbers(task), type(task.errors[0])) == ((0, 1, 0), MessageTooLarge)
    assert dead.peek()[0].body == "x"


def test_edit_makes_the_type_of_a_typed_target(broker: Broker, orders: Queue, dead: Queue) -> None:
    parcels: Queue[Parcel] = broker.queue("parcels", body=Parcel)
    bury(orders, "7")

    assert dead.redrive(parcels, edit=lambda letter: Parcel(int(letter.body))).moved == 1

    assert parcels.receive()[0].body == Parcel(7)


@dataclasses.dataclass
class Parcel:
    weight: int


def test_failed_edits_wait_for_no_instant(orders: Queue, dead: Queue, clock: VirtualClock, ledger: Ledger) -> None:
    bury(orders, "bad", "a", "b")

    task = dead.redrive(max_per_second=1, edit=lambda letter: {"a": "A", "b": "B"}[letter.body])

    assert numbers(task) == (1, 1, 1)
    clock.advance(1)
    assert arrivals(ledger) == [0, 1]


def test_edit_may_use_the_queues(orders: Queue, dead: Queue) -> None:
    """The user's code runs while no lock is held."""
    bury(orders, "x")

    task = dead.redrive(edit=lambda letter: f"{dead.stats().visible} {orders.stats().visible}")

    assert task.moved == 1
    assert orders.receive()[0].body == "1 0"


def test_a_dry_run_moves_nothing_and_says_what_would_go_where(
    broker: Broker, orders: Queue, dead: Queue, ledger: Ledger
) -> None:
    bills = broker.queue("bills", dead_letter=dead)
    bury(orders, "a", "b", "skip", "bad")
    bury(bills, "c")
    dead.send("came from nowhere")
    before = len(ledger.changes)

    task = dead.redrive(
        where=lambda letter: letter.body != "skip",
        edit=lambda letter: {"bad": ""}.get(letter.body, "edited"),
        dry_run=True,
    )

    assert (task.status, numbers(task)) == ("completed", (0, 1, 3))
    assert [message.body for message in task.messages] == ["a", "b", "c"]
    assert task.targets == {"orders": 2, "bills": 1}
    assert (len(ledger.changes), dead.stats().visible, dead.move_tasks) == (before, 6, [])
    assert task.wait() is task


def test_with_keep_the_dead_letter_stays_and_a_copy_is_a_new_message(
    orders: Queue, dead: Queue, clock: VirtualClock, ledger: Ledger
) -> None:
    bury(orders, "a", "b")
    letters = dead.peek()

    task = dead.redrive(keep=True, max_per_second=1)
    clock.advance(1)

    assert (task.status, numbers(task)) == ("completed", (2, 0, 0))
    assert [letter.id for letter in dead.peek()] == [letter.id for letter in letters]
    copies = orders.receive(max_messages=10)
    assert [copy.body for copy in copies] == ["a", "b"]
    assert {copy.id for copy in copies}.isdisjoint(letter.id for letter in letters)
    assert [ledger.history(copy.id)[0].origin for copy in copies] == [letter.id for letter in letters]


def test_a_copy_that_its_target_refuses_counts_as_failed(orders: Queue, dead: Queue) -> None:
    bury(orders, "a", "b")
    orders.close()

    task = dead.redrive(keep=True)

    assert (task.status, numbers(task), dead.stats().visible) == ("failed", (0, 2, 0), 2)


def test_the_record_of_a_new_message_names_the_letter_it_was(orders: Queue, dead: Queue, ledger: Ledger) -> None:
    bury(orders, "x")
    [letter] = dead.peek()

    dead.redrive()

    [message] = orders.receive()
    arrived = ledger.history(message.id)[0]
    assert (arrived.cause, arrived.other, arrived.origin) == ("moved in", "dead", letter.id)


@pytest.mark.parametrize("edit", [7, "text"])
def test_an_edit_that_cannot_be_called_is_a_type_error(dead: Queue, edit: Any) -> None:
    with pytest.raises(TypeError, match="edit must be a callable"):
        dead.redrive(edit=edit)


@pytest.mark.parametrize("rate", [None, 5_000])
def test_redrives_by_threads_move_every_letter_once(rate: float | None) -> None:
    dead = Queue("dead")
    orders = Queue("orders", dead_letter=dead)
    bury(orders, *map(str, range(300)))

    def redrives() -> None:
        with contextlib.suppress(MoveTaskRunning):
            dead.redrive(max_per_second=rate).wait()
        dead.stats()

    threads = [threading.Thread(target=redrives) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert sum(task.moved for task in dead.move_tasks) == 300
    assert sorted(int(message.body) for message in orders.receive(max_messages=1000)) == list(range(300))
    dead.check()
    orders.check()
