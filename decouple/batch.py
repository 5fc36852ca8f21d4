"""A batch: messages of a queue on their way through a function, from their records to what became of each.

What succeeded is deleted. What failed stays in flight until its visibility ends, with the reason, so that it comes again
or is dead by the queue's own rules. A batch is a job where it has to wait: for the end of its window, or for room.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from decouple.attributes import size_of
from decouple.core.batch_results import read_answer
from decouple.core.deadlines import FAR
from decouple.core.records import Failure, details_of
from decouple.effects import Crash
from decouple.errors import ReceiptExpired
from decouple.invocation import Invocation
from decouple.lambda_records import SqsRecord, plain_record, queue_record, system_attributes
from decouple.lineage import NO_LINEAGE, TRACE, Lineage, merged, read_lineage
from decouple.message import failure_of

if TYPE_CHECKING:
    from types import TracebackType

    from decouple.invocation import Outcome
    from decouple.message import Message
    from decouple.trigger import Trigger

__all__ = ["MOST_BYTES", "Batch", "Step"]

MOST_BYTES = 6 * 1024 * 1024
"""Of bodies and attributes in one event."""


class Batch:
    """Messages and their records.

    until: the end of its window, or when it is tried again at the latest; held, tries: whether and how often it was put off
    for want of room; ended: whether it is known what became of its messages; error: what to report of it, when its
    handler did not raise it.
    """

    __slots__ = (
        "awaits", "ended", "error", "held", "invocation", "lineage", "messages", "records", "size", "tries", "trigger", "until",
    )  # fmt: skip

    def __init__(self, trigger: Trigger, until: int) -> None:
        self.trigger = trigger
        self.awaits = trigger.function._in_tasks
        self.messages: list[Message[Any]] = []
        self.records: list[SqsRecord] = []
        self.lineage = NO_LINEAGE
        self.size = 0
        self.tries = 0
        self.held = False
        self.ended = False
        self.invocation: Invocation | None = None
        self.until = until
        self.error: BaseException | None = None

    def add(self, messages: list[Message[Any]]) -> list[Message[Any]]:
        """Take them in; those that match no pattern are deleted, those that go round in a loop rejected. What would be too
        much for one event: the rest.
        """
        trigger = self.trigger
        patterns, arn, region = trigger._settings.patterns, trigger.queue.arn, trigger.queue._region
        unwanted: list[Message[Any]] = []
        rest: list[Message[Any]] = []
        for position, message in enumerate(messages):
            try:
                text = message.text
            except Exception as error:  # the store of large bodies: as if the function had failed
                trigger._unreadable(message, failure_of(error, message.times_received))
                continue
            size = size_of_message(message, text)
            if self.records and self.size + size > MOST_BYTES:
                rest = messages[position:]
                break
            record = record_of(message, text, arn, region)
            if patterns is not None and not patterns.matches(record):
                unwanted.append(message)
                continue
            lineage = lineage_of(message)
            if trigger.function.loops(lineage.get(trigger.function.mark, 0) + 1):
                trigger._stop_loop(message)
                continue
            if lineage:
                self.lineage = merged((self.lineage, lineage))
            self.size += size
            self.messages.append(message)
            self.records.append(record)
        if unwanted:
            trigger._unwanted(unwanted)
        return rest

    def hold(self, until: int) -> None:
        """There is no room for it."""
        self.held = True
        self.tries += 1
        self.until = until

    # -- the runner's job ----------------------------------------------------------------------------------------

    def run(self) -> None:
        """The end of its window, or another try: begin it, unless somebody did."""
        with Step(self.trigger, self):
            if self.trigger._claim(self):
                self.go()

    async def arun(self) -> None:
        """The same, awaited."""
        with Step(self.trigger, self):
            if self.trigger._claim(self):
                await self.ago()

    def go(self) -> None:
        """Run the function with it, if there is room. Raises what the handler raises, for the report."""
        invocation = self.trigger._begin(self)
        if invocation is not None:
            invocation.run()
            self._raise()

    async def ago(self) -> None:
        """The same, awaited."""
        invocation = self.trigger._begin(self)
        if invocation is not None:
            await invocation.arun()
            self._raise()

    def _raise(self) -> None:
        if self.error is not None and not isinstance(self.error.__cause__, Crash):  # which is none of the program's
            raise self.error

    def abandon(self) -> None:
        """The broker closes: it was not begun."""
        self.trigger.close()

    def describe(self) -> str:
        trigger = self.trigger
        return (
            f"a batch of {len(self.messages)} from queue {trigger.queue.name!r} for function {trigger.function.name!r}"
        )

    @property
    def lapses_at(self) -> int:
        """When the first of them comes back to the queue by itself."""
        return min(message.due for message in self.messages)

    def new_invocation(self) -> Invocation:
        """The run of the function that is to handle it."""
        function, event = self.trigger.function, {"Records": self.records}
        self.invocation = Invocation(function, event, self._ended, function.new_request_id(), self.lineage)
        self.invocation.messages = self.messages
        return self.invocation

    def _ended(self, outcome: Outcome) -> None:
        if not self.ended:
            self.trigger._ended(self, outcome)

    @property
    def begun(self) -> bool:
        """Whether its handler may have done something."""
        return self.invocation is not None and self.invocation.deadline < FAR

    # -- what became of it ---------------------------------------------------------------------------------------

    def settle(self, outcome: Outcome) -> tuple[int, int]:
        """Delete what succeeded, keep with the others why they failed; how many failed, and how many came too late."""
        failed, why = self._verdict(outcome)
        done = [message for message in self.messages if message.id not in failed] if failed else self.messages
        if failed:
            self.blame([message for message in self.messages if message.id in failed], why)
        return len(self.messages) - len(done), self._delete(done) if done else 0

    def _verdict(self, outcome: Outcome) -> tuple[frozenset[str], Failure]:
        """Which failed, and why."""
        function = self.trigger.function
        reported = Failure("BatchItemFailure", f"function {function.name!r} named it in batchItemFailures", "", 0)
        if outcome.error is not None:
            self.error = outcome.error
            return frozenset(message.id for message in self.messages), failure_of(outcome.error, 0)
        if not self.trigger._settings.partial_failures or outcome.result is None:
            return frozenset(), reported
        verdict = read_answer(outcome.result, [message.id for message in self.messages])
        if verdict.wrong is None:
            return verdict.failed, reported
        self.error = ValueError(f"function {function.name!r} failed its whole batch: {verdict.wrong}")
        return verdict.failed, failure_of(self.error, 0)

    def blame(self, messages: list[Message[Any]], why: Failure) -> None:
        """Keep the reason with those messages, which stay in flight."""
        self.trigger.queue._blame([(one, why._replace(attempts=one.times_received)) for one in messages])

    def _delete(self, messages: list[Message[Any]]) -> int:
        try:
            self.trigger.queue.delete(*messages)
        except ReceiptExpired as error:  # the others are deleted; these were given to somebody else by now, in order
            self.trigger.function.tell("late delete", reason=str(error)[:500], other=self.trigger.queue.name)
            return len(error.receipts)
        return 0


class Step:
    """A job of a trigger, from taking messages to the end of their batch: an interrupt leaves nothing half done."""

    __slots__ = ("batch", "messages", "trigger")

    def __init__(self, trigger: Trigger, batch: Batch | None = None) -> None:
        self.trigger = trigger
        self.batch = batch
        self.messages: list[Message[Any]] = []

    def __enter__(self) -> Step:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None or (self.batch is not None and self.batch.ended and isinstance(error, Exception)):
            return  # the handler's own error, which was seen to
        self.trigger._recover(self.batch, self.messages)


def lineage_of(message: Message[Any]) -> Lineage:
    """By which runs of functions it came."""
    return NO_LINEAGE if len(message.record) == 3 else read_lineage(details_of(message.record).system.get(TRACE))


def size_of_message(message: Message[Any], text: str) -> int:
    """UTF-8 bytes of body and attributes."""
    size = len(text) if text.isascii() else len(text.encode())
    return size if len(message.record) == 3 else size + size_of(details_of(message.record).attributes)


def record_of(message: Message[Any], text: str, arn: str, region: str) -> SqsRecord:
    """A received message as a function gets it."""
    queue, record = message.owner, message.record
    epoch = queue.clock.epoch
    sent_at, first_received_at = (epoch + record[1]) // 1_000_000, (epoch + message.first_received) // 1_000_000
    if len(record) == 3 and not queue.fifo:
        identity = f"{queue._core.stem}{record[2]:012x}"
        count = message.times_received
        return plain_record(identity, f"{identity}.{count}", text, count, sent_at, first_received_at, arn, region)
    details = details_of(record)
    system = system_attributes(
        receive_count=message.times_received,
        sent_at=sent_at,
        first_received_at=first_received_at,
        trace=details.system.get("AWSTraceHeader"),
        sequence=message.sequence,
        group=details.group,
        sender=details.system.get("SenderId"),
        deduplication_id=message.deduplication_id,
        source=getattr(details.source, "arn", None),
    )
    return queue_record(
        id=message.id,
        receipt=message.receipt,
        body=text,
        attributes=details.attributes,
        system=system,
        arn=arn,
        region=region,
    )
