"""What the records of a journal mean: each is one change of one queue, complete enough to be repeated, or a state as it is.

    S   sent to a standard queue, visible at once, nothing but a body
    F   the same of a FIFO queue, with its group and deduplication id
    M   a message as it is now: sent with more to it, moved in, or written again when an old segment is cleaned
    T   a transition of a message that is here: received, visible again, deleted, ...
    E   what happens to a queue as a whole: a group parked or released, all forgotten, the queue deleted
    Q   a queue: its number here, its name, what its ids start with and the next number of a message

All state is absolute (the count, the instant it ends), so a record that was written twice says the same twice. Instants are
nanoseconds since 1970. The records of what is no message, P and D, are the shelf's (stores/shelf_records.py).
"""

from __future__ import annotations

import json
from struct import Struct
from typing import Any

from decouple.core.changes import Change
from decouple.core.records import PLAIN, Details, details_of
from decouple.large_bodies import LargeBodies, Pointer
from decouple.stories.change_json import details_from, details_to

__all__ = [
    "CODES",
    "EVENT",
    "FIFO",
    "GONE",
    "HEAD",
    "MESSAGE",
    "QUEUE",
    "SENT",
    "STEP",
    "encode",
    "event",
    "fifo_sent",
    "message",
    "queue_head",
    "sent",
    "shown",
    "step",
    "text_from",
]

SENT, FIFO, MESSAGE, STEP, EVENT, QUEUE = b"SFMTEQ"
HEAD = Struct("<BIQQ")  # kind, queue, number of the message, instant
FIFO_HEAD = Struct("<BIQQHH")  # and how long group and deduplication id are
STEP_HEAD = Struct("<BIQQBQI")  # and the cause, until when (0: no end), how often received
MESSAGE_HEAD = Struct("<BII")  # kind, queue, how long the JSON is; the text follows it
EVENT_HEAD = Struct("<BI")

CAUSES = (
    "received", "given back", "visibility changed", "nacked", "expired", "delay ended", "delay changed", "moving",
    "refused", "moved", "deleted", "rejected", "retained out", "purged",
)  # fmt: skip
CODES = {cause: code for code, cause in enumerate(CAUSES)}
GONE = CODES["moved"]
"""From this code on a message is gone."""
OF_QUEUES = ("group parked", "group released")


# -- writing -----------------------------------------------------------------------------------------------------------


def sent(queue: int, seq: int, at: int, text: str) -> bytes:
    """A plain message was sent to a standard queue."""
    return HEAD.pack(SENT, queue, seq, at) + text.encode()


def fifo_sent(queue: int, seq: int, at: int, text: str, group: str, identity: str) -> bytes:
    """A plain message was sent to a FIFO queue."""
    one, other = group.encode(), identity.encode()
    return FIFO_HEAD.pack(FIFO, queue, seq, at, len(one), len(other)) + one + other + text.encode()


def step(queue: int, seq: int, at: int, code: int, until: int, count: int, more: Any = None) -> bytes:
    """A transition of a message that is here."""
    head = STEP_HEAD.pack(STEP, queue, seq, at, code, until, count)
    return head if more is None else head + json.dumps(more).encode()


def message(queue: int, terms: dict[str, Any], text: str, details: Details) -> bytes:
    """A message as it is: `terms` has seq, sent, place, at, and what else is not as it mostly is."""
    if details is not PLAIN:
        terms["details"] = details_to(details)
    if isinstance(text, Pointer):
        store: Any = text.bodies.store  # a FolderStore: others are refused when a queue is declared
        terms["large"] = [store.folder, text.bodies.threshold, text.key, text.size]
    written = json.dumps(terms, separators=(",", ":")).encode()
    return MESSAGE_HEAD.pack(MESSAGE, queue, len(written)) + written + text.encode()


def event(queue: int, what: list[Any]) -> bytes:
    """Something happened to a queue as a whole."""
    return EVENT_HEAD.pack(EVENT, queue) + json.dumps(what).encode()


def queue_head(queue: int, terms: dict[str, Any]) -> bytes:
    """There is a queue: its name, stem and next number."""
    return EVENT_HEAD.pack(QUEUE, queue) + json.dumps(terms).encode()


