"""Who may use a queue as its dead-letter queue, and who does."""

from __future__ import annotations

import gc
from typing import Any

import pytest

from decouple import Broker, InvalidName, Queue
from decouple.testing import Ledger, VirtualClock


@pytest.fixture
def dead(broker: Broker) -> Queue:
    return broker.queue("dead")


def test_without_a_rule_every_queue_may(broker: Broker, dead: Queue) -> None:
    """SQS, RedriveAllowPolicy: absent = allowAll."""
    assert dead.settings["redrive_allow"] == "all"
    assert broker.queue("orders", dead_letter=dead).dead_letter is dead


def test_none_may_use_a_queue_that_allows_none(broker: Broker) -> None:
    """SQS: denyAll."""
    private = broker.queue("private", redrive_allow="none")

    with pytest.raises(ValueError, match=r"'orders' may not have 'private' as its dead-letter queue.* no queue"):
        broker.queue("orders", dead_letter=private)

    assert "orders" not in broker.queues
    assert private.sources() == []


@pytest.mark.parametrize("by", ["object", "name"])
def test_only_the_queues_named_may_use_it(broker: Broker, by: str) -> None:
    """SQS: byQueue, sourceQueueArns."""
    orders, bills = broker.queue("orders"), broker.queue("bills")
    dead = broker.queue("dead", redrive_allow=[orders if by == "object" else "orders"])
    orders.configure(dead_letter=dead, max_receives=3)

    with pytest.raises(ValueError, match=r"which allows only orders: change that with its configure\(redrive_allow"):
        bills.configure(dead_letter=dead)

    assert (bills.dead_letter, dead.sources()) == (None, [orders])


def test_a_narrowed_rule_applies_to_new_declarations_only(broker: Broker, dead: Queue, ledger: Ledger) -> None:
    """Sources keep what they have: their messages still move, and they can be declared again and configured."""
    orders = broker.queue("orders", dead_letter=dead)

    dead.configure(redrive_allow="none")

    assert broker.queue("orders", dead_letter=dead) is orders
    orders.configure(dead_letter=dead, max_receives=3)
    orders.send("x")
    orders.receive()[0].reject("no good")
    assert dead.stats().visible == 1
    orders.configure(dead_letter=None, max_receives=None)
    with pytest.raises(ValueError, match="may not have 'dead'"):
        orders.configure(dead_letter=dead)


def test_the_rule_is_recorded_and_shown_as_names(broker: Broker, dead: Queue, ledger: Ledger) -> None:
    orders = broker.queue("orders")

    dead.configure(redrive_allow=[orders, "bills", "orders"])

    assert dead.settings["redrive_allow"] == ("bills", "orders")
    [change] = [change for change in ledger.changes if change.cause == "configured"]
    assert change.settings == {"redrive_allow": ("bills", "orders")}
    assert broker.queue("dead", redrive_allow=["orders", "bills"]) is dead


def test_a_rule_names_ten_queues_at_most(broker: Broker, dead: Queue) -> None:
    """SQS: up to 10 source queues."""
    dead.configure(redrive_allow=[f"q{number}" for number in range(10)])

    with pytest.raises(ValueError, match="names 1 to 10 queues, not 11"):
        dead.configure(redrive_allow=[f"q{number}" for number in range(11)])
    with pytest.raises(ValueError, match="names 1 to 10 queues, not 0"):
        dead.configure(redrive_allow=[])


@pytest.mark.parametrize(
    ("rule", "error"),
    [("orders", ValueError), (7, TypeError), (None, TypeError), (b"all", TypeError), ({"a": 1}, TypeError),
     ([7], InvalidName), (["a b"], InvalidName)],
)  # fmt: skip
def test_a_wrong_rule_is_an_error_and_changes_nothing(dead: Queue, rule: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        dead.configure(redrive_allow=rule)

    assert dead.settings["redrive_allow"] == "all"


# -- sources ---------------------------------------------------------------------------------------------------


def test_sources_are_the_queues_that_use_it_in_the_order_they_began_to(broker: Broker, dead: Queue) -> None:
    """SQS, ListDeadLetterSourceQueues."""
    orders = broker.queue("orders", dead_letter=dead)
    bills = broker.queue("bills")
    assert dead.sources() == [orders]

    bills.configure(dead_letter=dead)
    bills.configure(max_receives=3)

    assert dead.sources() == [orders, bills]
    assert orders.sources() == []


def test_who_uses_another_queue_now_is_no_source(broker: Broker, dead: Queue) -> None:
    other = broker.queue("other")
    orders = broker.queue("orders", dead_letter=dead)

    orders.configure(dead_letter=other)

    assert (dead.sources(), other.sources()) == ([], [orders])


def test_a_deleted_queue_is_no_source(broker: Broker, dead: Queue) -> None:
    orders = broker.queue("orders", dead_letter=dead)

    broker.delete(orders)

    assert dead.sources() == []


def test_a_dead_letter_queue_keeps_no_source_alive(clock: VirtualClock) -> None:
    dead = Queue("dead", clock=clock)
    for _ in range(5):
        Queue("orders", dead_letter=dead)
    gc.collect()

    assert dead.sources() == []
    assert dead._users == {}
