"""Copying: queues and topics are declared at the target as they are, and messages go there, each as it stands.

A message leaves the source when the target has it, so both together hold each exactly once, whenever the copy ends: killed, it
is called again and goes on. The source's queues stay, empty.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from decouple.copying.batches import KIND, Passage
from decouple.copying.declarations import check_queues, chosen, declare_queues, declare_topics
from decouple.errors import DecoupleError

if TYPE_CHECKING:
    from decouple.broker import Broker
    from decouple.queue import Queue

__all__ = ["Copied", "copy"]

BATCH = 500
FROM = "from"
Progress: TypeAlias = Callable[[str, int, int], object]


class Copied(NamedTuple):
    """What a copy did, or with dry_run would do.

    messages: how many went, by queue; there: queues that the target had already, whose settings there stay; topics: names of
    those declared; left: what has to be declared by the program itself: handlers, functions, web endpoints, schedules.
    """

    messages: dict[str, int]
    there: list[str]
    topics: list[str]
    left: list[str]


def copy(
    source: Broker,
    target: Broker,
    *,
    queues: Iterable[str] | None = None,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> Copied:
    """Take queues with their messages from one broker to another, and declare its topics there.

    Messages keep id, body, attributes, group, deduplication id, count, instants, and of dead letters why and from where. Who
    is in flight or delayed is so there, until the same instant; whoever has it here can settle it no more. Order is kept,
    sequence numbers are new. Queues keep settings, tags and policy; those that the target has already stay as they are there.

    queues: names, None for all and the topics; dry_run: change nothing; progress: called with a queue's name, how many of
    its messages were brought and how many there are. Interrupted or killed, the same call goes on: nothing is lost or
    doubled. Deduplication ids of messages that are gone, and functions' events and schedules, are not taken along. Raises
    QueueNotFound, QueueExists, NotKept, DecoupleError, ValueError. Cost: O(messages).
    """
    if source is target or one_file(source, target):
        raise ValueError("source and target are one broker: name another one")
    wanted = chosen(source, queues)
    check_queues(wanted, target)
    if dry_run:
        there = [queue.name for queue in wanted if queue.name in target.queues]
        return Copied({queue.name: len(numbers_of(queue)) for queue in wanted}, there, list(source.topics), [])
    identity = identity_of(source)
    there = declare_queues(wanted, target)
    topics, left = declare_topics(source, target) if queues is None else ([], [])
    messages: dict[str, int] = {}
    for queue in wanted:
        counterpart = target.queues[queue.name]
        passage = Passage(queue, counterpart, target._engine.shelf, f"{identity} {queue.name}")
        messages[queue.name] = bring_all(passage, progress)
        if source._engine.shelf is not None:
            # Where a put is on the disk when it returns, so is what left before it: then the target may forget it.
            source._engine.shelf.put(KIND, FROM, identity)
        passage.finish()
    return Copied(messages, there, topics, left)


def one_file(source: Broker, target: Broker) -> bool:
    """Whether two brokers have one database. A journal has one broker at a time."""
    files: list[Any] = [getattr(broker._engine, "database", None) for broker in (source, target)]
    return None not in files and Path(files[0].path).samefile(files[1].path)


def numbers_of(queue: Queue[Any]) -> list[int]:
    with queue._lock:
        return queue._core.all_numbers(queue._now())


def bring_all(passage: Passage, progress: Progress | None) -> int:
    """Bring everything, and what comes meanwhile; how many."""
    done = passage.go_on()
    while numbers := passage.numbers():
        total = done + len(numbers)
        for start in range(0, len(numbers), BATCH):
            done += passage.bring(numbers[start : start + BATCH])
            if progress is not None:
                progress(passage.source.name, done, total)
    return done


def identity_of(source: Broker) -> str:
    """What notes at a target call this source. Raises DecoupleError while a copy that came here is not complete."""
    shelf = source._engine.shelf
    if shelf is None:
        return token_hex(8)
    notes = shelf.items(KIND)
    known = notes.pop(FROM, None)
    if notes:
        names = ", ".join(sorted({key.partition(" ")[2] for key in notes}))
        raise DecoupleError(
            f"a copy to this broker was begun and not completed: some messages of {names} may be there and here, so call "
            f"it again first"
        )
    if known is None:
        shelf.swap(KIND, FROM, None, token_hex(8))
        known = shelf.get(KIND, FROM)
    return str(known)
