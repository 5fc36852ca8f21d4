"""What EventBridge and its Scheduler hand over: a text for the queue, topic or function that an ARN names.

The name is looked up each time, so a queue that is deleted and made again is found. Whatever does not take it, nothing that
a retry would mend was the matter: a refusal is final, with AWS's word for the reason, for the dead-letter queue.
Source: EventBridge user guide, "Using dead-letter queues to process undelivered events".
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from decouple.core.fields import refused
from decouple.errors import AccessDenied, DecoupleError, DeliveryRefused, NotDelivered, QueueClosed, TopicClosed

if TYPE_CHECKING:
    from decouple.aws.world import World
    from decouple.broker import Broker
    from decouple.queue import Queue

__all__ = ["TARGETS", "Envoy", "compact", "hand_over", "has_form_of_arn", "is_json", "send", "service_of"]

TARGETS = ("sqs", "sns", "lambda")


class Envoy(NamedTuple):
    """On whose behalf something is handed over.

    principal: the service or role as a queue's policy names it; source: the ARN of the rule or schedule; account: its own;
    trusted: queues of the same account need no policy for it.
    """

    world: World
    principal: str
    source: str
    account: str
    trusted: bool


def hand_over(envoy: Envoy, arn: str, text: str, group: str | None = None) -> None:
    """Send, publish or invoke; group: for a queue. Raises DeliveryRefused."""
    service = service_of(arn)
    if service == "sqs":
        send(envoy, arn, text, group=group)
        return
    broker = broker_of(envoy.world, arn)
    name = arn.split(":")[6 if service == "lambda" else 5]
    try:
        if service == "lambda":
            invoke(broker, arn, name, text)
        else:
            publish(broker, arn, name, text)
    except DeliveryRefused:
        raise
    except TopicClosed as error:
        raise missing(arn) from error
    except (DecoupleError, TypeError, ValueError) as error:
        raise DeliveryRefused(arn, why=str(error), code="INVALID_PARAMETER") from error


def send(
    envoy: Envoy, arn: str, text: str, *, group: str | None = None, attributes: Mapping[str, str] | None = None
) -> None:
    """Put it into the queue, as its policy lets the envoy. Raises DeliveryRefused."""
    queue = envoy.world.queue_at(arn)
    if queue is None:
        raise missing(arn)
    try:
        entrance(envoy, queue).send(text, group=group, attributes=attributes)
    except AccessDenied as error:
        raise DeliveryRefused(arn, why=str(error), code="NO_PERMISSIONS") from error
    except QueueClosed as error:
        raise missing(arn) from error
    except (DecoupleError, TypeError, ValueError) as error:
        raise DeliveryRefused(arn, why=str(error), code="INVALID_PARAMETER") from error


def entrance(envoy: Envoy, queue: Queue[Any]) -> Any:
    """The queue, or the queue as the envoy may use it."""
    owner = queue.arn.split(":")[4]
    if envoy.trusted and owner == envoy.account:
        return queue
    return queue.as_principal(
        envoy.principal, context={"aws:SourceArn": envoy.source, "aws:SourceAccount": envoy.account}
    )


def publish(broker: Broker | None, arn: str, name: str, text: str) -> None:
    topic = None if broker is None else broker.topics.get(name)
    if topic is None:
        raise missing(arn)
    with suppress(NotDelivered):  # it was published, and the topic's dead letters are the topic's own affair
        topic.publish(text)


def invoke(broker: Broker | None, arn: str, name: str, text: str) -> None:
    function = None if broker is None else broker.functions.get(name)
    if function is None:
        raise missing(arn)
    try:
        event: Any = json.loads(text, parse_constant=refused)
    except (ValueError, RecursionError) as error:
        raise DeliveryRefused(arn, why=f"a function's event is JSON: {error}", code="INVALID_JSON") from error
    function.send(event)


def missing(arn: str) -> DeliveryRefused:
    return DeliveryRefused(arn, why="it does not exist", code="NO_RESOURCE")


def broker_of(world: World, arn: str) -> Broker | None:
    parts = arn.split(":")
    place = world.known(parts[4], parts[3])
    return None if place is None else place.broker


def has_form_of_arn(arn: str) -> bool:
    """Whether it has the six parts of one, and of a function its name."""
    parts = arn.split(":")
    return parts[0] == "arn" and len(parts) >= (7 if parts[2:3] == ["lambda"] else 6) and all(parts[1:3])


def service_of(arn: str) -> str:
    """Whose ARN it is: "sqs"."""
    return arn.split(":", 3)[2]


def is_json(text: str) -> bool:
    """Whether a target that reads JSON could read it."""
    try:
        json.loads(text, parse_constant=refused)
    except (ValueError, RecursionError):
        return False
    return True


def compact(value: Any) -> str:
    """JSON as AWS writes it, without blanks. Raises ValueError, RecursionError."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
