"""Work that was put and not begun: an inbox that anybody may put into, and behind it a heap of what is not due yet.

An entry leaves one place for the next within a single C call (`map` feeding `heappush` or `deque.extend`), because CPython
answers a Ctrl-C only between its own instructions: so no interrupt loses a job or runs it twice. Who begins the work is
not known here; whoever does says `tell` after each, for those who wait until nothing is left to do.
"""

from __future__ import annotations

import threading
import weakref
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context, copy_context
from datetime import datetime
from functools import partial
from heapq import heappop, heappush
from itertools import count, repeat
from queue import Empty, SimpleQueue
from typing import NamedTuple, Protocol, TypeAlias

from decouple.core.deadlines import FAR

__all__ = ["LOOK", "Aside", "Backlog", "Entry", "Job", "Mark", "Report", "Waiting", "entered", "give_up"]


class Job(Protocol):
    """A piece of work that is done once; it may put itself, or others, again.

    `run` and `arun` may raise: the job has dealt with its error before (recorded it, put a retry), and raises only for
    the report. One that is interrupted or cancelled deals with that, too.
    """

    @property
    def awaits(self) -> bool:
        """Whether `arun` is to be awaited on an event loop, rather than `run` called in a thread."""
        ...

    def run(self) -> object: ...

    async def arun(self) -> object: ...

    def abandon(self) -> object:
        """It will not be begun any more: give back, or record, what it was to do. Called once, in any thread."""
        ...

    def describe(self) -> str:
        """What it does, in a few words, for `waiting_for` and for what did not end at close."""
        ...


Entry: TypeAlias = tuple[int, int, Job, Context]
"""When it is due, its number in the order of put, the job, and the context variables of whoever put it."""


class Waiting(NamedTuple):
    """Work that is to come."""

    at: datetime
    what: str


class Report(NamedTuple):
    """What `run_until_idle` did: jobs handled, their errors, and what is still to come, soonest first."""

    handled: int
    errors: tuple[BaseException, ...]
    waiting_for: tuple[Waiting, ...]

    def _repr_html_(self) -> str:
        from decouple.shown import as_it_stands, table  # here, because only notebooks show it

        words = f"handled: {self.handled}, errors: {len(self.errors)}, waiting for: {len(self.waiting_for)}"
        rows = [*(("error", "", f"{type(error).__name__}: {error}") for error in self.errors)]
        rows += [("waiting for", str(at), what) for at, what in self.waiting_for]
        return as_it_stands(words) + (table(("", "when", "what"), rows) if rows else "")


class Heard(list[BaseException]):
    """Errors of jobs, for one who waits. Known by a weak reference, so that an interrupted wait leaves nothing behind."""

    __slots__ = ("__weakref__",)


class Inbox(Protocol):
    """Where entries are put; threads take them out."""

    def put(self, entry: Entry, /) -> object: ...

    def get_nowait(self) -> Entry: ...

    def empty(self) -> bool: ...


