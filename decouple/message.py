"""Message: what a receiver holds. Body, attributes, where it has been, and the verbs that settle it.

A message is the queue's own record of the delivery, seen through names; ids, instants and attributes are made when
asked for, because most receivers read the body and acknowledge.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, Self

from decouple.attributes import Value, shown_value
from decouple.bodies import check_text
from decouple.core.records import Delivery, Failure, details_of, group_of
from decouple.generic import T

if TYPE_CHECKING:
    from decouple.clock import Seconds
    from decouple.queue import Queue
    from decouple.stories.story import Story

__all__ = [
    "Entry",
    "FifoMessage",
    "FifoSent",
    "Message",
    "MovedSent",
    "Sent",
    "TypedFifoMessage",
    "TypedMessage",
    "failure_of",
    "new_sent",
    "sequence_of",
]


class Sent:
    """The answer to a send: `id`, the message's id. `sequence` is None on a standard queue."""

    # No __init__, as in core/records.py: 100 ns of a send, with one 200.
    __slots__ = ("_seq", "_stem")

    _stem: str
    _seq: int

    @property
    def id(self) -> str:
        """The id the receiver will see, unique: a UUID's shape."""
        return f"{self._stem}{self._seq:012x}"

    @property
    def sequence(self) -> str | None:
        """The sequence number a FIFO queue gives; None on a standard queue."""
        return None

    def __repr__(self) -> str:
        return f"Sent(id={self.id!r})"


class FifoSent(Sent):
    """The answer to a send to a FIFO queue; for a duplicate it is that of the first send."""

    __slots__ = ()

    @property
    def sequence(self) -> str:
        """20 digits, increasing in the order in which the queue accepted its messages."""
        return sequence_of(self._seq)

    def __repr__(self) -> str:
        return f"Sent(id={self.id!r}, sequence={self.sequence!r})"


class MovedSent(Sent):
    """The answer to a move: the id may be an older one than the number in the queue."""

    __slots__ = ("_sequence",)

    _sequence: str | None

    @property
    def sequence(self) -> str | None:
        """The sequence number the FIFO queue gave; None on a standard queue."""
        return self._sequence


def sequence_of(seq: int) -> str:
    """A message's number within its queue as its sequence number."""
    return f"{seq:020d}"


def new_sent(kind: type[Sent], stem: str, seq: int) -> Sent:
    """The answer for message `seq` of the queue whose ids start with `stem`."""
    sent = kind()
    sent._stem = stem
    sent._seq = seq
    return sent


class Entry(NamedTuple):
    """One message of a batch, where it needs more than a body."""

    body: Any
    delay: Seconds | None = None
    attributes: Mapping[str, Value] | None = None
    group: str | None = None
    deduplication_id: str | None = None
    system: Mapping[str, str] | None = None


