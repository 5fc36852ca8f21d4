"""Behaviour: one sentence of what a queue or topic does, with what tries it and the abilities it needs.

An engine that declares the abilities must show the behaviour. One that lacks an ability must not show it either: the lack
is declared to be relied on, and an engine better than its record has a wrong record.
"""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable, Iterable
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

from decouple.capabilities import MEMORY, Capabilities
from decouple.errors import NotConformant
from decouple.testing.conformance.bench import Bench

if TYPE_CHECKING:
    from decouple.broker import Broker
    from decouple.testing.conformance.bench import World

__all__ = ["PATIENCE", "Behaviour", "Verdict", "Worlds", "behaviour", "check_traits", "found_in"]

Outcome: TypeAlias = Literal["held", "lacking", "failed", "skipped"]

LEVELS: dict[str, tuple[str, ...]] = {
    "fifo": ("none", "partitioned", "exact"),
    "survives": ("nothing", "process", "disk", "replica"),
    "shared": ("process", "machine", "network"),
}
# What an engine without them may still show by luck, on a calm day.
FREE = frozenset({"fifo:exact", "complete_receives", "exact_counts"})
PATIENCE = 10.0
"""Real seconds that a behaviour may wait by itself."""
SLOWER = 5
HERE = os.path.dirname(os.path.abspath(__file__))
HELPERS = {"behaviour.py", "bench.py", "expecting.py", "running.py"}


class Verdict(NamedTuple):
    """What came of one behaviour. outcome: "held"; "lacking": it is not there, as declared; "failed" or "skipped", with why."""

    outcome: Outcome
    why: str = ""


class Worlds(NamedTuple):
    """How worlds of an engine come to be. make: a new, empty one; reopen: the one given, after its end; join: beside it."""

    make: Callable[[], World]
    reopen: Callable[[Broker], World] | None = None
    join: Callable[[Broker], World] | None = None

    def opened_again(self, world: Broker) -> World:
        """What `survives` is tried on. Without a way to reopen it, a new one takes its place, in which nothing must be."""
        if self.reopen is not None:
            return self.reopen(world)
        world.close()
        return self.make()

    def opened_beside(self, world: Broker) -> World:
        """What `shared` is tried on."""
        return self.make() if self.join is None else self.join(world)


class Behaviour:
    """name; sentence: what it says; needs: abilities, by their names in Capabilities; tells: those whose lack it shows;
    seconds: what it waits for whatever the engine's resolution; area: which part of the specification it is of.
    """

    __slots__ = ("_act", "area", "name", "needs", "seconds", "sentence", "tells", "traits")

    def __init__(
        self, act: Callable[[Bench], None], needs: tuple[str, ...], tells: tuple[str, ...] | None, seconds: float
    ) -> None:
        self._act = act
        self.name = act.__name__
        self.sentence = " ".join((act.__doc__ or "").split())
        self.area = act.__module__.rpartition(".")[2].replace("_", " ")
        self.needs = needs
        self.tells = frozenset(needs) - FREE if tells is None else frozenset(tells)
        self.seconds = seconds
        self.traits = MEMORY

    def __repr__(self) -> str:
        return f"<Behaviour {self.name}>"

    @property
    def __name__(self) -> str:
        """Its name, by which pytest lists it."""
        return self.name

    def under(self, traits: Capabilities) -> Behaviour:
        """The same, of an engine that declares these."""
        one = Behaviour(self._act, self.needs, tuple(self.tells), self.seconds)
        one.traits = traits
        return one

    @property
    def missing(self) -> tuple[str, ...]:
        """The abilities it needs that are not declared."""
        return tuple(need for need in self.needs if not declared(self.traits, need))

    @property
    def idle(self) -> bool:
        """Whether there is nothing to try: it needs what is not declared, and would not show the lack."""
        missing = self.missing
        return bool(missing) and self.tells.isdisjoint(missing)

    def check(
        self,
        make: Callable[[], World],
        *,
        reopen: Callable[[Broker], World] | None = None,
        join: Callable[[Broker], World] | None = None,
        patience: float = PATIENCE,
    ) -> Verdict:
        """Try it alone, on a new world; arguments as in check_queue. Raises NotConformant."""
        verdict = self.judge(Worlds(make, reopen, join), patience)
        if verdict.outcome == "failed":
            raise NotConformant({self.name: verdict.why}, of=1, sentences={self.name: self.sentence})
        return verdict

    def judge(self, worlds: Worlds, patience: float) -> Verdict:
        """Try it, and on real time once more and slower when it fails: the machine may have been busy."""
        if self.idle:
            return Verdict("skipped", f"needs {words(self.missing)}, which is not declared")
        verdict, waited = self._attempt(worlds, patience, 1)
        if waited and verdict.outcome == "failed":
            verdict, _ = self._attempt(worlds, patience, SLOWER)
        return verdict

    def _attempt(self, worlds: Worlds, patience: float, slower: float) -> tuple[Verdict, bool]:
        """The verdict, and whether real time has passed for it."""
        bench: Bench | None = None
        error: Exception | None = None
        try:
            with checked_world(worlds.make()) as world:
                if not callable(getattr(world, "queue", None)):
                    raise NoWorld(world)
                bench = Bench(world, self.traits, reopen=worlds.opened_again, join=worlds.opened_beside, slower=slower)
                if bench.moved is None and self.seconds > patience:
                    why = f"waits {self.seconds:g} s of real time, over patience={patience:g}"
                    return Verdict("skipped", why), False
                self._act(bench)
        except NoWorld:
            raise
        except Exception as raised:  # it is the verdict
            error = raised
        return self._verdict(bench, error), bench is not None and bench.moved is None and bench.waited

    def _verdict(self, bench: Bench | None, error: Exception | None) -> Verdict:
        missing = self.missing
        if missing and bench is not None:  # no world at all is not the lack of an ability
            if error is not None:
                return Verdict("lacking", f"without {words(missing)}")
            return Verdict("failed", f"it holds, though {words(missing)} is not declared")
        return Verdict("held") if error is None else Verdict("failed", described(error))


