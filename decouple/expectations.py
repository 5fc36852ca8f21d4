"""Expectations: which of the messages that came are those a test means, and what is nearest where there are none.

Read from the records of a queue or a topic, whoever keeps them: its broker (`record=`), a Ledger or a watch over its laws.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from decouple.attributes import Attribute, shown_value, wire_form
from decouple.comparing import distance, shown, unlike
from decouple.core.changes import Cause, Change
from decouple.core.records import Delivery, Record, details_of
from decouple.errors import BodyMissing, NotRecorded
from decouple.large_bodies import Pointer
from decouple.numbers import whole
from decouple.recorder import Recorder, recorder_among
from decouple.story_lines import moment

if TYPE_CHECKING:
    from decouple.queue import Queue
    from decouple.reporting import Observer
    from decouple.topic import Topic

__all__ = ["Left", "assert_empty", "assert_published", "assert_sent", "left_in"]

MOST_SHOWN = 5
MOST_COMPARED = 1_000
NO_JSON = object()


class Expected(NamedTuple):
    """What a test means; None (`...` for the body) = any."""

    body: Any
    attributes: Mapping[str, Any] | None
    group: str | None
    subject: str | None

    def __str__(self) -> str:
        given = [] if self.body is ... else [f"body {shown(self.body)}"]
        given += [f"attributes {shown(dict(self.attributes))}"] if self.attributes else []
        given += [f"group {self.group!r}"] if self.group is not None else []
        given += [f"subject {self.subject!r}"] if self.subject is not None else []
        return f" with {', '.join(given)}" if given else ""

    def unlike(self, change: Change) -> list[str]:
        """How a message differs from it; [] if it is one of those meant."""
        found: list[str] = [] if self.body is ... else list(unlike_bodies(self.body, text_of(change)))
        details = details_of(change.record or ("", 0, 0))
        if self.attributes is not None:
            found += unlike_attributes(self.attributes, details.attributes)
        if self.group is not None and self.group != details.group:
            found.append(f"group is {details.group!r}, not {self.group!r}")
        if self.subject is not None and self.subject != subject_of(change):
            found.append(f"subject is {subject_of(change)!r}, not {self.subject!r}")
        return found


def assert_sent(
    queue: Queue[Any], body: Any, attributes: Mapping[str, Any] | None, group: str | None, count: int | None
) -> list[Change]:
    """See Queue.assert_sent."""
    __tracebackhide__ = True
    expected = Expected(plain_body(queue, body), attributes, group, None)
    what = f"queue {queue.name!r}"
    recorder = recorder_of(queue._reporter.observers, what)
    came = [change for change in list(recorder.changes) if change.queue == queue.name and came_here(change)]
    found = meant(what, "sent", expected, came, count, recorder.dropped)
    with queue._lock:
        queue._asserted |= {change.id for change in found if change.id is not None}
    return found


def assert_published(
    topic: Topic,
    body: Any,
    subject: str | None,
    attributes: Mapping[str, Any] | None,
    group: str | None,
    count: int | None,
) -> list[Change]:
    """See Topic.assert_published."""
    __tracebackhide__ = True
    what = f"topic {topic.name!r}"
    recorder = recorder_of(topic._reporter.observers, what)
    came = [one for one in list(recorder.changes) if one.topic == topic.name and one.cause == "published"]
    return meant(what, "published", Expected(body, attributes, group, subject), came, count, recorder.dropped)


def recorder_of(observers: Iterable[Observer], what: str) -> Recorder:
    recorder = recorder_among(observers)
    if recorder is None:
        raise NotRecorded(what, kept=0, dropped=0, most=0)
    return recorder


def came_here(change: Change) -> bool:
    """Whether a message came into the queue, other than back to it."""
    if change.cause == "moved in" and change.record is not None:
        return details_of(change.record).source is not None  # a dead letter
    return change.cause == "sent"


def meant(
    what: str, verb: Cause, expected: Expected, came: list[Change], count: int | None, dropped: int
) -> list[Change]:
    """Those that are as expected, as many as there are to be. Raises AssertionError."""
    __tracebackhide__ = True
    if count is not None:
        whole(count, "count", 0)
    differ = [(change, expected.unlike(change)) for change in came]
    found = [change for change, sentences in differ if not sentences]
    if len(found) == count or (count is None and found):
        return found
    were = {0: "no message was", 1: "one message was"}.get(len(found), f"{len(found)} messages were")
    lines = [f"{were} {verb} to {what}{expected}{'' if count is None else f', and not {count}'}"]
    lines += [f"  {line}" for change in found[:MOST_SHOWN] for line in told(change, [])]
    others = [pair for pair in differ if pair[1]][-MOST_COMPARED:]
    others.sort(key=lambda pair: remoteness(expected, *pair))
    if count is None or len(found) < count:
        lines += nearest(verb, expected, others)
    lines += [f"({dropped} older changes are not recorded any more)"] if dropped else []
    error = AssertionError("\n".join(lines))
    about = found or [change for change, _ in others]
    vars(error)["about"] = [
        change.id for change in about if change.id is not None
    ]  # for reports: whose stories to tell
    raise error


def nearest(verb: str, expected: Expected, others: list[tuple[Change, list[str]]]) -> list[str]:
    """The messages that came instead, the most similar ones first."""
    if not others:
        return [f"nothing else was {verb}"]
    more = len(others) - MOST_SHOWN
    lines = [f"{verb} instead{', nearest first' if len(others) > 1 else ''}:"]
    lines += [f"  {line}" for pair in others[:MOST_SHOWN] for line in told(*pair)]
    return [*lines, f"  and {more} more"] if more > 0 else lines


def remoteness(expected: Expected, change: Change, sentences: list[str]) -> tuple[bool, int, float]:
    """By what kind of thing it is, then in how many places it differs, then by how much its text does."""
    if expected.body is ...:
        return False, len(sentences), 0.0
    text = text_of(change)
    wanted = expected.body if isinstance(expected.body, str) else json.dumps(expected.body, default=repr, skipkeys=True)
    return kind_of(expected.body) is not kind_of(decoded(text)), len(sentences), distance(wanted, text)


def kind_of(body: Any) -> type[Any]:
    return next((kind for kind in (dict, list, str) if isinstance(body, kind)), object)


def told(change: Change, sentences: list[str]) -> list[str]:
    """A message in a line, and in one each how it differs."""
    details = details_of(change.record or ("", 0, 0))
    more = [] if not details.attributes else [f"attributes {shown(shown_attributes(details.attributes))}"]
    more += [] if details.group is None else [f"group {details.group!r}"]
    more += [] if (subject := subject_of(change)) is None else [f"subject {subject!r}"]
    return [", ".join([f"{moment(change.at)}  {shown(text_of(change))}", *more]), *(f"    {one}" for one in sentences)]


# -- what is compared --------------------------------------------------------------------------------------------------


def plain_body(queue: Queue[Any], body: Any) -> Any:
    """What the queue's type holds, as JSON holds it, and everything else as it is."""
    if queue._codec is None or body is ...:
        return body
    try:
        return json.loads(queue._codec.text_of(body))
    except (TypeError, ValueError):  # text, JSON or a matcher in its place
        return body


