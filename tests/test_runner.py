"""The runner: jobs in order of time, in the caller's thread on a virtual clock, in threads and tasks on real time."""

from __future__ import annotations

import _thread
import asyncio
import contextvars
import gc
import logging
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from operator import call
from random import Random
from typing import Any

import pytest
from test_interrupts import Tracer, interrupt

import decouple.runner
from decouple import DecoupleError, EndlessWork, Queue, SystemClock, VirtualClock
from decouple.runner import Runner, Waiting
from decouple.tasks import Begun, KeptLoop

SECOND = 1_000_000_000
SOON = 5.0
"""Real seconds that nothing here takes unless it hangs."""


class Do:
    """A job that calls `work`; what became of it can be looked up."""

    awaits = False

    def __init__(self, work: Callable[[], object], name: str = "a job") -> None:
        self.work = work
        self.name = name
        self.abandoned = 0

    def run(self) -> None:
        self.work()

    async def arun(self) -> None:
        raise NotImplementedError

    def abandon(self) -> None:
        self.abandoned += 1

    def describe(self) -> str:
        return self.name


class Await(Do):
    """A job that awaits `work()`."""

    awaits = True

    def __init__(self, work: Callable[[], Awaitable[object]], name: str = "an async job") -> None:
        super().__init__(work, name)

    async def arun(self) -> None:
        await self.work()  # type: ignore[misc]


def fails(error: BaseException) -> Callable[[], None]:
    def fail(*_: object) -> None:
        raise error

    return fail


async def nothing() -> None:
    pass


def at(seconds: float) -> int:
    return round(seconds * SECOND)


def until(condition: Callable[[], bool]) -> None:
    """Look again and again, for at most some real seconds."""
    end, pause = time.monotonic() + SOON, threading.Event()
    while not condition():
        assert time.monotonic() < end, "it did not come true"
        pause.wait(0.001)


@pytest.fixture
def runner(clock: VirtualClock) -> Iterator[Runner]:
    runner = Runner(clock)
    yield runner
    assert runner.close(SOON) == []


@pytest.fixture
def threads() -> Iterator[Runner]:
    """A runner on real time, started."""
    runner = Runner(SystemClock())
    runner.start()
    yield runner
    assert runner.close(SOON) == []


@pytest.fixture
def log() -> list[Any]:
    return []


# -- on a virtual clock ----------------------------------------------------------------------------------------


def test_nothing_is_done_before_somebody_asks_for_it(runner: Runner, log: list[Any]) -> None:
    runner.start()
    runner.put(Do(partial(log.append, "done")))
    assert log == []

    report = runner.run_until_idle()

    assert log == ["done"]
    assert report == (1, (), ())


def test_a_runner_is_idle_while_nothing_is_due() -> None:
    clock = VirtualClock()
    runner = Runner(clock)
    assert runner.idle

    runner.put(Do(lambda: None), at=10 * SECOND)
    assert runner.idle

    runner.put(Do(lambda: None))
    assert not runner.idle

    runner.run_until_idle()
    assert runner.idle


def test_a_started_runner_is_idle_when_its_workers_have_nothing_to_do() -> None:
    runner, begun, go_on = Runner(SystemClock()), threading.Event(), threading.Event()
    runner.start()
    runner.put(Do(lambda: (begun.set(), go_on.wait(SOON))))
    assert begun.wait(SOON)
    assert not runner.idle

    go_on.set()
    runner.run_until_idle()
    assert runner.idle
    runner.close()


def test_jobs_are_done_in_order_of_time_and_then_of_put(runner: Runner, clock: VirtualClock, log: list[Any]) -> None:
    for name, when in [("c", 5), ("a", 0), ("d", 5), ("b", 2)]:
        runner.put(Do(lambda name=name: log.append((name, clock.now() / SECOND))), at(when))

    clock.advance(10)

    assert log == [("a", 0), ("b", 2), ("c", 5), ("d", 5)]


def test_what_is_put_for_an_instant_that_is_over_is_done_after_what_was_put_before(
    runner: Runner, clock: VirtualClock, log: list[Any]
) -> None:
    clock.advance(10)
    runner.put(Do(partial(log.append, "first")))
    runner.put(Do(partial(log.append, "late")), at(3))

    runner.run_until_idle()

    assert log == ["first", "late"]


def test_jobs_that_put_themselves_again_take_turns(runner: Runner, log: list[Any]) -> None:
    def again(name: str, times: int) -> None:
        log.append(name)
        if times > 1:
            runner.put(Do(partial(again, name, times - 1)))

    runner.put(Do(partial(again, "a", 3)))
    runner.put(Do(partial(again, "b", 2)))

    assert runner.run_until_idle().handled == 5
    assert log == ["a", "b", "a", "b", "a"]


def test_what_is_due_later_is_in_the_report_and_left_alone(runner: Runner, clock: VirtualClock) -> None:
    runner.put(Do(fails(AssertionError()), "the second"), at(7.5))
    runner.put(Do(fails(AssertionError()), "the first"), at(2))

    report = runner.run_until_idle()

    assert report.handled == 0
    assert report.waiting_for == (
        Waiting(datetime(2026, 1, 1, 0, 0, 2, tzinfo=UTC), "the first"),
        Waiting(datetime(2026, 1, 1, 0, 0, 7, 500_000, tzinfo=UTC), "the second"),
    )
    assert clock.now() == 0
    runner.close()


