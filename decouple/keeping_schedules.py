"""What a shelf has of a schedule: its terms, until when its instants are dealt with, and what was due and is not delivered yet.

One record by name, and every change of it one swap: so each instant is claimed once, by whichever process is first. What is
claimed is open until it is delivered or given up. It is held on a lease, renewed while its process lives; when the lease is
over another process takes it, with the next number in the place of the old one, and who comes late with an old number
changes nothing. A queue or topic is sent to in the same transaction, where the engine has those. One that waits for another
attempt is held by nobody: whoever looks first when it is due takes it.

Who was away when a schedule was due does it once, and goes on from now; an at() is done however long ago it was. EventBridge
Scheduler, which is never away, makes up for nothing either. Instants are nanoseconds since 1970.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from decouple.core.settings import SECOND
from decouple.errors import StorageError
from decouple.firing import Firing

if TYPE_CHECKING:
    from decouple.adopting import Adopting
    from decouple.schedules import Schedule
    from decouple.shelves import Shelf

__all__ = ["LEASE", "KeptSchedule", "fresh"]

LEASE = 30 * SECOND
KIND = "schedule"

Record = dict[str, Any]


def fresh(terms: Record, start: int, since: int, stem: str, *, named: bool) -> Record:
    """The record of a schedule that was never due."""
    return {
        "terms": terms,
        "named": named,
        "start": start,
        "stem": stem,
        "state": "enabled",
        "last": since - 1,
        "fired": 0,
        "open": {},
    }


class KeptSchedule:
    """The record of one schedule, and what this process has to do with it. held: what it has claimed, by number."""

    def __init__(self, shelf: Shelf, schedule: Schedule, terms: Record) -> None:
        self.shelf = shelf
        self.schedule = schedule
        self.terms = terms
        self.held: dict[int, Firing] = {}

    def together(self) -> AbstractContextManager[None]:
        """What follows is one step, where the engine has those."""
        return self.shelf.together()

    # -- the record ----------------------------------------------------------------------------------------------

    def change(self, alter: Callable[[Record], bool]) -> Record | None:
        """Change the record in one step, if `alter` changes it; what it is then, None where there is none of these terms."""
        while True:
            old = self.shelf.get(KIND, self.schedule.name)
            if old is None or old["terms"] != self.terms:
                return None
            new = {**old, "open": {number: dict(one) for number, one in old["open"].items()}}
            if not alter(new):
                return new
            over = new["state"] == "ended" and not new["open"]
            if self.shelf.swap(KIND, self.schedule.name, old, None if over else new):
                return new

    def see(self, record: Record | None) -> None:
        """Let the schedule be as the record says; it ends here where others have ended it or declared it anew."""
        schedule = self.schedule
        if record is None:
            if schedule.state != "ended":
                schedule._leave("another process has ended it, or declared it anew")
            return
        with schedule._lock:
            if schedule.state == "closed":
                return
            schedule.state, schedule._last = record["state"], record["last"]
            schedule._next = schedule._plan.next_after(record["last"]) if record["state"] == "enabled" else None

    def pause(self, paused: bool, now: int) -> None:
        """See Schedule.pause and resume. Raises StorageError."""

        def alter(record: Record) -> bool:
            state = "paused" if paused else "enabled"
            if record["state"] in ("ended", state):
                return False
            if not paused:
                record["last"] = max(record["last"], now - 1)
                state = "ended" if self.schedule._plan.next_after(record["last"]) is None else state
            record["state"] = state
            return True

        self.see(self.change(alter))

    def remove(self) -> None:
        """It was closed: no process goes on with it. Raises StorageError."""
        while (record := self.shelf.get(KIND, self.schedule.name)) is not None and record["terms"] == self.terms:
            if self.shelf.swap(KIND, self.schedule.name, record, None):
                return

    # -- claiming ------------------------------------------------------------------------------------------------

    def begin_here(self, adopting: Adopting) -> None:
        """Go on with what nobody holds; where nobody else lives, with all of it."""
        if not adopting.shelf.shared:
            self._go_on_with(self._take(lambda one: True))
        self.schedule._go_on()
        if adopting.shelf.shared:
            adopting.watch(self._name, lambda: self.look(adopting))

    def take_due(self, now: int) -> list[Firing]:
        """The tick's instant has come: claim it, unless another process was first. Raises StorageError."""
        schedule = self.schedule
        try:
            with schedule._lock:
                schedule._ticking = False
            taken = self._take(lambda one: now >= one["until"], instant=now)
        except StorageError:  # such as a full disk: once more in a second
            with schedule._lock:
                schedule._ticking = True
            schedule._runner.put(schedule._tick, schedule.clock.now() + SECOND)
            raise
        self._go_on_with(taken[1:])
        return taken[:1]

    def gather(self, now: int) -> None:
        """Have here what is under way nowhere: it is about to be given up. Raises StorageError."""
        self._take(lambda one: now >= one["until"] or not one["begun"])

    def _go_on_with(self, taken: list[Firing]) -> None:
        for firing in taken:
            self.schedule._runner.put(firing, firing.at)

    def _take(self, free: Callable[[Record], bool], *, instant: int | None = None) -> list[Firing]:
        """Claim what is due at that instant, and of what others held that which is free."""
        taken: dict[str, bool] = {}  # by number: whether it was under way in a process that is gone
        now = self.schedule._wall()

        def alter(record: Record) -> bool:
            taken.clear()
            if instant is not None:
                self._claim_instant(record, instant, taken)
            for number, one in record["open"].items():
                if int(number) not in self.held and number not in taken and free(one):
                    taken[number] = one["begun"]
                    one["failures"] += one["begun"]
                    one["token"] += 1
                    one["begun"], one["until"] = False, max(now, one["at"]) + LEASE
            return bool(taken)

        record = self.change(alter)
        self.see(record)
        return [] if record is None else [self._firing(int(one), record["open"][one], taken[one]) for one in taken]

    def _claim_instant(self, record: Record, now: int, taken: dict[str, bool]) -> None:
        schedule = self.schedule
        due = schedule._plan.next_after(record["last"]) if record["state"] == "enabled" else None
        if due is None or due > now:
            return
        at = max(now, due + schedule._plan.delay(schedule._chance))
        record["last"] = now
        record["fired"] += 1
        if schedule._plan.next_after(now) is None:
            record["state"] = "ended"
        number = str(record["fired"])
        # In a flexible window nobody holds it: whoever is there when its time has come takes it.
        until = now + LEASE if at == now else at
        record["open"][number] = {
            "due": due, "at": at, "until": until, "token": 1, "begun": at == now,
            "failures": 0, "previous": 0, "first_at": None,
        }  # fmt: skip
        taken[number] = False

    def _firing(self, number: int, one: Record, cut: bool) -> Firing:
        """What this process has claimed. Its attempts go on where another process left them."""
        schedule = self.schedule
        firing = Firing(schedule, one["due"], number)
        firing.token, firing.ready, firing.cut = one["token"], one["begun"], cut
        firing.at = one["at"] - schedule.clock.epoch
        firing.failures, firing.previous = one["failures"], one["previous"]
        firing.first_at = None if one["first_at"] is None else one["first_at"] - schedule.clock.epoch
        self.held[number] = firing
        with schedule._lock:
            schedule._fired += 1
            schedule._resting[firing] = None
        return firing

    # -- an attempt ----------------------------------------------------------------------------------------------

    def begin(self, firing: Firing) -> bool:
        """Hold it for an attempt; False if it is another's. Raises StorageError."""
        now = self.schedule._wall()

        def alter(one: Record) -> None:
            one["begun"], one["until"], one["token"] = True, now + LEASE, firing.token + 1

        if firing.ready and now < firing.at + self.schedule.clock.epoch + LEASE:
            firing.ready = False
            return True
        mine = self._alter(firing, alter)
        if mine:
            firing.token += 1
        return mine

    def rest(self, firing: Firing, at: int) -> bool:
        """It is tried again at that instant of the clock, by whoever is there then; False if it is another's."""
        epoch = self.schedule.clock.epoch
        changes = {
            "begun": False, "at": at + epoch, "until": at + epoch, "failures": firing.failures,
            "previous": firing.previous, "first_at": None if firing.first_at is None else firing.first_at + epoch,
        }  # fmt: skip
        firing.ready = False
        try:
            return self._alter(firing, lambda one: one.update(changes))
        except StorageError as error:
            import logging  # here, because most programs never need it

            logging.getLogger("decouple").warning(
                "that an attempt of schedule %r failed could not be kept, so after a restart it may be tried too early: %s",
                self.schedule.name, error,
            )  # fmt: skip
            return True

    def end(self, firing: Firing) -> bool:
        """It was delivered, or given up; False if it is another's by now. Raises StorageError."""
        number, found = str(firing.number), False

        def alter(record: Record) -> bool:
            nonlocal found
            found = number in record["open"] and record["open"][number]["token"] == firing.token
            if found:
                del record["open"][number]
            return found

        self.change(alter)
        return found or (self.schedule.state == "closed" and not self.schedule._left)

    def renew(self, now: int) -> None:
        """Hold what is under way here for another while."""
        for firing in [one for one in list(self.held.values()) if one not in self.schedule._resting]:
            self._alter(firing, lambda one: one.update(until=now + LEASE))

    def _alter(self, firing: Firing, alter: Callable[[Record], object]) -> bool:
        """Change an open one, if it is that firing's."""
        number, found = str(firing.number), False

        def change(record: Record) -> bool:
            nonlocal found
            one = record["open"].get(number)
            found = one is not None and one["token"] == firing.token
            if one is not None and found:
                alter(one)
            return found

        self.change(change)
        return found

    # -- between processes ---------------------------------------------------------------------------------------

    def look(self, adopting: Adopting) -> None:
        """See what others have done, hold on to what is under way, and go on with what nobody holds any more."""
        schedule, now = self.schedule, self.schedule._wall()
        record: Record | None = self.shelf.get(KIND, schedule.name)
        if record is not None and record["terms"] != self.terms:
            record = None
        self.see(record)
        if record is None or schedule.state == "closed":
            adopting.leave(self._name)
            return
        if self.held and any(one["until"] - now < LEASE // 2 for one in record["open"].values()):
            self.renew(now)
        if any(int(number) not in self.held and now >= one["until"] for number, one in record["open"].items()):
            self._go_on_with(self._take(lambda one: now >= one["until"]))
        schedule._go_on()

    @property
    def _name(self) -> str:
        return f"schedule {self.schedule.name} {id(self)}"
