"""Idempotent handlers: work is done once for each key, by threads and tasks at once, and a failed run may be done again."""

from __future__ import annotations

import asyncio
import functools
import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import attrs
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from test_interrupts import Tracer, interrupt

from decouple import Broker, InProgress, MemoryStore, Message, Queue, SystemClock, idempotent
from decouple.idempotent import Claim
from decouple.testing import VirtualClock

SECOND = 10**9


@pytest.fixture
def store(clock: VirtualClock) -> MemoryStore:
    return MemoryStore(clock=clock)


def order_of(order: Any, *_: Any) -> Any:
    return order


# -- once, and the same result ---------------------------------------------------------------------------------


def test_a_handler_runs_once_for_a_key_and_answers_the_same_again(store: MemoryStore) -> None:
    """Powertools: a completed record answers with its stored data."""
    charged: list[int] = []

    @idempotent(store, key=order_of, lease=30)
    def charge(order: int, amount: float) -> dict[str, float]:
        charged.append(order)
        return {"paid": amount}

    assert [charge(7, 1.5), charge(7, 9.0), charge(8, 2.0)] == [{"paid": 1.5}, {"paid": 1.5}, {"paid": 2.0}]
    assert charged == [7, 8]


def test_a_message_received_twice_is_handled_once(queue: Queue, clock: VirtualClock) -> None:
    handled: list[str] = []

    @idempotent(MemoryStore(clock=clock))
    def handle(message: Message) -> int:
        handled.append(message.body)
        return len(message.body)

    queue.send("order 7")
    [first] = queue.receive()
    assert handle(first) == 7

    clock.advance(30)
    [again] = queue.receive()

    assert handle(again) == 7
    assert handled == ["order 7"]


def test_a_method_takes_its_message_after_self_or_by_name(queue: Queue, store: MemoryStore) -> None:
    class Shop:
        handled = 0

        @idempotent(store)
        def handle(self, message: Message) -> None:
            self.handled += 1

    shop = Shop()
    queue.send_batch(["a", "b"])
    first, second = queue.receive(max_messages=2)

    shop.handle(first)
    shop.handle(message=first)
    shop.handle(message=second)

    assert shop.handled == 2


def test_the_result_is_forgotten_after_its_ttl_counted_from_the_end_of_the_run(
    store: MemoryStore, clock: VirtualClock
) -> None:
    runs: list[int] = []

    @idempotent(store, key=order_of, ttl=60, lease=30)
    def handle(order: int) -> int:
        clock.advance(10)
        runs.append(order)
        return len(runs)

    assert handle(7) == 1
    clock.advance(59.999_999)
    assert handle(7) == 1

    clock.advance(0.000_001)
    assert handle(7) == 2


def test_no_caller_can_change_what_the_next_one_gets(store: MemoryStore) -> None:
    @idempotent(store, key=order_of, lease=30)
    def handle(order: int) -> list[int]:
        return [order]

    for _ in range(3):
        handle(7).append(0)

    assert handle(7) == [7]


@pytest.mark.parametrize("result", [None, True, 0, 1.5, "", "text", "é\ud800", [], {}, {"a": [1, None, {"b": 2**70}]}])
def test_a_result_comes_back_as_it_was(store: MemoryStore, result: Any) -> None:
    @idempotent(store, key=order_of, lease=30)
    def handle(order: int) -> Any:
        return result

    for _ in range(2):
        answer = handle(7)
        assert (answer, type(answer)) == (result, type(result))


@pytest.mark.parametrize(
    ("result", "error", "text"),
    [
        ((1, 2), TypeError, r"must come back from JSON as it was, not \(1, 2\)"),
        ({1: 2}, TypeError, "keys must be str"),
        ({1, 2}, TypeError, "must be JSON"),
        (b"bytes", TypeError, "must be JSON"),
        (float("nan"), ValueError, "must be JSON"),
    ],
)
def test_a_result_that_json_would_bend_is_an_error_and_frees_the_key(
    store: MemoryStore, result: Any, error: type[Exception], text: str
) -> None:
    results = [result, "good"]

    @idempotent(store, key=order_of, lease=30)
    def handle(order: int) -> Any:
        return results.pop(0)

    with pytest.raises(error, match=text):
        handle(7)

    assert handle(7) == "good"


