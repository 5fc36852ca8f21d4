"""SQS as tests call it: one caller of a world, whose operations answer or are refused."""

from __future__ import annotations

from typing import Any

import pytest

from decouple import Queue
from decouple.aws import Call, ServiceError, World
from decouple.aws.sqs import SQS

OWNER, OTHER = "111122223333", "444455556666"


class Caller:
    """An account's root in one region."""

    def __init__(
        self, world: World, account: str = OWNER, region: str = "us-east-1", protocol: str = "json", **headers: str
    ) -> None:
        self.world = world
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        self.call = Call(world.place(account, region), f"arn:aws:iam::{account}:root", protocol, named)

    def __call__(self, operation: str, **given: Any) -> dict[str, Any]:
        return SQS.perform(self.call, operation, given)

    async def aperform(self, operation: str, **given: Any) -> dict[str, Any]:
        return await SQS.aperform(self.call, operation, given)

    def refused(self, operation: str, **given: Any) -> ServiceError:
        with pytest.raises(ServiceError) as caught:
            self(operation, **given)
        return caught.value

    def create(self, name: str = "orders", **attributes: str) -> str:
        """The URL of a new queue."""
        if name.endswith(".fifo"):
            attributes = {"FifoQueue": "true", **attributes}
        url: str = self("CreateQueue", QueueName=name, Attributes=attributes)["QueueUrl"]
        return url

    def queue(self, name: str = "orders") -> Queue:
        return self.call.place.broker.queues[name]

    def attributes(self, url: str, *names: str) -> dict[str, str]:
        found: dict[str, str] = self("GetQueueAttributes", QueueUrl=url, AttributeNames=[*names] or ["All"]).get(
            "Attributes", {}
        )
        return found

    def set(self, url: str, **attributes: str) -> None:
        assert self("SetQueueAttributes", QueueUrl=url, Attributes=attributes) == {}

    def send(self, url: str, body: str = "x", **given: Any) -> dict[str, Any]:
        return self("SendMessage", QueueUrl=url, MessageBody=body, **given)

    def receive(self, url: str, most: int = 1, **given: Any) -> list[dict[str, Any]]:
        """The messages; [] where the key is absent, which it is instead of being empty."""
        answer = self("ReceiveMessage", QueueUrl=url, MaxNumberOfMessages=most, **given)
        assert answer == {} or answer["Messages"]
        return answer.get("Messages", [])

    def bodies(self, url: str, most: int = 10, **given: Any) -> list[str]:
        return [message["Body"] for message in self.receive(url, most, **given)]

    def arn(self, name: str = "orders") -> str:
        return self.queue(name).arn


def told(error: ServiceError) -> tuple[str, str, int, str]:
    """What an error says: shape, code, status, text."""
    return error.shape, error.code, error.status, error.message


INVALID = ("InvalidParameterValueException", "InvalidParameterValue", 400)
MISSING = ("MissingRequiredParameterException", "MissingParameter", 400)
NO_QUEUE = (
    "QueueDoesNotExist",
    "AWS.SimpleQueueService.NonExistentQueue",
    400,
    "The specified queue does not exist.",
)


def wrong(value: object, parameter: str, reason: str) -> tuple[str, str, int, str]:
    """InvalidParameterValue, as SQS words it."""
    return (*INVALID, f"Value {value} for parameter {parameter} is invalid. Reason: {reason}")
