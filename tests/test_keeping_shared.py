"""Several processes on one shelf: they see each other's topics and subscriptions, and finish each other's work."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from shelved import DictShelf, Shelved, Shop

from decouple import SMS, Broker, Email, NotDelivered, Notification, VirtualClock
from decouple.capabilities import MEMORY
from decouple.testing import check_topic


class Transactional(DictShelf):
    """A shelf whose `together` is a transaction, and which tells of its end."""

    def __init__(self, shop: Shop | None = None) -> None:
        super().__init__(shop)
        self.depth = 0
        self.after: list[Any] = []

    @contextmanager
    def together(self) -> Iterator[None]:  # type: ignore[override]
        with self.shop.lock:
            before, waiting = dict(self.shop.kept), list(self.after)
            self.depth += 1
            try:
                yield
            except BaseException:
                self.shop.kept, self.after = before, waiting
                raise
            finally:
                self.depth -= 1
            if self.depth:
                return
        after, self.after = self.after, []
        for call in after:
            call()

    def then(self, call: Any) -> None:
        if self.depth:
            self.after.append(call)
        else:
            call()


class Processes:
    """Brokers over one shop, each with a shelf of its own."""

    def __init__(self) -> None:
        self.shop = Shop()
        self.shelves: dict[Broker, DictShelf] = {}

    def start(self, kind: type[DictShelf] = Transactional, **settings: Any) -> Broker:
        shelf = kind(self.shop)
        settings.setdefault("clock", VirtualClock())
        broker = Broker(Shelved(shelf), **settings)
        self.shelves[broker] = shelf
        return broker

    def kill(self, broker: Broker) -> None:
        self.shelves[broker].die()

    def kept(self, kind: str) -> list[str]:
        return [key for one, key in self.shop.kept if one.startswith(kind)]


class OnDatabase(Processes):
    """The same on one file: each broker has a connection of its own, and a lock that says it lives."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.shelves = {}

    def start(self, kind: type[DictShelf] = Transactional, **settings: Any) -> Broker:
        settings.setdefault("clock", VirtualClock())
        broker = Broker(f"sqlite:///{self.file}", **settings)
        shelf: Any = broker._engine.shelf
        self.shelves[broker] = shelf
        return broker

    def kill(self, broker: Broker) -> None:
        shelf: Any = broker._engine.shelf
        shelf.close()

    def kept(self, kind: str) -> list[str]:
        with closing(sqlite3.connect(self.file)) as connection:
            rows = connection.execute("SELECT key FROM shelf WHERE kind LIKE ?", (f"{kind}%",)).fetchall()
        return [key for (key,) in rows]

    def close(self) -> None:
        for broker in self.shelves:
            broker.close(timeout=5)


@pytest.fixture(params=["dict", "sqlite"])
def processes(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Processes]:
    if request.param == "dict":
        yield Processes()
        return
    processes = OnDatabase(tmp_path / "jobs.db")
    yield processes
    processes.close()


class Hook:
    name = "hook"

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.called = threading.Event()

    def deliver(self, notification: Notification) -> None:
        self.seen.append(notification.text)
        self.called.set()


# -- what others declare ---------------------------------------------------------------------------------------------


def test_a_topic_of_another_process_is_there(processes: Processes) -> None:
    one, two = processes.start(), processes.start()
    one.topic("first")
    two.topic("second", max_message_size=2_048)

    assert {*one.topics} == {"first", "second"}
    assert one.topic("second").max_message_size == 2_048


def test_the_next_publish_goes_by_what_another_process_subscribed_changed_or_cancelled(processes: Processes) -> None:
    one, two = processes.start(), processes.start()
    one.topic("events")
    made = two.topic("events").subscribe(two.queue("orders"), filter={"kind": ["a"]})

    def publish() -> list[str]:
        for kind in "ab":
            one.topics["events"].publish(kind, attributes={"kind": kind})
        return [message.body for message in one.queues["orders"].receive(max_messages=10)]

    assert publish() == ["a"]
    made.configure(filter={"kind": ["b"]})
    assert publish() == ["b"]
    made.configure(filter=None)
    assert publish() == ["a", "b"]
    made.cancel()
    assert publish() == []
    assert one.topics["events"].subscriptions == []


def test_settings_of_a_topic_changed_in_another_process_count(processes: Processes) -> None:
    one, two = processes.start(), processes.start()
    one.topic("events")
    two.topic("events").configure(max_message_size=1_024)

    assert one.topics["events"].max_message_size == 1_024


