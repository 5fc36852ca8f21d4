"""Signatures, made by botocore as every SDK makes them, checked by the endpoint that was given the secrets."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any
from urllib.parse import urlsplit

import pytest
from asgi_client import Client
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from decouple.aws import ServiceError
from decouple.aws.endpoint import asgi
from decouple.aws.endpoint.signatures import Signatures
from decouple.aws.wire import Request

KEY, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
NOW = time.time()
FORM = {"content-type": "application/x-www-form-urlencoded"}


def signed(
    target: str = "/", body: bytes = b"Action=ListQueues", *, key: str = KEY, secret: str = SECRET, **more: str
) -> Request:
    """A POST as an SDK signs it in its header."""
    request = AWSRequest("POST", f"http://localhost:4566{target}", headers=FORM | more, data=body)
    SigV4Auth(Credentials(key, secret), "sqs", "us-east-1").add_auth(request)
    return as_received(request, body)


def link(target: str = "/?Action=ListQueues", *, expires: int = 3600, secret: str = SECRET) -> Request:
    """A signed link, that says all in its query."""
    request = AWSRequest("GET", f"http://localhost:4566{target}")
    SigV4QueryAuth(Credentials(KEY, secret), "sqs", "us-east-1", expires=expires).add_auth(request)
    return as_received(request, b"")


def as_received(request: Any, body: bytes) -> Request:
    url = urlsplit(request.url)
    headers = {name.lower(): value for name, value in request.headers.items()} | {"host": url.netloc}
    return Request(request.method, url.path, url.query, headers, body)


def error_of(request: Request, *, after: float = 0, service: str = "sqs", key: str = KEY) -> ServiceError:
    signatures = Signatures({key: SECRET}, now=lambda: NOW + after)
    with pytest.raises(ServiceError) as caught:
        signatures.check(request, service)
    return caught.value


def changed(request: Request, **headers: str) -> Request:
    more = {name.replace("_", "-"): value for name, value in headers.items()}
    return request._replace(headers={**request.headers, **more})


# -- accepted --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "request_",
    [
        signed(),
        signed("/000000000000/orders"),
        signed("/000000000000/a%20b//c/../d"),
        signed("/?Action=ListQueues&Version=2012-11-05&Empty=&QueueNamePrefix=a%2Fb"),
        signed(body=b""),
        signed(**{"x-amz-meta": "two  spaces", "x-amz-target": "AmazonSQS.ListQueues"}),
        signed(**{"X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD"}),
        link(),
        link("/000000000000/orders?Action=SendMessage&MessageBody=a+b%26c%3Dd%7E"),
    ],
    ids=["plain", "path", "odd path", "query", "no body", "headers", "unsigned body", "link", "link with text"],
)
def test_what_was_signed_with_the_secret_is_accepted(request_: Request) -> None:
    Signatures({KEY: SECRET}, now=lambda: NOW).check(request_, "sqs")


def test_a_signature_is_good_for_15_minutes_and_a_link_for_as_long_as_it_says() -> None:
    Signatures({KEY: SECRET}, now=lambda: NOW + 890).check(signed(), "sqs")
    Signatures({KEY: SECRET}, now=lambda: NOW + 3590).check(link(expires=3600), "sqs")


# -- refused ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "request_",
    [
        signed(secret="wrong"),
        signed()._replace(body=b"Action=DeleteQueue"),
        signed()._replace(path="/000000000000/orders"),
        signed()._replace(query="Action=DeleteQueue"),
        signed()._replace(method="PUT"),
        changed(signed(), host="elsewhere:4566"),
        changed(signed(), x_amz_content_sha256="UNSIGNED-PAYLOAD"),
        changed(signed(), authorization=signed().headers["authorization"][:-1] + "\xe9"),
        link(secret="wrong"),
        link()._replace(query=link().query.replace("ListQueues", "DeleteQueue")),
        link()._replace(query=link().query.replace("X-Amz-Expires=3600", "X-Amz-Expires=7200")),
    ],
    ids=[
        *("secret", "body", "path", "query", "method", "host", "unsigned body", "no hex"),
        *("link's secret", "link's query", "link's end"),
    ],
)
def test_what_was_signed_otherwise_or_changed_since_is_refused(request_: Request) -> None:
    error = error_of(request_)

    assert (error.code, error.shape, error.status) == ("SignatureDoesNotMatch", "InvalidSignatureException", 403)
    assert str(error.message).startswith(
        "The request signature we calculated does not match the signature you provided"
    )


def test_an_unknown_key_is_refused() -> None:
    error = error_of(signed(key="AKIDOTHER"))

    assert (error.code, error.status) == ("InvalidClientTokenId", 403)
    assert error.message == "The security token included in the request is invalid."


@pytest.mark.parametrize("request_", [signed(), link(expires=900)], ids=["header", "link"])
def test_a_signature_of_long_ago_is_refused(request_: Request) -> None:
    error = error_of(request_, after=1000)

    assert (error.code, error.status) == ("SignatureDoesNotMatch", 403)
    assert error.message.startswith("Signature expired: 20")


def test_a_signature_of_the_future_is_refused() -> None:
    assert error_of(signed(), after=-1000).message.startswith("Signature not yet current: 20")


def test_a_signature_for_another_service_is_refused() -> None:
    assert error_of(signed(), service="sns").message == "Credential should be scoped to correct service: 'sns'."


def test_what_is_not_signed_is_refused() -> None:
    error = error_of(Request("POST", "/", "", {"host": "localhost"}, b""))

    assert (error.code, error.status) == ("MissingAuthenticationToken", 403)


@pytest.mark.parametrize(
    "request_",
    [
        changed(signed(), authorization="Bearer of good news"),
        changed(signed(), authorization="AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE, SignedHeaders=host, Signature=0"),
        changed(signed(), x_amz_date=""),
        changed(signed(), authorization=signed().headers["authorization"].replace(";host;", ";")),
        link()._replace(query=link().query.replace("X-Amz-Expires=3600", "X-Amz-Expires=never")),
        link()._replace(query=link().query.replace("X-Amz-Expires=3600", "X-Amz-Expires=999999999")),
        link()._replace(query=link().query.replace("X-Amz-SignedHeaders=host", "")),
        link()._replace(query="X-Amz-Signature=0"),
    ],
    ids=["other kind", "no scope", "no date", "no host", "no number", "too long", "no headers", "nothing else"],
)
def test_what_is_signed_incompletely_is_refused(request_: Request) -> None:
    error = error_of(request_)

    assert (error.code, error.status) == ("IncompleteSignature", 400)


def test_a_date_that_is_none_is_refused() -> None:
    request = changed(signed(), x_amz_date=signed().headers["x-amz-date"][:8] + "T99")

    assert error_of(request).code == "IncompleteSignature"


def test_the_day_of_the_scope_is_that_of_the_date() -> None:
    assert error_of(changed(signed(), x_amz_date="20200101T000000Z")).code == "SignatureDoesNotMatch"


# -- over the wire ---------------------------------------------------------------------------------------------------


def test_a_refusal_is_said_in_the_protocol_of_the_request(caplog: pytest.LogCaptureFixture) -> None:
    client = Client(asgi(verify={KEY: SECRET}))

    with caplog.at_level(logging.DEBUG, logger="decouple"):
        answer = asyncio.run(client.sqs("ListQueues"))
        legacy = asyncio.run(client("POST", "/", b"Action=ListQueues&Version=2012-11-05"))

    assert (answer.status, answer.headers["x-amzn-query-error"]) == (403, "InvalidClientTokenId;Sender")
    assert answer.json()["__type"].rpartition("#")[2] == "UnrecognizedClientException"
    assert b"<Code>MissingAuthenticationToken</Code>" in legacy.body
    assert SECRET not in caplog.text


def test_secrets_are_not_shown() -> None:
    assert repr(Signatures({KEY: SECRET})) == "<Signatures: 1 keys>"


def test_pages_and_links_of_notifications_need_no_signature() -> None:
    """Nobody signs ConfirmSubscription and Unsubscribe: a mail's reader opens them."""
    client = Client(asgi(verify={KEY: SECRET}))

    assert asyncio.run(client("GET", "/_decouple/health")).status == 200
    answer = asyncio.run(client("GET", "/?Action=ConfirmSubscription&TopicArn=none&Token=none&Version=2010-03-31"))
    assert b"MissingAuthenticationToken" not in answer.body
