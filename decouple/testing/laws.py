"""Laws: what must hold of a run, whatever its threads, faults and times were.

    with laws.watch(broker, laws.once(lambda change: change.text), laws.drained()) as watch:
        ...

Every run keeps three of them: nothing is lost, a group comes in order, a dead letter says why it is dead. The others are
promises of a program, given where they are meant. A law reads a Recording and nothing else, so it also judges one from a
file. What breaks one is told with the message, its whole story, and the seed of the run.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, Self, TypeAlias

import attrs

from decouple.clock import SECOND, Seconds, nanoseconds
from decouple.core.changes import Cause, Change
from decouple.core.records import details_of
from decouple.errors import LawBroken, NotRecorded
from decouple.stories.change_json import CAUSES
from decouple.stories.lines import moment
from decouple.stories.recorder import Recorder
from decouple.stories.recording import Recording
from decouple.testing.ledger import Steps

if TYPE_CHECKING:
    from decouple.clock import Clock
    from decouple.stats import QueueStats
    from decouple.stories.recording import Recording
    from decouple.stories.story import Story

__all__ = [
    "ALWAYS",
    "Breach",
    "Law",
    "Watch",
    "check",
    "conserved",
    "drained",
    "in_order",
    "latency",
    "once",
    "reasons",
    "watch",
]


class Watched(Protocol):
    """What can be watched: a Broker, or a World of AWS's."""

    @property
    def clock(self) -> Clock: ...
    @property
    def seed(self) -> int | None: ...
    def observe(self, observer: Callable[[Change], object]) -> None: ...
    def unobserve(self, observer: Callable[[Change], object]) -> None: ...
    def stats(self) -> Mapping[str, QueueStats]: ...
    def check(self) -> object: ...
    def explain(self, id: str, /) -> Story: ...


class Mocked(Protocol):
    """A mock of AWS."""

    @property
    def world(self) -> Watched: ...


class Breach(NamedTuple):
    """What a law found. id: of the message; sentence: what is wrong with it; about: whose story tells it, if another's."""

    id: str | None
    sentence: str
    about: str | None = None


Law: TypeAlias = "Callable[[Recording], Iterable[Breach]]"


def check(recording: Recording, *laws: Law) -> None:
    """Judge a run by the laws that always hold, and by these. Raises LawBroken, with the first message and its story."""
    if not isinstance(recording, Recording):
        raise TypeError(f"check takes a Recording, such as broker.recording(), not {recording!r:.80}")
    judge(recording, checked(laws), recording.explain)


def watch(broker: Watched | Mocked, *laws: Law) -> Watch:
    """A context in which the broker is watched: at its end, and at `watch.check()`, the laws are checked.

    broker: also a mock of AWS, or a World: then all its brokers are watched, also those that are made later. Checked are the
    laws that always hold, and these. An error of the block goes out as it is. Cost: one list entry a change.
    """
    watched: Any = getattr(broker, "world", broker)  # pyright: ignore[reportArgumentType]
    if not (callable(getattr(watched, "observe", None)) and callable(getattr(watched, "check", None))):
        raise TypeError(f"watch takes a Broker, a mock of AWS or a World, not {broker!r:.80}")
    return Watch(watched, checked(laws))


def checked(laws: tuple[Law, ...]) -> tuple[Law, ...]:
    """Raises TypeError for what is no law."""
    for law in laws:
        if not callable(law):
            raise TypeError(f"a law is a callable that takes a Recording, such as laws.drained(), not {law!r:.80}")
    return laws


@attrs.frozen
class OfQueues:
    """A law of the queues with these names; without any, of all."""

    law: Law
    queues: tuple[str, ...]

    def __call__(self, recording: Recording) -> Iterable[Breach]:
        """See Law."""
        return self.law(recording)


def of_queues(law: Law, *names: str | None) -> Law:
    """The law, if these are names. Raises TypeError."""
    for name in names:
        if name is not None and not isinstance(name, str):
            raise TypeError(f"a law is given the names of queues, not {name!r:.80}")
    return OfQueues(law, tuple(name for name in names if name is not None))


