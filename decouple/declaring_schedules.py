"""Schedules of a broker whose engine outlives the process: declared, found again, and restored without being declared.

One with a name of its own whose target is a queue or topic of the broker runs from the start of the next process, as
EventBridge's do, until it is closed; so does an at() without a name, because programs make those as they go. What else has
no name stands in the program: it is found again by what it says (its expression, target and payload) when it is declared
again, and rests until then. So does one with a function, a callable or a retry schedule of one's own.

Declared for the first time in a process it has the terms given then. With those it had it goes on where it was; with others
it begins anew, and what was due before goes on.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any
from zlib import crc32

from decouple.clock import random_bytes
from decouple.core.backoff import Exponential, Phases, Until
from decouple.core.schedule import At, Plan, plan
from decouple.core.settings import SECOND
from decouple.errors import DecoupleError
from decouple.function import Function
from decouple.keeping_schedules import KIND, KeptSchedule, fresh
from decouple.outlets import Payload, name_of
from decouple.queue import Queue
from decouple.schedule_terms import Terms, check_due, check_schedule_name
from decouple.schedules import Schedule
from decouple.topic import Topic
from decouple.zones import zone

if TYPE_CHECKING:
    from decouple.declaring import Declaring
    from decouple.shelves import Shelf

__all__ = ["Shelved"]

RETRIES: dict[str, Any] = {"Exponential": Exponential, "Phases": Phases}


class Shelved:
    """The schedules of one broker that are on its shelf."""

    def __init__(self, broker: Declaring, shelf: Shelf) -> None:
        self._broker = broker
        self._shelf = shelf
        self._unnamed: Counter[str] = Counter()
        self._revision: int | None = None

    # -- declared ------------------------------------------------------------------------------------------------

    def declare(self, name: str | None, terms: Terms, planned: Plan, since: int) -> Schedule:
        """See Broker.schedule."""
        words = self._words_of(terms)
        called = self._name_for(words) if name is None else check_schedule_name(name)
        present = self._broker._schedules.get(called)
        if present is not None and not present._restored:
            present.compare(self._made(called, terms, planned, since))
            return present
        made = self._made(called, terms, planned, since)
        record = self._settle(called, words, planned, since, named=name is not None)
        if present is not None and present._kept is not None and present._kept.terms == words:
            present._restored = False
            return present
        if present is not None:
            present._leave("it was declared anew")
        return self._employ(made, record)

    def _name_for(self, words: Mapping[str, Any]) -> str:
        """A name that the next process finds again; the second one that says the same has another."""
        said = json.dumps([words[one] for one in ("expression", "target", "payload", "timezone", "group")])
        name = f"schedule-{crc32(said.encode()):08x}"
        self._unnamed[name] += 1
        return name if self._unnamed[name] == 1 else f"{name}-{self._unnamed[name]}"

    def _made(self, name: str, terms: Terms, planned: Plan, since: int) -> Schedule:
        broker = self._broker
        with broker._lock:
            if broker._closed:
                raise DecoupleError(
                    f"the broker is closed: declare schedule {terms.expression!r} before, or with another broker"
                )
            staff = broker._employed()
            made = Schedule(name, terms, planned, since, broker.clock, staff, broker._observers, broker._forget)
            broker._settle_in(made)
        return made

    def _settle(self, name: str, words: dict[str, Any], planned: Plan, since: int, *, named: bool) -> dict[str, Any]:
        """The record: as it is, if it says the same and is not over; or anew. Raises InvalidSchedule."""
        while True:
            old: dict[str, Any] | None = self._shelf.get(KIND, name)
            if old is not None and old["terms"] == words and (old["open"] or still_due(old, planned)):
                return old
            check_due(words["expression"], planned, since)
            new = fresh(words, planned.start, since, random_bytes(8).hex(), named=named)
            if old is not None:
                new |= {one: old[one] for one in ("stem", "fired", "open")}
                new["state"] = "paused" if old["state"] == "paused" else "enabled"
            if self._shelf.swap(KIND, name, old, new):
                return new

    def _employ(self, schedule: Schedule, record: dict[str, Any], *, restored: bool = False) -> Schedule:
        """Let it go on where the record says, in this process, too."""
        broker = self._broker
        schedule._plan = schedule._plan._replace(start=record["start"])
        schedule._stem, schedule._restored = record["stem"], restored
        schedule._kept = kept = KeptSchedule(self._shelf, schedule, record["terms"])
        kept.see(record)
        with broker._lock:
            found = broker._schedules.setdefault(schedule.name, schedule)
        if found is schedule:
            kept.begin_here(broker._looks())
            if self._shelf.shared:
                broker._looks().watch("schedules of others", self.restore)
        return found

    # -- restored ------------------------------------------------------------------------------------------------

    def restore(self) -> None:
        """Go on with those that need nothing of the program's, and are not here yet."""
        if self._revision == (revision := self._shelf.revision):
            return
        self._revision = revision
        for name, record in self._shelf.items(KIND).items():
            if record is not None and name not in self._broker._schedules:
                self._restore(name, record)

    def _restore(self, name: str, record: dict[str, Any]) -> None:
        found = self._terms_of(record["terms"])
        if found is None:
            return
        terms, planned = found
        over = record["state"] == "ended" and not record["open"]
        if over or not (record["named"] or isinstance(planned.expression, At)):
            return
        self._employ(self._made(name, terms, planned, record["last"] + 1), record, restored=True)

    # -- terms as JSON -------------------------------------------------------------------------------------------

    def _words_of(self, terms: Terms) -> dict[str, Any]:
        dead = terms.dead_letter
        return {
            "expression": terms.expression,
            "target": self._word_for(terms.target),
            "payload": [terms.payload.text, terms.payload.coded, list(terms.payload.open)],
            "timezone": terms.timezone,
            "window": terms.window,
            "start": None if terms.start is None else terms.start.isoformat(),
            "end": None if terms.end is None else terms.end.isoformat(),
            "group": terms.group,
            "retry": words_of_retry(terms.retry),
            "dead_letter": None if dead is None else self._word_for(dead),
        }

    def _word_for(self, target: Any) -> list[str]:
        """What it is, and what it is called."""
        broker = self._broker
        if isinstance(target, Queue):
            return ["queue" if broker._queues.get(target.name) is target else "other queue", target.name]  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
        if isinstance(target, Topic):
            return ["topic" if broker._topics.get(target.name) is target else "other topic", target.name]
        return ["function", target.name] if isinstance(target, Function) else ["callable", name_of(target)]

    def _target_of(self, word: list[str]) -> Queue[Any] | Topic | None:
        kind, name = word
        if kind == "queue":
            return self._broker._queues.get(name)
        return self._broker._topics.get(name) if kind == "topic" else None

    def _terms_of(self, words: dict[str, Any]) -> tuple[Terms, Plan] | None:
        """None where the program has to declare it again."""
        target, retry = self._target_of(words["target"]), retry_of(words["retry"])
        dead = None if words["dead_letter"] is None else self._target_of(words["dead_letter"])
        if target is None or retry is None or (words["dead_letter"] is not None and not isinstance(dead, Queue)):
            return None
        start, end = (None if words[one] is None else datetime.fromisoformat(words[one]) for one in ("start", "end"))
        text, coded, filled = words["payload"]
        terms = Terms(
            words["expression"], target, Payload(text, coded, tuple(filled)), words["timezone"], words["window"],
            start, end, words["group"], retry, dead if isinstance(dead, Queue) else None,
        )  # fmt: skip
        until = None if end is None else round(end.timestamp() * 1e6) * 1_000
        width = round(words["window"] * SECOND)
        return terms, plan(words["expression"], zone=zone(words["timezone"]), start=0, end=until, window=width)


def still_due(record: Mapping[str, Any], planned: Plan) -> bool:
    return planned._replace(start=record["start"]).next_after(record["last"]) is not None


def words_of_retry(retry: Any) -> list[Any]:
    if isinstance(retry, Until):
        return ["Until", words_of_retry(retry.schedule), retry.max_attempts, retry.max_age]
    if isinstance(retry, (Exponential, Phases)):
        return [type(retry).__name__, *retry]
    return ["own", f"{type(retry).__module__}.{type(retry).__qualname__}"]


def retry_of(words: list[Any]) -> Any:
    """None for one of the program's own."""
    kind, *rest = words
    if kind == "Until":
        inner = retry_of(rest[0])
        return None if inner is None else Until(inner, *rest[1:])
    return RETRIES[kind](*rest) if kind in RETRIES else None
