"""Audit a tree of Python source: one message a file, threads that parse, a table at the end.

    python examples/source_audit.py [FOLDER] [--workers N]        # default: the standard library's own source

What it shows: a producer that knows nothing of its consumers; workers in long polls, which end when the broker closes;
`with message:`, which acknowledges a file that was read and gives one that raised back, until `max_receives` sends it to
the dead-letter queue with the reason; a typed queue; and `broker.check()`, the proof that every message is accounted
for. Ctrl-C shows what was done so far. The threads stand for work that waits: one interpreter parses no faster with more.
"""

from __future__ import annotations

import argparse
import ast
import os
import sys
import sysconfig
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from importlib.util import decode_source
from pathlib import Path
from typing import Any

from decouple import Broker, Message, Queue

try:
    from tqdm import tqdm
except ImportError:  # the extra `progress` is not installed: a plain line does
    tqdm = None


COLUMNS = ("files", "lines", "functions", "classes", "imports")


@dataclass(frozen=True)
class Report:
    """What a worker found in one file: a number for each column."""

    path: str
    counts: dict[str, int]


class Audit:
    """Three queues in a broker: `files` to the workers, `results` back, and `unparsed` for what could not be read."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.broker = Broker()
        self.unparsed = self.broker.queue("unparsed")
        self.files = self.broker.queue("files", dead_letter=self.unparsed, max_receives=2)
        self.results = self.broker.queue("results", body=Report)
        self.reports: dict[str, Report] = {}
        # Said by a word of its own: a Ctrl-C that comes while the main thread asks a Future may leave that one's lock held.
        self.all_sent = False

    def run(self, workers: int) -> None:
        """Return when every file sent has a report or is a dead letter."""
        # The broker is left first: closing it ends all waits, and with them the threads that the pool then joins.
        with ThreadPoolExecutor(workers + 1) as pool, self.broker:
            sending = pool.submit(self.send_files)
            for _ in range(workers):
                pool.submit(self.work)
            self.collect(sending)

    def send_files(self) -> None:
        try:
            for path in python_files(self.folder):
                # A body is text: a name that is not UTF-8 is sent escaped, and ends among the dead letters as no such file.
                self.files.send(path.relative_to(self.folder).as_posix().encode(errors="backslashreplace").decode())
        finally:
            self.all_sent = True

    def work(self) -> None:
        """Handle files until the queue is closed. An error is kept with its message; the worker goes on."""
        for message in self.files.messages():
            with suppress(Exception), message:
                self.results.send(read(self.folder, message.body))

    def collect(self, sending: Future[None]) -> None:
        """Take in the reports, by path: a standard queue delivers at least once, and a second one changes nothing."""
        with tqdm(unit=" files", disable=None) if tqdm else nullcontext() as bar:
            while not (self.all_sent and self.done >= self.files.stats().sent):
                for message in self.results.receive(max_messages=100, wait=0.1):  # dead letters move the bar as well
                    with message:
                        self.reports[message.body.path] = message.body
                show(bar, self.done, self.files.stats().sent)
        sending.result()  # raises what the producer raised

    @property
    def done(self) -> int:
        return len(self.reports) + self.unparsed.stats().visible


def python_files(folder: Path) -> Iterator[Path]:
    for here, folders, names in os.walk(folder):
        folders[:] = sorted(set(folders) - {"site-packages"})
        yield from (path for name in sorted(names) if (path := Path(here, name)).suffix == ".py" and path.is_file())


def read(folder: Path, path: str) -> Report:
    source = (folder / path).read_bytes()
    tree = ast.parse(decode_source(source), path)
    found = Counter(type(statement).__name__ for statement in statements(tree))
    counts = {
        "files": 1,
        "lines": len(source.splitlines()),
        "functions": found["FunctionDef"] + found["AsyncFunctionDef"],
        "classes": found["ClassDef"],
        "imports": found["Import"] + found["ImportFrom"],
    }
    return Report(path, counts)


def statements(tree: ast.AST) -> Iterator[ast.AST]:
    """All statements, however deep. ast.walk visits every expression too, and the audit takes twice as long."""
    for block in ("body", "orelse", "handlers", "finalbody", "cases"):
        for statement in getattr(tree, block, ()):
            yield statement
            yield from statements(statement)


def show(bar: Any, done: int, sent: int) -> None:
    """Move tqdm's bar, or write a plain line that the next overwrites; neither where nobody looks."""
    if bar is not None:
        bar.total = sent
        bar.update(done - bar.n)
    elif sys.stderr.isatty():
        print(f"{done:,} of {sent:,} files", end="\r", file=sys.stderr, flush=True)


def print_table(reports: Iterable[Report], top: int = 10) -> None:
    """The packages with the most lines, what is left, and the sum."""
    packages: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for report in reports:
        packages[report.path.partition("/")[0].removesuffix(".py")].update(report.counts)
    longest = sorted(packages, key=lambda name: (-packages[name]["lines"], name))
    rows = {name: packages[name] for name in longest[:top]}
    if longest[top:]:
        rows[f"{len(longest) - top} more"] = sum((packages[name] for name in longest[top:]), Counter())
    rows["all"] = sum(packages.values(), Counter())

    print(f"{'package':<20}" + "".join(f"{column:>11}" for column in COLUMNS))
    for name, counts in rows.items():
        print(f"{name:<20.20}" + "".join(f"{counts[column]:>11,}" for column in COLUMNS))


def print_dead_letters(unparsed: Queue) -> None:
    letters = unparsed.peek(unparsed.stats().visible or 1)
    print(f"\ndead letters: {len(letters):,}")
    for letter in sorted(letters, key=lambda letter: letter.body):
        print(f"  {letter.body}\n    {reason(letter)}")


def reason(letter: Message) -> str:
    return f"{letter.failure.error}: {letter.failure.text}" if letter.failure else "its worker was too slow"


def print_law(numbers: dict[str, int]) -> None:
    accepted = numbers.pop("accepted")
    parts = [f"{number:,} {name.replace('_', ' ')}" for name, number in numbers.items() if number]
    print(f"\nthe law: {accepted:,} accepted = {' + '.join(parts) or 0}")


def main() -> int:
    parser = argparse.ArgumentParser(description="Audit a tree of Python source through a queue.")
    parser.add_argument("folder", nargs="?", default=sysconfig.get_path("stdlib"), help="default: the standard library")
    parser.add_argument("--workers", type=int, default=4, help="threads that parse; default: 4")
    options = parser.parse_args()
    if not os.path.isdir(options.folder):
        parser.exit(2, f"{options.folder!r} is not a folder: give one that holds Python files\n")
    if options.workers < 1:
        parser.exit(2, f"--workers must be at least 1, not {options.workers}\n")

    warnings.simplefilter("ignore")  # those of the files that are read, about escapes like "\\d"
    audit, status = Audit(Path(options.folder)), 0
    try:
        audit.run(options.workers)
    except KeyboardInterrupt:
        print("interrupted; done so far:")
        status = 130
    print_table(audit.reports.values())
    print_dead_letters(audit.unparsed)
    print_law(audit.broker.check())
    return status


if __name__ == "__main__":
    sys.exit(main())
