"""What a subscription's protocol and endpoint deliver to, and how both are shown again.

Queues and functions are known by ARN and looked up at delivery, so they may come later, as on AWS. Firehose is kept and
nothing reaches it: there is none here.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NoReturn

from decouple.aws.sns.kept import kept
from decouple.aws.sns.service import invalid
from decouple.aws.world import Call, World
from decouple.core.backoff import AWS_MANAGED, Schedule
from decouple.errors import DecoupleError, DeliveryRefused
from decouple.function import Function
from decouple.queue_at import QueueAt
from decouple.senders import SMS, Email, Push
from decouple.sending import Sending

if TYPE_CHECKING:
    from decouple.notification import Notification
    from decouple.post import Post
    from decouple.subscription import Subscription
    from decouple.topic import Topic

__all__ = [
    "NUMBER",
    "FunctionAt",
    "check_endpoint",
    "known_as",
    "queue_for",
    "shown_endpoint",
    "shown_protocol",
    "target_of",
]

PROTOCOLS = ("http", "https", "email", "email-json", "sms", "sqs", "application", "lambda", "firehose")
ANY_SIZE = ("sqs", "lambda", "firehose")
"""Who may be subscribed to a topic of messages over 256 KiB."""
NUMBER = re.compile(r"\+[1-9]\d{1,14}", re.ASCII)
SERVICE = "sns.amazonaws.com"


# -- at the door -----------------------------------------------------------------------------------------------------


def check_endpoint(topic: Topic, protocol: str, endpoint: str) -> None:
    """Raises ServiceError for a protocol, or an endpoint of it, that the topic cannot deliver to."""
    if protocol not in PROTOCOLS:
        raise invalid(f"Amazon SNS does not support this protocol string: {protocol}")
    if not endpoint:
        raise invalid("Endpoint")
    if topic.fifo and protocol != "sqs":
        raise invalid(f"Invalid protocol type: {protocol}")
    if protocol in ("http", "https") and not endpoint.startswith(f"{protocol}://"):
        raise invalid("Endpoint must match the specified protocol")
    if protocol == "sms" and not NUMBER.fullmatch(endpoint):
        raise invalid(f"Invalid SMS endpoint: {endpoint}")
    if protocol in ARNS:
        check_arn(protocol, endpoint)
    if protocol == "sqs" and endpoint.endswith(".fifo") and not topic.fifo:
        raise invalid(
            "Invalid parameter: Endpoint Reason: FIFO SQS Queues can not be subscribed to standard SNS topics"
        )
    if topic.max_message_size > 262_144 and protocol not in ANY_SIZE:
        raise invalid(f"Endpoint Reason: a topic of messages over 256 KiB does not deliver to protocol {protocol}")


# protocol: the service its ARN is of, and AWS's words for one that is none
ARNS = {
    "sqs": ("sqs", "SQS endpoint ARN"),
    "lambda": ("lambda", "Lambda endpoint ARN"),
    "application": ("sns", "ApplicationEndpoint ARN"),
    "firehose": ("firehose", "Firehose endpoint ARN"),
}


def check_arn(protocol: str, endpoint: str) -> None:
    service, words = ARNS[protocol]
    parts = endpoint.split(":")
    if len(parts) < 6 or parts[0] != "arn" or parts[2] != service or not all((parts[3], parts[4], parts[5])):
        raise invalid(words)


def target_of(call: Call, topic: Topic, protocol: str, endpoint: str) -> Any:
    """What the engine delivers to. Raises ServiceError."""
    check_endpoint(topic, protocol, endpoint)
    world = call.world
    try:
        if protocol == "sqs":
            return queue_for(world, endpoint, topic.arn)
        if protocol == "lambda":
            return FunctionAt(world, endpoint)
        if protocol == "application":
            return App(world, endpoint)
        if protocol == "firehose":
            return Firehose(endpoint)
        if protocol == "sms":
            return Phone(world, endpoint, topic.arn)
        if protocol in ("email", "email-json"):
            return Email(endpoint, json=protocol == "email-json")
        from decouple.aws.sns.web import Hook  # here, because it needs an extra that most programs do without

        return Hook(endpoint)
    except (TypeError, ValueError, DecoupleError) as error:
        raise invalid(f"Endpoint Reason: {error}") from error


def known_as(world: World, topic: Topic, target: Any) -> Subscription | None:
    """The subscription of this target, also one that was made natively with the queue or function itself."""
    found = topic.subscribed(target)
    if found is not None or not isinstance(target, (QueueAt, FunctionAt)):
        return found
    native: Any = world.queue_at(target.arn) if isinstance(target, QueueAt) else world.function_at(target.arn)
    return None if native is None else topic.subscribed(native)


# -- queues ----------------------------------------------------------------------------------------------------------


def queue_for(world: World, arn: str, topic_arn: str) -> QueueAt:
    """The queue with this ARN as the topic may use it: of its own account always, unless the world is strict."""

    def find() -> Sending[Any]:
        queue = world.queue_at(arn)
        if queue is None:
            raise DeliveryRefused(arn, why="there is no queue of that name (AWS.SimpleQueueService.NonExistentQueue)")
        if asks:
            facts = {"aws:SourceArn": topic_arn, "aws:SourceAccount": topic_arn.split(":")[4]}
            if not queue.as_principal(SERVICE, context=facts).may("SendMessage"):
                why = f"its policy does not let {SERVICE} send messages of {topic_arn} (AccessDenied)"
                raise DeliveryRefused(arn, why=why)
        return queue

    asks = world.strict or arn.split(":")[4] != topic_arn.split(":")[4]
    return QueueAt(arn, find, always=asks)


# -- what is pushed to -----------------------------------------------------------------------------------------------


class FunctionAt:
    """A function by its ARN, sent the event. Two of the same ARN are equal."""

    protocol = "lambda"
    awaits = False
    confirms = False
    envelope = True  # for its dead letters: recorded
    schedule: Schedule = AWS_MANAGED

    def __init__(self, world: World, arn: str) -> None:
        self.world = world
        self.arn = arn
        self.endpoint = arn

    def __eq__(self, other: object) -> bool:
        return self.arn == other.arn if isinstance(other, FunctionAt) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.arn)

    def deliver(self, notification: Notification, post: Post) -> str:
        """Send it the event; its request id."""
        function = self.world.function_at(self.arn)
        if function is None:
            raise DeliveryRefused(self.arn, why="there is no function of that name")
        return function.deliver(notification)


class Firehose:
    """A delivery stream, which is nowhere in a world. Two of the same ARN are equal."""

    protocol = "firehose"
    awaits = False
    confirms = False
    envelope = True
    schedule: Schedule = AWS_MANAGED

    def __init__(self, arn: str) -> None:
        self.endpoint = arn

    def __eq__(self, other: object) -> bool:
        return self.endpoint == other.endpoint if isinstance(other, Firehose) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.endpoint)

    def deliver(self, notification: Notification, post: Post) -> NoReturn:
        """Raises DeliveryRefused."""
        raise DeliveryRefused(self.endpoint, why="there is no Firehose here")


class App(Push):
    """The endpoint of a platform application, as long as it is enabled."""

    __slots__ = ("world",)

    world: World

    def __init__(self, world: World, arn: str) -> None:
        super().__init__(arn)
        object.__setattr__(self, "world", world)

    def deliver(self, notification: Notification, post: Post) -> Any:
        """As a Push. Raises DeliveryRefused."""
        parts = self.endpoint.split(":")
        place = self.world.known(parts[4], parts[3])
        name = self.endpoint.rpartition("/")[0].replace(":endpoint/", ":app/")
        application = None if place is None else kept(place).applications.get(name)
        device = None if application is None else application.devices.get(self.endpoint)
        if application is None or device is None:
            raise DeliveryRefused(self.endpoint, why="there is no such endpoint")
        if not application.enabled or device.attributes["Enabled"] != "true":
            raise DeliveryRefused(self.endpoint, why="Endpoint is disabled")
        return super().deliver(notification, post)


class Phone(SMS):
    """A telephone that gets text messages of a topic, or an account, until it opts out."""

    __slots__ = ("owner", "world")

    world: World
    owner: str

    def __init__(self, world: World, number: str, owner: str) -> None:
        super().__init__(number)
        object.__setattr__(self, "world", world)
        object.__setattr__(self, "owner", owner)

    def deliver(self, notification: Notification, post: Post) -> Any:
        """As an SMS. Raises DeliveryRefused."""
        parts = self.owner.split(":")
        place = self.world.known(parts[4], parts[3])
        if place is not None and self.number in kept(place).opted_out:
            raise DeliveryRefused(self.number, why="Phone number is opted out")
        return super().deliver(notification, post)


# -- shown -----------------------------------------------------------------------------------------------------------


def shown_protocol(subscription: Subscription) -> str:
    """SNS's word for it."""
    return subscription.way.protocol


def shown_endpoint(subscription: Subscription) -> str:
    """Where it delivers to: an ARN, URL, address or number."""
    sink: Any = subscription.sink
    if isinstance(sink, Sending):
        queue: Any = sink  # pyright: ignore[reportUnknownVariableType]
        return str(queue.arn)
    if isinstance(subscription.target, Function):
        return subscription.target.arn
    return sink.arn if isinstance(sink, (QueueAt, FunctionAt)) else str(sink.endpoint)
