"""What was published is pushed, whatever becomes of the process meanwhile; and FIFO topics remember what they had."""

from __future__ import annotations

import shutil
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from shelved import DictShelf, Shelved

from decouple import (
    SMS,
    Attribute,
    Broker,
    DeliveryRefused,
    NotDelivered,
    Notification,
    NotKept,
    VirtualClock,
    exponential,
)


class FullShelf(DictShelf):
    """A shelf that may have no room for some kinds."""

    full: tuple[str, ...] = ()

    def put(self, kind: str, key: str, value: Any) -> None:
        if kind.startswith(self.full or "-"):
            raise NotKept("disk", why="it is full")
        super().put(kind, key, value)


@pytest.fixture
def shelf() -> FullShelf:
    return FullShelf()


def started(shelf: DictShelf, *, at: VirtualClock | None = None, **settings: Any) -> Broker:
    """The next process, at the instant of the clock of the one before, which is gone."""
    shelf.die()
    clock = VirtualClock() if at is None else VirtualClock(at.time)
    return Broker(Shelved(shelf), clock=clock, **settings)


class Hook:
    """A handler that notes what it got, and may fail."""

    name = "hook"

    def __init__(self, *errors: Exception | None) -> None:
        self.errors = list(errors)
        self.seen: list[tuple[str, int]] = []

    def __call__(self, notification: Notification) -> None:
        self.seen.append((notification.text, notification.attempt))
        if self.errors and (error := self.errors.pop(0)) is not None:
            raise error


class Keeping:
    """A handler of the same name that keeps what it got."""

    name = "hook"

    def __init__(self, got: list[Notification]) -> None:
        self.got = got

    def deliver(self, notification: Notification) -> None:
        self.got.append(notification)


def pushes(shelf: DictShelf) -> list[Any]:
    return [kind for kind, _ in shelf.shop.kept if "push" in kind]


def clock_of(broker: Broker) -> VirtualClock:
    assert isinstance(broker.clock, VirtualClock)
    return broker.clock


# -- from publish to delivered ---------------------------------------------------------------------------------------


def test_what_was_published_and_not_pushed_is_pushed_by_the_next_process_in_order(shelf: FullShelf) -> None:
    events = started(shelf).topic("events")
    events.subscribe(Hook())
    for number in range(5):
        events.publish(f"m{number}")

    after, hook = started(shelf), Hook()
    after.topic("events").subscribe(hook)
    after.topics["events"].publish("new")
    after.run_until_idle()

    assert hook.seen == [(f"m{number}", 1) for number in range(5)] + [("new", 1)]
    assert pushes(shelf) == []
    after.check()


def test_what_was_delivered_is_not_pushed_again(shelf: FullShelf) -> None:
    before = started(shelf)
    before.topic("events").subscribe(Hook())
    before.topics["events"].publish("once")
    before.run_until_idle()

    after, hook = started(shelf), Hook()
    after.topic("events").subscribe(hook)
    after.run_until_idle()

    assert hook.seen == []


def test_a_notification_keeps_all_that_was_published(shelf: FullShelf) -> None:
    attributes: Any = {
        "text": "a",
        "whole": 7,
        "half": 0.5,
        "exact": Decimal("1.10"),
        "raw": b"\x00\xff",
        "many": ["a", 1, None],
        "typed": Attribute("Number.cents", "007"),
    }
    before = started(shelf)
    before.topic("events").subscribe(Keeping([]))
    before.topics["events"].publish(
        "body", subject="about", attributes=attributes, group="a", per_protocol={"lambda": "for functions"}
    )
    got: list[Notification] = []

    after = started(shelf)
    after.topic("events").subscribe(Keeping(got))
    after.run_until_idle()

    [one] = got
    assert (one.text, one.subject, one.attributes, one.group) == ("for functions", "about", attributes, "a")
    assert one.published_at == clock_of(before).time


def test_what_waits_for_its_handler_is_kept_over_any_number_of_restarts(shelf: FullShelf) -> None:
    started(shelf).topic("events").subscribe(Hook())
    for number in range(3):
        broker = started(shelf)
        broker.topic("events").publish(f"m{number}")
        assert broker.run_until_idle().waiting_for == ()
        broker.close()

    last, hook = started(shelf), Hook()
    assert last.topics["events"].subscriptions[0].stats().backlog == 3
    last.topic("events").subscribe(hook)
    last.run_until_idle()

    assert hook.seen == [("m0", 1), ("m1", 1), ("m2", 1)]


