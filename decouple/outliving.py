"""What a broker has beside its queues that outlives the process, where its engine has a shelf; made when it is asked for."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from decouple.clock import Clock

if TYPE_CHECKING:
    from decouple.adopting import Adopting
    from decouple.declaring import Declaring
    from decouple.declaring_schedules import Shelved
    from decouple.engine import Engine
    from decouple.idempotent import IdempotencyStore
    from decouple.staff import Staff

__all__ = ["Outliving"]


class Outliving:
    """A part of Declaring."""

    clock: Clock
    _engine: Engine
    _lock: threading.Lock
    _idempotency: IdempotencyStore | None = None
    _adopting: Adopting | None = None
    _kept_schedules: Shelved | None = None

    def _employed(self) -> Staff:
        """See Declaring."""
        raise NotImplementedError

    @property
    def _declaring(self) -> Declaring:
        declaring: Any = self
        return declaring  # type: ignore[no-any-return]

    @property
    def idempotency(self) -> IdempotencyStore:
        """The store for idempotent(...) whose keys survive what its queues survive; processes that share them share it."""
        from decouple.idempotent import MemoryStore
        from decouple.shelf_store import ShelfStore

        with self._lock:
            if self._idempotency is None:
                shelf = self._engine.shelf
                self._idempotency = MemoryStore(clock=self.clock) if shelf is None else ShelfStore(shelf, self.clock)
            return self._idempotency

    def _looks(self) -> Adopting:
        """What takes over the work of processes that are gone, where the engine has a shelf."""
        made = False
        with self._lock:
            if self._adopting is None:
                from decouple.adopting import Adopting  # here, because in memory nothing outlives its process

                shelf = self._engine.shelf
                assert shelf is not None
                self._adopting = Adopting(shelf, self._employed().runner, self.clock)
                made = True
            adopting = self._adopting
        if made:
            from decouple.resuming_moves import adopt_tasks

            adopt_tasks(self._declaring, adopting)
        return adopting

    @property
    def _shelved(self) -> Shelved:
        """The schedules that outlive the process, where the engine has a shelf."""
        from decouple.declaring_schedules import Shelved

        with self._lock:
            if self._kept_schedules is None:
                assert self._engine.shelf is not None
                self._kept_schedules = Shelved(self._declaring, self._engine.shelf)
            return self._kept_schedules
