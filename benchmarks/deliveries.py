"""http: what a delivery to a web endpoint costs over a bare post of the same bytes, one at a time and 16 at once.

The server is a process of its own, so its CPU time is not counted; both sides post to it from one loop, slice by slice.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

from common import BODY, Figures
from measure import median, ratio, side_by_side

from decouple.envelopes import envelope_of
from decouple.http_target import HTTP
from decouple.notification import Notification, Publication, Way
from decouple.post import Post

AT_ONCE = 16
TOPIC = "arn:aws:sns:us-east-1:000000000000:bench"
WAY = Way("bench", TOPIC, f"{TOPIC}:1", "http", "https://sns.test")
MESSAGE = Notification(Publication("m-1", (BODY, 0, 1)), WAY, envelope=True)
Deliver = Callable[[], Awaitable[Any]]


def serve(pipe: Connection) -> None:
    """Answer 200 to every post, until the other end of the pipe speaks or is gone."""
    from aiohttp import web  # here, because the other workloads run without it

    async def answer(request: web.BaseRequest) -> web.Response:
        await request.read()
        return web.Response()

    async def main() -> None:
        runner = web.ServerRunner(web.Server(answer))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        pipe.send(runner.addresses[0][1])
        await asyncio.to_thread(pipe.poll, None)
        await runner.cleanup()

    asyncio.run(main())


@contextmanager
def server() -> Iterator[str]:
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=serve, args=(theirs,))
    process.start()
    try:
        yield f"http://127.0.0.1:{ours.recv()}/"
    finally:
        ours.send("stop")
        process.join()


async def many(deliver: Deliver, count: int) -> None:
    for _ in range(count):
        await deliver()


async def at_once(deliver: Deliver, count: int) -> None:
    await asyncio.gather(*(many(deliver, count // AT_ONCE) for _ in range(AT_ONCE)))


def a_second(run: Callable[[int], object], count: int) -> str:
    start = time.perf_counter()
    run(count)
    return f"{count / (time.perf_counter() - start):,.0f} a second here, by the wall clock"


def deliveries(full: bool) -> Figures:
    import aiohttp

    body = envelope_of(MESSAGE).encode()
    with server() as url, asyncio.Runner() as runner:
        post, target = Post({}), HTTP(url)

        async def opened() -> aiohttp.ClientSession:
            return aiohttp.ClientSession()

        session = runner.run(opened())

        async def bare() -> None:
            async with session.post(url, data=body) as response:
                await response.read()

        async def ours() -> None:
            await target.deliver(MESSAGE, post)

        runs = {
            "aiohttp": lambda count: runner.run(many(bare, count)),
            "decouple": lambda count: runner.run(many(ours, count)),
            "aiohttp, 16": lambda count: runner.run(at_once(bare, count)),
            "decouple, 16": lambda count: runner.run(at_once(ours, count)),
        }
        times = side_by_side(runs, slices=41 if full else 9, per=AT_ONCE, target=100e6)
        figures = {
            f"http.{name}": (
                ratio(times, f"aiohttp{ending}", f"decouple{ending}"),
                f"{median(times[f'decouple{ending}']) / 1e3:.0f} us of CPU; "
                + a_second(runs[f"decouple{ending}"], 4_000 if full else 800),
            )
            for name, ending in (("1", ""), ("16", ", 16"))
        }
        runner.run(session.close())
        runner.run(post.close())
    return figures