class Watch:
    """What `watch` gives: `check()` in the midst of a run, `recording()` of what happened in the context."""

    def __init__(self, broker: Watched, laws: tuple[Law, ...]) -> None:
        self._broker = broker
        self._laws = laws
        self._recorder = Recorder()
        self._whole = True
        self._since = 0

    def __enter__(self) -> Self:
        broker, clock = self._broker, self._broker.clock
        self._whole = not any(queue.visible + queue.in_flight + queue.delayed + queue.moving for queue in
                              broker.stats().values())  # fmt: skip
        self._since = clock.now() + clock.epoch
        broker.observe(self._recorder)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self.check()
        finally:
            self._broker.unobserve(self._recorder)

    def recording(self) -> Recording:
        """What happened since the context began."""
        clock = self._broker.clock
        ended = clock.now() + clock.epoch
        return self._recorder.recording(started=self._since, ended=ended, seed=self._broker.seed, whole=self._whole)

    def check(self) -> None:
        """Check the laws now, and the broker's own books. Raises LawBroken; ValueError for a law of a queue that is not there."""
        self._broker.check()  # what is due, and was not noticed yet, is recorded by this
        recording = self.recording()
        self._check_names(recording)
        judge(recording, self._laws, self._story)

    def _check_names(self, recording: Recording) -> None:
        """A law of a queue that is not there holds, whatever happens. Raises ValueError."""
        there = {*self._broker.stats(), *(change.queue for change in recording.changes if change.queue)}
        for name in (name for law in self._laws if isinstance(law, OfQueues) for name in law.queues):
            if name not in there:
                raise ValueError(f"a law is of queue {name!r}, and there is none: there are {', '.join(sorted(there))}")

    def _story(self, id: str) -> Story:
        """By the broker's own records where these tell more of it: they began earlier."""
        story = self.recording().explain(id)
        try:
            known = self._broker.explain(id)
        except NotRecorded:
            return story
        return known if len(known.changes) > len(story.changes) else story


def judge(recording: Recording, laws: Iterable[Law], explain: Callable[[str], Story]) -> None:
    breaches = [breach for law in (*ALWAYS, *laws) for breach in law(recording)]
    if not breaches:
        return
    first = breaches[0]
    raise LawBroken(
        first.sentence,
        numbers={"breaches": len(breaches)},
        id=first.id,
        story=None if first.id is None else explain(first.about or first.id),
        seed=recording.seed,
    )


# -- laws of every run -------------------------------------------------------------------------------------------------


def conserved() -> Law:
    """Nothing is lost, and nothing is had twice: each message goes step by step from one state to the next."""

    def law(recording: Recording) -> Iterator[Breach]:
        steps = Steps(whole=recording.whole)
        for change in recording.changes:
            if (wrong := steps.take(change)) is not None:
                yield Breach(change.id, wrong)

    return law


def in_order(number: Callable[[Change], Any] | None = None, *, queue: str | None = None) -> Law:
    """A group of a FIFO queue comes in order: none is received while an earlier one is there.

    number: the order the program means: of what is acknowledged in a group (of a standard queue: in all of it) it must
    not fall; None for a message that does not count. So it is seen, too, that a dead letter comes back after later ones.
    queue: only in this one.
    """

    def law(recording: Recording) -> Iterator[Breach]:
        lines: dict[tuple[str, str], Any] = {}
        for change in recording.changes:
            if change.queue and change.record is not None and queue in (None, change.queue):
                if number is None:
                    yield from overtaking(lines, change)
                elif change.cause == "deleted" and change.reason is None:
                    yield from falling(lines, change, number(change))

    if number is not None and not callable(number):
        raise TypeError(f"number must be a callable that takes a Change, not {number!r:.80}")
    return of_queues(law, queue)


def overtaking(lines: dict[tuple[str, str], Any], change: Change) -> Iterator[Breach]:
    """lines: by queue and group what is there, by its number: since when it is in flight, -1 = it is not."""
    details = details_of(change.record or ("", 0, 0))
    if details.group is None or details.deduplication_id is None or change.seq is None:
        return
    line = lines.setdefault((change.queue, details.group), {})  # in the order of the numbers, as they came
    if change.cause in GONE:
        line.pop(change.seq, None)
    elif change.cause == "received":
        for seq, since in line.items():
            if seq >= change.seq:
                break
            if since != change.at:  # else it is of the same receive
                yield Breach(
                    change.id,
                    f"message {change.id} of group {details.group!r} in queue {change.queue!r} was received at "
                    f"{moment(change.at)} while an earlier one was {'there' if since < 0 else 'in flight'}",
                )
                break
        line[change.seq] = change.at
    elif change.cause in BACK:
        line[change.seq] = -1


GONE: frozenset[Cause] = frozenset({"deleted", "moving", "rejected", "retained out", "purged"})
BACK: frozenset[Cause] = frozenset({"sent", "moved in", "expired", "nacked", "given back"})


def falling(lines: dict[tuple[str, str], Any], change: Change, number: Any) -> Iterator[Breach]:
    if number is None or change.record is None:
        return
    place = (change.queue, details_of(change.record).group or "")
    highest = lines.setdefault(place, number)
    if number < highest:
        yield Breach(
            change.id,
            f"message {change.id}, number {number!r}, was done in queue {change.queue!r} at {moment(change.at)}, "
            f"after number {highest!r}",
        )
    lines[place] = max(highest, number)


