"""Schedules: what is given to whom at which instant, what becomes of it when that fails, and how a schedule ends."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from decouple import Broker, DecoupleError, InvalidName, NeedsBroker, Queue, SystemClock
from decouple.core.backoff import exponential, until
from decouple.errors import DeliveryRefused, InvalidSchedule, ScheduleExists
from decouple.function import Function
from decouple.schedules import ScheduleStats
from decouple.testing import Ledger, VirtualClock

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)
RETRY = {"numRetries": 2, "minDelayTarget": 5, "maxDelayTarget": 5}


@pytest.fixture
def orders(broker: Broker) -> Queue:
    return broker.queue("orders")


@dataclass
class Order:
    id: int


def texts(queue: Queue) -> list[str]:
    """What is visible, which is taken and acknowledged."""
    messages = queue.receive(max_messages=100)
    queue.delete(*messages)
    return [message.text for message in messages]


class LateClock(SystemClock):
    """A clock like the real one: nobody is told when it moves."""

    def __init__(self) -> None:
        self.instant = 0
        self.epoch = int(NEW_YEAR.timestamp()) * 1_000_000_000
        self.now = lambda: self.instant

    def move(self, seconds: float) -> None:
        self.instant += round(seconds * 1_000_000_000)


# -- when ------------------------------------------------------------------------------------------------------------


def test_a_rate_fires_at_once_and_then_after_every_period(broker: Broker, orders: Queue, clock: VirtualClock) -> None:
    """EventBridge Scheduler, StartDate: a rate without one starts at once."""
    schedule = broker.schedule("rate(5 minutes)", orders, payload="tick")
    assert schedule.next_at == NEW_YEAR

    broker.run_until_idle()
    assert texts(orders) == ["tick"]

    clock.advance(299.999)
    assert texts(orders) == []

    clock.advance(0.001)
    assert texts(orders) == ["tick"]
    assert schedule.next_at == NEW_YEAR + timedelta(minutes=10)


def test_a_rate_fires_at_once_where_time_passes_while_it_is_declared() -> None:
    with Broker() as broker:
        orders = broker.queue("orders")

        broker.schedule("rate(1 minute)", orders, payload="tick")

        assert [message.text for message in orders.receive(wait=20)] == ["tick"]


def test_a_cron_fires_by_the_clocks_of_its_zone(broker: Broker, orders: Queue, clock: VirtualClock) -> None:
    schedule = broker.schedule("cron(0 9 ? * MON-FRI *)", orders, payload="tick", timezone="Europe/Berlin")

    clock.advance(86_400)

    assert len(texts(orders)) == 1
    assert schedule.timezone == "Europe/Berlin"
    assert schedule.next_at == datetime(2026, 1, 2, 8, tzinfo=UTC)


@pytest.mark.slow
def test_a_year_of_a_five_minute_schedule_has_every_firing_in_it(broker: Broker, clock: VirtualClock) -> None:
    called: list[Any] = []
    schedule = broker.schedule("rate(5 minutes)", called.append, payload="tick", start=NEW_YEAR + timedelta(minutes=5))

    clock.advance(365 * 86_400)

    assert len(called) == schedule.stats().delivered == 365 * 24 * 12


def test_what_was_due_while_nobody_did_the_work_is_done_once_and_then_it_goes_on_from_now() -> None:
    late = LateClock()
    broker = Broker(clock=late)
    orders = broker.queue("orders")
    schedule = broker.schedule("rate(5 minutes)", orders, payload="<aws.scheduler.scheduled-time>")
    broker.run_until_idle()
    late.move(3_601)

    broker.run_until_idle()

    assert texts(orders) == ["2026-01-01T00:00:00Z", "2026-01-01T00:05:00Z"]
    assert schedule.next_at == NEW_YEAR + timedelta(minutes=65)
    assert schedule.stats().fired == 2


def test_a_start_and_an_end_bound_it_both_included(broker: Broker, orders: Queue, clock: VirtualClock) -> None:
    minute = timedelta(minutes=1)
    schedule = broker.schedule("rate(1 minute)", orders, start=NEW_YEAR + 2 * minute, end=NEW_YEAR + 4 * minute)

    clock.advance(3_600)

    assert [json.loads(text)["time"] for text in texts(orders)] == [f"2026-01-01T00:0{n}:00Z" for n in (2, 3, 4)]
    assert schedule.state == "ended"


def test_in_a_flexible_window_it_fires_any_time_after_the_instant_and_the_next_is_not_moved(
    clock: VirtualClock, ledger: Ledger
) -> None:
    """EventBridge Scheduler: from the due time to due + window."""
    with Broker(clock=clock, observers=[ledger], seed=7) as broker:
        schedule = broker.schedule("rate(5 minutes)", lambda payload: None, window=900)
        clock.advance(3_600)

        delays = sorted(
            change.happened_at - NEW_YEAR - timedelta(minutes=5) * (int(str(change.id)[-12:], 16) - 1)
            for change in ledger.changes
        )

    assert timedelta(0) <= delays[0] < delays[-1] <= timedelta(minutes=15)
    assert schedule.stats().fired == 13


# -- what and to whom ------------------------------------------------------------------------------------------------


def test_a_topic_publishes_it_a_function_is_sent_it_and_a_callable_is_called_with_it(
    broker: Broker, orders: Queue, clock: VirtualClock
) -> None:
    topic = broker.topic("ticks")
    topic.subscribe(orders)
    got: list[Any] = []
    function = broker.function(lambda event, context: got.append(("function", event)), name="work")

    async def wait_for_it(payload: Any) -> None:
        got.append(("async", payload))

    for target in (topic, function, lambda payload: got.append(("callable", payload)), wait_for_it):
        broker.schedule("at(2026-01-01T00:00:01)", target, payload={"n": 1})
    clock.advance(1)
    broker.run_until_idle()

    assert texts(orders) == ['{"n": 1}']
    assert sorted(got, key=str) == [("async", {"n": 1}), ("callable", {"n": 1}), ("function", {"n": 1})]
    assert function.stats().invocations == 1


def test_every_call_has_a_payload_of_its_own(broker: Broker, clock: VirtualClock) -> None:
    got: list[list[int]] = []

    def spoil(payload: list[int]) -> None:
        payload.append(2)
        got.append(payload)

    broker.schedule("rate(1 minute)", spoil, payload=[1])
    clock.advance(60)

    assert got == [[1, 2], [1, 2]]


def test_without_a_payload_it_is_awss_scheduled_event(broker: Broker, orders: Queue, clock: VirtualClock) -> None:
    """lambda.md, section 6: like a rule's event, with source aws.scheduler and "{}" as the detail."""
    schedule = broker.schedule("cron(0 9 ? * MON-FRI *)", orders, name="nightly")
    clock.advance(86_400)

    [text] = texts(orders)
    event = json.loads(text)

    assert event.pop("id").endswith("-000000000001")
    assert event == {
        "version": "0",
        "detail-type": "Scheduled Event",
        "source": "aws.scheduler",
        "account": "000000000000",
        "time": "2026-01-01T09:00:00Z",
        "region": "us-east-1",
        "resources": [schedule.arn],
        "detail": "{}",
    }
    assert schedule.arn == "arn:aws:scheduler:us-east-1:000000000000:schedule/default/nightly"