def test_a_budget_moves_the_clock_from_work_to_work_and_not_to_its_own_end(
    runner: Runner, clock: VirtualClock, log: list[Any]
) -> None:
    def every_second() -> None:
        log.append(clock.now())
        if len(log) < 3:
            runner.put(Do(every_second), clock.now() + SECOND)

    runner.put(Do(every_second), at(1))
    runner.put(Do(partial(log.append, "beyond"), "beyond"), at(10.000_000_001))

    report = runner.run_until_idle(budget=10)

    assert log == [at(1), at(2), at(3)]
    assert clock.now() == at(3)
    assert [waiting.what for waiting in report.waiting_for] == ["beyond"]
    runner.close()


def test_a_budget_may_be_used_to_its_last_nanosecond(runner: Runner, clock: VirtualClock, log: list[Any]) -> None:
    runner.put(Do(partial(log.append, "done")), at(10))

    assert runner.run_until_idle(budget=10).handled == 1
    assert clock.now() == at(10)


def test_jobs_and_queues_share_one_order_of_time(clock: VirtualClock, log: list[Any]) -> None:
    queue, runner = Queue("orders", clock=clock), Runner(clock)
    queue.send("due at 5", delay=5)
    for when in (4, 6):
        runner.put(Do(lambda when=when: log.append((when, queue.stats().visible))), at(when))

    clock.advance(10)

    assert log == [(4, 0), (6, 1)]


def test_a_wait_in_the_clocks_own_thread_does_the_work_on_the_way(runner: Runner, clock: VirtualClock) -> None:
    queue = Queue("orders", clock=clock)
    runner.put(Do(partial(queue.send, "from a job")), at(3))

    [message] = queue.receive(wait=20)

    assert (message.body, clock.now()) == ("from a job", at(3))


def test_one_error_is_raised_as_itself_when_all_is_done(runner: Runner, log: list[Any]) -> None:
    runner.put(Do(fails(LookupError("no"))))
    runner.put(Do(partial(log.append, "done all the same")))

    with pytest.raises(LookupError, match="no"):
        runner.run_until_idle()

    assert log == ["done all the same"]
    assert runner.run_until_idle().errors == ()


def test_several_errors_are_raised_as_a_group(runner: Runner) -> None:
    errors = [LookupError("one"), ValueError("two")]
    for error in errors:
        runner.put(Do(fails(error)))

    with pytest.raises(ExceptionGroup, match="2 jobs failed") as raised:
        runner.run_until_idle()

    assert list(raised.value.exceptions) == errors


def test_errors_may_be_collected(runner: Runner) -> None:
    error = LookupError("no")
    runner.put(Do(fails(error)))

    report = runner.run_until_idle(errors="collect")

    assert (report.handled, report.errors) == (1, (error,))


def test_an_error_with_nobody_waiting_for_it_is_not_kept(runner: Runner, clock: VirtualClock) -> None:
    class Weakly(Exception):  # a builtin one has no weak references
        pass

    error = Weakly()
    alive = weakref.ref(error)
    runner.put(Do(fails(error)), at(1))
    del error

    clock.advance(2)

    gc.collect()
    assert alive() is None


@pytest.mark.parametrize(("options", "wrong"), [({"errors": "ignore"}, "'ignore'"), ({"budget": -1}, "-1")])
def test_wrong_arguments_are_named(runner: Runner, options: dict[str, Any], wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong):
        runner.run_until_idle(**options)


def test_the_number_of_workers_is_checked(clock: VirtualClock) -> None:
    with pytest.raises(ValueError, match="at least 1, not 0"):
        Runner(clock, workers=0)
    with pytest.raises(TypeError, match="not 'many'"):
        Runner(clock, workers="many")  # type: ignore[arg-type]


def test_a_job_sees_the_context_variables_of_whoever_put_it(runner: Runner, log: list[Any]) -> None:
    variable = contextvars.ContextVar("variable", default="unset")

    async def look() -> None:
        log.append(variable.get())
        variable.set("changed by the job")

    variable.set("put")
    runner.put(Do(lambda: log.append(variable.get())))
    runner.put(Await(look))
    variable.set("later")
    runner.run_until_idle()

    assert log == ["put", "put"]
    assert variable.get() == "later"


def test_an_endless_chain_is_an_error_that_names_the_job(
    runner: Runner, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decouple.runner, "LONGEST_CHAIN", 1_000)

    def again() -> None:
        runner.put(Do(again, "the job that never ends"))

    runner.put(Do(again))

    with pytest.raises(EndlessWork, match=r"the job that never ends .* 1,000 jobs") as raised:
        runner.run_until_idle()
    assert raised.value.links == 1_000
    with pytest.raises(EndlessWork):
        clock.advance(1)
    runner.close()


def test_a_large_backlog_is_no_endless_chain(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decouple.runner, "LONGEST_CHAIN", 100)
    for _ in range(1_000):
        runner.put(Do(lambda: None))

    assert runner.run_until_idle().handled == 1_000


