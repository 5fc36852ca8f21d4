"""Capacity planning: how many consumers a burst needs, and for how long a message must be invisible to the others.

    python examples/capacity_planning.py [--consumers N ...] [--visibility SECONDS ...] [--peak N] [--target SECONDS]
                                         [--seed N] [--plot FILE]

Orders come at two a second, and for twenty seconds at forty. Handling one takes 0.4 seconds in the middle and some of them
ten times as long; one attempt in fifty fails. The real queue and its consumers run in simulated time, once for each pair of
settings and all with the same orders. What it shows: too few consumers make everybody wait long after the burst; too short
a visibility timeout has the slow orders handled twice, the more so the more consumers there are to do it; and consumers
cost by the hour, whether they have work or not. The cheapest settings that reach the target and handle nothing twice are
named, and the picture is next to you: capacity_planning.svg, unless --plot says otherwise.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from typing import NoReturn

from decouple.testing import load, simulate

BASE = 2  # orders a second
BEGINS, LASTS, ENDS = 60, 20, 300  # of the burst, and when no more orders come, in seconds
SERVICE = load.lognormal(median=0.4, sigma=1)
FAILURES = load.Failure(0.02)
PRICES = load.Prices(worker_hour=0.05)  # of a small container
PICTURE = "capacity_planning.svg"


def planned(options: argparse.Namespace) -> load.Sweep:
    """A load for each pair of settings."""
    return simulate.sweep(
        load.spike(BASE, options.peak, at=BEGINS, lasts=LASTS),
        SERVICE,
        lasts=ENDS,
        consumers=options.consumers,
        visibility_timeout=options.visibility,
        max_receives=5,
        failures=FAILURES,
        prices=PRICES,
        seed=options.seed,
    )


def print_best(sweep: load.Sweep, target: float) -> None:
    """The cheapest load that is good enough."""
    good = [one for one in sweep if one.total.p99 <= target and not one.duplicates]
    if not good:
        print(f"\nnone of these handles 99 % of the orders within {target:g} s, and none twice: try more consumers")
        return
    best = min(good, key=lambda one: one.cost.total)
    print(
        f"\n{best.settings['consumers']} consumers and a visibility timeout of {best.settings['visibility_timeout']:g} s "
        f"do: 99 % of {best.arrived:,} orders within {best.total.p99:.0f} s, none twice, for "
        f"{best.cost.total:.3f} {best.cost.currency} in {best.lasted / 60:.0f} minutes"
    )


# -- the command ---------------------------------------------------------------------------------------------------


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one sentence, without the usage."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{message}\n")


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = Parser(description="Sweep consumers and visibility timeouts for a burst.")
    parser.add_argument("--consumers", type=int, nargs="+", default=[2, 4, 8], metavar="N", help="2 4 8 by default")
    parser.add_argument("--visibility", type=float, nargs="+", default=[2, 5, 30], metavar="SECONDS", help="2 5 30")
    parser.add_argument("--peak", type=float, default=40, metavar="N", help="orders a second in the burst (40)")
    parser.add_argument("--target", type=float, default=150, metavar="SECONDS", help="for 99 %% of the orders (150)")
    parser.add_argument("--seed", type=int, default=1, help="of orders, times and failures (1)")
    parser.add_argument("--plot", metavar="FILE", help=f"where to draw it, as SVG, PNG or PDF ({PICTURE})")
    options = parser.parse_args(arguments)
    if any(not 1 <= number <= 100 for number in options.consumers):
        parser.error(f"--consumers must be from 1 to 100, not {' '.join(map(str, options.consumers))}")
    if any(not 0.1 <= seconds <= 43_200 for seconds in options.visibility):
        parser.error(f"--visibility must be from 0.1 to 43,200 s, not {' '.join(map(str, options.visibility))}")
    if not 0 < options.peak <= 1_000:
        parser.error(f"--peak must be over 0 and at most 1,000 orders a second, not {options.peak}")
    if not options.target > 0:
        parser.error(f"--target must be over 0 seconds, not {options.target:g}")
    if options.plot and not find_spec("matplotlib"):
        parser.error("--plot needs matplotlib: pip install 'decouple-messaging[plot]'")
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    options = parsed(arguments)
    try:
        sweep = planned(options)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    print(sweep)
    print_best(sweep, options.target)
    if find_spec("matplotlib"):
        path = options.plot or PICTURE
        try:
            sweep.save(path, "total p99", "duplicates", "cost")
        except (OSError, ValueError) as error:
            print(f"{path!r} cannot be drawn: {error}", file=sys.stderr)
            return 2
        print(f"drawn in {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
