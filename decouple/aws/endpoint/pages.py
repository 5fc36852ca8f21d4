"""Pages for people and for scripts that wait until the server is there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from decouple.aws.service import services
from decouple.clock import VirtualClock

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from decouple.aws.world import World

__all__ = ["health", "home", "localstack_health", "messages_page", "version"]

HOME = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>decouple</title>
<h1>decouple</h1>
<p>Queues, topics and functions that speak AWS: {services}. Point an SDK's endpoint at this address; any credentials do,
and an access key of 12 digits is an account.</p>
<ul>{queues}</ul>
<p><a href="/_decouple/health">health</a>, <a href="/_decouple/queues">queues</a>,
<a href="/_decouple/stats">stats</a>, <a href="/_decouple/clock">clock</a>, <a href="/_decouple/faults">faults</a>,
<a href="/_decouple/check">check</a>{recorded}</p>
</html>
"""
RECORDED = """,
<a href="/_decouple/messages">messages</a>, <a href="/_decouple/recording">recording</a>"""
SHOWN = 100
MESSAGES = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>decouple: {title}</title>
<style>td,th{{text-align:left;vertical-align:top;padding:.1em 1em .1em 0}}code{{overflow-wrap:anywhere}}</style>
<h1>{title}</h1>
<table><tr>{heads}</tr>
{rows}
</table>
<p><a href="/">decouple</a></p>
</html>
"""
COLUMNS = ("where", "what", "at", "sent_at", "receive_count")
LONGEST = 200


def home(world: World) -> str:
    """What this is, with the first queues."""
    import html  # here, because people alone look at pages

    queues = [(place, queue) for place in world.places for queue in list(place.broker.queues.values())]
    items = [
        f'<li><a href="/_decouple/queues/{queue.name}?account={place.account}&amp;region={place.region}">'
        f"{html.escape(queue.arn)}</a></li>"
        for place, queue in queues[:SHOWN]
    ]
    if len(queues) > SHOWN:
        items.append(f"<li>and {len(queues) - SHOWN} more</li>")
    return HOME.format(
        services=", ".join(services()),
        queues="".join(items) or "<li>no queues yet</li>",
        recorded=RECORDED if world.recorded else "",
    )


def messages_page(title: str, messages: Sequence[Mapping[str, Any]]) -> str:
    """A table of messages, with links to the stories of those that have one."""
    import html

    columns = [name for name in COLUMNS if any(name in message for message in messages)]

    def row(message: Mapping[str, Any]) -> str:
        id, body = html.escape(message["id"]), message["body"] or ""
        shown = f'<a href="{html.escape(message["story"])}">{id}</a>' if "story" in message else id
        cells = [shown, *(html.escape(str(message.get(name, ""))) for name in columns)]
        cut = body if len(body) <= LONGEST else f"{body[:LONGEST]}..."
        cells.append(f"<code>{html.escape(cut)}</code>")
        return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"

    heads = "".join(f"<th>{name.replace('_', ' ')}</th>" for name in ("id", *columns, "body"))
    rows = "\n".join(map(row, messages)) or "<tr><td>no messages</td></tr>"
    return MESSAGES.format(title=html.escape(title), heads=heads, rows=rows)


def health(world: World) -> dict[str, Any]:
    """That it answers, and what it is."""
    clock = "virtual" if isinstance(world.clock, VirtualClock) else "real"
    return {"status": "ok", "version": version(), "services": list(services()), "clock": clock}


def localstack_health() -> dict[str, Any]:
    """The same as scripts that wait for LocalStack expect it."""
    return {"services": dict.fromkeys(services(), "running"), "edition": "decouple", "version": version()}


def version() -> str:
    """Of the installed package."""
    from importlib.metadata import PackageNotFoundError, version  # here, because it is slow and rarely asked for

    try:
        return version("decouple-messaging")
    except PackageNotFoundError:  # run from a folder of its source
        return "0"
