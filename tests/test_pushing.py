"""Pushing: retries on the clock, bounds that are never silent, and targets that delay nobody but themselves."""

from __future__ import annotations

import asyncio
import functools
import itertools
import json
import threading
from contextlib import suppress
from typing import Any

import pytest

from decouple import Broker, Notification, Queue
from decouple.core.backoff import AWS_MANAGED, CUSTOMER_MANAGED, HTTP, exponential, until
from decouple.errors import BacklogFull, ClockStuck, DeliveryRefused
from decouple.senders import SMS
from decouple.testing import VirtualClock
from decouple.topic import Topic

SECOND = 10**9
DAY = 86_400


@pytest.fixture
def topic(broker: Broker) -> Topic:
    return broker.topic("events")


@pytest.fixture
def dead(broker: Broker) -> Queue[str]:
    return broker.queue("dead")


class Failing:
    """A target that fails as often as it is told to, and notes when it was called."""

    def __init__(self, clock: VirtualClock, error: BaseException | None = None, times: float = float("inf")) -> None:
        self.clock = clock
        self.error = ValueError("no") if error is None else error
        self.times = times
        self.at: list[int] = []
        self.attempts: list[int] = []

    def __call__(self, notification: Any) -> None:
        self.at.append(self.clock.now())
        self.attempts.append(notification.attempt)
        if len(self.at) <= self.times:
            raise self.error.with_traceback(None)  # which would grow from call to call

    @property
    def delays(self) -> list[float]:
        return [(later - sooner) / SECOND for sooner, later in zip(self.at, self.at[1:], strict=False)]


# -- retries -------------------------------------------------------------------------------------------------------------


def test_the_default_of_web_endpoints_is_three_retries_20_seconds_apart(topic, broker, clock, dead):
    """SNS: minDelayTarget 20, maxDelayTarget 20, numRetries 3."""
    target = Failing(clock)
    subscription = topic.subscribe(target, retry=HTTP, dead_letter=dead)

    topic.publish("x")
    broker.run_until_idle(budget=DAY, errors="collect")

    assert target.delays == [20, 20, 20]
    assert target.attempts == [1, 2, 3, 4]
    assert subscription.stats() == (1, 0, 0, 4, 1, 0, 0)
    [letter] = dead.receive()
    assert (letter.failure.error, letter.failure.text, letter.failure.attempts) == ("ValueError", "no", 4)
    assert "Failing" in letter.failure.traceback or "__call__" in letter.failure.traceback


def test_the_customer_managed_policy_is_50_retries_over_six_hours(clock):
    """SNS: SMTP, SMS, push: 2 x 10 s, 10 exponential from 10 to 600 s, 38 x 600 s; 50 tries over more than 6 h."""
    calls: list[int] = []

    def sender(outgoing: Any) -> None:
        calls.append(clock.now())
        raise OSError("no network")

    broker = Broker(clock=clock, senders={"sms": sender})
    broker.topic("t").subscribe(SMS("+491701234567"), dead_letter=broker.queue("dead"))

    broker.topic("t").publish("x")
    broker.run_until_idle(budget=DAY, errors="collect")

    delays = [(later - sooner) / SECOND for sooner, later in itertools.pairwise(calls)]
    assert len(calls) == 1 + 50
    assert delays[:2] == [10, 10]
    assert (delays[2], delays[11]) == (10, 600)
    assert delays[2:12] == sorted(delays[2:12])
    assert delays[12:] == [600] * 38
    assert (calls[-1] - calls[0]) == CUSTOMER_MANAGED.total > 6 * 3_600 * SECOND
    assert broker.queue("dead").stats().visible == 1


def test_the_first_retries_of_a_function_come_at_once(topic, broker, clock):
    """SNS: SQS, Lambda: 3 immediate, 2 x 1 s, 10 exponential 1 to 20 s, then every 20 s."""
    target = Failing(clock, times=18)
    subscription = topic.subscribe(target)

    topic.publish("x")
    broker.run_until_idle(budget=DAY, errors="collect")

    assert target.delays[:6] == [0, 0, 0, 1, 1, 1]
    assert target.delays[14:] == [20, 20, 20, 20]
    assert subscription.stats() == (1, 0, 1, 18, 0, 0, 0)


