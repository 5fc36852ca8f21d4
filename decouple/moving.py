"""Between two queues: bringing what departs to its target, and handing a message on to the next stage of a chain.

A move is three steps, because nobody may hold two queue locks: it is marked at the source (core/moves.py), delivered
here, and then finished, or undone when the target refuses. Whoever is interrupted in between leaves the move at the
source, and the next operation there brings it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from decouple.core.records import PLAIN, Details, details_of
from decouple.entries import checked, deduplication_id_for
from decouple.errors import DecoupleError, NotInFlight, QueueClosed
from decouple.large_bodies import Pointer
from decouple.message import Entry, Message, MovedSent, Sent, sequence_of
from decouple.mishaps.effects import WATCHED, about, done
from decouple.receipts import GONE, seq_of
from decouple.settings import same_time

if TYPE_CHECKING:
    from decouple.core.places import Move
    from decouple.queue import Queue

__all__ = ["bring", "carry", "check_target", "entry_for", "hand_on"]


def carry(queue: Queue[Any]) -> None:
    """Bring everything that departs from `queue` to its target, whoever marked it."""
    while bring(queue, lambda now: queue._core.next_move()) is not None:
        pass


def bring(queue: Queue[Any], pick: Callable[[int], Move | None]) -> Move | None:
    """Bring the move that `pick` names, called under the lock, to its target; None when it names none.

    Interrupted, it is nobody's again, and can be brought again.
    """
    core, lock = queue._core, queue._lock
    move: Move | None = None
    try:
        with lock:
            move = pick(queue._now())
            if move is not None:
                move.claimed = True
        if move is None:
            return None
        if core.log:
            queue._tell()  # that it departs is told before anybody can tell that it arrived
        if not move.arrived and move.refusal is None:
            try:
                move.target.deliver(move)
            except DecoupleError as error:
                move.refusal = error
        if move.arrived and move.target._core.log:
            move.target._tell()  # that it has arrived is told, or written down, before it is gone here
        with lock:
            now = queue._now()
            if move.arrived:
                core.finish(now, move)
                replaced = move.delivery.record[0] if move.entry is not None else None
            else:
                replaced = None
                core.undo(now, move, str(move.refusal))
            queue._lobby.serve(now)
        if isinstance(replaced, Pointer) and move.entry is not None and move.entry[0] is not replaced:
            replaced.remove()
    except BaseException:
        if move is not None:
            move.claimed = False
        raise
    return move


def check_target(queue: Queue[Any], to: Any, verb: str) -> None:
    """Whether messages of `queue` can go there at all. Raises TypeError, ValueError."""
    if to is queue:
        raise ValueError(f"queue {queue.name!r} cannot be {verb} to itself")
    if not isinstance(to, queue.__class__):
        raise TypeError(f"to must be a Queue, not {to!r}")
    if queue._home is not None and to._home is not queue._home:
        raise ValueError(
            f"queue {to.name!r} lives in another broker than {queue.name!r}, and a move is one transaction: "
            f"send it there, and acknowledge it here"
        )
    if not same_time(queue.clock, to.clock):
        raise ValueError(f"queue {to.name!r} is on another clock than {queue.name!r}: make both with the same clock=")


def entry_for(message: Message[Any], to: Queue[Any], changes: Entry) -> tuple[str, Details | None, int]:
    """The message as `to` would take it, with what `changes` has in place of its own; `...` leaves the body as it is.

    Checked like a send: raises TypeError, ValueError, MessageTooLarge, BodyNotDecoded, QueueClosed.
    """
    if to.closed:
        raise QueueClosed(to.name)
    details, same = details_of(message.record), changes.body is ...
    stored = message.record[0]
    identity = changes.deduplication_id
    if to.fifo and identity is None and not to._core.settings.content_based_deduplication:
        identity = details.deduplication_id or message.id
    elif to.fifo and identity is None and same and isinstance(stored, Pointer):
        identity = deduplication_id_for(message.text, None, to._core.settings, to.name)  # of the body, not the pointer
    entry = changes._replace(
        body=stored if same else changes.body,
        deduplication_id=identity,
        attributes=details.attributes if changes.attributes is None else changes.attributes,
        group=details.group if changes.group is None else changes.group,
        system=details.system,
    )
    # Text that goes on as it is was encoded already: another type's queue must be able to read it.
    found = checked(entry, to._core.settings, None if same else to._codec, to.name, to.fifo)
    if same and isinstance(stored, Pointer):
        return stored, found[1], found[2]  # the body stays where it is kept
    if same:
        to._decode(found[0])
    return found


def hand_on(message: Message[Any], to: Queue[Any], changes: Entry, keep_id: bool) -> Sent:
    """See Message.move."""
    queue = message.owner
    check_target(queue, to, "moved")
    if WATCHED:
        about(f"a move to queue {to.name!r}")
    seq = seq_of(queue, message)
    text, details, delay = entry_for(message, to, changes)
    if keep_id:
        details = (details or PLAIN)._replace(id=message.id)
    core = queue._core

    def departs(now: int) -> Move:
        queue._check_current(now, seq, message)
        delivery = core._current(now, seq)
        move = None if delivery is None else core.depart(now, delivery, to, entry=(text, details, delay))
        if move is None or core.moving.get(seq) is not move:
            raise NotInFlight(queue.name, id=message.id, why=GONE)
        return move

    try:
        move = bring(queue, departs)
    finally:
        queue._follow_up()
    assert move is not None
    if move.refusal is not None:
        raise move.refusal
    if WATCHED:
        done(f"a move to queue {to.name!r}")
    assert move.id is not None
    sent = MovedSent()
    sent._stem = move.id[:-12]
    sent._seq = int(move.id[-12:], 16)
    sent._sequence = sequence_of(move.seq) if to.fifo else None
    return sent
