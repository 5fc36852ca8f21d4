"""A queue triggers a function, as Lambda's event source mapping for SQS does it."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from decouple import BrokenOff, Broker, LargeBodies, Queue, VirtualClock
from decouple.errors import InvalidFilter, NeedsBroker, TriggerExists
from decouple.function import Function
from decouple.testing import Ledger
from decouple.testing.events import SqsMessage, sqs

Event = dict[str, Any]


@dataclass
class Order:
    id: int


class Seen:
    """A handler that keeps what it was given, and answers what it is told to."""

    def __init__(self, answer: Any = None) -> None:
        self.__name__ = "seen"
        self.events: list[Event] = []
        self.answer = answer

    def __call__(self, event: Event, context: Any) -> Any:
        self.events.append(event)
        return self.answer(event) if callable(self.answer) else self.answer

    @property
    def batches(self) -> list[list[str]]:
        return [[record["body"] for record in event["Records"]] for event in self.events]

    @property
    def bodies(self) -> list[str]:
        return [body for batch in self.batches for body in batch]


def failing(*bodies: str) -> Any:
    """An answer that names the messages with these bodies."""
    return lambda event: {
        "batchItemFailures": [{"itemIdentifier": one["messageId"]} for one in event["Records"] if one["body"] in bodies]
    }


@pytest.fixture
def seen(broker: Broker) -> Seen:
    return Seen()


@pytest.fixture
def orders(broker: Broker) -> Queue:
    return broker.queue("orders")


# -- what a function gets ----------------------------------------------------------------------------------------------


def test_messages_of_a_queue_start_the_function_and_are_deleted(broker: Broker, orders: Queue, seen: Seen) -> None:
    trigger = orders.trigger(seen)
    orders.send("order 7")

    broker.run_until_idle()

    assert seen.batches == [["order 7"]]
    assert (orders.stats().visible, orders.stats().in_flight, orders.stats().deleted) == (0, 0, 1)
    assert (trigger.stats().invocations, trigger.stats().succeeded) == (1, 1)


def test_the_event_is_aws_s_to_the_byte(broker: Broker, clock: VirtualClock, seen: Seen) -> None:
    """Lambda developer guide, "Using Lambda with Amazon SQS", the example events."""
    queue = broker.queue("orders.fifo", content_based_deduplication=True)
    queue.trigger(seen)
    sent = queue.send(
        {"id": 7}, attributes={"price": 5, "raw": b"\x00"}, group="g", system={"AWSTraceHeader": "Root=1"}
    )

    broker.run_until_idle()

    [event] = seen.events
    [record] = event["Records"]
    [expected] = sqs(
        [SqsMessage({"id": 7}, {"price": 5, "raw": b"\x00"}, message_id=sent.id, group="g")], queue="orders.fifo"
    )["Records"]
    expected["receiptHandle"] = record["receiptHandle"]
    expected["attributes"]["SequenceNumber"] = sent.sequence or ""
    assert record["attributes"].pop("AWSTraceHeader") == "Root=1"
    assert list(event) == ["Records"]
    assert list(record.items()) == list(expected.items())
    assert list(record["attributes"]) == list(expected["attributes"])


def test_a_message_with_nothing_but_a_body_makes_the_same_record(broker: Broker, orders: Queue, seen: Seen) -> None:
    """It is made on a shorter way."""
    orders.trigger(seen)
    sent = orders.send("Grüße")

    broker.run_until_idle()

    [record] = seen.events[0]["Records"]
    [expected] = sqs([SqsMessage("Grüße", message_id=sent.id)], queue="orders")["Records"]
    expected["receiptHandle"] = record["receiptHandle"]
    assert list(record.items()) == list(expected.items())
    assert list(record["attributes"]) == list(expected["attributes"])
    orders.delete(record["receiptHandle"])


def test_a_record_counts_receives_and_says_when_the_first_was(
    broker: Broker, clock: VirtualClock, orders: Queue
) -> None:
    seen = Seen(failing("a"))
    orders.send("a")
    clock.advance(1.5)
    orders.trigger(seen)

    broker.run_until_idle(budget=31)

    first, second = (event["Records"][0] for event in seen.events)
    assert [one["attributes"]["ApproximateReceiveCount"] for one in (first, second)] == ["1", "2"]
    assert first["attributes"]["SentTimestamp"] == "1767225600000"
    assert second["attributes"]["ApproximateFirstReceiveTimestamp"] == "1767225601500"
    assert first["receiptHandle"] != second["receiptHandle"]
    orders.delete(second["receiptHandle"])


def test_a_dead_letter_s_record_names_the_queue_it_died_in(broker: Broker, seen: Seen) -> None:
    dead = broker.queue("dead")
    source = broker.queue("orders", dead_letter=dead)
    dead.trigger(seen)
    source.send("a")
    source.receive()[0].reject("why not")

    broker.run_until_idle()

    assert seen.events[0]["Records"][0]["attributes"]["DeadLetterQueueSourceArn"] == source.arn


def test_a_typed_body_is_its_text(broker: Broker, seen: Seen) -> None:
    queue = broker.queue("orders", body=Order)
    queue.trigger(seen)
    queue.send(Order(7))

    broker.run_until_idle()

    assert seen.batches == [['{"id": 7}']]


def test_bodies_that_do_not_decode_are_dead_and_do_not_end_the_trigger(broker: Broker, seen: Seen) -> None:
    dead = broker.queue("dead")
    queue = broker.queue("orders", body=Order, dead_letter=dead)
    before = broker.queue("before", dead_letter=queue)
    before.send("no order")
    queue.trigger(seen)
    before.receive()[0].reject("dead letters move as text")
    broker.run_until_idle()
    assert (seen.events, dead.stats().visible) == ([], 1)

    queue.send(Order(7))
    broker.run_until_idle()
    assert seen.batches == [['{"id": 7}']]


def test_a_body_that_its_store_has_lost_fails_alone(
    broker: Broker, clock: VirtualClock, seen: Seen, tmp_path: Path
) -> None:
    queue = broker.queue("orders", large_bodies=LargeBodies(tmp_path, threshold=10))
    trigger = queue.trigger(seen)
    queue.send_batch(["short", "x" * 100])
    for path in tmp_path.iterdir():
        path.unlink()

    broker.run_until_idle()

    assert seen.batches == [["short"]]
    assert (trigger.stats().succeeded, trigger.stats().failed) == (1, 1)
    clock.advance(30)
    assert queue.stats().received == 3


def test_a_large_body_is_its_text(broker: Broker, seen: Seen, tmp_path: Path) -> None:
    queue = broker.queue("orders", large_bodies=LargeBodies(tmp_path, threshold=10))
    queue.trigger(seen)
    queue.send("x" * 100)

    broker.run_until_idle()

    assert seen.batches == [["x" * 100]]


def test_async_handlers_are_awaited(broker: Broker, orders: Queue) -> None:
    got: list[str] = []

    async def handle(event: Event, context: Any) -> Any:
        await asyncio.sleep(0)
        got.extend(record["body"] for record in event["Records"])
        return failing("b")(event)

    orders.trigger(handle)
    orders.send_batch(["a", "b"])
    broker.run_until_idle()

    assert got == ["a", "b"]
    assert orders.stats().in_flight == 1
    orders.purge()


# -- batches -----------------------------------------------------------------------------------------------------------


def test_ten_messages_are_a_batch(broker: Broker, orders: Queue, seen: Seen) -> None:
    orders.trigger(seen)
    for number in range(25):
        orders.send(str(number))

    broker.run_until_idle()

    assert [len(batch) for batch in seen.batches] == [10, 10, 5]
    assert seen.bodies == [str(number) for number in range(25)]


def test_a_window_collects_until_it_ends(broker: Broker, clock: VirtualClock, orders: Queue, seen: Seen) -> None:
    trigger = orders.trigger(seen, batch_size=100, batch_window=5)
    orders.send("a")
    clock.advance(3)
    orders.send("b")
    broker.run_until_idle()

    assert seen.batches == []
    assert (orders.stats().in_flight, trigger.stats().waiting) == (2, 2)

    clock.advance(1.999)
    assert seen.batches == []
    clock.advance(0.001)
    assert seen.batches == [["a", "b"]]
    assert trigger.stats().waiting == 0


def test_a_full_batch_does_not_wait_for_its_window(broker: Broker, orders: Queue, seen: Seen) -> None:
    orders.trigger(seen, batch_size=12, batch_window=300)
    for number in range(25):
        orders.send(str(number))

    broker.run_until_idle()

    assert [len(batch) for batch in seen.batches] == [12, 12]
    broker.run_until_idle(budget=300)
    assert [len(batch) for batch in seen.batches] == [12, 12, 1]


def test_windows_leave_nothing_behind(broker: Broker, orders: Queue, seen: Seen) -> None:
    """A timer for each batch would keep it, and its messages, for the whole window."""
    orders.trigger(seen, batch_size=11, batch_window=300)
    for _ in range(200):
        orders.send_batch(["a"] * 11)
        report = broker.run_until_idle()

    assert len(seen.batches) == 200
    assert len(report.waiting_for) <= 3


def test_six_megabytes_are_a_batch(broker: Broker, orders: Queue, seen: Seen) -> None:
    """Lambda: the payload of an invocation. What is too much goes back with its count as it was."""
    orders.trigger(seen)
    for number in range(8):
        orders.send(str(number) * 1_000_000)

    broker.run_until_idle()

    assert [len(batch) for batch in seen.batches] == [6, 2]
    assert {one["attributes"]["ApproximateReceiveCount"] for event in seen.events for one in event["Records"]} == {"1"}


def test_the_window_s_time_is_added_to_a_visibility_timeout_that_is_too_short(
    broker: Broker, clock: VirtualClock, orders: Queue
) -> None:
    """Lambda developer guide: window + timeout + 30 s, where window + timeout is more than the queue's."""
    seen = Seen(failing("a"))
    orders.trigger(seen, batch_window=60)
    orders.send("a")

    clock.advance(60)
    assert len(seen.events) == 1

    clock.advance(92.999 - 60)
    assert (orders.stats().in_flight, orders.stats().received) == (1, 1)
    clock.advance(0.001)
    assert orders.stats().received == 2


