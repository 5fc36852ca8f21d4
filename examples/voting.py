"""Voting: text messages come in bursts, some twice or thrice, and every voter is counted once, whatever crashed.

    python examples/voting.py [--voters N] [--crash-rate R] [--seed N] [--workers N] [--real]

A show is on, and each time it says the number to write to, thousands do. Who gets no answer writes again; some choices
have less patient friends than others. The gateway puts every text into a queue at once, and that is all it does. Handlers
count them, and now and then one dies after counting and before the acknowledgement, so its message comes again. At the
end of the poll a schedule, at(...), closes it: a vote sent later is refused, to a dead-letter queue with the reason, and a
vote that was sent in time and waits still is counted.

What it shows: at-least-once delivery made harmless by `idempotent`, with the phone number as its key; the result beside
that of a handler without it, which may name another winner; and the proof, that as many were counted as have voted. What
is counted and what is remembered are two steps here: a process that may die between them needs one store for both, with
one transaction.

It runs on a VirtualClock, where the same seed gives the same run, or with --real on the system's clock, with so many
workers at once and a poll of a few seconds. Only `wait_until` knows the difference.
"""

from __future__ import annotations

import argparse
import math
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from itertools import count, groupby
from random import Random
from typing import Any, NamedTuple, NoReturn

from decouple import Broker, Change, MemoryStore, Message, Reject, SystemClock, VirtualClock, idempotent

try:
    from tqdm import tqdm
except ImportError:  # the extra `progress` is not installed: a plain line does
    tqdm = None


CHOICES = {"Ada": (0.36, 0.10), "Grace": (0.34, 0.30), "Edsger": (0.30, 0.15)}  # share of voters; of those who repeat
CALLS = (0.0, 0.3, 0.6, 0.9)  # parts of the poll at which the show says the number
BURST = 0.06  # mean part of the poll between that and a vote
POLL, REAL_POLL = 600, 6  # seconds
STEPS = 600  # of a poll: so often the gateway hands over what it got
MOST_TRIES = 1_000
DAY = 86_400


class Text(NamedTuple):
    """A vote on its way; step: that of the poll in which the gateway gets it."""

    step: int
    phone: str
    choice: str


class Crash(Exception):
    """How a worker dies."""


class Poll:
    """The queue `votes`, its handler, and what was counted."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.clock: SystemClock | VirtualClock = SystemClock() if options.real else VirtualClock()
        self.broker = Broker(clock=self.clock, observers=[self.note])
        self.late = self.broker.queue("late")
        self.votes = self.broker.queue("votes", dead_letter=self.late, max_receives=MOST_TRIES)
        seconds = REAL_POLL if options.real else POLL
        self.begin, self.step = self.whole_second(), timedelta(seconds=seconds / STEPS)
        closing = self.begin + timedelta(seconds=seconds)
        self.broker.schedule(f"at({closing:%Y-%m-%dT%H:%M:%S})", self.close, name="closing")
        self.closed_at: datetime | None = None
        self.random, self.crash_rate = Random(options.seed), options.crash_rate
        self.lock = threading.Lock()
        self.counted, self.naive, self.crashes = Counter[str](), Counter[str](), 0
        self.sent: dict[str, Text] = {}
        self.sent_at: dict[str | None, datetime] = {}
        store = MemoryStore(clock=self.clock)
        self.count = idempotent(store, key=lambda vote: vote["phone"], ttl=DAY, lease=1)(self.count_vote)
        self.consumer = self.votes.consume(self.handle, concurrency=options.workers)

    # -- what the broker's workers call ------------------------------------------------------------------------------

    def handle(self, message: Message) -> None:
        """The handler. Whether a vote is in time is decided by when it was sent, not by how long it waited."""
        if self.closed_at is not None and message.sent_at > self.closed_at:
            raise Reject("the poll was closed when it was sent")
        vote = message.json()
        self.count(vote)
        with self.lock:
            self.naive[vote["choice"]] += 1
            if self.random.random() >= self.crash_rate:
                return
            self.crashes += 1
        raise Crash("after counting, before the acknowledgement")

    def count_vote(self, vote: dict[str, str]) -> None:
        with self.lock:
            self.counted[vote["choice"]] += 1

    def close(self, event: dict[str, Any]) -> None:
        self.closed_at = self.now()

    # -- the run -----------------------------------------------------------------------------------------------------

    def run(self, texts: Sequence[Text]) -> None:
        """Return when every text was counted, skipped or refused, and the poll is over."""
        with (
            self.broker,
            tqdm(total=len(texts), unit=" texts", delay=2, disable=None) if tqdm else nullcontext() as bar,
        ):
            for step, some in groupby(texts, key=lambda text: text.step):
                self.wait_until(step)
                self.send(list(some))
                show(bar, self.finished, len(texts))
            for step in count(STEPS + 1):
                if self.closed_at is not None and self.finished == len(texts):
                    break
                self.wait_until(step)
                show(bar, self.finished, len(texts))

    def send(self, texts: list[Text]) -> None:
        """What the gateway does."""
        sent = self.votes.send_batch([{"phone": text.phone, "choice": text.choice} for text in texts])
        self.sent.update(zip((one.id for one in sent), texts, strict=True))

    def wait_until(self, step: int) -> None:
        """Real time passes by itself. On virtual time this thread does the work: what is due now, then on the way."""
        seconds = (self.begin + step * self.step - self.now()).total_seconds()
        if isinstance(self.clock, VirtualClock):
            self.broker.run_until_idle(errors="collect")
            self.clock.advance(max(0.0, seconds))
            self.broker.run_until_idle(errors="collect")
        else:
            time.sleep(max(0.001, seconds))

    def now(self) -> datetime:
        return datetime.fromtimestamp((self.clock.epoch + self.clock.now()) / 1e9, UTC)

    def whole_second(self) -> datetime:
        """Now or soon: an at() knows no smaller parts."""
        return datetime.fromtimestamp(math.ceil((self.clock.epoch + self.clock.now()) / 1e9), UTC)

    @property
    def finished(self) -> int:
        return self.votes.stats().deleted + self.late.stats().visible

    # -- the proof ---------------------------------------------------------------------------------------------------

    def note(self, change: Change) -> None:
        """Keep what the broker says of every send, to compare with later: no handler looks at it."""
        if change.cause == "sent" and change.queue == "votes":
            self.sent_at[change.id] = change.happened_at

    def voters(self) -> Counter[str]:
        """How many have voted in time, by choice: the truth."""
        closed = self.closed_at
        in_time = [text for id, text in self.sent.items() if closed is None or self.sent_at[id] <= closed]
        return Counter({text.phone: text.choice for text in in_time}.values())


# -- texts ---------------------------------------------------------------------------------------------------------


def texts_of(voters: int, seed: int) -> list[Text]:
    """What is sent in which step: bursts of votes, and the repetitions of the impatient."""
    random, texts = Random(seed), list[Text]()
    names, shares = list(CHOICES), [share for share, _ in CHOICES.values()]
    for number in random.sample(range(10**7), voters):
        [choice] = random.choices(names, shares)
        at = random.choice(CALLS) + random.expovariate(1 / BURST)
        for _ in range(random.choice((2, 3)) if random.random() < CHOICES[choice][1] else 1):
            texts.append(Text(math.ceil(at * STEPS), f"+49 151 {number:07}", choice))
            at += random.uniform(0.005, 0.05)
    return sorted(texts)


# -- what is shown -------------------------------------------------------------------------------------------------


def show(bar: Any, done: int, total: int) -> None:
    """Move tqdm's bar, or write a plain line that the next overwrites; neither where nobody looks."""
    if bar is not None:
        bar.update(done - bar.n)
    elif sys.stderr.isatty():
        print(f"{done:,} of {total:,} texts", end="\r", file=sys.stderr, flush=True)


