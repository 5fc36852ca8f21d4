"""What a plan of faults does to handlers, targets, clocks and stores: what may happen to real ones, on record."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import process_handlers
import pytest
import restarted_handlers

from decouple import (
    Broker,
    Change,
    LargeBodies,
    LawBroken,
    MemoryStore,
    Message,
    ProcessDied,
    Queue,
    StoreFailed,
    SystemClock,
    idempotent,
)
from decouple.testing import Fault, Faults, Ledger, VirtualClock, effect, laws, restartable, simulate

START = datetime(2026, 1, 1, tzinfo=UTC)
WAYS = ("def by hand", "async by hand", "def simulated", "async simulated", "function by hand", "function simulated")
CONSUMERS = WAYS[:4]


class World:
    """One queue, whose handler notes what it does, run to its end. at: seconds since the start."""

    def __init__(self, faults: Faults, *, work: Callable[[World, str], None] | None = None) -> None:
        self.faults = faults
        self.begun: list[tuple[str, float]] = []
        self.ended: list[tuple[str, float]] = []
        self.changes: list[Change] = []
        self.work = work or (lambda world, text: None)
        self.broker = Broker()
        self.sent: str | None = None

    def run(self, way: str, *bodies: str, settings: dict[str, Any] | None = None, seconds: float = 400) -> World:
        if way.endswith("by hand"):
            clock = VirtualClock()
            self.broker = Broker(clock=clock, faults=self.faults, observers=[self.changes.append])
            self._declare(way, settings or {}, bodies)
            self.broker.run_until_idle(budget=seconds, errors="collect")
            return self

        async def main() -> None:
            async with Broker(observers=[self.changes.append]) as self.broker:
                self._declare(way, settings or {}, bodies)
                await asyncio.sleep(seconds)

        simulate(main, faults=self.faults)
        return self

    def _declare(self, way: str, settings: dict[str, Any], bodies: tuple[str, ...]) -> None:
        self.orders = self.broker.queue("orders", visibility_timeout=30)
        self.out = self.broker.queue("out")
        if self.sent is not None:
            self.out.send(self.sent)
        if way.startswith("function"):
            self.function = self.broker.function(self._run, name="orders", timeout=settings.get("timeout", 3))
            self.orders.trigger(self.function, batch_size=1)
        else:
            self.orders.consume(self._handle if way.startswith("def") else self._ahandle, **settings)
        for body in bodies:
            self.orders.send(body)

    def _run(self, event: Any, context: object) -> None:
        for record in event["Records"]:
            self._do(record["body"])

    def _handle(self, message: Message[str]) -> None:
        self._do(message.body)

    async def _ahandle(self, message: Message[str]) -> None:
        self._do(message.body)

    def _do(self, text: str) -> None:
        self.begun.append((text, self.now))
        self.work(self, text)
        self.ended.append((text, self.now))

    @property
    def now(self) -> float:
        return self.broker.clock.now() / 1e9

    @property
    def faulted(self) -> list[str]:
        return [str(change.reason) for change in self.changes if change.cause == "fault"]

    @property
    def numbers(self) -> tuple[int, int, int]:
        stats = self.orders.stats()
        return stats.received, stats.expired, stats.deleted


def struck_by(point: str, way: str, work: Callable[[World, str], None], *, sent: str | None = None) -> World:
    """Ten seconds of a world whose first handler dies after that effect, by the first seed that has it so."""
    for seed in range(20):
        world = World(Faults(seed, crash=Fault(nth=1, at="after effect")), work=work)
        world.sent = sent
        if world.run(way, "a", seconds=10).faulted == [f"crash: after effect, {point}"]:
            return world
    raise AssertionError(f"no seed lets it die of {point!r}")


# -- crash -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
def test_who_crashes_before_its_effects_did_nothing_and_its_message_comes_when_its_time_is_over(way: str) -> None:
    world = World(Faults(crash=Fault(nth=1, at="before effect"))).run(way, "a")

    assert world.begun == [("a", 30.0)]
    assert world.numbers == (2, 1, 1)
    assert world.faulted == ["crash: before effect, when it was received"]


@pytest.mark.parametrize("way", WAYS)
def test_who_crashes_before_its_ack_did_all_and_does_it_again(way: str) -> None:
    world = World(Faults(crash=Fault(nth=1, at="before ack"))).run(way, "a")

    assert world.ended == [("a", 0.0), ("a", 30.0)]
    assert world.numbers == (2, 1, 1)
    assert world.faulted == ["crash: before ack, when it returned"]


@pytest.mark.parametrize("way", WAYS)
def test_who_crashes_after_an_effect_does_what_comes_before_it_twice(way: str) -> None:
    def work(world: World, text: str) -> None:
        world.out.send(f"first of {text}")
        effect("marked")
        world.out.send(f"second of {text}")

    world = World(Faults(5, crash=Fault(nth=range(1, 6), at="after effect")), work=work).run(way, "a")

    crashes = [reason.removeprefix("crash: after effect, ") for reason in world.faulted]
    sent = sum({"a send to queue 'out'": 1, "marked": 1, "when it returned": 2}.get(one, 0) for one in crashes) + 2
    assert len(crashes) == len(world.begun) - 1 == 5
    assert {"marked", "when it returned"} < set(crashes)
    assert abs(world.out.stats().sent - sent) <= crashes.count("a send to queue 'out'")


@pytest.mark.parametrize("way", ["async simulated", "async by hand"])
def test_an_async_handler_may_die_wherever_it_awaits(way: str) -> None:
    places: list[str] = []

    class Awaiting(World):
        async def _ahandle(self, message: Message[str]) -> None:
            places.append("a")
            await asyncio.sleep(0)
            places.append("b")
            await asyncio.sleep(0)
            places.append("c")

    world = Awaiting(Faults(2, crash=Fault(nth=range(1, 9), at="after effect"))).run(way, "a")

    assert {"crash: after effect, await 1", "crash: after effect, await 2"} <= set(world.faulted)
    assert places.count("a") > places.count("b") > places.count("c")


def test_the_tasks_of_the_dead_do_nothing_more_either(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> tuple[int, int]:
        async with Broker() as broker:
            orders, out = broker.queue("orders"), broker.queue("out")

            async def send(number: int) -> None:
                await asyncio.sleep(1)
                out.send(f"{number}")

            @orders.consume
            async def handle(message: Message[str]) -> None:
                async with asyncio.TaskGroup() as group:
                    for number in range(3):
                        group.create_task(send(number))

            orders.send("a")
            await asyncio.sleep(100)
            return orders.stats().expired, out.stats().sent

    runs = {simulate(main, faults=Faults(seed, crash=Fault(nth=1, at="after effect"))) for seed in range(9)}

    assert {(1, 3), (1, 4)} <= runs <= {(1, sent) for sent in (3, 4, 5, 6)}
    assert caplog.records == []


@pytest.mark.parametrize("way", CONSUMERS)
def test_the_dead_do_nothing_more_whatever_they_catch(way: str) -> None:
    """`except Exception` does not see it, and what a `finally` would do is not done: a dead process does nothing."""
    marks: list[str] = []

    def work(world: World, text: str) -> None:
        try:
            effect("charged")
        except Exception:
            marks.append("swallowed")
        finally:
            marks.append("at the end")
            world.out.send("refund")

    world = struck_by("charged", way, work)

    assert world.out.stats().sent == 0
    assert "swallowed" not in marks


@pytest.mark.parametrize("way", CONSUMERS)
def test_a_message_in_the_hands_of_the_dead_is_not_given_back_by_its_with_block(way: str) -> None:
    def work(world: World, text: str) -> None:
        for order in world.out.receive():
            with order:
                effect("charged")

    world = struck_by("charged", way, work, sent="order")

    assert (world.out.stats().in_flight, world.out.stats().visible) == (1, 0)


def test_who_swallows_even_death_is_dead_all_the_same() -> None:
    def work(world: World, text: str) -> None:
        with suppress(BaseException):
            effect("charged")

    worlds = [World(Faults(seed, crash=Fault(nth=1, at="after effect")), work=work) for seed in range(9)]

    for world in worlds:
        world.run("def by hand", "a")
    assert {world.numbers for world in worlds} == {(2, 1, 1)}


def test_a_crash_is_no_error_of_the_program() -> None:
    clock = VirtualClock()
    broker = Broker(clock=clock, faults=Faults(crash=Fault(nth=1)))
    orders = broker.queue("orders")
    consumer = orders.consume(lambda message: None)
    orders.send("a")

    report = broker.run_until_idle(budget=60)

    stats = consumer.stats()
    assert report.errors == ()
    assert (stats.succeeded, stats.interrupted, stats.failed, stats.retried) == (1, 1, 0, 0)


@pytest.mark.parametrize("awaits", [False, True])
def test_on_real_time_the_dead_leave_their_message_in_flight_too(awaits: bool) -> None:
    begun: list[str] = []

    def handle(message: Message[str]) -> None:
        begun.append(message.body)

    async def ahandle(message: Message[str]) -> None:
        begun.append(message.body)

    with Broker(faults=Faults(crash=Fault(nth=1, at="before ack"))) as broker:
        orders = broker.queue("orders", visibility_timeout=0.05)
        orders.consume(ahandle if awaits else handle, heartbeat=0.02)
        orders.send("a")
        broker.run_until_idle(budget=0.2)

    assert begun == ["a", "a"]
    assert (orders.stats().expired, orders.stats().deleted) == (1, 1)


def test_other_messages_of_the_same_consumer_go_on() -> None:
    faults = Faults(crash=Fault(when=lambda occasion: occasion.text == "b" and occasion.receives == 1, at="before ack"))

    world = World(faults).run("def by hand", "a", "b", "c")

    assert [text for text, _ in world.ended] == ["a", "b", "c", "b"]


def test_the_story_tells_that_the_handler_crashed() -> None:
    broker = Broker(clock=VirtualClock(), faults=Faults(crash=Fault(nth=1, at="before ack")), record=100)
    orders = broker.queue("orders")
    orders.consume(print_nothing)
    sent = orders.send("a")
    broker.run_until_idle(budget=60)

    story = str(broker.explain(sent.id))

    assert "fault: crash: before ack, when it returned" in story
    assert (
        "received again in queue 'orders' (receive 2): the handler of receive 1 by consumer print_nothing of queue "
        "'orders' crashed before ack, when it returned (00:00:00.000, a fault), and its time in flight ran out at 00:00:30.000"
    ) in story


def print_nothing(message: Message[str]) -> None:
    pass


def test_a_message_whose_handlers_all_crash_is_dead_in_the_end_and_no_law_is_broken() -> None:
    broker = Broker(clock=VirtualClock(), faults=Faults(crash=1, seed=4))
    dead = broker.queue("dead")
    orders = broker.queue("orders", dead_letter=dead, max_receives=3)
    with laws.watch(broker, laws.drained("orders")):
        orders.consume(print_nothing)
        orders.send("a")
        broker.run_until_idle(budget=600)

    assert dead.stats().visible == 1


def test_a_run_of_a_function_dies_as_lambda_says_it_and_the_next_is_a_cold_start() -> None:
    """Lambda: Runtime.ExitError, and the environment is not used again."""
    broker = Broker(clock=VirtualClock(), faults=Faults(crash=Fault(nth=2, at="before ack")), record=100)
    failures = broker.queue("failures")
    function = broker.function(lambda event, context: event, name="resize", on_failure=failures)

    assert function.invoke(1) == 1
    with pytest.raises(ProcessDied, match="killed by signal 9"):
        function.invoke(2)
    assert function.invoke(3) == 3

    stats = function.stats()
    assert (stats.invocations, stats.errors, stats.cold_starts, stats.warm_starts) == (3, 1, 2, 1)
    [fault] = [change for change in broker.recording().changes if change.cause == "fault"]
    assert (fault.function, fault.reason) == ("resize", "crash: before ack, when it returned")


def test_an_event_sent_to_a_function_that_crashes_is_tried_again() -> None:
    """Lambda: asynchronous invocation, two retries, and then the destination."""
    clock = VirtualClock()
    broker = Broker(clock=clock, faults=Faults(crash=Fault(nth=(1, 2, 3, 4), at="before effect")))
    failures = broker.queue("failures")
    function = broker.function(lambda event, context: event, name="resize", on_failure=failures)
    first = function.send("a")
    report = broker.run_until_idle(budget=600)
    second = function.send("b")
    broker.run_until_idle(budget=600)

    [record] = [message.json() for message in failures.receive(max_messages=10)]
    assert first != second
    assert report.errors == ()
    assert record["responsePayload"]["errorType"] == "Runtime.ExitError"
    assert record["requestContext"]["approximateInvokeCount"] == 3
    assert function.stats().invocations == 5


def test_every_message_of_a_batch_comes_again_and_its_story_says_why() -> None:
    broker = Broker(clock=VirtualClock(), faults=Faults(crash=Fault(nth=1, at="before ack")), record=100)
    orders = broker.queue("orders")
    ids = [sent.id for sent in orders.send_batch(["a", "b"])]
    orders.trigger(broker.function(lambda event, context: None, name="charge"))

    assert broker.run_until_idle(budget=60).errors == ()

    assert orders.stats().deleted == 2
    for id in ids:
        assert "crashed before ack, when it returned" in str(broker.explain(id))


# -- restart -----------------------------------------------------------------------------------------------------


def test_a_restarted_module_has_forgotten(capsys: pytest.CaptureFixture[str]) -> None:
    broker = Broker(clock=VirtualClock(), faults=Faults(restart=Fault(nth=3)))
    orders = broker.queue("orders")
    orders.consume(restarted_handlers.handle)
    orders.send_batch(["a", "b", "c", "d"])
    restarted_handlers.seen.clear()

    broker.run_until_idle()

    assert capsys.readouterr().out.splitlines() == ["['a']", "['a', 'b']", "['c']", "['c', 'd']"]
    assert restarted_handlers.seen == ["a", "b"]  # everybody else's module is as it was


def test_a_restarted_handler_gets_what_its_own_module_knows(capsys: pytest.CaptureFixture[str]) -> None:
    broker = Broker(clock=VirtualClock(), faults=Faults(restart=1))
    orders = broker.queue("orders")
    orders.consume(restarted_handlers.take)
    orders.send({"id": 7})

    broker.run_until_idle()

    assert capsys.readouterr().out == "True Order(id=7)\n"


def test_a_script_is_executed_anew_without_what_it_does_when_it_is_started(tmp_path: Path) -> None:
    script = tmp_path / "shop.py"
    script.write_text(SCRIPT)

    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True, env=os.environ | HERE)

    assert done.stdout.splitlines() == ["executed", "['a']", "executed", "['b']"]


HERE = {"PYTHONPATH": str(Path(__file__).parent.parent)}
SCRIPT = """
from decouple import Broker
from decouple.testing import Fault, Faults, VirtualClock

