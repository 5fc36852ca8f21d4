"""QueueStats: the numbers of one queue as a frozen record."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from decouple.core.settings import SECOND

if TYPE_CHECKING:
    from decouple.core.fifo import Fifo
    from decouple.core.machine import Machine

__all__ = ["GroupStats", "QueueStats", "groups_of", "stats_of"]


class QueueStats(NamedTuple):
    """What is in a queue now, and what has gone through it. Ages in seconds.

    survives: "nothing", or the loss of what the messages survive, "process", "disk".

    sent + moved_in + injected = deleted + retained_out + purged + rejected + moved_out + moving + visible + in_flight + delayed.
    """

    visible: int
    in_flight: int
    delayed: int
    moving: int
    oldest_age: float | None
    parked: int
    sent: int
    received: int
    deleted: int
    expired: int
    nacked: int
    given_back: int
    retained_out: int
    purged: int
    rejected: int
    moved_in: int
    moved_out: int
    refused: int
    empty_receives: int
    duplicates: int
    injected: int
    survives: str = "nothing"


def stats_of(core: Machine, now: int) -> QueueStats:
    """The numbers after settling what is due; the caller holds the lock. Cost: O(messages that are not fresh)."""
    numbers, oldest = core.balance(now)
    counts = core.counts
    return QueueStats(
        visible=numbers["visible"],
        in_flight=numbers["in_flight"],
        delayed=numbers["delayed"],
        moving=numbers["moving"],
        oldest_age=None if oldest is None else (now - oldest) / SECOND,
        parked=len(core.parked),
        sent=numbers["accepted"] - counts.moved_in - counts.injected,
        received=core.taken - counts.fresh_gone + counts.redelivered,
        deleted=numbers["deleted"],
        expired=counts.expired,
        nacked=counts.nacked,
        given_back=counts.given_back,
        retained_out=counts.retained_out,
        purged=counts.purged,
        rejected=counts.rejected,
        moved_in=counts.moved_in,
        moved_out=counts.moved_out,
        refused=counts.refused,
        empty_receives=counts.empty_receives,
        duplicates=counts.duplicates,
        injected=counts.injected,
        survives=core.survives,
    )


class GroupStats(NamedTuple):
    """One group of a FIFO queue.

    visible, in_flight: how many messages; parked: set aside until `release(group)`; blocker: the id of the message
    in flight or delayed that the group waits behind, or for which it was set aside, None if there is none; blocked_for:
    seconds since that was received (or sent, if delayed); receives: how often the blocker was received.
    """

    group: str
    visible: int
    in_flight: int
    parked: bool
    blocker: str | None
    blocked_for: float | None
    receives: int


def groups_of(core: Fifo, now: int) -> list[GroupStats]:
    """The groups, those blocked for longest first; the caller holds the lock. Cost: O(messages)."""
    groups: list[GroupStats] = []
    for view in core.views(now):
        one = view.blocker
        identity, seconds, receives = (
            (None, None, 0)
            if one is None
            else (
                core.id_of(one.record),
                (now - (one.received_at if one.times_received else one.record[1])) / SECOND,
                one.times_received,
            )
        )
        groups.append(GroupStats(view.id, view.visible, view.in_flight, view.parked, identity, seconds, receives))
    return sorted(groups, key=lambda group: -(group.blocked_for or 0))
