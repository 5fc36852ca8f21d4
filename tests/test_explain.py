"""The story of a message: every change with cause, instant and who, through all queues, and why it went as it did."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from decouple import Broker, NeedsBroker, NotRecorded, Queue, ReceiptExpired, Recording, Story
from decouple.testing import VirtualClock


@pytest.fixture
def broker(clock: VirtualClock) -> Iterator[Broker]:
    """A broker that records; at the end its books must balance."""
    with Broker(clock=clock, record=1_000) as broker:
        yield broker
    broker.check()


@pytest.fixture
def dead(broker: Broker) -> Queue:
    return broker.queue("dead")


@pytest.fixture
def orders(broker: Broker, dead: Queue) -> Queue:
    return broker.queue("orders", visibility_timeout=30, dead_letter=dead, max_receives=2)


def told(story: Story) -> list[tuple[str, str]]:
    """Where and what, of each change."""
    return [(change.queue or str(change.topic), change.cause) for change in story.changes]


def test_a_story_tells_each_change_with_its_instant_its_cause_and_who(
    broker: Broker, orders: Queue, clock: VirtualClock
) -> None:
    sent = orders.send("order 7")
    clock.advance(5)
    [message] = orders.receive()
    clock.advance(0.5)
    message.ack()

    title, now, _, *table = str(broker.explain(sent.id)).splitlines()
    assert title == f"message {sent.id}: 'order 7'"
    assert now == "now: deleted in queue 'orders' at 00:00:05.500 by thread MainThread"
    day, who = "2026-01-01", "thread MainThread"
    assert [re.split(r"  +", row) for row in table] == [
        ["at (UTC)", "after", "where", "what", "who"],
        [f"{day} 00:00:00.000", "+0 s", "queue orders", "sent", who],
        [f"{day} 00:00:05.000", "+5 s", "queue orders", "received (receive 1), in flight until 00:00:35.000", who],
        [f"{day} 00:00:05.500", "+5.5 s", "queue orders", "deleted", who],
    ]
    assert len({row.index(cell) for row, cell in zip(table, ["where", *["queue"] * 3], strict=True)}) == 1


def test_a_received_message_tells_its_story_itself(orders: Queue) -> None:
    orders.send("x")
    [message] = orders.receive()

    story = message.story()

    assert (story.id, told(story)) == (message.id, [("orders", "sent"), ("orders", "received")])
    assert story.now == ("in flight in queue 'orders' until 00:00:30.000, receive 1",)
    message.ack()


# -- why it was delivered twice ----------------------------------------------------------------------------------------


def test_it_says_which_receipt_expired_how_long_before_its_acknowledgement_came(
    broker: Broker, orders: Queue, clock: VirtualClock
) -> None:
    """users.md, 8: "redelivered: receipt expired 2.1 s before ack"."""
    sent = orders.send("x")
    [slow] = orders.receive()
    clock.advance(31)
    orders.receive()
    clock.advance(1.1)
    slow.ack()

    [why] = broker.explain(sent.id).why
    assert why == (
        "received again in queue 'orders' (receive 2): the receipt of receive 1 by thread MainThread expired at "
        "00:00:30.000, after 30 s, 2.1 s before its acknowledgement came (00:00:32.100)"
    )


def test_it_says_when_no_acknowledgement_came(broker: Broker, orders: Queue, clock: VirtualClock) -> None:
    sent = orders.send("x")
    orders.receive()
    clock.advance(31)
    orders.receive()[0].ack()

    [why] = broker.explain(sent.id).why
    assert why.endswith(
        "expired at 00:00:30.000, after 30 s, and no acknowledgement came by it while the message was there"
    )


def test_it_says_so_when_a_fifo_queue_refused_the_late_acknowledgement(broker: Broker, clock: VirtualClock) -> None:
    entries = broker.queue("entries.fifo")
    sent = entries.send("x", group="g", deduplication_id="1")
    [slow] = entries.receive()
    clock.advance(31)
    [again] = entries.receive()
    with pytest.raises(ReceiptExpired):
        slow.ack()
    with pytest.raises(ReceiptExpired):
        slow.extend(60)
    again.ack()

    story = broker.explain(sent.id)

    [why] = story.why
    assert why.endswith("1 s before its acknowledgement came (00:00:31.000), and was refused")
    assert [change.cause for change in story.changes][-3:] == ["too late", "too late", "deleted"]


def test_it_says_who_gave_it_back_and_what_the_handler_complained_about(broker: Broker, orders: Queue) -> None:
    @orders.consume
    def charge(message: Any) -> None:
        raise LookupError("no such card")

    sent = orders.send("x")
    broker.run_until_idle(errors="collect")

    again, gone = broker.explain(sent.id).why
    assert re.fullmatch(
        r"received again in queue 'orders' \(receive 2\): receive 1 by consumer .*charge of queue 'orders' was given back at "
        r"00:00:00.000 by consumer .*: LookupError: no such card",
        again,
    )
    assert gone == (
        "dead: moved from queue 'orders' to 'dead' at 00:00:00.000, after 2 receives: LookupError: no such card"
    )


def test_a_receive_that_was_cancelled_is_no_delivery(broker: Broker, orders: Queue) -> None:
    async def main() -> None:
        parked = asyncio.create_task(orders.aio.receive(wait=20))
        await asyncio.sleep(0)
        orders.send("x")
        parked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await parked

    asyncio.run(main())
    [message] = orders.receive()

    assert message.story().why == ()
    message.ack()


# -- why it is dead, and what became of it then ------------------------------------------------------------------------


def test_a_dead_letter_is_followed_into_its_queue_with_the_reason(
    broker: Broker, orders: Queue, clock: VirtualClock
) -> None:
    sent = orders.send("x")
    orders.receive()
    clock.advance(31)
    orders.receive()
    clock.advance(31)
    orders.receive()

    story = broker.explain(sent.id)

    assert told(story)[-3:] == [("orders", "moving"), ("dead", "moved in"), ("orders", "moved")]
    assert story.why[-1] == (
        "dead: moved from queue 'orders' to 'dead' at 00:01:02.000, after 2 receives: "
        "TooManyReceives: received 2 times and not deleted"
    )
    assert story.now == ("visible in queue 'dead' since 00:01:02.000",)


@pytest.mark.parametrize("asked", [0, 1], ids=["by its old id", "by its new id"])
def test_a_redrive_is_followed_through_the_new_id(broker: Broker, orders: Queue, dead: Queue, asked: int) -> None:
    sent = orders.send("x")
    orders.receive()[0].reject("no stock")
    dead.redrive()
    [again] = orders.receive()
    again.ack()

    story = broker.explain([sent.id, again.id][asked])

    assert story.ids == (sent.id, again.id)
    assert told(story)[-2:] == [("orders", "received"), ("orders", "deleted")]
    assert "dead: moved from queue 'orders' to 'dead' at 00:00:00.000, after 1 receive: Rejected: no stock" in story.why


def test_a_message_that_is_gone_without_a_dead_letter_queue_says_why(
    broker: Broker, orders: Queue, clock: VirtualClock
) -> None:
    orders.configure(dead_letter=None, max_receives=None, retention=60)
    rejected, old = orders.send("x"), orders.send("y")
    orders.receive()[0].reject("no stock")
    clock.advance(100)

    assert broker.explain(rejected.id).why == (
        "gone: rejected at 00:00:00.000, and queue 'orders' has no dead-letter queue: no stock",
    )
    assert broker.explain(old.id).why == ("gone: it outlived the retention of queue 'orders' at 00:01:00.000",)


# -- publications --------------------------------------------------------------------------------------------------------


def test_a_publication_is_followed_into_its_copies_and_what_became_of_them(broker: Broker, orders: Queue) -> None:
    events, audit = broker.topic("events"), broker.queue("audit")
    events.subscribe(orders)
    events.subscribe(audit)
    published = events.publish("x")
    orders.receive()[0].reject("no stock")
    audit.receive()[0].ack()

    story = broker.explain(published.id)

    assert told(story) == [
        ("events", "published"),
        ("orders", "sent"),
        ("audit", "sent"),
        ("orders", "received"),
        ("orders", "moving"),
        ("dead", "moved in"),
        ("orders", "moved"),
        ("audit", "received"),
        ("audit", "deleted"),
    ]
    assert len(story.ids) == 3


def test_a_copy_is_followed_back_to_its_publication_and_not_into_the_other_copies(
    broker: Broker, orders: Queue
) -> None:
    events, audit = broker.topic("events"), broker.queue("audit")
    events.subscribe(orders)
    events.subscribe(audit)
    events.publish("x")

    [copy] = audit.receive()

    assert told(copy.story()) == [("events", "published"), ("audit", "sent"), ("audit", "received")]
    copy.ack()


def test_it_says_why_a_subscription_did_not_get_it_by_the_filter_it_had_then(
    broker: Broker, clock: VirtualClock
) -> None:
    events, audit = broker.topic("events"), broker.queue("audit")
    subscription = events.subscribe(audit, filter={"type": ["paid"]})
    published = events.publish("x", attributes={"type": "lost"})
    subscription.configure(filter={"type": ["lost"]})
    clock.advance(2)
    events.subscribe(broker.queue("late"))
    caught = events.publish("y", attributes={"type": "lost"})

    assert broker.explain(published.id).why == (
        "queue 'audit' did not get it: its filter does not match: type: 'lost' is not what the policy wants: \"paid\"",
        "queue 'late' did not get it: subscribed only at 00:00:02.000, 2 s after it was published",
    )
    assert broker.explain(caught.id).why == ()


@pytest.mark.parametrize(
    ("body", "why"),
    [("{}", "type: it is missing"), ("plain", "the body is not a JSON object")],
    ids=["another body", "no JSON"],
)
def test_it_says_so_of_a_filter_of_bodies(broker: Broker, body: str, why: str) -> None:
    events = broker.topic("events")
    events.subscribe(broker.queue("audit"), filter={"type": ["paid"]}, filter_scope="body")

    [said] = broker.explain(events.publish(body).id).why

    assert said.startswith("queue 'audit' did not get it: its filter does not match: ")


def test_it_knows_the_subscriptions_also_when_their_changes_are_kept_no_more(clock: VirtualClock) -> None:
    broker = Broker(clock=clock, record=3)
    events = broker.topic("events")
    subscription = events.subscribe(broker.queue("audit"), filter={"type": ["paid"]})
    subscription.configure(filter={"type": ["lost"]})
    for _ in range(9):
        published = events.publish("x")

    [why] = broker.explain(published.id).why
    assert 'wants: "lost"' in why or "missing" in why


def test_a_subscription_that_gave_up_says_why_and_where_it_is(broker: Broker, dead: Queue) -> None:
    def refuse(notification: Any) -> None:
        raise ConnectionError("nobody there")

    events = broker.topic("events")
    events.subscribe(refuse, dead_letter=dead, retry={"numRetries": 0})
    published = events.publish("x")
    broker.run_until_idle(errors="collect")

    story = broker.explain(published.id)

    [why] = story.why
    assert "given up after 1 attempt, and it is in dead-letter queue 'dead': ConnectionError: nobody there" in why
    assert ("dead", "sent") in told(story)


def test_a_publication_to_a_function_is_followed_into_its_runs(broker: Broker) -> None:
    events = broker.topic("events")

    @broker.function
    def handle(event: Any, context: Any) -> None:
        pass

    events.subscribe(handle)
    published = events.publish("x")
    broker.run_until_idle()

    story = broker.explain(published.id)

    assert [change.cause for change in story.changes if change.function == "handle"] == ["event accepted", "invoked"]


def test_a_send_that_counted_as_a_duplicate_is_part_of_the_story(broker: Broker) -> None:
    entries = broker.queue("entries.fifo")
    sent = entries.send("x", group="g", deduplication_id="1")
    entries.send("x", group="g", deduplication_id="1")

    assert told(broker.explain(sent.id)) == [("entries.fifo", "sent"), ("entries.fifo", "duplicate")]


# -- what is kept --------------------------------------------------------------------------------------------------------


def test_the_newest_changes_are_kept_and_a_story_says_when_its_beginning_is_not(clock: VirtualClock) -> None:
    orders = Broker(clock=clock, record=2).queue("orders")
    orders.send("x")
    [message] = orders.receive()
    message.ack()

    story = message.story()

    assert told(story) == [("orders", "received"), ("orders", "deleted")]
    assert "its beginning is not recorded any more: Broker(record=...) keeps more" in str(story)


def test_a_publication_that_is_kept_no_more_is_told_by_its_copies() -> None:
    with Broker(record=100) as broker:
        broker.topic("events").subscribe(broker.queue("orders"))
        published = broker.topics["events"].publish("x")
        recording = broker.recording()
    rest = [change for change in recording.changes if change.cause == "sent"]

    story = Recording(rest, dropped=2, whole=False).explain(published.id)

    assert told(story) == [("orders", "sent")]


def test_a_broker_from_a_description_records_too(clock: VirtualClock) -> None:
    description = Broker(clock=clock).describe()

    again = Broker.from_description(description, clock=clock, record=5)

    assert again.recording().most == 5


def test_an_unknown_id_says_how_many_changes_are_kept_and_what_to_set(clock: VirtualClock) -> None:
    quiet, few, enough = (Broker(clock=clock, record=most) for most in (0, 2, 100))
    for broker in (quiet, few, enough):
        broker.queue("orders").send_batch(["x"] * 3)

    for broker, words in (
        (quiet, "the broker records nothing: make it with Broker(record=100_000)"),
        (few, "the newest 2 changes are kept and 1 older ones are not: Broker(record=20) keeps more"),
        (enough, "all 3 changes so far are kept, and none is of it: it is another broker's, or mistyped"),
    ):
        with pytest.raises(NotRecorded, match=re.escape(f"nothing is recorded of 'm-1': {words}")):
            broker.explain("m-1")


def test_a_message_of_a_queue_alone_has_no_story(queue: Queue) -> None:
    queue.send("x")
    [message] = queue.receive()

    with pytest.raises(NeedsBroker, match="the story of a message of queue 'orders'"):
        message.story()


@pytest.mark.parametrize(
    ("record", "error"), [(-1, ValueError), (True, TypeError), ("all", TypeError)], ids=["negative", "a bool", "text"]
)
def test_how_many_are_kept_is_a_number(record: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="record must be"):
        Broker(record=record)


def test_a_broker_that_records_nothing_has_no_observer(clock: VirtualClock) -> None:
    broker = Broker(clock=clock)
    orders = broker.queue("orders")

    assert not orders._core.listening
    with pytest.raises(NotRecorded, match="records nothing"):
        broker.recording()


def test_a_story_can_be_asked_for_while_threads_work() -> None:
    with Broker(record=10_000) as broker:
        orders = broker.queue("orders")
        ids = [sent.id for sent in orders.send_batch(["x"] * 200)]
        done = threading.Barrier(3)

        def work() -> None:
            while messages := orders.receive(max_messages=5):
                orders.delete(*messages)
            done.wait()

        for _ in range(2):
            threading.Thread(target=work).start()
        for id in ids:
            broker.explain(id)
        done.wait()

        assert {told(broker.explain(id))[-1] for id in ids} == {("orders", "deleted")}


# -- observers that come and go ------------------------------------------------------------------------------------------


def test_an_observer_may_come_later_and_go_again(clock: VirtualClock) -> None:
    broker = Broker(clock=clock)
    orders, events = broker.queue("orders"), broker.topic("events")
    heard: list[str] = []

    def hear(change: Any) -> None:
        heard.append(change.cause)

    orders.send("before")
    broker.observe(hear)
    orders.send("x")
    events.publish("y")
    broker.queue("later").send("z")
    broker.unobserve(hear)
    orders.send("after")
    events.publish("after")
    broker.queues["later"].send("after")

    assert heard == ["sent", "published", "sent"]
    assert not orders._core.listening
    assert orders._core.quick_send
    broker.check()


def test_an_observer_is_a_callable(broker: Broker) -> None:
    with pytest.raises(TypeError, match="an observer must be a callable"):
        broker.observe("me")  # type: ignore[arg-type]


# -- forms ---------------------------------------------------------------------------------------------------------------


def test_a_story_is_json_too(broker: Broker, orders: Queue) -> None:
    sent = orders.send("x", attributes={"n": 1, "raw": b"\0"})

    document = json.loads(broker.explain(sent.id).json())

    assert (document["id"], document["ids"], document["text"], document["complete"]) == (sent.id, [sent.id], "x", True)
    [change] = document["changes"]
    assert (change["when"], change["where"], change["what"], change["cause"], change["who"]) == (
        "2026-01-01 00:00:00.000",
        "queue orders",
        "sent",
        "sent",
        "thread MainThread",
    )


def test_a_story_is_a_page_without_scripts_in_which_all_is_escaped(broker: Broker, orders: Queue) -> None:
    orders.send("<script>alert('x')</script>")
    [message] = orders.receive()
    message.reject("<b>no</b>")

    page = message.story().html()

    assert page.startswith("<!doctype html>")
    assert "<script" not in page
    assert "<b>" not in page
    assert "&lt;b&gt;no&lt;/b&gt;" in page
    assert "http" not in page
    assert page.count('<li class="step') == len(message.story().changes)


def test_a_notebook_shows_a_story_by_itself(broker: Broker, orders: Queue) -> None:
    story = broker.explain(orders.send("x").id)

    assert story._repr_html_() in story.html()
    assert repr(story) == f"<Story of {story.id}: 1 changes>"


def test_what_a_handler_sent_is_part_of_the_story_of_what_it_handled(clock: VirtualClock) -> None:
    broker = Broker(clock=clock, record=100)
    orders, bills = broker.queue("orders"), broker.queue("bills")
    orders.consume(lambda message: bills.send(f"bill for {message.body}"))
    other = bills.send("another bill")
    order = orders.send("order 7")
    broker.run_until_idle()
    [bill] = [message for message in bills.peek() if message.body == "bill for order 7"]

    story, ofthebill = broker.explain(order.id), broker.explain(bill.id)

    assert story.ids == ofthebill.ids == (order.id, bill.id)
    assert other.id not in str(story)
    assert "sent, by the handler of another message" in str(ofthebill)
    assert ofthebill.complete


def test_a_publication_by_a_handler_stands_before_its_copies_and_after_what_led_to_it(clock: VirtualClock) -> None:
    """All of it at one instant, at which only the order tells what came of what."""
    broker = Broker(clock=clock, record=100)
    events, orders, copies = broker.topic("events"), broker.queue("orders"), broker.queue("copies")
    events.subscribe(copies)
    orders.consume(lambda message: events.publish(message.body))
    orders.send("order 7")
    broker.run_until_idle()

    story = copies.receive()[0].story()

    told = [(change.cause, change.queue or change.topic) for change in story.changes]
    assert told[:5] == [
        ("sent", "orders"), ("received", "orders"), ("published", "events"), ("sent", "copies"), ("deleted", "orders"),
    ]  # fmt: skip


def test_a_publication_by_a_handler_is_too(clock: VirtualClock) -> None:
    broker = Broker(clock=clock, record=100)
    events, orders, copies = broker.topic("events"), broker.queue("orders"), broker.queue("copies")
    events.subscribe(copies)
    orders.consume(lambda message: events.publish("shipped"))
    order = orders.send("order 7")
    broker.run_until_idle()

    assert copies.peek()[0].id in broker.explain(order.id).ids
