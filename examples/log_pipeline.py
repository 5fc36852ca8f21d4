"""Log pipeline: the lines of a log go through a queue to a function, which counts them and says which it cannot read.

    python examples/log_pipeline.py [FILE] [--rate N] [--real] [--workers N] [--made N] [--seed N]

FILE: any log whose lines begin with a date and a time, or of update-alternatives. Without it the machine's own
/var/log/dpkg.log is read, if there is one, and else a log that the example makes up, every fiftieth line of it torn
(with --made always).

What it shows: a handler as Lambda calls it, `parse(event, context)`, with messages in batches; its answer names those that
failed, {"batchItemFailures": [...]}, so that the others of the batch are done and these alone come again, and end in the
dead-letter queue with the reason; a schedule, rate(1 minute), that reports meanwhile; and `broker.check()`, the proof that
every line is accounted for. What was counted is kept by the message's id: a line that comes twice counts once.

It runs on a VirtualClock in this thread, where minutes pass at once, or with --real on the system's clock with worker
threads. Only `pass_second` knows the difference.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any, NamedTuple, NoReturn

from decouple import Broker, Message, SystemClock, VirtualClock

try:
    from tqdm import tqdm
except ImportError:  # the extra `progress` is not installed: a plain line does
    tqdm = None


OWN_LOGS = ("/var/log/dpkg.log", "/var/log/alternatives.log")
RATE, REAL_RATE = 20, 1_000  # lines a second
TIMES, REAL_TIMES = (5.0, 30.0), (1.0, 1.0)  # seconds that a batch may take, and until what failed comes again
TRIES = 3
LONGEST_LINE = 10_000  # characters; a longer line is cut there
SHOWN = 5

WHEN = r"(?P<at>\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d)\S*"
FORMS = [
    # 2025-06-24 14:36:55 status installed libicu-dev:amd64 72.1-3+deb12u1
    rf"{WHEN} (?:(?P<kind>status) \S+|(?P<other>install|upgrade|configure|trigproc|remove|purge)) (?P<package>[^\s:]+)",
    # 2025-06-24 14:36:25 startup archives unpack
    rf"{WHEN} (?P<kind>startup) (?P<package>\S+)",
    # 2025-06-24 14:36:55,120 WARNING shop.orders: slow; also with dashes or brackets around the level
    rf"{WHEN}[\s\[-]+(?P<kind>DEBUG|INFO|NOTICE|WARN|WARNING|ERROR|CRITICAL|FATAL)\b[\]\s:-]+(?P<package>[^\s:\[\]]+)",
    # 2025-06-24T14:36:55.120+02:00 host cron[812]: (root) CMD
    rf"{WHEN} \S+ (?P<package>[^\s:\[\]]+)(?:\[\d+\])?:",
    # update-alternatives 2025-06-24 14:36:55: run with --quiet --install /usr/bin/pinentry
    rf"(?P<package>update-alternatives) {WHEN} (?P<kind>run|link)",
]


class Line(NamedTuple):
    """What is counted of a line; level: or what dpkg did."""

    level: str
    package: str
    hour: str


def read(text: str) -> Line:
    """Raises ValueError."""
    for form in FORMS:
        if found := re.match(form, text):
            parts = found.groupdict()
            at = datetime.fromisoformat(parts["at"])
            return Line(parts.get("kind") or parts.get("other") or "-", parts["package"], f"{at:%Y-%m-%d %H:00}")
    raise ValueError("no date and time, level and package are at its begin")


class Pipeline:
    """The queue `lines`, the function `parse` that its messages start, and a report every minute."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.rate, self.real = options.rate, options.real
        self.clock: SystemClock | VirtualClock = SystemClock() if options.real else VirtualClock()
        self.broker = Broker(clock=self.clock)
        timeout, visibility = REAL_TIMES if options.real else TIMES
        self.dead = self.broker.queue("lines-dead")
        self.lines = self.broker.queue(
            "lines", visibility_timeout=visibility, dead_letter=self.dead, max_receives=TRIES
        )
        parse = self.broker.function(self.parse, timeout=timeout)
        self.trigger = self.lines.trigger(parse, max_concurrency=options.workers)
        self.schedule = self.broker.schedule("rate(1 minute)", self.report, name="report")
        self.read: dict[str, Line] = {}
        self.reasons: dict[str, str] = {}
        self.sent = 0

    # -- what the broker's workers call ------------------------------------------------------------------------------

    def parse(self, event: dict[str, Any], context: Any) -> dict[str, Any]:
        """The handler: as it is on Lambda, but for where it keeps what it found."""
        failures = []
        for record in event["Records"]:
            try:
                self.read[record["messageId"]] = read(record["body"])
            except ValueError as error:
                self.reasons[record["messageId"]] = str(error)
                failures.append({"itemIdentifier": record["messageId"]})
        return {"batchItemFailures": failures}

    def report(self, event: dict[str, Any]) -> None:
        stats = self.lines.stats()
        row = (self.sent, len(self.read), stats.visible + stats.in_flight, self.dead.stats().visible)
        write(event["time"].replace("T", " ").rstrip("Z") + "".join(f"{number:>13,}" for number in row))

    # -- the run -----------------------------------------------------------------------------------------------------

    def run(self, texts: Iterable[str]) -> None:
        """Return when every line is counted or a dead letter."""
        write(f"{'report':<19}{'sent':>13}{'counted':>13}{'waiting':>13}{'dead letters':>13}")
        arriving = iter(texts)
        with self.broker, tqdm(unit=" lines", delay=2, disable=None) if tqdm else nullcontext() as bar:
            while some := list(islice(arriving, self.rate)):
                self.lines.send_batch(some)
                self.sent += len(some)
                self.pass_second()
                show(bar, self.finished, self.sent)
            while self.finished < self.sent:
                self.pass_second()
                show(bar, self.finished, self.sent)
            self.broker.run_until_idle()

    def pass_second(self) -> None:
        """Real time passes by itself. On virtual time this thread does the work: what is due now, then on the way."""
        if isinstance(self.clock, VirtualClock):
            self.broker.run_until_idle()
            self.clock.advance(1)
        else:
            time.sleep(1)

    @property
    def finished(self) -> int:
        return self.lines.stats().deleted + self.dead.stats().visible


