"""endpoint: requests a second of `decouple serve`, beside the emulators that pip and npm install, with the same client.

Each server is a process of its own; the client keeps 8 connections, each with one request on its way, and spends about
20 us a request itself. A cycle is SendMessage, ReceiveMessage and DeleteMessage of 1 KiB. The wall clock counts: servers
take turns, slice by slice, and only the one that is asked works.

fauxqs and local-aws-sqs are run if PEERBENCH_NPM names the node_modules folder they are in (npm install fauxqs
local-aws-sqs), ministack if PEERBENCH_MINISTACK names its program (pip install ministack), moto's server if it is
installed; what is missing is left out, and said.
"""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from common import BODY, Figures
from measure import median

ROOT = Path(__file__).resolve().parent.parent
CONNECTIONS = 8
LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
CLOSED = re.compile(rb"\r\nconnection: *close", re.IGNORECASE)
SIGNED = "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/sqs/aws4_request, SignedHeaders=host, Signature=0"
WAITING = 1_000
BACKLOG = 1_000_000
FILLED = f"""
import asyncio, sys
sys.path.insert(0, {str(ROOT)!r})
import uvicorn
from decouple import Broker
from decouple.aws import asgi
broker = Broker()
broker.queue("bench")
full = broker.queue("full")
for _ in range({BACKLOG} // 10_000):
    full.send_batch([{BODY!r}] * 10_000)
uvicorn.run(asgi(broker), port=int(sys.argv[1]), log_level="warning", access_log=False)
"""


