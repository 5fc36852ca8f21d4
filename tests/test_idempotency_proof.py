"""prove_idempotent: handlers with planted bugs are caught, in the smallest case, and right ones are not accused."""

from __future__ import annotations

import asyncio
import functools
import os
import signal
import sqlite3
import sys
import sysconfig
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from queue import SimpleQueue
from random import Random
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import attr
import pytest

from decouple import (
    Broker,
    Entry,
    InProgress,
    MemoryStore,
    Message,
    NotDeterministic,
    NotIdempotent,
    VirtualClock,
    idempotent,
)
from decouple.mishaps.effects import Crash
from decouple.testing import Proof, effect, events, prove_idempotent, simulate
from decouple.testing.proof.crashing import home_of, is_users

ORDERS = [{"id": 7, "total": 20}, {"id": 8, "total": 30}]


def caught(handler: Any, given: Any, effects: Any = None, **settings: Any) -> NotIdempotent:
    """What is said of a handler that is not idempotent."""
    with pytest.raises(NotIdempotent) as error:
        prove_idempotent(handler, given, effects, **settings)
    return error.value


# -- what is caught, and how it is told --------------------------------------------------------------------------------


def test_a_handler_that_counts_each_delivery_is_caught_by_the_same_event_twice() -> None:
    totals = {"sum": 0}

    def handle(order: dict[str, int]) -> None:
        totals["sum"] += order["total"]

    error = caught(handle, ORDERS, effects=totals)

    assert error.steps == ("event 1", "event 1 again")
    assert error.events == {1: "{'id': 7, 'total': 20}"}
    assert (error.expected, error.found, error.seed) == ({"sum": 20}, {"sum": 40}, 0)
    assert error.differences == ("effects['sum']: 20 expected, 40 found",)


def test_the_error_shows_the_events_the_steps_and_the_difference() -> None:
    charges: list[int] = []

    def handle(order: dict[str, int]) -> None:
        charges.append(order["id"])

    assert str(caught(handle, ORDERS, effects=charges)).splitlines() == [
        "not idempotent, as case 1 shows, seed 0:",
        "",
        "  event 1: {'id': 7, 'total': 20}",
        "",
        "  1. event 1",
        "  2. event 1 again",
        "",
        "  effects[1]: 7 is too much",
        "  once:  [7]",
        "  found: [7, 7]",
    ]


def test_a_crash_between_the_effect_and_its_mark_shows() -> None:
    charges, done = list[int](), set[int]()

    def handle(order: dict[str, int]) -> None:
        if order["id"] in done:
            return
        charges.append(order["id"])
        done.add(order["id"])

    error = caught(handle, ORDERS, effects=charges)

    assert error.steps[0].startswith("event 1: crashed after line ")
    assert error.steps[0].endswith('handle: charges.append(order["id"])')
    assert error.steps[1:] == ("event 1 again",)
    assert error.found == [7, 7]


def test_a_crash_between_the_mark_and_its_effect_loses_it() -> None:
    charges, done = list[int](), set[int]()

    def handle(order: dict[str, int]) -> None:
        if order["id"] not in done:
            done.add(order["id"])
            charges.append(order["id"])

    error = caught(handle, ORDERS, effects=charges)

    assert error.steps[0].endswith('done.add(order["id"])')
    assert (error.differences, error.found) == (("effects[0]: 7 is missing",), [])


def test_two_effects_in_one_line_are_two_points() -> None:
    charges, done = list[int](), set[int]()

    def handle(id: int) -> None:
        id in done or (charges.append(id), done.add(id))  # type: ignore[func-returns-value]

    assert caught(handle, [7], effects=charges).found == [7, 7]


