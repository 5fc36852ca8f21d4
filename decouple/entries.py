"""What a sender hands in, checked and as the engine takes it: text, details if there are any, delay.

Everything that can be wrong with a message is found here, before any state is touched.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from decouple.attributes import check_attributes, encodable, size_of
from decouple.bodies import text_of
from decouple.clock import nanoseconds
from decouple.core.records import Details
from decouple.errors import MessageTooLarge

if TYPE_CHECKING:
    from decouple.codecs import Codec
    from decouple.core.settings import Settings
    from decouple.message import Entry

__all__ = ["checked", "plain"]


def plain(bodies: list[Any], limit: int) -> bool:
    """Whether all bodies are text that needs no second look: ASCII, not empty, not too long."""
    for body in bodies:  # noqa: SIM110  # all() with a generator would cost as much again
        if body.__class__ is not str or not body.isascii() or not 0 < len(body) <= limit:
            return False
    return True


def checked(entry: Entry, settings: Settings, codec: Codec[Any] | None, queue: str) -> tuple[str, Details | None, int]:
    """The entry as the engine takes it. Raises TypeError, ValueError, MessageTooLarge."""
    text = text_of(entry.body) if codec is None else codec.text_of(entry.body)
    delay = settings.delay if entry.delay is None else nanoseconds(entry.delay, "delay", most=900)
    if entry.deduplication_id is not None:
        raise ValueError(f"deduplication_id is for FIFO queues, and {queue!r} is a standard queue: leave it out")
    attributes = {} if entry.attributes is None else check_attributes(entry.attributes)
    system = {} if entry.system is None else check_system(entry.system)
    group = check_group(entry.group)
    size = (len(text) if text.isascii() else len(text.encode())) + size_of(attributes)
    if size > settings.max_message_size:
        raise MessageTooLarge(queue, size=size, limit=settings.max_message_size)
    details = Details(attributes, system, group) if attributes or system or group else None
    return text, details, delay


def check_group(group: str | None) -> str | None:
    """A message group's id as AWS allows it: 1 to 128 printable ASCII characters without a space."""
    if group is None:
        return None
    if not isinstance(group, str):
        raise TypeError(f"group must be text, not {group!r}")
    if not 1 <= len(group) <= 128 or not all("!" <= character <= "~" for character in group):
        raise ValueError(f"group must be 1 to 128 letters, digits and punctuation marks, not {group!r:.80}")
    return group


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