def encode(queue: int, epoch: int, change: Change) -> bytes | None:
    """A change as the journal has it; None for one that leaves everything where it was.

    epoch: what makes an instant of the queue's clock, which the change's record has, one since 1970.
    """
    cause, record = change.cause, change.record
    code = CODES.get(cause)
    if code is not None and change.seq is not None:
        return step(queue, change.seq, change.at, code, change.until or 0, change.receives, more_of(change))
    if cause in OF_QUEUES:
        return event(queue, [cause, change.reason])
    arrives = cause in ("sent", "moved in") or change.injects
    if not arrives or record is None:
        return None
    details, seq = details_of(record), record[2]
    if cause == "sent" and change.until is None and len(record) == 3 and not isinstance(record[0], Pointer):
        return sent(queue, seq, change.at, record[0])
    if cause == "sent" and change.until is None and plain_fifo(record[0], details):
        return fifo_sent(queue, seq, change.at, record[0], details.group or "", details.deduplication_id or "")
    terms: dict[str, Any] = {"seq": seq, "sent": record[1] + epoch, "at": change.at}
    if change.until is not None:
        terms |= {"place": "delayed", "until": change.until}
    elif cause != "sent" or (details.group and details.deduplication_id is None):  # a tenant's, in a standard queue
        terms["place"] = "again"
    if cause == "moved in":
        terms |= {"count": change.receives, "from": [change.other, change.origin or change.id]}
    return message(queue, terms, record[0], details)


def plain_fifo(text: str, details: Details) -> bool:
    """Whether a message of a FIFO queue has nothing beside its body, group and deduplication id."""
    alone = Details(group=details.group, deduplication_id=details.deduplication_id)
    return (
        details.group is not None
        and details.deduplication_id is not None
        and details == alone
        and text.__class__ is str
    )


def more_of(change: Change) -> Any:
    """What else is to be kept of a transition: why its last handler gave it back."""
    failure = None if change.record is None else details_of(change.record).failure
    return None if failure is None or CODES[change.cause] >= GONE else {"failure": list(failure)}


# -- reading -----------------------------------------------------------------------------------------------------------


def text_from(text: str, large: Any) -> str:
    """The body, or the pointer to it."""
    if large is None:
        return text
    folder, threshold, key, size = large
    pointer = Pointer(text)
    pointer.bodies, pointer.key, pointer.size, pointer.text = LargeBodies(folder, threshold=threshold), key, size, ""
    return pointer


def shown(payload: bytes) -> str:
    """A record in words, for people who look into a journal."""
    kind = payload[0]
    if kind == SENT:
        _, queue, seq, at = HEAD.unpack_from(payload)
        return f"queue {queue} message {seq} sent at {at}: {payload[HEAD.size :].decode()!r:.60}"
    if kind == FIFO:
        _, queue, seq, at, one, other = FIFO_HEAD.unpack_from(payload)
        rest = payload[FIFO_HEAD.size :].decode()
        return f"queue {queue} message {seq} sent at {at} to group {rest[:one]!r}: {rest[one + other :]!r:.60}"
    if kind == STEP:
        _, queue, seq, at, code, until, count = STEP_HEAD.unpack_from(payload)
        end = f" until {until}" if until else ""
        return f"queue {queue} message {seq} {CAUSES[code]} at {at}{end}, received {count} times"
    if kind == MESSAGE:
        _, queue, size = MESSAGE_HEAD.unpack_from(payload)
        terms = payload[MESSAGE_HEAD.size : MESSAGE_HEAD.size + size].decode()
        return f"queue {queue} message {terms}: {payload[MESSAGE_HEAD.size + size :].decode()!r:.60}"
    _, queue = EVENT_HEAD.unpack_from(payload)
    word = {EVENT: "", QUEUE: " is "}.get(kind)
    if word is None:
        return f"a record of a kind that is not known, {payload[:1]!r}, {len(payload)} bytes"
    return f"queue {queue}{word} {payload[EVENT_HEAD.size :].decode()}"


def details_of_terms(terms: dict[str, Any]) -> Details:
    """What a message has beyond its body."""
    found = terms.get("details")
    return PLAIN if found is None else details_from(found)
