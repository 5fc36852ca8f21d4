"""The settings of a topic at the door: what users say in seconds, checked, in the engine's own terms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, TypedDict

from decouple.clock import Seconds, nanoseconds
from decouple.core.settings import SECOND
from decouple.numbers import whole
from decouple.settings import check_queue_name

if TYPE_CHECKING:
    from decouple.subscribing import Subscribing

__all__ = ["GivenTopicSettings", "TopicSettings", "check_topic_name", "read_topic_settings", "shown_topic_setting"]

LONGEST_NAME = 256
LEAST_SIZE, MOST_SIZE = 1_024, 1_048_576


class TopicSettings(NamedTuple):
    """archive: nanoseconds."""

    content_based_deduplication: bool = False
    deduplication_scope: str = "topic"
    max_message_size: int = 262_144
    archive: int | None = None


class GivenTopicSettings(TypedDict, total=False):
    """What `Topic(...)` and `broker.topic(...)` take."""

    content_based_deduplication: bool
    deduplication_scope: str
    max_message_size: int
    archive: Seconds | None


def check_topic_name(name: str, fifo: bool | None) -> str:
    """A name AWS would accept. Raises InvalidName, TypeError."""
    return check_queue_name(name, fifo, "topic", LONGEST_NAME)


def read_topic_settings(topic: Subscribing, given: Mapping[str, Any]) -> TopicSettings:
    """The settings in the engine's terms. Raises TypeError, ValueError."""
    plain = TopicSettings()
    unknown = [name for name in given if name not in plain._fields]
    if unknown:
        raise TypeError(f"{unknown[0]!r} is not a setting of a topic; there are {', '.join(plain._fields)}")
    settings = plain._replace(**given)
    if not isinstance(settings.content_based_deduplication, bool):
        raise ValueError(f"content_based_deduplication must be True or False, not {settings[0]!r}")
    scope = "messageGroup" if settings.deduplication_scope == "message_group" else settings.deduplication_scope
    if scope not in ("topic", "messageGroup"):
        raise ValueError(f"deduplication_scope must be 'topic' or 'messageGroup', not {scope!r}")
    whole(settings.max_message_size, "max_message_size", LEAST_SIZE, MOST_SIZE, " bytes")
    archive = None if settings.archive is None else nanoseconds(settings.archive, "archive", least=1)
    for name in ("content_based_deduplication", "deduplication_scope", "archive"):
        if not topic.fifo and getattr(settings, name) != getattr(plain, name):
            raise ValueError(f"{name} is for FIFO topics, and {topic.name!r} is a standard topic: leave it out")
    return settings._replace(deduplication_scope=scope, archive=archive)


def shown_topic_setting(name: str, value: Any) -> Any:
    """A setting as users gave it: seconds."""
    if name != "archive" or value is None:
        return value
    return value // SECOND if value % SECOND == 0 else value / SECOND
