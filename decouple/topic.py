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
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from types import EllipsisType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from decouple.clock import Clock, Seconds, SystemClock, datetime_at
from decouple.core.archive import Archive
from decouple.core.once import Once
from decouple.core.places import SHARED
from decouple.core.records import PLAIN, Record
from decouple.errors import DecoupleError, InvalidBatch, LawBroken, NotDelivered
from decouple.fanout import spread
from decouple.message import FifoSent, Sent, new_sent, sequence_of
from decouple.notification import Publication
from decouple.publishing import Checked, Publish, checked
from decouple.receipts import new_stem
from decouple.reporting import Reporter
from decouple.subscribers import Subscribers, body_fields
from decouple.subscribing import Subscribing
from decouple.subscription import Subscription
from decouple.topic_settings import check_topic_name, read_topic_settings, shown_topic_setting

if TYPE_CHECKING:
    from decouple.attributes import Value
    from decouple.core.fields import Fields
    from decouple.core.places import Places
    from decouple.generic import Json
    from decouple.pushing import Line

__all__ = ["Topic", "TopicStats"]

S = TypeVar("S")
NOTHING_MORE = (None,) * 6


class TopicStats(NamedTuple):
    """A topic's numbers. unindexed: filter policies that each publication is tested against one by one."""

    published: int
    duplicates: int
    subscriptions: int
    pending: int
    unindexed: int
    archived: int


