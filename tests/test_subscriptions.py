"""Subscriptions: on which terms a target gets what is published, from when and until when."""

from __future__ import annotations

import functools
import gc
import json
import re
import threading
import weakref
from collections.abc import Callable
from typing import Any
from unittest.mock import Mock

import pytest

from decouple import Broker, InvalidFilter, Queue
from decouple.core.backoff import HTTP as THREE_RETRIES
from decouple.core.backoff import exponential
from decouple.errors import DeliveryFailed, SubscriptionExists, SubscriptionNotFound, TopicClosed, TopicNotFound
from decouple.senders import SMS, Email
from decouple.testing import VirtualClock
from decouple.topic import Topic

DAY = 86_400


@pytest.fixture
def topic(broker: Broker) -> Topic:
    return broker.topic("events")


class Endpoint:
    """A web endpoint, as far as a topic can tell; what it was sent, and what it refuses."""

    protocol = "https"
    awaits = False
    confirms = True
    envelope = True
    schedule = THREE_RETRIES

    def __init__(self, endpoint: str = "https://example.com/hook") -> None:
        self.endpoint = endpoint
        self.seen: list[Any] = []
        self.refuses: tuple[str, ...] = ()

    def deliver(self, notification: Any, post: Any) -> str:
        self.seen.append(notification)
        if notification.kind in self.refuses:
            raise DeliveryFailed(self.endpoint, why="it said 500")
        return "200"

    @property
    def kinds(self) -> list[str]:
        return [one.kind if one.kind != "Notification" else one.text for one in self.seen]


# -- the same target again -------------------------------------------------------------------------------------------


def test_the_same_target_again_is_the_same_subscription(topic, broker):
    """SNS: Subscribe again with equal or fewer attributes gives the same ARN."""
    queue, dead = broker.queue("q"), broker.queue("dead")
    first = topic.subscribe(queue, filter={"a": ["x"]}, filter_scope="body", dead_letter=dead)

    again = [
        topic.subscribe(queue),
        topic.subscribe(queue, filter={"a": ["x"]}, filter_scope="body"),
        topic.subscribe(queue, filter_scope="body"),
        topic.subscribe(queue, dead_letter=dead),
        topic.subscribe(queue, envelope=False),
    ]

    assert all(one is first for one in again)
    assert len(topic.subscriptions) == 1


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("filter", {"a": ["y"]}),
        ("filter", {}),
        ("envelope", True),
        ("retry", {"numRetries": 5}),
        ("concurrency", 2),
        ("max_rate", 3.0),
        ("max_backlog", 7),
        ("on_full", "block"),
    ],
)
def test_the_same_target_with_other_terms_is_an_error_that_names_the_first(topic, setting, value):
    """SNS: Subscription already exists with different attributes."""
    first = topic.subscribe(print, filter={"a": ["x"]})

    with pytest.raises(SubscriptionExists, match=setting) as caught:
        topic.subscribe(print, **{setting: value})

    assert caught.value.setting == setting
    assert topic.subscriptions == [first]


def test_a_policy_of_another_scope_is_another_policy(topic, queue):
    topic.subscribe(queue, filter={"a": ["x"]})

    for given in ({"filter_scope": "body"}, {"filter": {"a": ["x"]}, "filter_scope": "body"}):
        with pytest.raises(SubscriptionExists):
            topic.subscribe(queue, **given)


def test_equal_endpoints_are_one_target(topic):
    """SNS: a subscription is known by its protocol and endpoint."""
    pytest.importorskip("aiohttp")
    from decouple.http_target import HTTP

    one = topic.subscribe("https://example.com/x", confirm=False)

    assert topic.subscribe(HTTP("https://example.com/x"), confirm=False) is one
    assert topic.subscribe(SMS("+491701234567")) is topic.subscribe(SMS("+491701234567"))
    assert topic.subscribe("https://example.com/y", confirm=False) is not one


def test_handlers_are_known_by_what_they_are(topic):
    class Shop:
        def sold(self, notification: Any) -> None: ...

    shop, other = Shop(), Shop()

    assert topic.subscribe(shop.sold) is topic.subscribe(shop.sold)
    assert topic.subscribe(shop.sold) is not topic.subscribe(other.sold)
    assert topic.subscribe(functools.partial(print)) is not topic.subscribe(functools.partial(print))


