"""Retries: so many attempts at the schedule's distances, on whatever clock, and the last error as it is."""

from __future__ import annotations

import asyncio
import functools
from typing import Any

import pytest

from decouple import Broker, ClockStuck
from decouple.core.backoff import AWS_MANAGED
from decouple.resilience import CallRefused, ResilienceEvent, delivery_policy, exponential, retry
from decouple.testing import VirtualClock

PLAIN = exponential(1, 10, jitter="none")


class Flaky:
    """Fails so many times, then answers what it was called with; notes when it was called."""

    def __init__(self, clock: VirtualClock, failures: int, error: type[Exception] = OSError) -> None:
        self.clock = clock
        self.left = failures
        self.error = error
        self.called_at: list[float] = []

    def __call__(self, *args: Any) -> Any:
        self.called_at.append(self.clock.now() / 10**9)
        if self.left:
            self.left -= 1
            raise self.error(f"{self.left} left")
        return args


class FlakyAsync(Flaky):
    async def __call__(self, *args: Any) -> Any:
        return super().__call__(*args)


def test_a_failed_call_is_made_again_after_the_delays_of_the_schedule(clock: VirtualClock) -> None:
    flaky = Flaky(clock, 3)

    assert retry(PLAIN, max_attempts=5, clock=clock).call(flaky, "order", 7) == ("order", 7)

    assert flaky.called_at == [0, 1, 3, 7]


def test_the_last_error_is_raised_when_all_attempts_are_used_up(clock: VirtualClock) -> None:
    flaky = Flaky(clock, 9)

    with pytest.raises(OSError, match="6 left"):
        retry(PLAIN, clock=clock).call(flaky)

    assert flaky.called_at == [0, 1, 3]


def test_no_attempt_begins_later_than_max_age(clock: VirtualClock) -> None:
    flaky = Flaky(clock, 99)

    with pytest.raises(OSError, match="left"):
        retry(PLAIN, max_attempts=None, max_age=17, clock=clock).call(flaky)

    assert flaky.called_at == [0, 1, 3, 7, 15]


def test_other_errors_are_raised_at_once(clock: VirtualClock) -> None:
    flaky = Flaky(clock, 1, KeyError)

    with pytest.raises(KeyError):
        retry(PLAIN, on=(OSError, ValueError), fallback="never", clock=clock).call(flaky)

    assert flaky.called_at == [0]


def test_a_callable_may_say_which_errors_are_tried_again(clock: VirtualClock) -> None:
    flaky = Flaky(clock, 9)

    with pytest.raises(OSError, match="7 left"):
        retry(PLAIN, on=lambda error: "8" in str(error), clock=clock).call(flaky)


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, asyncio.CancelledError])
def test_an_interrupt_is_never_retried(clock: VirtualClock, error: type[BaseException]) -> None:
    calls: list[int] = []

    @retry(PLAIN, fallback="never", clock=clock)
    def interrupted() -> None:
        calls.append(1)
        raise error

    with pytest.raises(error):
        interrupted()
    assert calls == [1]


def test_the_phases_of_sns_serve_as_a_schedule(clock: VirtualClock) -> None:
    flaky = Flaky(clock, 6)

    retry(AWS_MANAGED, max_attempts=None, clock=clock).call(flaky)

    assert flaky.called_at[:6] == [0, 0, 0, 0, 1, 2]


def test_a_schedule_that_gives_up_needs_no_max_attempts(clock: VirtualClock) -> None:
    flaky = Flaky(clock, 99)
    policy = delivery_policy({"numRetries": 2, "minDelayTarget": 5, "maxDelayTarget": 5})

    with pytest.raises(OSError, match="left"):
        retry(policy, max_attempts=None, clock=clock).call(flaky)

    assert flaky.called_at == [0, 5, 10]


