"""Lambda on the wire: queues whose messages invoke functions. Texts are those recorded from the service."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from lambda_caller import CONFLICT, INVALID, MISSING, OWNER, Caller, arn

from decouple import Queue
from decouple.aws import World
from decouple.testing import VirtualClock

SOURCE = arn("orders", "", "sqs")


@pytest.fixture
def seen() -> list[list[str]]:
    return []


@pytest.fixture
def world(clock: VirtualClock, seen: list[list[str]]) -> Iterator[World]:
    world = World(clock=clock, account=OWNER)

    def handle(event: Any, context: Any) -> Any:
        seen.append([record["body"] for record in event["Records"]])
        failed = [{"itemIdentifier": one["messageId"]} for one in event["Records"] if one["body"] == "bad"]
        return {"batchItemFailures": failed}

    world.handlers["app.handler"] = handle
    yield world
    world.check()
    world.close()


@pytest.fixture
def aws(world: World) -> Caller:
    caller = Caller(world)
    caller.create()
    caller.broker.queue("orders")
    return caller


@pytest.fixture
def queue(aws: Caller) -> Queue:
    return aws.broker.queues["orders"]


def create(aws: Caller, **given: Any) -> dict[str, Any]:
    return aws("CreateEventSourceMapping", **{"FunctionName": "resize", "EventSourceArn": SOURCE, **given})


def test_a_mapping_is_being_created_in_the_answer_and_enabled_from_then_on(aws: Caller) -> None:
    made = create(aws)

    uuid = made["UUID"]
    assert made == {
        "UUID": uuid,
        "EventSourceMappingArn": arn(uuid, "event-source-mapping"),
        "EventSourceArn": SOURCE,
        "FunctionArn": arn(),
        "BatchSize": 10,
        "MaximumBatchingWindowInSeconds": 0,
        "FunctionResponseTypes": [],
        "LastModified": datetime(2026, 1, 1, tzinfo=UTC),
        "State": "Creating",
        "StateTransitionReason": "USER_INITIATED",
    }
    assert aws("GetEventSourceMapping", UUID=uuid) == {**made, "State": "Enabled"}
    assert aws("ListEventSourceMappings") == {"EventSourceMappings": [{**made, "State": "Enabled"}]}


def test_messages_invoke_the_function_in_batches_of_ten_and_are_deleted(
    aws: Caller, queue: Queue, seen: list[list[str]]
) -> None:
    create(aws)

    for number in range(12):
        queue.send(str(number))
    aws.broker.run_until_idle()

    assert sorted(body for batch in seen for body in batch) == sorted(map(str, range(12)))
    assert max(map(len, seen)) <= 10
    assert queue.stats().visible == 0


def test_failures_are_read_from_the_answer_only_if_the_mapping_says_so(
    aws: Caller, queue: Queue, seen: list[list[str]], clock: VirtualClock
) -> None:
    """Lambda: without ReportBatchItemFailures the returned object is ignored."""
    uuid = create(aws)["UUID"]
    queue.send("bad")
    clock.advance(60)
    assert seen == [["bad"]]

    aws("UpdateEventSourceMapping", UUID=uuid, FunctionResponseTypes=["ReportBatchItemFailures"])
    queue.send("bad")
    clock.advance(60)
    assert len(seen) > 2


def test_messages_that_match_no_filter_are_deleted(aws: Caller, queue: Queue, seen: list[list[str]]) -> None:
    filters = {"Filters": [{"Pattern": '{"body": {"kind": ["order"]}}'}, {"Pattern": '{"body": ["text"]}'}]}

    made = create(aws, FilterCriteria=filters)
    for body in ('{"kind": "order"}', '{"kind": "other"}', "text"):
        queue.send(body)
    aws.broker.run_until_idle()

    assert made["FilterCriteria"] == filters
    assert sorted(body for batch in seen for body in batch) == ["text", '{"kind": "order"}']
    assert queue.stats().visible == queue.stats().in_flight == 0
    assert "FilterCriteria" not in aws("UpdateEventSourceMapping", UUID=made["UUID"], FilterCriteria={"Filters": []})


@pytest.mark.parametrize(
    ("given", "settings"),
    [
        ({"BatchSize": 100, "MaximumBatchingWindowInSeconds": 5}, {"batch_size": 100, "batch_window": 5}),
        ({"ScalingConfig": {"MaximumConcurrency": 7}}, {"max_concurrency": 7, "scaling": "aws"}),
        ({"ScalingConfig": {}}, {"max_concurrency": None}),
        ({"ProvisionedPollerConfig": {"MinimumPollers": 3, "MaximumPollers": 9}}, {"pollers": (3, 9)}),
        ({"ProvisionedPollerConfig": {"MinimumPollers": 3}}, {"pollers": (3, 200)}),
        ({"FunctionResponseTypes": ["ReportBatchItemFailures"]}, {"partial_failures": True}),
        ({}, {"partial_failures": False, "scaling": "aws", "batch_size": 10}),
    ],
    ids=["batches", "concurrency", "no concurrency", "pollers", "least pollers", "failures", "defaults"],
)
def test_parameters_are_settings_of_the_trigger_and_are_shown(
    aws: Caller, queue: Queue, given: dict[str, Any], settings: dict[str, Any]
) -> None:
    made = create(aws, **given)

    assert settings.items() <= queue.triggers["resize"].settings.items()
    for name, value in given.items():
        if value and name != "ProvisionedPollerConfig":
            assert made[name] == value


def test_a_mapping_may_begin_disabled_and_be_enabled_and_disabled_again(
    aws: Caller, queue: Queue, seen: list[list[str]]
) -> None:
    uuid = create(aws, Enabled=False)["UUID"]
    queue.send("one")
    aws.broker.run_until_idle()
    assert (seen, aws("GetEventSourceMapping", UUID=uuid)["State"]) == ([], "Disabled")

    assert aws("UpdateEventSourceMapping", UUID=uuid, Enabled=True)["State"] == "Enabling"
    aws.broker.run_until_idle()
    assert (seen, aws("GetEventSourceMapping", UUID=uuid)["State"]) == ([["one"]], "Enabled")

    assert aws("UpdateEventSourceMapping", UUID=uuid, Enabled=False)["State"] == "Disabling"
    queue.send("two")
    aws.broker.run_until_idle()
    assert (len(seen), aws("GetEventSourceMapping", UUID=uuid)["State"]) == (1, "Disabled")


def test_an_update_changes_what_is_given_and_keeps_the_rest(aws: Caller, queue: Queue, clock: VirtualClock) -> None:
    made = create(aws, BatchSize=5, Enabled=False, Tags={"a": "b"})
    clock.advance(10)

    changed = aws("UpdateEventSourceMapping", UUID=made["UUID"], MaximumBatchingWindowInSeconds=3)

    assert (changed["BatchSize"], changed["MaximumBatchingWindowInSeconds"]) == (5, 3)
    assert (changed["State"], changed["LastModified"].second) == ("Updating", 10)
    assert aws("GetEventSourceMapping", UUID=made["UUID"])["State"] == "Disabled"
    assert queue.triggers["resize"].settings["batch_window"] == 3
    assert aws("ListTags", Resource=made["EventSourceMappingArn"]) == {"Tags": {"a": "b"}}


def test_a_mapping_is_given_to_another_function(aws: Caller, queue: Queue) -> None:
    uuid = create(aws)["UUID"]
    aws.create("other")

    moved = aws("UpdateEventSourceMapping", UUID=uuid, FunctionName="other")

    assert moved["FunctionArn"] == arn("other")
    assert list(queue.triggers) == ["other"]
    create(aws)
    assert aws.refused("UpdateEventSourceMapping", UUID=uuid, FunctionName="resize")[:2] == CONFLICT


def test_an_update_that_is_refused_changes_nothing(aws: Caller, queue: Queue) -> None:
    made = create(aws)

    assert aws.refused("UpdateEventSourceMapping", UUID=made["UUID"], BatchSize=11)[:2] == INVALID
    assert aws.refused(
        "UpdateEventSourceMapping", UUID=made["UUID"], FilterCriteria={"Filters": [{"Pattern": '{"a": [{"x": 1}]}'}]}
    ) == (*INVALID, "Invalid filter pattern definition.")

    assert aws("GetEventSourceMapping", UUID=made["UUID"]) == {**made, "State": "Enabled"}
    assert queue.triggers["resize"].state == "enabled"


def test_a_deleted_mapping_is_gone(aws: Caller, queue: Queue) -> None:
    uuid = create(aws)["UUID"]

    assert aws("DeleteEventSourceMapping", UUID=uuid)["State"] == "Deleting"

    for operation in ("GetEventSourceMapping", "DeleteEventSourceMapping", "UpdateEventSourceMapping"):
        assert aws.refused(operation, UUID=uuid) == (*MISSING, "The resource you requested does not exist.")
    assert queue.triggers == {}
    create(aws)


def test_a_function_is_named_with_its_qualifier(aws: Caller) -> None:
    aws("PublishVersion", FunctionName="resize")
    aws("CreateAlias", FunctionName="resize", Name="live", FunctionVersion="1")

    assert create(aws, FunctionName="resize:live")["FunctionArn"] == arn("resize:live")


def test_mappings_are_listed_by_queue_and_by_function(aws: Caller) -> None:
    aws.create("other")
    aws.broker.queue("more")
    first, second = create(aws)["UUID"], create(aws, FunctionName="other")["UUID"]
    third = create(aws, EventSourceArn=arn("more", "", "sqs"))["UUID"]

    def listed(**given: Any) -> list[str]:
        return [one["UUID"] for one in aws("ListEventSourceMappings", **given)["EventSourceMappings"]]

    assert listed() == [first, second, third]
    assert listed(FunctionName="resize") == [first, third]
    assert listed(EventSourceArn=SOURCE, FunctionName=arn("other")) == [second]
    assert listed(EventSourceArn=arn("no", "", "sqs")) == []
    page = aws("ListEventSourceMappings", MaxItems=2)
    assert listed(Marker=page["NextMarker"]) == [third]


def test_a_trigger_that_was_declared_natively_is_a_mapping_until_it_is_closed(aws: Caller, queue: Queue) -> None:
    trigger = queue.trigger(aws.function(), batch_size=20, batch_window=2, filter={"body": ["a"]}, max_concurrency=4)

    [mapping] = aws("ListEventSourceMappings")["EventSourceMappings"]
    assert (mapping["BatchSize"], mapping["MaximumBatchingWindowInSeconds"]) == (20, 2)
    assert mapping["FilterCriteria"] == {"Filters": [{"Pattern": '{"body": ["a"]}'}]}
    assert mapping["ScalingConfig"] == {"MaximumConcurrency": 4}
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert aws("GetEventSourceMapping", UUID=mapping["UUID"]) == mapping

    trigger.close()
    assert aws("ListEventSourceMappings") == {"EventSourceMappings": []}


def test_a_mapping_whose_queue_is_gone_stays_disabled_until_it_is_deleted(aws: Caller, queue: Queue) -> None:
    uuid = create(aws)["UUID"]
    aws.broker.delete(queue)

    assert aws("GetEventSourceMapping", UUID=uuid)["State"] == "Disabled"
    assert aws.refused("UpdateEventSourceMapping", UUID=uuid, Enabled=True)[:2] == INVALID
    assert aws("DeleteEventSourceMapping", UUID=uuid)["State"] == "Deleting"


def test_a_mapping_whose_function_was_made_again_works_again_once_it_is_enabled(
    aws: Caller, queue: Queue, seen: list[list[str]]
) -> None:
    uuid = create(aws)["UUID"]
    aws("DeleteFunction", FunctionName="resize")
    assert aws("GetEventSourceMapping", UUID=uuid)["State"] == "Disabled"
    aws.create()

    aws("UpdateEventSourceMapping", UUID=uuid, Enabled=True)
    queue.send("one")
    aws.broker.run_until_idle()

    assert seen == [["one"]]


# -- what is refused ---------------------------------------------------------------------------------------------------


def test_a_queue_has_one_mapping_for_a_function(aws: Caller) -> None:
    uuid = create(aws)["UUID"]

    error = aws.refused("CreateEventSourceMapping", FunctionName=arn(), EventSourceArn=SOURCE)

    assert error == (
        *CONFLICT,
        (
            f'An event source mapping with SQS arn (" {SOURCE} ") and function (" resize ") already exists. Please update or '
            f"delete the existing mapping with UUID {uuid}"
        ),
    )


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (
            {"BatchSize": 11},
            "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10",
        ),
        (
            {"EventSourceArn": arn("no", "", "sqs")},
            ("Error occurred while ReceiveMessage. SQS Error Code: AWS.SimpleQueueService.NonExistentQueue. SQS Error "
            "Message: The specified queue does not exist."),
        ),
        ({"FunctionName": "no"}, "Function does not exist"),
        ({"FilterCriteria": {"Filters": [{"Pattern": "{"}]}}, "Invalid filter pattern definition."),
        ({"FilterCriteria": {"Filters": [{"Pattern": "[]"}]}}, "Invalid filter pattern definition."),
        ({"FilterCriteria": {"Filters": [{"Pattern": '{"body": 1}'}]}}, "Invalid filter pattern definition."),
        ({"FilterCriteria": {"Filters": [{}]}}, "Invalid filter pattern definition."),
        (
            {"FilterCriteria": {"Filters": [{"Pattern": '{"body": ["a"]}'}] * 6}},
            "Exceeded maximum number of filters: there may be 5",
        ),
        ({"StartingPosition": "LATEST"}, "StartingPosition is not valid for SQS event sources."),
        ({"ParallelizationFactor": 2}, "ParallelizationFactor is not valid for SQS event sources."),
        (
            {"EventSourceArn": arn("clicks", "stream", "kinesis").replace("stream:", "stream/")},
            "decouple has no Kinesis streams as event sources: SQS queues only, by their ARN in EventSourceArn",
        ),
        (
            {"EventSourceArn": f"arn:aws:dynamodb:us-east-1:{OWNER}:table/t/stream/2026"},
            "decouple has no DynamoDB streams as event sources: SQS queues only, by their ARN in EventSourceArn",
        ),
        (
            {"EventSourceArn": None},
            ("decouple has no other event sources, or self-managed ones, as event sources: SQS queues only, by their ARN in "
            "EventSourceArn"),
        ),
        (
            {"EventSourceArn": SOURCE.replace(OWNER, "444455556666")},
            (f"The queue {SOURCE.replace(OWNER, '444455556666')} is of another account or region, which decouple's event "
            "source mappings are not"),
        ),
        (
            {"ScalingConfig": {"MaximumConcurrency": 5}, "ProvisionedPollerConfig": {"MinimumPollers": 2}},
            "MaximumConcurrency and ProvisionedPollerConfig cannot be set on the same event source mapping.",
        ),
        (
            {"ProvisionedPollerConfig": {"MinimumPollers": 9, "MaximumPollers": 3}},
            "MinimumPollers must be less than or equal to MaximumPollers",
        ),
        (
            {"ProvisionedPollerConfig": {"MinimumPollers": 1}},
            "MinimumPollers must be greater than or equal to 2",
        ),
        (
            {"EventSourceArn": arn("line.fifo", "", "sqs"), "BatchSize": 11},
            "Batch size must be less than or equal to 10 for FIFO queues",
        ),
        (
            {"EventSourceArn": arn("line.fifo", "", "sqs"), "MaximumBatchingWindowInSeconds": 1},
            "Batching window is not supported for FIFO queues",
        ),
    ],
    ids=[
        "window", "queue", "function", "filter text", "filter list", "filter rule", "no filter", "filters", "position",
        "factor", "kinesis", "dynamodb", "no source", "account", "scaling", "pollers", "few pollers", "fifo size",
        "fifo window",
    ],
)  # fmt: skip
def test_what_a_mapping_cannot_be(aws: Caller, given: dict[str, Any], text: str) -> None:
    aws.broker.queue("line.fifo")
    asked = {"FunctionName": "resize", "EventSourceArn": SOURCE, **given}

    assert aws.refused("CreateEventSourceMapping", **asked) == (*INVALID, text)

    assert aws("ListEventSourceMappings") == {"EventSourceMappings": []}


def test_a_message_must_not_come_again_while_the_function_may_run(aws: Caller, queue: Queue) -> None:
    aws("UpdateFunctionConfiguration", FunctionName="resize", Timeout=60)

    assert aws.refused("CreateEventSourceMapping", FunctionName="resize", EventSourceArn=SOURCE) == (
        *INVALID,
        "Queue visibility timeout: 30 seconds is less than Function timeout: 60 seconds",
    )
