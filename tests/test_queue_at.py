"""A subscription that knows its queue by ARN: found at delivery, so it may come later, go, and come again."""

from __future__ import annotations

import json
from typing import Any

import pytest

from decouple import Broker
from decouple.errors import DeliveryRefused, NotDelivered
from decouple.queue_at import QueueAt


def address(broker: Broker, name: str, **more: Any) -> QueueAt:
    return QueueAt(f"arn:aws:sqs:us-east-1:000000000000:{name}", lambda: broker.queues[name], **more)


def bodies(queue: Any) -> list[str]:
    return [message.text for message in queue.peek()]


@pytest.mark.parametrize("ending", ["", ".fifo"], ids=["standard", "FIFO"])
def test_a_queue_declared_after_the_subscription_gets_what_is_published_from_then_on(broker, ending):
    topic = broker.topic(f"events{ending}", **({"content_based_deduplication": True} if ending else {}))
    topic.subscribe(address(broker, f"orders{ending}"))
    group = "g" if ending else None
    with pytest.raises(NotDelivered):
        topic.publish("too early", group=group)

    queue = broker.queue(f"orders{ending}")
    topic.publish("in time", group=group)
    topic.publish("and again", group=group)

    assert bodies(queue) == ["in time", "and again"]


def test_a_queue_deleted_and_declared_anew_gets_what_is_published(broker):
    topic, old = broker.topic("events"), broker.queue("orders")
    subscription = topic.subscribe(address(broker, "orders"))
    topic.publish("to the old one")
    broker.delete(old)

    new = broker.queue("orders")
    topic.publish("to the new one")

    assert bodies(new) == ["to the new one"]
    assert subscription.core is new._core


def test_a_queue_that_is_there_shares_the_topics_record(broker):
    topic, queue = broker.topic("events"), broker.queue("orders")

    subscription = topic.subscribe(address(broker, "orders"))

    assert subscription.core is queue._core


def test_one_that_must_be_asked_each_time_may_say_no_and_the_dead_letter_queue_has_it(broker):
    dead, queue = broker.queue("dead"), broker.queue("orders")
    open_ = [True]

    def find() -> Any:
        if not open_[0]:
            raise DeliveryRefused("orders", why="its policy says no")
        return queue

    topic = broker.topic("events")
    topic.subscribe(QueueAt("arn:aws:sqs:us-east-1:000000000000:orders", find, always=True), dead_letter=dead)
    topic.publish("first")

    open_[0] = False
    topic.publish("second")

    assert (bodies(queue), bodies(dead)) == (["first"], ["second"])


def test_dead_letters_may_be_known_by_arn_too(broker):
    topic = broker.topic("events")
    topic.subscribe(address(broker, "orders"), dead_letter=address(broker, "dead"))
    with pytest.raises(NotDelivered):
        topic.publish("nowhere")

    dead = broker.queue("dead")
    topic.publish("kept")

    assert bodies(dead) == ["kept"]


def test_the_same_arn_is_the_same_subscription(broker):
    topic = broker.topic("events")

    first = topic.subscribe(address(broker, "orders"))

    assert topic.subscribe(address(broker, "orders")) is first
    assert topic.subscribed(address(broker, "orders")) is first
    assert topic.subscription(first.arn) is first


def test_a_fifo_queue_is_not_for_a_standard_topic(broker):
    with pytest.raises(ValueError, match="cannot be subscribed to standard topic"):
        broker.topic("events").subscribe(address(broker, "orders.fifo"))


def test_a_description_has_it_as_the_queue_it_is(broker):
    broker.queue("orders")
    broker.topic("events").subscribe(address(broker, "orders"))

    described = broker.describe()["topics"]["events"]["subscriptions"]

    assert [one["target"] for one in described] == [{"queue": "orders"}]
    json.dumps(described)


def test_a_linter_can_look_at_one_whose_queue_is_not_there(broker):
    broker.topic("events").subscribe(address(broker, "orders"), dead_letter=address(broker, "dead"))

    broker.lint()
