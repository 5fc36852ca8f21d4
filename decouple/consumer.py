"""Consumers: a handler that is called with a queue's messages, one at a time or several.

    from decouple.resilience import exponential

    @orders.consume(concurrency=4, heartbeat=10, retry=exponential(1, 300))
    def handle(order: Order) -> None: ...

A consumer owns up to `concurrency` turns: at most one of them waits in the queue's line, the others are with the handler.
So it takes no message that it has no room for. The broker's workers do the work; nothing here polls.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, Generic, Literal, NamedTuple, ParamSpec, TypeVar

from decouple.callers import WORK
from decouple.calls import is_async
from decouple.clock import SECOND, Seconds, nanoseconds
from decouple.core.histogram import Histogram
from decouple.errors import QueueClosed
from decouple.heartbeat import Heart
from decouple.retries import Retries, RetryPolicy, read_retry
from decouple.spying import Call, Calls
from decouple.turn import Ending, Turn
from decouple.wanted import wanted_by

if TYPE_CHECKING:
    from decouple.core.backoff import Chance
    from decouple.mishaps import Mishaps
    from decouple.queue import Queue
    from decouple.runner import Runner

__all__ = ["Consumer", "ConsumerStats"]

P = ParamSpec("P")
R = TypeVar("R")


class ConsumerStats(NamedTuple):
    """A consumer's numbers; durations of the handler in seconds, None before the first has ended.

    received = succeeded + retried + rejected + interrupted + running. succeeded: acknowledged, or settled by the handler;
    retried: given back for another attempt; rejected: given up; interrupted: given back because somebody else ended the
    handler, or left in flight because a fault let it crash. failed: handlers that raised an error; late: messages whose
    time in flight was over when their handler ended, or before it could begin (those are not received).
    """

    state: Literal["running", "paused", "closed"]
    concurrency: int
    received: int
    succeeded: int
    failed: int
    retried: int
    rejected: int
    interrupted: int
    late: int
    running: int
    peak: int
    average: float | None
    p50: float | None
    p90: float | None
    p99: float | None


class Consumer(Generic[P, R]):
    """A handler at a queue, made by `queue.consume`. Calling it is calling the plain handler.

    Messages that were not begun when it is paused or closed go back at once, with their receive count restored; handlers
    that were begun go on to their end.
    """

    def __init__(
        self,
        queue: Queue[Any],
        runner: Runner,
        chance: Chance,
        handler: Callable[P, R],
        *,
        concurrency: int = 1,
        heartbeat: Seconds | None = None,
        retry: RetryPolicy = None,
    ) -> None:
        check_handler(handler)
        if isinstance(handler, Consumer):
            handler = handler.handler  # decorated twice, for two queues
        functools.update_wrapper(self, handler, updated=())
        self.queue = queue
        self.handler: Callable[..., Any] = handler
        called = getattr(handler, "__qualname__", type(handler).__qualname__).rpartition("<locals>.")[2]
        self.name = f"consumer {called} of queue {queue.name!r}"
        self.awaits = is_async(handler)
        self._runner = runner
        self._context = copy_context()  # what handlers see: that of the declaration
        self._context.run(WORK.set, self.name)
        self._most = check_concurrency(concurrency)
        self._wanted = wanted_by(handler, self.name)
        self._mishaps: Mishaps | None = None
        if queue._faults is not None:
            from decouple.mishaps import mishaps_of  # here, because only tests have faults

            self._mishaps = mishaps_of(queue._faults, queue.clock, queue.name, handler, self.name)
            # In a simulation only tasks take time, as a slow handler does.
            self.awaits |= self._mishaps is not None and queue.clock.loop is not None
        self._retries = Retries(read_retry(retry), chance, self.name)
        self._heart = None if heartbeat is None else Heart(queue.clock, self._interval(heartbeat), queue.name)
        self._lock = threading.Lock()
        self._state: Literal["running", "paused", "closed"] = "running"
        self._turns: dict[Turn, None] = {}
        self._waiting: Turn | None = None
        self._counts = dict.fromkeys(("succeeded", "retried", "rejected", "interrupted"), 0)
        self._running: dict[Turn, int] = {}  # with the instant of their begin
        self._failed = self._late = self._peak = self._spent = 0
        self._durations = Histogram()
        self._calls = Calls(self.name)

    def __repr__(self) -> str:
        return f"<{self.name[0].upper()}{self.name[1:]}: {self._state}, {len(self._running)} of {self._most} running>"

    def __call__(self, *arguments: P.args, **named: P.kwargs) -> R:
        """The plain handler."""
        answer: R = self.handler(*arguments, **named)
        return answer

    def _interval(self, heartbeat: Seconds) -> int:
        interval, lease = nanoseconds(heartbeat, "heartbeat"), self.queue._core.lease
        if not 0 < interval < lease:
            raise ValueError(
                f"heartbeat must be over 0 s and under the visibility timeout of queue {self.queue.name!r}, "
                f"{lease / SECOND:g} s, better half of it or less, not {heartbeat!r}"
            )
        return interval

    # -- what its owner says -----------------------------------------------------------------------------------

    @property
    def concurrency(self) -> int:
        """The most messages at a time. Set, it holds for what is begun from then on."""
        return self._most

    @concurrency.setter
    def concurrency(self, most: int) -> None:
        check_concurrency(most)
        with self._lock:
            self._most = most
            idle = self._waiting if len(self._turns) > most else None
        if idle is not None:
            self._call_off(idle)
        self._go_on()

    def pause(self) -> None:
        """Take no more messages until `resume`. Raises QueueClosed."""
        self._set_state("paused")

    def resume(self) -> None:
        """Take messages again. Raises QueueClosed."""
        self._set_state("running")
        self._go_on()

    def close(self) -> None:
        """Take no more messages. Twice is no error."""
        self._end("closed")

    @property
    def closed(self) -> bool:
        """Whether it takes no more messages for good: by its own close, its queue's, or its broker's."""
        return self._state == "closed"

    def _set_state(self, state: Literal["running", "paused"]) -> None:
        if self._state == "closed":
            raise QueueClosed(self.queue.name)
        self._end(state)

    def _end(self, state: Literal["running", "paused", "closed"]) -> None:
        """This is its state now; whoever waits is called off unless it goes on running."""
        with self._lock:
            if self._state != "closed":
                self._state = state
            idle = None if self._state == "running" else self._waiting
        if idle is not None:
            self._call_off(idle)

    def _call_off(self, turn: Turn) -> None:
        """Out of the line, unless a worker has its message by now."""
        if turn.stop():
            self._leave(turn)

    # -- the turns ---------------------------------------------------------------------------------------------

    def _go_on(self) -> None:
        """Let another message come, if there is room for it and nobody waits already."""
        turn: Turn | None = None
        try:
            with self._lock:
                if self._state != "running" or self._waiting is not None or len(self._turns) >= self._most:
                    return
                turn = Turn(self)
                self._turns[turn] = None
                self._waiting = turn
            turn.begin()
        except QueueClosed:
            self._end("closed")
        except BaseException:
            if turn is not None and (turn.stop() or not turn.begun):
                self._leave(turn)  # and let another one wait in its place
            raise

    def _came(self, turn: Turn) -> None:
        """Its message came: another may wait, where somebody else can handle it meanwhile."""
        with self._lock:
            if self._waiting is turn:
                self._waiting = None
        if self._runner.started:
            self._go_on()

    @property
    def _goes_on(self) -> bool:
        """Whether a turn may have one message after another: others work beside it, and no time in flight needs care."""
        return self._runner.started and self._heart is None

    def _has_room_for(self, turn: Turn) -> bool:
        """Whether that turn may have another message."""
        return self._state == "running" and not self._runner.closing and len(self._turns) <= self._most

    def _leave(self, turn: Turn) -> None:
        """Its message was handled, or it waits no more. Interrupted, it may be called again."""
        if self._heart is not None:
            self._heart.remove(turn)
        self._ended(turn, "interrupted")  # unless it has ended otherwise
        with self._lock:
            self._turns.pop(turn, None)
            if self._waiting is turn:
                self._waiting = None
        self._go_on()

    def _restarted(self, handler: Callable[..., Any]) -> None:
        """A fault made its handler anew, whose classes may be other ones."""
        self._wanted = wanted_by(handler, self.name)

    # -- counting ----------------------------------------------------------------------------------------------

    def _began(self, turn: Turn) -> None:
        self._running[turn] = self.queue._now()
        if len(self._running) > self._peak:
            with self._lock:
                self._peak = max(self._peak, len(self._running))
        if self._heart is not None:
            self._heart.add(turn)

    def _ended(self, turn: Turn, ending: Ending, *, failed: bool = False, late: bool = False) -> None:
        """It was handled, and this is what became of it. Once for each."""
        now = self.queue._now()
        with self._lock:
            started_at = self._running.pop(turn, None)
            if started_at is not None:
                self._counts[ending] += 1
                self._failed += failed
                self._late += late
                self._spent += now - started_at
                self._durations.add(now - started_at)

    def _came_late(self) -> None:
        with self._lock:
            self._late += 1

    def _pace(self) -> tuple[int, int]:
        """How many handlers have ended, and the nanoseconds they took together."""
        with self._lock:
            return self._durations.count, self._spent

    @property
    def calls(self) -> list[Call]:
        """The newest calls by the broker's workers that have ended, as many as it keeps changes; oldest first.

        Raises NotRecorded where the broker records nothing: Broker(record=...).
        """
        return self._calls.so_far(self.queue._reporter.observers)

    def stats(self) -> ConsumerStats:
        """Its numbers now."""
        with self._lock:
            ended = self._durations.count
            shares = [self._durations.percentile(share) for share in (0.5, 0.9, 0.99)]
            p50, p90, p99 = (None if one is None else one / SECOND for one in shares)
            return ConsumerStats(
                state=self._state,
                concurrency=self._most,
                received=sum(self._counts.values()) + len(self._running),
                succeeded=self._counts["succeeded"],
                failed=self._failed,
                retried=self._counts["retried"],
                rejected=self._counts["rejected"],
                interrupted=self._counts["interrupted"],
                late=self._late,
                running=len(self._running),
                peak=self._peak,
                average=self._spent / ended / SECOND if ended else None,
                p50=p50,
                p90=p90,
                p99=p99,
            )


def check_concurrency(most: int) -> int:
    """A number of messages at a time. Raises TypeError, ValueError."""
    if isinstance(most, bool) or not isinstance(most, int):
        raise TypeError(f"concurrency must be an int, not {most!r}")
    if most < 1:
        raise ValueError(f"concurrency must be at least 1, not {most!r}: pause() takes no messages")
    return most


def check_handler(handler: object) -> None:
    """Something to be called with a message. Raises TypeError."""
    if not callable(handler):
        raise TypeError(f"a consumer's handler must be callable with a message or its body, not {handler!r:.80}")
    if callable(getattr(handler, "invoke", None)):
        raise TypeError(f"{handler!r:.80} takes events, not messages: declare queue.trigger(function)")
