"""Queue: a state machine of core/, a lock and a clock, behind one synchronous and one asynchronous face.

Every operation takes the lock once, reads the clock once inside it, and does after releasing it what must not happen
under it: observers are told, dead letters are carried over, parked receives are woken (`_follow_up`). Whoever is
interrupted in between leaves that work in the state, and the next operation does it.

Cost is what users do most: send, receive, ack. Those have a short path at their top; the rest of each is general.
"""

from __future__ import annotations

import sys
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from itertools import islice, repeat
from typing import TYPE_CHECKING, Any, Generic, Literal, Unpack, cast

from decouple.aio import AsyncQueue
from decouple.arns import ACCOUNT, REGION, arn_of
from decouple.attributes import Value
from decouple.clock import Clock, Seconds, SystemClock, datetime_at, nanoseconds
from decouple.core.dedup import Key
from decouple.core.fifo import Fifo
from decouple.core.machine import Machine
from decouple.core.places import Move
from decouple.core.records import Delivery, Details, Failure, Record, new_delivery
from decouple.core.settings import LONGEST_IN_FLIGHT, SECOND, Settings
from decouple.core.standard import Standard
from decouple.entries import check_id, checked, deduplication_id_for, plain
from decouple.errors import (
    BodyNotDecoded,
    DecoupleError,
    InvalidBatch,
    LawBroken,
    NotInFlight,
    QueueClosed,
    ReceiptExpired,
    TooManyInFlight,
    VisibilityTooLong,
)
from decouple.generic import Json, T
from decouple.large_bodies import LargeBodies, LargeMessage, Pointer, bring_in, remove_all, unreadable
from decouple.lobby import Lobby
from decouple.message import Entry, FifoMessage, FifoSent, Message, Sent, TypedFifoMessage, TypedMessage, new_sent
from decouple.movetask import MoveTask
from decouple.moving import carry, hand_on
from decouple.parking import TaskPark, ThreadPark
from decouple.receipts import GONE, count_of, id_of, new_stem, receipt_of, seq_of, text_of_receipt
from decouple.redrive import redrive
from decouple.reporting import Observer, Reporter
from decouple.settings import FIFO, QueueSettings, check_queue_name, read_settings, shown_setting
from decouple.sharing import Context, SharedQueue, shared
from decouple.stats import GroupStats, QueueStats, groups_of, stats_of
from decouple.tags import Tags, change_tags, check_tags, with_tags, without_tags

__all__ = ["Queue"]

if TYPE_CHECKING:
    from decouple.codecs import Codec
    from decouple.core.policy import Policy

# by: FIFO, typed
MESSAGES = {
    (False, False): Message,
    (False, True): TypedMessage,
    (True, False): FifoMessage,
    (True, True): TypedFifoMessage,
}
# The lock-free doors of the engine rely on the steps of an interpreter with a GIL.
HAS_GIL = sys.implementation.name == "cpython" and getattr(sys, "_is_gil_enabled", lambda: True)()


