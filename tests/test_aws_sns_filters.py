"""Filter policies over the wire: what SNS says of each that is wrong, and where. Texts as recorded (shared facts)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sns_caller import ACCOUNT, Caller, bodies

from decouple.aws import World
from decouple.testing import VirtualClock

QUEUE = f"arn:aws:sqs:us-east-1:{ACCOUNT}:orders"


@pytest.fixture
def sns() -> Caller:
    return Caller(World(clock=VirtualClock(), account=ACCOUNT))


@pytest.fixture
def topic(sns: Caller) -> str:
    return sns.topic()


def refusal(sns: Caller, topic: str, policy: Any, scope: str = "MessageAttributes") -> str:
    text = policy if isinstance(policy, str) else json.dumps(policy)
    attributes = {"FilterPolicy": text, "FilterPolicyScope": scope}
    code, words = sns.error("Subscribe", TopicArn=topic, Protocol="sqs", Endpoint=QUEUE, Attributes=attributes)
    assert code == "InvalidParameter"
    return words


WITH_PLACE = {
    "a value": ("v", '"key" must be an object or an array'),
    "an empty array": ([], "Empty arrays are not allowed"),
    "an array in it": ([["v"]], "Match value must be String, number, true, false, or null"),
    "two operators": ([{"prefix": "a", "suffix": "b"}], "Only one key allowed in match expression"),
    "an unknown operator": ([{"like": "a"}], "Unrecognized match type like"),
    "a wildcard": ([{"wildcard": "a*"}], "Unrecognized match type wildcard"),
    "numeric text": ([{"numeric": [">=", "1"]}], "Value of >= must be numeric"),
    "numeric backwards": ([{"numeric": [">", 2, "<", 1]}], "Bottom must be less than top"),
    "numeric twice": ([{"numeric": [">", 1, ">", 2]}], "Bad numeric range operator: >"),
    "numeric too long": ([{"numeric": ["=", 1, 2]}], "Too many elements in numeric expression"),
    "numeric range too long": ([{"numeric": [">", 1, "<", 2, 3]}], "Too many terms in numeric range expression"),
    "exists": ([{"exists": 1}], "exists match pattern must be either true or false."),
    "suffix": ([{"suffix": 1}], "suffix match pattern must be a string"),
    "prefix": ([{"prefix": 1}], "prefix match pattern must be a string"),
    "cidr as a number": ([{"cidr": 1}], "prefix match pattern must be a string"),
    "cidr without mask": ([{"cidr": "10.0.0.0"}], "Malformed CIDR, one '/' required"),
    "cidr with a wrong mask": ([{"cidr": "10.0.0.0/x"}], "Malformed CIDR, mask bits must be an integer"),
    "cidr of no address": ([{"cidr": "10.0.0/8"}], "Nonstandard IP address: 10.0.0"),
    "anything but a suffix": ([{"anything-but": {"suffix": "a"}}], "Unsupported anything-but pattern: suffix"),
}


@pytest.mark.parametrize(("value", "text"), WITH_PLACE.values(), ids=WITH_PLACE)
def test_a_policy_that_cannot_be_read_is_refused_with_the_place(sns, topic, value, text):
    policy = json.dumps({"key": value})

    words = refusal(sns, topic, policy)

    wanted = f'Invalid parameter: Attributes Reason: FilterPolicy: {text}\n at [Source: (String)"{policy}"; line: 1, column: '
    assert words.startswith(wanted)
    assert words.endswith("]")


# The column is the one after what AWS's parser has read: the quote or bracket of the value, all of anything else.
PLACES = {
    "text": ('{"key": "v"}', 1, 10),
    "an array": ('{"key":[]}', 1, 9),
    "a number": ('{"key":12}', 1, 10),
    "on the second line": ('{\n "key": [[]]}', 2, 11),
    "after another key": ('{"a,]}": ["\\"}"], "key": "v"}', 1, 27),
}


@pytest.mark.parametrize(("policy", "line", "column"), PLACES.values(), ids=PLACES)
def test_the_place_is_where_the_parser_was(sns, topic, policy, line, column):
    assert refusal(sns, topic, policy).endswith(f"; line: {line}, column: {column}]")


PLAIN = {
    "six keys": (
        {f"k{number}": ["v"] for number in range(6)},
        "FilterPolicy: Filter policy can not have more than 5 keys",
    ),
    "151 combinations": ({"key": [str(number) for number in range(151)]}, "FilterPolicy: Filter policy is too complex"),
}


@pytest.mark.parametrize(("policy", "text"), PLAIN.values(), ids=PLAIN)
def test_a_policy_over_a_limit_is_refused_without_a_place(sns, topic, policy, text):
    assert refusal(sns, topic, policy) == f"Invalid parameter: Attributes Reason: {text}"


def test_150_combinations_are_not_too_many(sns, topic):
    sns.subscribe(topic, QUEUE, FilterPolicy={"key": [str(number) for number in range(150)]})


def test_depth_counts_in_the_scope_of_bodies(sns, topic):
    policy = {"a": {"b": {"c": ["1", "2", "3", "4"]}, "d": ["1", "2", "3"]}}
    sns.subscribe(topic, QUEUE, FilterPolicyScope="MessageBody", FilterPolicy=policy)

    policy["a"]["d"] += ["4", "5", "6", "7"]
    wanted = "Invalid parameter: Attributes Reason: FilterPolicy: Filter policy is too complex"
    assert refusal(sns, topic, policy, "MessageBody") == wanted


def test_a_nested_policy_is_not_for_attributes(sns, topic):
    wanted = "Invalid parameter: Filter policy scope MessageAttributes does not support nested filter policy"

    assert refusal(sns, topic, {"a": {"b": ["c"]}}) == wanted


@pytest.mark.parametrize(
    "policy", ["{", "{'a': 1}", '{"a": [NaN]}', "[" * 100_000], ids=["open", "quotes", "NaN", "deep"]
)
def test_what_is_no_json_is_refused(sns, topic, policy):
    assert refusal(sns, topic, policy) == "Invalid parameter: Attributes Reason: FilterPolicy: failed to parse JSON."


def test_what_is_no_object_is_refused(sns, topic):
    assert refusal(sns, topic, "[]").startswith("Invalid parameter: Attributes Reason: FilterPolicy: ")


def test_a_filter_looks_at_attributes_of_the_wire(sns, topic):
    queue = sns.broker.queue("orders")
    policy = {"kind": ["paid"], "price": [{"numeric": [">=", 100]}], "tags": ["new"]}
    sns.subscribe(topic, queue.arn, RawMessageDelivery="true", FilterPolicy=policy)

    for text, price in (("dear", "100"), ("cheap", "99.5")):
        sns(
            "Publish",
            TopicArn=topic,
            Message=text,
            MessageAttributes={
                "kind": {"DataType": "String", "StringValue": "paid"},
                "price": {"DataType": "Number", "StringValue": price},
                "tags": {"DataType": "String.Array", "StringValue": '["old", "new"]'},
            },
        )

    assert bodies(queue) == ["dear"]
