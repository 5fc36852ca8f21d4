"""The example of a web application, called in the process as an ASGI server calls it."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

PATH = Path(__file__).parent.parent / "examples" / "asgi_app.py"


@pytest.fixture
def shop() -> Any:
    spec = importlib.util.spec_from_file_location("asgi_app", PATH)
    assert spec is not None
    assert spec.loader is not None
    example = sys.modules["asgi_app"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    del sys.modules["asgi_app"]
    return example.Shop()


async def request(app: Any, method: str, path: str, body: bytes = b"") -> tuple[int, Any]:
    """What a server does with one request, its body in two parts."""
    coming = [{"body": body[:5], "more_body": True}, {"body": body[5:]}]
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", **coming.pop(0)}

    async def send(event: dict[str, Any]) -> None:
        sent.append(event)

    await app({"type": "http", "method": method, "path": path}, receive, send)
    start, answer = sent
    assert dict(start["headers"])[b"content-length"] == b"%d" % len(answer["body"])
    return start["status"], json.loads(answer["body"])


@asynccontextmanager
async def served(app: Any) -> AsyncIterator[None]:
    """The application's lifespan around what is done in it."""
    to_app: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    from_app: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    lifespan = asyncio.create_task(app({"type": "lifespan"}, to_app.get, from_app.put))
    await to_app.put({"type": "lifespan.startup"})
    assert await from_app.get() == {"type": "lifespan.startup.complete"}
    yield
    await to_app.put({"type": "lifespan.shutdown"})
    assert await from_app.get() == {"type": "lifespan.shutdown.complete"}
    await lifespan


async def until_idle(app: Any) -> None:
    """Wait until the workers have nothing to do; in a thread, because this loop does the work."""
    await asyncio.to_thread(app.broker.run_until_idle, errors="collect")


def test_an_order_is_accepted_at_once_and_filled_by_the_consumer(shop: Any) -> None:
    async def main() -> None:
        async with served(shop):
            status, answer = await request(shop, "POST", "/orders", b'{"item": "tea", "pieces": 2}')
            assert (status, list(answer)) == (202, ["id"])

            await until_idle(shop)
            assert await request(shop, "GET", "/orders") == (
                200,
                {"waiting": 0, "dead": 0, "stock": {"tea": 38, "coffee": 12}},
            )

    asyncio.run(main())
    shop.broker.check()


def test_an_order_that_cannot_be_filled_is_a_dead_letter_with_the_reason(shop: Any) -> None:
    async def main() -> None:
        async with served(shop):
            await request(shop, "POST", "/orders", b'{"item": "coffee", "pieces": 13}')
            await until_idle(shop)

            [letter] = await shop.dead.aio.receive()
            assert letter.failure.text == "13 coffee are wanted and 12 are here"

    asyncio.run(main())


@pytest.mark.parametrize("body", [b"", b"tea for two", b"[1]", b'{"item": "tea"}', b'{"item": 1, "pieces": "x"}'])
def test_what_is_no_order_is_refused_and_never_queued(shop: Any, body: bytes) -> None:
    async def main() -> None:
        async with served(shop):
            status, answer = await request(shop, "POST", "/orders", body)
            assert (status, "an order is like" in answer["error"]) == (400, True)

    asyncio.run(main())
    assert shop.broker.check()["accepted"] == 0


def test_there_is_nothing_else(shop: Any) -> None:
    assert asyncio.run(request(shop, "GET", "/"))[0] == 404


def test_when_the_server_ends_orders_under_way_are_filled_and_the_others_wait_in_the_queue(shop: Any) -> None:
    """design.md: at shutdown messages not yet started go back with the count restored."""

    async def main() -> None:
        async with served(shop):
            for _ in range(9):
                await request(shop, "POST", "/orders", b'{"item": "tea", "pieces": 1}')

    asyncio.run(main())

    law = shop.orders.check()
    assert law["deleted"] == 40 - shop.stock["tea"]
    assert (law["deleted"] + law["visible"], law["in_flight"]) == (9, 0)
    assert {look.receive_count for look in shop.orders.peek()} <= {0}