class NoWorld(TypeError):
    """What `make` gives is nothing that can be tried, which is no verdict on an engine."""

    def __init__(self, made: object) -> None:
        super().__init__(f"make must give a Broker, or a context manager that enters as one, not {made!r:.80}")


def checked_world(made: World) -> World:
    """Raises NoWorld."""
    if not (hasattr(made, "__enter__") and hasattr(made, "__exit__")):
        raise NoWorld(made)
    return made


def behaviour(
    *needs: str, tells: tuple[str, ...] | None = None, seconds: float = 0
) -> Callable[[Callable[[Bench], None]], Behaviour]:
    """Make a behaviour of a function that tries it, whose docstring is its sentence."""
    return lambda act: Behaviour(act, needs, tells, seconds)


def found_in(modules: Iterable[ModuleType], traits: Capabilities) -> list[Behaviour]:
    """The behaviours that stand in these modules, in their order."""
    return [one.under(traits) for module in modules for one in vars(module).values() if isinstance(one, Behaviour)]


def check_traits(traits: Any) -> Capabilities:
    """A record that makes sense. Raises TypeError, ValueError."""
    if not isinstance(traits, Capabilities):
        raise TypeError(f"traits must be a Capabilities record, such as broker.capabilities, not {traits!r:.80}")
    for name, levels in LEVELS.items():
        if getattr(traits, name) not in levels:
            raise ValueError(f"{name} must be one of {', '.join(map(repr, levels))}, not {getattr(traits, name)!r}")
    return traits


def declared(traits: Capabilities, need: str) -> bool:
    """Whether they have the ability; "fifo:exact" is a level of one."""
    name, _, level = need.partition(":")
    value = getattr(traits, name)
    if name in LEVELS:
        levels = LEVELS[name]
        return levels.index(value) >= (levels.index(level) if level else 1)
    return bool(value)


def words(needs: Iterable[str]) -> str:
    return " and ".join(need.replace("_", " ").replace(":", " ") for need in needs)


def described(error: Exception) -> str:
    """What went wrong, and at which line of the behaviour."""
    text = str(error) if isinstance(error, AssertionError) else f"{type(error).__name__}: {error}"
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if os.path.dirname(frame.filename) == HERE and os.path.basename(frame.filename) not in HELPERS
    ]
    if frames:
        text += f" ({os.path.basename(frames[0].filename)}, line {frames[0].lineno})"
    return text
