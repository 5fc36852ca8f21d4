"""EventBridge: events that are put, what their rules make of them, and where they are when a target does not take them."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from decouple import Queue
from decouple.aws import Call, ServiceError, World
from decouple.aws.events import EVENTS
from decouple.testing import VirtualClock

ACCOUNT = "123456789012"
RULE = f"arn:aws:events:us-east-1:{ACCOUNT}:rule/r"
EVENTS_MAY = {
    "Effect": "Allow",
    "Principal": {"Service": "events.amazonaws.com"},
    "Action": "sqs:SendMessage",
    "Resource": "*",
    "Condition": {"ArnEquals": {"aws:SourceArn": RULE}},
}

Do = Callable[..., dict[str, Any]]


@pytest.fixture
def world(clock: VirtualClock) -> Iterator[World]:
    world = World(clock=clock, account=ACCOUNT)
    yield world
    world.check()
    world.close()


@pytest.fixture
def do(world: World) -> Do:
    """An operation, as the account's own."""
    return as_account(world, ACCOUNT)


@pytest.fixture
def orders(world: World) -> Queue:
    return world.broker().queue("orders")


def as_account(world: World, account: str) -> Do:
    call = Call(world.place(account), f"arn:aws:iam::{account}:user/me", "json")
    return lambda name, **given: EVENTS.perform(call, name, given)


def rule(do: Do, *targets: dict[str, Any], **given: Any) -> None:
    """The rule r for what the shop says, with targets numbered from 0."""
    do("PutRule", **{"Name": "r", "EventPattern": '{"source": ["shop"]}', **given})
    if targets:
        do("PutTargets", Rule="r", Targets=[{"Id": str(number), **target} for number, target in enumerate(targets)])


def put(do: Do, detail: str = "{}", **given: Any) -> dict[str, Any]:
    """One event of the shop; the answer to it."""
    entry = {"Source": "shop", "DetailType": "sale", "Detail": detail, **given}
    [answer] = do("PutEvents", Entries=[entry])["Entries"]
    return answer  # type: ignore[no-any-return]


def texts(queue: Queue) -> list[str]:
    messages = queue.receive(max_messages=10)
    queue.delete(*messages)
    return [message.text for message in messages]


# -- putting ---------------------------------------------------------------------------------------------------------


def test_an_event_goes_to_the_targets_of_the_rules_whose_pattern_it_matches(do: Do, orders: Queue) -> None:
    """lambda.md, section 6; the body is that JSON."""
    rule(do, {"Arn": orders.arn})

    answer = put(
        do, '{"total": 7.50}', Resources=["arn:x"], Time=datetime(2026, 1, 1, 12, tzinfo=timezone(timedelta(hours=2)))
    )

    [text] = texts(orders)
    assert json.loads(text) == {
        "version": "0",
        "id": answer["EventId"],
        "detail-type": "sale",
        "source": "shop",
        "account": ACCOUNT,
        "time": "2026-01-01T10:00:00Z",
        "region": "us-east-1",
        "resources": ["arn:x"],
        "detail": {"total": 7.5},
    }
    assert text.startswith('{"version":"0","id":"')
    put(do, Source="bank")
    assert texts(orders) == []


def test_without_a_time_it_is_now(do: Do, orders: Queue, clock: VirtualClock) -> None:
    rule(do, {"Arn": orders.arn})
    clock.advance(61.5)

    put(do)

    assert json.loads(texts(orders)[0])["time"] == "2026-01-01T00:01:01Z"


