"""REST with JSON as Lambda and Scheduler speak it: paths, query strings, headers, bodies and statuses."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from decouple.aws.errors import ServiceError
from decouple.aws.wire import Parsed, Request, Scope, Unreadable, encode, encode_error, read, scope_of
from decouple.aws.wire.dates import read_moment, write_moment
from decouple.aws.wire.rest_json import route


def request(method: str, path: str, query: str = "", body: bytes = b"", **headers: str) -> Request:
    return Request(method, path, query, {name.replace("_", "-"): value for name, value in headers.items()}, body)


def refused(bad: Request) -> Unreadable:
    with pytest.raises(Unreadable) as caught:
        read(bad)
    return caught.value


def signed_for(service: str) -> str:
    return (
        f"AWS4-HMAC-SHA256 Credential=AKID/20260101/eu-west-1/{service}/aws4_request, SignedHeaders=host, Signature=x"
    )


def test_parameters_come_from_path_query_string_headers_and_body() -> None:
    path = "/2015-03-31/functions/arn%3Aaws%3Alambda%3Aus-east-1%3A1%3Afunction%3Aresize/invocations"

    found = read(request("POST", path, "Qualifier=live", b"\xff{", x_amz_invocation_type="Event"))

    given = {
        "FunctionName": "arn:aws:lambda:us-east-1:1:function:resize",
        "Qualifier": "live",
        "InvocationType": "Event",
        "Payload": b"\xff{",
    }
    assert found == Parsed("lambda", "Invoke", given, "rest-json")


def test_a_body_has_the_members_that_stand_nowhere_else_with_blobs_in_base64() -> None:
    body = json.dumps({"FunctionName": "f", "Code": {"ZipFile": "AAH/"}, "Timeout": 3, "Role": None}).encode()

    assert read(request("POST", "/2015-03-31/functions", body=body)).given == {
        "FunctionName": "f",
        "Code": {"ZipFile": b"\x00\x01\xff"},
        "Timeout": 3,
    }


def test_a_request_without_a_body_has_no_members_in_it() -> None:
    found = read(request("POST", "/2015-03-31/functions/f/versions"))

    assert (found.operation, found.given) == ("PublishVersion", {"FunctionName": "f"})


def test_query_strings_have_numbers_booleans_and_lists() -> None:
    listing = read(request("GET", "/2015-03-31/event-source-mappings/", "MaxItems=5&FunctionName=f%20g&Other=1"))
    untagging = read(request("DELETE", "/2017-03-31/tags/arn", "tagKeys=a&tagKeys=b"))

    assert listing.given == {"MaxItems": 5, "FunctionName": "f g"}
    assert untagging.given == {"Resource": "arn", "TagKeys": ["a", "b"]}


def test_a_path_may_end_with_a_slash() -> None:
    """Lambda's older clients list functions at ".../functions/"."""
    assert read(request("GET", "/2015-03-31/functions/")).operation == "ListFunctions"


def test_fixed_parts_of_path_and_query_string_win_over_labels() -> None:
    base = "/2019-09-30/functions/f/provisioned-concurrency"

    assert read(request("GET", base, "List=ALL")).operation == "ListProvisionedConcurrencyConfigs"
    assert read(request("GET", base, "Qualifier=1")).operation == "GetProvisionedConcurrencyConfig"
    assert read(request("GET", "/2018-10-31/layers", "find=LayerVersion&Arn=a")).operation == "GetLayerVersionByArn"
    assert read(request("GET", "/2018-10-31/layers")).operation == "ListLayers"


def test_scheduler_is_told_by_its_paths_and_the_signature_decides() -> None:
    assert read(request("GET", "/schedules/nightly")).service == "scheduler"
    assert read(request("GET", "/tags/arn")).operation == "ListTagsForResource"
    assert refused(request("GET", "/schedules/nightly", authorization=signed_for("lambda"))).service == "lambda"
    assert refused(request("GET", "/schedules/nightly", authorization=signed_for("sqs"))).service == "sqs"


def test_moments_in_a_body_are_seconds_since_1970() -> None:
    body = b'{"ScheduleExpression": "rate(1 day)", "StartDate": 1767225600}'

    assert read(request("POST", "/schedules/s", body=body)).given["StartDate"] == datetime(2026, 1, 1, tzinfo=UTC)


def test_an_answer_has_its_status_headers_and_body_where_the_model_says() -> None:
    answer = {"StatusCode": 202, "FunctionError": "Unhandled\r\n", "LogResult": None, "Payload": b"\x00"}

    reply = encode("lambda", "Invoke", "rest-json", answer, "id-1")

    assert (reply.status, reply.body) == (202, b"\x00")
    assert reply.headers == {
        "x-amzn-requestid": "id-1",
        "content-type": "application/json",
        "x-amz-function-error": "Unhandled  ",
    }


def test_an_answer_has_the_operations_own_status() -> None:
    created = encode("lambda", "CreateFunction", "rest-json", {"FunctionName": "f", "MemorySize": 128}, "id-1")
    deleted = encode("lambda", "DeleteAlias", "rest-json", {}, "id-1")
    tagged = encode("scheduler", "TagResource", "rest-json", {}, "id-1")

    assert (created.status, created.body) == (201, b'{"FunctionName":"f","MemorySize":128}')
    assert (deleted.status, deleted.body) == (204, b"")
    assert (tagged.status, tagged.body) == (200, b"{}")


