"""What a server costs: memory after the first answers, and a thousand clients that wait."""

from __future__ import annotations

import asyncio
import re
import resource
import socket
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from serve_process import Served, served
from uvicorn.server import ServerState

from decouple.aws.endpoint import protocol
from decouple.aws.endpoint.protocol import Guarded

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="the figures of a process are in /proc"),
]

POLLS = 1_000


@pytest.fixture
def server() -> Iterator[Served]:
    with served() as server:
        yield server
        assert server.stop() == (0, "")


def figure(server: Served, name: str) -> int:
    """VmRSS in KiB, Threads."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    found = re.search(rf"^{name}:\s+(\d+)", status, re.MULTILINE)
    assert found is not None
    return int(found[1])


def cpu(server: Served) -> float:
    """Seconds of processor time so far."""
    fields = Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def ask(server: Served, form: str) -> bytes:
    with urllib.request.urlopen(server.url, form.encode(), timeout=30) as answer:
        body: bytes = answer.read()
        return body


def poll(server: Served) -> bytes:
    body = f'{{"QueueUrl": "{server.url}/000000000000/orders", "WaitTimeSeconds": 20}}'.encode()
    head = "POST / HTTP/1.1\r\nHost: localhost\r\nX-Amz-Target: AmazonSQS.ReceiveMessage\r\n"
    head += f"Content-Type: application/x-amz-json-1.0\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def test_the_first_answers_take_little_time_and_memory(server: Served) -> None:
    """In processor time: the machine may be busy with other things."""
    ask(server, "Action=CreateQueue&QueueName=orders&Version=2012-11-05")
    ask(server, "Action=CreateTopic&Name=news&Version=2010-03-31")

    assert figure(server, "VmRSS") < 60 * 1024
    assert cpu(server) < 1.5


def test_a_thousand_long_polls_cost_no_threads_and_next_to_no_time(server: Served) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < POLLS + 200:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, POLLS + 200), hard))
    ask(server, "Action=CreateQueue&QueueName=orders&Version=2012-11-05")
    with ExitStack() as stack:
        clients = [stack.enter_context(socket.create_connection(("127.0.0.1", server.port))) for _ in range(POLLS)]
        for client in clients:
            client.sendall(poll(server))
        while b'"parked": 1000' not in page(server, "/_decouple/queues/orders"):
            pass

        before, began = cpu(server), time.monotonic()
        time.sleep(1)  # the figure is one of real time
        assert (cpu(server) - before) / (time.monotonic() - began) < 0.1
        assert figure(server, "Threads") <= 3
        assert figure(server, "VmRSS") < 100 * 1024

        ask(server, "Action=SendMessage&QueueUrl=orders&MessageBody=order+7&Version=2012-11-05")
        answer = b""
        while b"order 7" not in answer and (more := clients[0].recv(65_536)):  # whoever waits for longest
            answer += more
        assert b"order 7" in answer


def page(server: Served, path: str) -> bytes:
    with urllib.request.urlopen(server.url + path, timeout=30) as answer:
        body: bytes = answer.read()
        return body


# -- those that do not go on -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [b"", b"POST / HTTP/1.1\r\nHost: local"], ids=["nothing", "half a head"])
def test_a_connection_that_brings_no_request_ends(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """After 30 s; here after none."""
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.01)

    assert asyncio.run(left_alone(data)) == b""


async def left_alone(data: bytes) -> bytes:
    """What a client hears who sends this and waits for the end."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError("no request came")

    config, state = uvicorn.Config(app, http=Guarded, ws="none", log_config=None), ServerState()
    config.load()
    loop = asyncio.get_running_loop()
    async with await loop.create_server(lambda: Guarded(config, state, {}), "127.0.0.1", 0) as server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
        writer.write(data)
        heard = await asyncio.wait_for(reader.read(), 10)
        writer.close()
        await writer.wait_closed()
        return heard
