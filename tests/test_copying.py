"""Queues and their messages from one broker to another: each as it stands, and in one of the two whenever it ends."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from shelved import DictShelf, Shelved

from decouple import Broker, LargeBodies, Queue, QueueExists, QueueNotFound, VirtualClock
from decouple.copying.batches import KIND, Passage
from decouple.copying.copier import copy
from decouple.errors import DecoupleError

WAYS = ["memory to memory", "memory to sqlite", "sqlite to file", "file to sqlite"]


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> list[str]:
    kinds: str = request.param
    return kinds.split(" to ")


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Callable[[str, str, VirtualClock], Broker]]:
    """A broker of a kind, by the name of its place."""
    brokers: list[Broker] = []

    def begin(kind: str, name: str, clock: VirtualClock) -> Broker:
        urls = {"memory": "memory://", "file": f"file://{tmp_path}/{name}", "sqlite": f"sqlite:///{tmp_path}/{name}.db"}
        brokers.append(Broker(urls[kind], clock=clock))
        return brokers[-1]

    yield begin
    for broker in brokers:
        broker.close()


@pytest.fixture
def source(way: list[str], opened: Callable[..., Broker], clock: VirtualClock) -> Broker:
    return opened(way[0], "source", clock)


@pytest.fixture
def target(way: list[str], opened: Callable[..., Broker], clock: VirtualClock) -> Broker:
    return opened(way[1], "target", clock)


def shelved(clock: VirtualClock, shelf: DictShelf | None = None) -> Broker:
    return Broker(Shelved(shelf or DictShelf()), clock=clock)  # type: ignore[arg-type]


def look(message: Any) -> tuple[Any, ...]:
    """All that is to be the same there."""
    source = message.source and message.source.name
    who = (message.id, message.text, message.attributes, message.system, message.group, message.deduplication_id)
    return (*who, message.sent_at, message.receive_count, message.first_received_at, source, message.failure)


def bodies(queue: Queue[Any]) -> list[str]:
    return [message.text for message in queue.peek(100)]


def test_a_message_arrives_with_all_it_has(source: Broker, target: Broker, clock: VirtualClock) -> None:
    orders = source.queue("orders", visibility_timeout=10)
    orders.send("plain")
    orders.send({"id": 7}, attributes={"type": "paid", "n": 3}, system={"AWSTraceHeader": "Root=1"})
    clock.advance(5)
    [first] = orders.receive()
    first.nack()
    before = [look(message) for message in orders.peek()]

    copied = copy(source, target)

    assert [look(message) for message in target.queues["orders"].peek()] == before
    assert copied == ({"orders": 2}, [], [], [])
    assert (orders.peek(), source.check()["moved_out"], target.check()["visible"]) == ([], 2, 2)


def test_what_is_in_flight_or_delayed_is_so_there_until_the_same_instant(
    source: Broker, target: Broker, clock: VirtualClock
) -> None:
    orders = source.queue("orders", visibility_timeout=10)
    orders.send("held")
    [held] = orders.receive()
    orders.send("later", delay=60)
    clock.advance(4)

    copy(source, target)
    there = target.queues["orders"]

    stats = there.stats()
    assert (stats.visible, stats.in_flight, stats.delayed) == (0, 1, 1)
    clock.advance(5.999)
    assert there.receive() == []
    clock.advance(0.001)
    [again] = there.receive()
    assert (again.id, again.text, again.receive_count) == (held.id, "held", 2)
    again.ack()
    clock.advance(49.999)
    assert there.receive() == []
    clock.advance(0.001)
    [later] = there.receive()
    assert (later.text, later.receive_count) == ("later", 1)
    target.check()


def test_a_group_keeps_its_order_and_waits_behind_what_is_in_flight(
    source: Broker, target: Broker, clock: VirtualClock
) -> None:
    ledger = source.queue("ledger.fifo", visibility_timeout=10)
    for number in range(5):
        ledger.send(f"a{number}", group="a", deduplication_id=f"a{number}")
        ledger.send(f"b{number}", group="b", deduplication_id=f"b{number}")
    ledger.receive(max_messages=2)

    copy(source, target)
    there = target.queues["ledger.fifo"]

    assert [message.text for message in there.receive(max_messages=10)] == [f"b{number}" for number in range(5)]
    clock.advance(10)
    got = [message.text for message in there.receive(max_messages=20) if message.group == "a"]
    assert got == [f"a{number}" for number in range(5)]
    target.check()


def test_a_deduplication_id_counts_for_as_long_as_it_would_have(
    source: Broker, target: Broker, clock: VirtualClock
) -> None:
    ledger = source.queue("ledger.fifo")
    first = ledger.send("once", group="a", deduplication_id="x")
    clock.advance(200)

    copy(source, target)
    there = target.queues["ledger.fifo"]

    clock.advance(99)
    there.send("twice", group="a", deduplication_id="x")
    assert [message.id for message in there.peek()] == [first.id]
    clock.advance(1)
    there.send("twice", group="a", deduplication_id="x")
    assert bodies(there) == ["once", "twice"]


def test_a_dead_letter_says_why_it_is_and_goes_back_where_it_came_from(source: Broker, target: Broker) -> None:
    dead = source.queue("dead")
    orders = source.queue("orders", dead_letter=dead, max_receives=2)
    orders.send("bad")
    orders.receive()[0].reject("no stock")

    copy(source, target)

    [letter] = target.queues["dead"].peek()
    assert letter.failure is not None
    assert (letter.failure.text, letter.source) == ("no stock", target.queues["orders"])
    target.queues["dead"].redrive()
    assert bodies(target.queues["orders"]) == ["bad"]


def test_the_tries_that_are_left_are_left_there(source: Broker, target: Broker) -> None:
    orders = source.queue("orders", dead_letter=source.queue("dead"), max_receives=2)
    orders.send("bad")
    orders.receive()[0].nack()

    copy(source, target)
    there = target.queues["orders"]

    there.receive()[0].nack()
    assert there.receive() == []
    assert bodies(target.queues["dead"]) == ["bad"]


@pytest.mark.parametrize("way", ["memory to memory", "memory to file"], indirect=True)
def test_tenants_are_served_in_turn_there_too(source: Broker, target: Broker) -> None:
    orders = source.queue("orders")
    for number in range(50):
        orders.send(f"busy {number}", group="busy")
    orders.send("quiet", group="quiet")

    copy(source, target)
    there = target.queues["orders"]

    assert "quiet" in [message.text for message in there.receive(max_messages=10)]
    target.check()


def test_large_bodies_stay_where_they_are_kept(source: Broker, target: Broker, tmp_path: Path) -> None:
    orders = source.queue("orders", large_bodies=LargeBodies(tmp_path / "bodies", threshold=10))
    orders.send("x" * 1_000)

    copy(source, target)

    [message] = target.queues["orders"].receive()
    assert message.body == "x" * 1_000
    message.ack()
    assert list((tmp_path / "bodies").iterdir()) == []


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize("way", ["memory to memory", "memory to file", "memory to sqlite"], indirect=True)
def test_large_bodies_go_where_the_target_keeps_its_own(
    source: Broker, target: Broker, tmp_path: Path, own: bool
) -> None:
    before, after = tmp_path / "before", tmp_path / "after"
    source.queue("orders", large_bodies=LargeBodies(before, threshold=10)).send("x" * 1_000)
    there = target.queue("orders", large_bodies=LargeBodies(after, threshold=10) if own else None)

    copy(source, target)

    assert list(before.iterdir()) == []
    assert after.exists() == own
    [message] = there.receive()
    assert message.body == "x" * 1_000


def test_queues_are_declared_as_they_are_and_those_that_are_there_stay_as_they_are(
    source: Broker, target: Broker
) -> None:
    dead = source.queue("dead", retention=1_209_600)
    source.queue("orders", visibility_timeout=3, dead_letter=dead, max_receives=4, tags={"team": "pay"}).grant(
        "ship", "111122223333", "SendMessage"
    )
    dead.configure(redrive_allow="none")
    source.queue("bills", visibility_timeout=5)
    target.queue("bills", visibility_timeout=50)

    copied = copy(source, target)

    assert copied.there == ["bills"]
    described, there = source.describe()["queues"], target.describe()["queues"]
    assert there["bills"]["visibility_timeout"] == 50
    assert [there[name] for name in ("dead", "orders")] == [described[name] for name in ("dead", "orders")]
    assert target.queue("orders", visibility_timeout=9).settings["visibility_timeout"] == 9  # a deploy's declaration


def test_topics_come_along_with_the_queues_that_listen_and_what_is_code_is_listed(
    source: Broker, target: Broker
) -> None:
    events = source.topic("events")
    events.subscribe(source.queue("orders"), filter={"type": ["paid"]})
    events.subscribe(print)
    source.function(lambda event, context: None, name="resize")

    copied = copy(source, target)

    target.topics["events"].publish("yes", attributes={"type": "paid"})
    target.topics["events"].publish("no", attributes={"type": "open"})
    assert bodies(target.queues["orders"]) == ["yes"]
    assert copied.topics == ["events"]
    assert copied.left == ["topic 'events' -> handler 'builtins:print'", "function 'resize'"]
    assert copy(source, target).left == copied.left


def test_chosen_queues_bring_what_belongs_to_them_and_no_messages_of_others(source: Broker, target: Broker) -> None:
    dead = source.queue("dead")
    orders = source.queue("orders", dead_letter=dead, max_receives=2)
    source.queue("bills").send("bill")
    orders.send("order")
    dead.send("letter")

    copied = copy(source, target, queues=["orders"])

    assert copied.messages == {"orders": 1}
    assert {*target.queues} == {"orders", "dead"}
    assert target.queues["orders"].dead_letter is target.queues["dead"]
    assert (bodies(source.queues["bills"]), bodies(dead)) == (["bill"], ["letter"])


def test_a_dry_run_counts_and_changes_nothing(source: Broker, target: Broker) -> None:
    source.queue("orders").send("one")

    assert copy(source, target, dry_run=True).messages == {"orders": 1}

    assert (bodies(source.queues["orders"]), dict(target.queues)) == (["one"], {})


def test_instants_are_those_of_the_other_clock(source: Broker, way: list[str], opened: Callable[..., Broker]) -> None:
    source.queue("orders").send("one", delay=60)
    other = VirtualClock(datetime(2026, 1, 1, 0, 0, 30, tzinfo=UTC))
    target = opened(way[1], "target", other)

    copy(source, target)

    other.advance(29.999)
    assert target.queues["orders"].receive() == []
    other.advance(0.001)
    [message] = target.queues["orders"].receive()
    assert message.sent_at.isoformat() == "2026-01-01T00:00:00+00:00"


def test_who_waits_there_is_given_what_comes(source: Broker, target: Broker) -> None:
    source.queue("orders").send("one")
    there = target.queue("orders")
    seen: list[str] = []
    there.consume(lambda message: seen.append(message.text))

    copy(source, target)
    target.run_until_idle()

    assert seen == ["one"]


@pytest.mark.parametrize(
    ("declare", "error", "sentence"),
    [
        (lambda target: target.queue("orders", fifo=True), QueueExists, "fifo"),
        (lambda target: target.queue("orders", retention=60), DecoupleError, r"configure\(retention=345600\) there"),
    ],
)
def test_a_queue_that_cannot_take_what_comes_refuses_before_anything_is_done(
    source: Broker, target: Broker, declare: Callable[[Broker], object], error: type[Exception], sentence: str
) -> None:
    source.queue("orders").send("one")
    declare(target)

    with pytest.raises(error, match=sentence):
        copy(source, target)

    assert bodies(source.queues["orders"]) == ["one"]


def test_what_is_asked_wrongly_is_said(source: Broker, target: Broker) -> None:
    with pytest.raises(ValueError, match="one broker"):
        copy(source, source)
    with pytest.raises(QueueNotFound):
        copy(source, target, queues=["nothing"])
    with pytest.raises(TypeError, match="list of names"):
        copy(source, target, queues="orders")


def test_going_on_costs_no_more_for_a_message_when_many_are_left(source: Broker, target: Broker) -> None:
    """Each of them is looked at once: a queue put in line anew for each of its messages takes for ever."""

    class Line(OrderedDict[Any, Any]):
        moves = 0

        def move_to_end(self, key: Any, last: bool = True) -> None:
            self.moves += 1
            super().move_to_end(key, last)

    orders = source.queue("orders")
    orders.send_batch([f"order {number}" for number in range(50)])
    core: Any = orders._core
    core.again = Line()

    assert copy(source, target, dry_run=True).messages == {"orders": 50}
    for number in core.all_numbers(orders._now()):
        core.as_they_stand(orders._now(), [number])

    assert core.again.moves <= 50


def test_two_brokers_on_one_database_are_one(tmp_path: Path) -> None:
    with Broker(f"sqlite:///{tmp_path}/jobs.db") as one, Broker(f"sqlite:///{tmp_path}/./jobs.db") as same:
        one.queue("orders").send("order 7")
        same.queue("orders")

        with pytest.raises(ValueError, match="one broker"):
            copy(one, same)

        assert one.queue("orders").stats().visible == 1


# -- ends in between -------------------------------------------------------------------------------------------------


class Killed(BaseException):
    """What no code catches."""


STEPS = ("declared", "noted", "half delivered", "delivered", "arrived", "taken", "put", "finished")


def kill_at(step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """End the copy there, once, as kill -9 would: what was done stays, and nothing else happens."""

    def dies(owner: Any, name: str, *, before: bool = False, nth: int = 1) -> None:
        real, calls = getattr(owner, name), [0]

        def dying(*args: Any, **more: Any) -> Any:
            calls[0] += 1
            if calls[0] == nth and before:
                raise Killed
            answer = real(*args, **more)
            if calls[0] == nth:
                raise Killed
            return answer

        monkeypatch.setattr(owner, name, dying)

    from decouple.copying import copier
    from decouple.core.copies import Copies

    places: dict[str, tuple[Any, str, bool, int]] = {
        "declared": (copier, "declare_queues", False, 1),
        "noted": (DictShelf, "put", False, 4),
        "half delivered": (Copies, "bring", False, 2),
        "delivered": (Passage, "deliver", False, 1),
        "arrived": (Passage, "put", False, 1),
        "taken": (Copies, "take_away", False, 1),
        "put": (Passage, "put", True, 2),
        "finished": (Passage, "finish", True, 1),
    }
    owner, name, before, nth = places[step]
    dies(owner, name, before=before, nth=nth)


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("kept", [True, False])
def test_a_copy_that_was_killed_goes_on_and_nothing_is_lost_or_doubled(
    clock: VirtualClock, monkeypatch: pytest.MonkeyPatch, step: str, kept: bool
) -> None:
    monkeypatch.setattr("decouple.copying.copier.BATCH", 3)
    source = shelved(clock)
    target = shelved(clock) if kept else Broker(clock=clock)
    dead = source.queue("dead")
    orders = source.queue("orders", dead_letter=dead, max_receives=5)
    sent = [orders.send(f"order {number}").id for number in range(7)]
    with monkeypatch.context() as patched:
        kill_at(step, patched)
        if not (step == "noted" and not kept):
            with pytest.raises(Killed):
                copy(source, target)

    here = [message.id for queue in source.queues.values() for message in queue.peek(100)]
    there = [message.id for queue in target.queues.values() for message in queue.peek(100)]
    assert {*here, *there} == {*sent}

    copy(source, target)

    assert [message.id for message in target.queues["orders"].peek(100)] == sent
    assert target.queues["orders"].dead_letter is target.queues["dead"]
    assert orders.peek() == []
    for broker in (source, target):
        broker.check()
    if kept:
        assert target._engine.shelf is not None
        assert target._engine.shelf.items(KIND) == {}


def test_what_was_handled_there_meanwhile_does_not_come_again(
    clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = shelved(clock), shelved(clock)
    source.queue("orders").send("one")
    with monkeypatch.context() as patched:
        kill_at("arrived", patched)
        with pytest.raises(Killed):
            copy(source, target)
    target.queues["orders"].receive()[0].ack()

    copy(source, target)

    assert (target.queues["orders"].peek(), source.queues["orders"].peek()) == ([], [])


def test_a_broker_that_is_half_a_target_is_no_source(clock: VirtualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    source, target = shelved(clock), shelved(clock)
    source.queue("orders").send("one")
    with monkeypatch.context() as patched:
        kill_at("arrived", patched)
        with pytest.raises(Killed):
            copy(source, target)

    with pytest.raises(DecoupleError, match="begun and not completed: some messages of orders may be there and here"):
        copy(target, Broker(clock=clock))
