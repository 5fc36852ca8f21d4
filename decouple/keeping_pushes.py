"""Notifications on their way that outlive the process: each is on the shelf from publish until it is delivered or given up.

A push belongs to the process that published it. Where that one is gone, another that can push takes it over. A process
that cannot, because its workers are not started or it knows no such handler, hands it over at once to whoever can.

A broker that closes gives up nothing here: what waits is there for the next one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from decouple.core.backoff import AWS_MANAGED, Schedule
from decouple.core.settings import SECOND
from decouple.errors import DeliveryFailed, StorageError
from decouple.notification import Publication
from decouple.pending import CLOSED, Pending
from decouple.pushing import Line
from decouple.shelves import afterwards
from decouple.stories.change_json import record_from, record_to

if TYPE_CHECKING:
    from collections.abc import Mapping

    from decouple.core.records import Failure
    from decouple.notification import Kind, Notification
    from decouple.pending import Hand
    from decouple.post import Post
    from decouple.shelves import Shelf
    from decouple.staff import Staff
    from decouple.subscription import Subscription
    from decouple.targets import Target

__all__ = ["KeptLine", "Waited"]

ANEW = 10 * SECOND
"""How long to wait when not even the dead-letter queue can keep it."""


class Waited:
    """Stands for a handler of an earlier process, until this one subscribes it again. data: what is known of it."""

    awaits = False
    confirms = False
    schedule: Schedule = AWS_MANAGED

    def __init__(self, data: Mapping[str, Any], protocol: str, endpoint: str, *, envelope: bool) -> None:
        self.data = data
        self.protocol = protocol
        self.endpoint = endpoint
        self.envelope = envelope

    def deliver(self, notification: Notification, post: Post) -> NoReturn:
        """Raises DeliveryFailed: nobody is to ask."""
        raise DeliveryFailed(self.endpoint, why="this process has not subscribed it yet")


class KeptLine(Line):
    """A line whose notifications are on a shelf.

    left: the broker has closed, and what waits stays there.
    """

    def __init__(self, subscription: Subscription, target: Target, staff: Staff, shelf: Shelf) -> None:
        super().__init__(subscription, target, staff)
        self.shelf = shelf
        self.left = False
        self._mine = f"push {subscription.arn}"
        self._handed = f"handed push {subscription.arn}"
        self._rests: dict[Pending, int] = {}  # those whose next attempt nobody has been told of, and its instant

    @property
    def held(self) -> bool:
        """Whether its handler is not there yet."""
        return isinstance(self.target, Waited)

    @property
    def able(self) -> bool:
        """Whether this process can push."""
        # On a clock moved by hand nothing is ever started, and whoever moves it works.
        return not self.held and (self.staff.runner.started or not self.subscription.topic.clock.threaded)

    @property
    def last(self) -> Pending | None:
        return None if self.held else super().last

    # -- coming in ---------------------------------------------------------------------------------------------

    def add(
        self,
        publication: Publication,
        *,
        kind: Kind = "Notification",
        token: str | None = None,
        held: dict[Line, None] | None = None,
    ) -> Exception | None:
        """Put it on the shelf, then take it as ever; the error where it cannot be kept. Cost: one put."""
        elsewhere = self.shelf.shared and not self.able
        row = self._row(Pending(self, publication, kind, token), None)
        try:
            self.shelf.put(self._handed if elsewhere else self._mine, publication.id, row)
        except StorageError as error:
            return error
        if not elsewhere:
            # Not before it is kept for certain: what is undone must not be pushed.
            afterwards(self.shelf, lambda: super(KeptLine, self).add(publication, kind=kind, token=token, held=held))
        return None

    def gather(self) -> None:
        """Take over what is there of processes that are gone, and what was handed over. Cost: a read, where others are two."""
        self._take_up(self.shelf.adopt(self._mine))
        if self.shelf.shared:
            self._claim()

    def _claim(self) -> None:
        """Take all that was handed over, each in one process."""
        taken = self.shelf.adopt(self._handed)
        taken |= {key: row for key, row in self.shelf.items(self._handed).items() if "taken" not in row}
        for key, row in taken.items():
            # Who swaps has it; the mark is never the same twice, so of two that adopt and find it only one does.
            if self.shelf.swap(self._handed, key, row, {**row, "taken": row.get("taken", 0) + 1}):
                row = {name: value for name, value in row.items() if name != "taken"}
                with self.shelf.together():
                    self.shelf.put(self._mine, key, row)
                    self.shelf.drop(self._handed, key)
                self._take_up({key: row})

    def _take_up(self, rows: Mapping[str, Any]) -> None:
        """Go on with these where they were."""
        if not rows:
            return
        now = self.subscription.topic.clock.now()
        read = [self._read(row) for row in rows.values()]
        with self._lock:
            self.accepted += sum(pending.counted for pending, _ in read)
            self.pending |= {pending for pending, _ in read if pending.counted}
            self._rests |= {pending: due for pending, due in read if due > now}
            self.resting |= {pending for pending, due in read if due > now}
            self.waiting += [pending for pending, due in read if due <= now]
        if not self.held:
            self._go_on()

    def attach(self, target: Target) -> None:
        """The handler is there: push to it."""
        with self._lock:
            self.turns = 0 if self.held else self.turns  # nobody came by for those
            self.target = target
            self.awaits = self.staff.post.awaits(target)
            for pending in {*self.pending, *self.waiting, *self.resting}:
                pending.awaits = self.awaits
        self._go_on()

    def _go_on(self) -> None:
        with self._lock:
            rests, self._rests = self._rests, {}
            free = min(self.subscription.terms.concurrency - self.turns, len(self.waiting))
            self.turns += max(0, free)
        for pending, due in rests.items():
            self.staff.runner.put(pending, due)
        for _ in range(free):
            self._take_turn()

    def _take_turn(self) -> None:
        if not self.held:
            super()._take_turn()

    # -- what became of it -------------------------------------------------------------------------------------

    def took(self, hand: Hand, answer: Any) -> None:
        if hand[0] is not None:
            self._drop(hand[0])
        super().took(hand, answer)

    def give_up(self, pending: Pending, failure: Failure, *, to_dead_letters: bool = True) -> None:
        if failure is CLOSED:
            return  # it is pending still, in the next process
        try:
            with self.shelf.together():
                super().give_up(pending, failure, to_dead_letters=to_dead_letters)
                self._drop(pending)
        except StorageError:  # nothing was undone but this: the next attempt comes to the same end, once there is room
            self._warn("cannot be given up", pending)
            at = self.subscription.topic.clock.now() + ANEW
            with self._lock:
                self.resting.add(pending)
            self.staff.runner.put(pending, at)

    def close(self, failure: Failure) -> None:
        if failure is CLOSED:
            self.left = True
        super().close(failure)

    def _ended(self, pending: Pending) -> bool:
        return super()._ended(pending) and not self.left

    def _keep(self, pending: Pending, due: int) -> None:
        try:
            self.shelf.put(self._mine, pending.publication.id, self._row(pending, due))
        except StorageError:
            self._warn("has failed, which could not be kept: a restart counts from before", pending)

    def _drop(self, pending: Pending) -> None:
        try:
            self.shelf.drop(self._mine, pending.publication.id)
        except StorageError:
            self._warn("is done with, which could not be kept: a restart pushes it again", pending)

    def _warn(self, what: str, pending: Pending) -> None:
        import logging  # here, because most programs never need it

        identity = pending.publication.id
        logging.getLogger("decouple").warning("publication %s for %s %s", identity, self.name, what, exc_info=True)

    # -- as JSON -----------------------------------------------------------------------------------------------

    def _row(self, pending: Pending, due: int | None) -> dict[str, Any]:
        """All there is to know of it. Instants are since 1970."""
        epoch, publication = self.subscription.topic.clock.epoch, pending.publication
        text, at, *more = record_to(publication.record)
        return {
            **publication._asdict(),
            "bodies": None if publication.bodies is None else dict(publication.bodies),
            "record": [text, at + epoch, *more],
            "kind": pending.kind,
            "token": pending.token,
            "failures": pending.failures,
            "first_at": None if pending.first_at is None else pending.first_at + epoch,
            "previous": pending.previous,
            "due": None if due is None else due + epoch,
        }

    def _read(self, row: Mapping[str, Any]) -> tuple[Pending, int]:
        """What was kept, and when its next attempt is due."""
        epoch = self.subscription.topic.clock.epoch
        text, at, *more = row["record"]
        record = record_from([text, at - epoch, *more])
        publication = Publication(
            row["id"], record, row["subject"], row["bodies"], row["sequence"], replayed=row["replayed"]
        )
        pending = Pending(self, publication, row["kind"], row["token"])
        pending.failures, pending.previous = row["failures"], row["previous"]
        pending.first_at = None if row["first_at"] is None else row["first_at"] - epoch
        return pending, 0 if row["due"] is None else row["due"] - epoch