def test_a_job_must_not_wait_for_the_work_it_is_part_of(runner: Runner, clock: VirtualClock) -> None:
    for wait in (runner.run_until_idle, partial(clock.advance, 1)):
        runner.put(Do(wait))

        with pytest.raises(RuntimeError, match="must not call"):
            runner.run_until_idle()


def test_a_loop_is_no_way_round_that(runner: Runner) -> None:
    async def wait() -> None:
        runner.run_until_idle()

    async def main() -> None:
        runner.run_until_idle()

    runner.put(Await(wait))
    with pytest.raises(RuntimeError, match="must not call"):
        runner.run_until_idle()
    runner.put(Await(wait))
    with pytest.raises(RuntimeError, match="would block the event loop"):
        asyncio.run(main())


# -- async jobs on a virtual clock ------------------------------------------------------------------------------


def test_async_jobs_are_awaited_one_after_another_on_one_loop_that_lives_on(runner: Runner, log: list[Any]) -> None:
    async def job() -> None:
        await asyncio.sleep(0)
        log.append((threading.current_thread(), asyncio.get_running_loop()))

    for _ in range(2):
        runner.put(Await(job))
        runner.run_until_idle()

    assert log[0] == log[1]
    assert log[0][0] is threading.current_thread()
    runner.close()
    assert log[0][1].is_closed()


def test_under_a_running_loop_async_jobs_are_awaited_elsewhere_on_the_same_loop(runner: Runner, log: list[Any]) -> None:
    async def job() -> None:
        await asyncio.sleep(0)
        log.append((threading.current_thread(), asyncio.get_running_loop()))

    async def main() -> None:
        runner.put(Await(job))
        runner.run_until_idle()

    runner.put(Await(job))
    runner.run_until_idle()
    asyncio.run(main())

    (here, first), (elsewhere, second) = log
    assert first is second
    assert here is threading.current_thread() is not elsewhere


def test_errors_of_async_jobs_are_errors_like_any_other(runner: Runner) -> None:
    async def fail() -> None:
        raise LookupError("no")

    async def be_cancelled() -> None:
        raise asyncio.CancelledError

    async def main() -> None:
        runner.put(Await(fail))
        runner.run_until_idle()

    runner.put(Await(fail))
    runner.put(Await(be_cancelled))
    report = runner.run_until_idle(errors="collect")

    assert [type(error) for error in report.errors] == [LookupError, asyncio.CancelledError]
    with pytest.raises(LookupError):
        asyncio.run(main())


def test_close_ends_the_generators_of_the_private_loop(runner: Runner, log: list[Any]) -> None:
    async def numbers() -> Any:
        try:
            yield 1
        finally:
            log.append("ended")

    async def main() -> None:
        runner.close()

    generator = numbers()
    runner.put(Await(generator.__anext__))
    runner.run_until_idle()
    assert log == []

    asyncio.run(main())
    assert log == ["ended"]


def test_an_async_job_may_close_its_runner(runner: Runner, log: list[Any]) -> None:
    async def close() -> None:
        log.append(asyncio.get_running_loop())
        runner.close()

    runner.put(Await(close))
    runner.run_until_idle()

    assert log[0].is_closed()


def test_a_runner_dropped_without_close_closes_its_private_loop(clock: VirtualClock, log: list[Any]) -> None:
    async def job() -> None:
        log.append(asyncio.get_running_loop())

    runner = Runner(clock)
    runner.put(Await(job))
    runner.run_until_idle()
    del runner

    gc.collect()
    assert log[0].is_closed()


# -- interrupts on a virtual clock ------------------------------------------------------------------------------


def test_an_interrupt_goes_to_the_caller_at_once_and_the_rest_stays(runner: Runner, log: list[Any]) -> None:
    runner.put(Do(fails(KeyboardInterrupt())))
    runner.put(Do(partial(log.append, "rest")))

    with pytest.raises(KeyboardInterrupt):
        runner.run_until_idle()
    assert log == []

    assert runner.run_until_idle().handled == 1
    assert log == ["rest"]


class Interrupted(Do):
    """A job that is interrupted on being entered: `call` calls both without an instruction of Python between them."""

    @property
    def run(self) -> Any:  # type: ignore[override]
        return partial(any, map(call, (_thread.interrupt_main, self.work) if not self.abandoned else (self.work,)))


def test_a_job_interrupted_before_its_first_instruction_is_not_lost(runner: Runner, log: list[Any]) -> None:
    def work() -> None:
        log.append("done")

    job = Interrupted(work)
    runner.put(job)
    with pytest.raises(KeyboardInterrupt):
        runner.run_until_idle()
    assert log == []

    job.abandoned = 1  # from now on it is not interrupted
    runner.run_until_idle()
    assert log == ["done"]


def test_a_job_interrupted_before_its_first_instruction_is_abandoned_at_close(runner: Runner) -> None:
    job = Interrupted(lambda: None)
    runner.put(job)
    with pytest.raises(KeyboardInterrupt):
        runner.run_until_idle()

    runner.close()

    assert job.abandoned == 1


