"""What a publisher hands in, checked: everything that can be wrong with it is found here, before any state is touched."""

from __future__ import annotations

from collections.abc import Mapping
from types import EllipsisType
from typing import TYPE_CHECKING, Any, NamedTuple

from decouple.attributes import check_attributes, size_of
from decouple.bodies import check_text, text_of
from decouple.core.records import Details
from decouple.entries import check_id, check_system, deduplication_id_for
from decouple.errors import MessageTooLarge
from decouple.lineage import traced

if TYPE_CHECKING:
    from decouple.attributes import Value
    from decouple.topic import Topic

__all__ = ["Checked", "Publish", "checked"]

LONGEST_SUBJECT = 99


class Publish(NamedTuple):
    """One message of a batch, where it needs more than a body. `body` may be left out where `per_protocol` has a default."""

    body: Any = ...
    subject: str | None = None
    attributes: Mapping[str, Value] | None = None
    group: str | None = None
    deduplication_id: str | None = None
    per_protocol: Mapping[str, str] | None = None
    system: Mapping[str, str] | None = None


class Checked(NamedTuple):
    """A message as a topic takes it. size: UTF-8 bytes of the largest body and the attributes."""

    text: str
    details: Details | None
    subject: str | None
    bodies: Mapping[str, str] | None
    size: int


def checked(entry: Publish, topic: Topic) -> Checked:
    """The message as the topic takes it. Raises TypeError, ValueError, MessageTooLarge."""
    bodies = None if entry.per_protocol is None else check_per_protocol(entry.per_protocol)
    text = default_text(entry.body, bodies)
    attributes = {} if entry.attributes is None else check_attributes(entry.attributes, float("inf"), of_topic=True)
    system = traced({} if entry.system is None else check_system(entry.system))
    group = None if entry.group is None else check_id("group", entry.group)
    if topic.fifo:
        if group is None:
            raise ValueError(f"group is missing: FIFO topic {topic.name!r} keeps the order within each group")
        identity: str | None = deduplication_id_for(text, entry.deduplication_id, topic._settings, topic.name, "topic")
    else:
        identity = None
        if entry.deduplication_id is not None:
            raise ValueError(
                f"deduplication_id is for FIFO topics, and {topic.name!r} is a standard topic: leave it out"
            )
    size = max(map(length, [text, *(bodies or {}).values()])) + (size_of(attributes) if attributes else 0)
    if size > topic.max_message_size:
        raise MessageTooLarge(topic.name, size=size, limit=topic.max_message_size, kind="topic")
    details = Details(attributes, system, group, deduplication_id=identity) if attributes or system or group else None
    subject = None if entry.subject is None else check_subject(entry.subject)
    return Checked(text, details, subject, bodies, size)


def default_text(body: Any, bodies: Mapping[str, str] | None) -> str:
    """The text for every protocol that has none of its own (SNS: the key "default")."""
    default = None if bodies is None else bodies.get("default")
    if isinstance(body, EllipsisType):
        if default is None:
            raise TypeError('body is missing: give one, or per_protocol={"default": ...}')
        return check_text(default) if default else ""  # allowed, as for single protocols
    if default is not None:
        raise TypeError('body and per_protocol["default"] are the same thing: give one of them')
    return text_of(body)


def check_per_protocol(bodies: Mapping[str, str]) -> dict[str, str]:
    """Texts by protocol; unknown protocols are no error, as in SNS."""
    if not isinstance(bodies, Mapping):
        raise TypeError(f"per_protocol must be a mapping of protocols to texts, not {bodies!r:.80}")
    for protocol, text in bodies.items():
        if not isinstance(protocol, str) or not isinstance(text, str):
            raise TypeError(f"per_protocol has texts by protocol, not {protocol!r}: {text!r:.60}")
        if text:  # an empty one is allowed, and says that there is nothing to say
            check_text(text)
    return dict(bodies)


def check_subject(subject: str) -> str:
    """Up to 99 characters in one line."""
    if not isinstance(subject, str):
        raise TypeError(f"subject must be text, not {subject!r}")
    if not 1 <= len(subject) <= LONGEST_SUBJECT:
        raise ValueError(f"a subject has 1 to {LONGEST_SUBJECT} characters, not {len(subject)}: {subject!r:.60}")
    if any(ord(character) < 32 or ord(character) in (127, 0x85, 0x2028, 0x2029) for character in subject):
        raise ValueError(f"a subject is one line without control characters, unlike {subject!r}")
    if not subject.isprintable() and any("\ud800" <= character <= "\udfff" for character in subject):
        raise ValueError(f"a subject must encode to UTF-8, unlike {subject!r}, which has a lone surrogate")
    return subject


def length(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())
