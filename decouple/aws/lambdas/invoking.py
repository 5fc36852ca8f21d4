"""Invoke, in all three types, and the older InvokeAsync."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Awaitable
from math import ceil
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from decouple.aws.lambdas import LAMBDA
from decouple.aws.lambdas.names import Found, find
from decouple.destinations import error_document
from decouple.errors import BrokenOff, FunctionTimedOut, RecursionStopped, Throttled

if TYPE_CHECKING:
    from decouple.aws.errors import ServiceError
    from decouple.aws.service import Answer, Given
    from decouple.aws.world import Call
    from decouple.invocation import Outcome

__all__: list[str] = []

MOST_SYNC, MOST_ASYNC = 6_291_456, 1_048_576
MOST_RESULT = 6_291_556
LOG_TAIL = 4_096


class Asked(NamedTuple):
    """A run that is asked for: which, with what, and how its caller wants to hear of it."""

    found: Found
    version: str
    event: Any
    client: dict[str, Any] | None
    request_id: str
    tail: bool


@LAMBDA.operation(
    "Invoke",
    note="a version or an alias runs $LATEST; the log tail has START, errors, END and REPORT, not what is printed",
)
def invoke(call: Call, given: Given) -> Answer:
    """Run a function and wait (RequestResponse), hand an event over (Event), or look whether one could (DryRun)."""
    asked = read(call, given)
    if given.get("InvocationType", "RequestResponse") != "RequestResponse":
        return begun(asked, given["InvocationType"])
    try:
        outcome = asked.found.function.attempt(asked.event, request_id=asked.request_id, client_context=asked.client)
    except (Throttled, RecursionStopped, BrokenOff, ValueError, TypeError) as error:
        not_begun(asked, error)
    return answered(asked, outcome)


@LAMBDA.operation("Invoke")
async def invoke_waiting(call: Call, given: Given) -> Answer:
    """The same for a task: an async handler runs on its loop, others in threads."""
    asked = read(call, given)
    if given.get("InvocationType", "RequestResponse") != "RequestResponse":
        return begun(asked, given["InvocationType"])
    attempt: Awaitable[Outcome] = asked.found.function.aio.attempt(
        asked.event, request_id=asked.request_id, client_context=asked.client
    )
    try:
        outcome = await attempt
    except (Throttled, RecursionStopped, BrokenOff, ValueError, TypeError) as error:
        not_begun(asked, error)
    return answered(asked, outcome)


@LAMBDA.operation("InvokeAsync", note="deprecated by AWS")
def invoke_async(call: Call, given: Given) -> Answer:
    """Hand an event over."""
    found = find(call, given["FunctionName"], action="lambda:InvokeFunction")
    payload: bytes = given["InvokeArgs"]
    hand_over(Asked(found, found.version, read_event(payload, MOST_ASYNC, "Event"), None, call.request_id, False))
    return {"Status": 202}


def read(call: Call, given: Given) -> Asked:
    """Raises ServiceError."""
    kind = given.get("InvocationType") or "RequestResponse"
    found = find(call, given["FunctionName"], given.get("Qualifier"), action="lambda:InvokeFunction")
    version = found.version
    payload: bytes = given.get("Payload") or b""
    event = read_event(payload, MOST_ASYNC if kind == "Event" else MOST_SYNC, kind)
    request_id = call.request_id or found.function.new_request_id()
    return Asked(
        found, version, event, read_client(given.get("ClientContext")), request_id, given.get("LogType") == "Tail"
    )


def read_event(payload: bytes, most: int, kind: str) -> Any:
    """The event of a payload, {} without one. Raises ServiceError."""
    if len(payload) > most:
        text = f"Request must be smaller than {most} bytes for the InvokeFunction operation"
        if kind == "Event":
            text = f"{len(payload)} byte payload is too large for the Event invocation type (limit {most} bytes)"
        raise LAMBDA.error("RequestTooLargeException", text)
    if not payload:
        return {}
    try:
        return json.loads(payload.decode(), parse_constant=no_number)
    except (ValueError, RecursionError) as error:
        raise not_json(str(error)) from error


def no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is not JSON")


def not_json(why: str) -> ServiceError:
    text = f"Could not parse request body into json: Could not parse payload into json: {why}"
    return LAMBDA.error("InvalidRequestContentException", text)


def read_client(text: str | None) -> dict[str, Any] | None:
    """The client context of a header. Raises ServiceError."""
    if not text:
        return None
    try:
        client: Any = json.loads(base64.b64decode(text, validate=True), parse_constant=no_number)
    except (binascii.Error, ValueError, RecursionError) as error:
        raise not_json(f"the client context: {error}") from error
    if not isinstance(client, dict):
        raise not_json("the client context must be an object")
    return client  # pyright: ignore[reportUnknownVariableType]  # JSON


# -- handing over ------------------------------------------------------------------------------------------------------


def begun(asked: Asked, kind: str) -> Answer:
    if kind == "DryRun":
        return {"StatusCode": 204, "Payload": b""}
    hand_over(asked)
    return {"StatusCode": 202, "Payload": b""}


def hand_over(asked: Asked) -> None:
    try:
        asked.found.function.send(asked.event, request_id=asked.request_id or None)
    except (ValueError, TypeError) as error:
        raise not_json(str(error)) from error


# -- answering ---------------------------------------------------------------------------------------------------------


def not_begun(asked: Asked, error: Exception) -> NoReturn:
    """Raises the ServiceError for a run that was not begun."""
    if isinstance(error, Throttled):
        own = asked.found.function.settings["concurrency"] == error.limit
        reason = "ReservedFunctionConcurrentInvocationLimitExceeded" if own else "ConcurrentInvocationLimitExceeded"
        raise LAMBDA.error("TooManyRequestsException", "Rate Exceeded.", Reason=reason) from error
    if isinstance(error, RecursionStopped):
        raise LAMBDA.error("RecursiveInvocationException", str(error)) from error
    if isinstance(error, BrokenOff):
        raise LAMBDA.error("ServiceException", str(error)) from error
    raise not_json(str(error)) from error


def answered(asked: Asked, outcome: Outcome) -> Answer:
    """What the run came to."""
    document = outcome.result if outcome.error is None else error_document(outcome.error, asked.request_id)
    payload = text_of(document)
    failed = outcome.error is not None
    if len(payload) > MOST_RESULT:
        text = f"Response payload size exceeded maximum allowed payload size ({MOST_RESULT} bytes)."
        payload = text_of({"errorMessage": text, "errorType": "Function.ResponseSizeTooLarge"})
        failed = True
    answer: Answer = {"StatusCode": 200, "ExecutedVersion": asked.version, "Payload": payload}
    if failed:
        answer["FunctionError"] = "Unhandled"
    if asked.tail:
        answer["LogResult"] = base64.b64encode(log_of(asked, outcome).encode(errors="replace")[-LOG_TAIL:]).decode()
    return answer


def text_of(document: Any) -> bytes:
    try:
        return json.dumps(document, ensure_ascii=False).encode()
    except UnicodeEncodeError:  # half of a surrogate pair, which only escapes can say
        return json.dumps(document).encode()


def log_of(asked: Asked, outcome: Outcome) -> str:
    """The end of its log, as Lambda's runtime and platform write it."""
    request, milliseconds = asked.request_id, outcome.seconds * 1_000
    lines = [f"START RequestId: {request} Version: {asked.version}"]
    if isinstance(outcome.error, FunctionTimedOut):
        lines.append(f"{request} Task timed out after {outcome.error.seconds:.2f} seconds\n")
    elif outcome.error is not None:
        told = error_document(outcome.error, request)
        lines.append(f"[ERROR] {told['errorType']}: {told['errorMessage']}")
        if told.get("stackTrace"):
            lines.append("Traceback (most recent call last):\n" + "".join(told["stackTrace"]).rstrip())
    lines.append(f"END RequestId: {request}")
    lines.append(
        f"REPORT RequestId: {request}\tDuration: {milliseconds:.2f} ms\tBilled Duration: {ceil(milliseconds)} ms\t"
        f"Memory Size: {asked.found.function.memory} MB\t"
    )
    return "\n".join(lines) + "\n"
