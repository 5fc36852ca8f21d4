"""What a plan of faults does to queues: what the real ones may do, on record, and nothing else."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from decouple import Broker, Queue
from decouple.core.changes import Change
from decouple.testing import Fault, Faults, Ledger, Occasion, VirtualClock, laws, simulate


def queue_with(clock: VirtualClock, faults: Faults, **settings: object) -> tuple[Queue[str], Ledger]:
    ledger = Ledger()
    broker = Broker(clock=clock, observers=[ledger], faults=faults)
    return broker.queue("orders", **settings), ledger  # type: ignore[arg-type]


def reasons(ledger: Ledger) -> list[str]:
    return [str(change.reason) for change in ledger.changes if change.cause == "fault"]


# -- what each kind does -----------------------------------------------------------------------------------------


def test_a_duplicate_is_the_same_message_once_more(clock: VirtualClock) -> None:
    orders, ledger = queue_with(clock, Faults(duplicate=Fault(seconds=0)))
    sent = orders.send("a", attributes={"kind": "new"})

    first, second = orders.receive(max_messages=10)

    assert first.id == second.id == sent.id
    assert first.receipt != second.receipt
    assert (second.body, dict(second.attributes)) == ("a", {"kind": "new"})
    assert reasons(ledger) == ["duplicate: one more copy of it"]


def test_a_duplicate_may_come_when_the_first_is_long_gone(clock: VirtualClock) -> None:
    orders, _ = queue_with(clock, Faults(duplicate=Fault(seconds=100)))
    orders.send("a")
    orders.receive()[0].ack()

    [again] = orders.receive(wait=200)

    assert (again.body, clock.time) == ("a", datetime(2026, 1, 1, 0, 1, 40, tzinfo=UTC))


def test_a_duplicate_is_counted_and_not_as_sent(clock: VirtualClock) -> None:
    orders, _ = queue_with(clock, Faults(duplicate=1))
    orders.send("a")

    stats = orders.stats()

    assert (stats.sent, stats.injected) == (1, 1)
    assert orders.check()["accepted"] == 2


def test_a_reordered_message_comes_after_all_that_are_there(clock: VirtualClock) -> None:
    orders, ledger = queue_with(clock, Faults(reorder=Fault(nth=1)))
    orders.send_batch(["a", "b", "c"])

    assert [message.body for message in orders.receive(max_messages=3)] == ["b", "c", "a"]
    assert reasons(ledger) == ["reorder: others are first"]


def test_a_reordered_message_that_came_back_too(clock: VirtualClock) -> None:
    orders, _ = queue_with(clock, Faults(reorder=Fault(when=lambda occasion: occasion.receives == 1)))
    orders.send_batch(["a", "b"])
    orders.receive()[0].nack()
    clock.advance(1)
    orders.send("c")

    assert [orders.receive()[0].body for _ in range(3)] == ["b", "c", "a"]


def test_a_reordered_message_still_goes_with_its_retention(clock: VirtualClock) -> None:
    orders, ledger = queue_with(clock, Faults(reorder=Fault(nth=1)), retention=60)
    orders.send_batch(["a", "b"])
    orders.receive()[0].ack()

    clock.advance(60)

    assert orders.receive() == []
    assert ledger.counts["retained out"] == 1
    orders.check()


def test_a_delayed_message_is_accepted_and_visible_later(clock: VirtualClock) -> None:
    orders, ledger = queue_with(clock, Faults(delay=Fault(seconds=5)))
    orders.send("a", delay=10)

    assert orders.receive(wait=14.9) == []
    assert [message.body for message in orders.receive(wait=1)] == ["a"]
    assert reasons(ledger) == ["delay: visible 5 s later"]


def test_a_short_poll_sees_what_is_on_the_servers_it_asks(clock: VirtualClock) -> None:
    orders, ledger = queue_with(clock, Faults(short_poll=0.5))
    orders.send_batch([str(number) for number in range(1_000)])

    got = orders.receive(max_messages=1_000)

    assert 400 < len(got) < 600
    assert reasons(ledger) == [f"short_poll: {len(got)} of 1000 messages were seen, 50% of the servers asked"]


def test_a_short_poll_may_see_nothing_though_there_is_something(clock: VirtualClock) -> None:
    orders, _ = queue_with(clock, Faults(short_poll=0))
    orders.send("a")

    assert orders.receive() == []
    assert orders.stats().visible == 1


def test_a_long_poll_asks_all_servers(clock: VirtualClock) -> None:
    orders, ledger = queue_with(clock, Faults(short_poll=0))
    orders.send_batch(["a", "b"])

    assert [message.body for message in orders.receive(max_messages=10, wait=1)] == ["a", "b"]
    assert reasons(ledger) == []


def test_an_acknowledgement_that_is_lost_seems_to_be_taken(clock: VirtualClock) -> None:
    orders, ledger = queue_with(clock, Faults(lose_ack=Fault(nth=1)), visibility_timeout=30)
    orders.send("a")
    orders.receive()[0].ack()

    [again] = orders.receive(wait=60)
    again.ack()

    assert (again.receive_count, clock.time) == (2, datetime(2026, 1, 1, 0, 0, 30, tzinfo=UTC))
    assert reasons(ledger) == ["lose_ack: its acknowledgement was lost"]
    assert orders.check()["deleted"] == 1


def test_a_message_may_come_again_before_its_visibility_timeout(clock: VirtualClock) -> None:
    orders, ledger = queue_with(clock, Faults(redeliver_early=Fault(nth=1, seconds=3)), visibility_timeout=30)
    orders.send("a")
    [first] = orders.receive()

    [again] = orders.receive(wait=30)
    first.ack()

    assert (again.receive_count, clock.time) == (2, datetime(2026, 1, 1, 0, 0, 3, tzinfo=UTC))
    assert reasons(ledger) == ["redeliver_early: visible again after 3 s of 30 s"]
    assert orders.stats().in_flight == 0  # a late acknowledgement of a standard queue counts


def test_its_receiver_is_not_told_that_it_comes_again_early(clock: VirtualClock) -> None:
    orders, _ = queue_with(clock, Faults(redeliver_early=Fault(nth=1, seconds=3)), visibility_timeout=30)
    orders.send("a")
    [first] = orders.receive()

    first.extend(60)  # at the time it was to

    clock.advance(59)
    assert orders.receive() == []
    assert len(orders.receive(wait=2)) == 1


def test_a_message_that_was_settled_does_not_come_again_early(clock: VirtualClock) -> None:
    orders, ledger = queue_with(clock, Faults(redeliver_early=Fault(seconds=3)))
    orders.send_batch(["acked", "given back"])
    acked, given_back = orders.receive(max_messages=2)
    acked.ack()
    given_back.nack()

    clock.advance(10)

    assert (ledger.counts["expired"], orders.stats().visible) == (0, 1)
    orders.check()


def test_a_fifo_queue_stays_exact_and_is_only_late(clock: VirtualClock) -> None:
    plan = Faults(duplicate=1, reorder=1, lose_ack=1, redeliver_early=1, delay=0.5, short_poll=0.5)
    ledger = Ledger()
    orders = Broker(clock=clock, observers=[ledger], faults=plan).queue("orders.fifo")
    for number in range(20):
        orders.send(str(number), group="g", deduplication_id=str(number))
    got: list[str] = []

    while len(got) < 20:
        for message in orders.receive():
            got.append(message.body)
            message.ack()
        clock.advance(1)

    assert got == [str(number) for number in range(20)]
    assert {reason.partition(":")[0] for reason in reasons(ledger)} == {"delay", "short_poll"}


def test_messages_with_tenants_suffer_too(clock: VirtualClock) -> None:
    orders, ledger = queue_with(clock, Faults(4, duplicate=0.5, reorder=0.5, lose_ack=0.5))
    for number in range(40):
        orders.send(str(number), group=f"tenant-{number % 3}")
    for _ in range(400):
        for message in orders.receive(max_messages=3):
            message.ack()
        clock.advance(1)

    assert ledger.check()["gone"] == orders.stats().deleted > 40
    orders.check()


# -- when --------------------------------------------------------------------------------------------------------


def duplicates(faults: Faults, clock: VirtualClock, names: tuple[str, ...] = ("orders",), count: int = 5) -> list[str]:
    """Which messages were there twice, of so many, a second apart, in each queue."""
    ledger = Ledger()
    broker = Broker(clock=clock, observers=[ledger], faults=faults)
    queues = [broker.queue(name) for name in names]
    for number in range(count):
        for queue in queues:
            queue.send(f"{queue.name} {number}")
        clock.advance(1)
    return [str(change.text) for change in ledger.changes if change.cause == "fault"]


def test_a_fault_strikes_at_the_given_rate(clock: VirtualClock) -> None:
    assert 230 < len(duplicates(Faults(duplicate=0.25), clock, count=1_000)) < 270


def test_a_fault_strikes_the_nth_time_at_each_place(clock: VirtualClock) -> None:
    struck = duplicates(Faults(duplicate=Fault(nth=[2, 4])), clock, ("a", "b"))

    assert struck == ["a 1", "b 1", "a 3", "b 3"]


def test_a_fault_strikes_only_where_it_is_told_to(clock: VirtualClock) -> None:
    assert duplicates(Faults(duplicate=Fault(on="b")), clock, ("a", "b", "c"), 2) == ["b 0", "b 1"]
    assert duplicates(Faults(duplicate=Fault(on=["a", "c"])), clock, ("a", "b", "c"), 1) == ["a 0", "c 0"]


def test_a_fault_strikes_within_a_window_of_time(clock: VirtualClock) -> None:
    clock.advance(100)
    began = clock.time

    assert duplicates(Faults(duplicate=Fault(between=(2, 4))), clock) == ["orders 2", "orders 3"]
    later = began + timedelta(seconds=8)
    assert duplicates(Faults(duplicate=Fault(between=(later, None))), clock) == ["orders 3", "orders 4"]


def test_a_predicate_is_asked_with_the_message(clock: VirtualClock) -> None:
    asked: list[Occasion] = []

    def second(occasion: Occasion) -> bool:
        asked.append(occasion)
        return occasion.text == "orders 1"

    assert duplicates(Faults(duplicate=Fault(when=second)), clock, count=2) == ["orders 1"]
    assert [(one.kind, one.name, one.number) for one in asked] == [
        ("duplicate", "orders", 1),
        ("duplicate", "orders", 2),
    ]
    assert asked[1].at == datetime(2026, 1, 1, 0, 0, 1, tzinfo=UTC)
    assert asked[1].id is not None


def test_several_faults_of_a_kind_add_up(clock: VirtualClock) -> None:
    plan = Faults(duplicate=[Fault(nth=1), Fault(nth=3)])

    assert duplicates(plan, clock) == ["orders 0", "orders 2"]


# -- one seed, one run -------------------------------------------------------------------------------------------


def run(faults: Faults, seed: int | None = None) -> list[tuple[str, int, str | None, str | None]]:
    """A small program's changes under faults."""
    clock, ledger = VirtualClock(), Ledger()
    broker = Broker(clock=clock, observers=[ledger], faults=faults, seed=seed)
    orders = broker.queue("orders")
    orders.send_batch([str(number) for number in range(20)])
    for _ in range(100):
        for message in orders.receive(max_messages=3):
            message.ack()
        clock.advance(1)
    return [(change.cause, change.at, change.text, change.reason) for change in ledger.changes]