def test_an_object_that_cannot_be_hashed_may_subscribe(topic, broker):
    class Box(dict[str, Any]):
        def deliver(self, notification: Any) -> None:
            self[notification.text] = 1

    box = Box()
    assert topic.subscribe(box) is topic.subscribe(box)
    topic.subscribe(Box())
    topic.publish("x")
    broker.run_until_idle()

    assert box == {"x": 1}
    assert len(topic.subscriptions) == 2


# -- what is no target, and terms that are none -----------------------------------------------------------------------

WRONG: dict[str, tuple[Callable[[Broker], Any], dict[str, Any], type[Exception], str]] = {
    "a number": (lambda _: 7, {}, TypeError, "delivers to a Queue, a callable"),
    "nothing": (lambda _: None, {}, TypeError, "delivers to a Queue, a callable"),
    "a class of targets": (lambda _: Endpoint, {}, TypeError, "is a class: subscribe an instance"),
    "a name": (lambda _: "orders", {}, ValueError, "http:// or https:// URL"),
    "another protocol": (lambda _: "ftp://example.com", {}, ValueError, "http:// or https:// URL"),
    "mail as text": (lambda _: "mailto:a@b.c", {}, ValueError, r"Email\(\.\.\.\)"),
    "a FIFO queue": (lambda b: b.queue("q.fifo"), {}, ValueError, "cannot be subscribed to standard topic"),
    "a queue of another time": (lambda _: Queue("q"), {}, ValueError, "on another clock"),
    "a retry for a queue": (lambda b: b.queue("q"), {"retry": {}}, ValueError, "retry is for targets"),
    "a backlog for a queue": (lambda b: b.queue("q"), {"max_backlog": 3}, ValueError, "max_backlog is for targets"),
    "a list as filter": (lambda b: b.queue("q"), {"filter": ["x"]}, (InvalidFilter, TypeError), "filter|policy|object"),
    "a wrong filter": (lambda b: b.queue("q"), {"filter": {"a": []}}, InvalidFilter, "mpty"),
    "a wrong scope": (lambda b: b.queue("q"), {"filter_scope": "subject"}, ValueError, "'attributes' or 'body'"),
    "an envelope in words": (lambda b: b.queue("q"), {"envelope": "yes"}, TypeError, "envelope must be"),
    "dead letters nowhere": (lambda b: b.queue("q"), {"dead_letter": "dead"}, TypeError, "dead_letter must be a Queue"),
    "FIFO dead letters": (lambda b: b.queue("q"), {"dead_letter": "d.fifo"}, ValueError, "must be standard"),
    "no delivery at a time": (lambda _: print, {"concurrency": 0}, ValueError, "concurrency must be at least 1"),
    "half a delivery at a time": (lambda _: print, {"concurrency": 1.5}, TypeError, "concurrency must be an int"),
    "no rate": (lambda _: print, {"max_rate": 0}, ValueError, "max_rate must be at least"),
    "a rate beyond measure": (lambda _: print, {"max_rate": float("inf")}, ValueError, "max_rate"),
    "a rate of less than one in a life": (lambda _: print, {"max_rate": 1e-310}, ValueError, "max_rate"),
    "no backlog": (lambda _: print, {"max_backlog": 0}, ValueError, "max_backlog must be at least 1"),
    "an unknown end": (lambda _: print, {"on_full": "wait"}, ValueError, "'dead_letter', 'drop', 'block'"),
    "dead letters without a queue": (lambda _: print, {"on_full": "dead_letter"}, ValueError, "needs a dead_letter"),
    "a retry in seconds": (lambda _: print, {"retry": 20}, TypeError, "retry must be a schedule"),
    "an unknown retry": (lambda _: print, {"retry": {"retries": 3}}, ValueError, "'retries'"),
    "a replay of a standard topic": (
        lambda b: b.queue("q"),
        {"replay_from": None, "replay_until": 1},
        TypeError,
        "aware",
    ),
}


@pytest.mark.parametrize(("target", "terms", "kind", "words"), WRONG.values(), ids=WRONG)
def test_a_wrong_subscription_is_one_clear_error_and_nothing_is_changed(topic, broker, target, terms, kind, words):
    if terms.get("dead_letter") == "d.fifo":
        terms = {"dead_letter": broker.queue("d.fifo")}

    with pytest.raises(kind, match=words):
        topic.subscribe(target(broker), **terms)

    assert topic.subscriptions == []


