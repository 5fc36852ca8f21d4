"""`python benchmarks/matching_curve.py` draws matching.svg: what a publish costs to find ten matching subscriptions.

10 to 100,000 subscriptions, by index and one by one, for each kind of policy. A table of the same goes to stdout. It takes
about a minute and needs matplotlib (pip install 'decouple-messaging[plot]').
"""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))  # the package beside this folder, installed or not

from matching import KINDS, indexed, one_by_one  # noqa: E402
from measure import median, settle_memory, timed  # noqa: E402

SIZES = (10, 100, 1_000, 10_000, 100_000)
COLOURS = {"exact": "#0072B2", "prefix": "#D55E00", "numeric": "#009E73"}
Curves = dict[tuple[str, str], list[float]]


def measured() -> Curves:
    """Microseconds a publish, by (kind, way), for each size; index and loop are timed next to each other."""
    curves: Curves = {}
    for kind in KINDS:
        for many in SIZES:
            ways = {"index": indexed(kind, many), "one by one": one_by_one(kind, many)}
            much = {"index": 1_000, "one by one": max(1, 20_000 // many)}
            settle_memory()
            times: dict[str, list[float]] = {way: [] for way in ways}
            for _ in range(7):
                for way, run in ways.items():
                    times[way].append(timed(run, much[way]) / much[way] / 1e3)
            for way in ways:
                curves.setdefault((kind, way), []).append(median(times[way]))
            print(f"\r{kind}: {many:,} subscriptions", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return curves


def draw(curves: Curves, picture: Path) -> None:
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    style = {"font.family": ["DejaVu Sans", "sans-serif"], "font.size": 9}
    with pyplot.rc_context(style | {"svg.fonttype": "none", "svg.hashsalt": "decouple"}):
        figure, axes = pyplot.subplots(figsize=(6.4, 3.6), layout="constrained")
        for (kind, way), times in curves.items():
            axes.plot(SIZES, times, "-o" if way == "index" else ":s", color=COLOURS[kind], label=f"{kind}, {way}", ms=4)
        axes.set(
            xscale="log", yscale="log", xlabel="subscriptions, of which 10 match", ylabel="µs a publish, to find them"
        )
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, ncols=1)
        figure.savefig(picture, metadata={"Date": None})
        pyplot.close(figure)


def main() -> None:
    curves = measured()
    print(f"{'µs a publish':24}" + "".join(f"{many:>12,}" for many in SIZES))
    for (kind, way), times in curves.items():
        print(f"{kind + ', ' + way:24}" + "".join(f"{time:>12,.1f}" for time in times))
    draw(curves, HERE / "matching.svg")


if __name__ == "__main__":
    main()
