"""Schedules outlive the process, and fire once among processes that share a shelf."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from decouple import Broker, DecoupleError, Queue, ScheduleExists, exponential
from decouple.clock import NEW_YEAR
from decouple.errors import InvalidSchedule, NotKept
from decouple.keeping_schedules import LEASE
from tests.lives import Lives

SOON = "at(2026-01-01T00:01:00)"
LEASED = LEASE / 1e9


@pytest.fixture
def lives() -> Lives:
    return Lives()


@pytest.fixture
def several() -> Lives:
    return Lives(shared=True)


def bodies(queue: Queue[Any]) -> list[str]:
    found: list[str] = []
    while messages := queue.receive(max_messages=10):
        for message in messages:
            found.append(message.text)
            message.ack()
    return found


def open_ones(lives: Lives) -> list[dict[str, Any]]:
    return [one for record in lives.kept("schedule").values() for one in record["open"].values()]


# -- one process after the other ---------------------------------------------------------------------------------------


def test_a_schedule_for_a_queue_goes_on_in_the_next_process_without_being_declared(lives: Lives) -> None:
    """EventBridge: a schedule is there until it is deleted."""
    first = lives.begin()
    first.schedule("rate(1 minute)", first.queue("jobs"), payload="go", name="often")
    first.clock.advance(90)  # type: ignore[attr-defined]
    assert bodies(first.queues["jobs"]) == ["go", "go"]
    lives.kill(first)

    second = lives.begin()
    assert second.schedules["often"].next_at == NEW_YEAR + timedelta(seconds=120)
    lives.clock.advance(29)
    assert bodies(second.queues["jobs"]) == []
    lives.clock.advance(1)
    assert bodies(second.queues["jobs"]) == ["go"]


def test_an_at_that_came_due_while_nobody_ran_fires_at_the_next_start_and_once(lives: Lives) -> None:
    first = lives.begin()
    first.schedule(SOON, first.queue("jobs"), payload="go", name="once")
    lives.kill(first)
    lives.clock.advance(86_400 * 3)

    second = lives.begin()
    second.run_until_idle()
    assert bodies(second.queues["jobs"]) == ["go"]
    assert lives.kept("schedule") == {}
    lives.kill(second)

    third = lives.begin()
    third.run_until_idle()
    assert bodies(third.queues["jobs"]) == []


def test_an_at_without_a_name_is_a_promise_too(lives: Lives) -> None:
    """Programs make them as they go, and do not make them again."""
    first = lives.begin()
    first.schedule(SOON, first.queue("jobs"), payload={"remind": 7})
    lives.kill(first)

    second = lives.begin()
    lives.clock.advance(60)

    assert bodies(second.queues["jobs"]) == ['{"remind": 7}']


def test_who_was_away_for_many_instants_does_one_and_goes_on_from_now(lives: Lives) -> None:
    """EventBridge Scheduler makes up for nothing; nor does a process that slept."""
    first = lives.begin()
    first.schedule("rate(1 minute)", first.queue("jobs"), payload="<aws.scheduler.scheduled-time>", name="often")
    first.run_until_idle()
    assert bodies(first.queues["jobs"]) == ["2026-01-01T00:00:00Z"]
    lives.kill(first)
    lives.clock.advance(3_630)

    second = lives.begin()
    second.run_until_idle()
    assert bodies(second.queues["jobs"]) == ["2026-01-01T00:01:00Z"]
    lives.clock.advance(30)
    assert bodies(second.queues["jobs"]) == ["2026-01-01T01:01:00Z"]


def test_nothing_fires_twice_when_the_next_process_begins_at_the_same_instant(lives: Lives) -> None:
    first = lives.begin()
    first.schedule("rate(1 minute)", first.queue("jobs"), name="often")
    first.run_until_idle()
    lives.end(first)

    second = lives.begin()
    second.schedule("rate(1 minute)", second.queue("jobs"), name="often")
    second.run_until_idle()

    assert bodies(second.queues["jobs"]) == []


def test_a_schedule_for_a_callable_goes_on_when_it_is_declared_again(lives: Lives) -> None:
    called: list[Any] = []

    def report(payload: Any) -> None:
        called.append(payload)

    first = lives.begin()
    first.schedule("rate(1 minute)", report, payload="go", name="often")
    first.run_until_idle()
    assert called == ["go"]
    lives.kill(first)
    lives.clock.advance(70)

    second = lives.begin()
    second.run_until_idle()
    assert called == ["go"]

    schedule = second.schedule("rate(1 minute)", report, payload="go", name="often")
    second.run_until_idle()
    assert called == ["go", "go"]
    assert schedule.next_at == NEW_YEAR + timedelta(seconds=120)


def test_a_schedule_without_a_name_is_found_again_by_what_it_says(lives: Lives) -> None:
    first = lives.begin()
    names = [first.schedule("rate(1 hour)", first.queue("jobs"), payload=one).name for one in ("a", "b", "a")]
    first.run_until_idle()
    assert len(set(names)) == 3
    lives.kill(first)
    lives.clock.advance(1_800)

    second = lives.begin()
    assert list(second.schedules) == []  # its program is to declare them again
    again = [second.schedule("rate(1 hour)", second.queue("jobs"), payload=one) for one in ("b", "a", "a")]

    assert [one.name for one in again] == [names[1], names[0], names[2]]
    assert {one.next_at for one in again} == {NEW_YEAR + timedelta(hours=1)}


def test_declared_with_other_terms_in_the_next_process_it_has_those(lives: Lives) -> None:
    first = lives.begin()
    first.schedule("rate(1 hour)", first.queue("jobs"), payload="old", name="often")
    first.run_until_idle()
    lives.kill(first)
    lives.clock.advance(60)

    second = lives.begin()
    jobs = second.queue("jobs")
    second.schedule("rate(2 hours)", jobs, payload="new", name="often")
    second.run_until_idle()
    assert bodies(jobs) == ["new"]
    with pytest.raises(ScheduleExists):
        second.schedule("rate(3 hours)", jobs, payload="new", name="often")

    lives.clock.advance(7_200)
    assert bodies(jobs) == ["new"]


def test_the_schedule_of_retries_goes_on_where_it_was(lives: Lives) -> None:
    tried: list[Any] = []

    def failing(payload: Any) -> None:
        tried.append(payload)
        raise ValueError("not today")

    def live() -> Broker:
        broker = lives.begin()
        retry = {"numRetries": 2, "minDelayTarget": 60, "maxDelayTarget": 60}
        dead = broker.queue("dead")
        broker.schedule("rate(1 day)", failing, payload="go", name="often", retry=retry, dead_letter=dead)
        return broker

    first = live()
    first.run_until_idle(errors="collect")
    lives.clock.advance(20)
    lives.end(first)
    assert len(tried) == 1

    second = live()
    assert second.schedules["often"].stats().pending == 1
    lives.clock.advance(39)
    assert len(tried) == 1
    lives.clock.advance(1)
    assert len(tried) == 2
    lives.kill(second)
    lives.clock.advance(500)

    third = live()
    third.run_until_idle(errors="collect")
    assert len(tried) == 3
    [letter] = third.queues["dead"].receive()
    assert letter.failure is not None
    assert letter.failure.attempts == 3
    assert open_ones(lives) == []


def test_what_kills_its_process_is_given_up_after_its_retries(lives: Lives) -> None:
    begun: list[Any] = []

    def live() -> Broker:
        broker = lives.begin()
        dead = broker.queue("dead")

        def deadly(payload: Any) -> None:
            begun.append(payload)
            lives.kill(broker)

        deadly.__qualname__ = "deadly"
        retry = {"numRetries": 1, "minDelayTarget": 1, "maxDelayTarget": 1}
        broker.schedule("rate(1 day)", deadly, payload="go", name="often", retry=retry, dead_letter=dead)
        broker.run_until_idle(errors="collect")
        return broker

    live()
    live()
    assert begun == ["go", "go"]

    last = live()
    assert begun == ["go", "go"]
    [letter] = last.queues["dead"].receive()
    assert letter.failure is not None
    assert letter.failure.error == "ProcessDied"


def test_what_waits_in_a_flexible_window_waits_on_in_the_next_process(lives: Lives) -> None:
    first = lives.begin(seed=1)
    first.schedule("rate(1 day)", first.queue("jobs"), payload="go", name="often", window=3_600)
    first.run_until_idle()
    assert bodies(first.queues["jobs"]) == []
    lives.end(first)

    second = lives.begin()
    lives.clock.advance(3_600)

    assert bodies(second.queues["jobs"]) == ["go"]


def test_a_pause_outlives_the_process(lives: Lives) -> None:
    first = lives.begin()
    first.schedule("rate(1 minute)", first.queue("jobs"), name="often").pause()
    lives.end(first)

    second = lives.begin()
    schedule = second.schedules["often"]
    lives.clock.advance(600)
    assert schedule.state == "paused"
    assert bodies(second.queues["jobs"]) == []

    schedule.resume()
    lives.clock.advance(60)
    assert len(bodies(second.queues["jobs"])) == 2  # now, and a minute later


def test_a_closed_schedule_is_gone_for_all_processes_to_come(lives: Lives) -> None:
    first = lives.begin()
    schedule = first.schedule("rate(1 minute)", first.queue("jobs"), name="often")
    schedule.close()
    lives.end(first)

    assert lives.kept("schedule") == {}
    assert list(lives.begin().schedules) == []


def test_an_at_whose_time_is_over_cannot_be_declared_for_the_first_time(lives: Lives) -> None:
    broker = lives.begin()
    lives.clock.advance(61)

    with pytest.raises(InvalidSchedule):
        broker.schedule(SOON, broker.queue("jobs"), name="once")
    assert lives.kept("schedule") == {}


def test_an_at_that_is_still_to_be_done_can_be_declared_again_after_its_time(lives: Lives) -> None:
    called: list[Any] = []
    first = lives.begin()
    first.schedule(SOON, called.append, name="once", payload="go")
    lives.kill(first)
    lives.clock.advance(600)

    second = lives.begin()
    second.schedule(SOON, called.append, name="once", payload="go")
    second.run_until_idle()

    assert called == ["go"]


def test_start_end_zone_and_retries_come_back_as_they_were(lives: Lives) -> None:
    first = lives.begin()
    terms: dict[str, Any] = {
        "payload": "go",
        "timezone": "Europe/Berlin",
        "window": 60,
        "start": datetime(2026, 1, 2, tzinfo=UTC),
        "end": datetime(2026, 2, 2, tzinfo=UTC),
        "retry": exponential(1, 60),
    }
    before = first.schedule("rate(3 hours)", first.queue("jobs"), name="x", dead_letter=first.queue("dead"), **terms)
    lives.end(first)

    after = lives.begin().schedules["x"]

    assert after.terms._replace(target=None, dead_letter=None) == before.terms._replace(target=None, dead_letter=None)
    assert after._plan == before._plan


def test_a_schedule_that_cannot_be_kept_is_not_declared(lives: Lives) -> None:
    broker = lives.begin()
    jobs = broker.queue("jobs")
    shelf: Any = broker._engine.shelf

    def full(*record: Any) -> bool:
        raise NotKept("here", why="the disk is full")

    shelf.swap = full
    with pytest.raises(NotKept):
        broker.schedule("rate(1 minute)", jobs)
    assert list(broker.schedules) == []


def test_while_an_instant_cannot_be_claimed_it_is_not_forgotten(lives: Lives) -> None:
    broker = lives.begin()
    broker.schedule("rate(1 minute)", broker.queue("jobs"), payload="go", name="often")
    shelf: Any = broker._engine.shelf
    swap = shelf.swap

    def full(*record: Any) -> bool:
        raise NotKept("here", why="the disk is full")

    shelf.swap = full
    with pytest.raises(NotKept):
        broker.run_until_idle()
    assert bodies(broker.queues["jobs"]) == []

    shelf.swap = swap
    lives.clock.advance(1)
    assert bodies(broker.queues["jobs"]) == ["go"]


# -- several processes -------------------------------------------------------------------------------------------------


def declared(lives: Lives, seen: list[str], count: int, **terms: Any) -> list[Broker]:
    """So many processes of one program, with one schedule for a callable; what it was called for goes to `seen`."""
    brokers = [lives.begin() for _ in range(count)]
    for broker in brokers:

        def report(payload: str) -> None:
            seen.append(payload)

        broker.schedule("rate(1 minute)", report, payload="<aws.scheduler.execution-id>", name="often", **terms)
    return brokers


def test_each_instant_is_done_once_among_all_processes(several: Lives) -> None:
    seen: list[str] = []
    brokers = declared(several, seen, 3)

    several.clock.advance(600)

    assert len(seen) == 11  # at the start, and then each minute
    assert len(set(seen)) == 11
    assert {broker.schedules["often"].next_at for broker in brokers} == {NEW_YEAR + timedelta(minutes=11)}


def test_it_goes_on_when_one_of_them_is_gone(several: Lives) -> None:
    seen: list[str] = []
    one, *_ = declared(several, seen, 3)
    several.clock.advance(60)
    several.kill(one)

    several.clock.advance(120)

    assert len(set(seen)) == len(seen) == 4


def test_what_a_process_died_at_another_one_does_when_the_lease_is_over(several: Lives) -> None:
    done: list[str] = []
    one, other = several.begin(), several.begin()

    def deadly(payload: str) -> None:
        several.kill(one)

    deadly.__module__, deadly.__qualname__ = __name__, "report"

    def report(payload: str) -> None:
        done.append(payload)

    report.__qualname__ = "report"
    one.schedule("at(2026-01-01T00:01:00)", deadly, payload="go", name="once")
    other.schedule("at(2026-01-01T00:01:00)", report, payload="go", name="once")
    several.clock.advance(60)
    assert done == []

    several.clock.advance(LEASED - 1)
    assert done == []
    several.clock.advance(2)
    assert done == ["go"]
    assert several.kept("schedule") == {}


def test_the_lease_of_what_takes_its_time_is_renewed(several: Lives) -> None:
    """Here by a clock that is moved while it runs, as threads do it on real time."""
    done: list[str] = []
    brokers = [several.begin() for _ in range(2)]
    for broker in brokers:

        def report(payload: str, broker: Broker = broker) -> None:
            done.append(payload)
            for _ in range(100):
                broker._looks().look()
                several.clock._now += 1_000_000_000
                for one in brokers:
                    if one is not broker:
                        one._looks().look()

        broker.schedule("at(2026-01-01T00:01:00)", report, payload="go", name="once")

    several.clock.advance(300)

    assert done == ["go"]


def test_who_lost_its_lease_completes_nothing(several: Lives, caplog: Any) -> None:
    """A process that slept through its lease finds the number of another one's in its place."""
    done: list[str] = []
    sleeper, other = several.begin(), several.begin()

    def sleeps(payload: str) -> None:
        done.append("slow")
        several.clock._now += LEASE + 1
        other._looks().look()
        [one] = open_ones(several)
        assert one["token"] == 2

    def report(payload: str) -> None:
        done.append("other")

    for broker, target in ((sleeper, sleeps), (other, report)):
        target.__qualname__ = "report"
        broker.schedule(SOON, target, name="once")
    several.clock.advance(60)

    several.clock.advance(5)
    assert done == ["slow", "other"]
    assert "may have been done twice" in caplog.text
    assert several.kept("schedule") == {}


