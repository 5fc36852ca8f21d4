"""Serving until somebody says stop: what `broker.run()` does in a program's main thread.

The first SIGINT or SIGTERM is a request to end: nothing new is begun, what is under way may finish, the rest goes back to
where it came from. The second one means at once: what has not ended is left behind. The signals' handlers do nothing but put a
note, and the close runs in a thread of its own, so no exception comes up in the middle of anything.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from decouple.clock import SECOND, Seconds, nanoseconds
from decouple.core.deadlines import FAR

if TYPE_CHECKING:
    from decouple.broker import Broker
    from decouple.stats import QueueStats

__all__ = ["Served", "serve"]

ENDING = (signal.SIGINT, signal.SIGTERM)
CLOSED = "closed"
ENDED = "ended"
Notes: TypeAlias = "SimpleQueue[signal.Signals | str]"


class Served(NamedTuple):
    """How serving ended. signal: what asked for it, None where the broker was closed by another thread.

    seconds: real ones, from then to the end; late: the descriptions of what was under way and did not end; stats: the counts
    and totals of every queue, by name.
    """

    signal: signal.Signals | None
    seconds: float
    late: tuple[str, ...]
    stats: dict[str, QueueStats]


def serve(broker: Broker, timeout: Seconds | None) -> Served:
    """See `Broker.run`."""
    patience = None if timeout is None else nanoseconds(timeout, "timeout") / SECOND
    if broker.clock.loop is not None:
        raise RuntimeError("run() waits for a signal, which a simulation has none of: use `async with broker:`")
    if broker.clock.by_hand:
        raise RuntimeError(
            "run() waits for a signal while time stands still on a VirtualClock: use run_until_idle() and clock.advance()"
        )
    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError(
            "run() must be called in the main thread, which is told of signals: elsewhere use `with broker:`"
        )
    notes: Notes = SimpleQueue()
    with listening(notes):
        broker.start()
        broker._workers().put(Bell(notes), FAR - 1)
        first = heard(notes)
        began = time.monotonic()
        late = end(broker, patience, notes)
        asked = first if isinstance(first, signal.Signals) else None
        return Served(asked, time.monotonic() - began, late, broker.stats())


@contextmanager
def listening(notes: Notes) -> Generator[None]:
    """The ending signals become notes; afterwards they have their old handlers again."""
    old = {one: signal.signal(one, lambda number, _: notes.put(signal.Signals(number))) for one in ENDING}
    try:
        yield
    finally:
        for one, handler in old.items():
            signal.signal(one, signal.SIG_DFL if handler is None else handler)


def end(broker: Broker, patience: float | None, notes: Notes) -> tuple[str, ...]:
    """Close the broker; a signal meanwhile cuts the patience short. What did not end."""
    late: list[str] = []

    def close() -> None:
        try:
            late.extend(broker.close(patience))
        finally:
            notes.put(ENDED)

    # The interpreter does not wait for a daemon: what it waits for may never end.
    threading.Thread(target=close, name="decouple-close", daemon=True).start()
    while (note := heard(notes)) == CLOSED:
        pass  # the bell, which rings for this close, too
    return tuple(late if note == ENDED else broker.close(0))


def heard(notes: Notes) -> signal.Signals | str:
    """The next note. A signal just before the thread blocks does not wake it, so it looks up once a second."""
    while True:
        with suppress(Empty):
            return notes.get(timeout=1)


class Bell:
    """The runner's job that is never due: it hears when the broker is closed by another thread."""

    awaits = False

    def __init__(self, notes: Notes) -> None:
        self.notes = notes

    def run(self) -> None:
        """Nothing: its time does not come."""

    async def arun(self) -> None:
        self.run()

    def abandon(self) -> None:
        self.notes.put(CLOSED)

    def describe(self) -> str:
        return "run() until a signal"
