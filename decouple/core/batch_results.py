"""What a handler's answer says of its batch: which messages failed, by AWS's table for ReportBatchItemFailures.

- None, "", [], {}, an object without batchItemFailures, or with null or [] there: the whole batch succeeded.
- {"batchItemFailures": [{"itemIdentifier": id}, ...]}: those failed, the others succeeded.
- Anything else (no object, no list, an entry without itemIdentifier, "" or null as id, an id that is not in the batch): the
  whole batch failed.

Source: Lambda developer guide, "Using Lambda with Amazon SQS", "Success and failure conditions"; recorded answers.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NamedTuple, cast

__all__ = ["Verdict", "read_answer"]


class Verdict(NamedTuple):
    """failed: the ids of the messages that failed; wrong: why the answer cannot be read, then all of them failed."""

    failed: frozenset[str]
    wrong: str | None = None


SUCCESS = Verdict(frozenset())


def read_answer(answer: Any, ids: Collection[str]) -> Verdict:
    """The verdict on a batch of messages with these ids. Never raises. Cost: O(failures + ids)."""
    if answer is None or (answer.__class__ in (str, list, tuple, dict) and not answer):
        return SUCCESS
    if not isinstance(answer, dict):
        return total(ids, f"the answer must be an object or null, not {answer!r:.80}")
    failures = cast("dict[str, Any]", answer).get("batchItemFailures")
    if failures is None:
        return SUCCESS
    if not isinstance(failures, (list, tuple)):
        return total(ids, f"batchItemFailures must be a list, not {failures!r:.80}")
    return read_failures(cast("list[Any]", failures), ids)


def read_failures(failures: list[Any], ids: Collection[str]) -> Verdict:
    known = frozenset(ids)
    found: set[str] = set()
    for entry in failures:
        if not isinstance(entry, dict) or "itemIdentifier" not in entry:
            return total(ids, f"an entry of batchItemFailures must be {{'itemIdentifier': id}}, not {entry!r:.80}")
        identity = cast("dict[str, Any]", entry)["itemIdentifier"]
        if not isinstance(identity, str) or not identity:
            return total(ids, f"itemIdentifier must be the id of a message, not {identity!r:.80}")
        if identity not in known:
            return total(ids, f"itemIdentifier {identity!r:.80} is no message of the batch")
        found.add(identity)
    return Verdict(frozenset(found))


def total(ids: Collection[str], wrong: str) -> Verdict:
    return Verdict(frozenset(ids), wrong)
