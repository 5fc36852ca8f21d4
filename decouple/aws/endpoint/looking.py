"""What is in a world, as JSON: its clock, its queues with the messages in line, and everybody's numbers."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote

from decouple.clock import VirtualClock, datetime_at

if TYPE_CHECKING:
    from decouple.aws.wire import Request
    from decouple.aws.world import World
    from decouple.clock import Clock
    from decouple.message import Message
    from decouple.queue import Queue

__all__ = ["clock_data", "message_data", "most_of", "queue_data", "queues_data", "stats_data"]

MOST = 1_000


def most_of(request: Request, usual: int) -> int:
    """How many a request wants to see (?n=10). Raises ValueError."""
    most = dict(parse_qsl(request.query)).get("n", str(usual))
    if not (most.isascii() and most.isdigit() and len(most) < 5 and int(most) <= MOST):
        raise ValueError(f"n must be a number from 0 to {MOST}, not {most[:20]!r}")
    return int(most)


def clock_data(clock: Clock) -> dict[str, Any]:
    """What time it is on that clock."""
    now = datetime_at(clock, clock.now())
    return {"now": now.isoformat(), "epoch": now.timestamp(), "virtual": isinstance(clock, VirtualClock)}


def queues_data(world: World) -> list[dict[str, Any]]:
    """All queues of all accounts and regions. Cost: that of their stats()."""
    return [queue_data(queue) for place in world.places for queue in list(place.broker.queues.values())]


def queue_data(queue: Queue[Any]) -> dict[str, Any]:
    """One queue: its names and its numbers."""
    return {"name": queue.name, "arn": queue.arn, "stats": queue.stats()._asdict()}


def message_data(message: Message[Any], *, told: bool = False) -> dict[str, Any]:
    """One message that was looked at. told: it has a story."""
    story = {"story": f"/_decouple/messages/{quote(message.id, safe='')}"} if told else {}
    return {
        "id": message.id,
        "body": message.text,
        "attributes": {name: plain(value) for name, value in message.attributes.items()},
        "system": message.system,
        "group": message.group,
        "deduplication_id": message.deduplication_id,
        "sequence": message.sequence,
        "sent_at": message.sent_at.isoformat(),
        "receive_count": message.receive_count,
        **story,
    }


def plain(value: Any) -> Any:
    """An attribute in JSON's types; bytes in base64."""
    value = getattr(value, "value", value)
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value


def stats_data(world: World) -> dict[str, Any]:
    """The numbers of all queues, topics and functions, by ARN."""
    brokers = [place.broker for place in world.places]
    return {
        "queues": {one.arn: one.stats()._asdict() for broker in brokers for one in list(broker.queues.values())},
        "topics": {one.arn: one.stats()._asdict() for broker in brokers for one in list(broker.topics.values())},
        "functions": {one.arn: one.stats()._asdict() for broker in brokers for one in list(broker.functions.values())},
    }