def test_wherever_the_runner_is_interrupted_every_job_is_done_once_and_in_order() -> None:
    place, tracer = 0, Tracer(1, interrupt)
    while place == 0 or tracer.fired:
        place += 1
        clock, log = VirtualClock(), []
        runner = Runner(clock)
        for number, when in enumerate((0, 0, 5, 5, 7)):
            runner.put(Do(partial(log.append, number)), at(when))
        tracer = Tracer(place, interrupt)

        with suppress(KeyboardInterrupt):
            tracer.run(partial(runner.run_until_idle, budget=10))
        runner.run_until_idle(budget=10)

        assert log == [0, 1, 2, 3, 4], tracer.where
        runner.close()
    assert place > 50


def test_wherever_the_runner_is_interrupted_every_async_job_is_done_once() -> None:
    place, tracer = 0, Tracer(1, interrupt)
    while place == 0 or tracer.fired:
        place += 1
        runner, log = Runner(VirtualClock()), []

        async def job(log: list[Any] = log) -> None:
            log.append("done")

        runner.put(Await(job))
        # A real one cancels the task (asyncio's runner sees to that) and does not come in on making a coroutine.
        spared = {Begun.run.__code__, KeptLoop._complete.__code__}
        tracer = Tracer(place, interrupt, only=lambda spared=spared: sys._getframe(2).f_code not in spared)

        with suppress(KeyboardInterrupt):
            tracer.run(runner.run_until_idle)
        runner.run_until_idle()

        assert log == ["done"], tracer.where
        runner.close()


def test_wherever_close_is_interrupted_every_job_is_abandoned_once() -> None:
    place, tracer = 0, Tracer(1, interrupt)
    while place == 0 or tracer.fired:
        place += 1
        runner = Runner(VirtualClock())
        jobs = [Do(fails(AssertionError())) for _ in range(4)]
        for number, job in enumerate(jobs):
            runner.put(job, at(number // 2))
        runner.next_at()
        tracer = Tracer(place, interrupt)

        with suppress(KeyboardInterrupt):
            tracer.run(runner.close)
        runner.close()

        assert [job.abandoned for job in jobs] == [1, 1, 1, 1], tracer.where


def test_an_interrupt_cancels_the_async_job_and_goes_to_the_caller(runner: Runner, log: list[Any]) -> None:
    async def job() -> None:
        try:
            signal.raise_signal(signal.SIGINT)
            await asyncio.sleep(SOON)
        except asyncio.CancelledError:
            log.append("cancelled")  # and dealt with: it is not raised again

    runner.put(Await(job))
    with pytest.raises(KeyboardInterrupt):
        runner.run_until_idle()

    assert log == ["cancelled"]
    assert runner.run_until_idle().handled == 0


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="needs signals to one thread")
def test_an_interrupt_under_a_running_loop_cancels_the_job_elsewhere(runner: Runner, log: list[Any]) -> None:
    async def job() -> None:
        try:
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
            await asyncio.sleep(SOON)
        finally:
            log.append("ended")

    async def main() -> None:
        runner.put(Await(job))
        runner.run_until_idle()

    loop = asyncio.new_event_loop()  # without the handler of asyncio.run
    with pytest.raises(KeyboardInterrupt):
        loop.run_until_complete(main())

    loop.close()
    assert log == ["ended"]


# -- real time, not started -------------------------------------------------------------------------------------


def test_before_start_the_caller_does_the_work_and_waits_for_what_comes_within_the_budget(log: list[Any]) -> None:
    clock = SystemClock()
    runner = Runner(clock)
    begin = clock.now()
    runner.put(Do(lambda: log.append(clock.now())), begin + at(0.02))
    runner.put(Do(partial(log.append, "beyond"), "beyond"), begin + at(3_600))
    runner.put(Do(lambda: log.append(threading.current_thread())))

    report = runner.run_until_idle(budget=1)

    thread, ran_at = log
    assert thread is threading.current_thread()
    assert at(0.02) <= ran_at - begin < at(1)
    assert (report.handled, [waiting.what for waiting in report.waiting_for]) == (2, ["beyond"])
    runner.close()


def test_work_of_others_ends_a_wait_for_the_budget_early(log: list[Any]) -> None:
    clock = SystemClock()
    runner = Runner(clock)
    runner.put(Do(partial(log.append, "late")), clock.now() + at(0.1))
    threading.Timer(0.02, lambda: runner.put(Do(partial(log.append, "early")))).start()

    runner.run_until_idle(budget=60)

    assert log == ["early", "late"]


def test_close_ends_a_wait_for_the_budget() -> None:
    clock = SystemClock()
    runner = Runner(clock)
    job = Do(lambda: None)
    runner.put(job, clock.now() + at(3_600))
    threading.Timer(0.02, runner.close).start()

    assert runner.run_until_idle(budget=3_600).handled == 0
    assert job.abandoned == 1


def test_only_one_thread_does_the_work_of_a_runner_that_was_not_started(log: list[Any]) -> None:
    runner = Runner(SystemClock())
    inside, go = threading.Event(), threading.Event()

    def wait() -> None:
        inside.set()
        go.wait(SOON)

    runner.put(Do(wait))
    thread = threading.Thread(target=runner.run_until_idle)
    thread.start()
    inside.wait(SOON)
    runner.put(Do(partial(log.append, "second")))

    with pytest.raises(RuntimeError, match="another thread"):
        runner.run_until_idle()

    go.set()
    thread.join()
    assert log == ["second"]


def test_an_endless_chain_on_real_time_is_an_error_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decouple.runner, "LONGEST_CHAIN", 1_000)
    runner = Runner(SystemClock())

    def again() -> None:
        runner.put(Do(again))

    runner.put(Do(again))
    with pytest.raises(EndlessWork):
        runner.run_until_idle()
    runner.close()


