"""Lambda over the server: code from a zip that calls the server itself, on real time and on time that stands."""

from __future__ import annotations

import io
import json
import threading
import urllib.request
import zipfile
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from serve_process import Served, served, settings

pytestmark = pytest.mark.slow

CODE = """
import json, time, urllib.parse, urllib.request

def handler(event, context):
    time.sleep(event.get("seconds", 0))
    for record in event.get("Records", [event]):
        body = json.loads(record["body"]) if "body" in record else record
        if "send" in body:
            form = {"Action": "SendMessage", "Version": "2012-11-05", "MessageBody": body["text"]}
            urllib.request.urlopen(body["send"], urllib.parse.urlencode(form).encode(), timeout=20).close()
    return {"length": len(json.dumps(event))}
"""


@pytest.fixture(params=["real", "virtual"])
def server(request: pytest.FixtureRequest) -> Iterator[Served]:
    with served(*(["--virtual-clock"] if request.param == "virtual" else [])) as server:
        yield server
        if server.process.poll() is None:
            assert server.stop() == (0, "")


@pytest.fixture
def clients(server: Served) -> Iterator[tuple[Any, Any]]:
    made = [boto3.client(name, **settings(server)) for name in ("lambda", "sqs")]
    yield made[0], made[1]
    for client in made:
        client.close()


def create(aws_lambda: Any) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("shop.py", CODE)
    role = "arn:aws:iam::000000000000:role/any"
    code = {"ZipFile": packed.getvalue()}
    aws_lambda.create_function(
        FunctionName="shop", Runtime="python3.12", Role=role, Handler="shop.handler", Code=code, Timeout=30
    )


def test_a_function_may_call_the_server_that_runs_it(clients: tuple[Any, Any]) -> None:
    """Invoked for its answer, by an event, and by a queue: nobody waits for himself."""
    aws_lambda, sqs = clients
    create(aws_lambda)
    done, work = (
        sqs.create_queue(QueueName=name, Attributes={"VisibilityTimeout": "180"}) for name in ("done", "work")
    )
    arn = "arn:aws:sqs:us-east-1:000000000000:work"
    aws_lambda.create_event_source_mapping(FunctionName="shop", EventSourceArn=arn, BatchSize=1)

    for kind in ("RequestResponse", "Event"):
        event = json.dumps({"send": done["QueueUrl"], "text": kind})
        answer = aws_lambda.invoke(FunctionName="shop", Payload=event, InvocationType=kind)
        assert "FunctionError" not in answer, answer["Payload"].read()
    sqs.send_message(
        QueueUrl=work["QueueUrl"], MessageBody=json.dumps({"send": done["QueueUrl"], "text": "from the queue"})
    )

    heard = set[str]()
    while len(heard) < 3:
        [message] = sqs.receive_message(QueueUrl=done["QueueUrl"], WaitTimeSeconds=20)["Messages"]
        heard.add(message["Body"])
    assert heard == {"RequestResponse", "Event", "from the queue"}


def test_a_function_under_way_may_end_before_the_server_does(clients: tuple[Any, Any], server: Served) -> None:
    aws_lambda, _ = clients
    create(aws_lambda)
    answers = list[Any]()
    event = json.dumps({"seconds": 1})
    calling = threading.Thread(target=lambda: answers.append(aws_lambda.invoke(FunctionName="shop", Payload=event)))
    calling.start()
    while '"running": 1' not in stats(server):
        pass

    assert server.stop() == (0, "")
    calling.join()
    assert json.loads(answers[0]["Payload"].read()) == {"length": len(event)}


def stats(server: Served) -> str:
    with urllib.request.urlopen(server.url + "/_decouple/stats", timeout=10) as answer:
        return str(answer.read(), "utf-8")


def test_an_event_of_almost_6_mb_is_taken_and_a_larger_one_refused(clients: tuple[Any, Any]) -> None:
    aws_lambda, _ = clients
    create(aws_lambda)

    answer = aws_lambda.invoke(FunctionName="shop", Payload=json.dumps({"text": "x" * 6_000_000}))
    assert json.loads(answer["Payload"].read())["length"] > 6_000_000

    for size in (6_300_000, 12_000_000):
        with pytest.raises(aws_lambda.exceptions.RequestTooLargeException):
            aws_lambda.invoke(FunctionName="shop", Payload=json.dumps({"text": "x" * size}))
