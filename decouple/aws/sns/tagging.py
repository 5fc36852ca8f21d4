"""Tags of topics, and their data protection policies, which are kept and hold nobody to anything."""

from __future__ import annotations

from contextlib import suppress
from json import loads
from typing import Any

from decouple.aws.service import Answer, Given
from decouple.aws.sns.access import check_access
from decouple.aws.sns.arns import FoundTopic, elements, find_topic, topic_named
from decouple.aws.sns.service import SNS, invalid
from decouple.aws.world import Call

__all__ = ["check_tags"]

MOST_TAGS = 50


def check_tags(given: list[dict[str, Any]]) -> dict[str, str]:
    """Tags by key. Raises ServiceError."""
    tags = {tag["Key"]: tag.get("Value") or "" for tag in given}
    if len(tags) != len(given):
        raise invalid("Duplicated keys are not allowed.")
    if len(tags) > MOST_TAGS:
        raise too_many()
    return tags


def too_many() -> Exception:
    return SNS.error("TagLimitExceededException", "Could not complete request: tag quota of per resource exceeded")


def find_resource(call: Call, arn: str, action: str) -> FoundTopic:
    """The topic with this ARN. Raises ServiceError."""
    found = topic_named(call, elements(arn, "ResourceArn"))
    if found is None:
        raise SNS.error("ResourceNotFoundException", "Resource does not exist")
    check_access(call, found.place, found.topic, action)
    return found


@SNS.operation("TagResource")
def tag_resource(call: Call, given: Given) -> Answer:
    """Add tags, or overwrite those of the same key."""
    found = find_resource(call, given["ResourceArn"], "TagResource")
    tags = {**found.record.tags, **check_tags(given["Tags"])}
    if len(tags) > MOST_TAGS:
        raise too_many()
    found.record.tags = tags
    return {}


@SNS.operation("UntagResource")
def untag_resource(call: Call, given: Given) -> Answer:
    """Remove tags; unknown keys are no error."""
    found = find_resource(call, given["ResourceArn"], "UntagResource")
    gone = set(given["TagKeys"])
    found.record.tags = {key: value for key, value in found.record.tags.items() if key not in gone}
    return {}


@SNS.operation("ListTagsForResource")
def list_tags(call: Call, given: Given) -> Answer:
    """The tags of a topic."""
    tags = find_resource(call, given["ResourceArn"], "ListTagsForResource").record.tags
    return {"Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}


@SNS.operation("PutDataProtectionPolicy", "stored", "no message is looked through")
def put_protection(call: Call, given: Given) -> Answer:
    """Keep a data protection policy."""
    found = find_topic(call, given["ResourceArn"], "PutDataProtectionPolicy", "ResourceArn")
    text = given["DataProtectionPolicy"]
    policy: Any = None
    with suppress(ValueError, RecursionError):
        policy = loads(text or "{}")
    if not isinstance(policy, dict):
        raise invalid("DataProtectionPolicy Reason: failed to parse JSON.")
    found.record.protection = text or None
    return {}


@SNS.operation("GetDataProtectionPolicy", "stored", "no message is looked through")
def get_protection(call: Call, given: Given) -> Answer:
    """The data protection policy, if the topic has one."""
    text = find_topic(call, given["ResourceArn"], "GetDataProtectionPolicy", "ResourceArn").record.protection
    return {} if text is None else {"DataProtectionPolicy": text}
