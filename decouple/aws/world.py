"""A world: everything AWS-shaped that one test, one server or one program holds, and nobody else sees.

One clock, one list of observers, and one Broker for each (account, region), made when first asked for. What the wire
keeps beside a broker (timestamps of queues, attributes that only the wire knows, tasks, tokens) lies in its Place.
Nothing of a broker is hidden: what is declared on it natively is there for the wire, and the other way round.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from importlib.util import find_spec
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar
from weakref import WeakKeyDictionary

from decouple.arns import ACCOUNT, REGION, check_account, check_region
from decouple.aws.observed import Observed
from decouple.broker import Broker
from decouple.clock import Clock, default_clock
from decouple.core.changes import Change

if TYPE_CHECKING:
    from decouple.aws.signing import Signer
    from decouple.function import Function
    from decouple.notification import Notification
    from decouple.queue import Queue
    from decouple.stats import QueueStats
    from decouple.testing.faults import Faults
    from decouple.topic import Topic

__all__ = ["Call", "Place", "World"]

S = TypeVar("S")


class World(Observed):
    """Brokers by account and region on one clock.

    clock: SystemClock() by default, in simulate() the simulation's, with its seed, faults and observers; account, region: of
    what is asked for without any; strict: also hold to what AWS enforces only between accounts or over minutes (queue
    policies for SNS, 60 s between purges and after a deletion); endpoint: where queue URLs and links lead
    ("http://127.0.0.1:4566"), None for AWS's own host names; observers: told of every Change in any of the brokers, by names
    in the world's own account and region, elsewhere by ARNs; seed: as for Broker; faults: what goes wrong in all of it, a
    plan from decouple.testing; record: how many of the newest changes are kept for `explain` and `recording`.

    reach: what gives other processes of this machine an address where they find the world, if no endpoint serves it.
    handlers: Python callables by the Handler of Lambda functions: after `world.handlers["app.handler"] = handle` a
    CreateFunction with Handler="app.handler" runs `handle(event, context)`, whatever its Code is.
    """

    def __init__(
        self,
        *,
        clock: Clock | None = None,
        account: str = ACCOUNT,
        region: str = REGION,
        strict: bool = False,
        endpoint: str | None = None,
        observers: Iterable[Callable[[Change], object]] = (),
        seed: int | None = None,
        faults: Faults | None = None,
        record: int = 0,
        store: str = "memory://",
    ) -> None:
        self.store = store
        self.clock: Clock = clock or default_clock()
        self.account = check_account(account)
        self.region = check_region(region)
        self.strict = strict
        self.endpoint = endpoint
        self.reach: Callable[[], str] | None = None
        self.handlers: dict[str, Callable[..., Any]] = {}
        self._places: dict[tuple[str, str], Place] = {}
        self._started = False
        self._lock = threading.Lock()
        self._prepare(observers, seed, faults, record, ambient=clock is None)
        self.own = True
        """Whether it made all of its brokers, and may close them to begin anew."""

    @classmethod
    def around(cls, broker: Broker, *, strict: bool = False, endpoint: str | None = None) -> World:
        """A world whose default broker is this one, with what it holds already, what it records and its faults."""
        world = cls(
            clock=broker.clock, account=broker.account, region=broker.region, strict=strict, endpoint=endpoint,
            seed=broker.seed,
        )  # fmt: skip
        world._follow(broker)
        world._places[broker.account, broker.region] = Place(world, broker)
        world.own = False
        return world

    def __repr__(self) -> str:
        places = ", ".join(f"{place.account} in {place.region}" for place in self.places)
        return f"<World: {places or 'empty'}>"

    def place(self, account: str | None = None, region: str | None = None) -> Place:
        """What there is of one account in one region. Raises ValueError for names that are none."""
        key = (account or self.account, region or self.region)
        found = self._places.get(key)  # without the lock: a call on the wire asks for it each time
        if found is not None:
            return found
        check_account(key[0])
        check_region(key[1])
        with self._lock:
            found = self._places.get(key)
            if found is None:
                home = key == (self.account, self.region)
                broker = Broker(
                    self.store if home else "memory://",
                    clock=self.clock, account=key[0], region=key[1], seed=self.seed, faults=self.faults,
                )  # fmt: skip
                self._join(broker, home=home)
                if self._started:
                    broker.start()
                found = self._places[key] = Place(self, broker)
        return found

    def known(self, account: str, region: str) -> Place | None:
        """The same, if it was asked for before: an ARN in a request makes no place."""
        return self._places.get((account, region))

    def broker(self, account: str | None = None, region: str | None = None) -> Broker:
        """The broker of one account in one region, by default of the world's own."""
        return self.place(account, region).broker

    @property
    def brokers(self) -> Mapping[tuple[str, str], Broker]:
        """The brokers there are by (account, region), read-only."""
        return MappingProxyType({(place.account, place.region): place.broker for place in self.places})

    @property
    def places(self) -> tuple[Place, ...]:
        """The places there are, in the order they were first asked for."""
        return tuple(self._places.values())

    def queue_at(self, arn: str) -> Queue[Any] | None:
        """The queue with this ARN, in whichever account and region."""
        place, name = self._at(arn, "sqs")
        return None if place is None else place.broker.queues.get(name)

    def topic_at(self, arn: str) -> Topic | None:
        """The topic with this ARN, in whichever account and region."""
        place, name = self._at(arn, "sns")
        return None if place is None else place.broker.topics.get(name)

    def function_at(self, arn: str) -> Function | None:
        """The function with this ARN, with or without a version or alias, in whichever account and region."""
        place, name = self._at(arn, "lambda")
        kind, _, name = name.partition(":")
        if place is None or kind != "function":
            return None
        return place.broker.functions.get(name.partition(":")[0])

    @cached_property
    def signer(self) -> Signer | None:
        """What signs the envelopes of SNS; None where the package cryptography is not installed: then nothing does.

        Who can fetch the certificate gets a key of AWS's size; in the process signing is to be cheap.
        """
        if find_spec("cryptography") is None:
            return None
        from decouple.aws.signing import Signer  # here, because most worlds sign nothing

        return Signer(1_024 if self.endpoint is None else 2_048)

    def _at(self, arn: str, service: str) -> tuple[Place | None, str]:
        parts = arn.split(":", 5)
        if len(parts) != 6 or parts[2] != service:
            return None, ""
        return self._places.get((parts[4], parts[3])), parts[5]

    def stats(self) -> dict[str, QueueStats]:
        """The counts and totals of every queue, by ARN."""
        queues = [queue for place in self.places for queue in list(place.broker.queues.values())]
        return {queue.arn: queue.stats() for queue in queues}

    def check(self) -> dict[str, int]:
        """The law over all brokers, summed: see Broker.check. Raises LawBroken."""
        total: dict[str, int] = {}
        for place in self.places:
            for name, number in place.broker.check().items():
                total[name] = total.get(name, 0) + number
        return total

    def start(self) -> None:
        """Let the workers of every broker begin, also of those made later. On a VirtualClock nothing is started."""
        with self._lock:
            self._started = True
            places = self.places
        for place in places:
            place.broker.start()

    def close(self, timeout: float | None = None) -> None:
        """Close every broker, and what the wire keeps beside it."""
        for place in self.places:
            place.close(timeout)

    async def aclose(self, timeout: float | None = None) -> None:
        """The same, while the event loop goes on."""
        for place in self.places:
            await place.aclose(timeout)

    def reset(self) -> None:
        """Begin anew: all brokers are closed and forgotten, and what was recorded of them; clock and handlers stay.

        Faults are those it was made with, from their beginning. Raises RuntimeError around a broker.
        """
        if not self.own:
            raise RuntimeError("this world was made around a broker, which a reset would close for good")
        with self._lock:
            places, self._places = self.places, {}
            self._begin()
        for place in places:
            if place.broker.capabilities.survives != "nothing":
                place.empty()
            place.close(0)


