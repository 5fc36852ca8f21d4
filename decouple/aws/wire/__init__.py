"""The wire: requests in AWS's protocols to parameters as botocore names them, answers and errors back.

Three protocols, all driven by botocore's models: AWS JSON (SQS, EventBridge), Query with XML answers (SNS, STS, and
still SQS), REST with JSON (Lambda, Scheduler). Each operation's reader and writer are made once, when first needed.
What cannot be read is a ServiceError, whatever the bytes; what an operation allows is not judged here (`Door`).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from decouple.aws.errors import ServiceError
from decouple.aws.kinds import malformed
from decouple.aws.model import Model, load_model
from decouple.aws.wire.aws_json import codec as json_codec
from decouple.aws.wire.aws_json import encode_error as json_error
from decouple.aws.wire.messages import Codec, Parsed, Reply, Request, Unreadable
from decouple.aws.wire.query import codec as query_codec
from decouple.aws.wire.query import encode_error as query_error
from decouple.aws.wire.query import form_reader, with_queue_url
from decouple.aws.wire.rest_json import codec as rest_codec
from decouple.aws.wire.rest_json import encode_error as rest_error
from decouple.aws.wire.routes import Scope, find, scope_of

__all__ = [
    "Parsed",
    "Reply",
    "Request",
    "Scope",
    "Unreadable",
    "decode",
    "decode_form",
    "encode",
    "encode_error",
    "read",
    "scope_of",
]

CODECS: dict[str, Callable[[Model, str], Codec]] = {
    "json": json_codec,
    "query": query_codec,
    "rest-json": rest_codec,
}
ERRORS: dict[str, Callable[[Model, ServiceError, str], Reply]] = {
    "json": json_error,
    "query": query_error,
    "rest-json": rest_error,
}


@cache
def codec(service: str, operation: str, protocol: str) -> Codec:
    """How one operation is read and answered in one protocol."""
    return CODECS[protocol](load_model(service), operation)


def read(request: Request) -> Parsed:
    """What the request asks for, and of whom. Raises Unreadable, which says how to answer."""
    service, operation, protocol, form = find(request)
    try:
        given = (
            decode(service, operation, protocol, request)
            if form is None
            else decode_form(service, operation, form, request)
        )
    except ServiceError as error:
        raise Unreadable(service, operation, protocol, error) from None
    return Parsed(service, operation, given, protocol)


def decode(service: str, operation: str, protocol: str, request: Request) -> dict[str, Any]:
    """The parameters of a request whose operation is known: blobs as bytes, moments as datetimes in UTC.

    Raises ServiceError. Nothing else is checked: unknown members and values of other kinds are the door's.
    """
    try:
        return codec(service, operation, protocol).decode(request)
    except RecursionError:
        raise malformed("The request body is nested too deep") from None


def decode_form(service: str, operation: str, form: dict[str, str], request: Request | None = None) -> dict[str, Any]:
    """The parameters in a form that was read already; request: where the queue's URL may stand. Raises ServiceError."""
    given = form_reader(service, operation)(form)
    return given if request is None or service != "sqs" else with_queue_url(given, request)


def encode(service: str, operation: str, protocol: str, answer: dict[str, Any], request_id: str) -> Reply:
    """The answer as the protocol says it: moments as datetimes or seconds since 1970, blobs as bytes."""
    return codec(service, operation, protocol).encode(answer, request_id)


def encode_error(service: str, operation: str, protocol: str, error: ServiceError, request_id: str) -> Reply:
    """The error as the protocol says it."""
    return ERRORS[protocol](load_model(service), error, request_id)