@pytest.mark.slow
def test_the_whole_23_days_of_the_aws_managed_policy(clock):
    """SNS: 100,015 retries over 23 days."""
    broker = Broker(clock=clock)
    target = Failing(clock)
    subscription = broker.topic("t").subscribe(target, dead_letter=broker.queue("dead"))

    broker.topic("t").publish("x")
    report = broker.run_until_idle(budget=24 * DAY, errors="collect")

    assert len(target.at) == 1 + 100_015 == len(report.errors)
    assert target.at[-1] == AWS_MANAGED.total
    assert 23 * DAY < target.at[-1] / SECOND < 24 * DAY
    assert subscription.stats() == (1, 0, 0, 100_016, 1, 0, 0)
    broker.check()


def test_what_refuses_for_good_is_not_tried_again(topic, broker, clock, dead):
    """SNS: client errors are not retried."""
    target = Failing(clock, DeliveryRefused("it", why="gone"))
    topic.subscribe(target, dead_letter=dead)

    topic.publish("x")
    broker.run_until_idle(errors="collect")

    assert (len(target.at), dead.stats().visible) == (1, 1)


def walk(seed: int | None, **schedule: Any) -> list[float]:
    clock = VirtualClock()
    broker = Broker(clock=clock, seed=seed)
    target = Failing(clock)
    broker.topic("t").subscribe(target, retry=until(exponential(1, 60, **schedule), max_attempts=9))
    broker.topic("t").publish("x")
    broker.run_until_idle(budget=DAY, errors="collect")
    return target.delays


@pytest.mark.parametrize("jitter", ["full", "equal", "decorrelated"])
def test_jitter_comes_from_the_brokers_seed(jitter):
    assert walk(7, jitter=jitter) == walk(7, jitter=jitter)
    assert walk(7, jitter=jitter) != walk(8, jitter=jitter)
    assert len(walk(7, jitter=jitter)) == 8


def test_a_schedule_that_fails_ends_the_attempts_and_loses_nothing(topic, broker, clock, dead, caplog):
    class Broken:
        def after(self, failures: int, **_: Any) -> int:
            raise KeyError(failures)

    subscription = topic.subscribe(Failing(clock), retry=Broken(), dead_letter=dead)

    topic.publish("x")
    broker.run_until_idle(errors="collect")

    assert subscription.stats() == (1, 0, 0, 1, 1, 0, 0)
    assert "retry schedule" in caplog.text


