"""Large bodies: they are in the store while their message lives, whatever it goes through, and gone with it."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import shutil
import stat
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from test_interrupts import Tracer, interrupt

from decouple import (
    BodyMissing,
    Broker,
    Entry,
    InvalidBatch,
    LargeBodies,
    Message,
    MessageTooLarge,
    NotInFlight,
    Queue,
    QueueClosed,
    VisibilityTooLong,
)
from decouple.large_bodies import FolderStore, Pointer
from decouple.testing import Ledger, VirtualClock

LARGE = "a large body: " + "é" * 150
"""314 bytes, over the 200 the queues here take."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "bodies"


@pytest.fixture
def bodies(folder: Path) -> LargeBodies:
    return LargeBodies(folder)


@pytest.fixture
def dead(broker: Broker) -> Queue:
    return broker.queue("dead")


@pytest.fixture
def orders(broker: Broker, dead: Queue, bodies: LargeBodies) -> Queue:
    return broker.queue("orders", max_message_size=200, large_bodies=bodies, dead_letter=dead, max_receives=2)


def files(folder: Path) -> list[str]:
    """The texts of the files in the folder."""
    return sorted(path.read_bytes().decode() for path in folder.iterdir())


class DictStore:
    """A store of a user's own."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}
        self.broken: Exception | None = None
        self.gets = 0

    def put(self, key: str, text: str) -> None:
        self.texts[key] = text
        if self.broken and len(self.texts) > 1:
            raise self.broken

    def get(self, key: str) -> str:
        self.gets += 1
        if self.broken:
            raise self.broken
        return self.texts[key]

    def delete(self, key: str) -> None:
        self.texts.pop(key, None)


# -- sending and receiving -------------------------------------------------------------------------------------


def test_a_body_over_the_limit_goes_to_the_store_and_comes_back(orders: Queue, folder: Path) -> None:
    """SQS Extended Client: the queue holds a pointer, the receiver gets the body."""
    orders.send(LARGE, attributes={"type": "created"}, system={"trace": "t-1"}, group="tenant")
    assert files(folder) == [LARGE]

    [message] = orders.receive()

    assert (message.text, message.body, message.attributes) == (LARGE, LARGE, {"type": "created"})
    assert (message.system, message.group) == ({"trace": "t-1"}, "tenant")
    assert len(message.record[0]) < 100


@pytest.mark.parametrize(("size", "kept"), [(200, 0), (201, 1)])
def test_only_a_body_over_the_limit_goes_to_the_store(orders: Queue, folder: Path, size: int, kept: int) -> None:
    orders.send("x" * size)
    orders.send_batch(["y" * size])

    assert len(files(folder)) == 2 * kept
    assert [message.text for message in orders.receive(max_messages=2)] == ["x" * size, "y" * size]


def test_the_limit_counts_utf8_bytes_and_attributes(orders: Queue, folder: Path) -> None:
    orders.send("é" * 100)
    assert files(folder) == []

    orders.send("é" * 101)
    orders.send("x" * 100, attributes={"a": "y" * 100})

    assert files(folder) == ["x" * 100, "é" * 101]


def test_json_bodies_and_every_character_come_back_unchanged(orders: Queue) -> None:
    orders.send({"lines": ["é"] * 200})
    orders.send("\r\n\ufeff😀\x00\u2028" * 100)

    first, second = orders.receive(max_messages=2)

    assert first.json() == {"lines": ["é"] * 200}
    assert second.body == "\r\n\ufeff😀\x00\u2028" * 100


def test_a_threshold_lower_than_the_queues_limit_keeps_the_queue_small(clock: VirtualClock, folder: Path) -> None:
    queue = Queue("orders", large_bodies=LargeBodies(folder, threshold=10), clock=clock)

    queue.send_batch(["x" * 10, "y" * 11])
    queue.send("z" * 11)

    assert files(folder) == ["y" * 11, "z" * 11]


def test_a_threshold_of_0_keeps_every_body_in_the_store(clock: VirtualClock, folder: Path) -> None:
    """SQS Extended Client: alwaysThroughS3."""
    queue = Queue("orders", large_bodies=LargeBodies(folder, threshold=0), clock=clock)

    queue.send("x")

    assert files(folder) == ["x"]
    assert queue.receive()[0].body == "x"


def test_attributes_count_still_and_stay_in_the_queue(orders: Queue, folder: Path) -> None:
    with pytest.raises(MessageTooLarge) as caught:
        orders.send(LARGE, attributes={"a": "y" * 200})

    assert caught.value.limit == 200
    assert files(folder) == []


def test_a_queue_without_a_store_says_how_to_get_one(queue: Queue) -> None:
    with pytest.raises(MessageTooLarge, match=r"large_bodies=LargeBodies\(folder\)"):
        queue.send("x" * 1_048_577)


def test_a_body_that_reads_like_a_pointer_is_a_body(orders: Queue, folder: Path) -> None:
    orders.send(LARGE)
    [message] = orders.receive()
    forged = str.__str__(message.record[0])

    orders.send(forged)
    orders.send(message.record[0])
    copies = orders.receive(max_messages=2)
    assert [copy.text for copy in copies] == [forged, forged]
    orders.delete(*copies)

    assert files(folder) == [LARGE]


def test_a_typed_queue_decodes_the_body_from_the_store(broker: Broker, bodies: LargeBodies, folder: Path) -> None:
    @attrs.frozen
    class Order:
        lines: list[str]

    queue = broker.queue("typed", body=Order, max_message_size=200, large_bodies=bodies)
    queue.send(Order(["tea"] * 100))

    [message] = queue.receive()

    assert message.body == Order(["tea"] * 100)
    assert message.body is message.body
    assert files(folder) == [message.text]


def test_a_large_body_that_does_not_decode_is_a_dead_letter(broker: Broker, dead: Queue, bodies: LargeBodies) -> None:
    @attrs.frozen
    class Order:
        lines: list[str]

    typed = broker.queue("typed", body=Order, max_message_size=200, large_bodies=bodies, dead_letter=dead)
    texts = broker.queue("texts", max_message_size=200, large_bodies=bodies, dead_letter=typed)
    texts.send(LARGE)
    texts.receive()[0].reject("for the typed one")

    assert typed.receive() == []
    [letter] = dead.receive()
    assert letter.text == LARGE
    assert letter.failure is not None
    assert letter.failure.error == "BodyNotDecoded"


def test_a_delayed_large_body_waits_in_the_store(orders: Queue, folder: Path, clock: VirtualClock) -> None:
    orders.send(LARGE, delay=60)
    assert (orders.receive(), files(folder)) == ([], [LARGE])

    clock.advance(60)

    assert orders.receive()[0].text == LARGE


def test_a_receiver_that_waits_gets_the_body(orders: Queue) -> None:
    async def main() -> list[str]:
        receive = asyncio.create_task(orders.aio.receive(wait=20))
        await asyncio.sleep(0)
        await orders.aio.send(LARGE)
        return [message.text for message in await receive]

    assert asyncio.run(main()) == [LARGE]


def test_a_peek_reads_the_body_and_leaves_it(orders: Queue, folder: Path) -> None:
    orders.send(LARGE)

    assert [look.text for look in orders.peek()] == [LARGE]
    assert files(folder) == [LARGE]


def test_a_message_may_be_acknowledged_first_and_read_then(orders: Queue, folder: Path) -> None:
    """SQS Extended Client: the receive brings the body."""
    orders.send(LARGE)
    [message] = orders.receive()

    message.ack()

    assert files(folder) == []
    assert message.text == LARGE


def test_the_body_is_fetched_once_a_delivery_and_not_kept_while_its_message_waits(
    clock: VirtualClock,
) -> None:
    store = DictStore()
    queue = Queue("orders", large_bodies=LargeBodies(store, threshold=0), clock=clock)
    queue.send("x")
    [message] = queue.receive()
    assert [message.text, message.body, store.gets] == ["x", "x", 1]

    clock.advance(30)
    queue.stats()
    assert fetched(queue._core.again[message.record[2]]) == []

    [again] = queue.receive()
    assert (fetched(again), store.gets) == (["_text", "_body"], 2)
    again.nack()
    assert fetched(queue._core.again[message.record[2]]) == []


def fetched(message: Any) -> list[str]:
    """What of its body a message has in memory."""
    return [slot for slot in ("_text", "_body") if hasattr(message, slot)]


def test_a_message_received_before_the_first_large_one_can_still_be_settled(orders: Queue) -> None:
    orders.send("small")
    [small] = orders.receive()
    orders.send(LARGE)

    small.extend(10)
    small.ack()

    assert orders.stats().deleted == 1


def test_a_queue_without_large_bodies_so_far_keeps_its_short_path(clock: VirtualClock, folder: Path) -> None:
    queue = Queue("orders", large_bodies=LargeBodies(folder), max_message_size=200, clock=clock)
    queue.send("small")
    assert not queue._core.listening

    queue.send(LARGE)

    assert queue._core.listening


# -- where the body goes with its message ----------------------------------------------------------------------


def test_a_deleted_message_takes_its_body_along(orders: Queue, folder: Path) -> None:
    orders.send_batch([LARGE + "1", LARGE + "2", LARGE + "3"])
    first, second, third = orders.receive(max_messages=3)

    first.ack()
    orders.delete(second.receipt)
    assert files(folder) == [LARGE + "3"]
    third.ack()

    assert files(folder) == []


def test_purge_rejection_and_retention_remove_bodies(
    broker: Broker, bodies: LargeBodies, folder: Path, clock: VirtualClock
) -> None:
    queue = broker.queue("orders", max_message_size=200, large_bodies=bodies, retention=60)

    queue.send_batch([LARGE, "small"])
    queue.purge()
    assert files(folder) == []

    queue.send(LARGE)
    queue.receive()[0].reject("no such order")
    assert files(folder) == []

    queue.send(LARGE)
    clock.advance(59.999)
    assert files(folder) == [LARGE]
    clock.advance(0.001)
    assert files(folder) == []


def test_a_deleted_queue_takes_its_bodies_along(broker: Broker, bodies: LargeBodies, folder: Path) -> None:
    queue = broker.queue("orders", max_message_size=200, large_bodies=bodies)
    queue.send_batch([LARGE, Entry(LARGE, delay=60)])
    queue.receive()

    broker.delete(queue)

    assert files(folder) == []


def test_a_dead_letter_queue_reads_and_removes_what_it_never_put(
    orders: Queue, dead: Queue, folder: Path, clock: VirtualClock
) -> None:
    orders.send(LARGE)
    for _ in range(2):
        with pytest.raises(ValueError, match="no"), orders.receive()[0]:
            raise ValueError("no")
    assert orders.receive() == []
    assert files(folder) == [LARGE]

    [letter] = dead.receive()
    assert (letter.text, letter.source) == (LARGE, orders)
    letter.ack()

    assert files(folder) == []


def test_a_redriven_message_brings_its_body_back(orders: Queue, dead: Queue, folder: Path) -> None:
    orders.send(LARGE)
    orders.receive()[0].reject("not yet")

    assert dead.redrive(where=lambda letter: "large" in letter.text).moved == 1

    [message] = orders.receive()
    assert message.text == LARGE
    message.ack()
    assert files(folder) == []


def test_a_move_that_is_refused_keeps_the_body(orders: Queue, dead: Queue, folder: Path, clock: VirtualClock) -> None:
    dead.close()
    orders.send(LARGE)
    orders.receive()[0].reject("no such order")
    assert files(folder) == [LARGE]

    clock.advance(30)

    assert orders.receive()[0].text == LARGE


def test_observers_see_the_pointer_and_the_books_balance(broker: Broker, orders: Queue, ledger: Ledger) -> None:
    orders.send(LARGE)
    with orders.receive()[0]:
        pass

    assert [change.cause for change in ledger.changes if change.id] == ["sent", "received", "deleted"]
    assert isinstance(ledger.changes[-1].text, Pointer)
    assert '"bytes": 314' in ledger.changes[-1].text


# -- sends that fail -------------------------------------------------------------------------------------------


def test_a_send_to_a_closed_queue_leaves_no_body(orders: Queue, folder: Path) -> None:
    orders.close()

    with pytest.raises(QueueClosed):
        orders.send(LARGE)
    with pytest.raises(QueueClosed):
        orders.send_batch([LARGE, LARGE])

    assert files(folder) == []


def test_a_batch_that_is_wrong_leaves_no_body(orders: Queue, folder: Path) -> None:
    with pytest.raises(InvalidBatch):
        orders.send_batch([LARGE, b"bytes", LARGE])

    assert files(folder) == []


def test_a_store_that_fails_fails_the_send_and_nothing_is_left(clock: VirtualClock) -> None:
    store = DictStore()
    store.broken = OSError("disk full")
    queue = Queue("orders", large_bodies=LargeBodies(store, threshold=0), clock=clock)

    with pytest.raises(OSError, match="disk full"):
        queue.send_batch(["a", "b", "c"])

    assert (queue.stats().visible, store.texts) == (0, {})


def test_a_write_that_fails_leaves_no_part_of_a_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = FolderStore(folder)

    def full(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", full)

    with pytest.raises(OSError, match="disk full"):
        store.put("0" * 32, LARGE)

    assert list(folder.iterdir()) == []


# An interrupt right after an open() leaves the closing to the garbage collector, which says so.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("what", ["send", "send_batch", "receive", "ack", "reject", "purge"])
def test_an_interrupt_at_any_point_loses_no_body(tmp_path: Path, what: str) -> None:
    at = 0
    while True:
        at += 1
        folder = tmp_path / str(at)
        clock = VirtualClock()
        dead = Queue("dead", clock=clock)
        bodies = LargeBodies(folder)
        queue = Queue("orders", max_message_size=200, large_bodies=bodies, dead_letter=dead, clock=clock)
        held: list[Message] = []
        if what not in ("send", "send_batch"):
            queue.send_batch([LARGE, LARGE + "2"])
            held = [] if what == "receive" else queue.receive()
        operations = {
            "send": lambda queue=queue: queue.send(LARGE),
            "send_batch": lambda queue=queue: queue.send_batch([LARGE, LARGE + "2"]),
            "receive": lambda queue=queue: queue.receive(max_messages=2),
            "ack": lambda held=held: held[0].ack(),
            "reject": lambda held=held: held[0].reject("no"),
            "purge": lambda queue=queue: queue.purge(),
        }

        tracer = Tracer(at, interrupt)
        with suppress(KeyboardInterrupt):
            tracer.run(operations[what])
        clock.advance(43_200)
        queue.stats(), dead.stats()
        live = [letter.text for one in (queue, dead) for letter in one.peek()]

        missing = [text for text in live if text not in files(folder)]
        assert missing == [], tracer.where
        if what not in ("send", "send_batch"):  # these may leave one for the sweep
            assert len(files(folder)) == len(live), tracer.where
        if not tracer.fired:
            break
        shutil.rmtree(folder)
    assert at > 10


# -- a store that has lost a body ------------------------------------------------------------------------------


def test_a_body_that_is_missing_makes_a_dead_letter_that_says_so(orders: Queue, dead: Queue, folder: Path) -> None:
    sent = orders.send(LARGE)
    shutil.rmtree(folder)

    assert orders.receive() == []

    [letter] = dead.receive()
    assert letter.id == sent.id
    assert letter.failure is not None
    assert letter.failure.error == "BodyMissing"
    with pytest.raises(BodyMissing, match="a body of 314 bytes in queue 'dead' is not in its store"):
        letter.json()
    letter.ack()


def test_without_a_dead_letter_queue_reading_a_missing_body_is_the_error(
    broker: Broker, bodies: LargeBodies, folder: Path
) -> None:
    queue = broker.queue("orders", max_message_size=200, large_bodies=bodies)
    queue.send_batch([LARGE, "small"])
    shutil.rmtree(folder)

    broken, small = queue.receive(max_messages=2)

    for read in (lambda: broken.text, lambda: broken.body, broken.json):
        with pytest.raises(BodyMissing) as caught:
            read()
    assert (caught.value.size, caught.value.key in str(broken)) == (314, True)
    assert small.text == "small"
    broken.reject("its body is gone")
    small.ack()


def test_a_store_that_fails_for_a_while_costs_a_receive_and_no_message(clock: VirtualClock) -> None:
    store = DictStore()
    dead = Queue("dead", clock=clock)
    queue = Queue("orders", large_bodies=LargeBodies(store, threshold=0), dead_letter=dead, clock=clock)
    queue.send("x")
    store.broken = OSError("network down")

    [message] = queue.receive()
    with pytest.raises(OSError, match="network down"):
        assert message.text
    store.broken = None

    assert message.text == "x"
    assert dead.stats().visible == 0


@pytest.mark.parametrize("most", [1, 2])
def test_an_interrupt_while_bodies_are_fetched_gives_the_messages_back(clock: VirtualClock, most: int) -> None:
    class Slow(DictStore):
        interrupted = False

        def get(self, key: str) -> str:
            if not self.interrupted:
                self.interrupted = True
                raise KeyboardInterrupt
            return super().get(key)

    queue = Queue("orders", large_bodies=LargeBodies(Slow(), threshold=0), clock=clock)
    queue.send_batch(["x", "y"])

    with pytest.raises(KeyboardInterrupt):
        queue.receive(max_messages=most)

    assert sorted((again.text, again.receive_count) for again in queue.receive(max_messages=2)) == [("x", 1), ("y", 1)]


def test_a_body_that_cannot_be_removed_is_logged_and_its_message_is_gone(
    clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    class Stubborn(DictStore):
        def delete(self, key: str) -> None:
            raise OSError("read-only")

    queue = Queue("orders", large_bodies=LargeBodies(Stubborn(), threshold=0), clock=clock)
    queue.send("x")

    with caplog.at_level(logging.ERROR, "decouple"):
        queue.receive()[0].ack()

    assert "read-only" in caplog.text
    assert "the keeper of the large bodies of 'orders'" in caplog.text
    assert queue.stats().deleted == 1


# -- the folder ------------------------------------------------------------------------------------------------


def test_sweep_removes_what_no_message_here_has_and_nothing_else(orders: Queue, folder: Path) -> None:
    """A process that died leaves its bodies behind; its memory queues are gone."""
    orders.send(LARGE)
    former = LargeBodies(folder)
    for text in ("left behind", "half wr"):
        pointer = former.pointer(text)
        pointer.put()
    os.rename(folder / f"{pointer.key}.txt", folder / f"{pointer.key}.part")
    (folder / "notes.txt").write_text("mine")
    current = orders.settings["large_bodies"]

    assert current.sweep(older_than=3600) == 0
    assert current.sweep(older_than=0) == 2

    assert files(folder) == [LARGE, "mine"]


def test_a_store_that_cannot_list_cannot_be_swept() -> None:
    with pytest.raises(TypeError, match=r"has no sweep\(seconds, keep\)"):
        LargeBodies(DictStore()).sweep(older_than=0)


def test_what_was_removed_is_not_remembered(orders: Queue, bodies: LargeBodies) -> None:
    orders.send(LARGE)
    assert len(bodies.here) == 1

    orders.receive()[0].ack()

    assert bodies.here == set()


def test_files_are_for_their_owner_only(orders: Queue, folder: Path) -> None:
    orders.send(LARGE)

    [path] = folder.iterdir()

    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"store": 7}, TypeError, "store must be a folder's path, or have put, get and delete, not 7"),
        ({"threshold": -1}, ValueError, "threshold must be at least 0, not -1"),
        ({"threshold": True}, TypeError, "threshold must be an int or None, not True"),
    ],
)
def test_wrong_arguments_are_refused(arguments: dict[str, Any], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        LargeBodies(**{"store": DictStore(), **arguments})


def test_the_setting_must_be_large_bodies_and_can_be_changed(queue: Queue, bodies: LargeBodies, folder: Path) -> None:
    with pytest.raises(TypeError, match=r"large_bodies must be LargeBodies\(folder\) or None, not 'folder'"):
        queue.configure(large_bodies="folder")  # type: ignore[typeddict-item]

    queue.configure(large_bodies=bodies, max_message_size=200)
    queue.send(LARGE)
    queue.configure(large_bodies=None)

    with pytest.raises(MessageTooLarge):
        queue.send(LARGE)
    assert queue.receive()[0].text == LARGE
    assert repr(bodies) == f"LargeBodies(FolderStore({str(folder)!r}))"


def test_a_queue_with_large_bodies_is_let_go_like_any_other(clock: VirtualClock, folder: Path) -> None:
    import weakref

    queue = Queue("orders", max_message_size=200, large_bodies=LargeBodies(folder), clock=clock)
    queue.send(LARGE)
    reference = weakref.ref(queue)

    del queue
    gc.collect()

    assert reference() is None


# -- anything, in any order ------------------------------------------------------------------------------------

NUMBERS = st.integers(min_value=0, max_value=1000)
SIZES = st.sampled_from([1, 50, 99, 100, 101, 150, 300])


class BodiesMachine(RuleBasedStateMachine):
    """Every verb on two queues: the files in the folder are the bodies of the large messages that live, and no others."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.clock = VirtualClock()
        self.dead: Queue = Queue("dead", clock=self.clock, retention=900)
        self.bodies = LargeBodies(self.folder)
        self.queue: Queue = Queue(
            "work",
            max_message_size=200,
            large_bodies=self.bodies,
            dead_letter=self.dead,
            max_receives=2,
            retention=600,
        )
        self.texts: list[str] = []
        self.held: list[Message] = []

    def teardown(self) -> None:
        shutil.rmtree(self.folder)

    def body(self, size: int) -> str:
        self.texts.append(f"{len(self.texts)}:" + "é" * size)
        return self.texts[-1]

    def a_message(self, number: int) -> Message | None:
        return self.held[number % len(self.held)] if self.held else None

    @rule(size=SIZES, delay=st.sampled_from([None, 0, 5]))
    def send(self, size: int, delay: int | None) -> None:
        self.queue.send(self.body(size), delay=delay)

    @rule(sizes=st.lists(SIZES, max_size=4), wrong=st.booleans())
    def send_batch(self, sizes: list[int], wrong: bool) -> None:
        entries: list[Any] = [self.body(size) for size in sizes]
        with suppress(InvalidBatch):
            self.queue.send_batch([*entries, b"bytes"] if wrong else entries)

    @rule(most=st.integers(1, 4), from_dead=st.booleans(), timeout=st.sampled_from([None, 0, 5, 400]))
    def receive(self, most: int, from_dead: bool, timeout: int | None) -> None:
        messages = (self.dead if from_dead else self.queue).receive(max_messages=most, visibility_timeout=timeout)
        for message in messages:
            assert message.text == self.texts[int(message.text.partition(":")[0])]
        self.held += messages

    @rule(number=NUMBERS, by_receipt=st.booleans())
    def delete(self, number: int, by_receipt: bool) -> None:
        if (message := self.a_message(number)) is not None:
            message.owner.delete(message.receipt if by_receipt else message)

    @rule(number=NUMBERS, delay=st.sampled_from([0, 5, 60]))
    def nack(self, number: int, delay: int) -> None:
        if (message := self.a_message(number)) is not None:
            with suppress(NotInFlight, VisibilityTooLong):
                message.nack(delay)

    @rule(number=NUMBERS)
    def reject(self, number: int) -> None:
        if (message := self.a_message(number)) is not None:
            with suppress(NotInFlight):
                message.reject("no")

    @rule(to_queue=st.booleans())
    def redrive(self, to_queue: bool) -> None:
        self.dead.redrive(self.queue if to_queue else None)

    @rule(seconds=st.sampled_from([1, 5, 30, 200, 600]))
    def time_passes(self, seconds: int) -> None:
        self.clock.advance(seconds)

    @rule(dead=st.booleans())
    def purge(self, dead: bool) -> None:
        (self.dead if dead else self.queue).purge()

    @rule(on=st.booleans())
    def configure(self, on: bool) -> None:
        self.queue.configure(large_bodies=self.bodies if on else None, max_message_size=200 if on else 1_048_576)

    @invariant()
    def the_files_are_the_bodies_that_live(self) -> None:
        live: list[str] = []
        for queue in (self.queue, self.dead):
            queue.check()
            core = queue._core
            records = [*core.fresh, *(one.record for _, place in core.places() for one in place.values())]
            assert not core.moving
            live += [record[0].key for record in records if isinstance(record[0], Pointer)]

        assert sorted(path.name for path in self.folder.iterdir()) == sorted(f"{key}.txt" for key in live)
        assert self.bodies.here == set(live)