def test_what_has_an_address_is_pushed_to_at_once(shelf: FullShelf) -> None:
    started(shelf).topic("events").subscribe(SMS("+15550100"))
    started(shelf).topic("events").publish("hello")

    after = started(shelf)
    after.run_until_idle()

    assert [text.body for text in after.outbox] == ["hello"]


def test_the_retry_schedule_goes_on_where_it_was(shelf: FullShelf) -> None:
    retry = exponential(10, 1_000, jitter="none")
    before = started(shelf)
    before.topic("events").subscribe(Hook(OSError("1"), OSError("2")), retry=retry)
    before.topics["events"].publish("late")
    before.run_until_idle(errors="collect")
    clock_of(before).advance(10)  # the second attempt, the third one is due 20 s later
    clock_of(before).advance(5)

    after, hook = started(shelf, at=clock_of(before)), Hook(OSError("3"))
    after.topic("events").subscribe(hook)
    clock_of(after).advance(14.9)
    assert hook.seen == []
    clock_of(after).advance(0.1)
    assert hook.seen == [("late", 3)]
    clock_of(after).advance(39.9)
    assert len(hook.seen) == 1
    clock_of(after).advance(0.1)

    assert hook.seen == [("late", 3), ("late", 4)]


def test_what_comes_due_while_nobody_runs_is_done_at_the_next_start(shelf: FullShelf) -> None:
    before = started(shelf)
    before.topic("events").subscribe(Hook(OSError("1")), retry=exponential(10, jitter="none"))
    before.topics["events"].publish("late")
    before.run_until_idle(errors="collect")
    clock_of(before).advance(9)
    later = VirtualClock(clock_of(before).time)
    later.advance(3_600)

    after, hook = started(shelf, at=later), Hook()
    after.topic("events").subscribe(hook)
    after.run_until_idle()

    assert hook.seen == [("late", 2)]


def test_what_is_given_up_goes_to_the_dead_letters_and_never_comes_back(shelf: FullShelf) -> None:
    before = started(shelf)
    dead = before.queue("dead")
    before.topic("events").subscribe(Hook(DeliveryRefused("x", why="no")), dead_letter=dead)
    before.topics["events"].publish("refused")
    before.run_until_idle(errors="collect")

    assert [message.body for message in dead.receive()] == ["refused"]
    assert pushes(shelf) == []


def test_a_broker_that_closes_gives_nothing_up(shelf: FullShelf) -> None:
    """In memory it would go to the dead-letter queue: here there is a next run."""
    before = started(shelf)
    dead = before.queue("dead")
    before.topic("events").subscribe(Hook(OSError("1")), dead_letter=dead, retry=exponential(60, jitter="none"))
    before.topics["events"].publish("resting")
    before.run_until_idle(errors="collect")
    before.topics["events"].publish("waiting")
    before.close()
    assert dead.stats().visible == 0
    before.check()

    after, hook = started(shelf, at=clock_of(before)), Hook()
    after.topic("events").subscribe(hook)
    after.run_until_idle()
    clock_of(after).advance(60)

    assert hook.seen == [("waiting", 1), ("resting", 2)]


def test_an_attempt_under_way_at_the_close_that_fails_is_made_again_later(shelf: FullShelf) -> None:
    before = started(shelf)
    dead = before.queue("dead")

    class Closing(Hook):
        def __call__(self, notification: Notification) -> None:
            before._close_all()
            super().__call__(notification)

    before.topic("events").subscribe(Closing(OSError("cut")), dead_letter=dead, retry=exponential(60, jitter="none"))
    before.topics["events"].publish("hello")
    before.run_until_idle(errors="collect")

    after = started(shelf)
    [waiting] = after.topics["events"].subscriptions
    assert dead.stats().visible == 0
    assert waiting.stats().backlog == 1


def test_what_waits_when_a_subscription_is_cancelled_goes_to_its_dead_letters(shelf: FullShelf) -> None:
    before = started(shelf)
    before.topic("events").subscribe(Hook(), dead_letter=before.queue("dead"))
    before.topics["events"].publish("hello")

    after = started(shelf)
    [waiting] = after.topics["events"].subscriptions
    waiting.cancel()

    assert [message.body for message in after.queues["dead"].receive()] == ["hello"]
    assert pushes(shelf) == []
    assert started(shelf).topics["events"].subscriptions == []


