"""Events of functions outlive the process: accepted is accepted, whatever ends it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest

from decouple import Broker, DecoupleError, Function, NotKept
from tests.lives import Lives

Seen = list[Any]


def into(seen: Seen) -> Callable[[Any, Any], None]:
    def resize(event: Any, context: Any) -> None:
        seen.append(event)

    return resize


def failing(seen: Seen) -> Callable[[Any, Any], None]:
    def resize(event: Any, context: Any) -> None:
        seen.append(event)
        raise ValueError("no such picture")

    return resize


@pytest.fixture
def lives() -> Lives:
    return Lives()


@pytest.fixture
def seen() -> Seen:
    return []


def left(lives: Lives) -> dict[str, Any]:
    return lives.kept("event:resize")


def test_an_event_accepted_by_a_process_that_was_killed_runs_in_the_next_one(lives: Lives, seen: Seen) -> None:
    first = lives.begin()
    id = first.function(into([])).send({"picture": 7})
    lives.kill(first)

    second = lives.begin()
    ids: list[str] = []

    @second.function
    def resize(event: Any, context: Any) -> None:
        seen.append(event)
        ids.append(context.aws_request_id)

    second.run_until_idle()

    assert seen == [{"picture": 7}]
    assert ids == [id]
    assert left(lives) == {}


def test_it_waits_until_its_function_is_declared(lives: Lives, seen: Seen) -> None:
    first = lives.begin()
    first.function(into([])).send(7)
    lives.kill(first)

    second = lives.begin()
    second.function(into(seen), name="other")
    second.run_until_idle()
    assert seen == []
    lives.kill(second)

    third = lives.begin()
    third.function(into(seen))
    third.run_until_idle()
    assert seen == [7]


def test_events_go_on_in_the_order_in_which_they_were_sent(lives: Lives, seen: Seen) -> None:
    first = lives.begin()
    for number in range(20):
        first.function(nothing).send(number)
    lives.kill(first)

    second = lives.begin()
    second.function(into(seen))
    second.run_until_idle()

    assert seen == list(range(20))


def nothing(event: Any, context: Any) -> None:
    pass


nothing.__name__ = "resize"


def test_at_the_end_of_the_broker_an_event_that_waits_is_not_given_up(lives: Lives, seen: Seen) -> None:
    """In memory it goes to the dead-letter queue, as nobody else will ever try it."""
    first = lives.begin()
    dead = first.queue("dead")
    function = first.function(failing(seen), dead_letter=dead)
    function.send(7)
    first.run_until_idle(errors="collect")
    lives.end(first)
    assert seen == [7]
    assert dead.stats().visible == 0

    second = lives.begin()
    second.function(into(seen))
    second.run_until_idle(budget=120)
    assert seen == [7, 7]


def test_the_schedule_of_retries_goes_on_where_it_was(lives: Lives, seen: Seen) -> None:
    """Lambda: after one minute, then after two."""
    first = lives.begin()
    first.function(failing(seen)).send(7)
    first.run_until_idle(errors="collect")
    first.clock.advance(20)  # type: ignore[attr-defined]
    lives.kill(first)

    second = lives.begin()
    dead = second.queue("dead")
    second.function(failing(seen), dead_letter=dead)
    lives.clock.advance(39)
    assert seen == [7]

    lives.clock.advance(1)
    assert seen == [7, 7]
    lives.clock.advance(119)
    lives.kill(second)

    third = lives.begin()
    dead = third.queue("dead")
    third.function(failing(seen), dead_letter=dead)
    lives.clock.advance(0.999)
    assert seen == [7, 7]
    lives.clock.advance(0.001)

    assert seen == [7, 7, 7]
    [letter] = dead.receive()
    assert letter.text == "7"
    assert letter.failure is not None
    assert letter.failure.attempts == 3
    assert left(lives) == {}


def test_an_event_that_kills_its_process_is_given_up_after_its_retries(lives: Lives) -> None:
    """Otherwise it would kill every process that is started."""
    begun: Seen = []

    def live(send: bool = False) -> Broker:
        broker = lives.begin()

        def resize(event: Any, context: Any) -> None:
            begun.append(event)
            lives.kill(broker)
            raise KilledError

        function = broker.function(resize, dead_letter=broker.queue("dead"))
        if send:
            function.send(7)
        broker.run_until_idle(errors="collect")
        return broker

    live(send=True)
    live()
    live()
    assert begun == [7, 7, 7]

    last = live()
    assert begun == [7, 7, 7]
    [letter] = last.queues["dead"].receive()
    assert letter.failure is not None
    assert letter.failure.attempts == 3
    assert "ProcessDied: the process ended while it ran" in letter.failure.text


class KilledError(Exception):
    """Stands for the end of the process: what is done after it is done by nobody."""


def test_how_old_an_event_is_counts_over_all_processes(lives: Lives, seen: Seen, caplog: Any) -> None:
    first = lives.begin()
    first.function(failing(seen), max_age=90).send(7)
    first.run_until_idle(errors="collect")
    lives.clock.advance(91 - 1)
    lives.kill(first)
    assert seen == [7, 7]

    first = lives.begin()
    lives.clock.advance(1000)
    with caplog.at_level(logging.WARNING, "decouple"):
        first.function(failing(seen), max_age=90)
        first.run_until_idle(errors="collect")

    assert seen == [7, 7]
    assert left(lives) == {}


def test_what_became_of_an_event_goes_to_its_destination_in_the_process_that_saw_it_through(lives: Lives) -> None:
    first = lives.begin()
    first.function(into([])).send(7)
    lives.kill(first)

    second = lives.begin()
    done = second.queue("done")
    second.function(into([]), on_success=done)
    second.run_until_idle()

    [record] = done.receive()
    assert record.json()["requestPayload"] == 7
    assert record.json()["requestContext"]["condition"] == "Success"


def test_a_send_that_cannot_be_kept_is_refused_and_nothing_runs(lives: Lives, seen: Seen) -> None:
    broker = lives.begin()
    function = broker.function(into(seen))

    def full(kind: str, key: str, value: Any) -> None:
        raise NotKept("here", why="the disk is full")

    shelf: Any = broker._engine.shelf
    shelf.put = full
    with pytest.raises(NotKept):
        function.send(7)
    broker.run_until_idle()

    assert seen == []
    assert function.stats().pending == 0


def test_while_it_cannot_be_written_that_an_event_is_begun_it_waits(lives: Lives, seen: Seen) -> None:
    broker = lives.begin()
    function = broker.function(into(seen))
    function.send(7)
    shelf: Any = broker._engine.shelf
    swap = shelf.swap

    def full(*record: Any) -> bool:
        raise NotKept("here", why="the disk is full")

    shelf.swap = full
    broker.run_until_idle()
    assert seen == []
    assert function.stats().pending == 1

    shelf.swap = swap
    broker.run_until_idle(budget=60)
    assert seen == [7]
    assert left(lives) == {}


def test_an_event_whose_send_was_undone_does_not_run(lives: Lives, seen: Seen) -> None:
    """As a transaction that `send` joined, and that was rolled back, does it."""
    broker = lives.begin()
    function = broker.function(into(seen))
    function.send(7)
    shelf: Any = broker._engine.shelf
    for key in shelf.items("event:resize"):
        shelf.drop("event:resize", key)

    broker.run_until_idle()

    assert seen == []
    assert function.stats().pending == 0


def test_an_event_belongs_to_the_process_that_accepted_it_while_that_lives() -> None:
    lives = Lives(shared=True)
    here, there = Seen(), Seen()
    one, other = lives.begin(), lives.begin()
    one.function(failing(here)).send(7)
    other.function(into(there))
    one.run_until_idle(errors="collect")
    lives.clock.advance(59)
    assert (here, there) == ([7], [])

    lives.kill(one)
    lives.clock.advance(1)
    assert (here, there) == ([7], [7])


def test_events_of_a_broker_that_only_sends_are_taken_over_when_it_has_ended(seen: Seen) -> None:
    lives = Lives(shared=True)
    sender, worker = lives.begin(), lives.begin()
    worker.function(into(seen))
    sender.function(into([])).send(7)
    lives.end(sender)

    lives.clock.advance(1)
    assert seen == [7]


def test_who_was_taken_for_dead_does_not_undo_what_the_other_one_does(seen: Seen) -> None:
    lives = Lives(shared=True)
    sleeper, worker = lives.begin(), lives.begin()
    first = sleeper.function(failing(seen))
    first.send(7)
    sleeper.run_until_idle(errors="collect")
    lives.alive[sleeper].die()  # while it sleeps
    second = worker.function(failing(seen))
    lives.clock.advance(1)
    assert len(left(lives)) == 1

    lives.clock.advance(59)
    assert seen == [7, 7]
    assert (first.stats().pending, second.stats().pending) == (0, 1)
    assert len(left(lives)) == 1


def test_a_deleted_function_takes_nothing_over() -> None:
    lives = Lives(shared=True)
    one, other = lives.begin(), lives.begin()
    one.function(nothing).send(7)
    deleted: Function = other.function(nothing)
    other.delete(deleted)
    lives.kill(one)

    lives.clock.advance(2)

    assert deleted.stats().pending == 0
    assert len(left(lives)) == 1


def test_in_memory_an_event_that_waits_at_the_end_is_given_up_as_ever(seen: Seen) -> None:
    broker = Broker(clock=Lives().clock)
    dead = broker.queue("dead")
    broker.function(failing(seen), dead_letter=dead).send(7)
    broker.run_until_idle(errors="collect")

    broker.close()

    assert dead.stats().visible == 1
    with pytest.raises(DecoupleError):
        broker.queue("other")
