"""Consumers: a handler is called with each message; its return acknowledges, its exception gives the message back."""

from __future__ import annotations

import asyncio
import functools
import itertools
import logging
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from contextvars import ContextVar, copy_context
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any, Literal, TypedDict

import attrs
import pytest
from test_interrupts import Tracer, interrupt

from decouple import (
    BodyNotDecoded,
    Broker,
    EndlessWork,
    Message,
    NeedsBroker,
    NotInFlight,
    Queue,
    QueueClosed,
    Reject,
    Retry,
)
from decouple.consumer import Consumer
from decouple.core.backoff import exponential, until
from decouple.testing import Ledger, VirtualClock

SOON = 10.0
"""Real seconds that nothing here takes unless it hangs."""
HOURS = 3_600


@attrs.frozen
class Order:
    id: int


@dataclass
class Parcel:
    weight: float
    note: str = ""


class Line(TypedDict):
    sku: str


@pytest.fixture
def orders(broker: Broker) -> Queue:
    return broker.queue("orders", dead_letter=broker.queue("dead"), max_receives=5)


def fail(_: object) -> None:
    raise ValueError("not today")


def endings(consumer: Consumer[..., Any]) -> dict[str, int]:
    """The counts that are not zero."""
    names = ("received", "succeeded", "failed", "retried", "rejected", "interrupted", "late")
    return {name: count for name in names if (count := getattr(consumer.stats(), name))}


# -- declaring ---------------------------------------------------------------------------------------------------------


def test_a_decorated_handler_gets_each_message_and_its_return_acknowledges(broker: Broker, orders: Queue) -> None:
    got: list[str] = []

    @orders.consume
    def handle(message: Message) -> None:
        got.append(message.body)

    orders.send_batch(["a", "b", "c"])
    broker.run_until_idle()

    assert got == ["a", "b", "c"]
    assert orders.stats().deleted == 3
    assert endings(handle) == {"received": 3, "succeeded": 3}


def test_a_consumer_declared_by_a_call_takes_what_is_there_already(broker: Broker, orders: Queue) -> None:
    got: list[str] = []
    orders.send_batch(["a", "b"])

    orders.consume(lambda message: got.append(message.body), concurrency=2)
    broker.run_until_idle()

    assert got == ["a", "b"]


def test_the_decorated_handler_stays_callable_with_its_name_and_words(orders: Queue) -> None:
    @orders.consume(concurrency=4)
    def add(number: int, more: int = 1) -> int:
        """Add one."""
        return number + more

    assert add(2, more=3) == 5
    assert (add.__name__, add.__doc__) == ("add", "Add one.")  # type: ignore[attr-defined]
    assert repr(add).startswith("<Consumer ")
    assert repr(add).endswith("add of queue 'orders': running, 0 of 4 running>")


def test_an_async_handler_is_awaited(broker: Broker, orders: Queue) -> None:
    got: list[str] = []

    @orders.consume
    async def handle(text: str) -> None:
        await asyncio.sleep(0)
        got.append(text)

    orders.send_batch(["a", "b"])
    broker.run_until_idle()

    assert got == ["a", "b"]
    assert asyncio.run(handle("c")) is None
    assert got == ["a", "b", "c"]


def test_a_handler_decorated_for_two_queues_serves_both(broker: Broker, orders: Queue) -> None:
    got: list[str] = []
    others = broker.queue("others")

    @others.consume
    @orders.consume
    async def handle(text: str) -> None:
        got.append(text)

    orders.send("a")
    others.send("b")
    broker.run_until_idle()

    assert sorted(got) == ["a", "b"]


def test_a_message_that_fails_for_ever_at_one_instant_ends_the_work_with_what_to_do(broker: Broker) -> None:
    """On a virtual clock no time passes between an attempt and the next, so nothing else would end it."""
    orders = broker.queue("patient")
    seen: list[str] = []

    @orders.consume
    def pay(order: str) -> None:
        seen.append(order)
        raise ValueError("no funds")

    orders.send("order 7")
    with pytest.raises(
        EndlessWork, match=r"pay .* failed 1,000 times .* no funds.*: give the queue a dead_letter"
    ) as raised:
        broker.run_until_idle(budget=100)

    assert (len(seen), raised.value.links) == (1_000, 1_000)
    assert str(raised.value.__cause__) == "no funds"
    assert orders.stats().delayed + orders.stats().in_flight == 1


def test_many_messages_may_fail_at_one_instant_and_one_may_fail_often_as_time_passes(broker: Broker) -> None:
    orders = broker.queue("patient")
    left = Counter({f"order {number}": 5 for number in range(300)})

    @orders.consume(retry={LookupError: exponential(1, 1)})
    def pay(order: str) -> None:
        left[order] -= 1
        if left[order] > 0:
            raise ValueError
        if order == "order 0" and left[order] > -1_010:
            raise LookupError

    orders.send_batch(list(left))
    broker.run_until_idle(budget=3_600, errors="collect")

    assert orders.stats().visible == 0


USER = ContextVar("USER", default="nobody")


def test_each_handler_sees_the_context_variables_of_the_declaration(broker: Broker, orders: Queue) -> None:
    seen: list[str] = []

    def declare() -> None:
        USER.set("the declarer")

        @orders.consume
        def handle(text: str) -> None:
            seen.append(USER.get())
            USER.set(text)

    copy_context().run(declare)
    USER.set("the sender")
    orders.send_batch(["a", "b"])
    broker.run_until_idle()

    assert seen == ["the declarer", "the declarer"]


