"""Two recordings compared: the first change that differs, and what happened more or less often.

Every run makes its own ids, so an id is known by where it first appears: the third one here must be the third one there.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, NamedTuple

from decouple.core.records import details_of
from decouple.shown import as_it_stands
from decouple.stories.change_json import details_to

if TYPE_CHECKING:
    from decouple.core.changes import Change
    from decouple.stories.recording import Recording

__all__ = ["Difference", "difference"]

ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")

Count = tuple[str, int, int]


class Difference(NamedTuple):
    """How two runs differ; false where they do not.

    at: the number of the first change that differs, from 0 on, None if none does; here, there: that change in words, None
    where that run had ended; counts: what happened more or less often: what and where, how often here and there; size: how
    many changes there were here.
    """

    at: int | None
    here: str | None
    there: str | None
    counts: tuple[Count, ...]
    size: int

    def __bool__(self) -> bool:
        return self.at is not None

    def __str__(self) -> str:
        if self.at is None:
            return f"the same: {self.size} changes"
        ended = "the end"
        lines = [
            f"the first {self.at} changes are the same, then",
            f"  here:  {self.here or ended}",
            f"  there: {self.there or ended}",
        ]
        lines += [f"{what}: {here} here, {there} there" for what, here, there in self.counts]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return as_it_stands(self)


def difference(here: Recording, there: Recording, *, times: bool = True) -> Difference:
    """See Recording.diff."""
    names = Names(here.started, times), Names(there.started, times)
    size = len(here.changes)
    for number, (mine, other) in enumerate(zip_longest(here.changes, there.changes)):
        seen = None if mine is None else names[0].plain(mine), None if other is None else names[1].plain(other)
        if seen[0] != seen[1]:
            words = [None if one is None else shown(one, seen[1 - at]) for at, one in enumerate(seen)]
            return Difference(number, words[0], words[1], tuple(counted(here, there)), size)
    return Difference(None, None, None, (), size)


class Names:
    """What makes the changes of one run comparable to those of another."""

    def __init__(self, started: int, times: bool) -> None:
        self.started = started
        self.times = times
        self.ids: dict[str, str] = {}

    def plain(self, change: Change) -> dict[str, Any]:
        """The change without what is of this run alone."""
        found = {name: value for name, value in change._asdict().items() if value is not None and name not in LEFT_OUT}
        for name in ("at", "until"):
            if not self.times:
                found.pop(name, None)
            elif name in found:
                found[name] = (found[name] - self.started) / 1e9
        if change.record is not None:
            details = details_to(details_of(change.record)) | {"text": str(change.record[0])}
            if "failure" in details:
                error, text, _, attempts = details["failure"]  # lines of a traceback move with every edit
                details["failure"] = [error, text, attempts]
            found |= details
        # Also within bodies, for SNS's envelopes have ids in them, and a program may pass them on.
        text = ID.sub(lambda match: self._name(match[0]), json.dumps(found, sort_keys=True, default=str))
        renamed: dict[str, Any] = json.loads(text)
        return renamed

    def _name(self, id: str) -> str:
        return self.ids.setdefault(id, f"#{len(self.ids) + 1}")


LEFT_OUT = {"seq", "record", "who"}


def shown(change: dict[str, Any], other: dict[str, Any] | None) -> str:
    """What happened and where, and each thing in which it differs from what happened in the other run."""
    first = [f"at {change['at']:g} s"] if "at" in change else []
    first += [what_where(change), *([change["id"]] if "id" in change else [])]
    first += [excerpt(change["text"], (other or {}).get("text"))] if "text" in change else []
    differs = [] if other is None else [name for name in change if change[name] != other.get(name)]
    told = ("at", "cause", "id", "text", *PLACES)
    return " ".join(first) + "".join(f", {name} {change[name]!r:.120}" for name in differs if name not in told)


def excerpt(text: str, other: str | None) -> str:
    """The beginning of a text, or where it begins to differ from the other one."""
    at = 0
    if other is not None and other != text:
        at = max(0, next((at for at, (a, b) in enumerate(zip(text, other, strict=False)) if a != b), len(other)) - 20)
    return f"{'...' if at else ''}{text[at : at + 60]!r}"


PLACES = ("queue", "topic", "subscription", "function", "schedule")


def what_where(change: dict[str, Any]) -> str:
    where = [f"{place} {change[place]}" for place in PLACES if change.get(place)]
    return f"{change['cause']} in {', '.join(where)}"


def counted(here: Recording, there: Recording) -> list[Count]:
    """What happened how often, where it was not as often."""
    mine, other = (Counter(what_where(change._asdict()) for change in run.changes) for run in (here, there))
    return [(what, mine[what], other[what]) for what in {**mine, **other} if mine[what] != other[what]]
