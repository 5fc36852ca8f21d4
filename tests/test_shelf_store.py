"""Idempotency keys outlive the process, and processes that share a shelf share them."""

from __future__ import annotations

from typing import Any

import pytest

from decouple import Broker, InProgress, MemoryStore, VirtualClock, idempotent
from decouple.shelf_store import ShelfStore
from tests.lives import Lives

MINUTE = 60 * 1_000_000_000


def charging(broker: Broker, charged: list[Any], *, ttl: float = 3_600) -> Any:
    @idempotent(broker.idempotency, key=lambda order: order, ttl=ttl, lease=60, name="charge")
    def charge(order: int) -> dict[str, int]:
        charged.append(order)
        if order < 0:
            raise ValueError("no such order")
        return {"charged": order}

    return charge


def test_what_was_done_before_a_restart_is_not_done_again() -> None:
    lives, charged = Lives(), list[Any]()
    first = lives.begin()
    assert charging(first, charged)(7) == {"charged": 7}
    lives.kill(first)

    assert charging(lives.begin(), charged)(7) == {"charged": 7}
    assert charged == [7]


def test_who_died_at_it_holds_the_key_for_its_lease() -> None:
    lives, charged = Lives(), list[Any]()
    first = lives.begin()
    first.idempotency.begin("charge#7", "a", MINUTE)
    lives.kill(first)
    lives.clock.advance(59)

    second = lives.begin()
    charge = charging(second, charged)
    with pytest.raises(InProgress):
        charge(7)

    lives.clock.advance(1)
    assert charge(7) == {"charged": 7}


def test_one_of_two_processes_has_a_key() -> None:
    lives = Lives(shared=True)
    here, there = (lives.begin().idempotency for _ in range(2))

    assert here.begin("k", "a", MINUTE).mine
    assert there.begin("k", "b", MINUTE) == (False, None, MINUTE)
    assert here.complete("k", "a", "1", MINUTE)
    assert there.begin("k", "b", MINUTE) == (False, "1", 0)


def test_of_two_that_begin_at_once_one_is_first() -> None:
    """The other one's claim comes between this one's look and its own."""
    lives = Lives(shared=True)
    first, second = lives.begin(), lives.begin()
    here, there = first.idempotency, second.idempotency
    shelf: Any = first._engine.shelf
    get = shelf.get

    def slow(kind: str, key: str) -> Any:
        found = get(kind, key)
        shelf.get = get
        assert there.begin(key, "b", MINUTE).mine
        return found

    shelf.get = slow

    assert here.begin("k", "a", MINUTE) == (False, None, MINUTE)


def test_who_comes_after_its_lease_keeps_no_result() -> None:
    lives = Lives(shared=True)
    here, there = (lives.begin().idempotency for _ in range(2))
    here.begin("k", "a", MINUTE)
    lives.clock.advance(60)
    there.begin("k", "b", MINUTE)

    assert not here.complete("k", "a", "1", MINUTE)
    here.release("k", "a")

    assert not here.begin("k", "c", MINUTE).mine
    assert there.complete("k", "b", "2", MINUTE)


def test_a_handler_that_fails_frees_its_key() -> None:
    lives, charged = Lives(), list[Any]()
    charge = charging(lives.begin(), charged)

    for _ in range(2):
        with pytest.raises(ValueError, match="order"):
            charge(-1)

    assert charged == [-1, -1]
    assert lives.kept("idempotency") == {}


def test_what_has_expired_is_dropped_as_others_begin() -> None:
    lives = Lives()
    first = lives.begin()
    for number in range(20):
        charging(first, [], ttl=60)(number)
    lives.clock.advance(30)
    lives.kill(first)

    second = lives.begin()
    lives.clock.advance(31)
    charge = charging(second, [], ttl=60)
    for number in range(100, 110):
        charge(number)

    assert len(lives.kept("idempotency")) == 10


def test_a_key_that_another_process_has_taken_since_is_not_dropped() -> None:
    lives = Lives(shared=True)
    here, there = (lives.begin().idempotency for _ in range(2))
    here.begin("k", "a", MINUTE)
    lives.clock.advance(60)
    there.begin("k", "b", MINUTE)

    here.begin("other", "c", MINUTE)

    assert set(lives.kept("idempotency")) == {"k", "other"}


def test_in_memory_it_is_a_store_of_memory() -> None:
    broker = Broker(clock=VirtualClock())

    assert isinstance(broker.idempotency, MemoryStore)
    assert broker.idempotency is broker.idempotency
    assert isinstance(Lives().begin().idempotency, ShelfStore)
