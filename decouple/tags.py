"""Tags: names and values that people hang on a queue, for themselves and their tools; nothing here acts on them.

A queue's tags are one read-only mapping, replaced as a whole by a change. A change that changes something is recorded as
`configured`, with all the tags as they are after it. Source: SQS API, TagQueue, UntagQueue; AWS tagging limits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias

from decouple.core.changes import Change

if TYPE_CHECKING:
    from decouple.queue import Queue

__all__ = ["Tags", "change_tags", "check_tags", "with_tags", "without_tags"]

Tags: TypeAlias = Mapping[str, str]

MOST = 50
LONGEST_KEY, LONGEST_VALUE = 128, 256
RESERVED = "aws:"


def check_tags(tags: Tags) -> Tags:
    """The tags as a read-only copy. Raises TypeError, ValueError."""
    if not isinstance(tags, Mapping):
        raise TypeError(f"tags must be a mapping of names to text, not {tags!r:.80}")
    for key, value in tags.items():
        if not isinstance(key, str) or not isinstance(value, str):
            raise TypeError(f"tags are text by name, not {key!r:.80}: {value!r:.80}")
        if not 1 <= len(key) <= LONGEST_KEY:
            raise ValueError(f"a tag's key has 1 to {LONGEST_KEY} characters, not {len(key)}: {key!r:.80}")
        if key.lower().startswith(RESERVED):
            raise ValueError(f"tag {key!r:.80}: keys that start with {RESERVED!r} are AWS's own, choose another one")
        if len(value) > LONGEST_VALUE:
            raise ValueError(f"tag {key!r:.80}: a value has up to {LONGEST_VALUE} characters, not {len(value)}")
        check_encodes(key, value)
    if len(tags) > MOST:
        raise ValueError(f"a queue has up to {MOST} tags, not {len(tags)}: untag some first")
    return MappingProxyType(dict(tags))


def check_encodes(key: str, value: str) -> None:
    try:
        f"{key}{value}".encode()
    except UnicodeEncodeError:
        raise ValueError(f"tag {key!r:.80} holds a lone surrogate, which UTF-8 cannot encode: {value!r:.80}") from None


def with_tags(tags: Tags | None, named: Tags) -> Callable[[Tags], Tags]:
    """The change that adds `tags` and `named`, over those of the same key. Raises TypeError, ValueError."""
    more = {**check_tags({} if tags is None else tags), **check_tags(named)}
    return lambda current: check_tags({**current, **more})


def without_tags(keys: Iterable[object]) -> Callable[[Tags], Tags]:
    """The change that removes these keys; those that are not there are no error. Raises TypeError."""
    gone = frozenset(keys)
    for key in gone:
        if not isinstance(key, str):
            raise TypeError(f"a tag's key is text, not {key!r:.80}")
    return lambda current: MappingProxyType({key: value for key, value in current.items() if key not in gone})


def change_tags(queue: Queue[Any], change: Callable[[Tags], Tags]) -> None:
    """Give `queue` the tags that `change` makes of those it has, with a record where that is another set."""
    core = queue._core
    try:
        with queue._lock:
            tags = change(queue._tags)
            if tags == queue._tags:
                return
            changes: tuple[Change, ...] = ()
            if core.listening:
                at = queue.clock.now() + core.epoch
                changes = (Change(cause="configured", queue=queue.name, at=at, settings={"tags": dict(tags)}),)
            # commit (no call in between, so no interrupt parts the tags from their record)
            queue._tags = tags
            core.log += changes
    finally:
        queue._follow_up()
    queue._keep()
