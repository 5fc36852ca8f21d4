"""Pictures of loads and sweeps, drawn by matplotlib (the extra `plot`), which is loaded for the first of them.

Figures are made without pyplot, which keeps those it made, in a state that all threads share.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any

from decouple.errors import NotInstalled

if TYPE_CHECKING:
    from decouple.testing.load.result import Load

__all__ = ["check_path", "draw_grid", "draw_lines", "draw_load", "drawable", "picture", "write"]

EXTRA = "pip install 'decouple-messaging[plot]'"
ENDINGS = (".svg", ".png", ".pdf")
SAME = {"svg.hashsalt": "the same file every time"}
BLUE, ORANGE, GREY, DARK = "#1f6f9f", "#d1642e", "#c9d8e2", "#334"
POINTS = 400


def drawable() -> bool:
    """Whether there is something to draw with."""
    return find_spec("matplotlib") is not None


def loaded(module: str) -> Any:
    """A part of matplotlib. Raises NotInstalled."""
    try:
        return import_module(f"matplotlib.{module}" if module else "matplotlib")
    except ModuleNotFoundError:
        raise NotInstalled("the Python package matplotlib", purpose="a picture of a load", install=EXTRA) from None


def check_path(path: str | PathLike[str]) -> str:
    """By what its name ends, without the dot. Raises ValueError."""
    ending = Path(path).suffix.lower()
    if ending not in ENDINGS:
        raise ValueError(f"path must end in {', '.join(ENDINGS[:-1])} or {ENDINGS[-1]}, not {fspath(path)!r}")
    return ending.removeprefix(".")


def picture(draw: Callable[[], Any]) -> str:
    """As SVG text."""
    return rendered(draw, "svg").decode()


def write(draw: Callable[[], Any], path: str | PathLike[str]) -> None:
    """Into a file, as its name ends."""
    Path(path).write_bytes(rendered(draw, check_path(path)))


def rendered(draw: Callable[[], Any], kind: str) -> bytes:
    file = io.BytesIO()
    with loaded("").rc_context({**SAME, "axes.titlelocation": "left", "axes.titlesize": "medium"}):
        metadata = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind)
        draw().savefig(file, format=kind, dpi=150, metadata=metadata)
    return file.getvalue()


def new_figure(wide: float, high: float) -> Any:
    return loaded("figure").Figure(figsize=(wide, high), layout="constrained")


def tidy(axes: Any) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", alpha=0.3)


# -- one load ----------------------------------------------------------------------------------------------------------


def draw_load(load: Load) -> Any:
    """The queue over time, the age of its oldest message, and the latencies of all."""
    figure = new_figure(8, 7.5)
    backlog, age, latency = figure.subplots(3)
    unit, factor = time_unit(load.lasted)
    at = [sample.at * factor for sample in load.samples]
    draw_backlog(backlog, load, at)
    age.plot(at, [sample.oldest for sample in load.samples], color=ORANGE)
    age.set(title="Age of the oldest message", ylabel="seconds", xlabel=unit, ylim=0)
    for axes in (backlog, age):
        axes.set(xlim=(0, max(at[-1], factor * load.lasted) or 1))
    draw_latency(latency, load)
    for axes in (backlog, age, latency):
        tidy(axes)
    return figure


def draw_backlog(axes: Any, load: Load, at: list[float]) -> None:
    names = [name for name in ("in_flight", "visible", "delayed") if any(getattr(one, name) for one in load.samples)]
    colors = {"in_flight": BLUE, "visible": GREY, "delayed": "#e8dcc0"}
    if names:
        stacks = [[getattr(one, name) for one in load.samples] for name in names]
        labels = [name.replace("_", " ") for name in names]
        axes.stackplot(at, *stacks, colors=[colors[name] for name in names], labels=labels, step="post")
        axes.legend(frameon=False, reverse=True, loc="upper right")
    axes.set(title="Messages in the queue", ylabel="messages", ylim=0)


def draw_latency(axes: Any, load: Load) -> None:
    """By the share of messages that took longer: the tail is what one plans for."""
    for values, label, color in ((load.waits, "waiting", GREY), (load.totals, "until handled", BLUE)):
        taken = sorted(one for one in values if one == one)
        if not taken:
            continue
        ranks = sorted({round(len(taken) * (1 - 10 ** (-5 * step / POINTS))) for step in range(POINTS + 1)})
        ranks = [rank for rank in ranks if rank < len(taken)]
        line = DARK if color == GREY else color
        axes.plot([taken[rank] for rank in ranks], [1 - rank / len(taken) for rank in ranks], color=line, label=label)
    axes.set(title="Messages that took longer than ...", xlabel="seconds", ylabel="share", yscale="log", xlim=0)
    if axes.get_lines():
        axes.legend(frameon=False)


def time_unit(seconds: float) -> tuple[str, float]:
    """The unit of an axis so long, and what seconds are times for it."""
    if seconds < 300:
        return "seconds", 1.0
    return ("minutes", 1 / 60) if seconds < 18_000 else ("hours", 1 / 3_600)


# -- sweeps ------------------------------------------------------------------------------------------------------------


def draw_lines(name: str, labels: Sequence[str], measures: Mapping[str, Sequence[float]]) -> Any:
    """One setting was swept: each measure over it."""
    figure = new_figure(8, 1 + 1.9 * len(measures))
    rows = figure.subplots(len(measures), sharex=True, squeeze=False)[:, 0]
    for axes, (title, values) in zip(rows, measures.items(), strict=True):
        axes.plot(range(len(labels)), values, marker="o", color=BLUE)
        axes.set(title=title, ylim=0)
        tidy(axes)
    rows[-1].set_xticks(range(len(labels)), labels)
    rows[-1].set_xlabel(name)
    return figure


def draw_grid(
    across: tuple[str, Sequence[str]],
    down: tuple[str, Sequence[str]],
    measures: Mapping[str, Sequence[float]],
    words: Callable[[str, float], str],
) -> Any:
    """Several were swept: a field for each pair of values, the darker the more."""
    (x, columns), (y, rows) = across, down
    width = len(columns)
    figure = new_figure(max(6.5, 2.5 + 1.5 * width), 0.6 + len(measures) * (0.9 + 0.38 * len(rows)))
    for axes, (title, values) in zip(
        figure.subplots(len(measures), squeeze=False)[:, 0], measures.items(), strict=True
    ):
        fields = [list(values[at : at + width]) for at in range(0, len(values), width)]
        known = [value for value in values if value == value]
        most = max(known, default=0.0) or 1.0
        axes.imshow(fields, cmap="Blues", vmin=0, vmax=most * 1.15, aspect="auto")
        axes.set_xticks(range(width), columns)
        axes.set_yticks(range(len(rows)), rows)
        axes.set(title=title, xlabel=x, ylabel=y)
        axes.spines[:].set_visible(False)
        axes.tick_params(length=0)
        for at, value in enumerate(values):
            color = "white" if value > 0.6 * most else DARK
            axes.text(at % width, at // width, words(title, value), ha="center", va="center", color=color)
    return figure
