"""Capabilities: what an engine can do, declared so that asking for more is an error early, and proved by its tests.

A record of plain values, weakest first: what an engine does not name it does not have. `decouple.testing.check_queue` and
`check_topic` hold an engine to its record in both directions: what is declared must be so, and what is not must not.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

__all__ = ["MEMORY", "Capabilities"]


class Capabilities(NamedTuple):
    """What an engine can do. Durations in seconds, sizes in bytes.

    fifo: "exact" order and blocking by group, all groups side by side; "partitioned": order and blocking, and groups share
    a fixed number of lanes; "none". dedup: a deduplication id counts once in five minutes. fences_stale_receipts: a receipt
    of a FIFO queue whose time is over changes nothing. attempts: a FIFO receive can be asked for again. parks_groups:
    on_poison="park", groups() and release().

    survives: the loss of "nothing", the "process", the machine up to its "disk", or also a "replica"; shared: by the threads
    of a "process", by processes of a "machine", over the "network". longest_delay: of one message, 0 for none; largest_body:
    None for whatever memory holds; resolution: the grain of all durations, 0 for nanoseconds.

    complete_receives: a receive finds all there is, oldest first, rather than a sample; exact_counts: visible, in flight and
    delayed are exact when they are read; books: totals, ages and check(); peek: looking without receiving, and redrives
    that choose, edit and copy; caps_in_flight: max_in_flight; reasons: dead letters say why they are; replays: FIFO
    topics with an archive; fair: a group on a standard queue is a tenant, and a busy one does not delay the others.
    """

    fifo: Literal["none", "partitioned", "exact"] = "none"
    dedup: bool = False
    fences_stale_receipts: bool = False
    attempts: bool = False
    parks_groups: bool = False
    survives: Literal["nothing", "process", "disk", "replica"] = "nothing"
    shared: Literal["process", "machine", "network"] = "process"
    longest_delay: float = 0
    largest_body: int | None = 262_144
    resolution: float = 1
    complete_receives: bool = False
    exact_counts: bool = False
    books: bool = False
    peek: bool = False
    caps_in_flight: bool = False
    reasons: bool = False
    replays: bool = False
    fair: bool = False


MEMORY = Capabilities(
    fifo="exact",
    dedup=True,
    fences_stale_receipts=True,
    attempts=True,
    parks_groups=True,
    longest_delay=900,
    largest_body=None,
    resolution=0,
    complete_receives=True,
    exact_counts=True,
    books=True,
    peek=True,
    caps_in_flight=True,
    reasons=True,
    replays=True,
    fair=True,
)
"""Of memory://."""
