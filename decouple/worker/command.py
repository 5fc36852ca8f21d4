"""What is typed: `decouple worker module:broker --processes N`."""

from __future__ import annotations

import argparse
import logging
import math
import os

from decouple.worker.orders import Orders, check_name

__all__ = ["add_to", "work"]

LEVELS = ("debug", "info", "warning", "error")


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Let it be typed."""
    worker = commands.add_parser(
        "worker", help="run a broker's consumers, triggers and schedules in processes", allow_abbrev=False
    )
    worker.add_argument("broker", type=named, help="module:broker, a Broker or a callable that returns one")
    worker.add_argument("--processes", type=count_of, default=1, metavar="N", help="how many (%(default)s)")
    worker.add_argument(
        "--timeout",
        type=seconds_of,
        default=30.0,
        metavar="SECONDS",
        help="how long handlers under way may take at the end (30)",
    )
    worker.add_argument("--log-level", choices=LEVELS, default="info", help="(%(default)s)")
    worker.set_defaults(run=work)


def named(text: str) -> str:
    try:
        return check_name(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def count_of(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:5]) <= 1_000 and len(text) < 5):
        raise argparse.ArgumentTypeError(f"from 1 to 1,000 processes, not {text!r:.40}")
    return int(text)


def seconds_of(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds <= 43_200:
        raise argparse.ArgumentTypeError(f"from 0 to 43,200 seconds, not {text!r:.40}")
    return seconds


def work(asked: argparse.Namespace) -> tuple[int, str | None]:
    """Run the processes until a signal: the exit code, and a sentence where something could not be done."""
    if os.name != "posix":
        return 1, "worker processes need a POSIX system: in each process of your own call broker.run()"
    from decouple.worker.supervisor import supervise  # here, because other commands need none of it

    logging.basicConfig(
        level=asked.log_level.upper(), format="%(asctime)s %(levelname)s [%(process)d] %(name)s: %(message)s"
    )
    orders = Orders(asked.broker, asked.processes == 1, asked.timeout, asked.log_level, -1, -1)
    return supervise(orders, asked.processes)
