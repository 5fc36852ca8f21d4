"""One HTTP exchange as ASGI hands it over: a request read within bounds, and the reply.

A body is bounded before it is read: by its Content-Length where there is one, else while it comes; and it has to come in
time. What is refused here is refused before any of the services is asked.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from decouple.aws.wire import Reply, Request

__all__ = ["ClientGone", "Event", "Limits", "Receive", "Refused", "Scope", "Send", "headers_of", "limits_of"]
__all__ += ["form_of", "json_reply", "page_reply", "read_body", "send_reply", "text_reply", "wrong"]

Scope: TypeAlias = MutableMapping[str, Any]
Event: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Event]]
Send: TypeAlias = Callable[[Event], Awaitable[None]]

MIB = 1 << 20
DRAINED = 16 * MIB
"""How much of a body that is refused is read away, so that a client that is still sending it can read the answer."""
LATE = "the body is late"


class Limits(NamedTuple):
    """What a request's body may be. most: bytes; seconds: until all of it is there."""

    most: int
    seconds: float


ORDINARY = Limits(4 * MIB, 30)  # a message of 1 MiB, in a form or in base64
PAYLOAD = Limits(9 * MIB, 60)  # Lambda's events have 6 MB
PACKAGE = Limits(70 * MIB, 120)  # Lambda's zip files have 50 MB, in base64
FUNCTIONS = re.compile(r"/\d{4}-\d\d-\d\d/(?:functions|layers)(?:/.*?)?(/invocations|/invoke-async)?/?", re.ASCII)


class ClientGone(Exception):
    """The client left before its request was complete."""


class Refused(Exception):
    """A body that is not read, with the HTTP status and the sentence."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence


def limits_of(path: str) -> Limits:
    """What a request to that path may bring."""
    if not (found := FUNCTIONS.fullmatch(path)):
        return ORDINARY
    return PAYLOAD if found[1] else PACKAGE


def headers_of(raw: Sequence[tuple[bytes, bytes]]) -> dict[str, str]:
    """Headers by name in lower case; what is there more than once stands together, as HTTP has it."""
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in raw}
    if len(headers) == len(raw):  # names are in lower case already (ASGI)
        return headers
    headers.clear()
    for key, value in raw:
        name, text = key.decode("latin-1"), value.decode("latin-1")
        headers[name] = f"{headers[name]},{text}" if name in headers else text
    return headers


async def read_body(receive: Receive, headers: Mapping[str, str], limits: Limits) -> bytes:
    """The whole body. Raises Refused when it is too large or too slow, ClientGone."""
    declared = headers.get("content-length", "")
    if declared and not (declared.isascii() and declared.isdigit()):
        raise Refused(400, "Content-Length is not a number.")
    if declared and int(declared[:20]) > limits.most:
        await drain(receive, int(declared[:20]))
        raise too_large(limits)
    task = asyncio.current_task()
    assert task is not None
    # By hand: asyncio.timeout() costs 8 us, a tenth of a whole call.
    timer = asyncio.get_running_loop().call_later(limits.seconds, task.cancel, LATE)
    try:
        return await gather(receive, limits)
    except asyncio.CancelledError as error:
        if error.args != (LATE,):
            raise
        task.uncancel()
        raise Refused(408, f"The request's body was not here within {limits.seconds:g} seconds.") from None
    finally:
        timer.cancel()


async def gather(receive: Receive, limits: Limits) -> bytes:
    event = await next_of(receive)
    body: bytes | bytearray = event.get("body", b"")
    while event.get("more_body") and len(body) <= limits.most:
        event = await next_of(receive)
        body = body if isinstance(body, bytearray) else bytearray(body)
        body += event.get("body", b"")
    if len(body) > limits.most:
        await drain(receive, 0)
        raise too_large(limits)
    return bytes(body)


async def next_of(receive: Receive) -> Event:
    event = await receive()
    if event["type"] == "http.disconnect":
        raise ClientGone
    return event


async def drain(receive: Receive, declared: int) -> None:
    """Read on and keep nothing, as far as that is worth it: clients that only write do not see an answer."""
    if declared > DRAINED:
        return
    left = DRAINED
    try:
        async with asyncio.timeout(5):
            while left > 0 and (event := await next_of(receive)).get("more_body"):
                left -= len(event.get("body", b""))
    except TimeoutError:
        return


def too_large(limits: Limits) -> Refused:
    return Refused(413, f"The request's body is larger than {limits.most} bytes.")


def json_reply(status: int, document: Any) -> Reply:
    """A reply of decouple's own pages."""
    body = json.dumps(document, indent=2, default=str).encode() + b"\n"
    return Reply(status, {"content-type": "application/json"}, body)


def text_reply(status: int, text: str, content_type: str = "text/plain; charset=utf-8") -> Reply:
    """A reply that people read."""
    return Reply(status, {"content-type": content_type}, text.encode())


def page_reply(document: str) -> Reply:
    """A page for browsers, in which nothing runs and which loads nothing, whatever messages brought into it."""
    reply = text_reply(200, document, "text/html; charset=utf-8")
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    return reply._replace(
        headers=reply.headers | {"content-security-policy": policy, "x-content-type-options": "nosniff"}
    )


def wrong(status: int, sentence: str) -> Reply:
    """Why there is no such page, or not now."""
    return json_reply(status, {"error": sentence})


FORMS = {"text/html": "html", "application/json": "json", "text/plain": "txt"}


def form_of(request: Request, otherwise: str = "json") -> str:
    """What a request wants of "html", "json" and "txt": the first of them that it accepts."""
    for accepted in request.headers.get("accept", "").split(","):
        form = FORMS.get(accepted.partition(";")[0].strip().lower())
        if form is not None:
            return form
    return otherwise


async def send_reply(send: Send, reply: Reply, *, close: bool = False) -> None:
    """The reply as ASGI takes it; close: no more requests on this connection."""
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in reply.headers.items()]
    headers.append((b"content-length", b"%d" % len(reply.body)))
    if close:
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body})
