"""What a process that is gone left on a shelf is taken over by one that lives."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from decouple import Broker, SystemClock
from decouple.adopting import Adopting
from decouple.runner import Runner
from tests.lives import Lives
from tests.shelved import DictShelf, Shelved


def test_what_the_process_before_left_is_taken_over_at_once_where_one_process_has_the_shelf() -> None:
    lives = Lives()
    first = lives.begin()
    first._engine.shelf.put("errand", "b", 1)  # type: ignore[union-attr]
    first._engine.shelf.put("errand", "a", 2)  # type: ignore[union-attr]
    lives.kill(first)
    taken: list[Any] = []

    lives.begin()._looks().adopt("errand", lambda key, value: taken.append((key, value)))

    assert taken == [("b", 1), ("a", 2)]


def test_what_a_process_that_lives_has_is_left_to_it_and_taken_over_within_a_second_of_its_end() -> None:
    lives = Lives(shared=True)
    here, there = lives.begin(), lives.begin()
    there._engine.shelf.put("errand", "a", 1)  # type: ignore[union-attr]
    taken: list[Any] = []
    here._looks().adopt("errand", lambda key, value: taken.append(value))

    lives.clock.advance(10)
    assert taken == []

    lives.kill(there)
    lives.clock.advance(1)
    assert taken == [1]


def test_what_could_not_be_gone_on_with_is_tried_again_at_the_next_look() -> None:
    lives = Lives(shared=True)
    here, there = lives.begin(), lives.begin()
    there._engine.shelf.put("errand", "a", 1)  # type: ignore[union-attr]
    lives.kill(there)
    taken: list[Any] = []

    def take(key: str, value: Any) -> None:
        taken.append(value)
        if len(taken) == 1:
            raise OSError("the disk is full")

    with pytest.raises(OSError, match="full"):
        here._looks().adopt("errand", take)
    lives.clock.advance(3)

    assert taken == [1, 1]


def test_looks_are_no_work_that_anybody_waits_for_or_is_told_of() -> None:
    """On real time: run_until_idle with a budget returns at once, though a look is due within it."""
    looked = threading.Event()
    shelf = DictShelf(DictShelf().shop)
    url: Any = Shelved(shelf)
    with Broker(url) as broker:
        broker._looks().watch("here", looked.set)
        assert looked.wait(10)

        report = broker.run_until_idle(budget=60)

        assert report.waiting_for == ()
        assert broker.idle


def test_a_broker_that_was_not_started_and_shares_its_shelf_lets_others_take_over() -> None:
    shelf = DictShelf(DictShelf().shop)
    gone = DictShelf(shelf.shop)
    gone.put("errand", "a", 1)
    gone.die()
    taken: list[Any] = []
    runner = Runner(SystemClock())
    adopting = Adopting(shelf, runner, SystemClock())

    adopting.adopt("errand", lambda key, value: taken.append(value))
    assert taken == []

    runner.run_until_idle()  # the first look is work like any other
    assert taken == [1]
    runner.close()


def test_a_kind_that_was_left_is_not_looked_for_any_more() -> None:
    lives = Lives(shared=True)
    here, there = lives.begin(), lives.begin()
    there._engine.shelf.put("errand", "a", 1)  # type: ignore[union-attr]
    taken: list[Any] = []
    here._looks().adopt("errand", lambda key, value: taken.append(value))
    here._looks().watch("looks", lambda: taken.append("looked"))

    here._looks().leave("errand")
    here._looks().leave("looks")
    lives.kill(there)
    lives.clock.advance(2)

    assert taken == []
