"""Killed between any two writes: what was answered holds, and of what was under way at most one is done twice."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
from shelved import DictShelf, Shelved, Shop

from decouple import Broker, Notification, VirtualClock, exponential


class Moment(NamedTuple):
    """What a process killed then would have left, and what it had said by then."""

    kept: dict[tuple[str, str], tuple[str, object]]
    published: tuple[str, ...]
    seen: tuple[str, ...]
    subscribed: bool
    cancelling: bool
    cancelled: bool


class Watched(DictShelf):
    """A shelf that remembers what was there before and after each write."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world

    def put(self, kind: str, key: str, value: Any) -> None:
        self.world.look(self.shop)
        super().put(kind, key, value)
        self.world.look(self.shop)

    def drop(self, kind: str, key: str) -> None:
        self.world.look(self.shop)
        super().drop(kind, key)
        self.world.look(self.shop)


class World:
    """One program that publishes to a handler that fails at times, and to another one that it cancels in the end."""

    def __init__(self) -> None:
        self.moments: list[Moment] = []
        self.published: list[str] = []
        self.seen: list[str] = []
        self.subscribed = self.cancelling = self.cancelled = False

    def look(self, shop: Shop) -> None:
        said = tuple(self.published), tuple(self.seen), self.subscribed, self.cancelling, self.cancelled
        self.moments.append(Moment(dict(shop.kept), *said))

    def run(self) -> None:
        broker = Broker(Shelved(Watched(self)), clock=VirtualClock())
        events = broker.topic("events")
        events.subscribe(Handler(self.seen, fails=True), retry=exponential(10, jitter="none"))
        self.subscribed = True
        other = events.subscribe(Other(), dead_letter=broker.queue("dead"))
        for number in range(6):
            events.publish(f"m{number}")
            self.published.append(f"m{number}")
            if number % 2:
                broker.run_until_idle(errors="collect", budget=number * 3)
        self.cancelling = True
        other.cancel()
        self.cancelled = True
        events.subscriptions[0].configure(max_rate=1_000)
        events.publish("last")
        self.published.append("last")
        broker.run_until_idle(errors="collect", budget=100)


class Handler:
    name = "handler"

    def __init__(self, seen: list[str], *, fails: bool = False) -> None:
        self.seen = seen
        self.fails = fails

    def deliver(self, notification: Notification) -> None:
        if self.fails and notification.attempt == 1 and notification.text in ("m1", "m4"):
            raise OSError("not yet")
        self.seen.append(notification.text)


class Other:
    name = "other"

    def deliver(self, notification: Notification) -> None: ...


@pytest.fixture(scope="module")
def moments() -> list[Moment]:
    world = World()
    world.run()
    assert len(world.moments) > 40
    return world.moments


def restarted(moment: Moment) -> tuple[Broker, list[str]]:
    shop, seen = Shop(), list[str]()
    shop.kept = dict(moment.kept)
    shelf = DictShelf(shop)
    shelf.shared = False
    broker = Broker(Shelved(shelf), clock=VirtualClock())
    broker.topic("events").subscribe(Handler(seen), retry=exponential(10, jitter="none"))
    broker.run_until_idle(errors="collect", budget=3_600)
    broker.check()
    return broker, seen


def test_all_that_was_published_arrives_and_at_most_one_twice(moments: list[Moment]) -> None:
    for moment in moments:
        _, seen = restarted(moment)

        everything = [*moment.seen, *seen]
        assert set(moment.published) <= set(everything)
        assert len(everything) - len(set(everything)) <= 1
        unanswered = set(everything) - set(moment.published)
        assert len(unanswered) <= 1


def test_what_never_failed_arrives_in_order(moments: list[Moment]) -> None:
    for moment in moments:
        _, seen = restarted(moment)

        plain = [text for text in seen if text not in ("m1", "m4", "last")]
        assert plain == sorted(plain)


def test_there_is_one_subscription_of_each_that_was_not_cancelled(moments: list[Moment]) -> None:
    for moment in moments:
        broker, _ = restarted(moment)

        names = [one.name for one in broker.topics["events"].subscriptions]
        assert len(names) == len(set(names))
        assert not (moment.cancelled and "other 'other'" in names)
        assert moment.cancelling or "other 'other'" in names or not moment.published


def test_nothing_is_left_of_what_was_done(moments: list[Moment]) -> None:
    for moment in moments:
        broker, _ = restarted(moment)
        again = broker._engine.shelf
        assert again is not None

        [made] = [one for one in broker.topics["events"].subscriptions if isinstance(one.target, Handler)]
        assert again.items(f"push {made.arn}") == {}
