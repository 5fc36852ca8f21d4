"""A worker process as its supervisor sees it: started, ready or refused, told to end, gone.

Two threads wait, for what it says and for its end, and leave a note of each, so the supervisor itself waits in one place.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from queue import SimpleQueue
from typing import NamedTuple, TypeAlias

from decouple.worker.orders import GRACE, Orders

__all__ = ["Child", "Gone", "Note", "Notes", "Said", "start", "status_of"]

WORD = 1.0
"""So many seconds a word of a process that has ended may be on its way."""


class Said(NamedTuple):
    """What a process said of its start."""

    child: Child
    what: Mapping[str, str]


class Gone(NamedTuple):
    """A process has ended."""

    child: Child
    status: int


Note: TypeAlias = "Said | Gone | signal.Signals"
Notes: TypeAlias = "SimpleQueue[Note]"


class Child:
    """One process. post: which of the N it is; refused: why it does not serve; kill_at: when it will have to be gone."""

    def __init__(self, post: int, process: subprocess.Popen[bytes]) -> None:
        self.post = post
        self.process = process
        self.pid = process.pid
        self.began = time.monotonic()
        self.refused: str | None = None
        self.kill_at: float | None = None
        self.killed = False

    def dismiss(self, timeout: float) -> None:
        """Ask it to end; asked again, at once."""
        self.process.send_signal(signal.SIGTERM)
        at = time.monotonic() + timeout + GRACE
        self.kill_at = at if self.kill_at is None else min(at, self.kill_at)

    def kill_if_late(self, now: float) -> bool:
        """Whether it is killed now: it was asked to end and did not."""
        if self.killed or self.kill_at is None or now < self.kill_at:
            return False
        self.process.kill()
        self.killed = True
        return True


def start(post: int, orders: Orders, notes: Notes) -> Child:
    """Start a process with the code as it is now. orders.report is filled in. Raises OSError."""
    reading, writing = os.pipe()
    try:
        told = json.dumps(orders._replace(report=writing)._asdict())
        process = subprocess.Popen(
            [sys.executable, "-m", "decouple.worker.serving", told],
            pass_fds=(orders.lifeline, writing),
            stdin=subprocess.DEVNULL,
            process_group=0,  # a Ctrl-C in the terminal is the supervisor's to pass on, once
        )
    except BaseException:
        os.close(reading)
        raise
    finally:
        os.close(writing)
    child = Child(post, process)
    hearing = threading.Thread(target=hear, args=(child, reading, notes), daemon=True)
    hearing.start()
    threading.Thread(target=wait, args=(child, hearing, notes), daemon=True).start()
    return child


def hear(child: Child, reading: int, notes: Notes) -> None:
    """Leave a note of what the process says; none if it ends without a word."""
    with open(reading, encoding="utf-8") as pipe:
        line = pipe.readline()
    if line.endswith("\n"):
        notes.put(Said(child, json.loads(line)))


def wait(child: Child, hearing: threading.Thread, notes: Notes) -> None:
    """Leave a note of its end, after that of what it said."""
    status = child.process.wait()
    hearing.join(WORD)  # not for ever: a process that it forked may hold the pipe
    notes.put(Gone(child, status))


def status_of(status: int) -> str:
    """How a process ended, in words."""
    if status >= 0:
        return f"exit status {status}"
    try:
        return signal.Signals(-status).name
    except ValueError:
        return f"signal {-status}"
