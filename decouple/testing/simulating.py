"""simulate: one name for all that runs in simulated time: a program, a load, a sweep over a load's settings."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar, Unpack, overload

from decouple.clock import Seconds
from decouple.core.changes import Change
from decouple.testing.simulation import Stopped
from decouple.testing.simulation import simulate as run

if TYPE_CHECKING:
    from decouple.testing.faults import Faults
    from decouple.testing.load.arrivals import Arrivals
    from decouple.testing.load.result import Load
    from decouple.testing.load.service import Service
    from decouple.testing.load.settings import LoadSettings, SweepSettings
    from decouple.testing.load.sweeping import Sweep

__all__ = ["Simulate", "simulate"]

T = TypeVar("T")


class Simulate:
    """Called, it runs an ordinary async program in virtual time, as asyncio.run does in real time: what main returns.

    `load` and `sweep` run a load of messages instead. See `simulate.__call__` for what a program may be.
    """

    @overload
    def __call__(
        self,
        main: Callable[[], Coroutine[Any, Any, T]],
        *,
        seed: int = 0,
        faults: Faults | None = None,
        start: datetime | None = None,
        observers: Iterable[Callable[[Change], object]] = (),
    ) -> T: ...
    @overload
    def __call__(
        self,
        main: Callable[[], Coroutine[Any, Any, T]],
        *,
        seed: int = 0,
        faults: Faults | None = None,
        start: datetime | None = None,
        until: Seconds | datetime | None = None,
        stop_when: Callable[[Change], object] | None = None,
        observers: Iterable[Callable[[Change], object]] = (),
    ) -> T | Stopped: ...
    def __call__(self, main: Callable[[], Coroutine[Any, Any, T]], **settings: Any) -> T | Stopped:
        answer: T | Stopped = run(main, **settings)
        return answer

    __call__.__doc__ = run.__doc__

    def __repr__(self) -> str:
        return "<simulate: simulate(main), simulate.load(...), simulate.sweep(...)>"

    def load(self, arrivals: Arrivals, service: Service | Seconds, **settings: Unpack[LoadSettings]) -> Load:
        """Let messages come to a queue, and be worked at: what that makes of the queue, and what it takes and costs.

        It is the real engine that runs, in virtual time: one seed, one result. arrivals, service: see decouple.testing.load;
        service: seconds, or of what kind they are. lasts: for how many seconds messages come (a trace has an end of its own),
        drain: for how many more the queue may then take to be empty (an hour); seed; faults: as for simulate; failures: a
        share of the attempts that raise, a Failure or a tuple of them; timeout: of one handling, or of one run of a
        function; prices: a table; progress: a bar after two seconds, None = where stderr is a terminal.

        The queue: fifo (with arrivals that have groups), visibility_timeout, delay, retention, max_receives, max_in_flight;
        there is a dead-letter queue. Who works: consumers, how many, with retry and heartbeat as for `queue.consume`; or a
        function, with scaling="aws" or pollers, batch_size, batch_window, max_concurrency and partial_failures as for
        `queue.trigger`, concurrency and memory as for `broker.function`; it handles the messages of a batch one by one.

        Raises TypeError, ValueError. Cost: about 0.1 ms a message.
        """
        from decouple.testing.load.running import load

        return load(arrivals, service, settings)

    def sweep(
        self,
        arrivals: Arrivals | list[Arrivals],
        service: Service | Seconds | list[Service | Seconds],
        **settings: Unpack[SweepSettings],
    ) -> Sweep:
        """A load for each combination of settings: whatever is a list is swept over. See `load`.

        All of them have the same messages, unless arrivals, service or seed are swept. What is wrong in any combination
        is said before the first one runs. A Ctrl-C ends it.
        """
        from decouple.testing.load.running import sweep

        return sweep(arrivals, service, settings)


simulate = Simulate()
