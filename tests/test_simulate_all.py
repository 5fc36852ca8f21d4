"""Every order of a small program: all are run, none twice, what is cut off is known, and what fails is told step by step."""

from __future__ import annotations

import asyncio
import itertools
import math
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from decouple import Broker, Deadlock, LawBroken, Message, NotExhausted, NotRepeatable, Queue
from decouple.testing import consumer, laws, simulate, simulate_all
from decouple.testing.exploring.fingerprints import Fingerprint

Program = Callable[[Any], Coroutine[Any, Any, object]]


class World:
    """What some programs share."""

    def __init__(self) -> None:
        self.log: list[Any] = []
        self.number = 0


def steps(count: int) -> Program:
    """So many steps that concern nobody else."""

    async def run(world: World) -> None:
        for _ in range(count - 1):
            await asyncio.sleep(0)

    return run


class Shop:
    """A queue with messages, and what was charged for them."""

    def __init__(self, messages: int = 1, *, fifo: bool = False) -> None:
        broker = Broker()
        self.orders: Queue[str] = broker.queue("orders.fifo" if fifo else "orders", visibility_timeout=30)
        for number in range(messages):
            self.orders.send(
                f"order {number}",
                **({"group": "a", "deduplication_id": str(number)} if fifo else {}),  # type: ignore[arg-type]
            )
        self.charged: list[str] = []


def orders(shop: Shop) -> Queue[str]:
    return shop.orders


def charged(shop: Shop) -> tuple[str, ...]:
    return tuple(sorted(shop.charged))


def charged_once(shop: Shop) -> None:
    assert len(set(shop.charged)) == len(shop.charged), f"charged twice: {shop.charged}"


def charge(shop: Shop, message: Message[str]) -> None:
    shop.charged.append(message.body)


async def look_and_charge(shop: Shop, message: Message[str]) -> None:
    """It believes that nobody comes between looking and charging."""
    if message.body not in shop.charged:
        await asyncio.sleep(2)
        shop.charged.append(message.body)


def charge_if_new(shop: Shop, message: Message[str]) -> None:
    if message.body not in shop.charged:
        shop.charged.append(message.body)


# -- how many there are --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("counts", [(1, 1), (2, 2), (3, 3), (4, 2), (2, 2, 2), (1, 2, 3)])
def test_independent_steps_have_as_many_orders_as_the_multinomial_says(counts: tuple[int, ...]) -> None:
    explored = simulate_all(World, *map(steps, counts), prune=False)

    assert explored.runs == math.factorial(sum(counts)) // math.prod(map(math.factorial, counts))
    assert (explored.merged, explored.complete) == (0, True)


@pytest.mark.parametrize("counts", [(3, 3), (2, 2, 2), (3, 4, 5), (1, 5)])
def test_pruned_they_have_as_many_states_as_there_are_places_to_be_at(counts: tuple[int, ...]) -> None:
    """At each point of the lattice where at least two have steps left there is something to choose, once."""
    explored = simulate_all(World, *map(steps, counts))

    points = itertools.product(*(range(count + 1) for count in counts))
    assert explored.states == sum(sum(at < end for at, end in zip(point, counts, strict=True)) > 1 for point in points)


@pytest.mark.parametrize(("count", "processes"), [(3, 2), (3, 3), (4, 3)])
def test_of_processes_that_are_alike_it_does_not_matter_which_is_where(count: int, processes: int) -> None:
    explored = simulate_all(World, *[steps(count)] * processes)

    points = itertools.combinations_with_replacement(range(count + 1), processes)
    assert explored.states == sum(sum(at < count for at in point) > 1 for point in points)


@pytest.mark.slow
def test_three_consumers_of_six_messages_come_to_an_end() -> None:
    """With eight it is the same in some 4,200 runs, half a minute."""
    explored = simulate_all(lambda: Shop(6), *[consumer(orders, charge)] * 3, check=charged, state=charged)

    assert explored.complete
    assert explored.states < 1_500
    assert list(explored.outcomes) == [tuple(f"order {number}" for number in range(6))]


