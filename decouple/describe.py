"""The architecture as one document: what a broker has declared, as plain JSON types, and back.

Every setting is written, also where it is the default: a change then shows in a diff as one line with the old value and the
new, and the document means the same under a release with other defaults. Reading is kinder: what is left out has its
default. Settings are taken as `Queue.settings` shows them, so a new one comes by itself.

    {"version": 1, "queues": {"orders": {"visibility_timeout": 30, ..., "body": "Order", "tags": {}}}, "topics": {...}}

Queues are here, topics in describe_topics.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, Protocol, TypeAlias, cast

from decouple.core.settings import Settings
from decouple.describe_targets import Targets
from decouple.describe_topics import TOPIC_KEYS, subscribe_all, topic_entry
from decouple.documents import VERSION, parsed, sections
from decouple.errors import DecoupleError, InvalidDescription, QueueError
from decouple.large_bodies import FolderStore, LargeBodies
from decouple.queue import Queue
from decouple.topic import Topic

__all__ = ["declare", "describe"]

KEYS = ("fifo", *Settings._fields, "body", "tags", "policy")
"""What a queue's entry may hold. A setting stands after those that it needs."""

KINDS = {"queues": KEYS, "topics": TOPIC_KEYS}
"""The sections."""

Types: TypeAlias = Mapping[str, type[Any]]


# -- writing -------------------------------------------------------------------------------------------------------


def describe(queues: Mapping[str, Queue[Any]], topics: Mapping[str, Topic]) -> dict[str, Any]:
    """The document of these queues and topics, by name. Raises QueueError, TopicError."""
    document: dict[str, Any] = {
        "version": VERSION,
        "queues": {name: entry_of(queue, queues) for name, queue in sorted(queues.items())},
    }
    if topics:  # a section more only where it is needed: a release that knows queues alone reads the rest
        document["topics"] = {name: topic_entry(topic, queues) for name, topic in sorted(topics.items())}
    return document


def entry_of(queue: Queue[Any], queues: Mapping[str, Queue[Any]]) -> dict[str, Any]:
    target = queue.dead_letter
    if target is not None and queues.get(target.name) is not target:
        raise QueueError(
            f"queue {queue.name!r} has a dead-letter queue {target.name!r} that is not this broker's, so no description "
            f"holds both: make it with broker.queue({target.name!r})",
            queue=queue.name,
        )
    settings = {name: plain(value, f"{queue.name}.{name}") for name, value in queue.settings.items()}
    tags = dict(sorted(queue.tags.items()))
    return {"fifo": queue.fifo, **settings, "body": queue.body_type.__name__, "tags": tags, "policy": queue.policy}


def plain(value: Any, where: str) -> Any:
    """A setting in JSON types: a queue by its name, what has no order in order."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, Queue):
        return value.name
    if isinstance(value, LargeBodies):
        return folder_of(value, where)
    if isinstance(value, Mapping):
        items = cast("Mapping[str, Any]", value).items()
        return {name: plain(inner, f"{where}.{name}") for name, inner in sorted(items)}
    if isinstance(value, (list, tuple)):
        return [plain(inner, where) for inner in cast("Iterable[Any]", value)]
    if isinstance(value, (set, frozenset)):
        return sorted(plain(inner, where) for inner in cast("Iterable[Any]", value))
    raise TypeError(f"{where} holds a {type(value).__name__}, which a description cannot: {value!r:.80}")


def folder_of(bodies: LargeBodies, where: str) -> dict[str, Any]:
    """A store of large bodies, which only a folder's path can stand for."""
    if not isinstance(bodies.store, FolderStore):
        raise TypeError(
            f"{where} is a store of its own making, which a description cannot hold: only a folder's path can"
        )
    return {"folder": bodies.store.folder, "threshold": bodies.threshold}


# -- reading -------------------------------------------------------------------------------------------------------


class Declares(Protocol):
    """A broker."""

    @property
    def queue(self) -> Callable[..., Queue[Any]]: ...
    @property
    def topic(self) -> Callable[..., Topic]: ...