EVERYTHING = dict.fromkeys(("duplicate", "reorder", "delay", "short_poll", "lose_ack", "redeliver_early"), 0.3)


def test_one_seed_is_one_run_and_another_seed_another() -> None:
    plan = Faults(7, **EVERYTHING)

    assert run(plan) == run(plan) == run(Faults(7, **EVERYTHING))
    assert run(plan) != run(Faults(8, **EVERYTHING))


def test_a_plan_without_a_seed_takes_the_brokers() -> None:
    assert run(Faults(**EVERYTHING), seed=8) == run(Faults(8, **EVERYTHING), seed=1)


def test_a_fault_more_changes_nothing_elsewhere(clock: VirtualClock) -> None:
    with_more = Faults(7, duplicate=[Fault(0.3, on="a"), Fault(1, on="b")])

    a_alone = duplicates(Faults(7, duplicate=Fault(0.3, on="a")), clock, ("a", "b"), 50)
    both = duplicates(with_more, clock, ("a", "b"), 50)

    assert [text for text in both if text.startswith("a")] == a_alone != []


def test_a_simulation_gives_its_plan_and_its_seed_to_what_is_made_inside() -> None:
    def doubled(seed: int) -> list[str | None]:
        heard: list[Change] = []

        async def main() -> None:
            broker, alone = Broker(), Queue("alone")
            for number in range(20):
                broker.queue("orders").send(f"a{number}")
                alone.send(f"b{number}")
            Queue("other", clock=VirtualClock()).send("with a clock of its own it is not of the simulation")

        simulate(main, seed=seed, faults=Faults(duplicate=0.2), observers=[heard.append])
        return [change.text for change in heard if change.cause == "fault"]

    assert doubled(1) == doubled(1) != doubled(2)
    assert {str(text)[0] for text in doubled(1)} == {"a", "b"}