def test_a_mark_names_a_point_where_no_line_of_the_user_s_is_run() -> None:
    """Libraries have none of their own."""
    file = sysconfig.get_path("purelib") + "/cards.py"
    rows: list[str] = []
    names: dict[str, Any] = {"rows": rows, "effect": effect}
    source = "def handle(id):\n if not rows:\n  rows.append(id)\n  effect('charged the card')\n  rows.append(id)"
    exec(compile(source, file, "exec"), names)

    assert caught(names["handle"], [7], effects=rows).steps[0] == "event 1: crashed after 'charged the card'"


def test_memory_of_what_was_seen_is_lost_with_the_process() -> None:
    charges: list[int] = []

    class Handler:
        def __init__(self) -> None:
            self.seen: set[int] = set()

        def __call__(self, order: dict[str, int]) -> None:
            if order["id"] not in self.seen:
                self.seen.add(order["id"])
                charges.append(order["id"])

    error = caught(Handler, ORDERS, effects=charges)

    assert error.steps[0].endswith('charges.append(order["id"])')
    assert error.found == [7, 7]


@pytest.mark.parametrize("restart", ["clears", "makes another"])
def test_what_a_restart_forgets_may_be_said_by_a_callable(restart: str) -> None:
    charges: list[int] = []

    def made() -> Callable[[int], None]:
        seen = set[int]()

        def handle(id: int) -> None:
            if id not in seen:
                seen.add(id)
                charges.append(id)

        handle.forget = seen.clear  # type: ignore[attr-defined]
        return handle

    handler = made()
    forget = made if restart == "makes another" else handler.forget  # type: ignore[attr-defined]

    assert caught(handler, [7], effects=charges, restart=forget).found == [7, 7]


def test_a_check_and_an_act_with_an_await_between_are_two_deliveries_at_the_same_time_apart() -> None:
    charges: dict[str, int] = {}
    tries = list[int]()

    async def handle(order: dict[str, int]) -> None:
        key = str(order["id"])
        if key not in charges:
            await asyncio.sleep(1)
            charges[key] = charges.get(key, 0) + 1

    error = caught(handle, ORDERS, effects=charges)

    assert error.steps == ("event 1", "event 1 at the same time")
    assert error.found == {"7": 2}
    assert caught(handle, ORDERS, effects=charges, seed=error.seed).steps == error.steps
    assert not tries


def test_an_async_handler_may_die_wherever_it_waits() -> None:
    """All that is done before and after is in C: only that it waited shows."""
    rows: list[str] = []

    async def handle(id: str) -> None:
        if id not in rows:
            [rows.extend(part) for part in ([id],)]
            await asyncio.sleep(1)
            rows.append("sent")

    error = caught(handle, ["a"], effects=rows)

    assert error.found == ["a"]
    assert error.expected == ["a", "sent"]


def test_a_task_of_a_handler_that_died_is_dead_too() -> None:
    rows: dict[int, int] = {}

    async def handle(id: int) -> None:
        async def later() -> None:
            await asyncio.sleep(1)
            rows[id] = 1

        await asyncio.gather(later(), later())

    assert prove_idempotent(handle, [1], effects=rows).cases > 5


def test_an_error_when_an_event_comes_again_is_told_and_is_no_breach() -> None:
    rows: dict[int, int] = {}

    def handle(id: int) -> None:
        if id in rows:
            raise LookupError(f"{id} is there")
        rows[id] = 1

    proof = prove_idempotent(handle, [7], effects=rows)

    assert "when an event came again it raised LookupError: 7 is there" in proof.notes


def test_a_late_duplicate_that_undoes_what_came_after_it_is_caught_only_where_the_order_may_change() -> None:
    stock: dict[str, int] = {}

    def handle(update: dict[str, int]) -> None:
        stock["pens"] = update["left"]

    updates = [{"left": 5}, {"left": 4}]
    assert caught(handle, updates, effects=stock).steps == ("event 1", "event 2", "event 1 again")
    assert prove_idempotent(handle, updates, effects=stock, orders=False).cases > 5