def test_a_mock_is_a_handler(topic, broker):
    """What answers to every name says nothing about itself."""
    mock = Mock()
    topic.subscribe(mock)

    topic.publish("x")
    broker.run_until_idle()

    [call] = mock.mock_calls
    assert call.args[0].text == "x"


def test_names_are_for_people(topic, broker):
    names = [
        topic.subscribe(target).name
        for target in (broker.queue("q"), [].append, functools.partial(print), SMS("+49170123456"))
    ]

    assert names[:3] == ["queue 'q'", "list.append", "a partial"]
    assert "+49" in names[3]


# -- filters -----------------------------------------------------------------------------------------------------------


def test_only_what_the_filter_lets_pass_is_delivered(topic, broker):
    """SNS: AND over keys, OR within a key; attributes by default."""
    queue = broker.queue("q")
    subscription = topic.subscribe(
        queue, filter={"type": ["created", {"prefix": "re"}], "price": [{"numeric": [">", 10]}]}
    )

    topic.publish("1", attributes={"type": "created", "price": 11})
    topic.publish("2", attributes={"type": "created", "price": 10})
    topic.publish("3", attributes={"type": "returned", "price": 10.5})
    topic.publish("4", attributes={"type": "deleted", "price": 99})
    topic.publish("5")

    assert [message.text for message in queue.receive(max_messages=9)] == ["1", "3"]
    assert subscription.stats()[:3] == (2, 3, 2)


def test_the_body_scope_looks_at_json_objects_only(topic, broker):
    """SNS: plain text, or a JSON string, never matches."""
    queue = broker.queue("q")
    topic.subscribe(queue, filter={"a": {"b": [1]}}, filter_scope="body")

    for body in ({"a": {"b": 1}}, {"a.b": 1}, {"a": {"b": [0, 1]}}, {"a": {"b": 2}}, "text", '"text"', "[1]", "{", 7):
        topic.publish(body)

    assert len(queue.receive(max_messages=9)) == 3


def test_an_empty_filter_lets_everything_pass(topic, broker):
    queue = broker.queue("q")
    subscription = topic.subscribe(queue, filter={})

    topic.publish("x")

    assert queue.stats().visible == 1
    assert subscription.filter is None


def test_explain_says_for_each_key_why(topic, broker):
    queue = broker.queue("q")
    subscription = topic.subscribe(queue, filter={"type": ["created"], "price": [{"numeric": [">", 10]}]})

    told = subscription.explain({"type": "created", "price": 3})

    assert not told.matched
    assert "price" in str(told)
    assert "type" in str(told)
    assert subscription.explain({"type": "created", "price": 30}).matched


def test_explain_takes_the_message_itself(topic, broker):
    all_of_it, some = broker.queue("all"), []
    subscription = topic.subscribe(broker.queue("q"), filter={"type": ["created"]})
    by_body = topic.subscribe(broker.queue("r"), filter={"id": [7]}, filter_scope="body")
    topic.subscribe(all_of_it)
    topic.subscribe(some.append)

    topic.publish({"id": 7}, attributes={"type": "created"})
    broker.run_until_idle()

    [message] = all_of_it.receive()
    for seen in (message, *some):
        assert subscription.explain(seen).matched
        assert by_body.explain(seen).matched
    assert by_body.explain("no json").matched is False
    assert by_body.explain('{"id": 7.0}').matched
    assert topic.subscribe(all_of_it).explain(message).matched


# -- the end ------------------------------------------------------------------------------------------------------------


def test_after_cancel_nothing_published_is_delivered(topic, broker):
    queue = broker.queue("q")
    subscription = topic.subscribe(queue)
    topic.publish("before")

    subscription.cancel()
    subscription.cancel()
    topic.publish("after")

    assert [message.text for message in queue.receive(max_messages=9)] == ["before"]
    assert (subscription.state, topic.subscriptions) == ("cancelled", [])
    assert subscription.stats().accepted == 1