def declare(broker: Declares, description: Any, types: Types, targets: Targets) -> None:
    """Declare at the broker what the document holds, dead-letter queues before those that use them, topics last."""
    document = parsed(description) if isinstance(description, str) else description
    entries, topics = sections(document, KINDS)
    for name in types:
        if name not in entries:
            raise InvalidDescription(f"queues.{name}", why="types names a queue that is not in the description")
    declaration = Declaration(broker.queue, entries, types, {})
    for name in entries:
        declaration.declare(name)
    for name in entries:
        declaration.allow(name)
    try:
        subscribe_all(broker.topic, topics, declaration.done, targets)
    except RecursionError:
        raise InvalidDescription("topics", why="it is nested too deep") from None


class Declaration(NamedTuple):
    """Declares the queues of a document in whatever order they need."""

    queue: Callable[..., Queue[Any]]
    entries: Mapping[str, Mapping[str, Any]]
    types: Types
    done: dict[str, Queue[Any]]

    def declare(self, name: str) -> None:
        """Queue `name`, after the dead-letter queues it leads to."""
        chain: list[str] = []
        step: Any = name
        while step is not None and step not in self.done:
            if step in chain:
                cycle = " -> ".join((*chain[chain.index(step) :], step))
                raise InvalidDescription(
                    f"queues.{chain[-1]}.dead_letter", why=f"dead-letter queues must not form a cycle: {cycle}"
                )
            chain.append(step)
            step = self.entries[step].get("dead_letter")
            if step is not None and (not isinstance(step, str) or step not in self.entries):
                raise InvalidDescription(
                    f"queues.{chain[-1]}.dead_letter", why=f"there is no queue {step!r:.80} in the description"
                )
        for each in reversed(chain):
            self.done[each] = self.made(each)

    def made(self, name: str) -> Queue[Any]:
        path, entry = f"queues.{name}", self.entries[name]
        given = {key: entry[key] for key in KEYS if key in entry}
        given["body"] = self.body_type(name, entry.get("body", "str"))
        if given.get("dead_letter") is not None:
            given["dead_letter"] = self.done[given["dead_letter"]]
        policy = given.pop("policy", None)
        given.pop("redrive_allow", None)
        try:
            if given.get("large_bodies") is not None:
                given["large_bodies"] = bodies_of(given["large_bodies"])
            made = self.queue(name, **given)
            if policy is not None:
                given = {"policy": policy}
                made.policy = policy
            return made
        except (TypeError, ValueError, DecoupleError) as error:
            wrong, cause = culprit(name, given, error)
            raise InvalidDescription(f"{path}.{wrong}" if wrong else path, why=str(cause)) from cause

    def allow(self, name: str) -> None:
        """Say who may begin to use the queue for dead letters, when those who use it do so: they may have begun before."""
        allowed = self.entries[name].get("redrive_allow", "all")
        if allowed == "all":
            return
        try:
            self.done[name].configure(redrive_allow=allowed)
        except (TypeError, ValueError, DecoupleError) as error:
            raise InvalidDescription(f"queues.{name}.redrive_allow", why=str(error)) from error

    def body_type(self, name: str, wanted: Any) -> type[Any]:
        """The type of a queue's bodies: str, or the one of that name among the types given."""
        given = self.types.get(name, str)
        if getattr(given, "__name__", None) == wanted:
            return given
        mend = f"pass types={{{name!r}: ...}} with that type"
        has = "no type was given for it" if name not in self.types else f"the type given is {given!r}"
        raise InvalidDescription(f"queues.{name}.body", why=f"the queue's bodies are {wanted!r} and {has}: {mend}")


def culprit(name: str, given: Mapping[str, Any], error: Exception) -> tuple[str, Exception]:
    """The setting that makes a declaration fail, with its error; "" if it is none of them, as with a wrong name."""
    clock = getattr(given.get("dead_letter"), "clock", None)
    tried: dict[str, Any] = {}
    if "policy" in given:
        return "policy", error
    for key in ("", *KEYS):
        if key and key not in given:
            continue
        tried |= {key: given[key]} if key else {}
        try:
            Queue(name, clock=clock, **tried)
        except (TypeError, ValueError, DecoupleError) as found:
            return key, found
    return "", error


def bodies_of(entry: Any) -> LargeBodies:
    """A store of large bodies from its folder."""
    if not isinstance(entry, Mapping) or not {"folder"} <= {*cast("Mapping[str, Any]", entry)} <= {
        "folder",
        "threshold",
    }:
        raise TypeError(f"large_bodies must be {{'folder': path, 'threshold': bytes or None}}, not {entry!r:.80}")
    known = cast("Mapping[str, Any]", entry)
    return LargeBodies(known["folder"], threshold=known.get("threshold"))
