"""Strategies: whatever is drawn is accepted, by the library and by what AWS would check, and shrinks to the simplest."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st

from decouple import Broker, Entry, Queue
from decouple.aws.sqs.contents import FORBIDDEN
from decouple.core.filters import compile
from decouple.settings import DURATIONS
from decouple.testing import Faults, VirtualClock, strategies
from decouple.testing.strategies import FilterCase, cases

quick = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
# What is counted or searched must not depend on the day.
fixed = settings(
    max_examples=100, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck),
    phases=[Phase.generate, Phase.shrink],
)  # fmt: skip
scopes = pytest.mark.parametrize("scope", ["attributes", "body"])
kinds = pytest.mark.parametrize("fifo", [False, True])
MESSAGES = {fifo: strategies.messages(fifo=fifo) for fifo in (False, True)}
PUBLICATIONS = {fifo: strategies.publications(fifo=fifo) for fifo in (False, True)}
POLICIES: dict[str, Any] = {
    "attributes": strategies.filter_policies(),
    "body": strategies.filter_policies(scope="body"),
}
CASES: dict[str, Any] = {
    "attributes": strategies.filter_cases(),
    "body": strategies.filter_cases(scope="body"),
}


def queue_for(fifo: bool, **more: Any) -> Queue[str]:
    return Queue("orders.fifo" if fifo else "orders", clock=VirtualClock(), **more)


def drawn_from(strategy: Any, *, examples: int = 100) -> list[Any]:
    """Some of what it draws, the same every time."""
    found: list[Any] = []
    settings(fixed, max_examples=examples, phases=[Phase.generate])(given(strategy)(lambda one: found.append(one)))()
    return found


# -- accepted ------------------------------------------------------------------------------------------------------------


@kinds
@quick
@given(data=st.data())
def test_every_message_is_accepted_by_send(fifo: bool, data: st.DataObject) -> None:
    message = data.draw(MESSAGES[fifo])
    queue = queue_for(fifo)

    queue.send(**message)
    queue.clock.advance(900)  # type: ignore[attr-defined]

    [received] = queue.receive()
    assert set(received.attributes) == set(message.get("attributes", {}))
    assert not FORBIDDEN.search(received.text)  # nor does SQS refuse it
    queue.check()


@quick
@given(st.lists(strategies.entries(), max_size=3))
def test_every_batch_of_entries_is_accepted(entries: list[Entry]) -> None:
    assert len(queue_for(False).send_batch(entries)) == len(entries)


@kinds
@quick
@given(data=st.data())
def test_every_publication_is_accepted_by_publish(fifo: bool, data: st.DataObject) -> None:
    broker = Broker(clock=VirtualClock())
    topic = broker.topic("events", fifo=fifo)
    topic.subscribe(broker.queue("orders", fifo=fifo))

    topic.publish(**data.draw(PUBLICATIONS[fifo]))

    assert broker.queues["orders"].stats().visible == 1


@scopes
@quick
@given(data=st.data())
def test_every_filter_policy_is_accepted_by_subscribe(scope: Any, data: st.DataObject) -> None:
    policy = data.draw(POLICIES[scope])
    broker = Broker(clock=VirtualClock())

    subscription = broker.topic("events").subscribe(broker.queue("orders"), filter=policy, filter_scope=scope)

    assert json.loads(subscription.filter.text if subscription.filter else "{}") == policy


@quick
@given(expression=strategies.schedules())
def test_every_schedule_is_accepted_and_due_some_day(expression: str) -> None:
    broker = Broker(clock=VirtualClock())

    schedule = broker.schedule(expression, broker.queue("orders"), payload="tick")

    assert schedule.next_at is not None


LATER = datetime(2150, 6, 1, tzinfo=UTC)


@quick
@given(expression=strategies.schedules(start=LATER))
def test_schedules_may_begin_later(expression: str) -> None:
    broker = Broker(clock=VirtualClock(LATER))

    assert broker.schedule(expression, broker.queue("orders"), payload="tick").next_at is not None


DEAD = {fifo: queue_for(fifo) for fifo in (False, True)}
SETTINGS = {fifo: strategies.queue_settings(fifo=fifo, dead_letter=dead) for fifo, dead in DEAD.items()}


@kinds
@quick
@given(data=st.data())
def test_queues_take_all_settings_and_any_message_fits_into_them(fifo: bool, data: st.DataObject) -> None:
    drawn = data.draw(SETTINGS[fifo])
    queue = Queue("orders.fifo" if fifo else "orders", clock=DEAD[fifo].clock, **drawn)

    queue.send(**data.draw(MESSAGES[fifo]))

    assert {name: queue.settings[name] for name in drawn} == {
        name: pytest.approx(value, abs=1e-9) if name in DURATIONS else value for name, value in drawn.items()
    }


@quick
@given(plan=strategies.fault_plans())
def test_every_plan_of_faults_strikes_a_broker_that_loses_nothing(plan: Faults) -> None:
    broker = Broker(clock=VirtualClock(), faults=plan)
    queue = broker.queue("orders")

    for number in range(5):
        queue.send(number)
        for message in queue.receive():
            message.ack()

    broker.check()


def test_plans_may_be_of_some_kinds() -> None:
    plans = drawn_from(strategies.fault_plans(["crash", "lose_ack"]))

    assert {kind for plan in plans for kind in plan.plan} == {"crash", "lose_ack"}


# -- policies with messages ----------------------------------------------------------------------------------------------


@scopes
@quick
@given(data=st.data())
def test_a_case_says_whether_its_message_passes(scope: Any, data: st.DataObject) -> None:
    case = data.draw(CASES[scope])
    broker = Broker(clock=VirtualClock())
    queue = broker.queue("orders")
    topic = broker.topic("events")
    topic.subscribe(queue, filter=case.policy, filter_scope=scope)

    topic.publish(**({"body": "x", "attributes": case.message} if scope == "attributes" else {"body": case.message}))

    assert bool(queue.stats().visible) is case.matches


@scopes
def test_a_message_that_passes_is_made_from_the_policy_not_searched(
    scope: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of those that are filtered out a few are given up: some policies take every message."""
    given_up = []
    monkeypatch.setattr(cases, "assume", lambda holds: holds or given_up.append(holds))

    @st.composite
    def both(draw: st.DrawFn, wanted: bool) -> Any:
        policy = draw(strategies.filter_policies(scope=scope, min_keys=1))
        return draw((strategies.passing if wanted else strategies.filtered_out)(policy, scope=scope))

    assert len(drawn_from(both(True), examples=40)) == 40
    assert not given_up

    assert len(drawn_from(both(False), examples=40)) == 40
    assert len(given_up) < 5