# -- threads ----------------------------------------------------------------------------------------------------


def test_work_put_before_start_is_done_by_threads_after_it(log: list[Any]) -> None:
    clock = SystemClock()
    runner = Runner(clock)
    done = threading.Event()
    runner.put(Do(done.set), clock.now() + at(0.01))
    runner.put(Do(lambda: log.append(threading.current_thread().name)))
    runner.next_at()

    runner.start()
    runner.start()

    assert done.wait(SOON)
    assert log[0].startswith("decouple-worker-")
    runner.close()


def test_a_slow_job_delays_no_other(threads: Runner) -> None:
    go = threading.Event()
    quick = [threading.Event() for _ in range(5)]

    threads.put(Do(go.wait))
    for one in quick:
        threads.put(Do(one.set))

    assert all(one.wait(SOON) for one in quick)
    go.set()


def test_workers_grow_one_by_one_up_to_their_limit(log: list[Any]) -> None:
    runner = Runner(SystemClock(), workers=3)
    runner.start()
    assert runner._workers is not None
    assert len(runner._workers._hands) == 1
    together, more = threading.Barrier(4), Do(partial(log.append, "fourth"))

    for _ in range(3):
        runner.put(Do(partial(together.wait, SOON)))
    runner.put(more)
    until(lambda: together.n_waiting == 3)

    assert log == []
    assert len(runner._workers._hands) == 3
    together.wait(SOON)
    runner.run_until_idle()
    assert log == ["fourth"]
    runner.close()


def test_timers_fire_in_order_whatever_the_order_they_were_put_in(log: list[Any]) -> None:
    runner = Runner(SystemClock(), workers=1)
    runner.start()
    begin = time.monotonic_ns() + at(0.3)  # by then all are put, on a slow machine, too
    times = [begin + at(0.001 * number) for number in (30, 10, 20, 5, 25, 15)]
    for when in times:
        runner.put(Do(lambda when=when: log.append((when, time.monotonic_ns()))), when)

    runner.run_until_idle(budget=1)

    assert [when for when, _ in log] == sorted(times)
    assert all(when <= ran_at for when, ran_at in log)
    runner.close()


def test_a_timer_put_later_for_an_earlier_instant_comes_first(threads: Runner, log: list[Any]) -> None:
    early = threading.Event()
    threads.put(Do(partial(log.append, "in an hour")), time.monotonic_ns() + at(3_600))
    until(lambda: len(threads._backlog.later) == 1)

    threads.put(Do(early.set), time.monotonic_ns() + at(0.01))

    assert early.wait(SOON)
    assert log == []
    threads.close()


def test_a_timer_is_on_time_while_others_are_busy(threads: Runner) -> None:
    go, fired, busy = threading.Event(), threading.Event(), threading.Semaphore(0)

    def work() -> None:
        busy.release()
        go.wait(SOON)

    threads.put(Do(fired.set), time.monotonic_ns() + at(0.05))
    for _ in range(5):
        threads.put(Do(work))
        assert busy.acquire(timeout=SOON)

    assert fired.wait(SOON)
    go.set()


def test_many_timers_and_jobs_at_once_are_all_done(threads: Runner) -> None:
    counts = [0] * 4
    begin = time.monotonic_ns()

    def work(place: int, again: int) -> None:
        counts[place] += 1
        if again:
            threads.put(Do(partial(work, place, again - 1)), begin + at(0.002 * again) if again % 2 else 0)

    for place in range(4):
        for _ in range(25):
            threads.put(Do(partial(work, place, 0)))
        threads.put(Do(partial(work, place, 20)))

    threads.run_until_idle(budget=1)
    assert sum(counts) == 4 * (25 + 21)


@pytest.mark.parametrize("kind", ["jobs", "timers", "tasks"])
def test_nothing_put_by_many_threads_is_lost(threads: Runner, kind: str) -> None:
    done: list[int] = []

    async def note(number: int) -> None:
        done.append(number)

    def put(base: int) -> None:
        for number in range(base, base + 500):
            if kind == "tasks":
                threads.put(Await(partial(note, number)))
            else:
                when = time.monotonic_ns() + number % 7 * 1_000_000 if kind == "timers" else 0
                threads.put(Do(partial(done.append, number)), when)

    putters = [threading.Thread(target=put, args=(base,)) for base in range(0, 4_000, 500)]
    for putter in putters:
        putter.start()
    for putter in putters:
        putter.join()
    threads.run_until_idle(budget=1)

    assert sorted(done) == list(range(4_000))


