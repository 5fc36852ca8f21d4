"""The supervisor: it keeps N worker processes at work, and opens no broker itself.

Signals, what its processes say and their ends are notes in one line, dealt with one after the other. The first process of a
start or a reload goes ahead: where it cannot serve, nobody can, so a start ends there, and a reload leaves the old ones at
work. A process that dies is started again at once, and with a growing pause where that happens again and again.
"""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue

from decouple.worker.child import Child, Gone, Note, Notes, Said, start, status_of
from decouple.worker.orders import Orders

__all__ = ["Post", "supervise"]

ENDING = (signal.SIGINT, signal.SIGTERM)
LONGEST_PAUSE = 30.0
STEADY = 60.0
"""A process that lived for so many seconds died of something new: the pauses begin again."""

log = logging.getLogger("decouple.worker")


class Post:
    """One of the N places: who serves there, and who is to follow.

    deaths: how often in a row a process died here soon after its start; due: when the next one is to be started.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        self.serving: Child | None = None
        self.coming: Child | None = None
        self.deaths = 0
        self.due: float | None = None

    def died(self, child: Child, now: float) -> float:
        """How long to wait before the next one is started there."""
        if now - child.began >= STEADY:
            self.deaths = 0
        was_ready = child is self.serving
        if was_ready:
            self.serving = None
        else:
            self.coming = None
            self.deaths = max(self.deaths, 1)
        pause = 0.0 if self.deaths == 0 else min(2.0 ** (self.deaths - 1), LONGEST_PAUSE)
        self.deaths += 1
        self.due = now + pause
        return pause


class Supervisor:
    """The state of one run; supervise() runs it."""

    def __init__(self, orders: Orders, processes: int, notes: Notes) -> None:
        self.orders = orders
        self.notes = notes
        self.posts = [Post(number) for number in range(processes)]
        self.children: set[Child] = set()
        self.ahead: Child | None = None  # goes ahead of the others at a start or a reload
        self.shared = ""  # what the engine says of itself, once a process has said so
        self.again = False  # another reload was asked for during this one
        self.ending = False
        self.failure: str | None = None
        self.killed = 0

    # -- the line of notes -------------------------------------------------------------------------------------

    def run(self) -> int:
        """Until all have ended: the exit code."""
        self.go_ahead()
        while self.children or not self.ending:
            note = self.next_note()
            if isinstance(note, Gone):
                self.gone(note.child, note.status)
            elif isinstance(note, Said):
                self.said(note.child, note.what.get("refused"), note.what.get("shared", ""))
            elif note is signal.SIGHUP:
                self.reload()
            elif note is not None:
                self.end(self.orders.timeout if not self.ending else 0, f"{note.name}: ")
            self.look()
        if self.failure is None:
            log.info("all have ended")
        return 1 if self.failure is not None or self.killed else 0

    def next_note(self) -> Note | None:
        """The next note; None when it is time to look around. A signal just before the wait does not end it: one second."""
        now = time.monotonic()
        times = [post.due for post in self.posts if post.due is not None]
        times += [child.kill_at for child in self.children if child.kill_at is not None and not child.killed]
        with suppress(Empty):
            return self.notes.get(timeout=max(0.0, min([1.0, *(at - now for at in times)])))
        return None

    def look(self) -> None:
        """Do what is due: start the next one, and kill those who ought to be gone."""
        now = time.monotonic()
        for child in list(self.children):
            if child.kill_if_late(now):
                self.killed += 1
                log.warning("process %d did not end in time: killed", child.pid)
        for post in self.posts:
            if post.due is not None and now >= post.due and not (self.ending or self.must_wait(post)):
                post.due = None
                self.hire(post)

    def must_wait(self, post: Post) -> bool:
        """Whether the one before must be gone first, because its engine is one process's."""
        return self.shared == "process" and any(child.post == post.number for child in self.children)

    # -- processes ---------------------------------------------------------------------------------------------

    def hire(self, post: Post) -> Child | None:
        """Start a process for that post; where the system refuses, later."""
        try:
            child = start(post.number, self.orders, self.notes)
        except OSError as error:
            log.error("no process can be started: %s", error)
            post.due = time.monotonic() + LONGEST_PAUSE
            return None
        self.children.add(child)
        post.coming = child
        log.info("process %d started", child.pid)
        return child

    def go_ahead(self) -> None:
        self.ahead = self.hire(self.posts[0])
        if self.ahead is None and not self.shared:
            self.end(0, "", "no process can be started")

    def said(self, child: Child, refused: str | None, shared: str) -> None:
        """It is ready, or it is not to be."""
        if refused is not None:
            child.refused = refused
            return
        post = self.posts[child.post]
        self.shared = shared
        log.info("process %d is ready", child.pid)
        if child is not post.coming:
            return
        before, post.serving, post.coming = post.serving, child, None
        if before is not None:
            self.dismiss(before)
        if child is self.ahead:
            self.ahead = None
            for other in self.posts:
                if other is not post and other.coming is None and not self.ending:
                    other.due = None
                    self.hire(other)
        if self.again and not self.reloading:
            self.again = False
            self.reload()

    def gone(self, child: Child, status: int) -> None:
        """It has ended: as it was asked to, or it died and is replaced."""
        self.children.discard(child)
        post = self.posts[child.post]
        if child.kill_at is not None:
            log.info("process %d has ended", child.pid)
            return
        why = child.refused or f"process {child.pid} died at its start: {status_of(status)}"
        if child is self.ahead:
            self.ahead = None
            self.stay(post, why)
            return
        if child.refused is None:
            why = status_of(status)
        if child is post.serving and post.coming is not None:
            post.serving = None
            log.error("process %d died: %s; another one is on its way", child.pid, why)
            return
        pause = post.died(child, time.monotonic())
        again = f"again in {pause:g} s" if pause else "at once again"
        log.error("process %d died: %s; started %s", child.pid, why, again)

    def stay(self, post: Post, why: str) -> None:
        """The one ahead cannot serve: nobody begins, or those who serve go on."""
        post.coming = None
        if not any(one.serving or one.due is not None for one in self.posts):
            self.end(0, "", why)
            return
        log.error("the new code cannot be served, those at work go on: %s", why)
        if post.serving is None:
            post.due = time.monotonic() + LONGEST_PAUSE
        if self.again:
            self.again = False
            self.reload()

    def dismiss(self, child: Child) -> None:
        child.dismiss(self.orders.timeout)

    # -- reload and end ----------------------------------------------------------------------------------------

    @property
    def reloading(self) -> bool:
        """Whether somebody is to follow somebody who still serves."""
        return self.ahead is not None or any(post.serving and post.coming for post in self.posts)

    def reload(self) -> None:
        """Start all anew with the code as it is now, and let the old ones end when the new ones are ready."""
        if self.ending:
            return
        if self.reloading:
            self.again = True
            return
        log.info("SIGHUP: reloading")
        if self.shared != "process":
            self.go_ahead()
            return
        post = self.posts[0]
        leaving, post.serving, post.coming = post.serving or post.coming, None, None
        post.due = time.monotonic()
        if leaving is not None:
            self.dismiss(leaving)

    def end(self, timeout: float, why: str, failure: str | None = None) -> None:
        """Let all end: what is under way may finish within the timeout."""
        self.ending = True
        self.failure = self.failure or failure
        if self.children:
            log.info("%sending %d", why, len(self.children))
        for child in self.children:
            child.dismiss(timeout)


def supervise(orders: Orders, processes: int) -> tuple[int, str | None]:
    """Run so many processes until SIGINT or SIGTERM: the exit code, and why it could not be done. In the main thread."""
    notes: Notes = SimpleQueue()
    reading, writing = os.pipe()
    try:
        with listening(notes):
            supervisor = Supervisor(orders._replace(lifeline=reading), processes, notes)
            return supervisor.run(), supervisor.failure
    finally:
        os.close(writing)
        os.close(reading)


@contextmanager
def listening(notes: Notes) -> Generator[None]:
    """Signals become notes; afterwards they have their old handlers again."""
    numbers = (*ENDING, signal.SIGHUP)
    old = {one: signal.signal(one, lambda number, _: notes.put(signal.Signals(number))) for one in numbers}
    try:
        yield
    finally:
        for one, handler in old.items():
            signal.signal(one, signal.SIG_DFL if handler is None else handler)
