"""Lambda on the wire: invocations of every type, and what they answer."""

from __future__ import annotations

import asyncio
import base64
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from lambda_caller import MISSING, OTHER, OWNER, Caller, arn

from decouple.aws import World
from decouple.testing import VirtualClock


@pytest.fixture
def world(clock: VirtualClock) -> Iterator[World]:
    world = World(clock=clock, account=OWNER)

    def handle(event: Any, context: Any) -> Any:
        if event == "fail":
            raise LookupError("no luck")
        if event == "slow":
            clock.advance(4)
        if event == "set":
            return {1}
        if event == "large":
            return "x" * 6_291_600
        if event == "client":
            return [context.client_context.custom, context.client_context.client]
        if event == "half":
            return "\ud800"
        return [event, context.aws_request_id]

    async def wait(event: Any, context: Any) -> Any:
        await asyncio.sleep(0)
        return handle(event, context)

    world.handlers["app.handler"] = handle
    world.handlers["app.wait"] = wait
    yield world
    world.check()
    world.close()


@pytest.fixture
def aws(world: World) -> Caller:
    caller = Caller(world, request_id="r-1")
    caller.create()
    return caller


# -- RequestResponse ---------------------------------------------------------------------------------------------------


def test_an_invocation_answers_what_the_handler_returned_and_its_context_has_the_id_of_the_request(aws: Caller) -> None:
    answer = aws("Invoke", FunctionName="resize", Payload='{"ä": [1, null]}'.encode())

    assert answer == {
        "StatusCode": 200,
        "ExecutedVersion": "$LATEST",
        "Payload": '[{"ä": [1, null]}, "r-1"]'.encode(),
    }


def test_without_a_payload_the_event_is_an_empty_object(aws: Caller) -> None:
    assert json.loads(aws("Invoke", FunctionName="resize")["Payload"])[0] == {}
    assert json.loads(aws("Invoke", FunctionName="resize", Payload=b"")["Payload"])[0] == {}


def test_an_error_of_the_function_is_an_answer_with_its_type_text_and_stack(aws: Caller) -> None:
    answer = aws.invoke("fail")

    stack = answer["Payload"].pop("stackTrace")
    assert answer == {
        "StatusCode": 200,
        "ExecutedVersion": "$LATEST",
        "FunctionError": "Unhandled",
        "Payload": {"errorMessage": "no luck", "errorType": "LookupError", "requestId": "r-1"},
    }
    assert [line.count("test_aws_lambda_invoke.py") for line in stack] == [1]


@pytest.mark.parametrize(
    ("event", "document"),
    [
        (
            "slow",
            {
                "errorType": "Sandbox.Timedout",
                "errorMessage": "RequestId: r-1 Error: Task timed out after 3.00 seconds",
            },
        ),
        (
            "set",
            {
                "errorType": "Runtime.MarshalError",
                "errorMessage": "Unable to marshal response: Object of type set is not JSON serializable",
                "requestId": "r-1",
                "stackTrace": [],
            },
        ),
        (
            "large",
            {
                "errorType": "Function.ResponseSizeTooLarge",
                "errorMessage": "Response payload size exceeded maximum allowed payload size (6291556 bytes).",
            },
        ),
    ],
    ids=["timeout", "no json", "too large"],
)
def test_what_else_is_an_error_of_the_function(aws: Caller, event: str, document: dict[str, Any]) -> None:
    answer = aws.invoke(event)

    assert (answer["FunctionError"], answer["Payload"]) == ("Unhandled", document)


def test_half_of_a_surrogate_pair_is_answered_escaped(aws: Caller) -> None:
    assert aws("Invoke", FunctionName="resize", Payload=b'"half"')["Payload"] == b'"\\ud800"'


@pytest.mark.parametrize(
    "payload",
    [b"{", b"\xff", b"NaN", b"[" * 100_000, b"9" * 10_000, b"a"],
    ids=["cut off", "no utf-8", "nan", "deep", "long number", "text"],
)
@pytest.mark.parametrize("kind", ["RequestResponse", "Event", "DryRun"])
def test_a_payload_that_is_no_json_is_refused(aws: Caller, payload: bytes, kind: str) -> None:
    shape, status, text = aws.refused("Invoke", FunctionName="resize", Payload=payload, InvocationType=kind)

    assert (shape, status) == ("InvalidRequestContentException", 400)
    assert text.startswith("Could not parse request body into json: ")