def test_a_queue_without_a_broker_says_that_it_needs_one(clock: VirtualClock) -> None:
    with pytest.raises(NeedsBroker, match="a consumer of queue 'orders'"):
        Queue("orders", clock=clock).consume(fail)


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"concurrency": 0}, ValueError, "at least 1, not 0: pause"),
        ({"concurrency": True}, TypeError, "must be an int, not True"),
        ({"heartbeat": 0}, ValueError, "heartbeat must be over 0 s and under the visibility timeout .* 30 s"),
        ({"heartbeat": 30}, ValueError, "half of it or less, not 30"),
        ({"heartbeat": "5"}, TypeError, "heartbeat must be seconds"),
        ({"retry": 5}, TypeError, "retry must be a schedule such as decouple.resilience.exponential.*not 5"),
        ({"retry": {"ValueError": None}}, TypeError, "by exception class, not by 'ValueError'"),
        ({"retry": {ValueError: 5}}, TypeError, r"retry\[ValueError\] must be a schedule .* not 5"),
    ],
)
def test_wrong_settings_are_refused_at_the_declaration(
    orders: Queue, settings: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        orders.consume(fail, **settings)

    assert orders.stats().parked == 0


def test_what_is_no_handler_for_messages_is_refused(broker: Broker, orders: Queue) -> None:
    with pytest.raises(TypeError, match="must be callable with a message or its body, not 5"):
        orders.consume(5)  # type: ignore[call-overload]
    with pytest.raises(TypeError, match=r"takes events, not messages: declare queue.trigger"):
        orders.consume(broker.function(lambda event, context: None, name="f"))
    with pytest.raises(TypeError, match=r"must take one argument, .*missing a required argument: 'context'"):
        orders.consume(lambda event, context: None)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"must take one argument, .*too many positional"):
        orders.consume(lambda: None)


# -- what the handler gets ---------------------------------------------------------------------------------------------


def by_text(body: str) -> object:
    return body


def by_dict(body: dict[str, Any]) -> object:
    return body


def by_list(body: list[int]) -> object:
    return body


def by_attrs(body: Order) -> object:
    return body


def by_dataclass(body: Parcel, more: int = 0) -> object:
    return body


def by_typed_dict(body: Line) -> object:
    return body


def by_union(body: list[Order] | None) -> object:
    return body


def by_literal(body: Literal["up", "down"]) -> object:
    return body


def by_mapping(body: Mapping[str, float]) -> object:
    return body


def by_annotated(body: Annotated[list[int], "of numbers"]) -> object:
    return body


class Way(Enum):
    UP = "up"


def by_enum(body: Way) -> object:
    return body


class Callee:
    def __call__(self, body: Order) -> object:
        return body

    def method(self, body: Order) -> object:
        return body


@pytest.mark.parametrize(
    ("handler", "text", "body"),
    [
        (by_text, '{"id": 7}', '{"id": 7}'),
        (by_dict, '{"id": 7}', {"id": 7}),
        (by_list, "[1, 2]", [1, 2]),
        (by_attrs, '{"id": 7}', Order(7)),
        (by_dataclass, '{"weight": 1}', Parcel(1.0)),
        (by_typed_dict, '{"sku": "x"}', {"sku": "x"}),
        (by_union, '[{"id": 7}]', [Order(7)]),
        (by_union, "null", None),
        (by_literal, '"up"', "up"),
        (by_mapping, '{"a": 1}', {"a": 1.0}),
        (by_annotated, "[1]", [1]),
        (by_enum, '"up"', Way.UP),
        (Callee(), '{"id": 7}', Order(7)),
        (Callee().method, '{"id": 7}', Order(7)),
        (functools.partial(by_dataclass, more=5), '{"weight": 1}', Parcel(1.0)),
    ],
)
def test_the_body_is_decoded_by_the_annotation(
    broker: Broker, orders: Queue, handler: Callable[[Any], object], text: str, body: object
) -> None:
    got: list[object] = []

    @functools.wraps(handler)
    def handle(one: Any) -> None:
        got.append(handler(one))

    if not hasattr(handler, "__name__"):
        handle.__wrapped__ = handler  # type: ignore[attr-defined]
    orders.consume(handle)
    orders.send(text)
    broker.run_until_idle()

    assert got == [body]


def test_models_are_decoded_by_their_own_package(broker: Broker, orders: Queue) -> None:
    msgspec, pydantic = pytest.importorskip("msgspec"), pytest.importorskip("pydantic")
    struct = msgspec.defstruct("Struct", [("id", int)])
    model = pydantic.create_model("Model", id=(int, ...))
    got: list[object] = []

    def handle(body: Any) -> None:
        got.append(body)

    for kind in (struct, model):
        handle.__annotations__["body"] = kind
        consumer = orders.consume(handle)
        orders.send({"id": 7})
        broker.run_until_idle()
        consumer.close()

    assert got == [struct(id=7), model(id=7)]


def any_message(message: Any) -> None: ...


def a_typed_message(message: Message[Order]) -> None: ...


def an_object(message: object) -> None: ...


