"""A ledger on a FIFO queue: each account's transactions in order, each once, whatever crashes.

    python examples/fifo_ledger.py [FILE.csv] [--workers N] [--crash-rate R] [--seed N] [--batch N] [--real]

FILE has a line for each transaction, in the columns account and amount, and if you like id, date and text; without one
the example makes 5,000 transactions of 200 accounts (`--write` keeps them). A producer sends them with the account as
the group, and again whenever an answer was lost: the queue swallows those duplicates. Workers post them, and now and then
one dies before or after its posting, without acknowledging: what it had taken comes again after the visibility timeout,
and until then the account waits, so nothing overtakes. At the end the books are compared with the file.

It runs on a VirtualClock, where the same seed gives the same run, or with --real on the system's clock. With --batch over
1 the threads' timing decides who dies with how many messages; what is in the books it never decides.
"""

from __future__ import annotations

import argparse
import csv
import io
import re
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from datetime import date, timedelta
from decimal import Decimal
from hashlib import sha256
from itertools import zip_longest
from pathlib import Path
from random import Random
from threading import Lock, Thread
from typing import Any, NamedTuple, NoReturn
from urllib.parse import quote

from decouple import Broker, Message, QueueClosed, SystemClock, VirtualClock
from decouple.errors import LawBroken, ReceiptExpired

try:
    from tqdm import tqdm
except ImportError:  # the extra `progress` is not installed: a plain line does
    tqdm = None


ACCOUNTS, TRANSACTIONS = 200, 5_000  # where no file is given
LOST_ANSWERS = 0.05  # of the producer's sends: it cannot know that they arrived, and sends again
VISIBILITY_TIMEOUT, REAL_VISIBILITY_TIMEOUT = 30.0, 0.25  # seconds
COLUMNS = ("id", "account", "date", "amount", "text")
LONGEST_FIELD = 10_000


class Transaction(NamedTuple):
    """A line of the file, as it goes through the queue; the amount is a decimal number."""

    line: int
    account: str
    amount: str
    id: str = ""
    date: str = ""
    text: str = ""

    @property
    def key(self) -> str:
        """What tells it from all others: in a file without ids two equal lines are two transactions."""
        return self.id or f"line {self.line}"


# -- the file ------------------------------------------------------------------------------------------------------


class BadFile(Exception):
    """What is wrong with the file, and in which line."""


def read(file: str) -> list[Transaction]:
    """The transactions of a CSV file. Raises BadFile."""
    try:
        return list(parse(Path(file).read_text(encoding="utf-8-sig")))
    except OSError as error:
        raise BadFile(f"{file!r} cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise BadFile(f"{file!r} is not UTF-8 text: see its byte {error.start + 1:,}") from None
    except BadFile as error:
        raise BadFile(f"{file!r}, {error}") from None


def parse(text: str) -> Iterator[Transaction]:
    header = text.partition("\n")[0]
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=header.count), strict=True)
    names: list[str] | None = None
    first: dict[str, Transaction] = {}
    while True:
        line = rows.line_num + 1  # where the row begins: a quoted field may go over several lines
        try:
            row = [field.strip() for field in next(rows)]
        except StopIteration:
            break
        except csv.Error as error:
            raise BadFile(f"line {line}: {error}") from None
        if names is None:
            names = column_names(row)
        elif row:
            transaction = checked(line, names, row)
            known = first.setdefault(transaction.key, transaction)
            if known._replace(line=line) != transaction:
                raise BadFile(f"line {line}: id {transaction.id!r} is that of line {known.line}, which says otherwise")
            yield transaction
    if names is None:
        raise BadFile("line 1: the file is empty, and its first line must name the columns")


def column_names(row: list[str]) -> list[str]:
    names = [name.lower() for name in row]
    for name in ("account", "amount"):
        if name not in names:
            raise BadFile(f"line 1: there is no column {name!r} among {', '.join(map(repr, row)) or 'none'}")
    for name in COLUMNS:
        if names.count(name) > 1:
            raise BadFile(f"line 1: there are {names.count(name)} columns {name!r}")
    return names