# -- what became of them -----------------------------------------------------------------------------------------------


def test_messages_named_in_the_answer_come_again_and_the_others_do_not(
    broker: Broker, clock: VirtualClock, orders: Queue
) -> None:
    seen = Seen(failing("b"))
    trigger = orders.trigger(seen)
    orders.send_batch(["a", "b", "c"])

    clock.advance(29.999)
    assert seen.batches == [["a", "b", "c"]]
    assert orders.stats().in_flight == 1

    clock.advance(0.001)
    assert seen.batches == [["a", "b", "c"], ["b"]]
    assert trigger.stats()[:2] == ("enabled", 2)
    assert (trigger.stats().succeeded, trigger.stats().failed, trigger.stats().errors) == (2, 2, 0)


def test_an_error_fails_the_whole_batch_and_is_reported(broker: Broker, orders: Queue) -> None:
    @broker.function
    def fail(event: Event, context: Any) -> None:
        raise ValueError("no")

    trigger = orders.trigger(fail)
    orders.send_batch(["a", "b"])

    with pytest.raises(ValueError, match="no"):
        broker.run_until_idle()

    assert orders.stats().in_flight == 2
    assert (trigger.stats().failed, trigger.stats().errors) == (2, 1)


def test_a_timeout_fails_the_whole_batch(broker: Broker, clock: VirtualClock, orders: Queue) -> None:
    slow = broker.queue("slow")

    @broker.function(timeout=3)
    def fail(event: Event, context: Any) -> None:
        slow.receive(wait=4)

    orders.trigger(fail)
    orders.send("a")
    report = broker.run_until_idle(errors="collect")

    assert [type(error).__name__ for error in report.errors] == ["FunctionTimedOut"]
    assert orders.stats().in_flight == 1
    assert orders.stats().deleted == 0


