"""The broker: names, one clock, a life cycle, the books of all its queues."""

from __future__ import annotations

import asyncio
import dataclasses
from pathlib import Path
from typing import Any

import pytest

from decouple import (
    Broker,
    Change,
    DecoupleError,
    InvalidName,
    LawBroken,
    NotInFlight,
    Queue,
    QueueClosed,
    QueueError,
    QueueExists,
    QueueNotFound,
    SystemClock,
)
from decouple.testing import Ledger, VirtualClock


@dataclasses.dataclass
class Order:
    id: int


@dataclasses.dataclass
class Bill:
    id: int


def test_a_name_means_one_queue_of_one_broker(clock: VirtualClock) -> None:
    one, other = Broker(clock=clock), Broker(clock=clock)

    assert one.queue("orders") is one.queue("orders")
    assert one.queue("orders") is not other.queue("orders")
    assert one.queue("orders") is not one.queue("Orders")


def test_every_queue_lives_on_the_brokers_clock(broker: Broker, clock: VirtualClock) -> None:
    assert broker.clock is broker.queue("orders").clock is clock


def test_a_broker_without_a_clock_lives_on_real_time() -> None:
    assert isinstance(Broker().clock, SystemClock)


def test_the_declared_queues_can_be_read_and_not_written(broker: Broker) -> None:
    orders = broker.queue("orders")

    assert dict(broker.queues) == {"orders": orders}
    with pytest.raises(TypeError):
        broker.queues["bills"] = orders  # type: ignore[index]
    assert repr(broker) == "<Broker: 1 queues, 0 topics, 0 functions>"


# -- declaring again -------------------------------------------------------------------------------------------


def test_only_the_settings_given_again_are_compared(broker: Broker) -> None:
    """SQS, CreateQueue: without attributes it always returns the queue."""
    dead = broker.queue("dead")
    orders = broker.queue("orders", delay=5, dead_letter=dead, max_receives=3, body=Order)

    assert broker.queue("orders") is orders
    assert broker.queue("orders", delay=5.0, body=Order) is orders  # type: ignore[comparison-overlap]
    assert broker.queue("orders", max_receives=3) is orders
    assert broker.queue("orders", dead_letter=dead) is orders


def test_a_queue_is_compared_with_the_settings_it_has_now(broker: Broker) -> None:
    """SQS, CreateQueue: the attributes given are compared with the current values."""
    orders = broker.queue("orders", delay=5)
    orders.configure(delay=7)

    assert broker.queue("orders", delay=7) is orders
    with pytest.raises(QueueExists):
        broker.queue("orders", delay=5)


@pytest.mark.parametrize(
    ("settings", "setting", "current", "asked"),
    [
        ({"visibility_timeout": 30, "delay": 1.5, "retention": 60}, "delay", 0, 1.5),
        ({"max_in_flight": 7}, "max_in_flight", 120_000, 7),
        ({"body": Bill}, "body", "Order", "Bill"),
    ],
)
def test_the_first_setting_that_differs_is_named(
    broker: Broker, settings: dict[str, Any], setting: str, current: object, asked: object
) -> None:
    """SQS: QueueNameExists naming the first differing attribute."""
    orders = broker.queue("orders", body=Order)
    before = orders.settings

    with pytest.raises(QueueExists, match=f"queue 'orders' exists with {setting}=") as caught:
        broker.queue("orders", **settings)

    error = caught.value
    assert (error.queue, error.setting, error.current, error.asked) == ("orders", setting, current, asked)
    assert isinstance(error, QueueError)
    assert orders.settings == before


def test_another_dead_letter_queue_is_another_setting(broker: Broker) -> None:
    dead, other = broker.queue("dead"), broker.queue("other")
    broker.queue("orders", dead_letter=dead)

    with pytest.raises(QueueExists) as caught:
        broker.queue("orders", dead_letter=other)

    assert (caught.value.setting, caught.value.current, caught.value.asked) == ("dead_letter", dead, other)


