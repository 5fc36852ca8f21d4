"""The record of one state change: what happened to which message, when, and by what cause.

Every transition of a queue makes exactly one when somebody listens, and none otherwise. Metrics, the ledger, a
journal and assertions in tests all read this one stream, so a change carries what is needed to repeat it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple, TypeAlias

from decouple.core.records import EPOCH, Record, details_of

__all__ = ["BY_ITSELF", "Cause", "Change"]

Cause: TypeAlias = Literal[
    "sent",  # accepted; visible at once, or at `until` when delayed
    # a send or publish that was accepted and not enqueued: its id was used in the last five minutes; `reason` has it
    "duplicate",
    "moved in",  # a message came from the queue `other`; delayed until `until`, if given
    "delay ended",  # became visible
    "delay changed",  # visible at `until` now: the delay of a FIFO queue holds for what is stored and not received yet
    "received",  # in flight until `until`
    "given back",  # the receive that took it was cancelled or interrupted: count restored, at the front
    "visibility changed",  # in flight until `until` instead
    "nacked",  # visible again, by nack or a visibility of 0
    "expired",  # visible again, its time in flight ran out
    "moving",  # on its way to `other`, no longer to be had here
    "refused",  # `other` did not take it: in flight here again until `until`, or visible as it was
    "moved",  # gone to `other`
    "rejected",  # gone by reject() from a queue without a dead-letter queue; `reason` says why
    "deleted",  # gone, acknowledged; with a `reason` when nobody was to handle it
    "retained out",  # gone, older than the queue's retention
    "purged",  # gone, by purge() or with its queue
    "group parked",  # nothing of the group `reason` is given until it is released: its first message keeps failing
    "group released",  # given again
    "configured",  # `settings` of the queue, or of the topic or its subscription, changed
    "closed",  # the queue takes and gives no more
    "too late",  # a FIFO queue refused a receipt whose time in flight was over: nothing changed
    # something that may happen to the real service was made to happen; `reason` says what, its first word the kind
    "fault",
    "denied",  # a principal's call was refused; `reason` says whose, what and why
    # of a topic, named by `topic`; `id` is the publication's, `subscription` says which
    "published",  # accepted by a topic, and on its way to every subscription that wants it
    "subscribed",  # a subscription was made; `reason` has its ARN
    "confirmed",  # its endpoint confirmed it
    "unsubscribed",  # it was cancelled, or nobody confirmed it in time; `reason` says which
    "delivered",  # a target took the notification, at the attempt `receives`; `reason` has its answer
    "delivery failed",  # it did not; tried again at `until`
    "undelivered",  # given up, `reason` says why: gone, or in the dead-letter queue `other`
    "topic closed",  # nothing is published any more
    # of a function, named by `function`; `id` is the request's
    "invoked",  # a run ended well
    "invocation failed",  # a run ended with an error or by its timeout; `reason` has it
    "late delete",  # a trigger's messages were in flight no more when they were to be deleted; `other` is their queue
    "late result",  # a handler returned or failed after its timeout: discarded
    "event accepted",  # handed over with send()
    "destination failed",  # `other` did not take the record of a run, or the event itself; `reason` says why
    "event given up",  # not tried again, `reason` says why: gone, or with the destinations `other`
    # of a schedule, named by `schedule`; `id` is that of what was due
    "fired",  # its target has the payload, at the attempt `receives`
    "firing failed",  # it did not take it; tried again at `until`
    "firing given up",  # not tried again, `reason` says why: gone, or in the dead-letter queue `other`
    "schedule ended",  # it is never due again; `reason` says why
]

BY_ITSELF: frozenset[Cause] = frozenset({"expired", "delay ended", "retained out"})
"""What nobody is behind but time."""


class Change(NamedTuple):
    """One state change.

    queue: its name, "" for a change of anything else; at: nanoseconds since 1970, the instant it was due even when noticed
    later; seq, id: the message (None for a change of the queue itself); receives: how often it had been received; record:
    text, instant of sending, seq and details, in the queue's own terms; until: the instant the new state ends; other: the
    queue at the other end of a move; reason: words where there are any; settings: what a `configured` set, the terms of a
    `subscribed`, what a `published` has beside its record; origin: the id it had in `other`, where the move gave it a new
    one, or that of the publication it is a copy of, by `subscription`; topic, subscription, function, schedule: their
    names, for changes of these; who: the thread, task or handler that caused it, None where time did; receipt: of which
    receive the receipt was that settled it; during: of what was sent by a handler, the id of what that was handling.
    """

    cause: Cause
    queue: str
    at: int
    seq: int | None = None
    id: str | None = None
    receives: int = 0
    record: Record | None = None
    until: int | None = None
    other: str | None = None
    reason: str | None = None
    settings: Mapping[str, Any] | None = None
    origin: str | None = None
    topic: str | None = None
    subscription: str | None = None
    function: str | None = None
    schedule: str | None = None
    who: str | None = None
    receipt: int | None = None
    during: str | None = None

    @property
    def happened_at(self) -> datetime:
        """The instant as an aware UTC datetime, to the microsecond."""
        return EPOCH + timedelta(microseconds=self.at // 1_000)

    @property
    def injects(self) -> bool:
        """Whether it is a fault that made one more message."""
        return self.cause == "fault" and self.reason is not None and self.reason.startswith("duplicate")

    @property
    def delays(self) -> bool:
        """Whether it is a fault that made a message visible later than `until`, the instant that was asked for."""
        return self.cause == "fault" and self.reason is not None and self.reason.startswith("delay")

    @property
    def headline(self) -> str:
        """What happened, in a few words."""
        return f"a message was {self.cause} in queue {self.queue!r}"

    @property
    def text(self) -> str | None:
        """The message's body."""
        return None if self.record is None else self.record[0]

    @property
    def attributes(self) -> Mapping[str, Any]:
        """The message's attributes. Cost: a new dict each time."""
        return {} if self.record is None else dict(details_of(self.record).attributes)
