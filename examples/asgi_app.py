"""A web application that decouples: requests put orders into a queue and answer at once, a consumer works them off.

    uvicorn --app-dir examples asgi_app:app              # or any other ASGI server
    curl -X POST -d '{"item": "tea", "pieces": 2}' localhost:8000/orders
    curl localhost:8000/orders

What it shows: `async with broker` in the application's lifespan. From the server's start on, the consumer's tasks run on the
server's own loop; when the server is told to end (Ctrl-C, SIGTERM), it ends the lifespan, and with it the broker: handlers
under way finish, and what they had not begun is in the queue again. A body that is no order never reaches the queue, an
order nobody can fill ends in the dead-letter queue with the reason. No framework is needed: what Starlette and FastAPI take
as `lifespan=` is the same three lines.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, TypeAlias

from decouple import Broker, Reject

Receive: TypeAlias = Callable[[], Awaitable[dict[str, Any]]]
Send: TypeAlias = Callable[[dict[str, Any]], Awaitable[None]]
IN_STOCK = {"tea": 40, "coffee": 12}


@dataclass
class Order:
    """What a customer wants."""

    item: str
    pieces: int

    def __post_init__(self) -> None:
        if not isinstance(self.item, str) or type(self.pieces) is not int or self.pieces < 1:
            raise TypeError("item must be text and pieces a number from 1 on")


class Shop:
    """One shop: its broker, its queues, and what is left in stock."""

    def __init__(self) -> None:
        self.broker = Broker()
        self.dead = self.broker.queue("orders-dead")
        self.orders = self.broker.queue("orders", body=Order, dead_letter=self.dead, max_receives=3)
        self.stock = Counter(IN_STOCK)
        self.orders.consume(self.fill, concurrency=4)

    async def fill(self, order: Order) -> None:
        """The consumer: it returns, and the order is done; it rejects, and the order is dead."""
        if self.stock[order.item] < order.pieces:
            raise Reject(f"{order.pieces} {order.item} are wanted and {self.stock[order.item]} are here")
        self.stock[order.item] -= order.pieces

    # -- what the web sees -------------------------------------------------------------------------------------------

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """The ASGI application."""
        if scope["type"] == "lifespan":
            await live(self.broker, receive, send)
        elif scope["type"] == "http":
            status, answer = await self.answer(scope["method"], scope["path"], receive)
            body = json.dumps(answer).encode()
            headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": body})

    async def answer(self, method: str, path: str, receive: Receive) -> tuple[int, dict[str, Any]]:
        """Status and body of the answer to a request."""
        if path != "/orders" or method not in ("GET", "POST"):
            return 404, {"error": "there are GET and POST /orders"}
        if method == "GET":
            stats = self.orders.stats()
            waiting = stats.visible + stats.in_flight
            return 200, {"waiting": waiting, "dead": self.dead.stats().visible, "stock": dict(self.stock)}
        try:
            order = Order(**json.loads(await body_of(receive)))
            sent = await self.orders.aio.send(order)
        except (ValueError, TypeError) as error:
            return 400, {"error": f'an order is like {{"item": "tea", "pieces": 2}}: {error}'}
        return 202, {"id": sent.id}


async def live(held: AbstractAsyncContextManager[Any], receive: Receive, send: Send) -> None:
    """The lifespan protocol: what is held is entered at the server's start, and left at its end."""
    await receive()
    async with held:
        await send({"type": "lifespan.startup.complete"})
        await receive()
    await send({"type": "lifespan.shutdown.complete"})


async def body_of(receive: Receive) -> bytes:
    """The whole body of a request."""
    parts: list[bytes] = []
    more = True
    while more:
        event = await receive()
        parts.append(event.get("body", b""))
        more = event.get("more_body", False)
    return b"".join(parts)


app = Shop()
