"""What a queue keeps of a message: a record while it waits, a delivery once it has been received.

A record is a plain tuple `(text, sent_at, seq)`, with a `Details` at the end for a message that has more than a
body, or `(text, sent_at, seq, group, deduplication_id)` for one of a FIFO queue that has no more than that. Tuples of plain
values are not tracked by the garbage collector, so a backlog of a million messages costs a full collection 16 ms where
slotted objects cost 142-243 ms, and 64 bytes each where they cost 96. State of its own is made at the first receive: the
Delivery, which is also the handle the receiver holds.

`seq` numbers a message within its queue, in the order of sending; ids and receipts are made from it when asked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, NamedTuple, TypeAlias

__all__ = [
    "EPOCH",
    "PLAIN",
    "Delivery",
    "Details",
    "Failure",
    "Past",
    "Record",
    "details_of",
    "group_of",
    "new_delivery",
    "with_details",
]


class Failure(NamedTuple):
    """Why a message is dead, or why its last handler gave it back.

    error: the exception's type as `module.Name`, or a word for what was not an exception; text: its message;
    traceback: as Python prints it, or ""; attempts: how often the message had been received by then.
    """

    error: str
    text: str
    traceback: str
    attempts: int


NOTHING: Mapping[str, Any] = MappingProxyType({})


class Details(NamedTuple):
    """What a message has beyond its body. `id` only where it is not the queue's own (a dead letter keeps its id).

    brought: how often it had been received in other queues before it was moved here.
    """

    attributes: Mapping[str, Any] = NOTHING
    system: Mapping[str, str] = NOTHING
    group: str | None = None
    id: str | None = None
    source: Any = None
    failure: Failure | None = None
    brought: int = 0
    deduplication_id: str | None = None

    def __hash__(self) -> int:
        return hash(
            (self.group, self.id, self.source, self.failure, self.brought, self.deduplication_id)
        )  # without what has no hash

    def __reduce__(self) -> tuple[Any, ...]:
        return Details, (dict(self.attributes), dict(self.system), *self[2:])  # NOTHING cannot be pickled


PLAIN = Details()
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Record: TypeAlias = tuple[str, int, int] | tuple[str, int, int, Details] | tuple[str, int, int, str, str]

# how often it was received before this delivery; the instant of the first receive; whether the heap knows its retention
Past: TypeAlias = tuple[int, int | None, bool]


def details_of(record: Record) -> Details:
    """What the record has beyond its body; PLAIN for most."""
    if len(record) == 5:
        return Details(group=record[3], deduplication_id=record[4])
    return record[3] if len(record) == 4 else PLAIN


def group_of(record: Record) -> str:
    """The message group; "" where there is none."""
    if len(record) == 5:
        return record[3]
    return details_of(record).group or ""


def with_details(record: Record, **changes: Any) -> Record:
    """The same record with some details changed."""
    return (record[0], record[1], record[2], details_of(record)._replace(**changes))


class Delivery:
    """One message on its way: the state a queue keeps of it, and the handle its receiver holds.

    `due` is the instant its present state ends or began: the end of its time in flight or of its delay; once it
    is visible again, the instant it became so. A message has one Delivery per receive; an old one keeps its own
    receipt and count.
    """

    # Six slots and no weak reference: 80 bytes, and every one of a million messages in flight has them.
    __slots__ = ("due", "owner", "past", "received_at", "record", "settled")

    # No __init__: a call of it costs 130 ns of a receive, filling the slots in place 30. `new_delivery` is for all others.
    owner: Any
    record: Record
    received_at: int
    due: int
    past: Past | None
    settled: bool

    @property
    def times_received(self) -> int:
        """How often the message has been received, this delivery included."""
        return 1 if self.past is None else self.past[0] + 1

    @property
    def kept(self) -> bool:
        """Whether the heap knows when the message outlives the queue's retention; it does once it has come back."""
        return self.past is not None and self.past[2]

    @property
    def first_received(self) -> int:
        """The instant of the first receive."""
        return self.received_at if self.past is None or self.past[1] is None else self.past[1]


# Makes the handle for a delivery: Delivery itself, or the caller's subclass of it.
Make: TypeAlias = Callable[[], Delivery]


def new_delivery(make: Make, owner: Any, record: Record, received_at: int, due: int, past: Past | None) -> Delivery:
    """A delivery with its slots filled."""
    delivery = make()
    delivery.owner = owner
    delivery.record = record
    delivery.received_at = received_at
    delivery.due = due
    delivery.past = past
    delivery.settled = False
    return delivery
