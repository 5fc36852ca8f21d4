"""Broker("file:///folder"): queues in memory that outlive their process."""

from __future__ import annotations

import asyncio
import errno
import gc
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from journalled import journal_of, kill

from decouple import Broker, ClockBehind, Entry, LargeBodies, Message, NotKept, Queue, StorageInUse, VirtualClock
from decouple.core.changes import Change
from decouple.stores.journal import Journal, open_journal
from decouple.testing import Ledger

SMALL = 64 << 10
LONG = 43_201


class Folder:
    """A folder, and the processes that open it one after the other: `again` is a kill -9 and a new start."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.clock = VirtualClock()
        self.broker = self.opened()

    def opened(self, **more: Any) -> Broker:
        return Broker(open_journal(str(self.path), self.clock, segment_bytes=SMALL), clock=self.clock, **more)

    @property
    def journal(self) -> Journal:
        return journal_of(self.broker)

    def kill(self) -> None:
        kill(self.broker)

    def again(self, **more: Any) -> Broker:
        self.kill()
        self.broker = self.opened(**more)
        return self.broker


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "queues")


def texts(queue: Queue[Any]) -> list[str]:
    return [message.text for message in queue.peek(100)]


# -- what is there again -----------------------------------------------------------------------------------------------


def test_what_was_sent_is_there_in_the_next_process(folder: Folder) -> None:
    orders = folder.broker.queue("orders")
    sent = orders.send("order 7", attributes={"kind": "new", "raw": b"\0"}, system={"AWSTraceHeader": "Root=1"})
    orders.send_batch(["order 8", "ärger"])

    again = folder.again().queue("orders")

    [first, *rest] = again.receive(max_messages=10)
    assert (first.id, first.text, first.attributes) == (sent.id, "order 7", {"kind": "new", "raw": b"\0"})
    assert first.system == {"AWSTraceHeader": "Root=1"}
    assert [one.text for one in rest] == ["order 8", "ärger"]


def test_what_is_in_flight_stays_so_until_its_own_time_and_its_receipt_goes_on_counting(folder: Folder) -> None:
    orders = folder.broker.queue("orders", visibility_timeout=30)
    orders.send("order 7")
    [message] = orders.receive()
    folder.clock.advance(20)

    again = folder.again().queue("orders")

    assert again.stats().in_flight == 1
    again.change_visibility(message.receipt, 60)
    folder.clock.advance(59)
    assert again.receive() == []
    again.delete(message.receipt)
    assert folder.again().queue("orders").stats().visible == 0


def test_a_message_that_kills_its_worker_still_reaches_the_dead_letter_queue(folder: Folder) -> None:
    """Receives are written, too: or such a message would come for the first time after each restart."""
    dead = folder.broker.queue("dead")
    folder.broker.queue("orders", dead_letter=dead, max_receives=3).send("kills")

    for _ in range(3):
        [message] = folder.broker.queue("orders").receive()
        assert message.text == "kills"
        folder.again()
        folder.clock.advance(31)

    assert folder.broker.queue("orders").receive() == []
    [letter] = folder.broker.queue("dead").receive()
    assert (letter.text, letter.receive_count) == ("kills", 4)
    assert letter.source is folder.broker.queue("orders")
    assert letter.failure is not None


def test_why_a_message_is_dead_is_there_again(folder: Folder) -> None:
    dead = folder.broker.queue("dead")
    orders = folder.broker.queue("orders", dead_letter=dead, max_receives=3)
    orders.send("order 7")
    [message] = orders.receive()
    message.reject("no such customer")

    [letter] = folder.again().queue("dead").receive()

    assert letter.failure is not None
    assert letter.failure.text == "no such customer"
    assert letter.id == message.id


def test_deleted_messages_never_come_back(folder: Folder) -> None:
    orders = folder.broker.queue("orders")
    orders.send_batch([f"order {number}" for number in range(10)])
    for message in orders.receive(max_messages=9):
        message.ack()

    assert texts(folder.again().queue("orders")) == ["order 9"]


def test_a_delay_ends_when_it_would_have(folder: Folder) -> None:
    folder.broker.queue("orders").send("later", delay=100)
    folder.clock.advance(60)

    orders = folder.again().queue("orders")

    folder.clock.advance(39)
    assert orders.receive() == []
    folder.clock.advance(1)
    assert len(orders.receive()) == 1


def test_what_outlived_its_retention_while_nobody_ran_is_gone_at_its_own_instant(folder: Folder) -> None:
    folder.broker.queue("orders", retention=60).send("old")
    changes: list[Change] = []
    folder.kill()
    due = folder.clock.now() + 60 * 10**9 + folder.clock.epoch
    folder.clock.advance(1_000)

    orders = folder.opened(observers=[changes.append]).queue("orders")

    assert orders.receive() == []
    [gone] = [one for one in changes if one.cause == "retained out"]
    assert gone.at == due


def test_numbers_and_ids_go_on_where_they_were(folder: Folder) -> None:
    orders = folder.broker.queue("orders.fifo", content_based_deduplication=True)
    first = orders.send("a", group="g")
    for message in orders.receive():
        message.ack()

    second = folder.again().queue("orders.fifo").send("b", group="g")

    assert second.sequence > first.sequence
    assert second.id != first.id


def test_a_deduplication_id_counts_for_five_minutes_whatever_became_of_the_message(folder: Folder) -> None:
    orders = folder.broker.queue("orders.fifo")
    sent = orders.send("a", group="g", deduplication_id="one")
    for message in orders.receive():
        message.ack()
    folder.clock.advance(299)

    again = folder.again().queue("orders.fifo")

    assert again.send("a", group="g", deduplication_id="one").id == sent.id
    assert again.stats().visible == 0
    folder.clock.advance(1)
    assert again.send("a", group="g", deduplication_id="one").id != sent.id


def test_a_group_stays_blocked_behind_its_message_in_flight_and_in_order(folder: Folder) -> None:
    orders = folder.broker.queue("orders.fifo")
    for number in range(4):
        orders.send(str(number), group="g", deduplication_id=str(number))
    [first] = orders.receive()

    again = folder.again().queue("orders.fifo")

    assert again.receive(max_messages=10) == []
    again.delete(first.receipt)
    assert [one.text for one in again.receive(max_messages=10)] == ["1", "2", "3"]


def test_a_parked_group_stays_parked_until_it_is_released(folder: Folder) -> None:
    orders = folder.broker.queue("orders.fifo", on_poison="park", max_receives=1)
    orders.send("bad", group="g", deduplication_id="1")
    orders.receive()
    folder.clock.advance(31)
    assert orders.receive() == []

    again = folder.again().queue("orders.fifo")

    assert again.receive() == []
    again.release("g")
    folder.again()
    assert [one.text for one in folder.broker.queue("orders.fifo").receive()] == ["bad"]


def test_tenants_are_served_fairly_after_a_restart_too(folder: Folder) -> None:
    jobs = folder.broker.queue("jobs")
    jobs.send_batch([f"busy {number}" for number in range(3)])
    jobs.send("quiet", group="tenant")

    again = folder.again().queue("jobs")

    assert sorted(one.text for one in again.receive(max_messages=10)) == ["busy 0", "busy 1", "busy 2", "quiet"]
    again.check()


def test_large_bodies_are_found_again(folder: Folder, tmp_path: Path) -> None:
    orders = folder.broker.queue("orders", large_bodies=LargeBodies(tmp_path / "large", threshold=10))
    orders.send("x" * 100)

    [message] = folder.again().queue("orders").receive()

    assert message.body == "x" * 100
    message.ack()
    assert not list((tmp_path / "large").iterdir())


def test_a_purge_and_the_end_of_a_queue_are_final(folder: Folder) -> None:
    orders, other = folder.broker.queue("orders"), folder.broker.queue("other")
    orders.send("gone")
    orders.purge()
    other.send("gone")
    folder.broker.delete(other)

    broker = folder.again()

    assert list(broker.queues) == ["orders"]
    assert texts(broker.queue("orders")) == []
    assert texts(broker.queue("other")) == []


def test_observers_hear_what_they_hear_in_memory(folder: Folder) -> None:
    ledger = Ledger()
    orders = folder.again(observers=[ledger]).queue("orders")
    orders.send("order 7")
    for message in orders.receive():
        message.ack()

    ledger.check()
    assert [change.cause for change in ledger.changes] == ["sent", "received", "deleted"]
    assert texts(folder.again().queue("orders")) == []


def test_a_message_on_its_way_is_in_one_of_the_two_queues(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between its leaving and its arrival only the leaving is written: then it never left."""
    dead = folder.broker.queue("dead")
    orders = folder.broker.queue("orders", dead_letter=dead, max_receives=1)
    orders.send("order 7")
    [message] = orders.receive()
    monkeypatch.setattr(type(dead), "deliver", interrupted)
    with pytest.raises(KeyboardInterrupt):
        message.reject("bad")
    monkeypatch.undo()

    broker = folder.again()

    assert [texts(broker.queue(name)) for name in ("orders", "dead")] == [["order 7"], []]


