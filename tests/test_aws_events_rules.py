"""EventBridge's buses, rules, targets and tags: what they answer, and what they refuse with which text."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from decouple.aws import Call, ServiceError, World
from decouple.aws.events import EVENTS
from decouple.testing import VirtualClock

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)
ACCOUNT = "123456789012"
PREFIX = f"arn:aws:events:us-east-1:{ACCOUNT}"
QUEUE = f"arn:aws:sqs:us-east-1:{ACCOUNT}:orders"
PATTERN = '{"source": ["shop"]}'

Do = Callable[..., dict[str, Any]]


@pytest.fixture
def world(clock: VirtualClock) -> Iterator[World]:
    world = World(clock=clock, account=ACCOUNT)
    yield world
    world.close()


@pytest.fixture
def do(world: World) -> Do:
    """An operation, as the account's own."""
    call = Call(world.place(), f"arn:aws:iam::{ACCOUNT}:user/me", "json")
    return lambda name, **given: EVENTS.perform(call, name, given)


def refusal(do: Do, name: str, **given: Any) -> tuple[str, str, int]:
    with pytest.raises(ServiceError) as caught:
        do(name, **given)
    return caught.value.code, caught.value.message, caught.value.status


# -- buses -----------------------------------------------------------------------------------------------------------


def test_the_default_bus_is_always_there(do: Do) -> None:
    default = {
        "Name": "default",
        "Arn": f"{PREFIX}:event-bus/default",
        "CreationTime": NEW_YEAR,
        "LastModifiedTime": NEW_YEAR,
    }

    assert do("DescribeEventBus") == default
    assert do("ListEventBuses") == {"EventBuses": [default]}


def test_a_bus_is_made_described_changed_and_ended(do: Do, clock: VirtualClock) -> None:
    made = do("CreateEventBus", Name="shop", Description="the shop's")
    assert made == {"EventBusArn": f"{PREFIX}:event-bus/shop", "Description": "the shop's"}

    clock.advance(5)
    do("UpdateEventBus", Name="shop", Description="ours")
    bus = do("DescribeEventBus", Name=made["EventBusArn"])
    assert (bus["Description"], (bus["LastModifiedTime"] - bus["CreationTime"]).seconds) == ("ours", 5)
    assert [bus["Name"] for bus in do("ListEventBuses", NamePrefix="s")["EventBuses"]] == ["shop"]

    assert do("DeleteEventBus", Name="shop") == {}
    assert do("DeleteEventBus", Name="shop") == {}
    assert [bus["Name"] for bus in do("ListEventBuses")["EventBuses"]] == ["default"]


def test_refusals_of_buses(do: Do) -> None:
    """Recorded texts: others.md, section 1."""
    do("CreateEventBus", Name="shop")

    assert refusal(do, "DescribeEventBus", Name="x") == (
        "ResourceNotFoundException", "Event bus x does not exist.", 400)  # fmt: skip
    assert refusal(do, "DeleteEventBus", Name="default") == (
        "ValidationException", "Cannot delete event bus default.", 400)  # fmt: skip
    assert refusal(do, "CreateEventBus", Name="shop") == (
        "ResourceAlreadyExistsException", "Event bus shop already exists.", 400)  # fmt: skip
    assert refusal(do, "CreateEventBus", Name="default")[0] == "ResourceAlreadyExistsException"
    assert refusal(do, "CreateEventBus", Name="a/b") == (
        "ValidationException", "Event bus name must not contain '/'.", 400)  # fmt: skip
    assert refusal(do, "CreateEventBus", Name="x", EventSourceName="aws.partner/a/b")[0] == "ResourceNotFoundException"
    elsewhere = f"{PREFIX}:event-bus/shop".replace("us-east-1", "eu-west-1")
    assert refusal(do, "DescribeEventBus", Name=elsewhere)[1] == "Event bus shop does not exist."


def test_a_bus_is_of_one_account_and_region(world: World, do: Do) -> None:
    do("CreateEventBus", Name="shop")
    other = Call(world.place("111122223333", "eu-west-1"), "arn:aws:iam::111122223333:root", "json")

    assert len(EVENTS.perform(other, "ListEventBuses", {})["EventBuses"]) == 1
    bus = EVENTS.perform(other, "DescribeEventBus", {})
    assert bus["Arn"] == "arn:aws:events:eu-west-1:111122223333:event-bus/default"


# -- rules -----------------------------------------------------------------------------------------------------------


