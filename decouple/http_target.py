"""Web endpoints: a subscription that posts each notification to a URL, as SNS does, with its headers and its patience.

An endpoint has taken a notification when it answers 2xx. 429, 5xx and everything that is no answer, such as a refused
connection, a certificate that does not verify, garbage or silence, is DeliveryFailed, and tried again; a certificate is
the server's to renew, and nothing was sent. Other 4xx, and a redirect to another place, are DeliveryRefused.

Nothing is posted to link-local addresses unless the endpoint says allow_link_local=True: a literal one is refused when
the endpoint is named, and a name that leads there when it is resolved (http_client.py).

Source: SNS developer guide, "HTTP/HTTPS headers", "Message delivery retries", "Make sure your endpoint is ready".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, NoReturn

from decouple.clock import Seconds, nanoseconds
from decouple.core.addresses import address_of, refusal_of
from decouple.core.backoff import HTTP as THREE_RETRIES
from decouple.core.backoff import Schedule
from decouple.core.settings import SECOND
from decouple.envelopes import envelope_of
from decouple.errors import DeliveryFailed, DeliveryRefused
from decouple.http_client import Answer, Forbidden, NoAnswer, installed

if TYPE_CHECKING:
    from decouple.notification import Notification
    from decouple.post import Post

__all__ = ["HTTP"]

PLAIN = "text/plain; charset=UTF-8"
AGENT = "Amazon Simple Notification Service Agent"
MASK = "****"
MASKED = rf"\1:{MASK}@"
LONGEST_URL = 2_048
LONGEST_TIMEOUT = 3_600
FOLLOWED = (301, 302, 307, 308)  # 303 asks for a GET, which would deliver nothing
MOST_REDIRECTS = 5
DEFAULT_PORTS = {"http": 80, "https": 443}

# The ones SNS writes, and those that say where a message ends or who it is for.
RESERVED = {
    *("accept-encoding", "connection", "content-encoding", "content-length", "content-type", "expect", "host"),
    *("keep-alive", "proxy-authorization", "te", "trailer", "transfer-encoding", "upgrade", "user-agent"),
}
NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
LABEL = re.compile(r"[0-9A-Za-z_]([0-9A-Za-z_-]{0,61}[0-9A-Za-z_])?")


class HTTP:
    """An http or https endpoint, as the target of a subscription: topic.subscribe(HTTP("https://example.com/orders")).

    url: up to 2,048 characters; `user:password@` in it is sent as basic authentication, and the password never shown.
    timeout: real seconds for one attempt, redirects included. headers: sent with every post besides those of SNS, and
    never shown. content_type: of notifications; confirmations are always plain text. allow_link_local: also post to
    link-local addresses and to those where clouds keep credentials. A plain URL is the same as HTTP(url).

    Raises TypeError, ValueError, NotInstalled. Cost: one connection, kept for a few seconds, for each post at a time.
    """

    __slots__ = ("_headers", "_key", "_url", "allow_link_local", "content_type", "endpoint", "protocol", "timeout")

    awaits = True
    confirms = True
    envelope = True
    schedule: Schedule = THREE_RETRIES

    protocol: str
    endpoint: str
    timeout: float
    content_type: str
    allow_link_local: bool
    _url: Any
    _headers: dict[str, str]
    _key: tuple[Any, ...]

    def __init__(
        self,
        url: str,
        *,
        timeout: Seconds = 15,
        headers: Mapping[str, str] | None = None,
        content_type: str = PLAIN,
        allow_link_local: bool = False,
    ) -> None:
        whole = parsed(url)
        check_host(whole, allow_link_local)
        more = checked_headers({} if headers is None else headers)
        check_header("content_type", content_type)
        values = {
            "_url": whole.with_user(None),
            "_headers": more | authorization(whole, more),
            "_key": (url, timeout, tuple(more.items()), content_type, bool(allow_link_local)),
            "allow_link_local": bool(allow_link_local),
            "content_type": content_type,
            "endpoint": masked(url),
            "protocol": whole.scheme,
            "timeout": nanoseconds(timeout, "timeout", least=0.001, most=LONGEST_TIMEOUT) / SECOND,
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"an HTTP endpoint never changes, so {name!r} cannot be set: make another one")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"an HTTP endpoint never changes, so {name!r} cannot be deleted: make another one")

    def __eq__(self, other: object) -> bool:
        return self._key == other._key if isinstance(other, HTTP) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._key)

    def __reduce__(self) -> tuple[Any, ...]:
        return remade, self._key

    def __repr__(self) -> str:
        _, timeout, headers, content_type, allowed = self._key
        shown = [repr(self.endpoint)]
        if timeout != 15:
            shown.append(f"timeout={timeout!r}")
        if headers:
            shown.append(f"headers={dict.fromkeys(dict(headers), MASK)!r}")
        if content_type != PLAIN:
            shown.append(f"content_type={content_type!r}")
        if allowed:
            shown.append("allow_link_local=True")
        return f"HTTP({', '.join(shown)})"

    @property
    def header_names(self) -> tuple[str, ...]:
        """The headers sent besides those of SNS, without what they say."""
        return tuple(name for name, _ in self._key[2])

    async def deliver(self, notification: Notification, post: Post) -> str:
        """Post it, and answer with the status, such as "200". Raises DeliveryFailed, DeliveryRefused."""
        import asyncio  # here, because whoever only names an endpoint has no event loop

        raw = notification.kind == "Notification" and not notification.envelope
        body = (notification.text if raw else envelope_of(notification)).encode()
        headers = self._headers_of(notification, raw)
        try:
            async with asyncio.timeout(self.timeout):
                return await self._posted(body, headers, post)
        except TimeoutError:
            raise DeliveryFailed(self.endpoint, why=f"no whole answer came within {self.timeout:g} s") from None
        except NoAnswer as error:
            raise DeliveryFailed(self.endpoint, why=f"no answer came: {error}") from error
        except Forbidden as error:
            why = f"{error}: pass allow_link_local=True to HTTP(...) if that is meant"
            raise DeliveryRefused(self.endpoint, why=why) from None

    def _headers_of(self, notification: Notification, raw: bool) -> dict[str, str]:
        """SNS's headers, which are the last word."""
        told = notification.kind == "Notification"
        headers = self._headers | {
            "x-amz-sns-message-type": notification.kind,
            "x-amz-sns-message-id": notification.id,
            "x-amz-sns-topic-arn": notification.way.topic_arn,
        }
        if notification.kind != "SubscriptionConfirmation":
            headers["x-amz-sns-subscription-arn"] = notification.way.subscription_arn
        if raw:
            headers["x-amz-sns-rawdelivery"] = "true"
        return headers | {
            "Content-Type": self.content_type if told else PLAIN,
            "Connection": "Keep-Alive",
            "User-Agent": AGENT,
            "Accept-Encoding": "gzip,deflate",
        }

    async def _posted(self, body: bytes, headers: Mapping[str, str], post: Post) -> str:
        url, followed = self._url, 0
        guarded = not self.allow_link_local
        while 300 <= (answer := await post.http.post(url, body, headers, guarded=guarded)).status < 400:
            url, followed = self._redirected(url, answer), followed + 1
            if followed > MOST_REDIRECTS:
                why = f"it redirects more than {MOST_REDIRECTS} times, last to {shown(url)}"
                raise DeliveryRefused(self.endpoint, why=why, status=answer.status)
        return self._judged(answer.status)

    def _judged(self, status: int) -> str:
        if 200 <= status < 300:
            return str(status)
        again = status == 429 or not 400 <= status < 500
        raise (DeliveryFailed if again else DeliveryRefused)(self.endpoint, why=f"it answered {status}", status=status)

    def _redirected(self, url: Any, answer: Answer) -> Any:
        """Where to post again: the same place only, for what is posted is meant for nobody else."""
        try:
            there = url.join(import_module("yarl").URL(answer.location or ""))
            if answer.location and answer.status in FOLLOWED and same_place(url, there):
                return there.with_user(None).with_fragment(None)
            where = shown(there) if answer.location else "nowhere"
        except ValueError:
            where = repr(answer.location)
        raise DeliveryRefused(
            self.endpoint,
            why=f"it answered {answer.status} and points to {where}: subscribe that URL if it is meant",
            status=answer.status,
        )


