"""Topic: publish once, delivered to every subscription whose filter lets it pass (SNS).

Queues have their copy when `publish` returns; other targets are pushed to by the broker's workers, with retries. There is
no recall. A standard topic promises no order. A FIFO topic delivers to queues in the order of publishing within each
group, counts a publish once by its deduplication id, and may keep an archive to replay.

Who gets a publication is decided under the topic's lock, in one step, so each subscription has it exactly once or not at
all; what it costs follows the subscriptions that match, not those that exist (core/filter_index.py).
"""

from __future__ import annotations

import itertools
import threading
from collections import deque
from collections.abc import Iterable, Mapping
from datetime import datetime
from types import EllipsisType
from typing import TYPE_CHECKING, Any, NamedTuple, Unpack

from decouple.amending import change_settings
from decouple.clock import Clock, Seconds, datetime_at, default_clock
from decouple.core.archive import Archive
from decouple.core.once import Once
from decouple.core.places import SHARED
from decouple.core.records import PLAIN, Record
from decouple.errors import DecoupleError, InvalidBatch, LawBroken, NotDelivered
from decouple.expecting.asserting import AssertingTopic
from decouple.fanout import spread
from decouple.lineage import LINEAGE, RUNS
from decouple.message import FifoSent, Sent, new_sent, sequence_of
from decouple.mishaps.effects import WATCHED, about, done
from decouple.notification import Publication
from decouple.publish_steps import Out, differs, release, whole
from decouple.publishing import Checked, Publish, checked
from decouple.receipts import new_stem
from decouple.reporting import Reporter
from decouple.subscribers import Subscribers, body_fields
from decouple.subscribing import Subscribing
from decouple.topic_settings import check_topic_name, read_topic_settings, shown_topic_setting

if TYPE_CHECKING:
    from decouple.attributes import Value
    from decouple.core.fields import Fields
    from decouple.generic import Json
    from decouple.pushing import Line
    from decouple.topic_settings import GivenTopicSettings

__all__ = ["Topic", "TopicStats"]

NOTHING_MORE = (None,) * 6


class TopicStats(NamedTuple):
    """A topic's numbers. unindexed: filter policies that each publication is tested against one by one."""

    published: int
    duplicates: int
    subscriptions: int
    pending: int
    unindexed: int
    archived: int


