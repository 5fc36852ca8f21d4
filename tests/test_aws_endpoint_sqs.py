"""SQS over the endpoint: URLs that lead back to it, and time that stands until it is moved."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from asgi_client import Client
from hypothesis import given, settings
from hypothesis import strategies as st

from decouple import VirtualClock
from decouple.aws import World, asgi


@pytest.fixture
def world() -> Iterator[World]:
    world = World(clock=VirtualClock(datetime(2026, 1, 1, tzinfo=UTC)), endpoint="http://127.0.0.1:4566")
    yield world
    world.close(0)


@pytest.fixture
def client(world: World) -> Client:
    return Client(asgi(world))


# -- URLs ------------------------------------------------------------------------------------------------------------


def test_queue_urls_lead_to_where_the_request_found_the_server(client: Client) -> None:
    """In another container it has another name."""

    async def main() -> None:
        here = {"host": "decouple:4566"}
        form = b"Action=CreateQueue&Version=2012-11-05&QueueName=orders"
        created = await client("POST", "/", form, headers=here)
        assert b"<QueueUrl>http://decouple:4566/000000000000/orders</QueueUrl>" in created.body

        listed = await client("POST", "/", b"Action=ListQueues&Version=2012-11-05", headers={"host": "[::1]:80"})
        assert b"<QueueUrl>http://[::1]:80/000000000000/orders</QueueUrl>" in listed.body

    asyncio.run(main())


def test_a_host_that_is_none_is_not_repeated(client: Client) -> None:
    form = b"Action=CreateQueue&Version=2012-11-05&QueueName=orders"

    created = asyncio.run(client("POST", "/", form, headers={"host": "evil.example/?a="}))

    assert b"<QueueUrl>http://127.0.0.1:4566/000000000000/orders</QueueUrl>" in created.body


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_request_may_go_to_the_url_of_its_queue(client: Client, world: World, method: str) -> None:
    queue = world.broker().queue("orders")
    form = "Action=SendMessage&Version=2012-11-05&MessageBody=order+7"

    async def main() -> None:
        if method == "GET":
            sent = await client("GET", f"/000000000000/orders?{form}")
        else:
            sent = await client("POST", "/000000000000/orders", form.encode())
        assert b"<SendMessageResult>" in sent.body

    asyncio.run(main())
    assert [message.body for message in queue.peek()] == ["order 7"]


def test_the_url_of_a_queue_alone_is_no_page(client: Client, world: World) -> None:
    """Recorded: GET on a queue URL without Action."""
    world.broker().queue("orders")

    answer = asyncio.run(client("GET", "/000000000000/orders"))

    assert answer.status == 404
    assert b"<UnknownOperationException/>" in answer.body


def test_an_account_sees_its_own_queues_only(client: Client, world: World) -> None:
    world.broker("111122223333").queue("theirs")
    world.broker().queue("ours")
    other = Client(client.app, key="111122223333")

    async def main() -> None:
        assert (await client.sqs("ListQueues")).json()["QueueUrls"] == ["http://localhost:4566/000000000000/ours"]
        assert (await other.sqs("ListQueues")).json()["QueueUrls"] == ["http://localhost:4566/111122223333/theirs"]

    asyncio.run(main())


def test_another_accounts_queue_needs_its_policy(client: Client, world: World) -> None:
    queue = world.broker("111122223333").queue("theirs")
    url = "http://localhost:4566/111122223333/theirs"

    async def main() -> None:
        denied = await client.sqs("SendMessage", QueueUrl=url, MessageBody="order 7")
        assert (denied.status, denied.json()["__type"].rpartition("#")[2]) == (403, "AccessDeniedException")

        queue.grant("all", ["000000000000"], ["SendMessage"])
        assert (await client.sqs("SendMessage", QueueUrl=url, MessageBody="order 7")).status == 200

    asyncio.run(main())


# -- time ------------------------------------------------------------------------------------------------------------


def test_an_empty_long_poll_is_answered_at_once_and_time_stands(client: Client, world: World) -> None:
    world.broker().queue("orders")
    began = time.monotonic()

    answer = asyncio.run(client.sqs("ReceiveMessage", QueueUrl="orders", WaitTimeSeconds=20))

    assert (answer.json(), world.clock.now()) == ({}, 0)
    assert time.monotonic() - began < 5


def test_a_delayed_message_comes_when_the_clock_is_moved(client: Client, world: World) -> None:
    world.broker().queue("orders")

    async def main() -> None:
        await client.sqs("SendMessage", QueueUrl="orders", MessageBody="order 7", DelaySeconds=30)
        assert (await client.sqs("ReceiveMessage", QueueUrl="orders")).json() == {}

        await client("POST", "/_decouple/clock", b'{"advance": 30}')
        [message] = (await client.sqs("ReceiveMessage", QueueUrl="orders")).json()["Messages"]
        assert message["Body"] == "order 7"

    asyncio.run(main())


def test_a_long_poll_on_real_time_gets_what_another_client_sends() -> None:
    client = Client(asgi())
    queue = client.app.world.broker().queue("orders")

    async def main() -> None:
        waiting = asyncio.create_task(client.sqs("ReceiveMessage", QueueUrl="orders", WaitTimeSeconds=20))
        while queue.stats().parked == 0:
            await asyncio.sleep(0)
        await client.sqs("SendMessage", QueueUrl="orders", MessageBody="order 7")

        assert (await waiting).json()["Messages"][0]["Body"] == "order 7"

    asyncio.run(main())


def test_work_that_a_call_causes_is_done_when_its_answer_comes(client: Client, world: World) -> None:
    """On a virtual clock nobody else would do it."""
    broker, done = world.broker(), list[str]()
    queue = broker.queue("orders")
    queue.trigger(broker.function(lambda event, context: done.append(event["Records"][0]["body"]), name="note"))

    asyncio.run(client.sqs("SendMessage", QueueUrl="orders", MessageBody="order 7"))

    assert done == ["order 7"]


# -- anything --------------------------------------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)
NAMES = st.sampled_from(["SendMessage", "ReceiveMessage", "CreateQueue", "ListQueues", "DeleteMessageBatch", "Nothing"])
FIELDS = st.sampled_from(["QueueUrl", "QueueName", "MessageBody", "Entries", "Attributes", "MaxNumberOfMessages", "x"])
VALUES = st.sampled_from(["orders", "http://localhost/000000000000/orders", 1]) | JSON


@settings(max_examples=50, deadline=None)
@given(operation=NAMES, asked=st.dictionaries(FIELDS, VALUES, max_size=4) | JSON)
def test_any_json_is_an_answer_or_a_4xx(operation: str, asked: object) -> None:
    client = Client(asgi(World(clock=VirtualClock())))
    headers = {"x-amz-target": f"AmazonSQS.{operation}", "content-type": "application/x-amz-json-1.0"}

    answer = asyncio.run(client("POST", "/", json.dumps(asked).encode(), headers=headers))

    assert answer.status in (200, 400, 403, 404)


@settings(max_examples=80, deadline=None)
@given(
    method=st.sampled_from(["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "FROB"]),
    path=st.sampled_from(["/", "/000000000000/orders", "/_decouple/clock", "/_decouple/queues/x", "/tags/a", "/%ff"])
    | st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="?"), max_size=20).map("/".__add__),
    query=st.sampled_from(["", "Action=ListQueues", "Action=SendMessage&Version=2012-11-05&MessageBody=a"])
    | st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=30),
    headers=st.dictionaries(
        st.sampled_from(["content-type", "x-amz-target", "authorization", "host", "content-length", "x-amz-date"]),
        st.sampled_from(
            ["application/x-amz-json-1.0", "AmazonSQS.ListQueues", "12", "AWS4-HMAC-SHA256 Credential=////"]
        )
        | st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=20),
        max_size=4,
    ),
    body=st.binary(max_size=100) | st.sampled_from([b"{}", b"Action=ListQueues", b"[" * 5000]),
)
def test_any_request_is_an_answer_or_a_4xx(
    method: str, path: str, query: str, headers: dict[str, str], body: bytes
) -> None:
    client = Client(asgi(World(clock=VirtualClock())))

    answer = asyncio.run(client(method, f"{path}?{query}" if query else path, body, headers=headers))

    assert answer.status in (200, 400, 403, 404, 405, 413, 501)
    assert b"Traceback" not in answer.body
