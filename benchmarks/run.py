"""How fast and how lean is decouple? Side by side with what you would use instead, in the same run.

    python benchmarks/run.py [--only w1,w2,...] [--quick] [--save]

prints each ratio of the goals beside what it must and should be. `--quick` takes a minute with smaller numbers; the
whole takes about ten. `--save` writes benchmarks/results.txt and draws benchmarks/results.svg from it (plot.py, which
needs matplotlib: pip install 'decouple-messaging[plot]').

Only ratios travel: absolute times move by half from one machine, build or hour to the next. So each slice of decouple
runs next to a slice of every control and is divided by it, and the median of those ratios is shown. Within a process
CPU time is compared, because on a shared machine the wall clock also charges for the neighbours; hand-offs and threads
(W6, W7) and disks (W9) are compared on wall time. What lives before a measurement is frozen out of the collector, memory is the
difference in resident bytes, and each workload runs in a process of its own.

Workloads: W1 one send, receive, ack; W2 in tens; W3 a backlog of a million (and ten); W4 leases that end; W5 fan-out;
W6 hand-off to whoever waits; W7 threads to threads; W8 asyncio; W10 a function that messages start; fifo, dedup and
fair: what order, counting once and fairness add to a standard queue's cycle; filter: finding the subscriptions that a
message matches; http: a delivery to a web endpoint (needs the extra `http`); aws and endpoint: boto3 in the process and
requests to `decouple serve` beside other emulators (extras `aws`, `server`, and moto); simulate: programs in virtual time,
and a day of 100 messages a second, in seconds of CPU; durable: W9, messages that are kept (its peers are in the extra
`bench`, and what is not installed is left out, and said; durable_picture.py draws it); idle, import and churn: what having it
costs. The controls do less than decouple does; the results say what each leaves out.

Other libraries: peerbench compares Redis, RabbitMQ, NATS, moto, huey and more. peerbench_adapter.py is decouple's
adapter for it: copy it to peerbench's peers/decouple.py, then `python bench.py --out results.json --peers
"decouple;decouple-async;FLOOR;queue.Queue;asyncio.Queue"`; its README says the rest.
"""

import argparse
import os
import platform
import sys
import sysconfig
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))  # the package beside this folder, installed or not

from backlog import w3, w4  # noqa: E402
from boto import boto  # noqa: E402
from common import Figures  # noqa: E402
from cycles import w1, w2, w8  # noqa: E402
from deliveries import deliveries  # noqa: E402
from durable import durable  # noqa: E402
from endpoint import endpoint  # noqa: E402
from fanout import w5  # noqa: E402
from goals import CONTROLS, GOALS, Goal, verdict  # noqa: E402
from handling import w10  # noqa: E402
from handoff import w6, w7  # noqa: E402
from matching import matching  # noqa: E402
from ordered import dedup, fair, fifo  # noqa: E402
from program import churn, idle, imports  # noqa: E402
from simulated import simulated  # noqa: E402

# Each takes whether the run is a full one, and answers with {figure: (value, note)}.
WORKLOADS = {
    "w1": w1, "w2": w2, "w3": w3, "w4": w4, "w5": w5, "w6": w6, "w7": w7, "w8": w8, "w10": w10,
    "fifo": fifo, "dedup": dedup, "fair": fair, "filter": matching, "http": deliveries,
    "aws": boto, "endpoint": endpoint, "simulate": simulated, "durable": durable,
    "idle": idle, "import": imports, "churn": churn,
}  # fmt: skip

RESULTS = HERE / "results.txt"
WIDTHS = (43, 8, 15, 6, 6, 10)


def measured(name: str, full: bool) -> Figures:
    """The figures of a workload, from a process of its own. Says on stderr how long it has been at it."""
    began = time.monotonic()
    live = sys.stderr.isatty()
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        answer = pool.submit(WORKLOADS[name], full)
        while True:
            try:
                figures = answer.result(timeout=1 if live else 20)
                break
            except NotYet:
                print(
                    f"\r{name}: {time.monotonic() - began:.0f} s", end="" if live else "\n", file=sys.stderr, flush=True
                )
    print(f"\r{name}: done in {time.monotonic() - began:.0f} s", file=sys.stderr)
    return figures


def shown(value: float | None, unit: str) -> str:
    if value is None:
        return ""
    if unit in ("bytes", "messages", "entries", "modules"):
        return f"{value:,.0f}"
    return f"{value:.2f}"


def line(*cells: str) -> str:
    return " | ".join([*(cell.ljust(width) for cell, width in zip(cells, WIDTHS, strict=False)), *cells[len(WIDTHS) :]])


def row(goal: Goal, value: float | None, note: str) -> str:
    numbers = (shown(one, goal.unit).rjust(width) for one, width in ((goal.must, 6), (goal.aim, 6)))
    return line(goal.title, shown(value, goal.unit).rjust(8), goal.unit, *numbers, verdict(goal, value), note).rstrip()


def machine(full: bool, began: tuple[float, float, float]) -> Iterator[str]:
    """Where and when: what a reader needs to judge the figures."""
    flags = sysconfig.get_config_var("CONFIG_ARGS") or ""
    optimized = "with" if "--enable-optimizations" in flags else "without"
    load = ", ".join(f"{one:.2f}" for one in began)
    ended = ", ".join(f"{one:.2f}" for one in os.getloadavg())
    yield f"date:     {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {'full' if full else 'quick'} run"
    build = f"{platform.python_compiler()}, configured {optimized} --enable-optimizations"
    yield f"python:   {platform.python_implementation()} {platform.python_version()} ({build})"
    yield f"platform: {platform.platform()}"
    yield f"cpus:     {os.cpu_count()}; load average {load} before, {ended} after (the run itself is 1 to 2)"


def report(figures: Figures, full: bool, began: tuple[float, float, float]) -> str:
    head = line("figure, smaller is better", "   value", "unit", "  must", "   aim", "", "")
    rows = [row(GOALS[name], *figures[name]) for name in GOALS if name in figures]
    controls = [f"{name}: {text}" for name, text in CONTROLS.items()]
    parts = [
        *machine(full, began),
        "",
        head.rstrip(" |"),
        "-" * 130,
        *rows,
        "",
        "What the controls do not do",
        *controls,
    ]
    return "\n".join(parts) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure decouple beside its controls; the file's text says how.")
    parser.add_argument("--only", default=",".join(WORKLOADS), help=f"some of {','.join(WORKLOADS)}")
    parser.add_argument("--quick", action="store_true", help="smaller numbers and fewer slices: about a minute")
    parser.add_argument("--save", action="store_true", help=f"write {RESULTS.name} and draw it")
    options = parser.parse_args()
    names = options.only.split(",")
    if unknown := [name for name in names if name not in WORKLOADS]:
        parser.error(f"no workload {', '.join(unknown)}: there are {', '.join(WORKLOADS)}")
    began = os.getloadavg()
    figures: Figures = {}
    for name in names:
        figures |= measured(name, not options.quick)
    text = report(figures, not options.quick, began)
    print(text, end="")
    if options.save:
        RESULTS.write_text(text, encoding="utf-8")
        import plot

        plot.main()


if __name__ == "__main__":
    main()
