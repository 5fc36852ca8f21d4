"""What stands for AWS while a mock is open: one world, and who does what falls due in it.

On a virtual clock nobody works by themselves, so each call first does what is due (a message that was published natively
is to be there when it is asked for) and afterwards what follows from it, in the caller's thread. A call from the midst
of such work, a handler's, leaves that to whoever is at it. Errors of handlers are no concern of the call in which they
come up: as with Lambda they are in the log.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from decouple.aws.service import Service, find_service
from decouple.clock import VirtualClock
from decouple.errors import DecoupleError

if TYPE_CHECKING:
    from decouple.aws.mocking.loopback import Loopback
    from decouple.aws.world import World
    from decouple.broker import Broker
    from decouple.recording import Recording
    from decouple.story import Story

__all__ = ["AWS"]

logger = logging.getLogger("decouple.aws")

PATIENCE = 5.0
"""Real seconds that handlers have to end, when a mock on real time does."""


class AWS:
    """What `mock()` stands for AWS with: `with mock() as aws`.

    account, region: of clients that name none; world: all accounts and regions.
    """

    def __init__(self, world: World, *, passthrough: frozenset[str] = frozenset(), outer: AWS | None = None) -> None:
        self.world = world
        self.passthrough = passthrough
        self.outer = outer
        self.ended = False
        self._services: dict[str, Service | None] = {}
        self._loopback: Loopback | None = None
        self._lock = threading.Lock()
        world.reach = self._reach
        self._virtual = world.clock if isinstance(world.clock, VirtualClock) else None

    def __repr__(self) -> str:
        return f"<AWS{' of a mock that has ended' if self.ended else ''}: {self.world!r}>"

    @property
    def account(self) -> str:
        """The account of clients whose access key is none."""
        return self.world.account

    @property
    def region(self) -> str:
        """The region that clients have by default."""
        return self.world.region

    @property
    def broker(self) -> Broker:
        """The broker of that account in that region: declare, look into and check natively what boto3 sees, too."""
        return self.world.broker()

    @property
    def clock(self) -> VirtualClock:
        """The time of this world: `aws.clock.advance(30)`. Raises RuntimeError on real time."""
        if self._virtual is None:
            raise RuntimeError("this mock lives on real time, which nobody moves: world.clock is its clock")
        return self._virtual

    def run(self) -> list[BaseException]:
        """Do all work that is due now, and what follows from it; on real time, wait until it is done. Errors of handlers.

        Calls of clients do the same by themselves, and log the errors: this is for what was published or sent natively.
        """
        errors: list[BaseException] = []
        while busy := [broker for broker in self._brokers() if not broker.idle]:
            for broker in busy:
                errors += broker.run_until_idle(errors="collect").errors
        return errors

    def check(self) -> dict[str, int]:
        """Prove that no message was lost; the numbers over all accounts and regions. Raises LawBroken."""
        return self.world.check()

    def explain(self, id: str) -> Story:
        """Everything that is recorded of a message, publication or run, in all accounts and regions, and why: print it.

        id: as boto3 answered it: the MessageId of a message sent, received or published, or a RequestId. Raises NotRecorded,
        also without mock(record=100_000), which keeps so many changes.
        """
        return self.world.explain(id)

    def recording(self) -> Recording:
        """What is recorded up to now: to be saved, or compared with another run. Raises NotRecorded without `record`."""
        return self.world.recording()

    def settle(self) -> None:
        """Do what is due, unless somebody is at it, perhaps the caller itself. On real time workers do."""
        clock = self._virtual
        while clock is not None and not clock.moving:
            busy = [broker for broker in self._brokers() if not broker.idle and not broker.inside]
            if not busy:
                return
            for broker in busy:
                for error in broker.run_until_idle(errors="collect").errors:
                    # Our own errors say all in their sentence; of a handler's the traceback is wanted.
                    known = isinstance(error, DecoupleError)
                    logger.error("work that was due within a call failed: %s", error, exc_info=None if known else error)

    def _brokers(self) -> list[Broker]:
        return [place.broker for place in self.world.places]

    def service(self, name: str) -> Service | None:
        """What answers calls of that service; None: they are not for us."""
        if name in self.passthrough:
            return None
        if name not in self._services:
            self._services[name] = find_service(name)
        return self._services[name]

    def _reach(self) -> str:
        """Where the processes of uploaded functions find this world."""
        from decouple.aws.mocking.loopback import Loopback  # here, because few mocks run uploaded code

        with self._lock:
            if self._loopback is None:
                self._loopback = Loopback(self.world)
            return self._loopback.url

    def end(self) -> None:
        """From now on nothing is answered; waits end."""
        self.ended = True
        self.world.close(0 if self._virtual is not None else PATIENCE)
        if self._loopback is not None:
            self._loopback.close()
