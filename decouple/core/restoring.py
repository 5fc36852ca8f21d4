"""Putting a queue's messages back where they were when it lived in another process.

The machine is new and empty, and nobody else has it yet. What came to its end in between (a lease, a delay, a retention) is
due now, and happens as it would have: at its own instant, by the next operation.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from itertools import count
from typing import TYPE_CHECKING, NamedTuple

from decouple.core.fifo import Fifo
from decouple.core.places import SHARED
from decouple.core.records import Record, group_of

if TYPE_CHECKING:
    from decouple.core.dedup import Key
    from decouple.core.machine import Machine

__all__ = ["Standing", "restore"]


class Standing(NamedTuple):
    """A message that is more than sent. place: "again", "leased" or "delayed"; instants are the clock's.

    due: since when it is visible, or until when it is not; received_at: when it was last; first: when it was first.
    """

    record: Record
    place: str
    due: int
    receives: int
    received_at: int
    first: int | None


def restore(machine: Machine, fresh: list[Record], others: Iterable[Standing], *, next_seq: int) -> None:
    """Fill a new machine: `fresh` are visible and were never received, in the order of sending. O(all * log others)."""
    machine._shut()
    machine.seqs = count(next_seq)
    machine.next_seq = machine.seqs.__next__
    standing = sorted(others, key=lambda one: (one.due, one.record[2]))
    for one in standing:
        stand(machine, one)
    machine.counts.sent_aside += len(standing)
    if isinstance(machine, Fifo):
        machine.fresh = {record[2]: record for record in fresh}
        machine.oldest.extend(record[2] for record in fresh)
        lined = [*fresh, *(one.record for one in standing)]
        machine.touched.extend(sorted(lined, key=lambda record: record[2]))
        machine._tidy()
        line_up(machine)
    else:
        machine.fresh.extend(fresh)
    machine.due = 0
    machine._open()


def line_up(machine: Fifo) -> None:
    """Let groups have their turns in the order in which their first messages became visible."""
    turns: list[tuple[int, int, str]] = []
    for name in machine.ring:
        group = machine._group(name)
        assert group is not None
        seq = group.line[group.head]
        since = machine.again[seq].due if seq in machine.again else machine.fresh[seq][1]
        turns.append((since, seq, name))
    machine.ring = deque(name for _, _, name in sorted(turns))


def stand(machine: Machine, one: Standing) -> None:
    """Put one message into its place."""
    record, seq = one.record, one.record[2]
    retired = record[1] + machine.retention
    past = (one.receives - 1, one.first, one.place != "delayed")
    if not isinstance(machine, Fifo) and group_of(record):
        machine._group()  # type: ignore[attr-defined]
    delivery = machine._new(record, one.received_at, one.due, past)
    machine.deadlines.push(retired, seq, live=1 << 62)
    if one.place == "again":
        machine.again[seq] = delivery
    else:
        machine.deadlines.push(min(one.due, retired), seq, live=1 << 62)
        place = machine.odd if one.place == "leased" else machine.delayed
        place[seq] = delivery
    if machine.grouped and not isinstance(machine, Fifo):
        machine.touched.append(record)
    if seq >= SHARED:
        raise ValueError(f"message {seq} has no number of its own queue")


def remember(machine: Fifo, seen: Iterable[tuple[int, int, Key]]) -> None:
    """What deduplication ids were used: when, the number of the message, under what it is remembered; oldest first."""
    for one in seen:
        if one[2] not in machine.seen:
            machine.seen[one[2]] = one
            machine.window.append(one)
