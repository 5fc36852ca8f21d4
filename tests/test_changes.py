"""The change stream: one record for every transition, with its cause and the instant it was due."""

from __future__ import annotations

import asyncio
import pickle
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, get_args

import pytest

from decouple import (
    AccessDenied,
    Broker,
    Change,
    DeliveryRefused,
    Email,
    FunctionTimedOut,
    Message,
    Notification,
    NotInFlight,
    Queue,
    ReceiptExpired,
    SystemClock,
)
from decouple.core.changes import Cause
from decouple.testing import Faults, Ledger, VirtualClock

SECOND = 1_000_000_000
NEW_YEAR = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp()) * SECOND

Shown = tuple[str, float, float | None, int]


def shown(changes: list[Change]) -> list[Shown]:
    """cause, seconds since the start, seconds until when, receives"""
    return [
        (
            change.cause,
            (change.at - NEW_YEAR) / SECOND,
            None if change.until is None else (change.until - NEW_YEAR) / SECOND,
            change.receives,
        )
        for change in changes
    ]


def redelivered(orders: Queue, dead: Queue, clock: VirtualClock) -> list[Shown]:
    orders.send("x")
    clock.advance(5)
    orders.receive()
    clock.advance(100)
    orders.receive()[0].ack()
    return [
        ("sent", 0, None, 0),
        ("received", 5, 35, 1),
        ("expired", 35, None, 1),
        ("received", 105, 135, 2),
        ("deleted", 105, None, 2),
    ]


def delayed(orders: Queue, dead: Queue, clock: VirtualClock) -> list[Shown]:
    orders.send("x", delay=10)
    clock.advance(100)
    return [("sent", 0, 10, 0), ("delay ended", 10, None, 0)]


def extended_and_nacked(orders: Queue, dead: Queue, clock: VirtualClock) -> list[Shown]:
    orders.send("x")
    [message] = orders.receive()
    clock.advance(10)
    message.extend(100)
    clock.advance(10)
    message.nack()
    return [("sent", 0, None, 0), ("received", 0, 30, 1), ("visibility changed", 10, 110, 1), ("nacked", 20, None, 1)]


def received_for_no_time(orders: Queue, dead: Queue, clock: VirtualClock) -> list[Shown]:
    orders.send("x")
    orders.receive(visibility_timeout=0)
    return [("sent", 0, None, 0), ("received", 0, 0, 1), ("nacked", 0, None, 1)]


def too_often(orders: Queue, dead: Queue, clock: VirtualClock) -> list[Shown]:
    orders.send("x")
    orders.receive()
    clock.advance(40)
    orders.receive()[0].nack()
    clock.advance(10)
    orders.receive()
    return [
        ("sent", 0, None, 0),
        ("received", 0, 30, 1),
        ("expired", 30, None, 1),
        ("received", 40, 70, 2),
        ("nacked", 40, None, 2),
        ("moving", 50, None, 2),
        ("moved in", 50, None, 2),
        ("moved", 50, None, 2),
    ]


def refused(orders: Queue, dead: Queue, clock: VirtualClock) -> list[Shown]:
    dead.close()
    orders.send("x")
    orders.receive()[0].reject("no")
    clock.advance(60)
    return [
        ("sent", 0, None, 0),
        ("received", 0, 30, 1),
        ("moving", 0, None, 1),
        ("refused", 0, 30, 1),
        ("expired", 30, None, 1),
    ]


def rejected(orders: Queue, dead: Queue, clock: VirtualClock) -> list[Shown]:
    orders.configure(dead_letter=None, max_receives=None)
    orders.send("x")
    orders.receive()[0].reject("no")
    return [("sent", 0, None, 0), ("received", 0, 30, 1), ("rejected", 0, None, 1)]


def retained_out(orders: Queue, dead: Queue, clock: VirtualClock) -> list[Shown]:
    orders.send("x")
    orders.configure(retention=60)
    clock.advance(50)
    orders.receive()
    clock.advance(100)
    return [("sent", 0, None, 0), ("received", 50, 80, 1), ("retained out", 60, None, 1)]


def retained_out_unseen(orders: Queue, dead: Queue, clock: VirtualClock) -> list[Shown]:
    orders.configure(retention=60)
    orders.send("x")
    clock.advance(100)
    return [("sent", 0, None, 0), ("retained out", 60, None, 0)]