def test_a_case_found_by_chance_is_made_smaller() -> None:
    """Only the fifth delivery of all breaks it."""
    state = {"deliveries": 0, "broken": False}

    def handle(event: int) -> None:
        state["deliveries"] += 1
        state["broken"] = state["deliveries"] >= 5

    error = caught(handle, [1, 2, 3], effects=lambda: state["broken"])

    assert len(error.steps) == 5


def test_a_handler_that_goes_on_after_its_death_is_reported() -> None:
    rows: dict[int, int] = {}

    def handle(id: int) -> None:
        with suppress(BaseException):
            rows[id] = 1
            rows.setdefault(id, 2)

    proof = prove_idempotent(handle, [7], effects=rows)

    assert any("rows[id] = 1" in point for point in proof.swallowed)
    assert "it went on after it crashed" in str(proof)


def test_no_except_exception_catches_a_crash_and_what_a_finally_reaches_crashes_again() -> None:
    rows, reached = list[str](), list[str]()

    def handle(_: int) -> None:
        try:
            rows.append("x")
        except Exception:
            rows.append("swallowed")
        finally:
            reached.append("before")
            effect("in the finally")
            reached.append("after")

    error = caught(handle, [1], effects=lambda: (rows, reached))

    assert error.found == [["x", "x"], ["before", "after", "before", "after"]]
    assert not issubclass(Crash, Exception)


def test_locks_are_free_again_after_a_crash_however_they_are_taken() -> None:
    lock, rows = threading.Lock(), dict[str, int]()

    def handle(id: int) -> None:
        with lock:
            rows[f"a{id}"] = 1
        lock.acquire()
        try:
            rows[f"b{id}"] = 1
        finally:
            lock.release()

    assert prove_idempotent(handle, [7], effects=rows).cases > 20
    assert not lock.locked()


def test_between_the_last_line_of_a_try_and_what_comes_after_it_there_is_a_point() -> None:
    rows, done = {"sum": 0}, set[int]()

    def handle(id: int) -> None:
        if id in done:
            return
        try:
            rows["sum"] += id
        except KeyError:
            rows["sum"] = id
        done.add(id)

    assert caught(handle, [7], effects=rows).steps[0].endswith('handle: rows["sum"] += id')


def test_what_a_with_block_takes_back_when_it_is_broken_off_was_not_done() -> None:
    rows, done = list[int](), set[int]()

    @contextmanager
    def transaction() -> Iterator[None]:
        before = rows[:], set(done)
        try:
            yield
        except BaseException:
            rows[:], _ = before[0], done.intersection_update(before[1])
            raise

    def handle(id: int) -> None:
        with transaction():
            if id not in done:
                rows.append(id)
                done.add(id)

    assert prove_idempotent(handle, [7, 8], effects=rows).cases > 50


# -- idempotent(...) ---------------------------------------------------------------------------------------------------


def charging(key: Callable[[Any], Any], *, swallow: bool = False, after: bool = False) -> Callable[[], Any]:
    """A world with a handler that is idempotent by that key."""

    def world() -> tuple[Any, Any]:
        charges: dict[str, int] = {}
        count = iter(range(1_000))

        @idempotent(MemoryStore(), key=key, lease=30)
        def handle(order: dict[str, int]) -> str:
            charges[f"{order['id']}"] = charges.get(f"{order['id']}", 0) + (1 if after else 0)
            return f"{next(count) * 0}"

        def lenient(order: dict[str, int]) -> Any:
            try:
                return handle(order)
            except InProgress:
                return None

        return (lenient if swallow else handle), charges

    return world


def test_an_idempotent_handler_whose_work_is_an_upsert_is_right() -> None:
    proof = prove_idempotent(charging(lambda order: order["id"]), ORDERS)

    assert "when an event came again it raised InProgress" in str(proof)


def test_between_the_effect_and_the_completion_of_an_idempotent_handler_there_is_a_gap() -> None:
    error = caught(charging(lambda order: order["id"], after=True), ORDERS)

    assert "crashed after" in error.steps[0]
    assert error.steps[1].startswith("event 1 again: raised InProgress: key ")
    assert error.steps[2:] == ("the leases of what died ran out", "event 1 again")


