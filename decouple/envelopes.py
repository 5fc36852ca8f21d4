"""The JSON in which SNS sends a notification: the same text for queues, web endpoints, mail and dead letters.

Keys, their order and the spaces are AWS's. Where nothing signs, the keys that belong to a signature are left out, rather
than there with one that nobody could verify.
Source: SNS developer guide, "Parsing message formats"; a FIFO topic's have no signature and a SequenceNumber instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from decouple.attributes import wire_form
from decouple.core.records import details_of
from decouple.notification import Notification

__all__ = ["document_of", "envelope_of", "message_of", "timestamp_of"]


def envelope_of(notification: Notification, signature: Mapping[str, str] | None = None) -> str:
    """The notification as the JSON text of SNS. `signature`: another one than its own."""
    from json import dumps

    document = document_of(notification, notification.signature if signature is None else signature)
    attributes = document.pop("MessageAttributes", None)
    lines = [f'  "{name}" : {dumps(value, ensure_ascii=False)}' for name, value in document.items()]
    if attributes is not None:
        inner = ",\n".join(
            f"    {dumps(name)} : {dumps(value, ensure_ascii=False, separators=(',', ':'))}"
            for name, value in attributes.items()
        )
        lines.append(f'  "MessageAttributes" : {{\n{inner}\n  }}')
    return "{\n" + ",\n".join(lines) + "\n}"


def document_of(notification: Notification, signature: Mapping[str, str] | None = None) -> dict[str, Any]:
    """What the JSON of SNS holds, in its order."""
    plain = notification.kind == "Notification"
    document: dict[str, Any] = {"Type": notification.kind, "MessageId": notification.id}
    if notification.sequence is not None:
        document["SequenceNumber"] = notification.sequence
    if not plain:
        document["Token"] = notification.token
    document["TopicArn"] = notification.way.topic_arn
    if plain and notification.subject is not None:
        document["Subject"] = notification.subject
    document["Message"] = message_of(notification)
    if not plain:
        document["SubscribeURL"] = notification.subscribe_url
    document["Timestamp"] = timestamp_of(notification)
    if signature is not None and notification.sequence is None:
        document |= signature
    if plain:
        document["UnsubscribeURL"] = notification.unsubscribe_url
        if notification.replayed:
            document["Replayed"] = "true"
        attributes = details_of(notification.publication.record).attributes
        if attributes:
            document["MessageAttributes"] = {name: attribute_of(value) for name, value in attributes.items()}
    return document


def message_of(notification: Notification) -> str:
    """The text of a notification, or the words in which SNS asks for a confirmation."""
    if notification.kind == "SubscriptionConfirmation":
        return (
            f"You have chosen to subscribe to the topic {notification.way.topic_arn}.\n"
            "To confirm the subscription, visit the SubscribeURL included in this message."
        )
    if notification.kind == "UnsubscribeConfirmation":
        return (
            f"You have chosen to deactivate subscription {notification.way.subscription_arn}.\n"
            "To cancel this operation and restore the subscription, visit the SubscribeURL included in this message."
        )
    return notification.text


def attribute_of(value: Any) -> dict[str, str]:
    """A stored attribute as SNS writes it: type, and the text or the bytes in base64."""
    form = wire_form(value)
    if isinstance(form.value, bytes):
        from base64 import b64encode

        return {"Type": form.type, "Value": b64encode(form.value).decode()}
    return {"Type": form.type, "Value": form.value}


def timestamp_of(notification: Notification) -> str:
    """When it was published: ISO 8601 in UTC, to the millisecond."""
    return notification.published_at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