def test_the_files_are_exactly_the_bodies_of_the_large_messages_that_live() -> None:
    run_state_machine_as_test(
        BodiesMachine,
        settings=settings(
            max_examples=60, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )


def test_threads_lose_no_body_and_leave_none(folder: Path) -> None:
    dead = Queue("dead")
    queue = Queue("orders", max_message_size=200, large_bodies=LargeBodies(folder), dead_letter=dead)
    texts = [f"{number}:" + "é" * (50 + number) for number in range(100)]
    done: list[str] = []
    all_done = threading.Event()

    def send(numbers: range) -> None:
        for number in numbers:
            queue.send(texts[number])

    def consume(source: Queue) -> None:
        for message in source.messages(wait=20):
            if source is queue and len(message.text) % 3 == 0:
                message.reject("for the dead")
                continue
            message.ack()
            done.append(message.text)
            if len(done) == 100:
                all_done.set()

    consumers = [threading.Thread(target=consume, args=(one,)) for one in (queue, queue, dead)]
    senders = [threading.Thread(target=send, args=(range(start, 100, 2),)) for start in range(2)]
    for thread in (*consumers, *senders):
        thread.start()
    assert all_done.wait(30)
    for one in (queue, dead):
        one.close()
    for thread in (*consumers, *senders):
        thread.join(30)

    assert sorted(done) == sorted(texts)
    assert files(folder) == []