class Topic(Subscribing, AssertingTopic):
    """A topic: standard, or FIFO by a name that ends in .fifo (or fifo=True).

    max_message_size: UTF-8 bytes of body and attributes, 1,024 to 1,048,576 (262,144). For FIFO topics:
    content_based_deduplication: the deduplication id is the SHA-256 of the message where none is given; deduplication_scope:
    "topic", or "messageGroup" for ids per group; archive: for how long what was published is kept for replay, in seconds
    or as a timedelta. clock: SystemClock() by default. Source: SNS developer guide.

    Alone, a topic delivers to queues; for all other targets it needs the workers of a broker.
    """

    def __init__(
        self,
        name: str,
        *,
        fifo: bool | None = None,
        content_based_deduplication: bool = False,
        deduplication_scope: str = "topic",
        max_message_size: int = 262_144,
        archive: Seconds | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.name = check_topic_name(name, fifo)
        self.fifo = name.endswith(".fifo") if fifo is None else fifo
        if clock is not None and not callable(getattr(clock, "now", None)):
            raise TypeError(f"clock must be a Clock, SystemClock() or VirtualClock(), not {clock!r}")
        self.clock = clock or default_clock()
        given = {
            "content_based_deduplication": content_based_deduplication,
            "deduplication_scope": deduplication_scope,
            "max_message_size": max_message_size,
            "archive": archive,
        }
        self._settings = read_topic_settings(self, given)
        self._lock = threading.Lock()
        self._numbers = itertools.count(SHARED)
        self._stem = new_stem()
        self._subscribers = Subscribers()
        self._once = Once()
        kept = self._settings.archive
        self._archive = None if kept is None else Archive(kept)
        self._log = deque()
        self._reporter = Reporter(self._log, threading.Lock())

    def __repr__(self) -> str:
        kind = ("FIFO, " if self.fifo else "") + ("closed, " if self._closed else "")
        return f"<Topic {self.name!r}: {kind}{len(self._subscribers.by_arn)} subscriptions>"

    # -- publishing ----------------------------------------------------------------------------------------------

    def publish(
        self,
        body: Json | EllipsisType = ...,
        *,
        subject: str | None = None,
        attributes: Mapping[str, Value] | None = None,
        group: str | None = None,
        deduplication_id: str | None = None,
        per_protocol: Mapping[str, str] | None = None,
        system: Mapping[str, str] | None = None,
    ) -> Sent:
        """Deliver a message to every subscription whose filter lets it pass; its id is in the answer.

        body: text, or what becomes JSON text; subject: a line of up to 99 characters; attributes: any number; group: on a
        standard topic the tenant, for queues; per_protocol: other texts for single protocols ("sqs", "http", "https",
        "email", "email-json", "sms", "application", "lambda"), with "default" instead of a body.

        Raises TypeError, ValueError, MessageTooLarge, TopicClosed; then nothing was published. Raises NotDelivered when it
        was, and some queues did not take it. Cost: O(subscriptions that match). Source: SNS API, Publish.
        """
        given = subject, attributes, group, deduplication_id, per_protocol, system
        if (
            body.__class__ is str
            and given == NOTHING_MORE
            and not (self.fifo or self._kept is not None)
            and self._subscribers.plain
            and not (RUNS and LINEAGE.get())
            and not WATCHED
        ):
            text: Any = body
            # ASCII text encodes to as many bytes as it has characters; all other text takes the general path.
            if text.isascii() and 0 < len(text) <= self._settings.max_message_size:
                return self._publish_plainly(text)
        return self._publish(checked(Publish(body, *given), self))

    def _publish_plainly(self, text: str) -> Sent:
        """The short path of a text with nothing more to it, where all queues share its record: 2 us, the general one 8."""
        out = Out()

        def go() -> None:
            if out.record is None:
                with self._lock:
                    cores, sharing, others = self._subscribers.routes()
                    if self._closed or others or self._reporter.observers or not self._subscribers.plain:
                        return
                    record, to_come = (text, self.clock.now(), next(self._numbers)), iter(cores)
                    out.others = map(sharing.__getitem__, out.rest)
                    # commit
                    self._published += 1
                    out.cores = to_come
                    out.record = record
            assert out.record is not None
            spread(out.cores, out.record, len(text), out.rest)
            if out.rest:
                self._deliver(out, Publication(f"{self._stem}{out.record[2]:012x}", out.record), {})

        whole(go, out)
        if out.record is None:
            return self._publish(Checked(text, None, None, None, len(text)))
        return self._answer(Sent, out)

    def publish_batch(self, entries: Iterable[Json | Publish]) -> list[Sent]:
        """Publish any number of messages; their ids in the same order. An entry is a body, or a Publish with more to it.

        All are checked first: InvalidBatch lists every wrong one by position, and nothing is published. Raises
        TopicClosed, and NotDelivered once all are published. Source: SNS API, PublishBatch (no limit of ten here).
        """
        given: Any = entries
        if isinstance(given, (str, bytes, bytearray, Mapping, Publish)):
            raise TypeError(f"entries must be a list of bodies, not one of them, {given!r:.60}: use publish(...)")
        if not hasattr(given, "__iter__"):
            raise TypeError(f"entries must be a list of bodies, not {given!r:.60}")
        ready: list[Checked] = []
        errors: dict[int, Exception] = {}
        bodies: list[Any] = list(given)
        for position, entry in enumerate(bodies):
            try:
                ready.append(checked(entry if isinstance(entry, Publish) else Publish(entry), self))
            except (TypeError, ValueError, DecoupleError) as error:
                errors[position] = error
        if errors:
            raise InvalidBatch(self.name, errors=errors, entries=len(bodies), kind="topic")
        published: list[Sent] = []
        failures: dict[str, Exception] = {}
        for one in ready:
            try:
                published.append(self._publish(one))
            except NotDelivered as error:
                published.append(error.published)
                failures |= error.failures
        if failures:
            raise NotDelivered(self.name, published=published, failures=failures)
        return published

    def _publish(self, one: Checked) -> Sent:
        if WATCHED:
            about(f"a publish to topic {self.name!r}")
        sent = self._send_out(one) if self._kept is None else self._kept.publish(one)
        if WATCHED:
            done(f"a publish to topic {self.name!r}")
        return sent

    def _send_out(self, one: Checked) -> Sent:
        body = body_fields(one.text) if self._subscribers.reads_bodies() else None
        return self._publish_in_order(one, body) if self.fifo else self._publish_at_once(one, body)

    def _publish_at_once(self, one: Checked, body: Fields | None) -> Sent:
        held: dict[Line, None] = {}
        try:
            if self._subscribers.blocking:
                self._hold_places(one, body, held)
            return self._publish_to_all(one, body, held)
        finally:
            if held:  # what was used is not in here any more
                whole(lambda: release(held))

    def _publish_to_all(self, one: Checked, body: Fields | None, held: dict[Line, None]) -> Sent:
        """A standard topic's publish: who gets it is one step, and each then has it without waiting for the others."""
        out = Out()

        def go() -> None:
            if out.publication is None:
                self._admit(one, body, out)
            else:
                self._count(out)
            assert out.publication is not None
            spread(out.cores, out.publication.record, one.size, out.rest)
            self._deliver(out, out.publication, held)

        whole(go, out)
        if self._log:
            self._reporter.report()
        return self._answer(Sent, out)

    def _admit(self, one: Checked, body: Fields | None, out: Out) -> None:
        """Decide who gets it. From the commit on it is published, whatever comes in between."""
        with self._lock:
            self._check_open()
            publication = self._publication(one, self.clock.now())
            cores, sharing, others = self._subscribers.routes()
            found = self._subscribers.matching(one.details or PLAIN, body)
            if differs(one):
                others, cores = (*sharing.values(), *others, *found), ()
            elif found:
                sharing = {**sharing, **{here.core: here for here in found if here.core is not None}}
                others, cores = (*others, *(here for here in found if here.core is None)), tuple(sharing)
            out.cores, out.found = iter(cores), iter(found)
            out.others = itertools.chain(others, map(sharing.__getitem__, out.rest))
            log = self._changes("published", publication)
            # commit
            self._published += 1
            self._log += log
            out.publication = publication
            out.record = publication.record
            for subscription in out.found:
                subscription._passed += 1

    def _count(self, out: Out) -> None:
        """What an interrupt kept from being counted."""
        with self._lock:
            for subscription in out.found:
                subscription._passed += 1

    def _deliver(self, out: Out, publication: Publication, held: dict[Line, None]) -> None:
        """Give each its copy as it wants it."""
        for subscription in out.others:
            if subscription.line is not None:
                if (unkept := subscription.line.add(publication, held=held)) is not None:
                    out.failures[subscription.name] = unkept
                continue
            try:
                error = subscription.send(publication)
            finally:
                if subscription.queue is not None:
                    subscription.queue._follow_up()
            if error is not None and not subscription.missed(publication, error):
                out.failures[subscription.name] = error

    def _publish_in_order(self, one: Checked, body: Fields | None) -> Sent:
        """A FIFO topic's publish: all queues have it before the next one is given a number."""
        out = Out()
        try:
            with self._lock:
                self._check_open()
                now, details = self.clock.now(), one.details or PLAIN
                by_topic = self._settings.deduplication_scope == "topic"
                key = details.deduplication_id if by_topic else (details.group, details.deduplication_id)
                first = self._once.first(now, key)
                if first is None:
                    whole(lambda: self._admit_in_order(one, body, now, key, out), out)
                    if self._kept is not None:
                        self._kept.check_remembered()
                else:
                    self._duplicate(one, now, first)
            if first is not None:
                self._reporter.report()
                return new_sent(FifoSent, self._stem, first)
            self._follow_up(out)
        finally:
            if out.touched or out.missed:  # interrupted: those who wait at the queues would sleep on
                whole(lambda: self._follow_up(out))
        self._reporter.report()
        return self._answer(FifoSent, out)

    def _duplicate(self, one: Checked, now: int, first: int) -> None:
        """Under the lock: accepted and delivered to nobody, for its id was used in the last five minutes."""
        identity, details = f"{self._stem}{first:012x}", one.details or PLAIN
        reason = f"deduplication id {details.deduplication_id!r} was that of {identity}"
        log = self._changes("duplicate", record=(one.text, now, first, details), reason=reason)
        # commit
        self._duplicates += 1
        self._log += log

    def _admit_in_order(self, one: Checked, body: Fields | None, now: int, key: Any, out: Out) -> None:
        """Under the lock. From the commit on it is published, whatever comes in between."""
        if out.publication is None:
            publication = self._publication(one, now)
            self._subscribers.retire(now, self._published)
            found = self._subscribers.matching(one.details or PLAIN, body)
            out.others = itertools.chain(self._subscribers.routes().others, found)
            out.found = iter(found)
            log = self._changes("published", publication)
            # commit
            self._published += 1
            self._log += log
            out.publication = publication
            out.record = publication.record
        if self._archive is not None:
            self._archive.add(now, out.publication)
        for subscription in out.found:
            subscription._passed += 1
        for subscription in out.others:
            out.touched.append(subscription)
            error = subscription.send(out.publication)
            if error is not None:
                out.missed.append((subscription, error))
        # Only now: a publisher whose process ends before tries again, and those without a copy get theirs.
        self._once.remember(now, key, out.publication.record[2])

    def _follow_up(self, out: Out) -> None:
        """What follows from a publish in order, once the lock is released."""
        while out.touched:
            if (queue := out.touched[0].queue) is not None:
                queue._follow_up()
            del out.touched[0]
        while out.missed and out.publication is not None:
            subscription, error = out.missed[0]
            del out.missed[0]
            if not subscription.missed(out.publication, error):
                out.failures[subscription.name] = error

    def _hold_places(self, one: Checked, body: Fields | None, held: dict[Line, None]) -> None:
        """Wait until every backlog that blocks its publishers has room. Nothing was published yet."""
        with self._lock:
            found = [*self._subscribers.routes().others, *self._subscribers.matching(one.details or PLAIN, body)]
        for subscription in found:
            if subscription.line is not None and subscription.terms.on_full == "block":
                subscription.line.reserve(held)

    def _publication(self, one: Checked, now: int) -> Publication:
        seq = next(self._numbers)
        record: Record = (one.text, now, seq) if one.details is None else (one.text, now, seq, one.details)
        sequence = sequence_of(seq) if self.fifo else None
        return Publication(f"{self._stem}{seq:012x}", record, one.subject, one.bodies, sequence)

    def _answer(self, kind: type[Sent], out: Out) -> Sent:
        assert out.record is not None
        sent = new_sent(kind, self._stem, out.record[2])
        if out.failures:
            raise NotDelivered(self.name, published=sent, failures=out.failures)
        return sent

    # -- looking -------------------------------------------------------------------------------------------------

    @property
    def settings(self) -> dict[str, Any]:
        """The settings by name, durations in seconds."""
        shown = {name: shown_topic_setting(name, value) for name, value in self._settings._asdict().items()}
        return shown if self.fifo else {"max_message_size": shown["max_message_size"]}

    def configure(self, **settings: Unpack[GivenTopicSettings]) -> None:
        """Change a live topic. Raises TypeError, ValueError; then nothing is changed. Source: SNS API, SetTopicAttributes.

        Without an archive what it held is forgotten; with another one what is too old for it goes.
        """
        change_settings(self, settings)

    @property
    def content_based_deduplication(self) -> bool:
        """Whether the deduplication id is made from the message where none is given."""
        return self._settings.content_based_deduplication

    @property
    def max_message_size(self) -> int:
        """The most UTF-8 bytes of body and attributes."""
        return self._settings.max_message_size

    @property
    def archived_since(self) -> datetime | None:
        """When the oldest message of the archive was published; None while it is empty, or there is none."""
        with self._lock:
            begins = None if self._archive is None else self._archive.begins(self.clock.now())
        return None if begins is None else datetime_at(self.clock, begins)

    def stats(self) -> TopicStats:
        """Its numbers now; each subscription has its own. Cost: O(subscriptions)."""
        with self._lock:
            everyone = self._subscribers.by_arn.values()
            if self._archive is not None:
                self._archive.prune(self.clock.now())
            return TopicStats(
                published=self._published,
                duplicates=self._duplicates,
                subscriptions=len(everyone),
                pending=sum(one.state == "pending" for one in everyone),
                unindexed=self._subscribers.unindexed,
                archived=0 if self._archive is None else len(self._archive),
            )

    def check(self) -> None:
        """Prove that no notification was lost on its way: accepted = delivered + dead_lettered + dropped + backlog.

        For every subscription, also while threads run. Raises LawBroken. Cost: O(subscriptions).
        """
        for subscription in self.subscriptions:
            line = subscription.line
            if line is not None and (faults := line.faults()):
                raise LawBroken(f"{faults} in {subscription.name} of topic {self.name!r}", numbers=line.numbers())

    def close(self) -> None:
        """Publish nothing more. What waits to be pushed is still delivered by the broker. Twice is no error."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._note("topic closed")
        self._reporter.report()
