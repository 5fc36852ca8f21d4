"""simulate(): an ordinary async program in virtual time, where one seed is one run."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from decouple import Broker, Deadlock, EndlessWork, Queue, QueueClosed, VirtualClock
from decouple.testing import Faults, Simulation, Stopped, simulate

ROOT = Path(__file__).resolve().parent.parent
NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)


def now() -> float:
    return asyncio.get_running_loop().time()


async def race() -> list[str]:
    """Five workers at one queue, and in the end the order in which they did what."""
    queue, log = Queue("orders"), list[str]()

    async def work(name: str) -> None:
        while True:
            for message in await queue.aio.receive(wait=5):
                log.append(f"{name} {message.body} {message.id}")
                await asyncio.sleep(len(message.body) % 2)
                message.ack()

    workers = [asyncio.create_task(work(name)) for name in "abcde"]
    for number in range(20):
        await queue.aio.send(f"{number}")
    await asyncio.sleep(30)
    done, _ = await asyncio.wait(workers, timeout=1)
    return [*log, str(len(done)), *(task.get_name() for task in set(workers))]


# -- time ---------------------------------------------------------------------------------------------------------------


def test_the_answer_is_what_main_returns_and_a_week_takes_no_time() -> None:
    async def main() -> float:
        await asyncio.sleep(7 * 86_400)
        return now()

    began = time.monotonic()

    assert simulate(main) == 7 * 86_400
    assert time.monotonic() - began < 5


def test_time_begins_where_it_is_told_to_and_is_that_of_what_is_made_inside() -> None:
    start = datetime(2031, 5, 17, 12, tzinfo=UTC)

    async def main() -> tuple[datetime, datetime]:
        queue = Queue("orders")
        before = (await queue.aio.send("a"), await queue.aio.receive())[1][0].sent_at
        await asyncio.sleep(0.25)
        queue.send("b")
        return before, queue.receive()[0].sent_at

    assert simulate(main, start=start) == (start, start + timedelta(seconds=0.25))
    assert simulate(main)[0] == NEW_YEAR


def test_sleeps_end_at_their_instants_to_the_nanosecond_in_order() -> None:
    async def main() -> list[tuple[str, float]]:
        ends: list[tuple[str, float]] = []

        async def sleeper(seconds: float) -> None:
            await asyncio.sleep(seconds)
            ends.append((f"{seconds}", now()))

        async with asyncio.TaskGroup() as group:
            for seconds in (0.3, 0.1, 86_400.000000001, 0.2):
                group.create_task(sleeper(seconds))
        return ends

    ended = simulate(main)

    assert ended == [(f"{at}", at) for at in (0.1, 0.2, 0.3, 86_400.000000001)]


def test_timeouts_of_asyncio_are_in_virtual_time() -> None:
    async def main() -> list[float]:
        ends: list[float] = []
        for wait in (
            lambda: asyncio.wait_for(asyncio.sleep(100), 3),
            lambda: within(4, asyncio.Event().wait()),
            lambda: asyncio.wait_for(asyncio.get_running_loop().create_future(), 5),
        ):
            with pytest.raises(TimeoutError):
                await wait()
            ends.append(now())
        return ends

    async def within(seconds: float, what: Any) -> None:
        async with asyncio.timeout(seconds):
            await what

    assert simulate(main) == [3, 7, 12]


def test_a_long_poll_ends_at_its_virtual_deadline_or_when_a_message_comes() -> None:
    async def main() -> list[tuple[list[str], float]]:
        queue = Queue("orders")
        answers: list[tuple[list[str], float]] = []

        async def send_later() -> None:
            await asyncio.sleep(33)
            queue.send("late", delay=5)

        sending = asyncio.create_task(send_later())
        for _ in range(3):
            batch = await queue.aio.receive(wait=20)
            answers.append(([message.body for message in batch], now()))
        await sending
        return answers

    assert simulate(main) == [([], 20), (["late"], 38), ([], 58)]


def test_a_lease_ends_at_its_instant_though_nobody_looks() -> None:
    async def main() -> list[tuple[str, float]]:
        queue = Queue("orders", visibility_timeout=30)
        queue.send("a")
        queue.receive()
        again = await queue.aio.receive(wait=300)
        return [(message.body, now()) for message in again]

    assert simulate(main) == [("a", 30)]


def test_a_message_too_often_received_is_dead_at_the_instant_of_its_last_lease() -> None:
    changes: list[tuple[str, float]] = []

    async def main() -> None:
        broker = Broker()
        dead = broker.queue("dead")
        orders = broker.queue("orders", visibility_timeout=10, dead_letter=dead, max_receives=1)
        orders.send("poison")
        await orders.aio.receive()
        await orders.aio.receive(wait=60)
        changes.extend((message.body, now()) for message in dead.receive())

    simulate(main)

    assert changes == [("poison", 60)]


# -- one seed is one run ------------------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_run_and_another_seed_another_order() -> None:
    runs = {seed: simulate(race, seed=seed) for seed in range(8)}

    assert all(simulate(race, seed=seed) == run for seed, run in runs.items())
    assert len({tuple(run) for run in runs.values()}) == 8


def test_it_gives_the_same_run_in_another_process_too() -> None:
    program = "from tests.test_simulate import race, simulate; print(*simulate(race, seed=11), sep='\\n')"

    outputs = [
        subprocess.run(
            [sys.executable, "-c", program],
            cwd=ROOT, env={**os.environ, "PYTHONHASHSEED": salt}, check=True, capture_output=True, text=True,
        ).stdout.split("\n")[:-1]
        for salt in ("1", "4711")
    ]  # fmt: skip

    assert outputs == [simulate(race, seed=11)] * 2


def test_what_was_given_to_call_soon_keeps_its_order_and_its_place_before_later_steps() -> None:
    async def main() -> str:
        loop, told = asyncio.get_running_loop(), list[str]()
        ended = loop.create_future()

        async def waiter(name: str) -> None:
            await ended
            told.append(name)

        first = asyncio.create_task(waiter("A"))
        await asyncio.sleep(1)
        for name in "bcd":
            ended.add_done_callback(lambda _, name=name: told.append(name))
        last = asyncio.create_task(waiter("E"))
        await asyncio.sleep(1)
        ended.set_result(None)
        await first
        await last
        return "".join(told)

    assert {simulate(main, seed=seed) for seed in range(50)} == {"AbcdE"}


def test_tasks_that_are_ready_together_run_in_any_order() -> None:
    async def main() -> str:
        told: list[str] = []

        async def say(name: str) -> None:
            told.append(name)

        async with asyncio.TaskGroup() as group:
            for name in "abc":
                group.create_task(say(name))
        return "".join(told)

    assert {simulate(main, seed=seed) for seed in range(100)} == {"abc", "acb", "bac", "bca", "cab", "cba"}


def test_a_broker_inside_takes_the_seed_and_the_clock_unless_it_is_told_otherwise() -> None:
    clock = VirtualClock()

    async def main() -> list[Any]:
        made, told = Broker(), Broker(clock=clock, seed=3)
        return [made.seed, told.seed, made.clock is told.clock, told.clock is clock, Broker(seed=4).seed]

    assert simulate(main, seed=9) == [9, 3, False, True, 4]
    assert Broker().seed is None


# -- how it ends --------------------------------------------------------------------------------------------------------


def test_what_main_raises_is_raised_as_itself() -> None:
    async def main() -> None:
        await asyncio.sleep(1)
        raise KeyError("lost")

    with pytest.raises(KeyError, match="lost"):
        simulate(main)


def test_tasks_that_main_leaves_behind_are_cancelled_and_may_see_to_that() -> None:
    ended: list[str] = []

    async def left(name: str) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(5)
            ended.append(name)

    async def main() -> str:
        tasks = [asyncio.create_task(left(name)) for name in "ab"]
        await asyncio.sleep(1)
        return f"{len(tasks)}"

    assert simulate(main) == "2"
    assert sorted(ended) == ["a", "b"]


def test_an_error_that_nobody_awaited_is_raised_at_the_end() -> None:
    async def fails(text: str) -> None:
        raise ValueError(text)

    async def one() -> None:
        asyncio.create_task(fails("forgotten"), name="bookkeeping")  # noqa: RUF006
        await asyncio.sleep(1)

    async def two() -> None:
        await one()
        asyncio.get_running_loop().call_soon(lambda: 1 // 0)
        await asyncio.sleep(1)

    with pytest.raises(ValueError, match="forgotten") as caught:
        simulate(one)
    assert caught.value.__notes__ == ["raised in the simulation: task 'bookkeeping', which nobody awaited"]
    with pytest.raises(ExceptionGroup) as both:
        simulate(two)
    assert [type(error) for error in both.value.exceptions] == [ValueError, ZeroDivisionError]


def test_besides_the_error_of_main_others_are_noted() -> None:
    async def fails() -> None:
        raise ValueError("forgotten")

    async def main() -> None:
        asyncio.create_task(fails())  # noqa: RUF006
        await asyncio.sleep(1)
        raise KeyError("main")

    with pytest.raises(KeyError) as caught:
        simulate(main)
    assert caught.value.__notes__ == ["besides, nobody awaited ValueError: forgotten"]


class Worker:
    """It knows its task, whose frame knows it: nothing but the garbage collector frees them."""

    def __init__(self) -> None:
        self.task = asyncio.create_task(self.work())

    async def work(self) -> None:
        await asyncio.sleep(1)
        raise ValueError("forgotten")


async def with_a_worker(held: list[Worker]) -> str:
    held.append(Worker())
    await asyncio.sleep(10)
    return "over"


@pytest.mark.parametrize("keep", [False, True])
def test_an_error_that_nobody_awaited_is_raised_also_where_something_holds_its_task(keep: bool) -> None:
    held: list[Worker] = []
    gc.disable()  # which might find it by chance
    try:
        with pytest.raises(ValueError, match="forgotten"):
            simulate(lambda: with_a_worker(held if keep else []))
        with pytest.raises(QueueClosed):
            simulate(closed_under_a_task)
    finally:
        gc.enable()


async def closed_under_a_task() -> None:
    queue = Queue("orders")
    task = asyncio.create_task(queue.aio.receive(wait=100))
    await asyncio.sleep(1)
    del task
    queue.close()
    await asyncio.sleep(1)


def test_a_stop_raises_what_nobody_can_await_any_more_and_the_run_can_go_on() -> None:
    async def fails() -> None:
        raise ValueError("forgotten")

    async def main() -> str:
        asyncio.create_task(fails())  # noqa: RUF006
        later = asyncio.create_task(fails())
        await asyncio.sleep(100)
        with pytest.raises(ValueError, match="forgotten"):
            await later
        return "over"

    with Simulation(main) as simulation:
        with pytest.raises(ValueError, match="forgotten"):
            simulation.advance(50)
        assert simulation.run() == "over"
    with pytest.raises(ValueError, match="forgotten"):
        simulate(main, until=50)


def test_who_waits_for_a_task_that_failed_is_told_of_its_error() -> None:
    async def main() -> None:
        jobs = asyncio.Queue[int]()

        async def work() -> None:
            await jobs.get()
            raise ValueError("forgotten")

        worker = asyncio.create_task(work())
        jobs.put_nowait(1)
        await jobs.join()
        await worker

    with pytest.raises(Deadlock) as caught:
        simulate(main)
    assert caught.value.__notes__ == ["besides, nobody awaited ValueError: forgotten"]


def test_what_fails_when_it_is_cancelled_after_a_stop_is_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        try:
            await asyncio.sleep(100)
        finally:
            raise ValueError("at the end")

    assert isinstance(simulate(main, until=50), Stopped)
    assert "nobody awaited ValueError: at the end" in caplog.text


def test_a_task_that_goes_on_whenever_it_is_cancelled_is_left_behind(caplog: pytest.LogCaptureFixture) -> None:
    ended: list[str] = []

    async def stubborn() -> None:
        while not ended:
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(60)

    async def main() -> str:
        task = asyncio.create_task(stubborn())
        await asyncio.sleep(1)
        return f"over, {task.done()}"

    assert simulate(main) == "over, False"
    assert "some did not end when they were cancelled" in caplog.text
    ended.append("now")


def test_a_program_that_waits_for_what_cannot_come_fails_with_who_waits_for_what() -> None:
    async def main() -> None:
        broker, opened = Broker(), asyncio.Event()
        orders, mail = broker.queue("orders"), broker.queue("mail")

        async def worker() -> None:
            await orders.aio.receive(wait=1_000_000)
            await opened.wait()

        async with broker:
            mail.consume(lambda message: None)
            async with asyncio.TaskGroup() as group:
                group.create_task(worker(), name="the worker")

    with pytest.raises(Deadlock) as caught:
        simulate(main)

    assert caught.value.since == NEW_YEAR + timedelta(seconds=1_000_000)
    main_waits, worker_waits, consumer_waits = caught.value.waiting
    assert main_waits.startswith("task 'main' waits, at test_simulate.py:")
    assert "worker: await opened.wait()" in worker_waits
    assert consumer_waits.endswith("of queue 'mail' waits for queue 'mail'")


def test_the_list_says_for_which_queue_a_task_waits() -> None:
    async def main() -> None:
        await Queue("orders").aio.receive(wait=100)

    simulation = Simulation(main)
    simulation.advance(50)

    [line] = simulation.waiting()
    assert line.startswith("task 'main' waits for a message in queue 'orders', at test_simulate.py:")
    assert line.endswith('await Queue("orders").aio.receive(wait=100)')
    simulation.close()


def test_tasks_that_go_on_for_ever_at_one_instant_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("decouple.testing.loop.LONGEST_INSTANT", 1_000)

    async def main() -> None:
        while True:
            await asyncio.sleep(0)

    with pytest.raises(EndlessWork):
        simulate(main)


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_ctrl_c_ends_it_and_tasks_see_to_their_end() -> None:
    ended: list[str] = []

    async def works() -> None:
        try:
            await asyncio.sleep(10)
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.sleep(10)
        finally:
            ended.append("work")

    async def main() -> None:
        task = asyncio.create_task(asyncio.sleep(1_000))
        try:
            await works()
        finally:
            await asyncio.sleep(1)
            ended.append("main")
            assert task.cancelled()

    with pytest.raises(KeyboardInterrupt):
        simulate(main)
    assert ended == ["work", "main"]


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_a_ctrl_c_waits_for_the_end_of_a_step_which_could_be_lost_or_swallow_it() -> None:
    ended: list[str] = []

    async def main() -> None:
        try:
            os.kill(os.getpid(), signal.SIGINT)
            ended.append("the step")
        except KeyboardInterrupt:
            ended.append("swallowed")
        await asyncio.sleep(10)
        ended.append("main")

    with pytest.raises(KeyboardInterrupt):
        simulate(main)
    assert ended == ["the step"]


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_a_second_ctrl_c_does_not_wait() -> None:
    async def main() -> None:
        while True:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        simulate(main)


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_a_handler_of_ctrl_c_that_raises_nothing_lets_the_simulation_go_on() -> None:
    heard: list[int] = []

    async def main() -> list[int]:
        os.kill(os.getpid(), signal.SIGINT)
        assert not heard
        await asyncio.sleep(1)
        before = list(heard)
        os.kill(os.getpid(), signal.SIGINT)
        return before

    old = signal.signal(signal.SIGINT, lambda number, _: heard.append(number))
    try:
        assert simulate(main) == [signal.SIGINT]
    finally:
        signal.signal(signal.SIGINT, old)
    assert heard == [signal.SIGINT] * 2


# -- step by step -------------------------------------------------------------------------------------------------------


async def ticking() -> str:
    queue = Queue("ticks")
    for number in range(10):
        await asyncio.sleep(1)
        queue.send(f"{number}")
    return "over"


@pytest.mark.parametrize("until", [3.5, NEW_YEAR + timedelta(seconds=3.5)], ids=["seconds", "instant"])
def test_until_stops_at_an_instant(until: Any) -> None:
    assert simulate(ticking, until=until) == Stopped(NEW_YEAR + timedelta(seconds=3.5), None)
    assert simulate(ticking, until=11) == "over"


def test_stop_when_stops_at_the_change_it_asks_for() -> None:
    stopped = simulate(ticking, stop_when=lambda change: change.cause == "sent" and change.record[0] == "4")

    assert isinstance(stopped, Stopped)
    assert stopped.at == NEW_YEAR + timedelta(seconds=5)
    assert stopped.change is not None
    assert stopped.change.record[0] == "4"


def test_an_error_in_stop_when_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        simulate(ticking, stop_when=lambda change: 1 // 0)


def test_a_simulation_is_run_step_by_step() -> None:
    with Simulation(ticking) as simulation:
        assert (simulation.time, len(simulation.changes)) == (NEW_YEAR, 0)

        simulation.advance(2)
        assert (simulation.time, len(simulation.changes)) == (NEW_YEAR + timedelta(seconds=2), 2)

        stopped = simulation.run(stop_when=lambda change: change.cause == "sent")
        assert stopped == Stopped(NEW_YEAR + timedelta(seconds=3), simulation.changes[-1])
        assert not simulation.done

        assert simulation.run() == "over"
        assert simulation.done
        assert len(simulation.changes) == 10


def test_a_simulation_is_stepped_where_a_loop_runs_already_as_in_a_notebook() -> None:
    async def notebook() -> tuple[int, str | Stopped]:
        with Simulation(ticking) as simulation:
            simulation.advance(2)
            return len(simulation.changes), simulation.run()

    assert asyncio.run(notebook()) == (2, "over")


def test_its_own_tasks_do_not_step_it() -> None:
    async def main() -> None:
        with pytest.raises(RuntimeError, match="made from outside"):
            simulation.advance(1)
        with pytest.raises(RuntimeError, match="made from outside"):
            simulation.close()

    simulation = Simulation(main)
    simulation.run()


def test_a_simulation_that_only_waits_can_be_stepped_and_given_work_from_outside() -> None:
    held: list[Queue] = []

    async def main() -> list[str]:
        held.append(Queue("orders"))
        return [message.body for message in await held[0].aio.receive(wait=1_000)]

    with Simulation(main) as simulation:
        simulation.advance(100)
        held[0].send("from outside")

        assert simulation.run() == ["from outside"]
        assert simulation.time == NEW_YEAR + timedelta(seconds=100)


def test_observers_are_told_of_every_change_inside() -> None:
    told: list[str] = []

    async def main() -> None:
        broker = Broker()
        broker.queue("a").send("1")
        Queue("alone").send("2")
        Queue("elsewhere", clock=VirtualClock()).send("3")

    simulate(main, observers=[lambda change: told.append(change.queue)])

    assert told == ["a", "alone"]


# -- bad input ----------------------------------------------------------------------------------------------------------


async def nothing() -> None:
    pass


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: simulate(nothing()), TypeError, r"the async function itself, simulate\(nothing\), not .* nothing\(\)"),
        (lambda: simulate(3), TypeError, "an async function that takes nothing, not 3"),  # type: ignore[arg-type]
        (lambda: simulate(nothing, stop_when=3), TypeError, "stop_when must be a callable"),  # type: ignore[call-overload]
        (lambda: simulate(nothing, observers=[3]), TypeError, "observers must be callables"),  # type: ignore[list-item]
        (lambda: simulate(nothing, observers=print), TypeError, "observers must be callables"),  # type: ignore[arg-type]
        (lambda: simulate(nothing, faults=Faults), TypeError, "faults must be decouple.testing.Faults"),  # type: ignore[arg-type]
        (lambda: simulate(lambda: 3), TypeError, "returned 3"),
        (lambda: simulate(nothing, seed="x"), TypeError, "seed must be an int"),
        (lambda: simulate(nothing, start=datetime(2026, 1, 1)), ValueError, "naive"),
        (lambda: simulate(nothing, until=-1), ValueError, "until must be at least 0"),
        (lambda: simulate(nothing, until=datetime(2026, 1, 1)), ValueError, "naive"),
        (lambda: Simulation(nothing, record=-1), ValueError, "record must be a number of changes"),
        (lambda: Simulation(nothing, record=0).run(stop_when=bool), ValueError, "stop_when needs"),
    ],
    ids=[
        "coroutine",
        "no function",
        "no condition",
        "no observers",
        "one observer",
        "no plan",
        "no coroutine",
        "seed",
        "start",
        "until",
        "naive until",
        "record",
        "stop_when",
    ],
)
def test_bad_arguments_are_refused(call: Callable[[], object], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        call()


def test_a_simulation_inside_a_simulation_is_refused() -> None:
    async def main() -> None:
        simulate(nothing)

    with pytest.raises(RuntimeError, match="a simulation inside a simulation"):
        simulate(main)
    assert simulate(nothing) is None


def test_where_a_loop_runs_already_it_has_a_thread_of_its_own() -> None:
    async def notebook() -> list[str]:
        return simulate(race, seed=5)

    assert asyncio.run(notebook()) == simulate(race, seed=5)


def test_nothing_of_it_is_left_behind() -> None:
    simulate(race)

    assert Broker().clock is not Broker().clock
    assert time.sleep.__module__ == "time" if hasattr(time.sleep, "__module__") else True
    with pytest.raises(RuntimeError):
        asyncio.get_running_loop()


def test_faults_that_are_no_plan_are_refused() -> None:
    async def main() -> None: ...

    with pytest.raises(TypeError, match=r"faults must be decouple\.testing\.Faults\(\.\.\.\) or None, not 0\.1"):
        simulate(main, faults=0.1)  # type: ignore[arg-type]