def test_a_topic_deleted_in_another_process_is_gone(processes: Processes) -> None:
    one, two = processes.start(), processes.start()
    events = one.topic("events")
    events.subscribe(one.queue("orders"))
    two.delete(two.topic("events"))

    assert not one.topics
    assert events.closed


def test_processes_of_one_program_have_one_subscription(processes: Processes) -> None:
    arns = set[str]()
    for _ in range(3):
        broker = processes.start()
        arns.add(broker.topic("events").subscribe(broker.queue("orders"), filter={"kind": ["a"]}).arn)

    assert len(arns) == 1
    assert len(processes.kept("subscription")) == 1


def test_of_two_that_subscribe_at_the_same_time_one_is_first(processes: Processes) -> None:
    one, two = processes.start(), processes.start()
    events, orders = two.topic("events"), two.queue("orders")
    one.topic("events")
    one.queue("orders")
    assert events._kept is not None
    look = events._kept.topics.look

    def late() -> None:  # another process subscribes right after we looked
        look()
        if not processes.kept("subscription"):
            one.topic("events").subscribe(one.queue("orders"), filter={"kind": ["a"]})

    events._kept.topics.look = late  # type: ignore[method-assign]
    made = events.subscribe(orders, filter={"kind": ["a"]})

    assert [made.arn] == [one.arn for one in one.topics["events"].subscriptions]
    assert events.subscriptions == [made]


def test_an_endpoint_confirmed_in_one_process_is_in_all(processes: Processes) -> None:
    one, two = processes.start(), processes.start()
    one.topic("events").subscribe(Email("a@example.com"))
    one.run_until_idle()
    token = one.outbox[0].notification.token
    assert token is not None

    two.topic("events").confirm(token)
    one.topics["events"].publish("hello")
    one.run_until_idle()

    assert [mail.notification.kind for mail in one.outbox] == ["SubscriptionConfirmation", "Notification"]


# -- the work of others ----------------------------------------------------------------------------------------------


def test_pushes_belong_to_the_process_that_published(processes: Processes) -> None:
    one, two = processes.start(), processes.start()
    hooks = [Hook(), Hook()]
    for broker, hook in zip((one, two), hooks, strict=True):
        broker.topic("events").subscribe(hook)
    one.topics["events"].publish("hello")

    two.run_until_idle()
    assert hooks[1].seen == []
    one.run_until_idle()

    assert [hook.seen for hook in hooks] == [["hello"], []]
    assert processes.kept("push") == []


def test_what_a_killed_process_had_to_push_another_one_does_once(processes: Processes) -> None:
    one, two, three = (processes.start() for _ in range(3))
    hooks = [Hook(), Hook(), Hook()]
    for broker, hook in zip((one, two, three), hooks, strict=True):
        broker.topic("events").subscribe(hook)
    for number in range(3):
        one.topics["events"].publish(f"m{number}")
    processes.kill(one)

    two.run_until_idle()
    three.run_until_idle()

    assert [hook.seen for hook in hooks] == [[], ["m0", "m1", "m2"], []]
    assert processes.kept("push") == []
    two.check()


def test_a_process_without_the_handler_hands_over_to_one_that_has_it(processes: Processes) -> None:
    worker, web = processes.start(), processes.start()
    hook = Hook()
    worker.topic("events").subscribe(hook)
    web.topics["events"].publish("hello")

    assert not web.topics["events"].subscriptions[0].attached
    worker.run_until_idle()

    assert hook.seen == ["hello"]
    assert processes.kept("handed") == processes.kept("push") == []


def test_what_is_handed_over_is_taken_by_one_also_if_that_one_is_killed(processes: Processes) -> None:
    web, one, two = (processes.start() for _ in range(3))
    hooks = [Hook(), Hook()]
    one.topic("events").subscribe(hooks[0])
    web.topics["events"].publish("hello")
    two.topic("events").subscribe(hooks[1])
    two.run_until_idle()
    assert hooks[1].seen == ["hello"]
    web.topics["events"].publish("again")
    line = one.topics["events"].subscriptions[0].line
    assert line is not None
    [key] = processes.kept("handed")
    row = processes.shelves[one].get(f"handed push {line.subscription.arn}", key)
    processes.shelves[one].swap(f"handed push {line.subscription.arn}", key, row, {**row, "taken": 1})
    two.run_until_idle()
    assert hooks[1].seen == ["hello"]

    processes.kill(one)  # before it began
    two.run_until_idle()

    assert hooks[1].seen == ["hello", "again"]
    assert processes.kept("handed") == []


