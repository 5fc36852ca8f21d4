"""What a queue is founded on: its lock, its state machine and its kinds of message, which engines have in their own ways."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from decouple.core.fifo import Fifo
from decouple.core.machine import Machine
from decouple.core.settings import Settings
from decouple.core.standard import Standard
from decouple.desk import Desk
from decouple.generic import T
from decouple.message import FifoMessage, Message, TypedFifoMessage, TypedMessage
from decouple.reporting import Reporter
from decouple.tags import Tags, check_tags

if TYPE_CHECKING:
    from decouple.core.changes import Change
    from decouple.queue import Queue
    from decouple.shelves import Shelf

__all__ = ["Founding"]

# by: FIFO, typed
MESSAGES = {
    (False, False): Message,
    (False, True): TypedMessage,
    (True, False): FifoMessage,
    (True, True): TypedFifoMessage,
}


class Founding(Desk[T]):
    """What a kind of queue may have in a way of its own, and what it is given where it outlives the process."""

    _messages: Mapping[tuple[bool, bool], Any] = MESSAGES
    _shelf: Shelf | None = None  # where its declaration is kept
    _home: object = None  # the engine within which a message can be moved in one transaction; None for memory
    _tags: Tags

    def _make_lock(self) -> threading.Lock:
        return threading.Lock()

    def _make_core(self, settings: Settings, **terms: Any) -> Machine:
        """The state machine."""
        kind: Callable[..., Machine] = Fifo if self.fifo else Standard
        if self._faults is not None:
            from decouple.core.faulty import FaultyFifo, FaultyStandard  # here, because only tests have faults
            from decouple.mishaps.handlers import pause_after_receives

            kind = partial(FaultyFifo if self.fifo else FaultyStandard, faults=self._faults)
            pause_after_receives(self._queue, self._faults)
        return kind(self.name, settings, **terms)

    def _make_reporter(self) -> Reporter[Change]:
        """What tells its observers."""
        return Reporter(self._core.log, self._lock)

    @property
    def _queue(self) -> Queue[T]:
        queue: Any = self
        return queue  # type: ignore[no-any-return]

    def _keep(self) -> None:
        """Where what is declared outlives the process: keep it as it is now."""
        if self._shelf is not None:
            from decouple.keeping import keep

            keep(self._shelf, self._queue)

    def _is_gone(self) -> bool:
        """Whether another process has deleted it, and maybe made another of that name."""
        return False

    def _set_up(self, settings: Settings, tags: Tags, policy: Mapping[str, Any] | None) -> None:
        """Have what it was declared with in another process."""
        with self._lock:
            self._core._adopt(settings)
            self._queue._adopt(settings)
            self._tags = check_tags(tags)
        if policy is not None:
            from decouple.permissions import set_policy

            set_policy(self._queue, policy)

    def _type(self, body: type[Any]) -> None:
        """Have bodies of this type from now on, in a queue that was restored as one of text."""
        from decouple.codecs import codec_for

        with self._lock:
            self._codec = codec_for(body)
            make: Any = self._messages[self.fifo, True]
            self._make = self._core.make = make
            self._queue._adopt(self._core.settings)
