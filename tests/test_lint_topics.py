"""The linter on topics and subscriptions: every rule trips over what it is for and is silent about what is right."""

from __future__ import annotations

import ast
import itertools
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NotRequired, TypedDict

import pytest

from decouple import Broker, Finding, LargeBodies, Notification, Queue, Topic
from decouple.core.backoff import Phases, exponential, until
from decouple.lint_topics import SUBSCRIPTION_RULES, TOPIC_RULES
from decouple.senders import SMS, Email
from decouple.testing import VirtualClock

LONG = 1_209_600


@dataclass
class Order:
    id: int


class Envelope(TypedDict):
    Type: str
    Message: str
    Subject: NotRequired[str]


def handler(notification: Notification) -> None:
    """A handler."""


@pytest.fixture
def events(broker: Broker) -> Topic:
    """A topic about which no rule says anything, and a queue for what it cannot deliver."""
    topic = broker.topic("events")
    topic.subscribe(broker.queue("q", on_poison=None), dead_letter=broker.queue("dead", retention=LONG))
    return topic


def found(broker: Broker) -> list[tuple[str, str]]:
    """What the linter says of topics: where and the rule."""
    ours = {*TOPIC_RULES, *SUBSCRIPTION_RULES}
    return [(finding.where, finding.rule) for finding in broker.lint() if finding.rule in ours]


def test_a_healthy_topic_has_no_findings(broker: Broker, events: Topic) -> None:
    events.subscribe(handler, dead_letter=broker.queues["dead"])

    assert found(broker) == []


def test_a_finding_says_which_subscription_and_how_to_mend_it(broker: Broker, events: Topic) -> None:
    events.subscribe(handler, retry=until(exponential(1, 60), max_attempts=3))

    assert [finding for finding in broker.lint() if finding.where.startswith("events")] == [
        Finding(
            severity="warning",
            rule="gives-up-soon",
            where=f"events -> {__name__}.handler",
            text="a notification is lost after 3 failed attempts in 3 s, which a restart of the target may well take: "
            "subscribe with dead_letter=, or with a longer retry=",
            source="SNS developer guide, Amazon SNS message delivery retries",
        )
    ]


# -- topics ----------------------------------------------------------------------------------------------------


def test_a_topic_to_which_nothing_is_subscribed_is_found(broker: Broker) -> None:
    events = broker.topic("events")
    events.publish("gone")

    [finding] = broker.lint()

    assert (finding.severity, finding.rule, finding.where) == ("warning", "topic-without-subscriptions", "events")
    assert "; 1 publications are gone already: subscribe" in finding.text


def test_a_topic_with_an_archive_may_wait_for_its_first_subscriber(broker: Broker) -> None:
    broker.topic("events.fifo", archive=60)

    assert found(broker) == []


def test_a_closed_topic_is_left_alone(clock: VirtualClock) -> None:
    with Broker(clock=clock) as broker:
        broker.topic("a")
        broker.topic("b").subscribe(broker.queue("q"))

    assert found(broker) == []


# -- queues ----------------------------------------------------------------------------------------------------


def test_a_deleted_queue_that_is_still_subscribed_is_found(broker: Broker, events: Topic) -> None:
    """SNS: deleting a queue leaves its subscriptions, and their deliveries fail."""
    broker.delete(broker.queues["q"])

    assert found(broker) == [("events -> queue 'q'", "delivers-to-a-closed-queue")]


def test_a_closed_dead_letter_queue_is_found(broker: Broker, events: Topic) -> None:
    broker.queues["dead"].close()

    [finding] = [finding for finding in broker.lint() if finding.rule == "delivers-to-a-closed-queue"]

    assert finding.text.startswith("its dead-letter queue 'dead' is closed")


@pytest.mark.parametrize("use", ["target", "dead_letter"])
def test_a_queue_of_nobodys_is_found(broker: Broker, events: Topic, clock: VirtualClock, use: str) -> None:
    stranger = Queue("stranger", clock=clock)
    if use == "target":
        events.subscribe(stranger)
    else:
        events.subscribe(broker.queue("other"), dead_letter=stranger)

    assert [rule for _, rule in found(broker)] == ["delivers-to-a-queue-elsewhere"]


