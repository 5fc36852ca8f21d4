"""The idempotency proof: a handler's events once, twice, and crashed after each effect, in many orders.

    def test_a_card_is_charged_once():
        prove_idempotent(handle, [{"order": 7}, {"order": 8}], effects=charges)

A queue delivers at least once, so a handler must do the same for two deliveries as for one; also when its process died in
the midst of the first. What that means is measured, not assumed: the effects of each case are compared with those of the
same events once each, in the same order, from the same beginning. The first case that differs is the smallest.
"""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Callable, Iterable, Mapping
from html import escape
from typing import Any

from decouple.clock import AMBIENCE
from decouple.errors import NotDeterministic, NotIdempotent
from decouple.numbers import whole
from decouple.testing.proof.cases import Case, Plan, once
from decouple.testing.proof.looking import differing
from decouple.testing.proof.playing import Played, Player, World
from decouple.testing.simulation import in_a_thread

__all__ = ["Proof", "prove_idempotent"]

MOST_EXPECTED = 24


class Proof:
    """What was tried, and made no difference; str() says it.

    events, cases: how many; points: for each event after how many points it was crashed; left_out: cases there was no room
    for; orders: whether events came in any order; remembers: whether what the handler keeps in memory outlived its crashes;
    swallowed: crashes after which it went on; errors: what it raised when an event came again; seed: of the choice.
    """

    def __init__(
        self,
        *,
        events: int,
        cases: int,
        points: Iterable[int],
        left_out: int,
        orders: bool,
        remembers: bool,
        swallowed: Iterable[str],
        errors: Iterable[Exception],
        seed: int,
    ) -> None:
        self.events = events
        self.cases = cases
        self.points = tuple(points)
        self.left_out = left_out
        self.orders = orders
        self.remembers = remembers
        self.swallowed = tuple(swallowed)
        self.errors = tuple(errors)
        self.seed = seed

    @property
    def notes(self) -> tuple[str, ...]:
        """What the proof does not say, a sentence each."""
        notes: list[str] = []
        if self.left_out:
            notes.append(
                f"{self.left_out:,} more cases were left out: most= takes them in, another seed= chooses others"
            )
        if self.remembers:
            notes.append("what the handler keeps in memory outlived its crashes: give a class, or restart=, to lose it")
        if not any(self.points):
            notes.append("no point was found at which it could crash: its code is no Python of yours, or does nothing")
        notes += [f"it went on after it crashed, as no dead process would: after {one}" for one in self.swallowed]
        notes += [f"when an event came again it raised {one}" for one in kinds(self.errors)]
        return tuple(notes)

    def __str__(self) -> str:
        orders = "in many orders" if self.orders else "in their order"
        first = (
            f"idempotent as far as tried: {self.events} event{'s' * (self.events != 1)}, {orders}, crashed after each of "
            f"{sum(self.points)} points, {self.cases:,} cases, seed {self.seed}"
        )
        return "\n".join([first, *(f"  {note}" for note in self.notes)])

    def __repr__(self) -> str:
        return f"<Proof: {self.events} events, {self.cases} cases, {sum(self.points)} points>"

    def _repr_html_(self) -> str:
        first, *notes = str(self).split("\n")
        listed = "".join(f"<li>{escape(note.strip())}</li>" for note in notes)
        return f"<div><p>{escape(first)}</p>{listed and f'<ul>{listed}</ul>'}</div>"


def kinds(errors: Iterable[Exception]) -> list[str]:
    """One sentence for each class of them."""
    return list({type(error): f"{type(error).__name__}: {error}" for error in reversed(list(errors))}.values())


def prove_idempotent(
    handler: Any,
    events: Iterable[Any],
    effects: Any = None,
    *,
    reset: Callable[[], object] | None = None,
    restart: Callable[[], object] | None = None,
    ignore: str | Iterable[str] = (),
    orders: bool = True,
    most: int = 1_000,
    seed: int = 0,
) -> Proof:
    """Run a handler with each event once, twice, and crashed after each effect and then again, in many orders.

    handler: takes one event, or (event, context), or a Message if it is annotated so, `def` or `async def` (then in
    simulated time, two deliveries also at the same time); a Function or Consumer; or a class, of which every process makes
    an object of its own. events: values, AWS events, Messages. effects: what shows what it did: a dict, list, set or
    object, or a callable that gives one. All this is put back between cases as far as it is plain Python that the handler or
    effects name; reset: puts back the rest, such as a table. Without effects, handler is a function that makes both anew:
    (handler, effects); then effects may be a Broker or Queue: its messages, and those made in it are on simulated time.

    restart: called after each crash, to forget what a process forgets; what it returns, if it can be called, is the handler
    from then on. ignore: names of keys and attributes that do not count, such as times. orders: False where events must
    come in their order. most: so many cases; what is more is left to chance, by `seed`.

    A crash is an error that is no Exception, raised after a call or a change in your own code, an `effect(...)` mark, or
    where an async handler waits; `finally` runs, and locks taken without `with` stay taken. Raises NotIdempotent with the
    smallest case, NotDeterministic, what the handler raises where every event comes once, ValueError, TypeError.
    """
    given = checked_events(events)
    if not given:
        raise ValueError("events must be at least one: without any, nothing can differ")
    whole(most, "most", 1)
    if isinstance(seed, bool) or not isinstance(seed, int):
        raise TypeError(f"seed must be an int, not {seed!r}")
    for name, call in (("reset", reset), ("restart", restart)):
        if call is not None and not callable(call):
            raise TypeError(f"{name} must be a callable that takes nothing, not {call!r:.80}")
    if isinstance(effects, (int, float, str, bytes)):
        raise TypeError(
            f"effects must be what changes, or a callable that gives it, not {effects!r:.80}, which never will"
        )
    names = checked_names(ignore)
    stopped = threading.Event()

    def work() -> Proof:
        world = World(handler, effects, reset=reset, restart=restart, ignore=names)
        try:
            return Prover(Player(world, given, orders=orders), given, orders, most, seed).prove(stopped)
        finally:
            world.end()

    here = asyncio._get_running_loop() is None or AMBIENCE.get() is not None
    return work() if here else in_a_thread(work, stopped.set)


