"""Trigger: a function that a queue's messages start, in batches, as Lambda's event source mapping for SQS does it.

One receive at a time waits in the queue's line, without a thread. What it brings becomes a batch, which is begun where a
worker is free, and lets the next receive wait: so as many batches are at work at a time as `max_concurrency`, the law of
scaling, or the workers allow. A batch for which the function has no room is held and tried again, and while one is held
nothing else is taken. Source: Lambda developer guide, "Using Lambda with Amazon SQS" and its pages on each setting.
"""

from __future__ import annotations

import logging
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from decouple.batch import MOST_BYTES, Batch
from decouple.core.deadlines import FAR
from decouple.core.records import Failure
from decouple.core.scaling import Scaling
from decouple.core.settings import SECOND
from decouple.errors import BrokenOff, NotInFlight, QueueClosed, ReceiptExpired, RecursionStopped, Throttled
from decouple.lineage import MOST_TURNS
from decouple.message import failure_of
from decouple.trigger_jobs import Arrival, Look, Rise, Timer
from decouple.trigger_settings import State, TriggerSettings, TriggerStats, in_words

if TYPE_CHECKING:
    from decouple.function import Function
    from decouple.invocation import Invocation, Outcome
    from decouple.message import Message
    from decouple.queue import Queue
    from decouple.runner import Job, Runner

__all__ = ["Trigger"]

log = logging.getLogger("decouple")

LONGEST_BACK_OFF = 32 * SECOND
GRACE = 30 * SECOND
"""What Lambda adds to window and timeout, where the queue's visibility timeout is shorter than those."""
BRIEF = SECOND
"""How long messages may have waited for a worker before it matters how much of their time in flight is left."""


