"""The signatures of SNS: a key, its certificate, and one signature for each publication, shared by all its copies.

What is signed and how is AWS's, so public validators can verify it; whose the certificate is, is not: it is signed by
itself. One key serves all worlds of a process, made when the first notification is signed. Message attributes are not
signed (SNS). Extra: `aws`. Source: SNS developer guide, "Verifying the signatures of Amazon SNS messages".
"""

from __future__ import annotations

from base64 import b64encode
from functools import cache
from hashlib import sha256
from threading import RLock
from typing import TYPE_CHECKING, Any

from decouple.envelopes import message_of, timestamp_of

if TYPE_CHECKING:
    from decouple.notification import Notification

__all__ = ["Signer", "string_to_sign"]

MOST_KEPT = 1_024
# Two threads that sign for the first time would make two keys, and the certificate fits one of them.
ONE_KEY = RLock()


class Signer:
    """Signs notifications with an RSA key of so many bits.

    A signature of 2,048 bits, AWS's size, costs 0.7 ms, one of 1,024 bits 0.1 ms.
    """

    def __init__(self, bits: int = 2_048) -> None:
        self.bits = bits
        self._made: dict[tuple[Any, ...], str] = {}

    def __repr__(self) -> str:
        return f"<Signer of {self.bits} bits>"

    @property
    def certificate(self) -> str:
        """The certificate in PEM."""
        return certificate(self.bits)

    @property
    def path(self) -> str:
        """Where the certificate is below any link: /SimpleNotificationService-<hash>.pem."""
        return f"/SimpleNotificationService-{fingerprint(self.bits)}.pem"

    def sign(self, notification: Notification, version: str = "1") -> dict[str, str]:
        """What the envelope has of a signature. version: "1" for SHA1, "2" for SHA256.

        Cost: one signature for each publication, and for each text it has.
        """
        bodies = notification.publication.bodies
        text = None if bodies is None else notification.way.protocol
        key = (notification.id, notification.kind, version, notification.token, text)
        made = self._made.get(key)
        if made is None:
            made = signed(string_to_sign(notification), version, self.bits)
            self._keep(key, made)
        url = f"{notification.way.service}{self.path}"
        return {"SignatureVersion": version, "Signature": made, "SigningCertURL": url}

    def _keep(self, key: tuple[Any, ...], made: str) -> None:
        if len(self._made) >= MOST_KEPT:  # a retry of an older one is signed again, and all are the same
            self._made.clear()
        self._made[key] = made


def string_to_sign(notification: Notification) -> str:
    """Name, newline, value, newline for each that is signed, by name."""
    parts = {
        "Message": message_of(notification),
        "MessageId": notification.id,
        "Subject": notification.subject,
        "SubscribeURL": None,
        "Timestamp": timestamp_of(notification),
        "Token": notification.token,
        "TopicArn": notification.way.topic_arn,
        "Type": notification.kind,
    }
    if notification.kind != "Notification":
        parts |= {"Subject": None, "SubscribeURL": notification.subscribe_url}
    return "".join(f"{name}\n{value}\n" for name, value in parts.items() if value is not None)


# What needs the extra is imported inside: most worlds sign nothing, and it costs 25 ms.


def signed(text: str, version: str, bits: int) -> str:
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.hashes import SHA1, SHA256

    digest = SHA256() if version == "2" else SHA1()  # SNS's first version
    return b64encode(key(bits).sign(text.encode(), PKCS1v15(), digest)).decode()


def key(bits: int) -> Any:
    with ONE_KEY:
        return made_key(bits)


@cache
def made_key(bits: int) -> Any:
    from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

    return generate_private_key(65_537, bits)


def certificate(bits: int) -> str:
    with ONE_KEY:
        return made_certificate(bits)


@cache
def made_certificate(bits: int) -> str:
    from datetime import UTC, datetime, timedelta

    from cryptography import x509
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import Encoding
    from cryptography.x509.oid import NameOID

    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
    today = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key(bits).public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - timedelta(days=1))
        .not_valid_after(today + timedelta(days=3_650))
        .sign(key(bits), SHA256())
    )
    return made.public_bytes(Encoding.PEM).decode()


@cache
def fingerprint(bits: int) -> str:
    return sha256(certificate(bits).encode()).hexdigest()[:32]
