"""The workloads, one function each: it runs in a process of its own and answers with {figure: (value, note)}.

`full` is False under --quick: the same figures from smaller and fewer slices.
"""

import asyncio
import gc
import math
import os
import queue as stdlib
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from multiprocessing import get_context
from typing import Any, NamedTuple

from floor import Floor
from measure import cpu, median, percentile, ratio, resident, settle_memory, side_by_side

from decouple import Broker, Queue

Figures = dict[str, tuple[float, str]]
BODY = "x" * 1024
HERE = os.path.dirname(os.path.abspath(__file__))


def fresh(function: Callable[..., Any], *arguments: Any) -> Any:
    """What the function answers in a new process."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def new_queue(lease: float = 60) -> Queue[str]:
    return Queue("bench", visibility_timeout=lease, max_in_flight=100_000_000)


def bodies(start: int, stop: int) -> list[str]:
    """Distinct bodies of 100 characters."""
    return [f"{number:0100d}" for number in range(start, stop)]


def us(nanoseconds: list[float]) -> str:
    return f"{median(nanoseconds) / 1e3:.2f} us a message here"


# -- W1, W2, W8: cycles ----------------------------------------------------------------------------------------


def put_get(put: Callable[[str], object], get: Callable[[], object]) -> Callable[[int], None]:
    def run(count: int) -> None:
        for _ in repeat(None, count):
            put(BODY)
            get()

    return run


def w1(full: bool) -> Figures:
    ours, floor, locked, simple, ends = new_queue(), Floor(60.0), stdlib.Queue(), stdlib.SimpleQueue(), deque()

    def run_ours(count: int, send: Any = ours.send, receive: Any = ours.receive) -> None:
        for _ in repeat(None, count):
            send(BODY)
            receive()[0].ack()

    def run_floor(count: int, send: Any = floor.send, receive: Any = floor.receive, ack: Any = floor.ack) -> None:
        for _ in repeat(None, count):
            send(BODY)
            ack(receive())

    runs = {
        "decouple": run_ours,
        "FLOOR": run_floor,
        "Queue": put_get(locked.put, locked.get),
        "Simple": put_get(simple.put, simple.get),
        "deque": put_get(ends.append, ends.popleft),
    }
    times = side_by_side(runs, slices=41 if full else 9)
    return {
        "w1.floor": (ratio(times, "FLOOR"), us(times["decouple"])),
        "w1.queue": (ratio(times, "Queue"), ""),
        "w1.simple": (ratio(times, "Simple"), ""),
        "w1.deque": (ratio(times, "deque"), ""),
    }


def w2(full: bool) -> Figures:
    ours, floor, locked, simple = new_queue(), Floor(60.0), stdlib.Queue(), stdlib.SimpleQueue()
    ten = [BODY] * 10

    def run_ours(count: int) -> None:
        for _ in repeat(None, count // 10):
            ours.send_batch(ten)
            ours.delete(*ours.receive(max_messages=10))

    def run_floor(count: int) -> None:
        for _ in repeat(None, count // 10):
            floor.send_many(ten)
            floor.ack_many(floor.receive_many(10))

    runs = {
        "decouple": run_ours,
        "FLOOR": run_floor,
        "Queue": put_get(locked.put, locked.get),
        "Simple": put_get(simple.put, simple.get),
    }
    times = side_by_side(runs, slices=41 if full else 9, per=10)
    return {
        "w2.floor": (ratio(times, "FLOOR"), us(times["decouple"])),
        "w2.queue": (ratio(times, "Queue"), "no batches: ten puts, ten gets"),
        "w2.simple": (ratio(times, "Simple"), "no batches: ten puts, ten gets"),
    }


def w8(full: bool) -> Figures:
    aio, theirs, loop = new_queue().aio, asyncio.Queue[str](), asyncio.new_event_loop()

    async def cycles(count: int) -> None:
        for _ in repeat(None, count):
            await aio.send(BODY)
            (await aio.receive(wait=20))[0].ack()

    async def puts(count: int) -> None:
        for _ in repeat(None, count):
            await theirs.put(BODY)
            await theirs.get()

    runs = {
        "decouple": lambda count: loop.run_until_complete(cycles(count)),
        "asyncio": lambda count: loop.run_until_complete(puts(count)),
    }
    times = side_by_side(runs, slices=41 if full else 9)
    loop.close()
    return {"w8.asyncio": (ratio(times, "asyncio"), us(times["decouple"]))}


# -- W3: a backlog ---------------------------------------------------------------------------------------------


def fill_and_drain(kind: Callable[[], Any], count: int) -> tuple[float, float, int]:
    """CPU nanoseconds a message to send so many and to drain them, in tens, and how many came back. Bodies are not timed."""
    queue = kind()
    ours = isinstance(queue, Queue)
    send = queue.send_batch if ours else queue.send_many
    sending = 0
    for at in range(0, count, 1000):
        texts = bodies(at, at + 1000)
        tens = [texts[ten : ten + 10] for ten in range(0, 1000, 10)]
        start = cpu()
        for ten in tens:
            send(ten)
        sending += cpu() - start
    got = 0
    start = cpu()
    if ours:
        while batch := queue.receive(max_messages=10):
            got += len(batch)
            queue.delete(*batch)
    else:
        while batch := queue.receive_many(10):
            got += len(batch)
            queue.ack_many(batch)
    return sending / count, (cpu() - start) / count, got


def growth(kind: Callable[[], Any], large: int, rounds: int) -> tuple[float, float]:
    """Time a message at `large` queued against 10,000: to send and to drain. Small and large fills take turns."""
    settle_memory()
    sends, drains = [], []
    fill_and_drain(kind, 10_000)
    for _ in range(rounds):
        small = [fill_and_drain(kind, 10_000) for _ in range(20)]
        one = fill_and_drain(kind, large)
        sends.append(one[0] / median(fill[0] for fill in small))
        drains.append(one[1] / median(fill[1] for fill in small))
    return median(sends), median(drains)


def memory_queued(kind: str, count: int) -> tuple[float, float, float]:
    """Bytes a queued message, bytes more in flight, milliseconds a full collection with all of them queued."""
    before = resident()
    if kind == "deque":
        plain = deque(bodies(0, 0))
        for at in range(0, count, 1000):
            plain.extend(bodies(at, at + 1000))
    else:
        queue = new_queue(43_200)
        for at in range(0, count, 10):
            queue.send_batch(bodies(at, at + 10))
    queued = resident()
    pauses = []
    for _ in range(5):
        start = cpu()
        gc.collect()
        pauses.append((cpu() - start) / 1e6)
    if kind != "deque":
        while queue.receive(max_messages=10):  # the queue holds them; the caller's handles are the same objects
            pass
    return (queued - before) / count, (resident() - queued) / count, min(pauses)


def w3(full: bool) -> Figures:
    many = 1_000_000 if full else 200_000
    rounds = 5 if full else 2
    send, drain = fresh(growth, new_queue, many, rounds)
    floor_send, floor_drain = fresh(growth, Floor, many, rounds)
    ours, flight, pause = fresh(memory_queued, "decouple", many)
    plain, _, plain_pause = fresh(memory_queued, "deque", many)
    figures = {
        "w3.send": (send, f"{many:,} queued; FLOOR {floor_send:.2f}"),
        "w3.drain": (drain, f"{many:,} queued; FLOOR {floor_drain:.2f}"),
        "w3.gc": (pause / plain_pause, f"{pause:.1f} ms; deque {plain_pause:.1f} ms"),
        "w3.bytes": (ours - plain, f"{ours:.0f} of which deque and body {plain:.0f}"),
        "w3.flight": (flight, ""),
    }
    if full:
        sending, draining, got = fresh(fill_and_drain, new_queue, 10_000_000)
        figures["w3.lost"] = (10_000_000 - got, f"{sending:.0f} ns to send one, {draining:.0f} ns to drain it")
    return figures


# -- W4: leases that end ---------------------------------------------------------------------------------------


def take_all(receive: Callable[[int], list[Any]], count: int) -> tuple[float, list[Any]]:
    """CPU nanoseconds a message to receive so many in tens, and the handles, which must stay alive."""
    held: list[Any] = []
    start = cpu()
    while len(held) < count:
        held += receive(10)
    return (cpu() - start) / count, held


def w4(full: bool) -> Figures:
    count, lease, rounds = (100_000, 3, 5) if full else (20_000, 1, 3)
    ours, floor = new_queue(lease), Floor(lease)
    for ten in range(0, count, 10):
        ours.send_batch(bodies(ten, ten + 10))
        floor.send_many(bodies(ten, ten + 10))
    takes = {"decouple": lambda most: ours.receive(max_messages=most), "FLOOR": floor.receive_many}
    held = {name: take_all(take, count)[1] for name, take in takes.items()}
    times: dict[str, list[float]] = {name: [] for name in takes}
    for _ in range(rounds):
        held.clear()
        gc.collect()
        time.sleep(lease + 0.1)
        for name, take in takes.items():
            spent, held[name] = take_all(take, count)
            times[name].append(spent)
    pauses = fresh(longest_calls, 100_000 if full else 20_000, 5 if full else 2)
    worst = max(pauses, key=lambda name: pauses[name])
    note = ", ".join(f"{name} {pause:.2f}" for name, pause in pauses.items())
    return {
        "w4.floor": (ratio(times, "FLOOR"), us(times["decouple"])),
        "w4.pause": (pauses[worst], note),
    }


def longest_calls(count: int, rounds: int) -> dict[str, float]:
    """The longest single call of each kind in ms of CPU, from the instant `count` leases end until all are settled.

    The median over rounds of each round's longest, because an interrupt of the machine is charged to whoever runs.
    """
    longest: dict[str, list[float]] = {name: [] for name in ("send", "receive", "ack", "nack")}
    for first in range(rounds):
        queue = new_queue(2)
        queue.send_batch(bodies(0, count))
        held = queue.receive(max_messages=count)  # one instant for all of them
        settle_memory()
        time.sleep(2.1)
        worst, last = dict.fromkeys(longest, 0), [held[0]]  # acks go from the end, so they meet nobody else's

        def receive(queue: Queue[str] = queue, last: list[Any] = last) -> None:
            last[:] = queue.receive() or last

        calls = {
            "send": lambda queue=queue: queue.send("new"),
            "receive": receive,
            "ack": lambda held=held: held.pop().ack(),
            "nack": lambda last=last: last[0].nack(),
        }
        order = [*calls][first % 4 :] + [*calls][: first % 4]  # each kind is the first call after the expiry once
        for _ in range(count // 64 + 500):
            for name in order:
                start = time.thread_time_ns()
                calls[name]()
                worst[name] = max(worst[name], time.thread_time_ns() - start)
        for name, pause in worst.items():
            longest[name].append(pause / 1e6)
    return {name: median(pauses) for name, pauses in longest.items()}


# -- W6, W7: threads and tasks ---------------------------------------------------------------------------------


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


async def task_waits(send: Callable[[str], Any], take: Callable[[], Any], count: int, gap: float = 0.0005) -> list[float]:
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
    ours, theirs = all_subjects["decouple"], all_subjects["Simple"]
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
        send, take, text_of, ack = subject
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


# -- what a program pays for having it -------------------------------------------------------------------------


def idle(full: bool) -> Figures:
    async def spent(waits: list[Any]) -> float:
        tasks = [asyncio.create_task(wait) for wait in waits]
        await asyncio.sleep(1)
        gc.collect()
        start = cpu()
        await asyncio.sleep(2)
        took = (cpu() - start) / 1e6
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return took

    with Broker() as broker:
        queues = [broker.queue(f"queue-{number}") for number in range(10_000)]
        ours = asyncio.run(spent([queue.aio.receive(wait=600) for queue in queues[:1000]]))
    control = asyncio.run(spent([asyncio.Queue[str]().get() for _ in range(1000)]))
    return {"idle.cpu": (ours, f"asyncio.Queue {control:.2f} ms")}


def imports(full: bool) -> Figures:
    """With byte code cached, as on every start but the first: in a folder of its own, whatever the environment says."""
    code = "import decouple, sys; print(sum(name.partition('.')[0] == 'asyncio' for name in sys.modules))"
    with tempfile.TemporaryDirectory() as cache:
        environment = {**os.environ, "PYTHONPATH": os.path.dirname(HERE), "PYTHONPYCACHEPREFIX": cache}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)

        def start(code: str) -> tuple[float, str]:
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            told = subprocess.run([sys.executable, "-c", code], env=environment, check=True, stdout=subprocess.PIPE)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            return spent * 1e3, told.stdout.decode()

        loaded = int(start(code)[1])
        pairs = [(start("import decouple")[0], start("pass")[0]) for _ in range(31 if full else 9)]
    bare = median(without for _, without in pairs)
    return {
        "import.ms": (median(ours - without for ours, without in pairs), f"CPU; a bare interpreter takes {bare:.0f} ms"),
        "import.asyncio": (loaded, ""),
    }


def churn(full: bool) -> Figures:
    """Half of the messages with the queue's own 12 hours, half with 12 hours asked for at each receive."""
    count = 10_000_000 if full else 200_000
    lanes, heap = new_queue(43_200), new_queue(30)

    def run(messages: int) -> None:
        for _ in repeat(None, messages // 2):
            lanes.send(BODY)
            lanes.receive()[0].ack()
            heap.send(BODY)
            heap.receive(visibility_timeout=43_200)[0].ack()

    run(20_000)
    before = resident()
    run(count)
    grown = (resident() - before) / 2**20
    left = 0
    for queue in (lanes, heap):
        core = queue._core
        held = (core.fresh, core.again, core.leased, core.odd, core.delayed, core.moving, core.outgoing, core.log)
        left += sum(map(len, held)) + len(core.deadlines)
    return {"churn.mib": (max(0.0, grown), f"{count:,} messages"), "churn.left": (left, "")}


WORKLOADS: dict[str, Callable[[bool], Figures]] = {
    "w1": w1, "w2": w2, "w3": w3, "w4": w4, "w6": w6, "w7": w7, "w8": w8, "idle": idle, "import": imports, "churn": churn,
}  # fmt: skip