def text_of(change: Change) -> str:
    """The body as it was sent, also where it is kept elsewhere; once it is gone there, what stood for it."""
    text = "" if change.record is None else change.record[0]
    if not isinstance(text, Pointer):
        return text
    try:
        return text.text or text.fetch(change.queue)
    except BodyMissing:
        return str(text)


def decoded(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return NO_JSON


def unlike_bodies(expected: Any, text: str) -> Iterable[str]:
    if isinstance(expected, str) or expected == text:  # also a matcher may be meant for the text
        return unlike("body", expected, text)
    found = decoded(text)
    return unlike("body", expected, text if found is NO_JSON else found)


def unlike_attributes(expected: Mapping[str, Any], found: Mapping[str, Any]) -> Iterable[str]:
    for name, value in expected.items():
        if name not in found:
            yield f"attributes[{name!r}] is missing, not {shown(value)}"
        elif isinstance(value, Attribute):
            yield from unlike(f"attributes[{name!r}]", value, wire_form(found[name]))
        else:
            yield from unlike(f"attributes[{name!r}]", value, shown_value(found[name]))


def shown_attributes(attributes: Mapping[str, Any]) -> dict[str, Any]:
    return {name: shown_value(value) for name, value in attributes.items()}


def subject_of(change: Change) -> str | None:
    return None if change.settings is None or change.cause != "published" else change.settings["subject"]


# -- what is in a queue ------------------------------------------------------------------------------------------------


class Left(NamedTuple):
    """A message in a queue. state: "visible", "in flight", "delayed" or "moving"; receives: how often it was received."""

    id: str
    text: str
    state: str
    receives: int
    dead: bool

    def __str__(self) -> str:
        times = {0: "never received", 1: "received once"}.get(self.receives, f"received {self.receives} times")
        return f"{self.state}{', a dead letter' if self.dead else ''}, {times}: {shown(self.text)}"


def left_in(queue: Queue[Any]) -> list[Left]:
    """All that is in a queue now: visible, in flight, delayed, moving. Cost: O(messages)."""
    core = queue._core
    try:
        with queue._lock:
            now = queue._now()
            core.settle_all(now)
            queue._lobby.serve(now)
            found = [left(queue, record, "visible", past[0] + 1) for _, record, past in core.in_line()]
            for name, place in core.places():
                state = PLACES.get(name)
                found += [] if state is None else [held(queue, one, state) for one in list(place.values())]
            found += [held(queue, move.delivery, "moving") for move in list(core.moving.values())]
            return found
    finally:
        queue._follow_up()


PLACES = {"leased": "in flight", "odd": "in flight", "delayed": "delayed"}


def held(queue: Queue[Any], delivery: Delivery, state: str) -> Left:
    return left(queue, delivery.record, state, delivery.times_received)


def left(queue: Queue[Any], record: Record, state: str, receives: int) -> Left:
    return Left(queue._core.id_of(record), str(record[0]), state, receives, details_of(record).source is not None)


def assert_empty(queue: Queue[Any]) -> None:
    """See Queue.assert_empty."""
    __tracebackhide__ = True
    found = left_in(queue)
    if found:
        lines = [f"queue {queue.name!r} is not empty, but has {len(found)} message{'s' if len(found) > 1 else ''}:"]
        lines += [f"  {one}" for one in found[: 2 * MOST_SHOWN]]
        lines += [f"  and {len(found) - 2 * MOST_SHOWN} more"] if len(found) > 2 * MOST_SHOWN else []
        raise AssertionError("\n".join(lines))
