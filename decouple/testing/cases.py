"""Cases: which events come how often, in which order, and where the handler crashes; the smallest ones first."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from random import Random
from typing import NamedTuple, Self

__all__ = ["Case", "Plan", "Step"]

MOST_ORDERS = 24
TOGETHER = 8
"""With how many seeds two deliveries run at the same time."""
MOST_RANDOM = 100
MOST_IN_PAIRS = 20
MOST_WITH_OTHERS = 12
"""So many crashes of an event are tried together with something else: each one alone comes first."""
LONGEST_RANDOM = 8


class Step(NamedTuple):
    """One delivery of an event. crash: the point at which it dies, from 1 on, 0 = nowhere; twice: two at the same time."""

    event: int
    crash: int = 0
    twice: bool = False


class Case(NamedTuple):
    """Deliveries, one after the other. seed: of the order in which what is ready goes on."""

    steps: tuple[Step, ...]
    seed: int

    @property
    def size(self) -> tuple[int, int, int]:
        """Fewer events, then fewer deliveries, then fewer crashes are smaller."""
        return len(self.events), len(self.steps), sum(1 for step in self.steps if step.crash or step.twice)

    @property
    def events(self) -> tuple[int, ...]:
        """Which events, in the order of their first delivery."""
        return tuple(dict.fromkeys(step.event for step in self.steps))

    @property
    def ends(self) -> bool:
        """Whether each event comes once more after its last crash."""
        last = {step.event: step.crash for step in self.steps}
        return bool(last) and not any(last.values())

    def smaller(self) -> Iterator[Self]:
        """With one event, one delivery or one crash less."""
        return (case for case in self._less() if case.ends)

    def _less(self) -> Iterator[Self]:
        for event in self.events if len(self.events) > 1 else ():
            yield self._replace(steps=tuple(step for step in self.steps if step.event != event))
        for at, step in enumerate(self.steps):
            if len(self.steps) > 1:
                yield self._replace(steps=(*self.steps[:at], *self.steps[at + 1 :]))
            if step.crash or step.twice:
                yield self._replace(steps=(*self.steps[:at], Step(step.event), *self.steps[at + 1 :]))


def once(events: Iterable[int], seed: int) -> Case:
    """Each of them once, in this order."""
    return Case(tuple(Step(event) for event in events), seed)


class Plan:
    """Which cases there are, for events of which it is known how many points each has.

    orders: whether events may come in any order, else each comes after all before it; together: whether two deliveries may
    run at the same time; most: so many cases at most.
    """

    def __init__(self, points: list[int], *, orders: bool, together: bool, most: int, seed: int) -> None:
        self._points = points
        self._orders = orders
        self._together = together
        self._most = most
        self._seed = seed
        self._random = Random(f"idempotent {seed}")
        self.left_out = 0

    def cases(self) -> Iterator[Case]:
        """The smallest first; `left_out` counts what there is no room for."""
        seen: set[Case] = set()
        stages = (self._one_event(), self._two_events(), self._all_events()) if self._orders else (self._in_order(),)
        for number, stage in enumerate(stages):
            room = (self._most - len(seen)) // (1 if number == len(stages) - 1 else 2)
            new = [case for case in dict.fromkeys(stage) if case not in seen]
            for case in self._sample(new, room):
                seen.add(case)
                yield case

    def _sample(self, cases: list[Case], room: int) -> list[Case]:
        """As many as there is room for, in their order: the first always, of the others any."""
        if len(cases) <= room:
            return cases
        self.left_out += len(cases) - room
        sure = room // 2
        return cases[:sure] + [cases[at] for at in sorted(self._random.sample(range(sure, len(cases)), room - sure))]

    # -- all orders ------------------------------------------------------------------------------------------------

    def _one_event(self) -> Iterator[Case]:
        """Twice; crashed and again; two at a time; then three deliveries."""
        events = range(len(self._points))
        for event in events:
            yield self._case(Step(event), Step(event))
        for event in events:
            yield from (self._case(Step(event, at), Step(event)) for at in self._crashes(event))
        for event, number in itertools.product(events, range(TOGETHER if self._together else 0)):
            yield Case((Step(event, twice=True),), self._seed + number)
        for event in events:
            yield from (self._case(Step(event, at), Step(event), Step(event)) for at in self._crashes(event))
        for event in events:
            few = self._few(event)
            yield from (self._case(Step(event, one), Step(event, two), Step(event)) for one in few for two in few)

    def _two_events(self) -> Iterator[Case]:
        """Another one comes in between."""
        pairs = self._pairs()
        for one, other in pairs:
            yield self._case(Step(one), Step(other), Step(one))
        for one, other in pairs:
            yield from (self._case(Step(one, at), Step(other), Step(one)) for at in self._few(one))

    def _all_events(self) -> Iterator[Case]:
        """All of them in many orders: all again; each again at once; and what chance makes of it."""
        for order in self._permutations():
            steps = [Step(event) for event in order]
            yield self._case(*steps, *steps)
            yield self._case(*(step for step in steps for _ in range(2)))
        for _ in range(min(MOST_RANDOM, self._most)):
            yield self._by_chance()

    def _pairs(self) -> list[tuple[int, ...]]:
        """Of all events, or where these are many, of some."""
        events = range(len(self._points))
        if len(events) <= MOST_IN_PAIRS:
            return list(itertools.permutations(events, 2))
        return [tuple(self._random.sample(events, 2)) for _ in range(MOST_IN_PAIRS**2)]

    def _permutations(self) -> Iterator[tuple[int, ...]]:
        events = list(range(len(self._points)))
        if len(events) <= 4:
            yield from itertools.permutations(events)
        else:
            yield tuple(events)
            yield from (tuple(self._random.sample(events, len(events))) for _ in range(MOST_ORDERS - 1))

    def _by_chance(self) -> Case:
        """Some events, each delivered up to three times, crashed now and then, the last time not."""
        chance = self._random
        number = min(len(self._points), chance.randint(1, LONGEST_RANDOM))
        steps = [step for event in chance.sample(range(len(self._points)), number) for step in self._some_of(event)]
        places = sorted(range(len(steps)), key=lambda _: chance.random())
        mixed = [steps[at] for at in places]
        last = {step.event: at for at, step in enumerate(mixed)}
        return self._case(
            *(Step(step.event) if last[step.event] == at else step for at, step in enumerate(mixed)),
        )

    # -- one order -------------------------------------------------------------------------------------------------

    def _in_order(self) -> Iterator[Case]:
        """Each one again and again, when all before it are done and before the next one comes."""
        for event, number in enumerate(range(len(self._points))):
            before = [Step(earlier) for earlier in range(number)]
            yield self._case(*before, Step(event), Step(event))
            for at in self._crashes(event):
                yield self._case(*before, Step(event, at), Step(event))
            for more in range(TOGETHER if self._together else 0):
                yield Case((*before, Step(event, twice=True)), self._seed + more)
            for at in self._crashes(event):
                yield self._case(*before, Step(event, at), Step(event), Step(event))
        for _ in range(min(MOST_RANDOM, self._most)):
            yield self._case(*(step for event in range(len(self._points)) for step in self._some_of(event)))

    # -- parts -----------------------------------------------------------------------------------------------------

    def _case(self, *steps: Step) -> Case:
        return Case(steps, self._seed)

    def _crashes(self, event: int) -> range:
        return range(1, self._points[event] + 1)

    def _few(self, event: int) -> list[int]:
        """Its points, or where these are many, some."""
        crashes = self._crashes(event)
        return sorted(self._random.sample(crashes, min(len(crashes), MOST_WITH_OTHERS)))

    def _some_of(self, event: int) -> list[Step]:
        """One event up to three times, the last time without a crash."""
        chance, points = self._random, self._points[event]
        crashes = [chance.randint(0, points) if chance.random() < 0.5 else 0 for _ in range(chance.randint(0, 2))]
        return [*(Step(event, at) for at in crashes), Step(event)]