def purged(orders: Queue, dead: Queue, clock: VirtualClock) -> list[Shown]:
    orders.send("x")
    orders.receive()
    clock.advance(5)
    orders.purge()
    return [("sent", 0, None, 0), ("received", 0, 30, 1), ("purged", 5, None, 1)]


def given_back(orders: Queue, dead: Queue, clock: VirtualClock) -> list[Shown]:
    async def main() -> None:
        parked = asyncio.create_task(orders.aio.receive(wait=20))
        await asyncio.sleep(0)
        assert orders.stats().parked == 1
        orders.send("x")
        parked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await parked

    asyncio.run(main())
    return [("sent", 0, None, 0), ("received", 0, 30, 1), ("given back", 0, None, 0)]


STORIES: list[Callable[[Queue, Queue, VirtualClock], list[Shown]]] = [
    redelivered,
    delayed,
    extended_and_nacked,
    received_for_no_time,
    too_often,
    refused,
    rejected,
    retained_out,
    retained_out_unseen,
    purged,
    given_back,
]


@pytest.fixture
def dead(broker: Broker) -> Queue:
    return broker.queue("dead")


@pytest.fixture
def orders(broker: Broker, dead: Queue) -> Queue:
    return broker.queue("orders", dead_letter=dead, max_receives=2)


@pytest.mark.parametrize("story", STORIES)
def test_every_transition_is_recorded_with_its_cause_at_its_instant(
    orders: Queue,
    dead: Queue,
    clock: VirtualClock,
    ledger: Ledger,
    story: Callable[[Queue, Queue, VirtualClock], list[Shown]],
) -> None:
    wanted = story(orders, dead, clock)

    [id] = {change.id for change in ledger.changes if change.cause == "sent"}
    assert id is not None
    assert shown(ledger.history(id)) == wanted


def test_the_stories_and_the_queues_own_changes_are_all_causes_there_are(clock: VirtualClock) -> None:
    told: set[str] = set()
    for story in STORIES:
        clock = VirtualClock()
        ledger = Ledger()
        with Broker(clock=clock, observers=[ledger]) as broker:
            dead = broker.queue("dead")
            story(broker.queue("orders", dead_letter=dead, max_receives=2), dead, clock)
            with suppress(AccessDenied):
                dead.as_principal("*").purge()
        told |= set(ledger.counts)

    told |= set(fifo_story(VirtualClock()))
    told |= set(topic_story(VirtualClock()))
    told |= set(schedule_story(VirtualClock()))
    told |= set(function_story(VirtualClock()))
    told |= set(late_story())
    told |= set(fault_story(VirtualClock()))

    assert told == set(get_args(Cause))


def fault_story(clock: VirtualClock) -> list[str]:
    """What a test makes happen."""
    ledger = Ledger()
    Broker(clock=clock, observers=[ledger], faults=Faults(duplicate=1)).queue("orders").send("a")
    return list(ledger.counts)


def topic_story(clock: VirtualClock) -> list[str]:
    """What happens to topics, and to notifications on their way."""
    ledger = Ledger()
    broker = Broker(clock=clock, observers=[ledger])
    topic = broker.topic("events")

    def fail(notification: Notification) -> None:
        if notification.attempt < 3:
            raise RuntimeError("not yet")
        raise DeliveryRefused("here", why="never")

    topic.subscribe(fail)
    topic.subscribe(Email("a@example.com")).confirm()
    topic.publish("7")
    broker.run_until_idle(budget=60, errors="collect")
    broker.delete(topic)
    return list(ledger.counts)


def function_story(clock: VirtualClock) -> list[str]:
    """What happens to functions, to the events sent to them, and to the messages that start them."""
    ledger = Ledger()
    broker = Broker(clock=clock, observers=[ledger])
    records, orders = broker.queue("records"), broker.queue("orders.fifo", content_based_deduplication=True)
    records.close()

    @broker.function(timeout=20, retries=0, on_failure=records)
    def handle(event: dict[str, Any], context: Any) -> None:
        if "Records" not in event:
            raise RuntimeError("no records")
        orders.change_visibility(event["Records"][0]["receiptHandle"], 1)
        broker.queue("slow").receive(wait=2)

    trigger = orders.trigger(handle)
    handle.send({})
    orders.send("a", group="g")
    broker.run_until_idle(errors="collect")
    trigger.close()
    return list(ledger.counts)


