"""Blocking calls in a simulation: reported where they are made, instead of hanging.

While a simulation runs, the calls that block a thread (time.sleep, threads, processes, sockets) look first whether they
are made inside one; elsewhere they do what they always do. A thread of its own watches for what gets past that, such as
a lock of threading: a step that uses no CPU for five real seconds is interrupted, if it is in the main thread, or else
reported in the log.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Generator
from concurrent.futures.thread import ThreadPoolExecutor
from contextlib import contextmanager
from functools import wraps
from types import FrameType
from typing import Any, NamedTuple

from decouple.errors import BlockingCall
from decouple.testing.loop import SimulatedLoop

__all__ = ["guarded"]

LONGEST_STEP = 5.0
INTERVAL = 0.5
IDLE = 0.1
FAKE = "put a fake in its place that awaits asyncio.sleep(...)"


class Call(NamedTuple):
    """A call that blocks: where it is found, what it is called in the error, and what to do instead."""

    owner: Any
    name: str
    words: str
    advice: str


CALLS = (
    Call(time, "sleep", "time.sleep()", "await asyncio.sleep(seconds)"),
    Call(threading.Thread, "start", "a thread", "call its function directly, or make it a task"),
    Call(ThreadPoolExecutor, "submit", "work in another thread", "call its function directly, or make it a task"),
    Call(subprocess.Popen, "__init__", "a process", FAKE),
    Call(socket.socket, "connect", "a socket", FAKE),
    Call(socket.socket, "accept", "a socket", FAKE),
    Call(socket, "getaddrinfo", "a look-up of a host", FAKE),
)


def looks_first(call: Call, original: Callable[..., Any]) -> Callable[..., Any]:
    """The same call, refused in a simulation."""

    @wraps(original)
    def look(*args: Any, **named: Any) -> Any:
        if isinstance(asyncio._get_running_loop(), SimulatedLoop):
            raise BlockingCall(call.words, call.advice)
        return original(*args, **named)

    return look


class Watchdog:
    """Looks after the simulations that run in this process; its thread ends when it finds none."""

    def __init__(self) -> None:
        self.running: dict[SimulatedLoop, Watched] = {}
        self._originals: list[tuple[Call, Any]] = []
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def begin(self, loop: SimulatedLoop) -> None:
        with self._lock:
            if not self.running:
                self._guard()
            self.running[loop] = Watched(loop)
            if self._thread is None:
                self._thread = threading.Thread(target=self._watch, name="decouple-watchdog", daemon=True)
                self._thread.start()

    def end(self, loop: SimulatedLoop) -> None:
        with self._lock:
            del self.running[loop]
            if not self.running:
                self._unguard()

    def _guard(self) -> None:
        for call in CALLS:
            here: Any = call.owner.__dict__.get(call.name)
            self._originals.append((call, here))
            setattr(call.owner, call.name, looks_first(call, getattr(call.owner, call.name)))

    def _unguard(self) -> None:
        while self._originals:
            call, original = self._originals.pop()
            if original is None:
                delattr(call.owner, call.name)
            else:
                setattr(call.owner, call.name, original)

    def _watch(self) -> None:
        nap = threading.Event()
        while True:
            nap.wait(INTERVAL)
            with self._lock:
                if not self.running:
                    self._thread = None
                    return
                watched = list(self.running.values())
            for one in watched:
                one.look()


class Watched:
    """A simulation, as the watchdog sees it. stuck: why its thread is interrupted."""

    def __init__(self, loop: SimulatedLoop) -> None:
        self.loop = loop
        self.thread = threading.get_ident()
        self.stuck: BlockingCall | None = None
        self._seen = (-1, 0.0, 0.0)

    def look(self) -> None:
        """Compare with the last look at which the same step was under way."""
        steps, before, cpu = self._seen
        now, spent = time.monotonic(), cpu_of(self.thread)
        if steps != self.loop.steps or spent - cpu > IDLE:
            self._seen = (self.loop.steps, now, spent)
        elif now - before >= LONGEST_STEP:
            self._seen = (steps, now, spent)
            self._report()

    @property
    def stands(self) -> bool:
        """Whether the step under way was so at the last look, too."""
        return self.loop.steps == self._seen[0]

    def _report(self) -> None:
        frame = sys._current_frames().get(self.thread)
        stack = traceback.extract_stack(frame)[-1:]
        where = f"{stack[0].filename}:{stack[0].lineno} ({stack[0].line})" if stack else "somewhere"
        self.stuck = BlockingCall(f"a step that stands at {where} for {LONGEST_STEP:g} real seconds", FAKE)
        if self.thread == threading.main_thread().ident and hasattr(signal, "pthread_kill"):
            signal.pthread_kill(self.thread, signal.SIGINT)
        else:
            logging.getLogger("decouple").error("%s", self.stuck)


WATCHDOG = Watchdog()
"""Of this process: what it guards belongs to the process, too."""


@contextmanager
def guarded(loop: SimulatedLoop) -> Generator[None]:
    """While the loop runs in this thread, what would block it is refused, or interrupted."""
    WATCHDOG.begin(loop)
    watched = WATCHDOG.running[loop]
    try:
        with interruptible(watched):
            yield
    finally:
        WATCHDOG.end(loop)


@contextmanager
def interruptible(watched: Watched) -> Generator[None]:
    """A signal from the watchdog raises its reason; a Ctrl-C does what it did, but between two steps of the loop.

    In the midst of a step it could lose the step, and with it a task that then never ends, or be swallowed where Python
    shows errors and goes on, such as in the end of a generator. A step that takes long, and a second Ctrl-C, are not waited
    for.
    """
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield
        return
    pressed: list[int] = []

    def interrupted(number: int, frame: FrameType | None) -> None:
        stuck, watched.stuck = watched.stuck, None
        if stuck is not None:
            raise stuck
        pressed.append(number)
        if len(pressed) > 1 or watched.stands:
            deliver()
        else:
            watched.loop.call_first(deliver)
        return

    def deliver() -> None:
        while pressed:
            before(pressed.pop(), None)

    signal.signal(signal.SIGINT, interrupted)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        deliver()


def cpu_of(thread: int) -> float:
    """Seconds of CPU that the thread has used; real ones, where that cannot be known, so that nothing looks idle."""
    if not hasattr(time, "pthread_getcpuclockid"):
        return time.monotonic()
    return time.clock_gettime(time.pthread_getcpuclockid(thread))
