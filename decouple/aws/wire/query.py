"""The Query protocol: a form in, by POST or GET, XML out. SNS and STS speak it, and SQS still does beside JSON.

A request to a queue's own URL names the queue by it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from decouple.aws.errors import ServiceError
from decouple.aws.model import Model, load_model
from decouple.aws.wire.forms import form_of, tree_of
from decouple.aws.wire.messages import Codec, Reply, Request
from decouple.aws.wire.names import Names, names_of
from decouple.aws.wire.query_in import reader
from decouple.aws.wire.query_out import member_elements, members
from decouple.aws.wire.xml import element, escape

__all__ = ["codec", "encode_error", "form_reader", "with_queue_url"]


@cache
def form_reader(service: str, operation: str) -> Callable[[dict[str, str]], dict[str, Any]]:
    """What turns a form into the operation's parameters; it raises ServiceError."""
    model = load_model(service)
    shape = model.operations[operation].input
    if shape is None:
        return lambda form: {}
    read = reader(shape, names_of(model))
    return lambda form: read(tree_of(form))


def with_queue_url(given: dict[str, Any], request: Request) -> dict[str, Any]:
    """The parameters with the QueueUrl that the request was sent to, if it was and they say no other."""
    if len(request.path) > 1 and "QueueUrl" not in given:
        scheme = request.headers.get("x-forwarded-proto", "http")
        given["QueueUrl"] = f"{scheme}://{request.headers.get('host', 'localhost')}{request.path}"
    return given


def codec(model: Model, operation: str) -> Codec:
    """How this operation is read and answered."""
    names = names_of(model)
    shapes = model.operations[operation]
    read = form_reader(model.name, operation)
    write = None if shapes.output is None else members(shapes.output, names)
    wrapper = names.wrapper(shapes)
    opening = f'{names.prolog}<{operation}Response xmlns="{names.namespace}">'
    by_url = model.name == "sqs"

    def decode(request: Request) -> dict[str, Any]:
        given = read(form_of(request))
        return with_queue_url(given, request) if by_url else given

    def encode(answer: dict[str, Any], request_id: str) -> Reply:
        result = "" if wrapper is None or write is None else element(wrapper, write(answer))
        said = element("ResponseMetadata", element("RequestId", escape(request_id)))
        return reply(200, f"{opening}{result}{said}</{operation}Response>", request_id)

    return Codec(decode, encode)


def reply(status: int, text: str, request_id: str) -> Reply:
    """The text as an HTTP answer."""
    return Reply(status, {"x-amzn-requestid": request_id, "content-type": "text/xml"}, text.encode())


def encode_error(model: Model, error: ServiceError, request_id: str) -> Reply:
    """The error as this protocol says it."""
    if error.shape == "UnknownOperationException":
        return reply(error.status, "<UnknownOperationException/>\n", request_id)
    names = names_of(model)
    said = [
        element("Type", "Sender" if error.sender else "Receiver"),
        element("Code", escape(error.code)),
        element("Message", escape(error.message)),
        further(model, names, error),
        element("Detail", "") if names.detail else "",
    ]
    inner = element("Error", "".join(said)) + element("RequestId", escape(request_id))
    text = f'{names.prolog}<ErrorResponse xmlns="{names.namespace}">{inner}</ErrorResponse>'
    return reply(error.status, text, request_id)


def further(model: Model, names: Names, error: ServiceError) -> str:
    """The error's further members, those of them that its shape has."""
    if not error.more or not model.has(error.shape):
        return ""
    known = model.shape(error.shape).members
    return "".join(member_elements(known[name], names)(value) for name, value in error.more.items() if name in known)