class Topic(Subscribing):
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
        self.clock = clock or SystemClock()
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
        if body.__class__ is str and given == NOTHING_MORE:
            text: Any = body
            # ASCII text encodes to as many bytes as it has characters; all other text takes the general path.
            if text.isascii() and 0 < len(text) <= self._settings.max_message_size:
                sent = self._publish_plainly(text)
                if sent is not None:
                    return sent
        return self._publish(checked(Publish(body, *given), self))

    def _publish_plainly(self, text: str) -> Sent | None:
        """The short path of a text for queues alone: None where there is more to it, and nothing was done."""
        with self._lock:
            routes = self._subscribers.routes()
            if self.fifo or self._closed or routes.others or self._subscribers.filtered or self._reporter.observers:
                return None
            record = text, self.clock.now(), next(self._numbers)
            self._published += 1
        rest: list[Places] = []
        whole(lambda them: spread(them, record, len(text), rest), routes.cores)
        failures: dict[str, Exception] = {}
        if rest:
            publication = Publication(f"{self._stem}{record[2]:012x}", record)
            served = [routes.sharing[core] for core in rest]
            whole(lambda them: self._deliver(them, publication, [], failures), served)
        return self._answer(new_sent(Sent, self._stem, record[2]), failures)

    def publish_batch(self, entries: Iterable[Json | Publish]) -> list[Sent]:
        """Publish any number of messages; their ids in the same order. An entry is a body, or a Publish with more to it.

        All are checked first: InvalidBatch lists every wrong one by position, and nothing is published. Raises
        TopicClosed, and NotDelivered once all are published. Source: SNS API, PublishBatch (no limit of ten here).
        """
        given: Any = entries
        if isinstance(given, (str, bytes, bytearray, Mapping, Publish)):
            raise TypeError(f"entries must be a list of bodies, not one of them, {given!r:.60}: use publish(...)")
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
        body = body_fields(one.text) if self._subscribers.reads_bodies() else None
        if self.fifo:
            return self._publish_in_order(one, body)
        held = self._hold_places(one, body) if self._subscribers.blocking else []
        try:
            return self._publish_to_all(one, body, held)
        finally:
            release(held)  # what was used is not in here any more

    def _publish_to_all(self, one: Checked, body: Fields | None, held: list[Line]) -> Sent:
        """A standard topic's publish: who gets it is one step, and each then has it without waiting for the others."""
        with self._lock:
            self._check_open()
            seq = next(self._numbers)
            publication = self._publication(one, seq)
            cores, sharing, others = self._subscribers.routes()
            found = self._find(one, body)
            self._published += 1
            self._note("published", publication)
        if one.bodies is not None or (one.details is not None and one.details.group is not None):
            others, cores = (
                (*sharing.values(), *others, *found),
                (),
            )  # what differs from queue to queue is not to be shared
        elif found:
            sharing = {**sharing, **{here.core: here for here in found if here.core is not None}}
            others, cores = (*others, *(here for here in found if here.core is None)), tuple(sharing)
        rest: list[Places] = []
        failures: dict[str, Exception] = {}
        whole(lambda them: spread(them, publication.record, one.size, rest), cores)
        others = (*(sharing[core] for core in rest), *others)
        whole(lambda them: self._deliver(them, publication, held, failures), others)
        self._reporter.report()
        return self._answer(new_sent(Sent, self._stem, seq), failures)

    def _deliver(
        self,
        subscriptions: Iterator[Subscription],
        publication: Publication,
        held: list[Line],
        failures: dict[str, Exception],
    ) -> None:
        """Give each its copy as it wants it."""
        for subscription in subscriptions:
            line, queue = subscription.line, subscription.queue
            if line is not None:
                line.add(publication, reserved=line in held)
                if line in held:
                    held.remove(line)
            elif queue is not None:
                try:
                    error = subscription.send(publication)
                finally:
                    queue._follow_up()
                if error is not None and not subscription.missed(publication, error):
                    failures[subscription.name] = error

    def _publish_in_order(self, one: Checked, body: Fields | None) -> Sent:
        """A FIFO topic's publish: all queues have it before the next one is given a number."""
        missed: list[tuple[Subscription, Exception]] = []
        touched: list[Subscription] = []
        with self._lock:
            self._check_open()
            now, details = self.clock.now(), one.details or PLAIN
            by_topic = self._settings.deduplication_scope == "topic"
            key = details.deduplication_id if by_topic else (details.group, details.deduplication_id)
            first = self._once.first(now, key)
            if first is not None:
                self._duplicates += 1
                return new_sent(FifoSent, self._stem, first)
            seq = next(self._numbers)
            publication = self._publication(one, seq)
            subscriptions = (*self._subscribers.routes().others, *self._find(one, body))
            self._once.remember(now, key, seq)
            if self._archive is not None:
                self._archive.add(now, publication)
            self._published += 1
            self._note("published", publication)
            whole(lambda them: send_each(them, publication, touched, missed), subscriptions)
        failures: dict[str, Exception] = {}
        for subscription in touched:
            if subscription.queue is not None:
                subscription.queue._follow_up()
        for subscription, error in missed:
            if not subscription.missed(publication, error):
                failures[subscription.name] = error
        self._reporter.report()
        return self._answer(new_sent(FifoSent, self._stem, seq), failures)

    def _find(self, one: Checked, body: Fields | None) -> list[Subscription]:
        """Those whose filter lets it pass, and counted."""
        found = self._subscribers.matching(one.details or PLAIN, body)
        for subscription in found:
            subscription._passed += 1
        return found

    def _hold_places(self, one: Checked, body: Fields | None) -> list[Line]:
        """Wait until every backlog that blocks its publishers has room. Nothing was published yet."""
        with self._lock:
            found = [*self._subscribers.routes().others, *self._subscribers.matching(one.details or PLAIN, body)]
        held: list[Line] = []
        try:
            for subscription in found:
                if subscription.line is not None and subscription.terms.on_full == "block":
                    subscription.line.reserve()
                    held.append(subscription.line)
        except BaseException:
            release(held)
            raise
        return held

    def _publication(self, one: Checked, seq: int) -> Publication:
        now = self.clock.now()
        record: Record = (one.text, now, seq) if one.details is None else (one.text, now, seq, one.details)
        sequence = sequence_of(seq) if self.fifo else None
        return Publication(f"{self._stem}{seq:012x}", record, one.subject, one.bodies, sequence)

    def _answer(self, sent: Sent, failures: dict[str, Exception]) -> Sent:
        if failures:
            raise NotDelivered(self.name, published=sent, failures=failures)
        return sent

    # -- looking -------------------------------------------------------------------------------------------------

    @property
    def settings(self) -> dict[str, Any]:
        """The settings by name, durations in seconds."""
        shown = {name: shown_topic_setting(name, value) for name, value in self._settings._asdict().items()}
        return shown if self.fifo else {"max_message_size": shown["max_message_size"]}

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


def whole(give: Callable[[Iterator[S]], None], everyone: Iterable[S]) -> None:
    """Go through all of them, also when interrupted (Ctrl-C): half a fan-out would be neither sent nor not sent.

    The interrupt is raised afterwards. The one that was being served then may have its copy or not; it is the only one.
    """
    them = iter(everyone)
    interrupt: BaseException | None = None
    while True:
        try:
            give(them)
            break
        except BaseException as error:
            interrupt = interrupt or error
    if interrupt is not None:
        raise interrupt


def send_each(
    subscriptions: Iterator[Subscription],
    publication: Publication,
    touched: list[Subscription],
    missed: list[tuple[Subscription, Exception]],
) -> None:
    """Give each queue its copy, but for what follows from it."""
    for subscription in subscriptions:
        if subscription.until is None or publication.record[1] <= subscription.until:
            touched.append(subscription)
            error = subscription.send(publication)
            if error is not None:
                missed.append((subscription, error))


def release(held: Iterable[Line]) -> None:
    """Give back places in backlogs that were not used."""
    for line in held:
        line.unreserve()