def test_a_handler_that_takes_in_progress_for_done_loses_what_a_dead_one_began() -> None:
    error = caught(charging(lambda order: order["id"], swallow=True), ORDERS)

    assert error.found == {}
    assert error.expected == {"7": 0}


def test_a_key_that_two_events_share_shows_where_one_died_and_the_other_took_its_place() -> None:
    error = caught(charging(lambda order: "all"), ORDERS)

    assert len(error.events) == 2
    assert (error.found, error.expected) == ({"7": 0, "8": 0}, {"8": 0})


def test_a_result_that_is_not_stored_is_raised_by_the_first_run_of_all() -> None:
    def world() -> tuple[Any, Any]:
        charges: list[int] = []

        @idempotent(MemoryStore(), key=lambda order: order["id"], lease=30)
        def handle(order: dict[str, int]) -> Any:
            charges.append(order["id"])
            return {"no", "JSON"}

        return handle, charges

    with pytest.raises(TypeError, match="the result of an idempotent handler must be JSON"):
        prove_idempotent(world, ORDERS)


def test_a_key_that_is_new_at_each_delivery_is_caught() -> None:
    def world() -> tuple[Any, Any]:
        charges: list[int] = []
        numbers = iter(range(1_000))

        @idempotent(MemoryStore(), key=lambda order: next(numbers), lease=30)
        def handle(order: dict[str, int]) -> None:
            charges.append(order["id"])

        return handle, charges

    assert caught(world, ORDERS).steps == ("event 1", "event 1 again")


# -- queues ------------------------------------------------------------------------------------------------------------


def passing_on(queue: str, **given: Any) -> Callable[[], Any]:
    """A world whose handler sends a message on."""

    def world() -> tuple[Any, Any]:
        broker = Broker()
        out = broker.queue(queue)

        def handle(order: dict[str, int]) -> None:
            named = {"group": "g", "deduplication_id": f"charge-{order['id']}"} if given.get("named") else {}
            out.send({"charge": order["id"]}, **named)

        return handle, broker if given.get("whole", True) else out

    return world


def test_a_message_sent_on_twice_is_caught_by_what_the_queues_hold() -> None:
    error = caught(passing_on("charges"), ORDERS)

    assert error.found == {"charges": [{"charge": 7}, {"charge": 7}]}
    assert caught(passing_on("charges", whole=False), ORDERS).found == [{"charge": 7}, {"charge": 7}]


def test_a_fifo_queue_s_deduplication_makes_it_right() -> None:
    assert prove_idempotent(passing_on("charges.fifo", named=True), ORDERS).cases > 50


@pytest.mark.parametrize("delay", [0, 5])
def test_messages_that_are_not_visible_count_with_what_they_carry(delay: int) -> None:
    def world() -> tuple[Any, Any]:
        queue = Broker(clock=VirtualClock()).queue("out")
        return lambda id: queue.send("x", delay=delay, attributes={"id": id}), queue

    assert caught(world, [7]).expected == [{"body": "x", "attributes": {"id": ANYTHING}}]


class Anything:
    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]


ANYTHING = Anything()


def test_mail_in_the_outbox_counts() -> None:
    from decouple import SMS

    def world() -> tuple[Any, Any]:
        broker = Broker(clock=VirtualClock())

        def handle(text: str) -> None:
            broker.notify(SMS("+15550100"), text)
            broker.run_until_idle()

        return handle, broker

    assert caught(world, ["hello"]).found["outbox"][1]["body"] == "hello"


def test_a_broker_that_is_not_made_anew_cannot_be_put_back() -> None:
    broker = Broker(clock=VirtualClock())
    out = broker.queue("out")

    with pytest.raises(ValueError, match=r"cannot be put back .*'out'.* returns \(handler, effects\)"):
        prove_idempotent(out.send, ["x"], effects=broker)

    out.purge()
    proof = prove_idempotent(lambda x: out.peek() or out.send(x), ["x"], effects=out, reset=out.purge)
    assert proof.cases > 5


