"""A process of a run: it opens the broker, works until it is killed, or drains the queues at the end.

It is forked, because a parent without threads or brokers can: a new interpreter would take longer to start than it lives.
"""

import faulthandler
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from decouple import Broker
from surviving.facts import Fact, write_facts
from surviving.load import Backlog, Teller, Worker, declare, employ, work

INTERRUPTED = 130
OPENING, WORKING = b"o", b"w"


class Part(NamedTuple):
    """What a process is to do."""

    number: int
    slot: int  # it comes in the place of the process that was here before
    facts: Path
    errors: Path
    make: Callable[[], Broker]
    seed: int
    lease: float
    threads: int
    before: list[Fact]  # what the process before it said
    trouble: Callable[[Broker], object] | None  # what else happens in it
    handlers: bool


def start(part: Part, live: Callable[[Part, Teller, int], None]) -> tuple[int, int]:
    """Fork it: its pid, and the end of a pipe that tells when it begins to open and to work."""
    ours, theirs = os.pipe()
    pid = os.fork()
    if pid:
        os.close(theirs)
        return pid, ours
    code = 1
    try:
        os.close(ours)
        code = run(part, live, theirs)
    finally:
        os._exit(code)


def run(part: Part, live: Callable[[Part, Teller, int], None], pipe: int) -> int:
    errors = os.open(part.errors, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(errors, 2)
    faulthandler.register(signal.SIGUSR1, file=sys.__stderr__, all_threads=True)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    teller = Teller(f"{part.number}", write_facts(part.facts))
    try:
        live(part, teller, pipe)
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception:
        teller.say("wrong", traceback.format_exc())
        return 1
    return 0


def prepare(part: Part, broker: Broker, teller: Teller) -> None:
    """Declare all there is, and see that the books balance as they were found."""
    declare(broker, part.lease)
    if part.handlers:
        employ(broker, Teller(f"{teller.who}.h", teller.note))
    broker.check()


def load(part: Part, teller: Teller, pipe: int) -> None:
    """Work at full speed until a signal comes."""
    os.write(pipe, OPENING)
    broker = part.make()
    try:
        with broker:
            prepare(part, broker, teller)
            if part.trouble is not None:
                part.trouble(broker)
            os.write(pipe, WORKING)
            work(
                broker,
                teller.note,
                who=teller.who,
                slot=str(part.slot),
                seed=part.seed,
                lease=part.lease,
                threads=part.threads,
                before=part.before,
            )
    finally:
        for thread in threading.enumerate():  # what a closed broker refuses ends them
            if thread is not threading.current_thread() and thread.daemon and thread.is_alive():
                thread.join(5)


def drain(part: Part, teller: Teller, pipe: int) -> None:
    """Take out all there is, and prove that the books balance."""
    os.write(pipe, OPENING)
    with part.make() as broker:
        prepare(part, broker, teller)
        os.write(pipe, WORKING)
        worker = Worker(broker, teller, part.seed, str(part.slot), part.lease, Backlog())
        worker.send_again(part.before)
        worker.drain(60)
        broker.check()