def test_a_retry_is_done_by_whoever_is_there_when_it_is_due(several: Lives) -> None:
    tried: list[str] = []
    brokers = [several.begin() for _ in range(2)]
    for number, broker in enumerate(brokers):

        def report(payload: str, number: int = number) -> None:
            tried.append(f"{number}")
            if len(tried) == 1:
                raise ValueError("not yet")

        retry = {"numRetries": 2, "minDelayTarget": 60, "maxDelayTarget": 60}
        broker.schedule(SOON, report, name="once", retry=retry)
    with pytest.raises(ValueError, match="yet"):
        brokers[0].run_until_idle(budget=60)
    assert tried == ["0"]
    several.kill(brokers[0])

    several.clock.advance(59)
    assert tried == ["0"]
    several.clock.advance(2)
    assert tried == ["0", "1"]


def test_a_pause_counts_in_every_process_within_a_second(several: Lives) -> None:
    seen: list[str] = []
    one, other = declared(several, seen, 2)
    several.clock.advance(10)
    one.schedules["often"].pause()
    several.clock.advance(600)
    assert len(seen) == 1
    assert other.schedules["often"].state == "paused"

    other.schedules["often"].resume()
    several.clock.advance(60)
    assert len(seen) == 2


def test_closed_in_one_process_it_ends_in_all(several: Lives) -> None:
    seen: list[str] = []
    one, other = declared(several, seen, 2)
    schedule = other.schedules["often"]
    one.schedules["often"].close()

    several.clock.advance(600)

    assert seen == []
    assert schedule.state == "closed"
    with pytest.raises(DecoupleError):
        schedule.resume()


