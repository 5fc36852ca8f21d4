"""`decouple journal`: look into the journal of `Broker("file:///folder")`, check it, copy what is whole, make it small."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from importlib import import_module
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any

from decouple.errors import StorageError

__all__ = ["add_journal", "run_journal"]

SOON = 2.0
"""Seconds after which somebody who looks is told how far it is."""


def add_journal(commands: Any) -> None:
    """Say what may be typed after `decouple journal`."""
    journal: argparse.ArgumentParser = commands.add_parser(
        "journal", help="look into the journal of a broker, check it, mend it", allow_abbrev=False
    )
    deeds = journal.add_subparsers(dest="deed", metavar="deed", required=True)
    inspect = deeds.add_parser("inspect", help="print a line for each record: segment, offset, what it says")
    inspect.add_argument("--segment", type=number, metavar="N", help="of this segment only")
    inspect.add_argument("--limit", type=number, metavar="N", help="the first N only")
    verify = deeds.add_parser("verify", help="read all of it, also while it is in use; exit code 1 if it is damaged")
    salvage = deeds.add_parser("salvage", help="copy every whole record into a new folder, and say what was lost")
    compact = deeds.add_parser("compact", help="write again what is needed still, and remove the rest")
    for deed in (inspect, verify, salvage, compact):
        deed.add_argument("folder", type=Path)
    salvage.add_argument("target", type=Path, help="a folder that is not there yet")


def number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise argparse.ArgumentTypeError(f"a whole number from 0, not {text!r:.40}")
    return int(text)


def run_journal(asked: argparse.Namespace) -> None:
    """Do what was typed. Raises SystemExit: 1 for what is damaged or could not be done."""
    deeds = {"inspect": inspected, "verify": verified, "salvage": salvaged, "compact": compacted}
    try:
        code = deeds[asked.deed](asked)
    except StorageError as error:
        code = 1
        print(f"decouple: {error}", file=sys.stderr)
    except BrokenPipeError:  # of `| head`; and Python shall not try again at its end
        code = 0
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if code:
        raise SystemExit(code)


def inspected(asked: argparse.Namespace) -> int:
    from decouple.stores.tools import inspect

    for segment, offset, what in islice(inspect(asked.folder, segment=asked.segment), asked.limit):
        print(f"{segment:8} {offset:10} {what}")
    sys.stdout.flush()
    return 0


def verified(asked: argparse.Namespace) -> int:
    from decouple.stores.tools import size_of, verify

    with progress("verify", size_of(asked.folder)) as seen:
        verdict = verify(asked.folder, seen)
    if verdict.owner is not None:
        print(f"in use by process {verdict.owner}: this is how it was a moment ago")
    print(f"{verdict.records:,} records in {verdict.segments:,} segments, {verdict.bytes:,} bytes")
    for path in sorted(asked.folder.glob("cut-*")):
        print(f"{path.name}: {path.stat().st_size:,} bytes that were torn and cut")
    if verdict.damage is not None:
        print(f"decouple: {verdict.damage}", file=sys.stderr)
        return 1
    if verdict.torn and verdict.owner is None:
        print(f"the last {verdict.torn:,} bytes are torn: opening it will cut them, and keep them beside")
    print("all of it is whole")
    return 0


def salvaged(asked: argparse.Namespace) -> int:
    from decouple.stores.tools import salvage, size_of

    with progress("salvage", size_of(asked.folder)) as seen:
        records, lost = salvage(asked.folder, asked.target, seen)
    print(f"{records:,} records are now in {asked.target}")
    for segment, offset, end, why, _ in lost:
        print(f"lost: segment {segment}, {f'bytes {offset} to {end}' if end else 'all of it'}: {why}")
    if not lost:
        print("nothing was lost")
    return 0


def compacted(asked: argparse.Namespace) -> int:
    from decouple.broker import Broker
    from decouple.clock import SystemClock
    from decouple.stores.journal import open_journal
    from decouple.stores.tools import size_of

    before = size_of(asked.folder)
    clock = SystemClock()
    engine: Any = open_journal(str(asked.folder), clock)
    broker = Broker(engine, clock=clock)  # which has the queues: what is live is in them
    try:
        engine.compact()
    finally:
        broker.close()
    print(f"{before:,} bytes before, {size_of(asked.folder):,} now")
    return 0


@contextmanager
def progress(what: str, total: int) -> Generator[Callable[[int], object]]:
    """A callable for how many of `total` bytes are done, shown where somebody looks and it takes its time."""
    if not sys.stderr.isatty():
        yield int
    elif find_spec("tqdm") is not None:
        tqdm: Any = import_module("tqdm").tqdm
        with tqdm(total=total, desc=what, delay=SOON, unit="B", unit_scale=True, leave=False) as bar:
            yield lambda done: bar.update(done - bar.n)
    else:
        yield Lines(what, total).seen


class Lines:
    """A line a second, for want of a bar."""

    def __init__(self, what: str, total: int) -> None:
        self.what, self.total = what, total
        self.due = time.monotonic() + SOON

    def seen(self, done: int) -> None:
        """Tell how far it is, if it is time to."""
        if time.monotonic() >= self.due:
            self.due = time.monotonic() + 1
            with suppress(OSError):
                print(f"{self.what}: {100 * done // max(self.total, 1)} %", file=sys.stderr)
