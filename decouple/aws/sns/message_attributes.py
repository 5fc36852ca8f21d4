"""Message attributes of a publish, checked in AWS's order and words, as the engine takes them.

Their errors have a code of their own, ParameterValueInvalid; a missing type is the model's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from decouple.attributes import Attribute, is_number
from decouple.aws.sns.service import SNS, invalid_value

__all__ = ["read_attributes"]

LONGEST_NAME = 256
TYPE = re.compile(r"(String|Number|Binary)(\..+)?", re.DOTALL)
SIGNS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.")


def read_attributes(given: Mapping[str, Any], where: str = "") -> dict[str, Attribute | str | bytes]:
    """The attributes by name. where: what stands before "messageAttributes" in the path of a batch. Raises ServiceError."""
    return {name: read_attribute(name, value, where) for name, value in given.items()}


def read_attribute(name: str, given: Mapping[str, Any], where: str) -> Attribute | str | bytes:
    check_name(name)
    kind = given.get("DataType")
    if kind is None:
        path = f"{where}messageAttributes.{name}.member.dataType"
        text = (
            f"1 validation error detected: Value null at '{path}' failed to satisfy constraint: Member must not be null"
        )
        raise SNS.error("ValidationException", text)
    if not TYPE.fullmatch(kind) or len(kind) > LONGEST_NAME:
        words = (
            "has an invalid message attribute type, the set of supported type prefixes is Binary, Number, and String."
        )
        raise wrong(name, words)
    return read_value(name, kind, given)


def read_value(name: str, kind: str, given: Mapping[str, Any]) -> Attribute | str | bytes:
    base = "Binary" if kind.startswith("Binary") else "String"
    empty = f"must contain non-empty message attribute value for message attribute type '{kind}'."
    if given.get("StringValue") is None and given.get("BinaryValue") is None:
        raise wrong(name, empty)
    value = given.get(f"{base}Value")
    if value is None:
        raise wrong(name, f"with type '{kind}' must use field '{base}'.")
    if not value:
        raise wrong(name, empty)
    if kind.startswith("Number") and not is_number(value):
        raise invalid_value(f"Could not cast message attribute '{name}' value to number.")
    # The engine has plain values for these two.
    return value if kind in ("String", "Binary") else Attribute(kind, value)


def wrong(name: str, words: str) -> Exception:
    return invalid_value(f"The message attribute '{name}' {words}")


@lru_cache(maxsize=1_024)  # a program has few names, and uses them for each message
def check_name(name: str) -> None:
    """Raises ServiceError."""
    if len(name) > LONGEST_NAME:
        raise invalid_value("Length of message attribute name must be less than 256 bytes.")
    if not name:
        raise invalid_value("The message attribute name must not be empty.")
    for place, end in (("starting", 0), ("ending", -1)):
        if name[end] == ".":
            raise invalid_value(f"Invalid message attribute name {place} with character '.' was found.")
    before = ""
    for sign in name:
        if sign not in SIGNS:
            raise invalid_value(
                f"Invalid non-alphanumeric character '#x{ord(sign):X}' was found in the message attribute name. "
                "Can only include alphanumeric characters, hyphens, underscores, or dots."
            )
        if sign == before == ".":
            raise invalid_value("Message attribute name can not have successive '.' character.")
        before = sign
    if name.lower().startswith(("aws.", "amazon.")) and not name.startswith("AWS.SNS."):
        raise invalid_value(f"The message attribute name '{name}' begins with a prefix that is reserved for AWS.")