def test_run_until_idle_waits_for_what_runs_and_what_follows_from_it(threads: Runner, log: list[Any]) -> None:
    go = threading.Event()

    def first() -> None:
        go.wait(SOON)
        threads.put(Await(second))
        raise LookupError("first")

    async def second() -> None:
        await asyncio.sleep(0.01)
        threads.put(Do(partial(log.append, "third")))
        raise SystemExit("second")

    threads.put(Do(first))
    threads.put(Do(partial(log.append, "beyond"), "beyond"), time.monotonic_ns() + at(3_600))
    threading.Timer(0.02, go.set).start()

    report = threads.run_until_idle(errors="collect")

    assert log == ["third"]
    assert [type(error) for error in report.errors] == [LookupError, SystemExit]
    assert [waiting.what for waiting in report.waiting_for] == ["beyond"]
    assert report.handled <= 3
    threads.close()


def test_an_exit_in_a_job_is_its_own_error_and_its_thread_lives_on(threads: Runner) -> None:
    threads.put(Do(partial(sys.exit, 3)))
    threads.put(Do(fails(KeyboardInterrupt())))

    report = threads.run_until_idle(errors="collect")

    assert len(report.errors) in (0, 1, 2)  # those that ended before the wait began are nobody's
    done = threading.Event()
    threads.put(Do(done.set))
    assert done.wait(SOON)


def test_a_worker_must_not_wait_for_the_work_it_is_part_of(threads: Runner, log: list[Any]) -> None:
    done = threading.Event()

    async def on_the_loop() -> None:
        wait()

    def wait() -> None:
        try:
            threads.run_until_idle()
        except RuntimeError as error:
            log.append(str(error))
        if len(log) == 2:
            done.set()

    threads.put(Do(wait))
    threads.put(Await(on_the_loop))

    assert done.wait(SOON)
    assert {line[:24] for line in log} == {"a job must not call run_", "run_until_idle() would b"}


def test_async_jobs_share_one_loop_in_a_thread_of_its_own(threads: Runner, log: list[Any]) -> None:
    together = asyncio.Barrier(3)

    async def job() -> None:
        await together.wait()
        log.append((asyncio.get_running_loop(), threading.current_thread().name))

    for _ in range(3):
        threads.put(Await(job))
    threads.run_until_idle()

    assert len(set(log)) == 1
    assert log[0][1] == "decouple-loop"
    threads.close()
    assert log[0][0].is_closed()


def test_synchronous_work_imports_no_asyncio() -> None:
    program = """
import sys, threading
from decouple.clock import SystemClock
from decouple.runner import Runner
class Job:
    awaits = False
    def run(self): done.set()
    def abandon(self): pass
done = threading.Event()
runner = Runner(SystemClock())
runner.start()
runner.put(Job())
assert done.wait(5)
runner.run_until_idle()
runner.close()
print("asyncio" in sys.modules, threading.active_count())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)

    assert done.stdout.split() == ["False", "1"]


def test_a_program_that_forgets_close_ends() -> None:
    program = """
from decouple.clock import SystemClock
from decouple.runner import Runner
runner = Runner(SystemClock())
runner.start()
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_a_runner_that_is_dropped_without_close_ends_its_threads() -> None:
    runner = Runner(SystemClock())
    runner.start()
    runner.put(Await(nothing))
    runner.run_until_idle()
    assert runner._workers is not None
    mine = [hand.thread for hand in runner._workers._hands] + [runner._kept._thread]
    del runner

    gc.collect()
    for thread in mine:
        assert thread is not None
        thread.join(SOON)
        assert not thread.is_alive()


@pytest.mark.slow
def test_timers_are_on_time_under_all_kinds_of_load() -> None:
    interval = sys.getswitchinterval()
    for round_ in range(150):
        sys.setswitchinterval((1e-6, 1e-5, 5e-3)[round_ % 3])
        runner, random, late = Runner(SystemClock(), workers=round_ % 4 + 1), Random(round_), []
        runner.start()
        for _ in range(20):
            when = time.monotonic_ns() + at(random.random() / 50)
            runner.put(Do(lambda when=when, late=late: late.append(time.monotonic_ns() - when)), when)
            runner.put(Do(partial(threading.Event().wait, random.random() / 1_000)))
        until(lambda late=late: len(late) == 20)
        assert runner.close(SOON) == []
    sys.setswitchinterval(interval)


@pytest.mark.slow
def test_an_idle_runner_uses_no_cpu(threads: Runner) -> None:
    for _ in range(10):
        threads.put(Do(partial(threading.Event().wait, 0.01)))
    threads.put(Await(nothing))
    threads.run_until_idle()
    threads.put(Do(lambda: None), time.monotonic_ns() + at(3_600))
    before = time.process_time()

    threading.Event().wait(2)

    assert time.process_time() - before < 0.01
    threads.close()


def test_a_machine_without_more_threads_makes_do_with_those_at_hand(
    threads: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threading.Thread, "start", fails(RuntimeError("can't start new thread")))
    done = threading.Event()

    threads.put(Do(lambda: None))
    threads.put(Do(done.set))

    assert done.wait(SOON)
    monkeypatch.undo()


# -- close ------------------------------------------------------------------------------------------------------


