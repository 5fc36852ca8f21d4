"""SQS on the wire: dead letters, and the tasks that move them back."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from sqs_caller import INVALID, OTHER, OWNER, Caller, told

from decouple.aws import World
from decouple.testing import VirtualClock

PREFIX = f"arn:aws:sqs:us-east-1:{OWNER}:"
DEAD, ORDERS = PREFIX + "dead", PREFIX + "orders"


def layout(sqs: Caller, *sources: str) -> None:
    """A dead-letter queue, and queues that give a message once and never again."""
    sqs.create("dead")
    for name in sources or ("orders",):
        policy = json.dumps({"deadLetterTargetArn": DEAD, "maxReceiveCount": 1})
        sqs.create(name, RedrivePolicy=policy, VisibilityTimeout="0")


def bury(sqs: Caller, name: str, *bodies: str) -> list[str]:
    """Messages that died in the queue; their ids."""
    ids = [sqs.send(name, body)["MessageId"] for body in bodies]
    assert len(sqs.receive(name, 10)) == len(bodies)
    assert sqs.receive(name, 10) == []
    return ids


@pytest.fixture
def world(clock: VirtualClock) -> Iterator[World]:
    world = World(clock=clock, account=OWNER)
    yield world
    world.check()


@pytest.fixture
def sqs(world: World) -> Caller:
    sqs = Caller(world)
    layout(sqs)
    return sqs


def start(sqs: Caller, **given: Any) -> str:
    handle: str = sqs("StartMessageMoveTask", SourceArn=DEAD, **given)["TaskHandle"]
    return handle


def tasks(sqs: Caller, **given: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = sqs("ListMessageMoveTasks", SourceArn=DEAD, **given).get("Results", [])
    return found


# -- dead letters ----------------------------------------------------------------------------------------------------


def test_a_dead_letter_keeps_its_id_its_count_and_says_where_it_came_from(sqs: Caller, clock: VirtualClock) -> None:
    """SQS: it moves at the receive after the last allowed one, which does not count."""
    [sent] = bury(sqs, "orders", "x")
    clock.advance(5)

    [message] = sqs.receive("dead", AttributeNames=["All"])

    assert message["MessageId"] == sent
    assert message["Attributes"] == {
        "ApproximateReceiveCount": "2",
        "ApproximateFirstReceiveTimestamp": "1767225600000",
        "DeadLetterQueueSourceArn": ORDERS,
        "SenderId": "AIDAIENQZJOLO23YVJ4VO",
        "SentTimestamp": "1767225600000",
    }


def test_expiry_alone_moves_nothing(sqs: Caller) -> None:
    sqs.send("orders")
    sqs.receive("orders")

    assert sqs.attributes("dead", "ApproximateNumberOfMessages") == {"ApproximateNumberOfMessages": "0"}


# -- starting --------------------------------------------------------------------------------------------------------


def test_dead_letters_move_back_to_where_each_came_from(world: World) -> None:
    sqs = Caller(world)
    layout(sqs, "orders", "bills")
    bury(sqs, "orders", "order")
    bury(sqs, "bills", "bill")

    start(sqs)

    assert (sqs.bodies("orders"), sqs.bodies("bills"), sqs.bodies("dead")) == (["order"], ["bill"], [])


def test_moved_messages_are_new_ones(sqs: Caller, clock: VirtualClock) -> None:
    [sent] = bury(sqs, "orders", "x")
    clock.advance(5)

    start(sqs)

    [message] = sqs.receive("orders", AttributeNames=["All"])
    assert message["MessageId"] != sent
    assert message["Attributes"] == {
        "ApproximateReceiveCount": "1",
        "ApproximateFirstReceiveTimestamp": "1767225605000",
        "SenderId": "AIDAIENQZJOLO23YVJ4VO",
        "SentTimestamp": "1767225605000",
    }


def test_a_destination_takes_them_all(sqs: Caller) -> None:
    sqs.create("other")
    bury(sqs, "orders", "a")
    sqs.send("dead", "sent here")

    start(sqs, DestinationArn=PREFIX + "other")

    assert sorted(sqs.bodies("other")) == ["a", "sent here"]


def test_a_handle_is_base64_of_the_task_s_id_and_its_source(sqs: Caller) -> None:
    found = json.loads(base64.b64decode(start(sqs)))

    assert set(found) == {"taskId", "sourceArn"}
    assert found["sourceArn"] == DEAD


def test_a_rate_moves_so_many_a_second(sqs: Caller, clock: VirtualClock) -> None:
    bury(sqs, "orders", *"abcdefgh")
    start(sqs, MaxNumberOfMessagesPerSecond=2)

    clock.advance(1)

    assert tasks(sqs)[0]["ApproximateNumberOfMessagesMoved"] == 3
    clock.advance(10)
    assert tasks(sqs)[0]["Status"] == "COMPLETED"


def test_on_real_time_the_moves_are_made_while_nobody_looks() -> None:
    sqs = Caller(World(account=OWNER))
    layout(sqs)
    bury(sqs, "orders", "a", "b")

    start(sqs, MaxNumberOfMessagesPerSecond=50)

    found: list[str] = []
    end = time.monotonic() + 5
    while len(found) < 2 and time.monotonic() < end:
        found += sqs.bodies("orders", VisibilityTimeout=30, WaitTimeSeconds=1)
    assert sorted(found) == ["a", "b"]


def test_the_source_must_be_somebody_s_dead_letter_queue(sqs: Caller) -> None:
    error = sqs.refused("StartMessageMoveTask", SourceArn=ORDERS)

    assert told(error) == (*INVALID, "Source queue must be configured as a Dead Letter Queue.")


@pytest.mark.parametrize("operation", ["StartMessageMoveTask", "ListMessageMoveTasks"])
@pytest.mark.parametrize("arn", [PREFIX + "none", DEAD.replace("east", "west"), DEAD.replace("sqs", "sns")])
def test_a_source_that_is_not_there(sqs: Caller, operation: str, arn: str) -> None:
    error = sqs.refused(operation, SourceArn=arn)

    text = "The resource that you specified for the SourceArn parameter doesn't exist."
    assert told(error) == ("ResourceNotFoundException", "ResourceNotFoundException", 404, text)


def test_a_destination_that_is_not_there(sqs: Caller) -> None:
    error = sqs.refused("StartMessageMoveTask", SourceArn=DEAD, DestinationArn=PREFIX + "none")

    text = "The resource that you specified for the DestinationArn parameter doesn't exist."
    assert told(error) == ("ResourceNotFoundException", "ResourceNotFoundException", 404, text)


def test_what_is_no_arn(sqs: Caller) -> None:
    error = sqs.refused("StartMessageMoveTask", SourceArn="dead")

    form = "arn:<partition>:<service>:<region>:<account-id>:<resource-id>"
    assert told(error) == (*INVALID, f"You must use this format to specify the SourceArn: {form}")


@pytest.mark.parametrize("name", ["dead", "orders.fifo"])
def test_a_destination_that_cannot_take_them(sqs: Caller, name: str) -> None:
    sqs.create("orders.fifo")

    error = sqs.refused("StartMessageMoveTask", SourceArn=DEAD, DestinationArn=PREFIX + name)

    assert error.message.startswith(f"Value {PREFIX + name} for parameter DestinationArn is invalid. Reason: ")


@pytest.mark.parametrize("rate", [0, -1, 501])
def test_a_rate_is_from_1_to_500(sqs: Caller, rate: int) -> None:
    error = sqs.refused("StartMessageMoveTask", SourceArn=DEAD, MaxNumberOfMessagesPerSecond=rate)

    assert told(error)[:3] == INVALID


def test_a_source_has_one_task_at_a_time(sqs: Caller) -> None:
    bury(sqs, "orders", "a", "b")
    start(sqs, MaxNumberOfMessagesPerSecond=1)

    error = sqs.refused("StartMessageMoveTask", SourceArn=DEAD)

    assert told(error) == (
        *INVALID,
        "There is already a task running. Only one active task is allowed for a source queue arn at a given time.",
    )


# -- listing ---------------------------------------------------------------------------------------------------------


def test_a_running_task_has_a_handle_and_says_what_was_asked_for(sqs: Caller, clock: VirtualClock) -> None:
    sqs.create("other")
    bury(sqs, "orders", "a", "b")
    clock.advance(0.25)
    handle = start(sqs, MaxNumberOfMessagesPerSecond=1, DestinationArn=PREFIX + "other")

    running = {
        "TaskHandle": handle,
        "Status": "RUNNING",
        "SourceArn": DEAD,
        "DestinationArn": PREFIX + "other",
        "MaxNumberOfMessagesPerSecond": 1,
        "ApproximateNumberOfMessagesMoved": 1,
        "ApproximateNumberOfMessagesToMove": 2,
        "StartedTimestamp": 1767225600250,
    }
    assert tasks(sqs) == [running]

    clock.advance(1)
    del running["TaskHandle"]
    assert tasks(sqs) == [{**running, "Status": "COMPLETED", "ApproximateNumberOfMessagesMoved": 2}]


def test_what_was_not_asked_for_is_not_shown(sqs: Caller) -> None:
    start(sqs)

    assert tasks(sqs) == [
        {
            "Status": "COMPLETED",
            "SourceArn": DEAD,
            "ApproximateNumberOfMessagesMoved": 0,
            "ApproximateNumberOfMessagesToMove": 0,
            "StartedTimestamp": 1767225600000,
        }
    ]


def test_the_newest_task_comes_first_and_alone_unless_more_are_asked_for(sqs: Caller, clock: VirtualClock) -> None:
    assert sqs("ListMessageMoveTasks", SourceArn=DEAD) == {}
    for _ in range(3):
        start(sqs)
        clock.advance(1)

    assert [task["StartedTimestamp"] for task in tasks(sqs)] == [1767225602000]
    assert [task["StartedTimestamp"] % 10_000 // 1_000 for task in tasks(sqs, MaxResults=10)] == [2, 1, 0]


@pytest.mark.parametrize("most", [0, 11])
def test_up_to_ten_tasks_are_listed(sqs: Caller, most: int) -> None:
    assert told(sqs.refused("ListMessageMoveTasks", SourceArn=DEAD, MaxResults=most))[:3] == INVALID


def test_a_redrive_begun_natively_is_listed(sqs: Caller) -> None:
    bury(sqs, "orders", "a")

    sqs.queue("dead").redrive()

    assert tasks(sqs)[0]["ApproximateNumberOfMessagesMoved"] == 1


def test_a_task_fails_when_its_destination_is_deleted(sqs: Caller, clock: VirtualClock) -> None:
    other = sqs.create("other")
    bury(sqs, "orders", "a", "b", "c")
    start(sqs, MaxNumberOfMessagesPerSecond=1, DestinationArn=PREFIX + "other")

    sqs("DeleteQueue", QueueUrl=other)
    clock.advance(1)

    [task] = tasks(sqs)
    assert (task["Status"], task["FailureReason"]) == ("FAILED", "AWS.SimpleQueueService.NonExistentQueue")


# -- cancelling ------------------------------------------------------------------------------------------------------


def test_a_cancelled_task_says_what_it_moved_and_undoes_nothing(sqs: Caller) -> None:
    bury(sqs, "orders", "a", "b")
    handle = start(sqs, MaxNumberOfMessagesPerSecond=1)

    assert sqs("CancelMessageMoveTask", TaskHandle=handle) == {"ApproximateNumberOfMessagesMoved": 1}

    assert tasks(sqs)[0]["Status"] == "CANCELLED"
    assert (len(sqs.bodies("orders")), len(sqs.bodies("dead"))) == (1, 1)


def test_only_a_running_task_is_cancelled(sqs: Caller) -> None:
    error = sqs.refused("CancelMessageMoveTask", TaskHandle=start(sqs))

    assert told(error) == (*INVALID, "Only active tasks can be cancelled.")


def handle_of(**document: object) -> str:
    return base64.b64encode(json.dumps(document).encode()).decode()


@pytest.mark.parametrize(
    "handle", ["x", "é", "", base64.b64encode(b"x").decode(), "/w==", handle_of(taskId="x"), handle_of(taskId=1, sourceArn=2)]
)  # fmt: skip
def test_what_is_no_handle(sqs: Caller, handle: str) -> None:
    error = sqs.refused("CancelMessageMoveTask", TaskHandle=handle)

    assert told(error) == (*INVALID, "Value for parameter TaskHandle is invalid.")


def test_a_handle_of_a_queue_or_task_that_is_not_there(sqs: Caller) -> None:
    error = sqs.refused("CancelMessageMoveTask", TaskHandle=handle_of(taskId="x", sourceArn=PREFIX + "none"))
    text = "The resource that you specified for the SourceArn parameter doesn't exist."
    assert told(error)[2:] == (404, text)

    error = sqs.refused("CancelMessageMoveTask", TaskHandle=handle_of(taskId="x", sourceArn=DEAD))
    assert told(error)[2:] == (404, "Task does not exist.")


def test_other_accounts_have_no_part_in_it(sqs: Caller, world: World) -> None:
    other = Caller(world, OTHER)

    for operation, given in (
        ("StartMessageMoveTask", {"SourceArn": DEAD}),
        ("ListMessageMoveTasks", {"SourceArn": DEAD}),
        ("CancelMessageMoveTask", {"TaskHandle": start(sqs)}),
    ):
        assert told(other.refused(operation, **given))[:3] == ("AccessDeniedException", "AccessDenied", 403)