def checked(line: int, names: list[str], row: list[str]) -> Transaction:
    if len(row) != len(names):
        raise BadFile(f"line {line}: {len(row)} fields, where the first line has {len(names)}")
    fields = {name: field for name, field in zip(names, row, strict=True) if name in COLUMNS}
    for name, field in fields.items():
        if not field and name in ("account", "id"):
            raise BadFile(f"line {line}: {name} is missing")
        if len(field) > LONGEST_FIELD:
            raise BadFile(f"line {line}: {name} has {len(field):,} characters, over {LONGEST_FIELD:,}")
    amount = fields.pop("amount")
    # So many digits that the sum of a million of them is exact.
    if not re.fullmatch(r"[+-]?[0-9]{1,15}(\.[0-9]{1,6})?", amount):
        raise BadFile(f"line {line}: amount must be a number like -12.50, not {amount!r:.80}")
    return Transaction(line, amount=str(Decimal(amount)), **fields)


def made_up(seed: int, transactions: int) -> str:
    """A CSV file, the same for the same seed and number of transactions."""
    random, file = Random(f"{seed} transactions"), io.StringIO(newline="")
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(COLUMNS)
    for number in range(1, transactions + 1):
        text = random.choice(("rent", "groceries", "power", "books", "salary"))
        cents = random.randrange(100, 90_000) * (4 if text == "salary" else -1)
        day = date(2026, 1, 1) + timedelta(365 * number // (transactions + 1))
        account = f"A-{random.randint(1, ACCOUNTS):03d}"
        writer.writerow((f"t-{number:05d}", account, day, f"{Decimal(cents) / 100:.2f}", text))
    return file.getvalue()


# -- the books -----------------------------------------------------------------------------------------------------


class Books:
    """What was posted to each account, in order, and its balance. They stand for a database, which posts in one step."""

    def __init__(self) -> None:
        self.postings: defaultdict[str, list[Transaction]] = defaultdict(list)
        self.balances: defaultdict[str, Decimal] = defaultdict(Decimal)
        self.keys: set[str] = set()
        self.lock = Lock()

    def post(self, transaction: Transaction) -> bool:
        """Post it; False if it is in the books already, and nothing changes."""
        # A worker that dies between posting and ack has posted, and the queue cannot know: the message comes again. No
        # queue can close that gap, because books and queue do not commit together. So the books remember what they have, in
        # the same step as the posting. By the transaction, not by the message: one sent again after the queue's five
        # minutes of deduplication is a new message.
        with self.lock:
            if transaction.key in self.keys:
                return False
            self.keys.add(transaction.key)
            self.postings[transaction.account].append(transaction)
            self.balances[transaction.account] += Decimal(transaction.amount)
            return True


def faults(transactions: list[Transaction], books: Books, *, complete: bool = True) -> list[str]:
    """What the books have otherwise than the file, a sentence an account; none is the proof: order, each once, balance.

    complete: whether all must be posted, or in each account only the first ones.
    """
    wanted: defaultdict[str, list[Transaction]] = defaultdict(list)
    firsts: dict[str, Transaction] = {}
    for transaction in transactions:
        if firsts.setdefault(transaction.key, transaction) is transaction:
            wanted[transaction.account].append(transaction)
    found: list[str] = []
    for account in sorted(wanted.keys() | books.postings.keys()):
        have = books.postings.get(account, [])
        want = wanted[account] if complete else wanted[account][: len(have)]
        for number, (one, other) in enumerate(zip_longest(have, want), 1):
            if one != other:
                posted, filed = (shown.key if shown else "nothing" for shown in (one, other))
                found.append(f"account {account!r}: posting {number:,} is {posted}, and in the file {filed}")
                break
        else:
            balance, total = books.balances.get(account, Decimal()), sum(Decimal(one.amount) for one in want)
            if balance != total:
                found.append(f"account {account!r}: the balance is {balance:,}, and by the file {total:,}")
    return found


# -- the queue between them ----------------------------------------------------------------------------------------


class Crash(BaseException):
    """The end of a worker's thread, as of a process that is killed: nothing in between handles it."""


class Posting:
    """The queue `transactions.fifo` between a producer that repeats itself and workers that die."""

    def __init__(self, transactions: list[Transaction], options: argparse.Namespace) -> None:
        self.transactions, self.options = transactions, options
        self.clock = SystemClock() if options.real else VirtualClock()
        self.broker = Broker(clock=self.clock)
        self.queue = self.broker.queue(
            "transactions.fifo",
            visibility_timeout=REAL_VISIBILITY_TIMEOUT if options.real else VISIBILITY_TIMEOUT,
            retention=1_209_600,  # an account whose workers die again and again waits long
            # The body names its line, so without ids what is sent again is known by its content, and equal lines stay two.
            content_based_deduplication=True,
        )
        self.books = Books()
        self.workers: list[Thread] = []
        self.happened: list[str] = []  # appended to by all threads
        self.errors: list[Exception] = []
        self.sends = 0

    def run(self) -> None:
        """Return when every transaction sent was acknowledged."""
        try:
            # The broker is left first: closing it ends all waits, and with them the threads that are joined then.
            with ThreadPoolExecutor(1) as pool, self.broker:
                self.workers.extend(self.hire() for _ in range(self.options.workers))
                self.supervise(pool.submit(self.send))
        finally:
            for worker in self.workers:
                worker.join()

    # -- the producer

    def send(self) -> None:
        """Send the file in its order. Whatever the answer to which was lost is sent again before the next."""
        answers = Random(f"{self.options.seed} answers")
        for transaction in self.transactions:
            group, identity = name_for(transaction.account), name_for(transaction.id) if transaction.id else None
            lost = True
            while lost:
                self.queue.send(transaction._asdict(), group=group, deduplication_id=identity)
                self.sends += 1
                lost = answers.random() < LOST_ANSWERS

    # -- the workers

    def hire(self) -> Thread:
        worker = Thread(target=self.work)
        worker.start()
        return worker

    def work(self) -> None:
        """Post what comes until the queue is closed, or the thread dies with what it has taken."""
        try:
            while True:
                self.post_all(self.queue.receive(max_messages=self.options.batch, wait=20))
        except Crash as crash:
            self.happened.append(f"crash {crash}")
        except QueueClosed:
            return
        except Exception as error:  # a bug, which the supervisor raises
            self.errors.append(error)

    def post_all(self, messages: list[Message]) -> None:
        # Not `with message:`, which gives the message back when the block raises: a process that is killed does not.
        for message in messages:
            transaction = Transaction(**message.json())
            before, after = self.fate(transaction, message.receive_count)
            if before:
                raise Crash("before")
            if not self.books.post(transaction):
                self.happened.append("known")
            if after:
                raise Crash("after")
            try:
                message.ack()
            except ReceiptExpired:  # slower than the visibility timeout: the rest is somebody else's by now
                self.happened.append("late")
                return

    def fate(self, transaction: Transaction, receive: int) -> tuple[bool, bool]:
        """Whether the worker dies before the posting, or after it: the same for this receive whichever thread it is."""
        point, half = Random(f"{self.options.seed} {transaction.key} {receive}").random(), self.options.crash_rate / 2
        return point < half, half <= point < 2 * half

    # -- who watches over them

    def supervise(self, sending: Future[None]) -> None:
        """Replace who died, and pass the time, until all is sent and nothing is left in the queue."""
        with tqdm(unit=" transactions", disable=None) if tqdm else nullcontext() as bar:
            while True:
                sent, stats = sending.done(), self.queue.stats()
                show(bar, stats.deleted, stats.sent)
                if self.errors:
                    raise self.errors[0]
                if sent and not stats.visible and not stats.in_flight:
                    return sending.result()  # raises what the producer raised
                self.workers = [worker if worker.is_alive() else self.hire() for worker in self.workers]
                # Virtual time moves only when all is sent and each worker, the new ones too, is parked: then nothing but
                # a deadline can give them work, so however the threads ran, the same happens at the same instant.
                if isinstance(self.clock, VirtualClock) and sent and stats.parked == self.options.workers:
                    self.clock.advance_to_next()
                else:
                    time.sleep(0.001)


def name_for(text: str) -> str:
    """An account or id as a queue takes it, 1 to 128 ASCII characters without a space; another one for another text."""
    quoted = quote(text, safe="!#$&'()*+,/:;=?@[]")
    return quoted if len(quoted) <= 128 else sha256(text.encode()).hexdigest()


# -- what is shown -------------------------------------------------------------------------------------------------


def show(bar: Any, done: int, sent: int) -> None:
    """Move tqdm's bar, or write a plain line that the next overwrites; neither where nobody looks."""
    if bar is not None:
        bar.total = sent
        bar.update(done - bar.n)
    elif sys.stderr.isatty():
        print(f"{done:,} of {sent:,} transactions", end="\r", file=sys.stderr, flush=True)


def print_books(books: Books, top: int = 5) -> None:
    """The accounts with the most postings, what is left, and the sum."""
    numbers = {account: len(postings) for account, postings in books.postings.items()}
    busiest = sorted(numbers, key=lambda account: (-numbers[account], account))
    rows = {account: [account] for account in busiest[:top]}
    if busiest[top:]:
        rows[f"{len(busiest) - top:,} more"] = busiest[top:]
    rows["all"] = busiest
    print(f"{'account':<24}{'postings':>10}{'balance':>20}")
    for name, accounts in rows.items():
        postings, balance = (sum(of[account] for account in accounts) for of in (numbers, books.balances))
        print(f"{name:<24.24}{postings:>10,}{balance:>20,}")


def print_numbers(posting: Posting) -> None:
    stats, happened = posting.queue.stats(), Counter(posting.happened)
    before, after = happened["crash before"], happened["crash after"]
    print(f"\nsent: {posting.sends:,} (duplicates, swallowed by the queue: {stats.duplicates:,})")
    print(f"crashes: {before + after:,} (before the posting: {before:,}, between posting and ack: {after:,})")
    print(f"redeliveries: {stats.expired:,} (in the books already: {happened['known']:,})")
    if happened["late"]:
        print(f"acknowledged too late: {happened['late']:,}")


def prove(posting: Posting, *, complete: bool) -> bool:
    """Say whether the books are right and the law holds."""
    found = faults(posting.transactions, posting.books, complete=complete)
    if found:
        print(f"NOT PROVED: {found[0]}" + (f"; {len(found) - 1:,} more accounts are wrong" if found[1:] else ""))
    else:
        which = "transactions" if complete else "first transactions"
        print(f"proved: each account has the file's {which} in its order, each once, and their sum")
    try:
        numbers = posting.broker.check()
    except LawBroken as error:
        print(f"NOT PROVED: {error}")
        return False
    accepted = numbers.pop("accepted")
    parts = [f"{number:,} {name.replace('_', ' ')}" for name, number in numbers.items() if number]
    print(f"the law: {accepted:,} accepted = {' + '.join(parts) or 0}")
    return not found


# -- the command ---------------------------------------------------------------------------------------------------


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one sentence, without the usage."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{message}\n")


