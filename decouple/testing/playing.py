"""Playing: one case, in a world that is as it was at the beginning.

A world is a handler and what shows its effects. It is put back between cases, or made anew by a function of the user's.
A delivery that fails, or whose handler died, comes again, as it would from a queue: it is tried three times.
"""

# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
# What a user's handler and effects hold is known when it is looked at, not before.

from __future__ import annotations

import asyncio
import inspect
import warnings
from collections.abc import Callable, Coroutine, Iterable
from contextvars import copy_context
from random import Random
from typing import Any, NamedTuple, TypeVar

from decouple.calls import answer_of
from decouple.clock import AMBIENCE, Ambience, VirtualClock
from decouple.effects import Crash
from decouple.testing.cases import Case, Step
from decouple.testing.crashing import Points, home_of
from decouple.testing.deliveries import Deliveries, awaits, plain_handler
from decouple.testing.looking import differing, look
from decouple.testing.putting_back import Checkpoint
from decouple.testing.simulation import is_workers, simulate

__all__ = ["Played", "Player", "World"]

T = TypeVar("T")
ATTEMPTS = 3
FACTORY = "give prove_idempotent a function that makes both anew and returns (handler, effects)"


class World:
    """A handler and its effects.

    made: makes them, (handler, effects); else they are put back, with the help of `reset`. restart: called after a crash;
    what it returns, if that can be called, is the handler from then on.
    """

    def __init__(
        self,
        handler: Any,
        effects: Any,
        *,
        reset: Callable[[], object] | None,
        restart: Callable[[], object] | None,
        ignore: frozenset[str],
    ) -> None:
        self._make = checked_factory(handler) if effects is None else None
        self._given, self._effects = handler, effects
        self._reset, self._restart, self._ignore = reset, restart, ignore
        self._checkpoint: Checkpoint | None = None
        self._first: Any = None
        if self._make is None:
            self._checkpoint = Checkpoint([one for one in (handler, plain_of(handler), effects) if one is not None])
            self._first = look(effects, ignore)

    def begin(self) -> None:
        """As at the beginning. Raises ValueError where that cannot be."""
        if self._make is not None:
            self._given, self._effects = pair(self._make())
        else:
            self._put_back()
        self._set_handler(self._given)

    def end(self) -> None:
        """Leave everything as it was found."""
        if self._checkpoint is not None:
            self._checkpoint.put_back()
        if self._reset is not None:
            self._reset()

    def _put_back(self) -> None:
        self.end()
        wrong = differing(self._first, look(self._effects, self._ignore))
        if wrong:
            what = "reset= did not put the effects back" if self._reset else "the effects cannot be put back"
            advice = f"give reset=, a function that does, or {FACTORY}"
            raise ValueError(f"{what} as they were at the beginning ({wrong[0]}): {advice}")

    def _set_handler(self, handler: Any) -> None:
        self.given = handler() if isinstance(handler, type) else handler
        self.call: Callable[..., Any] = plain_handler(self.given)
        self.home = home_of(self.call)

    def restart(self) -> None:
        """The process died, and a new one began."""
        if isinstance(self._given, type):
            self._set_handler(self._given)
        made = None if self._restart is None else self._restart()
        if callable(made):
            self._set_handler(made)

    @property
    def awaits(self) -> bool:
        """Whether the handler is async."""
        return awaits(self._given)

    @property
    def remembers(self) -> bool:
        """Whether what the handler keeps in memory outlives its crashes."""
        return self._restart is None and not isinstance(self._given, type)

    def look(self) -> Any:
        """The effects now."""
        return look(self._effects, self._ignore)


def checked_factory(make: Any) -> Any:
    """What makes both. Raises TypeError for a handler."""
    try:
        inspect.signature(make).bind()
    except (TypeError, ValueError) as error:
        raise TypeError(f"effects= is missing: what shows the effects of the handler; or {FACTORY}") from error
    return make


def plain_of(handler: Any) -> Any:
    return handler if isinstance(handler, type) else plain_handler(handler)


def pair(made: Any) -> tuple[Any, Any]:
    if not isinstance(made, tuple) or len(made) != 2:
        raise TypeError(
            f"without effects=, prove_idempotent takes a function that makes (handler, effects), and it returned {made!r:.80}"
        )
    found: tuple[Any, Any] = made
    return found


class Played(NamedTuple):
    """What came of a case. attempts: of which event each was, and whether it was done; words: what happened, step by step;
    points: how many there were in the last delivery that counted them; swallowed: crashes after which handlers went on.
    """

    effects: Any
    attempts: tuple[tuple[int, bool], ...]
    words: tuple[str, ...]
    errors: tuple[Exception, ...]
    points: int
    swallowed: tuple[str, ...]