@pytest.mark.parametrize("handler", [lambda message: None, any_message, a_typed_message, an_object, "".join, print])
def test_other_handlers_get_the_message(orders: Queue, handler: Callable[[Any], object]) -> None:
    assert repr(orders.consume(handler)._wanted) == "<Wanted Message>"


def test_message_is_known_also_where_only_type_checkers_import_it(orders: Queue) -> None:
    names: dict[str, Any] = {}
    exec("from __future__ import annotations\ndef handle(message: Message) -> None: ...", names)

    assert repr(orders.consume(names["handle"])._wanted) == "<Wanted Message>"


def test_an_annotation_that_cannot_be_resolved_is_an_error_at_the_declaration(orders: Queue) -> None:
    class Local:
        pass

    def handle(body: Local) -> None: ...

    with pytest.raises(
        TypeError, match=r"handle .*annotates 'body' with 'Local', which cannot be resolved .*module level"
    ):
        orders.consume(handle)


def takes_bytes(body: bytes) -> None: ...


def takes_a_queue(body: Queue) -> None: ...


def takes_sets(body: list[set[int]]) -> None: ...


@pytest.mark.parametrize("handler", [takes_bytes, takes_a_queue, takes_sets])
def test_an_annotation_that_no_body_can_be_decoded_to_is_refused(
    orders: Queue, handler: Callable[[Any], object]
) -> None:
    with pytest.raises(TypeError, match="which no body can be decoded to: annotate it with Message, str"):
        orders.consume(handler)


def test_a_typed_queue_s_handler_gets_what_the_queue_decodes(broker: Broker) -> None:
    orders = broker.queue("orders", body=Order)
    got: list[object] = []

    @orders.consume
    def handle(order: Order) -> None:
        got.append(order)

    @orders.consume
    def handle_text(text: str) -> None:
        got.append(text)

    orders.send(Order(1))
    orders.send(Order(2))
    broker.run_until_idle()

    assert sorted(got, key=str) == [Order(1), '{"id": 2}'] or sorted(got, key=str) == [Order(2), '{"id": 1}']


def test_a_body_that_does_not_decode_is_a_dead_letter_with_the_reason(broker: Broker, orders: Queue) -> None:
    consumer = orders.consume(by_attrs)

    orders.send_batch(['{"id": "seven"}', '{"id": 8}'])
    broker.run_until_idle()

    [letter] = broker.queues["dead"].peek()
    assert letter.failure is not None
    assert letter.failure.error == "BodyNotDecoded"
    assert "body.id must be int, not 'seven'" in letter.failure.text
    assert endings(consumer) == {"received": 2, "succeeded": 1, "rejected": 1}


def test_a_typed_queue_s_bad_body_does_not_stop_its_consumer(broker: Broker) -> None:
    orders = broker.queue("orders", body=Order, dead_letter=broker.queue("dead"))
    broker.queue("raw").send("no order")
    got: list[int] = []
    orders.consume(lambda message: got.append(message.body.id))

    broker.queue("raw").receive()[0].move(orders, body=Order(1))
    orders._core.send_all(orders._now(), [("no order", None, 0)])  # as a move from a queue of text brings it
    orders.send(Order(2))
    broker.run_until_idle()

    assert got == [1, 2]
    assert broker.queues["dead"].stats().visible == 1


def test_a_body_that_does_not_decode_fails_where_there_is_no_dead_letter_queue(broker: Broker) -> None:
    bare = broker.queue("bare")
    consumer = bare.consume(by_attrs, retry=exponential(10, jitter="none"))

    bare.send("no order")
    report = broker.run_until_idle(errors="collect")

    assert [type(error) for error in report.errors] == [BodyNotDecoded]
    assert endings(consumer) == {"received": 1, "failed": 1, "retried": 1}
    assert bare.stats().in_flight == 1


# -- what becomes of the message ---------------------------------------------------------------------------------------


def test_an_exception_gives_the_message_back_at_once_and_the_last_one_is_the_dead_letter_s(
    broker: Broker, orders: Queue
) -> None:
    consumer = orders.consume(fail)

    orders.send("a")
    report = broker.run_until_idle(errors="collect")

    [letter] = broker.queues["dead"].peek()
    assert letter.failure is not None
    assert (letter.failure.error, letter.failure.text, letter.failure.attempts) == ("ValueError", "not today", 5)
    assert "in fail" in letter.failure.traceback
    assert len(report.errors) == 5
    assert endings(consumer) == {"received": 5, "failed": 5, "retried": 5}


def test_a_schedule_says_how_long_a_failed_message_waits(broker: Broker, orders: Queue, clock: VirtualClock) -> None:
    times: list[int] = []

    @orders.consume(retry=exponential(10, 300, jitter="none"))
    def handle(message: Message) -> None:
        times.append(round((clock.time - message.sent_at).total_seconds()))
        if len(times) < 5:
            raise ValueError

    orders.send("a")
    broker.run_until_idle(budget=HOURS, errors="collect")

    assert times == [0, 10, 30, 70, 150]
    assert orders.stats().deleted == 1


