"""W6, W7: how long a message takes to whoever waits for it, and how threads get on with each other."""

import asyncio
import math
import queue as stdlib
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

from common import Figures, new_queue
from floor import Floor
from measure import median, percentile, ratio, settle_memory


class Subject(NamedTuple):
    """A queue as W6 and W7 use it: `take(wait)` answers a handle or None."""

    send: Callable[[str], object]
    take: Callable[[float], Any]
    text: Callable[[Any], str]
    ack: Callable[[Any], object]


def subjects(lease: float = 60) -> dict[str, Subject]:
    ours, floor, locked, simple = new_queue(lease), Floor(lease), stdlib.Queue(), stdlib.SimpleQueue()

    def same(handle: str) -> str:
        return handle

    def take(wait: float) -> Any:
        got = ours.receive(wait=wait)
        return got[0] if got else None

    return {
        "decouple": Subject(ours.send, take, lambda message: message.text, lambda message: message.ack()),
        "FLOOR": Subject(floor.send, floor.receive, lambda message: message.body, floor.ack),
        "Queue": Subject(locked.put, lambda wait: locked.get(True, wait), same, same),
        "Simple": Subject(simple.put, lambda wait: simple.get(True, wait), same, same),
    }


def thread_waits(subject: Subject, count: int, gap: float = 0.0005) -> list[float]:
    """Microseconds from each send to the waiting thread's having it."""
    waits: list[float] = []

    def consume() -> None:
        for _ in range(count):
            handle = subject.take(5)
            waits.append((time.perf_counter_ns() - int(subject.text(handle))) / 1e3)
            subject.ack(handle)

    consumer = threading.Thread(target=consume)
    consumer.start()
    for sent in range(count):
        time.sleep(gap)
        subject.send(str(time.perf_counter_ns()))
        while len(waits) <= sent and consumer.is_alive():
            time.sleep(gap / 4)
    consumer.join()
    return waits


async def task_waits(
    send: Callable[[str], Any], take: Callable[[], Any], count: int, gap: float = 0.0005
) -> list[float]:
    """Microseconds from each send to the waiting task's having it."""
    waits: list[float] = []

    async def consume() -> None:
        for _ in range(count):
            text = await take()
            waits.append((time.perf_counter_ns() - int(text)) / 1e3)

    consumer = asyncio.create_task(consume())
    for sent in range(count):
        await asyncio.sleep(gap)
        await send(str(time.perf_counter_ns()))
        while len(waits) <= sent:
            await asyncio.sleep(0)
    await consumer
    return waits


def w6(full: bool) -> Figures:
    count, rounds = (300, 15) if full else (150, 5)
    all_subjects = subjects()
    ours, theirs, floor = (all_subjects[name] for name in ("decouple", "Simple", "FLOOR"))
    aio, tasks, loop = new_queue().aio, asyncio.Queue[str](), asyncio.new_event_loop()

    async def take() -> str:
        message = (await aio.receive(wait=5))[0]
        text = message.text
        message.ack()
        return text

    measures = {
        "threads": (lambda: thread_waits(ours, count), lambda: thread_waits(theirs, count)),
        "tasks": (
            lambda: loop.run_until_complete(task_waits(aio.send, take, count)),
            lambda: loop.run_until_complete(task_waits(tasks.put, tasks.get, count)),
        ),
    }
    settle_memory()
    figures: Figures = {}
    for name, (measure, control) in measures.items():
        pairs = [(measure(), control()) for _ in range(rounds)]
        for figure, share in ((f"w6.{name}", 0.5), (f"w6.{name}99", 0.99)):
            seen = [(percentile(mine, share), percentile(other, share)) for mine, other in pairs]
            value = median(mine / other for mine, other in seen)
            here = [median(side) for side in zip(*seen, strict=True)]
            figures[figure] = (value, f"{here[0]:.0f} us, control {here[1]:.0f} us")
    lean = [median(thread_waits(floor, count)) / median(thread_waits(theirs, count)) for _ in range(rounds)]
    value, note = figures["w6.threads"]
    figures["w6.threads"] = (value, f"{note}; FLOOR {median(lean):.2f}")
    loop.close()
    return figures


def through(subject: Subject, producers: int, consumers: int, count: int) -> tuple[float, int]:
    """Nanoseconds a message from so many threads to so many, and how many messages were lost or doubled."""
    shares = [[f"{producer}:{number}" for number in range(count // producers)] for producer in range(producers)]
    taken: list[list[str]] = [[] for _ in range(consumers)]
    start = threading.Barrier(producers + consumers + 1)

    def produce(texts: list[str]) -> None:
        start.wait()
        for text in texts:
            subject.send(text)

    def consume(mine: list[str]) -> None:
        take, text_of, ack = subject[1:]
        start.wait()
        while True:
            if (handle := take(20)) is not None:
                text = text_of(handle)
                ack(handle)
                if text == "stop":
                    return
                mine.append(text)

    senders = [threading.Thread(target=produce, args=(share,)) for share in shares]
    takers = [threading.Thread(target=consume, args=(mine,)) for mine in taken]
    for thread in senders + takers:
        thread.start()
    start.wait()
    began = time.perf_counter_ns()
    for thread in senders:
        thread.join()
    for _ in takers:
        subject.send("stop")
    for thread in takers:
        thread.join()
    took = time.perf_counter_ns() - began
    sent, got = Counter(text for share in shares for text in share), Counter(text for mine in taken for text in mine)
    return took / sent.total(), (sent - got).total() + (got - sent).total()


def w7(full: bool) -> Figures:
    sizes, count, rounds = ((1, 2, 4, 8), 32_000, 5) if full else ((1, 4), 16_000, 3)
    compared = {name: subject for name, subject in subjects().items() if name != "Simple"}
    cells: dict[str, list[float]] = {"FLOOR": [], "Queue": []}
    wrong, own = 0, []
    settle_memory()
    for producers in sizes:
        for consumers in sizes:
            times: dict[str, list[float]] = {name: [] for name in compared}
            for _ in range(rounds):
                for name, subject in compared.items():
                    took, faults = through(subject, producers, consumers, count)
                    times[name].append(took)
                    wrong += faults if name == "decouple" else 0
            own.append(median(times["decouple"]))
            for control, ratios in cells.items():
                ratios.append(ratio(times, control))
    means = {control: math.exp(sum(map(math.log, ratios)) / len(ratios)) for control, ratios in cells.items()}
    spread = f"cells {min(cells['FLOOR']):.2f} to {max(cells['FLOOR']):.2f}"
    return {
        "w7.floor": (means["FLOOR"], f"{len(own)} cells, geometric mean; {spread}"),
        "w7.queue": (means["Queue"], f"{median(own) / 1e3:.1f} us a message here"),
        "w7.lost": (wrong, f"of {count * rounds * len(own):,}"),
    }
