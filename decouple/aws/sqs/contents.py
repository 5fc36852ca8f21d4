"""What is in a message, checked as SQS checks it: body, attributes, ids; and the sizes that count."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from decouple.attributes import Attribute, check_name
from decouple.aws.sqs import SQS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from decouple.aws.errors import ServiceError

__all__ = ["TRACE", "check_body", "check_id", "read_attributes", "read_system", "size_of"]

FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
CHARACTERS = (
    "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | "
    "#x10000 to #x10FFFF"
)
MOST_ATTRIBUTES = 10
LONGEST = 256
TRACE = "AWSTraceHeader"


def check_body(body: str | None) -> str:
    """The body. Raises ServiceError."""
    if not body:
        raise SQS.missing("MessageBody")
    if not body.isprintable() and FORBIDDEN.search(body):  # what can be printed is quicker told
        raise SQS.error("InvalidMessageContents", CHARACTERS)
    return body


def check_id(value: str | None, parameter: str) -> str | None:
    """A group's, deduplication or attempt id: printable ASCII without a space. Raises ServiceError."""
    if value is None or (0 < len(value) <= 128 and value.isascii() and value.isprintable() and " " not in value):
        return value
    reason = f"{parameter} can only include alphanumeric and punctuation characters. 1 to 128 in length."
    raise SQS.wrong_value(value, parameter, reason)


# -- attributes ------------------------------------------------------------------------------------------------------


def read_attributes(given: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Message attributes as the engine takes them; None for none. Raises ServiceError."""
    if not given:
        return None
    if len(given) > MOST_ATTRIBUTES:
        raise SQS.wrong(f"Number of message attributes [{len(given)}] exceeds the allowed maximum [{MOST_ATTRIBUTES}].")
    return {checked_name(name): read_attribute(name, value) for name, value in given.items()}


def checked_name(name: str) -> str:
    if len(name) > LONGEST:
        raise SQS.wrong(f"Message (user) attribute names must be shorter than {LONGEST} Bytes")
    try:
        return check_name(name)
    except ValueError as error:
        raise SQS.wrong(wrong_name(name)) from error


def wrong_name(name: str) -> str:
    if all(character.isalnum() or character in "_-." for character in name) and name:
        return (
            "You can't use message attribute names beginning with 'AWS.' or 'Amazon.'. "
            "These strings are reserved for internal use. Additionally, they cannot start or end with '.'."
        )
    return (
        "Message (user) attributes name can only contain upper and lower score characters, digits, periods, "
        "hyphens and underscores. "
    )


def read_attribute(name: str, given: Mapping[str, Any]) -> Any:
    """One attribute: plain text and bytes as they are, all other types with their name."""
    kind = given.get("DataType") or ""
    base = kind.partition(".")[0]
    check_type(kind, base)
    if given.get("StringListValues") or given.get("BinaryListValues"):
        text = "Message attribute list values in SendMessage operation are not supported."
        raise SQS.error("UnsupportedOperation", text)
    value = given.get("BinaryValue" if base == "Binary" else "StringValue")
    if not value:
        raise SQS.wrong(f"Message (user) attribute '{name}' must contain a non-empty value of type '{base}'.")
    if isinstance(value, str) and not value.isprintable() and FORBIDDEN.search(value):
        raise SQS.wrong(CHARACTERS)
    if kind in ("String", "Binary"):
        return value
    try:
        return Attribute(kind, value)
    except ValueError as error:
        raise SQS.wrong(f"Can't cast the value of message (user) attribute '{name}' to a number.") from error


def check_type(kind: str, base: str) -> None:
    if base not in ("String", "Number", "Binary"):
        raise SQS.wrong(
            "Type for parameter MessageAttributes.Attribute_name.DataType must be prefixed with 'String', 'Binary', or "
            f"'Number', but was: {kind or 'null'}"
        )
    if len(kind) > LONGEST:
        raise SQS.wrong(f"Message (user) attribute types must be shorter than {LONGEST} Bytes")
    if FORBIDDEN.search(kind):
        raise SQS.wrong(CHARACTERS)


def read_system(given: Mapping[str, Any] | None) -> dict[str, str] | None:
    """Message system attributes: there is one. Raises ServiceError."""
    if not given:
        return None
    for name, value in given.items():
        if name != TRACE:
            raise SQS.wrong(f"Message system attribute name '{name}' is invalid. Only {TRACE} is supported.")
        if value.get("DataType") != "String":
            raise wrong_system("DataType must be String.")
        if not value.get("StringValue"):
            raise wrong_system("It must contain a non-empty value of type 'String'.")
        if FORBIDDEN.search(value["StringValue"]):
            raise wrong_system(CHARACTERS)
    return {name: value["StringValue"] for name, value in given.items()}


def wrong_system(reason: str) -> ServiceError:
    return SQS.wrong(f"Message system attribute '{TRACE}' is invalid. Reason: {reason}")


# -- sizes -----------------------------------------------------------------------------------------------------------


def size_of(entry: Mapping[str, Any]) -> int:
    """UTF-8 bytes of body and attributes, as they were sent; system attributes do not count."""
    size = bytes_in(entry.get("MessageBody") or "")
    attributes: dict[str, dict[str, Any]] = entry.get("MessageAttributes") or {}
    for name, value in attributes.items():
        size += bytes_in(name) + bytes_in(value.get("DataType") or "") + bytes_in(value.get("StringValue") or "")
        size += len(value.get("BinaryValue") or b"")
    return size


def bytes_in(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode(errors="replace"))