@pytest.mark.parametrize("jitter", ["full", "equal", "decorrelated"])
def test_jitter_comes_from_the_broker_s_seed(jitter: str) -> None:
    def run(seed: int) -> list[float]:
        clock = VirtualClock()
        broker = Broker(clock=clock, seed=seed)
        orders = broker.queue("orders", retention=14 * 24 * HOURS)
        times: list[float] = []

        @orders.consume(retry=exponential(10, 300, jitter=jitter))
        def handle(message: Message) -> None:
            times.append((clock.time - message.sent_at).total_seconds())
            if len(times) < 20:
                raise ValueError

        orders.send("a")
        broker.run_until_idle(budget=4 * HOURS, errors="collect")
        return times

    first = run(1)

    assert first == run(1)
    assert first != run(2)
    assert len(first) == 20
    delays = [later - sooner for sooner, later in itertools.pairwise(first)]
    assert max(delays) <= 300
    assert max(delays) > 30


def test_each_class_of_exception_has_its_own_schedule_the_most_derived_first(
    broker: Broker, orders: Queue, clock: VirtualClock
) -> None:
    due: dict[str, str] = {}
    errors = {"index": IndexError("i"), "lookup": LookupError("l"), "value": ValueError("v"), "other": OSError("o")}
    policy = {
        LookupError: exponential(40, jitter="none"),
        IndexError: exponential(20, jitter="none"),
        ValueError: until(exponential(1), max_attempts=1),
    }

    @orders.consume(retry=policy)
    def handle(message: Message) -> None:
        if message.receive_count == 1:
            raise errors[message.body]
        due[message.body] = f"{clock.time:%M:%S}"

    orders.send_batch(list(errors))
    broker.run_until_idle(budget=HOURS, errors="collect")

    assert due == {"index": "00:20", "lookup": "00:40", "other": "00:00"}
    [letter] = broker.queues["dead"].peek()
    assert letter.failure is not None
    assert (letter.body, letter.failure.error, letter.failure.text) == ("value", "ValueError", "v")


