"""One message's turn with a consumer: waited for, handled, and settled by what its handler did.

A turn is the runner's job. Whatever ends the handler, the message is in one place afterwards and the consumer goes on: a
return acknowledges it, an exception gives it back after the delay of the retry policy, or for good.
"""

from __future__ import annotations

import logging
import threading
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from decouple.attempt import cut_short, reason_of
from decouple.callers import WORK
from decouple.calls import answer_of
from decouple.core.settings import LONGEST_IN_FLIGHT, SECOND
from decouple.errors import BodyNotDecoded, EndlessWork, NotInFlight, ReceiptExpired
from decouple.expecting.spying import Call
from decouple.intake import Intake
from decouple.message import Message
from decouple.mishaps.effects import Crash
from decouple.retries import MOST_AT_ONCE
from decouple.verdicts import Reject, Retry

if TYPE_CHECKING:
    from decouple.consumer import Consumer
    from decouple.mishaps.handlers import Case

__all__ = ["Ending", "Run", "Turn"]

Ending: TypeAlias = Literal["succeeded", "retried", "rejected", "interrupted"]

log = logging.getLogger("decouple")
IN_A_ROW = 10_000_000  # nanoseconds
MOST_IN_A_ROW = 1_000  # in a simulation, where a handler takes no time


class Turn(Intake):
    """Waits for one message, and is the job that handles it. thread: whose, for the heart."""

    thread: threading.Thread

    def __init__(self, consumer: Consumer[..., Any]) -> None:
        super().__init__(
            consumer.queue,
            consumer._runner,
            1,
            lambda _: None,
            awaits=consumer.awaits,
            closed=self.abandon,
            what=consumer.name,
            context=consumer._context,
        )
        self.consumer = consumer
        self.message: Message[Any] | None = None

    def run(self) -> None:
        """Handle the message that came, if it did; raises what the handler raised, after it was dealt with."""
        messages: list[Message[Any]] = []
        try:
            messages = self._have()
            for message in messages:
                if self._begin(message):
                    self._handle(message)
            if messages:
                self._handle_more()
                if self.consumer._waits_again(self):
                    messages = []
        finally:
            if messages:
                try:
                    self.consumer._leave(self)
                except BaseException:  # interrupted: once more, or no other message would come
                    self.consumer._leave(self)
                    raise

    def _handle(self, message: Message[Any]) -> None:
        mishaps, name = self.consumer._mishaps, self.consumer.name
        with Run(self, message) as run:
            if mishaps is None:
                run.result = answer_of(self.consumer.handler(run.argument()), name)
            else:
                run.result = mishaps.run(run.case(), lambda handler: answer_of(handler(run.argument()), name))

    def _handle_more(self) -> None:
        """What is visible by now, for a short while, as a worker does that has nothing else to do: 20 us less for each."""
        consumer, take, context = self.consumer, self.queue._take, self.context
        if not (self.queue._core.fresh and consumer._goes_on):
            return
        until = self.queue._now() + IN_A_ROW
        for _ in range(MOST_IN_A_ROW):
            if not (consumer._has_room_for(self) and (more := take(1, 0))):
                return
            [self.message] = more
            context.copy().run(self._handle, self.message)
            if self.message.received_at >= until:
                return

    async def arun(self) -> None:
        """The same for an async handler."""
        messages: list[Message[Any]] = []
        try:
            messages = self._have()
            for message in messages:
                if self._begin(message):
                    await self._ahandle(message)
        finally:
            if messages:
                try:
                    self.consumer._leave(self)
                except BaseException:
                    self.consumer._leave(self)
                    raise

    async def _ahandle(self, message: Message[Any]) -> None:
        mishaps = self.consumer._mishaps
        with Run(self, message) as run:
            if mishaps is None:
                run.result = await self.consumer.handler(run.argument())
            elif mishaps.awaits:
                run.result = await mishaps.arun(run.case(), lambda handler: handler(run.argument()))
            else:
                name = self.consumer.name
                run.result = await mishaps.arun(run.case(), lambda handler: answer_of(handler(run.argument()), name))

    def _begin(self, message: Message[Any]) -> bool:
        """Let the next one wait; whether the message is still ours: it may have waited too long for a worker."""
        self.message = message
        if self.consumer._heart is not None:
            self.thread = threading.current_thread()
        self.consumer._came(self)
        if self.queue._holds(message):
            return True
        self.consumer._came_late()
        log.warning("%s got message %s too late: its visibility timeout was over", self.what, message.id)
        return False

    def beat(self) -> bool:
        """Keep the message for another visibility timeout; False: lost, 12 hours are over, or its thread is dead."""
        message = self.message
        if message is None or not self.thread.is_alive():
            return False
        token = WORK.set(f"the heartbeat of {self.what}")  # whoever moves the clock is not behind it
        try:
            until = self.queue._prolong(message)
        finally:
            WORK.reset(token)
        if not until and not message.settled:
            log.warning("%s lost message %s while it handled it", self.what, message.id)
        return 0 < until < message.received_at + LONGEST_IN_FLIGHT

    def abandon(self) -> None:
        """The broker or the queue closes."""
        self.consumer._end("closed")
        self.stop()
        self.consumer._leave(self)

    def describe(self) -> str:
        return super().describe() if self.message is None else f"{self.what} handles message {self.message.id}"