# -- the laws hold under all of it -------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(40))
def test_whatever_strikes_nothing_is_lost(seed: int, clock: VirtualClock) -> None:
    # given a program that receives in every way there is
    broker = Broker(clock=clock, seed=seed, faults=Faults(**EVERYTHING))
    dead = broker.queue("dead")
    orders = broker.queue("orders", dead_letter=dead, max_receives=4, visibility_timeout=5)
    seen: Counter[str] = Counter()
    with laws.watch(broker, laws.drained("orders")):
        for number in range(30):
            orders.send(str(number), delay=number % 3)
        for step in range(300):
            for message in orders.receive(max_messages=1 + step % 3, wait=step % 2):
                seen[message.body] += 1
                (message.ack, message.nack, lambda message=message: message.extend(2))[step % 7 % 3]()
            clock.advance(1)

    # then each message was handled, or is dead with a reason
    assert {*seen, *(message.body for message in dead.receive(max_messages=100, wait=1))} == {str(n) for n in range(30)}


# -- at the door -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        pytest.param({"duplicate": 1.5}, "duplicate must be from 0 to 1, not 1.5", id="over 1"),
        pytest.param({"lose_ack": -0.1}, "lose_ack must be from 0 to 1, not -0.1", id="under 0"),
        pytest.param({"delay": float("nan")}, "delay must be from 0 to 1, not nan", id="no number"),
    ],
)
def test_rates_are_from_0_to_1(given: dict[str, float], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Faults(**given)


def test_what_is_no_rate_and_no_fault_is_refused() -> None:
    with pytest.raises(TypeError, match=r"crash must be a rate from 0 to 1, a Fault or several, not 'often'"):
        Faults(crash="often")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="slow must be a number from 0 to 1, not True"):
        Faults(slow=True)
    with pytest.raises(TypeError, match="duplicates"):
        Faults(duplicates=0.1)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match=r"faults must be decouple\.testing\.Faults\(\.\.\.\) or None, not 0\.1"):
        Broker(faults=0.1)  # type: ignore[arg-type]


