"""Signatures of requests, checked with secrets that were given: AWS's Signature Version 4, in the header or in the link.

botocore recomputes them, so what it signs and what is accepted here are one. Without secrets nothing is checked: a
local endpoint takes any credentials. Extra: `aws`.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qsl

from decouple.aws.errors import ServiceError
from decouple.aws.wire import scope_of

if TYPE_CHECKING:
    from decouple.aws.wire import Request, Scope

__all__ = ["Signatures"]

ALGORITHM = "AWS4-HMAC-SHA256"
TOLERANCE = 15 * 60
LONGEST = 7 * 24 * 3600
UNSIGNED = "UNSIGNED-PAYLOAD"
STAMP = "%Y%m%dT%H%M%SZ"
HEADER_PART = re.compile(r"(SignedHeaders|Signature)=([^,\s]*)", re.ASCII)


class Signed(NamedTuple):
    """What a request says about its own signature. stamp: the moment of signing; expires: seconds, of a link."""

    scope: Scope
    headers: tuple[str, ...]
    signature: str
    stamp: str
    expires: int | None


class Signatures:
    """Checks requests with these secrets, by access key. now: the present in seconds since 1970, real by default."""

    def __init__(self, secrets: Mapping[str, str], *, now: Callable[[], float] = time.time) -> None:
        self._secrets = dict(secrets)
        self._now = now

    def __repr__(self) -> str:
        return f"<Signatures: {len(self._secrets)} keys>"

    def check(self, request: Request, service: str) -> None:
        """Raises ServiceError unless the request was signed for that service, lately, with a known key's secret."""
        signed = read_signed(request)
        secret = self._secrets.get(signed.scope.access_key)
        if secret is None:
            raise refused(
                "UnrecognizedClientException",
                "InvalidClientTokenId",
                "The security token included in the request is invalid.",
            )
        if signed.scope.service != service:
            raise mismatch(f"Credential should be scoped to correct service: '{service}'.")
        self._check_date(signed)
        if not hmac.compare_digest(recomputed(request, signed, secret), signed.signature.encode()):
            raise mismatch(
                "The request signature we calculated does not match the signature you provided. Check your AWS Secret "
                "Access Key and signing method. Consult the service documentation for details."
            )

    def _check_date(self, signed: Signed) -> None:
        signed_at, now = seconds_of(signed.stamp), self._now()
        allowed = TOLERANCE if signed.expires is None else signed.expires
        if signed_at + allowed < now:
            span = "15 min." if signed.expires is None else f"{allowed} sec."
            raise mismatch(
                f"Signature expired: {signed.stamp} is now earlier than {stamp_of(now - allowed)} "
                f"({stamp_of(now)} - {span})"
            )
        if signed_at > now + TOLERANCE:
            raise mismatch(
                f"Signature not yet current: {signed.stamp} is still later than {stamp_of(now + TOLERANCE)} "
                f"({stamp_of(now)} + 15 min.)"
            )


def read_signed(request: Request) -> Signed:
    """The request's own words about its signature. Raises ServiceError where there are none, or not all."""
    query = dict(parse_qsl(request.query, keep_blank_values=True))
    authorization = request.headers.get("authorization", "")
    if not authorization and "X-Amz-Signature" not in query:
        raise refused(
            "MissingAuthenticationTokenException",
            "MissingAuthenticationToken",
            "Request is missing Authentication Token",
        )
    if authorization:
        parts = dict(HEADER_PART.findall(authorization))
        names, signature = parts.get("SignedHeaders", ""), parts.get("Signature", "")
        algorithm, stamp, expires = authorization.partition(" ")[0], request.headers.get("x-amz-date", ""), None
    else:
        names, signature = query.get("X-Amz-SignedHeaders", ""), query["X-Amz-Signature"]
        algorithm, stamp = query.get("X-Amz-Algorithm", ""), query.get("X-Amz-Date", "")
        expires = lifetime_of(query.get("X-Amz-Expires", ""))
    scope = scope_of(request)
    if algorithm != ALGORITHM or scope is None or not (names and signature and stamp):
        raise incomplete(
            "A signed request has the algorithm AWS4-HMAC-SHA256, a Credential, SignedHeaders, a Signature "
            "and X-Amz-Date."
        )
    if stamp[:8] != scope.date:
        raise mismatch(f"Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date: {stamp[:20]}")
    headers = tuple(names.lower().split(";"))
    if "host" not in headers:
        raise incomplete("'Host' must be a 'SignedHeader' in the AWS Authorization.")
    return Signed(scope, headers, signature, stamp, expires)


def lifetime_of(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 9 and int(text) <= LONGEST):
        raise incomplete(f"X-Amz-Expires must be a number of seconds, at most {LONGEST}.")
    return int(text)


def seconds_of(stamp: str) -> float:
    try:
        return datetime.strptime(stamp, STAMP).replace(tzinfo=UTC).timestamp()
    except ValueError:
        raise incomplete("Date must be in ISO-8601 'basic format', as in 20260101T120000Z.") from None


def stamp_of(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime(STAMP)


def recomputed(request: Request, signed: Signed, secret: str) -> bytes:
    """The signature that this request should have."""
    # here, because an endpoint that checks no signatures loads nothing of botocore's code
    from botocore import auth, awsrequest  # type: ignore[import-untyped]

    class Secret(NamedTuple):
        access_key: str
        secret_key: str
        token: None = None

    scope = signed.scope
    signer: Any = auth.SigV4Auth(Secret(scope.access_key, secret), scope.service, scope.region)
    # Those that were signed and no others, also such as botocore itself would not sign.
    signer.headers_to_sign = headers_of
    again: Any = awsrequest.AWSRequest(
        method=request.method,
        url=f"http://{request.headers.get('host', '')}{request.path}",
        params=[
            pair
            for pair in parse_qsl(request.query, keep_blank_values=True)
            if signed.expires is None or pair[0] != "X-Amz-Signature"
        ],
        headers={name: request.headers.get(name, "") for name in signed.headers},
    )
    again.context["timestamp"] = signed.stamp
    canonical = signer.canonical_request(again).rpartition("\n")[0]
    text = signer.string_to_sign(again, f"{canonical}\n{digest_of(request)}")
    computed: str = signer.signature(text, again)
    return computed.encode()


def headers_of(request: Any) -> Any:
    return request.headers


def digest_of(request: Request) -> str:
    """What stands for the body: its hash, unless the client leaves it unsigned and says so."""
    given = request.headers.get("x-amz-content-sha256", "")
    return UNSIGNED if given == UNSIGNED else hashlib.sha256(request.body).hexdigest()


def refused(shape: str, code: str, message: str, status: int = 403) -> ServiceError:
    return ServiceError(shape, message, code=code, status=status)


def mismatch(message: str) -> ServiceError:
    return refused("InvalidSignatureException", "SignatureDoesNotMatch", message)


def incomplete(message: str) -> ServiceError:
    return refused("IncompleteSignatureException", "IncompleteSignature", message, 400)