# -- nothing is lost by pruning ------------------------------------------------------------------------------------------

SETTINGS = settings(
    max_examples=30, deadline=None, derandomize=True, database=None, phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
ACTS = st.sampled_from(["add", "double", "log", "send", "take", "yield", "sleep", "lock"])


class Played(World):
    def __init__(self) -> None:
        super().__init__()
        self.queue: Queue[str] = Queue("q", visibility_timeout=5)
        self.lock = asyncio.Lock()


def player(name: str, acts: list[str]) -> Program:
    """A process that does these, with others between any two."""

    async def play(world: Played) -> None:
        seen = None
        for act in acts:
            match act:
                case "add":
                    seen = world.number
                    await asyncio.sleep(0)
                    world.number = seen + 1
                case "double":
                    world.number *= 2
                case "log":
                    world.log.append((name, seen))
                case "send":
                    world.queue.send(f"{name}{world.number}")
                case "take":
                    for message in await world.queue.aio.receive(wait=1):
                        world.log.append((name, message.body))
                        await asyncio.sleep(0)
                        message.ack()
                case "sleep":
                    await asyncio.sleep(3)
                case "lock":
                    async with world.lock:
                        seen = world.number
                        await asyncio.sleep(0)
                        world.number = seen + 10
                case _:
                    await asyncio.sleep(0)

    return play


def result(world: Played) -> tuple[Any, ...]:
    return world.number, tuple(world.log), tuple(message.body for message in world.queue.peek())


@SETTINGS
@given(
    acts=st.lists(st.lists(ACTS, min_size=1, max_size=3), min_size=2, max_size=2)
    | st.lists(st.lists(ACTS, min_size=1, max_size=1), min_size=3, max_size=3),
    extra=st.sampled_from([{}, {}, {"crashes": 1}, {"pauses": 1}, {"redeliveries": 1}]),
    alike=st.booleans(),
)
def test_pruned_and_unpruned_runs_have_the_same_outcomes(acts: list[list[str]], extra: Any, alike: bool) -> None:
    """Programs at random: with shared memory, a queue, a lock and time. Alike ones leave their names out."""
    players = (
        [player("p", acts[0])] * len(acts)
        if alike
        else [player(name, one) for name, one in zip("abc", acts, strict=False)]
    )

    def outcomes(prune: bool) -> Any:
        explored = simulate_all(Played, *players, check=result, prune=prune, most=3_000, errors="collect", **extra)
        return explored if explored.complete else None

    plain, pruned = outcomes(False), outcomes(True)

    if plain is not None:
        assert pruned.complete
        assert set(pruned.outcomes) == set(plain.outcomes)
        assert pruned.runs <= plain.runs


@pytest.mark.parametrize("extra", [{}, {"crashes": 1}, {"pauses": 1}, {"redeliveries": 1}])
def test_consumers_have_the_same_outcomes_pruned_and_unpruned(extra: dict[str, int]) -> None:
    two = [consumer(orders, charge)] * 2

    plain = simulate_all(lambda: Shop(1), *two, check=charged, prune=False, **extra)  # type: ignore[arg-type]
    pruned = simulate_all(lambda: Shop(1), *two, check=charged, **extra)  # type: ignore[arg-type]

    assert set(pruned.outcomes) == set(plain.outcomes)
    assert pruned.runs < plain.runs


def test_what_lies_on_the_stack_of_a_coroutine_tells_states_apart() -> None:
    """The place in a loop over equal things is in no variable."""

    async def write(world: World) -> None:
        for text in ["same", "same", "same"]:
            world.log[:] = [text]
            await asyncio.sleep(0)
        world.log.append("end")

    async def read(world: World) -> None:
        world.number = len(world.log)

    both: Any = lambda prune: simulate_all(World, write, read, check=lambda world: world.number, prune=prune)  # noqa: E731

    assert set(both(True).outcomes) == set(both(False).outcomes) == {0, 1, 2}


def test_where_a_process_stands_tells_states_apart() -> None:
    """It has no variables at all, and two awaits that look the same."""

    async def write(world: World) -> None:
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        world.number = 1

    async def read(world: World) -> None:
        await asyncio.sleep(0)
        world.log.append(world.number)

    explored = simulate_all(World, write, read, check=lambda world: tuple(world.log))

    assert set(explored.outcomes) == {(0,), (1,)}


def test_what_time_it_is_tells_states_apart() -> None:
    async def look(world: World) -> None:
        await asyncio.sleep(0)
        world.number = round(asyncio.get_running_loop().time())

    async def wait(world: World) -> None:
        await asyncio.sleep(5)

    explored = simulate_all(World, look, wait, check=lambda world: world.number, pauses=1)

    assert set(explored.outcomes) == {0, 5}


def test_what_cannot_be_looked_into_is_like_nothing_else_and_is_told() -> None:
    explored = simulate_all(lambda: memoryview(b"x"), steps(2), steps(2))

    assert explored.opaque == ("builtins.memoryview",)
    assert (explored.runs, explored.merged) == (6, 0)
    assert "nothing was compared that holds builtins.memoryview: give state=" in str(explored)
    assert simulate_all(lambda: memoryview(b"x"), steps(2), steps(2), state=bytes).merged


def test_fingerprints_tell_values_sharing_and_hidden_order_apart() -> None:
    def digest(one: Any) -> bytes:
        walk = Fingerprint()
        walk.add(one)
        return walk.digest()

    shared: list[int] = []
    ordered = dict.fromkeys("ab")
    different = [
        1, True, 1.0, "1", b"1", None, [], (), {}, set(), [1], [[1]], [[], []], [shared, shared], ordered,
        dict.fromkeys("ba"), -1, -2, {1: 2}, Shop, World(), iter([1]), iter([1, 2]), asyncio.Event(), range(2),
    ]  # fmt: skip

    assert len({digest(one) for one in different}) == len(different)
    assert digest({"x", "y", "z"}) == digest({"z", "y", "x"})
    assert digest(World()) == digest(World())


# -- every order of a seed is among them ---------------------------------------------------------------------------------


def test_every_outcome_of_a_seed_is_an_outcome_of_all_orders() -> None:
    acts = [["log", "add"], ["log", "double"], ["log", "lock"]]
    players = [player(name, one) for name, one in zip("abc", acts, strict=True)]
    found = simulate_all(Played, *players, check=result).outcomes

    async def main() -> Any:
        world = Played()
        await asyncio.gather(*(play(world) for play in players))
        return result(world)

    seeds = {simulate(main, seed=seed) for seed in range(200)}

    assert len(seeds) > 5
    assert seeds <= set(found)


# -- finding -------------------------------------------------------------------------------------------------------------


def test_a_lost_update_is_found_and_told_step_by_step() -> None:
    async def add(world: World) -> None:
        seen = world.number
        await asyncio.sleep(0)
        world.number = seen + 1

    def both_counted(world: World) -> None:
        assert world.number == 2, f"{world.number} of 2"

    with pytest.raises(AssertionError, match="1 of 2") as caught:
        simulate_all(World, add, add, check=both_counted)

    told = "\n".join(caught.value.__notes__)
    assert "the failing order found" in told
    assert "  1  add 1 begins\n  2  add 2 begins\n  3  add 2 goes on at test_simulate_all.py" in told
    assert "await asyncio.sleep(0)" in told
    assert "again: simulate_all(..., only=[" in told


@pytest.mark.parametrize("extra", [{"redeliveries": 1}, {"pauses": 1}])
def test_a_consumer_that_looks_first_is_found_when_its_message_comes_again(extra: Any) -> None:
    two = [consumer(orders, look_and_charge)] * 2
    simulate_all(lambda: Shop(2), *two, check=charged_once)  # nothing goes wrong: it is right

    with pytest.raises(AssertionError, match="charged twice") as caught:
        simulate_all(lambda: Shop(1), *two, check=charged_once, **extra)

    told = "\n".join(caught.value.__notes__)
    assert "look_and_charge 1 begins" in told
    assert "there again, while it is in flight" in told or "although somebody could go on" in told
    assert "message " in told  # its story
    assert "(receive 2)" in told


def test_a_crash_between_the_effect_and_the_acknowledgement_is_found() -> None:
    one = consumer(orders, charge)
    simulate_all(lambda: Shop(2), one, check=charged_once)

    with pytest.raises(AssertionError, match="charged twice") as caught:
        simulate_all(lambda: Shop(2), one, check=charged_once, crashes=1)

    assert "charge dies where it acknowledges" in "\n".join(caught.value.__notes__)


@pytest.mark.parametrize(
    "extra", [{"crashes": 2}, {"pauses": 1}, {"redeliveries": 2}, {"crashes": 1, "redeliveries": 1}]
)
def test_a_correct_consumer_is_not_accused_whatever_happens(extra: Any) -> None:
    two = [consumer(orders, charge_if_new)] * 2

    explored = simulate_all(lambda: Shop(1), *two, check=charged, **extra)

    assert list(explored.outcomes) == [("order 0",)]
    assert explored.complete


def test_a_handler_that_raises_gives_its_message_back() -> None:
    async def fail_once(shop: Shop, message: Message[str]) -> None:
        if message.receive_count == 1:
            raise ConnectionError
        shop.charged.append(message.body)

    explored = simulate_all(lambda: Shop(2), *[consumer(orders, fail_once)] * 2, check=charged)

    assert list(explored.outcomes) == [("order 0", "order 1")]


def test_a_group_of_a_fifo_queue_keeps_its_order_in_every_order() -> None:
    def in_order(shop: Shop) -> tuple[str, ...]:
        return tuple(shop.charged)

    explored = simulate_all(lambda: Shop(3, fifo=True), *[consumer(orders, charge)] * 2, check=in_order, crashes=1)
    plain = simulate_all(lambda: Shop(2), *[consumer(orders, charge)] * 2, check=in_order)

    assert all(list(dict.fromkeys(found)) == sorted(set(found)) for found in explored.outcomes)
    assert set(plain.outcomes) == {("order 0", "order 1"), ("order 1", "order 0")}


def test_invariants_are_looked_at_after_every_move() -> None:
    async def dip(world: World) -> None:
        world.number = -1
        await asyncio.sleep(0)
        world.number = 0

    def never_below(world: World) -> None:
        assert world.number >= 0

    simulate_all(World, dip, check=never_below)
    with pytest.raises(AssertionError):
        simulate_all(World, dip, always=never_below)


def test_laws_are_checked_of_each_run() -> None:
    once = laws.once(lambda change: change.text, cause="received")
    two = [consumer(orders, charge)] * 2

    simulate_all(lambda: Shop(1), *two, laws=[once, laws.drained()])
    with pytest.raises(LawBroken, match="received twice") as caught:
        simulate_all(lambda: Shop(1), *two, laws=[once], redeliveries=1)

    assert "the steps:" in "\n".join(caught.value.__notes__)


def test_clients_do_not_die_and_workers_of_a_broker_are_ordered_too() -> None:
    async def make() -> Shop:
        shop = Shop(0)
        shop.orders.consume(lambda message: shop.charged.append(message.body))  # type: ignore[misc]
        await shop.orders._employer.__aenter__()
        return shop

    async def send(shop: Shop) -> None:
        shop.orders.send("a")
        await asyncio.sleep(0)
        shop.orders.send("b")
        await asyncio.sleep(1)

    explored = simulate_all(make, clients=[send], check=lambda shop: tuple(shop.charged), crashes=1)

    assert list(explored.outcomes) == [("a", "b")]


# -- what is told --------------------------------------------------------------------------------------------------------


def test_a_failed_run_can_be_seen_again_alone() -> None:
    two = [consumer(orders, look_and_charge)] * 2
    failure = simulate_all(lambda: Shop(1), *two, check=charged_once, redeliveries=1, errors="collect").failure
    assert failure is not None

    again = simulate_all(
        lambda: Shop(1), *two, check=charged_once, redeliveries=1, errors="collect", only=failure.choices
    )

    assert again.runs == 1
    assert again.failure is not None
    assert again.failure.steps == failure.steps
    assert not again.failure.recording.diff(failure.recording)


def test_outcomes_come_with_the_choices_that_lead_there() -> None:
    async def write(world: World) -> None:
        world.log.append(len(world.log))
        await asyncio.sleep(0)
        world.log.append("end")

    explored = simulate_all(World, write, write, check=lambda world: tuple(world.log))

    for outcome, choices in explored.outcomes.items():
        assert list(simulate_all(World, write, write, check=lambda world: tuple(world.log), only=choices).outcomes) == [
            outcome
        ]


def test_it_shows_itself_in_a_notebook_where_a_loop_runs_already() -> None:
    async def cell() -> Any:
        return simulate_all(World, steps(2), steps(2))

    explored = asyncio.run(cell())

    assert (
        explored.headline == "all orders: 4 runs to the end, 1 cut off at a known state, 4 states, 18 moves, 1 outcomes"
    )
    assert explored._repr_html_() == f"<pre>{explored.headline}</pre>"
    failed = simulate_all(Shop, consumer(orders, charge), check=charged_once, crashes=1, errors="collect")
    assert "<pre>the failing order found" in failed._repr_html_()
    assert "AssertionError: charged twice" in failed._repr_html_()


# -- doors ---------------------------------------------------------------------------------------------------------------


def test_more_orders_than_are_allowed_are_no_success() -> None:
    with pytest.raises(NotExhausted, match="10 runs") as caught:
        simulate_all(World, steps(5), steps(5), prune=False, most=10)

    assert caught.value.runs == 10
    assert not simulate_all(World, steps(5), steps(5), prune=False, most=10, errors="collect").complete


def test_a_program_that_remembers_what_it_must_not_is_found_out() -> None:
    runs = itertools.count()

    async def sometimes(world: World) -> None:
        for _ in range(next(runs) % 3):
            await asyncio.sleep(0)

    with pytest.raises(NotRepeatable, match="belongs into what make"):
        simulate_all(World, sometimes, sometimes, prune=False)


def test_who_waits_for_ever_is_told() -> None:
    async def wait(world: World) -> None:
        await asyncio.Event().wait()

    with pytest.raises(Deadlock, match=r"task 'wait' waits, at test_simulate_all\.py"):
        simulate_all(World, wait)


def test_errors_of_tasks_that_nobody_awaits_are_failures_too() -> None:
    async def fail() -> None:
        raise ConnectionError("lost")

    async def begin(world: World) -> None:
        world.log.append(asyncio.create_task(fail()))
        await asyncio.sleep(1)

    with pytest.raises(ConnectionError, match="lost"):
        simulate_all(World, begin)


def test_wrong_arguments_are_refused() -> None:
    refused: list[tuple[type[Exception], str, Any]] = [
        (TypeError, "at least one process", lambda: simulate_all(World)),
        (TypeError, "must be functions, not 3", lambda: simulate_all(World, 3)),  # type: ignore[arg-type]
        (ValueError, "crashes must be a number of times", lambda: simulate_all(World, steps(1), crashes=-1)),
        (ValueError, "most must be", lambda: simulate_all(World, steps(1), most=0)),
        (ValueError, "errors must be", lambda: simulate_all(World, steps(1), errors="ignore")),  # type: ignore[arg-type]
        (TypeError, "a process is an async function", lambda: simulate_all(World, lambda world: None)),  # type: ignore[arg-type, return-value]
        (TypeError, "must return what can be compared", lambda: simulate_all(World, steps(1), check=lambda world: [])),
    ]
    for kind, words, call in refused:
        with pytest.raises(kind, match=words):
            call()

    async def inside() -> None:
        simulate_all(World, steps(1))

    with pytest.raises(RuntimeError, match="inside a simulation"):
        simulate(inside)
