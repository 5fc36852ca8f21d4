"""What crosses the wire, whatever carries it: a request with its raw path, query and body, and the reply to it.

Nothing here knows a server or a client library: the endpoint makes a Request of an HTTP request, the mock of what a
botocore client was about to send.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from decouple.aws.errors import ServiceError

__all__ = ["Codec", "Parsed", "Reply", "Request", "Unreadable"]


class Request(NamedTuple):
    """One HTTP request. path, query: as sent, percent-encoded, the query without "?"; headers: keys in lower case."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


class Reply(NamedTuple):
    """The HTTP answer to it. headers: keys in lower case; its length is left to whoever sends it."""

    status: int
    headers: dict[str, str]
    body: bytes


class Parsed(NamedTuple):
    """A request that was understood. service: botocore's name, "sqs"; given: the parameters as botocore's API names
    them; protocol: "json", "query" or "rest-json", which the answer must speak, too.
    """

    service: str
    operation: str
    given: dict[str, Any]
    protocol: str


class Unreadable(ServiceError):
    """A request that could not be understood, and how to answer it: `encode_error` takes all three."""

    def __init__(self, service: str, operation: str, protocol: str, error: ServiceError) -> None:
        super().__init__(
            error.shape, error.message, code=error.code, status=error.status, sender=error.sender, **error.more
        )  # fmt: skip
        self.service = service
        self.operation = operation
        self.protocol = protocol


class Codec(NamedTuple):
    """How one operation is read and answered in one protocol; `decode` raises ServiceError."""

    decode: Callable[[Request], dict[str, Any]]
    encode: Callable[[dict[str, Any], str], Reply]