def test_unsubscribing_an_unknown_arn_is_no_error(topic, broker):
    """SNS: Unsubscribe twice, or of an unknown ARN: success."""
    subscription = topic.subscribe(broker.queue("q"))

    topic.unsubscribe(subscription.arn)
    topic.unsubscribe(subscription.arn)
    topic.unsubscribe(topic.arn + ":unknown")

    assert topic.subscriptions == []


def test_a_target_may_subscribe_anew_with_other_terms_after_cancel(topic, broker):
    queue = broker.queue("q")
    topic.subscribe(queue).cancel()

    again = topic.subscribe(queue, envelope=True)

    assert again.envelope
    assert re.fullmatch(re.escape(topic.arn) + ":[0-9a-f-]{36}", again.arn)


def test_a_deleted_queue_stays_subscribed_and_fails_until_it_is_cancelled(topic, broker):
    """SNS: failed deliveries never change a subscription's state."""
    queue, dead = broker.queue("q"), broker.queue("dead")
    subscription = topic.subscribe(queue, dead_letter=dead)
    broker.delete(queue)

    topic.publish("x")

    assert (subscription.state, dead.stats().visible) == ("confirmed", 1)
    subscription.cancel()
    topic.publish("y")
    assert dead.stats().visible == 1


def test_deleting_a_topic_cancels_its_subscriptions(topic, broker):
    subscription = topic.subscribe(print)

    broker.delete(topic)

    assert (subscription.state, topic.closed) == ("cancelled", True)
    with pytest.raises(TopicNotFound):
        broker.delete(topic)
    assert broker.topic("events") is not topic


# -- confirmation --------------------------------------------------------------------------------------------------------


def test_an_endpoint_gets_nothing_but_a_token_until_it_confirms(topic, broker):
    """SNS: before the confirmation nothing else is sent."""
    endpoint = Endpoint()
    subscription = topic.subscribe(endpoint)
    topic.publish("too early")
    broker.run_until_idle()

    assert (endpoint.kinds, subscription.state, topic.stats().pending) == (["SubscriptionConfirmation"], "pending", 1)

    assert topic.confirm(endpoint.seen[0].token) is subscription
    topic.publish("now")
    broker.run_until_idle()

    assert endpoint.kinds == ["SubscriptionConfirmation", "now"]
    assert subscription.stats() == (1, 0, 1, 0, 0, 0, 0)


def test_confirming_again_is_no_error(topic, broker):
    """SNS: confirming again with the valid token returns the same ARN."""
    endpoint = Endpoint()
    topic.subscribe(endpoint)
    broker.run_until_idle()

    first, second = (topic.confirm(endpoint.seen[0].token) for _ in range(2))

    assert first is second
    topic.publish("x")
    broker.run_until_idle()
    assert endpoint.kinds[1:] == ["x"]


def test_the_link_in_the_question_confirms(topic, broker):
    endpoint = Endpoint()
    subscription = topic.subscribe(endpoint)
    broker.run_until_idle()

    assert broker.open_link(endpoint.seen[0].subscribe_url) is subscription

    assert subscription.state == "confirmed"


def test_a_subscription_nobody_confirms_ends_after_two_days_to_the_nanosecond(topic, broker, clock, ledger):
    """SNS: a token is valid for two days (M)."""
    endpoint = Endpoint()
    subscription = topic.subscribe(endpoint)
    broker.run_until_idle()
    token = endpoint.seen[0].token

    clock._run(2 * DAY * 10**9 - 1)
    assert subscription.state == "pending"
    clock._run(2 * DAY * 10**9)

    assert (subscription.state, topic.subscriptions) == ("cancelled", [])
    with pytest.raises(SubscriptionNotFound, match="two days"):
        topic.confirm(token)
    assert [one.reason for one in ledger.changes if one.cause == "unsubscribed"] == ["not confirmed within two days"]


def test_a_confirmed_subscription_outlives_its_token(topic, broker, clock):
    endpoint = Endpoint()
    subscription = topic.subscribe(endpoint)
    broker.run_until_idle()
    subscription.confirm()

    clock.advance(3 * DAY)
    topic.publish("x")
    broker.run_until_idle()

    assert (subscription.state, endpoint.kinds[-1]) == ("confirmed", "x")
    with pytest.raises(SubscriptionNotFound):
        topic.confirm(endpoint.seen[0].token)