@pytest.mark.parametrize(
    ("body", "envelope", "wrong"),
    [(Order, True, True), (Order, False, False), (Envelope, True, False), (str, True, False)],
)
def test_a_typed_queue_that_is_given_envelopes_is_found(
    broker: Broker, body: type[Any], envelope: bool, wrong: bool
) -> None:
    broker.topic("events").subscribe(broker.queue("orders", body=body), envelope=envelope)

    assert found(broker) == ([("events -> queue 'orders'", "envelope-does-not-decode")] if wrong else [])


def test_a_type_that_asks_for_what_only_some_envelopes_have_is_not_found(broker: Broker) -> None:
    class WithSubject(TypedDict):
        Subject: str

    broker.topic("events.fifo").subscribe(broker.queue("orders.fifo", body=WithSubject), envelope=True)

    assert found(broker) == []


def test_a_typed_dead_letter_queue_of_envelopes_is_found(broker: Broker, events: Topic) -> None:
    events.subscribe(Email("a@example.com", json=True), dead_letter=broker.queue("orders", body=Order))

    [finding] = [finding for finding in broker.lint() if finding.rule == "envelope-does-not-decode"]

    assert "its dead-letter queue 'orders' reads Order" in finding.text
    assert finding.text.endswith("declare it without body=")


@pytest.mark.parametrize(("size", "wrong"), [(262_143, True), (262_144, False)])
def test_a_queue_that_takes_less_than_its_topic_is_found(broker: Broker, size: int, wrong: bool) -> None:
    broker.topic("events").subscribe(broker.queue("small", max_message_size=size))

    assert found(broker) == ([("events -> queue 'small'", "larger-than-its-queue")] if wrong else [])


def test_a_queue_that_keeps_large_bodies_elsewhere_takes_any(broker: Broker, tmp_path: Path) -> None:
    broker.topic("events").subscribe(broker.queue("small", max_message_size=1_024, large_bodies=LargeBodies(tmp_path)))

    assert found(broker) == []


def test_a_subscriptions_dead_letter_queue_is_one_to_the_rules_about_queues(
    broker: Broker, events: Topic, clock: VirtualClock
) -> None:
    broker.queues["q"].close()
    events.publish("undelivered")
    clock.advance(LONG / 4)

    about = {finding.rule: finding for finding in broker.lint() if finding.where == "dead"}

    assert list(about) == ["dead-letters-nobody-reads"]
    assert "1 dead letters of events -> queue 'q' wait here" in about["dead-letters-nobody-reads"].text


# -- pushes ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("retry", "rule"),
    [
        (until(exponential(1, 300), max_age=599), "gives-up-soon"),
        (Phases(0, 0, 1, 0, 600 * 10**9, 600 * 10**9), "no-dead-letters-of-pushes"),
        ({"numRetries": 100, "minDelayTarget": 1, "maxDelayTarget": 1}, "gives-up-soon"),
        (until(exponential(), max_attempts=1), "gives-up-soon"),
        (exponential(0.001, 0.001), "no-dead-letters-of-pushes"),
        (None, "no-dead-letters-of-pushes"),
    ],
)
def test_a_push_without_a_dead_letter_queue_is_worse_where_it_ends_soon(
    broker: Broker, events: Topic, retry: Any, rule: str
) -> None:
    events.subscribe(SMS("+15550100"), retry=retry)

    assert found(broker) == [("events -> +15550100", rule)]


@pytest.mark.parametrize("retry", [None, until(exponential(), max_attempts=1)])
def test_a_dead_letter_queue_mends_both(broker: Broker, events: Topic, retry: Any) -> None:
    events.subscribe(SMS("+15550100"), retry=retry, dead_letter=broker.queues["dead"])

    assert found(broker) == []


# -- counts ----------------------------------------------------------------------------------------------------


def test_a_subscription_that_publications_passed_before_it_was_confirmed_is_found(
    broker: Broker, events: Topic
) -> None:
    events.publish("before")
    mail = events.subscribe(Email("a@example.com"), dead_letter=broker.queues["dead"])
    assert found(broker) == []
    events.publish("missed")

    [finding] = [finding for finding in broker.lint() if finding.rule == "nobody-confirmed"]
    assert "1 publications have passed it by" in finding.text

    mail.confirm()
    events.publish("sent")
    assert found(broker) == []