def late_story() -> list[str]:
    """A handler that is not done at its timeout, which only a thread can be."""
    ledger = Ledger()
    late, gate = threading.Event(), threading.Event()

    def told(change: Change) -> None:
        ledger(change)
        if change.cause == "late result":
            late.set()

    with Broker(observers=[told]) as broker:

        @broker.function(timeout=0.01)
        def handle(event: Any, context: Any) -> None:
            gate.wait()

        with pytest.raises(FunctionTimedOut):
            handle.invoke()
        gate.set()
        assert late.wait(10)
    return list(ledger.counts)


def schedule_story(clock: VirtualClock) -> list[str]:
    """What happens to schedules, and to what they had due."""
    ledger = Ledger()
    broker = Broker(clock=clock, observers=[ledger])
    attempts: list[str] = []

    def fail(payload: str) -> None:
        attempts.append(payload)
        if len(attempts) < 2:
            raise RuntimeError("not yet")
        raise DeliveryRefused("here", why="never")

    broker.schedule("at(2026-01-01T00:00:01)", fail, payload="x")
    broker.schedule("at(2026-01-01T00:00:01)", attempts.append, payload="x")
    broker.run_until_idle(budget=60, errors="collect")
    return list(ledger.counts)


def fifo_story(clock: VirtualClock) -> list[str]:
    """What only happens in FIFO queues."""
    ledger = Ledger()
    broker = Broker(clock=clock, observers=[ledger])
    entries, others = broker.queue("entries.fifo", max_receives=1, on_poison="park"), broker.queue("others.fifo")
    entries.send("failing", group="a", deduplication_id="1")
    entries.send("failing", group="a", deduplication_id="1")
    entries.receive()[0].nack()
    entries.receive()
    entries.release("a")
    entries.send("late", group="b", deduplication_id="2")
    entries.configure(delay=5)
    others.send("x", group="a", deduplication_id="1")
    [message] = others.receive(visibility_timeout=1)
    clock.advance(1)
    with suppress(ReceiptExpired):
        message.ack()
    ledger.check()
    return [change.cause for change in ledger.changes]


def test_what_happens_in_a_fifo_queue_alone_is_recorded_too(clock: VirtualClock) -> None:
    assert fifo_story(clock) == [
        "sent", "duplicate", "received", "nacked", "group parked", "group released", "sent", "configured", "delay changed",
        "sent", "received", "expired", "too late",
    ]  # fmt: skip


def test_a_change_carries_what_is_needed_to_repeat_it(orders: Queue, clock: VirtualClock, ledger: Ledger) -> None:
    clock.advance(1.5)
    sent = orders.send("x", attributes={"n": 1}, delay=5)

    [change] = ledger.changes

    assert (change.queue, change.id, change.text, dict(change.attributes)) == ("orders", sent.id, "x", {"n": 1})
    assert change.happened_at == datetime(2026, 1, 1, 0, 0, 1, 500_000, tzinfo=UTC)
    assert change.record is not None
    assert change.seq == change.record[2]


def test_a_move_names_the_queue_at_its_other_end_and_the_reason(orders: Queue, dead: Queue, ledger: Ledger) -> None:
    orders.send("x")
    [message] = orders.receive()
    message.reject("no such customer")
    dead.redrive()

    moves = [(c.cause, c.queue, c.other, c.reason) for c in ledger.changes if c.other is not None]

    assert moves == [
        ("moving", "orders", "dead", "no such customer"),
        ("moved in", "dead", "orders", None),
        ("moved", "orders", "dead", None),
        ("moving", "dead", "orders", None),
        ("moved in", "orders", "dead", None),
        ("moved", "dead", "orders", None),
    ]
    assert {c.id for c in ledger.changes if c.queue == "dead"} == {message.id}