def test_a_seed_makes_the_jitter_repeatable() -> None:
    def delays(seed: int) -> list[float]:
        clock = VirtualClock()
        flaky = Flaky(clock, 5)
        retry(exponential(1, 60), max_attempts=9, clock=clock, seed=seed).call(flaky)
        return flaky.called_at

    assert delays(7) == delays(7) != delays(8)


def test_a_task_waits_for_advance(clock: VirtualClock) -> None:
    flaky = FlakyAsync(clock, 2)

    async def main() -> None:
        guarded = retry(PLAIN, clock=clock)
        task = asyncio.ensure_future(guarded.call(flaky, 7))
        for now in (0.999_999_999, 0.000_000_001, 2):
            for _ in range(3):
                await asyncio.sleep(0)
            assert guarded.stats().waiting == 1
            clock.advance(now)
        assert await task == (7,)

    asyncio.run(main())
    assert flaky.called_at == [0, 1, 3]


def test_a_cancelled_wait_ends_the_call(clock: VirtualClock) -> None:
    flaky = FlakyAsync(clock, 9)
    guarded = retry(PLAIN, fallback="never", clock=clock)

    async def main() -> None:
        task = asyncio.ensure_future(guarded.call(flaky))
        await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert guarded.stats() == (1, 0, 0, 0)
    assert flaky.called_at == [0]


