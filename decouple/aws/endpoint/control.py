"""decouple's own pages beside AWS's: health, what is in the queues, the clock, and to begin anew.

    GET  /                                   what this is
    GET  /_decouple/health                   also as LocalStack's /_localstack/health
    GET  /_decouple/queues, /queues/{name}   numbers; of one queue also its next messages, left as they are (?n=10)
    GET  /_decouple/messages, /recording     what was recorded: see stories.py
    GET  /_decouple/faults, /check           what goes wrong, and whether all holds: see trials.py
    GET  /_decouple/stats                    numbers of queues, topics and functions
    GET  /_decouple/clock                    POST {"advance": 30} or {"to": "2026-01-01T00:00:30Z"} on a virtual clock
    POST /_decouple/reset                    as it was at the start; also moto's /moto-api/reset

They are for tests and people on this machine: a web page from elsewhere must neither read nor drive them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Collection
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeAlias, cast
from urllib.parse import parse_qsl, unquote, urlsplit

from decouple.aws.endpoint.exchange import form_of, json_reply, page_reply, wrong
from decouple.aws.endpoint.looking import clock_data, message_data, most_of, queue_data, queues_data, stats_data
from decouple.aws.endpoint.pages import health, home, localstack_health, messages_page
from decouple.aws.endpoint.stories import Stories
from decouple.aws.endpoint.trials import Trials
from decouple.clock import VirtualClock

if TYPE_CHECKING:
    from decouple.aws.endpoint.mover import Mover
    from decouple.aws.wire import Reply, Request
    from decouple.aws.world import World

__all__ = ["LOCAL_NAMES", "Control", "from_browser", "is_ours", "stranger"]

LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "::1", "host.docker.internal"})
LOCAL_ENDINGS = (".localhost", ".localhost.localstack.cloud", ".amazonaws.com")
LINK = re.compile("(?:^|&)Action=(ConfirmSubscription|Unsubscribe)(?:&|$)")
PEEKED = 10

Page: TypeAlias = Callable[["Request"], Awaitable["Reply"]]


def is_ours(request: Request) -> bool:
    """Whether a request is for these pages, and not for AWS's services."""
    path = request.path
    if path.startswith(("/_decouple/", "/_localstack/", "/moto-api/")) or path == "/_decouple":
        return True
    return path in ("/", "/favicon.ico") and not request.query and request.method in ("GET", "HEAD")


def from_browser(request: Request) -> bool:
    """Whether it has what browsers send, and pages cannot keep them from sending. Node's fetch has any language."""
    headers = request.headers
    return "origin" in headers or "sec-fetch-site" in headers or headers.get("accept-language", "*") != "*"


def stranger(request: Request, names: Collection[str] | None) -> str | None:
    """Why this request must be from a web page elsewhere, None if nothing speaks for it.

    A page of another origin may post here without asking, or name an image here (CSRF), but its browser says so; one whose
    name was made to lead here (DNS rebinding) has a name that is none of ours. names: ours, None for any.
    """
    host = request.headers.get("host", "")
    origin = request.headers.get("origin")
    if origin is not None and urlsplit_netloc(origin) != host.lower():
        return f"a page of {origin[:80]!r} must not use this endpoint"
    if request.headers.get("sec-fetch-site", "none") not in ("none", "same-origin") and not is_link(request):
        return "a page of another site must not use this endpoint"
    if names is None or not (from_browser(request) or is_ours(request)):
        return None
    name = name_of(host)
    if name in names or name.endswith(LOCAL_ENDINGS):
        return None
    return f"{name[:80]!r} is no name of this endpoint: serve with --host to have it answer to others than localhost"


def is_link(request: Request) -> bool:
    """Whether it is something that people may follow from anywhere: our pages, and what SNS puts into e-mails."""
    if request.method != "GET" or request.headers.get("sec-fetch-mode") != "navigate":
        return False
    return is_ours(request) or LINK.search(request.query) is not None


def urlsplit_netloc(origin: str) -> str:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""


def name_of(host: str) -> str:
    """A Host header without its port."""
    name = host.rpartition("]")[0].lstrip("[") if host.startswith("[") else host.partition(":")[0]
    return name.lower().rstrip(".")


