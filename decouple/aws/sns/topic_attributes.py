"""The attributes of a topic: read and checked, put into the engine or kept, and shown.

Source: SNS API, CreateTopic, SetTopicAttributes, GetTopicAttributes; recorded answers.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from json import dumps, loads
from typing import TYPE_CHECKING, Any

from decouple.aws.sns.access import default_policy, read_topic_policy
from decouple.aws.sns.arns import FoundTopic
from decouple.aws.sns.delivery import read_policy, shown_topic_policy
from decouple.aws.sns.kept import TopicRecord
from decouple.aws.sns.service import invalid

if TYPE_CHECKING:
    from decouple.topic import Topic

__all__ = ["change_topic", "check_attribute", "delivery_of", "settable", "shown_attributes", "time_text"]

DAY = 86_400
LARGE = 262_144
RATE = re.compile(r"[0-9]{1,2}|100")
FEEDBACK = re.compile(r"(HTTP|Firehose|Lambda|SQS|Application)(SuccessFeedbackRoleArn|FailureFeedbackRoleArn)")
SAMPLE = re.compile(r"(HTTP|Firehose|Lambda|SQS|Application)SuccessFeedbackSampleRate")
OF_FIFO = ("ContentBasedDeduplication", "FifoThroughputScope", "ArchivePolicy")
BOOLEAN = ("true", "false")
ANSWERS: dict[str, tuple[str, ...]] = {
    "FifoTopic": BOOLEAN,
    "ContentBasedDeduplication": BOOLEAN,
    "FifoThroughputScope": ("Topic", "MessageGroup"),
    "SignatureVersion": ("1", "2"),
    "TracingConfig": ("PassThrough", "Active"),
}
FREE = ("DisplayName", "KmsMasterKeyId")
READ = (*ANSWERS, *FREE, "Policy", "DeliveryPolicy", "MaximumMessageSize", "ArchivePolicy")


def check_attribute(topic_arn: str, name: str, value: str, prefix: str) -> Any:
    """What the engine, or the policy's reader, makes of a value; the value itself where nobody looks at it.

    prefix: "Attributes Reason: " on CreateTopic. Raises ServiceError.
    """
    if name in OF_FIFO and not topic_arn.endswith(".fifo"):
        raise invalid(f"{prefix}{name}: it can only be set for FIFO topics")
    if name in ANSWERS and value not in ANSWERS[name]:
        raise invalid(f"{prefix}{name}: Invalid value [{value}]. Must be {' or '.join(ANSWERS[name])}.")
    if SAMPLE.fullmatch(name) and not RATE.fullmatch(value):
        raise invalid(f"{prefix}{name}: Invalid value [{value}]. Must be an integer from 0 to 100.")
    if name == "TracingConfig" and value == "Active" and topic_arn.endswith(".fifo"):
        raise invalid(f"{prefix}TracingConfig: Invalid value [Active]. FIFO topics have PassThrough.")
    reader = READERS.get(name)
    return value if reader is None else reader(topic_arn, value, prefix)


def read_size(topic_arn: str, value: str, prefix: str) -> int:
    if not (value.isascii() and value.isdigit() and len(value) < 10 and 1_024 <= int(value) <= 1_048_576):
        raise invalid(f"{prefix}MaximumMessageSize: Invalid value [{value}]. Must be an integer from 1024 to 1048576.")
    return int(value)


def read_archive(topic_arn: str, value: str, prefix: str) -> int | None:
    """Seconds; None: no archive."""
    given: Any
    days: Any
    try:
        given = loads(value or "{}")
        days = given.get("MessageRetentionPeriod")
    except (ValueError, AttributeError, RecursionError):
        raise invalid(f"{prefix}ArchivePolicy: failed to parse JSON.") from None
    if not given:
        return None
    text = str(days)
    if isinstance(days, bool) or not (text.isascii() and text.isdigit() and len(text) < 4 and 1 <= int(text) <= 365):
        raise invalid(f"{prefix}ArchivePolicy: MessageRetentionPeriod must be from 1 to 365 days")
    return int(text) * DAY


def read_delivery(topic_arn: str, value: str, prefix: str) -> Any:
    return read_policy(value, prefix, of_topic=True) if value else None


def read_access(topic_arn: str, value: str, prefix: str) -> Any:
    return read_topic_policy(topic_arn, value, prefix) if value else None


READERS: dict[str, Callable[[str, str, str], Any]] = {
    "MaximumMessageSize": read_size,
    "ArchivePolicy": read_archive,
    "DeliveryPolicy": read_delivery,
    "Policy": read_access,
}


def settable(name: str) -> bool:
    """Whether a topic has an attribute of that name that can be set."""
    return name in READ or FEEDBACK.fullmatch(name) is not None or SAMPLE.fullmatch(name) is not None


# -- put in place ----------------------------------------------------------------------------------------------------


def change_topic(found: FoundTopic, name: str, value: str, read: Any) -> None:
    """Let an attribute hold that was checked, and so read."""
    topic, record = found.topic, found.record
    if name in SETTINGS:
        setting, of = SETTINGS[name]
        topic.configure(**{setting: of(read)})
    elif name == "Policy":
        record.policy = read
    elif name == "SignatureVersion":
        found.place.signature_versions[topic] = value
    if name == "ArchivePolicy":
        record.archived_at = None if read is None else record.archived_at or found.place.now()
    if value or name in FREE:
        record.attributes[name] = value
    else:
        record.attributes.pop(name, None)


# attribute: the engine's setting, and what it takes for what was read
SETTINGS: dict[str, tuple[Any, Callable[[Any], Any]]] = {
    "ContentBasedDeduplication": ("content_based_deduplication", lambda read: read == "true"),
    "FifoThroughputScope": ("deduplication_scope", lambda read: "messageGroup" if read == "MessageGroup" else "topic"),
    "MaximumMessageSize": ("max_message_size", lambda read: read),
    "ArchivePolicy": ("archive", lambda read: read),
}


# -- shown -----------------------------------------------------------------------------------------------------------


def shown_attributes(found: FoundTopic) -> dict[str, str]:
    """What GetTopicAttributes answers."""
    topic, record = found.topic, found.record
    states = [one.state for one in topic.subscriptions]
    shown = {
        "Policy": dumps(default_policy(topic), separators=(",", ":")),
        "Owner": found.place.account,
        "SubscriptionsPending": str(states.count("pending")),
        "TopicArn": topic.arn,
        "EffectiveDeliveryPolicy": shown_topic_policy(delivery_of(record)),
        "SubscriptionsConfirmed": str(states.count("confirmed")),
        "DisplayName": "",
        "SubscriptionsDeleted": str(record.deleted),
        **record.attributes,
    }
    if topic.max_message_size != LARGE:
        shown["MaximumMessageSize"] = str(topic.max_message_size)
    if topic.fifo:
        shown |= shown_fifo(topic, record)
    return shown


def shown_fifo(topic: Topic, record: TopicRecord) -> dict[str, str]:
    settings = topic.settings
    shown = {
        "FifoTopic": "true",
        "ContentBasedDeduplication": "true" if topic.content_based_deduplication else "false",
        "FifoThroughputScope": "MessageGroup" if settings["deduplication_scope"] == "messageGroup" else "Topic",
    }
    if settings["archive"] is not None:
        days = -(-int(settings["archive"]) // DAY)
        shown["ArchivePolicy"] = record.attributes.get("ArchivePolicy", dumps({"MessageRetentionPeriod": str(days)}))
        since = topic.archived_since
        began = (
            since
            if since is not None or record.archived_at is None
            else datetime.fromtimestamp(record.archived_at, UTC)
        )
        if began is not None:
            shown["BeginningArchiveTime"] = time_text(began)
    return shown


def time_text(instant: datetime) -> str:
    """ISO 8601 in UTC, to the millisecond."""
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def delivery_of(record: TopicRecord) -> dict[str, Any] | None:
    """The topic's delivery policy, what stands below "http"."""
    text = record.attributes.get("DeliveryPolicy")
    return None if not text else loads(text).get("http")
