"""aiobotocore in a mock: the same worlds and the same answers as boto3, awaited."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import aiobotocore.session
import boto3
import pytest
from botocore.exceptions import ClientError

from decouple.aws import MockEnded, NotMocked, mock
from decouple.aws.service import Service

pytestmark = pytest.mark.usefixtures("models_kept")

KEYS = {"aws_access_key_id": "AKIAIOSFODNN7EXAMPLE", "aws_secret_access_key": "secret", "region_name": "us-east-1"}


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)


def run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(main(), 20))


@asynccontextmanager
async def client(service: str = "sqs", **settings: Any) -> AsyncIterator[Any]:
    async with aiobotocore.session.get_session().create_client(service, **settings) as client:
        yield client


def bodies(answer: dict[str, Any]) -> list[str]:
    return [message["Body"] for message in answer.get("Messages", [])]


def test_it_shares_a_world_with_boto3() -> None:
    async def main() -> None:
        async with mock() as aws, client() as sqs:
            url = (await sqs.create_queue(QueueName="orders"))["QueueUrl"]
            boto3.client("sqs").send_message(QueueUrl=url, MessageBody="order 7")

            assert bodies(await sqs.receive_message(QueueUrl=url)) == ["order 7"]
            assert aws.broker.queues["orders"].stats().in_flight == 1

    run(main)


def test_a_client_made_before_is_answered_too() -> None:
    async def main() -> None:
        async with client(**KEYS) as sqs:
            with mock() as aws:
                await sqs.create_queue(QueueName="orders")
                assert list(aws.broker.queues) == ["orders"]

    run(main)


def test_a_long_poll_of_one_task_gets_what_another_sends() -> None:
    async def main() -> None:
        async with mock(clock="real"), client() as sqs:
            url = (await sqs.create_queue(QueueName="orders"))["QueueUrl"]
            poll = asyncio.create_task(sqs.receive_message(QueueUrl=url, WaitTimeSeconds=20))
            await asyncio.sleep(0)
            await sqs.send_message(QueueUrl=url, MessageBody="order 7")

            assert bodies(await poll) == ["order 7"]

    run(main)


def test_an_empty_long_poll_moves_no_time_and_takes_little() -> None:
    async def main() -> None:
        async with mock() as aws, client() as sqs:
            url = (await sqs.create_queue(QueueName="orders"))["QueueUrl"]
            began = aws.clock.time

            assert bodies(await sqs.receive_message(QueueUrl=url, WaitTimeSeconds=20)) == []

            assert aws.clock.time - began == timedelta(0)

    run(main)


def test_many_tasks_lose_and_double_nothing() -> None:
    async def main() -> None:
        async with mock() as aws, client() as sqs:
            url = (await sqs.create_queue(QueueName="orders"))["QueueUrl"]

            async def send(n: int) -> None:
                await sqs.send_message(QueueUrl=url, MessageBody=str(n))

            async def take() -> list[str]:
                taken: list[str] = []
                while batch := (await sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1)).get("Messages", []):
                    for message in batch:
                        taken.append(message["Body"])
                        await sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
                return taken

            *_, a, b, c = await asyncio.gather(*(send(n) for n in range(100)), take(), take(), take())

            assert sorted(a + b + c, key=int) == [str(n) for n in range(100)]
            assert aws.check()["deleted"] == 100

    run(main)


def test_errors_are_the_clients_own_classes() -> None:
    async def main() -> None:
        async with mock(), client() as sqs:
            with pytest.raises(sqs.exceptions.QueueDoesNotExist) as caught:
                await sqs.get_queue_url(QueueName="orders")
            assert caught.value.response["Error"]["Code"] == "AWS.SimpleQueueService.NonExistentQueue"

    run(main)


def test_an_error_of_the_servers_is_not_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with mock() as aws, client() as sqs:
            monkeypatch.setattr(aws, "service", lambda name: Service("sqs", "Amazon SQS", modules=()))
            with pytest.raises(ClientError) as caught:
                await sqs.list_queues()
            assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501
            assert caught.value.response["ResponseMetadata"]["RetryAttempts"] == 0

    run(main)


async def read_all(payload: Any) -> bytes:
    return await payload.read()


async def read_in_pieces(payload: Any) -> bytes:
    return b"".join([piece async for piece in payload.iter_chunks(2)])


async def read_in_a_block(payload: Any) -> bytes:
    async with payload as stream:
        return await stream.read()


async def read_into(payload: Any) -> bytes:
    buffer = bytearray(16)
    return bytes(buffer[: await payload.readinto(buffer)])


@pytest.mark.parametrize("read", [read_all, read_in_pieces, read_in_a_block, read_into])
def test_the_payload_of_an_invocation_is_a_stream_that_is_awaited(read: Callable[[Any], Awaitable[bytes]]) -> None:
    async def main() -> None:
        async with mock() as aws, client("lambda") as lambdas:
            aws.broker.function(lambda event, context: event["n"] * 2, name="double")
            answer = await lambdas.invoke(FunctionName="double", Payload=b'{"n": 50500}')
            assert await read(answer["Payload"]) == b"101000"
            assert not answer["Payload"].readable()

    run(main)


def test_an_async_handler_has_clients_of_its_own() -> None:
    async def main() -> None:
        heard: list[str] = []
        async with mock() as aws, client("lambda") as lambdas:
            topic = aws.broker.topic("events")
            topic.subscribe(lambda notification: heard.append(notification.body))

            async def relay(event: object, context: object) -> None:
                async with client("sns") as sns:
                    await sns.publish(TopicArn=topic.arn, Message="from the handler")

            aws.broker.function(relay, name="relay")
            await lambdas.invoke(FunctionName="relay")
            await lambdas.invoke(FunctionName="relay", InvocationType="Event")

        assert heard == ["from the handler"] * 2

    run(main)


def test_a_service_we_do_not_have_is_refused_by_name() -> None:
    async def main() -> None:
        async with mock(), client("s3") as s3:
            with pytest.raises(NotMocked, match="s3 is not among the services"):
                await s3.list_buckets()

    run(main)


def test_a_client_left_behind_by_a_mock_does_not_reach_the_network() -> None:
    async def main() -> None:
        async with mock():
            sqs = await aiobotocore.session.get_session().create_client("sqs").__aenter__()
        with pytest.raises(MockEnded):
            await sqs.list_queues()
        await sqs.close()

    run(main)


def test_a_client_that_is_no_mocks_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with client(**KEYS) as sqs:
            async with mock():
                await sqs.list_queues()

            async def send(request: object) -> None:
                raise LookupError("sent")

            monkeypatch.setattr(sqs._endpoint, "_send", send)
            with pytest.raises(LookupError, match="sent"):
                await sqs.list_queues()

    run(main)
