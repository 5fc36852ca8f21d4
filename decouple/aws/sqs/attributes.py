"""Queue attributes: text on the wire, settings of the engine or kept beside it, checked one by one.

`read_attributes` says what a request asks for and does nothing; `apply` does it; `show` has the present values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from decouple.aws.sqs import SQS
from decouple.aws.sqs.changes import Change, Scope, compact, object_in
from decouple.aws.sqs.redrive import read_redrive, read_redrive_allow, show_redrive, show_redrive_allow
from decouple.core.policy import read_policy
from decouple.errors import InvalidPolicy

if TYPE_CHECKING:
    from decouple.aws.errors import ServiceError
    from decouple.aws.sqs.kept import Kept
    from decouple.queue import Queue

__all__ = ["QUEUE_ATTRIBUTES", "apply", "differing", "keep", "read_attributes", "show", "unknown"]


# -- reading ---------------------------------------------------------------------------------------------------------


class Number(NamedTuple):
    """An attribute that is a setting of the engine, in whole seconds or bytes."""

    setting: str
    least: int
    most: int


NUMBERS = {
    "DelaySeconds": Number("delay", 0, 900),
    "MaximumMessageSize": Number("max_message_size", 1_024, 1_048_576),
    "MessageRetentionPeriod": Number("retention", 60, 1_209_600),
    "ReceiveMessageWaitTimeSeconds": Number("wait", 0, 20),
    "VisibilityTimeout": Number("visibility_timeout", 0, 43_200),
}
LONGEST_NUMBER = 10
KMS_PERIOD = (60, 86_400)
ONE_ENCRYPTION = (
    "You can use one type of server-side encryption (SSE) at one time. You can either enable KMS SSE or SQS SSE."
)


def read_attributes(given: Mapping[str, str], scope: Scope) -> dict[str, Change]:
    """What each attribute asks for. Raises ServiceError for the first that is not right."""
    changes = {name: read_attribute(name, text, scope) for name, text in given.items()}
    if given.get("KmsMasterKeyId") and changes.get("SqsManagedSseEnabled", NO_CHANGE).text == "true":
        raise SQS.error("InvalidAttributeName", ONE_ENCRYPTION)
    if given.get("FifoThroughputLimit") == "perMessageGroupId" and not by_group(changes, scope):
        raise wrong("FifoThroughputLimit", "perMessageGroupId needs DeduplicationScope messageGroup.")
    return changes


NO_CHANGE = Change("")


def by_group(changes: Mapping[str, Change], scope: Scope) -> bool:
    """Whether duplicates are looked for in each group alone, after these changes."""
    asked = changes.get("DeduplicationScope")
    queue = scope.place.broker.queues.get(scope.name)
    current = "queue" if queue is None else queue.settings["deduplication_scope"]
    return (current if asked is None else asked.text) == "messageGroup"


def read_attribute(name: str, text: str, scope: Scope) -> Change:
    if name in NUMBERS:
        setting, least, most = NUMBERS[name]
        number = number_in(name, text, least, most)
        return Change(str(number), {setting: number})
    if name in FIFO_READERS:
        if not scope.fifo:
            raise SQS.error("InvalidAttributeName", NOT_ON_STANDARD.get(name) or unknown_text(name))
        return FIFO_READERS[name](name, text, scope)
    reader = READERS.get(name)
    if reader is None:
        raise unknown(name)
    return reader(text, scope)


def number_in(name: str, text: str, least: int, most: int) -> int:
    good = len(text) <= LONGEST_NUMBER and text.isascii() and text.isdecimal() and least <= int(text) <= most
    if not good:
        raise wrong(name)
    return int(text)


def truth_in(name: str, text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise wrong(name)
    return text.lower() == "true"


def unknown_text(name: str) -> str:
    return f"Unknown Attribute {name}."


def unknown(name: str) -> ServiceError:
    """The error for an attribute that there is not, or not here."""
    return SQS.error("InvalidAttributeName", unknown_text(name))


def wrong(name: str, reason: str = "") -> ServiceError:
    return SQS.error(
        "InvalidAttributeValue", f"Invalid value for the parameter {name}.{reason and f' Reason: {reason}'}"
    )


def read_policy_text(text: str, scope: Scope) -> Change:
    if not text:
        return Change("")
    document = object_in(text)
    if document is None:
        raise wrong("Policy")
    try:
        read_policy(text, resource=scope.arn, service="sqs")
    except InvalidPolicy as error:
        raise wrong("Policy") from error
    return Change(compact(document))


def read_kms_key(text: str, scope: Scope) -> Change:
    if not text:
        return Change("", kept={"kms_key": None, "kms_period": None})
    if not text.isprintable():
        raise wrong("KmsMasterKeyId")
    return Change(text, kept={"kms_key": text, "sse": "false"})


def read_kms_period(text: str, scope: Scope) -> Change:
    number = str(number_in("KmsDataKeyReusePeriodSeconds", text, *KMS_PERIOD))
    return Change(number, kept={"kms_period": number})


def read_sse(text: str, scope: Scope) -> Change:
    if truth_in("SqsManagedSseEnabled", text):
        return Change("true", kept={"sse": "true", "kms_key": None, "kms_period": None})
    return Change("false", kept={"sse": "false"})


READERS: dict[str, Callable[[str, Scope], Change]] = {
    "Policy": read_policy_text,
    "RedrivePolicy": read_redrive,
    "RedriveAllowPolicy": read_redrive_allow,
    "KmsMasterKeyId": read_kms_key,
    "KmsDataKeyReusePeriodSeconds": read_kms_period,
    "SqsManagedSseEnabled": read_sse,
}


def read_fifo(name: str, text: str, scope: Scope) -> Change:
    if not truth_in(name, text):
        raise wrong(name, "Modifying queue type is not supported.")
    return Change("true")


def read_content_based(name: str, text: str, scope: Scope) -> Change:
    wanted = truth_in(name, text)
    return Change(str(wanted).lower(), {"content_based_deduplication": wanted})


def read_scope(name: str, text: str, scope: Scope) -> Change:
    if text not in ("queue", "messageGroup"):
        raise wrong(name)
    return Change(text, {"deduplication_scope": text})


def read_throughput(name: str, text: str, scope: Scope) -> Change:
    if text not in ("perQueue", "perMessageGroupId"):
        raise wrong(name)
    return Change(text, kept={"throughput": text})


FIFO_READERS: dict[str, Callable[[str, str, Scope], Change]] = {
    "FifoQueue": read_fifo,
    "ContentBasedDeduplication": read_content_based,
    "DeduplicationScope": read_scope,
    "FifoThroughputLimit": read_throughput,
}
NOT_ON_STANDARD = {
    name: f"You can specify the {name} only when FifoQueue is set to true."
    for name in ("DeduplicationScope", "FifoThroughputLimit")
}


# -- doing -----------------------------------------------------------------------------------------------------------


def apply(changes: Mapping[str, Change], queue: Queue[Any], kept: Kept) -> None:
    """Do what was read. Raises ServiceError where the engine sees a contradiction; then nothing was changed."""
    settings: dict[str, Any] = {}
    for change in changes.values():
        settings |= change.settings
    try:
        if settings:
            queue.configure(**settings)
    except ValueError as error:  # a circle of dead-letter queues, or what was declared natively and does not go with it
        raise contradiction(changes, error) from error
    if "Policy" in changes:
        queue.policy = changes["Policy"].text
    keep(changes, kept)


def keep(changes: Mapping[str, Change], kept: Kept) -> None:
    """The part of `apply` that the engine knows nothing of."""
    for change in changes.values():
        for name, value in change.kept.items():
            setattr(kept, name, value)


def contradiction(changes: Mapping[str, Change], error: ValueError) -> ServiceError:
    """What the engine has against it, as SQS would say it."""
    if changes.get("RedrivePolicy", NO_CHANGE).text:
        return SQS.wrong_value(changes["RedrivePolicy"].text, "RedrivePolicy", str(error))
    return SQS.error("InvalidAttributeValue", str(error))


# -- showing ---------------------------------------------------------------------------------------------------------

COUNTS = {
    "ApproximateNumberOfMessages": "visible",
    "ApproximateNumberOfMessagesDelayed": "delayed",
    "ApproximateNumberOfMessagesNotVisible": "in_flight",
}
Shower = Callable[["Queue[Any]", dict[str, Any], "Kept"], str | None]


def seconds(setting: str) -> Shower:
    return lambda queue, settings, kept: str(int(settings[setting]))


def of_fifo(text: Callable[[dict[str, Any], Kept], str]) -> Shower:
    return lambda queue, settings, kept: text(settings, kept) if queue.fifo else None


def policy_text(queue: Queue[Any], settings: dict[str, Any], kept: Kept) -> str | None:
    policy = queue.policy
    return None if policy is None else compact(policy)


SHOWERS: dict[str, Shower] = {
    "QueueArn": lambda queue, settings, kept: queue.arn,
    "CreatedTimestamp": lambda queue, settings, kept: str(int(kept.created)),
    "LastModifiedTimestamp": lambda queue, settings, kept: str(int(kept.modified)),
    **{name: seconds(number.setting) for name, number in NUMBERS.items()},
    "Policy": policy_text,
    "RedrivePolicy": lambda queue, settings, kept: show_redrive(settings, kept),
    "RedriveAllowPolicy": lambda queue, settings, kept: show_redrive_allow(settings, kept, queue.arn),
    "KmsMasterKeyId": lambda queue, settings, kept: kept.kms_key,
    "KmsDataKeyReusePeriodSeconds": lambda queue, settings, kept: kept.kms_key and (kept.kms_period or "300"),
    "SqsManagedSseEnabled": lambda queue, settings, kept: kept.sse,
    "FifoQueue": of_fifo(lambda settings, kept: "true"),
    "ContentBasedDeduplication": of_fifo(lambda settings, kept: str(settings["content_based_deduplication"]).lower()),
    "DeduplicationScope": of_fifo(lambda settings, kept: settings["deduplication_scope"]),
    "FifoThroughputLimit": of_fifo(lambda settings, kept: kept.throughput),
}
QUEUE_ATTRIBUTES = frozenset({"All", *COUNTS, *SHOWERS})


def show(names: Iterable[str], queue: Queue[Any], kept: Kept) -> dict[str, str]:
    """The attributes with these names, or all; what is not set, or not for this kind of queue, is absent."""
    wanted = set(names)
    for name in wanted:
        if name not in QUEUE_ATTRIBUTES:
            raise unknown(name)
    if "All" in wanted:
        wanted = {*COUNTS, *SHOWERS}
    settings = queue.settings
    shown = {name: shower(queue, settings, kept) for name, shower in SHOWERS.items() if name in wanted}
    if not wanted.isdisjoint(COUNTS):  # which cost O(messages), and are all the same price
        stats = queue.stats()
        shown |= {name: str(getattr(stats, count)) for name, count in COUNTS.items() if name in wanted}
    return {name: text for name, text in shown.items() if text is not None}


def differing(changes: Mapping[str, Change], queue: Queue[Any], kept: Kept) -> str | None:
    """The first attribute asked for that the queue has otherwise."""
    current = show(changes, queue, kept)
    for name, change in changes.items():
        now = current.get(name, "")
        if now != change.text and (not now.startswith("{") or object_in(now) != object_in(change.text or "{}")):
            return name
    return None
