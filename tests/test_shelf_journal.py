"""The shelf of a journal: JSON values that the next process finds, in the order in which they were put first."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decouple.errors import NotKept
from decouple.shelves import Shelf
from decouple.stores import appending, shelf_records
from decouple.stores.log import Log
from decouple.stores.shelf import JournalShelf

Opening = Callable[..., JournalShelf]


@pytest.fixture
def opening(tmp_path: Path) -> Iterator[Opening]:
    """Opens the shelf of this test as the next process, after what was the end of the last."""
    logs: list[Log] = []

    def open_(durability: Any = "process") -> JournalShelf:
        for log in logs:
            log.close()
        log = Log(tmp_path / "jobs", durability=durability, segment_bytes=4096)
        logs.append(log)
        shelf = JournalShelf(log)
        for segment, payload in log.replay():
            assert shelf.apply(segment, payload)
        return shelf

    yield open_
    for log in logs:
        log.close()


def clean(shelf: JournalShelf) -> int:
    """Remove the oldest segment as an engine does; how many values were written again."""
    [oldest, *_] = shelf._log.segments()
    moved = shelf.again(oldest.number)
    shelf._log.remove_oldest(oldest.number)
    return moved


def live(shelf: JournalShelf) -> int:
    """Bytes of the records that would be there if nothing had ever been changed."""
    kept = [(kind, key, one) for kind, values in shelf._kept.items() for key, one in values.items()]
    return sum(8 + len(shelf_records.put(kind, key, one.place, one.text)) for kind, key, one in kept)


def test_what_is_put_is_there_in_the_next_process(opening: Opening) -> None:
    shelf: Shelf = opening()
    value = {"a": [1, 2.5, None, True, "ä\ud800"], "": {}}
    shelf.put("queue", "orders", value)

    assert opening().get("queue", "orders") == value


def test_what_is_dropped_is_not(opening: Opening) -> None:
    shelf = opening()
    shelf.put("queue", "orders", 1)
    shelf.drop("queue", "orders")
    shelf.drop("queue", "never there")

    assert shelf.get("queue", "orders") is None
    assert opening().items("queue") == {}


def test_values_are_in_the_order_in_which_they_were_put_first_also_when_an_old_one_was_written_again(
    opening: Opening,
) -> None:
    shelf = opening()
    for number in range(30):
        shelf.put("queue", f"q{number}", "x" * 200)
    shelf.put("queue", "q5", "changed")
    shelf.drop("queue", "q6")
    shelf.put("queue", "q6", "put anew")
    order = [f"q{number}" for number in range(30) if number != 6] + ["q6"]
    assert list(shelf.items("queue")) == order

    assert clean(shelf) > 5

    assert list(shelf.items("queue")) == order
    shelf = opening()
    assert list(shelf.items("queue")) == order
    assert shelf.get("queue", "q5") == "changed"


def test_a_value_that_is_changed_by_whoever_has_it_is_not_changed_on_the_shelf(opening: Opening) -> None:
    shelf = opening()
    value = {"a": [1]}
    shelf.put("kind", "key", value)
    value["a"].append(2)
    shelf.get("kind", "key")["a"].append(3)
    shelf.items("kind")["key"]["a"].append(4)

    assert shelf.get("kind", "key") == {"a": [1]}


def test_swap_changes_only_what_is_as_it_was_thought_to_be(opening: Opening) -> None:
    shelf = opening()

    assert not shelf.swap("lease", "k", "other", 1)
    assert shelf.swap("lease", "k", None, 1)
    assert not shelf.swap("lease", "k", None, 2)
    assert shelf.swap("lease", "k", 1, 2)
    assert opening().get("lease", "k") == 2


def test_what_the_process_before_left_is_taken_over_once(opening: Opening) -> None:
    shelf = opening()
    for key in ("a", "b", "c", "d"):
        shelf.put("event", key, key)
    assert shelf.adopt("event") == {}  # it is this process's own

    shelf = opening()
    shelf.put("event", "b", "mine now")
    shelf.drop("event", "c")
    shelf.put("event", "e", "mine from the beginning")

    assert shelf.adopt("event") == {"a": "a", "d": "d"}
    assert shelf.adopt("event") == {}
    assert shelf.adopt("other kind") == {}


def test_what_was_written_again_while_cleaning_is_still_to_be_taken_over(opening: Opening) -> None:
    shelf = opening()
    shelf.put("event", "a", "x" * 4000)
    shelf.put("event", "b", "y" * 4000)
    shelf = opening()

    clean(shelf)

    assert list(shelf.adopt("event")) == ["a", "b"]


def test_it_knows_how_many_bytes_are_needed_still(opening: Opening) -> None:
    shelf = opening()
    shelf.put("kind", "a", "x" * 100)
    shelf.put("kind", "b", "x" * 100)
    shelf.put("kind", "a", "x" * 10)
    shelf.drop("kind", "b")

    assert 0 < shelf.live_bytes == live(shelf) < 60
    assert opening().live_bytes == shelf.live_bytes


def test_what_json_cannot_hold_is_refused_and_changes_nothing(opening: Opening) -> None:
    shelf = opening()
    shelf.put("kind", "a", 1)
    for value, error in ((float("nan"), ValueError), ({1: 2}, TypeError), (b"bytes", TypeError)):
        with pytest.raises(error, match="what is kept of kind 'a'"):
            shelf.put("kind", "a", value)

    assert shelf.get("kind", "a") == 1


def full(*_: Any, **__: Any) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_refuses_what_is_put_and_takes_what_is_dropped(
    opening: Opening, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf = opening()
    shelf.put("kind", "a", "x" * 1000)
    with monkeypatch.context() as patch:
        patch.setattr(os, "posix_fallocate", full)
        shelf.put("kind", "b", "x" * 1000)  # beyond the half: the next segment is wanted

        for call in (lambda: shelf.put("kind", "a", 2), lambda: shelf.swap("kind", "c", None, 2)):
            with pytest.raises(NotKept, match="the disk is full"):
                call()
        shelf.drop("kind", "b")
    assert list(shelf.items("kind")) == ["a"]

    shelf.put("kind", "a", 2)
    assert opening().items("kind") == {"a": 2}


def test_what_does_not_fit_any_more_leaves_what_was_there(opening: Opening, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf = opening()
    shelf.put("kind", "a", 1)
    with monkeypatch.context() as patch:
        patch.setattr(os, "posix_fallocate", full)
        with pytest.raises(NotKept):
            shelf.put("kind", "a", "x" * 5000)

    assert shelf.get("kind", "a") == 1 == opening().get("kind", "a")


def test_on_the_disk_means_synced_before_put_returns(opening: Opening, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf = opening("disk")
    for change in (lambda: shelf.put("kind", "a", 1), lambda: shelf.swap("kind", "a", 1, 2)):
        change()
        assert shelf._log.synced == shelf._log.position
    shelf.drop("kind", "a")
    assert shelf._log.synced < shelf._log.position

    shelf = opening("process")
    shelf.put("kind", "a", 1)
    assert shelf._log.synced == 0


def test_a_disk_that_failed_leaves_what_was_there_in_memory(opening: Opening, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf = opening("disk")
    shelf.put("kind", "a", 1)
    monkeypatch.setattr(appending, "settle_file", full)

    for call in (lambda: shelf.put("kind", "a", 2), lambda: shelf.put("kind", "b", 2), lambda: shelf.drop("kind", "a")):
        with pytest.raises(NotKept, match="the disk failed"):
            call()
        assert shelf.items("kind") == {"a": 1}


def test_what_is_put_and_dropped_without_end_needs_no_room_without_end(opening: Opening) -> None:
    shelf = opening()
    shelf.put("queue", "orders", {"stays": True})
    for number in range(400):
        shelf.put("event", str(number), "x" * 50)
        shelf.drop("event", str(number))
        while len(shelf._log.segments()) > 2:
            clean(shelf)

    assert shelf._log.total_bytes < 3 * 4096
    assert opening().items("queue") == {"orders": {"stays": True}}
    assert opening().items("event") == {}


def test_other_payloads_are_not_a_shelfs(opening: Opening) -> None:
    shelf = opening()

    assert not shelf.apply(1, b"SEND something")
    with shelf.together(), shelf.together():
        shelf.put("kind", "a", 1)
    assert (shelf.shared, shelf.revision) == (False, 0)
    with pytest.raises(ValueError, match="not a shelf's"):
        shelf_records.read(b"SEND")


@settings(max_examples=40)
@given(st.text(max_size=20), st.text(max_size=20), st.integers(0, 2**64 - 1), st.binary(max_size=30))
def test_a_record_reads_as_it_was_written(kind: str, key: str, place: int, text: bytes) -> None:
    assert shelf_records.read(shelf_records.put(kind, key, place, text)) == (kind, key, place, text)
    assert shelf_records.read(shelf_records.dropped(kind, key)) == (kind, key)


def test_a_record_can_be_shown_in_a_line() -> None:
    assert shelf_records.shown(shelf_records.put("queue", "orders", 3, b'{"a":1}')) == "put queue 'orders' {\"a\":1}"
    assert shelf_records.shown(shelf_records.dropped("queue", "orders")) == "drop queue 'orders'"
    assert shelf_records.shown(shelf_records.put("k", "a", 1, b"x" * 300)).endswith("x... 300 characters")
