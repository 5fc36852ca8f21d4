"""What a change says of who caused it, by which receipt, and of which publication a message is a copy."""

from __future__ import annotations

import asyncio
from typing import Any

from decouple import Broker, Change, Notification
from decouple.testing import Ledger, VirtualClock


def told(ledger: Ledger, *causes: str) -> list[Change]:
    return [change for change in ledger.changes if change.cause in causes]


def test_a_change_names_the_thread_that_caused_it(broker: Broker, ledger: Ledger) -> None:
    broker.queue("orders").send("x")

    [sent] = ledger.changes
    assert sent.who == "thread MainThread"


def test_a_change_names_the_task_that_caused_it_also_when_the_message_came_while_it_waited(ledger: Ledger) -> None:
    async def main() -> None:
        queue = Broker(observers=[ledger]).queue("orders")
        waiting = asyncio.create_task(queue.aio.receive(wait=5), name="till")
        await asyncio.sleep(0)
        queue.send("x")
        [message] = await waiting
        message.ack()

    asyncio.run(main())

    sent, received, deleted = ledger.changes
    assert (received.who, deleted.who) == ("task till", sent.who)


def test_a_change_names_the_consumer_also_for_what_its_handler_sends(broker: Broker, ledger: Ledger) -> None:
    orders, paid = broker.queue("orders"), broker.queue("paid")

    @orders.consume
    def charge(message: Any) -> None:
        paid.send("x")

    orders.send("x")
    broker.run_until_idle()

    outside, received, inside, deleted = told(ledger, "sent", "received", "deleted")
    name = "consumer charge of queue 'orders'"
    assert (outside.who, received.who, inside.who, deleted.who) == ("thread MainThread", name, name, name)


def test_a_change_names_the_run_of_the_function_by_which_a_message_was_deleted(broker: Broker, ledger: Ledger) -> None:
    orders, paid = broker.queue("orders"), broker.queue("paid")

    @broker.function
    def charge(event: Any, context: Any) -> None:
        paid.send("x")

    orders.trigger(charge)
    orders.send("x")
    broker.run_until_idle()

    [invoked] = told(ledger, "invoked")
    _, inside = told(ledger, "sent")
    [received], [deleted] = told(ledger, "received"), told(ledger, "deleted")
    assert received.who == "the trigger of function 'charge'"
    assert inside.who == deleted.who == f"function 'charge', request {invoked.id}"


def test_a_change_names_the_schedule_and_the_subscription_whose_work_it_was(
    broker: Broker, clock: VirtualClock, ledger: Ledger
) -> None:
    events, orders = broker.topic("events"), broker.queue("orders")

    def hand_on(notification: Notification) -> None:
        orders.send(notification.text)

    events.subscribe(hand_on)
    broker.schedule("rate(1 hour)", events, payload="x", name="hourly")
    broker.run_until_idle(budget=1)

    [published], [sent] = told(ledger, "published"), told(ledger, "sent")
    assert published.who == "schedule 'hourly'"
    assert sent.who is not None
    assert sent.who.startswith("subscription of ")
    assert sent.who.endswith(" to topic 'events'")
    orders.purge()


def test_nobody_is_behind_what_time_does(broker: Broker, clock: VirtualClock, ledger: Ledger) -> None:
    orders = broker.queue("orders", retention=60)
    orders.send("x", delay=1)
    clock.advance(1)
    orders.receive()
    clock.advance(100)

    by_itself = told(ledger, "delay ended", "expired", "retained out")
    assert [(change.cause, change.who) for change in by_itself] == [
        ("delay ended", None),
        ("expired", None),
        ("retained out", None),
    ]


def test_a_settlement_says_of_which_receive_its_receipt_was(
    broker: Broker, clock: VirtualClock, ledger: Ledger
) -> None:
    orders = broker.queue("orders", visibility_timeout=30)
    orders.send("x")
    [first] = orders.receive()
    clock.advance(31)
    [second] = orders.receive()

    second.extend(60)
    second.nack()
    orders.receive()
    orders.delete(first.receipt)

    settled = told(ledger, "visibility changed", "nacked", "deleted")
    assert [(change.cause, change.receives, change.receipt) for change in settled] == [
        ("visibility changed", 2, 2),
        ("nacked", 2, 2),
        ("deleted", 3, 1),
    ]


def test_a_copy_says_of_which_publication_it_is_and_by_which_subscription(broker: Broker, ledger: Ledger) -> None:
    events = broker.topic("events")
    events.subscribe(broker.queue("audit"))

    published = events.publish("x")

    [copy] = told(ledger, "sent")
    assert (copy.origin, copy.subscription, copy.id != published.id) == (published.id, "queue 'audit'", True)


def test_a_copy_that_counts_as_a_duplicate_says_so_too(broker: Broker, ledger: Ledger) -> None:
    events, audit = broker.topic("events.fifo"), broker.queue("audit.fifo")
    events.subscribe(audit)
    audit.send("x", group="g", deduplication_id="1")

    published = events.publish("x", group="g", deduplication_id="1")

    [duplicate] = told(ledger, "duplicate")
    assert (duplicate.origin, duplicate.subscription) == (published.id, "queue 'audit.fifo'")


def test_a_subscription_and_a_publication_say_what_is_needed_to_repeat_them(broker: Broker, ledger: Ledger) -> None:
    events = broker.topic("events")
    subscription = events.subscribe(broker.queue("audit"), filter={"type": ["paid"]})
    subscription.configure(filter={"type": ["lost"]})
    events.publish(..., subject="news", per_protocol={"default": "x", "sqs": "y"})

    [subscribed], [configured], [published] = (told(ledger, c) for c in ("subscribed", "configured", "published"))
    assert subscribed.settings == {"state": "confirmed", "filter": '{"type": ["paid"]}', "filter_scope": "attributes"}
    assert configured.settings == {"filter": '{"type": ["lost"]}', "filter_scope": "attributes"}
    assert published.settings == {"subject": "news", "per_protocol": {"default": "x", "sqs": "y"}}
