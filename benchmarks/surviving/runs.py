"""A run: processes that work on one file and are killed at random, again and again; then the ledger has the word."""

import os
import random
import select
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from decouple import Broker
from surviving.child import INTERRUPTED, OPENING, WORKING, Part, drain, load, start
from surviving.facts import Fact, read_facts, write_facts
from surviving.ledger import Judgement, judge
from surviving.load import PLAN, Teller

PATIENCE = 60
"""A process that takes longer than that to open, or to end, hangs."""


class Terms(NamedTuple):
    """What a run is."""

    title: str
    make: Callable[[Path], Broker]  # opens the broker in a folder
    kills: int
    seed: int
    processes: int = 1
    threads: int = 4
    signals: tuple[signal.Signals, ...] = (signal.SIGKILL,)
    lease: float = 0.4
    early: float = 0.25  # so many of the kills come in the first 50 ms, while the process is opening
    between: tuple[float, float] = (0.05, 0.5)  # the others come so many seconds after it began to work
    trouble: Callable[[Broker], object] | None = None
    handlers: bool = False  # whether topics push and functions are sent events, too


class Process:
    """One that lives."""

    def __init__(self, part: Part, live: Callable[[Part, Teller, int], None]) -> None:
        self.part = part
        self.pid, self.pipe = start(part, live)
        self.heard = b""

    def hear(self, word: bytes) -> bool:
        """Wait until it has got so far; False if it ended, or hangs."""
        end = time.monotonic() + PATIENCE
        while word not in self.heard:
            ready, _, _ = select.select([self.pipe], [], [], max(0, end - time.monotonic()))
            heard = os.read(self.pipe, 16) if ready else b""
            if not heard:
                return False
            self.heard += heard
        return True

    def end(self, sign: signal.Signals | None) -> str | None:
        """End it with a signal, or wait for its end; in words, what was wrong about that."""
        if sign is not None:
            os.kill(self.pid, sign)
        status = self._wait(PATIENCE)
        if status is None:
            os.kill(self.pid, signal.SIGUSR1)  # it writes down where its threads are
            time.sleep(0.5)
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            return self._complaint("hung")
        code = os.waitstatus_to_exitcode(status)
        right = {None: 0, signal.SIGINT: INTERRUPTED}.get(sign, -(sign or 0))
        return None if code == right else self._complaint(f"ended with {code}, not with {right}")

    def _wait(self, seconds: float) -> int | None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                os.close(self.pipe)
                return status
            time.sleep(0.001)
        return None

    def _complaint(self, what: str) -> str:
        said = self.part.errors.read_text()[-4000:] if self.part.errors.exists() else ""
        return f"process {self.part.number} {what}\n{said}"


class Run:
    """The processes of a run, and their facts."""

    def __init__(self, terms: Terms, folder: Path) -> None:
        self.terms = terms
        self.folder = folder
        self.chance = random.Random(terms.seed)
        self.number = 0
        self.alive: dict[int, Process] = {}
        self.last: dict[int, Path] = {}
        (folder / "facts").mkdir(parents=True)
        self.teller = Teller("parent", write_facts(folder / "facts" / "parent.txt"))

    def go(self) -> Iterator[int]:
        """Kill and start again: yields how many times it has, until it is drained."""
        try:
            for slot in range(self.terms.processes):
                self._start(slot)
            for kills in range(self.terms.kills):
                slot = self.chance.randrange(self.terms.processes)
                self._kill(slot)
                yield kills + 1
                if kills + 1 < self.terms.kills:
                    self._start(slot)
            for slot in list(self.alive):
                self._kill(slot)
            self._drain()
        finally:
            for process in self.alive.values():  # where this process itself is interrupted
                process.end(signal.SIGKILL)

    def _part(self, slot: int) -> Part:
        self.number += 1
        before = self.last.get(slot)
        facts, terms = self.folder / "facts" / f"{self.number:05}.txt", self.terms
        self.last[slot] = facts
        return Part(
            number=self.number,
            slot=slot,
            facts=facts,
            errors=facts.with_suffix(".err"),
            make=lambda: terms.make(self.folder),
            seed=terms.seed,
            lease=terms.lease,
            threads=terms.threads,
            before=[] if before is None or not before.exists() else list(read_facts([before])),
            trouble=terms.trouble,
            handlers=terms.handlers,
        )

    def _start(self, slot: int) -> None:
        self.alive[slot] = Process(self._part(slot), load)

    def _kill(self, slot: int) -> None:
        process, early = self.alive[slot], self.chance.random() < self.terms.early
        if process.hear(OPENING if early else WORKING):
            time.sleep(self.chance.uniform(0, 0.05) if early else self.chance.uniform(*self.terms.between))
        sign = self.chance.choice(self.terms.signals)
        del self.alive[slot]
        self._end(process, sign)

    def _drain(self) -> None:
        """By each slot what it had no answer for; the last one finds nothing, and shows that a clean end is one, too."""
        for slot in [*range(self.terms.processes), 0]:
            self._end(Process(self._part(slot), drain), None)

    def _end(self, process: Process, sign: signal.Signals | None) -> None:
        complaint = process.end(sign)
        self.teller.say("gone", process.part.number)
        if complaint is not None:
            self.teller.say("wrong", complaint)

    def facts(self) -> Iterator[Fact]:
        """All that was said."""
        return read_facts(sorted((self.folder / "facts").glob("*.txt")))

    def judge(self) -> Judgement:
        """What the ledger makes of it."""
        counts, verdicts = judge(self.facts(), PLAN)
        return Judgement({"kills": self.terms.kills} | counts, verdicts)
