"""Real processes and threads: one publishes and has no handler, others handle, and are killed at it."""

from __future__ import annotations

import itertools
import os
import select
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from decouple import Broker

WORKER = Path(__file__).with_name("kept_worker.py")
PATIENCE = 30.0


class Workers:
    """Processes on one database, and the one pipe they all write to."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.read, self.write = os.pipe()
        self.running: list[subprocess.Popen[bytes]] = []
        self.seen: Counter[str] = Counter()
        self._rest = b""

    def start(self) -> None:
        self.running.append(
            subprocess.Popen(
                [sys.executable, str(WORKER), self.url, str(self.write)],
                pass_fds=[self.write],
                stdin=subprocess.PIPE,
                env={**os.environ, "PYTHONPATH": str(WORKER.parent.parent)},
            )
        )

    def kill(self) -> None:
        worker = self.running.pop(0)
        worker.kill()
        worker.communicate()

    def hear(self, *wanted: str, times: int = 1) -> None:
        """Wait until each of these was written so often."""
        deadline = time.monotonic() + PATIENCE
        while any(self.seen[text] < times for text in wanted):
            left = deadline - time.monotonic()
            assert left > 0, [text for text in wanted if self.seen[text] < times]
            if select.select([self.read], [], [], left)[0]:
                *lines, self._rest = (self._rest + os.read(self.read, 65_536)).split(b"\n")
                self.seen.update(line.decode() for line in lines)

    def close(self) -> None:
        while self.running:
            self.kill()
        os.close(self.read)
        os.close(self.write)


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[Workers]:
    workers = Workers(f"sqlite:///{tmp_path}/jobs.db")
    try:
        yield workers
    finally:
        workers.close()


@pytest.mark.slow
def test_all_that_one_process_publishes_is_handled_by_others_that_are_killed_at_it(workers: Workers) -> None:
    for _ in range(2):
        workers.start()
    workers.hear("ready", times=2)
    broker = Broker(workers.url)
    events = broker.topic("events")
    [subscription] = events.subscriptions
    assert not subscription.attached

    texts = [f"m{number}" for number in range(60)]
    for number, text in enumerate(texts):
        events.publish(text)
        if number in (20, 40):
            workers.kill()
            workers.start()
    workers.hear(*texts)
    broker.close()

    twice = sum(workers.seen[text] - 1 for text in texts)
    assert twice <= 2 * subscription.terms.concurrency


@pytest.mark.slow
@pytest.mark.parametrize("url", ["sqlite:///{}/jobs.db", "file://{}/queues"])
def test_threads_that_publish_declare_and_subscribe_never_wait_for_each_other_in_a_circle(
    tmp_path: Path, url: str
) -> None:
    """Also within transactions of several steps, which hold the shelf from their begin to their end."""
    seen: Counter[str] = Counter()
    sent: list[str] = []
    numbers = itertools.count()
    broker = Broker(url.format(tmp_path))
    orders, ordered = broker.queue("orders"), broker.queue("ordered.fifo")
    events, lines = broker.topic("events"), broker.topic("lines.fifo")
    events.subscribe(lambda notification: seen.update([notification.text]))
    events.subscribe(orders)
    lines.subscribe(ordered)
    shelf: Any = broker._engine.shelf

    def publish() -> None:
        text = f"m{next(numbers)}"
        events.publish(text)
        lines.publish("x", group="g", deduplication_id=str(next(numbers)))
        sent.append(text)

    def together() -> None:
        with shelf.together():
            broker.queues["orders"].send("y")
            publish()

    def subscribe() -> None:
        made = broker.topics["events"].subscribe(broker.queue(f"q{next(numbers) % 3}"))
        made.configure(filter={"kind": ["a"]})
        made.cancel()

    def declare() -> None:
        broker.queue(f"d{next(numbers) % 9}")
        broker.topic(f"t{next(numbers) % 9}")

    def often(work: Callable[[], None]) -> None:
        for _ in range(30):
            work()

    threads = [
        threading.Thread(target=often, args=(work,), daemon=True)
        for work in (publish, publish, together, together, declare, subscribe)
    ]
    with broker:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
        assert not any(thread.is_alive() for thread in threads)
        broker.run_until_idle()
        broker.check()
    assert seen == Counter(sent)