def test_a_schedule_is_of_its_brokers_account_and_region(clock: VirtualClock) -> None:
    broker = Broker(account="111122223333", region="eu-central-1", clock=clock)
    orders = broker.queue("orders")
    schedule = broker.schedule("rate(1 day)", orders, name="nightly")
    broker.run_until_idle()

    event = json.loads(orders.receive()[0].text)

    assert (event["account"], event["region"]) == ("111122223333", "eu-central-1")
    assert event["resources"] == [schedule.arn]
    assert schedule.arn == "arn:aws:scheduler:eu-central-1:111122223333:schedule/default/nightly"


def test_a_name_may_have_a_group_before_it(broker: Broker, orders: Queue) -> None:
    """EventBridge Scheduler: a name is one schedule within its group, and the ARN has both."""
    reports = broker.schedule("rate(1 day)", orders, name="reports/nightly")
    nightly = broker.schedule("rate(1 day)", orders, name="nightly")

    assert broker.schedule("rate(1 day)", orders, name="default/nightly") is nightly
    assert reports.arn == "arn:aws:scheduler:us-east-1:000000000000:schedule/reports/nightly"
    assert set(broker.schedules) == {"reports/nightly", "nightly"}


def test_the_terms_are_what_was_declared(broker: Broker, orders: Queue) -> None:
    end = NEW_YEAR + timedelta(days=1)
    schedule = broker.schedule("rate(1 day)", orders, payload={"n": 1}, window=60, end=end, timezone="Europe/Berlin")

    terms = schedule.terms

    assert (terms.expression, terms.target, terms.payload.text) == ("rate(1 day)", orders, '{"n": 1}')
    assert (terms.timezone, terms.window, terms.start, terms.end) == ("Europe/Berlin", 60.0, None, end)


