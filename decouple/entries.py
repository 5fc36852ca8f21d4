"""What a sender hands in, checked and as the engine takes it: text, details if there are any, delay.

Everything that can be wrong with a message is found here, before any state is touched.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from decouple.attributes import check_attributes, encodable, size_of
from decouple.bodies import text_of
from decouple.clock import nanoseconds
from decouple.core.records import Details
from decouple.errors import MessageTooLarge
from decouple.lineage import traced

if TYPE_CHECKING:
    from decouple.codecs import Codec
    from decouple.core.settings import Settings
    from decouple.message import Entry
    from decouple.topic_settings import TopicSettings

__all__ = ["check_id", "checked", "deduplication_id_for", "fitted", "plain"]


def plain(bodies: list[Any], limit: int) -> bool:
    """Whether all bodies are text that needs no second look: ASCII, not empty, not too long."""
    for body in bodies:  # noqa: SIM110  # all() with a generator would cost as much again
        if body.__class__ is not str or not body.isascii() or not 0 < len(body) <= limit:
            return False
    return True


def checked(
    entry: Entry, settings: Settings, codec: Codec[Any] | None, queue: str, fifo: bool
) -> tuple[str, Details | None, int]:
    """The entry as the engine takes it. Raises TypeError, ValueError, MessageTooLarge."""
    text = text_of(entry.body) if codec is None else codec.text_of(entry.body)
    delay = settings.delay if entry.delay is None else nanoseconds(entry.delay, "delay", most=900)
    if entry.deduplication_id is not None and not fifo:
        raise ValueError(f"deduplication_id is for FIFO queues, and {queue!r} is a standard queue: leave it out")
    attributes = {} if entry.attributes is None else check_attributes(entry.attributes)
    system = traced({} if entry.system is None else check_system(entry.system))
    group = None if entry.group is None else check_id("group", entry.group)
    ordered = fifo_details(entry, settings, queue, text, attributes, system) if fifo else None
    text = fitted(text, attributes, settings, queue)
    if ordered is not None:
        return text, ordered, settings.delay
    details = Details(attributes, system, group) if attributes or system or group else None
    return text, details, delay


def fitted(text: str, attributes: Mapping[str, Any], settings: Settings, queue: str) -> str:
    """The text that stands in the queue: itself, or a pointer to where a large body is kept. Raises MessageTooLarge."""
    size = (len(text) if text.isascii() else len(text.encode())) + size_of(attributes)
    if settings.large_bodies is not None and size > settings.large_bodies.limit(settings.max_message_size):
        text = settings.large_bodies.pointer(text)
        size = len(text) + size_of(attributes)
    if size > settings.max_message_size:
        raise MessageTooLarge(queue, size=size, limit=settings.max_message_size)
    return text


def fifo_details(
    entry: Entry, settings: Settings, queue: str, text: str, attributes: dict[str, Any], system: dict[str, str]
) -> Details:
    """A FIFO message has a group and a deduplication id, and no delay of its own (0 is taken for the queue's, as in SQS)."""
    if entry.delay is not None and nanoseconds(entry.delay, "delay"):
        raise ValueError(
            f"a message of FIFO queue {queue!r} has no delay of its own, not {entry.delay!r}: use the queue's"
        )
    if entry.group is None:
        raise ValueError(f"group is missing: FIFO queue {queue!r} keeps the order within each group")
    identity = deduplication_id_for(text, entry.deduplication_id, settings, queue)
    return Details(attributes, system, entry.group, deduplication_id=identity)


def deduplication_id_for(
    text: str, given: str | None, settings: Settings | TopicSettings, name: str, kind: str = "queue"
) -> str:
    """The id given, or where it is made from the content the SHA-256 of the body. Raises TypeError, ValueError."""
    if given is not None:
        return check_id("deduplication_id", given)
    if not settings.content_based_deduplication:
        raise ValueError(
            f"deduplication_id is missing: FIFO {kind} {name!r} does not make it from the body; "
            f"give one, or declare the {kind} with content_based_deduplication=True"
        )
    identity: str = sha256()(text.encode()).hexdigest()
    return identity


@cache
def sha256() -> Any:
    from hashlib import sha256 as made  # here, because standard queues never need it

    return made


def check_id(name: str, value: str) -> str:
    """A group's or deduplication id as AWS allows it: 1 to 128 printable ASCII characters without a space."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be text, not {value!r}")
    if not (0 < len(value) <= 128 and value.isascii() and value.isprintable() and " " not in value):
        raise ValueError(f"{name} must be 1 to 128 letters, digits and punctuation marks, not {value!r:.80}")
    return value


def check_system(system: Mapping[str, str]) -> dict[str, str]:
    """System attributes: names and values are text."""
    if not isinstance(system, Mapping):
        raise TypeError(f"system must be a mapping of names to text, not {system!r}")
    for name, value in system.items():
        if not isinstance(name, str) or not isinstance(value, str):
            raise TypeError(f"system attributes are text by name, not {name!r}: {value!r}")
        if not name or not value:
            raise ValueError(f"system attribute {name!r} must not be empty: leave it out")
        encodable(name, name + value)
    return dict(system)
