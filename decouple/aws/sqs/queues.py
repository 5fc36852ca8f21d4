"""Queues themselves: creating, finding, changing, purging and deleting them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from decouple.arns import arn_of
from decouple.aws.sqs import SQS
from decouple.aws.sqs.attributes import apply, differing, keep, read_attributes, show, unknown
from decouple.aws.sqs.changes import Change, Scope
from decouple.aws.sqs.kept import Shelf, kept_of
from decouple.aws.sqs.naming import check_name
from decouple.aws.sqs.redrive import detach_sources, reattach_sources
from decouple.aws.sqs.urls import Address, find_queue, place_of, queue_at, url_of
from decouple.errors import QueueExists, QueueNotFound

if TYPE_CHECKING:
    from collections.abc import Mapping

    from decouple.aws.service import Answer, Given
    from decouple.aws.world import Call, Place
    from decouple.queue import Queue

__all__ = [
    "create_queue",
    "delete_queue",
    "get_queue_attributes",
    "get_queue_url",
    "purge_queue",
    "set_queue_attributes",
]

AGAIN_AFTER = 60
"""Seconds between two purges, and after a deletion before the name is free; where the world is strict."""


# -- there and not there ---------------------------------------------------------------------------------------------


@SQS.operation("CreateQueue", note="encryption settings and FifoThroughputLimit are stored and have no effect")
def create_queue(call: Call, given: Given) -> Answer:
    """A queue that is there already is compared by the attributes given, and by them alone."""
    name: str = given["QueueName"]
    attributes: dict[str, str] = given.get("Attributes") or {}
    tags: dict[str, str] = given.get("tags") or {}
    fifo = wants_fifo(name, attributes)
    check_name(name, fifo)
    place = call.place
    arn = arn_of("sqs", name, account=place.account, region=place.region)
    changes = read_attributes(attributes, Scope(place, name, fifo, arn))
    queue = place.broker.queues.get(name)
    if queue is None:
        check_not_just_deleted(place, name)
        queue = create(place, name, fifo, changes, tags)
    else:
        check_same(changes, queue, place)
    return {"QueueUrl": url_of(queue, call.world)}


def wants_fifo(name: str, attributes: Mapping[str, str]) -> bool:
    """Whether it is to be a FIFO queue. Raises ServiceError."""
    asked = attributes.get("FifoQueue")
    if asked is None:
        return False
    if asked.lower() == "true":
        return True
    if not name.endswith(".fifo"):
        raise unknown("FifoQueue")
    return False  # which the name does not go with


def check_not_just_deleted(place: Place, name: str) -> None:
    if name in just_deleted(place):
        raise SQS.error(
            "QueueDeletedRecently",
            "You must wait 60 seconds after deleting a queue before you can create another with the same name.",
        )


def just_deleted(place: Place) -> dict[str, float]:
    """Names that are not free yet, and since when; the others are forgotten."""
    deleted = place.keep(Shelf).deleted
    for name, since in list(deleted.items()):  # the oldest first
        if place.now() < since + AGAIN_AFTER:
            break
        deleted.pop(name, None)
    return deleted


def create(place: Place, name: str, fifo: bool, changes: Mapping[str, Change], tags: Mapping[str, str]) -> Queue[Any]:
    settings: dict[str, Any] = {}
    for change in changes.values():
        settings |= change.settings
    try:
        queue = place.broker.queue(name, fifo=fifo, tags=tags, **settings)
    except QueueExists:  # somebody else created it meanwhile
        check_same(changes, place.broker.queues[name], place)
        return place.broker.queues[name]
    except ValueError as error:  # tags: the attributes were checked
        raise SQS.wrong(str(error)) from error
    kept = kept_of(queue, place)
    if changes.get("Policy", Change("")).text:
        queue.policy = changes["Policy"].text
    keep(changes, kept)
    reattach_sources(queue, place)
    return queue


def check_same(changes: Mapping[str, Change], queue: Queue[Any], place: Place) -> None:
    name = differing(changes, queue, kept_of(queue, place))
    if name is not None:
        raise SQS.error(
            "QueueNameExists",
            f"A queue already exists with the same name and a different value for attribute {name}",
        )


@SQS.operation("DeleteQueue", note="the name is free at once unless strict")
def delete_queue(call: Call, given: Given) -> Answer:
    """Also one that others send their dead letters to."""
    queue = find_queue(call, given["QueueUrl"], "DeleteQueue")
    place = place_of(queue, call.world)
    detach_sources(queue, place)
    try:
        place.broker.delete(queue)
    except QueueNotFound as error:  # somebody else deleted it meanwhile
        raise SQS.no_queue(call.protocol) from error
    if call.world.strict:
        just_deleted(place)[queue.name] = place.now()
    return {}


@SQS.operation("GetQueueUrl")
def get_queue_url(call: Call, given: Given) -> Answer:
    """Of another account only where its policy allows it."""
    account = given.get("QueueOwnerAWSAccountId") or call.account
    queue = queue_at(call, Address(account, call.region, given["QueueName"]), "GetQueueUrl")
    return {"QueueUrl": url_of(queue, call.world)}


@SQS.operation("PurgeQueue", note="as often as you like unless strict")
def purge_queue(call: Call, given: Given) -> Answer:
    """Takes what is visible, in flight and delayed, and forgets which ids were used."""
    queue = find_queue(call, given["QueueUrl"], "PurgeQueue")
    place = place_of(queue, call.world)
    kept, now = kept_of(queue, place), place.now()
    if call.world.strict and kept.purged is not None and now < kept.purged + AGAIN_AFTER:
        raise SQS.error(
            "PurgeQueueInProgress", f"Only one PurgeQueue operation on {queue.name} is allowed every 60 seconds."
        )
    kept.purged = now
    queue.purge()
    return {}


# -- attributes ------------------------------------------------------------------------------------------------------


@SQS.operation("GetQueueAttributes")
def get_queue_attributes(call: Call, given: Given) -> Answer:
    """Nothing is shown that was not asked for."""
    queue = find_queue(call, given["QueueUrl"], "GetQueueAttributes")
    names = given.get("AttributeNames")
    shown = show(names, queue, kept_of(queue, place_of(queue, call.world))) if names else {}
    return {"Attributes": shown} if shown else {}


@SQS.operation("SetQueueAttributes", note="encryption settings and FifoThroughputLimit are stored and have no effect")
def set_queue_attributes(call: Call, given: Given) -> Answer:
    """All of them, or none where one is wrong."""
    queue = find_queue(call, given["QueueUrl"], "SetQueueAttributes")
    place = place_of(queue, call.world)
    kept = kept_of(queue, place)
    scope = Scope(place, queue.name, queue.fifo, queue.arn)
    apply(read_attributes(given["Attributes"], scope), queue, kept)
    kept.modified = place.now()
    return {}
