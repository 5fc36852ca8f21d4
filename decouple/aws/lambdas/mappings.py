"""Event source mappings: a queue whose messages invoke a function. Each is a trigger of the queue."""

from __future__ import annotations

from collections.abc import Mapping as Map
from typing import TYPE_CHECKING, Any

from decouple.aws.lambdas import LAMBDA
from decouple.aws.lambdas.mapping_records import Mapping, Mappings
from decouple.aws.lambdas.mapping_terms import read_terms, settings_of
from decouple.aws.lambdas.names import Found, find, invalid, named
from decouple.aws.lambdas.pages import page
from decouple.aws.lambdas.records import part
from decouple.aws.lambdas.tagging import check_tags
from decouple.errors import InvalidFilter, QueueClosed, TriggerExists

if TYPE_CHECKING:
    from decouple.aws.errors import ServiceError
    from decouple.aws.service import Answer, Given
    from decouple.aws.world import Call
    from decouple.queue import Queue
    from decouple.trigger import Trigger

__all__: list[str] = []

MOST_LISTED = 100
QUEUES_ONLY = "SQS queues of the function's account; no streams, Kafka, MQ or DocumentDB"
OTHERS = {
    "kinesis": "Kinesis streams",
    "dynamodb": "DynamoDB streams",
    "mq": "Amazon MQ brokers",
    "kafka": "Kafka clusters",
    "rds": "DocumentDB clusters",
}


@LAMBDA.operation("CreateEventSourceMapping", note=QUEUES_ONLY)
def create_event_source_mapping(call: Call, given: Given) -> Answer:
    """Let the messages of a queue invoke a function."""
    found, queue = function_of(call, given["FunctionName"]), queue_of(call, given.get("EventSourceArn"))
    terms = read_terms(queue, {}, given)
    tags = check_tags({}, part(given, "Tags"))
    mappings = call.place.keep(Mappings)
    check_free(call, mappings, queue, found)
    check_times(queue, found)
    trigger = start(queue, found, terms, enabled=given.get("Enabled") is not False)
    mapping = Mapping(trigger, queue.arn, found.arn, found.function.name, terms, call.place.now(), tags=tags)
    mappings.keep(mapping)
    return mapping.shown(call.place, "Creating")


@LAMBDA.operation("GetEventSourceMapping")
def get_event_source_mapping(call: Call, given: Given) -> Answer:
    """A mapping as it is now."""
    return call.place.keep(Mappings).find(call.place, given["UUID"]).shown(call.place)


@LAMBDA.operation("ListEventSourceMappings")
def list_event_source_mappings(call: Call, given: Given) -> Answer:
    """Those there are, of one queue or one function if asked."""
    source, function = given.get("EventSourceArn"), given.get("FunctionName")
    name = named(call, function).name if function else None
    listed = {
        mapping.uuid: mapping.shown(call.place)
        for mapping in call.place.keep(Mappings).all(call.place)
        if source in (None, "", mapping.source) and name in (None, mapping.name)
    }
    return page("EventSourceMappings", listed, given, MOST_LISTED)


@LAMBDA.operation("UpdateEventSourceMapping", note="other settings begin with a new trigger; batches under way end")
def update_event_source_mapping(call: Call, given: Given) -> Answer:
    """Change what is given, pause it or let it go on."""
    mappings = call.place.keep(Mappings)
    mapping = mappings.find(call.place, given["UUID"])
    queue = queue_of(call, mapping.source)
    found = function_of(call, given.get("FunctionName") or mapping.function)
    terms = read_terms(queue, mapping.terms, given)
    if found.function.name != mapping.name:
        check_free(call, mappings, queue, found)
    check_times(queue, found)
    was, wanted = mapping.trigger.state, given.get("Enabled")
    enabled = was == "enabled" if wanted is None else wanted
    if found.function is not mapping.trigger.function or terms != mapping.terms or was == "closed":
        restart(mapping, queue, found, terms, enabled=enabled)
    elif enabled:
        mapping.trigger.resume()
    else:
        mapping.trigger.pause()
    mapping.modified = call.place.now()
    return mapping.shown(call.place, going_through(was == "enabled", enabled))


