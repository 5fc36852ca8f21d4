"""Telling observers of all queues of a database in one order: what happened in one transaction is told as it happened."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from decouple.core.changes import Change
from decouple.reporting import Reporter, tell

if TYPE_CHECKING:
    from decouple.engines.gate import Gate

__all__ = ["Voice", "Voices"]


class Voice:
    """The observers of one queue, as its Reporter is to it elsewhere."""

    __slots__ = ("observers", "report")

    def __init__(self, report: Callable[[], None]) -> None:
        self.observers: tuple[Callable[[Change], object], ...] = ()
        self.report = report


class Voices:
    """Those of all queues, by name; one log, one order."""

    def __init__(self, gate: Gate) -> None:
        self.by_name: dict[str, Voice] = {}
        self.log = gate.log
        self._reporter: Reporter[Any] = Reporter(gate.log.told, gate)  # type: ignore[arg-type]  # a gate locks, too
        self._reporter.observers = (self._tell,)

    def of(self, name: str) -> Voice:
        """A new one."""
        voice = self.by_name[name] = Voice(self._reporter.report)
        return voice

    def _tell(self, change: Change) -> None:
        voice = self.by_name.get(change.queue)
        if voice is not None:
            for observer in voice.observers:
                tell(observer, change)
