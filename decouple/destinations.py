"""Where the record of an asynchronous run goes, and the event that was given up: queues, topics, functions, callables.

Source: Lambda developer guide, "Capturing records of Lambda asynchronous invocations".
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from decouple.clock import datetime_at
from decouple.core.records import Details, Failure
from decouple.errors import (
    DecoupleError,
    FunctionFailed,
    FunctionOutOfMemory,
    FunctionTimedOut,
    ProcessDied,
    ResultNotJSON,
)
from decouple.fanout import put
from decouple.sending import Sending
from decouple.stacks import stack_of

if TYPE_CHECKING:
    from decouple.asynchronous import Accepted
    from decouple.function import Function
    from decouple.invocation import Outcome

__all__ = ["BROKER_CLOSED", "RETRIES_EXHAUSTED", "SUCCESS", "TOO_OLD", "bury", "error_document", "tell_destination"]

SUCCESS = "Success"
RETRIES_EXHAUSTED = "RetriesExhausted"
TOO_OLD = "EventAgeExceeded"
BROKER_CLOSED = "BrokerClosed"  # no condition of Lambda's, which does not end
LONGEST_MESSAGE = 1_024


def record_of(function: Function, event: Accepted, condition: str, outcome: Outcome) -> dict[str, Any]:
    """The record of a destination, as Lambda writes it."""
    now = datetime_at(function.clock, function.clock.now())
    response: dict[str, Any] = {"statusCode": 200, "executedVersion": "$LATEST"}
    if outcome.error is not None:
        response["functionError"] = "Unhandled"
    return {
        "version": "1.0",
        "timestamp": now.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "requestContext": {
            "requestId": event.request_id,
            "functionArn": f"{function.arn}:$LATEST",
            "condition": condition,
            "approximateInvokeCount": event.attempts,
        },
        "requestPayload": json.loads(event.text),
        "responseContext": response,
        "responsePayload": outcome.result if outcome.error is None else error_document(outcome.error, event.request_id),
    }


def error_document(error: BaseException, request_id: str) -> dict[str, Any]:
    """An error as Lambda answers with it: the handler's own, or the end of what it ran in."""
    if isinstance(error, FunctionFailed):
        return handler_error(error.error_type, error.text, request_id, list(error.stack))
    if isinstance(error, ResultNotJSON):
        return handler_error("Runtime.MarshalError", f"Unable to marshal response: {error.why}", request_id, [])
    if not isinstance(error, (FunctionTimedOut, FunctionOutOfMemory, ProcessDied)) or error.request_id != request_id:
        return handler_error(type(error).__name__, str(error), request_id, stack_to_show(error))
    if isinstance(error, FunctionTimedOut):
        kind, text = "Sandbox.Timedout", f"Task timed out after {error.seconds:.2f} seconds"
    elif isinstance(error, FunctionOutOfMemory):
        kind, text = "Runtime.OutOfMemory", "Runtime exited with error: signal: killed"
    else:
        how = "signal: killed" if error.status < 0 else f"exit status {error.status}"
        kind, text = "Runtime.ExitError", f"Runtime exited with error: {how}"
    return {"errorType": kind, "errorMessage": f"RequestId: {request_id} Error: {text}"}


def handler_error(kind: str, text: str, request_id: str, stack: list[str]) -> dict[str, Any]:
    return {"errorMessage": text, "errorType": kind, "requestId": request_id, "stackTrace": stack}


def stack_to_show(error: BaseException) -> list[str]:
    """The handler's frames; those of an error from another process are in its cause."""
    cause = error.__cause__
    return stack_of(error) or (list(cause.stack) if isinstance(cause, FunctionFailed) else [])


def tell_destination(function: Function, event: Accepted, condition: str, outcome: Outcome) -> str | None:
    """Give the record to `on_success` or `on_failure`; the name of what took it, None if there is none or it did not."""
    settings = function._settings
    target = settings.on_success if condition == SUCCESS else settings.on_failure
    if target is None:
        return None
    record = record_of(function, event, condition, outcome)
    try:
        hand_over(target, record)
    except Exception as error:
        lost(function, event, "destination", target, error)
        return None
    return name_of(target)


def hand_over(target: Any, record: dict[str, Any]) -> None:
    """A queue and a function are sent it, a topic publishes it, a callable is called with it."""
    if callable(getattr(target, "send", None)):
        target.send(record)
    elif callable(getattr(target, "publish", None)):
        target.publish(record)
    else:
        target(record)


def bury(function: Function, event: Accepted, failure: Failure) -> str | None:
    """Put the event into the function's dead-letter queue or topic; its name, None if there is none or it did not take it."""
    target = function._settings.dead_letter
    if target is None:
        return None
    attributes: dict[str, Any] = {
        "RequestID": event.request_id,
        "ErrorCode": 200,
        "ErrorMessage": failure.text.encode()[:LONGEST_MESSAGE].decode(errors="ignore") or failure.error,
    }
    try:
        if isinstance(target, Sending):
            queue: Sending[Any] = target  # pyright: ignore[reportUnknownVariableType]
            put(queue, event.text, Details(attributes, failure=failure))
            queue._follow_up()
        else:
            target.publish(event.text, attributes=attributes)
    except (DecoupleError, ValueError) as error:
        lost(function, event, "dead_letter", target, error)
        return None
    return name_of(target)


def lost(function: Function, event: Accepted, what: str, target: Any, error: Exception) -> None:
    """A destination that does not take its record undoes nothing; it is recorded, and said aloud."""
    reason = f"{type(error).__name__}: {error}"[:500]
    function.tell("destination failed", id=event.request_id, other=name_of(target), reason=reason)
    import logging  # here, because most programs never need it

    logging.getLogger("decouple").warning(
        "the %s %s of function %r did not take what it was given: %s", what, name_of(target), function.name, error
    )


def name_of(target: Any) -> str:
    name = getattr(target, "name", None) or getattr(target, "__qualname__", None)
    return str(name or type(target).__qualname__)
