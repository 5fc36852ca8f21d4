"""Tags of rules and buses, by ARN."""

from __future__ import annotations

from typing import TYPE_CHECKING

from decouple.aws.events import EVENTS
from decouple.aws.events.bus import DEFAULT
from decouple.aws.events.naming import bus_of, rule_of

if TYPE_CHECKING:
    from decouple.aws.service import Answer, Given
    from decouple.aws.world import Call

__all__ = ["tags_given"]


def tags_given(given: Given) -> dict[str, str]:
    """The tags of a request, by key."""
    return {tag["Key"]: tag["Value"] for tag in given.get("Tags") or ()}


def tags_of(call: Call, arn: str) -> dict[str, str]:
    """The tags of the rule or bus with that ARN. Raises ServiceError."""
    prefix = f"arn:aws:events:{call.region}:{call.account}:"
    kind, _, name = arn.removeprefix(prefix).partition("/")
    if not arn.startswith(prefix) or not name or kind not in ("rule", "event-bus"):
        raise EVENTS.error(
            "ValidationException", f"Parameter {arn} is not valid. Reason: Provided Arn is not in correct format."
        )
    if kind == "event-bus":
        return bus_of(call, name).tags
    bus, _, rule = name.rpartition("/")
    return rule_of(call, {"EventBusName": bus or DEFAULT}, rule).tags


@EVENTS.operation("TagResource")
def tag_resource(call: Call, given: Given) -> Answer:
    tags_of(call, given["ResourceARN"]).update(tags_given(given))
    return {}


@EVENTS.operation("UntagResource")
def untag_resource(call: Call, given: Given) -> Answer:
    tags = tags_of(call, given["ResourceARN"])
    for key in given["TagKeys"]:
        tags.pop(key, None)
    return {}


@EVENTS.operation("ListTagsForResource")
def list_tags_for_resource(call: Call, given: Given) -> Answer:
    tags = tags_of(call, given["ResourceARN"])
    return {"Tags": [{"Key": key, "Value": value} for key, value in list(tags.items())]}