class Speechless(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


def test_an_error_without_words_is_a_failed_delivery_like_any_other(topic, broker, clock, dead):
    subscription = topic.subscribe(Failing(clock, Speechless()), retry={"numRetries": 1}, dead_letter=dead)

    topic.publish("x")
    broker.run_until_idle(budget=60, errors="collect")

    assert subscription.stats() == (1, 0, 0, 2, 1, 0, 0)
    assert "Speechless" in dead.receive()[0].failure.error


def test_an_answer_without_words_is_a_delivery_like_any_other(topic, broker, ledger):
    subscription = topic.subscribe(lambda _: Speechless())

    topic.publish("x")
    broker.run_until_idle()

    assert subscription.stats().delivered == 1
    assert "Speechless" in next(one.reason for one in ledger.changes if one.cause == "delivered")


# -- handlers ------------------------------------------------------------------------------------------------------------


def test_every_kind_of_callable_is_a_handler(topic, broker):
    got: list[str] = []

    def plain(notification: Any) -> None:
        got.append(f"def {notification.text}")

    async def awaited(notification: Any) -> None:
        await asyncio.sleep(0)
        got.append(f"async def {notification.text}")

    def both(kind: str, notification: Any) -> None:
        got.append(f"{kind} {notification.text}")

    class Box:
        def deliver(self, notification: Any) -> None:
            got.append(f"deliver {notification.text}")

    class AsyncBox:
        async def deliver(self, notification: Any) -> None:
            got.append(f"async deliver {notification.text}")

    class Callable:
        async def __call__(self, notification: Any) -> None:
            got.append(f"async call {notification.text}")

    partials = functools.partial(both, "partial"), functools.partial(awaited)
    for target in (
        plain,
        awaited,
        Box(),
        AsyncBox(),
        Callable(),
        *partials,
        lambda one: got.append(f"lambda {one.text}"),
    ):
        topic.subscribe(target)

    topic.publish("x")
    broker.run_until_idle()

    assert got == [
        *(
            "def x",
            "async def x",
            "deliver x",
            "async deliver x",
            "async call x",
            "partial x",
            "async def x",
            "lambda x",
        )
    ]


def test_a_handler_sees_what_was_published_and_which_attempt_it_is(topic, broker, clock):
    seen: list[Any] = []

    def handler(notification: Any) -> None:
        seen.append(notification)
        if notification.attempt < 3:
            raise ValueError

    topic.subscribe(handler)
    clock.advance(5)
    sent = topic.publish({"id": 7}, subject="S", attributes={"n": 1}, group="g")
    broker.run_until_idle(errors="collect")

    assert [one.attempt for one in seen] == [1, 2, 3]
    last = seen[-1]
    assert (last.id, last.json(), last.subject, last.attributes, last.group) == (sent.id, {"id": 7}, "S", {"n": 1}, "g")
    assert (last.topic, last.published_at) == ("events", clock.time)


@pytest.mark.parametrize("error", [SystemExit(1), asyncio.CancelledError(), GeneratorExit()])
@pytest.mark.parametrize("awaited", [False, True])
def test_what_is_no_exception_is_a_failed_delivery_too(topic, broker, error, awaited, dead):
    """A handler that ends itself every time must not be called at once for ever."""
    calls: list[int] = []

    def fails(notification: Any) -> None:
        calls.append(notification.attempt)
        raise error

    async def fails_later(notification: Any) -> None:
        fails(notification)

    if awaited and isinstance(error, GeneratorExit):
        pytest.skip("that is how Python ends a coroutine")
    subscription = topic.subscribe(fails_later if awaited else fails, retry={"numRetries": 1}, dead_letter=dead)
    topic.publish("x")
    for _ in range(4):
        with suppress(type(error)):
            broker.run_until_idle(budget=60, errors="collect")

    assert calls == [1, 2]
    assert subscription.stats() == (1, 0, 0, 2, 1, 0, 0)


def test_a_ctrl_c_in_a_handler_is_no_failure_of_the_target(topic, broker):
    calls: list[int] = []

    def handler(notification: Any) -> None:
        calls.append(notification.attempt)
        if len(calls) == 1:
            raise KeyboardInterrupt

    subscription = topic.subscribe(handler)
    topic.publish("x")

    with pytest.raises(KeyboardInterrupt):
        broker.run_until_idle()
    broker.run_until_idle()

    assert calls == [1, 1]
    assert subscription.stats() == (1, 0, 1, 0, 0, 0, 0)


def test_a_keyboard_interrupt_of_a_handler_in_a_thread_is_its_own():
    """Python tells the main thread alone of a Ctrl-C."""
    done = threading.Event()
    calls: list[int] = []

    def handler(notification: Any) -> None:
        calls.append(notification.attempt)
        if notification.attempt == 2:
            done.set()
        else:
            raise KeyboardInterrupt

    with Broker() as broker:
        broker.topic("t").subscribe(handler)
        broker.topic("t").publish("x")
        assert done.wait(10)

    assert calls == [1, 2]


def test_a_def_that_returns_a_coroutine_is_told_to_be_an_async_def(topic, broker):
    async def later() -> None: ...

    topic.subscribe(lambda _: later(), retry={"numRetries": 0})
    topic.publish("x")

    with pytest.raises(TypeError, match="declare it async def"):
        broker.run_until_idle()


# -- isolation, rate, concurrency ------------------------------------------------------------------------------------------


def test_a_failing_target_delays_no_other(topic, broker, clock):
    got: list[str] = []
    failing = topic.subscribe(Failing(clock))
    topic.subscribe(lambda one: got.append(one.text))

    for number in range(10):
        topic.publish(str(number))
    broker.run_until_idle(errors="collect")

    assert sorted(got, key=int) == [str(number) for number in range(10)]
    assert clock.now() == 0
    assert failing.stats().backlog == 10


def test_a_slow_target_delays_no_other_in_real_time():
    enough, go_on = threading.Event(), threading.Event()
    got: list[str] = []

    def slow(_: Any) -> None:
        go_on.wait(10)

    def quick(one: Any) -> None:
        got.append(one.text)
        if len(got) == 50:
            enough.set()

    with Broker() as broker:
        topic = broker.topic("t")
        hanging = topic.subscribe(slow, concurrency=2)
        topic.subscribe(quick)
        for number in range(50):
            topic.publish(str(number))

        assert enough.wait(10)
        assert hanging.stats().delivered == 0
        go_on.set()


def test_no_more_deliveries_at_a_time_than_agreed():
    lock, idle = threading.Lock(), threading.Semaphore(0)
    now, most = 0, 0

    def handler(_: Any) -> None:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        threading.Event().wait(0.002)
        with lock:
            now -= 1
        idle.release()

    with Broker() as broker:
        subscription = broker.topic("t").subscribe(handler, concurrency=3)
        for _ in range(30):
            broker.topic("t").publish("x")
        assert all(idle.acquire(timeout=10) for _ in range(30))

    assert 1 <= most <= 3
    assert subscription.stats().delivered == 30


def test_max_rate_spaces_deliveries_on_the_clock(topic, broker, clock):
    """SNS: maxReceivesPerSecond of a throttle policy."""
    at: list[float] = []
    topic.subscribe(lambda _: at.append(clock.now() / SECOND), max_rate=4)

    for _ in range(9):
        topic.publish("x")
    broker.run_until_idle(budget=10)

    assert at == [number / 4 for number in range(9)]


def test_retries_count_in_the_rate_too(topic, broker, clock):
    target = Failing(clock, times=5)
    topic.subscribe(target, max_rate=2)

    for _ in range(3):
        topic.publish("x")
    broker.run_until_idle(budget=100, errors="collect")

    assert len(target.at) == 8
    assert min(target.delays) >= 0.5


# -- the bound of a backlog --------------------------------------------------------------------------------------------------


def test_a_full_backlog_goes_to_the_dead_letter_queue(topic, broker, dead, ledger):
    got: list[str] = []
    subscription = topic.subscribe(lambda one: got.append(one.text), max_backlog=2, dead_letter=dead)

    for text in "abcd":
        topic.publish(text, attributes={"t": text})

    letters = dead.receive(max_messages=10)
    assert [(one.text, one.failure.error, one.failure.attempts) for one in letters] == [
        ("c", "BacklogFull", 0),
        ("d", "BacklogFull", 0),
    ]
    broker.run_until_idle()
    assert got == ["a", "b"]
    assert subscription.stats() == (4, 0, 2, 0, 2, 0, 0)
    assert ledger.counts["undelivered"] == 2


def test_a_full_backlog_without_a_dead_letter_queue_drops_with_a_record_and_a_warning(topic, broker, ledger, caplog):
    subscription = topic.subscribe(print, max_backlog=1)

    topic.publish("a")
    topic.publish("b")

    [record] = [one for one in ledger.changes if one.cause == "undelivered"]
    assert (record.text, record.other, record.reason) == ("b", None, "BacklogFull: the backlog of 1 is full")
    assert "was not delivered" in caplog.text
    assert subscription.stats() == (2, 0, 0, 0, 0, 1, 1)
    subscription.cancel()


def test_on_virtual_time_a_publisher_that_waits_runs_the_due_work(topic, broker, clock):
    """A wait in the clock's own thread jumps to what makes room."""
    got: list[tuple[str, float]] = []
    topic.subscribe(
        lambda one: got.append((one.text, clock.now() / SECOND)), max_backlog=2, on_full="block", max_rate=1
    )

    for text in "abcde":
        topic.publish(text)

    assert [text for text, _ in got] == ["a", "b", "c"]
    assert clock.now() == 2 * SECOND
    broker.run_until_idle(budget=60)
    assert got == [(text, number) for number, text in enumerate("abcde")]


def test_on_real_time_a_publisher_waits_and_is_woken():
    go_on, waiting = threading.Event(), threading.Event()
    published: list[str] = []

    def slow(_: Any) -> None:
        go_on.wait(10)

    with Broker() as broker:
        topic = broker.topic("t")
        subscription = topic.subscribe(slow, max_backlog=2, on_full="block", concurrency=1)

        def publisher() -> None:
            for text in "abcd":
                if text == "c":
                    waiting.set()
                published.append(topic.publish(text).id)

        thread = threading.Thread(target=publisher)
        thread.start()
        assert waiting.wait(10)
        assert len(published) == 2
        go_on.set()
        thread.join(10)

        assert len(published) == 4
    assert subscription.stats().delivered + subscription.stats().dropped == 4
    assert subscription.line is not None
    assert subscription.line.reserved == 0


def test_on_an_event_loop_a_publisher_is_told_instead(topic, broker):
    subscription = topic.subscribe(print, max_backlog=1, on_full="block")
    queue = broker.queue("q")
    topic.subscribe(queue)
    topic.publish("a")

    async def main() -> None:
        with pytest.raises(BacklogFull, match=r"asyncio\.to_thread"):
            topic.publish("b")

    asyncio.run(main())

    assert queue.stats().visible == 1  # nothing was published
    assert topic.stats().published == 1
    assert subscription.line is not None
    assert (subscription.line.reserved, len(subscription.line._room)) == (0, 0)


def test_nobody_waits_for_room_that_nothing_will_make(broker, clock):
    topic = broker.topic("t")
    subscription = topic.subscribe(Failing(clock), retry={"numRetries": 0}, max_backlog=1, on_full="block")
    topic.publish("a")
    subscription.line.waiting.clear()  # as if a target had taken it, and never answered

    with pytest.raises(ClockStuck, match="waits for room"):
        topic.publish("b")

    assert (subscription.line.reserved, len(subscription.line._room)) == (0, 0)
    subscription.line.pending.clear()
    subscription.line.accepted = 0


def test_a_filter_keeps_a_full_backlog_out_of_other_peoples_way(topic, broker):
    topic.subscribe(print, max_backlog=1, on_full="block", filter={"a": ["x"]})
    topic.publish("1", attributes={"a": "x"})

    topic.publish("2")

    assert topic.stats().published == 2
    topic.subscriptions[0].cancel()


# -- the end -------------------------------------------------------------------------------------------------------------


def test_what_waits_at_cancel_goes_to_the_dead_letter_queue_at_once(topic, broker, clock, dead):
    """Also what waits for its next attempt: after cancel() the target is not called any more."""
    target = Failing(clock)
    subscription = topic.subscribe(target, dead_letter=dead, retry=HTTP)
    topic.publish("tried once")
    broker.run_until_idle(errors="collect")
    topic.publish("not yet")

    subscription.cancel()

    letters = {one.text: one.failure for one in dead.receive(max_messages=10)}
    assert {text: (one.error, one.attempts) for text, one in letters.items()} == {
        "tried once": ("Unsubscribed", 1),
        "not yet": ("Unsubscribed", 0),
    }
    broker.run_until_idle(budget=DAY, errors="collect")
    assert len(target.at) == 1
    assert subscription.stats() == (2, 0, 0, 1, 2, 0, 0)


def test_a_delivery_under_way_at_cancel_comes_to_its_end(topic, broker, dead):
    subscription: Any = None

    def handler(_: Any) -> None:
        subscription.cancel()
        raise ValueError("last words")

    subscription = topic.subscribe(handler, dead_letter=dead)
    topic.publish("x")
    broker.run_until_idle(budget=60, errors="collect")

    [letter] = dead.receive()
    assert (letter.failure.error, letter.failure.attempts) == ("ValueError", 1)
    assert subscription.stats() == (1, 0, 0, 1, 1, 0, 0)


def test_a_broker_that_is_closed_gives_up_what_waits(clock, ledger):
    broker = Broker(clock=clock, observers=[ledger])
    topic, dead = broker.topic("t"), broker.queue("dead")
    kept = topic.subscribe(Failing(clock), dead_letter=dead)
    lost = topic.subscribe(Failing(clock))
    topic.publish("tried")
    broker.run_until_idle(errors="collect")
    topic.publish("waits")

    broker.close()

    assert (kept.stats().dead_lettered, lost.stats().dropped) == (2, 2)
    assert kept.stats().backlog == lost.stats().backlog == 0
    assert ledger.counts["undelivered"] == 4
    assert dead.stats().visible == 2
    broker.check()


def test_a_dead_letter_queue_that_is_closed_is_in_the_record(topic, broker, clock, dead, ledger):
    subscription = topic.subscribe(Failing(clock), dead_letter=dead, retry={"numRetries": 0})
    dead.close()

    topic.publish("x")
    broker.run_until_idle(errors="collect")

    [record] = [one for one in ledger.changes if one.cause == "undelivered"]
    assert (record.other, record.receives) == (None, 1)
    assert "dead-letter queue 'dead' did not take it" in record.reason
    assert subscription.stats() == (1, 0, 0, 1, 0, 1, 0)


@pytest.mark.parametrize(("envelope", "attributes"), [(False, 3), (True, 3), (False, 11)])
def test_dead_letters_are_as_they_would_have_been_delivered(topic, broker, clock, dead, envelope, attributes):
    """SNS: not raw = the JSON notification, raw = body and SQS attributes; over ten attributes fit in an envelope only."""
    topic.subscribe(Failing(clock), dead_letter=dead, retry={"numRetries": 0}, envelope=envelope)
    given = {f"a{number}": number for number in range(attributes)}

    sent = topic.publish("x", attributes=given)
    broker.run_until_idle(errors="collect")

    [letter] = dead.receive()
    if envelope or attributes > 10:
        found = json.loads(letter.text)
        assert (found["Message"], found["MessageId"], set(found["MessageAttributes"])) == ("x", sent.id, set(given))
    else:
        assert (letter.text, letter.attributes) == ("x", given)
    assert letter.failure.error == "ValueError"


def test_a_closed_topic_still_delivers_what_waits(topic, broker):
    got: list[str] = []
    topic.subscribe(lambda one: got.append(one.text))
    topic.publish("x")
    topic.close()

    broker.run_until_idle()

    assert got == ["x"]


def test_a_handler_may_publish_subscribe_and_cancel(topic, broker):
    got: list[str] = []

    def second(one: Any) -> None:
        got.append(f"second {one.text}")

    def first(one: Any) -> None:
        got.append(one.text)
        if one.text == "a":
            topic.subscribe(second)
            topic.publish("b")
            mine.cancel()

    mine = topic.subscribe(first)
    topic.publish("a")
    broker.run_until_idle()

    assert sorted(got) in (["a", "second b"], ["a", "b", "second b"])


def test_a_notification_that_is_dropped_for_want_of_room_goes_nowhere_else(broker: Broker, topic: Topic) -> None:
    dead = broker.queue("dead")
    subscription = topic.subscribe(lambda notification: None, max_backlog=1, on_full="drop", dead_letter=dead)

    topic.publish("delivered")
    topic.publish("dropped")
    broker.run_until_idle()

    assert (subscription.stats().delivered, subscription.stats().dropped, dead.stats().visible) == (1, 1, 0)


# -- the end -----------------------------------------------------------------------------------------------------------


def test_what_was_published_before_the_end_of_with_is_still_pushed() -> None:
    got: list[str] = []

    with Broker() as broker:
        topic = broker.topic("events")
        topic.subscribe(lambda notification: got.append(notification.text), concurrency=1)
        for number in range(20):
            topic.publish(str(number))

    assert sorted(got, key=int) == [str(number) for number in range(20)]


def test_what_was_published_before_the_end_of_async_with_is_still_pushed() -> None:
    got: list[str] = []

    async def handle(notification: Notification) -> None:
        await asyncio.sleep(0)
        got.append(notification.text)

    async def main() -> None:
        async with Broker() as broker:
            topic = broker.topic("events")
            topic.subscribe(handle, concurrency=1)
            for number in range(20):
                topic.publish(str(number))

    asyncio.run(main())

    assert len(got) == 20


def test_the_end_waits_for_no_push_that_a_rate_holds_back_and_no_longer_than_its_timeout() -> None:
    broker, gate = Broker().start(), threading.Event()
    topic = broker.topic("events")
    slow = topic.subscribe(lambda notification: None, max_rate=0.001, concurrency=1)
    stuck = topic.subscribe(lambda notification: gate.wait(), concurrency=1)
    topic.publish("a")
    topic.publish("b")

    late = broker.close(timeout=0.5)
    gate.set()

    assert len(late) == 1
    assert (slow.stats().delivered, slow.stats().dropped) == (1, 1)
    assert stuck.stats().dropped == 1


def test_at_the_end_a_consumer_takes_no_more_while_pushes_are_made() -> None:
    broker = Broker().start()
    orders, topic = broker.queue("orders"), broker.topic("events")
    handled: list[str] = []
    begun, closing = threading.Event(), threading.Event()

    def handle(notification: Notification) -> None:
        begun.set()
        assert closing.wait(10)
        orders.send("from a handler")

    orders.consume(lambda message: handled.append(message.body))
    topic.subscribe(handle, concurrency=1)
    topic.publish("first")
    topic.publish("second")
    assert begun.wait(10)
    closer = threading.Thread(target=broker.close)
    closer.start()
    while not broker._workers().closing:
        pass
    closing.set()
    closer.join()

    assert handled == []
    assert [message.receive_count for message in orders.peek()] == [0, 0]