@pytest.mark.slow
def test_a_task_on_a_clock_that_nobody_moves_is_told_so(clock: VirtualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("decouple.clock.STUCK_AFTER", 0.1)

    with pytest.raises(ClockStuck, match="waits for the next attempt of a retry"):
        asyncio.run(retry(PLAIN, clock=clock).call(FlakyAsync(clock, 1)))


def test_on_real_time_it_sleeps() -> None:
    calls: list[int] = []

    def flaky() -> int:
        calls.append(1)
        if len(calls) < 3:
            raise OSError
        return len(calls)

    async def flaky_async() -> int:
        return flaky()

    guarded = retry(exponential(0.001, 0.002))
    assert guarded.call(flaky) == 3
    calls.clear()
    assert asyncio.run(guarded.call(flaky_async)) == 3


# -- falling back, and being watched ------------------------------------------------------------------------------------


def test_a_fallback_answers_when_it_gives_up_and_leaves_a_record(clock: VirtualClock) -> None:
    events: list[ResilienceEvent] = []
    guarded = retry(PLAIN, max_attempts=2, fallback=None, clock=clock, observers=[events.append], name="fetch")

    assert guarded.call(Flaky(clock, 9)) is None

    assert [(event.what, event.reason, event.attempt) for event in events] == [
        ("retried", "OSError: 8 left", 1),
        ("gave up", "OSError: 7 left", 2),
        ("fell back", "OSError: 7 left", 0),
    ]
    assert {event.name for event in events} == {"fetch"}
    assert [event.happened_at.second for event in events] == [0, 1, 1]
    assert events[0].until == events[1].at
    assert guarded.stats() == (1, 1, 1, 0)


def test_a_callable_fallback_takes_the_same_arguments_and_can_see_the_error(clock: VirtualClock) -> None:
    import sys

    def stand_in(order: int, *, currency: str) -> tuple[int, str, str]:
        return order, currency, str(sys.exception())

    @retry(PLAIN, max_attempts=1, fallback=stand_in, clock=clock)
    def price(order: int, *, currency: str) -> Any:
        raise OSError("no network")

    assert price(7, currency="EUR") == (7, "EUR", "no network")


def test_an_async_function_may_have_an_async_fallback(clock: VirtualClock) -> None:
    async def stand_in(order: int) -> str:
        return f"cached {order}"

    @retry(PLAIN, max_attempts=1, fallback=stand_in, clock=clock)
    async def price(order: int) -> str:
        raise OSError

    assert asyncio.run(price(7)) == "cached 7"


def test_an_error_of_the_fallback_is_raised_with_the_first_one_as_its_context(clock: VirtualClock) -> None:
    def stand_in() -> None:
        raise LookupError("no cache")

    guarded = retry(PLAIN, max_attempts=1, fallback=stand_in, clock=clock)
    with pytest.raises(LookupError) as caught:
        guarded.call(Flaky(clock, 1))
    assert isinstance(caught.value.__context__, OSError)
    assert guarded.stats().fell_back == 0


def test_an_observer_that_fails_is_logged_and_harms_nobody(
    clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(event: ResilienceEvent) -> None:
        raise ValueError

    assert retry(PLAIN, clock=clock, name="f", observers=[broken]).call(Flaky(clock, 1)) == ()
    assert "failed when told that 'f' retried" in caplog.text


# -- what can be guarded --------------------------------------------------------------------------------------------------


def test_methods_partials_and_objects_can_be_guarded(clock: VirtualClock) -> None:
    class Shop:
        @retry(PLAIN, clock=clock)
        def price(self, order: int) -> tuple[str, int]:
            """The price."""
            return type(self).__name__, order

    guarded = retry(PLAIN, clock=clock)

    assert Shop().price(7) == ("Shop", 7)
    assert Shop.price.__doc__ == "The price."
    assert guarded(functools.partial(Flaky(clock, 1), 1))(2) == (1, 2)
    assert asyncio.run(guarded(functools.partial(FlakyAsync(clock, 0), 1))(2)) == (1, 2)


def test_a_guard_is_called_after_the_first_function_it_decorates(clock: VirtualClock) -> None:
    guarded = retry(PLAIN, clock=clock)
    assert guarded.name == "retry"

    @guarded
    def fetch() -> None: ...

    guarded(len)
    assert guarded.name.endswith("fetch")


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"schedule": len}, TypeError, r"write @retry\(\.\.\.\)"),
        ({"schedule": 3}, TypeError, "schedule such as exponential"),
        ({"max_attempts": 0}, ValueError, "max_attempts must be 1 or more, not 0"),
        ({"max_attempts": 2.5}, TypeError, "max_attempts must be a whole number"),
        ({"max_age": -1}, ValueError, "max_age must be at least 0 seconds"),
        ({"on": BaseException}, ValueError, "on must be classes of Exception, not <class 'BaseException'>"),
        ({"on": ()}, TypeError, "on must be a class of Exception"),
        ({"on": 3}, TypeError, "on must be a class of Exception"),
        ({"clock": 3}, TypeError, "clock must be a Clock"),
        ({"observers": 3}, TypeError, "observers must be callables"),
        ({"name": 3}, TypeError, "name must be a str"),
    ],
)
def test_a_wrong_argument_is_one_clear_error(arguments: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        retry(**arguments)


def test_what_cannot_be_guarded_is_refused_when_it_is_decorated(clock: VirtualClock) -> None:
    def generator() -> Any:
        yield 1

    async def stand_in() -> None: ...

    with pytest.raises(TypeError, match="guards a function, not 3"):
        retry()(3)  # type: ignore[type-var]
    with pytest.raises(TypeError, match="does its work after the call"):
        retry()(generator)
    with pytest.raises(TypeError, match="make both def"):
        retry(fallback=stand_in)(len)
    with pytest.raises(TypeError, match="declare it async def"):
        retry(clock=clock).call(lambda: stand_in())


# -- handlers of a broker ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [Flaky, FlakyAsync])
def test_a_handler_waits_for_its_retries_while_the_clock_runs_it(
    broker: Broker, clock: VirtualClock, kind: type[Flaky]
) -> None:
    flaky, news = kind(clock, 3), broker.topic("news")
    guarded = retry(PLAIN, max_attempts=5, clock=broker.clock)
    news.subscribe(guarded(flaky))

    news.publish("hello")
    broker.run_until_idle()

    assert flaky.called_at == [0, 1, 3, 7]


def test_refusals_have_one_root() -> None:
    from decouple.resilience import BulkheadFull, CircuitOpen, RateLimited

    assert all(issubclass(kind, CallRefused) for kind in (BulkheadFull, CircuitOpen, RateLimited))
