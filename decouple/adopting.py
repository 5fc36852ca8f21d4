"""Adopting: what a process that is gone had put on a shelf, and had not seen through, goes on in one that lives.

Kinds of work register here. What is there is taken over at the start, and where processes share the shelf again every
second, by a job of the runner that nobody waits for. On a virtual clock it is taken over at once, and while time is moved;
by a broker that was not started and shares its shelf it is not: whoever only sends lets others work.

What was taken over, and not dealt with because of an error, stays here and is tried at the next look.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias
from weakref import ref

from decouple.backlog import Aside
from decouple.clock import Clock
from decouple.core.deadlines import FAR
from decouple.core.settings import SECOND
from decouple.errors import StorageError

if TYPE_CHECKING:
    from decouple.runner import Runner
    from decouple.shelves import Shelf

__all__ = ["EVERY", "Adopting"]

EVERY = SECOND
"""Between two looks for what others left."""

Take: TypeAlias = Callable[[str, Any], object]


class Adopting:
    """The looks of one broker. The runner holds it weakly: a broker that is dropped takes it along."""

    def __init__(self, shelf: Shelf, runner: Runner, clock: Clock) -> None:
        self.shelf = shelf
        self.clock = clock
        self._runner = runner
        self._takes: dict[str, Take] = {}
        self._looks: dict[str, Callable[[], object]] = {}
        self._hand: dict[tuple[str, str], Any] = {}
        self._lock = threading.Lock()
        self._next = FAR
        if clock.by_hand:
            self._next = clock.now() + EVERY if shelf.shared else FAR
            clock.attach(self)
        elif shelf.shared:
            runner.put(Look(self))

    def adopt(self, kind: str, take: Take, *, later: bool = False) -> None:
        """From now on let `take(key, value)` go on with what was put under that kind by a process that is gone, oldest first.

        At once, unless others share the shelf and may work while this broker does not; later: from the next look on. Raises
        what `take` and the shelf do.
        """
        with self._lock:
            self._takes[kind] = take
        if self._at_once and not later:
            self._take_over(kind, take)

    def watch(self, name: str, look: Callable[[], object]) -> None:
        """From now on call it at every look: where the shelf is shared, that is each second while the broker works."""
        with self._lock:
            self._looks[name] = look

    def leave(self, name: str) -> None:
        """Adopt no more of that kind, or watch no more under that name; no error if it never did."""
        with self._lock:
            self._takes.pop(name, None)
            self._looks.pop(name, None)

    def look(self) -> None:
        """Take over what there is, of every kind. Raises what the shelf and who goes on with it do."""
        with self._lock:
            takes, looks = list(self._takes.items()), list(self._looks.values())
        for kind, take in takes:
            self._take_over(kind, take)
        for look in looks:
            look()

    @property
    def _at_once(self) -> bool:
        return not self.shelf.shared or self.clock.by_hand or self._runner.started

    def _take_over(self, kind: str, take: Take) -> None:
        for key, value in self.shelf.adopt(kind).items():
            self._hand[kind, key] = value
        for one in [one for one in list(self._hand) if one[0] == kind]:
            value = self._hand.pop(one, None)
            if value is None:
                continue  # another thread has it
            try:
                take(one[1], value)
            except BaseException:
                self._hand[one] = value
                raise

    # -- for a clock that is moved by hand ---------------------------------------------------------------------

    def next_at(self) -> int:
        """When it looks next."""
        return FAR if self._runner.closed else self._next

    def settle(self) -> None:
        """Look, if it is time."""
        now = self.clock.now()
        if self._next <= now:
            self._next = now + EVERY
            self.look()


class Look:
    """The runner's job of the first look."""

    awaits = False

    def __init__(self, adopting: Adopting) -> None:
        self._adopting = ref(adopting)

    def run(self) -> None:
        adopting = self._adopting()
        if adopting is None:
            return
        try:
            adopting.look()
        except StorageError:
            import logging  # here, because most programs never need it

            logging.getLogger("decouple").warning("what other processes left could not be looked at", exc_info=True)
        finally:
            if adopting.clock.loop is None:  # in a simulation no process but this one lives
                adopting._runner.put(LookAgain(adopting), adopting.clock.now() + EVERY)

    async def arun(self) -> None:
        self.run()

    def abandon(self) -> None:
        """The broker closes: others take over."""

    def describe(self) -> str:
        return "a look for what other processes left"


class LookAgain(Look, Aside):
    """That of every other one: work that nobody waits for."""
