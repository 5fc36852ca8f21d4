"""A message as a row of the database, and back."""

from __future__ import annotations

import json
from typing import Any

from decouple.core.records import PLAIN, Details, Failure, Record
from decouple.large_bodies import LargeBodies, Pointer, pointer_at
from decouple.stories.change_json import details_from, details_to

__all__ = ["COLUMNS", "details_in", "more_of", "record_in", "with_failure"]

COLUMNS = "id, visible_at, state, sent_at, count, received_at, first_at, brought, line, grp, dedup, more, body"
LARGE = "large_body_in"
OWN = ("group", "deduplication_id", "brought")


def more_of(details: Details, text: str) -> str | None:
    """What has no column of its own, as JSON text; None for nothing."""
    large = isinstance(text, Pointer)
    if not (details.attributes or details.system or details.id or details.source or details.failure or large):
        return None
    found = details_to(details)
    if isinstance(text, Pointer):
        found[LARGE] = getattr(text.bodies.store, "folder", "")
    for name in OWN:
        found.pop(name, None)
    return json.dumps(found, ensure_ascii=False) if found else None


def details_in(row: tuple[Any, ...], source: Any) -> Details:
    """What a message has beyond its body; `source` finds a queue by its name."""
    brought, group, identity, more = row[7], row[9], row[10], row[11]
    if more is None:
        return PLAIN._replace(group=group, brought=brought, deduplication_id=identity)
    found: dict[str, Any] = json.loads(more)
    found.pop(LARGE, None)
    if "source" in found:
        found["source"] = source(found["source"])
    return details_from(found)._replace(group=group, brought=brought, deduplication_id=identity)


def record_in(row: tuple[Any, ...], seq: int, epoch: int, source: Any, bodies: LargeBodies | None) -> Record:
    """The record of a row; instants of the process's own clock."""
    if row[11] is not None and LARGE in row[11] and (folder := json.loads(row[11]).get(LARGE)) is not None:
        if bodies is None or getattr(bodies.store, "folder", "") != folder:
            bodies = LargeBodies(folder)  # it was sent under another setting
        return pointer_at(row[12], bodies), row[3] - epoch, seq, details_in(row, source)
    if row[11] is None and row[9] is None and row[10] is None and not row[7]:
        return row[12], row[3] - epoch, seq
    return row[12], row[3] - epoch, seq, details_in(row, source)


def with_failure(more: str | None, failure: Failure) -> str:
    """The same with why its last handler gave it back."""
    found: dict[str, Any] = {} if more is None else json.loads(more)
    found["failure"] = list(failure)
    return json.dumps(found, ensure_ascii=False)
