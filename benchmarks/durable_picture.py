"""`python benchmarks/durable_picture.py` draws durable.svg from durable.txt: what a kept message costs, by what it survives.

A bar for each row of W9 in microseconds of the wall clock, one by one, and a mark for the same in hundreds. It needs
matplotlib (pip install 'decouple-messaging[plot]').
"""

import re
import sys
from pathlib import Path
from typing import Any, NamedTuple

from plot import INK, PALE, strip

HERE = Path(__file__).resolve().parent
RESULTS, PICTURE = HERE / "durable.txt", HERE / "durable.svg"
IN_HUNDREDS = re.compile(r"([\d.,]+) us in hundreds; (.*)")
OURS, OTHERS = "#0072B2", "#BBBBBB"
GROUPS = (("made to survive a power cut", ("made to", "WAL FULL")), ("survive a killed process", ("",)))


class Bar(NamedTuple):
    """Microseconds a cycle, one by one and in hundreds."""

    title: str
    single: float
    hundreds: float
    guarantee: str


def read(text: str) -> tuple[str, list[Bar]]:
    """What the results say of the run, and a bar for each row that was run and keeps anything."""
    facts = dict(line.split(":", 1) for line in text.splitlines()[:4])
    bars = []
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) < 7 or cells[2] != "us" or not cells[1] or (rest := IN_HUNDREDS.match(cells[6])) is None:
            continue
        if not rest[2].startswith("nothing"):
            numbers = (float(one.replace(",", "")) for one in (cells[1], rest[1]))
            bars.append(Bar(cells[0].removeprefix("W9 "), *numbers, rest[2]))
    when, python = (facts[name].partition(end)[0].strip() for name, end in (("date", "\n"), ("python", "(")))
    return f"{when} · {python} · 1 KiB, one disk, one run", bars


def grouped(bars: list[Bar]) -> list[tuple[str, list[Bar]]]:
    """The bars of each guarantee, weakest last, the fastest first."""
    left, groups = list(bars), []
    for title, starts in GROUPS:
        mine = [bar for bar in left if bar.guarantee.startswith(starts)]
        left = [bar for bar in left if bar not in mine]
        groups.append((title, sorted(mine, key=lambda bar: bar.single)))
    return groups[::-1]


def draw(facts: str, bars: list[Bar], picture: Path) -> None:
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    groups = grouped(bars)
    style: dict[str, Any] = {"font.family": ["DejaVu Sans", "sans-serif"], "font.size": 9, "text.color": INK}
    style |= {"svg.fonttype": "none", "svg.hashsalt": "decouple"}  # text stays text, and every drawing is the same
    with pyplot.rc_context(style):
        heights = [len(group) for _, group in groups]
        figure, axes = pyplot.subplots(
            len(groups), 1, figsize=(7.6, 0.27 * sum(heights) + 1.9), sharex=True, layout="constrained",
            gridspec_kw={"height_ratios": heights},
        )  # fmt: skip
        for one, (title, group) in zip(axes, groups, strict=True):
            panel(one, title, group)
        axes[-1].set_xlabel(f"µs to send, receive and acknowledge a message: bar one by one, dot in hundreds\n{facts}",
                            color=PALE, fontsize=8)  # fmt: skip
        figure.savefig(picture, metadata={"Date": None}, facecolor="white")
        pyplot.close(figure)


def panel(axes: Any, title: str, bars: list[Bar]) -> None:
    for place, bar in enumerate(bars):
        axes.barh(place, bar.single, height=0.62, color=OURS if bar.title.startswith("decouple") else OTHERS)
        axes.plot(bar.hundreds, place, "o", color="white", markeredgecolor=INK, markersize=5)
        axes.text(max(bar.single, bar.hundreds * 1.12) * 1.08, place, f"{bar.single:,.0f}", va="center", fontsize=8)
    axes.set_yticks(range(len(bars)), [bar.title for bar in bars])
    axes.set_ylim(len(bars) - 0.4, -0.6)
    axes.set_xscale("log")
    axes.minorticks_off()
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.set_title(title, loc="left", fontsize=9, weight="bold")
    strip(axes)


def main() -> None:
    try:
        draw(*read(RESULTS.read_text(encoding="utf-8")), PICTURE)
    except ModuleNotFoundError as missing:
        sys.exit(f"Drawing needs {missing.name}: pip install 'decouple-messaging[plot]'")
    except FileNotFoundError:
        sys.exit(f"There is no {RESULTS.name} yet: python benchmarks/run.py --only durable > benchmarks/durable.txt")


if __name__ == "__main__":
    main()