@pytest.mark.parametrize(
    "answer", ["done", {"batchItemFailures": [{"itemIdentifier": "unknown"}]}, {"batchItemFailures": [{}]}], ids=repr
)
def test_an_answer_nobody_can_read_fails_the_whole_batch_and_is_reported(
    broker: Broker, orders: Queue, answer: Any
) -> None:
    trigger = orders.trigger(Seen(answer))
    orders.send_batch(["a", "b"])

    with pytest.raises(ValueError, match="function 'seen' failed its whole batch: "):
        broker.run_until_idle()

    assert orders.stats().in_flight == 2
    assert trigger.stats().errors == 1


@pytest.mark.parametrize("answer", ["done", {"batchItemFailures": [{"itemIdentifier": "unknown"}]}], ids=repr)
def test_without_partial_failures_the_answer_is_ignored(broker: Broker, orders: Queue, answer: Any) -> None:
    trigger = orders.trigger(Seen(answer), partial_failures=False)
    orders.send_batch(["a", "b"])

    broker.run_until_idle()

    assert (trigger.stats().succeeded, orders.stats().in_flight) == (2, 0)


def test_a_dead_letter_says_why_its_function_failed(broker: Broker, clock: VirtualClock) -> None:
    dead = broker.queue("dead")
    queue = broker.queue("orders", dead_letter=dead, max_receives=2)

    @broker.function
    def fail(event: Event, context: Any) -> None:
        raise ValueError("no such customer")

    queue.trigger(fail)
    queue.send("a")
    broker.run_until_idle(budget=100, errors="collect")

    [letter] = dead.receive()
    assert letter.failure is not None
    assert letter.failure[:2] == ("ValueError", "no such customer")
    assert letter.failure.attempts == 2
    assert 'raise ValueError("no such customer")' in letter.failure.traceback


def test_a_dead_letter_says_that_it_was_named_in_the_answer(broker: Broker, clock: VirtualClock) -> None:
    dead = broker.queue("dead")
    queue = broker.queue("orders", dead_letter=dead, max_receives=1)
    queue.trigger(Seen(failing("a")))
    queue.send("a")

    broker.run_until_idle(budget=100)

    [letter] = dead.receive()
    assert letter.failure is not None
    assert letter.failure.error == "BatchItemFailure"
    assert letter.failure.text == "function 'seen' named it in batchItemFailures"


