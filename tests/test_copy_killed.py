"""`decouple copy` between engines on the disk, killed again and again: each message is in one of the two, as it was."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from decouple import Broker

ROOT = Path(__file__).parent.parent
ORDERS, LINES = 600, 300
# The command, with batches that are small enough to be killed in; it writes a line before each.
COPY = """\
import sys
import decouple.copying.copier as copier
from decouple.cli import main

class Passage(copier.Passage):
    def bring(self, numbers):
        print("next", flush=True)
        return super().bring(numbers)

copier.BATCH, copier.Passage = 20, Passage
main(["copy", *sys.argv[1:]])
"""


def fill(url: str) -> dict[str, tuple[Any, ...]]:
    """A broker's worth of messages in all states, and what there is to know of each, by id."""
    with Broker(url) as broker:
        dead = broker.queue("dead")
        orders = broker.queue("orders", visibility_timeout=3_600, dead_letter=dead, max_receives=3)
        ledger = broker.queue("ledger.fifo", visibility_timeout=3_600)
        orders.send_batch([f"order {number}" for number in range(ORDERS)])
        orders.send("later", delay=900, attributes={"n": 7})
        for number in range(LINES):
            ledger.send(f"line {number}", group=f"g{number % 3}", deduplication_id=f"d{number}")
        for message in orders.receive(max_messages=30):
            message.nack(0) if message.text.endswith("0") else None
        orders.receive()[0].reject("no stock")
        ledger.receive(max_messages=5)
        return everything(broker)


def everything(broker: Broker) -> dict[str, tuple[Any, ...]]:
    """What is known of each message, by id: where it stands, and until when."""
    found: dict[str, tuple[Any, ...]] = {}
    for name, queue in broker.queues.items():
        with queue._lock:
            core, now = queue._core, queue._now()
            standing = core.as_they_stand(now, core.all_numbers(now))
        for one in standing:
            assert one.id not in found
            until = None if one.place == "visible" else round((one.due + queue.clock.epoch) / 1e9)
            source = one.details.source and one.details.source.name
            told = (one.details.group, one.details.deduplication_id, one.details.failure, source)
            found[one.id] = (name, one.text, one.place, until, one.received, *told)
    return found


WAYS = {
    "journal to journal": ("file://{}/a", "file://{}/b"),
    "journal to database": ("file://{}/a", "sqlite:///{}/b.db"),
    "database to journal": ("sqlite:///{}/a.db", "file://{}/b"),
}


@pytest.mark.parametrize(("before", "after"), WAYS.values(), ids=WAYS)
def test_a_copy_that_is_killed_again_and_again_takes_each_message_once(tmp_path: Path, before: str, after: str) -> None:
    source, target = before.format(tmp_path), after.format(tmp_path)
    sent = fill(source)
    chance = random.Random(before + after)

    for batch in (4, 11):
        process = subprocess.Popen(
            [sys.executable, "-c", COPY, source, target], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        try:
            assert process.stdout is not None
            for _ in range(batch):
                assert process.stdout.readline()
            time.sleep(chance.uniform(0, 0.01))
        finally:
            process.kill()
            process.communicate()
    done = subprocess.run(
        [sys.executable, "-c", COPY, source, target], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.count("next") > 2
    old, new = Broker(source), Broker(target)
    try:
        assert everything(new) == sent
        assert everything(old) == {}
        lines = [message.text for message in new.queues["ledger.fifo"].peek(LINES) if message.group == "g1"]
        assert lines == [f"line {number}" for number in range(1, LINES, 3)][-len(lines) :]
        assert new.queues["orders"].dead_letter is new.queues["dead"]
        new.check()
        old.check()
    finally:
        old.close()
        new.close()


def test_a_source_that_another_process_has_is_refused(tmp_path: Path) -> None:
    with Broker(f"file://{tmp_path}/a") as held:
        held.queue("orders").send("one")

        done = subprocess.run(
            [sys.executable, "-c", COPY, f"file://{tmp_path}/a", f"file://{tmp_path}/b"],
            cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

        assert done.returncode == 1
        assert done.stderr.startswith("decouple: ")
        assert done.stderr.count("\n") == 1
        assert [message.text for message in held.queues["orders"].peek()] == ["one"]