# -- keys ------------------------------------------------------------------------------------------------------


def test_two_handlers_share_a_store_but_no_key(store: MemoryStore) -> None:
    @idempotent(store, key=order_of, lease=30)
    def charge(order: int) -> str:
        return "charged"

    @idempotent(store, key=order_of, lease=30)
    def ship(order: int) -> str:
        return "shipped"

    assert (charge(7), ship(7)) == ("charged", "shipped")


def test_handlers_of_one_name_share_their_keys(store: MemoryStore) -> None:
    def handler(answer: str) -> Callable[[int], str]:
        return idempotent(store, key=order_of, lease=30, name="charge")(lambda order: answer)

    assert (handler("old")(7), handler("new")(7)) == ("old", "old")


@pytest.mark.parametrize(
    ("one", "other"), [(7, "7"), ("7,8", (7, 8)), ("a", "b"), (("a", "b"), ("ab",)), ("[7]", (7,))]
)
def test_different_keys_are_different_whatever_they_look_like(store: MemoryStore, one: Any, other: Any) -> None:
    handle = idempotent(store, key=order_of, lease=30, name="handle")(lambda order: repr(order))

    assert (handle(one), handle(other)) == (repr(one), repr(other))


@pytest.mark.parametrize("key", [None, True, 1.5, b"a", {"a": 1}, ("a", None), [["a"]]])
def test_what_cannot_name_a_piece_of_work_is_refused_before_the_handler_runs(store: MemoryStore, key: Any) -> None:
    ran: list[int] = []
    handle = idempotent(store, key=order_of, lease=30, name="handle")(ran.append)

    with pytest.raises(TypeError, match="key must return str, int or a tuple of them"):
        handle(key)

    assert (ran, len(store)) == ([], 0)


@pytest.mark.parametrize("key", ["", (), ("a", "")])
def test_an_empty_key_is_refused_because_all_would_share_it(store: MemoryStore, key: Any) -> None:
    handle = idempotent(store, key=order_of, lease=30, name="handle")(lambda order: None)

    with pytest.raises(ValueError, match="key must not return what is empty"):
        handle(key)


