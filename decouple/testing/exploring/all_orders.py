"""Every order: a program run in all orders in which its processes can take their steps, as far as they can differ.

    def make(): return Shop()                                   # its queues, and what its handlers change

    simulate_all(make, consumer(lambda shop: shop.orders, charge), clients=[send_three], check=charged_once, crashes=1)

A process is an async function that is given what `make` returned; others may come whenever it awaits. A run is made of
moves: somebody takes a step, up to the next await, or time passes when nobody can; and, as often as is allowed, a process
dies and is begun again, time passes although somebody could go on, a message comes again while it is in flight. Runs are
made one after the other, each anew from the beginning, by choices that no run had before (depth first).

A state that was met before is not gone on from again: what may come of it is known. States are compared by all that is in
memory (fingerprints.py), so what processes know belongs into what `make` returns, or into themselves.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable, Generator, Hashable, Iterable, Sequence
from contextlib import contextmanager
from typing import Any, Generic, Literal, TypeVar

from decouple.clock import AMBIENCE, Seconds
from decouple.errors import NotExhausted, NotRepeatable
from decouple.message import Message
from decouple.queue import Queue
from decouple.testing.exploring.choosing import Budget, point
from decouple.testing.exploring.explored import Explored, FailedRun
from decouple.testing.exploring.one_order import Merged, Plan, Program, Run, Seen
from decouple.testing.guards import guarded
from decouple.testing.laws import Law
from decouple.testing.loop import SimulatedLoop
from decouple.testing.simulated_clock import SimulatedClock
from decouple.testing.simulation import in_a_thread

__all__ = ["consumer", "simulate_all"]

W = TypeVar("W")
log = logging.getLogger("decouple")


def simulate_all(
    make: Callable[[], W],
    *processes: Program[W],
    clients: Iterable[Program[W]] = (),
    check: Callable[[W], object] | None = None,
    always: Callable[[W], object] | None = None,
    laws: Iterable[Law] = (),
    crashes: int = 0,
    pauses: int = 0,
    redeliveries: int = 0,
    prune: bool = True,
    state: Callable[[W], Hashable] | None = None,
    most: int = 100_000,
    only: Sequence[int] | None = None,
    errors: Literal["raise", "collect"] = "raise",
) -> Explored:
    """Run a small program in every order of its steps; what came of it, and how many runs it took.

    make: what a run begins with; it is called inside, so queues and brokers made without a clock are on virtual time.
    processes: async functions of that, which may die and are begun again, in all `crashes` times a run; clients: others,
    which do not. A run is over when all have ended. pauses: how often in a run time may pass, to what comes next, although
    somebody could go on; redeliveries: how often a message of a standard queue may come again while it is in flight.

    check: of each run's end; what it returns is one of the `outcomes`; always: after each move; laws: of each run's
    records, beside those that always hold: then states with other records are other states. What these raise, or a process
    does, is the failure: raised, with the steps and the stories of its messages as a note, or with errors="collect" in the
    answer.

    prune: stop where a state is met again; state: what counts of the state of what `make` returned, where its memory tells
    apart what comes to the same, such as the order of a list; most: runs at most, else NotExhausted; only: the choices of
    one run, to see it again. Raises NotRepeatable, Deadlock, BlockingCall; RuntimeError inside a simulation.
    Cost: some milliseconds a run, and one for each new state.
    """
    if errors not in ("raise", "collect"):
        raise ValueError(f"errors must be 'raise' or 'collect', not {errors!r}")
    if isinstance(most, bool) or not isinstance(most, int) or most < 1:
        raise ValueError(f"most must be a number of runs, at least 1, not {most!r}")
    if AMBIENCE.get() is not None:
        raise RuntimeError("simulate_all inside a simulation: run it outside")
    plan = Plan(
        make, processes, tuple(clients), check, always, tuple(laws), Budget(crashes, pauses, redeliveries), state
    )
    search = Search(plan, prune=prune and only is None, most=most)

    def work() -> Explored:
        with guarded(search.guard):
            return search.one(list(only)) if only is not None else search.all()

    explored = work() if asyncio._get_running_loop() is None else in_a_thread(work, search.interrupt)
    if errors == "raise":
        if explored.failure is not None:
            raise explored.failure.error
        if not explored.complete:
            raise NotExhausted(explored.runs, explored.states, opaque=explored.opaque)
    return explored


def consumer(
    queue: Callable[[W], Queue[Any]],
    handler: Callable[[W, Message[Any]], Awaitable[object] | None],
    *,
    wait: Seconds | None = None,
) -> Program[W]:
    """A process that handles a queue's messages one by one, until none came for a while.

    handler: what is done with a message; returned, it is acknowledged, and an exception gives it back, but AssertionError
    fails the run. Others may come between receive and handler, wherever the handler awaits, and between handler and
    acknowledgement. wait: seconds without a message after which it ends, None = over the queue's visibility timeout, so
    that what is in flight comes again before.
    """

    # A function of its own: when it returns, nothing of the message is left in memory that would tell states apart.
    async def serve(world: W) -> bool:
        found = queue(world)
        seconds = found.settings["visibility_timeout"] + 1 if wait is None else wait
        messages = await found.aio.receive(wait=seconds)
        for message in messages:
            with suppress_failures():
                async with message:
                    await point(f"handles {message.id}")
                    done = handler(world, message)
                    if inspect.isawaitable(done):
                        await done
                    await point(f"acknowledges {message.id}")
        return bool(messages)

    async def consume(world: W) -> None:
        while await serve(world):
            pass

    consume.__name__ = getattr(handler, "__name__", "consumer")
    return consume


@contextmanager
def suppress_failures() -> Generator[None]:
    """What a handler raises is seen to by its message, which is there again; but an AssertionError is what a test looks for."""
    try:
        yield
    except AssertionError:
        raise
    except Exception as error:
        log.debug("a handler raised, and its message was given back: %s", error)


class Search(Generic[W]):
    """All runs, depth first."""

    def __init__(self, plan: Plan[W], *, prune: bool, most: int) -> None:
        self.guard = SimulatedLoop(SimulatedClock(), 0)
        self._plan = plan
        self._seen = Seen() if prune else None
        self._most = most
        self._interrupted = False
        self._runs = self._merged = self._moves = self._points = 0
        self._outcomes: dict[Any, tuple[int, ...]] = {}

    def interrupt(self) -> None:
        """From another thread: a Ctrl-C came there."""
        self._interrupted = True

    def one(self, choices: list[int]) -> Explored:
        """The run with these choices."""
        return self._explored(self._run(choices, []), complete=True)

    def all(self) -> Explored:
        choices: list[int] = []
        counts: list[int] = []
        while True:
            failure = self._run(choices, counts)
            if failure is not None:
                return self._explored(failure, complete=False)
            while choices and choices[-1] + 1 >= counts[-1]:
                choices.pop()
                counts.pop()
            if not choices:
                return self._explored(None, complete=True)
            if self._runs + self._merged >= self._most or self._interrupted:
                return self._explored(None, complete=False)
            choices[-1] += 1

    def _run(self, choices: list[int], counts: list[int]) -> FailedRun | None:
        given = len(choices)
        run: Run[W] = Run(self._plan, choices, counts, self._seen, tell=False)
        self.guard.steps += 1
        try:
            error = run.go()
        except Merged:
            self._merged += 1
            return None
        finally:
            loop: SimulatedLoop = run.loop
            self._moves += loop.steps
            self._points += len(choices) - given
        self._runs += 1
        if error is not None:
            return self._failure(error, choices)
        self._note(run.outcome, choices)
        return None

    def _note(self, outcome: Any, choices: list[int]) -> None:
        try:
            self._outcomes.setdefault(outcome, tuple(choices))
        except TypeError:
            raise TypeError(
                f"check() must return what can be compared and hashed, such as a tuple or frozenset, not {outcome!r:.80}"
            ) from None

    def _failure(self, error: Exception, choices: list[int]) -> FailedRun:
        """The same run once more, telling what it does."""
        again = Run(self._plan, list(choices), [], None, tell=True)
        repeated = again.go()
        if type(repeated) is not type(error):
            raise NotRepeatable(len(choices), expected=1, found=0) from error
        return FailedRun(repeated or error, tuple(again.told), tuple(choices), again.recording())

    def _explored(self, failure: FailedRun | None, *, complete: bool) -> Explored:
        seen = self._seen
        explored = Explored(
            runs=self._runs,
            merged=self._merged,
            states=self._points if seen is None else len(seen.states),
            moves=self._moves,
            outcomes=dict(self._outcomes),
            complete=complete,
            failure=failure,
            opaque=tuple(sorted(seen.opaque)) if seen is not None else (),
        )
        if failure is not None:
            failure.error.add_note(str(explored))
        return explored