# -- handlers of all kinds ---------------------------------------------------------------------------------------------


def test_a_handler_may_take_the_message_which_comes_again_under_its_id() -> None:
    rows: dict[str, Any] = {}
    seen: SimpleQueue[tuple[str, int]] = SimpleQueue()  # which is not put back

    def handle(message: Message) -> None:
        seen.put((message.id, message.receive_count))
        rows[message.id] = message.json(), message.attributes
        message.ack()

    prove_idempotent(handle, [{"id": 7}, Entry("8", attributes={"a": 1})], effects=rows)

    calls = [seen.get() for _ in range(seen.qsize())]
    assert len({id for id, _ in calls}) == 2
    assert {count for _, count in calls} >= {1, 2, 3}


def test_an_idempotent_handler_of_messages_needs_no_key() -> None:
    store, rows = MemoryStore(), list[str]()

    @idempotent(store)
    def handle(message: Message) -> None:
        rows.append(message.body)

    assert "InProgress" in str(caught(handle, ["a"], effects=rows))
    assert len(store) == 0


def test_a_message_of_a_queue_is_an_event_and_its_queue_is_not_touched(queue: Any) -> None:
    queue.send("x", attributes={"n": 1})
    [message] = queue.receive()

    error = caught(lambda message: rows.append(message.attributes), [message], effects=(rows := []))

    assert error.found == [{"n": 1}, {"n": 1}]
    assert queue.stats().in_flight == 1


def test_consumers_and_functions_are_handlers() -> None:
    broker = Broker(clock=VirtualClock())
    rows: list[Any] = []

    @broker.queue("orders").consume
    def consume(order: dict[str, int]) -> None:
        rows.append(order["id"])

    @broker.function(timeout=5)
    def resize(event: Any, context: Any) -> None:
        rows.append((event["Records"][0]["body"], context.aws_request_id, context.get_remaining_time_in_millis()))

    assert caught(consume, ORDERS, effects=rows).found == [7, 7]
    found = caught(resize, [events.sqs(["big.png"])], effects=rows).found
    assert found[0] == found[1] == ["big.png", "00000001-0000-4000-8000-000000000001", 5_000]


def test_a_plain_lambda_handler_gets_a_context() -> None:
    names: list[str] = []

    def handler(event: Any, context: Any) -> None:
        names.append(context.function_name)

    assert caught(handler, [{}], effects=names).found == ["handler", "handler"]


def test_each_delivery_has_an_event_of_its_own() -> None:
    rows: dict[int, int] = {}

    def handle(order: dict[str, int]) -> None:
        rows[order.pop("id")] = 1

    prove_idempotent(handle, [{"id": 7}], effects=rows)


# -- effects of all kinds ----------------------------------------------------------------------------------------------


def test_everything_is_as_it_was_afterwards() -> None:
    rows, calls = {"old": [1]}, [0]
    box = SimpleNamespace(n=0, names=["a"])

    def handle(id: str) -> None:
        calls[0] += 1
        box.n += 1
        box.names.append(id)
        rows["old"].append(2)
        rows[id] = [1]

    prove_idempotent(handle, ["x"], effects=lambda: "x" in rows)

    assert (rows, calls, box.n, box.names) == ({"old": [1]}, [0], 0, ["a"])


COUNT = 0
LINES: list[int] = []


def test_variables_that_the_handler_binds_anew_are_put_back_too() -> None:
    total = 0

    def handle(id: int) -> None:
        global COUNT
        nonlocal total
        if total == 0:
            COUNT += 1
            total = id
            LINES.append(id)

    def effects() -> Any:
        return COUNT, total, LINES

    error = caught(handle, [7], effects)

    assert error.expected == [1, 7, [7]]
    assert (COUNT, total, LINES) == (0, 0, [])


