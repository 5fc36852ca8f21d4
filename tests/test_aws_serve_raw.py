"""Bytes that are no request, half a request, or one that never ends: the server refuses them and goes on."""

from __future__ import annotations

import json
import random
import socket
import urllib.request
from collections.abc import Iterator
from contextlib import suppress

import pytest
from serve_process import Served, served

pytestmark = pytest.mark.slow

TARGET = b"X-Amz-Target: AmazonSQS.ListQueues\r\nContent-Type: application/x-amz-json-1.0\r\n"
LIST = b"POST / HTTP/1.1\r\nHost: localhost\r\n" + TARGET + b"Content-Length: 2\r\n\r\n{}"
LAST = LIST.replace(b"Host", b"Connection: close\r\nHost")
CHUNKED = b"POST / HTTP/1.1\r\nHost: localhost\r\n" + TARGET + b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.fixture(scope="module")
def server() -> Iterator[Served]:
    with served() as server:
        yield server
        code, said = server.stop()
        assert (code, said) == (0, "")


def exchange(server: Served, *parts: bytes, more: bool = False) -> bytes:
    """What comes back for these bytes until the server closes; more: the client does not say that this is all."""
    received = bytearray()
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as client:
        with suppress(OSError):
            for part in parts:
                client.sendall(part)
            if not more:
                client.shutdown(socket.SHUT_WR)
        with suppress(OSError):
            while part := client.recv(65_536):
                received += part
    return bytes(received)


def asked(operation: str, *, close: bool = False, **given: object) -> bytes:
    body = json.dumps(given).encode()
    head = LAST if close else LIST
    head = head.replace(b"ListQueues", operation.encode()).replace(b"Length: 2", b"Length: %d" % len(body))
    return head.removesuffix(b"{}") + body


def alive(server: Served) -> bool:
    with urllib.request.urlopen(server.url + "/_decouple/health", timeout=10) as answer:
        return bool(answer.status == 200)


def refused(answer: bytes) -> bool:
    """Nothing, or a 4xx, and no word about our insides."""
    return (not answer or answer.startswith(b"HTTP/1.1 4")) and b"Traceback" not in answer and b".py" not in answer