def test_a_handler_may_delete_messages_itself(broker: Broker, orders: Queue) -> None:
    @broker.function
    def handle(event: Event, context: Any) -> None:
        orders.delete(event["Records"][0]["receiptHandle"])
        raise ValueError("the other one failed")

    orders.trigger(handle)
    orders.send_batch(["a", "b"])
    broker.run_until_idle(errors="collect")

    assert (orders.stats().deleted, orders.stats().in_flight) == (1, 1)


def test_a_fifo_message_that_is_in_flight_no_more_is_left_alone_with_a_record(
    broker: Broker, clock: VirtualClock, ledger: Ledger
) -> None:
    """Somebody else has it by then, and its group must stay in order."""
    queue = broker.queue("orders.fifo", content_based_deduplication=True)
    slow = broker.queue("slow")

    @broker.function(timeout=20)
    def handle(event: Event, context: Any) -> None:
        queue.change_visibility(event["Records"][0]["receiptHandle"], 1)
        slow.receive(wait=2)

    trigger = queue.trigger(handle)
    queue.send("a", group="g")
    broker.run_until_idle()

    assert trigger.stats().late >= 1
    assert ledger.counts["late delete"] == trigger.stats().late
    trigger.close()
    queue.purge()


def test_a_group_waits_behind_its_messages_that_failed(broker: Broker, clock: VirtualClock) -> None:
    """Lambda: on an error all retries of the messages come before any further message of that group."""
    queue = broker.queue("orders.fifo", content_based_deduplication=True)
    tries: list[str] = []

    def answer(event: Event) -> Any:
        bodies = [record["body"] for record in event["Records"]]
        tries.extend(bodies)
        return failing(*bodies[bodies.index("a2") :])(event) if "a2" in bodies and tries.count("a2") == 1 else None

    for number in range(6):
        queue.send(f"a{number}", group="a")
    queue.send("b0", group="b")
    queue.trigger(Seen(answer), batch_size=4)

    broker.run_until_idle()
    assert tries == ["a0", "a1", "a2", "a3", "b0"]

    broker.run_until_idle(budget=30)
    assert tries == ["a0", "a1", "a2", "a3", "b0", "a2", "a3", "a4", "a5"]


def test_a_group_is_in_one_batch_at_a_time() -> None:
    running: set[str] = set()
    order: dict[str, list[int]] = {}
    with Broker() as broker:
        queue = broker.queue("orders.fifo", content_based_deduplication=True)

        def handle(event: Event, context: Any) -> None:
            groups = {record["attributes"]["MessageGroupId"] for record in event["Records"]}
            assert running.isdisjoint(groups)
            running.update(groups)
            for record in event["Records"]:
                group, number = record["body"].split()
                order.setdefault(group, []).append(int(number))
            running.difference_update(groups)

        queue.trigger(handle)
        for number in range(200):
            for group in "abc":
                queue.send(f"{group} {number}", group=group)
        broker.run_until_idle()
        broker.check()

    assert order == {group: list(range(200)) for group in "abc"}


# -- filters -----------------------------------------------------------------------------------------------------------


def test_messages_that_match_no_pattern_are_deleted_and_counted(
    broker: Broker, orders: Queue, seen: Seen, ledger: Ledger
) -> None:
    """Lambda developer guide, "Using event filtering with an Amazon SQS event source"."""
    trigger = orders.trigger(seen, filter={"body": {"kind": ["order"]}})
    orders.send({"kind": "order"})
    other = orders.send({"kind": "invoice"})

    broker.run_until_idle()

    assert seen.batches == [['{"kind": "order"}']]
    assert orders.stats().deleted == 2
    assert (trigger.stats().filtered, trigger.stats().succeeded) == (1, 1)
    assert ledger.history(other.id)[-1].reason == "no filter of the trigger of function 'seen' matches"


def test_where_nothing_matches_nothing_is_started(broker: Broker, orders: Queue, seen: Seen) -> None:
    trigger = orders.trigger(seen, filter=[{"body": ["a"]}, {"body": ["b"]}])
    orders.send("c")
    broker.run_until_idle()
    assert (seen.events, trigger.stats().filtered) == ([], 1)

    orders.send("b")
    broker.run_until_idle()
    assert seen.batches == [["b"]]


