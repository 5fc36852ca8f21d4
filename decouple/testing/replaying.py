"""Replay: what came into a broker from outside, once more, at the same instants, into a broker with other code.

What a recording says that handlers and schedules did is left to those of the new broker: that is what is compared.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple

from decouple.attributes import shown_value
from decouple.callers import OUTSIDE
from decouple.clock import SECOND, VirtualClock, moved_by_hand
from decouple.core.changes import Cause, Change
from decouple.core.records import details_of
from decouple.errors import DecoupleError, QueueNotFound, TopicNotFound
from decouple.shown import as_it_stands
from decouple.stories.differences import Difference
from decouple.stories.recorder import Recorder
from decouple.stories.recording import Recording

if TYPE_CHECKING:
    from decouple.broker import Broker

__all__ = ["Replayed", "replay"]

INPUTS: frozenset[Cause] = frozenset({"sent", "duplicate", "published"})
DECLARED: frozenset[Cause] = frozenset(
    {"subscribed", "confirmed", "configured", "unsubscribed", "closed", "topic closed", "denied"}
)
"""What is not compared: the new broker was declared before."""


class Replayed(NamedTuple):
    """What came of a replay. difference: of the recording and what happened now; recording: of that; inputs: how many sends
    and publishes were made again; refused: those that raised, in words; errors: of handlers.
    """

    difference: Difference
    recording: Recording
    inputs: int
    refused: tuple[str, ...]
    errors: tuple[BaseException, ...]

    def __str__(self) -> str:
        lines = [f"{self.inputs} sends and publishes were made again", *(f"refused: {one}" for one in self.refused)]
        lines += [f"a handler raised {type(error).__name__}: {error}" for error in self.errors]
        return "\n".join([*lines, str(self.difference)])

    def _repr_html_(self) -> str:
        return as_it_stands(self)


def replay(recording: Recording, *, into: Broker, times: bool = True) -> Replayed:
    """Send and publish what was sent and published from outside, at the same instants from now on; how the run differs.

    into: a broker on a VirtualClock, in the clock's thread, with queues and topics of the same names declared, and what
    handles them; due work is done after each instant, and up to the end of the recording. times: whether instants count.
    Raises TypeError, QueueNotFound, TopicNotFound; then nothing was sent.
    """
    if not isinstance(recording, Recording):
        raise TypeError(f"recording must be a Recording, as Recording.load(path) reads it, not {recording!r:.80}")
    if not hasattr(into, "run_until_idle"):
        raise TypeError(f"into must be a broker on a VirtualClock, Broker(clock=VirtualClock()), not {into!r:.80}")
    clock = moved_by_hand(into.clock)
    if clock is None:
        raise TypeError(f"into must be a broker on a VirtualClock, Broker(clock=VirtualClock()), not on {into.clock!r}")
    inputs = [change for change in recording.changes if is_input(change)]
    asked = {(one.queue, one.seq): one.until for one in recording.changes if one.delays}
    inputs = [one._replace(until=asked.get((one.queue, one.seq), one.until)) for one in inputs]
    for change in inputs:
        check_there(change, into)
    recorder, run = Recorder(), Run(into, clock, recording.started)
    began = clock.now() + clock.epoch
    into.observe(recorder)
    try:
        for at, together in groupby(inputs, lambda change: change.at):
            run.move_to(at)
            for change in together:
                run.repeat(change)
            run.work()
        run.move_to(recording.ended)
        run.work()
        into.check()
    finally:
        into.unobserve(recorder)
    made = recorder.recording(started=began, ended=clock.now() + clock.epoch, seed=recording.seed)
    difference = comparable(recording).diff(comparable(made), times=times)
    return Replayed(difference, made, len(inputs), tuple(run.refused), tuple(run.errors))


def is_input(change: Change) -> bool:
    """Whether somebody outside sent or published it: not a handler, a schedule, or a topic to its subscribers."""
    outside = change.who is None or change.who.startswith(OUTSIDE)
    return change.cause in INPUTS and outside and change.origin is None and change.record is not None


def check_there(change: Change, into: Broker) -> None:
    if change.topic is not None:
        if change.topic not in into.topics:
            raise TopicNotFound(change.topic, declared=len(into.topics))
    elif change.queue not in into.queues:
        raise QueueNotFound(change.queue, declared=len(into.queues))


def comparable(recording: Recording) -> Recording:
    """Without what was declared."""
    kept = [change for change in recording.changes if change.cause not in DECLARED]
    return Recording(kept, started=recording.started, ended=recording.ended)


class Run:
    """A replay under way."""

    def __init__(self, into: Broker, clock: VirtualClock, started: int) -> None:
        self.into = into
        self._clock = clock
        self.refused: list[str] = []
        self.errors: list[BaseException] = []
        self._shift = clock.now() + clock.epoch - started

    def move_to(self, at: int) -> None:
        """Let time pass to that instant of the recording."""
        left = at + self._shift - self._clock.now() - self._clock.epoch
        if left > 0:
            self._clock.advance(left / SECOND)

    def work(self) -> None:
        """Do what is due now."""
        if not self.into.idle:
            self.errors += self.into.run_until_idle(errors="collect").errors

    def repeat(self, change: Change) -> None:
        """Send or publish it again."""
        again: Callable[[Change], object] = self._send if change.topic is None else self._publish
        try:
            again(change)
        except (DecoupleError, TypeError, ValueError) as error:
            self.refused.append(f"{change.cause} to {change.queue or change.topic!r}: {type(error).__name__}: {error}")

    def _send(self, change: Change) -> None:
        queue = self.into.queues[change.queue]
        assert change.record is not None
        given = given_of(change)
        if not queue.fifo:
            del given["deduplication_id"]
            given["delay"] = None if change.until in (None, change.at) else (change.until - change.at) / SECOND
        queue.send(queue._decode(change.record[0]), **given)

    def _publish(self, change: Change) -> None:
        topic = self.into.topics[change.topic or ""]
        assert change.record is not None
        more = dict(change.settings or {})
        body: Any = ... if more.get("per_protocol") else change.record[0]
        topic.publish(body, **given_of(change), **more)


def given_of(change: Change) -> dict[str, Any]:
    """The arguments it was sent with, beside its body."""
    assert change.record is not None
    details = details_of(change.record)
    attributes = {name: shown_value(value) for name, value in details.attributes.items()}
    named = {"group": details.group, "deduplication_id": details.deduplication_id}
    return {"attributes": attributes or None, "system": dict(details.system) or None, **named}