class Message(Delivery, Generic[T]):
    """A message received from a queue, invisible to others until it is settled or its visibility timeout ends.

    Settle it with `ack`, `nack`, `reject`, or `with message:`, which acknowledges at the end and gives the message back
    when the block raises. `extend` keeps it longer. On a standard queue any receipt deletes, also late.
    """

    __slots__ = ()

    owner: Queue[T]

    # -- what it is --------------------------------------------------------------------------------------------

    @property
    def id(self) -> str:
        """Unique, the same at every delivery, kept by dead letters."""
        return self.owner._core.id_of(self.record)

    @property
    def body(self) -> T:
        """The body: its text, or what the queue's type makes of it. Raises BodyNotDecoded."""
        return self.owner._decode(self.record[0])

    @property
    def text(self) -> str:
        """The body as text, as it was sent."""
        return self.record[0]

    def json(self) -> Any:
        """The body decoded as JSON. Raises ValueError (json.JSONDecodeError)."""
        import json

        return json.loads(self.record[0])

    @property
    def attributes(self) -> dict[str, Any]:
        """The message attributes by name, as the sender gave them. Cost: a new dict each time."""
        return {name: shown_value(value) for name, value in details_of(self.record).attributes.items()}

    @property
    def system(self) -> dict[str, str]:
        """The system attributes: trace header, sender. They do not count in the size."""
        return dict(details_of(self.record).system)

    @property
    def group(self) -> str | None:
        """The message group: on a standard queue the tenant."""
        return details_of(self.record).group

    @property
    def sequence(self) -> str | None:
        """The sequence number: 20 digits, increasing; None on a standard queue."""
        return sequence_of(self.record[2]) if self.owner.fifo else None

    @property
    def deduplication_id(self) -> str | None:
        """The deduplication id; None on a standard queue."""
        return details_of(self.record).deduplication_id if self.owner.fifo else None

    # -- where it has been -------------------------------------------------------------------------------------

    @property
    def sent_at(self) -> datetime:
        """When it was sent. A dead letter keeps it."""
        return self.owner._shown(self.record[1])

    @property
    def first_received_at(self) -> datetime | None:
        """When it was received for the first time; None for a message only looked at that nobody has received."""
        return self.owner._shown(self.first_received) if self.times_received else None

    @property
    def receive_count(self) -> int:
        """How often it has been received, this time included."""
        return self.times_received

    @property
    def receipt(self) -> str:
        """The handle of this delivery: another one at every receive."""
        return self.owner._receipt_of(self)

    @property
    def source(self) -> Queue[Any] | None:
        """The queue this dead letter came from; None for any other message."""
        source: Queue[Any] | None = details_of(self.record).source
        return source

    @property
    def failure(self) -> Failure | None:
        """Why it is dead; before that, why its last handler gave it back. None when no handler complained."""
        return details_of(self.record).failure

    def story(self) -> Story:
        """Everything that is recorded of it, with the reasons: see Broker.explain. Raises NotRecorded, NeedsBroker."""
        return self.owner._story_of(self.id)

    # -- settling ----------------------------------------------------------------------------------------------

    def ack(self) -> None:
        """Done: delete the message. Also late, also twice. Cost: O(1)."""
        core = self.owner._core
        try:
            if core.quick and self.received_at >= 0:
                # commit (without the lock: see core/standard.py)
                del core.leased[self.record[2]]
                core.deleted += 1
                self.settled = True
                return
        except KeyError:
            if core.quick_delete_older(self.record[2]):
                self.settled = True
                return
        self.owner.delete(self)

    def nack(self, delay: Seconds = 0) -> None:
        """Give it back, to be received again after `delay` seconds (0 to 43,200). Raises NotInFlight."""
        self.owner.change_visibility(self, delay)
        self.settled = True

    def extend(self, seconds: Seconds) -> None:
        """Keep it for `seconds` from now instead, longer or shorter. Raises NotInFlight, VisibilityTooLong."""
        self.owner.change_visibility(self, seconds)

    def reject(self, reason: str) -> None:
        """Give up on it: straight to the dead-letter queue with this reason, or gone where there is none.

        Raises NotInFlight when it is gone already.
        """
        if not isinstance(reason, str) or not reason:
            raise ValueError(f"reason must say why, not {reason!r}")
        check_text(reason)
        self.owner._reject(self, Failure("Rejected", reason, "", self.times_received))
        self.settled = True

    def move(
        self,
        to: Queue[Any],
        *,
        body: Any = ...,
        attributes: Mapping[str, Value] | None = None,
        group: str | None = None,
        deduplication_id: str | None = None,
        keep_id: bool = True,
    ) -> Sent:
        """Acknowledge it here and send it to `to` in one step, for the next stage of a chain: never lost, never doubled.

        body, attributes, group: what it has there instead; as they are unless given. Its text must be what a send to `to`
        takes, whose delay applies. Its time of sending and receive count start anew; keep_id: under the same id, by
        which a ledger follows it. Raises what a send raises and NotInFlight when it is gone already; then it
        stays here as it was. Should `to` be closed meanwhile, it stays in flight for another visibility timeout.
        """
        sent = self.owner._hand_on(self, to, Entry(body, None, attributes, group, deduplication_id), keep_id)
        self.settled = True
        return sent

    def __enter__(self) -> Self:
        if self.received_at < 0:
            self.owner._receipt_of(self)  # raises NotInFlight now, not over the block's own error at its end
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.settled:
            return
        if error is None:
            self.ack()
        else:
            self.settled = True
            self.owner._give_up(self, failure_of(error, self.times_received) if isinstance(error, Exception) else None)

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)

    def __repr__(self) -> str:
        return f"<Message {self.id} of {self.owner.name!r}: receive {self.times_received}, {self.record[0]!r:.60}>"


class TypedMessage(Message[T]):
    """A message of a typed queue: its body is decoded once."""

    __slots__ = ("_body",)

    _body: T

    @property
    def body(self) -> T:
        try:
            return self._body
        except AttributeError:
            self._body = self.owner._decode(self.record[0])
            return self._body


class FifoMessage(Message[T]):
    """A message of a FIFO queue: settled in time, or not at all."""

    __slots__ = ()

    def ack(self) -> None:
        """Done: delete the message. Raises ReceiptExpired when its time in flight is over. Cost: O(1)."""
        owner, record = self.owner, self.record
        core: Any = owner._core
        name: Any = record[3]  # type: ignore[misc]  # pyright: ignore[reportGeneralTypeIssues]  # there is always a group
        if name.__class__ is not str:
            name = group_of(record)
        seq, leased, groups, now = record[2], core.leased, core.groups, owner._now()
        # commit (without the lock: see core/groups.py)
        if core.quick and not core.touched and now < self.due and seq in leased and leased[seq] is self:
            group = groups[name]
            if group is seq or group == seq:
                del leased[seq]
                del groups[name]
                core.deleted += 1
                self.settled = True
                return
            if group.__class__ is not int:
                line, at = group.line, group.head
                plain = not (group.parked or core.parked)  # else what comes next is not just one more in the ring
                if line[at] == seq and (line[-1] == seq or (plain and line[at + 1] in core.fresh)):
                    del leased[seq]
                    core.deleted += 1
                    self.settled = True
                    if line[-1] == seq:
                        del groups[name]
                    else:
                        group.head = at + 1
                        group.ready = True
                        core.ring += (name,)
                        if at & 255 == 255:
                            core.touched += (record,)  # so what is gone from the line is forgotten
                    return
        owner.delete(self)


class TypedFifoMessage(FifoMessage[T], TypedMessage[T]):
    """A message of a typed FIFO queue."""

    __slots__ = ()


def failure_of(error: BaseException, attempts: int) -> Failure:
    """A handler's error as the message keeps it."""
    import traceback

    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    return Failure(name, str(error), "".join(traceback.format_exception(error)), attempts)
