"""Autoscaling: a consumer's concurrency follows the backlog for each worker, out at once and in after the cooldown."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decouple import Broker, NeedsBroker, Queue
from decouple.autoscale import Autoscaler
from decouple.consumer import Consumer
from decouple.core.autoscaling import Policy
from decouple.testing import VirtualClock

SECOND = 1_000_000_000


def tracking(**settings: Any) -> Policy:
    return Policy(**({"minimum": 1, "maximum": 10, "cooldown": 300 * SECOND} | settings))


# -- the policy --------------------------------------------------------------------------------------------------------


def test_the_acceptable_backlog_is_latency_by_average_time() -> None:
    """EC2 Auto Scaling, "Scaling based on Amazon SQS": 10 s of latency, 0.1 s a message, so 100 messages an instance."""
    policy = tracking(latency=10 * SECOND)

    assert policy.acceptable(0.1 * SECOND) == 100
    assert policy.wanted(1_500, 0.1 * SECOND) == 10
    assert policy.wanted(350, 0.1 * SECOND) == 4


@pytest.mark.parametrize(
    ("visible", "workers"), [(0, 2), (100, 2), (200, 2), (201, 3), (300, 3), (301, 4), (800, 8), (801, 8), (10**9, 8)]
)
def test_each_worker_has_at_most_the_target_backlog_within_the_limits(visible: int, workers: int) -> None:
    assert tracking(target=100, minimum=2, maximum=8).decide(0, visible, 2, None) == workers


def test_it_scales_out_at_once_and_in_after_the_cooldown() -> None:
    policy = tracking(target=100)

    assert policy.decide(0, 700, 1, None) == 7
    assert policy.decide(60 * SECOND, 1_000, 7, None) == 10
    assert policy.decide(120 * SECOND, 0, 10, None) == 10
    assert policy.decide(359 * SECOND, 0, 10, None) == 10
    assert policy.decide(360 * SECOND, 0, 10, None) == 1


def test_it_scales_in_as_far_as_was_wanted_all_through_the_cooldown() -> None:
    policy = tracking(target=100, cooldown=100 * SECOND)
    backlogs = [900, 100, 400, 200, 100, 100, 100]

    workers, decided = 1, list[int]()
    for minute, visible in enumerate(backlogs):
        workers = policy.decide(minute * 60 * SECOND, visible, workers, None)
        decided.append(workers)

    assert decided == [9, 9, 4, 4, 2, 1, 1]


def test_a_trough_between_bursts_takes_no_worker_away() -> None:
    policy = tracking(target=100)

    workers = 1
    for minute in range(60):
        workers = policy.decide(minute * 60 * SECOND, 800 if minute % 4 == 0 else 0, workers, None)
        assert workers == 8


def test_without_a_cooldown_it_scales_in_at_once() -> None:
    policy = tracking(target=100, cooldown=0)

    assert policy.decide(0, 700, 1, None) == 7
    assert policy.decide(1, 0, 7, None) == 1


def test_workers_there_were_before_stay_for_a_cooldown() -> None:
    policy = tracking(target=100)

    assert policy.decide(0, 0, 5, None) == 5
    assert policy.decide(300 * SECOND, 0, 5, None) == 1


def test_before_a_message_has_ended_nothing_is_known_and_nothing_changes() -> None:
    policy = tracking(latency=10 * SECOND)

    assert policy.decide(0, 1_000, 3, None) == 3
    assert policy.decide(1, 1_000, 3, 0.05 * SECOND) == 5


def test_a_handler_that_takes_no_time_needs_the_minimum() -> None:
    assert tracking(latency=SECOND).decide(0, 1_000, 1, 0.0) == 1


def test_workers_out_of_the_limits_are_brought_within() -> None:
    assert tracking(target=100, minimum=2).decide(0, 0, 1, None) == 2
    assert tracking(target=100, maximum=4).decide(0, 0, 9, None) == 4


@given(st.lists(st.tuples(st.integers(0, 400), st.integers(0, 2_000)), max_size=60))
def test_it_is_the_most_that_was_wanted_in_the_cooldown_but_never_more_than_there_are_unless_wanted_now(
    steps: list[tuple[int, int]],
) -> None:
    policy, now, workers = tracking(target=100), 0, 3
    policy.decide(now, 0, workers, None)
    wanted: list[tuple[int, int]] = [(0, 3)]

    for seconds, visible in steps:
        now += seconds * SECOND
        wants = policy.within(-(-visible // 100))
        wanted.append((now, wants))
        lately = max(count for at, count in wanted if at > now - 300 * SECOND)
        expected = max(wants, min(workers, lately))
        workers = policy.decide(now, visible, workers, None)
        assert workers == expected


def test_a_burst_is_worked_off_within_the_latency_and_the_workers_go_home() -> None:
    """A model of an hour: 2 messages a second, 40 for five minutes; a message takes a worker 0.5 s."""
    policy = tracking(latency=120 * SECOND, maximum=40)
    backlog, workers, seen = 0.0, 1, list[tuple[float, int]]()

    for second in range(7_200):
        backlog = max(0.0, backlog + (40 if 600 <= second < 900 else 1.5) - workers * 2)
        if second % 60 == 0:
            workers = policy.decide(second * SECOND, round(backlog), workers, 0.5 * SECOND)
        seen.append((backlog, workers))

    assert max(workers for _, workers in seen) > 10
    assert all(backlog * 0.5 / workers < 120 + 60 for backlog, workers in seen if backlog > 0 and workers > 1)
    assert seen[-1] == (0.0, 1)


# -- the driver --------------------------------------------------------------------------------------------------------


@pytest.fixture
def orders(broker: Broker) -> Queue:
    return broker.queue("orders", visibility_timeout=600)


def slow(broker: Broker, orders: Queue, seconds: float) -> Consumer[..., Any]:
    """A consumer whose handler takes that long."""
    nothing = broker.queue("nothing")
    return orders.consume(lambda message: nothing.receive(wait=seconds))


def test_the_concurrency_follows_the_backlog(broker: Broker, orders: Queue, clock: VirtualClock) -> None:
    consumer = slow(broker, orders, 5)
    autoscaler = orders.autoscale(consumer, latency=60, cooldown=120)
    orders.send_batch([str(number) for number in range(60)])

    clock.advance(60)
    [first] = autoscaler.history
    assert (first.visible, first.average, first.workers, first.decided) == (47, 5.0, 1, 4)  # and one in flight
    assert f"{first.at:%M:%S}" == "01:00"
    assert consumer.concurrency == 4

    broker.run_until_idle(budget=1_200)
    assert consumer.stats().succeeded == 60
    assert consumer.concurrency == 1
    assert autoscaler.stats()[:4] == ("running", 1, 1, 32)
    assert (autoscaler.stats().scaled_out, autoscaler.stats().looks) == (1, len(autoscaler.history))
    assert autoscaler.stats().scaled_in >= 1


def test_a_paused_consumer_is_left_alone_and_a_closed_one_ends_it(
    broker: Broker, orders: Queue, clock: VirtualClock
) -> None:
    consumer = orders.consume(lambda message: None)
    autoscaler = orders.autoscale(consumer, target_backlog=1)
    consumer.pause()
    orders.send_batch(["a", "b", "c"])

    clock.advance(120)
    assert (autoscaler.history, consumer.concurrency) == ([], 1)

    consumer.close()
    clock.advance(60)
    assert autoscaler.stats().state == "closed"
    assert broker.run_until_idle().waiting_for == ()


def test_a_closed_autoscaler_leaves_the_concurrency_as_it_is(
    broker: Broker, orders: Queue, clock: VirtualClock
) -> None:
    consumer = slow(broker, orders, 30)
    autoscaler = orders.autoscale(consumer, target_backlog=1)
    orders.send_batch([str(number) for number in range(8)])
    clock.advance(60)
    before = consumer.concurrency

    autoscaler.close()
    autoscaler.close()
    clock.advance(600)

    assert before == 5
    assert consumer.concurrency == before
    assert repr(autoscaler).endswith(f"of queue 'orders': closed, {before} workers>")


def test_it_ends_with_its_broker(clock: VirtualClock) -> None:
    broker = Broker(clock=clock)
    orders = broker.queue("orders")
    autoscaler = orders.autoscale(orders.consume(lambda message: None), target_backlog=1)
    assert [what for _, what in broker.run_until_idle().waiting_for] == [
        f"the autoscaler of {autoscaler.consumer.name}"
    ]

    broker.close()

    assert autoscaler.stats().state == "closed"


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({}, ValueError, "either target_backlog .* or latency"),
        ({"target_backlog": 1, "latency": 1}, ValueError, "either target_backlog .* or latency"),
        ({"target_backlog": 0}, ValueError, "target_backlog must be over 0, not 0"),
        ({"target_backlog": "5"}, TypeError, "target_backlog must be a number of messages, not '5'"),
        ({"latency": 0}, ValueError, "latency must be over 0 seconds, not 0"),
        ({"latency": -1}, ValueError, "latency must be at least 0"),
        ({"latency": 1, "minimum": 0}, ValueError, "minimum must be at least 1 and at most maximum, not 0"),
        ({"latency": 1, "minimum": 5, "maximum": 4}, ValueError, "not 5 with maximum 4"),
        ({"latency": 1, "maximum": 4.5}, TypeError, "maximum must be an int, not 4.5"),
        ({"latency": 1, "cooldown": -1}, ValueError, "cooldown must be at least 0"),
        ({"latency": 1, "every": 0}, ValueError, "every must be over 0 seconds, not 0"),
    ],
)
def test_wrong_settings_are_refused(
    broker: Broker, orders: Queue, settings: dict[str, Any], error: type[Exception], words: str
) -> None:
    consumer = orders.consume(lambda message: None)

    with pytest.raises(error, match=words):
        orders.autoscale(consumer, **settings)


def test_only_a_consumer_of_the_queue_is_scaled_by_it(broker: Broker, orders: Queue, clock: VirtualClock) -> None:
    others = broker.queue("others")
    consumer = others.consume(lambda message: None)

    with pytest.raises(ValueError, match=r"queue 'orders' cannot scale consumer .* of queue 'others'"):
        orders.autoscale(consumer, latency=1)
    with pytest.raises(TypeError, match="autoscale takes a consumer"):
        orders.autoscale(print, latency=1)  # type: ignore[arg-type]
    with pytest.raises(NeedsBroker, match="an autoscaler of queue 'alone'"):
        Queue("alone", clock=clock).autoscale(consumer, latency=1)


def test_the_last_thousand_decisions_are_kept(broker: Broker, orders: Queue, clock: VirtualClock) -> None:
    autoscaler: Autoscaler = orders.autoscale(orders.consume(lambda message: None), target_backlog=1, every=1)

    clock.advance(1_500)

    assert len(autoscaler.history) == 1_000
    assert autoscaler.stats().looks == 1_500
