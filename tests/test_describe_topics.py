"""Topics in the architecture's document: who is subscribed on which terms, and enough to subscribe them again."""

from __future__ import annotations

import dataclasses
import json
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decouple import (
    HTTP,
    SMS,
    Broker,
    Change,
    Email,
    InvalidDescription,
    Notification,
    NotInstalled,
    Outgoing,
    Push,
    Queue,
    TopicError,
)
from decouple.core.backoff import AWS_MANAGED, FUNCTIONS, JITTERS, Exponential, Phases, Schedule, Until, until
from decouple.describe_targets import word_of
from decouple.describe_topics import rate_of
from decouple.http_target import parsed
from decouple.terms import read_rate
from decouple.testing import VirtualClock

try:
    parsed("http://localhost/")
    web = True
except NotInstalled:
    web = False
needs_web = pytest.mark.skipif(not web, reason="the extra `http` is not installed")


def audit(notification: Notification) -> None:
    """A handler."""


async def index(notification: Notification) -> None:
    """Another."""


class Alarm:
    """What has `deliver`."""

    def deliver(self, notification: Notification) -> None: ...

    def ring(self, notification: Notification) -> None: ...


HERE = __name__
HANDLERS: dict[str, Any] = {f"{HERE}:audit": audit, f"{HERE}:index": index, f"{HERE}:Alarm": Alarm()}
PUSHED = {
    "filter": None,
    "filter_scope": "attributes",
    "envelope": False,
    "dead_letter": None,
    "retry": {
        "phases": {
            "immediate": 3,
            "pre_backoff": 2,
            "backoff": 10,
            "post_backoff": 100_000,
            "shortest": 1,
            "longest": 20,
            "function": "exponential",
        }
    },
    "concurrency": 4,
    "max_rate": None,
    "max_backlog": 100_000,
    "on_full": "drop",
    "confirmed": True,
}


def subscriptions(broker: Broker) -> list[dict[str, Any]]:
    """Those of the only topic."""
    [entry] = broker.describe()["topics"].values()
    found: list[dict[str, Any]] = entry["subscriptions"]
    return found


def test_a_topic_is_described_with_its_settings_and_subscriptions(broker: Broker) -> None:
    bills, dead = broker.queue("bills"), broker.queue("dead")
    events = broker.topic("events", max_message_size=2_048)
    events.subscribe(bills, filter={"type": ["paid"], "price": [{"numeric": [">=", 100]}]}, envelope=True)
    events.subscribe(audit, dead_letter=dead, max_rate=3, retry=until(Exponential(10**9, 6 * 10**10), max_attempts=9))

    assert broker.describe()["topics"] == {
        "events": {
            "fifo": False,
            "max_message_size": 2_048,
            "subscriptions": [
                PUSHED
                | {
                    "target": {"handler": f"{HERE}:audit"},
                    "dead_letter": "dead",
                    "on_full": "dead_letter",
                    "max_rate": 3,
                    "retry": {
                        "until": {
                            "schedule": {"exponential": {"base": 1, "cap": 60, "jitter": "full"}},
                            "max_attempts": 9,
                            "max_age": None,
                        }
                    },
                },
                {
                    "target": {"queue": "bills"},
                    "filter": {"price": [{"numeric": [">=", 100]}], "type": ["paid"]},
                    "filter_scope": "attributes",
                    "envelope": True,
                    "dead_letter": None,
                },
            ],
        }
    }


def test_a_fifo_topic_is_described_with_what_only_those_have(broker: Broker) -> None:
    broker.topic("events.fifo", archive=timedelta(days=1), deduplication_scope="messageGroup")

    assert broker.describe()["topics"]["events.fifo"] == {
        "fifo": True,
        "content_based_deduplication": False,
        "deduplication_scope": "messageGroup",
        "max_message_size": 262_144,
        "archive": 86_400,
        "subscriptions": [],
    }


