"""Several processes on one database: each message is one's while it is leased, and nobody's death loses anything."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from decouple import Broker, Entry, Queue, QueueClosed, VirtualClock

Start = Callable[[str], "subprocess.Popen[str]"]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "jobs.db"


@pytest.fixture
def broker(path: Path) -> Iterator[Broker]:
    with Broker(f"sqlite:///{path}") as broker:
        yield broker


@pytest.fixture
def start(path: Path) -> Iterator[Start]:
    """Runs a program in another process, with `broker` on the same file."""
    started: list[subprocess.Popen[str]] = []

    def run(program: str) -> subprocess.Popen[str]:
        head = f"import os, sys, time\nfrom decouple import Broker\nbroker = Broker('sqlite:///{path}')\n"
        process = subprocess.Popen(
            [sys.executable, "-c", head + program], stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True
        )
        started.append(process)
        return process

    yield run
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=10)


WORK = """
queue = broker.queue({name!r})
print("ready", flush=True)
sys.stdin.readline()
while batch := queue.receive(max_messages=3, wait=0.3):
    for message in batch:
        print(message.id, message.text, message.receive_count, flush=True)
        message.ack()
"""


def test_two_processes_handle_each_message_once(broker, start) -> None:
    queue = broker.queue("jobs")
    sent = {one.id for one in queue.send_batch([str(n) for n in range(200)])}
    workers = [start(WORK.format(name="jobs")) for _ in range(2)]
    for worker in workers:
        assert worker.stdout.readline() == "ready\n"

    for worker in workers:
        worker.stdin.write("go\n")
        worker.stdin.flush()
    outputs = [worker.communicate(timeout=30)[0] for worker in workers]

    lines = [line.split() for output in outputs for line in output.splitlines()]
    assert sorted(line[0] for line in lines) == sorted(sent)
    assert {line[2] for line in lines} == {"1"}
    assert broker.check()["deleted"] == 200


def test_a_fifo_queue_keeps_each_groups_order_among_processes(broker, start) -> None:
    queue = broker.queue("jobs.fifo", content_based_deduplication=True)
    queue.send_batch([Entry(f"{group}-{n}", group=group) for n in range(30) for group in "abcd"])
    workers = [start(WORK.format(name="jobs.fifo")) for _ in range(2)]

    for worker in workers:
        worker.stdin.write("go\n")
        worker.stdin.flush()
    outputs = [worker.communicate(timeout=30)[0] for worker in workers]

    texts = [line.split()[1] for output in outputs for line in output.splitlines() if line != "ready"]
    assert len(texts) == 120
    for output in outputs:
        mine = [line.split()[1] for line in output.splitlines() if line != "ready"]
        for group in "abcd":
            numbers = [int(text[2:]) for text in mine if text[0] == group]
            assert numbers == sorted(numbers)
    assert broker.check()["deleted"] == 120


def test_what_a_killed_process_had_comes_again_with_its_count(broker, start) -> None:
    queue = broker.queue("jobs", visibility_timeout=0.3)
    queue.send_batch(["a", "b", "c"])
    worker = start(
        "queue = broker.queue('jobs')\nqueue.receive(max_messages=2)\nqueue.send('d')\n"
        "print('ready', flush=True)\nsys.stdin.readline()\n"
    )
    worker.stdout.readline()
    worker.send_signal(signal.SIGKILL)
    worker.wait(10)

    found: dict[str, int] = {}
    while len(found) < 4:
        for message in queue.receive(max_messages=10, wait=5):
            found[message.text] = message.receive_count
            message.ack()

    assert found == {"a": 2, "b": 2, "c": 1, "d": 1}
    assert broker.check()["accepted"] == 4


def test_a_process_killed_in_its_transaction_has_sent_nothing(broker, start) -> None:
    queue = broker.queue("jobs")
    worker = start(
        "with broker._engine.shelf.together():\n    broker.queue('jobs').send('x')\n"
        "    print('ready', flush=True)\n    sys.stdin.readline()\n"
    )
    worker.stdout.readline()
    worker.kill()
    worker.wait(10)

    assert queue.stats().visible == 0
    assert queue.send("y").id
    assert broker.check()["accepted"] == 1


def test_one_that_waits_is_woken_by_another_process(broker, start) -> None:
    queue = broker.queue("jobs")
    answers: list[Any] = []
    threads = [threading.Thread(target=lambda: answers.append(queue.receive(wait=20)), daemon=True) for _ in range(2)]
    for thread in threads:
        thread.start()
    while queue.stats().parked < 2:
        time.sleep(0.001)

    start("broker.queue('jobs').send_batch(['x', 'y'])").wait(20)
    for thread in threads:
        thread.join(10)

    assert sorted(batch[0].text for batch in answers) == ["x", "y"]


def test_a_task_and_a_consumer_are_woken_by_another_process(broker, start) -> None:
    queue, handled, came = broker.queue("jobs"), [], threading.Event()

    def handle(message: Any) -> None:
        handled.append(message.text)
        came.set()

    broker.queue("other").consume(handle)

    async def main() -> Any:
        task = asyncio.create_task(queue.aio.receive(wait=20))
        await asyncio.sleep(0)
        process = start("broker.queue('jobs').send('x')\nbroker.queue('other').send('y')")
        batch = await task
        await asyncio.to_thread(process.wait, 20)
        return batch

    [message] = asyncio.run(main())
    assert message.text == "x"
    assert came.wait(20)
    assert handled == ["y"]


def test_the_watcher_ends_when_nobody_waits(broker) -> None:
    queue = broker.queue("jobs")
    queue.receive(wait=0.01)
    watcher = broker._engine._watcher._thread
    assert watcher is not None

    watcher.join(10)

    assert not watcher.is_alive()


# -- what processes know of each other -------------------------------------------------------------------------------


def pair(path: Path) -> tuple[Broker, Broker]:
    clock = VirtualClock()
    return Broker(f"sqlite:///{path}", clock=clock), Broker(f"sqlite:///{path}", clock=clock)


def test_a_queue_declared_beside_is_there_with_its_settings(path) -> None:
    one, two = pair(path)
    one.queue("jobs", visibility_timeout=7, dead_letter=one.queue("dead"), max_receives=1)

    assert sorted(two.queues) == ["dead", "jobs"]
    assert two.queues["jobs"].dead_letter is two.queues["dead"]
    assert two.queue("jobs", visibility_timeout=7) is two.queues["jobs"]


def test_settings_changed_beside_hold_for_the_next_operation(path) -> None:
    one, two = pair(path)
    here, there = one.queue("jobs", visibility_timeout=30), two.queue("jobs")
    there.send("x")

    here.configure(visibility_timeout=5, dead_letter=one.queue("dead"), max_receives=1)
    there.receive()
    one.clock.advance(5)

    assert there.receive() == []
    assert there.settings["visibility_timeout"] == 5
    assert two.queues["jobs"].dead_letter is two.queues["dead"]


def test_a_queue_deleted_beside_is_closed(path) -> None:
    one, two = pair(path)
    here, there = one.queue("jobs"), two.queue("jobs")
    there.send("x")
    [message] = there.receive()

    one.delete(here)

    with pytest.raises(QueueClosed):
        there.send("y")
    with pytest.raises(QueueClosed):
        there.receive()
    message.ack()
    assert list(two.queues) == []
    assert two.queue("jobs").stats().visible == 0
    assert two.queue("jobs") is not there


def test_one_that_waits_on_a_virtual_clock_is_served_by_another_broker(path) -> None:
    one, two = pair(path)
    here, there = one.queue("jobs"), two.queue("jobs")
    answers: list[Any] = []
    thread = threading.Thread(target=lambda: answers.append(here.receive(wait=20, patience=10)), daemon=True)
    thread.start()
    while not here.stats().parked:
        time.sleep(0.001)

    there.send("x", delay=5)
    one.clock.advance(5)
    thread.join(10)

    assert [message.text for message in answers[0]] == ["x"]


def test_a_child_process_has_a_connection_of_its_own(broker) -> None:
    """SQLite forbids to carry a connection through a fork."""
    queue = broker.queue("jobs")
    queue.send("parent")
    child = os.fork()
    if not child:
        try:
            queue.send("child")
            broker._engine.shelf.put("kind", "child", 1)
            os._exit(0)
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)

    assert status == 0
    assert [message.text for message in queue.receive(max_messages=10)] == ["parent", "child"]
    assert broker._engine.shelf.adopt("kind") == {"child": 1}


# -- the shelf -------------------------------------------------------------------------------------------------------


def test_what_a_living_process_has_is_not_adopted(path) -> None:
    one, two = pair(path)
    one._engine.shelf.put("work", "a", {"n": 1})

    assert two._engine.shelf.adopt("work") == {}
    assert two._engine.shelf.items("work") == {"a": {"n": 1}}


def test_what_a_killed_process_had_is_adopted_once(broker, start, path) -> None:
    worker = start(
        "shelf = broker._engine.shelf\nfor key in 'abc':\n    shelf.put('work', key, {'key': key})\n"
        "print('ready', flush=True)\nsys.stdin.readline()\n"
    )
    worker.stdout.readline()
    shelf = broker._engine.shelf
    assert shelf.adopt("work") == {}
    worker.kill()
    worker.wait(10)

    adopted = shelf.adopt("work")

    assert list(adopted) == ["a", "b", "c"]
    with Broker(f"sqlite:///{path}") as other:
        assert other._engine.shelf.adopt("work") == {}
    assert shelf.adopt("work") == {}


def test_a_swap_is_one_step(path) -> None:
    one, two = (broker._engine.shelf for broker in pair(path))

    assert one.swap("lease", "x", None, "one")
    assert not two.swap("lease", "x", None, "two")
    assert two.swap("lease", "x", "one", "two")
    assert one.get("lease", "x") == "two"


def test_the_revision_tells_what_others_did(path) -> None:
    one, two = (broker._engine.shelf for broker in pair(path))
    before = one.revision

    one.put("a", "b", 1)
    assert one.revision == before
    two.put("a", "c", 2)
    assert one.revision != before
    before = one.revision
    two.drop("a", "nothing")
    assert one.revision == before
    two.drop("a", "b")
    assert one.revision != before


def test_items_come_in_the_order_in_which_they_were_put_first(path) -> None:
    one, two = (broker._engine.shelf for broker in pair(path))
    for shelf, key in ((one, "c"), (two, "a"), (one, "b"), (two, "c")):
        shelf.put("kind", key, key)

    assert list(one.items("kind")) == ["c", "a", "b"]


# -- how it looks for messages ---------------------------------------------------------------------------------------


def test_no_search_goes_through_the_queue(broker, path) -> None:
    from decouple.engines import fifo_table, standard_table, table

    texts = [
        standard_table.NEXT, standard_table.LEASE, fifo_table.LINE, fifo_table.HEAD, fifo_table.NEXT_GROUP,
        "DELETE FROM messages WHERE id = ?",
        "SELECT visible_at FROM messages WHERE queue = ? AND visible_at > ? AND state IN (0, 2) ORDER BY visible_at LIMIT 1",
        "SELECT min(sent_at) FROM messages WHERE queue = ? AND brought > 0",
        "SELECT seq FROM seen WHERE queue = ? AND key = ? AND at > ?",
        table.HERE,
    ]  # fmt: skip
    connection = sqlite3.connect(path)
    for text in texts:
        plan = " ".join(
            row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {text}", (1,) * text.count("?")).fetchall()
        )
        assert "SEARCH" in plan, text
        assert "SCAN" not in plan, (text, plan)
        assert "ORDER BY" not in plan, (text, plan)
    connection.close()


def test_a_queue_is_the_same_object_kind(broker) -> None:
    assert isinstance(broker.queue("jobs"), Queue)
