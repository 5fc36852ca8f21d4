"""A batch: messages of a queue on their way through a function, from their records to what became of each.

What succeeded is deleted. What failed stays in flight until its visibility ends, with the reason, so that it comes again
or is dead by the queue's own rules. A batch is a job where it has to wait: for the end of its window, or for room.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from decouple.attributes import size_of
from decouple.core.batch_results import read_answer
from decouple.core.records import Failure, details_of
from decouple.errors import ReceiptExpired
from decouple.lambda_records import SqsRecord, plain_record, queue_record, system_attributes
from decouple.lineage import NO_LINEAGE, TRACE, Lineage, merged, read_lineage
from decouple.message import failure_of

if TYPE_CHECKING:
    from decouple.invocation import Outcome
    from decouple.message import Message
    from decouple.trigger import Trigger

__all__ = ["MOST_BYTES", "Batch"]

MOST_BYTES = 6 * 1024 * 1024
"""Of bodies and attributes in one event."""


class Batch:
    """Messages and their records.

    until: the end of its window, or when it is tried again at the latest; held, tries: whether and how often it was put off
    for want of room; error: what to report of it, when its handler did not raise it.
    """

    __slots__ = ("awaits", "error", "held", "lineage", "messages", "records", "size", "tries", "trigger", "until")

    def __init__(self, trigger: Trigger, until: int) -> None:
        self.trigger = trigger
        self.awaits = trigger.function.awaits
        self.messages: list[Message[Any]] = []
        self.records: list[SqsRecord] = []
        self.lineage = NO_LINEAGE
        self.size = 0
        self.tries = 0
        self.held = False
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
        if self.trigger._claim(self):
            self.go()

    async def arun(self) -> None:
        """The same, awaited."""
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
        if self.error is not None:
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