@pytest.mark.parametrize(
    ("pattern", "body", "passes"),
    [
        ({"body": ["abc"]}, "abc", True),
        ({"body": [{"prefix": "ab"}]}, "abc", True),
        ({"body": ["abc"]}, "abd", False),
        ({"body": {"k": [1]}}, '{"k": 1.0}', True),
        ({"body": {"k": [{"numeric": [">", 5]}]}}, '{"k": 6}', True),
        ({"body": {"k": [1]}}, '{"k": 2}', False),
        ({"body": {"a": {"b": ["x"]}}}, '{"a": {"b": ["y", "x"]}}', True),
        ({"body": {"k": [1]}}, "abc", False),
        ({"body": {"k": [{"exists": False}]}}, "abc", False),
        ({"body": {"k": [{"exists": False}]}}, "{}", True),
        ({"body": ["abc"]}, '{"abc": 1}', False),
        ({"body": [{"anything-but": "abc"}]}, '{"k": 1}', False),
        ({"body": [{"exists": False}]}, '{"k": 1}', False),
        ({"body": ["abc"]}, '["abc"]', False),
        ({"body": ["17"]}, "17", True),
        ({"body": {"k": [1]}}, '{"k": 2, "k": 1}', True),
        ({"messageAttributes": {"vip": {"stringValue": ["yes"]}}}, "anything", True),
        ({"messageAttributes": {"vip": {"stringValue": ["no"]}}}, '{"any": 1}', False),
        ({"messageAttributes": {"vip": [{"exists": True}]}}, "abc", False),
        ({"attributes": {"ApproximateReceiveCount": ["1"]}}, "abc", True),
        ({"attributes": {"ApproximateReceiveCount": [1]}}, "abc", False),
        ({"eventSourceARN": [{"suffix": ":orders"}]}, "abc", True),
        ({"$or": [{"body": ["x"]}, {"awsRegion": ["us-east-1"]}]}, '{"k": 1}', True),
        ({"a": ["1"], "b": ["1"], "c": ["1"], "d": ["1"], "e": ["1"], "f": ["1"]}, "abc", False),
        ({}, "abc", True),
    ],
    ids=repr,
)
def test_patterns_are_eventbridge_s_over_the_record(
    broker: Broker, orders: Queue, seen: Seen, pattern: dict[str, Any], body: str, passes: bool
) -> None:
    """The table of text and JSON, and what is in a record besides the body."""
    orders.trigger(seen, filter=pattern)
    orders.send(body, attributes={"vip": "yes"})

    broker.run_until_idle()

    assert seen.batches == ([[body]] if passes else [])


# -- room --------------------------------------------------------------------------------------------------------------


def test_a_batch_waits_for_room_in_its_function(broker: Broker, clock: VirtualClock, orders: Queue) -> None:
    handled = Seen()
    function = broker.function(handled, concurrency=1)
    elsewhere = function.begin({"Records": []}, lambda outcome: None)
    trigger = orders.trigger(function)
    orders.send("a")

    broker.run_until_idle(budget=2)
    assert (handled.events, trigger.stats().waiting, trigger.stats().throttles) == ([], 1, 2)

    elsewhere.run()
    broker.run_until_idle()
    assert handled.batches[-1] == ["a"]
    assert (trigger.stats().waiting, trigger.stats().succeeded) == (0, 1)


def test_while_a_batch_waits_for_room_nothing_else_is_taken(broker: Broker, orders: Queue, seen: Seen) -> None:
    trigger = orders.trigger(broker.function(seen, concurrency=0))
    for number in range(25):
        orders.send(str(number))

    broker.run_until_idle(budget=5)

    assert (orders.stats().visible, orders.stats().in_flight) == (15, 10)
    assert trigger.stats().running == 0


def test_what_finds_no_room_goes_back_when_its_visibility_ends(broker: Broker, clock: VirtualClock) -> None:
    """Lambda: retried until the visibility timeout of the message is over; the receive counts."""
    dead = broker.queue("dead")
    queue = broker.queue("orders", dead_letter=dead, max_receives=2)
    trigger = queue.trigger(broker.function(Seen(), concurrency=0))
    queue.send("a")

    broker.run_until_idle(budget=100)

    assert trigger.stats().let_go == 2
    [letter] = dead.receive()
    assert letter.failure is not None
    assert letter.failure.error == "Throttled"


# -- life --------------------------------------------------------------------------------------------------------------


def test_a_paused_trigger_takes_nothing_until_it_is_resumed(broker: Broker, orders: Queue, seen: Seen) -> None:
    trigger = orders.trigger(seen)
    trigger.pause()
    trigger.pause()
    orders.send("a")
    broker.run_until_idle()
    assert (trigger.state, orders.stats().visible, seen.events) == ("paused", 1, [])

    trigger.resume()
    trigger.resume()
    broker.run_until_idle()
    assert (trigger.state, seen.batches) == ("enabled", [["a"]])


def test_a_trigger_may_begin_paused(broker: Broker, orders: Queue, seen: Seen) -> None:
    trigger = orders.trigger(seen, enabled=False)
    orders.send("a")
    broker.run_until_idle()
    assert (trigger.state, seen.events) == ("paused", [])

    trigger.resume()
    broker.run_until_idle()
    assert seen.batches == [["a"]]


@pytest.mark.parametrize("end", ["pause", "close"])
def test_what_was_not_begun_goes_back_with_its_count_as_it_was(
    broker: Broker, orders: Queue, seen: Seen, end: str
) -> None:
    trigger = orders.trigger(seen, batch_window=5)
    orders.send_batch(["a", "b"])
    broker.run_until_idle()
    assert orders.stats().in_flight == 2

    getattr(trigger, end)()

    assert trigger.stats().received == 0
    assert [(one.text, one.receive_count) for one in orders.receive(max_messages=10)] == [("a", 1), ("b", 1)]