def test_an_endpoint_of_ones_own_need_not_confirm(topic, broker):
    endpoint = Endpoint()
    subscription = topic.subscribe(endpoint, confirm=False)
    topic.publish("x")
    broker.run_until_idle()

    assert (endpoint.kinds, subscription.state) == (["x"], "confirmed")


def test_who_cancels_a_pending_subscription_voids_its_token(topic, broker):
    """Otherwise an endpoint could subscribe itself against the owner's will."""
    endpoint = Endpoint()
    subscription = topic.subscribe(endpoint)
    broker.run_until_idle()
    subscription.cancel()

    with pytest.raises(SubscriptionNotFound):
        topic.confirm(endpoint.seen[0].token)

    assert subscription.state == "cancelled"
    assert endpoint.kinds == ["SubscriptionConfirmation"]  # SNS: who never confirmed is not asked to come back


def test_a_question_that_fails_is_asked_again_and_then_dropped(topic, broker):
    endpoint = Endpoint()
    endpoint.refuses = ("SubscriptionConfirmation",)
    subscription = topic.subscribe(endpoint)

    broker.run_until_idle(budget=120, errors="collect")

    assert endpoint.kinds == ["SubscriptionConfirmation"] * 4
    assert subscription.state == "pending"
    assert subscription.stats() == (0, 0, 0, 4, 0, 0, 0)


def test_a_cancelled_endpoint_is_asked_whether_it_wants_to_come_back(topic, broker):
    """SNS: on Unsubscribe an UnsubscribeConfirmation is posted, whose SubscribeURL subscribes again."""
    endpoint = Endpoint()
    subscription = topic.subscribe(endpoint, confirm=False)
    broker.open_link(f"https://sns.us-east-1.amazonaws.com/?Action=Unsubscribe&SubscriptionArn={subscription.arn}")
    broker.run_until_idle()
    assert endpoint.kinds == ["UnsubscribeConfirmation"]
    topic.publish("missed")

    assert broker.open_link(endpoint.seen[0].subscribe_url) is subscription
    topic.publish("back")
    broker.run_until_idle()

    assert (endpoint.kinds, subscription.state) == (["UnsubscribeConfirmation", "back"], "confirmed")
    assert subscription.stats() == (1, 0, 1, 0, 0, 0, 0)


def test_a_restored_subscription_has_books_that_balance(topic, broker, clock):
    endpoint = Endpoint()
    endpoint.refuses = ("Notification",)
    dead = broker.queue("dead")
    subscription = topic.subscribe(endpoint, confirm=False, dead_letter=dead)
    topic.publish("fails")
    broker.run_until_idle(errors="collect")
    subscription.cancel()
    broker.run_until_idle()

    subscription.confirm()
    broker.check()
    broker.run_until_idle(budget=1_000, errors="collect")

    assert endpoint.kinds == ["fails", "UnsubscribeConfirmation"]
    assert subscription.stats() == (1, 0, 0, 1, 1, 0, 0)
    assert [json.loads(letter.text)["Message"] for letter in dead.receive()] == ["fails"]


def test_an_endpoint_subscribed_anew_is_not_restored_by_the_old_link(topic, broker):
    endpoint = Endpoint()
    old = topic.subscribe(endpoint, confirm=False)
    old.cancel()
    broker.run_until_idle()
    new = topic.subscribe(endpoint, confirm=False)

    broker.open_link(endpoint.seen[0].subscribe_url)

    assert (old.state, new.state, topic.subscriptions) == ("cancelled", "confirmed", [new])


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/",
        "https://sns.us-east-1.amazonaws.com/?Action=Unsubscribe",
        "https://sns.us-east-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn=x",
    ],
)
def test_another_link_is_refused(broker, url):
    with pytest.raises(ValueError, match="neither confirms nor ends"):
        broker.open_link(url)


def test_a_link_of_an_unknown_topic_or_token_is_refused(broker, topic):
    base = "https://sns.us-east-1.amazonaws.com/?Action=ConfirmSubscription&Token=t&TopicArn="

    with pytest.raises(TopicNotFound):
        broker.open_link(base + "arn:aws:sns:us-east-1:000000000000:other")
    with pytest.raises(SubscriptionNotFound):
        broker.open_link(base + topic.arn)