def test_entries_that_are_wrong_fail_by_themselves(do: Do, orders: Queue) -> None:
    """HTTP 200, even if all failed: others.md, section 1."""
    rule(do, {"Arn": orders.arn})
    good = {"Source": "shop", "DetailType": "sale", "Detail": "{}"}
    wrong = [
        {**good, "Source": ""},
        {"Source": "shop", "Detail": "{}"},
        {**good, "Detail": None},
        {**good, "Detail": "{"},
        {**good, "Detail": "[]"},
        {**good, "Detail": '{"a": NaN}'},
        {**good, "Detail": '{"a":' * 20_000},
        {**good, "Source": "aws.s3"},
        {**good, "EventBusName": "arn:aws:events:us-east-1:111122223333:event-bus/default"},
    ]

    answer = do("PutEvents", Entries=[good, *wrong])

    assert answer["FailedEntryCount"] == 9
    assert answer["Entries"][0].keys() == {"EventId"}
    assert [(one["ErrorCode"], one["ErrorMessage"]) for one in answer["Entries"][1:9]] == [
        ("InvalidArgument", "Parameter Source is not valid. Reason: Source is a required argument."),
        ("InvalidArgument", "Parameter DetailType is not valid. Reason: DetailType is a required argument."),
        ("InvalidArgument", "Parameter Detail is not valid. Reason: Detail is a required argument."),
        *[("MalformedDetail", "Detail is malformed.")] * 4,
        ("NotAuthorizedForSourceException", "Not authorized for the source."),
    ]
    assert answer["Entries"][9]["ErrorCode"] == "AccessDeniedException"
    assert len(texts(orders)) == 1


def test_events_for_a_bus_that_is_not_there_are_taken_and_dropped(do: Do, orders: Queue) -> None:
    rule(do, {"Arn": orders.arn})

    assert put(do, EventBusName="x").keys() == {"EventId"}
    assert texts(orders) == []


def test_an_event_is_for_one_bus(do: Do, orders: Queue) -> None:
    bus = do("CreateEventBus", Name="shop")["EventBusArn"]
    do("PutRule", Name="r", EventPattern='{"source": ["shop"]}', EventBusName="shop")
    do("PutTargets", Rule="r", EventBusName="shop", Targets=[{"Id": "1", "Arn": orders.arn}])

    put(do)
    assert texts(orders) == []
    put(do, EventBusName="shop")
    put(do, EventBusName=bus)
    assert len(texts(orders)) == 2

    do("DeleteEventBus", Name="shop")
    put(do, EventBusName="shop")
    assert texts(orders) == []


@pytest.mark.parametrize(("size", "fits"), [(1_048_575, True), (1_048_576, False)], ids=["under", "1 MiB"])
def test_entries_have_less_than_a_mebibyte_together(do: Do, size: int, fits: bool) -> None:
    """Source, type, detail and resources in UTF-8, and 14 bytes for a time."""
    base = len("shop" + "sale" + "a" + '{"a":""}') + 14
    entry = {
        "Source": "shop",
        "DetailType": "sale",
        "Detail": '{"a":"' + "x" * (size - base) + '"}',
        "Resources": ["a"],
        "Time": datetime(2026, 1, 1, tzinfo=UTC),
    }

    if fits:
        assert do("PutEvents", Entries=[entry])["FailedEntryCount"] == 0
        return
    with pytest.raises(ServiceError, match="Total size of the entries in the request is over the limit") as caught:
        do("PutEvents", Entries=[entry])
    assert caught.value.code == "ValidationException"


def test_a_rule_that_is_disabled_or_deleted_gets_nothing(do: Do, orders: Queue) -> None:
    rule(do, {"Arn": orders.arn}, State="DISABLED")
    put(do)
    assert texts(orders) == []

    do("EnableRule", Name="r")
    put(do)
    assert len(texts(orders)) == 1

    do("RemoveTargets", Rule="r", Ids=["0"])
    do("DeleteRule", Name="r")
    put(do)
    assert texts(orders) == []


# -- targets ---------------------------------------------------------------------------------------------------------


def test_topics_and_functions_are_targets_too(do: Do, world: World, orders: Queue) -> None:
    broker = world.broker()
    topic = broker.topic("sales")
    topic.subscribe(orders)
    got: list[Any] = []
    function = broker.function(lambda event, context: got.append(event), name="work")
    rule(do, {"Arn": topic.arn, "InputPath": "$.detail"}, {"Arn": function.arn}, {"Arn": f"{function.arn}:live"})

    put(do, '{"total": 7}')
    broker.run_until_idle()

    assert texts(orders) == ['{"total":7}']
    assert [event["detail"] for event in got] == [{"total": 7}] * 2


def test_a_fifo_queue_has_the_group_and_its_own_deduplication(do: Do, world: World) -> None:
    queue = world.broker().queue("sales.fifo", content_based_deduplication=True)
    rule(do, {"Arn": queue.arn, "SqsParameters": {"MessageGroupId": "g"}})

    put(do)

    assert [message.group for message in queue.receive()] == ["g"]


