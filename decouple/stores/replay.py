"""Reading a journal back: what each queue held when it was written last.

A plain model of dicts, which knows nothing of the engine: records go in, oldest first, and what is left is what there is.
A message that was on its way to another queue is there if its arrival was written, and where it came from if it was not.
"""

from __future__ import annotations

import json
from typing import Any

from decouple.core.records import PLAIN, Details, Failure
from decouple.stores.records import (
    CODES,
    EVENT,
    EVENT_HEAD,
    FIFO,
    FIFO_HEAD,
    GONE,
    HEAD,
    MESSAGE,
    MESSAGE_HEAD,
    QUEUE,
    SENT,
    STEP,
    STEP_HEAD,
    details_of_terms,
    text_from,
)

__all__ = ["Held", "Past", "QueuePast"]

RECEIVED, GIVEN_BACK, CHANGED, DELAYED = (
    CODES[cause] for cause in ("received", "given back", "visibility changed", "delay changed")
)
MOVING, REFUSED = CODES["moving"], CODES["refused"]
READERS = frozenset((SENT, FIFO, MESSAGE, STEP, EVENT, QUEUE))


class Held:
    """A message that is more than sent: where it is, since when (leased: until when), how often it was received."""

    __slots__ = ("at", "count", "details", "due", "first", "place", "sent_at", "text")

    def __init__(self, text: str, sent_at: int, details: Details) -> None:
        self.text = text
        self.sent_at = sent_at
        self.details = details
        self.place = "fresh"
        self.at = sent_at  # of the last receive
        self.due = sent_at  # when its place ends, or began where it is visible
        self.count = 0
        self.first: int | None = None