def test_a_cancel_that_was_cut_short_is_finished_by_the_next_process(shelf: FullShelf) -> None:
    before = started(shelf)
    made = before.topic("events").subscribe(Hook(), dead_letter=before.queue("dead"))
    before.topics["events"].publish("hello")
    assert before.topics["events"]._kept is not None
    before.topics["events"]._kept.ending(made)  # and then it is killed

    after = started(shelf)

    assert after.topics["events"].subscriptions == []
    assert [message.body for message in after.queues["dead"].receive()] == ["hello"]
    assert pushes(shelf) == []


def test_the_cost_is_one_put_for_each_push_and_none_for_a_queue(shelf: FullShelf) -> None:
    broker = started(shelf)
    events = broker.topic("events")
    events.subscribe(broker.queue("orders"))
    events.publish("first")
    before = shelf.shop.revision
    events.publish("second")
    assert shelf.shop.revision == before

    events.subscribe(Hook())
    events.subscribe(SMS("+15550100"))
    before = shelf.shop.revision
    events.publish("third")
    assert shelf.shop.revision == before + 2


def test_a_push_that_cannot_be_kept_is_refused_and_the_others_have_theirs(shelf: FullShelf) -> None:
    broker = started(shelf)
    events = broker.topic("events")
    orders = broker.queue("orders")
    events.subscribe(orders)
    hook = Hook()
    events.subscribe(hook)
    shelf.full = ("push",)

    with pytest.raises(NotDelivered) as caught:
        events.publish("hello")

    assert [type(why) for why in caught.value.failures.values()] == [NotKept]
    assert [message.body for message in orders.receive()] == ["hello"]
    broker.run_until_idle()
    assert hook.seen == []
    shelf.full = ()
    events.publish("again")
    broker.run_until_idle()
    assert hook.seen == [("again", 1)]


def test_a_subscription_that_cannot_be_kept_is_none(shelf: FullShelf) -> None:
    broker = started(shelf)
    events = broker.topic("events")
    shelf.full = ("subscription",)

    with pytest.raises(NotKept):
        events.subscribe(Hook())

    assert events.subscriptions == []
    shelf.full = ()
    assert events.subscribe(Hook()).state == "confirmed"


