"""Signatures of SNS, verified as their receivers do it, by the rules alone."""

from __future__ import annotations

import json
from base64 import b64decode
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.x509 import load_pem_x509_certificate

from decouple import Email
from decouple.aws import World
from decouple.aws.signing import key
from decouple.testing import VirtualClock

NOTIFICATION = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
CONFIRMATION = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")


def verify(envelope: dict[str, Any], pem: str) -> None:
    """Raises InvalidSignature, as a subscriber's validator does (SNS: Verifying the signatures of Amazon SNS messages)."""
    names = NOTIFICATION if envelope["Type"] == "Notification" else CONFIRMATION
    text = "".join(f"{name}\n{envelope[name]}\n" for name in names if name in envelope)
    digest = {"1": SHA1, "2": SHA256}[envelope["SignatureVersion"]]()
    key: Any = load_pem_x509_certificate(pem.encode()).public_key()
    key.verify(b64decode(envelope["Signature"]), text.encode(), PKCS1v15(), digest)


@pytest.fixture
def world() -> World:
    return World(clock=VirtualClock(), account="123456789012")


def pem_of(world: World) -> str:
    assert world.signer is not None
    return world.signer.certificate


@pytest.mark.parametrize("version", ["1", "2"])
@pytest.mark.parametrize("subject", [None, "Größe & <more>"], ids=["no subject", "subject"])
def test_an_envelope_in_a_queue_verifies(world, version, subject):
    queue, topic = world.broker().queue("orders"), world.broker().topic("events")
    topic.subscribe(queue, envelope=True)
    world.place().signature_versions[topic] = version

    topic.publish("line 1\nline 2 \u00e9", subject=subject, attributes={"not": "signed"})

    [message] = queue.receive()
    envelope = message.json()
    assert envelope["SignatureVersion"] == version
    verify(envelope, pem_of(world))


def test_each_protocols_own_text_has_its_own_signature(world):
    queue, topic = world.broker().queue("orders"), world.broker().topic("events")
    topic.subscribe(queue, envelope=True)
    topic.subscribe(Email("a@example.com", json=True), confirm=False)

    topic.publish(per_protocol={"default": "for all", "sqs": "for queues"})
    world.broker().run_until_idle()

    [message] = queue.receive()
    letter = json.loads(world.broker().outbox[0].body)
    assert (message.json()["Message"], letter["Message"]) == ("for queues", "for all")
    for envelope in (message.json(), letter):
        verify(envelope, pem_of(world))


def test_a_confirmation_verifies(world):
    world.broker().topic("events").subscribe(Email("a@example.com", json=True))
    world.broker().run_until_idle()

    envelope = json.loads(world.broker().outbox[0].body)

    assert envelope["Type"] == "SubscriptionConfirmation"
    verify(envelope, pem_of(world))


def test_a_function_gets_version_1_also_from_a_topic_that_signs_by_version_2(world):
    events: list[Any] = []
    broker = world.broker()
    function = broker.function(lambda event, context: events.append(event), name="seen")
    topic = broker.topic("events")
    topic.subscribe(function)
    world.place().signature_versions[topic] = "2"

    topic.publish("x")
    broker.run_until_idle()

    record = events[0]["Records"][0]["Sns"]
    assert record["SignatureVersion"] == "1"
    assert record["SigningCertUrl"].startswith("https://sns.us-east-1.amazonaws.com/SimpleNotificationService-")
    verify({name: value for name, value in record.items() if value is not None}, pem_of(world))


def test_a_fifo_topic_signs_nothing(world):
    queue = world.broker().queue("orders.fifo")
    topic = world.broker().topic("events.fifo", content_based_deduplication=True)
    topic.subscribe(queue, envelope=True)

    topic.publish("x", group="g")

    [message] = queue.receive()
    assert {"Signature", "SignatureVersion", "SigningCertURL"}.isdisjoint(message.json())


def test_the_certificate_is_where_the_links_lead(world):
    local = World(clock=VirtualClock(), endpoint="http://127.0.0.1:4566")
    queue, topic = local.broker().queue("orders"), local.broker().topic("events")
    topic.subscribe(queue, envelope=True)
    topic.publish("x")
    [message] = queue.receive()

    assert local.signer is not None
    assert message.json()["SigningCertURL"] == f"http://127.0.0.1:4566{local.signer.path}"
    assert local.signer.bits == 2_048
    verify(message.json(), pem_of(local))


def test_one_signature_is_shared_by_all_copies(world, monkeypatch):
    from decouple.aws import signing

    made: list[str] = []
    monkeypatch.setattr(signing, "signed", lambda text, version, bits: made.append(text) or "c2ln")
    topic = world.broker().topic("events")
    for number in range(5):
        topic.subscribe(world.broker().queue(f"orders-{number}"), envelope=True)

    topic.publish("x")

    assert len(made) == 1


def test_without_cryptography_the_keys_are_left_out(world, monkeypatch):
    monkeypatch.setattr("decouple.aws.world.find_spec", lambda name: None)
    queue, topic = world.broker().queue("orders"), world.broker().topic("events")
    topic.subscribe(queue, envelope=True)

    topic.publish("x")

    [message] = queue.receive()
    assert {"Signature", "SignatureVersion", "SigningCertURL"}.isdisjoint(message.json())


def test_a_topic_made_again_does_not_sign_as_the_one_deleted_did(world):
    broker = world.broker()
    old = broker.topic("events")
    world.place().signature_versions[old] = "2"
    broker.delete(old)

    topic, queue = broker.topic("events"), broker.queue("orders")
    topic.subscribe(queue, envelope=True)
    topic.publish("x")

    [message] = queue.receive()
    assert message.json()["SignatureVersion"] == "1"


def test_threads_that_sign_for_the_first_time_have_one_key():
    """A key takes long to make, and all that it signs is verified with one certificate."""
    bits, together = 1_032, Barrier(4)  # a size that no other test has made

    def first() -> Any:
        together.wait()
        return key(bits)

    with ThreadPoolExecutor(4) as threads:
        keys = [each.result() for each in [threads.submit(first) for _ in range(4)]]

    assert len(set(map(id, keys))) == 1
