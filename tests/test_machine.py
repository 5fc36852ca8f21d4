"""The ready state machine: it finds what is planted, shrinks it to a few steps, tells them, and accuses nobody else."""

from __future__ import annotations

import asyncio
import itertools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, run_state_machine_as_test

from decouple import Broker, Change, Entry, LawBroken, Message, QueueNotFound, Reject, TopicNotFound
from decouple.testing import Faults, VirtualClock, laws, machine, strategies

ANY = {"orders": st.just("any")}
FEW = 30
"""Runs within which each planted bug is found, by a chance that is the same every time."""


def run(made: Any, examples: int = FEW) -> None:
    plan = settings(
        made.TestCase.settings, max_examples=examples, stateful_step_count=20, derandomize=True, database=None
    )
    run_state_machine_as_test(made, settings=plan)


def failure_of(made: Any, error: type[BaseException] = LawBroken) -> tuple[str, list[str]]:
    """What it says, and the steps it shrank to, but for the end."""
    with pytest.raises(error) as caught:
        run(made)
    notes = "\n".join(getattr(caught.value, "__notes__", []))
    steps = [line[5:] for line in notes.splitlines() if re.match(r" *\d+  \S", line)]
    return f"{caught.value}\n{notes}", [step for step in steps if not step.startswith("the end")]


def shop(**more: Any) -> Broker:
    broker = Broker(clock=VirtualClock(), **more)
    dead = broker.queue("dead")
    broker.queue("orders", visibility_timeout=30, dead_letter=dead, max_receives=10)
    broker.queue("charges")
    return broker


def charging(*, once: bool) -> Callable[[Broker], Mapping[str, Callable[..., Any]]]:
    def handlers(broker: Broker) -> Mapping[str, Callable[..., Any]]:
        seen: set[str] = set()

        def charge(message: Message[str]) -> None:
            if message.id not in seen:
                broker.queues["charges"].send(message.id)
            if once:
                seen.add(message.id)

        return {"orders": charge}

    return handlers


def text(change: Change) -> str | None:
    return change.text


CHARGED_ONCE = laws.once(text, cause="sent", queue="charges")


# -- finding -------------------------------------------------------------------------------------------------------------


def test_a_handler_that_works_twice_is_found_and_shrinks_to_two_steps() -> None:
    said, steps = failure_of(machine(shop, charging(once=False), laws=[CHARGED_ONCE]))

    assert steps == [
        "send to 'orders': '0'; message 1",
        "message 1: taken from 'orders'; message 1: its handler runs",
    ]
    assert "was sent twice in queue 'charges'" in said
    assert "its time in flight ran out (receive 1)" in said  # the story


def test_a_correct_handler_is_not_accused() -> None:
    run(machine(shop, charging(once=True), laws=[CHARGED_ONCE, laws.drained("orders")], messages=ANY), examples=40)


def test_a_handler_that_remembers_before_it_works_loses_what_it_fails_at() -> None:
    """It takes a failure after it has noted the message, and then never does the work."""

    def handlers(broker: Broker) -> Mapping[str, Callable[..., Any]]:
        seen: set[str] = set()

        def charge(message: Message[str]) -> None:
            if message.id not in seen:
                seen.add(message.id)
                if message.receive_count == 1:
                    raise ConnectionError("the bank is away")
                broker.queues["charges"].send(message.id)

        return {"orders": charge}

    def all_charged(recording: Any) -> Any:
        charged = {change.text for change in recording.changes if change.cause == "sent" and change.queue == "charges"}
        for change in recording.changes:
            if change.cause == "deleted" and change.queue == "orders" and change.id not in charged:
                yield laws.Breach(change.id, f"message {change.id} is done and was never charged")

    said, steps = failure_of(machine(shop, handlers, laws=[all_charged], messages=ANY))

    assert len(steps) <= 3
    assert "it raised ConnectionError: the bank is away" in said or len(steps) == 1  # or it was left to the end


def test_two_workers_with_one_message_at_a_time_are_found() -> None:
    """A handler that believes it is alone: a message is there again while it is worked on."""

    def handlers(broker: Broker) -> Mapping[str, Callable[..., Any]]:
        stock = {"left": 1}

        def reserve(message: Message[str]) -> None:
            stock["left"] -= 1
            assert stock["left"] >= 0, f"sold what is not there, by message {message.id}"

        return {"orders": reserve}

    said, steps = failure_of(machine(shop, handlers, messages=ANY), AssertionError)

    assert len(steps) <= 4
    assert "sold what is not there" in said
    assert "queue orders" in said  # the story of the message whose handler failed