BARE = """
import sys
import uvicorn
ANSWER = b'{"QueueUrl":"http://127.0.0.1/0/q","Messages":[{"ReceiptHandle":"x"}]}'
START = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(ANSWER))]}
async def app(scope, receive, send):
    while (await receive()).get("more_body"):
        pass
    await send(START)
    await send({"type": "http.response.body", "body": ANSWER})
uvicorn.run(
    app, port=int(sys.argv[1]), lifespan="off", http="httptools", loop="uvloop", access_log=False, timeout_keep_alive=75
)
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def serving(command: Callable[[int], list[str]], environment: Callable[[int], dict[str, str]]) -> Iterator[int]:
    """The port of a server that answers by now, until the end of the block."""
    port = free_port()
    settings = {**os.environ, **environment(port)}
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(command(port), env=settings, stdout=quiet, stderr=quiet, cwd="/")
    try:
        deadline = time.monotonic() + 120
        while True:
            if process.poll() is not None:
                raise RuntimeError(f"{command(port)[0]} ended with {process.returncode}")
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class Peer(NamedTuple):
    command: Callable[[int], list[str]]
    environment: Callable[[int], dict[str, str]] = lambda port: {}


def decouple_peer() -> Peer:
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from decouple.cli import main; sys.exit(main())"
    return Peer(lambda port: [sys.executable, "-c", code, "serve", "--port", str(port)])


def peers() -> dict[str, Peer]:
    """The emulators that are installed here, by the name of their figure; floor: an ASGI application that does nothing."""
    found = {"floor": Peer(lambda port: [sys.executable, "-c", BARE, str(port)])}
    if find_spec("moto") is not None and find_spec("flask") is not None:
        found["moto"] = Peer(lambda port: [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)])
    node, folder = shutil.which("node"), os.environ.get("PEERBENCH_NPM")
    if node is not None and folder is not None:
        cli = os.path.join(folder, "fauxqs/dist/cli.js")
        found["fauxqs"] = Peer(
            lambda port: [node, cli], lambda port: {"FAUXQS_PORT": str(port), "FAUXQS_LOGGER": "false"}
        )
        package = json.dumps(os.path.abspath(os.path.join(folder, "local-aws-sqs")))
        options = '{{port: {}, hostname: "127.0.0.1", emulateQueueCreationLifecycle: false}}'
        found["localsqs"] = Peer(
            lambda port: [node, "-e", f"require({package}).createSqsServer({options.format(port)})"]
        )
    program = os.environ.get("PEERBENCH_MINISTACK")
    if program is not None:
        found["ministack"] = Peer(lambda port: [program], lambda port: {"GATEWAY_PORT": str(port)})
    return found


# -- the client ------------------------------------------------------------------------------------------------------


def request(operation: str, parameters: dict[str, Any]) -> bytes:
    body = json.dumps(parameters).encode()
    head = (
        f"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: {SIGNED}\r\nX-Amz-Target: AmazonSQS.{operation}\r\n"
        f"X-Amz-Date: 20260101T000000Z\r\nContent-Type: application/x-amz-json-1.0\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class Connection:
    """A request at a time, on a connection that is kept as long as the server keeps it: moto's closes each."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.connect()

    def connect(self) -> None:
        self.socket = socket.create_connection(("127.0.0.1", self.port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.kept = True

    def begin(self, one: bytes) -> None:
        """Send a request."""
        if not self.kept:
            self.socket.close()
            self.connect()
        self.socket.sendall(one)

    def read(self) -> bytes:
        """The body of the next answer. Raises RuntimeError if it is no 200."""
        data = self.more()
        while (end := data.find(b"\r\n\r\n")) < 0:
            data += self.more()
        head, body = data[:end], data[end + 4 :]
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(f"an answer other than 200: {data[:300]!r}")
        self.kept = CLOSED.search(head) is None
        found = LENGTH.search(head)
        if found is None:  # chunked
            while not body.endswith(b"0\r\n\r\n"):
                body += self.more()
            return body
        length = int(found[1])
        while len(body) < length:
            body += self.more()
        return body

    def more(self) -> bytes:
        data = self.socket.recv(65_536)
        if not data:
            raise RuntimeError("the server closed the connection")
        return data

    def ask(self, operation: str, **parameters: Any) -> Any:
        self.begin(request(operation, parameters))
        return json.loads(strip(self.read()))


class Client:
    """So many connections, each with one request on its way."""

    def __init__(self, port: int, queue: str = "bench") -> None:
        self.connections = [Connection(port) for _ in range(CONNECTIONS)]
        first = self.connections[0]
        self.url = first.ask("CreateQueue", QueueName=queue)["QueueUrl"]
        self.send = request("SendMessage", {"QueueUrl": self.url, "MessageBody": BODY})
        self.receive = request("ReceiveMessage", {"QueueUrl": self.url})

    def at_once(self, requests: list[bytes]) -> list[bytes]:
        for connection, one in zip(self.connections, requests, strict=True):
            connection.begin(one)
        return [connection.read() for connection in self.connections]

    def cycles(self, count: int) -> float:
        """Requests a second of so many cycles."""
        start = time.perf_counter()
        for _ in range(count // CONNECTIONS):
            self.at_once([self.send] * CONNECTIONS)
            answers = self.at_once([self.receive] * CONNECTIONS)
            handles = [json.loads(strip(one))["Messages"][0]["ReceiptHandle"] for one in answers]
            self.at_once([request("DeleteMessage", {"QueueUrl": self.url, "ReceiptHandle": one}) for one in handles])
        return count // CONNECTIONS * CONNECTIONS * 3 / (time.perf_counter() - start)

    def rate(self, seconds: float) -> float:
        """Requests a second over about that time."""
        for connection in self.connections:  # some servers close what was idle for a while
            connection.kept = False
        return self.cycles(max(CONNECTIONS, int(self.cycles(CONNECTIONS * 4) / 3 * seconds)))


def strip(body: bytes) -> bytes:
    """JSON out of a chunked body too."""
    return body[body.index(b"{") : body.rindex(b"}") + 1]


# -- figures ---------------------------------------------------------------------------------------------------------


def endpoint(full: bool) -> Figures:
    found = peers()
    rounds, seconds = (9, 1.0) if full else (3, 0.4)
    rates: dict[str, list[float]] = {name: [] for name in ("decouple", *found)}
    with ExitStack() as stack:
        clients = {
            name: Client(stack.enter_context(serving(*peer)))
            for name, peer in (("decouple", decouple_peer()), *found.items())
        }
        for client in clients.values():
            client.rate(seconds)
        for _ in range(rounds):
            for name, client in clients.items():
                rates[name].append(client.rate(seconds))
    ours = rates.pop("decouple")
    figures = {
        f"endpoint.{name}": (
            median(theirs_one / one for theirs_one, one in zip(theirs, ours, strict=True)),
            f"{median(theirs):,.0f} requests a second, decouple {median(ours):,.0f}",
        )
        for name, theirs in rates.items()
    }
    return figures | backlog(rounds, seconds) | long_polls(rounds, seconds)


def backlog(rounds: int, seconds: float) -> Figures:
    """A queue with a million messages beside an empty one of the same server."""
    with serving(lambda port: [sys.executable, "-c", FILLED, str(port)], lambda port: {}) as port:
        full, empty = Client(port, "full"), Client(port)
        pairs = [(full.rate(seconds), empty.rate(seconds)) for _ in range(rounds)]
    return {
        "endpoint.flat": (median(bare / filled for filled, bare in pairs), "a cycle's time over that of an empty queue")
    }


def long_polls(rounds: int, seconds: float) -> Figures:
    """The same server with and without a thousand receives that wait for another queue."""
    with serving(*decouple_peer()) as port:
        client = Client(port)
        other = client.connections[0].ask("CreateQueue", QueueName="idle")["QueueUrl"]
        poll = request("ReceiveMessage", {"QueueUrl": other, "WaitTimeSeconds": 20})
        pairs: list[tuple[float, float]] = []
        for _ in range(rounds):
            bare = client.rate(seconds)
            waiting = [Connection(port) for _ in range(WAITING)]
            for connection in waiting:
                connection.socket.sendall(poll)
            client.cycles(CONNECTIONS * 16)  # until all of them wait
            pairs.append((client.rate(seconds), bare))
            for connection in waiting:
                connection.socket.close()
            client.cycles(CONNECTIONS * 16)
    return {"endpoint.polls": (median(bare / busy for busy, bare in pairs), f"{WAITING:,} long polls waiting")}
