"""What is declared at one broker, declared at another as well: queues as they are, topics with the queues that listen."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Any

from decouple.core.settings import SECOND
from decouple.describe_topics import subscribe_all, topic_entry
from decouple.errors import DecoupleError, QueueExists, QueueNotFound
from decouple.keeping import settle, terms_of

if TYPE_CHECKING:
    from decouple.broker import Broker
    from decouple.queue import Queue

__all__ = ["check_queues", "chosen", "declare_queues", "declare_topics"]


def chosen(source: Broker, names: Iterable[str] | None) -> list[Queue[Any]]:
    """The queues to be copied. Raises QueueNotFound."""
    queues = source.queues
    if names is None:
        return list(queues.values())
    if isinstance(names, str):
        raise TypeError(f"queues must be a list of names, not the text {names!r:.60}")
    for name in (names := list(names)):
        if name not in queues:
            raise QueueNotFound(name, declared=len(queues))
    return [queue for name, queue in queues.items() if name in names]


def needed(queues: Iterable[Queue[Any]]) -> list[Queue[Any]]:
    """These queues and those that belong to them, dead-letter queues before those that use them."""
    found: dict[str, Queue[Any]] = {}

    def find(queue: Queue[Any], chain: tuple[str, ...] = ()) -> None:
        if queue.name in chain or queue.name in found:
            return
        if queue.dead_letter is not None:
            find(queue.dead_letter, (*chain, queue.name))
        found.setdefault(queue.name, queue)
        for user in queue.sources():  # where dead letters came from, and may go back to
            find(user, (*chain, queue.name))

    for queue in queues:
        find(queue)
    return list(found.values())


def check_queues(queues: Iterable[Queue[Any]], target: Broker) -> None:
    """Whether what is there already takes what comes. Raises QueueExists, DecoupleError."""
    for queue in queues:
        there = target.queues.get(queue.name)
        if there is None:
            continue
        if there.fifo != queue.fifo:
            raise QueueExists(queue.name, setting="fifo", current=there.fifo, asked=queue.fifo)
        keeps, kept = there._core.retention // SECOND, queue._core.retention // SECOND
        if keeps < kept:
            raise DecoupleError(
                f"queue {queue.name!r} keeps messages for {keeps} s where they are to go, and for {kept} s where they are: "
                f"configure(retention={kept}) there first, lest some are gone on arrival"
            )


def declare_queues(queues: Iterable[Queue[Any]], target: Broker) -> list[str]:
    """Declare these, and those they need, as they are; the names of those that are there already, and stay as they are."""
    wanted = needed(queues)
    there = [queue.name for queue in wanted if queue.name in target.queues]
    missing = [(queue, terms_of(queue)) for queue in wanted if queue.name not in target.queues]
    for queue, terms in missing:
        with target._lock:
            if target._closed:
                raise DecoupleError(f"the broker is closed: queue {queue.name!r} cannot be declared there")
            made = target._make_queue(queue.name, fifo=queue.fifo, tags=terms["tags"])
            target._queues[queue.name] = made
            target._restored.add(queue.name)  # as if it had been there before: a program declares it anew
    for queue, terms in missing:
        made = target._queues[queue.name]
        settle(target, made, terms)
        made._keep()  # last, so that a copy that ends before it finds nothing, and declares it whole
    return there


def declare_topics(source: Broker, target: Broker) -> tuple[list[str], list[str]]:
    """Declare the topics, with their subscriptions of queues: their names, and what could not be taken along."""
    names: list[str] = []
    left: list[str] = []
    for name, topic in source.topics.items():
        entry = topic_entry(topic, source.queues)
        taken = [one for one in entry["subscriptions"] if goes_along(one, target.queues)]
        left += [f"topic {name!r} -> {word_for(one)}" for one in entry["subscriptions"] if one not in taken]
        settings = {} if name in target.topics else entry
        try:
            subscribe_all(target.topic, {name: {**settings, "subscriptions": taken}}, target.queues, {})
            names.append(name)
        except DecoupleError as error:  # it is there, on other terms, which stay
            left.append(f"topic {name!r}: {error}")
    left += [f"function {name!r}" for name in source.functions]
    left += [f"schedule {name!r}" for name in source.schedules]
    return names, left


def goes_along(subscription: dict[str, Any], queues: Collection[str]) -> bool:
    dead = subscription["dead_letter"]
    return subscription["target"].get("queue") in queues and (dead is None or dead in queues)


def word_for(subscription: dict[str, Any]) -> str:
    """What a subscription delivers to, in words."""
    kind, what = next(iter(subscription["target"].items()))
    return f"{kind} {what!r}"