@pytest.mark.parametrize(
    "data",
    [
        b"\x00" * 100,
        b"\r\n" * 100,
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"FROB / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"TRACE / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"PUT /000000000000/orders HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n",
        b"GET /%zz%00%ff?%=%&=&&a=%zz HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET //evil.example/../.. HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1e9\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999999999999\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 999999999\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\n" + TARGET + b"Content-Length: 7\r\n\r\n\xff\xfe{}[]\x00",
        b"POST / HTTP/1.1\r\nHost: localhost\r\n" + TARGET + b"Content-Length: 100\r\n\r\n{}",
        CHUNKED + b"zz\r\n",
        CHUNKED + b"-5\r\nabc\r\n0\r\n\r\n",
        CHUNKED + b"ffffffffffffffffff\r\nabc",
        CHUNKED + b"5\r\nab",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: \x01\x02\r\n\r\n",
        b"GET / HTTP/1.1\r\n: nothing\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
    ids=lambda data: repr(data[:40]),
)
def test_what_is_no_good_request_is_refused(server: Served, data: bytes) -> None:
    assert refused(exchange(server, data))
    assert alive(server)


def test_a_request_cut_off_anywhere_is_no_harm(server: Served) -> None:
    for end in range(0, len(LIST), 7):
        assert refused(exchange(server, LIST[:end]))
    assert alive(server)


@pytest.mark.parametrize("seed", range(5))
def test_random_bytes_in_a_request_are_no_harm(server: Served, seed: int) -> None:
    """Never a 500, whatever is changed in a good request."""
    chance = random.Random(seed)
    for _ in range(60):
        data = bytearray(chance.choice([LIST, CHUNKED + b"2\r\n{}\r\n0\r\n\r\n", chance.randbytes(200)]))
        for _ in range(chance.randrange(8)):
            at = chance.randrange(len(data))
            data[at : at + chance.randrange(3)] = chance.randbytes(chance.randrange(3))
        answer = exchange(server, bytes(data))
        assert b"HTTP/1.1 5" not in answer, bytes(data)
        assert b"Traceback" not in answer
    assert alive(server)


def test_a_head_that_does_not_end_is_refused(server: Served) -> None:
    begin = b"GET / HTTP/1.1\r\nHost: localhost\r\n"
    many = [b"X-%d: %s\r\n" % (number, b"a" * 1000) for number in range(1000)]
    one = [b"X: ", *[b"a" * 65_536] * 16]

    assert exchange(server, begin, *many)[:12] in (b"HTTP/1.1 431", b"")
    assert exchange(server, begin, *one)[:12] in (b"HTTP/1.1 431", b"")
    assert alive(server)


def test_a_chunked_body_whose_end_does_not_end_is_refused(server: Served) -> None:
    trailers = [b"X-%d: %s\r\n" % (number, b"a" * 1000) for number in range(2000)]
    extension = [b"2;", *[b"a" * 65_536] * 16]

    assert b"HTTP/1.1 2" not in exchange(server, CHUNKED, b"2\r\n{}\r\n0\r\n", *trailers)
    assert b"HTTP/1.1 2" not in exchange(server, CHUNKED, *extension)
    assert alive(server)


def test_a_body_that_is_too_large_is_answered_while_it_is_sent(server: Served) -> None:
    """Up to a point: a client that only writes would not see the answer."""
    head = b"POST / HTTP/1.1\r\nHost: localhost\r\n" + TARGET + b"Content-Length: %d\r\n\r\n" % (8 << 20)

    answer = exchange(server, head, *[b" " * (1 << 20)] * 8)

    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"RequestEntityTooLarge" in answer


def test_a_client_that_asks_first_is_told_before_it_sends(server: Served) -> None:
    head = b"POST / HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n"

    answer = exchange(server, head + b"Content-Length: %d\r\n\r\n" % (1 << 30))

    assert answer.startswith(b"HTTP/1.1 413 ")


def test_requests_may_come_one_behind_the_other(server: Served) -> None:
    assert exchange(server, LIST * 9 + LAST, more=True).count(b"HTTP/1.1 200 ") == 10


def test_garbage_behind_a_good_request_ends_the_connection_and_leaves_no_word_in_the_log(server: Served) -> None:
    assert exchange(server, LIST * 3 + b"GARBAGE\r\n\r\n").endswith(b"Invalid HTTP request received.")
    assert exchange(server, LIST, b"GARBAGE\r\n\r\n").count(b"HTTP/1.1 400") == 1
    assert alive(server)


def test_a_long_poll_with_a_request_behind_it_ends_with_its_client(server: Served) -> None:
    """It takes no message that comes later."""
    exchange(server, asked("CreateQueue", QueueName="orders", close=True))
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as client:
        client.sendall(asked("ReceiveMessage", QueueUrl="orders", WaitTimeSeconds=20) + LIST)
        exchange(server, LAST)
    exchange(server, LAST)

    exchange(server, asked("SendMessage", QueueUrl="orders", MessageBody="order 7", close=True))
    assert b"order 7" in exchange(server, asked("ReceiveMessage", QueueUrl="orders", WaitTimeSeconds=2, close=True))


def test_an_offer_to_speak_another_protocol_is_not_taken_up(server: Served) -> None:
    """Java's HTTP client offers HTTP/2 with its first request, and goes on with HTTP/1.1."""
    offer = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAA\r\nHost"

    assert exchange(server, LIST.replace(b"Host", offer), LAST, more=True).count(b"HTTP/1.1 200 ") == 2


def test_many_that_begin_and_do_not_go_on_do_not_keep_others_out(server: Served) -> None:
    halves = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(200)]
    try:
        for number, half in enumerate(halves):
            half.sendall(LIST[: number % len(LIST)])
        assert alive(server)
        assert exchange(server, LAST, more=True).startswith(b"HTTP/1.1 200 ")
    finally:
        for half in halves:
            half.close()
