"""A replay: what came from outside, again at the same instants, into a broker with other code; and how that differs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from decouple import Broker, QueueNotFound, Recording, SystemClock, TopicNotFound
from decouple.testing import Fault, Faults, VirtualClock, replay

Handler = Callable[[Any], None]


def shop(handler: Handler | None = None) -> Broker:
    """A topic, a queue, a consumer that hands on to another queue, a function on a queue, and a schedule."""
    broker = Broker(clock=VirtualClock(), record=1_000, seed=1)
    orders = broker.queue("orders")
    paid, jobs = broker.queue("paid"), broker.queue("jobs.fifo")
    broker.topic("events").subscribe(orders, envelope=True)
    broker.topic("events").subscribe(broker.queue("news"), filter={"kind": ["news"]})

    def hand_on(message: Any) -> None:
        paid.send(message.json()["Message"])

    orders.consume(handler or hand_on)
    broker.schedule("rate(1 minute)", paid, payload="tick", name="tick")

    @broker.function
    def job(event: Any, context: Any) -> None:
        pass

    jobs.trigger(job)
    return broker


def recorded(broker: Broker) -> Recording:
    """Ninety seconds of a program."""
    clock = broker.clock
    assert isinstance(clock, VirtualClock)
    broker.run_until_idle()
    clock.advance(1.5)
    broker.topics["events"].publish("one", subject="s", attributes={"kind": "news", "n": 1, "raw": b"\0", "tags": [1]})
    broker.run_until_idle(errors="collect")
    clock.advance(30)
    broker.topics["events"].publish(..., per_protocol={"default": "two", "email": "three"})
    broker.queues["jobs.fifo"].send("a", group="g", deduplication_id="1")
    broker.queues["jobs.fifo"].send("a", group="g", deduplication_id="1")
    broker.queues["jobs.fifo"].send("b", group="g", deduplication_id="2", attributes={"n": 1})
    broker.queues["news"].send("later", delay=7)
    broker.run_until_idle(errors="collect")
    clock.advance(58.5)
    broker.run_until_idle(errors="collect")
    return broker.recording()


def test_the_same_program_does_the_same_again() -> None:
    """Also its schedule's and its handlers' sends, which are not inputs, and ids in SNS's envelopes."""
    recording = recorded(shop())

    again = replay(recording, into=shop())

    assert str(again) == f"6 sends and publishes were made again\nthe same: {again.difference.size} changes"
    assert not again.difference
    assert again.refused == again.errors == ()
    assert again.difference.size > 20


def test_it_says_what_the_new_code_does_otherwise() -> None:
    def drop(message: Any) -> None:
        pass

    again = replay(recorded(shop()), into=shop(drop))

    assert again.difference
    assert again.difference.here is not None
    assert "sent in queue paid" in again.difference.here
    assert ("sent in queue paid", 4, 2) in again.difference.counts


def test_it_shows_the_errors_of_the_new_code_s_handlers() -> None:
    def fail(message: Any) -> None:
        if message.receive_count == 1:
            raise LookupError("no such card")

    again = replay(recorded(shop()), into=shop(fail))

    assert {type(error) for error in again.errors} == {LookupError}
    assert "a handler raised LookupError: no such card" in str(again)


def test_instants_are_counted_from_the_beginnings() -> None:
    recording = recorded(shop())
    late = shop()
    late.run_until_idle(budget=45)

    again = replay(recording, into=late)

    first, second = (
        next(change.at - run.started for change in run.changes if change.cause == "published")
        for run in (recording, again.recording)
    )
    assert first == second == 1_500_000_000
    assert again.recording.ended - again.recording.started == 90_000_000_000


def test_what_the_new_broker_refuses_is_told_and_the_rest_goes_on() -> None:
    old, new = (Broker(clock=VirtualClock(), record=100) for _ in range(2))
    old.queue("orders").send("x" * 2_000)
    old.queue("others").send("y")
    new.queue("orders", max_message_size=1_024)
    new.queue("others")

    again = replay(old.recording(), into=new)

    assert (again.inputs, len(again.refused), new.queues["others"].stats().visible) == (2, 1, 1)
    assert "refused: sent to 'orders': MessageTooLarge: " in str(again)


def test_a_typed_queue_gets_its_type_again() -> None:
    brokers = [Broker(clock=VirtualClock(), record=100) for _ in range(2)]
    for broker in brokers:
        broker.queue("points", body=Point)
    brokers[0].queues["points"].send(Point(1, 2))

    assert not replay(brokers[0].recording(), into=brokers[1]).difference


@dataclass
class Point:
    """A type of the user's."""

    x: int
    y: int


def test_what_is_no_recording_or_no_broker_is_refused() -> None:
    with pytest.raises(
        TypeError, match=r"recording must be a Recording, as Recording\.load\(path\) reads it, not 'run'"
    ):
        replay("run", into=Broker(clock=VirtualClock()))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"into must be a broker on a VirtualClock, .* not 5"):
        replay(Broker(record=1).recording(), into=5)  # type: ignore[arg-type]


def test_what_is_missing_in_the_new_broker_is_refused_before_anything_is_sent() -> None:
    old, new = (Broker(clock=VirtualClock(), record=100) for _ in range(2))
    old.topic("events").publish("x")
    new.queue("orders")

    with pytest.raises(TopicNotFound):
        replay(old.recording(), into=new)
    old.delete(old.topics["events"])
    old.queue("others").send("x")
    new.topic("events")
    with pytest.raises(QueueNotFound):
        replay(old.recording(), into=new)
    assert new.recording().changes == ()


def test_a_replay_needs_a_clock_that_can_be_moved() -> None:
    with pytest.raises(TypeError, match="into must be a broker on a VirtualClock"):
        replay(Recording([]), into=Broker(clock=SystemClock()))


@pytest.mark.parametrize("asked", [None, 5], ids=["none", "5 s"])
def test_a_delay_by_a_fault_is_not_taken_for_one_that_was_asked_for(asked: int | None) -> None:
    faults = Faults(delay=Fault(nth=1, seconds=10))

    def made(faults: Faults | None) -> Broker:
        broker = Broker(clock=VirtualClock(), record=100, faults=faults)
        broker.queue("orders")
        return broker

    broker = made(faults)
    broker.queues["orders"].send("a", delay=asked)
    recording = broker.recording()

    assert not replay(recording, into=made(faults)).difference
    [again] = [change for change in replay(recording, into=made(None)).recording.changes if change.cause == "sent"]
    assert again.until == (None if asked is None else again.at + asked * 10**9)