def test_close_lets_those_end_that_were_begun_and_abandons_the_others(log: list[Any]) -> None:
    runner = Runner(SystemClock(), workers=1)
    runner.start()
    begun, go = threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        go.wait(SOON)
        log.append("ended")

    waiting, future = Do(partial(log.append, "never")), Do(partial(log.append, "never"))
    runner.put(Do(work))
    runner.put(waiting)
    runner.put(future, time.monotonic_ns() + at(3_600))
    begun.wait(SOON)
    threading.Timer(0.02, go.set).start()

    assert runner.close() == []
    assert log == ["ended"]
    assert (waiting.abandoned, future.abandoned) == (1, 1)


def test_close_says_what_did_not_end_in_time(log: list[Any]) -> None:
    runner = Runner(SystemClock())
    runner.start()
    begun, go = threading.Semaphore(0), threading.Event()

    def work() -> None:
        begun.release()
        go.wait(SOON)

    async def awaiting() -> None:
        begun.release()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            log.append("cancelled")
            raise

    runner.put(Do(work, "a thread that hangs"))
    runner.put(Await(awaiting, "a task that hangs"))
    for _ in range(2):
        begun.acquire(timeout=SOON)

    assert runner.close(0.01) == ["a thread that hangs", "a task that hangs"]
    assert log == ["cancelled"]
    assert runner.close(0) == ["a thread that hangs"]
    go.set()
    assert runner.close(SOON) == []


def test_close_waits_for_tasks_that_end_in_time(threads: Runner, log: list[Any]) -> None:
    begun = threading.Event()

    async def work() -> None:
        begun.set()
        await asyncio.sleep(0.02)
        log.append("ended")

    threads.put(Await(work))
    begun.wait(SOON)

    assert threads.close(SOON) == []
    assert log == ["ended"]


def test_close_does_not_wait_for_ever_for_a_loop_that_hangs() -> None:
    runner = Runner(SystemClock())
    runner.start()
    begun, go = threading.Event(), threading.Event()

    async def hang() -> None:
        begun.set()
        go.wait(60)

    runner.put(Await(hang, "a job that blocks the loop"))
    begun.wait(SOON)

    assert runner.close(0) == ["a job that blocks the loop"]
    go.set()
    assert runner.close(SOON) == []


def test_a_job_that_will_not_be_cancelled_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("decouple.tasks.LAST_WORDS", 0.05)
    runner = Runner(SystemClock())
    runner.start()
    begun, go = threading.Event(), threading.Event()

    async def deaf() -> None:
        begun.set()
        while not go.is_set():
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(0.01)

    runner.put(Await(deaf, "a deaf job"))
    begun.wait(SOON)

    assert runner.close(0) == ["a deaf job"]
    go.set()
    assert runner._kept._thread is not None
    runner._kept._thread.join(SOON)
    assert not runner._kept._thread.is_alive()


def test_what_is_put_after_close_is_abandoned_at_once(runner: Runner, threads: Runner, log: list[Any]) -> None:
    for one in (runner, threads):
        one.close()
        job = Do(partial(log.append, "never"))

        one.put(job)

        assert job.abandoned == 1
        assert one.run_until_idle() == (0, (), ())
        assert one.next_at() > at(10**8)
        with pytest.raises(DecoupleError, match="closed"):
            one.start()
    assert log == []


def test_put_and_close_at_once_do_or_abandon_every_job() -> None:
    for _ in range(20):
        runner = Runner(SystemClock(), workers=4)
        runner.start()
        done: list[int] = []
        jobs = [Do(partial(done.append, number)) for number in range(300)]
        halves = [
            threading.Thread(target=lambda put=runner.put, half=half: [put(job) for job in half])
            for half in (jobs[::2], jobs[1::2])
        ]
        for half in halves:
            half.start()

        runner.close()

        for half in halves:
            half.join()
        assert len(done) + sum(job.abandoned for job in jobs) == 300
        assert len(set(done)) == len(done)
        assert all(job.abandoned <= 1 for job in jobs)


def test_an_error_while_a_job_gives_up_is_logged_and_the_next_gives_up_too(
    runner: Runner, caplog: pytest.LogCaptureFixture
) -> None:
    bad, good = Do(lambda: None, "the bad one"), Do(lambda: None)
    bad.abandon = fails(LookupError("no"))  # type: ignore[method-assign]
    runner.put(bad)
    runner.put(good, at(5))

    with caplog.at_level(logging.ERROR, "decouple"):
        runner.close()

    assert good.abandoned == 1
    assert "the bad one failed when told that it will not be begun" in caplog.text


def test_an_interrupted_close_leaves_the_rest_to_the_next(runner: Runner) -> None:
    bad, good = Do(lambda: None), Do(lambda: None)
    bad.abandon = fails(KeyboardInterrupt())  # type: ignore[method-assign]
    runner.put(bad)
    runner.put(good)

    with pytest.raises(KeyboardInterrupt):
        runner.close()
    assert good.abandoned == 0

    runner.close()
    assert good.abandoned == 1


@pytest.mark.parametrize("kind", ["thread", "task", "task, awaiting"])
def test_a_job_may_close_its_own_runner(threads: Runner, kind: str) -> None:
    outcome: list[Any] = []
    done = threading.Event()

    def close() -> None:
        outcome.append(threads.close(SOON))
        done.set()

    async def on_the_loop() -> None:
        if kind == "task":
            close()
        else:
            outcome.append(await threads.aclose(SOON))
            await asyncio.sleep(0)
            done.set()

    threads.put(Do(close) if kind == "thread" else Await(on_the_loop))

    assert done.wait(SOON)
    assert outcome == [[]]


