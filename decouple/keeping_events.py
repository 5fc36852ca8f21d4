"""What a shelf has of a function's events: each from its `send` until it has ended well or was given up.

An event is here before `send` returns, and whoever begins an attempt writes that down first. So a process that finds it
begun by one that is gone counts that attempt as failed: an event that kills its process is given up after its retries, as
any other that fails. It is tried again at once, because most processes die of something else. Of an attempt that is
under way its token tells whose it is: a process that was taken for dead does not end what another one has begun again.

Instants are nanoseconds since 1970.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from decouple.asynchronous import Accepted
from decouple.clock import random_bytes
from decouple.errors import FunctionFailed, StorageError

if TYPE_CHECKING:
    from decouple.function import Function
    from decouple.shelves import Shelf

__all__ = ["KeptEvents"]


class KeptEvents:
    """The events of one function."""

    def __init__(self, shelf: Shelf, function: Function) -> None:
        self.shelf = shelf
        self.kind = f"event:{function.name}"
        self._function = function
        self._epoch = function.clock.epoch

    def put(self, event: Accepted) -> None:
        """Keep an event that is accepted. Raises StorageError."""
        event.key, event.token = self._function.new_request_id(), random_bytes(8).hex()
        accepted = event.accepted_at + self._epoch
        self.shelf.put(
            self.kind,
            event.key,
            {
                "id": event.request_id,
                "event": event.text,
                "lineage": dict(event.lineage),
                "accepted_at": accepted,
                "at": accepted,
                "attempts": 0,
                "begun": False,
                "error": None,
                "token": event.token,
            },
        )

    def begin(self, event: Accepted) -> bool:
        """An attempt is about to begin; False if it is not this event's any more, or its send was undone. Raises StorageError."""
        return self._change(event, {"begun": True})

    def rest(self, event: Accepted, at: int) -> bool:
        """It comes again at that instant of the clock; False if somebody else has it."""
        changes = {"begun": False, "attempts": event.attempts, "at": at + self._epoch, "error": words_of(event.last)}
        return self._told(event, changes, "after a restart it may be tried too early")

    def drop(self, event: Accepted) -> None:
        """It has come to its end."""
        self._told(event, None, "after a restart it runs again")

    def together(self) -> AbstractContextManager[None]:
        """What follows is one step, where the engine has those."""
        return self.shelf.together()

    def take(self, key: str, value: Mapping[str, Any]) -> None:
        """Go on with an event of a process that is gone."""
        function, runner = self._function, self._function._runner
        value = self.shelf.get(self.kind, key)
        if value is None or runner is None:
            return
        event = Accepted(function, runner, value["event"], value["id"], value["lineage"])
        event.kept, event.key, event.token = self, key, random_bytes(8).hex()
        event.accepted_at = value["accepted_at"] - self._epoch
        event.attempts, event.cut = value["attempts"] + value["begun"], value["begun"]
        error = ("ProcessDied", "the process ended while it ran") if event.cut else value["error"]
        if error is not None:
            event.last = FunctionFailed(function.name, error_type=error[0], text=error[1])
        at = 0 if event.cut else value["at"] - self._epoch
        self.shelf.put(self.kind, key, {**value, "attempts": event.attempts, "begun": False, "token": event.token})
        with function._lock:
            function._pending += 1
        runner.put(event, at)

    def _told(self, event: Accepted, changes: Mapping[str, Any] | None, otherwise: str) -> bool:
        """A change that must not undo what has happened already: where it cannot be kept, that is said aloud."""
        try:
            return self._change(event, changes)
        except StorageError as error:
            import logging  # here, because most programs never need it

            logging.getLogger("decouple").warning(
                "what became of event %s of function %r could not be kept, so %s: %s",
                event.request_id, self._function.name, otherwise, error,
            )  # fmt: skip
            return True

    def _change(self, event: Accepted, changes: Mapping[str, Any] | None) -> bool:
        """Change the record, or drop it, in one step; False if there is none, or another's."""
        while True:
            value = self.shelf.get(self.kind, event.key)
            if value is None or value["token"] != event.token:
                return False
            if self.shelf.swap(self.kind, event.key, value, None if changes is None else {**value, **changes}):
                return True


def words_of(error: BaseException | None) -> list[str] | None:
    """The class and the text of an error, also of one that came from another process."""
    if isinstance(error, FunctionFailed):
        return [error.error_type, error.text]
    return None if error is None else [type(error).__name__, str(error)[:500]]
