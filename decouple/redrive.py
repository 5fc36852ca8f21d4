"""Redrive: what is dead is sent back, as new messages, once its cause is mended."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from decouple.core.standard import Move
    from decouple.message import Message
    from decouple.queue import Queue

__all__ = ["MoveTask", "redrive"]


@attrs.frozen
class MoveTask:
    """What became of a redrive: how many messages were moved, how many their target refused, how many stayed."""

    moved: int
    failed: int
    remaining: int

    def wait(self) -> MoveTask:
        """Itself: the moves are over when `redrive` returns."""
        return self

    def cancel(self) -> int:
        """How many were moved; nothing is left to cancel."""
        return self.moved


def redrive(queue: Queue[Any], to: Queue[Any] | None, where: Callable[[Message[Any]], object] | None) -> MoveTask:
    """See Queue.redrive. `where` is the user's, so it runs while no lock is held."""
    queue._unfold()
    letters = queue.peek(max(1, queue.stats().visible))
    moves: list[Move] = []
    for letter in letters:
        target = to if to is not None else letter.source
        if target is not None and (where is None or where(letter)):
            move = queue._depart(letter, target)
            moves += [] if move is None else [move]
    moved = sum(move.arrived for move in moves)
    return MoveTask(moved=moved, failed=len(moves) - moved, remaining=queue.stats().visible)
