"""Faults: what a distributed queue may do to a program, by rate, count or predicate, and by one seed.

    Broker(clock=clock, faults=Faults(7, duplicate=0.1, crash=Fault(nth=3, at="before ack", on="orders")))

A Faults is a plan, a value that any number of brokers and simulations may use: each begins it anew, with chances of its own
for each kind and place, so that a fault more here changes nothing there.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from random import Random
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, Self, TypeAlias, TypeVar, cast

from decouple.clock import Clock, Seconds, default_clock, nanoseconds, seed_or_ambient
from decouple.core.records import EPOCH, NOTHING, Record, details_of

if TYPE_CHECKING:
    from decouple.core.changes import Change

__all__ = ["POINTS", "Fault", "Faults", "Injection", "Occasion", "Struck"]

T = TypeVar("T")
POINTS = ("before effect", "after effect", "before ack")
"""Where a handler may crash: before it was called, at one of its effects, or when it was done and that was not said yet."""

KINDS: Mapping[str, tuple[float, float] | None] = MappingProxyType(
    {
        "duplicate": None,
        "reorder": None,
        "delay": (0, 20),
        "short_poll": None,
        "lose_ack": None,
        "redeliver_early": None,
        "crash": None,
        "restart": None,
        "slow": (0, 60),
        "fail_target": None,
        "clock_jump": (0, 60),
        "store_error": None,
    }
)
"""Every kind, with the seconds it takes where it takes any and none are given: from, to."""


class Occasion(NamedTuple):
    """What a predicate is asked about. id, text, attributes, receives: of the message, where there is one; of a function's
    run of its batch's first message, or the event as JSON text and the request's id.

    name: of the queue, topic, function or store; number: the how-many-th of this kind there it is, from 1.
    """

    kind: str
    name: str
    number: int
    at: datetime
    id: str | None
    text: str | None
    attributes: Mapping[str, Any]
    receives: int


class Fault:
    """When one kind of fault strikes. Without anything it always does; of what is given, all must hold.

    rate: the share of the occasions, 0 to 1; nth: of the occasions at each place the first (1), or several; when: asked
    with an Occasion; on: names of queues, topics, functions or stores, None = everywhere; between: (from, to) in seconds
    since the clock's start or as aware datetimes, None = open; seconds: how long, a number or (least, most), for "delay",
    "slow", "clock_jump", the copy of "duplicate" and the time in flight of "redeliver_early"; share: of the servers that
    a "short_poll" asks; at: of "crash", one of POINTS or several, None = any. "after effect" is
    after one of the handler's sends, publishes, settlings, awaits or `effect(...)` marks, or when it has returned.
    """

    __slots__ = ("at", "between", "nth", "on", "rate", "seconds", "share", "when")

    def __init__(
        self,
        rate: float = 1.0,
        *,
        nth: int | Iterable[int] | None = None,
        when: Callable[[Occasion], object] | None = None,
        on: str | Iterable[str] | None = None,
        between: tuple[Seconds | datetime | None, Seconds | datetime | None] | None = None,
        seconds: Seconds | tuple[Seconds, Seconds] | None = None,
        share: float = 0.5,
        at: str | Iterable[str] | None = None,
    ) -> None:
        self.rate = fraction(rate, "rate")
        self.nth = None if nth is None else counts(nth)
        if when is not None and not callable(when):
            raise TypeError(f"when must be a callable that takes an Occasion, not {when!r:.80}")
        self.when = when
        self.on = None if on is None else names(on, "on")
        self.between = None if between is None else window(between)
        self.seconds = None if seconds is None else span(seconds)
        self.share = fraction(share, "share")
        self.at = POINTS if at is None else points(at)

    def __repr__(self) -> str:
        given = {name: getattr(self, name) for name in self.__slots__}
        shown = [f"{name}={value!r}" for name, value in given.items() if value != DEFAULTS.get(name)]
        return f"Fault({', '.join(shown)})"


Given: TypeAlias = float | Fault | Iterable[Fault]


class Faults:
    """A plan of faults. Each kind takes a rate, 0 to 1, or a Fault that says more, or several of them.

    duplicate: a message is there twice; reorder: it comes after others; delay: it is visible later; short_poll: a receive that
    does not wait asks so many of the servers, as a fraction, and sees what these have; lose_ack: an acknowledgement is
    lost; redeliver_early: a message comes again before its visibility timeout; fail_target: a topic's pushed target does
    not take a notification. FIFO queues stay exact: there are no duplicates, reorderings, lost acknowledgements and early
    redeliveries of theirs.

    Of handlers, struck by their queue's name, or as functions by their own: crash: the process dies, so the message stays
    in flight, and a run of a function fails; restart: it is made anew between messages, its module too, without what it
    kept in memory (see `restartable`); slow: it takes longer before it acknowledges; clock_jump: time is suddenly later, also
    after a receive by hand, not on real time; store_error: a store of results or large bodies fails, by its class.

    seed: of all chances, None = the broker's or the simulation's, else 0. Raises ValueError, TypeError.
    """

    def __init__(
        self,
        seed: int | None = None,
        *,
        duplicate: Given = 0,
        reorder: Given = 0,
        delay: Given = 0,
        short_poll: Given = 1,
        lose_ack: Given = 0,
        redeliver_early: Given = 0,
        crash: Given = 0,
        restart: Given = 0,
        slow: Given = 0,
        fail_target: Given = 0,
        clock_jump: Given = 0,
        store_error: Given = 0,
    ) -> None:
        if seed is not None and (isinstance(seed, bool) or not isinstance(seed, int)):
            raise TypeError(f"seed must be an int or None, not {seed!r:.80}")
        given = {
            "duplicate": duplicate,
            "reorder": reorder,
            "delay": delay,
            "short_poll": short_poll,
            "lose_ack": lose_ack,
            "redeliver_early": redeliver_early,
            "crash": crash,
            "restart": restart,
            "slow": slow,
            "fail_target": fail_target,
            "clock_jump": clock_jump,
            "store_error": store_error,
        }
        self.seed = seed
        plan = {kind: read(kind, value) for kind, value in given.items()}
        self.plan: Mapping[str, tuple[Fault, ...]] = MappingProxyType(
            {kind: faults for kind, faults in plan.items() if faults}
        )

    def __repr__(self) -> str:
        shown = [repr(self.seed)] if self.seed is not None else []
        shown += [f"{kind}={faults[0] if len(faults) == 1 else list(faults)!r}" for kind, faults in self.plan.items()]
        return f"Faults({', '.join(shown)})"

    @classmethod
    def parse(cls, text: str, *, seed: int | None = None) -> Self:
        """A plan from text such as "duplicate=0.1, crash=0.05". Raises ValueError."""
        rates: dict[str, Any] = {}
        for part in filter(None, map(str.strip, text.split(","))):
            kind, _, value = (piece.strip() for piece in part.partition("="))
            if kind not in KINDS:
                raise ValueError(f"there is no fault {kind!r}: there are {', '.join(KINDS)}")
            try:
                rates[kind] = fraction(float(value), kind)
            except ValueError as error:
                raise ValueError(f"a fault is given as {kind}=0.1, a rate from 0 to 1, not {part!r}") from error
        return cls(seed, **rates)

    def store(self, store: T, *, clock: Clock | None = None, observers: Iterable[Callable[[Change], object]] = ()) -> T:
        """A store of results (as MemoryStore) or of large bodies that fails as this plan has it: `store_error`, by its class.

        For what is asked outside of handlers and queues with faults, which let every store fail. It raises StoreFailed and
        does nothing then. clock: for faults between two instants; observers: are told of each.
        """
        from decouple.testing.faulty_stores import FaultyStore

        clock = clock or default_clock()
        faulty: Any = FaultyStore(store, self.begin(clock, seed_or_ambient(None)), clock, tuple(observers))
        return cast(T, faulty)

    def begin(self, clock: Clock, seed: int | None = None) -> Injection:
        """What happens of it on a clock. seed: where the plan has none."""
        return Injection(self.plan, clock, self.seed if self.seed is not None else seed or 0)


class Struck(NamedTuple):
    """A fault that happens now. at: of a crash, the point."""

    kind: str
    nanoseconds: int | None
    share: float
    at: str
    chance: Random


class Injection:
    """A plan under way. counts: how often each kind struck."""

    def __init__(self, plan: Mapping[str, tuple[Fault, ...]], clock: Clock, seed: int) -> None:
        self.seed = seed
        self.counts: Counter[str] = Counter()
        self._plan: Mapping[str, tuple[Fault, ...]] = plan
        self._clock = clock
        self._began = clock.now()
        self._seen: Counter[tuple[str, str]] = Counter()
        self._chances: dict[tuple[str, str, int], Random] = {}
        self._lock = threading.Lock()

    def begin(self, clock: Clock, seed: int | None = None) -> Injection:
        """Itself: what belongs together has one."""
        return self

    @property
    def plan(self) -> Mapping[str, tuple[Fault, ...]]:
        """What is planned, by kind."""
        return self._plan

    def become(self, other: Injection | None) -> None:
        """Go on as this one, which was just begun, None: without any faults. So it is for all who hold it."""
        with self._lock:
            self.counts = Counter()
            self._seen.clear()
            self._chances.clear()
            if other is None:
                self._plan = {}
            else:
                self.seed, self._plan, self._began = other.seed, other._plan, other._began

    def has(self, kind: str) -> bool:
        """Whether there is any of that kind in the plan."""
        return kind in self._plan

    def may(self, kind: str, name: str) -> bool:
        """Whether there is any of that kind that may strike what has that name."""
        return any(fault.on is None or name in fault.on for fault in self._plan.get(kind, ()))

    def strike(
        self,
        kind: str,
        name: str,
        record: Record | None = None,
        *,
        at: int | None = None,
        id: str | None = None,
        receives: int = 0,
    ) -> Struck | None:
        """The fault of this kind that happens now to what has that name, or to this message there; None for most.

        at: the instant on the clock, None = now. Cost: under 1 us where there is none of that kind.
        """
        faults = self._plan.get(kind)
        if faults is None:
            return None
        now = self._clock.now() if at is None else at
        with self._lock:
            self._seen[kind, name] += 1
            count = self._seen[kind, name]
            # One number for each occasion and fault, whether it counts or not, so that a narrower plan strikes the same.
            rolls = [self._chance(kind, name, number).random() for number, _ in enumerate(faults)]
        for fault, roll in zip(faults, rolls, strict=True):
            if self._strikes(fault, roll, kind, name, count, now, record, id, receives):
                return self._struck(kind, name, fault)
        return None

    def _chance(self, kind: str, name: str, number: int) -> Random:
        found = self._chances.get((kind, name, number))
        if found is None:
            found = self._chances[kind, name, number] = Random(f"{self.seed} {kind} {name} {number}")
        return found

    def _strikes(
        self, fault: Fault, roll: float, kind: str, name: str, count: int, now: int, record: Record | None, id: str | None,
        receives: int,
    ) -> bool:  # fmt: skip
        if roll >= fault.rate or (fault.on is not None and name not in fault.on):
            return False
        if fault.nth is not None and count not in fault.nth:
            return False
        if fault.between is not None and not self._within(fault.between, now):
            return False
        if fault.when is None:
            return True
        text, attributes = (None, NOTHING) if record is None else (record[0], details_of(record).attributes)
        instant = EPOCH + timedelta(microseconds=(now + self._clock.epoch) // 1_000)
        return bool(fault.when(Occasion(kind, name, count, instant, id, text, attributes, receives)))

    def _within(self, between: tuple[int | datetime | None, int | datetime | None], now: int) -> bool:
        start, end = (self._instant(one) for one in between)
        return (start is None or now >= start) and (end is None or now < end)

    def _instant(self, bound: int | datetime | None) -> int | None:
        if isinstance(bound, datetime):
            return (bound - EPOCH) // timedelta(microseconds=1) * 1_000 - self._clock.epoch
        return None if bound is None else self._began + bound

    def _struck(self, kind: str, name: str, fault: Fault) -> Struck:
        with self._lock:
            chance = self._chance(kind, name, -1)
            self.counts[kind] += 1
            bounds = fault.seconds
            if bounds is None and (usual := KINDS[kind]) is not None:
                bounds = span(usual)
            took = None if bounds is None else chance.randint(*bounds)
            return Struck(kind, took, fault.share, fault.at[chance.randrange(len(fault.at))], chance)


# -- at the door -------------------------------------------------------------------------------------------------------


def read(kind: str, given: Given) -> tuple[Fault, ...]:
    """What was given for one kind. Raises ValueError, TypeError."""
    if isinstance(given, Fault):
        return (given,)
    if isinstance(given, (int, float)):
        value = fraction(given, kind)
        if kind == "short_poll":
            return () if value == 1 else (Fault(share=value),)
        return () if value == 0 else (Fault(value),)
    faults: tuple[object, ...] = tuple(given) if isinstance(given, Iterable) else (given,)
    if all(isinstance(fault, Fault) for fault in faults):
        return cast("tuple[Fault, ...]", faults)
    raise TypeError(f"{kind} must be a rate from 0 to 1, a Fault or several, not {given!r:.80}")


def fraction(value: object, name: str) -> float:
    """A number from 0 to 1. Raises ValueError, TypeError."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name} must be a number from 0 to 1, not {value!r:.80}")
    if not 0 <= value <= 1:  # also not a number
        raise ValueError(f"{name} must be from 0 to 1, not {value!r}")
    return float(value)