class Run:
    """A handler at work on a message, from its begin to the settling of the message."""

    __slots__ = ("called", "consumer", "endless", "given", "message", "result", "turn")

    def __init__(self, turn: Turn, message: Message[Any]) -> None:
        self.turn = turn
        self.consumer = turn.consumer
        self.message = message
        self.called = self.endless = False
        self.given: Any = None
        self.result: Any = None

    def argument(self) -> Any:
        """What the handler is called with. Raises BodyNotDecoded."""
        self.given = self._argument()
        self.called = True
        return self.given

    def _argument(self) -> Any:
        wanted, message = self.consumer._wanted, self.message
        if wanted.type is None:
            return message
        if wanted.type is message.owner.body_type:
            return message.body
        text = message.text
        try:
            return wanted.decode(text)
        except Exception as error:
            why = f"{type(error).__name__}: {error}"
            raise BodyNotDecoded(message.owner.name, text=text, wanted=wanted.name, why=why) from error

    def case(self) -> Case:
        """For the faults that may strike it."""
        from decouple.mishaps.handlers import case_of

        return case_of(self.message, self.consumer._restarted)

    def __str__(self) -> str:
        return self.consumer.name

    @property
    def handles(self) -> str:
        """Of what the handler is at work."""
        return self.message.id

    def __enter__(self) -> Run:
        WORK.set(self)  # for this job, whose context variables are its own
        self.consumer._began(self.turn)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        late = not (self.message.settled or self.consumer.queue._holds(self.message))
        failed = False
        if self.called and self.consumer.queue._reporter.observers:
            self._keep(error)
        if error is None:
            ending = self._succeed()
        elif isinstance(error, Crash):  # its process is dead: it does nothing more, so the message stays in flight
            self.consumer._ended(self.turn, "interrupted")
            return True
        elif cut_short(error, self.consumer.awaits):
            ending = self._give_back(None)
        else:
            ending, failed = self._fail(error)
        self.consumer._ended(self.turn, ending, failed=failed, late=late)
        if self.endless:
            raise endless_failure(self.consumer.name, self.message.id, error) from error
        return error is None or not (failed or ending == "interrupted")

    def _keep(self, error: BaseException | None) -> None:
        """Among the consumer's calls, before the record of what becomes of the message."""
        queue, consumer = self.consumer.queue, self.consumer
        now = queue._now()
        seconds = (now - consumer._running.get(self.turn, now)) / SECOND
        call = Call(self.given, self.result, error, self.message.id, queue._shown(now), seconds)
        consumer._calls.keep(queue._reporter.observers, call)

    # -- what becomes of the message ---------------------------------------------------------------------------

    def _succeed(self) -> Ending:
        if not self.message.settled:
            try:
                self.message.ack()
            except ReceiptExpired:
                log.warning("%s handled message %s too late: it comes again", self.consumer.name, self.message.id)
        return "succeeded"

    def _fail(self, error: BaseException) -> tuple[Ending, bool]:
        """What becomes of it after an error, and whether that is one of the handler's own."""
        message, consumer = self.message, self.consumer
        failed = not isinstance(error, (Retry, Reject))
        if message.settled:  # by the handler itself, before it raised
            return "succeeded", failed
        if isinstance(error, Reject):
            return self._reject(error, "Rejected"), False
        if isinstance(error, BodyNotDecoded) and not self.called and consumer.queue.dead_letter is not None:
            return self._reject(error, "BodyNotDecoded"), False
        delay = error._delay if isinstance(error, Retry) else None
        if delay is None:
            delay = consumer._retries.delay(message, error, consumer.queue._now(), consumer.queue._core.lease)
        if delay is None:
            return self._reject(error, None), failed
        if delay == 0 and consumer._retries.endless(message, consumer.queue._now()):
            self.endless, delay = True, consumer.queue._core.lease
        return self._give_back(error, delay), failed

    def _give_back(self, error: BaseException | None, delay: int = 0) -> Ending:
        message = self.message
        message.settled = True  # so that no heartbeat comes after it
        reason = None if error is None else reason_of(error, message.times_received)
        self.consumer.queue._give_up(message, reason, delay)
        return "interrupted" if error is None else "retried"

    def _reject(self, error: BaseException, kind: str | None) -> Ending:
        message = self.message
        message.settled = True
        failure = reason_of(error, message.times_received)
        try:
            self.consumer.queue._reject(message, failure if kind is None else failure._replace(error=kind))
        except (NotInFlight, ReceiptExpired):
            log.warning("%s rejected message %s too late", self.consumer.name, message.id)
        if self.consumer.queue.dead_letter is None:
            log.warning("%s gave up message %s, and there is no dead-letter queue: %s", self.consumer.name, message.id,
                        failure.text)  # fmt: skip
        return "rejected"


def endless_failure(consumer: str, id: str, error: BaseException | None) -> EndlessWork:
    """What is said of a message that fails again and again while time stands still."""
    said = f"{type(error).__name__}: {error}".rstrip(": ")
    why = (
        f"{consumer} has failed {MOST_AT_ONCE:,} times at the same instant with message {id}, which comes again at once "
        f"({said}): give the queue a dead_letter and max_receives, or the consumer a retry such as exponential(1, 300)"
    )
    return EndlessWork(consumer, links=MOST_AT_ONCE, why=why)
