"""Function.send: events that are accepted at once and seen through, with retries, destinations and dead letters."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from decouple import Broker, Queue
from decouple.function import Function
from decouple.lineage import LINEAGE, after, mark_of, merged, read_lineage, trace_header
from decouple.runner import Report
from decouple.testing import Ledger, VirtualClock


class Handler:
    """Fails as often as it is told; `at`: the seconds at which it ran, `ids`: its request ids."""

    __name__ = "work"

    def __init__(self, clock: VirtualClock, failures: int = 0) -> None:
        self.clock = clock
        self.failures = failures
        self.at: list[float] = []
        self.ids: list[str] = []

    def __call__(self, event: Any, context: Any) -> Any:
        self.at.append(self.clock.now() / 1e9)
        self.ids.append(context.aws_request_id)
        if len(self.at) <= self.failures:
            raise LookupError(f"no {event}")
        return {"got": event}


@pytest.fixture
def bad(broker: Broker) -> Queue:
    return broker.queue("bad")


@pytest.fixture
def good(broker: Broker) -> Queue:
    return broker.queue("good")


@pytest.fixture
def quiet(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.WARNING, logger="decouple")
    return caplog


def run(broker: Broker, seconds: float = 0) -> Report:
    return broker.run_until_idle(budget=seconds, errors="collect")


def only(queue: Queue) -> Any:
    """The JSON of the one message in a queue."""
    [message] = queue.receive(max_messages=10)
    message.ack()
    return message.json()


# -- accepted, and run -------------------------------------------------------------------------------------------------


def test_send_returns_at_once_with_the_request_id_and_the_handler_runs_when_there_is_time(
    broker: Broker, clock: VirtualClock, ledger: Ledger
) -> None:
    handler = Handler(clock)
    function = broker.function(handler)

    request_id = function.send({"id": 7})
    assert (handler.at, function.stats().pending) == ([], 1)

    run(broker)
    assert (handler.ids, function.stats().pending) == ([request_id], 0)
    assert [change.cause for change in ledger.changes] == ["event accepted", "invoked"]
    assert {change.id for change in ledger.changes} == {request_id}


@pytest.mark.parametrize("event", [{1}, b"x", float("inf")])
def test_an_event_that_json_cannot_hold_is_refused_at_send(broker: Broker, clock: VirtualClock, event: Any) -> None:
    function = broker.function(Handler(clock))

    with pytest.raises((TypeError, ValueError), match="an event of function 'work' must be JSON"):
        function.send(event)
    assert function.stats().pending == 0


def test_each_attempt_has_a_fresh_copy_of_the_event_as_it_was_sent(broker: Broker) -> None:
    seen = []

    @broker.function
    def spoil(event: Any, context: Any) -> None:
        seen.append(list(event))
        event.append(2)
        raise ValueError

    event = [1]
    spoil.send(event)
    event.append(3)
    run(broker, 1_000)

    assert seen == [[1], [1], [1]]


# -- retries -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("retries", "at"), [(0, [0]), (1, [0, 60]), (2, [0, 60, 180])])
def test_an_error_is_retried_after_exactly_one_minute_and_then_two(
    broker: Broker, clock: VirtualClock, retries: int, at: list[float]
) -> None:
    """Lambda: asynchronous invocation, retries after function errors."""
    handler = Handler(clock, failures=9)
    function = broker.function(handler, retries=retries)

    function.send()
    run(broker, 10_000)

    assert handler.at == at
    assert len(set(handler.ids)) == 1
    assert (function.stats().errors, function.stats().pending) == (retries + 1, 0)


def test_a_retry_that_ends_well_ends_it(broker: Broker, clock: VirtualClock, good: Queue, bad: Queue) -> None:
    handler = Handler(clock, failures=1)
    broker.function(handler, on_success=good, on_failure=bad).send()

    run(broker, 10_000)

    assert handler.at == [0, 60]
    assert only(good)["requestContext"]["approximateInvokeCount"] == 2
    assert bad.stats().visible == 0


def test_a_timeout_is_an_error_that_is_retried(broker: Broker, clock: VirtualClock, bad: Queue) -> None:
    empty = broker.queue("empty")
    function = broker.function(lambda event, context: empty.receive(wait=5), name="slow", on_failure=bad, retries=1)

    request_id = function.send()
    run(broker, 10_000)

    record = only(bad)
    assert record["requestContext"]["approximateInvokeCount"] == function.stats().timeouts == 2
    assert record["responsePayload"] == {
        "errorType": "Sandbox.Timedout",
        "errorMessage": f"RequestId: {request_id} Error: Task timed out after 3.00 seconds",
    }


@pytest.mark.parametrize(
    ("max_age", "at", "condition"),
    [(60, [0, 60], "EventAgeExceeded"), (179, [0, 60], "EventAgeExceeded"), (180, [0, 60, 180], "RetriesExhausted")],
)
def test_a_retry_that_would_begin_after_the_maximum_age_is_not_waited_for(
    broker: Broker, clock: VirtualClock, bad: Queue, max_age: int, at: list[float], condition: str
) -> None:
    """Lambda: EventAgeExceeded, with the count of the runs there were."""
    handler = Handler(clock, failures=9)
    broker.function(handler, max_age=max_age, on_failure=bad).send()

    run(broker, 10_000)

    record = only(bad)
    assert handler.at == at
    assert record["timestamp"] == f"2026-01-01T00:0{int(at[-1]) // 60}:00.000Z"
    assert record["requestContext"]["condition"] == condition
    assert record["requestContext"]["approximateInvokeCount"] == len(at)
    assert record["responsePayload"]["errorType"] == "LookupError"


def test_an_event_that_is_too_old_when_its_turn_comes_is_not_run(
    broker: Broker, clock: VirtualClock, bad: Queue
) -> None:
    empty, handler = broker.queue("empty"), Handler(clock)
    function = broker.function(handler, max_age=60, on_failure=bad)

    @broker.function(timeout=100)
    def both(event: Any, context: Any) -> None:
        function.send("late")
        empty.receive(wait=61)

    both.send()
    run(broker)

    record = only(bad)
    assert handler.at == []
    assert record["requestContext"]["condition"] == "EventAgeExceeded"
    assert record["requestContext"]["approximateInvokeCount"] == 0
    assert record["responsePayload"] is None


# -- no room -----------------------------------------------------------------------------------------------------------


def test_for_want_of_room_it_is_tried_after_a_second_and_less_and_less_often_and_that_is_no_retry(
    broker: Broker, clock: VirtualClock, good: Queue, ledger: Ledger
) -> None:
    """Lambda: throttles are retried with an interval from 1 second to 5 minutes."""
    handler = Handler(clock)
    function = broker.function(handler, concurrency=1, retries=0, on_success=good)
    busy = function.begin(None, lambda outcome: None)
    function.send("e")

    gaps = [clock.advance_to_next() for _ in range(13)]
    busy.abandon()
    run(broker, 300)

    assert gaps == [0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]
    assert only(good)["requestContext"]["approximateInvokeCount"] == 1


def test_what_finds_no_room_until_it_is_too_old_is_given_up(broker: Broker, clock: VirtualClock, bad: Queue) -> None:
    handler = Handler(clock)
    function = broker.function(handler, concurrency=1, max_age=60, on_failure=bad)
    function.begin(None, lambda outcome: None)

    function.send()
    run(broker, 10_000)

    record = only(bad)
    assert record["requestContext"]["condition"] == "EventAgeExceeded"
    assert record["requestContext"]["approximateInvokeCount"] == 0
    assert handler.at == []


def test_with_a_concurrency_of_zero_an_event_goes_straight_to_the_failures(
    broker: Broker, clock: VirtualClock, bad: Queue
) -> None:
    """Lambda: reserved concurrency 0 sends asynchronous events to the destination without a retry."""
    dead = broker.queue("dead")
    function = broker.function(Handler(clock), concurrency=0, on_failure=bad, dead_letter=dead)

    function.send([1])
    report = run(broker)

    assert report.waiting_for == ()
    assert only(bad)["requestContext"]["approximateInvokeCount"] == 0
    assert only(dead) == [1]


# -- destinations ------------------------------------------------------------------------------------------------------


def test_the_record_of_a_success_is_lambdas_to_the_letter(broker: Broker, clock: VirtualClock, good: Queue) -> None:
    """Lambda: capturing records of asynchronous invocations."""
    clock.advance(0.0015)
    request_id = broker.function(Handler(clock), on_success=good).send({"ä": [1, None]})

    run(broker)

    [message] = good.receive()
    assert message.text == json.dumps(
        {
            "version": "1.0",
            "timestamp": "2026-01-01T00:00:00.001Z",
            "requestContext": {
                "requestId": request_id,
                "functionArn": "arn:aws:lambda:us-east-1:000000000000:function:work:$LATEST",
                "condition": "Success",
                "approximateInvokeCount": 1,
            },
            "requestPayload": {"ä": [1, None]},
            "responseContext": {"statusCode": 200, "executedVersion": "$LATEST"},
            "responsePayload": {"got": {"ä": [1, None]}},
        },
        ensure_ascii=False,
    )


def test_the_record_of_a_failure_is_lambdas_to_the_letter_and_its_stack_begins_in_the_handler(
    broker: Broker, clock: VirtualClock, bad: Queue
) -> None:
    request_id = broker.function(Handler(clock, failures=9), on_failure=bad).send("e")

    run(broker, 1_000)

    record = only(bad)
    [frame] = record["responsePayload"].pop("stackTrace")
    assert "in __call__\n    raise LookupError" in frame
    assert list(record) == [
        "version", "timestamp", "requestContext", "requestPayload", "responseContext", "responsePayload",
    ]  # fmt: skip
    assert record == {
        "version": "1.0",
        "timestamp": "2026-01-01T00:03:00.000Z",
        "requestContext": {
            "requestId": request_id,
            "functionArn": "arn:aws:lambda:us-east-1:000000000000:function:work:$LATEST",
            "condition": "RetriesExhausted",
            "approximateInvokeCount": 3,
        },
        "requestPayload": "e",
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
        "responsePayload": {"errorMessage": "no e", "errorType": "LookupError", "requestId": request_id},
    }


@pytest.mark.parametrize(
    ("answer", "kind", "text"),
    [
        (
            lambda: {1},
            "Runtime.MarshalError",
            "Unable to marshal response: Object of type set is not JSON serializable",
        ),
        (lambda: exit(3), "SystemExit", "3"),
    ],
)
def test_what_is_no_answer_has_its_own_error_type(
    broker: Broker, bad: Queue, answer: Any, kind: str, text: str
) -> None:
    broker.function(lambda event, context: answer(), name="odd", on_failure=bad, retries=0).send()

    run(broker)

    payload = only(bad)["responsePayload"]
    assert (payload["errorType"], payload["errorMessage"]) == (kind, text)


def test_the_dead_letter_is_the_event_itself_with_three_attributes(broker: Broker) -> None:
    """Lambda: dead-letter queues."""
    dead = broker.queue("dead")

    def fail(event: Any, context: Any) -> None:
        raise ValueError("ä" * 2_000)

    request_id = broker.function(fail, dead_letter=dead).send({"id": 7})
    run(broker, 1_000)

    [message] = dead.receive()
    assert message.text == '{"id": 7}'
    assert dict(message.attributes) == {"RequestID": request_id, "ErrorCode": 200, "ErrorMessage": "ä" * 512}
    assert message.failure is not None
    assert (message.failure.error, message.failure.attempts) == ("ValueError", 3)
    assert "raise ValueError" in message.failure.traceback
    assert "decouple/invocation.py" not in message.failure.traceback.replace("\\", "/")


def test_a_failure_goes_to_the_destination_and_to_the_dead_letters_each_in_its_form(
    broker: Broker, clock: VirtualClock, bad: Queue
) -> None:
    dead = broker.topic("dead")
    kept = broker.queue("kept")
    dead.subscribe(kept)
    broker.function(Handler(clock, failures=9), retries=0, on_failure=bad, dead_letter=dead).send("e")

    run(broker)

    assert only(bad)["requestPayload"] == "e"
    [message] = kept.receive()
    assert (message.text, sorted(message.attributes)) == ('"e"', ["ErrorCode", "ErrorMessage", "RequestID"])


def test_a_topic_a_function_and_a_callable_are_destinations(broker: Broker, clock: VirtualClock) -> None:
    news, kept = broker.topic("news"), broker.queue("kept")
    news.subscribe(kept)
    seen: list[Any] = []
    next_one = broker.function(lambda event, context: seen.append(event["responsePayload"]), name="next")
    for number, target in enumerate((news, next_one, seen.append)):
        broker.function(Handler(clock), name=f"f{number}", on_success=target).send(number)

    run(broker)

    assert only(kept)["responsePayload"] == {"got": 0}
    assert {"got": 1} in seen
    assert [one["responsePayload"] for one in seen if "version" in one] == [{"got": 2}]


def test_a_destination_that_fails_undoes_nothing_and_is_recorded_and_logged(
    broker: Broker, clock: VirtualClock, ledger: Ledger, quiet: pytest.LogCaptureFixture
) -> None:
    """Lambda: DestinationDeliveryFailures."""
    small = broker.queue("small", max_message_size=1_024)
    function = broker.function(Handler(clock), on_success=small)

    request_id = function.send("x" * 1_000)
    assert run(broker).errors == ()

    [change] = [change for change in ledger.changes if change.cause == "destination failed"]
    assert (change.id, change.other, (change.reason or "")[:16]) == (request_id, "small", "MessageTooLarge:")
    assert "the destination small of function 'work' did not take" in quiet.text
    assert (function.stats().errors, function.stats().pending) == (0, 0)


def test_a_dead_letter_queue_that_is_closed_is_recorded_and_the_event_is_given_up_aloud(
    broker: Broker, clock: VirtualClock, ledger: Ledger, quiet: pytest.LogCaptureFixture
) -> None:
    dead = Queue("dead", clock=clock)
    broker.function(Handler(clock, failures=9), retries=0, dead_letter=dead).send()
    dead.close()

    run(broker)

    assert [change.cause for change in ledger.changes][-2:] == ["destination failed", "event given up"]
    assert "no destination has it" in quiet.text


def test_an_event_that_no_destination_has_is_given_up_aloud_with_a_record(
    broker: Broker, clock: VirtualClock, ledger: Ledger, quiet: pytest.LogCaptureFixture
) -> None:
    request_id = broker.function(Handler(clock, failures=9), retries=0).send()

    run(broker)

    last = ledger.changes[-1]
    assert (last.cause, last.id, last.receives, last.other) == ("event given up", request_id, 1, None)
    assert last.reason == "RetriesExhausted: LookupError: no None"
    assert "no destination has it: RetriesExhausted: LookupError: no None" in quiet.text


def test_a_given_up_event_says_who_has_it(broker: Broker, clock: VirtualClock, bad: Queue, ledger: Ledger) -> None:
    dead = broker.queue("dead")
    broker.function(Handler(clock, failures=9), retries=0, on_failure=bad, dead_letter=dead).send()

    run(broker)

    [change] = [change for change in ledger.changes if change.cause == "event given up"]
    assert change.other == "bad, dead"


# -- the end -----------------------------------------------------------------------------------------------------------


def test_what_is_pending_when_the_broker_closes_goes_to_the_failures(clock: VirtualClock) -> None:
    kept: list[Any] = []
    with Broker(clock=clock) as broker:
        new = broker.function(Handler(clock), name="new", on_failure=kept.append)
        retried = broker.function(Handler(clock, failures=9), name="retried", on_failure=kept.append)
        retried.send(1)
        run(broker)
        new.send(2)

    by_payload = {record["requestPayload"]: record for record in kept}
    assert [by_payload[n]["requestContext"]["condition"] for n in (1, 2)] == ["BrokerClosed", "BrokerClosed"]
    assert [by_payload[n]["requestContext"]["approximateInvokeCount"] for n in (1, 2)] == [1, 0]
    assert [by_payload[n]["responsePayload"]["errorType"] for n in (1, 2)] == ["LookupError", "BrokenOff"]
    assert (new.stats().pending, retried.stats().pending) == (0, 0)


def test_an_event_whose_run_has_its_place_when_the_broker_closes_goes_to_the_failures_unrun(
    clock: VirtualClock, ledger: Ledger
) -> None:
    handler, kept = Handler(clock), list[Any]()
    broker = Broker(clock=clock, observers=[ledger]).start()
    end = broker.function(lambda event, context: broker.close() and None, name="end")
    function = broker.function(handler, on_failure=kept.append)

    end.send()
    function.send(7)
    broker.run_until_idle(errors="collect")

    assert handler.at == []
    assert kept[0]["requestContext"]["condition"] == "BrokerClosed"
    assert kept[0]["requestContext"]["approximateInvokeCount"] == 0
    assert (function.stats().running, function.stats().pending) == (0, 0)
    assert [change.cause for change in ledger.changes].count("event given up") == 1


def test_on_real_time_every_event_sent_is_run_once_by_threads_and_tasks() -> None:
    seen: list[int] = []
    with Broker() as broker:
        first = broker.function(lambda event, context: seen.append(event), name="first")

        @broker.function
        async def second(event: Any, context: Any) -> None:
            seen.append(event)

        for number in range(0, 200, 2):
            first.send(number)
            second.send(number + 1)
        broker.run_until_idle()

    assert sorted(seen) == list(range(200))


# -- loops -------------------------------------------------------------------------------------------------------------


def test_a_function_that_sends_itself_events_is_stopped_after_16_runs(
    broker: Broker, clock: VirtualClock, bad: Queue
) -> None:
    """Lambda: recursive loop detection; the event goes to the destination for failures."""
    runs: list[int] = []

    @broker.function(on_failure=bad)
    def loop(event: Any, context: Any) -> None:
        runs.append(event)
        loop.send(event + 1)

    loop.send(1)
    run(broker, 10_000)

    assert runs == list(range(1, 17))
    record = only(bad)
    assert (record["requestPayload"], record["responsePayload"]["errorType"]) == (17, "RecursionStopped")


def test_a_loop_over_destinations_or_several_functions_is_stopped_too(broker: Broker, bad: Queue) -> None:
    runs: list[str] = []
    functions: dict[str, Function] = {}

    def ping(event: Any, context: Any) -> None:
        runs.append("ping")
        functions["pong"].send()

    functions["ping"] = broker.function(ping, on_failure=bad)
    functions["pong"] = broker.function(
        lambda event, context: runs.append("pong"), name="pong", on_success=functions["ping"]
    )

    functions["ping"].send()
    run(broker)

    assert (runs.count("ping"), runs.count("pong"), bad.stats().visible) == (16, 16, 1)


def test_a_loop_that_is_meant_may_go_on(broker: Broker) -> None:
    """Lambda: PutFunctionRecursionConfig, RecursiveLoop=Allow."""

    @broker.function(recursion="allow")
    def count(event: Any, context: Any) -> None:
        runs.append(event)
        if event < 100:
            count.send(event + 1)

    runs: list[int] = []
    count.send(1)
    run(broker)

    assert len(runs) == 100


def test_retries_are_no_turns_of_a_loop_and_many_events_from_outside_are_none(
    broker: Broker, clock: VirtualClock
) -> None:
    seen: list[Any] = []

    @broker.function
    def work(event: Any, context: Any) -> None:
        seen.append(LINEAGE.get())
        raise ValueError

    for _ in range(20):
        work.send()
    run(broker, 1_000)

    assert seen == [{mark_of("work"): 1}] * 60


def test_a_lineage_is_a_part_of_the_trace_header_and_comes_back_from_it() -> None:
    """X-Ray: Lineage=a87bd80c:1|68fd508a:5|c512fbe3:2."""
    header = "Root=1-5759e988-bd862e3fe1be46a994272793;Lineage=a87bd80c:1|68fd508a:5;Sampled=1"

    lineage = read_lineage(header)
    longer = after(after(lineage, "68fd508a"), "c512fbe3")

    assert lineage == {"a87bd80c": 1, "68fd508a": 5}
    assert trace_header(longer, header) == (
        "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1;Lineage=a87bd80c:1|68fd508a:6|c512fbe3:1"
    )
    assert read_lineage(trace_header(longer)) == longer
    assert trace_header({}, header) == "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1"


@pytest.mark.parametrize("header", [None, "", "Root=1", "Lineage=", "Lineage=x", "Lineage=a:b", "Lineage=:1"])
def test_a_header_without_a_lineage_that_can_be_read_has_none(header: str | None) -> None:
    assert read_lineage(header) == {}


def test_a_function_subscribed_to_a_topic_is_sent_lambda_s_event(broker: Broker) -> None:
    """Lambda: SNS invokes a function asynchronously, with exactly one record."""
    events: list[Any] = []
    topic = broker.topic("orders")

    @broker.function
    def handle(event: Any, context: Any) -> None:
        events.append(event)

    subscription = topic.subscribe(handle)
    sent = topic.publish("tea", subject="an order", attributes={"cups": 2})
    broker.run_until_idle()

    [[record]] = [event["Records"] for event in events]
    assert (subscription.name, record["EventSource"], record["EventSubscriptionArn"]) == (
        "function 'handle'",
        "aws:sns",
        subscription.arn,
    )
    assert (record["Sns"]["MessageId"], record["Sns"]["Message"], record["Sns"]["Subject"]) == (
        sent.id,
        "tea",
        "an order",
    )
    assert record["Sns"]["MessageAttributes"] == {"cups": {"Type": "Number", "Value": "2"}}


def test_the_lineage_of_a_batch_has_the_most_runs_of_each_function() -> None:
    assert merged([{"a": 1, "b": 5}, {}, {"a": 3}]) == {"a": 3, "b": 5}
    assert merged([]) == {}
