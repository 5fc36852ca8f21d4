"""The endpoint as an application: who calls, what comes back, bodies within bounds, and that nothing else gets out."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from asgi_client import Client, living

from decouple import Broker, VirtualClock
from decouple.aws import Call, World, asgi
from decouple.aws.endpoint.exchange import ORDINARY, PACKAGE, PAYLOAD, Limits, limits_of
from decouple.aws.service import Service

CALLS = Service("sqs", "Amazon SQS", modules=())
"""As SQS, of which it has three operations: one fails, one tells who calls, one waits."""


@CALLS.operation("ListQueues")
def list_queues(call: Call, given: dict[str, Any]) -> dict[str, Any]:
    if given.get("QueueNamePrefix") == "boom":
        raise RuntimeError("secret of the house")
    if given.get("QueueNamePrefix") == "refused":
        raise CALLS.error("OverLimit", "Too much.")
    return {}


@CALLS.operation("ListQueueTags")
def list_queue_tags(call: Call, given: dict[str, Any]) -> dict[str, Any]:
    return {
        "Tags": {"account": call.account, "region": call.region, "principal": call.principal, "id": call.request_id}
    }


@CALLS.operation("ReceiveMessage")
def receive_message(call: Call, given: dict[str, Any]) -> dict[str, Any]:
    raise NotImplementedError


@CALLS.operation("ReceiveMessage")
async def wait_for_message(call: Call, given: dict[str, Any]) -> dict[str, Any]:
    batch = await call.place.broker.queue("orders").aio.receive(wait=given.get("WaitTimeSeconds", 0))
    return {"Messages": [{"Body": message.body} for message in batch]}


@pytest.fixture(autouse=True)
def calls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("decouple.aws.endpoint.app.find_service", lambda name: CALLS if name == "sqs" else None)


@pytest.fixture
def world() -> Iterator[World]:
    world = World()
    yield world
    world.close(0)


@pytest.fixture
def client(world: World) -> Client:
    return Client(asgi(world))


# -- who calls -------------------------------------------------------------------------------------------------------


def test_the_account_is_an_access_key_of_12_digits_and_the_region_that_of_the_signature(client: Client) -> None:
    client.key, client.region = "111122223333", "eu-central-1"

    said = asyncio.run(client.sqs("ListQueueTags", QueueUrl="orders")).json()["Tags"]

    assert (said["account"], said["region"]) == ("111122223333", "eu-central-1")
    assert said["principal"] == "arn:aws:iam::111122223333:root"


@pytest.mark.parametrize(("key", "region"), [("AKIDEXAMPLE", "local"), ("1234", "elasticmq"), ("1" * 13, "")])
def test_other_credentials_are_the_default_account_and_region(client: Client, key: str, region: str) -> None:
    client.key, client.region = key, region

    said = asyncio.run(client.sqs("ListQueueTags", QueueUrl="orders")).json()["Tags"]

    assert (said["account"], said["region"]) == ("000000000000", "us-east-1")


def test_a_link_names_its_caller_in_the_query(client: Client) -> None:
    scope = "111122223333%2F20260101%2Feu-west-1%2Fsqs%2Faws4_request"

    target = f"/000000000000/orders?Action=ListQueueTags&Version=2012-11-05&X-Amz-Credential={scope}"
    answer = asyncio.run(client("GET", target))

    assert b"<Value>111122223333</Value>" in answer.body
    assert b"<Value>eu-west-1</Value>" in answer.body


def test_every_answer_has_an_id_of_its_own_which_the_operation_knows(client: Client) -> None:
    one, other = [asyncio.run(client.sqs("ListQueueTags", QueueUrl="orders")) for _ in range(2)]

    assert one.headers["x-amzn-requestid"] == one.json()["Tags"]["id"]
    assert one.headers["x-amzn-requestid"] != other.headers["x-amzn-requestid"]


# -- certificates ----------------------------------------------------------------------------------------------------


def test_the_certificate_of_notifications_can_be_fetched(client: Client, world: World) -> None:
    """SNS: SigningCertURL."""
    assert world.signer is not None

    answer = asyncio.run(client("GET", world.signer.path))

    assert (answer.status, answer.body.decode()) == (200, world.signer.certificate)
    assert answer.body.startswith(b"-----BEGIN CERTIFICATE-----")


def test_there_are_no_other_certificates(client: Client) -> None:
    assert asyncio.run(client("GET", "/SimpleNotificationService-0.pem")).status == 404


# -- errors ----------------------------------------------------------------------------------------------------------


def test_an_error_of_the_service_is_said_in_the_protocol_of_the_request(client: Client) -> None:
    answer = asyncio.run(client.sqs("ListQueues", QueueNamePrefix="refused"))
    legacy = asyncio.run(client("POST", "/", b"Action=ListQueues&Version=2012-11-05&QueueNamePrefix=refused"))

    assert answer.headers["x-amzn-query-error"].endswith(";Sender")
    assert answer.json() == {"__type": "com.amazonaws.sqs#OverLimit", "message": "Too much."}
    assert b"<Code>OverLimit</Code><Message>Too much.</Message>" in legacy.body


def test_an_unexpected_error_is_awss_internal_failure_and_its_traceback_stays_in_the_log(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    answer = asyncio.run(client.sqs("ListQueues", QueueNamePrefix="boom"))

    assert (answer.status, answer.json()["__type"].rpartition("#")[2]) == (500, "InternalFailure")
    assert b"secret" not in answer.body
    [record] = caplog.records
    assert (record.name, record.levelno) == ("decouple.aws", logging.ERROR)
    assert "secret of the house" in caplog.text


def test_credentials_are_not_in_the_log(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    client.key = "AKIDEXAMPLE"
    with caplog.at_level(logging.DEBUG):
        asyncio.run(client.sqs("ListQueues", QueueNamePrefix="boom"))

    assert "AKIDEXAMPLE" not in caplog.text


@pytest.mark.parametrize(
    "headers",
    [
        {"x-amz-target": "AmazonSQS.NoSuchThing", "content-type": "application/x-amz-json-1.0"},
        {"x-amz-target": "Nobody.ListQueues", "content-type": "application/x-amz-json-1.0"},
        {"x-amz-target": "AmazonSQS.ListQueues", "content-type": "text/plain"},
        {"content-type": "application/octet-stream"},
    ],
    ids=["unknown operation", "unknown service", "wrong type", "nothing"],
)
def test_what_names_no_operation_is_a_4xx(client: Client, headers: dict[str, str]) -> None:
    assert asyncio.run(client("POST", "/", b"{}", headers=headers)).status in (400, 404)


# -- bodies ----------------------------------------------------------------------------------------------------------


def test_a_body_may_come_in_parts(client: Client) -> None:
    headers = {"x-amz-target": "AmazonSQS.ListQueues", "content-type": "application/x-amz-json-1.0"}

    answer = asyncio.run(client("POST", "/", [b'{"QueueName', b'Prefix": ', b'"refused"}'], headers=headers))

    assert answer.json()["message"] == "Too much."


def test_a_body_that_says_it_is_too_large_is_not_read(client: Client) -> None:
    """It is refused in the protocol of the request, and the connection ends."""
    headers = {
        "x-amz-target": "AmazonSQS.ListQueues",
        "content-type": "application/x-amz-json-1.0",
        "content-length": str(1 << 40),
    }

    answer = asyncio.run(client("POST", "/", b"", headers=headers))

    assert (answer.status, answer.headers["connection"]) == (413, "close")
    assert answer.json()["__type"].rpartition("#")[2] == "RequestEntityTooLarge"


def test_a_body_that_grows_too_large_while_it_comes_is_not_kept(client: Client) -> None:
    parts = [b" " * (1 << 20)] * 6

    answer = asyncio.run(client("POST", "/?Action=ListQueues&Version=2012-11-05", parts))

    assert answer.status == 413
    assert b"<Code>RequestEntityTooLarge</Code>" in answer.body


@pytest.mark.parametrize(
    ("path", "limits"),
    [
        ("/", ORDINARY),
        ("/000000000000/orders", ORDINARY),
        ("/2015-03-31/functions/resize/invocations", PAYLOAD),
        ("/2014-11-13/functions/resize/invoke-async", PAYLOAD),
        ("/2015-03-31/functions", PACKAGE),
        ("/2015-03-31/functions/resize/code", PACKAGE),
        ("/2015-03-31/event-source-mappings", ORDINARY),
    ],
)
def test_lambda_takes_larger_bodies(path: str, limits: Limits) -> None:
    assert limits_of(path) is limits


def test_a_body_that_stops_coming_is_given_up(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half-open connections end after 30 s; here after none."""
    monkeypatch.setattr("decouple.aws.endpoint.app.limits_of", lambda path: Limits(100, 0))

    async def silent() -> dict[str, Any]:
        await asyncio.Event().wait()
        raise AssertionError

    sent: list[dict[str, Any]] = []

    async def send(event: dict[str, Any]) -> None:
        sent.append(event)

    scope = {"type": "http", "method": "POST", "path": "/", "query_string": b"", "headers": []}
    asyncio.run(client.app(scope, silent, send))

    assert (sent[0]["status"], (b"connection", b"close") in sent[0]["headers"]) == (408, True)