class QueuePast:
    """What one queue held: `fresh` has the plain ones that were never received, as records, `held` all others."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.name = ""
        self.stem = ""
        self.next = 1
        self.fresh: dict[int, tuple[str, int, int]] = {}
        self.lined: dict[int, tuple[str, int, str, str]] = {}  # of FIFO queues: also group and deduplication id
        self.held: dict[int, Held] = {}
        self.parked: set[str] = set()
        self.seen: list[tuple[int, int, str, str]] = []  # of FIFO queues: when sent, number, group, deduplication id

    def hold(self, seq: int, epoch: int) -> Held | None:
        """The message, from now on more than sent; None if it is not here."""
        held = self.held.get(seq)
        if held is None:
            if seq in self.fresh:
                text, at, _ = self.fresh.pop(seq)
                held = Held(text, at + epoch, PLAIN)
            elif seq in self.lined:
                text, at, group, identity = self.lined.pop(seq)
                held = Held(text, at, Details(group=group, deduplication_id=identity))
            else:
                return None
            self.held[seq] = held
        return held

    def release(self, group: str) -> None:
        """A parked group is given again, each with a new number of tries."""
        self.parked.discard(group)
        for held in self.held.values():
            if held.place == "again" and held.details.group == group:
                held.details = held.details._replace(brought=held.count)


class Past:
    """What all queues held, by their numbers. `last_at`: the latest instant in any record.

    epoch: what makes an instant since 1970 one of the clock's; only the records in `fresh` have those already.
    """

    def __init__(self, epoch: int = 0) -> None:
        self.epoch = epoch
        self.queues: dict[int, QueuePast] = {}
        self.moving: dict[tuple[int, int], int] = {}  # queue and number of what leaves, and when, as turns of `turn`
        self.arrived: dict[tuple[str, str], int] = {}  # from which queue, by which id there, and when
        self.turn = 0
        self.last_at = 0

    def of(self, number: int) -> QueuePast:
        """The queue; its head may come later, where the one before it was cleaned away."""
        queue = self.queues.get(number)
        if queue is None:
            queue = self.queues[number] = QueuePast(number)
        return queue

    def apply(self, payload: bytes) -> bool:
        """Take one record; False for one of another kind. Raises ValueError, KeyError, struct.error for what is none."""
        kind = payload[0]
        if kind == SENT:  # most of what is in a large journal
            _, number, seq, at = HEAD.unpack_from(payload)
            queue = self.of(number)
            queue.fresh[seq] = (str(payload[HEAD.size :], "utf-8"), at - self.epoch, seq)
        elif kind == STEP:
            self.step(payload)
            return True
        elif kind == FIFO:
            _, number, seq, at, one, other = FIFO_HEAD.unpack_from(payload)
            queue, start = self.of(number), FIFO_HEAD.size
            group = str(payload[start : start + one], "utf-8")
            identity = str(payload[start + one : start + one + other], "utf-8")
            queue.lined[seq] = (str(payload[start + one + other :], "utf-8"), at, group, identity)
            queue.seen.append((at, seq, group, identity))
        elif kind == MESSAGE:
            self.message(payload)
            return True
        elif kind in (EVENT, QUEUE):
            self.event(payload, kind)
            return True
        else:
            return False
        if seq >= queue.next:
            queue.next = seq + 1
        if at > self.last_at:
            self.last_at = at
        return True

    def step(self, payload: bytes) -> None:
        _, number, seq, at, code, until, count = STEP_HEAD.unpack_from(payload)
        queue = self.of(number)
        self.last_at = max(self.last_at, at)
        if code >= GONE:
            if queue.held.pop(seq, None) is None and queue.fresh.pop(seq, None) is None:
                queue.lined.pop(seq, None)
            return
        held = queue.hold(seq, self.epoch)
        if held is None:
            return
        held.count = count
        if len(payload) > STEP_HEAD.size:
            more = json.loads(payload[STEP_HEAD.size :])
            held.details = held.details._replace(failure=Failure(*more["failure"]))
        if code == RECEIVED:
            held.at, held.first = at, held.first or at
        if code == MOVING:
            self.leave(queue, seq, held)
        elif code in (RECEIVED, CHANGED) or (code == REFUSED and until > at):
            held.place, held.due = "leased", until
        elif code == DELAYED:
            held.place, held.due = "delayed", until
        else:
            held.place, held.due = "again", held.sent_at if code == GIVEN_BACK else at

    def message(self, payload: bytes) -> None:
        _, number, size = MESSAGE_HEAD.unpack_from(payload)
        start = MESSAGE_HEAD.size
        terms: dict[str, Any] = json.loads(payload[start : start + size])
        queue, seq, details = self.of(number), terms["seq"], details_of_terms(terms)
        text = text_from(str(payload[start + size :], "utf-8"), terms.get("large"))
        held = queue.held[seq] = Held(text, terms["sent"], details)
        for plain in (queue.fresh, queue.lined):
            plain.pop(seq, None)
        held.place = terms.get("place", "fresh")
        held.at = terms.get("received", terms["at"])
        held.due = terms.get("until", terms["at"])
        held.count = terms.get("count", 0)
        held.first = terms.get("first")
        if details.deduplication_id and details.group is not None and "kept" not in terms:
            queue.seen.append((terms["at"], seq, details.group, details.deduplication_id))
        if held.place == "moving":
            self.leave(queue, seq, held)
        if "from" in terms:
            self.turn += 1
            self.arrived[tuple(terms["from"])] = self.turn
        queue.next = max(queue.next, seq + 1)
        self.last_at = max(self.last_at, terms["at"])

    def leave(self, queue: QueuePast, seq: int, held: Held) -> None:
        held.place = "moving"
        self.turn += 1
        self.moving[queue.number, seq] = self.turn

    def event(self, payload: bytes, kind: int) -> None:
        _, number = EVENT_HEAD.unpack_from(payload)
        given = json.loads(payload[EVENT_HEAD.size :])
        if kind == QUEUE:
            queue = self.of(number)
            queue.name, queue.stem, queue.next = given["name"], given["stem"], max(queue.next, given["next"])
            queue.parked |= set(given.get("parked", ()))
            queue.seen += [tuple(one) for one in given.get("seen", ())]
            return
        what, *more = given
        if what == "deleted":
            self.queues.pop(number, None)
            return
        queue = self.of(number)
        if what == "group parked":
            queue.parked.add(more[0])
        elif what == "group released":
            queue.release(more[0])
        elif what == "forgotten":
            queue.seen.clear()

    def settle(self) -> None:
        """All is read: what was on its way is gone if it has arrived since, else visible where it came from."""
        for (number, seq), since in self.moving.items():
            queue = self.queues.get(number)
            held = None if queue is None else queue.held.get(seq)
            if queue is None or held is None or held.place != "moving":
                continue
            identity = held.details.id or f"{queue.stem}{seq:012x}"
            if self.arrived.get((queue.name, identity), 0) > since:
                del queue.held[seq]
            else:
                held.place, held.due = "again", self.last_at
        self.moving.clear()
        self.arrived.clear()
