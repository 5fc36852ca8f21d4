"""The endpoint as an ASGI 3 application: no framework, for the protocol is AWS's and has one address.

What is the same for all services happens here: a body within bounds, who calls, an id for the request, a wait that ends
with its client, and that nothing unexpected reaches a client but AWS's InternalFailure. The reading and writing is the
wire's, the doing that of the table of operations.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from itertools import count
from random import getrandbits
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote
from uuid import uuid4

from decouple.aws.endpoint.addressing import led_back
from decouple.aws.endpoint.callers import caller_of
from decouple.aws.endpoint.control import Control, from_browser, is_ours, stranger
from decouple.aws.endpoint.exchange import (
    ClientGone,
    Receive,
    Refused,
    Scope,
    Send,
    headers_of,
    json_reply,
    limits_of,
    read_body,
    send_reply,
    text_reply,
)
from decouple.aws.endpoint.mover import Mover
from decouple.aws.endpoint.waits import Waits
from decouple.aws.errors import ServiceError
from decouple.aws.service import Service, find_service
from decouple.aws.wire import Parsed, Reply, Request, Unreadable, encode, encode_error, read, scope_of
from decouple.aws.world import Call, World
from decouple.clock import VirtualClock
from decouple.runner import elsewhere

if TYPE_CHECKING:
    from decouple.broker import Broker
    from decouple.testing.faults import Faults

__all__ = ["Endpoint", "asgi"]

logger = logging.getLogger("decouple.aws")

UNSIGNED = {("sns", "ConfirmSubscription"), ("sns", "Unsubscribe")}
"""What links do, which nobody signs."""
ANONYMOUS = "anonymous"
STEM, NUMBERS = str(uuid4())[:24], count(getrandbits(40))
PATIENCE = 10.0
"""Seconds that work under way has to end when the server does."""


def asgi(
    source: Broker | World | None = None,
    *,
    strict: bool = False,
    endpoint: str | None = None,
    verify: Mapping[str, str] | None = None,
    hosts: Collection[str] | None = None,
    declare: Callable[[World], object] | None = None,
    faults: Faults | None = None,
    seed: int | None = None,
    record: int = 0,
) -> Endpoint:
    """An ASGI application that answers as AWS does, for a broker, a world, or a new world.

    strict: hold to AWS's rules across minutes and accounts; endpoint: where the links of notifications lead, such as
    "http://127.0.0.1:4566", None for AWS's own hosts; a world has its own of both; verify: secrets by access key, to
    refuse what is not signed with them; hosts: names by which browsers may reach it, None for any; declare: what fills
    the world, called now and after each reset; faults, seed, record: what goes wrong and is recorded in a new world.
    Its lifespan starts the brokers and closes them. Raises ValueError for those where a broker or a world is given.
    """
    own = {"faults": faults, "seed": seed, "record": record or None}
    if source is None:
        world = World(strict=strict, endpoint=endpoint, faults=faults, seed=seed, record=record)
    elif given := [name for name, value in own.items() if value is not None]:
        kind = type(source).__name__
        raise ValueError(f"{', '.join(given)}: these belong to the {kind} that is served, so give them to {kind}(...)")
    else:
        world = source if isinstance(source, World) else World.around(source, strict=strict, endpoint=endpoint)
    return Endpoint(world, verify=verify, hosts=hosts, declare=declare)


class Exchange(NamedTuple):
    """A request with all that is known of it. receive: tells when its client leaves; near: it is on this machine."""

    request: Request
    id: str
    receive: Receive
    scheme: str
    near: bool


class Endpoint:
    """See `asgi`."""

    def __init__(
        self,
        world: World,
        *,
        verify: Mapping[str, str] | None = None,
        hosts: Collection[str] | None = None,
        declare: Callable[[World], object] | None = None,
    ) -> None:
        self.world = world
        self._hosts = hosts
        self._declare = declare
        self._signatures = None
        if verify:
            from decouple.aws.endpoint.signatures import Signatures  # here, because few endpoints check them

            self._signatures = Signatures(verify)
        self._mover = Mover(world.clock) if isinstance(world.clock, VirtualClock) else None
        self._control = Control(world, mover=self._mover, anew=self._anew)
        self._waits = Waits()
        if declare is not None:
            declare(world)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1003})

    def end_waits(self) -> None:
        """Let long polls under way answer at once, and those to come, too: the server is about to end."""
        self._waits.end()

    # -- life ----------------------------------------------------------------------------------------------------

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            event = await receive()
            if event["type"] == "lifespan.startup":
                self.world.start()
                await send({"type": "lifespan.startup.complete"})
            else:
                await self._close()
                await send({"type": "lifespan.shutdown.complete"})
                return

    async def _close(self) -> None:
        self.end_waits()
        await elsewhere(partial(self.world.close, PATIENCE))
        if self._mover is not None:
            self._mover.close()

    async def _anew(self) -> None:
        await elsewhere(self.world.reset)
        if self._declare is not None:
            self._declare(self.world)

    # -- one exchange --------------------------------------------------------------------------------------------

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        method, path, query, headers = head_of(scope)
        request_id = new_id()
        try:
            body = await read_body(receive, headers, limits_of(path))
            request = Request(method, path, query, headers, body)
            near = is_near(scope.get("client"))
            reply = await self._answer(Exchange(request, request_id, receive, scope.get("scheme", "http"), near))
        except ClientGone:
            return
        except Refused as refused:
            request = Request(method, path, query, headers, b"")
            await send_reply(send, refusal(request, refused, request_id), close=True)
            return
        await send_reply(send, reply)

    async def _answer(self, exchange: Exchange) -> Reply:
        request = exchange.request
        ours = is_ours(request)
        if (ours or from_browser(request)) and (why := stranger(request, self._hosts)) is not None:
            return json_reply(403, {"error": why})
        try:
            if ours and self._signatures is not None and not exchange.near:
                why = "where signatures are checked, these pages are for clients on the same machine: nobody signs for them"
                return json_reply(403, {"error": why})
            if ours:
                return await self._control.answer(request)
            if is_certificate(request):
                return await self._certificate(request)
            return await self._aws(exchange)
        finally:
            if self._mover is not None:
                await self._mover.settle()

    async def _certificate(self, request: Request) -> Reply:
        """The one that notifications are signed with. In a thread, because its key may be made just now."""
        signer = self.world.signer
        if signer is None or request.path != await elsewhere(lambda: signer.path):
            return json_reply(404, {"error": f"there is no certificate {request.path[:80]!r}"})
        return text_reply(200, signer.certificate, "application/x-pem-file")

    def at_once(self, request: Request, scheme: str) -> Reply | None:
        """The answer to a request of AWS's, if nothing has to be waited for; else None, and nothing was done.

        For servers that can write it without a turn of the loop: see protocol.py. Whoever gets None calls the application.
        """
        if self._mover is not None or is_ours(request) or is_certificate(request):
            return None
        if from_browser(request) and stranger(request, self._hosts) is not None:
            return None
        return self._now(request, new_id(), scheme)

    async def _aws(self, exchange: Exchange) -> Reply:
        """AWS's answer, and whatever happens no other."""
        request, parsed = exchange.request, None
        reply = self._now(request, exchange.id, exchange.scheme)
        if reply is not None:
            return reply
        try:
            parsed = read(request)
            return said(parsed, await self._wait(parsed, exchange), exchange.id)
        except ClientGone:
            raise
        except Exception as error:
            return failed(error, parsed, request, exchange.id)

    def _now(self, request: Request, request_id: str, scheme: str) -> Reply | None:
        parsed = None
        try:
            parsed = read(request)
            service, call = self._admit(parsed, request, request_id)
            answer = service.at_once(call, parsed.operation, parsed.given)
            if answer is None:
                return None
            if parsed.service == "sqs":
                answer = led_back(parsed.operation, answer, scheme, request.headers.get("host", ""))
            return said(parsed, answer, request_id)
        except Exception as error:
            return failed(error, parsed, request, request_id)

    async def _wait(self, parsed: Parsed, exchange: Exchange) -> dict[str, Any]:
        service, call = self._admit(parsed, exchange.request, exchange.id)
        if self._mover is not None and parsed.operation == "Invoke":
            # On a virtual clock a function runs where it is called, and may call this server: not on its loop.
            return await elsewhere(partial(service.perform, call, parsed.operation, parsed.given))
        doing = service.aperform(call, parsed.operation, parsed.given)
        if parsed.service == "sqs":
            return await self._waits.watched(doing, exchange.receive)
        return await doing

    def _admit(self, parsed: Parsed, request: Request, request_id: str) -> tuple[Service, Call]:
        """Whom it is for and from. Raises ServiceError."""
        self._authenticate(parsed, request)
        service = find_service(parsed.service)
        if service is None:
            raise ServiceError("UnknownOperationException", f"decouple does not have the service {parsed.service}")
        scope = scope_of(request)
        place, principal = caller_of(self.world, scope)
        if scope is None and (parsed.service, parsed.operation) in UNSIGNED:
            principal = ANONYMOUS
        return service, Call(place, principal, parsed.protocol, request.headers, request_id)

    def _authenticate(self, parsed: Parsed, request: Request) -> None:
        if self._signatures is None:
            return
        signed = "authorization" in request.headers or "X-Amz-Signature=" in request.query
        if signed or (parsed.service, parsed.operation) not in UNSIGNED:
            self._signatures.check(request, parsed.service)


