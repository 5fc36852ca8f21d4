"""Work that outlives the process, on the engines that people use: a journal, and a database."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from decouple import Broker, VirtualClock
from decouple.clock import datetime_at


class Program:
    """One process after the other over one engine, on virtual time."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.clock = VirtualClock()

    def begin(self) -> Broker:
        self.clock = VirtualClock(start=datetime_at(self.clock, self.clock.now()))
        return Broker(self.url, clock=self.clock)


@pytest.fixture(params=["file", "sqlite"])
def program(request: pytest.FixtureRequest, tmp_path: Path) -> Program:
    return Program(f"file://{tmp_path}/journal" if request.param == "file" else f"sqlite:///{tmp_path}/jobs.db")


@pytest.fixture
def seen() -> list[Any]:
    return []


def test_an_event_of_a_function_goes_on_with_its_retries(program: Program, seen: list[Any]) -> None:
    def resize(event: Any, context: Any) -> None:
        seen.append(event)
        if len(seen) == 1:
            raise ValueError("not yet")

    first = program.begin()
    first.function(resize).send({"picture": 7})
    first.run_until_idle(errors="collect")
    first.close()
    assert len(seen) == 1

    second = program.begin()
    second.function(resize)
    program.clock.advance(59)
    assert len(seen) == 1
    program.clock.advance(1)
    assert seen == [{"picture": 7}] * 2
    second.close()

    third = program.begin()
    third.function(resize)
    third.run_until_idle(budget=600)
    assert len(seen) == 2
    third.close()


def test_a_schedule_goes_on_and_what_was_missed_is_done_once(program: Program) -> None:
    first = program.begin()
    jobs = first.queue("jobs")
    first.schedule("rate(1 minute)", jobs, payload="often", name="often")
    first.schedule("at(2026-01-01T00:05:00)", jobs, payload="once")
    first.run_until_idle()
    first.close()
    program.clock.advance(600)

    second = program.begin()
    second.run_until_idle()
    program.clock.advance(60)

    bodies = sorted(message.text for message in second.queues["jobs"].receive(max_messages=10))
    assert bodies == ["often", "often", "often", "once"]
    second.close()


def test_a_key_is_remembered(program: Program) -> None:
    first = program.begin()
    first.idempotency.begin("k", "a", 10**10)
    first.idempotency.complete("k", "a", "1", 10**10)
    first.idempotency.begin("freed", "a", 10**10)
    first.idempotency.release("freed", "a")
    first.close()

    second = program.begin()
    assert second.idempotency.begin("k", "b", 10**10).result == "1"
    assert second.idempotency.begin("freed", "b", 10**10).mine
    shelf: Any = second._engine.shelf
    assert set(shelf.items("idempotency")) == {"k", "freed"}
    second.idempotency.release("freed", "b")
    assert set(shelf.items("idempotency")) == {"k"}
    second.close()


def test_a_redrive_goes_on(program: Program) -> None:
    first = program.begin()
    dead, jobs = first.queue("dead"), first.queue("jobs")
    for number in range(6):
        dead.send(f"{number}")
    dead.redrive(jobs, max_per_second=1)
    program.clock.advance(2)
    assert jobs.stats().visible == 3
    first.close()

    second = program.begin()
    dead, jobs = second.queues["dead"], second.queues["jobs"]
    dead.send("came later")
    [task] = dead.move_tasks
    assert task.remaining == 2  # one at once
    program.clock.advance(10)

    assert (task.status, jobs.stats().visible, dead.stats().visible) == ("completed", 6, 1)
    second.close()


def test_processes_that_share_a_database_do_each_instant_once(tmp_path: Path, seen: list[Any]) -> None:
    clock = VirtualClock()
    brokers = [Broker(f"sqlite:///{tmp_path}/jobs.db", clock=clock) for _ in range(2)]
    for broker in brokers:
        jobs = broker.queue("jobs")
        broker.schedule("rate(1 minute)", jobs, payload="<aws.scheduler.execution-id>", name="for-a-queue")

        def report(payload: str) -> None:
            seen.append(payload)

        broker.schedule("rate(1 minute)", report, payload="<aws.scheduler.execution-id>", name="for-a-callable")

    clock.advance(300)

    sent = [message.text for message in brokers[0].queues["jobs"].receive(max_messages=10)]
    assert len(sent) == len(set(sent)) == 6
    assert len(seen) == len(set(seen)) == 6
    for broker in brokers:
        broker.close()


def test_an_event_sent_in_a_transaction_that_is_undone_does_not_run(tmp_path: Path, seen: list[Any]) -> None:
    broker = Broker(f"sqlite:///{tmp_path}/jobs.db", clock=VirtualClock())

    def resize(event: Any, context: Any) -> None:
        seen.append(event)

    function = broker.function(resize)
    shelf: Any = broker._engine.shelf

    def undone() -> None:
        with shelf.together():
            function.send("undone")
            raise ValueError("never mind")

    with pytest.raises(ValueError, match="mind"):
        undone()
    function.send("kept")
    broker.run_until_idle()

    assert seen == ["kept"]
    assert function.stats().pending == 0
    broker.close()


def test_on_real_time_another_process_goes_on_when_one_was_killed(tmp_path: Path, seen: list[Any]) -> None:
    url = f"sqlite:///{tmp_path}/jobs.db"
    done = threading.Event()

    def resize(event: Any, context: Any) -> None:
        seen.append(event)
        done.set()

    with Broker(url) as broker:
        broker.function(resize)
        subprocess.run([sys.executable, "-c", KILLED, url], timeout=60, check=False)

        assert done.wait(20)
    assert seen == [7]


KILLED = """
import os, signal, sys
from decouple import Broker

broker = Broker(sys.argv[1])
jobs = broker.queue("jobs")

def resize(event, context):
    jobs.send("begun")
    os.kill(os.getpid(), signal.SIGKILL)

function = broker.function(resize)
function.send(7)
broker.run_until_idle()
"""


@pytest.mark.parametrize("scheme", ["file", "sqlite"])
def test_an_event_runs_again_after_a_kill_in_the_middle_of_it(scheme: str, tmp_path: Path) -> None:
    url = f"{scheme}://{tmp_path}/journal" if scheme == "file" else f"sqlite:///{tmp_path}/jobs.db"
    code = subprocess.run([sys.executable, "-c", KILLED, url], timeout=60, check=False).returncode
    assert code == -9
    seen: list[Any] = []

    def resize(event: Any, context: Any) -> None:
        seen.append(event)

    with Broker(url) as broker:
        broker.function(resize)
        broker.run_until_idle()

        assert seen == [7]
        assert [message.text for message in broker.queues["jobs"].receive()] == ["begun"]
        assert broker.run_until_idle().waiting_for == ()