def test_a_callable_may_say_what_it_stands_for_and_why_it_refuses(broker: Broker) -> None:
    """The dead letter has the ARN of the target, and AWS's word for the reason."""

    class Elsewhere:
        arn = "arn:aws:sqs:us-east-1:000000000000:gone"

        def __call__(self, payload: str) -> None:
            raise DeliveryRefused(self.arn, why="it does not exist", code="NO_RESOURCE")

    dead = broker.queue("dead")
    schedule = broker.schedule("rate(1 day)", Elsewhere(), payload="tick", dead_letter=dead)
    broker.run_until_idle(errors="collect")

    [letter] = dead.receive()
    assert letter.attributes["TARGET_ARN"] == "arn:aws:sqs:us-east-1:000000000000:gone"
    assert letter.attributes["ERROR_CODE"] == "NO_RESOURCE"
    assert "to arn:aws:sqs:us-east-1:000000000000:gone, next" in repr(schedule)


def test_schedulers_context_attributes_are_filled_in(broker: Broker, clock: VirtualClock) -> None:
    """EventBridge Scheduler user guide, "Adding context attributes"."""
    got: list[str] = []

    def refuse_twice(payload: str) -> None:
        got.append(payload)
        if len(got) < 3:
            raise RuntimeError("not yet")

    broker.schedule(
        "at(2026-01-01T00:01:00)",
        refuse_twice,
        name="s",
        payload="<aws.scheduler.schedule-arn> <aws.scheduler.scheduled-time> <aws.scheduler.attempt-number> <aws.other>",
        retry=RETRY,
    )
    broker.run_until_idle(budget=100, errors="collect")

    arn = "arn:aws:scheduler:us-east-1:000000000000:schedule/default/s"
    assert got == [f"{arn} 2026-01-01T00:01:00Z {attempt} <aws.other>" for attempt in (1, 2, 3)]


def test_a_fifo_queue_has_a_group_and_the_execution_as_deduplication_id(broker: Broker, clock: VirtualClock) -> None:
    entries = broker.queue("entries.fifo")
    broker.schedule("rate(1 minute)", entries, payload="same", group="g")
    clock.advance(60)

    first, second = entries.receive(max_messages=10)

    assert (first.group, second.group) == ("g", "g")
    assert first.deduplication_id != second.deduplication_id


def test_a_typed_queue_is_sent_its_type(broker: Broker, clock: VirtualClock) -> None:
    orders = broker.queue("orders", body=Order)
    broker.schedule("rate(1 minute)", orders, payload=Order(7))
    broker.run_until_idle()

    assert orders.receive()[0].body == Order(7)
    with pytest.raises(TypeError, match="Order"):
        broker.schedule("rate(1 minute)", orders, payload={"id": 7})


