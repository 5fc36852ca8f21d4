"""One run of a program, in an order that is chosen: from what `make` gives to the check, or to a state that is known."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Coroutine, Hashable, Iterable, Sequence
from contextvars import copy_context
from random import Random
from typing import Any, Generic, TypeAlias, TypeVar

from decouple.clock import AMBIENCE, Ambience
from decouple.errors import Deadlock, NotRepeatable
from decouple.queue import Queue
from decouple.stories.recorder import Recorder
from decouple.stories.recording import Recording
from decouple.testing.exploring.choosing import PROCESS, Budget, ChosenLoop, Move, Process
from decouple.testing.exploring.explored import words_for
from decouple.testing.exploring.fingerprints import Fingerprint
from decouple.testing.laws import Law
from decouple.testing.laws import check as check_laws
from decouple.testing.loop import Nothing
from decouple.testing.simulated_clock import SimulatedClock
from decouple.testing.simulation import is_workers
from decouple.testing.waiting import who_waits

__all__ = ["Merged", "Plan", "Program", "Run", "Seen"]

W = TypeVar("W")
Program: TypeAlias = Callable[[W], Coroutine[Any, Any, object]]


class Plan(Generic[W]):
    """What is run in each run."""

    def __init__(
        self,
        make: Callable[[], W],
        processes: Sequence[Program[W]],
        clients: Sequence[Program[W]],
        check: Callable[[W], object] | None,
        always: Callable[[W], object] | None,
        laws: tuple[Law, ...],
        budget: Budget,
        state: Callable[[W], Hashable] | None,
    ) -> None:
        for one in (make, *processes, *clients):
            if not callable(one):
                raise TypeError(f"make and each process must be functions, not {one!r:.80}")
        if not (processes or clients):
            raise TypeError(
                "simulate_all needs at least one process: an async function that is given what make() returns"
            )
        for name, value in budget._asdict().items():
            if isinstance(value, bool) or not isinstance(value, int) or value < 0:
                raise ValueError(f"{name} must be a number of times, at least 0, not {value!r}")
        self.make, self.check, self.always, self.laws, self.state = make, check, always, laws, state
        self.programs = [*((one, True) for one in processes), *((one, False) for one in clients)]
        self.budget = budget
        self.places: dict[Any, int] = {program: at for at, (program, _) in enumerate(self.programs)}
        self.alone = len(self.places) == len(self.programs)


def names_of(programs: Sequence[tuple[Any, bool]]) -> list[str]:
    """The functions' names, numbered where several have the same."""
    plain = [getattr(program, "__name__", "process") for program, _ in programs]
    return [
        name if plain.count(name) == 1 else f"{name} {plain[: at + 1].count(name)}" for at, name in enumerate(plain)
    ]


class Merged(BaseException):
    """The run came to a state that is known."""