def head_of(scope: Scope) -> tuple[str, str, str, dict[str, str]]:
    """A request's method, path and query as they were sent, and its headers."""
    path = scope.get("raw_path") or quote(scope["path"]).encode()
    query = scope.get("query_string", b"")
    return scope["method"], path.decode("latin-1"), query.decode("latin-1"), headers_of(scope["headers"])


def is_near(client: Sequence[Any] | None) -> bool:
    """Whether a request comes from this machine, also by a socket without addresses."""
    return client is None or str(client[0]).startswith("127.") or client[0] == "::1"


def new_id() -> str:
    """A request's id, in a UUID's shape. uuid4() costs twenty times as much."""
    return f"{STEM}{next(NUMBERS):012x}"


def is_certificate(request: Request) -> bool:
    return request.path.endswith(".pem") and request.method in ("GET", "HEAD")


def said(parsed: Parsed, answer: dict[str, Any], request_id: str) -> Reply:
    return encode(parsed.service, parsed.operation, parsed.protocol, answer, request_id)


def failed(error: Exception, parsed: Parsed | None, request: Request, request_id: str) -> Reply:
    """The answer to a request that came to nothing: AWS's error, or its InternalFailure for what nobody expected."""
    if isinstance(error, Unreadable):
        return encode_error(error.service, error.operation, error.protocol, error, request_id)
    if not isinstance(error, ServiceError):
        logger.error("request %s failed: %s %s", request_id, request.method, parsed and parsed[:2], exc_info=error)
        error = internal_failure()
    service, operation, protocol = dialect_of(parsed, request)
    return encode_error(service, operation, protocol, error, request_id)


def dialect_of(parsed: Parsed | None, request: Request) -> tuple[str, str, str]:
    """In which service's protocol an error is to be said: that of the request, as far as it can be told."""
    if parsed is not None:
        return parsed.service, parsed.operation, parsed.protocol
    try:
        known = read(request)
    except Unreadable as error:
        return error.service, error.operation, error.protocol
    return known.service, known.operation, known.protocol


def refusal(request: Request, refused: Refused, request_id: str) -> Reply:
    """The answer to a body that was not read."""
    codes = {400: "MalformedHttpRequestException", 408: "RequestTimeoutException", 413: "RequestEntityTooLarge"}
    if is_ours(request):
        return json_reply(refused.status, {"error": refused.sentence})
    service, operation, protocol = dialect_of(None, request)
    code = "RequestTooLargeException" if service == "lambda" and refused.status == 413 else codes[refused.status]
    error = ServiceError(code, refused.sentence, status=refused.status)
    return encode_error(service, operation, protocol, error, request_id)


def internal_failure() -> ServiceError:
    text = "The request processing has failed because of an unknown error, exception or failure."
    return ServiceError("InternalFailure", text, status=500, sender=False)
