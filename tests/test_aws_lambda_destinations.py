"""Lambda on the wire: what becomes of asynchronous invocations, set by PutFunctionEventInvokeConfig and its siblings."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from lambda_caller import INVALID, MISSING, OWNER, Caller, arn

from decouple import Queue
from decouple.aws import World
from decouple.aws.service import Service
from decouple.testing import VirtualClock

RESULTS, BAD = arn("results", "", "sqs"), arn("bad", "", "sqs")


@pytest.fixture
def world(clock: VirtualClock) -> Iterator[World]:
    world = World(clock=clock, account=OWNER)

    def handle(event: Any, context: Any) -> Any:
        if event == "fail":
            raise LookupError("no luck")
        return event

    world.handlers["app.handler"] = handle
    yield world
    world.check()
    world.close()


@pytest.fixture
def aws(world: World) -> Caller:
    caller = Caller(world, request_id="r-1")
    caller.create()
    return caller


def put(aws: Caller, operation: str = "PutFunctionEventInvokeConfig", **given: Any) -> dict[str, Any]:
    return aws(operation, FunctionName="resize", **given)


def send(aws: Caller, event: Any) -> None:
    aws("Invoke", FunctionName="resize", InvocationType="Event", Payload=json.dumps(event).encode())
    aws.broker.run_until_idle(budget=1_000, errors="collect")


def records(queue: Queue) -> list[Any]:
    return [json.loads(message.body) for message in queue.receive(max_messages=10)]


def test_a_configuration_is_shown_with_both_destinations_and_what_was_given(aws: Caller) -> None:
    answer = put(aws, MaximumRetryAttempts=1)

    assert answer == {
        "FunctionArn": arn("resize:$LATEST"),
        "LastModified": datetime(2026, 1, 1, tzinfo=UTC),
        "MaximumRetryAttempts": 1,
        "DestinationConfig": {"OnSuccess": {}, "OnFailure": {}},
    }
    assert put(aws, "GetFunctionEventInvokeConfig") == answer
    assert put(aws, "ListFunctionEventInvokeConfigs") == {"FunctionEventInvokeConfigs": [answer]}


def test_put_sets_anew_and_update_keeps_the_rest(aws: Caller) -> None:
    put(aws, MaximumRetryAttempts=1, DestinationConfig={"OnFailure": {"Destination": BAD}})

    changed = put(aws, "UpdateFunctionEventInvokeConfig", MaximumEventAgeInSeconds=90)
    assert (changed["MaximumRetryAttempts"], changed["MaximumEventAgeInSeconds"]) == (1, 90)
    assert changed["DestinationConfig"] == {"OnSuccess": {}, "OnFailure": {"Destination": BAD}}
    settings = aws.function().settings
    assert (settings["retries"], settings["max_age"], settings["on_failure"].arn) == (1, 90, BAD)

    anew = put(aws, MaximumEventAgeInSeconds=60)
    assert "MaximumRetryAttempts" not in anew
    settings = aws.function().settings
    assert (settings["retries"], settings["max_age"], settings["on_failure"]) == (2, 60, None)


def test_a_deleted_configuration_is_as_by_default(aws: Caller) -> None:
    put(aws, MaximumRetryAttempts=0)

    assert put(aws, "DeleteFunctionEventInvokeConfig") == {}

    assert aws.function().settings["retries"] == 2
    for operation, given in (
        ("GetFunctionEventInvokeConfig", {}),
        ("DeleteFunctionEventInvokeConfig", {}),
        ("UpdateFunctionEventInvokeConfig", {"MaximumRetryAttempts": 1}),
    ):
        assert aws.refused(operation, FunctionName="resize", **given) == (
            *MISSING,
            f"The function {arn('resize:$LATEST')} doesn't have an EventInvokeConfig",
        )
    assert put(aws, "ListFunctionEventInvokeConfigs") == {"FunctionEventInvokeConfigs": []}


def test_a_function_declared_with_other_values_than_the_defaults_has_a_configuration(aws: Caller) -> None:
    bad = aws.broker.queue("bad")
    aws.broker.function(lambda event, context: 1 / 0, name="native", retries=0, on_failure=bad)

    answer = aws("GetFunctionEventInvokeConfig", FunctionName="native")

    assert (answer["MaximumRetryAttempts"], answer["MaximumEventAgeInSeconds"]) == (0, 21_600)
    assert answer["DestinationConfig"] == {"OnSuccess": {}, "OnFailure": {"Destination": bad.arn}}
    aws("UpdateFunctionEventInvokeConfig", FunctionName="native", MaximumRetryAttempts=1)
    assert aws.function("native").settings["on_failure"] is bad


def test_what_was_put_for_an_alias_is_stored_only(aws: Caller) -> None:
    aws("CreateAlias", FunctionName="resize", Name="live", FunctionVersion="$LATEST")

    answer = put(aws, Qualifier="live", MaximumRetryAttempts=0)

    assert answer["FunctionArn"] == arn("resize:live")
    assert aws.function().settings["retries"] == 2
    assert aws.refused("GetFunctionEventInvokeConfig", FunctionName="resize")[:2] == MISSING
    assert put(aws, "ListFunctionEventInvokeConfigs") == {"FunctionEventInvokeConfigs": [answer]}
    assert (
        aws.refused("PutFunctionEventInvokeConfig", FunctionName="resize", Qualifier="no", MaximumRetryAttempts=0)[:2]
        == MISSING
    )


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({}, "You must specify at least one of error handling or destination setting."),
        (
            {"DestinationConfig": {"OnFailure": {"Destination": arn()}}},
            "You can't specify the function as a destination for itself.",
        ),
        (
            {"DestinationConfig": {"OnSuccess": {"Destination": arn("results.fifo", "", "sqs")}}},
            f"The destination ARN {arn('results.fifo', '', 'sqs')} is invalid: FIFO queues and topics cannot be destinations",
        ),
        (
            {"DestinationConfig": {"OnFailure": {"Destination": "arn:aws:s3:::bucket"}}},
            "There is no S3 here, so arn:aws:s3:::bucket cannot be a destination",
        ),
        (
            {"DestinationConfig": {"OnSuccess": {"Destination": "arn:aws:s3:::bucket"}}},
            "The destination ARN arn:aws:s3:::bucket is invalid.",
        ),
        (
            {"DestinationConfig": {"OnSuccess": {"Destination": "arn:aws:kinesis:us-east-1:111122223333:stream/a"}}},
            "The destination ARN arn:aws:kinesis:us-east-1:111122223333:stream/a is invalid.",
        ),
    ],
    ids=["nothing", "itself", "fifo", "s3", "s3 for successes", "kinesis"],
)
def test_what_a_configuration_cannot_be(aws: Caller, given: dict[str, Any], text: str) -> None:
    assert aws.refused("PutFunctionEventInvokeConfig", FunctionName="resize", **given) == (*INVALID, text)


def test_the_record_of_a_success_goes_to_its_destination(aws: Caller) -> None:
    results = aws.broker.queue("results")
    put(aws, DestinationConfig={"OnSuccess": {"Destination": RESULTS}})

    send(aws, {"a": 1})

    [record] = records(results)
    assert record["requestContext"] == {
        "requestId": "r-1",
        "functionArn": arn("resize:$LATEST"),
        "condition": "Success",
        "approximateInvokeCount": 1,
    }
    assert (record["requestPayload"], record["responsePayload"]) == ({"a": 1}, {"a": 1})


def test_the_record_of_a_failure_goes_to_its_destination_after_two_retries_and_the_event_to_the_dead_letters(
    aws: Caller,
) -> None:
    bad, dead = aws.broker.queue("bad"), aws.broker.queue("dead")
    aws("UpdateFunctionConfiguration", FunctionName="resize", DeadLetterConfig={"TargetArn": dead.arn})
    put(aws, DestinationConfig={"OnFailure": {"Destination": BAD}})

    send(aws, "fail")

    [record] = records(bad)
    assert record["requestContext"]["condition"] == "RetriesExhausted"
    assert record["requestContext"]["approximateInvokeCount"] == 3
    assert record["responsePayload"]["errorType"] == "LookupError"
    [message] = dead.receive()
    assert message.body == '"fail"'
    assert message.attributes["RequestID"] == "r-1"


def test_a_topic_and_a_function_are_destinations_too(aws: Caller, world: World) -> None:
    seen: list[Any] = []
    world.handlers["app.see"] = lambda event, context: seen.append(event)
    aws.create("see", "app.see")
    topic, bad = aws.broker.topic("events"), aws.broker.queue("bad")
    topic.subscribe(bad)
    put(
        aws,
        MaximumRetryAttempts=0,
        DestinationConfig={"OnSuccess": {"Destination": arn("see")}, "OnFailure": {"Destination": topic.arn}},
    )

    send(aws, "good")
    send(aws, "fail")

    assert [record["requestPayload"] for record in seen] == ["good"]
    [record] = records(bad)
    assert record["requestPayload"] == "fail"


@pytest.mark.parametrize(
    "target",
    [RESULTS, arn("events", "", "sns"), arn("see"), arn("default", "event-bus", "events").replace("bus:", "bus/")],
    ids=["queue", "topic", "function", "bus"],
)
def test_a_destination_that_is_not_there_undoes_nothing(
    aws: Caller, target: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("decouple.aws.service.find_service", lambda name: None)
    put(aws, DestinationConfig={"OnSuccess": {"Destination": target}})

    send(aws, 1)

    assert "the destination" in caplog.text
    assert target in caplog.text
    assert aws.function().stats().pending == 0


def test_an_event_bus_gets_the_record_in_an_event(aws: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    bus = f"arn:aws:events:us-east-1:{OWNER}:event-bus/default"
    events = Service("events", "Amazon EventBridge", modules=())
    entries: list[Any] = []

    @events.operation("PutEvents")
    def put_events(call: Any, given: Any) -> dict[str, Any]:
        entries.extend(given["Entries"])
        return {"FailedEntryCount": len(entries) - 1, "Entries": [{"ErrorMessage": "full"}]}

    monkeypatch.setattr("decouple.aws.service.find_service", lambda name: events)
    put(
        aws, MaximumRetryAttempts=0, DestinationConfig={one: {"Destination": bus} for one in ("OnSuccess", "OnFailure")}
    )

    send(aws, 1)
    send(aws, "fail")

    assert [entry["DetailType"] for entry in entries] == [
        "Lambda Function Invocation Result - Success",
        "Lambda Function Invocation Result - Failure",
    ]
    first = entries[0]
    assert (first["Source"], first["EventBusName"]) == ("lambda", bus)
    assert first["Resources"] == [bus, arn("resize:$LATEST")]
    assert json.loads(first["Detail"])["requestPayload"] == 1
