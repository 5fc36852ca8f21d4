"""An ASGI application called in the process, as a server calls it: one exchange, or a client that leaves."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple


class Answer(NamedTuple):
    """What the application sent."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Client:
    """Of one application. region, key: of the credentials that it names, as an SDK would sign for them."""

    def __init__(self, app: Any, *, region: str = "us-east-1", key: str = "test", address: str = "127.0.0.1") -> None:
        self.app = app
        self.region = region
        self.key = key
        self.address = address

    def authorization(self, service: str) -> str:
        scope = f"{self.key}/20260101/{self.region}/{service}/aws4_request"
        return f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"

    async def sqs(self, operation: str, **given: Any) -> Answer:
        """An SQS call as SDKs make it today."""
        headers = {
            "authorization": self.authorization("sqs"),
            "content-type": "application/x-amz-json-1.0",
            "x-amz-date": "20260101T000000Z",
            "x-amz-target": f"AmazonSQS.{operation}",
        }
        return await self("POST", "/", json.dumps(given).encode(), headers=headers)

    async def __call__(
        self,
        method: str,
        target: str,
        body: bytes | Sequence[bytes] = b"",
        *,
        headers: Mapping[str, str] | None = None,
        leaves: asyncio.Event | None = None,
    ) -> Answer:
        """One exchange; the body in parts, if it is a sequence. leaves: when set, the client is gone."""
        parts = [body] if isinstance(body, bytes) else list(body)
        coming = [
            {"type": "http.request", "body": part, "more_body": number < len(parts)}
            for number, part in enumerate(parts, 1)
        ]
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            if coming:
                return coming.pop(0)
            await (leaves or asyncio.Event()).wait()
            return {"type": "http.disconnect"}

        async def send(event: dict[str, Any]) -> None:
            sent.append(event)

        scope = scope_of(method, target, {"host": "localhost:4566"} | dict(headers or {}))
        await self.app(scope | {"client": (self.address, 50_000)}, receive, send)
        if not sent:
            return Answer(0, {}, b"")
        start, *rest = sent
        shown = {name.decode(): value.decode() for name, value in start["headers"]}
        answer = Answer(start["status"], shown, b"".join(event.get("body", b"") for event in rest))
        assert shown["content-length"] == str(len(answer.body))
        return answer


def scope_of(method: str, target: str, headers: Mapping[str, str]) -> dict[str, Any]:
    path, _, query = target.partition("?")
    return {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()],
    }


@asynccontextmanager
async def living(app: Any) -> AsyncIterator[None]:
    """The application's lifespan around what is done in it."""
    to_app: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    from_app: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    lifespan = asyncio.create_task(app({"type": "lifespan"}, to_app.get, from_app.put))
    await to_app.put({"type": "lifespan.startup"})
    assert await from_app.get() == {"type": "lifespan.startup.complete"}
    try:
        yield
    finally:
        await to_app.put({"type": "lifespan.shutdown"})
        assert await from_app.get() == {"type": "lifespan.shutdown.complete"}
        await lifespan