def test_a_standard_queue_may_have_a_group_as_its_tenant(do: Do, orders: Queue) -> None:
    rule(do, {"Arn": orders.arn, "SqsParameters": {"MessageGroupId": "g"}})

    put(do)

    assert [message.group for message in orders.receive()] == ["g"]


def test_a_target_that_is_deleted_and_made_again_is_found(do: Do, world: World, orders: Queue) -> None:
    rule(do, {"Arn": orders.arn})
    world.broker().delete(orders)
    again = world.broker().queue("orders")

    put(do)

    assert len(texts(again)) == 1


def test_another_bus_may_be_a_target_and_no_event_goes_round(do: Do, orders: Queue) -> None:
    other = do("CreateEventBus", Name="other")["EventBusArn"]
    rule(do, {"Arn": other})
    do("PutRule", Name="r", EventPattern='{"source": ["shop"]}', EventBusName="other")
    back = do("DescribeEventBus")["Arn"]
    targets = [{"Id": "1", "Arn": orders.arn}, {"Id": "2", "Arn": back}, {"Id": "3", "Arn": other}]
    do("PutTargets", Rule="r", EventBusName="other", Targets=targets)

    answer = put(do)

    assert [json.loads(text)["id"] for text in texts(orders)] == [answer["EventId"]]


# -- inputs ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "text"),
    [
        ({"Input": '{"constant": 1}'}, '{"constant": 1}'),
        ({"Input": '"text"'}, '"text"'),
        ({"InputPath": "$"}, None),
        ({"InputPath": "$.detail"}, '{"id":"i-1","tags":[{"k":"a"},{"k":"b"}],"n":7,"q":"say \\"x\\"","o":{"p":true}}'),
        ({"InputPath": "$.detail.tags[1].k"}, '"b"'),
        ({"InputPath": "$.detail.tags[*].k"}, '["a","b"]'),
        ({"InputPath": "$['detail'][\"n\"]"}, "7"),
        ({"InputPath": "$.detail-type"}, '"sale"'),
        ({"InputPath": "$.detail.x"}, "null"),
        ({"InputPath": "$.detail.tags[5]"}, "null"),
        ({"InputPath": "$.detail[*]"}, "null"),
    ],
    ids=repr,
)
def test_a_constant_or_a_part_of_the_event(do: Do, orders: Queue, target: dict[str, Any], text: str | None) -> None:
    rule(do, {"Arn": orders.arn, **target})

    answer = put(do, DETAIL)

    [found] = texts(orders)
    assert found == text if text is not None else json.loads(found)["id"] == answer["EventId"]


DETAIL = '{"id": "i-1", "tags": [{"k": "a"}, {"k": "b"}], "n": 7, "q": "say \\"x\\"", "o": {"p": true}}'
PATHS = {"id": "$.detail.id", "n": "$.detail.n", "q": "$.detail.q", "o": "$.detail.o", "gone": "$.detail.gone"}


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("<id> is number <n>", "i-1 is number 7"),
        ('"<id> is number <n>"', '"i-1 is number 7"'),
        ('{"id": <id>, "n": <n>, "o": <o>}', '{"id": "i-1", "n": 7, "o": {"p":true}}'),
        ('{"text": "<id> says <q> of <o>"}', '{"text": "i-1 says say \\"x\\" of {\\"p\\":true}"}'),
        ('{"text": "\\"<id>\\"", "n": <n>}', '{"text": "\\"i-1\\"", "n": 7}'),
        ('{"gone": <gone>, "too": "<gone>"}', '{"gone": "", "too": ""}'),
        ('{"rule": <aws.events.rule-name>, "arn": "<aws.events.rule-arn>"}', f'{{"rule": "r", "arn": "{RULE}"}}'),
        ('{"at": <aws.events.event.ingestion-time>}', '{"at": "2026-01-01T00:00:00Z"}'),
        ("a < b > c", "a < b > c"),
    ],
    ids=repr,
)
def test_a_template_is_filled_in(do: Do, orders: Queue, template: str, text: str) -> None:
    """EventBridge user guide, "Input transformation": quoted in JSON where the template has no quotation marks."""
    rule(do, {"Arn": orders.arn, "InputTransformer": {"InputTemplate": template, "InputPathsMap": PATHS}})

    put(do, DETAIL)

    assert texts(orders) == [text]


