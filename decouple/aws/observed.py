"""The observed half of a World: who is told of the changes in all of its brokers, what is recorded of them, what goes wrong.

One observer, one recorder and one plan of faults for all accounts and regions, also for brokers that are made later. Names
are unique in one broker alone, so what happens in another account or region than the world's own is told by ARNs.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from decouple.arns import arn_of
from decouple.clock import AMBIENCE
from decouple.errors import NotRecorded
from decouple.mishaps.injecting import begun, check_suffers
from decouple.numbers import whole
from decouple.reporting import tell

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from decouple.broker import Broker
    from decouple.clock import Clock
    from decouple.core.changes import Change
    from decouple.stories.recorder import Recorder
    from decouple.stories.recording import Recording
    from decouple.stories.story import Story
    from decouple.testing.faults import Faults, Injection

__all__ = ["Herald", "Observed"]


class Herald:
    """Tells a recorder and a world's observers what happens in one of its brokers.

    recorder: the world's when the broker was made, which a later one must not hear of; home: whether it is the world's own
    place.
    """

    def __init__(self, world: Observed, broker: Broker, recorder: Recorder | None, *, home: bool) -> None:
        self._world = world
        self._recorder = recorder
        self._broker = broker
        self._home = home
        self._last: tuple[Change | None, Change | None] = None, None

    @property
    def records(self) -> bool:
        """Whether it has something to tell, though nobody observes."""
        return self._recorder is not None

    def __call__(self, change: Change) -> None:
        """Tell them."""
        told = change if self._home else self._by_arn(change)
        if self._recorder is not None:
            tell(self._recorder, told)
        for observer in self._world._observers:
            tell(observer, told)

    def _by_arn(self, change: Change) -> Change:
        seen, told = self._last
        if seen is not change or told is None:  # else an interrupt came between, and observers know it by what it is
            told = by_arn(change, self._broker.account, self._broker.region)
            self._last = change, told
        return told


def by_arn(change: Change, account: str, region: str) -> Change:
    """The change with ARNs in place of the names of what it is of."""

    def arn(service: str, name: str) -> str:
        return arn_of(service, name, account=account, region=region)

    if change.queue:
        other = None if change.other is None else arn("sqs", change.other)
        return change._replace(queue=arn("sqs", change.queue), other=other)
    if change.topic is not None:
        return change._replace(topic=arn("sns", change.topic))
    if change.function is not None:
        return change._replace(function=arn("lambda", f"function:{change.function}"))
    if change.schedule is not None:
        path = change.schedule if "/" in change.schedule else f"default/{change.schedule}"
        return change._replace(schedule=arn("scheduler", f"schedule/{path}"))
    return change


class Observed:
    """See World, which fills it. watched: whether anybody is told; seed: what chance begins with, its own or its faults'."""

    clock: Clock
    account: str
    region: str
    seed: int | None
    maker: str = "World"
    """What is to be given `record` where nothing is recorded."""
    watched: bool = False
    _observers: tuple[Callable[[Change], object], ...] = ()
    _heralds: dict[Broker, Herald]
    _recorder: Recorder | None = None
    _record_since: int = 0
    _requests: dict[str, str]
    _given: tuple[Faults | None, int, int | None]
    _faults: Injection | None = None
    _lock: threading.Lock

    def _prepare(
        self,
        observers: Iterable[Callable[[Change], object]],
        seed: int | None,
        faults: Faults | None,
        record: int,
        *,
        ambient: bool,
    ) -> None:
        """Before there is any broker. ambient: take what a simulation gives. Raises TypeError, ValueError."""
        self._observers = tuple(observers)
        if ambient and (ambience := AMBIENCE.get()) is not None:
            self._observers += ambience.observers
            seed = ambience.seed if seed is None else seed
            faults = ambience.faults if faults is None else faults
        self._given = faults, whole(record, "record", 0), seed
        for observer in self._observers:
            if not callable(observer):
                raise TypeError(f"observers must be callables that take a Change, not {observer!r}")
        self._begin()

    def _begin(self) -> None:
        """Record and plan, anew."""
        faults, most, seed = self._given
        self._heralds, self._requests = {}, {}
        if most:
            from decouple.stories.recorder import Recorder  # here, because most worlds keep nothing

            self._recorder = Recorder(most)
            self._record_since = self.clock.now() + self.clock.epoch
        self.watched = bool(self._observers or most)
        self._faults = begun(faults, self.clock, seed, ambient=False)
        self.seed = self._faults.seed if seed is None and self._faults is not None else seed

    def _follow(self, broker: Broker) -> None:
        """Be the world of a broker that was made before: what it records and suffers is the world's, too."""
        self._faults, self._recorder, self._record_since = broker._faults, broker._recorder, broker._record_since
        self.watched = self._recorder is not None
        self._heralds[broker] = Herald(self, broker, None, home=True)  # it tells its recorder itself

    def _join(self, broker: Broker, *, home: bool) -> None:
        """Under the lock: a broker was made, and its changes are to be told."""
        herald = self._heralds[broker] = Herald(self, broker, self._recorder, home=home)
        if self._recorder is not None:
            broker._recorder, broker._record_since = self._recorder, self._record_since
        if self.watched:
            broker.observe(herald)

    # -- observers ---------------------------------------------------------------------------------------------

    def observe(self, observer: Callable[[Change], object]) -> None:
        """Tell it of every change from now on, in whichever account and region, as `observers` are."""
        if not callable(observer):
            raise TypeError(f"an observer must be a callable that takes a Change, not {observer!r}")
        with self._lock:
            if not self._observers:
                for broker, herald in self._silent():
                    broker.observe(herald)
            self._observers = (*self._observers, observer)
            self.watched = True

    def unobserve(self, observer: Callable[[Change], object]) -> None:
        """Tell it no more. One that was not told is no error."""
        with self._lock:
            before, self._observers = self._observers, tuple(one for one in self._observers if one is not observer)
            if before and not self._observers:
                for broker, herald in self._silent():
                    broker.unobserve(herald)
                self.watched = self._recorder is not None

    def _silent(self) -> list[tuple[Broker, Herald]]:
        """Where nothing is told without observers."""
        return [(broker, herald) for broker, herald in self._heralds.items() if not herald.records]

    # -- what is recorded --------------------------------------------------------------------------------------

    def explain(self, id: str) -> Story:
        """Everything that is recorded of a message, publication or run, through all accounts and regions, and why.

        id: as it was answered: a MessageId, the RequestId of an Invoke, or that of a call that sent, published or received
        one message. Raises NotRecorded. Cost: O(changes).
        """
        recording = self.recording(id)
        try:
            return recording.explain(id)
        except NotRecorded:
            if id not in self._requests:
                raise
            return recording.explain(self._requests[id])

    @property
    def recorded(self) -> bool:
        """Whether there are stories to be told."""
        return self._recorder is not None

    def recording(self, what: str = "this world") -> Recording:
        """What is recorded up to now: to be saved, or compared with another run. Raises NotRecorded without `record`."""
        if self._recorder is None:
            raise NotRecorded(what, kept=0, dropped=0, most=0, maker=self.maker)
        ended = self.clock.now() + self.clock.epoch
        return self._recorder.recording(started=self._record_since, ended=ended, seed=self.seed)

    def note(self, request_id: str, answer: Mapping[str, Any]) -> None:
        """What a request was answered, so that its id, too, leads to the message."""
        if self._recorder is None or not request_id or (id := message_in(answer)) is None:
            return
        with self._lock:
            self._requests[request_id] = id
            if len(self._requests) > (self._recorder.most or len(self._requests)):
                del self._requests[next(iter(self._requests))]

    # -- what goes wrong ---------------------------------------------------------------------------------------

    @property
    def faults(self) -> Injection | None:
        """What goes wrong, with how often it did; None where nothing ever was to."""
        return self._faults

    def inject(self, faults: Faults | None, *, seed: int | None = None) -> None:
        """Let this go wrong from now on, instead of what was planned before; None: nothing. seed: where the plan has none.

        It strikes queues and functions that are there already, too; consumers only those kinds of theirs that there were
        when they began, and targets of topics ("fail_target") only in a world that began with faults. Raises TypeError, and
        ValueError where a function is to be restarted that cannot be: then nothing is changed.
        """
        plan = begun(faults, self.clock, self.seed if seed is None else seed, ambient=False)
        with self._lock:
            brokers = list(self._heralds)
        for function in [one for broker in brokers for one in broker.functions.values()]:
            check_suffers(function, plan)
        with self._lock:
            if self._faults is None:
                self._faults = plan
            else:
                self._faults.become(plan)
            brokers, present = list(self._heralds), self._faults
        if present is not None:
            for broker in brokers:
                broker._suffer(present)


def message_in(answer: Mapping[str, Any]) -> str | None:
    """The id of the one message that an answer is about."""
    if "MessageId" in answer:
        return str(answer["MessageId"])
    one = answer.get("Messages", ())
    return str(one[0]["MessageId"]) if len(one) == 1 else None