def test_what_not_even_the_dead_letter_queue_can_keep_is_tried_again(
    shelf: FullShelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker = started(shelf)
    dead = broker.queue("dead")
    refused = DeliveryRefused("x", why="no")
    made = broker.topic("events").subscribe(Hook(refused, refused), dead_letter=dead)
    broker.topics["events"].publish("hello")
    with monkeypatch.context() as patch:
        patch.setattr(dead, "_accept", lambda *_: (_ for _ in ()).throw(NotKept("disk", why="it is full")))
        broker.run_until_idle(errors="collect")
    assert made.stats().backlog == 1

    clock_of(broker).advance(10)

    assert [message.body for message in dead.receive()] == ["hello"]
    broker.check()


# -- FIFO topics -----------------------------------------------------------------------------------------------------


def test_a_deduplication_id_counts_for_five_minutes_whoever_runs(shelf: FullShelf) -> None:
    before = started(shelf)
    before.topic("orders.fifo").subscribe(before.queue("bills.fifo"))
    first = before.topics["orders.fifo"].publish("7", group="a", deduplication_id="x")
    clock_of(before).advance(299)

    after = started(shelf, at=clock_of(before))
    again = after.topics["orders.fifo"].publish("7", group="a", deduplication_id="x")
    assert (again.id, again.sequence) == (first.id, first.sequence)  # type: ignore[attr-defined]
    assert after.queues["bills.fifo"].stats().visible == 0
    clock_of(after).advance(1)
    new = after.topics["orders.fifo"].publish("7", group="a", deduplication_id="x")

    assert new.id != first.id
    assert after.queues["bills.fifo"].stats().visible == 1


def test_deduplication_ids_are_forgotten_on_the_shelf_too(shelf: FullShelf) -> None:
    broker = started(shelf)
    orders = broker.topic("orders.fifo")
    for number in range(20):
        orders.publish("7", group="a", deduplication_id=str(number))
    clock_of(broker).advance(300)
    orders.publish("7", group="a", deduplication_id="last")
    assert len(shelf.items("once orders.fifo")) == 5  # sixteen at a time
    clock_of(broker).advance(300)

    started(shelf, at=clock_of(broker))

    assert shelf.items("once orders.fifo") == {}


def test_the_same_id_counts_in_each_group_where_the_scope_says_so(shelf: FullShelf) -> None:
    before = started(shelf)
    before.topic("orders.fifo", deduplication_scope="messageGroup")
    first = before.topics["orders.fifo"].publish("7", group="a", deduplication_id="x")

    orders = started(shelf).topics["orders.fifo"]

    assert orders.publish("7", group="a", deduplication_id="x").id == first.id
    assert orders.publish("7", group="b", deduplication_id="x").id != first.id


def test_sequence_numbers_go_up_over_restarts(shelf: FullShelf) -> None:
    sequences: list[str] = []
    for number in range(4):
        orders = started(shelf).topic("orders.fifo")
        for _ in range(3):
            sent: Any = orders.publish("7", group="a", deduplication_id=f"{number}-{len(sequences)}")
            sequences.append(sent.sequence)

    assert sequences == sorted(set(sequences))


def test_a_receipt_of_a_copy_that_shares_the_topics_record_is_known(shelf: FullShelf) -> None:
    broker = started(shelf)
    orders = broker.queue("orders")
    broker.topic("events").subscribe(orders)
    broker.topics["events"].publish("hello")
    [message] = orders.receive()

    orders.delete(message.receipt)

    assert orders.stats().in_flight == 0


def test_numbers_cost_one_write_in_a_thousand(shelf: FullShelf) -> None:
    broker = started(shelf)
    events = broker.topic("events")
    before = shelf.shop.revision

    for _ in range(2_500):
        events.publish("hello")

    assert shelf.shop.revision - before == 3


def test_a_publisher_whose_process_ended_between_copies_tries_again_and_all_have_one(
    shelf: FullShelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The id is kept once all copies are made; a queue that had its copy drops the double by its own."""
    broker = started(shelf)
    orders = broker.topic("orders.fifo")
    bills, mails = broker.queue("bills.fifo"), broker.queue("mails.fifo")
    orders.subscribe(bills)
    orders.subscribe(mails)
    shelf.full = ("once",)
    with pytest.raises(NotKept):
        orders.publish("7", group="a", deduplication_id="x")
    shelf.full = ()

    orders.publish("7", group="a", deduplication_id="x")

    assert [bills.stats().visible, mails.stats().visible] == [1, 1]
    assert len(shelf.items("once orders.fifo")) == 1


def test_ids_of_publications_are_never_given_out_twice(shelf: FullShelf) -> None:
    ids = [started(shelf).topic("events").publish("hello").id for _ in range(20)]

    assert len(set(ids)) == 20


# -- on the journal --------------------------------------------------------------------------------------------------


def test_a_journal_cut_off_at_any_publish_has_all_that_was_answered(tmp_path: Path) -> None:
    """A copy of the folder is what a killed process leaves behind."""
    clock = VirtualClock()
    before = Broker(f"file://{tmp_path}/0", clock=clock)
    events, hook = before.topic("events"), Hook()
    events.subscribe(before.queue("orders"))
    events.subscribe(hook)
    for number in range(1, 4):
        events.publish(f"m{number}")
        shutil.copytree(tmp_path / "0", tmp_path / str(number))

    for number in range(1, 4):
        after, again = Broker(f"file://{tmp_path}/{number}", clock=VirtualClock(clock.time)), Hook()
        after.topic("events").subscribe(again)
        after.topics["events"].publish("new")
        after.run_until_idle()
        expected = [*(f"m{one}" for one in range(1, number + 1)), "new"]
        assert [text for text, _ in again.seen] == expected
        assert [message.body for message in after.queues["orders"].receive(max_messages=10)] == expected
        after.check()
        after.close()
    before.close()


def test_a_broker_on_a_journal_that_was_closed_goes_on_where_it_was(tmp_path: Path) -> None:
    url, sequences = f"file://{tmp_path}/queues", list[str]()
    for number in range(3):
        with Broker(url) as broker:
            bills = broker.queue("bills.fifo")
            orders = broker.topic("orders.fifo")
            orders.subscribe(bills, filter={"kind": ["paid"]})
            sent: Any = orders.publish("7", group="a", deduplication_id=str(number), attributes={"kind": "paid"})
            again: Any = orders.publish("7", group="a", deduplication_id="0", attributes={"kind": "paid"})
            sequences.append(sent.sequence)
            assert again.sequence == sequences[0]

    assert sequences == sorted(set(sequences))
    with Broker(url) as broker:
        assert broker.queues["bills.fifo"].stats().visible == 3
