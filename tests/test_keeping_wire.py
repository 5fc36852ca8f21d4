"""The AWS wire sees the topics and subscriptions of an earlier process as they were."""

from __future__ import annotations

from typing import Any

import pytest
from shelved import DictShelf, Shelved
from sns_caller import ACCOUNT, REGION, Caller

from decouple import Broker, VirtualClock
from decouple.aws import World


@pytest.fixture
def shelf() -> DictShelf:
    return DictShelf()


def restarted(shelf: DictShelf) -> Caller:
    shelf.die()
    broker = Broker(Shelved(shelf), clock=VirtualClock(), account=ACCOUNT, region=REGION)
    return Caller(World.around(broker))


def listed(sns: Caller) -> list[Any]:
    return sorted(sns("ListSubscriptions")["Subscriptions"], key=lambda one: one["Endpoint"])


def test_subscriptions_made_over_the_wire_are_listed_and_found_in_the_next_process(shelf: DictShelf) -> None:
    before = restarted(shelf)
    topic = before.topic()
    before.broker.queue("orders")
    endpoints = {
        "sqs": f"arn:aws:sqs:{REGION}:{ACCOUNT}:orders",
        "sms": "+15550100",
        "lambda": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:resize",
    }
    arns = {
        protocol: before.subscribe(topic, endpoint, protocol, FilterPolicy={"kind": ["a"]})
        for protocol, endpoint in endpoints.items()
    }
    was = listed(before)

    after = restarted(shelf)

    def resize(event: Any, context: Any) -> None: ...

    after.broker.function(resize)
    assert [topic["TopicArn"] for topic in after("ListTopics")["Topics"]] == [topic]
    assert [one["SubscriptionArn"] for one in listed(after)] == [one["SubscriptionArn"] for one in was]
    assert listed(after) == was
    for protocol, endpoint in endpoints.items():
        assert after.subscribe(topic, endpoint, protocol) == arns[protocol]
        shown = after("GetSubscriptionAttributes", SubscriptionArn=arns[protocol])["Attributes"]
        assert (shown["FilterPolicy"], shown["PendingConfirmation"]) == ('{"kind": ["a"]}', "false")
    assert len(listed(after)) == 3


def test_what_is_set_and_ended_over_the_wire_is_kept(shelf: DictShelf) -> None:
    before = restarted(shelf)
    topic = before.topic()
    before.broker.queue("orders")
    arn = before.subscribe(topic, f"arn:aws:sqs:{REGION}:{ACCOUNT}:orders")
    other = before.subscribe(topic, "+15550100", "sms")
    before(
        "SetSubscriptionAttributes",
        SubscriptionArn=arn,
        AttributeName="RawMessageDelivery",
        AttributeValue="true",
    )
    before("Unsubscribe", SubscriptionArn=other)

    after = restarted(shelf)
    after("Publish", TopicArn=topic, Message="hello")

    assert [one["SubscriptionArn"] for one in listed(after)] == [arn]
    assert [message.body for message in after.broker.queues["orders"].receive()] == ["hello"]


def test_a_deleted_topic_stays_deleted(shelf: DictShelf) -> None:
    before = restarted(shelf)
    topic = before.topic("log.fifo")
    before("DeleteTopic", TopicArn=topic)

    assert restarted(shelf)("ListTopics")["Topics"] == []
