"""Where the record of an asynchronous run goes, and the event that was given up: queues, topics, functions, callables.

Source: Lambda developer guide, "Capturing records of Lambda asynchronous invocations".
"""

from __future__ import annotations

import json
import traceback
from typing import TYPE_CHECKING, Any

from decouple.clock import datetime_at
from decouple.core.records import Details, Failure
from decouple.errors import DecoupleError
from decouple.fanout import put
from decouple.sending import Sending

if TYPE_CHECKING:
    from decouple.asynchronous import Accepted
    from decouple.function import Function
    from decouple.invocation import Outcome

__all__ = ["RETRIES_EXHAUSTED", "SUCCESS", "TOO_OLD", "bury", "error_document", "tell_destination"]

SUCCESS = "Success"
RETRIES_EXHAUSTED = "RetriesExhausted"
TOO_OLD = "EventAgeExceeded"
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
    """An error as Lambda answers with it."""
    return {
        "errorMessage": str(error),
        "errorType": type(error).__name__,
        "requestId": request_id,
        "stackTrace": traceback.format_tb(error.__traceback__),
    }


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
        lost(function, "destination", target, error)
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
        lost(function, "dead_letter", target, error)
        return None
    return name_of(target)


def lost(function: Function, what: str, target: Any, error: Exception) -> None:
    """A destination that does not take its record undoes nothing; it is said aloud."""
    import logging  # here, because most programs never need it

    logging.getLogger("decouple").warning(
        "the %s %s of function %r did not take what it was given: %s", what, name_of(target), function.name, error
    )


def name_of(target: Any) -> str:
    name = getattr(target, "name", None) or getattr(target, "__qualname__", None)
    return str(name or type(target).__qualname__)
