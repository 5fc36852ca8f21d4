"""Beside moto: ours serves SQS, SNS and Lambda, moto the rest, and its S3 notifies our queues, topics and functions."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from decouple import AccessDenied
from decouple.aws import AWS, NotMocked, mock

moto = pytest.importorskip("moto", reason="moto is not installed")
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning:moto", "ignore::DeprecationWarning:botocore"),
    pytest.mark.usefixtures("models_kept"),
]

KEYS = {"aws_access_key_id": "AKIAIOSFODNN7EXAMPLE", "aws_secret_access_key": "secret", "region_name": "us-east-1"}


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)


@pytest.fixture(params=["mock-inside", "mock-outside"])
def aws(request: pytest.FixtureRequest) -> Iterator[AWS]:
    """A mock and moto's, nested the one way and the other."""
    with ExitStack() as stack:
        if request.param == "mock-inside":
            stack.enter_context(moto.mock_aws())
            yield stack.enter_context(mock())
        else:
            aws = stack.enter_context(mock())
            stack.enter_context(moto.mock_aws())
            yield aws


def client(service: str) -> Any:
    return boto3.client(service, region_name="us-east-1")


def bucket(**notifications: Any) -> Any:
    """S3 with a bucket "photos" that notifies of what is put into it."""
    s3 = client("s3")
    s3.create_bucket(Bucket="photos")
    s3.put_bucket_notification_configuration(Bucket="photos", NotificationConfiguration=notifications)
    return s3


def test_ours_serves_queues_and_moto_tables(aws: AWS) -> None:
    client("sqs").create_queue(QueueName="orders")
    tables = client("dynamodb")
    tables.create_table(
        TableName="orders",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )

    assert list(aws.broker.queues) == ["orders"]
    assert tables.list_tables()["TableNames"] == ["orders"]


def test_a_queue_is_told_of_an_object(aws: AWS) -> None:
    aws.broker.queue("uploads")
    s3 = bucket(QueueConfigurations=[{"QueueArn": aws.broker.queues["uploads"].arn, "Events": ["s3:ObjectCreated:*"]}])

    s3.put_object(Bucket="photos", Key="cat.jpg", Body=b"miaow")

    test, event = [json.loads(message.body) for message in aws.broker.queues["uploads"].peek()]
    assert (test["Event"], test["Bucket"]) == ("s3:TestEvent", "photos")
    assert event["Records"][0]["eventName"] == "ObjectCreated:Put"
    assert event["Records"][0]["s3"]["object"]["key"] == "cat.jpg"


def test_a_topic_is_told_and_has_told_its_subscribers_when_the_call_returns(aws: AWS) -> None:
    heard: list[tuple[str | None, dict[str, Any]]] = []
    topic = aws.broker.topic("uploads")
    topic.subscribe(lambda notification: heard.append((notification.subject, json.loads(notification.body))))
    s3 = bucket(TopicConfigurations=[{"TopicArn": topic.arn, "Events": ["s3:ObjectCreated:*"]}])

    s3.put_object(Bucket="photos", Key="cat.jpg", Body=b"miaow")

    assert [subject for subject, _ in heard] == ["Amazon S3 Notification"] * 2
    assert heard[1][1]["Records"][0]["s3"]["bucket"]["name"] == "photos"


@pytest.mark.parametrize("qualifier", ["", ":$LATEST"])
def test_a_function_is_invoked(aws: AWS, qualifier: str) -> None:
    seen: list[str] = []
    function = aws.broker.function(
        lambda event, context: seen.append(event["Records"][0]["s3"]["object"]["key"]), name="thumbnail"
    )
    arn = function.arn + qualifier
    s3 = bucket(LambdaFunctionConfigurations=[{"LambdaFunctionArn": arn, "Events": ["s3:ObjectCreated:*"]}])

    s3.put_object(Bucket="photos", Key="cat.jpg", Body=b"miaow")

    assert seen == ["cat.jpg"]


def test_a_handler_reads_the_object_it_was_told_of(aws: AWS) -> None:
    seen: list[bytes] = []

    def handler(event: dict[str, Any], context: object) -> None:
        where = event["Records"][0]["s3"]
        answer = client("s3").get_object(Bucket=where["bucket"]["name"], Key=where["object"]["key"])
        seen.append(answer["Body"].read())

    function = aws.broker.function(handler, name="thumbnail")
    s3 = bucket(LambdaFunctionConfigurations=[{"LambdaFunctionArn": function.arn, "Events": ["s3:ObjectCreated:*"]}])

    s3.put_object(Bucket="photos", Key="cat.jpg", Body=b"miaow")

    assert seen == [b"miaow"]


