"""Events handed over with `function.send`: accepted at once, seen through by the broker's workers.

An error of the function is retried after one minute, then after two, at most `retries` times. For want of room an event
is tried again after a second, and then less and less often, which counts as no retry. Who is older than `max_age`, or may
not be tried again, goes to `on_failure` or `dead_letter`; what ended well goes to `on_success`. Whatever becomes of it, it
ends in one place, with a record. Where the broker's engine outlives the process, so do they (keeping_events.py).

Source: Lambda developer guide, "How Lambda handles errors and retries with asynchronous invocation".
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from decouple.core.records import Failure
from decouple.core.settings import SECOND
from decouple.destinations import BROKER_CLOSED, RETRIES_EXHAUSTED, SUCCESS, TOO_OLD, bury, tell_destination
from decouple.errors import RecursionStopped, Throttled
from decouple.invocation import BrokenOff, Invocation, Outcome, copied
from decouple.jsontext import json_text
from decouple.message import failure_of
from decouple.mishaps.effects import WATCHED, about, done

if TYPE_CHECKING:
    from decouple.function import Function
    from decouple.keeping_events import KeptEvents
    from decouple.lineage import Lineage
    from decouple.runner import Runner

__all__ = ["Accepted", "accept"]

AFTER_ERRORS = (60 * SECOND, 120 * SECOND)
AFTER_THROTTLE = (1 * SECOND, 300 * SECOND)  # the first delay, and the longest


class Accepted:
    """An event on its way. attempts: runs that ended; throttled: how often there was no room in a row; last: why it failed.

    It is the runner's job for an attempt. going: from the begin of one until it is known how the event goes on; whoever
    is interrupted meanwhile begins the attempt again. kept, key, token: where it outlives the process, its record; cut: the
    process that was at it before has died meanwhile.
    """

    kept: KeptEvents | None = None
    key = token = ""
    cut = False

    def __init__(self, function: Function, runner: Runner, text: str, request_id: str, lineage: Lineage) -> None:
        self.function = function
        self.runner = runner
        self.text = text
        self.request_id = request_id
        self.lineage = lineage
        self.accepted_at = function.clock.now()
        self.attempts = 0
        self.throttled = 0
        self.last: BaseException | None = None
        self.awaits = function._in_tasks
        self.pending = True
        self.going = False
        self.invocation: Invocation | None = None

    # -- the runner's job ----------------------------------------------------------------------------------------

    def run(self) -> None:
        """One attempt. Raises what the handler raises, for the report."""
        try:
            invocation = self._begin()
            if invocation is not None:
                invocation.run()
        except BaseException as error:
            self._recover(error)
            raise

    async def arun(self) -> None:
        """The same, awaited."""
        try:
            invocation = self._begin()
            if invocation is not None:
                await invocation.arun()
        except BaseException as error:
            self._recover(error)
            raise

    def _begin(self) -> Invocation | None:
        """The run, if there is room for it."""
        function = self.function
        self.going = True
        if function._settings.concurrency == 0:
            self.give_up(RETRIES_EXHAUSTED, Throttled(function.name, running=0, limit=0))
            return None
        if function.clock.now() - self.accepted_at > function._settings.max_age:
            self.give_up(TOO_OLD, self.last)
            return None
        if self.cut and self.attempts > function._settings.retries:
            self.give_up(RETRIES_EXHAUSTED, self.last)
            return None
        if self.kept is not None and not self._is_kept_as_begun(self.kept):
            return None
        self.invocation = Invocation(function, copied(self.text), self.ended, self.request_id, self.lineage)
        try:
            function.admit(self.invocation)
        except Throttled as error:
            self._come_again(error)
        except BrokenOff:
            self.abandon()
        except RecursionStopped as error:
            self.give_up(RETRIES_EXHAUSTED, error)
        else:
            return self.invocation
        return None

    def _is_kept_as_begun(self, kept: KeptEvents) -> bool:
        try:
            mine = kept.begin(self)
        except Exception as error:  # such as a full disk: as where there is no room, and told when it is too old
            self._come_again(error)
            return False
        if not mine:
            self._let_go()
        return mine

    def _recover(self, error: BaseException) -> None:
        """Interrupted, unless it was the handler and this was seen to: what it took is given back, and it comes again."""
        if self.going:
            self.going = False
            if self.invocation is not None:
                self.function.give_back(self.invocation, error)
            self.runner.put(self)

    def abandon(self) -> None:
        """The broker closes: there will be no other attempt, or in the next process."""
        if self.kept is None:
            self.give_up(BROKER_CLOSED, self.last or BrokenOff(self.function.name))
            return
        if self.going:
            self.kept.rest(self, self.function.clock.now())
        self._let_go()

    def describe(self) -> str:
        return f"attempt {self.attempts + 1} of an event for function {self.function.name!r}"

    # -- what becomes of it --------------------------------------------------------------------------------------

    def ended(self, outcome: Outcome) -> None:
        """An attempt has ended."""
        function = self.function
        if not self.going:
            return
        self.throttled = 0
        self.attempts += 1
        self.last = outcome.error
        if outcome.error is None:
            with self._together():
                tell_destination(function, self, SUCCESS, outcome)
                self._done()
            return
        if self.attempts > function._settings.retries:
            self.give_up(RETRIES_EXHAUSTED, outcome.error)
            return
        delay = AFTER_ERRORS[min(self.attempts, len(AFTER_ERRORS)) - 1]
        if function.clock.now() + delay - self.accepted_at > function._settings.max_age:
            self.give_up(TOO_OLD, outcome.error)
            return
        self._rest(delay)

    def _rest(self, delay: int) -> None:
        """Come again after so many nanoseconds."""
        at = self.function.clock.now() + delay
        if self.kept is not None and not self.kept.rest(self, at):
            self._let_go()
            return
        self.runner.put(self, at)
        self.going = False

    def _come_again(self, error: Exception) -> None:
        first, longest = AFTER_THROTTLE
        delay = min(longest, first << min(self.throttled, 32))
        self.throttled += 1
        if self.function.clock.now() + delay - self.accepted_at > self.function._settings.max_age:
            self.give_up(TOO_OLD, self.last or error)
            return
        self._rest(delay)

    def give_up(self, condition: str, error: BaseException | None) -> None:
        """No other attempt: to the destination for failures, and to the dead-letter queue; or gone, with a record."""
        failure = Failure(condition, condition, "", self.attempts)
        if error is not None:
            failure = failure_of(error, self.attempts)
        with self._together():
            self._end_as(condition, failure, error)
            self._done()

    def _end_as(self, condition: str, failure: Failure, error: BaseException | None) -> None:
        told = tell_destination(self.function, self, condition, Outcome(None, error, 0.0))
        buried = bury(self.function, self, failure)
        where = ", ".join(one for one in (told, buried) if one) or None
        why = f"{condition}: {failure.error}: {failure.text}"[:500]
        self.function.tell("event given up", id=self.request_id, receives=self.attempts, reason=why, other=where)
        if where is None:
            import logging  # here, because most programs never need it

            logging.getLogger("decouple").warning(
                "an event for function %r was given up, and no destination has it: %s", self.function.name, why
            )

    def _together(self) -> AbstractContextManager[None]:
        """Where it is told how it ended, and its record dropped, in one step if the engine has those."""
        return nullcontext() if self.kept is None else self.kept.together()

    def _done(self) -> None:
        if self.kept is not None:
            self.kept.drop(self)
        self._let_go()

    def _let_go(self) -> None:
        """It is nothing to this process any more."""
        with self.function._lock:
            self.function._pending -= self.pending
            self.pending = self.going = False


def accept(function: Function, runner: Runner, event: Any, lineage: Lineage, request_id: str) -> str:
    """See `Function.send`."""
    text = json_text(event, f"an event of function {function.name!r} must be JSON")
    accepted = Accepted(function, runner, text, request_id, lineage)
    if WATCHED:
        about(f"an event for function {function.name!r}")
    with function._lock:
        function._pending += 1
    try:
        if function._kept is not None:
            accepted.kept = function._kept
            accepted.kept.put(accepted)
        function.tell("event accepted", id=request_id)
        runner.put(accepted)
    except BaseException:  # interrupted: the caller has no id of it
        accepted._done()
        raise
    if WATCHED:
        done(f"an event for function {function.name!r}")
    return request_id