@pytest.mark.parametrize(
    ("name", "settings", "error"),
    [
        ("a b", {}, InvalidName),
        ("orders", {"delay": -1}, ValueError),
        ("orders", {"max_receives": 3}, ValueError),
        ("orders", {"colour": "red"}, TypeError),
        ("orders", {"body": int}, TypeError),
        ("orders", {"clock": VirtualClock()}, TypeError),
    ],
)
@pytest.mark.parametrize("again", [False, True])
def test_a_wrong_declaration_declares_nothing(
    broker: Broker, name: str, settings: dict[str, Any], error: type[Exception], again: bool
) -> None:
    if again:
        broker.queue("orders")
    before = dict(broker.queues)

    with pytest.raises(QueueExists if again and "body" in settings else error):
        broker.queue(name, **settings)

    assert dict(broker.queues) == before


def test_a_dead_letter_queue_of_another_time_is_refused(broker: Broker) -> None:
    with pytest.raises(ValueError, match="another clock"):
        broker.queue("orders", dead_letter=Queue("dead", clock=VirtualClock()))

    assert dict(broker.queues) == {}


# -- deleting --------------------------------------------------------------------------------------------------


def test_a_deleted_queue_is_closed_its_messages_are_recorded_and_its_name_is_free(
    broker: Broker, clock: VirtualClock, ledger: Ledger
) -> None:
    orders = broker.queue("orders")
    orders.send_batch(["visible", "in flight", "visible again"])
    orders.send("delayed", delay=5)
    [again], [message] = orders.receive(), orders.receive()
    again.nack()

    broker.delete(orders)

    assert (orders.closed, dict(broker.queues)) == (True, {})
    assert ledger.counts["purged"] == 4
    assert orders.check()["purged"] == 4
    with pytest.raises(QueueClosed):
        orders.send("x")
    with pytest.raises(NotInFlight):
        message.extend(5)
    message.ack()


def test_a_queue_declared_after_a_deleted_one_of_its_name_is_a_new_one_and_the_ledger_knows(
    broker: Broker, ledger: Ledger
) -> None:
    old = broker.queue("orders")
    old.send("x")
    broker.delete(old)

    new = broker.queue("orders", delay=5)
    new.send("y")

    assert new is not old
    assert ledger.check()["delayed"] == 1


def test_a_queue_that_is_not_the_brokers_cannot_be_deleted(broker: Broker, clock: VirtualClock) -> None:
    mine = broker.queue("orders")
    foreign, gone = Queue("orders", clock=clock), broker.queue("gone")
    broker.delete(gone)

    for queue in (foreign, gone):
        with pytest.raises(QueueNotFound, match=f"no queue '{queue.name}' is declared among the broker's 1") as caught:
            broker.delete(queue)
        assert caught.value.queue == queue.name
    assert (mine.closed, foreign.closed) == (False, False)


@pytest.mark.parametrize("wrong", ["orders", None, 7])
def test_only_a_queue_can_be_deleted(broker: Broker, wrong: Any) -> None:
    broker.queue("orders")

    with pytest.raises(TypeError):
        broker.delete(wrong)
    assert list(broker.queues) == ["orders"]


def test_a_dead_letter_queue_in_use_cannot_be_deleted(broker: Broker) -> None:
    dead = broker.queue("dead")
    orders = broker.queue("orders", dead_letter=dead)
    broker.queue("bills", dead_letter=dead)

    with pytest.raises(ValueError, match="'dead' is the dead-letter queue of orders, bills: configure those first"):
        broker.delete(dead)
    assert not dead.closed

    orders.configure(dead_letter=None)
    broker.queues["bills"].configure(dead_letter=None)
    broker.delete(dead)
    assert dead.closed


# -- life ------------------------------------------------------------------------------------------------------


def test_at_the_end_of_with_every_queue_is_closed_and_what_is_in_flight_can_be_settled(clock: VirtualClock) -> None:
    with Broker(clock=clock) as broker:
        orders = broker.queue("orders")
        orders.send("x")
        [message] = orders.receive()

    assert orders.closed
    message.ack()
    assert broker.check()["deleted"] == 1
    assert repr(broker) == "<Broker: 1 queues, 0 topics, 0 functions, closed>"


def test_async_with_closes_too(clock: VirtualClock) -> None:
    async def main() -> Queue:
        async with Broker(clock=clock) as broker:
            orders = broker.queue("orders")
            await orders.aio.send("x")
            for message in await orders.aio.receive():
                async with message:
                    assert message.body == "x"
        return orders

    orders = asyncio.run(main())

    assert (orders.closed, orders.stats().deleted) == (True, 1)