def test_the_text_does_not_depend_on_the_order_of_subscribing_or_of_a_filters_keys(clock: VirtualClock) -> None:
    one, other = Broker(clock=clock), Broker(clock=clock)
    one.topic("a"), one.topic("b")
    one.topics["a"].subscribe(audit, filter={"x": ["1", "2"], "y": ["3"]}), one.topics["a"].subscribe(SMS("+15550100"))
    other.topic("b"), other.topic("a")
    (
        other.topics["a"].subscribe(SMS("+15550100")),
        other.topics["a"].subscribe(audit, filter={"y": ["3"], "x": ["1", "2"]}),
    )

    assert json.dumps(one.describe()) == json.dumps(other.describe())


def test_who_has_not_confirmed_is_pending_and_is_asked_again(clock: VirtualClock) -> None:
    first = Broker(clock=clock)
    first.topic("events").subscribe(Email("a@example.com", json=True))

    again = Broker.from_description(first.describe(), clock=clock)

    [entry] = subscriptions(first)
    assert (entry["target"], entry["confirmed"]) == ({"email": "a@example.com", "json": True}, False)
    again.run_until_idle()
    assert again.outbox[0].subject == "AWS Notification - Subscription Confirmation"
    again.topics["events"].subscriptions[0].confirm()
    [entry] = subscriptions(again)
    assert entry["confirmed"]
    assert Broker.from_description(again.describe(), clock=clock).topics["events"].subscriptions[0].state == "confirmed"


def test_cancelled_subscriptions_and_deleted_topics_are_not_described(broker: Broker) -> None:
    events = broker.topic("events")
    events.subscribe(audit).cancel()

    assert subscriptions(broker) == []
    broker.delete(events)
    assert broker.describe() == {"version": 1, "queues": {}}


def test_a_queue_of_nobodys_cannot_be_described(broker: Broker, clock: VirtualClock) -> None:
    broker.topic("events").subscribe(Queue("q", clock=clock))

    with pytest.raises(TopicError, match="'events' delivers to queue 'q', which is not this broker's") as caught:
        broker.describe()

    assert caught.value.topic == "events"


def test_dead_letters_in_a_queue_of_nobodys_cannot_be_described(broker: Broker, clock: VirtualClock) -> None:
    broker.topic("events").subscribe(audit, dead_letter=Queue("dead", clock=clock))

    with pytest.raises(TopicError, match="'events' has dead letters in queue 'dead'"):
        broker.describe()


# -- handlers --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "word"),
    [
        (audit, "audit"),
        (Alarm(), "Alarm"),
        (Alarm().ring, "Alarm.ring"),
        (partial(partial(audit)), "audit"),
        (lambda notification: None, "<lambda>"),
    ],
)
def test_a_handler_is_known_by_module_and_qualified_name(target: Any, word: str) -> None:
    assert word_of(target) == f"{HERE}:{word}"


def test_what_is_built_in_has_a_name_too() -> None:
    assert word_of([].append) == "builtins:list.append"
    assert word_of(print) == "builtins:print"


def test_handlers_are_given_again_by_name_and_work(clock: VirtualClock) -> None:
    first = Broker(clock=clock)
    first.topic("events").subscribe(audit)
    got: list[str] = []

    again = Broker.from_description(
        first.describe(), targets={f"{HERE}:audit": lambda notification: got.append(notification.text)}, clock=clock
    )
    again.topics["events"].publish("paid")
    again.run_until_idle()

    assert got == ["paid"]


def test_a_handler_that_was_not_given_is_named(broker: Broker) -> None:
    broker.topic("events").subscribe(audit)

    with pytest.raises(
        InvalidDescription, match=rf"none was given: pass targets={{'{HERE}:audit': ...}} with it"
    ) as caught:
        Broker.from_description(broker.describe())

    assert caught.value.path == "topics.events.subscriptions[0].target.handler"


def test_a_target_given_for_nothing_is_refused() -> None:
    with pytest.raises(InvalidDescription, match="targets has 'shop:bill', and no subscription has that"):
        Broker.from_description({"version": 1}, targets={"shop:bill": audit})


def test_two_subscriptions_that_one_name_stands_for_are_told_but_cannot_be_made_again(broker: Broker) -> None:
    events = broker.topic("events")
    events.subscribe(Alarm()), events.subscribe(Alarm())
    description = broker.describe()

    assert [one["target"]["handler"] for one in subscriptions(broker)] == [f"{HERE}:Alarm"] * 2
    with pytest.raises(InvalidDescription, match=r"same as that of topics\.events\.subscriptions\[0\]"):
        Broker.from_description(description, targets={f"{HERE}:Alarm": Alarm()})