# -- when it fails ---------------------------------------------------------------------------------------------------


def test_a_target_that_fails_is_tried_again_and_then_it_goes_to_the_dead_letter_queue(
    broker: Broker, ledger: Ledger
) -> None:
    dead = broker.queue("dead")

    def refuse(payload: Any) -> None:
        raise LookupError("no such shop")

    schedule = broker.schedule(
        "at(2026-01-01T00:01:00)",
        refuse,
        payload={"n": "<aws.scheduler.attempt-number>"},
        retry=RETRY,
        dead_letter=dead,
    )
    report = broker.run_until_idle(budget=100, errors="collect")

    assert [str(error) for error in report.errors] == ["no such shop"] * 3
    assert schedule.stats() == ScheduleStats(fired=1, delivered=0, failed=3, dead_lettered=1, dropped=0, pending=0)
    [letter] = dead.receive()
    assert letter.json() == {"n": "3"}
    assert letter.failure is not None
    assert (letter.failure.error, letter.failure.attempts) == ("LookupError", 3)
    assert letter.attributes["SCHEDULE_ARN"] == schedule.arn
    assert letter.attributes["RETRY_ATTEMPTS"] == "2"
    told = [(change.cause, change.receives) for change in ledger.changes if change.schedule == schedule.name]
    assert told == [("schedule ended", 0), ("firing failed", 1), ("firing failed", 2), ("firing given up", 3)]


def test_by_default_it_is_tried_again_185_times_within_a_day(broker: Broker, caplog: pytest.LogCaptureFixture) -> None:
    """EventBridge Scheduler, RetryPolicy: MaximumRetryAttempts 185, MaximumEventAgeInSeconds 86,400."""

    def refuse(payload: Any) -> None:
        raise LookupError("no")

    schedule = broker.schedule("at(2026-01-01T00:01:00)", refuse)
    broker.run_until_idle(budget=100_000, errors="collect")

    stats = schedule.stats()
    assert 100 < stats.failed <= 186
    assert (stats.dropped, stats.pending) == (1, 0)
    assert "was given up, and no dead-letter queue has it" in caplog.text


def test_a_queue_that_is_closed_is_not_tried_again(broker: Broker, orders: Queue) -> None:
    """EventBridge: a target that does not exist is no matter of retries."""
    dead = broker.queue("dead")
    schedule = broker.schedule("rate(1 day)", orders, payload="tick", dead_letter=dead)
    broker.delete(orders)

    report = broker.run_until_idle(errors="collect")

    assert len(report.errors) == 1
    assert texts(dead) == ["tick"]
    assert schedule.stats().failed == 1


def test_a_failing_target_does_not_hold_the_schedule_up(broker: Broker, clock: VirtualClock) -> None:
    called: list[datetime] = []

    def refuse(payload: Any) -> None:
        called.append(clock.time)
        raise LookupError("no")

    retry = until(exponential(90, 90, jitter="none"), max_attempts=2)
    schedule = broker.schedule("rate(1 minute)", refuse, retry=retry, dead_letter=broker.queue("dead"))
    broker.run_until_idle(budget=120, errors="collect")

    assert [(at - NEW_YEAR).seconds for at in called] == [0, 60, 90, 120]
    assert schedule.stats().pending == 2


# -- life ------------------------------------------------------------------------------------------------------------


def test_declared_again_with_the_same_terms_it_is_the_same_and_with_others_the_first_that_differs_is_named(
    broker: Broker, orders: Queue
) -> None:
    schedule = broker.schedule("rate(5 minutes)", orders, name="tick", payload={"n": 1}, window=60)

    assert (
        broker.schedule("rate(5 minutes)", orders, name="tick", payload={"n": 1}, window=timedelta(minutes=1))
        is schedule
    )
    with pytest.raises(ScheduleExists, match=r"'tick' exists with payload=\{\"n\": 1\}, not \{\"n\": 2\}") as caught:
        broker.schedule("rate(5 minutes)", orders, name="tick", payload={"n": 2}, window=90)

    assert (caught.value.schedule, caught.value.setting) == ("tick", "payload")
    assert dict(broker.schedules) == {"tick": schedule}


