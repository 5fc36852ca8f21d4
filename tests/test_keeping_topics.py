"""Topics and subscriptions are there again in the next process, and mean the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from shelved import DictShelf, Shelved

from decouple import (
    SMS,
    Broker,
    Email,
    Notification,
    Push,
    Subscription,
    SubscriptionExists,
    SubscriptionNotFound,
    TopicExists,
    VirtualClock,
)
from decouple.core.changes import Change

DAY = 86_400


@pytest.fixture
def shelf() -> DictShelf:
    return DictShelf()


def started(shelf: DictShelf, *, at: VirtualClock | None = None, **settings: Any) -> Broker:
    """The next process, at the instant of the clock of the one before, which is gone."""
    shelf.die()
    clock = VirtualClock() if at is None else VirtualClock(at.time)
    return Broker(Shelved(shelf), clock=clock, **settings)


def greet(notification: Notification) -> None:
    raise AssertionError("never called")


def only(broker: Broker, topic: str = "events") -> Subscription:
    [subscription] = broker.topics[topic].subscriptions
    return subscription


# -- topics ----------------------------------------------------------------------------------------------------------


def test_a_topic_is_there_again_as_it_was_declared(shelf: DictShelf) -> None:
    before = started(shelf)
    before.topic("events", max_message_size=2_048)
    before.topic("orders.fifo", content_based_deduplication=True, archive=DAY)

    after = started(shelf)

    assert [*after.topics] == ["events", "orders.fifo"]
    assert after.topics["events"].settings == {"max_message_size": 2_048}
    assert after.topics["orders.fifo"].settings == before.topics["orders.fifo"].settings
    assert after.topics["orders.fifo"].fifo


def test_declared_anew_it_takes_the_settings_given_and_keeps_the_others(shelf: DictShelf) -> None:
    started(shelf).topic("orders.fifo", content_based_deduplication=True, max_message_size=2_048)

    after = started(shelf)
    orders = after.topic("orders.fifo", max_message_size=4_096)

    assert (orders.max_message_size, orders.content_based_deduplication) == (4_096, True)
    with pytest.raises(TopicExists, match="2048"):
        after.topic("orders.fifo", max_message_size=2_048)
    assert started(shelf).topics["orders.fifo"].max_message_size == 4_096


def test_what_is_configured_later_is_kept_too(shelf: DictShelf) -> None:
    started(shelf).topic("events").configure(max_message_size=1_024)

    assert started(shelf).topics["events"].max_message_size == 1_024


def test_a_kind_cannot_be_declared_anew(shelf: DictShelf) -> None:
    started(shelf).topic("orders", fifo=True)

    with pytest.raises(TopicExists, match="fifo"):
        started(shelf).topic("orders", fifo=False)


def test_a_deleted_topic_stays_gone_with_its_subscriptions(shelf: DictShelf) -> None:
    before = started(shelf)
    events = before.topic("events")
    events.subscribe(before.queue("orders"))
    before.delete(events)

    after = started(shelf)

    assert not after.topics
    assert after.topic("events").subscriptions == []


def test_without_topics_nothing_of_them_is_loaded_in_the_next_process(shelf: DictShelf) -> None:
    started(shelf).queue("orders")

    assert started(shelf)._kept_topics is None


# -- subscriptions ---------------------------------------------------------------------------------------------------


def test_a_queue_that_was_subscribed_gets_what_is_published_in_the_next_process(shelf: DictShelf) -> None:
    before = started(shelf)
    dead = before.queue("dead")
    terms: Any = {"filter": {"kind": ["paid", {"prefix": "re"}]}, "envelope": True, "dead_letter": dead}
    made = before.topic("events").subscribe(before.queue("bills"), **terms)

    after = started(shelf)
    after.topics["events"].publish("yes", attributes={"kind": "refunded"})
    after.topics["events"].publish("no", attributes={"kind": "created"})

    again = only(after)
    assert (again.arn, again.dead_letter, again.envelope) == (made.arn, after.queues["dead"], True)
    [message] = after.queues["bills"].receive(max_messages=10)
    assert message.json()["Message"] == "yes"


def test_a_program_that_subscribes_at_every_start_has_one_subscription(shelf: DictShelf) -> None:
    arns = set[str]()
    for _ in range(3):
        broker = started(shelf)
        arns.add(broker.topic("events").subscribe(broker.queue("orders"), filter={"kind": ["paid"]}).arn)
        assert len(broker.topics["events"].subscriptions) == 1

    assert len(arns) == 1


def test_another_filter_at_the_first_subscribe_is_a_deploys(shelf: DictShelf) -> None:
    before = started(shelf)
    made = before.topic("events").subscribe(before.queue("orders"), filter={"kind": ["paid"]}, envelope=True)

    changes: list[Change] = []
    after = started(shelf, observers=[changes.append])
    orders = after.queue("orders")
    again = after.topic("events").subscribe(orders, filter={"kind": ["sent"]})

    assert (again.arn, again.envelope) == (made.arn, True)
    [change] = [change for change in changes if change.cause == "configured"]
    assert change.settings is not None
    assert change.settings["filter"] == '{"kind": ["sent"]}'
    with pytest.raises(SubscriptionExists, match="filter"):
        after.topic("events").subscribe(orders, filter={"kind": ["paid"]})
    policy = only(started(shelf)).filter
    assert policy is not None
    assert policy.text == '{"kind": ["sent"]}'


def test_what_is_configured_of_a_subscription_is_kept(shelf: DictShelf) -> None:
    before = started(shelf)
    made = before.topic("events").subscribe(before.queue("orders"), filter={"kind": ["paid"]})
    made.configure(filter=None, envelope=True)

    again = only(started(shelf))

    assert (again.filter, again.envelope) == (None, True)


def test_a_cancelled_subscription_stays_gone(shelf: DictShelf) -> None:
    before = started(shelf)
    before.topic("events").subscribe(before.queue("orders")).cancel()

    after = started(shelf)

    assert after.topics["events"].subscriptions == []


@pytest.mark.parametrize("target", [SMS("+15550100"), Push("token"), Email("a@example.com", json=True)])
def test_what_has_an_address_is_found_again(shelf: DictShelf, target: Any) -> None:
    terms: Any = {"retry": {"numRetries": 7, "minDelayTarget": 2, "maxDelayTarget": 30}, "max_rate": 2.5}
    made = started(shelf).topic("events").subscribe(target, concurrency=2, confirm=False, **terms)

    after = started(shelf)
    again = only(after)

    assert again.terms == made.terms
    assert again.sink == target
    assert again.attached
    assert after.topic("events").subscribe(target, confirm=False, **terms) is again


def test_a_web_endpoint_keeps_its_headers_and_password(shelf: DictShelf) -> None:
    """The next process is to post as this one did."""
    from decouple import HTTP

    hook = HTTP("https://user:secret@example.com/hook", headers={"X-Key": "7"}, timeout=3)
    made = started(shelf).topic("events").subscribe(hook, confirm=False)

    after = started(shelf)

    assert only(after).sink == hook
    assert after.topic("events").subscribe(hook, confirm=False).arn == made.arn


def test_a_handler_is_waited_for_until_it_is_subscribed_again(shelf: DictShelf) -> None:
    made = started(shelf).topic("events").subscribe(greet, concurrency=2)

    after = started(shelf)
    waiting = only(after)
    described = after.describe()["topics"]["events"]["subscriptions"][0]["target"]

    assert not waiting.attached
    assert repr(waiting) == (
        "<Subscription of test_keeping_topics.greet to 'events': confirmed, waiting for its handler>"
    )
    assert described == {"handler": "test_keeping_topics:greet"}
    again = after.topic("events").subscribe(greet)
    assert again is waiting
    assert (again.arn, again.attached, again.target) == (made.arn, True, greet)


class Named:
    """A target with a name of its own."""

    def __init__(self, name: str) -> None:
        self.name = name

    def deliver(self, notification: Notification) -> None: ...


def test_handlers_of_one_class_are_told_apart_by_their_names(shelf: DictShelf) -> None:
    before = started(shelf).topic("events")
    first, second = (before.subscribe(Named(name)) for name in ("a", "b"))

    after = started(shelf).topic("events")

    assert after.subscribe(Named("b")).arn == second.arn
    assert after.subscribe(Named("a")).arn == first.arn


def test_handlers_without_names_are_taken_in_the_order_of_subscribing(shelf: DictShelf) -> None:
    def made() -> Callable[[Any], None]:
        return lambda notification: None

    before = started(shelf).topic("events")
    arns = [before.subscribe(made()).arn for _ in range(3)]

    after = started(shelf).topic("events")

    assert [after.subscribe(made()).arn for _ in range(4)][:3] == arns
    assert len(after.subscriptions) == 4


def test_a_function_is_found_when_it_is_declared(shelf: DictShelf) -> None:
    def resize(event: Any, context: Any) -> None: ...

    before = started(shelf)
    made = before.topic("events").subscribe(before.function(resize))

    after = started(shelf)
    assert not only(after).attached
    function = after.function(resize)

    assert only(after).attached
    assert after.topic("events").subscribe(function).arn == made.arn


def test_a_queue_of_another_broker_cannot_be_kept(shelf: DictShelf) -> None:
    broker = started(shelf)
    stranger = Broker(clock=broker.clock).queue("stranger")

    with pytest.raises(ValueError, match="of this broker"):
        broker.topic("events").subscribe(stranger)

    assert broker.topic("events").subscriptions == []


def test_a_subscription_of_a_deleted_queue_goes_on_when_the_queue_is_declared_again(shelf: DictShelf) -> None:
    before = started(shelf)
    orders = before.queue("orders")
    made = before.topic("events").subscribe(orders)
    before.delete(orders)

    after = started(shelf)
    again = after.topic("events").subscribe(after.queue("orders"))
    after.topic("events").publish("hello")

    assert again.arn == made.arn
    assert [message.body for message in after.queues["orders"].receive()] == ["hello"]


# -- confirming ------------------------------------------------------------------------------------------------------


def test_who_had_not_confirmed_may_do_so_in_the_next_process(shelf: DictShelf) -> None:
    before = started(shelf)
    made = before.topic("events").subscribe(Email("a@example.com"))
    before.run_until_idle()
    [mail] = before.outbox
    token = mail.notification.token
    assert token is not None

    after = started(shelf)
    after.topics["events"].publish("not yet")
    assert only(after).state == "pending"
    after.topics["events"].confirm(token)
    after.topics["events"].publish("now")
    after.run_until_idle()

    assert only(after).arn == made.arn
    assert [mail.notification.text for mail in after.outbox] == ["now"]
    assert only(started(shelf)).state == "confirmed"


def test_a_question_that_was_not_sent_yet_is_sent_by_the_next_process(shelf: DictShelf) -> None:
    started(shelf).topic("events").subscribe(Email("a@example.com"))

    after = started(shelf)
    after.run_until_idle()

    [mail] = after.outbox
    assert mail.notification.kind == "SubscriptionConfirmation"
    assert after.open_link(mail.notification.subscribe_url) is only(after)


def test_a_token_ends_two_days_after_it_was_sent_whoever_runs_then(shelf: DictShelf) -> None:
    before = started(shelf)
    before.topic("events").subscribe(Email("a@example.com"))
    before.run_until_idle()
    token = before.outbox[0].notification.token
    assert token is not None
    assert isinstance(before.clock, VirtualClock)
    before.clock.advance(DAY)

    after = started(shelf, at=before.clock)
    assert isinstance(after.clock, VirtualClock)
    after.clock.advance(DAY + 1)

    assert after.topics["events"].subscriptions == []
    with pytest.raises(SubscriptionNotFound):
        after.topics["events"].confirm(token)
    assert started(shelf).topics["events"].subscriptions == []
    assert shelf.items("token") == {}
