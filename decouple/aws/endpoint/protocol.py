"""uvicorn's connection, with bounds that it does not have, and a short way for requests that come whole.

A head is bounded in length and time; a body is bounded by the application, which sees it come. What never becomes a body
or a request is seen only here.

The short way: an ordinary POST whose bytes are all here, on a connection with nothing under way, is shown to the endpoint
before anybody makes a scope, a task and events of it. What can be answered at once is, for half the cost; everything else
goes on to uvicorn as if nobody had looked.
"""

from __future__ import annotations

import re
from functools import cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from decouple.aws.wire import Request

if TYPE_CHECKING:
    import asyncio

    from decouple.aws.endpoint.app import Endpoint
    from decouple.aws.wire import Reply

__all__ = ["Guarded"]

HEAD_BYTES = 64 * 1024
HEAD_SECONDS = 30.0
LAST_SECONDS = 2.0
"""How long a request that is still coming has when the server is to end."""
TOO_LONG = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: text/plain; charset=utf-8\r\n"
    b"content-length: 30\r\nconnection: close\r\n\r\nThe request's head is too long"
)
ORDINARY = re.compile(rb"POST (/[!-~]*) HTTP/1\.1\r\n((?:[!#$%&'*+.^_`|~0-9A-Za-z-]+: ?[!-~][ -~]*\r\n)+)\r\n")
# What these ask for, or how long a body without a length is, uvicorn and its parser know.
SPECIAL = frozenset({"expect", "te", "trailer", "transfer-encoding", "upgrade"})
KEPT = "keep-alive"
OFFER = re.compile(rb"\r\nupgrade:", re.IGNORECASE)


class Guarded(HttpToolsProtocol):
    """A connection that ends when its client sends much that leads to nothing, or begins a request and does not go on."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._unread = 0
        self._in_head = True
        self._patience: asyncio.TimerHandle | None = None
        self._under_way: RequestResponseCycle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._patience = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def connection_lost(self, exc: Exception | None) -> None:
        self._calm()
        self._abandon()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._at_leisure() and (request := ordinary(data)) is not None and self._answered(request):
            return
        if self._in_head and b"pgrade:" in data:
            data = without_offer(data)
        self._unread += len(data)
        super().data_received(data)
        if not self._unread or self.transport.is_closing():
            return
        if self._unread > HEAD_BYTES:
            self._refuse()
        elif self._in_head and self._patience is None:
            self._patience = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def _at_leisure(self) -> bool:
        """Whether all requests so far were read to the end, answered, and the answers taken."""
        return (
            self._in_head
            and not self._unread
            and (self.cycle is None or self.cycle.response_complete)
            and not (self.flow.write_paused or self.transport.is_closing())
        )

    def _answered(self, request: Request) -> bool:
        """Whether the endpoint had an answer; it is sent."""
        endpoint = cast("Endpoint", self.config.app)
        reply = endpoint.at_once(request, self.scheme or "http")
        if reply is None:
            return False
        self._calm()
        self.transport.write(written(reply, self.server_state.default_headers))
        self.on_response_complete()
        return True

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:  # what comes after a chunked body is nobody's
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._calm()
        self._unread, self._in_head = 0, False
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._unread = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._unread, self._in_head = 0, True
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        self._abandon()
        super().send_400_response(msg)

    def shutdown(self) -> None:
        if not self._in_head:
            self.loop.call_later(LAST_SECONDS, self._give_up_unless_whole)
        super().shutdown()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._under_way = cycle
        super()._start_asgi_task(cycle, app)

    def _abandon(self) -> None:
        """Nobody will read an answer. uvicorn tells so only the last of the requests that came one behind the other."""
        if self._under_way is not None:
            self._under_way.disconnected = True
            self._under_way.message_event.set()
        self.pipeline.clear()

    def _give_up_unless_whole(self) -> None:
        if not self._in_head:
            self._give_up()

    def _calm(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _give_up(self) -> None:
        self._patience = None
        self._abandon()
        if not self.transport.is_closing():
            self.transport.close()

    def _refuse(self) -> None:
        if self.cycle is None or self.cycle.response_complete:
            self.transport.write(TOO_LONG)
        self._abandon()
        self.transport.close()


def ordinary(data: bytes) -> Request | None:
    """The one request that these bytes are, if there is nothing special about it; else None."""
    head = ORDINARY.match(data)
    if head is None:
        return None
    lines = head[2].decode().split("\r\n")[:-1]
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    if len(headers) != len(lines) or headers.get("content-length") != str(len(data) - head.end()):
        return None
    if headers.get("connection", KEPT) != KEPT or not SPECIAL.isdisjoint(headers):
        return None
    path, _, query = head[1].decode().partition("?")
    return None if "#" in query else Request("POST", path, query, headers, data[head.end() :])


def written(reply: Reply, more: list[tuple[bytes, bytes]]) -> bytes:
    """The reply as HTTP has it, with more headers."""
    said = "\r\n".join([status_line(reply.status), *(f"{name}: {value}" for name, value in reply.headers.items())])
    always = b"".join([b"\r\n%b: %b" % pair for pair in more])
    return b"%b%b\r\ncontent-length: %d\r\n\r\n%b" % (said.encode("latin-1"), always, len(reply.body), reply.body)


@cache
def status_line(status: int) -> str:
    return f"HTTP/1.1 {status} {HTTPStatus(status).phrase}"


def without_offer(data: bytes) -> bytes:
    """A request's head without its offer to go on in another protocol, for which the parser would drop the body.

    Java's HTTP client makes one (HTTP/2) with its first request, and does not mind that it is not taken up.
    """
    end = data.find(b"\r\n\r\n")
    head = data if end < 0 else data[:end]
    return OFFER.sub(b"\r\nIgnored:", head) + data[len(head) :]
