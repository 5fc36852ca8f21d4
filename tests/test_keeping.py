"""What was declared is there again in the next process: queues with their settings, tags and policies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import pytest
from shelved import DictShelf, Shelved

from decouple import Broker, LargeBodies, QueueExists


@pytest.fixture
def shelf() -> DictShelf:
    return DictShelf()


def restarted(shelf: DictShelf) -> Broker:
    return Broker(Shelved(shelf))  # type: ignore[arg-type]


def test_a_queue_is_there_again_as_it_was_declared(shelf: DictShelf) -> None:
    before = restarted(shelf)
    dead = before.queue("dead.fifo", retention=1_209_600)
    orders = before.queue("orders.fifo", visibility_timeout=2.5, dead_letter=dead, max_receives=3, tags={"team": "pay"})
    orders.grant("ship", "111122223333", "SendMessage")

    after = restarted(shelf)

    again = after.queues["orders.fifo"]
    assert again.fifo
    assert again.settings["visibility_timeout"] == 2.5
    assert again.dead_letter is after.queues["dead.fifo"]
    assert again.settings["max_receives"] == 3
    assert again.tags == {"team": "pay"}
    assert again.policy == orders.policy


def test_declared_anew_it_takes_the_settings_given_and_keeps_the_others(shelf: DictShelf) -> None:
    """A deploy with another visibility timeout is no error; the same program saying two things still is one."""
    restarted(shelf).queue("orders", visibility_timeout=30, delay=5)

    after = restarted(shelf)
    orders = after.queue("orders", visibility_timeout=60)

    assert (orders.settings["visibility_timeout"], orders.settings["delay"]) == (60, 5)
    with pytest.raises(QueueExists, match="visibility_timeout=60"):
        after.queue("orders", visibility_timeout=30)
    assert restarted(shelf).queues["orders"].settings["visibility_timeout"] == 60


def test_what_is_configured_tagged_or_granted_later_is_kept_too(shelf: DictShelf) -> None:
    orders = restarted(shelf).queue("orders")
    orders.configure(wait=20, redrive_allow=["a", "b"])
    orders.tag(team="pay")
    orders.untag("team")
    orders.tag(cost="7")

    again = restarted(shelf).queues["orders"]

    assert (again.settings["wait"], again.settings["redrive_allow"]) == (20, ("a", "b"))
    assert again.tags == {"cost": "7"}


def test_a_kind_cannot_be_declared_anew(shelf: DictShelf) -> None:
    restarted(shelf).queue("orders", fifo=True)

    with pytest.raises(QueueExists, match="fifo"):
        restarted(shelf).queue("orders", fifo=False)


def test_a_deleted_queue_stays_gone(shelf: DictShelf) -> None:
    before = restarted(shelf)
    before.delete(before.queue("orders"))

    assert not restarted(shelf).queues


@attrs.define
class Order:
    number: int


def test_a_restored_queue_is_given_its_type_when_it_is_declared(shelf: DictShelf) -> None:
    restarted(shelf).queue("orders", body=Order)

    orders = restarted(shelf).queue("orders", body=Order)
    orders.send(Order(7))

    assert orders.receive()[0].body == Order(7)


def test_large_bodies_of_a_folder_are_found_again(shelf: DictShelf, tmp_path: Path) -> None:
    restarted(shelf).queue("orders", large_bodies=LargeBodies(tmp_path / "large", threshold=10))

    large: Any = restarted(shelf).queues["orders"].settings["large_bodies"]

    assert (Path(large.store.folder), large.threshold) == (tmp_path / "large", 10)