def test_a_rule_answers_what_was_given_and_nothing_else(do: Do) -> None:
    assert do("PutRule", Name="r", EventPattern=PATTERN) == {"RuleArn": f"{PREFIX}:rule/r"}

    rule = {
        "Name": "r",
        "Arn": f"{PREFIX}:rule/r",
        "EventPattern": PATTERN,
        "State": "ENABLED",
        "EventBusName": "default",
    }
    assert do("DescribeRule", Name="r") == {**rule, "CreatedBy": ACCOUNT}
    assert do("ListRules") == {"Rules": [rule]}


def test_the_arn_of_a_rule_has_its_bus_unless_that_is_the_default_one(do: Do) -> None:
    bus = do("CreateEventBus", Name="shop")["EventBusArn"]

    assert do("PutRule", Name="r", EventPattern=PATTERN, EventBusName="shop") == {"RuleArn": f"{PREFIX}:rule/shop/r"}
    assert do("DescribeRule", Name="r", EventBusName=bus)["EventBusName"] == "shop"


def test_a_rule_put_again_is_replaced_but_for_its_tags_and_targets(do: Do) -> None:
    do("PutRule", Name="r", EventPattern=PATTERN, Description="first", Tags=[{"Key": "a", "Value": "1"}])
    do("PutTargets", Rule="r", Targets=[{"Id": "1", "Arn": QUEUE}])

    do("PutRule", Name="r", ScheduleExpression="rate(1 day)", State="DISABLED", Tags=[{"Key": "b", "Value": "2"}])

    rule = do("DescribeRule", Name="r")
    assert rule.keys() == {"Name", "Arn", "ScheduleExpression", "State", "EventBusName", "CreatedBy"}
    assert rule["State"] == "DISABLED"
    assert do("ListTagsForResource", ResourceARN=rule["Arn"]) == {"Tags": [{"Key": "a", "Value": "1"}]}
    assert do("ListTargetsByRule", Rule="r") == {"Targets": [{"Id": "1", "Arn": QUEUE}]}


def test_a_rule_is_switched_off_and_on(do: Do) -> None:
    do("PutRule", Name="r", EventPattern=PATTERN)

    assert do("DisableRule", Name="r") == {}
    assert do("DescribeRule", Name="r")["State"] == "DISABLED"
    assert do("EnableRule", Name="r") == {}
    assert do("DescribeRule", Name="r")["State"] == "ENABLED"


def test_refusals_of_rules(do: Do) -> None:
    """Recorded texts: others.md, section 1."""
    do("CreateEventBus", Name="shop")
    missing = ("ResourceNotFoundException", "Rule x does not exist on EventBus default.", 400)

    for name in ("DescribeRule", "EnableRule", "DisableRule"):
        assert refusal(do, name, Name="x") == missing
    assert refusal(do, "PutTargets", Rule="x", Targets=[{"Id": "1", "Arn": QUEUE}]) == missing
    assert refusal(do, "RemoveTargets", Rule="x", Ids=["1"]) == missing
    assert refusal(do, "ListTargetsByRule", Rule="x") == missing
    assert refusal(do, "DescribeRule", Name="x", EventBusName="shop")[1] == "Rule x does not exist on EventBus shop."
    for name in ("PutRule", "DescribeRule"):
        given = {"EventPattern": PATTERN} if name == "PutRule" else {}
        assert refusal(do, name, Name="x", EventBusName="y", **given)[1] == "Event bus y does not exist."
    assert refusal(do, "ListRules", EventBusName="y")[1] == "Event bus y does not exist."
    assert refusal(do, "PutRule", Name="x") == (
        "ValidationException", "Parameter(s) EventPattern or ScheduleExpression must be specified.", 400)  # fmt: skip
    assert refusal(do, "PutRule", Name="x", ScheduleExpression="rate(1 day)", EventBusName="shop") == (
        "ValidationException", "ScheduleExpression is supported only on the default event bus.", 400)  # fmt: skip
    assert refusal(do, "PutRule", Name="x", EventPattern='{"a": []}') == (
        "InvalidEventPatternException", "Event pattern is not valid. Reason: Empty arrays are not allowed", 400)  # fmt: skip


@pytest.mark.parametrize(
    "expression",
    [
        "rate(1 minutes)", "rate(2 minute)", "rate(0 minutes)", "rate(-1 minutes)", "rate(5 seconds)", "rate()", "rate(5)",
        "cron(0 9 * * * *)", "cron(0 9 ? * MON)", "cron(60 9 * * ? *)", "cron(0 9 ? * ABC *)", "cron()",
        "at(2026-12-24T18:00:00)", " rate(5 minutes)", "x",
    ],
)  # fmt: skip
def test_expressions_that_rules_refuse(do: Do, expression: str) -> None:
    """A rule's rate(1 minutes) is invalid, and at() is Scheduler's: others.md, section 1."""
    assert refusal(do, "PutRule", Name="x", ScheduleExpression=expression) == (
        "ValidationException", "Parameter ScheduleExpression is not valid.", 400)  # fmt: skip


