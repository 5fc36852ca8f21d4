"""Web endpoints: what is posted, to the letter; what each answer means; and where nothing is ever posted.

The servers are real, on a free port of the loopback address, and so is the time: where an endpoint is to be slow, it never
answers, and its deliveries have a fifth of a second.
"""

from __future__ import annotations

import asyncio
import copy
import gc
import json
import pickle
import socket
import ssl
import subprocess
import sys
import textwrap
import threading
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from decouple.attributes import check_attributes
from decouple.core.backoff import HTTP as THREE_RETRIES
from decouple.core.records import Details
from decouple.core.settings import SECOND
from decouple.envelopes import envelope_of
from decouple.errors import DeliveryFailed, DeliveryRefused, NotInstalled
from decouple.http_target import HTTP
from decouple.notification import Kind, Notification, Publication, Way
from decouple.post import Post

pytest.importorskip("aiohttp", reason="the extra `http` is not installed")
from aiohttp import web

TOPIC = "arn:aws:sns:us-east-1:000000000000:orders"
SUBSCRIPTION = f"{TOPIC}:5be1ae5c-8f4b-4ad6-8e1e-7e0d6f9d0a11"
WAY = Way("orders", TOPIC, SUBSCRIPTION, "http", "https://sns.test", epoch=1_767_225_600 * SECOND)
PEM = Path(__file__).with_name("localhost.pem")


def notification(text: str = "order 7", *, raw: bool = False, kind: Kind = "Notification", **more: Any) -> Notification:
    """A notification of the topic; more: attributes, or what a Publication has."""
    details = Details(check_attributes(more.pop("attributes", {})))
    token = None if kind == "Notification" else "2336412f37"
    publication = Publication("m-1", (text, 0, 1, details), **more)
    return Notification(publication, WAY, envelope=not raw, kind=kind, token=token)


