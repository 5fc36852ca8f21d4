"""Bench: what one behaviour is tried on. A new world, and time in ticks.

On a VirtualClock a tick is a second and passes at once; on real time it is as short as the engine's resolution allows, and
passes really. What is expected of deadlines is exact there and has half a tick of room here.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

from decouple.clock import VirtualClock

if TYPE_CHECKING:
    from decouple.broker import Broker
    from decouple.capabilities import Capabilities
    from decouple.message import Message
    from decouple.queue import Queue
    from decouple.topic import Topic

__all__ = ["Bench", "Started", "World"]

World: TypeAlias = "AbstractContextManager[Broker]"
T = TypeVar("T")

SHORTEST_TICK = 0.06
NANOSECOND = 1e-9
ENOUGH = 5.0
"""Real seconds within which a thread or task must have come to its end."""
SOON = 2.0
"""Real seconds within which a message must have come."""

PAUSE = 0.05
"""Real seconds after which a thread that was started has come as far as it can, where nobody counts those who wait."""


class Bench:
    """See the module. waited: whether time has passed."""

    def __init__(
        self,
        world: Broker,
        traits: Capabilities,
        *,
        reopen: Callable[[Broker], World],
        join: Callable[[Broker], World],
        slower: float = 1,
    ) -> None:
        self.world = world
        self.traits = traits
        self._reopen, self._join = reopen, join
        self.moved = world.clock if isinstance(world.clock, VirtualClock) else None
        self.tick: float = 1 if self.moved is not None else max(traits.resolution, SHORTEST_TICK) * slower
        self.waited = False
        self._slower = slower
        self._margin: float = 0

    # -- time --------------------------------------------------------------------------------------------------

    def ticks(self, count: int) -> float:
        """So many ticks in seconds."""
        return count * self.tick

    def later(self, ticks: float) -> None:
        """Let so many ticks pass."""
        self.after(ticks * self.tick)

    def after(self, seconds: float) -> None:
        """Let so many seconds pass."""
        self.waited = True
        if self.moved is not None:
            self.moved.advance(seconds)
        else:
            time.sleep(seconds)

    def almost(self, ticks: float) -> None:
        """Let so many ticks pass, less the least: what is due by then is not due yet."""
        self._margin = NANOSECOND if self.moved is not None else self.tick / 2
        self.after(ticks * self.tick - self._margin)

    def at_last(self) -> None:
        """Let the rest of them pass: now it is due."""
        self.after(self._margin if self.moved is not None else self._margin + self.tick / 2)

    def clock(self) -> float:
        """Seconds of this world's time, for differences."""
        return time.monotonic() if self.moved is None else self.moved.now() / 1_000_000_000

    def date(self) -> datetime:
        """What time it is here."""
        return datetime.now(UTC) if self.moved is None else self.moved.time

    # -- things ------------------------------------------------------------------------------------------------

    def queue(self, name: str = "orders", **settings: Any) -> Queue[Any]:
        """A standard queue."""
        return self.world.queue(name, **settings)

    def fifo(self, name: str = "orders.fifo", **settings: Any) -> Queue[Any]:
        """A FIFO queue that needs no deduplication ids."""
        if self.traits.dedup:
            settings = {"content_based_deduplication": True} | settings
        return self.world.queue(name, **settings)

    def with_dead(self, max_receives: int | None = 1, **settings: Any) -> tuple[Queue[Any], Queue[Any]]:
        """A standard queue and its dead-letter queue."""
        dead = self.queue("dead")
        return self.queue("orders", dead_letter=dead, max_receives=max_receives, **settings), dead

    def topic(self, name: str = "events", **settings: Any) -> Topic:
        """A topic."""
        return self.world.topic(name, **settings)

    def reopened(self) -> World:
        """The same world, once more, after its end."""
        return self._reopen(self.world)

    def joined(self) -> World:
        """The same world, a second time, beside this one."""
        return self._join(self.world)

    # -- messages ----------------------------------------------------------------------------------------------

    def take(self, queue: Queue[Any], count: int = 1, **given: Any) -> list[Message[Any]]:
        """So many messages, by as many receives as it takes. Raises AssertionError when fewer come, or more than asked."""
        taken: list[Message[Any]] = []
        end = time.monotonic() + SOON * self._slower
        while len(taken) < count:
            most = min(count - len(taken), 10)
            wait = 0 if self.moved is not None else max(1, self.traits.resolution)
            batch = queue.receive(max_messages=most, wait=wait, **given)
            if len(batch) > most:
                raise AssertionError(f"a receive of at most {most} gave {len(batch)}")
            if not batch and (self.moved is not None or time.monotonic() > end):
                self.waited = True
                raise AssertionError(f"of {count} messages to be received from queue {queue.name!r} {len(taken)} came")
            taken += batch
        return taken

    def one(self, queue: Queue[Any], **given: Any) -> Message[Any]:
        """One message."""
        return self.take(queue, **given)[0]

    def texts(self, queue: Queue[Any], count: int) -> list[str]:
        """The texts of so many messages, in the order they came; sorted where the engine promises none."""
        texts = [message.text for message in self.take(queue, count)]
        return texts if queue.fifo or self.traits.complete_receives else sorted(texts)

    def nothing(self, queue: Queue[Any], why: str) -> None:
        """Nothing can be received now. Raises AssertionError with what came, and `why` it should not."""
        batch = queue.receive(max_messages=10, wait=0)
        if batch:
            raise AssertionError(f"{why}: {[message.text for message in batch]!r:.200} came")

    # -- those who wait ----------------------------------------------------------------------------------------

    def start(self, function: Callable[[], T]) -> Started[T]:
        """Call it in a thread of its own."""
        return Started(function)

    def waiting(self, queue: Queue[Any]) -> Started[list[Message[Any]]]:
        """A receive in a thread of its own that waits by now, as far as one can know from outside."""
        before = queue.stats().parked if self.traits.books else 0
        started = Started(lambda: queue.receive(wait=20))
        end = time.monotonic() + (SOON if self.traits.books else PAUSE)
        while started.running and time.monotonic() < end:
            if self.traits.books and queue.stats().parked > before:
                break
            time.sleep(0.0005)
        return started


class Started(Generic[T]):
    """A call in a thread of its own: `result()` waits for it, and raises what it raised."""

    def __init__(self, function: Callable[[], T]) -> None:
        self._answers: list[T] = []
        self._errors: list[BaseException] = []
        self._thread = threading.Thread(target=self._run, args=(function,), daemon=True)
        self._thread.start()

    def _run(self, function: Callable[[], T]) -> None:
        try:
            self._answers.append(function())
        except BaseException as error:  # raised by result()
            self._errors.append(error)

    @property
    def running(self) -> bool:
        """Whether it has not come to its end."""
        return self._thread.is_alive()

    def result(self, seconds: float = ENOUGH) -> T:
        """What it returned. Raises AssertionError when it has not come to its end by so many real seconds."""
        self._thread.join(seconds)
        for error in self._errors:
            raise error
        if not self._answers:
            raise AssertionError(f"a thread was still waiting after {seconds:g} real seconds")
        return self._answers[0]
