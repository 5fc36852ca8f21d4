"""The laws of a run: each has a program that breaks it, which is caught, and a right one, which is not accused."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import pytest

from decouple import Broker, Change, LawBroken, Message, Queue, Recording
from decouple.testing import VirtualClock, laws


@pytest.fixture
def broker(clock: VirtualClock) -> Broker:
    return Broker(clock=clock, seed=42)


def text(change: Change) -> str | None:
    return change.text


@contextmanager
def broken(words: str, broker: Broker, *given: laws.Law) -> Iterator[list[LawBroken]]:
    """The block breaks a law, which says so in these words; in the list there is the error, afterwards."""
    found: list[LawBroken] = []
    with pytest.raises(LawBroken, match=words) as caught, laws.watch(broker, *given):
        yield found
    found.append(caught.value)


# -- what a failure says -----------------------------------------------------------------------------------------------


def test_a_failure_names_the_message_its_whole_story_and_the_seed(broker: Broker) -> None:
    orders = broker.queue("orders")

    with broken("is still in queue", broker, laws.drained()) as caught:
        sent = orders.send("order 7")

    [error] = caught
    assert (error.id, error.seed, error.numbers) == (sent.id, 42, {"breaches": 1})
    first, _, *story = str(error).splitlines()
    assert first == f"message {sent.id} is still in queue 'orders', sent at 00:00:00.000: breaches 1, seed 42"
    assert "\n".join(story) == str(error.story)
    assert story[0] == f"message {sent.id}: 'order 7'"


def test_the_story_is_the_broker_s_own_where_that_began_earlier(clock: VirtualClock) -> None:
    broker = Broker(clock=clock, record=100)
    orders = broker.queue("orders")
    orders.send("x")

    with broken("key 'x' was received twice", broker, laws.once(text, cause="received")) as caught:
        for _ in range(2):
            orders.receive()[0].nack()

    [error] = caught
    assert str(error.story).count("sent") == 1


def test_an_error_of_the_block_goes_out_as_it_is(broker: Broker) -> None:
    def fail() -> None:
        with laws.watch(broker, laws.drained()):
            broker.queue("orders").send("x")
            raise LookupError

    with pytest.raises(LookupError):
        fail()
    assert not broker.queues["orders"]._core.listening


def test_laws_can_be_checked_in_the_midst_and_are_watched_no_more_afterwards(broker: Broker) -> None:
    orders = broker.queue("orders")

    with laws.watch(broker, laws.drained()) as watch:
        orders.send("x")
        with pytest.raises(LawBroken, match="is still in queue"):
            watch.check()
        orders.receive()[0].ack()
        watch.check()

    orders.send("y")
    assert [change.cause for change in watch.recording().changes] == ["sent", "received", "deleted"]
    assert orders._core.quick_send


def test_what_is_due_and_was_not_noticed_is_part_of_the_run(clock: VirtualClock) -> None:
    broker = Broker(clock=clock)
    orders = broker.queue("orders", retention=60)

    with laws.watch(broker, laws.drained()):
        orders.send("x")
        clock.advance(61)


def test_a_recording_is_judged_from_its_file(broker: Broker, tmp_path: Path) -> None:
    orders = broker.queue("orders")
    with laws.watch(broker) as watch:
        sent = orders.send("x")
    watch.recording().save(tmp_path / "run.jsonl")
    recording = Recording.load(tmp_path / "run.jsonl")

    laws.check(recording)
    with pytest.raises(LawBroken, match=f"message {sent.id} is still in queue 'orders'.* seed 42"):
        laws.check(recording, laws.drained())


def test_messages_that_were_there_before_break_no_law(broker: Broker, clock: VirtualClock) -> None:
    orders, entries = broker.queue("orders"), broker.queue("entries.fifo")
    orders.send_batch(["x", "y"])
    entries.send("a", group="g", deduplication_id="1")
    [held] = orders.receive()

    with laws.watch(broker, laws.drained()):
        orders.receive()[0].ack()
        held.nack()
        entries.receive()[0].ack()


# -- nothing lost ------------------------------------------------------------------------------------------------------


def tampered(broker: Broker, change: Callable[[list[Change]], object]) -> Recording:
    """A run in which something went wrong that the engine never does."""
    orders = broker.queue("orders")
    with laws.watch(broker) as watch:
        orders.send("x")
        orders.receive()[0].ack()
    changes = list(watch.recording().changes)
    change(changes)
    return Recording(changes)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (lambda changes: changes.append(changes[-1]), "was gone when it was deleted"),
        (lambda changes: changes.insert(2, changes[1]), "was in flight when it was received"),
        (lambda changes: changes.pop(0), "was unknown when it was received"),
    ],
    ids=["deleted twice", "received twice", "from nowhere"],
)
def test_a_message_goes_step_by_step(broker: Broker, wrong: Callable[[list[Change]], object], sentence: str) -> None:
    with pytest.raises(LawBroken, match=sentence):
        laws.check(tampered(broker, wrong))


def test_a_recording_that_began_later_knows_nothing_of_what_was_before(broker: Broker) -> None:
    recording = tampered(broker, lambda changes: changes.pop(0))

    laws.check(Recording(recording.changes, whole=False))


# -- order -------------------------------------------------------------------------------------------------------------


def test_a_group_that_is_overtaken_is_caught(broker: Broker) -> None:
    entries = broker.queue("entries.fifo")
    with laws.watch(broker) as watch:
        for number in "12":
            entries.send(number, group="g", deduplication_id=number)
        for message in entries.receive(max_messages=2):
            message.ack()
    one, two, *rest = watch.recording().changes
    [_, second] = [change for change in rest if change.cause == "received"]

    with pytest.raises(LawBroken, match=r"of group 'g' .* was received at .* while an earlier one was there"):
        laws.check(Recording([one, two, second]))


def test_a_dead_letter_that_comes_back_after_later_messages_breaks_the_order_of_the_program(broker: Broker) -> None:
    dead = broker.queue("dead.fifo")
    entries = broker.queue("entries.fifo", dead_letter=dead, max_receives=1)

    def run() -> None:
        for number in "12":
            entries.send(number, group="g", deduplication_id=number)
        entries.receive()[0].reject("not now")
        entries.receive()[0].ack()
        dead.redrive()
        entries.receive()[0].ack()

    order = laws.in_order(lambda change: int(change.text or 0), queue="entries.fifo")
    with broken("number 1, was done in queue 'entries.fifo' at .*, after number 2", broker, order):
        run()


def test_a_number_that_is_none_does_not_count(broker: Broker) -> None:
    orders = broker.queue("orders")

    with laws.watch(broker, laws.in_order(lambda change: None)):
        for number in "21":
            orders.send(number)
            orders.receive()[0].ack()


# -- dead letters ------------------------------------------------------------------------------------------------------


def test_a_dead_letter_of_which_nobody_complained_breaks_the_law_where_it_is_meant(
    broker: Broker, clock: VirtualClock
) -> None:
    dead = broker.queue("dead")
    orders = broker.queue("orders", dead_letter=dead, max_receives=1)

    words = "is dead in queue 'dead', and what is said of it is only that it was received 1"
    with broken(words, broker, laws.reasons()):
        orders.send("x")
        orders.receive()
        clock.advance(31)
        orders.receive()


def test_a_dead_letter_with_a_complaint_keeps_it(broker: Broker) -> None:
    dead = broker.queue("dead")
    orders = broker.queue("orders", dead_letter=dead, max_receives=1)

    @orders.consume
    def charge(message: Any) -> None:
        raise LookupError("no such card")

    with laws.watch(broker, laws.reasons(), laws.drained()):
        orders.send("x")
        broker.run_until_idle(errors="collect")

    assert dead.stats().visible == 1


# -- once --------------------------------------------------------------------------------------------------------------


def slow_charge(broker: Broker, clock: VirtualClock, *, idempotent: bool) -> None:
    """Takes longer than the visibility timeout, so it is begun again by another one before it is done."""
    orders, charges = broker.queue("orders"), broker.queue("charges")
    done: set[str] = set()
    orders.send("card 7")
    for seconds in (31, 1):
        [message] = orders.receive()
        clock.advance(seconds)
        if not (idempotent and message.body in done):
            charges.send(message.body)
            done.add(message.body)
    message.ack()


def test_a_handler_that_does_a_key_twice_is_caught(broker: Broker, clock: VirtualClock) -> None:
    law = laws.once(text, cause="sent", queue="charges")

    with broken("key 'card 7' was sent twice in queue 'charges': message", broker, law):
        slow_charge(broker, clock, idempotent=False)


def test_an_idempotent_handler_is_not_accused(broker: Broker, clock: VirtualClock) -> None:
    with laws.watch(broker, laws.once(text, cause="sent", queue="charges")):
        slow_charge(broker, clock, idempotent=True)


@pytest.mark.parametrize(
    "key", [lambda change: None, lambda change: change.id], ids=["none of them counts", "by their ids"]
)
def test_what_has_no_key_or_another_one_does_not_count(broker: Broker, key: Callable[[Change], str | None]) -> None:
    orders = broker.queue("orders")

    with laws.watch(broker, laws.once(key)):
        for _ in range(2):
            orders.send("x")
            orders.receive()[0].ack()


def test_the_story_of_what_two_handlings_made_has_both(broker: Broker) -> None:
    orders, charges = broker.queue("orders"), broker.queue("charges")

    @orders.consume
    def pay(order: Message[str]) -> None:
        charges.send(order.body)
        if order.receive_count == 1:
            raise ConnectionError

    with broken("key 'x' was sent twice", broker, laws.once(text, cause="sent", queue="charges")) as caught:
        orders.send("x")
        broker.run_until_idle(errors="collect")

    [error] = caught
    one, two = (letter.id for letter in charges.peek(2))
    assert error.id == two
    assert "now: visible in queue 'charges' since 00:00:00.000, 2 of them" in str(error)
    assert str(error).count("sent, by the handler of another message") == 2
    assert f"#2  {one}\n#3  {two}" in str(error)


# -- what is no law ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("use", "error", "words"),
    [
        (lambda broker: laws.watch(5), TypeError, "watch takes a Broker, .* not 5"),
        (lambda broker: laws.watch(broker.queue("orders")), TypeError, "watch takes a Broker, .* not <Queue"),
        (lambda broker: laws.watch(broker, 5), TypeError, "a law is a callable that takes a Recording, .* not 5"),
        (lambda broker: laws.check(broker), TypeError, r"check takes a Recording, such as broker.recording\(\)"),
        (lambda broker: laws.once("body"), TypeError, "key must be a callable that takes a Change, .* not 'body'"),
        (lambda broker: laws.once(text, cause="snet"), ValueError, "nothing changes by 'snet'"),
        (lambda broker: laws.in_order(5), TypeError, "number must be a callable"),
        (lambda broker: laws.drained(broker.queue("orders")), TypeError, "is given the names of queues, not <Queue"),
        (lambda broker: laws.watch(broker, laws.drained).__enter__().check(), TypeError, "the names of queues"),
    ],
)
def test_what_is_no_law_is_refused(
    broker: Broker, use: Callable[[Any], object], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        use(broker)


def test_a_law_of_a_queue_that_is_not_there_is_an_error_for_it_would_always_hold(broker: Broker) -> None:
    broker.queue("orders")

    with (
        pytest.raises(ValueError, match="a law is of queue 'ordres', and there is none: there are charges, orders"),
        laws.watch(broker, laws.drained("orders", "ordres")),
    ):
        broker.queue("charges")


# -- backlog and latency -----------------------------------------------------------------------------------------------


def test_a_backlog_that_does_not_drain_is_caught_only_in_the_queues_that_are_meant(broker: Broker) -> None:
    orders, _ = broker.queue("orders"), broker.queue("others")

    with laws.watch(broker, laws.drained("others")):
        orders.send("x")
    with broken("is still in queue 'orders', received at", broker, laws.drained()):
        orders.send("y")
        orders.receive(max_messages=2)


@pytest.mark.parametrize("most", [5, 4.999], ids=["in time", "too late"])
def test_latency_is_from_the_visible_message_to_its_end(broker: Broker, clock: VirtualClock, most: float) -> None:
    orders = broker.queue("orders")

    def run() -> None:
        with laws.watch(broker, laws.latency(most)):
            orders.send("x", delay=10)
            clock.advance(15)
            orders.receive()[0].ack()

    if most == 5:
        run()
    else:
        with pytest.raises(LawBroken, match=r"took 5 s in queue 'orders', over the 4.999 s it may take:"):
            run()


def test_a_message_that_waits_too_long_is_caught_before_it_is_gone(broker: Broker, clock: VirtualClock) -> None:
    orders = broker.queue("orders")

    with broken("it may take, and is not gone yet", broker, laws.latency(5)):
        orders.send("x")
        clock.advance(6)


def test_dead_letters_may_wait(broker: Broker, clock: VirtualClock) -> None:
    dead = broker.queue("dead")
    orders = broker.queue("orders", dead_letter=dead, max_receives=1)

    with laws.watch(broker, laws.latency(5), laws.drained()):
        orders.send("x")
        orders.receive()[0].reject("no")
        clock.advance(600)


# -- many runs ---------------------------------------------------------------------------------------------------------


def work(chance: Random, clock: VirtualClock, orders: Queue, entries: Queue) -> None:
    for number in range(12):
        orders.send(f"{number:02}")
        entries.send(f"{number:02}", group=chance.choice("ab"), deduplication_id=str(number))
        for queue in (orders, entries):
            for message in queue.receive(max_messages=chance.randint(1, 3)):
                end = chance.choice(["ack", "ack", "nack", "late", "never", "reject"])
                if end == "ack":
                    message.ack()
                elif end == "nack":
                    message.nack(chance.choice([0, 5]))
                elif end == "reject":
                    message.reject("no")
        clock.advance(chance.choice([0, 1, 31]))


def test_a_right_run_is_accused_of_nothing_by_the_laws_that_always_hold() -> None:
    for seed in range(150):
        chance, clock = Random(seed), VirtualClock()
        broker = Broker(clock=clock, seed=seed)
        dead, dead_fifo = broker.queue("dead"), broker.queue("dead.fifo")
        orders = broker.queue("orders", dead_letter=dead, max_receives=2)
        entries = broker.queue("entries.fifo", dead_letter=dead_fifo, max_receives=2)

        with laws.watch(broker, laws.once(lambda change: change.id), laws.reasons(silent=True)):
            work(chance, clock, orders, entries)


def test_a_planted_bug_is_caught_within_few_seeds() -> None:
    """A consumer that acknowledges only what it was quick about: its second run charges again."""

    def run(seed: int) -> None:
        chance, clock = Random(seed), VirtualClock()
        broker = Broker(clock=clock, seed=seed)
        orders, charges = broker.queue("orders"), broker.queue("charges")
        with laws.watch(broker, laws.once(text, cause="sent", queue="charges")):
            orders.send("card 7")
            while messages := orders.receive(wait=60):
                charges.send(messages[0].body)
                clock.advance(chance.choice([1, 1, 1, 31]))
                orders.receive() or messages[0].ack()

    caught = next(found(run))

    assert caught.seed is not None
    assert caught.seed < 20
    assert re.search(f"seed {caught.seed}\n\nmessage ", str(caught))
    assert "received again in queue 'orders'" in str(caught) or "card 7" in str(caught)


def found(run: Callable[[int], object]) -> Iterator[LawBroken]:
    for seed in range(20):
        try:
            run(seed)
        except LawBroken as broken:
            yield broken
