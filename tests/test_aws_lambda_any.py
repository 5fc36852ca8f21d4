"""Lambda and STS on the wire: whatever the parameters, an answer that fits the model or an error of the service."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lambda_caller import OWNER, Caller, arn, zipped

from decouple.aws import Call, ServiceError, World
from decouple.aws.lambdas import LAMBDA
from decouple.aws.model import Shape
from decouple.aws.sts import STS
from decouple.aws.wire import encode, encode_error
from decouple.testing import VirtualClock

# What makes a request likely to come through, by the member's name.
LIKELY: dict[str, list[Any]] = {
    "FunctionName": [
        "resize",
        arn(),
        "resize:live",
        "resize:1",
        "native",
        "no",
        f"{OWNER}:function:resize",
        "a b",
        "%",
    ],
    "Qualifier": ["$LATEST", "1", "live", "no"],
    "Handler": ["app.handler", "app.other", "nothing.here", "x"],
    "Runtime": ["python3.12", "nodejs20.x", "python2.7"],
    "Role": [f"arn:aws:iam::{OWNER}:role/worker"],
    "ZipFile": [b"", b"no zip", zipped(), zipped(app="def handler(event, context): return event")],
    "EventSourceArn": [arn("orders", "", "sqs"), arn("line.fifo", "", "sqs"), arn("s", "stream", "kinesis"), "x"],
    "Destination": [arn("orders", "", "sqs"), arn(), "arn:aws:s3:::b", "", "x:y"],
    "TargetArn": [arn("orders", "", "sqs"), arn("line.fifo", "", "sqs"), "", "x"],
    "Resource": [arn(), arn("no"), "x"],
    "Pattern": ['{"body": ["a"]}', "{", '{"a": [{"prefix": "b"}]}', "[]", "null"],
    "Payload": [b"", b"{}", b"[1, null]", b"{", b"\xff", b'"\\ud800"', b"1e999"],
    "ClientContext": ["e30=", "x", "", "W10="],
    "Name": ["live", "new"],
    "FunctionVersion": ["$LATEST", "1", "7", "ALL"],
    "Principal": ["*", "444455556666", "sns.amazonaws.com", "x"],
    "Action": ["lambda:InvokeFunction", "*"],
    "Marker": ["", "x", "MTph", "w6Q="],
    "UUID": ["0" * 36],
    "Timeout": [1, 900, 901],
    "MemorySize": [128, 512, 20_000],
    "RoleArn": [f"arn:aws:iam::{OWNER}:role/worker", "arn:aws:iam::1:role/x"],
    "RoleSessionName": ["night", "a b"],
}


def values(shape: Shape, name: str, depth: int = 0) -> st.SearchStrategy[Any]:
    """Any value of the shape; often one that is likely to come through."""
    some = any_of(shape, depth)
    return st.sampled_from(LIKELY[name]) | some if name in LIKELY else some


def any_of(shape: Shape, depth: int) -> st.SearchStrategy[Any]:
    if shape.type == "structure":
        return structures(shape, depth)
    if shape.type == "list":
        return st.lists(values(shape.element.shape, "", depth + 1), max_size=2)
    if shape.type == "map":
        keys, inner = values(shape.key.shape, "", depth + 1), values(shape.value.shape, "", depth + 1)
        return st.dictionaries(keys, inner, max_size=2)
    if "enum" in shape.raw:
        return st.sampled_from(shape.raw["enum"])
    return simple(shape)


def simple(shape: Shape) -> st.SearchStrategy[Any]:
    least, most = shape.raw.get("min", 0), shape.raw.get("max", 100)
    if shape.type in ("integer", "long"):
        return st.integers(least, most) | st.sampled_from([least - 1, most + 1, 0])
    if shape.type in ("double", "float"):
        return st.floats(0, 1)
    if shape.type == "boolean":
        return st.booleans()
    if shape.type == "blob":
        return st.binary(max_size=20)
    if shape.type == "timestamp":
        return st.just(datetime(2026, 1, 1, tzinfo=UTC))
    return st.text(max_size=12) | st.from_regex(r"[a-zA-Z][a-zA-Z0-9_]{1,10}", fullmatch=True)


def structures(shape: Shape, depth: int) -> st.SearchStrategy[dict[str, Any]]:
    if depth > 4:
        return st.just({})
    members = {name: values(member.shape, name, depth + 1) for name, member in shape.members.items()}
    required = {name: members.pop(name) for name in shape.required}
    return st.fixed_dictionaries(required, optional=members)


def worlds() -> World:
    world = World(clock=VirtualClock(), account=OWNER)
    world.handlers["app.handler"] = world.handlers["app.other"] = lambda event, context: event
    aws = Caller(world)
    aws.broker.queue("orders")
    aws.broker.queue("line.fifo")
    aws.broker.function(lambda event, context: event, name="native", retries=0)
    aws.create(Publish=True)
    aws("CreateAlias", FunctionName="resize", Name="live", FunctionVersion="1")
    return world


OPERATIONS = sorted(name for name, one in LAMBDA.operations.items() if one.level != "refused")


@cache
def requests_to(name: str) -> st.SearchStrategy[tuple[str, dict[str, Any]]]:
    """An operation with any parameters; what the model does not allow is refused before the operation sees it."""
    return st.tuples(st.just(name), any_of(LAMBDA.model.operations[name].input, 0))  # type: ignore[arg-type]


REQUESTS = st.sampled_from(OPERATIONS).flatmap(requests_to)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(requests=st.lists(REQUESTS, min_size=1, max_size=4))
def test_any_requests_have_answers_that_can_be_written_or_errors_of_the_service(
    requests: list[tuple[str, dict[str, Any]]],
) -> None:
    world = worlds()
    call = Caller(world).call

    for name, given_ in requests:
        try:
            answer = LAMBDA.perform(call, name, given_)
        except ServiceError as error:
            written = encode_error("lambda", name, "rest-json", error, "r-1")
            assert 400 <= written.status < 500
        else:
            model = LAMBDA.model.operations[name].output
            assert set(answer) <= set(model.members if model is not None else ())
            assert encode("lambda", name, "rest-json", answer, "r-1").status < 300
    for place in world.places:
        place.broker.run_until_idle(errors="collect")
    world.check()
    world.close()


@pytest.mark.parametrize("operation", sorted(STS.operations))
@settings(max_examples=10, deadline=None)
@given(data=st.data())
def test_any_parameters_of_sts(operation: str, data: st.DataObject) -> None:
    world = World(clock=VirtualClock(), account=OWNER)
    call = Call(world.place(), f"arn:aws:iam::{OWNER}:root", "query")
    shape = STS.model.operations[operation].input
    given_ = {} if shape is None else data.draw(any_of(shape, 0))

    try:
        answer = STS.perform(call, operation, given_)
    except ServiceError as error:
        encode_error("sts", operation, "query", error, "r-1")
    else:
        assert encode("sts", operation, "query", answer, "r-1").status == 200


def test_an_answer_is_read_by_botocore_as_it_was_meant() -> None:
    """Headers of Invoke, the payload as it is."""
    from botocore.awsrequest import HeadersDict
    from botocore.model import ServiceModel
    from botocore.parsers import create_parser
    from botocore.session import Session

    aws = Caller(worlds(), request_id="r-1")
    answer = aws("Invoke", FunctionName="resize", Payload=b"[1]", LogType="Tail")
    reply = encode("lambda", "Invoke", "rest-json", answer, "r-1")
    model = ServiceModel(Session().get_service_data("lambda"), "lambda").operation_model("Invoke")

    headers = HeadersDict(dict(reply.headers))
    response = {"status_code": reply.status, "headers": headers, "body": io.BytesIO(reply.body)}
    read = create_parser("rest-json").parse(response, model.output_shape)

    assert (read["StatusCode"], read["ExecutedVersion"]) == (200, "$LATEST")
    assert json.loads(read["Payload"].read()) == [1]
    assert read["LogResult"] == answer["LogResult"]


def test_an_error_is_read_by_botocore_with_its_code_type_and_reason() -> None:
    from botocore.parsers import create_parser

    aws = Caller(worlds())
    aws("PutFunctionConcurrency", FunctionName="resize", ReservedConcurrentExecutions=0)
    reply = encode_error("lambda", "Invoke", "rest-json", aws.error("Invoke", FunctionName="resize"), "r-1")

    response = {"status_code": reply.status, "headers": dict(reply.headers), "body": reply.body}
    read = create_parser("rest-json").parse(response, None)

    assert read["ResponseMetadata"]["HTTPStatusCode"] == 429
    assert read["Error"] == {"Code": "TooManyRequestsException", "Message": "Rate Exceeded."}
    assert json.loads(reply.body)["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"
    assert json.loads(reply.body)["Type"] == "User"