def test_messages_on_their_way_to_a_worker_go_back_too(broker: Broker, orders: Queue, seen: Seen) -> None:
    trigger = orders.trigger(seen)
    orders.send("a")
    assert orders.stats().in_flight == 1

    trigger.pause()

    assert orders.receive()[0].receive_count == 1


def test_a_held_batch_goes_back_when_the_broker_closes(clock: VirtualClock, ledger: Ledger) -> None:
    broker = Broker(clock=clock, observers=[ledger])
    queue = broker.queue("orders")
    trigger = queue.trigger(broker.function(Seen(), concurrency=0))
    queue.send("a")
    broker.run_until_idle()

    broker.close()

    assert trigger.state == "closed"
    assert (queue.stats().visible, queue.stats().in_flight) == (1, 0)
    assert queue.peek()[0].receive_count == 0
    broker.check()
    ledger.check()


def test_a_closed_trigger_makes_room_for_another(broker: Broker, orders: Queue, seen: Seen) -> None:
    trigger = orders.trigger(seen)
    with pytest.raises(TriggerExists) as caught:
        orders.trigger(seen)
    assert (caught.value.queue, caught.value.function) == ("orders", "seen")

    trigger.close()
    trigger.close()
    assert trigger.state == "closed"
    orders.trigger(seen, batch_size=1)
    orders.send("a")
    broker.run_until_idle()
    assert seen.batches == [["a"]]


def test_a_deleted_queue_ends_its_trigger(broker: Broker, orders: Queue, seen: Seen) -> None:
    trigger = orders.trigger(seen)
    broker.delete(orders)

    assert broker.run_until_idle(budget=1_000).errors == ()
    assert trigger.state == "closed"


def test_what_was_received_is_accounted_for(broker: Broker, clock: VirtualClock, orders: Queue) -> None:
    trigger = orders.trigger(Seen(failing("3")), filter={"body": [{"anything-but": "4"}]}, batch_size=4)
    for number in range(9):
        orders.send(str(number))
    broker.run_until_idle(budget=40)

    stats = trigger.stats()
    assert stats.received == stats.succeeded + stats.failed + stats.filtered + stats.let_go + stats.waiting
    assert (stats.succeeded, stats.failed, stats.filtered) == (7, 2, 1)
    assert repr(trigger) == "<Trigger 'orders' -> 'seen': enabled, 0 running>"


# -- declarations that are refused -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"batch_size": 0}, ValueError, "batch_size must be from 1 to 10,000, not 0"),
        ({"batch_size": 10_001, "batch_window": 1}, ValueError, "batch_size must be from 1 to 10,000"),
        ({"batch_size": "10"}, TypeError, "batch_size must be an int, not '10'"),
        ({"batch_size": 11}, ValueError, "batch_window must be greater than 0 if batch_size is greater than 10"),
        ({"batch_window": 301}, ValueError, "batch_window must be"),
        ({"batch_window": -1}, ValueError, "batch_window must be"),
        ({"max_concurrency": 0}, ValueError, "max_concurrency must be from 1 to 1,000, not 0"),
        ({"max_concurrency": 1_001}, ValueError, "max_concurrency must be from 1 to 1,000"),
        ({"partial_failures": None}, TypeError, "partial_failures must be True or False, not None"),
        ({"scaling": "gcp"}, ValueError, "scaling must be 'aws' or None, not 'gcp'"),
        ({"pollers": 2}, TypeError, "pollers must be a tuple"),
        ({"pollers": (2, 1)}, ValueError, "the most of pollers must be from 2"),
        ({"pollers": (2, 3), "max_concurrency": 5}, ValueError, "max_concurrency and pollers exclude each other"),
        ({"filter": []}, ValueError, "filter must be a pattern or a list of 1 to 5, not of 0"),
        ({"filter": [{"body": ["a"]}] * 6}, ValueError, "not of 6"),
        ({"filter": {"body": "a"}}, InvalidFilter, "must be an object or an array"),
        ({"filter": {"body": [str(number) for number in range(900)]}}, InvalidFilter, "more than 4096 characters"),
        ({"filter": "body"}, TypeError, "mapping"),
    ],
    ids=repr,
)
def test_a_trigger_that_aws_would_not_take_is_refused(
    orders: Queue, seen: Seen, settings: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error) as caught:
        orders.trigger(seen, **settings)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"batch_size": 11}, "batch_size must be from 1 to 10, not 11"),
        ({"batch_window": 1}, "batch_window must be 0 for a FIFO queue"),
    ],
)
def test_a_fifo_queue_has_no_window_and_batches_of_ten(
    broker: Broker, seen: Seen, settings: dict[str, Any], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        broker.queue("orders.fifo").trigger(seen, **settings)


def test_a_visibility_timeout_shorter_than_the_function_s_timeout_is_refused(broker: Broker, seen: Seen) -> None:
    """Lambda refuses to make such a mapping."""
    queue = broker.queue("orders", visibility_timeout=10)
    function = broker.function(seen, timeout=11)

    with pytest.raises(
        ValueError, match="a visibility timeout of 10 s, less than the timeout of function 'seen', 11 s"
    ):
        queue.trigger(function)


def test_a_function_of_another_broker_is_refused(broker: Broker, orders: Queue, seen: Seen) -> None:
    stranger = Function(seen, name="seen", clock=broker.clock)
    with pytest.raises(ValueError, match="function 'seen' is of another broker"):
        orders.trigger(stranger)
    with pytest.raises(ValueError, match="function 'seen' lives on another clock"):
        orders.trigger(Function(seen, name="seen"))
    with pytest.raises(TypeError, match="must be callable"):
        orders.trigger(7)  # type: ignore[arg-type]


def test_a_queue_alone_has_no_triggers(seen: Seen) -> None:
    with pytest.raises(NeedsBroker, match="a trigger of queue 'alone'"):
        Queue("alone").trigger(seen)


# -- workers on real time ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "peak"),
    [({"max_concurrency": 3}, 3), ({"scaling": "aws"}, 5), ({}, 8)],
    ids=["most", "aws", "workers"],
)
def test_batches_are_at_work_at_a_time(settings: dict[str, Any], peak: int) -> None:
    with Broker() as broker:
        queue = broker.queue("orders")
        inside, go = threading.Semaphore(0), threading.Event()

        @broker.function(timeout=30)
        def handle(event: Event, context: Any) -> None:
            inside.release()
            go.wait()

        queue.send_batch([str(number) for number in range(8)])
        trigger = queue.trigger(handle, batch_size=1, **settings)
        for _ in range(peak):
            assert inside.acquire(timeout=10)

        assert trigger.stats().running >= peak
        if "max_concurrency" in settings:
            assert trigger.stats().peak == peak
        go.set()
        broker.run_until_idle()
        assert queue.stats().deleted == 8
        broker.check()


