"""An address on this machine where the processes of uploaded functions find a mock's world.

It is opened when the first such process begins, and closed with the mock. It answers what SDKs ask, as `decouple serve` does,
but needs nothing installed; what follows from a request is done by whoever does the work that the function is part of.
"""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from decouple.aws.endpoint.app import failed
from decouple.aws.endpoint.callers import caller_of
from decouple.aws.endpoint.control import stranger
from decouple.aws.endpoint.exchange import limits_of
from decouple.aws.errors import ServiceError
from decouple.aws.service import find_service
from decouple.aws.wire import Reply, Request, encode, read, scope_of
from decouple.aws.world import Call

if TYPE_CHECKING:
    from decouple.aws.world import World

__all__ = ["Loopback"]

HOST = "127.0.0.1"
A_MOMENT = 0.02


class Loopback:
    """That address, `url`, until `close()`."""

    def __init__(self, world: World) -> None:
        self._server = ThreadingHTTPServer((HOST, 0), type("Asked", (Asked,), {"world": world}))
        self.url = f"http://{HOST}:{self._server.server_port}"
        serving = threading.Thread(
            target=self._server.serve_forever, args=(A_MOMENT,), name="decouple-loopback", daemon=True
        )
        serving.start()

    def close(self) -> None:
        """Nothing is answered any more."""
        self._server.shutdown()
        self._server.server_close()


class Asked(BaseHTTPRequestHandler):
    """A connection of an SDK's."""

    world: World
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Answer a request, whatever its method."""
        path, _, query = self.path.partition("?")
        headers = {name.lower(): value for name, value in self.headers.items()}
        length, most = headers.get("content-length", "0"), limits_of(path).most
        if not length.isdecimal() or int(length) > most:
            self.send_error(413, f"a body has a length of at most {most:,} bytes")
            return
        body = self.rfile.read(int(length))
        reply = reply_to(self.world, Request(self.command, path, query, headers, body))
        self.send_response(reply.status)
        for name, value in {**reply.headers, "content-length": str(len(reply.body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(reply.body)

    do_GET = do_PUT = do_DELETE = do_POST

    def log_message(self, format: str, *args: Any) -> None:
        """Nobody wants to read it."""


def reply_to(world: World, request: Request) -> Reply:
    """The service's answer, also if that is an error."""
    request_id = str(uuid4())
    if (why := stranger(request, {HOST})) is not None:
        return Reply(403, {}, why.encode())
    parsed = None
    try:
        parsed = read(request)
        service = find_service(parsed.service)
        if service is None:
            raise ServiceError("UnknownOperationException", f"decouple does not have the service {parsed.service}")
        place, principal = caller_of(world, scope_of(request))
        call = Call(place, principal, parsed.protocol, request.headers, request_id)
        answer = service.perform(call, parsed.operation, parsed.given)
        return encode(parsed.service, parsed.operation, parsed.protocol, answer, request_id)
    except Exception as error:  # AWS's InternalFailure, and a line in the log
        return failed(error, parsed, request, request_id)