def test_a_policy_that_gives_up_without_a_dead_letter_queue_lets_the_message_go_and_says_so(
    broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    bare = broker.queue("bare")
    consumer = bare.consume(fail, retry=until(exponential(1), max_attempts=2))

    bare.send("a")
    broker.run_until_idle(budget=60, errors="collect")

    assert bare.stats().rejected == 1
    assert endings(consumer) == {"received": 2, "failed": 2, "retried": 1, "rejected": 1}
    assert "gave up message" in caplog.text
    assert "not today" in caplog.text


class Nonsense:
    def after(self, failures: int, **more: Any) -> int | None:
        raise ZeroDivisionError("a schedule with a fault")


def test_a_schedule_that_fails_leaves_the_message_to_its_visibility_timeout(
    broker: Broker, orders: Queue, caplog: pytest.LogCaptureFixture
) -> None:
    consumer = orders.consume(fail, retry=Nonsense())

    orders.send("a")
    broker.run_until_idle(budget=29.9, errors="collect")
    assert consumer.stats().received == 1

    broker.run_until_idle(budget=30, errors="collect")
    assert consumer.stats().received == 2
    assert "a schedule with a fault" in caplog.text


def test_a_handler_may_ask_for_the_message_again_after_a_delay(
    broker: Broker, orders: Queue, clock: VirtualClock
) -> None:
    times: list[int] = []
    reasons: list[str] = []

    @orders.consume(retry=exponential(100, jitter="none"))
    def handle(message: Message) -> None:
        times.append(clock.time.second + 60 * clock.time.minute)
        if message.receive_count == 1:
            raise Retry("the shop is closed", delay=7)
        assert message.failure is not None
        reasons.append(message.failure.text)
        if message.receive_count == 2:
            raise Retry

    orders.send("a")
    report = broker.run_until_idle(budget=HOURS)

    assert times == [0, 7, 207]  # the second Retry waits as the policy says after two attempts
    assert reasons == ["the shop is closed", "the handler asked for it again"]
    assert report.errors == ()
    assert endings(handle) == {"received": 3, "succeeded": 1, "retried": 2}


def test_a_handler_may_reject_the_message_with_a_reason(broker: Broker, orders: Queue) -> None:
    @orders.consume
    def handle(message: Message) -> None:
        raise Reject("no such customer")

    orders.send("a")
    report = broker.run_until_idle()

    [letter] = broker.queues["dead"].peek()
    assert letter.failure is not None
    assert (letter.failure.error, letter.failure.text, letter.failure.attempts) == ("Rejected", "no such customer", 1)
    assert report.errors == ()
    assert endings(handle) == {"received": 1, "rejected": 1}


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Retry(5), "Retry.delay=5., not 5"),
        (lambda: Retry(delay=-1), "delay must be from 0 to 43,200"),
        (lambda: Retry(delay=43_201), "delay must be from 0 to 43,200"),
        (lambda: Reject(""), "reason must say why"),
    ],
)
def test_a_wrong_verdict_says_so_where_it_is_made(make: Callable[[], object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        make()


def test_a_handler_may_settle_its_message_itself(broker: Broker, orders: Queue, clock: VirtualClock) -> None:
    @orders.consume
    def handle(message: Message) -> None:
        if message.receive_count == 1:
            message.nack(delay=40)
        else:
            message.ack()
            raise ValueError("after all was done")

    orders.send("a")
    report = broker.run_until_idle(budget=60, errors="collect")

    assert clock.time.second == 40
    assert [str(error) for error in report.errors] == ["after all was done"]
    assert endings(handle) == {"received": 2, "succeeded": 2, "failed": 1}


def test_a_handler_that_is_no_async_def_and_returns_a_coroutine_has_failed(broker: Broker, orders: Queue) -> None:
    async def work(_: object) -> None: ...

    orders.consume(lambda message: work(message))
    orders.send("a")
    report = broker.run_until_idle(errors="collect")

    assert "is no async def and returned a coroutine" in str(report.errors[0])
    assert broker.queues["dead"].stats().visible == 1


class Mute(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


def test_an_error_that_cannot_be_shown_is_dealt_with_as_any_other(broker: Broker, orders: Queue) -> None:
    @orders.consume
    def handle(_: object) -> None:
        raise Mute

    orders.send("a")
    broker.run_until_idle(errors="collect")

    [letter] = broker.queues["dead"].peek()
    assert letter.failure is not None
    assert "Mute" in letter.failure.error


def test_the_error_of_a_handler_is_raised_when_all_is_done(broker: Broker) -> None:
    bare = broker.queue("bare")
    got: list[str] = []

    @bare.consume(retry=exponential(60))
    def handle(text: str) -> None:
        got.append(text)
        if text == "a":
            raise ValueError("not today")

    bare.send_batch(["a", "b"])
    with pytest.raises(ValueError, match="not today"):
        broker.run_until_idle()

    assert got == ["a", "b"]


# -- order -------------------------------------------------------------------------------------------------------------


def test_a_group_waits_for_its_failed_message(broker: Broker) -> None:
    orders = broker.queue("orders.fifo", content_based_deduplication=True)
    got: list[str] = []

    @orders.consume(concurrency=4, retry=exponential(10, jitter="none"))
    def handle(message: Message) -> None:
        got.append(message.body)
        if message.body == "a1" and message.receive_count == 1:
            raise Retry

    for text in ("a1", "a2", "b1", "a3", "b2"):
        orders.send(text, group=text[0])
    broker.run_until_idle()
    assert got == ["a1", "b1", "b2"]

    broker.run_until_idle(budget=10)
    assert got == ["a1", "b1", "b2", "a1", "a2", "a3"]


def test_a_late_acknowledgement_of_a_fifo_message_counts_and_it_comes_again(
    broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    orders = broker.queue("orders.fifo", content_based_deduplication=True)

    @orders.consume
    def handle(message: Message) -> None:
        if message.receive_count == 1:
            broker.queue("nothing").receive(wait=31)

    orders.send("a", group="a")
    broker.run_until_idle(budget=31)

    assert endings(handle) == {"received": 2, "succeeded": 2, "late": 1}
    assert "handled message" in caplog.text


def test_a_fifo_message_whose_time_is_over_when_its_handler_fails_is_left_alone(broker: Broker) -> None:
    orders = broker.queue("orders.fifo", content_based_deduplication=True, visibility_timeout=10)
    nothing = broker.queue("nothing")
    attempts: list[int] = []

    @orders.consume(retry=exponential(100, jitter="none"))
    def handle(message: Message) -> None:
        attempts.append(message.receive_count)
        if message.receive_count == 1:
            nothing.receive(wait=11)
            raise Retry

    orders.send("a", group="a")
    broker.run_until_idle(budget=12)

    assert attempts == [1, 2]
    assert endings(handle) == {"received": 2, "succeeded": 1, "retried": 1, "late": 1}


def test_a_message_that_is_gone_when_it_is_rejected_is_told(
    broker: Broker, orders: Queue, caplog: pytest.LogCaptureFixture
) -> None:
    @orders.consume
    def handle(message: Message) -> None:
        orders.purge()
        raise Reject("why")

    orders.send("a")
    broker.run_until_idle()

    assert endings(handle) == {"received": 1, "rejected": 1, "late": 1}
    assert "rejected message" in caplog.text
    assert broker.queues["dead"].stats().visible == 0


# -- heartbeats --------------------------------------------------------------------------------------------------------


def test_without_a_heartbeat_a_slow_handler_s_message_comes_again(broker: Broker, orders: Queue) -> None:
    slow = orders.consume(lambda _: broker.queue("nothing").receive(wait=50))
    orders.send("a")

    broker.run_until_idle()

    assert slow.stats().late == 1
    assert orders.stats().expired == 1


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_a_heartbeat_keeps_the_message_while_its_handler_waits(
    broker: Broker, orders: Queue, clock: VirtualClock, ledger: Ledger, kind: str
) -> None:
    nothing = broker.queue("nothing")

    def wait(_: object) -> None:
        nothing.receive(wait=100)

    async def await_it(_: object) -> None:
        await nothing.aio.receive(wait=100)

    consumer = orders.consume(wait if kind == "def" else await_it, heartbeat=10)
    orders.send("a")
    broker.run_until_idle()

    assert clock.time.minute * 60 + clock.time.second == 100
    assert endings(consumer) == {"received": 1, "succeeded": 1}
    beats = [change for change in ledger.changes if change.cause == "visibility changed"]
    assert [change.happened_at.minute * 60 + change.happened_at.second for change in beats] == list(range(10, 100, 10))
    assert consumer.stats().p50 == pytest.approx(100, rel=0.04)


def test_a_heartbeat_stops_with_its_handler(broker: Broker, orders: Queue, clock: VirtualClock) -> None:
    consumer = orders.consume(fail, heartbeat=10, retry=exponential(100, jitter="none"))
    orders.send("a")
    broker.run_until_idle(errors="collect")

    clock.advance(99.9)
    assert consumer.stats().received == 1

    with suppress(ValueError):
        broker.run_until_idle(budget=0.1)
    assert consumer.stats().received == 2


def test_a_heartbeat_keeps_a_message_for_twelve_hours_and_no_longer(
    broker: Broker, orders: Queue, clock: VirtualClock
) -> None:
    def wait(message: Message) -> None:
        if message.receive_count == 1:
            broker.queue("nothing").receive(wait=13 * HOURS)

    consumer = orders.consume(wait, heartbeat=20)
    orders.send("a")
    broker.run_until_idle()

    assert orders.stats().expired == 1
    assert consumer.stats().late == 1
    assert orders.stats().deleted == 1


def test_a_message_that_is_lost_meanwhile_is_told_and_its_handler_goes_on(
    broker: Broker, orders: Queue, caplog: pytest.LogCaptureFixture
) -> None:
    finished: list[str] = []

    @orders.consume(heartbeat=10)
    def handle(message: Message) -> None:
        orders.purge()
        broker.queue("nothing").receive(wait=25)
        finished.append(message.body)
        with pytest.raises(NotInFlight):
            message.extend(5)

    orders.send("a")
    broker.run_until_idle()

    assert finished == ["a"]
    assert endings(handle) == {"received": 1, "succeeded": 1, "late": 1}
    assert caplog.text.count("lost message") == 1


def test_a_heartbeat_stops_when_the_thread_of_its_handler_is_dead(broker: Broker, orders: Queue) -> None:
    dead = threading.Thread(target=lambda: None)
    dead.start()
    dead.join()

    @orders.consume(heartbeat=10)
    def handle(message: Message) -> None:
        if message.receive_count == 1:
            for turn in handle._turns:
                turn.thread = dead
            broker.queue("nothing").receive(wait=100)

    orders.send("a")
    broker.run_until_idle(budget=100)

    assert orders.stats().expired == 1
    assert handle.stats().late == 1


def test_a_message_that_is_gone_before_a_worker_has_time_is_not_handled(
    broker: Broker, orders: Queue, caplog: pytest.LogCaptureFixture
) -> None:
    got: list[str] = []
    consumer = orders.consume(lambda message: got.append(message.body))

    orders.send("a")  # on its way to a worker
    orders.purge()
    orders.send("b")
    broker.run_until_idle()

    assert got == ["b"]
    assert endings(consumer) == {"received": 1, "succeeded": 1, "late": 1}
    assert "too late: its visibility timeout was over" in caplog.text


def test_consumers_that_wait_again_and_again_leave_nothing_behind(broker: Broker, orders: Queue) -> None:
    orders.consume(lambda message: None)
    orders.send("kept")
    broker.run_until_idle()
    [_] = orders.receive() or [orders.send("held")]
    runner = orders._runner("a test")

    for number in range(200):
        orders.send(str(number))
        broker.run_until_idle()

    assert len(runner._backlog.later) <= 2


# -- pause, resume, close ----------------------------------------------------------------------------------------------


def test_a_paused_consumer_takes_nothing_until_it_is_resumed(broker: Broker, orders: Queue) -> None:
    got: list[str] = []
    consumer = orders.consume(lambda message: got.append(message.body))
    orders.send("a")  # on its way already

    consumer.pause()
    broker.run_until_idle()
    [waiting] = orders.peek()
    assert (got, waiting.receive_count, consumer.stats().state) == ([], 0, "paused")

    consumer.resume()
    consumer.resume()
    broker.run_until_idle()
    assert (got, consumer.stats().state) == (["a"], "running")


def test_a_closed_consumer_takes_nothing_any_more(broker: Broker, orders: Queue) -> None:
    consumer = orders.consume(fail)

    consumer.close()
    consumer.close()
    orders.send("a")
    broker.run_until_idle()

    assert consumer.closed
    assert orders.stats().visible == 1
    with pytest.raises(QueueClosed):
        consumer.resume()


def test_a_consumer_is_closed_with_its_queue(broker: Broker) -> None:
    bare = broker.queue("bare")
    consumer = bare.consume(fail)

    broker.delete(bare)
    broker.run_until_idle()

    assert consumer.closed
    with pytest.raises(QueueClosed):
        bare.consume(fail)


def test_what_was_not_begun_when_the_broker_closes_goes_back_as_it_was(clock: VirtualClock) -> None:
    broker = Broker(clock=clock)
    bare = broker.queue("bare")
    consumer = bare.consume(fail)
    bare.send("a")

    broker.close()

    assert consumer.closed
    [waiting] = bare.peek()
    assert waiting.receive_count == 0
    broker.check()


def test_concurrency_can_be_changed(broker: Broker, orders: Queue) -> None:
    consumer = orders.consume(lambda message: None, concurrency=3)

    consumer.concurrency = 1
    assert consumer.concurrency == 1
    with pytest.raises(ValueError, match="at least 1"):
        consumer.concurrency = 0

    orders.send_batch(["a", "b", "c"])
    broker.run_until_idle()
    assert consumer.stats().succeeded == 3


# -- interrupts --------------------------------------------------------------------------------------------------------


def test_a_ctrl_c_in_a_handler_leaves_the_message_where_it_was(broker: Broker, orders: Queue) -> None:
    got: list[int] = []

    @orders.consume
    def handle(message: Message) -> None:
        got.append(message.receive_count)
        if message.receive_count == 1:
            raise KeyboardInterrupt

    orders.send("a")
    with pytest.raises(KeyboardInterrupt):
        broker.run_until_idle()
    assert orders.stats().visible + orders.stats().in_flight == 1

    broker.run_until_idle()
    assert got == [1, 2]
    assert endings(handle) == {"received": 2, "succeeded": 1, "interrupted": 1}


def plainly(orders: Queue, got: Counter[str]) -> Consumer[..., Any]:
    return orders.consume(lambda message: got.update([message.body]), heartbeat=10)


def with_failures(orders: Queue, got: Counter[str]) -> Consumer[..., Any]:
    def handle(message: Message) -> None:
        got[message.body] += 1
        if message.receive_count == 1:
            raise Retry(delay=5)

    return orders.consume(handle, heartbeat=10)


@pytest.mark.parametrize("name", ["orders", "orders.fifo"])
@pytest.mark.parametrize("begin", [plainly, with_failures])
def test_a_ctrl_c_anywhere_loses_no_message_and_the_consumer_goes_on(
    begin: Callable[[Queue, Counter[str]], Consumer[..., Any]], name: str
) -> None:
    def world() -> tuple[Broker, Queue, Counter[str], Consumer[..., Any]]:
        broker = Broker(clock=VirtualClock())
        orders = broker.queue(name)
        got: Counter[str] = Counter()
        consumer = begin(orders, got)
        for text in ("a", "b"):
            orders.send(text, **({"group": "g", "deduplication_id": text} if orders.fifo else {}))
        return broker, orders, got, consumer

    def points() -> int:
        broker = world()[0]
        tracer = Tracer(0, interrupt)
        tracer.run(broker.run_until_idle)
        broker.close()
        return tracer.seen

    stuck: Counter[str] = Counter()
    for at in range(1, points() + 1):
        broker, orders, got, consumer = world()
        tracer = Tracer(at, interrupt)
        with suppress(KeyboardInterrupt):
            tracer.run(broker.run_until_idle)
        broker.run_until_idle(budget=100)

        broker.check()
        stats = consumer.stats()
        if got.keys() != {"a", "b"} or orders.stats().deleted != 2 or stats.running or orders.stats().parked != 1:
            stuck[tracer.where] += 1
        broker.close()
    assert stuck == {}


def test_a_ctrl_c_in_an_async_handler_cancels_it_and_gives_the_message_back(broker: Broker, orders: Queue) -> None:
    got: list[int] = []

    @orders.consume
    async def handle(message: Message) -> None:
        got.append(message.receive_count)
        if message.receive_count == 1:
            signal.raise_signal(signal.SIGINT)
            await asyncio.Event().wait()

    orders.send("a")
    with pytest.raises(KeyboardInterrupt):
        broker.run_until_idle()
    assert orders.stats().visible + orders.stats().in_flight == 1

    broker.run_until_idle()
    assert got == [1, 2]
    assert endings(handle) == {"received": 2, "succeeded": 1, "interrupted": 1}


# -- threads and tasks -------------------------------------------------------------------------------------------------


class Room:
    """Counts who is in it at a time, and lets them out when `most` are there."""

    def __init__(self, most: int) -> None:
        self.here = threading.Barrier(most)

    def enter(self, _: object) -> None:
        self.here.wait(SOON)


def test_threads_handle_as_many_messages_at_a_time_as_are_allowed() -> None:
    with Broker() as broker:
        orders = broker.queue("orders")
        consumer = orders.consume(Room(4).enter, concurrency=4)
        orders.send_batch([str(number) for number in range(40)])
        broker.run_until_idle()

        assert consumer.stats().peak == 4
        assert endings(consumer) == {"received": 40, "succeeded": 40}
        broker.check()


def test_tasks_handle_as_many_messages_at_a_time_as_are_allowed() -> None:
    async def main() -> None:
        async with Broker() as broker:
            orders = broker.queue("orders")
            inside = 0
            full = asyncio.Event()

            @orders.consume(concurrency=3)
            async def handle(_: object) -> None:
                nonlocal inside
                inside += 1
                if inside >= 3:
                    full.set()
                await asyncio.wait_for(full.wait(), SOON)

            orders.send_batch([str(number) for number in range(12)])
            await asyncio.to_thread(broker.run_until_idle)

            assert handle.stats().peak == 3
            assert endings(handle) == {"received": 12, "succeeded": 12}
            broker.check()

    asyncio.run(main())


def test_concurrency_raised_while_handlers_run_lets_more_begin() -> None:
    with Broker() as broker:
        orders = broker.queue("orders")
        begun, room = threading.Event(), Room(3)

        def handle(_: object) -> None:
            begun.set()
            room.enter(_)

        consumer = orders.consume(handle)
        orders.send_batch(["a", "b", "c"])
        assert begun.wait(SOON)
        consumer.concurrency = 3
        broker.run_until_idle()

        assert consumer.stats().peak == 3
        assert consumer.stats().succeeded == 3


def test_what_a_handler_raises_leaves_its_worker_alive() -> None:
    with Broker() as broker:
        orders = broker.queue("orders")
        threads: set[threading.Thread] = set()

        @orders.consume
        def handle(message: Message) -> None:
            threads.add(threading.current_thread())
            if message.receive_count == 1:
                sys.exit("the handler wants to go")

        orders.send("a")
        report = broker.run_until_idle(errors="collect")

        assert [type(error) for error in report.errors] == [SystemExit]
        assert all(thread.is_alive() for thread in threads)
        assert endings(handle) == {"received": 2, "succeeded": 1, "failed": 1, "retried": 1}


def test_a_handler_that_runs_at_close_may_finish_and_the_rest_goes_back_as_it_was() -> None:
    inside, go = threading.Event(), threading.Event()
    broker = Broker().start()
    orders = broker.queue("orders")

    def handle(_: object) -> None:
        inside.set()
        assert go.wait(SOON)

    consumer = orders.consume(handle)
    orders.send_batch(["a", "b", "c"])
    assert inside.wait(SOON)
    closer = threading.Thread(target=broker.close)
    closer.start()
    go.set()
    closer.join(SOON)

    assert endings(consumer)["succeeded"] == 1
    assert orders.stats().deleted == 1
    broker.check()
    assert {message.receive_count for message in orders.peek()} == {0}


def test_a_close_under_load_loses_nothing_and_what_was_not_begun_is_as_it_was() -> None:
    broker = Broker().start()
    orders = broker.queue("orders")
    done: Counter[str] = Counter()
    under_way = threading.Event()

    def handle(text: str) -> None:
        done[text] += 1
        if len(done) >= 50:
            under_way.set()

    async def handle_too(text: str) -> None:
        await asyncio.sleep(0)
        handle(text)

    consumers = [orders.consume(handle, concurrency=8, heartbeat=5), orders.consume(handle_too, concurrency=8)]
    orders.send_batch([str(number) for number in range(1_000)])
    assert under_way.wait(SOON)
    assert broker.close() == []

    broker.check()
    assert set(done.values()) == {1}
    assert orders.stats().deleted == len(done) == sum(one.stats().succeeded for one in consumers)
    assert orders.stats().in_flight == 0
    assert all(message.receive_count == 0 for message in orders.peek(1_000))
    assert all(consumer.closed for consumer in consumers)


def test_a_task_cancelled_at_close_gives_its_message_back_at_once() -> None:
    async def main() -> None:
        broker = Broker()
        async with broker:
            orders = broker.queue("orders")
            inside = asyncio.Event()

            @orders.consume
            async def handle(_: object) -> None:
                inside.set()
                await asyncio.Event().wait()

            orders.send("a")
            await asyncio.wait_for(inside.wait(), SOON)
            late = await broker.aclose(timeout=0)

            assert len(late) == 1
            assert "handle of queue 'orders' handles message" in late[0]
            assert endings(handle) == {"received": 1, "interrupted": 1}
            [back] = orders.peek()
            assert (back.receive_count, back.failure) == (1, None)

    asyncio.run(main())


def test_a_heartbeat_beats_also_when_every_worker_is_busy() -> None:
    with Broker() as broker:
        orders = broker.queue("orders", visibility_timeout=1)
        beaten = threading.Event()
        broker.queues["orders"]._observe([lambda change: change.cause == "visibility changed" and beaten.set()])
        room = threading.Barrier(32)

        def handle(_: object) -> None:
            room.wait(SOON)
            assert beaten.wait(SOON)

        consumer = orders.consume(handle, concurrency=32, heartbeat=0.05)
        orders.send_batch([str(number) for number in range(32)])
        broker.run_until_idle()

        assert endings(consumer) == {"received": 32, "succeeded": 32}
        assert orders.stats().expired == 0


@pytest.mark.slow
def test_under_load_every_message_is_acknowledged_once() -> None:
    with Broker() as broker:
        orders, replies = broker.queue("orders"), broker.queue("replies.fifo", content_based_deduplication=True)
        got: Counter[str] = Counter()
        order: dict[str, list[int]] = {}

        @orders.consume(concurrency=8, heartbeat=5)
        def handle(text: str) -> None:
            got[text] += 1
            if len(got) % 7 == 0 and got[text] == 1:
                raise Retry
            replies.send(text, group=text[-1])

        @replies.consume(concurrency=5)
        async def read(message: Message) -> None:
            assert message.group is not None
            order.setdefault(message.group, []).append(int(message.sequence or 0))
            await asyncio.sleep(0)

        senders = [
            threading.Thread(target=lambda start=start: [orders.send(str(number)) for number in range(start, 4_000, 4)])
            for start in range(4)
        ]
        for sender in senders:
            sender.start()
        number = 0
        while any(sender.is_alive() for sender in senders):
            number += 1
            handle.concurrency = 1 + number % 8
            handle.pause()
            handle.resume()
        broker.run_until_idle()

        assert len(got) == 4_000
        assert orders.stats().deleted == replies.stats().deleted == 4_000
        assert all(numbers == sorted(numbers) for numbers in order.values())
        assert orders.stats().expired == 0
        assert handle.stats().peak <= 8
        assert handle.stats().received == sum(got.values())
        broker.check()


def test_nothing_is_logged_where_all_goes_well(broker: Broker, orders: Queue, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "decouple")
    orders.consume(lambda message: None, heartbeat=10)

    orders.send("a")
    broker.run_until_idle()

    assert caplog.text == ""
