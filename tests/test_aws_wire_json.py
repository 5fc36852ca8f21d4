"""AWS JSON as SQS and EventBridge speak it: what is read, what is answered, and how errors are said."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from decouple.aws.errors import ServiceError
from decouple.aws.wire import Parsed, Request, Unreadable, encode, encode_error, read


def request(target: str, body: Any, *, content: str = "application/x-amz-json-1.0", method: str = "POST") -> Request:
    packed = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Request(method, "/", "", {"x-amz-target": target, "content-type": content}, packed)


def refused(bad: Request) -> Unreadable:
    with pytest.raises(Unreadable) as caught:
        read(bad)
    return caught.value


def test_the_target_names_service_and_operation_and_the_body_holds_the_parameters() -> None:
    given = {"QueueUrl": "http://localhost/0/q", "MessageBody": "hé\n"}

    assert read(request("AmazonSQS.SendMessage", given)) == Parsed("sqs", "SendMessage", given, "json")
    assert (
        read(request("AWSEvents.ListRules", {}, content="application/x-amz-json-1.1; charset=utf-8")).service
        == "events"
    )


def test_blobs_are_base64_and_moments_are_seconds_since_1970() -> None:
    attributes = {"b": {"DataType": "Binary", "BinaryValue": "AAH/"}, "s": {"DataType": "String", "StringValue": "x"}}
    sent = read(request("AmazonSQS.SendMessage", {"MessageAttributes": attributes}))
    put = read(request("AWSEvents.PutEvents", {"Entries": [{"Time": 1.5}, {"Time": 0}, {"Detail": "{}"}]}))

    assert sent.given["MessageAttributes"]["b"]["BinaryValue"] == b"\x00\x01\xff"
    assert [each.get("Time") for each in put.given["Entries"]] == [
        datetime(1970, 1, 1, 0, 0, 1, 500_000, tzinfo=UTC),
        datetime(1970, 1, 1, tzinfo=UTC),
        None,
    ]


def test_null_says_that_a_parameter_is_not_given() -> None:
    given = {"QueueUrl": "q", "DelaySeconds": None, "MessageAttributes": {"a": None, "b": {"StringValue": None}}}

    assert read(request("AmazonSQS.SendMessage", given)).given == {"QueueUrl": "q", "MessageAttributes": {"b": {}}}


def test_an_answer_is_json_with_the_request_id_in_a_header() -> None:
    reply = encode("sqs", "SendMessage", "json", {"MessageId": "é", "SequenceNumber": "1"}, "id-1")

    assert reply.status == 200
    assert reply.headers == {"x-amzn-requestid": "id-1", "content-type": "application/x-amz-json-1.0"}
    assert reply.body.decode() == '{"MessageId":"é","SequenceNumber":"1"}'


def test_an_empty_answer_is_an_empty_object_and_an_operation_without_one_has_no_body() -> None:
    """SQS: an empty receive has no Messages key."""
    assert encode("sqs", "ReceiveMessage", "json", {}, "id-1").body == b"{}"
    assert encode("sqs", "DeleteMessage", "json", {}, "id-1").body == b""


def test_an_answer_leaves_what_the_operation_keeps_as_it_was() -> None:
    kept = {"Messages": [{"MessageAttributes": {"b": {"BinaryValue": b"\x00"}}}]}

    reply = encode("sqs", "ReceiveMessage", "json", kept, "id-1")

    assert json.loads(reply.body)["Messages"][0]["MessageAttributes"]["b"]["BinaryValue"] == "AA=="
    assert kept == {"Messages": [{"MessageAttributes": {"b": {"BinaryValue": b"\x00"}}}]}


def test_moments_are_answered_in_seconds_whether_given_as_such_or_as_datetimes() -> None:
    moment = datetime(2026, 1, 1, 0, 0, 0, 250_000, tzinfo=UTC)
    archive = {"CreationTime": moment, "EventSourceArn": "arn"}

    reply = encode("events", "DescribeArchive", "json", archive, "id-1")
    again = encode("events", "DescribeArchive", "json", {"CreationTime": 5.0}, "id-1")

    assert json.loads(reply.body) == {"CreationTime": 1767225600.25, "EventSourceArn": "arn"}
    assert again.body == b'{"CreationTime":5}'


def test_half_a_surrogate_pair_in_an_answer_becomes_a_question_mark() -> None:
    assert encode("sqs", "SendMessage", "json", {"MessageId": "\ud800"}, "id-1").body == b'{"MessageId":"?"}'


@pytest.mark.parametrize(
    ("shape", "code", "kind"),
    [
        pytest.param(
            "QueueDoesNotExist",
            "AWS.SimpleQueueService.NonExistentQueue",
            "com.amazonaws.sqs#QueueDoesNotExist",
            id="of SQS",
        ),
        pytest.param(
            "InvalidParameterValueException",
            "InvalidParameterValue",
            "com.amazon.coral.service#InvalidParameterValueException",
            id="value",
        ),
        pytest.param(
            "MissingRequiredParameterException",
            "MissingParameter",
            "com.amazon.coral.service#MissingRequiredParameterException",
            id="missing",
        ),
    ],
)
def test_an_error_of_sqs_has_its_shape_in_the_body_and_its_query_code_in_a_header(
    shape: str, code: str, kind: str
) -> None:
    """SQS: x-amzn-query-error is all that clients learn the legacy code from."""
    reply = encode_error("sqs", "SendMessage", "json", ServiceError(shape, "No.", code=code), "id-1")

    assert reply.status == 400
    assert reply.headers["x-amzn-query-error"] == f"{code};Sender"
    assert reply.headers["x-amzn-requestid"] == "id-1"
    assert json.loads(reply.body) == {"__type": kind, "message": "No."}


def test_an_error_of_the_service_itself_is_the_receivers() -> None:
    error = ServiceError("InternalError", "No.", status=500, sender=False)

    reply = encode_error("sqs", "SendMessage", "json", error, "id-1")

    assert (reply.status, reply.headers["x-amzn-query-error"]) == (500, "InternalError;Receiver")


def test_an_error_of_eventbridge_has_no_namespace_and_no_query_code() -> None:
    error = ServiceError("ResourceNotFoundException", "Rule x does not exist on EventBus default.")

    reply = encode_error("events", "DescribeRule", "json", error, "id-1")

    assert "x-amzn-query-error" not in reply.headers
    assert reply.headers["content-type"] == "application/x-amz-json-1.1"
    assert json.loads(reply.body) == {
        "__type": "ResourceNotFoundException",
        "message": "Rule x does not exist on EventBus default.",
    }


@pytest.mark.parametrize(
    "target", ["AmazonSQS.Dance", "AmazonSQS", "AmazonSQS.", "", "DynamoDB_20120810.GetItem", ".SendMessage"]
)
def test_an_unknown_target_is_an_unknown_operation(target: str) -> None:
    error = refused(request(target, {}))

    assert (error.shape, error.status, error.protocol) == ("UnknownOperationException", 400, "json")


@pytest.mark.parametrize(
    ("content", "method"),
    [
        pytest.param("application/x-www-form-urlencoded", "POST", id="form"),
        pytest.param("text/plain", "POST", id="text"),
        pytest.param("", "POST", id="none"),
        pytest.param("application/x-amz-json-1.0", "GET", id="get"),
    ],
)
def test_another_content_type_or_method_is_a_request_in_no_protocol(content: str, method: str) -> None:
    error = refused(request("AmazonSQS.ListQueues", {}, content=content, method=method))

    assert (error.shape, error.status) == ("UnknownOperationException", 404)
    assert b"<UnknownOperationException/>" in encode_error(error.service, "", error.protocol, error, "id-1").body


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"{", id="half"),
        pytest.param(b"[]", id="list"),
        pytest.param(b'"x"', id="text"),
        pytest.param(b"null", id="null"),
        pytest.param(b"{'a': 1}", id="quotes"),
        pytest.param(b'{"MessageBody": "\xff"}', id="no UTF-8"),
        pytest.param('{"MessageBody": "x"}'.encode("utf-16"), id="UTF-16"),
        pytest.param(b'\xef\xbb\xbf{"MessageBody": "x"}', id="byte order mark"),
        pytest.param(b'{"DelaySeconds": NaN}', id="not a number"),
        pytest.param(b'{"DelaySeconds": ' + b"9" * 5000 + b"}", id="endless number"),
        pytest.param(b'{"MessageBody": "\\ud800"}', id="half a surrogate pair"),
        pytest.param(b'{"a":' * 100_000, id="deep and open"),
        pytest.param(b'{"a":' * 100_000 + b"1" + b"}" * 100_000, id="deep"),
        pytest.param(b'{"a":' * 700 + b"null" + b"}" * 700, id="rather deep, with null"),
        pytest.param(b'{"MessageAttributes": {"a": {"BinaryValue": "***"}}}', id="no base64"),
        pytest.param(b'{"MessageAttributes": {"a": {"BinaryValue": "AA"}}}', id="unpadded base64"),
        pytest.param(b'{"MessageAttributes": {"a": {"BinaryValue": "\xc3\xa9"}}}', id="foreign base64"),
        pytest.param(b'{"MessageAttributes": {"a": {"BinaryValue": 5}}}', id="number for base64"),
    ],
)
def test_a_body_that_cannot_be_read_is_a_serialization_error(body: bytes) -> None:
    error = refused(request("AmazonSQS.SendMessage", body))

    assert (error.shape, error.status) == ("SerializationException", 400)
    assert (error.service, error.operation, error.protocol) == ("sqs", "SendMessage", "json")


@pytest.mark.parametrize("moment", ['"2026-01-01T00:00:00Z"', "true", "1e300", "9" * 400, "[]", "{}"])
def test_what_is_no_moment_is_a_serialization_error(moment: str) -> None:
    body = f'{{"Entries": [{{"Time": {moment}}}]}}'.encode()

    assert refused(request("AWSEvents.PutEvents", body)).shape == "SerializationException"


@pytest.mark.parametrize("attributes", ["[]", '"x"', "5", '{"a": []}', '{"a": "x"}'])
def test_values_of_other_kinds_are_left_to_the_door(attributes: str) -> None:
    body = f'{{"MessageAttributes": {attributes}}}'.encode()

    assert read(request("AmazonSQS.SendMessage", body)).given == {"MessageAttributes": json.loads(attributes)}
