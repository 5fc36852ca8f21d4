"""REST with JSON bodies: the operation is the method and the path. Lambda and EventBridge Scheduler speak it.

Parameters stand in the path, the query string, headers and the body, as the model says; a member may be the whole
body, which is then left alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple

from decouple.aws.errors import ServiceError
from decouple.aws.kinds import malformed, wrong_kind
from decouple.aws.model import Member, Model, OperationModel, Shape, load_model
from decouple.aws.wire.aws_json import pack, read_object
from decouple.aws.wire.dates import read_moment
from decouple.aws.wire.forms import pairs, unescape, whole
from decouple.aws.wire.jsonshapes import Convert, reader, writer
from decouple.aws.wire.messages import Codec, Reply, Request

__all__ = ["codec", "encode_error", "find_operation"]

LABEL = re.compile(r"\{(\w+)(\+?)\}")


class Route(NamedTuple):
    """Where an operation lives. labels: what the groups of its path are called; fixed: pairs its query string has;
    depth: how many slashes its path has, -1 where a label may hold some.
    """

    operation: str
    method: str
    path: re.Pattern[str]
    labels: tuple[str, ...]
    fixed: frozenset[tuple[str, str]]
    depth: int


@cache
def routes(service: str) -> dict[tuple[str, int], list[Route]]:
    """Those of a service by method and depth, the most demanding first."""
    found: dict[tuple[str, int], list[Route]] = {}
    every = [route(operation) for operation in load_model(service).operations.values()]
    # Fixed text before labels: /event-invoke-config/list is no function's name.
    for each in sorted(every, key=lambda each: (-len(each.fixed), len(each.labels))):
        found.setdefault((each.method, each.depth), []).append(each)
    return found


@cache
def route(operation: OperationModel) -> Route:
    """Where one operation lives."""
    path, _, query = operation.uri.partition("?")
    path = path.rstrip("/")
    texts = LABEL.split(path)
    pattern = "".join(
        re.escape(text) if place % 3 == 0 else ("" if place % 3 == 1 else ("(.+)" if text else "([^/]+)"))
        for place, text in enumerate(texts)
    )
    depth = -1 if "+}" in path else path.count("/")
    return Route(
        operation.name, operation.method, re.compile(pattern), tuple(texts[1::3]), frozenset(pairs(query)), depth
    )


def plain(path: str) -> str:
    """The path without a last slash: Lambda's own older clients list functions at ".../functions/"."""
    return path[:-1] if path.endswith("/") else path


def find_operation(service: str, request: Request) -> str | None:
    """The operation of the service at this method and path. Raises ServiceError."""
    path = plain(request.path)
    known = routes(service)
    for depth in (path.count("/"), -1):
        for each in known.get((request.method, depth), ()):
            if each.path.fullmatch(path) and each.fixed <= frozenset(pairs(request.query) if each.fixed else ()):
                return each.operation
    return None


def codec(model: Model, operation: str) -> Codec:
    """How this operation is read and answered."""
    shapes = model.operations[operation]
    return Codec(decoder(shapes), encoder(shapes))


def decoder(operation: OperationModel) -> Callable[[Request], dict[str, Any]]:
    """What reads its requests."""
    shape = operation.input
    if shape is None:
        return lambda request: {}
    where = route(operation)
    in_path = {member.wire_name: member for member in located(shape, "uri")}
    in_query = {member.wire_name: member for member in located(shape, "querystring")}
    in_headers = {member.wire_name.lower(): member for member in located(shape, "header")}
    read_body = body_reader(shape)

    def decode(request: Request) -> dict[str, Any]:
        given = read_body(request.body)
        for label, text in zip(where.labels, path_parts(where, request.path), strict=True):
            given[in_path[label].name] = read_text(in_path[label].shape, unescape(text) if "%" in text else text)
        for name, text in pairs(request.query) if in_query else ():
            if name in in_query:
                read_field(given, in_query[name], text)
        for name, member in in_headers.items():
            if name in request.headers:
                given[member.name] = read_text(member.shape, request.headers[name])
        return given

    return decode


def located(shape: Shape, location: str) -> list[Member]:
    """The members that stand there."""
    return [member for member in shape.members.values() if member.location == location]


def path_parts(where: Route, path: str) -> tuple[str, ...]:
    """What the path has for the labels. Raises ServiceError."""
    found = where.path.fullmatch(plain(path))
    if found is None:
        raise ServiceError("UnknownOperationException", "The path is not this operation's.", status=404)
    return found.groups()