def test_mail_may_be_unsubscribed_by_its_link(topic, broker):
    subscription = topic.subscribe(Email("a@b.example"), confirm=False)
    topic.publish("news")
    broker.run_until_idle()

    [link] = re.findall(r"https://\S+Unsubscribe\S+", broker.outbox[0].body)
    broker.open_link(link)

    assert subscription.state == "cancelled"


# -- numbers ---------------------------------------------------------------------------------------------------------------


def test_the_numbers_begin_with_the_subscription(topic, broker):
    topic.publish("before")
    queue = broker.queue("q")
    plain, filtered = topic.subscribe(queue), topic.subscribe(broker.queue("r"), filter={"a": ["x"]})

    topic.publish("1", attributes={"a": "x"})
    topic.publish("2")

    assert plain.stats() == (2, 0, 2, 0, 0, 0, 0)
    assert filtered.stats() == (1, 1, 1, 0, 0, 0, 0)


def test_what_is_published_before_the_confirmation_counts_nowhere(topic, broker):
    endpoint = Endpoint()
    subscription = topic.subscribe(endpoint, filter={"a": ["x"]})
    topic.publish("missed")
    subscription.confirm()

    topic.publish("1", attributes={"a": "x"})
    topic.publish("2")
    broker.run_until_idle()

    assert subscription.stats() == (1, 1, 1, 0, 0, 0, 0)


def test_the_numbers_of_a_cancelled_subscription_stand_still(topic, broker, clock: VirtualClock):
    subscription = topic.subscribe(broker.queue("q"))
    topic.publish("1")
    subscription.cancel()

    topic.publish("2")
    clock.advance(DAY)

    assert subscription.stats() == (1, 0, 1, 0, 0, 0, 0)


def test_schedules_may_be_given_as_they_are(topic):
    subscription = topic.subscribe(print, retry=exponential(1, 300), max_rate=10, concurrency=1, max_backlog=5)

    assert subscription.terms.schedule == exponential(1, 300)
    assert (subscription.terms.gap, subscription.terms.on_full) == (10**8, "drop")


def test_confirm_is_true_or_false(broker):
    with pytest.raises(TypeError, match="confirm must be True or False, not 'no'"):
        broker.topic("t").subscribe(print, confirm="no")
    assert broker.topic("t").subscriptions == []


def test_a_dropped_broker_ends_though_somebody_has_not_confirmed():
    """The token's end, two days later, holds nobody."""
    broker = Broker().start()
    topic = weakref.ref(broker.topic("t"))
    broker.topic("t").subscribe(Email("a@b.de"))
    broker.run_until_idle()
    broker.topic("t").subscriptions[0].confirm()

    del broker
    gc.collect()

    assert topic() is None


def test_a_publisher_that_waits_for_room_is_let_go_when_the_broker_closes():
    """Also when the target that takes up the room never ends."""
    broker = Broker().start()
    topic, begun, gate = broker.topic("t"), threading.Event(), threading.Event()

    def never_ends(notification: object) -> None:
        begun.set()
        gate.wait()

    subscription = topic.subscribe(never_ends, max_backlog=1, on_full="block", concurrency=1)
    topic.publish("first")
    assert begun.wait(10)
    errors: list[BaseException] = []

    def publish() -> None:
        try:
            topic.publish("second")
        except TopicClosed as error:
            errors.append(error)

    publisher = threading.Thread(target=publish)
    publisher.start()
    while subscription.line is None or not subscription.line._room:
        pass
    broker.close(timeout=0.05)

    publisher.join(10)
    assert [str(error) for error in errors] == ["topic 't' is closed: nothing is published to it any more"]
    gate.set()


def test_a_close_with_a_wrong_timeout_closes_nothing(broker):
    with pytest.raises(ValueError, match="timeout must be at least 0 seconds"):
        broker.close(timeout=-1)

    broker.topic("t").publish("x")


def test_doors_that_name_what_is_wrong(broker):
    topic = broker.topic("t")
    with pytest.raises(TypeError, match="entries must be a list of bodies, not None"):
        topic.publish_batch(None)
    with pytest.raises(TypeError, match="a link is text, not 5"):
        broker.open_link(5)
    with pytest.raises(TypeError, match="senders must be a mapping"):
        Broker(senders=["sms"])
    with pytest.raises(ValueError, match="a subject must encode to UTF-8"):
        topic.publish("x", subject="a\ud800")
    assert topic.stats().published == 0