def test_a_client_that_leaves_before_its_body_is_there_gets_no_answer(client: Client) -> None:
    async def main() -> None:
        gone = asyncio.Event()
        gone.set()
        assert (await client("POST", "/", [], leaves=gone)).status == 0

    asyncio.run(main())


@pytest.mark.parametrize("length", ["-1", "1e3", "\u00b2", "a"])
def test_a_length_that_is_no_number_is_refused(client: Client, length: str) -> None:
    assert asyncio.run(client("POST", "/", b"x", headers={"content-length": length})).status == 400


# -- long polls ------------------------------------------------------------------------------------------------------


def test_a_long_poll_gets_what_comes(client: Client, world: World) -> None:
    async def main() -> None:
        waiting = asyncio.create_task(client.sqs("ReceiveMessage", QueueUrl="orders", WaitTimeSeconds=20))
        queue = world.broker().queue("orders")
        while queue.stats().parked == 0:
            await asyncio.sleep(0)
        queue.send("order 7")

        assert (await waiting).json() == {"Messages": [{"Body": "order 7"}]}

    asyncio.run(main())


@pytest.mark.parametrize("sent", [True, False], ids=["as it comes", "nothing comes"])
def test_a_long_poll_whose_client_has_left_loses_no_message(
    client: Client, world: World, caplog: pytest.LogCaptureFixture, sent: bool
) -> None:
    queue = world.broker().queue("orders")

    async def main() -> None:
        gone = asyncio.Event()
        headers = {"x-amz-target": "AmazonSQS.ReceiveMessage", "content-type": "application/x-amz-json-1.0"}
        body = json.dumps({"QueueUrl": "orders", "WaitTimeSeconds": 20}).encode()
        waiting = asyncio.create_task(client("POST", "/", body, headers=headers, leaves=gone))
        while queue.stats().parked == 0:
            await asyncio.sleep(0)

        if sent:
            queue.send("order 7")
        gone.set()
        await waiting

    asyncio.run(main())
    assert caplog.records == []

    stats = queue.stats()
    assert (stats.visible + stats.in_flight, stats.parked) == (int(sent), 0)
    queue.check()