def test_a_table_is_put_back_by_reset() -> None:
    db = sqlite3.connect(":memory:", isolation_level=None)
    db.execute("create table charges (id integer, at integer)")

    def right(order: dict[str, int]) -> None:
        with db:
            db.execute("begin")
            if not db.execute("select 1 from charges where id = ?", [order["id"]]).fetchone():
                db.execute("insert into charges values (?, 1)", [order["id"]])

    def wrong(order: dict[str, int]) -> None:
        db.execute("insert into charges values (?, 1)", [order["id"]])

    def rows() -> Any:
        return db.execute("select * from charges").fetchall()

    def reset() -> None:
        db.execute("delete from charges")

    assert prove_idempotent(right, ORDERS, effects=rows, reset=reset).cases > 50
    assert caught(wrong, ORDERS, effects=rows, reset=reset).found == [[7, 1], [7, 1]]
    with pytest.raises(ValueError, match=r"effects cannot be put back as they were at the beginning \(effects\[0\]"):
        prove_idempotent(right, ORDERS, effects=rows)


def test_a_mock_shows_how_it_was_called() -> None:
    charge = Mock()

    assert caught(lambda order: charge(order["id"]), ORDERS, effects=charge).found[0] == ["", [7], {}]
    assert charge.call_count == 0


def test_objects_count_by_what_they_hold() -> None:
    class Account:
        __slots__ = ("balance", "history")

        def __init__(self) -> None:
            self.balance = 0
            self.history: list[int] = []

    account = Account()

    def handle(order: dict[str, int]) -> None:
        account.balance += order["total"]

    assert caught(handle, ORDERS, effects=account).differences == ("effects['balance']: 20 expected, 40 found",)
    assert account.balance == 0


def test_what_differs_by_itself_is_told_and_can_be_ignored() -> None:
    rows: dict[int, Any] = {}
    ticks = iter(range(10_000))

    def handle(order: dict[str, int]) -> None:
        rows[order["id"]] = {"total": order["total"], "at": next(ticks)}

    with pytest.raises(NotDeterministic, match=r"effects\[7\]\['at'\]: 0 expected, 2 found.*ignore="):
        prove_idempotent(handle, ORDERS, effects=rows)
    assert prove_idempotent(handle, ORDERS, effects=rows, ignore="at").cases > 50


def test_what_cannot_be_copied_is_told() -> None:
    with pytest.raises(TypeError, match="which cannot be copied"):
        prove_idempotent(print, [1], effects=lambda: (n for n in "ab"))


# -- the proof ---------------------------------------------------------------------------------------------------------


def upsert_into(rows: dict[int, Any]) -> Callable[[dict[str, int]], None]:
    def upsert(order: dict[str, int]) -> None:
        rows[order["id"]] = dict(order)

    return upsert


def test_a_proof_says_what_was_tried_and_what_it_does_not_say() -> None:
    rows: dict[int, Any] = {}

    proof = prove_idempotent(upsert_into(rows), ORDERS, effects=rows)

    assert isinstance(proof, Proof)
    assert (proof.events, len(proof.points), proof.left_out, proof.orders, proof.remembers) == (2, 2, 0, True, True)
    first, *notes = str(proof).splitlines()
    assert first == (
        f"idempotent as far as tried: 2 events, in many orders, crashed after each of {sum(proof.points)} points, "
        f"{proof.cases} cases, seed 0"
    )
    assert notes == ["  what the handler keeps in memory outlived its crashes: give a class, or restart=, to lose it"]
    assert proof._repr_html_().startswith("<div><p>idempotent as far as tried: 2 events")
    assert repr(proof) == f"<Proof: 2 events, {proof.cases} cases, {sum(proof.points)} points>"


