"""What came of a load: figures, the backlog over time, and how they show themselves as text, JSON, page and picture."""

from __future__ import annotations

import json
import math
from array import array
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from os import PathLike
from typing import Any, NamedTuple

import attrs

from decouple.testing.load.figures import shown
from decouple.testing.load.picture import draw_load, drawable, picture, write
from decouple.testing.load.prices import Cost, Requests

__all__ = ["Latency", "Load", "Sample", "plain", "rendered"]


class Latency(NamedTuple):
    """Of how many messages, and their seconds: the mean, percentiles (nearest rank) and the longest; nan where there are none."""

    messages: int
    mean: float
    p50: float
    p90: float
    p99: float
    max: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Latency:
        """Of these, in any order; nan does not count. Cost: O(n log n)."""
        values = sorted(one for one in seconds if one == one)
        if not values:
            return cls(0, *[math.nan] * 5)
        count = len(values)
        ranks = [values[math.ceil(share * count) - 1] for share in (0.5, 0.9, 0.99, 1)]
        return cls(count, math.fsum(values) / count, *ranks)


class Sample(NamedTuple):
    """The queue at one instant. at: seconds since the start; oldest: the age of the oldest message; at_work: handlers."""

    at: float
    visible: int
    in_flight: int
    delayed: int
    oldest: float
    at_work: int


@attrs.frozen(kw_only=True, repr=False, eq=False)
class Load:
    """What `simulate.load` gives. Durations in seconds; it prints as a table, and notebooks show it with its picture.

    settings: as they were given; lasted: until the last message was gone, at least as long as messages came. arrived:
    messages; handled: those of them on which work succeeded at least once; what was not deleted is dead, expired (by
    retention) or left (at the end), some of it although it was handled. attempts: begun handlings; failed: those that raised
    or timed out; duplicates: those that succeeded with a message that was handled already.
    dead: in the dead-letter queue, `reasons` has why, and how often. waiting: from the sending of a message until work on
    it begins for the first time; total: until it is handled for the first time; groups: total by group, of up to 1,000.
    samples: the queue over time, in even steps, 400 to 800 of them; backlog_peak, backlog_mean: visible messages, at every
    change and over time; oldest_peak: of the samples. busy: the share of their time that consumers work, None for a
    function; peak: most handlings, or runs of a function, at a time. runs, gb_seconds, cold_starts, throttles: of a
    function. waits, totals: by message, in the order of arrival, nan where there is none.
    """

    settings: Mapping[str, Any]
    seed: int
    lasted: float
    arrived: int
    handled: int
    dead: int
    expired: int
    left: int
    attempts: int
    failed: int
    duplicates: int
    reasons: Mapping[str, int]
    waiting: Latency
    total: Latency
    groups: Mapping[str, Latency]
    samples: tuple[Sample, ...]
    backlog_peak: int
    backlog_mean: float
    oldest_peak: float
    busy: float | None
    peak: int
    runs: int
    gb_seconds: float
    cold_starts: int
    throttles: int
    requests: Requests
    cost: Cost
    waits: array[float]
    totals: array[float]

    @property
    def throughput(self) -> float:
        """Messages handled a second, over all of the time."""
        return self.handled / self.lasted if self.lasted else 0.0

    @property
    def cost_per_million(self) -> float:
        """Of the messages that came."""
        return self.cost.total / self.arrived * 1_000_000 if self.arrived else 0.0

    # -- as text -----------------------------------------------------------------------------------------------

    def __repr__(self) -> str:
        return f"<Load: {self.arrived:,} messages in {shown(self.lasted)}, {self.handled:,} handled>"

    @property
    def title(self) -> str:
        """The settings in a line."""
        words = [words_for(name, value) for name, value in self.settings.items() if name not in ("progress", "prices")]
        return ", ".join(words)

    @property
    def rows(self) -> list[tuple[str, str]]:
        """The table: a name and words."""
        return [*self._of_messages(), *self._of_time(), *self._of_work()]

    def _of_messages(self) -> Iterator[tuple[str, str]]:
        others = [(self.dead, "dead"), (self.expired, "expired"), (self.left, "left")]
        words = [f"{self.handled:,} handled", *(f"{number:,} {what}" for number, what in others if number)]
        yield "messages", f"{self.arrived:,} in {shown(self.lasted)}: {', '.join(words)}; {self.throughput:.4g}/s"
        if self.attempts != self.handled:
            yield (
                "attempts",
                f"{self.attempts:,}, of which {self.failed:,} failed and {self.duplicates:,} were duplicates",
            )
        for reason, number in self.reasons.items():
            yield "dead", f"{number:,} by {reason}"

    def _of_time(self) -> Iterator[tuple[str, str]]:
        for name, latency in (("waiting", self.waiting), ("total", self.total)):
            figures = (("p50", latency.p50), ("p90", latency.p90), ("p99", latency.p99), ("max", latency.max))
            yield name, ", ".join(f"{what} {shown(value)}" for what, value in (*figures, ("mean", latency.mean)))
        if self.groups and len(self.groups) <= MOST_ROWS:
            for name, latency in self.groups.items():
                yield f"  {name}", f"total p50 {shown(latency.p50)}, p99 {shown(latency.p99)} of {latency.messages:,}"
        yield "backlog", f"up to {self.backlog_peak:,}, mean {self.backlog_mean:.4g}; oldest {shown(self.oldest_peak)}"

    def _of_work(self) -> Iterator[tuple[str, str]]:
        if self.busy is not None:
            yield "work", f"up to {self.peak:,} at a time, {self.busy:.1%} of the consumers' time"
        else:
            more = f", {self.throttles:,} throttles" if self.throttles else ""
            yield "work", f"up to {self.peak:,} of {self.runs:,} runs at a time, {self.cold_starts:,} cold{more}"
        calls = self.requests
        words = f"{calls.sends:,} sends, {calls.receives:,} receives ({calls.empty_receives:,} empty)"
        words += f", {calls.deletes:,} deletes"
        yield "requests", f"{calls.total:,}: {words}{f', {calls.changes:,} changes' if calls.changes else ''}"
        per = f"{self.cost_per_million:.4g} a million messages"
        yield "cost", f"{self.cost.total:.4g} {self.cost.currency}{of_which(self.cost)}; {per}"

    def __str__(self) -> str:
        rows = self.rows
        width = max(len(name) for name, _ in rows)
        return "\n".join([self.title, "", *(f"{name:<{width}}  {words}" for name, words in rows)])

    # -- as data -----------------------------------------------------------------------------------------------

    def document(self) -> dict[str, Any]:
        """It as what JSON holds: everything but `waits` and `totals`; None for what is not a number."""
        values = attrs.asdict(self, recurse=False, filter=lambda field, _: field.name not in ("waits", "totals"))
        more = {"throughput": self.throughput, "cost_per_million": self.cost_per_million}
        document: dict[str, Any] = plain({**values, **more})
        return document

    def json(self) -> str:
        """The document as JSON text."""
        return json.dumps(self.document(), ensure_ascii=False, indent=1)

    # -- as a picture ------------------------------------------------------------------------------------------

    def svg(self) -> str:
        """The picture: backlog, age, and how long messages took. Raises NotInstalled (the extra `plot`)."""
        return picture(lambda: draw_load(self))

    def save(self, path: str | PathLike[str]) -> None:
        """Write the picture, as the path ends: .svg, .png or .pdf. Raises ValueError, NotInstalled, OSError."""
        write(lambda: draw_load(self), path)

    def _repr_svg_(self) -> str | None:
        return self.svg() if drawable() else None

    def _repr_html_(self) -> str:
        return rendered(self.title, [[name.strip(), words] for name, words in self.rows], self._repr_svg_())


