"""A caller of SNS in a world that stands still, for the tests of its operations."""

from __future__ import annotations

import json
from typing import Any

import pytest

from decouple.aws import Call, ServiceError, World
from decouple.aws.sns import SNS
from decouple.testing import VirtualClock

ACCOUNT, OTHER, REGION = "123456789012", "111122223333", "us-east-1"


class Caller:
    """`sns("Publish", TopicArn=..., Message=...)` answers what the service does; `sns.error(...)` is (code, text)."""

    def __init__(
        self, world: World, account: str = ACCOUNT, region: str = REGION, *, principal: str | None = None
    ) -> None:
        self.world = world
        self.place = world.place(account, region)
        who = f"arn:aws:iam::{account}:user/me" if principal is None else principal
        self.call = Call(self.place, who, "query")

    @property
    def clock(self) -> VirtualClock:
        clock: Any = self.world.clock
        return clock

    @property
    def broker(self) -> Any:
        return self.place.broker

    def __call__(self, operation: str, **given: Any) -> Any:
        return SNS.perform(self.call, operation, given)

    def error(self, operation: str, **given: Any) -> tuple[str, str]:
        with pytest.raises(ServiceError) as caught:
            self(operation, **given)
        return caught.value.code, caught.value.message

    def with_headers(self, **headers: str) -> Caller:
        other = Caller(self.world, self.place.account, self.place.region)
        other.call = self.call._replace(headers={name.replace("_", "-"): value for name, value in headers.items()})
        return other

    def topic(self, name: str = "events", **attributes: str) -> str:
        fifo = {"FifoTopic": "true"} if name.endswith(".fifo") else {}
        arn: str = self("CreateTopic", Name=name, Attributes={**fifo, **attributes})["TopicArn"]
        return arn

    def subscribe(self, topic: str, endpoint: str, protocol: str = "sqs", **attributes: Any) -> str:
        texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in attributes.items()}
        answer = self(
            "Subscribe",
            TopicArn=topic,
            Protocol=protocol,
            Endpoint=endpoint,
            Attributes=texts,
            ReturnSubscriptionArn=True,
        )
        arn: str = answer["SubscriptionArn"]
        return arn

    def attributes(self, arn: str) -> dict[str, str]:
        kind = "Subscription" if arn.count(":") == 6 else "Topic"
        found: dict[str, str] = self(f"Get{kind}Attributes", **{f"{kind}Arn": arn})["Attributes"]
        return found


def bodies(queue: Any) -> list[str]:
    return [message.text for message in queue.peek(100)]
