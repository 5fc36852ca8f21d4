"""`python benchmarks/plot.py` draws results.svg from results.txt: every figure with a goal, as a share of its goal."""

import sys
from pathlib import Path
from typing import Any, NamedTuple

from goals import GOALS

HERE = Path(__file__).resolve().parent
RESULTS, PICTURE = HERE / "results.txt", HERE / "results.svg"

# Okabe and Ito's colours, which colour-blind readers can tell apart; the words at the bars say the same.
COLOURS = {"aim met": "#0072B2", "met": "#56B4E9", "aim missed": "#E69F00", "MISSED": "#D55E00"}
MEANING = {
    "aim met": "reaches the aim",
    "met": "within the limit",
    "aim missed": "misses the aim",
    "MISSED": "over the limit",
}
EDGE = 1.6
INK, PALE = "#222222", "#777777"


class Bar(NamedTuple):
    title: str
    value: str
    share: float
    aim: float | None
    verdict: str


def read(text: str) -> tuple[str, list[Bar]]:
    """What the results say of the run, and a bar for each figure with a goal above zero."""
    facts = dict(line.split(":", 1) for line in text.splitlines()[:4])
    goals = {(goal.title, goal.unit): goal for goal in GOALS.values()}
    bars = []
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) < 3 or not cells[1] or (goal := goals.get((cells[0], cells[2]))) is None:
            continue
        value, limit = float(cells[1].replace(",", "")), goal.must or goal.aim
        if limit:
            aim = goal.aim / limit if goal.aim is not None and goal.must else None
            bars.append(Bar(goal.title, f"{cells[1]} {goal.unit}", value / limit, aim, cells[5]))
    when, python, cpus = (
        facts[name].partition(end)[0].strip() for name, end in (("date", "\n"), ("python", "("), ("cpus", ";"))
    )
    return f"{when} · {python} · {cpus} CPUs", bars


def draw(facts: str, bars: list[Bar], picture: Path) -> None:
    import matplotlib
    from matplotlib import pyplot
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    matplotlib.use("svg")
    style = {"font.family": ["DejaVu Sans", "sans-serif"], "font.size": 9, "text.color": INK}
    style |= {"svg.fonttype": "none", "svg.hashsalt": "decouple"}  # text stays text, and every drawing is the same
    with pyplot.rc_context(style):
        figure, axes = pyplot.subplots(figsize=(9.6, 0.29 * len(bars) + 1.5), layout="constrained")
        for place, bar in enumerate(bars):
            colour = COLOURS[bar.verdict]
            axes.barh(place, min(bar.share, EDGE), height=0.62, color=colour)
            if bar.share > EDGE:
                axes.plot(EDGE, place, ">", color=colour, markersize=9, clip_on=False, zorder=4)
            if bar.aim is not None:
                axes.plot(bar.aim, place, "D", color="white", markeredgecolor=INK, markersize=5, zorder=5)
            axes.text(EDGE + 0.05, place, bar.value, va="center", color=INK)
        axes.axvline(1, color=INK, linewidth=1.2, zorder=3)
        decorate(axes, bars)
        seen = [name for name in COLOURS if any(bar.verdict == name for bar in bars)]
        legend: list[Any] = [Patch(color=COLOURS[name], label=MEANING[name]) for name in seen]
        legend.append(Line2D([], [], color=INK, linewidth=1.2, label="the limit"))
        legend.append(Line2D([], [], color="white", marker="D", markeredgecolor=INK, markersize=5, label="the aim"))
        axes.legend(handles=legend, loc="lower left", bbox_to_anchor=(-0.02, 1.0), ncols=6, frameon=False, fontsize=8.5,
                    handlelength=1.2, columnspacing=1.4)  # fmt: skip
        figure.suptitle("decouple against its goals: shorter is better", x=0.01, ha="left", fontsize=12, weight="bold")
        axes.set_xlabel(facts, color=PALE, fontsize=8, labelpad=8)
        figure.savefig(picture, metadata={"Date": None} if picture.suffix == ".svg" else None, facecolor="white")
        pyplot.close(figure)


def decorate(axes: Any, bars: list[Bar]) -> None:
    axes.set_yticks(range(len(bars)), [bar.title for bar in bars])
    axes.set_ylim(len(bars) - 0.4, -0.6)
    axes.set_xlim(0, EDGE)
    axes.set_xticks([0, 0.5, 1, 1.5], ["0", "half", "limit", "1.5 x"])
    strip(axes)


def strip(axes: Any) -> None:
    """Leave of the axes a pale grid and the names of the bars."""
    axes.tick_params(length=0, colors=PALE)
    axes.tick_params(axis="y", labelcolor=INK)
    axes.grid(axis="x", color="#DDDDDD", linewidth=0.6)
    axes.set_axisbelow(True)
    for side in axes.spines.values():
        side.set_visible(False)


def main() -> None:
    try:
        draw(*read(RESULTS.read_text(encoding="utf-8")), PICTURE)
    except ModuleNotFoundError as missing:
        sys.exit(f"Drawing needs {missing.name}: pip install 'decouple-messaging[plot]'")
    except FileNotFoundError:
        sys.exit(f"There is no {RESULTS.name} yet: python benchmarks/run.py --save")


if __name__ == "__main__":
    main()