def test_a_payload_that_is_too_large_is_refused(aws: Caller) -> None:
    assert aws.refused("Invoke", FunctionName="resize", Payload=b"1" * 6_291_457) == (
        "RequestTooLargeException",
        413,
        "Request must be smaller than 6291456 bytes for the InvokeFunction operation",
    )
    assert aws.refused("Invoke", FunctionName="resize", Payload=b"1" * 1_048_577, InvocationType="Event") == (
        "RequestTooLargeException",
        413,
        "1048577 byte payload is too large for the Event invocation type (limit 1048576 bytes)",
    )


def test_the_client_context_reaches_the_handler(aws: Caller) -> None:
    context = base64.b64encode(b'{"custom": {"a": 1}, "client": {"app_title": "t"}}').decode()

    assert aws.invoke("client", ClientContext=context)["Payload"] == [{"a": 1}, {"app_title": "t"}]
    for wrong in ("?", base64.b64encode(b"[]").decode(), base64.b64encode(b"{").decode()):
        assert aws.refused("Invoke", FunctionName="resize", ClientContext=wrong)[0] == "InvalidRequestContentException"


def test_the_log_tail_has_the_lines_of_the_platform(aws: Caller) -> None:
    log = base64.b64decode(aws.invoke(1, LogType="Tail")["LogResult"]).decode()

    assert log.splitlines() == [
        "START RequestId: r-1 Version: $LATEST",
        "END RequestId: r-1",
        "REPORT RequestId: r-1\tDuration: 0.00 ms\tBilled Duration: 0 ms\tMemory Size: 128 MB\t",
    ]
    assert "LogResult" not in aws.invoke(1, LogType="None")


def test_the_log_tail_tells_of_errors_and_timeouts_and_is_at_most_4_kb(aws: Caller, world: World) -> None:
    failed = base64.b64decode(aws.invoke("fail", LogType="Tail")["LogResult"]).decode()
    late = base64.b64decode(aws.invoke("slow", LogType="Tail")["LogResult"]).decode()

    assert "[ERROR] LookupError: no luck\nTraceback (most recent call last):\n  File " in failed
    assert "\nr-1 Task timed out after 3.00 seconds\n" in late
    assert "Duration: 3000.00 ms\tBilled Duration: 3000 ms" in late

    def shout(event: Any, context: Any) -> None:
        raise ValueError("ä" * 9_000)

    world.handlers["app.shout"] = shout
    aws.create("shout", "app.shout")
    assert len(base64.b64decode(aws.invoke(1, "shout", LogType="Tail")["LogResult"])) == 4_096


def test_a_function_that_is_not_there(aws: Caller) -> None:
    assert aws.refused("Invoke", FunctionName="no") == (*MISSING, f"Function not found: {arn('no')}")
    assert aws.refused("Invoke", FunctionName="resize", Qualifier="live") == (
        *MISSING,
        f"Function not found: {arn('resize:live')}",
    )


def test_an_unknown_type_is_refused(aws: Caller) -> None:
    shape, _, text = aws.refused("Invoke", FunctionName="resize", InvocationType="Later")

    assert shape == "ValidationException"
    assert "'Later' at 'invocationType' failed to satisfy constraint: Member must satisfy enum value set" in text


# -- throttles ---------------------------------------------------------------------------------------------------------


def test_a_function_without_room_of_its_own_is_throttled(aws: Caller) -> None:
    aws("PutFunctionConcurrency", FunctionName="resize", ReservedConcurrentExecutions=0)

    error = aws.error("Invoke", FunctionName="resize")

    assert (error.shape, error.status, error.message) == ("TooManyRequestsException", 429, "Rate Exceeded.")
    assert error.more == {"Reason": "ReservedFunctionConcurrentInvocationLimitExceeded"}


def test_an_account_without_room_is_throttled(clock: VirtualClock) -> None:
    from decouple import Broker

    broker = Broker(clock=clock, account=OWNER, concurrency=1)
    world = World.around(broker)
    aws = Caller(world)

    def handle(event: Any, context: Any) -> Any:
        return aws.error("Invoke", FunctionName="inner").more["Reason"]

    broker.function(handle, name="outer")
    broker.function(handle, name="inner")

    assert aws.invoke(1, "outer")["Payload"] == "ConcurrentInvocationLimitExceeded"


def test_functions_that_invoke_each_other_for_ever_are_stopped(world: World, aws: Caller) -> None:
    seen: list[str] = []

    def again(event: Any, context: Any) -> Any:
        try:
            return aws.invoke(event, "again", LogType="None")["Payload"]
        except Exception as error:
            seen.append(error.shape)  # type: ignore[attr-defined]
            return "stopped"

    world.handlers["app.again"] = again
    aws.create("again", "app.again")

    assert aws.invoke(1, "again")["Payload"] == "stopped"
    assert seen == ["RecursiveInvocationException"]


