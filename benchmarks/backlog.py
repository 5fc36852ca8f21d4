"""W3, W4: what a backlog costs in time, memory and collections, and what it costs that leases end."""

import gc
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from common import Figures, bodies, fresh, new_queue, us
from floor import Floor
from measure import cpu, median, ratio, resident, settle_memory

from decouple import Queue


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
    """The longest single call of each kind in ms of CPU, after `count` leases end at one instant until all are given out.

    The median over rounds of each round's longest, because an interrupt of the machine is charged to whoever runs. The
    collector is off: its pauses are no work of the queue's, and come wherever the program allocates.
    """
    longest: dict[str, list[float]] = {name: [] for name in ("send", "receive", "ack", "nack")}
    settle_memory()
    gc.disable()
    for first in range(rounds):
        queue = new_queue(4)
        queue.send_batch(bodies(0, count))
        held = queue.receive(max_messages=count)  # one instant for all of them
        kept = [held[0]]  # nacks take the newest received, acks come from the other end, so they never meet
        worst = dict.fromkeys(longest, 0)
        time.sleep(4.1)

        def timed(name: str, call: Callable[[], Any], worst: dict[str, int] = worst) -> Any:
            start = time.thread_time_ns()
            answer = call()
            worst[name] = max(worst[name], time.thread_time_ns() - start)
            return answer

        calls: dict[str, Callable[[], Any]] = {
            "send": lambda queue=queue: queue.send("new"),
            "receive": lambda queue=queue, kept=kept: kept.extend(queue.receive()),
            "ack": lambda held=held: held.pop().ack(),
            "nack": lambda kept=kept: kept[-1].nack(),
        }
        order = [*calls][first % 4 :] + [*calls][: first % 4]  # each kind is the first call after the expiry once
        for _ in range(count // 64):
            for name in order:
                timed(name, calls[name])
        for _ in range(count // 10):
            timed("receive", lambda queue=queue, kept=kept: kept.extend(queue.receive(max_messages=10)))
        for name, pause in worst.items():
            longest[name].append(pause / 1e6)
    return {name: median(pauses) for name, pauses in longest.items()}