print("executed")
seen = []

def handle(message):
    seen.append(message.body)
    print(seen)

def main():
    broker = Broker(clock=VirtualClock(), faults=Faults(restart=Fault(nth=2)))
    orders = broker.queue("orders")
    orders.consume(handle)
    orders.send_batch(["a", "b"])
    broker.run_until_idle()

if __name__ == "__main__":
    main()
"""


def test_a_module_with_a_broker_of_its_own_is_not_executed_anew() -> None:
    """The handler would send to queues of another broker, which nobody reads."""
    broker = Broker(clock=VirtualClock(), faults=Faults(restart=1))

    with pytest.raises(ValueError, match="cannot be made anew"):
        broker.function(process_handlers.look)


def test_an_object_is_made_anew_if_its_class_takes_no_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    broker = Broker(clock=VirtualClock(), faults=Faults(restart=Fault(nth=2)))
    orders = broker.queue("orders")
    orders.consume(restarted_handlers.Keeping().handle)
    orders.send_batch(["a", "b"])

    broker.run_until_idle()

    assert capsys.readouterr().out.splitlines() == ["['a']", "['b']"]


def test_a_function_begins_cold_with_its_module_anew(capsys: pytest.CaptureFixture[str]) -> None:
    inits: list[int] = []
    broker = Broker(clock=VirtualClock(), faults=Faults(restart=Fault(nth=2)), record=10)
    function = broker.function(restarted_handlers.run, on_init=lambda: inits.append(1))
    restarted_handlers.seen.clear()

    for number in range(3):
        function.invoke({"id": number})

    assert capsys.readouterr().out.splitlines() == ["[0]", "[1]", "[1, 2]"]
    assert len(inits) == 2
    assert [change.function for change in broker.recording().changes if change.cause == "fault"] == ["run"]


def counting(counts: list[int]) -> Callable[[], Callable[[Message[str]], None]]:
    def make() -> Callable[[Message[str]], None]:
        seen: list[str] = []

        def handle(message: Message[str]) -> None:
            seen.append(message.body)
            counts.append(len(seen))

        return handle

    return make


@pytest.mark.parametrize("simulated", [False, True])
def test_what_a_factory_makes_is_made_anew(simulated: bool) -> None:
    counts: list[int] = []

    def declare(broker: Broker) -> None:
        orders = broker.queue("orders")
        orders.consume(restartable(counting(counts)))
        orders.send_batch(["a", "b", "c"])

    faults = Faults(restart=Fault(nth=3))
    if simulated:

        async def main() -> None:
            async with Broker() as broker:
                declare(broker)
                await asyncio.sleep(1)

        simulate(main, faults=faults)
    else:
        broker = Broker(clock=VirtualClock(), faults=faults)
        declare(broker)
        broker.run_until_idle()

    assert counts == [1, 2, 1]


def test_a_process_that_died_has_forgotten_what_its_factory_made() -> None:
    counts: list[int] = []
    broker = Broker(clock=VirtualClock(), faults=Faults(crash=Fault(nth=2, at="before ack")))
    orders = broker.queue("orders")
    orders.consume(restartable(counting(counts)))
    orders.send_batch(["a", "b", "c"])

    broker.run_until_idle(budget=60)

    assert counts == [1, 2, 1, 2]


def test_a_crash_alone_leaves_a_module_as_it_is_with_what_a_test_has_patched_there(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(restarted_handlers, "seen", ["patched"])
    broker = Broker(clock=VirtualClock(), faults=Faults(crash=Fault(nth=1, at="before ack")))
    orders = broker.queue("orders")
    orders.consume(restarted_handlers.handle)
    orders.send("a")

    broker.run_until_idle(budget=60)

    assert capsys.readouterr().out.splitlines() == ["['patched', 'a']", "['patched', 'a', 'a']"]


@pytest.mark.parametrize("handler", [lambda message: None, restarted_handlers.Made(3).handle, print])
def test_what_cannot_be_made_anew_says_how_it_could(handler: Any) -> None:
    orders = Broker(clock=VirtualClock(), faults=Faults(restart=0.1)).queue("orders")

    with pytest.raises(
        ValueError, match=r"of queue 'orders' is to be restarted .*\.restartable\(make\), where make\(\)"
    ):
        orders.consume(handler)


def test_a_function_that_cannot_be_made_anew_is_not_declared() -> None:
    broker = Broker(clock=VirtualClock(), faults=Faults(restart=Fault(on="resize")))

    with pytest.raises(ValueError, match=r"function 'resize' is to be restarted by a fault"):
        broker.function(lambda event, context: None, name="resize")

    broker.function(lambda event, context: None, name="other")
    assert list(broker.functions) == ["other"]


def test_a_restartable_handler_is_a_handler_without_any_fault() -> None:
    @restartable
    def make() -> Callable[[str], str]:
        return lambda text: text.upper()

    assert make("a") == "A"


@pytest.mark.parametrize("wrong", [3, lambda: 3])
def test_what_makes_no_handler_is_refused(wrong: Any) -> None:
    with pytest.raises(TypeError, match="restartable takes what makes a handler"):
        restartable(wrong)


# -- slow --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["def simulated", "async simulated"])
def test_a_slow_handler_loses_its_message_to_another(way: str) -> None:
    """SQS: the receipt is late, and on a standard queue it deletes the message all the same."""
    faults = Faults(slow=Fault(nth=1, seconds=40))

    world = World(faults).run(way, "a", settings={"concurrency": 2}, seconds=100)

    assert world.begun == [("a", 0.0), ("a", 30.0)]
    assert world.faulted == ["slow: the handler took 40 s longer"]
    assert world.numbers == (2, 1, 1)


@pytest.mark.parametrize("way", ["def by hand", "async by hand"])
def test_by_hand_too_it_acknowledges_later(way: str) -> None:
    world = World(Faults(slow=Fault(nth=1, seconds=12.5))).run(way, "a")

    [deleted] = [change for change in world.changes if change.cause == "deleted"]
    assert deleted.happened_at - START == timedelta(seconds=12.5)


@pytest.mark.parametrize("way", ["function by hand", "function simulated"])
def test_a_slow_run_is_over_its_timeout(way: str) -> None:
    world = World(Faults(slow=Fault(nth=1, seconds=5))).run(way, "a", settings={"timeout": 3})

    assert world.function.stats().timeouts == 1
    assert world.ended[-1] == ("a", 30.0)
    assert world.orders.stats().deleted == 1


def test_while_a_simulated_handler_is_slow_others_work() -> None:
    faults = Faults(slow=Fault(seconds=10, when=lambda occasion: occasion.text == "a"))

    world = World(faults).run("def simulated", "a", "b", settings={"concurrency": 2}, seconds=60)

    deleted = [(change.text, change.at) for change in world.changes if change.cause == "deleted"]
    assert [text for text, _ in deleted] == ["b", "a"]
    assert deleted[1][1] - deleted[0][1] == 10_000_000_000


def test_an_invocation_that_waits_is_slow_for_its_caller() -> None:
    async def main() -> list[float]:
        broker = Broker()
        quick = broker.function(lambda event, context: None, name="quick", timeout=60)
        loop = asyncio.get_running_loop()
        await quick.aio.invoke()
        between = loop.time()
        quick.invoke()
        return [between, loop.time()]

    assert simulate(main, faults=Faults(slow=Fault(seconds=10))) == [10.0, 20.0]


@pytest.mark.parametrize("awaits", [False, True])
def test_by_hand_an_invocation_takes_longer(clock: VirtualClock, awaits: bool) -> None:
    async def run(event: Any, context: object) -> str:
        return "done"

    broker = Broker(clock=clock, faults=Faults(slow=Fault(seconds=10)))
    function = broker.function(run if awaits else lambda event, context: "done", name="run", timeout=60)

    assert function.invoke() == "done"
    assert clock.time - START == timedelta(seconds=10)


def test_the_story_of_a_message_that_came_again_meanwhile_says_that_its_handler_was_slow() -> None:
    async def main() -> str:
        async with Broker(record=100) as broker:
            orders = broker.queue("orders")
            orders.consume(print_nothing, concurrency=2)
            sent = orders.send("a")
            await asyncio.sleep(100)
            return str(broker.explain(sent.id))

    story = simulate(main, faults=Faults(slow=Fault(nth=1, seconds=40)))

    assert "received again in queue 'orders' (receive 2): the receipt of receive 1" in story
    assert "; slow: the handler took 40 s longer, a fault" in story


def test_on_real_time_it_really_takes_longer() -> None:
    with Broker(faults=Faults(slow=Fault(seconds=0.05))) as broker:
        orders = broker.queue("orders")
        consumer = orders.consume(print_nothing)
        orders.send("a")
        broker.run_until_idle()

    assert (consumer.stats().p50 or 0) >= 0.05


# -- fail_target -------------------------------------------------------------------------------------------------


def test_a_target_that_is_made_to_fail_is_tried_again() -> None:
    got: list[tuple[str, float]] = []
    clock = VirtualClock()
    broker = Broker(clock=clock, faults=Faults(fail_target=Fault(nth=(1, 2))), record=100)
    events = broker.topic("events")
    events.subscribe(lambda notification: got.append((notification.body, clock.now() / 1e9)))
    sent = events.publish("a")

    report = broker.run_until_idle(budget=600)

    faults = [change for change in broker.recording().changes if change.cause == "fault"]
    assert [text for text, _ in got] == ["a"]
    assert [(one.topic, one.id, str(one.reason).split(":")[0]) for one in faults] == [
        ("events", sent.id, "fail_target")
    ] * 2
    assert report.errors == ()
    assert "fault: fail_target" in str(broker.explain(sent.id))


@pytest.mark.parametrize("kind", ["function", "async"])
def test_what_is_never_taken_is_dead_in_the_end(kind: str) -> None:
    async def take(notification: Any) -> None:
        raise AssertionError

    broker = Broker(clock=VirtualClock(), faults=Faults(fail_target=Fault(on="events")))
    dead = broker.queue("dead")
    target = broker.function(lambda event, context: None, name="take") if kind == "function" else take
    broker.topic("events").subscribe(target, dead_letter=dead, retry={"numRetries": 2})
    broker.topic("others").subscribe(got := [].append)  # type: ignore[var-annotated]

    broker.topic("events").publish("a")
    broker.topic("others").publish("b")
    broker.run_until_idle(budget=600, errors="collect")

    [letter] = dead.receive()
    assert letter.failure is not None
    assert (letter.failure.error, letter.failure.attempts) == ("decouple.errors.DeliveryFailed", 3)
    assert len(got.__self__) == 1


# -- clock_jump --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", CONSUMERS)
def test_a_paused_handler_goes_on_when_its_time_is_over(way: str) -> None:
    world = World(Faults(clock_jump=Fault(nth=1, seconds=45))).run(way, "a", seconds=100)

    assert world.begun[0] == ("a", 45.0)
    assert world.faulted == ["clock_jump: it was 45 s later at once"]
    assert world.orders.stats().expired == 1


@pytest.mark.parametrize("most", [1, 10])
def test_who_receives_by_hand_may_be_paused_with_the_message_in_its_hands(clock: VirtualClock, most: int) -> None:
    ledger = Ledger()
    broker = Broker(clock=clock, observers=[ledger], faults=Faults(clock_jump=Fault(nth=1, seconds=45)))
    orders = broker.queue("orders", visibility_timeout=30)
    orders.send("a")

    [message] = orders.receive(max_messages=most)
    [again] = orders.receive(max_messages=most)

    assert clock.time - START == timedelta(seconds=45)
    assert (again.id, again.receive_count) == (message.id, 2)
    assert [change.id for change in ledger.changes if change.cause == "fault"] == [message.id]


def test_a_task_that_receives_may_be_paused() -> None:
    async def main() -> float:
        orders = Queue("orders")
        orders.send("a")
        await orders.aio.receive(wait=5)
        return asyncio.get_running_loop().time()

    assert simulate(main, faults=Faults(clock_jump=Fault(seconds=45))) == 45.0


@pytest.mark.parametrize("make", [Broker, lambda **more: Queue("orders", **more)])
def test_real_time_does_not_jump(make: Callable[..., object]) -> None:
    with pytest.raises(
        ValueError, match=r"^clock_jump needs a VirtualClock or a simulation: real time cannot be made to jump$"
    ):
        make(clock=SystemClock(), faults=Faults(clock_jump=0.1))


# -- store_error -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", CONSUMERS)
@pytest.mark.parametrize(("nth", "operation", "charges"), [(1, "begin", 1), (2, "complete", 2)])
def test_a_store_of_results_fails_and_the_message_comes_again(way: str, nth: int, operation: str, charges: int) -> None:
    """A store that fails to keep a result leaves no trace of it: the work is done again."""
    charged: list[str] = []
    store = MemoryStore()

    @idempotent(store, key=lambda text: text, lease=60)
    def charge(text: str) -> None:
        charged.append(text)

    world = World(Faults(store_error=Fault(nth=nth, on="MemoryStore")), work=lambda world, text: charge(text))
    world.run(way, "a", "a")

    assert len(charged) == charges
    assert world.faulted == [f"store_error: MemoryStore failed to {operation}"]
    assert [change.id is not None for change in world.changes if change.cause == "fault"] == [True]
    assert world.orders.stats().nacked == 1


def test_it_fails_for_a_message_that_was_received_by_hand(clock: VirtualClock) -> None:
    orders = Broker(clock=clock, faults=Faults(store_error=1)).queue("orders")
    handle = idempotent(MemoryStore(clock=clock))(print_nothing)
    orders.send("a")
    [message] = orders.receive()

    with pytest.raises(StoreFailed) as caught:
        handle(message)

    assert (caught.value.store, caught.value.operation) == ("MemoryStore", "begin")


def test_who_died_with_a_key_leaves_it_to_its_lease(clock: VirtualClock) -> None:
    """A dead process frees nothing: the next delivery finds the key in progress, and is put off until its lease is over."""
    charged: list[float] = []

    @idempotent(MemoryStore(clock=clock), lease=100)
    def charge(message: Message[str]) -> None:
        charged.append(clock.now() / 1e9)
        effect("charged")

    dies = Fault(at="after effect", when=lambda occasion: occasion.receives == 1)
    ledger = Ledger()
    broker = Broker(clock=clock, faults=Faults(1, crash=dies), observers=[ledger])
    orders = broker.queue("orders")
    orders.consume(charge)

    orders.send("a")
    broker.run_until_idle(budget=400, errors="collect")

    assert [one.reason for one in ledger.changes if one.cause == "fault"] == ["crash: after effect, charged"]
    assert charged == [0.0, 100.0]


def test_a_store_of_large_bodies_fails(clock: VirtualClock, tmp_path: Any) -> None:
    ledger = Ledger()
    faults = Faults(store_error=[Fault(nth=1, on="FolderStore"), Fault(nth=4, on="FolderStore")])
    broker = Broker(clock=clock, faults=faults, observers=[ledger])
    orders = broker.queue("orders", large_bodies=LargeBodies(tmp_path, threshold=10))

    with pytest.raises(StoreFailed, match="put"):
        orders.send("a" * 20)
    orders.send("b" * 20)
    [message] = orders.receive()

    assert message.body == "b" * 20
    assert [one.reason for one in ledger.changes if one.cause == "fault"] == ["store_error: FolderStore failed to put"]
    message.nack()
    [message] = orders.receive()  # fails to fetch it, and whoever reads it asks again
    assert message.body == "b" * 20
    assert [one.id for one in ledger.changes if one.cause == "fault"] == [None, message.id]
    orders.check()


def test_any_store_can_be_made_to_fail_by_itself(clock: VirtualClock) -> None:
    changes: list[Change] = []
    store = Faults(store_error=Fault(nth=2)).store(MemoryStore(clock=clock), clock=clock, observers=[changes.append])
    charged: list[int] = []

    @idempotent(store, key=lambda number: number, lease=60)
    def charge(number: int) -> None:
        charged.append(number)

    with pytest.raises(StoreFailed, match="MemoryStore failed to complete"):
        charge(7)
    charge(7)
    charge(7)

    assert charged == [7, 7]
    assert [(change.cause, change.reason) for change in changes] == [
        ("fault", "store_error: MemoryStore failed to complete")
    ]


# -- the plan ----------------------------------------------------------------------------------------------------

PLAN: dict[str, Any] = {
    "crash": 0.2,
    "restart": 0.2,
    "slow": Fault(0.2, seconds=(1, 50)),
    "fail_target": 0.3,
    "clock_jump": Fault(0.1, seconds=20),
    "store_error": 0.1,
}


def shop(seed: int) -> tuple[list[tuple[Any, ...]], dict[str, int]]:
    """A program that is struck by everything; what is on record of it."""
    changes: list[Change] = []

    async def main() -> None:
        async with Broker(observers=[changes.append]) as broker:
            orders, out = broker.queue("orders", visibility_timeout=30), broker.queue("out", visibility_timeout=30)
            events = broker.topic("events")
            events.subscribe(restartable(lambda: lambda notification: out.send(notification.body)))

            def make() -> Callable[..., Any]:
                @idempotent(MemoryStore(), key=lambda message: message.body)
                async def pay(message: Message[str]) -> None:
                    await asyncio.sleep(1)
                    events.publish(message.body)

                return pay

            orders.consume(restartable(make), concurrency=3)
            out.trigger(broker.function(restartable(lambda: lambda event, context: None), name="ship"), batch_size=2)
            for number in range(30):
                orders.send(f"{number}")
                await asyncio.sleep(2)
            await asyncio.sleep(3_000)
            broker.check()

    simulate(main, seed=seed, faults=Faults(**PLAN))
    counts: dict[str, int] = {}
    for change in changes:
        if change.cause == "fault":
            kind = str(change.reason).partition(":")[0]
            counts[kind] = counts.get(kind, 0) + 1
    return [(one.cause, one.queue, one.at, one.id, one.receives, one.reason, one.who) for one in changes], counts


def test_one_seed_is_one_run_whatever_strikes() -> None:
    first, counts = shop(3)

    assert first == shop(3)[0]
    assert first != shop(4)[0]
    assert set(counts) == set(PLAN)


def test_no_law_is_broken_by_what_strikes_handlers() -> None:
    for seed in range(4):
        shop(seed)


def test_without_a_plan_nothing_is_asked() -> None:
    broker = Broker(clock=VirtualClock())
    orders = broker.queue("orders")

    consumer = orders.consume(print_nothing)
    function = broker.function(lambda event, context: None, name="run")

    assert (consumer._mishaps, function._mishaps, orders._faults) == (None, None, None)


def test_a_plan_for_others_leaves_a_handler_alone() -> None:
    broker = Broker(clock=VirtualClock(), faults=Faults(crash=Fault(on="others"), duplicate=0.1))

    consumer = broker.queue("orders").consume(print_nothing)

    assert consumer._mishaps is None


# -- planted faults ----------------------------------------------------------------------------------------------


def found(make: Callable[[list[str]], Callable[..., Any]], faults: Faults, seeds: int) -> int | None:
    """The first seed under which an order is charged twice."""
    for seed in range(seeds):
        charges: list[str] = []
        broker = Broker(clock=VirtualClock(), faults=faults, seed=seed)
        orders = broker.queue("orders")
        orders.consume(make(charges))
        orders.send_batch([f"order {number}" for number in range(10)])
        broker.run_until_idle(budget=600, errors="collect")
        if len(charges) != len(set(charges)):
            return seed
    return None


def remembering_in_memory(charges: list[str]) -> Callable[..., Any]:
    def make() -> Callable[[Message[str]], None]:
        seen: set[str] = set()

        def charge(message: Message[str]) -> None:
            if message.body not in seen:
                seen.add(message.body)
                charges.append(message.body)

        return charge

    return restartable(make)


def charging_then_noting(charges: list[str]) -> Callable[..., Any]:
    noted: set[str] = set()  # a table of a database, say

    def charge(message: Message[str]) -> None:
        if message.body not in noted:
            charges.append(message.body)
            effect("charged")
            noted.add(message.body)

    return charge


def charging_as_noted(charges: list[str]) -> Callable[..., Any]:
    def charge(message: Message[str]) -> None:
        if message.body not in charges:  # one and the same thing
            charges.append(message.body)
            effect("charged")

    return charge


def test_a_set_in_memory_is_no_memory() -> None:
    """Found by a duplicate after a restart, within 20 seeds."""
    faults = Faults(duplicate=0.2, restart=0.2)

    assert found(remembering_in_memory, faults, 20) is not None
    assert found(remembering_in_memory, Faults(duplicate=0.2), 20) is None


def test_who_charges_and_then_notes_it_charges_twice() -> None:
    """Found by a crash in between, within 20 seeds."""
    assert found(charging_then_noting, Faults(crash=0.1), 20) is not None


def test_a_right_one_is_not_accused() -> None:
    assert found(charging_as_noted, Faults(crash=0.1, duplicate=0.1, clock_jump=0.1, slow=0.1), 60) is None


def test_a_broken_law_tells_of_the_crash_in_its_story() -> None:
    broker = Broker(clock=VirtualClock(), faults=Faults(crash=Fault(nth=1, at="before ack")), seed=9, record=1000)
    orders, out = broker.queue("orders"), broker.queue("out")

    def charge(message: Message[str]) -> None:
        out.send(message.body)

    orders.send("a")
    orders.consume(charge)
    with pytest.raises(LawBroken) as caught, laws.watch(broker, sent_once()):
        broker.run_until_idle(budget=60)

    assert "crashed before ack" in str(caught.value)


def sent_once() -> laws.Law:
    def law(recording: Any) -> Any:
        seen: set[str | None] = set()
        for change in recording.changes:
            if change.cause == "sent" and change.queue == "out":
                if change.text in seen:
                    yield laws.Breach(change.id, f"{change.text} was charged twice")
                seen.add(change.text)

    return law
