"""durable (W9): what it costs that a message is kept, beside libraries and floors of the same guarantee, on the wall clock.

One run, all of them in turn, slice by slice, in folders of one disk; a row names what it survives, because a faster row of
a weaker guarantee is no win. A cycle is send, receive and acknowledge of 1 KiB, one by one and in hundreds.

Bytes written are /proc/self/io's write_bytes: whole pages as they become dirty, again for each time that they were written
out between, checkpoints included. PEERBENCH_TMP names the folder, so the disk, that is written to. Disks of rented machines
are throttled after a while, so what is synced is only good beside its controls; the disk's own sync is shown before and
after. "A few milliseconds" of the goals is read as 5, "without burning a core" as 5 % of one, "flat" as within 1.3.
"""

import asyncio
import ctypes
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

from common import BODY, Figures, fresh
from durable_peers import PEERS, Subject, queue_on, through
from measure import Run, median, percentile, ratio, resident, side_by_side

wall = time.perf_counter_ns
HOME = os.environ.get("PEERBENCH_TMP")
THREADS, TASKS = 8, 100
WAIT = 20.0
UNBUILT = "this engine is not built yet"

# figure: (of, control), one by one; with ".100" in hundreds too
RATIOS = {
    "durable.journal.memory": ("journal", "memory"),
    "durable.journal.raw": ("journal", "raw"),
    "durable.journal.litequeue": ("journal", "litequeue"),
    "durable.journal.diskcache": ("journal", "diskcache"),
    "durable.disk.sync": ("disk", "rawsync"),
    "durable.disk.persist": ("disk", "persist"),
    "durable.normal.floor": ("normal", "floor"),
    "durable.normal.memory": ("normal", "floor.memory"),
    "durable.normal.litequeue": ("normal", "litequeue"),
    "durable.full.floor": ("full", "floor.full"),
    "durable.full.memory": ("full", "floor.fullmemory"),
    "durable.full.persist": ("full", "persist"),
}


@contextmanager
def folder() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="decouple-bench-", dir=HOME) as path:
        yield path


def durable(full: bool) -> Figures:
    before = disk_sync()
    figures = beside_others(full)
    for part, engine in (
        (side_by_side_with_itself, "file"),
        (deep_journal, "file"),
        (bytes_written, "file"),
        (bytes_written, "sqlite"),
        (two_processes, "sqlite"),
        (waiting, "sqlite"),
    ):
        if reason := absent(engine):
            figures |= dict.fromkeys(OF_PART[part, engine], (None, reason))
        else:
            figures |= part(engine, full)
    figures["durable.sync"] = (before, f"1 KiB in a file that grows, p50; {disk_sync():.0f} after the run")
    return figures


def absent(engine: str) -> str:
    """Why this engine cannot be measured here, "" if it can."""
    with folder() as path:
        try:
            with queue_on(engine, path):
                return ""
        except (ImportError, NotImplementedError) as missing:
            return f"not run: {str(missing) or UNBUILT}"


def disk_sync() -> float:
    """Microseconds of a sync after each KiB, the median of a hundred."""
    times = []
    with folder() as path, open(os.path.join(path, "sync"), "ab", buffering=0) as file:
        for _ in range(100):
            file.write(BODY.encode())
            start = wall()
            os.fdatasync(file.fileno())
            times.append((wall() - start) / 1e3)
    return median(times)


# -- beside others ---------------------------------------------------------------------------------------------------


def keep_heap() -> None:
    """Have glibc keep what is freed at the top of the heap.

    A statement of SQLite that needs a temporary table allocates and frees 90 KB. Where that happens to lie at the top, each
    time is a system call and 22 page faults: the same floor took 55 us or 90, by nothing but the order of what came before.
    """
    trim_threshold, top_pad = -1, -2
    with suppress(OSError, AttributeError):
        library = ctypes.CDLL(None)
        library.mallopt(trim_threshold, 2**30)
        library.mallopt(top_pad, 2**24)


def beside_others(full: bool) -> Figures:
    keep_heap()
    slices, target = (15, 200e6) if full else (5, 50e6)
    subjects: dict[str, Subject] = {}
    figures: Figures = {}
    with ExitStack() as stack:
        for name, peer in PEERS.items():
            try:
                subjects[name] = peer.open(stack.enter_context(folder()), stack)
            except (ImportError, NotImplementedError) as missing:
                how = f"pip install {peer.package}" if peer.package else str(missing) or UNBUILT
                figures[f"durable.{name}"] = (None, f"not run: {how}")
        single = timed_runs({name: one.single for name, one in subjects.items()}, slices, target, 1)
        hundreds = timed_runs({name: one.hundreds for name, one in subjects.items()}, slices, target, 100)
    for name, times in single.items():
        note = f"{median(hundreds[name]) / 1e3:.1f} us in hundreds; {PEERS[name].guarantee}"
        figures[f"durable.{name}"] = (median(times) / 1e3, note)
    for figure, (of, control) in RATIOS.items():
        if of in single and control in single:
            figures[figure] = (ratio(single, control, of), "")
            figures[f"{figure}.100"] = (ratio(hundreds, control, of), "")
    if "journal" in single:
        cycle = median(single["journal"]) / 1e3
        figures["durable.rate"] = (cycle, f"{1e6 / cycle:,.0f} cycles a second")
    return figures


