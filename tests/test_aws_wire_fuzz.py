"""Any bytes in: a request that was understood, or a ServiceError that each protocol can answer; never anything else."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote, urlencode

from hypothesis import given, settings
from hypothesis import strategies as st

from decouple.aws.errors import ServiceError
from decouple.aws.model import load_model
from decouple.aws.service import Service
from decouple.aws.validation import Door
from decouple.aws.wire import Reply, Request, Unreadable, encode_error, read

SERVICES = ("sqs", "sns", "sts", "events", "lambda", "scheduler")
DOORS = {name: Door(Service(name, name, modules=())) for name in SERVICES}
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=10),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)
WORDS = st.text(max_size=12) | st.sampled_from(["", "1", "-1", "member", "entry", "Key", "Value", "Name", "999999999"])


def answered(request: Request) -> None:
    """The request is read and its parameters are looked at, or it is refused in a way that can be answered."""
    try:
        found = read(request)
    except Unreadable as error:
        reply = encode_error(error.service, error.operation, error.protocol, error, "id-1")
        assert_answer(reply)
        return
    try:
        DOORS[found.service].check(found.operation, found.given)
    except ServiceError as error:
        assert_answer(encode_error(found.service, found.operation, found.protocol, error, "id-1"))


def assert_answer(reply: Reply) -> None:
    assert 400 <= reply.status < 500
    assert all("\n" not in value for value in reply.headers.values())


@settings(max_examples=50, deadline=None)
@given(
    method=st.sampled_from(["GET", "POST", "PUT", "DELETE"]) | st.text(max_size=8),
    path=st.text(max_size=40) | st.sampled_from(["/", "/1/q", "/2015-03-31/functions", "/schedules/x"]),
    query=st.text(max_size=60),
    headers=st.dictionaries(
        st.sampled_from(["content-type", "x-amz-target", "authorization", "host", "x-forwarded-proto"]),
        st.text(max_size=30)
        | st.sampled_from(["application/x-amz-json-1.0", "application/x-www-form-urlencoded", "AmazonSQS.SendMessage"]),
    ),
    body=st.binary(max_size=200),
)
def test_any_request_at_all(method: str, path: str, query: str, headers: dict[str, str], body: bytes) -> None:
    answered(Request(method, path, query, headers, body))


@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_any_json_for_any_operation(data: st.DataObject) -> None:
    service = data.draw(st.sampled_from(["sqs", "events"]))
    name = data.draw(st.sampled_from(sorted(load_model(service).operations)))
    body = data.draw(JSON | st.dictionaries(st.sampled_from(members(service, name)), JSON, max_size=4))
    target = {"sqs": "AmazonSQS", "events": "AWSEvents"}[service] + "." + name
    headers = {"x-amz-target": target, "content-type": "application/x-amz-json-1.0"}

    answered(Request("POST", "/", "", headers, json.dumps(body).encode()))


@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_any_form_for_any_action(data: st.DataObject) -> None:
    service = data.draw(st.sampled_from(["sqs", "sns", "sts"]))
    name = data.draw(st.sampled_from(sorted(load_model(service).operations)))
    heads = st.sampled_from([*members(service, name), *(word.removesuffix("s") for word in members(service, name))])
    keys = st.builds(lambda head, tail: ".".join([head, *tail]), heads, st.lists(WORDS, max_size=4))
    fields = data.draw(st.lists(st.tuples(keys, WORDS), max_size=6))
    version = load_model(service).version

    body = urlencode([("Action", name), ("Version", version), *fields], errors="replace").encode()
    answered(Request("POST", "/", "", {"host": "h"}, body))


@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_any_parts_for_any_path(data: st.DataObject) -> None:
    service = data.draw(st.sampled_from(["lambda", "scheduler"]))
    operation = load_model(service).operations[data.draw(st.sampled_from(sorted(load_model(service).operations)))]
    path, _, query = operation.uri.partition("?")
    while "{" in path:
        head, _, tail = path.partition("{")
        path = head + quote(data.draw(st.text(max_size=10)), safe="") + tail.partition("}")[2]
    fields = data.draw(st.lists(st.tuples(st.sampled_from(members(service, operation.name)), WORDS), max_size=3))
    body = data.draw(st.binary(max_size=20) | JSON.map(lambda found: json.dumps(found).encode()))

    query = "&".join([query, urlencode(fields, errors="replace")])
    answered(Request(operation.method, path, query, {"x-amz-invocation-type": data.draw(WORDS)}, body))


def members(service: str, operation: str) -> list[str]:
    shape = load_model(service).operations[operation].input
    return ["Other"] if shape is None else ["Other", *(member.wire_name for member in shape.members.values())]