def test_senders_and_chance_are_given_as_to_a_broker(clock: VirtualClock) -> None:
    sent: list[Outgoing] = []
    described = {"version": 1, "topics": {"events": {"subscriptions": [{"target": {"sms": "+15550100"}}]}}}

    broker = Broker.from_description(described, clock=clock, seed=7, senders={"sms": sent.append})
    broker.topics["events"].publish("paid")
    broker.run_until_idle()

    assert [outgoing.body for outgoing in sent] == ["paid"]
    assert broker.seed == 7


# -- web endpoints ---------------------------------------------------------------------------------------------


@needs_web
def test_a_web_endpoint_is_described_but_for_what_it_keeps_to_itself(broker: Broker) -> None:
    hook = HTTP("https://shop:secret@example.com/hook", timeout=2.5, headers={"X-Key": "secret"})
    broker.topic("events").subscribe(hook, confirm=False)

    [entry] = subscriptions(broker)

    assert entry["target"] == {
        "url": "https://shop:****@example.com/hook",
        "timeout": 2.5,
        "headers": ["X-Key"],
        "content_type": "text/plain; charset=UTF-8",
        "allow_link_local": False,
    }
    assert entry["envelope"]
    assert "secret" not in json.dumps(broker.describe())


@needs_web
@pytest.mark.parametrize(
    ("hook", "path", "words"),
    [
        (HTTP("https://shop:secret@example.com/hook") if web else None, "url", "does not hold its password"),
        (HTTP("https://example.com", headers={"X-Key": "7"}) if web else None, "headers", "what its headers X-Key say"),
    ],
)
def test_an_endpoint_with_secrets_is_to_be_given_again(broker: Broker, hook: HTTP, path: str, words: str) -> None:
    broker.topic("events").subscribe(hook)

    with pytest.raises(InvalidDescription, match=words) as caught:
        Broker.from_description(broker.describe())
    again = Broker.from_description(broker.describe(), targets={hook.endpoint: hook})

    assert caught.value.path == f"topics.events.subscriptions[0].target.{path}"
    assert f"pass targets={{{hook.endpoint!r}: HTTP(...)}}" in str(caught.value)
    assert again.topics["events"].subscriptions[0].target is hook
    assert again.describe() == broker.describe()


