"""The short way: a request that came whole is answered before uvicorn makes anything of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

pytest.importorskip("uvicorn")
pytest.importorskip("httptools")

import uvicorn
from uvicorn.server import ServerState

from decouple.aws import World, asgi
from decouple.aws.endpoint.protocol import Guarded, written
from decouple.aws.wire import Reply

HEAD = (
    b"POST / HTTP/1.1\r\nHost: localhost\r\nX-Amz-Target: AmazonSQS.%b\r\n"
    b"Content-Type: application/x-amz-json-1.0\r\nContent-Length: %d\r\n\r\n"
)


def request(operation: bytes, **given: Any) -> bytes:
    body = json.dumps(given).encode()
    return HEAD % (operation, len(body)) + body


SEND = request(b"SendMessage", QueueUrl="orders", MessageBody="order 7")
RECEIVE = request(b"ReceiveMessage", QueueUrl="orders")
WAIT = request(b"ReceiveMessage", QueueUrl="orders", WaitTimeSeconds=20)


class Pipe:
    """A connection's other end."""

    def __init__(self) -> None:
        self.sent = b""
        self.closed = False

    def get_extra_info(self, name: str) -> None:
        return None

    def write(self, data: bytes) -> None:
        self.sent += data

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


class Connected:
    """A connection to an endpoint. called: how often uvicorn's way was taken."""

    def __init__(self, world: World) -> None:
        app = asgi(world)
        self.called = 0

        class Counted:
            at_once = staticmethod(app.at_once)

            async def __call__(counted, scope: Any, receive: Any, send: Any) -> None:
                self.called += 1
                await app(scope, receive, send)

        config = uvicorn.Config(Counted(), http=Guarded, interface="asgi3", access_log=False, log_config=None)
        config.load()
        self.pipe = Pipe()
        self.protocol = Guarded(config, ServerState(), {})
        self.protocol.connection_made(self.pipe)  # type: ignore[arg-type]

    def take(self) -> bytes:
        sent, self.pipe.sent = self.pipe.sent, b""
        return sent

    async def settled(self) -> bytes:
        """What is sent when nothing goes on any more."""
        for _ in range(10):
            await asyncio.sleep(0)
        return self.take()


@asynccontextmanager
async def connected() -> AsyncIterator[Connected]:
    world = World()
    world.broker().queue("orders")
    connection = Connected(world)
    try:
        yield connection
    finally:
        connection.protocol.connection_lost(None)
        await connection.settled()
        world.close()


def run(test: Callable[[Connected], Any]) -> None:
    async def main() -> None:
        async with connected() as connection:
            await test(connection)

    asyncio.run(main())


def test_what_need_not_wait_is_answered_in_the_same_turn_of_the_loop() -> None:
    async def test(connection: Connected) -> None:
        connection.protocol.data_received(SEND)
        assert connection.take().startswith(b"HTTP/1.1 200 OK\r\n")

        connection.protocol.data_received(RECEIVE)
        assert b"order 7" in connection.take()
        assert connection.called == 0

    run(test)


def test_a_long_poll_that_finds_something_need_not_wait() -> None:
    async def test(connection: Connected) -> None:
        connection.protocol.data_received(SEND)
        connection.take()

        connection.protocol.data_received(WAIT)
        assert b"order 7" in connection.take()
        assert connection.called == 0

    run(test)


def test_a_long_poll_that_finds_nothing_waits_and_later_requests_behind_it() -> None:
    async def test(connection: Connected) -> None:
        connection.protocol.data_received(WAIT)
        assert await connection.settled() == b""

        connection.protocol.data_received(request(b"ListQueues"))
        assert await connection.settled() == b""

        other = Connected(connection.protocol.config.app.at_once.__self__.world)  # type: ignore[union-attr]
        other.protocol.data_received(SEND)
        answers = await connection.settled()
        assert 0 < answers.index(b"order 7") < answers.index(b"QueueUrls")
        other.protocol.connection_lost(None)

    run(test)