def parsed() -> argparse.Namespace:
    parser = Parser(description="Post transactions to accounts through a FIFO queue, with workers that crash.")
    parser.add_argument("file", nargs="?", help="CSV with the columns account, amount (and id, date, text)")
    parser.add_argument("--transactions", type=int, default=TRANSACTIONS, help="made where no file is given (5000)")
    parser.add_argument("--workers", type=int, default=4, help="threads that post (4)")
    parser.add_argument("--crash-rate", type=float, default=0.02, metavar="R", help="of all postings, 0 to 0.9 (0.02)")
    parser.add_argument("--seed", type=int, default=1, help="of transactions, lost answers and crashes (1)")
    parser.add_argument("--batch", type=int, default=1, help="messages a worker takes at once, at most (1)")
    parser.add_argument("--real", action="store_true", help="on the system's clock")
    parser.add_argument("--write", metavar="FILE", help="keep the transactions made here as a new CSV file")
    options = parser.parse_args()
    if not 1 <= options.workers <= 1_000:
        parser.error(f"--workers must be from 1 to 1,000, not {options.workers}")
    if options.transactions < 0:
        parser.error(f"--transactions must be at least 0, not {options.transactions}")
    if options.batch < 1:
        parser.error(f"--batch must be at least 1, not {options.batch}")
    if not 0 <= options.crash_rate <= 0.9:
        parser.error(f"--crash-rate must be from 0 to 0.9, not {options.crash_rate}")
    if options.file is not None and options.write is not None:
        parser.error(f"--write keeps the transactions made here, and {options.file!r} has others: give one of the two")
    return options


