"""Fair queues: `group=` on a standard queue names the tenant, and a busy one does not delay the others.

Source: SQS developer guide, fair queues; the thresholds that are ours are in core/fair.py.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from decouple import Broker, Message, Queue
from decouple.testing import Ledger, VirtualClock


@pytest.fixture
def work(clock: VirtualClock) -> Queue:
    return Queue("work", clock=clock)


def groups_of(messages: list[Message]) -> list[str | None]:
    return [message.group for message in messages]


def flood(queue: Queue, in_flight: int = 30, waiting: int = 100) -> list[Message]:
    """A tenant "noisy" with so many in flight and waiting."""
    for number in range(in_flight + waiting):
        queue.send(f"n{number}", group="noisy")
    return queue.receive(max_messages=in_flight)


def test_what_quiet_tenants_send_comes_before_the_backlog_of_a_noisy_one(work: Queue) -> None:
    flood(work)
    work.send("a1", group="a")
    work.send("b1", group="b")

    assert groups_of(work.receive(max_messages=4)) == ["a", "b", "noisy", "noisy"]


def test_a_message_without_a_group_is_a_quiet_tenant_of_its_own(work: Queue) -> None:
    flood(work)
    work.send("alone")

    assert [message.body for message in work.receive()] == ["alone"]


def test_a_burst_that_takes_longer_than_five_minutes_delays_nobody_to_its_end(work: Queue, clock: VirtualClock) -> None:
    """Noise ends after five minutes without a send, but who is over its share still is noisy at once again."""
    flying = flood(work, in_flight=3, waiting=2_000)
    for _ in range(200):
        clock.advance(1)
        flying.pop(0).ack()
        flying += work.receive()
        clock.advance(1)
        work.send("a", group="a")
        flying.pop(0).ack()
        flying += work.receive()

        assert flying[-1].group == "a"


def test_nobody_is_noisy_alone_and_the_order_is_that_of_sending(work: Queue) -> None:
    flood(work, in_flight=5, waiting=5)

    assert [message.body for message in work.receive(max_messages=5)] == ["n5", "n6", "n7", "n8", "n9"]


def test_quiet_tenants_take_turns_by_age_as_on_any_standard_queue(work: Queue, clock: VirtualClock) -> None:
    for group in ("b", "a", "b", None, "c"):
        work.send("x", group=group)
        clock.advance(1)

    assert groups_of(work.receive(max_messages=5)) == ["b", "a", "b", None, "c"]


def test_of_several_noisy_tenants_the_one_with_the_fewest_in_flight_comes_first(work: Queue) -> None:
    for group, count in (("x", 60), ("y", 40)):
        for number in range(count + 50):
            work.send(str(number), group=group)
    taken = Counter(groups_of(work.receive(max_messages=100)))

    more = Counter(groups_of(work.receive(max_messages=20)))

    assert abs((taken + more)["x"] - (taken + more)["y"]) <= 20
    work.check()


def test_a_noisy_tenant_is_not_throttled_while_nobody_else_waits(work: Queue) -> None:
    flood(work)

    assert groups_of(work.receive(max_messages=100)) == ["noisy"] * 100


def test_a_tenant_is_quiet_again_once_its_backlog_is_gone(work: Queue) -> None:
    held = flood(work, waiting=10)
    held += work.receive(max_messages=10)
    work.delete(*held)
    work.send("old", group="noisy")
    work.send("young", group="a")

    assert groups_of(work.receive(max_messages=2)) == ["noisy", "a"]


def test_a_tenant_is_quiet_again_when_it_has_sent_nothing_for_five_minutes_and_is_at_nothing(
    work: Queue, clock: VirtualClock
) -> None:
    held = flood(work)
    work.send("a1", group="a")
    assert groups_of(work.receive()) == ["a"]
    work.delete(*held)

    clock.advance(299.9)
    work.send("a2", group="a")
    assert groups_of(work.receive()) == ["a"]

    clock.advance(0.1)
    work.send("a3", group="a")
    assert groups_of(work.receive()) == ["noisy"]


def test_who_took_most_of_the_processing_time_is_noisy_with_one_worker_too(work: Queue, clock: VirtualClock) -> None:
    for number in range(5):
        work.send(f"n{number}", group="noisy")
    for _ in range(2):
        [message] = work.receive()
        clock.advance(5)
        message.ack()
    work.send("a1", group="a")
    assert groups_of(work.receive()) == ["a"]


def test_nothing_blocks_and_nothing_is_counted_once_as_on_a_fifo_queue(work: Queue) -> None:
    work.send("same", group="a")
    work.send("same", group="a")

    assert len(work.receive(max_messages=10)) == 2


def test_a_waiting_receive_is_served_fairly_too(work: Queue, clock: VirtualClock) -> None:
    held = flood(work, waiting=0)
    work.send("later", group="noisy", delay=5)
    work.send("quiet", group="a", delay=5)

    assert groups_of(work.receive(wait=20)) == ["a"]
    assert len(held) == 30


def test_a_queue_whose_last_message_with_a_group_is_gone_has_its_short_paths_again(work: Queue) -> None:
    work.send("a1", group="a")
    assert not work._core.quick_send
    work.receive()[0].ack()
    work.receive()

    work.send("plain")

    assert not work._core.grouped
    assert work._core.quick_send


def test_a_fair_queue_that_nobody_receives_from_keeps_nothing_of_messages_long_gone(clock: VirtualClock) -> None:
    work = Queue("work", retention=60, clock=clock)

    for second in range(5_000):
        work.send("x", group=f"g{second}")
        clock.advance(1)

    core: Any = work._core
    assert len(core.touched) + len(core.tenants) + len(core.heads) <= 1_000
    work.check()


def test_a_purge_of_a_fair_queue_leaves_nothing(work: Queue) -> None:
    flood(work)
    work.send("a1", group="a")

    assert work.purge() == 131

    core: Any = work._core
    assert [len(memory) for memory in (core.touched, core.tenants, core.heads, core.noisy)] == [0, 0, 0, 0]
    work.send("b1", group="b")
    assert groups_of(work.receive(max_messages=10)) == ["b"]
    work.check()


def test_dead_letters_keep_their_group_and_are_given_fairly(clock: VirtualClock) -> None:
    dead = Queue("dead", clock=clock)
    work = Queue("work", dead_letter=dead, max_receives=1, clock=clock)
    work.send("x", group="a")
    work.receive()[0].nack()
    work.receive()

    assert groups_of(dead.receive()) == ["a"]
    assert work.check()["moved_out"] == dead.check()["accepted"] == 1


class FairMachine(RuleBasedStateMachine):
    """Every verb on a queue with tenants: nothing is lost, whatever order it comes in, and the books hold."""

    def __init__(self) -> None:
        super().__init__()
        self.clock, self.ledger = VirtualClock(), Ledger()
        broker = Broker(clock=self.clock, observers=[self.ledger])
        self.dead = broker.queue("dead")
        self.work = broker.queue("work", dead_letter=self.dead, max_receives=4, visibility_timeout=20)
        self.held: list[Message] = []

    @rule(
        group=st.sampled_from([None, "a", "b", "noisy", "noisy"]),
        count=st.integers(1, 40),
        delay=st.sampled_from([None, None, 5]),
    )
    def send(self, group: str | None, count: int, delay: int | None) -> None:
        for _ in range(count):
            self.work.send("x", group=group, delay=delay)

    @rule(most=st.integers(1, 60), timeout=st.sampled_from([None, None, 0, 7]))
    def receive(self, most: int, timeout: int | None) -> None:
        visible = self.work.stats().visible
        dead = self.dead.stats().sent + self.dead.stats().moved_in
        got = self.work.receive(max_messages=most, visibility_timeout=timeout)
        buried = self.dead.stats().sent + self.dead.stats().moved_in - dead
        assert len(got) >= min(most, visible - buried)
        self.held += got

    @rule(number=st.integers(0, 200), how=st.sampled_from(["ack", "nack", "extend", "reject"]))
    def settle(self, number: int, how: str) -> None:
        if self.held:
            message = self.held.pop(number % len(self.held))
            if self.work._core.find(message.record[2]) is message:
                {
                    "ack": message.ack,
                    "nack": message.nack,
                    "extend": lambda: message.extend(50),
                    "reject": lambda: message.reject("no"),
                }[how]()

    @rule(seconds=st.sampled_from([0.5, 5, 20, 70, 301]))
    def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule()
    def purge(self) -> None:
        self.work.purge()

    @rule()
    def redrive(self) -> None:
        self.dead.redrive()

    @invariant()
    def the_books_hold(self) -> None:
        numbers, told = self.work.check(), self.ledger.check()
        assert told["visible"] == numbers["visible"] + self.dead.check()["visible"]
        assert told["in flight"] == numbers["in_flight"]


def test_whatever_happens_nothing_is_lost_and_the_lines_are_right() -> None:
    run_state_machine_as_test(
        FairMachine,
        settings=settings(
            max_examples=40, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