def counts(nth: int | Iterable[int]) -> frozenset[int]:
    given = (nth,) if isinstance(nth, int) else tuple(nth)
    for one in given:
        if isinstance(one, bool) or not isinstance(one, int) or one < 1:
            raise ValueError(f"nth must be whole numbers from 1 on, not {one!r:.80}")
    return frozenset(given)


def names(given: str | Iterable[str], what: str) -> frozenset[str]:
    found = (given,) if isinstance(given, str) else tuple(given)
    for one in found:
        if not isinstance(one, str):
            raise TypeError(f"{what} must be names, not {one!r:.80}: give it queue.name")
    return frozenset(found)


def points(given: str | Iterable[str]) -> tuple[str, ...]:
    found = names(given, "at")
    if not found or not found <= set(POINTS):
        raise ValueError(f"at must be of {', '.join(map(repr, POINTS))}, not {given!r:.80}")
    return tuple(point for point in POINTS if point in found)


def window(
    between: tuple[Seconds | datetime | None, Seconds | datetime | None],
) -> tuple[int | datetime | None, int | datetime | None]:
    if not isinstance(between, tuple) or len(between) != 2:
        raise TypeError(f"between must be (from, to), each seconds, an aware datetime or None, not {between!r:.80}")
    start, end = (bound(one) for one in between)
    if type(start) is type(end) and start is not None and not start < end:  # type: ignore[operator]
        raise ValueError(f"between must begin before it ends, not {between!r:.80}")
    return start, end


def bound(one: Seconds | datetime | None) -> int | datetime | None:
    if isinstance(one, datetime):
        if one.tzinfo is None:
            raise ValueError(f"between takes aware datetimes, not the naive {one!r}: give it tzinfo=timezone.utc")
        return one
    return None if one is None else nanoseconds(one, "between")


def span(seconds: Seconds | tuple[Seconds, Seconds]) -> tuple[int, int]:
    least, most = seconds if isinstance(seconds, tuple) else (seconds, seconds)
    found = nanoseconds(least, "seconds"), nanoseconds(most, "seconds")
    if found[0] > found[1]:
        raise ValueError(f"seconds must be (least, most), not {seconds!r}")
    return found


DEFAULTS: Mapping[str, Any] = {name: getattr(Fault(), name) for name in Fault.__slots__}