def test_nothing_is_lost_or_handled_twice_among_threads() -> None:
    handled: list[str] = []
    with Broker() as broker:
        queue = broker.queue("orders")
        twice = broker.queue("twice")

        def handle(event: Event, context: Any) -> None:
            handled.extend(record["body"] for record in event["Records"])

        async def ahandle(event: Event, context: Any) -> None:
            handled.extend(record["body"] for record in event["Records"])

        queue.trigger(handle)
        twice.trigger(ahandle)
        senders = [
            threading.Thread(
                target=lambda base=base: [(queue.send(f"{base}-{n}"), twice.send(f"a{base}-{n}")) for n in range(500)]
            )
            for base in range(4)
        ]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join()
        broker.run_until_idle()
        broker.check()

    assert len(handled) == len(set(handled)) == 4_000


def test_pausing_and_resuming_among_threads_loses_nothing() -> None:
    handled: list[str] = []
    with Broker() as broker:
        queue = broker.queue("orders")

        def handle(event: Event, context: Any) -> None:
            handled.extend(record["body"] for record in event["Records"])

        trigger = queue.trigger(handle)
        for number in range(300):
            queue.send(str(number))
            trigger.pause()
            trigger.resume()
        broker.run_until_idle()
        assert sorted(handled, key=int) == [str(number) for number in range(300)]
        assert trigger.stats().received == 300
        broker.check()


def test_a_broker_that_closes_gives_back_what_was_not_begun() -> None:
    inside, go = threading.Event(), threading.Event()
    broker = Broker().start()
    queue = broker.queue("orders")

    @broker.function(timeout=30)
    def handle(event: Event, context: Any) -> None:
        inside.set()
        go.wait()

    queue.trigger(handle, batch_size=1, max_concurrency=1)
    queue.send_batch(["a", "b"])
    assert inside.wait(10)
    closer = threading.Thread(target=broker.close)
    closer.start()
    go.set()
    closer.join()

    stats = queue.stats()
    assert (stats.deleted + stats.visible, stats.in_flight) == (2, 0)
    broker.check()


@pytest.mark.slow
def test_a_handler_past_its_timeout_is_abandoned_and_its_messages_come_again() -> None:
    late, calls = threading.Event(), threading.Semaphore(0)
    with Broker() as broker:
        queue = broker.queue("orders", visibility_timeout=1)

        @broker.function(timeout=0.2)
        def handle(event: Event, context: Any) -> None:
            calls.release()
            if event["Records"][0]["attributes"]["ApproximateReceiveCount"] == "1":
                late.wait(10)

        trigger = queue.trigger(handle, max_concurrency=1)
        queue.send("a")
        assert calls.acquire(timeout=10)
        assert calls.acquire(timeout=10)
        late.set()
        report = broker.run_until_idle(errors="collect")

        assert (trigger.stats().failed, trigger.stats().succeeded, trigger.stats().errors) == (1, 1, 1)
        assert {type(error).__name__ for error in report.errors} <= {"FunctionTimedOut"}
        broker.check()