class Player:
    """Plays cases in a world. orders: whether what failed may come again after others."""

    def __init__(self, world: World, events: Iterable[Any], *, orders: bool) -> None:
        self.world = world
        self.ends_in_turn = not orders
        self._ambience(world.begin, 0)
        self.awaits = world.awaits
        self.deliveries = self._ambience(lambda: Deliveries(world.given, events), 0)

    def play(self, case: Case, *, count: bool = False) -> Played:
        """One case, from the beginning. count: also how many points the last step has."""
        with warnings.catch_warnings():
            if any(step.crash for step in case.steps):  # then what was to be awaited next never is
                warnings.filterwarnings("ignore", "coroutine .* was never awaited", RuntimeWarning)
            if self.awaits:
                return simulate(lambda: Play(self, case, count).run(), seed=case.seed)
            return self._ambience(lambda: finished(Play(self, case, count).run()), case.seed)

    def _ambience(self, work: Callable[[], T], seed: int) -> T:
        """What is made without a clock has one that nobody moves."""
        context = copy_context()
        if AMBIENCE.get() is None:
            context.run(AMBIENCE.set, Ambience(VirtualClock(), seed, None, Random(f"decouple {seed}"), ()))
        return context.run(work)


def finished(coroutine: Coroutine[Any, Any, T]) -> T:
    """What a coroutine returns that waits for nothing."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        answer: T = end.value
        return answer
    coroutine.close()
    raise TypeError("the handler is no async def and waited for something: declare it async def")


class Play:
    """A case under way."""

    def __init__(self, player: Player, case: Case, count: bool) -> None:
        self._player, self._world, self._deliveries = player, player.world, player.deliveries
        self._steps = case.steps
        self._count = count
        self._attempts: list[tuple[int, bool]] = []
        self._words: list[str] = []
        self._errors: list[Exception] = []
        self._swallowed: list[str] = []
        self._left: list[Callable[[], object]] = []
        self._points = 0

    async def run(self) -> Played:
        """From the beginning to the end."""
        self._world.begin()
        self._deliveries.begin()
        late: list[int] = []
        for number, step in enumerate(self._steps, 1):
            count = self._count and number == len(self._steps)
            done = await (self._two(step.event) if step.twice else self._one(step, count))
            if not (done or step.crash):
                late += [] if await self._again(step.event, self._player.ends_in_turn) else [step.event]
        for event in dict.fromkeys(late):
            await self._again(event, True)
        return Played(
            self._world.look(), tuple(self._attempts), tuple(self._words), tuple(self._errors), self._points,
            tuple(self._swallowed),
        )  # fmt: skip

    async def _again(self, event: int, now: bool) -> bool:
        """What failed comes again: now, or only if a dead one's lease was in its way; whether it is done."""
        for _ in range(ATTEMPTS - 1):
            if not (now or self._left):
                return False
            if self._left:
                self._words.append("the leases of what died ran out")
            while self._left:
                self._left.pop()()
            if await self._one(Step(event), False):
                return True
        return False

    async def _one(self, step: Step, count: bool) -> bool:
        """One delivery; whether it was done."""
        points = Points(step.crash, home=self._world.home) if step.crash or count else None
        error = await self._call(step.event, points)
        crash = None if points is None else points.crash
        if points is not None:
            self._points = points.count
        if crash is not None:
            self._after(crash, error)
        self._note(step.event, error, crash, "")
        return crash is None and error is None

    def _after(self, crash: Crash, error: BaseException | None) -> None:
        if error is None:
            self._swallowed.append(crash.point)
        self._left += crash.left
        crash.left = []
        self._world.restart()

    async def _two(self, event: int) -> bool:
        """Two deliveries at the same time; whether both were done."""
        calls = (self._call(event, None), self._call(event, None))
        errors = await asyncio.gather(*calls)
        for error, which in zip(errors, ("", " at the same time"), strict=True):
            self._note(event, error, None, which)
        return not any(errors)

    async def _call(self, event: int, points: Points | None) -> BaseException | None:
        """Let the handler have it; what it raised."""
        arguments, message = self._deliveries.arguments(event)
        handler = self._world.call
        try:
            if self._player.awaits:
                await (handler(*arguments) if points is None else run_and_bury(points, lambda: handler(*arguments)))
            else:
                answer = handler(*arguments) if points is None else points.run(lambda: handler(*arguments))
                answer_of(answer, "the handler")
            if message is not None and not message.settled and (points is None or points.crash is None):
                message.ack()
        except Exception as error:
            return error
        except (Crash, BaseExceptionGroup) as error:
            if points is None or points.crash is None:
                raise
            return error
        return None

    def _note(self, event: int, error: BaseException | None, crash: Crash | None, which: str) -> None:
        again = " again" if any(event == other for other, _ in self._attempts) and not which else ""
        words = f"event {event + 1}{again}{which}"
        if crash is not None:
            words += f": {crash}" + ("" if error is not None else ", and went on all the same")
        elif isinstance(error, Exception):
            words += f": raised {type(error).__name__}: {error}"
            self._errors.append(error)
        self._words.append(words)
        self._attempts.append((event, error is None and crash is None))


async def run_and_bury(points: Points, call: Callable[[], Any]) -> None:
    """Let an async handler run; should it die, its tasks die with it."""
    before = asyncio.all_tasks()
    try:
        await points.arun(call)
    finally:
        if points.crash is not None:
            left = [one for one in asyncio.all_tasks() - before if not is_workers(one)]
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)