def checked_events(events: Any) -> list[Any]:
    """Raises TypeError for what looks like one event."""
    if isinstance(events, (str, bytes, Mapping)) or not hasattr(events, "__iter__"):
        raise TypeError(f"events must be a list of them, not {events!r:.80}: if that is one, give [it]")
    given: list[Any] = list(events)
    return given


def checked_names(ignore: Any) -> frozenset[str]:
    """Raises TypeError for what are no names."""
    names: tuple[Any, ...] = (ignore,) if isinstance(ignore, str) or not hasattr(ignore, "__iter__") else tuple(ignore)
    if not all(isinstance(name, str) for name in names):
        raise TypeError(f"ignore must be a name or several, not {ignore!r:.80}")
    return frozenset(names)


class Prover:
    """Plays the cases of a plan, until one differs."""

    def __init__(self, player: Player, events: list[Any], orders: bool, most: int, seed: int) -> None:
        self._player = player
        self._events = events
        self._orders = orders
        self._most = most
        self._seed = seed
        self._once: dict[tuple[int, ...], Played] = {}
        self._cases = 0
        self._swallowed: dict[str, None] = {}
        self._errors: list[Exception] = []

    def prove(self, stopped: threading.Event) -> Proof:
        """See prove_idempotent. Raises KeyboardInterrupt, too, before the next case, once it is stopped."""
        self._check_once()
        points = [self._points(event) for event in range(len(self._events))]
        plan = Plan(points, orders=self._orders, together=self._player.awaits, most=self._most, seed=self._seed)
        for case in plan.cases():
            if stopped.is_set():
                raise KeyboardInterrupt
            self._cases += 1
            played = self._player.play(case)
            if self._differs(played):
                self._fail(*self._smallest(case, played))
            self._swallowed |= dict.fromkeys(played.swallowed)
            self._errors += played.errors
        return Proof(
            events=len(self._events),
            cases=self._cases,
            points=points,
            left_out=plan.left_out,
            orders=self._orders,
            remembers=self._player.world.remembers,
            swallowed=self._swallowed,
            errors=self._errors,
            seed=self._seed,
        )

    def _check_once(self) -> None:
        """Each event once, in the order they were given, twice from the beginning."""
        order = tuple(range(len(self._events)))
        first = self._expected(order)
        for error in first.errors[:1]:
            error.add_note("raised when every event came once, so nothing can be said of twice: leave that event out")
            raise error
        wrong = differing(first.effects, self._player.play(once(order, self._seed)).effects)
        if wrong:
            raise NotDeterministic(wrong)

    def _points(self, event: int) -> int:
        """At how many points it can crash: alone, or after those before it."""
        order = [event] if self._orders else range(event + 1)
        return self._player.play(once(order, self._seed), count=True).points

    def _expected(self, order: tuple[int, ...]) -> Played:
        if order not in self._once:
            self._once[order] = self._player.play(once(order, self._seed))
        return self._once[order]

    def _differs(self, played: Played) -> tuple[Any, tuple[str, ...]] | None:
        """What was expected, and where it differs; None where it is as if each event had come once."""
        first: tuple[Any, tuple[str, ...]] | None = None
        for order in orders_of(played):
            expected = self._expected(order).effects
            wrong = differing(expected, played.effects)
            if not wrong:
                return None
            first = first or (expected, wrong)
        return first

    def _smallest(self, case: Case, played: Played) -> tuple[Case, Played]:
        """Without whatever is not needed for it to differ."""
        for less in case.smaller():
            if not self._orders and less.events != tuple(range(len(less.events))):
                continue
            tried = self._player.play(less)
            if self._differs(tried):
                return self._smallest(less, tried)
        return case, played

    def _fail(self, case: Case, played: Played) -> None:
        found = self._differs(played)
        assert found is not None
        expected, wrong = found
        raise NotIdempotent(
            events={event + 1: self._player.deliveries.describe(event) for event in sorted(case.events)},
            steps=played.words,
            expected=expected,
            found=played.effects,
            differences=wrong,
            cases=self._cases,
            seed=case.seed,
        )


def orders_of(played: Played) -> list[tuple[int, ...]]:
    """As which orders of single deliveries a case may count.

    An event counts where it was done first; or where it was tried before that and failed or died, for then it may have had
    its effect.
    """
    places: dict[int, list[int]] = {}
    over: set[int] = set()
    for at, (event, done) in enumerate(played.attempts):
        if event not in over:
            places.setdefault(event, []).insert(0, at)
        if done:
            over.add(event)
    events = list(places)
    chosen = itertools.islice(itertools.product(*places.values()), MOST_EXPECTED)
    return list(dict.fromkeys(tuple(event for _, event in sorted(zip(at, events, strict=True))) for at in chosen))
