"""What botocore sends is read as it was meant, and botocore reads our answers as they were meant: every operation."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.awsrequest import HeadersDict, create_request_object, prepare_request_dict
from botocore.loaders import Loader
from botocore.model import OperationModel, ServiceModel, Shape
from botocore.parsers import create_parser
from botocore.serialize import create_serializer
from hypothesis import given as over
from hypothesis import settings
from hypothesis import strategies as st

from decouple.aws.errors import ServiceError
from decouple.aws.model import load_model
from decouple.aws.wire import Request, encode, encode_error, read

SERVICES = ("sqs", "sns", "sts", "events", "lambda", "scheduler")
MODELS = {name: ServiceModel(Loader().load_service_model(name, "service-2"), name) for name in SERVICES}
OPERATIONS = [(service, name) for service in SERVICES for name in MODELS[service].operation_names]
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)

# A header and a path hold less than a body: one line of ASCII, and in a path at least one character of it.
PLAIN = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=8)
XML = st.text(
    st.characters(min_codepoint=32, exclude_categories=["Cs"], exclude_characters="\ufffe\uffff")
    | st.sampled_from("\t\n\r&<>\"'"),
    max_size=8,
)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
MOMENTS = st.integers(0, 4_000_000_000).map(lambda seconds: BEGINNING + timedelta(seconds=seconds))
NUMBERS: dict[str, st.SearchStrategy[Any]] = {
    "integer": st.integers(-(2**31), 2**31 - 1),
    "long": st.integers(-(2**63), 2**63 - 1),
    "boolean": st.booleans(),
    "double": st.floats(-1e9, 1e9).map(lambda number: number + 0.0),
    "float": st.floats(-1e9, 1e9).map(lambda number: number + 0.0),
    "blob": st.binary(max_size=8),
    "timestamp": MOMENTS,
}


def values(shape: Shape, text: st.SearchStrategy[str], least: int) -> st.SearchStrategy[Any]:
    """Values of a shape; least: how many elements lists and maps have, for the Query protocol knows no empty map."""
    if shape.type_name == "structure":
        return structures(shape, text, least)
    if shape.type_name == "list":
        return st.lists(values(shape.member, text, least), min_size=least, max_size=3)
    if shape.type_name == "map":
        inner = values(shape.value, text, least)
        return st.dictionaries(values(shape.key, text, least), inner, min_size=least, max_size=3)
    return NUMBERS.get(shape.type_name, text)


@cache
def structures(shape: Shape, text: st.SearchStrategy[str], least: int) -> st.SearchStrategy[dict[str, Any]]:
    """Structures with any of their members, all that are required, and at least one."""
    members = {name: member_values(member, text, least) for name, member in shape.members.items()}
    required = {name: each for name, each in members.items() if name in shape.required_members}
    some = st.fixed_dictionaries(
        required, optional={name: each for name, each in members.items() if name not in required}
    )
    return some.filter(bool) if members else some


def member_values(member: Shape, text: st.SearchStrategy[str], least: int) -> st.SearchStrategy[Any]:
    """Values of a member, wherever it stands."""
    location = member.serialization.get("location")
    return values(member, PLAIN if location in ("uri", "header") else text, max(least, 1 if location else 0))


def sent(model: OperationModel, parameters: dict[str, Any]) -> Request:
    """What botocore would send."""
    serialized = create_serializer(model.service_model.protocol, include_validation=False).serialize_to_request(
        parameters, model
    )
    prepare_request_dict(serialized, "http://localhost:4566", user_agent="botocore")
    prepared = create_request_object(serialized).prepare()
    url = urlsplit(prepared.url)
    headers = {
        name.lower(): value.decode() if isinstance(value, bytes) else value for name, value in prepared.headers.items()
    }
    body = prepared.body or b""
    return Request(prepared.method, url.path, url.query, headers, body.encode() if isinstance(body, str) else body)


@settings(max_examples=3, deadline=None)
@pytest.mark.parametrize(("service", "name"), OPERATIONS, ids=lambda part: part)
@over(data=st.data())
def test_what_botocore_sends_is_read_as_it_was_meant(service: str, name: str, data: st.DataObject) -> None:
    model = MODELS[service].operation_model(name)
    query = MODELS[service].protocol == "query"
    shape = model.input_shape
    parameters = {} if shape is None else data.draw(structures(shape, TEXT, 1 if query else 0))

    found = read(sent(model, parameters))

    assert (found.service, found.operation) == (service, name)
    assert told(found.given, shape) == told(parameters, shape)


def told(members: dict[str, Any], shape: Shape | None) -> dict[str, Any]:
    """The members without a body that is empty: nothing tells it from none."""
    payload = None if shape is None else shape.serialization.get("payload")
    return {name: value for name, value in members.items() if name != payload or value}


def heard(model: OperationModel, reply: Any) -> dict[str, Any]:
    """What botocore makes of a reply."""
    # botocore hands a stream over as it is, and reads anything else as text.
    body = bytearray(reply.body) if model.has_streaming_output else reply.body
    response = {"status_code": reply.status, "headers": HeadersDict(reply.headers), "body": body, "context": {}}
    protocol = model.service_model.protocol
    parsed: dict[str, Any] = create_parser(protocol).parse(response, model.output_shape)
    return parsed


# An event stream is no answer that is there at once: the one operation that has one is not among ours.
ANSWERS = [each for each in OPERATIONS if each != ("lambda", "InvokeWithResponseStream")]


@settings(max_examples=3, deadline=None)
@pytest.mark.parametrize(("service", "name"), ANSWERS, ids=lambda part: part)
@over(data=st.data())
def test_botocore_reads_an_answer_as_it_was_meant(service: str, name: str, data: st.DataObject) -> None:
    model = MODELS[service].operation_model(name)
    shape = model.output_shape
    answer = {} if shape is None else data.draw(structures(shape, XML, 0))
    status = status_members(shape)
    answer.update(dict.fromkeys(status, 202))

    reply = encode(service, name, MODELS[service].protocol, answer, "request-1")

    parsed = heard(model, reply)
    metadata = parsed.pop("ResponseMetadata")
    assert metadata["RequestId"] == "request-1"
    assert told(parsed, shape) == told(answer, shape)


def status_members(shape: Shape | None) -> set[str]:
    """The members that are the HTTP status."""
    members = {} if shape is None else shape.members
    return {name for name, member in members.items() if member.serialization.get("location") == "statusCode"}


ERRORS = [
    (service, name)
    for service in SERVICES
    for name in MODELS[service].shape_names
    if getattr(MODELS[service].shape_for(name), "metadata", {}).get("exception")
]


@settings(max_examples=2, deadline=None)
@pytest.mark.parametrize(("service", "name"), ERRORS, ids=lambda part: part)
@over(data=st.data())
def test_botocore_reads_every_error_with_its_members(service: str, name: str, data: st.DataObject) -> None:
    protocol = MODELS[service].protocol
    shape = MODELS[service].shape_for(name)
    code, status = load_model(service).error_of(name)
    drawn = data.draw(structures(shape, TEXT if protocol == "json" else XML, 0))
    more = {each: value for each, value in drawn.items() if each not in ("message", "Message", "Type")}
    error = ServiceError(name, "No <such> thing.", code=code, status=status, **more)

    reply = encode_error(service, "", protocol, error, "request-1")

    headers = HeadersDict(reply.headers)
    response = {"status_code": reply.status, "headers": headers, "body": reply.body, "context": {}}
    parser = create_parser(protocol)
    parsed = parser.parse(response, None)
    assert parsed["Error"]["Code"] == (name if protocol == "rest-json" else code)
    assert parsed["Error"]["Message"] == "No <such> thing."
    assert parsed["ResponseMetadata"]["HTTPStatusCode"] == status
    assert parsed["ResponseMetadata"]["RequestId"] == "request-1"
    assert more.items() <= parser.parse(response, shape).items()
