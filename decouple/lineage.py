"""Lineage: how often each function ran on the way to an event, by which loops are found.

While a handler runs, what it sends carries the lineage of its run, in AWS's form a part of the trace header of a message
(system attribute AWSTraceHeader). A function that ran 16 times on the way is not begun again. Source: Lambda developer
guide, "Use Lambda recursive loop detection to prevent infinite loops".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from types import MappingProxyType

__all__ = [
    "LINEAGE",
    "MOST_TURNS",
    "NO_LINEAGE",
    "RUNS",
    "TRACE",
    "Lineage",
    "after",
    "mark_of",
    "merged",
    "read_lineage",
    "trace_header",
    "traced",
]

Lineage = Mapping[str, int]
"""Runs by the mark of the function."""

NO_LINEAGE: Lineage = MappingProxyType({})
LINEAGE: ContextVar[Lineage] = ContextVar("lineage", default=NO_LINEAGE)
"""Of the run whose handler this is."""
RUNS: list[bool] = []
"""Not empty once any function was run: a send asks for its lineage only then, which costs it 0.1 us."""
MOST_TURNS = 16
TRACE = "AWSTraceHeader"
"""The system attribute of messages and notifications that holds it."""
PART = "Lineage="


def mark_of(name: str) -> str:
    """Eight hexadecimal digits for a function."""
    from zlib import crc32  # here, because only functions need it

    return f"{crc32(name.encode()):08x}"


def after(lineage: Lineage, mark: str) -> Lineage:
    """The lineage of a run of that function."""
    RUNS[:] = (True,)
    return {**lineage, mark: lineage.get(mark, 0) + 1}


def merged(lineages: Iterable[Lineage]) -> Lineage:
    """That of a batch: of each function the most runs that led to one of its messages."""
    most: dict[str, int] = {}
    for lineage in lineages:
        for mark, count in lineage.items():
            most[mark] = max(count, most.get(mark, 0))
    return most


def trace_header(lineage: Lineage, header: str = "") -> str:
    """A trace header with that lineage in place of what it had. Source: X-Ray developer guide, "Tracing header"."""
    parts = [part for part in header.split(";") if part and not part.startswith(PART)]
    marks = "|".join(f"{mark}:{count}" for mark, count in lineage.items())
    return ";".join([*parts, PART + marks]) if marks else ";".join(parts)


def traced(system: dict[str, str]) -> dict[str, str]:
    """The system attributes of what is sent now: in a handler, with the lineage of its run."""
    lineage = LINEAGE.get()
    return {**system, TRACE: trace_header(lineage, system.get(TRACE, ""))} if lineage else system


def read_lineage(header: str | None) -> Lineage:
    """The lineage in a trace header; none where there is none, or it cannot be read."""
    _, found, rest = (header or "").partition(PART)
    if not found:
        return NO_LINEAGE
    counts: dict[str, int] = {}
    for entry in rest.partition(";")[0].split("|"):
        mark, _, count = entry.rpartition(":")
        if mark and count.isdecimal():
            counts[mark] = int(count)
    return counts