def test_other_terms_in_a_new_process_end_the_old_ones_in_all(several: Lives) -> None:
    """A deploy, while a process of the version before still runs."""
    seen: list[str] = []
    [old] = declared(several, seen, 1)
    several.clock.advance(30)
    new = several.begin()

    def report(payload: str) -> None:
        seen.append("new")

    new.schedule("rate(2 minutes)", report, payload="new", name="often")
    several.clock.advance(239)

    assert seen[1:] == ["new", "new"]
    assert list(old.schedules) == []


def test_a_schedule_for_a_queue_that_another_process_makes_is_done_here_when_that_is_gone(several: Lives) -> None:
    here, there = several.begin(), several.begin()
    jobs = here.queue("jobs")
    here.schedule("rate(1 day)", jobs, name="first")
    there.schedule(SOON, there.queue("jobs"), payload="go", name="once")
    several.clock.advance(1)
    several.kill(there)
    bodies(jobs)

    several.clock.advance(60)

    assert bodies(jobs) == ["go"]


def test_books_are_kept_where_another_process_is_first(several: Lives) -> None:
    seen: list[str] = []
    brokers = declared(several, seen, 2)
    several.clock.advance(120)

    stats = [broker.schedules["often"].stats() for broker in brokers]

    assert sum(one.fired for one in stats) == sum(one.delivered for one in stats) == len(seen)
    assert all(one.pending == 0 for one in stats)