# -- tasks of the user's loop -------------------------------------------------------------------------------------


def test_on_the_users_loop_async_jobs_are_its_tasks_and_others_run_in_threads(log: list[Any]) -> None:
    runner = Runner(SystemClock())

    async def main() -> None:
        loop, both = asyncio.get_running_loop(), asyncio.Semaphore(0)

        async def task() -> None:
            log.append(("task", asyncio.get_running_loop() is loop))
            both.release()

        def thread() -> None:
            log.append(("thread", threading.current_thread() is not threading.main_thread()))
            loop.call_soon_threadsafe(both.release)

        runner.start_tasks(loop)
        runner.put(Await(task))
        runner.put(Do(thread))
        for _ in range(2):
            await asyncio.wait_for(both.acquire(), SOON)
        assert (await asyncio.to_thread(runner.run_until_idle)).errors == ()
        assert await runner.aclose(SOON) == []

    asyncio.run(main())

    assert sorted(log) == [("task", True), ("thread", True)]


def test_aclose_lets_the_loop_go_on_and_cancels_what_does_not_end(log: list[Any]) -> None:
    runner = Runner(SystemClock())
    go = threading.Event()

    async def main() -> None:
        begun = asyncio.Event()

        async def hang() -> None:
            begun.set()
            try:
                await asyncio.sleep(60)
            finally:
                log.append("cancelled")

        async def last() -> None:
            await asyncio.sleep(0.01)
            go.set()

        runner.start_tasks(asyncio.get_running_loop())
        runner.put(Do(partial(go.wait, SOON)))
        runner.put(Await(hang, "a task that hangs"))
        await begun.wait()
        closing = asyncio.create_task(runner.aclose(0.05))
        await last()
        log.extend(await closing)

    asyncio.run(main())

    assert log == ["cancelled", "a task that hangs"]


def test_close_on_the_users_loop_cannot_wait_and_says_so(log: list[Any]) -> None:
    runner = Runner(SystemClock())

    async def main() -> None:
        begun = asyncio.Event()

        async def work() -> None:
            begun.set()
            await asyncio.sleep(0)
            log.append("ended")

        runner.start_tasks(asyncio.get_running_loop())
        runner.put(Await(work, "the work"))
        await begun.wait()
        assert runner.close() == ["the work"]
        await asyncio.sleep(0.01)
        assert log == ["ended"]

    asyncio.run(main())


def test_what_has_not_reached_the_users_loop_at_close_is_abandoned() -> None:
    runner = Runner(SystemClock())
    job = Await(nothing)

    async def main() -> None:
        runner.start_tasks(asyncio.get_running_loop())
        runner.put(job)
        until(lambda: bool(runner._tasks.begun))  # and the loop is blocked meanwhile
        assert await runner.aclose() == []

    asyncio.run(main())

    assert job.abandoned == 1


def test_close_does_not_wait_for_tasks_of_a_loop_that_was_stopped() -> None:
    runner = Runner(SystemClock())
    loop = asyncio.new_event_loop()
    runner.start_tasks(loop)
    job = Await(nothing, "a task of a stopped loop")
    runner.put(job)
    until(lambda: bool(runner._tasks.begun))

    assert runner.close() == ["a task of a stopped loop"]

    loop.run_until_complete(nothing())
    loop.close()
    assert job.abandoned == 1


def test_async_work_for_a_loop_that_was_closed_is_abandoned() -> None:
    runner = Runner(SystemClock())
    loop = asyncio.new_event_loop()
    runner.start_tasks(loop)
    loop.close()
    job = Await(nothing)

    runner.put(job)
    runner.run_until_idle()

    assert job.abandoned == 1
    runner.close()


def test_a_task_cancelled_before_its_first_step_is_abandoned() -> None:
    runner = Runner(SystemClock())
    job = Await(nothing)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        runner.start_tasks(loop)
        before = asyncio.all_tasks()
        runner.put(job)
        while not (asyncio.all_tasks() - before):
            # Its loop is blocked while it is handed over: so the look below comes before its first step.
            until(lambda: bool(runner._tasks.begun))
            runner._tasks._arrive()
        for task in asyncio.all_tasks() - before:
            task.cancel()
        await runner.aclose()

    asyncio.run(main())

    assert job.abandoned == 1


def test_aclose_of_a_runner_on_a_virtual_clock_does_not_block_the_loop(runner: Runner, log: list[Any]) -> None:
    async def main() -> None:
        runner.start_tasks(asyncio.get_running_loop())
        job = Do(lambda: None)
        runner.put(job)
        assert await runner.aclose() == []
        log.append(job.abandoned)

    asyncio.run(main())

    assert log == [1]


def test_a_runner_says_how_it_is(runner: Runner, threads: Runner) -> None:
    assert repr(runner) == "<Runner: not started>"
    assert repr(threads) == "<Runner: started>"
    runner.close()
    assert repr(runner) == "<Runner: closed>"
