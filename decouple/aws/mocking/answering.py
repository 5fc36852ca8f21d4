"""A botocore client's request as the wire reads it, and the wire's reply as botocore reads it from a socket.

botocore has checked and serialized the parameters; its own parser reads the reply, so results, errors and metadata are
what its users know. Between the two nothing is signed, sent or tried again.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from email.utils import formatdate
from functools import cache, lru_cache
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from decouple.arns import REGIONS
from decouple.aws.callers import holder
from decouple.aws.errors import ServiceError
from decouple.aws.mocking.errors import MockEnded
from decouple.aws.mocking.scene import AWS
from decouple.aws.service import Service
from decouple.aws.wire import Reply, Request, decode, decode_form, encode, encode_error
from decouple.aws.world import Call
from decouple.callers import OUTSIDE, caller
from decouple.errors import DecoupleError

__all__ = ["Exchange", "access_key_of"]


class Exchange:
    """One call of one client: `perform` answers it, `read` gives botocore's view of the answer; both also awaited."""

    def __init__(self, aws: AWS, service: Service, client: Any, model: Any, sent: dict[str, Any]) -> None:
        self._aws = aws
        self._service = service
        self._client = client
        self._model = model
        self._name: str = model.name
        self._protocol: str = model.service_model.resolved_protocol
        self._form: dict[str, Any] | None = sent["body"] if type(sent["body"]) is dict else None
        self._url: str = sent["url"]
        self._request = request_of(sent)
        self._call = call_of(aws, client, self._protocol, self._request)

    # -- our side ------------------------------------------------------------------------------------------------

    def perform(self) -> Reply:
        """The service's reply, also if that is an error. Raises MockEnded for what the mock's end cut short."""
        try:
            return self._reply(self._service.perform(self._call, self._name, self._given()))
        except (ServiceError, DecoupleError) as error:
            return self._refusal(error)

    async def aperform(self) -> Reply:
        """The same on an event loop."""
        try:
            return self._reply(await self._service.aperform(self._call, self._name, self._given()))
        except (ServiceError, DecoupleError) as error:
            return self._refusal(error)

    def _given(self) -> dict[str, Any]:
        service, name = self._service.name, self._name
        if self._form is None:
            return decode(service, name, self._protocol, self._request)
        form = {key: value if type(value) is str else str(value) for key, value in self._form.items()}
        return decode_form(service, name, form, self._request)

    def _reply(self, answer: dict[str, Any]) -> Reply:
        return encode(self._service.name, self._name, self._protocol, answer, self._call.request_id)

    def _refusal(self, error: ServiceError | DecoupleError) -> Reply:
        if self._aws.ended:
            raise MockEnded(self._service.name, self._name) from None
        if not isinstance(error, ServiceError):
            raise error
        return encode_error(self._service.name, self._name, self._protocol, error, self._call.request_id)

    # -- botocore's side -----------------------------------------------------------------------------------------

    def read(self, reply: Reply) -> tuple[Any, dict[str, Any]]:
        """The HTTP answer and what botocore's parser reads from it."""
        endpoint = self._client._endpoint
        answer, said, parser = self._incoming(reply, later("botocore.awsrequest", "AWSResponse"), body_of)
        parsed = parser.parse(said, self._model.output_shape)
        if reply.status >= 300:
            endpoint._add_modeled_error_fields(said, parsed, self._model, parser)
        return answer, first_try(parsed)

    async def aread(self, reply: Reply) -> tuple[Any, dict[str, Any]]:
        """The same for aiobotocore, whose parsers and streams are awaited."""
        endpoint = self._client._endpoint
        made = later("aiobotocore.awsrequest", "AioAWSResponse")
        answer, said, parser = self._incoming(reply, made, awaited_body_of)
        parsed = await parser.parse(said, self._model.output_shape)
        if reply.status >= 300:
            await endpoint._add_modeled_error_fields(said, parsed, self._model, parser)
        return answer, first_try(parsed)

    def _incoming(
        self, reply: Reply, respond: Callable[..., Any], stream: Callable[[Raw, str], Any]
    ) -> tuple[Any, dict[str, Any], Any]:
        """The HTTP answer, the same as botocore's parsers take it, and the parser for it."""
        length = str(len(reply.body))
        headers = {**reply.headers, "content-length": length, "date": date(int(self._call.place.now()))}
        raw = Raw(reply.body)
        answer = respond(self._url, reply.status, headers, raw)
        streamed = reply.status < 300 and self._model.has_streaming_output
        if not streamed:
            answer._content = reply.body
        said = {
            "headers": answer.headers,
            "status_code": reply.status,
            "context": {"operation_name": self._name},
            "body": stream(raw, length) if streamed else reply.body,
        }
        return answer, said, self._client._endpoint._response_parser_factory.create_parser(self._protocol)