@pytest.mark.parametrize(
    "expression",
    [
        "rate(1 minute)", "rate(5 minutes)", "rate(999999999 days)", "cron(0 9 ? * MON-FRI *)", "cron(0/15 9 * * ? *)",
        "cron(*/15 * ? * 3#2 *)", "cron(0 9 ? * 6L *)", "cron(0 9 L * ? *)", "cron(0 9 3W * ? *)", "cron(0 9 ? * mon#1 *)",
        "cron(0 9 1-31/30 * ? *)", "cron(0 9 5-5 * ? 1999-2001)",
    ],
)  # fmt: skip
def test_expressions_that_rules_take_even_if_they_are_never_due(do: Do, expression: str) -> None:
    """Recorded valid: year ranges in the past, names before #, a-a and a-b/c."""
    do("PutRule", Name="x", ScheduleExpression=expression)

    assert do("DescribeRule", Name="x")["ScheduleExpression"] == expression


def test_a_rule_with_targets_cannot_be_deleted(do: Do) -> None:
    do("PutRule", Name="r", EventPattern=PATTERN)
    do("PutTargets", Rule="r", Targets=[{"Id": "1", "Arn": QUEUE}])
    assert refusal(do, "DeleteRule", Name="r") == (
        "ValidationException", "Rule can't be deleted since it has targets.", 400)  # fmt: skip

    do("RemoveTargets", Rule="r", Ids=["1"])
    assert do("DeleteRule", Name="r") == {}
    assert do("DeleteRule", Name="r") == {}
    assert do("DeleteRule", Name="r", EventBusName="x") == {}
    assert do("ListRules") == {"Rules": []}


def test_rules_are_listed_by_name_in_pages(do: Do) -> None:
    for number in range(5):
        do("PutRule", Name=f"r{number}", EventPattern=PATTERN)
    do("PutRule", Name="x", EventPattern=PATTERN)

    first = do("ListRules", NamePrefix="r", Limit=3)
    do("DeleteRule", Name="r2")
    second = do("ListRules", NamePrefix="r", Limit=3, NextToken=first["NextToken"])

    assert [rule["Name"] for rule in first["Rules"]] == ["r0", "r1", "r2"]
    assert [rule["Name"] for rule in second["Rules"]] == ["r3", "r4"]
    assert "NextToken" not in second
    assert refusal(do, "ListRules", NextToken="\xe4")[0] == "ValidationException"


# -- targets ---------------------------------------------------------------------------------------------------------


def test_targets_are_put_replaced_listed_and_removed(do: Do) -> None:
    do("PutRule", Name="r", EventPattern=PATTERN)
    done: dict[str, Any] = {"FailedEntryCount": 0, "FailedEntries": []}

    assert do("PutTargets", Rule="r", Targets=[{"Id": "1", "Arn": QUEUE}, {"Id": "2", "Arn": QUEUE}]) == done
    assert do("PutTargets", Rule="r", Targets=[{"Id": "1", "Arn": QUEUE, "Input": "{}"}]) == done

    assert do("ListTargetsByRule", Rule="r") == {
        "Targets": [{"Id": "1", "Arn": QUEUE, "Input": "{}"}, {"Id": "2", "Arn": QUEUE}]
    }
    assert do("ListRuleNamesByTarget", TargetArn=QUEUE) == {"RuleNames": ["r"]}
    assert do("ListRuleNamesByTarget", TargetArn=f"{QUEUE}s") == {"RuleNames": []}
    removed = do("RemoveTargets", Rule="r", Ids=["1", "3"])
    assert (removed["FailedEntryCount"], removed["FailedEntries"][0]["TargetId"]) == (1, "3")
    assert do("ListTargetsByRule", Rule="r") == {"Targets": [{"Id": "2", "Arn": QUEUE}]}


def test_a_rule_has_five_targets(do: Do) -> None:
    do("PutRule", Name="r", EventPattern=PATTERN)
    do("PutTargets", Rule="r", Targets=[{"Id": str(number), "Arn": QUEUE} for number in range(5)])

    do("PutTargets", Rule="r", Targets=[{"Id": "0", "Arn": QUEUE}])
    assert refusal(do, "PutTargets", Rule="r", Targets=[{"Id": "5", "Arn": QUEUE}])[0] == "LimitExceededException"