def test_a_template_may_have_the_event_in_it(do: Do, orders: Queue) -> None:
    template = '{"whole": <aws.events.event.json>, "head": <aws.events.event>}'
    rule(do, {"Arn": orders.arn, "InputTransformer": {"InputTemplate": template}})

    answer = put(do, '{"n": 1}')

    found = json.loads(texts(orders)[0])
    assert found["whole"] == {**found["head"], "detail": {"n": 1}}
    assert found["head"]["id"] == answer["EventId"]


# -- when it fails ---------------------------------------------------------------------------------------------------


def test_what_a_target_does_not_take_goes_to_its_dead_letter_queue(do: Do, world: World, orders: Queue) -> None:
    """The event, with RULE_ARN, TARGET_ARN, ERROR_CODE and so on; a target that is gone is not tried again."""
    dead = world.broker().queue("dead")
    gone = f"{orders.arn}-gone"
    rule(do, {"Arn": gone, "Input": "{}", "DeadLetterConfig": {"Arn": dead.arn}}, {"Arn": orders.arn})

    answer = put(do)

    assert len(texts(orders)) == 1
    [letter] = dead.receive()
    assert letter.json()["id"] == answer["EventId"]
    assert {**letter.attributes} == {
        "RULE_ARN": RULE,
        "TARGET_ARN": gone,
        "ERROR_CODE": "NO_RESOURCE",
        "ERROR_MESSAGE": f"{gone} did not take the notification: it does not exist",
        "RETRY_ATTEMPTS": "0",
    }


