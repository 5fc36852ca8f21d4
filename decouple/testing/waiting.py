"""Who waits for what in a simulation, in words."""

from __future__ import annotations

import asyncio
import linecache
import os
from collections.abc import Iterator
from types import FrameType
from typing import Any

import decouple
from decouple.intake import JobPark
from decouple.queue import Queue
from decouple.testing.loop import SimulatedLoop

__all__ = ["frames", "tasks_of", "where", "who_waits"]

NOT_THEIRS = tuple(os.path.dirname(os.path.abspath(module.__file__ or "")) + os.sep for module in (asyncio, decouple))
LONGEST_LINE = 100


def who_waits(loop: SimulatedLoop) -> list[str]:
    """Every task that has not ended and where it stands, then the workers' receives; each in the order they were made."""
    parks = [
        (park, wait.who()) for wait in loop.clock.waits if (park := getattr(wait.who, "__self__", None)) is not None
    ]
    parked = {getattr(park, "_task", None): words for park, words in parks}
    return [*(stands(task, parked.get(task)) for task in tasks_of(loop)), *workers(loop)]


def tasks_of(loop: SimulatedLoop) -> list[asyncio.Task[Any]]:
    """Its tasks that have not ended, in the order they were made."""
    return sorted(asyncio.all_tasks(loop), key=hash)


def stands(task: asyncio.Task[Any], waits: str | None) -> str:
    """What a task waits for, and at which line of its author's code."""
    return ", ".join([waits or f"task {task.get_name()!r} waits", *where(task)])


def where(task: asyncio.Task[Any]) -> list[str]:
    """The line of its author's code, if it is at any."""
    theirs = [frame for frame in frames(task) if not frame.f_code.co_filename.startswith(NOT_THEIRS)]
    found: list[str] = []
    for frame in theirs[-1:]:
        file, number = frame.f_code.co_filename, frame.f_lineno
        line = linecache.getline(file, number).strip()[:LONGEST_LINE]
        found.append(f"at {os.path.basename(file)}:{number} in {frame.f_code.co_qualname}{line and f': {line}'}")
    return found


def frames(task: asyncio.Task[Any]) -> Iterator[FrameType]:
    """Of its coroutine and those it awaits, the innermost last."""
    waits: Any = task.get_coro()
    while waits is not None:
        frame = getattr(waits, "cr_frame", None) or getattr(waits, "gi_frame", None)
        if frame is not None:
            yield frame
        waits = getattr(waits, "cr_await", None) or getattr(waits, "gi_yieldfrom", None)


def workers(loop: SimulatedLoop) -> Iterator[str]:
    """Receives of consumers and triggers."""
    for timed in loop.clock.attached():
        if isinstance(timed, Queue):
            parked = list(timed._core.parked)  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
            yield from (park.describe() for park in parked if isinstance(park, JobPark))
