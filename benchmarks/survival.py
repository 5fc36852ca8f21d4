"""Does anything get lost when processes are killed? Kill -9 under load, again and again, and a ledger that decides.

    python benchmarks/survival.py --engine journal|sqlite [--kills 100] [--seed 1] [--processes 1] [--signal KILL|INT|TERM]
    python benchmarks/survival.py --all --save          all the runs of benchmarks/survival.txt

Processes open one broker and work at full speed: they send to a standard queue, a FIFO queue and a topic, one by one, in
batches, with delays and twice on purpose; they receive, delete, give back, reject, and let leases end. Each says what
it will do before each call, and what came of it after it. The parent kills one at a random instant, a quarter of them while
they are still opening, and starts another; all work on the same file. At the end all queues are drained, and the ledger
(surviving/ledger.py, which says what each row means) holds every fact against the laws: no message whose send was answered
is lost, none comes back after its delete was answered, none is delivered while somebody has it, receive counts only rise,
dead letters are those received too often or rejected, groups keep their order; and `broker.check()` balances at every
opening and at the end.

A violation prints the story of its message; the exit code is then 1, and the folder stays. The same seed makes the same
choices, but no run is the same as another, because the kills fall where they fall.

What is killed is the process: what it wrote is in the operating system's hands by then. Loss of power is not tested.
"""

import argparse
import platform
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from functools import partial
from importlib.util import find_spec
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]  # the package beside this folder, installed or not

from surviving.engines import ENGINES, TROUBLES, small  # noqa: E402
from surviving.ledger import LAWS, Judgement, story  # noqa: E402
from surviving.runs import Run, Terms  # noqa: E402

STORIES = 5
SIGNALS = {"KILL": signal.SIGKILL, "INT": signal.SIGINT, "TERM": signal.SIGTERM}


def main() -> int:
    given = arguments()
    runs = list(all_runs(given)) if given.all else [one_run(given)]
    judged = {terms.title: survive(terms) for terms in runs}
    text = table(judged)
    print(text)
    if given.save:
        (HERE / "survival.txt").write_text(text)
    return int(any(judgement.verdicts for judgement in judged.values()))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", choices=ENGINES, default="journal")
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=1, help="how many work at a time (sqlite)")
    parser.add_argument("--threads", type=int, default=4, help="of each process")
    parser.add_argument("--signal", choices=SIGNALS, default="KILL")
    parser.add_argument("--segment-kib", type=int, help="of a journal: small segments, so that many are cleaned")
    parser.add_argument("--trouble", choices=TROUBLES, help="what else goes wrong in each process")
    parser.add_argument("--handlers", action="store_true", help="topics push and functions are sent events, too")
    parser.add_argument("--all", action="store_true", help="the runs of survival.txt")
    parser.add_argument("--save", action="store_true", help="write benchmarks/survival.txt")
    return parser.parse_args()


def one_run(given: argparse.Namespace) -> Terms:
    make = ENGINES[given.engine] if given.segment_kib is None else small(given.segment_kib * 1024)
    return Terms(
        title=f"{given.engine}, {given.signal}" + (f" x{given.processes}" if given.processes > 1 else ""),
        make=make,
        kills=given.kills,
        seed=given.seed,
        processes=given.processes,
        threads=given.threads,
        signals=(SIGNALS[given.signal],),
        handlers=given.handlers,
        trouble=None if given.trouble is None else TROUBLES[given.trouble],
    )


def all_runs(given: argparse.Namespace) -> Iterator[Terms]:
    run = partial(Terms, kills=given.kills, seed=given.seed, handlers=True)
    journal, sqlite = ENGINES["journal"], ENGINES["sqlite"]
    softly = (signal.SIGINT, signal.SIGTERM)
    yield run("journal", journal)
    yield run("journal, small segments", small(16 * 1024))
    yield run("journal, while opening", small(16 * 1024), early=0.75)
    yield run("journal, full disk", small(16 * 1024), trouble=TROUBLES["full"])
    yield run("journal, INT and TERM", journal, signals=softly)
    yield run("sqlite", sqlite)
    yield run("sqlite, 2 processes", sqlite, processes=2, lease=1.0)
    yield run("sqlite, 4 processes", sqlite, processes=4, threads=2, lease=1.0)
    yield run("sqlite, INT and TERM", sqlite, processes=2, signals=softly)


def survive(terms: Terms) -> Judgement:
    """One run, with its violations on stderr; its folder is kept where there are any."""
    folder = Path(tempfile.mkdtemp(prefix="survival-"))
    run = Run(terms, folder)
    for _ in shown(run.go(), terms):
        pass
    judgement = run.judge()
    if judgement.verdicts:
        complain(run, judgement)
    else:
        shutil.rmtree(folder)
    return judgement


def complain(run: Run, judgement: Judgement) -> None:
    say(f"{run.terms.title}, seed {run.terms.seed}: {len(judgement.verdicts)} violations; all is in {run.folder}")
    facts = list(run.facts())
    for verdict in judgement.verdicts[:STORIES]:
        say(f"\n{verdict.law}: {verdict.home} {verdict.tag}: {verdict.sentence}")
        if verdict.tag:
            say("\n".join(story(facts, verdict)))


def shown(steps: Iterable[int], terms: Terms) -> Iterator[int]:
    """The same steps, their progress on stderr: a bar where tqdm is, else a line now and then."""
    if sys.stderr.isatty() and find_spec("tqdm") is not None:
        from tqdm import tqdm

        yield from tqdm(steps, desc=terms.title, total=terms.kills, unit="kill", leave=False)
        return
    said = time.monotonic()
    for kills in steps:
        if time.monotonic() - said > 5:
            said = time.monotonic()
            say(f"{terms.title}: {kills} of {terms.kills} kills")
        yield kills


def table(judged: dict[str, Judgement]) -> str:
    """A column for each run; the laws last, whose rows must be 0."""
    rows = list(next(iter(judged.values())).counts)
    names = max(map(len, rows))
    python = f"{platform.python_implementation()} {platform.python_version()}"
    lines = [
        f"{datetime.now(UTC):%Y-%m-%d}, {python}, {platform.system()} {platform.machine()}",
        "Processes killed under load, again and again on one file (python benchmarks/survival.py --all).",
        "Killed is the process, not the machine: loss of power is not tested.",
        *(f"  {chr(97 + at)}  {title}" for at, title in enumerate(judged)),
        "",
        " " * names + "".join(f"{chr(97 + at):>10}" for at in range(len(judged))),
    ]
    for row in rows:
        if row == LAWS[0]:
            lines.append("broken laws:")
        figures = "".join(f"{judgement.counts[row]:>10,}" for judgement in judged.values())
        lines.append(f"{row:<{names}}{figures}")
    return "\n".join(lines) + "\n"


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