class Place:
    """One account in one region: its broker, and what the wire keeps beside it.

    `keep(kind)` is the one record of that class, made when first asked for: each service's operations have one. What has a
    `close()` is closed with the place. signature_versions: of topics, where it is not "1".
    """

    def __init__(self, world: World, broker: Broker) -> None:
        self.world = world
        self.broker = broker
        self.account = broker.account
        self.region = broker.region
        self._kept: dict[type[Any], Any] = {}
        self.signature_versions: WeakKeyDictionary[Topic, str] = WeakKeyDictionary()
        broker.write_as(world.endpoint, self.sign)

    def __repr__(self) -> str:
        return f"<Place {self.account} in {self.region}>"

    def keep(self, kind: type[S]) -> S:
        """What the operations of a service keep here; `kind()` makes it, and should be cheap."""
        if kind not in self._kept:
            self._kept.setdefault(kind, kind())
        kept: S = self._kept[kind]
        return kept

    def sign(self, notification: Notification) -> Mapping[str, str]:
        """What the envelope of a notification has of a signature; nothing without a signer."""
        signer = self.world.signer
        if signer is None:
            return {}
        way = notification.way
        topic = self.world.topic_at(way.topic_arn)
        # Recorded: functions get version 1 also from a topic that signs by version 2.
        if topic is None or way.protocol == "lambda":
            return signer.sign(notification, "1")
        return signer.sign(notification, self.signature_versions.get(topic, "1"))

    def empty(self) -> None:
        """Delete all that would be there again."""
        for topic in list(self.broker.topics.values()):
            self.broker.delete(topic)
        for queue in list(self.broker.queues.values()):
            if queue.dead_letter is not None:
                queue.configure(dead_letter=None, max_receives=None)
        for queue in list(self.broker.queues.values()):
            self.broker.delete(queue)

    def close(self, timeout: float | None = None) -> None:
        """Close the broker, then what is kept beside it."""
        self.broker.close(timeout)
        self._close_kept()

    async def aclose(self, timeout: float | None = None) -> None:
        """The same, while the event loop goes on."""
        await self.broker.aclose(timeout)
        self._close_kept()

    def _close_kept(self) -> None:
        for kept in list(self._kept.values()):
            close = getattr(kept, "close", None)
            if close is not None:
                close()

    def now(self) -> float:
        """The present on the world's clock, in seconds since 1970."""
        return (self.broker.clock.now() + self.broker.clock.epoch) / 1_000_000_000


class Call(NamedTuple):
    """Who calls, from where, in which dialect. place: of the caller, in the request's region.

    principal: the caller's ARN; protocol: "json", "query" or "rest-json", in which texts may differ; headers: of the
    request, lower case; request_id: what the answer carries as its id; client: which of the principal's clients calls, for
    the records, where that is known.
    """

    place: Place
    principal: str
    protocol: str
    headers: Mapping[str, str] = MappingProxyType({})
    request_id: str = ""
    client: str = ""

    @property
    def world(self) -> World:
        """The world of the place."""
        return self.place.world

    @property
    def account(self) -> str:
        """The caller's account."""
        return self.place.account

    @property
    def region(self) -> str:
        """The region that was called."""
        return self.place.region