@LAMBDA.operation("DeleteEventSourceMapping")
def delete_event_source_mapping(call: Call, given: Given) -> Answer:
    """End it; what was not begun goes back to the queue."""
    mappings = call.place.keep(Mappings)
    mapping = mappings.find(call.place, given["UUID"])
    mapping.trigger.close()
    mappings.forget(mapping)
    mapping.modified = call.place.now()
    return mapping.shown(call.place, "Deleting")


# -- what it is between ------------------------------------------------------------------------------------------------


def function_of(call: Call, name: str) -> Found:
    """The function of a mapping. Raises ServiceError."""
    asked = named(call, name)
    if asked.place is None or asked.name not in asked.place.broker.functions:
        raise invalid("Function does not exist")
    found = find(call, name, action="lambda:CreateEventSourceMapping")
    if found.place is not call.place:
        raise invalid("An event source mapping and its function must be in the same account")
    _ = found.version
    return found


def queue_of(call: Call, arn: str | None) -> Queue[Any]:
    """The queue of a mapping. Raises ServiceError."""
    parts = (arn or "").split(":", 5)
    service = parts[2] if len(parts) == 6 else ""
    if service != "sqs":
        what = OTHERS.get(service, "other event sources, or self-managed ones,")
        raise invalid(f"decouple has no {what} as event sources: SQS queues only, by their ARN in EventSourceArn")
    if (parts[4], parts[3]) != (call.account, call.region):
        raise invalid(
            f"The queue {arn} is of another account or region, which decouple's event source mappings are not"
        )
    queue = call.world.queue_at(arn or "")
    if queue is None:
        raise invalid(
            "Error occurred while ReceiveMessage. SQS Error Code: AWS.SimpleQueueService.NonExistentQueue. SQS Error "
            "Message: The specified queue does not exist."
        )
    return queue


def check_free(call: Call, mappings: Mappings, queue: Queue[Any], found: Found) -> None:
    name = found.function.name
    for mapping in mappings.all(call.place):
        if (mapping.source, mapping.name) == (queue.arn, name):
            raise taken(queue.arn, name, mapping.uuid)


def taken(arn: str, name: str, uuid: str) -> ServiceError:
    return LAMBDA.error(
        "ResourceConflictException",
        f'An event source mapping with SQS arn (" {arn} ") and function (" {name} ") already exists. Please update or '
        f"delete the existing mapping with UUID {uuid}",
    )


def check_times(queue: Queue[Any], found: Found) -> None:
    """A message must not come again while the function may run."""
    visibility: float = queue.settings["visibility_timeout"]
    if visibility < found.function.timeout:
        raise invalid(
            f"Queue visibility timeout: {visibility:g} seconds is less than Function timeout: "
            f"{found.function.timeout:g} seconds"
        )


# -- the trigger -------------------------------------------------------------------------------------------------------


def start(queue: Queue[Any], found: Found, terms: Map[str, Any], *, enabled: bool) -> Trigger:
    try:
        return queue.trigger(found.function, enabled=enabled, **settings_of(terms))
    except InvalidFilter as error:
        raise invalid("Invalid filter pattern definition.") from error
    except (ValueError, TypeError, TriggerExists, QueueClosed) as error:
        raise invalid(str(error)) from error


def restart(mapping: Mapping, queue: Queue[Any], found: Found, terms: dict[str, Any], *, enabled: bool) -> None:
    """Another trigger in its place; if there can be none, one as it was."""
    old = mapping.trigger
    was_closed, was_enabled = old.state == "closed", old.state == "enabled"
    old.close()
    try:
        mapping.trigger = start(queue, found, terms, enabled=enabled)
    except BaseException:
        if not was_closed:
            mapping.trigger = old.queue.trigger(old.function, enabled=was_enabled, **old.settings)
        raise
    mapping.terms, mapping.function, mapping.name = terms, found.arn, found.function.name
    mapping.native = False


def going_through(was_enabled: bool, enabled: bool) -> str:
    """The state after an update that was asked for just now."""
    if was_enabled == enabled:
        return "Updating"
    return "Enabling" if enabled else "Disabling"