def reasons(*, silent: bool = False) -> Law:
    """Every dead letter says why: what its handler raised, or with which words it was rejected.

    silent: also those count as said that were received too often and not deleted, of which nobody complained.
    """

    def law(recording: Recording) -> Iterator[Breach]:
        for change in recording.changes:
            if change.cause == "moved in" and is_dead(change):
                failure = details_of(change.record or ("", 0, 0)).failure
                if failure is None or not failure.error or (failure.error == "TooManyReceives" and not silent):
                    why = "nothing" if failure is None else f"only that it was {failure.text}"
                    yield Breach(
                        change.id,
                        f"message {change.id} is dead in queue {change.queue!r}, and what is said of it is {why}",
                    )

    return law


def is_dead(change: Change) -> bool:
    """Whether it is a dead letter that came here."""
    details = None if change.record is None else details_of(change.record)
    return details is not None and (details.source is not None or details.failure is not None)


ALWAYS: tuple[Law, ...] = (conserved(), in_order(), reasons(silent=True))
"""What holds of every run."""


# -- what a program promises -------------------------------------------------------------------------------------------


def once(key: Callable[[Change], Hashable], *, cause: Cause = "deleted", queue: str | None = None) -> Law:
    """No key twice: for handlers that claim to be idempotent.

    key: of the change, None for one that does not count; cause: what counts as done: "deleted", its message was
    acknowledged; "sent", with the queue to which a handler sends its results; "received", begun at all.
    """

    def law(recording: Recording) -> Iterator[Breach]:
        firsts: dict[Hashable, Change] = {}
        for change in recording.changes:
            if change.cause != cause or queue not in (None, change.queue) or change.origin is not None:
                continue
            if cause == "deleted" and change.reason is not None:
                continue  # nobody was to handle it
            name = key(change)
            first = change if name is None else firsts.setdefault(name, change)
            if first is not change:
                yield Breach(
                    change.id,
                    f"key {name!r} was {cause} twice in queue {change.queue!r}: message {first.id} at "
                    f"{moment(first.at)}, message {change.id} at {moment(change.at)}",
                    # What two handlings of one message made: its story has both.
                    change.during if change.during == first.during else None,
                )

    if not callable(key):
        raise TypeError(
            f"key must be a callable that takes a Change, such as lambda change: change.text, not {key!r:.80}"
        )
    if cause not in CAUSES:
        raise ValueError(f"nothing changes by {cause!r}; what counts as done is 'deleted', 'sent' or 'received'")
    return of_queues(law, queue)


def drained(*queues: str) -> Law:
    """At the end nothing waits, is in flight or delayed in these queues, or in any; dead letters aside."""

    def law(recording: Recording) -> Iterator[Breach]:
        for change in left(recording):
            if not queues or change.queue in queues:
                yield Breach(change.id, f"message {change.id} is still in queue {change.queue!r}, {words_for(change)}")

    return of_queues(law, *queues)


def latency(seconds: Seconds, *, queue: str | None = None) -> Law:
    """From when it is visible, each message is gone after at most so many seconds, or not yet waiting for so long.

    queue: only in this one; dead letters aside.
    """
    most = nanoseconds(seconds, "seconds")

    def law(recording: Recording) -> Iterator[Breach]:
        ends: dict[tuple[str, int | None], int] = {}
        for change in recording.changes:
            if change.cause in GONE:
                ends[change.queue, change.seq] = change.at
        for change in arrivals(recording):
            since = change.at if change.until is None else change.until
            took = ends.get((change.queue, change.seq), recording.ended) - since
            if queue in (None, change.queue) and took > most:
                yet = "" if (change.queue, change.seq) in ends else ", and is not gone yet"
                yield Breach(
                    change.id,
                    f"message {change.id} took {took / SECOND:.6g} s in queue {change.queue!r}, over the "
                    f"{most / SECOND:g} s it may take{yet}",
                )

    return of_queues(law, queue)


def arrivals(recording: Recording) -> Iterator[Change]:
    """How each message came to each queue, but for dead letters."""
    return (
        one
        for one in recording.changes
        if one.queue and (one.cause in ("sent", "moved in") or one.injects) and not is_dead(one)
    )


def left(recording: Recording) -> list[Change]:
    """The last change of each message that is in a queue at the end, but for dead letters."""
    last = {(change.queue, change.seq): change for change in recording.changes if change.queue and change.id}
    came = ((change.queue, change.seq) for change in arrivals(recording))
    return [last[place] for place in came if last[place].cause not in (*GONE, "moved")]


def words_for(change: Change) -> str:
    return f"{change.cause} at {moment(change.at)}"