def print_result(poll: Poll, voters: Counter[str]) -> None:
    print(f"{'choice':<12}{'voters':>10}{'counted':>10}{'naively':>10}")
    for name, results in (*((name, name) for name in CHOICES), ("all", None)):
        columns = (voters, poll.counted, poll.naive)
        numbers = (column.total() if results is None else column[results] for column in columns)
        print(f"{name:<12}" + "".join(f"{number:>10,}" for number in numbers))
    print(f"{'winner':<12}" + "".join(f"{winner(column):>10}" for column in (voters, poll.counted, poll.naive)))


def winner(results: Counter[str]) -> str:
    first, *others = [name for name, number in results.most_common() if number == max(results.values())] or ["nobody"]
    return "a draw" if others else first


def print_numbers(poll: Poll) -> None:
    texts = list(poll.sent.values())
    repeated = len(texts) - len({text.phone for text in texts})
    busiest = max(Counter(text.step for text in texts).values(), default=0)
    print(f"\n{len(texts):,} texts, {busiest:,} of them at once; {repeated:,} were repeated,", end=" ")
    print(f"{poll.crashes:,} came again after a crash, {poll.late.stats().visible:,} were late and refused")


def prove(poll: Poll, voters: Counter[str]) -> bool:
    """Say whether every voter was counted once and the law holds."""
    right = poll.counted == voters
    if right:
        print(f"proved: {voters.total():,} have voted in time, and each of them is counted once")
    else:
        print(f"NOT PROVED: {voters.total():,} have voted in time, {poll.counted.total():,} are counted")
    numbers = poll.broker.check()
    accepted = numbers.pop("accepted")
    parts = [f"{number:,} {name.replace('_', ' ')}" for name, number in numbers.items() if number]
    print(f"the law: {accepted:,} accepted = {' + '.join(parts) or 0}")
    return right


# -- the command ---------------------------------------------------------------------------------------------------


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one sentence, without the usage."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{message}\n")


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = Parser(description="Count votes through a queue, each voter once, with handlers that crash.")
    parser.add_argument("--voters", type=int, default=10_000, metavar="N", help="10,000 by default")
    parser.add_argument("--crash-rate", type=float, default=0.05, metavar="R", help="of all handlings, 0 to 0.9 (0.05)")
    parser.add_argument("--seed", type=int, default=1, help="of votes, repetitions and crashes (1)")
    parser.add_argument("--workers", type=int, default=8, metavar="N", help="votes handled at a time, with --real (8)")
    parser.add_argument("--real", action="store_true", help=f"on the system's clock, the poll in {REAL_POLL} seconds")
    options = parser.parse_args(arguments)
    if not 0 <= options.voters <= 1_000_000:
        parser.error(f"--voters must be from 0 to 1,000,000, not {options.voters}")
    if not 0 <= options.crash_rate <= 0.9:
        parser.error(f"--crash-rate must be from 0 to 0.9, not {options.crash_rate}")
    if not 1 <= options.workers <= 100:
        parser.error(f"--workers must be from 1 to 100, not {options.workers}")
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    options = parsed(arguments)
    poll, interrupted = Poll(options), False
    try:
        poll.run(texts_of(options.voters, options.seed))
    except KeyboardInterrupt:
        print("interrupted; so far:")
        interrupted = True
    voters = poll.voters()
    print_result(poll, voters)
    print_numbers(poll)
    if interrupted:
        return 130
    return int(not prove(poll, voters))


if __name__ == "__main__":
    sys.exit(main())
