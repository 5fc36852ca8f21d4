"""Between two queues: carrying what departs, and redrive, which sends back what is dead once its cause is mended.

A move is three steps, because nobody may hold two queue locks: it is marked at the source (core/moves.py), delivered
here, and then finished, or undone when the target refuses.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from decouple.errors import DecoupleError

if TYPE_CHECKING:
    from decouple.core.places import Move
    from decouple.message import Message
    from decouple.queue import Queue

__all__ = ["MoveTask", "carry", "redrive"]


class MoveTask(NamedTuple):
    """What became of a redrive: how many messages were moved, how many their target refused, how many are left here."""

    moved: int
    failed: int
    remaining: int

    def wait(self) -> MoveTask:
        """Itself: the moves are over when `redrive` returns."""
        return self

    def cancel(self) -> int:
        """How many were moved; nothing is left to cancel."""
        return self.moved


def carry(queue: Queue[Any]) -> None:
    """Bring everything that departs from `queue` to its target, whoever marked it. Interrupted, it can be done again."""
    core, lock = queue._core, queue._lock
    while True:
        move: Move | None = None
        try:
            with lock:
                move = core.next_move()
                if move is not None:
                    move.claimed = True
            if move is None:
                return
            refusal = None
            try:
                if not move.arrived:
                    move.target.deliver(move)
            except DecoupleError as error:
                refusal = str(error)
            with lock:
                now = queue.clock.now()
                if refusal is None:
                    core.finish(now, move)
                else:
                    core.undo(now, move, refusal)
                queue._lobby.serve(now)
        except BaseException:
            if move is not None:
                move.claimed = False
            raise


def redrive(queue: Queue[Any], to: Queue[Any] | None, where: Callable[[Message[Any]], object] | None) -> MoveTask:
    """See Queue.redrive. `where` is the user's, so it runs while no lock is held."""
    queue._unfold()
    letters = [letter for letter in queue.peek(queue.stats().visible) if where is None or where(letter)]
    moves: list[Move] = []
    for letter in letters:
        target = to if to is not None else letter.source
        if target is not None:
            move = queue._depart(letter, target)
            moves += [] if move is None else [move]
    moved = sum(move.arrived for move in moves)
    return MoveTask(moved=moved, failed=len(moves) - moved, remaining=queue.stats().visible)