def input_of(options: argparse.Namespace) -> list[Transaction]:
    """The transactions. Raises BadFile."""
    if options.file is not None:
        return read(options.file)
    text = made_up(options.seed, options.transactions)
    if options.write is not None:
        try:
            with open(options.write, "x", encoding="utf-8", newline="") as file:  # never over what is there
                file.write(text)
        except OSError as error:
            raise BadFile(f"{options.write!r} cannot be written: {error.strerror or error}") from None
    return list(parse(text))


def main() -> int:
    options = parsed()
    try:
        transactions = input_of(options)
    except BadFile as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted before the first was sent")
        return 130
    posting = Posting(transactions, options)
    began, start, interrupted = time.perf_counter(), posting.clock.now(), False
    try:
        posting.run()
    except KeyboardInterrupt:
        print("interrupted; so far:")
        interrupted = True
    took, passed = time.perf_counter() - began, (posting.clock.now() - start) / 1e9
    print_books(posting.books)
    print_numbers(posting)
    print(f"time: {passed:,.0f} s on the virtual clock, in {took:.1f} s" if not options.real else f"time: {took:.1f} s")
    proved = prove(posting, complete=not interrupted)
    return 130 if interrupted and proved else int(not proved)


if __name__ == "__main__":
    sys.exit(main())