def test_an_error_in_the_block_closes_the_broker_and_is_raised(clock: VirtualClock) -> None:
    broker = Broker(clock=clock)
    orders = broker.queue("orders")

    with pytest.raises(LookupError), broker:
        raise LookupError

    assert orders.closed


def test_closing_twice_is_no_error_and_a_closed_broker_starts_and_declares_no_more(clock: VirtualClock) -> None:
    broker = Broker(clock=clock)
    orders = broker.queue("orders")
    broker.close()
    broker.close()

    with pytest.raises(DecoupleError, match="the broker is closed"):
        broker.queue("bills")
    with pytest.raises(DecoupleError, match="the broker is closed"):
        broker.start()
    with pytest.raises(DecoupleError, match="the broker is closed"), broker:
        pass
    assert dict(broker.queues) == {"orders": orders}


def test_declaring_and_sending_work_before_the_start(clock: VirtualClock) -> None:
    broker = Broker(clock=clock)
    broker.queue("orders").send("x")

    assert broker.start() is broker
    assert broker.queue("orders").stats().visible == 1


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"url": "redis://orders"}, ValueError, "url must be 'memory://', 'file:///folder'"),
        ({"url": Path("queues")}, TypeError, "url must be text, 'memory://', 'file:///folder'"),
        ({"url": "sqlite:///:memory:"}, ValueError, "would be kept nowhere: Broker"),
        ({"url": "file:///srv/queues#1"}, ValueError, "write %23 for one in a name"),
        ({"url": "file:///"}, ValueError, "names no path: write file:///path"),
        ({"observers": [7]}, TypeError, "observers must be callables"),
        ({"observers": 7}, TypeError, "iterable"),
    ],
)
def test_a_wrong_argument_of_a_broker_is_one_clear_error(
    arguments: dict[str, Any], error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        Broker(**arguments)


# -- the books -------------------------------------------------------------------------------------------------


def test_the_stats_are_those_of_every_queue_by_name(broker: Broker) -> None:
    broker.queue("orders").send("x")
    broker.queue("bills")

    stats = broker.stats()

    assert {name: one.visible for name, one in stats.items()} == {"orders": 1, "bills": 0}


def test_the_law_holds_over_all_queues(broker: Broker, clock: VirtualClock) -> None:
    dead = broker.queue("dead")
    orders = broker.queue("orders", dead_letter=dead, max_receives=2)
    orders.send_batch(["acked", "moved", "in flight", "visible"])
    orders.send("delayed", delay=5)
    acked, moved, _ = orders.receive(max_messages=3)
    acked.ack()
    moved.reject("no")

    assert broker.check() == {
        "accepted": 6,
        "deleted": 1,
        "retained_out": 0,
        "purged": 0,
        "rejected": 0,
        "moved_out": 1,
        "moving": 0,
        "visible": 2,
        "in_flight": 1,
        "delayed": 1,
    }


def test_a_broker_without_queues_is_in_order() -> None:
    broker = Broker()

    assert (broker.check(), broker.stats()) == ({}, {})


def test_a_law_that_does_not_hold_is_raised_with_the_numbers(clock: VirtualClock) -> None:
    broker = Broker(clock=clock)
    orders = broker.queue("orders")
    orders.send("x")
    orders._core.deleted += 1

    with pytest.raises(LawBroken, match=r"queue 'orders': what came is not what went.*accepted 1, deleted 1") as caught:
        broker.check()

    assert isinstance(caught.value, DecoupleError)
    assert (caught.value.numbers["accepted"], caught.value.numbers["visible"]) == (1, 1)


# -- observers -------------------------------------------------------------------------------------------------


def test_every_observer_is_told_of_every_change_in_order(clock: VirtualClock) -> None:
    heard: list[tuple[str, str]] = []
    observers = [lambda change, name=name: heard.append((name, change.cause)) for name in "ab"]
    with Broker(clock=clock, observers=observers) as broker:
        broker.queue("orders").send("x")
        broker.queue("orders").receive()[0].ack()

    causes = ["sent", "received", "deleted", "closed"]
    assert heard == [(name, cause) for cause in causes for name in "ab"]


def test_an_observer_may_use_the_queue_it_is_told_of(clock: VirtualClock) -> None:
    seen: list[tuple[str, int]] = []

    def count(change: Change) -> None:
        seen.append((change.cause, broker.queues["orders"].stats().visible))
        if change.cause == "sent" and len(seen) == 1:
            broker.queues["orders"].send("note")

    broker = Broker(clock=clock, observers=[count])
    broker.queue("orders").send("x")

    assert seen == [("sent", 1), ("sent", 2)]


def test_a_queue_of_its_own_has_no_observers(queue: Queue, ledger: Ledger) -> None:
    queue.send("x")

    assert ledger.changes == []
    assert not queue._core.log


# -- the ledger ------------------------------------------------------------------------------------------------


def test_the_ledger_agrees_with_the_queues(broker: Broker, clock: VirtualClock, ledger: Ledger) -> None:
    orders = broker.queue("orders")
    orders.send_batch(["acked", "in flight", "visible"])
    orders.send("delayed", delay=60)
    acked, _ = orders.receive(max_messages=2)
    acked.ack()

    assert ledger.check() == {"visible": 1, "in flight": 1, "delayed": 1, "moving": 0, "gone": 1}
    assert ledger.counts == {"sent": 4, "received": 2, "deleted": 1}
    assert [change.cause for change in ledger.history(acked.id)] == ["sent", "received", "deleted"]


@pytest.mark.parametrize(
    ("order", "words"),
    [
        ((1, 2), "was unknown when it was received"),
        ((0, 0, 1, 2), "was visible when it was sent"),
        ((0, 1, 2, 2), "was gone when it was deleted"),
        ((0, 1, 1, 2), "was in flight when it was received"),
    ],
)
def test_a_ledger_whose_changes_contradict_each_other_says_so(
    clock: VirtualClock, order: tuple[int, ...], words: str
) -> None:
    ledger = Ledger()
    orders = Broker(clock=clock, observers=[ledger]).queue("orders")
    orders.send("x")
    orders.receive()[0].ack()
    ledger.changes = [ledger.changes[number] for number in order]

    with pytest.raises(LawBroken, match=words) as caught:
        ledger.check()

    assert caught.value.numbers == {"changes": len(order)}


def test_a_fifo_queue_cannot_be_declared_again_as_a_standard_one(clock: VirtualClock) -> None:
    broker = Broker(clock=clock)
    entries = broker.queue("entries", fifo=True)

    assert broker.queue("entries", fifo=True) is broker.queue("entries") is entries
    with pytest.raises(QueueExists, match="exists with fifo=True, not False"):
        broker.queue("entries", fifo=False)


@pytest.mark.parametrize(
    ("again", "mend"),
    [
        ({"fifo": True}, "another name"),
        ({"body": int}, "another name"),
        ({"tags": {"team": "shop"}}, r"queue\.tag\("),
        ({"delay": 3}, r"queue\.configure\(delay="),
    ],
)
def test_a_declaration_that_differs_says_what_can_be_done(broker: Broker, again: dict[str, Any], mend: str) -> None:
    broker.queue("orders")

    with pytest.raises(QueueExists, match=mend):
        broker.queue("orders", **again)


def test_a_broker_is_idle_while_nothing_is_due_that_its_workers_would_do(broker: Broker) -> None:
    topic = broker.topic("events")
    heard: list[str] = []
    assert broker.idle

    topic.subscribe(lambda notification: heard.append(notification.body))
    topic.publish("one")
    assert not broker.idle

    broker.run_until_idle()
    assert broker.idle
    assert heard == ["one"]


@pytest.mark.parametrize("awaits", [False, True], ids=["def", "async-def"])
def test_a_broker_knows_who_is_part_of_its_work(broker: Broker, awaits: bool) -> None:
    topic = broker.topic("events")
    seen: list[bool] = []

    async def later(_: object) -> None:
        seen.append(broker.inside)

    topic.subscribe(later if awaits else lambda _: seen.append(broker.inside))
    topic.publish("one")
    assert not broker.inside

    broker.run_until_idle()
    assert seen == [True]
    assert not broker.inside
