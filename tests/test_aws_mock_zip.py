"""Functions uploaded as zips in a mock: their own SDKs, in other processes, find its world."""

from __future__ import annotations

import io
import json
import os
import socket
import zipfile
from collections.abc import Iterator
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import boto3
import pytest

from decouple.aws import AWS, mock

# A process that imports boto3 takes a second to start.
pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name != "posix", reason="needs POSIX")]

CODE = """
import boto3

def handler(event, context):
    sqs = boto3.client("sqs")
    for record in event.get("Records", ()):
        sqs.send_message(QueueUrl=sqs.get_queue_url(QueueName="out")["QueueUrl"], MessageBody=record["body"].upper())
    try:
        sqs.get_queue_url(QueueName="missing")
    except sqs.exceptions.QueueDoesNotExist as error:
        return [sqs.list_queues()["QueueUrls"], error.response["Error"]["Code"]]
"""


@pytest.fixture
def aws() -> Iterator[AWS]:
    with mock() as aws:
        upload()
        yield aws


def upload() -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr("app.py", CODE)
    boto3.client("lambda").create_function(
        FunctionName="shout",
        Runtime="python3.12",
        Role="arn:aws:iam::123456789012:role/r",
        Handler="app.handler",
        Timeout=60,
        Code={"ZipFile": archive.getvalue()},
    )


def test_uploaded_code_that_is_invoked_calls_the_mocks_services(aws: AWS) -> None:
    out = boto3.client("sqs").create_queue(QueueName="out")["QueueUrl"]

    answer = boto3.client("lambda").invoke(FunctionName="shout", Payload=b"{}")

    assert json.load(answer["Payload"]) == [[out], "AWS.SimpleQueueService.NonExistentQueue"]


def test_uploaded_code_behind_a_queue_sends_to_another(aws: AWS) -> None:
    sqs = boto3.client("sqs")
    out, orders = (sqs.create_queue(QueueName=name, Attributes={"VisibilityTimeout": "90"}) for name in ("out", "in"))
    boto3.client("lambda").create_event_source_mapping(
        EventSourceArn="arn:aws:sqs:us-east-1:123456789012:in", FunctionName="shout"
    )

    sqs.send_message(QueueUrl=orders["QueueUrl"], MessageBody="order 7")

    [message] = sqs.receive_message(QueueUrl=out["QueueUrl"])["Messages"]
    assert message["Body"] == "ORDER 7"


def test_the_address_is_open_only_from_the_first_run_to_the_end_of_the_mock(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opened: list[str] = []
    with mock() as aws:
        upload()
        reach = aws.world.reach
        assert reach is not None
        monkeypatch.setattr(aws.world, "reach", lambda: opened.append(reach()) or opened[-1])
        assert opened == []

        boto3.client("lambda").invoke(FunctionName="shout")
        [address] = opened
        assert aws.world.reach is not None
        assert aws.world.reach() == address

    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((urlsplit(address).hostname, urlsplit(address).port))


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        pytest.param({"Origin": "https://elsewhere.example"}, 403, id="a-web-page"),
        pytest.param({"X-Amz-Target": "DynamoDB_20120810.ListTables"}, 400, id="another-service"),
        pytest.param({"X-Amz-Target": "AmazonSQS.Nothing"}, 400, id="no-operation"),
    ],
)
def test_what_no_sdk_asks_is_refused(headers: dict[str, str], status: int) -> None:
    with mock() as aws:
        reach: Any = aws.world.reach
        request = Request(reach(), b"{}", {"Content-Type": "application/x-amz-json-1.0", **headers})

        with pytest.raises(HTTPError) as caught:
            urlopen(request)

        caught.value.close()
        assert caught.value.code == status