def test_long_polls_are_answered_empty_when_the_server_ends(client: Client, world: World) -> None:
    queue = world.broker().queue("orders")

    async def main() -> None:
        polls = [client.sqs("ReceiveMessage", QueueUrl="orders", WaitTimeSeconds=20) for _ in range(50)]
        waiting = asyncio.gather(*polls)
        while queue.stats().parked < 50:
            await asyncio.sleep(0)
        client.app.end_waits()

        assert {answer.status for answer in await waiting} == {200}
        assert (await client.sqs("ReceiveMessage", QueueUrl="orders", WaitTimeSeconds=20)).json() == {}

    asyncio.run(main())


def test_a_server_that_cancels_a_long_poll_ends_it(client: Client, world: World) -> None:
    queue = world.broker().queue("orders")

    async def main() -> None:
        waiting = asyncio.create_task(client.sqs("ReceiveMessage", QueueUrl="orders", WaitTimeSeconds=20))
        while queue.stats().parked == 0:
            await asyncio.sleep(0)
        waiting.cancel()

        with pytest.raises(asyncio.CancelledError):
            await waiting

    asyncio.run(main())
    assert queue.stats().parked == 0


# -- life ------------------------------------------------------------------------------------------------------------


def test_the_lifespan_starts_the_workers_of_every_broker_and_closes_them() -> None:
    """Also of those that come later: each account and region has one."""
    done: list[str] = []

    async def main() -> None:
        app = asgi()
        async with living(app):
            broker = app.world.broker("111122223333")
            broker.function(lambda event, context: done.append(event), name="note").send("at work")
            await asyncio.to_thread(broker.run_until_idle)
        assert "closed" in repr(broker)

    asyncio.run(main())
    assert done == ["at work"]


def test_an_application_stands_on_a_broker_of_yours() -> None:
    broker = Broker(account="111122223333", region="eu-central-1", clock=VirtualClock())

    said = asyncio.run(Client(asgi(broker), region="").sqs("ListQueueTags", QueueUrl="orders")).json()["Tags"]

    assert (said["account"], said["region"]) == ("111122223333", "eu-central-1")


def test_websockets_are_not_spoken() -> None:
    sent: list[dict[str, Any]] = []

    async def send(event: dict[str, Any]) -> None:
        sent.append(event)

    asyncio.run(asgi()({"type": "websocket"}, None, send))  # type: ignore[arg-type]

    assert sent == [{"type": "websocket.close", "code": 1003}]