def test_without_a_message_key_and_lease_must_be_given(store: MemoryStore) -> None:
    with pytest.raises(TypeError, match=r"no Message is among the arguments: give idempotent\(..., key=...\)"):
        idempotent(store, lease=30)(order_of)(7)
    with pytest.raises(TypeError, match=r"no Message is among the arguments: give idempotent\(..., lease=...\)"):
        idempotent(store, key=order_of)(order_of)(7)

    assert len(store) == 0


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"store": {}}, TypeError, r"begin, complete and release, as MemoryStore\(\) has, not {}"),
        ({"key": "order"}, TypeError, "key must be a callable"),
        ({"ttl": 0}, ValueError, "ttl must be at least 0.001 seconds, not 0"),
        ({"lease": 0}, ValueError, "lease must be at least 0.001 seconds, not 0"),
        ({"lease": "30"}, TypeError, "lease must be seconds"),
    ],
)
def test_wrong_arguments_are_refused_where_the_handler_is_declared(
    arguments: dict[str, Any], error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        idempotent(**{"store": MemoryStore(), **arguments})


def test_what_is_no_handler_or_has_no_name_is_refused(store: MemoryStore) -> None:
    nameless = functools.partial(order_of)

    with pytest.raises(TypeError, match="decorates a handler, not 7"):
        idempotent(store, name="seven")(7)  # type: ignore[type-var]
    with pytest.raises(TypeError, match=r"give idempotent\(..., name=...\)"):
        idempotent(store)(nameless)

    assert idempotent(store, key=order_of, lease=30, name="order")(nameless)(7) == 7


def test_a_store_needs_a_clock_that_can_be_read() -> None:
    with pytest.raises(TypeError, match="clock must be a Clock"):
        MemoryStore(clock=7)  # type: ignore[arg-type]


def test_the_handler_keeps_its_name_and_documentation(store: MemoryStore) -> None:
    @idempotent(store)
    def handle(message: Message) -> None:
        """Ship it."""

    assert (handle.__name__, handle.__doc__) == ("handle", "Ship it.")


# -- in progress -----------------------------------------------------------------------------------------------


def test_a_key_in_progress_is_an_error_that_says_which_and_for_how_long(
    store: MemoryStore, clock: VirtualClock
) -> None:
    @idempotent(store, key=order_of, lease=30, name="charge")
    def charge(order: int, depth: int) -> int:
        if depth == 0:
            clock.advance(12.5)
            charge(order, 1)
        return depth

    with pytest.raises(InProgress, match=r"key 'charge#7' is in progress elsewhere, for up to 17.5 s more") as caught:
        charge(7, 0)

    assert (caught.value.key, caught.value.seconds) == ("charge#7", 17.5)
    assert charge(7, 2) == 2


def test_a_message_whose_key_is_in_progress_comes_back_when_that_run_must_be_over(
    queue: Queue, store: MemoryStore, clock: VirtualClock
) -> None:
    """At once would use up its receives in no time, and make a dead letter of a message that waits for its twin."""
    inner: list[Message] = []

    @idempotent(store, key=lambda message: message.body)
    def handle(message: Message) -> None:
        clock.advance(10)
        if not inner:
            inner.extend(queue.receive())
            with suppress(InProgress), inner[0]:
                handle(inner[0])

    queue.send_batch(["order 7", "order 7"])
    [first] = queue.receive()
    with first:
        handle(first)

    stats = queue.stats()
    assert (stats.visible, stats.in_flight) == (0, 1)
    clock.advance(19.999)
    assert queue.receive() == []
    clock.advance(0.001)
    [twin] = queue.receive()
    assert (twin.id, twin.receive_count) == (inner[0].id, 2)


def test_a_message_that_is_no_longer_ours_is_left_where_it_is(
    queue: Queue, store: MemoryStore, clock: VirtualClock
) -> None:
    """The one with the key may be the one who received it since."""
    handle = idempotent(store, key=lambda message: "one key", lease=3600, name="handle")
    queue.send("order 7")
    [late] = queue.receive()
    clock.advance(30)
    [ours] = queue.receive()

    @handle
    def outer(message: Message) -> None:
        with pytest.raises(InProgress):
            handle(lambda message: None)(late)

    outer(ours)

    clock.advance(30)
    assert [message.id for message in queue.receive()] == [ours.id]


def test_a_message_deleted_meanwhile_does_not_hide_that_its_key_is_in_progress(
    queue: Queue, store: MemoryStore
) -> None:
    handle = idempotent(store, key=lambda message: "one key", name="handle")
    queue.send("order 7")
    [message] = queue.receive()

    @handle
    def outer(message: Message) -> None:
        message.ack()
        handle(lambda message: None)(message)

    with pytest.raises(InProgress):
        outer(message)


def test_a_crashed_run_holds_its_key_until_its_message_comes_back(
    queue: Queue, store: MemoryStore, clock: VirtualClock
) -> None:
    """A lease that outlived the message's visibility would let it come back in vain."""
    queue.send("order 7")
    [message] = queue.receive(visibility_timeout=50)
    clock.advance(20)
    begun = keys_begun(store)

    idempotent(store, name="handle")(lambda message: None)(message)

    assert begun == [(f"handle#{message.id}", 30 * SECOND)]


@pytest.mark.parametrize(("visibility", "lease"), [(40, 40), (0, 30)])
def test_a_run_that_begins_after_its_message_has_expired_holds_its_key_for_a_visibility_timeout(
    clock: VirtualClock, store: MemoryStore, visibility: int, lease: int
) -> None:
    queue = Queue("late", visibility_timeout=visibility, clock=clock)
    queue.send("order 7")
    [message] = queue.receive()
    clock.advance(100)
    begun = keys_begun(store)

    idempotent(store, name="handle")(lambda message: None)(message)

    assert begun == [(f"handle#{message.id}", lease * SECOND)]


def keys_begun(store: MemoryStore) -> list[tuple[str, int]]:
    begun: list[tuple[str, int]] = []
    begin = store.begin

    def noted(key: str, token: str, lease: int) -> Claim:
        begun.append((key, lease))
        return begin(key, token, lease)

    store.begin = noted  # type: ignore[method-assign]
    return begun


def test_a_late_run_whose_key_was_taken_over_returns_its_result_but_does_not_keep_it(
    store: MemoryStore, clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    @idempotent(store, key=order_of, lease=30, name="charge")
    def charge(order: int, worker: str) -> str:
        if worker == "slow":
            clock.advance(30)
            assert charge(order, "quick") == "quick"
        return worker

    with caplog.at_level(logging.WARNING, "decouple"):
        assert charge(7, "slow") == "slow"

    assert charge(7, "third") == "quick"
    assert "key 'charge#7' was taken over" in caplog.text


def test_a_late_run_whose_key_nobody_took_keeps_its_result(store: MemoryStore, clock: VirtualClock) -> None:
    @idempotent(store, key=order_of, lease=30)
    def charge(order: int, worker: str) -> str:
        clock.advance(40)
        if worker == "slow":
            for other in range(20):
                store.begin(f"other {other}", "token", SECOND)  # which prunes what has expired
        return worker

    assert (charge(7, "slow"), charge(7, "second")) == ("slow", "slow")


# -- failing ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit, asyncio.CancelledError, GeneratorExit])
def test_a_handler_that_fails_or_is_interrupted_frees_the_key(store: MemoryStore, error: type[BaseException]) -> None:
    errors = [error]

    @idempotent(store, key=order_of, lease=30)
    def charge(order: int) -> str:
        if errors:
            raise errors.pop()
        return "charged"

    with pytest.raises(error):
        charge(7)
    assert len(store) == 0

    assert charge(7) == "charged"


def test_a_failing_late_run_does_not_free_the_key_of_its_successor(store: MemoryStore, clock: VirtualClock) -> None:
    @idempotent(store, key=order_of, lease=30)
    def charge(order: int, depth: int) -> int:
        if depth == 0:
            clock.advance(30)
            with suppress(ValueError):
                charge(order, 1)
        elif depth == 1:
            with pytest.raises(InProgress):
                charge(order, 2)
        raise ValueError(depth)

    with pytest.raises(ValueError, match="0"):
        charge(7, 0)


def test_a_cancelled_task_frees_its_key(store: MemoryStore) -> None:
    started: list[asyncio.Event] = []

    @idempotent(store, key=order_of, lease=30)
    async def charge(order: int) -> str:
        if not started:
            started.append(asyncio.Event())
            started[0].set()
            await asyncio.sleep(3600)
        return "charged"

    async def main() -> str:
        task = asyncio.create_task(charge(7))
        while not started:
            await asyncio.sleep(0)
        with pytest.raises(InProgress):
            await charge(7)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return await charge(7)

    assert asyncio.run(main()) == "charged"


def test_an_async_handler_answers_the_same_again(store: MemoryStore) -> None:
    class Charge:
        runs = 0

        async def __call__(self, order: int) -> list[int]:
            await asyncio.sleep(0)
            self.runs += 1
            return [order, self.runs]

    charge = idempotent(store, key=order_of, lease=30, name="charge")(Charge())

    async def main() -> list[list[int]]:
        return [await charge(7), await charge(7), await charge(8)]

    assert asyncio.run(main()) == [[7, 1], [7, 1], [8, 2]]


@pytest.mark.parametrize("fails", [False, True])
def test_an_interrupt_at_any_point_leaves_no_key_held_for_longer_than_a_lease(fails: bool) -> None:
    at, held_for_a_lease = 0, []
    while True:
        at += 1
        clock = VirtualClock()
        store = MemoryStore(clock=clock)
        runs: list[int] = []
        broken = [fails]

        @idempotent(store, key=order_of, lease=30)
        def charge(order: int, runs: list[int] = runs, broken: list[bool] = broken) -> int:
            runs.append(order)
            if broken[0]:
                raise ValueError(order)
            return len(runs)

        tracer = Tracer(at, interrupt)
        with suppress(KeyboardInterrupt, ValueError):
            tracer.run(lambda charge=charge: charge(7))
        if not tracer.fired:
            break
        broken[0] = False
        try:
            charge(7)
        except InProgress:
            held_for_a_lease.append(tracer.where)
            clock.advance(30)
            charge(7)
        assert charge(7) == len(runs), tracer.where
    # Only a second failure, in the middle of the freeing that a first one asked for, leaves it to the lease.
    assert at > 20
    assert not held_for_a_lease or fails, held_for_a_lease


# -- many at once ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("round", range(5))
def test_of_many_threads_exactly_one_runs_the_handler(round: int) -> None:
    store, ran, gate, go = MemoryStore(), [], threading.Event(), threading.Barrier(16)

    @idempotent(store, key=order_of, lease=60)
    def charge(order: int) -> str:
        ran.append(order)
        gate.wait(10)
        return "charged"

    def call(number: int) -> str:
        go.wait(10)
        try:
            return charge(7)
        except InProgress:
            refused.append(number)
            if len(refused) == 15:
                gate.set()
            return "refused"

    refused: list[int] = []
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(call, range(16)))

    assert ran == [7]
    assert sorted(answers) == ["charged"] + ["refused"] * 15
    assert charge(7) == "charged"


def test_of_threads_and_tasks_together_one_runs_each_key() -> None:
    store, ran = MemoryStore(clock=SystemClock()), []
    keys = range(200)

    @idempotent(store, key=order_of, lease=60, name="charge")
    def charge(order: int) -> int:
        ran.append(order)
        return order

    @idempotent(store, key=order_of, lease=60, name="charge")
    async def charge_in_a_task(order: int) -> int:
        await asyncio.sleep(0)
        ran.append(order)
        return order

    async def tasks() -> None:
        for order in keys:
            await asyncio.gather(*(charge_in_a_task(order) for _ in range(3)), return_exceptions=True)

    def threads(*_: int) -> None:
        for order in keys:
            with suppress(InProgress):
                charge(order)

    with ThreadPoolExecutor(5) as pool:
        done = [pool.submit(threads) for _ in range(3)] + [pool.submit(lambda: asyncio.run(tasks())) for _ in range(2)]
    for one in done:
        one.result()

    assert sorted(ran) == list(keys)
    assert [charge(order) for order in keys] == list(keys)


# -- the store -------------------------------------------------------------------------------------------------


def test_memory_is_bounded_by_the_keys_that_live(store: MemoryStore, clock: VirtualClock) -> None:
    for number in range(20_000):
        store.begin(f"key {number}", "token", 5 * SECOND)
        if number % 3 == 0:
            store.release(f"key {number}", "token")
        else:
            store.complete(f"key {number}", "token", "null", 50 * SECOND)
        clock.advance(1)

    assert len(store) <= 50
    assert len(store._names) == len(store)
    assert len(store._deadlines) <= 3 * 50 + 64


def test_failing_again_and_again_leaves_nothing_behind(store: MemoryStore) -> None:
    for number in range(5_000):
        store.begin("key", f"{number}", 30 * SECOND)
        store.release("key", f"{number}")

    assert len(store) == 0
    assert len(store._deadlines) <= 200


def test_the_store_says_how_much_it_holds(store: MemoryStore) -> None:
    store.begin("key", "token", SECOND)

    assert repr(store) == "<MemoryStore: 1 keys>"


@attrs.define(eq=False)
class NaiveKey:
    """What a key holds, as the model sees it."""

    until: int
    token: str
    result: str | None = None


KEYS = st.sampled_from(["a", "b", "c"])
TOKENS = st.sampled_from(["1", "2", "3"])
DURATIONS = st.sampled_from([1, 2, 5, 30])


class StoreMachine(RuleBasedStateMachine):
    """Every call of the store, in any order and under any token, against a dict that is swept before each."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = VirtualClock()
        self.store = MemoryStore(clock=self.clock)
        self.model: dict[str, NaiveKey] = {}

    def sweep(self) -> None:
        now = self.clock.now()
        self.model = {key: held for key, held in self.model.items() if held.until > now}

    @rule(key=KEYS, token=TOKENS, lease=DURATIONS)
    def begin(self, key: str, token: str, lease: int) -> None:
        claim = self.store.begin(key, token, lease * SECOND)

        self.sweep()
        held = self.model.get(key)
        if held is None:
            self.model[key] = NaiveKey(self.clock.now() + lease * SECOND, token)
            assert claim == Claim(mine=True)
        elif held.result is None:
            assert claim == Claim(remaining=held.until - self.clock.now())
        else:
            assert claim == Claim(result=held.result)

    @rule(key=KEYS, token=TOKENS, ttl=DURATIONS, result=st.sampled_from(["null", "1", "2"]))
    def complete(self, key: str, token: str, ttl: int, result: str) -> None:
        kept = self.store.complete(key, token, result, ttl * SECOND)

        self.sweep()
        held = self.model.get(key)
        assert kept == (held is None or held.token == token)
        if kept:
            self.model[key] = NaiveKey(self.clock.now() + ttl * SECOND, token, result)

    @rule(key=KEYS, token=TOKENS)
    def release(self, key: str, token: str) -> None:
        self.store.release(key, token)

        held = self.model.get(key)
        if held is not None and held.token == token and held.result is None:
            del self.model[key]

    @rule(seconds=st.sampled_from([0.5, 1, 2, 5, 30]))
    def time_passes(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @invariant()
    def every_key_that_lives_is_held_with_its_deadline(self) -> None:
        self.sweep()
        assert set(self.model) <= set(self.store._held)
        for key, held in self.store._held.items():
            assert self.store._names[held.number] == key
            assert (held.expires_at, held.number) in self.store._deadlines.entries()
        assert len(self.store._names) == len(self.store)


def test_the_store_does_what_a_naive_one_does() -> None:
    run_state_machine_as_test(StoreMachine, settings=settings(max_examples=100, stateful_step_count=40, deadline=None))


def test_a_handler_of_a_broker_does_its_work_once_however_often_its_message_comes(
    broker: Broker, clock: VirtualClock
) -> None:
    """The whole story: a worker that crashes after its work, and a retry."""
    dead = broker.queue("dead")
    orders = broker.queue("orders", dead_letter=dead, max_receives=3)
    charged: list[str] = []

    @idempotent(MemoryStore(clock=clock), key=lambda message: message.json()["id"])
    def charge(message: Message) -> None:
        charged.append(message.json()["id"])

    orders.send_batch([{"id": "o-1"}, {"id": "o-2"}, {"id": "o-1"}])
    for message in orders.receive(max_messages=10):
        charge(message)  # and the worker is gone before any ack
    clock.advance(30)
    for message in orders.receive(max_messages=10):
        with message:
            charge(message)

    assert charged == ["o-1", "o-2"]
    assert orders.stats().deleted == 3
