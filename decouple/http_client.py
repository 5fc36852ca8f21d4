"""The one HTTP client of a broker: a pool of connections for each event loop that posts with it.

A connection belongs to the loop that opened it, so each loop has sessions of its own, to be closed there. They keep no
cookies, ask no proxy of the environment, follow no redirect, and read no more of an answer than what frees the connection.

A name is judged where it is resolved: the addresses that Guard has seen are the ones the connection is made to, so a name
server cannot give a harmless one first and another one after. What the door lets through as a literal needs no resolver.

aiohttp, of the extra `http`, is imported when the first endpoint is named.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from importlib import import_module
from io import BytesIO
from typing import TYPE_CHECKING, Any, NamedTuple

from decouple.core.addresses import refusal_of
from decouple.errors import NotInstalled

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncGenerator, Mapping

__all__ = ["Answer", "Forbidden", "HttpClient", "NoAnswer", "installed"]

EXTRA = "pip install 'decouple-messaging[http]'"
LONGEST_ANSWER = 65_536
LARGE = 1 << 20
KEEP_ALIVE = 4  # seconds: many servers close after 5, and a post on a connection just closed is lost


class Answer(NamedTuple):
    """What a server said. location: where else to ask, if it said so."""

    status: int
    location: str | None


class NoAnswer(Exception):
    """The exchange broke off, or was not HTTP."""


class Forbidden(Exception):
    """The name leads to an address that nothing is sent to."""


def installed() -> Any:
    """The package aiohttp. Raises NotInstalled."""
    try:
        return import_module("aiohttp")
    except ModuleNotFoundError:
        raise NotInstalled(
            "the Python package aiohttp", purpose="a delivery to a web endpoint", install=EXTRA
        ) from None


class Guard:
    """A resolver, as aiohttp takes it, that gives no name whose addresses are not all fit to be sent to."""

    def __init__(self, resolver: Any) -> None:
        self._resolver = resolver

    async def resolve(self, host: str, port: int = 0, family: Any = 0) -> list[Any]:
        """The addresses of a name. Raises Forbidden, OSError."""
        found: list[Any] = await self._resolver.resolve(host, port, family)
        for one in found:
            why = refusal_of(one["host"])
            if why is not None:
                raise Forbidden(f"{host!r} leads to {one['host']}, which is {why}")
        return found


class HttpClient:
    """Posts, from any number of event loops. What is open on a loop is closed by `close` there, or as the loop ends."""

    def __init__(self) -> None:
        self._sessions: dict[tuple[asyncio.AbstractEventLoop, bool], Any] = {}
        self._lives: dict[asyncio.AbstractEventLoop, AsyncGenerator[None, None]] = {}

    async def post(self, url: Any, body: bytes, headers: Mapping[str, str], *, guarded: bool = True) -> Answer:
        """Post to a yarl.URL and answer once the server has finished. Raises NoAnswer, Forbidden.

        There is no time limit, but cancelling is clean. guarded: names may not lead to link-local addresses.
        """
        import asyncio  # here, because programs without endpoints need no event loop

        aiohttp = installed()
        # While the loop was not running, nobody saw a server close an idle connection. One turn, and it is dropped.
        await asyncio.sleep(0)
        await self._open()
        try:
            async with self._request(url, body, headers, guarded) as response:
                await read(response)
                return Answer(response.status, response.headers.get("Location"))
        except (aiohttp.ClientError, OSError) as error:
            raise NoAnswer(str(error) or type(error).__name__) from error

    def _request(
        self, url: Any, body: bytes, headers: Mapping[str, str], guarded: bool
    ) -> AbstractAsyncContextManager[Any]:
        request: AbstractAsyncContextManager[Any] = self._session(guarded).post(
            url,
            data=body if len(body) <= LARGE else BytesIO(body),  # aiohttp warns of longer bytes, and slices a file
            headers=headers,
            skip_auto_headers=("Accept",),
            allow_redirects=False,
        )
        return request

    def _session(self, guarded: bool) -> Any:
        """The running loop's. Guarded ones are apart from others, or a name let in by one would be open to the other."""
        import asyncio

        loop = asyncio.get_running_loop()
        session = self._sessions.get((loop, guarded))
        if session is None:
            for key in list(self._sessions):  # at one stroke, as other threads may be at it
                if key[0].is_closed():
                    self._sessions.pop(key, None)
            session = self._sessions[loop, guarded] = new_session(guarded)
        return session

    async def _open(self) -> None:
        """From now on until the loop ends. Whoever runs a loop to its end (asyncio.run) ends its async generators."""
        import asyncio

        loop = asyncio.get_running_loop()
        if loop not in self._lives:
            self._lives[loop] = life = self._live(loop)
            await anext(life)

    async def _live(self, loop: asyncio.AbstractEventLoop) -> AsyncGenerator[None, None]:
        try:
            yield
        finally:
            self._lives.pop(loop, None)
            for guarded in (True, False):
                session = self._sessions.pop((loop, guarded), None)
                if session is not None:
                    await session.close()

    async def close(self) -> None:
        """Close the connections of the running loop."""
        import asyncio

        life = self._lives.get(asyncio.get_running_loop())
        if life is not None:
            await life.aclose()


def new_session(guarded: bool) -> Any:
    aiohttp = installed()
    resolver = aiohttp.ThreadedResolver()  # the system's own, as everything else in the process asks
    connector = aiohttp.TCPConnector(
        resolver=Guard(resolver) if guarded else resolver,
        keepalive_timeout=KEEP_ALIVE,
        limit=0,  # else posts that wait on a slow endpoint would hold up all others
    )
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
        auto_decompress=False,  # a small answer may unpack to a large one
        trust_env=False,
    )


async def read(response: Any) -> None:
    """Read to the end, which frees the connection for the next post; or close it if that is far off."""
    if response.status >= 200:  # after "101 Switching Protocols" there is no end
        left = LONGEST_ANSWER
        async for chunk in response.content.iter_any():
            left -= len(chunk)
            if left < 0:
                break
        else:
            return
    response.close()
