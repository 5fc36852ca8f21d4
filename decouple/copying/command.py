"""What is typed: `decouple copy SOURCE TARGET`, two urls."""

from __future__ import annotations

import argparse
import sys
import time
from contextlib import ExitStack
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TextIO
from urllib.parse import urlsplit

__all__ = ["add_to", "run"]

SECURE = {"file": ("durability", "disk"), "sqlite": ("synchronous", "FULL")}
"""So that what left the source is on the target's disk."""
LEAST = 512
"""Bytes of a database in which there is something: a page."""


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Let it be typed."""
    copy = commands.add_parser("copy", help="take queues and their messages to another engine", allow_abbrev=False)
    copy.add_argument("source", type=url_of, help="where they are, such as file:///srv/queues")
    copy.add_argument("target", type=url_of, help="where they are to be, such as sqlite:///jobs.db")
    copy.add_argument("--queues", metavar="NAME,...", help="these alone, and no topics")
    copy.add_argument("--dry-run", action="store_true", help="say how many there are, and change nothing")
    copy.set_defaults(run=run)


def url_of(text: str) -> str:
    if urlsplit(text).scheme not in SECURE:
        raise argparse.ArgumentTypeError(f"file:///folder or sqlite:///file.db, not {text!r:.80}")
    return text


def run(asked: argparse.Namespace) -> tuple[int, str | None]:
    """Copy: the exit code, and a sentence where something could not be done."""
    from decouple.copying.copier import copy
    from decouple.engine import path_of
    from decouple.errors import DecoupleError

    try:
        if empty(asked.source, Path(path_of(asked.source))):
            return 1, f"there is nothing at {asked.source}"
        if Path(path_of(asked.source)).resolve() == Path(path_of(asked.target)).resolve():
            return 1, f"source and target are one, {asked.source}: name another one"
        if asked.dry_run and not Path(path_of(asked.target)).exists():
            return 1, f"there is nothing at {asked.target} to compare with: without --dry-run it is made"
        with ExitStack() as stack:
            source, target = (stack.enter_context(Opened(url)) for url in (asked.source, asked.target))
            names = None if asked.queues is None else asked.queues.split(",")
            progress = stack.enter_context(Bar(sys.stderr))
            copied = copy(source, target, queues=names, dry_run=asked.dry_run, progress=progress)
    except (DecoupleError, ValueError, OSError) as error:
        return 1, str(error)
    except KeyboardInterrupt:
        return 130, "interrupted: the same command goes on from here"
    report(copied, dry_run=asked.dry_run)
    return 0, None


def empty(url: str, path: Path) -> bool:
    """Whether nobody ever kept anything there: opening it would make something that was not asked for."""
    if not path.exists():
        return True
    if urlsplit(url).scheme == "sqlite":
        return path.is_file() and path.stat().st_size < LEAST
    return path.is_dir() and not any(path.glob("segment-*"))


class Opened:
    """A broker on that url that keeps what it says even through a loss of power, until the end of it."""

    def __init__(self, url: str) -> None:
        from decouple.broker import Broker

        option, value = SECURE[urlsplit(url).scheme]
        options: Any = {} if f"{option}=" in urlsplit(url).query else {option: value}
        self.broker = Broker(url, **options)

    def __enter__(self) -> Any:
        return self.broker  # not started: nobody is to work here meanwhile

    def __exit__(self, *_: object) -> None:
        self.broker.close()


class Bar:
    """How far it is: tqdm's bar where that is installed, or a line a second where somebody looks."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.make: Any = import_module("tqdm").tqdm if find_spec("tqdm") else None
        self.bar: Any = None
        self.name = ""
        self.said = time.monotonic()

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            self.bar.close()

    def __call__(self, name: str, done: int, total: int) -> None:
        if not self.stream.isatty():
            return
        if self.make is None:
            if time.monotonic() - self.said >= 1 or done == total:
                self.said = time.monotonic()
                print(f"{name}: {done:,} of {total:,}", file=self.stream)
            return
        if self.name != name:
            self.__exit__()
            self.name, self.bar = name, self.make(desc=name, unit=" messages", file=self.stream)
        self.bar.total = total
        self.bar.update(done - self.bar.n)


def report(copied: Any, *, dry_run: bool) -> None:
    """What was done, on stdout."""
    if not (copied.messages or copied.topics or copied.left):
        print("there are no queues to copy")
    for name, count in sorted(copied.messages.items()):
        kept = ", with the settings it has there" if name in copied.there else ""
        print(f"{name}: {count:,} messages {'to be copied' if dry_run else 'copied'}{kept}")
    for name in sorted(copied.topics):
        print(f"topic {name}{'' if dry_run else ' declared'}")
    for what in copied.left:
        print(f"not taken along, nor what is on its way to it: {what}")