def test_schedules_without_a_name_are_numbered(broker: Broker, orders: Queue) -> None:
    broker.schedule("rate(1 day)", orders, name="schedule-2")
    broker.schedule("rate(1 day)", orders)
    broker.schedule("rate(1 day)", orders)

    assert list(broker.schedules) == ["schedule-2", "schedule-1", "schedule-3"]


def test_a_paused_schedule_fires_when_it_is_resumed_not_for_the_time_between(
    broker: Broker, orders: Queue, clock: VirtualClock
) -> None:
    schedule = broker.schedule("rate(5 minutes)", orders, payload="tick")
    clock.advance(301)
    schedule.pause()
    schedule.pause()
    clock.advance(1_000)
    assert (schedule.state, schedule.next_at, len(texts(orders))) == ("paused", None, 2)

    schedule.resume()
    assert schedule.next_at == NEW_YEAR + timedelta(minutes=25)

    clock.advance(199)
    assert texts(orders) == ["tick"]


def test_pausing_and_resuming_does_not_make_it_fire_twice(broker: Broker, orders: Queue, clock: VirtualClock) -> None:
    schedule = broker.schedule("rate(5 minutes)", orders, payload="tick")
    for _ in range(3):
        schedule.pause()
        schedule.resume()
        broker.run_until_idle()

    assert texts(orders) == ["tick"]
    assert len(broker.run_until_idle().waiting_for) == 1


def test_an_ended_schedule_leaves_its_name_and_cannot_go_on(broker: Broker, orders: Queue, clock: VirtualClock) -> None:
    schedule = broker.schedule("at(2026-01-01T00:01:00)", orders, name="once", payload="tick")
    clock.advance(60)

    assert (schedule.state, schedule.next_at, dict(broker.schedules)) == ("ended", None, {})
    assert repr(schedule) == "<Schedule 'once': at(2026-01-01T00:01:00) to orders, ended>"
    with pytest.raises(DecoupleError, match="'once' has ended"):
        schedule.resume()
    with pytest.raises(DecoupleError, match="'once' has ended"):
        schedule.pause()
    assert broker.schedule("rate(1 day)", orders, name="once") is not schedule


def test_a_closed_schedule_fires_no_more_and_gives_up_what_waits(
    broker: Broker, clock: VirtualClock, ledger: Ledger
) -> None:
    dead = broker.queue("dead")

    def refuse(payload: Any) -> None:
        raise LookupError("no")

    schedule = broker.schedule("rate(1 minute)", refuse, payload="tick", dead_letter=dead, retry=exponential(600, 600))
    broker.run_until_idle(errors="collect")
    schedule.close()
    schedule.close()
    clock.advance(3_600)

    assert (schedule.state, dict(broker.schedules), texts(dead)) == ("closed", {}, ["tick"])
    assert schedule.stats() == ScheduleStats(fired=1, delivered=0, failed=1, dead_lettered=1, dropped=0, pending=0)
    assert ledger.counts["schedule ended"] == 1


def test_with_its_broker_a_schedule_ends_and_what_was_due_goes_to_the_dead_letter_queue(clock: VirtualClock) -> None:
    with Broker(clock=clock) as broker:
        dead = broker.queue("dead")
        schedule = broker.schedule("rate(1 minute)", lambda payload: None, window=60, payload="tick", dead_letter=dead)
        paused = broker.schedule("rate(1 minute)", dead)
        paused.pause()
        broker.run_until_idle()
        clock.advance(0)

    assert (schedule.state, paused.state) == ("closed", "closed")
    assert schedule.stats().pending == 0
    assert [look.body for look in dead.peek()] == ["tick"]
    with pytest.raises(DecoupleError, match="the broker is closed"):
        broker.schedule("rate(1 minute)", dead)


