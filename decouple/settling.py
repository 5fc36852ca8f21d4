"""What becomes of a received message: deleted, given back, kept longer, rejected."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from decouple.clock import Seconds, nanoseconds
from decouple.core.records import Delivery, Failure
from decouple.core.settings import LONGEST_IN_FLIGHT, SECOND
from decouple.desk import Desk
from decouple.errors import NotInFlight, ReceiptExpired, VisibilityTooLong
from decouple.generic import T
from decouple.message import Message
from decouple.mishaps.effects import WATCHED, about, done
from decouple.receipts import GONE, count_of, id_of, receipt_of, seq_of, text_of_receipt

__all__ = ["Settling"]


class Settling(Desk[T]):
    """The verbs that settle a message, by handle or receipt."""

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
        if WATCHED:
            about(f"an acknowledgement in queue {self.name!r}")
        try:
            with self._lock:
                now = self._now()
                for seq, handle in zip(seqs, handles, strict=True):
                    if self._order is not None and self._order.expired(now, seq, count_of(handle)):
                        late.append(handle)
                        self._note_late(now, seq, handle)
                    else:
                        self._core.delete(now, seq, receipt=self._receive_of(handle))
                self._lobby.serve(now)
        finally:
            self._follow_up()
        for handle in handles:
            if isinstance(handle, Message) and handle not in late:
                handle.settled = True
        if WATCHED:
            done(f"an acknowledgement in queue {self.name!r}")
        if late:
            raise ReceiptExpired(self.name, receipts=map(text_of_receipt, late))

    def _check_current(self, now: int, seq: int, handle: Message[T] | str) -> None:
        """Under the lock: a FIFO queue takes nothing from a receipt whose time is over."""
        if self._order is not None and self._order.expired(now, seq, count_of(handle)):
            self._note_late(now, seq, handle)
            raise ReceiptExpired(self.name, receipts=[text_of_receipt(handle)])

    def _note_late(self, now: int, seq: int, handle: Message[T] | str) -> None:
        """Under the lock: record that a receipt came too late, which explains why its message comes again."""
        core = self._core
        delivery = core.find(seq) if core.listening else None
        if delivery is not None:
            core.log += core._note("too late", now, delivery.record, delivery, receipt=count_of(handle))

    def change_visibility(self, message_or_receipt: Message[T] | str, timeout: Seconds) -> None:
        """Keep a message in flight for `timeout` seconds from now instead, 0 to 43,200; 0 makes it visible.

        A late call on an expired message hides it again, on a FIFO queue it raises ReceiptExpired. Raises NotInFlight when
        it is gone, VisibilityTooLong when it would be in flight for over 12 hours since its receive. Source: SQS API,
        ChangeMessageVisibility.
        """
        nanos = nanoseconds(timeout, "timeout", most=43_200)
        seq = seq_of(self, message_or_receipt)
        if WATCHED:
            about(f"another visibility in queue {self.name!r}")
        try:
            with self._lock:
                now = self._now()
                self._check_current(now, seq, message_or_receipt)
                delivery = self._core.find(seq)
                if nanos and delivery is not None and now + nanos - delivery.received_at > LONGEST_IN_FLIGHT:
                    total, limit = (now + nanos - delivery.received_at) / SECOND, LONGEST_IN_FLIGHT / SECOND
                    raise VisibilityTooLong(self.name, total=total, limit=limit)
                if self._core.change_visibility(now, seq, nanos, self._receive_of(message_or_receipt)) is None:
                    raise NotInFlight(self.name, id=id_of(self, message_or_receipt, seq), why=GONE)
                self._lobby.serve(now)
        finally:
            self._follow_up()
        if WATCHED:
            done(f"another visibility in queue {self.name!r}")

    def _reject(self, message: Message[T], failure: Failure) -> None:
        seq = seq_of(self, message)
        if WATCHED:
            about(f"a rejection in queue {self.name!r}")
        try:
            with self._lock:
                now = self._now()
                self._check_current(now, seq, message)
                if not self._core.reject(now, seq, failure):
                    raise NotInFlight(self.name, id=message.id, why=GONE)
                self._lobby.serve(now)
        finally:
            self._follow_up()
        if WATCHED:
            done(f"a rejection in queue {self.name!r}")

    def _give_up(self, message: Message[T], failure: Failure | None, delay: int = 0) -> bool:
        """Its handler failed: visible again after `delay` nanoseconds, with the reason; False if it has gone its way by now."""
        seq = seq_of(self, message)
        if WATCHED:
            about(f"a message given back to queue {self.name!r}")
        try:
            with self._lock:
                core, now = self._core, self._now()
                late = self._order is not None and self._order.expired(now, seq, message.times_received)
                if late or not core.is_latest(message):
                    return False
                if failure is not None:
                    core.remember(message, failure)
                core.change_visibility(now, seq, min(delay, max(0, message.received_at + LONGEST_IN_FLIGHT - now)))
                self._lobby.serve(now)
                return True
        finally:
            self._follow_up()

    def _blame(self, complaints: Iterable[tuple[Message[T], Failure]]) -> None:
        """Keep with each message why its handler failed, where nobody has received it again; it stays in flight."""
        with self._lock:
            for message, failure in complaints:
                if self._core.is_latest(message):
                    self._core.remember(message, failure)

    def _discard(self, messages: Iterable[Message[T]], reason: str) -> None:
        """Delete messages that nobody wants, with the reason in the record; a late one of a FIFO queue is left alone."""
        try:
            with self._lock:
                now = self._now()
                for message in messages:
                    seq = message.record[2]
                    if self._order is None or not self._order.expired(now, seq, message.times_received):
                        self._core.delete(now, seq, reason)
                self._lobby.serve(now)
        finally:
            self._follow_up()

    def _prolong(self, message: Message[T]) -> int:
        """In flight for a visibility timeout from now, at most 12 hours from its receive: until when. 0: it is not ours now."""
        seq = seq_of(self, message)
        try:
            with self._lock:
                core, now = self._core, self._now()
                until = min(now + core.lease, message.received_at + LONGEST_IN_FLIGHT)
                late = self._order is not None and self._order.expired(now, seq, message.times_received)
                if late or message.settled or until <= now or not core.is_latest(message):
                    return 0
                kept = core.change_visibility(now, seq, until - now)
                self._lobby.serve(now)
                return 0 if kept is None else until
        finally:
            self._follow_up()

    def _holds(self, message: Message[T]) -> bool:
        """Whether it is still in flight by this handle. Cost: O(1), without the lock in the common case."""
        seq, core, now = message.record[2], self._core, self._now()
        if now >= message.due:
            return False
        if core.leased.get(seq) is message:
            return True
        with self._lock:
            return core.find(seq) is message

    def _receive_of(self, handle: Message[T] | str) -> int | None:
        """Of which receive a handle or receipt is, where somebody listens."""
        return count_of(handle) if self._core.listening else None

    def _receipt_of(self, message: Delivery) -> str:
        return receipt_of(self, message)
