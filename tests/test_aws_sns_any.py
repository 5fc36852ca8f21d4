"""Whatever is asked of SNS in the types of its model, the answer is one of the model's shape, or SNS's error."""

from __future__ import annotations

import json
from contextlib import suppress
from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sns_caller import ACCOUNT, OTHER, Caller

from decouple.aws import ServiceError, World
from decouple.aws.sns import SNS
from decouple.testing import VirtualClock

TOPICS = [f"arn:aws:sns:us-east-1:{ACCOUNT}:{name}" for name in ("events", "events.fifo", "nowhere")]
QUEUES = [
    f"arn:aws:sqs:us-east-1:{account}:{name}" for account in (ACCOUNT, OTHER) for name in ("orders", "orders.fifo")
]
SUBSCRIPTION = f"{TOPICS[0]}:00000000-0000-0000-0000-000000000000"
APP = f"arn:aws:sns:us-east-1:{ACCOUNT}:app/GCM/shop"
POLICIES = [
    *(
        '{"a": ["b"]}',
        '{"a": {"b": [{"numeric": [">", 1]}]}}',
        '{"$or": [{"a": ["b"]}, {"c": ["d"]}]}',
        "[]",
        "{",
        "null",
        "7",
    ),
    json.dumps({"deadLetterTargetArn": QUEUES[0]}),
    json.dumps({"http": {"defaultHealthyRetryPolicy": {"numRetries": 1}}}),
    json.dumps({"healthyRetryPolicy": {"numRetries": 1}, "requestPolicy": {"headerContentType": "a/b"}}),
    json.dumps({"PointType": "Timestamp", "StartingPoint": "2026-01-01T00:00:00Z"}),
    json.dumps({"MessageRetentionPeriod": "7"}),
    json.dumps({"Statement": [{"Effect": "Deny", "Principal": "*", "Action": "sns:Publish"}]}),
    json.dumps({"default": "x", "sqs": "y"}),
]
WORDS = [
    *TOPICS,
    *QUEUES,
    *POLICIES,
    *("true", "false", "1", "2", "262144", "json", "Topic", "MessageGroup", "MessageBody", "Publish", "a", "g", "GCM"),
    *("sqs", "lambda", "https", "email", "email-json", "sms", "application", "firehose", "+15550100", "a@example.com"),
    *("https://example.com", "https://[", "events", "events.fifo", "shop", "", "\x00", "\ud800", "x" * 300, ":" * 9),
    *("DisplayName", "Policy", "DeliveryPolicy", "SignatureVersion", "FifoTopic", "ContentBasedDeduplication"),
    *("MaximumMessageSize", "ArchivePolicy", "FifoThroughputScope", "TracingConfig", "HTTPSuccessFeedbackSampleRate"),
    *(
        "FilterPolicy",
        "FilterPolicyScope",
        "RawMessageDelivery",
        "RedrivePolicy",
        "ReplayPolicy",
        "SubscriptionRoleArn",
    ),
    *("Enabled", "Token", "CustomUserData", "PlatformCredential", "String", "Number", "Binary", "String.Array"),
    *(SUBSCRIPTION, APP, APP.replace(":app/", ":endpoint/") + "/x", f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:f"),
    *(f"arn:aws:firehose:us-east-1:{ACCOUNT}:deliverystream/x", "arn:aws:sns:::", "arn:aws:sqs:here:nobody:x", ACCOUNT),
]


PROTOCOLS = ["sqs", "lambda", "https", "email", "email-json", "sms", "application", "firehose"]
ATTRIBUTES = [word for word in WORDS if word[:1].isupper() and word.isalnum()]
LIKELY = {
    "TopicArn": TOPICS[:2],
    "ResourceArn": TOPICS[:2],
    "Protocol": PROTOCOLS,
    "AttributeName": ATTRIBUTES,
    "DataType": ["String", "Number", "Binary", "String.Array"],
    "PlatformApplicationArn": [APP],
    "Platform": ["GCM"],
    "Name": ["events", "events.fifo", "shop"],
}
"""What a parameter mostly is, so that requests come far."""


def text_of(name: str) -> st.SearchStrategy[str]:
    common = [st.sampled_from(LIKELY[name])] * 8 if name in LIKELY else []
    return st.one_of(*common, st.sampled_from(WORDS), st.text(st.characters(), max_size=20))


def values(shape: Any, name: str = "") -> st.SearchStrategy[Any]:
    """Values of a shape of the model, most of them words that mean something somewhere."""
    if shape.type == "structure":
        members = {name: values(one.shape, name) for name, one in shape.members.items()}
        required = {name: members.pop(name) for name in shape.required}
        return st.fixed_dictionaries(required, optional=members)
    if shape.type == "list":
        return st.lists(values(shape.element.shape), max_size=3)
    if shape.type == "map":
        keys = text_of("AttributeName") if name in ("Attributes", "attributes") else values(shape.key.shape)
        return st.dictionaries(keys, values(shape.value.shape), max_size=3)
    plain: dict[str, st.SearchStrategy[Any]] = {
        "string": text_of(name),
        "boolean": st.booleans(),
        "integer": st.integers(-5, 200),
        "blob": st.binary(max_size=5),
    }
    return plain[shape.type]


def requests() -> st.SearchStrategy[tuple[str, dict[str, Any]]]:
    @cache
    def of(name: str) -> st.SearchStrategy[tuple[str, dict[str, Any]]]:
        shape = SNS.model.operations[name].input
        return st.tuples(st.just(name), st.just({}) if shape is None else values(shape))

    return st.sampled_from(sorted(SNS.operations)).flatmap(of)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(requests(), min_size=1, max_size=8), st.sampled_from([ACCOUNT, OTHER]))
def test_any_requests_have_answers_or_errors_of_the_service(asked, account):
    world = World(clock=VirtualClock(), account=ACCOUNT)
    owner = Caller(world)
    owner.topic("events")
    owner.topic("events.fifo", ContentBasedDeduplication="true")
    caller = Caller(world, account)

    for operation, parameters in asked:
        with suppress(ServiceError):
            answer = caller(operation, **parameters)
            output = SNS.model.operations[operation].output
            assert set(answer) <= set({} if output is None else output.members)
    world.check()
    world.close(0)


def test_every_operation_of_the_model_is_in_the_table():
    assert set(SNS.operations) == set(SNS.model.operations)
    assert len(SNS.operations) == 42


@pytest.mark.parametrize("name", sorted(SNS.operations))
def test_an_operation_that_is_not_all_there_says_why(name):
    operation = SNS.operations[name]

    assert operation.level in ("works", "stored", "refused")
    assert operation.level == "works" or operation.note