def test_a_plan_is_read_from_text() -> None:
    plan = Faults.parse("duplicate=0.1, short_poll=0.3", seed=7)

    assert repr(plan) == "Faults(7, duplicate=Fault(rate=0.1), short_poll=Fault(share=0.3))"
    assert Faults.parse("").plan == {}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        pytest.param(
            "duplicates=0.1", "there is no fault 'duplicates': there are duplicate, reorder, delay", id="unknown"
        ),
        pytest.param(
            "crash=often", "a fault is given as crash=0.1, a rate from 0 to 1, not 'crash=often'", id="no number"
        ),
        pytest.param("crash=2", "a fault is given as crash=0.1, a rate from 0 to 1, not 'crash=2'", id="over 1"),
        pytest.param("crash", "a fault is given as crash=0.1, a rate from 0 to 1, not 'crash'", id="without a rate"),
    ],
)
def test_text_that_is_no_plan_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Faults.parse(text)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        pytest.param({"nth": 0}, "nth must be whole numbers from 1 on, not 0", id="nth"),
        pytest.param({"between": (4, 2)}, r"between must begin before it ends, not \(4, 2\)", id="between"),
        pytest.param({"between": (datetime(2026, 1, 1), None)}, "takes aware datetimes", id="naive"),
        pytest.param({"seconds": (4, 2)}, r"seconds must be \(least, most\), not \(4, 2\)", id="seconds"),
        pytest.param({"at": "never"}, "at must be of 'before effect', 'after effect', 'before ack'", id="at"),
        pytest.param({"share": 2}, "share must be from 0 to 1, not 2", id="share"),
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(given: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Fault(**given)  # type: ignore[arg-type]


def test_a_story_says_which_fault_it_was(clock: VirtualClock) -> None:
    broker = Broker(clock=clock, record=100, faults=Faults(duplicate=Fault(nth=1, seconds=50), lose_ack=Fault(nth=1)))
    orders = broker.queue("orders")
    sent = orders.send("a")
    orders.receive()[0].ack()
    orders.receive(wait=40)[0].ack()

    story = broker.explain(sent.id)

    lost = "the acknowledgement of receive 1 by thread MainThread at 00:00:00.000 was lost: a fault"
    copied = "there twice in queue 'orders': a fault made a copy of it at 00:00:00.000"
    assert story.why == (f"received again in queue 'orders' (receive 2): {lost}", copied)
    assert "fault: lose_ack: its acknowledgement was lost" in str(story)


def story_of(faults: Faults, seconds: float, **settings: Any) -> str:
    """Of a message whose handler takes so long, and how it came again."""

    async def main() -> str:
        async with Broker(record=100) as broker:
            orders = broker.queue("orders", visibility_timeout=10)

            @orders.consume(concurrency=2, **settings)
            async def handle(text: str) -> None:
                await asyncio.sleep(seconds)

            sent = orders.send("a")
            await asyncio.sleep(1_000)
            return str(broker.explain(sent.id))

    return simulate(main, faults=faults)


def test_a_story_says_that_a_message_came_again_early_by_a_fault() -> None:
    early = Fault(nth=1, seconds=3)

    assert "(00:00:05.000); redeliver_early: visible again after 3 s of 10 s, a fault" in story_of(
        Faults(redeliver_early=early), 5
    )
    kept = story_of(Faults(redeliver_early=early, lose_ack=Fault(nth=1)), 5, heartbeat=2)
    assert (
        "the acknowledgement of receive 1 by consumer handle of queue 'orders' at 00:00:05.000 was lost: a fault"
        in kept
    )


def test_a_fault_that_came_later_is_no_reason() -> None:
    lost = story_of(Faults(lose_ack=Fault(nth=1)), 12)
    died = story_of(Faults(crash=Fault(nth=1, at="before ack")), 12)

    assert (
        "(receive 2): the receipt of receive 1 by consumer handle of queue 'orders' expired at 00:00:10.000, after 10 s, "
        "2 s before its acknowledgement came (00:00:12.000), and was lost, by a fault\n"
    ) in f"{lost}\n"
    assert "(receive 2): the receipt of receive 1 by consumer handle of queue 'orders' expired at 00:00:10.000" in died
    assert "(receive 2): the handler" not in died


def test_a_heartbeat_is_behind_what_it_does() -> None:
    [line] = [line for line in story_of(Faults(), 5, heartbeat=4).split("\n") if "instead" in line]

    assert "in flight until 00:00:14.000 instead" in line
    assert line.endswith("  the heartbeat of consumer handle of queue 'orders'")
