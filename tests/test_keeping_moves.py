"""Redrives outlive the process: with a rate they go on where they were, without one they are finished."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest

from decouple import Broker, Queue
from decouple.movetask import MoveTask
from decouple.resuming_moves import adopt_tasks
from tests.lives import Lives


@pytest.fixture
def lives() -> Lives:
    return Lives()


def filled(lives: Lives, count: int) -> tuple[Broker, Queue[Any], Queue[Any]]:
    """A process whose dead-letter queue has so many messages; a shelf of tests has none, so each life is given its own."""
    broker = lives.begin()
    dead, jobs = broker.queue("dead"), broker.queue("jobs")
    for number in range(count):
        dead.send(f"{number}")
    return broker, dead, jobs


def begun_again(broker: Broker) -> None:
    """What a broker does at its start, here once its queues have what an engine would have kept."""
    adopt_tasks(broker, broker._looks())


def test_a_redrive_with_a_rate_goes_on_in_the_next_process(lives: Lives) -> None:
    first, dead, jobs = filled(lives, 10)
    dead.redrive(jobs, max_per_second=1)
    first.clock.advance(3)  # type: ignore[attr-defined]
    assert jobs.stats().visible == 4
    lives.kill(first)

    second = begin_quietly(lives)
    dead, jobs = second.queue("dead"), second.queue("jobs")
    for number in range(4, 10):
        dead.send(f"{number}")
    begun_again(second)
    [task] = dead.move_tasks
    assert (task.status, task.moved, task.remaining) == ("running", 5, 5)

    lives.clock.advance(5)
    assert (task.status, task.moved, jobs.stats().visible) == ("completed", 10, 6)
    assert lives.kept("move task") == {}


def begin_quietly(lives: Lives) -> Broker:
    """Another process, which finds the queues' messages later than an engine would."""
    kept, lives.shop.kept = lives.shop.kept, {}
    broker = lives.begin()
    lives.shop.kept = kept
    return broker


def test_messages_that_came_after_it_began_stay(lives: Lives) -> None:
    first, dead, jobs = filled(lives, 3)
    dead.redrive(jobs, max_per_second=1)
    lives.kill(first)

    second = begin_quietly(lives)
    dead, jobs = second.queue("dead"), second.queue("jobs")
    for number in range(5):
        dead.send(f"{number}")
    begun_again(second)
    lives.clock.advance(60)

    assert (dead.stats().visible, jobs.stats().visible) == (2, 3)


@pytest.mark.parametrize(
    ("own", "said"),
    [({"where": lambda message: True}, "where"), ({"edit": lambda message: "x"}, "edit"), ({"keep": True}, "keep")],
)
def test_what_only_the_program_knows_ends_it_as_failed(
    lives: Lives, own: dict[str, Callable[..., Any]], said: str, caplog: Any
) -> None:
    first, dead, jobs = filled(lives, 3)
    dead.redrive(jobs, max_per_second=1, **own)  # type: ignore[arg-type]
    lives.kill(first)

    with caplog.at_level(logging.WARNING, "decouple"):
        second = lives.begin()

    [task] = second.queues["dead"].move_tasks
    assert (task.status, task.remaining) == ("failed", 3)
    assert task.failure == f"its process ended, and what {said} said is not known in another one"
    assert "has failed, and 3 messages stay" in caplog.text
    assert lives.kept("move task") == {}


def test_a_redrive_that_is_over_is_over_for_all_processes(lives: Lives) -> None:
    first, dead, jobs = filled(lives, 3)
    dead.redrive(jobs)
    cancelled = dead.redrive(jobs, max_per_second=1)
    dead.send("4")
    cancelled.wait(0)
    dead.redrive(jobs, max_per_second=0.1).cancel()
    lives.end(first)

    assert lives.kept("move task") == {}
    assert lives.begin().queues["dead"].move_tasks == []


def test_at_the_end_of_the_broker_a_redrive_stays_for_the_next_process(lives: Lives) -> None:
    first, dead, jobs = filled(lives, 3)
    task = dead.redrive(jobs, max_per_second=1)
    lives.end(first)
    assert task.status == "failed"

    assert len(lives.kept("move task")) == 1


def test_it_ends_with_its_queue(lives: Lives) -> None:
    first, dead, jobs = filled(lives, 3)
    dead.redrive(jobs, max_per_second=1)

    first.delete(dead)

    assert lives.kept("move task") == {}


def test_a_dry_run_is_nobodys_work(lives: Lives) -> None:
    _, dead, jobs = filled(lives, 3)

    dead.redrive(jobs, dry_run=True)

    assert lives.kept("move task") == {}


def test_another_process_goes_on_with_the_redrive_of_one_that_is_gone() -> None:
    lives = Lives(shared=True)
    one, dead, jobs = filled(lives, 5)
    other, its_dead, its_jobs = filled(lives, 5)  # as if it were the same queue
    other._looks()
    dead.redrive(jobs, max_per_second=1)
    lives.clock.advance(1)
    assert its_dead.move_tasks == []

    lives.kill(one)
    lives.clock.advance(10)

    assert [type(task) for task in its_dead.move_tasks] == [MoveTask]
    assert (its_dead.stats().visible, its_jobs.stats().visible) == (0, 5)
    assert lives.kept("move task") == {}


def test_where_one_runs_already_the_one_that_was_left_has_failed(caplog: Any) -> None:
    lives = Lives(shared=True)
    one, dead, jobs = filled(lives, 5)
    other, its_dead, its_jobs = filled(lives, 5)
    other._looks()
    dead.redrive(jobs, max_per_second=1)
    mine = its_dead.redrive(its_jobs, max_per_second=1)
    lives.kill(one)

    lives.clock.advance(1)

    theirs = its_dead.move_tasks[0]
    assert (theirs.status, mine.status) == ("failed", "running")
    assert theirs.failure is not None
    assert "another one runs" in theirs.failure