# -- lines ---------------------------------------------------------------------------------------------------------


def source_of(options: argparse.Namespace) -> str | None:
    """The file to read; None: lines are made up. Raises OSError."""
    if options.file is not None:
        with open(options.file, "rb"):
            return str(options.file)
    return None if options.made is not None else next(filter(readable, OWN_LOGS), None)


def readable(file: str) -> bool:
    try:
        with open(file, "rb") as log:
            return log.read(1) != b""
    except OSError:
        return False


def lines_of(file: str) -> Iterator[str]:
    """Without the empty ones; bytes that are no UTF-8 are escaped."""
    with Path(file).open(encoding="utf-8", errors="backslashreplace") as log:
        for line in log:
            if text := line.strip()[:LONGEST_LINE]:
                yield text


def lines_made(number: int, seed: int) -> Iterator[str]:
    """So many lines of a shop, a few seconds apart; in turn a bad hour, a line of a traceback and half a line."""
    random, at = Random(seed), datetime(2026, 1, 1, 6)
    for turn in range(1, number + 1):
        at += timedelta(seconds=random.expovariate(0.2))
        [level] = random.choices(("INFO", "WARNING", "ERROR"), (90, 8, 2))
        line = f"{at:%Y-%m-%d %H:%M:%S} {level} shop.{random.choice(('orders', 'stock', 'mail'))}: it took {turn} ms"
        torn = (f"{at:%Y-%m-%d} 25:61:00{line[19:]}", "  File 'shop/orders.py', line 7, in charge", line[:25])
        yield line if turn % 50 else torn[turn // 50 % len(torn)].strip()


# -- what is shown -------------------------------------------------------------------------------------------------


def write(line: str) -> None:
    """A line of output, above the bar if there is one."""
    if tqdm:
        tqdm.write(line)
    else:
        print(line)


def show(bar: Any, done: int, sent: int) -> None:
    """Move tqdm's bar, or write a plain line that the next overwrites; neither where nobody looks."""
    if bar is not None:
        bar.total = sent
        bar.update(done - bar.n)
    elif sys.stderr.isatty():
        print(f"{done:,} of {sent:,} lines", end="\r", file=sys.stderr, flush=True)


def print_tables(read: Iterable[Line]) -> None:
    for name, values in zip(("level", "package", "hour"), zip(*read, strict=True), strict=False):
        counts = Counter(values)
        print(f"\n{name:<40}{'lines':>10}")
        for value, number in sorted(counts.items(), key=lambda one: (-one[1], one[0]))[:SHOWN]:
            print(f"{value:<40}{number:>10,}")
        if len(counts) > SHOWN:
            rest = counts.total() - sum(number for _, number in counts.most_common(SHOWN))
            print(f"{f'{len(counts) - SHOWN:,} more':<40}{rest:>10,}")


def print_dead_letters(pipeline: Pipeline) -> None:
    number = pipeline.dead.stats().visible
    if number:
        print(f"\n{pipeline.dead.name}: {number:,}")
    for letter in pipeline.dead.peek(SHOWN):
        print(f"  {letter.body!r:.100}\n    {reason(letter, pipeline.reasons)}")
    if number > SHOWN:
        print(f"  and {number - SHOWN:,} more")


def reason(letter: Message, reasons: dict[str, str]) -> str:
    """What the handler found wrong with it, and what the queue knows: who failed it, how often."""
    failure = letter.failure
    found = reasons.get(letter.id, "it was not read in time")
    return f"{found} ({failure.error}, {failure.attempts} times)" if failure else found


def print_law(numbers: dict[str, int]) -> None:
    accepted = numbers.pop("accepted")
    parts = [f"{number:,} {name.replace('_', ' ')}" for name, number in numbers.items() if number]
    print(f"\nthe law: {accepted:,} accepted = {' + '.join(parts) or 0}")


# -- the command ---------------------------------------------------------------------------------------------------


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one sentence, without the usage."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{message}\n")


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = Parser(description="Count the lines of a log through a queue and the function it triggers.")
    parser.add_argument("file", nargs="?", help="the log; without it the machine's own, or one made up")
    parser.add_argument("--rate", type=int, help=f"lines sent in a second ({RATE}, with --real {REAL_RATE:,})")
    parser.add_argument("--real", action="store_true", help="on the system's clock, with worker threads")
    parser.add_argument("--workers", type=int, default=4, help="batches at a time, at most (4)")
    parser.add_argument("--made", type=int, metavar="N", help="make up N lines (3,000 where there is no log)")
    parser.add_argument("--seed", type=int, default=1, help="of the lines made up (1)")
    options = parser.parse_args(arguments)
    if options.rate is None:
        options.rate = REAL_RATE if options.real else RATE
    if not 1 <= options.rate <= 100_000:
        parser.error(f"--rate must be from 1 to 100,000 lines a second, not {options.rate}")
    if not 1 <= options.workers <= 1_000:
        parser.error(f"--workers must be from 1 to 1,000, not {options.workers}")
    if options.made is not None and not 0 <= options.made <= 10_000_000:
        parser.error(f"--made must be from 0 to 10,000,000, not {options.made}")
    if options.file is not None and options.made is not None:
        parser.error(f"--made makes lines up, and {options.file!r} has others: give one of the two")
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    options, status = parsed(arguments), 0
    try:
        file = source_of(options)
    except OSError as error:
        print(f"{options.file!r} cannot be read: {error.strerror}", file=sys.stderr)
        return 2
    made = 3_000 if options.made is None else options.made
    print(f"log: {file or f'{made:,} lines made up'}\n")
    pipeline = Pipeline(options)
    try:
        pipeline.run(lines_made(made, options.seed) if file is None else lines_of(file))
    except KeyboardInterrupt:
        print("interrupted; done so far:")
        status = 130
    print_tables(list(pipeline.read.values()))
    print_dead_letters(pipeline)
    print_law(pipeline.broker.check())
    return status


if __name__ == "__main__":
    sys.exit(main())