class Trigger:
    """A queue's mapping to a function. Made by `queue.trigger(function, ...)`; works while its broker does."""

    def __init__(self, queue: Queue[Any], function: Function, runner: Runner, settings: TriggerSettings) -> None:
        self.queue = queue
        self.function = function
        self._runner = runner
        self._settings = settings
        self._scaling = None if settings.law is None else Scaling(settings.law)
        self._lock = threading.Lock()
        self._state: State = "paused"
        self._collecting: Batch | None = None
        self._held: list[Batch] = []
        self._running: set[Batch] = set()
        self._asked = self._rising = False
        self._timer_at = FAR
        self._waiting = False  # whether a receive is on its way, in line or to it
        self._look: Look | None = None  # on its way to it
        self._invocations = self._errors = self._throttles = self._succeeded = 0
        self._failed = self._filtered = self._let_go = self._late = self._peak = 0
        self._intake = Arrival(self)

    def __repr__(self) -> str:
        return f"<Trigger {self.queue.name!r} -> {self.function.name!r}: {self.state}, {len(self._running)} running>"

    # -- life ----------------------------------------------------------------------------------------------------

    @property
    def state(self) -> State:
        """Enabled, paused or closed: by close(), with its queue, or with the broker."""
        return "closed" if self.queue.closed else self._state

    @property
    def settings(self) -> dict[str, Any]:
        """Its settings by name as `queue.trigger` takes them, times in seconds; a copy."""
        return in_words(self._settings)

    def pause(self) -> None:
        """Take no more messages. What was not begun goes back, its count restored; what is running ends. Twice is no error."""
        self._leave("paused")

    def resume(self) -> None:
        """Take messages again. Twice is no error. Raises QueueClosed if it was closed."""
        with self._lock:
            if self.state == "closed":
                raise QueueClosed(self.queue.name)
            self._state = "enabled"
        self._more()

    def close(self) -> None:
        """End it for good, as pause() does, and let the queue have another one for this function. Twice is no error."""
        self._leave("closed")
        self.queue._forget_trigger(self)

    def _leave(self, state: State) -> None:
        with self._lock:
            if self._state == "closed":
                return
            self._state = state
            unbegun = self._unbegun()
            self._held, self._collecting = [], None
        for batch in unbegun:
            self._give_back(batch.messages)
        if self._intake.stop():
            self._stay_away()

    def _unbegun(self) -> list[Batch]:
        """Under the lock: the batches that wait."""
        return self._held if self._collecting is None else [*self._held, self._collecting]

    def stats(self) -> TriggerStats:
        """Its numbers now."""
        with self._lock:
            waiting = sum(len(batch.messages) for batch in self._unbegun())
            at_work = sum(len(batch.messages) for batch in self._running)
            return TriggerStats(
                state=self.state,
                invocations=self._invocations,
                errors=self._errors,
                throttles=self._throttles,
                received=self._succeeded + self._failed + self._filtered + self._let_go + waiting + at_work,
                succeeded=self._succeeded,
                failed=self._failed,
                filtered=self._filtered,
                let_go=self._let_go,
                late=self._late,
                waiting=waiting,
                running=len(self._running),
                peak=self._peak,
            )

    # -- taking messages -----------------------------------------------------------------------------------------

    def _more(self) -> None:
        """Let a receive wait, if there is room for another batch."""
        mine = False
        try:
            with self._lock:
                if self._waiting or self._state != "enabled" or self._held or not self._has_room():
                    return
                self._waiting = mine = True
            # What is visible already is taken by a worker that has nothing else to do: taken here it would be in flight
            # for as long as all of them are busy.
            if self.queue._core.deliverable and self._lease is None:
                self._look = Look(self)
                self._put(self._look)
            else:
                self._wait()
        except BaseException:
            if mine:
                self._recover(None, [])
            raise

    def _put(self, job: Job, at: int = 0) -> None:
        """Not as part of what the sender, or the handler before, is at."""
        self._intake.context.copy().run(self._runner.put, job, at)

    def _has_room(self) -> bool:
        """Under the lock: whether another batch may be at work. Where the law forbids it, when it will allow it."""
        most, scaling = self._settings.max_concurrency, self._scaling
        if most is not None and len(self._running) >= most:
            return False
        if scaling is None:
            return True
        # That a FIFO queue has at most as many batches as groups is its own doing: none is in flight twice.
        now, busy = self.queue.clock.now(), self.queue._core.deliverable
        if len(self._running) < scaling.allowed(now):
            (scaling.hold if busy else scaling.ease)(now)
            return True
        scaling.press(now)
        at = scaling.reaches(now, len(self._running) + 1)
        if at is not None and not self._rising:
            self._rising = True
            self._put(Rise(self), at)
        return False

    @property
    def _lease(self) -> int | None:
        """How long a message is in flight; None: the queue's visibility timeout."""
        least = self._settings.batch_window + self.function._timeout
        return least + GRACE if self._settings.batch_window and least > self.queue._core.lease else None

    def _wait(self) -> None:
        """Join the queue's line."""
        batch = self._collecting
        self._intake.most = self._settings.batch_size - (len(batch.messages) if batch is not None else 0)
        self._intake.lease = self._lease
        try:
            self._intake.begin()
        except QueueClosed:
            self.close()
            return
        if self._state != "enabled" and self._intake.stop():  # paused meanwhile
            self._stay_away()

    def _stay_away(self) -> None:
        """The receive that waited does no more. Whoever resumed the trigger meanwhile relied on it."""
        self._waiting = False
        self._more()

    def _came(self, messages: list[Message[Any]]) -> Batch | None:
        """What the wait in line brought: the batch that these messages are for, if it is to be begun now."""
        now, first = self.queue.clock.now(), messages[0]
        if now - first.received_at >= BRIEF and first.due - now < self.function._timeout:
            # They have waited for a worker, and would come again while the function runs.
            self.queue._lobby.give_back(messages)
            self._wait()
            return None
        missing = self._intake.most - len(messages)
        if missing and self.queue._core.deliverable and self._lease is None:
            messages += self.queue._take(missing, 0)  # what came after the one that ended the wait
        return self._gather(messages, now)

    def _gather(self, messages: list[Message[Any]], now: int) -> Batch | None:
        with self._lock:
            batch, self._collecting = self._collecting, None
        if batch is None:
            batch = Batch(self, now + self._settings.batch_window)
        rest = batch.add(messages)
        if rest:
            self._give_back(rest)
        full = rest or len(batch.messages) >= self._settings.batch_size or batch.size >= MOST_BYTES
        if batch.messages and (full or now >= batch.until):
            self._waiting = False
            return batch
        if batch.messages:
            self._collect(batch)
        self._wait()
        return None

    def _collect(self, batch: Batch) -> None:
        """Wait for what else comes within its window."""
        with self._lock:
            enabled = self._state == "enabled"
            if enabled:
                self._collecting = batch
        if enabled:
            self._set_timer(batch.until)
        else:
            self._give_back(batch.messages)

    # One timer for all that waits: one for each batch would stay in the heap for the whole window, and its messages with it.

    def _set_timer(self, at: int) -> None:
        """Look at the batches that wait at that instant, if no earlier one is set."""
        if at < self._timer_at:
            self._timer_at = at
            self._put(Timer(self, at), at)

    def _look_at_waiting(self) -> None:
        """Let those begin whose time has come."""
        now = self.queue.clock.now()
        with self._lock:
            waiting = self._unbegun()
        for batch in waiting:
            if batch.until <= now:
                self._put(batch)
            else:
                self._set_timer(batch.until)

    def _claim(self, batch: Batch) -> bool:
        """Whether a batch that waited is to be begun, by whoever asks first."""
        with self._lock:
            if batch in self._held:
                self._held.remove(batch)
                return True
            if self._collecting is not batch or self.queue.clock.now() < batch.until:
                return False
            self._collecting = None
        try:
            if self._intake.stop():
                self._waiting = False
        except BaseException:  # interrupted: it is out of the line
            self._waiting = False
            raise
        return True

    # -- a batch -------------------------------------------------------------------------------------------------

    def _begin(self, batch: Batch) -> Invocation | None:
        """The run of the function for it; None if there is no room yet, or the trigger was paused."""
        if batch.held and self.queue.clock.now() >= batch.lapses_at:
            self._let_go_of(batch, f"there was no room for it in function {self.function.name!r}")
            return None
        with self._lock:
            enabled, most = self._state == "enabled", self._settings.max_concurrency
            room = enabled and (most is None or len(self._running) < most)
            if room:
                self._running.add(batch)
                self._invocations += 1
                self._peak = max(self._peak, len(self._running))
            elif enabled:
                batch.hold(batch.lapses_at)
                self._held.append(batch)
        if not enabled:
            self._give_back(batch.messages)
        if not room:
            return None
        invocation = batch.new_invocation()
        try:
            self.function.admit(invocation)
        except Throttled as error:
            self._throttled(batch, error)
            return None
        except BrokenOff:  # the broker is closed by now: nothing of it was begun
            with self._lock:
                self._running.discard(batch)
                self._invocations -= 1
            self._give_back(batch.messages)
            return None
        self._more()
        return invocation

    def _throttled(self, batch: Batch, error: Throttled) -> None:
        """Hold it, and try again when a run has ended, or after a while; until its first message comes back by itself."""
        now, over = self.queue.clock.now(), batch.lapses_at
        with self._lock:
            self._running.discard(batch)
            self._invocations -= 1
            self._throttles += 1
            enabled, ask = self._state == "enabled", False
            if enabled and now < over:
                batch.hold(min(now + back_off(batch.tries), over))
                self._held.append(batch)
                ask, self._asked = not self._asked, True
        if now >= over:
            self._let_go_of(batch, str(error))
        elif not enabled:
            self._give_back(batch.messages)
        else:
            self._set_timer(batch.until)
            if ask:
                self.function.when_free(self._freed)

    def _let_go_of(self, batch: Batch, why: str) -> None:
        """Its messages come back to the queue by themselves."""
        with self._lock:
            self._let_go += len(batch.messages)
        batch.blame(batch.messages, Failure("Throttled", why, "", 0))
        self._try_held()
        self._more()

    def _freed(self) -> None:
        """The function has room for another run."""
        self._asked = False
        self._try_held()

    def _try_held(self) -> None:
        held = self._held[:1]
        if held:
            self._put(held[0])

    def _ended(self, batch: Batch, outcome: Outcome) -> None:
        """Its run is over, by the handler or by the timeout."""
        failed, late = len(batch.messages), 0
        try:
            failed, late = batch.settle(outcome)
        finally:
            with self._lock:
                self._running.discard(batch)
                batch.ended = True
                self._errors += batch.error is not None
                self._failed += failed
                self._succeeded += len(batch.messages) - failed
                self._late += late
            if outcome.error is not None and self._scaling is not None and not self._settings.partial_failures:
                self._scaling.fail(self.queue.clock.now())
            self._try_held()
            self._more()

    def _unwanted(self, messages: list[Message[Any]]) -> None:
        """They match no pattern: delete them, as Lambda does."""
        with self._lock:
            self._filtered += len(messages)
        self.queue._discard(messages, f"no filter of the trigger of function {self.function.name!r} matches")

    def _stop_loop(self, message: Message[Any]) -> None:
        """It came by too many runs of the function: to the dead letters, or it is gone, as on Lambda."""
        with self._lock:
            self._failed += 1
        error = RecursionStopped(self.function.name, turns=MOST_TURNS)
        log.warning("%s of queue %r rejected message %s: %s", self._intake.what, self.queue.name, message.id, error)
        with suppress(NotInFlight, ReceiptExpired):  # somebody else has it by now, and it comes by here again
            self.queue._reject(message, failure_of(error, message.times_received))

    def _unreadable(self, message: Message[Any], why: Failure) -> None:
        """Its body cannot be had: it comes again when its visibility ends, as one that failed."""
        with self._lock:
            self._failed += 1
        self.queue._blame([(message, why)])

    def _give_back(self, messages: list[Message[Any]]) -> None:
        """They were not begun: first in line again, counts restored."""
        self.queue._lobby.give_back(messages)

    # -- interrupts ----------------------------------------------------------------------------------------------

    def _recover(self, batch: Batch | None, messages: list[Message[Any]]) -> None:
        """Whoever was at this batch, or was to make one of these messages, was interrupted: what was not begun goes back."""
        if batch is None:
            self._look = None
            self._intake.stop()
            self._waiting = False
            batch, self._collecting = self._collecting, None
            self._give_back(messages)
        if batch is not None and not batch.ended:
            self._break_off(batch)
        self._put(Rise(self))

    def _break_off(self, batch: Batch) -> None:
        with self._lock:
            batch.ended = True
            self._running.discard(batch)
            self._held = [one for one in self._held if one is not batch]
            if batch.begun:
                self._failed += len(batch.messages)
        if batch.invocation is not None:
            self.function.give_back(batch.invocation, BrokenOff(self.function.name))
        if not batch.begun:
            self._give_back(batch.messages)


def back_off(tries: int) -> int:
    """After so many tries, nanoseconds until the next."""
    return min(LONGEST_BACK_OFF, SECOND << min(tries, 8))