def read_field(given: dict[str, Any], member: Member, text: str) -> None:
    """Add one field of the query string; a list has several of the same name."""
    if member.shape.type == "list":
        given.setdefault(member.name, []).append(read_text(member.shape.element.shape, text))
    else:
        given[member.name] = read_text(member.shape, text)


def read_text(shape: Shape, text: str) -> Any:
    """The value that a text in the path, the query string or a header says. Raises ServiceError."""
    if shape.type == "string":
        return text
    value: Any = None
    if shape.type in ("integer", "long"):
        value = whole(text)
    elif shape.type == "boolean" and text.lower() in ("true", "false"):
        value = text.lower() == "true"
    elif shape.type == "timestamp":
        value = read_date(shape, text)
    if value is None:
        raise wrong_kind(text, shape.type)
    return value


def read_date(shape: Shape, text: str) -> datetime | None:
    """The moment that a text says; None if it says none."""
    notation: str = shape.raw.get("timestampFormat", "iso8601")
    try:
        return read_moment(text, notation)
    except ValueError:
        return None


def body_reader(shape: Shape) -> Callable[[bytes], dict[str, Any]]:
    """What reads the members that stand in the body."""
    if shape.payload is not None:
        return payload_reader(shape.payload, shape.members[shape.payload].shape)
    if all(member.location for member in shape.members.values()):
        return lambda body: {}
    convert = reader(shape)

    def read(body: bytes) -> dict[str, Any]:
        given = read_object(body) if body else {}
        if convert is not None:
            convert(given)
        return given

    return read


def payload_reader(name: str, shape: Shape) -> Callable[[bytes], dict[str, Any]]:
    """What reads the member that is the whole body."""
    if shape.type == "structure":
        convert = reader(shape)
        return lambda body: {name: fitted(convert, read_object(body))} if body else {}
    if shape.type == "blob":
        return lambda body: {name: body} if body else {}

    def read_string(body: bytes) -> dict[str, Any]:
        try:
            return {name: body.decode()} if body else {}
        except UnicodeDecodeError:
            raise malformed("The request body is not valid UTF-8") from None

    return read_string


def fitted(convert: Convert | None, value: Any) -> Any:
    """The value as the API has it."""
    return value if convert is None else convert(value)


def encoder(operation: OperationModel) -> Callable[[dict[str, Any], str], Reply]:
    """What writes its answers."""
    shape = operation.output
    members = {} if shape is None else shape.members
    convert = None if shape is None else writer(shape)
    payload = None if shape is None else shape.payload
    elsewhere = {name: member for name, member in members.items() if member.location is not None}

    def encode(answer: dict[str, Any], request_id: str) -> Reply:
        headers = {"x-amzn-requestid": request_id, "content-type": "application/json"}
        status = operation.status
        for name in elsewhere.keys() & answer.keys():
            if elsewhere[name].location == "statusCode":
                status = answer[name]
            elif answer[name] is not None:
                headers[elsewhere[name].wire_name.lower()] = header_text(answer[name])
        if payload is not None:
            return Reply(status, headers, payload_bytes(members[payload].shape, answer.get(payload)))
        if status == 204 or shape is None:
            return Reply(status, headers, b"")
        body = {name: value for name, value in answer.items() if name not in elsewhere}
        return Reply(status, headers, pack(fitted(convert, body)))

    return encode


def header_text(value: Any) -> str:
    """The value as a header may hold it: one line."""
    return str(value).replace("\r", " ").replace("\n", " ")


def payload_bytes(shape: Shape, value: Any) -> bytes:
    """The member that is the whole body."""
    if value is None:
        return b""
    if shape.type == "structure":
        return pack(fitted(writer(shape), value))
    return value.encode() if isinstance(value, str) else bytes(value)


def encode_error(model: Model, error: ServiceError, request_id: str) -> Reply:
    """The error as this protocol says it."""
    headers = {
        "x-amzn-requestid": request_id,
        "x-amzn-errortype": error.shape,
        "content-type": "application/json",
    }
    members = model.shape(error.shape).members if model.has(error.shape) else {}
    said: dict[str, Any] = {"Type": "User" if error.sender else "Service"} if "Type" in members else {}
    for name, value in error.more.items():
        member = members.get(name)
        if member is not None and member.location == "header":
            headers[member.wire_name.lower()] = header_text(value)
        elif value is not None:
            said[name] = value
    said["Message" if "Message" in members else "message"] = error.message
    return Reply(error.status, headers, pack(said))