class Run(Generic[W]):
    """One run. choices: how it went, at each point where there were several ways; counts: how many there were."""

    world: W

    def __init__(self, plan: Plan[W], choices: list[int], counts: list[int], seen: Seen | None, *, tell: bool) -> None:
        self.plan = plan
        self.choices = choices
        self.counts = counts
        self.outcome: object = None
        self.told: list[str] = []
        self.recorder = Recorder()
        self._seen = seen
        self._at = 0
        self._given = len(choices)
        self.clock = SimulatedClock()
        self.loop = ChosenLoop(self.clock, plan.budget, self._choose, self._tell if tell else None)
        self._chance = Random("decouple 0")
        names = names_of(plan.programs)
        self.processes = [
            Process(name, program, self._beginning(program), mortal=mortal)
            for name, (program, mortal) in zip(names, plan.programs, strict=True)
        ]
        self._left = len(self.processes)
        self._over: asyncio.Future[None] = self.loop.create_future()
        observers = (self.recorder,) if tell or plan.laws else ()
        self._context = copy_context()
        self._context.run(AMBIENCE.set, Ambience(self.clock, 0, None, self._chance, observers))

    def _beginning(self, program: Program[W]) -> Callable[[], Any]:
        def begin() -> Any:
            made = program(self.world)
            if not inspect.iscoroutine(made):
                raise TypeError(f"a process is an async function, and {program!r:.80} returned {made!r:.80}")
            return made

        return begin

    # -- from the beginning to the end -------------------------------------------------------------------------

    def go(self) -> Exception | None:
        """The error it ended with. Raises Merged, NotRepeatable."""
        loop = self.loop
        try:
            main: asyncio.Task[None] = loop.create_task(self._main(), name="main", context=self._context)
            loop.mine = main
            main.add_done_callback(self._stop)
            self._context.copy().run(loop.run_forever)
            main.result()
            if self._at < self._given:
                raise NotRepeatable(self._at, expected=max(2, self.choices[self._at] + 1), found=1)
            self._judge()
        except (NotRepeatable, KeyboardInterrupt):
            raise
        except Nothing:
            return Deadlock(who_waits(loop), since=self.clock.time)
        except Exception as error:
            return error
        finally:
            loop.abandon()
        return None

    def _stop(self, _: object) -> None:
        self.loop.stop()

    async def _main(self) -> None:
        plan, loop = self.plan, self.loop
        world: Any = plan.make()
        self.world = await world if inspect.isawaitable(world) else world
        for process in self.processes:
            loop.begin(process, self._ended)
        if plan.always is not None:
            loop.watch = lambda: plan.always and plan.always(self.world)
        await self._over
        loop.watch = None
        if plan.check is not None:
            found: Any = plan.check(self.world)
            self.outcome = await found if inspect.isawaitable(found) else found

    def _ended(self, task: asyncio.Task[Any]) -> None:
        error = None if task.cancelled() else task.exception()
        self._left -= 1
        if self._over.done():
            return
        if error is not None:
            self._over.set_exception(error)
        elif not self._left:
            self._over.set_result(None)

    def _judge(self) -> None:
        """The books, the laws, and what tasks raised that nobody awaited. Raises."""
        for task in self.loop.tasks:
            if task.done() and not task.cancelled() and task._log_traceback and not is_workers(task):
                raise task.exception()
        for one in self.clock.attached():
            if isinstance(one, Queue):
                one.check()
        if self.plan.laws:
            check_laws(self.recording(), *self.plan.laws)

    def recording(self) -> Recording:
        """What happened in it."""
        epoch = self.clock.epoch
        return self.recorder.recording(started=epoch, ended=self.clock._now + epoch, seed=0)

    # -- choices -----------------------------------------------------------------------------------------------

    def _choose(self, moves: list[Move]) -> int:
        at = self._at
        self._at += 1
        if at < self._given:
            if at < len(self.counts) and self.counts[at] != len(moves):
                raise NotRepeatable(at, expected=self.counts[at], found=len(moves))
            if self.choices[at] >= len(moves):
                raise NotRepeatable(at, expected=self.choices[at] + 1, found=len(moves))
            return self.choices[at]
        if self._seen is not None and not self._seen.add(self._fingerprint()):
            raise Merged
        self.choices.append(0)
        self.counts.append(len(moves))
        return 0

    def _fingerprint(self) -> Fingerprint:
        """Of the state between two moves, in which processes of the same program are alike."""
        plan, loop = self.plan, self.loop
        processes = self._in_order()
        own = {process.task for process in processes}
        print = self._print(() if plan.state is None else [(self.world, "world")])
        print.add(self.clock._now, tuple(loop.budget), self._left)
        # Whose task is whose comes first: all that comes after refers to it, and so it is seen whose a receive is.
        for process in processes:
            print.add(process.task, loop.steps_of(process))
        print.add(loop.steps_of(None), [task for task in loop.tasks if not task.done() and task not in own])
        print.add([(at, timer) for at, _, timer in sorted(loop._timers) if not timer._cancelled])
        print.add(self.world if plan.state is None else plan.state(self.world))
        print.add(self.clock.attached(), self._chance)
        if plan.laws:
            print.add(tuple(self.recorder.changes))
        return print

    def _print(self, known: Iterable[tuple[Any, str]]) -> Fingerprint:
        assert self._seen is not None
        always: list[tuple[Any, str]] = [(self, "run"), (self.loop, "loop"), (self.clock, "clock"), (self.plan, "plan")]
        always += [(self.loop.mine, "main"), *known, *((process, "process") for process in self.processes)]
        tasks = {id(process.task) for process in self.processes}
        return Fingerprint(always, nameless=tasks, unseen=(AMBIENCE, PROCESS), lasting=self._seen.lasting)

    def _in_order(self) -> list[Process]:
        """Those of one program by what they are at, so that it does not matter which of them is at what."""
        if self.plan.alone:
            return self.processes
        outside = [(self.world, "world"), *((one, f"thing {at}") for at, one in enumerate(self.clock.attached()))]

        lines = [list(one._core.parked) for one in self.clock.attached() if isinstance(one, Queue)]

        def at_what(process: Process) -> bytes:
            print = self._print(outside)
            print.add(
                [at for line in lines for at, park in enumerate(line) if getattr(park, "_task", 0) is process.task]
            )
            print.add(process.task, self.loop.steps_of(process))
            return print.digest()

        return sorted(self.processes, key=lambda process: (self.plan.places[process.program], at_what(process)))

    def _tell(self, move: Move) -> None:
        self.told.append(words_for(move, self.clock))


class Seen:
    """The states that are known, over all runs."""

    def __init__(self) -> None:
        self.states: set[bytes] = set()
        self.opaque: set[str] = set()
        self.lasting: dict[int, Any] = {}

    def add(self, print: Fingerprint) -> bool:
        """Whether it is a new one."""
        self.opaque |= print.opaque
        digest = print.digest()
        if digest in self.states:
            return False
        self.states.add(digest)
        return True
