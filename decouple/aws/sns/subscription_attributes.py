"""The attributes of a subscription: read and checked, given to the engine as its terms, and shown.

Source: SNS API, SetSubscriptionAttributes, GetSubscriptionAttributes; recorded answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from json import dumps, loads
from typing import TYPE_CHECKING, Any, NamedTuple

from decouple.aws.service import Answer, Given
from decouple.aws.sns.arns import FoundSubscription, FoundTopic, find_subscription
from decouple.aws.sns.delivery import effective_of, read_policy, shown_subscription_policy
from decouple.aws.sns.filters import SCOPES, read_filter
from decouple.aws.sns.kept import kept
from decouple.aws.sns.service import SNS, invalid
from decouple.aws.sns.targets import queue_for, shown_endpoint, shown_protocol
from decouple.aws.sns.topic_attributes import delivery_of, time_text
from decouple.aws.world import Call
from decouple.clock import datetime_at

if TYPE_CHECKING:
    from decouple.subscription import Subscription
    from decouple.topic import Topic

__all__ = ["Asked", "apply", "apply_delivery", "check_attributes", "shown_attributes", "terms_of"]

SETTABLE = (
    "DeliveryPolicy",
    "FilterPolicy",
    "FilterPolicyScope",
    "RawMessageDelivery",
    "RedrivePolicy",
    "ReplayPolicy",
    "SubscriptionRoleArn",
)
RAW = ("sqs", "http", "https", "firehose")
WEB = ("http", "https")


class Asked(NamedTuple):
    """Who the attributes are for, and how errors about them begin."""

    call: Call
    topic: Topic
    protocol: str
    endpoint: str
    prefix: str


# -- read ------------------------------------------------------------------------------------------------------------


def check_attributes(asked: Asked, attributes: Mapping[str, str], current: Mapping[str, str]) -> None:
    """Raises ServiceError for attributes that cannot be, with those there are already."""
    for name, value in attributes.items():
        if name not in SETTABLE:
            raise invalid(f"{asked.prefix}AttributeName")
        check = CHECKS.get(name)
        if check is not None:
            check(asked, value)
    together = {**current, **attributes}
    if "FilterPolicy" in together:
        read_filter(
            together["FilterPolicy"], SCOPES[together.get("FilterPolicyScope") or "MessageAttributes"], asked.prefix
        )


def check_scope(asked: Asked, value: str) -> None:
    if value not in SCOPES:
        words = f"Invalid value [{value}]. Please use either MessageBody or MessageAttributes"
        raise invalid(f"{asked.prefix}FilterPolicyScope: {words}")


def check_raw(asked: Asked, value: str) -> None:
    if value.lower() not in ("true", "false"):
        raise invalid(f"{asked.prefix}RawMessageDelivery: Invalid value [{value}]. Must be true or false.")
    if value.lower() == "true" and asked.protocol not in RAW:
        raise invalid(f"{asked.prefix}Delivery protocol [{asked.protocol}] does not support raw message delivery.")


def check_delivery(asked: Asked, value: str) -> None:
    if value:
        read_policy(value, asked.prefix, of_topic=False)


def check_redrive(asked: Asked, value: str) -> None:
    if value:
        dead_letter_arn(asked, value)


def dead_letter_arn(asked: Asked, text: str) -> str:
    """The ARN in a RedrivePolicy. Raises ServiceError."""
    try:
        policy = loads(text)
        arn = policy.get("deadLetterTargetArn", "")
    except (ValueError, AttributeError, RecursionError):
        raise invalid(f"{asked.prefix}RedrivePolicy: failed to parse JSON.") from None
    parts = arn.split(":") if isinstance(arn, str) else []
    if len(parts) < 6 or parts[:3] != ["arn", "aws", "sqs"] or not parts[5]:
        raise invalid(f"{asked.prefix}RedrivePolicy: deadLetterTargetArn is an invalid arn")
    if parts[3:5] != asked.topic.arn.split(":")[3:5]:
        raise invalid(
            f"{asked.prefix}RedrivePolicy: deadLetterTargetArn must be in the account and region of the topic"
        )
    if asked.endpoint.endswith(".fifo") and not arn.endswith(".fifo"):
        words = "must use a FIFO queue as DLQ for a FIFO Subscription to a FIFO Topic."
        raise invalid(f"{asked.prefix}RedrivePolicy: {words}")
    if arn.endswith(".fifo") and not asked.topic.fifo:
        raise invalid(
            f"{asked.prefix}RedrivePolicy: must use a standard queue as DLQ for a subscription to a standard topic"
        )
    return str(arn)


def check_replay(asked: Asked, value: str) -> None:
    if value:
        read_replay(asked, value)


def read_replay(asked: Asked, text: str) -> tuple[datetime, datetime | None]:
    """The first and the last instant of a replay. Raises ServiceError."""
    try:
        policy = loads(text)
        kind, start, end = (policy.get(name) for name in ("PointType", "StartingPoint", "EndingPoint"))
    except (ValueError, AttributeError, RecursionError):
        raise invalid(f"{asked.prefix}ReplayPolicy: failed to parse JSON.") from None
    if kind != "Timestamp":
        raise invalid(f"{asked.prefix}ReplayPolicy: PointType must be Timestamp")
    if not asked.topic.fifo or asked.topic.settings["archive"] is None:
        raise invalid(f"{asked.prefix}ReplayPolicy: the topic has no ArchivePolicy")
    begins = instant(asked, "StartingPoint", start)
    ends = None if end is None else instant(asked, "EndingPoint", end)
    if ends is not None and ends < begins:
        raise invalid(f"{asked.prefix}ReplayPolicy: EndingPoint must be after StartingPoint")
    return begins, ends


def instant(asked: Asked, name: str, text: Any) -> datetime:
    try:
        found = datetime.fromisoformat(text)
        found = found.replace(tzinfo=UTC) if found.tzinfo is None else found
        return found.astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        raise invalid(f"{asked.prefix}ReplayPolicy: {name} must be a time in ISO 8601, not {text!s:.40}") from None


def check_role(asked: Asked, value: str) -> None:
    if asked.protocol != "firehose" or not value.startswith("arn:"):
        raise invalid(f"{asked.prefix}SubscriptionRoleArn: it is the ARN of a role, for subscriptions of Firehose")


CHECKS = {
    "FilterPolicyScope": check_scope,
    "RawMessageDelivery": check_raw,
    "DeliveryPolicy": check_delivery,
    "RedrivePolicy": check_redrive,
    "ReplayPolicy": check_replay,
    "SubscriptionRoleArn": check_role,
}


def terms_of(asked: Asked, attributes: Mapping[str, str]) -> dict[str, Any]:
    """The terms of the engine for attributes that were checked; those there are not have their defaults."""
    scope = SCOPES[attributes.get("FilterPolicyScope") or "MessageAttributes"]
    terms: dict[str, Any] = {
        "filter": read_filter(attributes.get("FilterPolicy", ""), scope, asked.prefix),
        "filter_scope": scope,
        "dead_letter": None,
    }
    if asked.protocol in RAW:
        terms["envelope"] = attributes.get("RawMessageDelivery", "false").lower() != "true"
    if text := attributes.get("RedrivePolicy"):
        terms["dead_letter"] = queue_for(asked.call.world, dead_letter_arn(asked, text), asked.topic.arn)
    return terms


# -- put in place ----------------------------------------------------------------------------------------------------


@SNS.operation("SetSubscriptionAttributes", note="stored only: SubscriptionRoleArn; guaranteed, sicklyRetryPolicy")
def set_subscription_attributes(call: Call, given: Given) -> Answer:
    """Set one attribute; without a value it has its default again."""
    found = find_subscription(call, given["SubscriptionArn"], "SetSubscriptionAttributes")
    name, value = given["AttributeName"], given.get("AttributeValue") or ""
    subscription = found.subscription
    asked = Asked(call, topic_of(subscription), shown_protocol(subscription), shown_endpoint(subscription), "")
    attributes = found.record.attributes
    check_attributes(asked, {name: value}, attributes)
    apply(found, asked, {**current_of(subscription, attributes), name: value}, changed=(name,))
    return {}


def topic_of(subscription: Subscription) -> Topic:
    topic: Any = subscription.topic
    return topic  # type: ignore[no-any-return]


def current_of(subscription: Subscription, attributes: Mapping[str, str]) -> dict[str, str]:
    """The attributes as they hold, also of a subscription made natively."""
    current = dict(attributes)
    policy = subscription.filter
    if policy is not None:
        current.setdefault("FilterPolicy", policy.text)
        current.setdefault("FilterPolicyScope", SHOWN_SCOPES[policy.scope])
    return current


def apply(found: FoundSubscription, asked: Asked, attributes: dict[str, str], changed: tuple[str, ...]) -> None:
    """Let checked attributes hold, of which these are new."""
    subscription, record = found.subscription, found.record
    terms = terms_of(asked, attributes)
    wanted = {term for name in changed for term in TERMS.get(name, ())}
    given = {term: value for term, value in terms.items() if term in wanted}
    if given:
        subscription.configure(**given)
    record.attributes = {name: value for name, value in attributes.items() if value}
    if "DeliveryPolicy" in changed:
        apply_delivery(FoundTopic(asked.topic, found.place), subscription)
    if "ReplayPolicy" in changed and attributes.get("ReplayPolicy"):
        subscription.replay_from(*read_replay(asked, attributes["ReplayPolicy"]))
    elif "ReplayPolicy" in changed:
        subscription.replay_from(None)


# attribute: the engine's terms that follow from it
TERMS = {
    "FilterPolicy": ("filter", "filter_scope"),
    "FilterPolicyScope": ("filter", "filter_scope"),
    "RawMessageDelivery": ("envelope",),
    "RedrivePolicy": ("dead_letter",),
}


def apply_delivery(found: FoundTopic, subscription: Subscription) -> None:
    """Let the delivery policies of a web endpoint's subscription and its topic hold."""
    if shown_protocol(subscription) not in WEB:
        return
    from decouple.aws.sns.web import Hook  # here, because it needs an extra that most programs do without

    record = kept(found.place).subscription(subscription)
    if not isinstance(subscription.sink, Hook):
        return  # made natively, with a schedule of its own
    _, effective = effective_of(delivery_policy(record.attributes), delivery_of(found.record))
    subscription.configure(retry=effective.retry, max_rate=effective.max_rate)
    subscription.sink.post_as(effective.content_type)


