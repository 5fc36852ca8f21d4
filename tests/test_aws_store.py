"""The AWS endpoint on a durable engine: what SDKs were told was accepted is there when it is started again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from asgi_client import Client

from decouple import VirtualClock
from decouple.aws.endpoint import Endpoint
from decouple.aws.world import World


@pytest.fixture(params=["file://{}/queues", "sqlite:///{}/queues.db"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], World]:
    clock = VirtualClock()
    return lambda: World(clock=clock, store=request.param.format(tmp_path))


def sqs(world: World, operation: str, **given: Any) -> Any:
    answer = asyncio.run(Client(Endpoint(world)).sqs(operation, **given))
    assert answer.status == 200, answer.body
    return answer.json() if answer.body else None


def test_queues_and_messages_are_there_again(opened: Callable[[], World]) -> None:
    world = opened()
    url = sqs(world, "CreateQueue", QueueName="orders", Attributes={"VisibilityTimeout": "60"})["QueueUrl"]
    sent = sqs(world, "SendMessage", QueueUrl=url, MessageBody="order 7")
    world.close()

    again = opened()
    url = sqs(again, "GetQueueUrl", QueueName="orders")["QueueUrl"]
    asked = sqs(again, "GetQueueAttributes", QueueUrl=url, AttributeNames=["All"])["Attributes"]
    [message] = sqs(again, "ReceiveMessage", QueueUrl=url)["Messages"]
    sqs(again, "DeleteMessage", QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    again.close()

    assert (asked["VisibilityTimeout"], asked["ApproximateNumberOfMessages"]) == ("60", "1")
    assert (message["MessageId"], message["Body"]) == (sent["MessageId"], "order 7")
    assert opened().broker().queue("orders").stats().visible == 0


def test_beginning_anew_leaves_nothing(opened: Callable[[], World]) -> None:
    world = opened()
    dead = world.broker().queue("dead")
    world.broker().queue("orders", dead_letter=dead, max_receives=3).send("order 7")

    world.reset()

    assert not world.broker().queues