@pytest.mark.parametrize(
    ("target", "code"),
    [
        pytest.param({"Arn": f"arn:aws:sns:us-east-1:{ACCOUNT}:gone"}, "NO_RESOURCE", id="topic"),
        pytest.param({"Arn": f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:gone"}, "NO_RESOURCE", id="function"),
        pytest.param({"Arn": "arn:aws:sqs:eu-west-1:111122223333:orders"}, "NO_RESOURCE", id="an account without anything"),
        pytest.param({"Arn": f"arn:aws:events:us-east-1:{ACCOUNT}:event-bus/gone"}, "NO_RESOURCE", id="bus"),
        pytest.param({"Arn": f"arn:aws:sqs:us-east-1:{ACCOUNT}:small"}, "INVALID_PARAMETER", id="too large"),
        pytest.param({"Arn": f"arn:aws:sqs:us-east-1:{ACCOUNT}:plain.fifo", "SqsParameters": {"MessageGroupId": "g"}},
                     "INVALID_PARAMETER", id="FIFO without deduplication by content"),
        pytest.param({"Arn": f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:work",
                      "InputTransformer": {"InputTemplate": "no JSON"}}, "INVALID_JSON", id="no event"),
    ],
)  # fmt: skip
def test_why_a_target_did_not_take_it(do: Do, world: World, target: dict[str, Any], code: str) -> None:
    broker = world.broker()
    dead = broker.queue("dead")
    broker.queue("small", max_message_size=1_024)
    broker.queue("plain.fifo")
    broker.function(lambda event, context: None, name="work")
    rule(do, {**target, "DeadLetterConfig": {"Arn": dead.arn}})

    put(do, json.dumps({"long": "x" * 2_000}))

    assert [letter.attributes["ERROR_CODE"] for letter in dead.receive()] == [code]


def test_without_a_dead_letter_queue_it_is_gone_with_a_line_in_the_log(
    do: Do, orders: Queue, caplog: pytest.LogCaptureFixture
) -> None:
    gone = f"{orders.arn}-gone"
    rule(do, {"Arn": gone}, {"Arn": gone, "DeadLetterConfig": {"Arn": gone}})

    with caplog.at_level(logging.WARNING, "decouple"):
        put(do)

    assert caplog.text.count("an event of rule 'r' was given up, and no dead-letter queue has it: NO_RESOURCE") == 2


def test_strictly_a_queue_needs_a_policy_that_lets_the_rule_send(clock: VirtualClock) -> None:
    world = World(clock=clock, account=ACCOUNT, strict=True)
    do = as_account(world, ACCOUNT)
    orders, dead = world.broker().queue("orders"), world.broker().queue("dead")
    rule(do, {"Arn": orders.arn, "DeadLetterConfig": {"Arn": dead.arn}})
    dead.policy = {"Version": "2012-10-17", "Statement": [EVENTS_MAY]}

    put(do)
    assert texts(orders) == []
    assert [letter.attributes["ERROR_CODE"] for letter in dead.receive()] == ["NO_PERMISSIONS"]

    orders.policy = {"Version": "2012-10-17", "Statement": [EVENTS_MAY]}
    put(do)
    assert len(texts(orders)) == 1
    world.close()


def test_a_queue_of_another_account_needs_a_policy(do: Do, world: World) -> None:
    theirs = world.broker("111122223333").queue("orders")
    dead = world.broker().queue("dead")
    rule(do, {"Arn": theirs.arn, "DeadLetterConfig": {"Arn": dead.arn}})

    put(do)
    assert [letter.attributes["ERROR_CODE"] for letter in dead.receive()] == ["NO_PERMISSIONS"]

    theirs.policy = {"Version": "2012-10-17", "Statement": [EVENTS_MAY]}
    put(do)
    assert len(texts(theirs)) == 1


# -- schedules -------------------------------------------------------------------------------------------------------


def test_a_rule_with_a_rate_is_due_after_every_period(do: Do, orders: Queue, clock: VirtualClock) -> None:
    """lambda.md, section 6: source aws.events, the rule among the resources, an empty detail."""
    rule(do, {"Arn": orders.arn}, EventPattern=None, ScheduleExpression="rate(5 minutes)")
    clock.advance(299.999)
    assert texts(orders) == []

    clock.advance(0.001)
    event = json.loads(texts(orders)[0])
    assert len(event.pop("id")) == 36
    assert event == {
        "version": "0",
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": ACCOUNT,
        "time": "2026-01-01T00:05:00Z",
        "region": "us-east-1",
        "resources": [RULE],
        "detail": {},
    }

    clock.advance(600)
    assert [json.loads(text)["time"][11:16] for text in texts(orders)] == ["00:10", "00:15"]


def test_a_rule_with_a_cron_is_due_by_the_clock_in_utc(do: Do, orders: Queue, clock: VirtualClock) -> None:
    """2026-01-01 is a Thursday; 1 is SUN."""
    rule(do, {"Arn": orders.arn}, EventPattern=None, ScheduleExpression="cron(0 9 ? * 6 *)")

    clock.advance(2 * 86_400)
    assert [json.loads(text)["time"] for text in texts(orders)] == ["2026-01-02T09:00:00Z"]
    clock.advance(7 * 86_400)
    assert [json.loads(text)["time"] for text in texts(orders)] == ["2026-01-09T09:00:00Z"]


def test_a_rule_that_is_disabled_rests_and_goes_on_in_step(do: Do, orders: Queue, clock: VirtualClock) -> None:
    rule(do, {"Arn": orders.arn}, EventPattern=None, ScheduleExpression="rate(5 minutes)")
    clock.advance(300)
    do("DisableRule", Name="r")
    clock.advance(400)
    assert len(texts(orders)) == 1

    do("EnableRule", Name="r")
    clock.advance(199)
    assert texts(orders) == []
    clock.advance(1)
    assert len(texts(orders)) == 1


def test_a_rule_that_is_replaced_or_deleted_has_no_schedule_left(do: Do, world: World, clock: VirtualClock) -> None:
    rule(do, EventPattern=None, ScheduleExpression="rate(5 minutes)")
    assert list(world.broker().schedules) == ["aws.events/r"]

    do("PutRule", Name="r", ScheduleExpression="rate(1 hour)")
    assert [one.expression for one in world.broker().schedules.values()] == ["rate(1 hour)"]

    do("PutRule", Name="r", EventPattern='{"source": ["shop"]}')
    assert dict(world.broker().schedules) == {}

    do("PutRule", Name="r", ScheduleExpression="rate(1 hour)")
    do("DeleteRule", Name="r")
    assert dict(world.broker().schedules) == {}


def test_a_rule_may_have_a_pattern_and_a_schedule(do: Do, orders: Queue, clock: VirtualClock) -> None:
    rule(do, {"Arn": orders.arn, "InputPath": "$.source"}, ScheduleExpression="rate(1 minute)")
    put(do)
    clock.advance(60)

    assert texts(orders) == ['"shop"', '"aws.events"']