class Posted(NamedTuple):
    """A request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    peer: Any


class Endpoint:
    """A web server that keeps what is posted to it and answers with what it is given."""

    def __init__(self, answer: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> None:
        self.answer = answer
        self.posted: list[Posted] = []
        self.url = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        peer = request.transport and request.transport.get_extra_info("peername")
        body = await request.read()
        self.posted.append(Posted(request.method, request.path_qs, dict(request.headers), body, peer))
        return await self.answer(request)


def always(status: int, **headers: str) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(status=status, headers=headers)

    return answer


@asynccontextmanager
async def serving(
    answer: Callable[[web.Request], Awaitable[web.StreamResponse]], tls: ssl.SSLContext | None = None
) -> AsyncIterator[Endpoint]:
    endpoint = Endpoint(answer)
    application = web.Application(client_max_size=1 << 24)
    application.router.add_route("*", "/{path:.*}", endpoint.handle)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
    host, port = runner.addresses[0][:2]
    endpoint.url = f"http{'s' if tls else ''}://{host}:{port}/orders"
    try:
        yield endpoint
    finally:
        await runner.cleanup()


@asynccontextmanager
async def speaking(*words: bytes, then: str = "close") -> AsyncIterator[Endpoint]:
    """A server that says these bytes after a request, whatever it was; then: "close", "wait", or "drip" for ever."""
    endpoint = Endpoint(always(200))
    over = asyncio.Event()
    talks: set[asyncio.Task[None]] = set()

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        endpoint.posted.append(Posted("", "", {}, head, writer.get_extra_info("peername")))
        for word in words:
            writer.write(word)
        while then == "drip" and not over.is_set() and not writer.is_closing():
            writer.write(b"x")
            await asyncio.sleep(0.01)
        if then != "close":
            await over.wait()
        writer.close()
        with suppress(ConnectionError):  # the other side may have hung up first
            await writer.wait_closed()

    def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talks.add(asyncio.create_task(speak(reader, writer)))

    server = await asyncio.start_server(begin, "127.0.0.1", 0, backlog=200)
    endpoint.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/orders"
    try:
        yield endpoint
    finally:
        over.set()
        await asyncio.gather(*talks)
        server.close()
        await server.wait_closed()


@asynccontextmanager
async def post_office() -> AsyncIterator[Post]:
    post = Post({})
    try:
        yield post
    finally:
        await post.close()


def run(main: Callable[[Post], Coroutine[Any, Any, None]]) -> None:
    """Run a test in a loop of its own, with a post office that is closed at its end."""

    async def whole() -> None:
        async with post_office() as post:
            await main(post)

    asyncio.run(whole())


# -- what is posted ----------------------------------------------------------------------------------------------------


def test_a_notification_is_posted_with_the_headers_and_the_json_of_sns() -> None:
    """SNS developer guide: HTTP/HTTPS headers; HTTP/HTTPS notification JSON format."""

    async def main(post: Post) -> None:
        async with serving(always(200)) as endpoint:
            message = notification("жук 7", subject="new", attributes={"type": "created", "price": 7})

            assert await HTTP(endpoint.url).deliver(message, post) == "200"

            [posted] = endpoint.posted
            body = envelope_of(message).encode()
            assert (posted.method, posted.path, posted.body) == ("POST", "/orders", body)
            assert posted.headers == {
                "Host": endpoint.url.split("/")[2],
                "Content-Type": "text/plain; charset=UTF-8",
                "Content-Length": str(len(body)),
                "Connection": "Keep-Alive",
                "User-Agent": "Amazon Simple Notification Service Agent",
                "Accept-Encoding": "gzip,deflate",
                "x-amz-sns-message-type": "Notification",
                "x-amz-sns-message-id": "m-1",
                "x-amz-sns-topic-arn": TOPIC,
                "x-amz-sns-subscription-arn": SUBSCRIPTION,
            }
            assert json.loads(posted.body) == {
                "Type": "Notification",
                "MessageId": "m-1",
                "TopicArn": TOPIC,
                "Subject": "new",
                "Message": "жук 7",
                "Timestamp": "2026-01-01T00:00:00.000Z",
                "UnsubscribeURL": f"https://sns.test/?Action=Unsubscribe&SubscriptionArn={SUBSCRIPTION}",
                "MessageAttributes": {
                    "type": {"Type": "String", "Value": "created"},
                    "price": {"Type": "Number", "Value": "7"},
                },
            }

    run(main)


def test_a_raw_notification_is_the_text_alone_and_says_so() -> None:
    """SNS developer guide: raw message delivery; over HTTP, attributes are not delivered."""

    async def main(post: Post) -> None:
        async with serving(always(200)) as endpoint:
            message = notification('{"id": "ü"}', raw=True, attributes={"type": "created"})

            await HTTP(endpoint.url, content_type="application/json").deliver(message, post)

            [posted] = endpoint.posted
            assert posted.body == '{"id": "ü"}'.encode()
            assert posted.headers["x-amz-sns-rawdelivery"] == "true"
            assert posted.headers["Content-Type"] == "application/json"
            assert posted.headers["x-amz-sns-subscription-arn"] == SUBSCRIPTION

    run(main)


@pytest.mark.parametrize("raw", [False, True])
def test_a_confirmation_is_json_as_plain_text_also_for_a_raw_subscription(raw: bool) -> None:
    """SNS: the subscription ARN comes with the unsubscribe confirmation, and not before the subscription is confirmed."""

    async def main(post: Post) -> None:
        async with serving(always(200)) as endpoint:
            target = HTTP(endpoint.url, content_type="application/json")
            kinds: tuple[Kind, ...] = ("SubscriptionConfirmation", "UnsubscribeConfirmation")

            for kind in kinds:
                await target.deliver(notification(raw=raw, kind=kind), post)

            first, second = endpoint.posted
            for posted, kind in zip(endpoint.posted, kinds, strict=True):
                assert posted.headers["x-amz-sns-message-type"] == json.loads(posted.body)["Type"] == kind
                assert posted.headers["Content-Type"] == "text/plain; charset=UTF-8"
                assert "x-amz-sns-rawdelivery" not in posted.headers
                assert json.loads(posted.body)["Token"] == "2336412f37"
            assert "x-amz-sns-subscription-arn" not in first.headers
            assert second.headers["x-amz-sns-subscription-arn"] == SUBSCRIPTION

    run(main)


def test_headers_of_the_endpoint_come_with_those_of_sns() -> None:
    async def main(post: Post) -> None:
        async with serving(always(200)) as endpoint:
            target = HTTP(endpoint.url, headers={"X-Api-Key": "k 1", "Authorization": "Bearer t"})

            await target.deliver(notification(), post)

            [posted] = endpoint.posted
            assert (posted.headers["X-Api-Key"], posted.headers["Authorization"]) == ("k 1", "Bearer t")
            assert posted.headers["x-amz-sns-message-id"] == "m-1"

    run(main)


def test_user_and_password_of_the_url_are_sent_as_basic_authentication() -> None:
    async def main(post: Post) -> None:
        async with serving(always(200)) as endpoint:
            await HTTP(endpoint.url.replace("//", "//us%65r:p%40ss@")).deliver(notification(), post)

            assert endpoint.posted[0].headers["Authorization"] == "Basic dXNlcjpwQHNz"
            assert endpoint.posted[0].headers["Host"] == endpoint.url.split("/")[2]

    run(main)


def test_path_and_query_are_posted_to_as_they_are_written() -> None:
    async def main(post: Post) -> None:
        async with serving(always(200)) as endpoint:
            await HTTP(f"{endpoint.url}/a%2Fb/ü?q=a+b%20c&empty=").deliver(notification(), post)

            assert endpoint.posted[0].path == "/orders/a%2Fb/%C3%BC?q=a+b%20c&empty="

    run(main)


def test_a_message_of_megabytes_arrives_whole() -> None:
    async def main(post: Post) -> None:
        async with serving(always(200)) as endpoint:
            text = "ü" * 1_500_000

            await HTTP(endpoint.url).deliver(notification(text, raw=True), post)

            assert endpoint.posted[0].body == text.encode()
            assert endpoint.posted[0].headers["Content-Length"] == "3000000"

    run(main)


def test_posts_one_after_another_share_a_connection() -> None:
    async def main(post: Post) -> None:
        async with serving(always(200)) as endpoint:
            for _ in range(3):
                await HTTP(endpoint.url).deliver(notification(), post)

            assert len({posted.peer for posted in endpoint.posted}) == 1

    run(main)


def test_cookies_are_not_kept_and_proxies_of_the_environment_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")

    async def main(post: Post) -> None:
        async with serving(always(200, **{"Set-Cookie": "session=1"})) as endpoint:
            for _ in range(2):
                await HTTP(endpoint.url.replace("127.0.0.1", "localhost")).deliver(notification(), post)

            assert [posted.headers.get("Cookie") for posted in endpoint.posted] == [None, None]

    run(main)


# -- what answers mean -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_an_answer_from_200_to_299_is_a_delivery_and_the_status_is_kept(status: int) -> None:
    async def main(post: Post) -> None:
        async with serving(always(status)) as endpoint:
            assert await HTTP(endpoint.url).deliver(notification(), post) == str(status)

    run(main)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 408, 410, 418, 499])
def test_a_client_error_is_refused_for_good(status: int) -> None:
    """SNS developer guide: client-side errors are not retried."""

    async def main(post: Post) -> None:
        async with serving(always(status)) as endpoint:
            with pytest.raises(DeliveryRefused, match=f"it answered {status}") as caught:
                await HTTP(endpoint.url).deliver(notification(), post)

            assert (caught.value.endpoint, caught.value.status) == (endpoint.url, status)

    run(main)


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504, 599, 600, 999])
def test_too_many_requests_a_server_error_and_unknown_statuses_may_be_tried_again(status: int) -> None:
    async def main(post: Post) -> None:
        async with serving(always(status)) as endpoint:
            assert (await failure(HTTP(endpoint.url), post)).status == status

    run(main)


async def failure(target: HTTP, post: Post) -> DeliveryFailed:
    """How a delivery failed that may be tried again."""
    with pytest.raises(DeliveryFailed) as caught:
        await target.deliver(notification(), post)
    assert type(caught.value) is DeliveryFailed
    return caught.value


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_to_the_same_place_is_posted_to_again(status: int) -> None:
    async def main(post: Post) -> None:
        async def answer(request: web.Request) -> web.StreamResponse:
            if request.path == "/orders":
                return web.Response(status=status, headers={"Location": "/new?x=1#part"})
            return web.Response(status=201)

        async with serving(answer) as endpoint:
            target = HTTP(endpoint.url.replace("//", "//user:secret@"))

            assert await target.deliver(notification(), post) == "201"

            first, second = endpoint.posted
            assert (second.method, second.path, second.body) == ("POST", "/new?x=1", first.body)
            assert second.headers == first.headers

    run(main)


@pytest.mark.parametrize(
    ("status", "location"),
    [
        (302, "http://127.0.0.1:1/orders"),
        (302, "http://localhost/orders"),
        (307, "https://elsewhere.test/"),
        (307, "//elsewhere.test/"),
        (308, "ftp://127.0.0.1/"),
        (302, "file:///etc/passwd"),
        (302, "http://169.254.169.254/latest/meta-data/"),
        (303, "/orders/2"),
        (300, "/orders/2"),
        (304, "/orders/2"),
    ],
)
def test_any_other_redirect_is_refused_and_named(status: int, location: str) -> None:
    async def main(post: Post) -> None:
        async with serving(always(status, Location=location)) as endpoint:
            with pytest.raises(DeliveryRefused) as caught:
                await HTTP(endpoint.url).deliver(notification(), post)

            assert location in str(caught.value)
            assert caught.value.status == status
            assert len(endpoint.posted) == 1

    run(main)


@pytest.mark.parametrize(("location", "named"), [(None, "nowhere"), ("http://[::1", "'http://[::1'")])
def test_a_redirect_to_nowhere_is_refused(location: str | None, named: str) -> None:
    async def main(post: Post) -> None:
        headers = {} if location is None else {"Location": location}
        async with serving(always(302, **headers)) as endpoint:
            with pytest.raises(DeliveryRefused) as caught:
                await HTTP(endpoint.url).deliver(notification(), post)

            assert f"points to {named}:" in str(caught.value)

    run(main)


def test_a_password_in_a_redirect_is_not_shown() -> None:
    async def main(post: Post) -> None:
        async with serving(always(302, Location="http://user:secret@elsewhere.test/")) as endpoint:
            with pytest.raises(DeliveryRefused) as caught:
                await HTTP(endpoint.url).deliver(notification(), post)

            assert "'http://user:****@elsewhere.test/'" in str(caught.value)

    run(main)


def test_after_five_redirects_it_gives_up() -> None:
    async def main(post: Post) -> None:
        async with serving(always(308, Location="/orders")) as endpoint:
            with pytest.raises(DeliveryRefused, match="more than 5 times") as caught:
                await HTTP(endpoint.url).deliver(notification(), post)

            assert (len(endpoint.posted), caught.value.status) == (6, 308)

    run(main)


# -- no answer ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        b"",
        b"no http at all\r\n\r\n",
        b"HTTP/1.1 2",
        b"HTTP/1.1 200 OK\r\nContent-",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n",
        b"\x16\x03\x01\x00\xff" * 10,
    ],
    ids=["closed", "garbage", "half a line", "half a head", "half a body", "length", "chunks", "header", "binary"],
)
def test_garbage_and_broken_off_answers_may_be_tried_again(words: bytes) -> None:
    async def main(post: Post) -> None:
        async with speaking(words) as endpoint:
            error = await failure(HTTP(endpoint.url, timeout=5), post)

            assert "no answer came: " in str(error)
            assert error.status is None

    run(main)


def test_a_refused_connection_may_be_tried_again() -> None:
    async def main(post: Post) -> None:
        async with speaking() as endpoint:
            url = endpoint.url

        assert "no answer came: " in str(await failure(HTTP(url), post))

    run(main)


def test_a_name_that_is_not_found_may_be_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)

    async def main(post: Post) -> None:
        assert "Name or service not known" in str(await failure(HTTP("http://shop.test/"), post))

    run(main)


@pytest.mark.parametrize(
    ("words", "then"),
    [
        ((), "wait"),
        ((b"HTTP/1.1 200 OK\r\n",), "wait"),
        ((b"HTTP/1.1 200 OK\r\nX-Slow: ",), "drip"),
        ((b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n",), "drip"),
        ((b"HTTP/1.1 100 Continue\r\n\r\n",), "wait"),
    ],
    ids=["silent", "stuck", "dripping head", "dripping body", "continue"],
)
def test_the_whole_answer_must_come_within_the_timeout(words: tuple[bytes, ...], then: str) -> None:
    """SNS developer guide: an endpoint has 15 seconds to respond."""

    async def main(post: Post) -> None:
        async with speaking(*words, then=then) as endpoint:
            error = await failure(HTTP(endpoint.url, timeout=0.2), post)

            assert "no whole answer came within 0.2 s" in str(error)

    run(main)


def test_after_switching_protocols_nothing_is_waited_for() -> None:
    async def main(post: Post) -> None:
        words = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: foo\r\n\r\n"
        async with speaking(words, then="wait") as endpoint:
            assert (await failure(HTTP(endpoint.url, timeout=5), post)).status == 101

    run(main)


def test_an_endless_answer_is_read_no_further_than_needed_and_its_status_counts() -> None:
    async def main(post: Post) -> None:
        words = b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 200_000
        async with speaking(words, then="drip") as endpoint:
            for _ in range(2):
                assert await HTTP(endpoint.url, timeout=5).deliver(notification(), post) == "200"

            assert len({posted.peer for posted in endpoint.posted}) == 2

    run(main)


def test_what_an_answer_says_beyond_its_status_is_not_unpacked() -> None:
    """A small answer may unpack to a large one."""

    async def main(post: Post) -> None:
        words = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 8\r\n\r\nnot gzip"
        async with speaking(words) as endpoint:
            assert await HTTP(endpoint.url).deliver(notification(), post) == "200"

    run(main)


def test_a_connection_closed_at_once_may_be_tried_again() -> None:
    async def main(post: Post) -> None:
        server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
        async with server:
            url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"

            assert "no answer came: " in str(await failure(HTTP(url, timeout=5), post))

    run(main)


def test_a_cancelled_delivery_leaves_nothing_behind() -> None:
    async def main(post: Post) -> None:
        async with speaking(then="wait") as endpoint:
            task = asyncio.create_task(HTTP(endpoint.url).deliver(notification(), post))
            while not endpoint.posted:
                await asyncio.sleep(0)

            task.cancel()

            with pytest.raises(asyncio.CancelledError):
                await task

    run(main)


def test_a_slow_endpoint_holds_up_no_other() -> None:
    async def main(post: Post) -> None:
        async with speaking(then="wait") as slow, serving(always(200)) as endpoint:
            waits = [asyncio.create_task(HTTP(slow.url).deliver(notification(), post)) for _ in range(120)]
            async with asyncio.timeout(10):
                while len(slow.posted) < 120:
                    await asyncio.sleep(0.001)

            assert await HTTP(endpoint.url).deliver(notification(), post) == "200"

            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)

    run(main)


# -- several loops, and TLS --------------------------------------------------------------------------------------------


def test_each_loop_has_connections_of_its_own_and_closes_them() -> None:
    post = Post({})

    async def main() -> None:
        async with serving(always(200)) as endpoint:
            assert await HTTP(endpoint.url).deliver(notification(), post) == "200"
            await post.close()
            assert await HTTP(endpoint.url).deliver(notification(), post) == "200"
            await post.close()

    for _ in range(2):
        asyncio.run(main())
    thread = threading.Thread(target=asyncio.run, args=(main(),))
    thread.start()
    thread.join()


def test_a_loop_that_ended_without_a_close_is_forgotten() -> None:
    post = Post({})

    async def main() -> None:
        async with serving(always(200)) as endpoint:
            assert await HTTP(endpoint.url).deliver(notification(), post) == "200"

    async def main_and_close() -> None:
        await main()
        await post.close()

    asyncio.run(main())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # aiohttp's, and rightly so
        asyncio.run(main_and_close())
        gc.collect()

    assert post.http._sessions == {}


def test_closing_a_post_office_that_posted_nothing_does_nothing() -> None:
    asyncio.run(Post({}).close())


def test_a_connection_that_was_closed_while_no_loop_ran_is_not_posted_on() -> None:
    """A loop that runs for one delivery at a time sees only at the next one that the server has hung up."""
    server = socket.create_server(("127.0.0.1", 0))
    target = HTTP(f"http://127.0.0.1:{server.getsockname()[1]}/", timeout=5)
    hang_up, hung_up = threading.Semaphore(0), threading.Semaphore(0)

    def answer_twice() -> None:
        for _ in range(2):
            connection, _ = server.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
                hang_up.acquire()
            hung_up.release()

    thread = threading.Thread(target=answer_twice)
    thread.start()
    post = Post({})
    with asyncio.Runner() as runner, server:
        for _ in range(2):
            assert runner.run(target.deliver(notification(), post)) == "200"
            hang_up.release()
            hung_up.acquire()
        runner.run(post.close())
        thread.join()


def test_a_certificate_that_does_not_verify_may_be_renewed_before_the_next_attempt() -> None:
    async def main(post: Post) -> None:
        async with serving(always(200), tls()) as endpoint:
            error = await failure(HTTP(endpoint.url), post)

            assert "certificate verify failed" in str(error).lower()
            assert endpoint.posted == []

    run(main)


def tls() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(PEM)
    return context


def test_an_https_endpoint_is_posted_to_and_closing_leaves_nothing_open() -> None:
    """In an interpreter of its own, which trusts the test's certificate and turns every warning into an error."""
    program = """
import asyncio, gc, warnings
warnings.simplefilter("error")
from test_http_target import HTTP, always, notification, post_office, serving, tls

async def main():
    asyncio.get_running_loop().slow_callback_duration = 60  # a busy machine is nothing to complain of
    async with serving(always(200), tls()) as endpoint:
        async with post_office() as post:
            print(await HTTP(endpoint.url).deliver(notification(), post), HTTP(endpoint.url).protocol)
    gc.collect()

asyncio.run(main(), debug=True)
gc.collect()
"""
    paths = [str(Path(__file__).parent), str(Path(__file__).parent.parent), *sys.path]
    done = subprocess.run(
        [sys.executable, "-I", "-c", f"import sys; sys.path[:0] = {paths!r}\n{textwrap.dedent(program)}"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={"SSL_CERT_FILE": str(PEM)},
    )

    assert (done.stdout, done.stderr) == ("200 https\n", "")


# -- where nothing is posted -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host",
    [
        *("169.254.169.254", "169.254.169.254.", "2852039166", "0xa9fea9fe", "0251.254.169.254", "169.254.43518"),
        *("[::ffff:169.254.169.254]", "[64:ff9b::a9fe:a9fe]", "[fe80::1]", "[fe80::1%25eth0]", "[fd00:ec2::254]"),
        *("100.100.100.200", "①⑥⑨.254.169.254"),
    ],
)
def test_a_link_local_endpoint_is_refused_at_the_door(host: str) -> None:
    with pytest.raises(ValueError, match="allow_link_local=True") as caught:
        HTTP(f"http://user:secret@{host}/latest")

    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("family", "address"),
    [
        (socket.AF_INET, ("169.254.169.254", 80)),
        (socket.AF_INET6, ("fd00:ec2::254", 80, 0, 0)),
        (socket.AF_INET6, ("::ffff:169.254.169.254", 80, 0, 0)),
        (socket.AF_INET6, ("fe80::1", 80, 0, 1)),
    ],
)
def test_a_name_that_leads_to_a_link_local_address_is_refused_when_it_is_resolved(
    family: int, address: tuple[Any, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also if that is one address of several: a name like that is not to be trusted with the others."""
    found = [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 80)),
        (family, socket.SOCK_STREAM, 6, "", address),
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)

    async def main(post: Post) -> None:
        deliveries = [HTTP("http://metadata.test/").deliver(notification(), post) for _ in range(3)]

        for error in await asyncio.gather(*deliveries, return_exceptions=True):
            assert isinstance(error, DeliveryRefused)
            assert "'metadata.test' leads to " in str(error)
            assert "allow_link_local=True" in str(error)

    run(main)


def test_allowed_explicitly_a_link_local_name_is_posted_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """The name is let in by the one endpoint only, also while a connection to it is open."""
    monkeypatch.setattr("decouple.http_client.refusal_of", lambda host: "refused" if host == "127.0.0.1" else None)

    async def main(post: Post) -> None:
        async with serving(always(200)) as endpoint:
            url = endpoint.url.replace("127.0.0.1", "localhost")

            assert await HTTP(url, allow_link_local=True).deliver(notification(), post) == "200"
            with pytest.raises(DeliveryRefused, match="'localhost' leads to 127"):
                await HTTP(url).deliver(notification(), post)

            assert HTTP("http://169.254.169.254/", allow_link_local=True).allow_link_local

    run(main)


# -- the target itself -------------------------------------------------------------------------------------------------


def test_it_is_a_target_as_sns_knows_them() -> None:
    plain, secure = HTTP("http://a.test/x"), HTTP("HTTPS://a.test:8443/x")

    assert (plain.protocol, plain.endpoint, secure.protocol) == ("http", "http://a.test/x", "https")
    assert secure.endpoint == "HTTPS://a.test:8443/x"
    assert (plain.awaits, plain.confirms, plain.envelope, plain.schedule) == (True, True, True, THREE_RETRIES)
    assert (plain.timeout, HTTP("http://a.test", timeout=timedelta(minutes=1)).timeout) == (15, 60)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://user:se:cr@et@a.test/x@y", "https://user:****@a.test/x@y"),
        ("https://user@a.test/", "https://user@a.test/"),
        ("https://a.test/a//b:c@d", "https://a.test/a//b:c@d"),
        ("https://:secret@a.test", "https://:****@a.test"),
    ],
)
def test_the_password_is_never_shown(url: str, shown: str) -> None:
    target = HTTP(url)

    assert target.endpoint == shown
    assert repr(target) == f"HTTP({shown!r})"


def test_it_shows_what_is_not_usual_about_it_and_no_secret() -> None:
    target = HTTP(
        "http://a.test/",
        timeout=5,
        headers={"X-Api-Key": "secret"},
        content_type="application/json",
        allow_link_local=True,
    )

    assert repr(target) == (
        "HTTP('http://a.test/', timeout=5, headers={'X-Api-Key': '****'}, content_type='application/json', "
        "allow_link_local=True)"
    )


def test_endpoints_are_equal_when_everything_about_them_is() -> None:
    target = HTTP("http://a.test/", headers={"X": "1"}, timeout=5)

    assert target == HTTP("http://a.test/", headers={"X": "1"}, timeout=5.0)
    assert len({target, HTTP("http://a.test/", headers={"X": "1"}, timeout=5)}) == 1
    assert target == copy.deepcopy(target) == pickle.loads(pickle.dumps(target))
    for other in (
        HTTP("http://a.test/", headers={"X": "2"}, timeout=5),
        HTTP("http://a.test/b", headers={"X": "1"}, timeout=5),
        HTTP("http://a.test/", headers={"X": "1"}),
        HTTP("http://a.test/", headers={"X": "1"}, timeout=5, allow_link_local=True),
        HTTP("http://a.test/", headers={"X": "1"}, timeout=5, content_type="text/csv"),
        "http://a.test/",
    ):
        assert target != other


def test_it_never_changes() -> None:
    target = HTTP("http://a.test/")

    with pytest.raises(AttributeError, match="never changes, so 'timeout' cannot be set"):
        target.timeout = 3
    with pytest.raises(AttributeError, match="never changes, so 'timeout' cannot be deleted"):
        del target.timeout


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("", "begins with http"),
        ("a.test", "begins with http"),
        ("ftp://a.test/", "begins with http"),
        ("/path", "begins with http"),
        ("http://", "host"),
        ("http:a.test", "host"),
        ("http:///path", "host"),
        ("http://a.test:0/", "port"),
        ("http://a.test:65536/", "port"),
        ("http://a.test:x/", "port"),
        ("http://[::1/", "host"),
        ("http://a.test/#part", "fragment"),
        ("http://a.test/a b", "%20"),
        (" http://a.test/", "%20"),
        ("http://a.test/\r\nX: 1", "control"),
        ("http://a.test/\x00", "control"),
        ("http://a..test/", "neither a host name nor an address"),
        ("http://-a.test/", "neither a host name nor an address"),
        (f"http://{'a' * 64}.test/", "neither a host name nor an address"),
        ("http://1.2.3.4.5/", "neither a host name nor an address"),
        ("http://256.1.1.1/", "neither a host name nor an address"),
        ("http://a!b.test/", "host"),
        ("http://127.1/", "an odd way to write 127.0.0.1"),
        ("http://0x7f.0.0.1/", "an odd way to write 127.0.0.1"),
        ("http://127.0.0.1./", "an odd way to write 127.0.0.1"),
        (f"http://a.test/{'x' * 2_048}", "2,048 characters"),
    ],
)
def test_a_url_that_cannot_be_posted_to_is_refused_at_the_door(url: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        HTTP(url)


@pytest.mark.parametrize("url", ["http://user:pa/secret@a.test/", "ftp://user:secret@a.test/", "http://u:secret@:1/"])
def test_an_error_about_a_url_does_not_tell_its_password(url: str) -> None:
    with pytest.raises(ValueError, match="nothing can be posted to") as caught:
        HTTP(url)

    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        *(
            "http://localhost",
            "http://127.0.0.1:8080",
            "https://[::1]:8443/",
            "http://a_b.test./",
            "http://xn--bcher-kva.test/",
        ),
        *("https://bücher.test/", "http://a.test?x=1", "http://10.0.0.1/"),
    ],
)
def test_hosts_of_all_kinds_are_taken_also_on_this_machine(url: str) -> None:
    assert HTTP(url).endpoint == url


@pytest.mark.parametrize(
    ("settings", "error", "why"),
    [
        ({"headers": {"X-AMZ-SNS-Message-Id": "1"}}, ValueError, "as SNS does"),
        ({"headers": {"content-type": "text/csv"}}, ValueError, "as SNS does"),
        ({"headers": {"Content-Length": "1"}}, ValueError, "as SNS does"),
        ({"headers": {"host": "b.test"}}, ValueError, "as SNS does"),
        ({"headers": {"a b": "1"}}, ValueError, "not the name of a header"),
        ({"headers": {"": "1"}}, ValueError, "not the name of a header"),
        ({"headers": {7: "1"}}, ValueError, "not the name of a header"),
        ({"headers": {"X": "1\r\nY: 2"}}, ValueError, "printable ASCII"),
        ({"headers": {"X": "ü"}}, ValueError, "printable ASCII"),
        ({"headers": {"X": 1}}, TypeError, "must be text, not int"),
        ({"headers": [("X", "1")]}, TypeError, "mapping"),
        ({"content_type": "text/csv\n"}, ValueError, "content_type must be printable ASCII"),
        ({"content_type": None}, TypeError, "content_type must be text"),
        ({"timeout": 0}, ValueError, "timeout must be from 0.001 to 3,600 seconds"),
        ({"timeout": 3_601}, ValueError, "timeout"),
        ({"timeout": "15"}, TypeError, "timeout"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_at_the_door(settings: Any, error: type[Exception], why: str) -> None:
    with pytest.raises(error, match=why):
        HTTP("http://a.test/", **settings)


def test_one_authorization_is_enough() -> None:
    with pytest.raises(ValueError, match="leave one of them out"):
        HTTP("http://user:secret@a.test/", headers={"authorization": "Bearer t"})


def test_a_url_is_text() -> None:
    with pytest.raises(TypeError, match="an endpoint's URL is text, not b'http"):
        HTTP(b"http://a.test/")  # type: ignore[arg-type]


def test_without_the_package_one_sentence_names_the_extra_before_anything_is_delivered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "aiohttp", None)

    with pytest.raises(NotInstalled, match=r"pip install 'decouple-messaging\[http\]'$") as caught:
        HTTP("http://a.test/")

    assert caught.value.wanted == "the Python package aiohttp"
