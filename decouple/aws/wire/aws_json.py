"""AWS JSON 1.0 and 1.1: the parameters are the body, the operation is a header. SQS and EventBridge speak it.

An error's shape stands in the body; what the old Query protocol called it, and what boto3 therefore shows, only in the
header `x-amzn-query-error`.
"""

# pyright: reportUnknownVariableType=false
# What JSON holds is known when it is looked at, not before.

from __future__ import annotations

import json
from typing import Any

from decouple.aws.errors import ServiceError
from decouple.aws.kinds import CORAL, malformed
from decouple.aws.model import Model
from decouple.aws.wire.jsonshapes import reader, writer
from decouple.aws.wire.messages import Codec, Reply, Request

__all__ = ["codec", "encode_error", "pack", "read_object"]


def refuse_constant(name: str) -> float:
    """For NaN and Infinity, which Python's reader takes and JSON does not have."""
    raise ValueError(f"{name} is not JSON")


READER = json.JSONDecoder(parse_constant=refuse_constant)
SCAN = READER.raw_decode
WRITER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def read_object(body: bytes) -> dict[str, Any]:
    """The JSON object that is the body, without its nulls: null is how AWS's clients say "not given".

    Raises ServiceError.
    """
    try:
        found: Any
        text = body.decode()
        found, end = SCAN(text) if text.startswith("{") else (None, -1)
        if end != len(text):  # blanks, or it is no JSON
            found = READER.decode(text)
    except UnicodeDecodeError:
        raise malformed("The request body is not valid UTF-8") from None
    except (ValueError, RecursionError):
        raise malformed("The request body could not be parsed as JSON") from None
    if type(found) is not dict:
        raise malformed("Unexpected token: the request body must be a JSON object")
    given: dict[str, Any] = without_nulls(found) if b"null" in body else found
    # A half of a surrogate pair can be written as an escape only, and could not be written again as UTF-8.
    if b"\\u" in body:
        refuse_halves(given)
    return given


def without_nulls(found: Any) -> Any:
    """The same without members that are null. Raises ServiceError."""
    try:
        return strip(found)
    except RecursionError:
        raise malformed("The request body is nested too deep") from None


def strip(found: Any) -> Any:
    """One level of it."""
    if type(found) is dict:
        return {name: strip(value) for name, value in found.items() if value is not None}
    return [strip(value) for value in found] if type(found) is list else found


def refuse_halves(found: Any) -> None:
    """Raises ServiceError for text with half a surrogate pair in it."""
    try:
        WRITER.encode(found).encode()
    except UnicodeEncodeError:
        raise malformed("The request body holds half a surrogate pair") from None
    except (RecursionError, ValueError):
        raise malformed("The request body is nested too deep") from None


def pack(answer: Any) -> bytes:
    """The answer as JSON in UTF-8; half a surrogate pair becomes "?", as from AWS."""
    return WRITER.encode(answer).encode("utf-8", "replace")


def codec(model: Model, operation: str) -> Codec:
    """How this operation is read and answered."""
    shapes = model.operations[operation]
    read = None if shapes.input is None else reader(shapes.input)
    write = None if shapes.output is None else writer(shapes.output)
    content = f"application/x-amz-json-{model.metadata['jsonVersion']}"
    empty = b"" if shapes.output is None else b"{}"

    def decode(request: Request) -> dict[str, Any]:
        given = read_object(request.body)
        if read is not None:
            read(given)
        return given

    def encode(answer: dict[str, Any], request_id: str) -> Reply:
        body = pack(answer if write is None else write(answer)) if answer else empty
        return Reply(200, {"x-amzn-requestid": request_id, "content-type": content}, body)

    return Codec(decode, encode)


def encode_error(model: Model, error: ServiceError, request_id: str) -> Reply:
    """The error as this protocol says it."""
    headers = {
        "x-amzn-requestid": request_id,
        "content-type": f"application/x-amz-json-{model.metadata['jsonVersion']}",
    }
    if "awsQueryCompatible" in model.metadata:
        headers["x-amzn-query-error"] = f"{error.code};{'Sender' if error.sender else 'Receiver'}"
    said = {"__type": type_of(model, error), "message": error.message, **error.more}
    return Reply(error.status, headers, pack(said))


def type_of(model: Model, error: ServiceError) -> str:
    """The error's shape with its namespace: SQS writes one, EventBridge none."""
    if not model.has(error.shape):
        return f"{CORAL}#{error.shape}"
    return f"com.amazonaws.sqs#{error.shape}" if "awsQueryCompatible" in model.metadata else error.shape
