"""A simulation's loop whose order somebody chooses, step by step.

Whatever is ready may be next, whoever was ready before it: processes stand for machines of their own, of which one may be
slow for as long as it likes. So there are more orders than a seed of SimulatedLoop can give, which lets all who are ready
have their turn; every order that a seed gives is among them. What was given to `call_soon` and is no step of a task is
done at once: it only tells others that they are ready.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from contextvars import Context, ContextVar, copy_context
from typing import Any, NamedTuple, TypeAlias

from decouple.callers import WORK
from decouple.clock import SECOND
from decouple.errors import EndlessWork
from decouple.message import Message
from decouple.queue import Queue
from decouple.testing.loop import SimulatedLoop, Step
from decouple.testing.simulated_clock import SimulatedClock

__all__ = ["PROCESS", "Budget", "ChosenLoop", "Move", "Process", "point", "process_of"]

MOST_STEPS = 100_000
STUBBORN = 10
"""How often a coroutine is closed that holds on to its life, by awaiting something in a finally."""
HELD = ("leased", "odd")
Made: TypeAlias = Coroutine[Any, Any, object]


class Process:
    """A program beside others. begin: makes its coroutine; mortal: it may die, and is begun again; lives: how often it was.

    program: what it is one of, as others may be.
    """

    def __init__(self, name: str, program: object, begin: Callable[[], Made], *, mortal: bool) -> None:
        self.name = name
        self.program = program
        self.begin = begin
        self.mortal = mortal
        self.lives = 0
        self.task: asyncio.Task[Any] | None = None

    @property
    def begun(self) -> bool:
        """Whether it took a step: before that its death would change nothing."""
        return self.task is not None and getattr(self.task.get_coro(), "cr_await", None) is not None


PROCESS: ContextVar[tuple[Process, int] | None] = ContextVar("process", default=None)
"""Whose step it is, and of which of its lives; None for workers of a broker."""


class Budget(NamedTuple):
    """What may still happen in a run besides steps: deaths, pauses while somebody is ready, messages that come again early."""

    crashes: int
    pauses: int
    redeliveries: int


class Move(NamedTuple):
    """What may happen next. what: "step", "crash", "pause", "redeliver" or "time"; who: whose step, or what."""

    what: str
    who: Any = None


class ChosenLoop(SimulatedLoop):
    """The loop of one run. choose: is given the moves there are, two or more, and says which; told: of every move.

    mine: the task that minds the run, whose steps are done at once; watch: called after every move.
    """

    steps: int

    def __init__(
        self,
        clock: SimulatedClock,
        budget: Budget,
        choose: Callable[[list[Move]], int],
        told: Callable[[Move], object] | None = None,
    ) -> None:
        super().__init__(clock, 0)
        self.budget = budget
        self.mine: asyncio.Task[Any] | None = None
        self.pending: list[Step] = []
        self.watch: Callable[[], object] | None = None
        self._ended: Callable[[asyncio.Task[Any]], object] = print
        self._choose = choose
        self._told = told
        self._last: Process | None = None
        self.tasks: list[Any] = []

    # -- processes ---------------------------------------------------------------------------------------------

    def begin(self, process: Process, ended: Callable[[asyncio.Task[Any]], object]) -> None:
        """Begin it, for the first time or again."""
        process.lives += 1
        context = copy_context()
        context.run(PROCESS.set, (process, process.lives))
        task: asyncio.Task[Any] = self.create_task(context.run(process.begin), name=process.name, context=context)
        task.add_done_callback(ended)
        process.task = task
        self._ended = ended

    def _kill(self, process: Process) -> None:
        """It is no more: nothing of it runs again, not even what it would do at its end. And it is begun again."""
        assert process.task is not None
        process.task.remove_done_callback(self._ended)
        self.begin(process, self._ended)
        self.pending = [step for step in self.pending if not is_dead(step)]

    def create_task(self, coro: Any, *, name: Any = None, context: Context | None = None, **more: Any) -> Any:
        """As in SimulatedLoop; all tasks are kept, because one that nobody remembers would see to its end, although dead."""
        task = super().create_task(coro, name=name, context=context, **more)
        self.tasks.append(task)
        return task

    def steps_of(self, process: Process | None) -> list[Step]:
        """What is ready of it; None: of workers."""
        return [step for step in self.pending if process_of(step) is process]

    # -- the order ---------------------------------------------------------------------------------------------

    def _run_once(self) -> None:
        """All that there is to do, until somebody says stop. Raises Nothing, EndlessWork."""
        while not self._stopping:
            if self._ready:
                self._take_in(self._ready.popleft())
            else:
                self._move(self._next())

    def _take_in(self, item: Any) -> None:
        if item.__class__ is not tuple:
            if not item._cancelled:
                item._run()
        elif getattr(item[0], "__self__", self) is self.mine:
            item[2].run(item[0], *item[1])
        elif not is_dead(item):
            self.pending.append(item)

    def _next(self) -> Move:
        moves = self._moves()
        return moves[0] if len(moves) == 1 else moves[self._choose(moves)]

    def _moves(self) -> list[Move]:
        """What may happen now: first whoever was at it goes on, then the others, then what may go wrong."""
        pending, budget = self.pending, self.budget
        last = self._last
        steps = [Move("step", step) for step in pending]
        steps.sort(key=lambda move: process_of(move.who) is not last)
        if not steps:
            steps = [Move("time")]
        if budget.crashes:
            ready = dict.fromkeys(process for step in pending if (process := process_of(step)) is not None)
            steps += [Move("crash", process) for process in ready if process.mortal and process.begun]
        if budget.pauses and pending and self._something_to_come():
            steps.append(Move("pause"))
        if budget.redeliveries:
            steps += [Move("redeliver", message) for message in self._in_flight()]
        return steps

    def _something_to_come(self) -> bool:
        """Whether somebody sleeps, or a message will be visible; that all grow too old some day is not waited for."""
        queues = [one._core for one in self.clock.attached() if isinstance(one, Queue)]
        return any(not timer._cancelled for _, _, timer in self._timers) or any(
            core.in_flight or core.delayed for core in queues
        )

    def _in_flight(self) -> list[Message[Any]]:
        """Of standard queues, by queue and age."""
        cores = [one._core for one in self.clock.attached() if isinstance(one, Queue) and not one.fifo]
        held = (one for core in cores for name, place in core.places() if name in HELD for one in place.values())
        return [one for one in held if isinstance(one, Message) and one.due > self.clock._now]

    def _move(self, move: Move) -> None:
        passes = move.what in ("time", "pause")
        if self._told is not None and not passes:
            self._told(move)
        self.steps += 1
        if self.steps > MOST_STEPS:
            raise EndlessWork(f"a run of {self.clock._now / SECOND:g} s", links=MOST_STEPS)
        budget = self.budget
        match move.what:
            case "step":
                self.pending.remove(move.who)
                self._last = process_of(move.who)
                move.who[2].run(move.who[0], *move.who[1])
            case "crash":
                self.budget = budget._replace(crashes=budget.crashes - 1)
                self._kill(move.who)
            case "redeliver":
                self.budget = budget._replace(redeliveries=budget.redeliveries - 1)
                context = copy_context()
                context.run(WORK.set, "the queue by itself")
                context.run(move.who.owner.change_visibility, move.who, 0)
            case _:
                if move.what == "pause":
                    self.budget = budget._replace(pauses=budget.pauses - 1)
                self._pass_time()
        if self._told is not None and passes:
            self._told(move)  # what time it is then
        if self.watch is not None:
            self.watch()

    # -- the end -----------------------------------------------------------------------------------------------

    def abandon(self) -> None:
        """Let go of all of it: nothing runs any more, but for what coroutines do when they are closed."""
        for task in self.tasks:
            task._log_destroy_pending = False
            for _ in range(STUBBORN):
                with suppress(BaseException):
                    task.get_coro().close()
                    break
        self._ready.clear()
        self.pending.clear()
        self.close()


async def point(words: str) -> None:
    """Others may come here. words: what is next, for the list of steps."""
    await asyncio.sleep(0)


def process_of(step: Step) -> Process | None:
    """Whose step it is; None for a broker's workers."""
    whose = step[2].get(PROCESS)
    return None if whose is None else whose[0]


def is_dead(step: Step) -> bool:
    """Whether it is of a life that is over."""
    whose = step[2].get(PROCESS)
    return whose is not None and whose[1] != whose[0].lives
