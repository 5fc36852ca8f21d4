"""The handling half of a Queue: what a broker's workers do for it. A queue knows its broker by one hook, `_employer`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from decouple.desk import Desk
from decouple.errors import NeedsBroker
from decouple.generic import T

if TYPE_CHECKING:
    from decouple.runner import Runner

__all__ = ["Handling"]


class Handling(Desk[T]):
    """What needs a broker's workers."""

    _employer: Any = None

    def _runner(self, what: str) -> Runner:
        """The broker's workers. Raises NeedsBroker."""
        if self._employer is None:
            raise NeedsBroker(f"{what} of queue {self.name!r}")
        runner: Runner = self._employer._workers()
        return runner
