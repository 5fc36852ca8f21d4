"""Pages for people and for scripts that wait until the server is there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from decouple.aws.service import services

if TYPE_CHECKING:
    from decouple.aws.world import World

__all__ = ["health", "home", "localstack_health", "version"]

HOME = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>decouple</title>
<h1>decouple</h1>
<p>Queues, topics and functions that speak AWS: {services}. Point an SDK's endpoint at this address; any credentials do,
and an access key of 12 digits is an account.</p>
<ul>{queues}</ul>
<p><a href="/_decouple/health">health</a>, <a href="/_decouple/queues">queues</a>,
<a href="/_decouple/stats">stats</a>, <a href="/_decouple/clock">clock</a></p>
</html>
"""
SHOWN = 100


def home(world: World) -> str:
    """What this is, with the first queues."""
    import html  # here, because people alone look at pages

    arns = [queue.arn for place in world.places for queue in place.broker.queues.values()]
    items = [f"<li>{html.escape(arn)}</li>" for arn in arns[:SHOWN]]
    if len(arns) > SHOWN:
        items.append(f"<li>and {len(arns) - SHOWN} more</li>")
    return HOME.format(services=", ".join(services()), queues="".join(items) or "<li>no queues yet</li>")


def health(world: World) -> dict[str, Any]:
    """That it answers, and what it is."""
    clock = "real" if world.clock.threaded else "virtual"
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
