"""The books of a queue: where every message that came is now, and whether the state contradicts itself.

The doors must be shut and what is due settled, as Standard.balance and Standard.audit see to.
"""

from __future__ import annotations

from collections.abc import Iterator

from decouple.core.places import Places

__all__ = ["faults_of", "numbers_of", "oldest_sent"]


def oldest_sent(state: Places) -> int | None:
    """When the oldest message here was sent. Cost: O(messages not fresh)."""
    eldest = state._eldest()
    first = [] if eldest is None else [eldest[1]]
    return min([*first, *(one.record[1] for _, place in state.places() for one in place.values())], default=None)


def numbers_of(state: Places) -> dict[str, int]:
    """Every message that came and where it is: `accepted` is the sum of the others. Cost: O(1)."""
    counts = state.counts
    return {
        "accepted": state.taken + len(state.fresh) + counts.sent_aside + counts.moved_in + counts.injected,
        "deleted": state.deleted,
        "retained_out": counts.retained_out,
        "purged": counts.purged,
        "rejected": counts.rejected,
        "moved_out": counts.moved_out,
        "moving": len(state.moving),
        "visible": state.visible,
        "in_flight": state.in_flight,
        "delayed": len(state.delayed),
    }


def faults_of(state: Places) -> Iterator[str]:
    """Each internal invariant that does not hold, in words. Cost: O(messages)."""
    seen: dict[int, str] = {record[2]: "fresh" for record in state._fresh_records()}
    scheduled = state.deadlines.entries()
    if len(seen) != len(state.fresh):
        yield "a record is twice in fresh"
    for where, place in state.places():
        for seq, delivery in place.items():
            retired = delivery.record[1] + state.retention
            if seq in seen:
                yield f"message {seq} is in {seen[seq]} and in {where}"
            if delivery.record[2] != seq:
                yield f"message {delivery.record[2]} is filed as {seq} in {where}"
            if where in ("odd", "delayed") and (min(delivery.due, retired), seq) not in scheduled:
                yield f"message {seq} in {where} has no deadline in the heap"
            if (where == "again" or delivery.kept) and (retired, seq) not in scheduled:
                yield f"message {seq} in {where} has no retention in the heap"
            seen[seq] = where
    for seq in state.moving:
        if seq in seen:
            yield f"message {seq} is moving and in {seen[seq]}"
    dues = [delivery.due for page in (*state.older, state.leased) for delivery in page.values()]
    if dues != sorted(dues):
        yield "the deadlines in the lane are out of order"
    if dues and dues[-1] > state.lane_end:
        yield "a deadline in the lane is later than the lane's end"
    if state.due > state._next_at():
        yield f"due {state.due} is later than the next deadline {state._next_at()}"
    if state.parked and state.deliverable and state.max_receivable() > 0:
        yield f"{len(state.parked)} receives are parked while {state.visible} messages are visible"
    yield from state.own_faults()