def delivery_policy(attributes: Mapping[str, str]) -> dict[str, Any] | None:
    text = attributes.get("DeliveryPolicy")
    policy: dict[str, Any] | None = loads(text) if text else None
    return policy


# -- shown -----------------------------------------------------------------------------------------------------------

SHOWN_SCOPES = {"attributes": "MessageAttributes", "body": "MessageBody"}


@SNS.operation("GetSubscriptionAttributes")
def get_subscription_attributes(call: Call, given: Given) -> Answer:
    """All attributes of a subscription."""
    return {
        "Attributes": shown_attributes(find_subscription(call, given["SubscriptionArn"], "GetSubscriptionAttributes"))
    }


def shown_attributes(found: FoundSubscription) -> dict[str, str]:
    """What GetSubscriptionAttributes answers."""
    subscription, record = found.subscription, found.record
    protocol = shown_protocol(subscription)
    shown = {
        "SubscriptionPrincipal": record.principal,
        "Owner": record.owner,
        "RawMessageDelivery": "true" if protocol in RAW and not subscription.envelope else "false",
        "TopicArn": subscription.way.topic_arn,
        "Endpoint": shown_endpoint(subscription),
        "Protocol": protocol,
        "PendingConfirmation": "true" if subscription.state == "pending" else "false",
        "ConfirmationWasAuthenticated": "true" if record.authenticated else "false",
        "SubscriptionArn": subscription.arn,
    }
    more = dict(record.attributes)
    scope = more.pop("FilterPolicyScope", None)
    more.pop("RawMessageDelivery", None)
    policy = subscription.filter
    if policy is not None or "FilterPolicy" in more:
        more.setdefault("FilterPolicy", "{}" if policy is None else policy.text)
        more["FilterPolicyScope"] = scope or ("MessageAttributes" if policy is None else SHOWN_SCOPES[policy.scope])
    if subscription.dead_letter is not None:
        more.setdefault("RedrivePolicy", dumps({"deadLetterTargetArn": subscription.dead_letter.arn}))
    return shown | shown_replay(subscription) | more | shown_delivery(found, protocol)


def shown_delivery(found: FoundSubscription, protocol: str) -> dict[str, str]:
    own = delivery_policy(found.record.attributes)
    shown = {} if own is None else {"DeliveryPolicy": shown_subscription_policy(own)}
    if protocol in WEB:
        of_topic = delivery_of(kept(found.place).topic(topic_of(found.subscription)))
        shown["EffectiveDeliveryPolicy"] = effective_of(own, of_topic)[0]
    return shown


def shown_replay(subscription: Subscription) -> dict[str, str]:
    """What was asked for, and how far it has come: what the archive has was sent at once."""
    clock, (start, end) = subscription.topic.clock, subscription.replay
    if start is None:
        return {}
    points = {"StartingPoint": start} if end is None else {"StartingPoint": start, "EndingPoint": end}
    shown = {name: time_text(datetime_at(clock, at)) for name, at in points.items()}
    over = end is None or clock.now() > end
    return {
        "ReplayPolicy": dumps({"PointType": "Timestamp", **shown}, separators=(",", ":")),
        "ReplayStatus": "Completed" if over else "In progress",
    }