def test_a_closed_broker_begins_nothing(aws: Caller) -> None:
    aws.broker._workers()
    aws.broker.close()

    assert aws.refused("Invoke", FunctionName="resize")[:2] == ("ServiceException", 500)


# -- Event and DryRun --------------------------------------------------------------------------------------------------


def test_an_event_is_accepted_at_once_and_run_later_with_the_id_of_the_request(
    aws: Caller, world: World, clock: VirtualClock
) -> None:
    seen: list[Any] = []

    def see(event: Any, context: Any) -> None:
        seen.append((event, context.aws_request_id))
        raise ValueError("not today")

    world.handlers["app.see"] = see
    aws.create("see", "app.see")

    assert aws("Invoke", FunctionName="see", InvocationType="Event", Payload=b"[1]") == {
        "StatusCode": 202,
        "Payload": b"",
    }
    assert seen == []
    aws.broker.run_until_idle(errors="collect")
    assert seen == [([1], "r-1")]

    clock.advance(60)
    assert seen == [([1], "r-1")] * 2


def test_the_older_way_to_hand_an_event_over(aws: Caller) -> None:
    assert aws("InvokeAsync", FunctionName="resize", InvokeArgs=b"[1]") == {"Status": 202}
    assert aws.refused("InvokeAsync", FunctionName="resize", InvokeArgs=b"[")[0] == "InvalidRequestContentException"
    assert aws.function().stats().pending == 1
    aws.broker.run_until_idle()
    assert aws.function().stats().pending == 0


def test_a_dry_run_runs_nothing(aws: Caller) -> None:
    assert aws("Invoke", FunctionName="resize", InvocationType="DryRun") == {"StatusCode": 204, "Payload": b""}
    assert aws.function().stats().invocations == 0
    assert aws.refused("Invoke", FunctionName="no", InvocationType="DryRun")[:2] == MISSING


# -- tasks -------------------------------------------------------------------------------------------------------------


def test_a_task_invokes_without_blocking_its_loop(aws: Caller) -> None:
    aws.create("wait", "app.wait")

    async def main() -> list[Any]:
        answers = await asyncio.gather(
            aws.aperform("Invoke", FunctionName="wait", Payload=b"1"),
            aws.aperform("Invoke", FunctionName="resize", Payload=b'"fail"'),
            aws.aperform("Invoke", FunctionName="wait", InvocationType="Event"),
            aws.aperform("Invoke", FunctionName="wait", InvocationType="DryRun"),
            aws.aperform("GetFunction", FunctionName="wait"),
        )
        return [answer.get("FunctionError", answer.get("Payload")) for answer in answers]

    assert asyncio.run(main()) == [b'[1, "r-1"]', "Unhandled", b"", b"", None]
    aws.broker.run_until_idle()


def test_a_task_is_throttled_too(aws: Caller) -> None:
    aws("PutFunctionConcurrency", FunctionName="resize", ReservedConcurrentExecutions=0)

    async def main() -> None:
        await aws.aperform("Invoke", FunctionName="resize")

    with pytest.raises(Exception, match=re.escape("TooManyRequestsException: Rate Exceeded.")):
        asyncio.run(main())


# -- other accounts ----------------------------------------------------------------------------------------------------


def test_a_caller_of_another_account_needs_a_permission(aws: Caller, world: World) -> None:
    other = Caller(world, OTHER)
    denied = (
        "AccessDeniedException",
        403,
        (
            f"User: arn:aws:iam::{OTHER}:root is not authorized to perform: lambda:InvokeFunction on resource: {arn()} because "
            "no resource-based policy allows the lambda:InvokeFunction action"
        ),
    )
    assert other.refused("Invoke", FunctionName=arn()) == denied
    assert other.refused("Invoke", FunctionName=arn("no")) == (*denied[:2], denied[2].replace("resize", "no"))

    aws("AddPermission", FunctionName="resize", StatementId="s", Action="lambda:InvokeFunction", Principal=OTHER)
    assert other.invoke(1, arn())["Payload"][0] == 1
    assert other.refused("DeleteFunction", FunctionName=arn())[0] == "AccessDeniedException"

    aws("RemovePermission", FunctionName="resize", StatementId="s")
    assert other.refused("Invoke", FunctionName=arn()) == denied


def test_an_account_that_has_nothing_here_has_no_function(aws: Caller) -> None:
    assert aws.refused("Invoke", FunctionName="arn:aws:lambda:us-east-1:999999999999:function:f")[:2] == (
        "AccessDeniedException",
        403,
    )
    assert len(aws.world.places) == 1
