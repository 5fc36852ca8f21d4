"""Subscriptions: made, confirmed, listed, ended."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from decouple.aws.service import Answer, Given
from decouple.aws.sns.access import signed, unauthorized
from decouple.aws.sns.arns import FoundSubscription, FoundTopic, elements, find_topic, topic_named
from decouple.aws.sns.kept import SubscriptionRecord, kept
from decouple.aws.sns.pages import page
from decouple.aws.sns.service import SNS, invalid
from decouple.aws.sns.subscription_attributes import (
    Asked,
    apply_delivery,
    check_attributes,
    read_replay,
    shown_attributes,
    terms_of,
)
from decouple.aws.sns.targets import known_as, shown_endpoint, shown_protocol, target_of
from decouple.aws.sns.topics import same
from decouple.aws.world import Call, Place
from decouple.errors import DecoupleError, SubscriptionNotFound, TopicClosed

if TYPE_CHECKING:
    from decouple.subscription import Subscription

__all__: list[str] = []

REASON = "Attributes Reason: "
PENDING = "pending confirmation"
LARGE, MOST_AT_LARGE = 262_144, 100
TOKEN = re.compile(r"[0-9a-fA-F]{64,}", re.ASCII)


# -- made ------------------------------------------------------------------------------------------------------------


@SNS.operation("Subscribe", note="Firehose: stored only; a queue or function of another account need not confirm")
def subscribe(call: Call, given: Given) -> Answer:
    """Subscribe an endpoint; the same again is the one there is. The attributes are compared where they are given."""
    found = find_topic(call, given["TopicArn"], "Subscribe")
    protocol, endpoint = given["Protocol"], given.get("Endpoint") or ""
    attributes: dict[str, str] = given.get("Attributes") or {}
    target = target_of(call, found.topic, protocol, endpoint)
    asked = Asked(call, found.topic, protocol, endpoint, REASON)
    check_attributes(asked, attributes, {})
    known = known_as(call.world, found.topic, target)
    if known is not None:
        compare(FoundSubscription(known, found.place), attributes)
        known.ask()
    else:
        known = made(asked, found, target, attributes)
    pending = known.state == "pending" and not given.get("ReturnSubscriptionArn")
    return {"SubscriptionArn": PENDING if pending else known.arn}


def made(asked: Asked, found: FoundTopic, target: Any, attributes: dict[str, str]) -> Subscription:
    topic, call = found.topic, asked.call
    if topic.max_message_size > LARGE and len(topic.subscriptions) >= MOST_AT_LARGE:
        text = f"a topic of messages over 256 KiB has at most {MOST_AT_LARGE} subscriptions"
        raise SNS.error("SubscriptionLimitExceededException", text)
    terms = terms_of(asked, attributes)
    if replay := attributes.get("ReplayPolicy"):
        terms["replay_from"], terms["replay_until"] = read_replay(asked, replay)
    try:
        subscription = topic.subscribe(target, **terms)
    except (TypeError, ValueError, DecoupleError) as error:
        raise invalid(str(error)) from error
    record = SubscriptionRecord(call.account, call.principal)
    record.attributes = {name: value for name, value in attributes.items() if value}
    record.authenticated = subscription.state == "confirmed"
    kept(found.place).subscriptions[subscription] = record
    apply_delivery(found, subscription)
    return subscription


def compare(found: FoundSubscription, attributes: dict[str, str]) -> None:
    """Raises ServiceError where a subscription that is there has other attributes than those given."""
    record = found.record.attributes
    shown = {"FilterPolicyScope": "MessageAttributes", **shown_attributes(found)}
    shown |= {name: record[name] for name in ("DeliveryPolicy", "FilterPolicyScope") if name in record}
    for name, value in attributes.items():
        if not same(shown.get(name), value.lower() if name == "RawMessageDelivery" else value):
            raise invalid(f"{REASON}Subscription already exists with different attributes")


# -- confirmed -------------------------------------------------------------------------------------------------------


@SNS.operation("ConfirmSubscription")
def confirm_subscription(call: Call, given: Given) -> Answer:
    """Confirm with the token that the endpoint was sent: it decides, whatever topic is named beside it."""
    parts = given["TopicArn"].split(":")
    if len(parts) < 6 or parts[2] != "sns" or (parts[3] != call.region and signed(call)):
        raise invalid("Topic")
    token = given["Token"]
    if signed(call) and not TOKEN.fullmatch(token):
        raise SNS.error("InvalidParameterException", "Invalid token")
    found = confirmed(call, parts, token)
    record = found.record
    record.authenticated = record.authenticated or signed(call)
    record.guarded = record.guarded or (
        signed(call) and (given.get("AuthenticateOnUnsubscribe") or "").lower() == "true"
    )
    return {"SubscriptionArn": found.subscription.arn}


def confirmed(call: Call, parts: list[str], token: str) -> FoundSubscription:
    """The subscription that was sent the token, confirmed. Raises ServiceError."""
    named = topic_named(call, parts)
    place = call.world.known(parts[4], parts[3]) if named is None else named.place
    topics = [] if named is None else [named.topic]
    if place is not None:
        topics += [topic for topic in place.broker.topics.values() if named is None or topic is not named.topic]
        for topic in topics:
            try:
                return FoundSubscription(topic.confirm(token), place)
            except (SubscriptionNotFound, TopicClosed):
                continue
    raise invalid("Token")


# -- ended -----------------------------------------------------------------------------------------------------------


@SNS.operation("Unsubscribe")
def unsubscribe(call: Call, given: Given) -> Answer:
    """End a subscription; one that is not there is no error."""
    arn = given["SubscriptionArn"]
    if not arn:
        raise invalid("SubscriptionArn Reason: no value for required parameter")
    parts = elements(arn, "SubscriptionArn")
    if parts[2] != "sns" or (parts[3] != call.region and signed(call)):
        raise invalid("SubscriptionArn")
    if len(parts) < 7:
        raise invalid("SubscriptionId")
    topic = topic_named(call, parts)
    if topic is None:
        return {}
    try:
        found = FoundSubscription(topic.topic.subscription(arn), topic.place)
    except SubscriptionNotFound:
        return {}
    check_owner(call, found, arn)
    found.subscription.cancel()
    topic.record.deleted += 1
    return {}


def check_owner(call: Call, found: FoundSubscription, arn: str) -> None:
    """Who opens a link may end a subscription, unless it was confirmed with the wish that only its owner may."""
    owner = call.account in (found.record.owner, found.place.account) if signed(call) else not found.record.guarded
    if not owner:
        raise unauthorized(call, "Unsubscribe", arn)


# -- listed ----------------------------------------------------------------------------------------------------------


@SNS.operation("ListSubscriptions")
def list_subscriptions(call: Call, given: Given) -> Answer:
    """The subscriptions to the account's topics in the region, in pages of 100."""
    every = [one for topic in list(call.place.broker.topics.values()) for one in topic.subscriptions]
    return page_of(every, call.place, given)


@SNS.operation("ListSubscriptionsByTopic")
def list_by_topic(call: Call, given: Given) -> Answer:
    """The subscriptions to a topic, in pages of 100."""
    found = find_topic(call, given["TopicArn"], "ListSubscriptionsByTopic")
    return page_of(found.topic.subscriptions, found.place, given)


def page_of(every: Iterable[Subscription], place: Place, given: Given) -> Answer:
    by_arn = {one.arn: one for one in every}
    return page(by_arn, given.get("NextToken"), "Subscriptions", lambda one: shown(FoundSubscription(one, place)))


def shown(found: FoundSubscription) -> dict[str, str]:
    subscription = found.subscription
    return {
        "SubscriptionArn": "PendingConfirmation" if subscription.state == "pending" else subscription.arn,
        "Owner": found.record.owner,
        "Protocol": shown_protocol(subscription),
        "Endpoint": shown_endpoint(subscription),
        "TopicArn": subscription.way.topic_arn,
    }