@needs_web
def test_without_its_extra_a_web_endpoint_is_no_wrong_description(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent() -> None:
        raise NotInstalled("aiohttp", purpose="posting", install="pip install 'decouple-messaging[http]'")

    monkeypatch.setattr("decouple.http_target.installed", absent)

    with pytest.raises(NotInstalled):
        Broker.from_description(one({"target": {"url": "https://example.com"}}))


# -- reading ---------------------------------------------------------------------------------------------------


def one(subscription: Any, **settings: Any) -> dict[str, Any]:
    """A description of one topic with one subscription, as somebody writes it by hand."""
    topics = {"events": {**settings, "subscriptions": [subscription]}}
    return {"version": 1, "queues": {"q": {}, "q.fifo": {}}, "topics": topics}


def test_what_is_left_out_has_its_default(clock: VirtualClock) -> None:
    broker = Broker.from_description(one({"target": {"push": "token"}}), clock=clock)

    assert subscriptions(broker) == [PUSHED | {"target": {"push": "token"}, "retry": subscriptions(broker)[0]["retry"]}]
    assert broker.topics["events"].subscriptions[0].target == Push("token")
    assert broker.topics["events"].settings == {"max_message_size": 262_144}


def test_a_description_without_topics_is_one_of_a_broker_without_topics(clock: VirtualClock) -> None:
    broker = Broker.from_description({"version": 1, "queues": {"q": {}}}, clock=clock)

    assert dict(broker.topics) == {}
    assert list(broker.describe()) == ["version", "queues"]


SUBSCRIPTION = "topics.events.subscriptions[0]"
QUEUE = {"target": {"queue": "q"}}
SMS_TO = {"target": {"sms": "+15550100"}}
WRONG: list[tuple[Any, str, str]] = [
    ({"version": 1, "topics": []}, "topics", "must be an object"),
    ({"version": 1, "topics": {"a b": {}}}, "topics.a b", "cannot name a topic"),
    ({"version": 1, "topics": {7: {}}}, "topics.7", "cannot name a topic"),
    ({"version": 1, "topics": {"t": {"colour": 1}}}, "topics.t.colour", "known are fifo, content_based_deduplication"),
    ({"version": 1, "topics": {"t": {"max_message_size": 7}}}, "topics.t.max_message_size", "from 1,024"),
    ({"version": 1, "topics": {"t": {"fifo": 7}}}, "topics.t.fifo", "fifo must be True"),
    ({"version": 1, "topics": {"t": {"archive": 60}}}, "topics.t.archive", "is for FIFO topics"),
    ({"version": 1, "topics": {"t": {"subscriptions": {}}}}, "topics.t.subscriptions", "must be a list"),
    (one(7), SUBSCRIPTION, "must be an object"),
    (one({}), f"{SUBSCRIPTION}.target", "must be an object"),
    (one({"target": {}}), f"{SUBSCRIPTION}.target", "one of queue, url, email, sms, push, handler, function, not"),
    (one({"target": {"queue": "q", "sms": "+1"}}), f"{SUBSCRIPTION}.target", "one of queue"),
    (one({"target": {"queue": "q", "json": True}}), f"{SUBSCRIPTION}.target.json", "known are queue"),
    (one({"target": {"queue": 7}}), f"{SUBSCRIPTION}.target.queue", "must be text"),
    (one({"target": {"queue": "x"}}), f"{SUBSCRIPTION}.target.queue", "there is no queue 'x'"),
    (one({"target": {"queue": "q.fifo"}}), f"{SUBSCRIPTION}.target", "cannot be subscribed to standard topic"),
    (one({"target": {"sms": "x"}}), f"{SUBSCRIPTION}.target", "'x'"),
    (one({"target": {"email": "x"}}), f"{SUBSCRIPTION}.target", "'x'"),
    (one({"target": {"email": "a@b.c", "json": 1}}), f"{SUBSCRIPTION}.target.json", "true or false"),
    (one({"target": {"url": "ftp://x"}}), f"{SUBSCRIPTION}.target", "begins with http"),
    (one(QUEUE | {"colour": 1}), f"{SUBSCRIPTION}.colour", "known are target, filter_scope"),
    (one(QUEUE | {"filter": {"a": 1}}), f"{SUBSCRIPTION}.filter", '"a" must be an object or an array'),
    (one(QUEUE | {"filter_scope": "head"}), f"{SUBSCRIPTION}.filter_scope", "must be 'attributes' or 'body'"),
    (one(QUEUE | {"envelope": 1}), f"{SUBSCRIPTION}.envelope", "True, False or None"),
    (one(QUEUE | {"concurrency": 1}), f"{SUBSCRIPTION}.concurrency", "pushed to"),
    (one(QUEUE | {"dead_letter": "x"}), f"{SUBSCRIPTION}.dead_letter", "there is no queue 'x'"),
    (one(QUEUE | {"dead_letter": "q.fifo"}), f"{SUBSCRIPTION}.dead_letter", "must be standard"),
    (one(QUEUE | {"confirmed": 1}), f"{SUBSCRIPTION}.confirmed", "true or false"),
    (one(SMS_TO | {"on_full": "dead_letter"}), f"{SUBSCRIPTION}.on_full", "needs a dead_letter"),
    (one(SMS_TO | {"max_rate": 0}), f"{SUBSCRIPTION}.max_rate", "at least"),
    (one(SMS_TO | {"retry": 7}), f"{SUBSCRIPTION}.retry", "must be an object"),
    (one(SMS_TO | {"retry": {}}), f"{SUBSCRIPTION}.retry", "one of exponential, phases, until"),
    (one(SMS_TO | {"retry": {"own": "<X>"}}), f"{SUBSCRIPTION}.retry.own", "one's own making, <X>"),
    (one(SMS_TO | {"retry": {"exponential": {"x": 1}}}), f"{SUBSCRIPTION}.retry.exponential.x", "known are base"),
    (one(SMS_TO | {"retry": {"exponential": {"base": 0}}}), f"{SUBSCRIPTION}.retry.exponential", "base must be over 0"),
    (one(SMS_TO | {"retry": {"phases": {"backoff": -1}}}), f"{SUBSCRIPTION}.retry.phases", "0 or more"),
    (one(SMS_TO | {"retry": {"phases": {"longest": 1}}}), f"{SUBSCRIPTION}.retry.phases", "at least shortest"),
    (one(SMS_TO | {"retry": {"phases": {"function": "x"}}}), f"{SUBSCRIPTION}.retry.phases", "function must be one of"),
    (one(SMS_TO | {"retry": {"until": {}}}), f"{SUBSCRIPTION}.retry.until.schedule", "must be an object"),
]


@pytest.mark.parametrize(("description", "path", "words"), WRONG)
def test_a_wrong_description_is_one_error_that_names_the_place(description: Any, path: str, words: str) -> None:
    with pytest.raises(InvalidDescription, match=words) as caught:
        Broker.from_description(description)

    assert caught.value.path == path


def test_a_schedule_may_be_nested_only_so_deep() -> None:
    retry: Any = {"exponential": {}}
    for _ in range(5_000):
        retry = {"until": {"schedule": retry}}

    with pytest.raises(InvalidDescription, match="nested too deep"):
        Broker.from_description(one(SMS_TO | {"retry": retry}))


def test_nobody_hears_of_a_description_that_is_wrong_at_its_end(clock: VirtualClock) -> None:
    seen: list[Change] = []
    description = one({"target": {"queue": "q"}})
    description["topics"]["events"]["subscriptions"].append({"target": {"sms": "wrong"}})

    with pytest.raises(InvalidDescription):
        Broker.from_description(description, clock=clock, observers=[seen.append])
    assert seen == []

    Broker.from_description(one({"target": {"queue": "q"}}), clock=clock, observers=[seen.append])
    assert [change.cause for change in seen] == ["subscribed"]


def test_a_schedule_of_ones_own_is_shown(broker: Broker) -> None:
    class Never:
        def __repr__(self) -> str:
            return "<never again>"

        def after(self, failures: int, **more: Any) -> None:
            return None

    broker.topic("events").subscribe(audit, retry=Never())

    [entry] = subscriptions(broker)
    assert entry["retry"] == {"own": "<never again>"}
    with pytest.raises(InvalidDescription, match="schedule of one's own making, <never again>"):
        Broker.from_description(broker.describe(), targets=dict([*HANDLERS.items()][:1]))


@pytest.mark.parametrize("rate", [1, 3, 0.5, 7, 1_000, 0.001, 333.3])
def test_a_rate_is_shown_as_it_was_given(rate: float) -> None:
    """Kept are the nanoseconds between two deliveries, of which a third of a second is no whole number."""
    assert rate_of(read_rate(rate)) == rate


@settings(deadline=None)
@given(st.integers(1, 86_400 * 10**9 - 1))
def test_any_rate_means_the_same_when_it_is_read_again(gap: int) -> None:
    assert read_rate(rate_of(gap)) == gap


# -- whatever it is --------------------------------------------------------------------------------------------

DAY = 86_400 * 10**9
PLAIN_SCHEDULES: st.SearchStrategy[Schedule] = st.one_of(
    st.just(AWS_MANAGED),
    st.tuples(st.integers(1, DAY), st.integers(1, DAY), st.sampled_from(JITTERS)).map(
        lambda drawn: Exponential(min(drawn[:2]), max(drawn[:2]), drawn[2])
    ),
    st.builds(
        lambda counts, ends, function: Phases(*counts, min(ends), max(ends), function),
        st.tuples(*[st.integers(0, 50)] * 4),
        st.tuples(st.integers(1, DAY), st.integers(1, DAY)),
        st.sampled_from(FUNCTIONS),
    ),
)
SCHEDULES = PLAIN_SCHEDULES | st.builds(
    Until, PLAIN_SCHEDULES, st.none() | st.integers(1, 99), st.none() | st.integers(0, DAY)
)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
WANTED = st.lists(
    st.one_of(
        TEXT,
        st.integers(-(10**9), 10**9),
        st.booleans(),
        TEXT.map(lambda text: {"prefix": text}),
        st.integers(-(10**6), 10**6).map(lambda number: {"numeric": ["<", number / 100]}),
        st.just({"exists": False}),
    ),
    min_size=1,
    max_size=3,
)
FILTERS = st.none() | st.dictionaries(TEXT.filter(lambda key: key != "$or"), WANTED, max_size=3)
PUSHED_TERMS = st.fixed_dictionaries(
    {},
    optional={
        "retry": SCHEDULES,
        "concurrency": st.integers(1, 99),
        "max_rate": st.floats(0.001, 10_000),
        "max_backlog": st.integers(1, 99),
        "on_full": st.sampled_from(["drop", "block"]),
        "confirm": st.booleans(),
    },
)
TARGETS = [audit, index, HANDLERS[f"{HERE}:Alarm"], Email("a@example.com"), SMS("+15550100"), Push("token")]
if web:
    TARGETS += [HTTP("https://example.com/a"), HTTP("http://localhost:8080/b", timeout=0.5, allow_link_local=True)]


@dataclasses.dataclass
class Order:
    id: int


@st.composite
def brokers(draw: st.DrawFn) -> Broker:
    """A broker with topics of both kinds, to which queues and all other targets are subscribed on any terms."""
    broker = Broker(clock=VirtualClock())
    queues = [broker.queue("q"), broker.queue("typed", body=Order), broker.queue("dead"), broker.queue("q.fifo")]
    for name in draw(st.sets(st.sampled_from(["events", "alarms", "events.fifo"]))):
        topic = broker.topic(name, max_message_size=draw(st.integers(1_024, 1_048_576)))
        usable = queues if topic.fifo else [*queues[:3], *TARGETS]
        dead = [None, queues[3] if topic.fifo else queues[2]]
        for target in draw(st.lists(st.sampled_from(usable), unique_by=id, max_size=5)):
            terms = {} if isinstance(target, Queue) else draw(PUSHED_TERMS)
            topic.subscribe(
                target,
                filter=draw(FILTERS),
                filter_scope=draw(st.sampled_from(["attributes", "body"])),
                envelope=draw(st.sampled_from([None, True, False])),
                dead_letter=draw(st.sampled_from(dead)),
                **terms,
            )
    return broker


@settings(deadline=None)
@given(brokers())
def test_a_broker_made_from_a_description_has_that_description(broker: Broker) -> None:
    description = broker.describe()
    used = {
        one["target"].get("handler")
        for entry in description.get("topics", {}).values()
        for one in entry["subscriptions"]
    }
    given = {word: target for word, target in HANDLERS.items() if word in used}

    again = Broker.from_description(description, types={"typed": Order}, targets=given)
    text = json.dumps(description, allow_nan=False)
    by_text = Broker.from_description(text, types={"typed": Order}, targets=given)

    assert again.describe() == by_text.describe() == description
    assert json.dumps(again.describe()) == text
    for name, topic in broker.topics.items():
        one, other = ({s.name: s for s in t.subscriptions} for t in (topic, again.topics[name]))
        assert {name: (s.state, s.terms.gap, s.terms.schedule) for name, s in one.items()} == {
            name: (s.state, s.terms.gap, s.terms.schedule) for name, s in other.items()
        }


def test_a_function_is_described_by_its_name_and_given_again(broker: Broker) -> None:
    resize = broker.function(lambda event, context: None, name="resize")
    broker.topic("uploads").subscribe(resize)

    [entry] = subscriptions(broker)
    assert entry["target"] == {"function": "resize"}

    again = Broker(clock=broker.clock).function(lambda event, context: None, name="resize")
    copy = Broker.from_description(broker.describe(), clock=broker.clock, targets={"resize": again})
    assert copy.topics["uploads"].subscriptions[0].target is again
    with pytest.raises(InvalidDescription, match=r"targets=\{'resize': \.\.\.\}"):
        Broker.from_description(broker.describe(), clock=broker.clock)