@pytest.mark.parametrize(
    ("buried", "mend"),
    [(False, "subscribe with dead_letter="), (True, "the log says why its dead-letter queue 'dead'")],
)
def test_lost_notifications_are_found_with_what_lost_them(
    broker: Broker, events: Topic, buried: bool, mend: str
) -> None:
    dead = broker.queues["dead"]
    events.subscribe(handler, max_backlog=1, dead_letter=dead if buried else None)
    dead.close()
    events.publish_batch(["kept", "lost"])
    broker.run_until_idle()

    [finding] = [finding for finding in broker.lint() if finding.rule == "notifications-were-lost"]

    assert finding.text.startswith("1 of 2 notifications could not be delivered and are lost: ")
    assert mend in finding.text


@pytest.mark.parametrize(("scope", "other"), [("attributes", "body"), ("body", "attributes")])
def test_a_filter_that_let_nothing_of_a_hundred_pass_is_found(
    broker: Broker, events: Topic, scope: Any, other: str
) -> None:
    events.subscribe(broker.queue("paid"), filter={"type": ["paid"]}, filter_scope=scope)
    said = {"body": {"type": "paid"}} if scope == "attributes" else {"body": "x", "attributes": {"type": "paid"}}
    for _ in range(99):
        events.publish(**said)
    assert found(broker) == []
    events.publish(**said)

    [finding] = [finding for finding in broker.lint() if finding.rule == "nothing-passed-its-filter"]

    assert finding.where == "events -> queue 'paid'"
    assert f"looks at the {scope}" in finding.text
    assert f"is filter_scope={other!r} meant?" in finding.text


def test_a_filter_that_let_one_pass_is_not_found(broker: Broker, events: Topic) -> None:
    events.subscribe(broker.queue("paid"), filter={"type": ["paid"]})
    events.publish("x", attributes={"type": "paid"})
    for _ in range(100):
        events.publish("x")

    assert found(broker) == []


# -- all rules -------------------------------------------------------------------------------------------------


def test_topics_come_by_name_and_rules_can_be_ignored(broker: Broker) -> None:
    broker.topic("b"), broker.topic("a")

    assert [finding.where for finding in broker.lint()] == ["a", "b"]
    assert broker.lint(ignore=["topic-without-subscriptions"]) == []
    with pytest.raises(ValueError, match=r"no rule 'x' to ignore; there are .*topic-without-subscriptions"):
        broker.lint(ignore=["x"])


def test_looking_changes_nothing(broker: Broker, events: Topic) -> None:
    events.publish("x")
    before = events.stats(), [subscription.stats() for subscription in events.subscriptions], broker.stats()

    broker.lint()

    assert (events.stats(), [subscription.stats() for subscription in events.subscriptions], broker.stats()) == before


@pytest.mark.parametrize("rule", [*TOPIC_RULES.values(), *SUBSCRIPTION_RULES.values()])
def test_every_rule_is_stated_and_has_a_source(rule: Any) -> None:
    assert (rule.look.__doc__ or "").endswith(".")
    assert rule.source


def test_every_rule_is_tripped_by_a_test_here() -> None:
    words = {
        node.value
        for node in ast.walk(ast.parse(Path(__file__).read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant)
    }

    assert [name for name in (*TOPIC_RULES, *SUBSCRIPTION_RULES) if name not in words] == []


def test_lint_costs_in_proportion_to_what_is_there():
    """Counted in calls, which do not depend on the machine."""

    def calls(size: int) -> int:
        broker = Broker(clock=VirtualClock())
        for number in range(size):
            broker.topic("t").subscribe(broker.queue(f"q{number}"), filter={"a": [str(number)]})
        broker.lint()  # imports
        seen = itertools.count()
        sys.setprofile(lambda *_: next(seen))
        try:
            broker.lint()
        finally:
            sys.setprofile(None)
        return next(seen)

    assert calls(400) < 2.5 * calls(200)
