"""Blocking calls in a simulation are reported where they are made, not hung on."""

from __future__ import annotations

import asyncio
import logging
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from logging.handlers import QueueHandler
from queue import SimpleQueue
from typing import Any

import pytest

from decouple import BlockingCall, Broker
from decouple.testing import simulate


async def connected() -> None:
    await asyncio.open_connection("127.0.0.1", 9)


async def executed() -> None:
    await asyncio.create_subprocess_exec(sys.executable, "-V")


def plain(call: Callable[[], object]) -> Callable[[], Any]:
    async def main() -> None:
        await asyncio.sleep(1)
        call()

    return main


def read() -> None:
    with socket.socket() as it:
        asyncio.get_running_loop().add_reader(it, print)


CALLS: dict[str, tuple[Callable[[], Any], str]] = {
    "sleep": (plain(lambda: time.sleep(60)), r"time\.sleep\(\) would block.*await asyncio\.sleep\(seconds\)"),
    "thread": (plain(lambda: threading.Thread(target=print).start()), "a thread would block"),
    "to_thread": (lambda: asyncio.to_thread(print), "another thread"),
    "socket": (plain(lambda: socket.create_connection(("127.0.0.1", 9))), "would block"),
    "name": (plain(lambda: socket.getaddrinfo("localhost", 80)), "a look-up of a host"),
    "process": (plain(lambda: subprocess.run(["true"], check=False)), "a process would block"),
    "connection": (connected, "a socket or a pipe|a look-up"),
    "subprocess": (executed, "a process would block"),
    "reader": (plain(read), "a socket or a pipe"),
}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_blocking_call_is_refused_with_what_to_do_instead(name: str) -> None:
    main, words = CALLS[name]

    with pytest.raises(BlockingCall, match=words):
        simulate(main)


def test_the_same_calls_work_again_afterwards_and_in_other_threads_meanwhile() -> None:
    before = time.sleep, threading.Thread.start, subprocess.Popen.__init__, socket.socket.connect, socket.getaddrinfo
    slept = threading.Event()

    def elsewhere() -> None:
        time.sleep(0)
        slept.set()

    other = threading.Thread(target=lambda: (started.wait(), elsewhere()))
    started = threading.Event()
    other.start()

    async def main() -> bool:
        started.set()
        return slept.wait(10)

    assert simulate(main)
    other.join()
    after = time.sleep, threading.Thread.start, subprocess.Popen.__init__, socket.socket.connect, socket.getaddrinfo
    assert after == before
    assert "connect" not in vars(socket.socket)


def test_a_pool_whose_threads_are_there_already_is_refused_too() -> None:
    async def main() -> int:
        return await asyncio.wrap_future(pool.submit(int))

    with ThreadPoolExecutor(1) as pool:
        pool.submit(int).result()
        with pytest.raises(BlockingCall, match="work in another thread"):
            simulate(main)
        assert pool.submit(int).result() == 0


@pytest.mark.parametrize("awaits", [False, True], ids=["def", "async def"])
@pytest.mark.parametrize("how", ["consumer", "function", "trigger", "topic", "schedule"])
def test_a_handler_that_blocks_ends_the_run_instead_of_being_called_again_and_again(how: str, awaits: bool) -> None:
    def block(*_: object) -> None:
        time.sleep(1)

    async def ablock(*_: object) -> None:
        time.sleep(1)

    async def main() -> None:
        async with Broker() as broker:
            handler: Any = ablock if awaits else block
            orders, events = broker.queue("orders"), broker.topic("events")
            if how == "consumer":
                orders.consume(handler)
            elif how == "trigger":
                orders.trigger(broker.function(handler, name="run"))
            elif how == "function":
                broker.function(handler, name="run").send({})
            elif how == "topic":
                events.subscribe(handler)
            else:
                broker.schedule("rate(1 minute)", handler)
            orders.send("a")
            events.publish("a")
            await asyncio.sleep(1_000)

    with pytest.raises(BlockingCall, match=r"time\.sleep\(\) would block"):
        simulate(main)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_a_lock_that_nobody_releases_is_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("decouple.testing.guards.LONGEST_STEP", 0.5)
    lock = threading.Lock()
    lock.acquire()

    async def main() -> None:
        await asyncio.sleep(5)
        lock.acquire()

    with pytest.raises(
        BlockingCall, match=r"test_simulate_blocking\.py:\d+ \(lock\.acquire\(\)\) for 0\.5 real seconds"
    ):
        simulate(main)


@pytest.mark.slow
def test_in_another_thread_it_is_in_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("decouple.testing.guards.LONGEST_STEP", 0.5)
    lock, log = threading.Lock(), SimpleQueue[logging.LogRecord]()
    lock.acquire()
    monkeypatch.setattr(logging.getLogger("decouple"), "handlers", [QueueHandler(log)])  # type: ignore[arg-type]

    async def main() -> str:
        lock.acquire()
        return "over"

    answers: list[str] = []
    thread = threading.Thread(target=lambda: answers.append(simulate(main)))
    thread.start()
    told = log.get(timeout=20)
    lock.release()
    thread.join()

    assert "lock.acquire()" in told.getMessage()
    assert answers == ["over"]


@pytest.mark.slow
def test_a_step_that_computes_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("decouple.testing.guards.LONGEST_STEP", 0.5)

    async def main() -> str:
        until = time.monotonic() + 2
        while time.monotonic() < until:
            pass
        return "computed"

    assert simulate(main) == "computed"
