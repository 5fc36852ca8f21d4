"""Errors that nobody awaited, in a simulation: whose they were, and how they are told."""

from __future__ import annotations

import asyncio
from typing import Any, TypeVar

__all__ = ["lost_error", "noted", "raise_lost"]

E = TypeVar("E", bound=BaseException)


def lost_error(context: dict[str, Any]) -> Exception:
    """An error that nobody awaited, with a note of whose it was."""
    error: Exception = context["exception"]
    task = context.get("task") or context.get("future")
    whose = f"task {task.get_name()!r}, which nobody awaited" if isinstance(task, asyncio.Task) else context["message"]
    error.add_note(f"raised in the simulation: {whose}")
    return error


def noted(error: E, lost: list[Exception]) -> E:
    """The error, which says what else there is."""
    for one in lost:
        error.add_note(f"besides, nobody awaited {type(one).__name__}: {one}")
    return error


def raise_lost(lost: list[Exception]) -> None:
    """Raises them, if there are any."""
    if lost:
        raise lost[0] if len(lost) == 1 else ExceptionGroup("errors that nobody awaited", lost)