def test_both_ways_say_the_same() -> None:
    async def test(connection: Connected) -> None:
        def told(answer: bytes) -> tuple[list[bytes], bytes]:
            head, _, body = answer.partition(b"\r\n\r\n")
            return [line for line in head.split(b"\r\n") if not line.startswith(b"x-amzn-requestid")], body

        for asked in (request(b"ListQueues"), request(b"DeleteQueue"), request(b"Frob")):
            connection.protocol.data_received(asked)
            short = connection.take()
            connection.protocol.data_received(asked[:-1])
            connection.protocol.data_received(asked[-1:])
            assert told(await connection.settled()) == told(short)
        assert connection.called == 3

    run(test)


@pytest.mark.parametrize("cut", [len(SEND) - 20, len(SEND) - 1])
def test_a_body_in_two_parts_takes_the_long_way(cut: int) -> None:
    async def test(connection: Connected) -> None:
        connection.protocol.data_received(SEND[:cut])
        connection.protocol.data_received(SEND[cut:])
        assert connection.take() == b""
        assert (await connection.settled()).startswith(b"HTTP/1.1 200 OK\r\n")

        connection.protocol.data_received(RECEIVE)
        assert b"order 7" in connection.take()

    run(test)


def test_two_requests_at_once_are_answered_in_order() -> None:
    async def test(connection: Connected) -> None:
        connection.protocol.data_received(SEND + RECEIVE)
        answers = await connection.settled()
        assert answers.count(b"HTTP/1.1 200 OK\r\n") == 2
        assert answers.index(b"MD5OfMessageBody") < answers.index(b"order 7")

    run(test)


def test_a_page_of_another_origin_is_refused_on_either_way() -> None:
    async def test(connection: Connected) -> None:
        connection.protocol.data_received(SEND.replace(b"Host:", b"Origin: http://evil.example\r\nHost:"))
        assert (await connection.settled()).startswith(b"HTTP/1.1 403")

        connection.protocol.data_received(RECEIVE)
        assert b"order 7" not in connection.take()

    run(test)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (b"HTTP/1.1", b"HTTP/1.0", b"200"),
        (b"Host:", b"Connection: close\r\nHost:", b"200"),
        (b"Host:", b"Expect: 100-continue\r\nHost:", b"100"),
    ],
)
def test_what_ends_a_connection_or_asks_for_more_takes_the_long_way(old: bytes, new: bytes, says: bytes) -> None:
    async def test(connection: Connected) -> None:
        connection.protocol.data_received(SEND.replace(old, new, 1))

        assert (await connection.settled()).startswith(b"HTTP/1.1 " + says)
        assert connection.called == 1

    run(test)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"Host:", b"Host :"),
        (b"Host:", b"X-Nul: \x00\r\nHost:"),
        (b"Host:", b"Transfer-Encoding: chunked\r\nHost:"),
        (b"Content-Length: ", b"Content-Length: 1\r\nContent-Length: "),
        (b"Content-Length: ", b"Content-Length: +"),
    ],
)
def test_what_is_no_http_is_refused_before_anybody_looks_at_it(old: bytes, new: bytes) -> None:
    async def test(connection: Connected) -> None:
        connection.protocol.data_received(SEND.replace(old, new))

        assert (await connection.settled()).startswith(b"HTTP/1.1 400")
        assert (connection.called, connection.pipe.closed) == (0, True)
        connection.protocol.data_received(RECEIVE)
        assert b"order 7" not in connection.take()

    run(test)


def test_a_chunked_body_is_put_together() -> None:
    async def test(connection: Connected) -> None:
        head, _, body = SEND.partition(b"\r\n\r\n")
        head = head.replace(b"Content-Length: %d" % len(body), b"Transfer-Encoding: chunked")
        chunks = [body[:5], body[5:]]
        connection.protocol.data_received(
            head + b"\r\n\r\n" + b"".join(b"%x\r\n%b\r\n" % (len(one), one) for one in chunks) + b"0\r\n\r\n"
        )
        assert connection.take().startswith(b"HTTP/1.1 200")
        assert connection.called == 0

    run(test)


def test_a_reply_is_written_with_its_length_and_the_servers_own_headers() -> None:
    reply = Reply(404, {"content-type": "text/plain"}, b"no")
    assert written(reply, [(b"date", b"today")]) == (
        b"HTTP/1.1 404 Not Found\r\ncontent-type: text/plain\r\ndate: today\r\ncontent-length: 2\r\n\r\nno"
    )
