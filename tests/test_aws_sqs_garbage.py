"""SQS on the wire, given anything that has the right type: it answers as the model says, or with a service error."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import attrs
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqs_caller import OTHER, OWNER, Caller

from decouple.aws import ServiceError, World
from decouple.aws.model import Shape
from decouple.aws.sqs import SQS
from decouple.aws.sqs.attributes import SHOWERS
from decouple.testing import VirtualClock

PREFIX = f"arn:aws:sqs:us-east-1:{OWNER}:"
NAMES = ("orders", "dead", "orders.fifo", "other.fifo", "typed", "new")
STATEMENT = {"Effect": "Allow", "Principal": {"AWS": OTHER}, "Action": "sqs:*", "Resource": "*"}
# What gets further than noise would, by the member it is for.
POOLS: dict[str, list[Any]] = {
    "QueueUrl": [*NAMES, f"https://sqs.us-east-1.amazonaws.com/{OWNER}/orders", "http://[", "//", f"/{OTHER}/orders"],
    "QueueName": [*NAMES, "a" * 80, "a/b"],
    "SourceArn": [PREFIX + name for name in NAMES],
    "DestinationArn": [PREFIX + name for name in NAMES],
    "MessageGroupId": ["g", "h", "", "a b"],
    "MessageDeduplicationId": ["d", "e"],
    "ReceiveRequestAttemptId": ["r", "\x00"],
    "DataType": ["String", "Number", "Binary", "Number.x", "Strong"],
    "StringValue": ["1", "x", "\x00", "\ud800"],
    "AWSAccountIds": [[OWNER], [OTHER]],
    "Actions": [["*"], ["SendMessage", "DeleteMessage"]],
    "QueueOwnerAWSAccountId": [OWNER, OTHER],
    "MessageAttributeNames": [["All"], ["a.*", "b"]],
    "AttributeNames": [["All"], ["SenderId", "SentTimestamp"], ["QueueArn"]],
    "MessageSystemAttributeNames": [["All"]],
    "Label": ["a", "b"],
    "Id": ["a", "b", "c"],
}
VALUES = [
    "", "true", "false", "0", "1", "60", "1024", "queue", "messageGroup", "perMessageGroupId", "\ud800",
    json.dumps({"deadLetterTargetArn": PREFIX + "dead", "maxReceiveCount": 2}),
    json.dumps({"deadLetterTargetArn": PREFIX + "orders", "maxReceiveCount": "1"}),
    json.dumps({"deadLetterTargetArn": PREFIX + "other.fifo", "maxReceiveCount": 1}),
    json.dumps({"redrivePermission": "byQueue", "sourceQueueArns": [PREFIX + "orders", "\ud800"]}),
    json.dumps({"redrivePermission": "byQueue", "sourceQueueArns": [PREFIX + "a:b:c"]}),
    json.dumps({"redrivePermission": "denyAll", "\ud800": [1e999]}),
    json.dumps({"Version": "2012-10-17", "Statement": STATEMENT}),
    json.dumps({"Version": "2012-10-17", "Statement": [{**STATEMENT, "Sid": "a"}]}),
    '{"a":' * 5_000,
    "1" * 5_000,
]  # fmt: skip


@attrs.define
class Order:
    number: int


def of(shape: Shape, name: str = "") -> st.SearchStrategy[Any]:
    """Anything of that shape."""
    noise = noise_of(shape)
    if shape.name == "QueueAttributeMap":
        known = st.dictionaries(st.sampled_from([*SHOWERS, "Foo"]), st.sampled_from(VALUES), max_size=3)
        return known | noise
    return st.sampled_from(POOLS[name]) | noise if name in POOLS else noise


def noise_of(shape: Shape) -> st.SearchStrategy[Any]:
    if shape.type == "structure":
        members = {name: of(member.shape, name) for name, member in shape.members.items()}
        required = {name: members.pop(name) for name in shape.required}
        return st.fixed_dictionaries(required, optional=members)
    if shape.type == "list":
        return st.lists(of(shape.element.shape), max_size=12)
    if shape.type == "map":
        return st.dictionaries(of(shape.key.shape), of(shape.value.shape), max_size=3)
    return {
        "string": st.text(max_size=200) | st.sampled_from(VALUES),
        "integer": st.integers(-2, 25) | st.integers(-(2**31), 2**31),
        "boolean": st.booleans(),
        "blob": st.binary(max_size=20),
    }[shape.type]


def requests() -> st.SearchStrategy[tuple[str, dict[str, Any]]]:
    """An operation and its parameters."""

    @cache
    def of_one(name: str) -> st.SearchStrategy[tuple[str, dict[str, Any]]]:
        shape = SQS.model.operations[name].input
        assert shape is not None
        return st.tuples(st.just(name), of(shape))

    return st.sampled_from(sorted(SQS.operations)).flatmap(of_one)


def check(value: Any, shape: Shape) -> None:
    """The value is of that shape, without members that the model does not know, and without empty lists and maps."""
    if shape.type == "structure":
        assert set(value) <= set(shape.members)
        for name, inner in value.items():
            check(inner, shape.members[name].shape)
    elif shape.type == "list":
        assert value
        for inner in value:
            check(inner, shape.element.shape)
    elif shape.type == "map":
        assert value
        for key, inner in value.items():
            check(key, shape.key.shape)
            check(inner, shape.value.shape)
    else:
        kind = {"string": str, "integer": int, "long": int, "boolean": bool, "blob": bytes}[shape.type]
        assert type(value) is kind
        json.dumps(value.decode("latin-1") if isinstance(value, bytes) else value, ensure_ascii=False).encode()


def callers() -> list[Caller]:
    """Two accounts in a world with queues of every kind, some messages, and some of them dead or in flight."""
    world = World(clock=VirtualClock(), account=OWNER)
    broker = world.broker()
    dead = broker.queue("dead")
    orders = broker.queue("orders", dead_letter=dead, max_receives=1)
    fifo = broker.queue("orders.fifo", content_based_deduplication=True)
    broker.queue("other.fifo", dead_letter=fifo, max_receives=1, on_poison="park")
    broker.queue("typed", body=Order)
    for number in range(4):
        orders.send(f"m{number}", attributes={"a": 1, "b": b"x"})
        fifo.send(f"m{number}", group="g")
    orders.receive(max_messages=2, visibility_timeout=0)
    orders.receive(max_messages=2)
    fifo.receive()
    return [Caller(world), Caller(world, OTHER), Caller(world, protocol="query")]


def outcome(caller: Caller, operation: str, parameters: dict[str, Any]) -> dict[str, Any] | ServiceError:
    try:
        return caller(operation, **parameters)
    except ServiceError as error:
        return error


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.lists(st.tuples(st.integers(0, 2), requests()), min_size=1, max_size=8))
def test_anything_well_typed_is_answered_or_refused(calls: list[tuple[int, tuple[str, dict[str, Any]]]]) -> None:
    them = callers()
    handles: list[str] = []

    for which, (operation, parameters) in calls:
        if "ReceiptHandle" in parameters and handles:
            parameters["ReceiptHandle"] = handles[-1]
        answer = outcome(them[which], operation, parameters)
        if isinstance(answer, ServiceError):
            continue
        shape = SQS.model.operations[operation].output
        if shape is None:
            assert answer == {}
        else:
            check(answer, shape)
        handles += [message["ReceiptHandle"] for message in answer.get("Messages", [])]

    them[0].world.check()
