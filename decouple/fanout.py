"""One publication into many queues: where nothing is out of the ordinary, all of them hold the very same record.

A copy then costs one step and one pointer in each queue. The record's number comes from the topic, so it must mean one
message in every queue that holds it: a queue takes shared numbers from one source only (`shares`), by default the one of
its broker, and they lie above all it gives out itself. A copy for a queue with more to do (FIFO, a delay, observers,
waiting receivers) is a send like any other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from decouple.attributes import MOST_ATTRIBUTES
from decouple.core.records import NOTHING, PLAIN, Details, Record, details_of
from decouple.entries import fitted
from decouple.sending import Sending

if TYPE_CHECKING:
    from decouple.core.places import Places

__all__ = ["details_for", "put", "shares", "spread"]


def shares(queue: Sending[Any], numbers: Iterator[int]) -> bool:
    """Whether the queue may hold records numbered by `numbers`: it takes the first source it is offered."""
    if queue.fifo:
        return False
    with queue._lock:
        if queue._core.shared is None:
            queue._core.shared = numbers
        return queue._core.shared is numbers


def spread(cores: Iterable[Places], record: Record, size: int, others: list[Places]) -> None:
    """Put the record into each queue that may share it; those that have more to do with it go to `others`."""
    for core in cores:
        if size <= core.longest and core.quick_send:
            core.fresh.append(record)  # commit (without the lock: see core/places.py)
        else:
            others.append(core)


def put(queue: Sending[Any], text: str, details: Details, words: Mapping[str, Any] = NOTHING) -> None:
    """Send one copy as the queue's own message, but for what follows from it: its record says `words`, too.

    Raises ValueError, MessageTooLarge, QueueClosed.
    """
    settings = queue._core.settings
    if len(details.attributes) > MOST_ATTRIBUTES:
        raise ValueError(
            f"a message of {len(details.attributes)} attributes has more than the {MOST_ATTRIBUTES} queue {queue.name!r} "
            f"takes: subscribe it with envelope=True, where they are part of the body"
        )
    if not text:
        raise ValueError(f"the text for queue {queue.name!r} is empty, and a queue takes one character or more (SQS)")
    text = fitted(text, details.attributes, settings, queue.name)
    queue._accept([(text, None if details == PLAIN else details, settings.delay)], words)


def details_for(queue: Sending[Any], record: Record, ordered: bool, envelope: bool) -> Details:
    """What a queue gets beside the text. An envelope holds the attributes; standard queues get no ids of a FIFO topic."""
    details = details_of(record)
    if envelope:
        details = details._replace(attributes=NOTHING)
    if ordered and not queue.fifo:
        details = details._replace(group=None, deduplication_id=None)
    return details
