"""Serving until a signal: what ends, what may finish, what goes back, and what is reported."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import decouple
from decouple import Broker, DecoupleError, Message, Queue
from decouple.intake import Intake
from decouple.testing import VirtualClock

ROOT = str(Path(decouple.__file__).parent.parent)


@pytest.fixture
def broker() -> Iterator[Broker]:
    """A broker on real time; at the end its books must balance."""
    broker = Broker()
    yield broker
    broker.close(5)
    broker.check()


def end_soon(broker: Broker, number: signal.Signals = signal.SIGTERM) -> None:
    """Let a worker send the signal once the broker serves."""
    broker.schedule("rate(1 day)", lambda payload: os.kill(os.getpid(), number))


# -- run() -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_a_signal_and_tells_which(broker: Broker, number: signal.Signals) -> None:
    orders = broker.queue("orders")
    broker.schedule("rate(1 day)", orders, payload="tick")
    end_soon(broker, number)

    served = broker.run(timeout=10)

    assert (served.signal, served.late) == (number, ())
    assert served.stats["orders"].sent == 1
    assert 0 <= served.seconds < 10
    assert orders.closed


def test_the_handlers_of_the_signals_are_as_they_were_afterwards(broker: Broker) -> None:
    before = [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)]
    end_soon(broker)

    broker.run()

    assert [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)] == before


def test_what_is_under_way_may_finish() -> None:
    ended: list[str] = []

    closing = threading.Event()
    broker = Broker(observers=[lambda change: closing.set() if change.cause == "schedule ended" else None])

    def handle(payload: Any) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        assert closing.wait(10)
        ended.append(payload)

    broker.schedule("rate(1 day)", handle, payload="x")

    served = broker.run(timeout=10)

    assert (served.late, ended) == ((), ["x"])


def test_what_has_not_ended_by_the_deadline_is_in_the_report(broker: Broker) -> None:
    gate = threading.Event()

    def handle(payload: Any) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        gate.wait(30)

    broker.schedule("rate(1 day)", handle, name="slow")
    served = broker.run(timeout=0.01)
    gate.set()

    [late] = served.late
    assert "schedule 'slow'" in late


def test_it_ends_when_another_thread_closes_the_broker(broker: Broker) -> None:
    broker.schedule("rate(1 day)", lambda payload: broker.close())

    served = broker.run()

    assert (served.signal, served.late) == (None, ())


def test_on_a_virtual_clock_it_is_refused() -> None:
    with pytest.raises(RuntimeError, match="time stands still on a VirtualClock"):
        Broker(clock=VirtualClock()).run()


def test_outside_the_main_thread_it_is_refused(broker: Broker) -> None:
    errors: list[Exception] = []

    def run() -> None:
        try:
            broker.run()
        except RuntimeError as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()

    assert "must be called in the main thread" in str(errors[0])


def test_a_closed_broker_does_not_serve(broker: Broker) -> None:
    broker.close()
    before = signal.getsignal(signal.SIGTERM)

    with pytest.raises(DecoupleError, match="the broker is closed"):
        broker.run()

    assert signal.getsignal(signal.SIGTERM) is before


# -- what was taken --------------------------------------------------------------------------------------------------


def fill(orders: Queue, workers: Any, sizes: list[int]) -> None:
    """Intakes that have their messages and no worker yet."""
    for most in sizes:
        Intake(orders, workers, most, lambda messages: None).begin()
    orders.send_batch([str(number) for number in range(sum(sizes))])


def test_messages_taken_and_not_begun_go_back_with_their_count_as_it_was(broker: Broker) -> None:
    """design.md: at shutdown messages not yet started go back with the count restored."""
    orders = broker.queue("orders")
    fill(orders, broker._workers(), [1, 1, 1])
    assert orders.stats().in_flight == 3

    broker.close()

    stats = orders.stats()
    assert (stats.in_flight, stats.visible, stats.given_back) == (0, 3, 3)
    assert {(look.body, look.receive_count) for look in orders.peek()} == {("0", 0), ("1", 0), ("2", 0)}


def test_async_with_lets_what_is_under_way_finish_and_gives_the_rest_back() -> None:
    done: list[str] = []

    async def main() -> Queue:
        begun, stop = asyncio.Event(), asyncio.Event()
        async with Broker() as broker:
            orders = broker.queue("orders")

            async def take(messages: list[Message]) -> None:
                begun.set()
                await stop.wait()
                done.append(messages[0].text)
                messages[0].ack()
                Intake(orders, broker._workers(), 1, take, awaits=True).begin()

            Intake(orders, broker._workers(), 1, take, awaits=True).begin()
            orders.send_batch(["first", "second"])
            await begun.wait()
            asyncio.get_running_loop().call_soon(stop.set)
        return orders

    orders = asyncio.run(main())

    assert done == ["first"]
    assert [(look.body, look.receive_count) for look in orders.peek()] == [("second", 0)]
    assert orders.check()["in_flight"] == 0


# -- a process, under load -------------------------------------------------------------------------------------------

UNDER_LOAD = """
import json, random, threading, time
from decouple import Broker, DecoupleError
from decouple.intake import Intake

broker = Broker(seed=1)
orders = broker.queue("orders", visibility_timeout=300)
dead = broker.queue("dead")
accepted, handled, events = [], [], []