def test_an_answer_without_a_payload_has_no_body() -> None:
    """Lambda: 202 for Event, 204 for DryRun."""
    assert encode("lambda", "Invoke", "rest-json", {"StatusCode": 204}, "id-1").body == b""


def test_an_error_of_lambda_has_its_type_in_a_header_and_the_models_members() -> None:
    error = ServiceError("ResourceNotFoundException", "Function not found: arn", status=404)

    reply = encode_error("lambda", "GetFunction", "rest-json", error, "id-1")

    assert (reply.status, reply.headers["x-amzn-errortype"]) == (404, "ResourceNotFoundException")
    assert json.loads(reply.body) == {"Type": "User", "Message": "Function not found: arn"}


def test_a_throttle_has_its_reason_in_the_body_and_its_delay_in_a_header() -> None:
    error = ServiceError(
        "TooManyRequestsException", "Rate Exceeded.", status=429, Reason="CallerRateLimitExceeded", retryAfterSeconds=1
    )

    reply = encode_error("lambda", "Invoke", "rest-json", error, "id-1")

    assert reply.headers["retry-after"] == "1"
    assert json.loads(reply.body) == {"Type": "User", "Reason": "CallerRateLimitExceeded", "message": "Rate Exceeded."}


def test_an_error_that_the_model_does_not_know_has_only_a_message() -> None:
    error = ServiceError("ValidationException", "1 validation error detected: ...")

    reply = encode_error("lambda", "GetFunction", "rest-json", error, "id-1")

    assert json.loads(reply.body) == {"message": "1 validation error detected: ..."}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/2015-03-31/dances"),
        ("PATCH", "/2015-03-31/functions"),
        ("GET", "/2015-03-31/functions//configuration"),
        ("GET", "/1999-01-01/functions/"),
        ("POST", "/schedules"),
    ],
)
def test_an_unknown_path_is_an_unknown_operation(method: str, path: str) -> None:
    error = refused(request(method, path))

    assert (error.shape, error.status, error.protocol) == ("UnknownOperationException", 404, "rest-json")


@pytest.mark.parametrize(
    ("bad", "shape"),
    [
        pytest.param(request("POST", "/2015-03-31/functions", body=b"[]"), "SerializationException", id="list"),
        pytest.param(request("POST", "/2015-03-31/functions", body=b"{"), "SerializationException", id="half"),
        pytest.param(
            request("GET", "/2015-03-31/functions", "MaxItems=many"), "SerializationException", id="no number"
        ),
        pytest.param(request("GET", "/2015-03-31/functions/%ff"), "MalformedQueryString", id="path no UTF-8"),
        pytest.param(request("GET", "/2015-03-31/functions", "a=%f"), "MalformedQueryString", id="bad escape"),
        pytest.param(
            request("GET", "/2018-10-31/layers", "find=%f"), "MalformedQueryString", id="bad escape where it decides"
        ),
        pytest.param(
            request("POST", "/2015-03-31/functions", body=b'{"Code": {"ZipFile": "*"}}'),
            "SerializationException",
            id="no base64",
        ),
    ],
)
def test_what_cannot_be_read_is_a_service_error(bad: Request, shape: str) -> None:
    error = refused(bad)

    assert (error.shape, error.status) == (shape, 400)


def test_a_greedy_label_takes_slashes() -> None:
    class Bucket:
        name, method, uri = "GetObject", "GET", "/{Bucket}/{Key+}?x=1"

    found = route(Bucket())  # type: ignore[arg-type]

    assert (found.labels, found.depth, found.fixed) == (("Bucket", "Key"), -1, frozenset({("x", "1")}))
    groups = found.path.fullmatch("/b/a/b/c")
    assert groups is not None
    assert groups.groups() == ("b", "a/b/c")


@pytest.mark.parametrize(
    ("signed", "scope"),
    [
        (request("GET", "/", authorization=signed_for("sqs")), Scope("AKID", "20260101", "eu-west-1", "sqs")),
        (
            request("GET", "/", "a=b&X-Amz-Credential=A%2F20260101%2Fus-east-1%2Fsns%2Faws4_request"),
            Scope("A", "20260101", "us-east-1", "sns"),
        ),
        (request("GET", "/"), None),
        (request("GET", "/", authorization="Basic xyz"), None),
        (request("GET", "/", authorization="AWS4-HMAC-SHA256 Credential=AKID"), None),
        (request("GET", "/", "X-Amz-Credential=%zz"), None),
    ],
    ids=["header", "query string", "unsigned", "basic", "short", "bad escape"],
)
def test_the_scope_says_account_key_region_and_service(signed: Request, scope: Scope | None) -> None:
    assert scope_of(signed) == scope


@pytest.mark.parametrize(
    ("text", "notation"),
    [
        ("2026-01-01T00:00:00Z", "iso8601"),
        ("2026-01-01T00:00:00.250Z", "iso8601"),
        ("Thu, 01 Jan 2026 00:00:00 GMT", "rfc822"),
        ("1767225600", "unixTimestamp"),
        ("1767225600.25", "unixTimestamp"),
    ],
)
def test_moments_are_read_and_written_in_each_notation(text: str, notation: str) -> None:
    assert write_moment(read_moment(text, notation), notation) == text


@pytest.mark.parametrize(
    ("text", "notation"),
    [
        ("x", "iso8601"),
        ("0001-01-01T00:00:00+05:00", "iso8601"),
        ("x", "rfc822"),
        ("inf", "unixTimestamp"),
        ("nan", "unixTimestamp"),
    ],
)
def test_what_is_no_moment_is_a_value_error(text: str, notation: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        read_moment(text, notation)