class Control:
    """The pages over one world. mover: where its clock is virtual; anew: what `reset` does."""

    def __init__(self, world: World, *, mover: Mover | None, anew: Callable[[], Awaitable[None]]) -> None:
        self._world = world
        self._mover = mover
        self._anew = anew
        stories, trials = Stories(world), Trials(world)
        self._pages: dict[str, dict[str, Page]] = {
            "/": {"GET": self._home},
            "/_decouple": {"GET": self._home},
            "/_decouple/health": {"GET": self._health},
            "/_localstack/health": {"GET": self._localstack},
            "/_decouple/queues": {"GET": self._queues},
            "/_decouple/stats": {"GET": self._stats},
            "/_decouple/messages": {"GET": stories.messages},
            "/_decouple/recording": {"GET": stories.recording},
            "/_decouple/faults": {"GET": trials.faults, "POST": trials.inject},
            "/_decouple/check": {"GET": trials.check},
            "/_decouple/clock": {"GET": self._clock, "POST": self._move},
            "/_decouple/reset": {"POST": self._reset},
            "/moto-api/reset": {"POST": self._reset},
        }
        self._below: dict[str, Page] = {
            "/_decouple/queues/": self._queue,
            "/_decouple/messages/": stories.story,
        }

    async def answer(self, request: Request) -> Reply:
        """The page, or a plain 4xx."""
        methods = self._pages.get(request.path.rstrip("/") or "/")
        if methods is None:
            methods = next(({"GET": page} for path, page in self._below.items() if request.path.startswith(path)), None)
        if methods is None:
            return wrong(404, f"there is no page {request.path[:80]!r}: see / for what there is")
        page = methods.get("GET" if request.method == "HEAD" else request.method)
        if page is None:
            reply = wrong(405, f"{request.path[:80]} takes {' and '.join(methods)}, not {request.method[:20]}")
            return reply._replace(headers=reply.headers | {"allow": ", ".join(methods)})
        return await page(request)

    async def _home(self, request: Request) -> Reply:
        return page_reply(home(self._world))

    async def _health(self, request: Request) -> Reply:
        return json_reply(200, health(self._world))

    async def _localstack(self, request: Request) -> Reply:
        return json_reply(200, localstack_health())

    async def _stats(self, request: Request) -> Reply:
        return json_reply(200, stats_data(self._world))

    async def _queues(self, request: Request) -> Reply:
        return json_reply(200, {"queues": queues_data(self._world)})

    async def _queue(self, request: Request) -> Reply:
        name = unquote(request.path.removeprefix("/_decouple/queues/"))
        asked = dict(parse_qsl(request.query))
        account, region = asked.get("account", self._world.account), asked.get("region", self._world.region)
        broker = self._world.brokers.get((account, region))
        queue = None if broker is None else broker.queues.get(name)
        if queue is None:
            return wrong(404, f"account {account[:20]!r} has no queue {name[:80]!r} in region {region[:30]!r}")
        try:
            most = most_of(request, PEEKED)
        except ValueError as error:
            return wrong(400, str(error))
        told = self._world.recorded
        messages = [message_data(message, told=told) for message in queue.peek(most)]
        if form_of(request) == "html":
            return page_reply(messages_page(queue.arn, messages))
        return json_reply(200, queue_data(queue) | {"messages": messages})

    async def _reset(self, request: Request) -> Reply:
        if not self._world.own:
            return wrong(409, "the broker is the application's own, and a reset would close it: give asgi() a World")
        await self._anew()
        return json_reply(200, {"status": "ok"})

    async def _clock(self, request: Request) -> Reply:
        return json_reply(200, clock_data(self._world.clock))

    async def _move(self, request: Request) -> Reply:
        clock = self._world.clock
        if self._mover is None or not isinstance(clock, VirtualClock):
            return wrong(409, "the clock is real, so it cannot be moved: serve with --virtual-clock")
        try:
            await self._mover.advance(seconds_in(request.body, clock.time))
        except (TypeError, ValueError) as error:
            return wrong(400, str(error))
        return json_reply(200, clock_data(clock))


def seconds_in(body: bytes, now: datetime) -> float:
    """How far a request wants to move the clock. Raises ValueError, TypeError."""
    try:
        read: Any = json.loads(body)
    except (ValueError, RecursionError):
        raise ValueError('the body must be JSON: {"advance": 30} or {"to": "2026-01-01T00:00:30Z"}') from None
    asked = cast("dict[str, Any]", read) if isinstance(read, dict) else {}
    if [*asked] not in (["advance"], ["to"]):
        raise ValueError('the body must be {"advance": seconds} or {"to": an ISO 8601 instant}')
    if "advance" in asked:
        seconds = asked["advance"]
        if isinstance(seconds, bool) or not isinstance(seconds, (int, float)):
            raise TypeError(f"advance must be a number of seconds, not {seconds!r:.40}")
        return seconds
    return (instant_of(asked["to"]) - now).total_seconds()


def instant_of(text: Any) -> datetime:
    if not isinstance(text, str):
        raise TypeError(f"to must be an ISO 8601 instant, not {text!r:.40}")
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        raise ValueError(f"to must say its zone, as in 2026-01-01T00:00:30Z, not {text!r:.40}")
    return instant