# -- what is refused -------------------------------------------------------------------------------------------------

REFUSED: dict[str, tuple[Callable[[Broker, Queue], object], type[Exception], str]] = {
    "expression": (lambda b, q: b.schedule("every day", q), InvalidSchedule, "it must be like rate"),
    "past": (lambda b, q: b.schedule("at(2025-12-31T23:59:00)", q), InvalidSchedule, "its time was 60 s ago"),
    "never": (
        lambda b, q: b.schedule("cron(0 0 1 1 ? 2027)", q, end=NEW_YEAR + timedelta(days=9)),
        InvalidSchedule,
        "never due between its start and its end",
    ),
    "zone": (
        lambda b, q: b.schedule("rate(1 day)", q, timezone="Berlin"),
        ValueError,
        "no time zone is named 'Berlin'",
    ),
    "window": (lambda b, q: b.schedule("rate(1 day)", q, window=90_000), ValueError, "window must be from 0 to 86,400"),
    "naive": (
        lambda b, q: b.schedule("rate(1 day)", q, start=datetime(2026, 1, 2)),
        ValueError,
        "start must be an aware",
    ),
    "no date": (lambda b, q: b.schedule("rate(1 day)", q, end="soon"), TypeError, "end must be an aware datetime"),
    "payload": (lambda b, q: b.schedule("rate(1 day)", q, payload={1}), TypeError, "a payload must be text or JSON"),
    "empty": (lambda b, q: b.schedule("rate(1 day)", q, payload=""), ValueError, "empty"),
    "bytes": (lambda b, q: b.schedule("rate(1 day)", q, payload=b"x"), TypeError, "payload"),
    "target": (lambda b, q: b.schedule("rate(1 day)", "orders"), TypeError, "a schedule's target must be a Queue"),
    "class": (lambda b, q: b.schedule("rate(1 day)", dict), TypeError, "a schedule's target must be a Queue"),
    "fifo": (lambda b, q: b.schedule("rate(1 day)", b.queue("e.fifo")), ValueError, "group is missing"),
    "group": (lambda b, q: b.schedule("rate(1 day)", print, group="g"), ValueError, "group is for queues and topics"),
    "clock": (lambda b, q: b.schedule("rate(1 day)", Queue("other")), ValueError, "on another clock"),
    "alone": (
        lambda b, q: b.schedule("rate(1 day)", Function(lambda event, context: None, name="f", clock=b.clock)),
        NeedsBroker,
        "function 'f'",
    ),
    "dead": (lambda b, q: b.schedule("rate(1 day)", q, dead_letter="dead"), TypeError, "dead_letter must be a Queue"),
    "dead fifo": (
        lambda b, q: b.schedule("rate(1 day)", q, dead_letter=b.queue("d.fifo")),
        ValueError,
        "dead_letter must be a standard queue",
    ),
    "retry": (lambda b, q: b.schedule("rate(1 day)", q, retry=3), TypeError, "retry must be a schedule"),
    "name": (lambda b, q: b.schedule("rate(1 day)", q, name="a b"), InvalidName, "'a b' cannot name a schedule"),
    "two groups": (
        lambda b, q: b.schedule("rate(1 day)", q, name="a/b/c"),
        InvalidName,
        "'a/b/c' cannot name a schedule",
    ),
}


@pytest.mark.parametrize(("declare", "error", "words"), REFUSED.values(), ids=REFUSED.keys())
def test_a_schedule_that_makes_no_sense_is_refused_and_nothing_is_declared(
    broker: Broker,
    orders: Queue,
    declare: Callable[[Broker, Queue], object],
    error: type[Exception],
    words: str,
) -> None:
    with pytest.raises(error, match=words):
        declare(broker, orders)

    assert dict(broker.schedules) == {}
    assert broker.run_until_idle().waiting_for == ()