class Queue(Generic[T]):
    """A queue: standard (at least once, in any order, oldest visible first in calm times) or FIFO.

    A received message is invisible for the visibility timeout and then comes back, unless it was deleted. Threads and
    asyncio tasks of any number of loops may share one queue; `queue.aio` has the same methods, awaitable.

    visibility_timeout: 0 to 43,200 s (30); delay: 0 to 900 s before a message is visible (0); retention: 60 to 1,209,600 s
    (4 days); wait: how long a receive waits by default (0); max_message_size: UTF-8 bytes of body and attributes (1 MiB);
    dead_letter, max_receives: where a message goes at the receive after the last allowed one (dead_letter alone: only
    rejected messages and bodies that do not decode); max_in_flight (120,000); redrive_allow: which queues may
    begin to use this one as dead letter, "all", "none" or up to ten; large_bodies: where to keep bodies over
    the limit; body: what is sent and received, str or a class; tags: up to 50, text by name; clock: SystemClock, or the
    dead-letter queue's. Source: SQS developer guide.

    fifo (None: a name that ends in .fifo): order within each group of messages, and one send counted once: a send with a
    deduplication id used in the last 5 minutes is accepted and not enqueued. content_based_deduplication: the id is the
    SHA-256 of the body where none is given; deduplication_scope: "queue", or "messageGroup" for ids per group; on_poison:
    what becomes of a group whose first message was received max_receives times: "dead_letter" it and go on (AWS's, where
    there is such a queue), "block" the group behind it (AWS's without one), or "park" the group until `release`.
    """

    def __init__(
        self,
        name: str,
        *,
        visibility_timeout: Seconds = 30,
        delay: Seconds = 0,
        retention: Seconds = 345_600,
        wait: Seconds = 0,
        max_message_size: int = 1_048_576,
        fifo: bool | None = None,
        dead_letter: Queue[Any] | None = None,
        max_receives: int | None = None,
        max_in_flight: int = 120_000,
        content_based_deduplication: bool = False,
        deduplication_scope: str = "queue",
        on_poison: str | None = None,
        large_bodies: LargeBodies | None = None,
        redrive_allow: Literal["all", "none"] | Iterable[Queue[Any] | str] = "all",
        body: type[T] = str,  # type: ignore[assignment]  # pyright: ignore[reportArgumentType]  # T is str by default
        tags: Tags | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.name = check_queue_name(name, fifo)
        self.fifo: bool = name.endswith(".fifo") if fifo is None else fifo
        if clock is not None and not callable(getattr(clock, "now", None)):
            raise TypeError(f"clock must be a Clock, SystemClock() or VirtualClock(), not {clock!r}")
        self.clock: Clock = clock or (dead_letter.clock if isinstance(dead_letter, Queue) else SystemClock())
        self._tags = check_tags({} if tags is None else tags)
        self._codec: Codec[T] | None = None
        if body is not str:
            from decouple.codecs import codec_for  # here, because most queues are of text

            self._codec = codec_for(body)
        self._lock = threading.Lock()
        self._now = self.clock.now
        given = {
            "visibility_timeout": visibility_timeout,
            "delay": delay,
            "retention": retention,
            "wait": wait,
            "max_message_size": max_message_size,
            "dead_letter": dead_letter,
            "max_receives": max_receives,
            "max_in_flight": max_in_flight,
            "content_based_deduplication": content_based_deduplication,
            "deduplication_scope": deduplication_scope,
            "on_poison": on_poison,
            "large_bodies": large_bodies,
            "redrive_allow": redrive_allow,
        }
        if not self.fifo:  # what only FIFO queues have is no news while it says nothing
            plain_settings = Settings()._asdict()
            given = {name: value for name, value in given.items() if name not in FIFO or value != plain_settings[name]}
        settings = Settings(**read_settings(given, Settings(), self))
        make: Any = MESSAGES[self.fifo, self._codec is not None]
        self._make: Callable[[], Message[T]] = make
        kind: type[Machine] = Fifo if self.fifo else Standard
        self._core: Machine = kind(
            self.name,
            settings,
            stem=new_stem(),
            epoch=self.clock.epoch,
            make=self._make,
            owner=self,
            express=HAS_GIL,
        )
        self._order = self._core if isinstance(self._core, Fifo) else None
        self._lobby = Lobby(self._core, self._lock, self._now, self._follow_up)
        self._reporter = Reporter(self._core.log, self._lock)
        if self.fifo and self._codec is None:
            self._take_one = self._take_one_in_turn  # type: ignore[method-assign]  # a call less than asking each time
        self._limit = 0
        self._task: MoveTask | None = None
        self._tasks: tuple[MoveTask, ...] = ()
        self._users: dict[weakref.ref[Queue[Any]], None] = {}
        self._adopt(settings)
        self.aio: AsyncQueue[T] = AsyncQueue(self)
        self.clock.attach(self)

    def __repr__(self) -> str:
        core = self._core
        state = ("FIFO, " if self.fifo else "") + ("closed, " if core.closed else "")
        return f"<Queue {self.name!r}: {state}{core.visible} visible, {core.in_flight} in flight, {len(core.delayed)} delayed>"

    # -- settings ----------------------------------------------------------------------------------------------

    @property
    def dead_letter(self) -> Queue[Any] | None:
        """Where messages go that were received too often."""
        target: Queue[Any] | None = self._core.settings.dead_letter
        return target

    @property
    def body_type(self) -> type[Any]:
        """What is sent and received: str, or the type the queue was declared with."""
        return str if self._codec is None else self._codec.type

    @property
    def settings(self) -> dict[str, Any]:
        """The current settings by name, durations in seconds."""
        settings = self._core.settings._asdict().items()
        return {name: shown_setting(name, value) for name, value in settings if self.fifo or name not in FIFO}

    def configure(self, **settings: Unpack[QueueSettings]) -> None:
        """Change a live queue. Raises TypeError, ValueError; then nothing is changed.

        A visibility timeout applies to later receives, a delay to later sends, retention also to messages stored.
        """
        try:
            with self._lock:
                read = read_settings(settings, self._core.settings, self)
                now = self._now()
                words = {name: getattr(value, "name", value) for name, value in settings.items()}
                words |= {name: value for name, value in read.items() if name == "redrive_allow"}
                self._core.configure(now, read, words)
                self._adopt(self._core.settings)
                self._lobby.serve(now)
        finally:
            self._follow_up()

    @property
    def tags(self) -> Tags:
        """The tags by key, read-only, as they are now: a later change does not show in it."""
        return self._tags

    def tag(self, tags: Tags | None = None, /, **named: str) -> None:
        """Add tags, or overwrite those of the same key. Raises TypeError, ValueError. Source: SQS API, TagQueue."""
        change_tags(self, with_tags(tags, named))

    def untag(self, *keys: str) -> None:
        """Remove tags by key; unknown keys are no error. Raises TypeError. Source: SQS API, UntagQueue."""
        change_tags(self, without_tags(keys))

    def _adopt(self, settings: Settings) -> None:
        # A typed queue has no short path: its bodies must be encoded. Nor has a body that goes to the store.
        most, large = settings.max_message_size, settings.large_bodies
        self._limit = -1 if self._codec is not None else most if large is None else large.limit(most)
        if settings.dead_letter is not None:
            settings.dead_letter._add_user(self)

    def _observe(self, observers: Iterable[Observer]) -> None:
        """Tell `observers` of every change from now on."""
        with self._lock:
            self._reporter.observers = (*self._reporter.observers, *observers)
            if self._reporter.observers:
                self._core.listen()

    # -- sharing -----------------------------------------------------------------------------------------------

    _account: str = ACCOUNT
    _region: str = REGION
    _policy: Policy | None = None

    @property
    def arn(self) -> str:
        """Its Amazon resource name, as policies write it: arn:aws:sqs:us-east-1:000000000000:orders."""
        return arn_of("sqs", self.name, account=self._account, region=self._region)

    @property
    def policy(self) -> dict[str, Any] | None:
        """Who may do what here, as AWS writes it (a copy); None: only the owner's account. Set a dict, JSON text, "" or None.

        It binds who comes through `as_principal`. Raises InvalidPolicy; then nothing is changed. Source: SQS, Policy.
        """
        policy = self._policy
        return None if policy is None else policy.document()

    @policy.setter
    def policy(self, policy: Mapping[str, Any] | str | None) -> None:
        from decouple.permissions import set_policy  # here, because most queues have none

        set_policy(self, policy)

    def grant(self, label: str, principals: str | Iterable[str], actions: str | Iterable[str]) -> None:
        """Add a statement that lets principals do something: account ids, ARNs, services, "*"; "SendMessage", ..., "*".

        label: its name, up to 80 of [A-Za-z0-9_-]. Raises InvalidPolicy if it is taken or the policy would be over a
        quota (20 statements, 50 principals, 7 actions each, 8,192 bytes), ValueError, TypeError. Source: SQS, AddPermission.
        """
        from decouple.permissions import grant

        grant(self, label, principals, actions)

    def revoke(self, label: str) -> None:
        """Remove the statement with this label; with the last one goes the policy. InvalidPolicy if there is none."""
        from decouple.permissions import revoke

        revoke(self, label)

    def as_principal(self, principal: str | None, *, context: Context | None = None) -> SharedQueue[T]:
        """This queue as an account id, ARN or service may use it by the policy; "*" or None: anonymous.

        context: what conditions ask, such as {"aws:SourceIp": "203.0.113.7"}. Raises ValueError, TypeError.
        """
        return shared(self, principal, context)

    # -- sending -----------------------------------------------------------------------------------------------

    def send(
        self,
        body: T | Json,
        *,
        delay: Seconds | None = None,
        attributes: Mapping[str, Value] | None = None,
        group: str | None = None,
        deduplication_id: str | None = None,
        system: Mapping[str, str] | None = None,
    ) -> Sent:
        """Add a message; its id is in the answer.

        body: text, or what becomes JSON text (dict, list, number, bool, None), or the queue's type; delay: 0 to 900 s,
        None = the queue's; attributes: up to ten; group: on a standard queue the tenant; system: trace header and
        sender, not counted in the size. Raises TypeError, ValueError, MessageTooLarge, QueueClosed; then nothing was
        sent. Cost: O(1), with a delay O(log delayed). Source: SQS API, SendMessage.
        """
        core = self._core
        if body.__class__ is str and delay is None and attributes is None and system is None:
            text: Any = body
            # ASCII text encodes to as many bytes as it has characters; all other text takes the general path.
            if not (text.isascii() and 0 < len(text) <= self._limit):
                pass
            elif self._order is not None:
                if group is not None:
                    return self._send_in_order(self._order, text, group, deduplication_id)
            elif group is None and deduplication_id is None:
                if core.quick_send:
                    seq = core.next_seq()
                    record = (text, self._now(), seq)
                    if core.quick_send:
                        core.fresh.append(record)  # commit
                        sent = Sent()
                        sent._stem = core.stem
                        sent._seq = seq
                        return sent
                if core.parked:
                    return self._hand_over(text)
                return self._send([(text, None, core.settings.delay)])[0]
        return self._send([self._checked(Entry(body, delay, attributes, group, deduplication_id, system))])[0]

    def _hand_over(self, text: str) -> Sent:
        """Send while somebody waits: straight to the first in line, where nothing is out of the ordinary."""
        core = self._core
        seq = core.next_seq()
        try:
            with self._lock:
                now = self._now()
                handed = core.hand_over(now, (text, now, seq))
                if handed:
                    self._lobby.serve(now)
        finally:
            if core.filled:
                self._lobby.wake()
        return new_sent(Sent, core.stem, seq) if handed else self._send([(text, None, core.settings.delay)])[0]

    def _send_in_order(self, core: Fifo, text: str, group: str, deduplication_id: str | None) -> Sent:
        """Send to a FIFO queue what has nothing more to it."""
        given = deduplication_id
        if given is None:
            given = deduplication_id_for(text, None, core.settings, self.name)
        # What check_id says in more calls, of both ids at once.
        both = group + given if group.__class__ is given.__class__ is str else ""
        if not (both.isascii() and both.isprintable() and group and given and len(both) <= 128) or " " in both:
            check_id("group", group)
            check_id("deduplication_id", given)
        key: Key = given if core.by_queue else (group, given)
        groups: Any = core.groups
        sent = FifoSent()
        sent._stem = core.stem
        sent._seq = seq = core.next_seq()
        now = self._now()
        seen = (now, seq, key)
        line = groups.get(group)
        if line.__class__ is int:
            line = core.line_of(group)  # from now on it has more than one message
        # commit (without the lock: see core/groups.py)
        if core.quick_send and not core.touched and key not in core.seen:
            if line is None and group not in groups:
                groups[group] = seq
                core.ring += (group,)
                core.fresh[seq] = (text, now, seq, group, given)
                core.seen[key] = seen
                core.window += (seen,)
                return sent
            if line is not None and group in groups and groups[group] is line and line.line[-1] < seq:
                line.line += (seq,)
                core.fresh[seq] = (text, now, seq, group, given)
                core.seen[key] = seen
                core.window += (seen,)
                return sent
        return self._send([(text, Details(group=group, deduplication_id=given), core.settings.delay)])[0]

    def _send(self, entries: list[tuple[str, Details | None, int]]) -> list[Sent]:
        """Accept what has been checked, and hand it to those who wait."""
        core = self._core
        large = [text for text, _, _ in entries if isinstance(text, Pointer)]
        if large:
            bring_in(self, large)
        try:
            with self._lock:
                self._check_open()
                now = self._now()
                seqs = core.send_all(now, entries)
                self._lobby.serve(now)
        except QueueClosed:
            remove_all(large)
            raise
        finally:
            self._follow_up()
        kind = FifoSent if self.fifo else Sent
        return [new_sent(kind, core.stem, seq) for seq in seqs]

    def send_batch(self, entries: Iterable[T | Json | Entry]) -> list[Sent]:
        """Add any number of messages, all or none; their ids in the same order.

        An entry is a body, or an Entry where it needs more; a dict is always a body. All are checked first: InvalidBatch
        lists every wrong one by position, and nothing is sent. Source: SQS API, SendMessageBatch (no limit of ten here).
        """
        given: Any = entries
        if given.__class__ is not list and isinstance(given, (str, bytes, bytearray, Mapping, Entry)):
            raise TypeError(f"entries must be a list of bodies, not one of them, {given!r:.60}: use send(...)")
        core = self._core
        bodies: list[Any] = list(given)
        if core.quick_send and not self.fifo and plain(bodies, self._limit):
            seqs = list(islice(core.seqs, len(bodies)))
            records: list[Record] = list(zip(bodies, repeat(self._now()), seqs))
            if core.quick_send:
                core.fresh.extend(records)  # commit
                answers: list[Sent] = []
                stem = core.stem
                for seq in seqs:
                    sent = Sent()
                    sent._stem = stem
                    sent._seq = seq
                    answers.append(sent)
                return answers
        entries_checked: list[tuple[str, Details | None, int]] = []
        errors: dict[int, Exception] = {}
        for position, entry in enumerate(bodies):
            try:
                entries_checked.append(self._checked(entry if isinstance(entry, Entry) else Entry(entry)))
            except (TypeError, ValueError, DecoupleError) as error:
                errors[position] = error
        if errors:
            raise InvalidBatch(self.name, errors=errors, entries=len(bodies))
        return self._send(entries_checked)

    def _checked(self, entry: Entry) -> tuple[str, Details | None, int]:
        return checked(entry, self._core.settings, self._codec, self.name, self.fifo)

    # -- receiving ---------------------------------------------------------------------------------------------

    def receive(
        self,
        *,
        max_messages: int = 1,
        wait: Seconds | None = None,
        visibility_timeout: Seconds | None = None,
        attempt_id: str | None = None,
    ) -> list[Message[T]]:
        """Take up to `max_messages` visible messages, oldest first; [] if none came.

        wait: seconds to stay parked for the first message, >= 0; None = the queue's own wait; the call returns as soon as
        one is here. visibility_timeout: how long each stays invisible, 0 to 43,200 s; None = the queue's. attempt_id (FIFO):
        the same id within 5 minutes gives the same messages and receipts again, for a new timeout, unless one of them was
        settled, changed or expired since: then it is an ordinary receive. Raises QueueClosed, TooManyInFlight (a
        standard queue, when it does not wait), ClockStuck. Cost: O(max_messages * log in flight).
        Source: SQS API, ReceiveMessage.
        """
        if visibility_timeout is None and attempt_id is None and (batch := self._take(max_messages, wait)):
            return batch
        if attempt_id is not None:
            return self._attempt(max_messages, wait, visibility_timeout, attempt_id)
        most, lease, until = self._asked(max_messages, wait, visibility_timeout)
        while True:
            out = self._receive(most, lease, until)
            good = self._decodable(out)
            if good or not out:
                return good

    def _take(self, most: int, wait: Any) -> list[Message[T]]:
        """What is visible now, when the arguments need no second look; [] when there is nothing, or more to it."""
        if most.__class__ is int and (wait is None or (wait.__class__ is int and 0 <= wait < 1_000_000)):
            if most == 1 and (message := self._take_one()) is not None:
                return [message]
            if most > 1:
                return self._take_many(most)
        return []

    def _take_one(self) -> Message[T] | None:
        """The next message where nothing is out of the ordinary, without the lock (see core/standard.py)."""
        core = self._core
        fresh, now = core.fresh, self._now()
        if now < core.due and fresh and self._codec is None:
            record = fresh[0]
            message = self._make()
            message.owner = self
            message.record = record
            message.received_at = now
            message.due = due = now + core.lease
            message.past = None
            message.settled = False
            # commit
            if core.quick and fresh and fresh[0] is record and due >= core.lane_end and core.taken < core.ceiling:
                del fresh[0]
                core.leased[record[2]] = message
                core.taken += 1
                core.lane_end = due
                return message
        return None

    def _take_one_in_turn(self) -> Message[T] | None:
        """`_take_one` of a FIFO queue: the head of the group whose turn it is, if it was not received before."""
        core: Any = self._core
        ring, groups, fresh, now = core.ring, core.groups, core.fresh, self._now()
        if now >= core.due:
            return None
        at = 0
        try:
            name = ring[0]
            group = seq = groups[name]
            if group.__class__ is not int:
                at = group.head
                seq = group.line[at]
            record = fresh[seq]
        except (IndexError, KeyError):
            return None  # there is nothing, or more to it
        message = self._make()
        message.owner = self
        message.record = record
        message.received_at = now
        message.due = due = now + core.lease
        message.past = None
        message.settled = False
        # commit
        if not core.quick or core.touched or due < core.lane_end or core.taken >= core.ceiling or core.ring is not ring:
            return None
        if seq not in fresh or not ring or ring[0] is not name or groups[name] is not group:
            return None
        if group is not seq:
            if group.head != at or group.line[at] != seq:
                return None
            group.ready = False
        del ring[0]
        del fresh[seq]
        core.leased[seq] = message
        core.taken += 1
        core.lane_end = due
        return message

    def _take_many(self, most: int) -> list[Message[T]]:
        """The next messages in the common case; [] when there are none, or there is more to it."""
        out: list[Delivery] = []
        try:
            with self._lock:
                quiet = not self._core.closed and self._core.receive(self._now(), most, out) and self._task is None
        except BaseException:
            self._lobby.give_back(out)
            raise
        if not quiet:
            self._follow_up()
        return self._decodable(out)

    def _asked(
        self, max_messages: int, wait: Seconds | None, visibility_timeout: Seconds | None
    ) -> tuple[int, int | None, int | None]:
        """A receive's arguments as the engine takes them: how many, for how long each (None: the queue's), until when to wait."""
        if isinstance(max_messages, bool) or not isinstance(max_messages, int):
            raise TypeError(f"max_messages must be an int, not {max_messages!r}")
        if max_messages < 1:
            raise ValueError(f"max_messages must be at least 1, not {max_messages!r}")
        lease = (
            None if visibility_timeout is None else nanoseconds(visibility_timeout, "visibility_timeout", most=43_200)
        )
        waiting = self._core.settings.wait if wait is None else nanoseconds(wait, "wait")
        return max_messages, lease, self._now() + waiting if waiting else None

    def _receive(self, most: int, lease: int | None, until: int | None) -> list[Delivery]:
        """What is visible now; if nothing is, what comes before `until`."""
        if until is None:
            return self._receive_now(most, lease)
        return self._wait(ThreadPark(self.name, most, self._core.lease if lease is None else lease, until))

    def _attempt(
        self, most: int, wait: Seconds | None, visibility_timeout: Seconds | None, attempt_id: str
    ) -> list[Message[T]]:
        """A receive that can be asked for again."""
        if (batch := self._attempted(most, wait, visibility_timeout, attempt_id)) is None:
            batch = self.receive(max_messages=most, wait=wait, visibility_timeout=visibility_timeout)
            self._remember(attempt_id, batch)
        return batch

    def _attempted(
        self, most: int, wait: Seconds | None, visibility_timeout: Seconds | None, attempt_id: str
    ) -> list[Message[T]] | None:
        """What the receive of that name got before; None if there was none, or its messages went on since."""
        order = self._in_order("attempt_id")
        check_id("attempt_id", attempt_id)
        _, lease, _ = self._asked(most, wait, visibility_timeout)
        out: list[Delivery] = []
        try:
            with self._lock:
                self._check_open()
                now = self._now()
                again = order.attempted(now, attempt_id, order.lease if lease is None else lease, out)
                self._lobby.serve(now)
        finally:
            self._follow_up()
        return self._decodable(out) if again else None

    def _remember(self, attempt_id: str, batch: list[Message[T]]) -> None:
        with self._lock:
            self._in_order("attempt_id").remember_attempt(self._now(), attempt_id, batch)

    def _task_park(self, most: int, lease: int | None, until: int) -> TaskPark:
        return TaskPark(self.name, most, self._core.lease if lease is None else lease, until)

    def _receive_now(self, most: int, lease: int | None) -> list[Delivery]:
        """What is visible now. With nobody willing to wait, too many in flight is an error."""
        core = self._core
        out: list[Delivery] = []
        try:
            try:
                with self._lock:
                    self._check_open()
                    now = self._now()
                    core.receive_for(now, most, core.lease if lease is None else lease, out)
                    if not out:
                        core.counts.empty_receives += 1
                    if not out and not self.fifo and core.max_receivable() <= 0:
                        raise TooManyInFlight(self.name, in_flight=core.in_flight, limit=core.settings.max_in_flight)
            finally:
                self._follow_up()
        except BaseException:
            self._lobby.give_back(out)
            raise
        return out

    def _wait(self, park: ThreadPark) -> list[Delivery]:
        """Stay parked until messages come or the time is over; aio.py has the same for a task."""
        lobby = self._lobby
        try:
            park.arm()
            until = lobby.enter(park)
            while until is not None and not park.done:
                self.clock.sleep(park, until)
                if not park.done:
                    park.arm()
                    until = lobby.alarm_for(park)
            return lobby.outcome(park)
        except BaseException:
            lobby.abandon(park)
            raise

    def _decodable(self, deliveries: list[Delivery]) -> list[Message[T]]:
        """The messages whose bodies can be had and read; the others are dead letters, where there is a queue for them."""
        messages = cast("list[Message[T]]", deliveries)
        if (self._codec is None or self.dead_letter is None) and self._make is not LargeMessage:
            return messages
        good: list[Message[T]] = []
        try:
            for message in messages:
                error = unreadable(message)
                if error is None or self.dead_letter is None:
                    good.append(message)
                else:
                    kind = type(error).__name__
                    self._reject(message, Failure(kind, str(error), "", message.times_received))
            return good
        except BaseException:  # reading may take its time, and be interrupted
            self._lobby.give_back(deliveries)
            raise

    def _decode(self, text: str) -> T:
        if self._codec is None:
            return cast(T, text)
        try:
            return self._codec.decode(text)
        except Exception as error:
            why = f"{type(error).__name__}: {error}"
            raise BodyNotDecoded(self.name, text=text, wanted=self._codec.name, why=why) from error

    def _shown(self, instant: int) -> datetime:
        return datetime_at(self.clock, instant)

    def messages(self, wait: Seconds = 20) -> Iterator[Message[T]]:
        """Every message as it comes, one at a time, until the queue is closed; each wait is for at most so many seconds."""
        while True:
            try:
                batch = self.receive(wait=wait)
            except QueueClosed:
                return
            yield from batch

    # -- settling ----------------------------------------------------------------------------------------------

    def delete(self, *messages_or_receipts: Message[T] | str) -> None:
        """Acknowledge messages, by handle or receipt: also twice, and on a standard queue also late. All are checked first.

        Raises ReceiptInvalid for a receipt that this queue did not give out, ReceiptExpired where a FIFO queue has the message
        still but no longer in flight by that receipt (the others are deleted). Source: SQS API, DeleteMessage.
        """
        core = self._core
        make: Any = None if self.fifo else self._make  # a FIFO queue looks at each receipt
        handles: tuple[Any, ...] = messages_or_receipts
        for one in handles:
            if one.__class__ is not make or one.owner is not self or one.received_at < 0:
                self._delete([seq_of(self, one) for one in handles], handles)
                return
        rest: list[Message[T]] = []
        for message in handles:
            try:
                # commit
                if core.quick:
                    del core.leased[message.record[2]]
                    core.deleted += 1
                    message.settled = True
                else:
                    rest.append(message)
            except KeyError:
                if core.quick_delete_older(message.record[2]):
                    message.settled = True
                else:
                    rest.append(message)
        if rest:
            self._delete([message.record[2] for message in rest], rest)

    def _delete(self, seqs: list[int], handles: Iterable[Message[T] | str]) -> None:
        late: list[Message[T] | str] = []
        try:
            with self._lock:
                now = self._now()
                for seq, handle in zip(seqs, handles, strict=True):
                    if self._order is not None and self._order.expired(now, seq, count_of(handle)):
                        late.append(handle)
                    else:
                        self._core.delete(now, seq)
                self._lobby.serve(now)
        finally:
            self._follow_up()
        for handle in handles:
            if isinstance(handle, Message) and handle not in late:
                handle.settled = True
        if late:
            raise ReceiptExpired(self.name, receipts=map(text_of_receipt, late))

    def _check_current(self, now: int, seq: int, handle: Message[T] | str) -> None:
        """Under the lock: a FIFO queue takes nothing from a receipt whose time is over."""
        if self._order is not None and self._order.expired(now, seq, count_of(handle)):
            raise ReceiptExpired(self.name, receipts=[text_of_receipt(handle)])

    def change_visibility(self, message_or_receipt: Message[T] | str, timeout: Seconds) -> None:
        """Keep a message in flight for `timeout` seconds from now instead, 0 to 43,200; 0 makes it visible.

        A late call on an expired message hides it again, on a FIFO queue it raises ReceiptExpired. Raises NotInFlight when
        it is gone, VisibilityTooLong when it would be in flight for over 12 hours since its receive. Source: SQS API,
        ChangeMessageVisibility.
        """
        nanos = nanoseconds(timeout, "timeout", most=43_200)
        seq = seq_of(self, message_or_receipt)
        try:
            with self._lock:
                now = self._now()
                self._check_current(now, seq, message_or_receipt)
                delivery = self._core.find(seq)
                if nanos and delivery is not None and now + nanos - delivery.received_at > LONGEST_IN_FLIGHT:
                    total, limit = (now + nanos - delivery.received_at) / SECOND, LONGEST_IN_FLIGHT / SECOND
                    raise VisibilityTooLong(self.name, total=total, limit=limit)
                if self._core.change_visibility(now, seq, nanos) is None:
                    raise NotInFlight(self.name, id=id_of(self, message_or_receipt, seq), why=GONE)
                self._lobby.serve(now)
        finally:
            self._follow_up()

    def _reject(self, message: Message[T], failure: Failure) -> None:
        seq = seq_of(self, message)
        try:
            with self._lock:
                now = self._now()
                self._check_current(now, seq, message)
                if not self._core.reject(now, seq, failure):
                    raise NotInFlight(self.name, id=message.id, why=GONE)
                self._lobby.serve(now)
        finally:
            self._follow_up()

    def _give_up(self, message: Message[T], failure: Failure | None) -> None:
        """The block of a `with message:` raised: visible again, with the reason, unless it has gone its way by now."""
        seq = seq_of(self, message)
        try:
            with self._lock:
                core, now = self._core, self._now()
                late = self._order is not None and self._order.expired(now, seq, message.times_received)
                if core.find(seq) is message and not late:
                    if failure is not None:
                        core.remember(message, failure)
                    core.change_visibility(now, seq, 0)
                    self._lobby.serve(now)
        finally:
            self._follow_up()

    def _receipt_of(self, message: Delivery) -> str:
        return receipt_of(self, message)

    # -- looking -----------------------------------------------------------------------------------------------

    def peek(self, n: int = 10) -> list[Message[T]]:
        """The next `n` visible messages, left as they are: not received, so they cannot be settled. Cost: O(n)."""
        if isinstance(n, bool) or not isinstance(n, int) or n < 0:
            raise ValueError(f"n must be an int of at least 0, not {n!r}")
        core = self._core
        try:
            with self._lock:
                now = self._now()
                core.settle_all(now)
                self._lobby.serve(now)
                waiting = list(islice(core.in_line(), n))
        finally:
            self._follow_up()
        looks = [new_delivery(core.make, self, record, -1, since, past) for since, record, past in waiting]
        return cast("list[Message[T]]", looks)

    def stats(self) -> QueueStats:
        """Counts and totals, after settling what is due. Cost: O(messages that are not fresh), for the oldest's age."""
        try:
            with self._lock:
                self._lobby.drop_gone()
                now = self._now()
                stats = stats_of(self._core, now)
                self._lobby.serve(now)
                return stats
        finally:
            self._follow_up()

    def groups(self) -> list[GroupStats]:
        """The groups of a FIFO queue that have messages: how many, what each waits behind and for how long. Cost: O(messages)."""
        order = self._in_order("groups()")
        try:
            with self._lock:
                now = self._now()
                groups = groups_of(order, now)
                self._lobby.serve(now)
                return groups
        finally:
            self._follow_up()

    def release(self, group: str) -> None:
        """Give the messages of a parked group again (on_poison="park"), its first with a new number of tries.

        Raises ValueError if the group is not parked.
        """
        order = self._in_order("release()")
        try:
            with self._lock:
                now = self._now()
                if not order.release(now, group):
                    raise ValueError(
                        f"group {group!r} of queue {self.name!r} is not parked: groups() lists those that are"
                    )
                self._lobby.serve(now)
        finally:
            self._follow_up()

    def _in_order(self, what: str) -> Fifo:
        if self._order is None:
            raise ValueError(f"{what} is for FIFO queues, and {self.name!r} is a standard queue")
        return self._order

    def check(self) -> dict[str, int]:
        """Prove that nothing was lost: the numbers of the law, which balance, or LawBroken. Cost: O(messages)."""
        core = self._core
        try:
            with self._lock:
                now = self._now()
                core.settle_all(now)
                self._lobby.serve(now)
                numbers, faults = core.audit(now)
        finally:
            self._follow_up()
        if numbers["accepted"] != sum(numbers.values()) - numbers["accepted"]:
            faults.insert(0, "what came is not what went and what is here")
        if faults:
            raise LawBroken(f"queue {self.name!r}: {'; '.join(faults)}", numbers=numbers)
        return numbers

    # -- moving ------------------------------------------------------------------------------------------------

    def redrive(
        self,
        to: Queue[Any] | None = None,
        *,
        where: Callable[[Message[T]], object] | None = None,
        edit: Callable[[Message[T]], Any] | None = None,
        max_per_second: float | None = None,
        dry_run: bool = False,
        keep: bool = False,
    ) -> MoveTask:
        """Move this dead-letter queue's visible messages back where each came from, or to `to`, as new messages.

        Those visible at the start and no others; where: only those for which it is true; edit: the body to send instead,
        checked like a send. Messages that came from nowhere stay, unless `to` is given; those that `edit` or their
        target refuses stay too, and count as failed. max_per_second: the first now, the others as they are due, for at
        most 36 hours; None: all before it returns. dry_run: move nothing; keep: leave the originals here. Raises
        MoveTaskRunning, QueueClosed. Source: SQS API, StartMessageMoveTask (1 to 500 a second). Cost: O(messages).
        """
        return redrive(self, to, where, edit, max_per_second, dry_run=dry_run, keep=keep)

    @property
    def move_tasks(self) -> list[MoveTask]:
        """The last ten redrives of this queue, newest first. Source: SQS API, ListMessageMoveTasks."""
        return list(self._tasks)

    def sources(self) -> list[Queue[Any]]:
        """The open queues whose dead-letter queue this is. Source: SQS API, ListDeadLetterSourceQueues."""
        users = [reference() for reference in list(self._users)]
        return [user for user in users if user is not None and user.dead_letter is self and not user.closed]

    def _add_user(self, user: Queue[Any]) -> None:
        users = self._users  # not through self: a queue's end must not keep this one alive
        users[weakref.ref(user, lambda gone: users.pop(gone, None))] = None

    def _hand_on(self, message: Message[T], to: Queue[Any], changes: Entry, keep_id: bool) -> Sent:
        return hand_on(message, to, changes, keep_id)

    def _unfold(self) -> None:
        """Make every visible message movable."""
        with self._lock:
            now = self._now()
            self._core.settle_all(now)
            self._lobby.serve(now)
            self._core.unfold(now)

    def deliver(self, move: Move) -> None:
        """Take a message that another queue moves here, as it is: whatever its size. Raises QueueClosed."""
        text = move.delivery.record[0] if move.entry is None else move.entry[0]
        new = [text] if isinstance(text, Pointer) and text.text else []
        if isinstance(text, Pointer):
            bring_in(self, [text])
        try:
            with self._lock:
                self._check_open()
                now = self._now()
                self._core.accept(now, move)
                self._lobby.serve(now)
        except QueueClosed:
            remove_all(new)
            raise
        finally:
            self._follow_up()

    # -- life --------------------------------------------------------------------------------------------------

    def purge(self) -> int:
        """Remove every message: visible, in flight and delayed; how many. Source: SQS API, PurgeQueue (no 60 s rule here)."""
        try:
            with self._lock:
                return self._core.purge(self._now())
        finally:
            self._follow_up()

    def close(self) -> None:
        """End every wait with QueueClosed, and take and give no more. What is in flight can still be settled."""
        try:
            with self._lock:
                self._core.close(self._now())
        finally:
            self._follow_up()

    @property
    def closed(self) -> bool:
        """Whether it takes and gives no more."""
        return self._core.closed

    def _check_open(self) -> None:
        if self._core.closed:
            raise QueueClosed(self.name)

    def next_at(self) -> int:
        """For the clock: the next instant at which something happens here by itself."""
        with self._lock:
            soonest = self._core.next_at() if self._task is None else min(self._core.next_at(), self._task.next_at())
            return min([soonest, *(park.until for park in self._core.parked)])

    def settle(self) -> None:
        """For the clock: let happen what is due now, and end the waits that are over."""
        try:
            with self._lock:
                now = self._now()
                self._core.settle_all(now)
                self._lobby.serve(now)
                self._lobby.end(now)
        finally:
            self._follow_up()

    # -- what follows a transition -----------------------------------------------------------------------------

    def _follow_up(self) -> None:
        """Without the lock: tell observers, carry dead letters, wake receivers; whatever is there to do, whoever left it."""
        core = self._core
        if core.log:
            self._reporter.report()
        if core.outgoing:
            carry(self)
        if core.filled:
            self._lobby.wake()
        if core.log:
            self._reporter.report()
        if self._task is not None:
            self._task.settle()
