"""Looking: what the effects of a handler are at one instant, as plain values that can be compared, and how two differ."""

# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
# What a user's handler and effects hold is known when it is looked at, not before.

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Iterator, Mapping, Set
from enum import Enum
from typing import Any

from decouple.broker import Broker
from decouple.core.records import Record, details_of
from decouple.outbox import Outbox, Outgoing
from decouple.queue import Queue

__all__ = ["differing", "look"]

MOST_SHOWN = 10
LONGEST = 200
MISSING: Any = object()


def look(effects: Any, ignore: frozenset[str]) -> Any:
    """A copy of the effects in plain values. ignore: keys, and names of attributes, that do not count.

    effects: a callable that gives them, or what holds them: containers, objects, queues, brokers. Raises TypeError.
    """
    return Look(ignore).plain(effects() if callable(effects) and not is_mock(effects) else effects)


def is_mock(one: Any) -> bool:
    """Whether it is one of unittest's, which have every attribute one asks for."""
    return type(one).__module__ == "unittest.mock" and hasattr(type(one), "mock_calls")


class Look:
    """One look: it goes down into what it finds, and not round in circles."""

    def __init__(self, ignore: frozenset[str]) -> None:
        self._ignore = ignore
        self._above: dict[int, Any] = {}

    def plain(self, one: Any) -> Any:
        """A copy of it, in plain values."""
        if one is None or isinstance(one, (str, int, float, bytes)):
            return one
        if id(one) in self._above:
            return "..."
        self._above[id(one)] = one
        try:
            return self._plain(one)
        finally:
            del self._above[id(one)]

    def _plain(self, one: Any) -> Any:
        if isinstance(one, Mapping):
            mapping = one
            return {self._key(key): self.plain(value) for key, value in mapping.items() if key not in self._ignore}
        if isinstance(one, Broker):
            return self.plain(contents_of_broker(one))
        if isinstance(one, Queue):
            return self.plain(contents_of(one))
        if isinstance(one, Set):
            return self._set(one)
        if is_mock(one):
            return self.plain(one.mock_calls)
        as_dict = getattr(type(one), "_asdict", None)
        if as_dict is not None:  # a named tuple's
            return self.plain(as_dict(one))
        if isinstance(one, Iterable) and hasattr(type(one), "__len__") and not hasattr(type(one), "tolist"):
            return [self.plain(item) for item in one]
        return self._object(one)

    def _key(self, key: Any) -> Any:
        return key if isinstance(key, (str, int, float, bytes, tuple, type(None))) else copied(key)

    def _set(self, one: Set[Any]) -> Any:
        return {self._key(item) for item in one}

    def _object(self, one: Any) -> Any:
        if hasattr(type(one), "tolist"):  # numpy's, which compare item by item
            return self.plain(one.tolist())
        attributes = attributes_of(one)
        if attributes is None:
            return copied(one)
        shown = {name: self.plain(value) for name, value in attributes.items() if name not in self._ignore}
        return {"class": type(one).__qualname__, **shown}


def attributes_of(one: Any) -> dict[str, Any] | None:
    """What an object of a class in Python consists of; None for others, which know how they compare."""
    if type(one).__module__ in ("builtins", "datetime", "decimal", "fractions", "uuid", "pathlib", "enum", "re"):
        return None
    if isinstance(one, (type, Enum)):
        return None
    slots = [name for base in type(one).__mro__ for name in strings(vars(base).get("__slots__", ()))]
    named = {name: getattr(one, name) for name in slots if not name.startswith("__") and hasattr(one, name)}
    if not named and not hasattr(one, "__dict__"):
        return None
    return {**named, **getattr(one, "__dict__", {})}


def strings(slots: Any) -> Iterable[str]:
    return (slots,) if isinstance(slots, str) else tuple(slots)


def copied(one: Any) -> Any:
    try:
        return copy.deepcopy(one)
    except Exception as error:
        raise TypeError(
            f"effects hold {one!r:.80}, which cannot be copied ({error}): give effects=, a function that returns plain values"
        ) from error


# -- queues --------------------------------------------------------------------------------------------------------------


def contents_of_broker(broker: Broker) -> dict[str, Any]:
    """What its queues hold, by name, and its outbox where something is in it."""
    held: dict[str, Any] = {name: contents_of(queue) for name, queue in broker.queues.items()}
    outbox: Outbox = broker.outbox
    return {**held, "outbox": [sent_out(one) for one in outbox]} if outbox else held


def contents_of(queue: Queue[Any]) -> list[Any]:
    """Every message it holds, visible or not: of a FIFO queue in order, of another one in any, so by their texts."""
    core = queue._core
    queue.settle()
    records: list[Record] = [
        *core._fresh_records(),
        *(one.record for _, place in core.places() for one in place.values()),
    ]
    records.sort(key=lambda record: record[2])
    messages = [message_of(record, fifo=queue.fifo) for record in records]
    return messages if queue.fifo else sorted(messages, key=repr)


def message_of(record: Record, *, fifo: bool) -> Any:
    """Its body, decoded where it is JSON; with what it has beside it."""
    details, text = details_of(record), str(record[0])
    try:
        body = json.loads(text)
    except ValueError:
        body = text
    more = {"attributes": dict(details.attributes), "group": details.group}
    given = {name: value for name, value in more.items() if value}
    return {"body": body, **given} if given else body


def sent_out(one: Outgoing) -> dict[str, Any]:
    return {"protocol": one.protocol, "to": one.to, "subject": one.subject, "body": one.body}


# -- how two differ ------------------------------------------------------------------------------------------------------


def differing(expected: Any, found: Any) -> tuple[str, ...]:
    """In words, where two looks differ, the first few places; nothing where they do not."""
    if expected == found:
        return ()
    lines = list(places(expected, found, "effects"))
    more = len(lines) - MOST_SHOWN
    return (*lines[:MOST_SHOWN], f"and {more} more differences") if more > 0 else tuple(lines)


def places(expected: Any, found: Any, path: str) -> Iterator[str]:
    if expected is found or (expected != expected and found != found):  # not a number
        return
    if isinstance(expected, dict) and isinstance(found, dict):
        yield from places_by_key(expected, found, path)
    elif isinstance(expected, list) and isinstance(found, list):
        wanted, had = (dict(enumerate(one)) for one in (expected, found))
        yield from places_by_key(wanted, had, path)
    elif isinstance(expected, set) and isinstance(found, set):
        for one in sorted(expected - found, key=repr):
            yield f"{path}: {short(one)} is missing"
        for one in sorted(found - expected, key=repr):
            yield f"{path}: {short(one)} is too much"
    elif expected != found:
        yield f"{path}: {short(expected)} expected, {short(found)} found"


def places_by_key(expected: dict[Any, Any], found: dict[Any, Any], path: str) -> Iterator[str]:
    for key in {**expected, **found}:
        where = f"{path}[{key!r}]"
        if key not in found:
            yield f"{where}: {short(expected[key])} is missing"
        elif key not in expected:
            yield f"{where}: {short(found[key])} is too much"
        else:
            yield from places(expected[key], found[key], where)


def short(one: Any) -> str:
    text = repr(one)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."