def test_a_change_of_the_queue_itself_names_no_message(orders: Queue, dead: Queue, ledger: Ledger) -> None:
    orders.configure(delay=5, dead_letter=dead)
    orders.close()
    orders.close()

    configured, closed = ledger.changes
    assert (configured.cause, configured.settings) == ("configured", {"delay": 5, "dead_letter": "dead"})
    assert (closed.cause, closed.settings) == ("closed", None)
    assert {(change.id, change.seq, change.text, len(change.attributes)) for change in (configured, closed)} == {
        (None, None, None, 0)
    }


def test_a_refused_configuration_and_a_refused_send_are_not_recorded(orders: Queue, ledger: Ledger) -> None:
    with pytest.raises(ValueError, match="delay"):
        orders.configure(delay=-1)
    with pytest.raises(ValueError, match="empty"):
        orders.send("")

    assert ledger.changes == []


@pytest.mark.parametrize("settle", ["purge", "receipt"])
def test_a_cancelled_receive_gives_nothing_back_when_its_message_is_gone(orders: Queue, settle: str) -> None:
    async def main() -> None:
        parked = asyncio.create_task(orders.aio.receive(wait=20))
        await asyncio.sleep(0)
        sent = orders.send("x")
        orders.purge() if settle == "purge" else orders.delete(f"{sent.id}.1")
        parked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await parked

    asyncio.run(main())

    assert (orders.stats().given_back, orders.stats().visible, orders.stats().in_flight) == (0, 0, 0)


def test_deleting_again_is_recorded_once(orders: Queue, ledger: Ledger) -> None:
    orders.send("x")
    [message] = orders.receive()
    message.ack()
    message.ack()
    orders.delete(message.receipt)

    assert ledger.counts["deleted"] == 1


def test_a_batch_is_recorded_message_by_message(orders: Queue, ledger: Ledger) -> None:
    orders.send_batch(["one", "two"])
    orders.delete(*orders.receive(max_messages=2))

    assert [(change.cause, change.text) for change in ledger.changes] == [
        ("sent", "one"),
        ("sent", "two"),
        ("received", "one"),
        ("received", "two"),
        ("deleted", "one"),
        ("deleted", "two"),
    ]


def test_a_change_can_be_kept_and_not_altered(orders: Queue, ledger: Ledger) -> None:
    orders.send("x")

    with pytest.raises(AttributeError):
        ledger.changes[0].cause = "deleted"  # type: ignore[misc]


def test_a_change_survives_pickle_and_can_be_put_in_a_set(orders: Queue, ledger: Ledger) -> None:
    orders.send("x", attributes={"tags": [1]})
    orders.send("y", group="tenant")

    again = pickle.loads(pickle.dumps(ledger.changes))

    assert again == ledger.changes
    assert set(again) == set(ledger.changes)


# -- what is noticed late --------------------------------------------------------------------------------------


class LateClock(SystemClock):
    """A clock like the real one: nobody is told when it moves, so what falls due is noticed at the next operation."""

    def __init__(self) -> None:
        self.instant = 0
        self.epoch = NEW_YEAR
        self.now = lambda: self.instant

    def move(self, seconds: float) -> None:
        self.instant += round(seconds * SECOND)


@pytest.fixture
def late() -> LateClock:
    return LateClock()


@pytest.fixture
def lazy(late: LateClock, ledger: Ledger) -> Queue:
    return Broker(clock=late, observers=[ledger]).queue("lazy")


LOOKS: dict[str, Callable[[Queue], object]] = {
    "receive": lambda queue: queue.receive(),
    "receive ten": lambda queue: queue.receive(max_messages=10),
    "stats": lambda queue: queue.stats(),
    "peek": lambda queue: queue.peek(),
    "check": lambda queue: queue.check(),
}
every_look = pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS.keys())


@every_look
def test_what_is_noticed_late_is_recorded_at_the_instant_it_was_due(
    lazy: Queue, late: LateClock, ledger: Ledger, look: Callable[[Queue], object]
) -> None:
    lazy.configure(retention=60)
    lazy.send("x", delay=5)
    late.move(10)
    lazy.send("y")
    lazy.send("z")
    lazy.receive()
    late.move(90)

    look(lazy)

    noticed = [change for change in ledger.changes if change.cause in ("delay ended", "expired", "retained out")]
    by_text = sorted((change.text, *shown([change])[0][:2]) for change in noticed)
    assert by_text == [
        ("x", "delay ended", 5),
        ("x", "expired", 40),
        ("x", "retained out", 60),
        ("y", "retained out", 70),
        ("z", "retained out", 70),
    ]
    ledger.check()


