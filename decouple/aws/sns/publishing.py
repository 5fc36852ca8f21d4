"""Publish and PublishBatch: checked in AWS's order and words, then given to the topic.

What a queue did not take is no error of a publish: it is in the subscription's dead-letter queue, or gone with a record.
"""

from __future__ import annotations

from json import loads
from typing import TYPE_CHECKING, Any

from decouple.attributes import size_of
from decouple.aws.service import Answer, Given
from decouple.aws.sns.arns import find_topic
from decouple.aws.sns.message_attributes import read_attributes
from decouple.aws.sns.mobile import open_device
from decouple.aws.sns.service import SNS, invalid, not_found
from decouple.aws.sns.targets import NUMBER, App, Phone
from decouple.aws.world import Call
from decouple.entries import check_id
from decouple.errors import BacklogFull, MessageTooLarge, NotDelivered, TopicClosed
from decouple.publishing import Publish, check_subject

if TYPE_CHECKING:
    from collections.abc import Callable

    from decouple.message import Sent
    from decouple.topic import Topic

__all__: list[str] = []

MOST_ENTRIES = 10
LONGEST_ID = 80
TRACE = "x-amzn-trace-id"
STRUCTURE = "Message Structure - "
NO_GROUP = "The MessageGroupId parameter is required for FIFO topics"
NO_ID = "The topic should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly"
ID_UNWANTED = (
    "MessageDeduplicationId Reason: The request includes MessageDeduplicationId parameter that is not valid for this "
    "topic type"
)


@SNS.operation("Publish", note="what goes to telephones and mobile apps is in broker.outbox, or with its sender")
def publish(call: Call, given: Given) -> Answer:
    """Publish to a topic, or send to one telephone or mobile endpoint."""
    subject = given.get("Subject")
    if subject is not None:
        check(lambda: check_subject(subject), "Subject")
    if not given["Message"]:
        raise invalid("Empty message")
    arn = given.get("TopicArn") or given.get("TargetArn")
    if (number := given.get("PhoneNumber")) is not None:
        return to_telephone(call, number, given)
    if not arn:
        raise invalid("TopicArn or TargetArn Reason: no value for required parameter")
    if ":endpoint/" in arn:
        return to_device(call, arn, given)
    found = find_topic(call, arn, "Publish", "TopicArn" if given.get("TopicArn") else "TargetArn")
    if (
        len(given) == 2 and not found.topic.fifo and TRACE not in call.headers
    ):  # nothing to be read: the engine checks it
        return answer_of(sent(lambda: found.topic.publish(given["Message"])))
    entry, size = read_entry(call, found.topic, given)
    if size > found.topic.max_message_size:
        raise invalid("Message too long")
    return answer_of(sent(lambda: found.topic.publish(**entry._asdict())))


def sent(go: Callable[[], Any]) -> Any:
    """What the engine answers, its errors in AWS's words."""
    try:
        return go()
    except NotDelivered as error:
        return error.published
    except MessageTooLarge as error:
        raise invalid("Message too long") from error
    except TopicClosed as error:
        raise not_found("Topic") from error
    except BacklogFull as error:
        raise SNS.error("ThrottledException", str(error)) from error
    except (TypeError, ValueError) as error:
        raise invalid(f"Message Reason: {error}") from error


def answer_of(one: Sent) -> Answer:
    return {"MessageId": one.id} if one.sequence is None else {"MessageId": one.id, "SequenceNumber": one.sequence}


def check(go: Callable[[], Any], words: str) -> None:
    try:
        go()
    except (TypeError, ValueError) as error:
        raise invalid(words) from error


# -- one message -----------------------------------------------------------------------------------------------------


def read_entry(call: Call, topic: Topic, given: Given, where: str = "") -> tuple[Publish, int]:
    """A message as the engine takes it, and its size. Raises ServiceError."""
    group, identity = given.get("MessageGroupId"), given.get("MessageDeduplicationId")
    check_ids(topic, group, identity)
    bodies = read_structure(given)
    attributes = read_attributes(given.get("MessageAttributes") or {}, where)
    text = given["Message"]
    size = len(text.encode(errors="surrogatepass")) + (size_of(attributes) if attributes else 0)
    trace = call.headers.get(TRACE)
    entry = Publish(
        ... if bodies else text,
        given.get("Subject"),
        attributes or None,
        group,
        identity,
        bodies,
        {"AWSTraceHeader": trace} if trace else None,
    )
    return entry, size