WORDS = {"prefix", "suffix", "equals-ignore-case", "exists", "anything-but", "numeric", "cidr", "$or"}


@scopes
def test_the_whole_grammar_is_drawn(scope: Any) -> None:
    texts = [compile(policy, scope).text for policy in drawn_from(POLICIES[scope], examples=100)]

    assert {word for word in WORDS if any(f'"{word}"' in text for text in texts)} == WORDS
    assert {bound for bound in ("=", "<", "<=", ">", ">=") if any(f'["{bound}",' in text for text in texts)} >= {
        "=",
        "<",
    }
    assert any("null" in text for text in texts)


def test_bodies_have_nested_and_dotted_keys() -> None:
    drawn = drawn_from(POLICIES["body"], examples=60)

    assert any(isinstance(value, dict) for policy in drawn for value in policy.values())
    assert any("." in key for policy in drawn for key in policy)


OWN = {"type": ["created", {"prefix": "re"}], "price": [{"numeric": [">", 0, "<=", 100.5]}]}


@quick
@given(wanted=strategies.passing(OWN), unwanted=strategies.filtered_out(OWN))
def test_messages_are_drawn_for_a_policy_of_ones_own(wanted: Any, unwanted: Any) -> None:
    assert compile(OWN).matches(wanted)
    assert not compile(OWN).matches(unwanted)


def test_nothing_is_filtered_out_by_the_empty_policy() -> None:
    with pytest.raises(ValueError, match="the empty policy takes every message"):
        strategies.filtered_out({})


# -- shrinking -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("strategy", "simplest"), [
    (strategies.bodies(), "0"),
    (strategies.texts(), ""),
    (strategies.attributes(), {}),
    (strategies.attributes(min_size=1), {"0": "0"}),
    (strategies.messages(), {"body": "0"}),
    (strategies.messages(fifo=True), {"body": "0", "group": "a", "deduplication_id": "0"}),
    (strategies.entries(), Entry("0")),
    (strategies.publications(), {"body": "0"}),
    (strategies.filter_policies(), {}),
    (strategies.filter_policies(scope="body", min_keys=1), {"a": [""]}),
    (strategies.filter_cases(matches=True), FilterCase({}, {}, True)),
    (strategies.filter_cases(matches=False), FilterCase({"a": [""]}, {}, False)),
    (strategies.schedules(), "rate(1 minute)"),
    (strategies.queue_settings(), {}),
    (strategies.fault_plans().map(repr), "Faults(0)"),
])  # fmt: skip
def test_it_shrinks_to_the_simplest(strategy: Any, simplest: Any) -> None:
    assert find(strategy, lambda _: True, settings=settings(fixed, max_examples=5)) == simplest


# -- doors ---------------------------------------------------------------------------------------------------------------


def test_wrong_arguments_are_refused_at_once() -> None:
    with pytest.raises(ValueError, match="scope must be 'attributes' or 'body', not 'header'"):
        strategies.filter_policies(scope="header")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="start must be an aware datetime"):
        strategies.schedules(start=datetime(2026, 1, 1))
    with pytest.raises(ValueError, match="there is no fault 'typo'"):
        strategies.fault_plans(["typo"])


def test_without_hypothesis_it_says_which_extra_to_install() -> None:
    program = """
import sys
sys.modules["hypothesis"] = None
import decouple.testing
for name in ("strategies", "machine"):
    try:
        getattr(decouple.testing, name)
    except decouple.NotInstalled as error:
        print(error)
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert (
        ran.stdout.count("needs hypothesis, which is not installed: pip install 'decouple-messaging[hypothesis]'") == 2
    )
