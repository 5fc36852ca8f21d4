"""What came of a sweep: a load for each combination of settings, as one table and one picture."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from itertools import product
from math import prod
from operator import attrgetter
from os import PathLike
from typing import Any, NamedTuple

import attrs

from decouple.testing.load.figures import shown
from decouple.testing.load.picture import draw_grid, draw_lines, drawable, picture, write
from decouple.testing.load.result import Load, plain, rendered

__all__ = ["MEASURES", "Sweep"]


class Measure(NamedTuple):
    """A figure of a load: what it is called, where it is in a Load, and how it is written."""

    title: str
    path: str
    words: Callable[[float], str]

    def value(self, load: Load) -> float:
        return float(attrgetter(self.path)(load))


EACH: list[Measure] = [
    Measure("handled", "handled", "{:,.0f}".format),
    Measure("dead", "dead", "{:,.0f}".format),
    Measure("left", "left", "{:,.0f}".format),
    Measure("duplicates", "duplicates", "{:,.0f}".format),
    Measure("waiting p50", "waiting.p50", shown),
    Measure("total p50", "total.p50", shown),
    Measure("total p99", "total.p99", shown),
    Measure("backlog", "backlog_peak", "{:,.0f}".format),
    Measure("oldest", "oldest_peak", shown),
    Measure("empty receives", "requests.empty_receives", "{:,.0f}".format),
    Measure("cost", "cost.total", "{:.3g}".format),
]
MEASURES = {measure.title: measure for measure in EACH}
"""What a sweep shows of each load, by its title; a picture may be of any of them."""
DRAWN = ("total p99", "duplicates", "dead", "cost")


@attrs.frozen(repr=False, eq=False)
class Sweep:
    """What `simulate.sweep` gives. axes: what was swept, as text by setting; loads: one for each combination, the last
    setting changing fastest. It prints as a table, and notebooks show it with its picture.
    """

    axes: Mapping[str, tuple[str, ...]]
    loads: tuple[Load, ...]

    def __repr__(self) -> str:
        return f"<Sweep over {' x '.join(f'{len(values)} {name}' for name, values in self.axes.items())}>"

    def __iter__(self) -> Iterator[Load]:
        return iter(self.loads)

    def __len__(self) -> int:
        return len(self.loads)

    @property
    def title(self) -> str:
        """What all loads have in common."""
        shared = {name: value for name, value in self.loads[0].settings.items() if name not in self.axes}
        return attrs.evolve(self.loads[0], settings=shared).title

    @property
    def head(self) -> tuple[str, ...]:
        """The settings, and the measures in which the loads differ or that are always shown."""
        return (*self.axes, *(one.title for one in self._measures()))

    @property
    def rows(self) -> list[tuple[str, ...]]:
        """The table: a line for each load."""
        measures = self._measures()
        figures = (tuple(one.words(one.value(load)) for one in measures) for load in self.loads)
        return [(*values, *row) for values, row in zip(product(*self.axes.values()), figures, strict=True)]

    def _measures(self) -> list[Measure]:
        """Those that say something: one that is 0 for all does not."""
        return [one for one in MEASURES.values() if any(one.value(load) for load in self.loads)]

    def __str__(self) -> str:
        table = [self.head, *self.rows]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        lines = ["  ".join(word.rjust(width) for word, width in zip(row, widths, strict=True)) for row in table]
        return "\n".join([self.title, "", *lines])

    def document(self) -> dict[str, Any]:
        """It as what JSON holds: axes, and the documents of all loads without their samples."""
        loads = [{name: value for name, value in one.document().items() if name != "samples"} for one in self.loads]
        return {"axes": plain(self.axes), "loads": loads}

    def json(self) -> str:
        """The document as JSON text."""
        return json.dumps(self.document(), ensure_ascii=False, indent=1)

    # -- as a picture ------------------------------------------------------------------------------------------

    def svg(self, *measures: str) -> str:
        """The picture: lines where one setting was swept, else a grid, the last one across.

        measures: titles of the table; by default those of "total p99", "duplicates", "dead" and "cost" that differ.
        Raises ValueError, NotInstalled (the extra `plot`).
        """
        wanted = self._wanted(measures)
        return picture(lambda: self._draw(wanted))

    def save(self, path: str | PathLike[str], *measures: str) -> None:
        """Write the picture, as the path ends: .svg, .png or .pdf. Raises ValueError, NotInstalled, OSError."""
        wanted = self._wanted(measures)
        write(lambda: self._draw(wanted), path)

    def _wanted(self, titles: tuple[str, ...]) -> list[Measure]:
        for title in titles:
            if title not in MEASURES:
                raise ValueError(f"{title!r} is not a measure of a sweep; there are {', '.join(MEASURES)}")
        if titles:
            return [MEASURES[title] for title in titles]
        return [MEASURES[title] for title in DRAWN if self._differs(MEASURES[title])] or [MEASURES[DRAWN[0]]]

    def _differs(self, measure: Measure) -> bool:
        """Whether it is worth a picture."""
        values = [value for load in self.loads if (value := measure.value(load)) == value]
        return bool(values) and max(values) > 1.05 * min(values)

    def _draw(self, measures: list[Measure]) -> Any:
        values = {one.title: [one.value(load) for load in self.loads] for one in measures}
        *others, last = self.axes.items()
        if not others:
            titles = {
                f"{title}, seconds" if MEASURES[title].words is shown else title: row for title, row in values.items()
            }
            return draw_lines(last[0], last[1], titles)
        name, labels = (
            " x ".join(name for name, _ in others),
            [" x ".join(one) for one in product(*dict(others).values())],
        )
        assert len(labels) * len(last[1]) == prod(map(len, self.axes.values()))
        return draw_grid(last, (name, labels), values, lambda title, value: MEASURES[title].words(value))

    def _repr_svg_(self) -> str | None:
        return self.svg() if drawable() else None

    def _repr_html_(self) -> str:
        return rendered(self.title, self.rows, self._repr_svg_(), head=self.head)
