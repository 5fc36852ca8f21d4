"""What came of running a program in every order: how many runs there were, what they led to, and the one that failed."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping
from html import escape
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from decouple.aio import AsyncQueue
from decouple.clock import SECOND
from decouple.testing.exploring.choosing import Move, point, process_of
from decouple.testing.waiting import frames, where

if TYPE_CHECKING:
    from decouple.stories.recording import Recording
    from decouple.stories.story import Story
    from decouple.testing.loop import Step
    from decouple.testing.simulated_clock import SimulatedClock

__all__ = ["Explored", "FailedRun", "words_for"]

MOST_STORIES = 3


class FailedRun(NamedTuple):
    """The run that failed. steps: who did what, in order; choices: for simulate_all(..., only=choices), to see it again."""

    error: Exception
    steps: tuple[str, ...]
    choices: tuple[int, ...]
    recording: Recording

    @property
    def stories(self) -> list[Story]:
        """Of the messages that were received most often, at most three; none where the error has its story."""
        if getattr(self.error, "story", None) is not None:
            return []
        counts = Counter(change.id for change in self.recording.changes if change.cause == "received" and change.id)
        return [self.recording.explain(id) for id, _ in counts.most_common(MOST_STORIES)]

    def __str__(self) -> str:
        lines = [f"{number:3}  {words}" for number, words in enumerate(self.steps, 1)]
        again = f"again: simulate_all(..., only={list(self.choices)})"
        return "\n\n".join(["\n".join(["the steps:", *lines]), again, *map(str, self.stories)])


class Explored(NamedTuple):
    """All runs. runs: those that went to their end; merged: those that came to a known state, and were cut off there.

    states: at which there was something to choose (without pruning: how often there was); moves: all steps of all runs;
    outcomes: what `check` returned, each with the choices of the first run that led there; complete: nothing was left out;
    failure: the first run that failed; opaque: types that could not be looked into, so that their states were not compared.
    """

    runs: int
    merged: int
    states: int
    moves: int
    outcomes: Mapping[Any, tuple[int, ...]]
    complete: bool
    failure: FailedRun | None
    opaque: tuple[str, ...]

    @property
    def headline(self) -> str:
        """The numbers, in a line."""
        how = "all orders" if self.complete else "the failing order found" if self.failure else "not all orders"
        numbers = f"{self.runs:,} runs to the end, {self.merged:,} cut off at a known state, {self.states:,} states"
        return f"{how}: {numbers}, {self.moves:,} moves, {len(self.outcomes):,} outcomes"

    def __str__(self) -> str:
        parts = [self.headline]
        if self.opaque:
            parts.append(f"nothing was compared that holds {', '.join(self.opaque)}: give state=")
        if self.failure is not None:
            parts.append(str(self.failure))
        return "\n".join(parts)

    def _repr_html_(self) -> str:
        failure = self.failure
        if failure is None:
            return f"<pre>{escape(str(self))}</pre>"
        plain = str(failure).partition("\n\nmessage ")[0]
        error = f"{type(failure.error).__name__}: {failure.error}"
        stories = "".join(story._repr_html_() for story in failure.stories)
        return f"<pre>{escape(self.headline)}\n{escape(error)}\n\n{escape(plain)}</pre>{stories}"


def words_for(move: Move, clock: SimulatedClock) -> str:
    """What happens next, in words; or happened, where time passed."""
    match move.what:
        case "step":
            return words_for_step(move.who)
        case "crash":
            return f"{move.who.name} dies where it {words_for_task(move.who.task)}; it is begun again"
        case "redeliver":
            return f"{move.who.id} of queue {move.who.owner.name!r} is there again, while it is in flight"
        case _:
            late = ", although somebody could go on" if move.what == "pause" else ""
            return f"time passes to {clock._now / SECOND:g} s{late}"


def words_for_step(step: Step) -> str:
    process = process_of(step)
    task: Any = getattr(step[0], "__self__", None)
    if not callable(getattr(task, "get_coro", None)):
        return f"a worker: {job_of(step)}"
    name = process.name if process is not None else "a worker"
    which = "" if process is None or task is process.task else f", in {task.get_name()!r},"
    return f"{name}{which} {words_for_task(task)}"


def words_for_task(task: asyncio.Task[Any]) -> str:
    """What it does next: how its author calls it, or which line that is, or what it waited for."""
    inside = list(frames(task))
    said = [frame.f_locals["words"] for frame in inside if frame.f_code is point.__code__]
    if said:
        return str(said[-1])
    if getattr(task.get_coro(), "cr_await", None) is None:
        return "begins"
    receives = any(frame.f_code is AsyncQueue.receive.__code__ for frame in inside)
    return " ".join(["goes on from its receive" if receives else "goes on", *where(task)])


def job_of(step: Step) -> str:
    """In words, what a worker does: an entry of a backlog holds a job that can say it."""
    found: Iterator[Any] = (part for entry in step[1] if isinstance(entry, tuple) for part in cast("tuple[Any]", entry))
    return next((str(part.describe()) for part in found if hasattr(part, "describe")), repr(step[0]))