def request_of(sent: dict[str, Any]) -> Request:
    """What was about to be sent. A form stays what it is: nobody is to write it out and read it again."""
    body = sent["body"]
    if type(body) is not bytes:
        body = b"" if type(body) is dict else bytes_of(body)
    url: str = sent["url"]
    query = urlsplit(url).query if sent["query_string"] else ""
    headers = {name.lower(): value for name, value in sent["headers"].items()}
    return Request(sent["method"], sent["url_path"], query, headers, body)


def bytes_of(body: Any) -> bytes:
    """A body that is text, or a file."""
    if hasattr(body, "read"):
        body = body.read()
    return body.encode() if isinstance(body, str) else bytes(body)


def call_of(aws: AWS, client: Any, protocol: str, request: Request) -> Call:
    """Who calls: as the client's access key says, in the client's own region."""
    world = aws.world
    account, principal = holder(world, access_key_of(client) or "")
    region = client.meta.region_name
    # Names of no place, such as "aws-global", mean the region of whoever calls.
    place = world.place(account, region if region and REGIONS.fullmatch(region) else world.region)
    return Call(place, principal, protocol, request.headers, str(uuid4()), which_client() if world.watched else "")


def which_client() -> str:
    """Which thread or task calls, where that tells more than that there is one."""
    who = caller()
    return "" if who == "thread MainThread" or not who.startswith(OUTSIDE) else who


def access_key_of(client: Any) -> str | None:
    """The access key of the client, if it is known by now: nothing is fetched for it, from nowhere."""
    credentials = getattr(client._request_signer, "_credentials", None)
    # The fields, not the properties of the same names: those fetch.
    known: Any = getattr(credentials, "__dict__", {})
    key: str | None = known.get("access_key") or known.get("_access_key")
    return key


def first_try(parsed: dict[str, Any]) -> dict[str, Any]:
    """As botocore leaves it, which says how often it had to send again."""
    if "ResponseMetadata" in parsed:
        parsed["ResponseMetadata"]["RetryAttempts"] = 0
    return parsed


@lru_cache(maxsize=16)
def date(second: int) -> str:
    """That second as HTTP says it."""
    return formatdate(second, usegmt=True)


@cache
def later(module: str, name: str) -> Any:
    """A class of botocore's or aiobotocore's, which nobody loads before the first call."""
    return getattr(import_module(module), name)


class Raw(io.BytesIO):
    """The body as urllib3 and aiohttp hand it over, for those who read it piece by piece."""

    def stream(self, amt: int = 65_536, decode_content: bool | None = None) -> Any:
        """urllib3's way."""
        while piece := self.read(amt):
            yield piece


class Content:
    """aiohttp's way: what is read is awaited."""

    def __init__(self, raw: Raw) -> None:
        self._raw = raw

    async def read(self, amount: int = -1) -> bytes:
        return self._raw.read(amount)

    def at_eof(self) -> bool:
        return self._raw.tell() == len(self._raw.getbuffer())


class Streamed:
    """What aiobotocore's StreamingBody takes for an aiohttp response."""

    def __init__(self, raw: Raw) -> None:
        self.content = Content(raw)
        self.url = ""

    def close(self) -> None:
        """Nothing is open."""


def body_of(raw: Raw, length: str) -> Any:
    """What is read piece by piece, such as the payload of an invocation."""
    return later("botocore.response", "StreamingBody")(raw, length)


def awaited_body_of(raw: Raw, length: str) -> Any:
    """The same, awaited."""
    return later("aiobotocore.response", "StreamingBody")(Streamed(raw), length)