def produce(number):
    try:
        for turn in range(1_000_000):
            name = f"{number}-{turn}"
            orders.send(name)
            accepted.append(name)
            time.sleep(0.0005)
    except DecoupleError:
        pass

def consume():
    Intake(orders, broker._workers(), 1, take).begin()

def take(messages):
    try:
        if len(handled) % 50 == 0:
            events.append(work.send(messages[0].text))
        time.sleep(0.002)
        handled.append(messages[0].text)
        messages[0].ack()
        if len(handled) == 500:
            print("loaded", flush=True)
        consume()
    except DecoupleError:
        pass

@broker.function(dead_letter=dead)
def work(event, context):
    time.sleep(0.001)

for _ in range(64):  # twice as many as there are workers: some have messages and no worker
    consume()
threads = [threading.Thread(target=produce, args=(number,), daemon=True) for number in range(4)]
for thread in threads:
    thread.start()
served = broker.run(timeout=20)
for thread in threads:
    thread.join()
broker.check()
law = orders.check()
done = work.stats().invocations - work.stats().errors  # those broken off are errors, and dead letters
left = [(look.body, look.receive_count) for look in orders.peek(1_000_000)]
print(json.dumps({
    "signal": served.signal.name, "late": served.late, "in_flight": law["in_flight"], "accepted": len(accepted),
    "books": law["accepted"], "given_back": orders.stats().given_back, "twice": len(handled) - len(set(handled)),
    "agree": sorted(accepted) == sorted(handled + [body for body, _ in left]),
    "begun": sum(count > 0 for _, count in left), "events": len(events) == done + dead.stats().visible,
}))
"""

WORKED_OFF = """
import asyncio, json, threading, time
from decouple import Broker, DecoupleError

broker = Broker()
consumed, triggering = (broker.queue(name, visibility_timeout=300) for name in ("consumed", "triggering"))
accepted, handled = ({"consumed": [], "triggering": []} for _ in range(2))

@consumed.consume(concurrency=40)
def one(message):
    time.sleep(0.002)
    handled["consumed"].append(message.text)
    if len(handled["consumed"]) == 300:
        print("loaded", flush=True)

@broker.function(timeout=30)
async def many(event, context):
    await asyncio.sleep(0.02)
    handled["triggering"].extend(record["body"] for record in event["Records"])

def produce(queue, number):
    try:
        for turn in range(1_000_000):
            queue.send(f"{number}-{turn}")
            accepted[queue.name].append(f"{number}-{turn}")
            time.sleep(0.0005)
    except DecoupleError:
        pass

triggering.trigger(many, batch_size=10, max_concurrency=8)
queues = consumed, triggering
threads = [threading.Thread(target=produce, args=(queue, number), daemon=True) for queue in queues for number in range(3)]
for thread in threads:
    thread.start()
served = broker.run(timeout=20)
for thread in threads:
    thread.join()
broker.check()
for queue in queues:
    left = queue.peek(1_000_000)
    agree = sorted(accepted[queue.name]) == sorted(handled[queue.name] + [look.text for look in left])
    begun = sum(look.receive_count > 0 for look in left)
    print(json.dumps([agree, begun, queue.stats().in_flight, served.late]))
"""

SECOND = """
import threading
from decouple import Broker

broker = Broker(observers=[lambda change: print("ending", flush=True) if change.cause == "schedule ended" else None])

def hang(payload):
    print("begun", flush=True)
    threading.Event().wait()

broker.schedule("rate(1 day)", hang, name="hanging")
served = broker.run(timeout=600)
print(served.signal.name, len(served.late), "hanging" in served.late[0])
"""


def started(program: str) -> subprocess.Popen[str]:
    program = f"import sys; sys.path[:0] = [{ROOT!r}]\n{program}"
    return subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


@pytest.mark.slow
def test_sigterm_under_load_loses_nothing() -> None:
    with started(UNDER_LOAD) as process:
        assert line(process) == "loaded"
        process.send_signal(signal.SIGTERM)
        out, errors = process.communicate(timeout=60)

    assert (process.returncode, errors) == (0, "")
    told = json.loads(out)
    assert told.pop("accepted") == told.pop("books")
    assert told.pop("given_back") > 0
    assert told == {
        "signal": "SIGTERM",
        "late": [],
        "in_flight": 0,
        "twice": 0,
        "agree": True,
        "begun": 0,
        "events": True,
    }


@pytest.mark.slow
def test_sigterm_in_the_midst_of_consumers_and_triggers_loses_nothing() -> None:
    with started(WORKED_OFF) as process:
        assert line(process) == "loaded"
        process.send_signal(signal.SIGTERM)
        out, errors = process.communicate(timeout=60)

    assert (process.returncode, errors) == (0, "")
    assert [json.loads(one) for one in out.splitlines()] == [[True, 0, 0, []]] * 2


@pytest.mark.slow
def test_a_second_signal_ends_at_once() -> None:
    with started(SECOND) as process:
        assert line(process) == "begun"
        process.send_signal(signal.SIGTERM)
        assert line(process) == "ending"
        process.send_signal(signal.SIGTERM)
        out, errors = process.communicate(timeout=30)

    assert (process.returncode, errors) == (0, "")
    assert out.split() == ["SIGTERM", "1", "True"]