MOST_ROWS = 20


def words_for(name: str, value: Any) -> str:
    """One setting, as the title says it."""
    if name in ("arrivals", "service"):
        return f"{name} ({value})"
    if name == "failures":
        return f"{name} ({' and '.join(map(str, value if value.__class__ is tuple else (value,)))})"
    return f"{name} {value}"


def of_which(cost: Cost) -> str:
    """What it is made of, where that is more than one thing."""
    parts = [(cost.requests, "requests"), (cost.invocations, "invocations"), (cost.compute, "GB-seconds")]
    parts += [(cost.workers, "workers")]
    words = [f"{value:.4g} {what}" for value, what in parts if value]
    return f" ({', '.join(words)})" if len(words) > 1 else ""


def plain(value: Any) -> Any:
    """A value as what JSON holds."""
    value = value._asdict() if hasattr(value, "_asdict") else value
    if hasattr(value, "items"):
        return {str(key): plain(one) for key, one in value.items()}
    if value.__class__ in (list, tuple):
        return [plain(one) for one in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, (str, int)) else str(value)


STYLE = (
    ".load{font:14px/1.45 system-ui,sans-serif}.load h1{font-size:1em}.load td,.load th{text-align:left;padding:.1em .8em "
    ".1em 0}.load svg{max-width:100%;height:auto}"
)


def rendered(title: str, rows: Sequence[Sequence[str]], svg: str | None, *, head: Sequence[str] = ()) -> str:
    """What a notebook shows: a table, and the picture if there is one."""
    lines = [f"<tr>{''.join(f'<th>{escape(one)}</th>' for one in head)}</tr>"] if head else []
    lines += [f"<tr>{''.join(f'<td>{escape(one)}</td>' for one in row)}</tr>" for row in rows]
    image = "" if svg is None else svg[svg.index("<svg") :]
    table = "\n".join(lines)
    return f'<div class="load"><style>{STYLE}</style><h1>{escape(title)}</h1>\n<table>{table}</table>\n{image}</div>'