def interrupted(*_: object) -> None:
    raise KeyboardInterrupt


# -- cleaning ----------------------------------------------------------------------------------------------------------


def test_a_journal_is_as_large_as_what_is_in_it(folder: Folder) -> None:
    """One message that nobody takes keeps no others: it is written again, and the segments before it are removed."""
    folder.journal.slack = SMALL
    folder.broker.queue("stuck").send("here for ever")
    orders = folder.broker.queue("orders")
    for _ in range(2_000):
        orders.send("x" * 1_000)
        for message in orders.receive():
            message.ack()

    assert folder.journal.log.total_bytes < 6 * SMALL
    broker = folder.again()
    assert texts(broker.queue("stuck")) == ["here for ever"]
    assert texts(broker.queue("orders")) == []


def test_compacting_keeps_all_that_is_live(folder: Folder) -> None:
    dead = folder.broker.queue("dead")
    orders = folder.broker.queue("orders", dead_letter=dead, max_receives=1)
    ordered = folder.broker.queue("orders.fifo")
    orders.send_batch([f"{number} {'x' * 1_000}" for number in range(200)])
    orders.send("later", delay=500)
    sent = [
        ordered.send(f"{number} {'x' * 1_000}", group=f"g{number % 3}", deduplication_id=str(number))
        for number in range(100)
    ]
    held = orders.receive(max_messages=50)
    orders.delete(*held[:40])
    held[41].reject("bad")
    for message in ordered.receive(max_messages=5):
        message.ack()
    before = state(folder.broker)

    folder.journal.compact()

    assert state(folder.broker) == before
    assert state(folder.again()) == before
    again = folder.broker.queue("orders.fifo").send("again", group="g0", deduplication_id="0")
    assert again.sequence == sent[0].sequence