def remade(url: str, timeout: Seconds, headers: tuple[tuple[str, str], ...], content_type: str, allowed: bool) -> HTTP:
    """The endpoint that pickle and copy have taken apart."""
    return HTTP(url, timeout=timeout, headers=dict(headers), content_type=content_type, allow_link_local=allowed)


def same_place(one: Any, other: Any) -> bool:
    """Whether a redirect stays with the host and port, or goes from http to https at their usual ports."""
    usual = all(url.port == DEFAULT_PORTS.get(url.scheme) for url in (one, other))
    return (
        other.raw_host == one.raw_host and other.scheme in (one.scheme, "https") and (other.port == one.port or usual)
    )


def shown(url: Any) -> str:
    """A URL without its password."""
    return repr(str(url if url.password is None else url.with_password(MASK)))


# -- at the door -----------------------------------------------------------------------------------------------------


def parsed(url: str) -> Any:
    """The yarl.URL of the text, which is what is connected to. Raises TypeError, ValueError, NotInstalled."""
    if not isinstance(url, str):
        raise TypeError(f"an endpoint's URL is text, not {url!r:.80}")
    if len(url) > LONGEST_URL:
        raise ValueError(f"an endpoint's URL has up to {LONGEST_URL:,} characters, not {len(url):,}")
    if " " in url or not url.isprintable():
        raise wrong(url, "spaces and control characters are written with %, such as %20")
    installed()
    try:
        whole = import_module("yarl").URL(url)
    except ValueError:
        raise wrong(url, "its host or port cannot be read") from None
    if whole.scheme not in DEFAULT_PORTS:
        raise wrong(url, "it begins with http:// or https://")
    if whole.raw_fragment:
        raise wrong(url, "a fragment, from '#' on, is never sent: leave it out")
    return whole


