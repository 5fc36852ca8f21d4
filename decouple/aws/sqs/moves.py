"""Message move tasks: StartMessageMoveTask, CancelMessageMoveTask, ListMessageMoveTasks.

The tasks are the engine's. A task's handle is, as on AWS, base64 of JSON with the task's id and the ARN of its source.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from threading import Thread
from typing import TYPE_CHECKING, Any

from decouple.aws.sqs import SQS
from decouple.aws.sqs.changes import object_in
from decouple.aws.sqs.kept import Shelf
from decouple.aws.sqs.urls import admit, place_of
from decouple.errors import MoveTaskRunning, QueueClosed

if TYPE_CHECKING:
    from decouple.aws.service import Answer, Given
    from decouple.aws.world import Call
    from decouple.movetask import MoveTask
    from decouple.queue import Queue

__all__ = ["cancel_message_move_task", "list_message_move_tasks", "start_message_move_task"]

MOST_A_SECOND = 500
MOST_TASKS = 10
WRONG_HANDLE = "Value for parameter TaskHandle is invalid."
GONE = "AWS.SimpleQueueService.NonExistentQueue"


@SQS.operation("StartMessageMoveTask")
def start_message_move_task(call: Call, given: Given) -> Answer:
    """Without a rate all messages have moved when it answers."""
    rate = given.get("MaxNumberOfMessagesPerSecond")
    reason = f"Must be between 1 and {MOST_A_SECOND}, if provided."
    SQS.within(rate, "MaxNumberOfMessagesPerSecond", 1, MOST_A_SECOND, reason)
    source = queue_named(call, given["SourceArn"], "SourceArn", "StartMessageMoveTask")
    if not source.sources():
        raise SQS.wrong("Source queue must be configured as a Dead Letter Queue.")
    target = None
    if given.get("DestinationArn"):
        target = queue_named(call, given["DestinationArn"], "DestinationArn", "SendMessage")
    task = start(call, source, target, rate)
    if not task.over and source.clock.threaded:
        # On real time somebody has to make the moves as they are due: whoever waits for the task does.
        Thread(target=task.wait, name=f"move task of {source.name}", daemon=True).start()
    return {"TaskHandle": handle_of(task, source, call)}


def start(call: Call, source: Queue[Any], target: Queue[Any] | None, rate: int | None) -> MoveTask:
    try:
        return source.redrive(target, max_per_second=rate)
    except MoveTaskRunning as error:
        text = (
            "There is already a task running. Only one active task is allowed for a source queue arn at a given time."
        )
        raise SQS.wrong(text) from error
    except QueueClosed as error:
        raise SQS.no_queue(call.protocol) from error
    except ValueError as error:  # to itself, or to a queue of the other kind
        raise SQS.wrong_value(getattr(target, "arn", None), "DestinationArn", str(error)) from error


@SQS.operation("CancelMessageMoveTask")
def cancel_message_move_task(call: Call, given: Given) -> Answer:
    """What has moved stays where it is."""
    task_id, arn = read_handle(given["TaskHandle"])
    source = queue_named(call, arn, "SourceArn", "CancelMessageMoveTask")
    shelf = place_of(source, call.world).keep(Shelf)
    task = next((one for one in source.move_tasks if shelf.id_of(one) == task_id), None)
    if task is None:
        raise SQS.error("ResourceNotFoundException", "Task does not exist.")
    if task.status != "running":
        raise SQS.wrong("Only active tasks can be cancelled.")
    return {"ApproximateNumberOfMessagesMoved": task.cancel()}


@SQS.operation("ListMessageMoveTasks")
def list_message_move_tasks(call: Call, given: Given) -> Answer:
    """The newest first; one, unless more are asked for."""
    most = given.get("MaxResults")
    SQS.within(most, "MaxResults", 1, MOST_TASKS, f"Must be between 1 and {MOST_TASKS}, if provided.")
    source = queue_named(call, given["SourceArn"], "SourceArn", "ListMessageMoveTasks")
    found = [shown(task, source, call) for task in source.move_tasks[: most or 1]]
    return {"Results": found} if found else {}


def shown(task: MoveTask, source: Queue[Any], call: Call) -> dict[str, Any]:
    """A task; its handle only as long as it can be cancelled."""
    status = task.status
    found: dict[str, Any] = {"TaskHandle": handle_of(task, source, call)} if status == "running" else {}
    found |= {"Status": status.upper(), "SourceArn": source.arn}
    if task.to is not None:
        found["DestinationArn"] = task.to.arn
    if task.max_per_second is not None:
        found["MaxNumberOfMessagesPerSecond"] = int(task.max_per_second)
    found["ApproximateNumberOfMessagesMoved"] = task.moved
    found["ApproximateNumberOfMessagesToMove"] = sum(task.targets.values())
    if task.failure is not None:
        missing = any(isinstance(error, QueueClosed) for error in task.errors)
        found["FailureReason"] = GONE if missing else task.failure
    found["StartedTimestamp"] = int(task.started_at.timestamp() * 1_000)
    return found


# -- names -----------------------------------------------------------------------------------------------------------


def queue_named(call: Call, arn: str, parameter: str, operation: str) -> Queue[Any]:
    """The queue with that ARN in the region that was called. Raises ServiceError."""
    parts = arn.split(":", 5)
    if len(parts) != 6 or parts[0] != "arn":
        form = "arn:<partition>:<service>:<region>:<account-id>:<resource-id>"
        raise SQS.wrong(f"You must use this format to specify the {parameter}: {form}")
    queue = call.world.queue_at(arn) if parts[3] == call.region else None
    if queue is None or queue.closed:
        text = f"The resource that you specified for the {parameter} parameter doesn't exist."
        raise SQS.error("ResourceNotFoundException", text)
    if parts[4] != call.account or call.world.strict:
        admit(call, queue, operation)
    return queue


def handle_of(task: MoveTask, source: Queue[Any], call: Call) -> str:
    task_id = place_of(source, call.world).keep(Shelf).id_of(task)
    return b64encode(json.dumps({"taskId": task_id, "sourceArn": source.arn}).encode()).decode()


def read_handle(handle: str) -> tuple[str, str]:
    """The task's id and its source's ARN. Raises ServiceError."""
    try:
        document = object_in(b64decode(handle.encode("ascii"), validate=True).decode())
    except ValueError as error:
        raise SQS.wrong(WRONG_HANDLE) from error
    task_id, arn = ((document or {}).get(key) for key in ("taskId", "sourceArn"))
    if not isinstance(task_id, str) or not isinstance(arn, str):
        raise SQS.wrong(WRONG_HANDLE)
    return task_id, arn
