"""EventBridge Scheduler: schedules and groups, what they answer and refuse, and what targets are given when."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from decouple import Queue
from decouple.aws import Call, ServiceError, World
from decouple.aws.scheduler import SCHEDULER
from decouple.aws.scheduler.book import FEW, book_of
from decouple.testing import VirtualClock

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)
ACCOUNT = "123456789012"
PREFIX = f"arn:aws:scheduler:us-east-1:{ACCOUNT}"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/scheduler"
QUEUE = f"arn:aws:sqs:us-east-1:{ACCOUNT}:orders"
RETRIES = {"MaximumEventAgeInSeconds": 86_400, "MaximumRetryAttempts": 185}

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
    call = Call(world.place(), f"arn:aws:iam::{ACCOUNT}:user/me", "rest-json")
    return lambda name, **given: SCHEDULER.perform(call, name, given)


@pytest.fixture
def orders(world: World) -> Queue:
    return world.broker().queue("orders")


def terms(expression: str = "rate(5 minutes)", target: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return {
        "ScheduleExpression": expression,
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "Target": {"Arn": QUEUE, "RoleArn": ROLE, "Input": "tick", **(target or {})},
        **more,
    }


def refusal(do: Do, name: str, **given: Any) -> tuple[str, str, int]:
    with pytest.raises(ServiceError) as caught:
        do(name, **given)
    return caught.value.code, caught.value.message, caught.value.status


def texts(queue: Queue) -> list[str]:
    messages = queue.receive(max_messages=10)
    queue.delete(*messages)
    return [message.text for message in messages]


# -- one schedule ----------------------------------------------------------------------------------------------------


def test_a_schedule_answers_what_was_given_with_the_defaults(do: Do) -> None:
    """others.md, section 2: UTC, ENABLED, NONE, 86,400 s and 185 attempts."""
    assert do("CreateSchedule", Name="s", **terms()) == {"ScheduleArn": f"{PREFIX}:schedule/default/s"}

    assert do("GetSchedule", Name="s") == {
        "Arn": f"{PREFIX}:schedule/default/s",
        "Name": "s",
        "GroupName": "default",
        "ScheduleExpression": "rate(5 minutes)",
        "ScheduleExpressionTimezone": "UTC",
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "State": "ENABLED",
        "Target": {"Arn": QUEUE, "RoleArn": ROLE, "Input": "tick", "RetryPolicy": RETRIES},
        "ActionAfterCompletion": "NONE",
        "CreationDate": NEW_YEAR,
        "LastModificationDate": NEW_YEAR,
    }


def test_an_update_puts_defaults_for_what_is_not_given_again(do: Do, clock: VirtualClock) -> None:
    do("CreateSchedule", Name="s", **terms(Description="first", ScheduleExpressionTimezone="Europe/Berlin"))
    clock.advance(5)

    updated = do("UpdateSchedule", Name="s", **terms("rate(1 hour)", State="DISABLED"))

    assert updated == {"ScheduleArn": f"{PREFIX}:schedule/default/s"}
    now = do("GetSchedule", Name="s")
    assert "Description" not in now
    assert (now["ScheduleExpression"], now["ScheduleExpressionTimezone"], now["State"]) == (
        "rate(1 hour)",
        "UTC",
        "DISABLED",
    )
    assert now["LastModificationDate"] - now["CreationDate"] == timedelta(seconds=5)


def test_a_deleted_schedule_is_gone_and_its_name_free(do: Do, world: World) -> None:
    do("CreateSchedule", Name="s", **terms())

    assert do("DeleteSchedule", Name="s") == {}

    missing = ("ResourceNotFoundException", "Schedule s does not exist.", 404)
    assert refusal(do, "GetSchedule", Name="s") == missing
    assert refusal(do, "DeleteSchedule", Name="s") == missing
    assert refusal(do, "UpdateSchedule", Name="s", **terms()) == missing
    assert dict(world.broker().schedules) == {}
    do("CreateSchedule", Name="s", **terms())


def test_a_name_is_taken_but_for_the_same_client_token(do: Do) -> None:
    made = do("CreateSchedule", Name="s", ClientToken="t", **terms())

    assert do("CreateSchedule", Name="s", ClientToken="t", **terms()) == made
    for more in ({}, {"ClientToken": "u"}):
        taken = refusal(do, "CreateSchedule", Name="s", **terms(**more))
        assert taken == ("ConflictException", "Schedule s already exists.", 409)


@pytest.mark.parametrize(
    "expression",
    [
        "rate(1 minute)", "rate(1 minutes)", "rate(5 minute)", "rate(12 hours)", "rate(7 days)", "cron(0 9 ? * MON-FRI *)",
        "cron(0 9 L * ? 1999)", "at(2026-12-24T18:00:00)", "at(2020-01-01T00:00:00)", "rate(999999999 days)",
    ],
)  # fmt: skip
def test_expressions_that_are_taken(do: Do, expression: str) -> None:
    do("CreateSchedule", Name="s", **terms(expression))

    assert do("GetSchedule", Name="s")["ScheduleExpression"] == expression


@pytest.mark.parametrize(
    "expression",
    [
        " rate(5 minutes)", "rate( 5 minutes)", "rate(5  minutes)", "rate(5 minutes) ", "rate(5 seconds)", "rate(1 year)",
        "rate()", "rate(5)", "rate(minutes)", "rate(-1 minutes)", "rate(0 minutes)", "rate(5 minuts)", "rate(5.5 minutes)",
        "cron(0 9 * * * *)", "cron(0 9 ? * MON)", "cron()", "at()", "at(2026-12-24)", "at(2026-12-24T18:00:00Z)",
        "at(2026-13-24T18:00:00)", "every minute",
    ],
)  # fmt: skip
def test_expressions_that_are_refused(do: Do, expression: str) -> None:
    """Recorded: blanks, seconds, years, no arguments, negative values, misspelt units, at() with a date only or a Z."""
    assert refusal(do, "CreateSchedule", Name="s", **terms(expression)) == (
        "ValidationException", f"Invalid Schedule Expression {expression}.", 400)  # fmt: skip
    assert refusal(do, "GetSchedule", Name="s")[0] == "ResourceNotFoundException"


@pytest.mark.parametrize(
    ("more", "code", "text"),
    [
        pytest.param({"ScheduleExpressionTimezone": "Mars/North"}, "ValidationException",
                     "Invalid Schedule Expression Timezone Mars/North.", id="zone"),
        pytest.param({"StartDate": NEW_YEAR - timedelta(seconds=301)}, "ValidationException",
                     "The StartDate you specify cannot be earlier than 5 minutes ago.", id="start"),
        pytest.param({"EndDate": NEW_YEAR - timedelta(seconds=1)}, "ValidationException", "The EndDate you specify", id="end"),
        pytest.param({"StartDate": NEW_YEAR + timedelta(2), "EndDate": NEW_YEAR + timedelta(1)}, "ValidationException",
                     "The EndDate you specify", id="end before start"),
        pytest.param({"FlexibleTimeWindow": {"Mode": "FLEXIBLE"}}, "ValidationException", "MaximumWindowInMinutes", id="window"),
        pytest.param({"Target": {"Arn": "x", "RoleArn": ROLE}}, "ValidationException", "not in correct format: x.", id="no ARN"),
        pytest.param({"Target": {"Arn": f"{QUEUE}.fifo", "RoleArn": ROLE}}, "ValidationException",
                     "MessageGroupId must be specified", id="FIFO"),
        pytest.param({"Target": {"Arn": f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:f", "RoleArn": ROLE, "Input": "x"}},
                     "ValidationException", "Input must be well-formed JSON", id="a function's Input"),
        pytest.param({"Target": {"Arn": "arn:aws:ecs:us-east-1:123456789012:cluster/c", "RoleArn": ROLE}}, "NotImplemented",
                     "targets of 'ecs' are not part of decouple", id="cluster"),
        pytest.param({"Target": {"Arn": "arn:aws:scheduler:::aws-sdk:s3:putObject", "RoleArn": ROLE}}, "NotImplemented",
                     "universal targets are not part of decouple", id="universal"),
        pytest.param({"GroupName": "g"}, "ResourceNotFoundException", "Schedule group g does not exist.", id="group"),
    ],
)  # fmt: skip
def test_terms_that_are_refused(do: Do, more: dict[str, Any], code: str, text: str) -> None:
    found = refusal(do, "CreateSchedule", Name="s", **{**terms(), **more})

    assert found[0] == code
    assert text in found[1]


def test_a_refused_update_leaves_all_as_it_was(do: Do, orders: Queue, clock: VirtualClock) -> None:
    do("CreateSchedule", Name="s", **terms())
    clock.advance(0)
    texts(orders)

    refusal(do, "UpdateSchedule", Name="s", **terms("rate(x)"))
    clock.advance(300)

    assert texts(orders) == ["tick"]


# -- what happens when it is due -------------------------------------------------------------------------------------


def test_a_rate_starts_at_once_and_the_input_is_the_message(
    do: Do, world: World, orders: Queue, clock: VirtualClock
) -> None:
    do("CreateSchedule", Name="s", **terms())
    world.broker().run_until_idle()
    assert texts(orders) == ["tick"]

    clock.advance(600)
    assert texts(orders) == ["tick", "tick"]


def test_a_cron_is_due_by_the_clocks_of_its_zone(do: Do, orders: Queue, clock: VirtualClock) -> None:
    given = terms("cron(0 9 * * ? *)", ScheduleExpressionTimezone="Europe/Berlin")
    do("CreateSchedule", Name="s", **given | {"Target": {"Arn": QUEUE, "RoleArn": ROLE}})

    clock.advance(86_400)

    assert [json.loads(text)["time"] for text in texts(orders)] == ["2026-01-01T08:00:00Z"]


def test_without_an_input_it_is_the_scheduled_event(do: Do, orders: Queue, clock: VirtualClock) -> None:
    """lambda.md, section 6: source aws.scheduler, detail "{}"."""
    do("CreateScheduleGroup", Name="g")
    target = {"Target": {"Arn": QUEUE, "RoleArn": ROLE}}
    do("CreateSchedule", Name="s", GroupName="g", **terms("at(2026-01-01T00:01:00)") | target)
    clock.advance(60)

    event = json.loads(texts(orders)[0])

    assert (event["source"], event["detail"], event["detail-type"]) == ("aws.scheduler", "{}", "Scheduled Event")
    assert (event["account"], event["region"], event["time"]) == (ACCOUNT, "us-east-1", "2026-01-01T00:01:00Z")
    assert event["resources"] == [f"{PREFIX}:schedule/g/s"]


def test_the_attributes_of_the_context_are_filled_in(do: Do, orders: Queue, clock: VirtualClock) -> None:
    text = "<aws.scheduler.schedule-arn> <aws.scheduler.scheduled-time> <aws.scheduler.attempt-number>"
    do("CreateSchedule", Name="s", **terms("at(2026-01-01T00:01:00)", {"Input": text}))

    clock.advance(60)

    assert texts(orders) == [f"{PREFIX}:schedule/default/s 2026-01-01T00:01:00Z 1"]


def test_topics_and_functions_are_targets_too(do: Do, world: World, orders: Queue, clock: VirtualClock) -> None:
    broker = world.broker()
    topic = broker.topic("ticks")
    topic.subscribe(orders)
    got: list[Any] = []
    function = broker.function(lambda event, context: got.append(event), name="work")

    do("CreateSchedule", Name="t", **terms("at(2026-01-01T00:01:00)", {"Arn": topic.arn}))
    do("CreateSchedule", Name="f", **terms("at(2026-01-01T00:01:00)", {"Arn": function.arn, "Input": '{"n": 1}'}))
    clock.advance(60)

    assert texts(orders) == ["tick"]
    assert got == [{"n": 1}]


def test_a_fifo_queue_has_its_group(do: Do, world: World, clock: VirtualClock) -> None:
    queue = world.broker().queue("orders.fifo", content_based_deduplication=True)
    target = {"Arn": queue.arn, "SqsParameters": {"MessageGroupId": "g"}}
    do("CreateSchedule", Name="s", **terms("at(2026-01-01T00:01:00)", target))

    clock.advance(60)

    assert [(message.text, message.group) for message in queue.receive()] == [("tick", "g")]


def test_start_and_end_bound_what_recurs(do: Do, orders: Queue, clock: VirtualClock) -> None:
    start, end = NEW_YEAR + timedelta(minutes=2), NEW_YEAR + timedelta(minutes=4)
    do("CreateSchedule", Name="s", **terms("rate(1 minute)", StartDate=start, EndDate=end))

    clock.advance(3_600)

    assert texts(orders) == ["tick"] * 3
    assert do("GetSchedule", Name="s")["StartDate"] == start


def test_start_and_end_mean_nothing_for_what_happens_once(do: Do, orders: Queue, clock: VirtualClock) -> None:
    start, end = NEW_YEAR - timedelta(days=9), NEW_YEAR - timedelta(days=10)
    do("CreateSchedule", Name="s", **terms("at(2026-01-01T00:01:00)", StartDate=start, EndDate=end))

    clock.advance(60)

    assert texts(orders) == ["tick"]


def test_in_a_flexible_window_it_is_due_any_time(do: Do, orders: Queue, clock: VirtualClock) -> None:
    window = {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 15}
    do("CreateSchedule", Name="s", **terms("at(2026-01-01T00:01:00)", FlexibleTimeWindow=window))

    clock.advance(60 + 900)

    assert texts(orders) == ["tick"]
    assert do("GetSchedule", Name="s")["FlexibleTimeWindow"] == window


def test_a_disabled_schedule_rests_until_it_is_enabled(
    do: Do, world: World, orders: Queue, clock: VirtualClock
) -> None:
    do("CreateSchedule", Name="s", **terms(State="DISABLED"))
    clock.advance(3_600)
    assert texts(orders) == []
    assert do("GetSchedule", Name="s")["State"] == "DISABLED"

    do("UpdateSchedule", Name="s", **terms())
    world.broker().run_until_idle()
    assert texts(orders) == ["tick"]


def test_a_completed_schedule_stays_unless_it_is_to_be_deleted(do: Do, clock: VirtualClock, orders: Queue) -> None:
    do("CreateSchedule", Name="stays", **terms("at(2026-01-01T00:01:00)"))
    do("CreateSchedule", Name="goes", **terms("at(2026-01-01T00:01:00)", ActionAfterCompletion="DELETE"))
    assert len(do("ListSchedules")["Schedules"]) == 2

    clock.advance(60)

    assert [one["Name"] for one in do("ListSchedules")["Schedules"]] == ["stays"]
    assert do("GetSchedule", Name="stays")["State"] == "ENABLED"
    assert refusal(do, "GetSchedule", Name="goes")[0] == "ResourceNotFoundException"
    do("CreateSchedule", Name="goes", **terms())


def test_a_target_that_is_not_there_yet_is_found_when_it_is_due(do: Do, world: World, clock: VirtualClock) -> None:
    do("CreateSchedule", Name="s", **terms("at(2026-01-01T00:01:00)"))
    orders = world.broker().queue("orders")

    clock.advance(60)

    assert texts(orders) == ["tick"]


def test_what_a_target_does_not_take_goes_to_the_dead_letter_queue(do: Do, world: World, clock: VirtualClock) -> None:
    dead = world.broker().queue("dead")
    do("CreateSchedule", Name="s", **terms("at(2026-01-01T00:01:00)", {"DeadLetterConfig": {"Arn": dead.arn}}))

    clock.advance(60)

    [letter] = dead.receive()
    assert letter.text == "tick"
    assert letter.attributes["SCHEDULE_ARN"] == f"{PREFIX}:schedule/default/s"
    assert letter.attributes["TARGET_ARN"] == QUEUE
    assert letter.attributes["ERROR_CODE"] == "NO_RESOURCE"


def test_a_queue_of_another_account_lets_the_role_send(do: Do, world: World, clock: VirtualClock) -> None:
    theirs, dead = world.broker("111122223333").queue("orders"), world.broker().queue("dead")
    target = {"Arn": theirs.arn, "DeadLetterConfig": {"Arn": dead.arn}}
    do("CreateSchedule", Name="s", **terms("rate(1 day)", target))
    clock.advance(0)
    world.broker().run_until_idle(errors="collect")
    assert [letter.attributes["ERROR_CODE"] for letter in dead.receive()] == ["NO_PERMISSIONS"]

    allow = {"Effect": "Allow", "Principal": {"AWS": ROLE}, "Action": "sqs:SendMessage", "Resource": "*"}
    theirs.policy = {"Version": "2012-10-17", "Statement": [allow]}
    clock.advance(86_400)

    assert texts(theirs) == ["tick"]


# -- what was declared on the broker ---------------------------------------------------------------------------------


def test_a_schedule_of_the_broker_is_there_too_until_it_is_over(
    do: Do, world: World, orders: Queue, clock: VirtualClock
) -> None:
    dead = world.broker().queue("dead")
    schedule = world.broker().schedule(
        "at(2026-01-01T00:01:00)", orders, payload="tick", name="native", window=60, dead_letter=dead
    )

    found = do("GetSchedule", Name="native")
    assert (found["Arn"], found["ScheduleExpression"]) == (schedule.arn, "at(2026-01-01T00:01:00)")
    assert (found["Target"]["Arn"], found["Target"]["Input"]) == (QUEUE, "tick")
    assert found["Target"]["DeadLetterConfig"] == {"Arn": dead.arn}
    assert found["FlexibleTimeWindow"] == {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 1}
    assert refusal(do, "CreateSchedule", Name="native", **terms())[0] == "ConflictException"

    schedule.pause()
    assert do("GetSchedule", Name="native")["State"] == "DISABLED"
    schedule.resume()
    clock.advance(120)
    assert do("ListSchedules")["Schedules"] == []


def test_a_schedule_of_the_broker_can_be_changed_and_deleted(
    do: Do, world: World, orders: Queue, clock: VirtualClock
) -> None:
    world.broker().schedule("rate(1 day)", lambda payload: None, name="reports/a", start=NEW_YEAR + timedelta(days=1))
    world.broker().schedule("rate(1 day)", orders, name="reports/b", start=NEW_YEAR + timedelta(days=1))
    assert [group["Name"] for group in do("ListScheduleGroups")["ScheduleGroups"]] == ["default", "reports"]

    do("UpdateSchedule", Name="a", GroupName="reports", **terms("rate(1 minute)"))
    do("DeleteSchedule", Name="b", GroupName="reports")
    clock.advance(60)

    assert texts(orders) == ["tick", "tick"]
    assert [one.expression for one in world.broker().schedules.values()] == ["rate(1 minute)"]


def test_what_is_closed_on_the_broker_is_gone(do: Do, world: World) -> None:
    do("CreateSchedule", Name="s", **terms())

    world.broker().schedules["s"].close()

    assert refusal(do, "GetSchedule", Name="s")[0] == "ResourceNotFoundException"


def test_the_schedules_of_rules_are_not_schedulers(do: Do, world: World) -> None:
    from decouple.aws.events import EVENTS

    call = Call(world.place(), ROLE, "json")
    EVENTS.perform(call, "PutRule", {"Name": "r", "ScheduleExpression": "rate(1 day)"})

    assert do("ListSchedules")["Schedules"] == []
    assert len(do("ListScheduleGroups")["ScheduleGroups"]) == 1
    assert refusal(do, "CreateScheduleGroup", Name="aws.events")[0] == "ValidationException"


# -- groups, lists, tags ---------------------------------------------------------------------------------------------


def test_a_group_has_names_of_its_own(do: Do, world: World) -> None:
    made = do("CreateScheduleGroup", Name="g")
    assert made == {"ScheduleGroupArn": f"{PREFIX}:schedule-group/g"}
    do("CreateSchedule", Name="s", **terms())

    assert do("CreateSchedule", Name="s", GroupName="g", **terms())["ScheduleArn"] == f"{PREFIX}:schedule/g/s"
    assert set(world.broker().schedules) == {"s", "g/s"}
    assert do("GetScheduleGroup", Name="g") == {
        "Arn": f"{PREFIX}:schedule-group/g",
        "Name": "g",
        "State": "ACTIVE",
        "CreationDate": NEW_YEAR,
        "LastModificationDate": NEW_YEAR,
    }

    assert do("DeleteScheduleGroup", Name="g") == {}
    assert set(world.broker().schedules) == {"s"}
    assert refusal(do, "GetScheduleGroup", Name="g") == (
        "ResourceNotFoundException", "Schedule group g does not exist.", 404)  # fmt: skip
    assert refusal(do, "GetSchedule", Name="s", GroupName="g")[1] == "Schedule group g does not exist."


def test_refusals_of_groups(do: Do) -> None:
    do("CreateScheduleGroup", Name="g", ClientToken="t")

    assert do("CreateScheduleGroup", Name="g", ClientToken="t") == {"ScheduleGroupArn": f"{PREFIX}:schedule-group/g"}
    for name in ("g", "default"):
        taken = ("ConflictException", f"Schedule group {name} already exists.", 409)
        assert refusal(do, "CreateScheduleGroup", Name=name) == taken
    assert refusal(do, "DeleteScheduleGroup", Name="default")[0] == "ValidationException"
    assert refusal(do, "DeleteScheduleGroup", Name="x")[0] == "ResourceNotFoundException"
    assert refusal(do, "ListSchedules", GroupName="x")[0] == "ResourceNotFoundException"


def test_schedules_are_listed_newest_first_in_pages(do: Do) -> None:
    do("CreateScheduleGroup", Name="g")
    for number in range(4):
        do("CreateSchedule", Name=f"s{number}", **terms(State="DISABLED" if number == 1 else "ENABLED"))
    do("CreateSchedule", Name="x", GroupName="g", **terms())

    def names(**given: Any) -> list[str]:
        return [one["Name"] for one in do("ListSchedules", **given)["Schedules"]]

    first = do("ListSchedules", MaxResults=3)
    assert [one["Name"] for one in first["Schedules"]] == ["x", "s3", "s2"]
    assert names(NextToken=first["NextToken"]) == ["s1", "s0"]
    assert names(NamePrefix="s", State="ENABLED") == ["s3", "s2", "s0"]
    assert names(State="DISABLED") == ["s1"]
    assert names(GroupName="g") == ["x"]
    assert first["Schedules"][0] == {
        "Arn": f"{PREFIX}:schedule/g/x",
        "Name": "x",
        "GroupName": "g",
        "State": "ENABLED",
        "CreationDate": NEW_YEAR,
        "LastModificationDate": NEW_YEAR,
        "Target": {"Arn": QUEUE},
    }


def test_groups_have_tags(do: Do) -> None:
    arn = do("CreateScheduleGroup", Name="g", Tags=[{"Key": "a", "Value": "1"}])["ScheduleGroupArn"]

    assert do("TagResource", ResourceArn=arn, Tags=[{"Key": "b", "Value": "2"}]) == {}
    assert do("UntagResource", ResourceArn=arn, TagKeys=["a", "x"]) == {}

    assert do("ListTagsForResource", ResourceArn=arn) == {"Tags": [{"Key": "b", "Value": "2"}]}
    assert refusal(do, "ListTagsForResource", ResourceArn=f"{arn}x")[0] == "ResourceNotFoundException"


def test_every_operation_of_the_service_is_in_the_table() -> None:
    assert SCHEDULER.operations.keys() == SCHEDULER.model.operations.keys()


def test_an_update_that_is_refused_leaves_the_schedule_at_work(do: Do, world: World, orders: Queue) -> None:
    world.broker().queue("dead.fifo", fifo=True)
    do("CreateSchedule", Name="s", **terms("rate(1 minute)"))
    fifo = {"DeadLetterConfig": {"Arn": f"{QUEUE.removesuffix('orders')}dead.fifo"}}

    refusal(do, "UpdateSchedule", Name="s", **terms("rate(1 minute)", fifo))

    assert [*world.broker().schedules] == ["s"]
    assert do("GetSchedule", Name="s")["State"] == "ENABLED"


def test_a_book_that_nobody_reads_does_not_grow_with_schedules_that_deleted_themselves(
    do: Do, world: World, clock: VirtualClock, orders: Queue
) -> None:
    for number in range(600):
        at = (clock.time + timedelta(seconds=1)).strftime("%Y-%m-%dT%H:%M:%S")
        do("CreateSchedule", Name=f"once-{number}", **terms(f"at({at})", ActionAfterCompletion="DELETE"))
        clock.advance(1)

    assert len(book_of(world.place()).entries) <= FEW
    assert do("ListSchedules") == {"Schedules": []}
