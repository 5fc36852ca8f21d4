"""uvicorn's connection, with bounds that it does not have, and a short way for requests that come whole.

A head is bounded in length and time; a body is bounded by the application, which sees it come. What never becomes a body
or a request is seen only here.

The short way: a request that the parser has read to its end at one go, on a connection with nothing under way, is shown to
the endpoint before anybody makes a scope, a task and events of it. What can be answered at once is, for half the cost;
everything else goes on to uvicorn as if nobody had looked.
"""

from __future__ import annotations

import re
from functools import cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, cast

from httptools import parse_url
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from decouple.aws.endpoint.exchange import headers_of
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
OFFER = re.compile(rb"\r\nupgrade:", re.IGNORECASE)


class Guarded(HttpToolsProtocol):
    """A connection that ends when its client sends much that leads to nothing, or begins a request and does not go on."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._unread = 0
        self._in_head = True
        self._path = self._query = ""
        self._held: list[bytes] | None = None
        """The body so far of a request that may go the short way; uvicorn has not been told of it."""
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
        if self._in_head and b"pgrade:" in data:
            data = without_offer(data)
        self._unread += len(data)
        super().data_received(data)
        if not self.transport.is_closing():
            self._let_go()
        if not self._unread or self.transport.is_closing():
            return
        if self._unread > HEAD_BYTES:
            self._refuse()
        elif self._in_head and self._patience is None:
            self._patience = self.loop.call_later(HEAD_SECONDS, self._give_up)

    # -- the short way -------------------------------------------------------------------------------------------

    def _at_leisure(self) -> bool:
        """Whether all requests before this one were answered, the answers were taken, and more may come."""
        return (
            (self.cycle is None or self.cycle.response_complete)
            and self.parser.should_keep_alive()  # pyright: ignore[reportOptionalMemberAccess]
            and not (self.expect_100_continue or self.flow.write_paused or self.transport.is_closing())
        )

    def _answered(self, body: bytes) -> bool:
        """Whether the endpoint had an answer to the request that was held; it is sent."""
        method = self.parser.get_method().decode()  # pyright: ignore[reportOptionalMemberAccess]
        request = Request(method, self._path, self._query, headers_of(self.headers), body)
        reply = cast("Endpoint", self.config.app).at_once(request, self.scheme or "http")
        if reply is None:
            return False
        self._held = None
        self.transport.write(written(reply, self.server_state.default_headers))
        self.on_response_complete()
        return True

    def _let_go(self) -> None:
        """Tell uvicorn what was held."""
        if self._held is None:
            return
        body, self._held = b"".join(self._held), None
        super().on_headers_complete()
        if body:
            super().on_body(body)

    # -- what the parser says ------------------------------------------------------------------------------------

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:  # what comes after a chunked body is nobody's
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._calm()
        self._unread, self._in_head = 0, False
        if self._at_leisure():
            url = parse_url(self.url)  # what is no URL is refused here, by the parser
            self._path, self._query = url.path.decode("ascii"), (url.query or b"").decode("latin-1")
            self._held = []
        else:
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._unread = 0
        if self._held is None:
            super().on_body(body)
        else:
            self._held.append(body)

    def on_message_complete(self) -> None:
        self._unread, self._in_head = 0, True
        if self._held is not None and self._answered(b"".join(self._held)):
            return
        self._let_go()
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
