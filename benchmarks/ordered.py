"""fifo, dedup, fair: what order, counting once and fairness cost on top of a standard queue's cycle."""

from collections.abc import Callable, Iterator
from itertools import count, cycle, islice
from typing import Any

from common import BODY, Figures, fresh, new_queue, us
from measure import median, ratio, resident, settle_memory, side_by_side, timed

from decouple import Queue

NUMBERS = count()
Run = Callable[[int], None]


def names(groups: int) -> Iterator[tuple[str, str]]:
    """A group in turn, and an id never used before."""
    return ((f"group-{number}", str(next(NUMBERS))) for number in cycle(range(groups)))


def plain(queue: Queue[str], *, waiting: int = 0, flying: int = 0) -> Run:
    """The standard cycle, in the same loop: its names are made and not used. It may hold other messages."""
    turn = names(1_000)
    for _ in range(flying // 1_000):
        queue.send_batch([BODY] * 1_000)
        queue.receive(max_messages=1_000, visibility_timeout=43_200)
    for _ in range(waiting // 1_000):
        queue.send_batch([BODY] * 1_000)

    def run(much: int, send: Any = queue.send, receive: Any = queue.receive) -> None:
        for _ in islice(turn, much):
            send(BODY)
            receive()[0].ack()

    return run


def tenants(queue: Queue[str], groups: int) -> Run:
    turn = names(groups)

    def run(much: int, send: Any = queue.send, receive: Any = queue.receive) -> None:
        for group, _ in islice(turn, much):
            send(BODY, group=group)
            receive()[0].ack()

    return run


def ordered(groups: int, *, waiting: int = 0, blocked: int = 0) -> Run:
    """FIFO cycles over so many groups. waiting: others, each with a message; blocked: others, each behind one in flight."""
    queue = Queue("bench.fifo", visibility_timeout=43_200, max_in_flight=100_000_000)
    for number in range(blocked):
        for _ in range(2):
            queue.send(BODY, group=f"blocked-{number}", deduplication_id=str(next(NUMBERS)))
    while len(queue.receive(max_messages=1_000)) == 1_000:
        pass
    for number in range(waiting):
        queue.send(BODY, group=f"waiting-{number}", deduplication_id=str(next(NUMBERS)))
    turn = names(groups)

    def run(much: int, send: Any = queue.send, receive: Any = queue.receive) -> None:
        for group, identity in islice(turn, much):
            send(BODY, group=group, deduplication_id=identity)
            receive()[0].ack()

    return run


def content(queue: Queue[str]) -> Run:
    def run(much: int, send: Any = queue.send, receive: Any = queue.receive) -> None:
        for number in islice(NUMBERS, much):
            send(f"{number:0100d}", group="a")
            receive()[0].ack()

    return run


def fifo(full: bool) -> Figures:
    many = 1_000_000 if full else 100_000
    runs = {
        "standard": plain(new_queue()),
        "standard, waiting": plain(new_queue(), waiting=many),
        "standard, flying": plain(new_queue(), waiting=many // 2, flying=many // 2),
        "1": ordered(1),
        "1000": ordered(1_000),
        "waiting": ordered(1_000, waiting=many),
        "blocked": ordered(1_000, blocked=many // 2),
        "content": content(Queue("bench.fifo", content_based_deduplication=True)),
    }
    times = side_by_side(runs, slices=21 if full else 9)

    def against(control: str, subject: str, note: str) -> tuple[float, str]:
        empty = "" if control == "standard" else f"; {ratio(times, 'standard', subject):.2f} x an empty one's cycle"
        return ratio(times, control, subject), note + empty

    return {
        "fifo.1": against("standard", "1", us(times["1"])),
        "fifo.1000": against("standard", "1000", us(times["1000"])),
        "fifo.waiting": against("standard, waiting", "waiting", f"{many:,} other groups"),
        "fifo.blocked": against("standard, flying", "blocked", f"{many // 2:,} other groups"),
        "fifo.content": against("standard", "content", "ids are SHA-256 of the body"),
    }


def remembered(many: int) -> tuple[float, float]:
    """Bytes an id in the window costs, and a send with that many in it against one with few: medians of slices."""
    queue = Queue("bench.fifo")
    send: Any = queue.send

    def some(much: int) -> None:
        for number in islice(NUMBERS, much):
            send(BODY, group="a", deduplication_id=str(number))
        queue.delete(*queue.receive(max_messages=much))

    def emptied() -> float:
        queue.purge()
        some(100)
        return timed(some, 2_000) / 2_000

    few = [emptied() for _ in range(9)]
    queue.purge()
    settle_memory()
    before = resident()
    for _ in range(0, many, 2_000):
        some(2_000)
    grown = (resident() - before) / many
    return grown, median([timed(some, 2_000) / 2_000 for _ in range(9)]) / median(few)


def dedup(full: bool) -> Figures:
    many = 1_000_000 if full else 200_000
    grown, flat = fresh(remembered, many)
    return {"dedup.bytes": (grown, f"{many:,} ids"), "dedup.flat": (flat, f"{many:,} ids remembered")}


def fair(full: bool) -> Figures:
    runs = {"standard": plain(new_queue()), "grouped": tenants(new_queue(), 1_000)}
    times = side_by_side(runs, slices=21 if full else 9)
    return {"fair.on": (ratio(times, "standard", "grouped"), us(times["grouped"]))}