def check_host(whole: Any, allow_link_local: bool) -> None:
    """Raises ValueError for a host or port that cannot be, or must not be, connected to."""
    host, text = whole.raw_host or "", str(whole)
    if not host or not whole.port:
        raise wrong(text, f"it needs a host, and a port from 1 to 65535 if any, not {whole.port!r}")
    why = refusal_of(host)
    if why is not None and not allow_link_local:
        raise wrong(text, f"its host is {why}: pass allow_link_local=True to HTTP(...) if that is meant")
    address = address_of(host)
    if ":" in host:
        return
    if address is not None and str(address) != host:
        raise wrong(text, f"its host is an odd way to write {address}: write it so")
    numeric = host.replace(".", "").isdigit()
    if address is None and (numeric or not all(map(LABEL.fullmatch, host.removesuffix(".").split(".")))):
        raise wrong(text, f"{host!r:.80} is neither a host name nor an address")


def wrong(url: str, why: str) -> ValueError:
    """The error about a URL; what may be a password is left out even where it is not in its place."""
    return ValueError(f"nothing can be posted to {re.sub(r'(//[^:]*):.*@', MASKED, url)!r:.200}: {why}")


def masked(url: str) -> str:
    """The text of a URL without its password, if it has one."""
    return re.sub(r"\A([^/]*//[^/?#:]*):[^/?#]*@", MASKED, url)


def authorization(whole: Any, headers: Mapping[str, str]) -> dict[str, str]:
    """The header that says who posts, if the URL does."""
    if whole.user is None and whole.password is None:
        return {}
    from base64 import b64encode

    if any(name.lower() == "authorization" for name in headers):
        raise ValueError("the URL has a user and headers have Authorization: leave one of them out")
    pair = f"{whole.user or ''}:{whole.password or ''}"
    return {"Authorization": f"Basic {b64encode(pair.encode()).decode()}"}


def checked_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """A copy. Raises TypeError, ValueError for what is no header, or not the caller's to say."""
    if not isinstance(headers, Mapping):
        raise TypeError(f"headers must be a mapping of names to text, not {headers!r:.80}")
    for name, value in headers.items():
        if not isinstance(name, str) or not NAME.fullmatch(name):
            raise ValueError(f"{name!r:.80} is not the name of a header: letters, digits and hyphens")
        if name.lower() in RESERVED or name.lower().startswith("x-amz-sns-"):
            raise ValueError(f"header {name!r:.80} is written with every post as SNS does: leave it out")
        check_header(f"header {name!r:.80}", value)
    return dict(headers)


def check_header(what: str, value: str) -> None:
    if not isinstance(value, str):
        raise TypeError(f"{what} must be text, not {type(value).__name__}")
    if not value.isascii() or not value.isprintable():
        raise ValueError(f"{what} must be printable ASCII")
