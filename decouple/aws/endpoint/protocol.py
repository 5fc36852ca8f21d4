"""uvicorn's connection, with bounds that it does not have: on how long a request's head is, and how slow.

A body is bounded by the application, which sees it come. What never becomes a body or a request is seen only here.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

if TYPE_CHECKING:
    import asyncio

__all__ = ["Guarded"]

HEAD_BYTES = 64 * 1024
HEAD_SECONDS = 30.0
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
        self._patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._patience = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def connection_lost(self, exc: Exception | None) -> None:
        self._calm()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
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

    def _calm(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _give_up(self) -> None:
        self._patience = None
        if not self.transport.is_closing():
            self.transport.close()

    def _refuse(self) -> None:
        if self.cycle is None or self.cycle.response_complete:
            self.transport.write(TOO_LONG)
        self.transport.close()


def without_offer(data: bytes) -> bytes:
    """A request's head without its offer to go on in another protocol, for which the parser would drop the body.

    Java's HTTP client makes one (HTTP/2) with its first request, and does not mind that it is not taken up.
    """
    end = data.find(b"\r\n\r\n")
    head = data if end < 0 else data[:end]
    return OFFER.sub(b"\r\nIgnored:", head) + data[len(head) :]
