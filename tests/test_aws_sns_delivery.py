"""Delivery policies of web endpoints: what is shown, filled in, and what they do. Shapes as recorded (shared facts)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sns_caller import ACCOUNT, Caller

from decouple.aws import World
from decouple.testing import VirtualClock

URL = "https://example.com/hook"
HEALTHY = {
    "minDelayTarget": 20,
    "maxDelayTarget": 20,
    "numRetries": 3,
    "numMaxDelayRetries": 0,
    "numNoDelayRetries": 0,
    "numMinDelayRetries": 0,
    "backoffFunction": "linear",
}


@pytest.fixture
def sns() -> Caller:
    return Caller(World(clock=VirtualClock(), account=ACCOUNT))


@pytest.fixture
def topic(sns: Caller) -> str:
    return sns.topic()


def effective(sns: Caller, arn: str) -> Any:
    return json.loads(sns.attributes(arn)["EffectiveDeliveryPolicy"])


def only(sns: Caller) -> Any:
    [subscription] = sns.broker.topics["events"].subscriptions
    return subscription


def test_a_web_endpoint_shows_the_policy_that_holds_and_a_queue_none(sns, topic):
    hook = sns.subscribe(topic, URL, "https")
    queue = sns.subscribe(topic, f"arn:aws:sqs:us-east-1:{ACCOUNT}:orders")

    assert effective(sns, hook) == {
        "healthyRetryPolicy": HEALTHY,
        "sicklyRetryPolicy": None,
        "throttlePolicy": None,
        "requestPolicy": {"headerContentType": "text/plain; charset=UTF-8"},
        "guaranteed": False,
    }
    assert "DeliveryPolicy" not in sns.attributes(hook)
    assert "EffectiveDeliveryPolicy" not in sns.attributes(queue)


def test_what_a_policy_leaves_out_is_null_in_it_and_filled_in_the_effective_one(sns, topic):
    policy = {"requestPolicy": {"headerContentType": "text/csv"}, "throttlePolicy": {"maxReceivesPerSecond": 5}}

    arn = sns.subscribe(topic, URL, "https", DeliveryPolicy=policy)

    assert json.loads(sns.attributes(arn)["DeliveryPolicy"]) == {
        "healthyRetryPolicy": None,
        "sicklyRetryPolicy": None,
        "guaranteed": False,
        **policy,
    }
    assert effective(sns, arn)["healthyRetryPolicy"] == HEALTHY
    assert (only(sns).target.content_type, only(sns).terms.gap) == ("text/csv", 200_000_000)
    assert sns.subscribe(topic, URL, "https", DeliveryPolicy=policy) == arn


def test_a_topics_policy_stands_in_for_what_is_left_out_also_later(sns, topic):
    arn = sns.subscribe(topic, URL, "https", DeliveryPolicy={"throttlePolicy": {"maxReceivesPerSecond": 5}})
    policy = {
        "http": {"defaultHealthyRetryPolicy": {"numRetries": 7}, "defaultThrottlePolicy": {"maxReceivesPerSecond": 1}}
    }

    sns("SetTopicAttributes", TopicArn=topic, AttributeName="DeliveryPolicy", AttributeValue=json.dumps(policy))

    found = effective(sns, arn)
    assert (found["healthyRetryPolicy"]["numRetries"], found["throttlePolicy"]) == (7, {"maxReceivesPerSecond": 5})
    assert (only(sns).terms.schedule.retries, only(sns).terms.gap) == (7, 200_000_000)


def test_a_topics_policy_can_stand_above_all(sns, topic):
    policy = {"http": {"disableSubscriptionOverrides": True}}
    sns("SetTopicAttributes", TopicArn=topic, AttributeName="DeliveryPolicy", AttributeValue=json.dumps(policy))

    arn = sns.subscribe(topic, URL, "https", DeliveryPolicy={"healthyRetryPolicy": {"numRetries": 7}})

    assert effective(sns, arn)["healthyRetryPolicy"]["numRetries"] == 3


WRONG: dict[str, Any] = {
    "a list": [],
    "an unknown part": {"colour": 1},
    "a delay of nothing": {"healthyRetryPolicy": {"minDelayTarget": 0}},
    "a hundred and one": {"healthyRetryPolicy": {"numRetries": 101}},
    "over an hour": {"healthyRetryPolicy": {"numRetries": 100, "minDelayTarget": 60, "maxDelayTarget": 60}},
    "an unknown function": {"healthyRetryPolicy": {"backoffFunction": "random"}},
    "no rate": {"throttlePolicy": {"maxReceivesPerSecond": 0}},
    "a media type of two lines": {"requestPolicy": {"headerContentType": "a\nb"}},
    "a guarantee": {"guaranteed": "yes"},
}


@pytest.mark.parametrize("policy", WRONG.values(), ids=WRONG)
def test_a_policy_that_cannot_be_is_refused(sns, topic, policy):
    given = {
        "TopicArn": topic,
        "Protocol": "https",
        "Endpoint": URL,
        "Attributes": {"DeliveryPolicy": json.dumps(policy)},
    }

    code, words = sns.error("Subscribe", **given)

    assert code == "InvalidParameter"
    assert words.startswith("Invalid parameter: Attributes Reason: DeliveryPolicy: ")


def test_a_native_endpoint_keeps_the_schedule_it_has(sns, topic):
    subscription = sns.broker.topics["events"].subscribe(URL, retry={"numRetries": 1})
    policy = {"http": {"defaultHealthyRetryPolicy": {"numRetries": 7}}}

    sns("SetTopicAttributes", TopicArn=topic, AttributeName="DeliveryPolicy", AttributeValue=json.dumps(policy))

    assert subscription.terms.schedule.retries == 1
    assert sns.subscribe(topic, URL, "https") == subscription.arn
