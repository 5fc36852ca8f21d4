"""Queue: a state machine of core/, a lock and a clock, behind one synchronous and one asynchronous face.

Every operation takes the lock once, reads the clock once inside it, and does after releasing it what must not happen
under it: observers are told, dead letters are carried over, parked receives are woken (`_follow_up`). Whoever is
interrupted in between leaves that work in the state, and the next operation does it.

Cost is what users do most: send, receive, ack. Those have a short path at their top; the rest of each is general.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal, Unpack, cast

from decouple.aio import AsyncQueue
from decouple.arns import ACCOUNT, REGION, arn_of
from decouple.callers import caller, handled
from decouple.clock import AMBIENCE, Clock, Seconds, default_clock
from decouple.core.machine import Machine
from decouple.core.places import Move
from decouple.core.records import new_delivery
from decouple.core.settings import Settings
from decouple.entries import check_id
from decouple.errors import (
    LawBroken,
    QueueClosed,
)
from decouple.expecting.asserting import AssertingQueue
from decouple.founding import Founding
from decouple.generic import T
from decouple.handling import Handling
from decouple.large_bodies import LargeBodies, Pointer, bring_in, remove_all
from decouple.lobby import Lobby
from decouple.message import Entry, Message, Sent
from decouple.mishaps.injecting import begun
from decouple.movetask import MoveTask
from decouple.moving import carry, hand_on
from decouple.receipts import new_stem
from decouple.receiving import Receiving
from decouple.redrive import redrive
from decouple.reporting import Observer
from decouple.sending import Sending
from decouple.settings import FIFO, QueueSettings, check_queue_name, read_settings, shown_setting
from decouple.sharing import Context, SharedQueue, shared
from decouple.stats import GroupStats, QueueStats, groups_of, stats_of
from decouple.tags import Tags, change_tags, check_tags, with_tags, without_tags

__all__ = ["Queue"]

if TYPE_CHECKING:
    from decouple.codecs import Codec
    from decouple.core.policy import Policy
    from decouple.testing.faults import Faults, Injection

# The lock-free doors of the engine rely on the steps of an interpreter with a GIL.
HAS_GIL = sys.implementation.name == "cpython" and getattr(sys, "_is_gil_enabled", lambda: True)()


class Queue(Founding[T], Sending[T], Receiving[T], Handling[T], AssertingQueue[T]):
    """A queue: standard (at least once, in any order, oldest visible first in calm times) or FIFO.

    A received message is invisible for the visibility timeout and then comes back, unless it was deleted. Threads and
    asyncio tasks of any number of loops may share one queue; `queue.aio` has the same methods, awaitable.

    visibility_timeout: 0 to 43,200 s (30); delay: 0 to 900 s before a message is visible (0); retention: 60 to 1,209,600 s
    (4 days); wait: how long a receive waits by default (0); max_message_size: UTF-8 bytes of body and attributes (1 MiB);
    dead_letter, max_receives: where a message goes at the receive after the last allowed one (dead_letter alone: only
    rejected messages and bodies that do not decode); max_in_flight (120,000); redrive_allow: which queues may
    begin to use this one as dead letter, "all", "none" or up to ten; large_bodies: where to keep bodies over
    the limit; body: what is sent and received, str or a class; tags: up to 50, text by name; clock: SystemClock, inside
    simulate() the simulation's, or the dead-letter queue's; faults: what goes wrong here, a plan from decouple.testing.
    Source: SQS developer guide.

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
        faults: Faults | Injection | None = None,
    ) -> None:
        self.name = check_queue_name(name, fifo)
        self.fifo: bool = name.endswith(".fifo") if fifo is None else fifo
        if clock is not None and not callable(getattr(clock, "now", None)):
            raise TypeError(f"clock must be a Clock, SystemClock() or VirtualClock(), not {clock!r}")
        self.clock: Clock = clock or (dead_letter.clock if isinstance(dead_letter, Queue) else default_clock())
        self._tags = check_tags({} if tags is None else tags)
        self._codec: Codec[T] | None = None
        if body is not str:
            from decouple.codecs import codec_for  # here, because most queues are of text

            self._codec = codec_for(body)
        self._lock = self._make_lock()
        self._now = self.clock.now_for(self)
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
        make: Any = self._messages[self.fifo, self._codec is not None]
        self._make: Callable[[], Message[T]] = make
        self._faults = begun(faults, self.clock, None, ambient=clock is None)
        self._core: Machine = self._make_core(
            settings,
            stem=new_stem(),
            epoch=self.clock.epoch,
            make=self._make,
            owner=self,
            express=HAS_GIL,
            who=caller,
            handled=handled,
        )
        order: Any = self._core if self._core.ordered else None
        self._order = order
        self._lobby = Lobby(self._core, self._lock, self._now, self._follow_up)
        self._reporter = self._make_reporter()
        if self.fifo and self._codec is None:
            self._take_one = self._take_one_in_turn  # type: ignore[method-assign]  # a call less than asking each time
        self._task: MoveTask | None = None
        self._tasks: tuple[MoveTask, ...] = ()
        self._users: dict[weakref.ref[Queue[Any]], None] = {}
        self._adopt(settings)
        self.aio: AsyncQueue[T] = AsyncQueue(self)
        self.clock.attach(self)
        if clock is None and (ambience := AMBIENCE.get()) is not None:
            self._observe(ambience.observers)

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
        self._keep()

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
        self._core.longest = -1 if self._codec is not None else most if large is None else large.limit(most)
        if settings.dead_letter is not None:
            settings.dead_letter._add_user(self)

    def _observe(self, observers: Iterable[Observer]) -> None:
        """Tell `observers` of every change from now on."""
        with self._lock:
            self._reporter.observers = (*self._reporter.observers, *observers)
            if self._reporter.observers:
                self._core.listen()

    def _unobserve(self, observer: Observer) -> None:
        """Tell this one no more."""
        with self._lock:
            self._reporter.observers = tuple(one for one in self._reporter.observers if one is not observer)
            if not self._reporter.observers:
                self._core.ignore()

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

    # -- looking -----------------------------------------------------------------------------------------------

    def peek(self, n: int = 10) -> list[Message[T]]:
        """The next `n` visible messages, left as they are: not received, so they cannot be settled. Cost: O(visible)."""
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
        """Give the messages of a parked group again (on_poison="park"), each with a new number of tries.

        Raises ValueError if the group is not parked, TypeError.
        """
        order = self._in_order("release()")
        check_id("group", group)
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

    def _tell(self) -> None:
        """Without the lock: let everybody know what changed."""
        self._reporter.report()

    # -- what follows a transition -----------------------------------------------------------------------------

    def _follow_up(self) -> None:
        """Without the lock: tell observers, carry dead letters, wake receivers; whatever is there to do, whoever left it."""
        core = self._core
        if core.log:
            self._tell()
        if core.outgoing:
            carry(self)
        if core.filled:
            self._lobby.wake()
        if core.log:
            self._tell()
        if self._task is not None:
            self._task.settle()