def test_a_group_out_of_order_is_found() -> None:
    def make() -> Broker:
        broker = Broker(clock=VirtualClock())
        dead = broker.queue("dead.fifo")
        broker.queue("steps.fifo", dead_letter=dead, max_receives=1)
        broker.queue("done")
        return broker

    def handlers(broker: Broker) -> Mapping[str, Callable[..., Any]]:
        def work(message: Message[str]) -> None:
            if message.receive_count == 1 and message.body == "first":
                raise ConnectionError
            broker.queues["done"].send(message.body)

        return {"steps.fifo": work, "dead.fifo": work}

    first = st.just(Entry("first", group="a", deduplication_id="1"))
    second = st.just(Entry("second", group="a", deduplication_id="2"))
    order = {"first": 1, "second": 2}

    def out_of_order(recording: Any) -> Any:
        done = [change for change in recording.changes if change.cause == "sent" and change.queue == "done"]
        for one, other in itertools.pairwise(done):
            if order[one.text or ""] > order[other.text or ""]:
                yield laws.Breach(other.id, f"{other.text} was done after {one.text}")

    _, steps = failure_of(machine(make, handlers, laws=[out_of_order], messages={"steps.fifo": first | second}))

    assert [step.partition(";")[0] for step in steps if step.startswith("send")] == [
        "send to 'steps.fifo': 'first', group='a', deduplication_id='1'",
        "send to 'steps.fifo': 'second', group='a', deduplication_id='2'",
    ]
    assert len(steps) <= 4


# -- what it can drive ---------------------------------------------------------------------------------------------------


def test_topics_with_filters_get_messages_that_pass() -> None:
    got: list[str] = []

    def make() -> Broker:
        broker = Broker(clock=VirtualClock())
        events = broker.topic("events")
        events.subscribe(broker.queue("orders"), filter={"type": ["created"]})
        return broker

    run(machine(make, {"orders": lambda message: got.append(message.attributes["type"])}))

    assert set(map(str, got)) <= {"created", "['created']"}
    assert got


def test_typed_queues_get_their_type_and_async_handlers_are_awaited() -> None:
    @dataclass
    class Order:
        number: int

    got: list[Any] = []

    def make() -> Broker:
        broker = Broker(clock=VirtualClock())
        broker.queue("orders", body=Order)
        return broker

    async def handle(order: Any) -> None:
        await asyncio.sleep(0)
        got.append(order.body)

    run(machine(make, {"orders": handle}), examples=10)

    assert got
    assert all(isinstance(one, Order) for one in got)


def test_the_brokers_own_consumers_and_functions_work_too() -> None:
    got: list[str] = []

    def make() -> Broker:
        broker = Broker(clock=VirtualClock())
        broker.queue("orders").consume(lambda message: got.append(message.body))
        return broker

    run(machine(make, messages={"orders": st.just("x")}, laws=[laws.drained()]), examples=10)

    assert set(got) == {"x"}


def test_fifo_queues_and_rejections_keep_all_laws() -> None:
    def make() -> Broker:
        broker = Broker(clock=VirtualClock())
        broker.queue("orders.fifo", dead_letter=broker.queue("dead.fifo"), max_receives=2)
        return broker

    def handle(message: Message[str]) -> None:
        if message.text == "0":
            raise Reject("no orders of nothing")
        if message.receive_count == 1:
            raise ConnectionError

    run(machine(make, {"orders.fifo": handle}, laws=[laws.drained("orders.fifo")]))


def test_faults_go_to_the_broker() -> None:
    plans: list[Any] = []

    def make(faults: Any) -> Broker:
        plans.append(faults)
        return shop(faults=faults)

    run(machine(make, charging(once=True), faults=Faults(7, lose_ack=0.5)), examples=5)
    assert {repr(plan) for plan in plans[1:]} == {repr(Faults(7, lose_ack=0.5))}

    said, steps = failure_of(
        machine(
            make,
            charging(once=False),
            messages=ANY,
            laws=[CHARGED_ONCE],
            faults=strategies.fault_plans(["lose_ack"]).filter(lambda plan: plan.plan),
        )
    )
    assert len(steps) <= 4
    assert "was sent twice" in said


def test_invariants_and_rules_of_ones_own_are_added_in_a_subclass() -> None:
    class Shop(machine(shop, charging(once=True), messages=ANY)):  # type: ignore[misc]
        @invariant()
        def never_any(self) -> None:
            assert not self.broker.queues["charges"].stats().visible, "a charge"

    said, _ = failure_of(Shop, AssertionError)

    assert "a charge" in said


# -- doors ---------------------------------------------------------------------------------------------------------------


def test_what_is_wrong_is_said_when_the_machine_is_made() -> None:
    with pytest.raises(TypeError, match="make_broker must be a callable"):
        machine(shop())  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="make_broker must give a Broker, not None"):
        machine(lambda: None)  # type: ignore[arg-type, return-value]
    with pytest.raises(TypeError, match=r"a clock of its own: Broker\(clock=VirtualClock\(\)\)"):
        machine(Broker)
    with pytest.raises(QueueNotFound, match="'typo'"):
        machine(shop, {"typo": print})
    with pytest.raises(TypeError, match="handlers must be a mapping"):
        machine(shop, [print])  # type: ignore[arg-type]
    with pytest.raises(TopicNotFound, match="'typo'"):
        machine(shop, messages={"typo": st.just("x")})


def test_the_phases_that_slow_it_down_are_left_out_of_its_settings() -> None:
    assert Phase.explain not in machine(shop).TestCase.settings.phases
