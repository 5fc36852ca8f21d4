"""The driver of an autoscaling policy: looks at a queue and its consumer every so often, and sets the concurrency."""

from __future__ import annotations

import threading
from collections import deque
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from decouple.clock import SECOND, Seconds, datetime_at, nanoseconds
from decouple.consumer import Consumer
from decouple.core.autoscaling import Policy

if TYPE_CHECKING:
    from decouple.queue import Queue
    from decouple.runner import Runner

__all__ = ["Autoscaler", "AutoscalerStats", "Decision"]

KEPT = 1_000


class Decision(NamedTuple):
    """What was seen and decided. average: seconds a message took since the look before, None where none has ended yet."""

    at: datetime
    visible: int
    average: float | None
    workers: int
    decided: int


class AutoscalerStats(NamedTuple):
    """An autoscaler's numbers: how many workers there are now and may be, how often it looked, scaled out and in."""

    state: Literal["running", "closed"]
    workers: int
    minimum: int
    maximum: int
    looks: int
    scaled_out: int
    scaled_in: int


class Autoscaler:
    """Sets a consumer's concurrency by its queue's backlog, every so often; made by `queue.autoscale`.

    It ends with its consumer. While that is paused it decides nothing.
    """

    def __init__(
        self, queue: Queue[Any], runner: Runner, consumer: Consumer[..., Any], policy: Policy, every: int
    ) -> None:
        self.queue = queue
        self.consumer = consumer
        self.policy = policy
        self._runner = runner
        self._every = every
        self._lock = threading.Lock()
        self._closed = False
        self._ended, self._spent = consumer._pace()
        self._average: float | None = None
        self._history: deque[Decision] = deque(maxlen=KEPT)
        self._looks = self._out = self._in = 0
        self._rest()

    def __repr__(self) -> str:
        state = "closed" if self._closed else "running"
        return f"<Autoscaler of {self.consumer.name}: {state}, {self.consumer.concurrency} workers>"

    @property
    def history(self) -> list[Decision]:
        """The last 1,000 decisions, oldest first."""
        with self._lock:
            return list(self._history)

    def stats(self) -> AutoscalerStats:
        """Its numbers now."""
        with self._lock:
            return AutoscalerStats(
                state="closed" if self._closed else "running",
                workers=self.consumer.concurrency,
                minimum=self.policy.minimum,
                maximum=self.policy.maximum,
                looks=self._looks,
                scaled_out=self._out,
                scaled_in=self._in,
            )

    def close(self) -> None:
        """Leave the concurrency as it is from now on. Twice is no error."""
        self._closed = True

    # -- looking -----------------------------------------------------------------------------------------------

    def _rest(self) -> None:
        self._runner.put(Look(self), self.queue._now() + self._every)

    def look(self) -> None:
        """Decide, and come again."""
        self._closed = self._closed or self.consumer.closed
        if self._closed:
            return
        try:
            if self.consumer.stats().state == "running":
                self._decide()
        finally:
            self._rest()

    def _decide(self) -> None:
        visible, workers = self.queue.stats().visible, self.consumer.concurrency
        now, average = self.queue._now(), self._measure()
        decided = self.policy.decide(now, visible, workers, average)
        with self._lock:
            self._looks += 1
            self._out += decided > workers
            self._in += decided < workers
            seconds = None if average is None else average / SECOND
            self._history.append(Decision(datetime_at(self.queue.clock, now), visible, seconds, workers, decided))
        if decided != workers:
            self.consumer.concurrency = decided

    def _measure(self) -> float | None:
        """Nanoseconds a message took since the last look; where none has ended since, what it took before."""
        ended, spent = self.consumer._pace()
        if ended > self._ended:
            self._average = (spent - self._spent) / (ended - self._ended)
            self._ended, self._spent = ended, spent
        return self._average


class Look:
    """The runner's job at the next look."""

    awaits = False

    def __init__(self, autoscaler: Autoscaler) -> None:
        self.autoscaler = autoscaler

    def run(self) -> None:
        self.autoscaler.look()

    async def arun(self) -> None:
        self.run()

    def abandon(self) -> None:
        """The broker closes."""
        self.autoscaler.close()

    def describe(self) -> str:
        return f"the autoscaler of {self.autoscaler.consumer.name}"


def read_policy(
    target_backlog: float | None, latency: Seconds | None, minimum: int, maximum: int, cooldown: Seconds
) -> Policy:
    """The policy these settings mean. Raises TypeError, ValueError."""
    if (target_backlog is None) == (latency is None):
        raise ValueError(
            "give either target_backlog (messages for each worker) or latency (seconds a message may wait)"
        )
    for name, value in (("minimum", minimum), ("maximum", maximum)):
        if isinstance(value, bool) or not isinstance(value, int):
            raise TypeError(f"{name} must be an int, not {value!r}")
    if not 1 <= minimum <= maximum:
        raise ValueError(f"minimum must be at least 1 and at most maximum, not {minimum!r} with maximum {maximum!r}")
    if target_backlog is not None:
        if isinstance(target_backlog, bool) or not isinstance(target_backlog, (int, float)):
            raise TypeError(f"target_backlog must be a number of messages, not {target_backlog!r}")
        if not 0 < target_backlog < float("inf"):
            raise ValueError(f"target_backlog must be over 0, not {target_backlog!r}")
    nanos = None if latency is None else nanoseconds(latency, "latency")
    if nanos == 0:
        raise ValueError(f"latency must be over 0 seconds, not {latency!r}")
    return Policy(
        minimum=minimum,
        maximum=maximum,
        cooldown=nanoseconds(cooldown, "cooldown"),
        target=target_backlog,
        latency=nanos,
    )


def autoscale(
    queue: Queue[Any], runner: Runner, consumer: Consumer[..., Any], policy: Policy, every: Seconds
) -> Autoscaler:
    """See `Queue.autoscale`."""
    if not isinstance(consumer, Consumer):
        raise TypeError(f"autoscale takes a consumer, as queue.consume(handler) gives it, not {consumer!r:.80}")
    if consumer.queue is not queue:
        raise ValueError(f"queue {queue.name!r} cannot scale {consumer.name}: call autoscale of its own queue")
    interval = nanoseconds(every, "every")
    if not interval:
        raise ValueError(f"every must be over 0 seconds, not {every!r}")
    return Autoscaler(queue, runner, consumer, policy, interval)