def test_a_target_that_is_nowhere_is_motos_affair(aws: AWS) -> None:
    s3 = bucket(
        QueueConfigurations=[
            {"QueueArn": "arn:aws:sqs:us-east-1:123456789012:nowhere", "Events": ["s3:ObjectCreated:*"]}
        ],
        TopicConfigurations=[
            {"TopicArn": "arn:aws:sns:us-east-1:123456789012:nowhere", "Events": ["s3:ObjectCreated:*"]}
        ],
        LambdaFunctionConfigurations=[
            {
                "LambdaFunctionArn": "arn:aws:lambda:us-east-1:123456789012:function:nowhere",
                "Events": ["s3:ObjectCreated:*"],
            }
        ],
    )

    s3.put_object(Bucket="photos", Key="cat.jpg", Body=b"miaow")

    assert not aws.broker.queues


def test_targets_of_a_mock_with_another_account_are_found() -> None:
    with moto.mock_aws(), mock(account="111122223333") as aws:
        queue = aws.broker.queue("uploads")
        s3 = bucket(QueueConfigurations=[{"QueueArn": queue.arn, "Events": ["s3:ObjectCreated:*"]}])
        s3.put_object(Bucket="photos", Key="cat.jpg", Body=b"miaow")

        assert queue.stats().visible == 2


def test_in_a_strict_world_the_queue_must_let_s3_send() -> None:
    with moto.mock_aws(), mock(strict=True) as aws:
        queue = aws.broker.queue("uploads")
        to_queue = {"QueueConfigurations": [{"QueueArn": queue.arn, "Events": ["s3:ObjectCreated:*"]}]}
        with pytest.raises(AccessDenied, match=r"s3\.amazonaws\.com"):
            bucket(**to_queue)

        queue.policy = {
            "Statement": {
                "Effect": "Allow",
                "Principal": {"Service": "s3.amazonaws.com"},
                "Action": "sqs:SendMessage",
                "Resource": queue.arn,
                "Condition": {"ArnEquals": {"aws:SourceArn": "arn:aws:s3:::photos"}},
            }
        }
        bucket(**to_queue).put_object(Bucket="photos", Key="cat.jpg", Body=b"miaow")

        assert queue.stats().visible == 2


def test_moto_serves_clients_that_were_made_before_either() -> None:
    s3 = boto3.Session(**KEYS).client("s3")

    with mock(), moto.mock_aws():
        s3.create_bucket(Bucket="photos")
        assert [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]] == ["photos"]


def test_a_service_of_ours_can_be_left_to_moto() -> None:
    with mock(passthrough=["sqs"]) as aws, moto.mock_aws():
        client("sqs").create_queue(QueueName="orders")
        assert len(client("sqs").list_queues()["QueueUrls"]) == 1
        assert not aws.broker.queues


def test_when_motos_mock_has_ended_its_services_are_refused_again() -> None:
    with mock():
        with moto.mock_aws():
            client("s3").create_bucket(Bucket="photos")
        with pytest.raises(NotMocked):
            client("s3").list_buckets()


def test_when_ours_has_ended_moto_serves_everything_as_before() -> None:
    with moto.mock_aws():
        with mock() as aws:
            queue = aws.broker.queue("uploads")
            s3 = bucket(QueueConfigurations=[{"QueueArn": queue.arn, "Events": ["s3:ObjectCreated:*"]}])
            sqs = client("sqs")

        url = sqs.create_queue(QueueName="uploads")["QueueUrl"]
        s3.put_object(Bucket="photos", Key="cat.jpg", Body=b"miaow")

        [message] = sqs.receive_message(QueueUrl=url)["Messages"]
        assert json.loads(message["Body"])["Records"][0]["s3"]["object"]["key"] == "cat.jpg"
        assert queue.stats().visible == 1


def test_the_environment_is_as_before(aws: AWS) -> None:
    assert os.environ["AWS_ACCESS_KEY_ID"]


@pytest.mark.parametrize("order", [[mock, moto.mock_aws], [moto.mock_aws, mock]], ids=["mock-outside", "mock-inside"])
def test_both_put_the_environment_back(order: list[Callable[[], Any]]) -> None:
    with order[0](), order[1]():
        assert os.environ["AWS_ACCESS_KEY_ID"]

    assert not [name for name in os.environ if name.startswith("AWS_")]


def test_motos_errors_are_botocores(aws: AWS) -> None:
    with pytest.raises(ClientError, match="NoSuchBucket"):
        client("s3").list_objects_v2(Bucket="nowhere")


def test_moto_is_not_imported_for_our_sake() -> None:
    script = (
        "import sys, boto3\n"
        "from decouple.aws import mock\n"
        "with mock():\n"
        "    boto3.client('sqs').create_queue(QueueName='orders')\n"
        "assert not [name for name in sys.modules if name.partition('.')[0] == 'moto']\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
