"""How messages come out of a queue: now or after a wait, in the common case without the lock."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, cast

from decouple.callers import WORK
from decouple.clock import Seconds, datetime_at, nanoseconds
from decouple.core.records import Delivery, Failure
from decouple.entries import check_id
from decouple.errors import BodyNotDecoded, QueueClosed, TooManyInFlight
from decouple.generic import T
from decouple.large_bodies import LargeMessage, unreadable
from decouple.message import Message
from decouple.parking import TaskPark, ThreadPark
from decouple.settling import Settling

__all__ = ["Receiving"]


class Receiving(Settling[T]):
    """The receiving half of a Queue."""

    def receive(
        self,
        *,
        max_messages: int = 1,
        wait: Seconds | None = None,
        visibility_timeout: Seconds | None = None,
        attempt_id: str | None = None,
        patience: float | None = None,
    ) -> list[Message[T]]:
        """Take up to `max_messages` visible messages, oldest first; [] if none came.

        wait: seconds to stay parked for the first message, >= 0; None = the queue's own wait; the call returns as soon as
        one is here. visibility_timeout: how long each stays invisible, 0 to 43,200 s; None = the queue's. attempt_id (FIFO):
        the same id within 5 minutes gives the same messages and receipts again, for a new timeout, unless one of them was
        settled, changed or expired since: then it is an ordinary receive. patience: block for at most so many real seconds,
        for a VirtualClock that somebody else moves; None = no such limit. Raises QueueClosed, TooManyInFlight (a standard
        queue, when it does not wait), ClockStuck. Cost: O(max_messages * log in flight).
        Source: SQS API, ReceiveMessage.
        """
        if visibility_timeout is None and attempt_id is None and (batch := self._take(max_messages, wait)):
            return batch
        if attempt_id is not None:
            return self._attempt(max_messages, wait, visibility_timeout, attempt_id, patience)
        most, lease, until = self._asked(max_messages, wait, visibility_timeout)
        while True:
            out = self._receive(most, lease, until, patience)
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

    def _take_one(self) -> Any:
        """The next message, or None, where nothing is out of the ordinary, without the lock (see core/standard.py)."""
        core = self._core
        fresh, now = core.fresh, self._now()
        if now < core.due and fresh and self._codec is None:
            record = fresh[0]
            message: Any = self._make()
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

    def _take_one_in_turn(self) -> Any:
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
        message: Any = self._make()
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
        if core.oldest[0] == seq:
            del core.oldest[0]
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

    def _receive(self, most: int, lease: int | None, until: int | None, patience: float | None) -> list[Delivery]:
        """What is visible now; if nothing is, what comes before `until`."""
        if until is None:
            return self._receive_now(most, lease)
        park = ThreadPark(self.name, most, self._core.lease if lease is None else lease, until, patience)
        if self._core.listening:
            park.work = WORK.get()
        return self._wait(park)

    def _attempt(
        self,
        most: int,
        wait: Seconds | None,
        visibility_timeout: Seconds | None,
        attempt_id: str,
        patience: float | None,
    ) -> list[Message[T]]:
        """A receive that can be asked for again."""
        if (batch := self._attempted(most, wait, visibility_timeout, attempt_id)) is None:
            batch = self.receive(max_messages=most, wait=wait, visibility_timeout=visibility_timeout, patience=patience)
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
        park = TaskPark(self.name, most, self._core.lease if lease is None else lease, until)
        if self._core.listening:
            park.work = WORK.get()
        return park

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
                    if not out and not self.fifo and core.crowded:
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
        if (self._codec is None or self._core.settings.dead_letter is None) and self._make is not LargeMessage:
            return messages
        good: list[Message[T]] = []
        try:
            for message in messages:
                error = unreadable(message)
                if error is None or self._core.settings.dead_letter is None:
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
