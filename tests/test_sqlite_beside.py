"""What one broker on a database does to queues that another one uses, too."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from decouple import Broker, Entry, NotKept, QueueClosed, TooManyInFlight, VirtualClock
from decouple.core.changes import Change

Pair = tuple[Broker, Broker]


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    clock = VirtualClock()
    url = f"sqlite:///{tmp_path / 'jobs.db'}"
    with Broker(url, clock=clock) as one, Broker(url, clock=clock) as two:
        yield one, two


def test_a_wait_ends_when_the_queue_is_deleted_beside(tmp_path: Path) -> None:
    with Broker(f"sqlite:///{tmp_path / 'jobs.db'}") as one, Broker(f"sqlite:///{tmp_path / 'jobs.db'}") as two:
        here, there = one.queue("jobs"), two.queue("jobs")
        answers: list[type[BaseException]] = []

        def wait() -> None:
            with pytest.raises(QueueClosed) as caught:
                here.receive(wait=20)
            answers.append(caught.type)

        thread = threading.Thread(target=wait, daemon=True)
        thread.start()
        while not here.stats().parked:
            time.sleep(0.001)

        two.delete(there)
        thread.join(10)

        assert answers == [QueueClosed]


def test_a_queue_that_was_deleted_and_made_again_beside_can_be_used(pair: Pair) -> None:
    one, two = pair
    one.queue("jobs").send("old")
    before = two.queue("jobs")

    one.delete(one.queue("jobs"))
    one.queue("jobs").send("new")

    with pytest.raises(QueueClosed):
        before.send("of the old one")
    assert [message.text for message in two.queue("jobs").receive()] == ["new"]


def test_what_is_sent_beside_while_a_queue_is_deleted_leaves_with_a_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the purge and the end of the queue another process may still send to it."""
    clock, changes = VirtualClock(), list[Change]()
    url = f"sqlite:///{tmp_path / 'jobs.db'}"
    with Broker(url, clock=clock, observers=[changes.append]) as one, Broker(url, clock=clock) as two:
        here, there = one.queue("jobs"), two.queue("jobs")
        shelf = one._engine.shelf
        assert shelf is not None
        drop = shelf.drop

        def late(kind: str, key: str) -> None:
            there.send("late")
            drop(kind, key)

        monkeypatch.setattr(shelf, "drop", late)
        one.delete(here)

    assert [change.text for change in changes if change.cause == "purged"] == ["late"]


def test_a_lower_limit_in_flight_holds_at_once_and_beside(pair: Pair) -> None:
    one, two = pair
    here, there = one.queue("jobs"), two.queue("jobs")
    here.send_batch(["x"] * 9)
    here.receive()
    there.receive()

    here.configure(max_in_flight=3)

    assert len(there.receive(max_messages=9)) == 1
    for queue in (here, there):
        with pytest.raises(TooManyInFlight):
            queue.receive()


def test_an_empty_receive_does_not_count_what_is_not_visible(pair: Pair) -> None:
    queue = pair[0].queue("jobs")
    queue.send_batch([Entry("x", delay=900)] * 2000)
    queue.receive()
    steps = 0

    def count() -> None:
        nonlocal steps
        steps += 1

    connection: sqlite3.Connection = pair[0]._engine.database.connection  # type: ignore[attr-defined]
    connection.set_progress_handler(count, 100)
    assert queue.receive() == []
    connection.set_progress_handler(None, 0)

    assert steps < 20


@pytest.mark.parametrize(("url", "level"), [("", "process"), ("?synchronous=FULL", "disk")])
def test_stats_say_what_the_messages_survive(tmp_path: Path, url: str, level: str) -> None:
    with Broker(f"sqlite:///{tmp_path / 'jobs.db'}{url}") as broker:
        assert broker.queue("jobs").stats().survives == level


def test_an_interrupt_within_what_follows_another_leaves_a_queue_that_works(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two Ctrl-C in a row: the second one comes when the transaction is over, and before that is noted."""
    queue = pair[0].queue("jobs")
    gate = pair[0]._engine.database.gate  # type: ignore[attr-defined]

    def interrupted() -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(gate, "_apply", interrupted)
        with pytest.raises(KeyboardInterrupt):
            queue.send_batch(["a", "b"])

    queue.send("c")
    with pair[0]._together():
        queue.send("d")

    assert [message.text for message in pair[1].queue("jobs").receive(max_messages=9)] == ["a", "b", "c", "d"]
    assert queue.check()["accepted"] == 4


def test_an_interrupt_at_the_end_of_a_receive_gives_its_messages_back(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the end of the `with` did not run, the gate is held by a frame that is dealing with the interrupt."""
    queue = pair[0].queue("jobs")
    queue.send_batch(["a", "b"])

    class Interrupted(type(queue._lock)):  # type: ignore[misc]
        def __exit__(self, *error: object) -> None:
            self.__class__ = self.__class__.__bases__[0]
            raise KeyboardInterrupt

    queue._lock.__class__ = Interrupted  # type: ignore[assignment]
    with pytest.raises(KeyboardInterrupt):
        queue.receive(max_messages=2)

    assert [message.text for message in queue.receive(max_messages=2)] == ["a", "b"]


def test_an_interrupt_while_an_answer_is_let_go_leaves_a_queue_that_works(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = pair[0].queue("jobs")
    database = pair[0]._engine.database  # type: ignore[attr-defined]

    def interrupted(connection: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(database, "_use", interrupted)
        with pytest.raises(KeyboardInterrupt), database.gate:
            raise RuntimeError("as of an interrupt")

    queue.send("a")
    assert [message.text for message in queue.receive()] == ["a"]


def test_what_is_in_flight_can_be_settled_after_the_end(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'jobs.db'}"
    broker = Broker(url)
    queue = broker.queue("jobs")
    queue.send_batch(["a", "b", "c"])
    first, second, third = queue.receive(max_messages=3)
    broker.close()

    first.ack()
    queue._engine.database.close()  # type: ignore[attr-defined]
    second.nack()
    queue._engine.database.close()  # type: ignore[attr-defined]
    queue.delete(third)

    with Broker(url) as again:
        again.queue("jobs").send("d")
        assert [message.text for message in again.queue("jobs").receive(max_messages=9)] == ["b", "d"]
    queue._engine.database.close()  # type: ignore[attr-defined]


def test_nothing_of_a_transaction_is_kept_where_sqlite_undid_it(pair: Pair) -> None:
    """As a full disk may do to it: what follows would be kept alone."""
    one, two = pair
    queue = one.queue("jobs")

    def several() -> None:
        with one._together():
            queue.send("first")
            one._engine.database.connection.execute("ROLLBACK")  # type: ignore[attr-defined]
            with suppress(NotKept):
                queue.send("last")

    with pytest.raises(NotKept, match="all of it was undone"):
        several()

    assert two.queue("jobs").receive() == []
    queue.send("after")
    assert [message.text for message in two.queue("jobs").receive(max_messages=9)] == ["after"]