def test_no_more_cases_than_asked_for_and_the_rest_is_told() -> None:
    rows: dict[int, Any] = {}

    proof = prove_idempotent(upsert_into(rows), [{"id": n} for n in range(20)], effects=rows, most=50)

    assert proof.cases <= 50
    assert "more cases were left out: most= takes them in" in str(proof)


def test_a_handler_of_many_points_and_events_takes_no_more_than_that() -> None:
    rows: dict[int, list[int]] = {}

    def handle(id: int) -> None:
        rows[id] = []
        for number in range(100):
            rows[id].append(number)

    proof = prove_idempotent(handle, range(30), effects=rows, most=60)

    assert proof.cases <= 60
    assert all(points > 100 for points in proof.points)


def test_code_that_is_no_python_has_no_points_which_is_told() -> None:
    rows: set[int] = set()

    proof = prove_idempotent(rows.add, [1, 2], effects=rows)

    assert sum(proof.points) == 0
    assert "no point was found at which it could crash" in str(proof)


def test_one_seed_is_one_proof() -> None:
    calls: SimpleQueue[Any] = SimpleQueue()  # which is not put back

    def cases(seed: int) -> list[Any]:
        prove_idempotent(calls.put, range(6), effects=[], seed=seed, most=40)
        return [calls.get() for _ in range(calls.qsize())]

    assert cases(3) == cases(3)
    assert cases(3) != cases(4)


def test_a_mark_costs_next_to_nothing_outside_of_a_proof() -> None:
    began = time.perf_counter()
    for _ in range(100_000):
        effect("nothing happens")

    assert time.perf_counter() - began < 1


def test_trace_functions_of_others_are_back_afterwards() -> None:
    before, rows = sys.gettrace(), dict[int, Any]()

    prove_idempotent(upsert_into(rows), ORDERS, effects=rows)

    assert sys.gettrace() is before


def test_it_works_where_a_loop_runs_already_but_not_in_a_simulation() -> None:
    rows: set[int] = set()

    async def handle(id: int) -> None:
        await asyncio.sleep(1)
        rows.add(id)

    async def notebook() -> Proof:
        return prove_idempotent(handle, [1], effects=rows)

    assert asyncio.run(notebook()).cases > 10
    with pytest.raises(RuntimeError, match="a simulation inside a simulation"):
        simulate(notebook)


@pytest.mark.parametrize(
    ("error", "words", "given"),
    [
        (ValueError, "events must be at least one", {"events": []}),
        (
            TypeError,
            r"events must be a list of them, not \{'id': 7\}: if that is one, give \[it\]",
            {"events": {"id": 7}},
        ),
        (TypeError, "events must be a list of them, not 'order 7'", {"events": "order 7"}),
        (TypeError, "events must be a list of them, not 7", {"events": 7}),
        (TypeError, "effects must be what changes, .* not 5, which never will", {"effects": 5}),
        (TypeError, "ignore must be a name or several, not 5", {"ignore": 5}),
        (ValueError, "most must be", {"most": 0}),
        (TypeError, "seed must be an int", {"seed": "x"}),
        (TypeError, "reset must be a callable", {"reset": 1}),
        (TypeError, "restart must be a callable", {"restart": 1}),
        (TypeError, "handler must be a callable that takes one event", {"handler": 7}),
        (TypeError, "effects= is missing", {"effects": None}),
        (TypeError, "makes .handler, effects., and it returned 5", {"effects": None, "handler": lambda: 5}),
        (TypeError, "declare it async def", {"handler": lambda _: asyncio.sleep(1)}),
    ],
)
def test_wrong_arguments(error: type[Exception], words: str, given: dict[str, Any]) -> None:
    with pytest.raises(error, match=words):
        prove_idempotent(**{"handler": lambda _: None, "events": [1], "effects": [], **given})


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_a_ctrl_c_in_a_notebook_ends_a_proof_before_its_next_case() -> None:
    """A loop runs in the caller's thread, so the proof has one of its own, for which the caller waits."""
    table: dict[int, int] = {}
    cases: list[int] = []

    def handle(event: int) -> None:
        table[event] = 1

    def interrupt() -> None:
        cases.append(1)
        if len(cases) == 100:
            os.kill(os.getpid(), signal.SIGINT)

    async def notebook() -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)  # as in a kernel; asyncio's own cancels the task
        prove_idempotent(handle, range(8), effects=table, most=10_000_000, reset=interrupt)

    with pytest.raises(KeyboardInterrupt):
        asyncio.run(notebook())
    assert len(cases) < 10_000