SETTLES: dict[str, tuple[Callable[[Queue, Message], object], list[str]]] = {
    "ack": (lambda queue, message: message.ack(), ["deleted"]),
    "delete": (lambda queue, message: queue.delete(message.receipt), ["deleted"]),
    "extend": (lambda queue, message: message.extend(5), ["visibility changed"]),
    "nack": (lambda queue, message: message.nack(), []),
    "reject": (lambda queue, message: message.reject("no"), ["rejected"]),
    "purge": (lambda queue, message: queue.purge(), ["purged"]),
}


@pytest.mark.parametrize(("settle", "then"), SETTLES.values(), ids=SETTLES.keys())
def test_a_late_settlement_comes_after_the_expiry_it_was_late_for(
    lazy: Queue,
    late: LateClock,
    ledger: Ledger,
    settle: Callable[[Queue, Message], object],
    then: list[str],
) -> None:
    """design.md: each operation first settles what is due."""
    lazy.send("x")
    [message] = lazy.receive()
    late.move(40)

    settle(lazy, message)

    wanted = [("sent", 0), ("received", 0), ("expired", 30), *((cause, 40) for cause in then)]
    assert [change[:2] for change in shown(ledger.history(message.id))] == wanted
    assert lazy.stats().expired == 1


@pytest.mark.parametrize("settle", [settle for settle, _ in SETTLES.values()], ids=SETTLES.keys())
def test_a_settlement_after_the_retention_finds_the_message_gone(
    lazy: Queue, late: LateClock, ledger: Ledger, settle: Callable[[Queue, Message], object]
) -> None:
    """design.md: each operation first settles what is due; here the retention, 20 s before the timeout."""
    lazy.configure(retention=60)
    lazy.send("x")
    late.move(50)
    [message] = lazy.receive()
    late.move(20)

    with suppress(NotInFlight):
        settle(lazy, message)

    assert [change[:2] for change in shown(ledger.history(message.id))][-1] == ("retained out", 60)
    assert lazy.stats().retained_out == 1


def test_without_observers_the_counts_are_the_same_when_noticed_late(late: LateClock) -> None:
    queue = Queue("lazy", retention=60, clock=late)
    queue.send_batch([str(number) for number in range(200)])
    queue.receive(max_messages=150)
    late.move(45)

    assert len(queue.receive(max_messages=500)) == 200
    assert (queue.stats().expired, queue.stats().received) == (150, 350)

    late.move(15)
    assert queue.receive() == []
    assert queue.check()["retained_out"] == 200


# -- observers that misbehave, and no observers ----------------------------------------------------------------


def test_an_observer_that_raises_is_logged_and_undoes_nothing(
    clock: VirtualClock, ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(change: Change) -> None:
        raise LookupError(change.cause)

    orders = Broker(clock=clock, observers=[broken, ledger]).queue("orders")
    orders.send("x")
    orders.receive()[0].ack()

    assert ledger.counts == {"sent": 1, "received": 1, "deleted": 1}
    errors = [record.exc_info[1] for record in caplog.records if record.exc_info is not None]
    assert [str(error) for error in errors] == ["sent", "received", "deleted"]
    assert "was deleted in queue 'orders'" in caplog.records[-1].getMessage()


def test_an_observer_that_is_interrupted_is_told_again(clock: VirtualClock) -> None:
    heard: list[str] = []

    def interrupted(change: Change) -> None:
        heard.append(change.cause)
        if len(heard) == 1:
            raise KeyboardInterrupt

    orders = Broker(clock=clock, observers=[interrupted]).queue("orders")

    with pytest.raises(KeyboardInterrupt):
        orders.send("x")
    orders.receive()

    assert heard == ["sent", "sent", "received"]


def test_without_observers_no_record_is_made(clock: VirtualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a record was made")

    monkeypatch.setattr(Change, "__init__", refuse)
    for story in STORIES:
        clock = VirtualClock()
        dead = Queue("dead", clock=clock)
        orders = Queue("orders", dead_letter=dead, max_receives=2, clock=clock)
        story(orders, dead, clock)
        orders.check()

        assert not orders._core.log
