"""uvicorn around the endpoint, until a signal: what `decouple serve` runs. Extra: `server`."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Generator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING

import uvicorn

from decouple.aws.endpoint.protocol import Guarded

if TYPE_CHECKING:
    from types import FrameType

    from decouple.aws.endpoint.app import Endpoint

__all__ = ["bound", "serve", "url_of"]

BACKLOG = 2048
KEEP_ALIVE = 75
PATIENCE = 10
FILES = 65_536
"""Each waiting client is an open file; the usual limit is 1,024."""


def bound(host: str, port: int) -> socket.socket:
    """A socket that listens there. Raises OSError."""
    [family, _, _, _, address], *_ = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    return socket.create_server(address[:2], family=family, backlog=BACKLOG)


def url_of(listener: socket.socket) -> str:
    """Where clients on this machine find it."""
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    return f"http://{host}:{port}"


def serve(endpoint: Endpoint, listener: socket.socket) -> None:
    """Answer until SIGINT or SIGTERM, then end in order; a second signal ends the process at once."""
    allow_files()
    config = uvicorn.Config(
        endpoint,
        http=Guarded,
        ws="none",
        loop="uvloop" if find_spec("uvloop") else "asyncio",
        interface="asgi3",
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=PATIENCE,
    )
    Server(config, endpoint).run(sockets=[listener])


class Server(uvicorn.Server):
    """uvicorn's, which tells where it listens, lets long polls end before it ends, and whose signals are no error."""

    def __init__(self, config: uvicorn.Config, endpoint: Endpoint) -> None:
        super().__init__(config)
        self._endpoint = endpoint

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started and sockets:
            print(f"decouple: listening on {url_of(sockets[0])}", flush=True)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._endpoint.end_waits()
        await super().shutdown(sockets)

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        # uvicorn's own raises the signals again when all is done, so that a stop as asked for would end as a failure.
        old = {one: signal.signal(one, self.handle_exit) for one in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for one, handler in old.items():
                signal.signal(one, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self.should_exit:
            # Somebody's function may be at work in any thread, and may never end: nothing is waited for.
            os._exit(1)
        self.should_exit = True


def allow_files() -> None:
    """As many open files as the system lets this process have."""
    try:
        import resource  # here, because Windows has none
    except ImportError:
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if hard == resource.RLIM_INFINITY else min(hard, FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
