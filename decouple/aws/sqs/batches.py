"""Batches: what is wrong with all of one, and what becomes of each entry."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from decouple.aws.errors import ServiceError
from decouple.aws.sqs import SQS

if TYPE_CHECKING:
    from decouple.aws.service import Answer

__all__ = ["check_entries", "each", "failure", "results"]

MOST = 10
ID = re.compile(r"[A-Za-z0-9_-]{1,80}", re.ASCII)


def check_entries(entries: list[dict[str, Any]], operation: str) -> list[dict[str, Any]]:
    """The entries, if there are 1 to 10 with ids that differ. Raises ServiceError."""
    if not entries:
        raise SQS.error("EmptyBatchRequest", f"There should be at least one {operation}RequestEntry in the request.")
    if len(entries) > MOST:
        raise SQS.error(
            "TooManyEntriesInBatchRequest",
            f"Maximum number of entries per request are {MOST}. You have sent {len(entries)}.",
        )
    seen: set[str] = set()
    for entry in entries:
        identity = entry.get("Id") or ""
        if not ID.fullmatch(identity):
            raise SQS.error(
                "InvalidBatchEntryId",
                "A batch entry id can only contain alphanumeric characters, hyphens and underscores. "
                "It can be at most 80 letters long.",
            )
        if identity in seen:
            raise SQS.error("BatchEntryIdsNotDistinct", f"Id {identity} repeated.")
        seen.add(identity)
    return entries


def each(entries: list[dict[str, Any]], act: Callable[[dict[str, Any]], None]) -> Answer:
    """Do it to every entry, whatever becomes of the others."""
    done: list[dict[str, Any]] = []
    failed: list[dict[str, Any]] = []
    for entry in entries:
        try:
            act(entry)
            done.append({"Id": entry["Id"]})
        except ServiceError as error:
            failed.append(failure(entry, error))
    return results(done, failed)


def failure(entry: dict[str, Any], error: ServiceError) -> dict[str, Any]:
    """An entry that failed."""
    return {"Id": entry["Id"], "SenderFault": error.sender, "Code": error.code, "Message": error.message}


def results(done: list[dict[str, Any]], failed: list[dict[str, Any]]) -> Answer:
    """The answer, whose lists are left out where they are empty (SQS)."""
    answer: Answer = {}
    if done:
        answer["Successful"] = done
    if failed:
        answer["Failed"] = failed
    return answer
