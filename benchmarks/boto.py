"""aws: what a boto3 call costs under decouple.aws.mock(), beside the same call with its HTTP answer canned, and under moto.

The canned call is all that botocore does by itself: checking and writing the request, signing it, and reading an answer
that is there already. Everything is in one process and one thread, on CPU time.
"""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from common import BODY, Figures
from measure import median, ratio, side_by_side

KEYS = {"region_name": "us-east-1", "aws_access_key_id": "AKIDEXAMPLE", "aws_secret_access_key": "secret"}
URL = "https://sqs.us-east-1.amazonaws.com/123456789012/bench"
DIGEST = "0" * 32
HANDLE = "A" * 120
IDENTITY = "7c1e7f0a-6e1f-4d0e-8d0a-0f6d9f1b2c3d"
MESSAGE = {"MessageId": IDENTITY, "ReceiptHandle": HANDLE, "MD5OfBody": DIGEST, "Body": BODY}
CANNED = {
    "SendMessage": {"MD5OfMessageBody": DIGEST, "MessageId": IDENTITY},
    "ReceiveMessage": {"Messages": [MESSAGE]},
    "DeleteMessage": {},
}
LONGEST = 20.0


def new_client() -> Any:
    import boto3
    from botocore.config import Config

    return boto3.session.Session().client("sqs", config=Config(retries={"max_attempts": 1}), **KEYS)


def canned_client() -> Any:
    """A client whose requests are answered before they reach a socket."""
    from botocore.awsrequest import AWSResponse

    class Raw:
        def __init__(self, body: bytes) -> None:
            self.body = body

        def stream(self, **_: Any) -> Iterator[bytes]:
            yield self.body

    answers = {f"AmazonSQS.{name}".encode(): json.dumps(answer).encode() for name, answer in CANNED.items()}
    headers = {"Content-Type": "application/x-amz-json-1.0", "x-amzn-RequestId": IDENTITY}

    def answer(request: Any) -> AWSResponse:
        return AWSResponse(request.url, 200, headers, Raw(answers[request.headers["X-Amz-Target"]]))

    client = new_client()
    client._endpoint.http_session.send = answer
    return client


def cycle(client: Any, url: str) -> Callable[[int], None]:
    def run(count: int) -> None:
        for _ in range(count):
            client.send_message(QueueUrl=url, MessageBody=BODY)
            [message] = client.receive_message(QueueUrl=url)["Messages"]
            client.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])

    return run


def sending(client: Any, url: str) -> Callable[[int], None]:
    def run(count: int) -> None:
        for _ in range(count):
            client.send_message(QueueUrl=url, MessageBody=BODY)

    return run


@contextmanager
def ours(queued: int) -> Iterator[tuple[Any, str]]:
    from decouple.aws import mock

    with mock(region="us-east-1") as aws:
        client = new_client()
        url = client.create_queue(QueueName="bench")["QueueUrl"]
        aws.broker.queues["bench"].send_batch([BODY] * queued)
        yield client, url


@contextmanager
def moto(queued: int) -> Iterator[tuple[Any, str]]:
    """moto's sends cost in proportion to what is queued, so what is to lie there is put straight into its list."""
    from copy import copy

    from moto import mock_aws
    from moto.sqs.models import sqs_backends

    with mock_aws():
        client = new_client()
        url = client.create_queue(QueueName="bench")["QueueUrl"]
        client.send_message(QueueUrl=url, MessageBody=BODY)
        messages = sqs_backends["123456789012"]["us-east-1"].queues["bench"]._messages
        messages.extend(copy(messages[0]) for _ in range(queued - 1))
        for number, message in enumerate(messages):
            message.id = f"{IDENTITY}-{number}"
        yield client, url


def per_cycle(run: Callable[[int], None]) -> float:
    """CPU seconds of a cycle: the median of nine, or of as many as end within 20 s."""
    run(1)
    times: list[float] = []
    began = time.monotonic()
    while len(times) < 9 and time.monotonic() - began < LONGEST:
        start = time.process_time()
        run(1)
        times.append(time.process_time() - start)
    return median(times)


def boto(full: bool) -> Figures:
    canned = canned_client()
    with ours(10) as (client, url):
        runs = {
            "canned": cycle(canned, URL),
            "decouple": cycle(client, url),
            "canned send": sending(canned, URL),
            "decouple send": sending(client, url),
        }
        times = side_by_side(runs, slices=31 if full else 9, target=100e6)
    figures = {
        "aws.cycle": (ratio(times, "canned"), f"{median(times['decouple']) / 3e3:.0f} us a call"),
        "aws.send": (ratio(times, "canned send", "decouple send"), f"{median(times['decouple send']) / 1e3:.0f} us"),
    }
    for queued in (10, 10_000):
        with ours(queued) as (client, url):
            mine = per_cycle(cycle(client, url))
        with moto(queued) as (client, url):
            theirs = per_cycle(cycle(client, url))
        figures[f"aws.moto{queued}"] = (
            mine / theirs,
            f"moto takes {theirs / mine:,.0f} times as long: {theirs * 1e3:,.1f} ms a cycle, decouple {mine * 1e3:.2f}",
        )
    return figures