def timed_runs(runs: dict[str, Run], slices: int, target: float, per: int) -> dict[str, list[float]]:
    return side_by_side(runs, slices=slices, target=target, per=per, clock=wall)


# -- the journal -----------------------------------------------------------------------------------------------------


def side_by_side_with_itself(engine: str, full: bool) -> Figures:
    """Threads and tasks share a sync: "disk" with several of them beside the same queue with one thread."""
    with folder() as path, queue_on(engine, path, durability="disk") as queue:
        alone = through(queue).single

        def by_threads(count: int) -> None:
            workers = [threading.Thread(target=alone, args=(count // THREADS,)) for _ in range(THREADS)]
            for worker in workers:
                worker.start()
            for worker in workers:
                worker.join()

        def by_tasks(count: int) -> None:
            asyncio.run(tasks(queue, count // TASKS))

        runs: dict[str, Run] = {"one": alone, "threads": by_threads, "tasks": by_tasks}
        times = timed_runs(runs, 15 if full else 5, 300e6 if full else 100e6, THREADS * TASKS)
    one = 1e9 / median(times["one"])
    return {
        f"durable.disk.{name}": (
            ratio(times, "one", name),
            f"{1e9 / median(times[name]):,.0f} cycles a second, one thread {one:,.0f}",
        )
        for name in ("threads", "tasks")
    }


async def tasks(queue: Any, each: int) -> None:
    aio = queue.aio

    async def cycle() -> None:
        for _ in range(each):
            await aio.send(BODY)
            await aio.delete(*await aio.receive())

    async with asyncio.TaskGroup() as group:
        for _ in range(TASKS):
            group.create_task(cycle())


def deep_journal(engine: str, full: bool) -> Figures:
    """Flat from a thousand to a million queued; then the million is closed, and opened again by a new process."""
    many = 1_000_000 if full else 100_000
    with folder() as path:
        slow, alike = fresh(cycles_at_depth, engine, path, many, full)
        took, grown, found = fresh(reopened, engine, path)
    if found != many:
        raise RuntimeError(f"{many:,} messages were queued, and {found:,} are there again")
    return {
        "durable.flat": (slow, f"{many:,} queued; {alike}"),
        "durable.reopen": (took * 1e6 / many, f"{took:.1f} s for {many:,} live, {many / took:,.0f} a second"),
        "durable.reopen.bytes": (grown / many, "resident, bodies of 1 KiB included"),
    }


def cycles_at_depth(engine: str, path: str, many: int, full: bool) -> tuple[float, str]:
    """Time of a cycle with `many` queued over that with a thousand, and both in words."""
    with folder() as other, queue_on(engine, path) as deep, queue_on(engine, other) as shallow:
        for queue, depth in ((deep, many), (shallow, 1_000)):
            for _ in range(depth // 1_000):
                queue.send_batch([BODY] * 1_000)
        runs = {"deep": through(deep).single, "shallow": through(shallow).single}
        times = timed_runs(runs, 31 if full else 7, 100e6 if full else 40e6, 1)
    words = f"{median(times['deep']) / 1e3:.1f} us, with a thousand {median(times['shallow']) / 1e3:.1f}"
    return ratio(times, "shallow", "deep"), words


def reopened(engine: str, path: str) -> tuple[float, float, int]:
    """Seconds until the queue is there, resident bytes that it took, and how many messages it has."""
    before, start = resident(), time.perf_counter()
    with queue_on(engine, path) as queue:
        found = queue.stats().visible
        took = time.perf_counter() - start
        return took, resident() - before, found


# -- both ------------------------------------------------------------------------------------------------------------


def bytes_written(engine: str, full: bool) -> Figures:
    count = 50_000 if full else 5_000
    single, hundreds = (fresh(dirtied, engine, way, count) for way in ("single", "hundreds"))
    return {f"durable.bytes.{engine}": (single, f"write_bytes over {count:,} cycles; {hundreds:,.0f} in hundreds")}


def dirtied(engine: str, way: str, count: int) -> float:
    """Bytes that a cycle writes, by /proc/self/io."""
    with folder() as path, queue_on(engine, path) as queue:
        run = getattr(through(queue), way)
        run(2_000)
        before = write_bytes()
        run(count)
        return (write_bytes() - before) / count


def write_bytes() -> int:
    with open("/proc/self/io") as counts:
        return next(int(line.split()[1]) for line in counts if line.startswith("write_bytes"))


# -- SQLite, between processes ---------------------------------------------------------------------------------------


@contextmanager
def process(target: Callable[..., None], *arguments: Any) -> Iterator[Connection]:
    """A pipe to a new process that is ready; it ends when the pipe does, or is ended."""
    context = get_context("spawn")
    here, there = context.Pipe()
    child = context.Process(target=target, args=(there, *arguments), daemon=True)
    child.start()
    there.close()
    try:
        if here.recv() != "ready":
            raise RuntimeError("a process of the benchmark did not start")
        yield here
    finally:
        here.close()
        child.join(10)
        if child.is_alive():
            child.kill()
            child.join()


def orders(pipe: Connection) -> Iterator[Any]:
    """What comes through the pipe until its other end is closed."""
    while True:
        try:
            yield pipe.recv()
        except EOFError:
            return


def two_processes(engine: str, full: bool) -> Figures:
    """One process and then two on the same queue, in turns."""
    slices, seconds = (15, 0.5) if full else (5, 0.2)
    figures: Figures = {}
    with folder() as path, queue_on(engine, path), ExitStack() as stack:
        pair = [stack.enter_context(process(cycling, engine, path)) for _ in range(2)]
        for way in ("single", "hundreds"):
            rounds = [(rate(pair[:1], way, seconds), rate(pair, way, seconds)) for _ in range(slices)]
            alone, both = (median(one) for one in zip(*rounds, strict=True))
            note = f"{both:,.0f} cycles a second, one process {alone:,.0f}"
            figures[f"durable.two.{way}"] = (median(one / two for one, two in rounds), note)
    return figures


def cycling(pipe: Connection, engine: str, path: str) -> None:
    with queue_on(engine, path) as queue:
        subject = through(queue)
        pipe.send("ready")
        for way, begin, end in orders(pipe):
            run, per = getattr(subject, way), 100 if way == "hundreds" else 10
            done = 0
            while time.monotonic() < begin:
                time.sleep(0.0005)
            while time.monotonic() < end:
                run(per)
                done += per
            pipe.send(done / (time.monotonic() - begin))


def rate(pipes: list[Connection], way: str, seconds: float) -> float:
    """Cycles a second of these processes together."""
    begin = time.monotonic() + 0.02
    for pipe in pipes:
        pipe.send((way, begin, begin + seconds))
    total: float = sum(pipe.recv() for pipe in pipes)
    return total


def waiting(engine: str, full: bool) -> Figures:
    """A receiver in another process: what it costs while nothing comes, and how long a message takes to it."""
    count = 300 if full else 60
    with folder() as path, queue_on(engine, path) as queue, process(receiving, engine, path) as pipe:
        pipe.send(("idle", 5.0 if full else 2.0))
        share = pipe.recv() * 100
        pipe.send(("receive", count))
        waits = []
        for number in range(count):
            time.sleep(0.005 + number % 10 * 0.005)
            queue.send(str(wall()))
            waits.append(pipe.recv() / 1e6)
    return {
        "durable.idle": (share, f"over {5 if full else 2} s, with a receiver that waits"),
        "durable.wake": (percentile(waits, 0.5), f"{count} sends, 5 to 50 ms apart"),
        "durable.wake99": (percentile(waits, 0.99), ""),
    }


def receiving(pipe: Connection, engine: str, path: str) -> None:
    """Answer with the share of a core that waiting takes, or with the nanoseconds of each message's way."""
    with queue_on(engine, path) as queue:
        pipe.send("ready")
        for what, amount in orders(pipe):
            if what == "idle":
                pipe.send(idle_share(queue, amount))
                continue
            for _ in range(amount):
                [message] = queue.receive(wait=WAIT)
                pipe.send(wall() - int(message.body))
                message.ack()


def idle_share(queue: Any, seconds: float) -> float:
    waiter = threading.Thread(target=queue.receive, kwargs={"wait": seconds + 2})
    waiter.start()
    time.sleep(1)
    before = time.process_time()
    time.sleep(seconds)
    share = (time.process_time() - before) / seconds
    waiter.join()
    return share


OF_PART: dict[tuple[Callable[..., Figures], str], tuple[str, ...]] = {
    (side_by_side_with_itself, "file"): ("durable.disk.threads", "durable.disk.tasks"),
    (deep_journal, "file"): ("durable.flat", "durable.reopen", "durable.reopen.bytes"),
    (bytes_written, "file"): ("durable.bytes.file",),
    (bytes_written, "sqlite"): ("durable.bytes.sqlite",),
    (two_processes, "sqlite"): ("durable.two.single", "durable.two.hundreds"),
    (waiting, "sqlite"): ("durable.idle", "durable.wake", "durable.wake99"),
}
