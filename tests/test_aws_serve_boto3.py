"""boto3 against `decouple serve`: client and resource, threads, time that is moved, signatures, the Query protocol."""

from __future__ import annotations

import json
import threading
import urllib.parse
import urllib.request
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from serve_process import Served, served, settings

pytestmark = pytest.mark.slow

KEY, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"


@pytest.fixture(scope="module")
def server() -> Iterator[Served]:
    with served() as server:
        yield server
        assert server.stop() == (0, "")


@pytest.fixture
def sqs(server: Served) -> Iterator[Any]:
    urllib.request.urlopen(urllib.request.Request(server.url + "/_decouple/reset", method="POST")).close()
    client = boto3.client("sqs", **settings(server))
    yield client
    client.close()


def test_a_message_goes_round(sqs: Any, server: Served) -> None:
    url = sqs.create_queue(QueueName="orders", Attributes={"VisibilityTimeout": "10"})["QueueUrl"]
    assert url == f"{server.url}/000000000000/orders"

    kind = {"kind": {"DataType": "String", "StringValue": "tea"}}
    sent = sqs.send_message(QueueUrl=url, MessageBody="order 7 \u2615", MessageAttributes=kind)
    [message] = sqs.receive_message(QueueUrl=url, MessageAttributeNames=["All"])["Messages"]
    assert (message["MessageId"], message["Body"]) == (sent["MessageId"], "order 7 \u2615")
    assert message["MessageAttributes"] == kind

    sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    counted = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert [counted[f"ApproximateNumberOfMessages{state}"] for state in ("", "NotVisible")] == ["0", "0"]


def test_a_message_of_1_mib_and_a_batch_of_10(sqs: Any) -> None:
    url = sqs.create_queue(QueueName="orders")["QueueUrl"]

    sqs.send_message(QueueUrl=url, MessageBody="\u2615" * (1_048_576 // 3))
    entries = [{"Id": str(number), "MessageBody": "x" * 100_000} for number in range(10)]
    assert len(sqs.send_message_batch(QueueUrl=url, Entries=entries)["Successful"]) == 10
    assert len(sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]) == 10


def test_errors_have_their_class_and_code(sqs: Any) -> None:
    with pytest.raises(sqs.exceptions.QueueDoesNotExist) as caught:
        sqs.get_queue_url(QueueName="nobody")

    assert caught.value.response["Error"]["Code"] == "AWS.SimpleQueueService.NonExistentQueue"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


def test_a_long_poll_ends_when_another_thread_sends(sqs: Any) -> None:
    url = sqs.create_queue(QueueName="orders")["QueueUrl"]
    answers = list[Any]()
    waiting = threading.Thread(
        target=lambda: answers.append(sqs.receive_message(QueueUrl=url, WaitTimeSeconds=20)), daemon=True
    )
    waiting.start()
    sqs.send_message(QueueUrl=url, MessageBody="order 7")
    waiting.join(timeout=30)

    assert answers[0]["Messages"][0]["Body"] == "order 7"


def test_accounts_and_regions_are_apart(sqs: Any, server: Served) -> None:
    sqs.create_queue(QueueName="orders")

    for other in ({"aws_access_key_id": "111122223333"}, {"region_name": "eu-central-1"}):
        client = boto3.client("sqs", **settings(server, **other))
        assert "QueueUrls" not in client.list_queues()
        client.close()


def test_a_resource_speaks_too(server: Served) -> None:
    sqs = boto3.resource("sqs", **settings(server))
    queue = sqs.create_queue(QueueName="bills.fifo", Attributes={"FifoQueue": "true"})

    queue.send_message(MessageBody="bill 7", MessageGroupId="a", MessageDeduplicationId="1")
    queue.send_message(MessageBody="bill 7", MessageGroupId="a", MessageDeduplicationId="1")
    messages = queue.receive_messages(MaxNumberOfMessages=10)

    assert [message.body for message in messages] == ["bill 7"]
    messages[0].delete()
    sqs.meta.client.close()


def test_time_is_moved_while_clients_look_on() -> None:
    """A visibility timeout of half a minute, without waiting for it."""
    with served("--virtual-clock") as server:
        sqs = boto3.client("sqs", **settings(server))
        url = sqs.create_queue(QueueName="orders")["QueueUrl"]
        sqs.send_message(QueueUrl=url, MessageBody="order 7")
        sqs.receive_message(QueueUrl=url)
        assert "Messages" not in sqs.receive_message(QueueUrl=url, WaitTimeSeconds=20)

        move = urllib.request.Request(server.url + "/_decouple/clock", data=json.dumps({"advance": 30}).encode())
        urllib.request.urlopen(move).close()

        asked = {"MessageSystemAttributeNames": ["ApproximateReceiveCount"]}
        [again] = sqs.receive_message(QueueUrl=url, **asked)["Messages"]
        assert again["Attributes"] == {"ApproximateReceiveCount": "2"}
        sqs.close()
        assert server.stop() == (0, "")


def test_signatures_are_checked_where_secrets_are_given(tmp_path: Any) -> None:
    secrets = tmp_path / "secrets"
    secrets.write_text(f"{KEY}={SECRET}\nOTHER=secret\n")
    config = Config(retries={"max_attempts": 0})
    with served("--verify", f"@{secrets}") as server:
        good = {"aws_access_key_id": KEY, "aws_secret_access_key": SECRET}
        client = boto3.client("sqs", **settings(server, **good))
        client.create_queue(QueueName="orders")
        client.close()

        wrong = [(good | {"aws_secret_access_key": "x"}, "SignatureDoesNotMatch"), ({}, "InvalidClientTokenId")]
        for credentials, code in wrong:
            client = boto3.client("sqs", **settings(server, **credentials), config=config)
            with pytest.raises(ClientError) as caught:
                client.list_queues()
            assert caught.value.response["Error"]["Code"] == code
            client.close()

        code, said = server.stop()
        assert (code, SECRET in said, KEY in said) == (0, False, False)


def test_the_query_protocol_by_hand(sqs: Any, server: Served) -> None:
    """What SDKs spoke before 2023, with nothing but a form and XML."""
    xmlns = {"sqs": "http://queue.amazonaws.com/doc/2012-11-05/"}

    def ask(url: str, **form: str) -> ElementTree.Element:
        body = urllib.parse.urlencode(form | {"Version": "2012-11-05"}).encode()
        with urllib.request.urlopen(urllib.request.Request(url, data=body)) as answer:
            assert answer.headers["content-type"].startswith("text/xml")
            return ElementTree.fromstring(answer.read())

    created = ask(server.url, Action="CreateQueue", QueueName="orders")
    url = created.findtext("sqs:CreateQueueResult/sqs:QueueUrl", namespaces=xmlns)
    assert url is not None

    ask(url, Action="SendMessage", MessageBody="order 7 & \u2615")
    received = ask(url, Action="ReceiveMessage")
    message = received.find("sqs:ReceiveMessageResult/sqs:Message", xmlns)
    assert message is not None
    assert message.findtext("sqs:Body", namespaces=xmlns) == "order 7 & \u2615"
    receipt = message.findtext("sqs:ReceiptHandle", default="", namespaces=xmlns)
    ask(url, Action="DeleteMessage", ReceiptHandle=receipt)
