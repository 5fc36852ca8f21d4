"""Broker("sqlite:///jobs.db"): what survives, what is one transaction, and what is refused rather than forgotten."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from decouple import (
    Broker,
    LargeBodies,
    NotKept,
    Queue,
    QueueClosed,
    StorageDamaged,
    StorageTooNew,
    VirtualClock,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "jobs.db"


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def broker(path: Path, clock: VirtualClock) -> Iterator[Broker]:
    with Broker(f"sqlite:///{path}", clock=clock) as broker:
        yield broker


@pytest.fixture
def queue(broker: Broker) -> Queue[str]:
    return broker.queue("orders")


def another(path: Path, clock: Any = None, **options: Any) -> Broker:
    return Broker(f"sqlite:///{path}", clock=clock, **options)


def rows(path: Path, text: str = "SELECT body FROM messages ORDER BY id") -> list[Any]:
    connection = sqlite3.connect(path)
    try:
        return [row[0] for row in connection.execute(text)]
    finally:
        connection.close()


# -- what survives ---------------------------------------------------------------------------------------------------


def test_all_of_a_message_is_there_in_the_next_process(path, clock) -> None:
    with another(path, clock) as broker:
        dead = broker.queue("dead")
        jobs = broker.queue("jobs", dead_letter=dead, max_receives=1)
        attributes = {"n": 1, "price": 2.5, "raw": b"\x00\xff", "list": [1, "x"]}
        sent = jobs.send("broken", attributes=attributes, group="tenant", system={"AWSTraceHeader": "Root=1"})
        [message] = jobs.receive()
        message.reject("bad")

    with another(path, clock) as broker:
        [message] = broker.queues["dead"].receive()

    assert (message.id, message.text, message.receive_count, message.group) == (sent.id, "broken", 2, "tenant")
    assert message.attributes == attributes
    assert message.system == {"AWSTraceHeader": "Root=1"}
    assert message.failure is not None
    assert message.failure.text == "bad"
    assert message.source is broker.queues["jobs"]


def test_settings_are_there_again_and_a_declaration_changes_them(path, clock) -> None:
    with another(path, clock) as broker:
        broker.queue("jobs", visibility_timeout=7, dead_letter=broker.queue("dead"), max_receives=3, tags={"a": "b"})

    with another(path, clock) as broker:
        assert broker.queues["jobs"].settings["visibility_timeout"] == 7
        assert broker.queues["jobs"].dead_letter is broker.queues["dead"]
        assert broker.queue("jobs", visibility_timeout=8).settings["max_receives"] == 3
    with another(path, clock) as broker:
        assert broker.queues["jobs"].settings["visibility_timeout"] == 8
        assert broker.queues["jobs"].tags == {"a": "b"}


def test_a_deduplication_id_counts_for_five_minutes_through_a_restart(path, clock) -> None:
    with another(path, clock) as broker:
        first = broker.queue("q.fifo").send("x", group="g", deduplication_id="1")
        broker.queue("q.fifo").receive()[0].ack()
    clock.advance(299.9)
    with another(path, clock) as broker:
        again = broker.queue("q.fifo").send("x", group="g", deduplication_id="1")
        clock.advance(0.1)
        new = broker.queue("q.fifo").send("x", group="g", deduplication_id="1")

    assert again.id == first.id
    assert new.id != first.id
    assert new.sequence is not None
    assert first.sequence is not None
    assert new.sequence > first.sequence


def test_numbers_are_never_given_out_twice(path, clock) -> None:
    """Also not that of the last message, once it is deleted: an old receipt would delete a new message."""
    ids = []
    for _ in range(3):
        with another(path, clock) as broker:
            queue = broker.queue("orders")
            ids.append(queue.send("x").id)
            queue.receive()[0].ack()

    assert len(set(ids)) == 3


def test_large_bodies_are_fetched_by_another_process(path, clock, tmp_path) -> None:
    with another(path, clock) as broker:
        queue = broker.queue("big", large_bodies=LargeBodies(str(tmp_path / "bodies"), threshold=10))
        queue.send("0123456789 and more")
        queue.send('{"large_body": "00", "bytes": 2}'[:9])
    with another(path, clock) as broker:
        [first, second] = broker.queue("big").receive(max_messages=2)
        assert (first.text, second.text) == ("0123456789 and more", '{"large_b')
        first.ack()

    assert list((tmp_path / "bodies").iterdir()) == []


def test_a_large_body_goes_with_its_dead_letter(path, clock, tmp_path) -> None:
    with another(path, clock) as broker:
        large = LargeBodies(str(tmp_path / "bodies"), threshold=10)
        queue = broker.queue("big", large_bodies=large, dead_letter=broker.queue("dead"))
        queue.send_batch(["0123456789 and more"] * 2)
        for message in queue.receive(max_messages=2):
            message.reject("bad")
        [message] = broker.queue("dead").receive()
        message.ack()
        assert message.text == "0123456789 and more"
    with another(path, clock) as broker:
        [message] = broker.queues["dead"].receive()
        message.ack()
        assert message.text == "0123456789 and more"

    assert list((tmp_path / "bodies").iterdir()) == []


def test_receipts_are_checked_while_other_threads_work(broker, queue) -> None:
    """A receipt is looked at before the lock is taken."""
    queue.send_batch([str(n) for n in range(100)])
    receipts = [message.receipt for message in queue.receive(max_messages=100)]
    other = broker.queue("other")
    over = threading.Event()

    def work() -> None:
        while not over.is_set():
            other.send("x")
            other.receive()[0].ack()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        for receipt in receipts:
            queue.delete(receipt)
    finally:
        over.set()
        thread.join(10)
    assert queue.stats().deleted == 100


# -- one transaction -------------------------------------------------------------------------------------------------


def test_a_batch_is_sent_as_a_whole_or_not_at_all(broker, queue, path) -> None:
    connection = sqlite3.connect(path)
    connection.execute(
        "CREATE TRIGGER t BEFORE INSERT ON messages WHEN new.body = 'c' BEGIN SELECT RAISE(ABORT, 'no room'); END"
    )
    connection.close()

    with pytest.raises(sqlite3.IntegrityError):
        queue.send_batch(["a", "b", "c"])

    assert queue.stats().visible == 0
    assert broker.check()["accepted"] == 0
    assert queue.send("d").id


def test_a_dead_letter_moves_in_the_transaction_of_the_receive(broker, path, clock) -> None:
    jobs = broker.queue("jobs", dead_letter=broker.queue("dead"), max_receives=1, visibility_timeout=10)
    jobs.send("x")
    jobs.receive()
    clock.advance(10)
    connection = sqlite3.connect(path)
    connection.execute("CREATE TRIGGER t BEFORE INSERT ON messages BEGIN SELECT RAISE(ABORT, 'no'); END")

    with pytest.raises(sqlite3.IntegrityError):
        jobs.receive()
    assert jobs.stats().visible == 1

    connection.execute("DROP TRIGGER t")
    connection.close()
    assert jobs.receive() == []
    assert broker.queues["dead"].stats().visible == 1
    assert broker.check()["accepted"] == 2


def test_who_waits_is_not_served_by_a_transaction_that_failed(broker, queue, path, clock) -> None:
    told: list[Any] = []
    queue._observe((told.append,))
    answers: list[Any] = []
    thread = threading.Thread(target=lambda: answers.append(queue.receive(wait=20, patience=5)), daemon=True)
    thread.start()
    while not queue.stats().parked:
        pass
    connection = sqlite3.connect(path)
    connection.execute("CREATE TRIGGER t BEFORE UPDATE ON messages BEGIN SELECT RAISE(ABORT, 'no'); END")

    with pytest.raises(sqlite3.IntegrityError):
        queue.send("lost")
    assert queue.stats().parked == 1
    assert told == []

    connection.execute("DROP TRIGGER t")
    connection.close()
    queue.send("kept")
    thread.join(5)
    assert [message.text for message in answers[0]] == ["kept"]
    assert [change.cause for change in told] == ["sent", "received"]


def test_what_is_done_together_is_kept_together(broker, path) -> None:
    one, two = broker.queue("one"), broker.queue("two")
    shelf = broker._engine.shelf

    with shelf.together():
        one.send("a")
        two.send("b")
        shelf.put("kind", "key", 1)
        assert rows(path) == []
    assert rows(path) == ["a", "b"]

    def fail() -> None:
        with shelf.together():
            one.receive()[0].ack()
            two.send("c")
            with shelf.together():
                shelf.drop("kind", "key")
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert rows(path) == ["a", "b"]
    assert shelf.get("kind", "key") == 1
    assert one.stats()[:2] == (1, 0)


def test_an_operation_that_fails_within_leaves_the_others(broker, path) -> None:
    queue = broker.queue("one")
    shelf = broker._engine.shelf

    with shelf.together():
        queue.send("a")
        with pytest.raises(ValueError, match="must not be empty"):
            queue.send("")
        broker.queue("two").close()
        with pytest.raises(QueueClosed):
            broker.queues["two"].send("b")
        queue.send("c")

    assert rows(path) == ["a", "c"]


def test_a_receive_does_not_wait_within_a_transaction(broker, queue) -> None:
    with broker._engine.shelf.together():
        assert queue.receive(wait=20) == []


# -- an application's own transaction --------------------------------------------------------------------------------


@pytest.fixture
def connection(path, broker) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(path)
    connection.row_factory = sqlite3.Row
    connection.execute("CREATE TABLE invoices(number INTEGER)")
    yield connection
    connection.close()


def test_a_send_joins_the_transaction_of_the_application(broker, queue, connection, path) -> None:
    with broker.joining(connection), connection:
        connection.execute("INSERT INTO invoices VALUES (7)")
        sent = queue.send({"id": 7})
        assert rows(path) == []

    assert rows(path, "SELECT number FROM invoices") == [7]
    [message] = queue.receive()
    assert message.id == sent.id


def test_it_is_undone_with_it(broker, queue, connection, path) -> None:
    told: list[Any] = []
    queue._observe((told.append,))
    queue.send("before")

    def fail() -> None:
        with broker.joining(connection), connection:
            queue.send_batch(["a", "b"])
            queue.receive()[0].ack()
            raise KeyError

    with pytest.raises(KeyError):
        fail()

    assert rows(path) == ["before"]
    assert [change.cause for change in told] == ["sent"]
    assert broker.check()["visible"] == 1


def test_it_works_on_a_connection_that_commits_by_itself(broker, queue, path) -> None:
    plain = sqlite3.connect(path, isolation_level=None)
    with broker.joining(plain), plain:
        queue.send("a")
        assert rows(path) == []
    plain.close()

    assert rows(path) == ["a"]


def test_another_file_or_thing_is_refused(broker, tmp_path) -> None:
    other = sqlite3.connect(tmp_path / "other.db")
    with pytest.raises(ValueError, match="must be to"):
        broker.joining(other)
    other.close()
    memory = sqlite3.connect(":memory:")
    with pytest.raises(ValueError, match=":memory:"):
        broker.joining(memory)
    memory.close()
    with pytest.raises(TypeError, match="must be an sqlite3"):
        broker.joining("jobs.db")


def test_one_that_waits_is_woken_when_it_is_committed(path) -> None:
    with Broker(f"sqlite:///{path}") as broker:
        queue = broker.queue("orders")
        answers: list[Any] = []
        thread = threading.Thread(target=lambda: answers.append(queue.receive(wait=20)), daemon=True)
        thread.start()
        while not queue.stats().parked:
            pass
        own = sqlite3.connect(path)
        with broker.joining(own), own:
            queue.send("x")
        own.close()
        thread.join(10)

    assert [message.text for message in answers[0]] == ["x"]


# -- what is refused -------------------------------------------------------------------------------------------------


def test_a_full_disk_refuses_and_keeps(broker, queue, path) -> None:
    queue.send("first")
    database = broker._engine.database
    pages = database.one("PRAGMA page_count")[0]
    database.sql(f"PRAGMA max_page_count = {pages + 2}")

    with pytest.raises(NotKept, match="full"):
        queue.send_batch(["x" * 100_000, "y"])
    assert queue.stats().visible == 1

    database.sql("PRAGMA max_page_count = 1000000")
    queue.send("second")
    assert [message.text for message in queue.receive(max_messages=10)] == ["first", "second"]
    assert broker.check()["accepted"] == 2


def test_a_database_that_stays_locked_refuses(broker, queue, path) -> None:
    broker._engine.database.patience = 0.01
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    with pytest.raises(NotKept, match="another process keeps it locked"):
        queue.send("x")

    other.execute("COMMIT")
    other.close()
    assert queue.send("y").id
    assert queue.stats().visible == 1


def test_a_file_that_is_no_database_is_refused(path) -> None:
    path.write_bytes(b"something else entirely" * 100)

    with pytest.raises(StorageDamaged, match="not a database"):
        another(path)
    assert path.read_bytes().startswith(b"something else")


def test_a_path_that_is_not_there_is_refused(tmp_path) -> None:
    with pytest.raises(NotKept, match="unable to open"):
        another(tmp_path / "no" / "folder" / "jobs.db")


def test_a_newer_version_is_refused(path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()

    with pytest.raises(StorageTooNew, match="format 99"):
        another(path)


def test_wrong_options_are_refused(path, tmp_path, clock) -> None:
    with pytest.raises(ValueError, match="'NORMAL' or 'FULL'"):
        another(path, synchronous="OFF")
    with another(path, clock) as one, another(tmp_path / "two.db", clock) as two:
        with pytest.raises(ValueError, match="lives in another broker"):
            one.queue("jobs", dead_letter=two.queue("dead"))
        with pytest.raises(ValueError, match="lives in another broker"):
            Queue("jobs", dead_letter=one.queue("dead"), clock=clock)
        one.queue("jobs").send("x")
        with pytest.raises(ValueError, match="one transaction"):
            one.queue("jobs").receive()[0].move(two.queue("other"))


def test_a_store_that_the_next_process_cannot_know_is_refused(broker) -> None:
    class Store:
        put = get = delete = list = None

    with pytest.raises((ValueError, TypeError)):
        broker.queue("big", large_bodies=LargeBodies(Store()))


# -- an interrupt ----------------------------------------------------------------------------------------------------


def test_an_interrupt_anywhere_leaves_all_or_nothing(broker, queue, path) -> None:
    """Ctrl-C at each call of a send, a receive and a delete, one after the other."""
    import sys

    def interrupted(act: Any, at: int) -> bool:
        steps = 0

        def trace(frame: Any, event: str, argument: Any) -> Any:
            nonlocal steps
            if "/engines/" in frame.f_code.co_filename and event in ("call", "return", "line"):
                steps += 1
                if steps == at:
                    raise KeyboardInterrupt
            return trace

        sys.settrace(trace)
        try:
            act()
        except KeyboardInterrupt:
            return True
        finally:
            sys.settrace(None)
        return False

    for act in (lambda: queue.send("x"), lambda: [one.ack() for one in queue.receive()]):
        at = 1
        while interrupted(act, at):
            at += 7
            assert broker.check()
            assert not broker._engine.database.gate.mine
            assert not broker._engine.database.connection.in_transaction
    queue.purge()
    assert rows(path) == []


def test_several_dead_letters_may_come_in_one_transaction(broker: Broker, clock: VirtualClock) -> None:
    dead = broker.queue("dead")
    orders = broker.queue("orders", dead_letter=dead, max_receives=1, visibility_timeout=1)
    sent = [orders.send(str(number)).id for number in range(3)]
    orders.receive(max_messages=3)
    clock.advance(2)

    assert orders.receive(max_messages=3) == []

    assert [message.id for message in dead.peek()] == sent
    broker.check()
