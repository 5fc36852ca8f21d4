"""The engine of `Broker("sqlite:///jobs.db")`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from decouple.clock import Clock

if TYPE_CHECKING:
    from decouple.engine import Engine

__all__ = ["open_database"]


def open_database(path: str, clock: Clock, **options: Any) -> Engine:
    """Not there yet."""
    raise NotImplementedError