def test_a_broker_that_was_not_started_hands_over_at_once(processes: Processes) -> None:
    """On real time: its workers may never begin."""
    web = processes.start(clock=None)
    web.topic("events").subscribe(SMS("+15550100"))
    web.topics["events"].publish("hello")
    assert len(processes.kept("handed")) == 1

    worker = processes.start()
    worker.run_until_idle()

    assert [text.body for text in worker.outbox] == ["hello"]
    web.close()


def test_threads_take_over_within_a_second_or_so_and_end_with_the_broker(processes: Processes) -> None:
    web, hook = processes.start(clock=None), Hook()
    with processes.start(clock=None) as worker:
        worker.topic("events").subscribe(hook)
        web.topics["events"].publish("hello")

        assert hook.called.wait(10)
        assert worker.run_until_idle().waiting_for == ()
    web.close()

    assert hook.seen == ["hello"]
    assert processes.kept("push") == []


def test_a_subscription_cancelled_elsewhere_gives_up_what_waits_here(processes: Processes) -> None:
    one, two = processes.start(), processes.start()
    one.topic("events").subscribe(Hook(), dead_letter=one.queue("dead"))
    one.topics["events"].publish("hello")

    two.topic("events").subscriptions[0].cancel()
    assert one.topics["events"].subscriptions == []

    assert [message.body for message in one.queues["dead"].receive()] == ["hello"]
    assert processes.kept("push") == []


def test_a_subscription_cancelled_by_one_who_cannot_push_takes_what_was_handed_over_along(
    processes: Processes,
) -> None:
    one, two = processes.start(), processes.start()
    one.topic("events").subscribe(Hook(), dead_letter=one.queue("dead"))
    two.topics["events"].publish("hello")
    processes.kill(one)

    two.topics["events"].subscriptions[0].cancel()

    assert [message.body for message in two.queues["dead"].receive()] == ["hello"]
    assert processes.kept("handed") == processes.kept("push") == []


# -- FIFO topics and transactions ------------------------------------------------------------------------------------


def test_deduplication_ids_and_sequence_numbers_count_over_all_processes(processes: Processes) -> None:
    one, two = (broker.topic("orders.fifo") for broker in (processes.start(), processes.start()))
    sent: list[Any] = [
        topic.publish("7", group="a", deduplication_id=str(number)) for number in range(4) for topic in (one, two)
    ]

    assert [first.id for first in sent[::2]] == [second.id for second in sent[1::2]]
    sequences = [one.sequence for one in sent[::2]]
    sequences += [topic.publish("7", group="a", deduplication_id=f"x{topic is one}").sequence for topic in (two, one)]  # type: ignore[attr-defined]
    assert sequences == sorted(set(sequences))


def test_a_publish_that_is_undone_pushes_nothing_and_is_no_duplicate(processes: Processes) -> None:
    broker = processes.start()
    shelf, hook = processes.shelves[broker], Hook()
    broker.topic("events").subscribe(hook)
    orders = broker.topic("orders.fifo")
    with suppress(OSError), shelf.together():
        broker.topics["events"].publish("never")
        orders.publish("7", group="a", deduplication_id="x")
        raise OSError("undone")

    with shelf.together():
        broker.topics["events"].publish("hello")
        broker.run_until_idle()
        assert hook.seen == []
    broker.run_until_idle()

    assert hook.seen == ["hello"]
    assert processes.kept("once") == processes.kept("push") == []


def test_queues_that_took_their_copy_keep_it_when_another_did_not(processes: Processes) -> None:
    broker = processes.start()
    events = broker.topic("events")
    orders, small, hook = broker.queue("orders"), broker.queue("small", max_message_size=1_024), Hook()
    for target in (orders, small, hook):
        events.subscribe(target)

    with pytest.raises(NotDelivered):
        events.publish("x" * 2_000)
    broker.run_until_idle()

    assert orders.stats().visible == len(hook.seen) == 1
    assert processes.kept("push") == []


@pytest.mark.parametrize("shared", [False, True])
def test_topics_behave_as_in_memory(shared: bool) -> None:
    @contextmanager
    def world() -> Iterator[Broker]:
        shelf = Transactional(Shop())
        shelf.shared = shared
        with Broker(Shelved(shelf), clock=VirtualClock()) as broker:
            yield broker

    report = check_topic(world, MEMORY)

    assert not report.failed, report
