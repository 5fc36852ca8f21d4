"""SNS over the server: web endpoints that confirm by the link they get, and signatures that others can verify."""

from __future__ import annotations

import base64
import json
import threading
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Queue
from typing import Any

import boto3
import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.x509 import load_pem_x509_certificate
from serve_process import Served, served, settings

pytestmark = pytest.mark.slow


class Receiver(ThreadingHTTPServer):
    """A web endpoint that keeps what it gets."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.received: Queue[dict[str, Any]] = Queue()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/news"


class Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.end_headers()
        self.server.received.put(json.loads(body))

    def log_message(self, format: str, *arguments: Any) -> None:
        pass


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        thread = threading.Thread(target=receiver.serve_forever)
        thread.start()
        yield receiver
        receiver.shutdown()
        thread.join()


@pytest.fixture(scope="module", params=["real", "virtual"])
def process(request: pytest.FixtureRequest) -> Iterator[Served]:
    with served(*(["--virtual-clock"] if request.param == "virtual" else [])) as server:
        yield server
        assert server.stop() == (0, "")


@pytest.fixture
def server(process: Served) -> Served:
    """Emptied of what another test has left there."""
    urllib.request.urlopen(urllib.request.Request(f"{process.url}/_decouple/reset", data=b""), timeout=10).close()
    return process


@pytest.fixture
def sns(server: Served) -> Iterator[Any]:
    client = boto3.client("sns", **settings(server))
    yield client
    client.close()


def get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=10) as answer:
        body: bytes = answer.read()
        return body


def verify(envelope: dict[str, Any], server: Served) -> None:
    """As SNS's documentation has it. Raises InvalidSignature."""
    assert envelope["SigningCertURL"].startswith(f"{server.url}/SimpleNotificationService-")
    names = ["Message", "MessageId", "Subject", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"]
    text = "".join(f"{name}\n{envelope[name]}\n" for name in names if name in envelope)
    key = load_pem_x509_certificate(get(envelope["SigningCertURL"])).public_key()
    assert isinstance(key, RSAPublicKey)
    digest = {"1": SHA1, "2": SHA256}[envelope["SignatureVersion"]]()
    key.verify(base64.b64decode(envelope["Signature"]), text.encode(), PKCS1v15(), digest)


def test_a_web_endpoint_is_asked_confirms_and_is_notified(sns: Any, server: Served, receiver: Receiver) -> None:
    topic = sns.create_topic(Name="news")["TopicArn"]
    pending = sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=receiver.url)
    assert pending["SubscriptionArn"] == "pending confirmation"

    asked = receiver.received.get(timeout=10)
    assert asked["Type"] == "SubscriptionConfirmation"
    verify(asked, server)
    assert asked["SubscribeURL"].startswith(server.url)
    assert b"<SubscriptionArn>arn:aws:sns:us-east-1:000000000000:news:" in get(asked["SubscribeURL"])

    sns.publish(TopicArn=topic, Message="rain", Subject="weather")
    notified = receiver.received.get(timeout=10)
    assert (notified["Type"], notified["Message"], notified["Subject"]) == ("Notification", "rain", "weather")
    verify(notified, server)

    get(notified["UnsubscribeURL"])
    assert sns.list_subscriptions()["Subscriptions"] == []


def test_signatures_of_version_2_verify_too(sns: Any, server: Served, receiver: Receiver) -> None:
    topic = sns.create_topic(Name="news", Attributes={"SignatureVersion": "2"})["TopicArn"]

    sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=receiver.url)

    asked = receiver.received.get(timeout=10)
    assert asked["SignatureVersion"] == "2"
    verify(asked, server)