def test_a_handler_that_fails_even_once_proves_nothing() -> None:
    def handle(event: int) -> None:
        raise LookupError("no such order")

    with pytest.raises(LookupError, match="no such order") as error:
        prove_idempotent(handle, [1], effects=[])
    assert "when every event came once" in error.value.__notes__[0]


def test_an_event_that_needs_one_before_it_may_fail_and_comes_again() -> None:
    rows: dict[str, str] = {}

    def handle(event: dict[str, str]) -> None:
        if event["type"] == "paid" and event["id"] not in rows:
            raise LookupError("no such order")
        if event["type"] == "paid" or event["id"] not in rows:
            rows[event["id"]] = event["type"]

    prove_idempotent(handle, [{"type": "created", "id": "7"}, {"type": "paid", "id": "7"}], effects=rows)


# -- right handlers are not accused, whatever the seed -------------------------------------------------------------------


def right_upsert(_: int) -> tuple[Any, Any]:
    rows: dict[int, Any] = {}
    return upsert_into(rows), rows


def right_transaction(_: int) -> tuple[Any, Any]:
    """What is done and that it is done become true at once."""
    rows: dict[int, Any] = {}

    def handle(order: dict[str, int]) -> None:
        new = {**rows, order["id"]: order["total"], "sum": rows.get("sum", 0) + order["total"]}
        if order["id"] not in rows:
            rows.update(new)

    return handle, rows


def right_versions(_: int) -> tuple[Any, Any]:
    rows: dict[str, int] = {}

    def handle(order: dict[str, int]) -> None:
        if rows.get("pens", 0) < order["id"]:
            rows["pens"] = order["id"]

    return handle, rows


def right_async(_: int) -> tuple[Any, Any]:
    rows: dict[int, int] = {}

    async def handle(order: dict[str, int]) -> None:
        await asyncio.sleep(order["id"] % 3)
        rows.setdefault(order["id"], order["total"])
        await asyncio.sleep(0)

    return handle, rows


def right_fifo(_: int) -> tuple[Any, Any]:
    return passing_on("out.fifo", named=True)()  # type: ignore[no-any-return]


def right_idempotent(_: int) -> tuple[Any, Any]:
    return charging(lambda order: order["id"])()  # type: ignore[no-any-return]


RIGHT = {
    right_upsert: 260,
    right_transaction: 260,
    right_versions: 260,
    right_async: 80,
    right_fifo: 60,
    right_idempotent: 80,
}


@pytest.mark.parametrize("world", RIGHT, ids=[one.__name__ for one in RIGHT])
def test_a_right_handler_is_not_accused(world: Callable[[int], tuple[Any, Any]]) -> None:
    """1,000 seeds over all of them, with few cases each: other orders, crashes and interleavings at each."""
    assert sum(RIGHT.values()) == 1_000
    for seed in range(RIGHT[world]):
        chance = Random(seed)
        orders = [{"id": n + 1, "total": chance.randint(1, 9)} for n in range(chance.randint(1, 3))]
        prove_idempotent(functools.partial(world, seed), orders, most=6, seed=seed, orders=chance.random() < 0.7)


def test_the_handler_s_own_package_counts_as_the_user_s_where_other_libraries_do_not() -> None:
    file, home = attr.asdict.__code__.co_filename, home_of(attr.asdict)

    assert not is_users(file)
    assert is_users(file, home)
    assert not is_users(functools.__file__, home)
    assert home_of(Broker.queue) is None