def check_ids(topic: Topic, group: str | None, identity: str | None) -> None:
    if topic.fifo and not group:
        raise invalid(NO_GROUP)
    if topic.fifo and not identity and not topic.content_based_deduplication:
        raise invalid(NO_ID)
    if identity is not None and not topic.fifo:
        raise invalid(ID_UNWANTED)
    if group is not None:
        check(lambda: check_id("group", group), "MessageGroupId")
    if identity is not None:
        check(lambda: check_id("deduplication_id", identity), "MessageDeduplicationId")


def read_structure(given: Given) -> dict[str, str] | None:
    """Texts by protocol, of MessageStructure json; what is no text has the default instead. Raises ServiceError."""
    if given.get("MessageStructure") != "json":
        return None
    try:
        bodies = loads(given["Message"])
    except (ValueError, RecursionError):
        raise invalid(f"{STRUCTURE}JSON message body failed to parse") from None
    if not isinstance(bodies, dict):
        raise invalid(f"{STRUCTURE}JSON message body failed to parse")
    by_protocol: dict[str, Any] = bodies  # pyright: ignore[reportUnknownVariableType]  # JSON
    texts = {protocol: text for protocol, text in by_protocol.items() if isinstance(text, str)}
    if "default" not in texts:
        raise invalid(f"{STRUCTURE}No default entry in JSON message body")
    return texts


# -- to one telephone or mobile endpoint -----------------------------------------------------------------------------


def to_telephone(call: Call, number: str, given: Given) -> Answer:
    if not NUMBER.fullmatch(number):
        raise invalid(f"PhoneNumber Reason: {number} is not valid to publish to")
    return direct(call, Phone(call.world, number, f"arn:aws:sns:{call.region}:{call.account}:direct"), given)


def to_device(call: Call, arn: str, given: Given) -> Answer:
    open_device(call, arn)
    return direct(call, App(call.world, arn), given)


def direct(call: Call, target: Any, given: Given) -> Answer:
    """Send without a topic; what cannot be delivered is gone with a record, as on AWS."""
    if given.get("MessageDeduplicationId") is not None:
        raise invalid(ID_UNWANTED)
    bodies = read_structure(given)
    attributes = read_attributes(given.get("MessageAttributes") or {})
    text: Any = ... if bodies else given["Message"]
    notify = call.place.broker.notify
    more: dict[str, Any] = {"subject": given.get("Subject"), "attributes": attributes or None, "per_protocol": bodies}
    return {"MessageId": sent(lambda: notify(target, text, **more)).id}


# -- a batch ---------------------------------------------------------------------------------------------------------


@SNS.operation("PublishBatch")
def publish_batch(call: Call, given: Given) -> Answer:
    """Publish up to ten messages: all of them, or with the first that is wrong none."""
    entries: list[Given] = given["PublishBatchRequestEntries"]
    check_batch(entries)
    found = find_topic(call, given["TopicArn"], "Publish")
    ready: list[Publish] = []
    total = 0
    for number, one in enumerate(entries, 1):
        check_text(one)
        entry, size = read_entry(call, found.topic, one, f"publishBatchRequestEntries.{number}.member.")
        ready.append(entry)
        total += size
    if total > found.topic.max_message_size:
        text = "The length of all the messages put together is more than the limit."
        raise SNS.error("BatchRequestTooLongException", text)
    published = sent(lambda: found.topic.publish_batch(ready))
    pairs = zip(entries, published, strict=True)
    return {"Successful": [{"Id": one["Id"], **answer_of(each)} for one, each in pairs], "Failed": []}


def check_text(one: Given) -> None:
    subject = one.get("Subject")
    if subject is not None:
        check(lambda: check_subject(subject), "Subject")
    if not one["Message"]:
        raise invalid("Empty message")


def check_batch(entries: list[Given]) -> None:
    """Raises ServiceError for too many entries, or ids that are none."""
    if not entries:
        raise SNS.error("EmptyBatchRequestException", "The batch request doesn't contain any entries.")
    if len(entries) > MOST_ENTRIES:
        text = "The batch request contains more entries than permissible."
        raise SNS.error("TooManyEntriesInBatchRequestException", text)
    ids = [one["Id"] for one in entries]
    if len(set(ids)) < len(ids):
        text = "Two or more batch entries in the request have the same Id."
        raise SNS.error("BatchEntryIdsNotDistinctException", text)
    for identity in ids:
        check_entry_id(identity)


def check_entry_id(identity: str) -> None:
    begin = "The Id of a batch entry in the batch request"
    if not (identity.isascii() and identity.replace("-", "a").replace("_", "a").isalnum()):
        raise SNS.error("InvalidBatchEntryIdException", f"{begin} contains an impermissible character: {identity}")
    if len(identity) > LONGEST_ID:
        raise SNS.error("InvalidBatchEntryIdException", f"{begin} is too long: {identity}")
