"""Topics: made, found, listed, deleted, and their attributes."""

from __future__ import annotations

import re
from json import loads
from typing import Any

from decouple.aws.service import Answer, Given
from decouple.aws.sns.access import check_access, signed
from decouple.aws.sns.arns import FoundTopic, elements, find_topic, topic_named
from decouple.aws.sns.pages import page
from decouple.aws.sns.service import SNS, invalid
from decouple.aws.sns.subscription_attributes import apply_delivery
from decouple.aws.sns.tagging import check_tags
from decouple.aws.sns.topic_attributes import change_topic, check_attribute, settable, shown_attributes
from decouple.aws.world import Call
from decouple.errors import TopicNotFound

__all__: list[str] = []

NAME = re.compile(r"[A-Za-z0-9_-]{1,256}", re.ASCII)
REASON = "Attributes Reason: "


@SNS.operation("CreateTopic")
def create_topic(call: Call, given: Given) -> Answer:
    """Make a topic; the same again is the one there is. The attributes are compared where they are given."""
    name: str = given["Name"]
    attributes: dict[str, str] = given.get("Attributes") or {}
    fifo = attributes.get("FifoTopic") == "true"
    bare = name.removesuffix(".fifo") if fifo else name
    if not NAME.fullmatch(bare) or len(name) > 256 or name.endswith(".fifo") != fifo:
        raise invalid("Topic Name")
    tags = check_tags(given.get("Tags") or [])
    topic = call.place.broker.topics.get(name)
    if topic is not None:
        return compared(FoundTopic(topic, call.place), attributes, tags)
    arn = f"arn:aws:sns:{call.region}:{call.account}:{name}"
    read = {key: checked(arn, key, value) for key, value in attributes.items()}
    found = FoundTopic(call.place.broker.topic(name), call.place)
    found.record.tags |= tags
    found.record.protection = given.get("DataProtectionPolicy")
    for key, value in attributes.items():
        if key != "FifoTopic":
            change_topic(found, key, value, read[key])
    return {"TopicArn": found.topic.arn}


def checked(arn: str, name: str, value: str) -> Any:
    if not settable(name):
        raise invalid(f"{REASON}Unknown attribute: {name}")
    return check_attribute(arn, name, value, REASON)


def compared(found: FoundTopic, attributes: dict[str, str], tags: dict[str, str]) -> Answer:
    """The topic there is, where what is given is what it has."""
    shown = {"FifoTopic": "false", **shown_attributes(found)}
    for name, value in attributes.items():
        if not same(shown.get(name, DEFAULTS.get(name)), value):
            raise invalid(f"{REASON}Topic already exists with different attributes")
    if any(found.record.tags.get(key) != value for key, value in tags.items()):
        raise invalid("Tags Reason: Topic already exists with different tags")
    return {"TopicArn": found.topic.arn}


DEFAULTS = {"SignatureVersion": "1", "TracingConfig": "PassThrough", "MaximumMessageSize": "262144"}


def same(current: str | None, asked: str) -> bool:
    """Whether two values mean the same: policies are JSON, in whatever spelling."""
    if current is None or current == asked:
        return current == asked
    try:
        return bool(loads(current) == loads(asked))
    except (ValueError, RecursionError):
        return False


@SNS.operation("DeleteTopic")
def delete_topic(call: Call, given: Given) -> Answer:
    """Delete a topic with its subscriptions; one that is not there is no error."""
    parts = elements(given["TopicArn"], "TopicArn")
    if parts[2] != "sns" or (parts[3] != call.region and signed(call)):
        raise invalid("TopicArn")
    found = topic_named(call, parts)
    if found is None:
        return {}
    check_access(call, found.place, found.topic, "DeleteTopic")
    if found.topic.fifo and found.topic.settings["archive"] is not None:
        text = "Invalid State: Cannot delete a topic with an ArchivePolicy. Remove the ArchivePolicy first."
        raise SNS.error("InvalidStateException", text)
    try:
        found.place.broker.delete(found.topic)
    except TopicNotFound:  # another thread was faster
        return {}
    return {}


@SNS.operation("ListTopics")
def list_topics(call: Call, given: Given) -> Answer:
    """The topics of the account in the region, in pages of 100."""
    every = {topic.arn: topic for topic in list(call.place.broker.topics.values())}
    return page(every, given.get("NextToken"), "Topics", lambda topic: {"TopicArn": topic.arn})


@SNS.operation("GetTopicAttributes")
def get_topic_attributes(call: Call, given: Given) -> Answer:
    """All attributes of a topic."""
    return {"Attributes": shown_attributes(find_topic(call, given["TopicArn"], "GetTopicAttributes"))}


@SNS.operation(
    "SetTopicAttributes",
    note="stored only: KmsMasterKeyId, TracingConfig, DisplayName, delivery status logging",
)
def set_topic_attributes(call: Call, given: Given) -> Answer:
    """Set one attribute; without a value it has its default again."""
    found = find_topic(call, given["TopicArn"], "SetTopicAttributes")
    name, value = given["AttributeName"], given.get("AttributeValue") or ""
    if name == "FifoTopic" or not settable(name):
        raise invalid("AttributeName")
    read = check_attribute(found.topic.arn, name, value, "")
    change_topic(found, name, value, read)
    if name == "DeliveryPolicy":
        for subscription in found.topic.subscriptions:
            apply_delivery(found, subscription)
    return {}