class Backlog:
    """`inbox`: put, not looked at; `later`: the heap. `lock` guards the heap, and is held for no user's code.

    unfinished: the numbers of all that was put, in whatever place, and not begun as a task or seen through; not kept by a
    simulation. Where a thread waits, CPython 3.13's SimpleQueue hands it what is put: then it is in no other place.
    """

    def __init__(self, now: Callable[[], int]) -> None:
        self.now = now
        self.threads_inbox: SimpleQueue[Entry] = SimpleQueue()
        self.inbox: Inbox = self.threads_inbox
        self.later: list[Entry] = []
        self.unfinished: dict[int, None] = {}
        self.lock = threading.Lock()
        self.closed = False
        self.closing = False
        self.order = count()
        self.hearers: tuple[weakref.ref[Heard], ...] = ()
        self.watchers = 0
        self.listener: Callable[[], object] | None = None
        self.judge: Callable[[BaseException], object] | None = None
        self.changed = threading.Condition(self.lock)
        self.gate = threading.Lock()

    def ring(self) -> None:
        """Let whoever waits at the gate look at the heap again. Takes no lock, so a finalizer may do it, too."""
        with suppress(RuntimeError):  # rung already
            self.gate.release()

    def sort(self) -> None:
        """Move everything from the inbox to the heap."""
        if not self.inbox.empty():
            with self.lock, suppress(Empty):
                any(map(heappush, repeat(self.later), iter(self.inbox.get_nowait, None)))

    def wait(self, seconds: float) -> None:
        """Move what comes within so many seconds to the heap, for a single thread that does all the work."""
        with suppress(Empty):
            any(map(heappush, (self.later,), map(self.threads_inbox.get, (True,), (seconds,))))
        if self.closed:
            self.abandon()  # what was handed to us meanwhile

    def take(self, hand: deque[Entry]) -> None:
        """Move the first of the heap, if any, to that hand."""
        with self.lock:
            try:  # noqa: SIM105  # suppress() would cost each job 0.5 us
                hand.extend(map(heappop, (self.later,)))
            except IndexError:
                pass  # another thread closed the backlog

    def next_at(self) -> int:
        """When the first of the heap is due; FAR if it is empty. Without the lock: what it says may be over already."""
        for entry in self.later:
            if isinstance(entry[2], Aside):
                return min((at for at, _, job, _ in list(self.later) if not isinstance(job, Aside)), default=FAR)
            return entry[0]
        return FAR

    def waiting(self) -> list[Entry]:
        """All of the heap, soonest first. O(n log n)."""
        with self.lock:
            return sorted(self.later)

    def abandon(self) -> None:
        """Let every job that was not begun give up. Interrupted, it leaves the others for the next time."""
        with self.lock, suppress(IndexError):
            any(map(self.inbox.put, iter(partial(heappop, self.later), None)))
        mine: deque[Entry] = deque()
        try:
            with suppress(Empty):
                mine.extend(iter(self.inbox.get_nowait, None))
            while mine:
                give_up(mine)
        finally:
            for entry in mine:
                self.inbox.put(entry)
            self.inbox.put(LOOK)  # that of `close` may have been among them: workers who still wait are to end

    def tell(self, error: BaseException | None) -> None:
        """An entry has been dealt with: let those look who wait until all are, if any."""
        if error is not None:
            for hearer in self.hearers:
                if (heard := hearer()) is not None:
                    heard.append(error)
            if self.judge is not None:
                self.judge(error)
        if self.watchers:
            with self.changed:
                self.changed.notify_all()
        if self.listener is not None:
            self.listener()

    def hear(self) -> Heard:
        """The errors of all jobs that end from now on, as long as somebody holds the list."""
        heard = Heard()
        with self.lock:
            self.hearers = (*(one for one in self.hearers if one() is not None), weakref.ref(heard))
        return heard


def give_up(entries: deque[Entry]) -> None:
    """Tell the first of these that it will not be begun; interrupted before it hears of it, it stays.

    Its error must not keep the next from being told: it is logged, by default to stderr.
    """
    job = entries[0][2]
    try:
        job.abandon()
    except Exception:
        entries.popleft()
        import logging  # here, because most programs never need it

        logging.getLogger("decouple").exception("%s failed when told that it will not be begun", job.describe())
    except BaseException as interrupt:
        if entered(interrupt):
            entries.popleft()
        raise
    else:
        entries.popleft()


def entered(interrupt: BaseException) -> bool:
    """Whether it came after the called function had begun: CPython also answers a Ctrl-C on entering one (RESUME)."""
    from opcode import opmap  # here, because only a Ctrl-C needs it

    trace = interrupt.__traceback__
    inner = trace.tb_next if trace else None
    if inner is None:
        return True  # on the way back
    return inner.tb_lasti > inner.tb_frame.f_code.co_code[::2].index(opmap["RESUME"]) * 2


class Mark:
    """A job that says when it is begun, and with it all that was put before."""

    awaits = False

    def __init__(self) -> None:
        self.passed = False

    def run(self) -> None:
        self.passed = True

    async def arun(self) -> None:
        self.run()

    def abandon(self) -> None:
        self.passed = True

    def describe(self) -> str:
        return "the end of what was put"


class Aside:
    """Of a job that is no part of the program's work: nobody waits for it, and no report tells of it."""


class Look:
    """Nothing to do: a worker that gets it looks whether the backlog was closed."""

    awaits = False

    def run(self) -> None:
        pass

    async def arun(self) -> None:
        pass

    def abandon(self) -> None:
        pass

    def describe(self) -> str:
        return "a look around"


LOOK: Entry = (-1, -1, Look(), copy_context())