# -- loops -------------------------------------------------------------------------------------------------------------


def test_a_loop_of_function_and_queue_is_stopped_after_16_runs(broker: Broker) -> None:
    """Lambda: recursive loop detection; the message goes to the dead-letter queue of the queue."""
    dead = broker.queue("dead")
    orders = broker.queue("orders", dead_letter=dead)
    runs: list[str] = []

    def loop(event: Event, context: Any) -> None:
        runs.extend(record["body"] for record in event["Records"])
        orders.send(f"turn {len(runs) + 1}")

    trigger = orders.trigger(loop)
    orders.send("turn 1")
    broker.run_until_idle(budget=86_400)

    assert runs == [f"turn {number}" for number in range(1, 17)]
    [letter] = dead.receive()
    assert letter.failure is not None
    assert (letter.text, letter.failure.error) == ("turn 17", "decouple.errors.RecursionStopped")
    assert trigger.stats().failed == 1
    broker.check()


@pytest.mark.parametrize("how", ["batch", "json", "fifo", "topic", "attributes"])
def test_a_loop_is_found_however_the_function_sends(broker: Broker, how: str) -> None:
    orders = broker.queue("orders", fifo=how == "fifo")
    topic = broker.topic("events")
    if how == "topic":
        topic.subscribe(orders)
    runs: list[Event] = []
    send: Any = {
        "batch": lambda: orders.send_batch(["again"]),
        "json": lambda: orders.send({"again": True}),
        "fifo": lambda: orders.send("again", group="g", deduplication_id=str(len(runs))),
        "topic": lambda: topic.publish("again"),
        "attributes": lambda: orders.send(
            "again", attributes={"a": 1}, system={"AWSTraceHeader": "Root=1;Lineage=x:1"}
        ),
    }[how]

    def loop(event: Event, context: Any) -> None:
        runs.append(event)
        send()

    orders.trigger(loop)
    send()
    broker.run_until_idle(budget=86_400)

    assert len(runs) == 16
    assert orders.stats().visible == orders.stats().in_flight == 0


def test_a_loop_of_function_and_topic_is_stopped_too(broker: Broker) -> None:
    events, failed = broker.topic("events"), broker.queue("failed")
    runs: list[Event] = []

    def loop(event: Event, context: Any) -> None:
        runs.append(event)
        events.publish("again")

    events.subscribe(broker.function(loop, on_failure=failed))
    events.publish("first")
    broker.run_until_idle(budget=86_400)

    assert len(runs) == 16
    assert failed.receive()[0].json()["responsePayload"]["errorType"] == "RecursionStopped"


def test_messages_from_outside_are_no_loop_beside_one(broker: Broker) -> None:
    """The others of a batch are handled, and a loop that is meant may go on."""
    orders = broker.queue("orders")
    runs: list[str] = []

    def loop(event: Event, context: Any) -> None:
        runs.extend(record["body"] for record in event["Records"])
        if runs.count("again") < 40:
            orders.send("again")

    orders.trigger(broker.function(loop, recursion="allow"))
    orders.send("again")
    for number in range(20):
        orders.send(f"{number}")
    broker.run_until_idle()

    assert runs.count("again") == 40
    assert {f"{number}" for number in range(20)} <= set(runs)


def test_what_a_closed_broker_can_no_longer_begin_goes_back_at_once(
    broker: Broker, orders: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The broker is closed between taking the messages and beginning the function."""
    handle = broker.function(lambda event, context: None, name="handle")
    trigger = orders.trigger(handle)

    def refuse(invocation: Any) -> None:
        trigger.pause()
        raise BrokenOff("handle")

    monkeypatch.setattr(handle, "admit", refuse)
    orders.send("a")
    broker.run_until_idle()

    [message] = orders.peek()
    assert (message.receive_count, orders.stats().in_flight, trigger.stats().running) == (0, 0, 0)


def test_the_end_of_a_function_ends_its_triggers(broker: Broker, orders: Queue, seen: Seen) -> None:
    function = broker.function(seen)
    trigger = orders.trigger(function)

    broker.delete(function)
    orders.send("order 7")
    broker.run_until_idle()

    assert (trigger.stats().state, seen.events, orders.stats().visible) == ("closed", [], 1)
    orders.trigger(broker.function(seen))
    broker.run_until_idle()
    assert seen.bodies == ["order 7"]


@pytest.mark.parametrize("wrong", [None, 7, "ship"])
def test_what_is_no_function_is_refused(orders: Queue, wrong: Any) -> None:
    with pytest.raises(TypeError, match="must be callable with"):
        orders.trigger(wrong)
