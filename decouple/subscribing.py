"""The subscribing half of a Topic: who gets what is published, on which terms, from when and until when."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from typing import TYPE_CHECKING, Any

from decouple.amending import amend, replay_again, send_again
from decouple.arns import ACCOUNT, REGION, arn_of
from decouple.callers import caller, handled
from decouple.clock import Clock, datetime_at, random_bytes
from decouple.core.archive import Archive
from decouple.core.changes import Cause, Change
from decouple.core.once import Once
from decouple.core.records import EPOCH
from decouple.core.settings import SECOND
from decouple.errors import NeedsBroker, SubscriptionExists, SubscriptionNotFound, TopicClosed
from decouple.expiry import Expiry
from decouple.fanout import shares
from decouple.notification import Kind, Notification, Publication
from decouple.pending import CLOSED
from decouple.publish_steps import whole
from decouple.pushing import Line
from decouple.queue_at import QueueAt, there
from decouple.reporting import Observer, Reporter
from decouple.sending import Sending
from decouple.subscribers import Subscribers
from decouple.subscription import Replay, State, Subscription
from decouple.terms import compare, key_of, said, sink_of, terms_of
from decouple.topic_settings import TopicSettings

if TYPE_CHECKING:
    from decouple.core.backoff import Schedule
    from decouple.core.filters import Scope
    from decouple.keeping_subscriptions import KeptTopic
    from decouple.staff import Staff
    from decouple.subscription import Terms
    from decouple.targets import Target

__all__ = ["Subscribing"]

NOTHING_KEPT = nullcontext()
CONFIRMED_WITHIN = 2 * 86_400 * SECOND


class Subscribing:
    """The state of a topic; Topic fills it."""

    name: str
    fifo: bool
    clock: Clock
    _lock: threading.Lock
    _settings: TopicSettings
    _numbers: Iterator[int]
    _stem: str
    _subscribers: Subscribers
    _once: Once
    _archive: Archive[Publication] | None
    _log: deque[Change]
    _reporter: Reporter[Change]
    _staff: Staff | None = None
    _kept: KeptTopic | None = None  # where it outlives the process
    _closed: bool = False
    _published: int = 0
    _duplicates: int = 0
    _account: str = ACCOUNT
    _region: str = REGION
    _links: str | None = None
    _sign: Callable[[Notification], Mapping[str, str]] | None = None

    @property
    def arn(self) -> str:
        """Its Amazon resource name: arn:aws:sns:us-east-1:000000000000:order-events."""
        return arn_of("sns", self.name, account=self._account, region=self._region)

    @property
    def closed(self) -> bool:
        """Whether nothing is published any more."""
        return self._closed

    @property
    def subscriptions(self) -> list[Subscription]:
        """All that are not cancelled, in the order they were made."""
        with self._lock:
            return list(self._subscribers.by_arn.values())

    @property
    def _service(self) -> str:
        return self._links or f"https://sns.{self._region}.amazonaws.com"

    def subscription(self, arn: str) -> Subscription:
        """The one with this ARN. Raises SubscriptionNotFound."""
        with self._lock:
            found = self._subscribers.by_arn.get(arn)
        if found is None:
            raise SubscriptionNotFound(self.name, wanted=arn)
        return found

    def subscribed(self, target: Any) -> Subscription | None:
        """The subscription of this target, if it has one. Raises TypeError, ValueError."""
        key = key_of(target, sink_of(target, self))
        with self._lock:
            return self._subscribers.by_target.get(key)

    def subscribe(
        self,
        target: Any,
        *,
        filter: Mapping[str, Any] | None = None,
        filter_scope: Scope = "attributes",
        envelope: bool | None = None,
        dead_letter: Sending[Any] | None = None,
        retry: Schedule | Mapping[str, Any] | None = None,
        concurrency: int | None = None,
        max_rate: float | None = None,
        max_backlog: int | None = None,
        on_full: str | None = None,
        confirm: bool = True,
        replay_from: datetime | None = None,
        replay_until: datetime | None = None,
    ) -> Subscription:
        """Deliver to `target` what is published from now on: a Queue, a callable (def or async def, called with the
        Notification), an http(s):// URL, Email, SMS, Push, what has `deliver(notification)`, or a QueueAt.

        filter: a filter policy of SNS, which looks at the attributes or, with filter_scope="body", at the JSON body;
        envelope: SNS's JSON rather than the message as it is (None: for web endpoints); dead_letter: a queue for what
        cannot be delivered. Of pushed targets: retry: when to try again (None: SNS's policy for that kind of target);
        concurrency: deliveries at a time (4); max_rate: deliveries a second; max_backlog: how many may wait (100,000),
        and on_full what then becomes of the next: "dead_letter", "drop" it with a record, or "block" its publisher;
        confirm: False for an endpoint of one's own, which need not confirm. replay_from, replay_until: of a FIFO topic with
        an archive, what was published between these instants comes first (and nothing after the second).

        The same target again gives the same subscription. Raises TypeError, ValueError, InvalidFilter, NeedsBroker,
        SubscriptionExists (with other terms), TopicClosed; then nothing is changed. Source: SNS API, Subscribe.
        """
        given: dict[str, Any] = {
            "filter": filter,
            "filter_scope": filter_scope,
            "envelope": envelope,
            "dead_letter": dead_letter,
            "retry": retry,
            "concurrency": concurrency,
            "max_rate": max_rate,
            "max_backlog": max_backlog,
            "on_full": on_full,
        }
        if not isinstance(confirm, bool):
            raise TypeError(f"confirm must be True or False, not {confirm!r}")
        sink = sink_of(target, self)
        terms = terms_of(given, sink, self)
        if not isinstance(sink, (Sending, QueueAt)) and self._staff is None:
            raise NeedsBroker(f"delivering to {sink.endpoint}")
        start, end = self._replay_between(replay_from, replay_until)
        if self._kept is not None and (again := self._kept.again(target, sink, given, terms)) is not None:
            self._compare_replay(again, replay_from, replay_until, (start, end))
            return again
        new: Subscription | None = None
        missed: list[tuple[Publication, Exception]] = []
        try:
            with self._together(), self._lock:
                self._check_open()
                known = self._subscribers.by_target.get(key_of(target, sink))
                if known is not None:
                    compare(known, said(given), terms)
                    self._compare_replay(known, replay_from, replay_until, (start, end))
                    return known
                new = self._made(sink, target, terms, (start, end))
                pending = confirm and new.line is not None and new.line.target.confirms
                new.state = "pending" if pending else "confirmed"
                first = self._kept is None or self._kept.enter(new)
                if first:
                    self._enter(new, new.state)
                    if start is not None:
                        send_again(self, new, start, end, missed)
                    if not pending:
                        self._activate(new)
            if not first:  # another process has subscribed it meanwhile
                return self.subscribe(
                    target, **given, confirm=confirm, replay_from=replay_from, replay_until=replay_until
                )
            if pending:
                self._ask(new, "SubscriptionConfirmation")
            elif start is not None and new.queue is not None:
                new.queue._follow_up()
            for publication, error in missed:
                new.missed(publication, error)
        except BaseException:  # an interrupt, too, leaves nothing half: it would be known, and get nothing
            if new is not None:
                self._cancel(new, "subscribing was interrupted")
            raise
        self._reporter.report()
        return new

    def _made(
        self, sink: Sending[Any] | QueueAt | Target, target: Any, terms: Terms, replay: Replay, arn: str | None = None
    ) -> Subscription:
        arn = arn or f"{self.arn}:{self._stem}{next(self._numbers):012x}"
        subscription = Subscription(self, arn, sink, target, terms)
        subscription.replay = replay
        if isinstance(sink, Sending):
            self._share(subscription)
        elif isinstance(sink, QueueAt):
            if (queue := there(sink)) is not None:
                subscription.queue = queue
                self._share(subscription)
        elif self._staff is not None:
            make = Line if self._kept is None else self._kept.line
            subscription.line = make(subscription, sink, self._staff)
        return subscription

    def _share(self, subscription: Subscription) -> None:
        """Let its queue hold the topic's own records, where nothing has to be made or asked for each."""
        queue, sink = subscription.queue, subscription.sink
        plain = not (subscription.terms.envelope or self.fifo or (isinstance(sink, QueueAt) and sink.always))
        subscription.core = queue._core if plain and queue is not None and shares(queue, self._numbers) else None

    def _settle_on(self, subscription: Subscription, queue: Sending[Any]) -> None:
        """Another queue is at the subscription's address. A FIFO topic's lock is held, and it shares no records."""
        if self.fifo:
            subscription.queue = queue
            return
        with self._lock:
            # commit
            subscription.queue = queue
            self._share(subscription)
            self._subscribers.reroute()

    def _enter(self, subscription: Subscription, state: State) -> None:
        """Under the lock: it is known from now on."""
        key, arn = key_of(subscription.target, subscription.sink), subscription.arn
        log = self._changes(
            "subscribed",
            None,
            subscription=subscription.name,
            reason=arn,
            settings={"state": state, **told(subscription)},
        )
        # commit
        self._subscribers.by_target[key] = subscription
        self._subscribers.by_arn[arn] = subscription
        subscription.state = state
        self._log += log

    def _activate(self, subscription: Subscription) -> None:
        """Under the lock: it gets, and counts, what is published from now on."""
        subscription.begin(self._published)
        self._subscribers.activate(subscription)

    def _compare_replay(
        self, known: Subscription, start: datetime | None, end: datetime | None, replay: Replay
    ) -> None:
        """What was replayed is not replayed again, and nothing else would be seen to."""
        for setting, asked, then, now in zip(
            ("replay_from", "replay_until"), (start, end), replay, known.replay, strict=True
        ):
            if then is not None and then != now:
                current = None if now is None else datetime_at(self.clock, now)
                raise SubscriptionExists(self.name, endpoint=known.name, setting=setting, current=current, asked=asked)

    def _amend(self, subscription: Subscription, given: Mapping[str, Any]) -> None:
        amend(self, subscription, given)

    # -- replay --------------------------------------------------------------------------------------------------

    def _replay(self, instant: datetime | None, name: str) -> int | None:
        """An instant of the topic's clock. Raises TypeError, ValueError."""
        if instant is None:
            return None
        if not isinstance(instant, datetime) or instant.tzinfo is None:
            raise TypeError(f"{name} must be an aware datetime, not {instant!r}")
        if self._archive is None:
            raise ValueError(f"{name} needs an archive: declare FIFO topic {self.name!r} with archive=seconds")
        since = instant - EPOCH
        return ((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds) * 1_000 - self.clock.epoch

    def _replay_to(self, subscription: Subscription, start: datetime | None, until: datetime | None) -> None:
        replay_again(self, subscription, self._replay_between(start, until))

    def _replay_between(self, start: datetime | None, until: datetime | None) -> Replay:
        begins, ends = self._replay(start, "replay_from"), self._replay(until, "replay_until")
        if ends is not None and (begins is None or begins > ends):
            raise ValueError(f"replay_until ends what an earlier replay_from begins, not {start!r}")
        return begins, ends

    # -- confirming and ending -----------------------------------------------------------------------------------

    def _ask(self, subscription: Subscription, kind: Kind) -> None:
        """Send the endpoint a token, good for two days."""
        line, staff = subscription.line, self._staff
        assert line is not None
        assert staff is not None
        token = random_bytes(32).hex()
        now = self.clock.now()
        with self._lock:
            if subscription.state != ("pending" if kind == "SubscriptionConfirmation" else "cancelled"):
                return  # another thread has cancelled, or confirmed, it meanwhile
            # commit
            subscription.token = token
            self._subscribers.by_token[token] = subscription
        if self._kept is not None:
            self._kept.asked(subscription, token, now + CONFIRMED_WITHIN)
        seq = next(self._numbers)
        publication = Publication(f"{self._stem}{seq:012x}", (kind, now, seq))
        if (error := line.add(publication, kind=kind, token=token)) is not None:
            raise error
        staff.runner.put(Expiry(self, subscription.name, token), now + CONFIRMED_WITHIN)

    def confirm(self, token: str) -> Subscription:
        """Confirm the subscription that was sent this token, also again; or restore one that was just cancelled.

        Raises SubscriptionNotFound for an unknown token, or one over two days old. Source: SNS API, ConfirmSubscription.
        """
        with self._lock:
            subscription = self._subscribers.by_token.get(token)
        if subscription is None:
            raise SubscriptionNotFound(self.name, wanted=token)
        self._confirm(subscription)
        return subscription

    def unsubscribe(self, arn: str) -> None:
        """Cancel the subscription with this ARN; an unknown one is no error. Source: SNS API, Unsubscribe."""
        with self._lock:
            subscription = self._subscribers.by_arn.get(arn)
        if subscription is not None:
            self._cancel(subscription, "unsubscribed by its ARN")

    def _confirm(self, subscription: Subscription) -> None:
        with self._lock:
            self._check_open()
            if subscription.state == "confirmed":
                return
            key = key_of(subscription.target, subscription.sink)
            if self._subscribers.by_target.setdefault(key, subscription) is not subscription:
                return  # it was cancelled, and the endpoint is subscribed anew
            if subscription.line is not None:
                subscription.line.closed = False
            self._subscribers.by_arn[subscription.arn] = subscription
            subscription.state = "confirmed"
            self._activate(subscription)
            self._note("confirmed", subscription=subscription.name, reason=subscription.arn)
        if self._kept is not None:
            self._kept.keep(subscription)
        self._reporter.report()

    def _cancel(self, subscription: Subscription, why: str) -> None:
        """End it, whole also when interrupted: half cancelled, it would go on, and a second cancel() find nothing to do."""
        was, line = "cancelled", subscription.line
        if self._kept is not None:
            self._kept.ending(subscription)
        try:
            with self._lock:
                if subscription.arn in self._subscribers.by_arn:
                    was = subscription.state
                    whole(lambda: self._remove(subscription, why))
        finally:
            subscription.end()
        if line is not None and was == "confirmed" and line.target.protocol in ("http", "https") and not self._closed:
            self._ask(subscription, "UnsubscribeConfirmation")
        if self._kept is not None:
            self._kept.ended(subscription)
        self._reporter.report()

    def _remove(self, subscription: Subscription, why: str) -> None:
        """Under the lock: nobody knows it any more. May be begun anew after an interrupt."""
        key, arn = key_of(subscription.target, subscription.sink), subscription.arn
        self._subscribers.by_token.pop(subscription.token or "", None)  # only the way back leads here from now on
        self._subscribers.deactivate(subscription)
        subscription.finish(self._published)
        log = self._changes("unsubscribed", None, subscription=subscription.name, reason=why)
        if arn in self._subscribers.by_arn:
            # commit
            del self._subscribers.by_target[key]
            del self._subscribers.by_arn[arn]
            subscription.state = "cancelled"
            self._log += log

    def _give_up(self) -> None:
        """The broker has closed: nothing more is pushed, and no publisher waits for room any longer."""
        for subscription in self.subscriptions:
            if subscription.line is not None:
                subscription.line.close(CLOSED)

    def _expire(self, token: str) -> None:
        """Two days after a token was sent: it is void, and so is a subscription that nobody confirmed."""
        with self._lock:
            subscription = self._subscribers.by_token.pop(token, None)
        if subscription is not None and subscription.state == "pending" and subscription.token == token:
            self._cancel(subscription, "not confirmed within two days")
        if self._kept is not None:
            self._kept.expired(token, subscription)

    # -- what both halves use ------------------------------------------------------------------------------------

    def _together(self) -> AbstractContextManager[object]:
        """Within, what is kept is one transaction, where there are any. To be taken before the topic's lock, which a publish
        within an application's own transaction waits for, while it has the shelf's.
        """
        return NOTHING_KEPT if self._kept is None else self._kept.shelf.together()

    def _check_open(self) -> None:
        if self._closed:
            raise TopicClosed(self.name)

    def _employ(self, staff: Staff, numbers: Iterator[int], observers: Iterable[Observer]) -> None:
        """A broker takes the topic in: its workers push, its queues share one line of numbers, its observers listen."""
        self._staff = staff
        self._numbers = numbers
        self._reporter.observers = tuple(observers)

    def _write_as(self, links: str | None, sign: Callable[[Notification], Mapping[str, str]] | None) -> None:
        """What a broker tells its topics: where links lead, and what signs."""
        with self._lock:
            self._links, self._sign = links, sign
            for one in self._subscribers.by_arn.values():
                one.way = one.way._replace(service=self._service, sign=sign)

    def _note(self, cause: Cause, publication: Publication | None = None, **more: Any) -> None:
        """Record what happened, for observers to be told once no lock is held."""
        self._log += self._changes(cause, publication, **more)

    def _changes(self, cause: Cause, publication: Publication | None = None, **more: Any) -> tuple[Change, ...]:
        """The record of what happened, if anybody listens."""
        if not self._reporter.observers:
            return ()
        if publication is not None:
            more |= {"id": publication.id, "record": publication.record}
            if cause == "published":
                beside = {"subject": publication.subject, "per_protocol": publication.bodies}
                more |= {"during": handled(), "settings": beside if any(beside.values()) else None}
        at = self.clock.now() + self.clock.epoch
        return (Change(cause=cause, queue="", at=at, topic=self.name, who=caller(), **more),)

    def _tell(self, cause: Cause, publication: Publication | None = None, **more: Any) -> None:
        self._note(cause, publication, **more)
        self._reporter.report()


def told(subscription: Subscription) -> dict[str, Any]:
    """The terms that decide what it gets, for the records."""
    policy = subscription.terms.filter
    return {} if policy is None else {"filter": policy.text, "filter_scope": policy.scope}