@pytest.mark.parametrize(
    ("target", "code", "text"),
    [
        pytest.param({"Arn": "x"}, "ValidationException",
                     "Parameter x is not valid. Reason: Provided Arn is not in correct format.", id="no ARN"),
        pytest.param({"Arn": "arn:aws:lambda:us-east-1:123456789012:f"}, "ValidationException",
                     "Provided Arn is not in correct format.", id="a function's without its name"),
        pytest.param({"Arn": f"{QUEUE}.fifo"}, "ValidationException",
                     "Parameter(s) SqsParameters must be specified for target: t.", id="FIFO without a group"),
        pytest.param({"Arn": QUEUE, "Input": "{}", "InputPath": "$.detail"}, "ValidationException",
                     "Only one of Input, InputPath, or InputTransformer must be provided for target t.", id="two inputs"),
        pytest.param({"Arn": QUEUE, "Input": "{"}, "ValidationException", "JSON syntax error in input for target t.", id="Input"),
        pytest.param({"Arn": QUEUE, "InputPath": "detail"}, "ValidationException", "InputPath for target t is invalid.",
                     id="InputPath"),
        pytest.param({"Arn": QUEUE, "InputTransformer": {"InputTemplate": "<x>", "InputPathsMap": {"y": "$.z"}}},
                     "ValidationException", "InputTemplate for target t contains invalid placeholder x.", id="placeholder"),
        pytest.param({"Arn": QUEUE, "InputTransformer": {"InputTemplate": "<x>", "InputPathsMap": {"x": "z"}}},
                     "ValidationException", "InputPathsMap for target t is invalid: x.", id="InputPathsMap"),
        pytest.param({"Arn": "arn:aws:kinesis:us-east-1:123456789012:stream/s"}, "NotImplemented",
                     "Targets of 'kinesis' are not part of decouple", id="stream"),
    ],
)  # fmt: skip
def test_targets_that_are_refused(do: Do, target: dict[str, Any], code: str, text: str) -> None:
    do("PutRule", Name="r", EventPattern=PATTERN)

    found = refusal(do, "PutTargets", Rule="r", Targets=[{"Id": "t", **target}])

    assert found[0] == code
    assert text in found[1]
    assert do("ListTargetsByRule", Rule="r") == {"Targets": []}


# -- tags ------------------------------------------------------------------------------------------------------------


def test_rules_and_buses_have_tags(do: Do) -> None:
    bus = do("CreateEventBus", Name="shop", Tags=[{"Key": "a", "Value": "1"}])["EventBusArn"]
    rule = do("PutRule", Name="r", EventPattern=PATTERN, EventBusName="shop")["RuleArn"]

    for arn in (bus, rule):
        assert do("TagResource", ResourceARN=arn, Tags=[{"Key": "b", "Value": "2"}, {"Key": "c", "Value": ""}]) == {}
        assert do("UntagResource", ResourceARN=arn, TagKeys=["b", "x"]) == {}

    assert do("ListTagsForResource", ResourceARN=rule) == {"Tags": [{"Key": "c", "Value": ""}]}
    assert do("ListTagsForResource", ResourceARN=bus)["Tags"][0] == {"Key": "a", "Value": "1"}
    missing = refusal(do, "ListTagsForResource", ResourceARN=f"{PREFIX}:rule/x")
    assert missing == ("ResourceNotFoundException", "Rule x does not exist on EventBus default.", 400)
    assert refusal(do, "TagResource", ResourceARN=QUEUE, Tags=[])[0] == "ValidationException"


# -- patterns --------------------------------------------------------------------------------------------------------


def test_a_pattern_is_tested_against_an_event(do: Do) -> None:
    event = json.dumps({"id": "1", "source": "shop", "detail": {"total": 300.0}})

    assert do("TestEventPattern", EventPattern='{"detail": {"total": [300]}}', Event=event) == {"Result": True}
    assert do("TestEventPattern", EventPattern='{"detail": {"total": [301]}}', Event=event) == {"Result": False}
    assert refusal(do, "TestEventPattern", EventPattern="{", Event=event)[:2] == (
        "InvalidEventPatternException", "Event pattern is not valid. Reason: Invalid JSON")  # fmt: skip
    assert refusal(do, "TestEventPattern", EventPattern=PATTERN, Event="[]")[0] == "ValidationException"


# -- the table -------------------------------------------------------------------------------------------------------


def test_every_operation_of_the_service_is_in_the_table_and_those_that_are_refused_say_why(world: World) -> None:
    call = Call(world.place(), f"arn:aws:iam::{ACCOUNT}:user/me", "json")
    assert EVENTS.operations.keys() == EVENTS.model.operations.keys()

    for operation in EVENTS.operations.values():
        if operation.level == "refused":
            with pytest.raises(ServiceError, match=f"{operation.name} is refused: {operation.note}") as caught:
                operation.run(call, {})
            assert (caught.value.code, caught.value.status, caught.value.sender) == ("NotImplemented", 501, False)