def state(broker: Broker) -> Any:
    found = {}
    for name, queue in broker.queues.items():
        stats = queue.stats()
        found[name] = (sorted(texts(queue)), stats.visible, stats.in_flight, stats.delayed)
        queue.check()
    return found


def test_what_has_arrived_elsewhere_is_not_written_again_where_it_came_from(folder: Folder) -> None:
    """Another thread cleans between the two halves of a move, and then the process is killed."""
    dead = folder.broker.queue("dead")
    orders = folder.broker.queue("orders", dead_letter=dead, max_receives=1)
    orders.send("order 7")
    orders.send_batch(["x" * 1_000] * 100)
    [message] = orders.receive()

    def deliver(move: Any) -> None:
        Queue.deliver(dead, move)
        folder.journal.compact()
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dead, "deliver", deliver)
        with pytest.raises(KeyboardInterrupt):
            message.reject("bad")
        broker = folder.again()

    assert texts(broker.queue("dead")) == ["order 7"]
    assert "order 7" not in texts(broker.queue("orders"))


def test_cleaning_ends_where_all_is_live_and_larger_than_it_was_reckoned(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Attributes are not counted; each segment is cleaned a few times while the journal grows, not for ever."""
    folder.journal.slack = SMALL
    cleaned: list[bool] = []
    clean = folder.journal.clean
    monkeypatch.setattr(folder.journal, "clean", lambda: cleaned.append(clean()))
    orders = folder.broker.queue("orders")

    for _ in range(3_000):
        orders.send("x", attributes={"note": "y" * 300})

    assert 0 < len(cleaned) < 3 * folder.journal.log.total_bytes / SMALL
    assert folder.again().queue("orders").stats().visible == 3_000


def test_a_disk_that_fills_up_while_segments_are_cleaned_is_no_error_of_the_call(
    folder: Folder, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    folder.journal.slack = 0
    orders = folder.broker.queue("orders")
    monkeypatch.setattr(folder.journal, "rewrite", full)

    for number in range(200):
        orders.send(f"{number} {'x' * 1_000}")
        orders.delete(*orders.receive())

    assert "old segments stay for now" in caplog.text
    assert texts(folder.again().queue("orders")) == []


def full(*_: object) -> None:
    raise NotKept("queues", why="the disk is full")


def test_others_work_on_while_segments_are_cleaned(folder: Folder) -> None:
    folder.journal.slack = SMALL
    orders = folder.broker.queue("orders")
    errors: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for turn in range(400):
                orders.send(f"{number}.{turn} {'x' * 500}")
                for message in orders.receive(max_messages=2):
                    message.ack() if turn % 10 else message.nack()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert not errors
    before = state(folder.broker)
    assert state(folder.again()) == before


# -- what cannot be kept is refused --------------------------------------------------------------------------------------


def test_a_full_disk_refuses_sends_and_lets_the_rest_go_on(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    orders = folder.broker.queue("orders")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    sent: list[str] = []
    with suppress(NotKept):
        sent.extend(orders.send("x" * 1_000).id for _ in range(1_000))

    with pytest.raises(NotKept, match="the disk is full"):
        orders.send("one more")
    assert orders.stats().visible == len(sent) < 1_000
    for message in orders.receive(max_messages=10):
        message.ack()
    monkeypatch.undo()
    orders.send("there is room again")
    assert folder.again().queue("orders").stats().visible == len(sent) - 10 + 1


@pytest.mark.parametrize("name", ["orders", "orders.fifo"])
def test_a_full_disk_has_room_again_when_what_filled_it_is_deleted(
    folder: Folder, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Here it has room for four segments, and one message of the first stays, so that it has to be written again."""
    orders = folder.broker.queue(name, visibility_timeout=43_200)
    orders.send("kept", **named(orders, "kept"))
    [kept] = orders.receive()
    reserve = os.posix_fallocate

    def little(file: int, start: int, size: int) -> None:
        if len(list(folder.path.glob("segment-*"))) > 4:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        reserve(file, start, size)

    monkeypatch.setattr(os, "posix_fallocate", little)
    for turn in range(3):
        sent = 0
        with suppress(NotKept):
            for sent in range(1_000):
                orders.send(
                    "x" * 1_000, **({"group": str(sent), "deduplication_id": f"{turn}-{sent}"} if orders.fifo else {})
                )
        assert 100 < sent < 1_000
        while batch := orders.receive(max_messages=10):
            orders.delete(*batch)

    assert folder.again().queue(name).stats().in_flight == 1
    folder.broker.queue(name).delete(kept.receipt)
    assert folder.again().queue(name).stats().in_flight == 0


@pytest.mark.parametrize("name", ["orders", "orders.fifo"])
def test_a_send_that_is_refused_was_not_sent_whatever_others_write_meanwhile(
    folder: Folder, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """A batch larger than what is left of the segment, when there is no room for another segment."""
    orders = folder.broker.queue(name)
    orders.send("first", **named(orders, "first"))

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "posix_fallocate", full)
        batch = [Entry("é" * 1_000, **named(orders, str(number))) for number in range(100)]
        with pytest.raises(NotKept, match="the disk is full"):
            orders.send_batch(batch)
        assert orders.stats().visible == 1
        for message in orders.receive(max_messages=10):
            message.ack()

    assert orders.stats().visible == 0
    assert len(orders.send_batch(batch)) == 100
    assert folder.again().queue(name).stats().visible == 100


def named(queue: Queue[Any], identity: str) -> Any:
    return {"group": "g", "deduplication_id": identity} if queue.fifo else {"attributes": {"number": identity}}


def test_a_clock_that_went_back_is_said_and_nothing_is_changed(folder: Folder) -> None:
    folder.clock.advance(3_600)
    folder.broker.queue("orders").send("from later")
    folder.kill()
    now, folder.clock = folder.clock, VirtualClock()

    with pytest.raises(ClockBehind, match="3600 s"):
        folder.opened()

    folder.clock = now
    assert texts(folder.opened().queue("orders")) == ["from later"]


def test_the_url_says_how_durable_it_is(tmp_path: Path) -> None:
    for durability in ("process", "disk"):
        with Broker(f"file://{tmp_path / durability}?durability={durability}") as broker:
            assert broker.capabilities.survives == durability
            assert broker.queue("orders").stats().survives == durability
    with pytest.raises(ValueError, match="'process' or 'disk'"):
        Broker(f"file://{tmp_path}/x", durability="replica")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no option 'durable'"):
        Broker(f"file://{tmp_path}/x?durable=yes")


# -- on the disk -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def syncs(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Every sync to the disk."""
    calls: list[int] = []
    real = os.fdatasync

    def counted(file: int) -> None:
        calls.append(file)
        real(file)

    monkeypatch.setattr(os, "fdatasync", counted)
    return calls


def test_on_the_disk_a_send_is_synced_and_a_receive_is_not_waited_for(tmp_path: Path, syncs: list[int]) -> None:
    with Broker(f"file://{tmp_path}/q", durability="disk") as broker:
        orders = broker.queue("orders")
        syncs.clear()

        orders.send("order 7")
        assert len(syncs) == 1
        [message] = orders.receive()
        message.ack()
        assert len(syncs) == 1
        orders.send_batch(["a", "b", "c"])
        assert len(syncs) == 2


def test_on_the_disk_a_publish_is_synced_with_all_its_copies(tmp_path: Path, syncs: list[int]) -> None:
    with Broker(f"file://{tmp_path}/q", durability="disk") as broker:
        events = broker.topic("events")
        for name in ("a", "b", "c"):
            events.subscribe(broker.queue(name))
        log = journal_of(broker).log
        syncs.clear()

        events.publish("order 7")

        assert len(syncs) == 1
        assert log.synced >= log.position


def test_tasks_share_a_sync(tmp_path: Path, syncs: list[int]) -> None:
    async def main() -> None:
        async with Broker(f"file://{tmp_path}/q", durability="disk") as broker:
            orders = broker.queue("orders")
            syncs.clear()

            await asyncio.gather(*(orders.aio.send(str(number)) for number in range(100)))

            assert len(syncs) < 20
            assert orders.stats().visible == 100

    asyncio.run(main())


Handler = Callable[[Message[str]], None]


def test_consumers_work_on_a_journal(folder: Folder) -> None:
    orders = folder.broker.queue("orders")
    done: list[str] = []
    orders.send_batch(["a", "b"])

    @folder.broker.queue("orders").consume
    def handle(text: str) -> None:
        done.append(text)

    folder.broker.run_until_idle()

    assert done == ["a", "b"]
    assert texts(folder.again().queue("orders")) == []


def test_a_journal_that_nobody_has_any_more_is_given_back(tmp_path: Path) -> None:
    """As in a shell or a notebook, where nobody closes what the next cell opens again."""
    broker = Broker(f"file://{tmp_path}/jobs")
    broker.queue("jobs").send("x")
    files = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0

    del broker
    gc.collect()

    if files:
        assert len(os.listdir("/proc/self/fd")) < files
    with Broker(f"file://{tmp_path}/jobs") as again:
        assert [message.text for message in again.queue("jobs").receive()] == ["x"]


def test_a_journal_that_this_very_process_has_open_says_so(tmp_path: Path) -> None:
    with (
        Broker(f"file://{tmp_path}/jobs"),
        pytest.raises(StorageInUse, match="this one, by a broker that is not closed"),
    ):
        Broker(f"file://{tmp_path}/jobs")
