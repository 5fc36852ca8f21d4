"""moto in the same test: it answers what we do not have, and what its S3 tells queues, topics and functions reaches ours.

moto's S3 calls moto's own SQS, SNS and Lambda in three functions, which ask us first while a mock is open. moto is looked
for where it is loaded already, and never loaded for its own sake.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable
from functools import wraps
from importlib import import_module
from typing import TYPE_CHECKING, Any

from decouple.aws.mocking.stage import here, is_open

if TYPE_CHECKING:
    from decouple.aws.mocking.scene import AWS
    from decouple.broker import Broker

__all__ = ["active", "let_through", "remove_bridge"]

MODELS, NOTIFICATIONS = "moto.core.models", "moto.s3.notifications"
SUBJECT = "Amazon S3 Notification"

lock = threading.Lock()
bridged: dict[str, Callable[..., None]] = {}


def active() -> bool:
    """Whether one of moto's mocks is open."""
    models: Any = sys.modules.get(MODELS)
    if models is None:
        return False
    return any(kind._nested_count > 0 for kind in (models.MockAWS, *models.MockAWS.__subclasses__()))


def let_through(client: Any, service: str) -> None:
    """A call of this client goes to moto: moto must hear of it, and its S3 ask us."""
    models: Any = sys.modules[MODELS]
    # moto knows only clients that were made after it was imported; the others' calls would leave the process.
    if models.MockAWS._nested_count and not hears(client, models.botocore_stubber):
        client.meta.events.register("before-send", models.botocore_stubber)
    if service == "s3" and is_open():
        bridge()


def hears(client: Any, stubber: object) -> bool:
    """Whether this client's requests come by moto."""
    emitter = client.meta.events
    handlers = getattr(emitter, "_emitter", emitter)._handlers.prefix_search("before-send.s3.PutObject")
    return any(handler is stubber for handler in handlers)


def bridge() -> None:
    """Let moto's S3 ask us first."""
    with lock:
        if not bridged:
            notifications = import_module(NOTIFICATIONS)
            for name, deliver in DELIVERIES.items():
                bridged[name] = getattr(notifications, name)
                setattr(notifications, name, asking(deliver, bridged[name]))


def remove_bridge() -> None:
    """Let moto's S3 be as it was."""
    with lock:
        while bridged:
            name, original = bridged.popitem()
            setattr(sys.modules[NOTIFICATIONS], name, original)


def asking(deliver: Callable[[Broker, Any, str, bool], bool], original: Callable[..., None]) -> Callable[..., None]:
    """As moto's function of the same name, which is called for what is not ours."""

    @wraps(original)
    def ask(account_id: str, event_body: Any, target: str, region_name: str) -> None:
        aws = here()
        brokers = [] if aws is None else brokers_of(aws, account_id, region_name)
        strict = aws is not None and aws.world.strict
        name = name_in(target)
        if not any(deliver(broker, event_body, name, strict) for broker in brokers):
            original(account_id, event_body, target, region_name)

    return ask


def name_in(target: str) -> str:
    """A queue's name as it is; that in an ARN of a topic, or of a function with or without its qualifier."""
    parts = target.split(":")
    return parts[6] if len(parts) > 6 else parts[-1]


def brokers_of(aws: AWS, account: str, region: str) -> list[Broker]:
    """Where the target may be: moto tells the bucket's account, which need not be its."""
    known = aws.world.brokers
    return [known[key] for key in dict.fromkeys([(account, region), (aws.account, region)]) if key in known]


def to_queue(broker: Broker, event: Any, name: str, strict: bool) -> bool:
    """Whether the queue is ours. Raises AccessDenied if a strict world's queue lets S3 not send."""
    queue = broker.queues.get(name)
    if queue is None:
        return False
    (queue.as_principal("s3.amazonaws.com", context=source_of(event)) if strict else queue).send(json.dumps(event))
    return True


def to_topic(broker: Broker, event: Any, name: str, strict: bool) -> bool:
    """Whether the topic is ours."""
    topic = broker.topics.get(name)
    if topic is None:
        return False
    topic.publish(json.dumps(event), subject=SUBJECT)
    return True


def to_function(broker: Broker, event: Any, name: str, strict: bool) -> bool:
    """Whether the function is ours; it is invoked asynchronously, as S3 does."""
    function = broker.functions.get(name)
    if function is None:
        return False
    function.send(event)
    return True


def source_of(event: Any) -> dict[str, str]:
    """The bucket, as conditions of policies ask for it."""
    records = event.get("Records")
    return {"aws:SourceArn": records[0]["s3"]["bucket"]["arn"] if records else f"arn:aws:s3:::{event['Bucket']}"}


DELIVERIES: dict[str, Callable[[Broker, Any, str, bool], bool]] = {
    "_send_sqs_message": to_queue,
    "_send_sns_message": to_topic,
    "_invoke_awslambda": to_function,
}
